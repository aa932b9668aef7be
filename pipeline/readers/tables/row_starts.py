"""Where a row of a table begins, when a quotation mark that is not doubled has hidden it inside another row.

Decides by the columns that name the note and its patient: a line is the beginning of a row where they hold what could
be such an id in this table. An id of this kind has a digit where the others have one, a letter where they are letters
and a number (p1, MRN-7), no blank and no other mark than theirs (- _ . / and ' always), and no blank before it where
theirs have none: "2,p2,Nursing" begins a row, "Sodium, 140, normal" and "BP 120,80" are lines of a note. Refuses to
know quotation marks beyond one line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from operator import methodcaller

_WORD = re.compile(r"[^\W_]+")
_LETTERS_AND_NUMBER = re.compile(r"[^\W\d_]+[-_ ./]?\d+")
_MARKS_OF_IDS = frozenset("-_./'")

BEGINNING_CHARACTERS = 4096
"""Ids in front of the text stand within these: a row of megabytes is not cut into cells to see them."""


class RowStarts:
    """How the rows of one table begin."""

    def __init__(self, delimiter: str, width: int, ids: Sequence[int], text: int | None) -> None:
        """`width` columns, those that name the note and its patient, and that of the text. Without ids any line may
        begin a row, and none is known to."""
        self._delimiter = delimiter
        self._delimiters = methodcaller("count", delimiter)
        self.width = width
        self._text = width - 1 if text is None else text
        self._front = tuple(key for key in sorted(ids) if key < self._text)
        self._back = () if self._front else tuple(sorted(ids))
        self.known = bool(ids)

    def merged(self, lines: Sequence[str], cells: Sequence[str]) -> int:
        """Of the lines that became one row, the index of the first that is the beginning of another row; 0 where the
        row is one. `cells` are those of the row."""
        if self._back:
            return self._ended_early(lines, cells)
        counts = list(map(self._delimiters, lines))
        counts[0] = 0
        if not self._front or max(counts) < self.width - 1:
            return 0
        suspects = [index for index, count in enumerate(counts) if count >= self.width - 1]
        ids = self._ids(lines[0], cells)
        return next((index for index in suspects if self._begins(lines[index], ids)), 0)

    def next_start(self, lines: Sequence[str], first: str, before: Sequence[str] | None) -> int:
        """The index of the first line that begins a row, whatever its width; len(lines) where none does. `first` is
        the line at which a malformed row began, `before` the cells of a good row, if there was one."""
        if not self.known:
            return 0
        ids = self._ids(first, before)
        begins = self._begins if self._front else self._may_begin
        return next((index for index, line in enumerate(lines) if begins(line, ids)), len(lines))

    def _ids(self, first: str, cells: Sequence[str] | None) -> list[str | None]:
        """What ids look like here, with the blank before them: from a row's first line, else from its cells."""
        if self._back:
            return [cells[key] if cells else None for key in self._back]
        found = self._cells(first[:BEGINNING_CHARACTERS])
        return [found[key] if key < len(found) else None for key in self._front]

    def _begins(self, line: str, ids: Sequence[str | None]) -> bool:
        cells = self._cells(line[:BEGINNING_CHARACTERS] if self._front else line)
        keys = self._front or self._back
        return keys[-1] < len(cells) and all(
            _alike(cells[key], known) for key, known in zip(keys, ids, strict=True)
        )

    def _may_begin(self, line: str, ids: Sequence[str | None]) -> bool:
        """Where the ids stand behind the text, a row begins with a quotation mark or is complete in its line."""
        return line.startswith('"') or (
            line.count('"') % 2 == 0 and len(self._cells(line)) == self.width and self._begins(line, ids)
        )

    def _ended_early(self, lines: Sequence[str], cells: Sequence[str]) -> int:
        """Where the ids stand behind the text: the line after one that ends as a row does."""
        behind = self.width - 1 - self._text
        for index, line in enumerate(lines[:-1], 1):
            if line.count(self._delimiter) < behind:
                continue
            tail = line.rstrip("\r\n").rsplit(self._delimiter, behind)
            if all(_alike(tail[key - self._text].strip('"'), cells[key]) for key in self._back):
                return index
        return 0

    def _cells(self, line: str) -> list[str]:
        """The cells of one line on its own, blanks before them kept."""
        return next(csv.reader([line], delimiter=self._delimiter), [])


def _alike(cell: str, known: str | None) -> bool:
    """Whether a cell could be an id of the kind of a known one."""
    if not cell or cell.isspace():
        return False
    if not known:
        return not any(map(str.isspace, cell))
    if any(map(str.isdigit, known)) and not any(map(str.isdigit, cell)):
        return False
    if _LETTERS_AND_NUMBER.fullmatch(known) and not any(map(str.isalpha, cell)):
        return False
    return set(_WORD.sub("", cell)) <= set(_WORD.sub("", known)) | _MARKS_OF_IDS
