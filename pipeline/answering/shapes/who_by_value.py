"""Which patients have a measured value beyond a limit: "Whose A1c is above 8?", "patients with BP over 140/90".

Decides which figure is the value of a measure, by what may stand between the two; that of what is asked as of now the
newest note counts, and that a value in another scale is not compared. Refuses to convert, and to read values of one
patient (`in_time`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial

from pipeline.answering.questions.asked.limit import AskedLimit, asked_limit
from pipeline.answering.questions.plan import EVERYONE, AnswerShape, QuestionPlan
from pipeline.answering.shapes.kind_of_mention import title_of
from pipeline.answering.shapes.reply import NOT_STATED, Counted, PlannedQuestion, Quotation, Reply
from pipeline.answering.shapes.who import (
    PASSAGES_MAX,
    PATIENTS_MAX,
    READ_AT_ONCE,
    counted_patients,
    passages_by_patient,
    read_passages,
    whole_of,
)
from pipeline.call_context import cancellation
from pipeline.records import Hit
from pipeline.text.sentences import passage_sentences
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions
from pipeline.text.structure.line_above import with_line_above
from pipeline.text.structure.sections import sections_of
from pipeline.text.terms.finding import Finding

_EVER = re.compile(r"\b(?:had|was|were|came|ever|has been|history)\b", re.IGNORECASE)
"""Asks for any value, and not for the newest."""
_SYMBOLS = {"potassium": "K", "sodium": "Na", "creatinine": "Cr", "calcium": "Ca", "magnesium": "Mg"}
_PRESSURES = re.compile(r"\b(?:systolic|diastolic)\b", re.IGNORECASE)
_BETWEEN = (
    r"(?P<between>[\s:=(~–-]*(?:(?:is|was|were|of|at|on|in|the|a|an|his|her|their|today|now|currently|levels?|values?|readings?|results?"
    r"|counts?|came|back|has|had|been|measured|reads?|remains?|up|down|to|from|only|about|around|approximately|elevated"
    r"|low|high|fell|rose|dropped|increased|decreased|improved|stable|serum|clinic|office|admission|initially|noted|found"
    r"|as|slightly|mildly|still|this|morning|checked|taken)\b[\s:=(,~–-]*){0,7})"
)
_VALUE = (
    r"(?P<bound>[<>]?)\s*(?P<value>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?:\s*/\s*(?P<lower>\d{2,3}))?(?![\d/-]|[.,]\d)"
    r"(?!\s*(?:st|nd|rd|th|x|times?|days?|weeks?|months?|years?|hours?|minutes?|[ap]\.?m|mg\s+(?:daily|twice|once)|o['’]?clock)\b)"
    r"\s*(?P<unit>%|(?:[mµunp]?(?:g|mol|eq|iu|u)|mcmol|kg|lbs?|mm\s?hg|bpm|°?\s?[fc])(?:/[a-z0-9]+)?(?!\w))?"
)
_TO = re.compile(r"\s*to\s+(?P<value>\d+(?:\.\d+)?)", re.IGNORECASE)
_NOW = re.compile(r"\b(?:today|now|currently|this morning|most recent|latest)\b", re.IGNORECASE)
_OTHER_SCALE = re.compile(r"(?:[mµu]|micro|pico|nano|p|n)mol", re.IGNORECASE)
SCALES_APART = 4
"""How many times larger one of two values must be, of which one is in moles, to be of another scale."""


@dataclass(frozen=True, slots=True)
class _Value:
    number: Decimal
    lower: Decimal | None
    quotation: Quotation
    bound: str = ""
    unit: str = ""

    @property
    def rank(self) -> tuple[str, bool]:
        """The newest last."""
        line = self.quotation
        return line.hit.date or "", _NOW.search(line.hit.text, line.start, line.end) is not None


class WhoByValue:
    """Implements shapes.reply.ShapeAnswerer for questions about all patients with a limit of one value."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        time = plan.time
        return (
            plan.shape in (AnswerShape.WHO, AnswerShape.COUNT)
            and not (patients or plan.rest or plan.also or plan.negated)
            and plan.group == EVERYONE
            and not (time.relative or time.stay or time.order == "first")
            and asked_limit(plan.finding or "") is not None
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        limit = asked_limit(asked.plan.finding or "")
        if limit is None:
            return None
        finding = Finding(_PRESSURES.sub(" ", limit.measure).strip() or "blood pressure")
        if len(finding.keys) == 0:
            return None
        by_patient, complete = _values(asked, finding)
        ever = _EVER.search(asked.plan.text) is not None
        has = [
            line
            for _, values in sorted(by_patient.items())
            if (line := _beyond(values, limit, ever=ever)) is not None
        ]
        if not has:
            return NOT_STATED if complete and by_patient else None
        what = f"with {asked.plan.finding}{'' if ever else ' as the newest value'}"
        lead = Counted(len(has), partial(counted_patients, what=what, whole=whole_of(asked.plan, complete)))
        return Reply((lead, *has[:PATIENTS_MAX]))


def _values(asked: PlannedQuestion, finding: Finding) -> tuple[Mapping[str, list[_Value]], bool]:
    """Every value of each patient."""
    terms = [(*each, *_symbol(finding)) for each in finding.search_terms]
    waiting, complete = passages_by_patient(asked, terms)
    ids = [each.chunk_id for passages in waiting.values() for each in passages]
    found: dict[str, list[_Value]] = {}
    for first in range(0, min(len(ids), PASSAGES_MAX), READ_AT_ONCE):
        cancellation.check()
        for hit in read_passages(asked, ids[first : first + READ_AT_ONCE]):
            if values := list(_values_in(hit, finding)):
                found.setdefault(hit.patient_id, []).extend(values)
    return found, complete and len(ids) <= PASSAGES_MAX


def _values_in(hit: Hit, finding: Finding) -> Iterator[_Value]:
    text = hit.text
    assertions: NoteAssertions | None = None
    for found in _pattern(finding.search_terms, _symbol(finding)).finditer(text):
        assertions = assertions or NoteAssertions(text, sections_of(text, within=title_of(hit)))
        if assertions.of(*found.span("measure")).kind in (AssertionKind.FAMILY, AssertionKind.PLANNED):
            continue
        sentence = next(
            (each for each in passage_sentences(text) if each[0] <= found.start() < each[1]), found.span()
        )
        place = with_line_above(text, sentence[0], max(sentence[1], found.end("value")))
        number, unit = found["value"], (found["unit"] or "").lower()
        if "from" in found["between"].lower() and (to := _TO.match(text, found.end())) is not None:
            number = to["value"]
        yield _Value(
            Decimal(number.replace(",", "")),
            Decimal(found["lower"]) if found["lower"] else None,
            Quotation(hit, *place, names_patient=True),
            found["bound"],
            unit,
        )


def _symbol(finding: Finding) -> tuple[str, ...]:
    symbol = _SYMBOLS.get(" ".join(finding.keys))
    return (symbol,) if symbol else ()


@lru_cache(maxsize=64)
def _pattern(terms: tuple[tuple[str, ...], ...], symbol: tuple[str, ...]) -> re.Pattern[str]:
    """The measure in any of its spellings with the figure that is its value."""
    each = [
        "|".join(
            r"[\s-]+".join(map(re.escape, phrase.split()))
            for phrase in sorted(spellings, key=len, reverse=True)
        )
        for spellings in terms
    ]
    words = r"[\s-]+".join(f"(?:{listed})" for listed in each)
    short = "".join(rf"|(?-i:{re.escape(one)})" for one in symbol)
    return re.compile(
        rf"(?<![\w-])(?P<measure>(?:{words}){short})(?!\w)(?:\s*\([A-Za-z0-9]{{1,6}}\))?{_BETWEEN}{_VALUE}",
        re.IGNORECASE,
    )


def _beyond(values: Sequence[_Value], limit: AskedLimit, *, ever: bool) -> Quotation | None:
    """The newest place with a value that is asked for."""
    newest = max(each.rank for each in values)
    for each in sorted(values, key=lambda each: each.rank, reverse=True):
        if (ever or each.rank == newest) and _is_asked_for(each, limit):
            return each.quotation
    return None


def _is_asked_for(value: _Value, limit: AskedLimit) -> bool:
    if not _is_of_one_scale(value, limit):
        return False
    if value.bound and (value.bound == "<") is (limit.how == "above"):
        return False
    if "diastolic" in f"{limit.measure} {limit.unit}".lower():
        return value.lower is not None and limit.admits(value.lower)
    return limit.admits(value.number, value.lower)


def _is_of_one_scale(value: _Value, limit: AskedLimit) -> bool:
    """Whether the two can be held against each other."""
    in_moles = _OTHER_SCALE.match(value.unit) is not None
    if limit.unit and value.unit and in_moles is not (_OTHER_SCALE.match(limit.unit) is not None):
        return False
    if "a1c" in limit.measure.lower():
        return (value.number < 20) is (limit.value < 20)  # per cent, or mmol/mol
    if not in_moles or limit.unit or not value.number or not limit.value:
        return True
    return 1 / SCALES_APART <= value.number / limit.value <= SCALES_APART
