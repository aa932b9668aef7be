"""A note over HTTP.

Positions are half-open ranges `[start, end)` in characters (Unicode code points) of the note's original text.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from pipeline.records import Document
from pipeline.service.schemas.fields import example


class SpanOut(BaseModel):
    start: int
    end: int
    text: str


class NoteOut(BaseModel):
    """A note as it was handed in."""

    model_config = example(
        {
            "resource_id": "aci-D2N006",
            "patient_id": "D2N006",
            "document_type": "Visit note",
            "date": None,
            "domain": None,
            "author": None,
            "encounter_id": None,
            "metadata": {},
            "characters": 3100,
            "text": "CC: Follow-up. ...",
            "spans": [{"start": 0, "end": 14, "text": "CC: Follow-up."}],
        }
    )

    resource_id: str
    patient_id: str
    document_type: str
    date: str | None
    domain: str | None
    author: str | None
    encounter_id: str | None
    metadata: dict[str, str]
    characters: int
    text: str
    spans: list[SpanOut] = Field(description="the ranges asked for, with their text")

    @classmethod
    def of(cls, document: Document, spans: Sequence[tuple[int, int]]) -> NoteOut:
        text = document.text_content
        return cls(
            **{name: value for name, value in document.fields().items() if name != "text_content"},
            characters=len(text),
            text=text,
            spans=[SpanOut(start=start, end=end, text=text[start:end]) for start, end in spans],
        )
