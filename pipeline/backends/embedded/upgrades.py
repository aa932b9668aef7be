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

LOCATORS_SINCE = 2
"""From this version on a chunk has a column for its place on a page or in an image. In older stores all is text."""
CORPUS_VERSION_SINCE = 3


def m0002_locators(connection: sqlite3.Connection) -> None:
    """A new column: takes no longer in a large store than in a small one. Existing passages are characters: NULL."""
    connection.execute(_SQL.upgrade_locators)


def m0003_corpus_version(connection: sqlite3.Connection) -> None:
    """What a cache of answers is keyed by; the statement is the one that a new store is made with."""
    connection.execute(_SQL.create_corpus_version)
    connection.execute(_SQL.change_corpus_version)


UPGRADES: Upgrades[sqlite3.Connection] = Upgrades(m0002_locators, m0003_corpus_version)
