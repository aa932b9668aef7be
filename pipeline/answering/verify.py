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
_STRAY_MARKER = re.compile(r"[\[【]\s*\d[\d\s,;.–-]*[\]】]")
"""Looks like a citation to whoever reads it and is none that can be followed: "[1000]", "[1-9]", "【7】"."""
_QUOTATION_MARKS = str.maketrans(dict.fromkeys("“”„‟«»", '"'))
_OPEN_MARKER = re.compile(r"\[[\d\s,;]{0,20}$")
_BOUNDARY = re.compile(r"\n+|(?<=[.!?])(?:\s*\[[\d\s,;]+\])*\s+(?=[^\s\[])|(?<=\])\s+(?=[A-Z\"“•*\-])")
_WORD = re.compile(r"\w+")
_PLAIN = re.compile(r"[A-Za-z0-9]")
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
        opens_with_quote = self._buffer.lstrip()[:1] in {'"', "“", "„", "«"}
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
    before, quotation, after = _quotation(text)
    around = f"{before} {after}"
    numbers = _numbers(around)
    if not numbers or any(not 1 <= number <= len(passages) for number in numbers):
        return None
    if _STRAY_MARKER.search(_MARKER.sub("", around)):
        return None
    spans = (
        _quoted(quotation.translate(_QUOTATION_MARKS)[1:-1], numbers, passages)
        if quotation
        else _nearest(_MARKER.sub("", text), numbers, passages)
    )
    if not spans:
        return None
    citations = [_citation(span, original) for span in spans]
    checked = tuple(citation for citation in citations if citation is not None)
    if len(checked) < len(citations):
        return None
    cited = frozenset(citation.number for citation in checked)
    return Statement(_tidy(_keeping(before, cited) + quotation + _keeping(after, cited)), checked)


def _numbers(text: str) -> list[int]:
    found = [int(number) for group in _MARKER.findall(text) for number in re.split(r"\s*[,;]\s*", group)]
    return list(dict.fromkeys(found))


def _keeping(text: str, cited: frozenset[int]) -> str:
    """The text without the numbers that nothing was cited for."""

    def kept(marker: re.Match[str]) -> str:
        numbers = _numbers(marker.group())
        if cited.issuperset(numbers):
            return marker.group()
        left = [str(number) for number in numbers if number in cited]
        return f"[{', '.join(left)}]" if left else ""

    return _MARKER.sub(kept, text)


def _quotation(text: str) -> tuple[str, str, str]:
    """The text before a quotation, the quotation from its first to its last double quote, and the text after it.

    Up to two words in quotes within a sentence are a way of speaking, not a quotation: then all the text is before.
    Numbers in square brackets inside a quotation are the note's own, not citations.
    """
    plain = text.translate(_QUOTATION_MARKS)
    first, last = plain.find('"'), plain.rfind('"')
    if first == last or (len(plain[first + 1 : last].split()) <= 2 and first > 0):
        return text, "", ""
    return text[:first], text[first : last + 1], text[last + 1 :]


def _quoted(quotation: str, numbers: Sequence[int], passages: Sequence[Hit]) -> list[_Span]:
    """The quotation in the cited passages that hold it; white space may differ, nothing else.

    It begins and ends with whole words and whole numbers: "metformin 50" does not stand in "metformin 500 mg".
    """
    words = quotation.split()
    if not words:
        return []
    before = r"(?<!\w)(?<!\d[.,])" if words[0][0].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if words[-1][-1].isalnum() else ""
    pattern = re.compile(before + r"\s+".join(map(re.escape, words)) + after)
    found = ((number, passages[number - 1]) for number in numbers)
    return [
        _Span(number, hit, *match.span())
        for number, hit in found
        if (match := pattern.search(hit.text)) is not None
    ]


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
    while end < len(note.text_content) and unicodedata.combining(note.text_content[end]):
        end += 1  # the accent of the last letter, where the note writes it as a character of its own
    quote = note.text_content[start:end]
    if not _is_written_as(quote, hit.text[span.start : span.end], cleaned=hit.offsets is not None):
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


def _is_written_as(quote: str, words: str, *, cleaned: bool) -> bool:
    """Whether the note says there what the passage says.

    A passage that was cleaned may differ in more than blanks and invisible characters: mojibake was repaired in it,
    and for that the letters and digits of ASCII are held against each other, which no wrong decoding touches.
    """
    if _letters(quote) == _letters(words):
        return True
    return cleaned and not _plain(quote).isdisjoint(_plain(words))


def _plain(text: str) -> set[str]:
    """Letters and digits of ASCII; accents may count as part of their letter, or as characters of their own."""
    return {"".join(_PLAIN.findall(unicodedata.normalize(form, text))) for form in ("NFC", "NFD")} | {
        "".join(_PLAIN.findall(text))
    }


def _letters(text: str) -> str:
    return "".join(
        character
        for character in unicodedata.normalize("NFC", text)
        if not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")
    )


def _tidy(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
