"""Which of two records of one id counts: by version, by place, and never another patient's."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.indexing import identity
from pipeline.indexing.identity import (
    bare_id,
    compare,
    compare_with_stored,
    is_newer,
    newest,
    whole_resource,
)
from pipeline.readers.sources import by_name
from pipeline.records import NoteVersion, Sighting, Withdrawal

DAY_1 = NoteVersion("2024-01-01T00:00:00Z", 1)
DAY_2 = NoteVersion("2024-01-02T00:00:00Z", 2)


def seen(
    file: str = "/in/a.csv", *, patient: str = "p9", source: str = "/in", version: NoteVersion | None = None
) -> Sighting:
    return Sighting(patient, source, file, version)


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("DocumentReference/1001", "DocumentReference/1001"),
        ("DocumentReference/1001#2", "DocumentReference/1001"),
        ("DiagnosticReport/a.b-c#12", "DiagnosticReport/a.b-c"),
        ("1001#2", None),
        ("ward/7#2", None),
        ("DocumentReference/1001#b", None),
    ],
)
def test_what_an_id_says(given: str, whole: str | None) -> None:
    assert whole_resource(given) == whole
    assert whole_resource(f"siteA{given}", "siteA") == (f"siteA{whole}" if whole else None)


def test_the_bare_id_of_a_resource() -> None:
    assert bare_id("DocumentReference/3003#2") == ("DocumentReference", "3003#2")
    assert bare_id("3003#2") is None


@pytest.mark.parametrize(
    ("new", "old", "verdict"),
    [
        (seen(version=DAY_2), seen(version=DAY_1), "newer"),
        (seen(version=DAY_1), seen(version=DAY_2), "older"),
        (seen(version=NoteVersion(None, 10)), seen(version=NoteVersion(None, 9)), "newer"),
        (seen(version=DAY_1), seen(version=NoteVersion(None, 2)), "older"),
        (seen(), seen(), "same place"),
        (seen(version=DAY_1), seen(version=DAY_1), "same place"),
        (seen("/in/b.csv"), seen(), "newer"),
        (seen(patient="p8"), seen(), "same place"),
        (seen("/in/b.csv", patient="p8"), seen(), "another patient"),
        (seen("", source="-"), seen("", source="-"), "same place"),
        (seen("", source="-", patient="p8"), seen("/in/a.csv"), "another patient"),
        (seen("/in/b.csv", patient="p8", version=DAY_2), seen(version=DAY_1), "newer"),
        (seen("/in/b.csv", patient="p8", version=DAY_1), seen(version=DAY_2), "older"),
        (
            seen("/b/b.csv", source="/b", patient="p8", version=DAY_2),
            seen(version=DAY_1),
            "another patient",
        ),
        # Sites have folders of their own, and two servers dates of their own.
        (
            seen("/in/b/b.csv", patient="p8", version=DAY_2),
            seen("/in/a/a.csv", version=DAY_1),
            "another patient",
        ),
        (
            seen("/in/b.csv", patient="p8", version=NoteVersion("2024-05-05T00:00:00Z")),
            seen(version=NoteVersion("2024-01-01T00:00:00Z")),
            "another patient",
        ),
        (
            seen(patient="p8", version=NoteVersion("2024-05-05T00:00:00Z")),
            seen(version=NoteVersion("2024-01-01T00:00:00Z")),
            "newer",
        ),
        # Two servers: each has a first version of its own.
        (
            seen("/in/b.csv", patient="p8", version=NoteVersion("2024-05-05T00:00:00Z", 1)),
            seen(version=DAY_1),
            "another patient",
        ),
        (
            seen("/in/b.csv", patient="p8", version=NoteVersion("2023-05-05T00:00:00Z", 2)),
            seen(version=DAY_1),
            "another patient",
        ),
    ],
)
def test_two_records_of_one_id(new: Sighting, old: Sighting, verdict: str) -> None:
    assert compare(new, old) == verdict


def test_a_later_file_of_the_folder_counts_while_it_is_there(tmp_path: Path) -> None:
    first, second = (str(tmp_path / name) for name in ("2024-01-01.csv", "2024-01-02.csv"))
    folder = str(tmp_path)
    stored = seen(second, source=folder)
    assert compare_with_stored(seen(first, source=folder), stored) == "newer"
    Path(second).touch()
    assert compare_with_stored(seen(first, source=folder), stored) == "older"
    assert compare_with_stored(seen(first, source=first), stored) == "older"
    assert compare_with_stored(seen(second, source=folder), stored) == "newer"
    assert compare_with_stored(seen("/other/a.csv", source="/other"), stored) == "newer"


def test_day_10_is_later_than_day_9(tmp_path: Path) -> None:
    names = ["day-9.csv", "day-10.csv", "day-10a.csv", "day-010.csv", "9/z.csv", "10/a.csv"]
    assert sorted(names, key=by_name) == [
        "9/z.csv",
        "10/a.csv",
        "day-9.csv",
        "day-010.csv",
        "day-10.csv",
        "day-10a.csv",
    ]
    ninth, tenth = (str(tmp_path / name) for name in names[:2])
    Path(tenth).touch()
    folder = str(tmp_path)
    assert compare_with_stored(seen(ninth, source=folder), seen(tenth, source=folder)) == "older"


def test_a_file_that_was_named_itself_is_edited_by_naming_another(tmp_path: Path) -> None:
    notes, corrected = (str(tmp_path / name) for name in ("notes.csv", "corrected.csv"))
    Path(notes).touch()
    assert compare_with_stored(seen(corrected, source=corrected), seen(notes, source=notes)) == "newer"


def test_the_newest_of_two_versions() -> None:
    assert newest(None, DAY_1) == newest(DAY_1, None) == DAY_1
    assert newest(DAY_1, DAY_2) == newest(DAY_2, DAY_1) == DAY_2
    assert newest(None, None) is None


@pytest.mark.parametrize(
    ("withdrawal", "note", "resource", "concerns"),
    [
        (Withdrawal("p9", "/b/b.csv", None), seen(), False, True),
        (Withdrawal("p8", "/in/a.csv", None), seen(), True, False),
        (Withdrawal(None, "/b/b.csv", None), seen(), True, True),
        (Withdrawal(None, "/b/b.csv", None), seen(), False, False),
        (Withdrawal(None, "/in/a.csv", None), seen(), False, True),
        (Withdrawal(None, "/in/deleted.csv", None), seen(), False, True),
        # The source corrects the patient and takes the note back in one later version.
        (Withdrawal("p8", "/in/b.ndjson", DAY_2), seen(version=DAY_1), True, True),
        (Withdrawal("p8", "/in/b.ndjson", DAY_1), seen(version=DAY_2), True, False),
        (Withdrawal("p8", "/b/b.ndjson", DAY_2), seen(version=DAY_1), True, False),
        (Withdrawal("p8", "/in/b.csv", DAY_2), seen(version=DAY_1), False, False),
    ],
)
def test_whose_note_a_withdrawal_concerns(
    withdrawal: Withdrawal, note: Sighting, resource: bool, concerns: bool
) -> None:
    assert identity.concerns(withdrawal, note, resource=resource) is concerns


def test_how_long_a_withdrawal_lasts() -> None:
    withdrawal = Withdrawal(None, "/in/b.ndjson", DAY_1)

    def outlasts(file: str, version: NoteVersion | None, *, same_run: bool = False) -> bool:
        return identity.outlasts(withdrawal, seen(file, version=version), resource=True, same_run=same_run)

    assert not outlasts("/in/a.ndjson", DAY_2)
    assert outlasts("/in/a.ndjson", DAY_1)
    assert outlasts("/in/c.ndjson", None)
    assert outlasts("/in/b.ndjson", None, same_run=True)
    assert not outlasts("/in/b.ndjson", None)
    assert is_newer(DAY_2, withdrawal.version)
    row = Withdrawal("p9", "/in/b.csv", None)
    assert identity.outlasts(row, seen("/in/a.csv"), resource=False, same_run=False)
    assert not identity.outlasts(row, seen("/in/c.csv"), resource=False, same_run=False)
