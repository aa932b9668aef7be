"""A model is shown a stored image as its original is now: found by the ledger, read and cleaned again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from pipeline.answering.images.seen_in_words import NOT_CHECKED
from pipeline.ask import process_query
from pipeline.call_context.cancellation import Cancellation, Cancelled, cancellation_scope
from pipeline.commands.answer_printer import print_answer
from pipeline.errors import UnreadableImage
from pipeline.imaging.files import ImageFile
from pipeline.imaging.reading_pool import PreparedImage, prepare_file
from pipeline.indexing.images.originals import Originals
from pipeline.indexing.images.stored_pictures import StoredPictures
from pipeline.records import EVERYTHING, AccessScope, Filters
from tests.images import png, rings
from tests.indexing.images.films import OPTIONS, Films, about, write_films, write_table
from tests.servers.vision import VisionServer
from tests.service.running import index, settings_in


@pytest.fixture
def films(tmp_path: Path) -> Iterator[Films]:
    with closing(Films(tmp_path / "data")) as films:
        folder = tmp_path / "films"
        films.run(folder, tables=[write_table(tmp_path / "said.csv", about(write_films(folder, 2)))])
        yield films


def pictures_of(films: Films) -> StoredPictures:
    pool = nullcontext(films.preparation)
    return StoredPictures(films.images, Originals(films.ledger, lambda: True), lambda: pool)  # type: ignore[arg-type,return-value]


def test_it_is_the_picture_that_was_embedded_and_out_of_sight_there_is_none(
    films: Films, tmp_path: Path
) -> None:
    with closing(pictures_of(films)) as pictures:
        (image_id, other) = sorted(films.images.image_ids())
        stored = films.images.image(image_id, EVERYTHING)
        assert stored is not None
        picture = pictures.picture(image_id, AccessScope(patient_ids=frozenset({stored.patient_id})))
        assert picture is not None
        (vector,) = films.images.vectors([image_id]).values()
        assert films.embedder.embed_images([picture])[0] == pytest.approx(vector, abs=1e-6)
        read = films.preparation.prepared
        assert pictures.picture(other, AccessScope(patient_ids=frozenset({stored.patient_id}))) is None
        assert pictures.picture("unknown", EVERYTHING) is None
        assert films.preparation.prepared == read


@pytest.mark.parametrize(("kind", "what"), [("unopened", "is not where"), ("changed", "has changed")])
def test_an_original_that_moved_or_changed_is_shown_to_no_one(
    films: Films, tmp_path: Path, kind: str, what: str
) -> None:
    for path in sorted((tmp_path / "films").iterdir()):
        if kind == "unopened":
            path.rename(tmp_path / path.name)
        else:
            path.write_bytes(png(rings(48, 40, seed=77)))
    with closing(pictures_of(films)) as pictures, pytest.raises(UnreadableImage, match=what) as caught:
        pictures.picture(next(films.images.image_ids()), EVERYTHING)
    assert caught.value.kind == kind
    assert str(tmp_path) not in str(caught.value)


def test_who_leaves_does_not_wait_for_a_file_that_is_slow(films: Films) -> None:
    class Hanging:
        def submit(self, _: object) -> Future[PreparedImage]:
            return Future()

    scope = Cancellation()
    pool = nullcontext(Hanging())
    originals = Originals(films.ledger, lambda: True)
    timer = threading.Timer(0.1, scope.cancel)
    timer.start()
    with (
        closing(StoredPictures(films.images, originals, lambda: pool)) as pictures,  # type: ignore[arg-type,return-value]
        cancellation_scope(scope),
        pytest.raises(Cancelled),
    ):
        pictures.picture(next(films.images.image_ids()), EVERYTHING)


def test_what_a_model_sees_in_a_cited_film_stands_below_the_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Notes, films, ledger, reading in a process of its own, and a vision model's server."""
    folder = tmp_path / "films"
    with VisionServer() as server:
        server.habits.says = "The heart is large. The name Jane Doe is in a corner."
        settings = settings_in(
            tmp_path / "data",
            embedder={"provider": "hashing"},
            deidentification={"pixel_text": "keep"},
            vision={"provider": "openai", "url": server.url, "model": "some/vlm"},
            transport={"attempts_max": 1},
        )
        notes = tmp_path / "notes.jsonl"
        note = {
            "resource_id": "n1",
            "patient_id": "P1",
            "document_type": "note",
            "text_content": "Anna Mitchell is a 44-year-old female. She has gout.",
        }
        notes.write_text(json.dumps(note) + "\n")
        index(settings, notes)
        (film, other) = write_films(folder, 2)
        rows = about([film, other], modality="DX", date="2021-02-03")
        rows[0]["patient"], rows[0]["body part"] = "P1", "CHEST"
        with closing(Films(settings.data_dir)) as stored:
            stored.run(folder, tables=[write_table(tmp_path / "said.csv", rows)])
        filters = Filters(patient_ids=("P1",))
        answer = process_query(
            "Show me the chest X-rays of Anna Mitchell.", filters=filters, settings=settings
        )
        (seen,) = answer.seen
        (cited,) = (each for each in answer.citations if each.region is not None)
        assert (seen.image_id, seen.text, seen.withheld) == (cited.resource_id, "The heart is large.", 1)
        assert "heart" not in answer.text
        print_answer(answer)
        printed = capsys.readouterr().out
        assert f"{NOT_CHECKED} (openai/some/vlm)" in printed
        assert f"[{cited.number}] The heart is large." in printed

        assert server.pictures == [prepared(film)]
        assert "Mitchell" not in server.texts[0]
        film.unlink()
        answer = process_query(
            "Show me the chest X-rays of Anna Mitchell.", filters=filters, settings=settings
        )
        assert answer.seen == ()
        assert answer.notices[-1].value == "CW-IMAGE"
        assert len(server.pictures) == 1


def prepared(film: Path) -> bytes:

    return prepare_file(ImageFile(film), OPTIONS).content
