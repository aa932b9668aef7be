"""Images in both stores: the contract, and what only one of them promises."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.iris.store import IrisStore
from pipeline.config import IrisSettings, StoreSettings
from pipeline.errors import MigrationRefused, SchemaMismatch, StoreUnavailable
from pipeline.images import EVERY_IMAGE
from pipeline.records import EVERYTHING, EmbeddingSpace
from pipeline.storage.sqlite import Database
from tests.backends.iris_driver import Fault, Server, tables_of
from tests.backends.iris_first_release import add_image, make_store
from tests.contracts.image_store import (
    IMAGE_SPACE,
    PICTURE,
    ImageStoreContract,
    Opened,
    Pair,
    film,
    found,
    listed,
)
from tests.contracts.store import SPACE, axis, note

PACKED = Path(__file__).parents[1] / "data" / "store-461b9f0.sqlite.gz"
OLD_SPACE = EmbeddingSpace("hashing", "words-v1", 64, tokens_max=8192, similarity_floor=0.05)
SETTINGS = IrisSettings(password=SecretStr("correct horse"), timeout_seconds=1.5)


class TestEmbeddedImages(ImageStoreContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened:
        return lambda: embedded(tmp_path / "store.sqlite")


class TestIrisImages(ImageStoreContract):
    @pytest.fixture
    def opened(self, server: Server) -> Opened:
        return lambda: on(server)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def embedded(path: Path) -> Pair:
    store = EmbeddedStore(Database(path), StoreSettings())
    return store, store.images()


def on(server: Server) -> Pair:
    store = IrisStore(SETTINGS, server.connect)
    return store, store.images()


# --- the embedded store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store.sqlite"
    path.write_bytes(gzip.decompress(PACKED.read_bytes()))
    return path


def test_a_store_of_an_earlier_release_has_no_images_and_takes_some_once_it_is_upgraded(path: Path) -> None:
    notes, images = embedded(path)
    assert images.space() is None
    assert listed(images) == []
    assert images.version() is None
    images.clear()
    notes.prepare(OLD_SPACE)
    chunks = list(notes.chunk_ids())
    images.prepare(IMAGE_SPACE)
    images.upsert([film("i", thumbnail=PICTURE)])
    assert found(images, axis(0)) == ["i"]
    assert list(notes.chunk_ids()) == chunks
    assert notes.check() == images.check() == []
    notes.close()


def test_the_integrity_check_finds_what_is_damaged(tmp_path: Path) -> None:
    notes, images = embedded(tmp_path / "store.sqlite")
    notes.prepare(SPACE)
    images.prepare(IMAGE_SPACE)
    images.upsert([film("i", thumbnail=PICTURE), film("j", axis(1))])
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as other:
        other.execute("UPDATE MedicalImageVectors SET Embedding = x'00' WHERE ImageID = 'j'")
        other.execute("INSERT INTO MedicalImageThumbnails VALUES ('gone', 'image/png', x'00')")
        other.commit()
    thumbnails, vector = sorted(images.check())
    assert "1 thumbnails belong to no image" in thumbnails
    assert "Image 'j'" in vector
    notes.close()


# --- IRIS


def test_a_table_that_another_program_filled_is_left_alone_and_named(server: Server) -> None:
    make_store(server, SPACE, [note("n1", ("chest pain", axis(0)))])
    add_image(server, "theirs", "n1")
    notes, images = on(server)
    notes.prepare(SPACE)
    assert images.space() is None
    with pytest.raises(SchemaMismatch, match="another program has filled"):
        images.prepare(IMAGE_SPACE)
    assert found(images, axis(0)) == []
    assert server.dirty.execute("SELECT COUNT(*) FROM DEMO_MedicalImageVectors").fetchone() == (1,)
    server.dirty.execute("DROP TABLE DEMO_MedicalImageVectors")
    images.prepare(IMAGE_SPACE)
    images.upsert([film("i")])
    assert found(images, axis(0)) == ["i"]
    notes.close()


def test_an_empty_table_of_the_first_release_makes_room(server: Server) -> None:
    make_store(server, SPACE, [note("n1", ("chest pain", axis(0)))])
    notes, images = on(server)
    notes.prepare(SPACE)
    images.prepare(IMAGE_SPACE)
    images.upsert([film("i", report_id="n1")])
    assert [each.report_id for each in images.images(EVERY_IMAGE)] == ["n1"]
    assert notes.delete(["n1"]) == 1
    assert [each.report_id for each in images.images(EVERY_IMAGE)] == [None]
    notes.close()


def test_preparing_the_notes_again_never_takes_the_images(server: Server) -> None:
    """The step that takes away the table of the first release looks at what it takes away."""
    notes, images = on(server)
    notes.prepare(SPACE)
    images.prepare(IMAGE_SPACE)
    server.dirty.execute("DROP TABLE DEMO_ClinicalNoteText")  # half a schema: every step is taken again
    again, more = on(server)
    again.prepare(SPACE)
    assert ("MedicalImageVectors",) in tables_of(server.dirty, "DEMO")
    more.upsert([film("i")])
    with pytest.raises(MigrationRefused, match="holds 1 images"):
        again.drop()
    more.clear()
    again.drop()
    assert tables_of(server.dirty, "DEMO") == []
    notes.close()
    again.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("statement", ["insert_image", "insert_thumbnail", "update_corpus_version", "commit"])
def test_a_write_that_is_cut_off_is_whole_or_nothing(server: Server, statement: str, after: bool) -> None:
    notes, images = on(server)
    notes.prepare(SPACE)
    images.prepare(IMAGE_SPACE)
    server.faults.append(Fault(statement, after=after))
    with pytest.raises(StoreUnavailable):
        images.upsert([film("i", thumbnail=PICTURE)])
    stored = images.counts().images
    assert (images.thumbnail("i", EVERYTHING) is not None) == bool(stored)
    images.upsert([film("i", thumbnail=PICTURE)])
    assert images.thumbnail("i", EVERYTHING) == PICTURE
    assert images.check() == []
    notes.close()
