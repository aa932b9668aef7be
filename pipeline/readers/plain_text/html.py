"""The text of an HTML or XHTML fragment, as FHIR narratives and attachments hold it.

Keeps what a reader would see: titles as headings that the chunker knows, blocks on lines of their own, a table's row
as one line with its cells apart, list items marked. Drops scripts, styles, what is hidden and what is struck out. Runs
nothing. Takes time in proportion to the length, whatever the markup is: html.parser of Python 3.11.7 was measured at
156 s for 150 KB of unclosed tags, and raises on `<![`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from pipeline.text.html_elements import HTML_BLOCKS
from pipeline.text.section_titles import heading_of

_PARAGRAPHS = frozenset(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "dl", "blockquote", "section")
)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_TABLE_PARTS = frozenset(("table", "thead", "tbody", "tfoot", "tr", "td", "th"))
_CELLS = frozenset(("td", "th"))
_RAISED = {"sup": "^", "sub": "_"}
_VOID = frozenset(("br", "col", "hr", "img", "input", "link", "meta", "wbr"))
_UNSEEN = frozenset(("script", "style", "template", "del", "s", "strike"))
"""Struck out is taken back: it must not be read as if it stood."""
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|line-through|(?:^|\s)hidden(?:[\s=/]|$)", re.IGNORECASE
)
_SPAN = re.compile(r"\b(row|col)span\s*=\s*[\"']?(\d{1,3})(?!\d)", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_STATEMENT = re.compile(r"[.!;]$|:\s*\S")
"""Large letters are not always a title: "No fever.", "Weight: 81 kg"."""
_LONG_NUMBER = re.compile(r"&#([0-9]{8,});?")

TABLES_MAX = 20
"""Tables inside tables that are laid out; below that their cells are blocks."""
SPAN_MAX = 20
REACHING_MAX = 20
"""Cells of a row that are repeated in the rows they reach down to, in at most SPAN_MAX of them."""
CELL_CHARACTERS_MAX = 400
"""A longer cell of several lines is a column of the page, not a value of a table."""

_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<!\[CDATA\[(?P<literal>.*?)(?:\]\]>|\Z)"
    r"|<(?P<end>/?)(?P<tag>[a-zA-Z][a-zA-Z0-9:]*)(?P<more>[\s/][^<>]*)?>"
    r"|<[!?][^<>]*>",
    re.DOTALL,
)
"""No tag reaches over a "<", so that what is left unclosed costs no second look. A lone "<" is text."""


def heading(title: str) -> str:
    """A title as a line by itself that the chunker takes for a heading: "Plan:", or "## 1. Plan" where it would not
    know it with a colon. A title that is too long for either stays a line of text."""
    title = " ".join(title.split())
    plain = title.rstrip(" :")
    for line in (f"{plain}:", f"## {plain}"):
        if plain and heading_of(line) == plain:
            return line
    return title


def text_of(markup: str) -> str:
    """The visible text. Malformed markup gives what a lenient reader finds; it never raises."""
    page = _HtmlPage()
    preformatted = 0
    for text, tag, end, more in _seen(markup):
        page.write(text, preformatted=preformatted > 0)
        if tag == "pre":
            preformatted = max(0, preformatted + (-1 if end else 1))
        page.tag(tag, more, end=end)
    return page.text()


def _seen(markup: str) -> Iterator[tuple[str, str, bool, str]]:
    """Text, the tag after it in lower case ("" for none), whether it is an end tag, and its attributes; without what
    no reader sees. What is never shown again after that is a slip of the markup: it stays."""
    hidden, depth, done = "", 0, 0
    last: dict[str, int] = {}
    for token in _TOKEN.finditer(markup):
        start, end, more = token.start(), token["end"] == "/", token["more"] or ""
        tag = (token["tag"] or "").lower().rpartition(":")[2]
        if hidden and start <= last[hidden]:
            if tag == hidden and not more.endswith("/"):
                depth += -1 if end else 1
                hidden = hidden if depth else ""
            done = token.end()
            continue
        hidden = ""
        text = _unescaped(markup[done:start]) if start > done else ""
        literal = token["literal"]
        yield text + literal if literal else text, tag, end, more
        done = token.end()
        if not end and (tag in _UNSEEN or (more and _HIDING.search(more) and tag not in _VOID)):
            if tag not in last:
                last[tag] = _last_end(markup, tag)
            if last[tag] > start and not more.endswith("/"):
                hidden, depth = tag, 1
    yield _unescaped(markup[done:]), "", False, ""


def tidy(text: str) -> str:
    """Without blanks around its lines, and with one empty line at most between two."""
    if "\n" not in text:
        return text.strip(" ")
    lines = [line.strip(" ") for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _last_end(markup: str, tag: str) -> int:
    at = -1
    for found in re.finditer(rf"</(?:[a-z0-9]+:)?{tag}\b", markup, re.IGNORECASE):
        at = found.start()
    return at


def _unescaped(text: str) -> str:
    """Character references as characters. Python turns no number of more than 4,300 digits into an integer."""
    if "&" not in text:
        return text
    if "&#" in text:
        text = _LONG_NUMBER.sub(_short_number, text)
    return html.unescape(text)


def _short_number(found: re.Match[str]) -> str:
    digits = found[1].lstrip("0") or "0"
    return f"&#{digits};" if len(digits) < 8 else "\ufffd"


class _Block:
    """The text of a page or of a table's cell so far, with no more line ends and blanks than a reader would see."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.columns = False
        """Holds headings or tables of its own: a cell that only lays out the page."""
        self.title_at: int | None = None
        self.term = False
        self.spans = (1, 1)

    def text(self) -> str:
        return tidy("".join(self.pieces))

    def line_end(self, *, paragraph: bool = False) -> None:
        """An empty line before and after a paragraph, one line end elsewhere, never more where one is there."""
        before = "".join(self.pieces[-2:])
        if not before:
            return
        wanted = 2 if paragraph else 1
        there = len(before) - len(before.rstrip("\n"))
        if there < wanted:
            self.pieces.append("\n" * (wanted - there))

    def title_ends(self) -> None:
        if self.title_at is not None:
            title = " ".join("".join(self.pieces[self.title_at :]).split())
            says_more = _STATEMENT.search(title)
            self.pieces[self.title_at :] = [title if says_more else heading(title)] if title else []
        self.title_at = None

    def definition(self) -> bool:
        """Whether what comes is said of the term before it: "Sodium: 138"."""
        while self.term and self.pieces and self.pieces[-1].isspace():
            self.pieces.pop()
        if not self.term or not self.pieces:
            return False
        self.pieces.append(" " if self.pieces[-1].rstrip().endswith(":") else ": ")
        return True


class _Table:
    """One table: the cells of its open row, and what reaches down from rows above."""

    def __init__(self) -> None:
        self.row: list[_Block] | None = None
        self.cell_open = False
        self.reaching: dict[int, tuple[int, str]] = {}

    def line(self) -> str:
        """The open row as one line, cells apart; as lines where they are columns of the page."""
        cells = self.row or []
        texts = [cell.text() for cell in cells]
        if len(cells) + len(self.reaching) > 1 and not any(
            cell.columns or ("\n" in text and len(text) > CELL_CHARACTERS_MAX)
            for cell, text in zip(cells, texts, strict=True)
        ):
            return self._in_columns(cells, [_one_line(text) for text in texts])
        self.reaching.clear()
        return "\n\n".join(filter(None, texts))

    def _in_columns(self, cells: list[_Block], texts: list[str]) -> str:
        placed: list[str] = []
        for cell, text in zip(cells, texts, strict=True):
            self._reached(placed)
            wide, deep = cell.spans
            if deep > 1 and len(self.reaching) < REACHING_MAX:
                self.reaching[len(placed)] = (deep - 1, text if len(text) <= CELL_CHARACTERS_MAX else "")
            placed += [text, *[""] * (wide - 1)]
        self._reached(placed)
        return " | ".join(placed) if any(placed) else ""

    def _reached(self, placed: list[str]) -> None:
        while reached := self.reaching.pop(len(placed), None):
            rows, text = reached
            if rows > 1:
                self.reaching[len(placed)] = (rows - 1, text)
            placed.append(text)


def _one_line(text: str) -> str:
    if "\n" not in text:
        return text.removeprefix("- ")
    lines = [line for line in text.split("\n") if line]
    items = [line.removeprefix("- ") for line in lines]
    return ("; " if items != lines else " ").join(items)


class _HtmlPage:
    """What is written where: the page itself, or the cell of a table that is open."""

    def __init__(self) -> None:
        self.blocks = [_Block()]
        self.tables: list[_Table] = []
        self.raised = ""

    def write(self, text: str, *, preformatted: bool) -> None:
        if not text:
            return
        pieces = self.blocks[-1].pieces
        if not preformatted:
            text = _BLANKS.sub(" ", text)
            if not pieces or pieces[-1].endswith(("\n", " ")):
                text = text.lstrip(" ")
        if not text:
            return
        if self.raised and text[0] in "0123456789+-−" and pieces and pieces[-1][-1:].isdigit():
            pieces.append(self.raised)  # 10 to the 9th is not 109
        self.raised = ""
        pieces.append(text)

    def tag(self, name: str, more: str, *, end: bool) -> None:
        if name not in HTML_BLOCKS and name not in _CELLS:
            self.raised = _RAISED.get(name, "") if not end else ""
            return
        self.raised = ""
        if name in _TABLE_PARTS and self._in_table(name, more, end=end):
            return
        block = self.blocks[-1]
        if name in _HEADINGS:
            self._title(block, end=end)
        elif name == "dd" and not end and block.definition():
            pass
        elif name in HTML_BLOCKS and not (name == "dt" and end):
            block.line_end(paragraph=name in _PARAGRAPHS)
        if name in HTML_BLOCKS:
            block.term = name == "dt"
        if name == "li" and not end:
            block.pieces.append("- ")
        elif name in _CELLS and not end and block.pieces and not block.pieces[-1].endswith("\n"):
            block.pieces.append(" | ")  # of no table

    def _title(self, block: _Block, *, end: bool) -> None:
        block.columns = True
        if end:
            block.title_ends()
        block.line_end(paragraph=True)
        block.title_at = None if end else len(block.pieces)

    def _in_table(self, name: str, more: str, *, end: bool) -> bool:
        """Whether the tag was one of a table that is laid out."""
        if name == "table":
            return self._table(end=end)
        if not self.tables:
            return False
        if name in _CELLS:
            self._cell_ends()
            if not end:
                self._cell(more)
        else:
            self._row_ends()
        return True

    def _table(self, *, end: bool) -> bool:
        if end:
            if not self.tables:
                return False
            self._row_ends()
            self.tables.pop()
        elif len(self.tables) == TABLES_MAX:
            return False
        else:
            self.blocks[-1].columns = True
        self.blocks[-1].line_end(paragraph=True)
        if not end:
            self.tables.append(_Table())
        return True

    def _cell(self, more: str) -> None:
        table = self.tables[-1]
        cell = _Block()
        if more:
            spans = {which.lower(): min(int(number), SPAN_MAX) or 1 for which, number in _SPAN.findall(more)}
            cell.spans = (spans.get("col", 1), spans.get("row", 1))
        if table.row is None:
            table.row = []
        table.row.append(cell)
        table.cell_open = True
        self.blocks.append(cell)

    def _cell_ends(self) -> None:
        table = self.tables[-1]
        if table.cell_open:
            self.blocks.pop()
            table.cell_open = False

    def _row_ends(self) -> None:
        table = self.tables[-1]
        self._cell_ends()
        if table.row is not None:
            line, table.row = table.line(), None
            if line:
                self.blocks[-1].line_end()
                self.blocks[-1].pieces += [line, "\n"]

    def text(self) -> str:
        while self.tables:
            self._table(end=True)
        return self.blocks[0].text()
