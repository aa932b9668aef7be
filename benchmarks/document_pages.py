"""Whether answers from documents cite the right page: 500 pages in, 40 questions with the page that answers each.

python -m benchmarks.document_pages FOLDER [--save FILE]

`FOLDER` is the development data: a guide of the CDC (44 pages) and MedQuAD, which is set here into handbooks of about
fifty pages. A question's truth is the page on which its words stand. Nothing is asked of a model server.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.ask import open_answering
from pipeline.config import Settings, load_settings
from pipeline.indexing.documents.approved import LIBRARY_SOURCE, accept_approved, approved_records
from pipeline.indexing.documents.intake import Intake
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.library.records import LibraryDocument
from pipeline.library.versions import LibraryDomain
from pipeline.locators import PageBox
from pipeline.records import Answer, Question, library_id
from pipeline.wiring import open_corpus, open_document_readers, open_library
from tests.library.papers import Set, column, pdf

QUESTIONS = Path(__file__).with_suffix("").with_name("document_questions.jsonl")
PAGES = 500
PAGES_OF_A_HANDBOOK = 50
LINES_OF_A_PAGE = 48
COLUMNS = 88


@dataclass(frozen=True)
class Outcome:
    """One question and the pages that its answer cites."""

    question: str
    right: frozenset[tuple[str, int]]
    cited: tuple[tuple[str, int], ...]

    @property
    def is_right(self) -> bool:
        return not self.right.isdisjoint(self.cited)

    @property
    def begins_right(self) -> bool:
        return bool(self.cited) and self.cited[0] in self.right


def handbooks(entries: Sequence[dict[str, str]], pages: int) -> Iterator[tuple[str, bytes]]:
    """So many pages of questions and answers, set in lines, as PDF files with their names."""
    lines = list(_lines(entries))
    sheets = [lines[start : start + LINES_OF_A_PAGE] for start in range(0, len(lines), LINES_OF_A_PAGE)][
        :pages
    ]
    for number, start in enumerate(range(0, len(sheets), PAGES_OF_A_HANDBOOK), start=1):
        bound = sheets[start : start + PAGES_OF_A_HANDBOOK]
        name = f"Handbook {number}"
        papers = [
            [*column("\n".join(sheet), y=780), Set(f"{name}, page {place}", y=30)]
            for place, sheet in enumerate(bound, start=1)
        ]
        yield f"{name}.pdf", pdf(*papers, title=f"{name} of conditions")


def _lines(entries: Sequence[dict[str, str]]) -> Iterator[str]:
    for entry in entries:
        yield entry["question"].strip()
        plain = entry["answer"].encode("cp1252", "ignore").decode("cp1252")
        yield from textwrap.wrap(" ".join(plain.split()), COLUMNS)
        yield ""


def chosen(rows: Sequence[dict[str, str]], quotes: Sequence[str]) -> list[dict[str, str]]:
    """Entries that a question is about first, spread over the others so that no handbook has them all."""
    wanted = [row for row in rows if any(quote in " ".join(row["answer"].split()) for quote in quotes)]
    others = [row for row in rows if row not in wanted]
    every = max(1, min(len(others), 700) // max(1, len(wanted)))
    mixed: list[dict[str, str]] = []
    rest = iter(others)
    for row in wanted:
        mixed += [*islice(rest, every), row]
    return [*mixed, *rest]


def pages_with(documents: dict[str, LibraryDocument], quotes: Sequence[str]) -> frozenset[tuple[str, int]]:
    """Document and page of each place at which one of the quotes begins."""
    return frozenset(
        (resource_id, page.number)
        for resource_id, document in documents.items()
        for page in document.pages
        if any(quote in " ".join(page.text.split()) for quote in quotes)
    )


def run(folder: Path, settings: Settings) -> tuple[list[Outcome], int]:
    """Outcomes, and how many pages were indexed."""
    questions = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    rows = [
        json.loads(line)
        for line in (folder / "qa" / "medquad.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    entries = chosen(rows, [quote for each in questions for quote in each["quotes"]])
    guide = folder / "documents" / "medical" / "cdc_outpatient_infection_guide_2016.pdf"
    documents: dict[str, LibraryDocument] = {}
    with tempfile.TemporaryDirectory() as made, open_library(settings) as library:
        library.catalogue.put_domain(LibraryDomain("guidance", approves_itself=True))
        paths = [guide]
        for name, content in handbooks(entries, PAGES - 44):
            paths.append(Path(made) / name)
            paths[-1].write_bytes(content)
        with open_document_readers(settings, 2) as readers, open_corpus(settings) as corpus:
            intake = Intake(library, readers)
            for path in paths:
                version = intake.take(path, path.name, "guidance", "benchmark").version
                if version.state == "waiting":
                    library.catalogue.decide([version.version_id], "approve", "benchmark", "")
                documents[library_id(version.version_id)] = intake.document(version)
            with RejectionLog(None) as rejections:
                Indexing(
                    corpus.embedder,
                    corpus.store,
                    corpus.ledger,
                    settings.indexing,
                    rejections,
                    SilentObserver(),
                    vector_cache=corpus.vector_cache,
                    accept=accept_approved,
                ).run(approved_records(intake), sources=[LIBRARY_SOURCE])
    with open_answering(settings) as answering:
        outcomes = [
            Outcome(
                each["question"],
                pages_with(documents, each["quotes"]),
                _cited(answering.answer(Question(each["question"]))),
            )
            for each in questions
        ]
    return outcomes, sum(len(document.pages) for document in documents.values())


def _cited(answer: Answer) -> tuple[tuple[str, int], ...]:
    return tuple(
        (citation.resource_id, citation.region.page)
        for citation in answer.citations
        if isinstance(citation.region, PageBox)
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--save", type=Path)
    given = parser.parse_args(arguments)
    if not (given.folder / "qa" / "medquad.jsonl").is_file():
        sys.stdout.write("There are no development documents here: skipped.\n")
        return 0
    with tempfile.TemporaryDirectory() as data:
        outcomes, pages = run(given.folder, load_settings(None, data_dir=Path(data)))
    answered = [each for each in outcomes if each.cited]
    right, first = sum(each.is_right for each in answered), sum(each.begins_right for each in answered)
    for each in outcomes:
        mark = "right" if each.is_right else "silent" if not each.cited else "WRONG"
        sys.stdout.write(f"{mark:7}{each.question}\n")
    sys.stdout.write(
        f"\n{pages} pages, {len(outcomes)} questions: {len(answered)} answered; the right page is cited in {right} "
        f"({right / max(1, len(answered)):.2f}), first of all in {first}\n"
    )
    if given.save:
        record = [
            {"question": each.question, "right": sorted(each.right), "cited": each.cited} for each in outcomes
        ]
        given.save.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
