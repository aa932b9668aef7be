"""Questions and answers as the pipeline makes them, with text that can be looked for."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Set as AbstractSet

from pipeline.records import (
    EVERYTHING,
    AccessScope,
    Answer,
    Citation,
    Filters,
    GeneratorModel,
    Hit,
    Question,
    Statement,
    Usage,
)
from pipeline.service.audit.receipts import AnswerRecord

NOTE = "Patient reports dull chest pain since Tuesday. Troponin negative. Started aspirin 75 mg."


class Shelf:
    """The notes as they are now: domain and patient of each, by id."""

    def __init__(self) -> None:
        self.notes: dict[str, tuple[str | None, str]] = {"note-1": ("cardiology", "p-1")}

    def visible(self, resource_ids: AbstractSet[str], scope: AccessScope) -> set[str]:
        return {each for each in resource_ids if each in self.notes and scope.admits(*self.notes[each])}


def given(
    text: str = "Does she have chest pain?",
    *,
    scope: AccessScope = EVERYTHING,
    domain: str | None = "cardiology",
    patient_id: str = "p-1",
) -> AnswerRecord:
    """A question that was answered from one note."""
    hit = Hit(
        chunk_id="c-1",
        resource_id="note-1",
        patient_id=patient_id,
        document_type="progress",
        date="2026-01-02",
        domain=domain,
        section=None,
        text=NOTE,
        start=0,
        end=len(NOTE),
        similarity=0.71,
    )
    citation = Citation(1, "note-1", patient_id, "progress", "2026-01-02", 0.71, 0, 46, NOTE[:46])
    statement = Statement(f'"{NOTE[:46]}" [1]', (citation,))
    question = Question(text, Filters(scope=scope), 5)
    answer = Answer(
        question=text,
        outcome="answered",
        text=statement.text,
        statements=(statement,),
        citations=(citation,),
        passages=(hit,),
        reason=None,
        model=GeneratorModel("extractive", "extractive-1"),
        prompt_version="answer-v1",
        space_id="hashing/h/64/0",
        usage=Usage(120, 12),
        seconds={"embed": 0.001, "total": 0.02},
    )
    return AnswerRecord(uuid.uuid4().hex, question, "answered", (hit,), (statement,), answer)


def cut_off(whole: AnswerRecord) -> AnswerRecord:
    """The same, where the asker left after the first statement."""
    return dataclasses.replace(whole, ending="cut_off", answer=None)
