"""The table of docs/pause-resume.md: a row a bad day, written from what the proof saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "pause-resume.md"
BEGIN: Final = "<!-- bad days: written by `python -m tests.engine.proof --write` -->\n"
END: Final = "<!-- end of the bad days -->\n"
COLUMNS: Final = ("title", "engine", "user", "data", "cost")
HEADS: Final = ("what happened", "what the engine did, what to do", "what one saw", "data", "what it cost")


def page(rows: Sequence[Mapping[str, str]]) -> str:
    """The page with this table in it. Raises ValueError where it has no place for one."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE.name} has no place for the table: {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}{table(rows)}{END}{after}"


def table(rows: Sequence[Mapping[str, str]]) -> str:
    lines = [_line(HEADS), _line(["---"] * len(HEADS))]
    lines += [_line([_cell(each, column) for column in COLUMNS]) for each in rows]
    return "\n" + "".join(f"{line}\n" for line in lines) + "\n"


def titles() -> list[str]:
    """The days that the page has rows for, in its order."""
    lines = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].splitlines()
    return [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")][2:]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(row: Mapping[str, str], column: str) -> str:
    text = row[column].replace("|", "\\|")
    printed = column == "user" and text != "nothing"
    return f"*{_plain(text)}*" if printed else text


def _plain(text: str) -> str:
    """Printed text as it was, with nothing that Markdown would take for its own."""
    return text.replace("*", "\\*").replace("<", "&lt;").replace("~", "\\~")
