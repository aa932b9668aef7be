"""Named SQL statements, read from a `.sql` file that lies next to the module that runs them.

A statement begins with `-- name: its_name` and ends where the next begins. Asking for a name that is not there raises,
and a test asks for every name that the code asks for, so that none is missing at two in the morning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


class Statements:
    """The statements of one file, as attributes: `statements.upsert_note`."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        parts = _NAME.split(text)[1:]
        self._path = path
        self._statements = {
            name: body.strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)
        }
        if len(self._statements) * 2 != len(parts):
            raise ValueError(f"{path.name} names a statement twice")

    def __getattr__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"{self._path.name} has no statement named {name}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def renamed(self, names: Mapping[str, str]) -> Statements:
        """The same statements on tables of other names, wherever those stand in them."""
        copy = object.__new__(Statements)
        copy._path, copy._statements = self._path, dict(self._statements)
        for one, other in names.items():
            copy._statements = {name: body.replace(one, other) for name, body in copy._statements.items()}
        return copy

    def items(self) -> list[tuple[str, str]]:
        """(name, statement) in the order of the file."""
        return list(self._statements.items())
