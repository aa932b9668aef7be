"""Metrics of a process that comes and goes, in a file that another one serves.

An indexing run writes what it counted every few seconds, and when it ends, in the format of node_exporter's textfile
collector; the service reads the files at each scrape. A counter goes on where the run before ended, so that nothing
is lost between two scrapes however short the runs are. Several concurrent runs write files of their own: the first
`ingestion.prom`, the next `ingestion-2.prom`, told apart by the label `worker`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from pipeline.logs import LOGGER
from pipeline.storage.locks import exclusive_lock
from pipeline.telemetry.metrics import Together

SeriesKey: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]

WORKERS_MAX = 8
WRITTEN = "chartwell_ingestion_"
ALSO_WRITTEN = ("chartwell_embedder_", "chartwell_store_", "chartwell_server_")
"""What an indexing run counts; the rest belongs to the process that serves."""
GROWING = ("counter", "histogram")
LASTING = ("chartwell_ingestion_last_end_timestamp_seconds", "chartwell_ingestion_notes_waiting")
"""Gauges that still mean something when their run is over."""


@contextmanager
def write_periodically(
    registry: CollectorRegistry, path: Path, seconds: float, *, shared: bool = False
) -> Iterator[None]:
    """Keep `path`, or the file next to it for this worker, up to date while inside, and once more at the end.

    `shared`: other accounts of the host read it, as a collector does.
    """
    mode = 0o644 if shared else 0o600
    with _own_place(path) as (place, worker):
        if place is None:
            LOGGER.warning(
                "metrics of this run are not written: there are too many runs", extra={"most": WORKERS_MAX}
            )
            yield
            return
        continued = _Continued(registry, place, worker)
        ended = threading.Event()

        def keep_writing() -> None:
            while not ended.wait(seconds):
                _write(continued, place, mode)

        thread = threading.Thread(target=keep_writing, name="metrics", daemon=True)
        _write(continued, place, mode)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            _write(continued, place, mode)


@contextmanager
def _own_place(path: Path) -> Iterator[tuple[Path | None, int]]:
    for worker in range(1, WORKERS_MAX + 1):
        place = _place(path, worker)
        with exclusive_lock(place.with_suffix(".lock")) as ours:
            if ours:
                yield place, worker
                return
    yield None, 0


def _place(path: Path, worker: int) -> Path:
    return path if worker == 1 else path.with_name(f"{path.stem}-{worker}{path.suffix}")


def _write(collector: Collector, path: Path, mode: int) -> None:
    """Replace the file as a whole: a reader sees the one before or this one."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    draft = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(generate_latest(registry))
        draft.replace(path)
    except OSError as error:
        # A full disk stops the run by itself where it must; its metrics alone are no reason to.
        LOGGER.warning("metrics cannot be written", extra={"error": error.strerror})


class _Continued(Collector):
    """A registry's ingestion metrics, each growing one on top of what the file held before."""

    def __init__(self, registry: CollectorRegistry, path: Path, worker: int) -> None:
        self._registry = registry
        self._worker = str(worker)
        self._before: dict[str, dict[SeriesKey, float]] = {}
        for family in read_file(path):
            if family.type in GROWING:
                kept = self._before.setdefault(family.name, {})
                kept.update({_key(sample): sample.value for sample in family.samples})

    def collect(self) -> Iterator[Metric]:
        for family in Together([self._registry]).collect():
            if not family.name.startswith((WRITTEN, *ALSO_WRITTEN)):
                continue
            mine = Metric(family.name, family.documentation, family.type)
            before = dict(self._before.get(family.name, {}))
            for sample in family.samples:
                labelled = sample._replace(labels={**sample.labels, "worker": self._worker})
                mine.samples.append(labelled._replace(value=sample.value + before.pop(_key(labelled), 0.0)))
            for (name, labels), value in before.items():  # what only an earlier run met
                mine.samples.append(Sample(name, dict(labels), value))
            yield mine

    def describe(self) -> Iterator[Metric]:
        return iter(())


def _key(sample: Sample) -> SeriesKey:
    return sample.name, tuple(sorted(sample.labels.items()))


def read_file(path: Path) -> list[Metric]:
    """The metrics of one file; none where it is missing or is no text of metrics."""
    try:
        text = path.read_text(encoding="utf-8")
        return list(text_string_to_metric_families(text))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        LOGGER.warning(
            "a file of metrics cannot be read", extra={"file": path.name, "error": type(error).__name__}
        )
        return []


class TextfileCollector(Collector):
    """What indexing runs wrote, as metrics of the process that serves."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def collect(self) -> Iterator[Metric]:
        for worker in range(1, WORKERS_MAX + 1):
            place = _place(self._path, worker)
            families = read_file(place)
            if families and not _alive(place):
                families = [family for family in families if family.type in GROWING or family.name in LASTING]
            yield from families

    def describe(self) -> Iterator[Metric]:
        return iter(())


def _alive(place: Path) -> bool:
    """Whether a run still writes there: a killed one left its gauges behind, and they say nothing any more."""
    with exclusive_lock(place.with_suffix(".lock")) as ours:
        return not ours
