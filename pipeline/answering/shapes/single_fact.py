"""One fact of one patient, or yes or no, where no other shape has it: the sentence that holds what is asked, or none.

Decides that a sentence answers only if it, with its headings, holds what the question is about and has a value of the
kind asked for. Where none does, nothing is stated, and what comes near is shown as that, or as what may say it in other
words. Where a day is asked about, only what was written on it, or says it, answers. Refuses to infer: what two
sentences say together it cannot say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from pipeline.answering.questions.asked.examination import examination_in
from pipeline.answering.questions.asked.section import asked_section
from pipeline.answering.questions.asked.value import WITH_ITS_DOSE, asked_value
from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.answering_sentences import (
    AnsweringSentence,
    AskedFact,
    ReadSentences,
    read_apart,
    read_for,
    read_in,
)
from pipeline.answering.shapes.other_words import may_be_called
from pipeline.answering.shapes.patient_notes import patient_notes
from pipeline.answering.shapes.reply import NOT_STATED, Lead, PlannedQuestion, Quotation, Reply
from pipeline.text.answerability.asked_words import AskedWords
from pipeline.text.answerability.values import ValueKind, find_value
from pipeline.text.structure.line_above import with_line_above

SENTENCES_MAX = 3
NEAR_MAX = 2
NEAR = "Not stated in the notes. What comes near:"
UNSURE = "No sentence says this in so many words. What comes nearest:"
"""Of what may be said in other words: that it is not stated would be a claim."""
LIKENED_MAX = 16
"""Sentences that answer by their words, of which the likeness to the question is asked."""
LIKENESS_WEIGHT = 0.6
MARGIN = 0.2
"""A further sentence this much worse than the best is no answer next to it."""
_CHANGING = frozenset([ValueKind.DOSE, ValueKind.MEASUREMENT, ValueKind.SIZE])
"""Values of which the newest is what is so now."""
_IS_SO = re.compile(
    r"(?!.*\b(?:was|were|did|had|been|ever|first|initial\w*|previous\w*)\b).*\b(?:is|are|does|do|['’]s)\b",
    re.IGNORECASE,
)
_TWO_QUESTIONS = re.compile(
    r"\band (?:how|what|when|why|where|who|which|is|are|was|were|does|did|do|has|have|should)\b",
    re.IGNORECASE,
)
"""One fact answers half of such a question."""
_TELL = re.compile(r"\s*(?:please\s+)?(?:tell|write|explain|describe|draft)\b(?!.*\?\s*$)", re.IGNORECASE)
"""Asks for a text, and for no fact."""
_SHAPES = (AnswerShape.FACT, AnswerShape.YES_NO, AnswerShape.LIST)


class SingleFact:
    """Implements shapes.reply.ShapeAnswerer for what the others leave."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        known = plan.shape in _SHAPES or (plan.shape is None and _TELL.match(plan.text) is None)
        single = _TWO_QUESTIONS.search(WITH_ITS_DOSE.sub("", plan.text)) is None
        counted = plan.shape is AnswerShape.COUNT and plan.kind is not ThingKind.WHOLE_VISIT
        return len(patients) == 1 and (known or counted) and single and plan.time.order != "first"

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        value = asked_value(asked.plan)
        fact = AskedFact(asked.plan, value, AskedWords(value.words))
        if not (fact.words.terms or value.of_the_patient):
            return None
        read = _read_within_examination(fact, asked) or read_for(fact, asked)
        if read.answering:
            of_now = value.of_the_patient or (
                value.kind in _CHANGING and _IS_SO.match(asked.plan.text) is not None
            )
            best = _best(read.answering, asked, of_now=of_now)
            several = len({_day(each) for each in best}) > 1
            of_illness = value.kind is ValueKind.REASON
            lines = (_quotation(each, dated=several, of_illness=of_illness) for each in best)
            return Reply(tuple(lines), selected=True)
        if read.is_of_other_side_alone:
            return NOT_STATED
        untold = asked.plan.shape is None and value.kind is None and not read.is_only_ordered
        if untold and not read.asks_of_a_side:
            named = asked_section(asked.plan)
            if named is None or not named.is_fact:
                return None
        if asked.plan.finding and _is_said_otherwise(asked.plan.finding, read):
            return None
        near = (read.near or read_apart(read).near)[:NEAR_MAX]
        lead = Lead(UNSURE if read.near and _may_say_it(near[0], value.kind) else NEAR)
        return replace(NOT_STATED, lines=(lead, *map(_quotation, near))) if near else NOT_STATED


def _read_within_examination(fact: AskedFact, asked: PlannedQuestion) -> ReadSentences | None:
    """The notes of the examination or operation that is named beside what is asked, where they answer the rest: a
    report need not say in each sentence what it is of."""
    named, words = examination_in(fact.value.words)
    rest = AskedWords(words)
    if not (named and rest.terms):
        return None
    about = AskedWords(named)
    notes = patient_notes(asked).of(about)
    if not notes:
        return None
    read = read_in(replace(fact, words=rest), [each.hit for note in notes for each in note.passages])
    return read if read.answering else None


def _may_say_it(near: AnsweringSentence, kind: ValueKind | None) -> bool:
    """Whether a sentence that does not answer by its words may do so for a reader: of a value it has one."""
    text = near.hit.text
    return kind is None or find_value(kind, text, near.start, near.end) is not None


def _is_said_otherwise(finding: str, read: ReadSentences) -> bool:
    """Whether a passage that has no word of it may say it in others."""
    if any(term.pattern is not None for term in read.fact.words.terms):
        return False  # other words were looked for
    otherwise = may_be_called(finding)
    return any(otherwise.search(hit.text) and not read.fact.words.held(hit.text) for hit in read.hits)


def _best(
    found: Sequence[AnsweringSentence], asked: PlannedQuestion, *, of_now: bool
) -> list[AnsweringSentence]:
    """The best few; where several answer, also by their likeness to the question."""
    if asked.plan.time.order == "latest" or of_now:
        newest = max(each.hit.date or "" for each in found)
        found = [each for each in found if (each.hit.date or "") == newest]
    ranked = sorted(found, key=lambda each: -each.score)[:LIKENED_MAX]
    if len(ranked) > 1:
        likeness = asked.likeness([each.text for each in ranked])
        ranked = [
            replace(each, score=each.score + LIKENESS_WEIGHT * like)
            for each, like in zip(ranked, likeness, strict=True)
        ]
        ranked.sort(key=lambda each: -each.score)
    return [each for each in ranked if each.score >= ranked[0].score - MARGIN][:SENTENCES_MAX]


def _day(sentence: AnsweringSentence) -> str:
    return f"note of {sentence.hit.date[:10]}" if sentence.hit.date else "undated note"


def _quotation(sentence: AnsweringSentence, *, dated: bool = False, of_illness: bool = False) -> Quotation:
    """`of_illness`: with the headline of an assessment that it stands under, which is why."""
    span = with_line_above(sentence.hit.text, sentence.start, sentence.end)
    illness = sentence.illness.strip(" .:\n") if of_illness else ""
    return Quotation(sentence.hit, *span, dated=_day(sentence) if dated else "", under=illness)
