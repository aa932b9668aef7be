"""The screen, in the widths of a terminal: everything is there, nothing is cut where it matters, nothing crashes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.monitoring.alerts import alerts_of
from pipeline.monitoring.samples import Sample
from pipeline.monitoring.screen import bar, line, screen, since
from tests.monitoring.samples import BARE, COSTS, ILL, WELL


def shown(sample: Sample, width: int, before: Sample | None = None) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False, color_system=None)
    console.print(screen(sample, alerts_of(sample, before), COSTS, width=width, recording="kept"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120, 160, 220])
def test_a_well_host_at_every_width(width: int) -> None:
    text = shown(WELL, width)
    assert max(map(len, text.splitlines())) <= width
    for part in (
        "nothing needs you",
        "A10G",
        "92%",
        "61%",
        "8%",
        "20.0/22.5 GiB",
        "214 W",
        "67 °C",
        "nim-llm",
    ):
        assert part in text, part
    for part in (
        "84,211 notes",
        "412,908 passages",
        "1,204 wait",
        "3 at work",
        "ip-10-0-3-7",
        "$1.25",
        "kept",
    ):
        assert part in text, part


@pytest.mark.parametrize("width", [80, 160])
def test_a_host_in_trouble_says_what_is_wrong_first(width: int) -> None:
    text = shown(ILL, width, WELL)
    assert max(map(len, text.splitlines())) <= width
    assert text.index("Needs you") < text.index("GPU")
    for part in ("iris is down", "ran out of memory", "99% full", "restarting", "loading", "17 failed"):
        assert part in text, part


@pytest.mark.parametrize("width", [80, 160])
def test_a_laptop_shows_what_is_missing_as_such(width: int) -> None:
    text = " ".join(shown(BARE, width).split())
    for part in (
        "no NVIDIA driver on this machine",
        "Docker is not installed here",
        "nothing is indexed yet",
    ):
        assert part in text, part


@given(st.one_of(st.none(), st.floats(-1e6, 1e6)), st.integers(1, 40))
def test_a_bar_has_its_width_whatever_it_is_given(ratio: float | None, width: int) -> None:
    text = bar(ratio, width).plain
    assert text == "-" if ratio is None else text.count("█") + text.count("░") == width


def test_a_start_that_never_was_is_a_dash() -> None:
    assert since("0001-01-01T00:00:00Z") == "-"
    assert since("2026-11-20T18:00:01.1Z") == "2026-11-20 18:00"


def test_a_line_for_the_log() -> None:
    assert line([]) == "nothing needs you"
    assert line(alerts_of(ILL)).startswith("fail: ")
