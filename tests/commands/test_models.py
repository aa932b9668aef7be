"""`python -m pipeline.models`: what is listed, what is refused, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import models


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def test_every_model_is_listed_with_whether_it_is_here(runner: CliRunner) -> None:
    listed = json.loads(runner.invoke(models.app, ["list", "--json"]).stdout)
    assert {model["name"]: model["file_bytes"] for model in listed}["bge-small-en-v1.5"] == 34_014_426
    assert {model["here"] for model in listed if model["name"] == "bge-small-en-v1.5"} == {False}
    table = runner.invoke(models.app, ["list"])
    assert table.exit_code == 0
    assert all(model["name"] in table.stdout for model in listed)


def test_an_unknown_name_is_refused_with_those_there_are(runner: CliRunner) -> None:
    refused = runner.invoke(models.app, ["fetch", "bge-m3"])
    assert refused.exit_code == 2
    assert "bge-small-en-v1.5" in refused.stderr


def test_a_mirror_that_is_away_ends_with_2_and_a_way_out(runner: CliRunner, tmp_path: Path) -> None:
    refused = runner.invoke(
        models.app, ["fetch", "bge-small-en-v1.5", "--mirror", "http://127.0.0.1:9", "--to", str(tmp_path)]
    )
    assert refused.exit_code == 2
    assert "could not be downloaded" in refused.stderr
    assert "CHARTWELL_EMBEDDER__MODEL_FILE" in refused.stderr
    assert list(tmp_path.iterdir()) == []
