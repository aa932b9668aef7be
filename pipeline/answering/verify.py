"""Lets a statement leave only when its citations check out.

Decides, statement by statement as a draft arrives: does each number point at a passage, does each quotation stand in
the passage it cites, word for word, and which characters of the original note does it come from? What fails is
withheld and counted. It does not judge whether a statement is true, only whether its evidence is where it says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.records import Citation, Document, Hit, Statement, original_span
from pipeline.sentences import sentence_spans

NOT_STATED = "NOT STATED"
"""What the prompt tells a model to write where the passages do not answer."""

_MARKER = re.compile(r"\[\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*\]")
_OPEN_MARKER = re.compile(r"\[[\d\s,;]{0,20}$")
_BOUNDARY = re.compile(r"\n+|(?<=[.!?])(?:\s*\[[\d\s,;]+\])*\s+(?=[^\s\[])|(?<=\])\s+(?=[A-Z\"“•*\-])")
_WORD = re.compile(r"\w+")
_STOP_WORDS = frozenset(
    """a an and are as at be been by for from had has have he her his in is it its of on or she that the their there
    they this to was were which who will with patient""".split()
)

OriginalOf = Callable[[str], Document | None]


class StatementReader:
    """Cuts a stream of text into statements: a line, or a sentence with the markers that follow it."""

    def __init__(self) -> None:
        self._buffer = ""

    def feed(self, text: str) -> Iterator[str]:
        """Statements that are complete once `text` has arrived."""
        self._buffer += text
        while True:
            boundary = self._next_boundary()
            if boundary is None:
                return
            statement, self._buffer = self._buffer[: boundary.end()], self._buffer[boundary.end() :]
            if statement.strip():
                yield statement.strip()

    def _next_boundary(self) -> re.Match[str] | None:
        opens_with_quote = self._buffer.lstrip()[:1] in {'"', "“"}
        for match in _BOUNDARY.finditer(self._buffer):
            before = self._buffer[: match.start()]
            if "\n" not in match.group() and (opens_with_quote or before.count('"') % 2 == 1):
                continue  # a quotation may hold anything, odd quotes (5" tall) too: it ends with its line
            if not _OPEN_MARKER.search(before):
                return match
        return None

    def rest(self) -> Iterator[str]:
        """What is left when the draft has ended."""
        statement, self._buffer = self._buffer.strip(), ""
        if statement:
            yield statement


@dataclass(frozen=True, slots=True)
class _Span:
    number: int
    hit: Hit
    start: int
    end: int


def check_statement(text: str, passages: Sequence[Hit], original: OriginalOf) -> Statement | None:
    """The statement with its citations, or None where it may not leave.

    `original` gives the note a passage was cut from; the cited characters are read from there, and must be what the
    passage says. A number without a passage, a quotation that is not in a cited passage, a statement without any
    citation: each is enough to hold the statement back.
    """
    quotation, around = _quotation(text)
    numbers = _numbers(around)
    if not numbers or any(not 1 <= number <= len(passages) for number in numbers):
        return None
    spans = (
        _quoted(quotation, numbers, passages)
        if quotation
        else _nearest(_MARKER.sub("", text), numbers, passages)
    )
    if not spans:
        return None
    citations = [_citation(span, original) for span in spans]
    checked = tuple(citation for citation in citations if citation is not None)
    if len(checked) < len(citations):
        return None
    return Statement(_tidy(text), checked)


def _numbers(text: str) -> list[int]:
    found = [int(number) for group in _MARKER.findall(text) for number in re.split(r"\s*[,;]\s*", group)]
    return list(dict.fromkeys(found))


def _quotation(text: str) -> tuple[str | None, str]:
    """What stands between the first and the last double quote, if it is a quotation, and the text around it.

    Up to two words in quotes within a sentence are a way of speaking, not a quotation. Numbers in square brackets
    inside a quotation are the note's own, not citations.
    """
    plain = text.replace("“", '"').replace("”", '"')
    first, last = plain.find('"'), plain.rfind('"')
    if first == last:
        return None, text
    inside = text[first + 1 : last].strip()
    if len(inside.split()) <= 2 and first > 0:
        return None, text
    return inside, text[:first] + " " + text[last + 1 :]


def _quoted(quotation: str, numbers: Sequence[int], passages: Sequence[Hit]) -> list[_Span]:
    """The quotation in the first cited passage that holds it; white space may differ, nothing else."""
    pattern = re.compile(r"\s+".join(re.escape(word) for word in quotation.split()))
    for number in numbers:
        hit = passages[number - 1]
        match = pattern.search(hit.text)
        if match:
            return [_Span(number, hit, match.start(), match.end())]
    return []


def _nearest(body: str, numbers: Sequence[int], passages: Sequence[Hit]) -> list[_Span]:
    """For a statement in the model's own words: in each cited passage the sentence that shares most words with it.

    A cited passage that shares no word with the statement is no evidence for it, and its number is an error.
    """
    words = _content_words(body)
    spans = []
    for number in numbers:
        hit = passages[number - 1]
        best = max(
            sentence_spans(hit.text) or [(0, len(hit.text))],
            key=lambda span: len(words & _content_words(hit.text[slice(*span)])),
        )
        if not words & _content_words(hit.text[slice(*best)]):
            return []
        spans.append(_Span(number, hit, *best))
    return spans


def _content_words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS}


def _citation(span: _Span, original: OriginalOf) -> Citation | None:
    """The citation, with the cited characters read from the note itself; None where they are not the passage's."""
    hit = span.hit
    start, end = original_span(span.start, span.end, hit.offsets, hit.start)
    note = original(hit.resource_id)
    if note is None:
        return None
    quote = note.text_content[start:end]
    if _letters(quote) != _letters(hit.text[span.start : span.end]) and hit.offsets is None:
        return None
    return Citation(
        number=span.number,
        resource_id=hit.resource_id,
        patient_id=hit.patient_id,
        document_type=hit.document_type,
        date=hit.date,
        similarity=hit.similarity,
        start=start,
        end=end,
        quote=quote,
    )


def _letters(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).split())


def _tidy(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
