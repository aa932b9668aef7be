"""Upkeep: done at the start and again, over failures, until it is stopped."""

from __future__ import annotations

import logging
import threading

import pytest

from pipeline.config import Settings
from pipeline.logs import LOGGER
from pipeline.service.access.factory import Access
from pipeline.service.database.engine import State
from pipeline.service.errors import StateUnavailable
from pipeline.service.retention.scheduler import MaintenanceTask


class Lines(logging.Handler):
    """What was logged, and when the third line came."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.said: list[logging.LogRecord] = []
        self.third = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record)
        if len(self.said) >= 3:
            self.third.set()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    handler = Lines()
    monkeypatch.setattr(LOGGER, "handlers", [handler])
    monkeypatch.setattr(LOGGER, "level", logging.INFO)
    LOGGER.manager._clear_cache()  # type: ignore[attr-defined]
    return handler


def test_it_goes_on_after_a_failure(
    access: Access, state: State, settings: Settings, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    maintenance = MaintenanceTask(state, access.audit, settings.service, every_seconds=0.001)
    anchor, failures = access.audit.anchor, iter([True])

    def sometimes() -> object:
        if next(failures, False):
            raise StateUnavailable("away", remedy="wait")
        return anchor()

    monkeypatch.setattr(access.audit, "anchor", sometimes)
    maintenance.start()
    assert lines.third.wait(20)
    maintenance.stop()
    assert [line.getMessage() for line in lines.said[:2]] == [
        "upkeep failed; it is tried again later",
        "audit anchor",
    ]
    assert vars(lines.said[1])["hash"] == "0" * 64
    maintenance.stop()


def test_a_fault_of_ours_is_logged_with_its_place_and_without_its_words(
    access: Access, state: State, settings: Settings, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("words of a note")

    monkeypatch.setattr(access.audit, "anchor", fail)
    maintenance = MaintenanceTask(state, access.audit, settings.service, every_seconds=0.001)
    maintenance.start()
    assert lines.third.wait(20)
    maintenance.stop()
    assert vars(lines.said[0])["error"] == "ZeroDivisionError"
    assert vars(lines.said[0])["place"].startswith("test_scheduler.py:")
    assert "words of a note" not in str(vars(lines.said[0]))


def test_one_that_never_began_can_be_stopped(access: Access, state: State, settings: Settings) -> None:
    MaintenanceTask(state, access.audit, settings.service).stop()
