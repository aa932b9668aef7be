"""A state on each database there is, its tables made, with cheap password hashes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from pipeline.config import Settings, load_settings
from pipeline.service.access.factory import Access, open_access
from pipeline.service.access.policy import Principal
from pipeline.service.access.sessions import SignedIn
from pipeline.service.conversations.factory import History, open_history
from pipeline.service.database.engine import State
from tests.service.answers import Shelf
from tests.service.running import Running, copied, index, running, settings_in

POSTGRESQL = Path("/usr/lib/postgresql/15/bin")
PASSWORD = "four words in a row"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL that listens on a socket in a folder of its own, and nowhere else."""
    if not (POSTGRESQL / "postgres").is_file():
        pytest.skip(f"needs PostgreSQL's programs in {POSTGRESQL} (Debian: postgresql-15)")
    folder = Path(tempfile.mkdtemp(prefix="chartwell-pg-", dir="/tmp"))
    try:
        user = _unprivileged(folder)
        if user is None:
            pytest.skip("PostgreSQL does not run as root, and there is no account to run it as")
        _as(
            user,
            "initdb",
            "-D",
            str(folder / "data"),
            "-U",
            "chartwell",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        )
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=120"
        _as(
            user,
            "pg_ctl",
            "-D",
            str(folder / "data"),
            "-w",
            "-l",
            str(folder / "log"),
            "-o",
            options,
            "start",
        )
        try:
            yield f"postgresql://chartwell@/postgres?host={folder}"
        finally:
            _as(user, "pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> list[str] | None:
    """How to run a program as a user other than root, who then owns the folder."""
    if os.geteuid() != 0:
        return []
    runuser = shutil.which("runuser")
    for name in ("postgres", "nobody"):
        known = subprocess.run(["id", "-u", name], capture_output=True, check=False)
        if runuser and known.returncode == 0:
            shutil.chown(folder, user=name)
            return [runuser, "-u", name, "--"]
    return None


def _as(user: list[str], program: str, *arguments: str) -> None:
    done = subprocess.run(
        [*user, str(POSTGRESQL / program), *arguments],
        cwd="/tmp",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables and nothing in them; copying it is quicker than migrating."""
    path = tmp_path_factory.mktemp("template") / "service.sqlite"
    with State(f"sqlite:///{path}") as made:
        made.migrate()
        made.scrub()
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql: str) -> str:
    """The name of such a database."""
    run_sql(postgresql, "CREATE DATABASE chartwell_template")
    with State(postgresql.replace("/postgres?", "/chartwell_template?")) as made:
        made.migrate()
    return "chartwell_template"


def run_sql(server: str, statement: str) -> None:
    """One statement outside any transaction."""
    url = server.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind without tables."""
    yield from _database(request, tmp_path, template=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind with all tables and nothing in them."""
    yield from _database(request, tmp_path, template=True)


def _database(request: pytest.FixtureRequest, folder: Path, *, template: bool) -> Iterator[str]:
    if request.param == "sqlite":
        path = folder / "service.sqlite"
        if template:
            shutil.copy(request.getfixturevalue("sqlite_template"), path)
            path.chmod(0o600)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgresql")
    source = request.getfixturevalue("postgresql_template") if template else "template1"
    name = f"t_{os.urandom(6).hex()}"
    run_sql(server, f"CREATE DATABASE {name} TEMPLATE {source}")
    yield server.replace("/postgres?", f"/{name}?")
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    with State(state_url) as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path, state_url: str) -> Settings:
    """Real argon2id with the smallest parameters."""
    return load_settings(
        None,
        data_dir=tmp_path / "data",
        service={
            "password_memory_mebibytes": 1,
            "password_passes": 1,
            "password_lanes": 1,
            "state_url": state_url,
        },
    )


@pytest.fixture
def access(state: State, settings: Settings) -> Access:
    return open_access(state, settings)


@pytest.fixture
def first(access: Access) -> SignedIn:
    """The first administrator, signed in with their link."""
    invitation = access.people.first_administrator()
    assert invitation is not None
    return access.sign_ins.with_link(invitation.token, PASSWORD, address="127.0.0.1", name="ada")


@pytest.fixture
def administrator(first: SignedIn) -> Principal:
    return first.current.principal


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def history(state: State, settings: Settings, access: Access, shelf: Shelf) -> History:
    return open_history(state, access.audit, settings, shelf.visible)


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds the demo's notes. Not to be written to: copy it."""
    folder = tmp_path_factory.mktemp("corpus") / "data"
    index(settings_in(folder))
    return folder


@pytest.fixture(scope="module")
def service(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service over those notes, for tests that leave it as it was."""
    folder = copied(indexed, tmp_path_factory.mktemp("service") / "data")
    with running(settings_in(folder)) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium."""
    visitors = pytest.importorskip("tests.service.visitors", reason="needs playwright: make test installs it")
    with visitors.chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: Any, service: Running) -> Iterator[Any]:
    """Makes users of the page of `service`; see `visitors.visiting`."""
    visitors = pytest.importorskip("tests.service.visitors")
    with visitors.visiting(browser, service) as make:
        yield make
