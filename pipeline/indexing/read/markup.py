"""The text of an HTML or XHTML fragment, as FHIR narratives and attachments hold it.

Keeps what a reader would see: blocks on lines of their own, table cells apart, list items marked. Drops scripts and
styles. Lays nothing out and runs nothing. Takes time in proportion to the length, whatever the markup is: html.parser
of Python 3.11.7 was measured at 156 s for 150 KB of unclosed tags, and raises on `<![`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

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


_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<!\[CDATA\[(?P<literal>.*?)(?:\]\]>|\Z)"
    r"|<(?P<end>/?)(?P<tag>[a-zA-Z][a-zA-Z0-9:]*)(?:[\s/][^<>]*)?>"
    r"|<[!?][^<>]*>",
    re.DOTALL,
)
"""No tag reaches over a "<", so that what is left unclosed costs no second look. A lone "<" is text."""


def text_of(markup: str) -> str:
    """The visible text. Malformed markup gives what a lenient reader finds; it never raises."""
    page = _Page()
    hidden = ""
    preformatted = 0
    for text, tag, end in _tokens(markup):
        if hidden:
            hidden = "" if end and tag == hidden else hidden
            continue
        page.write(text, preformatted=preformatted > 0)
        if tag in _HIDDEN and not end:
            hidden = tag
        if tag == "pre":
            preformatted = max(0, preformatted + (-1 if end else 1))
        page.tag(tag, end=end)
    lines = [line.strip(" ") for line in "".join(page.pieces).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _tokens(markup: str) -> Iterator[tuple[str, str, bool]]:
    """Text, the tag after it in lower case ("" for none), and whether it is an end tag."""
    done = 0
    for token in _TOKEN.finditer(markup):
        yield html.unescape(markup[done : token.start()]) + (token["literal"] or ""), *_tag(token)
        done = token.end()
    yield html.unescape(markup[done:]), "", False


def _tag(token: re.Match[str]) -> tuple[str, bool]:
    name = (token["tag"] or "").lower().rpartition(":")[2]
    return name, bool(token["end"])


class _Page:
    """The text so far, with no more line ends and blanks than a reader would see."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    def write(self, text: str, *, preformatted: bool) -> None:
        if not preformatted:
            text = _BLANKS.sub(" ", text)
            if not self.pieces or self.pieces[-1].endswith(("\n", " ")):
                text = text.lstrip(" ")
        if text:
            self.pieces.append(text)

    def tag(self, name: str, *, end: bool) -> None:
        if name in _BLOCKS:
            self._line_end(paragraph=name in _PARAGRAPHS)
        if end:
            return
        if name == "li":
            self.pieces.append("- ")
        elif name in {"td", "th"} and self.pieces and not self.pieces[-1].endswith("\n"):
            self.pieces.append(" | ")

    def _line_end(self, *, paragraph: bool) -> None:
        """An empty line before and after a paragraph, one line end elsewhere, never more where one is there."""
        before = "".join(self.pieces[-2:])
        if not before:
            return
        wanted = 2 if paragraph else 1
        there = len(before) - len(before.rstrip("\n"))
        if there < wanted:
            self.pieces.append("\n" * (wanted - there))
