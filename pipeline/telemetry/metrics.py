"""The numbers of one process, in a registry that is handed in. Nothing is counted at import, nothing is global.

Knows prometheus-client and the definitions. Says what may be recorded in words of the pipeline, so that no caller
chooses a label.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol, runtime_checkable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from pipeline import version
from pipeline.records import Answer, EmbeddingSpace, GeneratorModel, TextKind
from pipeline.telemetry.definitions import (
    GUARDS,
    METHODS,
    REASONS,
    STAGES,
    STORE_OPERATIONS,
    Definition,
    code_of,
    definitions,
)

ServerRole = Literal["embedder", "generator"]
AnswerPrice = Callable[[Answer], float | None]
"""US dollars for one answer, None where it is not known."""


class CountedLimiter(Protocol):
    """The limiter in front of a model server, as far as it is counted."""

    @property
    def in_flight(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def limit(self) -> int: ...


@runtime_checkable
class Gated(Protocol):
    """A back-end that has such a limiter."""

    @property
    def limiter(self) -> CountedLimiter: ...


class Together(CollectorRegistry):
    """Several collectors as one: families of the same name are one family, as the format wants it."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        super().__init__()
        self._collectors = collectors

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for collector in self._collectors:
            for family in collector.collect():
                known = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                # When a series began is a series more for each, and no one asks for it.
                known.samples.extend(each for each in family.samples if not each.name.endswith("_created"))
        yield from families.values()


class _Ready(Collector):
    """The gauge's series as they are known now. The gauge itself has none: it would keep what is known no more."""

    def __init__(self, gauge: Gauge, known: Callable[[], Mapping[str, bool]]) -> None:
        self._gauge = gauge
        self._known = known

    def collect(self) -> Iterator[Metric]:
        for family in self._gauge.describe():
            for name, ready in self._known().items():
                family.add_sample(family.name, {"dependency": name}, float(ready))
            yield family


class Metrics:
    """Every metric of `definitions`, ready to record. Safe to share between threads."""

    def __init__(self, registry: CollectorRegistry, *, price: AnswerPrice | None = None) -> None:
        """Registers everything in `registry`. `price`: prices an answer."""
        self.registry = registry
        self.price = price
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        self._others: list[Collector] = []
        for each in definitions():
            self._register(each)
        ProcessCollector(registry=registry)
        self._prepare()

    def _register(self, each: Definition) -> None:
        labels = tuple(each.labels)
        if each.kind == "counter":
            self._counters[each.name] = Counter(each.name, each.help, labels, registry=self.registry)
        elif each.kind == "gauge":
            self._gauges[each.name] = Gauge(each.name, each.help, labels, registry=self.registry)
        else:
            self._histograms[each.name] = Histogram(
                each.name, each.help, labels, registry=self.registry, buckets=each.buckets
            )

    def _prepare(self) -> None:
        """Series that exist from the start: a rate over what never happened is 0, not absent."""
        for each in definitions():
            if each.kind != "gauge" and each.labels and all(label.values for label in each.labels.values()):
                self._each_series(each)
        questions = self._counters["chartwell_questions_total"]
        for outcome, reason in (("answered", "none"), ("failed", "unexpected"), ("abandoned", "none")):
            questions.labels(outcome, reason)
        for outcome, reasons in REASONS.items():
            for reason in reasons:
                questions.labels(outcome, reason)
        for kind in ("query", "passage"):
            self._counters["chartwell_embedder_requests_total"].labels(kind, "ok")
        for operation in STORE_OPERATIONS:
            self._counters["chartwell_store_operations_total"].labels(operation, "ok")
        self._counters["chartwell_generator_requests_total"].labels("ok")
        self._gauges["chartwell_build_info"].labels(version()).set(1)

    def _each_series(self, each: Definition) -> None:
        combinations: list[tuple[str, ...]] = [()]
        for label in each.labels.values():
            combinations = [(*before, value) for before in combinations for value in label.values]
        metric = self._counters.get(each.name) or self._histograms[each.name]
        for values in combinations:
            metric.labels(*values)

    # --- questions

    @contextmanager
    def question(self) -> Iterator[None]:
        with self._under_way("chartwell_questions_in_progress"):
            yield

    def question_answered(self, answer: Answer, first_statement_seconds: float | None) -> None:
        """A question that ended with an answer, be it that nothing relevant was found."""
        self._counters["chartwell_questions_total"].labels(answer.outcome, answer.reason or "none").inc()
        self._counters["chartwell_answer_endings_total"].labels(answer.ending).inc()
        total = answer.seconds["total"]
        self._histograms["chartwell_question_duration_seconds"].labels(answer.outcome).observe(total)
        stages = self._histograms["chartwell_question_stage_duration_seconds"]
        for stage in STAGES:
            if stage in answer.seconds:
                stages.labels(stage).observe(answer.seconds[stage])
        if first_statement_seconds is not None:
            self._histograms["chartwell_question_first_statement_seconds"].observe(first_statement_seconds)
        self._histograms["chartwell_question_passages"].observe(len(answer.passages))
        if answer.passages:
            best = max(hit.similarity for hit in answer.passages)
            self._histograms["chartwell_question_best_similarity"].observe(best)
        self.guard_judged("citation", passed=len(answer.statements), withheld=answer.withheld)
        tokens = self._counters["chartwell_generator_tokens_total"]
        tokens.labels("input").inc(answer.usage.prompt_tokens)
        tokens.labels("output").inc(answer.usage.completion_tokens)
        dollars = self.price(answer) if self.price else None
        if dollars is not None:
            self._counters["chartwell_question_cost_dollars_total"].inc(dollars)

    def question_failed(self, error: BaseException) -> None:
        self._counters["chartwell_questions_total"].labels("failed", code_of(error)).inc()

    def question_abandoned(self) -> None:
        """The reader of the stream left before the answer was whole."""
        self._counters["chartwell_questions_total"].labels("abandoned", "none").inc()

    def guard_judged(self, guard: str, *, passed: int, withheld: int) -> None:
        if guard not in GUARDS:
            raise ValueError(f"{guard} is no guard that pipeline/telemetry/definitions.py knows")
        verdicts = self._counters["chartwell_guard_verdicts_total"]
        verdicts.labels(guard, "passed").inc(passed)
        verdicts.labels(guard, "withheld").inc(withheld)

    # --- ports

    @contextmanager
    def embedding(self, texts: int, kind: TextKind) -> Iterator[None]:
        """One call of the embedder."""
        started = time.perf_counter()
        outcome = "ok"
        try:
            with self._under_way("chartwell_embedder_requests_in_flight"):
                yield
        except BaseException as error:
            outcome = code_of(error)
            raise
        else:
            self._counters["chartwell_embedder_texts_total"].labels(kind).inc(texts)
        finally:
            self._counters["chartwell_embedder_requests_total"].labels(kind, outcome).inc()
            self._histograms["chartwell_embedder_request_duration_seconds"].labels(kind).observe(
                time.perf_counter() - started
            )

    @contextmanager
    def drafting(self) -> Iterator[Callable[[], None]]:
        """One draft of the generator; gives what is to be called with each piece."""
        started = time.perf_counter()
        first = True
        outcome = "ok"

        def piece() -> None:
            nonlocal first
            if first:
                first = False
                self._histograms["chartwell_generator_first_piece_seconds"].observe(
                    time.perf_counter() - started
                )

        try:
            with self._under_way("chartwell_generator_requests_in_flight"):
                yield piece
        except GeneratorExit:
            outcome = "abandoned"
            raise
        except BaseException as error:
            outcome = code_of(error)
            raise
        finally:
            self._counters["chartwell_generator_requests_total"].labels(outcome).inc()
            self._histograms["chartwell_generator_request_duration_seconds"].observe(
                time.perf_counter() - started
            )

    @contextmanager
    def storing(self, operation: str) -> Iterator[None]:
        """One call of the store."""
        started = time.perf_counter()
        outcome = "ok"
        try:
            yield
        except BaseException as error:
            outcome = code_of(error)
            raise
        finally:
            self._counters["chartwell_store_operations_total"].labels(operation, outcome).inc()
            self._histograms["chartwell_store_operation_duration_seconds"].labels(operation).observe(
                time.perf_counter() - started
            )

    def embedder_in_use(self, space: EmbeddingSpace) -> None:
        self._model_in_use("embedder", space.provider, space.model)

    def generator_in_use(self, model: GeneratorModel) -> None:
        self._model_in_use("generator", model.provider, model.model)

    def _model_in_use(self, role: ServerRole, provider: str, model: str) -> None:
        info = self._gauges["chartwell_model_info"]
        info.remove_by_labels({"role": role})  # a switch of spaces leaves the old model behind
        info.labels(role, provider, model).set(1)

    def watch_server(self, role: ServerRole, backend: object) -> None:
        """Where this back-end calls a server, read its queue at each scrape."""
        if isinstance(backend, Gated):
            limiter = backend.limiter
            self._gauges["chartwell_server_requests_in_flight"].labels(role).set_function(
                lambda: limiter.in_flight
            )
            self._gauges["chartwell_server_requests_waiting"].labels(role).set_function(
                lambda: limiter.waiting
            )
            self._gauges["chartwell_server_requests_limit"].labels(role).set_function(lambda: limiter.limit)

    # --- ingestion

    def notes(self, outcome: str, number: int) -> None:
        self._counters["chartwell_ingestion_notes_total"].labels(outcome).inc(number)

    def passages(self, vectors: str, number: int) -> None:
        self._counters["chartwell_ingestion_passages_total"].labels(vectors).inc(number)

    def batch_stored(self) -> None:
        self._counters["chartwell_ingestion_batches_total"].inc()

    def notes_waiting(self, number: int) -> None:
        self._gauges["chartwell_ingestion_notes_waiting"].set(number)

    def run_began(self) -> None:
        self._gauges["chartwell_ingestion_running"].set(1)

    def run_ended(self, outcome: str) -> None:
        self._gauges["chartwell_ingestion_running"].set(0)
        self._counters["chartwell_ingestion_runs_total"].labels(outcome).inc()
        self._gauges["chartwell_ingestion_last_end_timestamp_seconds"].labels(outcome).set(time.time())

    # --- the service

    def questions_waiting(self, number: Callable[[], int]) -> None:
        """Asked at each scrape."""
        self._gauges["chartwell_questions_waiting"].set_function(number)

    def watch_readiness(self, known: Callable[[], Mapping[str, bool]]) -> None:
        """Asked at each scrape for what is known of each dependency; one that is left out has no series."""
        self.add(_Ready(self._gauges["chartwell_ready"], known))

    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route`: the template that matched, "unrouted" for none; never the address that was asked for."""
        method = method if method in METHODS else "other"
        self._counters["chartwell_http_requests_total"].labels(method, route, str(status)).inc()
        self._histograms["chartwell_http_request_duration_seconds"].labels(route).observe(seconds)

    def add(self, collector: Collector) -> None:
        """Metrics that another process counted, perhaps under the same names, shown with ours."""
        self._others.append(collector)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format, whose content type is `CONTENT_TYPE`."""
        return generate_latest(self._together())

    def samples(self) -> Iterator[Sample]:
        """Every sample as it is now."""
        for family in self._together().collect():
            yield from family.samples

    def _together(self) -> Together:
        return Together([*self._others, self.registry])

    @contextmanager
    def _under_way(self, name: str) -> Iterator[None]:
        gauge = self._gauges[name]
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()
