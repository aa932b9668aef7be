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
        ("What did the chest CT of Nora Patel show?", ["Pulmonary nodule of 6 mm", "No effusion"]),
        ("what was found at the hernia repair of Nora Patel", ["Umbilical hernia", "Adhesions"]),
        (
            "What was Nora Patel discharged on?",
            ["Cephalexin 500 mg four times daily", "metformin 500 mg twice daily"],
        ),
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


ULTRASOUND = (
    "Omar Reyes is a 60-year-old male. EXAM: Renal ultrasound. FINDINGS: The right kidney is normal. A cyst of the "
    "left kidney measures 14 mm. IMPRESSION: Left renal cyst.\n"
)
LATER = "Omar Reyes is a 61-year-old man. EXAM: Renal ultrasound. No clot. A cyst of the left kidney measures 18 mm.\n"
OFFICE = (
    "Omar Reyes is a 61-year-old male. HISTORY OF PRESENT ILLNESS: A cyst of the skin of 3 mm. PSA was elevated. HOME "
    "MEDICATIONS: Terazosin 5 mg, aspirin 81 mg. LABORATORY: PSA 6.1. PLAN: He was told what the ultrasound showed and "
    "an MRI of the spine was ordered.\n"
)


@pytest.fixture(scope="module")
def omar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    notes = [
        Document("o1", "p2", "Imaging report", ULTRASOUND, "2021-02-01", "ward"),
        Document("o2", "p2", "Imaging report", LATER, "2022-03-01", "ward"),
        Document("o3", "p2", "Visit note", OFFICE, "2022-04-01", "ward"),
    ]
    with stored(tmp_path_factory.mktemp("omar"), notes) as store:
        yield store


@pytest.mark.parametrize(
    ("question", "first"),
    [
        (
            "How big is the cyst on the renal ultrasound of Omar Reyes?",
            "A cyst of the left kidney measures 18 mm.",
        ),
        ("size of cyst on Omar Reyes's most recent ultrasound", "A cyst of the left kidney measures 18 mm."),
        ("What was Omar Reyes's PSA?", "LABORATORY: PSA 6.1."),
        ("What did Omar Reyes's renal ultrasound show?", "EXAM: Renal ultrasound."),
        ("home meds of Omar Reyes on admission, with doses", "Terazosin 5 mg"),
    ],
)
def test_a_fact_of_the_examination_that_is_named(omar: EmbeddedStore, question: str, first: str) -> None:
    said = quotes(asked(question, omar))
    assert said[0] == first
    assert "3 mm" not in "".join(said)


def test_a_test_that_is_ordered_has_no_result_whatever_another_showed(omar: EmbeddedStore) -> None:
    assert asked("Result of the spine MRI for Omar Reyes", omar).outcome == "nothing_relevant"


TOLD = (
    "Lena Fox is a 44-year-old female. PROCEDURES: Pacemaker placement. HOSPITAL COURSE: She was given cefazolin 1 g. "
    "PLAN: She goes home on her home medications, which are: 1. Pioglitazone 45 mg daily. 2. Famotidine 20 mg daily.\n"
)
STRESS = "Lena Fox is a 45-year-old woman. EXAM: Stress test. MEDICATIONS: Carvedilol, aspirin. FINDINGS: Normal.\n"


@pytest.fixture(scope="module")
def lena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    notes = [
        Document("l1", "p3", "Discharge summary", TOLD, "2021-02-01", "ward"),
        Document("l2", "p3", "Imaging report", STRESS, "2022-03-01", "ward"),
    ]
    with stored(tmp_path_factory.mktemp("lena"), notes) as store:
        yield store


@pytest.mark.parametrize(
    ("question", "said", "not_said"),
    [
        ("discharge meds Lena Fox", ("Pioglitazone 45 mg", "Famotidine 20 mg"), ("cefazolin", "Carvedilol")),
        ("Which drugs was Lena Fox taking at the stress test?", ("Carvedilol", "aspirin"), ("Pioglitazone",)),
        ("dose of pioglitazone for our pacemaker lady Lena Fox?", ("Pioglitazone 45 mg",), ("cefazolin",)),
    ],
)
def test_drugs_of_one_time(
    lena: EmbeddedStore, question: str, said: tuple[str, ...], not_said: tuple[str, ...]
) -> None:
    told = " ".join(quotes(asked(question, lena)))
    assert all(each in told for each in said)
    assert not any(each in told for each in not_said)


SPRAIN = (
    "Ida Wolf is a 33-year-old female. PAST MEDICAL HISTORY: None. PAST SURGICAL HISTORY: Hernia repair. "
    "EXAM: Swollen ankle. ASSESSMENT: Right ankle sprain. She walks well and needs rest.\n"
)
TUBE = (
    "Ida Wolf is a 33-year-old female.,PROCEDURE PERFORMED: , Insertion of a 28 French chest tube.,FINDINGS: , Some "
    "blood.  She was given 2 mg of Midazolam.,"
)


@pytest.fixture(scope="module")
def ida(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    notes = [
        Document("i1", "p4", "Emergency visit", SPRAIN, "2022-03-01", "ward"),
        Document("i0", "p4", "Operative note", TUBE, "2021-02-01", "ward"),
    ]
    with stored(tmp_path_factory.mktemp("ida"), notes) as store:
        yield store


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Ida Wolf dx", ["Right ankle sprain."]),
        ("PMH of Ida Wolf", ["None"]),
        (
            "What size chest tube did Ida Wolf get?",
            ["PROCEDURE PERFORMED: , Insertion of a 28 French chest tube.,"],
        ),
    ],
)
def test_short_sections_of_one_line(ida: EmbeddedStore, question: str, said: list[str]) -> None:
    assert quotes(asked(question, ida))[: len(said)] == said


def test_one_thing_that_a_test_showed(store: EmbeddedStore) -> None:
    told = quotes(asked("What did Nora Patel's chest CT show in the left lung?", store))
    assert told == ["FINDINGS: , There is a nodule in the left lung.,"]
