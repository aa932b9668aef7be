"""The answerer that quotes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks.local_models import cases, draft_lines, passages
from pipeline.answering.question_patient import of_named_patients
from pipeline.backends.local.extractive import ExtractiveGenerator
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.backends.local.onnx_embedder import LocalEmbedder
from pipeline.config import EmbedderSettings, GeneratorSettings
from pipeline.ports import Generator
from pipeline.records import Hit, Question
from tests.contracts.generator import GeneratorContract, prompt

LINE = re.compile(r'"(.+)" \[(\d+)\]')


class TestExtractiveGenerator(GeneratorContract):
    @pytest.fixture
    def generator(self) -> Generator:
        return extractive()


def extractive(**settings: object) -> ExtractiveGenerator:
    """Over the hashing embedder, where a sentence's similarity is its word overlap with the question."""
    embedder = HashingEmbedder(EmbedderSettings(provider="hashing"))
    return ExtractiveGenerator(embedder, GeneratorSettings(**{"sentence_similarity_min": 0.2, **settings}))


def quotes(question: str, *texts: str, **settings: object) -> list[tuple[str, int]]:
    """The quoted sentences with their passage numbers."""
    draft = "".join(piece.text for piece in extractive(**settings).stream(prompt(question, texts)))
    found = [LINE.fullmatch(line) for line in draft.splitlines()]
    assert all(found)
    return [(match.group(1), int(match.group(2))) for match in found if match]


def test_it_quotes_the_sentence_that_answers_with_its_passage() -> None:
    assert quotes(
        "Which dose of allopurinol was started?",
        "Knee pain improved. No fracture.",
        "Gout flare in May. Started allopurinol, dose 100 mg daily. Diet was discussed.",
    ) == [("Started allopurinol, dose 100 mg daily.", 2)]


def test_nothing_in_the_passages_means_an_empty_draft() -> None:
    assert quotes("Which chemotherapy was given?", "Knee pain improved. No fracture.") == []
    assert quotes("Which chemotherapy was given?") == []


def test_below_the_threshold_it_says_nothing() -> None:
    text = "Allopurinol was continued for gout."
    assert quotes("Is allopurinol continued?", text) == [(text, 1)]
    assert quotes("Is allopurinol continued?", text, sentence_similarity_min=1.0) == []


def test_headings_and_questions_are_never_quoted() -> None:
    assert quotes("Any knee pain?", "KNEE PAIN\n\nKnee pain:\n\nAny knee pain? Knee pain is worse.") == [
        ("Knee pain is worse.", 1)
    ]


def test_labelled_values_and_list_items_stay_whole_without_their_bullet() -> None:
    text = "VITALS\n\n• Blood pressure: 130/80\n• Pulse: 72"
    assert quotes("What is the blood pressure?", text) == [("Blood pressure: 130/80", 1)]


def test_a_sentence_over_two_lines_is_quoted_on_one() -> None:
    text = "The metformin dose was raised to 1000 mg twice a day because the last\nglucose values were high."
    assert quotes("What is the metformin dose?", text) == [(text.replace("\n", " "), 1)]


def test_inner_quotation_marks_stay() -> None:
    text = 'Pain in the "inside" of the elbow is "sharp".'
    assert quotes("Where is the elbow pain?", text) == [(text, 1)]


def test_what_was_asked_for_comes_first() -> None:
    passage = (
        "The knee surgery was discussed. The knee surgery took place 3 weeks ago. Knee surgery was a success."
    )
    assert quotes("When was the knee surgery?", passage)[0][0] == "The knee surgery took place 3 weeks ago."


def test_a_dose_is_an_amount_not_any_number() -> None:
    passage = "Anna takes allopurinol since age 44. Anna takes allopurinol 100 mg."
    assert (
        quotes("What dose of allopurinol does Anna take?", passage)[0][0] == "Anna takes allopurinol 100 mg."
    )


def test_a_fragment_that_only_names_the_topic_is_an_answer_to_yes_or_no_only() -> None:
    text = "Shoulder pain. Shoulder pain began in May."
    assert quotes("When did shoulder pain begin?", text)[0] == ("Shoulder pain began in May.", 1)
    assert quotes("Is there shoulder pain?", text)[0] == ("Shoulder pain.", 1)


@pytest.mark.parametrize("title", ["Allergies", "ALLERGIES", "Allergies:"])
def test_a_sentence_counts_with_the_title_of_its_section(title: str) -> None:  # field cases 9d and 9e
    text = f"Past Medical History\nAsthma since 1999.\n\n{title}\nPenicillin causes rash."
    assert quotes("What allergies does the patient have?", text)[0][0] == f"{title} Penicillin causes rash."


def test_a_fragment_is_quoted_with_its_title_or_not_at_all() -> None:
    text = "Assessment\n\n2. Diabetes\n\nHe feels well today and walks a mile."
    assert quotes("Which patients have diabetes?", text) == [("Assessment 2. Diabetes", 1)]
    assert quotes("Which patients have diabetes?", "He feels well.\n\n2. Diabetes") == []
    assert ("Allergies", 1) not in quotes("What allergies are there?", "Allergies\n\nAsthma since 1999.")


def test_a_sentence_is_quoted_once_however_many_notes_repeat_it() -> None:
    text = "Continue allopurinol 100 mg daily."
    assert quotes("Continue allopurinol?", text, text, "Continue the allopurinol 100 mg daily.") == [
        (text, 1)
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_sentence_and_its_beginning_the_longer_one_is_quoted(order: int) -> None:
    """A passage may end within a sentence that the next one has whole."""
    begun, whole = "Metformin 500 mg", "Metformin 500 mg daily was stopped in May."
    texts = [begun, whole][::order]
    asked = prompt("Is metformin 500 mg given daily?", texts)
    same = tuple(replace(hit, resource_id="n") for hit in asked.passages)
    draft = "".join(piece.text for piece in extractive().stream(replace(asked, passages=same)))
    assert draft == f'"{whole}" [{texts.index(whole) + 1}]\n'
    assert {quote for quote, _ in quotes(asked.question, *texts)} == {begun, whole}  # of two notes


def test_the_same_of_two_patients_is_two_findings() -> None:
    text = "Takes warfarin 5 mg daily."
    asked = prompt("Which patients take warfarin?", (text, text, text))
    patients = ("p1", "p2", "p2")
    passages = [replace(hit, patient_id=who) for hit, who in zip(asked.passages, patients, strict=True)]
    draft = "".join(piece.text for piece in extractive().stream(replace(asked, passages=tuple(passages))))
    assert draft.splitlines() == [f'"{text}" [1]', f'"{text}" [2]']


def test_another_dose_or_a_negation_is_another_sentence() -> None:
    texts = ("Continue lisinopril 10 mg daily.", "Continue lisinopril 40 mg daily.")
    assert {quote for quote, _ in quotes("Continue lisinopril?", *texts)} == set(texts)
    texts = ("There is a fracture of the left wrist seen.", "There is no fracture of the left wrist seen.")
    assert {quote for quote, _ in quotes("Is there a fracture of the left wrist?", *texts)} == set(texts)


def test_nobody_is_answered_from_the_note_of_another() -> None:
    """A person named is quoted from their own notes, or not at all."""
    given = prompt(
        "What is the blood pressure of Mr. Perry?",
        (
            "Blood pressure: 180/95",
            "Mr. Perry was seen. Blood pressure: 120/80",
            "Pulse and blood pressure: 99/60",
        ),
    )
    owners = ("one", "perry", "other")
    hits = tuple(replace(hit, patient_id=owner) for hit, owner in zip(given.passages, owners, strict=True))

    def draft(question: str) -> str:
        topic, admitted = of_named_patients(Question(question), hits)
        asked = replace(given, question=question, passages=tuple(admitted), topic=topic)
        return "".join(piece.text for piece in extractive().stream(asked))

    assert draft("What is the blood pressure of Mr. Perry?") == '"Blood pressure: 120/80" [1]\n'
    assert draft("What is the blood pressure of Mr. Nobody?") == ""
    assert draft("What is the blood pressure?").count("\n") == 3


def test_no_more_sentences_than_asked_for() -> None:
    text = " ".join(f"The gout of toe {number} flared." for number in range(8))
    assert len(quotes("Did the gout of the toe flare?", text, sentences_max=2)) == 2


@pytest.mark.long
def test_questions_over_real_notes(local_embedder: LocalEmbedder) -> None:
    """A quarter of the questions of docs/models.md; `python -m benchmarks.local_models answers` asks them all."""
    generator = ExtractiveGenerator(local_embedder, GeneratorSettings())
    first, silent = [], []
    for case in cases()[::4]:
        found = passages(case, local_embedder)
        lines = draft_lines(generator, case.question, found)
        assert all(stands_in_its_passage(line, found) for line in lines)
        if case.answers:
            first.append(bool(lines) and case.answered_by(lines[0]))
        else:
            silent.append(not lines)
    assert (len(first), len(silent)) == (15, 4)
    assert sum(first) >= 10
    assert sum(silent) >= 3


def stands_in_its_passage(line: str, found: Sequence[Hit]) -> bool:
    match = LINE.fullmatch(line)
    return match is not None and match[1] in " ".join(found[int(match[2]) - 1].text.split())


@pytest.mark.parametrize("line", ["Discontinued:", "No longer takes:", "Past medications:"])
def test_an_item_is_quoted_with_the_line_that_changes_it(line: str) -> None:
    text = f"{line}\n- losartan 50 mg once daily in the morning\n"
    assert quotes("Does she take losartan 50 mg daily?", text) == [
        (f"{line} - losartan 50 mg once daily in the morning", 1)
    ]


def test_an_item_far_below_the_line_that_changes_it_is_not_quoted() -> None:
    items = "".join(f"- drug number {number} by mouth daily\n" for number in range(9))
    text = f"Discontinued:\n{items}- losartan 50 mg once daily in the morning\n"
    assert not quotes("Does she take losartan 50 mg daily?", text)
    assert quotes("Does she take losartan 50 mg daily?", text.replace("Discontinued:", "Current:"))


def test_a_list_number_is_no_amount() -> None:
    asked = "How big is the lung nodule?"
    assert quotes(asked, "Assessment\n1. Right upper lobe lung nodule.\n2. Asthma of the lung.") == []
    assert quotes(asked, "Lung nodule, seen 2 years ago.", sentence_similarity_min=0.0) == []
    assert quotes(asked, "The lung nodule is 8 mm.") == [("The lung nodule is 8 mm.", 1)]


def test_a_sentence_without_what_is_asked_is_not_quoted() -> None:
    text = "The patient was given the influenza vaccine. She was given a prescription."
    assert quotes("Was the patient given the zoster medicine?", text, sentence_similarity_min=0.0) == []
