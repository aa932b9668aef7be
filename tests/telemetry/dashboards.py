"""The Grafana dashboards, written down once: `make docs` makes their JSON from this.

Decides what a panel shows and where. Knows Grafana's dashboard model as far as these panels need it; whether it is
right is checked against Grafana's own models (tests/telemetry/test_dashboards.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
RATE = "$__rate_interval"
CARD = "a card that NVML sees"
DCGM = "DCGM (dcgm-exporter or dcgmi)"
"""What a panel needs that not every host has."""


@dataclass(frozen=True)
class Query:
    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    title: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: str = "timeseries"
    about: str = ""
    width: int = 8
    height: int = 8
    stacked: bool = False
    most: float | None = None
    steps: Sequence[tuple[str, float | None]] = ()
    """Colours from a value on; the first has None."""
    needs: str = ""


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    about: str
    panels: Sequence[Panel]
    tags: Sequence[str] = field(default=("chartwell",))


def q(expr: str, legend: str = "") -> Query:
    return Query(" ".join(expr.split()), legend)


def stat(title: str, expr: str, unit: str = "short", **more: Any) -> Panel:
    return Panel(title, [q(expr)], unit, kind="stat", width=more.pop("width", 4), height=4, **more)


GOOD_BAD = (("green", None), ("orange", 0.02), ("red", 0.05))

OPERATIONS = Dashboard(
    "chartwell-operations",
    "Chartwell operations",
    "Is it up, is it fast, does anything fail, does anything wait.",
    [
        stat("Service", 'min(up{job="chartwell"})', steps=(("red", None), ("green", 1)), about="1: answers."),
        stat("Questions a minute", f"60 * sum(rate(chartwell_questions_total[{RATE}]))"),
        stat("Answer time, p95", "chartwell:question_duration_seconds:p95_5m", "s"),
        stat("Questions failing", "chartwell:questions_failed:ratio_rate5m", "percentunit", steps=GOOD_BAD),
        stat("In progress", "sum(chartwell_questions_in_progress)"),
        stat("Waiting", "sum(chartwell_questions_waiting)", steps=(("green", None), ("orange", 1))),
        Panel("Questions by outcome", [q("60 * chartwell:questions:rate5m", "{{outcome}}")], "cpm", stacked=True),
        Panel(
            "Answer time",
            [
                q("chartwell:question_duration_seconds:p50_5m", "p50"),
                q("chartwell:question_duration_seconds:p95_5m", "p95"),
                q("chartwell:question_first_statement_seconds:p95_5m", "first statement, p95"),
            ],
            "s",
        ),
        Panel(
            "Mean time by stage",
            [q("chartwell:question_stage_duration_seconds:mean5m", "{{stage}}")],
            "s",
            stacked=True,
            about="Where the time of a question goes.",
        ),
        Panel("Time by stage, p95", [q("chartwell:question_stage_duration_seconds:p95_5m", "{{stage}}")], "s"),
        Panel(
            "HTTP by status",
            [q(f"sum by (status) (rate(chartwell_http_requests_total[{RATE}]))", "{{status}}")],
            "reqps",
            stacked=True,
        ),
        Panel(
            "Calls that fail",
            [
                q("chartwell:embedder_errors:ratio_rate5m", "embedder"),
                q("chartwell:generator_errors:ratio_rate5m", "generator"),
                q("chartwell:http_errors:ratio_rate5m", "HTTP 5xx"),
            ],
            "percentunit",
            most=1,
            about="After all attempts: a call that succeeds at the third is none of these.",
        ),
        Panel(
            "Requests at the model servers",
            [
                q("sum by (role) (chartwell_server_requests_in_flight)", "{{role}} in flight"),
                q("sum by (role) (chartwell_server_requests_waiting)", "{{role}} waiting"),
                q("max by (role) (chartwell_server_requests_limit)", "{{role}} limit"),
            ],
        ),
        Panel("Ready", [q("min by (dependency) (chartwell_ready)", "{{dependency}}")], kind="stat", width=8,
              steps=(("red", None), ("green", 1)), about="1: worked when the service last looked."),
        Panel("Store, p95", [q("chartwell:store_operation_duration_seconds:p95_5m", "{{operation}}")], "s"),
        Panel(
            "Model calls, p95",
            [
                q(f"""histogram_quantile(0.95, sum by (le, kind)
                    (rate(chartwell_embedder_request_duration_seconds_bucket[{RATE}])))""", "embedder, {{kind}}"),
                q(f"""histogram_quantile(0.95, sum by (le)
                    (rate(chartwell_generator_request_duration_seconds_bucket[{RATE}])))""", "generator, whole draft"),
                q(f"""histogram_quantile(0.95, sum by (le)
                    (rate(chartwell_generator_first_piece_seconds_bucket[{RATE}])))""", "generator, first piece"),
            ],
            "s",
        ),
        Panel(
            "Notes a minute",
            [q(f"60 * sum by (outcome) (rate(chartwell_ingestion_notes_total[{RATE}]))", "{{outcome}}")],
            "cpm",
            stacked=True,
        ),
        Panel(
            "Notes that wait",
            [
                q("sum(chartwell_ingestion_notes_waiting)", "of the runs in progress"),
                q('sum(chartwell_ledger_notes{state=~"pending|processing"})', "in the ledger"),
            ],
        ),
        Panel(
            "Host",
            [
                q("max(chartwell_host_cpu_ratio)", "processors"),
                q("max(chartwell_host_memory_used_bytes / chartwell_host_memory_total_bytes)", "memory"),
                q("max by (path) (chartwell_disk_used_bytes / chartwell_disk_total_bytes)", "disk {{path}}"),
            ],
            "percentunit",
            most=1,
        ),
    ],
)  # fmt: skip

QUALITY = Dashboard(
    "chartwell-quality",
    "Chartwell quality",
    "Do the notes answer what is asked, and are the answers carried by what they cite. Numbers only, no text.",
    [
        stat("Answered, last hour", """
            sum(increase(chartwell_questions_total{outcome="answered"}[1h]))
            / (sum(increase(chartwell_questions_total{outcome=~"answered|nothing_relevant|no_answer"}[1h])) > 0)""",
             "percentunit", width=6),
        stat("Below the floor, last hour", """
            sum(increase(chartwell_questions_total{reason="below_floor"}[1h]))
            / (sum(increase(chartwell_questions_total{outcome=~"answered|nothing_relevant|no_answer"}[1h])) > 0)""",
             "percentunit", width=6, steps=(("green", None), ("orange", 0.3), ("red", 0.5))),
        stat("Statements withheld, last hour", """
            sum(increase(chartwell_guard_verdicts_total{verdict="withheld"}[1h]))
            / (sum(increase(chartwell_guard_verdicts_total[1h])) > 0)""",
             "percentunit", width=6, steps=(("green", None), ("orange", 0.1), ("red", 0.25))),
        stat("Median best similarity, last day", """
            histogram_quantile(0.5, sum by (le) (rate(chartwell_question_best_similarity_bucket[1d])))""", width=6),
        Panel("Why there was no answer", [
            q(f"""60 * sum by (reason)
                (rate(chartwell_questions_total{{outcome=~"nothing_relevant|no_answer"}}[{RATE}]))""", "{{reason}}"),
        ], "cpm", stacked=True,
              about="below_floor: no passage is similar enough; nothing_verified: no statement's citation held; "
              "cut_off, filtered, refused, tool_call, thought_only, empty: how the model's answer ended."),
        Panel("Statements by verdict", [q(f"""
            60 * sum by (guard, verdict) (rate(chartwell_guard_verdicts_total[{RATE}]))""", "{{guard}} {{verdict}}")],
              "cpm", stacked=True),
        Panel("Best similarity", [
            q(f"""histogram_quantile({share}, sum by (le)
                (rate(chartwell_question_best_similarity_bucket[{RATE}])))""", f"p{int(100 * share)}")
            for share in (0.1, 0.5, 0.9)
        ], most=1, about="Cosine of the closest passage. Drifts where notes or questions change."),
        Panel("Passages handed to the generator", [
            q(f"histogram_quantile(0.5, sum by (le) (rate(chartwell_question_passages_bucket[{RATE}])))", "p50"),
            q(f"histogram_quantile(0.95, sum by (le) (rate(chartwell_question_passages_bucket[{RATE}])))", "p95"),
        ]),
        Panel("Readers who leave", [
            q(f'60 * sum(rate(chartwell_questions_total{{outcome="abandoned"}}[{RATE}]))', "left before the end"),
            q(f'60 * sum(rate(chartwell_questions_total{{outcome="failed"}}[{RATE}]))', "failed"),
        ], "cpm"),
        Panel("What a person waits for", [
            q("chartwell:question_first_statement_seconds:p95_5m", "first statement, p95"),
            q("chartwell:question_duration_seconds:p95_5m", "whole answer, p95"),
        ], "s"),
        Panel("Notes refused", [q("""
            sum by (outcome) (increase(chartwell_ingestion_notes_total{outcome=~"rejected|failed|duplicate"}[1h]))
            """, "{{outcome}}")], about="Within the last hour."),
        Panel("Models in use", [
            q("max by (role, provider, model) (chartwell_model_info)", "{{role}}: {{provider}} {{model}}"),
        ], kind="stat", width=16),
    ],
)  # fmt: skip


def cost(figure: str) -> str:
    return f'max(chartwell_cost{{figure="{figure}"}})'


COST = Dashboard(
    "chartwell-cost",
    "Chartwell cost",
    "What a question and a note cost, and what a pause would save. A figure that is not known is absent, never zero.",
    [
        stat("An hour, running", cost("running_usd_per_hour"), "currencyUSD"),
        stat("An hour of pause saves", cost("pause_saves_usd_per_hour"), "currencyUSD"),
        stat("Spent in the hours watched", cost("spent_usd"), "currencyUSD"),
        stat("A question", cost("usd_per_question"), "currencyUSD",
             about="Host and hosted tokens, at the utilisation of the hours watched."),
        stat("A thousand notes", cost("usd_per_thousand_notes"), "currencyUSD"),
        stat("GPU hours", cost("gpu_hours"), "h", needs=CARD),
        Panel("Hours", [
            q(cost("observed_hours"), "watched"),
            q(cost("indexing_hours"), "indexing"),
            q(cost("idle_hours"), "idle"),
        ], "h"),
        Panel("A pause of the idle hours had saved", [
            q(cost("pause_would_have_saved_usd"), "US dollars"),
        ], "currencyUSD"),
        Panel("Tokens a minute", [
            q(f"60 * sum by (type) (rate(chartwell_generator_tokens_total[{RATE}]))", "{{type}}"),
        ], stacked=True, about="As the generator's server counted them."),
        Panel("Dollars of hosted tokens", [
            q("sum(increase(chartwell_question_cost_dollars_total[1h]))", "in the last hour"),
        ], "currencyUSD", about="0 where the generator runs on the host."),
        Panel("Tokens a question", [
            q(f"""sum by (type) (rate(chartwell_generator_tokens_total[{RATE}]))
                / ignoring (type) group_left () (sum(rate(chartwell_question_duration_seconds_count[{RATE}])) > 0)""",
              "{{type}}"),
        ]),
        Panel("Vectors that were there already", [
            q("chartwell:passages_reused:ratio_rate1h", "passages whose embedding was saved, last hour"),
        ], "percentunit", most=1),
        Panel("Questions and notes", [
            q(cost("questions"), "questions in the hours watched"),
            q(cost("notes"), "notes indexed in them"),
        ]),
        Panel("Store", [q("sum by (part) (chartwell_store_bytes)", "{{part}}")], "bytes"),
        Panel("GPU hours", [q(cost("gpu_hours"), "paid"), q(cost("gpu_busy_hours"), "busy")], "h", needs=CARD),
    ],
)  # fmt: skip

GPU = Dashboard(
    "chartwell-gpu",
    "Chartwell GPU",
    "Whether the cards work, and on what. Utilisation alone says little: judge by DRAM and tensor activity.",
    [
        stat("Cards that answer", "count(chartwell_gpu_fault == 0)", needs=CARD, width=6),
        stat("Utilisation", "avg(chartwell_gpu_utilisation_ratio)", "percentunit", needs=CARD, width=6),
        stat("Memory", "sum(chartwell_gpu_memory_used_bytes) / sum(chartwell_gpu_memory_total_bytes)", "percentunit",
             needs=CARD, width=6, steps=(("green", None), ("orange", 0.9), ("red", 0.97))),
        stat("Power", "sum(chartwell_gpu_power_watts)", "watt", needs=CARD, width=6),
        Panel("Utilisation", [q("chartwell_gpu_utilisation_ratio", "card {{gpu}}")], "percentunit", most=1, needs=CARD,
              about="Share of time in which any kernel ran. One stream of decoding fills it."),
        Panel("DRAM activity", [q("chartwell_gpu_dram_active_ratio", "card {{gpu}}")], "percentunit", most=1,
              needs=DCGM, about="Decoding is bound by memory: so busy does a language model really keep the card."),
        Panel("Tensor activity", [q("chartwell_gpu_tensor_active_ratio", "card {{gpu}}")], "percentunit", most=1,
              needs=DCGM, about="Embedding and reading prompts are bound by arithmetic."),
        Panel("Memory in use", [
            q("chartwell_gpu_memory_used_bytes", "card {{gpu}}"),
            q("chartwell_gpu_memory_total_bytes", "card {{gpu}}, all"),
        ], "bytes", needs=CARD),
        Panel("Power", [q("chartwell_gpu_power_watts", "card {{gpu}}")], "watt", needs=CARD),
        Panel("Temperature", [q("chartwell_gpu_temperature_celsius", "card {{gpu}}")], "celsius", needs=CARD),
        Panel("Requests at the models", [
            q("sum by (service) (chartwell_model_requests_running)", "{{service}} running"),
            q("sum by (service) (chartwell_model_requests_waiting)", "{{service}} waiting"),
        ], about="As the servers count them, everyone's requests together."),
        Panel("KV cache", [
            q("max by (service) (chartwell_model_cache_used_ratio)", "{{service}}"),
        ], "percentunit", most=1),
        Panel("What keeps the cards busy", [
            q(f"60 * sum(rate(chartwell_questions_total[{RATE}]))", "questions a minute"),
            q(f'60 * sum(rate(chartwell_ingestion_notes_total{{outcome="embedded"}}[{RATE}]))', "notes a minute"),
        ], "cpm"),
    ],
)  # fmt: skip

DASHBOARDS = (OPERATIONS, QUALITY, COST, GPU)


def as_json(dashboard: Dashboard) -> str:
    """The file that Grafana loads."""
    return json.dumps(_model(dashboard), indent=2, ensure_ascii=False) + "\n"


def _model(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": list(dashboard.tags),
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [
                {
                    "type": "datasource",
                    "name": "datasource",
                    "label": "Prometheus",
                    "query": "prometheus",
                    "hide": 0,
                    "multi": False,
                    "includeAll": False,
                }
            ]
        },
        "annotations": {"list": []},
        "panels": list(_placed(dashboard.panels)),
    }


def _placed(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Left to right, a new line where the width is used up."""
    placed = []
    x, y, line = 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y, line = 0, y + line, 0
        placed.append(_panel(panel, number, x, y))
        x, line = x + panel.width, max(line, panel.height)
    return placed


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    about = f"{panel.about} Needs {panel.needs}." if panel.needs else panel.about
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.steps:
        steps = [{"color": color, "value": value} for color, value in panel.steps]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 25 if panel.stacked else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": about.strip(),
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                "range": True,
            }
            for at, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "textMode": "value_and_name" if panel.queries[0].legend else "auto",
            "orientation": "auto",
        }
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
