"""Amazon Bedrock: Titan embeddings of texts and of images by InvokeModel, answers of Nova and others by ConverseStream.

Decides what goes into Bedrock's requests and which of our errors each of botocore's is. botocore's own retries are
off: trying again happens in one place, `transport.RetryPolicy`, behind the same limiter as every other server.
Credentials come from wherever AWS credentials come from; on an instance that is its role.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import Any, TypeVar

import boto3
import numpy as np
import urllib3
from botocore import exceptions as aws
from botocore.config import Config

from pipeline.backends.http.chat_request import thinks
from pipeline.backends.http.concurrency import SYSTEM_CLOCK, Clock, Slot, map_bounded
from pipeline.backends.http.encoded_image import read_header, refuse_many_words, require_size
from pipeline.backends.http.errors import Server, quotable_detail, timed_out, unreadable
from pipeline.backends.http.openai_protocol import checked_vectors, floor_of, never_empty
from pipeline.backends.http.transport import RetryPolicy, concurrency_limiter
from pipeline.backends.local.token_counts import EstimatedTokens
from pipeline.backends.local.wordpiece import WordPiece
from pipeline.config import (
    BedrockSettings,
    EmbedderSettings,
    GeneratorSettings,
    ImageEmbedderSettings,
    TransportSettings,
)
from pipeline.errors import (
    AuthenticationFailed,
    ConnectionBroken,
    ModelGone,
    ModelNotFound,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    RequestInvalid,
    ResponseInvalid,
    SettingsInvalid,
)
from pipeline.records import (
    DraftPiece,
    EmbeddingSpace,
    GeneratorModel,
    PieceKind,
    Prompt,
    TextKind,
    Usage,
    Vector,
)

Result = TypeVar("Result")
Input = TypeVar("Input")

EMBEDDER_DEFAULT = "amazon.titan-embed-text-v2:0"
IMAGE_EMBEDDER_DEFAULT = "amazon.titan-embed-image-v1"
GENERATOR_DEFAULT = "amazon.nova-lite-v1:0"
TITAN_DIMENSIONS = (256, 512, 1024)
TITAN_TOKENS_MAX = 8192
TITAN_SIMILARITY_FLOOR = 0.20
"""An assumption until calibrated on the notes at hand."""
# Limits of Titan Multimodal Embeddings G1 are those of its page in the Bedrock user guide.
TITAN_IMAGE_DIMENSIONS = (256, 384, 1024)
TITAN_IMAGE_TOKENS_MAX = 256
TITAN_IMAGE_SIDE_MAX = 2048
TITAN_IMAGE_BYTES_MAX = 25 * 1024**2 * 3 // 4
"""25 MB, taken as the length of the request: base64 makes four bytes of three."""
TITAN_IMAGE_SIDE = 512
"""What it scales to inside is not published; more makes requests larger and, as far as is known, nothing better."""

FINISH_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}
"""Bedrock's words for what everyone else calls differently; any other reason is passed on as it is."""
PIECES: dict[str, PieceKind] = {"reasoningContent": "thought", "toolUse": "tool_call"}
"""What may stand in a delta instead of text."""


def bedrock_client(bedrock: BedrockSettings, transport: TransportSettings) -> Any:
    """boto3's client of bedrock-runtime with our timeouts, and without retries of its own."""
    config = Config(
        region_name=bedrock.region,
        connect_timeout=transport.connect_seconds,
        read_timeout=transport.read_seconds,
        max_pool_connections=transport.in_flight_max,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    return boto3.Session().client("bedrock-runtime", config=config)


def _server(role: str, group: str, model: str, bedrock: BedrockSettings) -> Server:
    return Server(role, f"https://bedrock-runtime.{bedrock.region}.amazonaws.com", group, model)


class _Caller:
    """Calls of one model: through the limiter, with our patience, in our errors."""

    def __init__(
        self,
        server: Server,
        make_client: Callable[[], Any],
        transport: TransportSettings,
        start: int,
        clock: Clock,
    ) -> None:
        self.server = server
        self.limiter = concurrency_limiter(transport, start, clock)
        self._patience = RetryPolicy(transport, self.limiter, clock)
        self._make_client = make_client
        self._client: Any = None
        self._lock = threading.Lock()

    @property
    def client(self) -> Any:
        """boto3's client, made at the first call: already finding credentials may ask the network, and fail."""
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client

    def call(
        self, function: Callable[[], Result], weight: float, request: object, attempts_max: int | None = None
    ) -> Result:
        def attempt(again: bool) -> Result:
            with self.limiter.slot(weight, first=again) as slot, self.translated(slot, request):
                answer = function()
                slot.completed()
                return answer

        return self._patience.run(attempt, attempts_max)

    def invoke(
        self, model: str, request: Mapping[str, Any], weight: float, attempts_max: int | None = None
    ) -> dict[str, Any]:
        """The answer of InvokeModel, a JSON object. Raises ResponseInvalid where it is none."""

        def invoke() -> bytes:
            answer = self.client.invoke_model(
                modelId=model,
                body=json.dumps(request),
                contentType="application/json",
                accept="application/json",
            )
            with closing(answer["body"]) as body:
                return bytes(body.read())

        try:
            found = json.loads(self.call(invoke, weight, request, attempts_max))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise unreadable(self.server, "no JSON object")
        return found

    def opened(
        self, function: Callable[[], Result], request: object, attempts_max: int | None = None
    ) -> tuple[ExitStack, Slot, Result]:
        """As `call`, for an answer that is still to be read: the place is held until the stack is closed."""

        def attempt(again: bool) -> tuple[ExitStack, Slot, Result]:
            with ExitStack() as stack:
                slot = stack.enter_context(self.limiter.slot(first=again))
                with self.translated(slot, request):
                    answer = function()
                return stack.pop_all(), slot, answer

        return self._patience.run(attempt, attempts_max)

    @contextmanager
    def translated(self, slot: Slot, request: object) -> Iterator[None]:
        """The one place where exceptions of botocore, and of what lies below it, become ours."""
        try:
            yield
        except (aws.ClientError, aws.BotoCoreError, urllib3.exceptions.HTTPError) as error:
            translated = translate(self.server, error, request)
            if isinstance(translated, RateLimited | Overloaded | ProviderTimeout):
                slot.refused()
            raise translated from None


class _TitanEmbedder:
    """What both of Titan's embedders are: one input a request, several requests at the same time."""

    def __init__(self, space: EmbeddingSpace, caller: _Caller) -> None:
        self._space = space
        self._caller = caller

    @property
    def space(self) -> EmbeddingSpace:
        return self._space

    @property
    def calls_at_once(self) -> int:
        """The most that can be in flight; the limiter lets through what the server stands."""
        return self._caller.limiter.in_flight_max

    def stop(self) -> None:
        """End what waits between attempts or for its turn, with Overloaded; requests on the wire end by themselves."""
        self._caller.limiter.stop()

    def _embed_each(self, embed: Callable[[Input], Vector], inputs: Sequence[Input]) -> Vector:
        """The vectors of all inputs, shape (inputs, dimension)."""
        if len(inputs) == 1:
            return embed(inputs[0])
        vectors = list(map_bounded(embed, inputs, self._caller.limiter))
        return np.concatenate([np.empty((0, self._space.dimension), dtype=np.float32), *vectors])


def _require_dimension(space: EmbeddingSpace, group: str, dimensions: tuple[int, int, int]) -> None:
    """Raises SettingsInvalid for a width that the model does not have."""
    if space.dimension not in dimensions:
        first, second, widest = dimensions
        raise SettingsInvalid(
            f"CHARTWELL_{group}__DIMENSION is {space.dimension}; {space.model} gives {first}, {second} or {widest}.",
            remedy=f"Choose one of the three, or 0 for {widest}.",
        )


class BedrockEmbedder(_TitanEmbedder):
    """Titan Text Embeddings V2: one text a request, no difference between query and passage."""

    def __init__(
        self,
        settings: EmbedderSettings,
        bedrock: BedrockSettings,
        transport: TransportSettings,
        *,
        make_client: Callable[[], Any] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._counter = EstimatedTokens(WordPiece())
        space = EmbeddingSpace(
            provider="bedrock",
            model=settings.model or EMBEDDER_DEFAULT,
            dimension=settings.dimension or TITAN_DIMENSIONS[-1],
            tokens_max=settings.tokens_max or TITAN_TOKENS_MAX,
            similarity_floor=floor_of(settings, TITAN_SIMILARITY_FLOOR),
        )
        _require_dimension(space, "EMBEDDER", TITAN_DIMENSIONS)
        server = _server("embedder", "EMBEDDER", space.model, bedrock)
        super().__init__(
            space,
            _Caller(server, make_client or partial(bedrock_client, bedrock, transport), transport, 1, clock),
        )

    @property
    def texts_at_once(self) -> int:
        return 1

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """An upper estimate (`EstimatedTokens`): Titan's tokenizer is not published."""
        return self._counter.count(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        """As the port says; several requests at the same time."""
        return self._embed_each(self._embed_one, texts)

    def check(self) -> None:
        """A real embedding of one word, once."""
        self._embed_one("ready", attempts_max=1)

    def _embed_one(self, text: str, attempts_max: int | None = None) -> Vector:
        request = {"inputText": never_empty(text), "dimensions": self._space.dimension, "normalize": True}
        answer = self._caller.invoke(self._space.model, request, 1.0 + len(text), attempts_max)
        return _vector(answer, self._space.dimension, self._caller.server)


def _vector(answer: Mapping[str, Any], dimension: int, server: Server) -> Vector:
    """Titan's vector at unit length, shape (1, dimension). Raises ResponseInvalid for any other."""
    try:
        vector = np.asarray(answer["embedding"], dtype=np.float32)
    except (ValueError, TypeError, KeyError):
        raise unreadable(server, "no list of numbers under `embedding`") from None
    if vector.shape != (dimension,):
        raise unreadable(server, f"a vector of {vector.size} dimensions instead of {dimension}")
    return checked_vectors(vector[np.newaxis], server)


class BedrockImageEmbedder(_TitanEmbedder):
    """Titan Multimodal Embeddings G1: images and English texts in one space, one of them a request.

    A request with both would give the mean of the two vectors: that is never asked for.
    """

    def __init__(
        self,
        settings: ImageEmbedderSettings,
        bedrock: BedrockSettings,
        transport: TransportSettings,
        *,
        make_client: Callable[[], Any] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Raises SettingsInvalid for a width that the model does not have. Opens no connection."""
        space = EmbeddingSpace(
            provider="bedrock",
            model=settings.model or IMAGE_EMBEDDER_DEFAULT,
            dimension=settings.dimension or TITAN_IMAGE_DIMENSIONS[-1],
            tokens_max=TITAN_IMAGE_TOKENS_MAX,
            similarity_floor=TITAN_SIMILARITY_FLOOR,
        )
        _require_dimension(space, "IMAGE_EMBEDDER", TITAN_IMAGE_DIMENSIONS)
        server = _server("image embedder", "IMAGE_EMBEDDER", space.model, bedrock)
        super().__init__(
            space,
            _Caller(server, make_client or partial(bedrock_client, bedrock, transport), transport, 1, clock),
        )

    @property
    def reads_texts(self) -> bool:
        return True

    @property
    def image_side(self) -> int:
        return TITAN_IMAGE_SIDE

    @property
    def images_at_once(self) -> int:
        return 1

    def embed_images(self, images: Sequence[bytes]) -> Vector:
        """As the port says; several requests at the same time."""
        inputs = [self._image_input(image, number) for number, image in enumerate(images, start=1)]
        return self._embed_each(self._embed_one, inputs)

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        """As the port says; several requests at the same time."""
        for number, text in enumerate(texts, start=1):
            refuse_many_words(text, number, self._space)
        return self._embed_each(self._embed_one, [("inputText", never_empty(text)) for text in texts])

    def check(self) -> None:
        """A real embedding of one word, once."""
        self._embed_one(("inputText", "ready"), attempts_max=1)

    def _image_input(self, content: bytes, number: int) -> tuple[str, str]:
        image = read_header(content, number)
        require_size(
            image,
            number,
            self._space.model,
            side_max=TITAN_IMAGE_SIDE_MAX,
            bytes_max=TITAN_IMAGE_BYTES_MAX,
        )
        return "inputImage", image.base64

    def _embed_one(self, given: tuple[str, str], attempts_max: int | None = None) -> Vector:
        field, value = given
        request = {field: value, "embeddingConfig": {"outputEmbeddingLength": self._space.dimension}}
        answer = self._caller.invoke(self._space.model, request, 1.0 + len(value), attempts_max)
        self._refuse_message(answer, request)
        return _vector(answer, self._space.dimension, self._caller.server)

    def _refuse_message(self, answer: Mapping[str, Any], request: object) -> None:
        """Titan tells of its own errors in a field of an answer that is otherwise a success."""
        if not answer.get("message"):
            return
        said = quotable_detail(json.dumps({"message": answer["message"]}).encode(), request)
        raise RequestInvalid(
            f"{self._caller.server.name} could not embed it." + (f' It says: "{said}".' if said else ""),
            remedy=f"Check that the image opens, and has {TITAN_IMAGE_SIDE_MAX:,} pixels at most on each side.",
        )


class BedrockGenerator:
    """A chat model on Bedrock, by ConverseStream."""

    def __init__(
        self,
        settings: GeneratorSettings,
        bedrock: BedrockSettings,
        transport: TransportSettings,
        *,
        make_client: Callable[[], Any] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._settings = settings
        self._name = settings.model or GENERATOR_DEFAULT
        self._model = GeneratorModel("bedrock", self._name, thinks=thinks(self._name, settings))
        server = _server("generator", "GENERATOR", self._name, bedrock)
        self._caller = _Caller(
            server, make_client or partial(bedrock_client, bedrock, transport), transport, 4, clock
        )

    @property
    def model(self) -> GeneratorModel:
        return self._model

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        """As the port says. Tried again only while nothing of the answer has come."""
        return self._stream(prompt, self._settings.tokens_max)

    def check(self) -> None:
        """A real answer of a few tokens, once."""
        for _ in self._stream(Prompt("", (), "", "Say: ready", "check"), tokens_max=4, attempts_max=1):
            pass

    def _stream(
        self, prompt: Prompt, tokens_max: int, attempts_max: int | None = None
    ) -> Generator[DraftPiece]:
        settings = self._settings
        merged = [prompt.system, prompt.user] if settings.merge_system else [prompt.user]
        request: dict[str, Any] = {
            "modelId": self._name,
            "messages": [{"role": "user", "content": [{"text": text} for text in merged if text]}],
            "inferenceConfig": {"maxTokens": tokens_max},
        }
        if settings.send_temperature:
            request["inferenceConfig"]["temperature"] = settings.temperature
        if prompt.system and not settings.merge_system:
            request["system"] = [{"text": prompt.system}]
        if settings.extra_body:
            request["additionalModelRequestFields"] = settings.extra_body
        stack, slot, answer = self._caller.opened(
            lambda: self._caller.client.converse_stream(**request), request, attempts_max
        )
        with stack, closing(answer["stream"]) as events:
            yield from self._pieces(events, slot, request)
            slot.completed()

    def _pieces(self, events: Any, slot: Slot, request: object) -> Iterator[DraftPiece]:
        usage, finish_reason = None, None
        waiting = iter(events)
        while True:
            with self._caller.translated(slot, request):
                event = next(waiting, None)
            if event is None:
                break
            yield from _pieces_of(event.get("contentBlockDelta", {}).get("delta", {}))
            if "toolUse" in event.get("contentBlockStart", {}).get("start", {}):
                yield DraftPiece(kind="tool_call")
            if reason := event.get("messageStop", {}).get("stopReason"):
                finish_reason = FINISH_REASONS.get(reason, reason)
            if used := event.get("metadata", {}).get("usage"):
                usage = Usage(used.get("inputTokens", 0), used.get("outputTokens", 0))
        if finish_reason is None:
            raise _broken(self._caller.server)
        yield DraftPiece(usage=usage, finish_reason=finish_reason)


def _pieces_of(delta: Mapping[str, Any]) -> Iterator[DraftPiece]:
    if text := delta.get("text"):
        yield DraftPiece(text=text)
    for name, kind in PIECES.items():
        if name in delta:
            yield DraftPiece(kind=kind)


def translate(server: Server, error: Exception, request: object) -> ProviderError:
    """The error for an exception of botocore. Bedrock's answers go by their code, the rest by their class."""
    if isinstance(error, aws.ClientError):
        return _answered(server, error, request)
    for kind in type(error).__mro__:
        if kind in EXCEPTIONS:
            return EXCEPTIONS[kind](server)
    return ProviderError(
        f"{server.name} could not be called: botocore raised {type(error).__name__}.",
        remedy="Check the AWS settings of this machine (region, credentials, proxy).",
    )


def _answered(server: Server, error: Any, request: object) -> ProviderError:
    answer: Mapping[str, Any] = error.response.get("Error", {})
    code = str(answer.get("Code", ""))
    said = quotable_detail(json.dumps({"message": answer.get("Message", "")}).encode(), request)
    what = f"{server.name} answered {code}." + (f' It says: "{said}".' if said else "")
    ended = "end of its life" in str(answer.get("Message", "")).lower()
    # Inside a stream the same codes open with a small letter.
    kind, remedy = CODES.get(code[:1].upper() + code[1:], UNKNOWN_CODE)
    if ended:
        kind, remedy = ModelGone, f"Choose another model in {server.variable('MODEL')}."
    if "on-demand throughput" in str(answer.get("Message", "")):
        remedy = _PROFILE.format(model="{model}", name=server.model)
    return kind(what, remedy=remedy.format(model=server.variable("MODEL")))


_ACCESS = (
    "Check its credentials, and allow this role bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream, here "
    "and in the organisation's service control policies. Some models ask for more in the Bedrock console: a form on "
    "the use case (Anthropic), or a payment method that AWS Marketplace takes."
)
_PROFILE = (
    "This model answers by an inference profile only: set {model} to it, for example us.{name} or eu.{name} after "
    "your region."
)
_BUSY = "Chartwell slows down and tries again by itself; a higher quota is asked for in Service Quotas."
_REQUEST = (
    "Check that {model} names a model, or an inference profile of your region (us., eu.), that can do this."
)
UNKNOWN_CODE: tuple[type[ProviderError], str] = (ProviderError, "Look the code up in Bedrock's reference.")
CODES: dict[str, tuple[type[ProviderError], str]] = {
    "ThrottlingException": (RateLimited, _BUSY),
    "TooManyRequestsException": (RateLimited, _BUSY),
    "ServiceQuotaExceededException": (RateLimited, _BUSY),
    "ServiceUnavailableException": (Overloaded, _BUSY),
    "InternalServerException": (Overloaded, _BUSY),
    "ModelNotReadyException": (Overloaded, _BUSY),
    "ModelTimeoutException": (ProviderTimeout, _BUSY),
    "ModelErrorException": (ResponseInvalid, "The model failed on this request; choose another in {model}."),
    "ModelStreamErrorException": (
        ResponseInvalid,
        "The model failed on this request; choose another in {model}.",
    ),
    "ValidationException": (RequestInvalid, _REQUEST),
    "ConflictException": (RequestInvalid, _REQUEST),
    "ResourceNotFoundException": (ModelNotFound, _REQUEST),
    "AccessDeniedException": (AuthenticationFailed, _ACCESS),
    "UnrecognizedClientException": (AuthenticationFailed, _ACCESS),
    "InvalidSignatureException": (AuthenticationFailed, _ACCESS),
    "ExpiredTokenException": (AuthenticationFailed, _ACCESS),
    "IncompleteSignatureException": (AuthenticationFailed, _ACCESS),
    "MissingAuthenticationTokenException": (AuthenticationFailed, _ACCESS),
}


def _broken(server: Server) -> ProviderError:
    return ConnectionBroken(
        f"The connection to {server.name} was refused or cut.",
        remedy="Check the route to Bedrock: the region in CHARTWELL_BEDROCK__REGION, a VPC endpoint, the proxy.",
    )


def _no_credentials(server: Server) -> ProviderError:
    return AuthenticationFailed(f"There are no AWS credentials for {server.name}.", remedy=_ACCESS)


def _bad_request(server: Server) -> ProviderError:
    return RequestInvalid(
        f"botocore refused the request for {server.name}.",
        remedy="Check CHARTWELL_BEDROCK__REGION and the model's name.",
    )


EXCEPTIONS: dict[type[BaseException], Callable[[Server], ProviderError]] = {
    aws.ConnectTimeoutError: timed_out,
    aws.ReadTimeoutError: timed_out,
    aws.HTTPClientError: _broken,
    aws.ConnectionError: _broken,
    aws.IncompleteReadError: _broken,
    urllib3.exceptions.TimeoutError: timed_out,
    urllib3.exceptions.HTTPError: _broken,
    aws.NoCredentialsError: _no_credentials,
    aws.PartialCredentialsError: _no_credentials,
    aws.CredentialRetrievalError: _no_credentials,
    aws.TokenRetrievalError: _no_credentials,
    aws.NoAuthTokenError: _no_credentials,
    aws.SSOError: _no_credentials,
    aws.ProfileNotFound: _no_credentials,
    aws.MetadataRetrievalError: _no_credentials,
    aws.ParamValidationError: _bad_request,
    aws.BaseEndpointResolverError: _bad_request,
    aws.EndpointProviderError: _bad_request,
    aws.ValidationError: _bad_request,
}
