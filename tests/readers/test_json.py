"""JSON: records cut out of streams of any shape, whatever is wrong inside them."""

from __future__ import annotations

import collections
import contextlib
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import IndexingSettings
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.readers.json import stream as json_stream
from pipeline.readers.json.records import read_json, read_json_lines
from pipeline.readers.reader import RawRecord, ReadOptions, UnreadableRecord, UnreadableSource
from pipeline.records import Rejection, SourceRecord

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('ab"\\{}[],: \n\u00e9', max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('k"\\{', max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
RECORDS = st.lists(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), JSON_VALUES, max_size=4), max_size=5
)


class Dripping(io.RawIOBase):
    """Gives a few bytes a read, so that every boundary falls everywhere."""

    def __init__(self, content: bytes, size: int) -> None:
        super().__init__()
        self._rest = content
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece, self._rest = self._rest[: self._size], self._rest[self._size :]
        buffer[: len(piece)] = piece
        return len(piece)


def stream(content: bytes, size: int = 1 << 20) -> io.BufferedReader:
    return io.BufferedReader(Dripping(content, size), max(1, size))


def read_all(
    content: bytes, size: int = 1 << 20, bytes_max: int = 1 << 20
) -> list[RawRecord | UnreadableRecord]:
    return list(read_json(stream(content, size), "notes.json", bytes_max))


@given(RECORDS, st.integers(1, 7), st.sampled_from([None, 1]), st.booleans())
def test_an_array_gives_what_json_gives(
    records: list[dict[str, Any]], size: int, indent: int | None, ascii_only: bool
) -> None:
    content = json.dumps(records, indent=indent, ensure_ascii=ascii_only).encode()
    found = read_all(content, size)
    assert [item.columns for item in found if isinstance(item, RawRecord)] == records
    assert [item.position for item in found] == [f"item {number}" for number in range(1, len(records) + 1)]


@given(RECORDS, st.integers(1, 7))
def test_objects_one_after_the_other(records: list[dict[str, Any]], size: int) -> None:
    content = b"\n".join(json.dumps(record, indent=1).encode() for record in records)
    assert [item.columns for item in read_all(content, size) if isinstance(item, RawRecord)] == records


@given(RECORDS, st.integers(1, 200), st.integers(1, 7))
def test_a_cut_array_gives_the_records_before_the_cut(
    records: list[dict[str, Any]], cut: int, size: int
) -> None:
    content = json.dumps(records).encode()[:-1]
    content = content[: max(1, cut % (len(content) + 1))]
    reader = read_json(stream(content, size), "notes.json", 1 << 20)
    before: list[RawRecord | UnreadableRecord] = []
    with pytest.raises(UnreadableSource, match="ends before it is complete"):
        collections.deque(map(before.append, reader))
    assert all(isinstance(item, RawRecord) for item in before)
    assert [item.columns for item in before if isinstance(item, RawRecord)] == records[: len(before)]


@given(st.binary(max_size=60), st.integers(1, 5))
def test_no_bytes_make_it_raise_anything_else(content: bytes, size: int) -> None:
    for opening in (b"[", b"{", b""):
        with contextlib.suppress(UnreadableSource):
            read_all(opening + content, size, bytes_max=20)


def test_a_bad_record_costs_one_record() -> None:
    content = b'[{"id": 1}, {"id": 2,}, {"id": "\xe9"}, 4, {"id": 5}]'
    one, two, three, four, five = read_all(content)
    assert isinstance(one, RawRecord)
    assert isinstance(five, RawRecord)
    assert five.position == "item 5"
    assert isinstance(two, UnreadableRecord)
    assert two.reason == "The record is not valid JSON."
    assert "starts at byte 13" in two.remedy
    assert isinstance(three, UnreadableRecord)
    assert three.reason == "The record is not valid UTF-8."
    assert "Byte 9 of the item is 0xE9" in three.remedy
    assert "iconv -f WINDOWS-1252 -t UTF-8 'notes.json'" in three.remedy
    assert isinstance(four, UnreadableRecord)
    assert four.reason == "The record is not a JSON object."


def test_what_follows_the_end_is_reported() -> None:
    with pytest.raises(UnreadableSource, match="Something follows after the end"):
        read_all(b'[{"id": 1}] [')


def test_the_list_of_a_wrapper_is_streamed_wherever_it_stands() -> None:
    content = b'{"entry": [{"resource": {"resourceType": "Patient"}}, {"id": 7}], "resourceType": "Bundle"}'
    assert [item.columns for item in read_all(content) if isinstance(item, RawRecord)] == [
        {"resourceType": "Patient"},
        {"id": 7},
    ]


def read_file(path: Path, content: str) -> list[SourceRecord | Rejection]:
    path.write_text(content)
    return list(read_sources([str(path)], FieldMapping(), IndexingSettings()))


NOTE = {"resource_id": "n1", "patient_id": "p1", "document_type": "note", "text_content": "Chest pain."}


@pytest.mark.parametrize("name", ["notes", "documents", "records", "entry"])
@pytest.mark.parametrize("inside", [[], ["addendum one"], [["a", 1], None]])
def test_a_note_with_a_list_of_that_name_is_a_note(tmp_path: Path, name: str, inside: list[Any]) -> None:
    one, two = {**NOTE, name: inside}, {**NOTE, "resource_id": "n2"}
    content = "\n".join(json.dumps(note, indent=1) for note in (one, two))
    found = read_file(tmp_path / "notes.json", content)
    assert [item.fields["resource_id"] for item in found if isinstance(item, SourceRecord)] == ["n1", "n2"]
    (whole, _) = read_all(content.encode())
    assert isinstance(whole, RawRecord)
    assert whole.columns == one


def test_a_note_around_a_list_of_notes_is_read_beside_them(tmp_path: Path) -> None:
    inner = {**NOTE, "resource_id": "n2"}
    content = json.dumps({"notes": ["a word", inner], **NOTE}, indent=1)
    refused, *found = read_file(tmp_path / "notes.json", content)
    assert isinstance(refused, Rejection)
    assert refused.reason == "The record is not a JSON object."
    assert [item.fields["resource_id"] for item in found if isinstance(item, SourceRecord)] == ["n2", "n1"]


def test_a_wrapper_is_no_note_for_its_own_id(tmp_path: Path) -> None:
    (found,) = read_file(tmp_path / "notes.json", json.dumps({"id": "export-7", "notes": [NOTE]}, indent=1))
    assert isinstance(found, SourceRecord)
    assert found.fields["resource_id"] == "n1"


def test_a_long_list_without_an_object_is_not_held() -> None:
    content = json.dumps({"text": "x", "notes": [1] * 2000}).encode()
    *refused, whole = list(read_json(stream(content), "notes.json", 1 << 20, lambda names: "text" in names))
    assert len(refused) == 2000
    assert isinstance(whole, RawRecord)
    assert whole.columns == {"text": "x"}


@pytest.mark.parametrize("nested", [b"[" * 200_000, b'{"a":' * 200_000])
def test_bottomless_nesting_is_one_bad_record(nested: bytes) -> None:
    closing = b"]" * 200_000 if nested.startswith(b"[") else b"1" + b"}" * 200_000
    (line,) = read_json_lines(stream(nested + closing + b"\n"), "notes.jsonl", 10_000_000)
    assert isinstance(line, UnreadableRecord)
    assert line.reason.startswith("The record is nested too deeply")


def test_a_number_of_thousands_of_digits_is_one_bad_record() -> None:
    (line,) = read_json_lines(stream(b'{"a": ' + b"9" * 5000 + b"}\n"), "notes.jsonl", 10_000)
    assert isinstance(line, UnreadableRecord)


@pytest.mark.parametrize("wrapped", [b"[%s]", b"%s", b'{"entry": [%s]}'])
def test_a_record_beyond_the_limit_is_passed_over(wrapped: bytes) -> None:
    long = b'{"id": "long", "text": "' + b"x\\n" * 5000 + b'"}'
    separator = b"\n" if wrapped == b"%s" else b","
    content = wrapped % (b'{"id": 1}' + separator + long + separator + b'{"id": 3}')
    first, second, third = read_all(content, size=100, bytes_max=1000)
    assert isinstance(first, RawRecord)
    assert isinstance(third, RawRecord)
    assert isinstance(second, UnreadableRecord)
    assert second.reason == "The record is longer than any note may be."
    assert f"{len(long):,}"[:3] in second.remedy


def test_a_long_line_is_passed_over() -> None:
    content = b'{"id": 1}\n{"text": "' + b"x" * 5000 + b'"}\n\n{"id": 4}'
    first, second, fourth = read_json_lines(stream(content), "notes.jsonl", 1000)
    assert isinstance(first, RawRecord)
    assert isinstance(second, UnreadableRecord)
    assert "It has 5,013 bytes" in second.remedy
    assert isinstance(fourth, RawRecord)
    assert fourth.position == "line 4"


def test_a_cut_last_line_says_that_the_file_was_cut() -> None:
    _, last = read_json_lines(stream(b'{"id": 1}\n{"id": 2, "te'), "notes.jsonl", 1000)
    assert isinstance(last, UnreadableRecord)
    assert last.whole
    assert last.reason == "The file ends in the middle of a record."


def write_notes(path: Path, count: int, characters: int) -> None:
    with path.open("w") as file:
        for number in range(count):
            record = {
                "id": f"n{number}",
                "patient_id": "p",
                "type": "note",
                "text": "word " * (characters // 5),
            }
            file.write(("[" if number == 0 else ",") + json.dumps(record))
        file.write("]")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for count in (500, 4000):  # 1 MB and 8 MB
        path = tmp_path / f"{count}.json"
        write_notes(path, count, 2000)
        tracemalloc.start()
        assert sum(1 for _ in read_sources([str(path)], FieldMapping(), IndexingSettings())) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2 + 100_000
    assert peaks[1] < 3_000_000


@pytest.mark.parametrize("form", ["lines", "array", "table", "text"])
def test_a_note_of_50_mb_is_rejected_without_being_held(tmp_path: Path, form: str) -> None:
    settings = IndexingSettings(note_characters_max=10_000)
    megabytes = 8  # stands for 50: the bound, 1.1 MB here, is what matters
    path = tmp_path / {"lines": "n.jsonl", "array": "n.json", "table": "n.csv", "text": "n.txt"}[form]
    opening, closing = {
        "lines": ('{"id": "a", "patient_id": "p", "type": "t", "text": "', '"}\n'),
        "array": ('[{"id": "a", "patient_id": "p", "type": "t", "text": "', '"}]'),
        "table": ('id,patient_id,type,text\na,p,t,"', '"\n'),
        "text": ("", ""),
    }[form]
    with path.open("w") as file:
        file.write(opening)
        for _ in range(megabytes):
            file.write("word " * 200_000)
        file.write(closing)
    mapping = FieldMapping.parse(defaults=["patient_id=p", "document_type=t"])
    tracemalloc.start()
    (only,) = read_sources([str(path)], mapping, settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(only, Rejection)
    assert only.reason == "The record is longer than any note may be."
    assert "CHARTWELL_INDEXING__NOTE_CHARACTERS_MAX" in only.remedy
    assert peak < 6 * ReadOptions(FieldMapping(), settings).bytes_max
    assert peak < megabytes * 1_000_000


def test_control_characters_in_strings_are_let_through() -> None:
    assert json_stream.parse(b'{"text": "one\ntwo\tthree"}') == {"text": "one\ntwo\tthree"}


def test_records_keep_their_order_and_places(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    write_notes(path, 3, 50)
    records = list(read_sources([str(path)], FieldMapping(), IndexingSettings()))
    assert all(isinstance(record, SourceRecord) for record in records)
    assert [(record.source, record.position) for record in records] == [
        (str(path), f"item {number}") for number in (1, 2, 3)
    ]
