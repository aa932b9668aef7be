"""The figures of assertion as a person reads them: a table on the terminal and the same as Markdown.

Decides columns and words; refuses to compute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from pipeline.commands.figures_table import markdown_table, terminal_table
from pipeline.evaluation.assertions import AssertionResult
from pipeline.evaluation.retrieval import Estimate

HEADINGS = ("assertion", "mentions", "precision", "recall", "F1")


def tables(results: Sequence[AssertionResult]) -> Iterator[Table]:
    for result in results:
        yield terminal_table(_title(result), HEADINGS, _rows(result))


def markdown(results: Sequence[AssertionResult]) -> list[str]:
    lines = [line for result in results for line in markdown_table(_title(result), HEADINGS, _rows(result))]
    return lines[1:]


def _title(result: AssertionResult) -> str:
    return f"{result.split}: {result.mentions} mentions in {result.notes} notes"


def _rows(result: AssertionResult) -> Iterator[tuple[str, ...]]:
    for row in result.classes:
        yield (
            str(row.kind),
            str(row.mentions),
            f"{row.precision:.3f}",
            f"{row.recall:.3f}",
            f"{row.f1:.3f}",
        )
    yield "mean of the classes", "", "", "", _interval(result.mean_f1)
    yield "right", str(result.mentions), "", "", _interval(result.right)


def _interval(value: Estimate) -> str:
    return f"{value.mean:.3f} ({value.low:.3f}-{value.high:.3f})"
