"""Numbers out of the state for those who watch: questions and their tokens. No row and no text leaves it."""

from __future__ import annotations

import datetime as dt
import json
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import select

from pipeline.config import Settings
from pipeline.service.database.engine import State, open_state
from pipeline.service.database.tables import Receipt, now

SETTLED_AFTER = dt.timedelta(minutes=10)
"""A receipt carries the time of its answer and is written a moment later; after this long none is still to come."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Counted over all receipts. Erasing texts changes nothing: the numbers stand in what is kept for good."""

    number: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Answers) -> Answers:
        return Answers(
            self.number + other.number,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )


class AnswerCounts:
    """Counts again and again, reading all receipts the first time and then those of the last minutes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._settled = Answers()
        self._until: dt.datetime | None = None

    def __call__(self) -> Answers:
        """Raises StateError where the state cannot be read."""
        border = now() - SETTLED_AFTER
        with closing(open_state(self._settings)) as state:
            self._settled += _counted(state, self._until, border)
            self._until = border
            return self._settled + _counted(state, border, None)


def _counted(state: State, since: dt.datetime | None, before: dt.datetime | None) -> Answers:
    """Those made in [since, before)."""
    statement = select(Receipt.record)
    if since is not None:
        statement = statement.where(Receipt.created_at >= since)
    if before is not None:
        statement = statement.where(Receipt.created_at < before)
    found = Answers()
    with state.reading() as session:
        for record in session.scalars(statement.execution_options(yield_per=1000)):
            usage = json.loads(record).get("usage") or {}
            found += Answers(1, int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)))
    return found
