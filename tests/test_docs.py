"""Docs that cannot lie: generated parts in step, links that lead somewhere, README commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def test_the_docs_name_no_place_of_a_developers_machine() -> None:
    for page in [*PAGES, ROOT / "Makefile", ROOT / "pyproject.toml"]:
        assert not re.search(r"/(home|root|work|tmp)/\w", page.read_text(encoding="utf-8")), page.name
