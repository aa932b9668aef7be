"""Whom a question names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.backends.named_patients import names, whom_it_means
from pipeline.records import Hit
from tests.contracts.generator import prompt

TEXTS = {
    "Mr. John Perry presents with back pain. Atrial fibrillation is known.": "perry",
    "Blood pressure 180/95 mmHg in the emergency room.": "somebody",
    "Anna Mitchell takes allopurinol. Ms. Mitchell's gout is quiet.": "anna",
    "Alan Mitchell has left shoulder pain. The shirt was brown.": "alan",
    "Mrs. O’Brien-Smith was seen. Sophia Brown is her sister.": "obrien",
}


def passages(*patients: str) -> list[Hit]:
    given = prompt(texts=tuple(TEXTS)).passages
    hits = [replace(hit, patient_id=TEXTS[hit.text]) for hit in given]
    return [hit for hit in hits if not patients or hit.patient_id in patients]


EVERYBODY = frozenset(TEXTS.values())


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("What was the blood pressure of Mr. Perry?", {"perry"}),
        ("How is mr perry?", EVERYBODY),
        ("Does Anna Mitchell have gout?", {"anna"}),
        ("Anna Mitchell's dose?", {"anna"}),
        ("Anna Mitchell’s dose?", {"anna"}),
        ("Which pain has Ms. Mitchell?", {"anna", "alan"}),
        ("Does Eva Mitchell have pain?", {"anna", "alan"}),
        ("What is the pressure of Peter Nobody?", set()),
        ("When was Mrs. O'Brien-Smith seen?", {"obrien"}),
        ("Who is the sister of Sophia Brown?", {"obrien"}),
        ("How is Ms. Brown?", {"obrien"}),
        ("Has anybody Atrial Fibrillation?", EVERYBODY),
        ("Which patients have pain?", EVERYBODY),
        ("What Is The Blood Pressure?", EVERYBODY),
        ("Is Lasix given?", EVERYBODY),
    ],
)
def test_the_patients_that_a_question_can_mean(question: str, meant: set[str]) -> None:
    assert whom_it_means(question, passages())[1] == meant


def test_where_one_patient_was_chosen_names_choose_nobody_else() -> None:
    assert whom_it_means("How is Mr. Perry?", passages("anna"))[1] == {"anna"}


def test_the_name_is_not_asked_about() -> None:
    question, _ = whom_it_means(
        "Which dose does Ms. Anna Mitchell take, and Mr. Perry’s pressure?", passages()
    )
    assert question.split() == "Which dose does take, and pressure?".split()
    assert whom_it_means("Is Atrial Fibrillation known?", passages())[0] == "Is Atrial Fibrillation known?"


def test_no_passage_no_patient() -> None:
    assert whom_it_means("How is Mr. Perry?", []) == ("How is ?", frozenset())


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("What about Dr. Smith, and Mary Jones?", [["Smith"], ["Mary", "Jones"]]),
        ("List allergies of Mr Ward", [["Ward"]]),
        ("What did the MRI show?", []),
        ("Has the patient seen the Dr. about pain?", []),
        ("", []),
    ],
)
def test_names_are_capitalised_words_after_a_title_or_in_a_row(question: str, found: list[list[str]]) -> None:
    assert names(question) == found
