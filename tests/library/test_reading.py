"""Documents read: what a person sees of a page, in the order in which it is read, with its place."""

import io
import re
import zipfile
from pathlib import Path

import pypdf
import pypdfium2
import pytest

from pipeline.errors import UnreadableDocument
from pipeline.library.reading import ocr
from pipeline.library.reading.options import DocumentReadingOptions, ReadingLimits
from pipeline.library.reading.reader import format_of, read_document
from pipeline.library.records import LibraryDocument
from tests.library.papers import Set, column, docx, p, pdf

WITHOUT_OCR = DocumentReadingOptions(recognise_text=False)


def read(
    tmp_path: Path, content: bytes, name: str = "a.pdf", limits: ReadingLimits | None = None
) -> LibraryDocument:
    path = tmp_path / name
    path.write_bytes(content)
    return read_document(path, DocumentReadingOptions(limits or ReadingLimits(), recognise_text=False))


def text_of(document: LibraryDocument) -> str:
    return "\n".join(page.text for page in document.pages)


LONG = "Give ketamine slowly and watch the breathing of the patient"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (column(f"{LONG}\nfor an hour after the dose."), f"{LONG} for an hour after the dose."),
        (
            column(f"{LONG} after the ad-\nministration of the dose of it."),
            f"{LONG} after the administration of the dose of it.",
        ),
        (
            column(
                "Long-term use and long-term harm are known to us.\nSide effects of a long-\nterm treatment are many."
            ),
            "Long-term use and long-term harm are known to us. Side effects of a long-term treatment are many.",
        ),
        (
            column(f"{LONG} of the anti-\nIgE antibody that is given to them."),
            f"{LONG} of the anti-IgE antibody that is given to them.",
        ),
        (
            column("1. Give 10 mg of it to the patient who is in pain.\n2. Wait."),
            "1. Give 10 mg of it to the patient who is in pain.\n2. Wait.",
        ),
        ([Set("Dose", 72), Set("10 mg", 300)], "Dose\t10 mg"),
        ([*column("Pain\n", size=20), *column(LONG, y=660)], f"Pain\n{LONG}"),
        (
            [
                *column("The left column is read\nfirst, and it goes on to", 72),
                *column("the right one, where it\nends.", 320),
            ],
            "The left column is read first, and it goes on to the right one, where it ends.",
        ),
        ([Set("naïve – 5 µg “dose” ½")], "naïve – 5 µg “dose” ½"),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, str) else None,
)
def test_lines_of_a_page_become_text(tmp_path: Path, lines: list[Set], text: str) -> None:
    assert text_of(read(tmp_path, pdf(lines))) == text


@pytest.mark.parametrize(
    ("hidden", "code"),
    [
        (Set("Give 500 mg", y=600, colour="1 1 1"), "hidden-text"),
        (Set("Give 500 mg", y=600, mode=3), "hidden-text"),
        (Set("Give 500 mg", y=600, size=0.8), "hidden-text"),
        (Set("Give 500 mg", y=600, colour=".97 .97 .97"), "hidden-text"),
        (Set("Give 500 mg", x=-300, y=600), "text-off-page"),
        (Set("Give 500 mg", y=2000), "text-off-page"),
        (Set("Give 500 mg", mode=3), "hidden-text"),
    ],
    ids=["white", "invisible", "tiny", "faint", "left of the page", "above the page", "under what is seen"],
)
def test_what_no_one_sees_is_no_text_and_is_told(tmp_path: Path, hidden: Set, code: str) -> None:
    document = read(tmp_path, pdf([Set(LONG), hidden]))
    assert text_of(document) == LONG
    (finding,) = document.findings
    assert (finding.code, finding.page) == (code, 1)
    assert "3 words" in finding.what
    assert "500" not in finding.what


@pytest.mark.parametrize(
    ("size", "rise", "text"),
    [(7, 4, "50 x 10 ⁹ /L"), (11, 0, "50 x 10 9 /L"), (7, -2, "50 x 10 9 /L")],
    ids=["power", "same line", "index"],
)
def test_a_power_is_no_digit_of_its_number(tmp_path: Path, size: float, rise: float, text: str) -> None:
    lines = [Set("50 x 10"), Set("9", x=112, y=700 + rise, size=size), Set("/L", x=121)]
    assert text_of(read(tmp_path, pdf(lines))).replace("10⁹", "10 ⁹") == text


def test_doses_in_the_margin_are_no_page_numbers(tmp_path: Path) -> None:
    pages = [
        [Set(f"Give {dose} mg", y=800), Set("Slowly."), Set(f"- {number} of 9 -", y=30)]
        for number, dose in enumerate((5, 10, 50, 7), start=4)
    ]
    assert [page.text for page in read(tmp_path, pdf(*pages)).pages] == [
        f"Give {dose} mg\nSlowly." for dose in (5, 10, 50, 7)
    ]


def test_grey_and_white_on_black_are_seen(tmp_path: Path) -> None:
    grey = Set("Give 50 mg", colour=".6 .6 .6")
    assert text_of(read(tmp_path, pdf([grey]))) == "Give 50 mg"


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_each_line_has_its_place_as_the_page_is_shown(tmp_path: Path, rotate: int) -> None:
    document = read(tmp_path, pdf([Set("First line", y=770), Set("Second", y=100)], rotate=rotate))
    (page,) = document.pages
    said = {page.text[box.start : box.end]: box for box in page.boxes}
    first = said["First line"]
    across, down = (first.left + first.right) / 2, (first.top + first.bottom) / 2
    near_top = {0: down, 90: 1 - across, 180: 1 - down, 270: across}[rotate]
    assert near_top == pytest.approx(1 - 774 / 842, abs=0.01)
    for box in page.boxes:
        assert 0 <= box.left < box.right <= 1
        assert 0 <= box.top < box.bottom <= 1


def test_boxes_cover_the_text_line_by_line(tmp_path: Path) -> None:
    document = read(
        tmp_path, pdf(column(f"{LONG} after the ad-\nministration of the dose of it.\nThen wait."))
    )
    (page,) = document.pages
    assert [page.text[box.start : box.end] for box in page.boxes] == [
        f"{LONG} after the ad",
        "ministration of the dose of it.",
        "Then wait.",
    ]


def test_running_heads_and_numbers_of_pages_are_left_out(tmp_path: Path) -> None:
    pages = [
        [
            Set("Pain guideline - version 3", y=800),
            Set(f"Text of page {word}."),
            Set(f"Page {number} of 4", y=30),
        ]
        for number, word in enumerate(("one", "two", "three", "four"), start=1)
    ]
    document = read(tmp_path, pdf(*pages))
    assert [page.text for page in document.pages] == [
        f"Text of page {word}." for word in ("one", "two", "three", "four")
    ]


def test_a_line_that_stands_once_in_the_margin_stays(tmp_path: Path) -> None:
    pages = [
        [Set(f"{word} is said here", y=800), Set("The same text.")] for word in ("Warning", "Nothing", "Much")
    ]
    assert "Warning is said here" in text_of(read(tmp_path, pdf(*pages)))


def test_headings_are_larger_than_the_body(tmp_path: Path) -> None:
    document = read(
        tmp_path,
        pdf([Set("Ketamine", y=760, size=22), Set("Dose", y=730, size=15), *column(f"{LONG}\n" * 4)]),
    )
    (page,) = document.pages
    assert [
        (each.level, each.text, page.text[each.start :].startswith(each.text)) for each in page.headings
    ] == [
        (1, "Ketamine", True),
        (2, "Dose", True),
    ]


def test_metadata_of_a_pdf(tmp_path: Path) -> None:
    metadata = read(tmp_path, pdf([Set(LONG)], title="Ketamine in pain")).metadata
    assert (metadata.title, metadata.authors, metadata.date) == (
        "Ketamine in pain",
        ("Pain Service",),
        "2024-03-17",
    )
    assert read(tmp_path, pdf([Set(LONG)], title="Microsoft Word - draft.doc")).metadata.title == ""


def test_what_stands_before_the_header_does_not_matter(tmp_path: Path) -> None:
    assert text_of(read(tmp_path, b"\r\n--boundary 17\r\n" * 100 + pdf([Set(LONG)]))) == LONG


def test_a_page_without_text_is_an_image_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument) as refused:
        read(tmp_path, pdf([]))
    assert refused.value.kind == "no-text"


@pytest.mark.skipif(not ocr.is_there(), reason="tesseract is not installed here")
@pytest.mark.long
def test_a_scan_is_recognised_with_places(tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(
        _scan(
            tmp_path,
            pdf([Set("Give ketamine slowly.", size=16), Set("Watch the breathing.", y=300, size=16)]),
        )
    )
    (page,) = read_document(path, DocumentReadingOptions()).pages
    assert page.text == "Give ketamine slowly.\nWatch the breathing."
    assert page.ocr_confidence is not None
    assert page.ocr_confidence > 0.7
    assert page.boxes[1].top == pytest.approx(1 - 312 / 842, abs=0.02)
    unread = read_document(path, WITHOUT_OCR)
    assert unread.pages[0].is_image
    assert [each.code for each in unread.findings] == ["page-is-image"]


def test_an_invisible_text_over_a_scan_is_not_believed(tmp_path: Path) -> None:
    seen = _scan(tmp_path, pdf([Set("Give 50 mg of ketamine slowly.", size=16)]))
    layer = pdf([Set("Give 500 mg of ketamine slowly.", size=16, mode=3)])
    writer, written = pypdf.PdfWriter(), io.BytesIO()
    writer.add_page(pypdf.PdfReader(io.BytesIO(seen)).pages[0]).merge_page(
        pypdf.PdfReader(io.BytesIO(layer)).pages[0]
    )
    writer.write(written)
    document = read(tmp_path, written.getvalue())
    assert (text_of(document), document.pages[0].is_image) == ("", True)
    assert [each.code for each in document.findings] == ["hidden-text", "page-is-image"]


def _scan(tmp_path: Path, content: bytes) -> bytes:
    """The first page as a picture in a PDF."""
    with pypdfium2.PdfDocument(content) as document:
        picture = document[0].render(scale=200 / 72).to_pil()
    written = io.BytesIO()
    picture.convert("RGB").save(written, "PDF", resolution=200)
    return written.getvalue()


# --- formats


@pytest.mark.parametrize(
    ("content", "suffix", "found"),
    [
        (pdf([Set("a")]), ".docx", "pdf"),
        (docx(p("a")), ".pdf", "docx"),
        (b"{\\rtf1 a}", ".txt", "rtf"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><p>a", "", "html"),
        (b"# a", ".md", "markdown"),
        (b"a", "", "text"),
    ],
)
def test_the_bytes_say_the_format(content: bytes, suffix: str, found: str) -> None:
    assert format_of(content, suffix) == found


def _zip(**parts: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (b"", "a.pdf", "empty"),
        (b"plain words", "a.pdf", "damaged"),
        (b"%PDF-1.7", "a.pdf", "damaged"),
        (pdf([Set("a")])[:200], "a.pdf", "damaged"),
        (docx(p("a"))[:200], "a.docx", "unknown-format"),
        (docx(p("")), "a.docx", "no-text"),
        (docx("<w:p>").replace(b"x", b"y"), "a.docx", "unknown-format"),
        (_zip(inner=_zip(deeper=b"a")), "a.zip", "unknown-format"),
        (b"\x89PNG\r\n\x1a\n", "a.png", "unknown-format"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.doc", "unknown-format"),
        (b"MZ\x90\x00", "a.txt", "unknown-format"),
        (bytes(range(32)) * 40, "a.txt", "unknown-format"),
        (b"   \n ", "a.txt", "no-text"),
        (b"<html><body>" + b"<div>" * 3000 + b"deep", "a.html", "damaged"),
        (b"<html><body><script>a()</script></body></html>", "a.html", "no-text"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_refused_says_why_and_what_to_do(
    tmp_path: Path, content: bytes, name: str, kind: str
) -> None:
    with pytest.raises(UnreadableDocument) as refused:
        read(tmp_path, content, name)
    assert refused.value.kind == kind
    assert refused.value.remedy


def test_what_is_larger_than_is_read(tmp_path: Path) -> None:
    cases = [
        (pdf([Set("a")], [Set("b")]), "a.pdf", ReadingLimits(pages_max=1)),
        (b"a" * 100, "a.txt", ReadingLimits(file_bytes_max=99)),
        (b"a" * 100, "a.txt", ReadingLimits(characters_max=99)),
        (docx(p("a" * 100_000)), "a.docx", ReadingLimits(inflated_bytes_max=50_000)),
    ]
    for content, name, limits in cases:
        with pytest.raises(UnreadableDocument) as refused:
            read(tmp_path, content, name, limits)
        assert refused.value.kind == "too-large"


# --- DOCX


def _listed(level: int, text: str) -> str:
    return (
        f'<w:p><w:pPr><w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="1"/></w:numPr></w:pPr>'
        f"<w:r><w:t>{text}</w:t></w:r></w:p>"
    )


_NUMBERING = (
    '<w:numbering><w:abstractNum w:abstractNumId="0">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>'
    '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
)
_STYLES = (
    '<w:styles><w:style w:styleId="H2"><w:name w:val="heading 2"/></w:style>'
    '<w:style w:styleId="Base"><w:rPr><w:vanish/></w:rPr></w:style>'
    '<w:style w:styleId="Gone"><w:basedOn w:val="Base"/></w:style></w:styles>'
)
_RAISED = '<w:vertAlign w:val="superscript"/>'
_M = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'


def _run(text: str, about: str = "") -> str:
    return f"<w:r><w:rPr>{about}</w:rPr><w:t>{text}</w:t></w:r>"


def _sign(font: str, code: str) -> str:
    return f'<w:r><w:sym w:font="{font}" w:char="{code}"/></w:r>'


def _math(name: str, *parts: tuple[str, str]) -> str:
    said = "".join(f"<m:{part}><m:r><m:t>{text}</m:t></m:r></m:{part}>" for part, text in parts)
    return f"<w:p><m:oMath {_M}><m:{name}>{said}</m:{name}></m:oMath></w:p>"


@pytest.mark.parametrize(
    ("body", "text", "codes"),
    [
        (p("One.") + p("Two."), "One.\nTwo.", []),
        ("<w:sdt><w:sdtContent>" + p("In a control.") + "</w:sdtContent></w:sdt>", "In a control.", []),
        (
            "<w:p><w:r><w:t>Before.</w:t></w:r><w:r><w:pict><w:txbxContent>"
            + p("In a box.")
            + "</w:txbxContent></w:pict></w:r></w:p>",
            "Before.\nIn a box.",
            [],
        ),
        (
            (
                f"<w:tbl><w:tr><w:tc>{p('Drug')}</w:tc><w:tc>{p('Dose')}</w:tc></w:tr>"
                f"<w:tr><w:tc>{p('ketamine')}</w:tc><w:tc>{p('0.5 mg/kg')}{p('slowly')}</w:tc></w:tr></w:tbl>"
            ),
            "Drug\tDose\nketamine\t0.5 mg/kg slowly",
            [],
        ),
        (
            (
                "<w:p><w:r><w:t>Give </w:t></w:r><w:del><w:r><w:delText>500</w:delText></w:r></w:del>"
                "<w:ins><w:r><w:t>50</w:t></w:r></w:ins><w:r><w:t> mg.</w:t></w:r></w:p>"
            ),
            "Give 50 mg.",
            ["tracked-changes"],
        ),
        (p("Seen.") + p("Not seen.", run="<w:vanish/>"), "Seen.", ["hidden-text"]),
        (p("Seen.") + p("Not seen.", run='<w:color w:val="FFFFFF"/>'), "Seen.", ["hidden-text"]),
        (p("Seen.", run='<w:vanish w:val="0"/>'), "Seen.", []),
        (
            _listed(0, "A") + _listed(1, "a") + _listed(1, "b") + _listed(0, "B") + _listed(1, "c"),
            "1. A\n1.a) a\n1.b) b\n2. B\n2.a) c",
            [],
        ),
        (
            "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:noBreakHyphen/><w:t>c</w:t></w:r></w:p>",
            "a\tb-c",
            [],
        ),
        (
            '<w:p><w:r><w:t>Said</w:t><w:footnoteReference w:id="2"/><w:t>.</w:t></w:r></w:p>',
            "Said [By whom].",
            [],
        ),
        (
            f"<w:p>{_run('50 x 10')}{_run('-', _RAISED)}{_run('9', _RAISED)}{_run('/L, 5')}{_run('th', _RAISED)}</w:p>",
            "50 x 10⁻⁹/L, 5th",
            [],
        ),
        (p("Give 50.") + p("Give 500.", run="<w:strike/>"), "Give 50.", ["tracked-changes"]),
        (p("Seen.") + p("Not seen.", style="Gone"), "Seen.", ["hidden-text"]),
        (p("Seen.", style="Gone", run='<w:vanish w:val="0"/>'), "Seen.", []),
        (
            '<w:tbl><w:tr><w:tc><w:tcPr><w:shd w:fill="1F3864"/></w:tcPr>'
            + p("Dose", run='<w:color w:val="FFFFFF"/>')
            + "</w:tc></w:tr></w:tbl>",
            "Dose",
            [],
        ),
        (
            f"<w:p>{_sign('Symbol', 'F0B3')}{_run('50 ')}{_sign('Wingdings', 'F0FE')}{_sign('Odd', 'F0B3')}</w:p>",
            "≥50 ☑\ufffd",
            [],
        ),
        (_math("f", ("num", "1"), ("den", "20")), "1/20", []),
        (_math("f", ("num", "a+b"), ("den", "2")), "(a+b)/2", []),
        (_math("sSup", ("e", "10"), ("sup", "-9")), "10^(-9)", []),
    ],
    ids=[
        "paragraphs",
        "control",
        "box",
        "table",
        "changes",
        "hidden",
        "white",
        "shown",
        "list",
        "signs",
        "footnote",
        "power",
        "struck",
        "hidden by its style",
        "shown in spite of it",
        "white on blue",
        "symbols",
        "fraction",
        "sum above",
        "formula",
    ],
)
def test_a_docx_as_a_person_reads_it(tmp_path: Path, body: str, text: str, codes: list[str]) -> None:
    notes = f'<w:footnotes><w:footnote w:id="2">{p("By whom")}</w:footnote></w:footnotes>'
    content = docx(body, numbering=_NUMBERING, styles=_STYLES, footnotes=notes)
    document = read(tmp_path, content, "a.docx")
    assert text_of(document) == text
    assert [each.code for each in document.findings] == codes


def test_headings_of_a_docx(tmp_path: Path) -> None:
    document = read(tmp_path, docx(p("Intro") + p("Dose", style="H2"), styles=_STYLES), "a.docx")
    (heading,) = document.pages[0].headings
    assert (heading.level, heading.text, heading.start) == (2, "Dose", 6)


def test_an_entity_is_not_expanded(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP SECRET")
    before = f'<!DOCTYPE w:document [<!ENTITY x SYSTEM "file://{secret}">]>'
    document = read(tmp_path, docx(p("a &x; b"), before=before), "a.docx")
    assert "SECRET" not in text_of(document)


# --- HTML, Markdown, RTF, text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("<p>One</p><p>Two <b>and</b> three</p>", "One\nTwo and three"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<table><tr><th>Drug<th>Dose<tr><td>ketamine<td>50 mg</table>", "Drug\tDose\nketamine\t50 mg"),
        ("<p>a<!-- not --><script>not()</script><style>not</style>b</p>", "ab"),
        ('<p>seen<span style="display: none">not</span></p>', "seen"),
        ('<p>seen<span hidden>not</span> <i aria-hidden="true">not</i>too</p>', "seen too"),
        ('<p>seen <span style="font-size:0">not</span></p>', "seen"),
        ('<p>seen <span style="position:absolute;left:-9999px">not</span></p>', "seen"),
        ("<p>a &lt; b &amp; c&nbsp;d</p>", "a < b & c d"),
        ("<div>" * 1000 + "deep" + "</div>" * 1000, "deep"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<p>50 x 10<sup>-9</sup>/L in the 5<sup>th</sup> week</p>", "50 x 10⁻⁹/L in the 5th week"),
        (
            "<p>Give 50 <s>500</s> <del>5</del> <b style='text-decoration:line-through'>1</b>mg</p>",
            "Give 50 mg",
        ),
    ],
)
def test_html_as_it_is_shown(tmp_path: Path, written: str, text: str) -> None:
    content = f"<!doctype html><html><head><title>T</title></head><body>{written}</body></html>"
    document = read(tmp_path, content.encode(), "a.html")
    assert text_of(document).replace("\xa0", " ") == text
    assert document.metadata.title == "T"


@pytest.mark.parametrize(
    ("sheet", "is_seen"),
    [
        (".x{display:none}", False),
        ("div .y, p > span.x { visibility: hidden }", False),
        ("/* .z{} */ #i{position:absolute;left:-9999px}", False),
        ("@media (min-width:1px){.x{opacity:0}}", False),
        ("span{color:#fff}", False),
        ("span{color:#fff} p{background:#003}", True),
        ("span{color:#fff;background-color:navy}", True),
        ("body{color:#eee;background:#111} span{color:white}", True),
        (".x{text-decoration:line-through}", False),
        ("@media print{.y{color:red} .x{display:none}} .z{display:none}", True),
        (".x:hover{display:none} .x::before{display:none}", True),
        (".x.z{display:none} b.x{display:none} body{display:none}", True),
        (".x{background-color:white; border-color:white; font-size:1.1em; opacity:0.5}", True),
    ],
)
def test_html_is_shown_as_its_style_sheets_say(tmp_path: Path, sheet: str, is_seen: bool) -> None:
    written = f"<html><head><style>{sheet}</style></head><body><p>Give 50.<span class='x y2' id='i'> 500.</span></p>"
    document = read(tmp_path, written.encode(), "a.html")
    assert text_of(document) == ("Give 50. 500." if is_seen else "Give 50.")
    assert bool(document.findings) != is_seen


def test_headings_of_html(tmp_path: Path) -> None:
    document = read(
        tmp_path, b"<html><body><p>Intro</p><h2>The <i>dose</i></h2><p>50 mg</p></body></html>", "a.html"
    )
    (page,) = document.pages
    (heading,) = page.headings
    assert page.text[heading.start :].startswith("The dose\n50 mg")


def test_markdown_as_it_is_written_without_its_front_matter(tmp_path: Path) -> None:
    content = b"---\ntitle: 'Pain'\ndate: 2024-03-01\n---\n# Dose\n\n50 mg\n"
    document = read(tmp_path, content, "a.md")
    assert text_of(document) == "# Dose\n\n50 mg\n"
    assert (document.metadata.title, document.metadata.date) == ("Pain", "2024-03-01")
    assert document.pages[0].headings[0].text == "Dose"


def test_rtf(tmp_path: Path) -> None:
    document = read(tmp_path, b"{\\rtf1\\ansi Give 50 \\'b5g \\u8211? \\b slowly\\b0 .\\par Wait.}", "a.rtf")
    assert text_of(document) == "Give 50 µg – slowly.\nWait."


@pytest.mark.parametrize(
    ("written", "text", "codes"),
    [
        (r"50 x 10{\super 9}/L", "50 x 10^9/L", []),
        (r"50 x 10\up6\fs16 9\up0 /L", "50 x 10^9/L", []),
        (r"Give 50.{\v  Give 500.}", "Give 50.", ["hidden-text"]),
        (r"Give 50.\v\f1  Give \u8211?5\'b5\v0  Wait.", "Give 50. Wait.", ["hidden-text"]),
        (r"Give {\strike 500} 50.", "Give  50.", ["tracked-changes"]),
        (r"Give {\deleted 500\plain }50.", "Give 50.", ["hidden-text"]),
    ],
    ids=["power", "lifted", "hidden", "hidden letters", "struck", "deleted"],
)
def test_rtf_as_it_is_seen(tmp_path: Path, written: str, text: str, codes: list[str]) -> None:
    document = read(tmp_path, f"{{\\rtf1\\ansi {written}}}".encode(), "a.rtf")
    assert text_of(document) == text
    assert [each.code for each in document.findings] == codes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    document = read(tmp_path, "5 µg – naïve\r\nWait.".encode(encoding), "a.txt")
    assert text_of(document) == "5 µg – naïve\nWait."


# --- what changes a figure without a trace


@pytest.mark.parametrize(
    ("written", "text", "told"),
    [
        ("Do n\u200bot give 1\u200b0 mg", "Do not give 10 mg", False),
        ("Give 5 mg\U000e0069\U000e0067\U000e006e", "Give 5 mg", True),
        ("\u202e05 mg\u202c", "05 mg", True),
        ("می\u200cخواهم", "می\u200cخواهم", False),
        ("naïve – 5 µg", "naïve – 5 µg", False),
    ],
)
def test_letters_that_no_one_sees_are_no_text(tmp_path: Path, written: str, text: str, told: bool) -> None:
    document = read(tmp_path, written.encode(), "a.txt")
    assert text_of(document) == text
    assert [each.code for each in document.findings] == ["hidden-text"] * told


def test_a_heading_is_where_it_was_without_them(tmp_path: Path) -> None:
    (page,) = read(tmp_path, "a\u200bb\n# Do\u200bse\n\n5 mg\n".encode(), "a.md").pages
    (heading,) = page.headings
    assert page.text[heading.start :].startswith("# Dose")


def test_an_empty_cell_of_a_table_stays_empty(tmp_path: Path) -> None:
    rows = [("Drug", "Dose", "Max"), ("A", "5 mg", "10 mg"), ("B", "", "50 mg"), ("C", "7 mg", "")]
    lines = [
        Set(cell, 72 + 150 * column, 700 - 20 * number)
        for number, row in enumerate(rows)
        for column, cell in enumerate(row)
        if cell
    ]
    assert text_of(read(tmp_path, pdf(lines))) == "Drug\tDose\tMax\nA\t5 mg\t10 mg\nB\t\t50 mg\nC\t7 mg"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            p("5 ").replace(
                "</w:p>",
                '<w:r><w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr><w:t>m</w:t></w:r><w:r><w:t>g</w:t></w:r></w:p>',
            ),
            "5 µg",
        ),
        (
            p("10").replace("</w:p>", '<w:r><w:rPr><w:position w:val="6"/></w:rPr><w:t>9</w:t></w:r></w:p>'),
            "10⁹",
        ),
        (
            (
                f"<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc>{p('7 mg')}</w:tc></w:tr>"
                f"<w:tr><w:tc>{p('5 mg')}</w:tc></w:tr></w:tbl>"
            ),
            "5 mg",
        ),
    ],
    ids=["symbol", "position", "deleted row"],
)
def test_a_figure_in_a_docx_is_the_one_that_is_shown(tmp_path: Path, body: str, text: str) -> None:
    assert text_of(read(tmp_path, docx(body), "a.docx")).replace("5 µ g", "5 µg") == text


def test_an_rtf_with_a_font_of_signs_waits_for_a_person(tmp_path: Path) -> None:
    document = read(tmp_path, b"{\\rtf1{\\fonttbl{\\f1\\fcharset2 Symbol;}}5 {\\f1 m}g}", "a.rtf")
    assert [each.code for each in document.findings] == ["readers-disagree"]


def test_figures_that_two_readers_read_differently_are_told(tmp_path: Path) -> None:
    """The page shows 5, and the file says besides that it stands for 50."""
    content = pdf([Set("The dose is 5 mg.")])
    shown = b"(The dose is 5 mg.) Tj"
    stands_for = b"(The dose is ) Tj /Span << /ActualText (50) >> BDC (5) Tj EMC ( mg.) Tj"
    assert shown in content
    length = int(re.search(rb"/Length (\d+)", content)[1])  # type: ignore[index]
    added = len(stands_for) - len(shown)
    changed = content.replace(shown, stands_for).replace(
        b"/Length %d" % length, b"/Length %d" % (length + added)
    )
    document = read(tmp_path, changed)
    assert [each.code for each in document.findings] == ["readers-disagree"]
