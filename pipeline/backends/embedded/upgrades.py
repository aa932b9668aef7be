"""What later releases changed about the tables of the embedded store, as numbered steps.

A store is created at the newest version (the `create_` statements of store.sql); these bring up an older one.
Each step runs in a transaction of its own, which also records its number.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pipeline.storage.named_sql import Statements
from pipeline.storage.schema_upgrades import Upgrades

_SQL = Statements(Path(__file__).with_name("store.sql"))
_IMAGES = Statements(Path(__file__).with_name("images.sql"))

LOCATORS_SINCE = 2
"""From this version on a chunk has a column for its place on a page or in an image. In older stores all is text."""
CORPUS_VERSION_SINCE = 3
REGISTER_SINCE = 4
"""From this version on there is a register of patients, and a note has a column for what its source says of them."""
IMAGES_SINCE = 5


def m0002_locators(connection: sqlite3.Connection) -> None:
    """A new column: takes no longer in a large store than in a small one. Existing passages are characters: NULL."""
    connection.execute(_SQL.upgrade_locators)


def m0003_corpus_version(connection: sqlite3.Connection) -> None:
    """What a cache of answers is keyed by; the statement is the one that a new store is made with."""
    connection.execute(_SQL.create_corpus_version)
    connection.execute(_SQL.change_corpus_version)


def m0004_patient_register(connection: sqlite3.Connection) -> None:
    """Empty tables, and how many notes are to be read into them: `register.read_more` does that, a few at a time."""
    connection.execute(_SQL.upgrade_source_patient)
    for name, statement in _SQL.items():
        if name.startswith("create_patient_"):
            connection.execute(statement)
    connection.execute(_SQL.upgrade_unread)


def m0005_images(connection: sqlite3.Connection) -> None:
    """Empty tables; no note is touched."""
    create_images(connection)


UPGRADES: Upgrades[sqlite3.Connection] = Upgrades(
    m0002_locators, m0003_corpus_version, m0004_patient_register, m0005_images
)


def create_images(connection: sqlite3.Connection) -> None:
    """The tables of images, where they are missing: the same statements for a new store and an upgraded one."""
    for name, statement in _IMAGES.items():
        if name.startswith("create_"):
            connection.execute(statement)
