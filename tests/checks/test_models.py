"""The checks of models, against the NIM simulator and against embedders that lie."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.checks.models import (
    embedding_check,
    generator_check,
    grey_png,
    nim_llm_health_check,
    nim_llm_inference_test,
    vision_check,
)
from pipeline.errors import (
    AuthenticationFailed,
    ConnectionBroken,
    ModelGone,
    ProviderError,
    ResponseInvalid,
    SettingsInvalid,
)
from pipeline.records import EmbeddingSpace, TextKind, Vector
from tests.checks.contexts import bench
from tests.servers.nim import NimServer


@pytest.fixture(scope="module")
def running() -> Iterator[NimServer]:
    with NimServer() as server:
        yield server


@pytest.fixture
def server(running: NimServer) -> NimServer:
    running.reset()
    return running


def nim(server: NimServer, **more: Any) -> dict[str, Any]:
    return {"provider": "nim", "url": server.url, **more}


# --- embedding


class Lying:
    """An embedder whose vectors are what a test says."""

    space = EmbeddingSpace("test", "lying", 4)
    texts_at_once = calls_at_once = 1

    def __init__(self, query: Sequence[float], near: Sequence[float], far: Sequence[float]) -> None:
        self._by_kind = {"query": [query], "passage": [near, far]}

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [1] * len(texts)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        return np.asarray(self._by_kind[kind], dtype=np.float32)

    def check(self) -> None:
        return None


GOOD = ([1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0])


@pytest.mark.parametrize(
    ("vectors", "status", "what"),
    [
        (GOOD, "pass", "width 4"),
        (([1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]), "fail", "no nearer than an unrelated one"),
        (([2, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]), "fail", "not of unit length"),
    ],
)
def test_vectors_have_a_width_a_length_and_a_meaning(
    tmp_path: Path, vectors: tuple[list[float], ...], status: str, what: str
) -> None:
    made = bench(tmp_path)
    made._parts["embedder"] = Lying(*vectors)
    found = embedding_check(made)
    assert found.status == status
    assert what in found.reason


def test_another_width_than_the_space_has_is_refused(tmp_path: Path) -> None:
    made = bench(tmp_path)
    made._parts["embedder"] = Lying([1, 0], [1, 0], [0, 1])
    with pytest.raises(ResponseInvalid, match="its space has width 4"):
        embedding_check(made)


def test_a_check_is_tried_once(server: NimServer, tmp_path: Path) -> None:
    server.faults.status = 503
    with pytest.raises(ProviderError):
        embedding_check(bench(tmp_path, embedder=nim(server)))
    assert server.calls["/v1/embeddings 503"] == 1


# --- images


def test_an_image_is_embedded_for_real(server: NimServer, tmp_path: Path) -> None:
    found = vision_check(bench(tmp_path, image_embedder=nim(server)))
    assert found.status == "pass"
    assert found.measured["width"] == 1024
    assert found.measured["reads_texts"] is True
    assert server.calls["/v1/embeddings 200"] == 1
    assert vision_check(bench(tmp_path, image_embedder={"provider": "none"})).status == "skip"


def test_the_local_image_model_is_tried_where_images_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = vision_check(bench(tmp_path))
    assert found.status == "pass"
    assert (found.measured["width"], found.measured["reads_texts"]) == (2320, False)
    assert "by their reports and metadata only" in found.reason
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert vision_check(bench(tmp_path)).status == "skip"


def test_an_image_model_of_another_width_or_without_an_address_is_found(
    server: NimServer, tmp_path: Path
) -> None:
    server.faults.wrong_width = 768
    with pytest.raises(ResponseInvalid, match="768"):
        vision_check(bench(tmp_path, image_embedder=nim(server)))
    with pytest.raises(SettingsInvalid, match="CHARTWELL_IMAGE_EMBEDDER__URL"):
        vision_check(bench(tmp_path, image_embedder={"provider": "nim"}))


def test_the_image_is_a_small_png_of_nothing() -> None:
    image = grey_png()
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(image) < 2_000


# --- language model


def test_health_and_a_real_answer(server: NimServer, tmp_path: Path) -> None:
    made = bench(tmp_path, generator=nim(server))
    assert nim_llm_health_check(made).status == "pass"
    found = nim_llm_inference_test(made)
    assert found.status == "pass"
    assert found.measured["tokens"] == 1
    assert generator_check(made).status == "skip"


def test_a_hosted_model_has_no_readiness_and_is_judged_by_the_list(
    server: NimServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = NimServer._route

    async def without_health(self: NimServer, request: Any, writer: Any) -> None:
        if request.path == "/v1/health/ready":
            request = request._replace(path="/v1/nothing-here")
        await original(self, request, writer)

    monkeypatch.setattr(NimServer, "_route", without_health)
    assert nim_llm_health_check(bench(tmp_path, generator=nim(server))).status == "pass"


def test_a_model_that_is_listed_and_gone_is_found_by_the_real_call(server: NimServer, tmp_path: Path) -> None:
    server.faults.gone = {"meta/llama-3.1-8b-instruct": "2026-08-25"}
    made = bench(tmp_path, generator=nim(server))
    assert nim_llm_health_check(made).status == "pass"
    with pytest.raises(ModelGone, match="2026-08-25"):
        nim_llm_inference_test(made)


def test_keys_and_connections(server: NimServer, tmp_path: Path) -> None:
    server.faults.api_key = "right"
    with pytest.raises(AuthenticationFailed):
        nim_llm_inference_test(bench(tmp_path, generator=nim(server, api_key="wrong")))
    with pytest.raises(ConnectionBroken):
        nim_llm_health_check(bench(tmp_path, generator={"provider": "nim", "url": "http://127.0.0.1:9/v1"}))


def test_an_answer_of_nothing_is_no_answer(server: NimServer, tmp_path: Path) -> None:
    class Silent:
        model = bench(tmp_path, generator=nim(server)).generator.model

        def stream(self, _: object) -> Iterator[Any]:
            return iter(())

    made = bench(tmp_path, generator=nim(server))
    made.short_generator = lambda _: Silent()  # type: ignore[method-assign,assignment,return-value]
    found = nim_llm_inference_test(made)
    assert found.status == "fail"
    assert "with nothing" in found.reason


def test_a_first_answer_may_be_slow_and_the_second_may_not(server: NimServer, tmp_path: Path) -> None:
    made = bench(tmp_path, generator=nim(server), checks={"answer_seconds_max": 0.2})
    server.faults.slow_seconds = 0.3
    found = nim_llm_inference_test(made)
    assert found.status == "fail"
    assert found.error is not None
    assert found.error.code == "CW-CHECK-SLOW"
    assert server.calls["/v1/chat/completions 200"] == 2


def test_another_generator_is_asked_by_its_own_check(server: NimServer, tmp_path: Path) -> None:
    openai = {"provider": "openai", "url": server.url, "model": "meta/llama-3.1-8b-instruct"}
    assert generator_check(bench(tmp_path, generator=openai)).status == "pass"
    assert nim_llm_health_check(bench(tmp_path, generator=openai)).status == "skip"
    assert "quotations" in generator_check(bench(tmp_path)).reason
