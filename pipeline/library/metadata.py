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
FILE_NAME_CHARACTERS_MAX = 255
NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Categories of Unicode: controls, bidi overrides and joiners, halves of pairs, private and unassigned ones."""

_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")  # BCP 47, as far as documents need it


def correct(metadata: DocumentMetadata, changes: Mapping[str, Any], origin: str) -> DocumentMetadata:
    """With these values in their fields. Raises BadRequest, naming the field, for what no document has."""
    checked: dict[str, Any] = {name: _checked(name, value) for name, value in changes.items()}
    origins = {**metadata.origins, **dict.fromkeys(checked, origin)}
    return replace(metadata, **checked, origins=origins)


def require_valid(given: DocumentMetadata) -> None:
    """Raises BadRequest, naming the field, where a person gave what no document has."""
    for name in _CHECKS:
        if value := getattr(given, name):
            _checked(name, value)


def cleaned(found: DocumentMetadata) -> DocumentMetadata:
    """What a file says of itself, as far as documents can have it: cut to length, without what is not shown. A date or
    a language that is none is left out: whoever made the file wrote what they liked."""
    texts = {name: shown(getattr(found, name))[:most].strip() for name, most in TEXT_CHARACTERS_MAX.items()}
    values = {
        name: tuple(dict.fromkeys(filter(None, map(_short, getattr(found, name)))))[:VALUES_MAX]
        for name in ("authors", "tags")
    }
    date = found.date if found.date and _is_date(found.date) else None
    language = found.language if _is_language(found.language) else ""
    return replace(found, **texts, **values, date=date, language=language)  # type: ignore[arg-type]  # by name


def shown(text: str) -> str:
    """On one line, without characters that are not shown."""
    words = ("".join(each for each in word if not is_hidden(each)) for word in text.split())
    return " ".join(filter(None, words))


def is_hidden(character: str) -> bool:
    """Whether it leaves no mark on a page, or moves the others about."""
    return unicodedata.category(character) in NOT_SHOWN


def file_name_shown(name: str) -> str:
    """The last part of a file's name, as it can be shown in a list; its ending is kept where it is too long."""
    last = shown(re.split(r"[/\\]", name)[-1])
    return last[-FILE_NAME_CHARACTERS_MAX:] or "document"


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
    if not isinstance(value, str) or not _is_language(value):
        raise BadRequest(
            f"The {name} of a document is not a language tag.", remedy='Write it as "en" or "pt-BR".'
        )
    return value


def _is_language(value: str) -> bool:
    return len(value) <= 35 and _LANGUAGE.fullmatch(value) is not None


def _short(text: str) -> str:
    return shown(text)[:VALUE_CHARACTERS_MAX].strip()


def _visible(name: str, value: object, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise BadRequest(
            f"The {name} of a document is a text of {most} characters at most.", remedy="Shorten it."
        )
    text = " ".join(value.split())
    if any(map(is_hidden, text)):
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
