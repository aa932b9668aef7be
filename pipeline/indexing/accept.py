"""Which records become documents.

Decides whether a record's values are what a note needs, and says for each one that is not, why and what to do.
Refuses to know where records come from and what happens to them next. Reasons are fixed sentences, so that they can
be counted; neither they nor remedies ever hold a piece of a note.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config import IndexingSettings
from pipeline.indexing.clean import is_blank
from pipeline.indexing.dates import AMBIGUOUS, OTHER_ORDER, DateOrder, iso_date
from pipeline.indexing.mapping import EMPTY_WORDS, METADATA_VALUE_CHARACTERS_MAX
from pipeline.records import Document, Rejection, SourceRecord

SHORT_CHARACTERS_MAX = 200
"""Ids, types, names: longer ones are text in the wrong column. The store's columns are no wider either."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\ufeff]")
_HALF_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A document and where it was read."""

    document: Document
    source: str
    position: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A record that repeats an earlier one of this run, word for word. Nothing is lost by passing over it."""

    resource_id: str
    source: str
    position: str
    first: str
    """Where the first one was: source and position."""


class _Refusal(Exception):
    """Why a value is refused. Becomes a Rejection in `accept`."""

    def __init__(self, field: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason
        self.remedy = remedy


def accept(record: SourceRecord, settings: IndexingSettings) -> Accepted | Rejection:
    """A document where every value is what it should be, else the first thing that is wrong."""
    fields = record.fields
    try:
        document = Document(
            resource_id=_required(fields, "resource_id"),
            patient_id=_required(fields, "patient_id"),
            document_type=_required(fields, "document_type"),
            text_content=_text(fields, settings.note_characters_max),
            date=_date(fields, settings.date_order),
            domain=_short(fields, "domain"),
            author=_short(fields, "author"),
            encounter_id=_short(fields, "encounter_id"),
            metadata=_metadata(fields),
        )
    except _Refusal as refusal:
        return Rejection(
            source=record.source,
            position=record.position,
            resource_id=_id_for_report(fields.get("resource_id")),
            field=refusal.field,
            reason=refusal.reason,
            remedy=refusal.remedy,
        )
    return Accepted(document, record.source, record.position)


def accept_all(
    records: Iterable[SourceRecord | Rejection], settings: IndexingSettings
) -> Iterator[Accepted | Duplicate | Rejection]:
    """Each record judged, in order; Rejections of the reader pass through.

    The first document of an id is taken. A later one is a Duplicate where it is the same in every field, a Rejection
    otherwise. What is remembered of a note are two hashes and its position, about 250 bytes.
    """
    seen: dict[bytes, bytes] = {}
    for record in records:
        judged = record if isinstance(record, Rejection) else accept(record, settings)
        if isinstance(judged, Rejection):
            yield judged
            continue
        document = judged.document
        key = _hash(document.resource_id)
        place = f"{judged.source} {judged.position}".encode("utf-8", "replace")
        content = _content_hash(document)
        if key not in seen:
            seen[key] = content + place
            yield judged
            continue
        earlier = seen[key]
        first = earlier[HASH_BYTES:].decode()
        if earlier.startswith(content):
            yield Duplicate(document.resource_id, judged.source, judged.position, first)
        else:
            yield Rejection(
                source=judged.source,
                position=judged.position,
                resource_id=document.resource_id,
                field="resource_id",
                reason="Another record of this run has the same resource_id and other content.",
                remedy=f"The first one, {first}, was taken. Give each note an id of its own, for example by "
                "--map resource_id=COLUMN.",
            )


HASH_BYTES = 16


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest()


def _content_hash(document: Document) -> bytes:
    short = (
        document.patient_id,
        document.document_type,
        document.date,
        document.domain,
        document.author,
        document.encounter_id,
        sorted(document.metadata.items()),
    )
    return _hash(f"{short!r}\n{document.text_content}")


def _required(fields: Mapping[str, Any], name: str) -> str:
    value = _short(fields, name)
    if value is None:
        raise _Refusal(
            name,
            f"{name} is missing.",
            f"Fill it at the source, say which column holds it (--map {name}=COLUMN), or give all notes without one "
            f"the same (--default {name}=VALUE).",
        )
    return value


def _short(fields: Mapping[str, Any], name: str) -> str | None:
    """An id, a type or a name: a line of text, or a whole number for an id. None where there is nothing."""
    value = fields.get(name)
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        value = "; ".join(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Refusal(
            name,
            f"{name} is not text.",
            f"It is {_kind(value)}. Write it as text at the source, or name another column: --map {name}=COLUMN"
            + (f" (for a value inside it: --map {name}=COLUMN.KEY)." if isinstance(value, dict) else "."),
        )
    value = value.strip()
    if value.casefold() in EMPTY_WORDS:
        return None
    if len(value) > SHORT_CHARACTERS_MAX:
        raise _Refusal(
            name,
            f"{name} is longer than {SHORT_CHARACTERS_MAX} characters.",
            f"It has {len(value):,}: probably the wrong column. Name the right one: --map {name}=COLUMN.",
        )
    if value.isprintable():  # nothing that is refused below is printable, and nearly every value is
        return value
    if _CONTROL.search(value):
        raise _Refusal(
            name,
            f"{name} holds control or invisible characters.",
            "Remove line breaks, tabs and the like from it at the source.",
        )
    _refuse_half_surrogates(name, value)
    return value


def _text(fields: Mapping[str, Any], characters_max: int) -> str:
    name = "text_content"
    value = fields.get(name)
    if value is None:
        raise _Refusal(
            name,
            f"{name} is missing.",
            f"Fill it at the source, or say which column holds it: --map {name}=COLUMN.",
        )
    if not isinstance(value, str):
        raise _Refusal(
            name,
            f"{name} is not text.",
            f"It is {_kind(value)}. Name the column that holds the note's text: --map {name}=COLUMN.",
        )
    if len(value) > characters_max:
        raise _Refusal(
            name,
            f"{name} is longer than any note may be.",
            f"It has {len(value):,} characters, and {characters_max:,} are allowed: a concatenation, not a note. Split "
            "it, or raise CHARTWELL_INDEXING__NOTE_CHARACTERS_MAX.",
        )
    if is_blank(value):
        raise _Refusal(
            name, f"{name} is empty.", "There is nothing to search in it; nothing to do unless it was lost."
        )
    _refuse_half_surrogates(name, value)
    return value


def _refuse_half_surrogates(name: str, value: str) -> None:
    if not value.isascii() and _HALF_SURROGATE.search(value):
        raise _Refusal(
            name,
            f"{name} holds half a character.",
            "A \\uD800-\\uDFFF escape stands alone: the text was cut inside a character. Export it again.",
        )


def _date(fields: Mapping[str, Any], order: DateOrder | None) -> str | None:
    value = fields.get("date")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # data frames make decimal numbers of a column with a gap
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or (isinstance(value, str) and _no_date(value.strip())):
        return None
    date = iso_date(value, order) if isinstance(value, str) else None
    if isinstance(date, str):
        return date
    undated = "Without any date: --map date=none."
    if date is AMBIGUOUS:
        raise _Refusal(
            "date",
            "The date can be read in two ways.",
            "Day and month cannot be told apart. Say which one the source writes first: --date-order day or "
            f"--date-order month; or write it as YYYY-MM-DD at the source. {undated}",
        )
    if date is OTHER_ORDER:
        raise _Refusal(
            "date",
            "The date is not in the order given.",
            f"Its month would be greater than 12 with --date-order {order}. Look whether that is right for this "
            "source: other dates of it may have been read wrongly.",
        )
    raise _Refusal(
        "date",
        "The date cannot be read.",
        "Write it as YYYY-MM-DD, YYYY-MM-DDTHH:MM:SS, YYYYMMDD or 04-Mar-2021 at the source, or name another "
        f"column: --map date=COLUMN. {undated}",
    )


def _no_date(value: str) -> bool:
    return value.casefold() in EMPTY_WORDS or value.startswith("0000-00-00")


def _metadata(fields: Mapping[str, Any]) -> dict[str, str]:
    metadata = fields.get("metadata") or {}
    for name, value in metadata.items():
        if _HALF_SURROGATE.search(name) or _HALF_SURROGATE.search(value):
            raise _Refusal("metadata", "metadata holds half a character.", "Export the record again.")
    return {name: value[:METADATA_VALUE_CHARACTERS_MAX] for name, value in metadata.items()}


def _id_for_report(value: Any) -> str | None:
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return None
    text = str(value).strip()
    if text.casefold() in EMPTY_WORDS:
        return None
    return _HALF_SURROGATE.sub("?", _CONTROL.sub("?", text))[:SHORT_CHARACTERS_MAX]


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        float: "a decimal number",
    }
    return kinds.get(type(value), "a number")
