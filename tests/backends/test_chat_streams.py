"""Streamed answers as real servers send them: what is harmless is passed over, what is wrong is one of our errors.

The frames are those of the servers named next to them, sent by a socket of our own: none of these servers can be had
here. The fuzz test changes them in every way; `python -m tests.backends.test_chat_streams 20000` runs more cases.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import errors
from pipeline.backends.http.chat_events import read_event
from pipeline.backends.openai_compatible import OpenAIGenerator
from pipeline.config import GeneratorSettings, TransportSettings
from pipeline.records import DraftPiece, Prompt, Usage
from tests.servers.clock import ManualClock
from tests.servers.raw import HEAD, STREAM, RawServer, frame, said

PROMPT = Prompt("Which dose?", (), "Be exact.", "Passages:\n\n[1] Anna takes allopurinol 100 mg.", "test")


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    raw = RawServer()
    yield raw
    raw.close()


@pytest.fixture(autouse=True)
def fresh(server: RawServer) -> None:
    server.requests.clear()


def generator_of(server: RawServer, clock: ManualClock | None = None, **given_: Any) -> OpenAIGenerator:
    wanted = GeneratorSettings(provider="openai", url=server.url, model=given_.pop("model", "m"), **given_)
    return OpenAIGenerator(wanted, TransportSettings(), clock=clock or ManualClock())


def answered(
    server: RawServer, *frames: str, kind: bytes = STREAM, body: bytes | None = None
) -> list[DraftPiece]:
    server.answer = HEAD % kind + (body if body is not None else "".join(frames).encode())
    return list(generator_of(server).stream(PROMPT))


STOP = frame({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
USAGE = frame({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}})
DONE = frame("[DONE]")

HARMLESS = {
    "a comment": ": ping\n\n",
    "an event of its own": 'event: ping\ndata: {"type": "ping"}\n\n',
    "a ping that is no JSON object": "event: ping\ndata: 17\n\n",
    "nothing": "data:\n\n",
    "null": "data: null\n\n",
    "choices null": frame({"id": "1", "choices": None}),
    "no choices": frame({"id": "1", "usage": None}),
    "a choice that is null": frame({"choices": [None]}),
    "a delta that is null": frame({"choices": [{"delta": None}]}),
    "no delta": frame({"choices": [{"index": 0}]}),
    "another choice": frame({"choices": [{"index": 1, "delta": {"content": "900 mg"}}]}),
    "usage in words": frame({"choices": [], "usage": "n/a"}),
    "usage that is no number": frame(
        {"choices": [], "usage": {"prompt_tokens": "n/a", "completion_tokens": None}}
    ),
    "Azure's filter results": frame({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
    "an error that is none": frame({"error": None, "choices": []}),
    "an id and a retry": "id: 7\nretry: 1000\n\n",
}


def test_the_first_choice_is_read_wherever_it_stands() -> None:
    choices = [
        {"index": 1, "delta": {"content": "Another."}},
        {"index": 0, "delta": {"content": "Gout [1]."}},
    ]
    assert [piece.text for piece in read_event({"choices": choices}).pieces] == ["Gout [1]."]


@pytest.mark.parametrize("where", ["before", "between", "after the end"])
@pytest.mark.parametrize("harmless", HARMLESS.values(), ids=HARMLESS.keys())
def test_harmless_frames_cost_nothing(server: RawServer, harmless: str, where: str) -> None:
    frames = {
        "before": [harmless, said("100 "), said("mg"), STOP, USAGE, DONE],
        "between": [said("100 "), harmless, said("mg"), STOP, USAGE, DONE],
        "after the end": [said("100 "), said("mg"), STOP, USAGE, harmless, DONE],
    }
    *pieces, last = answered(server, *frames[where])
    assert "".join(piece.text for piece in pieces) == "100 mg"
    assert (last.finish_reason, last.usage) == ("stop", Usage(9, 2))
    assert len(server.requests) == 1


WHOLE = {
    "without [DONE]": [said("100 mg"), STOP, USAGE],
    "without usage and [DONE]": [said("100 mg", finish_reason="stop")],
    "cut after the reason": [said("100 mg"), STOP, 'data: {"usa'],
    "an error after the reason": [said("100 mg"), STOP, frame({"error": "worker gone"})],
    "no blank lines": [said("100 mg").rstrip("\n") + "\n", STOP.rstrip("\n") + "\n", "data: [DONE]\n"],
    "carriage returns": [said("100 mg").replace("\n", "\r"), STOP.replace("\n", "\r"), DONE],
    "both": [said("100 mg").replace("\n", "\r\n"), STOP.replace("\n", "\r\n"), DONE],
    "data in several lines": ['data: {"choices": [{"index": 0,\ndata: "delta": {"content": "100 mg"}}]}\n\n', STOP],
    "a delta that is a text": [frame({"choices": [{"delta": "100 mg"}]}), STOP],
    "another reason at the end": [said("100 mg"), STOP, STOP.replace('"stop"', '"length"')],
    "a reason in words that is none": [said("100 mg", finish_reason="null"), STOP],
    "a message": [frame({"choices": [{"message": {"content": "100 mg"}, "finish_reason": "stop"}]})],
    "a text": [frame({"choices": [{"text": "100 mg", "finish_reason": "stop"}]})],
    "parts": [said([{"type": "text", "text": "100 "}, "mg"]), STOP],
    "Mistral's thinking": [
        said([{"type": "thinking", "thinking": [{"type": "text", "text": "300 mg?"}]}]),
        said([{"type": "text", "text": "100 mg"}]),
        STOP,
    ],
    "a part of an unknown kind": [
        said([{"type": "reference", "text": "900 mg"}, {"type": "text", "text": "100 mg"}]),
        STOP,
    ],
}  # fmt: skip


@pytest.mark.parametrize("frames", WHOLE.values(), ids=WHOLE.keys())
def test_an_answer_is_whole_once_its_reason_for_ending_came(server: RawServer, frames: list[str]) -> None:
    pieces = answered(server, *frames)
    assert "".join(piece.text for piece in pieces) == "100 mg"
    assert pieces[-1].finish_reason == "stop"


@pytest.mark.parametrize("kind", [b"Text/Event-Stream", b"text/event-stream;charset=UTF-8", STREAM])
def test_a_content_type_is_written_in_any_case(server: RawServer, kind: bytes) -> None:
    assert answered(server, said("100 mg"), STOP, DONE, kind=kind)[0].text == "100 mg"


def test_a_server_that_does_not_stream_has_answered_too(server: RawServer) -> None:
    whole = {"choices": [{"message": {"role": "assistant", "content": "100 mg"}, "finish_reason": "stop"}]}
    pieces = answered(server, kind=b"application/json", body=json.dumps(whole).encode())
    assert [piece.text for piece in pieces] == ["100 mg", ""]


def test_without_a_reason_for_ending_nothing_is_whole(server: RawServer) -> None:
    for frames in ([said("100 mg")], [said("100 mg"), DONE], [DONE], []):
        with pytest.raises(errors.ConnectionBroken):
            answered(server, *frames)


KINDS = {
    "reasoning_content": {"reasoning_content": "300 mg?"},
    "reasoning": {"reasoning": "300 mg?", "content": ""},
    "thinking": {"thinking": "300 mg?"},
    "reasoning_details": {"reasoning_details": [{"type": "reasoning.text", "text": "300 mg?"}]},
    "Google's": {"content": "300 mg?", "extra_content": {"google": {"thought": True}}},
    "tool_calls": {"content": None, "tool_calls": [{"function": {"name": "search", "arguments": "{}"}}]},
    "function_call": {"function_call": {"name": "search"}},
    "refusal": {"refusal": "I cannot help with that."},
}


@pytest.mark.parametrize(("name", "delta"), KINDS.items(), ids=KINDS.keys())
def test_what_is_not_the_answer_is_told_apart_and_its_text_ends_here(
    server: RawServer, name: str, delta: dict[str, Any]
) -> None:
    pieces = answered(server, frame({"choices": [{"index": 0, "delta": delta}]}), STOP, DONE)
    expected = {"tool_calls": "tool_call", "function_call": "tool_call", "refusal": "refusal"}.get(
        name, "thought"
    )
    assert [(piece.kind, piece.text) for piece in pieces[:-1]] == [(expected, "")]


def problem(**fields: Any) -> dict[str, Any]:
    return {"error": {"message": "It went wrong.", **fields}}


IN_STREAM = [
    (problem(code=400), errors.RequestInvalid),
    (problem(code="400"), errors.RequestInvalid),
    (problem(code="context_length_exceeded", type="invalid_request_error"), errors.RequestInvalid),
    (problem(type="invalid_request_error", code=None), errors.RequestInvalid),
    (problem(type="BadRequestError"), errors.RequestInvalid),
    ({"error": "Input validation error", "error_type": "validation"}, errors.RequestInvalid),  # TGI
    ({"error_type": "validation", "message": "inputs tokens + max_new_tokens"}, errors.RequestInvalid),
    ({"object": "error", "message": "It went wrong.", "code": 400, "type": "BadRequestError"}, errors.RequestInvalid),
    ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, errors.Overloaded),
    ({"type": "error", "error": {"type": "authentication_error", "message": "no"}}, errors.AuthenticationFailed),
    (problem(code="model_not_found"), errors.ModelNotFound),
    (problem(code="rate_limit_exceeded"), errors.RateLimited),
    (problem(code="insufficient_quota"), errors.AuthenticationFailed),
    ({"choices": [{"delta": {}, "finish_reason": "error", "error": {"code": 502, "message": "x"}}]}, errors.Overloaded),
    ({"detail": "Internal Server Error"}, errors.Overloaded),
    (problem(code="a word of next year"), errors.Overloaded),
    ({"error": {"code": 500, "message": "This model's maximum context length is 4096 tokens."}}, errors.RequestInvalid),
]  # fmt: skip


@pytest.mark.parametrize(("event", "kind"), IN_STREAM)
def test_an_error_inside_a_stream_is_what_its_words_say(
    server: RawServer, event: dict[str, Any], kind: type[errors.ProviderError]
) -> None:
    """field case F8: a permanent error passed as overload, and took 107 s."""
    server.answer = HEAD % STREAM + frame(event).encode()
    clock = ManualClock()
    with pytest.raises(errors.ProviderError) as caught:
        list(generator_of(server, clock).stream(PROMPT))
    assert type(caught.value) is kind
    if not kind.transient:
        assert (len(server.requests), clock.waits) == (1, [])


def test_an_event_may_be_named_an_error_and_hold_its_fields_alone(server: RawServer) -> None:
    with pytest.raises(errors.RequestInvalid, match="too long"):
        answered(server, 'event: error\ndata: {"code": 400, "message": "too long"}\n\n')


@pytest.mark.parametrize("event", ["not json", "[1]", '"text"', "{", "7"])
def test_what_is_no_event_is_an_error_of_the_servers(server: RawServer, event: str) -> None:
    with pytest.raises(errors.ResponseInvalid):
        answered(server, frame(event), said("100 mg"), STOP)


def test_a_prompt_that_a_filter_refuses_ends_filtered(server: RawServer) -> None:
    body = json.dumps(
        {"error": {"code": "content_filter", "message": "The prompt triggered our policy."}}
    ).encode()
    server.answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert [piece.finish_reason for piece in generator_of(server).stream(PROMPT)] == ["content_filter"]


# --- anything at all ---

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "choices delta message content text type usage finish_reason index thinking refusal tool_calls "
                "reasoning extra_content google thought prompt_tokens completion_tokens error code".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["choices", "usage", "id", "object"]), _JSON, max_size=4))
def test_no_event_can_raise(event: dict[str, Any]) -> None:
    found = read_event(event)
    assert all(isinstance(piece, DraftPiece) for piece in found.pieces)
    assert all(not piece.text or piece.kind == "answer" for piece in found.pieces)


def test_what_nothing_can_write_or_count_is_replaced() -> None:
    event = json.loads(
        '{"choices": [{"delta": {"content": "100 \\ud83d mg \u00b5"}}], "usage": {"prompt_tokens": 1e300}}'
    )
    found = read_event(event)
    assert found.pieces == [DraftPiece("100 \ufffd mg \u00b5")]
    assert found.usage == Usage(1_000_000_000, 0)


CASES = [
    *("".join([HARMLESS[name], said("100 mg"), STOP, USAGE, DONE]) for name in HARMLESS),
    *("".join(frames) for frames in WHOLE.values()),
    *(frame(event) for event, _ in IN_STREAM),
]
SPLINTERS = [
    b"data:",
    b"\n\n",
    b"\r",
    b"null",
    b"{",
    b"}",
    b"[",
    b'"',
    b"\xff",
    b"\x00",
    b"[DONE]",
    b"event: error\n",
]


def changed(chance: random.Random) -> bytes:
    """A stream with a few of its bytes cut, doubled, exchanged or replaced."""
    body = "".join(chance.sample(CASES, chance.randint(1, 3))).encode()
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(len(body) + 1)
        to = min(len(body), at + chance.randint(0, 12))
        body = (
            body[:at]
            + chance.choice([b"", body[at:to] * 2, chance.choice(SPLINTERS), chance.randbytes(3)])
            + body[to:]
        )
    return body


def fuzz(server: RawServer, cases: int, seed: int) -> dict[str, int]:
    """Pieces or a ProviderError, within time; how often which."""
    chance = random.Random(seed)
    ends: dict[str, int] = {}
    for _ in range(cases):
        server.answer = HEAD % chance.choice([STREAM, STREAM, STREAM, b"application/json"]) + changed(chance)
        began = time.monotonic()
        try:
            pieces = list(generator_of(server).stream(PROMPT))
            end = str(pieces[-1].finish_reason)
        except errors.ProviderError as error:
            end = type(error).__name__
        assert time.monotonic() - began < 5, server.answer
        ends[end] = ends.get(end, 0) + 1
    return ends


def test_whatever_comes_gives_pieces_or_an_error_of_ours(server: RawServer) -> None:
    """500 streams; run by hand with 20,000."""
    ends = fuzz(server, 500, seed=1)
    assert ends["stop"] > 50
    assert ends["ResponseInvalid"] > 20


if __name__ == "__main__":
    raw_server = RawServer()
    print(fuzz(raw_server, int(sys.argv[1]), seed=int(sys.argv[2]) if len(sys.argv) > 2 else 2))
    raw_server.close()
