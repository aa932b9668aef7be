"""Everything that can be raised has its section, and every section says cause, check and cure. Counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.monitoring.alerts import alerts_of
from tests.monitoring.samples import ILL, WELL

ROOT = Path(__file__).resolve().parents[1]
PAGE, AWS = ROOT / "docs" / "troubleshooting.md", ROOT / "docs" / "troubleshooting-aws.md"
PARTS = ("Cause", "Check", "Cure")
CHARACTERS_MIN = 25
"""A part that is shorter says nothing to an operator at night."""
CODE = re.compile(r"\bCW-[A-Z]+(?:-[A-Z]+)*\b")


def sections(page: Path) -> dict[str, str]:
    """Title of each section to its text, in the page's order."""
    found = re.findall(
        r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(found) == len({title for title, _ in found}), f"a title stands twice in {page.name}"
    return dict(found)


def anchor(title: str) -> str:
    """As GitHub makes it of a title."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def parts(text: str) -> dict[str, str]:
    """Cause, check and cure of a section, in its order."""
    return dict(re.findall(r"^\*\*(\w+)\.\*\* (.*?)(?=^\*\*\w+\.\*\* |\Z)", text, re.MULTILINE | re.DOTALL))


def raised() -> set[str]:
    """Codes of all error classes, wherever they are defined: by their source, so that nothing has to be imported."""
    return {
        code
        for path in (ROOT / "pipeline").rglob("*.py")
        for code in re.findall(
            r'^    code(?:: [^=]+)? = "(CW-[A-Z-]+)"', path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }


def written() -> set[str]:
    """Codes that the source names anywhere, as a class or as a text."""
    return {
        code
        for path in (ROOT / "pipeline").rglob("*")
        if path.suffix in {".py", ".html", ".js"}
        for code in CODE.findall(path.read_text(encoding="utf-8"))
    }


def anchors_named_by_the_infrastructure() -> set[str]:
    """Sections of the AWS page that code, host scripts and their `die` name."""
    files = [
        *(ROOT / "infra").rglob("*.py"),
        *(path for path in (ROOT / "cloud-init").rglob("*") if path.is_file()),
        ROOT / "__main__.py",
    ]
    found: set[str] = set()
    for path in files:
        text = path.read_text(encoding="utf-8")
        found |= {each.rstrip(".") for each in re.findall(r"troubleshooting-aws\.md#([a-z][\w-]*)", text)}
        if path.suffix == ".sh":
            found |= set(re.findall(r'die ".*" ([a-z][a-z-]+)(?: ;;)?$', text, re.MULTILINE))
            found |= set(re.findall(r"^help=([a-z-]+)$", text, re.MULTILINE))
            found |= set(re.findall(r"\$\{2:-([a-z-]+)\}", text))
    # lib.sh names the section after the container.
    return found | {"iris", "nim-llm", "nim-embedding", "nim-image"}


def test_every_code_has_its_section_and_every_section_its_code() -> None:
    codes, titles = raised(), sections(PAGE)
    assert codes == set(titles)
    assert written() <= codes
    assert len(codes) >= 54


def test_every_section_that_the_infrastructure_names_is_there() -> None:
    named, there = anchors_named_by_the_infrastructure(), {anchor(title) for title in sections(AWS)}
    assert len(named) >= 20
    assert named <= there
    # The rest is reached by hand: from the mail of an alarm.
    assert there - named <= {"alarms"}


@pytest.mark.parametrize("page", [PAGE, AWS], ids=lambda page: page.stem)
def test_every_section_says_cause_check_and_cure(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thin = []
    for title, text in sections(page).items():
        found = parts(text)
        assert tuple(found) == PARTS, f"{page.name}, {title}: has {tuple(found)}"
        thin += [f"{title}: {part}" for part, said in found.items() if len(said.strip()) < CHARACTERS_MIN]
    assert thin == []
    with capsys.disabled():
        print(f"\n{page.name}: {len(sections(page))} sections, each with cause, check and cure")


def test_a_section_that_lacks_a_part_would_be_found() -> None:
    assert tuple(parts("**Cause.** It broke.\n\n**Cure.** Repair it.\n")) == ("Cause", "Cure")


def test_what_the_monitor_tells_to_read_is_there() -> None:
    for each in alerts_of(ILL, WELL):
        if found := re.search(r"docs/([\w-]+\.md)#([\w-]+)", each.do):
            titles = re.findall(
                r"^#+ (.+)$", (ROOT / "docs" / found[1]).read_text(encoding="utf-8"), re.MULTILINE
            )
            assert found[2] in {anchor(title) for title in titles}, each.do


def test_links_between_sections_lead_somewhere() -> None:
    pages = sorted((ROOT / "docs").glob("*.md"))
    titles = {
        page.name: {
            anchor(title)
            for title in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        }
        for page in pages
    }
    for page in pages:
        for target, place in re.findall(r"\]\(([\w-]+\.md)?#([\w-]+)\)", page.read_text(encoding="utf-8")):
            assert place in titles[target or page.name], f"{page.name} links to {target}#{place}"
