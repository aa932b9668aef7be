"""What can go wrong in the simulator, and what it then says, in the words of the real servers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.servers.wire import Refusal, reason


@dataclass
class Faults:
    """What goes wrong. Every field can be changed while the server runs."""

    status: int = 0
    """Answer every call of the API with this status; 0: none."""
    detail: str = ""
    """What those answers say under `detail`, where the default should be another."""
    gone: dict[str, str] = field(default_factory=dict)
    """Models that have reached their end of life, with the date: 410, yet still in /v1/models."""
    forbidden: tuple[str, ...] = ()
    """Models that exist but not for this account: 404 with a JSON body."""
    api_key: str = ""
    """The only key accepted; empty: any or none, as a self-hosted NIM."""
    requests_per_minute: int = 0
    """Over this many in any `minute_seconds`: 429. 0: no limit."""
    minute_seconds: float = 60.0
    retry_after: str = ""
    """Sent with 429: "seconds" or "date"; NVIDIA sends neither."""
    failure_share: float = 0.0
    """Share of calls that fail at random, repeatable by the server's seed."""
    failure_statuses: tuple[int, ...] = (500, 503)
    cut_share: float = 0.0
    """Share of answers of which only half arrives."""
    refuse_share: float = 0.0
    """Share of calls whose connection is closed without a word."""
    slow_seconds: float = 0.0
    """Every answer comes this much later, without occupying the server."""
    trickle_seconds: float = 0.0
    """Pause before each of the first 64 bytes of every answer's body."""
    loading_until: float = 0.0
    """Until then (time.monotonic()) the models are loading: 503 everywhere but on /v1/health/live."""
    clock_seconds: float = 0.0
    """How far the server's clock, as its Date header tells it, is ahead."""
    polls: int = 0
    """Answer with 202, and that often again when asked, before the answer is handed out."""
    failing_on: tuple[str, ...] = ()
    """Embedding a text that holds one of these fails every time, with a 500 in Ollama's words."""
    images_max: int = 16
    """Inputs of one request to the image model; more are a 422. The real limit is not documented."""
    image_characters_max: int = 0
    """Characters of all inputs of one request to the image model; more are a 413 without JSON. 0: no limit."""
    image_side_max: int = 0
    """Of an image in pixels; larger ones are a 400. 0: no limit."""
    wrong_order: bool = False
    wrong_width: int = 0
    not_finite: bool = False
    zeros: bool = False
    one_missing: bool = False
    duplicate_index: bool = False
    not_json: bool = False
    stream_error_after: int = -1
    """The stream holds an error after that many pieces; -1: never."""
    stream_cut_after: int = -1
    stream_without_end: bool = False
    """No `data: [DONE]` and no reason for ending."""
    without_usage: bool = False
    without_done: bool = False
    """The reason for ending comes, `data: [DONE]` does not."""
    finish_reason: str = "stop"
    says: str = ""
    """What every answer holds, thoughts and marks included, cut at white space; empty: a quotation of the passages."""
    reasons: str = ""
    """What comes as `reasoning_content` before the answer."""
    deltas: tuple[Mapping[str, Any], ...] = ()
    """Deltas that come instead of an answer."""
    frames: tuple[str, ...] = ()
    """Lines of the stream, as they are, that come before the answer: comments, pings, events without choices."""
    content_type: str = "text/event-stream; charset=utf-8"
    reported_prompt_tokens: int = 0
    """What the usage says of the prompt; 0: the truth."""
    unsupported: tuple[str, ...] = ()
    """Options of a chat request that are refused with 400, in OpenAI's words."""

    def change(self, fields: Mapping[str, Any]) -> None:
        known = {field.name for field in dataclasses.fields(self)}
        unknown = set(fields) - known
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        for name, value in fields.items():
            setattr(self, name, tuple(value) if isinstance(value, list) else value)


def standard_refusal(status: int, detail: str) -> Refusal:
    if status == 503:
        return Refusal(
            503,
            {
                "status": 503,
                "title": "ResourceExhausted",
                "detail": detail or "Worker local total request limit reached (33/32)",
            },
        )
    if 300 <= status < 400:
        return Refusal(status, "", {"Location": "http://127.0.0.1:9/elsewhere"})
    titles = {
        402: "Payment Required",
        403: "Authorization failed",
        500: "Internal Server Error",
        502: "Bad Gateway",
    }
    return Refusal(status, {"status": status, "title": titles.get(status, reason(status)), "detail": detail})
