"""Questions about somebody get nothing of the library; questions about a rule do."""

import pytest

from pipeline.answering.library_passages import asks_about_somebody, names_in_question


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("What is the dose of ketamine?", False),
        ("What is the dose of ketamine in patients with glaucoma?", False),
        ("Can a patient with glaucoma take ketamine?", False),
        ("Who should not take ketamine?", False),
        ("Which patients should not take ketamine?", False),
        ("How are healthcare personnel defined?", False),
        ("What should coughing patients be offered?", False),
        ("patients taking warfarin 5 mg", True),
        ("Which people with heart failure take bisoprolol 10 mg?", True),
        ("Who takes warfarin?", True),
        ("How many patients take digoxin?", True),
        ("Does the patient take amiodarone?", True),
        ("Does the patient born 12 March 1950 take lithium?", True),
        ("Does the 74-year-old woman take lithium?", True),
        ("What is she allergic to?", True),
        ("What is Mr Okafor allergic to?", True),
        ("lithium dose of patient P12", True),
    ],
)
def test_who_is_asked_about(question: str, about: bool) -> None:
    assert asks_about_somebody(question) is about


@pytest.mark.parametrize(
    ("question", "passage", "named"),
    [
        ("Does John Miller take digoxin?", "John Miller takes digoxin 250 micrograms daily.", True),
        ("what lithium dose is jones on", "Mary Jones takes lithium 400 mg.", True),
        ("Lithium for Mary?", "Mary Jones takes lithium 400 mg.", True),
        ("Okafor's allergy", "Mr Okafor is allergic to penicillin.", True),
        (
            "What is overproduced in Lesch Nyhan syndrome?",
            "Lesch Nyhan syndrome overproduces uric acid.",
            False,
        ),
        (
            "What is the dose of ketamine?",
            "Mary Jones takes lithium 400 mg. Ketamine is started at 10 mg.",
            False,
        ),
    ],
)
def test_a_passage_that_names_whom_the_question_names(question: str, passage: str, named: bool) -> None:
    assert names_in_question(question, passage) is named
