"""The scripted IRIS in a process of its own, with its data in a file: it can be killed, and started again.

    with iris_process(folder / "iris.sqlite") as store:
        IrisStore(store.settings(), connect)          # as if `connect` were iris.dbapi.connect
        store.kill()                                  # SIGKILL: connections break, open transactions are undone
        store.start()                                 # the same port, the same data

    python -m tests.servers.iris FILE --port 1972     # by hand

It is the server of tests/backends/iris_driver.py behind a loopback socket, statement by statement, with that one's bad
manners. What is committed survives SIGKILL of this process (SQLite's write-ahead log), not a loss of power.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection as wire
from pathlib import Path
from typing import Any

from iris import dbapi
from pydantic import SecretStr

from pipeline.config import IrisSettings
from tests.backends.iris_driver import LINK, REFUSED, Connection, Row, Server

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"loopback only"
PASSWORD = Server.password
LOCK_SECONDS = 10.0
"""IRIS's default LOCKTIMEOUT."""


class FileServer(Server):
    """The scripted IRIS on a SQLite file. Its indexes are remembered next to the tables."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        super().__init__(**options)
        self.dirty.execute("CREATE TABLE IF NOT EXISTS Indexes (Name TEXT PRIMARY KEY, Field TEXT NOT NULL)")
        self.indexes = dict(self.dirty.execute("SELECT Name, Field FROM Indexes"))

    def connect_sqlite(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        return database

    def keep_committed(self) -> None:
        """Nothing to do: other connections to the file see what is committed."""

    def committed(self) -> sqlite3.Connection:
        return self._database()

    def _change(self, text: str, values: Sequence[Any]) -> Any:
        before = dict(self.indexes)
        result = super()._change(text, values)
        if self.indexes != before:
            self.dirty.execute("DELETE FROM Indexes")
            self.dirty.executemany("INSERT INTO Indexes VALUES (?, ?)", self.indexes.items())
        return result


def serve(server: Server, port: int, address: str = "127.0.0.1") -> None:
    """Answer until the process ends; a thread for each connection."""
    listener = wire.Listener((address, port), backlog=16, authkey=SECRET)
    sys.stdout.write(f"scripted IRIS on port {listener.address[1]}\n")
    sys.stdout.flush()
    while True:
        try:
            peer = listener.accept()
        except (EOFError, OSError, wire.AuthenticationError):  # gone again before it had said anything
            continue
        threading.Thread(target=_answer, args=(server, peer), daemon=True).start()


def _answer(server: Server, peer: Any) -> None:
    session: Connection | None = None
    try:
        while True:
            order, arguments = peer.recv()
            try:
                if order == "connect":
                    session = server.connect(**arguments)
                    answer: Any = None
                else:
                    assert session is not None
                    answer = _obey(session, order, arguments)
            except (dbapi.Error, AssertionError, TypeError) as error:
                peer.send((type(error).__name__, str(error)))
            else:
                peer.send(("", answer))
    except (EOFError, OSError):
        pass  # the other side has closed, or was killed
    finally:
        if session is not None and not session.dead:
            with server.guard:
                session.die()


def _obey(session: Connection, order: str, arguments: Any) -> Any:
    if order in ("execute", "executemany"):
        cursor = session.cursor()
        answer = getattr(cursor, order)(*arguments)
        rows = [tuple(row) for row in cursor.fetchall()] if order == "execute" else []
        return answer, rows, cursor.rowcount
    if order == "isolation":
        session.committed_only = arguments
        return None
    return getattr(session, order)()


# --- the client's side: what `iris.dbapi` would offer


class RemoteConnection:
    """A DB-API connection to that process."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._lock = threading.Lock()
        try:
            self._peer = wire.Client((options["hostname"], options["port"]), authkey=SECRET)
        except (OSError, EOFError, wire.AuthenticationError):
            raise dbapi.OperationalError(REFUSED) from None
        try:
            self.call("connect", options)
        except BaseException:
            self._peer.close()
            raise

    def call(self, order: str, arguments: Any = None) -> Any:
        with self._lock:
            try:
                self._peer.send((order, arguments))
                error, answer = self._peer.recv()
            except (OSError, EOFError):
                raise dbapi.OperationalError(LINK) from None
        if error:
            raise _error(error, str(answer))
        return answer

    def cursor(self) -> RemoteCursor:
        return RemoteCursor(self)

    def commit(self) -> None:
        self.call("commit")

    def rollback(self) -> None:
        self.call("rollback")

    def close(self) -> None:
        with contextlib.suppress(dbapi.Error):
            self.call("close")
        self._peer.close()


def _error(name: str, message: str) -> Exception:
    known: Any = (
        getattr(dbapi, name, None) or {"AssertionError": AssertionError, "TypeError": TypeError}[name]
    )
    error: Exception = known(message)
    return error


class RemoteCursor:
    """A DB-API cursor."""

    def __init__(self, connection: RemoteConnection) -> None:
        self._connection = connection
        self.closed = False
        self.rowcount = -1
        self._rows: list[tuple[Any, ...]] = []

    def execute(self, text: str, values: Sequence[Any] = ()) -> int:
        _, self._rows, self.rowcount = self._connection.call("execute", (text, list(values)))
        return self.rowcount

    def executemany(self, text: str, rows: Sequence[Sequence[Any]]) -> tuple[int | str, ...]:
        answers: tuple[int | str, ...]
        answers, _, self.rowcount = self._connection.call("executemany", (text, [list(row) for row in rows]))
        return answers

    def fetchall(self) -> tuple[Row, ...]:
        assert not self.closed
        return tuple(Row(self, values) for values in self._rows)  # type: ignore[arg-type]  # it asks for `closed` only

    def close(self) -> None:
        self.closed = True


def connect(**options: Any) -> RemoteConnection:
    """In the place of `iris.dbapi.connect`."""
    return RemoteConnection(options)


# --- the process


class IrisProcess:
    """The store process, seen from a test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self.starts = 0

    def start(self) -> None:
        """Return once it answers. After `kill`: on the same port, with what was committed."""
        command = [sys.executable, "-m", "tests.servers.iris", str(self.path), "--port", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().split()[-1])
        self.starts += 1

    def kill(self) -> None:
        """SIGKILL, as a power cut is for a process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def restart(self) -> None:
        self.kill()
        self.start()

    def settings(self) -> IrisSettings:
        return IrisSettings(port=self.port, password=SecretStr(PASSWORD), timeout_seconds=15)

    def environment(self) -> dict[str, str]:
        """The same as variables, for a worker in another process."""
        return {
            "CHARTWELL_STORE__KIND": "iris",
            "CHARTWELL_IRIS__PORT": str(self.port),
            "CHARTWELL_IRIS__PASSWORD": PASSWORD,
            "CHARTWELL_IRIS__TIMEOUT_SECONDS": "15",
        }


@contextmanager
def iris_process(path: Path) -> Iterator[IrisProcess]:
    """A store process until the block ends."""
    store = IrisProcess(path)
    store.start()
    try:
        yield store
    finally:
        store.kill()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers.iris", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("file", type=Path, help="the data; created where missing")
    parser.add_argument("--port", type=int, default=0, help="0: any free one, printed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    serve(FileServer(options.file, lock_seconds=LOCK_SECONDS), options.port)


if __name__ == "__main__":
    main()
