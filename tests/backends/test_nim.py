"""NIM's embedder, generator, ranker and NV-CLIP against the simulator, over real HTTP."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import requests

from pipeline import errors
from pipeline.backends.http.encoded_image import read_header
from pipeline.backends.http.errors import Server
from pipeline.backends.http.openai_protocol import read_vectors
from pipeline.backends.http.transport import Transport
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.backends.local.token_counts import EstimatedTokens
from pipeline.backends.local.wordpiece import WordPiece
from pipeline.backends.nim import (
    TEXT_MODELS,
    NimEmbedder,
    NimGenerator,
    NimImageEmbedder,
    NimRanker,
    ranking_path,
)
from pipeline.config import EmbedderSettings, GeneratorSettings, IndexingSettings, TransportSettings
from pipeline.indexing.chunking import chunk_document, passage_tokens_max
from pipeline.ports import Embedder, Generator, ImageEmbedder, Ranker, text_tokens_max
from pipeline.records import Document, Prompt
from pipeline.telemetry.wrappers import ObservedEmbedder
from tests.contracts.embedder import EmbedderContract
from tests.contracts.image_embedder import ImageEmbedderContract
from tests.images import jpeg, png, rings
from tests.servers.clock import ManualClock
from tests.servers.nim import NimServer, nim_process
from tests.servers.nim_models import EMBEDDER, EMBEDDER_WIDE, IMAGE_EMBEDDER, RANKER, embedding
from tests.servers.queueing import ServiceTime

WORDPIECE = WordPiece()
PNG = png(rings(40, 50))
JPEG = jpeg(rings(50, 40))
NOTE = "Mrs Zanzibar, MRN 00817263, has gout in the left knee."
PROMPT = Prompt(
    question="Where is the gout?",
    passages=(),
    system="Answer from the passages.",
    user=f"Passages:\n\n[1] (note a)\nNo fever.\n\n[2] (note b)\n{NOTE}\n\nQuestion: Where is the gout?\n\nAnswer",
    version="test",
)


@pytest.fixture(scope="module")
def nim() -> Iterator[NimServer]:
    with NimServer() as server:
        yield server


@pytest.fixture(autouse=True)
def fresh(nim: NimServer) -> None:
    nim.reset()


def embedder_of(nim: NimServer, **settings: Any) -> NimEmbedder:
    wanted = EmbedderSettings(provider="nim", url=nim.url, **settings)
    return NimEmbedder(wanted, TransportSettings(), clock=ManualClock())


def generator_of(nim: NimServer) -> NimGenerator:
    return NimGenerator(
        GeneratorSettings(provider="nim", url=nim.url), TransportSettings(), clock=ManualClock()
    )


def transport_of(nim: NimServer, model: str) -> Transport:
    return Transport(Server("ranker", nim.url, "RANKER", model), TransportSettings(), clock=ManualClock())


class TestE5(EmbedderContract):
    @pytest.fixture
    def embedder(self, nim: NimServer) -> Embedder:
        return embedder_of(nim)

    def special_tokens(self, embedder: Embedder) -> int:
        return TEXT_MODELS[EMBEDDER].reserved_tokens


class TestNemotron(EmbedderContract):
    """Its tokenizer is not ours: too long is what the server says."""

    @pytest.fixture
    def embedder(self, nim: NimServer) -> Embedder:
        return embedder_of(nim, model=EMBEDDER_WIDE)

    def special_tokens(self, embedder: Embedder) -> int:
        return TEXT_MODELS[EMBEDDER_WIDE].reserved_tokens


def test_the_space_of_e5(nim: NimServer) -> None:
    space = embedder_of(nim).space
    assert (space.provider, space.model, space.dimension, space.tokens_max) == ("nim", EMBEDDER, 1024, 512)
    assert space.input_types
    assert space.normalised
    assert embedder_of(nim, similarity_floor=0.0).space.similarity_floor == 0.0


def test_vectors_are_those_of_the_server_at_unit_length(nim: NimServer) -> None:
    vector = embedder_of(nim).embed([NOTE], "query")[0]
    served = embedding(NOTE, 1024, "query")
    assert np.linalg.norm(served) > 2
    np.testing.assert_allclose(vector, served / np.linalg.norm(served), atol=1e-6)


def test_many_texts_go_in_batches_and_each_once(nim: NimServer) -> None:
    embedder = embedder_of(nim, batch_size=16)
    vectors = embedder.embed([f"text {number}" for number in range(200)], "passage")
    assert vectors.shape == (200, 1024)
    assert nim.calls == {"/v1/embeddings 200": 13}
    assert nim.counts()["texts"] == nim.counts()["distinct"] == 200
    assert embedder.limiter.in_flight == 0


def test_several_requests_are_in_flight() -> None:
    with NimServer(embedding=ServiceTime(seconds_per_request=0.03, concurrency=8)) as nim:
        settings = EmbedderSettings(url=nim.url, batch_size=1)
        embedder = NimEmbedder(settings, TransportSettings())
        embedder.embed([f"text {number}" for number in range(80)], "passage")
        assert embedder.limiter.limit >= 2  # how far it gets in 80 requests depends on the machine
        assert nim.connections >= 2


def test_order_is_by_index(nim: NimServer) -> None:
    texts = ["gout", "fever", "left knee"]
    straight = embedder_of(nim).embed(texts, "passage")
    nim.faults.wrong_order = True
    np.testing.assert_array_equal(embedder_of(nim).embed(texts, "passage"), straight)


@pytest.mark.parametrize(
    "fault",
    [
        {"wrong_width": 768},
        {"wrong_width": 2048},
        {"not_finite": True},
        {"zeros": True},
        {"one_missing": True},
        {"duplicate_index": True},
        {"not_json": True},
    ],
)
def test_an_answer_that_breaks_the_contract(nim: NimServer, fault: dict[str, Any]) -> None:
    nim.faults.change(fault)
    with pytest.raises(errors.ResponseInvalid):
        embedder_of(nim).embed(["gout", "fever"], "passage")
    assert nim.calls.total() == 1


@pytest.mark.parametrize(
    "entries",
    [
        None,
        {},
        [],
        [{"index": 0}],
        [{"index": "0", "embedding": [1.0]}],
        [{"index": 0, "embedding": "?"}],
        [3],
        "x",
    ],
)
def test_nonsense_under_data(entries: object) -> None:
    with pytest.raises(errors.ResponseInvalid):
        read_vectors({"data": entries}, 1, 1, Server("embedder", "http://h/v1", "EMBEDDER", "m"))


def test_too_long_is_said_before_anything_is_sent(nim: NimServer) -> None:
    embedder = embedder_of(nim)
    limit = 512 - 4
    assert embedder.embed(["pain " * limit], "passage").shape == (1, 1024)
    nim.reset()
    with pytest.raises(errors.RequestInvalid, match=f"number 2 of 2 has {limit + 1} tokens") as caught:
        embedder.embed(["short", "pain " * (limit + 1)], "passage")
    assert "pain" not in str(caught.value)
    assert nim.calls.total() == 0


@pytest.mark.parametrize("model", [EMBEDDER, EMBEDDER_WIDE])
def test_passages_cut_to_the_models_length_are_taken(nim: NimServer, model: str) -> None:
    embedder = embedder_of(nim, model=model)
    watched = ObservedEmbedder(embedder, lambda texts, kind: nullcontext())
    settings = IndexingSettings(chunk_tokens_max=512)
    note = Document("n1", "p1", "note", "pain " * 20_000)
    for one in (embedder, watched):
        tokens_max = passage_tokens_max(one, settings)
        assert tokens_max == (508 if model == EMBEDDER else 512)
        assert text_tokens_max(one, "query") == embedder.space.tokens_max - embedder.reserved_tokens
        chunks = chunk_document(note, count_tokens=one.count_tokens, tokens_max=tokens_max)
        counts = one.count_tokens([chunk.text for chunk in chunks])
        assert max(counts) > tokens_max - 10
        assert one.embed([chunk.text for chunk in chunks], "passage").shape[0] == len(chunks)


def test_who_reserves_nothing_of_its_own_has_two_special_tokens() -> None:
    embedder = HashingEmbedder(EmbedderSettings())
    for one in (embedder, ObservedEmbedder(embedder, lambda texts, kind: nullcontext())):
        assert text_tokens_max(one, "passage") == embedder.space.tokens_max - 2


def test_too_long_for_the_server_comes_with_figures(nim: NimServer) -> None:
    embedder = embedder_of(nim, model=EMBEDDER_WIDE)
    with pytest.raises(
        errors.RequestInvalid, match=r"2 texts, the longest of 9000 tokens by our count; the limit is 8192"
    ):
        embedder.embed(["short", "pain " * 9000], "passage")


def test_no_dimensions_are_sent_to_e5_and_no_other_width_is_accepted(nim: NimServer) -> None:
    assert embedder_of(nim, dimension=1024).embed(["gout"], "query").shape == (1, 1024)
    with pytest.raises(errors.SettingsInvalid, match="gives 1024"):
        embedder_of(nim, dimension=512)
    assert (
        requests.post(
            f"{nim.url}/embeddings",
            json={"model": EMBEDDER, "input": "x", "input_type": "query", "dimensions": 512},
            timeout=5,
        ).status_code
        == 400
    )


def test_an_unknown_model_needs_width_and_limit(nim: NimServer) -> None:
    with pytest.raises(errors.SettingsInvalid, match="DIMENSION and CHARTWELL_EMBEDDER__TOKENS_MAX"):
        embedder_of(nim, model="someone/new")
    space = embedder_of(nim, model="someone/new", dimension=256, tokens_max=2048).space
    assert (space.dimension, space.tokens_max) == (256, 2048)


def test_nothing_is_sent_anywhere_by_default() -> None:
    with pytest.raises(errors.SettingsInvalid, match="no server is named"):
        NimEmbedder(EmbedderSettings(provider="nim"), TransportSettings())
    with pytest.raises(errors.SettingsInvalid, match="no server is named"):
        NimGenerator(GeneratorSettings(provider="nim"), TransportSettings())


def test_without_input_type_the_server_refuses(nim: NimServer) -> None:
    answer = requests.post(f"{nim.url}/embeddings", json={"model": EMBEDDER, "input": NOTE}, timeout=5)
    assert answer.status_code == 400


def test_a_check_is_one_real_call_and_not_tried_again(nim: NimServer) -> None:
    embedder_of(nim).check()
    assert nim.calls == {"/v1/embeddings 200": 1}
    nim.reset()
    nim.faults.gone = {EMBEDDER: "2026-08-25"}
    with pytest.raises(errors.ModelGone, match="2026-08-25"):
        embedder_of(nim).check()
    nim.faults.gone, nim.faults.status = {}, 503
    with pytest.raises(errors.Overloaded):
        embedder_of(nim).check()
    with pytest.raises(errors.Overloaded):
        generator_of(nim).check()
    assert nim.calls.total() == 3


def test_a_true_limit_per_minute_is_kept_by_the_bucket() -> None:
    """A minute of one second, so 1,200 a real minute; our clock is scaled alike."""
    with NimServer() as nim:
        nim.faults.requests_per_minute, nim.faults.minute_seconds = 20, 1.0
        settings = EmbedderSettings(url=nim.url, batch_size=1)
        embedder = NimEmbedder(settings, TransportSettings(requests_per_minute=1200 * 0.9))
        embedder._transport.limiter._rate.capacity = 1.0  # type: ignore[union-attr]
        embedder.embed([f"text {number}" for number in range(40)], "passage")
        assert nim.calls["/v1/embeddings 429"] == 0


def test_no_text_reaches_a_log(nim: NimServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    embedder_of(nim).embed([NOTE], "passage")
    list(generator_of(nim).stream(PROMPT))
    nim.faults.status, nim.faults.detail = 400, NOTE
    with pytest.raises(errors.RequestInvalid):
        embedder_of(nim).embed([NOTE], "passage")
    assert "zanzibar" not in caplog.text.lower()


# --- tokens of models whose tokenizer we do not have ---


def test_estimates_are_high_and_add_up() -> None:
    estimate = EstimatedTokens(WORDPIECE)
    texts = ["Metformin 500 mg b.i.d.", "A" * 90, "há três dias", "東京", ""]
    counts = estimate.count(texts)
    exact = WORDPIECE.count(texts)
    assert counts[0] == exact[0]
    assert counts[1] == 90
    assert counts[3] == 6
    assert all(high >= low for high, low in zip(counts, exact, strict=True))
    assert estimate.count([" ".join(texts)]) == [sum(counts)]


# --- answers ---


def test_an_answer_in_pieces_and_the_last_carries_the_usage(nim: NimServer) -> None:
    pieces = list(generator_of(nim).stream(PROMPT))
    assert "".join(piece.text for piece in pieces) == f'"{NOTE}" [2]'
    assert len(pieces) > 5
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.completion_tokens == len(pieces) - 1
    assert pieces[-1].finish_reason == "stop"
    assert all(piece.usage is None and piece.finish_reason is None for piece in pieces[:-1])


def test_a_server_without_usage_is_no_error(nim: NimServer) -> None:
    nim.faults.without_usage = True
    assert list(generator_of(nim).stream(PROMPT))[-1].usage is None


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"stream_error_after": 3}, errors.Overloaded),
        ({"stream_cut_after": 3}, errors.ConnectionBroken),
        ({"stream_without_end": True}, errors.ConnectionBroken),
    ],
)
def test_what_came_before_a_failure_was_handed_out(
    nim: NimServer, fault: dict[str, Any], kind: type[Exception]
) -> None:
    nim.faults.change(fault)
    got = []
    with pytest.raises(kind):
        got.extend(generator_of(nim).stream(PROMPT))
    assert nim.calls.total() == 1


def test_closing_an_answer_frees_its_place() -> None:
    with NimServer(chat=ServiceTime(seconds_per_token=0.02), answer_tokens=100) as nim:
        generator = NimGenerator(GeneratorSettings(url=nim.url), TransportSettings())
        pieces = generator.stream(PROMPT)
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]
        assert generator.limiter.in_flight == 0


def test_who_answers(nim: NimServer) -> None:
    model = generator_of(nim).model
    assert (model.provider, model.model, model.label) == ("nim", "meta/llama-3.1-8b-instruct", None)
    generator_of(nim).check()


# --- ranking ---


def test_scores_come_in_the_order_of_the_passages(nim: NimServer) -> None:
    ranker = NimRanker(transport_of(nim, RANKER), RANKER)
    scores = ranker.rank("Where is the gout?", ["No fever.", "Gout of the knee.", "Tea."])
    assert scores[1] == max(scores)
    assert len(scores) == 3
    assert ranker.rank("gout?", []) == []


def test_more_passages_than_a_request_takes(nim: NimServer) -> None:
    passages = [f"passage {number}" for number in range(70)] + ["gout"]
    scores = NimRanker(transport_of(nim, RANKER), RANKER).rank("gout", passages)
    assert int(np.argmax(scores)) == 70
    assert nim.calls == {"/v1/ranking 200": 3}


def test_a_missing_score_is_an_error(nim: NimServer) -> None:
    nim.faults.one_missing = True
    with pytest.raises(errors.ResponseInvalid):
        NimRanker(transport_of(nim, RANKER), RANKER).rank("gout", ["a", "b"])


@pytest.mark.parametrize(
    "rankings",
    [
        [None, "a"],
        [{"index": 0, "logit": 10**400}, {"index": 1, "logit": 1.0}],
        [{"index": 0, "logit": math.nan}, {"index": 1, "logit": 1.0}],
        [{"index": False, "logit": True}, {"index": 1, "logit": 1.0}],
        [{"index": 0, "logit": 1.0}, {"index": 0, "logit": 9.0}, {"index": 1, "logit": 2.0}],
        {"0": 1.0},
    ],
    ids=["no objects", "endless", "NaN", "booleans", "one twice", "no list"],
)
def test_scores_that_are_none_are_not_believed(
    nim: NimServer, monkeypatch: pytest.MonkeyPatch, rankings: object
) -> None:
    async def ranking(_: object) -> object:
        return {"rankings": rankings}

    monkeypatch.setattr(nim, "_ranking", ranking)
    with pytest.raises(errors.ResponseInvalid, match="usable scores for 2 passages"):
        NimRanker(transport_of(nim, RANKER), RANKER).rank("gout", ["a", "b"])


def test_nvidia_has_a_path_for_each_ranking_model() -> None:
    hosted = "https://ai.api.nvidia.com/v1"
    assert ranking_path(hosted, RANKER) == "/retrieval/nvidia/llama-3_2-nv-rerankqa-1b-v2/reranking"
    assert ranking_path(hosted, "nv-rerank-qa-mistral-4b:1") == "/retrieval/nvidia/reranking"
    assert ranking_path("http://10.0.0.5:8000/v1", RANKER) == "/ranking"


# --- images ---


def images_of(nim: NimServer) -> NimImageEmbedder:
    return NimImageEmbedder(transport_of(nim, IMAGE_EMBEDDER))


def test_images_and_texts_share_a_space(nim: NimServer) -> None:
    embedder = images_of(nim)
    images, texts = embedder.embed_images([PNG, JPEG]), embedder.embed_texts(["chest x-ray"])
    assert images.shape == (2, 1024)
    assert texts.shape == (1, 1024)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)
    assert embedder.embed_images([]).shape == (0, 1024)
    assert not np.allclose(images[0], images[1])
    embedder.check()


def test_images_go_by_sixteen(nim: NimServer) -> None:
    vectors = images_of(nim).embed_images([PNG + bytes([number] * 40) for number in range(40)])
    assert vectors.shape == (40, 1024)
    assert nim.calls == {"/v1/embeddings 200": 3}


def test_the_label_of_an_image_is_read_from_its_bytes() -> None:
    assert read_header(PNG).data_url.startswith("data:image/png;base64,iVBOR")
    assert read_header(JPEG).data_url.startswith("data:image/jpeg;base64,")
    with pytest.raises(errors.RequestInvalid, match="Image number 3"):
        read_header(b"GIF89a", 3)


class TestNvClip(ImageEmbedderContract):
    @pytest.fixture
    def images(self, nim: NimServer) -> ImageEmbedder:
        return images_of(nim)


def test_a_request_that_is_too_large_for_the_server_is_sent_in_halves_and_remembered(nim: NimServer) -> None:
    nim.faults.images_max = 5
    embedder = images_of(nim)
    files = [png(rings(30, 30 + number)) for number in range(40)]
    vectors = embedder.embed_images(files)
    assert vectors.shape == (40, 1024)
    assert embedder.images_at_once == 4
    refused = nim.calls["/v1/embeddings 422"]
    assert refused >= 2
    embedder.embed_images(files[:12])
    assert nim.calls["/v1/embeddings 422"] == refused
    nim.faults.images_max = 16
    np.testing.assert_allclose(vectors, images_of(nim).embed_images(files), atol=1e-6)


def test_bytes_of_a_request_are_limited_here_and_halved_there(nim: NimServer) -> None:
    files = [png(rings(30, 30 + number)) + bytes(300_000) for number in range(8)]
    embedder = images_of(nim)
    embedder.embed_images([*files, *files, *files])
    assert nim.calls == {"/v1/embeddings 200": 3}
    assert embedder.images_at_once == 16
    nim.faults.image_characters_max = 3 * len(read_header(files[0]).data_url)
    embedder.embed_images(files)
    assert nim.calls["/v1/embeddings 413"] == 3
    assert embedder.images_at_once == 2


def test_one_image_that_does_not_open_is_named_and_no_reason_for_smaller_requests(nim: NimServer) -> None:
    embedder = images_of(nim)
    files = [png(rings(30, 30 + number)) for number in range(20)]
    files[17] = files[17][:60]
    with pytest.raises(errors.RequestInvalid, match="It was about input number 18 of the call"):
        embedder.embed_images(files)
    assert embedder.images_at_once == 16


def test_an_image_larger_than_the_model_is_sent_is_refused_before_it_leaves(nim: NimServer) -> None:
    embedder = images_of(nim)
    assert embedder.embed_images([png(rings(518, 300))]).shape == (1, 1024)
    with pytest.raises(errors.RequestInvalid, match="Image number 1 is 519 pixels long"):
        embedder.embed_images([png(rings(519, 300))])
    with pytest.raises(errors.RequestInvalid, match="is sent 2,097,152 at most"):
        embedder.embed_images([PNG + bytes(2 * 1024**2)])
    assert nim.calls == {"/v1/embeddings 200": 1}


def test_another_width_than_the_space_has_is_refused(nim: NimServer) -> None:
    nim.faults.wrong_width = 768
    with pytest.raises(errors.ResponseInvalid, match="768"):
        images_of(nim).embed_images([PNG])


def test_a_text_that_would_be_read_as_an_image(nim: NimServer) -> None:
    with pytest.raises(errors.RequestInvalid):
        images_of(nim).embed_texts([read_header(PNG).data_url])


# --- the ports, and the simulator by hand ---


def test_the_ports_are_served(nim: NimServer) -> None:
    embedder: Embedder = embedder_of(nim)
    generator: Generator = generator_of(nim)
    ranker: Ranker = NimRanker(transport_of(nim, RANKER))
    images: ImageEmbedder = images_of(nim)
    assert embedder.space != images.space
    assert generator.model
    assert ranker


def test_the_simulator_in_its_own_process() -> None:
    with nim_process("--embed-seconds=0.01", "--loading-seconds=0") as server:
        embedder = NimEmbedder(EmbedderSettings(url=server.url), TransportSettings())
        embedder.embed(["gout", "gout", "fever"], "passage")
        counts = server.control("counts")
        assert (counts["texts"], counts["distinct"], counts["repeated"]) == (3, 2, 1)
        assert server.control("faults", {"requests_per_minute": 40})["requests_per_minute"] == 40
        metrics = requests.get(f"{server.url}/metrics", timeout=5).text
        assert "num_requests_running 0" in metrics
        assert requests.get(f"{server.url}/metadata", timeout=5).ok


def test_the_simulator_keeps_its_ceiling() -> None:
    """Eight at a time, 20 ms each: 80 requests take 0.2 s, and never less."""
    with NimServer(embedding=ServiceTime(seconds_per_request=0.02, concurrency=8)) as nim:
        assert nim.ceiling_texts_per_second(100, texts=32) == pytest.approx(8 / 0.02 * 32)
        settings = EmbedderSettings(url=nim.url, batch_size=1)
        embedder = NimEmbedder(settings, TransportSettings())
        began = time.monotonic()
        embedder.embed(["gout"] * 80, "passage")
        assert time.monotonic() - began >= 80 / 8 * 0.02
