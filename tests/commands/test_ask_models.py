"""What a newcomer types first, with a language model: one that obeys, and ones that do not. Nothing wrong leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.answering.flow import answer
from pipeline.answering.follow_up import in_conversation, patients_of
from pipeline.answering.questions.subject import subject_of
from pipeline.ask import open_answering
from pipeline.config import Settings, load_settings
from pipeline.demo.__main__ import NOTES
from pipeline.records import Answer, Question, UnderstoodPart
from tests.commands.test_ask_shapes import PATIENTS
from tests.servers.nim import NimServer
from tests.service.running import index

HERS, MARTHA = "D2N006", "D2N005"
FIRST = "Does Anna Mitchell have gout?"
ROWS = [
    "What medications is Anna Mitchell on?",
    "Summarise the visit of Anna Mitchell",
    "What was the blood pressure of patient D2N006?",
    "What is she allergic to?",
    "Any allergies to penicillin?",
    "Which patients have diabetes?",
    "List all patients with atrial fibrillation",
    "Has Martha Collins had a heart attack?",
]
ANSWERED = {ROWS[0], ROWS[1], ROWS[4], ROWS[5], ROWS[6]}
_PASSAGE = re.compile(r"^\[(\d+)\] \(note .*\)$", re.MULTILINE)


def obedient(prompt: str) -> str:
    """Every sentence of the passages under its heading, with its number: all that a model may say."""
    passages, _, _ = prompt.rpartition("\nQuestion:")
    marks = list(_PASSAGE.finditer(passages))
    said = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        text = passages[mark.end() : following.start() if following else len(passages)]
        for sentence in re.split(r"(?<=[^:\n])\n+|(?<=[.!?])\s+", text):
            words = " ".join(sentence.strip(" -*•\t").split())
            if len(words) > 3 and not words.endswith(":"):
                said.append(f"{words.rstrip('.')}. [{mark.group(1)}]")
    return "\n".join(said) or "NOT STATED"


LIES: dict[str, Callable[[str], str]] = {
    "another patient's facts": lambda prompt: (
        "She takes warfarin 5 mg daily. [1]\nBlood pressure is 120/80 mmHg. [1]"
    ),
    "wrong counts": lambda prompt: "There are 7 patients with diabetes. [1]\nShe takes 9 medications. [1]",
    "whatever is asked": lambda prompt: (
        f"Yes, {prompt.rpartition('Question:')[2].splitlines()[0].strip(' ?')}. [1]\nShe had a heart attack. [1]\n"
        "She is allergic to latex. [1]"
    ),
    "what is not asked": lambda prompt: (
        "Congestive heart failure. [1]\nHypertension. [1]\nThe patient is well. [1]"
    ),
    "nothing": lambda prompt: "NOT STATED",
    "no such passage": lambda prompt: "She has diabetes. [9]\nGout. [0]",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexed once."""
    folder = tmp_path_factory.mktemp("models")
    rows = [json.loads(line) for line in (NOTES / "aci_bench.jsonl").read_text("utf-8").splitlines()]
    source = folder / "notes.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows if row["patient_id"] in PATIENTS), "utf-8")
    index(settings(folder), source)
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[NimServer]:
    with NimServer() as server:
        yield server


def settings(folder: Path, url: str = "", **answering: int) -> Settings:
    generator = {"provider": "openai", "url": url, "model": "meta/llama-3.1-8b-instruct"} if url else {}
    return load_settings(
        None,
        data_dir=folder / "data",
        embedder={"provider": "hashing"},
        generator=generator,
        answering=answering,
    )


@dataclass
class Before:
    """The turn about Anna Mitchell."""

    answered: Answer

    def patients(self) -> tuple[str, ...]:
        return patients_of((HERS,), [])

    def is_unclear(self) -> bool:
        return False

    def last_question(self) -> str:
        return FIRST

    def understood(self) -> tuple[UnderstoodPart, ...]:
        return self.answered.understood


def asked(text: str, chosen: Settings) -> Answer:
    """The answer; of "she" after a question about Anna Mitchell."""
    with open_answering(chosen) as answering, answering.answering() as space:
        question = Question(text)
        if "she" in text:
            before = Before(answer(space, Question(FIRST)))
            question = in_conversation(
                question, subject_of(text), before, space.store, space.embedder
            ).question
        return answer(space, question)


@pytest.mark.parametrize("question", ROWS)
def test_a_model_that_obeys_words_the_lines_and_changes_nothing_else(
    folder: Path, server: NimServer, question: str
) -> None:
    server.answers = obedient
    quoted = asked(question, settings(folder))
    found = asked(question, settings(folder, server.url))
    assert found.outcome == quoted.outcome == ("answered" if question in ANSWERED else "nothing_relevant")
    assert _ours(found) == _ours(quoted)
    assert {each.patient_id for each in found.citations} == {each.patient_id for each in quoted.citations}
    assert found.understood == quoted.understood
    if question in ANSWERED:
        assert found.model.provider == "openai"
        assert found.usage.completion_tokens > 0
        assert any('"' not in each.text for each in found.statements if each.citations)
    else:
        assert found.usage.completion_tokens == 0, "where the notes have nothing no model is asked"


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("question", ROWS)
def test_of_a_model_that_does_not_obey_nothing_leaves(
    folder: Path, server: NimServer, question: str, lie: str
) -> None:
    server.answers = LIES[lie]
    found = asked(question, settings(folder, server.url))
    assert found.statements == asked(question, settings(folder)).statements


def _ours(found: Answer) -> list[str]:
    """Lines that are no note's: headings, and how many there are."""
    return [each.text for each in found.statements if not each.citations]
