"""What the two flows need from the outside world, and nothing more.

A method enters a port when two back-ends and one flow need it. Implementations live in `pipeline/backends`, one
provider a file; only `pipeline/wiring.py` knows which one is in use. Implementations translate their vendor's
exceptions into `pipeline.errors` and let nothing else escape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from pipeline.images import EmbeddedImage, ImageCounts, ImageFilters, ImageHit, Thumbnail
from pipeline.imaging.records import ImageDescription
from pipeline.patients import NamePart, RegisteredPatient
from pipeline.records import (
    EVERYTHING,
    AccessScope,
    AnswerEvent,
    ChunkOfPatient,
    Claim,
    Document,
    DraftPiece,
    EmbeddedDocument,
    EmbeddingSpace,
    FailedNote,
    Filters,
    GeneratorModel,
    HeldElsewhere,
    Hit,
    KnownNote,
    Match,
    NoteField,
    NoteHead,
    NoteState,
    NoteVersion,
    Prompt,
    Question,
    SearchResult,
    StagedMaterial,
    StagedNote,
    StoreCounts,
    TextKind,
    Throughput,
    Vector,
    Withdrawal,
)


class Embedder(Protocol):
    """Turns texts into vectors of one space."""

    @property
    def space(self) -> EmbeddingSpace: ...

    @property
    def texts_at_once(self) -> int:
        """Texts that one call of `embed` takes best: one request or one forward pass."""

    @property
    def calls_at_once(self) -> int:
        """How many calls of `embed` from different threads make sense; 1 for a model in this process."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text in the model's own tokenizer, without special tokens.

        Additive over pieces split at white space, so a chunker may count sentences and add up.
        """

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        """Vectors in the order of `texts`, shape (len(texts), space.dimension), float32, unit length where the
        space says normalised. Accepts any number of texts and batches them itself; an empty list gives (0, dim).

        A text longer than `space.tokens_max` raises RequestInvalid: nothing is cut in silence.
        """

    def check(self) -> None:
        """A real call of one text. Returns when the embedder works, else raises the error a caller would meet."""


@runtime_checkable
class Interruptible(Protocol):
    """A client that may have to wait for a server, and can be told not to."""

    def stop(self) -> None:
        """For good: calls that wait for the server's recovery, or for their turn, end with a transient error. What is
        on the wire ends by itself."""


@runtime_checkable
class Reserving(Protocol):
    """An embedder that puts more around a text than `SPECIAL_TOKENS`."""

    @property
    def reserved_tokens(self) -> int:
        """What of `space.tokens_max` no text can have, besides the space's own prefixes."""


Cosine = TypeVar("Cosine", float, Vector)


@dataclass(frozen=True, slots=True)
class SimilarityScale:
    """Where the cosines of a model lie. Related texts have a cosine of 0.4 in one model and of 0.7 in another."""

    factor: float
    shift: float

    def usual(self, cosine: Cosine) -> Cosine:
        """Cosines of this model, as the thresholds of answering read them (those of all-MiniLM-L6-v2)."""
        return cosine * self.factor + self.shift


AS_IT_IS = SimilarityScale(1.0, 0.0)


@runtime_checkable
class Scaled(Protocol):
    """An embedder of which it is known where its cosines lie."""

    @property
    def similarity_scale(self) -> SimilarityScale: ...


def similarity_scale(embedder: Embedder) -> SimilarityScale:
    """That of the embedder's model; the cosine as it is where none is known."""
    return embedder.similarity_scale if isinstance(embedder, Scaled) else AS_IT_IS


SPECIAL_TOKENS = 2
"""[CLS] and [SEP], which every model here adds."""


def text_tokens_max(embedder: Embedder, kind: TextKind) -> int:
    """The longest text that the model reads, as `count_tokens` counts."""
    space = embedder.space
    prefix = space.query_prefix if kind == "query" else space.passage_prefix
    reserved = embedder.reserved_tokens if isinstance(embedder, Reserving) else SPECIAL_TOKENS
    return space.tokens_max - reserved - (embedder.count_tokens([prefix])[0] if prefix else 0)


class Generator(Protocol):
    """Writes a draft answer from a prompt."""

    @property
    def model(self) -> GeneratorModel: ...

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        """Pieces as they come; the last one says how the draft ended. Closing the iterator early cancels the request.
        A generator that finds no answer says so: "NOT STATED", or `finish_reason` "abstained". One that chooses among
        models names the one that writes on its first piece."""

    def check(self) -> None:
        """A real call of a few tokens. Returns when the generator works, else raises the error a caller would meet."""


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """What a model server says of itself."""

    ready: bool
    """False while it loads."""
    models: tuple[str, ...]
    """Ids that it lists. A model may be listed and not answer: only a real call proves that."""


@runtime_checkable
class Served(Protocol):
    """A client of a model behind a server that tells about itself."""

    def health(self) -> ServerHealth:
        """One quick look, never repeated. Raises ProviderError where the server does not answer."""


class Ranker(Protocol):
    """Scores passages against a question, for back-ends that have such a model."""

    def rank(self, question: str, passages: Sequence[str]) -> list[float]:
        """One score a passage, in the order given; higher is better, unbounded, comparable within one call only."""

    def check(self) -> None:
        """As Embedder.check."""


class ImageEmbedder(Protocol):
    """Turns images, and where the model can, texts, into vectors of one image space.

    An image space is never a text space: a vector of a note and a vector of an image meet in no search, whatever
    their widths.
    """

    @property
    def space(self) -> EmbeddingSpace: ...

    @property
    def reads_texts(self) -> bool:
        """Whether the space has a text side. Where it has none, words find images by the linked report and by the
        metadata alone, and whoever shows the result says so."""

    @property
    def image_side(self) -> int:
        """Longest side in pixels that an image should be prepared to: the model sees no more of a larger one."""

    @property
    def images_at_once(self) -> int:
        """Images that one call of `embed_images` takes best: one request, or what keeps a core busy."""

    @property
    def calls_at_once(self) -> int:
        """As Embedder.calls_at_once."""

    def embed_images(self, images: Sequence[bytes]) -> Vector:
        """Encoded PNG or JPEG files to vectors, shape (n, dimension), unit length, order kept; an empty list gives
        (0, dimension). Raises RequestInvalid for what is neither, or larger than the model reads."""

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        """Texts into the same space, shape (n, dimension). Raises RequestInvalid where it has no text side, and for a
        text that is longer than the model reads."""

    def check(self) -> None:
        """As Embedder.check."""


class VisionModel(Protocol):
    """Says in words what a picture shows. No one checks it: it is shown apart from an answer, and never makes one."""

    @property
    def model(self) -> GeneratorModel: ...

    def describe(self, image: bytes, question: str) -> str:
        """What it sees, with the question in mind, without its reasoning; never empty. `image`: a prepared, cleaned
        picture, PNG or JPEG. A text that was cut ends with the last whole sentence and "…".

        Raises RequestInvalid where it does not take the picture or a filter withholds its words, ResponseInvalid where
        it says nothing, ThoughtUnfinished, or what its server meets."""

    def check(self) -> None:
        """A real picture of ours and a few tokens, once."""


class Store(Protocol):
    """Notes, their chunks and their vectors, of exactly one embedding space.

    Writes are idempotent: a note is replaced as a whole, and writing it twice leaves what writing it once does.
    Readers in other processes see committed rows without being reopened.
    """

    def prepare(self, space: EmbeddingSpace) -> None:
        """Create what is missing, and upgrade the tables of an earlier release; safe to call always. Raises
        SpaceMismatch where the store holds another space, SchemaMismatch where a newer release made its tables."""

    def space(self) -> EmbeddingSpace | None:
        """The space of the stored vectors, None where the store was never prepared."""

    def version(self) -> str | None:
        """Another one whenever an answer could be another: with each commit that writes or removes a note. For the key
        of whatever keeps answers. None: a store of an earlier schema cannot tell, and nothing of it may be kept."""

    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside become visible together, or not at all. Nests. A store that shares its database with
        the ledger joins the ledger's transaction; any other commits on exit, and idempotence covers the gap."""

    def upsert(self, documents: Sequence[EmbeddedDocument]) -> None:
        """Replace each note and all of its chunks. Raises StoreRejectedRow where a vector has the wrong width or
        holds a value that is not finite."""

    def delete(self, resource_ids: Sequence[str]) -> int:
        """Remove notes with their chunks; returns how many notes were there. Unknown ids are ignored."""

    def clear(self) -> None:
        """Remove every note, and forget the space: the next `prepare` may name another."""

    def vectors(self, chunk_ids: Sequence[str]) -> Mapping[str, Vector]:
        """Stored vectors by chunk id, so that an unchanged passage of a changed note costs no embedding."""

    def document(self, resource_id: str) -> Document | None:
        """The whole note as handed in, for any caller: for a user, `answering.note_access.visible_note` asks here."""

    def counts(self, scope: AccessScope = EVERYTHING) -> StoreCounts:
        """Notes and chunks inside a scope: what lies outside is not counted."""

    def count_notes(self, filters: Filters, *, undated: bool = False, most: int) -> int:
        """How many notes the filters admit; `undated`: of those the ones without a date. Counting may end at `most`."""

    def values(
        self, field: NoteField, scope: AccessScope, *, beginning: str = "", limit: int = 100
    ) -> list[str]:
        """What stands in that field of notes inside a scope, each once, blanks left out; at most `limit`, all where
        there are no more. Only those that begin with `beginning`, letters of ASCII in either case."""

    def has_register(self) -> bool:
        """Whether every note is in the register of patients. False: the tables are of an earlier release, or its notes
        are still being read into it. Then the methods below may leave a patient out, and no one may conclude that
        somebody is not here."""

    def patients(
        self, scope: AccessScope, *, ids: Sequence[str] | None = None, after: str = "", limit: int = 100
    ) -> list[RegisteredPatient]:
        """At most `limit` patients who have a note inside a scope, in the order of their ids: those of `ids`, or all
        behind the id `after`. What is said of each, and how many notes, is of notes inside the scope alone, here and
        in the two methods below: a name that stands only outside of it does not exist."""

    def patients_called(
        self, words: Sequence[str], scope: AccessScope, *, part: NamePart | None = None, limit: int = 20
    ) -> list[RegisteredPatient]:
        """At most `limit` patients of whom one name has all these words, in the order of their ids. Case, accents,
        hyphens, apostrophes, order, titles and particles do not count; an initial stands for what begins with it on
        either side; "Jr." and "Sr." are two. `part`: the longest word must be a first name, or of the surname. Nothing
        where no word of two letters is among them."""

    def name_words(self, words: Sequence[str], scope: AccessScope) -> frozenset[str]:
        """Those of these words that stand in a name of a patient who has a note inside a scope, compared as
        `patients_called` compares; of a single letter it is not known. To ask once before asking for each name."""

    def patients_near(
        self, words: Sequence[str], scope: AccessScope, *, limit: int = 5
    ) -> list[RegisteredPatient]:
        """At most `limit` patients with a name that is nearly this one, by sound and spelling, or has a part of it; the
        nearest first. For "no such patient; did you mean ...". No one whom `patients_called` gives."""

    def patients_beginning(
        self, typed: str, scope: AccessScope, *, after: str = "", limit: int = 100
    ) -> list[RegisteredPatient]:
        """At most `limit` patients behind the id `after`, in the order of their ids: those whose id begins so, and
        those of whom one name has for each word of `typed` one that begins so, folded as in `patients_called`. For
        finding a patient while the name is being typed. All patients where nothing is typed."""

    def notes_of(
        self, patient_id: str, scope: AccessScope, *, skip: int = 0, limit: int = 100
    ) -> list[NoteHead]:
        """At most `limit` notes of one patient inside a scope without their texts, the newest first, those without a
        date last, and behind the first `skip` of them."""

    def chunk_ids(self) -> Iterator[tuple[str, str]]:
        """(resource_id, chunk_id) of every stored chunk, ordered by both; for reconciling with the ledger."""

    def search_vector(self, vector: Vector, k: int, filters: Filters) -> list[Match]:
        """The k chunks nearest by cosine among those the filters admit, best first. Exact, or rescored exactly
        after a pre-selection. Never fewer than min(k, admitted) for reasons of speed. What `filters.scope` keeps
        from sight is left out where rows are selected, here and in `search_words`, never from a finished list."""

    def search_words(self, text: str, k: int, filters: Filters) -> list[Match]:
        """The k best chunks by words, best first. `text` is what a person typed: never query syntax."""

    def chunks_with(
        self, terms: Sequence[Sequence[str]], filters: Filters, *, limit: int
    ) -> list[ChunkOfPatient]:
        """Every chunk that the filters admit and that may have all of `terms`, each in one of its spellings; `limit` of
        them where there are more, the newest first. Of several words a spelling stands for these words next to each
        other; a store may admit chunks that have only some of them, and never leaves one out that has them as its
        search by words knows words. Spellings are what a person typed: never query syntax."""

    def hits(self, chunk_ids: Sequence[str], vector: Vector) -> list[Hit]:
        """Those chunks in full, in the order asked, with their exact cosine to `vector`. Ids that are gone by now
        are left out."""

    def check(self) -> list[str]:
        """Every problem an integrity check finds, in words; an empty list where the store is sound."""

    def optimise(self, *, rebuild: bool = False) -> None:
        """Bring indexes into their best shape after many writes; may take a while, changes no result. `rebuild`: make
        them again, where a store can."""

    def close(self) -> None: ...


class ImageStore(Protocol):
    """Images with their vectors, of exactly one image space, next to the notes of a `Store` that has been prepared.

    Writes are idempotent: an image is replaced as a whole. The report of an image is linked when it is read: wherever a
    description is given to a person (`image`, `images`, `search`), its `report_id` is the note that the source names,
    as long as that note is stored, is of the image's patient and lies inside the scope; None otherwise, so that no id
    tells of a note out of sight. Scopes are held where rows are selected, never on a finished list.
    """

    def prepare(self, space: EmbeddingSpace) -> None:
        """Create what is missing; safe to call always. Raises SpaceMismatch where images of another space are stored,
        StoreError where the store of the notes was never prepared."""

    def space(self) -> EmbeddingSpace | None:
        """The space of the stored images, None where there never were any."""

    def version(self) -> str | None:
        """That of the store: an answer may show images, so it changes with each commit that writes or removes one."""

    def transaction(self) -> AbstractContextManager[None]:
        """As Store.transaction; notes written inside are of the same one."""

    def upsert(self, images: Sequence[EmbeddedImage]) -> None:
        """Replace each image with its vector and thumbnail. Raises StoreRejectedRow, with nothing written, where a
        vector has the wrong width or is not finite, or a thumbnail is none."""

    def delete(self, image_ids: Sequence[str]) -> int:
        """Remove images with their thumbnails; returns how many were there. Unknown ids are ignored."""

    def clear(self) -> None:
        """Remove every image, and forget the space. Notes stay."""

    def vectors(self, image_ids: Sequence[str]) -> Mapping[str, Vector]:
        """Stored vectors by image id."""

    def descriptions(self, image_ids: Sequence[str]) -> Mapping[str, ImageDescription]:
        """As handed in, `report_id` as the source names it, for any caller: for reconciling, never for a person."""

    def image(self, image_id: str, scope: AccessScope) -> ImageDescription | None:
        """One image inside a scope."""

    def images(self, filters: ImageFilters, *, skip: int = 0, limit: int = 100) -> list[ImageDescription]:
        """At most `limit` images behind the first `skip`, the newest first, those without a date last: of a patient, a
        study, a report, by the filters."""

    def thumbnail(self, image_id: str, scope: AccessScope) -> Thumbnail | None:
        """The picture for people; None where the image has none or lies outside the scope."""

    def counts(self, scope: AccessScope = EVERYTHING) -> ImageCounts:
        """Inside a scope: what lies outside is not counted."""

    def image_ids(self) -> Iterator[str]:
        """Of every stored image, ordered; for reconciling with the ledger."""

    def images_of(self, content_hashes: Sequence[str]) -> list[str]:
        """Ids of the stored images that are made of these bytes."""

    def search(self, vector: Vector, k: int, filters: ImageFilters) -> list[ImageHit]:
        """The k images nearest by cosine among those the filters admit, best first. Exact."""

    def check(self) -> list[str]:
        """Every problem an integrity check finds, in words; an empty list where the images are sound."""

    def without_thumbnail(self) -> list[str]:
        """Ids of images for which there is no picture for people."""

    def foreign_reports(self) -> list[str]:
        """Ids of images whose source names a report of another patient. It is never shown; the source is to be
        corrected."""

    def close(self) -> None: ...


class WorkQueue(Protocol):
    """Notes that wait for their vectors. Work is handed out under leases: a worker that dies, or stays silent for
    longer than its lease, loses its notes to the others. One object a worker."""

    def claim(self, number: int) -> list[Claim]:
        """Up to `number` notes that wait, or whose worker is dead or silent for too long: now this worker's. Those that
        were read first come first."""

    def claimable(self) -> bool:
        """Is there a note that waits?"""

    def elsewhere(self) -> HeldElsewhere | None:
        """What other workers hold at this moment; None where that is nothing. It ends here as completed, or is claimed
        once the worker is found dead or its lease has run out."""

    def heartbeat(self) -> AbstractContextManager[None]:
        """Renews this worker's leases while inside: a slow batch is not a dead worker."""

    def held(self, claims: Sequence[Claim]) -> list[bool]:
        """Which of these claims still hold: the note is as it was claimed, and no other worker has it."""

    def complete(self, chunk_counts: Sequence[tuple[Claim, int]]) -> list[Claim]:
        """Record that these notes are stored, with so many passages. Call inside `storing`.

        Returns the claims that no longer hold, because the note changed or another worker took it over."""

    def overtaken(self, lost: Sequence[Claim]) -> list[str]:
        """After a write under claims that did not hold any more: put notes back to work that have changed meanwhile.
        Returns the notes that no one wants any more, to be removed from the store."""

    def fail(self, claim: Claim, error: str) -> None:
        """Park a note with its reason. It stays staged, so that a later run can try it again."""

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Let these notes wait again, for the worker that claims them next: they failed for no fault of theirs, and the
        attempt does not count."""

    def release(self) -> None:
        """Give back what this worker holds and has not finished."""


class NoteRegister(Protocol):
    """Which notes there are: where each was read, whose it is, in which version, and what its source took back."""

    def known(self, resource_ids: Iterable[str]) -> Mapping[str, KnownNote]:
        """Those of the notes that are here, by id."""

    def staged(self, resource_id: str) -> StagedMaterial | None:
        """The note or image as it was staged, None where it is no longer (or never was)."""

    def stage(self, notes: Sequence[StagedNote]) -> None:
        """Take notes to be embedded, new or changed. An earlier claim on one of them is void."""

    def retry(self, resource_ids: Iterable[str]) -> None:
        """Put failed notes back in the queue."""

    def place(self, resource_id: str, source: str, file: str, version: NoteVersion | None) -> None:
        """Record where this note is found now, and in which version."""

    def parts(self, resource_id: str) -> list[str]:
        """This id, and the notes `id#1`, `id#2`, ... that a resource with several texts became."""

    def forget(self, resource_ids: Iterable[str]) -> None:
        """Drop notes, for those that are gone from the store."""

    def removing(self, resource_ids: Sequence[str]) -> AbstractContextManager[None]:
        """Around the removal of notes from the store: forgets them after it. A cut in between leaves them here as
        failed and condemned, so that the next run removes them, or stores them again where a source holds them."""

    def condemned(self) -> list[str]:
        """Notes whose removal was cut short."""

    def withdraw(self, withdrawals: Mapping[str, Withdrawal]) -> None:
        """Remember them, so that an older version that is read again stays away."""

    def restore(self, resource_ids: Iterable[str]) -> None:
        """Forget that these were withdrawn: a newer version is there."""

    def withdrawals(self, resource_ids: Iterable[str]) -> Mapping[str, Withdrawal]:
        """Of these ids, of whole resources where they are FHIR's, those that are withdrawn."""

    def has_withdrawals(self) -> bool: ...

    def all_withdrawals(self) -> Mapping[str, Withdrawal]: ...

    def authorities(self, patients: Iterable[str]) -> Mapping[tuple[str, str], str]:
        """Of these patients, by id and way of naming: who gave the id."""

    def all_authorities(self) -> Mapping[tuple[str, str], str]: ...

    def remember_authorities(self, given: Mapping[tuple[str, str], str]) -> None:
        """By patient's id and way of naming."""

    def of_patients(self, patients: Iterable[str]) -> Mapping[str, KnownNote]:
        """What is known of every note of these patients, by its id."""

    def patients_held(self, patients: Iterable[str]) -> set[str]:
        """Which of these patients have a note here."""


class Sightings(Protocol):
    """Which notes the sources of one run hold, accepted or not. Of this worker and one thread alone."""

    def begin_sighting(self) -> None:
        """Forget which notes were seen; call before reading sources."""

    def saw(self, resource_ids: Iterable[str]) -> None: ...

    def seen(self, resource_ids: Iterable[str]) -> set[str]:
        """Which of these were seen since `begin_sighting`."""

    def seen_parts(self) -> list[str]:
        """Ids with a "#" that were seen: each may be one of several texts of a resource."""

    def unseen_parts(self) -> list[str]:
        """Notes here with a "#" in their id that were not seen."""

    def missing(self, sources: Sequence[str]) -> list[str]:
        """Notes of these sources (`identity.is_of_sources`) that were not seen."""

    def outdated(self) -> Mapping[str, str]:
        """Records that were not seen and whose file was seen to hold another one, by that one."""


class Progress(Protocol):
    """Where the notes stand."""

    def counts(self) -> Mapping[NoteState, int]:
        """Notes by state; every state is there."""

    def failures(self, limit: int = 100) -> list[FailedNote]:
        """Those that were read first, at most `limit`; -1: all."""

    def failure_reasons(self, limit: int = 20) -> Mapping[str, int]:
        """Failed notes by what was wrong, the most frequent first."""

    def pace(self) -> Throughput | None:
        """How fast notes were done lately; None before two batches were."""

    def completed(self) -> Iterator[tuple[str, int]]:
        """(resource_id, number of chunks) of every note that is done, ordered by id."""


class Ledger(WorkQueue, NoteRegister, Sightings, Progress, Protocol):
    """The one truth about progress: which notes wait, are in work, are done, or failed and why.

    A note is staged here when it is read, and stays until its vectors are stored, so that a run that was cut off goes
    on from the ledger alone. Each call is durable when it returns, or when the outermost transaction ends. Safe to
    share between threads; workers in other processes open one each on the same ledger.
    """

    def prepare(self) -> None:
        """Create what is missing, and take back the leases of workers that are certainly dead; safe to call always."""

    def storing(self) -> AbstractContextManager[None]:
        """Around the writing of a batch to the store, or a removal from it, and the record of it here. In one database
        with the store both become visible together; a separate store commits first."""

    def transaction(self) -> AbstractContextManager[object]:
        """All calls inside become visible together, or not at all, and no other worker writes meanwhile. Nests."""

    def forget_all(self) -> None:
        """Start over: forget notes, withdrawals and authorities."""


@runtime_checkable
class FirstReleaseNotes(Protocol):
    """A ledger that the first release may have written, which knew a FHIR resource by its bare id. Others need none of
    this."""

    def unidentified(self, number: int) -> list[str]:
        """Up to `number` notes whose patient no one has looked up yet."""

    def identify(self, notes: Iterable[tuple[str, str, str | None]]) -> None:
        """(resource_id, patient_id, type of a FHIR resource that has a bare id) of notes that had been unidentified."""

    def has_bare_ids(self) -> bool: ...

    def bare(self, ids: Iterable[str]) -> Mapping[str, tuple[str, str]]:
        """Of bare ids, those that are known here, with resource type and patient."""

    def bare_parts(self, kind: str, bare: str) -> list[str]:
        """The notes that the first release made of one resource."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How a database says that it answers the search for the nearest passages."""

    uses_index: bool | None
    """None where it does not say."""
    steps: tuple[str, ...]
    """Which maps it reads, in its own words; no value of the search."""


class Answerer(Protocol):
    """Answers questions from notes. The flow is one (`answering.flow.Answering`), and so is whatever stands around an
    answerer: a guard, a cache, a trace, an experiment. `wiring.compose_answerer` says which stand around which."""

    def search(self, question: Question) -> SearchResult:
        """What an answer would be made from; no model is asked. Raises BadRequest for a question that is too long."""

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        """Retrieved, then Verified for each statement as it comes, then Finished. Closing it cancels the model."""


@runtime_checkable
class Inspectable(Protocol):
    """A store on a server, seen by the checks of a deployment."""

    def ping(self) -> None:
        """One statement that reads no table."""

    def missing_tables(self) -> tuple[str, ...]:
        """Names of tables that are not there; all of them where the store was never prepared."""

    def newest_vector(self) -> tuple[str, Vector] | None:
        """(chunk_id, vector) of the passage stored last, None where there is none."""

    def plan(self, vector: Vector) -> SearchPlan:
        """How a search for `vector` would be answered. Raises StoreError."""
