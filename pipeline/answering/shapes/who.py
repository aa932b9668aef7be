"""Which patients have a finding or take a drug: over the whole scope and not the best ten passages.

Decides how many passages are read, that a patient is one line, and who counts: those of whom it is said as present or
past; whom it is denied of, thought possible of, or whose relative has it, stand apart. Says that these are all, or that
there may be more. Refuses a question for those who do not have something: that no note says so is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.kind_of_mention import is_of_kind, title_of
from pipeline.answering.shapes.other_words import is_told_by_others
from pipeline.answering.shapes.reply import NOT_STATED, Lead, PlannedQuestion, Quotation, Reply, ReplyLine
from pipeline.call_context import cancellation
from pipeline.records import Hit
from pipeline.text.finding import Finding
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions
from pipeline.text.structure.line_above import with_line_above
from pipeline.text.structure.sections import section_at

PASSAGES_MAX = 2_000
"""Passages that are read for one question, those that the search by words ranks first."""
PATIENTS_MAX = 200
"""Patients that are listed; more are counted."""
APART_MAX = 20
"""Patients of each other group that are listed."""
FRAGMENT_WORDS_MAX = 4
"""A piece of so few words is shown with the title that it stands under."""
_STOPPED = re.compile(
    r"\b(?:stop(?:ped|ping)?|discontinu\w+|no longer|used to|held|hold|quit|formerly|previously)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:ruled out|in error|tolerat(?:ed|es)|not allergic|not a true|de-?label\w*|removed)\b", re.IGNORECASE
)
_DENYING = re.compile(
    r"\b(?:rul\w+ out|den\w+|negative|no|not|non|none|never|without|error|remov\w+)\b", re.IGNORECASE
)
_ENDED = re.compile(r"\b(?:resolved|inactive|past|old|prior|previous\w*|former\w*)\b", re.IGNORECASE)
_OF_A_RELATIVE = re.compile(
    r"\b(?:husband|wife|spouse|partner|mother|father|mom|dad|sister|brother|son|daughter)['’]s\b",
    re.IGNORECASE,
)
_K = AssertionKind
_HAS = (_K.PRESENT, _K.HISTORICAL)
_APART: Mapping[AssertionKind, str] = {
    _K.POSSIBLE: "not as his or hers, but as possible",
    _K.PLANNED: "not as his or hers, but as planned, feared or to be watched for",
    _K.HISTORICAL: "in a sentence about what was taken before, stopped or held",
    _K.ABSENT: "as denied",
    _K.FAMILY: "of the family",
}
_RANK = (_K.PRESENT, _K.HISTORICAL, _K.POSSIBLE, _K.PLANNED, _K.ABSENT, _K.FAMILY)


@dataclass(frozen=True, slots=True)
class _Said:
    kind: AssertionKind
    quotation: Quotation

    def is_better_than(self, other: _Said) -> bool:
        """Whether it says so more surely. Of what is said alike the first is kept, of the newest note."""
        return _RANK.index(self.kind) < _RANK.index(other.kind)


class Who:
    """Implements shapes.reply.ShapeAnswerer for "which patients" and "how many patients"; and for "Any X?" where no
    patient is meant."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        asked = plan.shape in (AnswerShape.WHO, AnswerShape.COUNT) or (
            plan.shape is AnswerShape.YES_NO
            and plan.patients.whom == "open"
            and plan.text.lower().lstrip().startswith("any ")
        )
        return (
            asked
            and plan.finding is not None
            and not (patients or plan.rest or plan.negated)
            and ThingKind.SOCIAL not in plan.kinds
            and plan.time.unlimited
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        finding = Finding(asked.plan.finding or "")
        if not finding.keys:
            return None
        hits, complete = _passages(asked, finding)
        by_patient: dict[str, _Said] = {}
        for hit in hits:
            cancellation.check()
            for said in _said_of(hit, finding, asked.plan.kind):
                before = by_patient.get(hit.patient_id)
                if before is None or _replaces(said, before, asked.plan.kind):
                    by_patient[hit.patient_id] = said
        if not by_patient:
            other_words = is_told_by_others(finding.text) or (
                asked.plan.kind is not ThingKind.MEDICATION and len(finding.keys) > 1 and hits
            )
            return None if other_words or not complete else NOT_STATED
        return Reply(tuple(_lines(by_patient, asked.plan, complete)))


def _passages(asked: PlannedQuestion, finding: Finding) -> tuple[list[Hit], bool]:
    """The passages that have a word of it, newest first, and whether that is all of them."""
    filters = asked.question.filters
    found = asked.store.search_words(finding.spellings, PASSAGES_MAX, filters)
    hits = [
        hit
        for hit in asked.store.hits([match.chunk_id for match in found], asked.vector)
        if filters.scope.admits(hit.domain, hit.patient_id)
    ]
    hits.sort(key=lambda hit: (hit.date or "", hit.resource_id, -hit.start), reverse=True)
    return hits, len(found) < PASSAGES_MAX


def _said_of(hit: Hit, finding: Finding, kind: ThingKind | None) -> Iterator[_Said]:
    assertions: NoteAssertions | None = None
    for mention in finding.mentions(hit.text):
        assertions = assertions or NoteAssertions(hit.text, within=title_of(hit))
        if not is_of_kind(hit.text, mention, assertions.sections, kind):
            continue
        start, end = with_line_above(hit.text, mention.sentence_start, mention.sentence_end)
        said = assertions.of(mention.start, mention.end).kind
        if said in _HAS:
            line = hit.text[start : mention.sentence_start].partition("\n")[0]
            said = _put_right(said, line, hit.text[mention.sentence_start : end], kind)
        section = section_at(assertions.sections, mention.start)
        fragment = start == mention.sentence_start and len(hit.text[start:end].split()) <= FRAGMENT_WORDS_MAX
        under = section.title if fragment and section is not None and section.title else ""
        yield _Said(said, Quotation(hit, start, end, names_patient=True, under=under))


def _put_right(said: AssertionKind, line: str, sentence: str, kind: ThingKind | None) -> AssertionKind:
    """How it is said where the line above, or the sentence, takes back what the words next to it say."""
    if kind is ThingKind.MEDICATION:
        if _OF_A_RELATIVE.search(sentence):
            return _K.FAMILY
        return _K.HISTORICAL if line or _STOPPED.search(sentence) else said
    if kind is ThingKind.ALLERGY and _TAKEN_BACK.search(sentence):
        return _K.ABSENT
    if not line or (_ENDED.search(line) and kind is not ThingKind.ALLERGY):
        return said
    return _K.ABSENT if _DENYING.search(line) else _K.POSSIBLE


def _replaces(said: _Said, before: _Said, kind: ThingKind | None) -> bool:
    """Whether it stands for the patient in place of what a note no older says. A drug that was stopped is not taken
    again because an older note, or the same note's list, has it."""
    if kind is ThingKind.MEDICATION and {said.kind, before.kind} == set(_HAS):
        return said.kind is _K.HISTORICAL and said.quotation.hit.date == before.quotation.hit.date
    return said.is_better_than(before)


def _lines(by_patient: Mapping[str, _Said], plan: QuestionPlan, complete: bool) -> Iterator[ReplyLine]:
    groups: dict[AssertionKind, list[Quotation]] = {}
    finding = plan.finding or ""
    counted = (_K.PRESENT,) if plan.kind is ThingKind.MEDICATION else _HAS
    for _, said in sorted(by_patient.items()):
        groups.setdefault(_K.PRESENT if said.kind in counted else said.kind, []).append(said.quotation)
    has = groups.pop(_K.PRESENT, [])
    if has:
        yield Lead(_counted(len(has), finding, complete))
        yield from has[:PATIENTS_MAX]
    for kind in _RANK:
        if listed := groups.get(kind):
            mention = "mentions" if len(listed) == 1 else "mention"
            yield Lead(f"{_patients(len(listed), more=bool(has))} {mention} it {_APART[kind]}:")
            yield from listed[:APART_MAX]


def _counted(number: int, finding: str, complete: bool) -> str:
    shown = f", the first {PATIENTS_MAX} listed" if number > PATIENTS_MAX else ""
    whole = (
        "all whose notes say so in these words"
        if complete
        else f"of the {PASSAGES_MAX:,} passages that were read; there may be more"
    )
    return f"{_patients(number)} with {finding}, {whole}{shown}:"


def _patients(number: int, *, more: bool = False) -> str:
    return f"{number:,}{' more' if more else ''} patient{'' if number == 1 else 's'}"
