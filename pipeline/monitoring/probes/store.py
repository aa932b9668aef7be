"""How large the store is, how far indexing got, and what was asked: numbers out of what is there already.

Decides that nothing is created by looking: a data folder without a ledger is a reading too.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from pipeline.config import Settings
from pipeline.embedding_spaces import serving_settings
from pipeline.errors import ChartwellError
from pipeline.monitoring.probes.containers import HostState
from pipeline.monitoring.samples import Missing, StoreSample, Work, reason
from pipeline.wiring import STORE_FILES, ledger_database, ledger_is_there, open_ledger, open_store


class StoreProbe:
    """Counts notes and chunks in the store that serves, and adds up its files."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._host_state = HostState(settings.monitor.host_state_file)

    def __call__(self) -> StoreSample | Missing:
        chosen = serving_settings(self._settings)
        if chosen.store.kind == "embedded" and not ledger_database(chosen).path.is_file():
            return Missing("nothing is indexed yet")
        try:
            with closing(open_store(_sparing(chosen))) as store:
                counts = store.counts() if store.space() is not None else None
        except ChartwellError as error:
            return Missing(reason(f"{error.what} [{error.code}]"))
        if counts is None:
            return Missing("nothing is indexed yet")
        state = self._host_state.read()
        iris_bytes = state.get("iris_bytes") if state is not None and not isinstance(state, Missing) else None
        return StoreSample(
            chosen.store.kind,
            counts.documents,
            counts.chunks,
            files_bytes(chosen.data_dir),
            database_bytes=iris_bytes if isinstance(iris_bytes, int) else None,
        )


class WorkProbe:
    """Notes by state, out of the ledger."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self) -> Work | Missing:
        chosen = serving_settings(self._settings)
        if not ledger_database(chosen).path.is_file():
            return Missing("nothing is indexed yet")
        try:
            with closing(ledger_database(chosen)) as database:
                if not ledger_is_there(database):
                    return Missing("nothing is indexed yet")
                counts = open_ledger(chosen, database).counts()
        except ChartwellError as error:
            return Missing(reason(f"{error.what} [{error.code}]"))
        return Work(counts["pending"], counts["processing"], counts["completed"], counts["failed"])


def _sparing(settings: Settings) -> Settings:
    """With one connection of the database's few."""
    return settings.model_copy(update={"iris": settings.iris.model_copy(update={"connections_max": 1})})


def files_bytes(folder: Path) -> int:
    """Size of the store's files in a data folder, SQLite's logs included."""
    return sum(_size(path) for name in STORE_FILES for path in folder.glob(f"{name}*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a log that SQLite has just removed
        return 0
