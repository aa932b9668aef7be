"""The text of an HTML or XHTML fragment, as FHIR narratives and attachments hold it.

Keeps what a reader would see: blocks on lines of their own, table cells apart, list items marked. Drops scripts and
styles. Lays nothing out and runs nothing.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCKS = frozenset(
    (
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "body",
            "br",
            "caption",
            "center",
            "dd",
            "details",
            "div",
            "dl",
        ),
        *(
            "dt",
            "fieldset",
            "figcaption",
            "figure",
            "footer",
            "form",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
        ),
        *(
            "hr",
            "li",
            "main",
            "nav",
            "ol",
            "p",
            "pre",
            "section",
            "table",
            "tbody",
            "tfoot",
            "thead",
            "title",
            "tr",
        ),
        "ul",
    )
)
_PARAGRAPHS = frozenset(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "dl", "blockquote", "section")
)
_HIDDEN = frozenset(("script", "style", "template"))
_BLANKS = re.compile(r"[ \t\r\n\f]+")


def text_of(markup: str) -> str:
    """The visible text. Malformed markup gives what a lenient parser finds; it never raises."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    lines = [line.strip(" ") for line in "".join(reader.pieces).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = 0
        self._preformatted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden += tag in _HIDDEN
        self._preformatted += tag == "pre"
        if tag in _BLOCKS:
            self._line_end(paragraph=tag in _PARAGRAPHS)
        if tag == "li":
            self.pieces.append("- ")
        elif tag in {"td", "th"} and self.pieces and not self.pieces[-1].endswith("\n"):
            self.pieces.append(" | ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        self._preformatted -= tag == "pre" and self._preformatted > 0
        if tag in _BLOCKS and tag != "br":
            self._line_end(paragraph=tag in _PARAGRAPHS)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self._preformatted:
            self.pieces.append(data)
        elif text := _BLANKS.sub(" ", data):
            at_start = not self.pieces or self.pieces[-1].endswith(("\n", " "))
            if text := text.lstrip(" ") if at_start else text:
                self.pieces.append(text)

    def _line_end(self, *, paragraph: bool) -> None:
        """An empty line before and after a paragraph, one line end elsewhere, never more where one is there."""
        before = "".join(self.pieces[-2:])
        if not before:
            return
        wanted = 2 if paragraph else 1
        there = len(before) - len(before.rstrip("\n"))
        if there < wanted:
            self.pieces.append("\n" * (wanted - there))
