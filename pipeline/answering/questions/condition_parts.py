"""Of a question about several patients the conditions besides the first, and its group, as parts that are understood.

Decides their ids, which a conversation carries and an asker removes, and how they are told. Refuses to know the other
parts (`understood_parts`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, cast

from pipeline.answering.questions.plan import (
    EVERYONE,
    Ages,
    AskedCondition,
    AskedGroup,
    QuestionPlan,
    ThingKind,
)
from pipeline.records import UnderstoodPart

ALSO, GROUP = "also:", "group:"


def condition_parts(plan: QuestionPlan) -> Iterator[UnderstoodPart]:
    """The further conditions in their order, and the group."""
    for each in plan.also:
        said = f"{'or ' if plan.any_of else ''}{'no ' if each.negated else ''}{each.finding}"
        yield UnderstoodPart(also_id(each, any_of=plan.any_of), "finding", said)
    if plan.group != EVERYONE:
        least, most = plan.group.ages.least, plan.group.ages.most
        ages = f"{'' if least is None else least}-{'' if most is None else most}"
        part = f"{GROUP}{plan.group.sex or ''}/{ages}"
        yield UnderstoodPart(part, "finding", group_in_words(plan.group))


def with_condition(plan: QuestionPlan, part: str) -> QuestionPlan:
    """The plan with the condition or the group of that id; as it is for any other id."""
    if part.startswith(ALSO):
        value = part.removeprefix(ALSO)
        return replace(plan, also=(*plan.also, _condition(value)), any_of=value.startswith("or"))
    return replace(plan, group=_group(part.removeprefix(GROUP))) if part.startswith(GROUP) else plan


def also_id(condition: AskedCondition, *, any_of: bool = False) -> str:
    """The id of the part that a further condition is."""
    kind = condition.kind.value.replace(" ", "-") if condition.kind else ""
    flags = "+".join(
        name
        for name, holds in (
            ("or", any_of),
            ("no", condition.negated),
            ("is", condition.is_attribute),
        )
        if holds
    )
    return f"{ALSO}{flags}/{kind}/{condition.finding}"


def _condition(value: str) -> AskedCondition:
    said, kind, finding = value.split("/", 2)
    flags = said.split("+")
    return AskedCondition(
        finding, ThingKind(kind.replace("-", " ")) if kind else None, "no" in flags, "is" in flags
    )


def _group(value: str) -> AskedGroup:
    sex, _, ages = value.partition("/")
    least, _, most = ages.partition("-")
    limits = Ages(int(least) if least else None, int(most) if most else None)
    return AskedGroup(cast(Literal["female", "male"] | None, sex or None), limits)


def group_in_words(group: AskedGroup) -> str:
    """As it stands behind "patients": "female, aged 61 or more"."""
    least, most = group.ages.least, group.ages.most
    aged = ""
    if least is not None:
        aged = f"aged {least} or more" if most is None else f"aged {least} to {most}"
    elif most is not None:
        aged = f"aged {most} or less"
    return ", ".join(each for each in (group.sex or "", aged) if each)
