"""Tells a model's answer from everything else that it writes, before statements are cut from it.

Decides which characters of a draft are the answer, and how the answer ended. A draft may also hold reasoning (in tags,
with or without the opening one, in channels, or in fields that the back-end has told apart already), calls of tools,
refusals, and marks that a chat template left behind. Nothing of these leaves. Because a closing tag may come at any
time and makes a thought of everything before it, nothing is handed on before the draft has ended, except of a model
that is known never to think, and of that one only until a mark of a thought is seen.

Refuses to know servers and fields (`backends`), and whether a statement is right (`verify`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pipeline.errors import PromptTruncated, ResponseInvalid, ThoughtUnfinished
from pipeline.records import DraftPiece, Ending, GeneratorModel, PieceKind, Prompt, Thinks, Usage

_NAMES = (
    r"(?:[a-z]{2,8}:)?(?:inner_|internal_|ant_?)?(?:think|thinking|thoughts?|reasoning|reason|reflection|analysis|monologue"
    r"|scratchpad|deliberation|chain_of_thought|cot)(?:_(?:process|content|text|steps?))?"
)
_OPENS = (
    rf"(?:<|&lt;)\s*{_NAMES}(?:\s[^<>]{{0,100}})?\s*(?:>|&gt;)"
    r"|\[\s*think(?:ing)?\s*\]|◁think▷|<\|channel>|<unused94>"
    r"|<\|(?:begin_of_|begin_|start_of_|start_)?(?:think|thinking|thought|reasoning)(?:_start|_begin)?\|>"
)
_CLOSES = (
    rf"(?:<|&lt;)\s*/\s*{_NAMES}\s*(?:>|&gt;)"
    r"|\[\s*/\s*think(?:ing)?\s*\]|◁/think▷|<channel\|>|<unused95>"
    r"|<\|(?:end_of_|end_|/)(?:think|thinking|thought|reasoning)\|>|<\|(?:think|thinking|thought|reasoning)_end\|>"
)
_THOUGHT_TAG = re.compile(rf"(?P<opens>{_OPENS})|(?P<closes>{_CLOSES})", re.IGNORECASE)
"""Of Qwen, DeepSeek, Nemotron, Magistral, Seed, Kimi, Cohere, OpenThinker, MedGemma, Gemma, and of prompts that ask
for such tags."""
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(?P<name>\w*)(?P<to>[^<]*)(?:<\|constrain\|>[^<]*)?<\|message\|>", re.IGNORECASE
)
_CHANNEL_HEADER = re.compile(r"<\|\w+\|>|assistant")
_CHANNEL_END = re.compile(r"<\|(?:end|return|start|channel|call)\|>")
_BARE_FINAL = re.compile(r"assistantfinal")
_BARE_ANALYSIS = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=[A-Z\"'“]|\s+to=)")
"""gpt-oss' channels where a server has dropped the marks and kept the words between them."""
_SPELT_OUT = re.compile(r"\s*here(?:'s| is|’s) my (?:thought|thinking|reasoning) process\s*:", re.IGNORECASE)
_SPELT_OUT_END = re.compile(r"here(?:'s| is|’s) my (?:final )?(?:response|answer)\s*:", re.IGNORECASE)
_TOOL_CALL = re.compile(
    r"<tool_calls?>.*?(?:</tool_calls?>|\Z)|<function=.*?(?:</function>|\Z)|<function_calls?>.*?(?:</function_calls?>|\Z)"
    r"|\[TOOL_CALLS\].*|<\|python_tag\|>.*|<\|tool_calls?(?:_section)?_begin\|>.*|<｜tool▁calls▁begin｜>.*",
    re.IGNORECASE | re.DOTALL,
)
_TURN_END = re.compile(
    r"<\|(?:im_end|eot_id|eom_id|end_of_text|endoftext|end|return|im_start|start|start_header_id|user|eot|end_of_turn)\|>"
    r"|<(?:end|start)_of_turn>|<｜end▁of▁sentence｜>",
    re.IGNORECASE,
)
"""What follows is the next turn, which is not the model's to write."""
_TURN_BEGUN = re.compile(r"\s*(?:<\|\w{1,30}\|>\s*(?:assistant\b\s*)?)+", re.IGNORECASE)
_LEFT_OVER = re.compile(
    r"<\|[\w:▁/.-]{1,40}\|?>|</?(?:answer|final|final_answer|response|output)>|</s>\s*\Z", re.IGNORECASE
)
_MARK = re.compile(
    r"<\||<｜|<unused9|&lt;\s*/?\s*[a-z]|◁|\[TOOL_CALLS\]|<(?:tool_call|function|answer|final|response|output)|</",
    re.IGNORECASE,
)
_MARK_BEGUN = re.compile(
    r"(?:<[\s/|｜]*[a-z_:|▁0-9]{0,24}\s?|&(?:l(?:t;?[\s/]*[a-z_:]{0,24})?)?|◁[^▷]{0,8}|\[[\s/]*[a-z_]{0,10}\s?)\Z",
    re.IGNORECASE,
)

_ENDINGS: dict[str, Ending] = {
    **dict.fromkeys(
        (
            "stop",
            "endturn",
            "stopsequence",
            "eos",
            "eostoken",
            "end",
            "complete",
            "completed",
            "finished",
            "finish",
        ),
        "complete",
    ),
    **dict.fromkeys(
        (
            "contentfilter",
            "contentfiltered",
            "guardrailintervened",
            "safety",
            "recitation",
            "blocklist",
            "prohibitedcontent",
            "spii",
            "sensitive",
            "moderation",
            "language",
        ),
        "filtered",
    ),
    **dict.fromkeys(("refusal", "refused"), "refused"),
    **dict.fromkeys(
        (
            "toolcalls",
            "toolcall",
            "tooluse",
            "functioncall",
            "functioncalls",
            "malformedtooluse",
            "malformedfunctioncall",
        ),
        "tool_call",
    ),
    **dict.fromkeys(("abstained",), "abstained"),
}
"""The words of OpenAI, vLLM, TGI, Bedrock, Anthropic, Gemini, Cohere and others, letters only. Any other word, "length"
among them, means that the answer was cut off: only what is known to be whole counts as whole."""

PROMPT_TOKENS_PLAUSIBLE = 128
"""A server that reports fewer has not counted: none has so short a context."""
_COUNTED = re.compile(r"[^\W\d_]+|\d+")
"""Runs of letters and of digits: no tokenizer makes one token of two of them, so they are fewer than its tokens."""
TRUNCATED_SHARE = 0.9

NoAnswer: TypeAlias = Literal["cut_off", "filtered", "refused", "tool_call", "thought_only", "empty"]


def ending_of(finish_reason: str | None) -> Ending:
    """What a server's word for the end of an answer means. None: of a generator that ends when it has ended; a
    back-end with a server raises where that gave no reason."""
    if finish_reason is None:
        return "complete"
    return _ENDINGS.get(re.sub(r"[^a-z]", "", finish_reason.lower()), "cut_off")


@dataclass(slots=True)
class _Sorted:
    """A whole draft, taken apart."""

    answer: str
    before: str = ""
    """Before the first thought, and as likely a thought without its tag as an answer."""
    thought: bool = False
    unfinished: bool = False
    """A thought was begun and not ended."""
    tool_call: bool = False


@dataclass(slots=True)
class ModelOutput:
    """What one model writes to one prompt, sorted as it arrives."""

    prompt: Prompt
    thinks: Thinks
    model: GeneratorModel | None = None
    """Which model wrote it, where its generator chose among several."""
    usage: Usage = field(default_factory=Usage)
    finish_reason: str | None = None
    before: str = ""
    """Not handed on: what stood before the first thought. Known once the draft has ended."""
    _kinds: set[PieceKind] = field(default_factory=set)
    _waiting: str = ""
    _held: bool = False
    _handed_on: bool = False

    def take(self, piece: DraftPiece) -> str:
        """The text that is sure to belong to the answer now that `piece` has arrived."""
        if piece.model is not None:
            self.model, self.thinks = piece.model, piece.model.thinks
        if piece.usage or piece.finish_reason:
            self.usage = piece.usage or self.usage
            self.finish_reason = piece.finish_reason or self.finish_reason
        if piece.kind != "answer":
            self._kinds.add(piece.kind)
        elif piece.text:
            self._waiting += piece.text
            return self._sure() if self.thinks == "never" and not self._held else ""
        return ""

    def _sure(self) -> str:
        """What of the text that waits cannot be part of a mark, as long as none was seen."""
        text = self._waiting
        if "<" not in text and "[" not in text and "&" not in text and "◁" not in text:
            self._waiting = ""
            self._handed_on = self._handed_on or bool(text.strip())
            return text
        if _THOUGHT_TAG.search(text) or _MARK.search(text):
            self._held = True
            return ""
        begun = _MARK_BEGUN.search(text)
        at = begun.start() if begun else len(text)
        sure, self._waiting = text[:at], text[at:]
        self._handed_on = self._handed_on or bool(sure.strip())
        return sure

    def rest(self) -> str:
        """What is left of the answer once the draft has ended.

        Raises ThoughtUnfinished where the model never came to an end of its thinking, PromptTruncated where it has
        not read what it was to answer from, and ResponseInvalid where a thought came from a model of which statements
        were shown as they came because it does not think.
        """
        _check_prompt_was_read(self.prompt, self.usage)
        found = _sorted(self._waiting, begun=self._handed_on)
        self._waiting, self.before = "", found.before
        if found.thought:
            self._kinds.add("thought")
        if found.tool_call:
            self._kinds.add("tool_call")
        if found.unfinished and self.ending in ("filtered", "refused", "tool_call"):
            return ""  # that ended the thought, and says more than that it has no end
        if found.unfinished or self._spent_on_thinking(found.answer):
            raise self._unfinished()
        if found.thought and self._handed_on:
            raise ResponseInvalid(
                "The model thinks aloud, although it is set or known not to: what came before cannot be told from its "
                "answer.",
                remedy="Set CHARTWELL_GENERATOR__THINKING to auto or always, or switch its reasoning off "
                "(CHARTWELL_GENERATOR__EXTRA_BODY).",
            )
        return found.answer

    def _spent_on_thinking(self, answer: str) -> bool:
        """Whether the tokens ran out before the answer began. A model that always thinks has then not come to it,
        whatever it wrote."""
        if self._handed_on or ending_of(self.finish_reason) != "cut_off":
            return False
        if "thought" in self._kinds:
            return not answer.strip()
        return self.thinks == "always"

    def _unfinished(self) -> ThoughtUnfinished:
        spent = self.usage.completion_tokens
        cut = ending_of(self.finish_reason) == "cut_off"
        figure = f"its {spent:,} tokens" if spent else "its tokens"
        what = (
            f"The model spent {figure} thinking and came to no answer."
            if cut
            else "The model did not end its thinking, so no answer can be told from it."
        )
        return ThoughtUnfinished(
            what,
            remedy="Raise CHARTWELL_GENERATOR__TOKENS_MAX, or switch reasoning off: CHARTWELL_GENERATOR__EXTRA_BODY "
            '(for example {"chat_template_kwargs": {"enable_thinking": false}}) or '
            "CHARTWELL_GENERATOR__REASONING_EFFORT.",
        )

    @property
    def ending(self) -> Ending:
        """How it ended, as far as the server tells."""
        ending = ending_of(self.finish_reason)
        if ending == "complete" and "refusal" in self._kinds:
            return "refused"
        if ending == "complete" and "tool_call" in self._kinds:
            return "tool_call"
        return ending

    def why_nothing(self) -> NoAnswer:
        """Why there is no answer, where the model said nothing that could be verified."""
        match self.ending:
            case "cut_off" | "filtered" | "refused" | "tool_call" as ending:
                return ending
        return "thought_only" if "thought" in self._kinds else "empty"


def whole_answer(prompt: Prompt, thinks: Thinks, pieces: Iterable[DraftPiece]) -> tuple[str, Ending]:
    """The answer in a draft of which nothing is shown before its end, and how it ended. Raises what `rest` does."""
    output = ModelOutput(prompt, "always" if thinks == "always" else "maybe")
    for piece in pieces:
        output.take(piece)
    text = output.rest().strip()
    return text, output.ending


def _check_prompt_was_read(prompt: Prompt, usage: Usage) -> None:
    """Raises PromptTruncated where the server counted far fewer tokens than the prompt must have."""
    read = usage.prompt_tokens
    if read < PROMPT_TOKENS_PLAUSIBLE or 4 * read >= len(prompt.system) + len(prompt.user):
        return  # the usual case, for which nothing need be counted
    least = len(_COUNTED.findall(prompt.system)) + len(_COUNTED.findall(prompt.user))
    if read >= TRUNCATED_SHARE * least:
        return
    raise PromptTruncated(
        f"The model's server read {read:,} tokens of a prompt that has {least:,} at the very least: it has cut the "
        "rest off without a word.",
        remedy="Raise the server's context length (Ollama: OLLAMA_CONTEXT_LENGTH or num_ctx), or lower "
        "CHARTWELL_ANSWERING__CONTEXT_TOKENS_MAX.",
    )


def _sorted(text: str, *, begun: bool) -> _Sorted:
    """The answer in a draft, and what else there was. `begun`: a part of the answer stood before `text`."""
    found = _channels(text, begun)
    _without_thoughts(found)
    _without_tool_calls(found)
    if "<" in found.answer:
        header = None if begun else _TURN_BEGUN.match(found.answer)
        answer = found.answer[header.end() :] if header else found.answer
        end = _TURN_END.search(answer)
        found.answer = _LEFT_OVER.sub("", answer[: end.start()] if end else answer)
    return found


def _channels(text: str, begun: bool) -> _Sorted:
    """gpt-oss writes into channels: only `final` is the answer."""
    heads = list(_CHANNEL.finditer(text))
    if heads:
        answer, tool_call = [], False
        for head in heads:
            end = _CHANNEL_END.search(text, head.end())
            if head["name"].lower() == "final":
                answer.append(text[head.end() : end.start() if end else len(text)])
            tool_call = tool_call or "to=" in head["to"]
        others = (
            begun
            or len(heads) > len(answer)
            or bool(_CHANNEL_HEADER.sub("", text[: heads[0].start()]).strip())
        )
        # A call of a tool ends a draft without a final channel; any other draft without one is a thought cut short.
        return _Sorted(
            "\n".join(answer), thought=others, unfinished=not answer and not tool_call, tool_call=tool_call
        )
    if "final" in text and (bare := [*_BARE_FINAL.finditer(text)]):
        return _Sorted(text[bare[-1].end() :], thought=True)
    if _BARE_ANALYSIS.match(text) or "<|channel|>" in text:
        return _Sorted("", thought=True, unfinished=True)
    return _Sorted(text)


def _without_thoughts(found: _Sorted) -> None:
    """Everything up to the last closing tag is a thought, whether or not an opening one is there."""
    text = found.answer
    if _SPELT_OUT.match(text):
        end = [*_SPELT_OUT_END.finditer(text)]
        found.thought = True
        found.unfinished = found.unfinished or not end
        text = found.answer = text[end[-1].end() :] if end else ""
    tags = [*_THOUGHT_TAG.finditer(text)]
    if not tags:
        return
    opened = sum(tag["opens"] is not None for tag in tags)
    closes = [tag for tag in tags if tag["closes"] is not None]
    found.thought = True
    if opened > len(closes) or tags[-1]["opens"] is not None:
        found.unfinished, found.answer = True, ""
        return
    found.before = text[: tags[0].start()] if tags[0]["opens"] is not None else ""
    found.answer = text[closes[-1].end() :]


def _without_tool_calls(found: _Sorted) -> None:
    if "<" in found.answer or "[" in found.answer:
        found.answer, calls = _TOOL_CALL.subn("", found.answer)
        found.tool_call = found.tool_call or calls > 0
