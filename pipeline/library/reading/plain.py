"""Text, Markdown, HTML and RTF: what is written in them as a person would read it, on one page.

Decides which parts of an HTML page are not shown, and what in Markdown is said of the document. Knows no PDF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree, html
from striprtf.striprtf import rtf_to_text

from pipeline.errors import UnreadableDocument
from pipeline.library.reading.raised import is_raisable, raised
from pipeline.library.reading.rich_text import as_seen
from pipeline.library.reading.style_sheets import StyleSheets, style_sheets
from pipeline.library.records import DocumentFinding, DocumentMetadata, DocumentPage, Heading
from pipeline.text.html_elements import HTML_BLOCKS

_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FIELD = re.compile(
    r"^(title|author|date|version|lang(?:uage)?):[ \t]*(.+?)[ \t]*$", re.MULTILINE | re.IGNORECASE
)
_BLANK_LINES = re.compile(r"\n{3,}")

_NOT_SHOWN = {
    "script",
    "style",
    "template",
    "noscript",
    "head",
    "iframe",
    "object",
    "svg",
    "select",
    "textarea",
    "input",
}


@dataclass(frozen=True, slots=True)
class PlainPage:
    """The one page of a file without pages."""

    page: DocumentPage
    metadata: DocumentMetadata
    findings: tuple[DocumentFinding, ...] = ()


def read_text(content: bytes) -> PlainPage:
    """Text as it stands. Raises UnreadableDocument where it is no text."""
    return PlainPage(DocumentPage(1, decoded(content)), DocumentMetadata())


def read_markdown(content: bytes) -> PlainPage:
    """Markdown as it stands, marks included: a person reads them. Front matter is metadata and not text."""
    text = decoded(content)
    front = _FRONT_MATTER.match(text)
    body = text[front.end() :] if front else text
    headings = tuple(Heading(each.start(), len(each[1]), each[2]) for each in _HEADING.finditer(body))
    said = {key.lower(): value.strip("'\"") for key, value in _FIELD.findall(front[1])} if front else {}
    title = said.get("title") or next((each.text for each in headings if each.level == 1), "")
    found = {
        "title": title,
        "authors": tuple(filter(None, [said.get("author", "")])),
        "date": _iso(said.get("date", "")),
        "version": said.get("version", ""),
        "language": said.get("language") or said.get("lang", ""),
    }
    return PlainPage(DocumentPage(1, body, headings=headings), _metadata(found))


def read_rtf(content: bytes) -> PlainPage:
    """The text of an RTF file. Raises UnreadableDocument where there is none."""
    try:
        seen = as_seen(content.decode("latin-1"))
        text = str(rtf_to_text(seen.source, errors="replace"))  # type: ignore[no-untyped-call]
    except (ValueError, IndexError, KeyError, TypeError, LookupError):
        raise _damaged("RTF") from None
    findings = tuple(_unread(seen.hidden_words, seen.struck_words))
    if b"\\fcharset2" in content:
        what = "It uses a font of signs: what is set in it may be read as other letters than are shown."
        findings = (*findings, DocumentFinding("readers-disagree", what))
    return PlainPage(DocumentPage(1, _BLANK_LINES.sub("\n\n", text).strip()), DocumentMetadata(), findings)


def _unread(hidden_words: int, struck_words: int) -> Iterator[DocumentFinding]:
    if hidden_words:
        yield DocumentFinding("hidden-text", f"{hidden_words} words are not shown. They were left out.")
    if struck_words:
        yield DocumentFinding(
            "tracked-changes", f"{struck_words} words are struck through. They were left out."
        )


def read_html(content: bytes) -> PlainPage:
    """What a browser shows of a page that loads nothing. Raises UnreadableDocument where it is no HTML."""
    parser = html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        tree = html.document_fromstring(decoded(content).replace("\x00", ""), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        raise _damaged("HTML") from None
    if any(each.level_name == "FATAL" for each in parser.error_log):
        raise _damaged("HTML")  # nested too deep: libxml2 leaves out what is inside
    shown = _Shown(style_sheets(tree))
    body = tree.find("body")
    shown.walk(tree if body is None else body)
    text = shown.text()
    title = " ".join((tree.findtext(".//title") or "").split())
    authors = tuple(filter(None, [_meta(tree, "author")]))
    found = {
        "title": title,
        "authors": authors,
        "language": tree.get("lang", ""),
        "date": _iso(_meta(tree, "date")),
    }
    findings = tuple(_unread(shown.hidden_words, shown.struck_words))
    return PlainPage(DocumentPage(1, text, headings=tuple(shown.headings)), _metadata(found), findings)


@dataclass
class _Shown:
    """Text of a page as it grows."""

    sheets: StyleSheets
    parts: list[str] = field(default_factory=list)
    length: int = 0
    headings: list[Heading] = field(default_factory=list)
    hidden_words: int = 0
    struck_words: int = 0

    def text(self) -> str:
        return "".join(self.parts).rstrip()

    def walk(self, top: html.HtmlElement) -> None:
        """Without recursion: pages nest as deep as they like."""
        waiting: list[tuple[html.HtmlElement, bool]] = [(top, False)]
        begun: dict[html.HtmlElement, tuple[int, int]] = {}
        while waiting:
            element, is_end = waiting.pop()
            if is_end:
                self._end(element, begun.get(element))
                continue
            name = element.tag if isinstance(element.tag, str) else ""
            if name in _NOT_SHOWN or not name:
                self._tail(element, top)
                continue
            if self._is_left_out(element):
                self._tail(element, top)
                continue
            if name == "sup" and self._raise(element):
                self._tail(element, top)
                continue
            self._begin(name)
            begun[element] = (self.length, len(self.parts))
            self._write(element.text, pre=name == "pre")
            waiting.append((element, True))
            waiting.extend((child, False) for child in reversed(element))
            if element is top:
                continue

    def _is_left_out(self, element: html.HtmlElement) -> bool:
        """Whether it is not seen, or struck through; its words are counted then."""
        effects = self.sheets.effects(element)
        if (
            "hidden" in element.attrib
            or element.get("aria-hidden") == "true"
            or "hidden" in effects
            or self.sheets.is_white_on_white(element, effects)
        ):
            self.hidden_words += _words(element)
            return True
        if element.tag in ("s", "strike", "del") or "struck" in effects:
            self.struck_words += _words(element)
            return True
        return False

    def _raise(self, element: html.HtmlElement) -> bool:
        """Whether it is digits behind a digit; they are written as raised ones then."""
        said, before = "".join(element.itertext()).strip(), self.parts[-1].rstrip() if self.parts else ""
        if not is_raisable(said) or not before[-1:].isdigit():
            return False
        self._write(raised(said))
        return True

    def _begin(self, name: str) -> None:
        if name in HTML_BLOCKS:
            self._new_line()
        if name == "li":
            self._write("- ")
        elif name in ("td", "th") and self.parts and not self.parts[-1].endswith("\n"):
            self.parts.append("\t")
            self.length += 1

    def _end(self, element: html.HtmlElement, begun: tuple[int, int] | None) -> None:
        name = str(element.tag)
        if len(name) == 2 and name[0] == "h" and name[1] in "123456" and begun is not None:
            text = "".join(self.parts[begun[1] :]).strip()
            if text:
                self.headings.append(Heading(begun[0], int(name[1]), text))
        if name in HTML_BLOCKS:
            self._new_line()
        self._write(element.tail)

    def _tail(self, element: html.HtmlElement, top: html.HtmlElement) -> None:
        if element is not top:
            self._write(element.tail)

    def _new_line(self) -> None:
        if self.parts and not self.parts[-1].endswith("\n"):
            last = self.parts.pop()
            self.parts += [last.rstrip(" "), "\n"]
            self.length += len(self.parts[-2]) - len(last) + 1

    def _write(self, text: str | None, *, pre: bool = False) -> None:
        if not text:
            return
        said = text if pre else re.sub(r"\s+", " ", text)
        if not pre and (not self.parts or self.parts[-1].endswith(("\n", " ", "\t"))):
            said = said.lstrip(" ")
        if said:
            self.parts.append(said)
            self.length += len(said)


def _words(element: html.HtmlElement) -> int:
    return len(" ".join(element.itertext()).split())


def _meta(tree: html.HtmlElement, name: str) -> str:
    for element in tree.iterfind(".//meta"):
        if (element.get("name") or "").lower() in (name, f"dc.{name}", f"dcterms.{name}"):
            return " ".join((element.get("content") or "").split())
    return ""


def _iso(said: str) -> str | None:
    found = re.match(r"\d{4}(?:-\d{2}(?:-\d{2})?)?", said)
    return found[0] if found else None


def _metadata(found: dict[str, object]) -> DocumentMetadata:
    given = {name: value for name, value in found.items() if value}
    return DocumentMetadata(**given, origins=dict.fromkeys(given, "file"))  # type: ignore[arg-type]


def decoded(content: bytes) -> str:
    """UTF-8 or UTF-16 by its mark, UTF-8 without one, else Windows' western code page, with ends of lines as one.

    Raises UnreadableDocument for what is no text.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
    strange = sum(each < " " and each not in "\t\n\r\f" for each in text[:20_000])
    if strange > 0.005 * len(text[:20_000]) + 1:
        raise UnreadableDocument(
            "The file holds no text.",
            remedy="Upload PDF, DOCX, HTML, RTF, Markdown or text.",
            kind="unknown-format",
        )
    return re.sub(r"\r\n?|\f", "\n", text).replace("\x00", "")


def _damaged(name: str) -> UnreadableDocument:
    return UnreadableDocument(
        f"The {name} file is damaged or cut off.", remedy="Export it again, then upload it.", kind="damaged"
    )
