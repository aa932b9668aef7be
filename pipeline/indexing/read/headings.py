"""A section's title as a line that every later stage knows for a heading.

What a heading looks like is `chunk.heading_of`'s judgement; this writes one that passes it.
"""

from __future__ import annotations

from pipeline.indexing.chunk import HEADING_CHARACTERS_MAX, heading_of


def heading_line(title: str) -> str:
    """ "Allergies:" for the title "allergies"; a title too long for a heading stays a line of text."""
    title = " ".join(title.split()).rstrip(": ")
    title = title[:1].upper() + title[1:]
    line = f"{title}:"
    if heading_of(line) == title or len(title) > HEADING_CHARACTERS_MAX - 3:
        return line
    return f"## {title}"
