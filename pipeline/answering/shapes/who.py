"""Which patients have a finding or take a drug: over the whole scope and not the best ten passages.

Decides how many passages are read, that a patient is one line, and who counts: those of whom it is said as present or
past; whom it is denied of, thought possible of, or whose relative has it, stand apart. Says that these are all, or that
there may be more. Of those who do not have something it lists whom a note says so of: that no note speaks of it is no
answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.other_words import is_told_by_others
from pipeline.answering.shapes.reply import (
    NOT_STATED,
    Counted,
    PlannedQuestion,
    Quotation,
    Reply,
    ReplyLine,
)
from pipeline.answering.shapes.said import HAS, RANK, AskedThing, Said, said_in
from pipeline.call_context import cancellation
from pipeline.records import ChunkOfPatient, Hit
from pipeline.text.finding import Finding
from pipeline.text.structure.assertion import AssertionKind

PASSAGES_MAX = 10_000
"""Passages that are read for one question: of each patient the newest first, until one says so."""
FOUND_MAX = 200_000
"""Passages with the words of a question of which is looked whose they are."""
READ_AT_ONCE = 500
PATIENTS_MAX = 200
"""Patients that are listed; more are counted."""
APART_MAX = 20
"""Patients of each other group that are listed."""
_K = AssertionKind
_APART: Mapping[AssertionKind, str] = {
    _K.PRESENT: "as theirs",
    _K.POSSIBLE: "not as his or hers, but as possible",
    _K.PLANNED: "not as his or hers, but as planned, feared or to be watched for",
    _K.HISTORICAL: "in a sentence about what was taken before, stopped or held",
    _K.ABSENT: "as denied",
    _K.FAMILY: "of the family",
}


_NOW = re.compile(r"\b(?:current(?:ly)?|now|at present|at the moment|active(?:ly)?)\b", re.IGNORECASE)
_HAD = re.compile(
    r"\b(?:have|has|had|having|with|without|got|gets?|takes?|took|taking|on|uses?|using|any|allergic|given|receiv\w*"
    r"|prescribed|treated|diagnosed|suffer\w*|shows?|report\w*|complain\w*|develop\w*|den(?:y|ies|ied)|under\w*)\b",
    re.IGNORECASE,
)
"""With one of these a thing is asked for, and not what a patient does or is."""


_DENIES_ANY = re.compile(
    r"\bNK(?:D|F)?A\b|\b(?:no|not|denies|denied|without|negative for|never had)\s+"
    r"(?:(?:have|had|having|any|known|an?|the|history|of|drug|medication|medicine)[\s,/]+)*"
    r"(?:(?:food|environmental|other|and|or)[\s,/]+(?:(?:and|or)\s+)?(?:drug|medication|medicine)\s+)?"
    r"allerg(?:y|ies|ic)\b(?!\s+to\s+(?!(?:any\s+)?(?:medic|drug)))"
    r"|\A\W*(?:none|nil)\b",
    re.IGNORECASE,
)
"""That there are none at all."""


class Who:
    """Implements shapes.reply.ShapeAnswerer for "which patients" and "how many patients"; and for "Any X?" where no
    patient is meant."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        time = plan.time
        return (
            (plan.shape in (AnswerShape.WHO, AnswerShape.COUNT) or is_open_question(plan))
            and plan.finding is not None
            and not (patients or plan.rest)
            and not (time.relative or time.stay or time.order == "first")
            and (time.order is None or _NOW.search(plan.text) is not None)
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        thing = AskedThing.of(asked.plan)
        if not thing.finding.keys or thing.finding.says_nothing:
            return None
        by_patient, found, complete = _read(asked, thing)
        if not by_patient:
            return None if not complete or _may_be_told(asked, thing, found) else NOT_STATED
        lines = list(_lines(by_patient, thing, asked.plan, complete))
        if thing.kind is ThingKind.ALLERGY and is_open_question(asked.plan) and not thing.is_any_allergy:
            lines += _without_any(asked, by_patient)
        return Reply(tuple(lines))


def _may_be_told(asked: PlannedQuestion, thing: AskedThing, found: bool) -> bool:
    """Whether notes may say it in other words: of several words some stand there, or they are said otherwise."""
    finding = thing.finding
    if is_told_by_others(finding.text) or (found and (thing.is_attribute or finding.is_vaccine)):
        return True
    if thing.kind is ThingKind.MEDICATION or len(finding.keys) < 2:
        return False
    any_word = [spelling for term in finding.search_terms for spelling in term]
    return bool(asked.store.chunks_with([any_word], asked.question.filters, limit=1))


def _without_any(asked: PlannedQuestion, by_patient: Collection[str]) -> Iterator[ReplyLine]:
    """Of those of whom nothing else is said the ones without any known allergy."""
    allergies, _, _ = _read(asked, AskedThing(Finding("allergy"), ThingKind.ALLERGY, wanted=_K.ABSENT))
    none = [
        said.quotation
        for patient, said in sorted(allergies.items())
        if said.kind is _K.ABSENT and patient not in by_patient and _is_of_any(said)
    ]
    if none:
        yield Counted(len(none), partial(_apart, how="as denied, of any allergy", more=True, before=""))
        yield from none[:APART_MAX]


def _is_of_any(said: Said) -> bool:
    """Whether a denial is of all allergies or of all to drugs: not of seasonal ones, or of food's alone."""
    quotation = said.quotation
    return _DENIES_ANY.search(quotation.hit.text, quotation.start, quotation.end) is not None


def is_open_question(plan: QuestionPlan) -> bool:
    """Whether it is "Any allergies to penicillin?" of no one in particular."""
    return (
        plan.shape is AnswerShape.YES_NO
        and plan.patients.whom == "open"
        and plan.text.lower().lstrip().startswith("any ")
    )


def _read(asked: PlannedQuestion, thing: AskedThing) -> tuple[dict[str, Said], bool, bool]:
    """What stands for each patient, whether any passage has the words, and whether all were read that could change
    it. Of each patient the newest passage is read first, and an older one only where none has settled it."""
    waiting, complete = _waiting(asked, thing)
    found = bool(waiting)
    by_patient: dict[str, Said] = {}
    left = PASSAGES_MAX
    while waiting and left > 0:
        next_ones = [passages[0].chunk_id for passages in waiting.values()][:left]
        left -= len(next_ones)
        for first in range(0, len(next_ones), READ_AT_ONCE):
            cancellation.check()
            for hit in _hits(asked, next_ones[first : first + READ_AT_ONCE]):
                _take(by_patient, hit, thing)
        waiting = {
            patient: rest
            for patient, passages in waiting.items()
            if (rest := _that_may_change(by_patient.get(patient), passages[1:], thing))
        }
    return by_patient, found, complete and not waiting


def _waiting(asked: PlannedQuestion, thing: AskedThing) -> tuple[dict[str, list[ChunkOfPatient]], bool]:
    """The passages that have its words, by patient, the newest first; and whether that is all of them."""
    period = asked.plan.time.period
    found = asked.store.chunks_with(thing.search_terms, asked.question.filters, limit=FOUND_MAX)
    by_patient: dict[str, list[ChunkOfPatient]] = {}
    for each in found:
        if period.admits(each.date):
            by_patient.setdefault(each.patient_id, []).append(each)
    return by_patient, len(found) < FOUND_MAX


def _hits(asked: PlannedQuestion, chunk_ids: Sequence[str]) -> list[Hit]:
    scope = asked.question.filters.scope
    hits = asked.store.hits(chunk_ids, asked.vector)
    return [hit for hit in hits if scope.admits(hit.domain, hit.patient_id)]


def _take(by_patient: dict[str, Said], hit: Hit, thing: AskedThing) -> None:
    for said in said_in(hit, thing):
        before = by_patient.get(hit.patient_id)
        if before is None or said.replaces(before, thing):
            by_patient[hit.patient_id] = said


def _that_may_change(
    said: Said | None, passages: list[ChunkOfPatient], thing: AskedThing
) -> list[ChunkOfPatient]:
    """The passages that may say something else: of what is asked as of now those of the same day."""
    if said is None or not said.settles(thing):
        return passages
    if not thing.now:
        return []
    return [each for each in passages if each.date == said.quotation.hit.date]


def _lines(
    by_patient: Mapping[str, Said], thing: AskedThing, plan: QuestionPlan, complete: bool
) -> Iterator[ReplyLine]:
    groups: dict[AssertionKind, list[Quotation]] = {}
    counted = (thing.wanted,) if thing.now or thing.wanted is not _K.PRESENT else HAS
    for _, said in sorted(by_patient.items()):
        over = said.over and thing.wanted is _K.PRESENT and not thing.over_counts
        kind = _K.HISTORICAL if over and said.kind in HAS else said.kind
        has_it = kind in counted and not (over and kind is _K.HISTORICAL)
        groups.setdefault(counted[0] if has_it else kind, []).append(said.quotation)
    has = groups.pop(counted[0], [])
    what = _called(thing, plan)
    if has:
        yield Counted(len(has), partial(_counted, what=what, whole=_whole(plan, complete)))
        yield from has[:PATIENTS_MAX]
    nobody = "" if has else f"No patient {what} {_whole(plan, complete, one=True)}, but "
    for kind in RANK:
        if listed := groups.get(kind):
            how = "as past or over" if kind is _K.HISTORICAL and not thing.now else _APART[kind]
            yield Counted(len(listed), partial(_apart, how=how, more=bool(has), before=nobody))
            yield from listed[:APART_MAX]
            nobody = ""


def _called(thing: AskedThing, plan: QuestionPlan) -> str:
    """What is counted, in the question's words."""
    words = f"family history of {thing.finding.text}" if thing.wanted is _K.FAMILY else thing.finding.text
    if plan.is_attribute or not _HAD.search(plan.text):
        return f'of whom "{words}" is said{" not to be so" if thing.wanted is _K.ABSENT else ""}'
    return f"{'without' if thing.wanted is _K.ABSENT else 'with'} {'an allergy to ' if _is_of(thing) else ''}{words}"


def _is_of(thing: AskedThing) -> bool:
    return thing.kind is ThingKind.ALLERGY and "allergy" not in thing.finding.keys


def _whole(plan: QuestionPlan, complete: bool, *, one: bool = False) -> str:
    time = plan.time
    when = (
        f" of {' to '.join(dict.fromkeys(filter(None, (time.since, time.until))))}"
        if time.since or time.until
        else ""
    )
    if complete:
        return f"{'whose notes' if one else 'all whose notes'}{when} say so in these words"
    return f"of the {PASSAGES_MAX:,} passages{when} that were read; there may be more"


def _counted(number: int, what: str, whole: str) -> str:
    shown = f", the first {PATIENTS_MAX} listed" if number > PATIENTS_MAX else ""
    return f"{_patients(number)} {what}, {whole}{shown}:"


def _apart(number: int, how: str, more: bool, before: str) -> str:
    mention = "mentions" if number == 1 else "mention"
    shown = f", the first {APART_MAX} listed" if number > APART_MAX else ""
    return f"{before}{_patients(number, more=more)} {mention} it {how}{shown}:"


def _patients(number: int, *, more: bool = False) -> str:
    return f"{number:,}{' more' if more else ''} patient{'' if number == 1 else 's'}"
