"""Numbered upgrades of a schema: what a release changed about the tables that an earlier one made.

Decides in which order steps are taken and that none is taken twice, and refuses what a newer release wrote: to guess
at columns that are not known could show a fact as something else. A step is a function `m0002_what_it_does`; its
number is the version that it leaves behind. Knows no table: the owner of the tables keeps their version, writes the
steps and says what a transaction is. Where the database takes back changes of tables (SQLite), a kill between or
within steps leaves the version before or after one. Where it does not (IRIS), a step must bear being taken again.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from pipeline.errors import SchemaMismatch
from pipeline.storage.named_sql import Statements

Target = TypeVar("Target")
UpgradeStep: TypeAlias = Callable[[Target], None]

_NAME = re.compile(r"m(\d{4})_\w+")
_SQL = Statements(Path(__file__).with_suffix(".sql"))


class Upgrades(Generic[Target]):
    """The steps from the first schema of one owner of tables to the schema that this program knows."""

    def __init__(self, *steps: UpgradeStep[Target], first: int = 1) -> None:
        """`first`: the version before the first step. Raises ValueError where a number is missing or out of order."""
        self.steps = tuple(steps)
        self._first = first
        self.version = first + len(steps)
        """The newest version, which the last step leaves behind."""
        for number, step in self._numbered():
            found = _NAME.fullmatch(step.__name__)
            if found is None or int(found[1]) != number:
                raise ValueError(f"{step.__name__} stands where the step to version {number} belongs")

    def require_known(self, held: int, holder: str) -> None:
        """Raises SchemaMismatch where `held` is a version that no step leads to. `holder` opens the message."""
        if not self._first <= held <= self.version:
            raise SchemaMismatch(
                f"{holder} has schema version {held}; this program knows versions {self._first} to {self.version}.",
                remedy="Use the version of Chartwell that wrote it, or index into another place.",
            )

    def take(
        self,
        held: Callable[[Target], int],
        record: Callable[[Target, int], None],
        transaction: Callable[[], AbstractContextManager[Target]],
    ) -> list[str]:
        """Take the steps that are missing, each in a transaction that also records its number. Returns their names.

        `held` is asked inside each transaction: another process may have taken the step meanwhile.
        """
        taken = []
        for number, step in self._numbered():
            with transaction() as target:
                if held(target) >= number:
                    continue
                step(target)
                record(target, number)
            taken.append(step.__name__)
        return taken

    def _numbered(self) -> list[tuple[int, UpgradeStep[Target]]]:
        return list(enumerate(self.steps, start=self._first + 1))


class SqliteVersions:
    """The version of one component's tables, in a table that all components of a SQLite file share."""

    def __init__(self, component: str, upgrades: Upgrades[sqlite3.Connection]) -> None:
        self._component = component
        self._upgrades = upgrades

    def upgrade(
        self, transaction: Callable[[], AbstractContextManager[sqlite3.Connection]], holder: str
    ) -> None:
        """Bring the tables up to date; those that were never made, and those that an earlier release made and did not
        number, begin with the first step. Raises SchemaMismatch where a newer release has been at work."""
        with transaction() as connection:
            connection.execute(_SQL.create_versions)
            held = self._held(connection)
        self._upgrades.require_known(held, holder)
        if held < self._upgrades.version:
            self._upgrades.take(self._held, self._record, transaction)

    def _held(self, connection: sqlite3.Connection) -> int:
        row = connection.execute(_SQL.version, (self._component,)).fetchone()
        return int(row[0]) if row else 0

    def _record(self, connection: sqlite3.Connection, number: int) -> None:
        connection.execute(_SQL.record_version, (self._component, number))
