"""The error tree: one code each, drawn in the module's docstring, explained in the documentation."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline import errors
from pipeline.errors import ChartwellError, RateLimited

ROOT = Path(__file__).resolve().parents[1]


def tree(cls: type[ChartwellError] = ChartwellError) -> Iterator[type[ChartwellError]]:
    """The classes of `pipeline.errors`. A refinement elsewhere has its parent's code, and with it its section."""
    yield cls
    for child in cls.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_a_refinement_elsewhere_has_the_code_of_its_parent() -> None:
    importlib.import_module("pipeline.serve")
    known = set(tree())
    for cls in known:
        for child in cls.__subclasses__():
            assert child in known or child.code == cls.code, child.__name__


def test_every_code_is_used_once() -> None:
    codes = Counter(cls.code for cls in tree())
    assert [code for code, number in codes.items() if number > 1] == []


def test_a_class_defined_elsewhere_brings_no_code_of_its_own() -> None:
    """What is stable for people and programs stands in one file."""
    elsewhere = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pipeline").rglob("*.py")
        if path.name != "errors.py"
        and re.search(r'^    code(?:: [^=]+)? = "CW-', path.read_text(encoding="utf-8"), re.M)
    ]
    assert elsewhere == []


def test_the_drawing_shows_the_tree_and_what_is_transient() -> None:
    drawn = {
        match.group(1): match.group(2) == "~"
        for match in re.finditer(r"^[│├└─ ]*(\w+) *(~)?", errors.__doc__ or "", re.MULTILINE)
    }
    for cls in tree():
        assert cls.__name__ in drawn, f"{cls.__name__} is missing in the drawing of pipeline/errors.py"
        assert drawn[cls.__name__] == cls.transient, cls.__name__


def test_every_code_has_its_section_in_the_documentation() -> None:
    headings = re.findall(
        r"^## (CW-[A-Z-]+)$", (ROOT / errors.TROUBLESHOOTING).read_text(encoding="utf-8"), re.M
    )
    assert sorted(cls.code for cls in tree()) == sorted(headings)


def test_a_message_says_what_to_do_and_where_to_read() -> None:
    error = RateLimited("The server refused note n1.", remedy="Wait a minute.", retry_after_seconds=3)
    assert str(error) == (
        "The server refused note n1. Wait a minute. "
        "[CW-PROVIDER-RATE, see docs/troubleshooting.md#cw-provider-rate]"
    )
