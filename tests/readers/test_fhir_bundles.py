"""FHIR as it comes: Bundles, folders of a bulk export, histories; who a note's patient is, and what was taken back."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import IndexingSettings
from pipeline.indexing.validation import ValidNote, accept_all
from pipeline.readers.fhir import notes as fhir_notes
from pipeline.readers.fhir import stream as fhir_stream
from pipeline.readers.fhir.bundles import BinaryMemory
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.flow import read_sources
from pipeline.records import NoteVersion, Rejection, SourceRecord

CASES = Path(__file__).parents[1] / "data" / "notes"
SETTINGS = IndexingSettings()
A_UUID = "22222222-0000-4000-8000-000000000002"


def attached(text: str, **more: Any) -> dict[str, Any]:
    return {"attachment": {"contentType": "text/plain", "data": encoded(text), **more}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def document(
    name: str | None, text: str = "Rest.", patient: str = "Patient/p9", **more: Any
) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        **({"id": name} if name else {}),
        "status": "current",
        "type": {"text": "Progress note"},
        "subject": {"reference": patient},
        "content": [attached(text)],
        **more,
    }


def linked(name: str, url: str, **more: Any) -> dict[str, Any]:
    return document(name, content=[{"attachment": {"contentType": "text/plain", "url": url}}], **more)


def binary(name: str | None, text: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Binary",
        **({"id": name} if name else {}),
        "contentType": "text/plain",
        "data": encoded(text),
        **more,
    }


def entry(resource: dict[str, Any] | None = None, full_url: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        **({"fullUrl": full_url} if full_url else {}),
        **({"resource": resource} if resource is not None else {}),
        **more,
    }


def bundle(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", **more, "entry": list(entries)}


def read(*paths: Path, maps: tuple[str, ...] = ()) -> list[SourceRecord | Rejection]:
    return list(read_sources([str(path) for path in paths], FieldMapping.parse(maps), SETTINGS))


FORMS = ["streamed", "line", "array", "piped", "sorted"]


def read_bundle(tmp_path: Path, value: Any, form: str = "streamed") -> list[SourceRecord | Rejection]:
    """The same Bundle streamed from a file, as a line in memory, in an array, from a pipe, with its keys sorted."""
    path = tmp_path / ("b.ndjson" if form == "line" else "b.json")
    text = json.dumps([value] if form == "array" else value, sort_keys=form == "sorted")
    if form == "piped":
        stream = io.BytesIO(json.dumps(value, indent=1).encode())
        return list(read_sources(["-"], FieldMapping(), SETTINGS, standard_input=stream))
    path.write_text(text)
    return read(path)


def texts(found: list[SourceRecord | Rejection]) -> dict[str, str]:
    return {
        one.fields["resource_id"]: one.fields["text_content"]
        for one in found
        if isinstance(one, SourceRecord)
    }


def patients(found: list[SourceRecord | Rejection]) -> list[str]:
    return [one.fields.get("patient_id") for one in found if isinstance(one, SourceRecord)]


def refusals(found: list[SourceRecord | Rejection]) -> list[tuple[str | None, str]]:
    return [(one.resource_id, one.reason) for one in found if isinstance(one, Rejection)]


# Field cases


def accepted(name: str) -> list[ValidNote]:
    found = list(accept_all(read(CASES / name), SETTINGS))
    assert all(isinstance(one, ValidNote) for one in found), found
    return [one for one in found if isinstance(one, ValidNote)]


def test_one_id_in_two_types_is_two_notes() -> None:  # field case 02d
    assert [one.document.resource_id for one in accepted("02d-same-id-two-types.json")] == [
        "DocumentReference/1001",
        "DiagnosticReport/1001",
    ]
    (retracted,) = read(CASES / "02c-retracted-report.ndjson")
    assert isinstance(retracted, Rejection)
    assert (retracted.resource_id, retracted.patient_id) == ("DiagnosticReport/1001", "p8")
    assert retracted.withdrawn


def test_resources_known_by_their_full_url() -> None:  # field case 03
    (only,) = accepted("03-fullurl-without-id.json")
    assert only.document.resource_id == f"Composition/{A_UUID}"
    assert only.document.patient_id == "11111111-0000-4000-8000-000000000001"


@pytest.mark.parametrize("name", ["04a-binary-in-bundle.json", "04b-binary-relative.json"])
def test_a_binary_of_the_bundle_is_the_text(name: str) -> None:  # field cases 04a, 04b
    (only,) = accepted(name)
    assert only.document.text_content == "Discharged home on apixaban 5 mg twice daily."


def test_doc_status_takes_back(tmp_path: Path) -> None:  # field case 05a
    (only,) = read(CASES / "05a-docstatus-entered-in-error.json")
    assert isinstance(only, Rejection)
    assert (only.withdrawn, only.resource_id, only.reason) == (
        True,
        "DocumentReference/doc-6",
        "The note was entered in error.",
    )


def test_a_replaced_note_is_not_beside_its_replacement() -> None:  # field case 05b
    found = read(CASES / "05b-superseded.json")
    assert texts(found) == {"DocumentReference/doc-7b": "Warfarin dose is 2 mg daily."}
    assert refusals(found) == [("DocumentReference/doc-7a", "The note was replaced.")]


def test_versions_are_told() -> None:  # field case 06a
    found = read(CASES / "06a-daily")
    assert [one.version for one in found] == [
        NoteVersion("2024-01-01T00:00:00.000000Z", 1),
        NoteVersion("2024-01-02T00:00:00.000000Z", 2),
    ]


def test_deletions_are_withdrawals() -> None:  # field cases 06b, 08a
    found = read(CASES / "06b-bulk-deleted")
    assert texts(found) == {"DocumentReference/d1": "Stays."}
    assert refusals(found) == [("DocumentReference/d2", "The note was deleted at its source.")]
    found = read(CASES / "08a-history-with-delete.json")
    assert list(texts(found)) == ["DiagnosticReport/dr-1"]
    assert [one.resource_id for one in found if isinstance(one, Rejection) and one.withdrawn] == [
        "DiagnosticReport/dr-2"
    ]


def test_a_type_that_is_only_a_code() -> None:  # field case 15a
    (only,) = accepted("15a-type-code-only.json")
    assert only.document.document_type == "18842-5"


def test_a_contained_patient_is_known_by_its_number() -> None:  # field case 15b
    (only,) = accepted("15b-contained-patient.json")
    assert only.document.patient_id == "urn:mrn|MRN-778"


def test_the_date_of_care_comes_before_registration() -> None:  # field case 15c
    (only,) = accepted("15c-registered-years-later.json")
    assert only.document.date == "2019-05-01T08:00:00+00:00"
    (record,) = read(CASES / "15c-registered-years-later.json", maps=("date=registered",))
    assert isinstance(record, SourceRecord)
    assert record.fields["date"] == "2024-01-01T00:00:00Z"


# Who the patient is


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Device/7"},
        {"reference": "Group/7"},
        {"reference": "Practitioner/7"},
        {"reference": "https://b.example/fhir/Location/7"},
        {"reference": "RelatedPerson?identifier=urn:x|7"},
        {"reference": "urn:uuid:0000", "type": "Group"},
        {"type": "http://hl7.org/fhir/StructureDefinition/Device", "identifier": {"value": "7"}},
        {"reference": "#d"},
    ],
)
def test_a_subject_that_is_no_patient_is_refused(tmp_path: Path, subject: dict[str, Any]) -> None:
    note = document("d1", subject=subject, contained=[{"resourceType": "Device", "id": "d"}])
    for form in FORMS:
        found = read_bundle(tmp_path, bundle(entry(note)), form)
        assert refusals(found) == [("DocumentReference/d1", "The note's subject is no patient.")]


@pytest.mark.parametrize(
    "nobody", ["Patient/", "Patient", "Patient/undefined", "https://x.example/Patient/null", "urn:uuid:"]
)
def test_a_reference_without_an_id_is_nobody(tmp_path: Path, nobody: str) -> None:
    path = tmp_path / "n.ndjson"
    path.write_text(json.dumps(document("d1", patient=nobody)))
    assert refusals(read(path)) == [("DocumentReference/d1", "patient_id is missing.")]


def test_single_resources_replace_a_note_by_its_whole_address(tmp_path: Path) -> None:
    target = {"reference": "https://a.example/fhir/DocumentReference/old"}
    replacing = {"code": "replaces", "target": target}
    path = tmp_path / "n.ndjson"
    path.write_text(json.dumps(document("new", patient="Patient/7", relatesTo=[replacing])))
    (gone,) = [one for one in read(path) if isinstance(one, Rejection)]
    assert (gone.resource_id, gone.patient_id, gone.withdrawn) == ("DocumentReference/old", "7", True)


@pytest.mark.parametrize("form", FORMS)
def test_a_subject_whose_entry_is_no_patient_is_refused(tmp_path: Path, form: str) -> None:
    group = {"resourceType": "Group", "id": "7"}
    value = bundle(entry(document("d1", patient=f"urn:uuid:{A_UUID}")), entry(group, f"urn:uuid:{A_UUID}"))
    assert refusals(read_bundle(tmp_path, value, form)) == [
        ("DocumentReference/d1", "The note's subject is no patient.")
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("reference", "full_url", "patient", "expected"),
    [
        ("Patient/7", "https://a.example/fhir/Patient/7", {"id": "7"}, "7"),
        ("https://a.example/fhir/Patient/7", "https://a.example/fhir/Patient/7", {"id": "7"}, "7"),
        ("https://b.example/fhir/Patient/7", "https://a.example/fhir/Patient/7", {"id": "7"},
         "https://b.example/fhir/Patient/7"),
        (f"urn:uuid:{A_UUID}", f"urn:uuid:{A_UUID}", {"id": "7"}, "7"),
        (f"urn:uuid:{A_UUID.upper()}", f"urn:uuid:{A_UUID}", {"id": "7"}, "7"),
        (f"urn:uuid:{A_UUID}", f"urn:uuid:{A_UUID}", {"identifier": [{"system": "urn:m", "value": "8"}]}, "urn:m|8"),
        (f"urn:uuid:{A_UUID}", f"urn:uuid:{A_UUID}", {}, A_UUID),
        ("urn:uuid:p", "urn:uuid:p", {}, "urn:uuid:p"),
        ("urn:oid:1.2.3", "urn:oid:1.2.3", {"id": "7"}, "7"),
        ("urn:uuid:7", None, {"id": "7"}, "urn:uuid:7"),
        (
            f"urn:uuid:{A_UUID}",
            f"urn:uuid:{A_UUID}",
            {
                "identifier": [
                    {"system": "urn:old", "value": "1", "use": "old"},
                    {"system": "urn:ins", "value": "2"},
                    {"system": "urn:mrn", "value": "3", "type": {"coding": [{"code": "MR"}]}},
                ]
            },
            "urn:mrn|3",
        ),
    ],
)  # fmt: skip
def test_a_patient_of_the_bundle(
    tmp_path: Path, form: str, reference: str, full_url: str | None, patient: dict[str, Any], expected: str
) -> None:
    note = entry(document("d1", patient=reference), "https://a.example/fhir/DocumentReference/d1")
    value = bundle(note, entry({"resourceType": "Patient", **patient}, full_url))
    assert patients(read_bundle(tmp_path, value, form)) == [expected]


def test_patients_of_one_id_and_two_servers_are_not_one(tmp_path: Path) -> None:
    for server in ("a", "b"):
        base = f"https://{server}.example/fhir"
        value = bundle(
            entry(document(f"{server}1", patient="Patient/7"), f"{base}/DocumentReference/{server}1")
        )
        (tmp_path / f"{server}.json").write_text(json.dumps(value))
    found = read(tmp_path)
    assert list(texts(found)) == ["DocumentReference/a1"]
    (clash,) = [one for one in found if isinstance(one, Rejection)]
    assert clash.reason == "Two sources of patient ids gave the same one in this run."
    assert "https://b.example/fhir/Patient/7" in clash.remedy
    assert "https://a.example/fhir" in clash.remedy
    mapped = read(tmp_path, maps=("patient_id=patient_reference",))
    assert patients(mapped) == ["https://a.example/fhir/Patient/7", "https://b.example/fhir/Patient/7"]


def test_patients_of_one_id_in_two_documents_are_not_one(tmp_path: Path) -> None:
    for number, mrn in enumerate(("1", "2", "1")):
        urls = [f"urn:uuid:{number}{kind}2222222{A_UUID[8:]}"[:45] for kind in "ab"]
        patient = {"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:mrn", "value": mrn}]}
        note = document(None, patient=urls[1])
        (tmp_path / f"{number}.json").write_text(
            json.dumps(bundle(entry(note, urls[0]), entry(patient, urls[1])))
        )
    found = read(tmp_path)
    assert [type(one).__name__ for one in found] == ["SourceRecord", "Rejection", "SourceRecord"]


@pytest.mark.parametrize(
    "other",
    [
        {"reference": "Patient?identifier=7"},
        {"identifier": {"value": "7"}},
        {"reference": "#p"},
    ],
)
def test_a_number_without_a_system_is_not_a_servers_id(tmp_path: Path, other: dict[str, Any]) -> None:
    contained = [{"resourceType": "Patient", "id": "p", "identifier": [{"value": "7"}]}]
    path = tmp_path / "n.ndjson"
    notes = [document("1", patient="Patient/7"), document("2", subject=other, contained=contained)]
    path.write_text("\n".join(json.dumps(note) for note in notes))
    found = read(path)
    assert patients(found) == ["7"]
    assert refusals(found) == [
        ("DocumentReference/2", "Two sources of patient ids gave the same one in this run.")
    ]


def test_seven_subjects_are_seven(tmp_path: Path) -> None:
    references = [
        *("Patient/7", "Device/7", "Group/7", "https://b.example/fhir/Patient/7", "Practitioner/7"),
        *("Patient?identifier=urn:x|7", "urn:uuid:7"),
    ]
    path = tmp_path / "n.ndjson"
    path.write_text("\n".join(json.dumps(document(str(n), patient=one)) for n, one in enumerate(references)))
    assert patients(read(path)) == ["7", "https://b.example/fhir/Patient/7", "urn:x|7", "urn:uuid:7"]


def test_notes_of_one_id_and_two_servers_are_not_one(tmp_path: Path) -> None:
    notes = [entry(document("1"), f"https://{server}.example/DocumentReference/1") for server in "ab"]
    found = read_bundle(tmp_path, bundle(*notes))
    assert len(texts(found)) == 1
    assert refusals(found) == [("DocumentReference/1", "Two servers have a note of this type and id.")]


def test_equal_full_urls_in_two_bundles_are_two_patients(tmp_path: Path) -> None:
    values = [
        bundle(
            entry(document(name, patient="urn:uuid:pat")),
            entry({"resourceType": "Patient", "id": name}, "urn:uuid:pat"),
        )
        for name in ("one", "two")
    ]
    (tmp_path / "b.json").write_text("\n".join(json.dumps(value, indent=1) for value in values))
    (tmp_path / "c.ndjson").write_text("\n".join(json.dumps(value) for value in values))
    assert patients(read(tmp_path / "b.json")) == ["one", "two"]
    assert patients(read(tmp_path / "c.ndjson")) == ["one", "two"]


# What a note is known by


@pytest.mark.parametrize(
    ("resource", "full_url", "expected"),
    [
        (document("1"), f"urn:uuid:{A_UUID}", "DocumentReference/1"),
        (document(None), f"urn:uuid:{A_UUID.upper()}", f"DocumentReference/{A_UUID}"),
        (document(None), "https://a.example/fhir/DocumentReference/5", "DocumentReference/5"),
        (document(None), "https://a.example/letters?5", "DocumentReference/https://a.example/letters?5"),
        (
            document(None, masterIdentifier={"system": "urn:x", "value": "5"}),
            None,
            "DocumentReference/urn:x|5",
        ),
        (document(None, identifier=[{"value": "5"}]), None, "DocumentReference/5"),
        (
            document(None, identifier=[{"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2"}]),
            None,
            "DocumentReference/urn:oid:1.2",
        ),
    ],
)
def test_notes_without_an_id(
    tmp_path: Path, resource: dict[str, Any], full_url: str | None, expected: str
) -> None:
    for form in FORMS:
        assert list(texts(read_bundle(tmp_path, bundle(entry(resource, full_url)), form))) == [expected]


def test_a_document_has_its_bundles_identifier(tmp_path: Path) -> None:
    section = {"title": "Plan", "text": {"div": "<div>Rest.</div>"}}
    composition = {"resourceType": "Composition", "type": {"text": "t"}, "section": [section]}
    composition["subject"] = {"reference": "Patient/7"}
    value = bundle(entry(composition), identifier={"system": "urn:docs", "value": "9"})
    for form in ("streamed", "line", "piped"):
        assert list(texts(read_bundle(tmp_path, value, form))) == ["Composition/urn:docs|9"]


def test_what_names_a_note_can_be_mapped(tmp_path: Path) -> None:
    note = document(None, identifier=[{"system": "urn:x", "value": "5"}])
    path = tmp_path / "b.json"
    path.write_text(json.dumps(bundle(entry(note, f"urn:uuid:{A_UUID}"))))
    for column, expected in (("fullUrl", f"urn:uuid:{A_UUID}"), ("identifier", "urn:x|5")):
        assert list(texts(read(path, maps=(f"resource_id={column}",)))) == [expected]


def test_a_note_that_is_known_by_a_mapped_column_is_taken_back_by_it(tmp_path: Path) -> None:
    more = {"identifier": [{"system": "urn:x", "value": "5"}]}
    path = tmp_path / "b.json"
    path.write_text(json.dumps(bundle(entry(document("1", status="entered-in-error", **more)))))
    (gone,) = read(path, maps=("resource_id=identifier", "patient_id=patient_reference"))
    assert isinstance(gone, Rejection)
    assert (gone.resource_id, gone.patient_id, gone.withdrawn) == ("urn:x|5", "Patient/p9", True)


def test_a_note_that_nothing_names_is_told_what_there_is(tmp_path: Path) -> None:
    (only,) = read_bundle(tmp_path, bundle(entry(document(None))))
    assert isinstance(only, Rejection)
    assert only.reason == "resource_id is missing."
    assert "--map resource_id=COLUMN" in only.remedy
    assert "--default" not in only.remedy


def test_a_note_without_a_type_is_told_what_there_is(tmp_path: Path) -> None:
    (only,) = read_bundle(tmp_path, bundle(entry(document("1", type={}, description="Letter"))))
    assert isinstance(only, Rejection)
    assert only.reason == "document_type is missing."
    assert "description" in only.remedy
    assert "--default document_type=VALUE" in only.remedy


# Binaries


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("url", "full_url", "name"),
    [
        (f"urn:uuid:{A_UUID}", f"urn:uuid:{A_UUID}", None),
        ("Binary/b", None, "b"),
        ("Binary/b/_history/2", None, "b"),
        ("Binary/b", "https://a.example/fhir/Binary/b", "b"),
        ("https://a.example/fhir/Binary/b", "https://a.example/fhir/Binary/b", None),
        ("https://A.example/fhir/Binary/b", "https://a.example/fhir/Binary/b", "b"),
        ("https://a.example/files/b", "https://a.example/files/b", None),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_binary_is_found_by_its_address(
    tmp_path: Path, form: str, url: str, full_url: str | None, name: str | None, first: bool
) -> None:
    note = entry(linked("1", url), "https://a.example/fhir/DocumentReference/1")
    both = [note, entry(binary(name, "Apixaban 5 mg."), full_url)]
    value = bundle(*(reversed(both) if first else both))
    assert texts(read_bundle(tmp_path, value, form)) == {"DocumentReference/1": "Apixaban 5 mg."}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("url", "others"),
    [
        ("https://b.example/fhir/Binary/b", [entry(binary("b", "x"), "https://a.example/fhir/Binary/b")]),
        ("Binary/b", [entry(binary("b", "x"), "https://b.example/fhir/Binary/b")]),
        ("Binary/b", [entry(binary("b", "x")), entry(binary("b", "y"))]),
        ("Binary/c", [entry(binary("b", "x"))]),
        ("https://a.example/x.pdf", []),
        ("#b", []),
    ],
)
def test_content_that_no_one_binary_holds_is_refused(
    tmp_path: Path, form: str, url: str, others: list[dict[str, Any]]
) -> None:
    note = entry(linked("1", url), "https://a.example/fhir/DocumentReference/1")
    found = read_bundle(tmp_path, bundle(note, *others), form)
    assert refusals(found) == [("DocumentReference/1", "The attachment's content is not in the file.")]


def test_a_contained_binary_and_data_in_the_address(tmp_path: Path) -> None:
    notes = [
        linked("1", "#b", contained=[binary("b", "Contained.")]),
        linked("2", f"data:text/html;base64,{encoded('<p>Data.</p>')}"),
    ]
    assert texts(read_bundle(tmp_path, bundle(*map(entry, notes)))) == {
        "DocumentReference/1": "Contained.",
        "DocumentReference/2": "Data.",
    }


def test_the_binary_says_what_its_bytes_are(tmp_path: Path) -> None:
    values = [
        entry(linked("1", "Binary/1")),
        entry(binary("1", "%PDF-1.7", contentType="application/pdf")),
        entry(linked("2", "Binary/2")),
        entry(binary("2", "<p>Rest.</p>", contentType="text/html")),
        entry(linked("3", "Binary/3")),
        entry(binary("3", "Theirs.", securityContext={"reference": "Patient/other"})),
    ]
    found = read_bundle(tmp_path, bundle(*values))
    assert texts(found) == {"DocumentReference/2": "Rest."}
    assert refusals(found) == [
        ("DocumentReference/1", "The attachment is not text."),
        ("DocumentReference/3", "The attachment's content belongs to another patient."),
    ]


@pytest.mark.parametrize("name", ["Binary.ndjson", "zz-binaries.ndjson", "Binary.000.jsonl"])
def test_binaries_of_a_bulk_export_lie_in_a_file_of_their_own(tmp_path: Path, name: str) -> None:
    (tmp_path / "DocumentReference.ndjson").write_text(
        json.dumps(linked("1", "Binary/b")) + "\n" + json.dumps(linked("2", "Binary/none"))
    )
    (tmp_path / name).write_text(json.dumps(binary("b", "Apixaban 5 mg.")))
    found = read(tmp_path)
    assert texts(found) == {"DocumentReference/1": "Apixaban 5 mg."}
    assert refusals(found) == [("DocumentReference/2", "The attachment's content is not in the file.")]
    (note,) = [one for one in found if isinstance(one, SourceRecord)]
    assert note.position == "file DocumentReference.ndjson, line 1"


def test_binaries_of_another_export_are_not_taken(tmp_path: Path) -> None:
    for site, resource in (("a", linked("1", "Binary/b")), ("b", binary("b", "Another patient's."))):
        (tmp_path / site).mkdir()
        (tmp_path / site / "export.ndjson").write_text(json.dumps(resource))
    assert texts(read(tmp_path)) == {}


def test_what_waits_and_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fhir_stream, "WAITING_BYTES_MAX", 2000)
    notes = [entry(linked(str(number), f"Binary/{number}")) for number in range(20)]
    binaries = [entry(binary(str(number), f"Note {number}.")) for number in range(20)]
    found = read_bundle(tmp_path, bundle(*notes, *binaries))
    assert 0 < len(texts(found)) < 20
    assert len(found) == 20
    monkeypatch.setattr("pipeline.readers.json.records.BinaryMemory", lambda: BinaryMemory(100))
    found = read_bundle(tmp_path, bundle(*binaries, *notes))
    assert 0 < len(texts(found)) < 20
    assert {reason for _, reason in refusals(found)} == {"The attachment's content was passed over."}


# Bundles, Lists and what is in neither


@pytest.mark.parametrize("form", FORMS)
def test_an_entry_without_a_resource_is_no_record(tmp_path: Path, form: str) -> None:
    value = bundle(
        entry(full_url="urn:uuid:1"),
        entry(response={"status": "201 Created", "location": "DocumentReference/1"}),
        entry(search={"mode": "match"}),
        entry(request={"method": "GET", "url": "DocumentReference/1"}),
        entry(document("1")),
    )
    found = read_bundle(tmp_path, value, form)
    assert len(found) == 1
    assert list(texts(found)) == ["DocumentReference/1"]


@pytest.mark.parametrize("form", FORMS)
def test_a_list_is_not_a_bundle(tmp_path: Path, form: str) -> None:
    items = [{"item": {"reference": "DocumentReference/1"}, "deleted": True}, {"flag": {"text": "x"}}]
    value = {"resourceType": "List", "status": "current", "mode": "working", "entry": items}
    found = read_bundle(tmp_path, value, form)
    assert [one.reason for one in found if isinstance(one, Rejection)] == [
        "No note was found in the whole input."
    ]


def test_bundles_in_bundles_and_what_an_operation_returns(tmp_path: Path) -> None:
    inner = bundle(entry(linked("1", "Binary/b")), entry(binary("b", "Inner.")))
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "return", "part": [{"name": "r", "resource": document("2")}]}],
    }
    for form in FORMS:
        found = read_bundle(tmp_path, bundle(entry(inner), entry(parameters)), form)
        assert texts(found) == {"DocumentReference/1": "Inner.", "DocumentReference/2": "Rest."}
    deep = document("1")
    for _ in range(12):
        deep = bundle(entry(deep))
    assert [reason for _, reason in refusals(read_bundle(tmp_path, deep))] == [
        "Bundles are nested too deeply."
    ]


def test_entries_by_themselves(tmp_path: Path) -> None:
    path = tmp_path / "entries.jsonl"
    path.write_text(
        json.dumps(entry(document(None), f"urn:uuid:{A_UUID}"))
        + "\n"
        + json.dumps(entry(request={"method": "DELETE", "url": "Composition/2"}))
    )
    found = read(path)
    assert list(texts(found)) == [f"DocumentReference/{A_UUID}"]
    assert refusals(found) == [("Composition/2", "The note was deleted at its source.")]


# What was taken back


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"status": "entered-in-error"}, "The note was entered in error."),
        ({"status": "Entered-In-Error"}, "The note was entered in error."),
        ({"docStatus": "entered-in-error"}, "The note was entered in error."),
        ({"docStatus": "cancelled"}, "The report was cancelled."),
        ({"docStatus": "deprecated"}, "The note was superseded."),
        ({"meta": {"tag": [{"code": "voided"}]}}, "The note was entered in error."),
        ({"meta": {"security": [{"code": "entered-in-error"}]}}, "The note was entered in error."),
        (
            {"meta": {"extension": [{"url": "http://azurehealthcareapis.com/data-extensions/deleted-state",
                                     "valueString": "soft-deleted"}]}},
            "The note was deleted at its source.",
        ),
    ],
)  # fmt: skip
def test_a_note_that_was_taken_back(tmp_path: Path, form: str, more: dict[str, Any], reason: str) -> None:
    (only,) = read_bundle(tmp_path, bundle(entry(document("1", **more))), form)
    assert isinstance(only, Rejection)
    assert (only.resource_id, only.reason, only.withdrawn, only.patient_id) == (
        "DocumentReference/1",
        reason,
        True,
        "p9",
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("DocumentReference/1", "DocumentReference/1"),
        ("/DocumentReference/1", "DocumentReference/1"),
        ("DocumentReference/1/_history/3", "DocumentReference/1"),
        ("https://a.example/fhir/Composition/1", "Composition/1"),
        ("DocumentReference?_id=1", "DocumentReference/1"),
        ("Patient/1", None),
        ("Observation?code=x", None),
    ],
)
def test_deletions(tmp_path: Path, url: str, expected: str | None) -> None:
    value = bundle(entry(request={"method": "delete", "url": url}), entry(document("9")))
    for form in FORMS:
        found = read_bundle(tmp_path, value, form)
        assert [one.resource_id for one in found if isinstance(one, Rejection)] == (
            [expected] if expected else []
        )


def test_a_conditional_deletion_is_said(tmp_path: Path) -> None:
    value = bundle(entry(request={"method": "DELETE", "url": "DocumentReference?patient=7"}))
    (only,) = read_bundle(tmp_path, value)
    assert isinstance(only, Rejection)
    assert only.reason == "The deletion names no single note."
    assert not only.withdrawn


def meta(version: int, day: int) -> dict[str, Any]:
    return {"meta": {"versionId": str(version), "lastUpdated": f"2024-01-0{day}T00:00:00Z"}}


@pytest.mark.parametrize(
    ("form", "versions"),
    # Where keys are sorted, the Bundle's type comes last, and versions alone say which entry is the newest.
    [(form, versions) for form in FORMS for versions in (True, False) if versions or form != "sorted"],
)
@pytest.mark.parametrize("newest", ["retracted", "deleted", "standing"])
def test_a_history_ends_as_its_newest_version(tmp_path: Path, form: str, versions: bool, newest: str) -> None:
    def at(number: int) -> dict[str, Any]:
        return meta(number, number) if versions else {}

    def response(number: int) -> dict[str, Any]:
        when = {"lastModified": f"2024-01-0{number}T00:00:00Z", "etag": f'W/"{number}"'}
        return {"response": {"status": "200", **(when if versions else {})}}

    old = entry(document("1", "Old.", **at(1)), request={"method": "POST", "url": "DocumentReference"})
    gone = {
        "retracted": [entry(document("1", "Wrong.", status="entered-in-error", **at(2)))],
        "deleted": [entry(request={"method": "DELETE", "url": "DocumentReference/1"}, **response(2))],
    }
    if newest == "standing":
        entries = [entry(document("1", "New.", **at(3))), *gone["deleted"], old]
    else:
        entries = [*gone[newest], old]
    found = read_bundle(tmp_path, bundle(*entries, type="history"), form)
    if newest == "standing":  # which version is the newest is judged where records are accepted
        assert [one.fields["text_content"] for one in found if isinstance(one, SourceRecord)] == [
            "New.",
            "Old.",
        ]
        assert refusals(found) == []
    else:
        assert texts(found) == {}
        assert all(isinstance(one, Rejection) and one.withdrawn for one in found)


def test_a_deletion_that_was_overtaken_is_none(tmp_path: Path) -> None:
    (tmp_path / "1.ndjson").write_text(json.dumps(document("1", "New.", **meta(3, 3))))
    deleted = entry(
        request={"method": "DELETE", "url": "DocumentReference/1"},
        response={"lastModified": "2024-01-02T00:00:00Z", "status": "204"},
    )
    (tmp_path / "2.ndjson").write_text(json.dumps(bundle(deleted)))
    found = read(tmp_path)
    assert texts(found) == {"DocumentReference/1": "New."}
    assert not any(isinstance(one, Rejection) for one in found)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "related",
    [
        {"code": "replaces", "target": {"reference": "DocumentReference/old"}},
        {"code": "replaces", "target": {"reference": "DocumentReference/old/_history/1"}},
        {"code": {"coding": [{"code": "replaces"}]}, "target": {"reference": "DocumentReference/old"}},
        {"code": "replaces", "target": {"reference": f"urn:uuid:{A_UUID}"}},
    ],
)
@pytest.mark.parametrize("status", ["current", "superseded"])
@pytest.mark.parametrize("first", [True, False])
def test_a_note_that_is_replaced(
    tmp_path: Path, form: str, related: dict[str, Any], status: str, first: bool
) -> None:
    old = entry(document("old", "5 mg.", status=status), f"urn:uuid:{A_UUID}")
    new = entry(document("new", "2 mg.", relatesTo=[related]))
    found = read_bundle(tmp_path, bundle(*((old, new) if first else (new, old))), form)
    standing: dict[str, str] = {}
    for one in found:  # as a run would store and remove
        if isinstance(one, SourceRecord):
            standing[one.fields["resource_id"]] = one.fields["text_content"]
        elif one.withdrawn:
            standing.pop(one.resource_id or "", None)
    assert standing == {"DocumentReference/new": "2 mg."}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", ["masterIdentifier", "identifier"])
def test_a_note_is_replaced_by_its_number(tmp_path: Path, form: str, first: bool, name: str) -> None:
    number = {"system": "urn:documents", "value": "D1"}
    old = entry(document("old", "5 mg.", **{name: number if name == "masterIdentifier" else [number]}))
    new = entry(document("new", "2 mg.", relatesTo=[{"code": "replaces", "target": {"identifier": number}}]))
    other = entry(document("other", "Other.", patient="Patient/other", **{name: number}))
    standing: dict[str, str] = {}
    for one in read_bundle(tmp_path, bundle(*((old, new, other) if first else (new, old, other))), form):
        if isinstance(one, SourceRecord):
            standing[one.fields["resource_id"]] = one.fields["text_content"]
        elif one.withdrawn:
            standing.pop(one.resource_id or "", None)
    assert standing == {"DocumentReference/new": "2 mg.", "DocumentReference/other": "Other."}


def test_a_note_of_the_same_number_is_not_replaced_by_itself(tmp_path: Path) -> None:
    number = {"system": "urn:documents", "value": "D1"}
    related = [{"code": "replaces", "target": {"identifier": number}}]
    new = document("new", "2 mg.", identifier=[number], relatesTo=related)
    assert list(texts(read_bundle(tmp_path, bundle(entry(new))))) == ["DocumentReference/new"]


def test_a_note_does_not_replace_itself_or_another_servers(tmp_path: Path) -> None:
    targets = ["DocumentReference/1/_history/1", "https://b.example/fhir/DocumentReference/2", "Patient/3"]
    note = document("1", relatesTo=[{"code": "replaces", "target": {"reference": one}} for one in targets])
    found = read_bundle(tmp_path, bundle(entry(note, "https://a.example/fhir/DocumentReference/1")))
    assert list(texts(found)) == ["DocumentReference/1"]
    assert refusals(found) == []


@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
def test_a_stored_note_that_is_replaced_goes(tmp_path: Path, name: str) -> None:
    new = document(
        "new", relatesTo=[{"code": "replaces", "target": {"reference": "DocumentReference/stored"}}]
    )
    (tmp_path / name).write_text(json.dumps(bundle(entry(new))))
    gone = [one for one in read(tmp_path / name) if isinstance(one, Rejection)]
    assert [(one.resource_id, one.withdrawn, one.patient_id) for one in gone] == [
        ("DocumentReference/stored", True, "p9")
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("first", [True, False])
def test_nobody_takes_back_another_patients_note(tmp_path: Path, form: str, first: bool) -> None:
    theirs = entry(document("1", "Penicillin allergy.", patient="Patient/other"))
    related = {"code": "replaces", "target": {"reference": "DocumentReference/1"}}
    for ours in (document("1", status="entered-in-error"), document("2", relatesTo=[related])):
        found = read_bundle(
            tmp_path, bundle(*((theirs, entry(ours)) if first else (entry(ours), theirs))), form
        )
        assert texts(found)["DocumentReference/1"] == "Penicillin allergy."
        assert all(one.patient_id == "p9" for one in found if isinstance(one, Rejection))


def test_a_deletion_of_another_server_takes_nothing_back(tmp_path: Path) -> None:
    note = entry(document("1"), "https://a.example/fhir/DocumentReference/1")
    gone = entry(
        None,
        "https://b.example/fhir/DocumentReference/1",
        request={"method": "DELETE", "url": "DocumentReference/1"},
    )
    found = read_bundle(tmp_path, bundle(note, gone))
    assert list(texts(found)) == ["DocumentReference/1"]
    assert [one.withdrawn for one in found if isinstance(one, Rejection)] == [False]


def test_a_deletion_by_its_whole_address_is_that_servers(tmp_path: Path) -> None:
    value = bundle(entry(request={"method": "DELETE", "url": "https://b.example/fhir/DocumentReference/1"}))
    (gone,) = read_bundle(tmp_path, value)
    assert isinstance(gone, Rejection)
    assert gone.authority == ("fhir server", "https://b.example/fhir")


def test_superseded_without_a_replacement_is_kept_with_its_status(tmp_path: Path) -> None:
    (only,) = read_bundle(
        tmp_path, bundle(entry(document("1", status="superseded", docStatus="preliminary")))
    )
    assert isinstance(only, SourceRecord)
    assert only.fields["metadata"]["status"] == "superseded"
    assert only.fields["metadata"]["doc_status"] == "preliminary"


@pytest.mark.parametrize("name", ["modifierExtension", "implicitRules"])
def test_what_may_change_the_meaning_is_refused(tmp_path: Path, name: str) -> None:
    (only,) = read_bundle(tmp_path, bundle(entry(document("1", **{name: [{"url": "urn:negated"}]}))))
    assert isinstance(only, Rejection)
    assert only.reason == "The resource carries an extension that may change its meaning."


# One bad resource


@pytest.mark.parametrize("odd", [{"resourceType": {}}, {"resourceType": 5}, {"resourceType": None}, {}])
@pytest.mark.parametrize("form", FORMS)
def test_an_odd_type_costs_no_other(tmp_path: Path, form: str, odd: dict[str, Any]) -> None:
    found = read_bundle(tmp_path, bundle(entry(odd), entry(document("1"))), form)
    assert list(texts(found)) == ["DocumentReference/1"]
    assert "fault in this program" not in str(found)


def test_an_odd_resource_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = document("2")
    bomb["content"] = [
        {"attachment": {"contentType": "text/html", "data": encoded(f"&#{'9' * 4301}; &#65;")}}
    ]
    found = read_bundle(tmp_path, bundle(entry(document("1")), entry(bomb), entry(document("3"))))
    assert texts(found)["DocumentReference/2"] == "\ufffd A"
    assert len(texts(found)) == 3

    def broken(*_: object) -> str:
        raise RuntimeError("a text that must not be told")

    monkeypatch.setattr("pipeline.readers.fhir.notes.attachment_text", broken)
    found = read_bundle(
        tmp_path, bundle(entry(document("1")), entry({**document("2"), "status": "entered-in-error"}))
    )
    assert refusals(found) == [
        ("DocumentReference/1", "The record could not be read because of a fault in this program."),
        ("DocumentReference/2", "The note was entered in error."),
    ]
    assert "told" not in str(found)
    assert "RuntimeError" in str(found)


def test_a_fault_in_one_that_waited_costs_no_other_that_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fhir_notes.notes

    def broken(resource: Any, *given: Any, final: bool, **more: Any) -> Any:
        if final and resource["id"] == "1":
            raise ZeroDivisionError
        return whole(resource, *given, final=final, **more)

    monkeypatch.setattr(fhir_notes, "notes", broken)
    notes = (linked("1", "Binary/b"), linked("2", "Binary/b"))
    (tmp_path / "notes.ndjson").write_text("\n".join(map(json.dumps, notes)))
    (tmp_path / "zz.ndjson").write_text(json.dumps(binary("b", "Well.")))
    found = read(tmp_path)
    assert texts(found) == {"DocumentReference/2": "Well."}
    assert refusals(found) == [(None, "The record could not be read because of a fault in this program.")]
