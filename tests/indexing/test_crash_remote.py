"""A short version of `python -m tests.crash_remote`: SIGKILL with embedder and store in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash_remote import BATCH_NOTES, IN_FLIGHT_MAX, PASSAGES_A_NOTE, Corpus, crash_test
from tests.servers.iris import iris_process
from tests.servers.nim import nim_process

NOTES = 120


@pytest.mark.long
def test_a_kill_costs_what_was_in_flight_and_nothing_else(tmp_path: Path) -> None:
    with (
        nim_process("--embed-seconds=0.15", "--embed-concurrency=2") as server,
        iris_process(tmp_path / "iris.sqlite") as store,
    ):
        corpus = Corpus(tmp_path, tmp_path / "notes.jsonl", server, store, in_flight_max=IN_FLIGHT_MAX)
        aims = ("spooling", "storing", "ledger commit")
        verdict = crash_test(corpus, notes=NOTES, kills=len(aims), aims=aims, run_seconds_max=0.2)
    assert verdict.last_exit == 0
    assert verdict.audit.sound, verdict.audit
    assert verdict.texts == NOTES * PASSAGES_A_NOTE
    assert verdict.told_early == 0
    assert verdict.accounted
    assert verdict.bounded, verdict.kills
    assert verdict.texts_max == BATCH_NOTES * PASSAGES_A_NOTE
