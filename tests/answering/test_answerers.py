"""Answerers around answerers: each is one class that knows the port, and is put on without touching the flow."""

from __future__ import annotations

import json
from collections.abc import Generator as PythonGenerator
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typer.testing import CliRunner

from pipeline import vectorize
from pipeline.answering.carried_words import CarriedWords
from pipeline.answering.flow import Answering, answer
from pipeline.answering.shapes.worded_answering import WordedAnswering
from pipeline.answering.stages import Stage, observed_stages
from pipeline.answering.understood_answering import UnderstoodAnswering
from pipeline.config import Settings, load_settings
from pipeline.errors import BadRequest
from pipeline.ports import Answerer, Embedder, Generator, Store
from pipeline.records import (
    AccessScope,
    AnswerEvent,
    DraftPiece,
    Filters,
    Finished,
    GeneratorModel,
    Prompt,
    Question,
    Retrieved,
    SearchResult,
    Usage,
    Verified,
)
from pipeline.reembedding import live_answering
from pipeline.telemetry.setup import SILENT, Telemetry
from pipeline.telemetry.tracing import Tracing
from pipeline.wiring import AnsweringSpace, compose_answerer
from tests.answering.conftest import ScriptedGenerator

DOSE = Question("asthma fluticasone dose")
NOTE = "Anna takes allopurinol 100 mg once daily for gout."
QUOTE = '"Start fluticasone 110 mcg twice daily." [1]'


@dataclass(frozen=True)
class Guarded:
    """Refuses what it is told to refuse, before anything is looked up."""

    answerer: Answerer
    refused: str

    def search(self, question: Question) -> SearchResult:
        self._judge(question)
        return self.answerer.search(question)

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        self._judge(question)
        return self.answerer.stream(question)

    def _judge(self, question: Question) -> None:
        if self.refused in question.text:
            raise BadRequest("This is not answered here.", remedy="Ask something else.")


@dataclass(frozen=True)
class Cached:
    """Gives an answer again that it has given to the same question, filters and scope, while no note has changed."""

    answerer: Answerer
    store: Store
    kept: dict[tuple[Question, str], list[AnswerEvent]] = field(default_factory=dict)

    def search(self, question: Question) -> SearchResult:
        return self.answerer.search(question)

    def stream(self, question: Question) -> Iterator[AnswerEvent]:
        version = self.store.version()
        if version is None:
            return self.answerer.stream(question)
        kept = self.kept.get((question, version))
        return iter(kept) if kept is not None else self._kept(question, version)

    def _kept(self, question: Question, version: str) -> Iterator[AnswerEvent]:
        events: list[AnswerEvent] = []
        for event in self.answerer.stream(question):
            events.append(event)
            if isinstance(event, Finished) and event.answer.ending == "complete":
                self.kept[question, version] = events
            yield event


def test_a_guard_refuses_before_anything_is_looked_up(
    answering: Answering,
    generator: ScriptedGenerator,
) -> None:
    generator.draft = QUOTE
    guarded = Guarded(answering, "zebra")
    assert answer(guarded, DOSE).outcome == "answered"
    for ask in (lambda question: answer(guarded, question), guarded.search):
        with pytest.raises(BadRequest, match="not answered here"):
            ask(Question("Which zebra?"))
    assert len(generator.prompts) == 1


def test_a_cache_gives_the_same_events_without_the_model(
    answering: Answering,
    generator: ScriptedGenerator,
) -> None:
    generator.draft = QUOTE
    cached = Cached(answering, answering.store)
    first, second = list(cached.stream(DOSE)), list(cached.stream(DOSE))
    assert [type(event) for event in first] == [Retrieved, Verified, Finished]
    assert second == first
    assert len(generator.prompts) == 1
    elsewhere = replace(DOSE, filters=Filters(scope=AccessScope(patient_ids=frozenset({"p2"}))))
    assert "fluticasone" not in answer(cached, elsewhere).text
    assert len(generator.prompts) == 2


def test_a_cache_forgets_what_notes_of_another_version_say(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    generator.draft = QUOTE
    cached = Cached(answering, answering.store)
    assert answer(cached, DOSE).citations[0].resource_id == "n2"
    answering.store.delete(["n2"])
    assert all(citation.resource_id != "n2" for citation in answer(cached, DOSE).citations)
    assert len(generator.prompts) == 2


def test_what_a_wrapper_gives_can_be_closed_whatever_it_is(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    """The service closes the stream of a client that left; a list's iterator cannot be closed."""
    generator.draft = QUOTE
    cached = Cached(answering, answering.store)
    whole = list(cached.stream(DOSE))
    space = AnsweringSpace(cached, answering.embedder, answering.store, generator)
    with closing(cast(PythonGenerator[AnswerEvent, None, None], space.stream(DOSE))) as again:
        assert next(again) == whole[0]


def test_wrappers_stack_in_either_order(
    answering: Answering,
    generator: ScriptedGenerator,
) -> None:
    generator.draft = QUOTE
    cache: dict[tuple[Question, str], list[AnswerEvent]] = {}
    answer(Cached(answering, answering.store, cache), DOSE)
    with pytest.raises(BadRequest):  # the guard is asked although the cache would know
        answer(Guarded(Cached(answering, answering.store, cache), "asthma"), DOSE)
    assert answer(Cached(Guarded(answering, "asthma"), answering.store, cache), DOSE).outcome == "answered"


def test_a_wrapper_sees_the_stages_of_what_it_wraps(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    """Two that observe, one around the other, and the spans of the inner one stay as they are."""
    generator.draft = QUOTE
    seen: list[Stage] = []

    @dataclass(frozen=True)
    class StageLog:
        answerer: Answerer

        def search(self, question: Question) -> SearchResult:
            return self.answerer.search(question)

        def stream(self, question: Question) -> Iterator[AnswerEvent]:
            return observed_stages(self.answerer.stream(question), self._entered)

        def _entered(self, stage: Stage) -> _Noted:
            return _Noted(stage, seen)

    exporter = InMemorySpanExporter()
    with closing(Tracing(exporter)) as tracing:
        observed = Telemetry(tracing=tracing).answerer(answering, answering.embedder.space.id)
        assert answer(StageLog(observed), DOSE).outcome == "answered"
    assert seen[:3] == ["embed", "search", "prompt"]
    assert set(seen[3:]) == {"generate", "verify"}
    assert {"answer", "retrieval notes", "prompt", "verify"} <= {
        span.name for span in exporter.get_finished_spans()
    }
    before = len(seen)
    answer(answering, DOSE)  # whose stages no one asked for
    assert len(seen) == before


@dataclass
class _Noted:
    stage: Stage
    into: list[Stage]

    def __enter__(self) -> None:
        self.into.append(self.stage)

    def __exit__(self, *_: object) -> None:
        return None


def test_the_wiring_puts_a_wrapper_on_for_everyone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__SENTENCE_SIMILARITY_MIN", "0.2")
    note = {"resource_id": "n1", "patient_id": "p1", "document_type": "note", "text_content": NOTE}
    (tmp_path / "notes.json").write_text(json.dumps([note]))
    indexed = CliRunner().invoke(vectorize.app, ["notes", str(tmp_path / "notes.json")])
    assert indexed.exit_code == 0, indexed.output
    settings = load_settings()

    def guarded(
        embedder: Embedder,
        store: Store,
        generator: Generator,
        settings: Settings,
        telemetry: Telemetry = SILENT,
        *images: Any,
    ) -> Answerer:
        return Guarded(compose_answerer(embedder, store, generator, settings, telemetry, *images), "zebra")

    monkeypatch.setattr(live_answering, "compose_answerer", guarded)
    with live_answering.ServingAnswering(settings) as serving:
        assert serving.answer(Question("Which dose of allopurinol?")).outcome == "answered"
        assert serving.search(Question("Which dose of allopurinol?")).passages
        for ask in (serving.answer, serving.search):
            with pytest.raises(BadRequest):
                ask(Question("Which zebra?"))


# --- which model wrote it


class Routed:
    """Gives short questions to a small model that thinks never, others to a large one that may."""

    small = GeneratorModel("routed", "small", "small model", thinks="never")
    large = GeneratorModel("routed", "large", thinks="maybe")

    def __init__(self) -> None:
        self.draft = QUOTE

    @property
    def model(self) -> GeneratorModel:
        return self.small

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        model = self.small if len(prompt.question) < 30 else self.large
        first, *others = self.draft.splitlines(keepends=True)
        yield DraftPiece(first, model=model)
        yield from map(DraftPiece, others)
        yield DraftPiece("", Usage(1, 1), "stop")

    def check(self) -> None:
        return None


def test_the_answer_names_the_model_that_wrote_it(answering: Answering) -> None:
    routed = replace(answering, generator=Routed())
    assert routed.answer(DOSE).model == Routed.small
    assert routed.answer(Question("Which dose of fluticasone is given for asthma?")).model == Routed.large
    assert routed.answer(Question("zebra xylophone quantum")).model == Routed.small  # no one wrote anything


def test_whether_the_model_that_writes_thinks_decides_what_is_shown(answering: Answering) -> None:
    """A thought before its closing tag must not pass as a statement because another model would not think."""
    generator = Routed()
    generator.draft = f"{QUOTE}\n</think>\nNOT STATED"
    found = replace(answering, generator=generator).answer(
        Question("Which dose of fluticasone is given for asthma?")
    )
    assert (found.outcome, found.statements) == ("nothing_relevant", ())


# --- one search


def test_what_is_searched_is_what_is_answered_from(
    answering: Answering,
    generator: ScriptedGenerator,
) -> None:
    generator.draft = QUOTE
    for question in (
        DOSE,
        Question("asthma", Filters(patient_ids=("p2",), since="2020-01-01")),
        Question("Does Mr. Nobody have asthma?"),
        Question("asthma of patient n0-p9981?"),
        Question("zebra xylophone quantum"),
    ):
        found, answered = answering.search(question), answering.answer(question)
        assert found.passages == answered.passages
        assert found.reason == (answered.reason if not answered.passages else None)
        assert found.notices == tuple(each for each in answered.notices if each.code != "not_final")
        assert found.space_id == answered.space_id
        assert set(found.seconds) == {"embed", "search", "total"}


def test_settings_compose_the_plain_flow(answering: Answering, tmp_path: Path) -> None:
    plain = compose_answerer(answering.embedder, answering.store, answering.generator, load_settings())
    assert isinstance(plain, UnderstoodAnswering)
    assert isinstance(plain.inside, WordedAnswering)
    assert isinstance(plain.inside.inside, CarriedWords)
    assert isinstance(plain.inside.inside.inside, Answering)
