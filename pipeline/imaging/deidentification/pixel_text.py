"""Text in an image's pixels: which images are read for it, what is a mark, and what is done about other text.

Decides that sides, positions and measures are marks and everything else may be a name, that an image which says of
itself that it names its patient is not taken on the word of a reader that finds nothing, and that what was masked is
read once more. Refuses to know who reads (`text_recognition`) and who the patient is (`identifiers`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UnreadableImage
from pipeline.imaging.deidentification.free_text import numbers_in_groups
from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.deidentification.text_recognition import PixelText, TextReader
from pipeline.imaging.deidentification.vocabulary import is_row_of_terms, says_nothing_of_a_person

if TYPE_CHECKING:
    from pipeline.config import DeidentificationSettings

PixelCheck: TypeAlias = Literal["read", "masked", "not read", "not sampled", "kept"]
"""Read and nothing but marks found; text masked; not read although it should be, because the extra `ocr` is missing;
one of the many of which a sample is read; not looked at by setting."""
Need: TypeAlias = Literal["must", "may", "no"]

UNKNOWN_MODALITY = "UNKNOWN"
SURE_SCORE = 0.8
WORD_SCORE = 0.5
"""What a reader is less sure of counts only where it is long: bones and lines are read as one or two characters."""
NAME_CHARACTERS_MIN = 3
"""Two letters are a radiographer's initials at the most."""
WORD_CHARACTERS_MIN = 5
MARGIN = 0.25
"""Of a line's height, masked around it."""
_WORD = re.compile(r"\d+(?:[-/:.,]\d+)+(?:\s?[ap]m)?|[^\W_]+%?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CheckedPixels:
    """An image's pixels as they may be given, and what was done to know it."""

    pixels: NDArray[np.uint8]
    check: PixelCheck


def need_of(
    modality: str, burned_in: str, settings: DeidentificationSettings, key: DeidentificationKey, image_id: str
) -> Need:
    """Whether an image is read for text: of the same image the same in every run. `modality`: as DICOM codes it,
    UNKNOWN_MODALITY, or "" for one that is read by sample."""
    if burned_in == "YES":
        return "must"
    listed = settings.pixel_text_modalities.upper().replace(",", " ").split()
    if burned_in != "NO" and modality in listed:
        return "must"
    drawn = int.from_bytes(key.digest("sample", image_id)[:8], "big") / 2**64
    return "may" if drawn < settings.pixel_text_sample else "no"


def check_pixels(
    pixels: NDArray[np.uint8],
    *,
    need: Need,
    says_burned_in: bool,
    settings: DeidentificationSettings,
    reader: TextReader | None,
    identifiers: Identifiers,
) -> CheckedPixels:
    """Pixels as they may be given. Raises UnreadableImage where the image is refused, by setting or because no reader
    is installed; no text of the image is in the message."""
    if settings.pixel_text == "keep":
        return CheckedPixels(pixels, "kept")
    if need == "no":
        return CheckedPixels(pixels, "not sampled")
    if reader is None:
        if need == "must" and settings.without_ocr == "refuse":
            raise _not_read()
        return CheckedPixels(pixels, "not read")
    found = [text for text in reader.read(pixels) if may_name_someone(text, identifiers)]
    if not found:
        if says_burned_in:
            raise _said_and_not_found()
        return CheckedPixels(pixels, "read")
    if settings.pixel_text == "refuse":
        raise _refused(len(found))
    return CheckedPixels(_mask_all(pixels, found, reader, identifiers), "masked")


def may_name_someone(found: PixelText, identifiers: Identifiers) -> bool:
    """Whether a line is more than marks of side, position, time of day or measure. Numbers in groups may be a telephone
    number, an id or a date, as in a description."""
    if identifiers.are_in(found.text) and found.score >= WORD_SCORE:
        return True
    words = _WORD.findall(found.text)
    if numbers_in_groups(words) and found.score >= WORD_SCORE:
        return True
    characters = max((len(word) for word in words if not _is_mark(word)), default=0)
    if found.score >= SURE_SCORE:
        return characters >= NAME_CHARACTERS_MIN
    return found.score >= WORD_SCORE and characters >= WORD_CHARACTERS_MIN


def _is_mark(word: str) -> bool:
    return says_nothing_of_a_person(word) or is_row_of_terms(word)


def _mask_all(
    pixels: NDArray[np.uint8], found: Sequence[PixelText], reader: TextReader, identifiers: Identifiers
) -> NDArray[np.uint8]:
    masked = pixels.copy()
    for text in found:
        _mask(masked, text)
    left = [text for text in reader.read(masked) if may_name_someone(text, identifiers)]
    if left:
        raise _refused(len(left))
    return masked


def _mask(pixels: NDArray[np.uint8], text: PixelText) -> None:
    margin = max(2, round(MARGIN * (text.bottom - text.top)))
    rows = slice(max(0, text.top - margin), text.bottom + margin)
    columns = slice(max(0, text.left - margin), text.right + margin)
    pixels[rows, columns] = 0


def _refused(lines: int) -> UnreadableImage:
    number = "a line" if lines == 1 else f"{lines} lines"
    return UnreadableImage(
        f"The image shows {number} of text that may name someone.",
        remedy="Look at it. Export it without its text, or set CHARTWELL_DEIDENTIFICATION__PIXEL_TEXT=mask; keep takes "
        "images as they are.",
        kind="text-in-pixels",
    )


def _said_and_not_found() -> UnreadableImage:
    return UnreadableImage(
        "The header says that the image shows who its patient is, and no such text was found to mask.",
        remedy="Look at it. Export it without its text, or correct BurnedInAnnotation (0028,0301) where it is wrong.",
        kind="text-in-pixels",
    )


def _not_read() -> UnreadableImage:
    return UnreadableImage(
        "The image is of a kind that often shows its patient's name, and nothing is installed that reads text in "
        "pixels.",
        remedy="Install the extra `ocr`: `make ocr` in a checkout, `pip install 'chartwell[ocr]'` elsewhere; or "
        "take such images unread: CHARTWELL_DEIDENTIFICATION__WITHOUT_OCR=pass.",
        kind="text-not-read",
    )
