"""NVIDIA NIM: text and image embedding, ranking, and answers, self-hosted or hosted by NVIDIA.

Decides what goes into a request of these servers and checks what comes out. When to send, retry or give up is
`transport`'s business; the wire format that NIM shares with others is `openai_protocol`'s. Paths and limits are those
of the NIM reference (docs.nvidia.com/nim: text embedding 1.x and 2.x, text reranking 1.x, NV-CLIP 2.0, LLM 2.x).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from pipeline.backends.http.concurrency import (
    SYSTEM_CLOCK,
    Clock,
    ConcurrencyLimiter,
    batches_of,
    map_bounded,
)
from pipeline.backends.http.encoded_image import read_header, refuse_many_words, require_size
from pipeline.backends.http.errors import Server, unreadable
from pipeline.backends.http.openai_protocol import ChatGenerator, floor_of, longest, never_empty, read_vectors
from pipeline.backends.http.transport import Transport
from pipeline.backends.http.vision_chat import ChatVisionModel, ReadDraft
from pipeline.backends.local.token_counts import EstimatedTokens, TokenCounter
from pipeline.backends.local.wordpiece import WordPiece
from pipeline.config import (
    EmbedderSettings,
    GeneratorSettings,
    ImageEmbedderSettings,
    RankerSettings,
    TransportSettings,
    VisionSettings,
)
from pipeline.errors import ModelNotFound, Overloaded, RequestInvalid, SettingsInvalid
from pipeline.ports import ServerHealth
from pipeline.records import EmbeddingSpace, TextKind, Vector

EMBEDDER_DEFAULT = "nvidia/nv-embedqa-e5-v5"
GENERATOR_DEFAULT = "meta/llama-3.1-8b-instruct"
RANKER_DEFAULT = "nvidia/llama-3.2-nv-rerankqa-1b-v2"
IMAGE_EMBEDDER_DEFAULT = "nvidia/nvclip"
VISION_DEFAULT = "meta/llama-3.2-11b-vision-instruct"

HOSTED_RANKING_HOST = "ai.api.nvidia.com"
RANKING_BATCH_SIZE = 32
IMAGE_BATCH_SIZE = 16
"""NV-CLIP's real limits per request are not documented: what is sent stays small, and is halved where it is refused."""
IMAGE_REQUEST_CHARACTERS_MAX = 4 * 1024**2
IMAGE_BYTES_MAX = 2 * 1024**2
IMAGE_SIDE = 448
"""Twice what its ViT-H/14 sees, so that the shorter side of a long image still has what it crops to."""
IMAGE_SIDE_MAX = 518
"""The most that a working client was seen to send."""
IMAGE_TEXT_TOKENS_MAX = 77
"""CLIP's context, special tokens included."""
GENERATOR_IN_FLIGHT_START = 8
"""Where an 8B model on one card stops gaining much (A100 sweep); the limiter goes on from there by itself."""
CHECK_ATTEMPTS = 1
"""A check tells how things are now: it does not wait for them to become better."""


@dataclass(frozen=True, slots=True)
class NimEmbeddingModel:
    """What is known of an embedding model."""

    dimension: int
    tokens_max: int
    """Special tokens included."""
    similarity_floor: float
    """An assumption until calibrated on the notes at hand (`python -m pipeline.evaluate`)."""
    reserved_tokens: int
    """Special tokens and the prefix that the server puts before a text for its `input_type`."""
    wordpiece: bool = False
    """True where BERT's WordPiece is the model's own tokenizer, so that counts are exact."""
    narrower: bool = False
    """True where the model may be asked for fewer dimensions."""


TEXT_MODELS = {
    # 335 M parameters. [CLS], [SEP], and "passage" ":" before the text: e5's own convention, four tokens in all.
    "nvidia/nv-embedqa-e5-v5": NimEmbeddingModel(1024, 512, 0.30, reserved_tokens=4, wordpiece=True),
    # Successor of e5-v5 among the hosted models; its token limit is taken from its predecessor of the same size.
    "nvidia/nemotron-3-embed-1b": NimEmbeddingModel(2048, 8192, 0.20, reserved_tokens=16),
    "nvidia/llama-3.2-nv-embedqa-1b-v2": NimEmbeddingModel(
        2048, 8192, 0.20, reserved_tokens=16, narrower=True
    ),
    # The same model under the name that its containers have now.
    "nvidia/llama-nemotron-embed-1b-v2": NimEmbeddingModel(
        2048, 8192, 0.20, reserved_tokens=16, narrower=True
    ),
}
SUCCESSORS = {
    "nvidia/nv-embedqa-e5-v5": "nvidia/nemotron-3-embed-1b (2048 dimensions)",
    "nvidia/llama-3.2-nv-embedqa-1b-v2": "nvidia/nemotron-3-embed-1b (2048 dimensions)",
    "nvidia/llama-nemotron-embed-1b-v2": "nvidia/nemotron-3-embed-1b (2048 dimensions)",
    "nvidia/llama-3.2-nv-rerankqa-1b-v2": "nvidia/llama-nemotron-rerank-vl-1b-v2",
}


def server_of(role: str, group: str, url: str, model: str) -> Server:
    """A NIM by its settings. Raises SettingsInvalid without a URL: notes go nowhere by default."""
    if not url:
        raise SettingsInvalid(
            f"CHARTWELL_{group}__PROVIDER is nim, and no server is named.",
            remedy=f"Set CHARTWELL_{group}__URL to your NIM, for example http://127.0.0.1:8001/v1; NVIDIA's hosted "
            "models are at https://integrate.api.nvidia.com/v1, and what you ask leaves your account there.",
        )
    return Server(role, url, group, model, SUCCESSORS.get(model, ""))


class NimEmbedder:
    """A text embedding NIM. Vectors are brought to unit length here: the server does not promise it."""

    def __init__(
        self, settings: EmbedderSettings, transport: TransportSettings, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Raises SettingsInvalid without a URL, and for a width that the model does not have. Opens no connection."""
        name = settings.model or EMBEDDER_DEFAULT
        self._settings = settings
        self._model = _text_model(name, settings)
        self._transport = Transport(
            server_of("embedder", "EMBEDDER", settings.url, name),
            transport,
            api_key=settings.api_key.get_secret_value(),
            clock=clock,
        )
        wordpiece = WordPiece()
        self._counter: TokenCounter = wordpiece if self._model.wordpiece else EstimatedTokens(wordpiece)
        self._space = EmbeddingSpace(
            provider="nim",
            model=name,
            dimension=settings.dimension or self._model.dimension,
            input_types=True,
            tokens_max=settings.tokens_max or self._model.tokens_max,
            similarity_floor=floor_of(settings, self._model.similarity_floor),
        )

    @property
    def space(self) -> EmbeddingSpace:
        return self._space

    @property
    def limiter(self) -> ConcurrencyLimiter:
        """The limiter in front of this server, for callers that run several `embed` concurrently (`map_bounded`)."""
        return self._transport.limiter

    @property
    def texts_at_once(self) -> int:
        return self._settings.batch_size

    @property
    def calls_at_once(self) -> int:
        """The most that can be in flight; the limiter lets through what the server stands."""
        return self._transport.limiter.in_flight_max

    @property
    def reserved_tokens(self) -> int:
        """See ports.Reserving."""
        return self._model.reserved_tokens

    def stop(self) -> None:
        """End what waits between attempts or for its turn, with Overloaded; requests on the wire end by themselves."""
        self._transport.stop()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Exact for e5-v5 (WordPiece), an upper estimate for every other model (`EstimatedTokens`)."""
        return self._counter.count(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        """As the port says; several requests concurrently where there are more texts than a batch."""
        counts = self.count_tokens(texts)
        self._refuse_long(counts)
        batches = list(_batches(texts, counts, self._settings.batch_size))

        def embed_batch(batch: _TextBatch) -> Vector:
            return self._embed_batch(batch, kind)

        if not batches:
            return np.empty((0, self._space.dimension), dtype=np.float32)
        if len(batches) == 1:
            return embed_batch(batches[0])
        return np.concatenate(list(map_bounded(embed_batch, batches, self._transport.limiter)))

    def check(self) -> None:
        """A real embedding of one word, once: neither the model list nor readiness proves that a model answers."""
        self._embed_batch(_TextBatch(("ready",), (1,)), "query", CHECK_ATTEMPTS)

    def _refuse_long(self, counts: Sequence[int]) -> None:
        limit = self._space.tokens_max - self.reserved_tokens
        worst = max(counts, default=0)
        if self._model.wordpiece and worst > limit:
            raise RequestInvalid(
                f"Text number {counts.index(worst) + 1} of {len(counts)} has {worst} tokens; {self._space.model} reads "
                f"{limit} besides its own {self.reserved_tokens}.",
                remedy="Lower CHARTWELL_INDEXING__CHUNK_TOKENS_MAX; nothing is cut in silence.",
            )

    def _embed_batch(self, batch: _TextBatch, kind: TextKind, attempts_max: int | None = None) -> Vector:
        try:
            answer = self._transport.post(
                "/embeddings", self._request(batch, kind), weight=batch.weight, attempts_max=attempts_max
            )
        except RequestInvalid as error:
            error.what += f" The request held {longest(batch.counts)}; the limit is {self._space.tokens_max}."
            raise
        return read_vectors(answer, len(batch.texts), self._space.dimension, self._transport.server)

    def _request(self, batch: _TextBatch, kind: TextKind) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._space.model,
            "input": [never_empty(text) for text in batch.texts],
            "input_type": kind,
            "truncate": "NONE",
            "encoding_format": "base64",
        }
        if self._model.narrower and self._space.dimension != self._model.dimension:
            request["dimensions"] = self._space.dimension  # e5 answers 400 to the mere presence of this field
        return request


@dataclass(frozen=True, slots=True)
class _TextBatch:
    texts: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def weight(self) -> float:
        """Work of the request, for the limiter: its tokens, and one a text, so that empty texts weigh something."""
        return float(sum(self.counts) + len(self.texts))


def _batches(texts: Sequence[str], counts: Sequence[int], size: int) -> Iterator[_TextBatch]:
    for some, their_counts in zip(batches_of(texts, size), batches_of(counts, size), strict=True):
        yield _TextBatch(some, their_counts)


def _text_model(name: str, settings: EmbedderSettings) -> NimEmbeddingModel:
    known = TEXT_MODELS.get(name)
    if known is None:
        if not settings.dimension or not settings.tokens_max:
            raise SettingsInvalid(
                f"Width and limit of the embedding model {name} are not known here.",
                remedy="Set CHARTWELL_EMBEDDER__DIMENSION and CHARTWELL_EMBEDDER__TOKENS_MAX from the model's card, or "
                f"choose one of {', '.join(TEXT_MODELS)}.",
            )
        return NimEmbeddingModel(settings.dimension, settings.tokens_max, 0.0, reserved_tokens=16)
    wanted = settings.dimension or known.dimension
    if wanted != known.dimension and not (known.narrower and wanted < known.dimension):
        raise SettingsInvalid(
            f"CHARTWELL_EMBEDDER__DIMENSION is {wanted}, and {name} gives {known.dimension} dimensions.",
            remedy="Leave it at 0.",
        )
    return known


class NimGenerator(ChatGenerator):
    """A language model NIM."""

    def __init__(
        self, settings: GeneratorSettings, transport: TransportSettings, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Raises SettingsInvalid without a URL. Opens no connection."""
        name = settings.model or GENERATOR_DEFAULT
        client = Transport(
            server_of("generator", "GENERATOR", settings.url, name),
            transport,
            api_key=settings.api_key.get_secret_value(),
            in_flight_start=GENERATOR_IN_FLIGHT_START,
            clock=clock,
        )
        super().__init__("nim", name, settings, client)

    def health(self) -> ServerHealth:
        """As the port says. NVIDIA's hosted models have no readiness of their own: there the list is all that is."""
        try:
            self._transport.get("/health/ready")
        except Overloaded:
            return ServerHealth(ready=False, models=())
        except ModelNotFound:
            pass  # no such path: a hosted model
        return ServerHealth(ready=True, models=listed_models(self._transport))


def listed_models(transport: Transport) -> tuple[str, ...]:
    """Ids at /models, which may hold models that have long ended. Raises ResponseInvalid where that is no list."""
    try:
        listed = json.loads(transport.get("/models"))["data"]
        return tuple(str(entry["id"]) for entry in listed)
    except (ValueError, KeyError, TypeError):
        raise unreadable(transport.server, "its list of models is none") from None


class NimRanker:
    """A reranking NIM. Each passage is scored against the question by itself, so scores of several requests of one
    call compare."""

    def __init__(self, transport: Transport, model: str = RANKER_DEFAULT) -> None:
        self._transport = transport
        self._model = model
        self._path = ranking_path(transport.server.url, model)

    def rank(self, question: str, passages: Sequence[str]) -> list[float]:
        """Logits, unbounded, one a passage. A passage longer than the model reads raises RequestInvalid."""

        def rank_batch(batch: tuple[str, ...]) -> list[float]:
            return self._rank_batch(question, batch)

        batches = batches_of(passages, RANKING_BATCH_SIZE)
        if len(batches) == 1:
            return rank_batch(batches[0])
        return [
            score for scores in map_bounded(rank_batch, batches, self._transport.limiter) for score in scores
        ]

    def check(self) -> None:
        """A real ranking of one word, once."""
        self._rank_batch("ready", ("ready",), CHECK_ATTEMPTS)

    def _rank_batch(
        self, question: str, batch: tuple[str, ...], attempts_max: int | None = None
    ) -> list[float]:
        request = {
            "model": self._model,
            "query": {"text": question},
            "passages": [{"text": passage} for passage in batch],
            "truncate": "NONE",
        }
        answer = self._transport.post(self._path, request, weight=len(batch), attempts_max=attempts_max)
        return self._scores(answer, len(batch))

    def _scores(self, answer: dict[str, Any], count: int) -> list[float]:
        rankings = answer.get("rankings")
        entries = rankings if isinstance(rankings, list) else []
        scores = dict(filter(None, map(_score, entries)))
        if len(entries) != count or sorted(scores) != list(range(count)):
            raise unreadable(self._transport.server, f"{len(scores)} usable scores for {count} passages")
        return [scores[index] for index in range(count)]


def _score(entry: object) -> tuple[int, float] | None:
    """The place of a passage in the request and its score; None for what is neither."""
    if not isinstance(entry, dict):
        return None
    index, logit = entry.get("index"), entry.get("logit")
    if type(index) is not int or not isinstance(logit, int | float) or isinstance(logit, bool):
        return None
    try:
        return (index, float(logit)) if math.isfinite(logit) else None
    except OverflowError:  # JSON holds whole numbers of any length
        return None


def ranker(settings: RankerSettings, transport: TransportSettings) -> NimRanker:
    """A reranking NIM by its settings. Raises SettingsInvalid without a URL. Opens no connection."""
    name = settings.model or RANKER_DEFAULT
    server = server_of("ranker", "RANKER", settings.url, name)
    return NimRanker(Transport(server, transport, api_key=settings.api_key.get_secret_value()), name)


def ranking_path(url: str, model: str) -> str:
    """Path under the base URL: a NIM of one's own ranks at /ranking, NVIDIA's host has a path for each model."""
    if urlsplit(url).hostname != HOSTED_RANKING_HOST:
        return "/ranking"
    name = model.rpartition("/")[2]
    if name.startswith("nv-rerank-qa-mistral"):
        return "/retrieval/nvidia/reranking"
    return f"/retrieval/nvidia/{name.replace('.', '_')}/reranking"


class NimImageEmbedder:
    """NV-CLIP: images and texts in one space of 1024 dimensions.

    What a request may hold is not documented. So it holds few images and few bytes, and where the server refuses it,
    its halves are sent: a limit below ours is found, and an image that the server does not read is named.
    """

    def __init__(
        self, transport: Transport, model: str = IMAGE_EMBEDDER_DEFAULT, dimension: int = 1024
    ) -> None:
        self._transport = transport
        self._batch_size = IMAGE_BATCH_SIZE
        self._space = EmbeddingSpace(
            provider="nim",
            model=model,
            dimension=dimension,
            tokens_max=IMAGE_TEXT_TOKENS_MAX,
            similarity_floor=0.20,
        )

    @property
    def space(self) -> EmbeddingSpace:
        return self._space

    @property
    def reads_texts(self) -> bool:
        return True

    @property
    def image_side(self) -> int:
        return IMAGE_SIDE

    @property
    def images_at_once(self) -> int:
        """Fewer once the server has refused a request that its halves were not refused for."""
        return self._batch_size

    @property
    def calls_at_once(self) -> int:
        """The most that can be in flight; the limiter lets through what the server stands."""
        return self._transport.limiter.in_flight_max

    def stop(self) -> None:
        """End what waits between attempts or for its turn, with Overloaded; requests on the wire end by themselves."""
        self._transport.stop()

    def embed_images(self, images: Sequence[bytes]) -> Vector:
        """As the port says. Raises RequestInvalid for bytes that are neither PNG nor JPEG, and for an image of more
        pixels or bytes than NV-CLIP is sent."""
        return self._embed([self._data_url(image, number) for number, image in enumerate(images, start=1)])

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        """As the port says. A text that looks like a data URL is refused: the server would read it as an image."""
        for number, text in enumerate(texts, start=1):
            if text.lstrip().lower().startswith("data:"):
                raise RequestInvalid(
                    f"Text number {number} opens like an image.",
                    remedy="Leave out what stands before the text.",
                )
            refuse_many_words(text, number, self._space)
        return self._embed([never_empty(text) for text in texts])

    def check(self) -> None:
        """A real embedding of one word, once."""
        self._request_vectors(("ready",), CHECK_ATTEMPTS)

    def _data_url(self, content: bytes, number: int) -> str:
        image = read_header(content, number)
        require_size(image, number, self._space.model, side_max=IMAGE_SIDE_MAX, bytes_max=IMAGE_BYTES_MAX)
        return image.data_url

    def _embed(self, inputs: Sequence[str]) -> Vector:
        batches = list(_image_batches(inputs, self._batch_size))
        if len(batches) == 1:
            return self._embed_batch(batches[0])
        found = list(map_bounded(self._embed_batch, batches, self._transport.limiter))
        return np.concatenate([np.empty((0, self._space.dimension), dtype=np.float32), *found])

    def _embed_batch(self, batch: _ImageBatch) -> Vector:
        try:
            return self._request_vectors(batch.inputs)
        except RequestInvalid as error:
            if len(batch.inputs) == 1:
                error.what += f" It was about input number {batch.first + 1} of the call."
                raise
        halves = np.concatenate([self._embed_batch(half) for half in batch.halves()])
        # Both halves are taken: the whole was too large, and so is the next of its size.
        self._batch_size = max(1, min(self._batch_size, len(batch.inputs) // 2))
        return halves

    def _request_vectors(self, inputs: tuple[str, ...], attempts_max: int | None = None) -> Vector:
        request = {"model": self._space.model, "input": list(inputs), "encoding_format": "base64"}
        answer = self._transport.post("/embeddings", request, weight=len(inputs), attempts_max=attempts_max)
        return read_vectors(answer, len(inputs), self._space.dimension, self._transport.server)


@dataclass(frozen=True, slots=True)
class _ImageBatch:
    first: int
    """Place of its first input in the call, from 0."""
    inputs: tuple[str, ...]

    def halves(self) -> tuple[_ImageBatch, _ImageBatch]:
        middle = len(self.inputs) // 2
        return (
            _ImageBatch(self.first, self.inputs[:middle]),
            _ImageBatch(self.first + middle, self.inputs[middle:]),
        )


def _image_batches(inputs: Sequence[str], size: int) -> Iterator[_ImageBatch]:
    """Runs of at most `size` inputs and `IMAGE_REQUEST_CHARACTERS_MAX` characters, one input at least."""
    first, characters = 0, 0
    for place, each in enumerate(inputs):
        full = place - first >= size or characters + len(each) > IMAGE_REQUEST_CHARACTERS_MAX
        if place > first and full:
            yield _ImageBatch(first, tuple(inputs[first:place]))
            first, characters = place, 0
        characters += len(each)
    if first < len(inputs):
        yield _ImageBatch(first, tuple(inputs[first:]))


def image_embedder(settings: ImageEmbedderSettings, transport: TransportSettings) -> NimImageEmbedder:
    """NV-CLIP by its settings. Raises SettingsInvalid without a URL. Opens no connection."""
    name = settings.model or IMAGE_EMBEDDER_DEFAULT
    server = server_of("image embedder", "IMAGE_EMBEDDER", settings.url, name)
    client = Transport(server, transport, api_key=settings.api_key.get_secret_value())
    return NimImageEmbedder(client, name, settings.dimension or 1024)


def vision_model(settings: VisionSettings, transport: TransportSettings, read: ReadDraft) -> ChatVisionModel:
    """A vision-language NIM by its settings. Raises SettingsInvalid without a URL. Opens no connection."""
    server = server_of("vision model", "VISION", settings.url, settings.model or VISION_DEFAULT)
    return ChatVisionModel(server, "nim", settings, transport, read)
