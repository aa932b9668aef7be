"""What every embedder owes its callers (`pipeline.ports.Embedder`).

A back-end's test file subclasses `EmbedderContract` and supplies the fixture `embedder`. Vectors of one text may
differ by `TOLERANCE` between two calls: a server's batching moves the last bits.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pipeline.errors import RequestInvalid
from pipeline.ports import Embedder
from pipeline.records import Vector

TEXTS = [
    "Metformin 500 mg was started for type 2 diabetes.",
    "The chest x-ray shows no infiltrate.",
    "Gout.",
    "Continue lisinopril 10 mg daily for hypertension and recheck the blood pressure in two weeks. " * 3,
    "Any pain in the knee?",
    "Paciente refere dor no joelho há três dias; édema discreto.",
]


class EmbedderContract:
    TOLERANCE = 1e-5
    """Largest difference of a component between two vectors of one text."""

    @pytest.fixture
    def embedder(self) -> Embedder:
        raise NotImplementedError("a back-end's test supplies its embedder")

    def same(self, one: Vector, other: Vector) -> bool:
        return one.shape == other.shape and bool(np.abs(one - other).max(initial=0.0) <= self.TOLERANCE)

    def test_shape_and_type(self, embedder: Embedder) -> None:
        vectors = embedder.embed(TEXTS, "passage")
        assert vectors.shape == (len(TEXTS), embedder.space.dimension)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()

    def test_no_text_gives_no_row(self, embedder: Embedder) -> None:
        assert embedder.embed([], "passage").shape == (0, embedder.space.dimension)
        assert embedder.count_tokens([]) == []

    def test_unit_length_where_the_space_says_so(self, embedder: Embedder) -> None:
        lengths = np.linalg.norm(embedder.embed(TEXTS, "query"), axis=1)
        if embedder.space.normalised:
            np.testing.assert_allclose(lengths, 1.0, atol=1e-4)

    def test_order_is_that_of_the_texts(self, embedder: Embedder) -> None:
        forwards = embedder.embed(TEXTS, "passage")
        backwards = embedder.embed(TEXTS[::-1], "passage")
        assert self.same(forwards, backwards[::-1])
        assert len(np.unique(forwards.round(3), axis=0)) == len(TEXTS)

    def test_more_texts_than_one_batch(self, embedder: Embedder) -> None:
        texts = [f"Visit {number}: {TEXTS[number % len(TEXTS)]}" for number in range(150)]
        vectors = embedder.embed(texts, "passage")
        assert vectors.shape[0] == len(texts)
        assert self.same(vectors[[0, 77, 149]], embedder.embed([texts[0], texts[77], texts[149]], "passage"))

    def test_a_vector_does_not_depend_on_its_company(self, embedder: Embedder) -> None:
        together = embedder.embed(TEXTS, "passage")
        alone = np.vstack([embedder.embed([text], "passage") for text in TEXTS])
        assert self.same(together, alone)

    def test_one_text_gives_one_vector_always(self, embedder: Embedder) -> None:
        assert self.same(embedder.embed(TEXTS, "query"), embedder.embed(TEXTS, "query"))

    def test_kinds_differ_exactly_where_the_space_says_so(self, embedder: Embedder) -> None:
        space = embedder.space
        asymmetric = space.input_types or space.query_prefix != space.passage_prefix
        alike = self.same(embedder.embed(TEXTS, "query"), embedder.embed(TEXTS, "passage"))
        assert alike is not asymmetric

    def test_an_empty_and_a_blank_text_have_vectors(self, embedder: Embedder) -> None:
        assert np.isfinite(embedder.embed(["", " \n"], "passage")).all()

    def test_tokens_add_up_over_pieces_split_at_white_space(self, embedder: Embedder) -> None:
        for text in TEXTS:
            assert sum(embedder.count_tokens(text.split())) == embedder.count_tokens([text])[0]
        assert all(count > 0 for count in embedder.count_tokens(TEXTS))
        assert embedder.count_tokens([""]) == [0]

    def test_the_longest_text_passes_and_a_longer_one_is_refused(self, embedder: Embedder) -> None:
        """No text is cut in silence; the refusal names the text's place and never its words."""
        longest = embedder.space.tokens_max
        words = ["pain"] * longest
        while len(words) > 1 and embedder.count_tokens([" ".join(words)])[0] > longest:
            words.pop()
        fits = " ".join(words[: len(words) - self.special_tokens(embedder)])
        assert embedder.embed([fits], "passage").shape[0] == 1
        with pytest.raises(RequestInvalid) as refused:
            embedder.embed(["short", " ".join([*words, "zanzibar"])], "passage")
        assert "zanzibar" not in str(refused.value)

    def special_tokens(self, embedder: Embedder) -> int:
        """Tokens that the back-end adds to a text: part of `tokens_max`, not of `count_tokens`."""
        return 2

    def test_threads_may_share_it(self, embedder: Embedder) -> None:
        expected = embedder.embed(TEXTS, "passage")
        results: list[bool] = []

        def embed() -> None:
            results.extend(self.same(embedder.embed(TEXTS, "passage"), expected) for _ in range(3))

        threads = [threading.Thread(target=embed) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [True] * 12

    def test_it_says_how_it_is_used_best(self, embedder: Embedder) -> None:
        assert embedder.texts_at_once >= 1
        assert embedder.calls_at_once >= 1

    def test_the_check_passes_where_the_embedder_works(self, embedder: Embedder) -> None:
        embedder.check()

    def test_the_space_is_the_same_record_every_time(self, embedder: Embedder) -> None:
        assert embedder.space == embedder.space
        assert embedder.space.dimension > 0
        assert embedder.space.id.startswith(f"{embedder.space.provider}/")
