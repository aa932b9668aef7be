"""Lists, yes or no, who, counts and summaries without a language model, over notes in a real store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from pipeline.answering.flow import Answering, answer
from pipeline.answering.questions.understood_question import UnderstoodQuestion
from pipeline.answering.shapes.reply import PlannedQuestion, Quotation, Reply
from pipeline.answering.shapes.shaped_answering import MODEL, ShapedAnswering
from pipeline.answering.shapes.shapes import SHAPES
from pipeline.answering.stages import Stopwatch
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.local.extractive import ExtractiveGenerator
from pipeline.config import AnsweringSettings, GeneratorSettings
from pipeline.records import AccessScope, Answer, AnswerEvent, Document, Filters, Question
from tests.answering.questions.stored_notes import EMBEDDER, stored

ANNA_OLD = """Anna Mitchell is a 43-year-old female.

MEDICATIONS

- colchicine 0.6 mg daily

ALLERGIES

No known allergies.
"""
ANNA = """CHIEF COMPLAINT

Follow-up of gout.

HISTORY OF PRESENT ILLNESS

Anna Mitchell is a 44-year-old female. Her mother had a stroke. She denies chest pain.

MEDICATIONS

- allopurinol 100 mg once daily
- omeprazole 40 mg once daily
- Allopurinol 100 mg once daily

ALLERGIES

Penicillin.

ASSESSMENT AND PLAN

1. Gout.
- Medical Reasoning: Her flares are well controlled.
- Medical Treatment: Start febuxostat 40 mg daily.
"""
MARTHA = """Martha Collins is a 50-year-old female.

HISTORY OF PRESENT ILLNESS

Congestive heart failure. Swelling of the right ankle. Takes metformin 500 mg twice daily.

FAMILY HISTORY

Diabetes.
"""
JOHN = """John Perry is a 61-year-old male. He has gout and atrial fibrillation. He has no allergy to penicillin."""
EVA = """Eva Nowak is a 30-year-old female. She denies gout. She takes allopurinol."""


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[EmbeddedStore]:
    documents = [
        Document("a1", "p1", "Visit note", ANNA_OLD, "2020-01-05", "ward"),
        Document("a2", "p1", "Visit note", ANNA, "2021-01-05", "ward"),
        Document("m1", "p2", "Visit note", MARTHA, "2021-02-05", "ward"),
        Document("j1", "p3", "Visit note", JOHN, "2021-03-05", "clinic"),
        Document("e1", "p4", "Visit note", EVA, "2021-04-05", "clinic"),
    ]
    with stored(tmp_path, documents) as store:
        yield store


def asked(text: str, store: EmbeddedStore, filters: Filters | None = None) -> Answer:
    generator = ExtractiveGenerator(EMBEDDER, GeneratorSettings(sentence_similarity_min=0.1))
    inside = Answering(EMBEDDER, store, generator, AnsweringSettings())
    return answer(ShapedAnswering(inside, store, EMBEDDER, SHAPES), Question(text, filters or Filters()))


def quotes(answer: Answer) -> list[str]:
    return [citation.quote for citation in answer.citations]


def lines(answer: Answer) -> list[str]:
    return [statement.text for statement in answer.statements]


def test_a_list_is_the_newest_section_each_item_once_and_what_was_changed(notes: EmbeddedStore) -> None:
    told = asked("What medications is Anna Mitchell on?", notes)
    assert lines(told) == [
        "MEDICATIONS (Visit note, 2021-01-05):",
        '"allopurinol 100 mg once daily" [1]',
        '"omeprazole 40 mg once daily" [2]',
        "Taken or ordered, as sentences say it (Visit note, 2021-01-05):",
        '"Medical Treatment: Start febuxostat 40 mg daily." [3]',
    ]
    assert {citation.patient_id for citation in told.citations} == {"p1"}
    assert all(ANNA[each.start : each.end] == each.quote for each in told.citations)


def test_allergies_are_those_of_the_newest_note_that_has_any(notes: EmbeddedStore) -> None:
    assert quotes(asked("What is Anna Mitchell allergic to?", notes)) == ["Penicillin"]


def test_what_no_note_of_hers_has_is_not_stated(notes: EmbeddedStore) -> None:
    told = asked("What is Martha Collins allergic to?", notes)
    assert (told.outcome, told.reason, told.statements) == ("nothing_relevant", "not_stated", ())


def test_headlines_of_an_assessment_are_problems_and_the_rest_is_not(notes: EmbeddedStore) -> None:
    assert quotes(asked("What are the diagnoses of Anna Mitchell?", notes)) == ["Gout."]


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("Does Martha Collins have diabetes?", []),
        ("Is there swelling of the left ankle in Martha Collins?", []),
        ("Is there swelling of the right ankle in Martha Collins?", ["Swelling of the right ankle."]),
        ("Does Anna Mitchell have chest pain?", ["She denies chest pain."]),
        ("Is Anna Mitchell allergic to penicillin?", ["Penicillin."]),
        ("Is Anna Mitchell taking penicillin?", []),
        ("Has Anna Mitchell had a stroke?", []),
    ],
)
def test_yes_or_no_is_the_sentence_that_says_it_or_not_stated(
    notes: EmbeddedStore, question: str, quoted: list[str]
) -> None:
    told = asked(question, notes)
    assert quotes(told) == quoted
    assert told.reason == (None if quoted else "not_stated")


def test_heart_failure_comes_near_a_heart_attack_and_is_none(notes: EmbeddedStore) -> None:
    told = asked("Has Martha Collins had a heart attack?", notes)
    assert (told.outcome, told.reason) == ("nothing_relevant", "not_stated")
    assert lines(told) == [
        "Not stated in the notes. What comes near:",
        '"Congestive heart failure." [1]',
    ]


def test_who_has_it_by_patient_and_who_denies_it_apart(notes: EmbeddedStore) -> None:
    told = asked("Which patients have gout?", notes)
    assert lines(told)[0] == "2 patients with gout, all whose notes say so in these words:"
    assert [line.split(",")[0] for line in lines(told)[1:3]] == ["Patient p1", "Patient p3"]
    assert lines(told)[3] == "1 more patient mentions it as denied:"
    assert lines(told)[4].startswith("Patient p4, 2021-04-05: ")


def test_those_out_of_sight_are_neither_listed_nor_counted(notes: EmbeddedStore) -> None:
    ward = Filters(scope=AccessScope(domains=frozenset(["ward"])))
    told = asked("Which patients have gout?", notes, ward)
    assert lines(told)[0].startswith("1 patient with gout")
    assert len(told.statements) == 2
    assert {hit.patient_id for hit in told.passages} == {"p1"}


def test_a_relatives_illness_is_not_the_patients(notes: EmbeddedStore) -> None:
    told = asked("Which patients have diabetes?", notes)
    assert lines(told)[0] == (
        "No patient with diabetes whose notes say so in these words, but 1 patient mentions it of the family:"
    )


def test_who_reacts_to_a_drug_is_not_who_takes_it(notes: EmbeddedStore) -> None:
    told = asked("Any allergies to penicillin?", notes)
    assert lines(told)[0].startswith("1 patient with")
    assert lines(told)[1].startswith("Patient p1")
    assert lines(told)[2].endswith("as denied:")
    assert asked("Who takes penicillin?", notes).reason == "not_stated"


def test_a_count_says_what_was_counted(notes: EmbeddedStore) -> None:
    assert lines(asked("How many patients take allopurinol?", notes))[0].startswith(
        "2 patients with allopurinol"
    )


def test_a_summary_is_the_newest_visit_part_by_part(notes: EmbeddedStore) -> None:
    told = asked("Summarise the visit of Anna Mitchell", notes)
    parts = [statement.text.partition(" (")[0] for statement in told.statements if not statement.citations]
    assert parts == ["Reason for the visit", "History", "Allergies", "Medications", "Assessment and plan"]
    assert {citation.resource_id for citation in told.citations} == {"a2"}


@pytest.mark.parametrize(
    "question",
    [
        "I am seeing Anna Mitchell this afternoon. Key points?",
        "I have Anna Mitchell in clinic tomorrow, give me the highlights",
        "Bring me up to speed on Anna Mitchell",
        "Tell me about Anna Mitchell",
        "Can I get an overview of Anna Mitchell?",
    ],
)
def test_a_summary_is_asked_for_in_many_words(notes: EmbeddedStore, question: str) -> None:
    assert lines(asked(question, notes)) == lines(asked("Summarise the visit of Anna Mitchell", notes))


def test_a_summary_is_of_the_day_asked_for(notes: EmbeddedStore) -> None:
    told = asked("Summarise the visit of Anna Mitchell on 2020-01-05", notes)
    assert {citation.resource_id for citation in told.citations} == {"a1"}


@pytest.mark.parametrize(
    "question",
    [
        "How much allopurinol does Anna Mitchell take?",
        "What does the x-ray show?",
        "What does Harold Finch take?",
    ],
)
def test_all_other_questions_are_answered_as_before(notes: EmbeddedStore, question: str) -> None:
    assert asked(question, notes).model != MODEL


def test_what_is_found_is_verified_like_a_models_draft(notes: EmbeddedStore) -> None:
    """A shape that cuts "chest pain" out of "denies chest pain" shows nothing."""

    class Careless:
        def takes(self, plan: object, patients: object) -> bool:
            return True

        def reply(self, asked: PlannedQuestion) -> Reply:
            (hit,) = (
                hit
                for hit in asked.store.hits(
                    [
                        each.chunk_id
                        for each in asked.store.search_words("chest pain", 9, asked.question.filters)
                    ],
                    asked.vector,
                )
                if "chest pain" in hit.text
            )
            at = hit.text.index("chest pain")
            return Reply((Quotation(hit, at, at + len("chest pain")),))

    generator = ExtractiveGenerator(EMBEDDER, GeneratorSettings())
    inside = Answering(EMBEDDER, notes, generator, AnsweringSettings())
    careless = ShapedAnswering(inside, notes, EMBEDDER, (Careless(),))
    told = answer(careless, Question("Does Anna Mitchell have chest pain?"))
    assert '"chest pain"' not in told.text


class Inside(Answering):
    """Keeps what it is handed."""

    handed: ClassVar[list[UnderstoodQuestion | None]] = []

    def stream(
        self, question: Question, understood: UnderstoodQuestion | None = None, watch: Stopwatch | None = None
    ) -> Iterator[AnswerEvent]:
        self.handed.append(understood)
        return super().stream(question, understood, watch)


@pytest.mark.parametrize("question", ["Tell me something of Anna Mitchell's flares", "is cough seen", "Hm?"])
def test_whom_a_question_means_is_found_out_once(notes: EmbeddedStore, question: str) -> None:
    inside = Inside(EMBEDDER, notes, ExtractiveGenerator(EMBEDDER, GeneratorSettings()), AnsweringSettings())
    told = answer(ShapedAnswering(inside, notes, EMBEDDER, SHAPES), Question(question))
    assert inside.handed.pop() == UnderstoodQuestion.of(Question(question), notes)
    plain = Answering(EMBEDDER, notes, inside.generator, AnsweringSettings())
    assert replace(told, seconds={}) == replace(plain.answer(Question(question)), seconds={})
