"""Each kind of answer is told from the others: hand-made answers, and what a clinician would call them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.evaluation.answer_judge import Judgement, judge, says_nothing
from pipeline.evaluation.answer_set import read_answer_set
from pipeline.records import Answer, Citation, GeneratorModel, Outcome, Statement
from tests.evaluation.answer_folder import NOTES, Row, question, write_answer_set

Said = str | tuple[str, str] | tuple[str, str, str]
"""A line without a citation; or what is said and which note it quotes; or said, note, and the words cited."""

DOSE = [{"say": ["40 mg"], "spans": [["n2", "Lisinopril raised to 40 mg once daily."]]}]
MEDICATIONS = [
    {"say": [["lisinopril"]], "spans": [["n2", "Lisinopril raised to 40 mg once daily."]]},
    {"say": [["metformin"]], "spans": [["n2", "Metformin 1 g twice daily."]]},
]
KNEE = [{"spans": [["n1", "Left knee is tender."]]}]
DIABETICS = [
    {"spans": [["n2", "Type 2 diabetes."]]},
    {"spans": [["n3", "Type 2 diabetes."]]},
]


def _statement(said: Said) -> Statement:
    if isinstance(said, str):
        return Statement(said, ())
    text, note, quote = (*said, said[0])[:3]
    patient, whole = next((patient, text) for (name, patient), text in NOTES.items() if name == note)
    start = whole.index(quote)
    place = (start, start + len(quote), quote)
    return Statement(text, (Citation(1, note, patient, "Visit note", None, 0.5, *place),))


def _answer(*said: Said, outcome: Outcome = "answered") -> Answer:
    statements = tuple(map(_statement, said))
    return Answer(
        "?",
        outcome,
        " ".join(statement.text for statement in statements),
        statements,
        tuple(citation for statement in statements for citation in statement.citations),
        (),
        None,
        GeneratorModel("hand", "hand"),
        None,
        "space",
        usage=None,  # type: ignore[arg-type]
        seconds={},
    )


def _judged(folder: Path, row: Row, answer: Answer | None) -> Judgement:
    (posed,) = read_answer_set(write_answer_set(folder, [row]), "development").questions
    return judge(posed, answer, {"p1": ["p1", "Anna Mitchell"], "p2": ["p2", "Martha Collins"]})


RAISED = ("Lisinopril raised to 40 mg once daily.", "n2")
OLD = ("Takes lisinopril 20 mg daily.", "n1")
OTHERS = ("Martha Collins takes lisinopril 10 mg daily.", "n3")
DENIED = ("Denies diabetes.", "n1")
HAS = ("Type 2 diabetes.", "n2")
OTHER_HAS = ("Type 2 diabetes.", "n3")
SILENCE = _answer(outcome="nothing_relevant")

CASES: dict[str, tuple[Row, Answer | None, str]] = {
    "the value, cited": (question("fact", DOSE), _answer(RAISED), "right"),
    "the value in other words": (
        question("fact", DOSE),
        _answer(("She takes 40 milligrams a day.", "n2", "raised to 40 mg once daily")),
        "right",
    ),
    "the value, and nothing cited": (question("fact", DOSE), _answer("40 mg"), "false_silence"),
    "the value after another": (question("fact", DOSE), _answer(OLD, RAISED), "incomplete"),
    "the value after one that is wrong": (
        question("latest", DOSE, wrong=["20 mg"]),
        _answer(OLD, RAISED),
        "wrong",
    ),
    "another value": (question("fact", DOSE), _answer(OLD), "wrong"),
    "another value, citing the right place": (
        question("fact", DOSE),
        _answer(("She takes 80 mg.", "n2", RAISED[0])),
        "wrong",
    ),
    "the value, citing another note of hers": (
        question("fact", DOSE),
        _answer(("She takes 40 mg.", "n1", "Anna Mitchell is 44. Takes lisinopril 20 mg daily.")),
        "wrong",
    ),
    "the value of another patient": (question("fact", DOSE), _answer(OTHERS), "wrong_patient"),
    "the right value, then that of another patient": (
        question("fact", DOSE),
        _answer(RAISED, OTHERS),
        "wrong_patient",
    ),
    "a statement that names another than it cites": (
        question("fact", DOSE, patients=[]),
        _answer(("p2 takes 40 mg daily.", "n2", RAISED[0])),
        "wrong_patient",
    ),
    "a statement with the name of another than it cites": (
        question("fact", DOSE, patients=[]),
        _answer(("Martha Collins: raised to 40 mg once daily.", "n2", RAISED[0])),
        "wrong_patient",
    ),
    "a statement with the name of the one it cites": (
        question("fact", DOSE, patients=[]),
        _answer(("Anna Mitchell: raised to 40 mg once daily.", "n2", RAISED[0])),
        "right",
    ),
    "silence": (question("fact", DOSE), SILENCE, "false_silence"),
    "not stated, and near things": (question("fact", DOSE), _answer("Not stated.", OLD), "false_silence"),
    "refused": (question("fact", DOSE), None, "false_silence"),
    "silence where the notes have nothing": (question("fact"), SILENCE, "right"),
    "not stated, and what comes near": (
        question("yes_no"),
        _answer("Not stated; what comes near:", OLD),
        "right",
    ),
    "an answer where the notes have none": (question("fact"), _answer(OLD), "false_answer"),
    "another patient's where the notes have none": (question("fact"), _answer(OTHERS), "wrong_patient"),
    "no one where no one has it": (
        question("who", patients=[]),
        _answer("No patient has it.", DENIED),
        "right",
    ),
    "asked back": (question("fact", expect="which_patient", patients=[]), None, "right"),
    "not asked back": (question("fact", expect="which_patient", patients=[]), _answer(OLD), "false_answer"),
    "yes, with the evidence": (
        question("yes_no", KNEE, verdict="yes"),
        _answer(("Yes. Left knee is tender.", "n1", KNEE[0]["spans"][0][1])),
        "right",
    ),
    "no, with evidence that says yes": (
        question("yes_no", KNEE, verdict="yes"),
        _answer(("No, it is not.", "n1", "Left knee is tender.")),
        "wrong",
    ),
    "a quotation that begins with No": (
        question("yes_no", KNEE, verdict="yes"),
        _answer(("No fever. Left knee is tender.", "n1")),
        "right",
    ),
    "the whole list": (
        question("list", MEDICATIONS),
        _answer(RAISED, ("Metformin 1 g twice daily.", "n2")),
        "right",
    ),
    "half a list": (question("list", MEDICATIONS), _answer(RAISED), "incomplete"),
    "a list with as much beside it": (
        question("list", MEDICATIONS),
        _answer(RAISED, ("Metformin 1 g twice daily.", "n2"), DENIED, ("Left knee is tender.", "n1")),
        "incomplete",
    ),
    "nothing of a list": (question("list", MEDICATIONS), _answer(DENIED), "wrong"),
    "everyone": (question("who", DIABETICS, patients=[]), _answer(HAS, OTHER_HAS), "right"),
    "one of two": (question("who", DIABETICS, patients=[]), _answer(HAS), "incomplete"),
    "one who denies it as one who has it": (
        question("who", [DIABETICS[1]], patients=[]),
        _answer(DENIED, OTHER_HAS),
        "incomplete",
    ),
    "one who denies it, set apart": (
        question("who", [DIABETICS[1]], patients=[]),
        _answer(OTHER_HAS, "1 more mentions it as denied:", DENIED),
        "right",
    ),
    "one who denies it, labelled": (
        question("who", [DIABETICS[1]], patients=[]),
        _answer(OTHER_HAS, ("Denied: Denies diabetes.", "n1", DENIED[0])),
        "right",
    ),
    "a first line that tells of denials sets nothing apart": (
        question("who", DIABETICS, patients=[]),
        _answer("2 patients; 1 more mentions it as denied:", HAS, OTHER_HAS),
        "right",
    ),
    "one who may be listed or not": (
        question("who", [DIABETICS[1]], patients=[], asides=[["n2", "Type 2 diabetes."]]),
        _answer(HAS, OTHER_HAS),
        "right",
    ),
    "the count": (
        question("count", DIABETICS, patients=[], count=2),
        _answer("2 patients of 2:", HAS, OTHER_HAS),
        "right",
    ),
    "another count": (
        question("count", DIABETICS, patients=[], count=2),
        _answer("3 patients:", HAS, OTHER_HAS),
        "wrong",
    ),
    "a number in a quotation counts nothing": (
        question("count", DIABETICS, patients=[], count=2),
        _answer(('"Type 2 diabetes." [2]', "n2", HAS[0])),
        "wrong",
    ),
    "all that is to be counted, uncounted": (
        question("count", DIABETICS, patients=[], count=2),
        _answer(HAS, OTHER_HAS),
        "incomplete",
    ),
}


@pytest.mark.parametrize(("row", "answer", "verdict"), CASES.values(), ids=CASES)
def test_an_answer_is_called_what_it_is(
    row: dict[str, Any], answer: Answer | None, verdict: str, tmp_path: Path
) -> None:
    assert _judged(tmp_path, row, answer).verdict == verdict


def test_a_place_elsewhere_proves_what_it_says_next_to_its_words(tmp_path: Path) -> None:
    item = {"say": ["lisinopril"], "about": [["daily"]], "spans": [["n2", "Lisinopril raised"]]}
    answer = _answer(OLD)
    assert _judged(tmp_path, question("fact", [item]), answer).verdict == "right"
    unproved = [{**item, "about": [["weekly"]]}]
    assert _judged(tmp_path, question("fact", unproved), answer).verdict == "wrong"


@pytest.mark.parametrize(
    ("say", "statement", "said"),
    [
        ("40 mg", "Lasix is raised from 20 mg to 40 mg.", True),
        ("1 g twice daily", "She takes 1,000 mg BID.", True),
        ("June 3, 2021", "Seen on 2021-06-03.", True),
        ("120/80", "It was 120 over 80 mmHg.", True),
        ("8", "Her hemoglobin was 8.2.", False),
        ("20 mg", "120 mg", False),
        ("40 mg", "She takes 40 ml.", False),
        ("left", "the right knee", False),
        ("1", "No number is said. [1]", False),
    ],
)
def test_values_in_other_words(say: str, statement: str, said: bool, tmp_path: Path) -> None:
    row = question("fact", [{"say": [say], "spans": DOSE[0]["spans"]}])
    answer = _answer((statement, "n2", RAISED[0]))
    assert (_judged(tmp_path, row, answer).verdict == "right") is said


def test_a_citation_that_only_touches_the_place_proves_nothing(tmp_path: Path) -> None:
    touching = ("40 mg", "n2", "40 mg once daily. Metformin 1 g twice daily. Type 2 diabetes.")
    item = [{"spans": [["n2", "Lisinopril raised to 40 mg once daily."]]}]
    assert _judged(tmp_path, question("fact", item), _answer(touching)).verdict == "wrong"


@pytest.mark.parametrize(
    ("said", "recall", "precision"),
    [
        ([RAISED, DENIED], 0.5, 0.5),
        ([RAISED, ("Metformin 1 g twice daily.", "n2")], 1.0, 1.0),
        ([], 0.0, None),
    ],
)
def test_lists_by_recall_and_precision(
    said: Sequence[Said], recall: float, precision: float | None, tmp_path: Path
) -> None:
    found = _judged(tmp_path, question("list", MEDICATIONS), _answer(*said) if said else SILENCE)
    assert (found.recall, found.precision) == (recall, precision)


def test_a_patient_is_found_by_what_proves_it(tmp_path: Path) -> None:
    beside = ("Left knee is tender.", "n1")
    judged = _judged(tmp_path, question("who", DIABETICS, patients=[]), _answer(beside, OTHER_HAS))
    assert (judged.verdict, judged.recall, judged.precision) == ("incomplete", 0.5, 0.5)


def test_an_aside_is_no_fault_of_a_list(tmp_path: Path) -> None:
    row = question("list", MEDICATIONS[:1], asides=[["n1", "Denies diabetes."]])
    assert _judged(tmp_path, row, _answer(RAISED, DENIED)).precision == 1


@pytest.mark.parametrize(
    ("text", "nothing"),
    [
        ("Not stated in her notes.", True),
        ("No blood pressure is recorded in her notes.", True),
        ("No such patient is among the notes.", True),
        ("Notes of two visits.", False),
        ("Nausea was denied.", False),
    ],
)
def test_which_first_lines_say_that_there_is_nothing(text: str, nothing: bool) -> None:
    assert says_nothing(_answer(text, OLD)) is nothing
    assert not says_nothing(_answer((text, "n1", OLD[0]))), "a quotation is an answer, whatever it says"
