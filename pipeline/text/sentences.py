"""Where sentences begin and end in clinical text.

Decides boundaries only, as character offsets of the text it is given. It knows nothing of notes, tokens or models:
the chunker packs these spans, the extractive answerer quotes them. Rules rather than a trained model, because notes
mix dictated prose with headings, lists and tables, and because a rule can be read when it is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from pipeline.text.section_titles import HEADING_CHARACTERS_MAX, is_section_title

Span = tuple[int, int]

BULLETS = "-*+•●◦▪‣·–—"
"""What lists begin their items with; in a class of a regular expression as it stands."""

PASSAGES_KEPT = 256
"""Passages whose sentences are remembered: those of the answers in progress, and no more."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# After these a full stop never ends a sentence.
_TITLES = _words(
    "dr dra drs mr mrs ms prof sr sra st mt jr capt sgt rev hon vs cf viz e.g i.e eg ie approx ca resp incl"
)
# After these a full stop ends no sentence where a number follows: "No. 3", "Fig. 2", "5 mg. 3 times".
_BEFORE_NUMBER = _words(
    "no nos nr fig figs vol p pp sec ch para ref refs tab art eq ext rm ph tel lot hosp mg mcg ug g gm gms gr kg ml dl "
    "l cc mm cm m in ft lb lbs oz hr hrs min mins sec secs wk wks mo mos yr yrs tab tabs cap caps amp vial u iu meq "
    "mmol temp wt ht bp hr rr age dob jan feb mar apr jun jul aug sep sept oct nov dec"
)
# Words that open a sentence and hardly ever continue a name: they decide after initials and "M.D.".
_OPENERS = _words(
    "he she it they we i you the a an this that these those there his her its their our my patient pt no not on in at "
    "after before during since when while if as for to from with by and but or so also however although additionally "
    "both all each then today now denies reports states continue continued start started take takes took will was "
    "were is are has had have please follow"
)
# Words that a single letter completes: "vitamin D. Then" ends a sentence where "J. Smith" does not.
_LETTERED = _words(
    "vitamin hepatitis type grade stage class group category level factor influenza hemophilia haemophilia part plan "
    "protein immunoglobulin troponin coenzyme child-pugh"
)
# Words that no line of a list begins or ends with, so a line break next to one was only a wrap.
_JOINERS = _words(
    "a an the of and or nor but with without to in on at by for from as is was were are be been being has have had "
    "who whom whose which that than then this these those his her their its our my into onto per not did does do will "
    "would should could may might can if when while because due since until during after before between through "
    "about over under against"
)

_INDEX_WORDS = re.compile(
    r"(?:(?<=[^\W\d_][.,])|(?<=[^\W\d_]\.,))(?=[a-z]{3}[a-z /-]*,(?:\s?[^,.\n]{2,60},){5}[^.\n]*\Z)"
)
_LINE = re.compile(r"[^\n\r\f\v\x85\u2028\u2029]+")
_BLANK_LINE = re.compile(r"(?:\r\n|[\n\r\f\v\x85\u2028\u2029])[ \t]*(?:[\n\r\f\v\x85\u2028\u2029])")
_LIST_ITEM = re.compile(rf"\s*(?:[{BULLETS}]\s+|\(?\d{{1,3}}[.)]\s+|\(?[A-Za-z][.)]\s+(?=[A-Z(])|#\d)")
_LABEL_VALUE = re.compile(r"\s*[A-Z][\w /()&,.'#%-]{0,48}:\s")
_CELL_GAP = re.compile(r"\t+|\s{3,}|\s*\|\s*")
_MARKDOWN_HEADING = re.compile(r"\s*#{1,6}\s+\S")
# A full stop, then white space, or the comma that stands for a line break in notes flattened into CSV (".,3. Pain").
_STOP = re.compile(
    r"(?<![.!?…])(?P<stop>[.!?…]++)(?P<close>[\"'”’)\]]*)(?:(?P<comma>,)(?=\s*[A-Z0-9])|(?=\s))\s*"
    r"|(?P<wide>[。！？]+[」』”’]*)\s*"
)
_WORD_BEFORE = re.compile(r"[^\s(\[\"“‘'/,;:]+$")
_OPENING = re.compile(r"(?:[-*•●▪–—]\s+)?[\"'“‘(\[]*")
_NEXT_WORD = re.compile(r"[^\W\d_]+")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_LIST_NUMBER = re.compile(r"[\s,(]*(?:[-*•]\s+)?\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})")
_FLATTENED_NUMBER = re.compile(r"(?:,\s?\d{1,2}|:\s*1)$")
"""A list number after a heading whose line break was lost: "DIAGNOSES,2. Fibroids", "IMPRESSION: 1. Stable"."""

LINES_KEPT = 4096
"""Lines whose form is remembered."""
_LOOK_BACK = 40
"""Characters read before a full stop to find its word; the longest abbreviation known is far shorter."""
_WRAP_WIDTH_MIN = 50
"""A paragraph narrower than this was not wrapped by a margin: its lines are items."""


class _Line(NamedTuple):
    start: int
    end: int
    text: str
    indent: int
    whole: bool
    """A heading or a table row: never joined to a neighbour, never split."""
    opens: bool
    """A list item or a labelled value: begins a block, may run on over the following lines."""


def sentence_spans(text: str) -> list[Span]:
    """Half-open `[start, end)` offsets of the sentences of `text`, ascending and disjoint.

    A span begins and ends on a character that is not white space; together the spans cover every such character.
    Headings, table rows and list items are spans of their own; a line break inside a wrapped sentence stays inside
    its span. An empty or blank text gives an empty list. Linear in the length of the text.
    """
    return [span for start, end, whole in _blocks(text) for span in _split(text, start, end, whole)]


@lru_cache(maxsize=PASSAGES_KEPT)
def passage_sentences(text: str) -> tuple[Span, ...]:
    """The same of a passage, remembered: who writes an answer and who checks it ask for the same ones. Index words
    are no sentence."""
    return tuple(sentence_spans(text[: end_of_sentences(text)]))


def end_of_sentences(text: str, start: int = 0) -> int:
    """Where index words begin that a library has put behind the last full stop ("... in place.radiology, ureter, stent,
    ..."); the end of the text where there are none."""
    words = _INDEX_WORDS.search(text, start)
    return words.start() if words else len(text)


def is_heading(line: str) -> bool:
    """Whether a line names the part that follows: "Allergies:", "PAST MEDICAL HISTORY", "## Plan"."""
    stripped = line.strip().strip("*_").rstrip(", ")
    if not stripped or len(stripped) > HEADING_CHARACTERS_MAX:
        return False
    if _MARKDOWN_HEADING.match(stripped):
        return True
    if is_section_title(stripped):
        return True
    if stripped.endswith(":"):
        return ". " not in stripped and len(stripped.split()) <= 10
    letters = [character for character in stripped if character.isalpha()]
    return (
        len(letters) >= 3
        and all(not character.islower() for character in letters)
        and any(character.isupper() for character in letters)
        and not any(character.isdigit() for character in stripped)
        and stripped[-1] not in ".,;!?"
        and len(stripped.split()) <= 8
    )


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Runs of lines within which a line break means nothing: `(start, end, whole)`."""
    for paragraph in _paragraphs(text):
        width = max(line.end - line.start for line in paragraph)
        first = previous = paragraph[0]
        for line in paragraph[1:]:
            hangs = first.opens and line.indent > first.indent and not line.opens and not line.whole
            if not hangs and not _continues(previous, line, width):
                yield first.start, previous.end, previous.whole
                first = line
            previous = line
        yield first.start, previous.end, previous.whole


def _paragraphs(text: str) -> Iterator[list[_Line]]:
    paragraph: list[_Line] = []
    last_end = 0
    for match in _LINE.finditer(text):
        content = match.group()
        stripped = content.strip()
        if not stripped:
            continue
        indent = len(content) - len(content.lstrip())
        start = match.start() + indent
        line = _Line(
            start,
            start + len(stripped),
            stripped,
            indent,
            *_form_of(stripped),
        )
        if paragraph and _BLANK_LINE.search(text, last_end, start):
            yield paragraph
            paragraph = []
        paragraph.append(line)
        last_end = line.end
    if paragraph:
        yield paragraph


@lru_cache(maxsize=LINES_KEPT)
def _form_of(line: str) -> tuple[bool, bool]:
    """`_Line.whole` and `_Line.opens`. Notes repeat their headings and items."""
    whole = _is_table_row(line) or is_heading(line)
    return whole, _LIST_ITEM.match(line) is not None or _LABEL_VALUE.match(line + " ") is not None


def _is_table_row(line: str) -> bool:
    if line.startswith("|") or line.count(" | ") >= 2:
        return True
    cells = [cell for cell in _CELL_GAP.split(line) if cell]
    return len(cells) >= 2 and len(line) <= 200 and not any(". " in cell for cell in cells)


def _continues(previous: _Line, line: _Line, width: int) -> bool:
    """Whether `line` carries on the sentence that `previous` left open, or may: a margin wrapped it there."""
    if previous.whole or line.whole or line.opens:
        return False
    last_word = previous.text.rsplit(None, 1)[-1]
    first_word = line.text.split(None, 1)[0]
    too_long = len(previous.text) + 1 + len(first_word) > width >= _WRAP_WIDTH_MIN
    if last_word[-1] in ".!?:;…":
        return too_long or last_word.rstrip(".").lower() in _TITLES
    if last_word[-1] in ",-–/(" or last_word.lower() in _JOINERS:
        return True
    if first_word.lower().rstrip(",") in _JOINERS and first_word[0].islower():
        return True
    return too_long


def _split(text: str, start: int, end: int, whole: bool) -> Iterator[Span]:
    if whole:
        yield start, end
        return
    opened = start
    for match in _STOP.finditer(text, start, end):
        if match.end() >= end:
            break
        if match.group("wide") or _ends_sentence(text, opened, match, end):
            close = match.end("wide") if match.group("wide") else max(match.end("close"), match.end("comma"))
            yield opened, close
            opened = match.end()
    yield opened, end


def _ends_sentence(text: str, opened: int, stop: re.Match[str], end: int) -> bool:
    at = stop.start("stop")
    if stop.group("stop") != ".":
        if stop.group("stop")[0] == "?" and at == opened:
            return False  # "? COPD."
        return stop.group("stop")[0] != "." or not _next_character(text, stop.end(), end).islower()
    if stop.group("comma"):
        return True
    if _LIST_NUMBER.fullmatch(text, opened, at) or _FLATTENED_NUMBER.search(text, max(opened, at - 6), at):
        return False
    following = _next_character(text, stop.end(), end)
    found = _WORD_BEFORE.search(text, max(opened, at - _LOOK_BACK), at)
    if following.islower() or not found:
        return False
    if found.group().lower() in _TITLES:
        return False
    next_word = _next_word(text, stop.end(), end)
    if len(found.group()) == 1 and found.group().isupper():
        return next_word in _OPENERS or _completes_word(text, opened, found.start())
    return _word_ends_sentence(found.group(), following, next_word, broken="\n" in stop.group())


def _word_ends_sentence(word: str, following: str, next_word: str, *, broken: bool) -> bool:
    """Whether "<word>. <Next>" is a boundary; `broken` where a line break stands between the two."""
    if word.lower() in _BEFORE_NUMBER and following.isdigit():
        return False
    if _DOTTED.fullmatch(word):
        if word.lower() in ("a.m", "p.m") or word[0].isupper():
            return broken or next_word in _OPENERS
        return not following.isdigit()
    return True


def _completes_word(text: str, opened: int, at: int) -> bool:
    """Whether the single letter at `at` belongs to the word before it ("vitamin D"), unlike an initial."""
    before = text[max(opened, at - _LOOK_BACK) : at].split()
    return bool(before) and before[-1].lower() in _LETTERED


def _next_character(text: str, at: int, end: int) -> str:
    opening = _OPENING.match(text, at, end)
    place = opening.end() if opening else at
    return text[place] if place < end else ""


def _next_word(text: str, at: int, end: int) -> str:
    opening = _OPENING.match(text, at, end)
    word = _NEXT_WORD.match(text, opening.end() if opening else at, end)
    return word.group().lower() if word else ""
