"""Two spellings of one figure are one figure, and two figures never are."""

from __future__ import annotations

from itertools import combinations

import pytest

from pipeline.text.statements.figures import Figure, figure_at
from pipeline.text.vocabulary import NEUTRAL

SAME = [
    ["1,000 mg", "1000mg", "1 g", "1000 milligrams", "1.0 gram"],
    ["500 mcg", "0.5 mg", "500 ug", ".5 mg"],
    ["twice daily", "BID", "b.i.d.", "two times a day", "2x daily", "q12h", "every 12 hours", "twice a day"],
    ["TID", "three times daily", "3 times per day", "q8h", "q 8 hrs", "every eight hours"],
    ["once daily", "daily", "every day", "once a day", "qd", "q24h", "q.d."],
    ["PRN", "as needed", "p.r.n.", "on an as-needed basis", "if needed"],
    ["weekly", "once a week", "every week", "once weekly", "every 7 days"],
    ["every other day", "qod"],
    ["at bedtime", "nightly", "qhs", "every night"],
    ["14 June 2009", "June 14, 2009", "2009-06-14", "06/14/2009", "6/14/09", "Jun 14th 2009"],
    ["June 2009", "06/2009"],
    ["130/80", "130 over 80"],
    ["4/10", "4 out of 10"],
    ["half a tablet", "1/2 tablet", "0.5 tablets"],
    ["2-1/2 years", "2 1/2 years", "2.5 years", "two and a half years", "30 months"],
    ["5-10 mg", "5 to 10 mg", "5 mg to 10 mg"],
    ["50-year-old", "50 years old", "aged 50", "50 yo", "50 years of age", "age 50"],
    ["two weeks", "2 weeks", "14 days", "2-week"],
    ["less than 100 cc", "under 100 mL", "<100 ml"],
    ["more than 100 cc", "over 100 ml"],
    ["98.6 °F", "98.6 degrees Fahrenheit", "98.6F"],
    ["45%", "45 percent"],
    ["8:30 pm", "20:30"],
    ["72 bpm", "72 beats per minute"],
    ["10 mg/kg", "10 mg per kg"],
]
DIFFERENT = ["100 mg", "100 g", "100 mcg", "100 mL", "100 units", "100%", "100", "10 mg", "1,00 mg"]


def figure(text: str) -> Figure:
    word = text.split(maxsplit=1)[0].lower().rstrip(".") if text[0].isalpha() else ""
    found = figure_at(text, 0, word.partition(".")[0])
    assert found is not None, text
    return found[0]


@pytest.mark.parametrize("spellings", SAME, ids=lambda spellings: spellings[0])
def test_spellings_of_one_figure(spellings: list[str]) -> None:
    assert {figure(spelling) for spelling in spellings} == {figure(spellings[0])}


def test_no_two_figures_are_the_same() -> None:
    found = [figure(spellings[0]) for spellings in SAME] + [figure(text) for text in DIFFERENT[:-2]]
    assert [pair for pair in combinations(found, 2) if pair[0] == pair[1]] == []


@pytest.mark.parametrize(
    "text", ["metformin", "daily-ish", "yesterday", "april fools", "on the left", "a dog", "per os"]
)
def test_what_is_no_figure(text: str) -> None:
    assert figure_at(text, 0, text.split(maxsplit=1)[0]) is None


@pytest.mark.parametrize(
    "text", ["1" * 5_000, "1," * 5_000, "9/" * 5_000, "q" * 5_000, "1 to " * 5_000, "-" * 5_000]
)
def test_no_text_takes_long_or_fails(text: str) -> None:
    figure_at(text, 0, "q" if text[0] == "q" else "")


def test_words_that_claim_nothing_are_no_numbers() -> None:
    assert {word for word in NEUTRAL if figure_at(word, 0, word) is not None} == set()
