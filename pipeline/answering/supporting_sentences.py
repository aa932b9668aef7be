"""Finds the sentences of cited passages that carry what a statement says in the model's own words.

Decides which sentence stands for which part of a statement: all of it by one sentence where one carries it, otherwise
clause by clause. A part that hangs on another ("…, for her depression") is never looked for alone, so that what two
sentences say of two things is not said of one. Knows passages; what carries what, `text.statements.entailment` decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from pipeline.records import Hit
from pipeline.text.sentences import is_heading, passage_sentences
from pipeline.text.statements.condition import OPENING
from pipeline.text.statements.entailment import SupportContext, carries, says_nothing
from pipeline.text.statements.facts import ENDING_ORDERS, Over, Reading, Token, may_stand_over, read
from pipeline.text.structure.labels import are_of_the_past, over_labels
from pipeline.text.structure.list_items import opens_an_item
from pipeline.text.vocabulary import (
    CLAUSE_VERBS,
    CLINICIAN_HAS,
    CLINICIANS,
    DENYING,
    NEGATIONS,
    NEUTRAL,
    NOW,
    PLACING,
    SPELLINGS,
    SUBJECTS,
    TAKING,
)
from pipeline.text.wording import canonical

SENTENCES_MAX = 24
"""Sentences read for one statement: those that share most words with it."""
CLAUSES_MAX = 12

_WORD = re.compile(r"[^\W_]+")
_NAME = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Mx)\b\.?\s+(?P<titled>[A-Z][\w'’-]+(?:\s[A-Z][\w'’-]+)?)"
    r"|(?P<aged>[A-Z][\w'’-]+(?:\s[A-Z][\w'’.-]*){0,3}),?\s+is\s+an?\s+\d"
    r"|\b(?:[Pp]atient(?:\s[Nn]ame)?|PATIENT(?:\sNAME)?|Name|NAME):\s*"
    r"(?P<labelled>[A-Z][\w'’-]+(?:,?\s[A-Z][\w'’.-]*){0,3})"
)
_HE = re.compile(r"\b(?:he|him|his|himself|mr|male|gentleman)\b", re.IGNORECASE)
_SHE = re.compile(r"\b(?:she|her|hers|herself|mrs|ms|female|lady)\b", re.IGNORECASE)
_OF_SEVERAL = re.compile(r"\bpatients\b", re.IGNORECASE)
"""What one patient's note says of the patient is not said of "all patients"."""
_POINTS_BACK = re.compile(r"\W*(?:it|this|that|these|those|they|which)\b", re.IGNORECASE)
_CONDITION = re.compile(rf"\b(?:{'|'.join(sorted(OPENING))})\b", re.IGNORECASE)
_ALLERGIES = re.compile(r"\ballerg|\bintoleran", re.IGNORECASE)
_HAS = re.compile(rf"\b(?:{'|'.join(sorted(CLINICIAN_HAS))})\b", re.IGNORECASE)
_INLINE_HEADING = re.compile(r"(?:^|(?<=[.,;:\n])|(?<=[.,;:] ))([A-Z][A-Z /&()'-]{2,48}):,?\s")
"""Dictated notes run their sections together: "... no fever.,FAMILY HISTORY:, None."."""
_LOOK_BACK = 12
"""Sentences above one in which its heading is looked for."""
_LABEL_WORDS_MAX = 6


@dataclass(frozen=True, slots=True)
class Evidence:
    """A stretch of a passage that carries part of a statement."""

    number: int
    """Of the passage, counting from 1."""
    start: int
    end: int
    """Characters of the passage's text."""


@dataclass(slots=True)
class _EvidenceSource:
    """One sentence of a cited passage, read when it is needed."""

    number: int
    start: int
    end: int
    labels: tuple[str, ...] | None = None
    reading: Reading | None = None


@dataclass(slots=True)
class Passages:
    """The passages of one answer, with what has been read of them for its statements."""

    hits: Sequence[Hit]
    """All passages of the prompt."""
    _spans: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    _words: dict[int, list[frozenset[str]]] = field(default_factory=dict)
    _read_sources: dict[tuple[int, int, int], _EvidenceSource] = field(default_factory=dict)
    _names: dict[str, tuple[frozenset[str], ...]] = field(default_factory=dict)

    def evidence(self, text: str, numbers: Sequence[int]) -> list[Evidence]:
        """Where the passages of these numbers carry `text`; empty where they do not carry all of it.

        Never one part of it by one patient's passages and another by another's: each patient's must carry all of it.
        """
        patients = list(dict.fromkeys(self.hits[number - 1].patient_id for number in numbers))
        if len(patients) > 1:
            each = [
                self.evidence(text, [number for number in numbers if self.hits[number - 1].patient_id == one])
                for one in patients
            ]
            return [span for spans in each for span in spans] if all(each) else []
        claim = read(text)
        if says_nothing(claim, 0, len(claim.tokens)) or self._is_another_person(text, numbers):
            return []
        if _OF_SEVERAL.search(text) and not any(_OF_SEVERAL.search(self.hits[at - 1].text) for at in numbers):
            return []
        sources = self._sources(claim, text, numbers)
        found = self._carried(claim, sources, names=False)
        if not found and any(map(str.isupper, text)):
            found = self._carried(claim, sources, names=True)
        return found

    def names_whom(self, text: str, patient_id: str) -> bool:
        """Whether a text calls this patient by name or by number."""
        words = set(_forms(text))
        return (
            any(not words.isdisjoint(name) for name in self._names_of(patient_id))
            or patient_id.lower() in text.lower()
        )

    def elsewhere(self, text: str, numbers: Sequence[int], found: Sequence[Evidence]) -> list[Evidence]:
        """Evidence in the cited passages that were not needed for `found`, where they carry all of it as well."""
        left = [number for number in numbers if number not in {each.number for each in found}]
        return [each for number in left for each in self.evidence(text, [number])]

    def means_the_same(self, number: int, start: int, end: int) -> bool:
        """Whether the characters `[start, end)` of a passage mean alone what they mean in their sentence: "chest pain"
        does not in "denies chest pain"."""
        text = self.hits[number - 1].text
        if not _is_cut_out(text, start, end):
            return True
        begins, ends = self.span_of(number, start, end)
        around = f"{text[begins:start]} . {text[end:ends]}"
        if (
            _CONDITION.search(around) is None
            and over_labels(self._labels(number, begins)) == Over()
            and not (
                may_stand_over(around)
                and any(
                    token.kind in ("negation", "hedge", "relative")
                    or token.key in ENDING_ORDERS
                    or (token.word in CLINICIANS and _HAS.search(text, begins, ends))
                    for token in read(around).tokens
                )
            )
        ):
            return True
        source = self._source(number, begins, ends)
        reading = self._read(source)
        claim = read(text[start:end])
        return carries(reading, claim, 0, len(claim.tokens), partial(self._context, source, names=False))

    def span_of(self, number: int, start: int, end: int) -> tuple[int, int]:
        """From where the sentence begins that holds the character `start` to where the one ends that holds `end`."""
        spans = self._sentences(number)
        begins = max((span[0] for span in spans if span[0] <= start), default=start)
        ends = min((span[1] for span in spans if span[1] >= end), default=end)
        return min(begins, start), max(ends, end)

    def _sentences(self, number: int) -> tuple[tuple[int, int], ...]:
        if number not in self._spans:
            text = self.hits[number - 1].text
            self._spans[number] = passage_sentences(text) or ((0, len(text)),)
        return self._spans[number]

    def _words_of(self, number: int) -> list[frozenset[str]]:
        """The words of each sentence of a passage, as `_forms` has them."""
        if number not in self._words:
            text = self.hits[number - 1].text
            self._words[number] = [frozenset(_forms(text[slice(*span)])) for span in self._sentences(number)]
        return self._words[number]

    def _source(self, number: int, start: int, end: int) -> _EvidenceSource:
        return self._read_sources.setdefault((number, start, end), _EvidenceSource(number, start, end))

    def _sources(self, claim: Reading, text: str, numbers: Sequence[int]) -> list[_EvidenceSource]:
        """The sentences of the cited passages that share a word with the claim, those that share most first."""
        asked = {
            token.key for token in claim.tokens if token.kind not in ("comma", "break", "neutral", "figure")
        }
        asked = asked.union(*(SPELLINGS[key] for key in asked if key in SPELLINGS))
        if any(
            token.kind == "negation" and over.denied
            for token, over in zip(claim.tokens, claim.over, strict=True)
        ):
            asked |= NEGATIONS
        asked |= {word for word in _WORD.findall(text.lower()) if word not in NEUTRAL}
        ranked: list[tuple[int, int, int, _EvidenceSource]] = []
        for order, number in enumerate(numbers):
            passage = self.hits[number - 1].text
            spans = self._sentences(number)
            for place, ((start, end), words) in enumerate(zip(spans, self._words_of(number), strict=True)):
                shared = len(asked & words)
                if shared:
                    ranked.append((-shared, order, place, self._source(number, start, end)))
                if place and shared and _POINTS_BACK.match(passage, start, end):
                    ranked.append((-shared, order, place, self._source(number, spans[place - 1][0], end)))
        ranked.sort(key=lambda entry: entry[:3])
        return [source for *_, source in ranked[:SENTENCES_MAX]]

    def _labels(self, number: int, start: int) -> tuple[str, ...]:
        """The section of a passage, the nearest heading above the sentence at `start`, and the line that its list of
        bullets hangs on."""
        hit = self.hits[number - 1]
        above = [span for span in self._sentences(number) if span[0] <= start][-_LOOK_BACK:]
        inline = max(_INLINE_HEADING.finditer(hit.text, 0, start), key=re.Match.start, default=None)
        found = [inline[1]] if inline is not None else [hit.section] if hit.section else []
        listed, hung = False, False
        for place in range(len(above) - 1, -1, -1):
            line = hit.text[slice(*above[place])]
            if inline is not None and above[place][0] < inline.start():
                break
            if place < len(above) - 1 and _may_head(line) and is_heading(line):
                if inline is None and _opens_another(line, hit):
                    found = found[1:] if hit.section else found
                return (*found, line.strip("# *_"))
            if opens_an_item(line):
                listed = True
            elif listed and not hung and len(line.split()) <= _LABEL_WORDS_MAX:
                found.append(line)
                hung = True
        return tuple(found)

    def _context(self, source: _EvidenceSource, *, names: bool) -> SupportContext:
        """What may be said of a sentence without standing in it."""
        hit = self.hits[source.number - 1]
        labels = source.labels or ()
        known = set(_forms(" ".join([hit.document_type, hit.patient_id, hit.resource_id])))
        for label in labels:
            reading = read(label)
            if not reading.of("negation"):
                known.update(token.key for token in reading.of("word"))
        if names:
            own = _words_of_names(hit.text[source.start : source.end])
            known.update(
                *(
                    name
                    for name in self._names_of(hit.patient_id)
                    if not own or any(name & each for each in own)
                )
            )
        return SupportContext(
            known,
            _dates(hit.date),
            any(map(_ALLERGIES.search, labels)),
            of_the_past=are_of_the_past(labels),
        )

    def _read(self, source: _EvidenceSource) -> Reading:
        if source.reading is None:
            source.labels = self._labels(source.number, source.start)
            source.reading = read(
                self.hits[source.number - 1].text[source.start : source.end], over=over_labels(source.labels)
            )
        return source.reading

    def _names_of(self, patient_id: str) -> tuple[frozenset[str], ...]:
        """Words of each name by which passages of this patient call the patient."""
        if patient_id not in self._names:
            found = (
                name
                for hit in self.hits
                if hit.patient_id == patient_id
                for name in _words_of_names(hit.text)
            )
            self._names[patient_id] = tuple(dict.fromkeys(found))
        return self._names[patient_id]

    def _is_another_person(self, text: str, numbers: Sequence[int]) -> bool:
        """Whether the statement says "she" of a passage that says "he" only, or the other way round."""
        he, she = bool(_HE.search(text)), bool(_SHE.search(text))
        if he == she:
            return False
        ours, theirs = (_HE, _SHE) if he else (_SHE, _HE)
        cited = [self.hits[number - 1].text for number in numbers]
        return any(theirs.search(passage) for passage in cited) and not any(map(ours.search, cited))

    def _carried(self, claim: Reading, sources: Sequence[_EvidenceSource], *, names: bool) -> list[Evidence]:
        """One piece of evidence for each clause that needs one of its own; empty where a clause has none."""
        cuts = [0, *_cuts(claim), len(claim.tokens)]
        known: dict[tuple[int, int], _EvidenceSource | None] = {}

        def carrier(start: int, end: int) -> _EvidenceSource | None:
            if (start, end) not in known:
                known[start, end] = next(
                    (source for source in sources if self._carries(source, claim, start, end, names=names)),
                    None,
                )
            return known[start, end]

        def from_cut(at: int) -> list[_EvidenceSource] | None:
            if at == len(cuts) - 1:
                return []
            for to in range(len(cuts) - 1, at, -1):
                silent = says_nothing(claim, cuts[at], cuts[to])
                source = None if silent else carrier(cuts[at], cuts[to])
                if source is None and not silent:
                    continue
                rest = from_cut(to)
                if rest is not None:
                    return [source, *rest] if source is not None else rest
            return None

        found = from_cut(0) or []
        carriers = {id(source) for source in found}
        if found and any(
            carriers != {id(source)}
            and _is_of_the_same(self._read(source), claim, split=len(found) > 1)
            and not self._carries(source, claim, 0, len(claim.tokens), names=True)
            for source in sources
        ):
            return []
        return list(dict.fromkeys(Evidence(each.number, each.start, each.end) for each in found))

    def _carries(self, source: _EvidenceSource, claim: Reading, start: int, end: int, *, names: bool) -> bool:
        return carries(self._read(source), claim, start, end, partial(self._context, source, names=names))


def _words_of_names(text: str) -> list[frozenset[str]]:
    """The words of each name that a text calls a person by."""
    return [
        frozenset(
            key
            for word in _WORD.findall((match["titled"] or match["aged"] or match["labelled"]).lower())
            for key in canonical(word)
        )
        for match in _NAME.finditer(text)
    ]


def _opens_another(line: str, hit: Hit) -> bool:
    """Whether a heading in a passage ends the section that the passage begins with: both are written alike."""
    first = hit.text.lstrip().partition("\n")[0].strip()
    return (
        hit.section is not None
        and first.strip("# *_:").casefold()
        == hit.section.strip("# *_:").casefold()
        != line.strip("# *_:").casefold()
        and _style(first) == _style(line.strip())
    )


def _style(heading: str) -> tuple[bool, int, bool]:
    return heading.isupper(), len(heading) - len(heading.lstrip("#")), heading.endswith(":")


def _forms(text: str) -> Iterator[str]:
    """The words of a text, as they are and in their canonical form."""
    for word in _WORD.findall(text.lower()):
        yield word
        yield from canonical(word)
        if word in DENYING or word.startswith("non"):
            yield from canonical(DENYING.get(word, word[3:]))


def _may_head(line: str) -> bool:
    """Whether a line may be a heading; cheaper than knowing it."""
    return line[-1] in ":*_," or line[0] in "#*_" or line.isupper()


def _is_of_the_same(source: Reading, claim: Reading, *, split: bool) -> bool:
    """Whether one sentence has every word and figure of a claim, so that it speaks against a claim it does not carry.

    Where the claim was put together from several sentences that is enough; otherwise nearly all the other words must
    be there too, such as "is taking medication" in "is not taking medication".
    """
    keys = {token.key for token in claim.tokens if token.kind in ("word", "relative")}
    figures = {token.figure for token in claim.tokens if token.figure is not None}
    if not (keys <= source.places.keys() and figures <= {token.figure for token in source.tokens}):
        return False
    if split and len(keys) + len(figures) >= _TELLING:
        return True
    if keys and any(token.word in NOW for token in claim.tokens) and not NOW.isdisjoint(source.places):
        return True
    neutral = {token.key for token in claim.tokens if token.kind == "neutral"}
    words = len(neutral) + len(keys) + len(figures)
    return (
        len(neutral) > _TELLING
        and len(neutral & source.places.keys()) + len(keys) + len(figures) >= _NEARLY_ALL * words
    )


_TELLING = 2
"""Words and figures that make a sentence one about the same matter."""
_NEARLY_ALL = 0.9


def claims_nothing(text: str) -> bool:
    """Whether words around a quotation claim nothing else: "The note says", and no denial and no order."""
    claim = read(text)
    return says_nothing(claim, 0, len(claim.tokens))


_SENTENCE_BEFORE = re.compile(r"(?:^|[\n\r]|[.!?:;]\s)[\s•*+\-–—\d.)(]*$")
_SENTENCE_AFTER = re.compile(r"[\s.,;!?\"')]*(?:$|[\n\r]|(?<=[.!?])\s|(?<=[.!?],))")


def _is_cut_out(text: str, start: int, end: int) -> bool:
    """Whether more of its sentence stands before or after `[start, end)`."""
    before = text[max(0, start - 12) : start] if start > 12 else "\n" + text[:start]
    return not (_SENTENCE_BEFORE.search(before) and _SENTENCE_AFTER.match(text, end))


def _cuts(claim: Reading) -> list[int]:
    """Places where a clause of its own may begin."""
    found: list[int] = []
    last = 0
    for place in range(1, len(claim.tokens) - 1):
        token = claim.tokens[place]
        joins = (
            token.kind in ("break", "comma") and token.key != ":" and token.word != "("
        ) or token.word in _JOINING
        joins = joins or (token.word in ("or", "nor") and claim.over[place - 1].denied > 0)
        if token.word == "also" and claim.tokens[place - 1].kind != "comma":
            continue
        if joins and _may_stand_alone(claim.tokens, last, place):
            found.append(place)
            last = place
    return found[:CLAUSES_MAX]


_JOINING = frozenset(["and", "but", "while", "also", "who", "however", "without"])
_HANGING = frozenset(
    "for due because secondary caused requiring with from after since which that as resulting leading in on at to of "
    "by during despite following treated managed controlled attributed related thought likely per until".split()
)
_RELATING = frozenset(
    ["for", "due", "because", "secondary", "caused", "with", "from", "treat", "treats", "treating"]
)
_OPENING = SUBJECTS | CLAUSE_VERBS | TAKING


def _may_stand_alone(tokens: Sequence[Token], last: int, place: int) -> bool:
    after = place + 1
    while after < len(tokens) and (
        tokens[after].kind in ("comma", "break") or tokens[after].word in ("and", "but", "also", "that", "or")
    ):
        after += 1
    if after >= len(tokens):
        return False
    opening = tokens[after]
    if opening.word in _HANGING and not (opening.word == "that" or tokens[place].kind == "break"):
        return False
    if not _names_something(tokens[last:place], to_end=True) or _is_circumstance(tokens[last:place]):
        return False
    if opening.word in _OPENING or opening.kind in ("order", "negation"):
        return True
    if not _names_something(tokens[after:]):
        return False
    if not any(token.word in _RELATING for token in tokens[last:place]):
        return True
    return any(token.kind == "figure" for token in tokens[after : after + 5])


def _is_circumstance(tokens: Sequence[Token]) -> bool:
    """ "In the left eye": said of what follows, never alone."""
    words = [token.word for token in tokens if token.kind not in ("comma", "break")]
    return bool(words) and words[0] in PLACING and not any(word in CLAUSE_VERBS for word in words)


def _names_something(tokens: Sequence[Token], *, to_end: bool = False) -> bool:
    """Whether a word stands before the next comma, or no figure: a figure alone belongs to what it was said of."""
    figure = False
    for token in tokens:
        if not to_end and (token.kind in ("comma", "break") or token.word == "and"):
            break
        if token.kind in ("word", "relative"):
            return True
        if to_end and (token.word in CLAUSE_VERBS or token.word in SUBJECTS):
            return True
        figure = figure or token.kind in ("figure", "side")
    return to_end and not figure


def _dates(date: str | None) -> tuple[tuple[int | None, int | None, int | None], ...]:
    found = _DATE.match(date or "")
    if found is None:
        return ()
    year, month, day = (int(part) if part else None for part in found.groups())
    return ((year, month, day),)


_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
"""As notes have it, which may be of a year or a month only."""
