"""The test image: found again, met by no one else, and never left behind; and a model that looks at pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.checks.canary import PATIENT, left_overs_check, make_canary_id
from pipeline.checks.context import CheckContext
from pipeline.checks.images import (
    clear_image_canary,
    image_search_check,
    vision_language_check,
)
from pipeline.config import Settings, load_settings
from pipeline.errors import RequestInvalid, SpaceMismatch
from pipeline.images import EmbeddedImage, ImageFilters
from pipeline.imaging.records import ImageDescription
from pipeline.storage.locks import exclusive_lock
from tests.checks.contexts import bench
from tests.servers.vision import VisionServer

pytest.importorskip("PIL")
FILM = ImageDescription("film-1", "P1", "films/1.png", "png", "ab" * 32, rows=8, columns=8)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(None, data_dir=tmp_path / "data", embedder={"provider": "hashing"})


@pytest.fixture
def asked(settings: Settings) -> Iterator[CheckContext]:
    """Of a store with a patient's film."""
    with CheckContext(settings, settings, "local") as made:
        embedder = made.image_embedder
        assert embedder is not None
        made.store.prepare(made.embedder.space)
        made.images.prepare(embedder.space)
        made.images.upsert([EmbeddedImage(FILM, a_vector(embedder.space.dimension))])
        yield made


def a_vector(width: int) -> Any:
    return np.full(width, width**-0.5, dtype=np.float32)


def test_a_picture_of_ours_is_found_again_and_removed(asked: CheckContext) -> None:
    found = image_search_check(asked)
    assert found.status == "pass"
    assert found.measured["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert list(asked.images.image_ids()) == [FILM.image_id]


def test_an_index_that_does_not_find_it_fails(asked: CheckContext, monkeypatch: pytest.MonkeyPatch) -> None:
    images = asked.images
    monkeypatch.setattr(type(images), "search", lambda *_: [])
    found = image_search_check(asked)
    assert found.status == "fail"
    assert found.error is not None
    assert found.error.code == "CW-CHECK-ANSWER"
    assert list(images.image_ids()) == [FILM.image_id]


def test_it_is_removed_where_the_search_fails(asked: CheckContext, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise RequestInvalid("broken", remedy="none")

    monkeypatch.setattr(type(asked.images), "search", broken)
    with pytest.raises(RequestInvalid):
        image_search_check(asked)
    assert list(asked.images.image_ids()) == [FILM.image_id]
    assert asked.written_images == set()


def test_images_of_another_model_are_told(asked: CheckContext, tmp_path: Path) -> None:
    asked._parts["image embedder"] = replace_space(asked)
    with pytest.raises(SpaceMismatch):
        image_search_check(asked)


def replace_space(asked: CheckContext) -> Any:
    embedder = asked.image_embedder
    assert embedder is not None

    class Other:
        space = replace(embedder.space, model="another")

    return Other()


def test_where_nothing_is_indexed_or_no_model_is_set_nothing_is_made(tmp_path: Path) -> None:
    made = bench(tmp_path)
    made.store.prepare(made.embedder.space)
    assert "no images are indexed" in image_search_check(made).reason
    assert made.images.space() is None
    assert image_search_check(bench(tmp_path, image_embedder={"provider": "none"})).status == "skip"


def test_another_run_at_the_same_time_is_let_alone(asked: CheckContext, settings: Settings) -> None:
    with exclusive_lock(settings.data_dir / ".canary"):
        assert image_search_check(asked).status == "skip"


def test_what_a_killed_run_left_is_removed_and_a_patients_images_stay(asked: CheckContext) -> None:
    width = asked.image_embedder.space.dimension if asked.image_embedder else 0
    named_so = replace(
        FILM, image_id="chartwell-canary-of-somebody", patient_id=PATIENT, content_hash="cd" * 32
    )
    left = replace(FILM, image_id=make_canary_id(time.time()), patient_id=PATIENT, content_hash="ef" * 32)
    asked.images.upsert([EmbeddedImage(each, a_vector(width)) for each in (named_so, left)])
    found = left_overs_check(asked)
    assert (found.status, found.measured["removed"]) == ("warn", 1)
    assert set(asked.images.image_ids()) == {FILM.image_id, named_so.image_id}
    assert left_overs_check(asked).status == "pass"


def test_a_check_that_hangs_is_cleared_by_another_connection(asked: CheckContext) -> None:
    width = asked.image_embedder.space.dimension if asked.image_embedder else 0
    left = replace(FILM, image_id=make_canary_id(time.time()), patient_id=PATIENT, content_hash="ef" * 32)
    asked.images.upsert([EmbeddedImage(left, a_vector(width))])
    asked.written_images.add(left.image_id)
    clear_image_canary(asked)
    assert asked.images.images(ImageFilters(patient_ids=(PATIENT,))) == []


# --- the model that reads pixels


@pytest.fixture(scope="module")
def running() -> Iterator[VisionServer]:
    with VisionServer() as server:
        yield server


@pytest.fixture
def server(running: VisionServer) -> VisionServer:
    running.reset()
    return running


def vision(server: VisionServer, **more: Any) -> dict[str, Any]:
    return {"provider": "openai", "url": server.url, "model": "some/vlm", **more}


def test_a_model_that_says_the_colour_of_a_picture_has_seen_it(server: VisionServer, tmp_path: Path) -> None:
    made = bench(tmp_path, vision=vision(server))
    assert vision_language_check(made).status == "pass"
    assert made.urls()["vision"] == server.url
    server.habits.ignores_pictures = True
    found = vision_language_check(made)
    assert found.status == "warn"
    assert "did not say that a red picture is red" in found.reason


def test_one_that_takes_no_picture_fails_at_once(server: VisionServer, tmp_path: Path) -> None:
    server.habits.refuses = "no_pictures"
    with pytest.raises(RequestInvalid, match="reads pictures"):
        vision_language_check(bench(tmp_path, vision=vision(server)))
    assert len(server.pictures) == 1


def test_without_one_there_is_nothing_to_ask(tmp_path: Path) -> None:
    assert vision_language_check(bench(tmp_path)).status == "skip"
