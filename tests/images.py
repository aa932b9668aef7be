"""Synthetic films of no patient, and their files."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Film = NDArray[np.uint8]


def rings(rows: int, columns: int, seed: int = 0) -> Film:
    """Blurred ellipses, bars and a slope, another arrangement for each seed; black at the frame."""
    down = np.linspace(-1, 1, rows)[:, None]
    across = np.linspace(-1, 1, columns)[None, :]
    draw = np.random.default_rng(seed)
    film = 75 + 20 * down + 0 * across
    for _ in range(5):
        y, x, tall, wide = draw.uniform(-0.5, 0.5, 2).tolist() + draw.uniform(0.15, 0.6, 2).tolist()
        distance = ((down - y) / tall) ** 2 + ((across - x) / wide) ** 2
        film = film + draw.uniform(15, 45) / (1 + np.exp(np.minimum(12 * (distance - 1), 50)))
    film = film + 15 * (np.sin(across * draw.uniform(4, 12) + down * draw.uniform(-9, 9)) > 0.6)
    inside = (np.abs(down) < 0.93) & (np.abs(across) < 0.93)
    return np.clip(np.where(inside, film, 0), 0, 255).astype(np.uint8)


def png(film: Film) -> bytes:
    return _file(film, "PNG")


def jpeg(film: Film, quality: int = 85) -> bytes:
    return _file(film, "JPEG", quality=quality)


def _file(film: Film, kind: str, **options: int) -> bytes:
    written = io.BytesIO()
    Image.fromarray(film).save(written, kind, **options)
    return written.getvalue()
