"""What a person may not see takes no part in an answer, and does not show by its absence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipeline.answering.flow import Answering
from pipeline.answering.note_access import visible_note
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import AnsweringSettings
from pipeline.ports import Store
from pipeline.records import AccessScope, Document, Filters, Hit, Question, StoreCounts, Vector
from tests.answering.conftest import NOTES, ScriptedGenerator
from tests.answering.test_flow import cited

FIRST = AccessScope(patient_ids=frozenset({"p1"}))
NOBODY = AccessScope(patient_ids=frozenset({"p9"}))


class MovingStore:
    """Hands note n1 over to patient p2 after both retrievers have searched, before the hits are read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.moved = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def hits(self, chunk_ids: Sequence[str], vector: Vector) -> list[Hit]:
        hits = self._store.hits(chunk_ids, vector)
        self.moved = any(hit.resource_id == "n1" for hit in hits)
        return [
            Hit(**{**_fields(hit), "patient_id": "p2"}) if hit.resource_id == "n1" else hit for hit in hits
        ]


def _fields(hit: Hit) -> dict[str, Any]:
    return {name: getattr(hit, name) for name in Hit.__dataclass_fields__}


def asked(text: str, scope: AccessScope, **filters: Any) -> Question:
    return Question(text, Filters(**filters, scope=scope))


def test_a_prompt_holds_only_what_may_be_seen(answering: Answering, generator: ScriptedGenerator) -> None:
    answer = answering.answer(asked("asthma diabetes metformin", FIRST))
    assert {hit.patient_id for hit in answer.passages} == {"p1"}
    assert "etformin" not in generator.prompts[0].user.replace("metformin", "", 1)  # the question's own word


def test_a_note_out_of_sight_reads_like_one_that_never_was(answering: Answering) -> None:
    store = answering.store
    assert visible_note(store, "n3", FIRST) is visible_note(store, "unknown", FIRST) is None
    assert visible_note(store, "n1", AccessScope(domains=frozenset({"any"}))) is None
    own = visible_note(store, "n1", FIRST)
    assert own is not None
    assert own.text_content == NOTES["n1"][2]


def test_who_may_see_nothing_is_told_the_same_with_and_without_notes(answering: Answering) -> None:
    store = answering.store
    assert isinstance(store, EmbeddedStore)
    with_notes = answering.answer(asked("asthma", NOBODY))
    assert store.counts(NOBODY) == StoreCounts(0, 0)
    store.delete(list(NOTES))
    without = answering.answer(asked("asthma", NOBODY))
    assert with_notes.reason == without.reason == "no_documents"
    assert (with_notes.usage, with_notes.passages) == (without.usage, without.passages)


def test_whoever_sees_some_notes_is_told_that_none_is_relevant(answering: Answering) -> None:
    assert answering.answer(asked("zzz qqq", FIRST)).reason == "below_floor"
    assert answering.answer(asked("asthma", FIRST, patient_ids=("p2",))).reason == "filters_match_nothing"
    assert answering.answer(asked("asthma", FIRST, patient_ids=("nobody",))).reason == "filters_match_nothing"


def test_a_note_that_changes_hands_during_a_question_is_left_out(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    store = MovingStore(answering.store)
    moving = Answering(answering.embedder, store, generator, AnsweringSettings())
    answer = moving.answer(asked("asthma albuterol fluticasone", FIRST))
    assert store.moved
    assert {hit.resource_id for hit in answer.passages} == {"n2"}


def test_a_note_that_changes_hands_while_the_model_writes_is_not_quoted(
    answering: Answering, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = answering.store.document

    def moved(resource_id: str) -> Document | None:
        found = document(resource_id)
        return found and Document(found.resource_id, "p2", found.document_type, found.text_content)

    generator.draft = '"Start fluticasone 110 mcg twice daily." [1]'
    assert answering.answer(asked("asthma fluticasone dose", FIRST)).outcome == "answered"
    assert cited(generator.prompts[0], "n2") == 1
    monkeypatch.setattr(answering.store, "document", moved)
    answer = answering.answer(asked("asthma fluticasone dose", FIRST))
    assert answer.citations == ()
    assert answer.reason == "nothing_verified"


@pytest.mark.parametrize(
    "change",
    [{"patient_id": "p2"}, {"date": "2013-05-05"}, {"date": None}, {"document_type": "draft"}],
    ids=str,
)
def test_a_note_of_which_the_model_was_told_otherwise_is_not_quoted_to_anybody(
    answering: Answering,
    generator: ScriptedGenerator,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
) -> None:
    """Whoever sees all patients would see the fact of one under the name of another."""
    document = answering.store.document
    generator.draft = '"Start fluticasone 110 mcg twice daily." [1]'
    assert answering.answer(Question("asthma fluticasone dose")).outcome == "answered"
    monkeypatch.setattr(
        answering.store, "document", lambda key: (found := document(key)) and replace(found, **change)
    )
    answer = answering.answer(Question("asthma fluticasone dose"))
    assert answer.citations == ()
    assert answer.reason == "nothing_verified"


def test_a_note_that_becomes_anothers_during_the_search_does_not_answer_for_the_first(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    moving = replace(answering, store=MovingStore(answering.store))
    answer = moving.answer(Question("asthma albuterol fluticasone", Filters(patient_ids=("p1",))))
    assert {hit.patient_id for hit in answer.passages} == {"p1"}
