"""Answering, top to bottom: search, prompt, generate, verify, answer.

Nothing leaves unverified: a statement is handed out only after its citations were checked against the notes. Where no
passage clears the floor no model is called. Knows ports and stages, no back-end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Literal, Protocol

from pipeline.answering.model_output import ModelOutput, NoAnswer
from pipeline.answering.note_access import note_as_told
from pipeline.answering.notices import not_final
from pipeline.answering.prompts import CURRENT, PromptTemplate, build_prompt, prompt_template
from pipeline.answering.questions.understood_question import UnderstoodQuestion
from pipeline.answering.search import search
from pipeline.answering.stages import Stopwatch
from pipeline.answering.verification import (
    CitationNumbers,
    StatementChecker,
    StatementReader,
    abstains,
)
from pipeline.call_context import cancellation
from pipeline.config import AnsweringSettings
from pipeline.ports import Answerer, Embedder, Generator, ImageStore, Ranker, Store
from pipeline.records import (
    AccessScope,
    Answer,
    AnswerEvent,
    Citation,
    Document,
    DraftPiece,
    Ending,
    Finished,
    GeneratorModel,
    Hit,
    Notice,
    Outcome,
    Prompt,
    Question,
    Retrieved,
    SearchResult,
    Statement,
    Usage,
    Verified,
    WhyNothingFound,
)

NOTHING_RELEVANT = "No relevant information found."
WHICH_PATIENT = "Several patients have that name. Which one is meant?"
NO_ANSWER = "There is no answer that can be shown."
"""Passages were found. Never to be read as: the notes say nothing of it."""

Reason = WhyNothingFound | Literal["generator_abstained", "nothing_verified"] | NoAnswer
NOTHING_RELEVANT_REASONS = frozenset(
    {
        "no_documents",
        "filters_match_nothing",
        "below_floor",
        "name_not_found",
        "which_patient",
        "generator_abstained",
    }
)
"""Only what the model said, or what was found before it was asked, means that the notes have nothing."""


class InnerAnswerer(Protocol):
    """A ports.Answerer that takes over what the answerer around it found out about the question."""

    def search(self, question: Question) -> SearchResult: ...

    def stream(
        self, question: Question, understood: UnderstoodQuestion | None = None, watch: Stopwatch | None = None
    ) -> Iterator[AnswerEvent]:
        """`understood`: of the question. `watch`: of the whole answer."""


def answer(answerer: Answerer, question: Question) -> Answer:
    """The finished answer of any answerer."""
    for event in answerer.stream(question):
        if isinstance(event, Finished):
            return event.answer
    raise AssertionError("the stream of an answer always ends with Finished")


@dataclass
class Draft:
    """Of one prompt: what has been generated and verified so far."""

    output: ModelOutput
    asked: GeneratorModel
    """Of the generator that was asked; a piece of the draft may name another that wrote it."""
    statements: list[Statement] = field(default_factory=list)
    withheld: int = 0
    notices: tuple[Notice, ...] = ()
    cited: dict[str, Document] = field(default_factory=dict)
    """The notes that statements cite, in the order of first mention."""
    not_stated: bool = False
    """The model said that the passages do not answer."""

    @property
    def passages(self) -> tuple[Hit, ...]:
        """What the model was given."""
        return self.output.prompt.passages

    @property
    def usage(self) -> Usage:
        return self.output.usage

    @property
    def model(self) -> GeneratorModel:
        return self.output.model or self.asked

    @property
    def ending(self) -> Ending:
        return "abstained" if self._abstained else self.output.ending

    @property
    def reason(self) -> Reason | None:
        """Why nothing is shown; None where something is. Only a model that ended of itself can have abstained."""
        if self.statements:
            return None
        if self._abstained:
            return "generator_abstained"
        if self.withheld and self.output.ending == "complete":
            return "nothing_verified"
        return self.output.why_nothing()

    @property
    def _abstained(self) -> bool:
        if self.statements or self.withheld:
            return False
        ending = self.output.ending
        return ending == "abstained" or (self.not_stated and ending == "complete")


@dataclass(frozen=True)
class Answering:
    """The parts that answer questions. Safe to use from several threads where the parts are."""

    embedder: Embedder
    store: Store
    generator: Generator
    settings: AnsweringSettings
    template: PromptTemplate = field(default_factory=partial(prompt_template, CURRENT))
    ranker: Ranker | None = None
    images: ImageStore | None = None
    """What passages of images are held against; None where no question comes with any."""

    def answer(self, question: Question) -> Answer:
        """The finished answer."""
        return answer(self, question)

    def search(self, question: Question) -> SearchResult:
        """As Answerer.search."""
        return self._search(question, Stopwatch())

    def stream(
        self, question: Question, understood: UnderstoodQuestion | None = None, watch: Stopwatch | None = None
    ) -> Iterator[AnswerEvent]:
        """Passages, then each verified statement as it comes, then the answer. Closing it cancels the model; so
        does the scope of `cancellation` that the thread is in, which then raises Cancelled here. As InnerAnswerer."""
        watch = watch or Stopwatch()
        found = self._search(question, watch, understood)
        if found.reason:
            yield Retrieved(())
            yield Finished(self._nothing(found, found.reason, watch, found.notices))
            return
        with watch.stage("prompt"):
            prompt = build_prompt(
                found.question.text,
                found.passages,
                tokens_max=self.settings.context_tokens_max,
                count_tokens=self.embedder.count_tokens,
                template=self.template,
                topic=found.topic,
            )
        yield Retrieved(prompt.passages)
        draft = self.begin_draft(prompt, found.notices)
        for statement in self.draft(prompt, found.question.filters.scope, draft, watch, CitationNumbers()):
            yield Verified(statement)
        yield Finished(self._finish(found, prompt, draft, watch))

    def _search(
        self, question: Question, watch: Stopwatch, understood: UnderstoodQuestion | None = None
    ) -> SearchResult:
        return search(
            question,
            embedder=self.embedder,
            store=self.store,
            settings=self.settings,
            ranker=self.ranker,
            watch=watch,
            understood=understood,
        )

    def begin_draft(self, prompt: Prompt, notices: tuple[Notice, ...] = ()) -> Draft:
        """A draft of which nothing is written."""
        asked = self.generator.model
        return Draft(ModelOutput(prompt, asked.thinks), asked, notices=notices)

    def draft(
        self,
        prompt: Prompt,
        scope: AccessScope,
        draft: Draft,
        watch: Stopwatch,
        numbers: CitationNumbers | None,
    ) -> Iterator[Statement]:
        """Statements of the draft that pass, as they come. `numbers`: of the answer; None: as passages are numbered."""
        reader = StatementReader()
        passages = {hit.resource_id: hit for hit in prompt.passages}
        original = lru_cache(maxsize=None)(partial(self._unchanged_note, scope, passages))
        checker = StatementChecker(prompt.passages, original, numbers)
        pieces = self.generator.stream(prompt)
        try:
            for text in self._statement_texts(pieces, reader, draft, watch):
                with watch.stage("verify"):
                    statement = checker.check(text)
                if statement is None:
                    draft.withheld += 1
                else:
                    draft.statements.append(statement)
                    draft.cited |= {
                        note.resource_id: note
                        for citation in statement.citations
                        if (note := original(citation.resource_id))
                    }
                    yield statement
        finally:
            cancellation.end_early(pieces)  # a client that leaves cancels the request to the model

    def _statement_texts(
        self, pieces: Iterator[DraftPiece], reader: StatementReader, draft: Draft, watch: Stopwatch
    ) -> Iterator[str]:
        """Statements of the answer as the model completes them, without its word that there is none. The last one of
        an answer that was cut is not complete: it may go on in any way."""
        output = draft.output
        piece: DraftPiece | None = DraftPiece()
        while piece is not None:
            cancellation.check()
            with watch.stage("generate"):
                piece = next(pieces, None)
            if text := output.rest() if piece is None else output.take(piece):
                yield from self._stated(reader.feed(text), draft)
        if output.ending in ("complete", "abstained"):
            yield from self._stated(reader.rest(), draft)
        draft.withheld += _statements_in(output.before)

    def _stated(self, texts: Iterator[str], draft: Draft) -> Iterator[str]:
        for text in texts:
            if abstains(text):
                draft.not_stated = True
            else:
                yield text

    def _unchanged_note(
        self, scope: AccessScope, passages: Mapping[str, Hit], resource_id: str
    ) -> Document | None:
        return note_as_told(self.store, passages[resource_id], scope, self.images)

    def _finish(self, found: SearchResult, prompt: Prompt, draft: Draft, watch: Stopwatch) -> Answer:
        if draft.reason is not None:
            return self._nothing(found, draft.reason, watch, draft.notices, prompt, draft)
        citations: dict[tuple[str, int, int], Citation] = {}
        for statement in draft.statements:
            for citation in statement.citations:
                citations.setdefault((citation.resource_id, citation.start, citation.end), citation)
        return Answer(
            question=found.question.text,
            outcome="answered",
            text="\n".join(statement.text for statement in draft.statements),
            statements=tuple(draft.statements),
            citations=tuple(citations.values()),
            passages=prompt.passages,
            reason=None,
            model=draft.model,
            prompt_version=prompt.version,
            space_id=found.space_id,
            usage=draft.output.usage,
            seconds=watch.total(),
            withheld=draft.withheld,
            notices=(*draft.notices, *not_final(draft.cited.values())),
            ending=draft.ending,
        )

    def _nothing(
        self,
        found: SearchResult,
        reason: Reason,
        watch: Stopwatch,
        notices: tuple[Notice, ...],
        prompt: Prompt | None = None,
        draft: Draft | None = None,
    ) -> Answer:
        outcome: Outcome = "nothing_relevant" if reason in NOTHING_RELEVANT_REASONS else "no_answer"
        return Answer(
            question=found.question.text,
            outcome=outcome,
            text=_text_of_nothing(outcome, reason),
            statements=(),
            citations=(),
            passages=prompt.passages if prompt else (),
            reason=reason,
            model=draft.model if draft else self.generator.model,
            prompt_version=prompt.version if prompt else None,
            space_id=found.space_id,
            usage=draft.output.usage if draft else Usage(),
            seconds=watch.total(),
            withheld=draft.withheld if draft else 0,
            notices=notices,
            ending=draft.ending if draft else "not_asked",
        )


def _text_of_nothing(outcome: Outcome, reason: Reason) -> str:
    if reason == "which_patient":
        return WHICH_PATIENT
    return NOTHING_RELEVANT if outcome == "nothing_relevant" else NO_ANSWER


def _statements_in(text: str) -> int:
    """How many statements a text would be cut into."""
    if not text.strip():
        return 0
    reader = StatementReader()
    return sum(1 for _ in reader.feed(text)) + sum(1 for _ in reader.rest())
