"""What every embedder of images must do, whoever computes the vectors."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import RequestInvalid
from pipeline.ports import ImageEmbedder
from tests.images import jpeg, png, rings


class ImageEmbedderContract:
    """A subclass gives the fixture `images`."""

    def test_images_become_unit_vectors_in_their_order(self, images: ImageEmbedder) -> None:
        files = [png(rings(80, 80 + 9 * each)) for each in range(20)]
        vectors = images.embed_images(files)
        assert vectors.shape == (20, images.space.dimension)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(vectors[13], images.embed_images([files[13]])[0], atol=1e-6)
        assert not np.allclose(vectors[13], vectors[12])

    def test_no_image_gives_no_vector(self, images: ImageEmbedder) -> None:
        assert images.embed_images([]).shape == (0, images.space.dimension)

    def test_both_types_are_read(self, images: ImageEmbedder) -> None:
        film = rings(90, 90)
        assert images.embed_images([png(film), jpeg(film)]).shape == (2, images.space.dimension)

    def test_what_is_no_image_is_named(self, images: ImageEmbedder) -> None:
        with pytest.raises(RequestInvalid, match="Image number 2 is neither PNG nor JPEG"):
            images.embed_images([png(rings(40, 40)), b"GIF89a"])

    def test_an_image_of_too_many_pixels_is_named(self, images: ImageEmbedder) -> None:
        with pytest.raises(RequestInvalid, match="Image number 2 is 9,000 pixels long"):
            images.embed_images([png(rings(40, 40)), png(np.zeros((2, 9000), dtype=np.uint8))])

    def test_whether_there_is_a_text_side_is_said_and_kept(self, images: ImageEmbedder) -> None:
        if images.reads_texts:
            assert images.embed_texts(["chest film", "a hand"]).shape == (2, images.space.dimension)
            with pytest.raises(RequestInvalid, match="Text number 2 has 400 words"):
                images.embed_texts(["effusion", "effusion " * 400])
        else:
            with pytest.raises(RequestInvalid, match="no text side"):
                images.embed_texts(["chest film"])
        assert images.reads_texts == (images.space.tokens_max > 0)

    def test_what_a_caller_should_send_at_once(self, images: ImageEmbedder) -> None:
        assert images.images_at_once >= 1
        assert images.calls_at_once >= 1
        assert images.image_side >= 128

    def test_a_check_is_a_real_call(self, images: ImageEmbedder) -> None:
        images.check()
