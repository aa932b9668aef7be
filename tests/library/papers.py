"""Small PDF and DOCX files, made letter by letter, so that a test says itself what is on the page."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

WIDTH, HEIGHT = 595, 842  # A4, in points


@dataclass(frozen=True)
class Set:
    """One line as it is set: `y` from the bottom of the page, in points."""

    text: str
    x: float = 72
    y: float = 700
    size: float = 11
    colour: str = "0 0 0"
    mode: int = 0
    """3: invisible."""


def column(text: str, x: float = 72, y: float = 700, size: float = 11, leading: float = 14) -> list[Set]:
    """Lines below each other."""
    return [Set(line, x, y - number * leading, size) for number, line in enumerate(text.split("\n"))]


def pdf(*pages: list[Set], title: str = "", rotate: int = 0) -> bytes:
    """A PDF with these lines on its pages, in Helvetica."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    kids = []
    for lines in pages:
        content = b"\n".join(_line(line) for line in lines)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Rotate %d /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (WIDTH, HEIGHT, rotate, len(objects))
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    objects.append(
        b"<< /Title (%s) /Author (Pain Service) /ModDate (D:20240317120000Z) >>" % title.encode("cp1252")
    )
    return _file(objects)


def _line(line: Set) -> bytes:
    text = line.text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"BT %s rg %d Tr /F1 %g Tf %g %g Td (%s) Tj ET" % (
        line.colour.encode(),
        line.mode,
        line.size,
        line.x,
        line.y,
        text,
    )


def _file(objects: list[bytes]) -> bytes:
    written, places = io.BytesIO(), []
    written.write(b"%PDF-1.4\n")
    for number, content in enumerate(objects, start=1):
        places.append(written.tell())
        written.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = written.tell()
    written.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    written.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    written.write(
        b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, len(objects), start)
    )
    return written.getvalue()


_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)


def docx(body: str, *, before: str = "", **parts: str) -> bytes:
    """A DOCX with this body; `parts` by name below `word/`, without ".xml"."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", _TYPES)
        package.writestr(
            "word/document.xml", f"{before}<w:document {_W}><w:body>{body}</w:body></w:document>"
        )
        for name, content in parts.items():
            package.writestr(f"word/{name}.xml", content.replace(">", f" {_W}>", 1))
    return written.getvalue()


def p(text: str, *, style: str = "", run: str = "") -> str:
    """One paragraph."""
    about = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{about}<w:r><w:rPr>{run}</w:rPr><w:t>{text}</w:t></w:r></w:p>"
