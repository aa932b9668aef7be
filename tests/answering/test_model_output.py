"""What of a draft is the answer, and how it ended: thoughts, channels, tools, refusals, filters, in every form."""

from __future__ import annotations

import random

import pytest

from pipeline.answering.model_output import ModelOutput, ending_of
from pipeline.errors import PromptTruncated, ResponseInvalid, ThoughtUnfinished
from pipeline.records import DraftPiece, PieceKind, Prompt, Thinks, Usage

PROMPT = Prompt("Which dose?", (), "Answer from the passages.", "Passages: none", "test")
THOUGHT = "Hmm, maybe gout flare is treated with 300 mg [2]?\nLet me check passage [2].\n"
ANSWER = "He takes allopurinol 100 mg [1]."


def sort(
    text: str,
    *,
    thinks: Thinks = "maybe",
    ended: str = "stop",
    width: int = 10_000,
    kinds: tuple[PieceKind, ...] = (),
    usage: Usage | None = None,
    prompt: Prompt = PROMPT,
) -> tuple[str, ModelOutput]:
    """The answer in `text`, which arrives in pieces of `width` characters, and what was made of it."""
    output = ModelOutput(prompt, thinks)
    pieces = [DraftPiece(text[at : at + width]) for at in range(0, len(text), width)]
    last = DraftPiece(usage=usage, finish_reason=ended)
    taken = "".join(
        output.take(piece) for piece in [*(DraftPiece(kind=kind) for kind in kinds), *pieces, last]
    )
    return taken + output.rest(), output


DRAFTS = {
    "tags": f"<think>{THOUGHT}</think>{ANSWER}",
    "another name": f"<thinking>{THOUGHT}</thinking>\n{ANSWER}",
    "a third": f"<reasoning>{THOUGHT}</reasoning>{ANSWER}",
    "upper case and blanks": f"< THINK >{THOUGHT}</ Think >{ANSWER}",
    "attributes": f'<think type="long">{THOUGHT}</think>{ANSWER}',
    "no opening tag": f"{THOUGHT}</think>{ANSWER}",
    "nested": f"<think>a <think>{THOUGHT}</think> c 500 mg [1].\n</think>{ANSWER}",
    "a closing tag within": f"<think>I end with </think> later. {THOUGHT}</think>{ANSWER}",
    "twice": f"<think>{THOUGHT}</think>\n\n<think>{THOUGHT}</think>{ANSWER}",
    "one closed by another": f"<thinking>{THOUGHT}</think>{ANSWER}",
    "Magistral": f"[THINK]{THOUGHT}[/THINK]{ANSWER}",
    "Kimi": f"◁think▷{THOUGHT}◁/think▷{ANSWER}",
    "Seed": f"<seed:think>{THOUGHT}</seed:think>{ANSWER}",
    "MedGemma": f"<unused94>thought\n{THOUGHT}<unused95>{ANSWER}",
    "Gemma": f"<|channel>thought\n{THOUGHT}<channel|>{ANSWER}",
    "a longer name": f"<thinking_process>{THOUGHT}</thinking_process>{ANSWER}",
    "Anthropic's": f"<thinking>{THOUGHT}</thinking>{ANSWER}",
    "OpenThinker": f"<|begin_of_thought|>{THOUGHT}<|end_of_thought|>{ANSWER}",
    "Cohere": f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>{ANSWER}<|END_RESPONSE|>",
    "escaped": f"&lt;think&gt;{THOUGHT}&lt;/think&gt;{ANSWER}",
    "spelt out": f"Here is my thought process: {THOUGHT}Here is my response: {ANSWER}",
    "channels": f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}"
    "<|return|>",
    "channels whose first mark is in the prompt": f"{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>"
    f"{ANSWER}",
    "channels without marks": f"analysis{THOUGHT}assistantfinal{ANSWER}",
    "a channel for tools between": "<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant<|channel|>"
    f"final<|message|>{ANSWER}",
    "wrapped": f"<think>{THOUGHT}</think><answer>{ANSWER}</answer>",
    "a turn too many": f"{ANSWER}<|im_end|>\n<|im_start|>user\nAnd 900 mg [1]?",
    "an end left over": f"{ANSWER}</s>",
    "a header left over": f"<|start_header_id|>assistant<|end_header_id|>\n\n{ANSWER}<|eot_id|>",
    "a call of a tool": f'{ANSWER}<tool_call>{{"name": "search", "arguments": "900 mg [1]."}}</tool_call>',
    "nothing but the answer": ANSWER,
}


@pytest.mark.parametrize("width", [1, 3, 7, 10_000])
@pytest.mark.parametrize("draft", DRAFTS.values(), ids=DRAFTS.keys())
def test_only_the_answer_leaves(draft: str, width: int) -> None:
    answer, _ = sort(draft, width=width)
    assert answer.strip() == ANSWER


@pytest.mark.parametrize("width", [1, 3, 7, 10_000])
@pytest.mark.parametrize("name", sorted(set(DRAFTS) - {"no opening tag"}))
def test_nor_of_a_model_whose_statements_are_shown_as_they_come(name: str, width: int) -> None:
    try:
        answer, _ = sort(DRAFTS[name], width=width, thinks="never")
    except ResponseInvalid:
        return  # its answer cannot be told from its thought any more
    assert answer.strip() == ANSWER or name in ("spelt out", "channels without marks")


def test_a_model_that_does_not_think_is_not_waited_for() -> None:
    output = ModelOutput(PROMPT, "never")
    assert output.take(DraftPiece("SpO2 < 90 % [1]. ")) == "SpO2 < 90 % [1]. "
    assert output.take(DraftPiece("Next [")) == "Next "
    assert output.take(DraftPiece("2].")) == "[2]."
    held = ModelOutput(PROMPT, "maybe")
    assert held.take(DraftPiece(ANSWER)) == ""
    assert held.rest() == ANSWER


def test_a_thought_of_a_model_that_is_known_not_to_think_is_an_error_with_its_cure() -> None:
    with pytest.raises(ResponseInvalid, match="thinks aloud") as caught:
        sort(f"{THOUGHT}</think>{ANSWER}", thinks="never", width=5)
    assert "CHARTWELL_GENERATOR__THINKING" in caught.value.remedy


@pytest.mark.parametrize(
    "draft",
    [
        f"<think>{THOUGHT}",
        f"[THINK]{THOUGHT}",
        f"<think>a</think>{ANSWER} <think>wait, 300 mg [1]",
        f"<think>a <think>b</think> {THOUGHT}",
        f"<|channel|>analysis<|message|>{THOUGHT}",
        f"analysis{THOUGHT}",
        f"Here is my thought process: {THOUGHT}",
    ],
)
@pytest.mark.parametrize("ended", ["stop", "length"])
def test_a_thought_that_never_ends_is_an_error_with_its_cure(draft: str, ended: str) -> None:
    with pytest.raises(ThoughtUnfinished) as caught:
        sort(draft, ended=ended, usage=Usage(50, 512))
    assert "300 mg" not in str(caught.value)
    assert "CHARTWELL_GENERATOR__TOKENS_MAX" in caught.value.remedy
    assert ("512 tokens" in caught.value.what) is (ended == "length")


def test_a_thought_that_a_filter_ended_is_filtered() -> None:
    answer, output = sort(f"<think>{THOUGHT}", ended="content_filter")
    assert (answer, output.ending, output.why_nothing()) == ("", "filtered", "filtered")


def test_tokens_spent_on_a_thought_in_a_field_of_its_own() -> None:
    with pytest.raises(ThoughtUnfinished, match="spent its 512 tokens"):
        sort("", ended="length", kinds=("thought",), usage=Usage(50, 512))
    answer, output = sort(ANSWER, ended="length", kinds=("thought",))
    assert (answer, output.ending) == (ANSWER, "cut_off")


def test_a_model_that_always_thinks_has_not_come_to_its_answer_when_it_is_cut_before_a_closing_tag() -> None:
    with pytest.raises(ThoughtUnfinished):
        sort(THOUGHT, thinks="always", ended="length")
    assert sort(f"{THOUGHT}</think>{ANSWER}", thinks="always", ended="length")[0] == ANSWER
    assert sort(ANSWER, thinks="always")[0] == ANSWER


def test_what_stands_before_a_thought_is_not_shown_and_not_forgotten() -> None:
    answer, output = sort(f"Allopurinol 300 mg [1].\n<think>{THOUGHT}</think>{ANSWER}")
    assert (answer, output.before) == (ANSWER, "Allopurinol 300 mg [1].\n")


@pytest.mark.parametrize(
    ("word", "ending"),
    [
        ("stop", "complete"),
        ("STOP", "complete"),
        ("end_turn", "complete"),
        ("eos_token", "complete"),
        ("length", "cut_off"),
        ("max_tokens", "cut_off"),
        ("MAX_TOKENS", "cut_off"),
        ("model_context_window_exceeded", "cut_off"),
        ("abort", "cut_off"),
        ("a word of next year", "cut_off"),
        ("content_filter", "filtered"),
        ("content_filtered", "filtered"),
        ("guardrail_intervened", "filtered"),
        ("SAFETY", "filtered"),
        ("tool_calls", "tool_call"),
        ("tool_use", "tool_call"),
        ("refusal", "refused"),
        ("abstained", "abstained"),
    ],
)
def test_what_the_words_of_servers_mean(word: str, ending: str) -> None:
    assert ending_of(word) == ending


@pytest.mark.parametrize(
    ("kinds", "ended", "reason"),
    [
        ((), "stop", "empty"),
        (("thought",), "stop", "thought_only"),
        (("tool_call",), "tool_calls", "tool_call"),
        (("tool_call",), "stop", "tool_call"),
        (("refusal",), "stop", "refused"),
        ((), "content_filter", "filtered"),
        ((), "length", "cut_off"),
    ],
)
def test_why_there_is_no_answer(kinds: tuple[PieceKind, ...], ended: str, reason: str) -> None:
    assert sort("", kinds=kinds, ended=ended)[1].why_nothing() == reason


def test_a_prompt_that_the_server_cut_is_an_error_and_a_count_that_cannot_be_one_is_none() -> None:
    """field case F17: 200 of some 1,700 tokens were read, and answered from."""
    long = Prompt("q", (), "Rules.", "Anna takes allopurinol 100 mg for gout. " * 200, "test")
    with pytest.raises(PromptTruncated, match="read 200 tokens of a prompt that has 1,401") as caught:
        sort(ANSWER, prompt=long, usage=Usage(200, 9))
    assert "CHARTWELL_ANSWERING__CONTEXT_TOKENS_MAX" in caught.value.remedy
    for honest in (0, 7, 1_401, 2_100):
        assert sort(ANSWER, prompt=long, usage=Usage(honest, 9))[0] == ANSWER


def test_no_thought_leaves_however_tags_are_strewn() -> None:
    """1,000 drafts of tags and text: what leaves stands after the last mark of a thought, or it is an error."""
    chance = random.Random(9)
    parts = [
        "<think>",
        "</think>",
        "[THINK]",
        "[/THINK]",
        "</thinking>",
        "<|end|>",
        "one [1].\n",
        "two ",
        "three [2]. ",
    ]
    for _ in range(1_000):
        draft = "".join(chance.choices(parts, k=chance.randint(1, 8)))
        try:
            answer, _ = sort(draft, ended=chance.choice(["stop", "length"]), width=chance.randint(1, 9))
        except ThoughtUnfinished:
            continue
        marks = [
            draft.rfind(mark) + len(mark) for mark in ("</think>", "[/THINK]", "</thinking>") if mark in draft
        ]
        assert "think" not in answer.lower(), draft
        assert answer in draft[max(marks, default=0) :].replace("<|end|>", ""), draft
