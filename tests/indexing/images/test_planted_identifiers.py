"""Planted identifiers through the whole flow: none in the store of images, its thumbnails, kept vectors or logs.

The ledger knows a file by its path as it is, as the list of rejected files does (docs/images.md).
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.images import EVERY_IMAGE
from pipeline.records import EVERYTHING
from pipeline.wiring import SPOOL_FILE, STORE_FILE
from tests.imaging.planted import PATIENT_ID, found_in, planted_files
from tests.indexing.images.films import Films, write_table

LEDGER = frozenset({"ImageVectorizationState", "StagedImages"})


def test_nothing_that_is_planted_is_stored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = planted_files(tmp_path).values()
    rows = [{"image": path.name, "patient": PATIENT_ID, "modality": "CR"} for path in paths]
    table = write_table(tmp_path / "said.csv", rows)
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    with closing(Films(tmp_path / "data")) as films:
        tally = films.run(tmp_path / "MITCHELL_ANNABELLA", tables=[table])
        assert (tally.accepted, tally.rejected, tally.failed) == (4, 0, 0)
        shown = repr(films.images.images(EVERY_IMAGE))
        pictures = [films.images.thumbnail(each, EVERYTHING) for each in films.images.image_ids()]
    kept = {
        name: rows for file in (STORE_FILE, SPOOL_FILE) for name, rows in _tables(tmp_path / "data" / file)
    }
    assert len(pictures) == 4
    assert found_in(f"{shown} {pictures} {caplog.text}") == []
    assert {
        name: found_in(rows) for name, rows in kept.items() if name not in LEDGER and found_in(rows)
    } == {}
    assert found_in(kept["ImageVectorizationState"]), "and the ledger is looked at"


def _tables(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [(name, repr(database.execute(f'SELECT * FROM "{name}"').fetchall())) for name in names]
