"""docs/documents.md's table of the development documents: each file read or refused, in a process with limits.

python -m benchmarks.document_table FOLDER            prints the table
python -m benchmarks.document_table FOLDER --write    puts it into docs/documents.md

`FOLDER` has an `index.csv` that says what to expect of each file, and the text of some. Character and word errors stand
beside those of pypdf, and of pdftotext where the machine has it.
"""

from __future__ import annotations

import csv
import io
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pypdf
from rapidfuzz.distance import Levenshtein

from pipeline.errors import UnreadableDocument
from pipeline.library.reading.options import DocumentReadingOptions
from pipeline.library.reading.pool import DocumentReaders

PAGE = Path(__file__).resolve().parents[1] / "docs" / "documents.md"
BEGIN, END = "<!-- table of the development documents -->", "<!-- end of that table -->"


@dataclass(frozen=True)
class Row:
    """One file and what became of it."""

    file: str
    expected: str
    outcome: str
    agrees: bool
    seconds: float
    errors: str


def rows(folder: Path) -> Iterator[Row]:
    """Every file that `index.csv` names, but those that are the text of others."""
    with (
        (folder / "index.csv").open(encoding="utf-8", newline="") as index,
        DocumentReaders(DocumentReadingOptions(), processes=1) as readers,
    ):
        for said in csv.DictReader(index):
            if said["kind"] in ("truth", "reference output"):
                continue
            yield _row(folder, said, readers)


def _row(folder: Path, said: dict[str, str], readers: DocumentReaders) -> Row:
    begun = time.perf_counter()
    path, text = folder / said["file"], None
    try:
        document = readers.read(path)
        text = "\n".join(page.text for page in document.pages)
        codes = ", ".join(sorted({finding.code for finding in document.findings}))
        pages = f"{len(document.pages)} pages, " if document.source_format == "pdf" else ""
        outcome = f"read: {pages}{len(text):,} characters" + (f"; {codes}" if codes else "")
    except UnreadableDocument as refused:
        outcome = f"refused, {refused.kind}: {refused.what}"
    seconds = time.perf_counter() - begun
    errors = "" if text is None or not said["truth"] else _errors(text, path, folder / said["truth"])
    return Row(said["file"], said["expect"], outcome, _agrees(said["expect"], outcome), seconds, errors)


def _agrees(expected: str, outcome: str) -> bool:
    """`expect` is one of: text, text or image, ocr, password, error, or either of two."""
    if expected == "password":
        return outcome.startswith("refused, locked")
    if "or" in expected.replace("error", "").split() or expected.startswith("no crash"):
        return True
    return outcome.startswith("refused" if expected == "error" else "read")


def _errors(text: str, path: Path, truth: Path) -> str:
    known = _plain(truth.read_text(encoding="utf-8"))
    told = [f"ours {_rates(known, text)}"]
    if path.suffix == ".pdf":
        with path.open("rb") as file:
            pages = pypdf.PdfReader(file).pages
            told.append(f"pypdf {_rates(known, ' '.join(page.extract_text() for page in pages))}")
        if program := shutil.which("pdftotext"):
            done = subprocess.run([program, str(path), "-"], capture_output=True, check=True)
            told.append(f"pdftotext {_rates(known, done.stdout.decode())}")
    return "; ".join(told)


def _rates(known: str, text: str) -> str:
    found = _plain(text)
    characters = Levenshtein.distance(known, found) / len(known)
    words = Levenshtein.distance(known.split(), found.split()) / len(known.split())
    return f"{characters:.4f} / {words:.4f}"


def _plain(text: str) -> str:
    return " ".join(text.split())


def main(arguments: list[str]) -> int:
    if not arguments or not (Path(arguments[0]) / "index.csv").is_file():
        sys.stdout.write("There are no development documents here: skipped.\n")
        return 0
    found = list(rows(Path(arguments[0])))
    table = _table(found)
    sys.stdout.write(table)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    agreed = sum(row.agrees for row in found)
    refused = sum(row.outcome.startswith("refused") for row in found)
    sys.stdout.write(
        f"\n{len(found)} files: {len(found) - refused} read, {refused} refused; {agreed} as index.csv expects; "
        f"{sum(row.seconds for row in found):.1f} s; the reading process had {peak:.0f} MiB at most\n"
    )
    if "--write" in arguments:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


def _table(found: list[Row]) -> str:
    written = io.StringIO()
    written.write("| file | what becomes of it | character / word errors |\n|---|---|---|\n")
    for row in found:
        mark = "" if row.agrees else f" (index.csv: {row.expected})"
        written.write(f"| {row.file} | {row.outcome}{mark} | {row.errors} |\n")
    return written.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
