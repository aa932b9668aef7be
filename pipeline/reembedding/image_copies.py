"""Copies the images of one space of notes to another: with the notes' space changes the place, and not one vector.

Decides what differs between two stores of images and their ledgers, and repairs it. Reads no file and asks no embedder;
a cut costs nothing, because every copy is of a whole image. Knows ports, no back-end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from pipeline.images import EmbeddedImage
from pipeline.ports import ImageStore, Ledger
from pipeline.records import EVERYTHING, ImageReference, StagedNote

GROUP_IMAGES = 200


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """Where the images of one space lie, and what is known of their progress."""

    images: ImageStore
    ledger: Ledger


def copy_images(source: ImagePlace, target: ImagePlace) -> int:
    """Bring `target` level with `source`; how many images were written. Those that wait or failed are not copied: their
    folder is indexed again."""
    space = source.images.space()
    if space is None:
        target.images.clear()
        return 0
    held = target.images.space()
    if held is not None and held.id != space.id:
        target.images.clear()
    target.images.prepare(space)
    written = sum(_copy_group(source, target, group) for group in _groups(source.images.image_ids()))
    for group in _groups(sorted(missing_images(target.images, source.images))):
        target.images.delete(group)
    _copy_ledger(source.ledger, target.ledger)
    return written


def missing_images(one: ImageStore, other: ImageStore) -> set[str]:
    """Ids of the images that are in `one` and not in `other`."""
    return set(one.image_ids()) - set(other.image_ids())


def _copy_group(source: ImagePlace, target: ImagePlace, ids: list[str]) -> int:
    described, held = source.images.descriptions(ids), target.images.descriptions(ids)
    vectors, kept = source.images.vectors(ids), target.images.vectors(ids)
    differing = [
        EmbeddedImage(each, vectors[key], source.images.thumbnail(key, EVERYTHING))
        for key, each in described.items()
        if held.get(key) != each or not np.array_equal(vectors[key], kept[key])
    ]
    target.images.upsert(differing)
    return len(differing)


def _copy_ledger(source: Ledger, target: Ledger) -> None:
    source.prepare()
    target.prepare()
    parts, held = dict(source.completed()), dict(target.completed())
    for group in _groups(parts):
        known, there = source.known(group), target.known(group)
        new = [
            StagedNote(
                ImageReference(known[key].file, key, ""),
                known[key].source,
                known[key].fingerprint,
                known[key].file,
            )
            for key in group
            if key in known and (key not in held or there[key].fingerprint != known[key].fingerprint)
        ]
        with target.transaction():
            target.stage(new)
            target.complete(
                [(claim, parts[claim.document.resource_id]) for claim in target.claim(len(new))]
                if new
                else []
            )
    target.forget(held.keys() - parts.keys())


def _groups(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(keys)
    while group := list(islice(remaining, GROUP_IMAGES)):
        yield group
