"""Reads an evaluation set in BEIR's layout: corpus.jsonl, queries.jsonl, qrels.tsv (graded relevance)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputMissing, InputUnusable
from pipeline.records import Rejection, SourceRecord


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Queries and judgements in memory; the corpus is read as a stream."""

    name: str
    folder: Path
    queries: dict[str, str]
    """Query id to text; only queries that have a judgement."""
    judgements: dict[str, dict[str, int]]
    """Query id to document id to grade; 0 is judged irrelevant."""

    def require_whole(self, failed: int, reasons: Iterable[str]) -> None:
        """Raises InputUnusable where documents could not be embedded: retrieval would be measured as missing them."""
        require_whole(self.name, failed, reasons)

    def records(self) -> Iterator[SourceRecord]:
        """The corpus as notes to be indexed: title and text, under the document's id."""
        path = self.folder / "corpus.jsonl"
        for number, row in enumerate(_rows(path), start=1):
            text = "\n".join(part for part in (row.get("title", ""), row["text"]) if part)
            fields = {
                "resource_id": row["_id"],
                "patient_id": "evaluation",
                "document_type": "passage",
                "text_content": text,
            }
            yield SourceRecord(str(path), f"line {number}", fields)


def require_whole(name: str, failed: int, reasons: Iterable[str]) -> None:
    """Raises InputUnusable where a part of the set `name` could not be embedded."""
    if failed:
        raise InputUnusable(
            f"{failed:,} documents of {name} could not be embedded, so nothing was measured.",
            remedy=f"Run it again; what is stored is kept. Reasons: {' '.join(sorted(reasons))}",
        )


class RefuseRejections:
    """A RejectionSink: a set with a document that cannot be indexed measures nothing."""

    def write(self, rejection: Rejection) -> None:
        raise InputUnusable(
            f"{rejection.source}, {rejection.position}: {rejection.reason}", remedy=rejection.remedy
        )


def read_set(folder: Path) -> EvaluationSet:
    """The set in `folder`. Raises InputMissing or InputUnusable with the file and what it should hold."""
    for name in ("corpus.jsonl", "queries.jsonl"):
        if not (folder / name).is_file():
            raise InputMissing(
                f"{folder / name} does not exist.",
                remedy="A BEIR folder holds corpus.jsonl, queries.jsonl and qrels.tsv (or qrels/test.tsv).",
            )
    judgements = _judgements(folder)
    queries = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl") if row["_id"] in judgements}
    if not queries:
        raise InputUnusable(
            f"No query of {folder} has a judgement.",
            remedy="Check that qrels.tsv and queries.jsonl use the same ids.",
        )
    return EvaluationSet(folder.name, folder, queries, {query: judgements[query] for query in queries})


def _judgements(folder: Path) -> dict[str, dict[str, int]]:
    path = next((p for p in (folder / "qrels.tsv", folder / "qrels" / "test.tsv") if p.is_file()), None)
    if path is None:
        raise InputMissing(
            f"{folder} has no qrels.tsv.", remedy="It holds query-id, corpus-id and score, separated by tabs."
        )
    judgements: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t"), start=1):
            if number == 1 and not row[-1].lstrip("-").isdigit():
                continue
            try:
                query, document, grade = row
                judgements.setdefault(query, {})[document] = int(grade)
            except ValueError:
                raise InputUnusable(
                    f"Line {number} of {path} is not query-id, corpus-id, score.",
                    remedy="Separate them by tabs.",
                ) from None
    return judgements


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                row["_id"], row["text"]
            except (ValueError, KeyError, TypeError):
                raise InputUnusable(
                    f"Line {number} of {path} is not a JSON object with _id and text.",
                    remedy="Correct that line; one object a line.",
                ) from None
            yield row
