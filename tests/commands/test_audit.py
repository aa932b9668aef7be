"""The audit log's commands over a real store and a real state: verify, export, replay."""

from __future__ import annotations

import gzip
import json
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from pipeline import audit, vectorize
from pipeline.config import load_settings
from pipeline.locators import PageBox, locator_record
from pipeline.records import EVERYTHING, AccessScope, Filters, Question
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.service.audit.chain import AuditLog, SystemActor
from pipeline.service.audit.receipts import AnswerRecord
from pipeline.service.conversations.factory import open_history
from pipeline.service.database.engine import State, open_state
from pipeline.wiring import STORE_FILE
from tests.service.answers import Shelf

PACKED = Path(__file__).parents[1] / "data"
NOTES = [
    ("n1", "p1", "2020-01-01", "Allergies: penicillin causes a rash. Blood pressure was 120/80 today."),
    ("n2", "p2", "2022-02-02", "The patient started lisinopril 20 mg daily for high blood pressure."),
]
ASKED = "Which dose of lisinopril was started for blood pressure?"


def index(folder: Path, notes: list[tuple[str, str, str, str]]) -> None:
    rows = [
        {"resource_id": i, "patient_id": p, "date": d, "document_type": "note", "text_content": t}
        for i, p, d, t in notes
    ]
    source = folder / "notes.json"
    source.write_text(json.dumps(rows))
    result = CliRunner().invoke(vectorize.app, ["notes", str(source), "--prune"])
    assert result.exit_code == 0, result.output


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")
    index(tmp_path, NOTES)
    return tmp_path


@pytest.fixture
def state(corpus: Path) -> State:
    opened = open_state(load_settings())
    opened.migrate()
    opened.close()
    return opened


def ask(state: State, scope: AccessScope = EVERYTHING, asked: str = ASKED) -> str:
    """Ask as the service does; the receipt's id."""
    settings = load_settings()
    question = Question(asked, Filters(scope=scope), 5)
    with ServingAnswering(settings) as serving:
        answer = serving.answer(question)
    history = open_history(state, AuditLog(state), settings, Shelf().visible)
    question_id, who = uuid.uuid4().hex, SystemActor("anna", "user")
    begun = history.conversations.begin(who, question, question_id)
    given = AnswerRecord(question_id, question, answer.outcome, answer.passages, answer.statements, answer)
    history.conversations.end(who, begun.conversation_id, given)
    state.close()
    return question_id


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(audit.app, list(arguments), input=stdin)


def test_a_replay_of_an_unchanged_corpus_is_identical(state: State) -> None:
    receipt = ask(state)
    result = run("replay", receipt)
    assert (result.exit_code, result.stdout.strip()) == (0, "identical"), result.output
    assert json.loads(run("replay", receipt, "--json").stdout) == {
        "receipt": receipt,
        "identical": True,
        "differences": [],
    }
    assert [row.action for row in AuditLog(state).page(limit=2)] == ["answer-replayed", "answer-replayed"]


def test_a_replay_of_no_answer_is_identical(state: State) -> None:
    assert run("replay", ask(state, asked="Where do zebras graze?")).exit_code == 0


def test_it_is_asked_with_the_scope_of_then(state: State) -> None:
    """A user who saw nothing gets nothing again, although the command line sees everything."""
    nothing = ask(state, AccessScope(None, frozenset({"p1"})))
    assert run("replay", nothing).exit_code == 0
    assert "n2" not in run("replay", nothing, "--json").output


def test_a_note_that_changed_is_named(state: State, corpus: Path) -> None:
    receipt = ask(state)
    changed = NOTES[1][3].replace("20 mg", "40 mg")
    index(corpus, [NOTES[0], (*NOTES[1][:3], changed)])
    result = run("replay", receipt)
    assert result.exit_code == 1
    assert "note has other characters where it was cited: then ['n2', 0, 67]" in result.stdout
    assert "statement 1 has another text" in result.stdout
    assert "mg" not in result.stdout, "no text is printed"


def seen_on(page: int) -> None:
    """The passages as a reader of documents will store them: each was read on that page."""
    place = locator_record(PageBox(page, 0.1, 0.1, 0.5, 0.2))
    with closing(sqlite3.connect(load_settings().data_dir / STORE_FILE)) as store:
        store.execute("UPDATE ClinicalNoteVectors SET Locator = ?", (json.dumps(place),))
        store.commit()


def test_a_passage_of_a_page_is_replayed_and_one_that_lies_elsewhere_is_named(state: State) -> None:
    seen_on(3)
    receipt = ask(state)
    assert run("replay", receipt).exit_code == 0
    assert run("verify").exit_code == 0
    seen_on(4)
    differences = json.loads(run("replay", receipt, "--json").stdout)["differences"]
    assert [each["what"] for each in differences][:1] == ["passage lies elsewhere"]
    assert differences[0]["then"][:3] == differences[0]["now"][:3]
    assert (differences[0]["then"][3]["page"], differences[0]["now"][3]["page"]) == (3, 4)
    assert "statement 1 cites another place" in {each["what"] for each in differences}


FIRST_RECEIPTS = ("02479bebf208428d8a31d5eaca629cfb", "fd7df328aff346959cfed02a6a43bed2")
"""ASKED and a question that nothing answers, as commit 461b9f0 answered them from NOTES."""


def test_receipts_of_the_first_release_are_verified_and_replayed_over_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")
    settings = load_settings()
    settings.data_dir.mkdir()
    for name in ("chartwell", "service"):
        packed = (PACKED / f"audit-461b9f0-{name}.sqlite.gz").read_bytes()
        (settings.data_dir / f"{name}.sqlite").write_bytes(gzip.decompress(packed))
    with open_state(settings) as state:
        state.migrate()
    assert run("verify").exit_code == 0
    for receipt in FIRST_RECEIPTS:
        told = run("replay", receipt)
        assert (told.exit_code, told.stdout.strip()) == (0, "identical"), told.output
    assert run("verify").exit_code == 0
    with closing(sqlite3.connect(settings.data_dir / "service.sqlite")) as state_file:
        state_file.execute("UPDATE receipts SET record = replace(record, '\"end\":67', '\"end\":66')")
        state_file.commit()
    assert run("verify").exit_code == 1


def test_a_note_that_is_gone_is_named(state: State, corpus: Path) -> None:
    receipt = ask(state)
    index(corpus, NOTES[:1])
    differences = json.loads(run("replay", receipt, "--json").stdout)["differences"]
    assert {
        "what": "note is gone, or outside what could be seen then",
        "then": "n2",
        "now": None,
    } in differences
    assert any(each["what"] == "passage is not found any more" for each in differences)


def test_a_note_that_came_is_named(state: State, corpus: Path) -> None:
    receipt = ask(state)
    index(
        corpus,
        [*NOTES, ("n3", "p3", "2023-01-01", "Lisinopril dose was started for blood pressure at 5 mg.")],
    )
    result = run("replay", receipt)
    assert result.exit_code == 1
    assert "passage is new" in result.stdout
    assert "n3" in result.stdout


def test_another_model_and_floor_are_named(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = ask(state)
    with state.session() as session:
        session.execute(
            text(
                'UPDATE receipts SET record = replace(record, \'"prompt_version":"\', \'"prompt_version":"old-\')'
            )
        )
    state.close()
    result = run("replay", receipt)
    assert result.exit_code == 1
    assert "prompt version: then old-" in result.stdout


def test_an_erased_question_can_be_given_again(state: State) -> None:
    receipt = ask(state)
    with state.session() as session:
        session.execute(text("UPDATE receipts SET question = NULL, answer = NULL, erased_at = '2026-01-01'"))
    state.close()
    assert run("replay", receipt).exit_code == 2
    assert run("replay", receipt, "--question-on-stdin", stdin="Another one?\n").exit_code == 2
    assert run("replay", receipt, "--question-on-stdin", stdin=ASKED + "\n").exit_code == 0


def test_an_unknown_receipt(state: State) -> None:
    result = run("replay", "0" * 32)
    assert result.exit_code == 2
    assert "CW-NOT-FOUND" in result.output


def test_verifying(state: State, tmp_path: Path) -> None:
    ask(state)
    anchors, exported = tmp_path / "anchors.jsonl", tmp_path / "audit.jsonl"
    assert "2 rows; last" in run("verify", "--anchors", str(anchors)).stdout
    assert "1 anchors held" in run("verify", "--anchors", str(anchors)).stdout
    assert len(anchors.read_text().splitlines()) == 2
    assert run("export", "--output", str(exported)).exit_code == 0
    assert exported.stat().st_mode & 0o077 == 0
    lines = exported.read_text().splitlines()
    assert [json.loads(line)["action"] for line in lines] == [
        "question-asked",
        "question-answered",
        "audit-exported",
    ]
    assert ASKED not in exported.read_text()
    assert run("verify", "--export", str(exported), "--anchors", str(anchors)).exit_code == 0
    exported.write_text("\n".join([lines[0], lines[1].replace("anna", "bert"), lines[2]]))
    result = run("verify", "--export", str(exported), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["problems"][0]["number"] == 2


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET actor = 'bert' WHERE number = 1",
        "DELETE FROM audit WHERE number = 2",
        "UPDATE receipts SET question = 'another'",
    ],
)
def test_what_was_changed_is_an_exit_code(state: State, change: str, tmp_path: Path) -> None:
    ask(state)
    with state.engine.begin() as connection:
        for trigger in ("audit_no_update", "audit_no_delete"):
            connection.execute(text(f"DROP TRIGGER {trigger}"))
        connection.execute(text(change))
    state.close()
    result = run("verify", "--anchors", str(tmp_path / "anchors"))
    assert result.exit_code == 1
    assert "NOT SOUND" in result.stdout
    assert not (tmp_path / "anchors").exists(), "an unsound end is no anchor"


def test_the_export_goes_to_the_terminal_by_period(state: State) -> None:
    ask(state)
    assert run("export", "--until", "2020-01-01").stdout == ""
    assert len(run("export", "--since", "2020-01-01").stdout.splitlines()) == 4
    assert run("export", "--since", "yesterday").exit_code == 2


def test_without_a_state_none_is_made(corpus: Path) -> None:
    for arguments in (["verify"], ["export"], ["replay", "x"]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "CW-INPUT-MISSING" in result.output
    assert not list(corpus.rglob("service.sqlite"))
