"""A file on its way to a reviewer: what is told of it, and what is read again after a cut."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.indexing.documents.intake import Intake
from pipeline.library.library import Library, open_library
from pipeline.library.originals import OriginalFolder
from pipeline.library.reading.reader import read_document
from pipeline.library.records import LibraryDocument
from pipeline.library.versions import LibraryDomain, LibraryQuery

TEXT = " ".join(
    f"Give {number} mg of the medicine on day {number} and write it down." for number in range(60)
)


class TextReader:
    def __init__(self) -> None:
        self.read_so_far = 0

    def read(self, path: Path, file_name: str = "") -> LibraryDocument:
        self.read_so_far += 1
        return read_document(path, suffix=Path(file_name).suffix)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path) as made:
        made.catalogue.put_domain(LibraryDomain("pain"))
        yield made


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_reviewer_is_told_of_another_edition(library: Library, tmp_path: Path) -> None:
    intake = Intake(library, TextReader())
    first = intake.take(written(tmp_path, "a.txt", TEXT), "a.txt", "pain", "librarian").version
    second = intake.take(
        written(tmp_path, "b.txt", TEXT.replace("30 mg", "300 mg")), "b.txt", "pain", "librarian"
    ).version
    assert first.near_duplicates == ()
    (found,) = second.near_duplicates
    assert found.version_id == first.version_id
    assert 0.9 < found.likeness < 1


def test_what_was_kept_and_not_read_is_read_once_later(library: Library, tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", TEXT)
    with path.open("rb") as file:
        library.take_in(file, "a.txt", "pain", "librarian")
    reader = TextReader()
    intake = Intake(library, reader)
    assert [each.state for each in intake.read_waiting()] == ["waiting"]
    assert list(intake.read_waiting()) == []
    version = intake.take(path, "a.txt", "pain", "librarian").version
    shutil.rmtree(library.readings.root)
    assert intake.document(version).content_hash == version.content_hash
    assert reader.read_so_far == 2


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_lost_original_costs_its_own_document_and_comes_back_with_the_file(
    library: Library, tmp_path: Path, damage: str
) -> None:
    paths = [written(tmp_path, f"{name}.txt", f"{name} {TEXT}") for name in ("a", "b")]
    for path in paths:
        with path.open("rb") as file:
            library.take_in(file, path.name, "pain", "librarian")
    (lost,) = library.catalogue.versions(LibraryQuery(words="a.txt"))
    place = OriginalFolder(tmp_path / "library/originals").path(lost.content_hash)
    if damage == "gone":
        place.unlink()
    else:
        place.write_bytes(b"other")
    intake = Intake(library, TextReader())
    found = {each.file_name: each for each in intake.read_waiting()}
    assert found["b.txt"].state == "waiting"
    refusal = found["a.txt"].refusal
    assert refusal is not None
    assert (found["a.txt"].state, refusal.kind) == ("unreadable", "original-lost")
    assert intake.take(paths[0], "a.txt", "pain", "librarian").version.state == "waiting"


class Removing(TextReader):
    """Somebody removes the document while it is read."""

    library: Library

    def read(self, path: Path, file_name: str = "") -> LibraryDocument:
        try:
            return super().read(path, file_name)
        finally:
            for each in self.library.catalogue.versions():
                self.library.remove(each.version_id, "librarian", "")


@pytest.mark.parametrize("text", [TEXT, ""], ids=["readable", "refused"])
def test_one_that_is_removed_while_it_is_read_leaves_nothing(
    library: Library, tmp_path: Path, text: str
) -> None:
    reader = Removing()
    reader.library = library
    Intake(library, reader).take(written(tmp_path, "a.txt", text), "a.txt", "pain", "librarian")
    assert library.catalogue.versions() == []
    library.collect(now=0.0)
    assert list((tmp_path / "library").rglob("*.gz")) == []
