"""Which columns look like the notes' date."""

from __future__ import annotations

import pytest

from pipeline.indexing.dry_run import DateColumns
from pipeline.records import Document


def columns(*values: str, date: str | None = None) -> DateColumns:
    found = DateColumns()
    for value in values:
        found.add(Document("n", "p", "note", "Fever.", date=date, metadata={"column": value}))
    return found


@pytest.mark.parametrize(
    ("values", "likely"),
    [
        (["2024-03-10", "11.03.2024", "03/04/2024"], True),
        (["20240310", "20240311"], True),
        (["2024-03-10"] * 19 + ["unknown"], True),
        (["2024-03-10", "2024-03-11", "ward B"], False),
        (["1710113400", "1710113401"], False),
        (["2024", "2023"], False),
    ],
)
def test_a_column_of_dates(values: list[str], likely: bool) -> None:
    assert columns(*values).likely() == (("column",) if likely else ())


def test_only_notes_without_a_date_are_counted() -> None:
    dated = columns("2024-03-10", date="2024-03-11")
    assert (dated.undated, dated.likely()) == (0, ())
    assert columns("2024-03-10").undated == 1
