"""One service with films for all tests of images: its reading processes take a second to start."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import httpx2
import pytest

from tests.service.images.gallery import Gallery, gallery


@pytest.fixture(scope="package")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """Temporary files of the service and its processes, were there any, would lie in `temporary` below it."""
    base = tmp_path_factory.mktemp("gallery")
    temporary = base / "temporary"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", str(temporary))
        patched.setattr(tempfile, "tempdir", str(temporary))
        with gallery(base / "g", service={"images_at_once": 1}) as made:
            yield made


@pytest.fixture(scope="package")
def everyone(shown: Gallery) -> httpx2.Client:
    return shown.service.client(shown.service.key("administrator"))


@pytest.fixture(scope="package")
def knees(shown: Gallery) -> httpx2.Client:
    """Sees pat-b alone."""
    return shown.service.client(shown.service.key(sees=shown.group("pat-b")))
