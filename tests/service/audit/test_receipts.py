"""Receipts: no text in what is hashed, and a change of anything is found."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from pipeline.errors import NotKnown
from pipeline.records import EVERYTHING, AccessScope, Filters
from pipeline.service.access.open import Access
from pipeline.service.audit.chain import Who
from pipeline.service.audit.receipts import Given, draw_up, filters_from, scope_from
from pipeline.service.history.open import History
from pipeline.service.state.database import State
from tests.service.answers import NOTE, given

ANNA, BERT = Who("anna", "user"), Who("bert", "user")


@pytest.fixture
def kept(history: History) -> Given:
    whole = given("WHICH dose of aspirin?")
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    history.conversations.end(ANNA, begun.conversation_id, whole)
    return whole


def test_the_record_and_the_log_hold_no_text(history: History, access: Access, kept: Given) -> None:
    record = json.dumps(history.receipts.own(ANNA, kept.question_id).record)
    log = str(list(access.audit.rows()))
    for words in ("WHICH dose", "chest pain", NOTE[:20]):
        assert words not in record
        assert words not in log
    assert "note-1" in record
    assert "note-1" in log


def test_it_says_what_the_answer_was_made_from(history: History, kept: Given) -> None:
    found = history.receipts.own(ANNA, kept.question_id)
    record = found.record
    assert (record["space_id"], record["prompt_version"], record["model"]["provider"]) == (
        "hashing/h/64/0",
        "answer-v1",
        "extractive",
    )
    assert record["passages"][0] | {"sha256": ""} == {
        "number": 1,
        "chunk_id": "c-1",
        "resource_id": "note-1",
        "start": 0,
        "end": len(NOTE),
        "sha256": "",
        "similarity": 0.71,
    }
    assert record["usage"] == {"prompt_tokens": 120, "completion_tokens": 12}
    assert record["seconds"]["total"] == 0.02
    assert record["cost_usd"] is None
    assert found.answer is not None
    assert found.answer["statements"][0]["citations"][0]["domain"] == "cardiology"
    assert found.question == kept.question.text


def test_somebody_elses_receipt_is_not_known_and_reading_it_is_told(
    history: History, access: Access, kept: Given
) -> None:
    with pytest.raises(NotKnown):
        history.receipts.own(BERT, kept.question_id)
    with pytest.raises(NotKnown):
        history.receipts.get("0" * 32)
    history.receipts.read(BERT, kept.question_id, EVERYTHING)
    (row,) = access.audit.page(action="receipt-read")
    assert (row.actor, row.subject) == ("bert", f"answer:{kept.question_id}")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE receipts SET question = 'another question'",
        "UPDATE receipts SET question = NULL",
        "UPDATE receipts SET answer = replace(answer, 'Patient', 'Zatient')",
        "UPDATE receipts SET answer = NULL",
        "UPDATE receipts SET record = replace(record, 'note-1', 'note-2')",
        "UPDATE receipts SET sha256 = substr(sha256, 1, 63) || 'z'",
        "UPDATE receipts SET id = 'another'",
        "DELETE FROM receipts",
        "UPDATE scopes SET scope = replace(scope, 'null', '[]')",
        "UPDATE messages SET text = 'another text' WHERE author = 'person'",
        "UPDATE messages SET text = 'another text' WHERE author = 'chartwell'",
        "UPDATE messages SET content = '{}' WHERE author = 'chartwell'",
    ],
)
@pytest.mark.usefixtures("kept")
def test_a_change_of_anything_is_found(history: History, access: Access, state: State, change: str) -> None:
    assert history.receipts.verify() == []
    with state.session() as session:
        session.execute(text(change))
    assert access.audit.verify().sound, "the chain itself was not touched"
    assert history.receipts.verify() != []


def test_a_receipt_that_was_slipped_in_is_found(history: History, state: State, kept: Given) -> None:
    with state.session() as session:
        session.execute(
            text(
                "INSERT INTO receipts (id, user_id, record, sha256, created_at) "
                "SELECT 'forged', user_id, record, sha256, created_at FROM receipts"
            )
        )
    assert "forged" in str(history.receipts.verify())


def test_what_was_wished_for_and_what_could_be_seen_come_back(history: History) -> None:
    scope = AccessScope(frozenset({"b", "a"}), frozenset({"p2", "p1"}))
    whole = given(scope=scope, domain="a", patient_id="p1")
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    history.conversations.end(ANNA, begun.conversation_id, whole)
    kept = history.receipts.get(whole.question_id)
    assert history.receipts.scope_of(kept) == scope
    wish = Filters(("p1",), ("progress",), ("a",), "2026-01-01", None, scope)
    record = draw_up(ANNA, Given("q", whole.question.__class__("t", wish, 3), "nothing_relevant")).record
    assert filters_from(json.loads(record)["filters"], scope) == wish


def test_many_receipts_share_one_scope(history: History, state: State) -> None:
    scope = AccessScope(None, frozenset(f"p{number}" for number in range(1000)))
    for whole in (given(scope=scope), given(scope=scope), given(scope=EVERYTHING)):
        begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
        history.conversations.end(ANNA, begun.conversation_id, whole)
    with state.reading() as session:
        kept = session.scalars(text("SELECT scope FROM scopes")).all()
    assert sorted(scope_from(each).unrestricted for each in kept) == [False, True]
