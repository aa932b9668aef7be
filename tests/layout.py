"""The layout of the code as docs/architecture.md shows it: every folder with what it is for, and the files in it.

What a folder or a command is for is the first sentence of its docstring, so the page says what the code says.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- layout: written by make docs -->\n", "<!-- end of the layout -->\n"
WIDTH = 118


def page() -> str:
    """docs/architecture.md with the layout as it is now. Raises ValueError where the page has no place for it."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE.name} has no place for the layout: {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}```text\n{tree()}```\n{END}{after}"


def tree() -> str:
    return "\n".join(line for top in ("pipeline", "infra") for line in _folder(ROOT / top, 0)) + "\n"


def _folder(folder: Path, depth: int) -> Iterator[str]:
    indent = "  " * depth
    yield from _described(f"{indent}{folder.name}/", _first_sentence(folder / "__init__.py"), depth)
    files = sorted(path for path in folder.glob("*.py") if path.name not in ("__init__.py", "__main__.py"))
    if depth == 0:
        for path in files:
            yield from _described(f"  {path.name}", _first_sentence(path), 1)
    elif files:
        texts = sorted(path.name for path in folder.iterdir() if path.suffix in (".sql", ".md"))
        names = " ".join([*(path.name.removesuffix(".py") for path in files), *texts])
        yield from textwrap.wrap(
            names, WIDTH, initial_indent=f"{indent}    ", subsequent_indent=f"{indent}    "
        )
    for each in sorted(path for path in folder.iterdir() if (path / "__init__.py").is_file()):
        yield from _folder(each, depth + 1)


def _described(name: str, what: str, depth: int) -> Iterator[str]:
    yield from (
        textwrap.wrap(
            f"{name:<24} {what}",
            WIDTH,
            subsequent_indent=" " * 25,
            drop_whitespace=True,
            break_long_words=False,
        )
        if depth == 0 or what
        else [name]
    )


def _first_sentence(path: Path) -> str:
    """Empty where there is no docstring."""
    documentation = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = " ".join(documentation.split("\n\n")[0].split())
    return first.split(". ")[0].rstrip(".:")
