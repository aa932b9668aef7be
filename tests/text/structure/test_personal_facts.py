"""Which personal fact a question asks for, and which sentences say it."""

from __future__ import annotations

import pytest

from pipeline.text.structure.personal_facts import PERSONAL_FACTS, asked_personal_fact


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How old is §?", "age"),
        ("Who is §'s insurer?", "insurance"),
        ("What health insurance plan is § covered by?", "insurance"),
        ("How far did § go in school?", "education"),
        ("What is §'s smoking status?", "smoking"),
        ("How many packs does § smoke?", "smoking"),
        ("What is §'s alcohol intake?", "alcohol"),
        ("What is §'s marital status?", "marital status"),
        ("What does § do for a living?", "occupation"),
        ("What is §'s living situation?", "living situation"),
        ("What is §'s creatinine?", None),
        ("Does § smoke and drink alcohol?", None),
    ],
)
def test_what_is_asked(question: str, name: str | None) -> None:
    fact = asked_personal_fact(question)
    assert (fact.name if fact else None) == name


@pytest.mark.parametrize(
    ("name", "sentence", "says"),
    [
        ("age", "The patient is a 54-year-old man.", True),
        ("age", "He quit smoking at age 35.", False),
        ("insurance", "Patient currently has Medicare.", True),
        ("insurance", "She is uninsured.", True),
        ("insurance", "He has hypertension.", False),
        ("education", "She graduated from high school.", True),
        ("education", "Patient education was provided.", False),
        ("smoking", "He has never smoked.", True),
        ("smoking", "Smoking cessation was discussed.", False),
        ("alcohol", "She drinks two glasses of wine a week.", True),
        ("alcohol", "Advised to drink more water.", False),
        ("marital status", "He is widowed.", True),
        ("occupation", "She works as a nurse.", True),
        ("living situation", "He lives alone.", True),
    ],
)
def test_what_says_it(name: str, sentence: str, says: bool) -> None:
    fact = PERSONAL_FACTS[name]
    found = fact.said.search(sentence) is not None
    assert (found and not (fact.unless and fact.unless.search(sentence))) is says
