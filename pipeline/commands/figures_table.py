"""One table of figures as a person reads it: drawn on the terminal, and the same as Markdown.

Decides how a table looks; refuses to know what stands in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table


def terminal_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """The first column names the row, the others hold figures."""
    drawn = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        drawn.add_column(heading, justify="right" if number else "left")
    for row in rows:
        drawn.add_row(*row)
    return drawn


def markdown_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines, the first of them empty."""
    lines = ["", f"**{title}**", "", f"| {' | '.join(headings)} |", f"|{'---|' * len(headings)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]
