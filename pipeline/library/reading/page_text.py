"""From the lines of pages, as they stand on paper, to text in reading order.

Decides where a paragraph goes on in the next line, which hyphens belong to a word, what is a heading, and which lines
are the running head or foot of every page. Knows no file format. All positions are shares of the page, from its left
and top edge.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pipeline.library.records import Heading, TextBox

SOFT_HYPHEN = "\u00ad"
"""At the end of a line: the file says that a word was broken there."""
MARGIN = 0.13
"""Of the page's height, where running heads and feet stand."""
RUNNING_LINES_MAX = 4
"""At the top and at the bottom of a page."""
RUNNING_PAGES_MIN = 3
LEADING = 1.35
"""Lines further apart than this, in the page's usual distance, are two paragraphs."""
HEADING_SIZE = 1.12
"""A line that is so much larger than the body of the text is a heading."""
HEADING_CHARACTERS_MAX = 200
SHORT_LINE = 0.8
"""A line that ends before this share of its column's width ends its paragraph, where a capital or a number follows."""

_ENDS_SENTENCE = re.compile(r"[.:;?!][\"'”’)\]]?$")
_BEGINS_ITEM = re.compile(r"(?:[•●▪◦‣○□☐☒☑✓*–-]\s|\(?\d{1,3}[.)]\s|\(?[a-zA-Z][.)]\s)")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_NUMBER = re.compile(r"(?a:\d{1,6})")
_ROMAN_ALONE = re.compile(r"(?<=^top )[ivxlc]+$|(?<=^bottom )[ivxlc]+$")


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """One line of a page, in the order in which the file gives it."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    """Of its letters, in points."""

    @property
    def height(self) -> float:
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class ComposedText:
    """The text of one page."""

    text: str
    boxes: tuple[TextBox, ...]
    headings: tuple[Heading, ...]


@dataclass
class _Writer:
    """Text that grows line by line, with the place of each line."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    boxes: list[TextBox] = field(default_factory=list)

    def write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def write_line(self, text: str, line: PlacedLine) -> None:
        start = self.length
        self.write(text)
        self.boxes.append(TextBox(start, self.length, line.left, line.top, line.right, line.bottom))


def compose(pages: Sequence[Sequence[PlacedLine]]) -> list[ComposedText]:
    """The text of each page. Running heads and feet are left out, and so are the numbers of pages."""
    keys = [_keys(lines, number) for number, lines in enumerate(pages)]
    running = _running(keys)
    kept = [
        [line for line, said in zip(lines, of_page, strict=True) if not said & running]
        for lines, of_page in zip(pages, keys, strict=True)
    ]
    words = _vocabulary(kept)
    body = _body_size(kept)
    return [_composed(lines, words, body) for lines in kept]


def _composed(lines: Sequence[PlacedLine], words: Counter[str], body: float) -> ComposedText:
    writer, headings = _Writer(), list[Heading]()
    pitch, left, right = _usual_pitch(lines), _edge(lines, "left"), _edge(lines, "right")
    before: PlacedLine | None = None
    for number, line in enumerate(lines):
        joined = before is not None and _goes_on(before, line, pitch, left, right)
        if before is not None and not joined:
            writer.write("\n")
        if _is_heading(line, body):
            if joined and headings:
                headings[-1] = replace(headings[-1], text=f"{headings[-1].text} {line.text.strip()}")
            else:
                headings.append(Heading(writer.length, _level(line, body), line.text.strip()))
        follows = lines[number + 1] if number + 1 < len(lines) else None
        goes_on = follows is not None and _goes_on(line, follows, pitch, left, right)
        text = _broken_word(line.text, follows.text, words) if goes_on and follows else None
        writer.write_line(line.text.replace(SOFT_HYPHEN, "") if text is None else text, line)
        if goes_on and text is None:
            writer.write(" ")
        before = line
    return ComposedText("".join(writer.parts), tuple(writer.boxes), tuple(headings))


def _goes_on(line: PlacedLine, after: PlacedLine, pitch: float, left: float, right: float) -> bool:
    """Whether a paragraph goes on from one line to the one behind it."""
    if "\t" in line.text or "\t" in after.text or _BEGINS_ITEM.match(after.text):
        return False
    if abs(line.size - after.size) > 0.12 * max(line.size, after.size):
        return False
    if after.top < line.top - line.height:  # the next column
        return not _ENDS_SENTENCE.search(line.text.rstrip()) and after.text[:1].islower()
    if after.top - line.top > max(LEADING * pitch, LEADING * line.height):
        return False
    width = right - left
    short = width > 0 and line.right - left < SHORT_LINE * width and line.right < after.right - 0.1 * width
    return not (short and not after.text[:1].islower() and _ENDS_SENTENCE.search(line.text.rstrip()))


def _broken_word(line: str, after: str, words: Counter[str]) -> str | None:
    """The line without the hyphen at its end, or with it, where one word goes on in the next line; None where none
    does. What the rest of the document writes decides; where it says nothing, the hyphen broke a word."""
    begun = re.search(r"([^\W\d_]+)([-\u2010\u00ad])\s*$", line)
    ending = re.match(r"[^\W\d_]+", after)
    if begun is None or ending is None:
        return None
    if begun[2] != SOFT_HYPHEN and not ending[0][0].islower():
        return line.rstrip()  # "anti-" "IgE": the hyphen is the word's own
    first, rest = begun[1].lower(), ending[0].lower()
    written, whole = words[f"{first}-{rest}"], words[first + rest]
    own = written > whole or (not written and not whole and words[first] > 0 and words[rest] > 0)
    if begun[2] == SOFT_HYPHEN and not written:
        own = False
    return line[: begun.start(2)] + ("-" if own else "")


def _vocabulary(pages: Sequence[Sequence[PlacedLine]]) -> Counter[str]:
    """Words that stand inside of lines, as they are written there; halves of broken ones are none."""
    words: Counter[str] = Counter()
    for lines in pages:
        broken = False
        for line in lines:
            found = [word.lower() for word in _WORD.findall(line.text)]
            ends = line.text.rstrip().endswith(("-", "\u2010", SOFT_HYPHEN))
            words.update(found[1 if broken else 0 : -1 if ends else None])
            broken = ends
    return words


def _running(pages: Sequence[Sequence[frozenset[str]]]) -> frozenset[str]:
    """What stands in the margins of many pages."""
    if len(pages) < RUNNING_PAGES_MIN:
        return frozenset()
    seen: Counter[str] = Counter()
    for lines in pages:
        seen.update(frozenset().union(*lines))
    written = sum(bool(lines) for lines in pages)
    least = max(RUNNING_PAGES_MIN, 0.4 * written)
    return frozenset(key for key, count in seen.items() if count >= least)


def _keys(lines: Sequence[PlacedLine], page: int) -> list[frozenset[str]]:
    """What a line in a margin is compared by; none for a line of the text."""
    ordered = sorted(range(len(lines)), key=lambda number: lines[number].top)
    outer = {*ordered[:RUNNING_LINES_MAX], *ordered[-RUNNING_LINES_MAX:]}
    return [
        _line_keys(line, page) if number in outer else frozenset[str]() for number, line in enumerate(lines)
    ]


def _line_keys(line: PlacedLine, page: int) -> frozenset[str]:
    """As it stands, and with each of its numbers as its distance from the page: so the number of a page is the same on
    all of them, and a dose that differs from page to page is not."""
    if line.bottom <= MARGIN:
        edge = "top"
    elif line.top >= 1 - MARGIN:
        edge = "bottom"
    else:
        return frozenset()
    text = f"{edge} {' '.join(line.text.lower().split())}"
    counted = (
        f"{text[: each.start()]}#{int(each[0]) - page}#{text[each.end() :]}"
        for each in _NUMBER.finditer(text)
    )
    return frozenset((text, _ROMAN_ALONE.sub("#", text), *counted))


def _is_heading(line: PlacedLine, body: float) -> bool:
    text = line.text.strip()
    return (
        body > 0
        and line.size >= HEADING_SIZE * body
        and 0 < len(text) <= HEADING_CHARACTERS_MAX
        and any(each.isalpha() for each in text)
    )


def _level(line: PlacedLine, body: float) -> int:
    """1 for the largest: by how much it is larger than the body."""
    return 1 if line.size >= 1.6 * body else 2 if line.size >= 1.3 * body else 3


def _body_size(pages: Sequence[Sequence[PlacedLine]]) -> float:
    """The size in which most characters are set."""
    sizes: Counter[float] = Counter()
    for line in _every(pages):
        sizes[round(line.size, 1)] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _every(pages: Sequence[Sequence[PlacedLine]]) -> Iterator[PlacedLine]:
    for lines in pages:
        yield from lines


def _usual_pitch(lines: Sequence[PlacedLine]) -> float:
    """From the top of one line to that of the next, inside a paragraph."""
    steps = [after.top - line.top for line, after in itertools.pairwise(lines)]
    down = [step for step, line in zip(steps, lines, strict=False) if 0 < step < 3 * line.height]
    return statistics.median_low(down) if down else 0.0


def _edge(lines: Sequence[PlacedLine], name: str) -> float:
    """Where most lines begin, or end at the latest."""
    if not lines:
        return 0.0
    edges = sorted(getattr(line, name) for line in lines)
    return float(edges[len(edges) // 10] if name == "left" else edges[-1 - len(edges) // 10])
