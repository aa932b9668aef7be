"""A conversation at the terminal: who each question is about, what a line means, and a real terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import ask, vectorize
from pipeline.ask import open_answering
from pipeline.commands.conversation import TerminalConversation, take
from pipeline.config import load_settings
from pipeline.errors import BadRequest
from pipeline.records import Filters, Question

ROOT = Path(__file__).resolve().parents[2]
NOTES = [
    ("n1", "p1", "Mrs. Linh Nguyen has a potassium of 5.9 mmol/L. Mrs. Nguyen is allergic to penicillin."),
    ("n2", "p2", "Mr. Abara has a potassium of 4.1 mmol/L. Mr. Abara is allergic to latex."),
]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")
    monkeypatch.setenv("CHARTWELL_DATA_DIR", str(tmp_path / "data"))
    source = tmp_path / "notes.json"
    source.write_text(
        json.dumps(
            [
                {"resource_id": i, "patient_id": p, "document_type": "note", "text_content": t}
                for i, p, t in NOTES
            ]
        )
    )
    assert CliRunner().invoke(vectorize.app, ["notes", str(source)]).exit_code == 0


@pytest.fixture
def conversation(corpus: None) -> Iterator[TerminalConversation]:
    settings = load_settings()
    with open_answering(settings) as answering:
        yield TerminalConversation(
            answering, Question("", Filters(), 5), lambda text: ask.checked(text, settings)
        )


def test_she_is_the_patient_of_the_answer_before(
    conversation: TerminalConversation, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation.ask("What is the potassium of Linh Nguyen?")
    assert conversation.last is not None
    assert conversation.last.patients() == ("p1",)
    capsys.readouterr()
    conversation.ask("What is she allergic to?")
    told = capsys.readouterr().out
    assert "about patient p1 alone" in told
    assert "penicillin" in told
    assert "latex" not in told


def test_she_whom_nothing_names_is_refused_and_nothing_is_remembered(
    conversation: TerminalConversation,
) -> None:
    with pytest.raises(BadRequest, match="nothing tells which patient"):
        conversation.ask("What is she allergic to?")
    assert conversation.last is None


def test_who_is_meant_is_asked_back_and_is_no_failure(
    conversation: TerminalConversation, capsys: pytest.CaptureFixture[str]
) -> None:
    take(conversation, "What is she allergic to?")
    told = " ".join(capsys.readouterr().err.split())
    assert told == (
        'Whose allergies? The question says "she", and nothing tells which patient that is. Name the patient in the '
        "question. (CW-REQUEST)"
    )
    found = CliRunner().invoke(ask.app, ["Does this patient have gout?"])
    assert found.exit_code == 2
    assert " ".join(found.output.split()).startswith(
        'Who is meant? The question says "this patient", and nothing tells which patient that is. Name the patient in '
        "the question, or choose one with --patient-id."
    )


def test_another_name_is_another_patient(
    conversation: TerminalConversation, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation.ask("What is the potassium of Linh Nguyen?")
    capsys.readouterr()
    conversation.ask("What is the potassium of Mr. Abara?")
    told = capsys.readouterr().out
    assert "alone" not in told
    assert "4.1" in told
    assert conversation.last is not None
    assert conversation.last.patients() == ("p2",)


def test_all_asks_of_every_patient_and_new_forgets(
    conversation: TerminalConversation, capsys: pytest.CaptureFixture[str]
) -> None:
    take(conversation, "What is the potassium of Linh Nguyen?")
    take(conversation, "/all What is the potassium?")
    told = capsys.readouterr().out
    assert "5.9" in told
    assert "4.1" in told
    take(conversation, "/new")
    assert conversation.last is None
    take(conversation, "What is she allergic to?")
    assert "CW-REQUEST" in capsys.readouterr().err


def test_an_answer_that_was_stopped_names_nobody(
    conversation: TerminalConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    conversation.ask("What is the potassium of Linh Nguyen?")
    monkeypatch.setattr(type(conversation.answering), "stream", stopped)
    take(conversation, "What is the potassium of Mr. Abara?")
    assert conversation.last is not None
    assert conversation.last.patients() == ()


@pytest.mark.parametrize("line", ["/help", "/all", "/nonsense"])
def test_words_that_are_not_understood_show_the_help(
    line: str, conversation: TerminalConversation, capsys: pytest.CaptureFixture[str]
) -> None:
    take(conversation, line)
    assert "/quit" in capsys.readouterr().out


def test_context_is_switched(conversation: TerminalConversation, capsys: pytest.CaptureFixture[str]) -> None:
    take(conversation, "/context")
    assert conversation.show_context
    assert "passages are shown" in capsys.readouterr().out
    take(conversation, "/context")
    assert not conversation.show_context
    assert "no longer shown" in capsys.readouterr().out


def test_passages_that_answer_nothing_are_offered_by_the_word_that_shows_them_here(
    conversation: TerminalConversation, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation.ask("Linh Nguyen mmol/L, and which holidays did she book with her travel agent?")
    assert "/context shows them." in (told := capsys.readouterr().out), told
    assert "--show-context" not in told


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_without_a_terminal_a_question_must_be_named(options: tuple[str, ...], corpus: None) -> None:
    told = CliRunner().invoke(ask.app, options)
    assert told.exit_code == 2
    assert "No question was asked." in told.output


def test_at_a_real_terminal_questions_are_answered_until_the_end(corpus: None) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "pipeline.chartwell", "ask"],
        cwd=ROOT,
        env={**os.environ, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    with running:
        try:
            heard = hear(ours, "> ")
            os.write(ours, b"What is the potassium of Linh Nguyen?\n")
            heard += hear(ours, "characters ", "\n> ")
            os.write(ours, b"warfarin \xff?\n")
            heard += hear(ours, "no text", "\n> ")
            os.write(ours, b"/quit\n")
            running.wait(timeout=30)
        finally:
            running.kill()
    os.close(ours)
    assert running.returncode == 0
    assert "5.9 mmol/L" in heard


def hear(terminal: int, *wanted: str) -> str:
    """What is printed until all of `wanted` came, in this order; some of it may come in one piece."""
    heard, until = "", time.monotonic() + 60
    while not re.search(".*".join(map(re.escape, wanted)), heard.replace("\r", ""), re.DOTALL):
        assert select.select([terminal], [], [], max(0, until - time.monotonic()))[0], heard
        heard += os.read(terminal, 4096).decode(errors="replace")
    return heard


def test_what_was_understood_is_told_and_removed_by_its_part(
    conversation: TerminalConversation, capsys: pytest.CaptureFixture[str]
) -> None:
    take(conversation, "Is Linh Nguyen allergic to latex?")
    assert "Understood: latex of Linh Nguyen" in capsys.readouterr().out
    take(conversation, "And penicillin?")
    assert "Understood: penicillin of Linh Nguyen (as before)" in capsys.readouterr().out
    take(conversation, "/without patient")
    told = capsys.readouterr().out
    assert "Understood: penicillin" in told
    assert "Linh" not in told.splitlines()[0]
    take(conversation, "/without dose")
    assert "was not understood to have a part 'dose'. It has: kind, finding, shape" in capsys.readouterr().err
