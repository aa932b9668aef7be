"""Whether one patient's notes speak of a finding: the sentences that do, or that none does.

Decides it by all of the finding's words in one sentence, whichever spelling: "Congestive heart failure" is not said of
a heart attack. Every passage of the patient was read before anything is called not stated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.answering.questions.asked.shape import TESTS
from pipeline.answering.questions.plan import AnswerShape, QuestionPlan, ThingKind
from pipeline.answering.shapes.kind_of_mention import is_of_kind, is_only_looked_for, title_of
from pipeline.answering.shapes.lists.section_list import SECTIONS
from pipeline.answering.shapes.patient_notes import PatientNote, PatientNotes, ReadPassage, patient_notes
from pipeline.answering.shapes.reply import NOT_STATED, PlannedQuestion, Quotation, Reply
from pipeline.text.answerability.asked_words import AskedWords
from pipeline.text.sentences import passage_sentences
from pipeline.text.structure.assertion import AssertionKind, NoteAssertions
from pipeline.text.structure.line_above import with_line_above
from pipeline.text.structure.sections import section_at
from pipeline.text.terms.finding import Finding, Mention

SENTENCES_MAX = 3
SENTENCES_BEFORE = 3
"""How far above a finding the test that showed it is named."""
_ON_A_TEST = re.compile(
    rf"\s+(?:on|in|by|at|from|per)\s+(?:(?:the|an?|§'s|this|that|last|latest|recent|repeat|initial)\s+)*"
    rf"(?P<test>(?:[\w-]+\s+){{0,2}}?{TESTS})$",
    re.IGNORECASE,
)
_NONE = re.compile(
    r"\s*(?:[-*•]\s*)?(?P<said>(?:no(?: known| active| current| drug| food| medication)*"
    r" (?:allerg(?:y|ies)|medications?|medicines?)|none(?: known)?|nkd?a)\b\.?)\s*\Z",
    re.IGNORECASE,
)
"""All that a section says, where it says that there is nothing."""
_K = AssertionKind
_OF_THE_PATIENT = (_K.PRESENT, _K.ABSENT, _K.HISTORICAL, _K.POSSIBLE)
"""In the order in which they answer "does she have it?"; of one kind the newest note first. What may come is none."""


ENDED = TOLD_OF_BEFORE = -1
"""Rank before all others."""
_ASKS_BEFORE = re.compile(r"\b(?:before|previously|in the past)\s*[?.!]*\s*$", re.IGNORECASE)
_OF_BEFORE = re.compile(
    r"\b(?:before|previous(?:ly)?|prior|in the past|personal history|ago|history of|first time)\b",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"\b(?:held|hold(?:ing)?|stop(?:ped|ping)?|discontinu\w+|d/c['’]?d|taken off)\b", re.IGNORECASE
)


class Stated:
    """Implements shapes.reply.ShapeAnswerer for yes-or-no questions about a finding or a drug. Where no note has it in
    its own words, others say what may be meant by it, or that it is not stated."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return (
            plan.shape is AnswerShape.YES_NO
            and len(patients) == 1
            and plan.finding is not None
            and not (plan.rest or plan.negated)
            and ThingKind.FAMILY not in plan.kinds
            and not (plan.time.relative or plan.time.stay or plan.time.order)
        )

    def reply(self, asked: PlannedQuestion) -> Reply | None:
        words, test = _without_test(asked.plan.finding or "")
        finding = Finding(words)
        if not finding.keys:
            return None
        read = patient_notes(asked)
        before = _ASKS_BEFORE.search(asked.plan.text) is not None
        mentions = list(_mentions(read, finding, asked.plan.kind, test, asks_before=before))
        found = sorted(
            ((rank, line) for rank, line in mentions if rank is not None), key=lambda each: each[0]
        )
        if found:
            return Reply(_shown(found))
        if test is not None or not (read.complete and read.notes):
            return None
        if lines := tuple(_none_at_all(read.newest, asked.plan.kind)):
            return Reply(lines)
        if mentions or _is_of_the_other_side(read, finding):
            return NOT_STATED  # of a relative, or of the other side alone
        return None


def _shown(found: Sequence[tuple[tuple[int, int], Quotation]]) -> tuple[Quotation, ...]:
    """The best sentences, and what the newest note says: older ones do not hide that it denies it."""
    shown = list(found[:SENTENCES_MAX])
    newest = min(found, key=lambda each: each[0][1])
    if newest[0][1] < min(age for (_, age), _ in shown):
        shown = [newest, *shown[: SENTENCES_MAX - 1]]
    return tuple(quotation for _, quotation in shown)


def _none_at_all(notes: Sequence[PatientNote], kind: ThingKind | None) -> Iterator[Quotation]:
    """Where the section of a kind says that there are none: "No Known Allergies." answers for each."""
    if kind not in (ThingKind.ALLERGY, ThingKind.MEDICATION):
        return
    for passage, section in (each for note in notes for each in note.of_kinds(SECTIONS[kind])):
        said = _NONE.match(passage.hit.text, section.text_start, section.end)
        if said is not None:
            yield Quotation(passage.hit, *said.span("said"))


def _is_of_the_other_side(read: PatientNotes, finding: Finding) -> bool:
    """Whether what is asked of one side is said, and never of that side."""
    without = finding.without_side
    return without is not None and any(
        True for note in read.notes for passage in note.passages for _ in without.mentions(passage.hit.text)
    )


def _without_test(finding: str) -> tuple[str, AskedWords | None]:
    """A finding without the test that is to have shown it, and the test: "a fracture on the films"."""
    shown = _ON_A_TEST.search(finding)
    if shown is None:
        return finding, None
    return finding[: shown.start()], AskedWords(shown["test"])


def _is_told_of(test: AskedWords, passage: ReadPassage, start: int, end: int) -> bool:
    """Whether a sentence is about the test: it, its headings or one of those just before it in its section say so."""
    text, section = passage.hit.text, section_at(passage.sections, start)
    begins = section.text_start if section else 0
    before = [each for each in passage_sentences(text) if begins <= each[0] < start][-SENTENCES_BEFORE:]
    titles = " ".join(filter(None, (section.title, section.part_of))) if section else ""
    from_ = before[0][0] if before else start
    return len(test.held(text, from_, end)) == len(test.terms) or len(test.held(titles)) == len(test.terms)


def _is_ended(passage: ReadPassage, mention: Mention) -> bool:
    """Whether its sentence says that a drug was stopped: who is asked whether it is taken must see that first."""
    return _ENDS.search(passage.hit.text, mention.sentence_start, mention.sentence_end) is not None


def _tells_before(passage: ReadPassage, mention: Mention) -> bool:
    """Whether its sentence says what was, or was not, before."""
    return _OF_BEFORE.search(passage.hit.text, mention.sentence_start, mention.sentence_end) is not None


def _mentions(
    read: PatientNotes,
    finding: Finding,
    kind: ThingKind | None,
    test: AskedWords | None,
    *,
    asks_before: bool = False,
) -> Iterator[tuple[tuple[int, int] | None, Quotation]]:
    """Each with how it ranks; None for what is said of someone else."""
    for age, note in enumerate(read.notes):
        for passage in note.passages:
            assertions: NoteAssertions | None = None
            for mention in finding.mentions(passage.hit.text, title_of(passage.hit) or ""):
                if not is_of_kind(passage.hit.text, mention, passage.sections, kind):
                    continue
                if test and not _is_told_of(test, passage, mention.sentence_start, mention.sentence_end):
                    continue
                assertions = assertions or NoteAssertions(passage.hit.text, passage.sections)
                said = assertions.of(mention.start, mention.end).kind
                counts = said in _OF_THE_PATIENT and not is_only_looked_for(
                    said, passage.sections, mention.start
                )
                rank = (_OF_THE_PATIENT.index(said), age) if counts else None
                if kind is ThingKind.MEDICATION and said is _K.HISTORICAL and _is_ended(passage, mention):
                    rank = (ENDED, age)
                if rank is not None and asks_before and _tells_before(passage, mention):
                    rank = (TOLD_OF_BEFORE, age)
                place = with_line_above(passage.hit.text, mention.sentence_start, mention.sentence_end)
                yield rank, Quotation(passage.hit, *place)
