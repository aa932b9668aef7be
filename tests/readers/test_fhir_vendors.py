"""FHIR as vendors write it: files made after their public samples, every person in them invented."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import IndexingSettings
from pipeline.indexing.validation import ValidNote, accept_all
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.records import Rejection
from pipeline.text.section_titles import heading_of

FILES = Path(__file__).parents[1] / "data" / "fhir"
SETTINGS = IndexingSettings()
PATIENT_A = "6b8e0e0c-7a3a-4f6b-9d4e-000000000001"
PATIENT_B = "6b8e0e0c-7a3a-4f6b-9d4e-000000000002"
SYNTHEA = "e1b2c3d4-0000-4a4a-8b8b-00000000000"


def read(name: str) -> tuple[list[ValidNote], list[Rejection]]:
    path = FILES / name
    found = list(accept_all(read_sources([str(path)], FieldMapping(), SETTINGS), SETTINGS))
    accepted = [one for one in found if isinstance(one, ValidNote)]
    return accepted, [one for one in found if isinstance(one, Rejection)]


def sections(text: str) -> list[str]:
    return [heading for line in text.splitlines() if (heading := heading_of(line))]


# name: (id, patient, type, date, sections, words of the text)
ACCEPTED: dict[str, list[tuple[str, str, str, str | None, list[str], list[str]]]] = {
    "ips-fullurl-only.json": [
        (
            "Composition/6e1fb74a-742b-4c7b-8487-171dacb88766",
            "urn:oid:2.16.528.1.1007.3.1|574687583",
            "Patient summary Document",
            "2024-03-11T14:30:00+01:00",
            ["Medication Summary", "Allergies and Intolerances", "Problem list - Reported", "Immunizations"],
            ["anastrozole | 1 mg | tablet | once daily", "Penicillin: urticaria, high risk", "Unavailable"],
        )
    ],
    "mhd-provide-document.json": [
        (
            "DocumentReference/8f3f2bd1-1de0-4c30-9f21-4d76b1f1c001",
            "urn:oid:1.3.6.1.4.1.21367.13.20.1000|AFF-20188",
            "Summary of episode note",
            "2024-02-09T11:15:33+10:00",
            ["Reason for visit", "Plan"],
            ["Flucloxacillin 500 mg four times daily for 7 days."],
        )
    ],
    "epic-searchset.json": [
        (
            "DocumentReference/eNoteA1",
            "eq081-VQEgP8drUUqCWzHfw3",
            "Progress Notes",
            "2023-11-02T15:04:00+00:00",
            ["Assessment"],
            ["COPD, stable on tiotropium 18 mcg daily."],
        )
    ],
    "cerner-bulk": [
        (
            f"DocumentReference/20844003{number}",
            patient,
            "Discharge Summary",
            "2023-06-14T08:12:55+00:00",
            ["Hospital Course", "Discharge Medications"],
            [words, "furosemide | 40 mg once daily"],
        )
        for number, patient, words in (
            (3, "12724066", "diuresed 4 kg."),
            (4, "12724066", "Draft: heart failure."),
            (6, "https://fhir-ehr.example/r4/ec2458f2/Patient/12724066", "Seen at the sister hospital."),
        )
    ],
    "meditech-document.json": [
        (
            "Composition/9a2d",
            "d4f0a7de",
            "34133-9",
            "2024-01-19",
            ["ALLERGIES, ADVERSE REACTIONS, ALERTS", "Vital Signs (last 3)", "1. Trend"],
            ["amoxicillin | severe | vomiting\namoxicillin | mild | rash", "Weight fell by 2 kg."],
        )
    ],
    "athena-searchset.json": [
        (
            "DocumentReference/a-195900.clinicaldocument-77001",
            "a-195900.E-12009",
            "11488-4",
            "2022-09-30T00:00:00-04:00",
            ["CONSULTATION", "PLAN"],
            ["Adèle Kouassi, crise de goutte.", "Colchicine 0.5 mg b.i.d. – 5 jours."],
        )
    ],
    "synthea-transaction.json": [
        (
            f"{kind}/{SYNTHEA}{number}",
            f"{SYNTHEA}1",
            "History and physical note",
            "2019-03-02T09:00:00-05:00",
            ["Chief Complaint", "Assessment and Plan"],
            ["Metformin 500 mg twice daily."],
        )
        for kind, number in (("DiagnosticReport", 3), ("DocumentReference", 4))
    ],
    "contained-report.json": [
        (
            "DiagnosticReport/https://klinik.example/befund|B-2024-77",
            "https://klinik.example/patnr|P-0815",
            "MR Brain",
            "2024-05",
            ["Conclusion", "Coded conclusion"],
            ["Schädel-MRT nativ.", "Chronische Sinusitis maxillaris links."],
        )
    ],
    "openmrs-documents.ndjson": [
        (
            "Composition/visit-1",
            PATIENT_A,
            "visit-note",
            "2024-07-01T08:00:00+03:00",
            ["History", "Presenting complaint", "plan"],
            ["Fever for 1 days.", "Artemether-lumefantrine"],
        ),
        (
            "Composition/visit-2",
            PATIENT_B,
            "visit-note",
            "2024-07-02T08:00:00+03:00",
            ["History", "Presenting complaint", "plan"],
            ["Fever for 2 days.", "Oral rehydration."],
        ),
    ],
    "us-core-report.json": [
        (
            "DiagnosticReport/chest-xray",
            "amy-hale",
            "Chest X-ray",
            "2023-02-11T07:10:00-05:00",
            ["Findings", "Narrative", "Chest X-ray"],
            ["Heart of normal size.", "a clear left lung."],
        )
    ],
    "r5-documents.json": [
        ("DocumentReference/l2", "77", "Letter", "2021-11-04", [], ["latex negative, nickel positive."])
    ],
    "bulk-deleted": [("DocumentReference/k1", "31", "Progress note", None, [], ["Wound clean and dry."])],
    "batch-of-searchsets.json": [
        ("DocumentReference/n1", "n-5", "Nutrition note", None, [], ["1.5 L fluid restriction."])
    ],
}

REFUSED = {
    "epic-searchset.json": [
        ("DocumentReference/eNoteB2", "The attachment's content is not in the file."),
        ("DocumentReference/eNoteB2", "The attachment is not text."),
        ("DocumentReference/eNoteC3", "The note was entered in error."),
    ],
    "cerner-bulk": [("DocumentReference/208440035", "The note was entered in error.")],
    "athena-searchset.json": [
        ("DocumentReference/a-195900.clinicaldocument-77002", "The attachment is not text.")
    ],
    "us-core-report.json": [
        ("DiagnosticReport/mri", "The report was cancelled."),
        ("DocumentReference/device-log", "The note's subject is no patient."),
    ],
    "r5-documents.json": [("DocumentReference/l1", "The note was superseded.")],
    "bulk-deleted": [
        ("DocumentReference/k2", "The note was deleted at its source."),
        (None, "The deletion names no single note."),
    ],
}


@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_vendors(name: str) -> None:
    accepted, rejected = read(name)
    assert [(one.resource_id, one.reason) for one in rejected] == REFUSED.get(name, [])
    assert len(accepted) == len(ACCEPTED[name])
    for one, (note, patient, kind, date, headings, words) in zip(accepted, ACCEPTED[name], strict=True):
        document = one.document
        assert (document.resource_id, document.patient_id, document.document_type) == (note, patient, kind)
        assert (document.date or "").replace(".000000", "") == (date or "")
        assert sections(document.text_content) == headings
        assert all(word in document.text_content for word in words), document.text_content


def test_a_history_of_a_server() -> None:
    accepted, rejected = read("hapi-history.json")
    assert accepted[0].document.text_content == "Pressure ulcer on the left heel, grade 2."
    assert not any("MRSA" in one.document.text_content for one in accepted)
    gone = {one.resource_id for one in rejected if one.withdrawn}
    assert gone == {"DiagnosticReport/1510"}


def test_what_is_left_out_is_named() -> None:
    (document,), _ = read("ips-fullurl-only.json")
    assert document.document.metadata["left_out"] == "section Results: entries without text"
    (athena,), _ = read("athena-searchset.json")
    assert athena.document.metadata["left_out"] == "attachment 2: The attachment is not text."
