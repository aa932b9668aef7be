"""Whether the images found for an image are of its class: precision@k of an image embedder on labelled sets.

Decides how it is measured: every image once as the question, all others as the collection, those of the same patient
left out; beside the same with plain pixels, and beside chance. Intervals are 95 % percentile bootstraps over patients,
over images where no patient is known.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputUnusable
from pipeline.evaluation.labelled_images import LabelledImage, LabelledSet, read_renderings
from pipeline.evaluation.retrieval import BOOTSTRAP_SAMPLES, Estimate
from pipeline.imaging.decoding import FORMATS
from pipeline.imaging.preparation import SIDE_MAX, prepare
from pipeline.imaging.records import ImageFormat, Rendering
from pipeline.ports import ImageEmbedder
from pipeline.records import Vector, unit_length

DEPTHS = (1, 5, 10)
"""The k of precision@k."""
PLAIN_SIDE = 32
IMAGES_PREPARED = 64
"""Images held at the same time."""
QUESTIONS_COMPARED = 256
REMOTE_FORMATS: frozenset[ImageFormat] = frozenset({"png", "jpg"})
"""Of these a set was exported by someone who looked at it. A DICOM file may show a name, and is not sent anywhere."""


@dataclass(frozen=True, slots=True)
class PrecisionRow:
    model: str
    precision: Mapping[int, Estimate]
    """By k."""


@dataclass(frozen=True, slots=True)
class ImageSetResult:
    name: str
    questions: int
    """Images that another patient has one of the same class of; no other can be answered."""
    images: int
    classes: int
    patients: int
    """0 where none is known: then an image of the same patient may have been found."""
    left_out: Mapping[str, int]
    """Images that were not read, by their reason."""
    milliseconds: float
    """Of the embedder an image, the median of the batches."""
    rows: Sequence[PrecisionRow]


@dataclass(frozen=True, slots=True)
class _Embedded:
    images: tuple[LabelledImage, ...]
    vectors: Vector
    plain: Vector
    milliseconds: float


def measure_images(labelled: LabelledSet, embedder: ImageEmbedder) -> ImageSetResult:
    """Raises InputUnusable where no image has another of its class, or none is read."""
    left_out: Counter[str] = Counter()
    formats = frozenset(FORMATS) if embedder.space.provider == "local" else REMOTE_FORMATS
    embedded = _embed(read_renderings(labelled, formats, left_out), embedder)
    collection = _Collection.of(embedded.images)
    answerable = np.flatnonzero(collection.answerable())
    if not answerable.size:
        raise InputUnusable(
            f"No image of {labelled.name} has another one of its class"
            + (" and of another patient." if collection.patients else "."),
            remedy=f"Check the labels and the files. Left out: {dict(left_out) or 'none'}.",
        )
    groups = collection.groups[answerable]
    own = collection.precisions(embedded.vectors, answerable)
    plain = collection.precisions(embedded.plain, answerable)
    chance = collection.shares()[answerable]
    rows = [
        (f"{embedder.space.provider}/{embedder.space.model}", own),
        ("plain pixels", plain),
        ("chance", dict.fromkeys(DEPTHS, chance)),
        ("more than plain pixels", {depth: own[depth] - plain[depth] for depth in DEPTHS}),
    ]
    return ImageSetResult(
        labelled.name,
        questions=len(answerable),
        images=len(embedded.images),
        classes=collection.labels.shape[1],
        patients=collection.patients,
        left_out=dict(sorted(left_out.items())),
        milliseconds=embedded.milliseconds,
        rows=[
            PrecisionRow(name, {depth: _estimate(each, groups) for depth, each in values.items()})
            for name, values in rows
        ],
    )


def _embed(read: Iterable[tuple[LabelledImage, Rendering]], embedder: ImageEmbedder) -> _Embedded:
    images: list[LabelledImage] = []
    vectors, plain = [np.empty((0, embedder.space.dimension), dtype=np.float32)], []
    milliseconds = []
    side = min(embedder.image_side, SIDE_MAX)
    for batch in _batches(read):
        files = [prepare(rendering, side) for _, rendering in batch]
        began = time.perf_counter()
        vectors.append(embedder.embed_images(files))
        milliseconds.append((time.perf_counter() - began) * 1000 / len(files))
        plain += [plain_pixels(rendering) for _, rendering in batch]
        images += [image for image, _ in batch]
    return _Embedded(
        tuple(images),
        np.concatenate(vectors),
        np.array(plain, dtype=np.float32).reshape(len(plain), PLAIN_SIDE**2),
        float(np.median(milliseconds)) if milliseconds else 0.0,
    )


def _batches(
    read: Iterable[tuple[LabelledImage, Rendering]],
) -> Iterator[list[tuple[LabelledImage, Rendering]]]:
    waiting = iter(read)
    while batch := list(islice(waiting, IMAGES_PREPARED)):
        yield batch


def plain_pixels(rendering: Rendering) -> Vector:
    """The whole picture as 32 x 32 mean greys without their mean, shape (1024,), length 1: the least there is."""
    grey = rendering.pixels.astype(np.float64)
    if grey.ndim == 3:
        grey = grey.mean(axis=2)
    for axis in (0, 1):
        places = np.arange(PLAIN_SIDE) * grey.shape[axis] // PLAIN_SIDE
        counts = np.maximum(np.diff(np.append(places, grey.shape[axis])), 1)
        grey = np.add.reduceat(grey, places, axis=axis) / np.expand_dims(counts, 1 - axis)
    return unit_length((grey - grey.mean()).ravel().astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Collection:
    """Which images answer which."""

    labels: NDArray[np.float32]
    """Shape (images, classes), 1 where an image has the label."""
    groups: NDArray[np.int_]
    """Of each image the number of its patient, of an image without one a number of its own."""
    patients: int

    @classmethod
    def of(cls, images: Sequence[LabelledImage]) -> _Collection:
        classes = sorted(frozenset[str]().union(*(image.labels for image in images)))
        labels = np.array(
            [[label in image.labels for label in classes] for image in images], dtype=np.float32
        )
        keys = [image.patient or f"\0{place}" for place, image in enumerate(images)]
        known = {image.patient for image in images} - {""}
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        return cls(
            labels.reshape(len(images), len(classes)), np.array([numbers[key] for key in keys]), len(known)
        )

    def answerable(self) -> NDArray[np.bool_]:
        return self.shares() > 0

    def shares(self) -> NDArray[np.float64]:
        """Of each image the share of its class among the others: what a blind choice would find."""
        found = [np.zeros(0)]
        for places in self._blocks(np.arange(len(self.groups))):
            others = self._others(places)
            right = self._same_class(places) & others
            found.append(right.sum(axis=1) / np.maximum(others.sum(axis=1), 1))
        return np.concatenate(found)

    def precisions(self, vectors: Vector, questions: NDArray[np.intp]) -> dict[int, NDArray[np.float64]]:
        """By k: of each question the share of its class among the k nearest, or among all where there are fewer."""
        found: dict[int, list[NDArray[np.float64]]] = {depth: [] for depth in DEPTHS}
        for places in self._blocks(questions):
            others = self._others(places)
            near = np.where(others, vectors[places] @ vectors.T, -np.inf)
            best = np.argsort(-near, axis=1, kind="stable")[:, : max(DEPTHS)]
            right = np.take_along_axis(self._same_class(places) & others, best, axis=1)
            for depth, each in found.items():
                available = np.minimum(others.sum(axis=1), depth)
                each.append(right[:, :depth].sum(axis=1) / np.maximum(available, 1))
        return {depth: np.concatenate(each) for depth, each in found.items()}

    def _blocks(self, places: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        for begin in range(0, len(places), QUESTIONS_COMPARED):
            yield places[begin : begin + QUESTIONS_COMPARED]

    def _others(self, places: NDArray[np.intp]) -> NDArray[np.bool_]:
        """The images that may be found for each of these: none of the same patient, and not itself."""
        return np.asarray(self.groups[places][:, None] != self.groups[None, :])

    def _same_class(self, places: NDArray[np.intp]) -> NDArray[np.bool_]:
        return np.asarray(self.labels[places] @ self.labels.T > 0)


def _estimate(values: NDArray[np.float64], groups: NDArray[np.int_]) -> Estimate:
    """The mean, with the interval over patients drawn with replacement, each with all images."""
    _, member = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(member, values), np.bincount(member)
    drawn = np.random.default_rng(0).integers(0, len(sums), (BOOTSTRAP_SAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))
