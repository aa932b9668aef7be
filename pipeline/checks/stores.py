"""The store: is it there, is it ours, and does a search work the way it should?

The same for every store where a search is concerned: a passage that is stored is looked for with its own vector. For a
store on a server also connection, tables, and whether its vector index answers.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from pipeline.checks.context import CheckContext
from pipeline.checks.errors import IndexUnused
from pipeline.checks.result import Finding, failed, passed, skipped, warned
from pipeline.errors import ChartwellError, SchemaMismatch, SpaceMismatch, StoreDamaged, StoreError
from pipeline.ports import Inspectable, SearchPlan
from pipeline.records import EmbeddingSpace, Filters, Vector, is_of_library

SEARCHES = 3
SELF_SIMILARITY_MIN = 0.999
"""Of a vector with itself, after float32 and decimal text."""
INDEX_SPEEDUP_MIN = 2.0
"""Where a store does not say how it searches: through an index it must be this much faster than comparing all."""
OTHER_STORE = "the store is one embedded file: store_check"

NOTHING_STORED = SchemaMismatch(
    "Nothing has been indexed yet.",
    remedy="Index notes: python -m pipeline.vectorize notes FILE-OR-FOLDER. On a host: put them into the "
    "bucket, then sudo systemctl start chartwell-vectorize.",
)


NOT_YET = IndexUnused(
    "The vector index is not in use yet: notes are still being indexed, and the run builds it at its end.",
    remedy="Let the run end, then check again: python -m pipeline.validate --only iris_search_check",
)


def store_check(context: CheckContext) -> Finding:
    """The embedded store: space, counts, and a passage found by its own vector."""
    if context.iris:
        return skipped("the store is IRIS: iris_connection_check, iris_tables_check, iris_search_check")
    space = context.store.space()
    if space is None:
        return warned(NOTHING_STORED, passages=0)
    if problem := _other_space(context, space):
        return failed(problem)
    counts = context.store.counts()
    measured = {"notes": counts.documents, "passages": counts.chunks, "width": space.dimension}
    first = next(iter(context.store.chunk_ids()), None)
    if first is None:
        return warned(NOTHING_STORED, **measured)
    vector = context.store.vectors([first[1]])[first[1]]
    seconds = _search_seconds(context, vector)
    return passed(
        f"{counts.documents:,} notes, {counts.chunks:,} passages of width {space.dimension}; a search takes "
        f"{seconds * 1000:.0f} ms",
        **measured,
        search_seconds=round(seconds, 4),
    )


def _other_space(context: CheckContext, stored: EmbeddingSpace) -> SpaceMismatch | None:
    """What is wrong where the embedder that is configured makes vectors of another space than the stored ones."""
    try:
        space = context.embedder.space
    except ChartwellError:
        return None  # embedding_check tells about the embedder
    if space.id == stored.id:
        return None
    return SpaceMismatch(
        f"The store holds vectors of {stored.id} ({stored.dimension} wide); the embedder in the settings makes "
        f"{space.id} ({space.dimension} wide).",
        remedy="Go back to the embedder that was used, or embed everything again: python -m pipeline.vectorize migrate "
        f"--to {space.provider}:{space.model}.",
    )


def _search_seconds(context: CheckContext, vector: Vector) -> float:
    """The median time of a search for a stored vector. Raises StoreDamaged where it does not find itself."""
    times = []
    for _ in range(SEARCHES):
        started = time.perf_counter()
        matches = context.store.search_vector(vector, 3, Filters())
        times.append(time.perf_counter() - started)
        if not matches or matches[0].score < SELF_SIMILARITY_MIN:
            raise StoreDamaged(
                "A stored passage is not found by its own vector.",
                remedy="Hold ledger and store against each other: python -m pipeline.vectorize verify --all --repair",
            )
    return statistics.median(times)


# --- IRIS


def _inspectable(context: CheckContext) -> Inspectable:
    store = context.store
    if not isinstance(store, Inspectable):
        raise StoreError("This store cannot be inspected.", remedy="Report this as a fault of the wiring.")
    return store


def iris_connection_check(context: CheckContext) -> Finding:
    """A connection, with user, password and namespace, and one statement on it."""
    if not context.iris:
        return skipped(OTHER_STORE)
    iris = context.settings.iris
    store = _inspectable(context)
    started = time.perf_counter()
    store.ping()
    connected = time.perf_counter() - started
    started = time.perf_counter()
    store.ping()
    answered = time.perf_counter() - started
    return passed(
        f"{iris.host}:{iris.port}, namespace {iris.namespace}: connected in {connected * 1000:.0f} ms, a "
        f"statement takes {answered * 1000:.1f} ms",
        connect_seconds=round(connected, 4),
        statement_seconds=round(answered, 5),
    )


def iris_tables_check(context: CheckContext) -> Finding:
    """Every table of this version, and vectors of the width and the space that the settings ask for."""
    if not context.iris:
        return skipped(OTHER_STORE)
    store = _inspectable(context)
    missing = store.missing_tables()
    stored = context.store.space()
    if stored is None and "ClinicalNotes" in missing:
        return warned(NOTHING_STORED, passages=0)
    if missing:
        return failed(
            SchemaMismatch(
                f"Tables are missing in namespace {context.settings.iris.namespace}: {', '.join(missing)}.",
                remedy="Where they were dropped, make them again and refill them from the ledger: python -m "
                "pipeline.vectorize verify --repair. Where the account may not see them, grant it SELECT "
                "(docs/iris.md).",
            ),
            missing=", ".join(missing),
        )
    if stored is None:
        return warned(NOTHING_STORED, passages=0)
    if problem := _other_space(context, stored):
        return failed(problem, width=stored.dimension)
    counts = context.store.counts()
    measured = {"notes": counts.documents, "passages": counts.chunks, "width": stored.dimension}
    newest = store.newest_vector()
    if newest is not None and newest[1].shape != (stored.dimension,):
        return failed(
            SpaceMismatch(
                f"Passage {newest[0]} has a vector of width {newest[1].size}; the table's space says "
                f"{stored.dimension}.",
                remedy="Another program writes into these tables. python -m pipeline.vectorize verify --all "
                "finds which notes.",
            ),
            **measured,
        )
    return passed(
        f"{counts.documents:,} notes, {counts.chunks:,} passages of width {stored.dimension}", **measured
    )


def iris_search_check(context: CheckContext) -> Finding:
    """A stored passage found by its own vector and by its own words, and the vector index used where there are many."""
    if not context.iris:
        return skipped(OTHER_STORE)
    store = _inspectable(context)
    newest = store.newest_vector() if not store.missing_tables() else None
    if newest is None:
        return skipped("no passage is stored yet: there is nothing to search for")
    chunk_id, vector = newest
    passages = context.store.counts().chunks
    seconds = _search_seconds(context, vector)
    measured: dict[str, str | int | float | bool | None] = {
        "passages": passages,
        "search_seconds": round(seconds, 4),
    }
    if not _found_by_words(context, chunk_id, vector):
        return failed(
            IndexUnused(
                "A stored passage is not found by its own words: the word index does not work.",
                remedy="Build it again in the Management Portal: table ClinicalNoteVectors, index "
                "SearchTextFind, Rebuild.",
            ),
            **measured,
        )
    plan = store.plan(vector)
    measured |= {"index_used": plan.uses_index, "plan": "; ".join(plan.steps) or None}
    return _index_judged(context, plan, passages, vector, measured, seconds)


def _indexing(context: CheckContext) -> bool:
    """Whether notes wait to be indexed: then the run that stores them builds the index at its end."""
    if context.vantage == "outside":
        return False
    context.ledger.prepare()
    states = context.ledger.counts()
    return states["pending"] + states["processing"] > 0


def _found_by_words(context: CheckContext, chunk_id: str, vector: Vector) -> bool:
    (hit,) = context.store.hits([chunk_id], vector) or (None,)
    if hit is None:
        return True  # removed meanwhile
    patients = () if is_of_library(hit.resource_id) else (hit.patient_id,)
    matches = context.store.search_words(
        hit.text, 10, Filters(patient_ids=patients, document_types=(hit.document_type,))
    )
    return bool(matches) or not any(character.isalnum() for character in hit.text)


def _index_judged(
    context: CheckContext,
    plan: SearchPlan,
    passages: int,
    vector: Vector,
    measured: dict[str, str | int | float | bool | None],
    seconds: float,
) -> Finding:
    took = f"{passages:,} passages, a search takes {seconds * 1000:.0f} ms"
    error = IndexUnused(
        f"{took}: IRIS compares every vector; the vector index is missing, or its planner leaves it aside.",
        remedy="Build it and have IRIS count its rows: python -m pipeline.vectorize optimise. After an "
        "upgrade of IRIS add --rebuild.",
    )
    if plan.uses_index:
        return passed(f"{took}, by the vector index", **measured)
    if passages < context.settings.checks.index_passages_min:
        return passed(f"{took}; so few that comparing all is as fast as the index", **measured)
    if plan.uses_index is False:
        if _indexing(context):
            return warned(NOT_YET, **measured)
        return failed(error, **measured)
    # IRIS does not explain this statement: what it does is told by its time alone.
    started = time.perf_counter()
    context.store.search_vector(vector, 3, Filters(since="0001", until="9999"))
    other = time.perf_counter() - started
    measured["scan_seconds"] = round(other, 4)
    if seconds * INDEX_SPEEDUP_MIN <= other:
        return passed(f"{took}, {other / seconds:.0f} times faster than comparing all", **measured)
    return warned(error, **measured)


def unit_vector(width: int) -> Vector:
    """Any vector with a direction, for a search that only its filter decides."""
    return np.full(width, 1 / np.sqrt(width), dtype=np.float32)
