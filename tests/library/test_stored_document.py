"""A library document among notes: cut page by page, seen by its domain, and nobody's record."""

import pytest

from pipeline.config import IndexingSettings
from pipeline.indexing.chunking import chunk_pages
from pipeline.indexing.field_values import FieldRefused, document_of
from pipeline.indexing.identity import Prefixes
from pipeline.library.pages import called, joined_text, places, stored_document
from pipeline.library.records import DocumentMetadata, DocumentPage, LibraryDocument, TextBox
from pipeline.library.versions import LibraryVersion
from pipeline.locators import PageBox
from pipeline.records import (
    NO_PATIENT,
    is_of_library,
    library_id,
)

_FIRST = (TextBox(0, 25, 0.1, 0.1, 0.9, 0.12), TextBox(25, 40, 0.1, 0.13, 0.5, 0.15))
READ = LibraryDocument(
    "a" * 64,
    "pdf",
    (
        DocumentPage(1, "Ketamine relieves pain.  Give it slowly.", _FIRST),
        DocumentPage(2, ""),
        DocumentPage(3, "Ketamine relieves pain.", (TextBox(0, 23, 0.1, 0.1, 0.9, 0.12),)),
    ),
)
VERSION = LibraryVersion(
    "b" * 64,
    "b" * 64,
    2,
    "a" * 64,
    "pain",
    "approved",
    "k.pdf",
    10,
    "2026-05-01",
    "librarian",
    metadata=DocumentMetadata(title="Ketamine in pain", document_type="guideline", date="2024"),
)
STORED = stored_document(VERSION, READ)


def test_what_is_stored_of_a_version() -> None:
    assert (STORED.resource_id, STORED.patient_id, STORED.domain) == (
        library_id("b" * 64),
        NO_PATIENT,
        "pain",
    )
    assert is_of_library(STORED.resource_id)
    assert STORED.text_content.split("\f") == [page.text for page in READ.pages]
    assert called(STORED) == "Ketamine in pain, version 2"


def test_no_passage_crosses_a_page_and_each_stands_where_it_says() -> None:
    chunks = chunk_pages(
        STORED, count_tokens=lambda texts: [len(text.split()) for text in texts], tokens_max=50
    )
    assert [(chunk.ordinal, chunk.region) for chunk in chunks] == [
        (0, PageBox(1, 0, 0, 1, 1)),
        (1, PageBox(3, 0, 0, 1, 1)),
    ]
    assert len({chunk.chunk_id for chunk in chunks}) == 2
    for chunk in chunks:
        assert chunk.resource_id == STORED.resource_id
        assert " ".join(STORED.text_content[chunk.start : chunk.end].split()) == chunk.text
        for place, original in chunk.offsets or ((0, chunk.start),):
            assert STORED.text_content[original] == chunk.text[place]


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (0, 23, [(1, 0, 23, 1)]),
        (20, 30, [(1, 20, 30, 2)]),
        (42, 50, [(3, 0, 8, 1)]),
        (0, 65, [(1, 0, 40, 2), (3, 0, 23, 1)]),
    ],
)
def test_characters_have_their_lines_on_the_page(start: int, end: int, found: list[tuple[int, ...]]) -> None:
    assert len(joined_text(READ)) == 65
    told = list(places(READ, start, end))
    assert [(each.page.number, each.start, each.end, len(each.boxes)) for each in told] == found
    assert joined_text(READ)[start:end].replace("\f", "") == "".join(
        each.page.text[each.start : each.end] for each in told
    )


@pytest.mark.parametrize("name", ["resource_id", "patient_id"])
def test_no_note_is_called_as_a_library_document(name: str) -> None:
    fields = {
        "resource_id": "n1",
        "patient_id": "p1",
        "document_type": "Note",
        "text_content": "Fine.",
        name: "library:x",
    }
    with pytest.raises(FieldRefused, match="library documents"):
        document_of(fields, IndexingSettings(), Prefixes())
