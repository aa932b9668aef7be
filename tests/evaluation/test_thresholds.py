"""The floor that is proposed, and the scale on which two models can be compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline import evaluate
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings
from pipeline.evaluation.thresholds import Cosines, fitted_scale, floor_rows, proposed_floor
from pipeline.records import TextKind, Vector
from tests.evaluation.beir_folder import write_set

NOTES = {
    "gout": "Allopurinol 100 mg once daily is continued for gout.",
    "knee": "The wound of the left knee is dry and heals well.",
    "film": "The chest film shows no infiltrate and no effusion.",
}
QUESTIONS = {
    "allopurinol for gout": {"gout": 1},
    "the wound of the left knee": {"knee": 2, "gout": 0},
    "infiltrate on the chest film": {"film": 1},
}


class Narrow(HashingEmbedder):
    """The same order of similarities, between 0.6 and 1: every vector gets a part that all texts share."""

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
        vectors = super().embed(texts, kind)
        shared = np.full((len(vectors), 1), np.sqrt(0.6), dtype=np.float32)
        return np.hstack([vectors * np.float32(np.sqrt(0.4)), shared])


def test_the_highest_floor_is_proposed_that_keeps_the_questions_of_every_set() -> None:
    many = np.linspace(0.30, 0.80, 200)
    rows = floor_rows({"a": Cosines(many, np.array([0.1, 0.9])), "b": Cosines(many + 0.2, np.array([]))})
    assert proposed_floor(rows) == 0.30
    (row,) = (row for row in rows if row.floor == 0.30)
    assert row.kept == {"a": 1.0, "b": 1.0}
    assert row.stopped == {"a": 0.5}
    assert proposed_floor(floor_rows({"a": Cosines(-many, np.array([]))})) == 0.0


def test_a_scale_is_found_again() -> None:
    settings = EmbedderSettings(provider="hashing")
    pairs = [(question, list(NOTES.values())) for question in QUESTIONS]
    scale = fitted_scale(pairs, Narrow(settings), HashingEmbedder(settings))
    assert scale.factor == pytest.approx(2.5, abs=0.01)  # cosine = 0.4 usual + 0.6
    assert scale.shift == pytest.approx(-1.5, abs=0.01)


def test_the_command_prints_what_is_to_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    folder = write_set(tmp_path / "ward", NOTES, QUESTIONS)
    (tmp_path / "other.txt").write_text("How do bees fly?\n\nIs rain wet?\n")
    command = ["thresholds", "--set", str(folder), "--unrelated", str(tmp_path / "other.txt")]
    told = CliRunner().invoke(evaluate.app, [*command, "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["similarity_floor"] > 0.1
    (row,) = (row for row in found["floors"] if row["floor"] == found["similarity_floor"])
    assert row["kept"] == {"ward": 1.0}
    assert row["stopped"] == {"ward": 1.0}
    printed = CliRunner().invoke(evaluate.app, command)
    assert f"CHARTWELL_EMBEDDER__SIMILARITY_FLOOR={found['similarity_floor']:.2f}" in printed.stdout
