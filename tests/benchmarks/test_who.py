"""The benchmark of who-questions finds everyone in a small store of its own."""

from __future__ import annotations

from benchmarks import who


def test_everyone_is_found() -> None:
    results = who.main(["--notes", "1000"])
    for asked in who.QUESTIONS:
        told = results[f"{asked.question} patients by the answer"]
        assert told == results[f"{asked.question} patients in truth"], asked.question
