"""Whose a finding is, and what became of it, where only the assertion judges it; the finding stands in brackets."""

from __future__ import annotations

import pytest

from pipeline.text.structure.assertion import AssertionKind, NoteAssertions
from pipeline.text.structure.outcomes import is_not_done, is_stopped
from tests.text.structure.test_assertion import in_brackets

ANOTHERS = """
Wife reports that she herself has [dementia].
Her husband is here; he has [Alzheimer disease].
Her husband came along. He takes [donepezil] 10 mg. He also takes aspirin.
No asthma, unlike his brother, who uses [montelukast].
He has psoriasis; his uncle uses [infliximab].
Her ex takes [lamivudine].
Grandmother's osteoporosis was treated with [alendronate] 70 mg weekly.
[Nitroglycerin] for her mother-in-law.
Brother on [pravastatin] 20 mg.
Husband's medications: [digoxin] 0.125 mg daily.
Husband: [sitagliptin] 100 mg.
The man in the next bed is on [vancomycin].
Copied from chart of Ann Lee: [heart failure].
Received results of a namesake by mistake: [hyperkalemia].
A coworker was diagnosed with [tuberculosis].
Father-in-law uses [oxygen].
"""
HIS_OWN = """
Her husband says she has [dementia].
Lives with her husband. She has [asthma].
His mother has diabetes. He has [asthma].
Here with his wife. He takes [donepezil] 10 mg.
Since her husband's death, worsening [depression].
Cares for her mother, and takes [sertraline].
Brought by his daughter for [chest pain].
[Depression] after death of her husband.
"""


@pytest.mark.parametrize("marked", ANOTHERS.strip().splitlines())
def test_what_another_has_is_not_the_patients(marked: str) -> None:
    text, start, end = in_brackets(marked)
    assert NoteAssertions(text).of(start, end).family


@pytest.mark.parametrize("marked", HIS_OWN.strip().splitlines())
def test_a_relative_who_stands_by_has_nothing(marked: str) -> None:
    text, start, end = in_brackets(marked)
    assert not NoteAssertions(text).of(start, end).family


@pytest.mark.parametrize(
    ("kind", "marked"),
    [
        ("absent", "[Varicella] infection excluded by serology."),
        ("absent", "Diagnosis of [lymphoma] entered in error."),
        ("absent", "\u2610 [asthma] \u2611 COPD"),
        ("present", "\u2610 asthma \u2611 [COPD]"),
        ("absent", "Stroke: N Seizure: Y [Gout]: no Cancer: yes"),
        ("present", "Stroke: N Seizure: Y Gout: no [Cancer]: yes"),
        ("absent", "COPD +, [CHF] -"),
        ("present", "[COPD] +, CHF -"),
        ("absent", "[Syncope]? No. Vomiting? Yes."),
        ("present", "Syncope? No. [Vomiting]? Yes."),
        ("possible", "? [COPD]. No wheeze."),
        ("possible", "She read about [Cushing syndrome]."),
        ("present", "[Asthma], gastric ulcer (resolved)."),
        ("present", "[Cough] - dry."),
    ],
)
def test_forms_and_corrections(kind: str, marked: str) -> None:
    text, start, end = in_brackets(marked)
    assert NoteAssertions(text).of(start, end).kind is AssertionKind(kind)


@pytest.mark.parametrize(
    ("not_done", "marked"),
    [
        (True, "[Tracheostomy] not yet performed."),
        (True, "[Chemotherapy] was discussed and not given."),
        (True, "[Transfusion] withheld."),
        (True, "[Endoscopy] scheduled for May."),
        (True, "[Mammogram] next month."),
        (False, "[Colonoscopy] in 2019 was normal, next one due in 2029."),
        (False, "[Appendectomy], colonoscopy pending."),
        (False, "[Biopsy] results pending."),
    ],
)
def test_what_was_not_done(not_done: bool, marked: str) -> None:
    assert is_not_done(*in_brackets(marked)) is not_done


@pytest.mark.parametrize(
    ("outcome", "marked"),
    [
        ("not started", "[Rivaroxaban] was never filled."),
        ("not started", "[Edoxaban] denied by insurer."),
        ("not started", "Start [sertraline] 50 mg if PHQ-9 rises."),
        ("stopped", "Off [fluoxetine] since April."),
        ("stopped", "Tolerates [lisinopril] poorly; takes valsartan in its place."),
        ("taken", "Tolerates lisinopril poorly; takes [valsartan] in its place."),
        ("taken", "[Acetaminophen] scheduled every 6 hours."),
        ("taken", "Tolerates [metformin] well."),
    ],
)
def test_a_drug_not_started_or_stopped(outcome: str, marked: str) -> None:
    sentence = in_brackets(marked)
    assert is_not_done(*sentence, drug=True) is (outcome == "not started")
    assert is_stopped(*sentence) is (outcome == "stopped")
