"""Feedback: by the asker, once for each answer."""

from __future__ import annotations

import pytest

from pipeline.errors import BadRequest
from pipeline.service.audit.chain import SystemActor
from pipeline.service.conversations.factory import History
from pipeline.service.errors import NotKnown
from tests.service.answers import given

ANNA, BERT = SystemActor("anna", "user"), SystemActor("bert", "user")


@pytest.fixture
def receipt(history: History) -> str:
    whole = given()
    begun = history.conversations.begin(ANNA, whole.question, whole.question_id)
    return history.conversations.end(ANNA, begun.conversation_id, whole).receipt_id


def test_it_can_be_said_anew(history: History, receipt: str) -> None:
    history.feedback.give(ANNA, receipt, "good")
    history.feedback.give(ANNA, receipt, "bad", reasons=["citation", "old"], comment=" wrong date ")
    (opinion,) = history.feedback.latest()
    assert (opinion.verdict, opinion.reasons, opinion.comment) == ("bad", ("citation", "old"), "wrong date")
    assert history.feedback.own(ANNA, [receipt])[receipt] == opinion
    assert history.feedback.own(BERT, [receipt]) == {}


def test_others_answers_cannot_be_judged(history: History, receipt: str) -> None:
    with pytest.raises(NotKnown):
        history.feedback.give(BERT, receipt, "bad")


@pytest.mark.parametrize(
    ("verdict", "reasons", "comment"), [("meh", [], None), ("bad", ["taste"], None), ("bad", [], "x" * 2001)]
)
def test_what_cannot_be_said(
    history: History, receipt: str, verdict: str, reasons: list[str], comment: str | None
) -> None:
    with pytest.raises(BadRequest):
        history.feedback.give(ANNA, receipt, verdict, reasons=reasons, comment=comment)  # type: ignore[arg-type]
    assert history.feedback.latest() == []
