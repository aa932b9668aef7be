"""What templates show of a question and its answer, from events as they come or from what was kept of them.

Decides how a statement is cut into text and numbered citations. The numbers are those of the passages, as in the
interface, in receipts and on the command line. Knows no request and no template.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias, get_args
from urllib.parse import quote, urlencode

from pipeline.answering.endings import what_is_missing
from pipeline.patients import RegisteredPatient
from pipeline.records import Document, FoundImage, Outcome, Question
from pipeline.service.audit.receipts import NAMING, notices_from
from pipeline.service.conversations.store import ConversationMessage
from pipeline.service.errors import NotKnown
from pipeline.service.pages.film_views import FilmGroup, film_address
from pipeline.service.pages.wording import QUOTES_ONLY, age_words, part_words
from pipeline.service.schemas.ask import (
    AnswerOut,
    CitationOut,
    ImageRegionOut,
    NoticeOut,
    PassageOut,
    SeenOut,
    StatementOut,
    UnderstoodPartOut,
)

QuotedSpan: TypeAlias = tuple[str, int, int]
"""A note's id, and where its words begin and end."""

CITES_MAX = 6
"""Citations of one note that are repeated where its source is named."""
PLACES_MAX = 3
"""Places in one note that its source names; more are counted."""
_MARKER = re.compile(r"\s*\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Piece:
    """Text, or a citation where `citation` is given."""

    text: str = ""
    citation: CitationOut | None = None


@dataclass(frozen=True, slots=True)
class StatementView:
    number: int
    pieces: tuple[Piece, ...]
    patient_id: str = ""
    """Whose it is: of all notes that it cites; empty where it cites none, or notes of several patients."""
    date: str = ""
    """The newest day of a note that it cites; empty where none has one."""

    @property
    def cites(self) -> bool:
        """A line without a citation is ours: a heading, a number."""
        return any(piece.citation for piece in self.pieces)

    @property
    def without_owner(self) -> tuple[Piece, ...]:
        """The pieces without the "Patient ID, day" that they begin with, for where that is shown above them."""
        cited = next((piece.citation for piece in self.pieces if piece.citation), None)
        if cited is None or not self.patient_id:
            return self.pieces
        owner = f"Patient {self.patient_id}, {(cited.date or 'undated')[:10]}"
        text = self.pieces[0].text
        if not text.startswith((f"{owner}:", f"{owner},")):
            return self.pieces
        return (Piece(text[len(owner) + 1 :].lstrip()), *self.pieces[1:])


@dataclass(frozen=True, slots=True)
class SourceView:
    """A note that an answer cites, named once."""

    citations: tuple[CitationOut, ...]
    quotes: tuple[CitationOut, ...]
    """Those whose words stand in no statement."""

    @property
    def note(self) -> CitationOut:
        return self.citations[0]


@dataclass(frozen=True, slots=True)
class ChoiceView:
    """A patient whom a question may have meant."""

    patient_id: str
    words: str


@dataclass(frozen=True, slots=True)
class PatientView:
    """A patient as the page names one."""

    patient_id: str
    name: str
    """Empty where no note gives one."""
    sex: str
    age: str
    """The birth date, or else the age and when it was that, in words."""
    notes: int
    first_date: str | None
    last_date: str | None
    other_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, patient: RegisteredPatient) -> PatientView:
        return cls(
            patient.patient_id,
            patient.name or "",
            patient.sex or "",
            age_words(patient),
            patient.notes,
            patient.first_date,
            patient.last_date,
            tuple(name.text for name in patient.names[1:]),
        )

    @property
    def called(self) -> str:
        return self.name or f"patient {self.patient_id}"


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What is shown below the statements of an answer."""

    outcome: str
    """As `records.Outcome`."""
    reason: str | None
    citations: tuple[CitationOut, ...]
    receipt_id: str | None
    label: str | None = None
    """What a reader must know about the model."""
    notices: tuple[str, ...] = ()
    """What the filters did, in words."""
    quotations_only: bool = False
    """No language model wrote it."""
    said_above: frozenset[QuotedSpan] = frozenset()
    """Citations whose words stand in their statements: the list of sources need not say them again."""
    understood: tuple[UnderstoodPartOut, ...] = ()
    """What the question was understood to ask."""
    model: str = ""
    """Which language model wrote it; empty where none did, or where that is not kept."""
    choices: tuple[ChoiceView, ...] = ()
    """The patients whom the question may have meant, where it cannot be told which."""
    whole: AnswerOut | None = None
    """With what it was made from and what it took; None where that is in the receipt alone."""
    missing: str | None = None
    """In words, where the answer is not whole."""
    seen: tuple[SeenOut, ...] = ()
    """What a vision model says of pictures, not checked."""
    images: tuple[FoundImage, ...] = ()
    """Shown next to it, with whose they are."""

    @property
    def patients(self) -> tuple[str, ...]:
        """Whose notes it cites, each once."""
        return tuple(dict.fromkeys(citation.patient_id for citation in self.citations))

    @property
    def only_near(self) -> bool:
        """Whether what it quotes comes near, and is no answer."""
        return self.outcome == "nothing_relevant" and bool(self.citations)

    @property
    def names_patients(self) -> bool:
        """Whether each statement says whose it is."""
        return not goes_without_saying(self.patients, self.understood)

    @property
    def sources(self) -> tuple[SourceView, ...]:
        """The notes that it cites, in the order of first use."""
        notes: dict[str, list[CitationOut]] = {}
        for citation in self.citations:
            notes.setdefault(citation.resource_id, []).append(citation)
        return tuple(
            SourceView(
                tuple(cited),
                tuple(
                    each for each in cited if (each.resource_id, each.start, each.end) not in self.said_above
                ),
            )
            for cited in notes.values()
        )

    @classmethod
    def of(cls, answer: AnswerOut) -> AnswerView:
        """Of an answer that has just ended."""
        choices = choices_in(answer.notices)
        quotations_only = answer.model.provider == QUOTES_ONLY
        return cls(
            answer.outcome,
            answer.reason,
            tuple(answer.citations),
            answer.receipt_id,
            answer.model.label,
            tuple(notice.text for notice in answer.notices if not (choices and notice.code in NAMING)),
            quotations_only,
            _said_above(answer.statements),
            tuple(answer.understood),
            "" if quotations_only else answer.model.model,
            choices,
            answer,
            what_is_missing(answer.ending, answer.usage.completion_tokens),
            tuple(answer.seen),
            tuple(_found_image(each.model_dump()) for each in answer.images),
        )

    @classmethod
    def kept(cls, said: ConversationMessage, statements: Sequence[StatementOut]) -> AnswerView | None:
        """Of what a conversation keeps; None where the answer never became whole."""
        content = said.content or {}
        if content.get("ending") not in get_args(Outcome):
            return None
        cited: dict[tuple[str, int, int], CitationOut] = {}
        for citation in (each for statement in statements for each in statement.citations):
            cited.setdefault((citation.resource_id, citation.start, citation.end), citation)
        return cls(
            content["ending"],
            content.get("reason"),
            tuple(cited.values()),
            said.receipt_id,
            content.get("label"),
            tuple(
                notice.text
                for notice in NoticeOut.all(notices_from(content.get("notices", ())))
                if notice.code != "which_patient"  # kept without the name: the heading says it
            ),
            content.get("provider") == QUOTES_ONLY,
            _said_above(statements),
            tuple(UnderstoodPartOut.model_validate(each) for each in content.get("understood", ())),
            missing=what_is_missing(content.get("answer_ending"), content.get("completion_tokens", 0)),
            seen=tuple(SeenOut.model_validate(each) for each in content.get("seen", ())),
            images=tuple(_found_image(each) for each in content.get("images", ())),
        )


def _found_image(fields: Mapping[str, Any]) -> FoundImage:
    return FoundImage(**{**fields, "findings": tuple(fields["findings"])})


def choices_in(notices: Iterable[NoticeOut]) -> tuple[ChoiceView, ...]:
    """The patients who may have been meant."""
    return tuple(
        ChoiceView(near.value, near.told_apart or f"patient {near.value}")
        for notice in notices
        if notice.code in NAMING
        for near in notice.near
    )


def _said_above(statements: Iterable[StatementOut]) -> frozenset[QuotedSpan]:
    return frozenset(
        (cited.resource_id, cited.start, cited.end)
        for statement in statements
        for cited in statement.citations
        if _flat(cited.quote) in _flat(statement.text)
    )


def _flat(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and what became of it."""

    id: str
    conversation_id: str
    question: str
    filters: tuple[str, ...] = ()
    asked_at: dt.datetime | None = None
    statements: tuple[StatementView, ...] = ()
    answer: AnswerView | None = None
    ending: str = ""
    """As `asking.Ending`; "missing" where the service ended before the answer did, "withheld" where it quotes a note
    that the person may see no more."""
    code: str | None = None
    """Of the error, where ending is "failed"."""
    feedback: str | None = None
    """What the person said of it, in words."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What patients are called, by id, where statements are of several; else empty, and none is named on each."""
    films: tuple[FilmGroup, ...] = ()
    """Next to the answer: those of the patient who is meant, then those of others."""
    asked_film: str = ""
    """The picture that the question came with, cleaned, as a data address; empty later: it is kept nowhere."""
    again: FilterValues | None = None
    """With which filters it can be asked again; None where that is not known any more."""

    @property
    def heading(self) -> str:
        """The question; what is asked where a film came without words."""
        return self.question or "Films that look like this one"

    @property
    def key(self) -> str:
        """Its id in the page."""
        return f"turn-{self.id}"


def exchanges_of(conversation_id: str, messages: Sequence[ConversationMessage]) -> list[Exchange]:
    """Questions with their answers, in order. An answer follows its question; a question may have none."""
    found: list[Exchange] = []
    for said in messages:
        if said.author == "person":
            found.append(
                Exchange(said.id, conversation_id, said.text, asked_at=said.created_at, ending="missing")
            )
        elif found:
            found[-1] = _answered(found[-1], said)
    return found


def _answered(exchange: Exchange, said: ConversationMessage) -> Exchange:
    if said.withheld:
        return replace(exchange, ending="withheld")
    content = said.content or {}
    statements = [StatementOut.model_validate(each) for each in content.get("statements", ())]
    return replace(
        exchange,
        statements=statement_views(statements),
        answer=AnswerView.kept(said, statements),
        ending=str(content.get("ending", "")),
        code=content.get("error_code"),
    )


def statement_view(number: int, text: str, citations: Sequence[CitationOut]) -> StatementView:
    """The statement with its markers as links. A citation without a marker comes last; a marker without one is text."""
    by_number: dict[int, list[CitationOut]] = {}
    for citation in citations:
        by_number.setdefault(citation.number, []).append(citation)
    pieces: list[Piece] = []
    seen: set[int] = set()
    at = 0
    for marker in _MARKER.finditer(text):
        cited = by_number.get(int(marker[1]))
        if cited is None:
            continue
        seen.add(int(marker[1]))
        pieces.append(Piece(text[at : marker.start()]))
        pieces += [Piece(citation=citation) for citation in cited]
        at = marker.end()
    pieces.append(Piece(text[at:]))
    pieces += [
        Piece(citation=each) for number, rest in by_number.items() if number not in seen for each in rest
    ]
    patients = {citation.patient_id for citation in citations}
    return StatementView(
        number,
        tuple(piece for piece in pieces if piece.text or piece.citation),
        patients.pop() if len(patients) == 1 else "",
        max((citation.date or "" for citation in citations), default=""),
    )


def statement_views(statements: Iterable[StatementOut]) -> tuple[StatementView, ...]:
    return tuple(
        statement_view(number, each.text, each.citations) for number, each in enumerate(statements, start=1)
    )


def goes_without_saying(patients: Collection[str], understood: Iterable[UnderstoodPartOut]) -> bool:
    """Whether statements of these patients need not say whose they are: the question means that one patient."""
    return not patients or set(patients) == {only_patient(understood)}


def only_patient(parts: Iterable[UnderstoodPartOut]) -> str:
    """The patient whom a question was understood to mean; empty where that is no one or several."""
    patients = [each.id.removeprefix("patient:") for each in parts if each.part == "patient"]
    return patients[0] if len(patients) == 1 else ""


def note_address(resource_id: str, spans: Iterable[tuple[int, int]] = ()) -> str:
    """Where a note is shown, with ranges pointed out. Can be handed to someone else: their rights decide."""
    query = urlencode([("span", f"{start}-{end}") for start, end in spans])
    return f"/notes/{quote(resource_id, safe='')}" + (f"?{query}" if query else "")


def is_film(cited: CitationOut | PassageOut) -> bool:
    """Whether what is cited is an image: it is looked at, not read."""
    return isinstance(cited.locator, ImageRegionOut)


def cited_address(cited: CitationOut | PassageOut) -> str:
    """Where the note or the film is shown."""
    if isinstance(cited.locator, ImageRegionOut):
        return film_address(cited.locator.image, cited.locator.frame)
    return note_address(cited.resource_id, [(cited.start, cited.end)])


def cited_part(cited: CitationOut) -> str:
    """Where it is fetched from to be shown next to the answer: as of the patient of whom it was cited."""
    address = cited_address(cited)
    return f"{address}{'&' if '?' in address else '?'}{urlencode({'cited_of': cited.patient_id})}"


def refuse_another(patient_id: str, cited_of: str) -> None:
    """Raises NotKnown where what was cited of one patient is another's by now: it is no evidence of anyone's there."""
    if cited_of and patient_id != cited_of:
        raise NotKnown("What was cited here is another patient's now.", remedy="Ask the question again.")


def beside_address(conversation_id: str, citation: CitationOut) -> str:
    """A conversation with the cited note, or film, open next to it."""
    if isinstance(citation.locator, ImageRegionOut):
        query = urlencode({"film": citation.locator.image, "frame": citation.locator.frame})
    else:
        query = urlencode({"note": citation.resource_id, "span": f"{citation.start}-{citation.end}"})
    return f"/conversations/{quote(conversation_id, safe='')}?{query}"


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A run of a note's text, pointed out or not."""

    text: str
    marked: bool = False


def text_spans(text: str, spans: Iterable[tuple[int, int]]) -> list[TextSpan]:
    """The text cut at the ranges; overlapping ranges are joined."""
    found: list[TextSpan] = []
    at = 0
    for start, end in sorted(spans):
        if end <= at:
            continue
        if start > at:
            found.append(TextSpan(text[at:start]))
        begins = max(start, at)
        if found and found[-1].marked and begins == at:
            found[-1] = TextSpan(found[-1].text + text[begins:end], marked=True)
        else:
            found.append(TextSpan(text[begins:end], marked=True))
        at = end
    if at < len(text):
        found.append(TextSpan(text[at:]))
    return found


@dataclass(frozen=True, slots=True)
class NoteView:
    """A note as it is shown, next to an answer or alone."""

    is_film: ClassVar[bool] = False

    resource_id: str
    patient_id: str
    document_type: str
    date: str | None
    domain: str | None
    author: str | None
    encounter_id: str | None
    title: str | None
    """As its source calls it, where it does."""
    address: str
    parts: tuple[TextSpan, ...]

    @classmethod
    def of(cls, document: Document, spans: Sequence[tuple[int, int]]) -> NoteView:
        return cls(
            document.resource_id,
            document.patient_id,
            document.document_type,
            document.date,
            document.domain,
            document.author,
            document.encounter_id,
            document.metadata.get("title"),
            note_address(document.resource_id, spans),
            tuple(text_spans(document.text_content, spans)),
        )


@dataclass(frozen=True, slots=True)
class FilterValues:
    """What the filters of the form are set to; empty: no restriction."""

    patient_id: str = ""
    document_type: str = ""
    domain: str = ""
    since: str = ""
    until: str = ""
    kept_patient: str = ""
    """Of the answer before, where the form named no patient."""
    without: tuple[str, ...] = ()
    """Ids of what the question was understood to ask and the asker took away."""

    @classmethod
    def of(cls, question: Question) -> FilterValues:
        """As a question was asked; of several patients, types or domains none, which no form can have asked."""
        filters = question.filters
        patient, kind, domain = (
            values[0] if len(values) == 1 else ""
            for values in (filters.patient_ids, filters.document_types, filters.domains)
        )
        return cls(patient, kind, domain, filters.since or "", filters.until or "", without=question.without)

    @property
    def words(self) -> tuple[str, ...]:
        """As a person reads them."""
        named = (
            ("patient ", self.patient_id),
            ("", self.document_type),
            ("domain ", self.domain),
            ("from ", self.since),
            ("until ", self.until),
            ("still about patient ", self.kept_patient),
        )
        removed = (f"without {part_words(each)}" for each in self.without)
        return (*(f"{name}{value}" for name, value in named if value), *removed)

    def of_patient(self, patient_id: str) -> FilterValues:
        """The same, limited to a patient."""
        return replace(self, patient_id=patient_id, kept_patient="")
