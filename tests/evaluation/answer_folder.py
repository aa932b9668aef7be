"""A set of questions with their answers, as its files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NOTES = {
    (
        "n1",
        "p1",
    ): "Anna Mitchell is 44. Takes lisinopril 20 mg daily. No fever. Left knee is tender. Denies diabetes.",
    ("n2", "p1"): "Lisinopril raised to 40 mg once daily. Metformin 1 g twice daily. Type 2 diabetes.",
    ("n3", "p2"): "Martha Collins takes lisinopril 10 mg daily. Type 2 diabetes. Mother had gout.",
}
Row = Mapping[str, Any]


def write_answer_set(folder: Path, questions: Sequence[Row], split: str = "development") -> Path:
    """`questions`: rows of questions.jsonl, over NOTES."""
    (folder / split).mkdir(parents=True, exist_ok=True)
    notes = [
        {"resource_id": note, "patient_id": patient, "document_type": "Visit note", "text_content": text}
        for (note, patient), text in NOTES.items()
    ]
    for name, rows in (("notes.jsonl", notes), ("questions.jsonl", list(questions))):
        (folder / split / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def question(shape: str, items: Sequence[Row] = (), **fields: Any) -> dict[str, Any]:
    """One row: about p1, answered by `items`; without any, the notes do not state it."""
    expect = "answer" if items else "not_stated"
    return {
        "id": "q",
        "shape": shape,
        "question": "What is her dose of lisinopril?",
        "patients": ["p1"],
        "expect": expect,
        "items": list(items),
        **fields,
    }
