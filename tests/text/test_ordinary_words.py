"""Which words are no one's name."""

from __future__ import annotations

import pytest

from pipeline.text.ordinary_words import NAMES_TOO, is_ordinary
from pipeline.text.person_names.patient_names import resolve_named_patients
from tests.text.test_patient_names import told

NAMES = """
Abara Adeyemi Ahmed Alexander Amrani Angel Anna Atkins Baker Banda Barnes Bell Bennett Berg Blessing Brown Butler Carter
Chen Clark Collins Comfort Cook Cruz Daisy Destiny Diaz Dlamini Do Dubois Edwards Ferrari Fisher Foley Garcia Gift Grace
Graves Green Hansen Happy Hill Hope Innocent Jackson Jean Jones Joy Justice Kim King Kowalski Lee Lewis Lindqvist Long
Lopez Lovely Lucky Major Mark Martinez May Memory Mensah Mercy Mitchell Moyo Müller Murphy Ncube Nguyen Nkosi Nowak
O'Brien Okafor Okeke Olive Park Patel Patience Perry Phillips Phiri Precious Price Prince Reyes Rice Rivers Rose Ruby
Sato Savage Scott Sharma Sharp Sibanda Silver Singh Small Smith Stone Strange Strong Summer Sunday Swift Talent Tanaka
Taylor Torres Tran Trust Virginia Walker Wang Ward Weber West White Will Wilson Winter Wise Wolf Wood Young Zhang
""".split()


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_an_ordinary_word(name: str) -> None:
    assert not is_ordinary(name)


def test_a_word_that_is_a_name_too_is_in_one_list_alone() -> None:
    assert [word for word in NAMES_TOO if is_ordinary(word)] == []


@pytest.mark.parametrize(
    "word", ["Infection", "UNDERGOING", "with", "Patients", "Thrombectomy", "Biomarker", "Histomorphologies"]
)
def test_words_of_medicine_and_of_grammar_are_ordinary(word: str) -> None:
    assert is_ordinary(word)


def test_a_finding_after_a_name_is_not_its_end() -> None:
    notes = told("Ms. Anna Kowalski is well.", "Mr. Otto Baum. His Heart Rate was 60.")
    assert resolve_named_patients("Anna Kowalski Heart Rate", notes)[1] == {"p0"}
