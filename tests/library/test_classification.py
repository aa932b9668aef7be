"""What first pages say of their documents, on pages written for the tests and on the development files."""

from __future__ import annotations

import csv
import json
import time
from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.library.classification import (
    ClassifiedValue,
    DocumentClassification,
    classify_document,
    with_classification,
)
from pipeline.library.document_type import type_cues
from pipeline.library.language import language_of
from pipeline.library.records import DocumentMetadata, DocumentPage, Heading, LibraryDocument
from tests.library.library_texts import PAGES, WRITTEN_LATER, LibraryPage

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FIELDS = tuple(field.name for field in fields(DocumentClassification))


def document(*pages: str, title: str = "", date: str | None = None, language: str = "") -> LibraryDocument:
    numbered = tuple(DocumentPage(number, text) for number, text in enumerate(pages, start=1))
    metadata = DocumentMetadata(title=title, date=date, language=language)
    return LibraryDocument("0" * 64, "pdf", numbered, metadata)


def values(found: DocumentClassification) -> dict[str, str | None]:
    return {name: (value.value if (value := getattr(found, name)) else None) for name in FIELDS}


def expected(page: LibraryPage) -> dict[str, str | None]:
    return {name: getattr(page, name) for name in FIELDS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_first_page_says_what_its_document_is(page: LibraryPage) -> None:
    assert values(classify_document(document(page.text))) == expected(page)


def test_pages_written_after_the_rules_are_rarely_misread() -> None:
    wrong = []
    for page in WRITTEN_LATER:
        found = values(classify_document(document(page.text)))
        wrong += [(page.name, name, found[name]) for name in FIELDS if found[name] != getattr(page, name)]
    assert len(wrong) <= 3, wrong
    assert [each for each in wrong if each[2] is not None] == []


def test_a_value_of_the_page_stands_where_it_is_said_to() -> None:
    for page in PAGES:
        found = classify_document(document(page.text))
        for name in ("title", "version", "department"):
            value: ClassifiedValue | None = getattr(found, name)
            if value is not None:
                assert (value.origin, value.page) == ("first page", 1)
                assert " ".join(page.text[value.start : value.end].split()) == value.value


@pytest.mark.parametrize(
    ("of_file", "on_page", "title", "origin", "sureness"),
    [
        ("Falls prevention", "FALLS PREVENTION\nOn the wards", "Falls prevention", "file", "stated"),
        ("Microsoft Word - falls_v3.docx", "Falls prevention", "Falls prevention", "first page", "guessed"),
        ("falls_final.pdf", "Falls prevention", "Falls prevention", "first page", "guessed"),
        ("untitled", "Falls prevention", "Falls prevention", "first page", "guessed"),
        ("Template for letters", "Falls prevention", "Falls prevention", "first page", "guessed"),
        ("Falls prevention\x00", "", "Falls prevention", "file", "guessed"),
    ],
)
def test_the_title_of_the_file_is_believed_where_the_page_has_it(
    of_file: str, on_page: str, title: str, origin: str, sureness: str
) -> None:
    found = classify_document(document(on_page, title=of_file)).title
    assert found is not None
    assert (found.value, found.origin, found.sureness) == (title, origin, sureness)


@pytest.mark.parametrize("of_file", ["untitled", "Document1", "scan_0012.pdf", "imagemagick-images\x00", " "])
def test_a_title_that_a_program_made_is_none(of_file: str) -> None:
    assert classify_document(document("", title=of_file)).title is None


def test_two_kinds_as_near_as_each_other_are_none() -> None:
    assert type_cues("Protocol", "Step 1 Wash your hands.") is not None
    assert type_cues("Protocol and guideline", "Wash your hands.") is None


def test_the_highest_heading_is_the_title() -> None:
    text = "Ward handbook\nChapter one\nWelcome"
    page = DocumentPage(1, text, headings=(Heading(14, 2, "Chapter one"), Heading(0, 1, "Ward handbook")))
    found = classify_document(LibraryDocument("0" * 64, "docx", (page,))).title
    assert found == ClassifiedValue("Ward handbook", "first page", "likely", 1, 0, 13)


@pytest.mark.parametrize(
    ("text", "of_file", "date"),
    [
        ("Published: 4 May 2018. Last updated: 9 June 2021.", "2015-01-01", "2021-06-09"),
        ("Next review: 4 May 2028", "2015-01-01", "2015-01-01"),
        ("The trial ran from May 2010 to June 2012.", None, None),
        ("Date: 04/05/2018", None, None),
        ("No date here", "2013-12-23T23:15:00Z", None),
        ("No date here", "2000-01-01", None),
        ("Born 3 March 1950", None, None),
        ("Dated 31 February 2020", None, None),
    ],
)
def test_a_date_is_the_documents_own_or_none(text: str, of_file: str | None, date: str | None) -> None:
    found = classify_document(document(text, date=of_file)).date
    assert (found.value if found else None) == date


def test_a_cover_is_read_on_to_the_next_page() -> None:
    found = classify_document(document("Handbook", "Version 7", "x " * 90, "Version 8"))
    assert found.version is not None
    assert (found.version.value, found.version.page) == ("7", 2)


def test_what_a_person_filled_in_stays() -> None:
    metadata = DocumentMetadata(title="Ours", version="2", origins={"title": "person", "version": "file"})
    found = with_classification(metadata, classify_document(document("Theirs\nVersion 3")))
    assert (found.title, found.version) == ("Ours", "3")
    assert (found.origins["title"], found.origins["version"]) == ("person", "first page")


def test_nothing_is_said_of_an_empty_document() -> None:
    assert classify_document(document()) == DocumentClassification()
    assert classify_document(document("", "")) == DocumentClassification()


@pytest.mark.parametrize(
    "text", ["\n" * 20_000, "A'" * 10_000, "you may " * 3_000, "_" * 20_000, "Dear " * 4_000, "1." * 9_000]
)
def test_no_page_takes_long(text: str) -> None:
    began = time.process_time()
    classify_document(document(text))
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (
            "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy eirmod tempor invidunt ut "
            * 3,
            None,
        ),
        ("本文書は院内の感染対策について説明します。", "ja"),
        ("我们都是黑体字", "zh"),
        ("يعطى المريض المضاد الحيوي قبل العملية", "ar"),
        ("Ο ασθενής λαμβάνει αντιβίωση πριν από το χειρουργείο", "el"),
        ("Пациент получает антибиотик перед операцией", None),
        ("", None),
        ("Aspirin 100 mg", None),
        ("the heparin of warfarin to " + "apixaban dabigatran rivaroxaban " * 10, None),
    ],
)
def test_a_language_is_named_where_it_is_plain(text: str, language: str | None) -> None:
    assert language_of(text) == language


@pytest.mark.skipif(not DATA.is_dir(), reason="the developers' data is not here")
def test_the_language_of_the_development_data_is_never_another_one() -> None:
    rows = [
        json.loads(line) for line in (DATA / "qa" / "medquad.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    english = [language_of(row["answer"]) for row in rows[:300]]
    with (DATA / "reviews" / "olist_order_reviews.csv").open(encoding="utf-8") as file:
        reviews = [row["review_comment_message"] for row in csv.DictReader(file)]
    portuguese = [language_of(review) for review in reviews if len(review.split()) >= 15][:300]
    assert set(english) <= {"en", None}
    assert set(portuguese) <= {"pt", None}
    assert english.count("en") >= 0.98 * len(english)
    assert portuguese.count("pt") >= 0.98 * len(portuguese)


def test_no_value_has_characters_that_are_not_shown() -> None:
    found = classify_document(document("Dose\u202e table\u200b of\u00a0heparin\nVersion 2", title="untitled"))
    assert found.title is not None
    assert found.title.value == "Dose table of heparin"
