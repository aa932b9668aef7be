"""Dates that a text writes, and what they are dates of."""

from __future__ import annotations

import pytest

from pipeline.text.structure.written_dates import written_dates


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Creatinine 1.1 on 2019-03-04.", ["2019-03-04"]),
        ("Mammogram 01/2021 was normal.", ["2021-01"]),
        ("CT of Abdomen, 01/23/2020.", ["2020-01-23"]),
        ("Seen on 03/04/2021.", ["2021"]),
        ("Labs of 3/15/21: potassium 4.1", ["2021-03-15"]),
        ("Stent in 2018.", ["2018"]),
        ("History of abnormal smear: 2009.", ["2009"]),
        ("Had it on March 4, 2020 and on 5 June 2021.", ["2020-03-04", "2021-06-05"]),
        ("Colonoscopy in Oct 2017 showed a polyp.", ["2017-10"]),
        ("WBC 2000 and platelets 2010 per microliter", []),
        ("She was born 1960-02-03. DOB: 02/14/1950", []),
        ("Next visit scheduled for 04/2025, due in 2026.", []),
        ("BP 120/80, ratio 3/4", []),
    ],
)
def test_which_days_are_written(text: str, days: list[str]) -> None:
    assert [date.day for date in written_dates(text)] == days


def test_a_date_after_since_is_a_beginning() -> None:
    (date,) = written_dates("Hypertension since 2009.")
    assert (date.day, date.begins) == ("2009", True)
