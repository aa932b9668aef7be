"""How what a vision model says of a picture is put to a person: under which heading, and with what is left out."""

from __future__ import annotations

from pipeline.records import Seen

NOT_CHECKED = "What the model sees in the picture. Not checked."
"""Stands wherever `Answer.seen` is shown."""


def seen_in_words(seen: Seen) -> str:
    """What is shown of it, and what is not, below `NOT_CHECKED`."""
    if not seen.withheld:
        return seen.text
    sentences = "1 sentence is" if seen.withheld == 1 else f"{seen.withheld} sentences are"
    return f"{seen.text} ({sentences} not shown: they may name someone.)".strip()
