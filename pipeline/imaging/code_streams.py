"""What the head of a compressed frame says of its size: one that unpacks to more than the header says is a bomb.

Knows JPEG, lossless JPEG, JPEG-LS and JPEG 2000, and of these the size alone.
"""

from __future__ import annotations

from typing import Final

_JPEG: Final = b"\xff\xd8"
_JPEG_2000: Final = b"\xff\x4f\xff\x51"
_NO_FRAME_HEADERS: Final = frozenset({0xC4, 0xC8, 0xCC})
"""Tables between the markers C0 to CF, which else begin a frame; F7 does in JPEG-LS."""
_START_OF_SCAN: Final = 0xDA


def coded_shape(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns by the stream itself; None where it does not say, or is none of these formats."""
    if frame.startswith(_JPEG_2000):
        return _jpeg_2000_shape(frame)
    return _jpeg_shape(frame) if frame.startswith(_JPEG) else None


def _jpeg_2000_shape(frame: bytes) -> tuple[int, int] | None:
    if len(frame) < 24:
        return None
    width, height, left, top = (int.from_bytes(frame[at : at + 4], "big") for at in (8, 12, 16, 20))
    return height - top, width - left


def _jpeg_shape(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker == 0xFF:  # a filler
            at += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_HEADERS):
            rows, columns = (int.from_bytes(frame[at + k : at + k + 2], "big") for k in (5, 7))
            return rows, columns
        if marker == _START_OF_SCAN or length < 2:
            return None
        at += 2 + length
    return None
