"""The nouns of the pipeline: plain, frozen, and ignorant of any vendor, store or file format.

Positions are half-open `[start, end)` offsets in characters (Python code points) of the note's *original* text,
never of a cleaned copy. Times in seconds, dates as ISO 8601 text, similarities are cosines in [-1, 1].
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.locators import Characters, Locator, Region
from pipeline.patients import SourcePatient

Vector: TypeAlias = NDArray[np.float32]
"""One embedding, shape (dimension,), or several, shape (n, dimension); float32."""

TextKind: TypeAlias = Literal["query", "passage"]

LIBRARY_PREFIX = "library:"
"""How the id of a library document begins in the store of notes. No note may have such an id."""

NO_PATIENT = LIBRARY_PREFIX
"""The patient of what belongs to none: a library document. No note may have this patient, and no one is called so."""


def library_id(version_id: str) -> str:
    """What the store of notes calls a version of a library document."""
    return LIBRARY_PREFIX + version_id


def version_of_library(resource_id: str) -> str:
    """The version that the store calls so. Raises ValueError for what is no library document."""
    if not is_of_library(resource_id):
        raise ValueError(f"{resource_id!r} is not a library document")
    return resource_id.removeprefix(LIBRARY_PREFIX)


def is_of_library(resource_id: str) -> bool:
    """Whether what the store calls so is a library document and not a note."""
    return resource_id.startswith(LIBRARY_PREFIX)


def patient_in_words(patient_id: str) -> str:
    """Whose something is, for people: "patient D2N006", or "the library"."""
    return "the library" if patient_id == NO_PATIENT else f"patient {patient_id}"


TEXT_CONTENT_CHARACTERS_MAX = 10_000
"""How much of a note the store keeps in `TextContent`, the column that is shown. Searching covers the whole note."""


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """What makes two vectors comparable. Vectors of two spaces never meet in one search."""

    provider: str
    """Who computes the vectors: "local", "nim", "openai", "bedrock", "hashing"."""
    model: str
    """Model id with its revision or the hash of its weights."""
    dimension: int
    query_prefix: str = ""
    passage_prefix: str = ""
    input_types: bool = False
    """True where the provider is told query or passage by a field of its own (NIM's `input_type`)."""
    normalised: bool = True
    """True where vectors have unit length, so that a dot product is the cosine."""
    tokens_max: int = 256
    """Longest text the model reads, in its own tokens, special tokens included."""
    similarity_floor: float = 0.0
    """Cosine below which a hit means nothing in this space. A judgement about the space, not part of its identity."""

    @property
    def id(self) -> str:
        """Stable name of the space: readable, with 12 hex digits of SHA-256 over everything that moves a vector."""
        identity = {name: value for name, value in asdict(self).items() if name != "similarity_floor"}
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"{self.provider}/{self.model}/{self.dimension}/{digest[:12]}"


@dataclass(frozen=True, slots=True)
class Document:
    """A clinical note as it was handed in."""

    resource_id: str
    patient_id: str
    document_type: str
    text_content: str
    """The whole original text, untouched."""
    date: str | None = None
    """ISO 8601 date or date-time; compares as text."""
    domain: str | None = None
    author: str | None = None
    encounter_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    patient: SourcePatient | None = None
    """What the source says of the patient besides the note. No field of the note: its fingerprint leaves it out, so
    that a patient who is called otherwise makes no other note of it."""

    def fingerprint(self) -> str:
        """SHA-256 over every field: two documents with the same one are the same document."""
        return hashlib.sha256(json.dumps(self.fields(), sort_keys=True).encode()).hexdigest()

    def fields(self) -> dict[str, Any]:
        """Every field by name. What `asdict` gives, without its deep copies: this is asked of every note."""
        return {
            "resource_id": self.resource_id,
            "patient_id": self.patient_id,
            "document_type": self.document_type,
            "text_content": self.text_content,
            "date": self.date,
            "domain": self.domain,
            "author": self.author,
            "encounter_id": self.encounter_id,
            "metadata": dict(self.metadata),
        }

    def as_json(self) -> str:
        """The note with what its source says of the patient, to be read by `of_json`."""
        said = {} if self.patient is None else {"patient": self.patient.as_json()}
        return json.dumps(self.fields() | said, ensure_ascii=False)

    @classmethod
    def of_json(cls, text: str) -> Document:
        fields = json.loads(text)
        said = fields.pop("patient", None)
        return cls(**fields, patient=None if said is None else SourcePatient.of_json(said))


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image that waits: where it lies, what it holds, and what other files say of it. No pixels, and nothing of its
    header, which may name the patient."""

    path: str
    """As the system opens it; bytes that are no UTF-8 are surrogates."""
    content_hash: str
    """SHA-256 of the file's bytes: what the ledger knows the image by."""
    source_format: str
    inside: str = ""
    """The end of `path` below the folder that was named; "" for a file named itself."""
    patient_id: str = ""
    """As other files have it; "" where only the header says."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """What other files say of the image, by the names of its description."""

    @property
    def resource_id(self) -> str:
        return self.content_hash

    @property
    def refused(self) -> Sequence[str]:
        """Kind, reason and remedy of an image that is not taken, as is known before it is read; empty for others."""
        return tuple(self.given.get("refused", ()))

    @property
    def patient(self) -> SourcePatient | None:
        """As that of a note. What images say of their patients makes no register."""
        return None

    def fingerprint(self) -> str:
        """SHA-256 over every field. One that lies elsewhere is another: what is stored says where the original is. By
        which folder it was found makes no other."""
        fields = self._fields() | {"inside": ""}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    def as_json(self) -> str:
        return json.dumps(self._fields())

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def of_json(cls, text: str) -> ImageReference:
        return cls(**json.loads(text))


StagedMaterial: TypeAlias = Document | ImageReference
"""What waits in a ledger; one ledger has one kind."""

MaterialKind: TypeAlias = Literal["notes", "images"]

RunKind: TypeAlias = MaterialKind | Literal["documents"]
"""What a run is about, as messages call it. Library documents go the way of notes."""


@dataclass(frozen=True, slots=True)
class NoteHead:
    """A note without its text: what a list of notes shows."""

    resource_id: str
    patient_id: str
    document_type: str
    date: str | None
    domain: str | None
    author: str | None
    encounter_id: str | None
    title: str | None
    """As its source calls it (FHIR, CDA and HL7 v2 give titles); None where it does not."""


@dataclass(frozen=True, slots=True)
class NoteVersion:
    """Which of two versions of one note is newer, by what the source itself says (FHIR's `meta`)."""

    last_updated: str | None = None
    """ISO 8601 instant in UTC, so that two of them compare as text; None where the source does not say."""
    number: int | None = None
    """`versionId` where it is a whole number; compared only where the instants do not decide."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One record as a reader found it: field names already mapped, values not yet judged."""

    source: str
    """The input it came from, by its full path however the user wrote it."""
    position: str
    """Where in that input: "line 12", "entry 3", "row 7", "file notes/a.txt"."""
    fields: Mapping[str, Any]
    """Our field names (resource_id, ...) to raw values; whatever else the record held is under "metadata"."""
    file: str = ""
    """The very file, by its full path; equal to `source` where the input was a file, "" for standard input."""
    version: NoteVersion | None = None
    """None where the source says nothing of versions."""
    authority: tuple[str, str] | None = None
    """Who gave the patient's id: the way of naming authorities and the name. None where no one else can have given the
    same id, or where the source does not say."""
    patient: SourcePatient | None = None
    """What the source says of the patient besides the note."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that was not taken, why, and what to do. Never holds note text."""

    source: str
    position: str
    resource_id: str | None
    field: str | None
    reason: str
    remedy: str
    whole_source: bool = False
    """True where the rest of the source could not be read, so an unknown number of records is affected."""
    withdrawn: bool = False
    """True where the source took the note back, so that a stored one is removed."""
    patient_id: str | None = None
    """Of a withdrawn note: whose it was, where the source says. A stored note of another patient stays."""
    version: NoteVersion | None = None
    """Of the record that was not taken, where the source says."""
    file: str = ""
    """Of a withdrawn note: the very file that took it back, as `SourceRecord.file`."""
    authority: tuple[str, str] | None = None
    """Of a withdrawn note: as `SourceRecord.authority`. A stored note of another one's patient stays."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a note that is embedded and cited as one.

    `text` is the cleaned passage; `start` and `end` are its place in the original text. `offsets` maps cleaned
    positions to original ones: pairs `(position in text, position in original)`, ascending, each opening a run in
    which both advance together. None means one run: original position = start + position.
    """

    chunk_id: str
    resource_id: str
    ordinal: int
    text: str
    start: int
    end: int
    section: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None
    region: Region | None = None
    """Where on a page or in an image `text` was read; None for a note that is text."""

    @property
    def locator(self) -> Locator:
        return self.region or Characters(self.start, self.end)

    @property
    def embedding_text(self) -> str:
        """What the embedder reads: the passage, under its section's heading unless it opens with it."""
        if not self.section:
            return self.text
        opening = self.text.lstrip("# ")[: len(self.section) + 1]  # the whole in small letters takes longer
        if opening.lower().startswith(self.section.lower()):
            return self.text
        return f"{self.section}\n{self.text}"


@dataclass(frozen=True, slots=True)
class EmbeddedChunk:
    """A chunk and its vector, shape (dimension,), in the space of the store that takes it."""

    chunk: Chunk
    vector: Vector


@dataclass(frozen=True, slots=True)
class EmbeddedDocument:
    """A note with all its chunks: the unit that a store replaces as a whole."""

    document: Document
    chunks: tuple[EmbeddedChunk, ...]

    @property
    def parts(self) -> int:
        """How many vectors it has."""
        return len(self.chunks)


@dataclass(frozen=True, slots=True)
class AccessScope:
    """Which notes a person may see at all. Not a wish like `Filters`: whatever is outside does not exist for them.

    None: no restriction on that field. An empty set admits nothing. Both must hold. A note without a domain, or with
    a blank one, is admitted only where domains are not restricted. What is of no patient is admitted by its domain
    alone, to whoever may see any patient.
    """

    domains: frozenset[str] | None = None
    patient_ids: frozenset[str] | None = None

    @property
    def unrestricted(self) -> bool:
        return self.domains is None and self.patient_ids is None

    def admits(self, domain: str | None, patient_id: str) -> bool:
        """Whether a note of this domain and patient is inside."""
        return (self.domains is None or (bool(domain) and domain in self.domains)) and (
            self.patient_ids is None
            or patient_id in self.patient_ids
            or (patient_id == NO_PATIENT and bool(self.patient_ids))
        )

    @property
    def admitted_patients(self) -> frozenset[str]:
        """Those of a restricted scope, and `NO_PATIENT` with any of them."""
        return _with_no_patient(self.patient_ids) if self.patient_ids else frozenset()

    def covers(self, other: AccessScope) -> bool:
        """Whether every note that `other` could admit is inside, whatever notes there are."""
        pairs = ((self.domains, other.domains), (self.patient_ids, other.patient_ids))
        nothing = any(narrow is not None and not narrow for _, narrow in pairs)
        return nothing or all(
            wide is None or (narrow is not None and narrow <= wide) for wide, narrow in pairs
        )


@lru_cache(maxsize=16)
def _with_no_patient(patients: frozenset[str]) -> frozenset[str]:
    """Kept: up to tens of thousands of ids, in every search of a person."""
    return patients | {NO_PATIENT}


EVERYTHING = AccessScope()


@dataclass(frozen=True, slots=True)
class Filters:
    """Which notes a search may see. All that is given must hold.

    What a person wishes for: an empty tuple or None is no restriction on that field. `scope` is what that person may
    see at all: there an empty set admits nothing. Stores search by `admitted_patients` and `admitted_domains`, in
    which the wish can only narrow the scope.
    """

    patient_ids: tuple[str, ...] = ()
    document_types: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    since: str | None = None
    """First day or moment included, ISO 8601, as is `until`. What the two admit is `periods.Period`'s to say: a note
    of which only the month or the year is known is admitted where it may be of the period; one without a date never."""
    until: str | None = None
    """Last day or moment included; a bare date includes that whole day, a month or a year the whole of it."""
    scope: AccessScope = EVERYTHING

    @property
    def empty(self) -> bool:
        """Whether every note passes: nothing is wished for and nothing is forbidden."""
        return self == Filters()

    @property
    def admitted_patients(self) -> Collection[str] | None:
        """The patients whose notes may be seen, none at all where it is empty; None: every patient. A wish for patients
        leaves out what is of none, also one for NO_PATIENT."""
        allowed = self.scope.patient_ids
        if not self.patient_ids:
            return None if allowed is None else self.scope.admitted_patients
        wished = tuple(each for each in self.patient_ids if each != NO_PATIENT)
        return wished if allowed is None else allowed.intersection(wished)

    @property
    def admitted_domains(self) -> Collection[str] | None:
        """The same for domains. A scope never holds the blank domain, which a wish may name."""
        allowed = self.scope.domains
        return _narrowed(None if allowed is None else allowed - {""}, self.domains)


def _narrowed(allowed: frozenset[str] | None, wished: tuple[str, ...]) -> Collection[str] | None:
    if allowed is None:
        return wished or None
    return allowed.intersection(wished) if wished else allowed


@dataclass(frozen=True, slots=True)
class Match:
    """One chunk found by one retriever. Scores of different retrievers are not comparable."""

    chunk_id: str
    score: float
    """By vector: cosine. By words: BM25 or the back-end's own rank, higher is better."""


@dataclass(frozen=True, slots=True)
class ChunkOfPatient:
    """A chunk by its id, and whose it is."""

    chunk_id: str
    patient_id: str
    date: str | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk with all that an answer needs to cite it."""

    chunk_id: str
    resource_id: str
    patient_id: str
    document_type: str
    date: str | None
    domain: str | None
    section: str | None
    text: str
    start: int
    end: int
    similarity: float
    """Cosine with the question, computed for every hit, whichever retriever found it."""
    score: float = 0.0
    """Fused rank score; only its order means anything."""
    offsets: tuple[tuple[int, int], ...] | None = None
    region: Region | None = None
    """As the chunk's."""

    @property
    def locator(self) -> Locator:
        return self.region or Characters(self.start, self.end)


PlanPart: TypeAlias = Literal["patient", "kind", "finding", "time", "shape", "negation"]


@dataclass(frozen=True, slots=True)
class UnderstoodPart:
    """One part of what a question was understood to ask: whom, what kind of thing, which finding, when, which shape the
    answer has, or that those are asked for who do not."""

    id: str
    """By which an asker removes it: "patient:P123", "kind:medication", "finding:diabetes", "time:latest", "shape:list",
    "negation"."""
    part: PlanPart
    text: str
    """As a person reads it: "Anna Mitchell", "medications", "latest"."""
    carried: bool = False
    """From the turn before: the question does not say it."""


@dataclass(frozen=True, slots=True)
class AskedImage:
    """What a person asks with: the prepared, cleaned picture as an ImageEmbedder takes it, never the file."""

    content: bytes = field(repr=False)
    """PNG or JPEG."""
    patient_id: str = ""
    """Whose it is, as its header says; "" where it says nothing that can be held against the notes'."""
    modality: str = ""
    body_part: str = ""
    content_hash: str = ""
    """SHA-256 of the file's bytes: an image that is stored is known by it."""
    date: str | None = None
    """ISO 8601, as stored images have it."""


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    filters: Filters = Filters()
    top_k: int = 10
    carried: tuple[str, ...] = ()
    """Ids of the parts that come from the turn before; a patient among them stands in the filters."""
    without: tuple[str, ...] = ()
    """Ids of the parts that the asker removed: they have no effect."""
    proposed: tuple[str, ...] = ()
    """Ids of the parts that a model read out of the question where its words alone were not understood."""
    image: AskedImage | None = None
    """The text may then be empty: similar images are asked for."""
    film_id: str = ""
    """The stored image that "this film" means: the one that is open beside the question, or was shown last. Where it
    is out of sight or of another patient than the question's, it is as if it were not given."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a generator receives: the question, the numbered passages, and both rendered as chat messages."""

    question: str
    passages: tuple[Hit, ...]
    """Passage n is cited as [n], counting from 1."""
    system: str
    user: str
    version: str
    """Name and content hash of the prompt file, for example "answer-v1@3f2a9c". Changes whenever the file does."""
    topic: str = ""
    """The question without the names in it, for a generator that compares words: the passages are of the patients
    whom they mean. Empty: as the question."""


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int = 0
    completion_tokens: int = 0


Thinks: TypeAlias = Literal["never", "maybe", "always"]


@dataclass(frozen=True, slots=True)
class GeneratorModel:
    """Who writes answers, and what a reader must know about it."""

    provider: str
    model: str
    label: str | None = None
    """Shown with every answer where the model is not fit for clinical use, for example "demo model"."""
    thinks: Thinks = "maybe"
    """Whether it writes down its reasoning before its answer. Only of a model that never does may statements be shown
    before its answer is whole."""


PieceKind: TypeAlias = Literal["answer", "thought", "tool_call", "refusal"]


@dataclass(frozen=True, slots=True)
class DraftPiece:
    """A piece of what a model writes, as it arrives. The last piece carries the usage."""

    text: str = ""
    """Of the answer; empty for every other kind: no one reads what is not the answer."""
    usage: Usage | None = None
    finish_reason: str | None = None
    """The server's own word; `answering.model_output` knows what each means."""
    kind: PieceKind = "answer"
    """What the server itself says that this is. What it does not tell apart, `answering.model_output` does."""
    model: GeneratorModel | None = None
    """Which model writes this draft, where a generator chooses among several: on its first piece. None: its own."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Proof for one statement: which note, and which characters of its original text."""

    number: int
    resource_id: str
    patient_id: str
    document_type: str
    date: str | None
    similarity: float
    start: int
    end: int
    quote: str
    """The cited characters of the original text."""
    region: Region | None = None
    """Where on a page or in an image the cited passage was read. The proof is the quote: this is where to look."""
    title: str = ""
    """Title and version of a document of the library, for people; "" of a note."""

    @property
    def locator(self) -> Locator:
        return self.region or Characters(self.start, self.end)


FoundBy: TypeAlias = Literal["image", "text", "report", "metadata"]
"""How an image was found: by its look, by the question's words in the image model's space, by the words of its report,
or by what is known of it besides its pixels."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that an answer shows beside its statements, in the words of its cleaned description."""

    image_id: str
    patient_id: str
    date: str | None
    modality: str
    body_part: str
    view: str
    laterality: str
    description: str
    series_id: str
    study_id: str
    frame: int
    frames: int
    rows: int
    columns: int
    findings: tuple[str, ...]
    """What it is labelled with. No one's diagnosis."""
    report_id: str | None
    """Only of a note that the asker may see."""
    similarity: float | None
    """Cosine with what was asked; None where nothing was compared."""
    found_by: FoundBy
    number: int = 0
    """Of its citation; 0 where no statement cites it."""
    date_is_shifted: bool = False
    content_hash: str = ""
    """Of its original, to know later whether it is the same one."""


ASKED_IMAGE = "asked"
"""The image that a question came with, where images are named by their ids."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model says that one picture shows. Not checked: it is never a statement, and nothing is made from it."""

    image_id: str
    """Of a cited image, or ASKED_IMAGE."""
    text: str
    """"" where no sentence of it may be shown."""
    model: str
    """Provider and model id."""
    withheld: int = 0
    """Sentences that are not shown because they may name someone."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer with the citations that carry it."""

    text: str
    citations: tuple[Citation, ...]


NoteField: TypeAlias = Literal["patient_id", "document_type", "domain"]
"""Fields of a note whose values can be listed and filtered by."""

NoticeCode: TypeAlias = Literal[
    "value_unknown",
    "value_written_otherwise",
    "undated_left_out",
    "none_in_period",
    "none_by_all_filters",
    "name_not_found",
    "which_patient",
    "not_final",
    "picture_not_described",
]
"""What a filter did that the user may not expect, a name in the question, or what cited notes are.
value_unknown: no note has the value given. value_written_otherwise: other notes have nearly the same one.
undated_left_out: a period leaves out notes without a date. none_in_period: notes have dates, and none is of the
period. none_by_all_filters: each filter admits notes, all of them together none. name_not_found: the question names
a person that no passage found names; `near` has those who are called nearly so. which_patient: several patients have
that name; `near` has them. not_final: notes that the answer cites are what `value` says, for example
preliminary; `near` has their ids. picture_not_described: the vision model said nothing of a picture; `value` is the
error's code, `near` has the image's id."""

NOTICE_NOTES_MAX = 10_000
"""Notes are counted up to here for a notice, and no further."""


@dataclass(frozen=True, slots=True)
class NearValue:
    """A value of a note that resembles one asked for, and how many notes have it (NOTICE_NOTES_MAX at most)."""

    value: str
    notes: int
    told_apart: str = ""
    """Of a patient, what an asker knows one by: name, birth date or age, last note."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What one filter did, or what cited notes are, in numbers and values inside the asker's scope. No note text."""

    code: NoticeCode
    field: NoteField | Literal["date"] | None = None
    """Which filter; None where it is all of them together."""
    value: str | None = None
    """As it was given."""
    notes: int = 0
    """How many notes it is about, NOTICE_NOTES_MAX at most."""
    of: int = 0
    """Out of how many, NOTICE_NOTES_MAX at most."""
    near: tuple[NearValue, ...] = ()
    """The nearest first."""


Outcome: TypeAlias = Literal["answered", "nothing_relevant", "no_answer"]
"""nothing_relevant: the model said so, or no passage cleared the floor. no_answer: passages were found, and what the
model made of them cannot be shown; whether the notes answer the question is not known."""

Ending: TypeAlias = Literal[
    "complete", "cut_off", "filtered", "refused", "tool_call", "abstained", "not_asked"
]
"""How a model's answer ended. cut_off: at its token limit or by the server; filtered: by a content filter; tool_call:
it wanted to call a tool, and has none; abstained: it said that the passages do not answer; not_asked: there was
nothing to ask it about. Of all but complete, more may have followed what is shown."""


@dataclass(frozen=True, slots=True)
class Answer:
    question: str
    outcome: Outcome
    text: str
    statements: tuple[Statement, ...]
    citations: tuple[Citation, ...]
    """Each cited span once, in the order of first use."""
    passages: tuple[Hit, ...]
    """The context that was handed to the generator; empty where nothing cleared the floor."""
    reason: str | None
    """For nothing_relevant: "below_floor", "no_documents", "filters_match_nothing", "name_not_found",
    "which_patient", "not_stated", "no_images" or "generator_abstained". For no_answer: "nothing_verified",
    "cut_off", "filtered", "refused", "tool_call", "thought_only" or "empty"."""
    model: GeneratorModel
    prompt_version: str | None
    space_id: str
    usage: Usage
    seconds: Mapping[str, float]
    """Time per stage: embed, search, prompt, generate, verify, total."""
    withheld: int = 0
    """How many statements of the draft were held back because what they cite does not say all that they say."""
    notices: tuple[Notice, ...] = ()
    """What the filters did that the asker may not expect."""
    ending: Ending = "complete"
    """How the model's answer ended. The statement that a cut left unfinished is not shown, and not counted."""
    understood: tuple[UnderstoodPart, ...] = ()
    """What the question was understood to ask, as far as that is known."""
    images: tuple[FoundImage, ...] = ()
    """Images next to the answer, those of the patient asked about, or of the asked image's, first. Of another patient's
    no statement says anything."""
    seen: tuple[Seen, ...] = ()
    """What a vision model says of the image asked with, and of cited ones. Not checked, and no part of the answer."""


WhyNothingFound: TypeAlias = Literal[
    "no_documents", "filters_match_nothing", "below_floor", "name_not_found", "which_patient"
]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What an answer would be made from."""

    question: Question
    """As it was searched: limited to the patient whose id it writes."""
    topic: str
    """Its text without the names of those whose passages these are."""
    passages: tuple[Hit, ...]
    """Best first, `question.top_k` at most; empty where nothing cleared the floor."""
    notices: tuple[Notice, ...]
    reason: WhyNothingFound | None
    """Why there is no passage."""
    space_id: str
    seconds: Mapping[str, float]
    """Time per stage: embed, search, total."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages that the generator will see; empty where nothing cleared the floor."""

    passages: tuple[Hit, ...]
    understood: tuple[UnderstoodPart, ...] = ()
    """As the answer's."""
    images: tuple[FoundImage, ...] = ()
    """As the answer's."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A statement whose citations checked out."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer; always the last event."""

    answer: Answer


AnswerEvent: TypeAlias = Retrieved | Verified | Finished


@dataclass(frozen=True, slots=True)
class StoreCounts:
    documents: int
    chunks: int


NoteState: TypeAlias = Literal["pending", "processing", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a note was read, whose it was, and in which version."""

    patient: str
    """The patient's id or a hash of it: it is compared and nothing else."""
    source: str
    file: str
    """"" for standard input, and for notes that an earlier release stored."""
    version: NoteVersion | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """That a source took a note back. What it means for a note is `indexing/identity.py`'s judgement."""

    patient: str | None
    """None where the source does not say whose it was."""
    file: str
    version: NoteVersion | None
    """Of the withdrawal where its source numbers it, else of the note that it removed."""
    position: str = ""
    authority: tuple[str, str] | None = None
    """Who gave the ids, where another may have given the same ones."""


@dataclass(frozen=True, slots=True)
class KnownNote:
    """What the ledger knows of one note."""

    fingerprint: str
    state: NoteState
    attempts: int
    source: str
    file: str = ""
    patient_id: str | None = None
    """None where an earlier release stored it and its text is nowhere any more."""
    version: NoteVersion | None = None

    def sighting(self, patient_if_unknown: str) -> Sighting:
        return Sighting(self.patient_id or patient_if_unknown, self.source, self.file, self.version)


@dataclass(frozen=True, slots=True)
class StagedNote:
    """A note, or an image by reference, for the ledger, to be embedded."""

    document: StagedMaterial
    source: str
    fingerprint: str
    file: str = ""
    version: NoteVersion | None = None
    replaces: str | None = None
    """As in `Claim`."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A note or an image handed to a worker, with the fingerprint under which its result must come back."""

    document: StagedMaterial
    fingerprint: str
    attempt: int
    replaces: str | None = None
    """Another id under which the same note is stored: it goes once this one is stored."""


@dataclass(frozen=True, slots=True)
class HeldElsewhere:
    """Notes that other workers hold."""

    notes: int
    owner: str
    """One of the workers: its machine, process and start."""
    until: float
    """When the last lease ends, in seconds since 1970, unless it is renewed."""


@dataclass(frozen=True, slots=True)
class FailedNote:
    resource_id: str
    attempts: int
    error: str
    file: str = ""
    """From which it was read; "" where that is not known."""


@dataclass(frozen=True, slots=True)
class Throughput:
    notes_per_minute: float
    last_at: float
    """When the last note was done, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an indexing run did, in notes unless a name says otherwise."""

    read: int
    accepted: int
    unchanged: int
    embedded: int
    failed: int
    rejected: int
    """Records that hold a note and were not taken; files that could not be read are `unread_files`."""
    duplicates: int
    pruned: int
    withdrawn: int
    """Stored or waiting notes that a source took back, and that were removed therefore."""
    missing: tuple[str, ...]
    """Ids that the ledger knows from these sources and that the sources no longer hold."""
    unread: int
    """Rejections without an id, or of a whole source: while there are any, nothing is removed as missing."""
    chunks_embedded: int
    chunks_reused: int
    seconds: float
    embedding_seconds: float
    interrupted: bool = False
    rejections_file: str | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Rejections by reason, those of whole files too."""
    older: int = 0
    """Records passed over: a newer version of the note is there, or it was withdrawn after this one."""
    new: int = 0
    """Notes that were not known before."""
    changed: int = 0
    """Notes that were known, and that are stored again: another version, or another way to cut them."""
    patient_changed: int = 0
    """Of the changed notes, those that another patient has now."""
    moved: int = 0
    """Notes that did not change and are read from another place now."""
    unread_files: int = 0
    """Files and inputs that could not be read, or not to their end: how many notes they hold is not known."""
    withdrawals: int = 0
    """Records by which a source takes a note back, whether that was ever stored or not. No fault of anything."""
    placeholder_dates: int = 0
    """Accepted notes whose source wrote a date for none, for example 9999-12-31; they have no date."""
    decimal_ids: tuple[str, ...] = ()
    """Of note and patient those whose every id is a whole number with .0 behind, as data frames write it."""
    given_up: int = 0
    """Notes that failed too often in earlier runs and were not tried again: they are not in."""

    @property
    def has_faults(self) -> bool:
        """Whether something that should be in is not."""
        return bool(self.rejected or self.unread_files or self.failed or self.given_up)


def unit_length(vectors: Vector) -> Vector:
    """Rows scaled to length 1; an all-zero row stays zero. Shape kept."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def original_span(
    start: int, end: int, offsets: Sequence[tuple[int, int]] | None, origin: int
) -> tuple[int, int]:
    """Map `[start, end)` of a chunk's cleaned text to the original text.

    `origin` is the chunk's own start there. The end is that of the last character covered, so that characters
    dropped after it (trailing blanks) are not included.
    """
    if start >= end:
        at = _original_position(start, offsets, origin)
        return at, at
    return _original_position(start, offsets, origin), _original_position(end - 1, offsets, origin) + 1


def _original_position(position: int, offsets: Sequence[tuple[int, int]] | None, origin: int) -> int:
    if not offsets:
        return origin + position
    place, original = offsets[0]
    for candidate, value in offsets:
        if candidate > position:
            break
        place, original = candidate, value
    return original + position - place
