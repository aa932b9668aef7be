"""Two spaces on the same questions: what decides is what answers are made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import AnsweringSettings, EmbedderSettings, IndexingSettings, StoreSettings
from pipeline.evaluation.beir import EvaluationSet, read_set
from pipeline.evaluation.compare import DECIDING, Side, compare
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.ledger import SqliteLedger
from pipeline.records import EmbeddingSpace, Rejection, TextKind, Vector
from pipeline.storage.sqlite import Database
from tests.evaluation.beir_folder import write_set

NOTES = {
    "gout": "Allopurinol 100 mg once daily is continued for gout.",
    "knee": "The wound of the left knee is dry and heals well.",
    "film": "The chest film shows no infiltrate and no effusion.",
    "pulse": "Blood pressure was 128 over 76 and the pulse was regular.",
}
# Each has a word that its note has not: a passage with every word of a question is found below the floor too.
QUESTIONS = {
    "allopurinol for gout and psoriasis": {"gout": 1},
    "the wound of the left knee and tibia": {"knee": 2, "gout": 0},
    "infiltrate on the chest film and bronchoscopy": {"film": 1},
}


class Refusing:
    def write(self, rejection: Rejection) -> None:
        raise AssertionError(rejection)


class Strict:
    """The same space, with a floor that next to nothing clears."""

    def __init__(self, embedder: HashingEmbedder) -> None:
        self._embedder = embedder
        self.texts_at_once, self.calls_at_once = embedder.texts_at_once, embedder.calls_at_once

    @property
    def space(self) -> EmbeddingSpace:
        return replace(self._embedder.space, similarity_floor=0.999)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        return self._embedder.embed(texts, kind)

    def check(self) -> None:
        self._embedder.check()


@pytest.fixture
def evaluation_set(tmp_path: Path) -> EvaluationSet:
    return read_set(write_set(tmp_path / "ward", NOTES, QUESTIONS))


@pytest.fixture
def side(tmp_path: Path, evaluation_set: EvaluationSet) -> Iterator[Side]:
    embedder = HashingEmbedder(EmbedderSettings(provider="hashing"))
    with closing(Database(tmp_path / "store.sqlite")) as database:
        store = EmbeddedStore(database, StoreSettings())
        ledger = SqliteLedger(database, lease_seconds=60)
        run = Indexing(embedder, store, ledger, IndexingSettings(), Refusing(), SilentObserver())
        assert run.run(evaluation_set.records(), sources=[]).embedded == len(NOTES)
        yield Side(embedder, store)


def test_a_space_against_itself_is_no_worse(evaluation_set: EvaluationSet, side: Side) -> None:
    found = compare(evaluation_set, now=side, then=side, settings=AnsweringSettings())
    assert found.queries == len(QUESTIONS)
    assert {row.mode for row in found.rows} == {"vectors", "answering"}
    assert all((row.difference.mean, row.difference.low) == (0.0, 0.0) for row in found.rows)
    assert all(row.now.mean == 1.0 for row in found.rows)
    assert not found.worse


def test_a_space_whose_passages_answers_do_not_get_is_worse(
    evaluation_set: EvaluationSet, side: Side
) -> None:
    """Its vectors rank as well as before; only the product's own search knows that its floor lets nothing through."""
    assert isinstance(side.embedder, HashingEmbedder)
    then = Side(Strict(side.embedder), side.store)
    found = compare(evaluation_set, now=side, then=then, settings=AnsweringSettings())
    by_mode = {(row.mode, row.metric): row for row in found.rows}
    assert by_mode["vectors", "nDCG@10"].difference.mean == 0.0
    assert by_mode[DECIDING].then.mean == 0.0
    assert found.worse
