"""What a line above, a newer note or another word changes is never shown as it stands alone, nor called not stated."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.records import Answer, Document
from pipeline.text.structure.line_above import with_line_above
from tests.answering.questions.stored_notes import stored
from tests.answering.shapes.test_shaped_answering import asked, lines, quotes

NORA = "Nora Patel is a 35-year-old female.\n\n"


def told_of(folder: Path, question: str, *texts: str) -> Answer:
    """Each text a note of Nora Patel, a year after the one before."""
    documents = [
        Document(f"n{year}", "p1", "Visit note", NORA + text, f"{2020 + year}-01-05", "ward")
        for year, text in enumerate(texts)
    ]
    with stored(folder, documents) as store:
        return asked(question, store)


@pytest.mark.parametrize(
    ("question", "note", "quote"),
    [
        (
            "Does Nora Patel have chest pain?",
            "REVIEW OF SYSTEMS\n\nDenies:\n- chest pain\n",
            "Denies:\n- chest pain",
        ),
        (
            "Is Nora Patel taking warfarin?",
            "MEDICATIONS\n\nDiscontinued:\n- warfarin 5 mg daily\n",
            "Discontinued:\n- warfarin 5 mg daily",
        ),
        (
            "What medications is Nora Patel on?",
            "MEDICATIONS\n\nCurrent:\n- aspirin 81 mg\n\nStopped:\n- warfarin 5 mg\n- digoxin 1 mg\n",
            "Stopped:\n- warfarin 5 mg\n- digoxin 1 mg",
        ),
        (
            "What are Nora Patel's problems?",
            "PROBLEM LIST\n\nRuled out:\n- Lupus\n",
            "Ruled out:\n- Lupus",
        ),
    ],
)
def test_an_item_is_quoted_with_the_line_that_changes_it(
    tmp_path: Path, question: str, note: str, quote: str
) -> None:
    assert quotes(told_of(tmp_path, question, note))[-1] == quote


@pytest.mark.parametrize(
    "text",
    [
        "Denies:\n- chest pain\n\nShe has asthma.",
        "Denies:\n- chest pain\n\nASSESSMENT\n\nShe has asthma.",
        "Denies:\n- chest pain\n\nASSESSMENT\n\n- She has asthma.",
        "Denies:\n- chest pain\nPlan:\n- She has asthma.",
    ],
)
def test_a_line_changes_its_own_list_alone(text: str) -> None:
    start = text.index("She has")
    assert with_line_above(text, start, len(text)) == (start, len(text))


def test_a_list_says_what_a_newer_note_stops(tmp_path: Path) -> None:
    told = told_of(
        tmp_path,
        "What medications is Nora Patel on?",
        "MEDICATIONS\n\n- metoprolol 50 mg daily\n",
        "Metoprolol was stopped last week.",
    )
    assert quotes(told) == ["metoprolol 50 mg daily", "Metoprolol was stopped last week."]


def test_none_known_is_not_all_where_another_note_has_an_allergy(tmp_path: Path) -> None:
    newer = told_of(
        tmp_path / "newer",
        "What is Nora Patel allergic to?",
        "ALLERGIES\n\nNo known drug allergies.\n",
        "She had an allergic reaction to amoxicillin.",
    )
    assert quotes(newer)[-1] == "She had an allergic reaction to amoxicillin."
    older = told_of(
        tmp_path / "older",
        "What is Nora Patel allergic to?",
        "ALLERGIES\n\n- Penicillin: anaphylaxis\n",
        "ALLERGIES\n\nNo known drug allergies.\n",
    )
    assert quotes(older) == ["No known drug allergies", "Penicillin: anaphylaxis"]


def test_a_section_ends_where_another_labelled_line_begins(tmp_path: Path) -> None:
    note = "Medications: albuterol as needed.\nSmoking: quit in 2019."
    assert quotes(told_of(tmp_path, "What does Nora Patel take?", note)) == ["albuterol as needed"]


def test_a_drug_not_taken_any_more_is_not_taken_because_an_older_note_has_it(tmp_path: Path) -> None:
    told = told_of(tmp_path, "Who takes celecoxib?", "Takes celecoxib.", "Not taking celecoxib anymore.")
    assert lines(told)[0].startswith("No patient with celecoxib")


def test_a_relatives_allergy_is_not_listed(tmp_path: Path) -> None:
    told = told_of(tmp_path, "What is Nora Patel allergic to?", "Her mother is allergic to sulfa.")
    assert told.reason == "not_stated"


@pytest.mark.parametrize(
    ("question", "note", "says"),
    [
        (
            "Which patients take digoxin?",
            "She used to take digoxin 0.25 mg.",
            "taken before, stopped or held:",
        ),
        ("Which patients take apixaban?", "STOP taking: apixaban 5 mg\n", "taken before, stopped or held:"),
        (
            "Which patients take metformin?",
            "MEDICATIONS\n\n- Husband's medication: metformin\n",
            "of the family:",
        ),
        ("Who is allergic to aspirin?", "ALLERGIES\n\n- Aspirin - entered in error\n", "as denied:"),
        ("Which patients have lupus?", "PROBLEM LIST\n\nRuled out:\n- Lupus\n", "as denied:"),
        ("Who had a stress test?", "Stress test cancelled.", "watched for:"),
        ("Who takes apixaban?", "Apixaban not started: insurance denied.", "watched for:"),
        ("Who takes infliximab?", "Her uncle uses infliximab.", "of the family:"),
    ],
)
def test_who_counts_nobody_of_whom_it_is_taken_back(
    tmp_path: Path, question: str, note: str, says: str
) -> None:
    assert lines(told_of(tmp_path, question, note))[0].endswith(says)


def test_who_does_not_count_a_drug_that_a_newer_note_stops(tmp_path: Path) -> None:
    told = told_of(
        tmp_path,
        "Which patients take metoprolol?",
        "MEDICATIONS\n\n- metoprolol 50 mg daily\n",
        "Metoprolol was stopped last week.",
    )
    assert quotes(told) == ["Metoprolol was stopped last week."]
    assert "but 1 patient mentions it" in lines(told)[0]


@pytest.mark.parametrize(
    ("question", "note"),
    [
        ("Does Nora Patel take aspirin?", "MEDICATIONS\n\n- ASA 81 mg daily\n"),
        ("Does Nora Patel take insulin?", "MEDICATIONS\n\n- Lantus 20 units nightly\n"),
        ("Is Nora Patel on antibiotics?", "MEDICATIONS\n\n- amoxicillin 500 mg daily\n"),
        ("Has Nora Patel had a heart attack?", "She had a STEMI in 2015."),
        ("Does Nora Patel have arthritis?", "She has osteoarthritis."),
        ("Has Nora Patel had an appendectomy?", "Appendix removed in 1990."),
        ("Which patients take antibiotics?", "MEDICATIONS\n\n- amoxicillin 500 mg daily\n"),
        ("What was Nora Patel's hemoglobin?", "LABS\n\nHgb 12.1, WBC 7.2.\n"),
        ("What was Nora Patel's potassium?", "LABS\n\nK 4.1, Cr 1.2.\n"),
    ],
)
def test_what_a_note_says_in_other_words_is_not_called_not_stated(
    tmp_path: Path, question: str, note: str
) -> None:
    assert told_of(tmp_path, question, note).reason != "not_stated"


def test_older_notes_do_not_hide_that_the_newest_denies_it(tmp_path: Path) -> None:
    older = [f"She has chest pain of degree {number}." for number in (2, 3, 4, 5)]
    told = told_of(tmp_path, "Does Nora Patel have chest pain?", *older, "She denies chest pain.")
    assert quotes(told)[0] == "She denies chest pain."


@pytest.mark.parametrize("line", ["Discontinued:", "No longer taking:"])
@pytest.mark.parametrize(
    "question",
    [
        "What medications is Nora Patel on?",
        "Is Nora Patel taking losartan?",
        "Which patients take losartan?",
    ],
)
def test_an_item_whose_line_is_in_another_passage_is_not_shown(
    tmp_path: Path, line: str, question: str
) -> None:
    drugs = [f"- atenolol {number} mg by mouth once daily with food and water\n" for number in range(20)]
    note = (
        f"MEDICATIONS\n\nCurrent:\n- aspirin 81 mg daily\n\n{line}\n{''.join(drugs)}- losartan 5 mg daily\n"
    )
    told = told_of(tmp_path, question, note)
    assert not any("losartan" in quote for quote in quotes(told))
    assert told.reason in (None, "nothing_verified")


def test_a_line_is_found_above_an_item_of_a_passage_that_was_cleaned(tmp_path: Path) -> None:
    drugs = [
        f"- aten\u00adolol {number} mg by mouth\u00ad once daily with food and water\n"
        for number in range(20)
    ]
    note = f"MEDICATIONS\n\nCurrent:\n- aspirin 81 mg daily\n\nDiscontinued:\n{''.join(drugs)}- losartan 5 mg daily\n"
    told = told_of(tmp_path, "Is Nora Patel taking losartan?", note)
    assert not any("losartan" in quote for quote in quotes(told))
