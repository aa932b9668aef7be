"""A model may say what a question asks for; the question's own words and the register decide whether that holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.answering.flow import Answering, answer
from pipeline.answering.plan_proposal import VERSION, PlanProposal
from pipeline.answering.shapes.shaped_answering import ShapedAnswering
from pipeline.answering.shapes.shapes import SHAPES
from pipeline.answering.understood_answering import UnderstoodAnswering
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import AnsweringSettings, load_settings
from pipeline.records import (
    AccessScope,
    Answer,
    Document,
    DraftPiece,
    Filters,
    GeneratorModel,
    Prompt,
    Question,
    Usage,
)
from pipeline.wiring import compose_answerer
from tests.answering.questions.stored_notes import EMBEDDER, stored

ASKED = "Could someone check whether gout was ever documented for Anna Mitchell?"
NOTES = [
    Document(
        "n1", "P1", "note", "Anna Mitchell is a 44-year-old female. She has gout.", "2021-02-01", "ward"
    ),
    Document(
        "n2", "P2", "note", "Bruno Keller is a 60-year-old male. He has diabetes.", "2021-02-02", "clinic"
    ),
    Document("n3", "P3", "note", "Eva Nowak is a 30-year-old female. She denies diabetes.", "2021-02-03"),
]


class Model:
    """Proposes what it is told to; to any other prompt it says that nothing is stated."""

    model = GeneratorModel("scripted", "m1", thinks="never")

    def __init__(self, proposed: str) -> None:
        self.proposed = proposed
        self.prompts: list[Prompt] = []

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        self.prompts.append(prompt)
        yield DraftPiece(self.proposed if prompt.version == VERSION else "NOT STATED")
        yield DraftPiece("", Usage(100, 10), "stop")

    def check(self) -> None:
        return None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with stored(tmp_path, NOTES) as store:
        yield store


def ask(store: EmbeddedStore, proposed: Any, text: str = ASKED, scope: AccessScope | None = None) -> Answer:
    model = Model(proposed if isinstance(proposed, str) else json.dumps(proposed))
    plain = Answering(EMBEDDER, store, model, AnsweringSettings())
    inside = UnderstoodAnswering(ShapedAnswering(plain, store, EMBEDDER, SHAPES), store)
    filters = Filters(scope=scope) if scope else Filters()
    return answer(PlanProposal(inside, model, store), Question(text, filters))


def understood(found: Answer) -> list[str]:
    return [each.id for each in found.understood]


def test_a_proposal_that_the_question_bears_out_is_used(store: EmbeddedStore) -> None:
    found = ask(store, {"patients": ["Anna Mitchell"], "finding": "gout", "shape": "yes/no"})
    assert understood(found) == ["patient:P1", "finding:gout", "shape:yes-no"]
    assert found.text == '"She has gout." [1]'
    assert found.usage == Usage(100, 10)


def test_words_around_the_json_do_not_matter(store: EmbeddedStore) -> None:
    found = ask(store, 'Here it is:\n```json\n{"finding": "gout", "shape": "yes/no", "sure": true}\n```')
    assert "finding:gout" in understood(found)


@pytest.mark.parametrize(
    "proposed",
    [
        {"finding": "diabetes", "shape": "yes/no"},
        {"finding": "gout documented Mitchell", "shape": "yes/no"},
        {"finding": "Anna Mitchell", "shape": "yes/no"},
        {"finding": "gout", "shape": "yes/no", "negated": True},
        {"shape": "certainly"},
        {"kinds": ["drug of choice"]},
        {"finding": ["gout"]},
        {"kinds": ["medication"] * 9},
        "no idea",
        '{"finding": ',
        "",
    ],
)
def test_what_the_question_does_not_say_is_not_believed(store: EmbeddedStore, proposed: Any) -> None:
    assert understood(ask(store, proposed))[:1] == ["patient:P1"]
    assert not {"finding:diabetes", "shape:yes-no", "negation"} & set(understood(ask(store, proposed)))


@pytest.mark.parametrize(
    ("text", "proposed"),
    [
        ("I wonder about gout and the kidneys of Anna Mitchell", {"finding": "gout", "shape": "yes/no"}),
        ("Is gout mentioned for Anna Mitchell and how is the knee?", {"finding": "gout", "shape": "yes/no"}),
    ],
)
def test_a_proposal_that_passes_over_words_answers_nothing(
    store: EmbeddedStore, text: str, proposed: Any
) -> None:
    found = ask(store, proposed, text)
    assert not [each for each in found.understood if each.part == "shape"]
    assert found.outcome == "nothing_relevant"


def test_patients_are_those_whom_the_question_writes_and_the_register_knows(store: EmbeddedStore) -> None:
    text = "pull up whatever is known of keller"
    assert understood(ask(store, {"patients": ["keller"]}, text))[:1] == ["patient:P2"]
    for named in (["Anna Mitchell"], ["keller", "Eva Nowak"], ["P2"], [""], ["known"]):
        assert not [each for each in understood(ask(store, {"patients": named}, text)) if "patient" in each]
    ward = AccessScope(domains=frozenset(["ward"]))
    assert not [
        each for each in understood(ask(store, {"patients": ["keller"]}, text, ward)) if "patient" in each
    ]


def test_it_is_asked_only_where_the_words_are_not_understood_and_a_setting_says_so(
    store: EmbeddedStore,
) -> None:
    model = Model("{}")
    on = load_settings(None, answering={"plan_by_model": True})
    for understood in ("Does Anna Mitchell have gout?", "does anna mitchell have gout"):
        answer(compose_answerer(EMBEDDER, store, model, on), Question(understood))
    assert VERSION not in [prompt.version for prompt in model.prompts]
    answer(compose_answerer(EMBEDDER, store, model, on), Question(ASKED))
    assert [prompt.version for prompt in model.prompts].count(VERSION) == 1
    model.prompts.clear()
    answer(compose_answerer(EMBEDDER, store, model, load_settings(None)), Question(ASKED))
    assert VERSION not in [prompt.version for prompt in model.prompts]
