"""Conversations belong to one person, are told to the audit log, and can be removed without harm to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
from sqlalchemy import text

from pipeline.config import Settings
from pipeline.errors import BadRequest
from pipeline.records import EVERYTHING, AccessScope
from pipeline.service.access.factory import Access
from pipeline.service.audit.chain import SystemActor
from pipeline.service.audit.receipts import AnswerRecord, erase
from pipeline.service.conversations.factory import History, open_history
from pipeline.service.database.engine import State
from pipeline.service.database.tables import Receipt, now
from pipeline.service.errors import NotKnown
from pipeline.service.retention.removal import apply_retention
from tests.service.answers import NOTE, Shelf, cut_off, given

ANNA, BERT = SystemActor("anna", "user"), SystemActor("bert", "user")


def asked(
    history: History,
    actor: SystemActor = ANNA,
    whole: AnswerRecord | None = None,
    conversation: str | None = None,
) -> str:
    """Ask and answer; the conversation's id."""
    whole = whole or given()
    begun = history.conversations.begin(actor, whole.question, whole.question_id, conversation)
    history.conversations.end(actor, begun.conversation_id, whole)
    return begun.conversation_id


def test_a_conversation_goes_on(history: History) -> None:
    conversation = asked(history)
    asked(history, whole=given("And since when?"), conversation=conversation)
    whole = history.conversations.get(ANNA, conversation, EVERYTHING)
    assert [(said.number, said.author) for said in whole.messages] == [
        (1, "person"),
        (2, "chartwell"),
        (3, "person"),
        (4, "chartwell"),
    ]
    assert whole.summary.title == "Does she have chest pain?"
    assert whole.messages[2].text == "And since when?"
    content = whole.messages[1].content
    assert content is not None
    assert content["statements"][0]["citations"][0]["quote"] == NOTE[:46]
    assert [row.id for row in history.conversations.latest(ANNA)] == [conversation]


def test_somebody_elses_conversation_is_as_one_that_never_was(history: History) -> None:
    conversation = asked(history)
    calls: list[Callable[[str], object]] = [
        lambda which: history.conversations.get(BERT, which, EVERYTHING),
        lambda which: history.conversations.export(BERT, which, EVERYTHING),
        lambda which: history.conversations.rename(BERT, which, "mine"),
        lambda which: history.conversations.delete(BERT, which),
        lambda which: history.conversations.begin(BERT, given().question, "q" * 32, which),
    ]
    for call in calls:
        with pytest.raises(NotKnown) as foreign:
            call(conversation)
        with pytest.raises(NotKnown) as unknown:
            call("0" * 32)
        assert str(foreign.value) == str(unknown.value)
    assert history.conversations.latest(BERT) == []
    assert len(history.conversations.get(ANNA, conversation, EVERYTHING).messages) == 2


def test_an_answer_that_was_cut_off_is_kept_with_what_was_shown(history: History) -> None:
    whole = cut_off(given())
    conversation = asked(history, whole=whole)
    said = history.conversations.get(ANNA, conversation, EVERYTHING).messages[1]
    assert NOTE[:46] in said.text
    record = history.receipts.own(ANNA, whole.question_id).record
    assert record["ending"] == "cut_off"
    assert record["passages"][0]["resource_id"] == "note-1"


def test_an_answer_from_notes_that_are_out_of_sight_now_is_withheld(history: History) -> None:
    conversation = asked(history)
    for scope, withheld in (
        (AccessScope(frozenset({"cardiology"}), None), False),
        (AccessScope(None, frozenset({"p-1"})), False),
        (AccessScope(frozenset({"radiology"}), None), True),
        (AccessScope(None, frozenset({"p-2"})), True),
        (AccessScope(frozenset(), None), True),
    ):
        question, answer = history.conversations.get(ANNA, conversation, scope).messages
        assert answer.withheld is withheld
        assert not question.withheld
        exported = str(history.conversations.export(ANNA, conversation, scope))
        assert (NOTE[:46] not in exported) is withheld
        assert (answer.text == "" and answer.content is None) is withheld


@pytest.mark.parametrize("now", [("radiology", "p-1"), ("cardiology", "p-2"), (None, "p-1"), None])
def test_an_answer_from_a_note_that_changed_hands_or_is_gone_is_withheld(
    history: History, shelf: Shelf, now: tuple[str | None, str] | None
) -> None:
    conversation = asked(history)
    scope = AccessScope(frozenset({"cardiology"}), frozenset({"p-1"}))
    assert not history.conversations.get(ANNA, conversation, scope).messages[1].withheld
    shelf.notes = {} if now is None else {"note-1": now}
    question, answer = history.conversations.get(ANNA, conversation, scope).messages
    assert (question.withheld, answer.withheld, answer.text, answer.content) == (False, True, "", None)
    assert NOTE[:46] not in str(history.conversations.export(ANNA, conversation, scope))
    assert not history.conversations.get(ANNA, conversation, EVERYTHING).messages[1].withheld


def test_each_note_is_looked_up_once_and_none_for_whoever_sees_everything(
    state: State, access: Access, settings: Settings
) -> None:
    looked_up: list[AbstractSet[str]] = []

    def sight(resource_ids: AbstractSet[str], _: AccessScope) -> AbstractSet[str]:
        looked_up.append(resource_ids)
        return resource_ids

    history = open_history(state, access.audit, settings, sight)
    conversation = asked(history)
    asked(history, whole=given("And since when?"), conversation=conversation)
    history.conversations.get(ANNA, conversation, EVERYTHING)
    assert looked_up == []
    history.conversations.get(ANNA, conversation, AccessScope(None, frozenset({"p-1"})))
    assert looked_up == [{"note-1"}]


def test_renaming(history: History) -> None:
    conversation = asked(history)
    assert history.conversations.rename(ANNA, conversation, "  chest \n pain ").title == "chest pain"
    for title in ("", " ", "x" * 121):
        with pytest.raises(BadRequest):
            history.conversations.rename(ANNA, conversation, title)


def test_odd_characters_are_stored_and_proven(history: History, access: Access) -> None:
    odd = "a\x00b \ud800 \U0001f9e0 ümlaut ' \" \\ %s :name"
    conversation = asked(history, whole=given(odd))
    assert history.conversations.get(ANNA, conversation, EVERYTHING).messages[0].text == (
        "a\ufffdb ? \U0001f9e0 ümlaut ' \" \\ %s :name"
    )
    assert history.receipts.verify() == []
    assert access.audit.verify().sound


def texts_in(state: State) -> str:
    """Everything that the database has, as one text."""
    tables = ("conversations", "messages", "receipts", "feedback", "audit", "jobs")
    with state.reading() as session:
        return str([session.execute(text(f"SELECT * FROM {table}")).all() for table in tables])


def test_deleting_removes_what_the_person_can_see_and_the_proof_stays(
    history: History, access: Access, state: State
) -> None:
    whole = given()
    conversation = asked(history, whole=whole)
    history.feedback.give(ANNA, whole.question_id, "bad", comment="SECRET COMMENT")
    history.conversations.delete(ANNA, conversation)
    with pytest.raises(NotKnown):
        history.conversations.get(ANNA, conversation, EVERYTHING)
    assert (
        history.receipts.get(whole.question_id).question == whole.question.text
    )  # for reviewers, for a while
    assert "SECRET COMMENT" not in texts_in(state)
    assert access.audit.verify().sound
    assert history.receipts.verify() == []


def test_with_no_time_for_receipts_the_text_goes_with_the_conversation(
    access: Access, settings: object, state: State, tmp_path: Path
) -> None:
    no_time = settings.model_copy(  # type: ignore[attr-defined]
        update={"service": settings.service.model_copy(update={"receipt_text_days": 0})}  # type: ignore[attr-defined]
    )
    history = open_history(state, access.audit, no_time, Shelf().visible)
    whole = given("ZEBRAFISH question?")
    conversation = asked(history, whole=whole)
    other = asked(history, whole=given("kept question"))
    assert "ZEBRAFISH" in texts_in(state)
    history.conversations.delete(ANNA, conversation)
    assert "ZEBRAFISH" not in texts_in(state)
    if state.path is not None:
        found = [file.name for file in tmp_path.iterdir() if b"ZEBRAFISH" in file.read_bytes()]
        assert found == [], "deleted text is still in a file"
    late = given("ZEBRAFISH again?")
    history.conversations.end(ANNA, conversation, late)  # it was being answered while it was deleted
    assert "ZEBRAFISH" not in texts_in(state)
    assert len(history.conversations.get(ANNA, other, EVERYTHING).messages) == 2
    assert access.audit.verify().sound
    assert history.receipts.verify() == []


def test_what_is_too_old_goes(access: Access, history: History, settings: object, state: State) -> None:
    days = {"conversation_days": 60, "receipt_text_days": 60}
    service = settings.service.model_copy(update=days)  # type: ignore[attr-defined]
    asked(history, whole=given("OLDEST question"))
    between = now()
    asked(history, whole=given("fresh question"))
    assert apply_retention(state, access.audit, service).conversations == 0
    due = between + dt.timedelta(days=60)
    removed = apply_retention(state, access.audit, service, lambda: due)
    assert (removed.conversations, removed.receipt_texts) == (1, 1)
    assert "OLDEST" not in texts_in(state)
    assert [row.title for row in history.conversations.latest(ANNA)] == ["fresh question"]
    assert access.audit.verify().sound
    assert history.receipts.verify() == []
    with state.session() as session:
        erase(session, Receipt.erased_at.is_(None))
    assert len(history.receipts.verify()) == 1, "the fresh one was not due"


def test_what_is_too_old_takes_the_texts_along_where_they_have_no_time_of_their_own(
    access: Access, history: History, settings: object, state: State
) -> None:
    days = {"conversation_days": 60, "receipt_text_days": 0}
    service = settings.service.model_copy(update=days)  # type: ignore[attr-defined]
    asked(history, whole=given("OLDEST question"))
    removed = apply_retention(state, access.audit, service, lambda: now() + dt.timedelta(days=61))
    assert removed.conversations == 1
    assert "OLDEST" not in texts_in(state)
    assert history.receipts.verify() == []
