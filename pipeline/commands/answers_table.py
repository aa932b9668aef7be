"""The figures of answers as a person reads them: a table on the terminal, the same as Markdown, and each answer as a
line of JSON. Decides columns and words; refuses to compute."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from pipeline.evaluation.answers import AnswersResult, JudgedAnswer, ShapeResult, Share
from pipeline.evaluation.retrieval import Estimate

HEADINGS = (
    *(
        "shape",
        "asked",
        "right",
        "right, incomplete",
        "wrong",
        "wrong patient",
        "false silence",
        "false answer",
    ),
    *("right of answerable", "false of unanswerable", "recall", "precision"),
)


def title(result: AnswersResult) -> str:
    return (
        f"{result.name}, {result.split}: {result.asked} of {result.questions} questions over {result.notes} notes, "
        f"p50 {result.milliseconds_p50:.0f} ms, p95 {result.milliseconds_p95:.0f} ms"
    )


def table(result: AnswersResult) -> Table:
    drawn = Table(title=title(result), title_justify="left")
    for heading in HEADINGS:
        drawn.add_column(heading, justify="left" if heading == "shape" else "right")
    for row in _rows(result):
        drawn.add_row(*row)
    return drawn


def traps_table(result: AnswersResult) -> Table:
    drawn = Table(title="right answers by trap, silence where it is right among them", title_justify="left")
    drawn.add_column("trap")
    drawn.add_column("right", justify="right")
    for trap, share in result.traps.items():
        drawn.add_row(trap, _share(share))
    return drawn


def markdown(results: Sequence[AnswersResult]) -> list[str]:
    """Lines of a table a set."""
    lines = []
    for result in results:
        lines += ["", f"**{title(result)}**", "", f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
        lines += [f"| {' | '.join(row)} |" for row in _rows(result)]
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


def _rows(result: AnswersResult) -> Iterator[list[str]]:
    for shape in result.shapes:
        asked = sum(shape.verdicts.values())
        yield [
            shape.shape.replace("_", "/"),
            str(asked),
            *(str(count) for count in shape.verdicts.values()),
            *_measures(shape),
        ]


def _measures(shape: ShapeResult) -> Iterator[str]:
    yield _share(shape.right)
    yield _share(shape.false_answers)
    yield _estimate(shape.recall)
    yield _estimate(shape.precision)


def _share(share: Share) -> str:
    return f"{share.share:.2f} ({share.low:.2f}-{share.high:.2f})" if share.of else "-"


def _estimate(estimate: Estimate | None) -> str:
    return f"{estimate.mean:.2f} ({estimate.low:.2f}-{estimate.high:.2f})" if estimate else "-"
