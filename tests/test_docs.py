"""Docs that cannot lie: generated parts in step, links that lead somewhere, README commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import vectorize
from tests import generated

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_generated_files_are_up_to_date() -> None:
    assert generated.stale() == [], "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_and_modules_that_the_docs_name_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for target in re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", text, re.M):
        assert "".join(target) in targets, f"{page.name} names make {''.join(target)}"
    for module in re.findall(r"python -m ((?:pipeline|infra|benchmarks)[\w.]*)", text):
        path = ROOT / module.rstrip(".").replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), (
            f"{page.name} names {module}"
        )


def readme_commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [
        line
        for block in blocks
        for line in block.splitlines()
        if line.startswith(".venv/bin/python -m pipeline")
    ]


@pytest.mark.long
def test_the_readmes_commands_run_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On the notes that ship, with the embedder that needs no weights: what is shown is what works."""
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_DATA_DIR", str(tmp_path / "data"))
    commands = readme_commands()
    assert len(commands) >= 3
    for command in commands:
        words = shlex.split(command.replace("FILE-OR-FOLDER", "pipeline/demo/notes"))
        done = subprocess.run(
            [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        # 3: asked, and nothing relevant found, which this embedder may well say.
        assert done.returncode in ({0, 3} if "pipeline.ask" in command else {0}), f"{command}\n{done.stderr}"


def test_the_readmes_python_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    notes = ROOT / "tests/data/notes/12-names.jsonl"
    assert CliRunner().invoke(vectorize.app, ["notes", str(notes)]).exit_code == 0
    (snippet,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    exec(compile(snippet, "README.md", "exec"), {})


def test_the_docs_name_no_place_of_a_developers_machine() -> None:
    for page in [*PAGES, ROOT / "Makefile", ROOT / "pyproject.toml"]:
        assert not re.search(r"/(home|root|work|tmp)/\w", page.read_text(encoding="utf-8")), page.name
