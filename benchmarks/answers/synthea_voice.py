"""How a question about one patient is worded: who is meant by name, by id, by a filter or by the question before."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.answers.synthea_notes import Person, Row, Span


class Voice:
    """Words a question about one patient: who is meant by name, by id, by a filter or by the question before."""

    def __init__(self, person: Person, chance: random.Random) -> None:
        self.person = person
        self.chance = chance
        self._named = (
            self._by_name,
            self._by_name,
            self._by_id,
            self._by_filter,
            self._by_conversation,
        )

    def row(
        self, shape: str, kind: str, forms: Sequence[str], items: Sequence[Row], *traps: str, **more: Any
    ) -> Row:
        """`forms`: ways to ask, with {who}, {whose}, {whom} and {date}."""
        words, extra = self.chance.choice(self._named)()
        found: list[str] = [*traps, *extra.pop("traps", [])]
        return {
            "shape": shape,
            "kind": kind,
            "question": self.chance.choice(list(forms)).format(**words, **more.pop("words", {})),
            "patients": [self.person.id],
            "expect": "answer" if items else "not_stated",
            "items": list(items),
            **({"traps": found + ([] if items else ["unanswerable"])} if found or not items else {}),
            **extra,
            **more,
        }

    def _by_name(self) -> tuple[dict[str, str], Row]:
        return _words(self.person.name), {}

    def _by_id(self) -> tuple[dict[str, str], Row]:
        return _words(f"patient {self.person.id}"), {}

    def _by_filter(self) -> tuple[dict[str, str], Row]:
        return _words("the patient"), {"limited_to": [self.person.id]}

    def _by_conversation(self) -> tuple[dict[str, str], Row]:
        who, whose, whom = ("she", "her", "her") if self.person.female else ("he", "his", "him")
        before = f"What insurance does {self.person.name} have?"
        return {"who": who, "whose": whose, "whom": whom}, {"earlier": [before], "traps": ["follow_up"]}


def _words(name: str) -> dict[str, str]:
    return {"who": name, "whose": f"{name}'s", "whom": name}


def item(spans: Iterable[Span], *say: str | Sequence[str]) -> Row:
    return {"say": [[each] if isinstance(each, str) else list(each) for each in say], "spans": list(spans)}
