"""Which reader a source is for: what its beginning says, what its name says, and which of the two counts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import IndexingSettings
from pipeline.readers.cda.notes import CdaReader
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.hl7v2.notes import Hl7v2Reader
from pipeline.readers.json.records import JsonLinesReader, JsonReader
from pipeline.readers.plain_text.notes import HtmlReader, PlainTextReader
from pipeline.readers.reader import Opened, Reader, ReadItem, ReadOptions, UnreadableSource
from pipeline.readers.registry import FORMATS
from pipeline.readers.tables.records import TableReader

ROOT = Path(__file__).resolve().parents[2]

MESSAGE = b"MSH|^~\\&|A|B|||20240101||MDM^T02|1|P|2.5\rPID|||7\r"
CDA = b'<?xml version="1.0"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3"></ClinicalDocument>'
LINES = b'{"id": "1"}\n{"id": "2"}\n'
ONE = b'{\n "id": "1"\n}\n'
AN_ENTRY_A_LINE = (
    b'{"resourceType":"Bundle","type":"collection","entry":[\n{"resource":{}},\n{"resource":{}}]}\n'
)
CUT_FIRST_LINE = b'{"id": "1", "text": "pai\n' + LINES
TABLE = b"id,patient,type,text\n1,2,3,Patient denies pain.\n"
PROSE = b"Patient denies pain."


def opened(content: bytes, name: str) -> Opened:
    return Opened(
        io.BufferedReader(io.BytesIO(content)),
        content,
        True,
        name or "standard input",
        inside=name,
        name=name,
    )


def reader_of(content: bytes, name: str, *defaults: str) -> Reader:
    options = ReadOptions(FieldMapping.parse((), defaults), IndexingSettings())
    return FORMATS.reader_of(opened(content, name), options)


@pytest.mark.parametrize(
    ("content", "name", "reader"),
    [
        *(
            (MESSAGE, name, Hl7v2Reader)
            for name in ("a.hl7", "a.txt", "a.csv", "a.json", "a.xml", "a.dat", "")
        ),
        (b"log of today\n" + MESSAGE, "a.hl7", Hl7v2Reader),
        (b"<log>\n" + MESSAGE + CDA, "a.er7", Hl7v2Reader),
        *((CDA, name, CdaReader) for name in ("a.xml", "a.txt", "a.csv", "a.json", "a.html", "a.dat", "")),
        *((LINES, name, JsonLinesReader) for name in ("a.jsonl", "a.json", "a.txt", "a.dat", "")),
        *((ONE, name, JsonReader) for name in ("a.json", "a.ndjson", "a.txt", "")),
        *((AN_ENTRY_A_LINE, name, JsonReader) for name in ("a.json", "a.dat", "")),
        (CUT_FIRST_LINE, "a.json", JsonLinesReader),
        (b'{"id": "1"}', "a.jsonl", JsonLinesReader),
        (b'{"id": "1"}', "a.json", JsonReader),
        (b'[{"id": "1"}]', "a.jsonl", JsonReader),
        (LINES, "a.csv", TableReader),
        (TABLE, "a.csv", TableReader),
        (TABLE, "a.dat", TableReader),
        (TABLE, "", TableReader),
        (TABLE, "a.txt", PlainTextReader),
        (PROSE, "a.md", PlainTextReader),
        (b"[doctor] hi\n[patient] fine", "a.txt", PlainTextReader),
        (b'<?xml version="1.0"?><html><body>Hi</body></html>', "a.html", HtmlReader),
        (PROSE, "a.htm", HtmlReader),
        ("\ufeffid,text\n1,Pain.\n".encode("utf-16"), "a.csv", TableReader),
        (b"\xef\xbb\xbf" + LINES, "a.dat", JsonLinesReader),
    ],
)
def test_the_reader_of(content: bytes, name: str, reader: type[Reader]) -> None:
    assert type(reader_of(content, name)) is reader


def test_a_plain_note_on_standard_input_needs_what_a_name_would_say() -> None:
    given = ("resource_id=n", "patient_id=p", "document_type=Note")
    assert type(reader_of(PROSE, "", *given)) is PlainTextReader
    assert type(reader_of(TABLE, "", *given)) is TableReader
    for lacking in given:
        with pytest.raises(UnreadableSource, match="not recognised"):
            reader_of(PROSE, "", *(one for one in given if one != lacking))
    with pytest.raises(UnreadableSource, match="not recognised"):
        reader_of(PROSE, "a.dat", *given)


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b" \n", "a.csv", "The file is empty."),
        (b"\xef\xbb\xbf", "a.txt", "The file is empty."),
        (CDA, "a.hl7", "The file is not HL7 v2."),
        (ONE, "a.hl7", "The file is not HL7 v2."),
        (ONE, "a.xml", "The file is not XML."),
        (b"<?xml version='1.0'?><a/>", "", "The XML is not a CDA document."),
        (PROSE, "a.json", "The file is not JSON."),
        (PROSE, "a.ndjson", "The file is not JSON."),
        (b"[ ]", "a.jsonl", "The file holds an empty list."),
        (b"id,text\n", "a.csv", "The table has no row."),
        (b"%PDF-1.4", "a.hl7", "The file is not text."),
        (b"%PDF-1.4", "a.csv", "The file is not text."),
        ("id,text\n".encode("utf-16-le"), "a.csv", "The file is UTF-16 without a byte order mark."),
        ("id,text\n".encode("utf-32-le"), "a.csv", "The file is UTF-32 without a byte order mark."),
    ],
)
def test_what_is_not_what_it_is_called(content: bytes, name: str, reason: str) -> None:
    with pytest.raises(UnreadableSource) as caught:
        reader_of(content, name)
    assert caught.value.reason == reason


def test_no_two_readers_declare_the_same_name_or_kind() -> None:
    suffixes = [suffix for reader in FORMATS.readers for suffix in reader.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)
    kinds = [kind for one in FORMATS.formats for kind in one.content_kinds]
    assert len(set(kinds)) == len(kinds)


def test_the_documentation_lists_every_suffix() -> None:
    documented = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert [suffix for suffix in FORMATS.suffixes if f"`{suffix}`" not in documented] == []


def test_first_bytes_may_stand_further_in() -> None:
    class SliceReader(Reader):
        title = "slices (.slice)"
        magic = (b"SLICE",)
        magic_at = 128

        def read(self, opened: Opened, options: ReadOptions) -> Iterator[ReadItem]:
            yield from ()

    formats = FORMATS.with_format(SliceReader())
    options = ReadOptions(FieldMapping(), IndexingSettings())
    assert type(formats.reader_of(opened(bytes(128) + b"SLICE", "a.txt"), options)) is SliceReader
    with pytest.raises(UnreadableSource, match="not text"):
        formats.reader_of(opened(b"SLICE\0 and words, and words.", "a.txt"), options)


def test_a_reader_of_text_is_not_asked_whether_bytes_with_a_mark_of_their_own_are_text() -> None:
    class Never(Reader):
        title = "never"

        def sniff(self, opened: Opened, named: Reader | None) -> None:
            raise AssertionError

        def read(self, opened: Opened, options: ReadOptions) -> Iterator[ReadItem]:
            yield from ()

    class Marked(Never):
        title = "marked"
        magic = (b"\x00MARK",)

        def sniff(self, opened: Opened, named: Reader | None) -> None:
            return Reader.sniff(self, opened, named)  # type: ignore[return-value]

    formats = FORMATS.with_format(Marked()).with_format(Never())
    options = ReadOptions(FieldMapping(), IndexingSettings())
    assert type(formats.reader_of(opened(b"\x00MARK", "a.csv"), options)) is Marked
