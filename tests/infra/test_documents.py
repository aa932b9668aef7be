"""Documents of the infrastructure: sections that messages name exist; the drawing is up to date."""

from __future__ import annotations

import re
from pathlib import Path

from infra.plan.config import KEY_FILE
from tests.infra import diagram

ROOT = Path(__file__).resolve().parents[2]
POINTER = re.compile(r"docs/([a-z-]+\.md)#([a-z0-9-]+)")
LINK = re.compile(r"\]\(([a-z/-]*\.?[a-z-]+\.(?:md|svg))(?:#([a-z0-9-]+))?\)")
# `die MESSAGE SECTION` adds the document's name itself.
DIE = re.compile(r"die \"[^\n]*\" ([a-z-]+)$", re.MULTILINE)
HELP = re.compile(r"^help=([a-z-]+)$", re.MULTILINE)
OURS = ("architecture.md", "deployment-guide.md", "runbook.md", "troubleshooting-aws.md")


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}


def sources() -> list[Path]:
    found = [ROOT / "__main__.py", *(ROOT / "infra").rglob("*.py")]
    scripts = (path for path in (ROOT / "cloud-init").rglob("*") if path.is_file())
    return found + [path for path in scripts if path.parent.name != "__pycache__"]


def test_every_section_that_a_message_names_exists() -> None:
    named = {pointer for path in sources() for pointer in POINTER.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 10
    missing = [
        f"{document}#{section}"
        for document, section in sorted(named)
        if not (ROOT / "docs" / document).exists() or section not in anchors(ROOT / "docs" / document)
    ]
    assert missing == []


def test_every_section_that_a_script_names_exists() -> None:
    texts = [path.read_text() for path in (ROOT / "cloud-init").rglob("*.sh")]
    named = {each for text in texts for each in [*DIE.findall(text), *HELP.findall(text)]}
    # wait_ready names the section after the container.
    named |= {"host-boot", "services", "nim-llm", "nim-embedding", "nim-image", "iris"}
    assert len(named) > 8
    assert named - anchors(ROOT / "docs" / "troubleshooting-aws.md") == set()


def test_links_between_our_documents_lead_somewhere() -> None:
    for name in OURS:
        for target, section in LINK.findall((ROOT / "docs" / name).read_text(encoding="utf-8")):
            path = ROOT / "docs" / target
            assert path.exists(), f"{name}: {target}"
            assert not section or section in anchors(path), f"{name}: {target}#{section}"


def test_the_key_of_the_host_lies_in_one_place() -> None:
    files = [
        *sources(),
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / ".github").rglob("*.yml"),
    ]
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    named = {each for text in texts.values() for each in re.findall(r"[\w~./]*chartwell-key\b", text)}
    assert named == {KEY_FILE}


def test_the_drawing_is_what_the_program_builds_now() -> None:
    assert diagram.TARGET.read_text(encoding="utf-8") == diagram.svg(), (
        "python -m tests.infra.diagram --write"
    )
