"""What is counted about the service itself, besides what is counted of the answers. Never a word of anyone's.

A thin layer over the metrics of this process: it knows the queue and the readiness, and where nothing is counted it
does nothing. Labels have closed sets of values: routes by their template.
"""

from __future__ import annotations

from pipeline.service.errors import NotKnown
from pipeline.service.questions.queue import AnswerQueue
from pipeline.service.readiness import Readiness
from pipeline.telemetry.setup import Telemetry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Meter:
    """The numbers of one service. Safe to share between threads."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._metrics = telemetry.metrics

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        if self._metrics is not None:
            self._metrics.request_ended(method, route, status, seconds)

    def watch(self, queue: AnswerQueue, readiness: Readiness) -> None:
        """Ask these at each scrape. A scrape looks at no dependency again."""
        if self._metrics is not None:
            self._metrics.questions_waiting(lambda: queue.waiting)
            self._metrics.watch_readiness(
                lambda: {finding.name: finding.ready for finding in readiness.known()}
            )

    def text(self) -> bytes:
        """Prometheus text format. Raises NotKnown where nothing is counted."""
        if self._metrics is None:
            raise NotKnown("Nothing is counted here.", remedy="Set CHARTWELL_METRICS__ENABLED=true.")
        return self._metrics.exposition()
