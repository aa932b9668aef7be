"""A file on its way to a reviewer: what is told of it, and what is read again after a cut."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.indexing.documents.intake import Intake
from pipeline.library.library import Library, open_library
from pipeline.library.reading.reader import read_document
from pipeline.library.records import LibraryDocument
from pipeline.library.versions import LibraryDomain

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
