"""Any text as UTF-8, for the readers of text: from UTF-16 and UTF-32 with a byte order mark, and without such a mark.

Decides from the first bytes, once for each source, whichever reader asks first. Refuses to guess an encoding: bytes
that are no UTF-8 go to the readers as they are, who know the record that they stand in.
"""

from __future__ import annotations

import codecs
import io
from typing import Any

from pipeline.readers.foreign import refuse_binary
from pipeline.readers.reader import Opened, UnreadableSource
from pipeline.readers.streams import HEAD_BYTES, PIECE_BYTES, Resumed, read_ahead


def utf8(opened: Opened) -> Opened:
    """The source, from now on UTF-8 without a byte order mark. Raises UnreadableSource where it is empty or no text."""
    if not opened.is_utf8:
        _decode(opened)
        if opened.whole and not opened.head.strip():
            raise UnreadableSource("The file is empty.", "Export it again, or take it out of the inputs.")
        refuse_binary(opened.head)
        opened.is_utf8 = True
    return opened


def _decode(opened: Opened) -> None:
    if wide := _wide_encoding(opened.head):
        raw: Any = io.BufferedReader(_FromWide(opened.stream, wide), PIECE_BYTES)
        opened.head = read_ahead(raw, HEAD_BYTES)
        opened.whole = len(opened.head) < HEAD_BYTES
        opened.stream = io.BufferedReader(Resumed(opened.head, raw), PIECE_BYTES)
    if opened.head.startswith(codecs.BOM_UTF8):
        opened.head = opened.head.removeprefix(codecs.BOM_UTF8)
        opened.stream.read(len(codecs.BOM_UTF8))


def _wide_encoding(head: bytes) -> str | None:
    """Told by the byte order mark; that of UTF-32 begins with that of UTF-16."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


class _FromWide(io.RawIOBase):
    """UTF-16 or UTF-32 with a byte order mark as UTF-8. Spreadsheets save "Unicode text" so."""

    def __init__(self, source: io.BufferedReader[Any], encoding: str) -> None:
        super().__init__()
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what io.RawIOBase is called with
        while not self._ready:
            piece = self._source.read(PIECE_BYTES)
            self._ready = self._decoder.decode(piece, final=not piece).encode("utf-8", "replace")
            if not piece:
                break
        piece, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)
