"""The figures of assertion as a person reads them: a table on the terminal and the same as Markdown.

Decides columns and words; refuses to compute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from pipeline.evaluation.assertions import AssertionResult
from pipeline.evaluation.retrieval import Estimate

HEADINGS = ("assertion", "mentions", "precision", "recall", "F1")


def tables(results: Sequence[AssertionResult]) -> Iterator[Table]:
    for result in results:
        drawn = Table(title=_title(result), title_justify="left")
        for number, heading in enumerate(HEADINGS):
            drawn.add_column(heading, justify="right" if number else "left")
        for row in _rows(result):
            drawn.add_row(*row)
        yield drawn


def markdown(results: Sequence[AssertionResult]) -> list[str]:
    lines = []
    for result in results:
        lines += [
            "",
            f"**{_title(result)}**",
            "",
            f"| {' | '.join(HEADINGS)} |",
            f"|{'---|' * len(HEADINGS)}",
        ]
        lines += [f"| {' | '.join(row)} |" for row in _rows(result)]
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
