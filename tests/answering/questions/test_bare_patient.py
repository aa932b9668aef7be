"""A follow-up that is no more than a name or an id means that patient, and never the one before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.answering.follow_up import LastTurn, QuestionContext, in_conversation
from pipeline.answering.questions.bare_patient import bare_patient, words_with_a_capital
from pipeline.answering.questions.interpretation import plan_of
from pipeline.answering.questions.patient_meant import patient_meant
from pipeline.answering.questions.subject import subject_of
from pipeline.answering.questions.understood_parts import plan_parts
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.errors import BadRequest
from pipeline.records import Document, Question
from tests.answering.questions.stored_notes import EMBEDDER, stored

NOTES = {
    "K1": "Owen Hale is a 9-year-old boy, twin of Omar. His sister Zoe is well. Height 130 cm. Takes Zorvexa.",
    "K2": "Omar Hale is a 9-year-old boy, twin of Owen. Height 133 cm.",
    "K3": "Dawn Rivers is a 30-year-old woman. Height 160 cm.",
    "K4": "Bill Page is a 50-year-old man. Height 170 cm.",
    "K5": "Jon Smith is a 45-year-old man. Right knee arthroscopy in 2010.",
    "K6": "Max Smith is a 47-year-old man. HIV. Left knee arthroscopy in 2012.",
    "K7": "Ida Gout is a 61-year-old woman. Height 150 cm.",
}
FIRST = "What was the height of Owen Hale?"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    notes = [Document(f"n-{patient}", patient, "note", text) for patient, text in NOTES.items()]
    with stored(tmp_path_factory.mktemp("notes"), notes) as store:
        yield store


def follow(text: str, store: EmbeddedStore, *, unclear: bool = False) -> QuestionContext:
    first = patient_meant(Question(FIRST), store)
    parts = tuple(plan_parts(plan_of(FIRST, first.asked)))
    turn = LastTurn(FIRST, first.question.filters.patient_ids, parts, unclear)
    return in_conversation(Question(text), subject_of(text), turn, store, EMBEDDER)


@pytest.mark.parametrize(
    ("question", "patient"),
    [
        ("And Omar?", "K2"),
        ("What about Omar?", "K2"),
        ("and omar", "K2"),
        ("What about OMAR?", "K2"),
        ("Omar?", "K2"),
        ("And Omar too?", "K2"),
        ("Same for Omar's?", "K2"),
        ("And k2?", "K2"),
        ("And for K4?", "K4"),
        ("And Bill?", "K4"),
        ("and page?", "K4"),
        ("And Rivers?", "K3"),
        ("and dawn", "K3"),
        ("And Gout?", "K7"),
        ("And Owen?", "K1"),
    ],
)
def test_a_name_or_an_id_alone_is_that_patient(store: EmbeddedStore, question: str, patient: str) -> None:
    found = follow(question, store)
    assert found.question.filters.patient_ids == (patient,)
    assert "finding:height" in found.question.carried
    again = patient_meant(found.question, store)
    assert any(each.is_id or each.sure for each in again.asked.written)


@pytest.mark.parametrize("question", ["And Smith?", "and smith?", "And Hale?", "What about hale?"])
def test_a_name_of_several_is_asked_back(store: EmbeddedStore, question: str) -> None:
    found = follow(question, store)
    assert (found.question.filters.patient_ids, found.is_unclear) == ((), True)


@pytest.mark.parametrize(
    "question",
    [
        "And Zoe?",
        "And Zoltan?",
        "And K9?",
        "And Omar, his twin?",
        "Since when has he known Page?",
        "does bill smoke",
        "is omar allergic to nuts",
        "What is her height?",
    ],
)
def test_whom_no_one_knows_is_refused(store: EmbeddedStore, question: str) -> None:
    with pytest.raises(BadRequest):
        follow(question, store)


@pytest.mark.parametrize(
    "question",
    [
        "And gout?",
        "And Tylenol?",
        "And an MRI?",
        "And HIV?",
        "And Zorvexa?",
        "And B12?",
        "And in 2021?",
        "And in May?",
        "Why?",
        "And his twin?",
        "What is his height?",
    ],
)
def test_a_thing_is_asked_of_the_patient_before(store: EmbeddedStore, question: str) -> None:
    assert follow(question, store).kept_patient == "K1"


def test_a_first_name_in_a_question_is_the_patient_before_although_others_have_it(tmp_path: Path) -> None:
    notes = [
        Document(f"n-{number}", f"K{number}", "note", f"Owen {surname} is a 9-year-old boy.")
        for number, surname in enumerate(("Hale", "Park"))
    ]
    with stored(tmp_path, notes) as store:
        turn = LastTurn("Does Owen Hale smoke?", ("K0",))
        asked = Question("Is Owen taking iron?")
        found = in_conversation(asked, subject_of(asked.text), turn, store, EMBEDDER)
        assert (found.kept_patient, found.question.filters.patient_ids) == ("K0", ("K0",))
        several = in_conversation(Question("And Owen?"), "open", turn, store, EMBEDDER)
        assert (several.question.filters.patient_ids, several.is_unclear) == ((), True)


@pytest.mark.parametrize("question", ["What is his height?", "And allergies?", "Any rash?"])
def test_after_an_unclear_patient_no_one_is_he(store: EmbeddedStore, question: str) -> None:
    with pytest.raises(BadRequest):
        follow(question, store, unclear=True)


@pytest.mark.parametrize(
    ("question", "patients", "reason"),
    [
        ("Does Smith have HIV?", (), "which_patient"),
        ("does smith have hiv", (), "which_patient"),
        ("Which knee did Smith have arthroscopy on?", (), "which_patient"),
        ("Smith: HIV?", (), "which_patient"),
        ("What happened to Smith?", (), "which_patient"),
        ("Does Max Smith have HIV?", ("K6",), None),
        ("Does Page take warfarin?", ("K4",), None),
        ("Has Page been seen?", ("K4",), None),
        ("Is gout treated?", (), None),
        ("Was the Smith fracture reduced?", (), None),
    ],
)
def test_a_bare_surname(
    store: EmbeddedStore, question: str, patients: tuple[str, ...], reason: str | None
) -> None:
    found = patient_meant(Question(question), store)
    assert (found.question.filters.patient_ids, found.reason) == (patients, reason)


def test_what_alone_may_be_someone() -> None:
    assert bare_patient("And her weight?") is None
    assert bare_patient("And 2021?") is None
    assert bare_patient("And no one?") is None
    assert words_with_a_capital("Is the Foley out since May, and did Hale see Dr. Ford?") == ("Hale",)


def test_what_was_asked_by_its_verb_is_carried(store: EmbeddedStore) -> None:
    turn = LastTurn("What does Owen Hale weigh?", ("K1",), tuple(plan_parts(plan_of("What does § weigh?"))))
    found = in_conversation(Question("And Omar?"), "open", turn, store, EMBEDDER).question
    assert found.filters.patient_ids == ("K2",)
    assert "finding:weight" in found.carried
