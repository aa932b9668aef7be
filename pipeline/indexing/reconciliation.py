"""Holds ledger, vector cache and store against each other, and repairs what differs without an embedder where it can.

The ledger says which notes are done and with how many passages; the store says what it holds; a sample of notes, or
all, is cut again and compared passage by passage, and each stored vector with the one that was paid for.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.indexing.embedding import VectorCache
from pipeline.ports import Ledger, Store
from pipeline.records import Chunk, Document, Hit, StagedNote, Vector

GROUP_NOTES = 500
"""Notes put back to work with one commit."""

VECTOR_TOLERANCE = 1e-6
"""Largest difference of an element that is no difference: a store may keep vectors as decimal text."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    notes: int
    """Notes that the ledger says are done."""
    chunks: int
    """Passages in the store."""
    lost: tuple[str, ...]
    """Notes that are done, and of which the store lacks passages."""
    doubled: tuple[str, ...]
    """Notes of which the store holds more passages than they have, or one twice."""
    stale: tuple[str, ...]
    """Notes in the store that the ledger does not know as done."""
    different: tuple[str, ...]
    """Notes, of those compared, whose stored passages, vectors or fields are not what they should be."""
    outdated: tuple[str, ...]
    """Notes, of those compared, that an earlier release cut by its rules. They are found and quoted as they are; the
    next run over their sources cuts them again."""
    compared: int
    unkept: int
    """Passages, of the notes compared, whose vector the cache lacks or holds damaged. The store has it; losing it
    there too would cost an embedding."""
    problems: tuple[str, ...]
    """What the store's own integrity check says."""
    refused: tuple[str, ...] = ()
    """Images whose file is refused now, and which are still stored and shown as they were."""

    @property
    def sound(self) -> bool:
        return not (self.lost or self.doubled or self.different or self.problems or self.refused)


Split = Callable[[Document], list[Chunk]]
Outdated = Callable[[Document, str], bool]
"""Whether the ledger's fingerprint is that of this very note under the rules of an earlier release."""


def reconcile(
    *,
    ledger: Ledger,
    store: Store,
    vector_cache: VectorCache | None,
    split: Split,
    sample: int | None,
    seed: int = 0,
    outdated: Outdated = lambda document, fingerprint: False,
) -> Reconciliation:
    """Compare everything by count and id, and `sample` notes (None: all) passage by passage and vector by vector."""
    expected = dict(ledger.completed())
    held, twice = _held(store)
    chosen = sorted(expected)
    if sample is not None and sample < len(chosen):
        chosen = sorted(random.Random(seed).sample(chosen, sample))  # noqa: S311  # a sample, not a secret
    ids = _ids_of(store, set(chosen))
    probe = _probe(store)
    differences = [
        _difference(key, ids.get(key, []), ledger, store, vector_cache, split, probe) for key in chosen
    ]
    unlike = [key for key, found in zip(chosen, differences, strict=True) if found.different]
    earlier = _outdated(unlike, ledger, store, outdated)
    by_id = _differences_of_ids(expected, held, twice, ledger)
    return Reconciliation(
        notes=len(expected),
        chunks=sum(held.values()),
        lost=by_id.lost,
        doubled=by_id.doubled,
        stale=by_id.stale,
        different=tuple(key for key in unlike if key not in earlier),
        outdated=tuple(key for key in unlike if key in earlier),
        compared=len(chosen),
        unkept=sum(found.unkept for found in differences),
        problems=tuple(store.check()),
    )


@dataclass(frozen=True, slots=True)
class IdDifferences:
    """Notes by what is wrong with them, seen from their ids and counts of passages alone."""

    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    stale: tuple[str, ...]


def compare_ids(ledger: Ledger, store: Store) -> IdDifferences:
    """As `reconcile`, without reading a passage or a vector: every id once."""
    expected = dict(ledger.completed())
    held, twice = _held(store)
    return _differences_of_ids(expected, held, twice, ledger)


def _differences_of_ids(
    expected: Mapping[str, int], held: Counter[str], twice: set[str], ledger: Ledger
) -> IdDifferences:
    return IdDifferences(
        lost=tuple(sorted(key for key, number in expected.items() if held[key] < number)),
        doubled=tuple(sorted({key for key, number in expected.items() if held[key] > number} | twice)),
        stale=tuple(sorted(set(held) - set(expected) - _in_work(ledger, held))),
    )


def _held(store: Store) -> tuple[Counter[str], set[str]]:
    """Passages a note, and the notes that hold one passage twice."""
    held: Counter[str] = Counter()
    twice = set()
    before = None
    for pair in store.chunk_ids():
        held[pair[0]] += 1
        if pair == before:
            twice.add(pair[0])
        before = pair
    return held, twice


def _ids_of(store: Store, notes: set[str]) -> Mapping[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for resource_id, chunk_id in store.chunk_ids():
        if resource_id in notes:
            ids.setdefault(resource_id, []).append(chunk_id)
    return ids


def _in_work(ledger: Ledger, held: Mapping[str, int]) -> set[str]:
    """Notes whose earlier version is in the store while a newer one waits."""
    keys = list(held)
    known: set[str] = set()
    for start in range(0, len(keys), 500):
        found = ledger.known(keys[start : start + 500])
        known |= {key for key, state in found.items() if state.fingerprint}  # without: half removed
    return known


@dataclass(frozen=True, slots=True)
class _Difference:
    different: bool
    unkept: int = 0


def _outdated(keys: Sequence[str], ledger: Ledger, store: Store, outdated: Outdated) -> set[str]:
    """Those of the notes whose text and fields are untouched since an earlier release cut them."""
    found = set()
    for key, known in ledger.known(keys).items():
        document = store.document(key)
        if document is not None and outdated(document, known.fingerprint):
            found.add(key)
    return found


def _probe(store: Store) -> Vector:
    """Any direction: passages in full come only with their cosine to one."""
    space = store.space()
    return np.ones(space.dimension if space else 1, dtype=np.float32)


def _difference(
    key: str,
    stored: Sequence[str],
    ledger: Ledger,
    store: Store,
    vector_cache: VectorCache | None,
    split: Split,
    probe: Vector,
) -> _Difference:
    """Cut the note again, and hold its passages against the store's, and their vectors against those paid for."""
    staged, held_note = ledger.staged(key), store.document(key)
    document = staged if isinstance(staged, Document) else held_note
    if document is None or held_note is None or document.fingerprint() != held_note.fingerprint():
        return _Difference(different=True)
    chunks = split(document)
    if sorted(chunk.chunk_id for chunk in chunks) != sorted(stored):
        return _Difference(different=True)
    found = {hit.chunk_id: _shown(hit) for hit in store.hits(stored, probe)} if stored else {}
    if found != {chunk.chunk_id: _expected(document, chunk) for chunk in chunks}:
        return _Difference(different=True)
    if vector_cache is None:
        return _Difference(different=False)  # the store's own check compares its vectors with their codes
    paid, held = vector_cache.kept(chunks), store.vectors(stored)
    same = all(
        chunk.chunk_id in held
        and (chunk.chunk_id not in paid or _close(held[chunk.chunk_id], paid[chunk.chunk_id]))
        for chunk in chunks
    )
    return _Difference(not same, sum(chunk.chunk_id not in paid for chunk in chunks))


def _shown(hit: Hit) -> tuple[object, ...]:
    """All that an answer takes from a passage."""
    note = (hit.resource_id, hit.patient_id, hit.document_type, hit.date, hit.domain)
    return (*note, hit.text, hit.start, hit.end, hit.section, hit.offsets, hit.region)


def _expected(document: Document, chunk: Chunk) -> tuple[object, ...]:
    note = (
        document.resource_id,
        document.patient_id,
        document.document_type,
        document.date,
        document.domain,
    )
    return (*note, chunk.text, chunk.start, chunk.end, chunk.section, chunk.offsets, chunk.region)


def _close(one: Vector, two: Vector) -> bool:
    return bool(np.allclose(one, two, rtol=0, atol=VECTOR_TOLERANCE))


def reopen(found: Reconciliation, *, ledger: Ledger, store: Store) -> list[str]:
    """Put every note that is lost, doubled or different back to work; its vectors come from the vector cache.

    Returns the notes whose text no one has any more; those must be read from their source again.
    """
    faulty = sorted({*found.lost, *found.doubled, *found.different})
    wrong = {*found.doubled, *found.different}
    gone: list[str] = []
    for start in range(0, len(faulty), GROUP_NOTES):
        group = faulty[start : start + GROUP_NOTES]
        known = ledger.known(group)
        documents = {key: ledger.staged(key) or store.document(key) for key in group}
        again = [
            StagedNote(
                document,
                known[key].source,
                known[key].fingerprint,
                known[key].file,
                known[key].version,
            )
            for key, document in documents.items()
            if document is not None and key in known
        ]
        ledger.stage(again)  # first: cut off after this, the next run still repairs them
        with store.transaction():
            # A store may leave rows alone that look as they should. What is left of lost notes stays.
            store.delete([note.document.resource_id for note in again if note.document.resource_id in wrong])
        lost = sorted(set(group) - {note.document.resource_id for note in again})
        ledger.forget(lost)
        gone += lost
    return gone
