"""Whom a question means is decided by the register before anything is searched, and both searches keep to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.answering.flow import Answering
from pipeline.answering.follow_up import in_conversation, needs_no_lookup
from pipeline.answering.notices import sentence
from pipeline.answering.questions.patient_meant import patient_meant
from pipeline.answering.questions.subject import subject_of
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.backends.local.extractive import ExtractiveGenerator
from pipeline.config import AnsweringSettings, GeneratorSettings, StoreSettings
from pipeline.patients import NamePart, RegisteredPatient
from pipeline.ports import Store
from pipeline.records import AccessScope, Document, Filters, Question, UnderstoodPart
from tests.answering.questions.stored_notes import EMBEDDER, stored

NOTES = (
    (
        "p1",
        "ward",
        "2020-01-05",
        "Anna Mitchell is a 44-year-old female. Blood pressure was 120/80. She takes allopurinol.",
    ),
    (
        "p2",
        "ward",
        "2021-02-05",
        "Alan Mitchell is a 69-year-old male. Blood pressure was 150/90. He takes warfarin.",
    ),
    (
        "p3",
        "clinic",
        "2022-03-05",
        "Eva Nowak is a 30-year-old female. Blood pressure was 110/70. She takes insulin.",
    ),
    (
        "p4",
        "clinic",
        "2023-04-05",
        "Eva Nowak is a 61-year-old female. Blood pressure was 135/85. She takes digoxin.",
    ),
    (
        "p5",
        "clinic",
        "2023-04-06",
        "The patient is a 50-year-old male with Crohn's disease. He takes aspirin.",
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    notes = [
        Document(f"n-{patient}", patient, "note", text, date, domain) for patient, domain, date, text in NOTES
    ]
    with stored(tmp_path, notes) as store:
        yield store


def meant(text: str, store: Store, scope: AccessScope | None = None) -> tuple[tuple[str, ...], str | None]:
    found = patient_meant(Question(text, Filters(scope=scope) if scope else Filters()), store)
    return found.question.filters.patient_ids, found.reason


@pytest.mark.parametrize(
    ("question", "patients", "reason"),
    [
        ("What medications is Anna Mitchell on?", ("p1",), None),
        ("What does Mitchell, Anna take?", ("p1",), None),
        ("is anna mitchell on allopurinol", ("p1",), None),
        ("What is Ms. Mitchell's blood pressure?", ("p1",), None),
        ("What is Mr. Mitchell's blood pressure?", ("p2",), None),
        ("What does Mitchell take?", (), "which_patient"),
        ("What does Eva Nowak take?", (), "which_patient"),
        ("What does Anna take?", ("p1",), None),
        ("Compare Anna Mitchell and Alan Mitchell.", ("p1", "p2"), None),
        ("Compare Anna Mitchell and Eva Nowak.", (), "which_patient"),
        ("What does Zed351 Dickens475 take?", (), "name_not_found"),
        ("What does Harold Finch take?", (), None),
        ("Who has Crohn's disease?", (), None),
        ("Which patients take warfarin?", (), None),
        ("Who else than Anna Mitchell takes allopurinol?", (), None),
        ("What is the blood pressure of patient p4?", ("p4",), None),
        ("Compare the pulse of patients p1 and p4.", ("p1", "p4"), None),
        ("Compare the pulse of patient p1 on 2021-03-04 and on 2022-03-05.", ("p1",), None),
        ("Has the pulse of patient p1 improved compared with the last visit?", ("p1",), None),
    ],
)
def test_whom_a_question_means(
    store: EmbeddedStore, question: str, patients: tuple[str, ...], reason: str | None
) -> None:
    assert meant(question, store) == (patients, reason)


@pytest.mark.parametrize(
    ("question", "patients"),
    [
        ("What does Maria Garcia take?", ()),
        ("What does Ms. Lopez take?", ()),
        ("What does Maria Garcia-Lopez take?", ("p1",)),
        ("What does Ms. García-López take?", ("p1",)),
    ],
)
def test_half_of_a_double_surname_is_another_name(
    tmp_path: Path, question: str, patients: tuple[str, ...]
) -> None:
    text = "Maria García-López is a 44-year-old female. She takes allopurinol."
    with stored(tmp_path, [Document("n-p1", "p1", "note", text, "2020-01-05", "ward")]) as store:
        assert meant(question, store)[0] == patients


def test_a_name_out_of_sight_is_like_one_that_no_one_has(store: EmbeddedStore) -> None:
    ward = AccessScope(domains=frozenset(["ward"]))
    assert meant("What does Eva Nowak take?", store, ward) == meant("What does Ewa Zzyzx take?", store, ward)
    narrowed = AccessScope(patient_ids=frozenset(["p3", "p1"]))
    assert meant("What does Eva Nowak take?", store, narrowed) == (("p3",), None)


@pytest.mark.parametrize(
    ("question", "patient", "sure"),
    [
        ("What is Mitchell allergic to?", "p1", [True]),
        ("What is Nowak taking?", "p4", [True]),
        ("What is Nowak taking?", "p1", [False]),
    ],
)
def test_a_lone_word_is_the_name_of_the_patient_who_was_chosen(
    store: EmbeddedStore, question: str, patient: str, sure: list[bool]
) -> None:
    meant = patient_meant(Question(question, Filters(patient_ids=(patient,))), store)
    assert meant.question.filters.patient_ids == (patient,)
    assert [each.sure for each in meant.asked.written if not each.is_id] == sure


def test_several_of_a_name_are_told_apart_for_the_asker(store: EmbeddedStore) -> None:
    found = patient_meant(Question("What does Eva Nowak take?"), store)
    assert found.notice is not None
    words = sentence(found.notice)
    assert "p3 (Eva Nowak, 30 years old, last note 2022-03-05)" in words
    assert "p4 (Eva Nowak, 61 years old, last note 2023-04-05)" in words


@pytest.mark.parametrize(
    "question", ["What was Anna Mitchell's blood pressure?", "Is Anna Mitchell on warfarin?"]
)
def test_no_passage_of_another_patient_is_found(store: EmbeddedStore, question: str) -> None:
    generator = ExtractiveGenerator(EMBEDDER, GeneratorSettings(sentence_similarity_min=0.1))
    answering = Answering(EMBEDDER, store, generator, AnsweringSettings())
    found = answering.search(Question(question))
    assert {hit.patient_id for hit in found.passages} == {"p1"}
    assert "Anna" not in found.topic


def test_an_answer_that_asks_which_patient_shows_nothing_of_any(store: EmbeddedStore) -> None:
    generator = ExtractiveGenerator(EMBEDDER, GeneratorSettings(sentence_similarity_min=0.1))
    answer = Answering(EMBEDDER, store, generator, AnsweringSettings()).answer(
        Question("What does Eva Nowak take?")
    )
    assert (answer.outcome, answer.reason, answer.passages) == ("nothing_relevant", "which_patient", ())
    assert [notice.code for notice in answer.notices] == ["which_patient"]


class _Before:
    """A conversation whose last answer was about p2."""

    def patients(self) -> tuple[str, ...]:
        return ("p2",)

    def is_unclear(self) -> bool:
        return False

    def last_question(self) -> str:
        return "What does Alan Mitchell take?"

    def understood(self) -> tuple[UnderstoodPart, ...]:
        return ()


@pytest.mark.parametrize(
    ("question", "patients"),
    [
        ("What does Anna Mitchell take?", ("p1",)),
        ("What does he take?", ("p2",)),
        ("What does Zed351 Dickens475 take?", ()),
        ("Which patients take warfarin?", ()),
    ],
)
def test_a_name_ends_what_a_conversation_keeps_to(
    store: EmbeddedStore, question: str, patients: tuple[str, ...]
) -> None:
    context = in_conversation(Question(question), subject_of(question), _Before(), store, EMBEDDER)
    assert context.question.filters.patient_ids == patients


def test_the_patient_of_a_name_is_known_to_the_next_question(store: EmbeddedStore) -> None:
    question = Question("What insurance does Anna Mitchell have?")
    about = subject_of(question.text)
    assert not needs_no_lookup(question, about, goes_on=False)
    assert in_conversation(question, about, None, store, EMBEDDER).question.filters.patient_ids == ("p1",)


class Counting(EmbeddedStore):
    """Counts how often the register is asked for a name."""

    asked = 0

    def patients_called(
        self, words: Sequence[str], scope: AccessScope, *, part: NamePart | None = None, limit: int = 20
    ) -> list[RegisteredPatient]:
        self.asked += 1
        return super().patients_called(words, scope, part=part, limit=limit)


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("does renal sarcoidosis cause tachyphylaxis", 0),
        ("fluoxetine tramadol serotonin toxicity", 0),
        ("is sarcoid anna mitchell on allopurinol", 2),  # "sarcoid anna", "anna mitchell"
        ("is eva nowak diabetic", 1),
        ("is there a cause, eva brown", 1),  # a name that is an ordinary word too
    ],
)
def test_small_words_are_looked_up_as_a_name_only_where_one_is_a_patients(
    store: EmbeddedStore, question: str, names: int
) -> None:
    counting = Counting(store._database, StoreSettings())
    patient_meant(Question(question), counting)
    assert counting.asked == names
