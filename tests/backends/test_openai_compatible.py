"""The OpenAI-compatible back-end against a server that takes no `input_type` and answers in decimal numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pipeline import errors
from pipeline.backends.openai_compatible import (
    OpenAIEmbedder,
    OpenAIGenerator,
)
from pipeline.config import EmbedderSettings, GeneratorSettings, TransportSettings
from pipeline.ports import Embedder, Generator
from pipeline.records import Prompt
from tests.contracts.embedder import EmbedderContract
from tests.servers.nim import NimServer
from tests.servers.nim_models import CHAT, bag_of_words

PROMPT = Prompt(
    "", (), "", "Passages:\n\n[1] (a)\nGout of the left knee.\n\nQuestion: Which knee?\n\nAnswer", "test"
)


@pytest.fixture(scope="module")
def server() -> Iterator[NimServer]:
    with NimServer() as nim:
        yield nim


@pytest.fixture(autouse=True)
def fresh(server: NimServer) -> None:
    server.reset()


def embedder_of(server: NimServer, **settings: Any) -> OpenAIEmbedder:
    wanted = {"model": "nomic-embed-text", **settings}
    return OpenAIEmbedder(EmbedderSettings(provider="openai", url=server.url, **wanted), TransportSettings())


def generator_of(server: NimServer) -> OpenAIGenerator:
    settings = GeneratorSettings(provider="openai", url=server.url, model=CHAT)
    return OpenAIGenerator(settings, TransportSettings(attempts_max=1))


class TestNomic(EmbedderContract):
    @pytest.fixture
    def embedder(self, server: NimServer) -> Embedder:
        return embedder_of(server)


class TestAnyModel(EmbedderContract):
    """A model this package knows nothing of: width and limit come from the settings."""

    @pytest.fixture
    def embedder(self, server: NimServer) -> Embedder:
        return embedder_of(server, model="text-embedding-3-small", tokens_max=8191)


def test_prefixes_are_added_where_the_model_wants_them(server: NimServer) -> None:
    vector = embedder_of(server).embed(["gout"], "query")[0]
    served = bag_of_words("search_query: gout", 768)
    np.testing.assert_allclose(vector, served / np.linalg.norm(served), atol=1e-6)


def test_fewer_dimensions_where_the_model_has_them(server: NimServer) -> None:
    narrow = embedder_of(server, model="text-embedding-3-small", dimension=512)
    assert narrow.embed(["gout"], "query").shape == (1, 512)
    with pytest.raises(errors.SettingsInvalid, match="gives 768"):
        embedder_of(server, dimension=512)


def test_an_unknown_model_needs_width_and_limit(server: NimServer) -> None:
    with pytest.raises(errors.SettingsInvalid, match="not known here"):
        embedder_of(server, model="someone/new")


def test_url_and_model_are_both_asked_for_at_once() -> None:
    with pytest.raises(errors.SettingsInvalid, match="CHARTWELL_EMBEDDER__URL and CHARTWELL_EMBEDDER__MODEL"):
        OpenAIEmbedder(EmbedderSettings(provider="openai"), TransportSettings())
    with pytest.raises(errors.SettingsInvalid, match="CHARTWELL_GENERATOR__MODEL"):
        OpenAIGenerator(
            GeneratorSettings(provider="openai", url="http://127.0.0.1:1/v1"), TransportSettings()
        )


def test_too_long_comes_with_figures(server: NimServer) -> None:
    with pytest.raises(errors.RequestInvalid, match="1 texts, the longest of"):
        embedder_of(server).embed(["pain " * 3000], "passage")


def test_an_answer(server: NimServer) -> None:
    generator: Generator = generator_of(server)
    assert "".join(piece.text for piece in generator.stream(PROMPT)) == '"Gout of the left knee." [1]'
    assert (generator.model.provider, generator.model.model) == ("openai", CHAT)
    generator.check()


def test_a_check_says_what_is_wrong(server: NimServer) -> None:
    server.faults.api_key = "another"
    with pytest.raises(errors.AuthenticationFailed, match="CHARTWELL_EMBEDDER__API_KEY"):
        embedder_of(server).check()
    with pytest.raises(errors.AuthenticationFailed, match="CHARTWELL_GENERATOR__API_KEY"):
        generator_of(server).check()
