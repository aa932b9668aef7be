"""A header without what tells of a person: forty planted identifiers, and the options of PS3.15."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest

pytest.importorskip("pydicom", reason="needs the extra `images`")

from pydicom import dcmread
from pydicom._dicom_dict import DicomDictionary
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID

from pipeline.config import DeidentificationSettings
from pipeline.errors import DeidentificationUnavailable
from pipeline.imaging.deidentification import profile
from pipeline.imaging.deidentification.deidentifier import CleanHeader, Deidentifier
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.deidentification.profile import ATTRIBUTES, _table
from tests.imaging.planted import (
    INSTANCE_UID,
    PATIENT_ID,
    PLANTED,
    STUDY_UID,
    found_in,
    planted_dataset,
)

KEY = DeidentificationKey(b"0123456789abcdef" * 4)


def deidentifier(**settings: Any) -> Deidentifier:
    return Deidentifier(KEY, DeidentificationSettings(**settings))


def given(header: CleanHeader) -> str:
    """All that leaves, as one text."""
    fields = {
        name: getattr(header, name) for name in header.__slots__ if name not in {"dataset", "identifiers"}
    }
    return f"{fields} {header.dataset.to_json(suppress_invalid_tags=False)} {header.dataset}"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"patient_id": "map", "dates": "shift"},
        {"dates": "remove", "descriptions": "remove"},
    ],
)
def test_no_planted_identifier_is_left(settings: dict[str, Any]) -> None:
    dataset = planted_dataset()
    assert len(PLANTED) >= 40
    assert found_in(given(deidentifier(**settings).clean(dataset))) == []


def test_a_header_that_was_written_and_read_is_cleaned_as_well(tmp_path: Any) -> None:
    dataset = planted_dataset()
    path = tmp_path / "film.dcm"
    dataset.save_as(path, implicit_vr=False, little_endian=True)
    assert found_in(path.read_bytes().decode("utf-8", "replace")) == [*PLANTED, "UID"]
    assert found_in(given(deidentifier().clean(dcmread(path)))) == []


def test_what_a_reader_needs_is_given() -> None:
    header = deidentifier().clean(planted_dataset())
    assert (header.modality, header.body_part, header.view, header.laterality) == ("CR", "CHEST", "PA", "L")
    assert header.description == "CHEST PA for Dr …, … portable"
    assert (header.patient_id, header.date) == (PATIENT_ID, "2026-03-05")


def test_uids_are_valid_and_the_same_in_every_object() -> None:
    first, other = planted_dataset(), planted_dataset()
    other.SOPInstanceUID = f"{INSTANCE_UID}.77"
    one, two = deidentifier().clean(first), deidentifier().clean(other)
    assert (one.study_id, one.series_id) == (two.study_id, two.series_id)
    assert one.image_id != two.image_id
    assert all(
        UID(uid).is_valid and uid.startswith("2.25.") for uid in (one.image_id, one.study_id, one.series_id)
    )
    nested = one.dataset.ViewCodeSequence[0]
    assert nested.ReferencedFrameOfReferenceUID == one.dataset.FrameOfReferenceUID, (
        "a reference still leads there"
    )
    assert one.dataset.SOPClassUID == first.SOPClassUID, "what the standard registers stays"
    assert Deidentifier(DeidentificationKey(b"another" * 8)).clean(first).image_id != one.image_id
    assert UUID(int=int(one.image_id.removeprefix("2.25."))).version == 5, "a UUID, as 2.25 wants"
    assert deidentifier(uids="keep").clean(first).study_id == STUDY_UID


def test_dates_of_a_patient_move_by_the_same_days() -> None:
    early, late = planted_dataset(), planted_dataset()
    late.StudyDate = late.SeriesDate = late.ContentDate = "20260404"
    clean = deidentifier(dates="shift", shift_days_max=900)
    one, two = (clean.clean(each).dataset for each in (early, late))
    moved = [int(each.StudyDate) for each in (one, two)]
    assert moved[0] < 20260305
    assert clean.clean(early).date == f"{moved[0] // 10000}-{moved[0] // 100 % 100:02}-{moved[0] % 100:02}"
    assert one.AcquisitionDateTime.startswith(str(moved[0])), "the day moves, the time of day stays"
    days = [date(each // 10000, each // 100 % 100, each % 100) for each in moved]
    assert (days[1] - days[0]).days == 30, "the time between two films is what it was"
    late.PatientID = "SOMEONE-ELSE"
    assert clean.clean(late).date != clean.clean(replace_id(late, PATIENT_ID)).date


def replace_id(dataset: Dataset, patient_id: str) -> Dataset:
    dataset.PatientID = patient_id
    return dataset


@pytest.mark.parametrize("written", ["2026", "202603", "", "20261399", "20260305-20260309x", "yesterday"])
def test_what_is_no_day_is_not_made_one(written: str) -> None:
    dataset = planted_dataset()
    for name in ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDateTime"):
        delattr(dataset, name)
    dataset.add_new(0x00080020, "LO", written)
    assert deidentifier().clean(dataset).date in {
        None,
        "2026-03-05" if written.startswith("20260305") else None,
    }


def test_flags_say_what_was_done() -> None:
    kept = deidentifier().clean(planted_dataset()).dataset
    mapped = (
        deidentifier(patient_id="map", dates="shift", descriptions="remove").clean(planted_dataset()).dataset
    )
    assert (kept.PatientIdentityRemoved, mapped.PatientIdentityRemoved) == ("NO", "YES")
    assert len(kept.DeidentificationMethod) <= 64
    codes = [[item.CodeValue for item in each.DeidentificationMethodCodeSequence] for each in (kept, mapped)]
    assert codes == [["113100", "113105", "113106"], ["113100", "113107"]]


def test_a_patient_may_be_called_like_a_part_of_the_body() -> None:
    dataset = planted_dataset()
    dataset.PatientName, dataset.BodyPartExamined, dataset.StudyDescription = (
        "HAND^EVA",
        "HAND",
        "X-RAY HAND AP",
    )
    header = deidentifier().clean(dataset)
    assert header.body_part == "HAND", "a code that any patient's image may have"
    assert header.description.startswith("X-RAY … AP"), "a description is not"


def every_text(value: str, *, without: frozenset[str] = frozenset()) -> Dataset:
    """A data set in which each attribute of the standard that holds text says the same."""
    dataset = Dataset()
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        if keyword and vr in TEXT and vr not in without and tag >> 16 > 2 and not retired:
            dataset.add(DataElement(tag, vr, value, validation_mode=IGNORE))
    return dataset


TEXT = frozenset("AE AS CS DA DT LO LT PN SH ST TM UC UI UR UT".split())


@pytest.mark.parametrize(
    "written", ["Anna-Bella MITCHELL", "20260305MITCHELL", "1.2.3 MITCHELL", "12 MITCHELL"]
)
def test_of_all_attributes_none_lets_a_known_name_through(written: str) -> None:
    dataset = every_text(written)
    dataset.PatientName = "MITCHELL"
    assert len(dataset) > 1500
    dataset.PatientID = "1"
    assert "MITCHELL" not in given(deidentifier().clean(dataset)).upper()


def test_of_all_attributes_none_lets_a_name_out_that_is_nowhere_else() -> None:
    dataset = every_text("ZIMMERLUND", without=frozenset({"PN"}))
    dataset.PatientID = "1"
    header = deidentifier().clean(dataset)
    fields = {
        name: getattr(header, name) for name in header.__slots__ if name not in {"dataset", "identifiers"}
    }
    assert "ZIMMERLUND" not in str(fields).upper()


def test_damaged_values_are_not_given_and_not_told(caplog: pytest.LogCaptureFixture, recwarn: Any) -> None:
    dataset = planted_dataset()
    for tag, vr in ((0x00280030, "DS"), (0x00080021, "DA"), (0x00100010, "PN"), (0x00081030, "XX")):
        dataset._dict[Tag(tag)] = RawDataElement(Tag(tag), vr, 9, b"MITCHELL\xff", 0, False, True)
    assert found_in(given(deidentifier().clean(dataset))) == []
    assert caplog.text == ""
    assert [str(each.message) for each in recwarn] == []


def test_the_table_is_the_one_of_2026() -> None:
    assert len(_table()) == ATTRIBUTES
    assert {"remove", "empty", "replace", "map"} == set(_table().values())


def test_another_table_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    _table.cache_clear()
    monkeypatch.setattr(profile, "TABLE_SHA256", "0" * 64)
    with pytest.raises(DeidentificationUnavailable, match="not the table"):
        deidentifier().clean(planted_dataset())


@pytest.mark.parametrize(
    ("group", "leaves"), [(0x0029, False), (0x50FE, False), (0x6002, False), (0x0008, True)]
)
def test_groups_that_never_leave(group: int, leaves: bool) -> None:
    assert profile.may_be_given(group) is leaves


def test_it_goes_to_another_process_and_its_key_into_no_text() -> None:
    here = deidentifier(dates="shift", patient_id="map")
    there = pickle.loads(pickle.dumps(here))
    assert there.clean(planted_dataset()).dataset == here.clean(planted_dataset()).dataset
    assert "0123456789abcdef" not in repr(there)


def test_the_charts_id_moves_dates_where_the_header_has_another() -> None:
    clean = deidentifier(dates="shift")
    by_chart = clean.clean(planted_dataset(), patient_id="chart-1")
    assert by_chart.patient_id == "chart-1"
    assert by_chart.date == clean.dates_of("chart-1").iso("2026-03-05")
    assert replace(by_chart, date="").date == ""
