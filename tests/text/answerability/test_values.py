"""Where a sentence has a value of the kind asked for."""

from __future__ import annotations

import pytest

from pipeline.text.answerability.values import ValueKind, find_value, unit_named


def value_in(kind: ValueKind, sentence: str, of: str = "") -> str | None:
    at = sentence.lower().find(of) if of else -1
    found = find_value(kind, sentence, 0, len(sentence), [(at, at + len(of))] if of else [])
    return sentence[slice(*found)] if found else None


@pytest.mark.parametrize(
    ("kind", "sentence", "value"),
    [
        (ValueKind.AGE, "Mother, deceased age 45.", "age 45"),
        (ValueKind.AMOUNT, "He smokes two packs a day.", "two"),
        (ValueKind.DOSE, "Lisinopril 2.5 mg daily.", "2.5 mg"),
        (ValueKind.DOSE, "Bactrim 400/80 Tab PO BID.", "400/80 Tab"),
        (ValueKind.DRUG, "It is well managed on Effexor.", "Effexor"),
        (ValueKind.DURATION, "Monitor it for the next week.", "next week"),
        (ValueKind.INSURER, "She currently has Blue Cross Blue Shield.", "Blue Cross"),
        (ValueKind.PROCEDURE, "Cholecystectomy in 2004.", "Cholecystectomy"),
        (ValueKind.SEVERITY, "She rates her pain 9/10.", "9/10"),
        (ValueKind.SIZE, "A stone measuring 0.5 cm.", "0.5 cm"),
        (ValueKind.TIME, "Quit approximately 30 years ago.", "30 years"),
    ],
)
def test_a_value_is_found(kind: ValueKind, sentence: str, value: str) -> None:
    assert value_in(kind, sentence) == value


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (ValueKind.AMOUNT, "1. Right upper lobe lung nodule."),
        (ValueKind.SIZE, "2. Nodule of the lung."),
        (ValueKind.DRUG, "Medical Reasoning: it is stable."),
        (ValueKind.DRUG, "John Perry has pain."),
        (ValueKind.DOSE, "She takes metformin as directed."),
    ],
)
def test_what_is_none_is_not_found(kind: ValueKind, sentence: str) -> None:
    assert value_in(kind, sentence) is None


@pytest.mark.parametrize(
    ("sentence", "of", "value"),
    [
        ("Blood pressure was 180/95 today.", "blood pressure", "180/95"),
        ("She has low hemoglobin.", "hemoglobin", "low"),
        ("Creatinine is within normal limits.", "creatinine", "within normal"),
        ("She has a 10 pound weight gain.", "weight", None),
        ("Weight gain of 10 pounds.", "weight", None),
        ("His blood pressure medicine was changed 2 weeks ago.", "blood pressure", None),
    ],
)
def test_a_measurement_stands_next_to_what_is_measured(sentence: str, of: str, value: str | None) -> None:
    assert value_in(ValueKind.MEASUREMENT, sentence, of) == value


@pytest.mark.parametrize(
    ("sentence", "of", "value"),
    [
        ("He has had four episodes of diverticulitis.", "episodes", "four"),
        ("This is her third episode.", "episode", "third"),
        ("Cardiac ablation x3.", "ablation", "x3"),
        ("Two inguinal hernia repairs.", "hernia", "Two"),
        ("She denies any falls; no seizures.", "seizures", "no"),
        ("She has had laser twice.", "laser", "twice"),
        ("Smoked cigarettes more than 15 years ago.", "cigarettes", None),
        ("Aspirin 81 mg daily and insulin.", "insulin", None),
        ("She was hospitalized for 3 days.", "hospitalized", None),
        ("Tablets were given in 2019.", "tablets", None),
    ],
)
def test_a_count_stands_next_to_what_is_counted(sentence: str, of: str, value: str | None) -> None:
    assert value_in(ValueKind.COUNT, sentence, of) == value


@pytest.mark.parametrize(
    ("unit", "sentence", "value"),
    [
        ("Gy", "Radiation of 46.8 Gy in 26 fractions.", "46.8 Gy"),
        ("mCi", "33 mCi for the stress test.", "33 mCi"),
        ("French", "A #32 French chest tube.", "#32 French"),
        ("mph", "He was hit at 80 m.p.h. by a car.", "80 m.p.h."),
        ("cc", "Removed 1200 mL of fluid.", "1200 mL"),
        ("units", "Aspirin 81 mg daily and insulin.", None),
        ("tablets", "Tramadol 50 mg, dispense 8.", "dispense 8"),
        ("mg", "Two tablets of metformin.", None),
    ],
)
def test_a_value_is_in_the_unit_that_is_asked_for(unit: str, sentence: str, value: str | None) -> None:
    found = find_value(ValueKind.AMOUNT, sentence, 0, len(sentence), unit=unit_named(unit))
    assert (sentence[slice(*found)] if found else None) == value
