"""How an answer ended, in words for the reader. Decides wording only; what ended how is `model_output`'s."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NO_ANSWER: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "nothing_verified": (
            "No answer could be checked against the notes",
            "What the model wrote is not shown, because its citations did not hold. Ask in other words.",
        ),
        "cut_off": (
            "The answer was cut off before it said anything complete",
            "Ask more narrowly, or have the model's answers allowed to be longer (CHARTWELL_GENERATOR__TOKENS_MAX).",
        ),
        "filtered": (
            "A content filter held the answer back",
            "The filter belongs to the model's server, not to the notes. Ask in other words.",
        ),
        "refused": ("The model refused to answer", "Ask in other words, or of another model."),
        "tool_call": (
            "The model wanted to call a tool instead of answering",
            "It has none here. Ask again; if this stays, the model or its server is set up for something else.",
        ),
        "thought_only": (
            "The model thought about it and gave no answer",
            "Ask again; if this stays, switch its reasoning off (CHARTWELL_GENERATOR__EXTRA_BODY).",
        ),
        "empty": (
            "The model's answer was empty",
            "Ask again; if this stays, look at the model's server and its chat template.",
        ),
    }
)
"""A heading and what to do, by the reason of an answer whose outcome is no_answer."""
UNKNOWN_WHETHER = "Whether the notes answer the question is not known."


def what_is_missing(ending: str | None, completion_tokens: int) -> str | None:
    """What a reader of statements must know of how the answer ended; None where it is whole, or where it is not
    known."""
    match ending:
        case "cut_off":
            after = f" after {completion_tokens:,} tokens" if completion_tokens else ""
            return f"This answer was cut off{after}: it is incomplete, and what follows is missing."
        case "filtered":
            return "This answer is incomplete: a content filter of the model's server held back the rest."
        case "refused":
            return "This answer is incomplete: the model refused to go on."
        case "tool_call":
            return "This answer may be incomplete: the model wanted to call a tool, and has none here."
    return None
