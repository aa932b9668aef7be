"""The library of a deployment: its catalogue, its originals and what was read of them, in a folder beside the ledgers.

Decides what lies where, and in which order a file comes in: first its bytes, then its row, so that no document is
without its original. An original without a document is what a crash between the two leaves; it is collected.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.library.catalogue import LibraryCatalogue
from pipeline.library.originals import OriginalFolder
from pipeline.library.readings import Readings
from pipeline.storage.sqlite import Database

LIBRARY_FOLDER = "library"
CATALOGUE_FILE = "library.sqlite"
ARRIVING_SECONDS = 24 * 3600.0
"""No upload takes longer. What is younger may still be on its way to its row."""


@dataclass(frozen=True)
class Library:
    """Safe to use from several threads and processes."""

    catalogue: LibraryCatalogue
    originals: OriginalFolder
    readings: Readings

    def remove(self, version_id: str, by: str, why: str, domains: frozenset[str] | None = None) -> None:
        """Forget a version, and its original with what was read of it where no other version has the same bytes.

        Raises VersionUnknown, and LibraryError for an approved one.
        """
        held = self.catalogue.version(version_id, domains)
        if self.catalogue.remove(version_id, by, why, domains) and held is not None:
            self.originals.remove(held.content_hash)
            self.readings.remove(held.content_hash)

    def collect(self, now: float) -> int:
        """Remove originals that no document has and that are not on their way to one; how many. `now`: seconds since
        1970."""
        collected = 0
        for content_hash in list(self.originals.hashes()):
            place = self.originals.path(content_hash)
            if self.catalogue.holds(content_hash) or now - place.stat().st_mtime <= ARRIVING_SECONDS:
                continue
            collected += self.originals.remove(content_hash)
            self.readings.remove(content_hash)
        return collected + self.originals.remove_unfinished(ARRIVING_SECONDS, now)


def library_folder(data_dir: Path) -> Path:
    """Where a deployment's library lies."""
    return data_dir / LIBRARY_FOLDER


def is_there(data_dir: Path) -> bool:
    """Whether a library was ever made there; makes none."""
    return (library_folder(data_dir) / CATALOGUE_FILE).is_file()


@contextmanager
def open_library(data_dir: Path) -> Iterator[Library]:
    """The library of a deployment, made where there is none."""
    folder = library_folder(data_dir)
    database = Database(folder / CATALOGUE_FILE)
    try:
        yield Library(
            LibraryCatalogue(database), OriginalFolder(folder / "originals"), Readings(folder / "readings")
        )
    finally:
        database.close()
