"""Cuts a JSON text into its outermost records without reading it whole.

Finds where each element of an array, or each member of an object, begins and ends, and hands on its bytes; json.loads
judges them. A streaming parser (ijson) was the other choice: it stops for good at the first bad byte and builds a
string of any length, so that one bad or one endless note would cost all notes after it. Here it costs one.
Knows brackets and strings only; refuses to know what a record means.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.readers.plain_text.encodings import WINDOWS, likely_encodings
from pipeline.readers.reader import RawRecord, ReadItem, UnreadableRecord, UnreadableSource

PIECE_BYTES = 256 * 1024

# Strings are skipped whole where they end within the piece at hand. No branch of these patterns can match in two
# ways, so their time is linear.
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*(?:"[^"\\]*(?:\\.[^"\\]*)*"[^"{}\[\]]*)*', re.DOTALL)
_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_IN_SCALAR = re.compile(rb"[^\s,\]}\[{\":]*")
_BLANKS = re.compile(rb"\s*")
_OPENING, _QUOTE = b"{[", ord('"')


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise NamedTwice
    return found


_DECODER = json.JSONDecoder(
    strict=False, parse_float=_finite, parse_constant=lambda _: None, object_pairs_hook=_unique
)
"""NaN and Infinity, which Python's own writer writes for a data frame's gaps, are no value."""


NOT_JSON = "The record is not valid JSON."


@dataclass(frozen=True, slots=True)
class JsonValue:
    """The bytes of one JSON value and where they stand; None where there are more than allowed."""

    raw: bytes | None
    start: int
    end: int


class TooDeep(ValueError):
    """A record nested so deeply that no note can be in it."""


class NamedTwice(ValueError):
    """Two members of one object have the same name: which of them counts is not said."""


def parse(raw: bytes) -> Any:
    """A JSON value from its bytes. Control characters inside strings are let through: line breaks in notes.

    Raises ValueError: UnicodeDecodeError, json.JSONDecodeError, TooDeep, NamedTwice, or a number of thousands of
    digits.
    """
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except RecursionError:
        raise TooDeep("nested too deeply") from None


def record(raw: bytes, position: str, what: str, label: str) -> ReadItem:
    """A record from the bytes of one line or element (`what`) of the source called `label`."""
    try:
        value = parse(raw)
    except UnicodeDecodeError as error:
        return UnreadableRecord(
            position,
            "The record is not valid UTF-8.",
            f"Byte {error.start + 1} of the {what} is 0x{raw[error.start]:02X}. {convert(label, raw)}",
        )
    except json.JSONDecodeError as error:
        return UnreadableRecord(
            position,
            NOT_JSON,
            f"At character {error.pos + 1} of the {what}: {error.msg}. Repair or export it again.",
        )
    except NamedTwice:
        return UnreadableRecord(
            position,
            "The record has two fields of the same name.",
            f"Which of them counts is not said. Give each field of the {what} a name of its own, or leave one out.",
        )
    except ValueError:
        return UnreadableRecord(
            position,
            "The record is nested too deeply or holds a number too long to be read.",
            f"Look at this {what}: it is no note as it stands.",
        )
    if not isinstance(value, dict):
        return UnreadableRecord(
            position,
            "The record is not a JSON object.",
            f"It is {_kind(value)}. Each {what} must be an object with named fields, for example "
            '{"resource_id": "...", "patient_id": "...", "document_type": "...", "text_content": "..."}.',
        )
    return RawRecord(position, value)


def too_long(position: str, limit: int, found: int, unit: str = "bytes") -> UnreadableRecord:
    return UnreadableRecord(
        position,
        "The record is longer than any note may be.",
        f"It has {found:,} {unit}, and reading stops at {limit:,}. It is a concatenation or not a note: "
        "split it, or raise CHARTWELL_INDEXING__NOTE_CHARACTERS_MAX.",
        about="text_content",
    )


def convert(label: str, raw: bytes = b"") -> str:
    """What to do with text that is not UTF-8; `raw` is a piece of it."""
    likely, others = likely_encodings(raw)
    windows = "If the file was written on Windows" if likely == WINDOWS else f"The bytes look like {likely}"
    return (
        f"{windows}: iconv -f {likely} -t UTF-8 '{label}' > converted, and read the result. Look at a name or an "
        f"accent in it first: a wrong choice gives no error. If they are wrong, try {others}."
    )


class JsonCursor:
    """A place in a stream of JSON, moved on value by value. Holds one value and one piece at a time."""

    def __init__(self, stream: io.BufferedReader, bytes_max: int) -> None:
        self._stream = stream
        self._bytes_max = bytes_max
        self._piece = b""
        self._at = 0
        self._passed = 0

    @property
    def position(self) -> int:
        """Bytes before the cursor."""
        return self._passed + self._at

    def next_byte(self) -> str:
        """The next character that is not blank, not yet taken; "" at the end."""
        while True:
            self._at = _end(_BLANKS, self._piece, self._at)
            if self._at < len(self._piece):
                return chr(self._piece[self._at])
            if not self._more():
                return ""

    def take(self, expected: str) -> str:
        """Take one of the characters expected, or raise UnreadableSource."""
        found = self.next_byte()
        if found == "" or found not in expected:
            raise self.broken(found)
        self._at += 1
        return found

    def broken(self, found: str) -> UnreadableSource:
        if not found:
            return UnreadableSource(
                "The JSON ends before it is complete.",
                f"It breaks off at byte {self.position:,}; the records before were read. Fetch or export the file "
                "again; if only the end is lost, close the brackets by hand.",
            )
        return UnreadableSource(
            "The JSON is malformed.",
            f"Look at byte {self.position + 1:,}: a quotation mark, comma or bracket is missing or too many. The "
            "records before it were read. Repair the file there or export it again.",
        )

    def value(self) -> JsonValue:
        """Take the next value. Raises UnreadableSource where the text ends within it."""
        first = self.next_byte()
        start = self.position
        kept = _KeptBytes(self._bytes_max)
        if first == '"':
            self._at += 1
            kept.add(b'"')
            self._rest_of_string(kept)
        elif first in {"{", "["}:
            self._rest_of_nest(kept)
        else:
            self._rest_of_scalar(kept)
        if self.position == start:
            raise self.broken(first)
        return JsonValue(kept.bytes(), start, self.position)

    def _rest_of_nest(self, kept: _KeptBytes) -> None:
        depth = 0
        piece, at = self._piece, self._at
        while True:
            end = _end(_TO_BRACKET, piece, at)
            if end == len(piece):
                self._keep(kept, end)
                self._more_or_broken(kept)
                piece, at = self._piece, self._at
                continue
            at = end + 1
            if piece[end] == _QUOTE:
                self._keep(kept, at)
                self._rest_of_string(kept)
                piece, at = self._piece, self._at
            elif piece[end] in _OPENING:
                depth += 1
            else:
                depth -= 1
                if depth == 0:
                    self._keep(kept, at)
                    return

    def _rest_of_string(self, kept: _KeptBytes) -> None:
        while True:
            end = _end(_IN_STRING, self._piece, self._at)
            closed = end < len(self._piece) and self._piece[end] == _QUOTE
            self._keep(kept, end + closed)
            if closed:
                return
            self._more_or_broken(kept)

    def _rest_of_scalar(self, kept: _KeptBytes) -> None:
        while True:
            self._keep(kept, _end(_IN_SCALAR, self._piece, self._at))
            if self._at < len(self._piece) or not self._more():
                return

    def _keep(self, kept: _KeptBytes, end: int) -> None:
        kept.add(self._piece[self._at : end])
        self._at = end

    def _more_or_broken(self, kept: _KeptBytes) -> None:
        if not self._more():
            error = self.broken("")
            if kept.size > self._bytes_max:
                error.remedy += " The last record had no end: look for a missing quotation mark or bracket."
            raise error

    def _more(self) -> bool:
        """Read on; what is not yet taken (a lone backslash at most) stays in front."""
        fresh = self._stream.read1(PIECE_BYTES)
        self._passed += self._at
        self._piece = self._piece[self._at :] + fresh
        self._at = 0
        return bool(fresh)


class _KeptBytes:
    """The bytes of the value being taken, until there are too many of them."""

    __slots__ = ("_limit", "_pieces", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self.size = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self._limit:
            self._pieces.clear()
        else:
            self._pieces.append(piece)

    def bytes(self) -> bytes | None:
        return None if self.size > self._limit else b"".join(self._pieces)


def _end(pattern: re.Pattern[bytes], piece: bytes, at: int) -> int:
    found = pattern.match(piece, at)
    return found.end() if found else at


def elements(cursor: JsonCursor) -> Iterator[JsonValue]:
    """The elements of the array at the cursor. Raises UnreadableSource where the array is malformed."""
    cursor.take("[")
    if cursor.next_byte() == "]":
        cursor.take("]")
        return
    while True:
        yield cursor.value()
        if cursor.take(",]") == "]":
            return


def _kind(value: Any) -> str:
    kinds = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
