"""What a library document is, as far as its first pages and its file say: type, language, date, title, version,
department.

Decides by labels ("Version 2.3", "Effective date: ..."), by where a line stands and by words, always the same way; a
value says where it was found and how sure that is. What can mean two things, a date of two numbers in English for one,
is left out: a person fills it in. What a person has filled in stays. Refuses to know how a file is read, and any model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

from pipeline.library.document_type import type_cues
from pipeline.library.language import language_of
from pipeline.library.records import DocumentMetadata, DocumentPage, LibraryDocument
from pipeline.text.dates import is_placeholder, iso_date

Sureness: TypeAlias = Literal["stated", "likely", "guessed"]
"""Stated: a label or the title says it. Likely: its place or its form does. Guessed: words alone, or the file alone."""
ValueOrigin: TypeAlias = Literal["file", "first page", "classifier"]

PAGES_READ, WORDS_ENOUGH = 3, 80
"""A cover has few words: what follows is read as well, up to that many pages."""
CHARACTERS_READ, HEAD_CHARACTERS = 20_000, 1_500
"""Of a page, and of its head, where a department's name is the document's own and not one that it writes about."""
TITLE_WORDS_MAX = 25
SHARE_ON_PAGE = 0.8
"""Of the words of the file's title that the first pages must have: it may be that of a template, or of another
document."""


@dataclass(frozen=True, slots=True)
class ClassifiedValue:
    """One value, with where it was found."""

    value: str
    origin: ValueOrigin
    sureness: Sureness
    page: int | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentClassification:
    """None where nothing is said."""

    title: ClassifiedValue | None = None
    document_type: ClassifiedValue | None = None
    language: ClassifiedValue | None = None
    date: ClassifiedValue | None = None
    version: ClassifiedValue | None = None
    department: ClassifiedValue | None = None


def classify_document(document: LibraryDocument) -> DocumentClassification:
    """Of the first pages and what the file says of itself (`document.metadata`)."""
    pages = _first_pages(document.pages)
    text = "\n".join(page.text for page in pages)
    language = language_of(text)
    title = _title(pages, document.metadata.title)
    return DocumentClassification(
        title=title,
        document_type=_document_type(title, pages),
        language=_language(language, text, document.metadata.language),
        date=_date(pages, language, document.metadata.date),
        version=_labelled(pages, _VERSION) or _labelled(pages, _EDITION),
        department=_labelled(
            [replace(page, text=page.text[:HEAD_CHARACTERS]) for page in pages[:1]], _DEPARTMENT
        ),
    )


def with_classification(metadata: DocumentMetadata, found: DocumentClassification) -> DocumentMetadata:
    """The metadata with what was found, and where each value comes from. What a person filled in stays."""
    values: dict[str, str] = {}
    origins = dict(metadata.origins)
    for field in fields(found):
        value: ClassifiedValue | None = getattr(found, field.name)
        if value is not None and origins.get(field.name) != "person":
            values[field.name] = value.value
            origins[field.name] = value.origin
    return replace(metadata, **values, origins=origins)  # type: ignore[arg-type]  # fields of text alone


def _first_pages(pages: Sequence[DocumentPage]) -> list[DocumentPage]:
    found: list[DocumentPage] = []
    words = 0
    for page in pages[:PAGES_READ]:
        found.append(replace(page, text=page.text[:CHARACTERS_READ]))
        words += len(page.text.split())
        if words >= WORDS_ENOUGH:
            break
    return found


# Titles

_JUNK_TITLE = re.compile(
    r"(?:untitled|unbenannt|sem título|document\d*|dokument\d*|slide ?\d*|title|unspecified|powerpoint presentation|"
    r"microsoft (?:word|powerpoint)\b.*|.*\.(?:docx?|pdf|indd|pptx?|rtf|txt|html?|qxd|tex)|[\w.]*[_\d-][\w.-]*)",
    re.IGNORECASE,
)
_NO_TITLE = re.compile(
    r"(?:(?:name|author|date|datum|data|fecha|version|versão|versión|fassung|revision|document (?:owner|number|id)|ref|"
    r"approved by|address|signed|patient|e-?mail)\b[^:\n]{0,20}:|"
    r"(?:page|seite|página|tel|fax|phone|www|https?)\b|"
    r"(?:dear|sehr geehrte\w*|cher|chère|estimad[oa]|prezad[oa])\b)|.*\b(?:hospital|trust|klinikum|krankenhaus|hôpital|"
    r"university|universität)\W*$",
    re.IGNORECASE,
)
"""Lines of a letterhead, of a page's head and of an address."""
_SENTENCES = re.compile(r"[.,;]$|[.?!] [A-ZÀ-Þ]")
_SUBJECT = re.compile(
    r"^[ \t]*(?:re|subject|title|betreff|titel|objet|titre|asunto|título|assunto)[ \t]*:[ \t]*"
    r"(?P<value>\S[^\n]{2,200})$",
    re.IGNORECASE | re.MULTILINE,
)


def _title(pages: Sequence[DocumentPage], of_file: str) -> ClassifiedValue | None:
    of_file = _shown(of_file)
    usable = bool(of_file) and not _JUNK_TITLE.fullmatch(of_file)
    if usable and _share_on(pages, of_file) >= SHARE_ON_PAGE:
        return ClassifiedValue(of_file, "file", "stated")
    found = _labelled(pages, _SUBJECT) or _top_heading(pages) or _first_line(pages)
    if found is None and usable:
        return ClassifiedValue(of_file, "file", "guessed")
    return found


def _shown(text: str) -> str:
    """On one line, without characters that are not shown or turn the direction of writing."""
    visible = (" " if each.isspace() else each for each in text if each.isspace() or each.isprintable())
    return " ".join("".join(visible).split())


def _share_on(pages: Sequence[DocumentPage], title: str) -> float:
    words = set(re.findall(r"\w+", title.lower()))
    here = {word for page in pages for word in re.findall(r"\w+", page.text.lower())}
    return len(words & here) / max(len(words), 1)


def _top_heading(pages: Sequence[DocumentPage]) -> ClassifiedValue | None:
    headings = [
        (each.level, page.number, each) for page in pages for each in page.headings if each.text.strip()
    ]
    if not headings:
        return None
    _, number, heading = min(headings, key=lambda each: (each[0], each[1], each[2].start))
    end = heading.start + len(heading.text)
    return ClassifiedValue(_shown(heading.text), "first page", "likely", number, heading.start, end)


def _first_line(pages: Sequence[DocumentPage]) -> ClassifiedValue | None:
    """The first line with words that is no sentence, no label and no date; none where a sentence comes first."""
    for number, start, line in _lines(pages):
        words = line.split()
        if (
            not any(map(str.isalpha, line))
            or _NO_TITLE.match(line)
            or _DEPARTMENT.fullmatch(line)
            or isinstance(iso_date(line), str)
        ):
            continue
        if len(words) > TITLE_WORDS_MAX or (len(words) > 3 and _SENTENCES.search(line)):
            return None
        return ClassifiedValue(_shown(line), "first page", "guessed", number, start, start + len(line))
    return None


def _lines(pages: Sequence[DocumentPage]) -> Iterator[tuple[int, int, str]]:
    for page in pages:
        for match in re.finditer(r"[^\n]+", page.text):
            line = match.group()
            if line.strip():
                yield page.number, match.start() + len(line) - len(line.lstrip()), line.strip()


# Type and language


def _document_type(title: ClassifiedValue | None, pages: Sequence[DocumentPage]) -> ClassifiedValue | None:
    for page in pages:
        cues = type_cues(title.value if title else "", page.text)
        if cues is not None:
            sure: Sureness = "stated" if cues.in_title else "likely" if len(cues.places) > 2 else "guessed"
            place = (page.number, *min(cues.places)) if cues.places else (None, None, None)
            return ClassifiedValue(cues.document_type, "classifier", sure, *place)
    return None


def _language(language: str | None, text: str, of_file: str) -> ClassifiedValue | None:
    if language is not None:
        short = len(text.split()) < WORDS_ENOUGH or language == "ar"
        return ClassifiedValue(language, "classifier", "guessed" if short else "likely")
    return ClassifiedValue(of_file, "file", "guessed") if of_file else None


# Dates

_DATE = re.compile(
    r"(?<![\w/.-])(?:\d{4}-\d{2}(?:-\d{2})?|\d{1,2}[./-]\d{1,2}[./-]\d{4}|"
    r"\d{1,2}(?:st|nd|rd|th|er|º|\.)?\s+(?:of\s+|de\s+)?[^\W\d_]{3,12}\.?,?\s+(?:del?\s+)?\d{4}|"
    r"[^\W\d_]{3,12}\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+\d{4}|"
    r"[^\W\d_]{3,12}\.?\s+(?:de\s+)?\d{4}|\d{1,2}/\d{4})(?![\w/-])"
)
_DATED = re.compile(
    r"(?:effective|issued?|publi(?:shed|cation|cado|cación|é)|released?|updated?|revis(?:ed|ion)|approved|ratified|"
    r"dated?|version|stand|gültig ab|ausgabe|datum|erstellt|mise à jour|data|emiss(?:ão|ion)|emisión|atualizad[oa]|"
    r"aprovad[oa]|vigência|fecha|actualizad[oa]|versión|versão|fassung)\b[^\n]{0,25}$",
    re.IGNORECASE,
)
_OTHER_DATE = re.compile(
    r"(?:next review|review (?:date|due|by)|for review|expir\w*|valid until|supersedes|replaces|birth|dob|born|geb\w*|"
    r"nasc\w*|naci\w*|née?|printed|accessed|admi(?:tted|ssion)|seen|received|gültig bis|válido até|nächste überprüfung|"
    r"próxima revis\w+)\b[^\n]{0,25}$",
    re.IGNORECASE,
)
_DAY_FIRST = frozenset({"de", "fr", "es", "pt", "it", "nl"})
_TEMPLATE_DATES = ("2013-12-23", "2000-01-01")
"""What python-docx and reportlab write where nobody set a date."""


def _date(pages: Sequence[DocumentPage], language: str | None, of_file: str | None) -> ClassifiedValue | None:
    """The latest date with a label; else the only one of the first pages; else the file's."""
    found = list(_dates(pages, language))
    labelled = [value for value, has_label in found if has_label]
    if labelled:
        return max(labelled, key=lambda each: each.value)
    if len({value.value for value, _ in found}) == 1:
        return found[0][0]
    if of_file and not is_placeholder(of_file) and not of_file.startswith(_TEMPLATE_DATES):
        return ClassifiedValue(of_file, "file", "guessed")
    return None


def _dates(pages: Sequence[DocumentPage], language: str | None) -> Iterator[tuple[ClassifiedValue, bool]]:
    """Each date of the first pages, and whether a label says that it is the document's."""
    for page in pages:
        for match in _DATE.finditer(page.text):
            before = page.text[max(0, match.start() - 60) : match.start()]
            date = iso_date(match.group(), "day" if language in _DAY_FIRST else None)
            if not isinstance(date, str) or is_placeholder(date) or _OTHER_DATE.search(before):
                continue
            labelled = _DATED.search(before) is not None
            sure: Sureness = "stated" if labelled else "likely"
            yield ClassifiedValue(date, "first page", sure, page.number, *match.span()), labelled


# Values behind a label

_VERSION = re.compile(
    r"(?<!\w)(?:version|versión|versão|fassung|revision|rev\.|issue (?:no|number)\.?|v(?=\d))\s*"
    r"(?:no\.?|number|nr\.?|n[ºo]\.?)?\s*[:.]?\s*(?P<value>\d{1,3}(?:\.\d{1,3}){0,3}[a-z]?)(?![\w/]|\.\d)",
    re.IGNORECASE,
)
_EDITION = re.compile(
    r"(?<!\w)(?P<value>(?:\d{1,2}(?:st|nd|rd|th|\.|ª|e|ème)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth)"
    r" (?:edition|auflage|édition|edición|edição))(?!\w)",
    re.IGNORECASE,
)
_NAME = (
    r"[A-ZÀ-Þ][\w'’&-]*(?:,? (?:(?:of|and|for|the|und|für|de|da|do|del|la|et|e|y|des|d'|&) ){0,2}"
    r"[A-ZÀ-Þ][\w'’&-]*){0,7}"
)
_DEPARTMENT = re.compile(
    rf"(?<!\w)(?P<value>(?:Department|Division|Dept\.?|Section|Unit|Clinic|Service|Directorate) (?:of|for) {_NAME}|"
    rf"(?:Klinik|Abteilung|Institut|Zentrum) für {_NAME}|(?:Service|Département|Serviço|Servicio|Departamento|Unidade|"
    rf"Unidad|Setor) (?:de|d'|da|do|del) ?{_NAME}|"
    r"[A-Z][\w'’&-]*(?: (?:and |& )?[A-Z][\w'’&-]*){0,4} (?:Department|Directorate|Unit|Ward))(?!\w)"
)


def _labelled(pages: Sequence[DocumentPage], pattern: re.Pattern[str]) -> ClassifiedValue | None:
    """The first value of the pattern."""
    for page in pages:
        if match := pattern.search(page.text):
            return ClassifiedValue(
                _shown(match["value"]), "first page", "stated", page.number, *match.span("value")
            )
    return None
