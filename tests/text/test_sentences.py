"""Sentence boundaries in the shapes that clinical notes come in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.sentences import is_heading, sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(
            ["Dr. Smith saw J. K. Rowling at 10 a.m. on Monday.", "He left."], id="titles and initials"
        ),
        pytest.param(["He gave 0.5 mg. of lorazepam p.o. q.d. and 81 mg.", "Then No. 3 came."], id="doses"),
        pytest.param(
            ["Apply 5 mg. 3 times a day.", "See Fig. 2 and p. 7."], id="abbreviation before a number"
        ),
        pytest.param(["Aspirin 81 mg p.o.", "Lisinopril 10 mg q.d."], id="dose lists in one line"),
        pytest.param(
            ["He takes vitamin D.", "Hepatitis C.", "Discussed with Ms. J. Ortega, M.D., today."],
            id="letters",
        ),
        pytest.param(["Grew E. coli vs. S. aureus, i.e. two organisms.", "Treated."], id="organisms"),
        pytest.param(["Hemoglobin 13.2.", "Potassium 4.1 on 06.07.2021.", "Stable."], id="decimals"),
        pytest.param(
            ["Any pain?", "None!", '"I am fine."', "She left (quickly).", "Done…"], id="closing marks"
        ),
        pytest.param(
            ["1. Hypertension.", "2. Type 2 diabetes.", "3. No. 3 lesion."], id="numbered in one line"
        ),
        pytest.param(["Signs are: - Feeling tired.", "- Weight loss.", "- Fever."], id="dashes in one line"),
        pytest.param(["Dra. Souza viu o Sr. Lima.", "Está bem."], id="portuguese"),
        pytest.param(["Visited in 1999.", "2 children."], id="year before a number"),
    ],
)
def test_one_line(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


def test_headings_lists_labels_and_tables_stand_alone() -> None:
    lines = [
        "MEDICATIONS",
        "aspirin 81 mg",
        "lisinopril 10 mg",
        "• Metformin 500 mg b.i.d.",
        "Vitals:",
        "Blood pressure: 130/80",
        "Pulse: 72",
        "1. Hypertension",
        "2) Gout",
        "## Plan",
        "Na\t140\tmmol/L",
        "| K | 4.1 | mmol/L |",
        "Glucose    98    mg/dL",
    ]
    assert sentences("\n".join(lines)) == lines


def test_a_line_break_inside_a_wrapped_sentence_is_no_boundary() -> None:
    text = (
        "The patient was seen in the clinic for a follow up visit and was found\n"
        "to have a blood pressure of 130/80. This was thought to be\n"
        "Within normal limits, and the plan is to continue lisinopril 10 mg q.d.\n"
        "She agreed."
    )
    assert [sentence.replace("\n", " ") for sentence in sentences(text)] == [
        "The patient was seen in the clinic for a follow up visit and was found to have a blood pressure of 130/80.",
        "This was thought to be Within normal limits, and the plan is to continue lisinopril 10 mg q.d.",
        "She agreed.",
    ]


def test_a_hanging_line_belongs_to_its_list_item() -> None:
    assert sentences("1. Diabetes, on metformin\n   500 mg b.i.d.\n2. Gout") == [
        "1. Diabetes, on metformin\n   500 mg b.i.d.",
        "2. Gout",
    ]


def test_a_blank_line_always_ends_a_sentence() -> None:
    assert sentences("Assunta351\n is 16.\n\nand then\n \nmore") == [
        "Assunta351\n is 16.",
        "and then",
        "more",
    ]


def test_a_signature_is_not_joined_to_the_next_line() -> None:
    assert sentences("Seen by John Smith, M.D.\nDepartment of Medicine") == [
        "Seen by John Smith, M.D.",
        "Department of Medicine",
    ]


def test_notes_flattened_into_csv() -> None:
    text = "DIAGNOSES,1.  Fibroids, C5.,2.  Pain.,ANESTHESIA: , General.,COMPLICATIONS:,  None."
    assert sentences(text) == [
        "DIAGNOSES,1.  Fibroids, C5.,",
        "2.  Pain.,",
        "ANESTHESIA: , General.,",
        "COMPLICATIONS:,  None.",
    ]


def test_scripts_without_spaces_between_sentences() -> None:
    assert sentences("患者は元気です。明日退院する。") == ["患者は元気です。", "明日退院する。"]


@pytest.mark.parametrize(
    "line", ["Allergies:", "PAST MEDICAL HISTORY", "## Plan", "HPI", "**Vitals:**", "PLAN:,"]
)
def test_headings(line: str) -> None:
    assert is_heading(line)


@pytest.mark.parametrize(
    "line",
    ["", "Blood pressure: 130/80", "STOP SMOKING.", "BP 130", "She is well", "Seen. Told as follows:", "IV"],
)
def test_no_headings(line: str) -> None:
    assert not is_heading(line)


@given(
    st.text(alphabet=st.sampled_from("aB.1,: \n\r\t|-•?!)\"'。é(#\u2028"), max_size=200)
    | st.text(max_size=200)
)
def test_spans_are_disjoint_trimmed_and_cover_everything(text: str) -> None:
    spans = sentence_spans(text)
    covered = [False] * len(text)
    last = 0
    for start, end in spans:
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        covered[start:end] = [True] * (end - start)
        last = end
    assert all(done or character.isspace() for done, character in zip(covered, text, strict=True))


@pytest.mark.parametrize(
    "piece", ["a. ", "word ", "1. ", "A.\n", "- x\n", ".", "a\n", "x:\n", "  \t|", "J. "]
)
@pytest.mark.timeout(30)
def test_a_note_of_one_kind_of_piece_is_no_trap(piece: str) -> None:
    """A rule that looks back over the whole text would not end within the time limit."""
    text = piece * (300_000 // len(piece))
    spans = sentence_spans(text)
    assert sum(end - start for start, end in spans) <= len(text)


@pytest.mark.shared
def test_real_notes_are_covered_and_split_plausibly(shared_data: Path) -> None:
    lines = (shared_data / "notes/aci_bench.jsonl").read_text(encoding="utf-8").splitlines()
    notes = [json.loads(line)["note"] for line in lines]
    lengths = []
    for note in notes:
        spans = sentence_spans(note)
        assert "".join("".join(note[a:b].split()) for a, b in spans) == "".join(note.split())
        lengths += [len(note[a:b].split()) for a, b in spans]
    assert 8 < sum(lengths) / len(lengths) < 14
    assert max(lengths) < 120
