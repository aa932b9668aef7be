"""Which format a file is, from its first bytes alone: names lie.

Decides what is taken for DICOM without its preamble, and how what is not read is called. Knows no decoder.
"""

from __future__ import annotations

import zlib

from pipeline.errors import UnreadableImage
from pipeline.imaging.records import ImageFormat

HEAD_BYTES = 1024
"""NIfTI has its mark at 344, and may be compressed."""

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_GZIP = b"\x1f\x8b"
_NIFTI_MARKS = ((344, b"n+1\0"), (4, b"n+2\0"))
_PAIR_MARKS = ((344, b"ni1\0"), (4, b"ni2\0"))

_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (8, b"WEBP", "WebP"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"ftyp", "a video or HEIF"),
    (0, b"NRRD000", "NRRD"),
    (0, b"\x5c\x01\0\0", "Analyze"),
)
"""Where a mark stands, the mark, and what it is a mark of."""


def image_format(head: bytes) -> ImageFormat:
    """The format that begins like this. Raises UnreadableImage for any other, with what it seems to be."""
    if not head:
        raise UnreadableImage(
            "The file is empty.", remedy="Copy it again from where it came from.", kind="empty"
        )
    if _is_dicom(head):  # first: its preamble may hold the head of another format
        return "dicom"
    if head.startswith(_PNG):
        return "png"
    if head.startswith(_JPEG):
        return "jpg"
    inner = _inflated(head) if head.startswith(_GZIP) else head
    if _has(inner, _NIFTI_MARKS):
        return "nifti"
    raise _refused(head, inner)


def _is_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM" or _begins_with_element(head)


def _begins_with_element(head: bytes) -> bool:
    """A data set without preamble begins with group 2 or 8, in either byte order."""
    if len(head) < 8:
        return False
    if head[:2] in (b"\x02\0", b"\x08\0"):
        element, length = head[2:4], int.from_bytes(head[4:8], "little")
    elif head[:2] in (b"\0\x02", b"\0\x08"):
        element, length = head[3:1:-1], 0
    else:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return element[1] in (0, 1) and (explicit or (head[1] == 0 and length < 256))


def _inflated(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return b""


def _has(head: bytes, marks: tuple[tuple[int, bytes], ...]) -> bool:
    return any(head[at : at + len(mark)] == mark for at, mark in marks)


def _refused(head: bytes, inner: bytes) -> UnreadableImage:
    if _has(inner, _PAIR_MARKS):
        return UnreadableImage(
            "The file is one half of a NIfTI pair (.hdr and .img).",
            remedy="Join the two into one .nii file.",
            kind="nifti-pair",
        )
    for at, mark, name in _OTHERS:
        if head[at : at + len(mark)] == mark:
            return UnreadableImage(
                f"The file is {name}, which is not read.",
                remedy="Export the image as DICOM, PNG, JPEG or NIfTI; unpack an archive first.",
                kind="other-format",
            )
    return UnreadableImage(
        "The file is no DICOM, PNG, JPEG or NIfTI by its first bytes, whatever its name says.",
        remedy="Look what it is; leave out files that are no images, and name a table of the images with --metadata.",
        kind="not-an-image",
    )
