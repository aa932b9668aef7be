"""Indexing jobs: a real process, watched, cancelled, and found again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from pipeline.service.access.policy import DEMO
from pipeline.service.jobs.records import JobHistory, JobRow
from pipeline.service.jobs.runner import KIND
from tests.servers.nim import NimServer
from tests.servers.queueing import ServiceTime
from tests.service.running import DEMO_NOTES, QUESTION, Running, events_of, running, settings_in, until


def ended(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    until(lambda: client.get(f"/v1/jobs/{job_id}").json()["state"] != "running", 60)
    found: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
    return found


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with an inbox and nothing indexed."""
    folder = tmp_path_factory.mktemp("jobs")
    with running(settings_in(folder / "data", service={"inbox": DEMO_NOTES})) as found:
        yield found


def test_a_job_indexes_the_inbox_and_is_watched_while_it_does(empty: Running) -> None:
    client = empty.client(empty.key("contributor"))
    before = client.post("/v1/ask", json={"question": QUESTION}).json()
    assert before["reason"] == "no_documents"
    started = client.post("/v1/jobs", json={})
    assert started.status_code == 201
    job_id = started.json()["id"]
    second = client.post("/v1/jobs", json={})
    assert (second.status_code, second.json()["code"]) == (409, "CW-CONFLICT")
    with client.stream("GET", f"/v1/jobs/{job_id}/events", timeout=60) as response:
        events = list(events_of(response))
    assert [name for name, _ in events][-1] == "ended"
    assert any(name == "progress" and job["progress"]["read"] for name, job in events)
    last = events[-1][1]
    assert last["state"] == "done"
    assert last["report"]["embedded"] == 137
    assert last == client.get(f"/v1/jobs/{job_id}").json()
    assert client.get("/v1/jobs").json()["jobs"][0]["id"] == job_id
    assert client.post("/v1/ask", json={"question": QUESTION}).json()["outcome"] == "answered"
    again = client.post(f"/v1/jobs/{job_id}/cancel")
    assert again.status_code == 409
    actions = [
        (row.action, row.actor_kind) for row in empty.access.audit.rows() if row.subject == f"job:{job_id}"
    ]
    assert actions == [("job-started", "key"), ("job-ended", "job")]


def test_readers_start_nothing_and_unknown_jobs_are_unknown(empty: Running) -> None:
    reader, contributor = empty.client(empty.key()), empty.client(empty.key("contributor"))
    assert reader.post("/v1/jobs", json={}).status_code == 403
    assert contributor.get("/v1/jobs/none").status_code == 404
    assert contributor.get("/v1/jobs/none/events").status_code == 404
    assert contributor.post("/v1/jobs/none/cancel").status_code == 404
    assert contributor.post("/v1/jobs", json={"input": "/etc/passwd"}).status_code == 422


def test_a_service_without_an_inbox_starts_none(service: Running) -> None:
    answer = service.client(service.key("contributor")).post("/v1/jobs", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "CW-CONFLICT")


@pytest.mark.long
def test_a_job_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    """What was stored stays, and the next one goes on from there."""
    with NimServer(embedding=ServiceTime(seconds_per_request=0.3, concurrency=1)) as nim:
        settings = settings_in(
            tmp_path / "data",
            embedder={"provider": "nim", "url": nim.url, "batch_size": 16},
            indexing={"batch_size": 4},
            service={"inbox": DEMO_NOTES},
        )
        with running(settings) as service:
            client = service.client(service.key("contributor"))
            job_id = client.post("/v1/jobs", json={}).json()["id"]
            until(lambda: client.get(f"/v1/jobs/{job_id}").json()["progress"]["embedded"] > 0)
            assert client.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
            assert ended(client, job_id)["state"] == "cancelled"
            stored = client.get("/v1/status").json()["corpus"]["notes"]
            assert 0 < stored < 137
            nim.reset()


def test_a_job_that_cannot_run_says_why_by_its_code(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data", service={"inbox": tmp_path / "nothing-here"})
    with running(settings) as service:
        client = service.client(service.key("contributor"))
        found = ended(client, client.post("/v1/jobs", json={}).json()["id"])
        assert (found["state"], found["error_code"]) == ("failed", "CW-INPUT-MISSING")
        assert "nothing-here" not in json.dumps(found)


@pytest.mark.long
def test_a_stop_ends_the_job_and_whoever_watches_it(tmp_path: Path) -> None:
    with NimServer(embedding=ServiceTime(seconds_per_request=0.3, concurrency=1)) as nim:
        settings = settings_in(
            tmp_path / "data",
            embedder={"provider": "nim", "url": nim.url, "batch_size": 16},
            indexing={"batch_size": 4},
            service={"inbox": DEMO_NOTES},
        )
        with running(settings) as service:
            client = service.client(service.key("contributor"))
            job_id = client.post("/v1/jobs", json={}).json()["id"]
            until(lambda: client.get(f"/v1/jobs/{job_id}").json()["progress"]["embedded"] > 0)
            seen: list[Any] = []

            def watch() -> None:
                with client.stream("GET", f"/v1/jobs/{job_id}/events", timeout=60) as response:
                    seen.extend(events_of(response))

            watching = threading.Thread(target=watch)
            watching.start()
            until(lambda: seen)
            book = JobHistory(service.state, service.access.audit)
            service.server.handle_exit(15, None)
            watching.join(30)
            assert not watching.is_alive()
            until(lambda: _state(book, job_id) == "cancelled", 30)


def test_who_watches_is_told_what_another_service_made_of_the_job(empty: Running) -> None:
    client = empty.client(empty.key("contributor"))
    job_id = client.post("/v1/jobs", json={}).json()["id"]
    assert JobHistory(empty.state, empty.access.audit).lose_orphans() == 1
    name, job = watched(client, job_id)[-1]
    assert (name, job["state"]) == ("ended", "lost")
    assert client.get(f"/v1/jobs/{job_id}").json() == job


@pytest.mark.parametrize("back", [True, pytest.param(False, marks=pytest.mark.long)])
def test_who_watches_is_told_the_end_of_a_job_that_cannot_be_kept(
    tmp_path: Path,
    state_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    back: bool,
) -> None:
    """With the audit log away nothing is kept; once it is there again, the next try keeps it."""
    monkeypatch.setattr("pipeline.service.jobs.runner.KEEPING_PAUSES", (0.2,) * (50 if back else 2))
    service = {"inbox": DEMO_NOTES, "state_url": state_url}
    with running(settings_in(tmp_path / "data", service=service)) as found:
        client = found.client(found.key("contributor"))
        job_id = client.post("/v1/jobs", json={}).json()["id"]
        _rename(found, "audit", "away")
        if back:
            until(lambda: "the end of an indexing job is not kept" in caplog.text, 60)
            _rename(found, "away", "audit")
        name, job = watched(client, job_id)[-1]
        assert (name, job["state"]) == ("ended", "done")
        if not back:
            _rename(found, "away", "audit")
        assert _state(JobHistory(found.state, found.access.audit), job_id) == ("done" if back else "running")
        assert client.post("/v1/jobs", json={}).status_code == 201


def test_a_run_that_cannot_begin_is_logged_with_the_place_of_the_fault(
    empty: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise ZeroDivisionError("words of a note")

    monkeypatch.setattr("pipeline.service.jobs.runner._python_path", fail)
    client = empty.client(empty.key("contributor"))
    job_id = client.post("/v1/jobs", json={}).json()["id"]
    assert watched(client, job_id)[-1][1]["error_code"] == "CW-INTERNAL"
    (line,) = [each for each in caplog.records if each.getMessage() == "an indexing job failed"]
    assert vars(line)["error"] == "ZeroDivisionError"
    assert vars(line)["place"].startswith("test_runner.py:")
    assert "words of a note" not in str(vars(line))


def watched(client: httpx2.Client, job_id: str) -> list[tuple[str, Any]]:
    """Every event of the job's stream."""
    with client.stream("GET", f"/v1/jobs/{job_id}/events", timeout=60) as response:
        return list(events_of(response))


def _rename(service: Running, table: str, name: str) -> None:
    with service.state.session() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


def _state(book: JobHistory, job_id: str) -> str:
    found = book.get(job_id)
    assert isinstance(found, JobRow)
    return found.state


def test_what_an_earlier_service_left_running_is_lost(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    with running(settings) as service:
        left = JobHistory(service.state, service.access.audit).begin(DEMO, KIND, {"prune": False})
    with running(settings) as service:
        found = service.client(service.key("contributor")).get(f"/v1/jobs/{left.id}").json()
        assert found["state"] == "lost"
