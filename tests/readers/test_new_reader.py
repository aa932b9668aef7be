"""A format is added from outside: no flow, no registry, no sniffing and no other reader is touched for it."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import IndexingSettings
from pipeline.errors import InputUnusable
from pipeline.indexing.validation import ValidNote, accept_all
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.readers.format_choice import Registry
from pipeline.readers.json.stream import too_long
from pipeline.readers.plain_text.notes import PlainTextReader, path_columns
from pipeline.readers.plain_text.utf8 import utf8
from pipeline.readers.preflight import SAMPLE_RECORDS
from pipeline.readers.reader import (
    Authority,
    Opened,
    RawRecord,
    Reader,
    ReadOptions,
    UnreadableRecord,
    UnreadableSource,
)
from pipeline.readers.record_format import RecordFormat
from pipeline.readers.registry import FORMATS
from pipeline.readers.sources import Source
from pipeline.readers.tables.records import TableReader
from pipeline.records import Rejection, SourceRecord

SETTINGS = IndexingSettings(note_characters_max=10_000)
OPTIONS = ReadOptions(FieldMapping(), SETTINGS)


class ReelReader(Reader):
    """Notes of a machine that writes bytes: a mark, then for each note the lengths of its patient and its text."""

    title = "reels (.reel)"
    suffixes = (".reel",)
    magic = (b"\x00REEL", b"\x01REEL")
    content_kinds = ("application/x-reel",)
    without_notes = "reels of figures hold none"

    def refusal(self, opened: Opened) -> UnreadableSource | None:
        if opened.head.startswith(self.magic):
            return None
        return UnreadableSource(
            "The file is not a reel.", "Its first bytes are no mark of one. Fetch it again."
        )

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[RawRecord | UnreadableRecord]:
        opened.stream.read(5)
        number = 0
        while head := opened.stream.read(6):
            number += 1
            position = f"block {number}"
            if len(head) < 6:
                raise UnreadableSource("The reel is cut.", "Fetch it again.")
            named, said = struct.unpack(">HI", head)
            if said > options.bytes_max:
                yield too_long(position, options.bytes_max, said)
                return
            columns, _ = path_columns(opened.inside)
            columns |= {
                "resource_id": f"{columns['resource_id']}-{number}",
                "patient_id": opened.stream.read(named).decode(),
                "document_type": "Reel",
                "text_content": opened.stream.read(said).decode("latin-1"),
            }
            yield RawRecord(position, columns, note=True)


class CardReader(Reader):
    """A text format: "patient: text" a line. It declares its suffix, and nothing else."""

    title = "cards (.card)"
    suffixes = (".card",)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[RawRecord | UnreadableRecord]:
        for number, line in enumerate(utf8(opened).stream, 1):
            patient, _, text = line.decode().partition(": ")
            columns = {"resource_id": f"c{number}", "patient_id": patient, "document_type": "Card"}
            yield RawRecord(f"line {number}", {**columns, "text_content": text.strip()}, note=True)


class BrokenReader(CardReader):
    title = "broken cards (.broken)"
    suffixes = (".broken",)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[RawRecord | UnreadableRecord]:
        yield from super().read(opened, options)
        raise ZeroDivisionError


WITH_REELS = FORMATS.with_format(ReelReader())


def reel(*notes: tuple[str, str], mark: bytes = b"\x00REEL") -> bytes:
    return mark + b"".join(
        struct.pack(">HI", len(patient), len(text)) + patient.encode() + text.encode("latin-1")
        for patient, text in notes
    )


NOTES = (("p1", "Sinus rhythm, no ischaemia."), ("p2", "Atrial fibrillation, rate 110."))


def read(
    path: Path, formats: Registry = WITH_REELS, mapping: FieldMapping | None = None
) -> list[SourceRecord | Rejection]:
    return list(read_sources([str(path)], mapping or FieldMapping(), SETTINGS, formats=formats))


def told(items: list[SourceRecord | Rejection]) -> list[tuple[str, str]]:
    return [
        (item.position, item.reason if isinstance(item, Rejection) else item.fields["text_content"])
        for item in items
    ]


def opened(content: bytes, name: str = "", kind: str = "") -> Opened:
    return Opened(
        io.BufferedReader(io.BytesIO(content)),  # type: ignore[arg-type]  # a stream of bytes as good as a file's
        content[: 64 * 1024],
        True,
        "a message",
        name=name,
        content_kind=kind,
    )


def test_notes_of_a_new_format_stand_beside_those_of_others(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"id": "n1", "patient": "p9", "type": "Note", "text": "Patient denies chest pain today."}\n'
    )
    (tmp_path / "b.reel").write_bytes(reel(*NOTES))
    (tmp_path / "c.reel").write_bytes(reel(NOTES[0]) + b"\x00")
    found = read(tmp_path)
    assert told(found) == [
        ("file a.jsonl, line 1", "Patient denies chest pain today."),
        ("file b.reel, block 1", NOTES[0][1]),
        ("file b.reel, block 2", NOTES[1][1]),
        ("file c.reel, block 1", NOTES[0][1]),
        ("file c.reel, after block 1", "The reel is cut."),
    ]
    notes = [note for note in accept_all(iter(found), SETTINGS) if isinstance(note, ValidNote)]
    assert [note.document.patient_id for note in notes] == ["p9", "p1", "p2", "p1"]


@pytest.mark.parametrize(
    "name", ["a.reel", "a.dat", "a.txt", "a.csv", "a.json", "noname", "a.reel.gz", "a.pdf.gz"]
)
@pytest.mark.parametrize("mark", ReelReader.magic)
def test_its_first_bytes_are_enough_whatever_the_file_is_called(
    tmp_path: Path, name: str, mark: bytes
) -> None:
    content = reel(*NOTES, mark=mark)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert [text for _, text in told(read(tmp_path / name))] == [text for _, text in NOTES]


def test_without_the_reader_the_same_bytes_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.reel").write_bytes(reel(*NOTES))
    with pytest.raises(InputUnusable, match="The file is not text"):
        read(tmp_path / "a.reel", FORMATS)
    with pytest.raises(InputUnusable, match=r"found 1 \.reel"):
        read(tmp_path, FORMATS)


def test_what_is_named_so_and_is_none_is_refused_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "a.reel").write_text("Patient denies chest pain.")
    with pytest.raises(InputUnusable, match="The file is not a reel"):
        read(tmp_path / "a.reel")


def test_what_was_refused_by_its_first_bytes_is_read_once_a_reader_declares_them(tmp_path: Path) -> None:
    class LeafletReader(ReelReader):
        title = "leaflets (.pdf)"
        suffixes = (".pdf",)
        magic = (b"%PDF-",)

        def read(self, opened: Opened, options: ReadOptions) -> Iterator[RawRecord | UnreadableRecord]:
            columns, _ = path_columns(opened.inside)
            text = opened.stream.read()[5:].decode("latin-1")
            yield RawRecord("page 1", {**columns, "text_content": text}, note=True)

    folder = tmp_path / "p1" / "Leaflet"
    folder.mkdir(parents=True)
    (folder / "a.pdf").write_bytes(b"%PDF-Take one tablet of metformin daily.")
    with pytest.raises(InputUnusable, match=r"holds no notes: found 1 \.pdf"):
        read(tmp_path, FORMATS)
    (found,) = read(tmp_path, FORMATS.with_format(LeafletReader()))
    assert isinstance(found, SourceRecord)
    assert found.fields["patient_id"] == "p1"
    assert found.position == "file p1/Leaflet/a.pdf, page 1"


def test_what_its_sender_calls_it_counts_where_there_is_no_name() -> None:
    assert isinstance(
        WITH_REELS.reader_of(opened(b"id,text\n1,a\n", kind="text/csv; charset=utf-8"), OPTIONS), TableReader
    )
    with pytest.raises(UnreadableSource, match="not a reel"):
        WITH_REELS.reader_of(opened(b"Patient denies chest pain.", kind="Application/X-Reel"), OPTIONS)
    assert isinstance(
        WITH_REELS.reader_of(opened(b"Patient denies pain.", kind="text/plain"), OPTIONS), PlainTextReader
    )


@pytest.mark.parametrize("declared", [{"magic": (b"REEL", b"")}, {"suffixes": (".reel", "")}], ids=str)
def test_a_reader_that_would_take_every_file_is_refused(declared: dict[str, Any]) -> None:
    """It would be the surest of each, and the notes of other formats would be lost."""
    greedy = type("Greedy", (ReelReader,), declared)()
    with pytest.raises(ValueError, match=r"the reader of reels \(\.reel\) takes everything"):
        FORMATS.with_format(greedy)


def test_messages_list_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("No format at all")
    with pytest.raises(InputUnusable) as caught:
        read(tmp_path / "a")
    assert "HTML (.html), reels (.reel), each also as .gz." in caught.value.remedy
    (tmp_path / "empty.reel").write_bytes(b"\x00REEL")
    (nothing,) = read(tmp_path / "empty.reel")
    assert isinstance(nothing, Rejection)
    assert nothing.remedy.endswith(" with text hold none, and reels of figures hold none.")


def test_a_format_of_text_needs_a_suffix_and_how_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.card").write_text("p1: Patient denies pain.\np2: Déjà vu.\n", encoding="utf-16")
    formats = FORMATS.with_format(CardReader())
    assert told(read(tmp_path / "a.card", formats)) == [
        ("line 1", "Patient denies pain."),
        ("line 2", "Déjà vu."),
    ]
    (tmp_path / "b.card").write_bytes(b"\x00REEL")
    with pytest.raises(InputUnusable, match="The file is not text"):
        read(tmp_path / "b.card", formats)


def test_a_fault_of_its_reader_costs_the_rest_of_the_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.broken").write_text("p1: Patient denies pain.\n")
    (tmp_path / "b.card").write_text("p2: Patient is in pain.\n")
    formats = FORMATS.with_format(CardReader()).with_format(BrokenReader())
    assert told(read(tmp_path, formats)) == [
        ("file a.broken, line 1", "Patient denies pain."),
        ("file a.broken, after line 1", "The record could not be read because of a fault in this program."),
        ("file b.card, line 1", "Patient is in pain."),
    ]


def test_the_one_registered_later_has_a_name_that_two_claim(tmp_path: Path) -> None:
    class OwnTables(CardReader):
        title = "our tables (.csv)"
        suffixes = (".csv",)

    (tmp_path / "a.csv").write_text("p1: Patient denies pain.\n")
    assert told(read(tmp_path / "a.csv", FORMATS.with_format(OwnTables()))) == [
        ("line 1", "Patient denies pain.")
    ]


class Episodes(RecordFormat):
    """A format of records: "part" lines are one note, under the patient that the line "whole" names at the end."""

    title = "episodes"

    def takes(self, found: RawRecord) -> bool:
        return "episode" in found.columns

    def is_by_product(self, columns: Mapping[str, Any]) -> bool:
        return columns.keys() == {"exported"}

    def start(self) -> EpisodeRun:
        return EpisodeRun()


class EpisodeRun:
    def __init__(self) -> None:
        self._parts: list[str] = []
        self._last: tuple[Source, RawRecord] | None = None

    def notes(self, found: RawRecord, source: Source) -> Iterator[RawRecord | UnreadableRecord]:
        self._parts.append(found.columns["part"])
        self._last = source, found
        yield from ()

    def end_of_source(self) -> Iterator[RawRecord | UnreadableRecord]:
        yield from ()

    def end_of_input(self) -> Iterator[tuple[Source, RawRecord | UnreadableRecord]]:
        if self._last is not None:
            source, found = self._last
            columns = {"resource_id": "e", "patient_id": found.columns["episode"], "document_type": "Episode"}
            yield (
                source,
                RawRecord(found.position, {**columns, "text_content": " ".join(self._parts)}, note=True),
            )


def test_a_format_whose_notes_stand_in_several_records(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"episode": "p1", "part": "Admitted with pain."}\n')
    (tmp_path / "b.jsonl").write_text('{"episode": "p1", "part": "Went home well."}\n')
    (tmp_path / "c.json").write_text('{"exported": "2024-03-10"}')
    assert told(read(tmp_path, FORMATS.with_format(Episodes()))) == [
        ("file b.jsonl, line 1", "Admitted with pain. Went home well.")
    ]


FAULT = "The record could not be read because of a fault in this program."


class OddCardReader(CardReader):
    """After its lines comes a record that is not as it should be."""

    def __init__(self, odd: RawRecord | UnreadableRecord) -> None:
        self._odd = odd

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[RawRecord | UnreadableRecord]:
        yield from super().read(opened, options)
        yield self._odd
        columns = {"resource_id": "z", "patient_id": "p1", "document_type": "Card"}
        yield RawRecord("last", {**columns, "text_content": "Well."}, note=True)


@pytest.mark.parametrize(
    "odd",
    [
        RawRecord("odd", {"resource_type": "Card", "text_content": "Odd."}, note=True, offered={5: "odd"}),  # type: ignore[dict-item]
        RawRecord(
            "odd",
            {"resource_id": "c", "patient_id": "p1", "document_type": "Card", "text_content": "Odd."},
            note=True,
            authority=Authority([], "A", "p1", None),  # type: ignore[arg-type]
        ),
        UnreadableRecord("odd", "Withdrawn.", "", withdrawn=True, columns={("a", 5): "odd"}),  # type: ignore[dict-item]
    ],
    ids=["a field is missing", "an authority", "taken back"],
)
def test_a_fault_while_a_record_is_judged_costs_that_record_only(
    tmp_path: Path, odd: RawRecord | UnreadableRecord
) -> None:
    (tmp_path / "a.card").write_text("p1: Patient denies pain.\n" * SAMPLE_RECORDS)
    found = told(read(tmp_path / "a.card", FORMATS.with_format(OddCardReader(odd))))
    assert found[SAMPLE_RECORDS - 1 :] == [
        (f"line {SAMPLE_RECORDS}", "Patient denies pain."),
        ("odd", FAULT),
        ("last", "Well."),
    ]


def test_a_fault_in_what_is_made_of_a_beginning_costs_that_source_only(tmp_path: Path) -> None:
    class Claiming(Episodes):
        def takes(self, found: RawRecord) -> bool:
            return len(found.columns["text_content"]) == 0

    (tmp_path / "a.jsonl").write_text('{"episode": "p1", "part": "Admitted with pain."}\n')
    (tmp_path / "b.card").write_text("p2: Patient is in pain.\n")
    formats = FORMATS.with_format(CardReader()).with_format(Claiming())
    found = read(tmp_path, formats)
    assert told(found) == [("file a.jsonl", FAULT), ("file b.card, line 1", "Patient is in pain.")]
    assert isinstance(found[0], Rejection)
    assert found[0].whole_source
    with pytest.raises(InputUnusable, match="because of a fault in this program"):
        read(tmp_path / "a.jsonl", formats)


@pytest.mark.parametrize("end", ["end_of_source", "end_of_input"])
def test_a_fault_at_an_end_costs_what_waited_for_it_and_no_other_source(tmp_path: Path, end: str) -> None:
    def fail(_: EpisodeRun) -> Iterator[Any]:
        raise ZeroDivisionError
        yield

    class Broken(Episodes):
        def start(self) -> EpisodeRun:
            return type("BrokenRun", (EpisodeRun,), {end: fail})()

    (tmp_path / "a.jsonl").write_text('{"episode": "p1", "part": "Admitted with pain."}\n')
    (tmp_path / "b.card").write_text("p2: Patient is in pain.\n")
    found = read(tmp_path, FORMATS.with_format(CardReader()).with_format(Broken()))
    assert ("file b.card, line 1", "Patient is in pain.") in told(found)
    lost = [item for item in found if isinstance(item, Rejection)]
    assert lost
    assert all(item.reason == FAULT and item.whole_source for item in lost)
