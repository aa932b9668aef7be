"""Whether a patient is of the group that a question asks of: "women", "over 60".

Decides it by the register of patients alone: a birth date says the age on the day of the newest note, an age that a
note gives the age on that note's day. Refuses to guess: where it is not said, nobody knows.
"""

from __future__ import annotations

import re

from pipeline.answering.questions.plan import ANY_AGE, Ages, AskedGroup
from pipeline.patients import RegisteredPatient

_YEARS = re.compile(r"(\d+) years?")


def belongs_to(patient: RegisteredPatient, group: AskedGroup) -> bool | None:
    """None where neither notes nor records say it."""
    known: list[bool | None] = []
    if group.sex is not None:
        known.append(None if patient.sex is None else patient.sex == group.sex)
    if group.ages != ANY_AGE:
        age = _age_of(patient)
        known.append(None if age is None else _is_within(age, group.ages))
    return False if False in known else None if None in known else True


def _is_within(age: int, ages: Ages) -> bool:
    return (ages.least is None or age >= ages.least) and (ages.most is None or age <= ages.most)


def _age_of(patient: RegisteredPatient) -> int | None:
    """Whole years; of an age in days or months none."""
    born, seen = patient.birth_date or "", (patient.last_date or "")[:10]
    if len(born) == len(seen) == 10:
        return int(seen[:4]) - int(born[:4]) - (seen[5:] < born[5:])
    said = patient.age
    if said is None:
        return None
    years = _YEARS.fullmatch(said.value)
    return int(years[1]) if years else 0
