"""Receipts: no text in what is hashed, and a change of anything is found."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import text

from pipeline.records import EVERYTHING, AccessScope, Filters, NearValue, Notice
from pipeline.service.access.factory import Access
from pipeline.service.audit.chain import SystemActor, canonical, sha256
from pipeline.service.audit.receipts import (
    AnswerRecord,
    draft_receipt,
    erase,
    filters_from,
    notices_from,
    scope_from,
)
from pipeline.service.audit.replay import _settings
from pipeline.service.conversations.factory import History
from pipeline.service.database.engine import State
from pipeline.service.database.tables import Receipt
from pipeline.service.errors import NotKnown
from tests.service.answers import NOTE, given
from tests.service.audit.test_chain import behind_its_back

ANNA, BERT = SystemActor("anna", "user"), SystemActor("bert", "user")


@pytest.fixture
def kept(history: History) -> AnswerRecord:
    whole = given("WHICH dose of aspirin?")
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    history.conversations.end(ANNA, begun.conversation_id, whole)
    return whole


def test_the_record_and_the_log_hold_no_text(history: History, access: Access, kept: AnswerRecord) -> None:
    record = json.dumps(history.receipts.own(ANNA, kept.question_id).record)
    log = str(list(access.audit.rows()))
    for words in ("WHICH dose", "chest pain", NOTE[:20]):
        assert words not in record
        assert words not in log
    assert "note-1" in record
    assert "note-1" in log


def test_it_says_what_the_answer_was_made_from(history: History, kept: AnswerRecord) -> None:
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


def test_it_says_what_the_filters_did_without_the_values_of_other_notes(history: History) -> None:
    whole = given()
    assert whole.answer is not None
    notice = Notice("value_unknown", "patient_id", "P3", near=(NearValue("p3", 2),))
    whole = replace(whole, answer=replace(whole.answer, notices=(notice,)))
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    history.conversations.end(ANNA, begun.conversation_id, whole)
    found = history.receipts.own(ANNA, whole.question_id)
    kept = [{"code": "value_unknown", "field": "patient_id", "value": "P3", "notes": 0, "of": 0}]
    assert found.record["notices"] == kept
    assert found.answer is not None
    assert found.answer["notices"] == kept
    assert notices_from(kept) == (replace(notice, near=()),)


def test_somebody_elses_receipt_is_not_known_and_reading_it_is_told(
    history: History, access: Access, kept: AnswerRecord
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
        "UPDATE receipts SET user_id = 'bert'",
        "UPDATE receipts SET conversation_id = 'another'",
        "UPDATE receipts SET conversation_id = NULL",
        "UPDATE receipts SET created_at = '2020-01-01 00:00:00+00:00'",
        "UPDATE receipts SET question = NULL, answer = NULL, erased_at = created_at",
        "UPDATE receipts SET erased_at = created_at",
        "DELETE FROM scopes",
        "UPDATE scopes SET scope = replace(scope, 'null', '[]')",
        "UPDATE messages SET text = 'another text' WHERE author = 'person'",
        "UPDATE messages SET text = 'another text' WHERE author = 'chartwell'",
        "UPDATE messages SET content = '{}' WHERE author = 'chartwell'",
        "UPDATE messages SET content = '{}' WHERE author = 'person'",
        "UPDATE messages SET text = 'forged', receipt_id = NULL WHERE author = 'person'",
        "UPDATE messages SET text = 'forged', receipt_id = NULL WHERE author = 'chartwell'",
        "UPDATE messages SET receipt_id = 'another' WHERE author = 'chartwell'",
        "UPDATE messages SET author = 'chartwell'",
        (
            "INSERT INTO messages SELECT 'forged', conversation_id, number + 2, author, text, content, receipt_id, "
            "created_at FROM messages WHERE author = 'chartwell'"
        ),
        "DELETE FROM messages WHERE author = 'person'",
        "DELETE FROM messages WHERE author = 'chartwell'",
        "DELETE FROM messages",
        "UPDATE conversations SET user_id = 'bert'",
        "DELETE FROM conversations",
    ],
)
@pytest.mark.usefixtures("kept")
def test_a_change_of_anything_is_found(history: History, access: Access, state: State, change: str) -> None:
    assert history.receipts.verify() == []
    with state.session() as session:
        session.execute(text(change))
    assert access.audit.verify().sound, "the chain itself was not touched"
    assert history.receipts.verify() != []


@pytest.mark.parametrize("author", ["person", "chartwell"])
@pytest.mark.usefixtures("kept")
def test_a_message_that_was_moved_is_found(history: History, state: State, author: str) -> None:
    other = given("WHICH dose of heparin?")
    begun = history.conversations.begin(ANNA, other.question, other.question_id)
    history.conversations.end(ANNA, begun.conversation_id, other)
    with state.session() as session:
        session.execute(
            text(
                "UPDATE messages SET number = 9, conversation_id = "
                f"(SELECT conversation_id FROM receipts WHERE id <> '{other.question_id}') "
                f"WHERE receipt_id = '{other.question_id}' AND author = '{author}'"
            )
        )
    assert history.receipts.verify() != []


def test_a_question_that_was_never_answered_may_go_with_its_conversation(history: History) -> None:
    whole = given()
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    assert history.receipts.verify() == []
    history.conversations.delete(ANNA, begun.conversation_id)
    assert history.receipts.verify() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE messages SET text = 'another text'",
        "UPDATE conversations SET user_id = 'bert'",
        "DELETE FROM messages",
        "DELETE FROM conversations",
    ],
)
def test_a_question_that_was_never_answered_is_proven(history: History, state: State, change: str) -> None:
    whole = given()
    history.conversations.begin(ANNA, whole.question, whole.question_id)
    with state.session() as session:
        session.execute(text(change))
    assert history.receipts.verify() != []


def test_texts_that_outlive_their_conversation_cannot_be_erased_unseen(
    history: History, state: State, kept: AnswerRecord
) -> None:
    conversation = history.receipts.get(kept.question_id).conversation_id
    history.conversations.delete(ANNA, str(conversation))
    assert history.receipts.verify() == []
    with state.session() as session:
        erase(session, Receipt.id == kept.question_id)
    assert "no erasure" in str(history.receipts.verify())


def test_a_log_that_was_spoilt_with_what_it_proves_is_a_finding(
    history: History, state: State, kept: AnswerRecord
) -> None:
    """Nothing in the rows is taken for granted: the check says what it found and does not break."""
    conversation = history.receipts.get(kept.question_id).conversation_id
    history.conversations.delete(ANNA, str(conversation))
    digest = sha256("[]")
    behind_its_back(
        state,
        f"UPDATE receipts SET record = '[]', sha256 = '{digest}'",
        f"""UPDATE audit SET details = '{{"receipt_sha256": "{digest}"}}' WHERE action = 'question-answered'""",
        "UPDATE audit SET at = 'never', details = 'nothing' WHERE action <> 'question-answered'",
    )
    assert history.receipts.verify() != []


def test_a_receipt_that_was_slipped_in_is_found(history: History, state: State, kept: AnswerRecord) -> None:
    with state.session() as session:
        session.execute(
            text(
                "INSERT INTO receipts (id, user_id, record, sha256, created_at) "
                "SELECT 'forged', user_id, record, sha256, created_at FROM receipts"
            )
        )
    assert "forged" in str(history.receipts.verify())


def test_a_receipt_of_the_first_version_is_read_and_verified_as_it_is(history: History, state: State) -> None:
    """It does not say how the model's answer ended, and its hash is over what it says."""
    whole = given()
    drawn = draft_receipt(ANNA, whole)
    record = {name: value for name, value in json.loads(drawn.record).items() if name != "answer_ending"}
    answer = {
        name: value
        for name, value in drawn.answer.items()
        if name not in ("answer_ending", "completion_tokens")
    }
    written = canonical({**record, "version": 1, "answer_sha256": sha256(canonical(answer))})
    first = replace(
        drawn,
        answer=answer,
        record=written,
        sha256=sha256(written),
        details={**drawn.details, "receipt_sha256": sha256(written)},
    )
    with state.session() as session:
        history.receipts.keep(session, ANNA, first)
    assert history.receipts.verify() == []
    kept = history.receipts.own(ANNA, whole.question_id)
    assert (kept.record["version"], "answer_ending" in kept.record) == (1, False)
    assert whole.answer is not None
    assert list(_settings(kept.record, whole.answer)) == []


def test_what_was_wished_for_and_what_could_be_seen_come_back(history: History) -> None:
    scope = AccessScope(frozenset({"b", "a"}), frozenset({"p2", "p1"}))
    whole = given(scope=scope, domain="a", patient_id="p1")
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    history.conversations.end(ANNA, begun.conversation_id, whole)
    kept = history.receipts.get(whole.question_id)
    assert history.receipts.scope_of(kept) == scope
    wish = Filters(("p1",), ("progress",), ("a",), "2026-01-01", None, scope)
    record = draft_receipt(
        ANNA, AnswerRecord("q", whole.question.__class__("t", wish, 3), "nothing_relevant")
    ).record
    assert filters_from(json.loads(record)["filters"], scope) == wish


def test_many_receipts_share_one_scope(history: History, state: State) -> None:
    scope = AccessScope(None, frozenset(f"p{number}" for number in range(1000)))
    for whole in (given(scope=scope), given(scope=scope), given(scope=EVERYTHING)):
        begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
        history.conversations.end(ANNA, begun.conversation_id, whole)
    with state.reading() as session:
        kept = session.scalars(text("SELECT scope FROM scopes")).all()
    assert sorted(scope_from(each).unrestricted for each in kept) == [False, True]
