"""Reads the events of a streamed chat completion, whichever server sends them.

Decides, event by event, which field holds an answer and which holds reasoning, a call of a tool or a refusal; the text
of anything but the answer ends here. Servers differ in every field: what is not there, null, or of another type than
the documentation says is passed over, so that nothing in an event can raise. What a whole draft means is decided in
`answering.model_output`; errors inside a stream are `http_errors`' matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.records import DraftPiece, PieceKind, Usage

_THOUGHTS = (
    "reasoning_content",  # DeepSeek, vLLM, SGLang, llama.cpp, LiteLLM
    "reasoning",  # Ollama, OpenRouter, newer vLLM
    "reasoning_details",
    "reasoning_text",
    "thinking",
    "thinking_blocks",
    "thought",
)
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
    found = ChatEvent([], _usage(event.get("usage")))
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping) or choice.get("index") not in (0, None):
        return found
    reason = choice.get("finish_reason")
    if isinstance(reason, str) and reason.lower() not in ("", "null", "none"):
        found.finish_reason = reason if _WORD.fullmatch(reason) else "other"
    found.pieces = list(_pieces(choice))
    return found


def _pieces(choice: Mapping[str, Any]) -> Iterator[DraftPiece]:
    for name in ("delta", "message"):  # the second from a server that does not stream
        said = choice.get(name)
        if isinstance(said, str):
            yield from _answer(said)
        elif isinstance(said, Mapping):
            yield from _of_message(said)
    if isinstance(choice.get("text"), str):
        yield from _answer(choice["text"])


def _of_message(said: Mapping[str, Any]) -> Iterator[DraftPiece]:
    if any(said.get(name) for name in _THOUGHTS):
        yield DraftPiece(kind="thought")
    if said.get("tool_calls") or said.get("function_call"):
        yield DraftPiece(kind="tool_call")
    if said.get("refusal"):
        yield DraftPiece(kind="refusal")
    content = said.get("content")
    if _is_googles_thought(said):
        yield DraftPiece(kind="thought")
    elif isinstance(content, str):
        yield from _answer(content)
    elif isinstance(content, list):
        yield from _of_parts(content)
    elif isinstance(content, Mapping):
        yield from _of_parts([content])


def _is_googles_thought(said: Mapping[str, Any]) -> bool:
    extra = said.get("extra_content")
    google = extra.get("google") if isinstance(extra, Mapping) else None
    return isinstance(google, Mapping) and google.get("thought") is True


def _of_parts(parts: Iterable[object]) -> Iterator[DraftPiece]:
    for part in parts:
        if isinstance(part, str):
            yield from _answer(part)
        elif isinstance(part, Mapping):
            named = part.get("type")
            kind = _PARTS.get(named) if isinstance(named, str) else "answer"
            text = part.get("text")
            if part.get("thought") is True or "thinking" in part:
                yield DraftPiece(kind="thought")
            elif kind == "answer":
                yield from _answer(text if isinstance(text, str) else "")
            elif kind is not None:
                yield DraftPiece(kind=kind)


def _answer(text: str) -> Iterator[DraftPiece]:
    if text:
        yield DraftPiece(text=text)


def _usage(reported: object) -> Usage | None:
    if not isinstance(reported, Mapping):
        return None
    prompt, completion = reported.get("prompt_tokens"), reported.get("completion_tokens")
    if not isinstance(prompt, int | float) and not isinstance(completion, int | float):
        return None
    return Usage(_count(prompt), _count(completion))


def _count(reported: object) -> int:
    """A figure as a server reports it; 0 where it reports none."""
    try:
        return max(0, int(reported)) if isinstance(reported, int | float) else 0
    except (ValueError, OverflowError):  # NaN and infinity, which JSON of some servers may hold
        return 0
