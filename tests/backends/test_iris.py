from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.backends.iris import IrisStore
from pipeline.config import IrisSettings
from tests.backends.iris_driver import Server
from tests.contracts.store import StoreContract, StoreFactory

SETTINGS = IrisSettings(password=SecretStr("correct horse"), timeout_seconds=1.5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "iris.db")
    yield server
    server.close()


class TestIrisStore(StoreContract):
    @pytest.fixture
    def store_factory(self, server: Server) -> StoreFactory:
        return lambda: IrisStore(SETTINGS, server.connect)
