"""Metrics as servers expose them (Prometheus' text format 0.0.4), read leniently.

Decides nothing. NIM 1.x and 2.x, Triton, dcgm-exporter and our own service write this format; a line that is not of it
is skipped, because a monitor must not go blind over a server's slip of the pen. Kept apart from prometheus-client,
whose parser raises on the first bad line and is not among the demo's packages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Samples: TypeAlias = Mapping[str, Sequence[tuple[Mapping[str, str], float]]]
"""(labels, value) of every line, by the metric's name."""

_LINE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$")
_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')


def samples_of(text: str) -> Samples:
    """All samples of a page."""
    found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for line in text.splitlines():
        if not line.startswith("#") and (parts := _LINE.match(line.strip())):
            try:
                value = float(parts[3])
            except ValueError:
                continue
            found.setdefault(parts[1], []).append((dict(_LABEL.findall(parts[2] or "")), value))
    return found


def total(samples: Samples, *names: str) -> float | None:
    """The sum over all labels of the first of `names` that is there; None where none is."""
    for name in names:
        if values := [value for _, value in samples.get(name, ()) if value == value]:  # noqa: PLR0124 (NaN)
            return sum(values)
    return None
