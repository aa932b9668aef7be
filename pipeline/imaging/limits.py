"""How large an image may be: judged by what its header says, before anything is decoded.

Knows no format.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import UnreadableImage


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What one image may cost a reading process. A frame takes 5 to 15 bytes a pixel, one of 32 bits 36."""

    file_bytes_max: int = 2 * 1024**3
    """Of the file. Of a film with many frames only one is decoded, but the whole is hashed."""
    pixels_max: int = 64_000_000
    """Of one frame. A mammogram has 23 million; a film of 200 million is a slide or a trick."""
    inflated_bytes_max: int = 512 * 1024**2
    """Of a DICOM data set that is compressed as a whole, and of one volume of a NIfTI file."""
    side_min: int = 16
    """Of the shorter side: what is smaller shows nothing."""

    def require_file(self, size: int) -> None:
        """Raises UnreadableImage where a file of `size` bytes is not opened."""
        if size > self.file_bytes_max:
            raise too_large(f"The file is larger than {self.file_bytes_max:,} bytes.")

    def require_shape(self, rows: int, columns: int) -> None:
        """Raises UnreadableImage where a frame of this shape is not decoded."""
        if rows <= 0 or columns <= 0:
            raise UnreadableImage(
                "The header says nothing usable of rows and columns.",
                remedy="Export the image again from where it came from.",
                kind="header",
            )
        if rows * columns > self.pixels_max:
            raise too_large(f"A frame has more than {self.pixels_max:,} pixels by its header.")
        if min(rows, columns) < self.side_min:
            raise UnreadableImage(
                f"The image is smaller than {self.side_min} pixels on a side.",
                remedy="Leave it out: an icon shows no finding.",
                kind="too-small",
            )


def too_large(what: str) -> UnreadableImage:
    """What is refused for its size, whichever size it is."""
    return UnreadableImage(
        what, remedy="Export it smaller, or a region of it. Nothing of it was decoded.", kind="too-large"
    )
