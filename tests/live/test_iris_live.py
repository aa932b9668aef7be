"""The contract of stores on a real InterSystems IRIS, and the questions that only one can answer.

Skipped unless LIVE_IRIS=1; `make test-live-iris` sets it and starts the server (docs/iris.md). It drops every table
in schema DEMO of that server: never point it at one that holds anything.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.backends.iris import search
from pipeline.backends.iris.store import TABLES, IrisStore
from pipeline.config import IrisSettings
from pipeline.records import EmbeddingSpace
from tests.contracts.image_store import ImageStoreContract, Opened, Pair
from tests.contracts.store import StoreContract, StoreFactory
from tests.live.iris_questions import QUESTIONS, Live, answer, corpus
from tests.live.iris_server import PASSWORD_FILE, PORT, REPORT

if os.environ.get("LIVE_IRIS") != "1":
    pytest.skip("needs a real InterSystems IRIS: make test-live-iris", allow_module_level=True)

pytestmark = [pytest.mark.live_iris, pytest.mark.timeout(3600)]

ROWS = int(os.environ.get("LIVE_IRIS_ROWS", "20000"))
DIMENSION = int(os.environ.get("LIVE_IRIS_DIMENSION", "1024"))
SPACE = EmbeddingSpace(provider="hashing", model="live", dimension=DIMENSION)


@pytest.fixture(scope="session")
def live_settings() -> IrisSettings:
    password = PASSWORD_FILE.read_text(encoding="ascii")
    return IrisSettings(port=PORT, password=SecretStr(password), connections_max=3)


@pytest.fixture
def empty(live_settings: IrisSettings) -> IrisSettings:
    _drop_everything(live_settings)
    return live_settings


def _drop_everything(settings: IrisSettings) -> None:
    store = IrisStore(settings)
    live = Live(settings, store, SPACE, 0)
    for table in ("MedicalImageVectors", *reversed(TABLES)):
        live.attempt(f"DROP TABLE DEMO.{table}")
    store.close()


class TestIrisStoreLive(StoreContract):
    @pytest.fixture
    def store_factory(self, empty: IrisSettings) -> StoreFactory:
        return lambda: IrisStore(empty)


class IndexedStore(IrisStore):
    def prepare(self, space: EmbeddingSpace) -> None:
        super().prepare(space)
        self.optimise()


class TestIrisStoreLiveThroughItsVectorIndex(StoreContract):
    @pytest.fixture
    def store_factory(self, empty: IrisSettings, monkeypatch: pytest.MonkeyPatch) -> StoreFactory:
        monkeypatch.setattr(search, "EXACT_ROWS_MAX", 0)
        return lambda: IndexedStore(empty)


class TestIrisImagesLive(ImageStoreContract):
    @pytest.fixture
    def opened(self, empty: IrisSettings) -> Opened:
        def both() -> Pair:
            store = IrisStore(empty)
            return store, store.images()

        return both


@pytest.fixture(scope="module")
def live(live_settings: IrisSettings) -> Iterator[Live]:
    """A corpus, loaded before the vector index is built, as a bulk load should be."""
    _drop_everything(live_settings)
    store = IrisStore(live_settings)
    store.prepare(SPACE)
    live = Live(live_settings, store, SPACE, ROWS)
    started = time.perf_counter()
    batch: list[Any] = []
    for document in corpus(ROWS, DIMENSION):
        batch.append(document)
        if len(batch) == 32:
            store.upsert(batch)
            batch = []
    store.upsert(batch)
    live.load_seconds = time.perf_counter() - started
    started = time.perf_counter()
    store.optimise()
    live.build_seconds = time.perf_counter() - started
    REPORT.write_text(f"# A live IRIS: {ROWS} chunks of width {DIMENSION}\n\n", encoding="utf-8")
    yield live
    store.close()


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.__name__)
def test_open_question(
    live: Live, question: Callable[[Live], str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = answer(question, live)
    with REPORT.open("a", encoding="utf-8") as report:
        report.write(f"- **{question.__name__}** {(question.__doc__ or '').strip()}\n  {said}\n")
    with capsys.disabled():
        print(f"\n{question.__name__}: {said}")
    assert said
