"""The notes that are served: opened in the background, searched, and handed out to those who may see them.

Decides when the service can answer, and that a note a user may not see is answered exactly as one that is not there.
Refuses to know what a question is answered with (`ServingAnswering`), and what an HTTP status is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import TypeAlias

from pipeline.answering.note_access import visible_note
from pipeline.answering.shapes.suggestions import SuggestedQuestion, suggested_questions
from pipeline.config import Settings
from pipeline.errors import ChartwellError
from pipeline.logs import LOGGER
from pipeline.records import EVERYTHING, AccessScope, Document, Question, SearchResult
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.service.errors import NotKnown, NotReady
from pipeline.service.problems import recorded
from pipeline.wiring import AnsweringSpace

NO_NOTE = "Check its id. It may have been removed, or lie outside what you can see."
"""The same words for a note out of sight and for one that never was."""
SUGGESTED_MAX = 256
"""Lists of suggested questions that are kept."""
_WhatIsSuggested: TypeAlias = tuple[str | None, AccessScope, tuple[str, ...]]
"""Of which version of the notes, for whose scope, about whom."""
RETRY_SECONDS = 5.0
"""After models or store could not be opened."""


class LiveCorpus:
    """What answers, once it is open. Safe to share between threads."""

    def __init__(self, settings: Settings, open_answering: Callable[[Settings], ServingAnswering]) -> None:
        self._settings = settings
        self._open_answering = open_answering
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._answering: ServingAnswering | None = None
        self._thread: threading.Thread | None = None
        self._suggested: dict[_WhatIsSuggested, list[SuggestedQuestion]] = {}
        self.failure: ChartwellError | None = None
        """Why it is not open, None while it is being opened for the first time."""

    def start(self) -> None:
        """Open models and store in a thread, again and again until it works."""
        self._thread = threading.Thread(target=self._open, name="open-corpus", daemon=True)
        self._thread.start()

    def _open(self) -> None:
        while not self._stop.is_set():
            began = time.perf_counter()
            try:
                opened = self._open_answering(self._settings)
            except Exception as error:  # noqa: BLE001  recorded there, and told by /readyz
                self.failure = recorded(error, "opening models and store")
                LOGGER.error(
                    "models or store cannot be opened; trying again", extra={"code": self.failure.code}
                )
                self._stop.wait(RETRY_SECONDS)
                continue
            with self._lock:
                self._answering, self.failure = opened, None
            LOGGER.info("ready to answer", extra={"seconds": round(time.perf_counter() - began, 3)})
            if self._stop.is_set():
                opened.close()
            return

    @property
    def ready(self) -> bool:
        return self._answering is not None

    @contextmanager
    def answering(self) -> Iterator[AnsweringSpace]:
        """What answers now. Raises NotReady before they are open."""
        opened = self._answering
        if opened is None:
            raise NotReady(
                "The models are not loaded yet."
                if self.failure is None
                else "The models or the notes cannot be opened; it is tried again every few seconds.",
                remedy="Ask again in a few seconds; /readyz says what is missing.",
            )
        with opened.answering() as answering:
            yield answering

    def search(self, question: Question) -> SearchResult:
        """The passages that an answer would be made from."""
        with self.answering() as answering:
            return answering.search(question)

    def note(self, resource_id: str, scope: AccessScope) -> Document:
        """A note. Raises NotKnown where there is none that `scope` admits."""
        with self.answering() as answering:
            document = visible_note(answering.store, resource_id, scope)
        if document is None:
            raise NotKnown("There is no such note.", remedy=NO_NOTE)
        return document

    def suggestions(self, scope: AccessScope, patient_ids: Sequence[str] = ()) -> list[SuggestedQuestion]:
        """Questions that the notes of a scope answer, as `suggested_questions`; kept until a note is written or
        removed."""
        with self.answering() as answering:
            store, space = answering.store, answering.embedder.space
            version = store.version()
            key = (version, scope, tuple(patient_ids))
            found = self._suggested.get(key) if version is not None else None
            if found is None:
                found = suggested_questions(store, space, scope, patient_ids)
                with self._lock:
                    if len(self._suggested) >= SUGGESTED_MAX:
                        self._suggested.clear()
                    self._suggested[key] = found
            return found

    def visible(self, resource_ids: AbstractSet[str], scope: AccessScope) -> set[str]:
        """Of these notes and images those that are there and that `scope` admits."""
        with self.answering() as answering:
            store, images = answering.store, answering.images
            return {
                each
                for each in resource_ids
                if visible_note(store, each, scope) is not None
                or (images is not None and images.image(each, scope) is not None)
            }

    def holders(self, resource_ids: AbstractSet[str]) -> dict[str, str]:
        """Whose these notes are now, by id; without those that are not there."""
        with self.answering() as answering:
            found = [visible_note(answering.store, each, EVERYTHING) for each in sorted(resource_ids)]
        return {each.resource_id: each.patient_id for each in found if each is not None}

    def without_notes(self, patient_ids: Iterable[str], scope: AccessScope) -> list[str] | None:
        """Of these patients those who have no note that `scope` admits, in order; None where notes cannot be
        looked at now."""
        asked = sorted(set(patient_ids))
        if not asked:
            return []
        of_these = frozenset(asked) if scope.patient_ids is None else scope.patient_ids.intersection(asked)
        narrowed = AccessScope(scope.domains, of_these)
        try:
            with self.answering() as answering:
                known = set(answering.store.values("patient_id", narrowed, limit=len(asked)))
        except ChartwellError as error:
            LOGGER.warning("patients of a group cannot be looked up", extra={"code": error.code})
            return None
        return [each for each in asked if each not in known]

    def close(self) -> None:
        """Take no further question; models close with the last answer in progress."""
        self._stop.set()
        with self._lock:
            opened, self._answering = self._answering, None
        if opened is not None:
            opened.close()
