"""Elements of FHIR resources as Python values, whatever an export wrote in their place.

Decides how a CodeableConcept, an Identifier and an instant are written in one line. Never raises: an element of the
wrong type is as good as none. Refuses to know any resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pipeline.records import NoteVersion

Resource: TypeAlias = Mapping[str, Any]

_NOTHING: Mapping[str, Any] = {}


def as_object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _NOTHING


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def objects(value: Any) -> list[Mapping[str, Any]]:
    return [element for element in as_list(value) if isinstance(element, dict)]


def text_in(value: Any) -> str | None:
    """Text that says something, without blanks around it."""
    return (value.strip() or None) if isinstance(value, str) else None


def type_of(resource: Resource) -> str:
    kind = resource.get("resourceType")
    return kind if isinstance(kind, str) else ""


def concept(value: Any) -> str | None:
    """A CodeableConcept in words: its text, else the first display of its codings."""
    element = as_object(value)
    displays = (coding.get("display") for coding in objects(element.get("coding")))
    return next(filter(None, map(text_in, (element.get("text"), *displays))), None)


def codes(value: Any) -> list[str]:
    """The codes of a CodeableConcept, of a Coding, or of a plain code."""
    if isinstance(value, str):
        return [value]
    element = as_object(value)
    given = [coding.get("code") for coding in (*objects(element.get("coding")), element)]
    return [code for code in map(text_in, given) if code]


def identifier(value: Any) -> str | None:
    """An Identifier as `system|value`, or its value alone where no system is named."""
    element = as_object(value)
    number, system = text_in(element.get("value")), text_in(element.get("system"))
    if number is None:
        return None
    if system == "urn:ietf:rfc:3986":  # then the value is a URI, unique by itself
        return number
    return f"{system}|{number}" if system else number


def first_identifier(values: Any) -> str | None:
    return next(filter(None, map(identifier, as_list(values))), None)


def version(resource: Resource, response: Mapping[str, Any]) -> NoteVersion | None:
    """What `meta`, or a history's response, says of the version."""
    meta = as_object(resource.get("meta"))
    last_updated = instant(meta.get("lastUpdated")) or instant(response.get("lastModified"))
    number = _number(meta.get("versionId")) or _number(text_in(response.get("etag")))
    return None if last_updated is None and number is None else NoteVersion(last_updated, number)


def _number(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    digits = value.removeprefix("W/").strip('"') if isinstance(value, str) else ""
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else None


def instant(value: Any) -> str | None:
    """An instant, or a date with less than a day of precision, in UTC and always as long, so that it compares as
    text. Without a zone it counts as UTC; a year or a month as its beginning."""
    moment = moment_of(value)
    return None if moment is None else f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def moment_of(value: Any) -> datetime | None:
    """The same as a time of UTC; None for what is no date."""
    text = text_in(value)
    if text is None:
        return None
    parts = text.count("-")
    if len(text) in {4, 7} and parts == (len(text) - 4) // 3:
        text += "-01" * (2 - parts)
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
