"""Which patients have a finding or take a drug: over the whole scope and not the best ten passages.

Decides how many passages are read, that a patient is one line, and who counts: those of whom it is said as present or
past; whom it is denied of, thought possible of, or whose relative has it, stand apart. Says that these are all, or that
there may be more. Of those who do not have something it lists whom a note says so of: that no note speaks of it is no
answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.answering.questions.condition_parts import group_in_words
from pipeline.answering.questions.plan import EVERYONE, AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.group_of_patients import belongs_to
from pipeline.answering.shapes.other_words import is_told_by_others
from pipeline.answering.shapes.reply import (
    NOT_STATED,
    Counted,
    Lead,
    PlannedQuestion,
    Quotation,
    Reply,
    ReplyLine,
)
from pipeline.answering.shapes.said import HAS, RANK, AskedThing, Said, said_in
from pipeline.call_context import cancellation
from pipeline.records import NO_PATIENT, ChunkOfPatient, Hit
from pipeline.text.structure.assertion import AssertionKind
from pipeline.text.terms.finding import Finding
from pipeline.text.terms.spelling import nearest_known

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
        plans = [_as_known(asked, each) for each in _conditions(asked.plan)]
        things = [AskedThing.of(each) for each in plans]
        if any(not thing.finding.keys or thing.finding.says_nothing for thing in things):
            return None
        group = _in_group(asked)
        if group is None:
            return None
        read = [_read(asked, thing) for thing in things]
        if len(read) > 1 and not asked.plan.any_of:
            reply = _all_of(asked, read, group)
            respelled = _respelled(asked.plan, plans)
            return replace(reply, lines=(*respelled, *reply.lines)) if reply and reply.lines else reply
        found = _any_of(read)
        by_patient = group.only(found.by_patient)
        having = {patient: said.quotation for patient, said in sorted(found.has.items())}
        open_ones = tuple(group.left_open(having, more=bool(by_patient)))
        if not by_patient and open_ones:
            return Reply((*group.leads, *open_ones), "not_stated")
        if not by_patient:
            told = any(_may_be_told(asked, each.thing, each.found) for each in read)
            return None if not found.complete or told else NOT_STATED
        thing = things[0]
        lines = list(_lines(by_patient, things, asked.plan, found.complete))
        if thing.kind is ThingKind.ALLERGY and is_open_question(asked.plan) and not thing.is_any_allergy:
            lines += _without_any(asked, by_patient)
        return Reply((*_respelled(asked.plan, plans), *group.leads, *lines, *open_ones))


def _may_be_told(asked: PlannedQuestion, thing: AskedThing, found: bool) -> bool:
    """Whether notes may say it in other words: of several words some stand there, or they are said otherwise."""
    finding = thing.finding
    if is_told_by_others(finding.text) or (found and (thing.is_attribute or finding.is_vaccine)):
        return True
    if thing.kind is ThingKind.MEDICATION or len(finding.keys) < 2:
        return False
    return found


def _without_any(asked: PlannedQuestion, by_patient: Collection[str]) -> Iterator[ReplyLine]:
    """Of those of whom nothing else is said the ones without any known allergy."""
    allergies = _read(asked, AskedThing(Finding("allergy"), ThingKind.ALLERGY, wanted=_K.ABSENT)).by_patient
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


@dataclass(frozen=True, slots=True)
class _Read:
    """What the notes say of one thing."""

    thing: AskedThing
    by_patient: Mapping[str, Said]
    found: bool
    """Whether any passage has the words."""
    complete: bool
    """Whether all were read that could change it."""

    @property
    def has(self) -> Mapping[str, Said]:
        """Those of whom it is said as it is asked for."""
        return {patient: said for patient, said in self.by_patient.items() if said.counts(self.thing)}


@dataclass(frozen=True, slots=True)
class _Group:
    """The patients of whom it is asked."""

    patients: frozenset[str] | None = None
    """None: all."""
    leads: tuple[Lead, ...] = ()
    unknown: frozenset[str] = frozenset()
    """Those of whom it is not known."""

    def left_open(self, lines: Mapping[str, Quotation], *, more: bool) -> Iterator[ReplyLine]:
        """Those who have it and of whom it is not known whether they are of the group."""
        open_ones = [line for patient, line in lines.items() if patient in self.unknown]
        if open_ones:
            yield Counted(len(open_ones), partial(_left_open, more=more))
            yield from open_ones[:APART_MAX]

    def only(self, by_patient: Mapping[str, Said]) -> Mapping[str, Said]:
        if self.patients is None:
            return by_patient
        return {patient: said for patient, said in by_patient.items() if patient in self.patients}


def _conditions(plan: QuestionPlan) -> Iterator[QuestionPlan]:
    """The question of each condition by itself."""
    yield plan
    for each in plan.also:
        yield replace(
            plan,
            finding=each.finding,
            kinds=(each.kind,) if each.kind else (),
            negated=each.negated,
            is_attribute=each.is_attribute,
        )


def _as_known(asked: PlannedQuestion, plan: QuestionPlan) -> QuestionPlan:
    """The question with known words for those that are mistyped: no note has them, and they are nearly one."""
    words = (plan.finding or "").split()
    near = {word: known for word in words if (known := nearest_known(word)) is not None}
    typed = [word for word in near if not asked.store.chunks_with([[word]], asked.question.filters, limit=1)]
    if not typed:
        return plan
    return replace(plan, finding=" ".join(near[word] if word in typed else word for word in words))


def _respelled(plan: QuestionPlan, plans: Sequence[QuestionPlan]) -> Iterator[Lead]:
    for asked, read in zip(_conditions(plan), plans, strict=True):
        if asked.finding != read.finding:
            yield Lead(f'"{asked.finding}" stands in no note and is read as "{read.finding}".')


def _in_group(asked: PlannedQuestion) -> _Group | None:
    """None where the register of patients does not know who is of the group."""
    group = asked.plan.group
    if group == EVERYONE:
        return _Group()
    if not asked.store.has_register():
        return None
    scope = asked.question.filters.scope
    found: set[str] = set()
    unknown: set[str] = set()
    after = ""
    while page := asked.store.patients(scope, after=after, limit=READ_AT_ONCE):
        cancellation.check()
        of_group = [(each.patient_id, belongs_to(each, group)) for each in page]
        found.update(patient for patient, known in of_group if known)
        unknown.update(patient for patient, known in of_group if known is None)
        after = page[-1].patient_id
    what = group_in_words(group)
    more = f"; of {_patients(len(unknown))} they do not say it" if unknown else ""
    lead = Lead(f"Of patients {what}, as notes and records say it{more}:")
    return _Group(frozenset(found), (lead,), frozenset(unknown))


def _any_of(read: Sequence[_Read]) -> _Read:
    """What stands for each patient of any of them: who has one is not said to have none."""
    by_patient: dict[str, Said] = {}
    for each in read:
        rank = (each.thing.wanted, *RANK)
        for patient, said in each.by_patient.items():
            before = by_patient.get(patient)
            if before is None or rank.index(said.kind) < rank.index(before.kind):
                by_patient[patient] = said
    return _Read(
        read[0].thing, by_patient, any(each.found for each in read), all(each.complete for each in read)
    )


def _all_of(asked: PlannedQuestion, read: Sequence[_Read], group: _Group) -> Reply | None:
    """Those of whom each condition is said; of what they are not to have, that no note says it."""
    wanted = [each for each in read if each.thing.wanted is not _K.ABSENT]
    without = [each for each in read if each.thing.wanted is _K.ABSENT]
    complete = all(each.complete for each in read)
    if not wanted:  # each is denied
        wanted, without = list(read), []
    if without and not complete:
        return None
    having = [each.has for each in wanted]
    everyone = set(having[0]).intersection(*having[1:])
    for each in without:
        everyone.difference_update(
            patient for patient, said in each.by_patient.items() if not _is_not_so(said, each.thing)
        )
    denied = [each.by_patient for each in without]
    drawn = {
        patient: _line_of([said[patient] for said in having], denied, patient) for patient in sorted(everyone)
    }
    lines = [line for patient, line in drawn.items() if group.patients is None or patient in group.patients]
    open_ones = tuple(group.left_open(drawn, more=bool(lines)))
    if not lines and open_ones:
        return Reply((*group.leads, *open_ones), "not_stated")
    if not lines:
        return _half_known(read) or (NOT_STATED if complete else None)
    what = _all_called([each.thing for each in wanted], [each.thing for each in without])
    lead = Counted(len(lines), partial(counted_patients, what=what, whole=whole_of(asked.plan, complete)))
    return Reply((*group.leads, lead, *lines[:PATIENTS_MAX], *open_ones))


def _is_not_so(said: Said, thing: AskedThing) -> bool:
    """Whether it does not speak against a patient who is not to have it."""
    return said.kind in (_K.ABSENT, _K.FAMILY) or (_is_of_now(thing) and said.kind is _K.HISTORICAL)


def _is_of_now(thing: AskedThing) -> bool:
    return thing.now or thing.is_habit


def _half_known(read: Sequence[_Read]) -> Reply | None:
    """Where no note says one of the conditions in the question's words: those of whom the others are said come near,
    and are no answer."""
    wanted = [each for each in read if each.thing.wanted is not _K.ABSENT]
    unsaid = [each.thing for each in wanted if not each.has]
    said = [each for each in wanted if each.has]
    patients = sorted(set(said[0].has).intersection(*(each.has for each in said[1:]))) if said else []
    if not unsaid or not patients:
        return None
    none, near = " or ".join(map(_words_of, unsaid)), " and ".join(_words_of(each.thing) for each in said)
    lead = Lead(f"No note says {none} in these words of any patient; patients with {near} come near:")
    return Reply((lead, *(said[0].has[patient].quotation for patient in patients[:APART_MAX])), "not_stated")


def _line_of(has: Sequence[Said], denied: Sequence[Mapping[str, Said]], patient: str) -> Quotation:
    """The places that say it, each once, and those that deny what is not to be."""
    denials = [said[patient] for said in denied if patient in said and said[patient].kind is _K.ABSENT]
    first, *others = dict.fromkeys(said.quotation for said in (*has, *denials))
    places = {(first.hit.chunk_id, first.start): first}
    for each in others:
        places.setdefault((each.hit.chunk_id, each.start), each)
    return replace(first, beside=tuple(places.values())[1:])


def _all_called(wanted: Sequence[AskedThing], without: Sequence[AskedThing]) -> str:
    said = " and ".join(_words_of(thing) for thing in wanted)
    verb = "without" if wanted[0].wanted is _K.ABSENT else "with"
    none = " or ".join(thing.finding.text for thing in without)
    return f"{verb} {said}" + (f" and no note that says {none} of them" if none else "")


def _read(asked: PlannedQuestion, thing: AskedThing) -> _Read:
    """Of each patient the newest passage is read first, and an older one only where none has settled it."""
    waiting, complete = passages_by_patient(asked, thing.search_terms)
    found = bool(waiting)
    by_patient: dict[str, Said] = {}
    left = PASSAGES_MAX
    while waiting and left > 0:
        next_ones = [passages[0].chunk_id for passages in waiting.values()][:left]
        left -= len(next_ones)
        for first in range(0, len(next_ones), READ_AT_ONCE):
            cancellation.check()
            for hit in read_passages(asked, next_ones[first : first + READ_AT_ONCE]):
                _take(by_patient, hit, thing)
        waiting = {
            patient: rest
            for patient, passages in waiting.items()
            if (rest := _that_may_change(by_patient.get(patient), passages[1:], thing))
        }
    return _Read(thing, by_patient, found, complete and not waiting)


def passages_by_patient(
    asked: PlannedQuestion, terms: Sequence[Sequence[str]]
) -> tuple[dict[str, list[ChunkOfPatient]], bool]:
    """The passages that have each of these words, by patient, the newest first; and whether that is all of them."""
    period = asked.plan.time.period
    found = asked.store.chunks_with(terms, asked.question.filters, limit=FOUND_MAX)
    by_patient: dict[str, list[ChunkOfPatient]] = {}
    for each in found:
        if period.admits(each.date) and each.patient_id != NO_PATIENT:
            by_patient.setdefault(each.patient_id, []).append(each)
    return by_patient, len(found) < FOUND_MAX


def read_passages(asked: PlannedQuestion, chunk_ids: Sequence[str]) -> list[Hit]:
    """Those of these passages that the asker may see."""
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
    by_patient: Mapping[str, Said], things: Sequence[AskedThing], plan: QuestionPlan, complete: bool
) -> Iterator[ReplyLine]:
    thing = things[0]
    groups: dict[AssertionKind, list[Quotation]] = {}
    for _, said in sorted(by_patient.items()):
        kind = thing.wanted if said.counts(thing) else said.kind_for(thing)
        groups.setdefault(kind, []).append(said.quotation)
    has = groups.pop(thing.wanted, [])
    what = _called(things, plan)
    if has:
        yield Counted(len(has), partial(counted_patients, what=what, whole=whole_of(plan, complete)))
        yield from has[:PATIENTS_MAX]
    nobody = "" if has else f"No patient {what} {whole_of(plan, complete, one=True)}, but "
    for kind in RANK:
        asked_for_none = thing.wanted is _K.ABSENT and kind in HAS
        if not asked_for_none and (listed := groups.get(kind)):
            over = kind is _K.HISTORICAL and not thing.now
            how = "as past or over" if over else _APART[kind]
            near = kind not in (_K.ABSENT, _K.FAMILY)
            yield Counted(len(listed), partial(_apart, how=how, more=bool(has), before=nobody, near=near))
            yield from listed[:APART_MAX]
            nobody = ""


def _called(things: Sequence[AskedThing], plan: QuestionPlan) -> str:
    """What is counted, in the question's words."""
    thing = things[0]
    words = " or ".join(_words_of(each) for each in things)
    absent = thing.wanted is _K.ABSENT
    if plan.is_attribute or not _HAD.search(plan.text):
        return f'of whom "{words}" is said{" not to be so" if absent else ""}'
    return f"{'without' if absent else 'with'} {words}"


def _words_of(thing: AskedThing) -> str:
    """What is asked for, as it stands behind "with"."""
    if thing.wanted is _K.FAMILY:
        return f"{thing.relative or 'family'} history of {thing.finding.text}"
    of = thing.kind is ThingKind.ALLERGY and "allergy" not in thing.finding.keys
    return f"an allergy to {thing.finding.text}" if of else thing.finding.text


def whole_of(plan: QuestionPlan, complete: bool, *, one: bool = False) -> str:
    """Of what notes it is said: of all, or of as many passages as are read."""
    time = plan.time
    when = (
        f" of {' to '.join(dict.fromkeys(filter(None, (time.since, time.until))))}"
        if time.since or time.until
        else ""
    )
    if complete:
        return f"{'whose notes' if one else 'all whose notes'}{when} say so in these words"
    return f"of the {PASSAGES_MAX:,} passages{when} that were read; there may be more"


def counted_patients(number: int, what: str, whole: str) -> str:
    """How many are listed, of whom, and whether these are all."""
    shown = f", the first {PATIENTS_MAX} listed" if number > PATIENTS_MAX else ""
    return f"{_patients(number)} {what}, {whole}{shown}:"


def _apart(number: int, how: str, more: bool, before: str, near: bool = False) -> str:
    mention = "mentions" if number == 1 else "mention"
    shown = f", the first {APART_MAX} listed" if number > APART_MAX else ""
    return f"{before}{_patients(number, more=more)} {mention} it{', which comes near,' if near else ''} {how}{shown}:"


def _left_open(number: int, more: bool) -> str:
    come = "has it and comes" if number == 1 else "have it and come"
    return f"{_patients(number, more=more)} {come} near: whether of that group is not said:"


def _patients(number: int, *, more: bool = False) -> str:
    return f"{number:,}{' more' if more else ''} patient{'' if number == 1 else 's'}"
