"""A follow-up takes over what it lacks, and nothing where it is whole in itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.answering.carried_words import CarriedWords, with_carried_words
from pipeline.answering.flow import Answering, answer
from pipeline.answering.follow_up import in_conversation, needs_no_lookup, patients_of
from pipeline.answering.questions.carried_parts import may_carry
from pipeline.answering.questions.subject import subject_of
from pipeline.answering.shapes.shaped_answering import ShapedAnswering
from pipeline.answering.shapes.shapes import SHAPES
from pipeline.answering.understood_answering import UnderstoodAnswering
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.local.extractive import ExtractiveGenerator
from pipeline.config import AnsweringSettings, GeneratorSettings
from pipeline.errors import BadRequest
from pipeline.records import Answer, Document, Filters, Question, UnderstoodPart
from tests.answering.questions.stored_notes import EMBEDDER, stored

ANNA = (
    "Anna Mitchell is a 44-year-old female.\n\nMEDICATIONS\n- Allopurinol 100 mg\n\nALLERGIES\n- Penicillin\n\n"
    "ASSESSMENT\nShe has gout. No diabetes."
)
MARTHA = (
    "Martha Collins is a 61-year-old female.\n\nMEDICATIONS\n- Warfarin 5 mg\n\nALLERGIES\n- Latex\n\n"
    "ASSESSMENT\nShe has diabetes and hypertension."
)


@dataclass
class Turn:
    """A turn, as conversations keep it."""

    question: Question
    answered: Answer

    def patients(self) -> tuple[str, ...]:
        cited = [each.patient_id for each in self.answered.citations]
        return patients_of(self.question.filters.patient_ids, cited)

    def is_unclear(self) -> bool:
        return False

    def last_question(self) -> str:
        return self.question.text

    def understood(self) -> tuple[UnderstoodPart, ...]:
        return self.answered.understood


class Talk:
    """A conversation over two patients' notes."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.store = store
        plain = Answering(
            EMBEDDER, store, ExtractiveGenerator(EMBEDDER, GeneratorSettings()), AnsweringSettings()
        )
        shaped = ShapedAnswering(CarriedWords(plain), store, EMBEDDER, SHAPES)
        self.answerer = UnderstoodAnswering(shaped, store)
        self.last: Turn | None = None

    def ask(self, text: str, *without: str, patients: tuple[str, ...] = ()) -> Answer:
        question = Question(text, Filters(patient_ids=patients), without=without)
        about = subject_of(text)
        if not needs_no_lookup(question, about, goes_on=self.last is not None):
            question = in_conversation(question, about, self.last, self.store, EMBEDDER).question
        self.last = Turn(question, answer(self.answerer, question))
        return self.last.answered


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    notes = [
        Document("n1", "P1", "Visit note", ANNA, "2020-02-01"),
        Document("n2", "P2", "Visit note", MARTHA, "2021-02-02"),
    ]
    with stored(tmp_path, notes) as store:
        yield Talk(store)


def parts(found: Answer) -> dict[str, bool]:
    return {each.id: each.carried for each in found.understood}


@pytest.mark.parametrize(
    ("first", "then", "understood"),
    [
        (
            "What medications is Anna Mitchell on?",
            "And Martha Collins?",
            {"patient:P2": False, "kind:medication": True, "shape:list": True},
        ),
        (
            "Does Anna Mitchell have diabetes?",
            "What about Martha Collins?",
            {"patient:P2": False, "finding:diabetes": True, "shape:yes-no": True},
        ),
        (
            "Does Martha Collins have diabetes?",
            "And hypertension?",
            {"patient:P2": True, "finding:hypertension": False, "shape:yes-no": True},
        ),
        (
            "Is Anna Mitchell allergic to penicillin?",
            "And latex?",
            {"patient:P1": True, "kind:allergy": True, "finding:latex": False, "shape:yes-no": True},
        ),
        ("Which patients have diabetes?", "And gout?", {"finding:gout": False, "shape:who": True}),
        (
            "Which patients have diabetes?",
            "And Anna Mitchell?",
            {"patient:P1": False, "finding:diabetes": True, "shape:yes-no": True},
        ),
        (
            "Which patients have hypertension?",
            "and which of them take warfarin?",
            {
                "kind:medication": False,
                "finding:warfarin": False,
                "also://hypertension": True,
                "shape:who": True,
            },
        ),
        (
            "Which patients do not have diabetes?",
            "And gout?",
            {"finding:gout": False, "shape:who": True, "negation": True},
        ),
        (
            "What were the medications of Anna Mitchell in 2020?",
            "And in 2021?",
            {"patient:P1": True, "kind:medication": True, "time:2021..2021": False, "shape:list": True},
        ),
        (
            "What were the medications of Anna Mitchell in 2020?",
            "And her allergies?",
            {"patient:P1": True, "kind:allergy": False, "time:2020..2020": True, "shape:list": False},
        ),
        (
            "What were the medications of Anna Mitchell in 2020?",
            "What is she allergic to?",
            {"patient:P1": True, "kind:allergy": False, "shape:list": False},
        ),
        (
            "Does Anna Mitchell have gout?",
            "Which patients take warfarin?",
            {"kind:medication": False, "finding:warfarin": False, "shape:who": False},
        ),
        (
            "Does Anna Mitchell have gout?",
            "And for how long?",
            {"patient:P1": True, "finding:gout": True},
        ),
        (
            "Does Anna Mitchell have gout?",
            "When was that?",
            {"patient:P1": True, "finding:gout": True},
        ),
        ("Which patients have diabetes?", "How many?", {"finding:diabetes": True, "shape:count": True}),
        (
            "What medications is Anna Mitchell on?",
            "And her blood pressure?",
            {
                "patient:P1": True,
                "kind:vital-sign": False,
                "finding:blood pressure": False,
                "shape:fact": True,
            },
        ),
        (
            "How has the weight of Anna Mitchell changed?",
            "And Martha Collins?",
            {"patient:P2": False, "kind:vital-sign": True, "finding:weight": True, "shape:trend": True},
        ),
        (
            "What dose of allopurinol is Anna Mitchell taking?",
            "And Martha Collins?",
            {
                "patient:P2": False,
                "kind:medication": True,
                "finding:dose of allopurinol": True,
            },
        ),
        (
            "What was the blood pressure of Anna Mitchell after 2019?",
            "And the weight?",
            {
                "patient:P1": True,
                "kind:vital-sign": False,
                "finding:weight": False,
                "time:>2019..": True,
                "shape:fact": True,
            },
        ),
        (
            "What does Anna Mitchell take for gout?",
            "And for her reflux?",
            {"patient:P1": True, "kind:medication": True, "finding:reflux": False, "shape:list": True},
        ),
        (
            "What does Anna Mitchell take for gout?",
            "And Martha Collins?",
            {"patient:P2": False, "kind:medication": True, "finding:gout": True, "shape:list": True},
        ),
        ("Does Anna Mitchell have gout?", "Is there anything else?", {"patient:P1": True}),
        ("Does Anna Mitchell have gout?", "Who else?", {"finding:gout": True, "shape:who": True}),
    ],
)
def test_what_a_follow_up_lacks_is_carried(
    talk: Talk, first: str, then: str, understood: dict[str, bool]
) -> None:
    talk.ask(first)
    assert parts(talk.ask(then)) == understood


def test_ten_turns_each_about_the_right_patient(talk: Talk) -> None:
    turns = [
        ("What medications is Anna Mitchell on?", "Allopurinol", {"P1"}),
        ("What is she allergic to?", "Penicillin", {"P1"}),
        ("And Martha Collins?", "Latex", {"P2"}),
        ("Does she have diabetes?", "diabetes", {"P2"}),
        ("And gout?", None, set()),
        ("And Anna Mitchell?", "gout", {"P1"}),
        ("And her medications?", "Allopurinol", {"P1"}),
        ("Which patients have diabetes?", "1 more patient", {"P1", "P2"}),
        ("And hypertension?", "hypertension", {"P2"}),
    ]
    for text, said, about in turns:
        found = talk.ask(text)
        assert {each.patient_id for each in found.citations} == about, text
        assert said is None or said in found.text, text
    talk.last = None
    with pytest.raises(BadRequest, match="nothing tells which patient"):
        talk.ask("What is she allergic to?")


def test_what_was_carried_has_no_effect_once_it_is_removed(talk: Talk) -> None:
    talk.ask("Does Martha Collins have diabetes?")
    found = talk.ask("And Anna Mitchell?", "finding:diabetes", "shape:yes-no")
    assert parts(found) == {"patient:P1": False}
    talk.ask("What were the medications of Anna Mitchell in 2020?")
    assert "time:2020..2020" not in parts(talk.ask("And her allergies?", "time:2020..2020"))


def test_a_chosen_patient_carries_thing_and_time_as_well(talk: Talk) -> None:
    talk.ask("What were the medications in 2020?", patients=("P1",))
    found = talk.ask("And in 2021?", patients=("P1",))
    assert parts(found)["kind:medication"]


@pytest.mark.parametrize(
    ("question", "asks"),
    [("What is she allergic to?", "Whose allergies?"), ("Does she have gout?", "Who is meant?")],
)
def test_she_whom_nothing_names_is_asked_back(talk: Talk, question: str, asks: str) -> None:
    with pytest.raises(BadRequest, match=asks) as refused:
        talk.ask(question)
    assert "Name the patient" in refused.value.remedy


def test_she_is_asked_back_again_once_the_patient_was_removed(talk: Talk) -> None:
    talk.ask("Does Anna Mitchell have gout?")
    with pytest.raises(BadRequest, match="Whose allergies"):
        talk.ask("What is she allergic to?", "patient:P1")


def test_a_fact_of_the_next_patient_is_never_that_of_the_one_before(talk: Talk) -> None:
    first = talk.ask("What dose of allopurinol is Anna Mitchell taking?")
    assert "100 mg" in first.text
    second = talk.ask("And Martha Collins?")
    assert "100 mg" not in second.text
    assert {each.patient_id for each in second.citations} <= {"P2"}
    third = talk.ask("What dose of warfarin is she taking?")
    assert "5 mg" in third.text


def test_a_search_reads_the_words_that_are_carried() -> None:
    asked = Question("And for how long?", carried=("finding:gout", "patient:P1"))
    assert with_carried_words(asked).text == "And for how long? (gout)"
    assert (
        with_carried_words(Question("And gout?", carried=("finding:gout", "shape:who"))).text == "And gout?"
    )


@pytest.mark.parametrize(
    ("first", "then", "quoted"),
    [
        ("Why is Martha Collins on warfarin?", "What dose of it does she take?", ["Warfarin 5 mg"]),
        ("Does Anna Mitchell have gout?", "Was it ruled out?", ["She has gout."]),
        ("What dose of warfarin is Martha Collins on?", "Is she still taking it?", ["Warfarin 5 mg"]),
    ],
)
def test_it_is_what_was_asked_about_before(talk: Talk, first: str, then: str, quoted: list[str]) -> None:
    talk.ask(first)
    assert [each.quote for each in talk.ask(then).citations] == quoted


@pytest.mark.parametrize(
    "question", ["Which stage is it?", "Has it spread to the liver?", "Is the left knee swollen?"]
)
def test_a_question_that_names_its_thing_points_at_nothing(question: str) -> None:
    assert not may_carry(question)


@pytest.mark.parametrize(
    "question",
    [
        "what does martha collins say she takes",
        "what is martha collins taking, and why is she",
        "martha collins warfarin dose",
        "martha collins BP or INR, warfarin?",
    ],
)
def test_a_name_in_small_letters_is_not_the_patient_before(talk: Talk, question: str) -> None:
    talk.ask("What is Anna Mitchell allergic to?")
    assert {each.patient_id for each in talk.ask(question).citations} <= {"P2"}
    assert talk.last is not None
    assert talk.last.question.filters.patient_ids == ("P2",)


@pytest.mark.parametrize(
    "question", ["what is collins allergic to", "collins allergies", "and collins warfarin dose"]
)
def test_another_surname_in_small_letters_is_not_answered_from_the_patient_before(
    talk: Talk, question: str
) -> None:
    talk.ask("What is Anna Mitchell allergic to?")
    with pytest.raises(BadRequest, match="someone other"):
        talk.ask(question)
    assert talk.ask("and what does mitchell take?").citations
