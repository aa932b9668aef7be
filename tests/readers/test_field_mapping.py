"""Mapping: names in, fields out, and nothing lost on the way."""

from __future__ import annotations

import pytest

from pipeline.errors import SettingsInvalid
from pipeline.readers.field_mapping import FieldMapping


@pytest.mark.parametrize(
    "record",
    [
        {"ResourceID": "n", "PatientID": "p", "DocumentType": "t", "TextContent": "x"},
        {"_id": "n", "subject_id": "p", "note_type": "t", "note_text": "x"},
        {"ROW_ID": "n", "SUBJECT_ID": "p", "CATEGORY": "t", "TEXT": "x"},
        {"Note ID": "n", "MRN": "p", "Report-Type": "t", "Content": "x"},
    ],
)
def test_well_known_names_are_found(record: dict[str, str]) -> None:
    fields = FieldMapping().apply(record)
    assert fields == {
        "resource_id": "n",
        "patient_id": "p",
        "document_type": "t",
        "text_content": "x",
        "metadata": {},
    }


def test_the_users_columns_replace_the_known_ones() -> None:
    mapping = FieldMapping.parse(
        ["text_content=summary|note", "patient_id=id", "author=people.0.name"], ["date=2021"]
    )
    fields = mapping.apply(
        {"id": 7, "note": "n", "summary": "", "text": "t", "people": [{"name": "Dr. One"}]}
    )
    assert fields == {
        "resource_id": 7,
        "patient_id": 7,
        "text_content": "n",
        "author": "Dr. One",
        "date": "2021",
        "metadata": {"text": "t"},
    }


def test_a_default_fills_only_what_a_record_lacks() -> None:
    mapping = FieldMapping.parse(defaults=["DocumentType = progress note"])
    assert mapping.apply({"type": "letter"})["document_type"] == "letter"
    assert mapping.apply({"type": None})["document_type"] == "progress note"
    assert mapping.apply({})["document_type"] == "progress note"


def test_the_rest_becomes_metadata_as_text() -> None:
    fields = FieldMapping().apply(
        {
            "id": "n",
            "age": 50,
            "smoker": False,
            "tags": ["a", "b"],
            "empty": "",
            "none": None,
            "dialogue": "x" * 501,
            "metadata": {"ward": "B2", "bed": 4},
        }
    )
    assert fields["metadata"] == {
        "age": "50",
        "smoker": "false",
        "tags": '["a","b"]',
        "ward": "B2",
        "bed": "4",
        "left_out": "dialogue",
    }


def test_columns_without_end_are_left_out_and_named() -> None:
    metadata = FieldMapping().apply({f"column{number}": "x" for number in range(100)})["metadata"]
    assert len(metadata) == 65
    assert metadata["left_out"].startswith("column64, column65")


def test_missing_names_what_is_fed_by_nothing() -> None:
    assert FieldMapping().missing(["id", "text"]) == ["patient_id", "document_type"]
    assert FieldMapping.parse(["patient_id=id"], ["document_type=x"]).missing(["id", "text"]) == []


@pytest.mark.parametrize(
    ("maps", "defaults", "message"),
    [
        (
            ["text_content"],
            [],
            "--map text_content is not of the form field=value. Write --map text_content=note.",
        ),
        (["text_content="], [], "is not of the form field=value"),
        (
            ["text_contnt=note"],
            [],
            "there is no field 'text_contnt'. Did you mean text_content? The fields are resource_id",
        ),
        (["text_content=a||b"], [], "names an empty column"),
        ([], ["patient_id"], "--default patient_id is not of the form field=value"),
        ([], ["ward=B2"], "there is no field 'ward'. The fields are"),
    ],
)
def test_wrong_options_say_what_is_right(maps: list[str], defaults: list[str], message: str) -> None:
    with pytest.raises(SettingsInvalid) as error:
        FieldMapping.parse(maps, defaults)
    assert message in str(error.value)


def test_many_kinds_of_records_are_remembered_within_bounds() -> None:
    mapping = FieldMapping()
    for number in range(2500):
        assert mapping.apply({"id": "n", f"column{number}": "x"})["resource_id"] == "n"
    assert len(mapping._plans) <= 1000


def test_a_word_for_nothing_gives_way_to_the_next_column_and_the_default() -> None:
    mapping = FieldMapping.parse(["date=written|seen"], ["domain=general"])
    record = {"written": "NaT", "seen": "2024-03-10", "domain": "nan", "author": "None", "text": "None"}
    fields = mapping.apply(record)
    assert (fields["date"], fields["domain"], fields["text_content"]) == ("2024-03-10", "general", "None")


def test_the_columns_that_were_used_are_told() -> None:
    mapping = FieldMapping.parse(["date=seen|written"], ["domain=general"])
    mapping.missing(["only", "asked"])
    mapping.apply({"id": "1", "written": "2024-03-10", "more": "x"})
    mapping.apply({"id": "2", "seen": "2024-03-11"}, offered={"folder1": "p1"})
    used, rest = mapping.used()
    assert used == {"resource_id": ("id",), "date": ("written", "seen"), "domain": ("--default",)}
    assert rest == ("more",)


def test_a_column_of_a_kind_of_record_that_is_forgotten_was_used_all_the_same() -> None:
    mapping = FieldMapping.parse(["date=seen"])
    mapping.apply({"id": "1", "seen": "2024-03-10"})
    for number in range(1500):
        mapping.apply({"id": "n", f"column{number}": "x"})
    assert mapping.unfed() == []
    assert mapping.used()[0] == {"resource_id": ("id",), "date": ("seen",)}
