"""Patients over HTTP: found by what is typed, read with their sources, and listed note by note, each within a scope."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.service.access.policy import DEMO
from pipeline.service.access.visibility import Visibility
from tests.service.running import Running, index, running, settings_in

NOTES = (
    ("n1", "p1", "cardiology", "2024-05-06", "Patient: Eva Nowak\nDOB: 1970-03-01\nSex: F\n\nCough."),
    ("n2", "p1", "oncology", "2023-01-01", "Patient: Eva Kowalski\n\nFever."),
    ("n3", "p1", "cardiology", None, "Cough."),
    ("n4", "p2", "oncology", "2022-02-02", "Patient: Eva Nowak\n\nRash."),
    ("n5", "ward/3", "cardiology", "2021-01-01", "Patient: Zoë Ünal\n\nRash."),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("patients")
    written = folder / "notes.jsonl"
    names = ("resource_id", "patient_id", "domain", "date", "text_content")
    lines = [{"document_type": "Letter", **dict(zip(names, note, strict=True))} for note in NOTES]
    lines[0] |= {"author": "Dr. Osei", "encounter_id": "e1", "title": "Letter to the ward"}
    written.write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = settings_in(folder / "data")
    index(settings, written)
    with running(settings) as found:
        yield found


def sees(*domains: str) -> Visibility:
    return Visibility(frozenset(domains), None)


def ids(found: Any) -> list[str]:
    return [patient["patient_id"] for patient in found]


def test_patients_are_found_by_what_is_typed(service: Running) -> None:
    client = service.client(service.key())
    everyone = client.get("/v1/patients").json()
    assert ids(everyone["patients"]) == ["p1", "p2", "ward/3"]
    assert (everyone["next"], everyone["complete"], everyone["near"]) == (None, True, [])
    for typed, wanted in {
        "now": ["p1", "p2"],
        "KOWALSKI eva": ["p1"],
        "unal": ["ward/3"],
        "war": ["ward/3"],
    }.items():
        assert ids(client.get("/v1/patients", params={"query": typed}).json()["patients"]) == wanted, typed
    missed = client.get("/v1/patients", params={"query": "Eva Novak"}).json()
    assert (missed["patients"], ids(missed["near"])) == ([], ["p1", "p2"])


def test_patients_come_by_the_page(service: Running) -> None:
    client = service.client(service.key())
    seen, after = [], ""
    while True:
        page = client.get("/v1/patients", params={"limit": 1, "after": after}).json()
        seen += ids(page["patients"])
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == ["p1", "p2", "ward/3"]


def test_a_patient_is_read_with_where_everything_comes_from(service: Running) -> None:
    found = service.client(service.key()).get("/v1/patients/p1").json()
    assert (found["names"], found["sex"], found["birth_date"]) == (
        ["Eva Nowak", "Eva Kowalski"],
        "female",
        "1970-03-01",
    )
    assert (found["notes"], found["first_date"], found["last_date"]) == (3, "2023-01-01", "2024-05-06")
    born = next(fact for fact in found["facts"] if fact["kind"] == "birth_date")
    text = NOTES[0][4]
    assert (born["resource_id"], text[born["start"] : born["end"]]) == ("n1", "1970-03-01")


def test_the_notes_of_a_patient_in_time(service: Running) -> None:
    client = service.client(service.key())
    found = client.get("/v1/patients/p1/notes").json()
    assert ([note["resource_id"] for note in found["notes"]], found["total"]) == (["n1", "n2", "n3"], 3)
    assert found["notes"][0] == {
        "resource_id": "n1",
        "document_type": "Letter",
        "title": "Letter to the ward",
        "date": "2024-05-06",
        "domain": "cardiology",
        "author": "Dr. Osei",
        "encounter_id": "e1",
    }
    later = client.get("/v1/patients/p1/notes", params={"skip": 1, "limit": 1}).json()
    assert [note["resource_id"] for note in later["notes"]] == ["n2"]
    assert client.get("/v1/patients/ward%2F3/notes").json()["total"] == 1


def test_what_is_out_of_sight_is_not_there(service: Running) -> None:
    client = service.client(service.key(sees=sees("cardiology")))
    found = client.get("/v1/patients/p1").json()
    assert (found["names"], found["notes"], found["first_date"]) == (["Eva Nowak"], 2, "2024-05-06")
    assert {fact["resource_id"] for fact in found["facts"]} <= {"n1", "n3"}
    notes = client.get("/v1/patients/p1/notes").json()
    assert ([note["resource_id"] for note in notes["notes"]], notes["total"]) == (["n1", "n3"], 2)
    assert ids(client.get("/v1/patients").json()["patients"]) == ["p1", "ward/3"]
    hidden = client.get("/v1/patients", params={"query": "Kowalski"}).json()
    assert (hidden["patients"], hidden["near"]) == ([], [])
    for path in ("/v1/patients/p2", "/v1/patients/p2/notes"):
        unknown = client.get(path.replace("p2", "nobody"))
        refused = client.get(path)
        assert refused.status_code == unknown.status_code == 404
        assert {**refused.json(), "id": ""} == {**unknown.json(), "id": ""}


def test_who_may_not_ask_may_not_look_patients_up(service: Running) -> None:
    client = service.client(service.key(actions=["read-note", "search"]))
    for path in ("/v1/patients", "/v1/patients/p1", "/v1/patients/p1/notes"):
        assert client.get(path).status_code == 403
        assert service.client().get(path).status_code == 401


def test_the_audit_log_says_whose_record_was_looked_at_and_no_name(service: Running) -> None:
    client = service.client(service.key())
    client.get("/v1/patients", params={"query": "Kowalski"})
    client.get("/v1/patients/p2/notes")
    client.get("/v1/patients/nobody")
    rows = list(service.access.audit.rows())[-3:]
    assert [(row.action, row.subject, row.outcome) for row in rows] == [
        ("patients-search", "", "done"),
        ("patient-read", "patient:p2", "done"),
        ("patient-read", "patient:nobody", "refused"),
    ]
    assert json.loads(rows[0].details)["patients"] == ["p1"]
    assert "kowalski" not in " ".join(row.details for row in rows).lower()
    assert DEMO.id not in {row.actor for row in rows}


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "1000"}, {"query": "x" * 201}, {"after": "x" * 600}]
)
def test_what_does_not_fit_is_refused(service: Running, query: dict[str, str]) -> None:
    assert service.client(service.key()).get("/v1/patients", params=query).status_code == 422


def test_markup_and_syntax_that_is_typed_finds_no_one(service: Running) -> None:
    client = service.client(service.key())
    for typed in ("%", "_", "' OR 1=1 --", "<script>", '"', "🫀"):
        assert client.get("/v1/patients", params={"query": typed}).json()["patients"] == [], typed
