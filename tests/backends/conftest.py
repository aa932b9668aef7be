"""Models that several test files share, loaded once."""

from __future__ import annotations

from importlib import metadata

import pytest

from pipeline.backends.local.minilm import PACKAGE, LocalEmbedder
from pipeline.config import EmbedderSettings


def installed(*packages: str) -> bool:
    """Whether all of these distributions are there, found without importing them."""
    try:
        for package in packages:
            metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture(scope="session")
def local_embedder() -> LocalEmbedder:
    """The real model on the CPU."""
    if not installed(PACKAGE, "onnxruntime"):
        pytest.skip(f"needs {PACKAGE} and onnxruntime (the extra `local`)")
    return LocalEmbedder(EmbedderSettings())
