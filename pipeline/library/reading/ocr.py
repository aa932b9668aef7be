"""Text in the image of a page, by tesseract where the machine has it.

Decides what is asked of it and how its words become lines with places. The program reads a picture and writes a table;
it gets no file of ours and has the limits of the process that calls it.
"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.library.reading.options import DocumentReadingOptions
from pipeline.library.reading.page_text import PlacedLine

PROGRAM = "tesseract"
DPI = 200
"""Measured: 150 to 300 make no difference that counts; 200 costs the least that small print allows."""
CONFIDENCE_MIN = 0.7
"""A page whose words are surer than this on average needs no second look."""
_POINTS = 72


@dataclass(frozen=True, slots=True)
class RecognisedPage:
    """The lines that were recognised, and how sure the program is."""

    lines: tuple[PlacedLine, ...]
    confidence: float
    """0 to 1: the mean of the words, each by its length."""


def is_there() -> bool:
    """Whether this machine can recognise text."""
    return shutil.which(PROGRAM) is not None


def recognise(pixels: NDArray[np.uint8], options: DocumentReadingOptions) -> RecognisedPage | None:
    """`pixels`: one page in grey, shape (rows, columns), at `DPI`. None where the program gives up or takes too long:
    then the page stays an image."""
    rows, columns = pixels.shape
    picture = b"P5\n%d %d\n255\n" % (columns, rows) + np.ascontiguousarray(pixels).tobytes()
    command = [PROGRAM, "stdin", "stdout", "--dpi", str(DPI), "-l", options.ocr_languages, "tsv"]
    try:
        done = subprocess.run(
            command, input=picture, capture_output=True, timeout=options.ocr_seconds_max, check=False
        )
    except (subprocess.TimeoutExpired, OSError):
        return None
    if done.returncode != 0:
        return None
    return _page(done.stdout.decode("utf-8", errors="replace"), rows, columns)


def _page(table: str, rows: int, columns: int) -> RecognisedPage:
    words = [
        row
        for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE)
        if row.get("level") == "5" and (row.get("text") or "").strip()
    ]
    by_line: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for word in words:
        by_line.setdefault((word["block_num"], word["par_num"], word["line_num"]), []).append(word)
    lines = tuple(_line(line, rows, columns) for line in by_line.values())
    weight = sum(len(word["text"]) for word in words)
    sure = sum(float(word["conf"]) * len(word["text"]) for word in words)
    return RecognisedPage(lines, min(max(sure / weight / 100, 0.0), 1.0) if weight else 0.0)


def _line(words: Sequence[dict[str, str]], rows: int, columns: int) -> PlacedLine:
    boxes = [tuple(int(word[name]) for name in ("left", "top", "width", "height")) for word in words]
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return PlacedLine(
        " ".join(word["text"] for word in words),
        left / columns,
        top / rows,
        min(right / columns, 1.0),
        min(bottom / rows, 1.0),
        (bottom - top) / DPI * _POINTS,
    )
