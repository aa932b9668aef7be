"""A few of the metrics as log lines in CloudWatch's embedded metric format, for accounts without a Prometheus.

One line a minute on standard error, which the journal takes and the host's log shipper sends as it is; CloudWatch makes
metrics of it. Each metric costs money there every month, so these are the ones that alarms and a first look need.
Growing ones are sent as what they grew since the line before.
Format: "CloudWatch embedded metric format specification" in the CloudWatch user guide.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from pipeline.logs import LOGGER, fault_fields
from pipeline.telemetry.metrics import Metrics

NAMESPACE = "Chartwell"


@dataclass(frozen=True, slots=True)
class Sent:
    """A metric of CloudWatch: the sum of those samples of ours whose labels are these."""

    name: str
    unit: str
    sample: str
    labels: Mapping[str, str]
    grows: bool = True


SENT = (
    Sent("QuestionsAnswered", "Count", "chartwell_questions_total", {"outcome": "answered"}),
    Sent("QuestionsNothingRelevant", "Count", "chartwell_questions_total", {"outcome": "nothing_relevant"}),
    Sent("QuestionsNoAnswer", "Count", "chartwell_questions_total", {"outcome": "no_answer"}),
    Sent("QuestionsFailed", "Count", "chartwell_questions_total", {"outcome": "failed"}),
    Sent("QuestionSeconds", "Seconds", "chartwell_question_duration_seconds_sum", {}),
    Sent("StatementsWithheld", "Count", "chartwell_guard_verdicts_total", {"verdict": "withheld"}),
    Sent("NotesEmbedded", "Count", "chartwell_ingestion_notes_total", {"outcome": "embedded"}),
    Sent("NotesFailed", "Count", "chartwell_ingestion_notes_total", {"outcome": "failed"}),
    Sent("NotesWaiting", "Count", "chartwell_ingestion_notes_waiting", {}, grows=False),
    Sent("ServerRequestsWaiting", "Count", "chartwell_server_requests_waiting", {}, grows=False),
    Sent("CostDollars", "None", "chartwell_question_cost_dollars_total", {}),
)


@contextmanager
def emit_periodically(metrics: Metrics, seconds: float, out: TextIO | None = None) -> Iterator[None]:
    """Write a line every so many seconds while inside, and one at the end."""
    lines = EmbeddedMetrics(metrics)
    ended = threading.Event()

    def write() -> None:
        stream = out or sys.stderr
        try:
            stream.write(lines.line() + "\n")
            stream.flush()
        except Exception as error:  # noqa: BLE001  logged by its class: the next line may be written, the work goes on
            LOGGER.warning("metrics cannot be written", extra=fault_fields(error))

    def keep_writing() -> None:
        while not ended.wait(seconds):
            write()

    thread = threading.Thread(target=keep_writing, name="emf", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        write()


class EmbeddedMetrics:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._before = self._now()

    def line(self, timestamp: float | None = None) -> str:
        """One log event: what grew since the last, and what is. `timestamp`: seconds since 1970."""
        now = self._now()
        values = {
            each.name: now[each.name] - (self._before[each.name] if each.grows else 0.0) for each in SENT
        }
        self._before = now
        described = {
            "Namespace": NAMESPACE,
            "Dimensions": [["Service"]],
            "Metrics": [{"Name": each.name, "Unit": each.unit} for each in SENT],
        }
        milliseconds = int(1000 * (time.time() if timestamp is None else timestamp))
        event = {
            "_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [described]},
            "Service": "chartwell",
        }
        return json.dumps(event | values)

    def _now(self) -> dict[str, float]:
        samples = list(self._metrics.samples())
        return {
            each.name: sum(
                sample.value
                for sample in samples
                if sample.name == each.sample and each.labels.items() <= sample.labels.items()
            )
            for each in SENT
        }
