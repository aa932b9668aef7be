"""Pictures of no one, made here: what a model is asked about to see whether it works.

Decides what they show. They need no library, so that a check runs where the extra `images` is not installed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import TypeAlias

PIXELS = 64
"""Some models refuse a side of less than 28 pixels."""
Colour: TypeAlias = tuple[int, int, int]


def grey_png(pixels: int = PIXELS) -> bytes:
    """A grey gradient."""

    def grey(x: int, y: int) -> Colour:
        value = (x + y) * 255 // (2 * pixels)
        return value, value, value

    return _png(pixels, grey)


def red_png(pixels: int = PIXELS) -> bytes:
    """Red and nothing else: a model that does not say so has not seen it."""
    return _png(pixels, lambda _x, _y: (230, 20, 20))


def _png(pixels: int, colour: Callable[[int, int], Colour]) -> bytes:
    """RFC 2083: 8 bits, RGB."""
    rows = b"".join(b"\0" + b"".join(bytes(colour(x, y)) for x in range(pixels)) for y in range(pixels))
    header = struct.pack(">IIBBBBB", pixels, pixels, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(kind, content) for kind, content in parts)


def _part(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content) & 0xFFFFFFFF
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
