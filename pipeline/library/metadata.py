"""What a person may write about a document, and how metadata is kept as JSON.

Decides lengths, dates and languages, and that nothing invisible is stored: a bidi override can turn a title round.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from pipeline.errors import BadRequest
from pipeline.library.records import DocumentMetadata

TEXT_CHARACTERS_MAX: Mapping[str, int] = {
    "title": 500,
    "source": 500,
    "version": 100,
    "department": 200,
    "document_type": 60,
}
VALUES_MAX = 50
VALUE_CHARACTERS_MAX = 200

_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")  # BCP 47, as far as documents need it


def correct(metadata: DocumentMetadata, changes: Mapping[str, Any], origin: str) -> DocumentMetadata:
    """With these values in their fields. Raises BadRequest, naming the field, for what no document has."""
    checked: dict[str, Any] = {name: _checked(name, value) for name, value in changes.items()}
    origins = {**metadata.origins, **dict.fromkeys(checked, origin)}
    return replace(metadata, **checked, origins=origins)


def filled(given: DocumentMetadata, found: DocumentMetadata) -> DocumentMetadata:
    """What a person gave, and where they said nothing, what was found in the file."""
    names = [name for name in _CHECKS if not getattr(given, name) and getattr(found, name)]
    origins = {name: found.origins.get(name, "file") for name in names}
    return replace(
        given, **{name: getattr(found, name) for name in names}, origins={**given.origins, **origins}
    )


def as_record(metadata: DocumentMetadata) -> dict[str, Any]:
    """As JSON has it."""
    return asdict(metadata)


def of_record(record: Mapping[str, Any]) -> DocumentMetadata:
    """What `as_record` made."""
    lists = {name: tuple(record[name]) for name in ("authors", "tags")}
    return DocumentMetadata(**{**record, **lists})


def _checked(name: str, value: object) -> object:
    check = _CHECKS.get(name)
    if check is None:
        raise BadRequest(
            f"Documents have no field {name!r}.", remedy=f"They have {', '.join(sorted(_CHECKS))}."
        )
    return check(name, value)


def _text(name: str, value: object) -> str:
    return _visible(name, value, TEXT_CHARACTERS_MAX[name])


def _values(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > VALUES_MAX:
        raise BadRequest(
            f"The {name} of a document are a list of {VALUES_MAX} at most.", remedy="Send a list of texts."
        )
    texts = (_visible(name, each, VALUE_CHARACTERS_MAX) for each in value)
    return tuple(dict.fromkeys(text for text in texts if text))


def _date(name: str, value: object) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not _is_date(value):
        raise BadRequest(
            f"The {name} of a document is not one of the calendar.",
            remedy="Write 2024, 2024-03 or 2024-03-17.",
        )
    return value


def _is_date(value: str) -> bool:
    found = _DATE.fullmatch(value)
    if found is None:
        return False
    try:
        dt.date(*(int(part or 1) for part in found.groups()))
    except ValueError:
        return False
    return True


def _language(name: str, value: object) -> str:
    if value == "":
        return ""
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value) or len(value) > 35:
        raise BadRequest(
            f"The {name} of a document is not a language tag.", remedy='Write it as "en" or "pt-BR".'
        )
    return value


def _visible(name: str, value: object, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise BadRequest(
            f"The {name} of a document is a text of {most} characters at most.", remedy="Shorten it."
        )
    text = " ".join(value.split())
    if any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Co", "Cn") for each in text):
        raise BadRequest(
            f"The {name} of a document has characters that are not shown.", remedy="Type it again."
        )
    return text


_CHECKS: Mapping[str, Callable[[str, object], object]] = {
    "title": _text,
    "source": _text,
    "authors": _values,
    "date": _date,
    "version": _text,
    "language": _language,
    "department": _text,
    "document_type": _text,
    "tags": _values,
}
