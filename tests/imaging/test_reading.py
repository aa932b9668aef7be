"""A file to what may leave the reading: whose image it is, what is said of it, and what is not."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from pipeline.config import DeidentificationSettings
from pipeline.errors import RateLimited, UnreadableImage
from pipeline.imaging.decoding import DecodingOptions
from pipeline.imaging.deidentification.deidentifier import Deidentifier
from pipeline.imaging.deidentification.elements import readable_element
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.files import ImageFile, ImageMetadata
from pipeline.imaging.limits import ImageLimits
from pipeline.imaging.reading import ReadingOptions, read_image
from pipeline.imaging.records import MedicalImage
from tests.imaging.samples import dicom, grey, picture

KEY = DeidentificationKey(b"0123456789abcdef" * 4)
ROW = ImageMetadata(
    patient_id="P-1",
    study_id="s50414267",
    date="2019-03-04",
    modality="dx",
    body_part="chest",
    findings=("Effusion", "Edema"),
    report_id="n-7",
    encounter_id="e-2",
    domain="radiology",
)


def options(**settings: Any) -> ReadingOptions:
    return ReadingOptions(Deidentifier(KEY, DeidentificationSettings(**{"pixel_text": "keep", **settings})))


def read(
    content: bytes, name: str, row: ImageMetadata = ROW, how: ReadingOptions | None = None
) -> MedicalImage:
    path = Path(name)
    path.write_bytes(content)
    return read_image(ImageFile(path, metadata=row), how or options())


def kind_of(*arguments: Any, **named: Any) -> str:
    with pytest.raises(UnreadableImage) as caught:
        read(*arguments, **named)
    return caught.value.kind


def test_a_picture_is_described_by_its_row() -> None:
    found = read(picture(grey()), "film.png").description
    assert (found.patient_id, found.modality, found.body_part, found.date) == (
        "P-1",
        "DX",
        "CHEST",
        "2019-03-04",
    )
    assert (found.findings, found.report_id) == (("Effusion", "Edema"), "n-7")
    assert (found.encounter_id, found.domain) == ("e-2", "radiology")
    assert found.image_id == found.content_hash[:32]
    assert (found.rows, found.columns, found.frame, found.frames) == (64, 64, 1, 1)
    assert found.source == "film.png"


def test_an_id_of_the_row_stands_unless_it_tells_what_must_not_leave() -> None:
    row = ImageMetadata(patient_id="00004893", image_id="00004893_070.png")
    assert read(picture(grey()), "film.png", row).description.image_id == "00004893_070.png"
    mapped = read(picture(grey()), "film.png", row, options(patient_id="map")).description
    assert mapped.image_id == mapped.content_hash[:32]
    assert "00004893" not in repr(asdict(mapped))


def test_what_a_row_may_not_say_is_left_out_and_counted() -> None:
    row = ImageMetadata(
        patient_id="P-1",
        modality="ct",
        body_part="Ottilie Quastenberg",
        view="617-555-8841",
        laterality="L",
        findings=("Effusion", "Seen by Dr. Zwirnmann"),
    )
    found = read(picture(grey()), "film.png", row).description
    assert (found.modality, found.body_part, found.view, found.laterality) == ("CT", "", "", "L")
    assert (found.findings, found.metadata["left_out"]) == (("Effusion",), "3")
    assert "left_out" not in read(picture(grey()), "film.png").description.metadata
    assert read(dicom(BodyPartExamined="CHEST"), "film.dcm", row).description.body_part == "CHEST"


def test_a_header_is_described_where_the_row_is_silent() -> None:
    content = dicom(
        PatientName="MITCHELL^ANNA", BodyPartExamined="CHEST", StudyDate="20200229", ViewPosition="PA"
    )
    found = read(content, "film.dcm", ImageMetadata())
    description = found.description
    assert (description.patient_id, description.modality, description.view) == ("P-1", "DX", "PA")
    assert (description.body_part, description.date) == ("CHEST", "2020-02-29")
    assert description.image_id.startswith("2.25.")
    assert "MITCHELL" not in repr(description).upper()
    assert description.metadata["window"]


def test_dates_of_header_and_row_move_by_the_same_days() -> None:
    how = options(dates="shift")
    found = read(picture(grey()), "film.png", ROW, how).description
    of_row = found.date
    assert found.metadata["date"] == "shifted", "who shows it must be able to say so"
    assert "date" not in read(picture(grey()), "film.png").description.metadata
    header = read(dicom(StudyDate="20190304"), "film.dcm", ImageMetadata(), how).description.date
    assert of_row == header
    assert of_row != "2019-03-04"
    trusting = ReadingOptions(how.deidentifier, patient_from="table")
    other = ImageMetadata(patient_id="P-2")
    moved = read(dicom(StudyDate="20190304"), "film.dcm", other, trusting).description.date
    assert moved != header
    assert moved == read(picture(grey()), "film.png", replace(other, date="2019-03-04"), how).description.date


def test_two_patients_of_one_image_are_refused() -> None:
    other = ImageMetadata(patient_id="P-2")
    assert kind_of(dicom(), "film.dcm", other) == "two-patients"
    trusting = ReadingOptions(options().deidentifier, patient_from="table")
    assert read(dicom(), "film.dcm", other, trusting).description.patient_id == "P-2"
    assert read(dicom(), "film.dcm", ImageMetadata(), trusting).description.patient_id == ""


def test_a_patient_who_cannot_be_read_or_is_two_is_not_guessed() -> None:
    whole = dicom(PatientID="MRN-4711")
    at = whole.index(b"LO\x08\0MRN-4711")
    unknown = whole[:at] + b"L\x7f" + whole[at + 2 :]
    for content in (unknown, dicom(PatientID="MRN-4711\\MRN-4712")):
        for row in (ImageMetadata(), ROW):
            with pytest.raises(UnreadableImage, match="PatientID") as caught:
                read(content, "film.dcm", row)
            assert caught.value.kind == "header"
            assert "4711" not in str(caught.value)


def test_an_image_without_a_patient_is_read_and_has_none() -> None:
    assert read(picture(grey()), "film.png", ImageMetadata()).description.patient_id == ""


def test_a_member_of_an_archive_is_read_and_a_bomb_is_not() -> None:
    with zipfile.ZipFile("films.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("chest/film.png", picture(grey()))
        archive.writestr("bomb.png", b"\0" * 5_000_000)
    path = Path("films.zip")
    found = read_image(ImageFile(path, "chest/film.png", metadata=ROW), options())
    assert found.description.content_hash == read(picture(grey()), "film.png").description.content_hash
    small = ReadingOptions(
        options().deidentifier, DecodingOptions(limits=ImageLimits(inflated_bytes_max=10**6))
    )
    for member, kind in (("bomb.png", "too-large"), ("none.png", "unopened")):
        with pytest.raises(UnreadableImage) as caught:
            read_image(ImageFile(path, member), small)
        assert caught.value.kind == kind


def test_a_file_that_is_gone() -> None:
    with pytest.raises(UnreadableImage, match="cannot be opened"):
        read_image(ImageFile(Path("gone.dcm")), options())


def test_a_fault_of_this_program_costs_its_image_and_quotes_nothing() -> None:
    broken = ReadingOptions(Deidentifier(KEY, None))  # type: ignore[arg-type]
    with pytest.raises(UnreadableImage, match="AttributeError at") as caught:
        read(dicom(PatientName="MITCHELL^ANNA"), "film.dcm", ROW, broken)
    assert caught.value.kind == "fault"
    assert "MITCHELL" not in str(caught.value)


class Exhausted(Deidentifier):
    """Has no memory left to clean pixels."""

    def pixels(self, *_: Any, **__: Any) -> Any:
        raise MemoryError


class ExhaustedHeader(Dataset):
    """No element of it can be held."""

    def __getitem__(self, key: Any) -> Any:
        raise MemoryError


def test_too_little_memory_is_no_fault_of_this_program_and_loses_no_element() -> None:
    full = ReadingOptions(Exhausted(KEY, options().deidentifier.settings))
    with pytest.raises(MemoryError):
        read(picture(grey()), "film.png", ROW, full)
    header = ExhaustedHeader()
    header.PatientName = "MITCHELL^ANNA"
    with pytest.raises(MemoryError):
        readable_element(header, 0x00100010)


def test_errors_cross_between_processes_whole() -> None:
    for error in (
        UnreadableImage("It is cut off.", remedy="Copy it again.", kind="truncated"),
        RateLimited("Too many.", remedy="Wait.", retry_after_seconds=3.0),
    ):
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is type(error)
        assert (str(back), vars(back)) == (str(error), vars(error))


def test_a_number_of_a_study_is_its_patients_own() -> None:
    def study(patient: str, written: str, **settings: str) -> str:
        row = ImageMetadata(patient_id=patient, study_id=written, series_id=written)
        found = read(picture(grey()), "a.png", row, options(**settings)).description
        assert found.study_id == found.series_id
        return found.study_id

    assert study("P-1", "1") == study("P-1", " 1 ") != study("P-2", "1")
    assert study("P-1", "1.2.840.7.1") == study("P-2", "1.2.840.7.1"), "a UID is the same everywhere"
    assert study("P-1", "1").startswith("2.25.")
    assert study("P-1", "1", uids="keep") == "1"


def undated(**attributes: str) -> bytes:
    return dicom(
        **dict.fromkeys(("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate"), "") | attributes
    )


@pytest.mark.parametrize(
    ("row", "header", "settings", "date", "why"),
    [
        ("2180-05-06", "", {}, "2180-05-06", None),
        ("9999-12-31", "", {}, None, "placeholder"),
        ("1900-01-01", "20190304", {}, "2019-03-04", None),
        ("2019-03", "", {}, "2019-03", None),
        ("2019-03", "", {"dates": "shift"}, None, "unreadable"),
        ("2019-03-04T10:20:00+01:00", "", {}, "2019-03-04", None),
        ("", "21800506", {}, "2180-05-06", None),
        ("", "19000101", {"dates": "shift"}, None, "placeholder"),
        ("", "99991231", {}, None, "placeholder"),
        ("", "20191399", {}, None, "unreadable"),
        ("", "20190304xyz", {}, None, "unreadable"),
        ("", "20191399", {"dates": "remove"}, None, None),
        ("", "00000000", {}, None, None),
        ("", "", {}, None, None),
    ],
)
def test_a_date_that_is_not_given_leaves_a_word(
    row: str, header: str, settings: dict[str, str], date: str | None, why: str | None
) -> None:
    said = ImageMetadata(patient_id="P-1", date=row)
    found = read(undated(StudyDate=header), "a.dcm", said, options(**settings)).description
    assert (found.date, found.metadata.get("date_left_out")) == (date, why)


@pytest.mark.parametrize("written", ["", "unknown", "ANONYMOUS", "N/A", "000000", "nan", " - "])
def test_what_a_header_writes_for_no_patient_is_none(written: str) -> None:
    content = dicom(PatientID=written)
    assert read(content, "a.dcm", ImageMetadata()).description.patient_id == ""
    assert read(content, "a.dcm", ImageMetadata(patient_id="P-9")).description.patient_id == "P-9"


def test_what_a_table_writes_for_no_patient_is_none() -> None:
    assert read(picture(grey()), "a.png", ImageMetadata(patient_id="Unknown")).description.patient_id == ""
    assert read(picture(grey()), "a.png", ImageMetadata(patient_id="0")).description.patient_id == "0"
    for written in ("1.23457E+12", "P-1\u200b", "P" * 201):
        assert kind_of(picture(grey()), "a.png", row=ImageMetadata(patient_id=written)) == "patient-id"
    for written in ("1.23457E+12", "P-1\x07"):
        assert kind_of(dicom(PatientID=written), "a.dcm", row=ImageMetadata()) == "patient-id"
