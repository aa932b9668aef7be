"""A patient's id in a question: their notes alone."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import cast

import pytest

from pipeline.answering.question_patient import of_its_patient
from pipeline.ports import Store
from pipeline.records import AccessScope, Filters, Question

PATIENTS = (
    "D2N005",
    "D2N006",
    "p1",
    "20031177",
    "a4abb8bd-c78c-e552",
    "7",
    "65",
    "B12",
    "100",
    "1001",
    "Patient/x9",
)


def limited(text: str, scope: AccessScope | None = None) -> tuple[str, ...]:
    def count(filters: Filters, *, undated: bool = False, most: int) -> int:
        (patient,) = filters.patient_ids
        return int(patient in PATIENTS and filters.scope.admits(None, patient))

    def values(field: str, scope: AccessScope, *, limit: int) -> list[str]:
        return [patient for patient in PATIENTS if scope.admits(None, patient)][:limit]

    filters = Filters(scope=scope) if scope else Filters()
    store = cast(Store, SimpleNamespace(count_notes=count, values=values))
    return of_its_patient(Question(text, filters, 10), store).filters.patient_ids


@pytest.mark.parametrize(
    ("question", "patients"),
    [
        ("Is patient D2N005 taking allopurinol?", ("D2N005",)),
        ("D2N005: gout?", ("D2N005",)),
        ("And for d2n005's gout?", ("D2N005",)),
        ("Does D2N005 or D2N006 smoke?", ("D2N005", "D2N006")),
        ("What does a4abb8bd-c78c-e552 take?", ("a4abb8bd-c78c-e552",)),
        ("Which medications does Patient/x9 take?", ("Patient/x9",)),
        ("Does patient 7 smoke?", ("7",)),
        ("MRN: 1001, allergies?", ("1001",)),
        ("pt #1001 allergies", ("1001",)),
        ("patient id 1001: allergies", ("1001",)),
        ("Is the patient 7 days after surgery?", ()),
        ("Is the patient 65 years old?", ()),
        ("patients 65 and older with gout", ()),
        ("Is 100 mg of allopurinol given?", ()),
        ("Is the B12 low?", ()),
        ("Is D2N999 on warfarin?", ("D2N999",)),  # written like an id: no one else's notes answer
        ("And d3n9's gout?", ("d3n9",)),
        ("Does patient p3 smoke?", ("p3",)),
        ("Does P9 smoke?", ("P9",)),
        ("seizures of p9", ("p9",)),
        ("P9's allergies", ("P9",)),
        ("Does patient 8 have gout?", ("8",)),
        ("Is 20031177 on apixaban?", ("20031177",)),
        ("20031177 potassium", ("20031177",)),
        ("Does 1001 smoke?", ("1001",)),
        ("Is 20031178 on apixaban?", ("20031178",)),
        ("apixaban in 20031178?", ("20031178",)),
        ("Is 140 mmol/L a high sodium?", ()),
        ("Were platelets above 150000 on 20240503?", ()),
        ("Was the output 1001 mL?", ()),
        ("Is the patient 8 hours after surgery?", ()),
        ("Does the patient 2 units need?", ()),
        ("Is T4 normal?", ()),
        ("Was BRCA1 negative?", ()),
        ("What is the level of HbA1c?", ()),
        ("Is SARS-CoV-2 negative?", ()),
        ("patient D2N999: gout?", ("D2N999",)),
        ("MRN 12345: allopurinol?", ("12345",)),
        ("Is the patient HER2 positive?", ()),
        ("Is the patient COVID19 positive?", ()),
        ("Was the patient 120/80 at rest?", ()),
        ("What did the patient 2024-03-01 get?", ()),
        ("Was the patient 100% compliant?", ()),
        ("Who else than D2N005 takes warfarin?", ()),
        ("Who weighs more than patient D2N005?", ()),
        ("Is anyone like D2N005?", ()),
        ("Are there similar cases to D2N005?", ()),
        ("Does D2N005 take anything other than metformin?", ("D2N005",)),
        ("Does Claritin work better than Allegra for patient D2N005?", ("D2N005",)),
        ("Is the creatinine of D2N005 higher than 1.5?", ("D2N005",)),
        ("Are there signs like pallor in D2N005, except at night?", ("D2N005",)),
        ("Compare the weight of patient D2N005 on 2019-11-01 and on 2020-11-06.", ("D2N005",)),
        ("Compare the gait of patients D2N005 and D2N006.", ("D2N005", "D2N006")),
        ("How does D2N005 compare with D2N006?", ("D2N005", "D2N006")),
        ("Compare the weight of D2N005 with all of the ward.", ()),
        ("How does the weight of D2N005 compare to others?", ()),
        ("Which patients have the illness of D2N005?", ()),
        ("What does Anna Mitchell take?", ()),
    ],
)
def test_whose_id_a_question_writes(question: str, patients: tuple[str, ...]) -> None:
    assert limited(question) == patients


def test_an_id_out_of_sight_is_like_one_that_no_note_has() -> None:
    scope = AccessScope(patient_ids=frozenset({"D2N006"}))
    assert limited("Is D2N005 taking allopurinol?", scope) == ("D2N005",)  # of whom no note can be seen
    assert limited("Is D2N999 taking allopurinol?", scope) == ("D2N999",)
    assert limited("Is patient D2N005 taking it?", scope) == ("D2N005",)
    assert limited("Is D2N006 taking allopurinol?", scope) == ("D2N006",)


def test_patients_chosen_as_filters_stay() -> None:
    question = Question("Is D2N005 taking allopurinol?", Filters(patient_ids=("D2N006",)), 10)
    assert of_its_patient(question, cast(Store, None)) == dataclasses.replace(question)
