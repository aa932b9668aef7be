"""Questions over notes and library documents: each is cited as what it is, and no guideline is a patient's fact."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pipeline.ask import open_answering
from pipeline.commands.answer_printer import print_citation
from pipeline.config import Settings
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.records import NO_PATIENT, Answer, Document, Filters, Question, SourceRecord, library_id
from pipeline.reembedding.catch_up import accept_stored
from pipeline.wiring import open_corpus

GUIDELINE = Document(
    library_id("a" * 64),
    NO_PATIENT,
    "guideline",
    "Ketamine is an anaesthetic.\fKetamine in acute pain is started at 0.3 mg per kg. Patients with glaucoma should "
    "not take ketamine. Metformin is taken by patients with diabetes.",
    date="2024",
    domain="pain",
    metadata={"title": "Ketamine in acute pain", "version": "2", "pages": "2"},
)
NOTES = (
    Document(
        "n1",
        "p1",
        "progress note",
        "Patient: Anna Mitchell\nTakes metformin 500 mg for diabetes.",
        "2024-05-01",
    ),
    Document(
        "n2",
        "p2",
        "progress note",
        "Patient: Eva Nowak\nGlaucoma of the left eye. No diabetes.",
        "2024-05-02",
    ),
    Document(
        "n3", "p2", "progress note", "Ketamine in acute pain is started at 0.3 mg per kg.", "2024-05-03"
    ),
)


Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Questions to three notes and a guideline, in which a sentence of a note stands as well."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("library-answers"))
    with open_corpus(settings) as opened:
        records = [SourceRecord("all", each.resource_id, each.fields()) for each in (GUIDELINE, *NOTES)]
        Indexing(
            opened.embedder,
            opened.store,
            opened.ledger,
            settings.indexing,
            RejectionLog(None),
            SilentObserver(),
            accept=accept_stored,
        ).run(records, sources=["all"])
    with open_answering(settings) as answering:
        yield lambda text, *patients: answering.answer(Question(text, Filters(patient_ids=patients)))


def test_a_guideline_is_cited_by_title_version_and_page(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask("How is ketamine started in acute pain?")
    cited = [each for each in answer.citations if each.resource_id == GUIDELINE.resource_id]
    assert cited
    assert "n3" in {each.resource_id for each in answer.citations}, "the same words of a note stay"
    print_citation(cited[0])
    assert "Ketamine in acute pain, version 2, page 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    "question",
    [
        "Which patients have glaucoma?",
        "Which patients have diabetes?",
        "How many patients take metformin?",
        "Does anyone take ketamine?",
        "Who takes metformin?",
    ],
)
def test_what_a_guideline_says_is_no_patients(ask: Ask, question: str) -> None:
    answer = ask(question)
    assert NO_PATIENT not in answer.text
    assert "The library" not in answer.text
    assert {each.resource_id for each in answer.citations if not each.title} <= {"n1", "n2", "n3"}
    if "patients" in question or "Who" in question:
        assert not any(each.title for each in answer.citations)


@pytest.mark.parametrize(
    ("question", "patients"),
    [
        ("What is the dose of ketamine?", ("p1",)),
        ("Is ketamine safe in glaucoma?", ("p2",)),
        ("Should Anna Mitchell take ketamine?", ()),
        ("Does Eva Nowak take metformin?", ()),
        ("What does patient library: take?", ()),
        ("Ketamine?", ("library:",)),
    ],
)
def test_a_question_about_a_patient_gets_nothing_of_the_library(
    ask: Ask, question: str, patients: tuple[str, ...]
) -> None:
    answer = ask(question, *patients)
    assert not any(hit.patient_id == NO_PATIENT for hit in answer.passages)
    assert not any(each.title for each in answer.citations)
