"""One fault at a time on a host that is healthy otherwise: each has to be found, named and given its cure, and nothing
else may fail because of it.

`python -m tests.planted_faults` shows the healthy host's report and then every fault; names on the command line choose
some. The suite runs all of them, on a faster host.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.checks.result import CheckResult, Report
from pipeline.monitoring.probes import gpu
from pipeline.monitoring.samples import Gpus
from pipeline.validate import print_report
from tests.servers.nim_models import CHAT
from tests.simulated_host import CHRONYC, REAL_SPEED, SimulatedHost, simulated_host, space

HEALTHY_SECONDS_MAX = 10.0
Plant = Callable[[SimulatedHost], AbstractContextManager[None]]


@dataclass(frozen=True)
class PlantedFault:
    """What is broken, and what has to come of it."""

    name: str
    plant: Plant
    found_by: str
    code: str
    says: str
    """Part of the finding."""
    cure: str
    """Part of the remedy."""
    cured_by: Callable[[SimulatedHost], None] | None = None
    """The remedy as a command of ours, where it is one."""


# --- machine


@contextmanager
def no_gpu(host: SimulatedHost) -> Iterator[None]:
    host.gpus = Gpus("580.95.05", ())
    yield


@contextmanager
def driver_mismatch(host: SimulatedHost) -> Iterator[None]:
    host.gpus = gpu.FAULTS["LibRmVersionMismatch"]
    yield


@contextmanager
def disk_nearly_full(host: SimulatedHost) -> Iterator[None]:
    host.statvfs = space(0.02)
    yield


@contextmanager
def clock_off(host: SimulatedHost) -> Iterator[None]:
    host.program("chronyc", CHRONYC.format(offset="412.608113000"))
    yield


@contextmanager
def certificate_expired(host: SimulatedHost) -> Iterator[None]:
    host.service.present("expired")
    yield


# --- store


@contextmanager
def iris_down(host: SimulatedHost) -> Iterator[None]:
    host.iris.kill()
    try:
        yield
    finally:
        host.iris.start()


@contextmanager
def wrong_password(host: SimulatedHost) -> Iterator[None]:
    host.changes["CHARTWELL_IRIS__PASSWORD"] = "last-year's"
    yield


@contextmanager
def table_missing(host: SimulatedHost) -> Iterator[None]:
    host.sql("DROP TABLE DEMO.ClinicalNoteText")
    yield


@contextmanager
def index_unused(host: SimulatedHost) -> Iterator[None]:
    host.sql("DROP INDEX EmbeddingNearest ON DEMO.ClinicalNoteVectors")
    yield


@contextmanager
def ledger_behind(host: SimulatedHost) -> Iterator[None]:
    """As after restoring the ledger's file from a copy that is older than the store."""
    path = host.volume / "app" / "state" / "ledger.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        ledger.execute("DELETE FROM VectorizationState WHERE ResourceID >= 'note-020'")
        ledger.commit()
    yield


def index_again(host: SimulatedHost) -> None:
    host.vectorize("notes", str(host.folder / "notes.jsonl"))


# --- models


@contextmanager
def wrong_width(host: SimulatedHost) -> Iterator[None]:
    with _fault(host.embedding.control, wrong_width=768):
        yield


@contextmanager
def nim_loading(host: SimulatedHost) -> Iterator[None]:
    with _fault(host.llm.control, loading_until=time.monotonic() + 3600):
        yield


@contextmanager
def nim_gone(host: SimulatedHost) -> Iterator[None]:
    with _fault(host.llm.control, gone={CHAT: "2026-08-25"}):
        yield


@contextmanager
def wrong_model(host: SimulatedHost) -> Iterator[None]:
    host.changes["CHARTWELL_GENERATOR__MODEL"] = "meta/llama-3.1-70b-instruct"
    yield


@contextmanager
def slow_answers(host: SimulatedHost) -> Iterator[None]:
    host.changes["CHARTWELL_CHECKS__ANSWER_SECONDS_MAX"] = "0.5"
    with _fault(host.llm.control, slow_seconds=0.7):
        yield


@contextmanager
def _fault(control: Callable[..., object], **change: object) -> Iterator[None]:
    control("faults", change)
    try:
        yield
    finally:
        defaults: dict[str, object] = {
            "wrong_width": 0,
            "loading_until": 0.0,
            "gone": {},
            "slow_seconds": 0.0,
        }
        control("faults", {name: defaults[name] for name in change})


FAULTS = (
    PlantedFault(
        "no GPU", no_gpu, "gpu_check", "CW-CHECK-GPU", "finds no GPU", "stop and start of the instance"
    ),
    PlantedFault(
        "driver mismatch",
        driver_mismatch,
        "gpu_check",
        "CW-CHECK-GPU",
        "does not fit its kernel module",
        "restart the host",
    ),
    PlantedFault(
        "IRIS down",
        iris_down,
        "iris_connection_check",
        "CW-STORE-UNAVAILABLE",
        "does not answer",
        "that IRIS runs",
    ),
    PlantedFault(
        "wrong password",
        wrong_password,
        "iris_connection_check",
        "CW-STORE-ACCESS",
        "refuses this user, password",
        "CHARTWELL_IRIS__PASSWORD",
    ),
    PlantedFault(
        "table missing",
        table_missing,
        "iris_tables_check",
        "CW-STORE-SCHEMA",
        "ClinicalNoteText",
        "pipeline.vectorize verify --repair",
        lambda host: host.vectorize("verify", "--repair"),
    ),
    PlantedFault(
        "wrong width",
        wrong_width,
        "embedding_check",
        "CW-PROVIDER-RESPONSE",
        "768 dimensions, and this space has 1024",
        "CHARTWELL_EMBEDDER__URL",
    ),
    PlantedFault(
        "index unused",
        index_unused,
        "iris_search_check",
        "CW-CHECK-INDEX",
        "compares every vector",
        "pipeline.vectorize optimise",
        lambda host: host.vectorize("optimise"),
    ),
    PlantedFault(
        "NIM loading",
        nim_loading,
        "nim_llm_health_check",
        "CW-PROVIDER-OVERLOADED",
        "still loading",
        "docker logs --tail 50 nim-llm",
    ),
    PlantedFault(
        "NIM gone 410",
        nim_gone,
        "nim_llm_inference_test",
        "CW-PROVIDER-GONE",
        "has ended meta/llama-3.1-8b-instruct",
        "Run the model's container yourself",
    ),
    PlantedFault(
        "wrong model",
        wrong_model,
        "nim_llm_health_check",
        "CW-PROVIDER-NOT-FOUND",
        "does not serve meta/llama-3.1-70b-instruct",
        "CHARTWELL_GENERATOR__MODEL",
    ),
    PlantedFault(
        "disk 98 %", disk_nearly_full, "disk_check", "CW-CHECK-DISK", "98 % of its space", "volumeSizeGb"
    ),
    PlantedFault("clock off", clock_off, "clock_check", "CW-CHECK-CLOCK", "off by 413 s", "chronyc makestep"),
    PlantedFault(
        "ledger behind the store",
        ledger_behind,
        "ledger_check",
        "CW-CHECK-LEDGER",
        "The ledger is behind the store: 4 notes",
        "pipeline.vectorize notes",
        index_again,
    ),
    PlantedFault(
        "certificate expired",
        certificate_expired,
        "certificate_check",
        "CW-CHECK-CERTIFICATE",
        "has expired on 2026-01-31",
        "Renew it",
    ),
    PlantedFault(
        "slow answers",
        slow_answers,
        "nim_llm_inference_test",
        "CW-CHECK-SLOW",
        "0.5 s are allowed",
        "gpu_check",
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What one planted fault came to."""

    fault: PlantedFault
    report: Report
    after: Report
    """Of the same host once the fault was taken away, by its own cure where that is a command."""

    @property
    def found(self) -> CheckResult:
        return self.report.result(self.fault.found_by)

    def problems(self) -> list[str]:
        """Everything that is not as it should be; empty where the fault was found, named, cured, and alone."""
        found, fault = self.found, self.fault
        named = f"{found.status} {found.code}"
        problems = [] if named == f"fail {fault.code}" else [f"{fault.found_by}: {named}"]
        problems += [] if fault.says in found.reason else [f"does not say {fault.says!r}: {found.reason}"]
        problems += [] if fault.cure in (found.remedy or "") else [f"no cure {fault.cure!r}: {found.remedy}"]
        for other in self.report.results:
            if other.name == found.name or other.status in ("pass", "skip"):
                continue
            problems.append(f"{other.message} ({other.status}) because of it")
        problems += [
            f"{other.name} is skipped without its cause"
            for other in self.report.of("skip")
            if other.because_of not in (None, fault.found_by)
        ]
        return problems + [f"afterwards: {left.message}" for left in self.after.of("fail")]

    @property
    def not_tried(self) -> list[str]:
        return [each.name for each in self.report.results if each.because_of]


def run(fault: PlantedFault, host: SimulatedHost) -> Outcome:
    """Plant it, check, take it away, check again."""
    with fault.plant(host):
        report = host.validate()
    if fault.cured_by is not None:
        fault.cured_by(host)
    host.heal()
    return Outcome(fault, report, host.validate())


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.planted_faults", description=(__doc__ or "").partition("\n")[0]
    )
    names = [fault.name for fault in FAULTS]
    parser.add_argument(
        "faults", nargs="*", metavar="FAULT", help=f"of: {', '.join(names)}; all, where none is"
    )
    options = parser.parse_args()
    sound = True
    with (
        tempfile.TemporaryDirectory() as name,
        simulated_host(Path(name).resolve(), REAL_SPEED) as host,
    ):
        healthy = host.validate()
        print_report(healthy)
        sound = healthy.verdict == "pass" and healthy.seconds < HEALTHY_SECONDS_MAX
        outcomes = [
            run(fault, host) for fault in FAULTS if not options.faults or fault.name in options.faults
        ]
    print()
    Console(width=170, highlight=False).print(_table(outcomes))
    for outcome in outcomes:
        for problem in outcome.problems():
            sound = False
            print(f"{outcome.fault.name}: {problem}")
    print(
        f"{sum(not each.problems() for each in outcomes)} of {len(outcomes)} faults found, named, and alone"
    )
    return 0 if sound else 1


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0))
    for title in ("fault", "found by", "it says", "what to do", "not tried, naming it", "seconds"):
        table.add_column(title, overflow="fold", justify="right" if title == "seconds" else "left")
    for outcome in outcomes:
        found = outcome.found
        table.add_row(
            outcome.fault.name,
            f"{found.name}\n{found.status} {found.code}",
            found.reason,
            found.remedy or "",
            "\n".join(outcome.not_tried),
            f"{outcome.report.seconds:.1f}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
