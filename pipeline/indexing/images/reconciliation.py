"""Holds ledger, kept vectors and stored images against each other: lost, doubled, stale, different. An image whose
thumbnail is gone is lost: people see it no more. One that the store has under another patient than the ledger is
different.

The ledger knows an image by its bytes, the store by its id: every stored image says of which bytes it is made. Answers
as `indexing.reconciliation` does for notes, without reading a file.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from pipeline.imaging.deidentification.pseudonyms import is_mapped_patient_id
from pipeline.indexing.embedding import VectorCache
from pipeline.indexing.material import Piece
from pipeline.indexing.reconciliation import VECTOR_TOLERANCE, Reconciliation
from pipeline.ports import ImageStore, Ledger
from pipeline.records import KnownNote, StagedNote

GROUP_IMAGES = 500

KeptAs = Callable[[str], Piece]
"""Where the vector of a file's bytes is kept."""


def reconcile_images(
    *,
    ledger: Ledger,
    images: ImageStore,
    vector_cache: VectorCache,
    kept_as: KeptAs,
    sample: int | None,
    seed: int = 0,
) -> Reconciliation:
    """Everything by id and bytes, `sample` images (None: all) vector by vector. "notes" and "chunks" of the result are
    images."""
    expected = {key for key, parts in ledger.completed() if parts}
    stored, patients = dict[str, str](), dict[str, str]()
    for image_id, content, patient in _contents(images):
        stored[image_id] = content
        patients[content] = patient
    held = Counter(stored.values())
    known = {key: each for group in _groups(held) for key, each in ledger.known(group).items()}
    in_work = {key for key, each in known.items() if each.fingerprint}
    exchanged = {key for key in expected & set(known) if _is_anothers(patients[key], known[key])}
    chosen = sorted(image_id for image_id, content in stored.items() if content in expected)
    if sample is not None and sample < len(chosen):
        chosen = sorted(random.Random(seed).sample(chosen, sample))  # noqa: S311  # a sample, not a secret
    unseen = {stored[image_id] for image_id in images.without_thumbnail() if image_id in stored}
    different, unkept = _compared(chosen, stored, images, vector_cache, kept_as)
    return Reconciliation(
        notes=len(expected),
        chunks=len(stored),
        lost=tuple(sorted((expected - set(held)) | (expected & unseen))),
        doubled=tuple(sorted(content for content, number in held.items() if number > 1)),
        stale=tuple(sorted(set(held) - expected - in_work)),
        different=tuple(sorted({*different, *exchanged})),
        outdated=(),
        compared=len(chosen),
        unkept=unkept,
        problems=tuple(images.check()),
        refused=tuple(refused_and_shown(ledger, images)),
    )


def refused_and_shown(ledger: Ledger, images: ImageStore) -> list[str]:
    """Files, by their bytes, that are refused now and of which an earlier run stored the image."""
    failed = (each.resource_id for each in ledger.failures(ledger.counts()["failed"]))
    shown: set[str] = set()
    for group in _groups(failed):
        if stored := images.images_of(group):
            shown |= {each.content_hash for each in images.descriptions(stored).values()}
    return sorted(shown)


def reopen_images(found: Reconciliation, *, ledger: Ledger, images: ImageStore) -> list[str]:
    """Put every image that is lost, doubled or different back to work. Returns those that are to be read from their
    folder again."""
    gone: list[str] = []
    wrong = sorted({*found.doubled, *found.different})
    images.delete(images.images_of(wrong))
    for group in _groups(sorted({*found.lost, *wrong})):
        known = ledger.known(group)
        staged = {key: ledger.staged(key) for key in group}
        again = [
            StagedNote(reference, known[key].source, known[key].fingerprint, known[key].file)
            for key, reference in staged.items()
            if reference is not None and key in known
        ]
        ledger.stage(again)
        lost = sorted(set(group) - {each.document.resource_id for each in again})
        ledger.forget(lost)
        gone += lost
    return gone


def _contents(images: ImageStore) -> Iterator[tuple[str, str, str]]:
    """(image id, hash of its file's bytes, patient) of every stored image."""
    for group in _groups(images.image_ids()):
        for image_id, description in images.descriptions(group).items():
            yield image_id, description.content_hash, description.patient_id


def _is_anothers(patient: str, known: KnownNote) -> bool:
    """Whether the store has it under another patient than the ledger, which says one where a table or folders do. A
    mapped id cannot be compared without the key."""
    said = (known.patient_id or "").strip()
    return bool(said) and patient != said and not is_mapped_patient_id(patient)


def _compared(
    chosen: Sequence[str],
    stored: dict[str, str],
    images: ImageStore,
    vector_cache: VectorCache,
    kept_as: KeptAs,
) -> tuple[list[str], int]:
    """Of these images the bytes of those whose vector is not the one that was kept, and how many were not kept."""
    different, unkept = [], 0
    for group in _groups(chosen):
        kept = vector_cache.kept([kept_as(stored[image_id]) for image_id in group])
        for image_id, vector in images.vectors(group).items():
            content = stored[image_id]
            if content not in kept:
                unkept += 1
            elif not np.allclose(vector, kept[content], rtol=0, atol=VECTOR_TOLERANCE):
                different.append(content)
    return sorted(different), unkept


def _groups(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(keys)
    while group := list(islice(remaining, GROUP_IMAGES)):
        yield group
