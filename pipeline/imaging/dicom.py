"""One frame of a DICOM file: opened, judged by its header, decoded and rendered.

Decides which frame of many is taken, what counts as cut off, and in which order decoders are asked. Which objects are
pictures is `dicom_objects.py`'s judgement, how values become grey `dicom_grey.py`'s. Names, dates and ids in the header
are de-identification's, which gets the data set as it is.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from pipeline.errors import UnreadableImage
from pipeline.imaging.code_streams import coded_shape
from pipeline.imaging.dicom_grey import (
    frame_header,
    malformed,
    numbers,
    pixel_aspect,
    render_grey,
    whole_number,
)
from pipeline.imaging.dicom_objects import require_picture
from pipeline.imaging.limits import ImageLimits, too_large
from pipeline.imaging.records import Rendering
from pipeline.imaging.rendering import RenderedFrame, grey_where_equal, require_contrast, square_pixels

FRAMES_MAX: Final = 1_000_000

_PIXEL_DATA: Final = (0x7FE0, 0x0010)
_FLOAT_PIXEL_DATA: Final = ((0x7FE0, 0x0008), (0x7FE0, 0x0009))
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
_UNDEFINED: Final = 0xFFFFFFFF
_PREFERRED: Final = ("pydicom", "pyjpegls", "pylibjpeg", "pillow", "gdcm")
"""gdcm last, for lossless JPEG, which no other decodes: damaged JPEG 2000 makes it end the process, and it takes two to
four times as long as the others (34 ms where pyjpegls takes 17, 9 where Pillow takes 2, for a million pixels)."""
_END_OF_IMAGE: Final = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class DicomFile:
    """An opened DICOM image: its header, and where its pixels begin."""

    dataset: Dataset
    """Everything before the pixels. Not cleaned: never leaves the reading."""
    stream: BinaryIO
    syntax: UID
    value_at: int
    """Position in `stream` of the first byte of the pixels' value."""
    value_bytes: int | None
    """Its length; None where the frames are encapsulated."""


def open_dicom(stream: BinaryIO, size: int, limits: ImageLimits) -> DicomFile:
    """The header of a file of `size` bytes, `stream` at its first. Raises UnreadableImage where it is no picture, or
    one that is not decoded."""
    stream, size = _inflated(stream, size, limits)
    dataset = dcmread(stream, force=True, stop_before_pixels=True)
    pixels_at = stream.tell()
    syntax = _syntax(dataset)
    require_picture(dataset, syntax)
    value_at, value_bytes = _pixel_element(stream, pixels_at, size, syntax)
    _require_decodable(dataset, syntax, limits)
    return DicomFile(dataset, stream, syntax, value_at, value_bytes)


def _inflated(stream: BinaryIO, size: int, limits: ImageLimits) -> tuple[BinaryIO, int]:
    """A file whose data set is deflated as a whole, unpacked up to a limit: pydicom has none."""
    head = stream.read(4096)
    stream.seek(0)
    deflated, plain = DeflatedExplicitVRLittleEndian.encode(), ExplicitVRLittleEndian.encode()
    if head[128:132] != b"DICM" or deflated not in head or head[132:138] != b"\x02\0\0\0UL":
        return stream, size
    starts = 144 + int.from_bytes(head[140:144], "little")
    meta = stream.read(min(starts, size)).replace(deflated, plain.ljust(len(deflated), b"\0"))
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(stream.read(), limits.inflated_bytes_max)
    except zlib.error as error:
        raise truncated() from error
    if unpacker.unconsumed_tail:
        raise too_large(
            f"The data set is deflated, and unpacks to more than {limits.inflated_bytes_max:,} bytes."
        )
    if not unpacker.eof:
        raise truncated()
    return io.BytesIO(meta + content), len(meta) + len(content)


def _syntax(dataset: Dataset) -> UID:
    named = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    if named:
        return UID(str(named).strip())
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _pixel_element(stream: BinaryIO, at: int, size: int, syntax: UID) -> tuple[int, int | None]:
    """Where the value of the pixels begins, and its length."""
    order: Literal["little", "big"] = "little" if syntax.is_little_endian else "big"
    number = partial(int.from_bytes, byteorder=order)
    stream.seek(at)
    element = stream.read(8 if syntax.is_implicit_VR else 12)
    tag = (number(element[:2]), number(element[2:4]))
    if tag in _FLOAT_PIXEL_DATA:
        raise UnreadableImage(
            "The DICOM object holds computed values (float pixels), no film.",
            remedy="Index the images that it was computed from.",
            kind="parametric-map",
        )
    if tag != _PIXEL_DATA or len(element) < 8:
        raise UnreadableImage(
            "The DICOM object has no pixels.",
            remedy="If it should be an image, export it again: the file may be cut off in its header.",
            kind="no-pixels",
        )
    length, value_at = number(element[-4:]), stream.tell()
    if length == _UNDEFINED:
        return value_at, None
    if value_at + length > size:
        raise truncated()
    return value_at, length


def truncated() -> UnreadableImage:
    """A file that ends before its image does."""
    return UnreadableImage(
        "The file is cut off: it ends before its image does.",
        remedy="Copy it again from where it came from.",
        kind="truncated",
    )


def _require_decodable(dataset: Dataset, syntax: UID, limits: ImageLimits) -> None:
    missing = [
        name
        for name in ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")
        if dataset.get(name) in (None, "")
    ]
    if missing:
        raise UnreadableImage(
            f"The header lacks {', '.join(missing)}: nothing says how the pixels are to be read.",
            remedy="Export the image again from where it came from.",
            kind="header",
        )
    limits.require_shape(whole_number(dataset, "Rows", 0), whole_number(dataset, "Columns", 0))
    if _photometric(dataset) not in (*_GREY, *_COLOUR):
        raise UnreadableImage(
            "The header names a way to store colours that is not read (PhotometricInterpretation).",
            remedy="Export it as MONOCHROME2 or RGB.",
            kind="colours",
        )
    try:
        get_decoder(syntax)
    except NotImplementedError as error:
        raise UnreadableImage(
            "The pixels are compressed in a way for which there is no decoder (TransferSyntaxUID).",
            remedy="Export the image as JPEG 2000, JPEG or uncompressed.",
            kind="transfer-syntax",
        ) from error


def _photometric(dataset: Dataset) -> str:
    return str(dataset.get("PhotometricInterpretation", "")).strip().upper()


def header_patient(dataset: Dataset) -> str:
    """The patient's id as the header has it; "" where it has none. Raises UnreadableImage where it cannot be read or is
    several: whose image it is must not be guessed."""
    try:
        value = dataset.get("PatientID")
    except (ValueError, TypeError, NotImplementedError, LookupError) as error:
        raise malformed("PatientID") from error
    if value is not None and not isinstance(value, str):
        raise malformed("PatientID")
    return (value or "").strip("\0 ")


def header_issuer(dataset: Dataset) -> str:
    """Who gave the patient's id; "" where the header does not say, or says it in a way that cannot be read."""
    try:
        value = dataset.get("IssuerOfPatientID")
    except (ValueError, TypeError, NotImplementedError, LookupError):
        return ""
    return " ".join(value.casefold().split()) if isinstance(value, str) else ""


def read_frame(
    opened: DicomFile, number: int | None = None, window: tuple[float, float] | None = None
) -> RenderedFrame:
    """The frame `number`, counted from 1, rendered; without one the representative frame, else that in the middle.
    `window`: of grey another than that of the header.

    Raises UnreadableImage where it cannot be decoded.
    """
    dataset = opened.dataset
    count = frame_count(dataset)
    number, why = _chosen(dataset, count, number)
    stored = stored_frame(opened, number, count)
    header = frame_header(dataset, number - 1)
    rendering = render_stored(stored, dataset, header, window, empty_too=window is not None)
    pixels = square_pixels(rendering.pixels, pixel_aspect(header))
    rows, columns = stored.shape[:2]
    remarks = {"frame_choice": why} if count > 1 else {}
    return RenderedFrame(Rendering(pixels, rendering.window), rows, columns, number, count, remarks)


def frame_count(dataset: Dataset) -> int:
    """How many frames the header promises."""
    count = whole_number(dataset, "NumberOfFrames", 1)
    if not 1 <= count <= FRAMES_MAX:
        raise malformed("NumberOfFrames")
    return count


def _chosen(dataset: Dataset, count: int, wanted: int | None) -> tuple[int, str]:
    if wanted is not None:
        if not 1 <= wanted <= count:
            raise UnreadableImage(
                f"There is no frame {wanted}: the image has {count}.",
                remedy="Name a frame that it has; they are counted from 1.",
                kind="no-such-frame",
            )
        return wanted, "as asked"
    named = numbers(dataset, "RepresentativeFrameNumber")
    if named and 1 <= named[0] <= count:
        return int(named[0]), "representative"
    return count // 2 + 1, "middle"


def stored_frame(opened: DicomFile, number: int, count: int) -> NDArray[Any]:
    """The stored values of frame `number`, counted from 1, of `count`: shape (rows, columns), of colour (rows, columns,
    3). Raises UnreadableImage where it cannot be decoded."""
    index = number - 1
    if opened.value_bytes is None:
        _require_whole_frame(opened, index, count)
    elif opened.value_bytes < _bytes_needed(opened.dataset, count):
        raise truncated()
    opened.stream.seek(0)
    return pixel_array(
        opened.stream,
        index=index,
        transfer_syntax_uid=opened.syntax,
        number_of_frames=count,
        decoding_plugin=_decoder(opened.syntax),
    )


def _decoder(syntax: UID) -> str:
    """The name of the one that is asked; "" where nothing is compressed.

    No second one is: a stream that a good decoder refuses is damaged, and half an image must not be shown as a whole.
    """
    names = get_decoder(syntax).available_plugins
    return next((name for name in _PREFERRED if name in names), "")


def _bytes_needed(dataset: Dataset, count: int) -> int:
    values = (
        whole_number(dataset, "Rows", 0)
        * whole_number(dataset, "Columns", 0)
        * whole_number(dataset, "SamplesPerPixel", 1)
        * count
    )
    if _photometric(dataset) == "YBR_FULL_422":
        values = values * 2 // 3
    return values * whole_number(dataset, "BitsAllocated", 8) // 8


def _require_whole_frame(opened: DicomFile, index: int, count: int) -> None:
    """A compressed frame that is cut off is half decoded, without a word, by some decoders."""
    opened.stream.seek(opened.value_at)
    try:
        frame = get_frame(opened.stream, index, number_of_frames=count)
    except (ValueError, EOFError) as error:
        raise truncated() from error
    if opened.syntax == RLELossless:
        return
    if _END_OF_IMAGE not in frame[-64:]:
        raise truncated()
    stored = (whole_number(opened.dataset, "Rows", 0), whole_number(opened.dataset, "Columns", 0))
    if coded_shape(frame) not in (None, stored):
        raise UnreadableImage(
            "The compressed frame has another size than the header says.",
            remedy="Export the image again from where it came from. Nothing of it was decoded.",
            kind="header",
        )


def render_stored(
    stored: NDArray[Any],
    dataset: Dataset,
    header: Dataset,
    window: tuple[float, float] | None = None,
    *,
    empty_too: bool = False,
) -> Rendering:
    """Those values as `header`, the frame's, wants them shown, or grey through another `window`; pixels are not made
    square. Raises UnreadableImage for an empty frame, unless `empty_too`."""
    photometric = _photometric(dataset)
    if photometric in _GREY and stored.ndim == 2:
        return render_grey(stored, header, window, empty_too=empty_too)
    if photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
        bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
    else:
        bits = whole_number(dataset, "BitsStored", 8)
    if stored.ndim != 3 or stored.shape[-1] != 3:
        raise malformed("SamplesPerPixel")
    pixels = stored if bits <= 8 else stored >> (bits - 8)
    if not empty_too:
        require_contrast(pixels)
    return Rendering(grey_where_equal(np.ascontiguousarray(pixels, dtype=np.uint8)))
