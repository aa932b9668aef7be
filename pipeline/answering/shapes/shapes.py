"""The shapes of answers that need no language model. Decides nothing but which there are, and who is asked first."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.answering.questions.plan import QuestionPlan
from pipeline.answering.shapes.in_time.comparison import PatientComparison, VisitComparison
from pipeline.answering.shapes.in_time.series import AtATime, ListOfPeriod, Trend
from pipeline.answering.shapes.in_time.visit_count import VisitCount
from pipeline.answering.shapes.lists.named_section import NamedSection
from pipeline.answering.shapes.lists.part_of_list import PartOfList
from pipeline.answering.shapes.lists.section_list import SectionList
from pipeline.answering.shapes.lists.visit_summary import VisitSummary
from pipeline.answering.shapes.reply import ShapeAnswerer
from pipeline.answering.shapes.single_fact import SingleFact
from pipeline.answering.shapes.stated import Stated
from pipeline.answering.shapes.who import Who
from pipeline.answering.shapes.who_by_value import WhoByValue

SHAPES: tuple[ShapeAnswerer, ...] = (
    AtATime(),
    ListOfPeriod(),
    PartOfList(),
    Trend(),
    PatientComparison(),
    VisitComparison(),
    NamedSection(),
    SectionList(),
    VisitSummary(),
    WhoByValue(),
    Who(),
    VisitCount(),
    Stated(),
    SingleFact(),
)


class FactOfAFinding(SingleFact):
    """Where a language model is set: it reads for itself what is asked of no finding by name ("Why was she admitted?").
    Whether notes speak of one at all is found without it."""

    def takes(self, plan: QuestionPlan, patients: Sequence[str]) -> bool:
        return plan.finding is not None and not plan.rest and super().takes(plan, patients)


WITH_A_MODEL: tuple[ShapeAnswerer, ...] = (
    *(each for each in SHAPES if not isinstance(each, SingleFact)),
    FactOfAFinding(),
)
