"""Originals and readings: whole or not there, and nobody else's to read."""

import hashlib
import io
from pathlib import Path

import pytest

from pipeline.errors import LibraryError, StoreDamaged
from pipeline.library.library import ARRIVING_SECONDS, open_library
from pipeline.library.originals import OriginalFolder
from pipeline.library.readings import Readings
from pipeline.library.records import (
    DocumentFinding,
    DocumentMetadata,
    DocumentPage,
    Heading,
    LibraryDocument,
    TextBox,
)
from pipeline.library.versions import LibraryDomain, Upload

BYTES = b"%PDF-1.7 not really"
HASH = hashlib.sha256(BYTES).hexdigest()


def originals_of(data_dir: Path) -> OriginalFolder:
    return OriginalFolder(data_dir / "library" / "originals")


class Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= 8:
            raise OSError(5, "cut")
        return super().read(8)


def test_an_original_is_kept_once_and_only_for_its_owner(tmp_path: Path) -> None:
    originals = OriginalFolder(tmp_path / "originals")
    for _ in range(2):
        assert originals.keep(io.BytesIO(BYTES)) == (HASH, len(BYTES))
    with originals.as_file(HASH) as path:
        assert path.read_bytes() == BYTES
        assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0
    assert list(originals.hashes()) == [HASH]
    assert originals.remove(HASH)
    assert not originals.remove(HASH)
    with pytest.raises(LibraryError), originals.as_file(HASH):
        pass


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    originals = OriginalFolder(tmp_path)
    with pytest.raises(Exception, match="cut"):
        originals.keep(Broken(BYTES))
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_an_original_with_other_bytes_is_not_handed_out(tmp_path: Path) -> None:
    originals = OriginalFolder(tmp_path)
    originals.keep(io.BytesIO(BYTES))
    originals.path(HASH).write_bytes(BYTES + b" ")
    with pytest.raises(StoreDamaged), originals.as_file(HASH):
        pass


@pytest.mark.parametrize("asked", ["", "..", "../../etc/passwd", HASH.upper(), HASH + "0"])
def test_what_is_no_hash_is_no_path(tmp_path: Path, asked: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        OriginalFolder(tmp_path).path(asked)


def test_unfinished_files_of_processes_that_ended_are_removed(tmp_path: Path) -> None:
    originals = OriginalFolder(tmp_path)
    left = tmp_path / ".arriving-x"
    left.write_bytes(b"half")
    made = left.stat().st_mtime
    assert originals.remove_unfinished(60, made + 59) == 0
    assert originals.remove_unfinished(60, made + 61) == 1


WHOLE = LibraryDocument(
    HASH,
    "pdf",
    (
        DocumentPage(
            1, "Ünïcode line.", (TextBox(0, 13, 0.1, 0.1, 0.9, 0.2),), (Heading(0, 1, "Ünïcode"),), 0.9, False
        ),
        DocumentPage(2, "", is_image=True),
    ),
    DocumentMetadata(title="A title", authors=("One", "Two"), tags=("x",), origins={"title": "file"}),
    (DocumentFinding("page-is-image", "Page 2 is an image.", 2),),
)


def test_a_reading_comes_back_as_it_was(tmp_path: Path) -> None:
    readings = Readings(tmp_path)
    assert readings.of(HASH) is None
    readings.keep(WHOLE)
    assert readings.of(HASH) == WHOLE
    readings.remove(HASH)
    assert readings.of(HASH) is None


def test_the_reading_of_another_file_counts_as_none(tmp_path: Path) -> None:
    readings = Readings(tmp_path)
    readings.keep(WHOLE)
    (path,) = tmp_path.rglob("*.gz")
    other = hashlib.sha256(b"other").hexdigest()
    place = tmp_path / other[:2] / f"{other}.json.gz"
    place.parent.mkdir()
    path.rename(place)
    assert readings.of(other) is None


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_damaged_reading_counts_as_none(tmp_path: Path, cut: int) -> None:
    readings = Readings(tmp_path)
    readings.keep(WHOLE)
    (path,) = tmp_path.rglob("*.gz")
    path.write_bytes(path.read_bytes()[:cut])
    assert readings.of(HASH) is None


def test_an_original_without_a_document_is_collected(tmp_path: Path) -> None:
    with open_library(tmp_path) as library:
        library.catalogue.put_domain(LibraryDomain("pain"))
        kept, _ = library.originals.keep(io.BytesIO(b"kept"))
        library.catalogue.add(Upload(kept, "kept.txt", 4, "pain", "librarian"))
        left, _ = library.originals.keep(io.BytesIO(b"left by a crash"))
        made = originals_of(tmp_path).path(left).stat().st_mtime
        assert library.collect(made + 60) == 0
        assert library.collect(made + ARRIVING_SECONDS + 60) == 1
        assert list(library.originals.hashes()) == [kept]


def test_the_original_goes_with_the_last_document_that_has_it(tmp_path: Path) -> None:
    with open_library(tmp_path) as library:
        library.originals.keep(io.BytesIO(BYTES))
        library.readings.keep(WHOLE)
        ids = []
        for domain in ("pain", "heart"):
            library.catalogue.put_domain(LibraryDomain(domain))
            added = library.catalogue.add(Upload(HASH, "a.pdf", len(BYTES), domain, "librarian"))
            ids.append(added.version.version_id)
        library.remove(ids[0], "librarian", "")
        assert library.readings.of(HASH) == WHOLE
        library.remove(ids[1], "librarian", "")
        assert list(library.originals.hashes()) == []
        assert library.readings.of(HASH) is None
