"""The figures behind the local image embedder: its parts, what it stands, and what else there is.

python -m benchmarks.image_embedders FOLDER
    labelled images, as `python -m pipeline.evaluate images` reads them
python -m benchmarks.image_embedders FOLDER --onnx FILE
    beside a network: input (n, 3, 224, 224) by ImageNet's scaling, first output a feature vector an image

The share of the pixels is chosen by precision@5 on every other image, and reported on the rest. An image is matched
with itself after a cut, another gamma and noise; in a border; at half its size.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from pipeline.backends.local.image_embedder import LocalImageEmbedder, grey_values
from pipeline.backends.local.image_features import PIXELS_SHARE, PIXELS_SIDE, resize
from pipeline.config import ImageEmbedderSettings
from pipeline.evaluation.images import measure_images, plain_pixels
from pipeline.evaluation.labelled_images import LabelledSet, read_labelled_set, read_renderings
from pipeline.imaging.preparation import prepare
from pipeline.imaging.records import Rendering
from pipeline.records import EmbeddingSpace, Vector, unit_length

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, which the network's card names."""
Film = NDArray[np.uint8]


class Comparable(LocalImageEmbedder):
    """Another way from the same files to vectors, for the same measurement."""

    def __init__(self, name: str, vector: Callable[[bytes], Vector], dimension: int) -> None:
        super().__init__(ImageEmbedderSettings())
        self._vector = vector
        self._space = EmbeddingSpace("local", name, dimension, tokens_max=0)

    def embed_images(self, images: Sequence[bytes]) -> Vector:
        return unit_length(np.array([self._vector(image) for image in images], dtype=np.float32))


def weighted(share: float) -> Comparable:
    """The embedder as it is, with another share of the pixels."""
    local = LocalImageEmbedder(ImageEmbedderSettings())
    weights = np.full(local.space.dimension, np.sqrt((1 - share) / (1 - PIXELS_SHARE)), dtype=np.float32)
    weights[: PIXELS_SIDE**2] = np.sqrt(share / PIXELS_SHARE)
    return Comparable(
        f"pixels {share:.1f}", lambda image: local.embed_images([image])[0] * weights, len(weights)
    )


def pixels() -> Comparable:
    def vector(image: bytes) -> Vector:
        return plain_pixels(Rendering(np.asarray(grey_values(image), dtype=np.uint8)))

    return Comparable("plain pixels", vector, PIXELS_SIDE**2)


def network(path: Path) -> Comparable:
    session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def vector(image: bytes) -> Vector:
        grey = resize(np.asarray(grey_values(image), dtype=np.float32), 224, 224) / 255
        scaled = [(grey - mean) / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
        (found, *_) = session.run(None, {session.get_inputs()[0].name: np.array([scaled], dtype=np.float32)})
        return np.asarray(found[0], dtype=np.float32)

    return Comparable(path.stem, vector, session.get_outputs()[0].shape[-1])


def _cut_brightened_noisy(film: Film, draw: np.random.Generator) -> Film:
    rows, columns = film.shape
    top, bottom = (int(each) for each in draw.uniform(0, 0.06, 2) * rows)
    left, right = (int(each) for each in draw.uniform(0, 0.06, 2) * columns)
    cut = 255 * (film[top : rows - bottom, left : columns - right] / 255) ** draw.choice([0.7, 1.4])
    noisy = np.clip(cut + draw.normal(0, 4, cut.shape), 0, 255)
    return np.asarray(noisy.round(), dtype=np.uint8)


def _bordered(film: Film, draw: np.random.Generator) -> Film:
    width = int(0.12 * film.shape[0])
    return np.pad(film, ((width, width // 2), (width // 2, width)))


def _halved(film: Film, draw: np.random.Generator) -> Film:
    columns, rows = film.shape[1] // 2, film.shape[0] // 2
    return np.asarray(Image.fromarray(film).resize((columns, rows)))


CHANGES: Mapping[str, Callable[[Film, np.random.Generator], Film]] = {
    "cut, gamma, noise": _cut_brightened_noisy,
    "border": _bordered,
    "half size": _halved,
}


def self_match(films: Sequence[Film], embedder: Comparable, change: str) -> float:
    """Of how many films the changed one is nearest to the film itself."""
    draw = np.random.default_rng(0)
    vectors = embedder.embed_images([_png(film) for film in films])
    changed = embedder.embed_images([_png(CHANGES[change](film, draw)) for film in films])
    return float(np.mean((changed @ vectors.T).argmax(axis=1) == np.arange(len(films))))


def _png(film: Film) -> bytes:
    written = io.BytesIO()
    Image.fromarray(film).save(written, "PNG")
    return written.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--label", default="")
    parser.add_argument("--onnx", type=Path)
    options = parser.parse_args()
    labelled = read_labelled_set(options.folder, options.label)
    chosen, rest = (LabelledSet(labelled.name, labelled.images[half::2]) for half in (0, 1))
    print(f"{labelled.name}: precision@5 on every other image, on the rest, on all")
    others = [pixels(), *([network(options.onnx)] if options.onnx else [])]
    for embedder in [*map(weighted, SHARES), *others]:
        found = [measure_images(each, embedder).rows[0].precision[5] for each in (chosen, rest, labelled)]
        print(f"  {embedder.space.model:24}", *(f"{each.mean:.3f}" for each in found))
    films = [
        np.asarray(grey_values(prepare(rendering, 224)), dtype=np.uint8)
        for _, rendering in read_renderings(labelled, frozenset({"png", "jpg"}), Counter())
    ]
    print(f"matched with itself, of {len(films)}: {'; '.join(CHANGES)}; CPU milliseconds an image")
    for embedder in [weighted(PIXELS_SHARE), *others]:
        began = time.process_time()
        shares = [self_match(films, embedder, change) for change in CHANGES]
        milliseconds = (time.process_time() - began) * 1000 / len(films) / len(CHANGES) / 2
        print(f"  {embedder.space.model:24}", *(f"{share:.3f}" for share in shares), f"{milliseconds:.1f} ms")


if __name__ == "__main__":
    main()
