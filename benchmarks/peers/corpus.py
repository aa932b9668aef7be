"""Makes as many different notes as asked for out of the notes that ship with the project.

A copied note would be embedded once by a program that recognises equal texts and look like speed. So one word in eight
is replaced by another word of the corpus and every digit by another digit: next to no two passages of the size
of a sentence or more are equal. The same count gives the same notes.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).resolve().parents[2] / "pipeline" / "demo" / "notes"
REPLACED_SHARE = 1 / 8
_WORD = re.compile(r"[a-z]{4,}")
_DIGIT = re.compile(r"\d")


def shipped() -> list[dict[str, Any]]:
    """The notes that ship with the project, always in the same order."""
    files = sorted(SHIPPED.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def notes(count: int, seed: int = 11) -> Iterator[dict[str, Any]]:
    """`count` notes in Chartwell's own fields, each with an id and a text that no other has."""
    originals = shipped()
    words = sorted({word for note in originals for word in _WORD.findall(note["text_content"])})
    chance = random.Random(seed)

    def another_word(match: re.Match[str]) -> str:
        return chance.choice(words) if chance.random() < REPLACED_SHARE else match[0]

    def another_digit(_: re.Match[str]) -> str:
        return chance.choice("0123456789")

    for number in range(count):
        note = originals[number % len(originals)]
        # Only the text varies: digits drawn for a date would make dates that do not exist.
        text = _DIGIT.sub(another_digit, _WORD.sub(another_word, note["text_content"]))
        yield note | {"resource_id": f"{note['resource_id']}-{number:06}", "text_content": text}


def write(path: Path, count: int) -> None:
    """`count` notes as JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        for note in notes(count):
            file.write(json.dumps(note) + "\n")
