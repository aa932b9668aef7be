"""docs/documents.md's table of the development documents: each file read or refused, in a process with limits.

python -m benchmarks.document_table FOLDER            prints the table
python -m benchmarks.document_table FOLDER --write    puts it into docs/documents.md

`FOLDER` has an `index.csv` that says what to expect of each file, and the text of some. Character and word errors stand
beside those of pypdf, and of pdftotext where the machine has it. Seconds and MiB are those of the reading process, the
most memory that it had while it read the file; its libraries take about 70 of them.
"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pypdf
from rapidfuzz.distance import Levenshtein

from pipeline.errors import UnreadableDocument
from pipeline.library.reading.options import DocumentReadingOptions
from pipeline.library.reading.pool import MEMORY_BYTES_MAX, SECONDS_MAX, DocumentFile, read_or_draw
from pipeline.library.records import LibraryDocument
from pipeline.processes import ProcessLimits, TaskProcesses

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
    mebibytes: float
    errors: str


@dataclass(frozen=True)
class MeasuredReading:
    """What came of a file, with what it cost."""

    result: LibraryDocument | UnreadableDocument
    seconds: float
    mebibytes: float


def measured(options: DocumentReadingOptions, file: DocumentFile) -> MeasuredReading:
    """In the reading process."""
    peak = Path("/proc/self/clear_refs")
    peak.write_text("5", encoding="ascii")  # forgets the peak of the file before
    begun = time.perf_counter()
    try:
        result: object = read_or_draw(options, file)
    except UnreadableDocument as refused:
        result = refused
    seconds = time.perf_counter() - begun
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kibibytes = int(status.partition("VmHWM:")[2].split()[0])
    if not isinstance(result, LibraryDocument | UnreadableDocument):
        raise TypeError(type(result).__name__)
    return MeasuredReading(result, seconds, kibibytes / 1024)


def rows(folder: Path) -> Iterator[Row]:
    """Every file that `index.csv` names, but those that are the text of others."""
    from benchmarks import document_table as itself  # noqa: PLC0415, PLW0406  the process does not know this command

    limits = ProcessLimits(SECONDS_MAX, MEMORY_BYTES_MAX)
    readers = TaskProcesses(partial(itself.measured, DocumentReadingOptions()), limits, 1, "document-reading")
    with (folder / "index.csv").open(encoding="utf-8", newline="") as index:
        for said in csv.DictReader(index):
            if said["kind"] not in ("truth", "reference output"):
                path = folder / said["file"]
                answer = readers.answer(DocumentFile(path, path.suffix))
                if not isinstance(answer, itself.MeasuredReading):
                    raise SystemExit(f"{path.name} ended the process that read it: {answer}")
                yield _row(folder, said, answer)
    readers.stop()
    readers.end()


def _row(folder: Path, said: dict[str, str], answer: MeasuredReading) -> Row:
    path, result, errors = folder / said["file"], answer.result, ""
    if isinstance(result, UnreadableDocument):
        outcome = f"refused, {result.kind}: {result.what}"
    else:
        text = "\n".join(page.text for page in result.pages)
        codes = ", ".join(sorted({finding.code for finding in result.findings}))
        pages = f"{len(result.pages)} pages, " if result.source_format == "pdf" else ""
        outcome = f"read: {pages}{len(text):,} characters" + (f"; {codes}" if codes else "")
        errors = _errors(text, path, folder / said["truth"]) if said["truth"] else ""
    agrees = _agrees(said["expect"], outcome)
    return Row(said["file"], said["expect"], outcome, agrees, answer.seconds, answer.mebibytes, errors)


def _agrees(expected: str, outcome: str) -> bool:
    """`expect` is one of: text, text or image, ocr, password, error, or error or some text."""
    if expected == "password":
        return outcome.startswith("refused, locked")
    if expected.startswith("no crash") or ("error" in expected and "text" in expected):
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
    agreed = sum(row.agrees for row in found)
    refused = sum(row.outcome.startswith("refused") for row in found)
    sys.stdout.write(
        f"\n{len(found)} files: {len(found) - refused} read, {refused} refused; {agreed} as index.csv expects; "
        f"{sum(row.seconds for row in found):.1f} s; at most {max(row.seconds for row in found):.1f} s "
        f"and {max(row.mebibytes for row in found):.0f} MiB for one\n"
    )
    if "--write" in arguments:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table}{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


def _table(found: list[Row]) -> str:
    written = io.StringIO()
    written.write(
        "| file | what becomes of it | s | MiB | character / word errors |\n|---|---|---|---|---|\n"
    )
    for row in found:
        mark = "" if row.agrees else f" (index.csv: {row.expected})"
        cost = f"{row.seconds:.2f} | {row.mebibytes:.0f}"
        written.write(f"| {row.file} | {row.outcome}{mark} | {cost} | {row.errors} |\n")
    return written.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
