"""The files of the library as they were handed in, each under the SHA-256 of its bytes, in a folder of this machine.

Decides that a file is whole and on the disk before it has its name, and that only the owner may read it. Refuses to
know what is in a file and which documents it belongs to.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from pipeline.errors import LibraryError, StoreDamaged
from pipeline.storage.sqlite import storage_errors

BLOCK_BYTES = 1 << 20
_HASH = re.compile(r"[0-9a-f]{64}")
_ARRIVING = ".arriving-"


class OriginalStore(Protocol):
    """Where originals are kept: a folder, or a bucket."""

    def keep(self, source: BinaryIO) -> tuple[str, int]:
        """Keep what is read to the end. SHA-256 and bytes; the same bytes again are kept once."""

    @contextmanager
    def as_file(self, content_hash: str) -> Iterator[Path]:
        """The original as a file of this machine, for as long as the block lasts; not to be changed.

        Raises LibraryError where it is gone, StoreDamaged where its bytes are others."""

    def has(self, content_hash: str) -> bool:
        """Whether it is kept."""

    def remove(self, content_hash: str) -> bool:
        """Whether it was there."""

    def hashes(self, kept_before: float = math.inf) -> Iterator[str]:
        """Of all that were kept last before that moment (seconds since 1970), in no order."""

    def remove_unfinished(self, older_than_seconds: float, now: float) -> int:
        """What never became an original, left by a process or an upload that ended; how many."""


@dataclass(frozen=True)
class OriginalFolder:
    """Originals in a folder, spread over 256 below it."""

    root: Path

    def keep(self, source: BinaryIO) -> tuple[str, int]:
        with storage_errors(self.root):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, arriving = tempfile.mkstemp(prefix=_ARRIVING, dir=self.root)  # 0600
            try:
                with os.fdopen(descriptor, "wb") as file:
                    content_hash, size = copy_hashed(source, file)
                    file.flush()
                    os.fsync(file.fileno())
                self._name(Path(arriving), content_hash)
            finally:
                Path(arriving).unlink(missing_ok=True)
        return content_hash, size

    def has(self, content_hash: str) -> bool:
        return self.path(content_hash).is_file()

    def _name(self, arrived: Path, content_hash: str) -> None:
        place = self.path(content_hash)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        arrived.replace(place)
        for folder in (place.parent, self.root, self.root.parent):
            _sync(folder)

    def path(self, content_hash: str) -> Path:
        """Where a file with this hash lies, or would. Raises ValueError for what is no hash."""
        require_hash(content_hash)
        return self.root / content_hash[:2] / content_hash

    @contextmanager
    def as_file(self, content_hash: str) -> Iterator[Path]:
        place = self.path(content_hash)
        if not place.is_file():
            raise gone(content_hash)
        with storage_errors(place), place.open("rb") as file:
            held = hashlib.file_digest(file, "sha256").hexdigest()
        if held != content_hash:
            raise changed(content_hash)
        yield place

    def remove(self, content_hash: str) -> bool:
        place = self.path(content_hash)
        with storage_errors(place):
            if not place.exists():
                return False
            place.unlink()
        return True

    def hashes(self, kept_before: float = math.inf) -> Iterator[str]:
        for place in self.root.glob("??/*") if self.root.is_dir() else ():
            if _HASH.fullmatch(place.name) and _kept_at(place) < kept_before:
                yield place.name

    def remove_unfinished(self, older_than_seconds: float, now: float) -> int:
        stale = [
            each
            for each in self.root.glob(f"{_ARRIVING}*")
            if now - each.stat().st_mtime > older_than_seconds
        ]
        for each in stale:
            each.unlink(missing_ok=True)
        return len(stale)


def require_hash(content_hash: str) -> None:
    """Raises ValueError for what is no SHA-256 in small hex digits: it would be another place."""
    if not _HASH.fullmatch(content_hash):
        raise ValueError(f"{content_hash!r} is no SHA-256 in hex")


def gone(content_hash: str) -> LibraryError:
    """An original that is not where it was kept."""
    return LibraryError(
        f"The original {content_hash} is not where the library keeps originals.",
        remedy="Restore the originals from a snapshot, or upload the file again.",
    )


def changed(content_hash: str) -> StoreDamaged:
    """An original that is not what was kept."""
    return StoreDamaged(
        f"The original {content_hash} has other bytes than it was kept with.",
        remedy="Restore it from a snapshot, or remove the document and upload the file again.",
    )


def copy_hashed(source: BinaryIO, target: BinaryIO) -> tuple[str, int]:
    """Copy to the end; SHA-256 in hex, and bytes."""
    digest, size = hashlib.sha256(), 0
    while block := source.read(BLOCK_BYTES):
        digest.update(block)
        target.write(block)
        size += len(block)
    return digest.hexdigest(), size


def _kept_at(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except FileNotFoundError:
        return math.inf  # removed meanwhile


def _sync(folder: Path) -> None:
    """So that a name survives a power cut as its file does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
