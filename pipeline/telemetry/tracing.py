"""Spans of what runs, by OpenTelemetry's GenAI conventions, and the ports that make them.

Decides which operations are spans and what a span may say: numbers, names of models and stages, error codes. Never
text, never an id of a note, patient or person; `ALLOWED` is all there is, and a span with anything else is not made.
Knows the SDK; starts no exporter at import and sets nothing global, so that another library traces nothing into
our traces.

The conventions for GenAI are in development (their attributes are those of opentelemetry-semantic-conventions 0.66b).
A draft is `chat MODEL`, an embedding `embeddings MODEL`, finding passages `retrieval notes`, a query of the store below
it a span of the database conventions. `generate` has no span of its own: the draft is the span, and verifying, which
happens between its pieces, runs alongside it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Generator as PythonGenerator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import TypeAlias, TypeVar

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    TraceState,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from pipeline import version
from pipeline.answering.stages import Stage, observed_stages
from pipeline.call_context.cancellation import Cancelled, end_early
from pipeline.call_context.trace_context import TRACEPARENT, in_trace
from pipeline.ports import Answerer, Embedder, Generator, Store
from pipeline.records import (
    Answer,
    AnswerEvent,
    DraftPiece,
    Finished,
    Prompt,
    Question,
    SearchResult,
    TextKind,
)
from pipeline.telemetry.definitions import METHODS, code_of
from pipeline.telemetry.wrappers import GeneratorWrapper, ObservedEmbedder, ObservedStore

SpanValue: TypeAlias = str | int | float | bool | Sequence[str]

ALLOWED = frozenset(
    {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.request.stream",
        "gen_ai.request.top_k",
        "gen_ai.response.finish_reasons",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.embeddings.dimension.count",
        "gen_ai.data_source.id",
        "db.system.name",
        "db.operation.name",
        "db.operation.batch.size",
        "error.type",
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "chartwell.embed.kind",
        "chartwell.embed.texts",
        "chartwell.answer.outcome",
        "chartwell.answer.reason",
        "chartwell.answer.passages",
        "chartwell.answer.statements",
        "chartwell.answer.withheld",
        "chartwell.answer.ending",
        "chartwell.prompt.version",
        "chartwell.space",
    }
)
PROVIDERS = {"bedrock": "aws.bedrock"}
"""Our names of providers where the conventions have another one."""
SYSTEMS = {"embedded": "sqlite", "iris": "intersystems_iris"}
"""`db.system.name`; IRIS has no name of its own in the conventions (its predecessor is intersystems.cache)."""
DATA_SOURCE = "notes"

_PROPAGATOR = TraceContextTextMapPropagator()


class _FromElsewhere(Sampler):
    """For a span that goes on with another process's trace.

    A request comes from anybody: neither its wish to be recorded is believed nor its trace id, which it may choose so
    that every one of its requests is drawn. What our own service has begun (an indexing job) follows its service.
    """

    def __init__(self, ratio: Sampler, own: Sampler) -> None:
        self._ratio = ratio
        self._own = own

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        requested = kind is SpanKind.SERVER
        sampler = self._ratio if requested else self._own
        drawn = random.getrandbits(128) if requested else trace_id
        return sampler.should_sample(parent_context, drawn, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"FromElsewhere({self._ratio.get_description()})"


class Tracing:
    """Makes spans and hands them to one exporter. Safe to share between threads."""

    def __init__(self, exporter: SpanExporter, *, ratio: float = 1.0) -> None:
        """`ratio`: share of traces that are recorded, chosen by lot."""
        sampler = TraceIdRatioBased(ratio)
        resource = Resource.create({"service.name": "chartwell", "service.version": version()})
        self._provider = TracerProvider(
            sampler=ParentBased(
                sampler,
                remote_parent_sampled=_FromElsewhere(sampler, ALWAYS_ON),
                remote_parent_not_sampled=_FromElsewhere(sampler, ALWAYS_OFF),
            ),
            resource=resource,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("chartwell", version())
        self._whole_run: Context | None = None

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()

    def flush(self) -> None:
        self._provider.force_flush()

    # --- spans

    def begin(
        self,
        name: str,
        attributes: Mapping[str, SpanValue],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        traceparent: str | None = None,
    ) -> Span:
        """A span under the current one; under `traceparent`, a caller's header, where that is given and valid."""
        parent = otel_context.get_current()
        if traceparent is not None:
            # Neither tracestate nor baggage: a caller could put anything there.
            parent = _PROPAGATOR.extract({TRACEPARENT: traceparent}, context=Context())
        elif not parent and self._whole_run is not None:
            parent = self._whole_run  # a thread of the run that began without a context
        return self._tracer.start_span(
            name,
            context=parent,
            kind=kind,
            attributes=allowed(attributes),
            record_exception=False,
            set_status_on_exception=False,
        )

    @contextmanager
    def active(self, span: Span) -> Iterator[None]:
        """Inside, new spans of this thread or task lie under `span`, and requests carry it onwards."""
        token = otel_context.attach(set_span_in_context(span))
        try:
            with in_trace(traceparent_of(span)):
                yield
        finally:
            otel_context.detach(token)

    @contextmanager
    def span(
        self, name: str, attributes: Mapping[str, SpanValue], *, kind: SpanKind = SpanKind.INTERNAL
    ) -> Iterator[Span]:
        """A span for the block, which is active inside and marked with the code of an error that leaves it."""
        span = self.begin(name, attributes, kind=kind)
        try:
            with self.active(span):
                yield span
        except BaseException as error:
            failed(span, error)
            raise
        finally:
            span.end()

    @contextmanager
    def run(self, name: str) -> Iterator[None]:
        """A span for a whole run of this process; spans of threads that know no other parent lie under it."""
        with self.span(name, {}) as span:
            self._whole_run = set_span_in_context(span)
            try:
                yield
            finally:
                self._whole_run = None


def allowed(attributes: Mapping[str, SpanValue]) -> dict[str, SpanValue]:
    """The attributes. Raises ValueError for one that is not on the list."""
    if unknown := set(attributes) - ALLOWED:
        raise ValueError(f"a span may not say {', '.join(sorted(unknown))}")
    return dict(attributes)


def say(span: Span, attributes: Mapping[str, SpanValue]) -> None:
    for name, value in allowed(attributes).items():
        span.set_attribute(name, value)


def failed(span: Span, error: BaseException) -> None:
    """Mark the span with the error's code. Its message stays out: it may quote what it was given."""
    if not isinstance(error, GeneratorExit | Cancelled):  # a reader that left is no failure
        say(span, {"error.type": code_of(error)})
        span.set_status(Status(StatusCode.ERROR))


def traceparent_of(span: Span) -> str:
    found = span.get_span_context()
    return (
        f"00-{format_trace_id(found.trace_id)}-{format_span_id(found.span_id)}-{int(found.trace_flags):02x}"
    )


def _of_model(operation: str, provider: str, model: str) -> dict[str, SpanValue]:
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": PROVIDERS.get(provider, provider),
        "gen_ai.request.model": model,
    }


Piece = TypeVar("Piece")


def steps(tracing: Tracing, span: Span, open_stream: Callable[[], Iterator[Piece]]) -> PythonGenerator[Piece]:
    """A stream as it is, each step of it made with `span` active; the span ends with the stream.

    Active only during a step: between two steps the reader goes on, perhaps on another thread, under a span of its own.
    """
    stream: Iterator[Piece] | None = None
    try:
        while True:
            with tracing.active(span):
                stream = stream or open_stream()
                step = next(stream, None)
            if step is None:
                return
            yield step
    except BaseException as error:
        failed(span, error)
        raise
    finally:
        with tracing.active(span):
            end_early(stream)
        span.end()


def _say_of_piece(span: Span, piece: DraftPiece) -> None:
    if piece.usage is not None:
        say(span, {"gen_ai.usage.input_tokens": piece.usage.prompt_tokens})
        say(span, {"gen_ai.usage.output_tokens": piece.usage.completion_tokens})
    if piece.finish_reason is not None:
        say(span, {"gen_ai.response.finish_reasons": [piece.finish_reason]})


# --- ports


def traced_embedder(embedder: Embedder, tracing: Tracing) -> Embedder:
    """Each call of `embed` is a span."""

    def around(texts: int, kind: TextKind) -> AbstractContextManager[Span]:
        space = embedder.space
        attributes = _of_model("embeddings", space.provider, space.model) | {
            "gen_ai.embeddings.dimension.count": space.dimension,
            "chartwell.embed.kind": kind,
            "chartwell.embed.texts": texts,
        }
        return tracing.span(f"embeddings {space.model}", attributes, kind=SpanKind.CLIENT)

    return ObservedEmbedder(embedder, around)


class TracedGenerator(GeneratorWrapper):
    def __init__(self, generator: Generator, tracing: Tracing) -> None:
        super().__init__(generator)
        self._tracing = tracing

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        model = self._generator.model
        attributes = _of_model("chat", model.provider, model.model) | {
            "gen_ai.request.stream": True,
            "chartwell.prompt.version": prompt.version,
        }
        started = time.perf_counter()
        first = True
        span = self._tracing.begin(f"chat {model.model}", attributes, kind=SpanKind.CLIENT)
        with closing(steps(self._tracing, span, lambda: self._generator.stream(prompt))) as pieces:
            for piece in pieces:
                if first:
                    first = False
                    say(span, {"gen_ai.response.time_to_first_chunk": time.perf_counter() - started})
                _say_of_piece(span, piece)
                yield piece


def traced_store(store: Store, tracing: Tracing, kind: str) -> Store:
    """Each query is a span of the database conventions."""
    system = SYSTEMS[kind]

    def around(operation: str, rows: int | None) -> AbstractContextManager[Span]:
        attributes: dict[str, SpanValue] = {"db.system.name": system, "db.operation.name": operation}
        if rows is not None:
            attributes["db.operation.batch.size"] = rows
        return tracing.span(f"{operation} {DATA_SOURCE}", attributes, kind=SpanKind.CLIENT)

    return ObservedStore(store, around)


# --- a request


@contextmanager
def served_request(tracing: Tracing, method: str, traceparent: str) -> Iterator[Callable[[str, int], None]]:
    """A span for a request to the service, which goes on with the caller's trace. Gives what is to be told its route
    and status once they are known."""
    method = method if method in METHODS else "_OTHER"
    span = tracing.begin(
        method, {"http.request.method": method}, kind=SpanKind.SERVER, traceparent=traceparent
    )

    def tell(route: str, status: int) -> None:
        span.update_name(f"{method} {route}")
        say(span, {"http.route": route, "http.response.status_code": status})
        if status >= 500:
            say(span, {"error.type": str(status)})
            span.set_status(Status(StatusCode.ERROR))

    try:
        with tracing.active(span):
            yield tell
    finally:
        span.end()


# --- an answer


class TracedAnswerer:
    """An answerer each of whose answers is a span, and each stage of it one below."""

    def __init__(self, answerer: Answerer, tracing: Tracing, space_id: str) -> None:
        self._answerer = answerer
        self._tracing = tracing
        self._space_id = space_id

    def search(self, question: Question) -> SearchResult:
        return self._answerer.search(question)

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        """The span is active only while the answer is worked on: the reader of the stream keeps its own."""
        span = self._tracing.begin("answer", {"chartwell.space": self._space_id})

        def open_stream() -> Iterator[AnswerEvent]:
            return observed_stages(
                self._answerer.stream(question), lambda stage: self._stage(stage, question)
            )

        with closing(steps(self._tracing, span, open_stream)) as events:
            for event in events:
                if isinstance(event, Finished):
                    say(span, _of_answer(event.answer))
                yield event

    def _stage(self, stage: Stage, question: Question) -> AbstractContextManager[object]:
        """A span, but for stages that are one call of a port anyway."""
        if stage in ("embed", "generate"):
            return nullcontext()
        if stage == "search":
            attributes: dict[str, SpanValue] = {
                "gen_ai.operation.name": "retrieval",
                "gen_ai.data_source.id": DATA_SOURCE,
                "gen_ai.request.top_k": question.top_k,
            }
            return self._tracing.span(f"retrieval {DATA_SOURCE}", attributes)
        return self._tracing.span(stage, {})


def _of_answer(answer: Answer) -> dict[str, SpanValue]:
    said: dict[str, SpanValue] = {
        "chartwell.answer.outcome": answer.outcome,
        "chartwell.answer.ending": answer.ending,
        "chartwell.answer.passages": len(answer.passages),
        "chartwell.answer.statements": len(answer.statements),
        "chartwell.answer.withheld": answer.withheld,
        "gen_ai.usage.input_tokens": answer.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.usage.completion_tokens,
    }
    return said | ({"chartwell.answer.reason": answer.reason} if answer.reason else {})
