"""What the reports of chosen films say of what is asked, quoted to the letter, each with the day of its film.

Decides that a report speaks for the film that it is linked to, of the same patient and in the asker's sight, and which
of its sentences answer: those with the words that are asked about, else its impression, else its findings. What led to
the film and what it was held against is no finding of it. Refuses to know how films are chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.answering.note_access import note_as_told, visible_note
from pipeline.answering.verification import OriginalOf, check_statement
from pipeline.images import date_is_shifted, day_in_words
from pipeline.imaging.records import ImageDescription
from pipeline.ports import Store
from pipeline.records import AccessScope, Answer, Document, Filters, Hit, Statement, Vector
from pipeline.text.answerability.asked_words import AskedWords
from pipeline.text.dates import date_in_words
from pipeline.text.sentences import is_heading, passage_sentences

REPORTS_READ_MAX = 8
PASSAGES_READ = 200
SENTENCES_MAX = 6
"""Of one report."""
_TITLE = re.compile(r"\A\W*(?P<title>[A-Za-z][A-Za-z /&-]{2,40}):")
_IMPRESSION = re.compile(r"impressions?|conclusions?|opinion|summary|interpretation", re.IGNORECASE)
_FINDINGS = re.compile(r"findings?|results?|report", re.IGNORECASE)
_BEFORE = re.compile(
    r"indication|history|reason|comparison|technique|clinical|exam\b|examination|procedure|study|patient|name|mrn|dob"
    r"|date|views?|accession|referr\w+|ordering|signed|dictated|radiologist|recommendations?",
    re.IGNORECASE,
)
"""Begins the title of what is no finding of the film."""
_OF_ANOTHER = re.compile(
    r"\A\W*(?:compar\w+ (?:is made|was made|to|with)|no (?:prior|comparison))\b", re.IGNORECASE
)
_MARKER = re.compile(r"\[(\d{1,3})\]")
_DATED = re.compile(r"\d{4}-\d{2}|\bnotes? of\b|\bundated\b")


@dataclass(frozen=True, slots=True)
class FilmReport:
    """The report of a film, with its passages in the order of the note."""

    film: ImageDescription
    note: Document
    passages: tuple[Hit, ...]

    @property
    def lead(self) -> str:
        """Whose words follow: "Report of the film of 4 March 2019"."""
        day, film_day = (self.note.date or "")[:10], (self.film.date or "")[:10]
        other = day and day != film_day and not date_is_shifted(self.film)
        written = f" of {date_in_words(day)}, on" if other else " of"
        return f"Report{written} {called(self.film)}"


@dataclass(frozen=True, slots=True)
class _Sentence:
    hit: Hit
    text: str
    title: str


def called(film: ImageDescription) -> str:
    """A film by its day: "the film of 4 March 2019"."""
    day = day_in_words(film)
    return f"the film of {day}" if day else "the undated film"


def reports_of(
    films: Sequence[ImageDescription], store: Store, filters: Filters, vector: Callable[[], Vector]
) -> list[FilmReport]:
    """The reports that films are linked to, each once, in the order of the films. `vector`: of the question."""
    found: dict[str, FilmReport] = {}
    for film in films:
        if not film.report_id or film.report_id in found or len(found) == REPORTS_READ_MAX:
            continue
        note = visible_note(store, film.report_id, filters.scope)
        if note is None or note.patient_id != film.patient_id:
            continue
        found[film.report_id] = FilmReport(film, note, _passages(note, store, filters, vector()))
    return [report for report in found.values() if report.passages]


def report_statements(
    report: FilmReport, label: str, store: Store, scope: AccessScope, last: int
) -> list[Statement]:
    """The sentences of a report that say what is asked; the numbers of their citations follow `last`. Empty where none
    does. `label`: what is asked about; of "" what the film showed."""
    said: list[Statement] = []
    for sentence in _answering(list(_sentences(report.passages)), label):
        hit, number = sentence.hit, last + len(said) + 1
        checked = check_statement(f'"{sentence.text}" [1]', [hit], _as_told(store, hit, scope))
        if checked is not None:
            cited = tuple(replace(each, number=number) for each in checked.citations)
            said.append(Statement(f'{report.lead}: "{sentence.text}" [{number}]', cited))
    return said


def _as_told(store: Store, hit: Hit, scope: AccessScope) -> OriginalOf:
    return lambda _: note_as_told(store, hit, scope)


def below_reports(
    answer: Answer,
    said: Sequence[Statement],
    reports: Sequence[FilmReport],
    chosen: Sequence[ImageDescription],
    *,
    in_time: bool,
) -> list[Statement]:
    """What follows the sentences `said` of reports: that they say nothing, or that there are none of `chosen` films;
    then what the notes' answer says, dated, with numbers that go on. Of what only comes near nothing below a report,
    and nothing twice. `in_time`: whether notes were asked as well, so that they speak where reports do not."""
    quoted = {each.resource_id for statement in said for each in statement.citations}
    numbers: dict[int, int] = {}
    last = max((each.number for statement in said for each in statement.citations), default=0)
    lead = [] if said or in_time else _none_said(reports, chosen)
    answered = answer.outcome == "answered"
    if reports and not answered:
        return lead or ([] if said else _none_said(reports, ()))
    kept = [each for each in answer.statements if _ids(each) - quoted or not each.citations]
    if (
        lead or said or not answered
    ):  # lines of ours count all that stands below them, or say that nothing does
        kept = [each for each in kept if each.citations]
    others = [moved for each in kept if (moved := _moved(each, numbers, last)) is not None]
    if others and (lead or said or not answered):
        lead.append(Statement("Other notes:", ()))
    return lead + others


def _ids(statement: Statement) -> set[str]:
    return {each.resource_id for each in statement.citations}


def _none_said(reports: Sequence[FilmReport], chosen: Sequence[ImageDescription]) -> list[Statement]:
    if reports:
        which = f"report of {called(reports[0].film)}" if len(reports) == 1 else "reports of these films"
        return [Statement(f"Not stated in the {which}.", ())]
    if chosen:
        which = called(chosen[0]) if len(chosen) == 1 else "these films"
        return [Statement(f"No report is known to be of {which}.", ())]
    return []


def _moved(statement: Statement, numbers: dict[int, int], last: int) -> Statement | None:
    """The statement dated and with `numbers` behind `last`, to which those that it needs are added; None where what
    looks like a number may be the note's words."""
    if not statement.citations:
        return statement
    cited = {each.number for each in statement.citations}
    marked = {int(number) for number in _MARKER.findall(statement.text)}
    if marked != cited or any(_MARKER.search(each.quote) for each in statement.citations):
        return None
    for number in sorted(cited):
        numbers.setdefault(number, last + len(numbers) + 1)
    text = _MARKER.sub(lambda marker: f"[{numbers[int(marker[1])]}]", statement.text)
    citations = tuple(replace(each, number=numbers[each.number]) for each in statement.citations)
    return Statement(_dated(statement, text), citations)


def dated(statement: Statement) -> Statement:
    """What a note says with the day of the note, where the statement does not tell it."""
    if not statement.citations or any(each.region is not None for each in statement.citations):
        return statement
    return replace(statement, text=_dated(statement, statement.text))


def _dated(statement: Statement, text: str) -> str:
    if _DATED.search(statement.text.split('"')[0]):
        return text
    days = dict.fromkeys((each.date or "")[:10] for each in statement.citations)
    return f"{', '.join(f'note of {day}' if day else 'undated note' for day in days)}: {text}"


def _passages(note: Document, store: Store, filters: Filters, vector: Vector) -> tuple[Hit, ...]:
    day = (note.date or "")[:10] or None
    within = replace(
        filters,
        patient_ids=(note.patient_id,),
        document_types=(note.document_type,) if note.document_type else filters.document_types,
        since=day or filters.since,
        until=day or filters.until,
    )
    matches = store.search_vector(vector, PASSAGES_READ, within)
    hits = store.hits([match.chunk_id for match in matches], vector)
    own = [hit for hit in hits if (hit.resource_id, hit.patient_id) == (note.resource_id, note.patient_id)]
    return tuple(sorted(own, key=lambda hit: hit.start))


def _sentences(passages: Sequence[Hit]) -> Iterator[_Sentence]:
    """Each sentence of a report once, with the title that it stands under."""
    seen: set[str] = set()
    title = ""
    for hit in passages:
        title = hit.section or title
        for start, end in passage_sentences(hit.text):
            text = " ".join(hit.text[start:end].split())
            titled = _TITLE.match(text)
            if titled or is_heading(text):
                title = titled["title"] if titled else text
            if text not in seen and not is_heading(text) and not (titled and titled.end() == len(text)):
                seen.add(text)
                yield _Sentence(hit, text, title.strip())


def _answering(sentences: Sequence[_Sentence], label: str) -> list[_Sentence]:
    own = [each for each in sentences if not (_BEFORE.match(each.title) or _OF_ANOTHER.match(each.text))]
    concluded = [each for each in own if _IMPRESSION.match(each.title)]
    found = [each for each in own if _FINDINGS.match(each.title)]
    if not label:
        return (concluded or found or own)[:SENTENCES_MAX]
    first = [*concluded, *(each for each in own if each not in concluded)]
    return [each for each in first if _says(each.text, label)][:SENTENCES_MAX]


def _says(text: str, label: str) -> bool:
    """Whether a sentence has one of the things that are asked about: all its words, or its last, which names it."""
    for each in label.split(" and "):
        for words in (each, each.split()[-1]):
            asked = AskedWords(words)
            if asked.terms and len(asked.held(text)) == len(asked.terms):
                return True
    return False
