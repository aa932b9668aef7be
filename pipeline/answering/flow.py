"""Answering, top to bottom: embed the question, retrieve, prompt, generate, verify, answer.

A question that names somebody is answered from the notes of those whom the name can mean, whoever writes the answer.
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

import numpy as np

from pipeline import cancellation
from pipeline.answering.model_output import ModelOutput, NoAnswer
from pipeline.answering.note_access import visible_note
from pipeline.answering.notices import admits_any, name_not_found, not_final, notices_of
from pipeline.answering.prompts import build_prompt
from pipeline.answering.question_patient import of_its_patient
from pipeline.answering.retrieval import retrieve
from pipeline.answering.verification import (
    CitationNumbers,
    StatementChecker,
    StatementReader,
    abstains,
)
from pipeline.config import AnsweringSettings
from pipeline.errors import BadRequest, RequestInvalid
from pipeline.ports import Embedder, Generator, Store, text_tokens_max
from pipeline.records import (
    AccessScope,
    Answer,
    Citation,
    Document,
    DraftPiece,
    Ending,
    Filters,
    Hit,
    Notice,
    Outcome,
    Prompt,
    Question,
    Statement,
    Usage,
    Vector,
)
from pipeline.text.patient_names import resolve_named_patients

NOTHING_RELEVANT = "No relevant information found."
NO_ANSWER = "There is no answer that can be shown."
"""Passages were found. Never to be read as: the notes say nothing of it."""

Reason = (
    Literal[
        "no_documents",
        "filters_match_nothing",
        "below_floor",
        "name_not_found",
        "generator_abstained",
        "nothing_verified",
    ]
    | NoAnswer
)
NOTHING_RELEVANT_REASONS = frozenset(
    {"no_documents", "filters_match_nothing", "below_floor", "name_not_found", "generator_abstained"}
)
"""Only what the model said, or what was found before it was asked, means that the notes have nothing."""


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

    output: ModelOutput
    statements: list[Statement] = field(default_factory=list)
    withheld: int = 0
    notices: tuple[Notice, ...] = ()
    cited: dict[str, Document] = field(default_factory=dict)
    """The notes that statements cite, in the order of first mention."""
    not_stated: bool = False
    """The model said that the passages do not answer."""

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
            vector = self.embed_question(question.text)
        with watch.stage("search"):
            question = of_its_patient(question, self.store)
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
            if hits and len(question.filters.patient_ids) != 1:
                _, meant = resolve_named_patients(question.text, hits)
                hits = [hit for hit in hits if hit.patient_id in meant]
                if not hits:
                    reason, notices = "name_not_found", (*notices, name_not_found(question.text))
        if reason:
            yield Retrieved(())
            yield Finished(self._nothing(question, reason, watch, notices))
            return
        with watch.stage("prompt"):
            prompt = build_prompt(
                question.text,
                hits,
                tokens_max=self.settings.context_tokens_max,
                count_tokens=self.embedder.count_tokens,
            )
        yield Retrieved(prompt.passages)
        draft = _Draft(ModelOutput(prompt, self.generator.model.thinks), notices=notices)
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

    def embed_question(self, text: str) -> Vector:
        """Shape (dimension,). Raises BadRequest where the model refuses the question for its length; whether it does
        is the model's word, because most counts are estimates."""
        try:
            return np.asarray(self.embedder.embed([text], "query")[0], dtype=np.float32)
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
        checker = StatementChecker(prompt.passages, original, CitationNumbers())
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
            close = getattr(pieces, "close", None)
            if close is not None:
                close()  # a client that leaves cancels the request to the model

    def _statement_texts(
        self, pieces: Iterator[DraftPiece], reader: StatementReader, draft: _Draft, watch: Stopwatch
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

    def _stated(self, texts: Iterator[str], draft: _Draft) -> Iterator[str]:
        for text in texts:
            if abstains(text):
                draft.not_stated = True
            else:
                yield text

    def _document(self, scope: AccessScope, resource_id: str) -> Document | None:
        return visible_note(self.store, resource_id, scope)

    def _finish(self, question: Question, prompt: Prompt, draft: _Draft, watch: Stopwatch) -> Answer:
        if draft.reason is not None:
            return self._nothing(question, draft.reason, watch, draft.notices, prompt, draft)
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
            usage=draft.output.usage,
            seconds=watch.total(),
            withheld=draft.withheld,
            notices=(*draft.notices, *not_final(draft.cited.values())),
            ending=draft.ending,
        )

    def _nothing(
        self,
        question: Question,
        reason: Reason,
        watch: Stopwatch,
        notices: tuple[Notice, ...],
        prompt: Prompt | None = None,
        draft: _Draft | None = None,
    ) -> Answer:
        outcome: Outcome = "nothing_relevant" if reason in NOTHING_RELEVANT_REASONS else "no_answer"
        return Answer(
            question=question.text,
            outcome=outcome,
            text=NOTHING_RELEVANT if outcome == "nothing_relevant" else NO_ANSWER,
            statements=(),
            citations=(),
            passages=prompt.passages if prompt else (),
            reason=reason,
            model=self.generator.model,
            prompt_version=prompt.version if prompt else None,
            space_id=self.embedder.space.id,
            usage=draft.output.usage if draft else Usage(),
            seconds=watch.total(),
            withheld=draft.withheld if draft else 0,
            notices=notices,
            ending=draft.ending if draft else "not_asked",
        )


def _statements_in(text: str) -> int:
    """How many statements a text would be cut into."""
    if not text.strip():
        return 0
    reader = StatementReader()
    return sum(1 for _ in reader.feed(text)) + sum(1 for _ in reader.rest())
