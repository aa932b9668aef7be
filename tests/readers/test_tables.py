"""Tables: delimiters, quotation marks, widths, encodings."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.readers.reader import RawRecord, UnreadableRecord, UnreadableSource
from pipeline.readers.tables.records import read_table

CELLS = st.text('ab ,;"\n\r\t\u00e9', max_size=6)


def read(content: bytes, characters_max: int = 10_000) -> list[RawRecord | UnreadableRecord]:
    return list(read_table(io.BufferedReader(io.BytesIO(content)), "notes.csv", characters_max))


HEADER = b"note_id,patient_id,note_type,note_text\n"
SWALLOWED = "The row's quotation marks take in the beginning of another row."
MALFORMED = "The row's quotation marks are malformed."
DATA = Path(__file__).parents[1] / "data" / "notes"


def naming(columns: Sequence[str]) -> tuple[list[str], str | None]:
    return [name for name in ("note_id", "patient_id") if name in columns], (
        "note_text" if "note_text" in columns else None
    )


def notes(
    rows: bytes, header: bytes = HEADER, characters_max: int = 10_000
) -> list[RawRecord | UnreadableRecord]:
    return list(read_table(io.BufferedReader(io.BytesIO(header + rows)), "notes.csv", characters_max, naming))


def texts(found: list[RawRecord | UnreadableRecord]) -> list[tuple[str, str, str] | str]:
    """Note, patient and text of each record, the reason of a refused one."""
    return [
        item.reason
        if isinstance(item, UnreadableRecord)
        else (item.columns["note_id"], item.columns["patient_id"], item.columns["note_text"])
        for item in found
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5))
def test_what_csv_writes_is_read_back(delimiter: str, rows: list[tuple[str, str, str]]) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter)
    writer.writerow(("id", "type", "text"))
    writer.writerows(rows)
    found = read(written.getvalue().encode())
    # Blanks after a delimiter are passed over: they may stand before a quotation mark.
    cells = [
        [cell.lstrip(" ") for cell in item.columns.values()] for item in found if isinstance(item, RawRecord)
    ]
    assert cells == [[cell.lstrip(" ") for cell in row] for row in rows]
    assert len(found) == len(rows)


def test_positions_name_row_and_line() -> None:
    found = read(b'id,text\n1,"two\nlines"\n\n2,x\n')
    assert [item.position for item in found] == ["row 1 (line 2)", "row 2 (line 5)"]


def test_a_bad_row_costs_one_row() -> None:
    content = b'id,type,text\n1,a,x\n2,a\n3,a,caf\xe9\n4,a,"x"y\n5,a,' + b"z" * 30_000 + b"\n6,a,x\n"
    one, two, three, four, five, six = read(content)
    assert isinstance(one, RawRecord)
    assert isinstance(six, RawRecord)
    reasons = [item.reason for item in (two, three, four, five) if isinstance(item, UnreadableRecord)]
    assert reasons == [
        "The row has another number of cells than the first row has names.",
        "The record is not valid UTF-8.",
        "The row's quotation marks are malformed.",
        "The record is longer than any note may be.",
    ]
    assert isinstance(two, UnreadableRecord)
    assert "It has 2, the first row 3." in two.remedy
    assert isinstance(three, UnreadableRecord)
    assert "Column text, character 4 is byte 0xE9. If the file was written on Windows: iconv" in three.remedy


def test_after_a_long_quoted_cell_the_next_row_is_found() -> None:
    content = b'id,text\n1,"' + b'line, with ""quotes""\n' * 2000 + b'end"\n2,x\n'
    first, second = read(content)
    assert isinstance(first, UnreadableRecord)
    assert first.reason == "The record is longer than any note may be."
    assert isinstance(second, RawRecord)
    assert second.columns == {"id": "2", "text": "x"}
    assert second.position == "row 2 (line 2003)"


def test_an_open_quotation_mark_costs_its_row() -> None:
    first, second, third = read(b'id,text\n1,x\n2,"never closed\n3,y\n')
    assert isinstance(first, RawRecord)
    assert isinstance(second, UnreadableRecord)
    assert (second.position, second.whole) == ("row 2 (line 3)", False)
    assert second.reason == "The row's quotation marks are malformed."
    assert isinstance(third, RawRecord)


def test_an_open_quotation_mark_at_the_end_affects_the_rest() -> None:
    first, second = notes(b'1,p1,note,x\n2,p2,note,"never closed\nand cut, here\n')
    assert isinstance(first, RawRecord)
    assert isinstance(second, UnreadableRecord)
    assert second.whole
    assert (second.position, second.reason) == (
        "row 2 (lines 3 to 4)",
        "The file ends inside quotation marks.",
    )


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(UnreadableSource) as broken:
        read(b"id,text,text\n1,a,b\n")
    assert "text" in broken.value.remedy


def test_a_nameless_column_is_called_by_its_number(tmp_path: Path) -> None:
    (row,) = read(b",id,text\n0,1,x\n")
    assert isinstance(row, RawRecord)
    assert row.columns == {"column 1": "0", "id": "1", "text": "x"}


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    ("beginning", "position"),
    [
        ([b"id,note text"], "row 1 (line 2)"),
        ([b"", b"  ", b"id,note text"], "row 1 (line 4)"),
        ([b"sep=,", b"id,note text"], "row 1 (line 3)"),
        ([b"", b"SEP=, ", b"", b"id,note text"], "row 1 (line 5)"),
        ([b'id,"note', b'text"'], "row 1 (line 3)"),
        ([b'"id", "note text"'], "row 1 (line 2)"),
    ],
)
def test_what_spreadsheets_write_before_the_first_row(
    beginning: list[bytes], position: str, ending: bytes
) -> None:
    content = ending.join([*beginning, b'1, "two, three"', b"2,x", b""])
    first, second = read(content)
    assert isinstance(first, RawRecord)
    assert first.columns == {"id": "1", "note text": "two, three"}
    assert first.position == position
    assert isinstance(second, RawRecord)
    assert second.columns == {"id": "2", "note text": "x"}


def test_the_delimiter_that_excel_names_is_used() -> None:
    (row,) = read(b"sep=;\r\nid;text, more, and more\r\n1;x\r\n")
    assert isinstance(row, RawRecord)
    assert row.columns == {"id": "1", "text, more, and more": "x"}


def test_the_delimiter_is_found_behind_a_line_break_in_a_name() -> None:
    (row,) = read(b'"note\nid";type;text\n1;a;x\n')
    assert isinstance(row, RawRecord)
    assert row.columns == {"note id": "1", "type": "a", "text": "x"}


@pytest.mark.parametrize("rows", [3, 300])
def test_an_open_quotation_mark_in_the_first_row_swallows_no_row(rows: int) -> None:
    found = read(b'id,"text\n' + b"1,x\n" * rows)
    assert [item.columns for item in found if isinstance(item, RawRecord)][1:] == [
        {"id": "1", "text": "x"}
    ] * (rows - 1)


def test_an_endless_first_row_is_no_list_of_names() -> None:
    with pytest.raises(UnreadableSource, match="no list of names"):
        read(b"x" * 20_000 + b"\n1\n")


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("delimiter", [b",", b";", b"\t", b"|"])
def test_a_bad_quotation_mark_merges_no_two_patients(delimiter: bytes, ending: bytes) -> None:
    content = (DATA / "01a-quote-merges-two-patients.csv").read_bytes()  # field case 01a
    content = content.replace(b"Tall, 5", b"Tall 5").replace(b",", delimiter).replace(b"\n", ending)
    found = notes(content, b"")
    assert texts(found) == [SWALLOWED, ("2", "p2", 'Waist 36"'), ("3", "p3", "Up and walking.")]
    assert found[0].position == "row 1 (line 2)"


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_a_bad_quotation_mark_swallows_no_row(ending: bytes) -> None:
    content = (DATA / "01b-quote-swallows-300-rows.csv").read_bytes()  # field case 01b
    first, *rest = notes(content.replace(b"\n", ending), b"", 3_000_000)
    assert isinstance(first, UnreadableRecord)
    assert (first.position, first.reason) == ("row 1 (line 2)", MALFORMED)
    assert len(rest) == 302
    assert all(isinstance(item, RawRecord) for item in rest)


def test_a_rejection_names_all_lines_it_stands_for() -> None:
    found = notes(b'1,p1,note,"one\nhe said "ok" then\nthree, a, b"\n2,p2,note,"a\nb"\n3,p3,note,x\n')
    assert texts(found) == [MALFORMED, ("2", "p2", "a\nb"), ("3", "p3", "x")]
    assert [item.position for item in found] == ["row 1 (lines 2 to 4)", "row 2 (line 5)", "row 3 (line 7)"]


def test_quotation_marks_that_spark_escapes_cost_their_row() -> None:
    found = notes(
        b'1,p1,note,"He said \\"ok\\" twice."\n2,p2,note,"ends with \\""\n3,p3,note,plain 36"\n4,p4,note,x\n'
    )
    assert texts(found) == [MALFORMED, SWALLOWED, ("3", "p3", 'plain 36"'), ("4", "p4", "x")]
    assert isinstance(found[0], UnreadableRecord)
    assert "Spark" in found[0].remedy


def test_ids_behind_the_text_are_seen_too() -> None:
    found = notes(
        b'"Tall, 5\'10"",1,p1\nWaist 36",2,p2\n"a\nb, c",3,p3\n"one\nsaid "ok"\ntwo",4,p4\nplain,5,p5\n',
        b"note_text,note_id,patient_id\n",
    )
    assert texts(found) == [
        SWALLOWED,
        ("2", "p2", 'Waist 36"'),
        ("3", "p3", "a\nb, c"),
        MALFORMED,
        ("5", "p5", "plain"),
    ]


def test_lines_of_a_note_that_hold_delimiters_are_no_rows() -> None:
    text = "Sodium, 140, mmol/L, normal\nBP 120,80,60,40\n1, walk, daily, far\nNa,K,Cl,CO2"
    written = io.StringIO()
    csv.writer(written).writerows([(17, 22533, "note", text), (18, 22534, "note", "x")])
    assert texts(notes(written.getvalue().encode())) == [("17", "22533", text), ("18", "22534", "x")]


def test_numbers_in_a_note_are_no_patient_of_a_table_whose_patients_have_letters() -> None:
    text = "Vitals:\nBP,120/80,HR,72\n3,4,5,6"
    written = io.StringIO()
    csv.writer(written).writerows([("n1", "p1", "note", text), ("n2", "p2", "note", "x")])
    assert texts(notes(written.getvalue().encode())) == [("n1", "p1", text), ("n2", "p2", "x")]
    numbered = b'1,p1,note,"Tall, 5\'10""\n2,p2,note,Waist 36"\n'
    assert texts(notes(numbered))[1:] == [("2", "p2", 'Waist 36"')]


@pytest.mark.shared
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("columns", [(0, 1, 2, 3), (3, 0, 1), (0, 3, 1)])
def test_real_notes_of_many_lines_are_read_back(
    shared_data: Path, columns: tuple[int, ...], delimiter: str
) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter)
    names = HEADER.decode().strip().split(",")
    writer.writerow([names[column] for column in columns])
    count = 0
    for file in sorted((shared_data / "notes").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            text = max((value for value in json.loads(line).values() if isinstance(value, str)), key=len)
            row = (count, f"p{count % 37}", "note", text)
            writer.writerow([row[column] for column in columns])
            count += 1
    found = notes(written.getvalue().encode(), b"", 3_000_000)
    assert len(found) == count
    assert not [item for item in found if isinstance(item, UnreadableRecord)]


def test_the_first_row_swallows_no_row_that_closes_its_quotation_mark() -> None:
    found = notes(b'1,p1,note,x 3"\n2,p2,note,y\n', b'note_id,patient_id,note_type,"note 5""\n')
    assert [list(item.columns.values()) for item in found if isinstance(item, RawRecord)] == [
        ["1", "p1", "note", 'x 3"'],
        ["2", "p2", "note", "y"],
    ]


@pytest.mark.parametrize("row", [b'x",",y\n', b'1,p",",y\n', b'1,p1,note,"abc\n'])
def test_rows_of_open_quotation_marks_take_time_in_proportion(row: bytes) -> None:
    started = time.process_time()
    notes(row * 40_000, characters_max=3_000_000)
    assert time.process_time() - started < 10


def test_a_first_row_that_holds_a_note_is_not_shown() -> None:
    text = "Slept well, and the temperature was 36.8 in the morning."
    with pytest.raises(UnreadableSource) as broken:
        notes(b"", f'id,"{text}","{text}"\n'.encode())
    assert "Slept" not in broken.value.remedy
    assert f"({len(text)} characters, no name)" in broken.value.remedy


def test_a_row_of_another_width_gives_back_the_rows_that_it_swallowed() -> None:
    found = notes(b'1,p1,note,"Tall\n2,p2,short\n3,p3,note,x 36",y\n4,p4,note,z\n')
    width = "The row has another number of cells than the first row has names."
    assert texts(found) == [SWALLOWED, width, width, ("4", "p4", "z")]
    assert [item.position for item in found][:3] == ["row 1 (line 2)", "row 2 (line 3)", "row 3 (line 4)"]


def test_a_row_of_another_width_names_its_lines() -> None:
    found = notes(b'1,p1,note,"Tall\nand well, he said",more\n2,p2,note,x\n')
    assert found[0].position == "row 1 (lines 2 to 3)"
    assert texts(found)[1] == ("2", "p2", "x")
