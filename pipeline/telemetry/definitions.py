"""Every metric there is: its name, its labels with all their values, and what it means.

Names follow Prometheus: base units (seconds, bytes, dollars), `_total` for what only grows. A label has a closed set
of values, so the number of series is bounded whatever happens; `series_max` says by how many. This module needs no
library: `docs/metrics.md` is generated from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from pipeline.errors import ChartwellError
from pipeline.records import Ending

MetricKind = Literal["counter", "gauge", "histogram"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
SIMILARITIES = (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9)
COUNTS = (0, 1, 2, 3, 5, 8, 10, 15, 20, 50)

STAGES = ("embed", "search", "rank", "prompt", "generate", "verify", "vision")
OUTCOMES = ("answered", "nothing_relevant", "no_answer", "failed", "abandoned")
REASONS = {
    "nothing_relevant": (
        "no_documents",
        "filters_match_nothing",
        "below_floor",
        "name_not_found",
        "which_patient",
        "not_stated",
        "generator_abstained",
    ),
    "no_answer": ("nothing_verified", "cut_off", "filtered", "refused", "tool_call", "thought_only", "empty"),
}
"""Why there is no answer, by outcome."""
ENDINGS = get_args(Ending)
STORE_OPERATIONS = (
    *(
        "search_vector",
        "search_words",
        "hits",
        "document",
        "vectors",
        "upsert",
        "delete",
        "counts",
        "optimise",
    ),
)
NOTE_OUTCOMES = ("embedded", "unchanged", "duplicate", "rejected", "failed", "pruned", "withdrawn")
RUN_OUTCOMES = ("finished", "interrupted", "failed")
GUARDS = ("citation",)
"""Guards that judge; each new one adds its name here."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other")

ROUTES_MAX = 100
"""Route templates of the service; a request that matches none counts as "unrouted"."""
STATUSES = 20
"""Status codes that the service really answers with."""


def code_of(error: BaseException) -> str:
    """What a label may say of an error: its code, never its message."""
    return type(error).code if isinstance(error, ChartwellError) else "unexpected"


@dataclass(frozen=True, slots=True)
class Label:
    """`values`: all of them; or none, where they come from the program's own tables, of which `of` and `most` tell."""

    values: tuple[str, ...] = ()
    of: str = ""
    most: int = 0

    @property
    def size(self) -> int:
        return len(self.values) or self.most


@dataclass(frozen=True, slots=True)
class Definition:
    name: str
    kind: MetricKind
    help: str
    labels: Mapping[str, Label] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()
    group: str = ""

    @property
    def series_max(self) -> int:
        """Time series at most: every combination of labels; for a histogram with its buckets, sum and count."""
        each = len(self.buckets) + 3 if self.kind == "histogram" else 1
        return each * math.prod(label.size for label in self.labels.values())


ERROR_OR_OK = Label(of='"ok" or an error code', most=80)
_STAGE = Label(STAGES)
_KIND = Label(("query", "passage"))
_ROLE = Label(("embedder", "generator"))

_ANSWERING = (
    Definition(
        "chartwell_questions_total",
        "counter",
        "Questions by how they ended. A failed question's reason is the error's code.",
        {
            "outcome": Label(OUTCOMES),
            "reason": Label(of="none, why there is no answer, or an error code", most=95),
        },
    ),
    Definition(
        "chartwell_answer_endings_total",
        "counter",
        "Answers by how the model's answer ended; all but complete, abstained and not_asked are not whole.",
        {"ending": Label(ENDINGS)},
    ),
    Definition("chartwell_questions_in_progress", "gauge", "Questions that are being answered now."),
    Definition(
        "chartwell_question_duration_seconds",
        "histogram",
        "From question to finished answer, time spent on a slow reader of the stream included.",
        {"outcome": Label(OUTCOMES[:3])},
        SECONDS,
    ),
    Definition(
        "chartwell_question_stage_duration_seconds",
        "histogram",
        "Time of one question in one stage.",
        {"stage": _STAGE},
        SECONDS,
    ),
    Definition(
        "chartwell_question_first_statement_seconds",
        "histogram",
        "From question to the first verified statement: what a person waits before reading.",
        buckets=SECONDS,
    ),
    Definition(
        "chartwell_question_passages",
        "histogram",
        "Passages handed to the generator.",
        buckets=COUNTS,
    ),
    Definition(
        "chartwell_question_best_similarity",
        "histogram",
        "Cosine of the closest passage handed to the generator. Where its median drifts, questions or notes do.",
        buckets=SIMILARITIES,
    ),
    Definition(
        "chartwell_guard_verdicts_total",
        "counter",
        "Statements judged before anybody saw them; withheld: the cited passage does not carry it.",
        {"guard": Label(GUARDS), "verdict": Label(("passed", "withheld"))},
    ),
    Definition(
        "chartwell_generator_tokens_total",
        "counter",
        "Tokens as the generator's server counted them; a generator without a server counts none.",
        {"type": Label(("input", "output"))},
    ),
    Definition(
        "chartwell_question_cost_dollars_total",
        "counter",
        "US dollars that answers added to a bill: the tokens of a hosted generator, 0 for one on the host, whose"
        " hours are paid anyway; nothing is added where the price is not known (CHARTWELL_COST__*).",
    ),
)
_MODELS = (
    Definition(
        "chartwell_embedder_requests_total",
        "counter",
        "Calls of the embedder.",
        {"kind": _KIND, "outcome": ERROR_OR_OK},
    ),
    Definition(
        "chartwell_embedder_request_duration_seconds",
        "histogram",
        "Time of one call of the embedder, waiting for the server's capacity and further attempts included.",
        {"kind": _KIND},
        SECONDS,
    ),
    Definition("chartwell_embedder_texts_total", "counter", "Texts embedded.", {"kind": _KIND}),
    Definition("chartwell_embedder_requests_in_flight", "gauge", "Calls of the embedder in flight."),
    Definition(
        "chartwell_generator_requests_total",
        "counter",
        'Drafts asked of the generator; "abandoned": the reader left, and the request was cancelled.',
        {"outcome": Label(of='"ok", "abandoned" or an error code', most=80)},
    ),
    Definition(
        "chartwell_generator_request_duration_seconds",
        "histogram",
        "From the request to the end of the draft.",
        buckets=SECONDS,
    ),
    Definition(
        "chartwell_generator_first_piece_seconds",
        "histogram",
        "From the request to the first piece of the draft (time to first token).",
        buckets=SECONDS,
    ),
    Definition("chartwell_generator_requests_in_flight", "gauge", "Drafts in flight."),
    Definition(
        "chartwell_server_requests_in_flight",
        "gauge",
        "Requests on the wire to a model server, of this process.",
        {"role": _ROLE},
    ),
    Definition(
        "chartwell_server_requests_waiting",
        "gauge",
        "Requests of this process that wait for their turn at a model server.",
        {"role": _ROLE},
    ),
    Definition(
        "chartwell_server_requests_limit",
        "gauge",
        "Requests in flight that this process allows itself now; found by watching the server.",
        {"role": _ROLE},
    ),
    Definition(
        "chartwell_model_info",
        "gauge",
        "Always 1; the models in use.",
        {
            "role": _ROLE,
            "provider": Label(("local", "hashing", "extractive", "gguf", "nim", "openai", "bedrock")),
            "model": Label(of="model id of the settings", most=2),
        },
    ),
)
_STORE = (
    Definition(
        "chartwell_store_operations_total",
        "counter",
        "Calls of the store.",
        {"operation": Label(STORE_OPERATIONS), "outcome": ERROR_OR_OK},
    ),
    Definition(
        "chartwell_store_operation_duration_seconds",
        "histogram",
        "Time of one call of the store.",
        {"operation": Label(STORE_OPERATIONS)},
        SECONDS,
    ),
)
_INGESTION = (
    Definition(
        "chartwell_ingestion_notes_total",
        "counter",
        "Records read, by what became of them; embedded: embedded and stored.",
        {"outcome": Label(NOTE_OUTCOMES)},
    ),
    Definition(
        "chartwell_ingestion_passages_total",
        "counter",
        "Passages stored; reused: their vector was there already, and cost no embedding.",
        {"vectors": Label(("embedded", "reused"))},
    ),
    Definition("chartwell_ingestion_batches_total", "counter", "Batches stored."),
    Definition("chartwell_ingestion_notes_waiting", "gauge", "Notes in the ledger that wait to be embedded."),
    Definition("chartwell_ingestion_running", "gauge", "1 while a run is in progress."),
    Definition(
        "chartwell_ingestion_runs_total",
        "counter",
        "Runs by how they ended.",
        {"outcome": Label(RUN_OUTCOMES)},
    ),
    Definition(
        "chartwell_ingestion_last_end_timestamp_seconds",
        "gauge",
        "When the last run ended that way, seconds since 1970.",
        {"outcome": Label(RUN_OUTCOMES)},
    ),
)
_SERVICE = (
    Definition(
        "chartwell_http_requests_total",
        "counter",
        "Requests to the service. The route is its template, never the address that was asked for.",
        {
            "method": Label(METHODS),
            "route": Label(of='route template or "unrouted"', most=ROUTES_MAX),
            "status": Label(of="status code", most=STATUSES),
        },
    ),
    Definition(
        "chartwell_http_request_duration_seconds",
        "histogram",
        "From the request to the last byte of its answer; of a stream that is the whole stream.",
        {"route": Label(of='route template or "unrouted"', most=ROUTES_MAX)},
        SECONDS,
    ),
    Definition(
        "chartwell_questions_waiting", "gauge", "Questions that wait for a place among those being answered."
    ),
    Definition(
        "chartwell_ready",
        "gauge",
        "1 where the dependency worked when the service last looked, 0 where it did not; absent where that was "
        "more than five minutes ago.",
        {"dependency": Label(of="part of `/readyz`", most=10)},
    ),
    Definition(
        "chartwell_build_info", "gauge", "Always 1.", {"version": Label(of="version of Chartwell", most=1)}
    ),
)
GROUPS: Mapping[str, tuple[Definition, ...]] = {
    "Answering": _ANSWERING,
    "Models": _MODELS,
    "Store": _STORE,
    "Ingestion": _INGESTION,
    "Service": _SERVICE,
}


_CARD = {"gpu": Label(of="number of the card", most=16)}
_SERVER = {"service": Label(of="embedder, generator and the others of the settings", most=8)}
_CONTAINER = {"container": Label(of="name of the container", most=50)}
_DISK = {"path": Label(of="mount point", most=8)}
MONITOR = (
    Definition("chartwell_monitor_look_seconds", "gauge", "How long the last look took."),
    Definition("chartwell_monitor_lost_samples_total", "counter", "Samples that could not be kept."),
    Definition("chartwell_monitor_clock_step_seconds", "gauge", "How far the clock jumped."),
    Definition(
        "chartwell_monitor_missing",
        "gauge",
        "1 where a probe has no reading.",
        {"probe": Label(("gpus", "containers", "store", "work", "asked", "host"))},
    ),
    Definition("chartwell_gpu_utilisation_ratio", "gauge", "Share of time in which any kernel ran.", _CARD),
    Definition(
        "chartwell_gpu_dram_active_ratio",
        "gauge",
        "Share of cycles in which memory was busy (DCGM).",
        _CARD,
    ),
    Definition(
        "chartwell_gpu_tensor_active_ratio",
        "gauge",
        "Share of cycles in which tensor cores worked (DCGM).",
        _CARD,
    ),
    Definition("chartwell_gpu_memory_used_bytes", "gauge", "Memory in use.", _CARD),
    Definition("chartwell_gpu_memory_total_bytes", "gauge", "Memory of the card.", _CARD),
    Definition("chartwell_gpu_power_watts", "gauge", "Power drawn.", _CARD),
    Definition("chartwell_gpu_temperature_celsius", "gauge", "Temperature of the card.", _CARD),
    Definition("chartwell_gpu_fault", "gauge", "1 where a card does not answer.", _CARD),
    Definition(
        "chartwell_service_up", "gauge", "1 where a server answered a short call as it should.", _SERVER
    ),
    Definition("chartwell_service_answer_seconds", "gauge", "How long that call took.", _SERVER),
    Definition("chartwell_model_requests_running", "gauge", "Requests that a model works on.", _SERVER),
    Definition("chartwell_model_requests_waiting", "gauge", "Requests that wait for a model.", _SERVER),
    Definition("chartwell_model_cache_used_ratio", "gauge", "KV cache in use.", _SERVER),
    Definition("chartwell_container_running", "gauge", "1 where the container runs.", _CONTAINER),
    Definition(
        "chartwell_container_killed_for_memory", "gauge", "1 where its last end was for memory.", _CONTAINER
    ),
    Definition(
        "chartwell_container_restarts_total",
        "counter",
        "Restarts by Docker since it was made.",
        _CONTAINER,
    ),
    Definition("chartwell_store_notes", "gauge", "Notes in the store."),
    Definition("chartwell_store_chunks", "gauge", "Passages in the store."),
    Definition(
        "chartwell_store_bytes", "gauge", "Size of the store.", {"part": Label(("files", "database"))}
    ),
    Definition(
        "chartwell_ledger_notes",
        "gauge",
        "Notes in the ledger.",
        {"state": Label(("pending", "processing", "completed", "failed"))},
    ),
    Definition("chartwell_host_cpu_ratio", "gauge", "Processors in use."),
    Definition("chartwell_host_memory_used_bytes", "gauge", "Memory that programs hold."),
    Definition("chartwell_host_memory_total_bytes", "gauge", "Memory of the host."),
    Definition("chartwell_disk_used_bytes", "gauge", "Disk in use.", _DISK),
    Definition("chartwell_disk_total_bytes", "gauge", "Size of the disk as df counts.", _DISK),
    Definition(
        "chartwell_cost",
        "gauge",
        "Figures of pipeline.cost; the unit is a label.",
        {
            "figure": Label(of="as `python -m pipeline.cost --json` names them", most=20),
            "unit": Label(("USD", "USD/hour", "hours", "ratio", "questions", "notes")),
        },
    ),
)
"""What the monitor makes of its last sample: shown by its own process, counted by none. A reading that is not there is
absent."""


def definitions() -> Iterator[Definition]:
    """What a process of ours counts."""
    for group in GROUPS.values():
        yield from group


def reference() -> str:
    """The text of `docs/metrics.md`."""
    lines = [
        "# Metrics",
        "",
        "Generated from `pipeline/telemetry/definitions.py` by `make docs`. How they are collected, and what alerts on",
        "them: [monitoring.md](monitoring.md).",
        "",
        "No label ever holds a patient, a note, a person or a text. Each has a closed set of values; the last column",
        "is the number of time series that a metric can have at most, buckets included.",
    ]
    for title, group in GROUPS.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| metric | type | labels | meaning | series |",
            "|---|---|---|---|---|",
        ]
        for each in group:
            row = f"| `{each.name}` | {each.kind} | {_labels(each)} | {each.help} | {each.series_max:,} |"
            lines.append(row)
    total = sum(each.series_max for each in definitions())
    lines += [
        "",
        f"Together {total:,} series at the very most; a running service has some hundreds. Next to them stand the",
        "process's own (`process_cpu_seconds_total`, `process_resident_memory_bytes` and their kin), and metrics that",
        "an indexing run wrote carry the label `worker`, 1 to 8, besides.",
        "",
        "## Monitor",
        "",
        "What `python -m pipeline.monitor` samples; on a port or in a file, see [monitoring.md](monitoring.md).",
        "A reading that is not there is absent.",
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
        *(f"| `{each.name}` | {each.kind} | {_labels(each)} | {each.help} |" for each in MONITOR),
    ]
    return "\n".join(lines) + "\n"


def _labels(each: Definition) -> str:
    return "; ".join(f"`{name}`: {_values(label)}" for name, label in each.labels.items())


def _values(label: Label) -> str:
    return ", ".join(label.values) if label.values else label.of
