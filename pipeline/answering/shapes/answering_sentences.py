"""Which sentences of a patient's notes hold what is asked, and have a value of the kind asked for.

Decides it sentence by sentence, under its headings, for all of a patient's passages, or those that the search by words
ranks first where there are more. Not what is said of a relative or of the other side, and not what was written on
another day than the one asked about. Refuses to know how many are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from pipeline.answering.questions.asked.shape import TESTS
from pipeline.answering.questions.asked.value import AskedValue
from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.in_time.dated_statements import COMING
from pipeline.answering.shapes.kind_of_mention import is_of_kind, is_only_looked_for, title_of
from pipeline.answering.shapes.lists.section_list import ASSESSED, SECTIONS, ends_problem, is_problem
from pipeline.answering.shapes.reply import PlannedQuestion
from pipeline.call_context import cancellation
from pipeline.records import Hit
from pipeline.text.answerability.asked_words import AskedWords, may_answer, share_held
from pipeline.text.answerability.sides import is_of_other_side
from pipeline.text.answerability.values import WHY_ANOTHER, ValueKind, find_value
from pipeline.text.periods import Period
from pipeline.text.sentences import is_heading, passage_sentences
from pipeline.text.statements.figures import dates_in
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions
from pipeline.text.structure.sections import Section, section_at, sections_of
from pipeline.text.terms.finding import Mention
from pipeline.text.terms.longer_terms import is_part_of_another
from pipeline.text.terms.noun_phrase import is_one_term
from pipeline.text.vocabulary import RELATIVES

ALL_MAX = 120
"""Passages of one patient that are all read."""
FOUND_MAX = 60
"""Of a patient with more: those that the search by words ranks first."""
READ_MAX = 400
"""Of a patient with more, where no word must stand in what answers."""
NEAR_SHARE_MIN = 0.3
PLANNED_WEIGHT = 0.3
STILL_WEIGHT = 0.3
_STILL = re.compile(r"\b(?:still|any ?more|(?:come|came|coming) back|again|resolved|gone)\b", re.IGNORECASE)
_IS_STILL = re.compile(
    r"\b(?:resolved|no longer|not any ?more|still|persist\w*|continu\w+|gone|subsided|recur\w*|remain\w*|ongoing"
    r"|went away|retired|stopped|discontinued|held)\b",
    re.IGNORECASE,
)
_PLANNED_IN = SECTIONS[ThingKind.PLAN] | ASSESSED
VALUE_WEIGHT, ADJACENT_WEIGHT, NUMBER_WEIGHT = 0.3, 0.15, 0.1
MEASURED_WEIGHT = 0.35
"""Of a number where one was measured: "PSA 4.1" goes before "PSA was elevated"."""
NEARER = 0.05
ADJACENT = 40
"""Characters between what is asked about and its value."""
_WHY = re.compile(r"\bwhy\b", re.IGNORECASE)
_PARTS = re.compile(r"[,;:.!?/]|\b(?:and|or|but|with|while|although|who|which)\b", re.IGNORECASE)
"""What parts two things that a sentence sets side by side."""
_ASKS_A_RESULT = re.compile(
    r"\b(?:show|showed|shown|reveal|revealed|demonstrated?|find|found|findings?|results?|said|say|impression)\b",
    re.IGNORECASE,
)
_WILL_BE_SEEN = re.compile(
    r"\bfor (?:an?|her|his|the)?\s*(?:repeat|follow-?up)\s+\w|\b(?:will|we'll|to) (?:return|come back)\b"
    r"|\b(?:obtain|order|send|schedule)\s|\b(?:role of|forego\w*|defer\w*|declin\w+|options? (?:of|include))\b",
    re.IGNORECASE,
)
_TEST = re.compile(TESTS, re.IGNORECASE)
_TELLS_A_RESULT = re.compile(
    r"\b(?:show\w*|demonstrat\w+|reveal\w*|found|finding\w*|normal|abnormal|negative|positive|consistent|evidence"
    r"|unremarkable|unchanged|stable|no|within|without(?! contrast))\b|\d\s?(?:%|cm|mm|mg/dl)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\W_]+")
_LABEL = re.compile(r"[^:]{2,40}:\s")
_SCORED = re.compile(r"\b\d{1,2}(?:\.\d)?(?:\s?(?:-|to)\s?\d{1,2})? ?(?:/|out of) ?10\b", re.IGNORECASE)
"""How bad a thing is that is there, whatever else is denied: "9/10 when he takes nothing"."""
_OF_WHAT_IS = frozenset(
    [ValueKind.TIME, ValueKind.DURATION, ValueKind.SIZE, ValueKind.SEVERITY, ValueKind.SIDE, ValueKind.DOSE]
)
"""What has one of these is there: what is denied has none."""
_POINTS_BACK = re.compile(
    r"\W*(?:it|this|these|they|both)\b|[^.]{0,40}\bthe (?:full|current|same|starting|lower|higher|maximum) dose\b",
    re.IGNORECASE,
)
"""How a sentence begins that says something of the thing before."""


@dataclass(frozen=True, slots=True)
class AskedFact:
    plan: QuestionPlan
    value: AskedValue
    words: AskedWords

    @property
    def of_a_relative(self) -> bool:
        return ThingKind.FAMILY in self.plan.kinds or any(term.key in RELATIVES for term in self.words.terms)


@dataclass(frozen=True, slots=True)
class AnsweringSentence:
    """A sentence, and how well it answers by its words."""

    hit: Hit
    start: int
    end: int
    score: float
    illness: str = ""
    """The headline of an assessment that it stands under."""

    @property
    def text(self) -> str:
        return " ".join(self.hit.text[self.start : self.end].split())


@dataclass(frozen=True, slots=True)
class _ReadSentence:
    hit: Hit
    start: int
    end: int
    places: dict[str, tuple[int, int]]
    """Of the terms that stand in it."""
    titled: frozenset[str]
    """Terms of its headings."""
    before: frozenset[str]
    passage: frozenset[str]
    section: Section | None
    illness: str = ""

    @property
    def here(self) -> frozenset[str]:
        return self.titled.union(self.places)


@dataclass(frozen=True)
class ReadSentences:
    """What was read for one question."""

    fact: AskedFact
    sentences: Sequence[_ReadSentence]
    hits: Sequence[Hit]

    @cached_property
    def weights(self) -> dict[str, float]:
        return self.fact.words.weights([each.here for each in self.sentences])

    @cached_property
    def answering(self) -> list[AnsweringSentence]:
        """Those that answer, the newest first."""
        scored = ((each, self._score(each)) for each in self.sentences)
        found = [
            (each, AnsweringSentence(each.hit, each.start, each.end, score, each.illness))
            for each, score in scored
            if score is not None and self._is_what_is_asked(each)
        ]
        if not self._asks_a_result:
            return [answer for _, answer in found]
        results = [answer for each, answer in found if not self._is_to_come(each)]
        best = max((answer.score for answer in results), default=0.0)
        # Where what is ordered holds more of what is asked, the rest is another test's.
        of_another = any(answer.score > best + NEARER for each, answer in found if self._is_to_come(each))
        return [] if of_another else results

    @property
    def is_only_ordered(self) -> bool:
        """Whether the result of a test is asked for, and all that is said of the test is that it is to come."""
        return self._asks_a_result and any(
            self._score(each) is not None and self._is_to_come(each) for each in self.sentences
        )

    def _score(self, sentence: _ReadSentence) -> float | None:
        """How well it answers by its words; None where it does not."""
        kind = self.fact.value.kind
        planned = PLANNED_WEIGHT * (self._asks_a_plan and _is_planned(sentence))
        share = 1.0
        if self.weights:
            leans = kind is not None and not self.fact.of_a_relative
            before = sentence.before if leans else ()
            share = share_held(self.weights, sentence.here, before, sentence.passage)
        if not may_answer(share) or self._is_of_other_side(sentence) or not self._is_in_time(sentence):
            return None
        if kind is None:
            return share + planned + self._tells_whether_still(sentence) if sentence.places else None
        places = sentence.places.values()
        value = find_value(
            kind, sentence.hit.text, sentence.start, sentence.end, places, self.fact.value.unit
        )
        if value is None:
            dated = kind is ValueKind.TIME and sentence.hit.date and self.fact.plan.time.order == "latest"
            soft = kind is ValueKind.FREQUENCY or (kind is ValueKind.REASON and self._asks_why)
            return share if (soft or dated) and sentence.places else None
        start, end = value
        near = any(min(abs(start - b), abs(a - end)) <= ADJACENT for a, b in places)
        number = any(map(str.isdigit, sentence.hit.text[start:end]))
        weight = MEASURED_WEIGHT if kind is ValueKind.MEASUREMENT else NUMBER_WEIGHT
        return share + planned + VALUE_WEIGHT + ADJACENT_WEIGHT * near + weight * number

    def _is_what_is_asked(self, sentence: _ReadSentence) -> bool:
        return (
            self._is_of_kind(sentence)
            and self._is_of_the_patient(sentence)
            and self._stands_together(sentence)
            and not self._is_bare_headline(sentence)
        )

    @cached_property
    def _asks_a_result(self) -> bool:
        """ "What did the echocardiogram show?": what is ordered has no result."""
        kinds = (ThingKind.IMAGING, ThingKind.LABORATORY, ThingKind.PROCEDURE, ThingKind.EXAMINATION)
        return _ASKS_A_RESULT.search(self.fact.plan.text) is not None and not set(kinds).isdisjoint(
            self.fact.plan.kinds
        )

    def _tells_whether_still(self, sentence: _ReadSentence) -> float:
        """More, where it is asked whether a thing is still so, for what says that it is or is no more."""
        asked = self.fact.plan.shape is AnswerShape.YES_NO and _STILL.search(self.fact.plan.text)
        return (
            STILL_WEIGHT
            if asked and _IS_STILL.search(sentence.hit.text, sentence.start, sentence.end)
            else 0.0
        )

    @cached_property
    def _asks_why(self) -> bool:
        """In which case the sentence of the thing may tell it in its own way; a cause that is asked for by name is
        called one."""
        return _WHY.search(self.fact.plan.text) is not None

    @cached_property
    def asks_of_a_side(self) -> bool:
        return not {"left", "right"}.isdisjoint(self.weights)

    @cached_property
    def _asks_a_plan(self) -> bool:
        return ThingKind.PLAN in self.fact.plan.kinds

    def _is_to_come(self, sentence: _ReadSentence) -> bool:
        """Whether the sentence, or each part of it that names the test asked about, says only that it is ordered."""
        text, start, end = sentence.hit.text, sentence.start, sentence.end
        if _is_coming(text, start, end):
            return True
        parts = [
            _part_around(text, start, end, place)
            for term in self.fact.words.terms
            if term.key in sentence.places and _TEST.fullmatch(text[slice(*sentence.places[term.key])])
            for place in term.places(text, start, end)
        ]
        return bool(parts) and all(_is_coming(text, *part) for part in parts)

    def _is_bare_headline(self, sentence: _ReadSentence) -> bool:
        """Whether it is the name of an illness alone, which says that it is there and nothing of it."""
        if self.fact.plan.shape is AnswerShape.YES_NO or self.fact.value.kind not in (None, ValueKind.REASON):
            return False
        if self.fact.plan.kind is ThingKind.PLAN and is_problem(
            sentence.hit.text, sentence.start, sentence.end
        ):
            return True
        words = _WORD.sub(" ", sentence.hit.text[sentence.start : sentence.end])
        left = sum(end - start for start, end in sentence.places.values())
        return len(words.replace(" ", "")) <= left

    def _is_of_kind(self, sentence: _ReadSentence) -> bool:
        """Not a drug of the list of medications, where an allergy is asked about."""
        place = min(sentence.places.values(), default=(sentence.start, sentence.start))
        mention = Mention(*place, sentence.start, sentence.end)
        sections = (sentence.section,) if sentence.section else ()
        return is_of_kind(sentence.hit.text, mention, sections, self.fact.plan.kind)

    def _stands_together(self, sentence: _ReadSentence) -> bool:
        """Whether the words of a finding that is asked about are those of one term, as `Finding` has it."""
        plan, text = self.fact.plan, sentence.hit.text
        if plan.shape is not AnswerShape.YES_NO or plan.finding is None or plan.rest:
            return True
        places = sorted(sentence.places.values())
        label = _LABEL.match(text, sentence.start, sentence.end)
        said_from = label.end() if label else sentence.start
        together = (
            is_one_term(text, one, other) or _PARTS.search(text, max(one[1], said_from), other[0]) is None
            for one, other in pairwise(places)
        )
        return all(together) and not any(is_part_of_another(text, *place, plan.finding) for place in places)

    def _is_of_other_side(self, sentence: _ReadSentence) -> bool:
        sides = {side for side in self.weights if side not in sentence.titled}
        places = [place for key, place in sentence.places.items() if key not in ("left", "right")]
        return is_of_other_side(sides, sentence.hit.text, sentence.start, sentence.end, places)

    @property
    def is_of_other_side_alone(self) -> bool:
        """Whether what is asked of one side is said of the other one, and of this one nowhere."""
        return not self.answering and any(
            self._is_of_other_side(each)
            and may_answer(share_held(self.weights, {*each.here, *("left", "right")} & self.weights.keys()))
            for each in self.sentences
        )

    def _is_in_time(self, sentence: _ReadSentence) -> bool:
        """Whether it was written on the day asked about, or says that day."""
        time = self.fact.plan.time
        if time.since is None and time.until is None:
            return True
        period = Period.of(time.since, time.until)
        if sentence.hit.date is not None and period.admits(sentence.hit.date):
            return True
        precise = len(time.since or time.until or "")
        text = sentence.hit.text
        told = text if sentence.hit.date is None else text[sentence.start : sentence.end]
        return any(len(day) >= precise and period.admits(day) for day in dates_in(told))

    def _is_of_the_patient(self, sentence: _ReadSentence) -> bool:
        """Or of a relative, where one is asked about; and not as what may come, where it is asked whether it is."""
        if self.fact.of_a_relative:
            return True
        text, kind = sentence.hit.text, self.fact.value.kind
        place = max(sentence.places.values(), default=None)
        if place is None and kind is not None:
            place = find_value(kind, text, sentence.start, sentence.end)
        sections = (sentence.section,) if sentence.section else ()
        start, end = place or (sentence.start, sentence.end)
        said = NoteAssertions(text, sections).of(start, end).kind
        asks_whether = self.fact.plan.shape is AnswerShape.YES_NO and self.fact.plan.finding is not None
        looked_for = said is AssertionKind.PLANNED or is_only_looked_for(said, sections, start)
        denied = said is AssertionKind.ABSENT and not _SCORED.search(text, sentence.start, sentence.end)
        never = (asks_whether and looked_for) or (kind in _OF_WHAT_IS and denied)
        return said is not AssertionKind.FAMILY and not never

    def _is_near(self, sentence: _ReadSentence) -> bool:
        return (
            bool(sentence.places)
            and not self._is_of_other_side(sentence)
            and self._is_of_kind(sentence)
            and self._is_of_the_patient(sentence)
        )

    @property
    def near(self) -> list[AnsweringSentence]:
        """What comes near, best first: a part of what is asked, said of the patient, and in no sentence before it."""
        shares = ((each, share_held(self.weights, each.places)) for each in self.sentences)
        near = [
            AnsweringSentence(each.hit, each.start, each.end, share)
            for each, share in shares
            if share >= NEAR_SHARE_MIN and self._is_near(each)
        ]
        shown: list[AnsweringSentence] = []
        said: list[str] = []
        for each in sorted(near, key=lambda each: -each.score):
            text = each.hit.text[each.start : each.end].strip(" .").casefold()
            if not any(text in before for before in said):
                shown.append(each)
                said.append(text)
        return shown


def _is_planned(sentence: _ReadSentence) -> bool:
    return sentence.section is not None and not _PLANNED_IN.isdisjoint(sentence.section.kinds)


def _is_coming(text: str, start: int, end: int) -> bool:
    coming = COMING.search(text, start, end) or _WILL_BE_SEEN.search(text, start, end)
    return coming is not None and _TELLS_A_RESULT.search(text, start, end) is None


def _part_around(text: str, start: int, end: int, place: tuple[int, int]) -> tuple[int, int]:
    """The part of a sentence that a word stands in, between two commas or joining words."""
    before = [each.end() for each in _PARTS.finditer(text, start, place[0])]
    after = _PARTS.search(text, place[1], end)
    return (before[-1] if before else start), (after.start() if after else end)


def read_for(fact: AskedFact, asked: PlannedQuestion) -> ReadSentences:
    """Reads the patient's passages for one question."""
    return read_in(fact, _hits(fact, asked))


def read_apart(read: ReadSentences) -> ReadSentences:
    """The same passages read for each word of a term: for what comes near it."""
    return read_in(replace(read.fact, words=read.fact.words.apart), read.hits)


def read_in(fact: AskedFact, hits: Sequence[Hit]) -> ReadSentences:
    """Reads these passages for one question."""
    sentences: list[_ReadSentence] = []
    for hit in hits:
        cancellation.check()
        if fact.value.of_the_patient or fact.words.held(hit.text):
            sentences += _read(hit, fact)
    return ReadSentences(fact, sentences, hits)


def _read(hit: Hit, fact: AskedFact) -> Iterator[_ReadSentence]:
    text, words = hit.text, fact.words
    sections = sections_of(text, within=title_of(hit))
    passage = frozenset(words.held(text))
    before: tuple[Section | None, frozenset[str]] = (None, frozenset())
    before_start = 0
    illness = ""
    for start, end in passage_sentences(text):
        if is_heading(text[start:end]):
            illness = ""
            continue
        section = section_at(sections, start)
        if before[0] is not section or ends_problem(text, start, end):
            illness = ""
        titles = " ".join(filter(None, (section.title, section.part_of, illness))) if section else ""
        places = words.held(text, start, end)
        said = before[1] if before[0] is section else frozenset[str]()
        begins = start
        if said and (
            _has_its_value(text, before_start, start, end, fact.value.kind)
            or (fact.value.kind is ValueKind.REPLACEMENT and _replaces(text, before_start, start, end, words))
        ):
            begins, places = before_start, words.held(text, before_start, end)
        yield _ReadSentence(
            hit, begins, end, places, frozenset(words.held(titles)), said, passage, section, illness
        )
        if section and not ASSESSED.isdisjoint(section.kinds) and is_problem(text, start, end):
            illness = text[start:end]
        before, before_start = (section, frozenset(places)), start


def _has_its_value(text: str, before: int, start: int, end: int, kind: ValueKind | None) -> bool:
    """Whether the sentence at `start` says of the one at `before` what is asked: "A wound. It is 2 cm wide."."""
    return (
        (kind in _OF_WHAT_IS or kind is ValueKind.REASON)
        and _POINTS_BACK.match(text, start, end) is not None
        and find_value(kind, text, start, end) is not None
        and find_value(kind, text, before, start) is None
    )


def _replaces(text: str, before: int, start: int, end: int, words: AskedWords) -> bool:
    """Whether the sentence at `start` says what is given in the place of what the one at `before` ends."""
    kind, asked = ValueKind.REPLACEMENT, words.held(text, before, start).values()
    return (
        WHY_ANOTHER.search(text, before, start) is not None
        and find_value(kind, text, before, start, asked) is None
        and find_value(kind, text, start, end, words.held(text, start, end).values()) is not None
    )


def _hits(fact: AskedFact, asked: PlannedQuestion) -> list[Hit]:
    """Newest first."""
    if asked.store.space() is None:
        return []
    filters = asked.question.filters
    found = asked.store.search_vector(asked.vector, ALL_MAX + 1, filters)
    if len(found) > ALL_MAX:
        time = fact.plan.time
        dated = replace(filters, since=time.since or filters.since, until=time.until or filters.until)
        words = fact.words.spellings
        found = [
            match
            for each in dict.fromkeys((dated, filters))
            for match in (
                asked.store.search_words(words, FOUND_MAX, each)
                if words
                else asked.store.search_vector(asked.vector, READ_MAX, each)
            )
        ]
    ids = dict.fromkeys(match.chunk_id for match in found)
    hits = [
        hit
        for hit in asked.store.hits(list(ids), asked.vector)
        if filters.scope.admits(hit.domain, hit.patient_id)
    ]
    hits.sort(key=lambda hit: (hit.resource_id, hit.start))
    return sorted(hits, key=lambda hit: hit.date or "", reverse=True)
