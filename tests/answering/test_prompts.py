"""Prompts: known by name and by content hash; a variant is handed in, nothing is edited for it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from pipeline.answering.flow import Answering
from pipeline.answering.prompts import (
    CURRENT,
    PROMPTS,
    PromptTemplate,
    build_prompt,
    prompt_names,
    prompt_template,
)
from pipeline.records import Question
from tests.answering.conftest import ScriptedGenerator

SHORT = b"# system\nAnswer from the passages.\n\n# user\n$passages\n\nQ: $question\n"


def test_a_prompt_that_ships_is_known_by_its_name_and_by_its_version() -> None:
    assert CURRENT in prompt_names()
    for name in prompt_names():
        found = prompt_template(name)
        digest = hashlib.sha256((PROMPTS / f"{name}.md").read_bytes()).hexdigest()
        assert found.version == f"{name}@{digest[:8]}"
        assert prompt_template(found.version) == found
    for unknown in ("answer-v0", f"{CURRENT}@00000000", "../flow", ""):
        with pytest.raises(KeyError, match=CURRENT):
            prompt_template(unknown)


def test_the_prompt_that_ships_now_is_the_one_that_receipts_name() -> None:
    """A changed file must have another name: answers of before stay comparable."""
    assert prompt_template("answer-v1").version == "answer-v1@f97896d9"


def test_every_byte_changes_the_version() -> None:
    one, other = PromptTemplate.parse("short", SHORT), PromptTemplate.parse("short", SHORT + b" ")
    assert (one.system, one.user) == ("Answer from the passages.", "$passages\n\nQ: $question")
    assert (other.system, other.user) == (one.system, one.user)
    assert other.version != one.version


@pytest.mark.parametrize(
    "text",
    [
        b"Answer.",
        b"# system\nAnswer.\n",
        b"# system\nAnswer.\n# user\n$question\n",
        b"# system\nAnswer.\n# user\n$passages $question $today\n",
        b"# system\nAnswer.\n# user\n$passages $question 5 $\n",
    ],
)
def test_a_prompt_that_would_lose_passages_or_question_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="wrong"):
        PromptTemplate.parse("wrong", text)


def test_a_variant_is_handed_to_the_prompt_and_to_the_flow(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    short = PromptTemplate.parse("short", SHORT)
    built = build_prompt(
        "Q $x?", [], tokens_max=100, count_tokens=answering.embedder.count_tokens, template=short
    )
    assert (built.system, built.user, built.version) == (
        "Answer from the passages.",
        "\n\nQ: Q $x?",
        short.version,
    )
    generator.draft = '"Start fluticasone 110 mcg twice daily." [1]'
    question = Question("asthma fluticasone dose")
    answers = [answering.answer(question), replace(answering, template=short).answer(question)]
    assert [each.prompt_version for each in answers] == [prompt_template(CURRENT).version, short.version]
    assert [prompt.system for prompt in generator.prompts] == [prompt_template(CURRENT).system, short.system]
    assert len({each.text for each in answers}) == 1
