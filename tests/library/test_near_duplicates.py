"""Near duplicates: found among others of their domain, and never called the same where a word differs."""

import hashlib
import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.library.catalogue import LibraryCatalogue
from pipeline.library.library import NEAR_DUPLICATES_MAX, Library, open_library
from pipeline.library.near_duplicates import SIGNATURE_BYTES, estimates, likeness, shingles, signature
from pipeline.library.records import DocumentPage, LibraryDocument
from pipeline.library.versions import LibraryDomain, LibraryVersion, NearDuplicate, version_id_of

WORDS = Path(__file__).read_text(encoding="utf-8").split() + [f"word{number}" for number in range(400)]


def text(seed: int, words: int = 400) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def edited(original: str, changes: int) -> str:
    words = original.split()
    for place in random.Random(changes).sample(range(len(words)), changes):
        words[place] = "5000"
    return " ".join(words)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with open_library(tmp_path) as made:
        for domain in (
            LibraryDomain("pain"),
            LibraryDomain("heart"),
            LibraryDomain("open", approves_itself=True),
        ):
            made.catalogue.put_domain(domain)
        yield made


def read(
    library: Library, content: str, domain: str = "pain", supersedes: str = "", kept: bool = True
) -> LibraryVersion:
    source = io.BytesIO(content.encode())
    added = library.take_in(source, "a.txt", domain, "librarian", supersedes=supersedes)
    content_hash = hashlib.sha256(content.encode()).hexdigest()
    document = LibraryDocument(content_hash, "text", (DocumentPage(1, content),))
    if kept:
        library.readings.keep(document)
    near = library.near_duplicates(added.version.version_id, document)
    return library.catalogue.record_reading(added.version.version_id, document, None, near)


def of(content: str) -> tuple[DocumentPage, ...]:
    return (DocumentPage(1, content),)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Take 5 mg daily.", "take 5 MG\ndaily", True),
        ("Take 5 mg daily.", "Take 50 mg daily.", False),
        ("ﬁrst line", "first line", True),
        ("", "", False),
        ("", "Rest.", False),
        ("Rest.", "rest", True),
        ("a b a b a b a b", "a b a b", True),
    ],
)
def test_which_texts_are_the_same(one: str, other: str, same: bool) -> None:
    assert (likeness(shingles(of(one)), shingles(of(other))) == 1) == same


def test_pages_are_one_text() -> None:
    whole = shingles(of("Take five mg daily with water"))
    parted = shingles(
        (DocumentPage(1, "Take five mg"), DocumentPage(2, ""), DocumentPage(3, "daily with water"))
    )
    assert likeness(whole, parted) == 1


def test_one_word_of_many_is_not_rounded_away() -> None:
    long = " ".join(f"word{number}" for number in range(100_000))
    assert likeness(shingles(of(long)), shingles(of(f"{long} more"))) == 0.9999


@given(st.text(max_size=200), st.text(max_size=200))
def test_likeness_and_its_estimate_are_within_bounds(one: str, other: str) -> None:
    first, second = shingles(of(one)), shingles(of(other))
    assert likeness(first, second) == likeness(second, first)
    assert 0 <= likeness(first, second) <= 1
    assert len(signature(first)) == (SIGNATURE_BYTES if len(first) else 0)
    if len(first) and len(second):
        assert 0 <= estimates(signature(first), [signature(second)])[0] <= 1


@pytest.mark.parametrize("changes", [0, 10, 40, 120])
def test_an_estimate_is_near_what_is_counted(changes: int) -> None:
    pairs = [(text(seed), edited(text(seed), changes)) for seed in range(20)]
    for one, other in pairs:
        first, second = shingles(of(one)), shingles(of(other))
        (estimate,) = estimates(signature(first), [signature(second)])
        assert abs(estimate - likeness(first, second)) < 0.15


def test_signatures_are_the_same_in_every_release() -> None:
    held = hashlib.sha256(signature(shingles(of("Take 5 mg daily with a glass of water.")))).hexdigest()
    assert held == "807f8080b971f68ee721b81e1b11754f4f1085665c4ec34df20c42f8950bedcb"


def test_another_edition_is_told_the_most_alike_first(library: Library) -> None:
    first = read(library, text(1))
    assert first.near_duplicates == ()
    assert read(library, text(2)).near_duplicates == ()
    changed = read(library, edited(text(1), 30))
    again = read(library, text(1) + "  ")
    assert [each.version_id for each in changed.near_duplicates] == [first.version_id]
    assert 0.5 <= changed.near_duplicates[0].likeness < 0.95
    assert again.near_duplicates == (
        NearDuplicate(first.version_id, 1.0),
        NearDuplicate(changed.version_id, changed.near_duplicates[0].likeness),
    )


def test_another_domain_is_not_compared_and_not_told(library: Library) -> None:
    read(library, text(1), "heart")
    assert read(library, text(1)).near_duplicates == ()
    assert read(library, text(1) + " ").near_duplicates != ()


def test_what_was_removed_is_not_compared(library: Library) -> None:
    first = read(library, text(1))
    library.remove(first.version_id, "librarian", "")
    assert read(library, text(1) + " ").near_duplicates == ()


def test_where_the_other_reading_is_gone_it_is_never_called_the_same(library: Library) -> None:
    first = read(library, text(1), kept=False)
    assert read(library, text(1) + " ").near_duplicates == (NearDuplicate(first.version_id, 0.99),)


def test_a_document_without_words_is_like_none(library: Library) -> None:
    read(library, " ")
    assert read(library, "  ").near_duplicates == ()


def test_no_more_are_told_than_a_reviewer_looks_at(library: Library) -> None:
    found = [read(library, text(1) + " " * number) for number in range(NEAR_DUPLICATES_MAX + 2)]
    assert [len(each.near_duplicates) for each in found][-2:] == [NEAR_DUPLICATES_MAX] * 2


def test_a_near_duplicate_of_another_document_waits_for_a_person(library: Library) -> None:
    first = read(library, text(1), "open")
    assert first.state == "approved"
    assert read(library, edited(text(1), 5), "open").state == "waiting"
    newer = read(library, edited(text(1), 6), "open", supersedes=first.version_id)
    assert newer.state == "waiting"  # like the one that waits, which is another document
    assert read(library, text(2), "open").state == "approved"


def test_a_newer_version_is_like_its_document_and_approved_where_its_domain_says_so(library: Library) -> None:
    first = read(library, text(1), "open")
    newer = read(library, edited(text(1), 5), "open", supersedes=first.version_id)
    assert [each.version_id for each in newer.near_duplicates] == [first.version_id]
    assert [each.version_id for each in library.catalogue.approved()] == [newer.version_id]


def test_of_two_that_are_read_at_the_same_time_one_is_told(library: Library) -> None:
    contents = [text(1), text(1) + " "]
    hashes = [hashlib.sha256(each.encode()).hexdigest() for each in contents]
    for content in contents:
        library.take_in(io.BytesIO(content.encode()), "a.txt", "open", "librarian")
    documents = [
        LibraryDocument(each, "text", of(content)) for each, content in zip(hashes, contents, strict=True)
    ]
    catalogue: LibraryCatalogue = library.catalogue
    near = [library.near_duplicates(version_id_of("open", each.content_hash), each) for each in documents]
    states = [
        catalogue.record_reading(version_id_of("open", each.content_hash), each, None, like).state
        for each, like in zip(documents, near, strict=True)
    ]
    assert sorted(states) == ["approved", "waiting"]
