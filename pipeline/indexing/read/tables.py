"""Records of a table: CSV, TSV and their kin, one note a row, the first row naming the columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from pipeline.indexing.read.found import Found, Refused, SourceBroken
from pipeline.indexing.read.json_values import convert, too_long

DELIMITERS = (",", "\t", ";", "|")
"""Tried in this order on the first row; the one that gives most columns is taken. Excel writes ; in half of Europe."""

_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def delimiter_of(first_line: str) -> str:
    return max(DELIMITERS, key=lambda delimiter: len(next(csv.reader([first_line], delimiter=delimiter), [])))


def columns_of(first_line: str) -> list[str]:
    """Names of the columns; a nameless one (a data frame's index) is called by its number."""
    names = next(csv.reader([first_line], delimiter=delimiter_of(first_line)), [])
    return [name.strip() or f"column {number}" for number, name in enumerate(names, 1)]


def read_table(stream: io.BufferedReader, label: str, characters_max: int) -> Iterator[Found | Refused]:
    """One record a row. A row that is not UTF-8, too long, or of another width costs one record.

    Raises SourceBroken where the first row is no list of names.
    """
    # csv's own limit is 131,072 characters and belongs to the process; ours is enforced row by row.
    csv.field_size_limit(max(csv.field_size_limit(), characters_max + 1))
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
    first_line = text.readline(characters_max)
    columns = _checked(columns_of(first_line.strip("\r\n")), first_line, label)
    lines = _Lines(text, characters_max)
    rows = csv.reader(lines, delimiter=delimiter_of(first_line), strict=True)
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
        self.number = 1
        self.ended = False

    def start_row(self) -> None:
        self._in_row = self._quotes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._characters_max + 1)
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

    def skip_row(self) -> int:
        """Pass over the rest of a row that is too long: up to a line end outside quotes. Returns its characters."""
        complete = not self._partial
        while not complete or self._quotes % 2:
            piece = self._text.readline(io.DEFAULT_BUFFER_SIZE)
            if not piece:
                break
            self._in_row += len(piece)
            self._quotes += piece.count('"')
            complete = piece.endswith(("\n", "\r"))
            self.number += complete
        self.number += 1
        return self._in_row


def _checked(columns: list[str], first_line: str, label: str) -> list[str]:
    if _NOT_UTF8.search(first_line):
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
