"""The embedded store: the contract of every store, and what only this one promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.backends.embedded import EmbeddedStore
from pipeline.config import StoreSettings
from pipeline.database import Database
from tests.contracts.store import StoreContract, StoreFactory


class TestEmbeddedStore(StoreContract):
    """Every vector compared."""

    settings = StoreSettings()

    @pytest.fixture
    def store_factory(self, tmp_path: Path) -> StoreFactory:
        return lambda: EmbeddedStore(Database(tmp_path / "data" / "store.sqlite"), self.settings)


class TestEmbeddedStoreByCodes(TestEmbeddedStore):
    """Pre-selected by codes, and with hardly any words scored."""

    settings = StoreSettings(exact_chunks_max=0, word_postings_max=100)
