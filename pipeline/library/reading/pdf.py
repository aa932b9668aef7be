"""PDF by PDFium: the lines of each page with their places, and what a person does not see of it.

Decides that text which leaves no trace on the page as it is shown is no text: white on white, behind the edge, or too
small to be read. Nor is what is written to be invisible, whatever is seen in its place: that a scanner recognised the
page is no measure of how well. What is left out is told as a finding with its page. Metadata, attachments and locks are
read by pypdf, which also gives a second opinion where PDFium's text looks wrong.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray
from pypdfium2 import raw

from pipeline.errors import UnreadableDocument
from pipeline.library.reading.invisible_letters import is_invisible
from pipeline.library.reading.options import ReadingLimits, too_large
from pipeline.library.reading.page_text import SOFT_HYPHEN, PlacedLine
from pipeline.library.reading.raised import is_raisable, raised
from pipeline.library.records import DocumentFinding

TRACE_LEVELS = 24
"""Grey levels of 255 between the lightest and the darkest pixel of a word that can be seen."""
POINTS_MIN = 2.5
"""Letters that are smaller are for no reader."""
LOOK_DPI = 72
BACK = 0.005
"""Of the page's width."""
GAP_OF_CELLS = 1.5
"""Words of one line that are further apart than so many heights of a line stand in two cells of a table."""
UNKNOWN_SHARE_MAX = 0.05
"""Of a page's characters that the file gives no letter for."""

SMALL = 0.85
RAISED = 0.15
"""A letter so much smaller than the digit before it, and standing so much of that one's height above its foot, is a
power or the number of a footnote."""

HEADER_BYTES = 8192
"""Where the header of a PDF is looked for: gateways and scanners leave something before it."""

_DEVICE = 1_000_000
_LINE_ENDS = {0x0A, 0x0D}
_BREAKS = {0x02, 0xFFFE}
"""How PDFium writes a hyphen at the end of a line, behind which it writes no end of the line."""
_UNKNOWN = {0, 0xFFFD}


@dataclass(frozen=True, slots=True)
class PdfPage:
    """What one page holds."""

    lines: tuple[PlacedLine, ...]
    hidden: int
    """Words that a person does not see, `off_page` aside."""
    off_page: int
    """Words beside the page."""
    unknown_share: float
    """Of its characters, those that the file gives no letter for."""
    has_image: bool
    """Whether something is shown besides text."""


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    is_invisible: bool
    """By the file's own word."""


@dataclass(frozen=True, slots=True)
class _Letter:
    text: str
    box: tuple[float, float, float, float]
    """Left, bottom, right, top in points of the file."""
    height: float
    is_invisible: bool


@contextmanager
def opened(content: bytes) -> Iterator[pdfium.PdfDocument]:
    """Raises UnreadableDocument for what PDFium cannot open, and for what is locked."""
    try:
        document = pdfium.PdfDocument(_from_header(content))
    except pdfium.PdfiumError as error:
        raise _unreadable(error) from None
    try:
        yield document
    finally:
        document.close()


def _from_header(content: bytes) -> bytes:
    """Without what stands before the header."""
    start = content.find(b"%PDF-", 0, HEADER_BYTES)
    return content[start:] if start > 0 else content


def _unreadable(error: pdfium.PdfiumError) -> UnreadableDocument:
    if "password" in str(error).lower():
        return UnreadableDocument(
            "The PDF is locked with a password.",
            remedy="Save it without a password, and upload that.",
            kind="locked",
        )
    return UnreadableDocument(
        "The PDF is damaged or cut off.",
        remedy="Download or export it again. Where a viewer opens it, print it to a new PDF.",
        kind="damaged",
    )


def read_page(document: pdfium.PdfDocument, index: int, limits: ReadingLimits) -> PdfPage:
    """One page, `index` counted from 0. Raises UnreadableDocument where PDFium cannot load it."""
    try:
        page = document[index]
    except pdfium.PdfiumError as error:
        raise _unreadable(error) from None
    text_page = page.get_textpage()
    try:
        if text_page.count_chars() > limits.characters_max:
            raise too_large(f"A page has more than {limits.characters_max:,} characters.")
        words = list(_words(page, text_page))
        shown = _shown(page, limits) if words else None
        visible, hidden, off_page = _divided(words, shown)
        unknown = sum(each in "\ufffd" for line in words for word in line for each in word.text)
        letters = sum(len(word.text) for line in words for word in line)
        return PdfPage(
            tuple(
                _line(line, text)
                for line, text in zip(visible, _texts(visible, page.get_width()), strict=True)
            ),
            hidden,
            off_page,
            unknown / letters if letters else 0.0,
            any(
                each.type in (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_SHADING)
                for each in page.get_objects(max_depth=3)
            ),
        )
    finally:
        text_page.close()
        page.close()


def _words(page: pdfium.PdfPage, text_page: pdfium.PdfTextPage) -> Iterator[list[_Word]]:
    """Line by line, as PDFium orders them."""
    line: list[_Word] = []
    letters: list[_Letter] = []
    place, base, is_invisible = _places(page), None, _invisible(text_page)

    def end_word() -> None:
        if letters:
            line.append(_word(letters, place))
            letters.clear()

    for index in range(text_page.count_chars()):
        code = raw.FPDFText_GetUnicode(text_page, index)
        if code in _LINE_ENDS:
            end_word()
            base = None
            yield from _rows(line)
            line = []
        elif code <= 0x10FFFF and chr(code).isspace():
            end_word()
        elif (letter := _letter(code)) is not None:
            found = _Letter(letter, _box(text_page, index), _height(text_page, index), is_invisible(index))
            letters.append(_as_shown(found, base))
            base = found if letters[-1] is found else base
            if code in _BREAKS:
                end_word()
                yield from _rows(line)
                line = []
    end_word()
    yield from _rows(line)


def _rows(words: Sequence[_Word]) -> Iterator[list[_Word]]:
    """A line that the file gives without an end, in rows: what begins further to the left, and wholly below or above,
    begins another. Words of a line that is turned stand straight below each other."""
    row: list[_Word] = []
    for word in words:
        apart = row and (word.top >= row[-1].bottom or word.bottom <= row[-1].top)
        if apart and word.left < row[-1].left - BACK:
            yield row
            row = []
        row.append(word)
    if row:
        yield row


def _letter(code: int) -> str | None:
    if code in _BREAKS:
        return "-"
    if code in _UNKNOWN or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        return "\ufffd"
    if 0x80 <= code <= 0x9F:  # the file means Windows' code page, and says nothing of it
        return bytes([code]).decode("cp1252", errors="replace")
    letter = chr(code)
    if code <= 0x1F or (is_invisible(letter) and letter != SOFT_HYPHEN):
        return None
    return _LIGATURES.get(letter, letter)


_LIGATURES = {
    "\ufb00": "ff",
    "\ufb01": "fi",
    "\ufb02": "fl",
    "\ufb03": "ffi",
    "\ufb04": "ffl",
    "\ufb05": "st",
    "\ufb06": "st",
}


def _box(text_page: pdfium.PdfTextPage, index: int) -> tuple[float, float, float, float]:
    """Left, bottom, right, top in points of the file."""
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    raw.FPDFText_GetCharBox(text_page, index, left, right, bottom, top)
    return left.value, bottom.value, right.value, top.value


def _places(page: pdfium.PdfPage) -> Callable[[float, float], tuple[float, float]]:
    """From points of the file to shares of the page as it is shown, rotated and cropped."""

    def place(x: float, y: float) -> tuple[float, float]:
        across, down = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(page, 0, 0, _DEVICE, _DEVICE, 0, x, y, across, down)
        return across.value / _DEVICE, down.value / _DEVICE

    return place


def _word(
    letters: Sequence[_Letter],
    place: Callable[[float, float], tuple[float, float]],
) -> _Word:
    boxes = [each.box for each in letters]
    one = place(min(box[0] for box in boxes), min(box[1] for box in boxes))
    other = place(max(box[2] for box in boxes), max(box[3] for box in boxes))
    (left, right), (top, bottom) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    size = max(each.height for each in letters)
    text, is_invisible = "".join(each.text for each in letters), any(each.is_invisible for each in letters)
    return _Word(text, left, top, right, bottom, size, is_invisible)


def _as_shown(letter: _Letter, base: _Letter | None) -> _Letter:
    """A small and raised digit or sign behind a digit is written as such; others are themselves."""
    is_power = (
        base is not None
        and base.text.isdigit()
        and is_raisable(letter.text)
        and letter.height < SMALL * base.height
        and letter.box[1] > base.box[1] + RAISED * base.height
    )
    return replace(letter, text=raised(letter.text)) if is_power else letter


def _invisible(text_page: pdfium.PdfTextPage) -> Callable[[int], bool]:
    """Whether a letter is written so that it is not shown; letters of one run are looked at once."""
    last: tuple[int | None, bool] = (None, False)

    def is_invisible(index: int) -> bool:
        nonlocal last
        run = raw.FPDFText_GetTextObject(text_page, index)
        if not run:
            return False  # a hyphen that PDFium put in
        address = ctypes.addressof(run.contents)
        if address != last[0]:
            last = (address, _is_run_invisible(run))
        return last[1]

    return is_invisible


def _is_run_invisible(run: object) -> bool:
    mode = raw.FPDFTextObj_GetTextRenderMode(run)
    if mode in (raw.FPDF_TEXTRENDERMODE_INVISIBLE, raw.FPDF_TEXTRENDERMODE_CLIP):
        return True
    if mode not in (raw.FPDF_TEXTRENDERMODE_FILL, raw.FPDF_TEXTRENDERMODE_FILL_CLIP):
        return False
    red, green, blue, alpha = (ctypes.c_uint(255) for _ in range(4))
    raw.FPDFPageObj_GetFillColor(run, red, green, blue, alpha)
    return alpha.value < TRACE_LEVELS


def _height(text_page: pdfium.PdfTextPage, index: int) -> float:
    """Of the line that a letter is set in, in points: what the file calls its size may be stretched."""
    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(text_page, index, box)
    return float(max(abs(box.top - box.bottom), abs(box.right - box.left) / 3))


def _shown(page: pdfium.PdfPage, limits: ReadingLimits) -> NDArray[np.uint8] | None:
    """The page in grey levels, shape (rows, columns), a very large one smaller; None where there is none to be drawn:
    nothing on it is seen."""
    area = page.get_width() * page.get_height()
    scale = min(LOOK_DPI / 72, math.sqrt(limits.render_pixels_max / max(area, 1.0)))
    try:
        bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=False)
    except ValueError:
        return None  # a page without a size
    try:
        return np.array(bitmap.to_numpy(), dtype=np.uint8).reshape(bitmap.height, bitmap.width)
    finally:
        bitmap.close()


def _divided(
    lines: Sequence[Sequence[_Word]], shown: NDArray[np.uint8] | None
) -> tuple[list[list[_Word]], int, int]:
    """Lines of words that are seen; how many are not, and how many stand beside the page."""
    visible, hidden, off_page = [], 0, 0
    for line in lines:
        seen = []
        for word in line:
            if word.right <= 0 or word.left >= 1 or word.bottom <= 0 or word.top >= 1:
                off_page += 1
            elif word.is_invisible or shown is None or not _leaves_trace(word, shown):
                hidden += 1
            else:
                seen.append(word)
        if seen:
            visible.append(seen)
    return visible, hidden, off_page


def _leaves_trace(word: _Word, shown: NDArray[np.uint8]) -> bool:
    if word.size < POINTS_MIN:
        return False
    rows, columns = shown.shape
    top, bottom = int(max(word.top, 0) * rows), int(min(word.bottom, 1) * rows) + 1
    left, right = int(max(word.left, 0) * columns), int(min(word.right, 1) * columns) + 1
    region = shown[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
    return bool(region.size) and int(region.max()) - int(region.min()) >= TRACE_LEVELS


def _line(words: Sequence[_Word], text: str) -> PlacedLine:
    left, right = max(min(word.left for word in words), 0.0), min(max(word.right for word in words), 1.0)
    top, bottom = max(min(word.top for word in words), 0.0), min(max(word.bottom for word in words), 1.0)
    return PlacedLine(
        text,
        left,
        top,
        max(right, left + 1e-6),
        max(bottom, top + 1e-6),
        max(word.size for word in words),
    )


def _texts(lines: Sequence[Sequence[_Word]], width: float) -> list[str]:
    """With a tab between the cells of a row, and one more for each cell that is empty: rows below each other have the
    columns of the fullest of them. `width` of the page in points."""
    cells = [_cells(line, width) for line in lines]
    texts: list[str] = []
    for is_table, grouped in itertools.groupby(cells, key=lambda row: len(row) > 1):
        rows = list(grouped)
        columns = max(rows, key=len) if is_table else []
        texts += [_row_text(row, columns) for row in rows]
    return texts


def _cells(words: Sequence[_Word], width: float) -> list[list[_Word]]:
    cells = [[words[0]]]
    for word, after in itertools.pairwise(words):
        if (after.left - word.right) * width > GAP_OF_CELLS * word.size:
            cells.append([])
        cells[-1].append(after)
    return cells


def _row_text(row: Sequence[Sequence[_Word]], columns: Sequence[Sequence[_Word]]) -> str:
    written, place = "", 0
    for number, cell in enumerate(row):
        last = len(columns) - (len(row) - number)
        column = (
            min(range(place, last + 1), key=lambda each: _apart(cell, columns[each])) if len(row) > 1 else 0
        )
        written += "\t" * (column - place + (number > 0)) + " ".join(word.text for word in cell)
        place = column + 1
    return written


def _apart(cell: Sequence[_Word], column: Sequence[_Word]) -> float:
    """How far a cell is from a column: 0 where one stands above the other."""
    left, right = cell[0].left, cell[-1].right
    return max(0.0, column[0].left - right, left - column[-1].right) + 0.01 * abs(left - column[0].left)


def hidden_findings(number: int, page: PdfPage) -> Iterator[DocumentFinding]:
    """What a reviewer must know of a page."""
    if page.hidden:
        yield DocumentFinding(
            "hidden-text",
            f"Page {number} has {page.hidden} words that a reader does not see. They were left out.",
            number,
        )
    if page.off_page:
        yield DocumentFinding(
            "text-off-page",
            f"Page {number} has {page.off_page} words beside the page. They were left out.",
            number,
        )


def page_pixels(page: pdfium.PdfPage, width: int, limits: ReadingLimits, *, grey: bool) -> NDArray[np.uint8]:
    """The page as it is shown, `width` pixels wide: shape (rows, columns) in grey, (rows, columns, 3) in RGB. Raises
    UnreadableDocument where it would be too large."""
    scale = width / max(page.get_width(), 1.0)
    if width * page.get_height() * scale > limits.render_pixels_max:
        raise too_large("The page is too large to be drawn.")
    bitmap = page.render(scale=scale, grayscale=grey, rev_byteorder=True)
    try:
        pixels = np.array(bitmap.to_numpy(), dtype=np.uint8)
        return pixels.reshape(bitmap.height, bitmap.width) if grey else pixels[:, :, :3]
    finally:
        bitmap.close()
