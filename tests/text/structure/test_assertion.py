"""How a note asserts a finding, cue by cue; the finding stands in brackets."""

from __future__ import annotations

import pytest

from pipeline.text.statements.facts import read
from pipeline.text.structure.assertion import Assertion, AssertionKind, NoteAssertions, assertion_in_sentence

CASES = """
present | She has [asthma].
present | Positive for [rash].
present | Unstable [angina].
present | Abnormal [weight gain].
present | Afebrile with a [cough].
present | History of asthma, presents with [cough].
present | Denies any stroke risk factors and states that she has a [rash].
present | Previous MI, now with [angina]
present | He comes with a three-day history of [cough].
present | Heavy smoking history, and [chest pain].
present | She was brought by her husband to the emergency room because of severe [back pain].
present | She failed treatment and developed [arthritis].
present | She has kidney failure due to complications of [diabetes].
present | It shows a [neuropathy] although a radiculopathy could not be ruled out.
present | In the past 2 weeks he had [headaches].
present | [Hypertension], started 3 years ago.
present | [Chest pain] has not resolved.
present | No change in her [cough].
present | [Cough] without fever.
present | The patient has no diabetes but has [hypertension].
present | Her sister drives her; she has [asthma].
present | Father with MI, patient has [hypertension].
present | Denies any worsening of her [pain].
present | She denies previous treatment for her [acne].
present | No medication for [hypertension].
present | [Diabetes], not well controlled.
present | Blood pressure is raised, likely due to the patient's [pain].
absent | No [fever] or chills.
absent | [Tobacco use]: Non-smoker.
absent | [Tobacco use]: Never smoker
present | [Diabetes]: no complications.
present | Everyone notices his [headache].
absent | Denies chest pain, cough, or [dyspnea].
absent | No evidence of [pneumonia].
absent | [Pneumonia] was ruled out.
absent | [Pneumonia] is unlikely.
absent | Not consistent with [pneumonia].
absent | Patient and daughter also deny fever and [nausea].
absent | Negative for [rash].
absent | This is allergic rhinitis rather than a [sinus infection].
absent | No history of [seizures].
absent | He denies having [kidney stones] before, but his father has kidney stones.
possible | Possible [pneumonia].
possible | Rule out [pneumonia].
possible | Cannot rule out [pneumonia].
possible | A [radiculopathy] could not be ruled out.
possible | CT to evaluate for [appendicitis].
possible | Blood tests to determine if he has [Lyme disease].
possible | Differential includes PE and [MI].
possible | Gastritis could be [cancer].
historical | History of [asthma], presents with cough.
historical | [Tobacco use]: Former smoker
historical | Past medical history significant for gout, [hypertension], and reflux, who presents today.
historical | s/p [MI] in 2015.
historical | Previous [MI], now with angina
historical | She had a [stroke] 3 years ago.
historical | He had [headaches] in the past.
historical | [Chest pain] has resolved.
historical | Her [heartburn] was severe but resolved.
historical | Breast [cancer] in remission.
family | He denies smoking or living with anyone who [smokes].
family | She lives with people who [smoke].
family | No one at home [smokes].
family | Mother had [diabetes] at 50.
family | He lives with his wife, who has [diabetes].
family | Lives with his sister, who [smokes].
family | No family history of [breast cancer].
family | Her aunt and father have [gout].
planned | Return if you have [fever].
planned | Should she develop [fever], call.
planned | The risks include but are not limited to [stroke].
planned | There is a risk of [stroke].
planned | We discussed the likelihood of developing [arthritis].
planned | Screening for [colon cancer].
planned | Tylenol as needed every 6 hours for [pain].
planned | Aspirin to prevent [stroke].
planned | Vaccinated against [influenza].
"""


def in_brackets(text: str) -> tuple[str, int, int]:
    start, end = text.index("["), text.index("]") - 1
    return text.replace("[", "", 1).replace("]", "", 1), start, end


@pytest.mark.parametrize("line", CASES.strip().splitlines())
def test_cues(line: str) -> None:
    kind, _, marked = line.partition(" | ")
    assert assertion_in_sentence(*in_brackets(marked)).kind == kind


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        (AssertionKind.HISTORICAL, "PAST MEDICAL HISTORY\n\n1. [Diabetes].\n2. Gout."),
        (AssertionKind.HISTORICAL, "PMH: gout, [asthma]. CC: cough."),
        (AssertionKind.PRESENT, "PMH: gout, asthma. CC: [cough]."),
        (AssertionKind.FAMILY, "FAMILY HISTORY\n\n[Diabetes]."),
        (AssertionKind.PRESENT, "Family/social history: [asthma]."),
        (AssertionKind.ABSENT, "ROS\n\nDenies:\n- fever\n- [chills]"),
        (AssertionKind.PRESENT, "ROS\n\nDenies:\n- fever\n\nReports [chills]."),
        (AssertionKind.PRESENT, "ASSESSMENT\n\n1. [Diabetes]."),
        (AssertionKind.POSSIBLE, "DIFFERENTIAL DIAGNOSIS\n\nGout, [cellulitis]."),
    ],
)
def test_what_a_section_says(kind: AssertionKind, note: str) -> None:
    text, start, end = in_brackets(note)
    assert NoteAssertions(text).of(start, end).kind is kind


def test_a_passage_from_the_middle_of_a_section() -> None:
    text, start, end = in_brackets("[Diabetes], gout.")
    assert NoteAssertions(text, within="Family history").of(start, end).kind is AssertionKind.FAMILY
    assert NoteAssertions(text).of(start, end).kind is AssertionKind.PRESENT


def test_the_second_of_two_mentions() -> None:
    text = "No pain at rest; pain on walking."
    found = [NoteAssertions(text).of(start, start + 4) for start in (text.index("pain"), text.rindex("pain"))]
    assert [each.kind for each in found] == [AssertionKind.ABSENT, AssertionKind.PRESENT]


def test_all_that_stands_over_a_mention_is_kept() -> None:
    text, start, end = in_brackets("No family history of [diabetes].")
    assert assertion_in_sentence(text, start, end) == Assertion(denied=True, family=True, past=True)


def test_a_word_that_denies_itself_denies_nothing_more() -> None:
    reading = read("Afebrile with a cough, painless hematuria, unable to walk")
    denied = {token.key for token, over in zip(reading.tokens, reading.over, strict=True) if over.denied}
    assert {"fever", "pain", "walk"} <= denied
    assert denied.isdisjoint({"cough", "hematuria"})
