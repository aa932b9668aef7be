"""Pulumi.yaml and the tables of the docs say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from infra.plan.config import KEYS
from tests.infra.generated import ROOT, wanted


@pytest.mark.parametrize("path", wanted(), ids=lambda path: path.name)
def test_the_generated_parts_are_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == wanted()[path], "run: python -m tests.infra.generated --write"


def test_the_example_stack_sets_known_keys_and_no_secret() -> None:
    example = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8"))["config"]
    ours = {key.removeprefix("chartwell:") for key in example if key.startswith("chartwell:")}
    known = {key.name: key for key in KEYS}
    assert ours <= set(known)
    assert not any(known[key].secret for key in ours)


def test_every_section_that_a_message_of_the_infrastructure_names_exists() -> None:
    missing = set()
    for source in (ROOT / "infra").rglob("*.py"):
        for document, anchor in re.findall(
            r"docs/([\w\-]+\.md)#([\w\-]+)", source.read_text(encoding="utf-8")
        ):
            page = ROOT / "docs" / document
            text = page.read_text(encoding="utf-8") if page.exists() else ""
            anchors = {
                re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
                for line in text.splitlines()
                if line.startswith("#")
            }
            anchors |= set(re.findall(r'<a id="([\w\-]+)">', text))
            if anchor not in anchors:
                missing.add(f"{document}#{anchor} ({source.name})")
    assert missing == set()
