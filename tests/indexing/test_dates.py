"""Dates: one meaning, or none."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.indexing.dates import AMBIGUOUS, iso_date


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2021-03-04", "2021-03-04"),
        (" 2021-03-04 ", "2021-03-04"),
        ("2021", "2021"),
        ("2021-03", "2021-03"),
        ("2021-03-04T05:06:07Z", "2021-03-04T05:06:07+00:00"),
        ("2021-03-04T05:06:07.345+02:00", "2021-03-04T05:06:07.345+02:00"),
        ("2021-03-04 05:06", "2021-03-04T05:06:00"),
        ("20210304", "2021-03-04"),
        ("202103040506", "2021-03-04T05:06:00"),
        ("20210304050607-0500", "2021-03-04T05:06:07-05:00"),
        ("2021/3/4", "2021-03-04"),
        ("04-Mar-2021", "2021-03-04"),
        ("4 March 2021", "2021-03-04"),
        ("04MAR2021", "2021-03-04"),
        ("March 4, 2021", "2021-03-04"),
        ("Mar. 4th, 2021 3:05 PM", "2021-03-04T15:05:00"),
        ("3/14/2021", "2021-03-14"),
        ("14/3/2021", "2021-03-14"),
        ("14.03.2021 10:22", "2021-03-14T10:22:00"),
        ("3/14/2021 12:05:09 AM", "2021-03-14T00:05:09"),
        ("03/03/2021", "2021-03-03"),
        ("03/04/2021", AMBIGUOUS),
        ("3-4-2021", AMBIGUOUS),
        ("2021-02-30", None),
        ("20211301", None),
        ("31/31/2021", None),
        ("4 Smarch 2021", None),
        ("03/14/21", None),
        ("1616161616", None),
        ("3/14/2021 13:05 PM", None),
        ("", None),
        ("today", None),
    ],
)
def test_dates(written: str, expected: object) -> None:
    assert iso_date(written) == expected


@given(st.dates(min_value=date(1000, 1, 1)))
def test_every_day_in_every_unambiguous_form(day: date) -> None:
    for form in ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y"):
        assert iso_date(day.strftime(form)) == day.isoformat()
    for form in ("%d/%m/%Y", "%m/%d/%Y"):
        assert iso_date(day.strftime(form)) in (day.isoformat(), AMBIGUOUS)


@given(st.text(max_size=30))
def test_no_text_makes_it_raise(text: str) -> None:
    iso_date(text)


@given(st.text("0123456789-/.:T+Z ", max_size=25))
def test_no_digits_make_it_raise(text: str) -> None:
    iso_date(text)
