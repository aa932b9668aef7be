"""What NIM, vLLM, OpenAI and most others share: the answers of /embeddings, and all of /chat/completions.

Turns JSON into checked records. Which fields a vendor adds or refuses is the business of that vendor's file; when to
send, retry or give up is `transport`'s.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import Any

import numpy as np

from pipeline.backends.http.chat_events import read_event
from pipeline.backends.http.chat_request import ChatOptions, chat_request, thinks
from pipeline.backends.http.concurrency import ConcurrencyLimiter
from pipeline.backends.http.errors import Server, unreadable
from pipeline.backends.http.transport import Transport
from pipeline.config import EmbedderSettings, GeneratorSettings
from pipeline.errors import ConnectionBroken, ProviderError, RequestInvalid
from pipeline.logs import LOGGER
from pipeline.records import DraftPiece, GeneratorModel, Prompt, Vector, unit_length


def read_vectors(answer: Mapping[str, Any], count: int, dimension: int, server: Server) -> Vector:
    """The vectors of an embeddings answer in the order of the request, unit length, shape (count, dimension).

    Servers may answer out of order: `index` decides. Raises ResponseInvalid where a vector is missing, doubled, of
    another width, zero, or not finite.
    """
    entries = answer.get("data")
    if not isinstance(entries, list) or len(entries) != count:
        got = len(entries) if isinstance(entries, list) else "no"
        raise unreadable(server, f"{got} vectors for {count} inputs")
    vectors = np.full((count, dimension), np.nan, dtype=np.float32)
    filled = set()
    for entry in entries:
        index = entry.get("index") if isinstance(entry, Mapping) else None
        if not isinstance(index, int) or not 0 <= index < count or index in filled:
            raise unreadable(server, "vectors whose index is missing, repeated or out of range")
        vector = _numbers(entry.get("embedding"), server)
        if vector.shape != (dimension,):
            raise unreadable(
                server,
                f"vectors of {vector.size} dimensions, and this space has {dimension} "
                f"({server.variable('DIMENSION')})",
            )
        vectors[index] = vector
        filled.add(index)
    return checked_vectors(vectors, server)


def checked_vectors(vectors: Vector, server: Server) -> Vector:
    """The same rows at unit length. Raises ResponseInvalid where one is zero or not finite."""
    if not np.isfinite(vectors).all():
        raise unreadable(server, "a vector with values that are not finite")
    if not vectors.any(axis=1).all():
        raise unreadable(server, "a vector of zeros, which has no direction")
    return unit_length(vectors)


def _numbers(embedding: object, server: Server) -> Vector:
    try:
        if isinstance(
            embedding, str
        ):  # base64 of little-endian float32: a third of the size, a tenth of the parsing
            return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
        return np.asarray(embedding, dtype=np.float32)
    except (ValueError, TypeError, binascii.Error):
        raise unreadable(server, "a vector that is no list of numbers") from None


CHECK_TOKENS = 16
"""Models that think refuse a request for fewer than they need to begin."""


class ChatGenerator:
    """Answers by chat completions, streamed. A vendor's file adds its name and its default model."""

    def __init__(self, provider: str, model: str, settings: GeneratorSettings, transport: Transport) -> None:
        self._model = GeneratorModel(provider, model, thinks=thinks(model, settings))
        self._settings = settings
        self._transport = transport
        self._options = ChatOptions.of(settings)

    @property
    def model(self) -> GeneratorModel:
        return self._model

    @property
    def limiter(self) -> ConcurrencyLimiter:
        """The limiter in front of this server."""
        return self._transport.limiter

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        """As the port says. Raises ConnectionBroken where the stream is cut, and the server's own error where it
        arrives inside the stream; tried again only while nothing of the answer has come."""
        return self._stream(prompt, self._settings.tokens_max)

    def check(self) -> None:
        """A real answer of a few tokens, tried once: a check tells how things are now."""
        for _ in self._stream(
            Prompt("", (), "", "Say: ready", "check"), tokens_max=CHECK_TOKENS, attempts_max=1
        ):
            pass

    def _stream(
        self, prompt: Prompt, tokens_max: int, attempts_max: int | None = None
    ) -> Iterator[DraftPiece]:
        try:
            events, first = self._opened(prompt, tokens_max, attempts_max)
        except RequestInvalid as error:
            if not error.filtered:
                raise
            yield DraftPiece(finish_reason="content_filter")
            return
        with closing(events):
            yield from draft_pieces(chain(first, events), self._transport.server)

    def _opened(
        self, prompt: Prompt, tokens_max: int, attempts_max: int | None
    ) -> tuple[Generator[dict[str, Any]], list[dict[str, Any]]]:
        """The events of an answer that has begun, and the first of them. A server that knows one of our options by
        another name, or not at all, is asked again without it, and from then on: each time that is said in the log,
        with the setting that makes it unnecessary."""
        options = self._options
        while True:
            request = chat_request(self._model.model, prompt, tokens_max, self._settings, options)
            events = self._transport.stream("/chat/completions", request, attempts_max=attempts_max)
            try:
                return events, list(islice(events, 1))
            except RequestInvalid as error:
                adapted = None if error.filtered else options.without_what_is_refused(error)
                if adapted is None:
                    raise
                LOGGER.warning(
                    "the language model's server does not take an option; asking without it",
                    extra={"setting": adapted.setting, "model": self._model.model},
                )
                options = self._options = adapted.options


def draft_pieces(events: Iterator[Mapping[str, Any]], server: Server) -> Iterator[DraftPiece]:
    """Pieces as they come; the last piece has no text but the usage and the reason for ending.

    Usage arrives in an event of its own with no choices, or alongside the last choice, or, from servers that do not
    know `include_usage`, never. Once a reason for ending has come the answer is whole, whatever becomes of the stream.
    Raises ConnectionBroken where none ever came.
    """
    usage, finish_reason = None, None
    try:
        for event in events:
            found = read_event(event)
            if found.usage or found.finish_reason:
                usage = found.usage or usage
                finish_reason = finish_reason or found.finish_reason  # a proxy may say another at the end
            yield from found.pieces
    except ProviderError as error:
        if isinstance(error, RequestInvalid) and error.filtered:
            finish_reason = finish_reason or "content_filter"
        if finish_reason is None:
            raise
    if finish_reason is None:
        raise ConnectionBroken(
            f"{server.name} ended its stream before the answer was whole.",
            remedy="Ask again; if this stays, look at the server's own log.",
        )
    yield DraftPiece(usage=usage, finish_reason=finish_reason)


def never_empty(text: str) -> str:
    """These servers refuse a blank text with 400, and with it the whole batch; a full stop says as little."""
    return text if text.strip() else "."


def longest(counts: Sequence[int]) -> str:
    """Token figures for a message, never the text."""
    return f"{len(counts)} texts, the longest of {max(counts, default=0)} tokens by our count"


def floor_of(settings: EmbedderSettings, known: float) -> float:
    """The similarity floor that was set, or what is known of the model."""
    return known if settings.similarity_floor == -1.0 else settings.similarity_floor
