"""IRIS: the contract of stores, then each trap of IRIS and its driver, then each complaint's meaning.

All of it against the scripted driver next to this file; the same contract runs on a real IRIS in tests/live.
"""

from __future__ import annotations

import inspect
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from iris import dbapi
from pydantic import SecretStr

from pipeline import errors
from pipeline.backends.iris import connections as iris_connections
from pipeline.backends.iris import search
from pipeline.backends.iris import store as iris_store
from pipeline.backends.iris.errors import SQLCODES, translate
from pipeline.backends.iris.rows import (
    parse_vector,
    split_text,
    terms,
    text_of,
    vector_text,
    words_of,
)
from pipeline.backends.iris.search import admission
from pipeline.backends.iris.store import IrisStore, iris_statements
from pipeline.config import IrisSettings
from pipeline.ports import Store
from pipeline.records import EmbeddedDocument, Filters, StoreCounts, unit_length
from tests.backends.iris_driver import LINK, Fault, Server, tables_of
from tests.backends.iris_first_release import add_image, make_store
from tests.contracts.store import (
    DIMENSION,
    SPACE,
    StoreContract,
    StoreFactory,
    axis,
    found,
    leaning,
    note,
    worded,
)

SETTINGS = IrisSettings(password=SecretStr("correct horse"), timeout_seconds=1.5)
ANY = Filters()
STATEMENTS = iris_statements()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def store(server: Server) -> Iterator[IrisStore]:
    store = IrisStore(SETTINGS, server.connect)
    store.prepare(SPACE)
    yield store
    store.close()


class TestIrisStore(StoreContract):
    @pytest.fixture
    def store_factory(self, server: Server) -> StoreFactory:
        return lambda: IrisStore(SETTINGS, server.connect)


class IndexedStore(IrisStore):
    def prepare(self, space: Any) -> None:
        super().prepare(space)
        self.optimise()


class TestIrisStoreThroughItsVectorIndex(StoreContract):
    """The same promises where every search that can go through the HNSW index does."""

    @pytest.fixture
    def store_factory(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> StoreFactory:
        monkeypatch.setattr(search, "EXACT_ROWS_MAX", 0)
        monkeypatch.setattr(search, "INDEX_ROWS_MIN", 1)
        return lambda: IndexedStore(SETTINGS, server.connect)


def test_the_store_has_the_signatures_of_its_port() -> None:
    for name, method in inspect.getmembers(Store, inspect.isfunction):
        if not name.startswith("_"):
            expected = list(inspect.signature(method).parameters)
            found = inspect.signature(getattr(IrisStore, name)).parameters
            own = [parameter for parameter in found.values() if parameter.name not in expected]
            assert [name for name in found if name in expected] == expected, name
            assert all(parameter.default is not parameter.empty for parameter in own), name


# --- the statements


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_keeps_the_rules(name: str) -> None:
    sql = STATEMENTS[name]
    assert not sql.rstrip().endswith(";")
    assert not re.search(r"\bFETCH\b|\bLIMIT\b|\bOFFSET\b", sql)
    assert re.findall(r"TO_VECTOR\([^)]*\)", sql) == ["TO_VECTOR(?, DOUBLE)"] * sql.count("TO_VECTOR")
    assert "((" not in sql.replace("TO_VECTOR((", "")
    if "TOP" in sql:
        assert re.search(
            r"SELECT (DISTINCT TOP \{k\} .* ORDER BY \w+|TOP \{k\} .* ORDER BY \w+ DESC)$", sql, re.DOTALL
        )
    if not name.startswith(("create_", "tables", "columns")):
        assert "'" not in sql, "a value stands in the statement; bind it"
    assert set(re.findall(r"\{(\w+)\}", sql)) <= {"marks", "k", "dimension", "admitted"}


def test_no_column_has_a_reserved_name() -> None:
    reserved = set(
        """absolute date day domain end first from global go hour key language last level local match minute month
        names next option order output position prior privileges public read role rows schema second section session
        size some space sql statistics sum time to transaction type unknown usage user value values when work write
        year zone""".split()
    ) - {
        "day",
        "key",
        "month",
        "position",
        "size",
        "sql",
        "type",
        "unknown",
        "usage",
        "value",
        "year",
        "zone",
    }
    for name, sql in STATEMENTS.items():
        if name.startswith("create_") and "TABLE" in sql:
            columns = {column.lower() for column in re.findall(r"^  (\w+) ", sql, re.MULTILINE)}
            assert not columns & reserved, name


def test_the_vector_index_is_asked_in_the_one_shape_it_serves() -> None:
    score = r"VECTOR_COSINE\(Embedding, TO_VECTOR\(\?, DOUBLE\)\) AS (\w+)"
    assert re.fullmatch(
        rf"SELECT TOP \{{k\}} .*{score}\nFROM [\w.]+ ORDER BY \1 DESC", STATEMENTS["search_vector"]
    )


@pytest.mark.parametrize("naive", ["TO_VECTOR(?, 'DOUBLE')", "TO_VECTOR(?)"])
def test_the_driver_refuses_what_iris_refuses(server: Server, store: IrisStore, naive: str) -> None:
    sql = f"SELECT ChunkID, VECTOR_COSINE(Embedding, {naive}) AS Similarity FROM DEMO.ClinicalNoteVectors"
    server.extra_statements = (sql,)
    connection = server.connect(**_options())
    with pytest.raises(dbapi.DatabaseError, match="SQLCODE"):
        connection.cursor().execute(sql, ["1,2"])
    with pytest.raises(AssertionError, match=r"not in store[.]sql"):
        connection.cursor().execute("SELECT * FROM DEMO.ClinicalNotes", [])


def _options() -> dict[str, Any]:
    return {
        "hostname": "127.0.0.1", "port": 1972, "namespace": "DEMO", "username": "chartwell",
        "password": "correct horse", "timeout": 10, "sharedmemory": False, "autoCommit": False,
    }  # fmt: skip


# --- preparing


def test_a_store_never_prepared_asks_no_missing_table(server: Server) -> None:
    store = IrisStore(SETTINGS, server.connect)
    assert store.space() is None
    assert store.counts() == StoreCounts(0, 0)
    assert store.document("n1") is None
    assert store.vectors(["c"]) == {}
    assert store.delete(["n1"]) == 0
    assert (
        list(store.chunk_ids())
        == store.hits(["c"], axis(0))
        == found(store, axis(0))
        == worded(store, "x")
        == []
    )
    store.clear()
    with pytest.raises(errors.SchemaMismatch, match="has not been prepared"):
        store.upsert([note("n1", ("chest pain", axis(0)))])
    assert set(server.statements) == {"tables"}
    assert store.check()[0].startswith("tables are missing in namespace DEMO: ClinicalNoteText")
    store.close()


def test_preparing_again_defines_nothing(server: Server, store: IrisStore) -> None:
    before = len(server.statements)
    store.prepare(SPACE)
    assert not [name for name in server.statements[before:] if name.startswith(("create", "insert"))]


@pytest.mark.parametrize("statement", [name for name in STATEMENTS if name.startswith("create_")][1:9])
def test_an_interrupted_preparation_is_completed(server: Server, statement: str) -> None:
    server.faults.append(Fault(statement, times=2))  # twice: the repetition on a new connection fails as well
    store = IrisStore(SETTINGS, server.connect)
    with pytest.raises(errors.StoreUnavailable):
        store.prepare(SPACE)
    store.prepare(SPACE)
    assert store.space() == SPACE
    store.upsert([note("n1", ("chest pain", axis(0)))])
    assert worded(store, "chest") == ["n1/0"]
    assert store.check() == []
    store.close()


def test_two_processes_may_prepare_at_once(server: Server) -> None:
    server.lock_seconds = 10.0
    stores = [IrisStore(SETTINGS, server.connect) for _ in range(2)]
    failed = _in_threads(*(lambda store=store: store.prepare(SPACE) for store in stores))
    assert failed == []
    assert stores[0].space() == stores[1].space() == SPACE
    for store in stores:
        store.close()


def test_a_wider_space_is_refused_before_any_table_is_made(server: Server, store: IrisStore) -> None:
    with server.guard:
        server.dirty.execute("DROP TABLE DEMO_ClinicalNoteText")
    with pytest.raises(errors.SpaceMismatch) as refusal:
        store.prepare(replace(SPACE, dimension=16))
    assert "migrate --to" in refusal.value.remedy
    assert "8 wide" in str(refusal.value)
    assert "16 wide" in str(refusal.value)
    assert server.count("create_clinical_note_text") == 1  # the first time only


def test_a_cleared_store_takes_another_width(server: Server, store: IrisStore) -> None:
    store.optimise()
    store.upsert([note(f"n{n}", ("chest pain", axis(0)), text_content="x" * 20_000) for n in range(3)])
    store.clear()
    assert store.space() is None
    assert store.counts() == StoreCounts(0, 0)
    store.clear()
    wide = replace(SPACE, dimension=16)
    store.prepare(wide)
    assert store.space() == wide
    store.upsert([note("n1", ("no fever", axis(0, 16)))])
    assert found(store, axis(0, 16)) == ["n1/0"]
    assert worded(store, "chest") == []
    assert store.check() == []
    assert server.count("drop_clinical_note_vectors") == 1
    store.clear()
    store.prepare(wide)
    assert server.count("drop_clinical_note_vectors") == 1  # of the same width: the table stays


def test_clearing_can_be_taken_back(store: IrisStore) -> None:
    store.upsert([note("n1", ("chest pain", axis(0)))])

    def fail() -> None:
        with store.transaction():
            store.clear()
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fail()
    assert store.space() == SPACE
    assert found(store, axis(0)) == ["n1/0"]


def test_another_schema_version_is_refused(server: Server, store: IrisStore) -> None:
    server.dirty.execute("UPDATE DEMO_SchemaVersion SET Version = 99")
    with pytest.raises(errors.SchemaMismatch, match="schema version 99"):
        store.prepare(SPACE)


def test_the_vector_index_is_built_once_and_anew_when_asked(server: Server, store: IrisStore) -> None:
    assert "EmbeddingNearest" not in server.indexes
    store.optimise()
    store.optimise()
    assert "EmbeddingNearest" in server.indexes
    store.optimise(rebuild=True)
    assert server.count("drop_index_vectors") == 1
    words = "index was built using an unsupported HNSW storage version"
    server.faults.append(
        Fault("search_vector", f"[SQLCODE: <-400>:<Fatal error occurred>] [%msg: <{words}>]")
    )
    store.upsert([note(f"n{number}", ("chest pain", axis(0))) for number in range(3)])
    with pytest.raises(errors.SchemaMismatch, match="built by another version"):
        store.search_vector(axis(0), 1, ANY)


# --- rows


def test_what_did_not_change_is_not_written(server: Server, store: IrisStore) -> None:
    before = note("n1", ("stays", axis(0)), ("gets another vector", axis(1)), ("goes", axis(2)))
    store.upsert([before])
    chunks = (before.chunks[0], replace(before.chunks[1], vector=axis(3)))
    server.statements.clear()
    store.upsert([replace(before, chunks=chunks)])
    assert _writes(server) == ["update_note", "update_vector", "delete_chunks", "update_corpus_version"]
    server.statements.clear()
    moved = replace(chunks[1], chunk=replace(chunks[1].chunk, ordinal=7))
    store.upsert([replace(before, chunks=(chunks[0], moved))])
    assert _writes(server) == ["update_note", "update_chunk", "update_corpus_version"]


def _writes(server: Server) -> list[str]:
    return [name for name in server.statements if name.startswith(("insert", "update", "delete"))]


def test_other_processes_never_see_a_note_without_its_chunks(server: Server, store: IrisStore) -> None:
    """IRIS shows rows that are not committed: after each single statement, the note must be found."""
    store.upsert([note("n1", ("first version", axis(0)))])
    reader = server.connect(**_options())
    run, seen = server.run, []

    def watched(connection: Any, text: str, values: Any) -> Any:
        result = run(connection, text, values)
        if connection is not reader:
            cursor = reader.cursor()
            cursor.execute(STATEMENTS["chunk_ids"].format(marks="?"), ["n1"])
            seen.append([row[1] for row in cursor.fetchall()])
        return result

    server.run = watched  # type: ignore[method-assign]
    fresh = note("n1", ("second version", axis(1)))
    chunk = replace(fresh.chunks[0].chunk, chunk_id="n1/other")
    store.upsert([replace(fresh, chunks=(replace(fresh.chunks[0], chunk=chunk),))])
    assert seen[0] == ["n1/0"]
    assert seen[-1] == ["n1/other"]
    assert [] not in seen


def test_a_large_corpus_is_committed_in_parts_of_whole_notes(server: Server, store: IrisStore) -> None:
    corpus = [note(f"n{n}", *((f"passage {c}", axis(c % 8)) for c in range(300))) for n in range(7)]
    commits: list[int] = []
    end = server.end

    def counted(connection: Any, how: str) -> None:
        end(connection, how)
        if how == "COMMIT":
            commits.append(
                server.dirty.execute("SELECT COUNT(*) FROM DEMO_ClinicalNoteVectors").fetchone()[0]
            )

    server.end = counted  # type: ignore[method-assign]
    store.upsert(corpus)
    assert commits == [900, 1800, 2100]
    commits.clear()
    with store.transaction():
        store.upsert([replace(document, chunks=document.chunks[:299]) for document in corpus])
    assert commits == [2093]


def test_a_batch_goes_in_groups(server: Server, store: IrisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iris_connections, "ROWS_MAX", 7)
    store.upsert([note("n1", *((f"passage {c}", axis(c % 8)) for c in range(40)))])
    assert store.counts() == StoreCounts(1, 40)
    rows = [["x" * 1_500_000, number] for number in range(5)]
    assert [(start, len(group)) for start, group in iris_connections.groups(rows)] == [(0, 2), (2, 2), (4, 1)]
    assert list(iris_connections.groups([])) == []


def test_a_build_whose_batches_take_no_expressions_gets_row_by_row(server: Server, store: IrisStore) -> None:
    server.batches_take_expressions = False
    store.upsert([note("n1", ("chest pain", axis(0)), ("no fever", axis(1)))])
    assert found(store, axis(0), 1) == ["n1/0"]
    with pytest.raises(errors.StoreRejectedRow, match="Chunk n1/0"):
        store.upsert([_claiming("n2", "n1/0")])
    assert store.counts() == StoreCounts(1, 2)


def _claiming(resource_id: str, chunk_id: str) -> EmbeddedDocument:
    embedded = note(resource_id, ("someone else's chunk", axis(0)))
    chunk = replace(embedded.chunks[0].chunk, chunk_id=chunk_id)
    return replace(embedded, chunks=(replace(embedded.chunks[0], chunk=chunk),))


def test_a_bad_row_is_told_by_its_id_and_undoes_its_batch(store: IrisStore) -> None:
    store.upsert([note("n1", ("chest pain", axis(0)))])
    with pytest.raises(errors.StoreRejectedRow, match=r"Chunk n1/0: .*already taken.*SQLCODE -119"):
        store.upsert([note("n0", ("fine", axis(1))), _claiming("n2", "n1/0")])
    assert store.counts() == StoreCounts(1, 1)


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({"author": "Dr. Secret " * 100}, "DEMO.ClinicalNotes.Author"),
        ({"patient_id": "Secret" * 40}, "DEMO.ClinicalNotes.PatientID"),
        ({"patient_id": ""}, "DEMO.ClinicalNotes.PatientID"),
        ({"metadata": {"k": "Secret" * 20_000}}, "DEMO.ClinicalNotes.Metadata"),
    ],
    ids=["author", "patient", "empty-patient", "metadata"],
)
def test_no_value_of_a_row_reaches_a_message(store: IrisStore, fields: dict[str, Any], column: str) -> None:
    with pytest.raises(errors.StoreRejectedRow) as refusal:
        store.upsert([note("n1", ("the license limit exceeded, access denied", axis(0)), **fields)])
    assert "n1" in str(refusal.value)
    assert column in str(refusal.value)
    chain, error = [], refusal.value
    while error is not None:
        chain.append(str(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)  # type: ignore[assignment]
    assert not [text for text in chain if "Secret" in text or "license" in text]


def test_an_image_outlives_its_report(server: Server) -> None:
    """In tables of the first release, which had one for images."""
    make_store(server, SPACE, [note("n1", ("chest pain", axis(0)))])
    add_image(server, "i1", "n1")
    store = IrisStore(SETTINGS, server.connect)
    store.prepare(SPACE)
    assert store.delete(["n1"]) == 1
    assert server.dirty.execute("SELECT ImageID, ResourceID FROM DEMO_MedicalImageVectors").fetchall() == [
        ("i1", "n1")
    ]
    with pytest.raises(errors.MigrationRefused, match="holds 1 images"):
        store.drop()
    server.dirty.execute("DELETE FROM DEMO_MedicalImageVectors")
    store.drop()
    assert tables_of(server.dirty, "DEMO") == []
    store.close()


def test_ids_that_look_like_numbers_come_in_the_order_of_text(
    store: IrisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iris_store, "PARAMETERS_MAX", 2)
    names = ["10", "9", "010", "1e1", "a", "-3", "2.50", "2.5"]
    for name in names:
        store.upsert([note(name, ("chest pain", axis(0)))])
    assert list(store.chunk_ids()) == [(name, f"{name}/0") for name in sorted(names)]
    assert store.delete(["10", "2.5"]) == 2
    assert store.document("2.50") is not None


def test_a_bare_year_is_a_date_like_any_other(store: IrisStore) -> None:
    store.upsert(
        [note("n1", ("chest pain", axis(0)), date="2023"), note("n2", ("x", axis(0)), date="2022-05-01")]
    )
    assert found(store, axis(0), filters=Filters(since="2022-06-01")) == ["n1/0"]
    assert found(store, axis(0), filters=Filters(until="2022-12-31")) == ["n2/0"]
    assert found(store, axis(0), filters=Filters(since="2023-06-01T12:00")) == ["n1/0"]


@pytest.mark.parametrize(
    "text", ["", "a" * 10_000, "🫀" * 5_000, "x" + "🫀" * 30_000, "é" * 45_000, "a" * 9_999 + "🫀b"]
)
def test_a_text_is_cut_by_utf16_units_between_characters(text: str) -> None:
    opening, parts = split_text(text)
    assert "".join([opening, *parts]) == text
    units = [len(piece.encode("utf-16-le")) // 2 for piece in (opening, *parts)]
    assert units[0] <= 10_000
    assert all(0 < size <= 30_000 for size in units[1:])


def test_halves_of_a_character_are_joined() -> None:
    assert text_of("a\ud83e\udec0b") == "a🫀b"
    assert text_of(None) == ""
    assert text_of("naïve") == "naïve"


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@hypothesis_settings(max_examples=50, deadline=None)
def test_a_vector_survives_as_text(values: list[float]) -> None:
    vector = np.asarray(values, dtype=np.float32)
    assert parse_vector(vector_text(vector)).tolist() == vector.tolist()
    assert parse_vector(f"[{vector_text(vector)}]").tolist() == vector.tolist()
    assert parse_vector(values).tolist() == vector.tolist()


def test_check_finds_what_is_wrong(server: Server, store: IrisStore) -> None:
    store.upsert(
        [note(f"n{n}", ("one", axis(0)), ("two", axis(1)), text_content="x" * 50_000) for n in range(5)]
    )
    assert store.check() == []
    for damage in (
        "PRAGMA foreign_keys = OFF",
        "DELETE FROM DEMO_ClinicalNotes WHERE ResourceID = 'n0'",
        "DELETE FROM DEMO_ClinicalNoteVectors WHERE ChunkID = 'n1/1'",
        "UPDATE DEMO_ClinicalNoteVectors SET PatientID = 'another' WHERE ChunkID = 'n2/0'",
        "UPDATE DEMO_ClinicalNoteVectors SET Embedding = '1,1,1,1,1,1,1,1' WHERE ChunkID = 'n3/0'",
        "DELETE FROM DEMO_ClinicalNoteText WHERE ResourceID = 'n4' AND Part = 1",
    ):
        server.dirty.execute(damage)
    assert store.check() == [
        "2 chunks belong to no note",
        "1 chunks carry another patient or document type than their note",
        "note n1 has 1 chunks, but was written with 2",
        "the text of note n4 is incomplete: 1 of 2 further parts",
        "the vector of chunk n3/0 is not the one that was written",
    ]


# --- searching


def _crowded(store: IrisStore) -> None:
    crowd = [note(f"crowd{n:03}", ("finding", leaning(0.99 - n / 1000))) for n in range(100)]
    rare = [note(f"rare{n}", ("finding", leaning(0.1 * n)), patient_id="p9") for n in range(3)]
    store.upsert([*crowd, *rare])


def test_a_naive_filtered_search_loses_rows_and_ours_does_not(
    server: Server, store: IrisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _crowded(store)
    store.optimise()
    naive = STATEMENTS["search_vector"].format(k=3).replace(" ORDER BY", " WHERE PatientID IN (?) ORDER BY")
    server._known = {**server._known, "naive": re.compile(re.escape(naive))}  # type: ignore[dict-item]
    cursor = server.connect(**_options()).cursor()
    cursor.execute(naive, [vector_text(axis(0)), "p9"])
    assert len(cursor.fetchall()) == 0
    wanted = Filters(patient_ids=("p9",))
    assert found(store, axis(0), 3, wanted) == ["rare2/0", "rare1/0", "rare0/0"]
    monkeypatch.setattr(search, "EXACT_ROWS_MAX", 0)
    assert found(store, axis(0), 3, wanted) == ["rare2/0", "rare1/0", "rare0/0"]
    monkeypatch.setattr(search, "INDEX_ROWS_MAX", 10)
    assert found(store, axis(0), 2, wanted) == ["rare2/0", "rare1/0"]


def test_a_common_filter_goes_through_the_index(
    server: Server, store: IrisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _crowded(store)
    store.optimise()
    monkeypatch.setattr(search, "EXACT_ROWS_MAX", 10)
    server.statements.clear()
    assert found(store, axis(0), 2, Filters(patient_ids=("p1",))) == ["crowd000/0", "crowd001/0"]
    assert "search_vector" in server.statements
    assert "scan_vectors" not in server.statements


def test_an_index_that_gives_too_few_is_not_believed(server: Server, store: IrisStore) -> None:
    _crowded(store)
    store.optimise()
    server.index_rows_max = 5
    assert len(found(store, axis(0), 20)) == 20
    assert len(found(store, axis(0), 103)) == 103


def test_vectors_without_direction_are_found_last(store: IrisStore) -> None:
    """A cosine index leaves them out, and a question without direction gets nothing from it."""
    store.upsert(
        [note("n1", ("a", leaning(-0.5))), note("n2", ("b", 0 * axis(0))), note("n3", ("c", axis(0)))]
    )
    store.optimise()
    assert found(store, axis(0), 3) == ["n3/0", "n2/0", "n1/0"]
    assert found(store, 0 * axis(0), 2) == ["n1/0", "n2/0"]
    assert [hit.similarity for hit in store.hits(["n2/0"], axis(0))] == [0.0]


@pytest.mark.parametrize("seed", range(3))
def test_index_and_scan_agree_under_any_filter(
    server: Server, store: IrisStore, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = unit_length(random.normal(size=(80, DIMENSION)).astype(np.float32))

    def pick(*options: Any) -> Any:
        return options[random.integers(len(options))]

    days = ("2023", "2024-01-01", "2024-01-01T09:00:00", "2024-06-30", None)
    store.upsert(
        [
            note(
                f"n{row}", ("words", vector), patient_id=pick("p1", "P1", "p2"), document_type=pick("A", "B"),
                domain=pick("x", "y", None), date=pick(*days),
            )
            for row, vector in enumerate(vectors)
        ]
    )  # fmt: skip
    store.optimise()
    for _ in range(15):
        since = pick(None, *days)
        filters = Filters(
            patient_ids=pick((), ("p1",), ("P1", "p2")), document_types=pick((), ("A",)), domains=pick((), ("x", "z")),
            since=since, until=pick(None, *(day for day in days if day and day >= (since or ""))),
        )  # fmt: skip
        question, k = (
            unit_length(random.normal(size=(1, DIMENSION)).astype(np.float32))[0],
            int(pick(1, 2, 4)),
        )
        monkeypatch.setattr(search, "EXACT_ROWS_MAX", 1_000)
        scanned = found(store, question, k, filters)
        monkeypatch.setattr(search, "EXACT_ROWS_MAX", 0)
        monkeypatch.setattr(search, "INDEX_ROWS_MIN", 1)
        assert found(store, question, k, filters) == scanned
    assert server.count("search_vector") > 3
    assert server.count("scan_vectors") > 3


def test_admitting_by_row_is_admitting_by_condition() -> None:
    row = ("c", "p1", "Radiology", None, None, 0.5)
    assert admission(Filters(patient_ids=("p1",)))(row)
    assert not admission(Filters(domains=("x",)))(row)
    assert not admission(Filters(since="1900"))(row)
    assert not admission(Filters(until="2999"))(row)
    month = ("c", "p1", "Radiology", None, "2024-03", 0.5)
    assert admission(Filters(since="2024-03-10", until="2024-03-12"))(month)
    assert not admission(Filters(since="2024-04-01"))(month)


def test_words_are_parted_here_and_not_by_iris(store: IrisStore) -> None:
    assert words_of("X-ray, (pneumonia). Torácica_2 ½") == [
        "x",
        "ray",
        "pneumonia",
        "toracica",
        "2",
        "1",
        "2",
    ]
    assert words_of("a" * 500) == ["a" * 64]
    assert terms("What is the cause of AND or not chest-pain?") == ["cause", "chest", "pain"]
    assert terms("and or not") == []
    assert terms("who are you") == ["who", "are", "you"]
    assert len(terms(" ".join(f"word{number}" for number in range(100)))) == 32


def test_without_the_rank_class_words_are_ranked_here(server: Server, store: IrisStore) -> None:
    store.upsert(
        [
            note("n1", ("sudden chest pain at rest today", axis(0))),
            note("n2", ("chest film without any change today", axis(1)), patient_id="p2"),
            *(note(f"m{n}", ("chest chest", axis(2))) for n in range(20)),
        ]
    )
    with_rank = store.search_words("chest pain", 50, ANY)
    server.rank_class = False
    without = store.search_words("chest pain", 50, ANY)
    assert without[0].chunk_id == with_rank[0].chunk_id == "n1/0"
    assert {match.chunk_id for match in without} == {match.chunk_id for match in with_rank}
    assert worded(store, "chest film", 5, Filters(patient_ids=("p2",))) == ["n2/0"]
    assert worded(store, "absent") == []
    assert server.count("search_words") == 2  # asked again once at most, then known to be missing


# --- connections


def _in_threads(*works: Callable[[], object]) -> list[BaseException]:
    failed: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # handed to the test
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return failed


def test_the_driver_gets_what_it_takes() -> None:
    given: list[dict[str, Any]] = []

    def connect(**options: Any) -> None:
        given.append(options)
        raise dbapi.OperationalError("Access Denied")

    for settings in (SETTINGS, SETTINGS.model_copy(update={"tls_name": "chartwell", "timeout_seconds": 0.2})):
        with pytest.raises(errors.StoreAccessDenied):
            IrisStore(settings, connect).space()
    assert given[0] == {**_options(), "timeout": 2}
    assert (given[1]["sslconfig"], given[1]["timeout"]) == ("chartwell", 1)


def test_the_real_driver_says_that_nobody_answers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        store = IrisStore(SETTINGS.model_copy(update={"port": taken.getsockname()[1]}))
        with pytest.raises(errors.StoreUnavailable, match="does not answer") as refusal:
            store.space()
    assert "CHARTWELL_IRIS__PORT" in refusal.value.remedy


def test_without_the_driver_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iris", None)
    with pytest.raises(errors.StoreError, match="not installed") as refusal:
        IrisStore(SETTINGS)
    assert "chartwell[iris]" in refusal.value.remedy


def test_never_more_connections_than_allowed(server: Server, store: IrisStore) -> None:
    store.upsert([note("n1", ("chest pain", axis(0)))])
    most, count = [0], threading.Barrier(8)

    def ask() -> None:
        count.wait(10)
        for _ in range(10):
            assert found(store, axis(0)) == ["n1/0"]
            most[0] = max(most[0], len(server.open))

    assert _in_threads(*[ask] * 8) == []
    assert most[0] <= SETTINGS.connections_max
    assert server.connections_made <= SETTINGS.connections_max


def test_a_thread_waits_for_a_connection_up_to_a_deadline(server: Server) -> None:
    settings = SETTINGS.model_copy(update={"connections_max": 1, "timeout_seconds": 0.05})
    store = IrisStore(settings, server.connect)
    store.prepare(SPACE)
    with store.transaction():
        failed = _in_threads(store.counts)
    assert [type(error) for error in failed] == [errors.StoreUnavailable]
    assert "All 1 connections" in str(failed[0])
    assert _in_threads(store.counts) == []
    store.close()


def test_the_ninth_connection_is_a_limit(server: Server) -> None:
    others = [server.connect(**_options()) for _ in range(8)]
    store = IrisStore(SETTINGS, server.connect)
    with pytest.raises(errors.StoreLimitReached, match="no free connection") as refusal:
        store.space()
    assert "8 in all" in refusal.value.remedy
    others[0].close()
    assert store.space() is None
    store.close()
    assert len(server.open) == 7


def test_a_connection_that_failed_to_open_gives_its_place_back(server: Server, store: IrisStore) -> None:
    server.restart()
    server.running = False
    for _ in range(5):
        with pytest.raises(errors.StoreUnavailable, match="does not answer"):
            store.counts()
    server.running = True
    assert store.counts() == StoreCounts(0, 0)


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password(server: Server, password: str) -> None:
    store = IrisStore(SETTINGS.model_copy(update={"password": SecretStr(password)}), server.connect)
    with pytest.raises(errors.StoreAccessDenied, match="refuses this user") as refusal:
        store.space()
    assert "CHARTWELL_IRIS__PASSWORD" in refusal.value.remedy
    if password:
        assert password not in str(refusal.value)


def test_a_password_to_be_changed(server: Server) -> None:
    server.password_expired = True
    with pytest.raises(errors.StoreAccessDenied, match="password changed") as refusal:
        IrisStore(SETTINGS, server.connect).space()
    assert "ChangePassword=0" in refusal.value.remedy


def test_a_rested_connection_is_tried_before_it_is_used(
    server: Server, store: IrisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iris_connections, "IDLE_SECONDS", -1.0)
    store.counts()
    assert server.count("ping") == 1
    server.restart()
    store.upsert([note("n1", ("chest pain", axis(0)))])  # a write meets no dead connection after a rest
    assert store.counts() == StoreCounts(1, 1)


def test_an_old_connection_is_renewed(
    server: Server, store: IrisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = server.connections_made
    monkeypatch.setattr(iris_connections, "AGE_SECONDS_MAX", -1.0)
    store.counts()
    assert server.connections_made == made + 1
    assert len(server.open) == 1


def test_a_store_is_not_used_across_a_fork(store: IrisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: -1)
    with pytest.raises(errors.StoreError, match="before a fork"):
        store.counts()


def test_what_nobody_committed_is_undone_when_a_connection_is_given_back(
    server: Server, store: IrisStore
) -> None:
    connections = iris_connections.Connections(SETTINGS, STATEMENTS, server.connect)
    with connections.use() as session:
        session.execute("update_space", ("{}", "text"))
    assert store.space() == SPACE
    connections.close()


def test_closing_leaves_nothing_open(server: Server, store: IrisStore) -> None:
    with store.transaction():
        store.upsert([note("n1", ("chest pain", axis(0)))])
        _in_threads(store.counts)
        assert len(server.open) == 2
        store.close()
        assert len(server.open) == 1
    assert len(server.open) == 0


# --- broken connections and locks


def test_a_read_is_repeated_after_a_restart(server: Server, store: IrisStore) -> None:
    store.upsert([note("n1", ("chest pain", axis(0)))])
    with store.transaction():
        _in_threads(store.counts)  # a second connection, so that two are dead afterwards
    server.restart()
    assert found(store, axis(0)) == ["n1/0"]
    server.faults.append(Fault("scan_all_vectors"))
    assert found(store, axis(0)) == ["n1/0"]
    server.faults.append(Fault("scan_all_vectors", times=2))
    with pytest.raises(errors.StoreUnavailable, match="connection to IRIS is broken"):
        found(store, axis(0))
    assert found(store, axis(0)) == ["n1/0"]


BROKEN_WRITES = [
    "note_states",
    "insert_note",
    "insert_note_text",
    "chunks_of_notes",
    "insert_chunk",
    "commit",
]


@pytest.mark.parametrize("statement", BROKEN_WRITES)
@pytest.mark.parametrize("after", [False, True])
def test_a_write_that_broke_may_be_repeated(
    server: Server, store: IrisStore, statement: str, after: bool
) -> None:
    long = note("n1", ("chest pain", axis(0)), ("no fever", axis(1)), text_content="x" * 45_000)
    server.faults.append(Fault(statement, after=after))
    with pytest.raises(errors.StoreUnavailable) as refusal:
        store.upsert([long])
    assert refusal.value.transient
    applied = statement == "commit" and after
    assert store.counts() == (StoreCounts(1, 2) if applied else StoreCounts(0, 0))
    store.upsert([long])
    assert store.counts() == StoreCounts(1, 2)
    assert store.document("n1") == long.document
    assert store.check() == []


def test_a_runtime_error_of_the_native_layer_is_translated_too(server: Server, store: IrisStore) -> None:
    server.error_class = RuntimeError
    server.faults.append(Fault("count_notes", "[SQLCODE: <-99>:<Privilege violation>]"))
    with pytest.raises(errors.StoreAccessDenied, match="lacks a privilege"):
        store.counts()


def test_within_a_transaction_nothing_is_repeated(server: Server, store: IrisStore) -> None:
    def read_inside() -> None:
        with store.transaction():
            store.upsert([note("n1", ("chest pain", axis(0)))])
            server.faults.append(Fault("count_chunks", "[SQLCODE: <-114>:<locked>]"))
            store.counts()

    with pytest.raises(errors.StoreUnavailable):
        read_inside()
    assert server.count("count_chunks") == 1
    assert store.counts() == StoreCounts(0, 0)


def test_a_transaction_whose_connection_broke_does_not_commit(server: Server, store: IrisStore) -> None:
    def swallow() -> None:
        with store.transaction():
            store.upsert([note("n1", ("chest pain", axis(0)))])
            server.restart()
            with pytest.raises(errors.StoreUnavailable):
                store.upsert([note("n2", ("no fever", axis(1)))])

    with pytest.raises(errors.StoreUnavailable, match="within a transaction"):
        swallow()
    assert store.counts() == StoreCounts(0, 0)


def test_rows_that_are_being_written_are_waited_for(server: Server, store: IrisStore) -> None:
    """What an answer cites is read committed; counts and the retrievers of a search may see what is not."""
    other = IrisStore(SETTINGS, server.connect)
    server.lock_seconds = 0.05
    with store.transaction():
        store.upsert([note("n1", ("chest pain", axis(0)))])
        assert other.counts() == StoreCounts(1, 1)
        assert found(other, axis(0)) == ["n1/0"]
        with pytest.raises(errors.StoreUnavailable, match="waited in vain"):
            other.hits(["n1/0"], axis(0))
        with pytest.raises(errors.StoreUnavailable):
            other.document("n1")
        assert other.document("elsewhere") is None
        with pytest.raises(errors.StoreUnavailable, match=r"waited in vain.*SQLCODE -110"):
            other.upsert([note("n2", ("no fever", axis(1)))])
    assert [hit.text for hit in other.hits(["n1/0"], axis(0))] == ["chest pain"]
    other.close()


def test_two_writers_of_one_note(server: Server, store: IrisStore) -> None:
    """The second finds the row there when it comes to insert it, and replaces it."""
    run = server.run

    def meanwhile(connection: Any, text: str, values: Any) -> Any:
        result = run(connection, text, values)
        if text.startswith("SELECT ResourceID, Fingerprint"):
            server.run = run  # type: ignore[method-assign]
            other = IrisStore(SETTINGS, server.connect)
            other.upsert([note("n1", ("the other's words", axis(1)), ("and more", axis(2)))])
            other.close()
        return result

    server.run = meanwhile  # type: ignore[method-assign]
    store.upsert([note("n1", ("our words", axis(0)))])
    assert list(store.chunk_ids()) == [("n1", "n1/0")]
    assert [hit.text for hit in store.hits(["n1/0"], axis(0))] == ["our words"]
    assert store.check() == []


# --- complaints


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (-1, errors.StoreError), (-12, errors.StoreError), (-25, errors.StoreError), (-51, errors.StoreError),
        (-29, errors.SchemaMismatch), (-30, errors.SchemaMismatch), (-151, errors.SchemaMismatch),
        (-99, errors.StoreAccessDenied), (-104, errors.StoreRejectedRow), (-107, errors.StoreRejectedRow),
        (-108, errors.StoreRejectedRow), (-110, errors.StoreUnavailable), (-114, errors.StoreUnavailable),
        (-119, errors.StoreRejectedRow), (-121, errors.StoreRejectedRow), (-124, errors.StoreRejectedRow),
        (-149, errors.StoreError), (-150, errors.StoreUnavailable), (-257, errors.SpaceMismatch),
        (-258, errors.SpaceMismatch), (-259, errors.SpaceMismatch), (-260, errors.SpaceMismatch),
        (-262, errors.StoreError), (-359, errors.StoreError), (-400, errors.StoreError), (-9999, errors.StoreError),
    ],
)  # fmt: skip
def test_a_sqlcode_has_a_meaning_and_a_cure(code: int, expected: type[errors.StoreError]) -> None:
    message = f"[SQLCODE: <{code}>:<words>]\r\n[Location: <ServerLoop>]\r\n[%msg: <value 'Jane Doe'>]"
    error = translate(message, "insert_note")
    assert isinstance(error, expected)
    assert f"SQLCODE {code}" in error.what
    assert "insert_note" in error.what
    assert "Jane" not in str(error)
    assert error.remedy.endswith(".")
    assert error.transient == issubclass(expected, errors.StoreUnavailable)


def test_every_mapped_sqlcode_is_tested() -> None:
    (marker,) = [
        mark for mark in test_a_sqlcode_has_a_meaning_and_a_cure.pytestmark if mark.name == "parametrize"
    ]
    assert set(SQLCODES) == {code for code, _ in marker.args[1]} - {-9999}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (LINK, errors.StoreUnavailable),
        ("Connection is closed", errors.StoreUnavailable),
        ("<LICENSE LIMIT EXCEEDED>", errors.StoreLimitReached),
        ("Invalid Community Edition license, may have exceeded core limit", errors.StoreLimitReached),
        (
            "[SQLCODE: <-400>:<Fatal error occurred>] [%msg: <<FILEFULL>zIns^DEMO.1>]",
            errors.StoreLimitReached,
        ),
        ("<COMMUNICATION ERROR> Failed to connect; Details: Access Denied", errors.StoreAccessDenied),
        ("Password change required", errors.StoreAccessDenied),
        ("something never seen", errors.StoreError),
    ],
)
def test_a_complaint_without_a_code_is_known_by_its_words(
    message: str, expected: type[errors.StoreError]
) -> None:
    assert type(translate(message, "connect")).__mro__[:2].count(expected) == 1


def test_a_store_that_lost_its_tables_says_so(server: Server, store: IrisStore) -> None:
    server.dirty.execute("DROP TABLE DEMO_ClinicalNoteText")
    with pytest.raises(errors.SchemaMismatch, match=r"missing or not those of this version.*SQLCODE -30"):
        store.upsert([note("n1", ("chest pain", axis(0)), text_content="x" * 10_001)])
