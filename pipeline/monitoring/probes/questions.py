"""How many questions the service answered, out of its own counters.

Decides which counters count. The page of metrics wants an API key with the scope `read-metrics`; without one the
monitor counts receipts where the service's state is on this machine (`pipeline.monitor` hands that probe in).
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.monitoring.probes.http_get import Unreachable, get
from pipeline.monitoring.probes.prometheus_text import samples_of, total
from pipeline.monitoring.samples import Missing, QuestionCounts, reason

SECONDS_MAX = 3.0
QUESTIONS = ("chartwell_questions_total", "chartwell_answers_total")
TOKENS = "chartwell_generator_tokens_total"
"""By `type`: input, output."""


@dataclass(frozen=True, slots=True)
class ServiceCounters:
    """Reads the service's page of metrics with an API key."""

    url: str
    key: str

    def __call__(self) -> QuestionCounts | Missing:
        try:
            page = get(f"{self.url}/metrics", SECONDS_MAX, token=self.key)
        except Unreachable as error:
            return Missing(reason(f"the service's metrics: {error}"))
        if page.status in {401, 403}:
            return Missing("the service's metrics: the key lacks the scope read-metrics, or has ended")
        if page.status != 200:
            return Missing(f"the service's metrics: HTTP {page.status}")
        found = samples_of(page.text)
        questions = total(found, *QUESTIONS)
        tokens = {labels.get("type"): value for labels, value in found.get(TOKENS, ())}
        # A counter with labels appears with its first count: a service that was asked nothing shows none.
        return QuestionCounts(
            questions=int(questions or 0),
            prompt_tokens=int(tokens["input"]) if "input" in tokens else None,
            completion_tokens=int(tokens["output"]) if "output" in tokens else None,
        )
