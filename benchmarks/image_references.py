"""Ten prepared images next to another library's rendering: the largest difference of a pixel, and a sheet to look at.

python -m benchmarks.image_references FOLDER SHEET.png    FOLDER: the development images

DCMTK (`dcmj2pnm`, Debian's package dcmtk) renders DICOM; SimpleITK, where it can be imported, NIfTI and PNG. Both are
asked for the window that was recorded, and nothing else.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.imaging.decoding import DecodedImage, DecodingOptions, decode_image

DICOM = (
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "SC_rgb_jpeg_dcmd.dcm",
    "examples_overlay.dcm",
    "examples_palette.dcm",
    "examples_ybr_color.dcm",
    "image_dfl.dcm",
)
NIFTI = ("anatomical.nii", "example4d.nii.gz")
OTHERS = ("examples_jpeg2k.dcm", "00000150_002.png")
"""DCMTK has no free decoder of JPEG 2000."""
SIDE = 240


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python -m benchmarks.image_references FOLDER-OF-IMAGES SHEET.png")
    folder, sheet = Path(sys.argv[1]), Path(sys.argv[2])
    pairs: list[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]] = []
    for name in (*DICOM, *NIFTI, *OTHERS):
        (path,) = folder.rglob(name)
        with path.open("rb") as stream:
            found = decode_image(stream, DecodingOptions())
        theirs = _by_dcmtk(path, found) if name in DICOM else _by_itk(path, found)
        if theirs is not None:
            pairs.append((name, found.frame.rendering.pixels, theirs))
    for name, ours, theirs in pairs:
        apart = abs(_three(ours).astype(int) - _three(theirs).astype(int))
        share = (apart > 1).mean()
        sys.stdout.write(
            f"{name:<28} largest difference {apart.max():>3}, apart by more than 1: {share:.4%}\n"
        )
    _draw(pairs, sheet)


def _by_dcmtk(path: Path, found: DecodedImage) -> NDArray[np.uint8]:
    window = found.frame.rendering.window
    grey = ["+Ww", f"{window[0]:g}", f"{window[1]:g}"] if window else []
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "theirs.png"
        frame = str(found.frame.number)
        subprocess.run(["dcmj2pnm", "+on", "-O", "+F", frame, *grey, str(path), str(written)], check=True)
        return np.asarray(
            Image.open(written).convert("RGB" if found.frame.rendering.pixels.ndim == 3 else "L")
        )


def _by_itk(path: Path, found: DecodedImage) -> NDArray[np.uint8] | None:
    try:
        itk: Any = importlib.import_module(
            "SimpleITK"
        )  # a peer, asked for nowhere: whoever compares installs it
    except ImportError:
        sys.stdout.write(f"{path.name}: SimpleITK is not installed\n")
        return None
    image: Any = itk.ReadImage(str(path))
    if found.source_format == "nifti":
        if image.GetDimension() == 4:
            image = image[:, :, :, 0]
        # Columns towards the patient's left, rows towards the back, slices towards the head; ours the same, seen by
        # the same eyes.
        image = itk.DICOMOrient(image, "LPS")[:, :, found.frame.number - 1]
    elif image.GetDimension() == 3:
        image = image[:, :, 0]
    window = found.frame.rendering.window
    if window is not None:
        low, high = window[0] - window[1] / 2, window[0] + window[1] / 2
        image = itk.IntensityWindowing(itk.Cast(image, itk.sitkFloat64), low, high)
        image = itk.Cast(itk.Round(image), itk.sitkUInt8)
    return np.asarray(itk.GetArrayFromImage(image), dtype=np.uint8)


def _three(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)


def _draw(pairs: list[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]], sheet: Path) -> None:
    """Ours above, theirs below."""
    canvas = Image.new("RGB", (SIDE * len(pairs), 2 * SIDE + 20), "white")
    for at, (name, *both) in enumerate(pairs):
        ImageDraw.Draw(canvas).text((at * SIDE + 4, 4), name, fill="black")
        for row, pixels in enumerate(both):
            small = Image.fromarray(_three(pixels))
            small.thumbnail((SIDE - 6, SIDE - 6))
            canvas.paste(small, (at * SIDE, 20 + row * SIDE))
    canvas.save(sheet)


if __name__ == "__main__":
    main()
