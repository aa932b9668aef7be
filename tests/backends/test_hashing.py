"""The embedder without weights."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings
from pipeline.errors import SettingsInvalid
from pipeline.ports import Embedder
from tests.contracts.embedder import EmbedderContract


class TestHashingEmbedder(EmbedderContract):
    TOLERANCE = 0.0

    @pytest.fixture
    def embedder(self) -> Embedder:
        return HashingEmbedder(EmbedderSettings(provider="hashing", tokens_max=512))

    def special_tokens(self, embedder: Embedder) -> int:
        return 0


@pytest.fixture(scope="module")
def embedder() -> HashingEmbedder:
    return HashingEmbedder(EmbedderSettings(provider="hashing"))


def test_similarity_is_word_overlap(embedder: HashingEmbedder) -> None:
    question, *passages = embedder.embed(
        [
            "Which dose of metformin does the patient take?",
            "The patient takes metformin, dose 500 mg.",
            "The dose was reduced.",
            "Chest x-ray without infiltrates.",
        ],
        "passage",
    )
    similar, related, unrelated = (float(question @ passage) for passage in passages)
    assert similar > related > 0.1 > abs(unrelated)


def test_word_order_matters_a_little(embedder: HashingEmbedder) -> None:
    left, right, same = embedder.embed(["pain after fall", "fall after pain", "Pain after fall!"], "passage")
    assert 0.5 < float(left @ right) < 0.99
    assert float(left @ same) == pytest.approx(1.0)


def test_vectors_are_the_same_in_every_process(embedder: HashingEmbedder) -> None:
    """Stored vectors outlive the process; Python's own hash() would not."""
    code = (
        "from pipeline.backends.local.hashing import HashingEmbedder as H\n"
        "from pipeline.config import EmbedderSettings as S\n"
        "v = H(S(provider='hashing')).embed(['blood pressure 130/80'], 'query')[0]\n"
        "print([(int(i), round(float(v[i]), 5)) for i in v.nonzero()[0]])"
    )
    root = __file__.rsplit("/tests/", 1)[0]
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    vector = embedder.embed(["blood pressure 130/80"], "query")[0]
    assert printed.strip() == str([(int(i), round(float(vector[i]), 5)) for i in vector.nonzero()[0]])


def test_texts_without_words_resemble_nothing(embedder: HashingEmbedder) -> None:
    blank, marks, real = embedder.embed(["", "?! -- the of", "chest pain"], "passage")
    assert np.array_equal(blank, marks)
    assert abs(float(blank @ real)) < 0.3


def test_another_width_is_another_space() -> None:
    wide = HashingEmbedder(EmbedderSettings(provider="hashing", dimension=2048, similarity_floor=0.3))
    assert wide.embed(["gout"], "query").shape == (1, 2048)
    assert wide.space.similarity_floor == 0.3
    assert wide.space.id != HashingEmbedder(EmbedderSettings(provider="hashing")).space.id


@pytest.mark.parametrize("wrong", [{"dimension": 8}, {"model": "bge-m3"}])
def test_what_it_is_not_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsInvalid, match="words-v1"):
        HashingEmbedder(EmbedderSettings(provider="hashing", **wrong))
