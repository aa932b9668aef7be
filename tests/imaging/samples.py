"""Films for tests, made here: nothing of them is a person's."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.imaging.decoding import DecodedImage, DecodingOptions, decode_image
from pipeline.imaging.libraries import load_libraries

load_libraries()

from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402  after the libraries, as everywhere
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid  # noqa: E402

CT = "1.2.840.10008.5.1.4.1.1.2"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
SIZE = 64


def decoded(content: bytes, **options: Any) -> DecodedImage:
    return decode_image(io.BytesIO(content), DecodingOptions(**options))


def slope(size: int = SIZE, most: int = 4095) -> NDArray[np.uint16]:
    """Dark at the upper left, bright at the lower right, with a bright square near the upper right."""
    ramp = np.add.outer(np.arange(size), np.arange(size)) / (2 * size - 2)
    ramp[size // 8 : size // 4, -size // 4 : -size // 8] = 1
    return np.rint(ramp * most).astype(np.uint16)


def dataset(pixels: NDArray[Any] | None = None, **attributes: Any) -> Dataset:
    """A film of 12 bits, uncompressed; `attributes` replace what it says, None takes one away."""
    pixels = slope() if pixels is None else pixels
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.Modality = DX, "DX"
    made.SOPInstanceUID, made.SeriesInstanceUID = (
        generate_uid(entropy_srcs=["a"]),
        generate_uid(entropy_srcs=["b"]),
    )
    made.StudyInstanceUID, made.PatientID = generate_uid(entropy_srcs=["c"]), "P-1"
    frames = pixels.shape[0] if pixels.ndim == 4 or (pixels.ndim == 3 and not colour) else 0
    made.Rows, made.Columns = pixels.shape[1:3] if frames else pixels.shape[:2]
    if frames:
        made.NumberOfFrames = frames
    made.SamplesPerPixel = 3 if colour or pixels.ndim == 4 else 1
    made.PhotometricInterpretation = "RGB" if made.SamplesPerPixel == 3 else "MONOCHROME2"
    if made.SamplesPerPixel == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = 8 * pixels.dtype.itemsize
    made.BitsStored = 8 if made.BitsAllocated == 8 else 12 if pixels.dtype.kind == "u" else 16
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OB" if made.BitsAllocated == 8 else "OW"
    for name, value in attributes.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    return made


def dicom(pixels: NDArray[Any] | None = None, **attributes: Any) -> bytes:
    return written(dataset(pixels, **attributes))


def written(made: Dataset, syntax: str | None = None) -> bytes:
    """As a file, in `syntax` where one is given: the pixels must be in it already."""
    if syntax is not None:
        made.file_meta.TransferSyntaxUID = UID(syntax)
    stream = io.BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def encapsulated(frames: Iterable[bytes], syntax: str, pixels: NDArray[Any], **attributes: Any) -> bytes:
    """A film whose frames are these code streams."""
    made = dataset(pixels, **attributes)
    made.PixelData = encapsulate(list(frames))
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return written(made, syntax)


def lossless_jpeg(content: bytes, process: str = "JPEGLosslessProcess14_1") -> bytes:
    """The same film, its pixels compressed by gdcm; writes two files into the working directory."""
    import gdcm

    source, target = Path("source.dcm"), Path("target.dcm")
    source.write_bytes(content)
    reader, writer, change = gdcm.ImageReader(), gdcm.ImageWriter(), gdcm.ImageChangeTransferSyntax()
    reader.SetFileName(str(source))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, process)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return target.read_bytes()


def picture(pixels: NDArray[Any], kind: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    """A PNG or JPEG of `pixels`, converted to Pillow's `mode` where one is given."""
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(stream, kind, **options)
    return stream.getvalue()


def grey(size: int = SIZE) -> NDArray[np.uint8]:
    return slope(size, 255).astype(np.uint8)


def volume(values: NDArray[Any], affine: NDArray[Any] | None = None, *, second: bool = False) -> bytes:
    kind: Any = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    content: bytes = kind(values, np.eye(4) if affine is None else affine).to_bytes()
    return content


def png_header(columns: int, rows: int, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG that promises a size and holds next to nothing."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            _chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(b"\0" * 100)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
