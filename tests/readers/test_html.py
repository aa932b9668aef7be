"""HTML and XHTML as a reader sees it."""

from __future__ import annotations

import time

import pytest

from pipeline.readers.plain_text.html import heading, text_of
from pipeline.text.section_titles import heading_of


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("Plan", "Plan:"),
        (" Allergies and\n Intolerances ", "Allergies and Intolerances:"),
        ("PLAN:", "PLAN:"),
        ("1. Plan", "## 1. Plan"),
        ("plan", "## plan"),
        ("Übersicht", "## Übersicht"),
        ("Any allergies?", "## Any allergies?"),
        ("x" * 100, "x" * 100),
        ("", ""),
    ],
)
def test_a_title_becomes_a_heading_that_the_chunker_knows(title: str, line: str) -> None:
    assert heading(title) == line
    if line and len(line) < 80:
        assert heading_of(line) == " ".join(title.split()).rstrip(":")


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<h1>Labs</h1>fine<h3>1. Plan<br/>of care</h3>rest", "Labs:\n\nfine\n\n## 1. Plan of care\n\nrest"),
        ("<h3>Patient denies pain.</h3><h3>Weight: 81 kg</h3>", "Patient denies pain.\n\nWeight: 81 kg"),
        ("<h2></h2>text<h2>unclosed", "text\n\nunclosed"),
        (f"<h2>{'x' * 90}</h2>text", f"{'x' * 90}\n\ntext"),
        ("<dl><dt>Na</dt><dd>138</dd><dt>K:</dt>\n<dd>4.1</dd></dl>", "Na: 138\nK: 4.1"),
        # Tables: a row is a line, whatever is in its cells, and no value moves into another column.
        ("<table><tr><td>Na</td><td><p>138</p></td></tr></table>", "Na | 138"),
        ("<table><tr><td>a<br/>b</td><td><ul><li>c</li><li>d</li></ul></td></tr></table>", "a b | c; d"),
        (
            "<table><tr><th></th><th>AM</th><th>PM</th></tr><tr><td>Apixaban</td><td></td><td>5 mg</td></tr></table>",
            "| AM | PM\nApixaban |  | 5 mg",
        ),
        (
            "<table><tr><td rowspan='2'>Insulin<td>AM<td>4 units<tr><td>PM<td>6 units<tr><td>Other</table>",
            "Insulin | AM | 4 units\nInsulin | PM | 6 units\nOther",
        ),
        (
            "<table><tr><td rowspan=2>Insulin</td><td>4 units</td></tr><tr><td>held</td></tr></table>",
            "Insulin | 4 units\nInsulin | held",
        ),
        ("<table><tr><td colspan=2>Na</td><td>138</td></tr></table>", "Na |  | 138"),
        # A table that lays out the page keeps the page's sections.
        (
            "<table><tr><td><h2>Allergies</h2><p>Penicillin.</p></td><td>Page 1</td></tr></table>",
            "Allergies:\n\nPenicillin.\n\nPage 1",
        ),
        (
            "<table><tr><td><table><tr><td>Na</td><td>138</td></tr></table></td></tr></table>after",
            "Na | 138\n\nafter",
        ),
        ("<table><tr><td>a<td>b<tr><td>c<td>d</table>e", "a | b\nc | d\n\ne"),
        ("</td></tr></table>a<td>b", "a | b"),
        # What would read as another fact.
        ("WBC 4 x 10<sup>9</sup>/L, Na 138<sup>1</sup>, 5 m<sup>2</sup>, CHA<sub>2</sub>DS",
         "WBC 4 x 10^9/L, Na 138^1, 5 m2, CHA2DS"),
        ("on <del>warfarin</del><ins>apixaban</ins>, <s>5</s> 2 mg", "on apixaban, 2 mg"),
        ("a<div style='display: none'>b<div>c</div>d</div>e", "a\ne"),
        ("a <span hidden>b</span><span style='text-decoration:line-through'>c</span>d", "a d"),
        ("a <del>never closed", "a never closed"),
        ("a<input hidden>b<div hidden/>c", "ab\nc"),
        # Numbers of characters that Python would not turn into integers.
        (f"&#{'9' * 5000}; &#{'0' * 5000}65; &#x110000; &#65;", "\ufffd A \ufffd A"),
    ],
)  # fmt: skip
def test_what_a_reader_sees(markup: str, text: str) -> None:
    assert text_of(markup) == text


@pytest.mark.parametrize(
    "piece",
    [
        "<table><tr><td>",
        "<table>",
        "<td>x",
        "<tr><td rowspan=99 colspan=99>x",
        "<h1>x",
        "</h1>",
        "<del>",
        "<div hidden>",
        "<dt>a<dd>b",
        "<sup>1",
        "&#99999999",
    ],
)
def test_odd_markup_takes_time_in_proportion(piece: str) -> None:
    started = time.process_time()
    text_of(f"<table>{piece * 5_000}")
    assert time.process_time() - started < 2  # minutes where each piece looks back
