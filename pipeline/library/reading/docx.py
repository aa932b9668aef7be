"""DOCX: every text of the body in reading order, as a person reads it with all changes accepted.

Decides what is walked: headings, numbered lists, tables as rows, text boxes, content controls, footnotes where they are
called; headers and footers, deleted, struck and hidden text are left out, and told. Packages are opened by hand and
within limits: nothing outside of the file is looked at, no entity is expanded.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from io import BytesIO
from itertools import takewhile

from lxml import etree

from pipeline.errors import UnreadableDocument
from pipeline.library.reading import formulas, raised
from pipeline.library.reading.options import ReadingLimits, too_large
from pipeline.library.reading.plain import PlainPage
from pipeline.library.records import DocumentFinding, DocumentMetadata, DocumentPage, Heading

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_DC = "{http://purl.org/dc/elements/1.1/}"
_DCTERMS = "{http://purl.org/dc/terms/}"
_CORE = "{http://schemas.openxmlformats.org/package/2006/metadata/core-properties}"
_MAIN_TYPE = re.compile(
    rb"wordprocessingml\.(?:document|template)(?:\.main)?\+xml|ms-word\.document\.macroEnabled"
)

_HEADING = re.compile(r"(?i)^(?:heading|überschrift|titre|título|titolo)\s*([1-9])$")
_LEFT_OUT = {f"{_W}del", f"{_W}moveFrom", _FALLBACK, f"{_W}instrText", f"{_W}delText"}
_LOOKS = {
    f"{_W}{name}" for name in ("vanish", "webHidden", "strike", "dstrike", "color", "sz", "shd", "highlight")
}
"""What says whether letters are seen."""
LIST_DEPTH_MAX = 9


def read_docx(content: bytes, limits: ReadingLimits) -> PlainPage:
    """Raises UnreadableDocument for what is no DOCX, damaged, locked, or larger unpacked than is read."""
    with _package(content, limits) as package:
        main = _main_part(package)
        body = _tree(package, main)
        folder = main.rpartition("/")[0]
        styles = _part(package, f"{folder}/styles.xml")
        looks = _looks(styles)
        _write_looks(body, looks)
        walk = _Walk(
            _styles(styles),
            _style_numbers(styles),
            _Numbering(_part(package, f"{folder}/numbering.xml")),
            {
                kind: _notes(_part(package, f"{folder}/{kind}s.xml"), kind, looks)
                for kind in ("footnote", "endnote")
            },
        )
        walk.blocks(body)
        metadata = _metadata(_part(package, "docProps/core.xml"))
        findings = tuple(_findings(body, walk, package))
    text = "\n".join(walk.lines)
    return PlainPage(DocumentPage(1, text, headings=tuple(walk.headings)), metadata, findings)


# --- the package


def _package(content: bytes, limits: ReadingLimits) -> zipfile.ZipFile:
    try:
        package = zipfile.ZipFile(BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        raise _damaged() from None
    parts = package.infolist()
    if len(parts) > limits.parts_max or sum(each.file_size for each in parts) > limits.inflated_bytes_max:
        raise too_large("The document unpacks to more than is read.")
    return package


def is_docx(content: bytes) -> bool:
    """Whether a package says that it is a text document."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as package:
            return bool(_MAIN_TYPE.search(_bytes(package, "[Content_Types].xml", 1 << 20)))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, KeyError, UnreadableDocument):
        return False


def _bytes(package: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Raises KeyError where the part is not there, UnreadableDocument where it is damaged or larger than it says."""
    try:
        with package.open(name) as part:
            content = part.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError):
        raise _damaged() from None
    if len(content) > most:
        raise too_large("A part of the document unpacks to more than is read.")
    return content


def _main_part(package: zipfile.ZipFile) -> str:
    try:
        types = _parsed(_bytes(package, "[Content_Types].xml", 1 << 20))
    except KeyError:
        raise _damaged() from None
    for each in types:
        if _MAIN_TYPE.search((each.get("ContentType") or "").encode()) and each.get("PartName"):
            return str(each.get("PartName")).lstrip("/")
    return "word/document.xml"


def _tree(package: zipfile.ZipFile, name: str) -> etree._Element:
    try:
        size = package.getinfo(name).file_size
    except KeyError:
        raise UnreadableDocument(
            "The document has no text part.",
            remedy="Save it again with the program that made it.",
            kind="damaged",
        ) from None
    return _parsed(_bytes(package, name, size))


def _part(package: zipfile.ZipFile, name: str) -> etree._Element | None:
    """A part that may be missing, or damaged without taking the text with it."""
    try:
        return _tree(package, name)
    except UnreadableDocument:
        return None


def _parsed(content: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        tree = etree.fromstring(content.replace(_STRICT[1:-1].encode(), _W[1:-1].encode()), parser)
    except (etree.XMLSyntaxError, ValueError):
        raise _damaged() from None
    if tree is None:
        raise _damaged()
    return tree


def _damaged() -> UnreadableDocument:
    return UnreadableDocument(
        "The document is damaged or cut off.",
        remedy="Download it again, or save it again with the program that made it.",
        kind="damaged",
    )


# --- styles, numbers, notes


def _style_numbers(tree: etree._Element | None) -> dict[str, tuple[str, str]]:
    """List and level by style, where paragraphs of a style are numbered without saying so themselves."""
    found = {}
    for style in () if tree is None else tree.iter(f"{_W}style"):
        number = _value(style.find(f"{_W}pPr/{_W}numPr/{_W}numId"))
        if number is not None:
            level = _value(style.find(f"{_W}pPr/{_W}numPr/{_W}ilvl")) or "0"
            found[style.get(f"{_W}styleId") or ""] = (number, level)
    return found


def _styles(tree: etree._Element | None) -> dict[str, int]:
    """Level of heading by style; others are left out."""
    levels: dict[str, int] = {}
    for style in () if tree is None else tree.iter(f"{_W}style"):
        name = _value(style.find(f"{_W}name")) or ""
        outline = _value(style.find(f"{_W}pPr/{_W}outlineLvl"))
        found = _HEADING.match(name)
        identifier = style.get(f"{_W}styleId") or ""
        if found:
            levels[identifier] = int(found[1])
        elif name.lower() == "title":
            levels[identifier] = 1
        elif outline is not None and outline.isdigit() and int(outline) < 9:
            levels[identifier] = int(outline) + 1
    return levels


class _Numbering:
    """The label of each numbered paragraph, counted as Word does."""

    def __init__(self, tree: etree._Element | None) -> None:
        self._levels: dict[str, dict[int, tuple[str, str, int]]] = {}
        self._counts: dict[tuple[str, int], int] = {}
        if tree is None:
            return
        abstract = {each.get(f"{_W}abstractNumId"): each for each in tree.iter(f"{_W}abstractNum")}
        for number in tree.iter(f"{_W}num"):
            source = abstract.get(_value(number.find(f"{_W}abstractNumId")))
            if source is not None:
                self._levels[number.get(f"{_W}numId") or ""] = {
                    int(level.get(f"{_W}ilvl") or 0): (
                        _value(level.find(f"{_W}numFmt")) or "decimal",
                        _value(level.find(f"{_W}lvlText")) or "",
                        int(_value(level.find(f"{_W}start")) or 1),
                    )
                    for level in source.iter(f"{_W}lvl")
                    if (level.get(f"{_W}ilvl") or "0").isdigit()
                }

    def label(self, number: str, level: int) -> str:
        """ "1.2 " or "- "; "" where the list shows nothing."""
        levels = self._levels.get(number, {})
        form, text, start = levels.get(level, ("bullet", "", 1))
        if form == "none":
            return ""
        key = (number, level)
        self._counts[key] = self._counts.get(key, start - 1) + 1
        for deeper in range(level + 1, LIST_DEPTH_MAX):
            self._counts.pop((number, deeper), None)
        if form == "bullet" or "%" not in text:
            return "- "
        return _PLACE.sub(lambda found: self._count(number, int(found[1]) - 1, levels), text) + " "

    def _count(self, number: str, level: int, levels: Mapping[int, tuple[str, str, int]]) -> str:
        form, _, start = levels.get(level, ("decimal", "", 1))
        count = self._counts.get((number, level), start)
        if form in ("lowerLetter", "upperLetter"):
            letter = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1)
            return letter if form == "lowerLetter" else letter.upper()
        if form in ("lowerRoman", "upperRoman"):
            return _roman(count).lower() if form == "lowerRoman" else _roman(count)
        return str(count)


_PLACE = re.compile(r"%([1-9])")
_ROMAN = (
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
)


def _roman(number: int) -> str:
    written = []
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        written.append(letters * count)
    return "".join(written)


def _looks(tree: etree._Element | None) -> dict[str, list[etree._Element]]:
    """By style, what it says of whether letters are seen, its own and what it takes from the style it is based on."""
    own = {} if tree is None else {each.get(f"{_W}styleId") or "": each for each in tree.iter(f"{_W}style")}
    return {name: found for name in own if (found := _look(name, own))}


def _look(name: str, own: Mapping[str, etree._Element]) -> list[etree._Element]:
    found: dict[str, etree._Element] = {}
    met: set[str] = set()
    while name in own and name not in met:
        met.add(name)
        for each in own[name].iterfind(f"{_W}rPr/*"):
            if each.tag in _LOOKS:
                found.setdefault(each.tag, each)
        name = _value(own[name].find(f"{_W}basedOn")) or ""
    return list(found.values())


def _write_looks(top: etree._Element, looks: Mapping[str, list[etree._Element]]) -> None:
    """Into each run what its styles say, so that it is looked for in one place."""
    if not looks:
        return
    for run in top.iter(f"{_W}r"):
        paragraph = next(run.iterancestors(f"{_W}p"), None)
        of_run = looks.get(_value(run.find(f"{_W}rPr/{_W}rStyle")) or "", [])
        style = None if paragraph is None else _value(paragraph.find(f"{_W}pPr/{_W}pStyle"))
        for each in (*of_run, *looks.get(style or "", [])):
            about = run.find(f"{_W}rPr")
            if about is None:
                about = etree.SubElement(run, f"{_W}rPr")
            if about.find(each.tag) is None:
                about.append(copy(each))


def _notes(
    tree: etree._Element | None, kind: str, looks: Mapping[str, list[etree._Element]]
) -> dict[str, str]:
    if tree is None:
        return {}
    _write_looks(tree, looks)
    return {
        each.get(f"{_W}id") or "": " ".join(_text(each, {}).split())
        for each in tree.iter(f"{_W}{kind}")
        if each.get(f"{_W}type") is None
    }


# --- the walk


@dataclass
class _Walk:
    """Lines of text as they are met."""

    styles: Mapping[str, int]
    style_numbers: Mapping[str, tuple[str, str]]
    numbering: _Numbering
    notes: Mapping[str, Mapping[str, str]]
    lines: list[str] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    length: int = 0
    hidden_words: int = 0
    struck_words: int = 0

    def blocks(self, top: etree._Element) -> None:
        """Paragraphs and tables below an element, whatever wraps them."""
        for child in top:
            if child.tag in _LEFT_OUT:
                continue
            if child.tag == f"{_W}p":
                self._paragraph(child)
            elif child.tag == f"{_W}tbl":
                self._table(child)
            elif isinstance(child.tag, str) and child.tag != f"{_W}sectPr":
                self.blocks(child)

    def _paragraph(self, paragraph: etree._Element) -> None:
        self._count_unread(paragraph)
        text = " ".join(_text(paragraph, self.notes).replace("\n", " \n").split(" ")).strip()
        level = self._level(paragraph)
        if text:
            label = self._label(paragraph)
            if level:
                self.headings.append(Heading(self.length, level, label + text))
            self._write(label + text)
        for box in _boxes(paragraph):
            self.blocks(box)

    def _level(self, paragraph: etree._Element) -> int:
        style = _value(paragraph.find(f"{_W}pPr/{_W}pStyle"))
        outline = _value(paragraph.find(f"{_W}pPr/{_W}outlineLvl"))
        if outline is not None and outline.isdigit() and int(outline) < 9:
            return int(outline) + 1
        return self.styles.get(style or "", 0)

    def _label(self, paragraph: etree._Element) -> str:
        style = _value(paragraph.find(f"{_W}pPr/{_W}pStyle")) or ""
        of_style = self.style_numbers.get(style, ("0", "0"))
        number = _value(paragraph.find(f"{_W}pPr/{_W}numPr/{_W}numId")) or of_style[0]
        level = _value(paragraph.find(f"{_W}pPr/{_W}numPr/{_W}ilvl")) or of_style[1]
        if number == "0" or not level.isdigit():
            return ""
        return self.numbering.label(number, min(int(level), LIST_DEPTH_MAX - 1))

    def _table(self, table: etree._Element) -> None:
        for row in table.iter(f"{_W}tr"):
            if next(row.iterancestors(f"{_W}tbl")) is not table:
                continue  # of a table in a cell: it is read there
            if row.find(f"{_W}trPr/{_W}del") is not None:
                continue  # deleted, once all changes are accepted
            cells = [
                "\n".join(_Walk(self.styles, self.style_numbers, self.numbering, self.notes)._of(cell))
                for cell in _cells(row)
            ]
            self._count_unread(row)
            if any(cells):
                self._write("\t".join(" ".join(cell.split()) for cell in cells))

    def _of(self, cell: etree._Element) -> list[str]:
        self.blocks(cell)
        return self.lines

    def _count_unread(self, top: etree._Element) -> None:
        for run in top.iter(f"{_W}r"):
            if _is_hidden(run):
                self.hidden_words += _words(run)
            elif _is_struck(run):
                self.struck_words += _words(run)

    def _write(self, line: str) -> None:
        self.lines.append(line)
        self.length += len(line) + 1


def _cells(row: etree._Element) -> Iterator[etree._Element]:
    for cell in row.iter(f"{_W}tc"):
        if next(cell.iterancestors(f"{_W}tr")) is row:
            yield cell


def _text(top: etree._Element, notes: Mapping[str, Mapping[str, str]]) -> str:
    return raised.resolved("".join(_runs(top, notes)))


def _runs(top: etree._Element, notes: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The letters of a paragraph, raised ones behind a mark; text boxes in it stand apart."""
    for child in top:
        name = child.tag
        if (
            not isinstance(name, str)
            or name in _LEFT_OUT | _APART
            or (name == f"{_W}r" and (_is_hidden(child) or _is_struck(child)))
        ):
            continue
        written = _SIGNS.get(name)
        if written is not None:
            yield written
        elif name in (f"{_W}t", f"{formulas.M}t"):
            yield _in_its_font(child)
        elif name == f"{_W}sym":
            yield _symbol(child)
        elif name in formulas.SHAPES:
            yield formulas.in_a_line(child, lambda below: "".join(_runs(below, notes)))
        elif name in _CALLS:
            note = notes.get(_CALLS[name], {}).get(child.get(f"{_W}id") or "")
            yield f" [{note}]" if note else ""
        else:
            if name == f"{_W}r" and _is_raised(child):
                yield raised.MARK
            yield from _runs(child, notes)
            yield "\n" if name == f"{_W}p" else ""


_APART = {f"{_W}txbxContent", f"{_W}pPr"}
_SIGNS = {
    f"{_W}tab": "\t",
    f"{_W}ptab": "\t",
    f"{_W}br": "\n",
    f"{_W}cr": "\n",
    f"{_W}noBreakHyphen": "-",
    f"{_W}softHyphen": "",
}
_CALLS = {f"{_W}footnoteReference": "footnote", f"{_W}endnoteReference": "endnote"}
_SYMBOL = dict(
    zip(
        bytes.fromhex("25 2b 2d 3c 3d 3e 44 61 62 64 67 6d a3 ac ad ae af b0 b1 b3 b4 b7 b8 b9 bb"),
        "%+−<=>Δαβδγµ≤←↑→↓°±≥×•÷≠≈",
        strict=True,
    )
)
_WINGDINGS = dict(zip(bytes.fromhex("6f a7 a8 df e0 e1 e2 fb fc fd fe"), "☐▪☐←→↑↓✗✓☒☑", strict=True))
_FONTS: Mapping[str, Mapping[int, str]] = {"symbol": _SYMBOL, "wingdings": _WINGDINGS}
"""What Word writes in them; what stands in neither is U+FFFD: a sign is not just left out."""


def _in_its_font(letters: etree._Element) -> str:
    """In Symbol the letter m is a µ: what a run in such a font shows is not what stands in the file."""
    fonts = letters.getparent().find(f"{_W}rPr/{_W}rFonts")
    names = () if fonts is None else (fonts.get(f"{_W}ascii"), fonts.get(f"{_W}hAnsi"))
    shown = next((_FONTS[name.lower()] for name in names if name and name.lower() in _FONTS), None)
    text = letters.text or ""
    if shown is None:
        return text
    return "".join(each if each.isspace() else shown.get(ord(each) & 0xFF, "\ufffd") for each in text)


def _symbol(sign: etree._Element) -> str:
    code = re.fullmatch(r"(?:F0|00)?([0-9A-F]{2})", (sign.get(f"{_W}char") or "").upper())
    known = _FONTS.get((sign.get(f"{_W}font") or "").lower(), {})
    return known.get(int(code[1], 16), "\ufffd") if code else "\ufffd"


def _is_raised(run: etree._Element) -> bool:
    height = _value(run.find(f"{_W}rPr/{_W}position")) or "0"
    by_height = height.isdigit() and int(height) > 0
    return by_height or _value(run.find(f"{_W}rPr/{_W}vertAlign")) == "superscript"


def _boxes(paragraph: etree._Element) -> Iterator[etree._Element]:
    """Text boxes that hang on a paragraph; what is in one of them is met there, and a fallback says the same again."""
    for box in paragraph.iter(f"{_W}txbxContent"):
        between = takewhile(lambda each: each is not paragraph, box.iterancestors())
        if not any(each.tag in (_FALLBACK, f"{_W}txbxContent") for each in between):
            yield box


def _is_hidden(run: etree._Element) -> bool:
    if any(_is_on(run.find(f"{_W}rPr/{_W}{name}")) for name in ("vanish", "webHidden")):
        return True
    colour = run.find(f"{_W}rPr/{_W}color")
    size = _value(run.find(f"{_W}rPr/{_W}sz"))
    tiny = size is not None and size.isdigit() and int(size) <= 4  # half points
    return tiny or (
        colour is not None and (colour.get(f"{_W}val") or "").upper() == "FFFFFF" and not _is_shaded(run)
    )


def _is_shaded(run: etree._Element) -> bool:
    """Whether it, its paragraph or its cell has a ground that is not white."""
    if run.find(f"{_W}rPr/{_W}highlight") is not None:
        return True
    for top, name in ((run, "rPr"), *((each, "pPr") for each in run.iterancestors(f"{_W}p"))):
        if _is_filled(top.find(f"{_W}{name}/{_W}shd")):
            return True
    return any(_is_filled(each.find(f"{_W}tcPr/{_W}shd")) for each in run.iterancestors(f"{_W}tc"))


def _is_filled(shading: etree._Element | None) -> bool:
    fill = "" if shading is None else (shading.get(f"{_W}fill") or "").upper()
    return fill not in ("", "AUTO", "FFFFFF")


def _is_struck(run: etree._Element) -> bool:
    return any(_is_on(run.find(f"{_W}rPr/{_W}{name}")) for name in ("strike", "dstrike"))


def _is_on(switch: etree._Element | None) -> bool:
    return switch is not None and (switch.get(f"{_W}val") or "true") not in ("0", "false", "off")


def _words(run: etree._Element) -> int:
    return len("".join(run.itertext(f"{_W}t")).split())


def _value(element: etree._Element | None) -> str | None:
    return None if element is None else element.get(f"{_W}val")


# --- what a reviewer is told


def _findings(body: etree._Element, walk: _Walk, package: zipfile.ZipFile) -> Iterator[DocumentFinding]:
    changes = sum(1 for _ in body.iter(f"{_W}ins", f"{_W}del", f"{_W}moveFrom", f"{_W}moveTo"))
    if changes:
        yield DocumentFinding(
            "tracked-changes",
            f"It has {changes} changes that no one has accepted. It was read as if all were.",
        )
    if walk.struck_words:
        yield DocumentFinding(
            "tracked-changes", f"{walk.struck_words} words are struck through. They were left out."
        )
    if walk.hidden_words:
        yield DocumentFinding("hidden-text", f"{walk.hidden_words} words are not shown. They were left out.")
    names = package.namelist()
    if any(name.endswith("comments.xml") for name in names):
        yield DocumentFinding("annotations", "It has comments. They were not read.")
    embedded = sum("/embeddings/" in name for name in names)
    if embedded:
        yield DocumentFinding("attachments", f"{embedded} files are embedded in it. They were not read.")
    if any(True for _ in body.iter(f"{_W}ffData")):
        yield DocumentFinding("form", "It is a form.")


def _metadata(core: etree._Element | None) -> DocumentMetadata:
    if core is None:
        return DocumentMetadata()

    def said(name: str) -> str:
        return " ".join((core.findtext(name) or "").split())[:300]

    modified = said(f"{_DCTERMS}modified") or said(f"{_DCTERMS}created")
    date = re.match(r"\d{4}-\d{2}-\d{2}", modified)
    found = {
        "title": said(f"{_DC}title"),
        "authors": tuple(filter(None, [said(f"{_DC}creator")])),
        "date": date[0] if date else None,
        "version": said(f"{_CORE}version"),
        "language": said(f"{_DC}language"),
    }
    given = {name: value for name, value in found.items() if value}
    return DocumentMetadata(**given, origins=dict.fromkeys(given, "file"))  # type: ignore[arg-type]
