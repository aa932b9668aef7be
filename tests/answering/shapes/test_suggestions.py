"""Suggested questions: each is answered, each is about what the asker may see, and the same notes give the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.answering.shapes.suggestions import SuggestedQuestion, not_asked_yet, suggested_questions
from pipeline.config import Settings
from pipeline.ports import Store
from pipeline.records import EVERYTHING, AccessScope, Filters, Finished, Question
from pipeline.wiring import AnsweringSpace, compose_answerer, open_corpus, open_generator
from tests.service.running import index, settings_in

TWO = frozenset({"D2N006", "D2N007"})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = settings_in(tmp_path_factory.mktemp("suggestions"))
    index(made)
    return made


@pytest.fixture(scope="module")
def space(settings: Settings) -> Iterator[AnsweringSpace]:
    with open_corpus(settings) as corpus:
        generator = open_generator(settings, corpus.embedder)
        answerer = compose_answerer(corpus.embedder, corpus.store, generator, settings)
        yield AnsweringSpace(answerer, corpus.embedder, corpus.store, generator)


def suggested(
    space: AnsweringSpace, *patients: str, scope: AccessScope = EVERYTHING, asked: tuple[str, ...] = ()
) -> list[SuggestedQuestion]:
    return not_asked_yet(suggested_questions(space.store, space.embedder.space, scope, patients), asked)


def outcome(space: AnsweringSpace, question: SuggestedQuestion, scope: AccessScope) -> tuple[str, set[str]]:
    only = (question.patient_id,) if question.patient_id else ()
    *_, last = space.stream(Question(question.text, Filters(patient_ids=only, scope=scope)))
    assert isinstance(last, Finished)
    return last.answer.outcome, {citation.patient_id for citation in last.answer.citations}


@pytest.mark.parametrize("patients", [(), ("D2N006",), ("D2N005",), ("D2N007",), ("D2N006", "D2N008")])
def test_each_is_answered_of_whom_it_says(space: AnsweringSpace, patients: tuple[str, ...]) -> None:
    found = suggested(space, *patients)
    assert 2 <= len(found) <= 6
    for question in found:
        how, cited = outcome(space, question, EVERYTHING)
        assert how == "answered", question
        assert question.patient_id is None or cited == {question.patient_id}


def test_the_same_notes_give_the_same(space: AnsweringSpace) -> None:
    assert suggested(space) == suggested(space)
    assert suggested(space, "D2N006") == suggested(space, "D2N006")


def test_a_finding_that_several_have_is_asked_of_all(space: AnsweringSpace) -> None:
    (of_all,) = [question for question in suggested(space) if question.patient_id is None]
    assert of_all.text.startswith("Which patients have ")
    assert len(outcome(space, of_all, EVERYTHING)[1]) > 1


def test_what_was_asked_is_not_asked_again(space: AnsweringSpace) -> None:
    texts = [question.text for question in suggested(space, "D2N006", asked=("What is she taking?",))]
    assert texts
    assert not any("medications" in text for text in texts)
    assert any("medications" in question.text for question in suggested(space, "D2N006"))


def test_a_patient_without_a_name_of_their_own_is_asked_about_by_id(space: AnsweringSpace) -> None:
    assert all("patient D2N007" in question.text for question in suggested(space, "D2N007"))
    numbered = space.store.patients(EVERYTHING, limit=1)[0].patient_id
    assert all("this patient" in question.text for question in suggested(space, numbered))


def test_nothing_out_of_sight_is_suggested(space: AnsweringSpace) -> None:
    scope = AccessScope(patient_ids=TWO)
    found = suggested(space, scope=scope)
    assert {question.patient_id for question in found} <= {*TWO, None}
    for question in found:
        assert outcome(space, question, scope)[0] == "answered"
    assert suggested(space, "D2N008", scope=scope) == []
    assert suggested(space, scope=AccessScope(patient_ids=frozenset())) == []


def test_nothing_is_suggested_of_no_notes(tmp_path: Path) -> None:
    with open_corpus(settings_in(tmp_path)) as corpus:
        store: Store = corpus.store
        store.prepare(corpus.embedder.space)
        assert suggested_questions(store, corpus.embedder.space, EVERYTHING) == []
