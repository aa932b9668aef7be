"""The text of a CDA narrative block, as a style sheet would show it.

Keeps lines, lists, tables and the captions of what is no text. What was deleted or struck through in the document is
left out and counted: it stands there to show that it no longer holds. A raised figure is never put behind another
one: 10 with a raised 9 is "10^9". Refuses to know sections and documents.
Elements: CDA R2 4.3.5, https://hl7.org/cda/stds/core/narrative.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pipeline.readers.plain_text.html import heading, tidy

Element: TypeAlias = Any
"""An element of lxml, which has no types."""

_BLOCKS = frozenset(
    (
        *(
            "paragraph",
            "p",
            "div",
            "caption",
            "text",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "blockquote",
            "pre",
        ),
        *("dl", "dt", "dd", "section", "article", "hr", "address", "center"),
    )
)
_STRUCK = frozenset(("del", "s", "strike"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_HIDDEN = frozenset(("script", "style", "template", "col", "colgroup", "footnoteref"))
_PARAGRAPHS = frozenset(("paragraph", "p", "blockquote"))
_BLANKS = re.compile(r"[ \t\r\n\f\v]+")
_LINES_IN_CELL = re.compile(r"(?<=[.;:,!?]) *\n+ *| *\n+ *")

SPAN_MAX = 500
"""Rows or columns that one cell reaches over; more is a slip."""

REPEATED_CHARACTERS_MAX = 200_000
"""Of cells that reach over several rows, in one document: a small file must not become a big text."""


@dataclass(slots=True)
class Narrative:
    """What was found in the blocks of one document."""

    struck: int = 0
    """Passages that the document shows as deleted."""
    images: int = 0
    _cells_open: int = 0
    _repeated: int = 0

    def text_of(self, block: Element) -> str:
        """The visible text of a block; "" where there is none."""
        if len(block) == 0:  # no markup at all: line ends are the only layout there is
            return tidy((block.text or "").strip("\n"))
        page = _NarrativePage()
        self._inside(block, page)
        return tidy("".join(page.pieces))

    def _inside(self, element: Element, page: _NarrativePage) -> None:
        page.write(element.text)
        for child in element:
            self._element(child, page)
            page.write(child.tail)

    def _element(self, element: Element, page: _NarrativePage) -> None:
        if not isinstance(element.tag, str):  # a comment, a processing instruction
            return
        name = _name_of(element)
        if _is_struck(element, name):
            self.struck += 1
        elif name in _HIDDEN:
            return
        elif name == "table":
            page.block(self._table(element))
        elif name in {"list", "ul", "ol"}:
            page.block(self._list(element, ordered=name == "ol" or element.get("listType") == "ordered"))
        elif name in _HEADINGS and not self._cells_open:
            page.block(heading(self._flat(element)))
        elif name == "caption" and _name_of(element.getparent()) in {"item", "li"}:
            page.write(f"{self._flat(element)}: ")
        elif name in _BLOCKS:
            page.block_end(empty_line=name in _PARAGRAPHS)
            self._inside(element, page)
            page.block_end(empty_line=name in _PARAGRAPHS)
        else:
            self._inline(element, name, page)

    def _inline(self, element: Element, name: str, page: _NarrativePage) -> None:
        if name == "br":
            page.line_end()
        elif name == "footnote":
            page.write(f" [{self._flat(element)}]")
        elif name == "sup":
            page.raised(self._flat(element))
        else:
            self.images += name == "rendermultimedia"
            self._inside(element, page)

    def _list(self, element: Element, *, ordered: bool) -> str:
        lines: list[str] = []
        number = 0
        for child in element:
            if not isinstance(child.tag, str):
                continue
            name = _name_of(child)
            if _is_struck(child, name):
                self.struck += 1
                continue
            text = self._part(child)
            if name in {"item", "li"} and text:
                number += 1
                mark = f"{number}. " if ordered else "" if self._cells_open else "- "
                text = f"{mark}{text}"
            lines += [text] if text else []
        return "\n".join(lines)

    def _table(self, table: Element) -> str:
        lines: list[str] = []
        spans: dict[int, tuple[int, str]] = {}
        for row in _rows(table):
            name = _name_of(row)
            if _is_struck(row, name):
                self.struck += 1
            elif name == "tr":
                cells = self._cells(row, spans)
                while cells and not cells[-1]:
                    cells.pop()
                lines += [" | ".join(cells)] if cells else []
            else:
                lines += [self._part(row)]
        return "\n".join(filter(None, lines))

    def _cells(self, row: Element, spans: dict[int, tuple[int, str]]) -> list[str]:
        """The cells of a row. One that reaches over several rows or columns stands in each row, so that every value
        keeps its column."""
        cells: list[str] = []
        for cell in row:
            if not isinstance(cell.tag, str):
                continue
            self._spanned(cells, spans)
            self._cells_open += 1
            text = _LINES_IN_CELL.sub(_joint, self._part(cell))
            self._cells_open -= 1
            rows = _span(cell.get("rowspan"))
            for _ in range(_span(cell.get("colspan"))):
                if rows > 1:
                    spans[len(cells)] = (rows - 1, text)
                cells.append(text)
                text = ""
        self._spanned(cells, spans)
        return cells

    def _spanned(self, cells: list[str], spans: dict[int, tuple[int, str]]) -> None:
        """Puts in the cells that begin in an earlier row and reach into this one at the place where it stands."""
        while len(cells) in spans:
            rows, text = spans.pop(len(cells))
            if rows > 1:
                spans[len(cells)] = (rows - 1, text)
            self._repeated += len(text) + 3
            cells.append(text if self._repeated <= REPEATED_CHARACTERS_MAX else "")

    def _part(self, element: Element) -> str:
        """A list item, a cell or a caption: a text of its own."""
        page = _NarrativePage()
        if _is_struck(element, ""):
            self.struck += 1
        else:
            self._inside(element, page)
        return tidy("".join(page.pieces))

    def _flat(self, element: Element) -> str:
        return " ".join(self._part(element).split())


def _name_of(element: Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _rows(table: Element) -> Iterator[Element]:
    """Captions and rows in the order of the page, whatever groups them."""
    for child in table:
        if not isinstance(child.tag, str):
            continue
        name = _name_of(child)
        if name in {"thead", "tbody", "tfoot"}:
            yield from _rows(child)
        elif name in {"tr", "caption"}:
            yield child


def _span(value: str | None) -> int:
    text = (value or "1").strip()
    return min(max(int(text), 1), SPAN_MAX) if text.isascii() and text.isdecimal() and len(text) < 6 else 1


def _joint(found: re.Match[str]) -> str:
    return " " if found.string[: found.start()].endswith((".", ";", ":", ",", "!", "?")) else "; "


def _is_struck(element: Element, name: str) -> bool:
    style = (element.get("styleCode") or "") + (element.get("style") or "")
    return (
        name in _STRUCK
        or element.get("revised") == "delete"
        or "strike" in style.lower()
        or ("line-through" in style.lower())
    )


@dataclass(slots=True)
class _NarrativePage:
    """The text so far, with no more blanks and line ends than a reader would see."""

    pieces: list[str] = field(default_factory=list)

    def write(self, text: str | None) -> None:
        if not text:
            return
        text = _BLANKS.sub(" ", text)
        if not self.pieces or self.pieces[-1].endswith(("\n", " ")):
            text = text.lstrip(" ")
        if text:
            self.pieces.append(text)

    def raised(self, text: str) -> None:
        if text[:1].isdecimal() and self.pieces and self.pieces[-1][-1:].isdecimal():
            text = f"^{text}"
        self.write(text)

    def line_end(self) -> None:
        self.pieces.append("\n")

    def block_end(self, *, empty_line: bool = False) -> None:
        if not self.pieces:
            return
        last = self.pieces[-1]
        there = 2 if last.endswith("\n\n") else 1 if last.endswith("\n") else 0
        if there == 1 and last == "\n" and len(self.pieces) > 1 and self.pieces[-2].endswith("\n"):
            there = 2
        wanted = 2 if empty_line else 1
        if there < wanted:
            self.pieces.append("\n" * (wanted - there))

    def block(self, text: str) -> None:
        """Lines of their own, with nothing of them lost."""
        if text:
            self.block_end()
            self.pieces += [text, "\n"]
