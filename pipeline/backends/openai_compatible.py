"""Any server that speaks OpenAI's embeddings and chat completions: vLLM, llama.cpp, Ollama, LiteLLM, OpenAI itself.

Decides what such servers have in common: no `input_type` (models that want a prefix get it here, where we know it),
no token limit that can be asked for, decimal vectors. Sending, retrying and the wire format are elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.backends.http.concurrency import SYSTEM_CLOCK, Clock, batches_of, map_bounded
from pipeline.backends.http.errors import Server
from pipeline.backends.http.openai_protocol import ChatGenerator, floor_of, longest, never_empty, read_vectors
from pipeline.backends.http.transport import Transport
from pipeline.backends.http.vision_chat import ChatVisionModel, ReadDraft
from pipeline.backends.local.token_counts import EstimatedTokens
from pipeline.backends.local.wordpiece import WordPiece
from pipeline.config import EmbedderSettings, GeneratorSettings, TransportSettings, VisionSettings
from pipeline.errors import RequestInvalid, SettingsInvalid
from pipeline.records import EmbeddingSpace, TextKind, Vector

CHECK_ATTEMPTS = 1
GENERATOR_IN_FLIGHT_START = 4


@dataclass(frozen=True, slots=True)
class OpenAiEmbeddingModel:
    """What is known of an embedding model. The floors are assumptions until calibrated on the notes at hand."""

    dimension: int
    tokens_max: int
    similarity_floor: float = 0.30
    query_prefix: str = ""
    passage_prefix: str = ""
    narrower: bool = False
    """True where the model may be asked for fewer dimensions."""


TEXT_MODELS = {
    "text-embedding-3-small": OpenAiEmbeddingModel(1536, 8191, narrower=True),
    "text-embedding-3-large": OpenAiEmbeddingModel(3072, 8191, narrower=True),
    "nomic-embed-text": OpenAiEmbeddingModel(768, 2048, 0.50, "search_query: ", "search_document: "),
    "bge-m3": OpenAiEmbeddingModel(1024, 8192, 0.40),
    "intfloat/e5-large-v2": OpenAiEmbeddingModel(1024, 512, 0.70, "query: ", "passage: "),
}
"""From the models' cards; any other model works with width and limit set."""


def _server(role: str, group: str, url: str, model: str) -> Server:
    missing = [name for name, value in (("URL", url), ("MODEL", model)) if not value]
    if missing:
        variables = " and ".join(f"CHARTWELL_{group}__{name}" for name in missing)
        raise SettingsInvalid(
            f"CHARTWELL_{group}__PROVIDER is openai, and {variables} is not set.",
            remedy="Name the server, for example http://127.0.0.1:8000/v1, and the model it serves. Notes go nowhere "
            "by default.",
        )
    return Server(role, url, group, model)


class OpenAIEmbedder:
    """Text embedding by an OpenAI-compatible server."""

    def __init__(
        self, settings: EmbedderSettings, transport: TransportSettings, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Raises SettingsInvalid where URL or model is missing, or a width is impossible. Opens no connection."""
        self._settings = settings
        self._transport = Transport(
            _server("embedder", "EMBEDDER", settings.url, settings.model),
            transport,
            api_key=settings.api_key.get_secret_value(),
            clock=clock,
        )
        self._model = _text_model(settings)
        self._counter = EstimatedTokens(WordPiece())
        self._space = EmbeddingSpace(
            provider="openai",
            model=settings.model,
            dimension=settings.dimension or self._model.dimension,
            query_prefix=self._model.query_prefix,
            passage_prefix=self._model.passage_prefix,
            tokens_max=settings.tokens_max or self._model.tokens_max,
            similarity_floor=floor_of(settings, self._model.similarity_floor),
        )

    @property
    def space(self) -> EmbeddingSpace:
        return self._space

    @property
    def texts_at_once(self) -> int:
        return self._settings.batch_size

    @property
    def calls_at_once(self) -> int:
        """The most that can be in flight; the limiter lets through what the server stands."""
        return self._transport.limiter.in_flight_max

    def stop(self) -> None:
        """End what waits between attempts or for its turn, with Overloaded; requests on the wire end by themselves."""
        self._transport.stop()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """An upper estimate (`EstimatedTokens`): these servers do not say which tokenizer they run."""
        return self._counter.count(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        """As the port says. Too long is what the server finds too long: our count is an estimate."""
        prefix = self._space.query_prefix if kind == "query" else self._space.passage_prefix
        batches = batches_of([prefix + never_empty(text) for text in texts], self._settings.batch_size)
        if len(batches) == 1:
            return self._embed_batch(batches[0])
        found = list(map_bounded(self._embed_batch, batches, self._transport.limiter))
        return np.concatenate([np.empty((0, self._space.dimension), dtype=np.float32), *found])

    def check(self) -> None:
        """A real embedding of one word, once."""
        self._embed_batch(("ready",), CHECK_ATTEMPTS)

    def _embed_batch(self, batch: tuple[str, ...], attempts_max: int | None = None) -> Vector:
        request: dict[str, Any] = {
            "model": self._space.model,
            "input": list(batch),
            "encoding_format": "float",  # base64 is smaller, but not every compatible server knows it
        }
        if self._model.narrower and self._space.dimension != self._model.dimension:
            request["dimensions"] = self._space.dimension
        weight = float(sum(len(text) for text in batch) + len(batch))
        try:
            answer = self._transport.post("/embeddings", request, weight=weight, attempts_max=attempts_max)
        except RequestInvalid as error:
            error.what += f" The request held {longest(self.count_tokens(batch))}."
            raise
        return read_vectors(answer, len(batch), self._space.dimension, self._transport.server)


def _text_model(settings: EmbedderSettings) -> OpenAiEmbeddingModel:
    known = TEXT_MODELS.get(settings.model)
    if known is not None and (settings.dimension in (0, known.dimension) or known.narrower):
        return known
    if known is not None:
        raise SettingsInvalid(
            f"CHARTWELL_EMBEDDER__DIMENSION is {settings.dimension}, and {settings.model} gives {known.dimension}.",
            remedy="Leave it at 0.",
        )
    if not settings.dimension or not settings.tokens_max:
        raise SettingsInvalid(
            f"Width and limit of the embedding model {settings.model} are not known here.",
            remedy="Set CHARTWELL_EMBEDDER__DIMENSION and CHARTWELL_EMBEDDER__TOKENS_MAX from the model's card.",
        )
    return OpenAiEmbeddingModel(settings.dimension, settings.tokens_max, 0.0)


class OpenAIGenerator(ChatGenerator):
    """A language model behind an OpenAI-compatible server."""

    def __init__(
        self, settings: GeneratorSettings, transport: TransportSettings, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Raises SettingsInvalid where URL or model is missing. Opens no connection."""
        client = Transport(
            _server("generator", "GENERATOR", settings.url, settings.model),
            transport,
            api_key=settings.api_key.get_secret_value(),
            in_flight_start=GENERATOR_IN_FLIGHT_START,
            clock=clock,
        )
        super().__init__("openai", settings.model, settings, client)


def vision_model(settings: VisionSettings, transport: TransportSettings, read: ReadDraft) -> ChatVisionModel:
    """A vision-language model behind such a server. Raises SettingsInvalid where URL or model is missing."""
    server = _server("vision model", "VISION", settings.url, settings.model)
    return ChatVisionModel(server, "openai", settings, transport, read)
