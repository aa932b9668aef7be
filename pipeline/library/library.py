"""The library of a deployment: its catalogue, its originals and what was read of them, in a folder beside the ledgers.

Decides what lies where, and in which order a file comes in: first its bytes, then its row, so that no document is
without its original. An original without a document is what a crash between the two leaves; it is collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import StoreUnavailable
from pipeline.library.catalogue import SELF, Domains, LibraryCatalogue
from pipeline.library.near_duplicates import (
    ESTIMATE_MARGIN,
    LIKE_FROM,
    Shingles,
    estimates,
    likeness,
    shingles,
    signature,
)
from pipeline.library.originals import OriginalFolder, OriginalStore
from pipeline.library.readings import Readings
from pipeline.library.records import NO_METADATA, DocumentMetadata, LibraryDocument
from pipeline.library.versions import Added, NearDuplicate, Upload
from pipeline.storage.sqlite import Database

LIBRARY_FOLDER = "library"
CATALOGUE_FILE = "library.sqlite"
ARRIVING_SECONDS = 24 * 3600.0
"""No upload takes longer. What is younger may still be on its way to its row."""
PAST_RETENTION = "Its domain keeps documents no longer."
ATTEMPTS_MAX = 5
NEAR_DUPLICATES_MAX = 10
"""Told of one document."""


@dataclass(frozen=True)
class Library:
    """Safe to use from several threads and processes."""

    catalogue: LibraryCatalogue
    originals: OriginalStore
    readings: Readings

    def take_in(
        self,
        source: BinaryIO,
        file_name: str,
        domain: str,
        by: str,
        *,
        metadata: DocumentMetadata = NO_METADATA,
        supersedes: str = "",
        domains: Domains = None,
    ) -> Added:
        """Keep the original, then its row. `source` is read to its end from where it stands, and can be read again.

        Raises as LibraryCatalogue.add, before anything is kept where the domain is unknown.
        """
        self.catalogue.domain(domain, domains)
        start = source.tell()
        for _ in range(ATTEMPTS_MAX):
            source.seek(start)
            content_hash, size = self.originals.keep(source)
            upload = Upload(content_hash, file_name, size, domain, by, metadata, supersedes)
            added = self.add_kept(upload, domains)
            if added is not None:
                return added
        raise StoreUnavailable(
            "The original was removed each time it was kept: another process removes the same file.",
            remedy="Let the other run end, then upload the file again.",
        )

    def add_kept(self, upload: Upload, domains: Domains = None) -> Added | None:
        """The row of an original that is kept already. None where it is gone: somebody removed the last document with
        the same bytes in between. Raises as LibraryCatalogue.add."""
        with self.catalogue.exclusive():
            return self.catalogue.add(upload, domains) if self.originals.has(upload.content_hash) else None

    def near_duplicates(self, version_id: str, document: LibraryDocument) -> tuple[NearDuplicate, ...]:
        """Versions of the same domain with nearly the same text, the most alike first, earlier versions of the same
        document among them. From now on this one is found as well: of two that are read at the same time, one at
        least is told of the other.

        Raises VersionUnknown.
        """
        own = shingles(document.pages)
        own_signature = signature(own)
        if not own_signature:
            return ()
        self.catalogue.keep_signature(version_id, own_signature)
        beside = self.catalogue.signatures_beside(version_id)
        guesses = estimates(own_signature, [each for _, _, each in beside])
        found = [
            NearDuplicate(other, self._likeness(own, content_hash, guess))
            for (other, content_hash, _), guess in zip(beside, guesses, strict=True)
            if guess >= LIKE_FROM - ESTIMATE_MARGIN
        ]
        like = sorted((each for each in found if each.likeness >= LIKE_FROM), key=lambda each: -each.likeness)
        return tuple(like[:NEAR_DUPLICATES_MAX])

    def _likeness(self, own: Shingles, content_hash: str, guess: float) -> float:
        """Counted; by the estimate, and never as the same, where the other's reading is not there."""
        other = self.readings.of(content_hash)
        return min(guess, 0.99) if other is None else likeness(own, shingles(other.pages))

    def remove(self, version_id: str, by: str, why: str, domains: Domains = None) -> None:
        """Forget a version, and its original with what was read of it where no other version has the same bytes.

        Raises VersionUnknown, and LibraryError for an approved one.
        """
        held = self.catalogue.version(version_id, domains)
        if self.catalogue.remove(version_id, by, why, domains) and held is not None:
            self._remove_original(held.content_hash)

    def _remove_original(self, content_hash: str) -> bool:
        """Whether it was there and no document has it. After its row, never with it: a row that a failed commit brings
        back must find its original."""
        with self.catalogue.exclusive():
            if self.catalogue.holds(content_hash):
                return False
            self.readings.remove(content_hash)
            return self.originals.remove(content_hash)

    def collect(self, now: float) -> int:
        """Remove originals that no document has and that are not on their way to one; how many. What was read of a file
        while its document was removed goes too. `now`: seconds since 1970."""
        unclaimed = self._unclaimed(self.originals.hashes(kept_before=now - ARRIVING_SECONDS))
        collected = sum(map(self._remove_original, unclaimed))
        for content_hash in self._unclaimed(self.readings.hashes()):
            with self.catalogue.exclusive():
                if not self.catalogue.holds(content_hash):
                    self.readings.remove(content_hash)
        return collected + self.originals.remove_unfinished(ARRIVING_SECONDS, now)

    def _unclaimed(self, hashes: Iterator[str]) -> list[str]:
        return [each for each in hashes if not self.catalogue.holds(each)]

    def retire(self, take_out: Callable[[list[str]], object]) -> int:
        """Remove what domains keep no longer, with its originals; how many versions.

        `take_out` is given the ids of approved ones before they are withdrawn: it removes them from where they are
        searched. Where it raises, they stay as they are.
        """
        retired = 0
        while due := self.catalogue.past_retention():
            approved = [each.version_id for each in due if each.state == "approved"]
            if approved:
                take_out(approved)
                self.catalogue.decide(approved, "withdraw", SELF, PAST_RETENTION)
            for each in due:
                self.remove(each.version_id, SELF, PAST_RETENTION)
            retired += len(due)
        return retired


def library_folder(data_dir: Path) -> Path:
    """Where a deployment's library lies."""
    return data_dir / LIBRARY_FOLDER


def is_there(data_dir: Path) -> bool:
    """Whether a library was ever made there; makes none."""
    return (library_folder(data_dir) / CATALOGUE_FILE).is_file()


@contextmanager
def open_library(data_dir: Path, originals: OriginalStore | None = None) -> Iterator[Library]:
    """The library of a deployment, made where there is none. `originals`: where they are kept, if not next to it."""
    folder = library_folder(data_dir)
    database = Database(folder / CATALOGUE_FILE)
    try:
        yield Library(
            LibraryCatalogue(database),
            originals or OriginalFolder(folder / "originals"),
            Readings(folder / "readings"),
        )
    finally:
        database.close()
