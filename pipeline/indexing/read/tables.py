"""Records of a table: CSV, TSV and their kin, one note a row, the first row naming the columns."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline.indexing.read.found import Found, Refused, SourceBroken
from pipeline.indexing.read.json_values import convert, too_long

DELIMITERS = (",", "\t", ";", "|")
"""Tried in this order on the first row; the one that gives most columns is taken. Excel writes ; in half of Europe."""

HEADER_LINES_MAX = 20
"""The names of columns may hold line breaks, but no more than that."""

_NAMED_DELIMITER = re.compile(r"sep=([^\w\s\"]|\t)[ \r\n]*", re.IGNORECASE)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


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
        return next(rows), rows.line_num
    except csv.Error:  # quotation marks that do not pair must not swallow the rows below
        return next(csv.reader(seen[:1], delimiter=delimiter, skipinitialspace=True), []), 1


def _again(seen: list[str], lines: Iterator[str]) -> Iterator[str]:
    """The lines seen so far once more, then more of them."""
    yield from seen
    for line in islice(lines, max(0, HEADER_LINES_MAX - len(seen))):
        seen.append(line)
        yield line


def lines_of(head: bytes) -> Iterator[str]:
    """The lines of a table's beginning, whichever way they end."""
    return io.StringIO(head.decode("utf-8", "replace"), newline="")


def read_table(stream: io.BufferedReader, label: str, characters_max: int) -> Iterator[Found | Refused]:
    """One record a row. A row that is not UTF-8, too long, or of another width costs one record.

    Raises SourceBroken where the first row is no list of names.
    """
    # csv's own limit is 131,072 characters and belongs to the process; ours is enforced row by row.
    csv.field_size_limit(max(csv.field_size_limit(), characters_max + 1))
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
    lines = _Lines(text, characters_max)
    try:
        header = read_header(lines)
    except _RowTooLong:
        raise SourceBroken(
            "The first row is no list of names.",
            f"It is longer than {characters_max:,} characters. A quotation mark in it may not be closed.",
        ) from None
    lines.put_back(header.beyond)
    columns = _checked(header.columns, label)
    rows = csv.reader(lines, delimiter=header.delimiter, skipinitialspace=True, strict=True)
    number = 0
    while True:
        lines.start_row()
        number += 1
        position = f"row {number} (line {lines.number + 1})"
        try:
            cells = next(rows, None)
        except _RowTooLong:
            yield too_long(position, characters_max, lines.skip_row(), "characters")
            continue
        except csv.Error as error:
            yield _malformed(position, str(error), lines)
            continue
        if cells is None:
            return
        if cells:
            yield _row(cells, columns, position, label)
        else:
            number -= 1


class _RowTooLong(Exception):
    pass


class _Lines:
    """Lines for csv.reader, which asks for more while a quoted cell is open: no more than a row may have."""

    def __init__(self, text: io.TextIOWrapper, characters_max: int) -> None:
        self._text = text
        self._characters_max = characters_max
        self._in_row = 0
        self._quotes = 0
        self._partial = False
        self._returned: deque[str] = deque()
        self.number = 0
        self.ended = False

    def start_row(self) -> None:
        self._in_row = self._quotes = 0

    def put_back(self, lines: Sequence[str]) -> None:
        """These are the next ones once more."""
        self._returned.extendleft(reversed(lines))
        self.number -= len(lines)
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._next()
        if not line:
            self.ended = True
            raise StopIteration
        self._in_row += len(line)
        self._quotes += line.count('"')
        if self._in_row > self._characters_max:
            self._partial = not line.endswith(("\n", "\r"))
            raise _RowTooLong
        self.number += 1
        return line

    def _next(self, characters_max: int | None = None) -> str:
        return (
            self._returned.popleft()
            if self._returned
            else self._text.readline(characters_max or self._characters_max + 1)
        )

    def skip_row(self) -> int:
        """Pass over the rest of a row that is too long: up to a line end outside quotes. Returns its characters."""
        complete = not self._partial
        while not complete or self._quotes % 2:
            piece = self._next(io.DEFAULT_BUFFER_SIZE)
            if not piece:
                break
            self._in_row += len(piece)
            self._quotes += piece.count('"')
            complete = piece.endswith(("\n", "\r"))
            self.number += complete
        self.number += 1
        return self._in_row


def _checked(columns: list[str], label: str) -> list[str]:
    if _NOT_UTF8.search("".join(columns)):
        raise SourceBroken("The first row is not valid UTF-8.", convert(label))
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise SourceBroken(
            "Two columns have the same name.",
            f"Rename one of each of these in the first row: {', '.join(twice)}.",
        )
    return columns


def _row(cells: list[str], columns: list[str], position: str, label: str) -> Found | Refused:
    if len(cells) != len(columns):
        return Refused(
            position,
            "The row has another number of cells than the first row has names.",
            f"It has {len(cells)}, the first row {len(columns)}. A delimiter or line break inside a cell needs "
            'quotation marks around the cell, and a " inside it must be doubled.',
        )
    for name, cell in zip(columns, cells, strict=True):
        if wrong := _NOT_UTF8.search(cell):
            return Refused(
                position,
                "The record is not valid UTF-8.",
                f"Column {name}, character {wrong.start() + 1} is byte 0x{ord(wrong[0]) - 0xDC00:02X}. "
                f"{convert(label)}",
            )
    return Found(position, dict(zip(columns, cells, strict=True)))


def _malformed(position: str, problem: str, lines: _Lines) -> Refused:
    if lines.ended:
        return Refused(
            position,
            "The file ends inside quotation marks.",
            "A quotation mark opened in this row is never closed: close it, or fetch the file again if it was cut. "
            "All rows before it were read.",
            whole=True,
        )
    return Refused(
        position,
        "The row's quotation marks are malformed.",
        f"The CSV reader says: {problem}. A quotation mark inside a cell must be doubled.",
    )
