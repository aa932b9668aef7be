"""Where an image lies, and what others say of it: a file or a member of an archive, and its row of metadata.

Decides how it is opened, and how much of an archive's member is unpacked. Knows no image format.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import UnreadableImage
from pipeline.imaging.limits import ImageLimits, too_large


@dataclass(frozen=True, slots=True)
class ImageMetadata:
    """What a table beside the images says of one; "" where it says nothing. As it was written: not yet cleaned."""

    image_id: str = ""
    patient_id: str = ""
    study_id: str = ""
    series_id: str = ""
    date: str = ""
    modality: str = ""
    body_part: str = ""
    view: str = ""
    laterality: str = ""
    description: str = ""
    findings: tuple[str, ...] = ()
    report_id: str = ""
    encounter_id: str = ""
    domain: str = ""

    def said(self) -> dict[str, Any]:
        """What it says, by the name of the field."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image to be read."""

    path: Path
    member: str = ""
    """The image's name in the archive at `path`; "" where `path` is the image."""
    source: str = ""
    """As the ledger writes sources; "": the path."""
    inside: str = ""
    """The end of `source` below the folder that was named; "" for a file named itself."""
    metadata: ImageMetadata = field(default_factory=ImageMetadata)
    content: bytes | None = field(default=None, repr=False)
    """The image itself, where it was handed over and lies nowhere."""

    @property
    def written_source(self) -> str:
        return self.source or (f"{self.path}/{self.member}" if self.member else str(self.path))


@contextmanager
def open_image(file: ImageFile, limits: ImageLimits) -> Iterator[BinaryIO]:
    """Its bytes from the first, in which one can seek. Raises UnreadableImage where it cannot be opened, or is too
    large a member of an archive."""
    if file.content is not None:
        yield io.BytesIO(file.content)
        return
    try:
        if not stat.S_ISREG(file.path.stat().st_mode):
            raise OSError("a pipe or a device never ends")
        with file.path.open("rb") as opened:
            yield _unpacked(opened, file.member, limits) if file.member else opened
    except OSError as error:
        raise UnreadableImage(
            "The file cannot be opened or read.",
            remedy="Look whether it is still there, and whether this user may read it.",
            kind="unopened",
        ) from error


def _unpacked(archive: BinaryIO, member: str, limits: ImageLimits) -> BinaryIO:
    """What an archive says of a member's size is not believed: reading ends at the limit."""
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as packed:
            content = packed.read(limits.inflated_bytes_max + 1)
    except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        raise UnreadableImage(
            "The archive's member is missing, damaged or encrypted.",
            remedy="Unpack the archive and name its folder.",
            kind="unopened",
        ) from error
    if len(content) > limits.inflated_bytes_max:
        raise too_large(f"The archive's member unpacks to more than {limits.inflated_bytes_max:,} bytes.")
    return io.BytesIO(content)
