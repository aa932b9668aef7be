"""Records of a table: CSV, TSV and their kin, one note a row, the first row naming the columns.

A quotation mark that is not doubled costs the row it stands in: reading goes on at the next line that begins a row,
and a row that has swallowed another one is refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

from pipeline.readers.field_mapping import shown_names
from pipeline.readers.json.stream import convert, too_long
from pipeline.readers.plain_text.utf8 import utf8
from pipeline.readers.reader import (
    Certainty,
    Opened,
    RawRecord,
    Reader,
    ReadItem,
    ReadOptions,
    UnreadableRecord,
    UnreadableSource,
)
from pipeline.readers.tables.header import lines_of, read_header
from pipeline.readers.tables.row_starts import RowStarts

READ_AGAIN_FACTOR = 4
"""Lines that a malformed row had taken are read again. They may be so as often as this for each one of the file, and
then a row among them ends with its line: the time stays in proportion to the file."""

Naming: TypeAlias = tuple[Sequence[str], str | None]
"""Columns that name the note and its patient, and the one that is its text."""

_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def read_table(
    stream: io.BufferedReader,
    label: str,
    characters_max: int,
    naming: Callable[[Sequence[str]], Naming] = lambda columns: ((), None),
) -> Iterator[ReadItem]:
    """One record a row. A row that is malformed, not UTF-8, too long, or of another width costs one record.

    `naming` says which of the columns name the note and its patient, and which one is its text.
    Raises UnreadableSource where the first row is no list of names.
    """
    # csv's own limit is 131,072 characters and belongs to the process; ours is enforced row by row.
    csv.field_size_limit(max(csv.field_size_limit(), characters_max + 1))
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
    lines = _Lines(text, characters_max)
    try:
        header = read_header(lines)
    except _RowTooLong:
        raise UnreadableSource(
            "The first row is no list of names.",
            f"It is longer than {characters_max:,} characters. A quotation mark in it may not be closed.",
        ) from None
    lines.put_back(header.beyond)
    lines.read_again = 0
    columns = _checked(header.columns, label)
    starts = _row_starts(header.delimiter, columns, naming(columns))
    rows = csv.reader(lines, delimiter=header.delimiter, skipinitialspace=True, strict=True)
    number = 0
    good: list[str] | None = None
    while True:
        lines.start_row()
        number += 1
        line = lines.number + 1
        try:
            cells = next(rows, None)
        except _RowTooLong:
            yield _too_long(number, line, lines, starts, good)
            continue
        except csv.Error as error:
            yield _malformed(number, line, str(error), lines, starts, good)
            continue
        if cells is None:
            return
        if not cells:
            number -= 1
        elif len(lines.row) > 1 and (
            index := starts.merged(lines.row, cells)
            if len(cells) == starts.width
            else _begun_inside(lines.row, starts, good)
        ):
            yield _swallowed(number, line, index, lines)
        else:
            found = _row(cells, columns, f"row {number} (line {line})", label)
            if isinstance(found, RawRecord):
                good = cells
            else:
                found = replace(found, position=_position(number, line, lines))
            yield found


def _begun_inside(lines: Sequence[str], starts: RowStarts, good: Sequence[str] | None) -> int:
    """Of the lines of a row that is refused in any case, the index of the first whose beginning is another row's, 0 for
    none."""
    if not starts.known:
        return 0
    index = starts.next_start(lines[1:], lines[0], good) + 1
    return index if index < len(lines) else 0


def _row_starts(delimiter: str, columns: list[str], names: Naming) -> RowStarts:
    ids, text = names
    places = sorted({columns.index(name) for name in ids})
    return RowStarts(delimiter, len(columns), places, columns.index(text) if text else None)


class _RowTooLong(Exception):
    pass


class _Lines:
    """Lines for csv.reader, which asks for more while a quoted cell is open: no more than a row may have."""

    def __init__(self, text: io.TextIOWrapper, characters_max: int) -> None:
        self._text = text
        self.characters_max = characters_max
        self._in_row = 0
        self._returned: deque[str] = deque()
        self.row: list[str] = []
        """The lines of the row that is being read; the last one may be a part where the row is too long."""
        self.number = 0
        self.ended = False
        self.read_again = 0
        """Characters that were put back, less what was allowed since."""

    def start_row(self) -> None:
        self._in_row = 0
        self.row = []
        self.ended = False

    def put_back(self, lines: Sequence[str]) -> None:
        """These, the last ones taken, are the next ones again."""
        if lines and not self._returned and not lines[-1].endswith(("\n", "\r")):
            lines = [*lines[:-1], lines[-1] + self._text.readline(self.characters_max + 1)]
        self._returned.extendleft(reversed(lines))
        self.number -= len(lines)
        self.read_again += sum(map(len, lines))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._returned:
            if self.row and self.read_again > self.characters_max:
                raise csv.Error("a quotation mark is not closed in its line")
            line = self._returned.popleft()
        else:
            line = self._text.readline(self.characters_max + 1)
            if not line:
                self.ended = True
                raise StopIteration
            if self.read_again > 0:
                self.read_again -= READ_AGAIN_FACTOR * len(line)
        self._in_row += len(line)
        self.number += 1
        self.row.append(line)
        if self._in_row > self.characters_max:
            raise _RowTooLong
        return line

    def take(self) -> str:
        """The next line, whole or as much of it as a row may have; "" at the end."""
        line = self._returned.popleft() if self._returned else self._text.readline(self.characters_max + 1)
        self.number += bool(line)
        return line

    def end_line(self) -> int:
        """Pass over the rest of the line that was taken in part. Returns its characters."""
        size = 0
        complete = self.row[-1].endswith(("\n", "\r"))
        while not complete and (piece := self._text.readline(io.DEFAULT_BUFFER_SIZE)):
            size += len(piece)
            complete = piece.endswith(("\n", "\r"))
        return size


def _checked(columns: list[str], label: str) -> list[str]:
    if _NOT_UTF8.search("".join(columns)):
        raw = ",".join(columns).encode("utf-8", "surrogateescape")
        raise UnreadableSource("The first row is not valid UTF-8.", convert(label, raw))
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise UnreadableSource(
            "Two columns have the same name.",
            f"Rename one of each of these in the first row: {shown_names(twice)}.",
        )
    return columns


def _row(cells: list[str], columns: list[str], position: str, label: str) -> ReadItem:
    if len(cells) != len(columns):
        return UnreadableRecord(
            position,
            "The row has another number of cells than the first row has names.",
            f"It has {len(cells)}, the first row {len(columns)}. A delimiter or line break inside a cell needs "
            'quotation marks around the cell, and a " inside it must be doubled.',
        )
    for name, cell in zip(columns, cells, strict=True):
        if not cell.isascii() and (wrong := _NOT_UTF8.search(cell)):
            return UnreadableRecord(
                position,
                "The record is not valid UTF-8.",
                f"Column {shown_names([name])}, character {wrong.start() + 1} is byte 0x{ord(wrong[0]) - 0xDC00:02X}. "
                f"{convert(label, cell.encode('utf-8', 'surrogateescape'))}",
            )
    return RawRecord(position, dict(zip(columns, cells, strict=True)))


def _too_long(
    number: int, first: int, lines: _Lines, starts: RowStarts, good: Sequence[str] | None
) -> UnreadableRecord:
    """Passes over the row: up to a line end outside quotation marks, or a line that begins a row."""
    row = lines.row
    if starts.known and (index := starts.next_start(row[1:], row[0], good) + 1) < len(row):
        return _swallowed(number, first, index, lines)
    size = sum(map(len, row)) + lines.end_line()
    quotes = sum(line.count('"') for line in row)
    while quotes % 2 and (line := lines.take()):
        if starts.known and not starts.next_start([line], row[0], good):
            lines.put_back([line])
            break
        size += len(line)
        quotes += line.count('"')
    return too_long(_position(number, first, lines), lines.characters_max, size, "characters")


def _swallowed(number: int, first: int, index: int, lines: _Lines) -> UnreadableRecord:
    """Reading goes on at that line of the row which begins another one."""
    lines.put_back(lines.row[index:])
    return UnreadableRecord(
        _position(number, first, lines),
        "The row's quotation marks take in the beginning of another row.",
        f"Line {first + index} begins as a row does, with an id where the ids stand. A quotation mark before it is not "
        'doubled: write "" for each " inside a cell. If the note does hold such a line, write it as JSON Lines. '
        f"Reading went on at line {first + index}.",
    )


def _malformed(
    number: int, first: int, problem: str, lines: _Lines, starts: RowStarts, good: Sequence[str] | None
) -> UnreadableRecord:
    """The row costs its first line and what follows of it: reading goes on at the next line that begins a row."""
    ended, row = lines.ended, lines.row
    index = starts.next_start(row[1:], row[0], good) + 1
    lines.put_back(row[index:])
    behind = index < len(row)
    while not behind and (line := lines.take()):
        if behind := not starts.next_start([line], row[0], good):
            lines.put_back([line])
    position = _position(number, first, lines)
    if ended and not behind:
        return UnreadableRecord(
            position,
            "The file ends inside quotation marks.",
            "A quotation mark opened in this row is never closed: close it, or fetch the file again if it was cut. "
            "All rows before it were read.",
            whole=True,
        )
    spark = r' Spark writes \" for it unless told .option("escape", "\"").' if '\\"' in row[0] else ""
    return UnreadableRecord(
        position,
        "The row's quotation marks are malformed.",
        f"The CSV reader says: {problem}. A quotation mark inside a cell must be doubled.{spark} Reading went on at "
        f"line {lines.number + 1}.",
    )


def _position(number: int, first: int, lines: _Lines) -> str:
    """The row, with all lines from its first to the last one taken."""
    lines_taken = f"line {first}" if lines.number <= first else f"lines {first} to {lines.number}"
    return f"row {number} ({lines_taken})"


class TableReader(Reader):
    """CSV and TSV, by name; other text where its first row names a column of text."""

    title = "tables (.csv, .tsv)"
    suffixes = (".csv", ".tsv")
    content_kinds = ("text/csv", "text/tab-separated-values")

    def sniff(self, opened: Opened, named: Reader | None) -> Certainty | None:
        return Certainty.NAMED if named is self else None

    def refusal(self, opened: Opened) -> UnreadableSource | None:
        text = utf8(opened)
        if not text.whole:
            return None
        lines = lines_of(text.head)
        header = read_header(lines)
        if any(line.strip() for line in chain(header.beyond, lines)):
            return None
        return UnreadableSource(
            "The table has no row.",
            f"There is only the first row, with the columns {shown_names(header.columns)}. Export it again.",
        )

    def guess(self, opened: Opened, options: ReadOptions) -> bool:
        columns = read_header(lines_of(utf8(opened).head)).columns
        return "text_content" not in options.mapping.missing(columns)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[ReadItem]:
        def naming(columns: Sequence[str]) -> Naming:
            feeding = options.mapping.feeding(columns)
            ids = [feeding[name][0] for name in ("resource_id", "patient_id") if name in feeding]
            return ids, feeding.get("text_content", (None,))[0]

        return read_table(utf8(opened).stream, opened.label, options.characters_max, naming)
