"""Periods and dates of any precision."""

from __future__ import annotations

import pytest

from pipeline.errors import BadRequest
from pipeline.text.periods import Period


@pytest.mark.parametrize(
    ("since", "until", "noted", "admitted"),
    [
        ("2024-03-10", None, "2024", True),
        ("2024-03-10", None, "2024-03", True),
        ("2024-03-10", None, "2024-02", False),
        ("2024-03-10", None, "2024-03-09T23:59:59", False),
        (None, "2024-03-10", "2024-03-10T23:59:59.999Z", True),
        (None, "2024-03-10", "2024-03", True),
        (None, "2024-03-10", "2024-04", False),
        (None, "2024", "2024-12-31", True),
        ("2024-03-10T12:00:30Z", None, "2024-03-10T12:00:30", True),
        ("2024-03-10T12:00:30Z", None, "2024-03-10", True),
        ("2024-03-10T12:00:30", None, "2024-03-10T12:00:29.9+00:00", False),
        ("2024-03-10", None, None, False),
        (None, None, None, True),
    ],
)
def test_a_period_admits_a_date_that_may_lie_in_it(
    since: str | None, until: str | None, noted: str | None, admitted: bool
) -> None:
    assert Period.of(since, until).admits(noted) is admitted


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-13", "2024-02-30", "24-01-01", "2024-03T10:00", "٢٠٢٤"]
)
def test_what_is_no_date_bounds_no_period(text: str) -> None:
    with pytest.raises(BadRequest):
        Period.of(text, None)
    with pytest.raises(BadRequest):
        Period.of(None, text)


@pytest.mark.parametrize(
    ("since", "until", "refused"),
    [
        ("2024-02-01", "2024-01-31", True),
        ("2024-02-01", "2024-01", True),
        ("2024-02-01T10:00", "2024-02-01T09:59:59", True),
        ("2024-02-01T10:00", "2024-02-01", False),
        ("2024-02-01", "2024", False),
        ("2024", "2024-02-01", False),
    ],
)
def test_a_period_does_not_end_before_it_begins(since: str, until: str, refused: bool) -> None:
    if not refused:
        assert Period.of(since, until)
        return
    with pytest.raises(BadRequest):
        Period.of(since, until)
