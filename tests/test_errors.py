"""The error tree: one code each, drawn in the module's docstring, explained in the documentation."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pipeline import errors
from pipeline.checks import errors as check_errors
from pipeline.checks.errors import CheckFailed
from pipeline.errors import BadRequest, ChartwellError, LibraryError, ProviderError, RateLimited, StoreError
from pipeline.service import errors as service_errors
from pipeline.service.errors import ServiceError

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (errors, service_errors, check_errors)
"""Where errors with codes of their own are defined."""


def tree(cls: type[ChartwellError] = ChartwellError) -> Iterator[type[ChartwellError]]:
    """The classes of the three trees. A refinement elsewhere has its parent's code, and with it its section."""
    yield cls
    for child in cls.__subclasses__():
        if child.__module__ in {room.__name__ for room in ROOMS}:
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
    """What is stable for people and programs stands in the files of the errors."""
    elsewhere = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pipeline").rglob("*.py")
        if path not in {Path(room.__file__ or "") for room in ROOMS}
        and re.search(r'^    code(?:: [^=]+)? = "CW-', path.read_text(encoding="utf-8"), re.M)
    ]
    assert elsewhere == []


def test_the_drawing_shows_the_tree_and_what_is_transient() -> None:
    drawn = {
        room.__name__: {
            match.group(1): match.group(2) == "~"
            for match in re.finditer(r"^[│├└─ ]*(\w+) *(~)?", room.__doc__ or "", re.MULTILINE)
        }
        for room in ROOMS
    }
    for cls in tree():
        assert cls.__name__ in drawn[cls.__module__], (
            f"{cls.__name__} is missing in the drawing of its module"
        )
        assert drawn[cls.__module__][cls.__name__] == cls.transient, cls.__name__


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


def test_only_what_is_meant_for_clients_may_be_repeated_to_them() -> None:
    """A store's or a model server's words may name hosts, notes or rows."""
    shown = {cls for cls in tree() if cls.for_client}
    assert shown == {cls for cls in tree() if issubclass(cls, ServiceError | BadRequest | LibraryError)}
    assert not {StoreError, ProviderError, CheckFailed} & shown


def test_what_flows_raise_is_known_without_the_service() -> None:
    """The trees of the service and of the checks stand above those who could raise their errors."""
    for room in (service_errors, check_errors):
        upper = room.__name__.rpartition(".")[0].replace(".", "/")
        below = [
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "pipeline").rglob("*.py")
            if f"from {room.__name__} import" in path.read_text(encoding="utf-8")
            and not path.is_relative_to(ROOT / upper)
            and path.parent != ROOT / "pipeline"
        ]
        assert below == []
