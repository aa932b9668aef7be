"""The canary: what it proves, that no one else meets it, and that it never stays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import vectorize
from pipeline.ask import open_answering
from pipeline.checks import canary
from pipeline.checks.canary import (
    PATIENT,
    clear_canary,
    end_to_end_check,
    is_canary,
    left_overs_check,
    make_canary,
)
from pipeline.checks.context import CheckContext
from pipeline.checks.machine import Machine
from pipeline.checks.runner import Check, run_checks
from pipeline.config import Settings, load_settings
from pipeline.errors import Overloaded
from pipeline.records import DraftPiece, GeneratorModel, Prompt, Question
from pipeline.storage.locks import exclusive_lock
from tests.service.running import until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(None, data_dir=tmp_path / "data", embedder={"provider": "hashing"})


@pytest.fixture
def asked(settings: Settings) -> Iterator[CheckContext]:
    with CheckContext(settings, settings, "local") as made:
        yield made


def stored(bench: CheckContext) -> list[str]:
    return [resource_id for resource_id, _ in bench.store.chunk_ids()]


class Says:
    """A generator that says what it is told."""

    model = GeneratorModel("test", "says")

    def __init__(self, *pieces: str, error: Exception | None = None) -> None:
        self.pieces, self.error = pieces, error

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        if self.error is not None:
            raise self.error
        yield from (DraftPiece(text=piece) for piece in self.pieces)
        yield DraftPiece(finish_reason="stop")

    def check(self) -> None:
        return None


def answering_with(bench: CheckContext, *pieces: str, **more: Any) -> CheckContext:
    bench._parts["generator"] = Says(*pieces, **more)
    return bench


def test_the_right_sentence_is_cited_and_the_note_is_gone(asked: CheckContext) -> None:
    found = end_to_end_check(asked)
    assert found.status == "pass"
    assert found.measured["citations"] == 1
    assert stored(asked) == []


def test_each_canary_has_another_answer() -> None:
    made = [make_canary(time.time()) for _ in range(20)]
    assert len({each.word for each in made}) > 10
    assert all(is_canary(each.document.resource_id) and each.document.patient_id == PATIENT for each in made)
    assert not is_canary("chartwell-canary-of-somebody")


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        (("NOT STATED",), "generator_abstained"),
        (('"The lamp is in the cellar." [1]',), "nothing_verified"),
        ((), "empty"),
    ],
)
def test_a_model_that_does_not_answer_fails_with_the_stage(
    asked: CheckContext, pieces: tuple[str, ...], why: str
) -> None:
    found = end_to_end_check(answering_with(asked, *pieces))
    assert found.status == "fail"
    assert found.measured["why"] == why
    assert found.error is not None
    assert found.error.code == "CW-CHECK-ANSWER"
    assert stored(asked) == []


@pytest.mark.parametrize(
    "said",
    [
        '"The ferry brings paraffin twice a month." [1]',
        "The lighthouse keeps its spare lamp beside the eastern stairs [1].",
    ],
)
def test_a_citation_of_the_right_note_under_a_wrong_answer_is_not_enough(
    asked: CheckContext, said: str
) -> None:
    found = end_to_end_check(answering_with(asked, said))
    assert found.status == "fail"
    assert "is not the sentence that answers" in found.reason


def test_a_right_but_slow_answer_is_a_warning(settings: Settings) -> None:
    hasty = settings.model_copy(
        update={"checks": settings.checks.model_copy(update={"answer_seconds_max": 1e-9})}
    )
    with CheckContext(hasty, hasty, "local") as made:
        found = end_to_end_check(made)
    assert found.status == "warn"
    assert found.error is not None
    assert found.error.code == "CW-CHECK-SLOW"


def test_a_model_that_fails_leaves_no_note_behind(asked: CheckContext) -> None:
    broken = answering_with(asked, error=Overloaded("full", remedy="wait"))
    with pytest.raises(Overloaded):
        end_to_end_check(broken)
    assert stored(asked) == []


def test_the_writing_lock_is_held_while_the_note_is_there(
    asked: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    free: list[bool] = []

    def look(_: object, bench: CheckContext) -> Any:
        with exclusive_lock(bench.base_settings.data_dir / ".writing") as mine:
            free.append(mine)
        return original(_, bench)  # type: ignore[arg-type]

    original = canary._answer
    monkeypatch.setattr(canary, "_answer", look)
    assert end_to_end_check(asked).status == "pass"
    assert free == [False]


# --- no one else meets it


@pytest.mark.long
def test_an_ordinary_question_does_not_find_it_while_it_is_there(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the embedder that users have, on the notes that ship, by questions without any filter."""
    real = load_settings(None, data_dir=tmp_path / "data")
    notes = ROOT / "pipeline" / "demo" / "notes"
    done = CliRunner().invoke(
        vectorize.app, ["notes", str(notes), "--limit", "6"], env={"CHARTWELL_DATA_DIR": str(real.data_dir)}
    )
    assert done.exit_code == 0, done.output
    questions = [
        "What dose of allopurinol is Anna Mitchell taking for gout?",
        "Which patients had a kidney transplant?",
        "What did the x-ray of the knee show?",
        "Which patients smoke?",
        "Where does the patient live?",
    ]
    met: list[str] = []
    there: list[bool] = []

    def others_ask(own: object, bench: CheckContext) -> Any:
        with open_answering(real) as answering:
            for text in questions:
                answer = answering.answer(Question(text))
                met.extend(hit.resource_id for hit in answer.passages)
        there.append(any(map(is_canary, stored(bench))))
        return original(own, bench)  # type: ignore[arg-type]

    original = canary._answer
    monkeypatch.setattr(canary, "_answer", others_ask)
    with CheckContext(real, real, "local") as made:
        assert end_to_end_check(made).status == "pass"
        assert there == [True]
        assert met
        assert not any(map(is_canary, met))
        assert not any(map(is_canary, stored(made)))


# --- it never stays

KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.checks import canary
from pipeline.checks.context import CheckContext
from pipeline.config import load_settings
settings = load_settings(None, data_dir=Path(sys.argv[1]), embedder={"provider": "hashing"})
canary._answer = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with CheckContext(settings, settings, "local") as bench:
    canary.end_to_end_check(bench)
"""


def kill_one(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(settings.data_dir)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL


def test_what_a_killed_run_left_is_removed_by_the_next_one_without_any_model(
    settings: Settings, asked: CheckContext
) -> None:
    kill_one(settings)
    assert len(stored(asked)) >= 1
    asked._parts["embedder"] = None  # any use of it would fail
    found = left_overs_check(asked)
    assert found.status == "warn"
    assert found.measured["removed"] == 1
    assert stored(asked) == []
    assert left_overs_check(asked).status == "pass"


def test_the_question_itself_removes_left_overs_too(settings: Settings, asked: CheckContext) -> None:
    kill_one(settings)
    assert end_to_end_check(asked).status == "pass"
    assert stored(asked) == []


def overrun(bench: CheckContext) -> list[str]:
    """What is in the store when a run has ended whose question got no answer in time."""
    check = Check("end_to_end_check", end_to_end_check, 1.0, clear=clear_canary)
    report = run_checks(bench, [check])
    assert report.result("end_to_end_check").code == "CW-CHECK-UNFINISHED"
    return stored(bench)


def test_a_model_server_that_never_answers_leaves_no_note_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = load_settings(
            None,
            data_dir=tmp_path / "data",
            embedder={"provider": "hashing"},
            generator={"provider": "nim", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/v1"},
        )
        with CheckContext(settings, settings, "local") as made:
            assert overrun(made) == []
            assert made.written == set()


def test_a_model_that_cannot_be_stopped_leaves_no_note_behind(
    asked: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.checks.runner.CLEARING_SECONDS", 0.5)
    reached, release = threading.Event(), threading.Event()

    class Hangs(Says):
        def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
            reached.set()
            release.wait(30)
            return super().stream(prompt)

    asked._parts["generator"] = Hangs()
    try:
        assert overrun(asked) == []
        assert reached.is_set()
    finally:
        release.set()
        until(lambda: not asked.written)


def put(bench: CheckContext, resource_id: str) -> None:
    made = make_canary(time.time())
    bench.store.prepare(bench.embedder.space)
    document = replace(made.document, resource_id=resource_id)
    bench.store.upsert([canary._embedded(document, bench)])


def test_another_machines_canary_is_left_alone_until_it_must_be_dead(
    settings: Settings, asked: CheckContext
) -> None:
    young = f"chartwell-canary-00000000-{int(time.time())}-00000001"
    put(asked, young)
    assert left_overs_check(asked).status == "pass"
    later = CheckContext(settings, settings, "local", Machine(now=lambda: time.time() + 3600))
    assert left_overs_check(later).measured["removed"] == 1
    later.close()
    assert stored(asked) == []


def test_a_real_note_of_a_patient_by_that_name_is_nobodys_left_over(asked: CheckContext) -> None:
    put(asked, "note-of-a-real-patient")
    assert left_overs_check(asked).status == "pass"
    assert stored(asked) == ["note-of-a-real-patient"]


@pytest.mark.parametrize("find", [end_to_end_check, left_overs_check])
def test_two_runs_do_not_remove_each_others(asked: CheckContext, settings: Settings, find: Any) -> None:
    with exclusive_lock(settings.data_dir / canary.LOCK_FILE) as mine:
        assert mine
        found = find(asked)
    assert found.status == "skip"
    assert "another run" in found.reason


def test_indexing_and_verifying_know_nothing_of_it(settings: Settings, asked: CheckContext) -> None:
    """A canary that is there during a run is neither pruned nor taken for a lost note."""
    env = {"CHARTWELL_DATA_DIR": str(settings.data_dir), "CHARTWELL_EMBEDDER__PROVIDER": "hashing"}
    source = settings.data_dir.parent / "notes.jsonl"
    source.write_text(
        '{"resource_id": "n1", "patient_id": "p", "document_type": "note", "text_content": "A cough."}\n'
    )
    put(asked, make_canary(time.time()).document.resource_id)
    for words in (["notes", str(source), "--prune"], ["verify"]):
        done = CliRunner().invoke(vectorize.app, words, env=env)
        assert done.exit_code == 0, done.output
    assert len(set(stored(asked))) == 2
    assert left_overs_check(asked).measured["removed"] == 1
