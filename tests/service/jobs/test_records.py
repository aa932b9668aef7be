"""Jobs are remembered, end once, and are never running for ever."""

from __future__ import annotations

import pytest

from pipeline.service.audit.chain import SystemActor
from pipeline.service.conversations.factory import History
from pipeline.service.errors import Conflict, NotKnown

ANNA = SystemActor("anna", "user")


def test_a_job_from_its_start_to_its_end(history: History) -> None:
    job = history.jobs.begin(ANNA, "index", {"prune": False})
    assert job.state == "running"
    assert history.jobs.advance(job.id, {"read": 7}) is False
    history.jobs.ask_cancel(ANNA, job.id)
    assert history.jobs.advance(job.id, {"read": 9}) is True
    ended = history.jobs.end(job.id, "cancelled", report={"read": 9})
    assert (ended.state, ended.progress, ended.report) == ("cancelled", {"read": 9}, {"read": 9})
    assert ended.ended_at is not None
    assert history.jobs.get(job.id) == ended
    assert history.jobs.advance(job.id, {"read": 99}) is True
    assert history.jobs.get(job.id) == ended


def test_a_job_ends_once(history: History) -> None:
    job = history.jobs.begin(ANNA, "index", {})
    history.jobs.end(job.id, "failed", error="no", error_code="CW-INPUT")
    for again in (lambda: history.jobs.end(job.id, "done"), lambda: history.jobs.ask_cancel(ANNA, job.id)):
        with pytest.raises(Conflict):
            again()
    for unknown in (lambda: history.jobs.end("0", "done"), lambda: history.jobs.ask_cancel(ANNA, "0")):
        with pytest.raises(NotKnown):
            unknown()


def test_what_nobody_runs_is_lost(history: History) -> None:
    first = history.jobs.begin(ANNA, "index", {})
    assert history.jobs.lose_orphans(silent_seconds=60) == 0
    assert history.jobs.lose_orphans() == 1
    assert history.jobs.lose_orphans() == 0
    second = history.jobs.begin(ANNA, "index", {})
    assert [(job.id, job.state) for job in history.jobs.latest()] == [
        (second.id, "running"),
        (first.id, "lost"),
    ]
