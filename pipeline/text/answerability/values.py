"""Kinds of value that a question asks for, and where a sentence has one: a dose, a date, an age, a side, a person.

Decides by how values are written, never by what they are of. A number of a list is no value. Refuses to know questions
(`answering.questions.asked_value`); of a measurement alone it says that the value stands next to what is measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from pipeline.text.structure.list_items import without_mark
from pipeline.text.terms.drug_classes import all_drugs
from pipeline.text.terms.drug_names import all_brands


class ValueKind(StrEnum):
    AGE = "age"
    AMOUNT = "amount"
    BODY_PART = "body part"
    COUNT = "count"
    """How many of a thing: a number next to it, or how many times."""
    DOSE = "dose"
    DRUG = "drug"
    DURATION = "duration"
    EDUCATION = "education"
    FREQUENCY = "frequency"
    INSURER = "insurer"
    MARITAL_STATUS = "marital status"
    MEASUREMENT = "measurement"
    """Of a vital sign or a laboratory test: a number, or a word such as "normal"."""
    MECHANISM = "mechanism"
    """Of an injury: what happened."""
    OCCUPATION = "occupation"
    PERSON = "person"
    PROCEDURE = "procedure"
    RACE = "race"
    REASON = "reason"
    REPLACEMENT = "replacement"
    """A drug that is given in the place of the one asked about."""
    SEVERITY = "severity"
    SIDE = "side"
    SIZE = "size"
    TIME = "time"
    TOBACCO_USE = "tobacco use"


_COUNT = (
    r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|several|a few|few|half an?"
    r"|(?:a )?couple(?: of)?)"
)
_PERIOD = r"(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?)"
_LENGTH = rf"(?:{_COUNT}|last|past|next)[ -]*(?:(?:to|or)[ -]*\d+[ -]*)?{_PERIOD}(?![ -]*(?:old|of age))"
_PORTION = r"(?:tablets?|tabs?|pills?|capsules?|puffs?|drops?|sprays?|units?)"
_WRITTEN = rf"""
age: \d{{1,3}}[ -]*(?:years?|yrs?|months?|weeks?|days?)[ -]*(?:old|of age); \d{{1,3}}[ -]?y/?o; aged? \d{{1,3}}
    age(?: of|:) ?\d{{1,3}}; in (?:his|her|their) (?:early |mid-?|late )?\d0s
amount: \d[\d.,/]*; once; twice; half; a couple; dozen; none; {_COUNT}
body part: toes?; fingers?; thumbs?; knees?; hips?; ankles?; wrists?; elbows?; shoulders?; spine; neck; jaw; foot; feet
    hands?; phalan\w+; humer\w+; radi(?:us|al); ulna\w*; femur; femoral; tibia\w*; fibula\w*; patella\w*; clavic\w+
    scapula\w*; metatars\w+; metacarp\w+; tars\w+; carp\w+; vertebra\w*; ribs?; pelvi\w+; sacr\w+; skull; mandib\w+
    malleol\w+; calcane\w+; scaphoid; lisfranc; liver; lungs?; kidneys?; heart; stomach; colon; bladder; brain; pancreas
    spleen; skin
count: {_COUNT}
dose: \d+(?:[.,]\d+)? ?-?(?:mg|mcg|µg|ug|g|grams?|ml|cc|l|iu|meq|mmol|{_PORTION}); \d+(?:[.,]\d+)? ?%
    \d+/\d+ ?(?:mg|tab\w*|cap\w*); {_COUNT} (?:a )?{_PORTION}
    {_COUNT} (?:extra|regular|double)[ -]strength
drug: \d+(?:[.,]\d+)? ?-?(?:mg|mcg|units?|iu|meq); aspirin; insulin; warfarin; tylenol; acetaminophen; lithium; digoxin
    methotrexate; gabapentin; prednisone; tramadol; steroids?; antibiotics?; inhalers?; \w{{3,}}(?:olol|pril|sartan)
    \w{{3,}}(?:statin|azole|cillin|mycin|oxacin|cycline|zepam|zolam|triptan|gliptin|gliflozin|formin|profen|codone)
    \w{{3,}}(?:morphone|setron|tidine|dipine|thiazide|semide|sone|solone|terol|kast|parin|xaban|gatran|mab|nib|oxetine)
    \w{{3,}}(?:traline|apine|idone|pramide|barbital|caine)
duration: {_LENGTH}; since; until; all (?:his|her) life; lifelong; indefinitely; overnight
education: (?:high|middle|grade|elementary) school; college; university; bachelor\S*; master['’]?s; doctorate; ph\.?d
    degree; diploma; ged; \d+th grade; graduat\w+; educat\w+; schooling
frequency: once; twice; daily; weekly; monthly; nightly; hourly; every; each; [btq]\.?i\.?d; qhs; q\d+h?; prn; as needed
    bedtime; (?:a|per) (?:day|week|month|year|night); times; occasional\w*; rarely; regularly
insurer: insur\w+; medicare; medicaid; aetna; anthem; cigna; humana; united ?healthcare; blue ?cross; blue ?shield; bcbs
    kaiser; tricare; dual eligible; centene; molina; self[ -]pay; hmo; ppo; health plan; va benefits
marital status: single; (?:un)?married; divorced; widow(?:ed|er)?; separated; engaged; wife; husband; spouse
    domestic partner
measurement: \d[\d.,/]*; normal; abnormal; elevated; high; low; unremarkable; stable; positive; negative; reactive; wnl
    within (?:normal|therapeutic); therapeutic; decreased; increased; reduced; borderline; impaired; pending
mechanism: fell; falling; (?:a|her|his) fall; falls? (?:from|off|down|onto|on)\b; slip(?:s|ped)?; tripp?(?:s|ed)?
    struck; hit (?:by|his|her|in|on|the|an?)\b; ran into; rear-ended; collision; collided
    (?:vehicle|car|bike|bicycle|motorcycle|auto|work) (?:accident|crash); mv[ac]; thrown; bucked; twist(?:s|ed|ing)
    hyperexten\w+; landed; bitten; bit (?:him|her|his|the)\b; kick(?:s|ed|ing); punch(?:ed|ing); assault(?:ed)?
    crush(?:ed|ing); cut (?:himself|herself|his|her); while (?:playing|lifting|running|working|skiing|using); stung
    lifting
    was (?:playing|lifting|running|skiing|skating|climbing); jump(?:ed|ing); dropped; stepped (?:on|in|off)
    burn(?:ed|t) (?:by|on|with)
occupation: (?<!lab )(?<!blood )(?<!dental )(?<!body )works?; working; worked; employ\w+; unemployed; retire\w*
    occupation; job; career; student; disability; homemaker; self-employed; by (?:profession|trade|occupation)
    laid off; for a living; (?:truck|bus|taxi|lorry|delivery) driver
person: mothers?; fathers?; mom; dad; parents?; brothers?; sisters?; siblings?; sons?; daughters?; aunts?; uncles?
    grandmothers?; grandfathers?; grandparents?; cousins?; niece; nephew; wife; husband; spouse; partner; friends?
    roommate; caregiver; doctor; physician; surgeon; nurse; \w+ologist; specialist; provider; pcp; practitioner
    therapist
    dentist; pediatrician; internist; midwife; pharmacist; staff; (?:dr|mr|mrs|ms|prof)\b\.? \w+
procedure: leep; egd; turp; ercp; eswl; peg tube; tah; bso; vats; tips
    \w{{3,}}(?:ectom|plast|otom|ostom|oscop)(?:y|ies); \w+(?:opexy|rrhaphy|centesis|desis); orif; cabg; tavr; pci
    bypass; stent\w*; graft\w*; fusion; repair\w*; replace(?:d|ment); resect\w+; transplant\w*; amputat\w+; implant\w*
    excision; excised; ablation; cardioversion; biops\w+; c-section; c(?:a?)esarean; pinning; fixation; decompression
    reconstruction; surger(?:y|ies); operat(?:ion|ions|ed|ive); lasik; tubal ligation; d&c; removed
    removal
race: white; caucasian; black; african[ -]american; asian; hispanic; latin[oax]; native american; american indian
    alaska native; pacific islander; native hawaiian; multiracial; biracial; mixed race
reason: because; owing to; on account of; due to; secondary to; caus\w+; result\w*; related to; led to; likely
    attribut\w+; so that
    since (?!then|that|the |undergoing|his |her |last|\d|s?he (?:stopped|started|was|had))
    in order to; given (?:the|his|her|that); (?<!significant )(?<!seen )for (?:his|her|the|an?|some|evaluation|pain)
    reasons?; from (?:the|his|her|an?)
    to (?:treat|prevent|help|rule|evaluate|control|avoid); concern\w*; contribut\w+; unable; refus\w+; declin\w+
    prefer\w*; cost
severity: \d{{1,2}}(?:\.\d)? ?(?:/|out of|over) ?10; mild(?:ly)?; moderate(?:ly)?; severe(?:ly)?; slight(?:ly)?; worst
    minimal; intense; excruciating; tolerable; unbearable; significant
side: (?:left|right|bilateral|unilateral)(?:ly|-sided)?; both
size: \d+(?:[.,/]\d+)? ?-?(?:mm|cm|m|millimet\w+|centimet\w+|inch(?:es)?|in\.|feet|ft|meters?); \d+ ?[x×] ?\d+; small
    [1-4]\+; enlarged; \d+[ -]?(?:french|fr|gauge)
    large
    tiny; huge; (?:dime|quarter|pea|golf ?ball)[ -]sized?
time: {_LENGTH}; (?:19|20)\d\ds?; \d{{1,2}}/\d{{1,4}}(?:/\d{{2,4}})?; january; february; march; april; may; june; july
    august
    september; october; november; december; (?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?; age (?:of )?\d+
    today
    yesterday; tonight; tomorrow; ago; since; (?:mon|tues|wednes|thurs|fri|satur|sun)day; recently; childhood; at birth
    this (?:morning|week|month|year); last (?:night|week|month|year|spring|summer|fall|winter)
    after (?:the|an?|his|her)
tobacco use: (?:non-?)?smok\w+; tobacco; cigar\w*; packs?[ -](?:per|a|years?|day|of)\b; ppd; nicotine; vap(?:es?|ing)
"""
"""The kind before the colon, behind it the ways to write it, apart by semicolons and lines."""
_UNITS = MappingProxyType(
    {
        "mg": r"mgs?|milligrams?",
        "mcg": r"mcgs?|[µu]g|micrograms?",
        "ml": r"mls?|cc|cubic centimeters?|millilit(?:er|re)s?",
        "liter": r"l|lit(?:er|re)s?",
        "unit": r"units?|iu|u",
        "tablet": r"tablets?|tabs?|pills?|capsules?|caps?",
        "puff": r"puffs?",
        "drop": r"drops?|gtts?",
        "spray": r"sprays?",
        "pack-year": r"pack[ -]?years?",
        "gray": r"c?gy|grays?",
        "curie": r"m?ci|(?:milli)?curies?",
        "french": r"french|fr",
        "gauge": r"gauge|g",
        "speed": r"m\.?p\.?h\.?|k\.?p\.?h\.?|km/h|miles (?:per|an) hour|kilomet(?:er|re)s (?:per|an) hour",
        "pound": r"pounds?|lbs?",
        "kilogram": r"kgs?|kilos?|kilograms?",
        "cm": r"cms?|centimet(?:er|re)s?",
        "mm": r"mms?|millimet(?:er|re)s?",
        "percent": r"%|percent",
    }
)
"""Units that a question may ask for, and the ways to write each."""
DOSED = frozenset(["mg", "mcg", "unit", "tablet", "puff", "drop", "spray"])
"""Those of a dose."""
_NUMBER = rf"(?:#?\d[\d.,/]*(?:\s?(?:-|–|to|or)\s?\d[\d.,]*)?|{_COUNT}(?:\s(?:to|or)\s{_COUNT})?)"
_DISPENSED = r"|\b(?:disp(?:ensed?)?|qty|quantity)[.:]?\s?#?\d+|(?<!\S)#\s?\d+"
_IN_UNIT = MappingProxyType(
    {
        unit: re.compile(
            rf"(?<![\w.]){_NUMBER}[ -]?(?:{ways})(?!\w){_DISPENSED if unit == 'tablet' else ''}",
            re.IGNORECASE,
        )
        for unit, ways in _UNITS.items()
    }
)
_OF_ANOTHER = (
    rf"(?![ -]*(?:{_PERIOD}|yrs?|{'|'.join(_UNITS.values())}|out of|am|pm|of age)\b)(?!\s?[/%:]|\.\d)"
)
"""A number of a time or in a unit counts nothing else."""
_ORDINAL = r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|\d{1,2}(?:st|nd|rd|th))"
_SOME = r"(?:no|both|only|single|multiple|numerous|several|many|another)"
_COUNTED = (
    rf"(?P<number>(?<![\w./])\d{{1,5}}(?:,\d{{3}})?\b(?:\s?(?:-|–|to|or)\s?\d+)?"
    rf"|\b(?:{_COUNT}|{_ORDINAL}|{_SOME})\b)"
)
COUNTED_WITHIN = 48
_COUNTED_BEFORE = re.compile(
    rf"{_COUNTED}(?P<other>)?{_OF_ANOTHER}[ -]+(?:[^\W\d]+(?:['’-]\w+)*[ -]+){{0,3}}\Z", re.IGNORECASE
)
_COUNTED_AFTER = re.compile(
    rf"(?:\s+\w+\b)?(?:\s?\(?(?P<number>[x×]\s?\d+|times \w+)|[ :(]*(?:(?:about|approximately|up to|only|of|was|were"
    rf"|is|are|total)\s+)*(?P<other>\d+\b|\b{_COUNT}\b){_OF_ANOTHER})",
    re.IGNORECASE,
)
_TIMES = re.compile(
    rf"\b(?:once|twice|thrice|{_NUMBER} (?:times|occasions|episodes)|[x×]\s?\d+)\b", re.IGNORECASE
)
_BEFORE, _AFTER = r"(?<![^\W_])", r"(?![^\W_])"
_CAPITALISED = re.compile(r"(?<![\w.])[a-z][a-z'-]* (?P<name>[A-Z][a-z]{3,})\b")
"""A name within a sentence, as drugs' are."""


def _lexicon() -> dict[ValueKind, str]:
    found: dict[ValueKind, str] = {}
    for line in re.sub(r"\n +", "; ", _WRITTEN).strip().splitlines():
        kind, _, listed = line.partition(":")
        ways = (way.strip().replace(" ", r"\s") for way in listed.split(";"))
        found[ValueKind(kind)] = "|".join(ways)
    return found


_LEXICON = MappingProxyType(_lexicon())
_PATTERNS = MappingProxyType(
    {kind: re.compile(f"{_BEFORE}(?:{ways}){_AFTER}", re.IGNORECASE) for kind, ways in _LEXICON.items()}
)
_DAYS = re.compile(
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|june|july|august", re.IGNORECASE
)


@cache
def _drug_names() -> re.Pattern[str]:
    """Compiled by the first sentence that says that a drug was begun: it has thousands of letters."""
    written = _LEXICON[ValueKind.DRUG]
    listed = written[written.index("aspirin") :]
    return re.compile(
        rf"{_BEFORE}(?:{listed}|{'|'.join(sorted(all_drugs() | all_brands()))}){_AFTER}", re.IGNORECASE
    )


_BEGUN = re.compile(
    r"\b(?:start\w*|initiat\w+|switch\w*|chang\w+|replac\w+|instead|prescri\w+|(?:put|placed) on|try|trial|beg[aiu]n"
    r"|add(?:ed)?|transition\w*|in (?:its|their) place)\b",
    re.IGNORECASE,
)
"""How a sentence says that a drug was begun."""
_REASON_FOLLOWS = re.compile(
    r"because|due|secondary|owing|on account|for|from|to\b|given|since|related|attrib", re.IGNORECASE
)
_IS_THE_REASON = re.compile(r"[ -]*(?:[^\W\d]+[ -]+){0,5}", re.IGNORECASE)
"""What may stand between the word that gives a reason and that reason."""
WHY_ANOTHER = re.compile(
    r"\b(?:stop\w*|discontinu\w+|we[ae]n\w*|came off|taken off|side effects?|not tolerate\w*|intoleran\w+|failed|held"
    r"|ineffective|without relief|did not|not (?:working|helping|effective)|previously on"
    r"|(?:switch|chang|replac|transition)\w*"
    r"|instead|in (?:its|their) place|rather than)\b",
    re.IGNORECASE,
)
"""How a sentence says that a drug is not given any more, or another one in its place."""
_LABEL = re.compile(r"[A-Z][\w /()&'-]{0,40}:\s")
_CHANGED = re.compile(
    r"\b(?:gain\w*|loss|lost|los(?:e|es|ing)|chang\w+|monitor\w*|check\w*|goal|target|regimen|medic\w+|pills?)\b",
    re.IGNORECASE,
)
"""What follows one of these is no measurement of the thing itself."""
_NUMBER_AFTER = re.compile(r"(?P<between>[^.;\n\d]{0,40}?)(?P<value>(?:[<>]\s?)?\d[\d.,/]*)")
WORD_AFTER, WORD_BEFORE = 40, 14
"""Characters within which a word says how a measurement is: "low hemoglobin", "creatinine is within normal limits"."""


def written_as(kind: ValueKind) -> str:
    """The regular expression of the ways to write a value, for whole words."""
    return _LEXICON[kind]


def find_value(
    kind: ValueKind,
    text: str,
    start: int,
    end: int,
    places: Iterable[tuple[int, int]] = (),
    unit: str = "",
) -> tuple[int, int] | None:
    """Where the sentence `text[start:end]` has a value of that kind. `places`: of what it is asked of. `unit`: the one
    that it must be in, as `unit_named` gives it."""
    start, _ = without_mark(text, start, end)
    if unit:
        in_unit = _IN_UNIT[unit].search(text, start, end)
        return in_unit.span() if in_unit is not None else None
    if kind is ValueKind.COUNT:
        return _counted(text, start, end, places)
    if kind is ValueKind.MEASUREMENT and (placed := sorted(places)):
        found = (_measured(text, place, start, end) for place in placed)
        return next((each for each in found if each is not None), None)
    if kind is ValueKind.DRUG:
        return _drug(text, start, end)
    if kind is ValueKind.REASON and (placed := sorted(places)):
        return _reason(text, start, end, placed)
    if kind is ValueKind.REPLACEMENT:
        return _in_its_place(text, start, end, places)
    match = _PATTERNS[kind].search(text, start, end)
    return match.span() if match is not None else None


def unit_named(written: str) -> str:
    """The unit that a word of a question names, for `find_value`; "" where it names none that is known."""
    folded = " ".join(written.lower().split())
    return next((unit for unit, ways in _UNITS.items() if re.fullmatch(ways, folded)), "")


def _counted(text: str, start: int, end: int, places: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    """A number just before or behind what is counted, or how many times."""
    for begin, stop in places:
        before = _COUNTED_BEFORE.search(text, max(start, begin - COUNTED_WITHIN), begin)
        after = _COUNTED_AFTER.match(text, stop, end)
        if (found := before or after) is not None:
            return found.span("number" if found["number"] else "other")
    times = _TIMES.search(text, start, end)
    return times.span() if times is not None else None


def _reason(text: str, start: int, end: int, places: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    """Not where what is asked about is itself the reason: "seen for the evaluation of elbow pain" tells no cause of
    the pain."""
    for match in _PATTERNS[ValueKind.REASON].finditer(text, start, end):
        follows = _REASON_FOLLOWS.match(match.group()) is not None
        behind = [place for place, _ in places if follows and place >= match.end()]
        if not any(_IS_THE_REASON.fullmatch(text, match.end(), place) for place in behind):
            return match.span()
    return None


def _in_its_place(
    text: str, start: int, end: int, places: Iterable[tuple[int, int]]
) -> tuple[int, int] | None:
    """Another drug than at these places, in a sentence that says that one was begun or changed."""
    taken = list(places)
    if _BEGUN.search(text, start, end) is None or (taken and WHY_ANOTHER.search(text, start, end) is None):
        return None
    named = [
        match.span("name")
        for match in _CAPITALISED.finditer(text, start, end)
        if _DAYS.fullmatch(match["name"]) is None
    ]
    known = [match.span() for match in _drug_names().finditer(text, start, end)]
    return next(
        (each for each in sorted([*named, *known]) if not any(a < each[1] and each[0] < b for a, b in taken)),
        None,
    )


def _drug(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Also a name, not in the sentence's label ("Medical Reasoning:")."""
    label = _LABEL.match(text, start, end)
    start = label.end() if label is not None else start
    match = _PATTERNS[ValueKind.DRUG].search(text, start, end)
    if match is not None:
        return match.span()
    name = _CAPITALISED.search(text, start, end)
    return name.span("name") if name is not None else None


def _measured(text: str, place: tuple[int, int], start: int, end: int) -> tuple[int, int] | None:
    number = _NUMBER_AFTER.match(text, place[1], end)
    if number is not None and _CHANGED.search(number["between"]) is None:
        return number.span("value")
    around = max(start, place[0] - WORD_BEFORE), min(end, place[1] + WORD_AFTER)
    for match in _PATTERNS[ValueKind.MEASUREMENT].finditer(text, *around):
        between = text[place[1] : max(place[1], match.start())]
        if not match.group()[0].isdigit() and _CHANGED.search(between) is None:
            return match.span()
    return None
