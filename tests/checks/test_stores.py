"""The checks of the store on the scripted IRIS and on the embedded file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from iris import dbapi
from pydantic import SecretStr

from pipeline.backends.iris.search import search_plan
from pipeline.backends.iris.store import IrisStore
from pipeline.checks.context import CheckContext
from pipeline.checks.ledger import ledger_check
from pipeline.checks.stores import (
    iris_connection_check,
    iris_search_check,
    iris_tables_check,
    store_check,
)
from pipeline.config import load_settings
from pipeline.errors import StoreAccessDenied, StoreDamaged, StoreLimitReached
from pipeline.ports import SearchPlan
from pipeline.records import (
    NO_PATIENT,
    Chunk,
    Document,
    EmbeddedChunk,
    EmbeddedDocument,
    StagedNote,
    library_id,
)
from tests.backends.iris_driver import Fault, Server

WIDTH = 64


def embedded(at: int) -> EmbeddedDocument:
    text = f"Visit {at}: the knee heals well."
    document = Document(f"note-{at:03}", f"p{at % 3}", "note", text, domain="surgery")
    vector = np.zeros(WIDTH, dtype=np.float32)
    vector[at % WIDTH], vector[(at * 7 + 1) % WIDTH] = 0.8, 0.6
    chunk = Chunk(f"chunk-{at:03}", document.resource_id, 0, text, 0, len(text))
    return EmbeddedDocument(document, (EmbeddedChunk(chunk, vector),))


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def asked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CheckContext]:
    monkeypatch.setattr(dbapi, "connect", server.connect)
    with bench(tmp_path) as made:
        yield made


def bench(folder: Path, **changes: Any) -> CheckContext:
    given: dict[str, Any] = {
        "data_dir": folder / "data",
        "store": {"kind": "iris"},
        "iris": {"password": SecretStr(Server.password)},
        "embedder": {"provider": "hashing", "dimension": WIDTH},
        "checks": {"index_passages_min": 10},
    }
    settings = load_settings(None, **{**given, **changes})
    return CheckContext(settings, settings, "local")


def fill(bench: CheckContext, number: int = 30, *, index: bool = True) -> None:
    bench.store.prepare(bench.embedder.space)
    bench.store.upsert([embedded(at) for at in range(number)])
    if index:
        bench.store.optimise()


# --- connection


def test_a_connection_is_timed(asked: CheckContext) -> None:
    found = iris_connection_check(asked)
    assert found.status == "pass"
    assert float(str(found.measured["connect_seconds"])) >= 0


def test_what_iris_says_when_it_refuses_is_the_finding(server: Server, asked: CheckContext) -> None:
    server.password_expired = True
    with pytest.raises(StoreAccessDenied, match="password changed"):
        iris_connection_check(asked)
    server.password_expired, server.licence_connections = False, 0
    with pytest.raises(StoreLimitReached):
        iris_connection_check(asked)


# --- tables


def test_a_store_that_was_never_prepared_is_a_warning_and_not_a_failure(asked: CheckContext) -> None:
    """So that the first up of a stack with an empty bucket does not fail."""
    found = iris_tables_check(asked)
    assert found.status == "warn"
    assert "Nothing has been indexed" in found.reason
    assert iris_search_check(asked).status == "skip"


def test_another_embedder_than_the_one_that_indexed_is_found(
    server: Server, asked: CheckContext, tmp_path: Path
) -> None:
    fill(asked)
    assert iris_tables_check(asked).measured["width"] == WIDTH
    with bench(tmp_path, embedder={"provider": "hashing", "dimension": 128}) as other:
        found = iris_tables_check(other)
    assert found.status == "fail"
    assert found.error is not None
    assert found.error.code == "CW-STORE-SPACE"
    assert "(64 wide)" in found.reason
    assert "(128 wide)" in found.reason


def test_an_embedder_that_cannot_be_opened_is_another_checks_finding(
    asked: CheckContext, tmp_path: Path
) -> None:
    fill(asked)
    with bench(tmp_path, embedder={"provider": "nim"}) as without_url:
        assert iris_tables_check(without_url).status == "pass"


@pytest.mark.parametrize("table", ["ClinicalNoteText", "CorpusVersion"])
def test_each_missing_table_is_named(server: Server, asked: CheckContext, table: str) -> None:
    fill(asked)
    server.dirty.execute(f"DROP TABLE DEMO_{table}")
    found = iris_tables_check(asked)
    assert found.status == "fail"
    assert found.measured["missing"] == table


# --- search


def test_the_plan_names_the_index(asked: CheckContext) -> None:
    fill(asked)
    found = iris_search_check(asked)
    assert found.status == "pass"
    assert found.measured["index_used"] is True
    assert "EmbeddingNearest" in str(found.measured["plan"])


def test_an_index_that_is_not_built_or_left_aside_fails_where_it_matters(
    server: Server, asked: CheckContext
) -> None:
    fill(asked, index=False)
    assert iris_search_check(asked).status == "fail"
    asked.store.optimise()
    assert iris_search_check(asked).status == "pass"
    server.planner_uses_index = False
    found = iris_search_check(asked)
    assert found.status == "fail"
    assert found.error is not None
    assert "pipeline.vectorize optimise" in found.error.remedy


def test_a_passage_of_the_library_is_found_by_its_words_too(asked: CheckContext) -> None:
    fill(asked)
    last = embedded(90)
    document = replace(last.document, resource_id=library_id("0" * 64), patient_id=NO_PATIENT)
    chunk = replace(last.chunks[0].chunk, resource_id=document.resource_id)
    asked.store.upsert([EmbeddedDocument(document, (replace(last.chunks[0], chunk=chunk),))])
    assert iris_search_check(asked).status == "pass"


def test_few_passages_need_no_index(asked: CheckContext) -> None:
    fill(asked, number=5, index=False)
    found = iris_search_check(asked)
    assert found.status == "pass"
    assert "as fast as the index" in found.reason


def test_while_notes_wait_the_missing_index_is_a_warning(asked: CheckContext) -> None:
    fill(asked, index=False)
    asked.ledger.prepare()
    asked.ledger.stage([StagedNote(embedded(99).document, "notes.jsonl", "f")])
    found = iris_search_check(asked)
    assert found.status == "warn"
    assert "still being indexed" in found.reason


@pytest.mark.parametrize(("faster", "status"), [(True, "pass"), (False, "warn")])
def test_a_build_that_explains_nothing_is_judged_by_time(
    server: Server, asked: CheckContext, monkeypatch: pytest.MonkeyPatch, faster: bool, status: str
) -> None:
    fill(asked)
    server.explains = False
    store = asked.store
    assert isinstance(store, IrisStore)
    assert store.plan(embedded(1).chunks[0].vector) == SearchPlan(None, ())
    seconds = iter([0.0, 0.01] * 3 + [1.0, 1.0 + (0.1 if faster else 0.011)])
    monkeypatch.setattr("pipeline.checks.stores.time.perf_counter", lambda: next(seconds))
    found = iris_search_check(asked)
    assert found.status == status
    assert found.measured["index_used"] is None


def test_a_word_index_that_finds_nothing_is_found(
    asked: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(asked)
    monkeypatch.setattr(IrisStore, "search_words", lambda *_: [])
    found = iris_search_check(asked)
    assert found.status == "fail"
    assert "word index" in found.reason


def test_a_passage_that_its_own_vector_does_not_find_is_damage(
    asked: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(asked)
    monkeypatch.setattr(IrisStore, "search_vector", lambda *_: [])
    with pytest.raises(StoreDamaged, match="by its own vector"):
        iris_search_check(asked)


def test_a_broken_connection_while_explaining_is_an_error_of_the_store(
    server: Server, asked: CheckContext
) -> None:
    fill(asked)
    server.faults.append(Fault("explain_search"))
    with pytest.raises(Exception, match="CW-STORE-UNAVAILABLE"):
        iris_search_check(asked)


@pytest.mark.parametrize(
    ("texts", "plan"),
    [
        (
            [
                "<plan>Read index map DEMO.ClinicalNoteVectors.EmbeddingNearest,",
                "looping on the 'VECTOR_COSINE'",
            ],
            SearchPlan(True, ("Read index map DEMO.ClinicalNoteVectors.EmbeddingNearest",)),
        ),
        (
            ["Read  master\nmap DEMO.ClinicalNoteVectors.IDKEY, looping"],
            SearchPlan(False, ("Read master map DEMO.ClinicalNoteVectors.IDKEY",)),
        ),
        (["<cost value='7'/>", "patient Smith's vector 0.1,0.2"], SearchPlan(None, ())),
    ],
)
def test_a_plan_is_reduced_to_the_maps_it_reads(texts: list[str], plan: SearchPlan) -> None:
    assert search_plan(texts) == plan


# --- the embedded file, and the ledger


def test_the_embedded_store(tmp_path: Path) -> None:
    with bench(tmp_path, store={"kind": "embedded"}) as made:
        assert store_check(made).status == "warn"
        fill(made)
        found = store_check(made)
        assert found.status == "pass"
        assert found.measured["passages"] == 30
        assert iris_connection_check(made).status == "skip"
    with bench(
        tmp_path, store={"kind": "embedded"}, embedder={"provider": "hashing", "dimension": 128}
    ) as other:
        assert store_check(other).status == "fail"


def complete(bench: CheckContext, documents: list[EmbeddedDocument], *, store: bool = True) -> None:
    bench.ledger.prepare()
    bench.ledger.stage([StagedNote(each.document, "notes.jsonl", "f") for each in documents])
    claims = bench.ledger.claim(len(documents))
    if store:
        bench.store.upsert(documents)
    bench.ledger.complete([(claim, 1) for claim in claims])


def test_the_ledger_agrees_lacks_notes_or_promises_too_many(asked: CheckContext) -> None:
    asked.store.prepare(asked.embedder.space)
    complete(asked, [embedded(at) for at in range(5)])
    assert ledger_check(asked).status == "pass"
    complete(asked, [embedded(5)], store=False)
    lost = ledger_check(asked)
    assert lost.status == "fail"
    assert "note-005" in lost.reason
    assert lost.error is not None
    assert "verify --repair" in lost.error.remedy
    asked.store.upsert([embedded(5), embedded(6)])
    behind = ledger_check(asked)
    assert "behind the store: 1 notes" in behind.reason


def test_notes_that_failed_are_a_warning(asked: CheckContext) -> None:
    asked.store.prepare(asked.embedder.space)
    complete(asked, [embedded(1)])
    asked.ledger.stage([StagedNote(embedded(2).document, "notes.jsonl", "f")])
    (claim,) = asked.ledger.claim(1)
    asked.ledger.fail(claim, "no")
    found = ledger_check(asked)
    assert found.status == "warn"
    assert found.measured["notes_failed"] == 1


def test_notes_at_work_and_canaries_are_no_difference(asked: CheckContext) -> None:
    asked.store.prepare(asked.embedder.space)
    complete(asked, [embedded(1)])
    canary = embedded(7)
    asked.store.upsert([canary, embedded(2)])
    asked.ledger.stage([StagedNote(embedded(2).document, "notes.jsonl", "f")])
    assert ledger_check(asked).status == "fail"  # note 7 is no patient's
    asked.store.delete(["note-007"])
    assert ledger_check(asked).status == "pass"
