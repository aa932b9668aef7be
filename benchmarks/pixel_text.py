"""Names in pixels: how many of those written into real films are found, how many clean films are refused, at what cost.

    python -m benchmarks.pixel_text ../shared/data/images/cxr_nih [--films 40]

A name, a number or a birth date is written into each film: 9 to 24 pixels high, brighter than its ground by 60 to 200
of 255 levels, at a corner or in the middle. Drawn with a fixed seed. The films as they are have marks of their own.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.pixel_text import may_name_someone
from pipeline.imaging.deidentification.text_recognition import TextReader, installed_reader

WRITTEN = (
    "MITCHELL, ANNA", "Zielinska Eva", "MRN 7734512", "Dr. Quisenberry", "DOB 07/12/1956", "O'Brien^Sean",
    "Nguyen Thi Ha", "Müller Jörg",
)  # fmt: skip
SIZES = (9, 11, 14, 18, 24)
CONTRASTS = (60, 110, 200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--films", type=int, default=40)
    options = parser.parse_args()
    reader = installed_reader()
    if reader is None:
        parser.error("install the extra ocr: pip install 'chartwell[ocr]'")
    films = [_film(path) for path in sorted(options.folder.glob("*.png"))]
    reader.read(films[0])
    started = time.process_time()
    clean = [_is_refused(film, reader) for film in films]
    seconds = (time.process_time() - started) / len(films)
    print(f"{len(films)} films as they are: {sum(clean)} refused, {seconds:.2f} CPU s each")
    drawn = random.Random(7)
    missed = []
    for _ in range(options.films):
        film, what = _with_text(
            drawn.choice([film for film, no in zip(films, clean, strict=True) if not no]), drawn
        )
        if not _is_refused(film, reader):
            missed.append(what)
    print(f"{options.films} films with a name: {options.films - len(missed)} refused; missed: {missed}")


def _film(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("L"))


def _is_refused(film: NDArray[np.uint8], reader: TextReader) -> bool:
    return any(may_name_someone(text, Identifiers()) for text in reader.read(film))


def _with_text(film: NDArray[np.uint8], drawn: random.Random) -> tuple[NDArray[np.uint8], str]:
    image = Image.fromarray(film)
    size, contrast, text = drawn.choice(SIZES), drawn.choice(CONTRASTS), drawn.choice(WRITTEN)
    left, top = drawn.choice(
        [(8, 8), (image.width - 190, 8), (8, image.height - 40), (image.width // 2 - 60, 256)]
    )
    ground = float(film[top : top + size, left : left + 100].mean())
    ImageDraw.Draw(image).text((left, top), text, fill=int(min(255, ground + contrast)), font=_font(size))
    return np.asarray(image), f"{text!r} {size} px +{contrast} on {ground:.0f}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


if __name__ == "__main__":
    main()
