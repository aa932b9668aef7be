"""Images on the flow where the store is another database than the ledger: IRIS, on the scripted driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.backends.iris.store import IrisStore
from pipeline.config import IrisSettings
from pipeline.images import EVERY_IMAGE
from pipeline.records import EVERYTHING
from tests.backends.iris_driver import Fault, Server
from tests.indexing.images.films import Films, about, write_films, write_table

SETTINGS = IrisSettings(password=SecretStr("correct horse"), timeout_seconds=1.5)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def films(server: Server, tmp_path: Path) -> Iterator[Films]:
    films = Films(
        tmp_path / "data",
        notes=IrisStore(SETTINGS, server.connect),
        store={"kind": "iris"},
        iris={"password": "correct horse"},
    )
    yield films
    films.close()


@pytest.mark.parametrize("statement", ["insert_image", "commit"])
def test_a_store_that_breaks_off_is_waited_for_and_nothing_is_lost_or_doubled(
    films: Films, server: Server, tmp_path: Path, statement: str
) -> None:
    folder = tmp_path / "films"
    table = write_table(tmp_path / "said.csv", about(write_films(folder, 5)))
    films.images.prepare(films.embedder.space)
    server.faults.append(Fault(statement, after=True))
    tally = films.run(folder, tables=[table])
    assert (tally.embedded, tally.failed, films.embedder.embedded) == (5, 0, 5)
    assert films.verify().sound
    assert films.run(folder, tables=[table]).unchanged == 5
    for image_id in films.images.image_ids():
        assert films.images.thumbnail(image_id, EVERYTHING) is not None


def test_what_is_lost_or_different_is_repaired_from_the_kept_vectors(
    films: Films, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "films"
    films.run(folder, tables=[write_table(tmp_path / "said.csv", about(write_films(folder, 4)))])
    before = {hit.image_id for hit in films.images.images(EVERY_IMAGE)}
    lost, wrong, other, _ = sorted(before)
    films.images.delete([lost])
    server.dirty.execute(
        "UPDATE DEMO_MedicalImageVectors SET ImageEmbedding = (SELECT ImageEmbedding FROM DEMO_MedicalImageVectors "
        "WHERE ImageID = ?) WHERE ImageID = ?",
        [other, wrong],
    )
    found = films.verify()
    assert (len(found.lost), len(found.different), len(found.problems)) == (1, 1, 1)
    films.embedder.embedded = 0
    assert films.repair() == []
    assert films.embedder.embedded == 0
    assert {each.image_id for each in films.images.images(EVERY_IMAGE)} == before
    assert films.verify().sound
