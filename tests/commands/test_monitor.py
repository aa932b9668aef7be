"""The monitor command against simulated servers, as a person, a script and systemd run it."""

from __future__ import annotations

import datetime as dt
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.config import load_settings
from pipeline.monitor import app
from pipeline.monitoring.sample_log import kept_samples
from pipeline.service.database import answer_counts as counting
from pipeline.service.database.answer_counts import AnswerCounts, Answers
from pipeline.service.database.engine import open_state
from pipeline.service.database.tables import Receipt
from pipeline.vectorize import app as vectorize
from pipeline.wiring import open_embedder, open_store
from tests.servers import hardware
from tests.servers.nim import NimServer

ROOT = Path(__file__).resolve().parents[2]
RUN = CliRunner()


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CHARTWELL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CHARTWELL_MONITOR__HOST_STATE_FILE", str(tmp_path / "absent.json"))
    return tmp_path / "data"


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def started(*words: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.monitor", *words],
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_look_at_a_machine_that_has_little(own_folder: Path) -> None:
    done = RUN.invoke(app, ["--once"])
    assert done.exit_code == 0, done.output
    for part in (
        "GPU",
        "Services",
        "Containers",
        "Store",
        "Host",
        "Cost",
        "nothing is indexed yet",
        "not kept",
    ):
        assert part in done.output, part
    assert not own_folder.exists(), "looking creates nothing"


def test_a_store_that_nothing_was_indexed_into_has_no_ledger_and_that_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    settings = load_settings()
    with closing(open_store(settings)) as store:
        store.prepare(open_embedder(settings).space)
    done = RUN.invoke(app, ["--once"])
    assert "ledger    nothing is indexed yet" in done.output, done.output
    assert "CW-STORE" not in done.output


def test_a_server_that_is_away_is_named_and_the_exit_code_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "nim")
    monkeypatch.setenv("CHARTWELL_EMBEDDER__URL", "http://127.0.0.1:9/v1")
    done = RUN.invoke(app, ["--once"])
    assert done.exit_code == 1
    assert "embedder is down" in done.output


def test_json_is_one_object_a_look_and_holds_the_simulated_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hardware.printing(tmp_path / "bin", "dcgmi", hardware.DMON_FINE)
    state = {"name": "/nim-llm", "status": "running", "restarts": 2, "started_at": "2026-11-21T06:02:11Z"}
    state |= {"exit_code": 0, "killed_for_memory": False, "health": None}
    hardware.printing(tmp_path / "bin", "docker", json.dumps(state) + "\n")
    library = hardware.nvml(tmp_path / "nvml")
    with NimServer() as server:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.monitor", "--once", "--json"],
            env=environment(
                PATH=hardware.path_with(tmp_path / "bin"),
                LD_LIBRARY_PATH=str(library or ""),
                FAKE_NVML="fine",
                CHARTWELL_EMBEDDER__PROVIDER="nim",
                CHARTWELL_EMBEDDER__URL=server.url,
            ),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    sample = json.loads(done.stdout)
    assert sample["containers"]["found"][0]["restarts"] == 2
    assert [(each["name"], each["state"]) for each in sample["services"]] == [("embedder", "ok")]
    if library is not None:
        assert [card.get("dram_active") for card in sample["gpus"]["cards"]] == [0.612, 0.001]


def test_under_systemd_it_keeps_samples_says_changes_once_and_ends_on_request(own_folder: Path) -> None:
    with NimServer() as server:
        process = started(
            "--interval",
            "1",
            CHARTWELL_EMBEDDER__PROVIDER="nim",
            CHARTWELL_EMBEDDER__URL=server.url,
            CHARTWELL_MONITOR__METRICS_TEXTFILE=str(own_folder.parent / "chartwell.prom"),
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "nothing needs you\n"
            server.vanish(20)
            assert "embedder is down" in process.stdout.readline()
        finally:
            process.send_signal(signal.SIGTERM)
            rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert rest == ""
    samples = list(kept_samples(own_folder))
    assert len(samples) >= 2
    assert "chartwell_service_up" in (own_folder.parent / "chartwell.prom").read_text()


def test_a_duration_ends_it(own_folder: Path) -> None:
    done = RUN.invoke(app, ["--interval", "1", "--duration", "1", "--json"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) == 2
    assert len(list(kept_samples(own_folder))) == 2


def test_a_person_sees_a_live_screen() -> None:
    """On a real pseudo-terminal of 80 columns: drawn twice, and left as it was found."""
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.monitor", "--interval", "1", "--duration", "1"],
        env=environment(TERM="xterm-256color", COLUMNS="80", LINES="50"),
        stdout=side,
        stderr=side,
        stdin=side,
    )
    os.close(side)
    seen = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not select.select([main], [], [], 0.2)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            more = os.read(main, 65_536)
        except OSError:  # the other side is closed
            break
        seen += more
    os.close(main)
    assert process.wait(timeout=30) == 0
    text = seen.decode(errors="replace")
    assert text.count("Chartwell") >= 2
    assert "\x1b[?1049h" in text
    assert "\x1b[?1049l" in text


def test_a_metrics_port_that_is_taken_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with hardware.serving() as pages:
        monkeypatch.setenv("CHARTWELL_MONITOR__METRICS_PORT", pages.url.rpartition(":")[2])
        done = RUN.invoke(app, ["--duration", "0"])
    assert done.exit_code == 2
    assert "CHARTWELL_MONITOR__METRICS_PORT" in done.output


def test_nothing_that_was_written_in_a_note_is_kept(
    monkeypatch: pytest.MonkeyPatch, own_folder: Path
) -> None:
    """Ids, texts and names of a corpus that is indexed and asked about: none in samples, metrics or the screen."""
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    notes = own_folder.parent / "notes.jsonl"
    marks = {"resource_id": "note-MARK1", "patient_id": "patient-MARK2", "document_type": "MARK3"}
    notes.write_text(json.dumps({**marks, "text_content": "MARK4 has chest pain since Monday."}) + "\n")
    assert RUN.invoke(vectorize, ["notes", str(notes)]).exit_code == 0
    shown = RUN.invoke(app, ["--duration", "0", "--json"])
    screen = RUN.invoke(app, ["--once"])
    kept = "".join(path.read_text() for path in (own_folder / "monitor").glob("*.jsonl"))
    assert '"notes":1' in kept
    assert "MARK" not in shown.output + screen.output + kept


def test_receipts_of_a_service_on_this_machine_are_counted(own_folder: Path) -> None:
    state = open_state(load_settings(None))
    state.migrate()
    usage = json.dumps({"usage": {"prompt_tokens": 800, "completion_tokens": 20}})
    with state.session() as session:
        session.add_all(Receipt(user_id="u", record=usage, sha256="0" * 64) for _ in range(3))
    state.close()
    done = RUN.invoke(app, ["--once", "--json"])
    assert json.loads(done.output)["asked"] == {
        "questions": 3,
        "prompt_tokens": 2400,
        "completion_tokens": 60,
    }


def test_answers_are_counted_once_however_late_they_come(
    monkeypatch: pytest.MonkeyPatch, own_folder: Path
) -> None:
    """The clock passes over receipts, some written minutes after the moment that they carry."""
    start = dt.datetime(2026, 11, 21, 8, tzinfo=dt.UTC)
    clock = [start]
    monkeypatch.setattr(counting, "now", lambda: clock[0])
    counts, expected = AnswerCounts(load_settings(None)), 0
    state = open_state(load_settings(None))
    state.migrate()
    for minute in range(0, 60, 4):
        clock[0] = start + dt.timedelta(minutes=minute)
        with state.session() as session:
            for late in (0, 3, 8):
                session.add(
                    Receipt(
                        user_id="u",
                        record='{"usage":{"prompt_tokens":10,"completion_tokens":1}}',
                        sha256="0" * 64,
                        created_at=clock[0] - dt.timedelta(minutes=late),
                    )
                )
        expected += 3
        assert counts() == Answers(expected, 10 * expected, expected)
    state.close()
