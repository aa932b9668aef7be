"""Accepting: what a record must be, and what is said where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import IndexingSettings
from pipeline.indexing.identity import Prefixes
from pipeline.indexing.validation import Duplicate, ValidNote, accept, accept_all
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.records import LIBRARY_PREFIX, Rejection, SourceRecord

SETTINGS = IndexingSettings(note_characters_max=1000)
GOOD: dict[str, Any] = {
    "resource_id": "n1",
    "patient_id": "p1",
    "document_type": "progress note",
    "text_content": "  Chest pain.\r\n",
}


def judge(**changes: Any) -> ValidNote | Rejection:
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return accept(SourceRecord("notes.jsonl", "line 1", fields), SETTINGS)


def accepted(**changes: Any) -> ValidNote:
    found = judge(**changes)
    assert isinstance(found, ValidNote), found
    return found


def rejected(**changes: Any) -> Rejection:
    found = judge(**changes)
    assert isinstance(found, Rejection), found
    return found


def test_a_document_keeps_its_text_untouched_and_its_place() -> None:
    found = accepted(
        date="20210704",
        domain=["Cardiology", "ICU"],
        author=" Dr. One ",
        encounter_id=77,
        metadata={"a": "b"},
    )
    assert (found.source, found.position) == ("notes.jsonl", "line 1")
    document = found.document
    assert document.text_content == "  Chest pain.\r\n"
    assert document.date == "2021-07-04"
    assert (document.domain, document.author, document.encounter_id) == ("Cardiology; ICU", "Dr. One", "77")
    assert document.metadata == {"a": "b"}


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"resource_id": ...}, "resource_id", "resource_id is missing."),
        ({"patient_id": None}, "patient_id", "patient_id is missing."),
        ({"patient_id": "NaN"}, "patient_id", "patient_id is missing."),
        ({"patient_id": "UNKNOWN"}, "patient_id", "patient_id is missing."),
        ({"patient_id": "-"}, "patient_id", "patient_id is missing."),
        ({"patient_id": "#REF!"}, "patient_id", "patient_id is missing."),
        ({"patient_id": "N.A."}, "patient_id", "patient_id is missing."),
        ({"patient_id": "1.23457E+12"}, "patient_id", "patient_id was rounded by a spreadsheet."),
        ({"resource_id": "1,5e+07"}, "resource_id", "resource_id was rounded by a spreadsheet."),
        ({"document_type": "  "}, "document_type", "document_type is missing."),
        ({"patient_id": True}, "patient_id", "patient_id is not text."),
        ({"patient_id": 7.0}, "patient_id", "patient_id is not text."),
        ({"resource_id": "x" * 201}, "resource_id", "resource_id is longer than 200 characters."),
        ({"resource_id": "a\nb"}, "resource_id", "resource_id holds control or invisible characters."),
        ({"patient_id": "a\u202eb"}, "patient_id", "patient_id holds control or invisible characters."),
        ({"author": "\ud800"}, "author", "author holds half a character."),
        ({"text_content": ...}, "text_content", "text_content is missing."),
        ({"text_content": ["a"]}, "text_content", "text_content is not text."),
        ({"text_content": " \n\u200b\x00"}, "text_content", "text_content is empty."),
        ({"text_content": "x" * 1001}, "text_content", "text_content is longer than any note may be."),
        ({"text_content": "half \udfff"}, "text_content", "text_content holds half a character."),
        ({"date": "03/04/2021"}, "date", "The date can be read in two ways."),
        ({"date": "yesterday"}, "date", "The date cannot be read."),
        ({"date": "2024-W12"}, "date", "The date is a week."),
        ({"date": "2024w12"}, "date", "The date is a week."),
        ({"date": 3.5}, "date", "The date cannot be read."),
        ({"metadata": {"a": "\ud800"}}, "metadata", "metadata holds half a character."),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], field: str, reason: str) -> None:
    found = rejected(**changes)
    assert (found.field, found.reason) == (field, reason)
    assert found.remedy


@pytest.mark.parametrize(
    ("field", "option"), [("resource_id", "--id-prefix"), ("patient_id", "--patient-prefix")]
)
def test_no_note_is_called_as_documents_of_the_library_are(field: str, option: str) -> None:
    found = rejected(**{field: f"{LIBRARY_PREFIX}{'0' * 64}"})
    assert (found.field, option in found.remedy) == (field, True)
    assert accepted(**{field: "library-1"})

    def prefixed(value: str, prefix: str) -> ValidNote | Rejection:
        record = SourceRecord("notes.jsonl", "line 1", {**GOOD, field: value})
        return accept(record, SETTINGS, Prefixes(prefix, prefix))

    assert isinstance(prefixed(LIBRARY_PREFIX[3:] + "1", LIBRARY_PREFIX[:3]), Rejection)
    assert isinstance(prefixed(LIBRARY_PREFIX + "1", "a-"), ValidNote), "as the remedy says"


def test_optional_fields_may_hold_nothing() -> None:
    document = accepted(date="NULL", domain="", author=None, encounter_id="\\N").document
    assert (document.date, document.domain, document.author, document.encounter_id) == (
        None,
        None,
        None,
        None,
    )


def test_a_wrong_id_is_reported_in_a_readable_form() -> None:
    assert rejected(resource_id="a\nb").resource_id == "a?b"
    assert rejected(resource_id="\ud800" * 300).resource_id == "?" * 200
    assert rejected(resource_id=["a"], patient_id=3.5).resource_id is None
    assert rejected(resource_id=" n1 ", text_content="").resource_id == "n1"
    assert rejected(resource_id=" NULL ").resource_id is None


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "date", "domain", "author", "encounter_id"]),
        st.none()
        | st.integers()
        | st.floats()
        | st.booleans()
        | st.text(max_size=30)
        | st.lists(st.text(max_size=3)),
    )
)
def test_whatever_comes_in_is_a_document_or_a_reason(fields: dict[str, Any]) -> None:
    found = accept(SourceRecord("s", "p", fields), SETTINGS)
    if isinstance(found, ValidNote):
        found.document.fingerprint().encode()
        for value in (found.document.resource_id, found.document.patient_id, found.document.document_type):
            assert value.strip()
            assert len(value) <= 200
    else:
        assert found.reason.endswith(".")


@given(st.text(alphabet="SECRET", min_size=20, max_size=40))
def test_reasons_and_remedies_hold_no_text(secret: str) -> None:
    for changes in (
        {"text_content": secret * 100},
        {"text_content": [secret]},
        {"date": secret},
        {"patient_id": secret + "\n" + secret},
        {"author": {"name": secret}},
    ):
        found = rejected(**changes)
        assert secret not in found.reason + found.remedy


def test_repeats_are_told_from_conflicts_and_rejections_pass() -> None:
    reader = Rejection("s", "line 9", None, None, "The record is not valid JSON.", "Repair it.")
    records: list[SourceRecord | Rejection] = [
        SourceRecord("s", "line 1", GOOD),
        reader,
        SourceRecord("s", "line 2", GOOD),
        SourceRecord("s", "line 3", {**GOOD, "metadata": {"a": "b"}}),
        SourceRecord("t", "line 1", {**GOOD, "resource_id": "n2"}),
        SourceRecord("t", "line 2", {**GOOD, "resource_id": " n1 "}),
    ]
    first, passed, repeat, conflict, other, repeat_again = accept_all(records, SETTINGS)
    assert isinstance(first, ValidNote)
    assert passed is reader
    assert repeat == Duplicate("n1", "s", "line 2", "s line 1")
    assert isinstance(conflict, Rejection)
    assert "The first one, s line 1, was taken." in conflict.remedy
    assert isinstance(other, ValidNote)
    assert repeat_again == Duplicate("n1", "t", "line 2", "s line 1")


def test_a_record_that_is_read_twice_is_a_duplicate_of_itself() -> None:
    record = SourceRecord("s", "line 1", GOOD)
    first, second = accept_all([record, record], IndexingSettings())
    assert isinstance(first, ValidNote)
    assert isinstance(second, Duplicate)
    assert second.first == "s line 1"


FIELD_CASES = Path(__file__).parents[1] / "data" / "notes"


def test_nan_is_no_value() -> None:  # field case 13
    records = read_sources([str(FIELD_CASES / "13-nan.jsonl")], FieldMapping(), SETTINGS)
    found = [accept(record, SETTINGS) for record in records if isinstance(record, SourceRecord)]
    assert [(one.document.domain, one.document.date) for one in found if isinstance(one, ValidNote)] == [
        (None, None),
        (None, None),
    ]


def test_numbers_that_are_none_are_no_value_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text(
        '{"id": 1, "patient_id": 2, "type": "t", "text": "x", "author": Infinity, "encounter_id": -Infinity, '
        '"score": [NaN, 1e999], "metadata": {"a": NaN, "b": 1.5}}'
    )
    (record,) = read_sources([str(path)], FieldMapping(), SETTINGS)
    assert isinstance(record, SourceRecord)
    found = accept(record, SETTINGS)
    assert isinstance(found, ValidNote)
    assert (found.document.author, found.document.encounter_id) == (None, None)
    assert found.document.metadata == {"score": "[null,null]", "b": "1.5"}


def test_dates_of_one_meaning_are_read() -> None:  # field case 14
    records = read_sources([str(FIELD_CASES / "14-dates.jsonl")], FieldMapping(), SETTINGS)
    found = [accept(record, SETTINGS) for record in records if isinstance(record, SourceRecord)]
    assert [one.document.date for one in found if isinstance(one, ValidNote)] == [
        "2024-03-10T23:30:00+00:00",
        "2024-03-10T23:30:00+00:00",
        "2024-03-10T23:30:00+00:00",
        "2024-03-10",
        "2024-03-10",
        "2024-03-10",
    ]


def test_a_data_frames_decimal_date_and_mysqls_zero_date() -> None:
    assert accepted(date=1710113400000.0).document.date == "2024-03-10T23:30:00+00:00"
    assert accepted(date="0000-00-00 00:00:00").document.date is None


def test_the_order_of_day_and_month_is_the_users() -> None:
    record = SourceRecord("notes.jsonl", "line 1", {**GOOD, "date": "03/04/2021"})
    refused = accept(record, SETTINGS)
    assert isinstance(refused, Rejection)
    assert "--date-order day" in refused.remedy
    day_first = accept(record, SETTINGS.model_copy(update={"date_order": "day"}))
    assert isinstance(day_first, ValidNote)
    assert day_first.document.date == "2021-04-03"
    other = accept(
        SourceRecord("notes.jsonl", "line 1", {**GOOD, "date": "03/14/2021"}),
        SETTINGS.model_copy(update={"date_order": "day"}),
    )
    assert isinstance(other, Rejection)
    assert other.reason == "The date is not in the order given."


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("0001-01-01", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59", None),
        ("12/31/9999", None),
        ("99991231", None),
        ("1900-01-01", None),
        ("1899-12-30", None),
        ("1970-01-01T00:00:00+00:00", None),
        ("1900-01-02", "1900-01-02"),
        ("1970-01-02", "1970-01-02"),
        ("2024-W12-3", "2024-03-20"),
        ("2180-05-06", "2180-05-06"),
        ("2300-01-01", None),
    ],
)
def test_a_date_that_stands_for_none_is_none(written: str, day: str | None) -> None:
    note = accepted(date=written)
    assert (note.document.date, note.placeholder_date) == (day, day is None)


def test_an_empty_date_is_no_placeholder() -> None:
    assert not accepted(date="").placeholder_date
    assert not accepted(date="0000-00-00").placeholder_date


def test_notes_can_be_read_without_their_date(tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('{"id": 1, "patient_id": 2, "type": "t", "text": "x", "date": "spring"}')
    (record,) = read_sources([str(path)], FieldMapping.parse(["date=none"]), SETTINGS)
    assert isinstance(record, SourceRecord)
    found = accept(record, SETTINGS)
    assert isinstance(found, ValidNote)
    assert (found.document.date, found.document.metadata) == (None, {"date": "spring"})
