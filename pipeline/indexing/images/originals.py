"""Where the original of a stored image lies, for whoever opens it again.

Decides that a path is the one under which the image was indexed and nothing else: the store says only the cleaned one,
in which names are codes. Opens no file; whether its bytes are still the same is for whoever reads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.imaging.files import ImageFile, ImageMetadata
from pipeline.imaging.records import ImageDescription
from pipeline.ports import NoteRegister
from pipeline.records import KnownNote


@dataclass(frozen=True)
class Originals:
    """The files of stored images, by what the ledger of images knows."""

    ledger: NoteRegister
    is_there: Callable[[], bool]
    """Whether that ledger was ever made."""

    def of(self, descriptions: Sequence[ImageDescription]) -> list[ImageFile | None]:
        """The file of each, with what cleaning it needs to know; None where it is not where it was indexed, or no one
        knows any more where that was."""
        if not self.is_there():
            return [None] * len(descriptions)
        known = self.ledger.known([each.content_hash for each in descriptions])
        return [_file(each, known.get(each.content_hash)) for each in descriptions]


def _file(description: ImageDescription, known: KnownNote | None) -> ImageFile | None:
    if known is None or not is_in_place(known.file, known.source):
        return None
    metadata = ImageMetadata(patient_id=known.patient_id or "", modality=description.modality)
    return ImageFile(Path(known.file), metadata=metadata)


def is_in_place(file: str, source: str) -> bool:
    """Whether a file of the ledger is still at its full path below the input that it came from, and no link stands on
    the way: the ledger has paths in which every link was followed."""
    path = Path(file)
    if not file or not path.is_absolute() or not path.is_relative_to(source):
        return False
    try:
        return os.path.realpath(path) == file and path.is_file()
    except OSError:
        return True  # it may well be there: opening it says what is in the way
