"""The embedded store: the contract of every store, and what only this one promises."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pipeline.backends.embedded import store as embedded
from pipeline.backends.embedded import vectors as embedded_vectors
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.embedded.vector_index import ExactRows, SignRows
from pipeline.config import StoreSettings
from pipeline.errors import SchemaMismatch, StoreAccessDenied, StoreDamaged, StoreError
from pipeline.records import (
    Chunk,
    Document,
    EmbeddedChunk,
    EmbeddedDocument,
    EmbeddingSpace,
    Filters,
    StoreCounts,
    Vector,
    unit_length,
)
from pipeline.storage.sqlite import Database
from tests.backends.embedded_writer import NOTES, batch_ids
from tests.contracts.store import ANY, SPACE, StoreContract, StoreFactory, axis, found, leaning, note, worded

WRITER = Path(__file__).with_name("embedded_writer.py")
CODES_ALWAYS = StoreSettings(exact_chunks_max=0)


class TestEmbeddedStore(StoreContract):
    """Every vector compared."""

    settings = StoreSettings()

    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> StoreFactory:
        return lambda: EmbeddedStore(Database(tmp_path / "data" / "store.sqlite"), self.settings)


class TestEmbeddedStoreByCodes(TestEmbeddedStore):
    """Pre-selected by codes, and with as few words scored as can be set."""

    settings = StoreSettings(exact_chunks_max=0, word_postings_max=100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def opened(path: Path, settings: StoreSettings | None = None) -> EmbeddedStore:
    store = EmbeddedStore(Database(path), settings or StoreSettings())
    store.prepare(SPACE)
    return store


@pytest.fixture
def store(path: Path) -> Iterator[EmbeddedStore]:
    store = opened(path)
    yield store
    store.close()


def writer(path: Path, prefix: str, batches: int, *options: str) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, str(WRITER), str(path), prefix, str(batches), *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"},
    )


def row_ids(path: Path) -> dict[str, int]:
    connection = sqlite3.connect(path)
    rows = dict(connection.execute("SELECT ChunkID, RowID FROM ClinicalNoteVectors").fetchall())
    connection.close()
    return rows


# --- several processes


@pytest.mark.long
def test_killed_writers_leave_whole_transactions(path: Path) -> None:
    opened(path).close()
    chance = random.Random(7)
    for _ in range(8):
        process = writer(path, "n", 10_000)
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(chance.randint(1, 6))]
        threading.Event().wait(chance.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        store = opened(path)
        counts = store.counts()
        assert counts.documents % NOTES == 0
        assert counts.chunks == 2 * counts.documents
        assert counts.documents >= NOTES * (acknowledged[-1] + 1)
        assert len(found(store, axis(0), counts.chunks + 1)) == counts.chunks
        assert store.check() == []
        store.close()


def test_writers_and_a_reader_at_once(path: Path) -> None:
    """Three writers create the file together; one of them deletes what it wrote before. The reader follows."""
    processes = [writer(path, "a", 12), writer(path, "b", 12), writer(path, "c", 12, "--delete")]
    reader = opened(path, CODES_ALWAYS)
    seen = set()
    while any(process.poll() is None for process in processes):
        matches = reader.search_vector(axis(0), 1_000, ANY)
        seen.add(len(matches))
        assert len({match.chunk_id for match in matches}) == len(matches)
        assert len(matches) % (2 * NOTES) == 0
        assert len(worded(reader, "second passage", 1_000)) % NOTES == 0
    for process in processes:
        assert process.wait() == 0
        assert process.stdout is not None
        process.stdout.close()
    expected = {name for batch in range(12) for prefix in "ab" for name in batch_ids(prefix, batch)}
    expected |= set(batch_ids("c", 11))
    assert {chunk_id.partition("/")[0] for chunk_id in found(reader, axis(0), 1_000)} == expected
    assert len(seen) > 1
    assert reader.check() == []
    reader.close()


def test_threads_search_while_one_writes(path: Path) -> None:
    store = opened(path)
    store.upsert([note(f"kept{number}", ("chest pain", axis(number % 8))) for number in range(40)])
    problems: list[BaseException] = []
    done = threading.Event()

    def search() -> None:
        try:
            while not done.is_set():
                matches = store.search_vector(axis(0), 30, ANY)
                assert len(matches) == 30
                assert len(store.hits([match.chunk_id for match in matches[:5]], axis(0))) == 5
                assert len(store.search_words("chest", 100, ANY)) >= 40
        except BaseException as error:  # noqa: BLE001  # handed to the main thread, which raises it
            problems.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for batch in range(30):
        store.upsert([note(f"new{batch}", (f"chest film {batch}", leaning(0.5)))])
        if batch % 3 == 2:
            store.delete([f"new{batch - 1}"])
    done.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert store.counts() == StoreCounts(documents=60, chunks=60)
    store.close()


def test_uncommitted_rows_are_the_writers_alone(store: EmbeddedStore, path: Path) -> None:
    reader = opened(path)
    with store.transaction():
        store.upsert([note("n1", ("chest pain", axis(0)))])
        assert found(store, axis(0)) == ["n1/0"]
        assert found(reader, axis(0)) == []
        assert worded(reader, "chest") == []
    assert found(reader, axis(0)) == ["n1/0"]
    reader.close()


# --- rows that stay


def test_a_passage_that_stays_keeps_its_row(store: EmbeddedStore, path: Path) -> None:
    store.upsert([note("n1", ("stays", axis(0)), ("changes", axis(1)), ("goes", axis(2)))])
    before = row_ids(path)
    store.upsert([note("n1", ("stays", axis(0)), ("changed", axis(1)), author="someone else")])
    after = row_ids(path)
    assert after["n1/0"] == before["n1/0"]
    assert after["n1/1"] > max(before.values())
    assert set(after) == {"n1/0", "n1/1"}


def test_row_numbers_are_never_given_out_again(store: EmbeddedStore, path: Path) -> None:
    store.upsert([note("n1", ("first", axis(0)))])
    (first,) = row_ids(path).values()
    store.delete(["n1"])
    store.upsert([note("n1", ("first", axis(0)))])
    (second,) = row_ids(path).values()
    store.clear()
    store.prepare(SPACE)
    store.upsert([note("n1", ("first", axis(0)))])
    (third,) = row_ids(path).values()
    assert first < second < third


def test_a_chunk_id_of_another_note_is_refused_by_name(store: EmbeddedStore) -> None:
    store.upsert([note("n1", ("chest pain", axis(0)))])
    document = Document("n2", "p1", "Progress Note", "chest pain")
    thief = EmbeddedChunk(Chunk("n1/0", "n2", 0, "chest pain", 0, 10), axis(0))
    with pytest.raises(StoreError, match=r"'n1/0'.*'n1'"):
        store.upsert([EmbeddedDocument(document, (thief,))])
    assert store.document("n2") is None


def test_half_a_surrogate_pair_is_refused(store: EmbeddedStore) -> None:
    with pytest.raises(StoreError, match="n1"):
        store.upsert([note("n1", ("broken \ud83e text", axis(0)))])
    assert store.counts().documents == 0
    assert worded(store, "broken \ud83e text") == []


def test_the_shown_text_is_cut_and_the_rest_is_kept_once(store: EmbeddedStore, path: Path) -> None:
    store.upsert([note("n1", ("x", axis(0)), text_content="ab" * 8_000)])
    connection = sqlite3.connect(path)
    ((shown, rest),) = connection.execute("SELECT TextContent, TextRest FROM ClinicalNotes").fetchall()
    connection.close()
    assert (len(shown), len(rest)) == (10_000, 6_000)


# --- following


def test_a_reader_that_missed_deletions_reads_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "DELETIONS_KEPT", 2)
    store, reader = opened(path), opened(path)
    store.upsert([note(f"n{number}", ("chest pain", leaning(number / 20))) for number in range(20)])
    assert len(found(reader, axis(0), 50)) == 20
    for number in range(10):
        store.delete([f"n{number}"])
    assert set(found(reader, axis(0), 50)) == {f"n{number}/0" for number in range(10, 20)}
    reader.close()
    store.close()


def test_many_deletions_give_memory_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(path, CODES_ALWAYS)
    store.upsert([note(f"n{number:04}", ("x", axis(number % 8))) for number in range(3_000)])
    assert len(found(store, axis(0), 9_999)) == 3_000
    store.delete([f"n{number:04}" for number in range(2_000)])
    assert len(found(store, axis(0), 9_999)) == 1_000
    index = store._index._shared
    assert index is not None
    assert len(index.rows) == 1_000
    store.close()


def test_the_kind_of_search_follows_the_size(path: Path) -> None:
    """8 dimensions: `exact_chunks_max` counts chunks of 1,024."""
    store = opened(path, StoreSettings(exact_chunks_max=1))
    store.upsert([note(f"n{number:03}", ("x", leaning(number / 200))) for number in range(128)])
    exact = found(store, axis(0), 3)
    assert isinstance(store._index._shared.vectors, ExactRows)  # type: ignore[union-attr]
    store.upsert([note("one more", ("x", leaning(-0.5)))])
    assert found(store, axis(0), 3) == exact
    assert isinstance(store._index._shared.vectors, SignRows)  # type: ignore[union-attr]
    store.delete(["one more"])
    assert found(store, axis(0), 3) == exact
    assert isinstance(store._index._shared.vectors, ExactRows)  # type: ignore[union-attr]
    store.close()


# --- pre-selection


CLUSTERED = EmbeddingSpace(provider="hashing", model="clustered", dimension=192)


def clustered(generator: np.random.Generator, number: int) -> Vector:
    """Members of 60 clusters that all lean one way, as e5 models' vectors do: cosines between clusters around 0.7."""
    centres = np.random.default_rng(1).normal(size=(60, CLUSTERED.dimension)) + 1.5
    noise = 0.8 * generator.normal(size=(number, CLUSTERED.dimension))
    return unit_length((centres[generator.integers(60, size=number)] + noise).astype(np.float32))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "store.sqlite"
    store = EmbeddedStore(Database(path), CODES_ALWAYS)
    store.prepare(CLUSTERED)
    generator = np.random.default_rng(2)
    for first in range(0, 6_000, 1_000):
        batch = [(f"n{first + place:04}", vector) for place, vector in enumerate(clustered(generator, 1_000))]
        store.upsert(
            [
                note(name, (f"common word{int(name[1:]) % 50}", vector), patient_id=f"p{int(name[1:]) % 10}")
                for name, vector in batch
            ]
        )
    store.optimise()
    store.close()
    return path


@pytest.mark.parametrize("filters", [ANY, Filters(patient_ids=("p3", "p4"))], ids=["all", "a fifth"])
def test_pre_selection_finds_what_exact_search_finds(large: Path, filters: Filters) -> None:
    exact = EmbeddedStore(Database(large), StoreSettings())
    coded = EmbeddedStore(Database(large), CODES_ALWAYS)
    questions = clustered(np.random.default_rng(3), 40)
    shares = []
    for question in questions:
        best = set(found(exact, question, 10, filters))
        shares.append(len(best & set(found(coded, question, 10, filters))) / 10)
    assert np.mean(shares) >= 0.99
    assert coded.check() == []
    exact.close()
    coded.close()


def test_the_codes_lie_around_the_mean_once_there_are_enough(large: Path) -> None:
    connection = sqlite3.connect(large)
    ((version, chunks),) = connection.execute("SELECT Version, Chunks FROM SignCentre").fetchall()
    blobs = [blob for (blob,) in connection.execute("SELECT SignCode FROM ClinicalNoteSigns")]
    connection.close()
    assert version == 1
    assert chunks >= embedded_vectors.CENTRE_CHUNKS_MIN
    bits = np.unpackbits(np.frombuffer(b"".join(blobs), dtype=np.uint8))
    assert 0.45 < bits.mean() < 0.55  # around the origin nearly all would be 1


def test_a_reader_follows_when_the_centre_moves(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_vectors, "CENTRE_CHUNKS_MIN", 64)
    writing, reading = (EmbeddedStore(Database(path), CODES_ALWAYS) for _ in range(2))
    writing.prepare(CLUSTERED)
    vectors = clustered(np.random.default_rng(5), 500)
    for first in range(0, 500, 50):
        writing.upsert([note(f"n{first + place}", ("x", vectors[first + place])) for place in range(50)])
        assert found(reading, vectors[first], 1) == [f"n{first}/0"]
    assert reading.check() == []
    writing.close()
    reading.close()


def test_a_word_in_every_chunk_costs_no_results(large: Path) -> None:
    store = EmbeddedStore(Database(large), StoreSettings(word_postings_max=200))
    with_rare_word = {f"n{number:04}/0" for number in range(7, 6_000, 50)}
    assert set(worded(store, "common word7", 1_000)) == with_rare_word
    assert len(worded(store, "common", 50)) == 50
    one_patient = Filters(patient_ids=("p7",))
    of_patient = worded(store, "common word7", 1_000, one_patient)
    assert set(of_patient[:120]) == with_rare_word
    assert len(of_patient) == 600
    assert len(worded(store, "common word7", 50, Filters(patient_ids=("p8",)))) == 50
    store.close()


# --- what is refused, and what is found broken


def test_a_store_never_prepared_says_what_to_do(path: Path) -> None:
    store = EmbeddedStore(Database(path), StoreSettings())
    with pytest.raises(StoreError, match="vectorize"):
        store.search_vector(axis(0), 1, ANY)
    store.close()


def test_another_schema_is_refused(store: EmbeddedStore, path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE SchemaVersion SET Version = 99")
    connection.close()
    with pytest.raises(SchemaMismatch, match="99"):
        store.prepare(SPACE)
    with pytest.raises(SchemaMismatch):
        store.counts()


def test_a_sqlite_without_fts5_is_named(path: Path) -> None:
    database = Database(path)
    database.connection.create_function("sqlite_compileoption_used", 1, lambda _: 0)
    store = EmbeddedStore(database, StoreSettings())
    with pytest.raises(StoreError, match="FTS5"):
        store.prepare(SPACE)
    assert store.space() is None
    store.close()


def test_a_read_only_store_can_be_asked_but_not_written(path: Path) -> None:
    database = Database(path)
    store = EmbeddedStore(database, StoreSettings())
    store.prepare(SPACE)
    store.upsert([note("n1", ("chest pain", axis(0)))])
    database.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreAccessDenied):
        store.upsert([note("n2", ("no fever", axis(1)))])
    store.prepare(SPACE)
    assert found(store, axis(0)) == ["n1/0"]
    assert worded(store, "chest") == ["n1/0"]
    store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every file")
def test_a_file_without_write_permission_can_be_asked(path: Path) -> None:
    first = opened(path)
    first.upsert([note("n1", ("chest pain", axis(0)))])
    first.close()
    path.chmod(0o400)
    store = opened(path)
    assert found(store, axis(0)) == ["n1/0"]
    with pytest.raises(StoreAccessDenied):
        store.delete(["n1"])
    store.close()


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be read as one" * 100)
    store = EmbeddedStore(Database(path), StoreSettings())
    with pytest.raises(StoreDamaged, match=r"store\.sqlite"):
        store.prepare(SPACE)
    assert len(store.check()) == 1


def test_damaged_pages_are_found(path: Path) -> None:
    store = opened(path)
    store.upsert([note(f"n{number}", ("chest pain " * 50, axis(number % 8))) for number in range(200)])
    store.optimise()
    store.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8_192] = bytes(random.Random(1).randbytes(8_192))
    path.write_bytes(content)
    store = EmbeddedStore(Database(path), StoreSettings())
    assert store.check() != []
    store.close()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE ClinicalNoteEmbeddings SET Embedding = x'00000000' WHERE RowID = 1", "bytes wide"),
        ("DELETE FROM ClinicalNoteEmbeddings WHERE RowID = 1", "1 chunks have no vector or no code"),
        ("UPDATE ClinicalNoteSigns SET SignCode = x'ff' WHERE RowID = 1", "not that of its vector"),
        ("UPDATE ClinicalNoteSigns SET SignCode = x'ffff' WHERE RowID = 1", "bytes wide"),
        ("UPDATE ClinicalNoteSigns SET NoteRowID = 2 WHERE RowID = 1", "filed under another note"),
        ("UPDATE ClinicalNoteVectors SET ChunkText = 'other' WHERE RowID = 1", "word index"),
        ("DELETE FROM ClinicalNotes WHERE ResourceID = 'n1'", "belongs to is not there"),
    ],
)
def test_check_names_what_is_wrong(store: EmbeddedStore, path: Path, statement: str, problem: str) -> None:
    store.upsert([note("n1", ("chest pain", axis(0))), note("n2", ("no fever", axis(1)))])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()
    assert any(problem in found_problem for found_problem in store.check()), store.check()


def test_a_vector_damaged_in_the_file_is_not_used(store: EmbeddedStore, path: Path) -> None:
    store.upsert([note("n1", ("chest pain", axis(0)))])
    connection = sqlite3.connect(path, isolation_level=None)
    nan = np.full(SPACE.dimension, np.nan, dtype=np.float32).tobytes()
    connection.execute("UPDATE ClinicalNoteEmbeddings SET Embedding = ?", (nan,))
    connection.close()
    with pytest.raises(StoreDamaged, match="NaN"):
        found(store, axis(0))
    with pytest.raises(StoreDamaged):
        store.hits(["n1/0"], axis(0))
    with pytest.raises(StoreDamaged):
        store.vectors(["n1/0"])


def test_a_new_store_is_its_owners_alone(store: EmbeddedStore, path: Path) -> None:
    store.upsert([note("n1", ("chest pain", axis(0)))])
    for file in path.parent.glob("store.sqlite*"):
        assert file.stat().st_mode & 0o077 == 0, file.name


# --- against a model


class StoreAsDict(RuleBasedStateMachine):
    """Whatever happens, the store holds what a dict of notes would, and its two searches agree with it."""

    folder: Path
    serial = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.path = self.folder / f"{next(self.serial)}.sqlite"  # not random: hypothesis seeds that
        self.store = opened(self.path, CODES_ALWAYS)
        self.reader = opened(self.path)
        self.model: dict[str, EmbeddedDocument] = {}

    notes = st.builds(
        lambda name, passages, patient: note(
            name, *((f"word{axis_number}", axis(axis_number)) for axis_number in passages), patient_id=patient
        ),
        st.sampled_from(["a", "A", "b", "c"]),
        st.lists(st.integers(0, 3), max_size=4),
        st.sampled_from(["p1", "p2"]),
    )

    @rule(batch=st.lists(notes, max_size=3))
    def upsert(self, batch: list[EmbeddedDocument]) -> None:
        self.store.upsert(batch)
        self.model |= {written.document.resource_id: written for written in batch}

    @rule(names=st.lists(st.sampled_from(["a", "A", "b", "c"]), max_size=3))
    def delete(self, names: list[str]) -> None:
        assert self.store.delete(names) == len(set(names) & set(self.model))
        for name in names:
            self.model.pop(name, None)

    @rule(batch=st.lists(notes, max_size=2), name=st.sampled_from(["a", "b"]))
    def undo(self, batch: list[EmbeddedDocument], name: str) -> None:
        try:
            with self.store.transaction():
                self.store.upsert(batch)
                found(self.store, axis(0))
                self.store.delete([name])
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.store.prepare(SPACE)
        self.model.clear()

    @invariant()
    def holds_the_same(self) -> None:
        chunks = [each.chunk for written in self.model.values() for each in written.chunks]
        ids = sorted((chunk.resource_id, chunk.chunk_id) for chunk in chunks)
        assert list(self.reader.chunk_ids()) == ids
        for handle in (self.store, self.reader):
            assert sorted(found(handle, axis(0), 100)) == sorted(chunk_id for _, chunk_id in ids)
            expected = sorted(chunk.chunk_id for chunk in chunks if chunk.text == "word1")
            assert sorted(worded(handle, "word1", 100)) == expected
            mine = [n for n, written in self.model.items() if written.document.patient_id == "p1"]
            expected = sorted(chunk.chunk_id for chunk in chunks if chunk.resource_id in mine)
            assert sorted(found(handle, axis(0), 100, Filters(patient_ids=("p1",)))) == expected
        for name, written in self.model.items():
            assert self.reader.document(name) == written.document

    def teardown(self) -> None:
        assert self.store.check() == []
        self.store.close()
        self.reader.close()


def test_behaves_as_a_dict_would(tmp_path: Path) -> None:
    StoreAsDict.folder = tmp_path
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        StoreAsDict,
        settings=settings(
            max_examples=20,
            stateful_step_count=12,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
