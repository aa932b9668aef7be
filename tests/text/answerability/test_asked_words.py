"""What a question is about, and how much of it a sentence holds."""

from __future__ import annotations

import pytest

from pipeline.text.answerability.asked_words import AskedWords, may_answer, share_held


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("oxygen saturation", "SpO2: 98 %."),
        ("kidney stone", "Renal calculi on the right."),
        ("mother die", "Mother, deceased age 45."),
        ("stop", "I advised him to discontinue ibuprofen."),
        ("antibiotics", "We started amoxicillin 500 mg."),
        ("married", "She is a widow."),
        ("abnormal EKG", "EKG is normal."),
        ("hepatitis B", "Vaccinated against hep B."),
        ("metatarsals", "The 2nd metatarsal bone."),
    ],
)
def test_a_word_is_held_in_any_of_its_ways(words: str, sentence: str) -> None:
    asked = AskedWords(words)
    assert asked.held(sentence).keys() == {term.key for term in asked.terms}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("hepatitis A", "Vaccinated against hep B."),
        ("left", "The right knee."),
        ("mother", "Her father died."),
        ("blood thinner", "She takes a blood pressure pill."),
    ],
)
def test_another_thing_is_not_held(words: str, sentence: str) -> None:
    assert not AskedWords(words).held(sentence)


def test_words_that_only_ask_are_about_nothing() -> None:
    assert AskedWords("How many of these should be taken before?").terms == ()


def test_a_word_that_no_sentence_has_counts_most() -> None:
    asked = AskedWords("zoster vaccine")
    held = [asked.held("She was given the influenza vaccine.")] * 8
    weights = asked.weights(held)
    assert not may_answer(share_held(weights, held[0]))
    assert may_answer(share_held(weights, asked.held("zoster vaccine in 2019")))


def test_what_stands_around_counts_less() -> None:
    weights = {"pain": 0.5, "knee": 0.5}
    assert share_held(weights, ["pain"], ["knee"]) > share_held(weights, ["pain"], [], ["knee"]) > 0.5
    assert share_held(weights, ["pain", "knee"], ["knee"]) == 1.0


@pytest.mark.parametrize(
    ("words", "sentence", "held"),
    [
        ("which bisphosphonate", "Continue alendronate weekly.", True),
        ("new antihypertensive", "Prescription for Cardura 4 mg.", True),
        ("an SSRI", "We will start Zoloft 25 mg.", True),
        ("analgesic", "Initiate Ultram 50 mg every 6 hours.", True),
        ("calcium channel blocker", "She takes Norvasc.", True),
        ("antidepressant", "She takes lisinopril.", False),
        ("penicillin", "She was given amoxicillin.", False),
        ("alendronate", "Takes a bisphosphonate.", False),
    ],
)
def test_the_name_of_a_class_is_held_by_its_drugs_and_no_drug_by_a_class(
    words: str, sentence: str, held: bool
) -> None:
    assert bool(AskedWords(words).held(sentence)) is held


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("how much fluid was drawn", "We drew 1200 mL of fluid."),
        ("what bit him", "Bitten by a raccoon."),
        ("what he drank", "Drinks three beers."),
        ("worn", "She wears a brace."),
    ],
)
def test_two_forms_of_a_verb_are_one(words: str, sentence: str) -> None:
    asked = AskedWords(words)
    assert asked.terms
    assert set(asked.held(sentence)) >= {asked.terms[-1].key}
