"""Chunks: within the limit, covering everything, exactly placed, stable under edits elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.indexing.chunking import chunk_document
from pipeline.records import Document, original_span
from pipeline.text.section_titles import heading_of


def count_words(texts: list[str]) -> list[int]:
    """A tokenizer that is additive at white space and gives long words several tokens."""
    return [sum(1 + (len(word) - 1) // 6 for word in text.split()) for text in texts]


def chunks_of(text: str, tokens_max: int = 40, resource_id: str = "n1"):  # type: ignore[no-untyped-def]
    document = Document(resource_id, "p1", "note", text)
    return chunk_document(document, count_tokens=count_words, tokens_max=tokens_max)


NOTE = """CHIEF COMPLAINT

Annual exam.

HISTORY OF PRESENT ILLNESS

Martha is a 50-year-old female with heart failure. She watches her diet. She takes lisinopril 20 mg daily.
She denies chest pain, orthopnea and swelling of the legs. She walks two miles a day with her dog, she says.

VITALS

Date        Pressure   Pulse
2020-01-01  120/80     70
2020-02-01  130/85     72

ASSESSMENT AND PLAN

Heart failure is stable. Continue lisinopril.
"""


def test_passages_follow_the_sections() -> None:
    found = chunks_of(NOTE)
    assert [chunk.section for chunk in found] == [
        "CHIEF COMPLAINT",
        "HISTORY OF PRESENT ILLNESS",
        "HISTORY OF PRESENT ILLNESS",
        "VITALS",
        "ASSESSMENT AND PLAN",
    ]
    assert found[1].text.startswith("HISTORY OF PRESENT ILLNESS\n\nMartha")
    assert found[2].embedding_text.startswith("HISTORY OF PRESENT ILLNESS\n")


def test_a_table_stays_whole() -> None:
    (table,) = [chunk for chunk in chunks_of(NOTE) if chunk.section == "VITALS"]
    assert "120/80" in table.text
    assert "130/85" in table.text


DICTATED = (
    "PAST HISTORY:,  Asthma since childhood.  Uses an inhaler twice a day.  No admissions in ten years.,"
    "ALLERGIES:,  None.  She tolerates aspirin.  She tolerates contrast.,"
    "PLAN:,  Continue the inhaler.  Return in six months.  (Call before.)  Bring the diary."
)


def test_two_spaces_after_a_full_stop_make_no_table() -> None:
    found = chunks_of(DICTATED, tokens_max=24)
    assert [chunk.section for chunk in found] == ["PAST HISTORY", "ALLERGIES", "PLAN"]
    assert [chunk.text.split(":,  ")[0] for chunk in found] == [chunk.section for chunk in found]


def test_short_sections_share_a_passage() -> None:
    (chunk,) = chunks_of("ALLERGIES\nNone.\n\nMEDICATIONS\nNone.\n\nTOBACCO\nNever.")
    assert chunk.section == "ALLERGIES"
    assert chunk.text.endswith("Never.")


def test_dictated_sections_in_one_line_are_seen() -> None:
    note = (
        "SUBJECTIVE:, This 23-year-old white female presents with complaint of allergies, many of them seasonal.,"
        "MEDICATIONS: , Her only medication currently is Ortho Tri-Cyclen and the Allegra that she takes daily.,"
        "ALLERGIES: , She has no known medicine allergies but she does react to pollen of many kinds."
    )
    assert [chunk.section for chunk in chunks_of(note, 24)] == ["SUBJECTIVE", "MEDICATIONS", "ALLERGIES"]


def test_an_edit_elsewhere_leaves_other_ids_alone() -> None:
    before = chunks_of(NOTE)
    after = chunks_of(
        "ADDENDUM\n\nReviewed with the family at length, and they agree with all that was said today.\n\n"
        + NOTE
    )
    assert {chunk.chunk_id for chunk in before} <= {chunk.chunk_id for chunk in after}
    moved = {chunk.chunk_id: chunk.start for chunk in after}
    assert all(moved[chunk.chunk_id] > chunk.start for chunk in before)


def test_the_same_words_twice_in_a_note_are_two_passages() -> None:
    text = "A\n\n" + "\n\n".join(f"{name}:\n" + "word " * 38 for name in ("One", "One"))
    ids = [chunk.chunk_id for chunk in chunks_of(text)]
    assert len(ids) == len(set(ids))


def test_two_notes_never_share_an_id() -> None:
    assert {c.chunk_id for c in chunks_of(NOTE)}.isdisjoint(
        c.chunk_id for c in chunks_of(NOTE, resource_id="n2")
    )


def test_headings() -> None:
    assert heading_of("## Assessment and Plan:") == "Assessment and Plan"
    assert heading_of("REVIEW OF SYSTEMS") == "REVIEW OF SYSTEMS"
    assert heading_of("Past Medical History:") == "Past Medical History"
    assert heading_of("Blood pressure: 120/80") is None
    assert heading_of("He said: no.") is None


@pytest.mark.parametrize(
    "line",
    [
        "Allergies",
        "Past Medical History",
        "Past medical history",
        "History of Present Illness",
        "Assessment and Plan",
        "Assessment & Plan",
        "Hospital Course",
        "Discharge Medications",
        "Reason for Referral",
        "Allergies and Intolerances",
        "**Plan**",
        "Recent Laboratory Results",
        "REVIEW OF SYSTEMS",
        "GUNSHOT WOUND OF THE LEFT THIGH",
        "MSK:",
        "The following procedures were conducted:",
    ],
)
def test_a_line_that_says_what_sections_say_is_a_heading(line: str) -> None:
    assert heading_of(line) == line.strip("*:")


@pytest.mark.parametrize(
    "line",
    [
        "Penicillin causes rash.",
        "Penicillin causes rash",
        "Linh Nguyen",
        "LINH NGUYEN",
        "NGUYEN, LINH",
        "NGUYEN, LINH:",
        "Linh Nguyen:",
        "COYOTE (MRN: 23453)",
        "COYOTE",
        "John Q Public MD",
        "Diabetes Mellitus",
        "Left Knee Pain",
        "No known drug allergies",
        "Warfarin 5 mg",
        "Plan to discharge tomorrow",
    ],
)
def test_neither_a_sentence_nor_a_name_is_a_heading(line: str) -> None:
    assert heading_of(line) is None


def test_sections_with_titles_in_title_case_are_seen() -> None:  # field case 9d
    found = chunks_of("Past Medical History\nAsthma since 1999.\n\nAllergies\nPenicillin causes rash.\n", 16)
    assert [(chunk.section, chunk.text) for chunk in found] == [
        ("Past Medical History", "Past Medical History\nAsthma since 1999."),
        ("Allergies", "Allergies\nPenicillin causes rash."),
    ]


def test_no_name_gets_into_a_section() -> None:
    reported = chunks_of("CBC Report for Wile. E.\nCOYOTE (MRN: 23453)\n\nNGUYEN, LINH: Hemoglobin 13.\n")
    assert [chunk.section for chunk in reported] == [None]
    assert [chunk.section for chunk in chunks_of("WILE COYOTE: Hemoglobin 13.")] == [None]


def test_no_passage_ends_with_the_title_of_the_next_section() -> None:
    text = "\n\n".join(f"Hospital Course\n\n{'It went well that day, she says. ' * n}" for n in range(1, 9))
    text += f"\n\nHospital Course\n\n{'very ' * 12}long. It went well that day, she says."
    text += "\n\nAssessment\n\nPlan\n\nRest at home.\n\nDischarge Medications"
    titles = ("Hospital Course", "Assessment", "Plan")
    for tokens_max in (16, 24, 40, 80):
        found = chunks_of(text, tokens_max)
        assert not [chunk.text for chunk in found if chunk.text.splitlines()[-1].strip() in titles]


PIECES = st.sampled_from(
    [
        "PLAN",
        "Family History\n",
        "\n",
        "\n\n",
        " ",
        "  ",
        "Fever. ",
        "no cough, ",
        "a  b  c\n",
        "1. ",
        "é",
        "e\u0301",
        "\u00a0",
        "\u200b",
        "x" * 70,
        "Name:\n",
        "- item\n",
        "|a|b|\n",
        "12.5 mg ",
        "Dr. Ng ",
        "\t",
        "\r\n",
        "END. ",
    ]
)


@given(st.lists(PIECES, max_size=60).map("".join), st.integers(16, 60))
@example("x" * 5000, 16)
@example("word " * 500, 16)
@example("\u200b\u00a0", 16)
def test_passages_fit_cover_the_note_and_are_exactly_placed(text: str, tokens_max: int) -> None:
    found = chunks_of(text, tokens_max)
    assert all(count_words([chunk.embedding_text])[0] <= tokens_max for chunk in found)
    assert [chunk.ordinal for chunk in found] == list(range(len(found)))
    covered = set()
    for chunk in found:
        assert (chunk.start, chunk.end) == original_span(0, len(chunk.text), chunk.offsets, chunk.start)
        covered.update(range(chunk.start, chunk.end))
    assert all(one.end <= two.start for one, two in pairwise(found))
    left_out = {text[i] for i in range(len(text)) if i not in covered}
    assert all(character.isspace() or character in "\u200b\u0301" for character in left_out)


def test_real_notes_are_cut_as_promised(shared_data: Path) -> None:
    for line in (shared_data / "notes" / "aci_bench.jsonl").read_text(encoding="utf-8").splitlines()[:40]:
        note = json.loads(line)["note"]
        for chunk in chunks_of(note, 120):
            assert count_words([chunk.embedding_text])[0] <= 120
            assert "".join(note[chunk.start : chunk.end].split()) == "".join(chunk.text.split())


def test_a_word_without_a_token_before_an_endless_one_is_cut_off() -> None:
    text = "\u0301 " + "[" * 3000

    def count(texts: Sequence[str]) -> list[int]:
        return [word.count("[") for word in texts]

    chunks = chunk_document(Document("n1", "p1", "note", text), count_tokens=count, tokens_max=160)
    assert sum(chunk.text.count("[") for chunk in chunks) == 3000
