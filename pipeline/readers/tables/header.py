"""The first row of a table: the names of its columns, and which character stands between cells.

Decides the delimiter by the one that gives most columns. Quotation marks that do not pair must not swallow the rows
below. Refuses to know which column is which field.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

DELIMITERS = (",", "\t", ";", "|")
"""Tried in this order on the first row; the one that gives most columns is taken. Excel writes ; in half of Europe."""

HEADER_LINES_MAX = 20
"""The names of columns may hold line breaks, but no more than that."""

_NAMED_DELIMITER = re.compile(r"sep=([^\w\s\"]|\t)[ \r\n]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Header:
    """The first row of a table, and how its rows are cut into cells."""

    delimiter: str
    columns: list[str]
    """Names of the columns; a nameless one (a data frame's index) is called by its number."""
    beyond: list[str]
    """Lines after the first row that were looked at too."""


def read_header(lines: Iterator[str]) -> Header:
    """Takes the first row from lines with their ends. Blank lines before it are passed over, and so is Excel's line
    `sep=;`, which names the delimiter."""
    delimiters: tuple[str, ...] = DELIMITERS
    first = ""
    for first in lines:
        if named := _NAMED_DELIMITER.fullmatch(first):
            delimiters = (named[1],)
        elif first.strip():
            break
    seen = [first]
    rows = {delimiter: _first_row(seen, lines, delimiter) for delimiter in delimiters}
    delimiter = max(delimiters, key=lambda each: len(rows[each][0]))
    names, length = rows[delimiter]
    columns = [" ".join(name.split()) or f"column {number}" for number, name in enumerate(names, 1)]
    return Header(delimiter, columns, seen[length:])


def _first_row(seen: list[str], lines: Iterator[str], delimiter: str) -> tuple[list[str], int]:
    """Its cells, and how many lines it takes; `seen` grows by the lines looked at."""
    rows = csv.reader(_again(seen, lines), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        names = next(rows)
        if not _swallows(seen[: rows.line_num], len(names), delimiter):
            return names, rows.line_num
    except csv.Error:
        pass
    # Quotation marks that do not pair must not swallow the rows below.
    return next(csv.reader(seen[:1], delimiter=delimiter, skipinitialspace=True), []), 1


def _swallows(lines: Sequence[str], width: int, delimiter: str) -> bool:
    """Whether two of the lines that became the first row have delimiters for a row of their own."""
    return width > 1 and sum(line.count(delimiter) >= width - 1 for line in lines) > 1


def _again(seen: list[str], lines: Iterator[str]) -> Iterator[str]:
    """The lines seen so far once more, then more of them."""
    yield from seen
    for line in islice(lines, max(0, HEADER_LINES_MAX - len(seen))):
        seen.append(line)
        yield line


def lines_of(head: bytes) -> Iterator[str]:
    """The lines of a table's beginning, whichever way they end."""
    return io.StringIO(head.decode("utf-8", "replace"), newline="")
