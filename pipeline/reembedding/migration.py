"""Changes the embedding space of the notes while they are asked: fill a shadow, compare, switch, go back, clean up.

Decides the order of things and what is refused. The space that serves is only read until the pointer is replaced, which
is one rename; every step before can be cut off and run again. Knows no back-end and prints nothing.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import EmbedderSettings, Settings
from pipeline.embedding_spaces import (
    IN_USE_LOCK,
    SPACES_FOLDER,
    WRITING_LOCK,
    SpaceLocation,
    SpacePointer,
    change_pointer,
    digest_of,
    in_use,
    place_of,
    read_pointer,
)
from pipeline.errors import ChartwellError, MigrationRefused, SpaceMismatch
from pipeline.evaluation.beir import EvaluationSet, RefuseRejections
from pipeline.evaluation.compare import Comparison, Side, compare
from pipeline.indexing.flow import OPTIMISE_NOTES, Indexing, Observer, SilentObserver
from pipeline.indexing.reconciliation import reconcile
from pipeline.indexing.rejections import RejectionLog
from pipeline.ports import Ledger, Store
from pipeline.records import EmbeddingSpace
from pipeline.reembedding.catch_up import CatchUpPass, accept_stored, catch_up
from pipeline.reembedding.image_copies import ImagePlace, copy_images, missing_images
from pipeline.storage.locks import exclusive_lock
from pipeline.wiring import (
    STORE_FILES,
    Corpus,
    ledger_database,
    open_embedder,
    open_image_store,
    open_ledger,
    open_ranker,
    open_space,
    open_store,
    remove_tables,
)

REJECTIONS_FILE = "rejected.jsonl"
NOTES_COMPARED = 200
"""Notes of the shadow that are cut again and compared passage by passage before a switch."""


@dataclass(frozen=True, slots=True)
class Soundness:
    """What stands between a shadow and serving."""

    expected: int
    """Notes in the space that serves."""
    notes: int
    chunks: int
    waiting: int
    failed: int
    rejected: int
    faults: tuple[str, ...]
    """Notes lost, doubled or different in the shadow, and what its integrity check says."""

    @property
    def complete(self) -> bool:
        return self.notes == self.expected and not (
            self.waiting or self.failed or self.rejected or self.faults
        )

    def __str__(self) -> str:
        """The gaps in words."""
        counted = (
            (self.waiting, "wait to be embedded"),
            (self.failed, "failed"),
            (self.rejected, "were rejected"),
        )
        gaps = [f"it holds {self.notes:,} of {self.expected:,} notes"]
        gaps += [f"{number:,} {what}" for number, what in counted if number]
        return "; ".join([*gaps, *self.faults])


@dataclass(frozen=True, slots=True)
class Switched:
    pointer: SpacePointer
    soundness: Soundness
    writers_waited_seconds: float
    """How long no one could write notes: the last pass, the checks and the rename."""
    left_behind: int
    """Notes that were read but not yet embedded in the space before; their source must be indexed again."""


# --- what there is


def pointer_of(settings: Settings) -> SpacePointer:
    """The pointer, also before there is a file. Raises MigrationRefused where nothing is indexed, SpaceMismatch where
    the settings name neither the embedder that made the store nor one that can be found out."""
    pointer = read_pointer(settings.data_dir)
    if pointer is not None:
        return pointer
    with _store(settings) as store:
        held = store.space()
    if held is None:
        raise MigrationRefused(
            f"Nothing is indexed in {settings.data_dir} yet, so there is nothing to migrate.",
            remedy="Set CHARTWELL_EMBEDDER__PROVIDER to the embedder you want and index the notes.",
        )
    embedder = _embedder_of(held, settings)
    return SpacePointer(serving=place_of(held, embedder, folder=".", sql_schema=settings.iris.sql_schema))


def _embedder_of(held: EmbeddingSpace, settings: Settings) -> EmbedderSettings:
    """The settings of the embedder that made `held`: those in use, or what the space itself tells."""
    addressed = settings.embedder.model_copy(
        update={
            "provider": held.provider,
            "model": held.model,
            "dimension": held.dimension,
            "tokens_max": held.tokens_max,
            "url": "",
            "similarity_floor": -1.0,
        }
    )
    for candidate in (settings.embedder, addressed):
        try:
            made = open_embedder(settings.model_copy(update={"embedder": candidate})).space
        except ChartwellError:
            continue  # given without an address, or not installed here: the other one, or the refusal below
        if made.id == held.id:
            return candidate
    raise SpaceMismatch(
        f"The notes are indexed in {held.id}; the settings name another embedder, and that one's address is not known.",
        remedy="Set CHARTWELL_EMBEDDER__* back to the embedder that serves. The new one is named by --to and --url.",
    )


# --- filling the shadow


def begin(settings: Settings, target: EmbedderSettings) -> SpacePointer:
    """Choose the shadow for `target`: a new one, the one in progress, or an older space that is still there.

    The new embedder is really called. Raises MigrationRefused where it serves already or another shadow is in progress.
    """
    now = pointer_of(settings)
    space = open_embedder(settings.model_copy(update={"embedder": target})).space
    if space.id == now.serving.space_id:
        raise MigrationRefused(
            f"{space.id} serves already.", remedy="Name another embedder, model or --dimension."
        )
    fresh = place_of(
        space,
        target,
        folder=f"{SPACES_FOLDER}/{digest_of(space)}",
        sql_schema=f"{settings.iris.sql_schema}_S{digest_of(space).upper()}",
    )
    _try(fresh, settings)

    def with_shadow(written: SpacePointer | None) -> SpacePointer:
        pointer = written or now
        if pointer.shadow is not None and pointer.shadow.space_id != space.id:
            raise MigrationRefused(
                f"A migration to {pointer.shadow.space_id} is in progress.",
                remedy="Finish it (--switch) or give it up (--abandon) first.",
            )
        kept = next((place for place in pointer.places if place.space_id == space.id), None)
        moved = {"url": fresh.url, "similarity_floor": fresh.similarity_floor}
        return pointer.model_copy(update={"shadow": kept.model_copy(update=moved) if kept else fresh})

    return change_pointer(settings.data_dir, with_shadow)


def _try(place: SpaceLocation, settings: Settings) -> None:
    """Really embed something, opened as it will be opened from the pointer file."""
    embedder = open_embedder(place.settings(settings))
    if embedder.space.id != place.space_id:
        raise MigrationRefused(
            f"What the pointer file would say of {place.space_id} opens {embedder.space.id}.",
            remedy="This is a fault of Chartwell's; nothing has changed.",
        )
    embedder.check()


def fill(
    settings: Settings,
    *,
    observer: Observer,
    stop: Callable[[], bool],
    retry_failed: bool = False,
) -> Iterator[CatchUpPass]:
    """Bring the shadow level with the space that serves; a result after each pass over all notes."""
    with _both(settings, observer=observer, stop=stop, retry_failed=retry_failed) as both:
        stored = 0
        for done in catch_up(both.source, both.ledger, both.indexing):
            stored += done.stored
            yield done
        if stored >= OPTIMISE_NOTES and not stop():
            both.shadow.store.optimise()
        if not stop():
            copy_images(both.source_images, both.shadow_images)


@dataclass(frozen=True)
class _Both:
    """The store that serves, for reading, and the shadow, for writing."""

    source: Store
    ledger: Ledger
    shadow: Corpus
    indexing: Indexing
    source_images: ImagePlace
    shadow_images: ImagePlace


@contextmanager
def _both(
    settings: Settings,
    *,
    observer: Observer,
    stop: Callable[[], bool] = lambda: False,
    retry_failed: bool = False,
) -> Iterator[_Both]:
    pointer = _with_shadow(read_pointer(settings.data_dir))
    serving, shadow = pointer.serving.settings(settings), _shadow_of(pointer).settings(settings)
    with ExitStack() as stack:
        stack.enter_context(in_use(serving.data_dir))
        database = stack.enter_context(closing(ledger_database(serving)))
        source = stack.enter_context(closing(open_store(serving, database)))
        ledger = open_ledger(serving, database)
        ledger.prepare()
        corpus = stack.enter_context(open_space(shadow))
        rejections = stack.enter_context(RejectionLog(shadow.data_dir / REJECTIONS_FILE))
        indexing = Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            shadow.indexing,
            rejections,
            observer,
            stop,
            retry_failed,
            corpus.vector_cache,
            accept=accept_stored,
        )

        assert corpus.image_ledger is not None
        from_here = ImagePlace(open_image_store(source), open_ledger(serving, database, "images"))
        to_there = ImagePlace(open_image_store(corpus.store), corpus.image_ledger)
        yield _Both(source, ledger, corpus, indexing, from_here, to_there)


def _with_shadow(pointer: SpacePointer | None) -> SpacePointer:
    if pointer is None or pointer.shadow is None:
        raise MigrationRefused(
            "No migration is in progress.",
            remedy="Begin one: python -m pipeline.vectorize migrate --to PROVIDER:MODEL.",
        )
    return pointer


def _shadow_of(pointer: SpacePointer) -> SpaceLocation:
    assert pointer.shadow is not None
    return pointer.shadow


# --- comparing


def side_by_side(settings: Settings, evaluation_set: EvaluationSet) -> Comparison:
    """Retrieval in the space that serves and in the shadow.

    Where every document judged relevant is a stored note, the stores themselves are asked. Otherwise the set's corpus
    is indexed in both spaces, in files that are removed again.
    """
    pointer = _with_shadow(read_pointer(settings.data_dir))
    now, then = pointer.serving.settings(settings), _shadow_of(pointer).settings(settings)
    with ExitStack() as stack:
        borrowed = not _holds(now, evaluation_set)
        if borrowed:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix=".evaluate-", dir=settings.data_dir))
            )
            now, then = (_temporary(side, folder / name) for side, name in ((now, "now"), (then, "then")))
        sides = [stack.enter_context(open_space(side)) for side in (now, then)]
        for side in sides:
            side.store.prepare(side.embedder.space)
            if borrowed:
                _index_set(side, evaluation_set, settings)
        one, other = (Side(side.embedder, side.store) for side in sides)
        return compare(
            evaluation_set, now=one, then=other, settings=settings.answering, ranker=open_ranker(settings)
        )


def _holds(settings: Settings, evaluation_set: EvaluationSet) -> bool:
    relevant = {
        document
        for grades in evaluation_set.judgements.values()
        for document, grade in grades.items()
        if grade > 0
    }
    with _store(settings) as store:
        return all(store.document(document) is not None for document in relevant)


def _temporary(settings: Settings, folder: Path) -> Settings:
    embedded = settings.store.model_copy(update={"kind": "embedded"})
    return settings.model_copy(update={"data_dir": folder, "store": embedded})


def _index_set(corpus: Corpus, evaluation_set: EvaluationSet, settings: Settings) -> None:
    tally = Indexing(
        corpus.embedder,
        corpus.store,
        corpus.ledger,
        settings.indexing,
        RefuseRejections(),
        SilentObserver(),
        vector_cache=corpus.vector_cache,
    ).run(evaluation_set.records(), sources=[str(evaluation_set.folder)])
    evaluation_set.require_whole(tally.failed, tally.reasons)


# --- switching


def switch(settings: Settings, *, force: bool = False, observer: Observer | None = None) -> Switched:
    """Let the shadow serve. Questions go on all the time; writers of notes wait for the last pass.

    Raises MigrationRefused where an indexing run is writing, where there is no shadow, and, unless forced, where the
    shadow lacks a note or is not sound. Nothing has changed then.
    """
    _with_shadow(read_pointer(settings.data_dir))
    with exclusive_lock(settings.data_dir / WRITING_LOCK) as held:
        if not held:
            raise MigrationRefused(
                "An indexing run is writing notes into the space that serves.",
                remedy="Let it end, or stop it (Ctrl-C: it goes on later), and switch then.",
            )
        began = time.monotonic()
        with _both(settings, observer=observer or SilentObserver()) as both:
            both.shadow.embedder.check()
            passes = list(catch_up(both.source, both.ledger, both.indexing))
            found = _soundness(both, passes[-1])
            if not (found.complete or force):
                raise MigrationRefused(
                    f"The shadow is not complete: {found}.",
                    remedy="Run `python -m pipeline.vectorize migrate --to` again (with --retry-failed for notes that "
                    "failed), or switch all the same with --force.",
                )
            copy_images(both.source_images, both.shadow_images)
            counts = both.ledger.counts()
        pointer = change_pointer(settings.data_dir, _switched)
        return Switched(
            pointer,
            found,
            time.monotonic() - began,
            counts["pending"] + counts["processing"] + counts["failed"],
        )


def _switched(written: SpacePointer | None) -> SpacePointer:
    pointer = _with_shadow(written)
    shadow = _shadow_of(pointer)
    earlier = (place for place in pointer.previous if place.space_id != shadow.space_id)
    return SpacePointer(serving=shadow, previous=(pointer.serving, *earlier))


def _soundness(both: _Both, last: CatchUpPass) -> Soundness:
    shadow, counts = both.shadow, both.shadow.ledger.counts()
    found = reconcile(
        ledger=shadow.ledger,
        store=shadow.store,
        vector_cache=shadow.vector_cache,
        split=both.indexing.chunker.split,
        sample=NOTES_COMPARED,
    )
    kinds = {
        "lost": found.lost,
        "doubled": found.doubled,
        "different": found.different,
        "unknown": found.stale,
    }
    faults = [f"{len(keys):,} {kind}, for example {keys[0]}" for kind, keys in kinds.items() if keys]
    stored = shadow.store.counts()
    return Soundness(
        expected=both.source.counts().documents,
        notes=stored.documents,
        chunks=stored.chunks,
        waiting=counts["pending"] + counts["processing"],
        failed=counts["failed"],
        rejected=last.rejected,
        faults=(*faults, *found.problems),
    )


def roll_back(settings: Settings) -> SpacePointer:
    """Let the space serve again that served before, immediately. The one that is left becomes the shadow, so that it
    can be caught up and switched to again. Raises MigrationRefused where there is none."""

    def back(written: SpacePointer | None) -> SpacePointer:
        if written is None or not written.previous:
            raise MigrationRefused(
                "There is no earlier space to go back to.",
                remedy="It was dropped, or none was ever left: migrate --to PROVIDER:MODEL makes one.",
            )
        earlier, *others = written.previous
        if written.shadow is None or written.shadow.space_id == earlier.space_id:
            return SpacePointer(serving=earlier, shadow=written.serving, previous=tuple(others))
        return written.model_copy(update={"serving": earlier, "previous": (*others, written.serving)})

    return change_pointer(settings.data_dir, back)


# --- cleaning up


def abandon(settings: Settings) -> tuple[SpaceLocation, int]:
    """Give up the migration in progress: (its space, bytes removed). A space that served before keeps its files."""
    pointer = _with_shadow(read_pointer(settings.data_dir))
    shadow = _shadow_of(pointer)
    if any(place.space_id == shadow.space_id for place in pointer.previous):
        change_pointer(settings.data_dir, _without_shadow)
        return shadow, 0
    return shadow, _drop(settings, shadow, _without_shadow)


def _without_shadow(written: SpacePointer | None) -> SpacePointer:
    return _with_shadow(written).model_copy(update={"shadow": None})


def drop_old(settings: Settings) -> Iterator[tuple[SpaceLocation, int]]:
    """Remove every space that served before, but for one that is being caught up; (space, bytes on this disk) of
    each. Raises MigrationRefused where a process still uses one: it has not followed the switch."""
    pointer = read_pointer(settings.data_dir)
    if pointer is None:
        return
    shadow = pointer.shadow.space_id if pointer.shadow else None
    for place in pointer.previous:
        if place.space_id != shadow:
            yield place, _drop(settings, place, lambda written, gone=place: _forgotten(written, gone))  # type: ignore[misc]


def _drop(
    settings: Settings, place: SpaceLocation, change: Callable[[SpacePointer | None], SpacePointer]
) -> int:
    """Take a space out of the pointer, then off the disk; bytes removed."""
    with exclusive_lock(place.settings(settings).data_dir / IN_USE_LOCK) as unused:
        if not unused:
            raise MigrationRefused(
                f"A process still uses {place.space_id}.",
                remedy="A service follows a switch with its next question, and logs why where it cannot. Ask it "
                "something or end it, and drop then.",
            )
        size = size_bytes(settings, place)
        _require_images_served(settings, place)
        change_pointer(settings.data_dir, change)
        placed = place.settings(settings)
        remove_tables(placed)
        if place.folder == ".":
            for path in _files(settings, place):
                path.unlink(missing_ok=True)
        else:
            shutil.rmtree(placed.data_dir)
        return size


def _require_images_served(settings: Settings, place: SpaceLocation) -> None:
    """Raises MigrationRefused where the space holds images that the one that serves does not: after a way back, those
    that were indexed in between."""
    serving = pointer_of(settings).serving
    with ExitStack() as stack:
        going, staying = (
            open_image_store(stack.enter_context(closing(open_store(each.settings(settings)))))
            for each in (place, serving)
        )
        if going.space() is None:
            return
        alone = missing_images(going, staying)
    if alone:
        raise MigrationRefused(
            f"{place.space_id} holds {len(alone):,} images that the space that serves does not, for example "
            f"{min(alone)}.",
            remedy="Index their folders again: python -m pipeline.vectorize images FOLDER. Then drop.",
        )


def _forgotten(written: SpacePointer | None, gone: SpaceLocation) -> SpacePointer:
    assert written is not None
    return written.model_copy(
        update={"previous": tuple(place for place in written.previous if place.space_id != gone.space_id)}
    )


def size_bytes(settings: Settings, place: SpaceLocation) -> int:
    """What a space takes on this disk; rows in IRIS are not on this disk."""
    return sum(path.stat().st_size for path in _files(settings, place) if path.exists())


def _files(settings: Settings, place: SpaceLocation) -> list[Path]:
    """The files of a space. Those of the first one lie among others."""
    folder = place.settings(settings).data_dir
    if place.folder == ".":
        return [path for name in STORE_FILES for path in folder.glob(f"{name}*")]
    return [path for path in folder.rglob("*") if path.is_file()]


@contextmanager
def _store(settings: Settings) -> Iterator[Store]:
    with closing(open_store(settings)) as store:
        yield store


def counts_of(settings: Settings, place: SpaceLocation) -> tuple[int, int, dict[str, int]]:
    """(notes, passages, notes by state) of a space, zeros where it was never begun."""
    placed = place.settings(settings)
    with closing(ledger_database(placed)) as database, closing(open_store(placed, database)) as store:
        if store.space() is None:
            return 0, 0, {}
        ledger = open_ledger(placed, database)
        ledger.prepare()
        counts = store.counts()
        return (
            counts.documents,
            counts.chunks,
            {str(state): number for state, number in ledger.counts().items()},
        )
