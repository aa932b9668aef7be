"""The state's database: migrations both ways, transactions, privacy, and errors that are ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from pipeline.config import load_settings
from pipeline.service.database import migrate
from pipeline.service.database.engine import State, open_state
from pipeline.service.database.tables import Base, User
from pipeline.service.errors import Conflict, StateError, StateUnavailable

ROOT = Path(__file__).resolve().parents[3]


def person(name: str) -> User:
    return User(name=name, display_name=name, role="reader")


# --- migrations


def test_up_down_and_up_again(empty_url: str) -> None:
    with State(empty_url) as state:
        assert state.revision() is None
        with pytest.raises(StateError):
            state.check()
        state.migrate()
        assert state.revision() == migrate.head()
        state.check()
        tables = set(inspect(state.engine).get_table_names())
        assert tables == {*Base.metadata.tables, "alembic_version"}
        with state.session() as session:
            session.add(person("anna"))
        state.migrate()  # again: nothing happens
        with state.reading() as session:
            assert session.scalars(select(User.name)).all() == ["anna"]
        state.migrate("base")
        assert set(inspect(state.engine).get_table_names()) == {"alembic_version"}
        assert state.revision() is None
        state.migrate()
        state.check()


def test_the_migrations_make_the_tables_of_the_models(state: State) -> None:
    with state.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_migration_that_fails_leaves_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = migrate._scripts().get_revision("0001")
    assert script is not None
    upgrade: Callable[[], None] = script.module.upgrade

    def broken() -> None:
        upgrade()
        raise ZeroDivisionError

    monkeypatch.setattr(script.module, "upgrade", broken)
    with State(empty_url) as state:
        with pytest.raises(ZeroDivisionError):
            state.migrate()
        assert inspect(state.engine).get_table_names() == []


def test_several_that_start_at_once_migrate_once(empty_url: str) -> None:
    def start(_: int) -> None:
        with State(empty_url) as state:
            state.migrate()
            state.check()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [None] * 4


def test_a_newer_database_is_refused(state: State) -> None:
    with state.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match="9999"):
        state.check()
    with pytest.raises(StateError, match="9999"):
        state.migrate()


@pytest.mark.long
def test_the_migrations_are_in_the_wheel(tmp_path: Path) -> None:
    """An installed package migrates: built, unpacked and run away from the checkout."""
    source = tmp_path / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "pipeline", source / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-c", f"import setuptools.build_meta as b; b.build_wheel({str(tmp_path)!r})"],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=100,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = (
        "import pipeline.service.database.engine as d; s = d.State('sqlite:///s.sqlite'); s.migrate(); s.check(); "
        "print(d.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "site") in done.stdout


# --- transactions


def test_an_exception_undoes_everything(state: State) -> None:
    with pytest.raises(ZeroDivisionError):
        _add_and_fail(state)
    with state.reading() as session:
        assert session.scalars(select(User.name)).all() == []


def _add_and_fail(state: State) -> None:
    with state.session() as session:
        session.add(person("anna"))
        session.flush()
        raise ZeroDivisionError


def test_a_broken_constraint_is_a_conflict_without_values(state: State) -> None:
    with state.session() as session:
        session.add(person("secret-name"))
    with pytest.raises(Conflict) as refused, state.session() as session:
        session.add(person("secret-name"))
    assert "secret-name" not in str(refused.value)
    assert refused.value.__cause__ is not None
    assert "[parameters: " not in str(refused.value.__cause__)


def test_reading_cannot_write(state: State) -> None:
    with pytest.raises(StateError), state.reading() as session:
        session.execute(text("DELETE FROM users"))
    with state.session() as session:
        session.add(person("anna"))  # and a writer after it can


def test_a_write_inside_a_write_is_refused_and_not_waited_for(state: State) -> None:
    with state.session(), pytest.raises(StateError, match="inside another"):
        _write(state)
    _write(state)


def _write(state: State) -> None:
    with state.session() as session:
        session.add(person("anna"))


def test_a_reader_sees_one_state_and_waits_for_nobody(state: State) -> None:
    with state.reading() as reader:
        assert reader.scalars(select(User.name)).all() == []
        _write(state)
        assert reader.scalars(select(User.name)).all() == []
    with state.reading() as reader:
        assert reader.scalars(select(User.name)).all() == ["anna"]


def test_many_threads_write(state: State) -> None:
    def write(number: int) -> None:
        with state.session() as session:
            session.add(person(f"p{number}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with state.reading() as session:
        assert len(session.scalars(select(User.name)).all()) == 60


# --- privacy and errors


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "service.sqlite"
    with State(f"sqlite:///{path}") as state:
        state.migrate()
        for file in path.parent.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file.name
    assert path.parent.stat().st_mode & 0o077 == 0


def test_it_lies_in_the_data_folder_unless_a_url_says_otherwise(tmp_path: Path) -> None:
    assert open_state(load_settings(None, data_dir=tmp_path)).path == tmp_path / "service.sqlite"
    url = "postgresql://u:topsecret@db.example/c"
    remote = open_state(load_settings(None, service={"state_url": url}))
    assert remote.path is None
    assert remote.url.query["sslmode"] == "require", "never in clear text by default"
    assert "topsecret" not in str(remote.url)


@pytest.mark.parametrize("url", ["", "mysql://u@h/d", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(StateError) as refused:
        State(url)
    assert "h/d" not in str(refused.value)


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"S"])
def test_garbage_is_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "service.sqlite"
    path.write_bytes(content)
    with State(f"sqlite:///{path}") as state, pytest.raises(StateError):
        state.check()


def test_a_folder_that_cannot_be_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    url = f"sqlite:///{tmp_path / 'file' / 'service.sqlite'}"
    with State(url) as state, pytest.raises((StateError, StateUnavailable)):
        state.migrate()


def test_a_server_that_is_away_is_unavailable() -> None:
    with State("postgresql://u@127.0.0.1:9/d") as state, pytest.raises(StateUnavailable):
        state.check()


def test_a_server_that_restarted_is_reached_again(state: State) -> None:
    if state.sqlite:
        pytest.skip("SQLite has no server")
    _write(state)
    with state.engine.connect() as one, State(str(state.url.render_as_string(False))) as other:
        del one
        with other.engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
    with state.reading() as session:
        assert session.scalars(select(User.name)).all() == ["anna"]
