"""Reads the events of a streamed chat completion, whichever server sends them.

Decides, event by event, which field holds an answer and which holds reasoning, a call of a tool or a refusal; the text
of anything but the answer ends here. Servers differ in every field: what is not there, null, or of another type than
the documentation says is passed over, so that nothing in an event can raise. What a whole draft means is decided in
`answering.model_output`; errors inside a stream are `errors`' matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.records import DraftPiece, PieceKind, Usage

_THOUGHTS = frozenset(
    {
        "reasoning_content",  # DeepSeek, vLLM, SGLang, llama.cpp, LiteLLM
        "reasoning",  # Ollama, OpenRouter, newer vLLM
        "reasoning_details",
        "reasoning_text",
        "thinking",
        "thinking_blocks",
        "thought",
    }
)
_NO_ANSWER = _THOUGHTS | {"tool_calls", "function_call", "refusal", "extra_content"}
_SURROGATE = re.compile("[\ud800-\udfff]")
COUNT_MAX = 1_000_000_000
"""No prompt and no answer has more tokens; a figure that is higher is none, and may be too long for a metric."""
_WORD = re.compile(r"[\w .-]{1,40}")
"""What a reason for ending looks like: it stands in traces, which hold no text of an answer."""
_PARTS: dict[str, PieceKind] = {
    "text": "answer",
    "output_text": "answer",
    "": "answer",
    "thinking": "thought",
    "redacted_thinking": "thought",
    "reasoning": "thought",
    "reasoning_text": "thought",
    "reasoning_content": "thought",
    "summary_text": "thought",
    "thought": "thought",
    "tool_use": "tool_call",
    "tool_call": "tool_call",
    "function_call": "tool_call",
    "refusal": "refusal",
}
"""Kinds of parts where content is a list. Any other kind is no text of the answer."""


@dataclass(slots=True)
class ChatEvent:
    """What one event says."""

    pieces: list[DraftPiece]
    usage: Usage | None = None
    finish_reason: str | None = None


def read_event(event: Mapping[str, Any]) -> ChatEvent:
    """Raises nothing: an event that says nothing gives nothing."""
    usage = event.get("usage")
    found = ChatEvent([], _usage(usage) if usage else None)
    choices = event.get("choices")
    choice = next(
        (
            each
            for each in (choices if isinstance(choices, list) else ())
            if isinstance(each, dict) and each.get("index") in (0, None)
        ),
        None,
    )
    if choice is None:
        return found
    reason = choice.get("finish_reason")
    if isinstance(reason, str) and reason.lower() not in ("", "null", "none"):
        found.finish_reason = reason if _WORD.fullmatch(reason) else "other"
    found.pieces = _pieces(choice)
    return found


def _pieces(choice: Mapping[str, Any]) -> list[DraftPiece]:
    delta = choice.get("delta")
    if isinstance(delta, dict) and "message" not in choice and "text" not in choice:
        return _of_message(delta)  # nearly every event
    found = []
    for said in (delta, choice.get("message")):  # the second from a server that does not stream
        if isinstance(said, dict):
            found += _of_message(said)
        elif isinstance(said, str):
            found += _answer(said)
    return found + _answer(choice.get("text"))


def _of_message(said: Mapping[str, Any]) -> list[DraftPiece]:
    content = said.get("content")
    if _NO_ANSWER.isdisjoint(said):
        return _answer(content)
    found = []
    if any(said.get(name) for name in _THOUGHTS):
        found.append(DraftPiece(kind="thought"))
    if said.get("tool_calls") or said.get("function_call"):
        found.append(DraftPiece(kind="tool_call"))
    if said.get("refusal"):
        found.append(DraftPiece(kind="refusal"))
    return found + ([DraftPiece(kind="thought")] if _is_googles_thought(said) else _answer(content))


def _is_googles_thought(said: Mapping[str, Any]) -> bool:
    extra = said.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    return isinstance(google, dict) and google.get("thought") is True


def _answer(content: object) -> list[DraftPiece]:
    """A text, or a list of parts of which some are text."""
    if isinstance(content, str):
        text = content if content.isascii() else encodable(content)
        return [DraftPiece(text)] if text else []
    if isinstance(content, dict):
        return _of_part(content)
    if isinstance(content, list):
        return [piece for part in content for piece in _of_part(part)]
    return []


def _of_part(part: object) -> list[DraftPiece]:
    if isinstance(part, str):
        return _answer(part)
    if not isinstance(part, dict):
        return []
    named, text = part.get("type"), part.get("text")
    kind = _PARTS.get(named) if isinstance(named, str) else "answer"
    if part.get("thought") is True or "thinking" in part:
        kind = "thought"
    if kind == "answer":
        return _answer(text) if isinstance(text, str) else []
    return [] if kind is None else [DraftPiece(kind=kind)]


def encodable(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON may hold and nothing can write: U+FFFD stands for each."""
    return _SURROGATE.sub("\ufffd", text)


def _usage(reported: object) -> Usage | None:
    if not isinstance(reported, dict):
        return None
    prompt, completion = reported.get("prompt_tokens"), reported.get("completion_tokens")
    if not isinstance(prompt, int | float) and not isinstance(completion, int | float):
        return None
    return Usage(_count(prompt), _count(completion))


def _count(reported: object) -> int:
    """A figure as a server reports it; 0 where it reports none."""
    try:
        return min(max(0, int(reported)), COUNT_MAX) if isinstance(reported, int | float) else 0
    except (ValueError, OverflowError):  # NaN and infinity, which JSON of some servers may hold
        return 0
