"""Text in pixels, read by RapidOCR: the extra `ocr`.

Decides how the engine is set up: on this machine alone, with the two models that its wheel carries, each checked by
SHA-256, on one thread, silent. Refuses to know what a text means; `pixel_text` does.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DeidentificationUnavailable

MODELS = {
    "PP-OCRv6_det_small.onnx": "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    "PP-OCRv6_rec_small.onnx": "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
}
"""What finds lines of text and what reads them."""
SIDE_MAX = 1280
"""Longest side that is read; larger images are scaled down. At 3,000 it takes 3.5 s, 1 GB, and reads marks wrongly."""


@dataclass(frozen=True, slots=True)
class PixelText:
    """A line of text and the rectangle around it, half-open, in pixels of the image that was read."""

    text: str
    score: float
    """How sure the reader is, 0 to 1."""
    left: int
    top: int
    right: int
    bottom: int


class TextReader(Protocol):
    """Who reads text in pixels."""

    def read(self, pixels: NDArray[np.uint8]) -> Sequence[PixelText]:
        """Every line of text of an image of 8 bits, grey or RGB."""


@cache
def installed_reader() -> TextReader | None:
    """The reader of this process; None where the extra `ocr` is not installed.

    Raises DeidentificationUnavailable where a model is not the one that was checked.
    """
    spec = find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        return None
    return RapidOcrReader(Path(spec.submodule_search_locations[0]) / "models")


class RapidOcrReader:
    """RapidOCR with the models of its wheel. Opens no connection."""

    def __init__(self, folder: Path) -> None:
        for name, expected in MODELS.items():
            _require_model(folder / name, expected)
        detection, recognition = (str(folder / name) for name in MODELS)
        logging.getLogger("RapidOCR").setLevel(
            logging.CRITICAL + 1
        )  # before its import, which sets its level once
        from rapidocr import RapidOCR

        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.text_score": 0.0,
                "Global.max_side_len": SIDE_MAX,
                "Global.use_cls": False,
                "Det.model_path": detection,
                "Rec.model_path": recognition,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, pixels: NDArray[np.uint8]) -> list[PixelText]:
        colours = np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels[:, :, ::-1]
        result: Any = self._engine(np.ascontiguousarray(colours))
        if result.boxes is None:
            return []
        texts = getattr(result, "txts", None) or [UNREADABLE] * len(result.boxes)
        scores = getattr(result, "scores", None) or [1.0] * len(result.boxes)
        return [_pixel_text(*each) for each in zip(texts, scores, result.boxes, strict=True)]


UNREADABLE = "(not readable)"
"""Stands for what was found as text and could not be read: no mark."""


def _pixel_text(text: str, score: float, corners: Any) -> PixelText:
    left, top = np.floor(np.min(corners, axis=0)).astype(int)
    right, bottom = np.ceil(np.max(corners, axis=0)).astype(int)
    return PixelText(text, float(score), int(left), int(top), int(right), int(bottom))


def _require_model(path: Path, expected: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
    if found != expected:
        raise DeidentificationUnavailable(
            f"{path} is not the model that was checked (SHA-256 {found}), so no text in pixels is read.",
            remedy="Install it again: pip install --force-reinstall rapidocr==3.10.0.",
        )
