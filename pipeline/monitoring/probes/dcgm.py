"""DRAM and tensor activity from NVIDIA's DCGM: its exporter's page where a URL is set, else the program `dcgmi`.

Decides how either is read and what their refusals mean. DCGM's profiling counters need a host engine that runs as root
and a card that has them; without them the other readings stand.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.monitoring.probes.http_get import Unreachable, get
from pipeline.monitoring.probes.prometheus_text import Samples, samples_of
from pipeline.monitoring.samples import Missing, reason

TENSOR_FIELD, DRAM_FIELD = 1004, 1005
"""DCGM_FI_PROF_PIPE_TENSOR_ACTIVE and DCGM_FI_PROF_DRAM_ACTIVE (DCGM API reference, field identifiers)."""
TENSOR_COLUMN, DRAM_COLUMN = "TENSO", "DRAMA"
"""Their short names in the head of `dcgmi dmon`."""
DMON_SECONDS_MAX = 8.0
REFUSALS = (
    (r"Result: -29\b|running as root|non-root", "DCGM's host engine must run as root for these counters"),
    (r"Result: -33\b|not currently loaded", "DCGM's profiling module is not loaded: restart nvidia-dcgm"),
    (r"Result: -6\b|not supported", "this GPU has no profiling counters"),
    (r"[Uu]nable to (establish a connection|connect)", "DCGM's host engine does not run: nvidia-dcgm"),
)
"""What dcgmi prints, by what it means. It prints refusals on standard output, and may exit with 0."""


@dataclass(frozen=True, slots=True)
class GpuActivity:
    """Ratios of one card; None where DCGM has no value now."""

    dram: float | None
    tensor: float | None


Activities: TypeAlias = dict[int, GpuActivity]


class Dcgm:
    """Asks whichever is there."""

    def __init__(self, url: str = "", *, program: str = "dcgmi", seconds: float = 2.0) -> None:
        self._url = url
        self._program = program
        self._seconds = seconds

    def __call__(self) -> Activities | Missing:
        if self._url:
            return self._of_exporter()
        if shutil.which(self._program) is None:
            return Missing("DCGM is not installed here, and CHARTWELL_MONITOR__DCGM_URL names no exporter")
        return self._of_program()

    def _of_exporter(self) -> Activities | Missing:
        try:
            answer = get(self._url, self._seconds)
        except Unreachable as error:
            return Missing(reason(f"dcgm-exporter: {error}"))
        if answer.status != 200:
            return Missing(f"dcgm-exporter answers with HTTP {answer.status}")
        return of_exporter(samples_of(answer.text))

    def _of_program(self) -> Activities | Missing:
        # The first of two lines a card is often blank: the counters need an interval.
        words = [self._program, "dmon", "-e", f"{TENSOR_FIELD},{DRAM_FIELD}", "-d", "500", "-c", "2"]
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=DMON_SECONDS_MAX, errors="replace"
            )
        except subprocess.TimeoutExpired:
            return Missing(f"dcgmi did not answer within {DMON_SECONDS_MAX:.0f} s")
        except OSError as error:
            return Missing(reason(f"dcgmi: {error.strerror}"))
        return of_dmon(f"{done.stdout}\n{done.stderr}")


def of_exporter(samples: Samples) -> Activities | Missing:
    """Both ratios by card from the exporter's metrics. A card that is divided (MIG) has several lines: the busiest."""
    found: dict[int, list[float | None]] = {}
    for place, name in enumerate(("DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE")):
        for labels, value in samples.get(name, ()):
            ratio = _ratio(value)
            if ratio is not None and labels.get("gpu", "").isdigit():
                card = found.setdefault(int(labels["gpu"]), [None, None])
                card[place] = max(ratio, card[place] or 0.0)
    if not found:
        return Missing(
            "dcgm-exporter shows no DCGM_FI_PROF_ metrics: it needs SYS_ADMIN and a card that has them"
        )
    return {index: GpuActivity(dram, tensor) for index, (dram, tensor) in found.items()}


def of_dmon(text: str) -> Activities | Missing:
    """Both ratios by card from what `dcgmi dmon` prints: a head with short names, then a line a card and interval.

    The last value of a card wins; "N/A" is none.
    """
    for pattern, meaning in REFUSALS:
        if re.search(pattern, text):
            return Missing(meaning)
    columns: Mapping[str, int] = {}
    found: Activities = {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["#Entity"]:
            # "GPU 0" are two words under one head.
            columns = {name: place + 1 for place, name in enumerate(words)}
        elif words[:1] == ["GPU"] and len(words) > 2 and words[1].isdigit() and columns:
            before = found.get(int(words[1]), GpuActivity(None, None))
            dram, tensor = _cell(words, columns.get(DRAM_COLUMN)), _cell(words, columns.get(TENSOR_COLUMN))
            found[int(words[1])] = GpuActivity(
                before.dram if dram is None else dram, before.tensor if tensor is None else tensor
            )
    if not found:
        return Missing(
            reason(f"dcgmi printed no values: {text}" if text.strip() else "dcgmi printed nothing")
        )
    return found


def _cell(words: list[str], place: int | None) -> float | None:
    if place is None or place >= len(words):
        return None
    try:
        return _ratio(float(words[place]))
    except ValueError:
        return None


def _ratio(value: float) -> float | None:
    """None for what is no ratio: DCGM writes 9.22e18 for "blank", and exporters pass it on."""
    return value if math.isfinite(value) and 0.0 <= value <= 1.0 else None
