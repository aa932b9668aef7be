"""Answers questions whose shape is known by the answerer of that shape, and all others by the one inside.

Decides which answerer takes a question, and that what one of them finds goes through the same verification as a model's
draft: a quotation stands in its passage, and its passage in the note, to the letter. Whom a question means is
`patient_meant`'s: where that is not sure, the one inside says so. Knows no shape by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TypeAlias

from pipeline.answering.flow import NO_ANSWER, InnerAnswerer
from pipeline.answering.note_access import note_as_told
from pipeline.answering.notices import not_final, notices_of
from pipeline.answering.question_length import embed_question
from pipeline.answering.questions.patient_meant import PatientMeant
from pipeline.answering.questions.understood_question import UnderstoodQuestion
from pipeline.answering.shapes.reply import (
    Counted,
    Lead,
    PlannedQuestion,
    Quotation,
    Reply,
    ReplyLine,
    ShapeAnswerer,
)
from pipeline.answering.shapes.words_of_notes import read_as, respelled, words_of_notes
from pipeline.answering.stages import Stopwatch
from pipeline.answering.verification import CitationNumbers, StatementChecker, is_cut_from_its_line
from pipeline.call_context import cancellation
from pipeline.ports import Embedder, Store, similarity_scale
from pipeline.records import (
    Answer,
    AnswerEvent,
    Citation,
    Document,
    Finished,
    GeneratorModel,
    Question,
    Retrieved,
    SearchResult,
    Statement,
    Usage,
    Verified,
)
from pipeline.text.structure.list_items import without_mark

Wording: TypeAlias = Callable[[Quotation], str | None]
"""A sentence that may stand for a quotation; None where it is quoted."""


def as_quoted(_line: Quotation) -> str | None:
    """No line in other words than the note's."""
    return None


MODEL = GeneratorModel(provider="extractive", model="note-structure", thinks="never")
SELECTION = GeneratorModel(provider="extractive", model="sentence-selection", thinks="never")
"""What quotes sentences, whichever answerer asks for them."""
NOT_STATED = "Not stated in the notes."


@dataclass(frozen=True)
class ShapedAnswering:
    """Implements ports.Answerer, and flow.InnerAnswerer."""

    inside: InnerAnswerer
    store: Store
    embedder: Embedder
    shapes: Sequence[ShapeAnswerer]

    def search(self, question: Question) -> SearchResult:
        return self.inside.search(question)

    def stream(
        self, question: Question, understood: UnderstoodQuestion | None = None, watch: Stopwatch | None = None
    ) -> Iterator[AnswerEvent]:
        watch = watch or Stopwatch()
        understood = understood or UnderstoodQuestion.of(question, self.store)
        answer = self._shaped(understood, watch)
        if answer is None:
            yield from self.inside.stream(question, understood, watch)
            return
        yield Retrieved(answer.passages)
        for statement in answer.statements:
            yield Verified(statement)
        yield Finished(answer)

    def _shaped(self, understood: UnderstoodQuestion, watch: Stopwatch) -> Answer | None:
        reply = self.reply_to(understood, watch)
        return None if reply is None else self.answer_of(understood.meant.question, reply, watch)

    def reply_to(self, understood: UnderstoodQuestion, watch: Stopwatch) -> Reply | None:
        """What the question's shape finds before that is checked; None where no shape takes it, it is not known whom
        the question means, or nothing was looked at."""
        if not is_known_whom(understood.meant):
            return None
        asked = self._planned(understood)
        reply = self._first_reply(asked, watch)
        if (reply is None or reply.missing) and len(asked.question.filters.patient_ids) == 1:
            reply = self._reply_in_words_of_notes(understood, asked, watch) or reply
        if reply is None or not (reply.quotations or self.store.count_notes(asked.question.filters, most=1)):
            return None  # where nothing was looked at, the one inside says why
        return reply

    def _planned(self, understood: UnderstoodQuestion) -> PlannedQuestion:
        meant, plan = understood.meant, understood.plan
        embed = partial(embed_question, plan.text.strip(), self.embedder)
        likeness = partial(self._likeness, meant.topic)
        return PlannedQuestion(meant.question, plan, embed, self.store, likeness)

    def _first_reply(self, asked: PlannedQuestion, watch: Stopwatch) -> Reply | None:
        for shape in self.shapes:
            if shape.takes(asked.plan, asked.question.filters.patient_ids):
                cancellation.check()
                with watch.stage("search"):
                    reply = shape.reply(asked)
                if reply is not None:
                    return reply
        return None

    def _reply_in_words_of_notes(
        self, understood: UnderstoodQuestion, asked: PlannedQuestion, watch: Stopwatch
    ) -> Reply | None:
        """What the question finds with the notes' own words for those that they write otherwise; None where that is
        nothing."""
        words = words_of_notes(asked)
        if not words:
            return None
        question = replace(understood.question, text=respelled(understood.question.text, words))
        again = UnderstoodQuestion.of(question, self.store)
        if again.meant.question.filters.patient_ids != asked.question.filters.patient_ids:
            return None
        reply = self._first_reply(self._planned(again), watch)
        if reply is None or reply.missing:
            return None
        return replace(reply, lines=(*read_as(words), *reply.lines))

    def _likeness(self, topic: str, texts: Sequence[str]) -> list[float]:
        asked = self.embedder.embed([topic], "query")[0]
        scale = similarity_scale(self.embedder)
        return [scale.usual(float(each)) for each in self.embedder.embed(texts, "passage") @ asked]

    def answer_of(
        self, question: Question, reply: Reply, watch: Stopwatch, wording: Wording = as_quoted
    ) -> Answer | None:
        """What passes of a reply; None where nothing does. `question`: limited to whom it means. `wording`: sentences
        that may stand for lines, where they pass as well; they cite `reply.passages`."""
        passages = reply.passages
        told = {hit.resource_id: hit for hit in passages}
        scope = question.filters.scope

        @cache
        def original(resource_id: str) -> Document | None:
            return note_as_told(self.store, told[resource_id], scope)

        with watch.stage("verify"):
            checker = StatementChecker(passages, original, CitationNumbers())
            numbers = {hit.chunk_id: number for number, hit in enumerate(passages, start=1)}
            statements, withheld = _checked(reply, checker, numbers, wording)
        cited = [citation for statement in statements for citation in statement.citations]
        near = reply.missing is not None
        cut = not near and any(
            is_cut_from_its_line(line.hit, line.start, line.end, note)
            for quotation in reply.quotations
            for line in quotation.places
            if (note := original(line.hit.resource_id))
        )
        if reply.quotations and not (cited or cut or near):
            return None
        notes = [
            note
            for each in dict.fromkeys(citation.resource_id for citation in cited)
            if (note := original(each))
        ]
        notices = notices_of(question.filters, self.store, found=bool(passages))
        answered = bool(cited) and not near
        text = "\n".join(statement.text for statement in statements) if cited else NOT_STATED
        return Answer(
            question=question.text,
            outcome="answered" if answered else "no_answer" if cut and not cited else "nothing_relevant",
            text=NO_ANSWER if cut and not cited else text,
            statements=tuple(statements) if cited else (),
            citations=_once(cited),
            passages=passages,
            reason=None if answered else "nothing_verified" if cut and not cited else reply.missing,
            model=SELECTION if reply.selected else MODEL,
            prompt_version=None,
            space_id=self.embedder.space.id,
            usage=Usage(),
            seconds=watch.total(),
            withheld=withheld,
            notices=(*notices, *not_final(notes)),
            ending="complete" if answered or cut else "abstained",
        )


def is_known_whom(meant: PatientMeant) -> bool:
    """Whether it is known whom the question means. Whether a name without a patient is a person's, passages say."""
    named = any(written.sure and not written.is_id for written in meant.asked.written)
    return meant.reason is None and (bool(meant.question.filters.patient_ids) or not named)


def _checked(
    reply: Reply,
    checker: StatementChecker,
    numbers: dict[str, int],
    wording: Wording,
) -> tuple[list[Statement], int]:
    """The statements that pass, and how many do not. A lead with nothing under it is left out."""
    found: list[Statement] = []
    withheld = 0
    under: Statement | None = None
    for leads, quotations in _under_their_leads(reply.lines):
        passed = [
            each for line in quotations if (each := _statement(line, checker, numbers, wording)) is not None
        ]
        missing = len(quotations) - len(passed)
        withheld += missing
        shown = leads if passed else [lead for lead in leads if isinstance(lead, Lead) and lead.alone]
        said = [Statement(_said(lead, missing), ()) for lead in shown]
        found += [*(lead for lead in said if lead != under), *passed]
        under = said[-1] if said else under
    return found, withheld


def _under_their_leads(
    lines: Sequence[ReplyLine],
) -> Iterator[tuple[list[Lead | Counted], list[Quotation]]]:
    """Each run of leads with the quotations up to the next one."""
    leads: list[Lead | Counted] = []
    quotations: list[Quotation] = []
    for line in lines:
        if isinstance(line, Quotation):
            quotations.append(line)
            continue
        if quotations:
            yield leads, quotations
            leads, quotations = [], []
        leads.append(line)
    yield leads, quotations


def _said(lead: Lead | Counted, missing: int) -> str:
    return lead.text if isinstance(lead, Lead) else lead.say(lead.number - missing)


def _statement(
    line: Quotation, checker: StatementChecker, numbers: dict[str, int], wording: Wording
) -> Statement | None:
    sentence = "" if line.beside else wording(line)
    statement = checker.check(sentence) if sentence else None
    if statement is None:
        statement = _all_quoted(line.places, checker, numbers)
    before = _before(line)
    if statement is None or not before:
        return statement
    return replace(statement, text=f"{before}: {statement.text}")


def _all_quoted(
    places: Sequence[Quotation], checker: StatementChecker, numbers: dict[str, int]
) -> Statement | None:
    """The quotations of one line after one another; None where one of them does not pass."""
    quoted = [_quoted(place, checker, numbers) for place in places]
    passed = [each for each in quoted if each is not None]
    if len(passed) < len(quoted):
        return None
    citations = [citation for each in passed for citation in each.citations]
    return Statement(" ".join(each.text for each in passed), _once(citations))


def _quoted(line: Quotation, checker: StatementChecker, numbers: dict[str, int]) -> Statement | None:
    start, end = without_mark(line.hit.text, line.start, line.end)
    words = " ".join(line.hit.text[start:end].split())
    cancellation.check()
    return checker.check(f'"{words}" [{numbers[line.hit.chunk_id]}]')


def _before(line: Quotation) -> str:
    """Whose it is, when it was and what it stands under, as far as the line says so."""
    whose = f"Patient {line.hit.patient_id}" if line.names_patient else ""
    when = line.dated or ((line.hit.date or "undated")[:10] if line.names_patient else "")
    return ", ".join(each for each in (whose, when, line.under) if each)


def _once(citations: Sequence[Citation]) -> tuple[Citation, ...]:
    places: dict[tuple[str, int, int], Citation] = {}
    for each in citations:
        places.setdefault((each.resource_id, each.start, each.end), each)
    return tuple(places.values())
