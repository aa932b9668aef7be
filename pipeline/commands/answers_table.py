"""The figures of answers as a person reads them: a table on the terminal, the same as Markdown, and each answer as a
line of JSON. Decides columns and words; refuses to compute."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from pipeline.commands.figures_table import markdown_table, terminal_table
from pipeline.evaluation.answers import AnswersResult, JudgedAnswer, ShapeResult, Share
from pipeline.evaluation.retrieval import Estimate

VERDICT_HEADINGS = (
    "asked",
    "right",
    "partly right",
    "wrong",
    "wrong patient",
    "false silence",
    "false answer",
)
MEASURE_HEADINGS = (
    "right of answerable",
    "wrong patient of all",
    "false of unanswerable",
    "recall",
    "precision",
)


def title(result: AnswersResult) -> str:
    return f"{result.name}, {result.split}: {result.asked} of {result.questions} questions over {result.notes} notes"


def tables(result: AnswersResult) -> Iterator[Table]:
    """Verdicts, shares and traps, each no wider than a terminal of 80 columns."""
    yield terminal_table(title(result), ("shape", *VERDICT_HEADINGS), map(_verdicts, result.shapes))
    yield terminal_table("with 95 % intervals", ("shape", *MEASURE_HEADINGS), map(_measures, result.shapes))
    traps = ([trap, _share(share)] for trap, share in result.traps.items())
    yield terminal_table("by trap", ("trap", "right, silence where it is right among them"), traps)


def markdown(results: Sequence[AnswersResult]) -> list[str]:
    """Lines of a table a set."""
    lines: list[str] = []
    for result in results:
        headings = ("shape", *VERDICT_HEADINGS, *MEASURE_HEADINGS)
        rows = ([*_verdicts(row), *_measures(row)[1:]] for row in result.shapes)
        lines += markdown_table(title(result), headings, rows)
        if result.traps:
            traps = "; ".join(f"{trap} {_share(share)}" for trap, share in result.traps.items())
            lines += ["", f"Right by trap: {traps}."]
    return lines


def write_answers(path: Path, judged: Sequence[JudgedAnswer]) -> None:
    """Each question with its verdict and what was said, one JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for each in judged:
            file.write(json.dumps(_as_row(each), ensure_ascii=False) + "\n")


def _as_row(each: JudgedAnswer) -> dict[str, object]:
    statements = each.answer.statements if each.answer else ()
    return {
        "id": each.question.id,
        "shape": each.question.shape,
        "verdict": each.judgement.verdict,
        "recall": each.judgement.recall,
        "precision": each.judgement.precision,
        "question": each.question.text,
        "outcome": each.answer.outcome if each.answer else "refused",
        "reason": each.answer.reason if each.answer else None,
        "statements": [
            {"text": statement.text, "notes": [citation.resource_id for citation in statement.citations]}
            for statement in statements
        ],
    }


def _verdicts(shape: ShapeResult) -> list[str]:
    counts = shape.verdicts.values()
    return [shape.shape.replace("_", "/"), str(sum(counts)), *map(str, counts)]


def _measures(shape: ShapeResult) -> list[str]:
    return [
        shape.shape.replace("_", "/"),
        _share(shape.right),
        _share(shape.wrong_patient),
        _share(shape.false_answers),
        _estimate(shape.recall),
        _estimate(shape.precision),
    ]


def _share(share: Share) -> str:
    return f"{share.share:.2f} ({share.low:.2f}-{share.high:.2f})" if share.of else "-"


def _estimate(estimate: Estimate | None) -> str:
    return f"{estimate.mean:.2f} ({estimate.low:.2f}-{estimate.high:.2f})" if estimate else "-"
