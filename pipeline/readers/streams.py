"""Bytes from files and pipes: unpacked, looked at ahead, and from the first one again.

Decides which compressions are taken off, and what a read that fails means. Refuses to know what the bytes are.
"""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, BinaryIO

from pipeline.readers.reader import UnreadableSource

HEAD_BYTES = 64 * 1024
"""Read ahead to recognise the format."""
PIECE_BYTES = 256 * 1024

COMPRESSED = ".gz"
"""The suffix behind that of the format."""

_GZIP_MAGIC = b"\x1f\x8b"


def bare_name(path: str) -> str:
    """A path without the suffix of a compression."""
    return path.removesuffix(COMPRESSED)


def beginning(raw: BinaryIO) -> tuple[bytes, io.BufferedReader[Any]]:
    """The first bytes, HEAD_BYTES of them where there are as many, and the stream from the first one on; gzip is
    recognised by its own first bytes and taken off.

    Raises UnreadableSource where it is damaged.
    """
    head = read_ahead(raw, HEAD_BYTES)
    if head.startswith(_GZIP_MAGIC):
        raw = gzip.GzipFile(fileobj=io.BufferedReader(Resumed(head, raw), PIECE_BYTES))  # type: ignore[assignment]
        head = read_ahead(raw, HEAD_BYTES)
    return head, io.BufferedReader(Resumed(head, raw), PIECE_BYTES)


def read_ahead(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes, fewer only at the end: one read of a pipe gives whatever is there."""
    pieces = bytearray()
    while len(pieces) < size and (piece := _read(stream, size - len(pieces))):
        pieces += piece
    return bytes(pieces)


def _read(stream: BinaryIO, size: int) -> bytes:
    try:
        return stream.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableSource(
            "The compressed data is damaged or ends early.",
            "What came before was read. Check the file with `gzip -t` and fetch or compress it again.",
        ) from error
    except OSError as error:
        raise UnreadableSource(
            "The file cannot be read further.",
            f"The system says: {error.strerror}. Check the disk or the mount.",
        ) from error


class Resumed(io.RawIOBase):
    """A stream whose beginning was already read, from its beginning again."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what io.RawIOBase is called with
        piece = self._head[: len(buffer)] if self._head else _read(self._rest, len(buffer))
        self._head = self._head[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)
