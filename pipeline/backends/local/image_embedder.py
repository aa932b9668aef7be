"""Vectors of images on this machine without any weights: the default, and what tests run on.

Decides how a file becomes the grey values that `image_features` looks at. It finds what looks nearly the same: the same
film again, the same plane of the same part of the body. It knows no disease and no words: the space has no text side.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.backends.http.encoded_image import read_header, require_size
from pipeline.backends.local.image_features import DIMENSION, EDGES_SIDE, VERSION, look
from pipeline.config import ImageEmbedderSettings
from pipeline.errors import RequestInvalid, SettingsInvalid
from pipeline.records import EmbeddingSpace, Vector

MODEL = f"pixels-hog-v{VERSION}"
IMAGE_SIDE = 2 * EDGES_SIDE
IMAGE_SIDE_MAX = 8192
IMAGE_BYTES_MAX = 64 * 1024**2
IMAGES_AT_ONCE = 16
SIMILARITY_FLOOR = 0.56
"""Of 99 % of MedNIST's images the nearest of their own class is above it; of unlike images most pairs are below."""


class LocalImageEmbedder:
    """Implements ports.ImageEmbedder. Deterministic; safe to share between threads."""

    def __init__(self, settings: ImageEmbedderSettings) -> None:
        """Raises SettingsInvalid where the settings name another model or width. Imports no image library yet."""
        if settings.model not in ("", MODEL) or settings.dimension not in (0, DIMENSION):
            raise SettingsInvalid(
                f"The local image embedder is {MODEL} with {DIMENSION} dimensions; asked for "
                f"{settings.model or MODEL!r} with {settings.dimension or DIMENSION}.",
                remedy="Leave CHARTWELL_IMAGE_EMBEDDER__MODEL and CHARTWELL_IMAGE_EMBEDDER__DIMENSION empty, or set "
                "CHARTWELL_IMAGE_EMBEDDER__PROVIDER to nim or bedrock.",
            )
        self._space = EmbeddingSpace(
            provider="local",
            model=MODEL,
            dimension=DIMENSION,
            tokens_max=0,
            similarity_floor=SIMILARITY_FLOOR,
        )

    @property
    def space(self) -> EmbeddingSpace:
        return self._space

    @property
    def reads_texts(self) -> bool:
        return False

    @property
    def image_side(self) -> int:
        return IMAGE_SIDE

    @property
    def images_at_once(self) -> int:
        return IMAGES_AT_ONCE

    @property
    def calls_at_once(self) -> int:
        return 1

    def embed_images(self, images: Sequence[bytes]) -> Vector:
        """As the port says. Raises RequestInvalid with the number of an image that does not open, SettingsInvalid
        where the library that opens images is not installed."""
        vectors = np.empty((len(images), DIMENSION), dtype=np.float32)
        for place, image in enumerate(images):
            vectors[place] = look(grey_values(image, place + 1))
        return vectors

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        """Raises RequestInvalid, whatever the texts."""
        raise RequestInvalid(
            f"{MODEL} has no text side: words cannot be compared with images in it.",
            remedy="Search the linked reports and the metadata, or set CHARTWELL_IMAGE_EMBEDDER__PROVIDER to nim or "
            "bedrock and index the images again.",
        )

    def check(self) -> None:
        """One real vector of a small gradient."""
        require_pillow()
        look(np.arange(64 * 64).reshape(64, 64) % 256)


def require_pillow() -> None:
    """Raises SettingsInvalid where images cannot be opened here."""
    if importlib.util.find_spec("PIL") is None:
        raise SettingsInvalid(
            "Images are opened by Pillow, which is not installed.",
            remedy="Install the extra `images`: pip install 'chartwell[images]'.",
        )


def grey_values(content: bytes, number: int = 1) -> NDArray[np.generic]:
    """A PNG or JPEG file as grey values from 0 to 255, shape (rows, columns)."""
    require_size(
        read_header(content, number), number, MODEL, side_max=IMAGE_SIDE_MAX, bytes_max=IMAGE_BYTES_MAX
    )
    require_pillow()
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
                return np.asarray(image, dtype=np.float32) / 257.0
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise RequestInvalid(
            f"Image number {number} does not open ({type(error).__name__}): it is damaged or cut off.",
            remedy="Copy or export it again.",
        ) from None
