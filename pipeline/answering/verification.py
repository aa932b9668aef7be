"""Lets a statement leave only when what it claims stands in what it cites.

Decides, statement by statement as a draft arrives: does each number point at a passage, does each quotation stand there
to the letter, do the cited sentences carry every other word that has a meaning, and which characters of the original
note are they? An item of a list whose line above ("Denies:") is not in the passage is not cited. What fails is withheld
and counted. It does not judge whether a note is right, nor whether a statement answers the question.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pipeline.answering.supporting_sentences import Evidence, Passages, claims_nothing
from pipeline.images import is_image, label_start
from pipeline.library.pages import called
from pipeline.records import Citation, Document, Hit, Statement, is_of_library, original_span
from pipeline.text.characters import misleads
from pipeline.text.sentences import BULLETS
from pipeline.text.structure.line_above import with_line_above
from pipeline.text.vocabulary import OTHERS, RELATIVES

_ABSTENTION = re.compile(
    r"[\W_]*(?:(?:final\s+)?answer[\W_]*)?not\s+stated\b(?![^\n]*\[\s*\d)", re.IGNORECASE
)
"""What the prompt tells a model to write where the passages do not answer."""
_MARKER = re.compile(r"\[\s*([0-9]{1,3}(?:\s*[,;]\s*[0-9]{1,3})*)\s*\]")
_BETWEEN_MARKERS = re.compile(r"[\s,;]*(?:and\s*)?")
_STRAY_MARKER = re.compile(
    r"[\[\u27e6\u3010\u3014\u3016\u3018\u301a\uff3b\u2772\u27ea\u27e8\u2045\u300c\u300e{][^\]\n]{0,30}?\d[^\[\n]{0,30}?"
    r"[\]\u27e7\u3011\u3015\u3017\u3019\u301b\uff3d\u2773\u27eb\u27e9\u2046\u300d\u300f}]"
    r"|(?<=[^\W\d_]{3})[¹²³]|(?<=[.)\"])[¹²³]"
)
"""Looks like a citation to a reader and is not one that can be followed: "[1000]", "[1-9]", "[b-1]", "【7】"."""
_NAMED_PASSAGE = re.compile(
    r"\b(?:passage|source|document|excerpt|note|citation)s?\s+#?([0-9]{1,3})\b", re.IGNORECASE
)
_LIST_MARK = re.compile(rf"^\s*(?:[{BULLETS}#]+|\(?[0-9]{{1,2}}[.)])\s+")
_WITHOUT_MARKS = str.maketrans(dict.fromkeys('"“”„‟«»*_`#', " "))
_QUOTATION_MARKS = str.maketrans(dict.fromkeys("“”„‟«»", '"'))
_REFUTING = re.compile(
    r"(?:\bnot|n't)\s+(?:\w+\s+)?(?:true|correct|right|accurate|so\b|the\scase)|\b(?:false|wrong|untrue|incorrect|"
    r"inaccurate|erroneous|mistaken|contrary|contradict|never\s(?:said|wrote|stated))",
    re.IGNORECASE,
)
"""Words around a quotation that deny what it says."""
_OPEN_MARKER = re.compile(r"\[[\d\s,;]{0,20}$")
_BOUNDARY = re.compile(r"\n+|(?<=[.!?])(?:\s*\[[\d\s,;]+\])*\s+(?=[^\s\[])|(?<=\])\s+(?=[A-Z\"“•*\-])")
_ABBREVIATED = re.compile(
    r"(?:\b(?:Drs?|Mrs?|Ms|Mx|Prof|St|vs|approx|e\.g|i\.e|p\.o|b\.i\.d|t\.i\.d|q\.i\.d|q\.d|p\.r\.n|h\.s)|\b[A-Z])\.$",
    re.IGNORECASE,
)
"""Ends no statement by itself: "Dr. Kumar", "5 mg p.o. daily"."""
_PLAIN = re.compile(r"[A-Za-z0-9]")
OriginalOf = Callable[[str], Document | None]


def abstains(text: str) -> bool:
    """Whether a statement of a draft says that the passages do not answer, however it is set off ("**NOT STATED**").
    One that cites something says more than that."""
    return _ABSTENTION.match(text) is not None


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
            if not match.group().strip() and "\n" not in match.group() and _ABBREVIATED.search(before):
                continue
            if not _OPEN_MARKER.search(before):
                return match
        return None

    def rest(self) -> Iterator[str]:
        """What is left when the draft has ended."""
        statement, self._buffer = self._buffer.strip(), ""
        if statement:
            yield statement


class CitationNumbers:
    """The numbers that people see: 1, 2, 3 by first mention in one answer, one number for one stretch of one note."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int, int], int] = {}

    def of(self, citation: Citation) -> Citation:
        """The citation with its number in this answer."""
        place = (citation.resource_id, citation.start, citation.end)
        return replace(citation, number=self._numbers.setdefault(place, len(self._numbers) + 1))


@dataclass(frozen=True, slots=True)
class _Part:
    """A run of a statement and the markers that follow it."""

    text: str
    """As written, quotation marks included."""
    markers: tuple[tuple[int, ...], ...]
    between: tuple[str, ...]
    """What is written before each marker after the first."""
    quotations: tuple[str, ...]
    """Without their marks."""
    own_words: str
    """Without the quotations."""

    @property
    def numbers(self) -> list[int]:
        return list(dict.fromkeys(number for marker in self.markers for number in marker))


def check_statement(
    text: str, passages: Sequence[Hit], original: OriginalOf, numbers: CitationNumbers | None = None
) -> Statement | None:
    """The statement with its citations, or None where it may not leave.

    `original` gives the note a passage was cut from; the cited characters are read from there, and must be what the
    passage says. Enough to hold the statement back: no citation, or a number without a passage; a quotation of whatever
    length that does not stand in a cited passage to the letter, or is cut out of a denial; a figure, drug, name, side,
    denial, order or any other word with a meaning that the cited sentences do not carry; characters that hide or turn
    text. A number whose passage carries nothing is dropped. Citations have the numbers of their passages, or those of
    `numbers`, where given.
    """
    return StatementChecker(passages, original, numbers).check(text)


class StatementChecker:
    """Holds the statements of one answer against its passages, each of which is read once."""

    def __init__(
        self, passages: Sequence[Hit], original: OriginalOf, numbers: CitationNumbers | None = None
    ) -> None:
        self._passages = Passages(passages)
        self._original = original
        self._numbers = numbers

    def check(self, text: str) -> Statement | None:
        """As `check_statement`."""
        hits = self._passages.hits
        if misleads(text, "".join(hit.text for hit in hits) if not text.isascii() else ""):
            return None
        parts, after = _parts(text, hits)
        if not parts or _STRAY_MARKER.search(" ".join([*(part.own_words for part in parts), after])):
            return None
        found: list[list[tuple[int, Citation]]] = []
        for place, part in enumerate(parts):
            spans = _spans(part, after if place == len(parts) - 1 else "", self._passages)
            citations = [_citation(span, hits[span.number - 1], self._original) for span in spans]
            whole = [citation for citation in citations if citation is not None]
            if not spans or len(whole) < len(citations):
                return None
            found.append(list(zip((span.number for span in spans), whole, strict=True)))
        if _mixes_patients(parts, found, self._passages) or _tells_label_as_finding(
            parts, after, found, hits
        ):
            return None
        return _statement(parts, after, found, self._numbers)


_JOINT = " ,;.-*\n"
_LABELLED = re.compile(r"\blabell?ed\s+(?:with|as)\b", re.IGNORECASE)
_AS_A_FINDING = re.compile(
    r"\b(?:patient|she|he|they|her|his|their|has|have|had|suffers?|diagnos\w*|shows?|showed|shown|demonstrat\w+|reveal\w*"
    r"|confirm\w*|indicat\w+|suggest\w*|evidence|present|presence|there (?:is|are|was|were)|consistent|known)\b",
    re.IGNORECASE,
)


def _tells_label_as_finding(
    parts: Sequence[_Part], after: str, found: Sequence[Sequence[tuple[int, Citation]]], hits: Sequence[Hit]
) -> bool:
    """Whether words that an image is labelled with are said as anything else: a label is no one's diagnosis."""
    for part, citations in zip(parts, found, strict=True):
        of_labels = any(
            is_image(hit) and citation.end > label_start(hit.text)
            for number, citation in citations
            for hit in (hits[number - 1],)
        )
        said_as_label = _LABELLED.search(f"{part.text} {after}") is not None
        if of_labels and (not said_as_label or _AS_A_FINDING.search(f"{part.own_words} {after}")):
            return True
    return False


def _mixes_patients(
    parts: Sequence[_Part], found: Sequence[Sequence[tuple[int, Citation]]], passages: Passages
) -> bool:
    """Whether one statement is of several patients and a part of it does not say of which: "She takes metformin [1] and
    warfarin [2]."."""
    patients = [{citation.patient_id for _, citation in each} for each in found]
    if len(set().union(*patients)) < 2:
        return False
    return any(
        part.own_words.strip(_JOINT) not in ("", "and") and not passages.names_whom(part.text, patient)
        for part, whose in zip(parts, patients, strict=True)
        if len(parts) > 1
        for patient in whose
    )


def _statement(
    parts: Sequence[_Part],
    after: str,
    found: Sequence[Sequence[tuple[int, Citation]]],
    numbers: CitationNumbers | None,
) -> Statement:
    """The statement with the citations found for each part, each with the number of its passage."""
    written: list[str] = []
    cited: list[Citation] = []
    for part, citations in zip(parts, found, strict=True):
        by_passage: dict[int, list[Citation]] = {}
        for passage in part.numbers:
            for number, citation in citations:
                if number == passage:
                    by_passage.setdefault(passage, []).append(numbers.of(citation) if numbers else citation)
        written.append(part.text + _markers(part, by_passage, as_given=numbers is None))
        cited += [citation for each in by_passage.values() for citation in each]
    return Statement(_tidy("".join([*written, after])), tuple(dict.fromkeys(cited)))


def _markers(part: _Part, cited: Mapping[int, Sequence[Citation]], *, as_given: bool) -> str:
    """The markers of a part, without the numbers that nothing was cited for; in the numbers of the answer, each in
    brackets of its own, where those are not the passages'."""
    found: list[str] = []
    for marker, before in zip(part.markers, ("", *part.between), strict=True):
        if as_given:
            kept = [number for number in marker if number in cited]
            shown = f"[{', '.join(map(str, kept))}]" if kept else ""
        else:
            shown = "".join(f"[{each.number}]" for number in marker for each in cited.get(number, ()))
        if shown:
            found.append(f"{before if found else ''}{shown}")
    return "".join(found)


def _parts(text: str, passages: Sequence[Hit]) -> tuple[list[_Part], str]:
    """The statement cut after its groups of markers, and what follows the last; no parts where it cannot be followed.

    Numbers in square brackets inside a quotation are the note's own, not citations.
    """
    quoted = _quotation_places(text, passages)
    if quoted is None:
        return [], ""
    markers = [
        match
        for match in _MARKER.finditer(text)
        if not any(start < match.start() < end for start, end in quoted)
    ]
    parts: list[_Part] = []
    at = 0
    while markers:
        group = [markers.pop(0)]
        while markers and _BETWEEN_MARKERS.fullmatch(text, group[-1].end(), markers[0].start()):
            group.append(markers.pop(0))
        places = [(start, end) for start, end in quoted if at <= start < group[0].start()]
        parts.append(_part(text, at, group, places))
        at = group[-1].end()
    numbers = {number for part in parts for number in part.numbers}
    if not all(1 <= number <= len(passages) for number in numbers) or any(start >= at for start, _ in quoted):
        return [], ""
    return parts, text[at:]


def _part(text: str, at: int, group: Sequence[re.Match[str]], quoted: Sequence[tuple[int, int]]) -> _Part:
    own, last = [], at
    for start, end in quoted:
        own.append(text[last:start])
        last = end
    own.append(text[last : group[0].start()])
    return _Part(
        text[at : group[0].start()],
        tuple(_numbers(marker.group()) for marker in group),
        tuple(text[one.end() : other.start()] for one, other in pairwise(group)),
        tuple(text[start + 1 : end - 1].translate(_QUOTATION_MARKS) for start, end in quoted),
        " ".join(own),
    )


def _numbers(marker: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(number) for number in re.findall(r"[0-9]+", marker)))


def _quotation_places(text: str, passages: Sequence[Hit]) -> list[tuple[int, int]] | None:
    """Where the quotations of a statement stand, marks included; None where the marks do not pair.

    One from the first mark to the last where a passage holds all of that; otherwise the marks open and close in turn.
    A single mark is no quotation but a sign for inches.
    """
    plain = text.translate(_QUOTATION_MARKS)
    marks = [match.start() for match in re.finditer('"', plain)]
    if len(marks) < 2:
        return []
    first, last = marks[0], marks[-1]
    if len(marks) > 2:
        pattern = _pattern_of(plain[first + 1 : last])
        if pattern is not None and any(
            pattern.search(hit.text.translate(_QUOTATION_MARKS)) for hit in passages
        ):
            return [(first, last + 1)]
    if len(marks) % 2:
        return None
    return [(start, end + 1) for start, end in zip(marks[::2], marks[1::2], strict=True)]


def _spans(part: _Part, after: str, passages: Passages) -> list[Evidence]:
    """Where the cited passages hold the part's quotations and carry its own words; empty where they do not."""
    found: list[Evidence] = []
    for quotation in part.quotations:
        places = [place for number in part.numbers for place in _quoted(quotation, number, passages)]
        if not places:
            return []
        found += places
    own = _LIST_MARK.sub("", _named_passages(f"{part.own_words} {after}", part.numbers))
    if found and (_REFUTING.search(own) or _is_anothers_word(own, found, passages)):
        return []
    if found and claims_nothing(own):
        return found
    whole = _LIST_MARK.sub("", _named_passages(f"{part.text} {after}", part.numbers))
    carried = passages.evidence(whole.translate(_WITHOUT_MARKS), part.numbers)
    if not carried:
        return []
    carried += passages.elsewhere(whole.translate(_WITHOUT_MARKS), part.numbers, carried)
    return carried + [
        each
        for each in found
        if not any(
            other.number == each.number and other.start <= each.start and each.end <= other.end
            for other in carried
        )
    ]


def _is_anothers_word(own: str, found: Sequence[Evidence], passages: Passages) -> bool:
    """Whether the words around a quotation give it to the patient, and those around it in the note to someone else."""
    if not _PATIENT_SAYS.search(own):
        return False
    for each in found:
        text = passages.hits[each.number - 1].text
        if _OTHER_SAYS.match(text, each.end) or _OTHER_SAID.search(text, max(0, each.start - 60), each.start):
            return True
    return False


_SAYS = r"(?:said|says|states?d?|wrote|writes|told|tells|reports?|reported|shouted|asked)"
_OTHERS = (
    rf"(?:{'|'.join(sorted(RELATIVES | OTHERS))}|"
    r"nurse|doctor|physician|surgeon|officer|police|teacher|staff|dr\.?\s\w+)"
)
_PATIENT_SAYS = re.compile(rf"\b(?:patient|pt|he|she)\s+(?:\w+\s+)?{_SAYS}\b", re.IGNORECASE)
_OTHER_SAYS = re.compile(
    rf"[\s,.\"”]*(?:(?:her|his|the|a|their)\s+)?{_OTHERS}\s+(?:\w+\s+)?{_SAYS}\b", re.IGNORECASE
)
_OTHER_SAID = re.compile(rf"\b{_OTHERS}\s+(?:\w+\s+)?{_SAYS}\b[^.\n]{{0,25}}\Z", re.IGNORECASE)


def _named_passages(text: str, numbers: Sequence[int]) -> str:
    """The text without "passage 2" and the like, where 2 is cited."""
    return _NAMED_PASSAGE.sub(lambda match: " " if int(match[1]) in numbers else match.group(), text)


def _pattern_of(quotation: str) -> re.Pattern[str] | None:
    """The words of a quotation to the letter; white space may differ, nothing else.

    It begins and ends with whole words and whole numbers: "metformin 50" does not stand in "metformin 500 mg".
    """
    words = quotation.split()
    if not words:
        return None
    before = r"(?<!\w)(?<!\d[.,])" if words[0][0].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if words[-1][-1].isalnum() else ""
    return re.compile(before + r"\s+".join(map(re.escape, words)) + after)


def _quoted(quotation: str, number: int, passages: Passages) -> list[Evidence]:
    """The first place where the passage holds the quotation and means by it what the quotation says alone."""
    plain = passages.hits[number - 1].text.translate(_QUOTATION_MARKS)
    for start, end in _places_of(quotation, plain):
        if passages.means_the_same(number, start, end):
            return [Evidence(number, start, end)]
    return []


def _places_of(quotation: str, text: str) -> Iterator[tuple[int, int]]:
    """Where the text holds the quotation. Mostly in the same white space, which is found without a pattern: to compile
    one takes longer than all the rest."""
    words = quotation.strip()
    if not words:
        return
    at = text.find(words)
    if at >= 0 and _stands_alone(text, at, at + len(words)):
        yield at, at + len(words)
    pattern = _pattern_of(words)
    if pattern is not None:
        yield from (match.span() for match in pattern.finditer(text))


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether neither a word nor a number is cut at either end; as `_pattern_of` has it."""
    return not (
        (text[start].isalnum() and _GOES_ON_BEFORE.search(text, max(0, start - 2), start))
        or (text[end - 1].isalnum() and _GOES_ON_AFTER.match(text, end))
    )


_GOES_ON_BEFORE = re.compile(r"(?:\w|\d[.,])\Z")
_GOES_ON_AFTER = re.compile(r"\w|[.,]\d")


def is_cut_from_its_line(hit: Hit, start: int, end: int, note: Document) -> bool:
    """Whether the line that changes what `[start, end)` of a passage says ("Discontinued:", "Denies:") stands in the
    note before the passage begins."""
    start, end = original_span(start, end, hit.offsets, hit.start)
    return hit.start > 0 and with_line_above(note.text_content, start, end)[0] < hit.start


def _citation(span: Evidence, hit: Hit, original: OriginalOf) -> Citation | None:
    """The citation, with the cited characters read from the note itself; None where they are not the passage's, or
    items of a list without the line that changes them."""
    start, end = original_span(span.start, span.end, hit.offsets, hit.start)
    note = original(hit.resource_id)
    if note is None or is_cut_from_its_line(hit, span.start, span.end, note):
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
        region=hit.region,
        title=called(note) if is_of_library(note.resource_id) else "",
    )


def _is_written_as(quote: str, words: str, *, cleaned: bool) -> bool:
    """Whether the note says there what the passage says.

    A passage that was cleaned may differ in more than blanks and invisible characters: mojibake was repaired in it,
    and for that the letters and digits of ASCII are held against each other, which no wrong decoding touches.
    """
    if quote == words or _letters(quote) == _letters(words):
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
