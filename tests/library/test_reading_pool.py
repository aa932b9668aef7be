"""Files that crash, hang or fill the memory of their reader cost themselves, and no mutation of a file does more."""

import io
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import UnreadableDocument
from pipeline.library.reading.options import DocumentReadingOptions
from pipeline.library.reading.pool import DocumentReaders, PageView
from pipeline.library.records import LibraryDocument
from pipeline.processes import ProcessLimits
from tests.library.papers import Set, column, docx, p, pdf

OPTIONS = DocumentReadingOptions(recognise_text=False)
LIMITS = ProcessLimits(seconds_max=20, memory_bytes_max=1024**3, tasks_per_process=500)

READ_OR_REFUSED = {"read", "damaged", "unknown-format", "no-text", "locked", "too-large", "empty"}
"""Neither hung nor died."""


@pytest.fixture(scope="module")
def readers() -> Iterator[DocumentReaders]:
    with DocumentReaders(OPTIONS, processes=1, limits=LIMITS) as pool:
        yield pool


def test_a_file_is_read_and_its_page_is_drawn(readers: DocumentReaders, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf([Set("Give ketamine slowly.", colour="1 0 0", size=40)]))
    assert readers.read(path).pages[0].text == "Give ketamine slowly."
    with Image.open(io.BytesIO(readers.page_image(PageView(path, 1, 300)))) as picture:
        assert picture.width == 300
        assert abs(picture.height - 300 * 842 / 595) <= 1
        colours = {pixel for _, pixel in picture.convert("RGB").getcolors(100_000) or []}
    assert any(red > 200 and green < 80 and blue < 80 for red, green, blue in colours)  # red, not blue


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_page_that_is_not_there(readers: DocumentReaders, tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf([Set("a")]))
    with pytest.raises(UnreadableDocument) as refused:
        readers.page_image(PageView(path, number, 100))
    assert refused.value.kind == "no-page"


def test_a_file_that_went_away(readers: DocumentReaders, tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument) as refused:
        readers.read(tmp_path / "gone.pdf")
    assert refused.value.kind == "gone"


def _mutated(content: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut out, doubled or cut off."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 3, 20))):
        at = chance.randrange(len(changed))
        match chance.randrange(5):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                del changed[at : at + chance.randrange(1, 60)]
            case 2:
                changed[at:at] = changed[at : at + chance.randrange(1, 60)]
            case 3:
                changed[at : at + 4] = chance.choice((b"9999", b"-1 0", b"<<>>", b"\x00\xff\x00\xff"))
            case _:
                del changed[max(at, 20) :]
        if not changed:
            break
    return bytes(changed)


def _mutated_inside(content: bytes, chance: random.Random) -> bytes:
    """A whole package with one part changed: bytes changed in a package are mostly found by its checksums."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as package, zipfile.ZipFile(written, "w") as changed:
        parts = [each for each in package.namelist() if each.endswith(".xml") and each[0] != "["]
        one = chance.choice(parts)
        for name in package.namelist():
            part = package.read(name)
            changed.writestr(name, _swapped(part, chance) if name == one else part)
    return written.getvalue()


def _swapped(part: bytes, chance: random.Random) -> bytes:
    """Elements lost, doubled and put into each other, so that it is still XML more often than not."""
    pieces = re.findall(rb"<[^>]*>|[^<]+", part)
    for _ in range(chance.choice((1, 3, 20))):
        at, other = chance.randrange(len(pieces)), chance.randrange(len(pieces))
        match chance.randrange(4):
            case 0:
                pieces[at] = re.sub(
                    rb'"[^"]*"', chance.choice((b'""', b'"-1"', b'"99999999999"', b'"%1"')), pieces[at]
                )
            case 1:
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case 2:
                pieces[at:at] = pieces[min(at, other) : min(at, other) + 40]
            case _:
                pieces[at] = re.sub(rb"w:\w+", chance.choice((b"w:p", b"w:tbl", b"w:r", b"w:t")), pieces[at])
    return b"".join(pieces)


def _made() -> list[bytes]:
    text = column("Give ketamine slowly and watch the breathing of the patient\nfor an hour.")
    return [
        pdf(text, [Set("Second", size=20)], title="T"),
        docx(p("One.") + f"<w:tbl><w:tr><w:tc>{p('a')}</w:tc></w:tr></w:tbl>"),
    ]


def _outcomes(
    readers: DocumentReaders, folder: Path, sources: list[bytes], count: int, seed: int
) -> dict[str, int]:
    chance = random.Random(seed)
    outcomes: dict[str, int] = {}
    for number in range(count):
        path, source = folder / "changed", sources[number % len(sources)]
        inside = number % 3 == 0 and zipfile.is_zipfile(io.BytesIO(source))
        path.write_bytes(_mutated_inside(source, chance) if inside else _mutated(source, chance))
        try:
            outcome = readers.read(path)
            kind, said = "read", 10
            assert isinstance(outcome, LibraryDocument)
            assert any(page.text.strip() or page.is_image for page in outcome.pages)
        except UnreadableDocument as refused:
            kind = refused.kind
            said = min(len(refused.what), len(refused.remedy))
        assert said > 5
        outcomes[kind] = outcomes.get(kind, 0) + 1
    return outcomes


def test_changed_files_are_read_or_refused(readers: DocumentReaders, tmp_path: Path) -> None:
    outcomes = _outcomes(readers, tmp_path, _made(), 60, 7)
    assert set(outcomes) <= READ_OR_REFUSED
    assert outcomes["read"] > 5
    assert outcomes["damaged"] > 5


def _limited() -> DocumentReaders:
    return DocumentReaders(OPTIONS, processes=1, limits=ProcessLimits(20, 300 * 1024**2))


@pytest.mark.long
def test_two_thousand_changed_files_are_read_or_refused(tmp_path: Path) -> None:
    with _limited() as readers:
        outcomes = _outcomes(readers, tmp_path, _made(), 2000, 8)
    assert sum(outcomes.values()) == 2000
    assert set(outcomes) <= READ_OR_REFUSED
    assert outcomes["read"] > 200


@pytest.mark.long
def test_two_thousand_changes_of_real_files_are_read_or_refused(tmp_path: Path, shared_data: Path) -> None:
    files = [each for each in sorted((shared_data / "documents").rglob("*.*")) if _is_small(each)]
    with _limited() as readers:
        outcomes = _outcomes(readers, tmp_path, [each.read_bytes() for each in files], 2000, 9)
    assert sum(outcomes.values()) == 2000
    assert set(outcomes) <= READ_OR_REFUSED
    assert outcomes["read"] > 200


def _is_small(path: Path) -> bool:
    return path.suffix in (".pdf", ".docx") and 0 < path.stat().st_size < 120_000
