"""Answers questions from the space that serves, whichever that is when a question begins.

A process that answers for weeks must follow a switch of embedding spaces without failing one question. Before each
question the pointer file is looked at (one `stat`). When it has changed, the new space is opened and tried next to the
old one; questions in progress end where they began, and the old space is closed with the last of them. A new space that
cannot be opened, for want of a key for example, leaves the old one serving: that is logged, and tried again later.
Knows no question's text.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.answering.flow import answer
from pipeline.config import Settings
from pipeline.embedding_spaces import POINTER_FILE, serving, serving_settings
from pipeline.errors import ChartwellError
from pipeline.logs import LOGGER, fault_fields
from pipeline.ports import Generator
from pipeline.records import Answer, AnswerEvent, Question, SearchResult
from pipeline.telemetry.setup import SILENT, Telemetry
from pipeline.wiring import (
    AnsweringSpace,
    compose_answerer,
    generator_needs_embedder,
    image_embedder_when_asked,
    open_generator,
    open_image_store,
    open_space,
    open_stored_pictures,
)

WAIT_SECONDS = 5.0
"""How long the question that notices a switch waits for the new space; after that it is asked of the old one."""
RETRY_SECONDS = 10.0
"""After the new space could not be opened."""

Signature: TypeAlias = tuple[int, int, int] | None


@dataclass
class _Open:
    """A space that is open, and how many questions are on it."""

    answering: AnsweringSpace
    chosen: Settings
    stack: ExitStack
    users: int = 0
    retired: bool = False


class ServingAnswering:
    """An Answerer that follows a switch of spaces. Safe to share between threads. A context manager."""

    def __init__(self, settings: Settings, telemetry: Telemetry = SILENT) -> None:
        """Opens the models and the store. Raises a ChartwellError where they cannot be opened. `telemetry`: what
        observes the answers; it outlives this object."""
        self._settings = settings
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._generator: Generator | None = None
        self._opening: threading.Thread | None = None
        self._retry_at = 0.0
        self._closed = False
        self._signature = self._look()
        self._current = self._open()

    @property
    def space_id(self) -> str:
        """The space that answers at this moment."""
        return self._current.answering.embedder.space.id

    def answer(self, question: Question) -> Answer:
        """The finished answer."""
        return answer(self, question)

    def search(self, question: Question) -> SearchResult:
        """As Answerer.search."""
        with self.answering() as answering:
            return answering.search(question)

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        """As Answerer.stream; the whole answer comes from the space in which it began."""
        with self.answering() as answering:
            yield from answering.stream(question)

    @contextmanager
    def answering(self) -> Iterator[AnsweringSpace]:
        """The parts that answer now. They stay open while inside, whatever is switched."""
        self._follow()
        with self._lock:
            used = self._current
            used.users += 1
        try:
            yield used.answering
        finally:
            self._leave(used)

    def close(self) -> None:
        """Close the space once its last question has ended; take no further one."""
        opening = self._opening
        if opening is not None:
            opening.join()
        self._closed = True
        self._retire(self._current)

    def __enter__(self) -> ServingAnswering:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- following

    def _look(self) -> Signature:
        try:
            found = (self._settings.data_dir / POINTER_FILE).stat()
        except FileNotFoundError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_size)

    def _follow(self) -> None:
        """Where the pointer has changed, have the new space opened, and wait a little for it."""
        if self._look() == self._signature:
            return
        with self._lock:
            if self._opening is not None or time.monotonic() < self._retry_at or self._closed:
                return  # who noticed it first waits; all others go on with the old space
            opening = threading.Thread(target=self._move, name="follow-switch", daemon=True)
            self._opening = opening
        opening.start()
        opening.join(WAIT_SECONDS)

    def _move(self) -> None:
        """Open the new space, try it, and let new questions go there."""
        try:
            signature = self._look()
            if _place(serving_settings(self._settings)) != _place(self._current.chosen):
                self._replace(self._open(checked=True))
            self._signature = signature
        except Exception as error:  # noqa: BLE001  logged by its class: the old space serves, a later question tries again
            self._retry_at = time.monotonic() + RETRY_SECONDS
            LOGGER.error(
                "the new space cannot be opened; the old one goes on serving",
                extra={"code": error.code} if isinstance(error, ChartwellError) else fault_fields(error),
            )
        finally:
            self._opening = None

    def _replace(self, fresh: _Open) -> None:
        with self._lock:
            old, self._current = self._current, fresh
        LOGGER.info("following the switch", extra={"space": self.space_id})
        self._retire(old)

    def _open(self, *, checked: bool = False) -> _Open:
        with ExitStack() as stack:
            chosen = stack.enter_context(serving(self._settings))
            corpus = stack.enter_context(open_space(chosen))
            corpus.store.prepare(corpus.embedder.space)
            if checked:
                corpus.embedder.check()
            embedder, store = self._telemetry.embedder(corpus.embedder), self._telemetry.store(corpus.store)
            if self._generator is None or generator_needs_embedder(self._settings):
                self._generator = self._telemetry.generator(open_generator(self._settings, embedder))
            generator, settings = self._generator, self._settings
            images, image_embedder = open_image_store(corpus.store), image_embedder_when_asked(settings)
            if pictures := open_stored_pictures(settings, images, corpus.originals):
                stack.enter_context(closing(pictures))
            answerer = compose_answerer(
                embedder, store, generator, settings, self._telemetry, images, image_embedder, pictures
            )
            space = AnsweringSpace(
                answerer, embedder, store, generator, images, image_embedder, corpus.originals
            )
            return _Open(space, chosen, stack.pop_all())

    # --- letting go

    def _leave(self, used: _Open) -> None:
        with self._lock:
            used.users -= 1
            last = used.retired and used.users == 0
        if last:
            used.stack.close()

    def _retire(self, old: _Open) -> None:
        with self._lock:
            idle = old.users == 0 and not old.retired
            old.retired = True
        if idle:
            old.stack.close()


def _place(chosen: Settings) -> tuple[object, ...]:
    """What tells two spaces apart, whichever other settings are spelt out or left to their defaults."""
    return (chosen.data_dir, chosen.iris.sql_schema, chosen.embedder.url)
