"""Whether a record's values are what a note needs, and the note that they make.

Decides field by field, and says for the first that is not as it should be why and what to do. Refuses to know where the
record came from and which other records there are. Neither reasons nor remedies ever hold a piece of a note.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.config import IndexingSettings
from pipeline.indexing.identity import Prefixes
from pipeline.readers.field_mapping import METADATA_VALUE_CHARACTERS_MAX
from pipeline.records import LIBRARY_PREFIX, Document, is_of_library
from pipeline.text.cleaning import is_blank
from pipeline.text.dates import AMBIGUOUS, OTHER_ORDER, WEEK, DateOrder, NotOneDay, is_placeholder, iso_date
from pipeline.text.ids import EMPTY_WORDS, ID_CHARACTERS_MAX, is_no_id, is_rounded

SHORT_CHARACTERS_MAX = ID_CHARACTERS_MAX
"""Of ids, types and names alike."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\ufeff]")
_HALF_SURROGATE = re.compile("[\ud800-\udfff]")


class FieldRefused(Exception):
    """Why a value is refused. Becomes a Rejection in `validation.accept`."""

    def __init__(self, field: str | None, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason
        self.remedy = remedy


def document_of(fields: Mapping[str, Any], settings: IndexingSettings, prefixes: Prefixes) -> Document:
    """The note of these values. Raises FieldRefused for the first that is not what it should be."""
    return Document(
        resource_id=_prefixed(prefixes.note, _required(fields, "resource_id"), "resource_id"),
        patient_id=_prefixed(prefixes.patient, _required(fields, "patient_id"), "patient_id"),
        document_type=_required(fields, "document_type"),
        text_content=_text(fields, settings.note_characters_max),
        date=_date(fields, settings.date_order),
        domain=_short(fields, "domain"),
        author=_short(fields, "author"),
        encounter_id=_short(fields, "encounter_id"),
        metadata=_metadata(fields),
    )


def _required(fields: Mapping[str, Any], name: str) -> str:
    value = _short(fields, name)
    if value is None or (name in {"resource_id", "patient_id"} and is_no_id(value)):
        raise FieldRefused(
            name,
            f"{name} is missing.",
            f"Fill it at the source, or say which column holds it (--map {name}=COLUMN)"
            + (
                "."
                if name == "resource_id"
                else f"; or give all notes without one the same (--default {name}=VALUE)."
            ),
        )
    if name in {"resource_id", "patient_id"} and is_rounded(value):
        raise FieldRefused(
            name,
            f"{name} was rounded by a spreadsheet.",
            f"It is {value[:40]}: digits are lost, and several ids have become one. Export the column as text, and do "
            "not save the file from a spreadsheet.",
        )
    return value


def _prefixed(prefix: str, value: str, name: str) -> str:
    if is_of_library(prefix + value):
        option = "--id-prefix" if name == "resource_id" else "--patient-prefix"
        raise FieldRefused(
            name,
            f"{name} begins with {LIBRARY_PREFIX!r}, as the ids of library documents do.",
            f"Give it another id at the source, or load the source with {option} TEXT.",
        )
    if prefix and len(prefix) + len(value) > SHORT_CHARACTERS_MAX:
        raise FieldRefused(
            name,
            f"{name} is longer than {SHORT_CHARACTERS_MAX} characters.",
            f"With its prefix it has {len(prefix) + len(value):,}. Choose a shorter prefix.",
        )
    return prefix + value


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
        raise FieldRefused(
            name,
            f"{name} is not text.",
            f"It is {_kind(value)}. Write it as text at the source, or name another column: --map {name}=COLUMN"
            + (f" (for a value inside it: --map {name}=COLUMN.KEY)." if isinstance(value, dict) else "."),
        )
    value = value.strip()
    if value.casefold() in EMPTY_WORDS:
        return None
    if len(value) > SHORT_CHARACTERS_MAX:
        raise FieldRefused(
            name,
            f"{name} is longer than {SHORT_CHARACTERS_MAX} characters.",
            f"It has {len(value):,}: probably the wrong column. Name the right one: --map {name}=COLUMN.",
        )
    if value.isprintable():  # nothing that is refused below is printable, and nearly every value is
        return value
    if _CONTROL.search(value):
        raise FieldRefused(
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
        raise FieldRefused(
            name,
            f"{name} is missing.",
            f"Fill it at the source, or say which column holds it: --map {name}=COLUMN.",
        )
    if not isinstance(value, str):
        raise FieldRefused(
            name,
            f"{name} is not text.",
            f"It is {_kind(value)}. Name the column that holds the note's text: --map {name}=COLUMN.",
        )
    if len(value) > characters_max:
        raise FieldRefused(
            name,
            f"{name} is longer than any note may be.",
            f"It has {len(value):,} characters, and {characters_max:,} are allowed: a concatenation, not a note. Split "
            "it, or raise CHARTWELL_INDEXING__NOTE_CHARACTERS_MAX.",
        )
    if is_blank(value):
        raise FieldRefused(
            name, f"{name} is empty.", "There is nothing to search in it; nothing to do unless it was lost."
        )
    _refuse_half_surrogates(name, value)
    return value


def _refuse_half_surrogates(name: str, value: str) -> None:
    if not value.isascii() and _HALF_SURROGATE.search(value):
        raise FieldRefused(
            name,
            f"{name} holds half a character.",
            "A \\uD800-\\uDFFF escape stands alone: the text was cut inside a character. Export it again.",
        )


def has_placeholder_date(fields: Mapping[str, Any], order: DateOrder | None) -> bool:
    """Whether the date is one that programs write where they have none: the note is taken without it."""
    date = _read_date(_something(fields.get("date")), order)
    return isinstance(date, str) and is_placeholder(date)


def _something(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # data frames make decimal numbers of a column with a gap
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return None if isinstance(value, str) and _no_date(value.strip()) else value


def _read_date(value: Any, order: DateOrder | None) -> str | NotOneDay | None:
    return iso_date(value, order) if isinstance(value, str) else None


def _date(fields: Mapping[str, Any], order: DateOrder | None) -> str | None:
    date = written_day(fields.get("date"), order)
    return None if date is None or is_placeholder(date) else date


def written_day(value: Any, order: DateOrder | None) -> str | None:
    """A date as ISO 8601, a placeholder as well; None where nothing stands there. Raises FieldRefused."""
    if (value := _something(value)) is None:
        return None
    date = _read_date(value, order)
    if isinstance(date, str):
        return date
    undated = "Without any date: --map date=none."
    if date is AMBIGUOUS:
        raise FieldRefused(
            "date",
            "The date can be read in two ways.",
            "Day and month cannot be told apart. Say which one the source writes first: --date-order day or "
            f"--date-order month; or write it as YYYY-MM-DD at the source. {undated}",
        )
    if date is OTHER_ORDER:
        raise FieldRefused(
            "date",
            "The date is not in the order given.",
            f"Its month would be greater than 12 with --date-order {order}. Look whether that is right for this "
            "source: other dates of it may have been read wrongly.",
        )
    if date is WEEK:
        raise FieldRefused(
            "date",
            "The date is a week.",
            f"Which of its seven days it was is not said. Write it as YYYY-MM-DD at the source. {undated}",
        )
    raise FieldRefused(
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
            raise FieldRefused("metadata", "metadata holds half a character.", "Export the record again.")
    return {name: value[:METADATA_VALUE_CHARACTERS_MAX] for name, value in metadata.items()}


def id_for_report(value: Any) -> str | None:
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
