"""Near-duplicates and versions of one text."""

from __future__ import annotations

import pytest

from pipeline.answering.near_duplicates import without_near_duplicates
from pipeline.records import Hit


def hit(
    chunk_id: str, *, score: float = 0.0, date: str | None = None, text: str = "", patient: str = "p"
) -> Hit:
    return Hit(chunk_id, "n", patient, "note", date, None, None, text, 0, len(text), 0.5, score)


def test_copied_forward_text_appears_once_a_patient() -> None:
    text = "Patient is married. Patient is an active smoker and has never had any allergies to medication at all."
    hits = [
        hit("a", text=text),
        hit("b", text=text.replace("married", "single")),
        hit("c", text=text, patient="someone else"),
        hit("d", text="Blood pressure is 120 over 80 today."),
    ]
    assert [h.chunk_id for h in without_near_duplicates(hits, limit=9, similarity=0.6)] == ["a", "c", "d"]


@pytest.mark.parametrize(("old", "new"), [("500", "850"), ("has", "denies"), ("daily", "daily, no cough")])
def test_a_changed_number_or_negation_is_no_duplicate(old: str, new: str) -> None:
    text = (
        "He has asthma and takes metformin 500 mg twice daily "
        + " ".join(f"word{chr(97 + i)}" for i in range(26))
        + " plenty"
    )
    assert (
        len(without_near_duplicates([hit("a", text=text), hit("b", text=text.replace(old, new))], limit=9))
        == 2
    )
    assert (
        len(
            without_near_duplicates(
                [hit("a", text=text), hit("b", text=text.replace("plenty", "lots", 1))], limit=9
            )
        )
        == 1
    )


def test_short_texts_are_compared_whole() -> None:
    hits = [hit("a", text="No fever"), hit("b", text="no fever"), hit("c", text="No cough")]
    assert [h.chunk_id for h in without_near_duplicates(hits, limit=9)] == ["a", "c"]


def test_no_more_than_the_limit() -> None:
    assert len(without_near_duplicates([hit(str(i), text=f"finding {i}") for i in range(9)], limit=4)) == 4


def copied_forward(days: int) -> list[Hit]:  # field case 16
    """The same words each day, but for the day."""
    words = "Copied forward. Patient takes metoprolol 50 mg twice daily. Day"
    return [
        hit(f"day{day:02}", text=f"{words} {day}.", date=f"2024-01-{day:02}", score=0.9)
        for day in range(1, days + 1)
    ]


def test_copies_that_differ_in_figures_alone_leave_room_for_the_note_that_says_otherwise() -> None:
    stopped = hit("new", text="Metoprolol was stopped because of bradycardia.", date="2024-02-01", score=0.5)
    found = without_near_duplicates([*copied_forward(12), stopped], limit=10)
    assert [each.chunk_id for each in found[:3]] == ["day01", "day12", "new"]
    assert len(found) == 10
    others = without_near_duplicates([*copied_forward(12)], limit=10)
    assert {each.chunk_id for each in others} >= {"day01", "day12"}
    assert len(others) == 10


def test_of_passages_that_say_the_same_the_newest_is_kept_in_the_place_of_the_best() -> None:
    text = "The patient takes metoprolol 50 mg twice daily for hypertension and feels well"
    old, new = hit("old", text=text, date="2020-01-01"), hit("new", text=text, date="2024-01-01")
    assert [each.chunk_id for each in without_near_duplicates([old, new], limit=9)] == ["new"]
    assert [each.chunk_id for each in without_near_duplicates([new, old], limit=9)] == ["new"]


def test_a_changed_dose_stays_beside_the_old_one() -> None:
    text = "The patient takes metoprolol {} mg twice daily for hypertension and feels well."
    doses = [hit(str(dose), text=text.format(dose), date="2024-01-01") for dose in (25, 50)]
    assert len(without_near_duplicates(doses, limit=9)) == 2
