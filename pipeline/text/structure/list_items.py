"""The items of a list within a section, with their numbers apart.

Decides where one item ends and the next begins: by bullets and numbers, on lines or run together in one ("1. Asthma.
2. Gout"), by lines, and by the commas of a sentence without a verb ("Lisinopril 10 mg daily, aspirin"). What is prose
stays whole sentences, and so does a list that something denies, doubts or gives to a relative ("No fever, chills"): an
item must say by itself what the note says. Refuses to say what an item is; a number of the list is never part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest

from pipeline.text.sentences import BULLETS, end_of_sentences, sentence_spans
from pipeline.text.statements.facts import may_stand_over
from pipeline.text.vocabulary import CLAUSE_VERBS


@dataclass(frozen=True, slots=True)
class ListItem:
    """Half-open offsets of the text that was given, without marker and closing punctuation."""

    start: int
    end: int
    marked: bool = False
    """By a bullet or a number."""
    number: int | None = None
    """That the list gives it; None where it gives none."""
    under: tuple[int, int] | None = None
    """The words that the list hangs on: "Denies:", "Past history is significant for". They may change what it says."""


WORDS_MAX = 14
"""A longer stretch between two commas is no item of a list."""

_LINE = re.compile(r"[^\n]+")
_MARKED = re.compile(rf"\s*(?:[{BULLETS}]\s+|\(?(?P<number>\d{{1,3}})[.)]\s+(?=\D))")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_NUMBERS = re.compile(r"(?:^|(?<=[\s,;.:(]))#?(?P<number>\d{1,2})[.)]\s*(?=[^\W\d_]|[\"'(])")
_LEAD = re.compile(
    r"[^,;:]{0,60}?(?::|\b(?:takes|taking|includes?|including|included|consists? of|significant for|notable for|"
    r"positive for|remarkable for|the following)\b:?)\s+",
    re.IGNORECASE,
)
"""What goes before the first item: "Past medical history is significant for"."""
_COMMA = re.compile(
    r"\s*(?:[;]|(?<!\d),|,(?!\d{3}\b))\s*(?:(?:and|or|as well as)\s+)?|\s+(?:and)\s+(?=[^\W\d_]+ \d)"
)
_AND = re.compile(r"\s+(?:and|or|as well as)\s+")
_CONTINUES = re.compile(
    r"(?:as needed|prn|by mouth|once|twice|daily|every|each|with|without|for|when|if|which|who|in|on|at|then|per|"
    r"po|orally|including|status post|s/p|last|now|stable|controlled|diagnosed|since|previously|mild|left|right|"
    r"nightly|weekly|q\.?\d|\d[\d./%-]*\s*(?:mg|mcg|g|ml|units?|tablets?|capsules?|puffs?|times|years?|months?|days?)|"
    r"\d{4})\b",
    re.IGNORECASE,
)
"""A part that begins so says more of the item before it."""
_OF_PROSE = (
    CLAUSE_VERBS
    - {"positive", "started", "increased", "decreased", "stopped", "presented", "described", "reported"}
) | {"i", "we", "he", "she", "it", "they"}
"""A sentence with one of these is no list, however many commas it has."""
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_CLOSING = " \t\n.,;"
_MARK = re.compile(rf"(?:[{BULLETS}]\s*|\(?\d{{1,2}}[.)]\s+(?=[^\W\d_]))+")
_OPENING = re.compile(rf"\s*(?:[{BULLETS}]|\(?\d{{1,2}}[.)])\s")


def opens_an_item(text: str, start: int = 0, end: int | None = None) -> bool:
    """Whether a line, or a stretch of a text, begins with the bullet or number of a list: "- fever", "(2) fever"."""
    return _OPENING.match(text, start, len(text) if end is None else end) is not None


def without_mark(text: str, start: int, end: int) -> tuple[int, int]:
    """A stretch of a text without the bullet or number of a list before it."""
    mark = _MARK.match(text, start, end)
    return (mark.end() if mark is not None and mark.end() < end else start), end


def items_of(text: str, start: int = 0, end: int | None = None) -> tuple[ListItem, ...]:
    """The items of `text[start:end]`, in order and disjoint: what stands under a title (`Section.text_start`).

    Linear in the length of the text.
    """
    stop = end_of_sentences(text, start) if end is None or end == len(text) else end
    return tuple(_hung(text, [item for item in _items(text, start, stop) if item.start < item.end]))


def _hung(text: str, items: Sequence[ListItem]) -> Iterator[ListItem]:
    """Marked items with the line that ends in a colon before them."""
    under: tuple[int, int] | None = None
    for item, after in zip_longest(items, items[1:]):
        if not item.marked and text[item.end - 1] == ":" and after is not None and after.marked:
            under = (item.start, item.end)
        elif not item.marked:
            under = None
            yield item
        else:
            yield replace(item, under=under) if under else item


def _items(text: str, start: int, end: int) -> Iterator[ListItem]:
    if len(marks := _run_of_numbers(text, start, end)) > 1:
        if text[start : marks[0].start()].strip():
            yield from _unmarked(text, start, marks[0].start())
        blank = _BLANK_LINE.search(text, marks[-1].end(), end)
        last = blank.start() if blank else end  # what follows the list is none of it
        ends = [after.start() for _, after in pairwise(marks)] + [last]
        for mark, until in zip(marks, ends, strict=True):
            yield replace(_item(text, mark.end(), until), marked=True, number=int(mark["number"]))
        if text[last:end].strip():
            yield from _items(text, last, end)
    else:
        yield from _by_lines(text, start, end)


def _run_of_numbers(text: str, start: int, end: int) -> list[re.Match[str]]:
    """The numbers 1, 2, 3 … of one list, wherever they stand."""
    found: list[re.Match[str]] = []
    for mark in _NUMBERS.finditer(text, start, end):
        if int(mark["number"]) == len(found) + 1:
            found.append(mark)
    return found


def _by_lines(text: str, start: int, end: int) -> Iterator[ListItem]:
    """Items with bullets or numbers, each with the lines that carry it on; what stands between them unmarked."""
    opened: re.Match[str] | None = None
    at = plain = start
    for line in _LINE.finditer(text, start, end):
        marked = _MARKED.match(text, line.start(), line.end())
        blank = not line.group().strip()
        if marked or (opened and (blank or text[at : line.start()].count("\n") > 1)):
            yield from _closed(text, opened, plain, line.start())
            opened, plain = marked, line.start()
        at = line.end()
    yield from _closed(text, opened, plain, end)


def _closed(text: str, opened: re.Match[str] | None, plain: int, end: int) -> Iterator[ListItem]:
    if opened is None:
        yield from _unmarked(text, plain, end)
    else:
        number = int(opened["number"]) if opened["number"] else None
        yield replace(_item(text, opened.end(), end), marked=True, number=number)


def _unmarked(text: str, start: int, end: int) -> Iterator[ListItem]:
    """Sentences, lines, and what commas part in one that is a list."""
    for a, b in sentence_spans(text[start:end]):
        yield from _by_commas(text, start + a, start + b)


def _by_commas(text: str, start: int, end: int) -> Iterator[ListItem]:
    lead = _LEAD.match(text, start, end)
    begin = lead.end() if lead else start
    parts = list(_parts(text, begin, end))
    if len(parts) < 2 or not _is_list(text, start, begin, parts):
        yield _item(text, start, end)
        return
    for a, b in parts:
        yield replace(_item(text, a, b), under=(start, begin) if lead else None)


def _is_list(text: str, start: int, begin: int, parts: Sequence[tuple[int, int]]) -> bool:
    words = {word.lower() for word in _WORD.findall(text[begin : parts[-1][1]])}
    return (
        max(len(text[a:b].split()) for a, b in parts) <= WORDS_MAX
        and words.isdisjoint(_OF_PROSE)
        and not may_stand_over(text[start : parts[-1][1]])
    )


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Stretches between commas outside brackets; what only says more of an item stays with it."""
    cuts = [(comma.start(), comma.end()) for comma in _COMMA.finditer(text, start, end)]
    opened = start
    for cut, after in cuts:
        inside = text.count("(", opened, cut) > text.count(")", opened, cut)
        if inside or not _WORD.search(text, after, end) or _CONTINUES.match(text, after, end):
            continue
        yield opened, cut
        opened = after
    last = _AND.search(text, opened, end)
    if (
        opened > start
        and last is not None
        and _COMMA.search(text, start, opened)
        and _is_short(text[opened:end])
    ):
        yield opened, last.start()
        opened = last.end()
    yield opened, end


def _is_short(part: str) -> bool:
    return len(part.split()) <= 5


def _item(text: str, start: int, end: int) -> ListItem:
    while start < end and text[start] in _CLOSING:
        start += 1
    while end > start and text[end - 1] in _CLOSING:
        end -= 1
    return ListItem(start, end)
