"""`vectorize documents` as it is typed: nothing is found before it is approved, and nothing after it is withdrawn."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline import ask as ask_door
from pipeline.commands import vectorize_documents
from pipeline.config import Settings
from pipeline.library.reading.options import DocumentReadingOptions
from pipeline.library.reading.reader import read_document
from pipeline.library.records import LibraryDocument
from pipeline.vectorize import app
from tests.library.papers import Set, pdf


class ReaderHere:
    """Reads in this process: the processes have tests of their own."""

    def read(self, path: Path, file_name: str = "") -> LibraryDocument:
        return read_document(
            path, DocumentReadingOptions(recognise_text=False), suffix=Path(file_name or path.name).suffix
        )


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    @contextmanager
    def opened(settings: Settings, processes: int = 1) -> Iterator[ReaderHere]:
        yield ReaderHere()

    monkeypatch.setattr(vectorize_documents, "open_document_readers", opened)
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_DATA_DIR", str(tmp_path / "data"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["documents", *map(str, arguments)])


def report(*arguments: object, code: int = 0) -> dict[str, list[dict[str, object]]]:
    told = run(*arguments, "--json")
    assert told.exit_code == code, told.output
    return json.loads(told.stdout)  # type: ignore[no-any-return]


def guideline(folder: Path, dose: str, name: str = "ketamine.pdf") -> Path:
    path = folder / name
    path.write_bytes(
        pdf(
            [Set(f"The dose of ketamine is {dose}.")], [Set("Watch the breathing.")], title="Ketamine in pain"
        )
    )
    return path


def cited(question: str) -> list[dict[str, object]]:
    told = CliRunner().invoke(ask_door.app, [question, "--json"])
    return list(json.loads(told.stdout).get("citations") or []) if told.exit_code in (0, 3, 4) else []


QUESTION = "What is the dose of ketamine?"


def ids(found: dict[str, list[dict[str, object]]]) -> list[str]:
    return [str(each["version"]["version_id"]) for each in found["files"]]  # type: ignore[index]


def test_a_document_is_found_while_it_is_approved_and_never_else(tmp_path: Path) -> None:
    first = report(guideline(tmp_path, "10 mg"), "--domain", "pain", "--new-domain")
    (old,) = ids(first)
    assert first["library"] == {"waiting": 1}
    assert cited(QUESTION) == []
    approved = report("--approve", old[:12], "--why", "read it")
    assert approved["indexed"]["embedded"] == 1  # type: ignore[call-overload]
    (citation,) = cited(QUESTION)
    assert citation["resource_id"] == f"library:{old}"
    assert citation["locator"] == {
        "kind": "page_box",
        "page": 1,
        "left": 0,
        "top": 0,
        "right": 1,
        "bottom": 1,
    }
    assert "10 mg" in str(citation["quote"])
    newer = report(guideline(tmp_path, "20 mg", "new.pdf"), "--domain", "pain", "--supersedes", old[:12])
    (new,) = ids(newer)
    assert [each["resource_id"] for each in cited(QUESTION)] == [f"library:{old}"]
    report("--approve", new)
    assert [each["resource_id"] for each in cited(QUESTION)] == [f"library:{new}"]
    report("--withdraw", new, "--why", "wrong dose")
    assert cited(QUESTION) == []
    last = report()
    assert last["library"] == {"superseded": 1, "withdrawn": 1}


def test_a_second_run_changes_nothing_and_costs_nothing(tmp_path: Path) -> None:
    path = guideline(tmp_path, "10 mg")
    first = report(path, "--domain", "pain", "--new-domain", "--approves-itself")
    assert first["indexed"]["embedded"] == 1  # type: ignore[call-overload]
    again = report(path, "--domain", "pain")
    assert again["files"][0]["is_new"] is False
    assert (again["indexed"]["embedded"], again["indexed"]["unchanged"]) == (0, 1)  # type: ignore[call-overload]
    verify = CliRunner().invoke(app, ["verify"])
    assert verify.exit_code == 0, verify.output


def test_notes_and_documents_leave_each_other_alone(tmp_path: Path) -> None:
    note = {
        "resource_id": "n1",
        "patient_id": "p1",
        "document_type": "Note",
        "text_content": "Ketamine 5 mg given.",
    }
    notes = tmp_path / "notes.jsonl"
    notes.write_text(json.dumps(note))
    assert CliRunner().invoke(app, ["notes", str(notes), "--prune"]).exit_code == 0
    report(guideline(tmp_path, "10 mg"), "--domain", "pain", "--new-domain", "--approves-itself")
    assert CliRunner().invoke(app, ["notes", str(notes), "--prune"]).exit_code == 0
    report()
    status = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    assert status["notes"]["completed"] == 2
    told = CliRunner().invoke(ask_door.app, ["What is the dose of ketamine?", "--patient-id", "p1", "--json"])
    assert "library:" not in told.stdout


def test_a_refused_file_costs_itself(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    guideline(folder, "10 mg")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    (folder / ".hidden").write_text("not taken")
    told = run(folder, "--domain", "pain", "--new-domain")
    assert told.exit_code == 1
    assert "damaged or cut off" in told.output
    assert "waits for approval" in told.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.pdf"], "No domain was named"),
        (["a.pdf", "--domain", "heart"], "no domain 'heart'"),
        (["missing.pdf", "--domain", "pain"], "is not there"),
        (["--approve", "abc"], "0 documents of the library have an id"),
        (["a.pdf", "a.pdf", "--domain", "pain", "--new-domain", "--supersedes", "x"], "is one file"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    guideline(tmp_path, "10 mg", "a.pdf")
    told = run(*arguments)
    assert told.exit_code == 2
    assert said in told.output


def test_a_dry_run_keeps_nothing(tmp_path: Path) -> None:
    told = run(guideline(tmp_path, "10 mg"), "--dry-run")
    assert told.exit_code == 0
    assert "pages 2" in told.output
    assert not (tmp_path / "data").exists()


def test_what_a_domain_keeps_no_longer_is_found_no_more_and_its_file_is_gone(tmp_path: Path) -> None:
    (kept,) = ids(
        report(guideline(tmp_path, "10 mg"), "--domain", "pain", "--new-domain", "--approves-itself")
    )
    assert [each["resource_id"] for each in cited(QUESTION)] == [f"library:{kept}"]
    with closing(sqlite3.connect(tmp_path / "data/library/library.sqlite")) as catalogue, catalogue:
        catalogue.execute("UPDATE LibraryDomains SET RetentionDays = 30")
        catalogue.execute("UPDATE LibraryVersions SET UploadedAt = '2020-01-01T00:00:00.000+00:00'")
    assert report()["library"] == {}
    assert cited(QUESTION) == []
    assert [path for path in (tmp_path / "data/library/originals").rglob("*") if path.is_file()] == []
    assert CliRunner().invoke(app, ["verify"]).exit_code == 0


def test_a_topic_keeps_other_documents_out(tmp_path: Path) -> None:
    path = tmp_path / "menu.txt"
    path.write_text("Soup of the day, bread, cheese and fruit are served in the canteen from noon.")
    found = report(
        path, "--domain", "pain", "--new-domain", "--topic", "ketamine in acute pain", "--approves-itself"
    )
    relevance = found["files"][0]["version"]["relevance"]  # type: ignore[index]
    assert relevance["verdict"] in ("irrelevant", "unsure")
    assert found["library"] in ({"read": 1}, {"waiting": 1})
