"""The figures of image search as a person reads them: a table on the terminal and the same as Markdown.

Decides columns and words; refuses to compute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from pipeline.commands.figures_table import markdown_table, terminal_table
from pipeline.evaluation.images import DEPTHS, ImageSetResult
from pipeline.evaluation.retrieval import Estimate

HEADINGS = ("model", *(f"precision@{depth}" for depth in DEPTHS))


def tables(results: Sequence[ImageSetResult]) -> Iterator[Table]:
    for result in results:
        yield terminal_table(_title(result), HEADINGS, _rows(result))


def markdown(results: Sequence[ImageSetResult]) -> list[str]:
    lines = [line for result in results for line in markdown_table(_title(result), HEADINGS, _rows(result))]
    return lines[1:]


def _title(result: ImageSetResult) -> str:
    patients = f"{result.patients:,} patients" if result.patients else "patients not known"
    left_out = ", ".join(f"{count} {kind}" for kind, count in result.left_out.items())
    return (
        f"{result.name}: {result.questions:,} of {result.images:,} images asked, {result.classes} classes, {patients}"
        + (f"; left out: {left_out}" if left_out else "")
    )


def _rows(result: ImageSetResult) -> Iterator[tuple[str, ...]]:
    for row in result.rows:
        yield row.model, *(_interval(row.precision[depth]) for depth in DEPTHS)


def _interval(value: Estimate) -> str:
    return f"{value.mean:.3f} ({value.low:.3f} to {value.high:.3f})"
