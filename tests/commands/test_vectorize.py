"""The command line of indexing: exit codes, reports, and errors that say what to do."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.commands.console import counted
from pipeline.indexing.staging import Stager
from pipeline.vectorize import app

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")


def note(number: int, **changes: object) -> dict[str, object]:
    fields = {
        "resource_id": f"n{number}",
        "patient_id": "p1",
        "document_type": "note",
        "text_content": f"Visit {number} for asthma.",
    }
    return fields | changes


def write(path: Path, *notes: object) -> str:
    path.write_text("\n".join(json.dumps(entry) for entry in notes))
    return str(path)


def run(*arguments: str, **options: object) -> Result:
    return CliRunner().invoke(app, ["notes", *arguments], **options)  # type: ignore[arg-type]


def test_all_in_is_exit_code_0_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", note(1), note(2))
    first = run(source)
    assert first.exit_code == 0, first.output
    assert "2 notes accepted of 2 records: 2 embedded" in first.output
    second = run(source)
    assert second.exit_code == 0
    assert "0 embedded (0 passages new, 0 kept), 2 unchanged" in second.output


def test_optimise_changes_nothing_that_is_found(tmp_path: Path) -> None:
    assert run(write(tmp_path / "a.jsonl", note(1), note(2))).exit_code == 0
    for words in (["optimise"], ["optimise", "--rebuild"]):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        assert "indexes built in" in done.output
    assert "2 notes done, 2 passages stored" in CliRunner().invoke(app, ["verify"]).output


def test_rejected_records_are_exit_code_1_and_listed_with_what_to_do(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", note(1), note(2, patient_id=None), note(3, text_content=7))
    errors = tmp_path / "out" / "errors.jsonl"
    result = run(source, "--errors", str(errors))
    assert result.exit_code == 1
    assert "2 rejected" in result.output
    listed = [json.loads(line) for line in errors.read_text().splitlines()]
    assert [(row["position"], row["resource_id"], row["field"]) for row in listed] == [
        ("line 2", "n2", "patient_id"),
        ("line 3", "n3", "text_content"),
    ]
    assert all(row["reason"] and row["remedy"] for row in listed)
    assert errors.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "No input was named."),
        (["missing.jsonl"], "missing.jsonl"),
        (["a.jsonl", "--map", "patient=x"], "patient"),
        (["a.jsonl", "--errors", "a.jsonl"], "lies inside the input"),
    ],
)
def test_what_cannot_run_is_exit_code_2_with_what_to_do(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    write(tmp_path / "a.jsonl", note(1))
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert "What to do:" in result.output
    assert "docs/troubleshooting.md#" in result.output
    assert "Traceback" not in result.output


def test_json_report(tmp_path: Path) -> None:
    result = run(write(tmp_path / "a.jsonl", note(1)), "--json")
    report = json.loads(result.stdout)
    assert (report["embedded"], report["rejected"], report["interrupted"]) == (1, 0, False)


def test_standard_input_and_limit(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(note(number)) for number in range(5))
    result = run("-", "--limit", "3", input=lines)
    assert result.exit_code == 0, result.output
    assert "3 notes accepted" in result.output


def test_dry_run_stores_nothing(tmp_path: Path) -> None:
    result = run(write(tmp_path / "a.jsonl", note(1), note(2, text_content="")), "--dry-run")
    assert result.exit_code == 1
    assert "1 note would be indexed" in result.output
    assert not (tmp_path / "chartwell-data" / "chartwell.sqlite").exists()


GERMAN = "ROW_ID,SUBJECT_ID,Erstellt,TEXT,Nr\n1,p1,10.03.2024,Slept.,7\n2,p2,11.03.2024,Fever.,8\n"


def test_the_dry_run_says_which_column_feeds_which_field_and_that_none_is_the_date(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text(GERMAN)
    result = run(str(source), "--dry-run", "--default", "document_type=note")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    for expected in (
        ["resource_id", "ROW_ID"],
        ["patient_id", "SUBJECT_ID"],
        ["document_type", "--default"],
        ["text_content", "TEXT"],
        ["metadata", "Erstellt,", "Nr"],
    ):
        assert expected in lines
    assert (
        "2 of 2 notes have no date: --since and --until leave them out; no column for date; map one with --map "
        "date=COLUMN; looks like: Erstellt" in result.output.replace("\n", " ")
    )


DOUBTFUL = """id,patient_id,document_type,date,text_content
1.0,100.0,note,0001-01-01,Fever.
2.0,200.0,note,9999-12-31,Cough.
3.0,300.0,note,2024-03-10,Rash.
"""


@pytest.mark.parametrize("options", [("--dry-run",), ()])
def test_ids_with_a_decimal_and_dates_for_none_are_told(tmp_path: Path, options: tuple[str, ...]) -> None:
    source = tmp_path / "a.csv"
    source.write_text(DOUBTFUL)
    said = " ".join(run(str(source), *options).output.split())
    assert "2 notes have a date that stands for none" in said
    assert "every note id ends in .0" in said
    assert "every patient id ends in .0" in said
    found = json.loads(run(str(source), *options, "--json").output)
    assert (found["placeholder_dates"], found["decimal_ids"]) == (2, ["note", "patient"])


def test_ids_of_which_one_has_no_decimal_are_not_told(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text(DOUBTFUL.replace("3.0,300.0", "3,300.5"))
    assert "ends in .0" not in run(str(source), "--dry-run").output


def test_the_dry_run_says_so_in_json_too(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text(GERMAN)
    options = ("--dry-run", "--json", "--default", "document_type=note")
    found = json.loads(run(str(source), *options).output)
    assert found["columns"]["text_content"] == ["TEXT"]
    assert (found["metadata_columns"], found["undated"], found["likely_dates"]) == (
        ["Erstellt", "Nr"],
        2,
        ["Erstellt"],
    )
    found = json.loads(run(str(source), *options, "--map", "date=Erstellt").output)
    assert found["columns"]["date"] == ["Erstellt"]
    assert (found["metadata_columns"], found["undated"], found["likely_dates"]) == (["Nr"], 0, [])


def test_mapping_and_defaults(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("who,words,nr\np9,Fever since Monday.,7\n")
    result = run(
        str(source), "--map", "patient_id=who", "--map", "text_content=words", "--map", "resource_id=nr",
        "--default", "document_type=letter", "--test-search", "fever",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Fever since Monday." in result.output


def test_prune_and_fresh(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", note(1), note(2))
    run(source)
    write(tmp_path / "a.jsonl", note(1))
    assert (
        "1 note is stored that these inputs no longer hold, for example n2; --prune removes them"
        in run(source).output
    )
    assert "1 note that the inputs no longer hold was removed" in run(source, "--prune").output
    assert "1 embedded" in run(source, "--fresh").output


def test_fresh_destroys_nothing_where_there_is_nothing_to_put_in_its_place(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", note(1), note(2))
    run(source)
    assert run("-", "--fresh", input="").exit_code == 2
    assert run(str(tmp_path / "gone.jsonl"), "--fresh").exit_code == 2
    assert "2 unchanged" in run(source).output


def test_an_input_named_twice_is_counted_once(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", note(1), note(2))
    output = run(source, source).output
    assert "2 notes accepted of 4 records: 2 embedded" in output
    assert "2 duplicates" in output


@pytest.mark.parametrize("again", ["in", "./in/", "link"])
def test_a_source_is_the_same_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("link").symlink_to("in")
    write(Path("in/a.jsonl"), note(1), note(2))
    assert run("in").exit_code == 0
    write(Path("in/a.jsonl"), note(1))
    assert "no longer hold, for example n2" in run(again).output
    assert "1 note that the inputs no longer hold was removed" in run(again, "--prune").output


def test_a_ledger_that_knows_a_source_as_it_was_typed_learns_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("a.jsonl"), note(1), note(2))
    run("a.jsonl")
    damage(tmp_path, "UPDATE VectorizationState SET Source = 'a.jsonl'")
    assert "2 unchanged" in run("a.jsonl").output
    write(Path("a.jsonl"), note(1))
    assert "1 note that the inputs no longer hold was removed" in run("a.jsonl", "--prune").output


def test_a_folder_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/notes-\xe9"))
    folder.mkdir()
    write(folder / "a.jsonl", note(1), note(2))
    result = run(str(folder))
    assert result.exit_code == 0, result.output
    write(folder / "a.jsonl", note(1))
    assert "1 note that the inputs no longer hold was removed" in run(str(folder), "--prune").output


def resource(status: str, *texts: str) -> dict[str, object]:
    attachments = [{"contentType": "text/plain", "data": b64encode(text.encode()).decode()} for text in texts]
    return {
        "resourceType": "DocumentReference",
        "id": "doc",
        "status": status,
        "subject": {"reference": "Patient/p1"},
        "type": {"text": "letter"},
        "content": [{"attachment": attachment} for attachment in attachments],
    }


@pytest.mark.parametrize("texts", [["Asthma."], ["Asthma.", "Fever."]])
def test_a_note_that_was_entered_in_error_is_removed_unasked(tmp_path: Path, texts: list[str]) -> None:
    source = write(tmp_path / "a.ndjson", resource("current", *texts))
    assert f"{len(texts)} embedded" in run(source).output
    write(tmp_path / "a.ndjson", resource("entered-in-error", *texts))
    result = run(source)
    assert result.exit_code == 0
    assert "0 rejected" in result.output
    assert "1 note withdrawn by its source" in result.output
    removed = counted(
        len(texts), "note that its source withdrew was", "notes that their source withdrew were"
    )
    assert f"{removed} removed" in result.output
    assert "0 notes done, 0 passages stored" in verify("--all").output
    again = run(source)
    assert again.exit_code == 0
    assert "withdrew" not in again.output


def test_a_note_that_its_source_takes_back_goes_alone_and_may_come_back(tmp_path: Path) -> None:
    other = resource("current", "Fever.") | {"id": "other"}
    source = write(tmp_path / "a.ndjson", resource("current", "Asthma."), other)
    assert run(source).exit_code == 0
    write(tmp_path / "a.ndjson", resource("entered-in-error", "Asthma."), other)
    assert "1 note that its source withdrew was removed" in run(source).output
    assert "completed          1" in CliRunner().invoke(app, ["status"]).output
    write(tmp_path / "a.ndjson", resource("current", "Asthma."), other)
    assert "1 embedded" in run(source).output


def test_a_truncated_file_prunes_nothing_and_is_exit_code_1(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    # Text that gzip cannot shorten, so that half of the file is half of the notes.
    letters = "abcdefghijklmnopqrstuvwxyz      "
    texts = ["".join(random.Random(number).choices(letters, k=8000)) for number in range(60)]
    entries = [note(number, text_content=text) for number, text in enumerate(texts)]
    packed = gzip.compress("\n".join(json.dumps(entry) for entry in entries).encode())
    (folder / "a.jsonl.gz").write_bytes(packed)
    assert "60 embedded" in run(str(folder)).output
    (folder / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    result = run(str(folder), "--prune")
    assert result.exit_code == 1
    assert "not pruned: parts of the sources could not be read" in result.output
    assert "60 notes done" in CliRunner().invoke(app, ["verify"]).output
    (folder / "a.jsonl.gz").write_bytes(packed)
    assert run(str(folder), "--prune").exit_code == 0


def test_fresh_keeps_what_is_stored_until_there_is_something_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "a.jsonl", note(1))
    run(source)
    nothing = write(tmp_path / "b.jsonl", note(2, text_content=""), note(3, patient_id=""))
    for arguments, given in (("-", ""), (nothing, None)):
        refused = run(arguments, "--fresh", input=given)
        assert refused.exit_code == 2, refused.output
        assert "CW-INPUT-UNUSABLE" in refused.output
        assert "1 note done, 1 passage stored" in verify().output
    with monkeypatch.context() as patched:
        patched.setenv("CHARTWELL_EMBEDDER__PROVIDER", "nim")
        patched.setenv("CHARTWELL_EMBEDDER__URL", "http://127.0.0.1:9/v1")
        patched.setenv("CHARTWELL_TRANSPORT__ATTEMPTS_MAX", "1")
        assert run(source, "--fresh").exit_code == 75
    assert "1 note done, 1 passage stored" in verify().output
    mixed = write(tmp_path / "c.jsonl", note(2, text_content=""), note(3))
    assert "1 note accepted of 2 records" in run(mixed, "--fresh").output


def test_another_space_is_refused_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "a.jsonl", note(1))
    run(source)
    monkeypatch.setenv("CHARTWELL_EMBEDDER__DIMENSION", "512")
    refused = run(source)
    assert refused.exit_code == 2
    assert "CW-STORE-SPACE" in refused.output
    assert "--fresh" in refused.output
    assert run(source, "--fresh").exit_code == 0


def test_status_tells_what_failed(tmp_path: Path) -> None:
    run(write(tmp_path / "a.jsonl", note(1)))
    result = CliRunner().invoke(app, ["status"])
    assert "completed          1" in result.output
    damage(
        tmp_path,
        "UPDATE VectorizationState SET Status = 'failed', LastError = 'it is too long', Attempts = 2",
    )
    result = CliRunner().invoke(app, ["status"])
    assert "      1 failed: it is too long" in result.output
    assert "n1 after 2 attempts: it is too long" in result.output


def test_status_tells_how_fast_it_goes(tmp_path: Path) -> None:
    run(write(tmp_path / "a.jsonl", *(note(number) for number in range(1, 7))))
    damage(tmp_path, "UPDATE VectorizationState SET CompletedAt = 1700000000 + 6 * Sequence")
    assert (
        "12 notes a minute, the last one done at 2023-11-14T22:13:"
        in CliRunner().invoke(app, ["status"]).output
    )
    found = json.loads(CliRunner().invoke(app, ["status", "--json"]).output)
    assert found["notes"]["completed"] == 6
    assert found["notes_per_minute"] == pytest.approx(12)
    assert (found["failures_by_reason"], found["failures"]) == ({}, [])


def test_a_search_is_part_of_the_json(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", note(1), note(2, text_content="Fever since Monday."))
    found = json.loads(run(source, "--json", "--test-search", "fever").stdout)
    assert (found["embedded"], found["test_search"][0]["resource_id"]) == (2, "n2")
    assert found["test_search"][0]["text"] == "Fever since Monday."
    assert "test_search" not in json.loads(run(source, "--json").stdout)


def verify(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", *arguments])


def damage(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "chartwell-data" / "chartwell.sqlite")) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for statement in statements:
            connection.execute(statement)


def test_verify_agrees_with_a_sound_corpus(tmp_path: Path) -> None:
    run(write(tmp_path / "a.jsonl", note(1), note(2)))
    result = verify("--all")
    assert result.exit_code == 0, result.output
    assert "2 notes done, 2 passages stored" in result.output
    assert "different, of 2 compared" in result.output


def test_verify_leaves_the_list_of_rejected_records_alone(tmp_path: Path) -> None:
    run(write(tmp_path / "a.jsonl", note(1), note(2, patient_id=None)))
    verify("--all")
    assert "patient_id" in (tmp_path / "chartwell-data" / "rejected.jsonl").read_text()


def test_verify_finds_what_is_lost_and_says_what_mends_it(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", note(1), note(2))
    run(source)
    damage(tmp_path, "DELETE FROM ClinicalNoteVectors WHERE ResourceID = 'n1'")
    found = json.loads(verify("--all", "--json").stdout)
    assert (found["lost"], found["different"]) == (["n1"], ["n1"])
    told = verify("--all")
    assert told.exit_code == 1
    assert "1 lost: n1" in told.output
    assert "--repair repairs" in told.output
    repaired = verify("--all", "--repair")
    assert repaired.exit_code == 0, repaired.output
    assert "repaired 1 note" in repaired.output


def test_verify_says_what_mends_a_damaged_store(tmp_path: Path) -> None:
    run(write(tmp_path / "a.jsonl", note(1), note(2)))
    damage(tmp_path, "UPDATE ClinicalNoteSigns SET SignCode = zeroblob(length(SignCode))")
    told = verify("--all")
    assert told.exit_code == 1
    assert "restore it from a snapshot" in told.output
    assert "--repair repairs" not in told.output


def test_verify_names_notes_that_only_their_source_still_holds(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", note(1), note(2))
    run(source)
    damage(
        tmp_path,
        "DELETE FROM ClinicalNoteVectors WHERE ResourceID = 'n1'",
        "DELETE FROM ClinicalNotes WHERE ResourceID = 'n1'",
    )
    assert "1 note must be read from their source again, for example n1" in verify("--repair").output
    assert "1 embedded" in run(source).output
    assert verify("--all").exit_code == 0


def test_a_server_that_is_away_is_exit_code_75(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "nim")
    monkeypatch.setenv("CHARTWELL_EMBEDDER__URL", f"http://127.0.0.1:{port}/v1")
    monkeypatch.setenv("CHARTWELL_TRANSPORT__ATTEMPTS_MAX", "1")
    result = run(write(tmp_path / "a.jsonl", note(1), note(2)))
    assert result.exit_code == 75, result.output
    assert "CW-PROVIDER-CONNECTION" in result.output


@pytest.mark.long
def test_ctrl_c_ends_after_the_batch_and_a_re_run_goes_on(tmp_path: Path) -> None:
    source = write(
        tmp_path / "a.jsonl",
        *(note(number, text_content=f"Word{number} asthma. " * 400) for number in range(300)),
    )
    command = [sys.executable, "-m", "pipeline.vectorize", "notes", source, "--batch-size", "2"]
    environment = os.environ | {"CHARTWELL_DATA_DIR": str(tmp_path / "data")}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("300 notes to embed"):
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130, rest
    assert "interrupted; run the same command again to go on" in rest
    again = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=100
    )
    assert "300 notes accepted" in again.stdout


NOTES = ROOT / "tests" / "data" / "notes"
SITE_COLUMNS = [
    f"--map={field}={column}"
    for field, column in (
        ("resource_id", "note_id"),
        ("document_type", "note_type"),
        ("text_content", "note_text"),
    )
]


def stored() -> dict[str, int]:
    return dict(json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)["notes"])


def report(*arguments: str) -> dict[str, object]:
    return dict(json.loads(run(*arguments, "--json").stdout))


@pytest.mark.parametrize("swapped", [False, True])
def test_documents_and_reports_of_one_id(swapped: bool) -> None:  # field cases 02a to 02c
    names = ["02a-docs.ndjson", "02b-reports.ndjson"]
    for _ in range(2):
        for name in reversed(names) if swapped else names:
            assert run(str(NOTES / name)).exit_code == 0
    assert stored()["completed"] == 2
    for _ in range(2):
        withdrawn = run(str(NOTES / "02c-retracted-report.ndjson"))
        assert (withdrawn.exit_code, stored()["completed"]) == (0, 1)
    assert run(str(NOTES / "02a-docs.ndjson")).exit_code == 0
    assert "1 unchanged" in run(str(NOTES / "02a-docs.ndjson")).output


def test_one_bundle_with_one_id_of_two_types() -> None:  # field case 02d
    found = report(str(NOTES / "02d-same-id-two-types.json"))
    assert (found["new"], found["rejected"], stored()["completed"]) == (2, 0, 2)


def test_two_sites_with_the_same_ids(tmp_path: Path) -> None:  # field cases 02e, 02f
    a, b = str(NOTES / "02e-site-a.csv"), str(NOTES / "02f-site-b.csv")
    assert run(a, *SITE_COLUMNS).exit_code == 0
    refused = run(b, *SITE_COLUMNS)
    assert refused.exit_code == 1
    assert "Another patient's note has the same resource_id" in refused.output
    assert report(a, *SITE_COLUMNS)["unchanged"] == 2
    prefixed = run(b, *SITE_COLUMNS, "--id-prefix", "b:", "--patient-prefix", "b:")
    assert (prefixed.exit_code, stored()["completed"]) == (0, 3)
    assert run(b, *SITE_COLUMNS, "--id-prefix", "x" * 200).exit_code == 1


def of_server(server: str, name: str = "1", **resource: object) -> dict[str, object]:
    """A Bundle as server `server` gives it out, with one entry."""
    address = f"https://{server}.example/fhir/DocumentReference/{name}"
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"fullUrl": address, **resource}]}


def test_one_number_of_two_hospitals_is_not_one_patient_in_two_runs_either(tmp_path: Path) -> None:
    """Field case 2 of part 4, in two runs."""
    a = write(tmp_path / "a.json", of_server("a", resource=document("1", "7", "Takes warfarin.")))
    b = write(tmp_path / "b.json", of_server("b", "2", resource=document("2", "7", "Sprained ankle.")))
    assert run(a).exit_code == 0
    refused = run(b)
    assert (refused.exit_code, stored()["completed"]) == (1, 1)
    assert "Another source of patient ids gave the same one to stored notes." in refused.output
    assert run(a).exit_code == 0
    assert run(b, "--patient-prefix", "b:").exit_code == 0
    assert run(b, "--patient-prefix", "b:").exit_code == 0
    assert stored()["completed"] == 2
    write(tmp_path / "a.json", of_server("a", "3", resource=document("3", "8", "Another patient.")))
    assert run(a, "--prune").exit_code == 0
    assert run(b, "--id-prefix", "b2:").exit_code == 0  # nothing of the first 7 is left


def test_another_servers_withdrawal_takes_nothing_away(tmp_path: Path) -> None:
    a = write(tmp_path / "a.json", of_server("a", resource=document("1", "7", "Takes warfarin.")))
    assert run(a).exit_code == 0
    gone = {**document("1", "7", "x"), "status": "entered-in-error"}
    deleted = {"request": {"method": "DELETE", "url": "DocumentReference/1"}}
    for entry in ({"resource": gone}, deleted):
        spared = run(write(tmp_path / "b.json", of_server("b", **entry)))
        assert (spared.exit_code, stored()["completed"]) == (1, 1)
        assert "was withdrawn, and the stored one is another patient's" in spared.output
        assert report(a)["unchanged"] == 1
    assert run(write(tmp_path / "c.json", of_server("a", **deleted))).exit_code == 0
    assert stored()["completed"] == 0


def test_a_withdrawal_that_names_another_patient_is_not_silent(tmp_path: Path) -> None:
    assert run(write(tmp_path / "a.ndjson", document("1", "p1", "Takes warfarin."))).exit_code == 0
    gone = {**document("1", "p2", "x"), "status": "entered-in-error"}
    spared = report(write(tmp_path / "b.ndjson", gone))
    assert (spared["withdrawals"], spared["withdrawn"], spared["rejected"]) == (1, 0, 1)


def test_a_cancelled_message_that_names_nobody_or_another_is_not_passed_over(tmp_path: Path) -> None:
    def message(event: str, patient: str, text: str = "") -> str:
        lines = [
            f"MSH|^~\\&|EPIC|GEN|||20240310||MDM^{event}|1|P|2.5",
            f"PID|1||{patient}",
            "TXA|1|PN|TX|20240310||||||||D1^EPIC",
            f"OBX|1|TX|PN||{text}",
        ]
        path = tmp_path / f"{event}{patient[:1]}.hl7"
        path.write_text("\r".join(lines))
        return str(path)

    assert run(message("T02", "7^^^GEN^MR", "Takes warfarin.")).exit_code == 0
    assert (run(message("T11", "8^^^GEN^MR")).exit_code, stored()["completed"]) == (1, 1)
    assert (run(message("T11", "")).exit_code, stored()["completed"]) == (0, 0)


def test_a_note_about_a_device_is_rejected_not_withdrawn(tmp_path: Path) -> None:
    about = {**document("1", "7", "x"), "subject": {"reference": "Device/7"}}
    found = report(write(tmp_path / "a.ndjson", about, document("2", "7", "Takes warfarin.")))
    assert (found["withdrawals"], found["rejected"], found["embedded"]) == (0, 1, 1)


def test_two_sites_in_one_folder_do_not_replace_each_others_notes(tmp_path: Path) -> None:
    for site, patient, version in (("a", "p9", "1"), ("b", "p8", "3")):
        (tmp_path / "in" / site).mkdir(parents=True)
        meta = {"versionId": version, "lastUpdated": f"2024-0{version}-01T00:00:00Z"}
        write(
            tmp_path / "in" / site / "notes.ndjson",
            document("1", patient, f"Note of {site}.") | {"meta": meta},
        )
    refused = run(str(tmp_path / "in"))
    assert (refused.exit_code, stored()["completed"]) == (1, 1)
    assert "Another patient's note has the same resource_id" in refused.output


def test_a_corrected_patient_is_told_in_one_run_too(tmp_path: Path) -> None:
    versions = [document("1", f"p{number}", "x") | {"meta": {"versionId": number}} for number in ("1", "2")]
    assert report(write(tmp_path / "a.ndjson", *versions))["patient_changed"] == 1


def test_a_misspelt_column_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", note(1))
    for options in ([], ["--dry-run"]):
        assert (
            "no record has the column of --map date=Datum" in run(path, "--map=date=Datum", *options).output
        )
    assert "no record has" not in run(path, "--map=date=none").output
    assert "no record has" not in run(path, "--map=author=nurse|patient_id").output


def kept() -> list[str]:
    with sqlite3.connect(Path("chartwell-data") / "chartwell.sqlite") as connection:
        return sorted(text for (text,) in connection.execute("SELECT TextContent FROM ClinicalNotes"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["old 5 mg", "old two"], ["new 2 mg"]),
        (["old 5 mg"], ["new 2 mg", "new two"]),
        (["old 5 mg", "old two", "old three"], ["new 2 mg", "new two"]),
    ],
)
@pytest.mark.parametrize("names", ["ab", "ba"])
@pytest.mark.parametrize("apart", [False, True])
def test_the_version_is_the_resources_however_many_texts_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: list[str], new: list[str], names: str, apart: bool
) -> None:
    if apart:  # each record in a group of its own
        monkeypatch.setattr("pipeline.indexing.flow.STAGING_NOTES", 1)
    folder = tmp_path / "in"
    folder.mkdir()
    for number, (name, texts) in enumerate(zip(names, (old, new), strict=True), 1):
        meta = {"versionId": str(number), "lastUpdated": f"2024-01-0{number}T00:00:00Z"}
        write(folder / f"{name}.ndjson", document("1", "p1", *texts) | {"meta": meta})
    for inputs in (folder, folder, folder / f"{names[0]}.ndjson", folder):
        assert run(str(inputs)).exit_code == 0
        assert kept() == sorted(new)


def test_another_patients_texts_of_one_resource_take_none_away(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "b").mkdir(parents=True)
    assert run(write(folder / "a.ndjson", document("1", "p1", "Takes warfarin."))).exit_code == 0
    other = write(folder / "b" / "b.ndjson", document("1", "p2", "one", "two"))
    assert (run(other).exit_code, kept()) == (1, ["Takes warfarin."])
    assert run(str(folder)).exit_code == 1
    assert kept() == ["Takes warfarin."]


def test_the_tenth_day_is_newer_than_the_ninth(tmp_path: Path) -> None:
    days = tmp_path / "days"
    days.mkdir()
    for day, text in (("10", "Dose is 2 mg."), ("9", "Dose is 5 mg.")):
        write(days / f"day-{day}.jsonl", note(1, text_content=text))
    found = run(str(days), "--test-search", "dose").output
    assert "2 mg" in found
    assert "5 mg" not in found


def test_a_folder_of_daily_exports() -> None:  # field case 06a
    folder = NOTES / "06a-daily"
    first = report(str(folder), "--test-search", "dose")
    assert (first["embedded"], first["older"], first["rejected"]) == (1, 1, 0)
    assert [hit["text"] for hit in first["test_search"]] == ["Dose is 2 mg."]  # type: ignore[attr-defined]
    for source in (folder, folder / "2024-01-01.ndjson"):
        again = run(str(source), "--test-search", "dose")
        assert again.exit_code == 0
        assert "0 embedded" in again.output
        assert "1 older version passed over" in again.output
        assert "Dose is 2 mg." in again.output


def test_a_bulk_exports_deletions_and_its_own_files(tmp_path: Path) -> None:  # field cases 06b, 06c
    assert run(str(NOTES / "06c-before-deletion.ndjson")).exit_code == 0
    folder = tmp_path / "export"
    shutil.copytree(NOTES / "06b-bulk-deleted", folder)
    write(
        folder / "manifest.json", {"transactionTime": "2024-01-02", "request": "x", "output": [], "error": []}
    )
    write(
        folder / "log.ndjson", {"exportId": "1", "timestamp": "2024", "eventId": "kickoff", "eventDetail": {}}
    )
    write(folder / "errors.ndjson", {"resourceType": "OperationOutcome", "issue": []})
    for removed in (1, 0):
        result = run(str(folder), "--prune", "--json")
        found = json.loads(result.stdout)
        assert (result.exit_code, found["rejected"], found["unread_files"]) == (0, 0, 0)
        assert (found["withdrawals"], found["withdrawn"], found["embedded"]) == (1, removed, 0)
    assert stored()["completed"] == 1
    assert report(str(NOTES / "06c-before-deletion.ndjson"))["older"] == 1


def test_files_that_cannot_be_read_are_told_from_rejected_notes(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.jsonl", note(1), note(2, text_content=""))
    write(folder / "b.jsonl", *({"x": number} for number in range(50)))
    found = report(str(folder))
    assert (found["accepted"], found["rejected"], found["unread_files"]) == (1, 1, 1)
    said = run(str(folder), "--dry-run")
    assert said.exit_code == 1
    assert "1 rejected" in said.output
    assert "1 file could not be read" in said.output
    write(folder / "a.jsonl", note(1))
    assert run(str(folder), "--dry-run").exit_code == 1


def test_no_remedy_gives_all_notes_one_id(tmp_path: Path) -> None:  # field case D2
    errors = tmp_path / "errors.jsonl"
    nameless = {key: value for key, value in note(1).items() if key != "resource_id"}
    sources = (
        write(tmp_path / "some.jsonl", note(2), nameless),
        write(tmp_path / "none.jsonl", nameless),
        write(tmp_path / "fhir.ndjson", {"resourceType": "DocumentReference", "status": "current"}),
    )
    for source in sources:
        told = run(source, "--errors", str(errors))
        assert told.exit_code in (1, 2)
        said = told.output + (errors.read_text() if errors.exists() else "")
        assert "resource_id" in said
        assert "--default resource_id" not in said


def test_a_dry_run_says_what_pruning_would_remove(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", note(1), note(2), note(3))
    assert "would remove nothing" in run(source, "--prune", "--dry-run").output
    run(source)
    write(tmp_path / "a.jsonl", note(1), note(2, text_content=""))
    said = run(source, "--prune", "--dry-run")
    assert "1 note is stored that these inputs no longer hold, for example n3" in said.output
    assert stored()["completed"] == 3
    assert "no longer hold" not in run(source, "--dry-run").output
    assert "remove" not in run("-", "--prune", "--dry-run", input=json.dumps(note(1))).output


def test_pruning_with_a_limit_is_refused(tmp_path: Path) -> None:
    result = run(write(tmp_path / "a.jsonl", note(1)), "--limit", "1", "--prune")
    assert result.exit_code == 2
    assert "--prune cannot be combined with --limit" in result.output


def test_a_fault_of_the_program_has_an_exit_code_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(_: Stager, group: object) -> None:
        raise KeyError(group)

    monkeypatch.setattr(Stager, "take", faulty)
    result = run(write(tmp_path / "a.jsonl", note(1)))
    assert result.exit_code == 70
    assert "A fault in this program: KeyError" in result.output
    assert "stage.py" in result.output or "flow.py" in result.output
    assert "Visit 1" not in result.output


def document(key: str, patient: str, *texts: str) -> dict[str, object]:
    return resource("current", *texts) | {
        "id": key,
        "subject": {"reference": f"Patient/{patient}"},
        "type": {"text": "Progress note"},
        "date": "2024-01-05",
    }


@pytest.fixture
def old_store(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that the first release made of /srv/notes; the files are here."""
    monkeypatch.setenv("CHARTWELL_EMBEDDER__DIMENSION", "64")
    data, notes = Path("chartwell-data"), Path("notes")
    data.mkdir()
    notes.mkdir()
    packed = ROOT / "tests" / "data" / "store-461b9f0.sqlite.gz"
    (data / "chartwell.sqlite").write_bytes(gzip.decompress(packed.read_bytes()))
    with closing(sqlite3.connect(data / "chartwell.sqlite")) as connection:
        there = str(notes.resolve())
        connection.execute(
            "UPDATE VectorizationState SET Source = replace(Source, '/srv/notes', ?)", (there,)
        )
        connection.commit()
    x_ray = {
        "resourceType": "DiagnosticReport",
        "id": "2002",
        "status": "final",
        "code": {"text": "Chest x-ray"},
        "subject": {"reference": "Patient/p8"},
        "conclusion": "No infiltrate, heart of normal size.",
    }
    write(
        notes / "fhir.ndjson",
        document("1001", "p9", "Complains of chest pain on exertion."),
        x_ray,
        document("3003", "p7", "Takes warfarin 5 mg daily.", "Knee pain after a fall."),
    )
    write(notes / "more.ndjson", document("4004", "p6", "Sprained left ankle."))
    return notes


def test_a_store_of_the_first_release_opens_and_its_notes_keep_their_identity(old_store: Path) -> None:
    assert stored() == {"pending": 1, "processing": 0, "completed": 7, "failed": 1}
    files = [str(old_store / name) for name in ("fhir.ndjson", "more.ndjson")]
    first = report(*files)
    assert (first["new"], first["changed"], first["rejected"], first["withdrawn"]) == (0, 5, 0, 0)
    again = report(*files)
    assert (again["unchanged"], again["embedded"]) == (5, 0)
    # The one that waited is done; the two of site.csv and the one that failed were not read again.
    assert stored()["completed"] == 8
    assert "lost" in verify("--all").output
    assert verify("--all").exit_code == 0
    write(old_store / "deleted.ndjson", document("3003", "p7") | {"status": "entered-in-error"})
    assert report(str(old_store / "deleted.ndjson"))["withdrawn"] == 2


def test_a_retraction_before_anything_else_finds_the_old_notes(old_store: Path) -> None:
    write(old_store / "deleted.ndjson", resource("entered-in-error") | {"id": "3003"})
    found = report(str(old_store / "deleted.ndjson"))
    assert found["withdrawals"] == 1
    assert found["withdrawn"] == 0  # it names patient p1: whose the stored notes are not
    write(
        old_store / "deleted.ndjson",
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "DELETE", "url": "DocumentReference/3003"}}],
        },
    )
    assert report(str(old_store / "deleted.ndjson"))["withdrawn"] == 2
    assert verify("--all").exit_code == 0
