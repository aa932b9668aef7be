"""What the notes of one patient state of a thing in time, each statement with its date, over all passages.

Decides what is a value or an event of the thing (not what is denied, planned, doubted or a relative's), and when it
was: a date in the sentence or in the line above its list wins over the note's, so that a value which was copied
forward keeps its own. Within a note, what is said of today comes after what is told of before, and what is ordered
after what was taken. Refuses to compute: no value is compared, no trend is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from pipeline.answering.questions.asked.kinds import PATTERNS
from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.kind_of_mention import is_of_kind, title_of
from pipeline.answering.shapes.patient_notes import PatientNote, PatientNotes, ReadPassage
from pipeline.answering.shapes.reply import Quotation
from pipeline.text.patients.bystanders import RELATIVE
from pipeline.text.sentences import is_heading, passage_sentences
from pipeline.text.statements.facts import read
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions, assertion_in_sentence
from pipeline.text.structure.line_above import with_line_above
from pipeline.text.structure.personal_facts import PERSONAL_FACTS, PersonalFact
from pipeline.text.structure.section_kinds import SectionKind
from pipeline.text.structure.sections import section_at
from pipeline.text.structure.written_dates import WrittenDate, written_dates
from pipeline.text.terms.finding import Finding, Mention
from pipeline.text.vocabulary import SAME_WORD

_K = AssertionKind
_MEASURED = frozenset([ThingKind.VITAL, ThingKind.LABORATORY])
_NUMBER = re.compile(r"(?<![\w.])\d[\d.,]*(?:\s?/\s?\d+)?")
_NO_VALUE = re.compile(
    r"[\d.,/ -]*(?:st|nd|rd|th|x|times|days?|weeks?|months?|years?|hours?|minutes?|[ap]\.?m\b)\b",
    re.IGNORECASE,
)
"""A number that counts time or times."""
_CLAUSE_END = re.compile(r"[;\n]|[.!?](?=\s|$)|,? (?:and|but|while|which|who)\b", re.IGNORECASE)
RATED_SENTENCES_MAX = 4
"""Sentences after a pain in which it is rated without its name."""
_FELT = re.compile(
    r"\b(?:pain|ache|aches|headaches?|migraines?|soreness|discomfort|cramps?)\s*\Z", re.IGNORECASE
)
_RATING = re.compile(
    r"(?<![\d/])\d{1,2}(?:\s*(?:-|–|to)\s*\d{1,2})?\s*(?:/|out of)\s*(?:10|ten)\b", re.IGNORECASE
)
_GOES_ON = re.compile(r"\s*(?:they|it|this|these)\b", re.IGNORECASE)
_RATES = re.compile(r"\b(?:it|them|they|this|these|pain|rat(?:es?|ed)|severity|intensity)\b", re.IGNORECASE)
SHORT_MAX = 3
"""Letters of a short form."""
VALUE_CHARACTERS_MAX = 60
"""Between a measure and its value."""
_GOAL = re.compile(
    r"\b(?:goal|target|threshold|aim\w*|keep|should be|if|until|unless|when)\b[^.;]*\Z|\b(?:goal|target)\b[^.;]*",
    re.IGNORECASE,
)
_JUDGED = re.compile(
    r"\b(?:normal|abnormal|elevated|high|low|raised|stable|unchanged|improved|worse\w*|negative|positive|borderline"
    r"|controlled|uncontrolled|unremarkable|within|increased|decreased|detected|undetectable)\b",
    re.IGNORECASE,
)
_TODAY = re.compile(
    r"\b(?:today|now|currently|most recent\w*|at (?:this|today['’]s) visit|this (?:morning|visit))\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(?:previous\w*|prior|past|formerly|used to|ago|last (?:week|month|year|visit|time)|yesterday"
    r"|had been|initially"
    r"|at that time|before|at the time|when (?:he|she|they)|on admission|in the (?:emergency|er\b|ed\b))\b",
    re.IGNORECASE,
)
_LONG_AGO = re.compile(
    r"\b(?:ago|last (?:month|year|summer|winter)|previous(?:ly)?|prior|in the past|formerly|used to|at that time"
    r"|(?:years?|months?|weeks?) (?:before|earlier)|baseline|the (?:early |mid-?|late )?(?:1[89]|20)\d0s)\b",
    re.IGNORECASE,
)
_ORDERED = re.compile(
    r"\b(?:increas\w+|decreas\w+|reduc\w+|chang(?:e|ed|ing)|start(?:ed|ing)?|stop(?:ped|ping)?|discontinu\w+|switch\w*"
    r"|hold|titrat\w+|initiat\w+|taper\w*|double|add(?:ed|ing)?|restart\w*|resum\w+)\b",
    re.IGNORECASE,
)
COMING = re.compile(
    r"\b(?:due for|next|scheduled?|upcoming|order(?:ed|ing)?|will (?:need|get|have|be|repeat|obtain|check"
    r"|schedule)|repeat"
    r"|recheck\w*|plan(?:ned|s)? (?:to|for|on)|to be (?:done|obtained|checked)|refer\w*|recommend\w*|consider\w*|goal"
    r"|target|follow(?:-| )?up (?:with|on|in)|pending|declin\w+|refus\w+|postponed|cancel\w+|eligible)\b",
    re.IGNORECASE,
)
"""What is to come of what a sentence tells."""
_DUE = re.compile(
    r"\W*(?:(?:is|are|was|will be|to be|has been)\s+)?(?:due|scheduled|pending|planned|ordered|declined|refused"
    r"|postponed|cancel\w+|recommended|not (?:done|performed|given))\b",
    re.IGNORECASE,
)
_STARTED = re.compile(
    r"\b(?:start\w*|beg[aiu]n\w*|initiat\w+|commenc\w+|introduc\w+|add(?:ed|ing)?|put on|placed on|prescribed"
    r"|new\w*)\b",
    re.IGNORECASE,
)
_STOPPED = re.compile(
    r"\b(?:stop\w*|discontinu\w+|ceas\w+|came off|taken off|quit|no longer|former\w*|ended|d/c(?:'?d)?|held"
    r"|resolved)\b",
    re.IGNORECASE,
)
_DOSE = re.compile(r"\b(?:dos(?:es?|ages?)|strengths?|how much|how many|amount)\b", re.IGNORECASE)
_DOSE_AFTER = re.compile(
    r"\s*(?:(?:hcl|xl|er|xr|sr|oral|tablets?|capsules?|to|from|at|of|dose)\s+){0,3}\(?\d[\d.,]*\s?-?"
    r"(?:mg|mcg|µg|ug|g|grams?|units?|iu|meq|ml|puffs?|tablets?|tabs?|capsules?|drops?)\b"
    r"(?!\s*/\s*(?:d?l|ml|kg|min)|\s+per\b)",
    re.IGNORECASE,
)
_OF_ANOTHER = re.compile(rf"\b{RELATIVE}s?['’]s?\s+(?:[\w-]+\s+){{0,4}}\Z", re.IGNORECASE)
_AGO = re.compile(
    r"\b(?:ago|at (?:the )?age (?:of )?\d+|(?:last|this|past) (?:week|month|year|summer|winter|spring|fall"
    r"|autumn)|yesterday"
    r"|(?:in|since) (?:childhood|her|his) \w+|since (?:childhood|birth|age \d+))\b",
    re.IGNORECASE,
)
_RESULT = re.compile(
    r"\b(?:show\w*|demonstrat\w+|reveal\w*|found|finding\w*|normal|abnormal|negative|positive|consistent"
    r"|evidence|unremarkable"
    r"|no|without|impression|suggest\w*|stable|unchanged|\d)\b",
    re.IGNORECASE,
)
_CHANGES = {"start": _STARTED, "stop": _STOPPED}
_PLANNED_IN = frozenset([SectionKind.PLAN, SectionKind.ASSESSMENT_AND_PLAN, SectionKind.INSTRUCTIONS])
_COMMA = re.compile(r"[,;](?!\d)")
_DATE_ALONE = re.compile(
    r"(?:\A|[,;:(\n])\s*(?:(?:in|on|of|dated|from|back in|as of|since|around|early|late|mid)[\s-]+)*\Z",
    re.IGNORECASE,
)
_LETTERS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class DatedStatement:
    """One place that states the thing."""

    quotation: Quotation
    """`dated` says when, in our words."""
    day: str
    """ISO 8601, to the year or month where no more is known; "" where neither sentence nor note has a date."""
    note_day: str
    order: int
    """Among statements of one note: lower is earlier."""
    valued: bool
    """Whether a figure, or a word that judges one, stands next to the thing."""
    timed: bool
    """Whether the sentence itself says when."""
    days: tuple[str, ...] = ()
    """All of a row of values; empty where it is of one."""
    past: bool = False
    """Told of an earlier time that is not dated: "was 190 lb two years ago"."""

    @property
    def starts(self) -> bool:
        """Whether it says that something began."""
        return _says(_STARTED, self)

    @property
    def words(self) -> str:
        """What it says, for telling whether another says the same."""
        text = self.quotation.hit.text[self.quotation.start : self.quotation.end]
        return " ".join(_LETTERS.findall(text.lower()))

    @property
    def when(self) -> tuple[str, str, int]:
        """Sorts statements by time."""
        return self.day, self.note_day, self.order


@dataclass(frozen=True, slots=True)
class StatementsInTime:
    """All that was found."""

    dated: tuple[DatedStatement, ...]
    """Oldest first."""
    undated: tuple[DatedStatement, ...]
    apart: tuple[Quotation, ...]
    """Denied, planned, doubted, or of the family: mentions, not values."""

    @property
    def all(self) -> tuple[DatedStatement, ...]:
        return (*self.dated, *self.undated)

    @property
    def of_ratings(self) -> StatementsInTime:
        """Those alone that rate a pain, where several do; all of them where none or one does."""
        rated = [each for each in self.all if _says(_RATING, each)]
        if len(rated) < 2:
            return self
        return replace(
            self,
            dated=tuple(each for each in self.dated if each in rated),
            undated=tuple(each for each in self.undated if each in rated),
        )


@dataclass(frozen=True)
class ThingInTime:
    """What statements are looked for."""

    plan: QuestionPlan
    dosed: bool = False
    """Whether notes write a dose next to it."""

    @property
    def words(self) -> str:
        return self.plan.thing.words if self.plan.thing else ""

    @cached_property
    def fact(self) -> PersonalFact | None:
        return PERSONAL_FACTS.get(self.words)

    @cached_property
    def finding(self) -> Finding:
        return Finding(self.words)

    @property
    def known(self) -> bool:
        """Whether it can be looked for at all."""
        return self.fact is not None or bool(self.finding.keys)

    @property
    def is_drug(self) -> bool:
        return self.dosed or (self.plan.kind is ThingKind.MEDICATION and not self.finding.is_vaccine)

    @property
    def is_measured(self) -> bool:
        return not _MEASURED.isdisjoint(self.plan.kinds)

    @property
    def asks_when(self) -> bool:
        return self.plan.thing is not None and self.plan.thing.when

    @property
    def asks_for_a_beginning(self) -> bool:
        thing, order = self.plan.thing, self.plan.time.order
        return order == "first" or (order is None and thing is not None and thing.when)

    @property
    def asks_for_a_dose(self) -> bool:
        return self.is_drug and _DOSE.search(self.plan.text) is not None

    @property
    def may_be_measured(self) -> bool:
        return not (self.fact or self.is_drug or self.asks_when or self.plan.kinds)

    def mentions(self, text: str, title: str) -> Iterator[Mention]:
        if self.fact is None:
            yield from self.finding.mentions(text, title)
            if self.is_measured:
                yield from self._abbreviated(text)
            if self.plan.shape is AnswerShape.TREND and _FELT.search(self.words):
                yield from self._rated(text)
            return
        if not self.fact.said.search(text):
            return
        for start, end in passage_sentences(text):
            said = self.fact.said.search(text, start, end)
            if said and not (self.fact.unless and self.fact.unless.search(text, start, end)):
                yield Mention(*said.span(), start, end)

    def _rated(self, text: str) -> Iterator[Mention]:
        """Where the next sentences say how bad it is without its name: "now he rates them at about 6/10"."""
        told = {mention.sentence_start for mention in self.finding.mentions(text)}
        goes_on = told and _GOES_ON.match(text) is not None  # a passage that begins within a paragraph
        since = 0 if goes_on else RATED_SENTENCES_MAX + 1
        for start, end in passage_sentences(text):
            since = 0 if start in told else since + 1
            rating = _RATING.search(text, start, end) if 0 < since <= RATED_SENTENCES_MAX else None
            if rating is not None and _RATES.search(text, start, end):
                yield Mention(*rating.span(), start, end)

    def _abbreviated(self, text: str) -> Iterator[Mention]:
        """Short forms in small letters, which only their value tells from words: "Wt 176 lb"."""
        short = _short_forms(self.finding.keys)
        if short is None or not short.search(text):
            return
        for start, end in passage_sentences(text):
            for found in short.finditer(text, start, end):
                if not found["form"].isupper():  # those the finding has itself
                    yield Mention(*found.span("form"), start, end)


@lru_cache(maxsize=64)
def _short_forms(keys: tuple[str, ...]) -> re.Pattern[str] | None:
    forms = [form for form, said in SAME_WORD.items() if said == keys and len(form) <= SHORT_MAX]
    listed = "|".join(map(re.escape, forms))
    return re.compile(rf"\b(?P<form>{listed})\b\.?\s*[:=]?\s*\d", re.IGNORECASE) if forms else None


def statements_in_time(read: PatientNotes, thing: ThingInTime) -> StatementsInTime:
    """Every statement of the thing in these notes. Of a measure those with a value, where any has one."""
    thing = replace(thing, dosed=_is_dosed(read, thing))
    found: list[DatedStatement] = []
    apart: list[Quotation] = []
    for note in read.notes:
        for each in _of_note(note, thing):
            if isinstance(each, DatedStatement):
                found.append(each)
            else:
                apart.append(each)
    found = _best(found, thing)
    dated = sorted((each for each in found if each.day), key=lambda each: each.when)
    return StatementsInTime(tuple(dated), tuple(each for each in found if not each.day), tuple(apart))


def _is_dosed(read: PatientNotes, thing: ThingInTime) -> bool:
    """Whether the thing is a drug, by a dose that stands next to it: "Lasix 20 mg"."""
    if thing.fact is not None or thing.is_measured:
        return False
    return any(
        _DOSE_AFTER.match(passage.hit.text, mention.end)
        for note in read.notes
        for passage in note.passages
        for mention in thing.mentions(passage.hit.text, "")
    )


def _best(found: Sequence[DatedStatement], thing: ThingInTime) -> list[DatedStatement]:
    change = thing.plan.thing.change if thing.plan.thing else None
    if change is not None:
        changed = [each for each in found if _says(_CHANGES[change], each)]
        found = changed or ([] if change == "stop" or thing.fact is not None else list(found))
    if thing.asks_when:
        found = [each for each in found if each.timed] or found
    elif thing.plan.kind is ThingKind.IMAGING:
        return [each for each in found if _says(_RESULT, each)]
    if thing.asks_for_a_dose and (dosed := [each for each in found if _has_figure(each)]):
        return dosed
    valued = [each for each in found if each.valued]
    if thing.is_measured or (thing.may_be_measured and _mostly_figures(found)):
        return valued or list(found)
    return list(found)


def _mostly_figures(found: Sequence[DatedStatement]) -> bool:
    """Whether it is a measure that is in no list, by how notes write it: "PHQ-9: 12"."""
    return 2 * sum(each.valued and _has_figure(each) for each in found) > len(found)


def _says(pattern: re.Pattern[str], statement: DatedStatement) -> bool:
    line = statement.quotation
    return pattern.search(line.hit.text, line.start, line.end) is not None


def _has_figure(statement: DatedStatement) -> bool:
    line = statement.quotation
    return any(
        token.figure is not None and token.figure.kind in ("amount", "ratio", "range")
        for token in read(line.hit.text[line.start : line.end]).of("figure")
    )


def _of_note(note: PatientNote, thing: ThingInTime) -> Iterator[DatedStatement | Quotation]:
    for passage in note.passages:
        text = passage.hit.text
        assertions: NoteAssertions | None = None
        for mention in thing.mentions(text, title_of(passage.hit) or ""):
            if not is_of_kind(text, mention, passage.sections, thing.plan.kind if thing.is_drug else None):
                continue
            if not mention.is_of_class:
                continue
            if is_heading(text[mention.sentence_start : mention.sentence_end]):
                continue
            assertions = assertions or NoteAssertions(text, passage.sections)
            yield _stated(note, passage, mention, thing, assertions)


def _stated(
    note: PatientNote,
    passage: ReadPassage,
    mention: Mention,
    thing: ThingInTime,
    assertions: NoteAssertions,
) -> DatedStatement | Quotation:
    text = passage.hit.text
    start, end = with_line_above(text, mention.sentence_start, mention.sentence_end)
    valued = _is_valued(text, mention)
    dates = _own_dates(text, mention, start, begins=thing.asks_for_a_beginning)
    own = _chosen(text, dates, mention, several=valued and _has_a_figure_each(text, mention, dates))
    ahead = bool(own and note.day and own[-1] > note.day)
    said = assertions.of(mention.start, mention.end).kind
    if own and said in (_K.PLANNED, _K.POSSIBLE) and not _is_to_come(text, mention):
        said = (
            _K.PRESENT
        )  # what the rest of its sentence plans is another: "last scan 2012, the next one is due"
    if ahead or not _is_value(text, mention, thing, said, valued):
        return Quotation(passage.hit, start, end)
    first = thing.plan.time.order == "first"
    past = not own and _LONG_AGO.search(text, mention.sentence_start, mention.sentence_end) is not None
    told = past or (not own and thing.fact is None and said is _K.HISTORICAL)
    return DatedStatement(
        Quotation(passage.hit, start, end, dated=_dated(" and ".join(own), note.day, told=told)),
        (own[0] if first else own[-1]) if own else note.day,
        note.day,
        _order(passage, mention, thing, said),
        valued,
        bool(own) or _AGO.search(text, mention.sentence_start, mention.sentence_end) is not None,
        tuple(own),
        past,
    )


def _is_value(text: str, mention: Mention, thing: ThingInTime, said: AssertionKind, valued: bool) -> bool:
    """Whether a mention states the thing of the patient."""
    if said is _K.FAMILY or _OF_ANOTHER.search(text[mention.sentence_start : mention.start]):
        return False
    if thing.fact is not None:
        return said is not _K.PLANNED
    if thing.is_drug:
        return said is not _K.ABSENT
    if _GOAL.search(text[mention.sentence_start : mention.start]):
        return False
    if not valued and _is_to_come(text, mention):
        return False
    if thing.is_measured and valued:
        return said is not _K.PLANNED or not _is_planned_in_its_sentence(text, mention)
    return said in (_K.PRESENT, _K.HISTORICAL)


def _is_planned_in_its_sentence(text: str, mention: Mention) -> bool:
    """Whether the sentence says so, and not only its heading: a value under "Follow-up" was measured."""
    start = mention.sentence_start
    sentence = text[start : mention.sentence_end]
    return assertion_in_sentence(sentence, mention.start - start, mention.end - start).planned


def _is_to_come(text: str, mention: Mention) -> bool:
    """Whether its own part of the sentence says that it is planned, due, or did not take place."""
    before = text[mention.sentence_start : mention.start]
    parts = list(_COMMA.finditer(before))
    opened = mention.sentence_start + (parts[-1].end() if parts else 0)
    ended = _COMMA.search(text, mention.end, mention.sentence_end)
    stop = ended.start() if ended else mention.sentence_end
    return bool(COMING.search(text, opened, mention.start) or _DUE.match(text, mention.end, stop))


def _is_valued(text: str, mention: Mention) -> bool:
    """Whether a figure of its own, or a word that judges it, stands behind the thing."""
    ended = _CLAUSE_END.search(text, mention.end, mention.sentence_end)
    stop = ended.start() if ended else mention.sentence_end
    return _figure_after(text, mention.end, stop) or _JUDGED.search(text, mention.start, stop) is not None


def _figure_after(text: str, start: int, stop: int) -> bool:
    dates = list(written_dates(text, start, stop))
    for number in _NUMBER.finditer(text, start, min(stop, start + VALUE_CHARACTERS_MAX)):
        if any(date.start <= number.start() < date.end for date in dates):
            continue
        if _NO_VALUE.match(text, number.start()):
            continue
        between = text[start : number.start()]
        return not any(PATTERNS[kind].search(between) for kind in _MEASURED)
    return False


def _own_dates(text: str, mention: Mention, start: int, *, begins: bool) -> list[WrittenDate]:
    """The dates of the sentence, or else those of the line above its list. `begins`: also those from which on it has
    held."""
    dates = list(written_dates(text, mention.sentence_start, mention.sentence_end))
    if not dates and start < mention.sentence_start:
        dates = list(written_dates(text, start, mention.sentence_start))
    return [date for date in dates if begins or not date.begins]


def _chosen(text: str, dates: Sequence[WrittenDate], mention: Mention, *, several: bool) -> list[str]:
    """The day nearest to the thing; of a row of values with their dates all days, the first one first."""
    if several:
        return sorted({date.day for date in dates})
    own = [date for date in dates if _is_of_it(text, date, mention)]
    return [min(own, key=lambda date: _distance(date, mention)).day] if own else []


def _is_of_it(text: str, date: WrittenDate, mention: Mention) -> bool:
    """Whether no other thing of a list stands nearer to a date: in "MI, CABG 2013" the year is not the MI's. A date
    that is set off by commas alone ("CT of abdomen, 01/23/2020", "In 2019, ...") is the whole sentence's."""
    between = text[date.end : mention.start] if date.end <= mention.start else text[mention.end : date.start]
    if not _COMMA.search(between):
        return True
    before = text[max(mention.sentence_start, date.start - 40) : date.start]
    after = text[date.end : min(mention.sentence_end, date.end + 2)]
    ends = not after.strip() or after[0] in ",.;:)"
    return ends and _DATE_ALONE.search(before) is not None


def _has_a_figure_each(text: str, mention: Mention, dates: Sequence[WrittenDate]) -> bool:
    """Whether a sentence is a row of values: "A1c 7.2 (03/2021), 6.8 (06/2021)"."""
    if len(dates) < 2:
        return False
    numbers = [
        number
        for number in _NUMBER.finditer(text, mention.end, mention.sentence_end)
        if not any(date.start <= number.start() < date.end for date in dates)
    ]
    return len(numbers) >= len(dates)


def _distance(date: WrittenDate, mention: Mention) -> int:
    return date.start - mention.end if date.start >= mention.end else mention.start - date.end


def _order(passage: ReadPassage, mention: Mention, thing: ThingInTime, said: AssertionKind) -> int:
    """What is told of before, what is found, what is so today, what is ordered from now on."""
    text, start, end = passage.hit.text, mention.sentence_start, mention.sentence_end
    section = section_at(passage.sections, mention.start)
    planned = section is not None and not _PLANNED_IN.isdisjoint(section.kinds)
    if thing.is_drug and _ORDERED.search(text, start, end):
        return 4 if planned or re.search(r"\bwill\b", text[start:end]) else 3
    if _TODAY.search(text, start, end):
        return 2
    return 0 if said is _K.HISTORICAL or _BEFORE.search(text, start, end) else 1


def _dated(own: str, note_day: str, *, told: bool) -> str:
    """How a line of ours says when: "2019-03, in the note of 2021-01-05"."""
    if told:
        return f"told in {f'the note of {note_day}' if note_day else 'an undated note'}"
    if own and own != note_day:
        return f"{own}, in {f'the note of {note_day}' if note_day else 'an undated note'}"
    return note_day or "undated note"
