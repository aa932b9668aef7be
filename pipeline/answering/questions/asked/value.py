"""Which kind of value a question asks for, and the words that say of what: "How big is the kidney stone?" asks for a
size, of a kidney stone.

Decides it by the words that ask. Where they name the kind alone ("What insurance does § have?"), the value is asked of
the patient. Refuses to know how values are written (`text.answerability.values`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.answering.questions.asked.patients import framed
from pipeline.answering.questions.asked.thing import COMES_BACK
from pipeline.answering.questions.asked.time import asked_time
from pipeline.answering.questions.plan import QuestionPlan, ThingKind
from pipeline.text.answerability.values import DOSED, ValueKind, unit_named

_K = ValueKind
_DRUGS = r"(?:drugs?|medications?|medicines?|meds?|pills?|tablets?|prescriptions?)"
_OPERATIONS = r"(?:operations?|surger(?:y|ies)|procedures?)"
_PAIRED = r"(?:knee|leg|arm|hand|foot|ankle|shoulder|hip|elbow|wrist|eye|ear|breast|kidney|lung|thigh|heel)s?"
"""Of these there is a left and a right one."""
_ASKS = rf"""
insurer: insurance, insurances, insurers?, insured, insures, health plan, payers?
education: education, educated, schooling, highest degree, (get|go|went) (at|in|to) (school|college)
occupation: occupation, job, for a living, profession, work as
race: race, ethnicity, racial background, ethnic background
marital status: marital status
tobacco use: smoking (status|history|habits?), tobacco (use|status|history), (how many )?packs? (per|a|each) day, ppd
age: how old, (at )?(what|which) age, age
side: (on |from )?(what|which) side, left or right, (what|which) {_PAIRED}
time: when, how long ago, how many \w+ ago, (on |in |since )?(what|which) (date|day|year|month|time), since when
    (date|year|month|day) of
duration: (course|duration|length)( of)?(?=.*\bhow (?:long|many)\b), (for )?how long
    (for )?how many (minutes|hours|days|weeks|months|years), how far along, how far
count: how (often|many times) (was|were)(?= .*\b(?:done|performed|placed|repeated|needed|given)\b)
    how many(?! times), (the )?(total )?number of
frequency: how (often|frequently), how many times
dose: (at |in )?(what|which) (dose|doses|dosage|strength)( of)?, (dose|dosage|strength)( of)?
    (?<!\d )(?<!\d)(how many )?(mgs?|mcg|milligrams?)( of)?, how many (units|puffs|tablets|tabs|pills|capsules)( of)?
size: how (big|large|wide|deep|thick|tall|small), (what|which) (size|diameter), (size|diameter)( of)?
severity: how (bad|severe|intense|strong), severity( of)?, pain (score|rating|level|scale)
mechanism: (mechanism|circumstances) of (the |§'s )?(injury|accident|trauma)
    how (did|was|were|has|had) § (get |been |become )?(hurt|injured?|harmed|wounded)
    how (did|was) (the|§'s) (injury|accident|fracture) (happen|occur|sustained)
    how did § (injure|hurt|break|sprain|twist|fracture|tear)
replacement: (what|which \w+) (replaces|replaced), replacement for
    what (is|was|has been) § (been )?(put on|started on|given|taking|on|switched to) (instead|in place)( of)?
    what did § (take|get|start|switch to|change to) (instead|in place)( of)?, (instead|in place) of
    what (is|was|has been) § (been )?switched( from)?( to)?, what has § been put on instead
amount: (volume|vol)( of)?, how (much|high|low|heavy|fast), in (numbers|figures)
person: who, whom, by whom, (what|which) (doctor|physician|provider|relatives?|family members?|person)
reason: why, (for )?what reason, (the )?(reasons?|causes?|etiology|source|origin|indications?) (for|of|that|why|behind)
    (the )?reason (?=§), (what is )?(the )?diagnosis (behind|underlying|causing)
    what is behind, what (is|was) the reason for, what caused
    what (do|does|did) (§|we|they|you) (think|suspect|believe) (caused|brought on|triggered|is causing|was causing)
    what (brought on|triggered|set off|provoked|led to)
    what (is|was|might be|may be|could be) (causing|raising|driving|behind)( of)?
drug: (what|which) ([\w-]+ ){{0,3}}?{_DRUGS}, what did § start, what was § (started on|given|prescribed)
    what (does|did|should) § (take|use)
procedure: (what|which) ([\w-]+ ){{0,2}}?{_OPERATIONS}
body part: (what|which) (joints?|bones?|organs?|body part|part of the body)
"""
"""The kind before the colon, what asks for it behind it; the first that a question has counts."""
_OF_THE_PATIENT = frozenset(
    [
        *(_K.AGE, _K.EDUCATION, _K.INSURER, _K.MARITAL_STATUS, _K.OCCUPATION, _K.PROCEDURE, _K.RACE),
        *(_K.TOBACCO_USE, _K.MECHANISM),
    ]
)
"""What a patient has without a thing that it is of."""
_NARROWED = frozenset([_K.DRUG, _K.PROCEDURE, _K.SIDE, _K.SEVERITY])
"""Kinds of which the asking words say more: "which blood pressure medicine", "which knee"."""
_OF_THE_KIND = re.compile(
    rf"\b(?:what|which|on|from|side|how|bad|severe|intense|strong|severity|of|score|rating|level|scale|{_DRUGS}|{_OPERATIONS})\b",
    re.IGNORECASE,
)
_MEASURED = frozenset([ThingKind.VITAL, ThingKind.LABORATORY])
_WHAT_IS = re.compile(r"^(?:and\s+)?(?:what(?:['’]s| is| was| were| are)?|which)\b", re.IGNORECASE)
_UNDOSED = re.compile(
    r"\b(?:smok|drink|drank|weigh|weight|lost|lose|gain|eat|sleep|blood|pain)\w*\b", re.IGNORECASE
)
"""What is no drug, however much of it is taken."""
_IN_THE_FAMILY = re.compile(r"\bruns? in (?:§'s|the) family(?: of §)?", re.IGNORECASE)
_DONE = re.compile(
    r"\b(?:done|performed|placed|repeated|needed|given|had|so far|in total|altogether)\b", re.IGNORECASE
)
"""What is said of each time that something is counted."""
_AT_THIS_VISIT = re.compile(
    r"\s+(?:at|in|during|on)\s+(?:this|that|the|§'s)\s+(?:visit|appointment|encounter|consultation)\b",
    re.IGNORECASE,
)
"""Of one patient's notes each is of a visit."""
WITH_ITS_DOSE = re.compile(
    r"[\s,]*\b(?:and|at|&)\s+(?:at\s+)?(?:what|which|how)\s+(?:(?:is|was)\s+)?(?:the\s+)?(?:dos(?:e|age)|strength|much|often)\b"
    r"[^?]*",
    re.IGNORECASE,
)
"""Asks for a drug with its dose, which one sentence tells."""
_IN_UNITS = frozenset([_K.DOSE, _K.SIZE])
_UNIT = r"(?:pack[ -]years?|miles (?:per|an) hour|[a-zµ%][\w./%]*)"
_IN_A_UNIT = re.compile(
    rf"\bin\s+(?P<in>{_UNIT})(?=\s*(?:[?.!,]|$|(?:for|of|was|is|did|does)\b))|\((?P<unit>{_UNIT})\)"
    rf"|\b(?:how many|number of|what|which)\s+(?P<of>[\w-]+\s+(?=(?:units?|tablets?|tabs?|pills?|puffs?)\b))?"
    rf"(?P<bare>{_UNIT})(?!\S)(?:\s+of\b)?"
    rf"|(?<!\d )(?<!\d)(?<!\S)(?P<dose>mgs?|mcg|milligrams?)(?!\S)(?:\s+of\b)?",
    re.IGNORECASE,
)
"""How a question names the unit of its answer: "in Gy", "(mCi)", "how many insulin units"."""
_WEIGHS = re.compile(r"\bweighs?\b|\btall\b", re.IGNORECASE)


def _lexicon() -> tuple[tuple[ValueKind, re.Pattern[str]], ...]:
    found = []
    for line in re.sub(r"\n +", ", ", _ASKS).strip().splitlines():
        kind, _, listed = line.partition(": ")
        asks = "|".join(listed.split(", "))
        found.append((ValueKind(kind), re.compile(rf"(?<![\w-])(?:{asks})(?![\w-])", re.IGNORECASE)))
    return tuple(found)


_LEXICON = _lexicon()


@dataclass(frozen=True, slots=True)
class AskedValue:
    """What one question asks for."""

    kind: ValueKind | None
    words: str
    """The rest of the question, which says of what; "§" stands for the patient."""
    unit: str = ""
    """The unit that the value must be in, as `values.unit_named` has it; "" where any will do."""

    @property
    def of_the_patient(self) -> bool:
        """Whether the value alone answers."""
        return self.kind in _OF_THE_PATIENT


def asked_value(plan: QuestionPlan) -> AskedValue:
    """The kind of value that a question asks for, None where any words may answer."""
    text = COMES_BACK.sub(" return", asked_time(framed(plan.text, plan.patients))[1])
    text = _AT_THIS_VISIT.sub("", _IN_THE_FAMILY.sub("family", text))
    with_dose = WITH_ITS_DOSE.search(text)
    if with_dose is not None:
        return AskedValue(_K.DOSE, text[: with_dose.start()])
    unit, text = _asked_unit(text)
    if unit:
        kind = _K.DOSE if unit in DOSED else _K.AMOUNT
        kind = next((each for each, asks in _LEXICON if each in _IN_UNITS and asks.search(text)), kind)
        return AskedValue(kind, dict(_LEXICON)[kind].sub(" ", text), unit)
    for kind, asks in _LEXICON:
        if (found := asks.search(text)) is not None:
            narrowed = _OF_THE_KIND.sub(" ", found.group()) if kind in _NARROWED else " "
            words = f"{text[: found.start()]} {narrowed} {text[found.end() :]}"
            if kind is _K.AMOUNT and _WEIGHS.search(text) is not None:
                return AskedValue(_K.MEASUREMENT, words)
            dosed = kind is _K.AMOUNT and _asks_for_a_dose(plan, found.group(), text)
            if kind is _K.DRUG and ThingKind.ALLERGY in plan.kinds:
                return AskedValue(None, words)  # of an allergy the thing alone is told
            if kind is _K.COUNT:
                words = _DONE.sub(" ", words)
            return AskedValue(_K.DOSE if dosed else kind, words)
    named_alone = plan.shape is None and not plan.rest
    measured = not _MEASURED.isdisjoint(plan.kinds) and (named_alone or _WHAT_IS.match(text))
    return AskedValue(_K.MEASUREMENT if measured else None, text)


def _asked_unit(text: str) -> tuple[str, str]:
    """The unit that is asked for, and the question without it; "" and all of it where none is."""
    for found in _IN_A_UNIT.finditer(text):
        if unit := unit_named(found["in"] or found["unit"] or found["bare"] or found["dose"]):
            return unit, f"{text[: found.start()]} {found['of'] or ''} {text[found.end() :]}"
    return "", text


def _asks_for_a_dose(plan: QuestionPlan, asks: str, text: str) -> bool:
    """ "How much metformin does § take?"."""
    return (
        asks.lower().endswith("much") and ThingKind.MEDICATION in plan.kinds and _UNDOSED.search(text) is None
    )
