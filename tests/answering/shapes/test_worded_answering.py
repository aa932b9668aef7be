"""A model words the lines of an answer and decides nothing: not who, how many, how it is said, nor what is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.answering.flow import Answering, answer
from pipeline.answering.shapes.shaped_answering import ShapedAnswering
from pipeline.answering.shapes.shapes import SHAPES
from pipeline.answering.shapes.worded_answering import LINES, WordedAnswering
from pipeline.answering.understood_answering import UnderstoodAnswering
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import AnsweringSettings
from pipeline.records import Answer, Document, DraftPiece, Filters, GeneratorModel, Prompt, Question, Usage
from tests.answering.questions.stored_notes import EMBEDDER, stored

MEDICATIONS = "MEDICATIONS\n- Allopurinol 100 mg once daily\n- Omeprazole 40 mg"
NOTES = {
    "P1": f"Anna Mitchell is a 44-year-old female.\n\n{MEDICATIONS}\n\n"
    "ASSESSMENT\nShe has type 2 diabetes. Blood pressure was 142/88.",
    "P2": "Bruno Keller is a 60-year-old male.\n\nMEDICATIONS\n- Warfarin 5 mg\n\nHe denies diabetes.",
    "P3": "Martha Collins is a 61-year-old female.\n\nFAMILY HISTORY\nHer mother has diabetes.",
    "P4": "Eva Nowak is a 30-year-old female.\n\nASSESSMENT\nShe has diabetes and asthma.",
}


class Model:
    """Writes what its function makes of a prompt."""

    model = GeneratorModel("scripted", "m1", thinks="never")

    def __init__(self, says: Callable[[Prompt], str]) -> None:
        self.says = says
        self.prompts: list[Prompt] = []

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        self.prompts.append(prompt)
        yield DraftPiece(self.says(prompt))
        yield DraftPiece("", Usage(100, 10), "stop")

    def check(self) -> None:
        return None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    notes = [
        Document(f"n-{each}", each, "Visit note", text, f"2021-02-0{each[1:]}")
        for each, text in NOTES.items()
    ]
    with stored(tmp_path, notes) as store:
        yield store


def ask(
    store: EmbeddedStore, model: Model, text: str, *, patients_max: int = 20, filters: Filters | None = None
) -> Answer:
    plain = Answering(EMBEDDER, store, model, AnsweringSettings())
    shaped = ShapedAnswering(plain, store, EMBEDDER, SHAPES)
    worded = WordedAnswering(plain, shaped, plain, patients_max)
    return answer(UnderstoodAnswering(worded, store), Question(text, filters or Filters()))


def quoted(store: EmbeddedStore, text: str) -> Answer:
    plain = Answering(EMBEDDER, store, Model(lambda prompt: ""), AnsweringSettings())
    return answer(ShapedAnswering(plain, store, EMBEDDER, SHAPES), Question(text))


def test_a_list_is_in_the_models_words_and_what_it_leaves_out_is_quoted(store: EmbeddedStore) -> None:
    model = Model(lambda prompt: "She takes allopurinol 100 mg once daily. [1]")
    found = ask(store, model, "What medications is Anna Mitchell on?")
    assert [each.text for each in found.statements][1:] == [
        "She takes allopurinol 100 mg once daily. [1]",
        '"Omeprazole 40 mg" [2]',
    ]
    assert (found.model, found.prompt_version) == (model.model, LINES.version)
    assert found.usage == Usage(100, 10)
    assert {hit.patient_id for prompt in model.prompts for hit in prompt.passages} == {"P1"}
    assert all("2021-02-01" in prompt.user for prompt in model.prompts)


@pytest.mark.parametrize(
    "said",
    [
        "She takes allopurinol 300 mg once daily. [1]",
        "She takes warfarin 5 mg. [1]",
        "Bruno Keller takes allopurinol 100 mg once daily. [1]",
        "She takes 2 medications. [1]",
        "She does not take allopurinol 100 mg once daily. [1]",
        "Allopurinol. [1]",
        "She takes allopurinol once daily. [1]",
        "Blood pressure was 142/88. [1]",
        "She takes allopurinol 100 mg once daily.",
        "NOT STATED",
        "",
    ],
)
def test_what_is_changed_short_or_not_asked_is_not_said(store: EmbeddedStore, said: str) -> None:
    question = "What medications is Anna Mitchell on?"
    found = ask(store, Model(lambda prompt: said), question)
    assert found.statements == quoted(store, question).statements
    assert found.model.provider == "extractive"


def test_who_goes_patient_by_patient_and_the_model_counts_nothing(store: EmbeddedStore) -> None:
    def says(prompt: Prompt) -> str:
        sentence = re.search(r"[^.\n]*diabetes[^.\n]*\.", prompt.passages[0].text)
        return f"There are 9 patients with diabetes. [1]\n{sentence.group().strip() if sentence else ''} [1]"

    model = Model(says)
    question = "Which patients have diabetes?"
    found = ask(store, model, question)
    assert [[hit.patient_id for hit in prompt.passages] for prompt in model.prompts] == [
        ["P1"],
        ["P4"],
        ["P2"],
        ["P3"],
    ]
    assert all("What do these passages say of diabetes?" in prompt.user for prompt in model.prompts)
    assert found.usage == Usage(400, 40)
    lines = [each.text for each in found.statements]
    assert lines[0].startswith("2 patients with diabetes")
    assert "Patient P1, 2021-02-01: She has type 2 diabetes. [1]" in lines
    assert "Patient P4, 2021-02-04: She has diabetes and asthma. [2]" in lines
    assert not any("9 patients" in line for line in lines)
    ours = [each.text for each in quoted(store, question).statements if not each.citations]
    assert [each.text for each in found.statements if not each.citations] == ours


@pytest.mark.parametrize(
    ("said", "of"),
    [
        ("The patient has diabetes. [1]", {"P2", "P3"}),
        ("She has asthma. [1]", {"P4"}),
    ],
)
def test_a_line_says_of_the_finding_what_the_note_says(store: EmbeddedStore, said: str, of: set[str]) -> None:
    found = ask(store, Model(lambda prompt: said), "Which patients have diabetes?")
    for each in found.statements:
        if of & {citation.patient_id for citation in each.citations}:
            assert '"' in each.text, "quoted, as the model says something else"


def test_of_many_patients_the_first_are_asked_of_it_and_the_answer_says_so(store: EmbeddedStore) -> None:
    model = Model(lambda prompt: "She has diabetes. [1]\nShe has type 2 diabetes. [1]")
    found = ask(store, model, "Which patients have diabetes?", patients_max=1)
    assert len(model.prompts) == 1
    assert (
        found.statements[-1].text
        == "The notes of 1 of 4 patients were read by the model; of the others they are quoted."
    )


def test_what_is_not_stated_is_asked_of_no_model(store: EmbeddedStore) -> None:
    model = Model(lambda prompt: "She has gout. [1]")
    found = ask(store, model, "Does Anna Mitchell have gout?")
    assert (found.outcome, found.reason, model.prompts) == ("nothing_relevant", "not_stated", [])


def test_a_question_of_no_shape_is_asked_as_before(store: EmbeddedStore) -> None:
    model = Model(lambda prompt: "She has asthma. [1]")
    ask(store, model, "Why did patient P4 come and how is the asthma treated?")
    assert [prompt.version.partition("@")[0] for prompt in model.prompts] == ["answer-v1"]


def test_a_summary_is_as_short_as_the_model_makes_it_and_leaves_no_part_out(store: EmbeddedStore) -> None:
    found = ask(
        store, Model(lambda prompt: "She has type 2 diabetes. [1]"), "Summarise the visit of Anna Mitchell"
    )
    lines = [each.text for each in found.statements]
    assert any(line.startswith("She has type 2 diabetes.") for line in lines)
    assert not any("142/88" in line for line in lines), "next to what it said of the assessment"
    assert any("Allopurinol" in line for line in lines), "it said nothing of the medications"
