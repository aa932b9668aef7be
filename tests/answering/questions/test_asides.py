"""What a question says beside what it asks is no part of it."""

from __future__ import annotations

import pytest

from pipeline.answering.questions.asked.asides import without_asides


@pytest.mark.parametrize(
    ("framed", "asked"),
    [
        ("Coding query: did § have a stroke?", "did § have a stroke?"),
        ("for my referral letter: §'s weight?", "§'s weight?"),
        ("Quick question - what is §'s LDL, please?", "what is §'s LDL?"),
        ("In the dog bite case §, which vaccine was given?", "which vaccine was given?"),
        ("§: daily alcohol, yes or no?", "any daily alcohol?"),
        ("§ headache (y/n)", "any headache?"),
        ("does § smoke, yes or no", "does § smoke"),
        ("§ - is § on insulin?", "is § on insulin?"),
        ("mechanism of injury, §", "mechanism of injury"),
        ("how many falls, this one included?", "how many falls?"),
        ("What was given to §? drugs only", "What was given to §?"),
        ("Who fell? I need this for the audit.", "Who fell?"),
        ("What was §'s blood loss in numbers?", "What was §'s blood loss in numbers?"),
        ("§?", "§?"),
        ("Which notes of § mention a letter?", "Which notes of § mention a letter?"),
    ],
)
def test_what_is_said_beside_the_question(framed: str, asked: str) -> None:
    assert without_asides(framed) == asked
