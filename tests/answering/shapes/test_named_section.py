"""Sections that a question names by their title, of notes whose line ends have become commas too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.records import Document
from tests.answering.questions.stored_notes import stored
from tests.answering.shapes.test_shaped_answering import asked, quotes

OPERATION = (
    "Nora Patel is a 50-year-old female.,PREOPERATIVE DIAGNOSIS: , Umbilical hernia.,POSTOPERATIVE DIAGNOSES,1.  "
    "Umbilical hernia.,2.  Adhesions.,PROCEDURE PERFORMED: , Umbilical hernia repair with mesh.,ANESTHESIA: , Spinal.,"
    "ESTIMATED BLOOD LOSS:  ,Less than 20 mL.,COMPLICATIONS: , None.,She was brought to the operating room and "
    "the sac was opened.  A suture of the fascia was placed.,"
)
STAY = (
    "Nora Patel is a 51-year-old female. ADMISSION DIAGNOSIS: Cellulitis of the left leg. DISCHARGE DIAGNOSES: 1. "
    "Cellulitis, resolving. 2. Type 2 diabetes. HOSPITAL COURSE: She was given cefazolin. DISCHARGE MEDICATIONS: "
    "Cephalexin 500 mg four times daily, metformin 500 mg twice daily. DISCHARGE CONDITION: Stable.\n"
)
SCAN = (
    "Nora Patel is a 51-year-old female.,EXAM: , CT of the chest.,FINDINGS: , There is a nodule in the left lung.,"
    "IMPRESSION:,1.  Pulmonary nodule of 6 mm.,2.  No effusion.radiology, chest, pulmonary nodule, pneumonia, ct, "
    "lobe, effusion, embolism,"
)
ABDOMEN = (
    "Nora Patel is a 49-year-old female. REASON FOR EXAM: Right lower quadrant pain, rule out appendicitis. FINDINGS: "
    "The liver is normal.\n"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    folder: Path = tmp_path_factory.mktemp("sections")
    notes = [
        Document("n0", "p1", "Imaging report", ABDOMEN, "2020-02-01", "ward"),
        Document("n1", "p1", "Operative note", OPERATION, "2021-02-01", "ward"),
        Document("n2", "p1", "Discharge summary", STAY, "2022-03-01", "ward"),
        Document("n3", "p1", "Imaging report", SCAN, "2022-05-01", "ward"),
    ]
    with stored(folder, notes) as store:
        yield store


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("EBL for Nora Patel", ["Less than 20 mL"]),
        ("What type of anesthetic was used, Nora Patel?", ["Spinal"]),
        ("Any complications during Nora Patel's hernia repair?", ["None"]),
        ("postop dx Nora Patel", ["Umbilical hernia", "Adhesions"]),
        ("Please list the discharge diagnoses of Nora Patel.", ["Cellulitis, resolving", "Type 2 diabetes"]),
        ("Nora Patel admission dx?", ["Cellulitis of the left leg"]),
        (
            "Meds on discharge, Nora Patel",
            ["Cephalexin 500 mg four times daily", "metformin 500 mg twice daily"],
        ),
        ("condition at discharge of Nora Patel", ["Stable"]),
        ("Why was Nora Patel admitted?", ["Cellulitis of the left leg"]),
        ("what op did Nora Patel have", ["Umbilical hernia repair with mesh"]),
        ("Impression of Nora Patel's chest CT?", ["Pulmonary nodule of 6 mm", "No effusion"]),
    ],
)
def test_a_section_that_is_named(store: EmbeddedStore, question: str, said: list[str]) -> None:
    assert quotes(asked(question, store)) == said


@pytest.mark.parametrize(
    "question",
    [
        "Any complications of Nora Patel's diabetes?",
        "EBL at Nora Patel's knee surgery?",
        "Nora Patel's chest tube findings?",
    ],
)
def test_a_section_of_something_else_is_not_shown(store: EmbeddedStore, question: str) -> None:
    said = quotes(asked(question, store))
    assert not {"None", "Less than 20 mL", "There is a nodule in the left lung"}.intersection(said)


@pytest.mark.parametrize(
    "question",
    [
        "Does Nora Patel have appendicitis?",
        "appendicitis ruled out in Nora Patel?",
        "Has Nora Patel got an embolism?",
    ],
)
def test_what_is_looked_for_and_index_words_state_nothing(store: EmbeddedStore, question: str) -> None:
    assert asked(question, store).outcome == "nothing_relevant"


@pytest.mark.parametrize(
    ("question", "note"),
    [
        ("quick summary of Nora Patel's admission", "n2"),
        ("Sum up the chest CT of Nora Patel", "n3"),
        ("Summary of Nora Patel's hernia operation", "n1"),
        ("What happened with Nora Patel, in short?", "n3"),
    ],
)
def test_a_summary_is_of_the_note_that_is_meant(store: EmbeddedStore, question: str, note: str) -> None:
    answer = asked(question, store)
    assert answer.outcome == "answered"
    assert {each.resource_id for each in answer.citations} == {note}
