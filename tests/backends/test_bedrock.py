"""Bedrock through real botocore: on loopback where bytes matter, with its Stubber where parameters and codes do."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pytest
from botocore import exceptions as aws
from botocore.config import Config
from botocore.response import StreamingBody
from botocore.stub import Stubber

from pipeline import errors
from pipeline.backends.bedrock import (
    CODES,
    BedrockEmbedder,
    BedrockGenerator,
    BedrockImageEmbedder,
    bedrock_client,
    translate,
)
from pipeline.backends.http.errors import Server
from pipeline.config import (
    BedrockSettings,
    EmbedderSettings,
    GeneratorSettings,
    ImageEmbedderSettings,
    TransportSettings,
)
from pipeline.ports import Embedder, Generator, ImageEmbedder
from pipeline.records import Prompt
from tests.contracts.embedder import EmbedderContract
from tests.contracts.image_embedder import ImageEmbedderContract
from tests.images import jpeg, png, rings
from tests.servers.bedrock import BedrockServer
from tests.servers.clock import ManualClock

NOTE = "Mrs Zanzibar, MRN 00817263, has gout in the left knee."
PROMPT = Prompt(
    "", (), "Be exact.", f"Passages:\n\n[1] (a)\n{NOTE}\n\nQuestion: Where is the gout?\n\nAnswer", "test"
)
SERVER = Server("embedder", "https://bedrock-runtime.us-east-1.amazonaws.com", "EMBEDDER", "amazon.titan")


@pytest.fixture
def bedrock() -> Iterator[BedrockServer]:
    with BedrockServer() as server:
        yield server


def client_to(url: str | None = None, **options: Any) -> Any:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=5, **options)
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config,
    )


def embedder_of(
    client: Any, clock: ManualClock | None = None, attempts_max: int = 6, **settings: Any
) -> BedrockEmbedder:
    return BedrockEmbedder(
        EmbedderSettings(provider="bedrock", **settings),
        BedrockSettings(),
        TransportSettings(in_flight_max=4, attempts_max=attempts_max),
        make_client=lambda: client,
        clock=clock or ManualClock(),
    )


def images_of(
    client: Any, clock: ManualClock | None = None, attempts_max: int = 6, **settings: Any
) -> BedrockImageEmbedder:
    return BedrockImageEmbedder(
        ImageEmbedderSettings(provider="bedrock", **settings),
        BedrockSettings(),
        TransportSettings(in_flight_max=4, attempts_max=attempts_max),
        make_client=lambda: client,
        clock=clock or ManualClock(),
    )


def generator_of(client: Any, clock: ManualClock | None = None, **given: Any) -> BedrockGenerator:
    return BedrockGenerator(
        GeneratorSettings(provider="bedrock", **given),
        BedrockSettings(),
        TransportSettings(),
        make_client=lambda: client,
        clock=clock or ManualClock(),
    )


class TestTitan(EmbedderContract):
    @pytest.fixture
    def embedder(self, bedrock: BedrockServer) -> Iterator[Embedder]:
        client = client_to(bedrock.url)
        yield embedder_of(client)
        client.close()


def test_what_titan_is_asked(bedrock: BedrockServer) -> None:
    vectors = embedder_of(client_to(bedrock.url), dimension=256).embed([NOTE], "query")
    assert vectors.shape == (1, 256)
    assert bedrock.requests == [
        (
            "/model/amazon.titan-embed-text-v2:0/invoke",
            {"inputText": NOTE, "dimensions": 256, "normalize": True},
        )
    ]
    with pytest.raises(errors.SettingsInvalid, match="256, 512 or 1024"):
        embedder_of(client_to(bedrock.url), dimension=768)


def test_many_texts_keep_their_order(bedrock: BedrockServer) -> None:
    embedder = embedder_of(client_to(bedrock.url))
    texts = [f"text number {number}" for number in range(30)]
    vectors = embedder.embed(texts, "passage")
    np.testing.assert_allclose(vectors[17], embedder.embed([texts[17]], "passage")[0], atol=1e-6)
    assert len(bedrock.requests) == 31


def test_a_wrong_width_is_an_error(bedrock: BedrockServer) -> None:
    bedrock.narrow = True
    with pytest.raises(errors.ResponseInvalid, match="8 dimensions instead of 1024"):
        embedder_of(client_to(bedrock.url)).embed(["gout"], "query")


def test_throttling_is_waited_out_in_our_one_place(bedrock: BedrockServer) -> None:
    bedrock.refusals = [(429, "ThrottlingException", "Too many requests")] * 2
    clock = ManualClock()
    embedder_of(client_to(bedrock.url), clock).embed(["gout"], "query")
    assert len(bedrock.requests) == 3
    assert len(clock.waits) == 2
    assert min(clock.waits) >= 10


class TestTitanImages(ImageEmbedderContract):
    @pytest.fixture
    def images(self, bedrock: BedrockServer) -> Iterator[ImageEmbedder]:
        client = client_to(bedrock.url)
        yield images_of(client)
        client.close()


def test_what_titan_is_asked_of_an_image(bedrock: BedrockServer) -> None:
    film = png(rings(60, 50))
    embedder = images_of(client_to(bedrock.url), dimension=384)
    assert embedder.embed_images([film]).shape == (1, 384)
    assert embedder.embed_texts(["pleural effusion"]).shape == (1, 384)
    config = {"outputEmbeddingLength": 384}
    path = "/model/amazon.titan-embed-image-v1/invoke"
    assert bedrock.requests == [
        (path, {"inputImage": base64.b64encode(film).decode(), "embeddingConfig": config}),
        (path, {"inputText": "pleural effusion", "embeddingConfig": config}),
    ]


@pytest.mark.parametrize("dimension", [512, 768, 2048])
def test_a_width_that_titan_does_not_give_is_refused_before_any_call(
    bedrock: BedrockServer, dimension: int
) -> None:
    """512 is a width of its text model, and 400 here."""
    with pytest.raises(errors.SettingsInvalid, match="256, 384 or 1024"):
        images_of(client_to(bedrock.url), dimension=dimension)


def test_many_images_keep_their_order_through_throttling(bedrock: BedrockServer) -> None:
    bedrock.throttled_every = 3
    clock = ManualClock()
    files = [png(rings(30, 30 + number)) for number in range(12)]
    vectors = images_of(client_to(bedrock.url), clock, attempts_max=20).embed_images(files)
    bedrock.throttled_every = 0
    one_by_one = [images_of(client_to(bedrock.url)).embed_images([file])[0] for file in files]
    np.testing.assert_allclose(vectors, one_by_one, atol=1e-6)
    assert clock.waits


def test_images_beyond_the_documented_limits_do_not_leave(bedrock: BedrockServer) -> None:
    embedder = images_of(client_to(bedrock.url))
    assert embedder.embed_images([jpeg(rings(2048, 64))]).shape == (1, 1024)
    with pytest.raises(errors.RequestInvalid, match="2,049 pixels long"):
        embedder.embed_images([jpeg(rings(2049, 64))])
    with pytest.raises(errors.RequestInvalid, match="19,660,800 at most"):
        embedder.embed_images([jpeg(rings(64, 64)) + bytes(20_000_000)])
    assert len(bedrock.requests) == 1


def test_what_only_the_server_sees_is_its_error(bedrock: BedrockServer) -> None:
    embedder = images_of(client_to(bedrock.url))
    with pytest.raises(errors.RequestInvalid, match="Unable to process provided image"):
        embedder.embed_images([png(rings(90, 90))[:80]])
    with pytest.raises(errors.RequestInvalid, match="Too many input tokens"):
        embedder.embed_texts(["? " * 400])
    bedrock.message = "The image could not be processed."
    with pytest.raises(errors.RequestInvalid, match='It says: "The image could not be processed'):
        embedder.embed_images([png(rings(90, 90))])
    bedrock.message = None
    bedrock.narrow = True
    with pytest.raises(errors.ResponseInvalid, match="8 dimensions instead of 1024"):
        embedder.embed_images([png(rings(90, 90))])


def test_an_answer_in_pieces(bedrock: BedrockServer) -> None:
    pieces = list(generator_of(client_to(bedrock.url)).stream(PROMPT))
    assert "".join(piece.text for piece in pieces) == f'"{NOTE}" [1]'
    assert pieces[-1].finish_reason == "stop"
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.prompt_tokens == 7
    path, asked = bedrock.requests[0]
    assert path == "/model/amazon.nova-lite-v1:0/converse-stream"
    assert asked["system"] == [{"text": "Be exact."}]
    assert asked["inferenceConfig"] == {"maxTokens": 512, "temperature": 0.0}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("throttlingException", errors.RateLimited),
        ("internalServerException", errors.Overloaded),
        ("serviceUnavailableException", errors.Overloaded),
        ("modelStreamErrorException", errors.ResponseInvalid),
        ("validationException", errors.RequestInvalid),
    ],
)
def test_an_error_inside_the_stream(bedrock: BedrockServer, code: str, kind: type[Exception]) -> None:
    bedrock.stream_error = code
    got = []
    with pytest.raises(kind):
        got.extend(generator_of(client_to(bedrock.url)).stream(PROMPT))
    assert len(bedrock.requests) == 1


def test_a_stream_that_is_cut(bedrock: BedrockServer) -> None:
    bedrock.cut = True
    with pytest.raises(errors.ConnectionBroken):
        list(generator_of(client_to(bedrock.url)).stream(PROMPT))


def test_a_stream_that_does_not_begin_is_tried_again(bedrock: BedrockServer) -> None:
    bedrock.refusals = [(503, "ServiceUnavailableException", "busy")]
    assert list(generator_of(client_to(bedrock.url)).stream(PROMPT))
    assert len(bedrock.requests) == 2


def test_closing_an_answer_early(bedrock: BedrockServer) -> None:
    generator = generator_of(client_to(bedrock.url))
    pieces = generator.stream(PROMPT)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert generator._caller.limiter.in_flight == 0


def test_checks(bedrock: BedrockServer) -> None:
    embedder: Embedder = embedder_of(client_to(bedrock.url))
    generator: Generator = generator_of(client_to(bedrock.url))
    embedder.check()
    generator.check()
    bedrock.refusals = [(403, "AccessDeniedException", "You don't have access to the model.")] * 2
    for checked in (embedder, generator):
        with pytest.raises(errors.AuthenticationFailed, match="bedrock:InvokeModel"):
            checked.check()


# --- codes and exceptions ---


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_one_error_without_the_note(code: str) -> None:
    client = client_to()
    with Stubber(client) as stub:
        stub.add_client_error("invoke_model", code, f"input was: {NOTE}", 400)
        with pytest.raises(CODES[code][0]) as caught:
            embedder_of(client, attempts_max=1).embed([NOTE], "passage")
    assert "zanzibar" not in str(caught.value).lower()
    assert code in str(caught.value)


def test_every_documented_error_of_the_calls_has_its_place() -> None:
    model = client_to().meta.service_model
    for operation in ("InvokeModel", "ConverseStream"):
        for shape in model.operation_model(operation).error_shapes:
            assert shape.name in CODES
    for name, member in model.shape_for("ConverseStreamOutput").members.items():
        if member.metadata.get("exception"):
            assert name[0].upper() + name[1:] in CODES


def test_an_unknown_code_is_still_ours() -> None:
    error = translate(SERVER, aws.ClientError({"Error": {"Code": "NewException"}}, "InvokeModel"), {})
    assert type(error) is errors.ProviderError


def test_a_model_at_the_end_of_its_life() -> None:
    answer = {
        "Error": {
            "Code": "ResourceNotFoundException",
            "Message": "This model version has reached the end of its life.",
        }
    }
    assert type(translate(SERVER, aws.ClientError(answer, "InvokeModel"), {})) is errors.ModelGone


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from subclasses(inner)


def test_no_exception_of_botocore_stays_foreign() -> None:
    kinds = set(subclasses(aws.BotoCoreError))
    assert len(kinds) > 80
    for kind in kinds:
        assert isinstance(translate(SERVER, kind.__new__(kind), {}), errors.ProviderError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aws.NoCredentialsError(), errors.AuthenticationFailed),
        (aws.EndpointConnectionError(endpoint_url="x"), errors.ConnectionBroken),
        (aws.ConnectTimeoutError(endpoint_url="x"), errors.ProviderTimeout),
        (aws.ReadTimeoutError(endpoint_url="x"), errors.ProviderTimeout),
        (aws.ConnectionClosedError(endpoint_url="x"), errors.ConnectionBroken),
        (aws.ParamValidationError(report="x"), errors.RequestInvalid),
        (aws.NoRegionError(), errors.RequestInvalid),
    ],
)
def test_which_place(error: Exception, kind: type[Exception]) -> None:
    assert type(translate(SERVER, error, {})) is kind


def test_a_profile_that_does_not_exist_is_said_at_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    embedder = BedrockEmbedder(EmbedderSettings(provider="bedrock"), BedrockSettings(), TransportSettings())
    with pytest.raises(errors.AuthenticationFailed, match="no AWS credentials"):
        embedder.check()


def test_nobody_there() -> None:
    with BedrockServer() as gone:
        url = gone.url
    with pytest.raises(errors.ConnectionBroken):
        embedder_of(client_to(url)).check()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"embedding": "x"}', b'{"embedding": [1, "x"]}'])
def test_an_answer_that_is_no_vector(body: bytes) -> None:
    client = client_to()
    with Stubber(client) as stub:
        answer = {"body": StreamingBody(io.BytesIO(body), len(body)), "contentType": "application/json"}
        stub.add_response(
            "invoke_model",
            answer,
            {
                "modelId": "amazon.titan-embed-text-v2:0",
                "body": json.dumps({"inputText": "ready", "dimensions": 1024, "normalize": True}),
                "contentType": "application/json",
                "accept": "application/json",
            },
        )
        with pytest.raises(errors.ResponseInvalid):
            embedder_of(client).check()


def test_the_client_does_not_retry_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client = bedrock_client(
        BedrockSettings(region="eu-west-1"), TransportSettings(read_seconds=7, in_flight_max=9)
    )
    config = client.meta.config
    assert config.retries["total_max_attempts"] == 1
    assert (config.read_timeout, config.max_pool_connections) == (7, 9)
    assert client.meta.region_name == "eu-west-1"


@pytest.mark.parametrize("reason", ["content_filtered", "guardrail_intervened", "tool_use", "max_tokens"])
def test_how_it_ended_is_told(bedrock: BedrockServer, reason: str) -> None:
    bedrock.stop_reason = reason
    *_, last = generator_of(client_to(bedrock.url)).stream(PROMPT)
    assert last.finish_reason == ("length" if reason == "max_tokens" else reason)


def test_a_thought_is_told_apart_and_its_text_ends_here(bedrock: BedrockServer) -> None:
    bedrock.deltas = [{"reasoningContent": {"text": "300 mg?"}}, {"reasoningContent": {"signature": "x"}}]
    first, second, *rest = generator_of(client_to(bedrock.url)).stream(PROMPT)
    assert [(piece.kind, piece.text) for piece in (first, second)] == [("thought", "")] * 2
    assert "".join(piece.text for piece in rest) == f'"{NOTE}" [1]'


def test_its_options_can_be_set(bedrock: BedrockServer) -> None:
    list(
        generator_of(
            client_to(bedrock.url), send_temperature=False, merge_system=True, extra_body={"reasoning": False}
        ).stream(PROMPT)
    )
    _, asked = bedrock.requests[0]
    assert asked["inferenceConfig"] == {"maxTokens": 512}
    assert "system" not in asked
    assert asked["messages"][0]["content"] == [{"text": "Be exact."}, {"text": PROMPT.user}]
    assert asked["additionalModelRequestFields"] == {"reasoning": False}


DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/chartwell-host-role/i-0123456789abcdef0 is not authorized to "
    "perform: bedrock:InvokeModelWithResponseStream on resource: arn:aws:bedrock:us-east-1::foundation-model/anthropic."
    "claude-3-haiku-20240307-v1:0 because no identity-based policy allows the "
    "bedrock:InvokeModelWithResponseStream action"
)
ON_DEMAND = (
    "Invocation of model ID amazon.nova-lite-v1:0 with on-demand throughput isn\u2019t supported. Retry your request "
    "with the ID or ARN of an inference profile that contains this model."
)


def test_its_own_words_are_kept_where_they_help(bedrock: BedrockServer) -> None:
    """field case F9"""
    bedrock.refusals = [(403, "AccessDeniedException", DENIED), (400, "ValidationException", ON_DEMAND)]
    with pytest.raises(errors.AuthenticationFailed) as denied:
        list(generator_of(client_to(bedrock.url)).stream(PROMPT))
    assert DENIED in denied.value.what
    assert "service control policies" in denied.value.remedy
    with pytest.raises(errors.RequestInvalid) as profile:
        list(generator_of(client_to(bedrock.url)).stream(PROMPT))
    assert "on-demand throughput isn\u2019t supported" in profile.value.what
    assert "us.amazon.nova-lite-v1:0 or eu.amazon.nova-lite-v1:0" in profile.value.remedy
