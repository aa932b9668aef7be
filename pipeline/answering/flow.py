"""Answering, top to bottom: embed the question, retrieve, prompt, generate, verify, answer.

Nothing leaves unverified: a statement is handed out only after its citations were checked against the notes. Where no
passage clears the floor no model is called. Knows ports and stages, no back-end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Literal

from pipeline import cancellation
from pipeline.answering.notes import visible_note
from pipeline.answering.notices import admits_any, notices_of
from pipeline.answering.prompt import build_prompt
from pipeline.answering.retrieve import retrieve
from pipeline.answering.verify import NOT_STATED, StatementReader, check_statement
from pipeline.config import AnsweringSettings
from pipeline.errors import BadRequest, RequestInvalid
from pipeline.ports import Embedder, Generator, Store, text_tokens_max
from pipeline.records import (
    AccessScope,
    Answer,
    Citation,
    Document,
    DraftPiece,
    Filters,
    Hit,
    Notice,
    Prompt,
    Question,
    Statement,
    Usage,
    Vector,
)

NOTHING_RELEVANT = "No relevant information found."

Reason = Literal[
    "no_documents", "filters_match_nothing", "below_floor", "generator_abstained", "nothing_verified"
]


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The passages that the generator will see; empty where nothing cleared the floor."""

    passages: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """A statement whose citations checked out."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer; always the last event."""

    answer: Answer


AnswerEvent = Retrieved | Verified | Finished


@dataclass
class _Draft:
    """What has been generated and verified so far."""

    statements: list[Statement] = field(default_factory=list)
    withheld: int = 0
    abstained: bool = True
    usage: Usage = field(default_factory=Usage)
    notices: tuple[Notice, ...] = ()


class Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def total(self) -> dict[str, float]:
        return {**self.seconds, "total": time.perf_counter() - self._started}


@dataclass(frozen=True)
class Answering:
    """The parts that answer questions. Safe to use from several threads where the parts are."""

    embedder: Embedder
    store: Store
    generator: Generator
    settings: AnsweringSettings

    def answer(self, question: Question) -> Answer:
        """The finished answer."""
        for event in self.stream(question):
            if isinstance(event, Finished):
                return event.answer
        raise AssertionError("the stream of an answer always ends with Finished")

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        """Passages, then each verified statement as it comes, then the answer. Closing it cancels the model; so
        does the scope of `pipeline.cancellation` that the thread is in, which then raises Cancelled here."""
        watch = self.stopwatch(question)
        with watch.stage("embed"):
            vector = self._embedded(question.text)[0]
        with watch.stage("search"):
            hits = retrieve(
                question.text,
                vector,
                question.filters,
                top_k=question.top_k,
                floor=self.embedder.space.similarity_floor,
                store=self.store,
                settings=self.settings,
            )
            reason = None if hits else self._why_nothing(question.filters)
            notices: tuple[Notice, ...] = ()
            if reason != "no_documents":
                notices = notices_of(question.filters, self.store, found=bool(hits))
        draft = _Draft(notices=notices)
        if reason:
            yield Retrieved(())
            yield Finished(self._nothing(question, reason, watch, draft=draft))
            return
        with watch.stage("prompt"):
            prompt = build_prompt(
                question.text,
                hits,
                tokens_max=self.settings.context_tokens_max,
                count_tokens=self.embedder.count_tokens,
            )
        yield Retrieved(prompt.passages)
        for statement in self._generate(prompt, question.filters.scope, draft, watch):
            yield Verified(statement)
        yield Finished(self._finish(question, prompt, draft, watch))

    def _why_nothing(self, filters: Filters) -> Reason:
        """Within the scope: whoever may see nothing is told so whether or not others have notes."""
        if not self.store.counts(filters.scope).chunks:
            return "no_documents"
        return "below_floor" if admits_any(filters, self.store) else "filters_match_nothing"

    def stopwatch(self, question: Question) -> Stopwatch:
        """What times the stages of this question; who observes an answer has one of their own."""
        return Stopwatch()

    def _embedded(self, text: str) -> Vector:
        """Raises BadRequest where the model refuses the question for its length; whether it does is the model's word,
        because most counts are estimates."""
        try:
            return self.embedder.embed([text], "query")
        except RequestInvalid as error:
            found, most = self.embedder.count_tokens([text])[0], text_tokens_max(self.embedder, "query")
            if found <= most:
                raise
            raise BadRequest(
                f"The question is too long: it has {found:,} tokens, and the embedding model reads {most:,}.",
                remedy="Shorten it: leave out what the notes need not say, or ask two questions.",
            ) from error

    def _generate(
        self, prompt: Prompt, scope: AccessScope, draft: _Draft, watch: Stopwatch
    ) -> Iterator[Statement]:
        """Statements of the draft that pass, as they come."""
        reader = StatementReader()
        original = lru_cache(maxsize=None)(partial(self._document, scope))
        pieces = self.generator.stream(prompt)
        try:
            for text in self._statement_texts(pieces, reader, draft, watch):
                draft.abstained = False
                with watch.stage("verify"):
                    statement = check_statement(text, prompt.passages, original)
                if statement is None:
                    draft.withheld += 1
                else:
                    draft.statements.append(statement)
                    yield statement
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()  # a client that leaves cancels the request to the model

    def _statement_texts(
        self, pieces: Iterator[DraftPiece], reader: StatementReader, draft: _Draft, watch: Stopwatch
    ) -> Iterator[str]:
        """Statements of the draft as the model completes them, without its word that there is no answer."""
        while True:
            cancellation.check()
            with watch.stage("generate"):
                piece = next(pieces, None)
            if piece is not None:
                draft.usage = piece.usage or draft.usage
            texts = reader.rest() if piece is None else reader.feed(piece.text)
            yield from (text for text in texts if not text.strip(' ."').upper().startswith(NOT_STATED))
            if piece is None:
                return

    def _document(self, scope: AccessScope, resource_id: str) -> Document | None:
        return visible_note(self.store, resource_id, scope)

    def _finish(self, question: Question, prompt: Prompt, draft: _Draft, watch: Stopwatch) -> Answer:
        if not draft.statements:
            reason: Reason = "generator_abstained" if draft.abstained else "nothing_verified"
            return self._nothing(question, reason, watch, prompt, draft)
        citations: dict[tuple[str, int, int], Citation] = {}
        for statement in draft.statements:
            for citation in statement.citations:
                citations.setdefault((citation.resource_id, citation.start, citation.end), citation)
        return Answer(
            question=question.text,
            outcome="answered",
            text="\n".join(statement.text for statement in draft.statements),
            statements=tuple(draft.statements),
            citations=tuple(citations.values()),
            passages=prompt.passages,
            reason=None,
            model=self.generator.model,
            prompt_version=prompt.version,
            space_id=self.embedder.space.id,
            usage=draft.usage,
            seconds=watch.total(),
            withheld=draft.withheld,
            notices=draft.notices,
        )

    def _nothing(
        self,
        question: Question,
        reason: Reason,
        watch: Stopwatch,
        prompt: Prompt | None = None,
        draft: _Draft | None = None,
    ) -> Answer:
        return Answer(
            question=question.text,
            outcome="nothing_relevant",
            text=NOTHING_RELEVANT,
            statements=(),
            citations=(),
            passages=prompt.passages if prompt else (),
            reason=reason,
            model=self.generator.model,
            prompt_version=prompt.version if prompt else None,
            space_id=self.embedder.space.id,
            usage=draft.usage if draft else Usage(),
            seconds=watch.total(),
            withheld=draft.withheld if draft else 0,
            notices=draft.notices if draft else (),
        )
