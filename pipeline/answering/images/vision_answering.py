"""Shows next to an answer what a vision model says of its pictures, unchecked and apart.

Decides which pictures it is shown (the one asked with, then cited ones), that it is asked once the answer is whole, so
that nothing of it can be in a prompt or a statement, that it is not told of whom is asked, and that its failure costs
the answer nothing. What of its words may be shown is `picture_words`'; where a stored image's picture comes from is
handed in. Knows no server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from pipeline.answering.questions.patient_meant import without_patients
from pipeline.call_context import cancellation
from pipeline.errors import ChartwellError, ProviderError, RequestInvalid
from pipeline.imaging.deidentification.picture_words import keep_harmless_sentences
from pipeline.locators import ImageRegion
from pipeline.logs import LOGGER
from pipeline.ports import Answerer, Store, VisionModel
from pipeline.records import (
    ASKED_IMAGE,
    AccessScope,
    Answer,
    AnswerEvent,
    Finished,
    NearValue,
    Notice,
    Question,
    SearchResult,
    Seen,
)

PictureOf: TypeAlias = Callable[[str, AccessScope], bytes | None]
"""The prepared, cleaned picture of a stored image that the scope admits; None where it is not there. Raises
UnreadableImage where it is not taken any more."""


@dataclass(frozen=True)
class VisionAnswering:
    """Implements ports.Answerer."""

    inside: Answerer
    model: VisionModel
    store: Store
    films_max: int = 0
    """Cited images that it is shown for one answer."""
    picture_of: PictureOf | None = None
    """None where stored images are not opened: then the model is shown the asked one alone."""
    seconds_max: float = 60.0
    """After that no further picture of one answer is begun: proxies end a request that says nothing for minutes."""

    def search(self, question: Question) -> SearchResult:
        return self.inside.search(question)

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        events = self.inside.stream(question)
        try:
            for event in events:
                yield (
                    Finished(self._with_seen(question, event.answer))
                    if isinstance(event, Finished)
                    else event
                )
        finally:
            cancellation.end_early(events)

    def _with_seen(self, question: Question, answer: Answer) -> Answer:
        pictures = self._pictures(question, answer)
        if not pictures:
            return answer
        started = time.perf_counter()
        seen, notices = self._seen(pictures, without_patients(question, self.store))
        took = time.perf_counter() - started
        seconds = {**answer.seconds, "vision": took, "total": answer.seconds.get("total", 0.0) + took}
        return replace(answer, seen=seen, notices=(*answer.notices, *notices), seconds=seconds)

    def _pictures(self, question: Question, answer: Answer) -> list[_Picture]:
        """None where it is asked back who is meant: it is asked again then."""
        if answer.reason == "which_patient":
            return []
        image = question.image
        asked = [_Picture(ASKED_IMAGE, lambda: image.content)] if image else []
        return asked + self._cited(answer, question.filters.scope)

    def _cited(self, answer: Answer, scope: AccessScope) -> list[_Picture]:
        picture_of = self.picture_of
        if picture_of is None:
            return []
        cited = (each.resource_id for each in answer.citations if isinstance(each.region, ImageRegion))
        ids = list(dict.fromkeys(cited))[: self.films_max]
        return [_Picture(each, partial(picture_of, each, scope)) for each in ids]

    def _seen(
        self, pictures: Sequence[_Picture], question: str
    ) -> tuple[tuple[Seen, ...], tuple[Notice, ...]]:
        seen, notices = [], []
        last = time.perf_counter() + self.seconds_max
        for picture in pictures:
            cancellation.check()
            if time.perf_counter() > last:
                break
            try:
                if said := self._said(picture, question):
                    seen.append(said)
            except ChartwellError as error:
                LOGGER.warning("the vision model said nothing of a picture", extra={"code": error.code})
                notices.append(_not_described(picture, error))
                if isinstance(error, ProviderError) and not isinstance(error, RequestInvalid):
                    break  # its server will not do better with the next picture, and someone waits
        return tuple(seen), tuple(notices)

    def _said(self, picture: _Picture, question: str) -> Seen | None:
        content = picture.content()
        if content is None:
            return None
        text, withheld = keep_harmless_sentences(self.model.describe(content, question))
        model = self.model.model
        return Seen(picture.image_id, text, f"{model.provider}/{model.model}", withheld)


@dataclass(frozen=True, slots=True)
class _Picture:
    image_id: str
    content: Callable[[], bytes | None]


def _not_described(picture: _Picture, error: ChartwellError) -> Notice:
    near = () if picture.image_id == ASKED_IMAGE else (NearValue(picture.image_id, 0),)
    return Notice("picture_not_described", value=error.code, near=near)
