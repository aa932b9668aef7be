"""Keeps what becomes of questions: hands what the desk knows to the conversations and their receipts."""

from __future__ import annotations

from pipeline.pricing import Prices, answer_usd
from pipeline.service.audit.receipts import AnswerRecord
from pipeline.service.conversations.store import Conversations
from pipeline.service.questions.queue import (
    QuestionOutcome,
    QuestionRequest,
    RecordedAnswer,
    RecordedQuestion,
)


class ConversationRecorder:
    """The `Keeper` of `asking`: one transaction before an answer begins, and one when it has ended. Safe to share
    between threads."""

    def __init__(self, conversations: Conversations, prices: Prices) -> None:
        self._conversations = conversations
        self._prices = prices

    def begin(self, asked: QuestionRequest) -> RecordedQuestion:
        """Raises NotKnown where the conversation is not this person's."""
        begun = self._conversations.begin(
            asked.principal, asked.question, asked.question_id, asked.conversation_id
        )
        return RecordedQuestion(begun.conversation_id, begun.message_id)

    def end(
        self, asked: QuestionRequest, begun: RecordedQuestion, outcome: QuestionOutcome
    ) -> RecordedAnswer:
        given = AnswerRecord(
            question_id=asked.question_id,
            question=asked.question,
            ending=outcome.ending,
            passages=outcome.passages,
            statements=outcome.statements,
            answer=outcome.answer,
            error_code=outcome.error.code if outcome.error else None,
            cost_usd=self._cost(outcome),
        )
        ended = self._conversations.end(asked.principal, begun.conversation_id, given)
        return RecordedAnswer(ended.message_id, ended.receipt_id, given.cost_usd)

    def _cost(self, outcome: QuestionOutcome) -> float | None:
        """US dollars that the model's tokens add to a bill; None where nobody said what they cost."""
        if outcome.answer is None:
            return None
        usage = outcome.answer.usage
        return answer_usd(self._prices, usage.prompt_tokens, usage.completion_tokens).value
