"""Sources: folders, gzip, pipes, byte order marks; and the development data as a whole."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import IndexingSettings
from pipeline.errors import InputError, InputMissing, InputUnusable
from pipeline.indexing.validation import Duplicate, ValidNote, accept_all
from pipeline.readers import sources
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.readers.plain_text.notes import PlainTextReader
from pipeline.readers.reader import Opened, ReadOptions
from pipeline.readers.registry import FORMATS
from pipeline.records import Rejection

SETTINGS = IndexingSettings()
NOBODY = 65534
NOTES = [
    {
        "id": f"n{number}",
        "patient_id": f"p{number % 2}",
        "type": "note",
        "text": f"Note {number}. Déjà vu — ½.",
    }
    for number in range(3)
]
LINES = "".join(json.dumps(note, ensure_ascii=False) + "\n" for note in NOTES)
TABLE = "id;patient_id;type;text\n" + "".join(";".join(note.values()) + "\n" for note in NOTES)


def accepted(
    *inputs: Path | str, mapping: FieldMapping | None = None, standard_input: bytes = b""
) -> list[ValidNote]:
    records = read_sources(
        [str(one) for one in inputs],
        mapping or FieldMapping(),
        SETTINGS,
        standard_input=io.BytesIO(standard_input),
    )
    found = list(accept_all(records, SETTINGS))
    assert all(isinstance(one, ValidNote) for one in found), found
    return [one for one in found if isinstance(one, ValidNote)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.jsonl", LINES),
        ("notes.ndjson", LINES),
        ("notes.json", LINES),
        ("notes.txt", LINES),
        ("notes", LINES),
        ("notes.json", json.dumps(NOTES)),
        ("notes.json", json.dumps(NOTES, indent=4)),
        ("notes.jsonl", json.dumps(NOTES)),
        ("notes.json", "\n".join(json.dumps(note, indent=1) for note in NOTES)),
        ("notes.json", json.dumps({"notes": NOTES})),
        ("notes.csv", TABLE),
        ("notes.tsv", TABLE.replace(";", "\t")),
        ("notes", TABLE.replace(";", ",")),
    ],
)
@pytest.mark.parametrize("wrapping", ["plain", "gzip", "mark", "utf-16", "pipe", "gzip pipe"])
def test_every_format_in_every_wrapping(tmp_path: Path, name: str, content: str, wrapping: str) -> None:
    raw = content.encode()
    if "gzip" in wrapping:
        raw = gzip.compress(raw)
        name += ".gz"
    elif wrapping == "mark":
        raw = b"\xef\xbb\xbf" + raw
    elif wrapping == "utf-16":
        raw = content.encode("utf-16")
    if "pipe" in wrapping:
        found = accepted("-", standard_input=raw)
        assert found[0].source == "-"
    else:
        (tmp_path / name).write_bytes(raw)
        found = accepted(tmp_path / name)
    assert [one.document.text_content for one in found] == [note["text"] for note in NOTES]
    assert [one.document.patient_id for one in found] == ["p0", "p1", "p0"]


def test_a_folder_of_texts_names_patient_and_type(tmp_path: Path) -> None:
    for path in ("p1/discharge/a.txt", "p1/discharge/b.md", "p2/c.txt", "d.txt", "p3/progress/2021/e.v2.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"Text of {path}.")
    mapping = FieldMapping.parse(defaults=["patient_id=nobody", "document_type=plain note"])
    found = accepted(tmp_path, mapping=mapping)
    assert [
        (one.document.resource_id, one.document.patient_id, one.document.document_type) for one in found
    ] == [
        ("d", "nobody", "plain note"),
        ("p1/discharge/a", "p1", "discharge"),
        ("p1/discharge/b", "p1", "discharge"),
        ("p2/c", "p2", "plain note"),
        ("p3/progress/2021/e.v2", "p3", "progress"),
    ]
    assert found[1].position == "file p1/discharge/a.txt"
    assert found[1].source == str(tmp_path)
    assert found[1].document.metadata == {}


def test_folders_in_another_order_are_mapped(tmp_path: Path) -> None:
    (tmp_path / "2021" / "p7").mkdir(parents=True)
    (tmp_path / "2021" / "p7" / "a.txt").write_text("Text.")
    mapping = FieldMapping.parse(["patient_id=folder2"], ["document_type=note"])
    (found,) = accepted(tmp_path, mapping=FieldMapping.parse(["patient_id=folder2", "document_type=name"]))
    assert (found.document.patient_id, found.document.document_type) == ("p7", "a")
    (found,) = accepted(tmp_path, mapping=mapping)
    assert found.document.document_type == "p7"  # what the path says comes before a default


def test_a_plain_note_through_a_pipe_needs_its_fields(tmp_path: Path) -> None:
    mapping = FieldMapping.parse(defaults=["resource_id=n1", "patient_id=p1", "document_type=note"])
    (found,) = accepted("-", mapping=mapping, standard_input=b"Chest pain,\nthree days.")
    assert found.document.text_content == "Chest pain,\nthree days."


def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_text(LINES), daemon=True)
    writer.start()
    assert len(accepted(path)) == 3
    writer.join(timeout=10)


def test_a_pipe_that_nobody_writes_into_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "WRITER_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputMissing, match="a pipe that nothing is written into"):
        list(read_sources([str(tmp_path / "pipe")], FieldMapping(), SETTINGS))


def test_one_who_has_opened_a_pipe_may_take_his_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "WRITER_SECONDS", 0.1)
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write_slowly() -> None:
        with path.open("w") as pipe:
            time.sleep(0.4)
            pipe.write(LINES)

    writer = threading.Thread(target=write_slowly, daemon=True)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # lets the writer open it first
    writer.start()
    time.sleep(0.1)
    assert len(accepted(path)) == 3
    os.close(reader)
    writer.join(timeout=10)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A folder with one good file and everything else that may lie in one."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "good.jsonl").write_text(LINES)
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "dangling.jsonl").symlink_to(tmp_path / "gone")
    (folder / "circle.jsonl").symlink_to(folder / "circle.jsonl")
    (folder / "inside.jsonl").symlink_to(folder / "good.jsonl")
    (folder / "null.jsonl").symlink_to("/dev/null")
    os.mkfifo(folder / "fifo.jsonl")
    os.mkfifo(folder / "nameless")
    (folder / "to-fifo.jsonl").symlink_to(folder / "fifo.jsonl")
    with contextlib.chdir(folder):  # the name of a socket must be short
        listening = socket.socket(socket.AF_UNIX)
        listening.bind("socket.jsonl")
        listening.close()
    return folder


def test_in_a_folder_only_files_are_opened_and_the_rest_is_listed(inbox: Path) -> None:
    found = list(accept_all(read_sources([str(inbox)], FieldMapping(), SETTINGS), SETTINGS))
    assert Counter(type(one) for one in found if not isinstance(one, Rejection)) == {
        ValidNote: 3,
        Duplicate: 3,
    }
    rejected = {one.position.removeprefix("file "): one.remedy for one in found if isinstance(one, Rejection)}
    assert {one.reason for one in found if isinstance(one, Rejection)} == {"The file cannot be opened."}
    expected = {
        "outside.txt": "is a link to a file outside the folder",
        "dangling.jsonl": "leads nowhere",
        "circle.jsonl": "cannot be opened",
        "null.jsonl": "outside the folder",
        "fifo.jsonl": "is a pipe, not a file",
        "nameless": "is a pipe, not a file",
        "to-fifo.jsonl": "is a pipe, not a file",
        "socket.jsonl": "is a socket, not a file",
    }
    assert rejected.keys() == expected.keys()
    for name, words in expected.items():
        assert words in rejected[name], name


@pytest.mark.parametrize(("name", "words"), [("socket.jsonl", "is a socket"), ("null.jsonl", "is a device")])
def test_what_is_no_file_is_refused_when_it_is_named(inbox: Path, name: str, words: str) -> None:
    with pytest.raises(InputMissing, match=words):
        list(read_sources([str(inbox / name)], FieldMapping(), SETTINGS))


def test_a_link_to_a_folder_is_reported_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINES)
    (tmp_path / "circle").symlink_to(tmp_path)
    *notes, link = accept_all(read_sources([str(tmp_path)], FieldMapping(), SETTINGS), SETTINGS)
    assert len(notes) == 3
    assert isinstance(link, Rejection)
    assert link.reason == "The file cannot be opened."
    assert "is a link to a folder" in link.remedy


def test_a_note_that_opens_with_a_bracket_is_a_note() -> None:
    for name, text in (
        ("a.txt", b"[doctor] hi , how are you ?\n[patient] fine ."),
        ("a.md", b"{patient name} was seen today."),
    ):
        opened = Opened(io.BufferedReader(io.BytesIO(text)), text, True, name, name, name)
        assert isinstance(FORMATS.reader_of(opened, ReadOptions(FieldMapping(), SETTINGS)), PlainTextReader)


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder whose rights count for the one who runs the tests too: root does not heed them."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        for path in folder.iterdir():
            path.chmod(0o700)
        shutil.rmtree(folder)


def test_what_this_user_may_not_enter_is_said(locked: Path) -> None:
    inside = locked / "inside"
    inside.mkdir()
    (inside / "a.jsonl").write_text(LINES)
    (inside / "link.jsonl").symlink_to(inside / "a.jsonl")
    inside.chmod(0o400)  # may be listed, not entered
    for given in (inside / "a.jsonl", inside / "none.jsonl", inside):
        with pytest.raises(InputError, match=r"a.jsonl|none.jsonl") as refused:
            read_sources([str(given)], FieldMapping(), SETTINGS)
        assert "cannot be opened: Permission denied" in refused.value.what
    inside.chmod(0o300)  # may be entered, not listed
    with pytest.raises(InputMissing, match=r"The folder .* cannot be listed"):
        read_sources([str(inside)], FieldMapping(), SETTINGS)
    with pytest.raises(InputMissing, match=r"none.jsonl does not exist"):
        read_sources([str(inside / "none.jsonl")], FieldMapping(), SETTINGS)
    with pytest.raises(InputUnusable, match=r"holds no notes: found 1 folder not entered"):
        read_sources([str(locked)], FieldMapping(), SETTINGS)


DEVELOPMENT_NOTES = {
    "aci_bench": (["patient_id=id"], ["document_type=visit note"], 87),
    "mts_dialog": (
        ["patient_id=id", "text_content=section_text", "document_type=section_header"],
        [],
        1216,
    ),
    "mtsamples": (
        ["patient_id=id", "document_type=sample_name|specialties"],
        ["document_type=transcription"],
        492,
    ),
    "synthea_notes": ([], [], 230),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", DEVELOPMENT_NOTES)
def test_all_development_notes_go_in(shared_data: Path, name: str) -> None:
    maps, defaults, expected = DEVELOPMENT_NOTES[name]
    mapping = FieldMapping.parse(maps, defaults)
    found = accepted(shared_data / "notes" / f"{name}.jsonl", mapping=mapping)
    assert len(found) == expected


@pytest.mark.shared
def test_all_development_bundles_go_in(shared_data: Path) -> None:
    found = accepted(shared_data / "fhir")
    kinds = Counter(one.document.metadata["resource_type"] for one in found)
    assert kinds == {"DocumentReference": 101, "DiagnosticReport": 101}
    assert len({one.document.patient_id for one in found}) == 3
    assert all(one.document.date and one.document.author and one.document.encounter_id for one in found)


@pytest.mark.shared
def test_a_bundle_and_its_extract_hold_the_same_texts(shared_data: Path) -> None:
    extract = {
        one.document.resource_id: one.document
        for one in accepted(shared_data / "notes" / "synthea_notes.jsonl")
    }
    compared = 0
    for one in accepted(shared_data / "fhir"):
        twin = extract.get(f"syn-{one.document.resource_id.partition('/')[2]}")
        if twin:
            compared += 1
            assert one.document.text_content.strip() == twin.text_content.strip()
            assert (one.document.patient_id, one.document.encounter_id) == (
                twin.patient_id,
                twin.encounter_id,
            )
    assert compared > 0


def test_duplicates_across_sources_name_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINES)
    (tmp_path / "b.jsonl").write_text(LINES)
    found = list(accept_all(read_sources([str(tmp_path)], FieldMapping(), SETTINGS), SETTINGS))
    assert Counter(type(one) for one in found) == {ValidNote: 3, Duplicate: 3}
    assert isinstance(found[-1], Duplicate)
    assert found[-1].first == f"{tmp_path} file a.jsonl, line 3"
