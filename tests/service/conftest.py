"""The demo's notes, indexed once for all tests of the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.running import Running, copied, index, running, settings_in


@pytest.fixture(scope="session")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds the demo's notes. Not to be written to: copy it."""
    folder = tmp_path_factory.mktemp("corpus") / "data"
    index(settings_in(folder))
    return folder


@pytest.fixture(scope="module")
def service(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service over those notes, for tests that leave it as it was."""
    folder = copied(indexed, tmp_path_factory.mktemp("service") / "data")
    with running(settings_in(folder)) as found:
        yield found
