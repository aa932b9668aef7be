"""Stores that commit 461b9f0 made open, are upgraded, and say what they said; a kill in between costs nothing."""

from __future__ import annotations

import gzip
import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.embedded.upgrades import UPGRADES
from pipeline.backends.iris.store import TABLES, IrisStore
from pipeline.backends.iris.upgrades import UPGRADES as IRIS_UPGRADES
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings, IrisSettings, StoreSettings, load_settings
from pipeline.errors import (
    ChartwellError,
    SchemaMismatch,
    StoreAccessDenied,
    StoreDamaged,
    StoreLimitReached,
    StoreUnavailable,
)
from pipeline.locators import PageBox
from pipeline.ports import Store
from pipeline.records import (
    Chunk,
    Document,
    EmbeddedChunk,
    EmbeddedDocument,
    EmbeddingSpace,
    Filters,
    Question,
    StoreCounts,
    TextKind,
    Vector,
)
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.storage.sqlite import Database
from tests.backends.iris_driver import Fault, Server, columns_of, tables_of
from tests.backends.iris_first_release import add_image, make_store
from tests.contracts.store import SPACE, axis, found, note, worded

ROOT = Path(__file__).parents[2]
PACKED = ROOT / "tests" / "data" / "store-461b9f0.sqlite.gz"
OLD_SPACE = EmbeddingSpace("hashing", "words-v1", 64, tokens_max=8192, similarity_floor=0.05)
ANY = Filters()
BOX = PageBox(2, 0.1, 0.1, 0.5, 0.2)


def with_box(resource_id: str, dimension: int) -> EmbeddedDocument:
    """A note as a reader of documents will make it."""
    chunk = Chunk(f"{resource_id}/0", resource_id, 0, "page finding", 0, 12, region=BOX)
    document = Document(resource_id, "p1", "Letter", "page finding")
    return EmbeddedDocument(document, (EmbeddedChunk(chunk, axis(0, dimension)),))


def said(store: Store, vector: Vector) -> list[object]:
    """Everything that a store tells."""
    ids = [chunk_id for _, chunk_id in store.chunk_ids()]
    notes = [store.document(key) for key in dict.fromkeys(key for key, _ in store.chunk_ids())]
    return [
        store.space(),
        store.counts(),
        notes,
        store.hits(ids, vector),
        store.search_vector(vector, 20, ANY),
        store.search_words("chest pain warfarin", 20, ANY),
        store.values("patient_id", ANY.scope),
        sorted((chunk_id, vector.tobytes()) for chunk_id, vector in store.vectors(ids).items()),
    ]


# --- the embedded store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "chartwell.sqlite"
    path.write_bytes(gzip.decompress(PACKED.read_bytes()))
    return path


def opened(path: Path) -> EmbeddedStore:
    return EmbeddedStore(Database(path), StoreSettings())


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT Version FROM SchemaVersion").fetchone()[0])


def layout(path: Path) -> dict[str, object]:
    """Columns of every table by name, and every index and trigger."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found: dict[str, object] = {
            table: connection.execute(f"SELECT * FROM pragma_table_info('{table}')").fetchall()
            for table in tables
        }
        others = connection.execute("SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger')")
        return found | {name: re.sub(r"\s+", " ", sql or "") for name, sql in others}


def test_an_old_store_is_read_as_it_is_and_says_the_same_after_its_upgrade(path: Path) -> None:
    reader = opened(path)
    before = said(reader, axis(0, 64))
    assert reader.version() is None
    assert reader.check() == []
    assert version_of(path) == 1  # to ask changes nothing
    writer = opened(path)
    writer.prepare(OLD_SPACE)
    assert version_of(path) == UPGRADES.version
    assert said(writer, axis(0, 64)) == before
    assert said(reader, axis(0, 64)) == before  # which was open all the time
    assert writer.check() == []
    assert writer.version() is not None
    writer.upsert([with_box("new", 64)])
    (hit,) = reader.hits(["new/0"], axis(0, 64))
    assert hit.region == BOX
    writer.close()
    reader.close()


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("Which patients take warfarin?", "Takes warfarin 5 mg daily."),
        ("What medications is patient A-17 on?", "Takes metformin 500 mg twice daily."),
    ],
)
def test_what_an_old_store_answers_after_its_upgrade_costs_no_passage_a_second_embedding(
    path: Path, monkeypatch: pytest.MonkeyPatch, question: str, told: str
) -> None:
    """Patients, sections and what is said of a finding are read from the notes that are stored."""
    asked: list[tuple[TextKind, list[str]]] = []
    embed = HashingEmbedder.embed

    def counted(self: HashingEmbedder, texts: Sequence[str], kind: TextKind) -> Vector:
        asked.append((kind, list(texts)))
        return embed(self, texts, kind)

    monkeypatch.setattr(HashingEmbedder, "embed", counted)
    embedder = EmbedderSettings(provider="hashing", dimension=64)
    with ServingAnswering(load_settings(None, data_dir=path.parent, embedder=embedder)) as answering:
        assert asked == []
        assert version_of(path) == UPGRADES.version
        answer = answering.answer(Question(question))
    assert told in answer.text
    assert {kind for kind, _ in asked} <= {"query"}


def test_an_upgraded_store_has_the_layout_of_a_new_one(path: Path, tmp_path: Path) -> None:
    old, new = opened(path), opened(tmp_path / "new.sqlite")
    old.prepare(OLD_SPACE)
    new.prepare(OLD_SPACE)
    old.close()
    new.close()
    upgraded, fresh = layout(path), layout(tmp_path / "new.sqlite")
    assert {name: upgraded[name] for name in fresh} == fresh


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.upsert([with_box("new", 64)]),
        lambda store: store.delete(["1001"]),
        lambda store: store.clear(),
        lambda store: store.prepare(replace(OLD_SPACE, similarity_floor=0.1)),
    ],
    ids=["upsert", "delete", "clear", "prepare"],
)
def test_whoever_writes_upgrades_first(path: Path, write: Callable[[EmbeddedStore], None]) -> None:
    store = opened(path)
    write(store)
    assert version_of(path) == UPGRADES.version
    store.prepare(replace(OLD_SPACE, similarity_floor=0.1))
    store.upsert([with_box("other", 64)])
    assert [hit.region for hit in store.hits(["other/0"], axis(0, 64))] == [BOX]
    assert store.check() == []
    store.close()


def test_an_old_store_that_may_not_be_changed_is_read(path: Path) -> None:
    database = Database(path)
    store = EmbeddedStore(database, StoreSettings())
    before = said(store, axis(0, 64))
    database.connection.execute("PRAGMA query_only = ON")
    store.prepare(OLD_SPACE)
    assert said(store, axis(0, 64)) == before
    assert store.version() is None
    with pytest.raises(StoreAccessDenied):
        store.upsert([with_box("new", 64)])
    assert version_of(path) == 1
    store.close()


def test_an_old_store_on_a_full_disk_is_read(path: Path) -> None:
    database = Database(path)
    store = EmbeddedStore(database, StoreSettings())
    before = said(store, axis(0, 64))
    (pages,) = database.connection.execute("PRAGMA page_count").fetchone()
    database.connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then says that the disk is full
    store.prepare(OLD_SPACE)
    assert said(store, axis(0, 64)) == before
    with pytest.raises(StoreLimitReached):
        store.upsert([with_box("new", 64)])
    assert version_of(path) < UPGRADES.version
    store.close()


def test_another_embedder_is_refused_before_anything_is_upgraded(path: Path) -> None:
    store = opened(path)
    with pytest.raises(ChartwellError, match="holds vectors of"):
        store.prepare(replace(OLD_SPACE, model="another"))
    assert version_of(path) == 1
    store.close()


def kill_in_the_middle(folder: Path) -> None:
    """Upgrade copies of the old store: the nth is killed before its nth statement, the last one comes to its end."""
    for number in range(100):
        path = folder / f"{number:02}.sqlite"
        path.write_bytes(gzip.decompress(PACKED.read_bytes()))
        child = os.fork()
        if not child:
            _upgrade_and_die(path, statements=number)
        if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            return


def _upgrade_and_die(path: Path, statements: int) -> None:
    left = itertools.count(statements, -1)
    store = opened(path)
    store._database.connection.set_trace_callback(
        lambda _: next(left) or os.kill(os.getpid(), signal.SIGKILL)
    )
    store.prepare(OLD_SPACE)
    os._exit(0)


def test_a_kill_at_any_statement_of_the_upgrade_leaves_a_store_that_opens(path: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "killed").mkdir()
    program = (
        "import pathlib, sys; from tests.backends.test_store_upgrades import kill_in_the_middle; "
        "kill_in_the_middle(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", program, folder], cwd=ROOT, check=True)
    before = said(opened(path), axis(0, 64))
    versions = []
    for killed in sorted(folder.glob("*.sqlite")):
        versions.append(version_of(killed))
        store = opened(killed)
        assert said(store, axis(0, 64)) == before
        store.prepare(OLD_SPACE)
        assert said(store, axis(0, 64)) == before
        assert store.check() == []
        store.close()
    assert versions[0] == 1
    assert versions == sorted(versions)
    assert set(versions) == set(range(1, UPGRADES.version + 1))


def test_a_place_that_is_not_understood_is_never_shown_as_text(path: Path) -> None:
    store = opened(path)
    store.prepare(OLD_SPACE)
    store.upsert([with_box("new", 64)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE ClinicalNoteVectors SET Locator = ? WHERE ResourceID = 'new'", ['{"kind": "x"}']
        )
        connection.commit()
    with pytest.raises(StoreDamaged, match="'new/0' cannot be read: places of kind 'x' are not known"):
        store.hits(["new/0"], axis(0, 64))
    store.close()


# --- the store in IRIS, on the scripted driver

SETTINGS = IrisSettings(password=SecretStr("correct horse"), timeout_seconds=1.5)
NOTES = [
    note("n1", ("chest pain", axis(0)), ("no fever", axis(1)), date="2024-02-01", domain="cardiology"),
    note("n2", ("takes warfarin", axis(2)), patient_id="p2", text_content="takes warfarin " * 3_000),
    note("n3"),
]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    make_store(server, SPACE, NOTES)
    yield server
    server.close()


def on(server: Server) -> IrisStore:
    return IrisStore(SETTINGS, server.connect)


def iris_version(server: Server) -> int:
    return int(server.dirty.execute("SELECT Version FROM DEMO_SchemaVersion").fetchone()[0])


def test_old_tables_in_iris_are_read_as_they_are_and_say_the_same_after_their_upgrade(server: Server) -> None:
    reader = on(server)
    before = said(reader, axis(0))
    assert StoreCounts(3, 3) in before
    assert reader.version() is None
    assert reader.check() == []
    assert reader.missing_tables() == ()
    assert iris_version(server) == 1
    writer = on(server)
    writer.prepare(SPACE)
    assert iris_version(server) == IRIS_UPGRADES.version
    assert said(writer, axis(0)) == said(reader, axis(0)) == before
    assert writer.check() == []
    assert writer.missing_tables() == ()
    assert writer.version() == reader.version() is not None
    writer.upsert([with_box("new", 8)])
    assert [hit.region for hit in reader.hits(["new/0"], axis(0))] == [BOX]
    writer.close()
    reader.close()


def test_upgraded_tables_have_the_layout_of_new_ones(server: Server) -> None:
    fresh = Server()
    for each in (server, fresh):
        store = on(each)
        store.prepare(SPACE)
        store.close()
    assert sorted(tables_of(server.dirty, "DEMO")) == sorted(tables_of(fresh.dirty, "DEMO"))
    for table in TABLES:
        old, new = columns_of(server.dirty, f"DEMO_{table}"), columns_of(fresh.dirty, f"DEMO_{table}")
        assert sorted(old) == sorted(new)
    fresh.close()


def test_what_did_not_change_is_not_written_again_after_the_upgrade(server: Server) -> None:
    store = on(server)
    store.prepare(SPACE)
    before = len(server.statements)
    store.upsert(NOTES)
    written = {name for name in server.statements[before:] if name.startswith(("insert", "update", "delete"))}
    assert written == {"update_note", "update_corpus_version"}
    store.close()


STEPS = [
    "columns",
    "upgrade_locators",
    "update_schema_version",
    "upgrade_part_with_images",
    "count_images",
    "upgrade_drop_images",
    "create_corpus_version",
    "insert_corpus_version",
    "commit",
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("statement", STEPS)
def test_an_upgrade_that_was_cut_off_is_completed(server: Server, statement: str, after: bool) -> None:
    """Twice in a row, so that the repetition on a new connection is cut off as well."""
    server.faults.append(Fault(statement, after=after, times=2))
    store = on(server)
    with pytest.raises(StoreUnavailable):
        store.prepare(SPACE)
    assert found(on(server), axis(0)) == ["n1/0", "n1/1", "n2/0"]  # meanwhile
    store.prepare(SPACE)
    assert iris_version(server) == IRIS_UPGRADES.version
    store.upsert([with_box("new", 8)])
    assert [hit.region for hit in store.hits(["new/0"], axis(0))] == [BOX]
    assert store.check() == []
    store.close()


def test_tables_in_a_full_database_are_read_as_they_are(server: Server) -> None:
    store = on(server)
    before = said(store, axis(0))
    server.faults.append(Fault("upgrade_locators", "<FILEFULL>", times=2))
    store.prepare(SPACE)
    assert iris_version(server) == 1
    assert said(store, axis(0)) == before
    store.close()


def test_an_account_that_may_not_alter_tables_reads_them_and_says_what_writing_needs(server: Server) -> None:
    server.faults.append(Fault("upgrade_locators", "[SQLCODE: <-99>:<Privilege violation>]", times=1))
    store = on(server)
    before = said(store, axis(0))
    store.prepare(SPACE)
    assert said(store, axis(0)) == before
    with pytest.raises(SchemaMismatch, match=f"version 1; writing needs version {IRIS_UPGRADES.version}"):
        store.upsert([with_box("new", 8)])
    other = on(server)
    other.prepare(SPACE)
    store.upsert([with_box("new", 8)])  # as soon as another process has upgraded
    assert [hit.region for hit in store.hits(["new/0"], axis(0))] == [BOX]
    other.close()
    store.close()


def test_two_processes_may_upgrade_at_once(server: Server) -> None:
    server.lock_seconds = 10.0
    stores, failed = [on(server) for _ in range(3)], []

    def prepare(store: IrisStore) -> None:
        try:
            store.prepare(SPACE)
        except ChartwellError as error:
            failed.append(error)

    threads = [threading.Thread(target=prepare, args=[store]) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert iris_version(server) == IRIS_UPGRADES.version
    for store in stores:
        assert store.check() == []
        store.close()


@pytest.mark.parametrize("images", [0, 2])
def test_images_that_somebody_put_there_stay(server: Server, images: int) -> None:
    for number in range(images):
        add_image(server, f"i{number}", "n1")
    store = on(server)
    store.prepare(SPACE)
    assert (("MedicalImageVectors",) in tables_of(server.dirty, "DEMO")) == bool(images)
    assert store.delete(["n1"]) == 1
    assert store.check() == []
    store.close()


def test_half_a_store_of_the_first_release_is_completed() -> None:
    """It was cut off while it made its tables: there is no version yet."""
    server = Server()
    make_store(server, SPACE)
    server.dirty.execute("DELETE FROM DEMO_SchemaVersion")
    server.dirty.execute("DELETE FROM DEMO_EmbeddingSpace")
    server.dirty.execute("DROP TABLE DEMO_ClinicalNoteText")
    store = on(server)
    store.prepare(SPACE)
    store.upsert([with_box("new", 8)])
    assert [hit.region for hit in store.hits(["new/0"], axis(0))] == [BOX]
    assert worded(store, "finding") == ["new/0"]
    assert store.check() == []
    store.close()
    server.close()
