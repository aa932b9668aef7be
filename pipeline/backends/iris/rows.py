"""Notes, chunks and vectors as rows of IRIS, and back; and the words of a text as SQL Search gets them.

Pure functions: knows the columns of store.sql and the quirks of values (an empty text is NULL, lengths are UTF-16
units, vectors are text), no connection and no statement.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from pipeline.backends.iris.connections import SqlRow, SqlValue
from pipeline.records import Chunk, Document, EmbeddedDocument, EmbeddingSpace, Hit, Match, NoteHead, Vector
from pipeline.storage.patient_register import source_column, source_of
from pipeline.storage.region_column import column_of, region_of

TEXT_CONTENT_UNITS = 10_000
TEXT_PART_UNITS = 30_000
"""Lengths of the text columns. IRIS counts UTF-16 units: a character beyond U+FFFF counts two."""
WORD_CHARACTERS_MAX = 64
WORDS_MAX = 32
"""Longest word indexed, and most words of one question: what reaches SQL Search stays small."""


_COMMON = """a about after all also am an and any are as at be been before being but by can could did do does for from
had has have he her here him his how i if in into is it its may me my of off on or our she should so some such than
that the their them then there these they this those to under up was we were what when where which who whom why
will with would you your"""
STOP_WORDS = frozenset(_COMMON.split())
OPERATORS = frozenset({"and", "or", "not"})
"""SQL Search's own words, never sent as terms."""
_WORD = re.compile(r"[^\W_]+")


# --- rows


def note_row(embedded: EmbeddedDocument) -> tuple[SqlValue, ...]:
    """Values of insert_note and update_note, the id last."""
    note = embedded.document
    opening, parts = split_text(note.text_content)
    given = {
        "domain": note.domain,
        "author": note.author,
        "encounter_id": note.encounter_id,
        "date": note.date,
    }
    return (
        note.patient_id,
        note.document_type,
        note.domain,
        note.author,
        note.encounter_id,
        note.date,
        json.dumps(dict(note.metadata)),
        " ".join(name for name, value in given.items() if value == ""),
        opening,
        len(parts),
        len(embedded.chunks),
        note.fingerprint(),
        source_column(note.patient),
        note.resource_id,
    )


def document_of(resource_id: str, row: SqlRow, parts: Sequence[SqlRow]) -> Document:
    """From the columns of the statement `document`, and (number, text) of the further parts of its text."""
    patient, kind, domain, author, encounter, date, metadata, blank, opening, _, said = row
    blanks = set(text_of(blank).split())

    def given(name: str, value: object) -> str | None:
        return "" if name in blanks else optional(value)

    rest = [text_of(content) for _, content in sorted(parts, key=lambda part: int(part[0]))]
    return Document(
        resource_id=resource_id,
        patient_id=text_of(patient),
        document_type=text_of(kind),
        text_content="".join([text_of(opening), *rest]),
        date=given("date", date),
        domain=given("domain", domain),
        author=given("author", author),
        encounter_id=given("encounter_id", encounter),
        metadata=json.loads(text_of(metadata)),
        patient=source_of(optional(said)),
    )


def note_head_of(row: SqlRow) -> NoteHead:
    """From the columns of the statement `notes_of_patient`."""
    resource_id, patient, kind, date, domain, author, encounter, metadata, blank = row
    blanks = set(text_of(blank).split())
    given = {"date": date, "domain": domain, "author": author, "encounter_id": encounter}
    fields = {name: "" if name in blanks else optional(value) for name, value in given.items()}
    title = json.loads(text_of(metadata)).get("title")
    return NoteHead(text_of(resource_id), text_of(patient), text_of(kind), **fields, title=title)


def chunk_row(note: Document, chunk: Chunk) -> tuple[SqlValue, ...]:
    """Values of insert_chunk and update_chunk up to the fingerprint, which covers all before it: a place only where
    there is one, so that passages of text keep the fingerprint that earlier releases gave them."""
    row = (
        note.resource_id,
        note.patient_id,
        note.document_type,
        note.domain,
        note.date,
        chunk.ordinal,
        chunk.section,
        chunk.start,
        chunk.end,
        json.dumps(chunk.offsets) if chunk.offsets is not None else None,
        chunk.text,
        " ".join(words_of(f"{chunk.section or ''} {chunk.text}")),
    )
    locator = column_of(chunk.region)
    covered = row if locator is None else (*row, locator)
    return (*row, locator, hashlib.sha256(json.dumps(covered).encode()).hexdigest())


def hit_of(row: SqlRow) -> Hit:
    (
        chunk_id,
        resource_id,
        patient_id,
        document_type,
        date,
        domain,
        section,
        text,
        start,
        end,
        offsets,
        locator,
        cosine,
    ) = row
    return Hit(
        chunk_id=text_of(chunk_id),
        resource_id=text_of(resource_id),
        patient_id=text_of(patient_id),
        document_type=text_of(document_type),
        date=optional(date),
        domain=optional(domain),
        section=optional(section),
        text=text_of(text),
        start=int(start),
        end=int(end),
        similarity=score(cosine),
        offsets=tuple((int(a), int(b)) for a, b in json.loads(text_of(offsets))) if offsets else None,
        region=region_of(text_of(chunk_id), optional(locator)),
    )


def definition(space: EmbeddingSpace) -> str:
    return json.dumps(asdict(space), sort_keys=True)


# --- vectors


def vector_text(vector: Vector) -> str:
    """Comma-separated numbers, nine significant digits each: what a float32 needs to come back the same."""
    return ",".join(map("%.9g".__mod__, vector.tolist()))


def parse_vector(value: object) -> Vector:
    """A VECTOR column: comma text, bracketed or not, or a list, by the driver's version."""
    if isinstance(value, str):
        return np.asarray(value.strip("[] ").split(","), dtype=np.float32)
    return np.asarray(value, dtype=np.float32)


def checksum_of(vector: Vector) -> str:
    return hashlib.sha256(np.ascontiguousarray(vector, dtype="<f4").tobytes()).hexdigest()


def score(value: object) -> float:
    """Drivers give floats, Decimals or texts. A vector without direction has no cosine: 0."""
    return 0.0 if value is None else float(value)  # type: ignore[arg-type]  # whatever the driver gives


# --- texts


def split_text(text: str) -> tuple[str, list[str]]:
    """(the opening that fits TextContent, further parts), by UTF-16 units and never within a character."""
    if text.isascii() or max(text) <= "\uffff":
        opening, rest = text[:TEXT_CONTENT_UNITS], text[TEXT_CONTENT_UNITS:]
        return opening, [rest[at : at + TEXT_PART_UNITS] for at in range(0, len(rest), TEXT_PART_UNITS)]
    pieces, start, units, limit = [], 0, 0, TEXT_CONTENT_UNITS
    for at, character in enumerate(text):
        size = 2 if character > "\uffff" else 1
        if units + size > limit:
            pieces.append(text[start:at])
            start, units, limit = at, 0, TEXT_PART_UNITS
        units += size
    pieces.append(text[start:])
    return pieces[0], pieces[1:]


def text_of(value: object) -> str:
    """A text column: NULL is the empty text, and surrogate pairs become the characters they stand for."""
    text = "" if value is None else str(value)
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def optional(value: object) -> str | None:
    return None if value is None else text_of(value)


def words_of(text: str) -> list[str]:
    """Words as they are indexed and asked for: letters and digits, without case, accents and long tails."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return [word[:WORD_CHARACTERS_MAX] for word in _WORD.findall(plain)]


def terms(text: str) -> list[str]:
    """At most WORDS_MAX different words of a question, the common ones left out unless there are no others."""
    words = [word for word in dict.fromkeys(words_of(text)) if word not in OPERATORS]
    return ([word for word in words if word not in STOP_WORDS] or words)[:WORDS_MAX]


def longest_word(spelling: str) -> str:
    """Of a spelling of several words the longest; "" where it has none that SQL Search takes."""
    return max((word for word in words_of(spelling) if word not in OPERATORS), key=len, default="")


def bm25(passages: Mapping[str, Sequence[str]], frequency: Mapping[str, int], stored: int) -> list[Match]:
    """Robertson's BM25 with the field's k1 0.9 and b 0.4 (Anserini's defaults)."""
    mean = sum(map(len, passages.values())) / max(1, len(passages)) or 1.0
    matches = []
    for chunk_id, words in passages.items():
        counts, score = Counter(words), 0.0
        for word, notes in frequency.items():
            if counts[word]:
                rarity = math.log(1 + (stored - notes + 0.5) / (notes + 0.5))
                score += rarity * counts[word] * 1.9 / (counts[word] + 0.9 * (0.6 + 0.4 * len(words) / mean))
        matches.append(Match(chunk_id, score))
    return matches
