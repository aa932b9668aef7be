"""Without prometheus-client and OpenTelemetry everything works: nothing is counted, and nothing is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.telemetry.conftest import NOTES, QUESTION

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Lacking(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] in ("prometheus_client", "opentelemetry", "pynvml", "psutil"):
            return None
        return PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Lacking if each is PathFinder else each for each in sys.meta_path]
import importlib
command, *arguments = sys.argv[1:]
sys.argv = [command, *arguments]
importlib.import_module(f"pipeline.{command}").app()
"""


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {
        "PYTHONPATH": str(ROOT),
        "PATH": "/usr/bin:/bin",
        "CHARTWELL_EMBEDDER__PROVIDER": "hashing",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *words], cwd=folder, env=given, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip


@pytest.mark.long
def test_notes_are_indexed_and_questions_answered(tmp_path: Path) -> None:
    rows = [
        {"resource_id": i, "patient_id": p, "document_type": "note", "text_content": t}
        for i, p, _, t in NOTES
    ]
    (tmp_path / "notes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    indexed = run(tmp_path, "vectorize", "notes", "notes.jsonl")
    assert indexed.returncode == 0, indexed.stderr
    assert not (tmp_path / "chartwell-data" / "ingestion.prom").exists()
    asked = run(tmp_path, "ask", QUESTION, CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN="0.2")
    assert asked.returncode == 0, asked.stderr
    assert "lisinopril 20 mg daily" in asked.stdout
    traced = run(tmp_path, "ask", QUESTION, CHARTWELL_TRACING__EXPORTER="file")
    assert traced.returncode == 2
    assert "OpenTelemetry is not installed" in traced.stderr
