"""A set in BEIR's layout, as its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def write_set(
    folder: Path,
    documents: Mapping[str, str],
    judged: Mapping[str, Mapping[str, int]],
    qrels: str = "qrels.tsv",
) -> Path:
    """`documents`: id to text. `judged`: question to document id to grade."""
    (folder / qrels).parent.mkdir(parents=True, exist_ok=True)
    rows = [{"_id": name, "title": "", "text": text} for name, text in documents.items()]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [{"_id": f"q{number}", "text": text} for number, text in enumerate(judged)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)))
    lines = [
        f"q{number}\t{document}\t{grade}"
        for number, grades in enumerate(judged.values())
        for document, grade in grades.items()
    ]
    (folder / qrels).write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]))
    return folder
