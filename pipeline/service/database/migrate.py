"""Brings the tables from one version to another, with the migrations that ship in this package.

Runs Alembic's migrations on a connection that is already inside a transaction, so that a migration that fails leaves
nothing behind on either database. No `alembic.ini` and no `env.py`: what they would say is here.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from pipeline.service.database.tables import Base
from pipeline.service.errors import StateError

FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x43485754
"""Of PostgreSQL's advisory locks; any number, the same in every process."""


@lru_cache(maxsize=1)
def _scripts() -> ScriptDirectory:
    configuration = Config()
    configuration.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(configuration)


def head() -> str:
    """The version that this program needs."""
    found = _scripts().get_current_head()
    assert found is not None
    return found


def current(connection: Connection) -> str | None:
    """The version of the tables; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def run(connection: Connection, revision: str) -> None:
    """Up or down to `revision`: "head", "base", or an id. Inside the caller's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    scripts = _scripts()

    def steps(at: Any, _: MigrationContext) -> Any:
        wanted = None if revision == "base" else scripts.as_revision_number(revision)
        here = at[0] if at else None
        if here is not None and here not in {script.revision for script in scripts.walk_revisions()}:
            raise StateError(
                f"The service's tables are of version {here}, which this program does not know.",
                remedy="Use the version that wrote them, or restore the snapshot from before.",
            )
        if here == wanted:
            return []
        down = wanted is None or (here is not None and _is_before(wanted, here))
        return scripts._downgrade_revs(revision, at) if down else scripts._upgrade_revs(revision, at)

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(
            connection=connection, target_metadata=Base.metadata, transactional_ddl=True, fn=steps
        )
        environment.run_migrations()


def _is_before(wanted: Any, here: str) -> bool:
    scripts = _scripts()
    return any(script.revision == wanted for script in scripts.iterate_revisions(here, "base"))
