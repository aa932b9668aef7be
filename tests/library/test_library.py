"""The library as a whole: what a file leaves behind that comes in, is cut off, is removed meanwhile, or grows old."""

import datetime as dt
import hashlib
import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.errors import DomainUnknown, StoreUnavailable
from pipeline.library.catalogue import Domains, LibraryCatalogue
from pipeline.library.library import ARRIVING_SECONDS, Library, open_library
from pipeline.library.originals import OriginalFolder
from pipeline.library.readings import Readings
from pipeline.library.records import DocumentMetadata, DocumentPage, LibraryDocument
from pipeline.library.versions import LibraryDomain, Upload
from pipeline.storage.sqlite import Database

FILES = 60
ROOT = Path(__file__).parents[2]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path) as made:
        made.catalogue.put_domain(LibraryDomain("pain"))
        made.catalogue.put_domain(LibraryDomain("open", approves_itself=True))
        yield made


def take_in(library: Library, content: bytes, domain: str = "pain") -> str:
    return library.take_in(io.BytesIO(content), "a.txt", domain, "librarian").version.version_id


def read(library: Library, content: bytes, domain: str = "pain") -> str:
    version_id = take_in(library, content, domain)
    content_hash = hashlib.sha256(content).hexdigest()
    document = LibraryDocument(content_hash, "text", (DocumentPage(1, content.decode()),))
    library.readings.keep(document)
    library.catalogue.record_reading(version_id, document)
    return version_id


def test_the_same_file_again_is_told_what_became_of_it(library: Library) -> None:
    def notice() -> str:
        return library.take_in(io.BytesIO(b"Rest."), "b.txt", "pain", "librarian").notice

    assert notice() == ""
    assert notice() == "The library has this file already: it is still being read."
    version_id = read(library, b"Rest.")
    library.catalogue.decide([version_id], "approve", "reviewer", "")
    assert notice() == "The library has this file already: it is approved."
    library.catalogue.decide([version_id], "withdraw", "reviewer", "")
    assert notice().endswith("it is withdrawn. To upload it again does not change that; a reviewer can.")
    assert library.catalogue.counts() == {"withdrawn": 1}


def test_what_was_withdrawn_never_approves_itself_again(library: Library) -> None:
    version_id = read(library, b"Rest.", "open")
    assert library.catalogue.approved_now([version_id])
    library.catalogue.decide([version_id], "withdraw", "reviewer", "wrong dose")
    assert read(library, b"Rest.", "open") == version_id
    assert not library.catalogue.approved_now([version_id])
    library.remove(version_id, "reviewer", "")
    assert read(library, b"Rest.", "open") == version_id
    assert library.catalogue.counts() == {"waiting": 1}


def test_an_unknown_domain_leaves_no_original(library: Library) -> None:
    with pytest.raises(DomainUnknown):
        take_in(library, b"Rest.", "heart")
    assert list(library.originals.hashes()) == []


class RemovedOnceKept(OriginalFolder):
    """Somebody removes the last document with the same bytes between the original and its row."""

    def keep(self, source: io.BytesIO) -> tuple[str, int]:  # type: ignore[override]
        kept = super().keep(source)
        if self.removals:
            self.removals.pop()
            self.remove(kept[0])
        return kept

    removals: list[None]


@pytest.mark.parametrize(("removals", "kept"), [(0, True), (1, True), (4, True), (5, False)])
def test_no_row_is_made_of_an_original_that_was_removed_meanwhile(
    tmp_path: Path, removals: int, kept: bool
) -> None:
    originals = RemovedOnceKept(tmp_path / "originals")
    object.__setattr__(originals, "removals", [None] * removals)
    with open_library(tmp_path, originals) as library:
        library.catalogue.put_domain(LibraryDomain("pain"))
        if kept:
            take_in(library, b"Rest.")
        else:
            with pytest.raises(StoreUnavailable):
                take_in(library, b"Rest.")
        rows = [each.content_hash for each in library.catalogue.versions()]
        assert rows == list(originals.hashes())
        assert bool(rows) == kept


class TakenInAgain(LibraryCatalogue):
    """Somebody else takes the same file in between the row that goes and its original."""

    def remove(self, version_id: str, by: str, why: str, domains: Domains = None) -> bool:
        held = self.version(version_id)
        assert held is not None
        last = super().remove(version_id, by, why, domains)
        self.add(Upload(held.content_hash, held.file_name, held.size, held.domain, "other"))
        return last


def test_an_original_stays_where_the_same_file_comes_in_while_it_is_removed(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "library.sqlite")) as database:
        originals = OriginalFolder(tmp_path / "originals")
        library = Library(TakenInAgain(database), originals, Readings(tmp_path / "readings"))
        library.catalogue.put_domain(LibraryDomain("pain"))
        library.remove(take_in(library, b"Rest."), "librarian", "")
        assert [each.content_hash for each in library.catalogue.versions()] == list(originals.hashes())
        assert list(originals.hashes()) != []


def test_an_original_that_has_a_row_again_is_not_collected(library: Library, tmp_path: Path) -> None:
    content_hash, _ = library.originals.keep(io.BytesIO(b"Rest."))
    kept_at = (tmp_path / "library/originals" / content_hash[:2] / content_hash).stat().st_mtime
    later = kept_at + ARRIVING_SECONDS + 1
    library.catalogue.add(Upload(content_hash, "a.txt", 5, "pain", "librarian"))
    assert library.collect(later) == 0
    library.remove(library.catalogue.versions()[0].version_id, "librarian", "")
    library.originals.keep(io.BytesIO(b"Rest."))
    assert library.collect(kept_at) == 0
    assert library.collect(later + 60) == 1


UPLOADS = f"""
import io, sys
from pathlib import Path
from pipeline.library.library import open_library
with open_library(Path(sys.argv[1])) as library:
    for number in range({FILES}):
        library.take_in(io.BytesIO(b"file %d" % number), "a.txt", "pain", "librarian")
        print(number, flush=True)
"""


def test_a_kill_amid_uploads_loses_nothing_and_does_nothing_twice(library: Library, tmp_path: Path) -> None:
    catalogue, originals = library.catalogue, library.originals
    for stop in (2, 19, 41):
        told = _killed_after(tmp_path, stop)
        rows = {each.content_hash for each in catalogue.every()}
        assert rows <= set(originals.hashes())
        assert len(rows) >= told
    _killed_after(tmp_path, FILES)
    assert catalogue.counts() == {"uploaded": FILES}
    assert [each.before for each in catalogue.unaudited()] == [None] * FILES
    for each in catalogue.every():
        with originals.as_file(each.content_hash):
            pass


def _killed_after(tmp_path: Path, files: int) -> int:
    """How many files were told as taken in before the process was killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOADS, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    with process, process.stdout as said:
        lines = [said.readline() for _ in range(files)]
        process.send_signal(signal.SIGKILL)
        told = [line for line in lines if line] + said.readlines()
        assert len(told) >= files
        return len(told)


DECISIONS = """
import sys
from pathlib import Path
from pipeline.library.library import open_library
with open_library(Path(sys.argv[1])) as library:
    sys.stdin.readline()
    for version_id in sys.argv[3:]:
        decided = library.catalogue.decide([version_id], "reject", sys.argv[2], "")
        print(len(decided.versions))
"""


def test_of_two_processes_that_decide_at_once_one_is_told_that_it_came_late(
    library: Library, tmp_path: Path
) -> None:
    ids = [read(library, b"file %d" % number) for number in range(20)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DECISIONS, str(tmp_path), by, *ids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for by in ("one", "other")
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    made = [process.communicate()[0].split() for process in processes]
    assert [int(one) + int(other) for one, other in zip(*made, strict=True)] == [1] * 20
    assert all(len(library.catalogue.decisions(each)) == 4 for each in ids)


class Later:
    def __init__(self) -> None:
        self.days = 0

    def __call__(self) -> dt.datetime:
        return dt.datetime(2026, 5, 1, tzinfo=dt.UTC) + dt.timedelta(days=self.days)


def test_what_a_domain_keeps_no_longer_leaves_the_search_first_then_the_library(tmp_path: Path) -> None:
    database, clock = Database(tmp_path / "library.sqlite"), Later()
    catalogue = LibraryCatalogue(database, clock=clock)
    library = Library(catalogue, OriginalFolder(tmp_path / "originals"), Readings(tmp_path / "readings"))
    catalogue.put_domain(LibraryDomain("pain"))
    catalogue.put_domain(LibraryDomain("short", retention_days=30))
    kept, approved, waiting = (
        read(library, content, domain)
        for content, domain in ((b"kept", "pain"), (b"approved", "short"), (b"waiting", "short"))
    )
    catalogue.decide([approved], "approve", "reviewer", "")
    taken: list[tuple[list[str], frozenset[str]]] = []

    def take_out(ids: list[str]) -> None:
        taken.append((ids, catalogue.approved_now(ids)))

    assert library.retire(take_out) == 0
    clock.days = 31

    def broken(ids: list[str]) -> None:
        raise StoreUnavailable("The store is away.", remedy="Wait.")

    with pytest.raises(StoreUnavailable):
        library.retire(broken)
    assert catalogue.approved_now([approved])
    assert library.retire(take_out) == 2
    assert taken == [([approved], {approved})]
    assert [each.version_id for each in catalogue.versions()] == [kept]
    assert len(list(library.originals.hashes())) == 1
    assert [each.after for each in catalogue.decisions(approved)][-2:] == ["withdrawn", "removed"]
    assert [each.after for each in catalogue.decisions(waiting)][-1:] == ["removed"]
    database.close()


def test_what_a_file_says_of_itself_is_cleaned_and_what_a_person_says_is_checked(library: Library) -> None:
    content = b"Rest."
    content_hash = hashlib.sha256(content).hexdigest()
    added = library.take_in(io.BytesIO(content), "C:\\x/..\\fdp\u202egpj\x00.exe", "pain", "librarian")
    assert added.version.file_name == "fdpgpj.exe"
    found = DocumentMetadata(
        title=" Pain\u202e\n relief\x00 " + "x" * 600,
        authors=("\u200b", "A\u2066 B", "A B"),
        date="D:20240101",
        language="English, mostly",
        version="3.1",
    )
    document = LibraryDocument(content_hash, "text", (DocumentPage(1, "Rest."),), found)
    held = library.catalogue.record_reading(added.version.version_id, document).metadata
    assert held.title.startswith("Pain relief xxx")
    assert len(held.title) == 500
    assert (held.authors, held.date, held.language, held.version) == (("A B",), None, "", "3.1")


def test_one_document_is_never_given_the_text_of_another(library: Library) -> None:
    version_id = take_in(library, b"Rest.")
    other = LibraryDocument(hashlib.sha256(b"Ice.").hexdigest(), "text", (DocumentPage(1, "Ice."),))
    with pytest.raises(ValueError, match="not the file"):
        library.catalogue.record_reading(version_id, other)
    assert library.catalogue.counts() == {"uploaded": 1}
