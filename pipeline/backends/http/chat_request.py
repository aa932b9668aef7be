"""What a chat completion is asked for: the options that servers and models differ in, and what is known by name.

Decides the fields of a request, which of them is left out when a server refuses it, and whether a model is known to
think before it answers. Sends nothing. A name decides only where the whole of it is known: what runs under another
name may think, and is treated so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from pipeline.config import GeneratorSettings, VisionSettings
from pipeline.errors import RequestInvalid
from pipeline.records import Prompt, Thinks

_NEVER_THINKS = re.compile(
    r"(?:us\.|eu\.|apac\.|global\.)?(?:meta\.|amazon\.|mistral\.)?(?:"
    r"(?:meta-)?llama-?3(?:[.-][0-3])?[-:](?:1|3|8|11|70|90|405)b(?:-vision)?(?:-instruct)?(?:-v1:0)?"
    r"|(?:mistral|mixtral)-(?:7b|8x7b|8x22b)-instruct(?:-v0[.:][1-3])?"
    r"|qwen2(?:\.5)?-(?:0\.5|1\.5|3|7|14|32|72)b-instruct"
    r"|phi-(?:3|3\.5|4)(?:-mini|-small|-medium)?(?:-4k|-128k)?(?:-instruct)?"
    r"|gemma-[23]-\d+b-it"
    r"|gpt-(?:3\.5-turbo|4o|4o-mini|4\.1|4\.1-mini|4\.1-nano)(?:-\d{4}-\d\d-\d\d)?"
    r"|nova-(?:micro|lite|pro)-v1:0"
    r"|smollm2?-\w+-instruct(?:\.\w+)?"
    r")(?:[-.](?:awq|gptq|fp8|q\d\w*))?"
)
"""Instruction models whose cards know no reasoning. Not by family: many models that think are made from these."""
_ALWAYS_THINKS = re.compile(
    r"deepseek-r1|\bqwq\b|magistral|gpt-oss|-thinking|-reasoning|reasoner|nemotron-(?:3|nano|super|ultra)|minimax-m[1-9]"
    r"|glm-4\.5|glm-z1|phi-4-(?:mini-)?reasoning"
)


def thinks(model: str, settings: GeneratorSettings | VisionSettings) -> Thinks:
    """What the settings say, or what is known by the model's name."""
    if settings.thinking != "auto":
        return settings.thinking
    name = model.lower().rpartition("/")[2]
    if _ALWAYS_THINKS.search(name):
        return "always"
    return "never" if _NEVER_THINKS.fullmatch(name) else "maybe"


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What a server is asked for besides the messages."""

    tokens_field: str
    temperature: bool
    stream_options: bool
    merge_system: bool

    @classmethod
    def of(cls, settings: GeneratorSettings) -> ChatOptions:
        return cls(
            settings.tokens_field,
            settings.send_temperature,
            settings.send_stream_options,
            settings.merge_system,
        )

    def without_what_is_refused(self, error: RequestInvalid) -> Adapted | None:
        """Options that this server may take instead; None where its refusal is about something else. Each is changed
        once only, so asking again ends."""
        said = error.what.lower()
        if not _OPTION_REFUSED.search(said):
            return None
        if "max_tokens" in said and self.tokens_field == "max_tokens":
            changed = replace(self, tokens_field="max_completion_tokens")
            return Adapted(changed, "CHARTWELL_GENERATOR__TOKENS_FIELD=max_completion_tokens")
        if "temperature" in said and self.temperature:
            return Adapted(replace(self, temperature=False), "CHARTWELL_GENERATOR__SEND_TEMPERATURE=false")
        if "stream_options" in said and self.stream_options:
            return Adapted(
                replace(self, stream_options=False), "CHARTWELL_GENERATOR__SEND_STREAM_OPTIONS=false"
            )
        if "system" in said and not self.merge_system:
            return Adapted(replace(self, merge_system=True), "CHARTWELL_GENERATOR__MERGE_SYSTEM=true")
        return None


@dataclass(frozen=True, slots=True)
class Adapted:
    """Other options, and the setting that chooses them from the start."""

    options: ChatOptions
    setting: str


_OPTION_REFUSED = re.compile(
    r"unsupported|not supported|n[o']t support|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed|not accept"
    r"|deprecated|extra (?:inputs|fields)|invalid (?:parameter|argument|role)|must alternate"
)


def chat_messages(prompt: Prompt, merge_system: bool) -> list[dict[str, str]]:
    """System and user, or both in one; empty ones are left out."""
    if merge_system and prompt.system:
        return [{"role": "user", "content": f"{prompt.system}\n\n{prompt.user}"}]
    messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
    return [message for message in messages if message["content"]]


def chat_request(
    model: str, prompt: Prompt, tokens_max: int, settings: GeneratorSettings, options: ChatOptions
) -> dict[str, Any]:
    """The body of a request for a streamed answer."""
    request: dict[str, Any] = {
        "model": model,
        "messages": chat_messages(prompt, options.merge_system),
        options.tokens_field: tokens_max,
        "stream": True,
    }
    if options.temperature:
        request["temperature"] = settings.temperature
    if options.stream_options:
        request["stream_options"] = {"include_usage": True}
    if settings.reasoning_effort:
        request["reasoning_effort"] = settings.reasoning_effort
    return request | settings.extra_body
