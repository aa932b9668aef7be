"""The image embedder without weights: files in, vectors of one named space out."""

from __future__ import annotations

import importlib.util
import io

import numpy as np
import pytest
from PIL import Image

from pipeline.backends.local.image_embedder import LocalImageEmbedder, grey_values
from pipeline.backends.local.image_features import DIMENSION, VERSION
from pipeline.config import ImageEmbedderSettings, Settings
from pipeline.errors import RequestInvalid, SettingsInvalid
from pipeline.ports import ImageEmbedder
from pipeline.wiring import open_image_embedder
from tests.contracts.image_embedder import ImageEmbedderContract
from tests.images import jpeg, png, rings


class TestLocal(ImageEmbedderContract):
    @pytest.fixture
    def images(self) -> ImageEmbedder:
        return LocalImageEmbedder(ImageEmbedderSettings())


def test_it_is_what_runs_where_nothing_is_said() -> None:
    embedder = open_image_embedder(Settings(_env_file=None))
    assert isinstance(embedder, LocalImageEmbedder)
    assert embedder.space.id.startswith(f"local/pixels-hog-v{VERSION}/{DIMENSION}/")
    assert open_image_embedder(Settings(_env_file=None, image_embedder={"provider": "none"})) is None


@pytest.mark.parametrize(("provider", "reads_texts"), [("local", False), ("nim", True), ("bedrock", True)])
def test_callers_know_whether_words_find_images(provider: str, reads_texts: bool) -> None:
    chosen = {"provider": provider, "url": "http://127.0.0.1:1/v1" if provider == "nim" else ""}
    embedder = open_image_embedder(Settings(_env_file=None, image_embedder=chosen))
    assert embedder is not None
    assert embedder.reads_texts == reads_texts
    assert embedder.space.provider == provider


@pytest.mark.parametrize("settings", [{"model": "pixels-hog-v0"}, {"dimension": 1024}])
def test_another_version_or_width_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match=f"pixels-hog-v{VERSION} with {DIMENSION} dimensions"):
        LocalImageEmbedder(ImageEmbedderSettings(**settings))


def test_a_film_and_its_jpeg_are_nearly_one() -> None:
    embedder = LocalImageEmbedder(ImageEmbedderSettings())
    film = rings(224, 200)
    first, second, other = embedder.embed_images([png(film), jpeg(film), png(rings(224, 200, seed=5))])
    assert first @ second > 0.95
    assert first @ other < 0.8


def test_colour_and_sixteen_bits_are_grey_values() -> None:
    film = rings(64, 64)
    np.testing.assert_array_equal(grey_values(png(np.stack([film] * 3, axis=2))), film)
    written = io.BytesIO()
    Image.fromarray(film.astype(np.uint16) * 257).save(written, "PNG")
    np.testing.assert_allclose(grey_values(written.getvalue()), film, atol=1e-3)


@pytest.mark.parametrize("cut", [60, 200, -40])
def test_a_cut_off_file_is_named(cut: int) -> None:
    for file in (png(rings(99, 99)), jpeg(rings(99, 99))):
        with pytest.raises(RequestInvalid, match="Image number 7 does not open"):
            grey_values(file[:cut], 7)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingsInvalid, match="chartwell\\[images\\]"):
        LocalImageEmbedder(ImageEmbedderSettings()).embed_images([png(rings(40, 40))])
