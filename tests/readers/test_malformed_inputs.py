"""What a person sees who hands in the wrong thing: the exact words, for ten kinds of wrong."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import IndexingSettings
from pipeline.errors import InputMissing, InputUnusable
from pipeline.indexing.validation import Duplicate, ValidNote, accept_all
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import preflight, read_sources
from pipeline.records import Rejection

GOOD = {"id": "n1", "patient_id": "p1", "type": "note", "text": "Chest pain."}
SETTINGS = IndexingSettings()


def judged(*inputs: Path | str, limits: IndexingSettings = SETTINGS, **given: bytes) -> list[object]:
    stream = io.BytesIO(given["standard_input"]) if given else None
    records = read_sources([str(one) for one in inputs], FieldMapping(), limits, standard_input=stream)
    return list(accept_all(records, limits))


def unusable(path: Path) -> str:
    with pytest.raises(InputUnusable) as error:
        preflight([str(path)], FieldMapping(), SETTINGS)
    return f"{error.value.what} -> {error.value.remedy}".replace(str(path), path.name)


def test_1_truncated_json_gives_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text(json.dumps([GOOD, {**GOOD, "id": "n2"}, {**GOOD, "id": "n3"}])[:-20])
    one, two, rest = judged(path)
    assert isinstance(one, ValidNote)
    assert isinstance(two, ValidNote)
    assert rest == Rejection(
        source=str(path),
        position="after item 2",
        resource_id=None,
        field=None,
        reason="The JSON ends before it is complete.",
        remedy=f"It breaks off at byte {path.stat().st_size}; the records before were read. Fetch or export the file "
        "again; if only the end is lost, close the brackets by hand.",
        whole_source=True,
    )


def test_1_truncated_gzip_gives_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl.gz"
    lines = "".join(json.dumps({**GOOD, "id": f"n{number}"}) + "\n" for number in range(20_000))
    whole = gzip.compress(lines.encode())
    path.write_bytes(whole[: len(whole) // 2])
    *accepted, rest = judged(path)
    assert len(accepted) > 100
    assert all(isinstance(one, ValidNote) for one in accepted)
    assert isinstance(rest, Rejection)
    assert rest.whole_source
    assert rest.position == f"after line {len(accepted)}"
    assert rest.reason == "The compressed data is damaged or ends early."
    assert "gzip -t" in rest.remedy


def test_2_wrong_types_cost_one_record_each(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    wrong = [
        {**GOOD, "text": 42},
        {**GOOD, "id": {"value": 7}},
        {**GOOD, "patient_id": 12.0},
        {**GOOD, "date": [2021]},
        ["not", "an", "object"],
        GOOD,
    ]
    path.write_text("\n".join(map(json.dumps, wrong)))
    *rejected, good = judged(path)
    assert isinstance(good, ValidNote)
    assert [(one.position, one.reason) for one in rejected if isinstance(one, Rejection)] == [
        ("line 1", "text_content is not text."),
        ("line 2", "resource_id is not text."),
        ("line 3", "patient_id is not text."),
        ("line 4", "The date cannot be read."),
        ("line 5", "The record is not a JSON object."),
    ]
    assert isinstance(rejected[1], Rejection)
    assert rejected[1].remedy.endswith(
        "--map resource_id=COLUMN (for a value inside it: --map resource_id=COLUMN.KEY)."
    )


EMPTY = {
    "empty.jsonl": ("", "The file is empty. -> Export it again, or take it out of the inputs."),
    "blank.txt": (" \n\n", "The file is empty. -> Export it again, or take it out of the inputs."),
    "list.json": (" [ ]\n", "The file holds an empty list. -> Export it again: there is no note in it."),
    "head.csv": (
        "id,text\n",
        "The table has no row. -> There is only the first row, with the columns id, text. Export it again.",
    ),
    "prose.json": (
        "Chest pain.",
        "The file is not JSON. -> It begins neither with [ nor with {. A table is named .csv, a note .txt.",
    ),
}


@pytest.mark.parametrize("name", EMPTY)
def test_3_empty(tmp_path: Path, name: str) -> None:
    content, message = EMPTY[name]
    path = tmp_path / name
    path.write_text(content)
    assert unusable(path) == f"{name}: {message}"


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        (
            "notes.jsonl",
            b"%PDF-1.7\n%\xe2\xe3",
            "It is a PDF. Convert it to text first, for example with pdftotext.",
        ),
        (
            "notes.csv",
            b"PK\x03\x04\x14\x00",
            "It is a ZIP archive or an Office file. Unpack it, or save the sheet as",
        ),
        ("notes.txt", b"\x7fELF\x02\x01\x01\x00", "It holds zero bytes: a binary format."),
        ("notes.json", bytes(range(1, 9)) * 20, "It is full of control bytes: a binary format."),
        ("notes", b"\xfd7zXZ\x00", "It is compressed with xz. Unpack it: xz -dc FILE | ... -"),
    ],
)
def test_4_binary(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = unusable(path)
    assert message.startswith(f"{name}: The file is not text. -> {what}")
    assert message.endswith("plain text (.txt, .md), HTML (.html), each also as .gz.")


def test_5_one_note_of_too_many_characters(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text(json.dumps({**GOOD, "text": "x" * 5000}) + "\n" + json.dumps({**GOOD, "id": "n2"}) + "\n")
    long, good = judged(path, limits=IndexingSettings(note_characters_max=1000))
    assert isinstance(good, ValidNote)
    assert isinstance(long, Rejection)
    assert (long.position, long.resource_id, long.field) == ("line 1", "n1", "text_content")
    assert long.reason == "text_content is longer than any note may be."
    assert long.remedy == (
        "It has 5,000 characters, and 1,000 are allowed: a concatenation, not a note. Split it, or raise "
        "CHARTWELL_INDEXING__NOTE_CHARACTERS_MAX."
    )


def test_6_duplicate_ids(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in (GOOD, GOOD, {**GOOD, "text": "Other text."})))
    first, same, other = judged(path)
    assert isinstance(first, ValidNote)
    assert same == Duplicate("n1", str(path), "line 2", f"{path} line 1")
    assert isinstance(other, Rejection)
    assert other.position == "line 3"
    assert other.reason == "Another record of this run has the same resource_id and other content."
    assert other.remedy == (
        f"The first one, {path} line 1, was taken. Two notes need ids of their own: map another column to "
        "resource_id (--map resource_id=COLUMN). Of two versions of one note keep the newest in the file."
    )


def test_7_invalid_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    bad = json.dumps({**GOOD, "text": "caf?"}).encode().replace(b"caf?", b"caf\xe9")
    path.write_bytes(json.dumps({**GOOD, "id": "n0"}).encode() + b"\n" + bad + b"\n")
    good, wrong = judged(path)
    assert isinstance(good, ValidNote)
    assert isinstance(wrong, Rejection)
    assert (wrong.position, wrong.reason) == ("line 2", "The record is not valid UTF-8.")
    assert wrong.remedy == (
        f"Byte {bad.index(0xE9) + 1} of the line is 0xE9. If the file was written on Windows: "
        f"iconv -f WINDOWS-1252 -t UTF-8 '{path}' > converted, and read the result. Look at a name or an accent in it "
        "first: a wrong choice gives no error. If they are wrong, try WINDOWS-1250, WINDOWS-1251, MACINTOSH, GB18030."
    )


def test_7_invalid_utf_8_in_a_text_file(tmp_path: Path) -> None:
    folder = tmp_path / "notes" / "p1" / "progress"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"one\ntwo caf\xe9\n")
    (folder / "b.txt").write_bytes(b"good")
    wrong, good = judged(tmp_path / "notes")
    assert isinstance(good, ValidNote)
    assert isinstance(wrong, Rejection)
    assert wrong.position == "file p1/progress/a.txt"
    assert wrong.remedy.startswith("Line 2, byte 12 of the file is 0xE9.")


def test_8_wrong_columns(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("ROW_ID,SUBJECT_ID,CATEGORY,narrative\n1,2,Nursing,Slept well.\n")
    assert unusable(path) == (
        "notes.csv: No column for text_content. Columns found: ROW_ID, SUBJECT_ID, CATEGORY, narrative. -> Say which "
        "column it is: --map text_content=COLUMN."
    )
    misspelt = FieldMapping.parse(["text_content=narative|note text"])
    with pytest.raises(
        InputUnusable, match=r"No column for text_content \(not found: narative, note text\)\. Columns f"
    ):
        accept_all(read_sources([str(path)], misspelt, SETTINGS), SETTINGS)
    mapping = FieldMapping.parse(["text_content=narrative"])
    (note,) = accept_all(read_sources([str(path)], mapping, SETTINGS), SETTINGS)
    assert isinstance(note, ValidNote)
    assert note.document.text_content == "Slept well."


def test_8_wrong_columns_of_json_and_a_list_inside(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text(json.dumps({"count": 2, "results": [GOOD, GOOD]}, indent=1))
    assert unusable(path) == (
        "notes.json: No column for resource_id, patient_id, document_type, text_content. Columns found: count, "
        "results. -> Say which column it is: --map resource_id=COLUMN --map patient_id=COLUMN --map "
        "document_type=COLUMN --map text_content=COLUMN; or give all notes the same: --default patient_id=VALUE "
        "--default document_type=VALUE. If "
        "the notes are the list under results: jq -c '.results[]' FILE > notes.jsonl, and read that."
    )


def test_9_a_folder_without_notes(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.pdf", "deep/b.PDF", "c.docx", ".hidden.txt", "Thumbs.db"):
        (folder / name).write_bytes(b"x")
    message = unusable(folder)
    assert message.startswith(
        "The folder scans holds no notes: found 2 .pdf, 1 .docx. -> Files with these suffixes"
    )
    (tmp_path / "nothing").mkdir()
    assert "found nothing" in unusable(tmp_path / "nothing")


def test_9_a_flat_folder_of_texts_needs_to_know_whose_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("Chest pain.")
    assert "--default patient_id=VALUE --default document_type=VALUE" in unusable(folder)


def test_10_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text(json.dumps(GOOD))
    with pytest.raises(InputMissing) as error:
        preflight([str(tmp_path / "note.jsonl")], FieldMapping(), SETTINGS)
    assert error.value.what == f"{tmp_path / 'note.jsonl'} does not exist."
    assert error.value.remedy == f"Did you mean {tmp_path / 'notes.jsonl'}?"
    with pytest.raises(InputMissing, match=r"does not exist. There is no folder .*nowhere either"):
        preflight([str(tmp_path / "nowhere" / "a.json")], FieldMapping(), SETTINGS)


def test_nothing_is_read_when_one_of_several_inputs_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "good.jsonl").write_text(json.dumps(GOOD))
    with pytest.raises(InputMissing):
        read_sources([str(tmp_path / "good.jsonl"), str(tmp_path / "gone.jsonl")], FieldMapping(), SETTINGS)


def test_one_unusable_file_of_a_folder_does_not_stop_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(GOOD))
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    (tmp_path / "c.json").write_text("")
    (tmp_path / "d.pdf").write_bytes(b"%PDF")
    (tmp_path / "e.jsonl.gz").write_bytes(b"\x1f\x8bgarbage that is no gzip")
    (tmp_path / "f.jsonl").write_text(json.dumps({**GOOD, "id": "n2"}))
    (tmp_path / "g.json").symlink_to(tmp_path / "gone.json")
    found = judged(tmp_path)
    assert [one.position for one in found if isinstance(one, ValidNote)] == [
        "file a.jsonl, line 1",
        "file f.jsonl, line 1",
    ]
    rejected = [one for one in found if isinstance(one, Rejection)]
    assert all(one.whole_source for one in rejected)
    assert [one.position for one in rejected] == [
        f"file {name}" for name in ("b.csv", "c.json", "d.pdf", "e.jsonl.gz", "g.json")
    ]
    assert [one.reason for one in rejected] == [
        "No column for resource_id, patient_id, document_type, text_content.",
        "The file is empty.",
        "The file's name is of no format that is read.",
        "The compressed data is damaged or ends early.",
        "The file cannot be opened.",
    ]
    assert rejected[0].remedy.startswith(
        "Columns found: x, y. Say which column it is: --map resource_id=COLUMN"
    )


@pytest.mark.parametrize(
    ("name", "content", "cure"),
    [
        ("a.pdf", b"%PDF-1.7", "with pdftotext"),
        ("a.bin", b"%PDF-1.7", "with pdftotext"),
        ("a.pdf", b"x", "with pdftotext"),
        ("a.docx", b"PK\x03\x04", "the document as text"),
        ("a.zip", b"PK\x03\x04", "Unpack it"),
        ("a.rtf", b"{\\rtf1 x}", "Save it as plain text"),
        ("a.parquet", b"PAR1", "Write it as JSON Lines"),
        ("a.xlsx", b"x", "Save the sheet as CSV"),
    ],
)
def test_a_foreign_file_in_a_folder_is_told_its_cure(
    tmp_path: Path, name: str, content: bytes, cure: str
) -> None:
    (tmp_path / "good.jsonl").write_text(json.dumps(GOOD))
    (tmp_path / name).write_bytes(content)
    (rejected,) = [one for one in judged(tmp_path) if isinstance(one, Rejection)]
    assert (rejected.position, rejected.reason) == (
        f"file {name}",
        "The file's name is of no format that is read.",
    )
    assert cure in rejected.remedy


def test_an_html_file_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "p1" / "letter").mkdir(parents=True)
    (tmp_path / "p1" / "letter" / "a.html").write_text("<html><body><p>Chest <b>pain</b>.</p></body></html>")
    (found,) = judged(tmp_path)
    assert isinstance(found, ValidNote)
    assert (found.document.resource_id, found.document.text_content) == ("p1/letter/a", "Chest pain.")


@pytest.mark.parametrize("mark", ["with", "without"])
@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_32_is_called_by_its_name(tmp_path: Path, mark: str, order: str) -> None:
    path = tmp_path / "notes.jsonl"
    text = ("\ufeff" if mark == "with" else "") + json.dumps(GOOD) + "\n"
    path.write_bytes(text.encode(f"utf-32-{order}"))
    if mark == "with":
        (found,) = judged(path)
        assert isinstance(found, ValidNote)
    else:
        assert "The file is UTF-32 without a byte order mark." in unusable(path)


@pytest.mark.parametrize(
    ("encoding", "text", "likely"),
    [
        ("gbk", "\u60a3\u8005\u53d1\u70ed\u4e09\u5929", "GB18030"),
        ("cp932", "\u60a3\u8005\u306f\u767a\u71b1\u304c\u4e09\u65e5", "SHIFT_JIS"),
        ("cp949", "\ud658\uc790\ub294 \uc0ac\ud758 \ub3d9\uc548 \uc5f4\uc774", "CP949"),
        (
            "cp1251",
            "\u041f\u0430\u0446\u0438\u0435\u043d\u0442 \u0436\u0430\u043b\u0443\u0435\u0442\u0441\u044f",
            "WINDOWS-1251",
        ),
        ("mac_roman", "Fi\u00e8vre; c\u00e9libataire; M\u00fcller", "MACINTOSH"),
        ("cp850", "Fi\u00e8vre; c\u00e9libataire; M\u00fcller", "CP850"),
        ("cp1252", "Fi\u00e8vre; c\u00e9libataire; don\u2019t", "WINDOWS-1252"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "txt"])
def test_the_likeliest_encoding_is_proposed_first(
    tmp_path: Path, suffix: str, encoding: str, text: str, likely: str
) -> None:
    (tmp_path / "p1" / "t").mkdir(parents=True)
    path = tmp_path / "p1" / "t" / f"notes.{suffix}"
    written = {
        "csv": f"id,patient_id,type,text\n1,p1,t,{text}\n",
        "jsonl": json.dumps({**GOOD, "text": text}, ensure_ascii=False) + "\n",
        "txt": text,
    }
    path.write_bytes(written[suffix].encode(encoding))
    (found,) = judged(tmp_path)
    assert isinstance(found, Rejection)
    assert found.reason == "The record is not valid UTF-8."
    assert f"iconv -f {likely} -t UTF-8" in found.remedy
    assert "try " in found.remedy


FIELD_CASES = Path(__file__).parents[1] / "data" / "notes"


def test_gbk_is_not_taken_for_windows() -> None:  # field case 19
    bad, good = judged(FIELD_CASES / "19-gbk.csv")
    assert isinstance(bad, Rejection)
    assert "iconv -f GB18030" in bad.remedy
    assert isinstance(good, ValidNote)


@pytest.mark.parametrize(
    "content",
    [
        (FIELD_CASES / "18-columnar.json").read_text(),  # field case 18
        '{"note_id": ["1", "2"], "patient_id": ["p", "q"], "type": ["t", "t"], "text": ["One.", "Two."]}',
        '{"columns": ["note_id", "text"], "index": [0, 1], "data": [["1", "One."], ["2", "Two."]]}',
    ],
)
def test_one_object_of_columns_is_told_how_to_be_written(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.json"
    path.write_text(content)
    message = unusable(path)
    assert message.startswith("notes.json: The JSON is one object of columns, not of notes.")
    assert "orient='records', lines=True" in message


def test_a_record_of_objects_is_not_taken_for_columns(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('{"head": {"id": "1", "of": "p"}, "body": {"id": "note", "of": "Chest pain."}}')
    maps = ["resource_id=head.id", "patient_id=head.of", "document_type=body.id", "text_content=body.of"]
    (found,) = accept_all(read_sources([str(path)], FieldMapping.parse(maps), SETTINGS), SETTINGS)
    assert isinstance(found, ValidNote)
    assert found.document.text_content == "Chest pain."


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_a_field_that_is_there_twice_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"notes.{suffix}"
    twice = '{"id": "n1", "patient_id": "A", "patient_id": "B", "type": "t", "text": "a fever"}'
    inside = '{"id": "n2", "patient_id": "A", "type": "t", "text": "x", "more": [{"a": 1, "a": 1}]}'
    lines = [twice, inside, json.dumps(GOOD)]
    path.write_text("\n".join(lines) if suffix == "jsonl" else f"[{','.join(lines)}]")
    *bad, good = judged(path)
    assert isinstance(good, ValidNote)
    assert [one.reason for one in bad if isinstance(one, Rejection)] == [
        "The record has two fields of the same name."
    ] * 2


@pytest.mark.parametrize("content", ["[" * 3_000_000, "[" * 1_500_000 + "]" * 1_500_000, '{"a":' * 600_000])
def test_millions_of_brackets_take_no_time(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.json"
    path.write_text(content)
    started = time.process_time()
    with contextlib.suppress(InputUnusable):
        assert all(isinstance(one, Rejection) for one in judged(path))
    assert time.process_time() - started < 10


def test_standard_input_is_judged_by_its_beginning() -> None:
    with pytest.raises(InputUnusable, match="standard input: The file is empty"):
        judged("-", standard_input=b"")
    with pytest.raises(InputUnusable, match="standard input: No column for text_content"):
        judged("-", standard_input=b'{"id": "1", "patient_id": "p", "type": "t", "narrative": "x"}')
    with pytest.raises(InputUnusable, match="named twice"):
        judged("-", "-")
    with pytest.raises(InputUnusable, match="There is no input"):
        judged()


FORMS = {
    "notes.json": json.dumps([GOOD, {**GOOD, "id": "n2"}], indent=1),
    "notes.jsonl": json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "id": "n2"}) + "\n",
    "notes.csv": 'id,patient_id,type,text\nn1,p1,note,"Chest, ""pain"""\nn2,p1,note,x\n',
    "bundle.json": json.dumps(
        {
            "resourceType": "Bundle",
            "entry": [{"resource": {"resourceType": "DocumentReference", "content": [{}]}}],
        }
    ),
    "p1.txt": "Chest pain.",
}


@pytest.mark.parametrize("name", FORMS)
@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.integers(0, 20), st.binary(max_size=3)), min_size=1, max_size=3
    )
)
def test_no_damage_makes_a_traceback(name: str, damage: list[tuple[int, int, bytes]]) -> None:
    content = FORMS[name].encode()
    for at, length, put in damage:
        content = content[:at] + put + content[at + length :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        with contextlib.suppress(InputUnusable):
            for one in judged(path):
                assert isinstance(one, (ValidNote, Duplicate, Rejection))
        path.with_suffix(path.suffix + ".gz").write_bytes(gzip.compress(b"x") + content)
        with contextlib.suppress(InputUnusable):
            judged(path.with_suffix(path.suffix + ".gz"))
