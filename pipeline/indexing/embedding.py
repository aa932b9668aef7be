"""Gives the passages of a batch of notes their vectors, asking the embedder only for those that no one has yet.

Several requests may be in flight together, of one batch and of the next; how many is the embedder's own word. Requests
are full: what is left over of one batch goes out with the next. A vector is kept the moment it arrives, so a run that
is killed pays for nothing twice but what was in flight.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from pipeline.call_context.retry_budget import attempts_at_most
from pipeline.errors import ChartwellError, Overloaded, ProviderTimeout, ResponseInvalid
from pipeline.indexing.material import EmbeddedMaterial, Material, Piece
from pipeline.ports import Embedder, ImageEmbedder, Interruptible, Store
from pipeline.records import MaterialKind, StagedMaterial, Vector

STOP_SECONDS = 40.0
"""How long an end that was asked for waits for requests on the wire. Within the 60 s that the host gives the service
(cloud-init/units) and the 120 s of a spot notice."""
LOOK_SECONDS = 0.25
"""How often a thread that waits for an answer looks whether the end was asked for."""


class VectorCache(Protocol):
    """Where vectors are kept between the embedder's answer and the store."""

    def kept(self, chunks: Sequence[Piece]) -> Mapping[str, Vector]:
        """Vectors that are there already, by chunk id."""

    def keep(self, chunks: Sequence[Piece], vectors: Vector) -> None:
        """Keep the rows of `vectors`, one a chunk. Called from a thread of its own."""


@dataclass(frozen=True)
class StoredVectors:
    """Keeps nothing itself: for a store that commits vectors together with the ledger, in the same database."""

    store: Store

    def kept(self, chunks: Sequence[Piece]) -> Mapping[str, Vector]:
        return self.store.vectors([chunk.chunk_id for chunk in chunks])

    def keep(self, chunks: Sequence[Piece], vectors: Vector) -> None:
        """The store takes them with the batch."""


@dataclass(frozen=True, slots=True)
class EmbeddedBatch:
    documents: tuple[EmbeddedMaterial, ...]
    chunks_embedded: int
    chunks_reused: int


@dataclass(eq=False, slots=True)
class Request:
    """Passages that are embedded in one call. The answer is there once its vectors are kept."""

    chunks: list[Piece]
    attempts: int | None = None
    """How often it is tried at most; None where the pool decides."""
    answer: Future[Vector] = field(default_factory=Future)

    @property
    def texts(self) -> list[str]:
        return [chunk.embedding_text for chunk in self.chunks]


@dataclass(frozen=True)
class PendingBatch:
    """A batch whose requests are in flight."""

    notes: Sequence[tuple[StagedMaterial, Sequence[Piece]]]
    vectors: dict[str, Vector]
    """By chunk id; those of the requests are added when they are there."""
    wanted: int
    requests: Sequence[Request]
    """Its own, and those of other batches that embed the same words."""
    pool: EmbeddingPool

    @property
    def running(self) -> int:
        """Requests that have not been answered yet."""
        return sum(not request.answer.done() for request in self.requests)

    def wait(self) -> EmbeddedBatch:
        """The batch with all its vectors. Raises what the embedder raised, once no request of it is running."""
        self.pool.send_rest(self.requests)
        failures = []
        by_text: dict[str, Vector] = {}
        for request in self.requests:
            self.pool.wait_for(request)
            error = request.answer.exception()
            if error is None:
                by_text.update(zip(request.texts, request.answer.result(), strict=True))
            else:
                failures.append(error)
        if failures:
            raise self.pool.unkept or failures[0]
        for _, parts in self.notes:
            for chunk in parts:
                if chunk.chunk_id not in self.vectors:
                    self.vectors[chunk.chunk_id] = by_text[chunk.embedding_text]
        documents = tuple(
            self.pool.material.whole(document, parts, self.vectors) for document, parts in self.notes
        )
        total = sum(len(parts) for _, parts in self.notes)
        return EmbeddedBatch(documents, self.wanted, total - self.wanted)


class EmbeddingPool:
    """Sends passages to the embedder from as many threads as it can use, and keeps what comes back.

    A context manager: leaving waits for what is on the wire, but for no server's recovery and not for ever. Its
    threads never hold the process: a server that does not answer must not keep a run from ending.
    """

    def __init__(
        self,
        material: Material,
        embedder: Embedder | ImageEmbedder,
        cache: VectorCache,
        *,
        request_texts: int,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """`stop`: asked while waiting; once true, whatever waits for the server is given up."""
        self.material = material
        self._embedder = embedder
        self._cache = cache
        self._request_texts = request_texts
        self._stop = stop
        self._stopped_at: float | None = None
        self._closed = False
        self.unkept: BaseException | None = None
        """Why vectors could not be kept: then no more are asked for."""
        self._rest = Request([])
        self._asked: dict[str, Request] = {}
        """Who embeds a text at this moment."""
        self._outgoing: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._arrived: queue.SimpleQueue[tuple[Request, Vector] | None] = queue.SimpleQueue()
        self._senders: list[threading.Thread] = []
        self._keeping = threading.Thread(target=self._keep_arrived, name="keep", daemon=True)
        self.attempts: int | None = None
        """How often a request is tried at most; None where the settings decide."""
        self.busy_seconds = 0.0
        """Time inside the embedder, summed over requests."""

    def __enter__(self) -> Self:
        self._keeping.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        if error is not None:
            self._give_up_waiting()
        for _ in self._senders:
            self._outgoing.put(None)
        at_once = error is not None and not isinstance(error, Exception)  # Ctrl-C for the second time
        deadline = 0.0 if at_once else (self._stopped_at or time.monotonic()) + STOP_SECONDS
        for thread in self._senders:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._arrived.put(None)
        self._keeping.join(max(0.0, deadline - time.monotonic()))

    def begin(
        self,
        notes: Sequence[tuple[StagedMaterial, Sequence[Piece]]],
        *,
        alone: bool = False,
        attempts: int | None = None,
    ) -> PendingBatch:
        """Look up what is kept, and send the rest in full requests, passages of like length together: padding is
        work for nothing. What fills no request goes out with the next batch, or when it is waited for.

        `alone`: in requests that hold nothing of other batches, so that a failure has one cause; each is tried
        `attempts` times at most.
        """
        # Before looking up what is kept: what is answered in between is then found in one of the two.
        asked = {text: request for text, request in self._asked.items() if not request.answer.done()}
        chunks = [chunk for _, parts in notes for chunk in parts]
        vectors = dict(self._cache.kept(chunks))
        new: dict[str, Piece] = {}
        shared: dict[int, Request] = {}
        for chunk in chunks:
            if chunk.chunk_id in vectors:
                continue
            text = chunk.embedding_text
            if text in asked and not alone:
                shared[id(asked[text])] = asked[text]
            else:
                new.setdefault(text, chunk)
        ordered = sorted(new.values(), key=lambda chunk: len(chunk.embedding_text))
        requests = self._send_in_groups(ordered, attempts) if alone else self._send_full(ordered)
        self._asked = asked | {text: request for request in requests for text in request.texts}
        own = {id(request) for request in requests}
        others = [request for key, request in shared.items() if key not in own]
        return PendingBatch(notes, vectors, len(ordered), [*requests, *others], self)

    def send_rest(self, requests: Sequence[Request]) -> None:
        """Send what waits to fill a request, if it is among these."""
        if self._rest.chunks and self._rest in requests:
            self._send(self._rest)
            self._rest = Request([])

    def wait_for(self, request: Request) -> None:
        """Return once the request is answered. Raises ProviderTimeout where the end was asked for and it is not."""
        while not wait([request.answer], timeout=LOOK_SECONDS).done:
            if not self._stop():
                continue
            self._give_up_waiting()
            assert self._stopped_at is not None
            if time.monotonic() > self._stopped_at + STOP_SECONDS:
                raise ProviderTimeout(
                    f"The embedder did not answer within {STOP_SECONDS:.0f} s after the end was asked for.",
                    remedy="Nothing that was stored is lost; run the same command again to go on.",
                )

    def _give_up_waiting(self) -> None:
        """End what waits for the server's recovery. What is on the wire ends by itself, and is kept."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
            if isinstance(self._embedder, Interruptible):
                self._embedder.stop()

    def _send_full(self, new: list[Piece]) -> list[Request]:
        """Fill the request that was begun before, send as many as get full, begin another with the shortest."""
        size, before = self._request_texts, self._rest
        room = size - len(before.chunks)
        if len(new) < room:
            before.chunks.extend(new)
            return [before] if new else []
        over = (len(new) - room) % size
        rest, new = Request(new[:over]), new[over:]
        before.chunks.extend(new[:room])
        self._send(before)
        self._rest = rest
        sent = [before, *self._send_in_groups(new[room:])]
        return [*sent, rest] if over else sent

    def _send_in_groups(self, chunks: Sequence[Piece], attempts: int | None = None) -> list[Request]:
        size = self._request_texts
        requests = [
            Request(list(chunks[start : start + size]), attempts) for start in range(0, len(chunks), size)
        ]
        for request in requests:
            self._send(request)
        return requests

    def _send(self, request: Request) -> None:
        if len(self._senders) < self.material.calls_at_once:
            thread = threading.Thread(target=self._embed_outgoing, name="embed", daemon=True)
            self._senders.append(thread)
            thread.start()
        self._outgoing.put(request)

    def _embed_outgoing(self) -> None:
        while (request := self._outgoing.get()) is not None:
            if self._closed or self.unkept is not None:
                request.answer.set_exception(self.unkept or _given_up())
                continue
            try:
                with attempts_at_most(request.attempts or self.attempts):
                    vectors = self._embed(request.chunks)
            except BaseException as error:  # noqa: BLE001  the thread that waits for the request raises it
                request.answer.set_exception(error)
            else:
                self._arrived.put((request, vectors))
                # Not before these are kept is more paid for: a kill costs at most as many requests as there are
                # senders. Meanwhile others take the turn at the server.
                wait([request.answer])

    def _embed(self, chunks: Sequence[Piece]) -> Vector:
        started = time.perf_counter()
        vectors = self.material.embed(chunks)
        self.busy_seconds += time.perf_counter() - started
        insist_on_shape(vectors, len(chunks), self._embedder.space.dimension, self.material.kind)
        return vectors

    def _keep_arrived(self) -> None:
        """Keep whatever has arrived, together: one commit to disk serves all of it."""
        while (first := self._arrived.get()) is not None:
            arrived = [first]
            while not self._arrived.empty():
                more = self._arrived.get()
                if more is None:
                    self._arrived.put(None)  # the end comes after what is in hand
                    break
                arrived.append(more)
            try:
                self._cache.keep(
                    [chunk for request, _ in arrived for chunk in request.chunks],
                    np.concatenate([vectors for _, vectors in arrived]),
                )
            except BaseException as error:  # noqa: BLE001  the threads that wait for the requests raise it
                self.unkept = error
                self._give_up_waiting()
                for request, _ in arrived:
                    request.answer.set_exception(error)
            else:
                for request, vectors in arrived:
                    request.answer.set_result(vectors)


def _given_up() -> ChartwellError:
    return Overloaded(
        "The run ended before this request was sent.",
        remedy="Nothing is lost; run the same command again to go on.",
    )


_EMBEDDED: Mapping[MaterialKind, tuple[str, str]] = {
    "notes": ("passages", "CHARTWELL_EMBEDDER"),
    "images": ("images", "CHARTWELL_IMAGE_EMBEDDER"),
}
"""What is embedded of a kind, and whose settings say by what."""


def insist_on_shape(vectors: Vector, rows: int, dimension: int, kind: MaterialKind) -> None:
    """Raises ResponseInvalid unless `vectors` has shape (rows, dimension) and only finite values."""
    if vectors.shape != (rows, dimension) or not np.isfinite(vectors).all():
        pieces, group = _EMBEDDED[kind]
        raise ResponseInvalid(
            f"The embedder returned vectors of shape {vectors.shape} for {rows} {pieces} of width {dimension}, "
            "or values that are not finite.",
            remedy=f"Check {group}__MODEL and {group}__DIMENSION against the server's model.",
        )


def text_hash(chunk: Piece) -> str:
    """SHA-256 of what the embedder reads of a passage: equal texts have equal vectors in one space."""
    return hashlib.sha256(chunk.embedding_text.encode("utf-8", errors="surrogatepass")).hexdigest()
