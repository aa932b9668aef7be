"""What a chat server is asked for: options by setting, options that a server refuses, and who is known to think."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline import errors
from pipeline.backends.http.chat_request import thinks
from pipeline.backends.openai_compatible import OpenAIGenerator
from pipeline.config import GeneratorSettings, TransportSettings, load_settings
from pipeline.records import DraftPiece, Prompt
from tests.servers.clock import ManualClock
from tests.servers.nim import NimServer
from tests.servers.nim_models import CHAT
from tests.servers.raw import HEAD, STREAM, RawServer, frame, said

PROMPT = Prompt("Which dose?", (), "Be exact.", "Passages:\n\n[1] Anna takes allopurinol.", "test")
STOP = frame({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})


@pytest.fixture(scope="module")
def raw() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def fresh(raw: RawServer) -> None:
    raw.requests.clear()
    raw.answer = HEAD % STREAM + f"{said('100 mg')}{STOP}".encode()


def stream(url: str, model: str = "m", **given: Any) -> list[DraftPiece]:
    wanted = GeneratorSettings(provider="openai", url=url, model=model, **given)
    return list(OpenAIGenerator(wanted, TransportSettings(), clock=ManualClock()).stream(PROMPT))


def test_what_is_sent_by_default(raw: RawServer) -> None:
    stream(raw.url)
    assert raw.requests == [
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be exact."},
                {"role": "user", "content": PROMPT.user},
            ],
            "max_tokens": 512,
            "temperature": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


def test_every_option_can_be_set(raw: RawServer) -> None:
    """field case F10"""
    stream(
        raw.url,
        tokens_field="max_completion_tokens",
        send_temperature=False,
        send_stream_options=False,
        merge_system=True,
        reasoning_effort="low",
        extra_body={"chat_template_kwargs": {"enable_thinking": False}},
    )
    assert raw.requests == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": f"Be exact.\n\n{PROMPT.user}"}],
            "max_completion_tokens": 512,
            "stream": True,
            "reasoning_effort": "low",
            "chat_template_kwargs": {"enable_thinking": False},
        }
    ]


def test_the_environment_gives_further_fields_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_GENERATOR__EXTRA_BODY", '{"top_k": 5, "think": false}')
    assert load_settings(None).generator.extra_body == {"top_k": 5, "think": False}
    monkeypatch.setenv("CHARTWELL_GENERATOR__EXTRA_BODY", '{"messages": [], "stream": false}')
    with pytest.raises(errors.SettingsInvalid, match="may not change messages, stream"):
        load_settings(None)


@pytest.mark.parametrize(
    ("refused", "setting"),
    [
        (("max_tokens",), "CHARTWELL_GENERATOR__TOKENS_FIELD=max_completion_tokens"),
        (("temperature",), "CHARTWELL_GENERATOR__SEND_TEMPERATURE=false"),
        (("stream_options",), "CHARTWELL_GENERATOR__SEND_STREAM_OPTIONS=false"),
        (("max_tokens", "temperature", "stream_options"), "CHARTWELL_GENERATOR__SEND_TEMPERATURE=false"),
    ],
)
def test_an_option_that_a_server_does_not_take_is_left_out_and_that_is_said(
    refused: tuple[str, ...], setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As OpenAI's newer models refuse them. The next question does not run into it again."""
    with NimServer() as nim:
        nim.faults.unsupported = refused
        wanted = GeneratorSettings(provider="openai", url=nim.url, model=CHAT)
        generator = OpenAIGenerator(wanted, TransportSettings(), clock=ManualClock())
        with caplog.at_level(logging.WARNING):
            assert list(generator.stream(PROMPT))[-1].finish_reason == "stop"
        assert setting in {getattr(record, "setting", "") for record in caplog.records}
        assert nim.calls == {"/v1/chat/completions 400": len(refused), "/v1/chat/completions 200": 1}
        nim.calls.clear()
        list(generator.stream(PROMPT))
        assert nim.calls == {"/v1/chat/completions 200": 1}


@pytest.mark.parametrize(
    "said_",
    [
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
        "System role not supported",
        "Conversation roles must alternate user/assistant/user/assistant/... (system)",
    ],
)
def test_the_words_of_other_servers_are_understood(said_: str) -> None:
    options = OpenAIGenerator(
        GeneratorSettings(provider="openai", url="http://127.0.0.1:9/v1", model="m"), TransportSettings()
    )._options
    adapted = options.without_what_is_refused(errors.RequestInvalid(f'It says: "{said_}"', remedy=""))
    assert adapted is not None
    assert adapted.options != options
    assert adapted.options.without_what_is_refused(errors.RequestInvalid(said_, remedy="")) is None


def test_another_refusal_stays_a_refusal(raw: RawServer) -> None:
    body = b'{"error": {"message": "The prompt is too long.", "type": "invalid_request_error"}}'
    raw.answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with pytest.raises(errors.RequestInvalid, match="too long"):
        stream(raw.url)
    assert len(raw.requests) == 1


NEVER = [
    "meta/llama-3.1-8b-instruct",
    "meta-llama/Llama-3.3-70B-Instruct",
    "llama3.1:8b",
    "us.meta.llama3-1-8b-instruct-v1:0",
    "amazon.nova-lite-v1:0",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "Qwen/Qwen2.5-7B-Instruct-AWQ",
    "gpt-4o-mini",
    "google/gemma-3-27b-it",
    "SmolLM2-135M-Instruct.Q4_1",
]
MAYBE = [
    "some-model",
    "nvidia/llama-3.1-unknown-8b",
    "Qwen/Qwen3-8B",
    "gpt-5",
    "my-llama-3.1-8b-instruct-tuned",
    "DeepHermes-3-Llama-3-8B",
]
ALWAYS = [
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
    "Qwen/QwQ-32B",
    "mistralai/Magistral-Small-2506",
    "openai/gpt-oss-20b",
    "Qwen/Qwen3-30B-A3B-Thinking-2507",
    "nvidia/nemotron-3-nano-30b",
    "nvidia/llama-3.1-nemotron-nano-8b-v1",
    "microsoft/Phi-4-reasoning",
]


@pytest.mark.parametrize(
    ("name", "known"),
    [*((n, "never") for n in NEVER), *((n, "maybe") for n in MAYBE), *((n, "always") for n in ALWAYS)],
)
def test_who_is_known_to_think(name: str, known: str) -> None:
    assert thinks(name, GeneratorSettings()) == known
    assert thinks(name, GeneratorSettings(thinking="always")) == "always"
