"""What is looked at before an image, or a text about one, is sent to a model server: type and size, from the bytes.

Decides which types go to a server and which size is refused here instead of there. Decodes nothing: shrinking an image
is the business of `pipeline.imaging`, before it gets here.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import RequestInvalid
from pipeline.ports import SPECIAL_TOKENS
from pipeline.records import EmbeddingSpace

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""JPEG's markers of a frame header (ITU T.81, table B.1): all of C0 to CF but tables and extensions."""
_WORD = re.compile(r"[^\W_]+")
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """A PNG or JPEG file, and what its header says."""

    content: bytes
    kind: Literal["png", "jpeg"]
    size: tuple[int, int] | None
    """Columns and rows in pixels; None where the header is cut off or damaged, which the server will say as well."""

    @property
    def base64(self) -> str:
        return base64.b64encode(self.content).decode()

    @property
    def data_url(self) -> str:
        """The type comes from the bytes: servers refuse a label that differs from them."""
        return f"data:image/{self.kind};base64,{self.base64}"


def read_header(content: bytes, number: int = 1) -> EncodedImage:
    """Raises RequestInvalid for what is neither PNG nor JPEG; `number` is the image's place in the call, from 1."""
    if content.startswith(PNG_MAGIC):
        return EncodedImage(content, "png", _png_size(content))
    if content.startswith(JPEG_MAGIC):
        return EncodedImage(content, "jpeg", _jpeg_size(content))
    raise RequestInvalid(
        f"Image number {number} is neither PNG nor JPEG.",
        remedy="Convert it first; image models read these two.",
    )


def require_size(image: EncodedImage, number: int, model: str, *, side_max: int, bytes_max: int) -> None:
    """Raises RequestInvalid for an image of more pixels or bytes than the model is sent."""
    side = max(image.size) if image.size else 0
    if side > side_max:
        raise RequestInvalid(
            f"Image number {number} is {side:,} pixels long; {model} is sent {side_max:,} at most.",
            remedy="Scale it down first, aspect kept.",
        )
    if len(image.content) > bytes_max:
        raise RequestInvalid(
            f"Image number {number} has {len(image.content):,} bytes; {model} is sent {bytes_max:,} at most.",
            remedy="Scale it down first, or save it as JPEG.",
        )


def refuse_many_words(text: str, number: int, space: EmbeddingSpace) -> None:
    """Raises RequestInvalid for a text that is certainly longer than an image model reads: servers cut it in silence.

    Its tokenizer is not here. A word is one token at least, so whatever has more words than the limit is too long;
    what lies between is for the server to judge.
    """
    words = len(_WORD.findall(text))
    if words > space.tokens_max - SPECIAL_TOKENS:
        raise RequestInvalid(
            f"Text number {number} has {words} words; {space.model} reads {space.tokens_max} tokens.",
            remedy="Describe the image in a sentence or two.",
        )


def _png_size(content: bytes) -> tuple[int, int] | None:
    if len(content) < 24 or content[12:16] != b"IHDR":
        return None
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """From the first frame header behind the tables and the camera's remarks."""
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        elif marker in _FRAMES:
            return int.from_bytes(content[at + 7 : at + 9], "big"), int.from_bytes(
                content[at + 5 : at + 7], "big"
            )
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None
