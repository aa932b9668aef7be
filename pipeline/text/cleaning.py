"""What a note's text looks like before it is cut and embedded, and where each of its characters came from.

Decides which differences of writing carry no meaning: the form of accents (NFC), control and invisible characters,
kinds of blanks and line ends, blanks at line ends, empty lines beyond one, mojibake ("dÃ©jÃ " for "déjà"). Every
cleaned character keeps its place in the original, so a citation always points into the note as it was handed in.
Refuses to know about sections, chunks, tokens and languages; words are never changed, dropped or put in order.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import ftfy

from pipeline.records import original_span

Runs: TypeAlias = tuple[tuple[int, int], ...]
"""Pairs (position after, position before), ascending, each opening a run in which both advance together."""

Edit: TypeAlias = tuple[int, int, str]
"""Replace `[start, end)` of a text by a string. A list of edits is ascending and does not overlap."""

ROUNDS_MAX = 8
"""Repairing one thing can bring another to light (an accent behind an invisible character). Two rounds are usual."""

ALIGNMENT_PRODUCT_MAX = 250_000
"""Exact alignment takes time and memory in the product of both lengths; a longer stretch without a letter or digit
of ASCII (hundreds of characters) is aligned in proportion."""

# The blanks of Unicode that are neither a space nor a tab: U+00A0 (NBSP), U+2000-200A, U+3000 (ideographic), ...
_EXOTIC_SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_LINE_ENDS = "\r\v\f\x1c-\x1e\x85\u2028\u2029"
# Soft hyphen, zero-width characters, marks of writing direction, the byte order mark.
_INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_CONTROL = "\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f"

_STRANGE = re.compile(f"\r\n|[{_LINE_ENDS}]|[{_EXOTIC_SPACES}]|[{_INVISIBLE}{_CONTROL}]+")
_NOT_BLANK = re.compile(rf"[^\s{_INVISIBLE}{_CONTROL}]")
_UNTIDY = re.compile(
    rf"[{_LINE_ENDS}{_EXOTIC_SPACES}{_INVISIBLE}{_CONTROL}]|[ \t](?=\n|\Z)|\n\n\n|\A\n|\n\Z|[^ \n] {{2,}}"
)
# No pattern may look at a character once for each start: notes of two million characters without a line end exist.
_TRAILING_BLANKS = re.compile(r"(?<![ \t])[ \t]+(?=\n|\Z)")
_EMPTY_LINES = re.compile(r"\A\n+|\n+\Z|\n{3,}")
_GAP = re.compile(r"(?<=[^ \n]) {2,}(?=[^ \n])")
_LINE_WITH_GAP = re.compile(r"^[^\n]*[^ \n] {2,}[^\n]*", re.MULTILINE)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_REST_OF_LINE = re.compile(r"[^\r\n]*")
_BEYOND_ASCII = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]+")
_ANCHORS = (re.compile(r"[\x20-\x7e]+"), re.compile(r"[A-Za-z0-9]+"))
"""What a wrong decoding leaves alone: ASCII. Its blanks and question marks only nearly, hence the second choice."""


@dataclass(frozen=True, slots=True)
class CleanText:
    """A cleaned text and, for each of its positions, the place in the original.

    `offsets` means what `records.Chunk.offsets` means; None where nothing was changed. Where several original
    characters became one (a letter and its combining accent, mojibake), it maps to the first of them.
    """

    text: str
    offsets: Runs | None = None

    def original_position(self, position: int) -> int:
        """Where the character at `position` of the cleaned text stands in the original."""
        if self.offsets is None:
            return position
        return _map(self.offsets, position)

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The original span of `[start, end)` of the cleaned text."""
        origin, offsets = self.slice_offsets(start, end)
        return original_span(0, end - start, offsets, origin)

    def slice_offsets(self, start: int, end: int) -> tuple[int, Runs | None]:
        """For a chunk cut as `text[start:end]`: its start in the original, and its own `offsets`.

        Positions count from the chunk's start; original positions stay those of the whole note. None where the
        chunk is one run.
        """
        if self.offsets is None:
            return start, None
        origin = _map(self.offsets, start)
        first = bisect_right(self.offsets, start, key=_after)
        last = bisect_right(self.offsets, end - 1, key=_after)
        if first >= last:
            return origin, None
        moved = tuple((position - start, original) for position, original in self.offsets[first:last])
        return origin, ((0, origin), *moved)


def clean(text: str) -> CleanText:
    """Clean a note's text. Cleaning what is clean changes nothing: `clean(clean(t).text).text == clean(t).text`."""
    if _looks_clean(text):
        return CleanText(text)
    current, runs = text, None
    for _ in range(ROUNDS_MAX):
        before = current
        for step in _STEPS:
            current, runs = _apply(current, runs, step(current))
        if current == before or current.isascii():
            break
    return CleanText(current, runs)


def is_blank(text: str) -> bool:
    """True where cleaning would leave nothing. Much cheaper than cleaning."""
    return _NOT_BLANK.search(text) is None


def _looks_clean(text: str) -> bool:
    if _UNTIDY.search(text):
        return False
    return text.isascii() or (unicodedata.is_normalized("NFC", text) and not any(_mojibake(text)))


# --- the steps: each finds edits in a text -----------------------------------------------------------------------


def _mojibake(text: str) -> Iterator[Edit]:
    """Undo text that was decoded with the wrong encoding, line by line, so that one line cannot mislead another.

    ftfy knows which sequences are mistakes. ASCII survives a wrong decoding, so it anchors the two versions of a
    line; what lies between two anchors is aligned by the lengths that UTF-8 gives each character.
    """
    for start, broken in _lines_beyond_ascii(text):
        fixed = ftfy.fix_encoding(broken)
        if fixed != broken:
            yield from _line_edits(broken, fixed, start)


def _lines_beyond_ascii(text: str) -> Iterator[tuple[int, str]]:
    done = 0
    while not text.isascii() and (found := _NOT_ASCII.search(text, done)):
        start = max(
            text.rfind("\n", done, found.start()) + 1, text.rfind("\r", done, found.start()) + 1, done
        )
        rest = _REST_OF_LINE.match(text, found.start())
        done = rest.end() if rest else found.end()
        yield start, text[start:done]


def _line_edits(broken: str, fixed: str, at: int) -> Iterator[Edit]:
    left = right = 0
    for (start, end), (place, place_end) in _anchors(broken, fixed):
        yield from _stretch_edits(broken[left:start], fixed[right:place], at + left)
        left, right = end, place_end
    yield from _stretch_edits(broken[left:], fixed[right:], at + left)


def _anchors(broken: str, fixed: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    for pattern in _ANCHORS:
        ours, theirs = list(pattern.finditer(broken)), list(pattern.finditer(fixed))
        if [word[0] for word in ours] == [word[0] for word in theirs]:
            return [(word.span(), same.span()) for word, same in zip(ours, theirs, strict=True)]
    return []


def _stretch_edits(broken: str, fixed: str, at: int) -> Iterator[Edit]:
    if broken == fixed:
        return
    cuts = _cuts_by_length(broken, fixed) or _cuts_in_proportion(broken, fixed)
    if not cuts:
        yield at, at + len(broken), fixed
    for character, start, end in zip(fixed, cuts, cuts[1:], strict=False):
        if broken[start:end] != character:
            yield at + start, at + end, character


def _cuts_by_length(broken: str, fixed: str) -> list[int]:
    """Where each character of `fixed` starts in `broken`, and the end: each took as many characters as it has bytes
    in UTF-8, or was right before. Empty where that does not come out even (decoded wrongly more than once)."""
    if len(broken) * len(fixed) > ALIGNMENT_PRODUCT_MAX:
        return []
    ways: list[dict[int, int]] = [
        {0: 0}
    ]  # after n characters of `fixed`: reached position -> position before
    for character in fixed:
        reached: dict[int, int] = {}
        for start in ways[-1]:
            if broken.startswith(character, start):
                reached.setdefault(start + 1, start)
            end = start + len(character.encode("utf-8", "surrogatepass"))
            if end <= len(broken):
                reached[end] = start
        ways.append(reached)
    if len(broken) not in ways[-1]:
        return []
    cuts = [len(broken)]
    for reached in reversed(ways[1:]):
        cuts.append(reached[cuts[-1]])
    return cuts[::-1]


def _cuts_in_proportion(broken: str, fixed: str) -> list[int]:
    """Mojibake of one kind has a nearly constant number of characters for each one."""
    if not fixed or len(broken) < len(fixed):
        return []
    return [index * len(broken) // len(fixed) for index in range(len(fixed) + 1)]


def _strange_characters(text: str) -> Iterator[Edit]:
    for found in _STRANGE.finditer(text):
        yield found.start(), found.end(), _replacement(found[0][0])


@lru_cache(maxsize=256)
def _replacement(character: str) -> str:
    if re.match(f"[{_LINE_ENDS}]", character):
        return "\n"
    return " " if re.match(f"[{_EXOTIC_SPACES}]", character) else ""


def _decomposed(text: str) -> Iterator[Edit]:
    """Canonical composition, one cluster at a time: a base character with all that may combine with it."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return
    for stretch in _BEYOND_ASCII.finditer(text):
        if unicodedata.is_normalized("NFC", stretch[0]):
            continue
        for start, end in _clusters(stretch[0]):
            cluster = stretch[0][start:end]
            composed = unicodedata.normalize("NFC", cluster)
            if composed != cluster:
                yield from _cluster_edits(cluster, composed, stretch.start() + start)


def _cluster_edits(cluster: str, composed: str, at: int) -> Iterator[Edit]:
    """The base takes in the marks next to it; the marks left over are the last ones."""
    left_over = len(composed) - 1 if len(composed) <= len(cluster) else 0
    base_end = at + len(cluster) - left_over
    yield at, base_end, composed[: len(composed) - left_over]
    if left_over:
        yield base_end, base_end + left_over, composed[-left_over:]


def _clusters(stretch: str) -> Iterator[tuple[int, int]]:
    start = 0
    for index in range(1, len(stretch)):
        if not _combines_backwards(stretch[index]):
            yield start, index
            start = index
    yield start, len(stretch)


@lru_cache(maxsize=4096)
def _combines_backwards(character: str) -> bool:
    first = unicodedata.normalize("NFD", character)[0]
    return unicodedata.combining(first) != 0 or first in _seconds()


@lru_cache(maxsize=1)
def _seconds() -> frozenset[str]:
    """Characters that compose with the one before although they do not combine (vowel signs, Hangul jamo).

    Read from the interpreter's own Unicode tables. Hangul is composed by rule, not by table: Unicode 3.12.
    """
    found = {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    for code in range(0xC0, 0x20000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            found.add(chr(int(parts[1], 16)))
    return frozenset(found)


def _trailing_blanks(text: str) -> Iterator[Edit]:
    return ((found.start(), found.end(), "") for found in _TRAILING_BLANKS.finditer(text))


def _empty_lines(text: str) -> Iterator[Edit]:
    for found in _EMPTY_LINES.finditer(text):
        kept = 0 if found.start() == 0 or found.end() == len(text) else 2
        yield found.start() + kept, found.end(), ""


def _gaps(text: str) -> Iterator[Edit]:
    """Runs of blanks inside a line, except where they are columns. Indentation is kept: it shows structure."""
    for line in _LINE_WITH_GAP.finditer(text):
        gaps = list(_GAP.finditer(line[0]))
        if len(gaps) >= 2 or "\t" in line[0] or "|" in line[0]:
            continue
        for gap in gaps:
            yield line.start() + gap.start() + 1, line.start() + gap.end(), ""


_STEPS: tuple[Callable[[str], Iterable[Edit]], ...] = (
    _mojibake,  # before anything that would take away a part of a broken character
    _strange_characters,
    _decomposed,
    _trailing_blanks,
    _empty_lines,
    _gaps,
)


# --- applying edits and keeping the places -----------------------------------------------------------------------


def _apply(text: str, runs: Runs | None, edits: Iterable[Edit]) -> tuple[str, Runs | None]:
    """The edited text, and the runs from it to the original, given those from `text` to the original."""
    pieces: list[str] = []
    fresh: list[tuple[int, int]] = []
    length = done = 0
    for start, end, replacement in edits:
        pieces += (text[done:start], replacement)
        length += start - done
        for index in range(len(replacement)):
            _open(fresh, length + index, min(start + index, max(0, end - 1)))
        length += len(replacement)
        _open(fresh, length, end)
        done = end
    if not pieces:
        return text, runs
    pieces.append(text[done:])
    return "".join(pieces), _compose(tuple(fresh), runs) if fresh else runs


def _open(runs: list[tuple[int, int]], after: int, before: int) -> None:
    """Open a run at `after`, unless the one before already says so."""
    if runs and runs[-1][0] == after:
        runs.pop()
    place, original = runs[-1] if runs else (0, 0)
    if before - after != original - place:
        if not runs and after > 0:
            runs.append((0, 0))
        runs.append((after, before))


def _compose(fresh: Runs, runs: Runs | None) -> Runs:
    """From the newest text to the original: `fresh` leads to the text before, `runs` from there to the original."""
    if runs is None:
        return fresh
    composed: list[tuple[int, int]] = []
    following = [after for after, _ in fresh[1:]]
    for (after, before), limit in zip(fresh, [*following, None], strict=True):
        _open(composed, after, _map(runs, before))
        for place, original in runs[bisect_right(runs, before, key=_after) :]:
            moved = after + place - before
            if limit is not None and moved >= limit:
                break
            _open(composed, moved, original)
    return tuple(composed)


def _map(runs: Runs, position: int) -> int:
    place, original = runs[max(0, bisect_right(runs, position, key=_after) - 1)]
    return original + position - place


def _after(run: tuple[int, int]) -> int:
    return run[0]
