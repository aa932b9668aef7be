"""Numbers out of the state for those who watch: no row leaves it."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import func, select

from pipeline.config import Settings
from pipeline.service.state.database import open_state
from pipeline.service.state.models import Receipt


def receipts(settings: Settings) -> int:
    """How many answers there are receipts of; erased texts do not change it. Raises StateError."""
    with closing(open_state(settings)) as state, state.reading() as session:
        return session.scalar(select(func.count()).select_from(Receipt)) or 0
