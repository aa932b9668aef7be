"""Every kind of refusal is explained in the documentation, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.imaging.dicom_objects import KINDS

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_explains_every_kind() -> None:
    rooms = (ROOT / "pipeline" / "imaging", ROOT / "pipeline" / "indexing" / "images")
    files = [
        ROOT / "pipeline" / "indexing" / "poison.py",
        *(path for room in rooms for path in room.rglob("*.py")),
    ]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    named = re.findall(r'(?:kind=|AMBIGUOUS_ROW = |DIED: Final = |_list\(claim, \w+, )"([a-z-]+)"', code)
    raised = set(named) | {kind.kind for kind in KINDS}
    page = (ROOT / "docs" / "images.md").read_text(encoding="utf-8")
    section = page.partition("with its kind:")[2].partition("What became of")[0]
    first_cells = "".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`([a-z-]+)`", first_cells)) == raised
