"""A question with whom it means and what it asks for, as every answerer that it is handed to takes them.

Decides that both are of one reading: a pair of words that only the register knows to be a name is one in the plan too,
and what an answer says it understood is what was done. Each is found out once a question. Refuses to know how either
is (`patient_meant`, `interpretation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pipeline.answering.questions.interpretation import plan_for
from pipeline.answering.questions.patient_meant import PatientMeant, patient_meant
from pipeline.answering.questions.plan import QuestionPlan
from pipeline.ports import Store
from pipeline.records import Hit, Question


@dataclass(frozen=True)
class UnderstoodQuestion:
    question: Question
    """As it was asked."""
    meant: PatientMeant
    evidence: tuple[Hit, ...] = ()
    """Passages that another search found, which stand before those of the notes."""

    @classmethod
    def of(cls, question: Question, store: Store) -> UnderstoodQuestion:
        """`question`, by the register of `store`."""
        return cls(question, patient_meant(question, store))

    @cached_property
    def plan(self) -> QuestionPlan:
        """Made when it is first asked for: a search alone may need none."""
        return plan_for(self.question, self.meant.asked)
