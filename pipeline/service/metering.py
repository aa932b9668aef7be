"""What is counted about the service itself: requests, places, jobs' readiness. Never a word of anybody's.

One registry an application, nothing global. Labels have closed sets of values: routes by their template.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.service.asking import AnswerDesk, Asked, Outcome
from pipeline.service.readiness import Readiness

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Meter:
    """The numbers of one service. Safe to share between threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "chartwell_http_requests",
            "Requests by method, route and status; 499: the client left first.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "chartwell_http_request_seconds",
            "From the first byte of a request to the last of its response, a stream's reading included.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._endings = Counter(
            "chartwell_answers", "Questions by what became of them.", ("ending",), registry=self.registry
        )
        self._stages = Histogram(
            "chartwell_answer_stage_seconds",
            "Time of an answer by stage.",
            ("stage",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._running = Gauge("chartwell_answers_running", "Answers being worked on.", registry=self.registry)
        self._waiting = Gauge(
            "chartwell_answers_waiting", "Questions waiting for a place.", registry=self.registry
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def question_ended(self, asked: Asked, outcome: Outcome) -> None:
        self._endings.labels(outcome.ending).inc()
        if outcome.answer is not None:
            for stage, seconds in outcome.answer.seconds.items():
                self._stages.labels(stage).observe(seconds)

    def watch(self, desk: AnswerDesk, readiness: Readiness) -> None:
        """Ask these at each scrape."""
        self._running.set_function(lambda: desk.running)
        self._waiting.set_function(lambda: desk.waiting)
        self.registry.register(_Ready(readiness))

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Ready(Collector):
    """What readiness last found. A scrape asks nothing anew."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "chartwell_ready", "1 where the dependency worked.", labels=("dependency",)
        )
        for finding in self._readiness.known():
            family.add_metric((finding.name,), float(finding.ready))
        yield family
