"""Records of a JSON text: the elements of an array, one object or several, the entries of a FHIR Bundle."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from pipeline.readers.fhir.bundles import NOTE_RESOURCES, BinaryMemory, Bundle, EntryRecord, is_entry
from pipeline.readers.fhir.elements import identifier
from pipeline.readers.json.stream import (
    NOT_JSON,
    JsonCursor,
    JsonValue,
    convert,
    elements,
    parse,
    record,
    too_long,
)
from pipeline.readers.plain_text.utf8 import utf8
from pipeline.readers.reader import (
    Certainty,
    Opened,
    RawRecord,
    Reader,
    ReadItem,
    ReadOptions,
    UnreadableRecord,
    UnreadableSource,
)

LISTS = ("entry", "notes", "documents", "records")
"""Members of an outermost object whose array holds the records: of a FHIR Bundle, and of common wrappers. They are
streamed; any other member, and a list without an object in it, is part of the one record that the object then is."""

HELD_MAX = 1000
"""Elements of such a list that are kept while none of them was an object."""

_EMPTY_LIST = re.compile(rb"\s*(\[\s*\]|\{\s*\})\s*")


def read_json(
    stream: io.BufferedReader,
    label: str,
    bytes_max: int,
    has_text: Callable[[Iterable[str]], bool] = lambda names: False,
) -> Iterator[ReadItem]:
    """Records in order. Raises UnreadableSource where the text ends or breaks between or within records.

    `has_text` says of an object's names whether one of them is a note's text: such an object is a record, though it
    has a list of records too.
    """
    cursor = JsonCursor(stream, bytes_max)
    if cursor.next_byte() == "[":
        for number, value in enumerate(elements(cursor), 1):
            yield _judged(value, f"item {number}", label, bytes_max)
        _nothing_more(cursor)
        return
    number = 0
    while cursor.next_byte() == "{":
        number += 1
        yield from _object(cursor, f"object {number}", label, bytes_max, has_text)
    _nothing_more(cursor)


def read_json_lines(stream: io.BufferedReader, label: str, bytes_max: int) -> Iterator[ReadItem]:
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
        if isinstance(found, UnreadableRecord) and found.reason == NOT_JSON and not line.endswith(b"\n"):
            yield UnreadableRecord(
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


def _judged(value: JsonValue, position: str, label: str, bytes_max: int) -> ReadItem:
    if value.raw is None:
        return too_long(position, bytes_max, value.end - value.start)
    found = record(value.raw, position, "item", label)
    if isinstance(found, UnreadableRecord):
        return UnreadableRecord(
            position, found.reason, f"{found.remedy} The item starts at byte {value.start + 1:,}."
        )
    return found


def _object(
    cursor: JsonCursor, position: str, label: str, bytes_max: int, has_text: Callable[[Iterable[str]], bool]
) -> Iterator[ReadItem]:
    """One outermost object, member by member, so that the list in it need not fit into memory."""
    members: list[bytes] = []
    names: list[str] = []
    kind: object = None
    size = 0
    streamed = empty = False
    cursor.take("{")
    closed = cursor.next_byte() == "}"
    if closed:
        cursor.take("}")
    while not closed:
        if cursor.next_byte() != '"':
            raise cursor.broken(cursor.next_byte())
        name = cursor.value()
        cursor.take(":")
        called = _name(name, label)
        if called in LISTS and cursor.next_byte() == "[" and _may_list(called, kind):
            bundle = _bundle(kind, members) if called == "entry" else None
            value = yield from _listed(cursor, label, bytes_max, bundle)
            streamed |= value is None
            empty |= value is not None and value.raw == b"[]"
        else:
            value = cursor.value()
        if value is not None:
            if size <= bytes_max:
                names.append(called)
            size += value.end - name.start
            if size > bytes_max:
                members.clear()
            elif name.raw and value.raw:
                members.append(name.raw + b":" + value.raw)
            kind = _member(members, called) if called == "resourceType" else kind
        closed = cursor.take(",}") == "}"
    only_a_list = streamed or (empty and len(members) == 1)
    no_note = size > bytes_max and isinstance(kind, str) and kind not in {"Bundle", *NOTE_RESOURCES}
    if not no_note and (not only_a_list or has_text(names)):
        whole = b"{" + b",".join(members) + b"}" if size <= bytes_max else None
        yield _outermost(
            JsonValue(whole, cursor.position - size, cursor.position), position, label, bytes_max
        )


def _may_list(called: str, kind: object) -> bool:
    """False for the entries of a FHIR List and its kin, which are parts of one resource."""
    return called != "entry" or not isinstance(kind, str) or kind == "Bundle"


def _bundle(kind: object, members: list[bytes]) -> Bundle:
    """The Bundle that a list of entries belongs to, as far as the members before it say."""
    use = _member(members, "type")
    number = identifier(_member(members, "identifier"))
    return Bundle(use if isinstance(use, str) else None, number, room=BinaryMemory(), sure=kind == "Bundle")


def _member(members: list[bytes], name: str) -> object:
    start = b'"' + name.encode() + b'":'
    found = next((member for member in members if member.startswith(start)), None)
    try:
        return parse(found[len(start) :]) if found is not None else None
    except ValueError:
        return None  # judged with the whole object


def _outermost(value: JsonValue, position: str, label: str, bytes_max: int) -> ReadItem:
    judged = _judged(value, position, label, bytes_max)
    if value.raw is not None or isinstance(judged, RawRecord):
        return judged
    columns = "If it is one object of columns, as data frames are written: to_json(FILE, orient='records', lines=True)."
    return replace(judged, remedy=f"{judged.remedy} {columns}")


def _listed(
    cursor: JsonCursor, label: str, bytes_max: int, bundle: Bundle | None
) -> Generator[ReadItem, None, JsonValue | None]:
    """The records of a list; returns the list itself where no object is in it, or a FHIR List's items: it then belongs
    to the object around."""
    start = cursor.position
    held: list[JsonValue] = []
    streamed = False
    resource = False
    for number, element in enumerate(elements(cursor), 1):
        resource = resource or (not streamed and bundle is not None and _is_item(element))
        streamed = not resource and (
            streamed or _is_record(element) or len(held) == HELD_MAX or cursor.position - start > bytes_max
        )
        if not resource or cursor.position - start <= bytes_max:
            held.append(element)
        if streamed:
            for at, one in enumerate(held, number - len(held) + 1):
                found = _judged(one, f"entry {at}", label, bytes_max)
                if bundle is None:
                    yield found
                elif (entry := _unwrapped(found, bundle)) is not None:
                    yield entry
            held.clear()
    if bundle is not None:
        bundle.complete = True
    if streamed:
        return None
    return JsonValue(b"[" + b",".join(one.raw or b"null" for one in held) + b"]", start, cursor.position)


def _is_item(element: JsonValue) -> bool:
    """Whether an element of `entry` is an item of a FHIR List: it names a resource and holds none."""
    if element.raw is None or not element.raw.startswith(b"{"):
        return False
    try:
        value = parse(element.raw)
    except ValueError:
        return False
    return isinstance(value, dict) and isinstance(value.get("item"), dict) and "reference" in value["item"]


def _is_record(element: JsonValue) -> bool:
    return element.raw is None or element.raw.startswith(b"{")


def _name(value: JsonValue, label: str) -> str:
    try:
        return str(parse(value.raw or b'""'))
    except UnicodeDecodeError:
        raise UnreadableSource(
            "A field's name is not valid UTF-8.",
            f"Byte {value.start + 1:,}. {convert(label, value.raw or b'')}",
        ) from None
    except ValueError:
        return ""  # judged with the whole object


def _unwrapped(found: ReadItem, bundle: Bundle) -> ReadItem | None:
    """The resource of a Bundle's entry, with its entry; None for an entry that says nothing of a resource."""
    if isinstance(found, UnreadableRecord):
        return found
    resource = found.columns.get("resource")
    if not isinstance(resource, dict) and not bundle.sure and not is_entry(found.columns):
        return found  # a record in a list that happens to be called so
    entry = {name: value for name, value in found.columns.items() if name != "resource"}
    if isinstance(resource, dict):
        bundle.add(found.columns)
        return EntryRecord(found.position, resource, bundle=bundle, entry=entry)
    return EntryRecord(found.position, {}, bundle=bundle, entry=entry) if entry.get("request") else None


def _nothing_more(cursor: JsonCursor) -> None:
    if cursor.next_byte():
        raise UnreadableSource(
            "Something follows after the end of the JSON.",
            f"At byte {cursor.position + 1:,}. The records before it were read. If the file is a list of records, one "
            "a line, name it .jsonl; otherwise remove what follows.",
        )


class JsonReader(Reader):
    """A JSON text."""

    title = "JSON (.json)"
    suffixes = (".json",)
    content_kinds = ("application/json",)

    def sniff(self, opened: Opened, named: Reader | None) -> Certainty | None:
        return _certainty(self, opened, named, lines=False)

    def refusal(self, opened: Opened) -> UnreadableSource | None:
        text = utf8(opened)
        if text.whole and _EMPTY_LIST.fullmatch(text.head):
            return UnreadableSource(
                "The file holds an empty list.", "Export it again: there is no note in it."
            )
        return _other_than_json(text)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[ReadItem]:
        def has_text(names: Iterable[str]) -> bool:
            return "text_content" not in options.mapping.missing(names)

        return read_json(utf8(opened).stream, opened.label, options.bytes_max, has_text)


class JsonLinesReader(Reader):
    """One JSON value a line."""

    title = "JSON Lines (.jsonl, .ndjson)"
    suffixes = (".jsonl", ".ndjson")
    content_kinds = ("application/jsonl", "application/x-ndjson", "application/ndjson")

    def sniff(self, opened: Opened, named: Reader | None) -> Certainty | None:
        return _certainty(self, opened, named, lines=True)

    def refusal(self, opened: Opened) -> UnreadableSource | None:
        return _other_than_json(utf8(opened))

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[ReadItem]:
        return read_json_lines(utf8(opened).stream, opened.label, options.bytes_max)


def _certainty(reader: Reader, opened: Opened, named: Reader | None, *, lines: bool) -> Certainty | None:
    """Which of the two JSON formats it is, its content decides, whichever it is named."""
    called = type(named) in {JsonReader, JsonLinesReader}
    found = _in_lines(
        utf8(opened).head,
        named_lines=type(named) is JsonLinesReader,
        named_other=named is not None and not called,
    )
    if found is None:
        return Certainty.NAMED if named is reader else None
    if found is not lines:
        return None
    return Certainty.NAMED if called else Certainty.LIKELY


@lru_cache(maxsize=4)  # both readers ask, of the same bytes
def _in_lines(head: bytes, *, named_lines: bool, named_other: bool) -> bool | None:
    """Whether what begins like this is JSON Lines (True) or one JSON text (False); None where it is neither."""
    start = head.lstrip()
    if start[:1] not in {b"{", b"["}:
        return None
    first_line, _, rest = start.partition(b"\n")
    rest = rest.lstrip()
    try:
        complete = isinstance(parse(first_line), (dict, list))
    except ValueError:
        complete = False
    alone = first_line.strip() in {b"{", b"["}
    if named_other and not complete and not alone:
        return None  # a note that opens with a bracket
    if complete:
        return bool(rest) or (named_lines and start[:1] == b"{")
    if start[:1] == b"[" or alone or (not named_lines and _goes_on_below(first_line)):
        return False
    return named_lines or rest[:1] == b"{"


def _goes_on_below(first_line: bytes) -> bool:
    """Whether a line that is no JSON by itself was broken by whoever wrote it, as a Bundle is with an entry a line: a
    record that was cut rarely ends there."""
    return first_line.rstrip().endswith((b"[", b"{", b",", b":"))


def _other_than_json(text: Opened) -> UnreadableSource | None:
    if text.head.lstrip()[:1] in {b"{", b"["}:
        return None
    return UnreadableSource(
        "The file is not JSON.", "It begins neither with [ nor with {. A table is named .csv, a note .txt."
    )
