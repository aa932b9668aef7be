"""How what was measured of a floor of similarity is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from pipeline.commands.console import out
from pipeline.evaluation.thresholds import FloorRow, proposed_floor
from pipeline.ports import SimilarityScale

SHOWN_AROUND = 0.12
"""Floors further from the proposed one are left out of the table."""


def show(
    rows: Sequence[FloorRow], scale: SimilarityScale, sentence_minimum: float, json_output: bool
) -> None:
    """Print the floors, the one proposed, and what the answerer's threshold is on this model's cosines."""
    floor = proposed_floor(rows)
    minimum = round((sentence_minimum - scale.shift) / scale.factor, 2)
    if json_output:
        told = {
            "floors": [asdict(row) for row in rows],
            "similarity_floor": floor,
            "scale": asdict(scale),
            "sentence_similarity_min": minimum,
        }
        out.print(json.dumps(told, indent=2), markup=False)
        return
    out.print(_table([row for row in rows if abs(row.floor - floor) <= SHOWN_AROUND]))
    out.print(f"CHARTWELL_EMBEDDER__SIMILARITY_FLOOR={floor:.2f}")
    out.print(
        f"{sentence_minimum:.2f} of all-MiniLM-L6-v2 is {minimum:.2f} of this model (cosine x {scale.factor:.2f} "
        f"{scale.shift:+.2f}); for a model without a scale of its own: "
        f"CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN={minimum:.2f}"
    )


def _table(rows: Sequence[FloorRow]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("floor", justify="right")
    for what, shares in (("kept", rows[0].kept), ("stopped", rows[0].stopped)):
        for name in shares:
            table.add_column(f"{what}: {name}", justify="right")
    for row in rows:
        table.add_row(
            f"{row.floor:.2f}", *(f"{share:.1%}" for share in [*row.kept.values(), *row.stopped.values()])
        )
    return table
