"""The blocks that a note is laid out in, top to bottom: headings, tables and prose, and which of them opens a section.

Decides what is a heading: a line of its own in any of the ways that people write them, or a title with a colon before
the text of its section ("PMH: asthma"). Refuses what may be a person's name, what is a label of an entry
("Instructions: one tablet"), and to know what a title means: `section_kinds` says that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from heapq import merge
from typing import Literal, NamedTuple, TypeAlias

from pipeline.text.section_titles import HEADING_CHARACTERS_MAX, heading_of, may_be_a_name
from pipeline.text.structure.section_kinds import SectionKind, kinds_of_title, plain

BlockForm: TypeAlias = Literal["heading", "table", "prose"]


class Block(NamedTuple):
    """Lines that belong together. Half-open offsets of the text; no block is blank."""

    start: int
    end: int
    form: BlockForm
    title: str | None = None
    """Of the section that it opens: of a heading always, of prose where it begins with a title ("PMH: asthma")."""
    text_start: int = 0
    """Where what stands under the title begins, in prose that has one."""


INLINE_TITLE_CHARACTERS_MAX = 49
LINES_KEPT = 4096
"""Lines of which is remembered whether they are titles: notes repeat theirs."""

_LINE = re.compile(r"[^\n]+")
_GAP = r"(?<![.,;:!?])(?<![.,;:!?][\"”’)\]]) {2,}(?=\S)"
"""Between two cells. Two spaces after a full stop or a colon are how people dictate and type."""
_TABLE_LINE = re.compile(rf"\||\t|(?<=\S){_GAP}.*(?<=\S){_GAP}")
_NUMBER = re.compile(r"\(?(?:\d{1,2}|[IVX]{1,4}|[A-H])[.)]\s+")
_VALUE = re.compile(r"[A-Z][A-Z ]*[A-Z] \d+(?:[./-]\d+)*%?")
"""In capitals and no title: "BP 120/80"."""
_IN_CAPITALS = re.compile(r"[A-Z][A-Z /&()'\-]{3,48}")
_BEFORE_TITLE = re.compile(r"[\n.,;:]")
_FLATTENED_TITLE = re.compile(r"(?P<title>[A-Z][A-Z /&()'\-]{3,48}),(?=\d{1,2}[.)]|[A-Z])")
"""In a note whose line ends have become commas: "ALLERGIES,1. Penicillin.,MEDICATIONS,1. ..."."""
_LINE_OPENING = re.compile(r"[\s*_#•●▪-]*(?:\(?(?:\d{1,2}|[IVX]{1,4})[.)]\s+)?[*_]*")
_LABELS = frozenset(
    "allergies allergy medications meds assessment impression plan labs laboratory imaging vitals exam immunizations "
    "problems subjective objective history results procedures habits surgeries recommendations diagnoses".split()
)
"""Single words that open a section where text follows on the line. Others name a part of an entry: "Reason: pain"."""
_LINES = frozenset(["Medical", "Surgical"])
"""Words that are a title where they are a line by themselves: parts of a past history."""
_ITEMS = (
    SectionKind.PLAN,
    SectionKind.INSTRUCTIONS,
    SectionKind.LABORATORY,
    SectionKind.IMAGING,
    SectionKind.RESULTS,
    SectionKind.PROCEDURES,
    SectionKind.DIAGNOSES,
    SectionKind.DISPOSITION,
    SectionKind.NUTRITION,
)
"""What a numbered line in small letters names as a thing to be done: "2. Blood work"."""
_ABBREVIATION_CHARACTERS_MAX = 3


def outline(text: str, titles: Collection[str] = ()) -> Iterator[Block]:
    """The blocks of `text` in order, blank lines left out. Linear in its length.

    `titles`: lines that the source says are titles.
    """
    kinds: tuple[SectionKind, ...] = ()
    for start, end, form, title in _runs(text, titles):
        if form == "heading":
            kinds = kinds_of_title(title or "")
            yield Block(start, end, form, title)
        elif form == "table":
            yield Block(start, end, form)
        else:
            for block in _split_at_titles(text, start, end, kinds):
                kinds = kinds_of_title(block.title) if block.title is not None else kinds
                yield block


def title_of_line(line: str, titles: Collection[str] = ()) -> str | None:
    """The title that a line is, tidied ("## Plan" and "2. PLAN:" give "Plan" and "PLAN"), or None."""
    stripped = line.strip()
    if not stripped or len(stripped) > HEADING_CHARACTERS_MAX:
        return None
    if titles and (bare := stripped.strip("#*_ ").rstrip(":").rstrip("*_ ")) in titles:
        return bare
    return _title_of(stripped)


@lru_cache(maxsize=LINES_KEPT)
def _title_of(stripped: str) -> str | None:
    found = heading_of(stripped)
    if found is None:
        return _listed_title(stripped)
    return None if _VALUE.fullmatch(stripped) and not kinds_of_title(found) else found


def _listed_title(line: str) -> str | None:
    """The title, where the list of titles has it, of a line that is written like no other heading."""
    numbered = _NUMBER.match(line)
    bare = line[numbered.end() :] if numbered else line
    title = bare.strip("*_ ").rstrip(":").rstrip("*_ ")
    if not title or title.endswith(".") or not (kinds := kinds_of_title(title)):
        return None
    several = " " in title and title[0].isupper()
    if numbered:
        roman = line[0] in "IVX"
        plainly = bare.rstrip().endswith(":") or title.isupper() or roman
        return title if plainly or (several and kinds[0] not in _ITEMS) else None
    marked = line.rstrip("*_ ").endswith(":") or line[0] in "*_"
    abbreviated = title[0].isupper() and any(letter.isupper() for letter in title[1:])
    if line in _LINES:
        return line
    return title if marked or (several and kinds[0] not in _ITEMS) or abbreviated else None


def _runs(text: str, titles: Collection[str]) -> Iterator[tuple[int, int, BlockForm, str | None]]:
    """Lines that belong together, and the title that a heading is."""
    lines = [match.span() for match in _LINE.finditer(text)]
    index = 0
    while index < len(lines):
        start, end = lines[index]
        line = text[start:end]
        index += 1
        if (title := title_of_line(line, titles)) is not None:
            yield start, end, "heading", title
        elif _TABLE_LINE.search(line):
            while index < len(lines) and _TABLE_LINE.search(text[slice(*lines[index])]):
                end = lines[index][1]
                index += 1
            yield start, end, "table", None
        else:
            # A paragraph ends at a blank line, a heading or a table.
            while index < len(lines) and lines[index][0] == end + 1:
                following = text[slice(*lines[index])]
                if title_of_line(following, titles) is not None or _TABLE_LINE.search(following):
                    break
                end = lines[index][1]
                index += 1
            yield start, end, "prose", None


def _split_at_titles(text: str, start: int, end: int, kinds: tuple[SectionKind, ...]) -> Iterator[Block]:
    """The paragraph, or its parts where titles stand in it. `kinds`: of the section that it stands in."""
    opened, title, text_start = start, None, start
    for at, colon in _titles_in(text, start, end):
        written = text[at:colon].strip("*_ ")
        found = kinds_of_title(written)
        if not written.isupper() and found == kinds:
            continue  # a label within its section: "Tobacco use: never"
        if at > opened:
            yield Block(opened, at, "prose", title, text_start)
        opened, title, text_start, kinds = at, written, _after(text, colon + 1, end), found
    yield Block(opened, end, "prose", title, text_start)


def _after(text: str, at: int, end: int) -> int:
    while at < end and text[at] in " \t,*_":
        at += 1
    return at


def _titles_in(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where titles that text follows begin, and their colons, or the commas that lines ended in."""
    colons = _titles_before_colons(text, start, end)
    if text.find(".,", start, end) < 0:
        return colons
    return merge(_titles_before_commas(text, start, end), colons)


def _titles_before_commas(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    while True:
        found = _FLATTENED_TITLE.match(text, at, end)
        if found is not None and kinds_of_title(found["title"]):
            yield found.span("title")
        ended = text.find(".,", at, end)
        if ended < 0:
            return
        at = ended + len(".,")


def _titles_before_colons(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    colon = text.find(":", start, end)
    while colon >= 0:
        begin = max(start, colon - INLINE_TITLE_CHARACTERS_MAX - 8)
        before = None
        for before in _BEFORE_TITLE.finditer(text, begin, colon):  # noqa: B007  # the last one
            pass
        if before is not None or begin == start:
            at = before.end() if before is not None else start
            opens_line = (
                before is None or before.group() == "\n" or text[start:at].strip(" \t.)(0123456789") == ""
            )
            if (found := _title_at(text, at, colon, opens_line=opens_line)) is not None:
                yield found, colon
        colon = text.find(":", colon + 1, end)


def _title_at(text: str, at: int, colon: int, *, opens_line: bool) -> int | None:
    """Where the title between `at` and `colon` begins, if it is one."""
    begin = at
    while begin < colon and text[begin] in " \t":
        begin += 1
    title = text[begin:colon]
    if begin - at <= 1 and _IN_CAPITALS.fullmatch(title):
        known = bool(kinds_of_title(title.strip()))
        if not may_be_a_name(title) and (known or at == 0 or text[at - 1] != "\n"):
            return begin
    opening = _LINE_OPENING.match(text, begin, colon) if opens_line else None
    begin = opening.end() if opening else begin
    title = text[begin:colon].strip("*_ ")
    if not title or not title[0].isupper() or not kinds_of_title(title):
        return None
    return begin if _opens_section(title, text[at - 1 : at], opens_line=opens_line) else None


def _opens_section(title: str, before: str, *, opens_line: bool) -> bool:
    """Whether a listed title that text follows opens a section: in capitals anywhere, else at the start of a line or
    after a sentence, and a single word only where it names no part of an entry."""
    if len(title) <= _ABBREVIATION_CHARACTERS_MAX or title.isupper():
        return title.isupper() or (opens_line and title in ("Hx", "Dx"))
    if not opens_line and before not in ".;":
        return False
    bare = plain(title)
    return bare in _LABELS or (" " in bare and kinds_of_title(title)[0] not in _ITEMS)
