"""The register of patients in both stores: its promises, and how a store of an earlier release gets one."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.backends.embedded import register
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.iris import store as iris_store
from pipeline.backends.iris.store import IrisStore
from pipeline.config import IrisSettings, StoreSettings
from pipeline.errors import StoreUnavailable
from pipeline.ports import Store
from pipeline.records import EVERYTHING, EmbeddedDocument
from pipeline.storage.sqlite import Database
from tests.backends.iris_driver import Fault, Server
from tests.backends.iris_first_release import make_store
from tests.contracts.patient_register import NAMES, PatientRegisterContract, ids, written
from tests.contracts.store import SPACE, StoreFactory

ROOT = Path(__file__).parents[2]
SETTINGS = IrisSettings(password=SecretStr("correct horse"), timeout_seconds=1.5)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


class TestEmbeddedRegister(PatientRegisterContract):
    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> StoreFactory:
        return lambda: EmbeddedStore(Database(tmp_path / "store.sqlite"), StoreSettings())


class TestIrisRegister(PatientRegisterContract):
    @pytest.fixture
    def store_factory(self, server: Server) -> StoreFactory:
        return lambda: IrisStore(SETTINGS, server.connect)


def notes(number: int) -> list[EmbeddedDocument]:
    return [
        written(f"n{at:03}", f"Patient: {NAMES[at % len(NAMES)]}\n", f"p{at % len(NAMES)}")
        for at in range(number)
    ]


def registered(store: Store) -> list[object]:
    return [*store.patients(EVERYTHING), *(ids(store, *name.split()) for name in NAMES)]


# --- an embedded store of an earlier release


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return old_store(tmp_path / "chartwell.sqlite")


def old_store(path: Path, number: int = 40) -> Path:
    """As the release before the register left it: without its tables and its column."""
    store = opened(path)
    store.prepare(SPACE)
    store.upsert(notes(number))
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        for table in ("PatientFacts", "PatientNameWords", "PatientRegister"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE ClinicalNotes DROP COLUMN SourcePatient")
        connection.execute("UPDATE SchemaVersion SET Version = 3")
        connection.commit()
    return path


def opened(path: Path) -> EmbeddedStore:
    return EmbeddedStore(Database(path), StoreSettings())


def fresh(path: Path) -> list[object]:
    """What a store says that had the register from its first note."""
    store = opened(path)
    store.prepare(SPACE)
    store.upsert(notes(40))
    said = registered(store)
    store.close()
    return said


def vectors_of(path: Path) -> list[object]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT RowID, Embedding FROM ClinicalNoteEmbeddings ORDER BY RowID"
        ).fetchall()


def test_an_old_store_gets_its_register_from_its_notes(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register, "READ_NOTES", 7)
    before = vectors_of(path)
    store = opened(path)
    assert (store.has_register(), store.patients(EVERYTHING), ids(store, "Mitchell")) == (False, [], [])
    assert store.patients_near(["Mitchell"], EVERYTHING) == []
    assert store.document("n000") == notes(1)[0].document
    store.prepare(SPACE)
    assert store.has_register()
    assert registered(store) == fresh(tmp_path / "new.sqlite")
    assert vectors_of(path) == before
    assert store.check() == []
    store.close()


def test_an_old_store_that_may_not_be_changed_has_no_register(path: Path) -> None:
    database = Database(path)
    store = EmbeddedStore(database, StoreSettings())
    database.connection.execute("PRAGMA query_only = ON")
    store.prepare(SPACE)
    assert not store.has_register()
    assert store.patients(EVERYTHING) == []
    assert store.document("n000") is not None
    store.close()


def kill_in_the_middle(path: Path, commits: int) -> None:
    """Prepare the store; die after so many parts of its register were committed."""
    register.READ_NOTES = 7
    store, read_more, done = opened(path), register.read_more, 0

    def counted(connection: sqlite3.Connection) -> bool:
        nonlocal done
        if done == commits:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        return read_more(connection)

    register.read_more = counted
    store.prepare(SPACE)


@pytest.mark.parametrize("commits", [0, 1, 4])
def test_a_kill_while_the_register_is_made_costs_only_the_rest(
    path: Path, tmp_path: Path, commits: int
) -> None:
    program = (
        "import pathlib, sys; from tests.backends.test_patient_register import kill_in_the_middle; "
        f"kill_in_the_middle(pathlib.Path(sys.argv[1]), {commits})"
    )
    killed = subprocess.run([sys.executable, "-c", program, path], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    store = opened(path)
    assert not store.has_register()
    with closing(sqlite3.connect(path)) as connection:
        (read,) = connection.execute("SELECT COUNT(DISTINCT NoteRowID) FROM PatientFacts").fetchone()
    assert read == min(40, 7 * commits)
    store.upsert([written("n005", "Patient: Zoe Quill\n", "p5")])  # which had its turn, or still has it
    store.delete(["n012"])
    store.prepare(SPACE)
    assert store.has_register()
    assert ids(store, "Quill") == ["p5"]
    assert sum(patient.notes for patient in store.patients(EVERYTHING)) == 39
    whole = {fact.resource_id for patient in store.patients(EVERYTHING) for fact in patient.facts}
    assert "n012" not in whole
    assert store.check() == []
    store.close()


def test_a_corpus_has_another_version_once_its_register_is_whole(path: Path) -> None:
    store = opened(path)
    store.prepare(SPACE)
    first = store.version()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE PatientRegister SET Unread = 20")
        connection.commit()
    store.prepare(SPACE)
    assert store.version() != first
    store.close()


# --- tables in IRIS of an earlier release


@pytest.fixture
def old_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(iris_store, "READ_NOTES", 7)
    make_store(server, SPACE, [*notes(40), written("long", "Patient: Eva Quill\n" + "x" * 45_000, "p9")])
    return server


def on(server: Server) -> IrisStore:
    return IrisStore(SETTINGS, server.connect)


def test_old_tables_get_their_register_from_their_notes(old_server: Server, tmp_path: Path) -> None:
    store = on(old_server)
    assert (store.has_register(), store.patients(EVERYTHING), ids(store, "Mitchell")) == (False, [], [])
    assert store.document("n000") == notes(1)[0].document
    store.prepare(SPACE)
    assert store.has_register()
    assert ids(store, "Quill") == ["p9"]
    store.delete(["long"])
    assert registered(store) == fresh(tmp_path / "new.sqlite")
    assert old_server.count("update_vector") == old_server.count("insert_chunk") == 0
    assert store.check() == []
    store.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "statement",
    [
        "upgrade_source_patient",
        "create_patient_facts",
        "create_index_name_words",
        "insert_unread",
        "notes_up_to",
        "insert_fact",
        "insert_name_word",
        "update_unread",
    ],
)
def test_a_cut_while_the_register_is_made_costs_only_the_rest(
    old_server: Server, tmp_path: Path, statement: str, after: bool
) -> None:
    old_server.faults.append(Fault(statement, after=after, times=2))
    with pytest.raises(StoreUnavailable):
        on(old_server).prepare(SPACE)
    assert not on(old_server).has_register()
    store = on(old_server)
    for _ in range(2):  # a fault that was not met yet waits for the second try
        try:
            store.prepare(SPACE)
        except StoreUnavailable:
            continue
    assert store.has_register()
    store.delete(["long"])
    assert registered(store) == fresh(tmp_path / "new.sqlite")
    assert store.check() == []
    store.close()


def test_an_account_that_may_not_alter_tables_has_no_register(old_server: Server) -> None:
    old_server.faults.append(Fault("upgrade_locators", "[SQLCODE: <-99>:<Privilege violation>]", times=1))
    store = on(old_server)
    store.prepare(SPACE)
    assert not store.has_register()
    assert store.patients(EVERYTHING) == store.patients_called(["Mitchell"], EVERYTHING) == []
    assert store.name_words(["Mitchell"], EVERYTHING) == frozenset()
    assert store.document("long") is not None
    store.close()
