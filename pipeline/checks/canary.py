"""A question with a known answer, end to end, on a note that exists for its sake alone.

Decides how that canary note is kept apart from real ones. It belongs to a patient who does not exist, tells of nothing
clinical, and is written past the ledger: no run of the indexing touches it, no migration of spaces copies it, no
pruning knows it. The question is asked with a filter on that patient. While it is there, for as long as one answer
takes, an unfiltered question could meet it only by being about lighthouses. It is removed as soon as the answer is
there. What a run that was killed left behind is removed by the next one, whether or not models work by then
(`left_overs_check`).
"""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.answering.flow import answer
from pipeline.call_context import cancellation
from pipeline.call_context.cancellation import Cancellation, cancellation_scope
from pipeline.checks.context import CheckContext
from pipeline.checks.errors import AnswerWrong, TooSlow
from pipeline.checks.result import Finding, failed, passed, skipped, warned
from pipeline.checks.stores import unit_vector
from pipeline.embedding_spaces import serving_settings, writing
from pipeline.images import ImageFilters
from pipeline.indexing.chunking import chunk_document, passage_tokens_max
from pipeline.ports import Store
from pipeline.records import (
    Answer,
    Document,
    EmbeddedChunk,
    EmbeddedDocument,
    Filters,
    Question,
)
from pipeline.storage.locks import exclusive_lock
from pipeline.wiring import compose_answerer

PATIENT = "chartwell-canary"
DOCUMENT_TYPE = "Chartwell canary"
PREFIX = "chartwell-canary-"
LOCK_FILE = ".canary"
LEFT_OVER_SECONDS = 600
"""A canary of another machine is left over when it is older than any run can be."""
LEFT_OVERS_MAX = 50
_ID = re.compile(rf"{PREFIX}(?P<machine>[0-9a-f]{{8}})-(?P<seconds>\d{{9,12}})-[0-9a-f]{{8}}")


@dataclass(frozen=True, slots=True)
class Canary:
    """The note, the question about it, and the word that a right answer quotes."""

    document: Document
    question: str
    word: str


def is_canary(resource_id: str) -> bool:
    return _ID.fullmatch(resource_id) is not None


def make_canary(now: float) -> Canary:
    """A new one each time, so that yesterday's answer is wrong today."""
    resource_id = make_canary_id(now)
    word = str(int(resource_id[-8:], 16) % 9000 + 1000)
    text = (
        "This note was written by Chartwell to check itself. It is about no patient.\n\n"
        f"The lighthouse of Fennel Island keeps its spare lamp in locker {word} beside the eastern stairs. "
        "The ferry brings paraffin twice a month.\n"
    )
    return Canary(
        Document(
            resource_id=resource_id,
            patient_id=PATIENT,
            document_type=DOCUMENT_TYPE,
            text_content=text,
        ),
        "In which locker does the lighthouse of Fennel Island keep its spare lamp?",
        word,
    )


def make_canary_id(now: float) -> str:
    """One that tells which machine wrote it, and when."""
    return f"{PREFIX}{_this_machine()}-{int(now)}-{secrets.token_hex(4)}"


def _this_machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


@contextmanager
def only_one(context: CheckContext) -> Iterator[bool]:
    """Whether no other process of this machine has a canary in this store at the moment."""
    with exclusive_lock(context.base_settings.data_dir / LOCK_FILE) as mine:
        yield mine


BUSY = "another run of these checks is asking its own at this moment"


def left_overs_check(context: CheckContext) -> Finding:
    """Removes what a run that was killed has left in the store."""
    with only_one(context) as mine:
        if not mine:
            return skipped(BUSY)
        removed = sweep(context) + sweep_images(context)
    if removed:
        return warned(
            AnswerWrong(
                f"{removed} canary of an earlier run was still there; it is removed now.",
                remedy="That run was killed. If it happens again, see what ends it: memory, or a time limit.",
            ),
            removed=removed,
        )
    return passed("none", removed=0)


def sweep(context: CheckContext) -> int:
    """Remove canaries of this machine's dead runs, and old ones of others. How many that were.

    Call it while no other process of this machine has one. Needs no model: the filter finds them, whatever the vector.
    """
    space = context.store.space()
    if space is None:
        return 0
    vector = unit_vector(space.dimension)
    matches = context.store.search_vector(vector, LEFT_OVERS_MAX, Filters(patient_ids=(PATIENT,)))
    hits = context.store.hits([match.chunk_id for match in matches], vector)
    gone = sorted({hit.resource_id for hit in hits if _left_over(hit.resource_id, context.machine.now())})
    if not gone:
        return 0
    return _removed(context.store, gone)


def sweep_images(context: CheckContext) -> int:
    """The same of images."""
    images = context.images
    if images.space() is None:
        return 0
    found = images.images(ImageFilters(patient_ids=(PATIENT,)), limit=LEFT_OVERS_MAX)
    now = context.machine.now()
    gone = [each.image_id for each in found if _left_over(each.image_id, now)]
    return images.delete(gone) if gone else 0


def _removed(store: Store, resource_ids: list[str]) -> int:
    with store.transaction():
        return store.delete(resource_ids)


def clear_canary(context: CheckContext) -> None:
    """Removes the note of a check that hangs, by a connection that does not."""
    if not context.written:
        return
    with CheckContext(context.settings, context.base_settings, context.vantage, context.machine) as own:
        _removed(own.store, sorted(context.written))


def _left_over(resource_id: str, now: float) -> bool:
    found = _ID.fullmatch(resource_id)
    if found is None:
        return False  # someone's own note of a patient by that name
    return found["machine"] == _this_machine() or abs(now - float(found["seconds"])) > LEFT_OVER_SECONDS


def end_to_end_check(context: CheckContext) -> Finding:
    """Writes the canary as indexing would, asks about it as a user would, expects its citation, and removes it."""
    with only_one(context) as mine:
        if not mine:
            return skipped(BUSY)
        with writing(context.base_settings.data_dir):
            if serving_settings(context.base_settings).data_dir != context.settings.data_dir:
                return skipped("the embedding space was switched while this ran: run it again")
            return _asked(context)


def _asked(context: CheckContext) -> Finding:
    context.store.prepare(context.embedder.space)
    sweep(context)
    canary = make_canary(time.time())
    started = time.perf_counter()
    try:
        embedded = _embedded(canary.document, context)
        cancellation.check()  # else it would be written after everything was cleared
        context.written.add(canary.document.resource_id)
        context.store.upsert([embedded])
        written = time.perf_counter() - started
        asked = time.perf_counter()
        answer = _answer(canary, context)
        answered = time.perf_counter() - asked
    finally:
        # Also where this check is cut off: then its own scope would cut the removal as well.
        with cancellation_scope(Cancellation()):
            _removed(context.store, [canary.document.resource_id])
        context.written.discard(canary.document.resource_id)
    measured: dict[str, str | int | float | bool | None] = {
        "write_seconds": round(written, 3),
        "answer_seconds": round(answered, 3),
        **{f"{stage}_seconds": round(seconds, 3) for stage, seconds in answer.seconds.items()},
        "citations": len(answer.citations),
        "withheld": answer.withheld,
    }
    if context.store.document(canary.document.resource_id) is not None:
        return failed(
            AnswerWrong(
                "The canary note could not be removed again.",
                remedy="The next run tries again. Until then it is in the store, as a note of patient "
                f"{PATIENT}; look why deleting does nothing.",
            ),
            **measured,
        )
    return _judged(answer, canary, answered, context.settings.checks.answer_seconds_max, measured)


def _embedded(document: Document, context: CheckContext) -> EmbeddedDocument:
    embedder = context.embedder
    chunks = chunk_document(
        document,
        count_tokens=embedder.count_tokens,
        tokens_max=passage_tokens_max(embedder, context.settings.indexing),
    )
    vectors = embedder.embed([chunk.embedding_text for chunk in chunks], "passage")
    return EmbeddedDocument(
        document, tuple(EmbeddedChunk(chunk, vector) for chunk, vector in zip(chunks, vectors, strict=True))
    )


def _answer(canary: Canary, context: CheckContext) -> Answer:
    answerer = compose_answerer(context.embedder, context.store, context.generator, context.settings)
    return answer(answerer, Question(canary.question, Filters(patient_ids=(PATIENT,)), top_k=3))


def _judged(
    answer: Answer,
    canary: Canary,
    seconds: float,
    limit: float,
    measured: dict[str, str | int | float | bool | None],
) -> Finding:
    if answer.outcome != "answered":
        return failed(_unanswered(answer), **measured, why=answer.reason)
    cited = [each for each in answer.citations if each.resource_id == canary.document.resource_id]
    if canary.word not in answer.text or not any(canary.word in each.quote for each in cited):
        return failed(
            AnswerWrong(
                "The answer is not the sentence that answers the question, or does not cite it.",
                remedy="The model does not answer the question. Ask a question of your own with --show-context; "
                "an 8B instruct model is the smallest that was tried.",
            ),
            **measured,
        )
    if seconds > limit:
        return warned(
            TooSlow(
                f"The right answer took {seconds:.1f} s; {limit:g} s are allowed.",
                remedy="The measured seconds say which stage it was: embed, search, or generate.",
            ),
            **measured,
        )
    return passed(
        f"the right sentence was cited, {seconds:.2f} s after the question; the note is removed", **measured
    )


def _unanswered(answer: Answer) -> AnswerWrong:
    """Which stage let the answer go."""
    cures = {
        "no_documents": "What was written is not found: the store shows writes late, or another store is asked.",
        "filters_match_nothing": "What was written is not found by its patient: the store shows writes late.",
        "below_floor": "Embedder and floor do not fit: set CHARTWELL_EMBEDDER__SIMILARITY_FLOOR by python -m "
        "pipeline.evaluate.",
        "generator_abstained": "The passage was found, and the model says that it does not answer: look at the model.",
        "nothing_verified": "The model answered without a citation that holds: an 8B instruct model is the "
        "smallest that was tried.",
        "cut_off": "The model's answer was cut off immediately: raise CHARTWELL_GENERATOR__TOKENS_MAX.",
        "filtered": "A content filter of the model's server holds answers back: look at its settings.",
        "refused": "The model refuses to answer: choose another.",
        "tool_call": "The model calls tools instead of answering: look at its server's settings.",
        "thought_only": "The model thinks and does not answer: switch its reasoning off.",
        "empty": "The model's answer is empty: look at its server and its chat template.",
    }
    return AnswerWrong(
        f"A question whose answer is stored was not answered ({answer.reason}).",
        remedy=cures.get(answer.reason or "", "Ask it with --show-context."),
    )
