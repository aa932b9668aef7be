"""The bytes of one image file to one rendered frame, whichever format it is.

Decides the order: size, format by its first bytes, header, pixels; and that whatever a library raises over damaged
bytes costs this image only. Gives the DICOM header as it is, so what it returns stays in the reading.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import UnreadableImage
from pipeline.imaging.libraries import load_libraries, without_warnings
from pipeline.imaging.limits import ImageLimits, too_large
from pipeline.imaging.records import ImageFormat
from pipeline.imaging.rendering import RenderedFrame
from pipeline.imaging.sniffing import HEAD_BYTES, image_format
from pipeline.logs import LOGGER, fault_fields

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FORMATS: tuple[ImageFormat, ...] = ("dicom", "png", "jpg", "nifti")


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """What is decoded, and how much of it."""

    formats: frozenset[ImageFormat] = frozenset(FORMATS)
    limits: ImageLimits = field(default_factory=ImageLimits)
    frame: int | None = None
    """Counted from 1; None for the one that is taken by itself."""
    window: tuple[float, float] | None = None
    """Centre and width in the image's own units; None for the window that it is shown with by itself."""
    content_hash: str = ""
    """What the file's bytes must have, judged before anything is decoded; "": any."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One frame, and the header that it came with, which may name the patient."""

    source_format: ImageFormat
    content_hash: str
    frame: RenderedFrame
    dataset: Dataset | None
    """Of DICOM, without its pixels."""


def decode_image(stream: BinaryIO, options: DecodingOptions) -> DecodedImage:
    """The frame of an open file, which can be sought in. Raises UnreadableImage where it is not read, SettingsInvalid
    where the libraries are missing.

    A decoder may also end the process, or never end: what strangers send goes through `ReadingPool`.
    """
    load_libraries()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    options.limits.require_file(size)
    if options.content_hash:
        require_content(stream, options.content_hash)
        stream.seek(0)
    found = image_format(stream.read(HEAD_BYTES))
    if found not in options.formats:
        raise UnreadableImage(
            f"The image is of a format that was not asked for ({found}).",
            remedy="Name it with --format, or leave it out.",
            kind="format-not-asked",
        )
    stream.seek(0)
    with nothing_quoted():
        frame, dataset = _decoded(stream, size, found, options)
    return DecodedImage(found, options.content_hash or _sha256(stream), frame, dataset)


def require_content(stream: BinaryIO, content_hash: str) -> None:
    """Raises UnreadableImage where the file's bytes are not those of that hash."""
    if _sha256(stream) != content_hash:
        raise UnreadableImage(
            "The file is another one than when the image was indexed.",
            remedy="Index its folder again.",
            kind="changed",
        )


def _sha256(stream: BinaryIO) -> str:
    stream.seek(0)
    digest = hashlib.sha256()
    while block := stream.read(2**20):
        digest.update(block)
    return digest.hexdigest()


def _decoded(
    stream: BinaryIO, size: int, found: ImageFormat, options: DecodingOptions
) -> tuple[RenderedFrame, Dataset | None]:
    limits = options.limits
    match found:
        case "dicom":
            from pipeline.imaging.dicom import open_dicom, read_frame

            opened = open_dicom(stream, size, limits)
            return read_frame(opened, options.frame, options.window), opened.dataset
        case "nifti":
            from pipeline.imaging.nifti import read_slice

            return read_slice(stream, limits, options.frame, options.window), None
        case "png":
            from pipeline.imaging.raster import read_png

            return read_png(stream, limits, options.window), None
        case "jpg":
            from pipeline.imaging.raster import read_jpeg

            return read_jpeg(stream, limits, options.window), None


@contextmanager
def nothing_quoted() -> Iterator[None]:
    """The libraries' exceptions and warnings quote values of the header: neither gets out."""
    try:
        with without_warnings():
            yield
    except UnreadableImage:
        raise
    except MemoryError as error:
        raise too_large("The image needs more memory than a reading process has.") from error
    except Exception as error:  # noqa: BLE001  a decoder may raise anything over damaged bytes
        LOGGER.info("an image could not be decoded", extra=fault_fields(error))
        raise UnreadableImage(
            "The image cannot be decoded: it is damaged, or stored in a way that no decoder here knows.",
            remedy="Open it in a viewer; where that shows it, export it again uncompressed.",
            kind="damaged",
        ) from None
