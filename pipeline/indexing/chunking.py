"""Cuts a note into passages along the note's own structure.

Decides where a passage begins and ends: sections first, then paragraphs, list items and tables, then sentences, and
only where a single sentence is too long, words. `chunk_document` knows no model: tokens are counted by a function
handed in; `Chunker` is that for one embedder. Ids depend on nothing but the note's id and the passage's text, so an
edit elsewhere in the note leaves them alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pipeline.config import IndexingSettings
from pipeline.library.pages import PAGE_BREAK, has_pages
from pipeline.locators import PageBox
from pipeline.patients import SourcePatient
from pipeline.ports import Embedder, text_tokens_max
from pipeline.records import Chunk, Document, EmbeddingSpace, is_of_library, original_span
from pipeline.text.cleaning import CleanText, clean
from pipeline.text.sentences import sentence_spans
from pipeline.text.structure.outline import outline

CHUNKER_VERSION = 3
"""Part of every note's recipe: a change here re-chunks the corpus on the next run."""

PATIENT_DIGITS = 16
"""Of the hash of what a source says of the patient: hexadecimal digits kept."""

SMALL_SECTION_SHARE = 0.5
"""Neighbouring sections share a passage while it stays under this share of the limit: a two-word section
("Chief complaint: annual exam") says too little alone."""


CountTokens = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece that is not cut unless it is too long by itself: a sentence, a list item, a table."""

    start: int
    end: int
    section: str | None
    section_number: int
    tokens: int = 0
    title: bool = False
    """It is the title of its section and nothing else."""


@dataclass(frozen=True, slots=True)
class Chunker:
    """Cuts notes for one embedder under one set of rules."""

    embedder: Embedder
    settings: IndexingSettings

    def split(self, document: Document) -> list[Chunk]:
        cut = chunk_pages if is_of_library(document.resource_id) else chunk_document
        return cut(
            document,
            count_tokens=self.embedder.count_tokens,
            tokens_max=passage_tokens_max(self.embedder, self.settings),
        )

    @property
    def recipe(self) -> str:
        return recipe(self.embedder.space, self.settings)

    def cut_by_an_earlier_release(self, document: Document, fingerprint: str) -> bool:
        """Whether the ledger's fingerprint is that of this very note, under the rules of an earlier chunker."""
        space, note = self.embedder.space, document.fingerprint()
        held = fingerprint.partition(".")[0]
        earlier = (recipe(space, self.settings, version) for version in range(1, CHUNKER_VERSION))
        return any(held == fingerprint_under(rules, note) for rules in earlier)


def recipe(space: EmbeddingSpace, settings: IndexingSettings, chunker: int = CHUNKER_VERSION) -> str:
    """Everything besides the note itself that its stored form depends on."""
    return f"chunker {chunker}, {settings.chunk_tokens_max} tokens, {space.id}"


def fingerprint_under(recipe: str, note: str, patient: SourcePatient | None = None) -> str:
    """The ledger's fingerprint of a note's stored form: `Document.fingerprint` and the recipe it was stored by; and
    behind a dot, where the source says something of the patient, what that is."""
    stored = hashlib.sha256(f"{recipe}\0{note}".encode()).hexdigest()
    if patient is None:
        return stored
    said = json.dumps(patient.as_json(), sort_keys=True)
    return f"{stored}.{hashlib.sha256(said.encode()).hexdigest()[:PATIENT_DIGITS]}"


def is_known_as(held: str, now: str) -> bool:
    """Whether a note that the ledger holds under one fingerprint is the one with the other. A source that says nothing
    of the patient (a part of an export) does not take back what one said before."""
    return held == now or ("." not in now and held.partition(".")[0] == now)


def passage_tokens_max(embedder: Embedder, settings: IndexingSettings) -> int:
    """The longest passage in tokens: the wish, within what the model reads."""
    return min(settings.chunk_tokens_max, text_tokens_max(embedder, "passage"))


def chunk_document(document: Document, *, count_tokens: CountTokens, tokens_max: int) -> list[Chunk]:
    """Passages of `document` in order, each with at most `tokens_max` tokens of embedding text.

    Together they cover every character of the note that is not white space or removed by cleaning. Offsets are
    exact in the original text.
    """
    cleaned = clean(document.text_content)
    units = _counted(list(_units(cleaned.text)), cleaned.text, count_tokens)
    rooms = _rooms(units, tokens_max, count_tokens)
    fitting = [
        piece for unit in units for piece in _fit(unit, cleaned.text, count_tokens, rooms[unit.section])
    ]
    return list(_chunks(document.resource_id, cleaned, _pack(fitting, rooms, tokens_max)))


def chunk_pages(document: Document, *, count_tokens: CountTokens, tokens_max: int) -> list[Chunk]:
    """The same of a library document, in which `PAGE_BREAK` parts the pages: no passage crosses one, and each says on
    which page it stands, where the document has pages. Where on the page is read from what was read of the file."""
    found: list[Chunk] = []
    start = 0
    for number, text in enumerate(document.text_content.split(PAGE_BREAK), start=1):
        page = replace(document, resource_id=f"{document.resource_id}#{number}", text_content=text)
        region = PageBox(number, 0, 0, 1, 1) if has_pages(document) else None
        found += [
            _moved(chunk, document.resource_id, len(found) + place, start, region)
            for place, chunk in enumerate(
                chunk_document(page, count_tokens=count_tokens, tokens_max=tokens_max)
            )
        ]
        start += len(text) + len(PAGE_BREAK)
    return found


def _moved(chunk: Chunk, resource_id: str, ordinal: int, by: int, region: PageBox | None) -> Chunk:
    offsets = chunk.offsets and tuple((place, original + by) for place, original in chunk.offsets)
    return replace(
        chunk,
        resource_id=resource_id,
        ordinal=ordinal,
        start=chunk.start + by,
        end=chunk.end + by,
        offsets=offsets,
        region=region,
    )


def _rooms(units: list[Unit], tokens_max: int, count_tokens: CountTokens) -> dict[str | None, int]:
    """By section: tokens left for text once the heading that goes before a continued section is paid for."""
    sections = sorted({unit.section for unit in units if unit.section})
    rooms: dict[str | None, int] = {None: tokens_max}
    for section, tokens in zip(sections, count_tokens(sections), strict=True):
        rooms[section] = max(tokens_max - tokens, tokens_max // 2)
    return rooms


def _counted(units: list[Unit], text: str, count_tokens: CountTokens) -> list[Unit]:
    counts = count_tokens([text[unit.start : unit.end] for unit in units])
    # Not by `replace`, which costs three times as much, for every sentence.
    return [
        Unit(unit.start, unit.end, unit.section, unit.section_number, tokens, unit.title)
        for unit, tokens in zip(units, counts, strict=True)
    ]


def _units(text: str) -> Iterator[Unit]:
    """Sentences, list items and whole tables of the cleaned text, each with the section it stands in."""
    section: str | None = None
    number = 0
    for block in outline(text):
        if block.title is not None:
            section, number = block.title, number + 1
        if block.form == "prose":
            for a, b in sentence_spans(text[block.start : block.end]):
                yield Unit(block.start + a, block.start + b, section, number)
        else:
            yield Unit(block.start, block.end, section, number, title=block.form == "heading")


def _fit(unit: Unit, text: str, count_tokens: CountTokens, room: int) -> Iterator[Unit]:
    """The unit itself, or pieces of it that fit: lines of a table, else words."""
    if unit.tokens <= room:
        yield unit
        return
    body = text[unit.start : unit.end]
    pieces = [match.span() for match in re.finditer(r"[^\n]+\n?", body)]
    if len(pieces) == 1:
        pieces = [match.span() for match in re.finditer(r"\S+\s*", body)]
    if len(pieces) == 1:
        pieces = list(_halves(body, count_tokens, room))
    counts = count_tokens([body[a:b] for a, b in pieces])
    start, tokens = pieces[0][0], 0
    for (a, _), count in zip(pieces, counts, strict=True):
        if a > start and tokens + count > room:  # a piece may have no token at all
            yield from _fit(_sub(unit, start, a, tokens), text, count_tokens, room)
            start, tokens = a, 0
        tokens += count
    yield from _fit(_sub(unit, start, len(body), tokens), text, count_tokens, room)


def _sub(unit: Unit, start: int, end: int, tokens: int) -> Unit:
    return Unit(unit.start + start, unit.start + end, unit.section, unit.section_number, tokens)


def _halves(word: str, count_tokens: CountTokens, room: int) -> Iterator[tuple[int, int]]:
    """One unbroken run of characters (a base64 blob, an endless identifier) cut until every piece fits.

    A piece of `room` characters has at most `room` tokens in every tokenizer that we use, so this ends.
    """
    step = len(word)
    while step > room and max(count_tokens([word[i : i + step] for i in range(0, len(word), step)])) > room:
        step = max(room, step // 2)
    for i in range(0, len(word), step):
        yield i, min(i + step, len(word))


def _pack(units: list[Unit], rooms: dict[str | None, int], tokens_max: int) -> Iterator[list[Unit]]:
    """Passages: sections cut where they are too long, and short neighbouring sections put together. A title without a
    text of its own goes before the section that follows: no passage ends with the title of the next."""
    together: list[Unit] = []
    for section in _sections(units):
        parts = list(_cut(section, rooms, tokens_max))
        tokens = sum(unit.tokens for unit in [*together, *parts[0]])
        if together and (len(parts) > 1 or tokens > tokens_max * SMALL_SECTION_SHARE):
            yield together
            together = []
        together += parts[0]
        if len(parts) > 1:
            yield from [together, *parts[1:]]
            together = []
    if together:
        yield together


def _sections(units: list[Unit]) -> Iterator[list[Unit]]:
    """Units by section; titles that no text follows stand with the next section that has one."""
    titles: list[Unit] = []
    for _, grouped in groupby(units, key=lambda unit: unit.section_number):
        section = [*titles, *grouped]
        titles = []
        if all(unit.title for unit in section):
            titles = section
        else:
            yield section
    if titles:
        yield titles


def _cut(section: list[Unit], rooms: dict[str | None, int], tokens_max: int) -> Iterator[list[Unit]]:
    """One section as runs of units that fit, of about equal size: a last run of three words says too little, and so
    does a title alone."""
    room = min(rooms[name] for name in {unit.section for unit in section})
    total = sum(unit.tokens for unit in section)
    target = total / math.ceil(total / room) if total > room else room
    run: list[Unit] = []
    tokens = 0
    for unit in section:
        full = tokens + unit.tokens > room or (tokens >= target and total > room)
        if full and tokens + unit.tokens <= tokens_max and all(each.title for each in run):
            full = False
        if run and full:
            yield run
            run, tokens = [], 0
        run.append(unit)
        tokens += unit.tokens
    yield run


def _chunks(resource_id: str, cleaned: CleanText, passages: Iterable[list[Unit]]) -> Iterator[Chunk]:
    seen: Counter[str] = Counter()
    ordinal = 0
    for passage in passages:
        start, end = _trimmed(cleaned.text, passage[0].start, passage[-1].end)
        if start == end:
            continue
        text = cleaned.text[start:end]
        section = passage[0].section
        origin, offsets = cleaned.slice_offsets(start, end)
        identity = f"{resource_id}\0{section}\0{text}"
        seen[identity] += 1
        digest = hashlib.sha256(f"{identity}\0{seen[identity]}".encode()).hexdigest()[:32]
        last = original_span(0, end - start, offsets, origin)[1]
        yield Chunk(digest, resource_id, ordinal, text, origin, last, section, offsets)
        ordinal += 1


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
