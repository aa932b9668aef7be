"""Tables: delimiters, quotation marks, widths, encodings."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.indexing.read.found import Found, Refused, SourceBroken
from pipeline.indexing.read.tables import read_table

CELLS = st.text('ab ,;"\n\r\t\u00e9', max_size=6)


def read(content: bytes, characters_max: int = 10_000) -> list[Found | Refused]:
    return list(read_table(io.BufferedReader(io.BytesIO(content)), "notes.csv", characters_max))


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
        [cell.lstrip(" ") for cell in item.columns.values()] for item in found if isinstance(item, Found)
    ]
    assert cells == [[cell.lstrip(" ") for cell in row] for row in rows]
    assert len(found) == len(rows)


def test_positions_name_row_and_line() -> None:
    found = read(b'id,text\n1,"two\nlines"\n\n2,x\n')
    assert [item.position for item in found] == ["row 1 (line 2)", "row 2 (line 5)"]


def test_a_bad_row_costs_one_row() -> None:
    content = b'id,type,text\n1,a,x\n2,a\n3,a,caf\xe9\n4,a,"x"y\n5,a,' + b"z" * 30_000 + b"\n6,a,x\n"
    one, two, three, four, five, six = read(content)
    assert isinstance(one, Found)
    assert isinstance(six, Found)
    reasons = [item.reason for item in (two, three, four, five) if isinstance(item, Refused)]
    assert reasons == [
        "The row has another number of cells than the first row has names.",
        "The record is not valid UTF-8.",
        "The row's quotation marks are malformed.",
        "The record is longer than any note may be.",
    ]
    assert isinstance(two, Refused)
    assert "It has 2, the first row 3." in two.remedy
    assert isinstance(three, Refused)
    assert "Column text, character 4 is byte 0xE9. If the file was written on Windows: iconv" in three.remedy


def test_after_a_long_quoted_cell_the_next_row_is_found() -> None:
    content = b'id,text\n1,"' + b'line, with ""quotes""\n' * 2000 + b'end"\n2,x\n'
    first, second = read(content)
    assert isinstance(first, Refused)
    assert first.reason == "The record is longer than any note may be."
    assert isinstance(second, Found)
    assert second.columns == {"id": "2", "text": "x"}
    assert second.position == "row 2 (line 2003)"


def test_an_open_quotation_mark_at_the_end_affects_the_rest() -> None:
    first, second = read(b'id,text\n1,x\n2,"never closed\n3,y\n')
    assert isinstance(first, Found)
    assert isinstance(second, Refused)
    assert second.whole
    assert second.reason == "The file ends inside quotation marks."


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(SourceBroken) as broken:
        read(b"id,text,text\n1,a,b\n")
    assert "text" in broken.value.remedy


def test_a_nameless_column_is_called_by_its_number(tmp_path: Path) -> None:
    (row,) = read(b",id,text\n0,1,x\n")
    assert isinstance(row, Found)
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
    assert isinstance(first, Found)
    assert first.columns == {"id": "1", "note text": "two, three"}
    assert first.position == position
    assert isinstance(second, Found)
    assert second.columns == {"id": "2", "note text": "x"}


def test_the_delimiter_that_excel_names_is_used() -> None:
    (row,) = read(b"sep=;\r\nid;text, more, and more\r\n1;x\r\n")
    assert isinstance(row, Found)
    assert row.columns == {"id": "1", "text, more, and more": "x"}


def test_the_delimiter_is_found_behind_a_line_break_in_a_name() -> None:
    (row,) = read(b'"note\nid";type;text\n1;a;x\n')
    assert isinstance(row, Found)
    assert row.columns == {"note id": "1", "type": "a", "text": "x"}


@pytest.mark.parametrize("rows", [3, 300])
def test_an_open_quotation_mark_in_the_first_row_swallows_no_row(rows: int) -> None:
    found = read(b'id,"text\n' + b"1,x\n" * rows)
    assert [item.columns for item in found if isinstance(item, Found)][1:] == [{"id": "1", "text": "x"}] * (
        rows - 1
    )


def test_an_endless_first_row_is_no_list_of_names() -> None:
    with pytest.raises(SourceBroken, match="no list of names"):
        read(b"x" * 20_000 + b"\n1\n")
