"""What each format says of a note's patient besides the note: names, sex, birth date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.patients import FEMALE, MALE, OTHER, PersonName, SourcePatient
from tests.readers.reading import notes
from tests.readers.test_cda import cda
from tests.readers.test_fhir_bundles import A_UUID, document
from tests.readers.test_hl7v2 import TXA, mdm, message

EVA = PersonName(("Eva", "Maria"), ("Nowak",))


def said(tmp_path: Path, content: str, name: str) -> SourcePatient | None:
    path = tmp_path / name
    path.write_text(content)
    (found,) = notes(path)
    return found.document.patient


def bundle(*resources: dict[str, Any]) -> str:
    entries = [{"resource": resource, "fullUrl": f"urn:uuid:{A_UUID}"} for resource in resources[:1]]
    entries += [{"resource": resource} for resource in resources[1:]]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": A_UUID, **elements}


NAME = {"use": "official", "family": "Nowak", "given": ["Eva", "Maria"], "prefix": ["Mrs."]}


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (
            {"name": [NAME, {"use": "maiden", "family": "Kowalski", "given": ["Eva"]}], "gender": "female"},
            SourcePatient("fhir", (EVA, PersonName(("Eva",), ("Kowalski",))), FEMALE),
        ),
        ({"name": [NAME], "birthDate": "1970-03"}, SourcePatient("fhir", (EVA,), None, "1970-03")),
        ({"name": [{"text": "Eva Maria Nowak"}]}, SourcePatient("fhir", (EVA,))),
        (
            {"name": [{"family": ["van", "Dyke"], "given": ["Jo"], "suffix": ["Jr."]}]},
            SourcePatient("fhir", (PersonName(("Jo",), ("van", "Dyke"), "Jr"),)),
        ),
        ({"name": [{**NAME, "use": "anonymous"}], "gender": "other"}, SourcePatient("fhir", (), OTHER)),
        ({"name": [{"family": "Nowak"}]}, SourcePatient("fhir", (PersonName((), ("Nowak",)),))),
        ({"name": "Eva", "gender": 7, "birthDate": "soon"}, None),
        ({"name": [{"family": "XXXX", "given": ["XXXX"]}], "gender": "unknown"}, None),
        ({}, None),
    ],
)
def test_a_fhir_patient(tmp_path: Path, elements: dict[str, Any], expected: SourcePatient | None) -> None:
    note = document("1", patient=f"urn:uuid:{A_UUID}")
    assert said(tmp_path, bundle(patient(**elements), note), "a.json") == expected
    assert said(tmp_path, bundle(patient(**elements), note).replace("}, {", "},\n {"), "b.json") == expected


def test_a_fhir_patient_that_comes_after_the_note(tmp_path: Path) -> None:
    entries = [
        {"resource": document("1", patient=f"urn:uuid:{A_UUID}")},
        {"resource": patient(name=[NAME]), "fullUrl": f"urn:uuid:{A_UUID}"},
    ]
    content = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
    assert said(tmp_path, content, "a.json") == SourcePatient("fhir", (EVA,))


def test_a_contained_fhir_patient(tmp_path: Path) -> None:
    contained = [{"resourceType": "Patient", "id": "p", "identifier": [{"value": "7"}], "name": [NAME]}]
    note = document("1", patient="#p", contained=contained)
    assert said(tmp_path, json.dumps(note), "a.json") == SourcePatient("fhir", (EVA,))


@pytest.mark.parametrize(
    ("display", "names"),
    [("Nowak, Eva Maria", (EVA,)), ("Eva Maria Nowak", (EVA,)), ("Patient 7", ()), ("Nowak", ()), (7, ())],
)
def test_the_words_of_a_reference(tmp_path: Path, display: object, names: tuple[PersonName, ...]) -> None:
    note = document("1", subject={"reference": "Patient/7", "display": display})
    assert said(tmp_path, json.dumps(note), "a.json") == (SourcePatient("fhir", names) if names else None)


def test_another_patient_of_the_bundle_is_not_the_note_s(tmp_path: Path) -> None:
    note = document("1", patient="Patient/7")
    assert said(tmp_path, bundle(patient(name=[NAME]), note), "a.json") is None


@pytest.mark.parametrize(
    ("pid", "expected"),
    [
        (
            "PID|1||7||NOWAK^EVA^MARIA||19700301|F",
            SourcePatient("hl7v2", (PersonName(("EVA", "MARIA"), ("NOWAK",)),), FEMALE, "1970-03-01"),
        ),
        (
            "PID|1||7||van Dyke&van&Dyke^Jo^^Jr~Nowak^Jo||1970|M",
            SourcePatient(
                "hl7v2",
                (PersonName(("Jo",), ("van", "Dyke"), "Jr"), PersonName(("Jo",), ("Nowak",))),
                MALE,
                "1970",
            ),
        ),
        ('PID|1||7||""^""||""|U', None),
        ("PID|1||7", None),
    ],
)
def test_the_pid_of_a_message(tmp_path: Path, pid: str, expected: SourcePatient | None) -> None:
    assert said(tmp_path, mdm(pid=pid), "a.hl7") == expected


def test_each_report_of_a_message_has_its_own_patient(tmp_path: Path) -> None:
    path = tmp_path / "a.hl7"
    path.write_text(
        message(
            *("PID|1||7||NOWAK^EVA", "OBR|1||A|CT", "OBX|1|TX|||Chest normal."),
            *("PID|2||8||SMITH^JOHN", "OBR|1||B|CT", "OBX|1|TX|||Skull normal."),
            kind="ORU^R01",
        )
    )
    found = {each.document.patient_id: each.document.patient for each in notes(path)}
    assert {key: value.names[0].text for key, value in found.items() if value} == {
        "7": "EVA NOWAK",
        "8": "JOHN SMITH",
    }


def test_the_header_of_a_cda_document(tmp_path: Path) -> None:
    role = (
        '<id root="1.2.3.4.5.6.7.8" extension="7"/><patient><name use="L"><given>Eva</given><given>Maria</given>'
        "<family>Nowak</family></name><name><given>Eva</given><family>Kowalski</family></name>"
        '<administrativeGenderCode code="F"/><birthTime value="19700301"/></patient>'
    )
    assert said(tmp_path, cda(role=role), "a.xml") == SourcePatient(
        "cda", (EVA, PersonName(("Eva",), ("Kowalski",))), FEMALE, "1970-03-01"
    )
    assert said(tmp_path, cda(), "b.xml") is None


def test_what_is_said_of_the_patient_makes_no_other_note(tmp_path: Path) -> None:
    path = tmp_path / "a.hl7"
    prints = set()
    for pid in ("PID|1||7||NOWAK^EVA", "PID|1||7||KOWALSKI^EVA", "PID|1||7"):
        path.write_text(message(pid, TXA, "OBX|1|TX|||Rest."))
        (found,) = notes(path)
        prints.add(found.document.fingerprint())
        assert "patient" not in found.document.fields()
    assert len(prints) == 1
