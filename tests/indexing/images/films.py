"""A folder of films and what indexes it in this process: real files, reading, store, ledger and vectors."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from pipeline.backends.local.image_embedder import LocalImageEmbedder
from pipeline.config import (
    DeidentificationSettings,
    ImageEmbedderSettings,
    IndexingSettings,
    load_settings,
)
from pipeline.errors import UnreadableImage
from pipeline.imaging.deidentification.deidentifier import Deidentifier
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.files import ImageFile
from pipeline.imaging.reading import ReadingOptions
from pipeline.imaging.reading_pool import PoolOptions, PreparedImage, prepare_file
from pipeline.indexing.flow import Indexing, RunCounts, SilentObserver
from pipeline.indexing.images.material import ImageMaterial
from pipeline.indexing.images.reconciliation import reconcile_images, reopen_images
from pipeline.indexing.images.sources import ImageSources, accept_image
from pipeline.indexing.images.tables import ImageTables
from pipeline.indexing.reconciliation import Reconciliation
from pipeline.indexing.vector_cache import SqliteVectorCache
from pipeline.ports import ImageStore, Store
from pipeline.readers.sources import source_name
from pipeline.records import EmbeddingSpace, Rejection, Vector
from pipeline.storage.sqlite import Database
from pipeline.wiring import SPOOL_FILE, ledger_database, open_image_store, open_ledger, open_store
from tests.images import png, rings

NOTE_SPACE = EmbeddingSpace("hashing", "contract-1", 8)
FORMATS = ("dicom", "png", "jpg", "nifti")
OPTIONS = PoolOptions(
    ReadingOptions(Deidentifier(DeidentificationKey(b"k" * 40), DeidentificationSettings(pixel_text="keep")))
)


class InThreads:
    """Prepares images in a thread of this process, one at a time: a pool of processes takes a second to start."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1)
        self.prepared = 0

    def submit(self, file: ImageFile) -> Future[PreparedImage | UnreadableImage]:
        return self._threads.submit(self._prepare, file)

    def _prepare(self, file: ImageFile) -> PreparedImage | UnreadableImage:
        self.prepared += 1
        try:
            return prepare_file(file, OPTIONS)
        except UnreadableImage as error:
            return error

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


class NotingImageEmbedder(LocalImageEmbedder):
    """Counts what it embeds; with a journal, in a file that outlives a kill."""

    def __init__(self, journal: Path | None = None) -> None:
        super().__init__(ImageEmbedderSettings())
        self.embedded = 0
        self._journal = (
            None if journal is None else os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        )

    @property
    def images_at_once(self) -> int:
        return 4

    def embed_images(self, images: Sequence[bytes]) -> Vector:
        self.embedded += len(images)
        if self._journal is not None:
            os.write(self._journal, b"image\n" * len(images))
        return super().embed_images(images)


class Rejections:
    def __init__(self) -> None:
        self.written: list[Rejection] = []

    def write(self, rejection: Rejection) -> None:
        self.written.append(rejection)


class Films:
    """One store, opened and closed with this object."""

    def __init__(
        self, data_dir: Path, journal: Path | None = None, notes: Store | None = None, **settings: Any
    ) -> None:
        """`notes`: the store next to which the images are; None: the embedded one."""
        self._stack = ExitStack()
        self._data = data_dir
        chosen = load_settings(None, data_dir=data_dir, embedder={"provider": "hashing"}, **settings)
        database = self._stack.enter_context(closing(ledger_database(chosen)))
        self.notes = self._stack.enter_context(closing(notes or open_store(chosen, database)))
        self.notes.prepare(self.notes.space() or NOTE_SPACE)
        self.images: ImageStore = open_image_store(self.notes)
        self.ledger = open_ledger(chosen, database, "images")
        self.embedder = NotingImageEmbedder(journal)
        spool = self._stack.enter_context(closing(Database(data_dir / SPOOL_FILE)))
        self.cache = SqliteVectorCache(spool, self.embedder.space)
        self.preparation = self._stack.enter_context(closing(InThreads()))
        self.material = ImageMaterial(
            self.embedder, self.images, self.ledger, self.preparation, "518 pixels", "cleaned"
        )
        self.rejections = Rejections()

    def run(
        self,
        *folders: Path,
        tables: Sequence[Path] = (),
        formats: Sequence[str] = FORMATS,
        prune: bool = False,
        batch_size: int = 4,
    ) -> RunCounts:
        said = ImageTables()
        for table in tables:
            said.add(table)
        said.add_found([str(folder) for folder in folders])
        self.rejections.written.clear()
        self.embedder.embedded = self.preparation.prepared = 0
        sources = ImageSources([str(folder) for folder in folders], said, formats)  # type: ignore[arg-type]  # names of formats
        sources.earlier = self.ledger.of_patients
        return self.indexing(batch_size).run(
            sources, sources=[source_name(str(folder)) for folder in folders], prune=prune
        )

    def indexing(self, batch_size: int = 4) -> Indexing:
        return Indexing(
            self.embedder,
            self.notes,
            self.ledger,
            IndexingSettings(batch_size=batch_size),
            self.rejections,
            SilentObserver(),
            vector_cache=self.cache,
            other_material=self.material,
            accept=accept_image,
        )

    def verify(self) -> Reconciliation:
        return reconcile_images(
            ledger=self.ledger,
            images=self.images,
            vector_cache=self.cache,
            kept_as=self.material.kept_as,
            sample=None,
        )

    def repair(self) -> list[str]:
        gone = reopen_images(self.verify(), ledger=self.ledger, images=self.images)
        self.indexing().work(RunCounts())
        return gone

    def close(self) -> None:
        self._stack.close()


def write_films(folder: Path, number: int, first: int = 0) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"film{each:03}.png" for each in range(first, first + number)]
    for path in paths:
        path.write_bytes(png(rings(48, 40, seed=int(path.stem[4:]))))
    return paths


def write_table(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def about(paths: Sequence[Path], **fields: str) -> list[dict[str, str]]:
    """A row for each film, of a patient of its own unless the fields say."""
    return [{"image": path.name, "patient": f"p{number}"} | fields for number, path in enumerate(paths)]
