"""Records of a JSON text: the elements of an array, one object or several, the entries of a FHIR Bundle."""

from __future__ import annotations

import io
from collections.abc import Iterator

from pipeline.indexing.read.found import Found, Refused, SourceBroken
from pipeline.indexing.read.json_values import (
    NOT_JSON,
    JsonCursor,
    Value,
    convert,
    elements,
    parse,
    record,
    too_long,
)

LISTS = ("entry", "notes", "documents", "records")
"""Members of an outermost object whose array holds the records: of a FHIR Bundle, and of common wrappers. They are
streamed; any other member is part of the one record that the object then is."""


def read_json(stream: io.BufferedReader, label: str, bytes_max: int) -> Iterator[Found | Refused]:
    """Records in order. Raises SourceBroken where the text ends or breaks between or within records."""
    cursor = JsonCursor(stream, bytes_max)
    if cursor.next_byte() == "[":
        for number, value in enumerate(elements(cursor), 1):
            yield _judged(value, f"item {number}", label, bytes_max)
        _nothing_more(cursor)
        return
    number = 0
    while cursor.next_byte() == "{":
        number += 1
        yield from _object(cursor, f"object {number}", label, bytes_max)
    _nothing_more(cursor)


def read_json_lines(stream: io.BufferedReader, label: str, bytes_max: int) -> Iterator[Found | Refused]:
    """One record a line; blank lines are passed over. A bad line costs one record."""
    number = 0
    while line := stream.readline(bytes_max + 1):
        number += 1
        position = f"line {number}"
        if len(line) > bytes_max and not line.endswith(b"\n"):
            yield too_long(position, bytes_max, len(line) + _rest_of_line(stream))
            continue
        if line.isspace():
            continue
        found = record(line.strip(), position, "line", label)
        if isinstance(found, Refused) and found.reason == NOT_JSON and not line.endswith(b"\n"):
            yield Refused(
                position,
                "The file ends in the middle of a record.",
                f"Its last line, {number}, has no end. {found.remedy} Fetch the file again if it was cut on the way.",
                whole=True,
            )
            return
        yield found


def _rest_of_line(stream: io.BufferedReader) -> int:
    size = 0
    while piece := stream.readline(io.DEFAULT_BUFFER_SIZE):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


def _judged(value: Value, position: str, label: str, bytes_max: int) -> Found | Refused:
    if value.raw is None:
        return too_long(position, bytes_max, value.end - value.start)
    found = record(value.raw, position, "item", label)
    if isinstance(found, Refused):
        return Refused(position, found.reason, f"{found.remedy} The item starts at byte {value.start + 1:,}.")
    return found


def _object(cursor: JsonCursor, position: str, label: str, bytes_max: int) -> Iterator[Found | Refused]:
    """One outermost object, member by member, so that the list in it need not fit into memory."""
    members: list[bytes] = []
    size = 0
    streamed = False
    oversized = 0
    cursor.take("{")
    closed = cursor.next_byte() == "}"
    if closed:
        cursor.take("}")
    while not closed:
        if cursor.next_byte() != '"':
            raise cursor.broken(cursor.next_byte())
        name = cursor.value()
        cursor.take(":")
        if _name(name, label) in LISTS and cursor.next_byte() == "[":
            streamed = True
            for number, element in enumerate(elements(cursor), 1):
                yield _unwrapped(_judged(element, f"entry {number}", label, bytes_max))
        else:
            value = cursor.value()
            size += value.end - name.start
            if value.raw is None or size > bytes_max:
                oversized = size
                members.clear()
            elif name.raw:
                members.append(name.raw + b":" + value.raw)
        closed = cursor.take(",}") == "}"
    if not streamed:
        whole = None if oversized else b"{" + b",".join(members) + b"}"
        yield _judged(Value(whole, cursor.position - size, cursor.position), position, label, bytes_max)


def _name(value: Value, label: str) -> str:
    try:
        return str(parse(value.raw or b'""'))
    except UnicodeDecodeError:
        raise SourceBroken(
            "A field's name is not valid UTF-8.", f"Byte {value.start + 1:,}. {convert(label)}"
        ) from None
    except ValueError:
        return ""  # judged with the whole object


def _unwrapped(found: Found | Refused) -> Found | Refused:
    """The resource of a Bundle's entry."""
    if isinstance(found, Found) and isinstance(found.columns.get("resource"), dict):
        return Found(found.position, found.columns["resource"])
    return found


def _nothing_more(cursor: JsonCursor) -> None:
    if cursor.next_byte():
        raise SourceBroken(
            "Something follows after the end of the JSON.",
            f"At byte {cursor.position + 1:,}. The records before it were read. If the file is a list of records, one "
            "a line, name it .jsonl; otherwise remove what follows.",
        )
