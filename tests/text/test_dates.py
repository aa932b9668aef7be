"""Dates: one meaning, or none."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.dates import AMBIGUOUS, OTHER_ORDER, DateOrder, iso_date


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
        ("03/14/21", AMBIGUOUS),
        ("10.03.24", AMBIGUOUS),
        ("March 2021", "2021-03"),
        ("mars 2021", "2021-03"),
        ("Mar-2021", "2021-03"),
        ("marzo de 2021", "2021-03"),
        ("3/2021", "2021-03"),
        ("03.2021", "2021-03"),
        ("2021/03", "2021-03"),
        ("13/2021", None),
        ("Monday, March 2021", None),
        ("Spring 2021", None),
        ("March 21", None),
        ("/Date(1710113400000+0100)/", "2024-03-10T23:30:00+00:00"),
        ("1616161616", "2021-03-19T13:46:56+00:00"),
        ("1616161616.25", "2021-03-19T13:46:56+00:00"),
        ("1710113400000", "2024-03-10T23:30:00+00:00"),
        ("1710113400000000", "2024-03-10T23:30:00+00:00"),
        ("1710113400000000000", "2024-03-10T23:30:00+00:00"),
        ("631152000000", "1990-01-01T00:00:00+00:00"),
        ("1893456000", None),
        ("123456789", None),
        ("2024031023", "2024-03-10T23:00:00"),
        ("2024-03-10 23:30:00 UTC", "2024-03-10T23:30:00+00:00"),
        ("2024-03-10 23:30:00 GMT", "2024-03-10T23:30:00+00:00"),
        ("2024-03-10 23:30 Z", "2024-03-10T23:30:00+00:00"),
        ("2024-03-10T23:30:00 +0100", "2024-03-10T23:30:00+01:00"),
        ("2024-03-10 UTC", "2024-03-10"),
        ("2024-03-10 23:30:00 CET", "2024-03-10T23:30:00"),
        ("Sun, 10 Mar 2024 23:30:00 GMT", "2024-03-10T23:30:00+00:00"),
        ("Sun, 10 Mar 2024 23:30:00 +0100", "2024-03-10T23:30:00+01:00"),
        ("10 Mar 2024 23:30:00 -0500", "2024-03-10T23:30:00-05:00"),
        ("Mon, 10 Mar 2024 23:30:00 GMT", None),
        ("Sun Mar 10 23:30:00 UTC 2024", "2024-03-10T23:30:00+00:00"),
        ("Sun Mar 10 23:30:00 2024", "2024-03-10T23:30:00"),
        (
            "Sun Mar 10 2024 23:30:00 GMT+0100 (Central European Standard Time)",
            "2024-03-10T23:30:00+01:00",
        ),
        ("Sun 03/10/2024", "2024-03-10"),
        ("Thu 03/10/2024", "2024-10-03"),
        ("Fri 03/10/2024", AMBIGUOUS),
        ("10-MAR-24", "2024-03-10"),
        ("10-Mar-49", "2049-03-10"),
        ("10-MAR-50", "1950-03-10"),
        ("10-MAR-24 11.30.05.000000 PM", "2024-03-10T23:30:05"),
        ("10 M\u00e4rz 2024", "2024-03-10"),
        ("10. M\u00e4rz 2024, 14:30 Uhr", "2024-03-10T14:30:00"),
        ("Sonntag, 10. M\u00e4rz 2024", "2024-03-10"),
        ("3. Dezember 2024", "2024-12-03"),
        ("1er ao\u00fbt 2024", "2024-08-01"),
        ("le 10 f\u00e9vrier 2024", "2024-02-10"),
        ("10 juil. 2024 14h30", "2024-07-10T14:30:00"),
        ("10 de enero de 2024", "2024-01-10"),
        ("1\u00ba de mar\u00e7o de 2024", "2024-03-01"),
        ("10 maggio 2024", "2024-05-10"),
        ("10 okt 2024", "2024-10-10"),
        ("10 listopada 2024", None),
        ("2024\u5e743\u670810\u65e5", "2024-03-10"),
        ("10.03.2024", "2024-03-10"),
        ("3.4.2024 10:22", "2024-04-03T10:22:00"),
        ("45361", None),
        ("4 Marble 2021", None),
        ("3/14/2021 13:05 PM", None),
        ("", None),
        ("today", None),
    ],
)
def test_dates(written: str, expected: object) -> None:
    assert iso_date(written) == expected


@pytest.mark.parametrize(
    ("written", "order", "expected"),
    [
        ("03/04/2021", "day", "2021-04-03"),
        ("03/04/2021", "month", "2021-03-04"),
        ("03.04.2021", "month", "2021-03-04"),
        ("03/04/21 3:05 PM", "day", "2021-04-03T15:05:00"),
        ("03/14/2021", "month", "2021-03-14"),
        ("03/14/2021", "day", OTHER_ORDER),
        ("14-03-2021", "month", OTHER_ORDER),
        ("2021-03-04", "day", "2021-03-04"),
        ("31/02/2021", "day", None),
    ],
)
def test_an_order_that_the_user_gives(written: str, order: DateOrder, expected: object) -> None:
    assert iso_date(written, order) == expected


@given(st.dates(min_value=date(1000, 1, 1)))
def test_every_day_in_every_unambiguous_form(day: date) -> None:
    for form in ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y"):
        assert iso_date(day.strftime(form)) == day.isoformat()
    assert iso_date(day.strftime("%d.%m.%Y")) == day.isoformat()
    for form, order in (("%d/%m/%Y", "day"), ("%m/%d/%Y", "month")):
        assert iso_date(day.strftime(form)) in (day.isoformat(), AMBIGUOUS)
        assert iso_date(day.strftime(form), order) == day.isoformat()  # type: ignore[arg-type]


@given(st.text(max_size=30))
def test_no_text_makes_it_raise(text: str) -> None:
    iso_date(text)


@given(st.text("0123456789-/.:T+Z ", max_size=25))
def test_no_digits_make_it_raise(text: str) -> None:
    iso_date(text)
