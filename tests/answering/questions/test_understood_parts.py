"""What was understood is told part by part, comes back from its ids, and has no effect once it is removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.answering.flow import Answering, answer
from pipeline.answering.questions.interpretation import plan_for, plan_of
from pipeline.answering.questions.plan import QuestionPlan
from pipeline.answering.questions.understood_parts import plan_in_words, plan_parts, with_carried
from pipeline.answering.questions.understood_question import UnderstoodQuestion
from pipeline.answering.shapes.reply import PlannedQuestion, Reply
from pipeline.answering.shapes.shaped_answering import ShapedAnswering
from pipeline.answering.shapes.shapes import SHAPES
from pipeline.answering.understood_answering import UnderstoodAnswering
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.local.extractive import ExtractiveGenerator
from pipeline.config import AnsweringSettings, GeneratorSettings
from pipeline.ports import Answerer
from pipeline.records import AccessScope, Answer, Document, Filters, Question, Retrieved
from tests.answering.questions.stored_notes import EMBEDDER, stored

HERS = "Anna Mitchell is a 44-year-old female.\n\nMEDICATIONS\n- Allopurinol 100 mg"
HIS = "Bruno Keller is a 60-year-old male.\n\nMEDICATIONS\n- Warfarin 5 mg"
NOTES = [
    Document("n1", "P1", "Visit note", HERS, "2021-02-01"),
    Document("n2", "P2", "Visit note", HIS, "2021-02-02", "ward"),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with stored(tmp_path, NOTES) as store:
        yield store


@pytest.fixture
def answerer(store: EmbeddedStore) -> Answerer:
    generator = ExtractiveGenerator(EMBEDDER, GeneratorSettings())
    inside = Answering(EMBEDDER, store, generator, AnsweringSettings())
    return UnderstoodAnswering(ShapedAnswering(inside, store, EMBEDDER, SHAPES), store)


def understood(found: Answer) -> dict[str, str]:
    return {each.id: each.text for each in found.understood}


def test_an_answer_tells_whom_what_when_and_which_shape(answerer: Answerer) -> None:
    found = answer(answerer, Question("What medications is Anna Mitchell currently on?"))
    assert understood(found) == {
        "patient:P1": "Anna Mitchell",
        "kind:medication": "medications",
        "time:latest": "latest",
        "shape:list": "list",
    }
    assert plan_in_words(found.understood) == "medications of Anna Mitchell, latest"


def test_it_is_told_with_the_passages_before_anything_else(answerer: Answerer) -> None:
    events = list(answerer.stream(Question("Does Bruno Keller take warfarin?")))
    assert isinstance(events[0], Retrieved)
    assert [each.id for each in events[0].understood] == [
        "patient:P2",
        "kind:medication",
        "finding:warfarin",
        "shape:yes-no",
    ]


def test_a_patient_out_of_sight_has_no_name(answerer: Answerer) -> None:
    ward = Filters(patient_ids=("P1",), scope=AccessScope(domains=frozenset(["ward"])))
    assert understood(answer(answerer, Question("Any gout?", ward)))["patient:P1"] == "patient P1"


@pytest.mark.parametrize(
    "question",
    [
        "Does § have diabetes?",
        "Which patients do not have diabetes?",
        "What are the latest labs?",
        "What was the blood pressure in 2020?",
        "What were the diagnoses during the last admission?",
        "Any imaging between 2020-01-01 and 2020-03-01?",
        "What happened at the first visit?",
        "How has the weight changed since 2019?",
        "Any imaging after 2020-01-01?",
        "What were the medications before 2020?",
    ],
)
def test_a_plan_comes_back_from_the_ids_of_its_parts(question: str) -> None:
    plan = plan_of(question)
    parts = plan_parts(plan)
    again = with_carried(plan_of("And?"), [each.id for each in parts])
    assert parts
    assert plan_parts(again) == parts
    assert again.time.period == plan.time.period


@pytest.mark.parametrize("part", ["kind:medication", "time:latest", "shape:list"])
def test_a_part_that_was_removed_is_not_in_the_plan(part: str) -> None:
    question = "What medications is Anna Mitchell currently on?"
    whole = {each.id for each in plan_parts(plan_for(Question(question)))}
    left = {each.id for each in plan_parts(plan_for(Question(question, without=(part,))))}
    assert part in whole
    assert left == whole - {part}


def test_without_the_negation_those_who_have_it_are_asked_for() -> None:
    question = "Which patients do not have diabetes?"
    assert plan_for(Question(question)).negated
    assert not plan_for(Question(question, without=("negation",))).negated


@pytest.mark.parametrize(
    ("text", "limited_to"),
    [
        ("What medications is Anna Mitchell on?", ()),
        ("What medications is patient P1 on?", ()),
        ("What medications is she on?", ("P1",)),
    ],
)
def test_without_its_patient_no_one_is_meant(
    answerer: Answerer, text: str, limited_to: tuple[str, ...]
) -> None:
    asked = Question(text, Filters(patient_ids=limited_to))
    assert "patient:P1" in understood(answer(answerer, asked))
    found = answer(answerer, Question(text, Filters(patient_ids=limited_to), without=("patient:P1",)))
    assert not [each for each in found.understood if each.part == "patient"]
    assert {hit.patient_id for hit in found.passages} == {"P1", "P2"}


def test_of_two_patients_the_other_one_stays(answerer: Answerer) -> None:
    text = "Compare the medications of Anna Mitchell and Bruno Keller"
    found = answer(answerer, Question(text, without=("patient:P1",)))
    assert {hit.patient_id for hit in found.passages} == {"P2"}


class Shape:
    """Takes no question, and keeps the plans that it is shown."""

    def __init__(self) -> None:
        self.shown: list[QuestionPlan] = []

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        self.shown.append(plan)
        return False

    def reply(self, asked: PlannedQuestion) -> Reply:
        raise NotImplementedError("it takes no question")


@pytest.mark.parametrize(
    "question",
    [
        "does anna mitchell take allopurinol",  # a pair of words that only the register knows to be a name
        "Does Anna Mitchell take allopurinol?",
        "Which patients take allopurinol?",
    ],
)
def test_what_is_said_to_be_understood_is_the_plan_that_shapes_are_shown(
    store: EmbeddedStore, question: str
) -> None:
    generator = ExtractiveGenerator(EMBEDDER, GeneratorSettings())
    inside = Answering(EMBEDDER, store, generator, AnsweringSettings())
    shape = Shape()
    asked = UnderstoodAnswering(ShapedAnswering(inside, store, EMBEDDER, (shape, shape)), store)
    found = answer(asked, Question(question))
    first, second = shape.shown
    assert first is second
    said = [each for each in found.understood if each.part != "patient"]
    assert said == list(plan_parts(first))
    assert first == UnderstoodQuestion.of(Question(question), store).plan


def test_a_pair_of_small_words_that_the_register_knows_is_no_part_of_the_finding(
    store: EmbeddedStore,
) -> None:
    understood = UnderstoodQuestion.of(Question("does anna mitchell take allopurinol"), store)
    assert understood.plan.finding == "allopurinol"
    assert understood.plan.patients.whom == "name"
    assert understood.plan is understood.plan


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("What was ordered for Anna Mitchell?", ""),
        ("What did the echocardiogram of Anna Mitchell show?", "echocardiogram"),
        ("What referrals were made for Anna Mitchell?", "referrals"),
        ("What did Anna Mitchell come in for?", "reason for visit"),
        ("What is the plan for Anna Mitchell's gout?", "plan for gout"),
        ("What is the plan for Bruno Banks' gout?", "plan for gout"),
    ],
)
def test_what_was_understood_ends_in_no_preposition_and_is_a_thing(question: str, told: str) -> None:
    assert plan_in_words(plan_parts(plan_of(question))) == told


def test_two_things_that_are_asked_of_patients_are_not_one_finding() -> None:
    for question in (
        "Have any patients with diabetes not had an eye exam?",
        "Which patients with gout are on insulin?",
    ):
        assert not any(each.part == "finding" for each in plan_parts(plan_of(question)))
