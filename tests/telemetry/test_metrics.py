"""What is counted: names, closed sets of labels, how questions end, and nothing twice."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from pipeline.errors import ChartwellError, RateLimited
from pipeline.records import AnswerEvent, Finished, Question
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.telemetry.counted_ports import MeteredEmbedder, metered_answer
from pipeline.telemetry.definitions import GROUPS, STAGES, Definition, definitions
from pipeline.telemetry.metrics import Metrics
from tests.telemetry.conftest import NOTES, QUESTION, Index, Watched

ROOT = Path(__file__).resolve().parents[2]
BASE_UNITS = ("seconds", "bytes", "dollars", "ratio", "celsius", "watts")
FORBIDDEN = re.compile(
    r"patient|user|person|note_id|resource|question_id|text|query|path|ip|host|trace", re.I
)
LABELS = {
    "outcome", "reason", "stage", "guard", "verdict", "type", "kind", "role", "provider", "model", "operation",
    "vectors", "method", "route", "status", "version", "dependency", "ending",
}  # fmt: skip
"""Every label there is. A new one is a decision: it must not be able to hold what a person wrote."""


def every() -> list[Definition]:
    return list(definitions())


def test_names_follow_the_conventions_of_prometheus() -> None:
    names = [each.name for each in every()]
    assert len(names) == len(set(names))
    for each in every():
        assert re.fullmatch(r"chartwell_[a-z_]+", each.name)
        assert (each.kind == "counter") == each.name.endswith("_total"), each.name
        assert not re.search(r"(millisec|_ms|minutes|percent|_kb|_mb)", each.name)
        if each.kind == "histogram":
            assert each.name.endswith(("_seconds", "_passages", "_similarity")), each.name
            assert list(each.buckets) == sorted(each.buckets)
        assert each.help.endswith(".")


def test_the_labels_are_these_and_none_can_hold_a_text_or_a_person() -> None:
    assert {name for each in every() for name in each.labels} == LABELS
    assert [name for name in LABELS if FORBIDDEN.search(name)] == []


def error_codes() -> tuple[str, ...]:
    """The code of every error there is, and "unexpected" for what is none of ours."""
    found: set[str] = set()
    kinds = [ChartwellError]
    while kinds:
        kind = kinds.pop()
        found.add(kind.code)
        kinds.extend(kind.__subclasses__())
    return (*sorted(found), "unexpected")


def test_the_number_of_series_is_bounded() -> None:
    for each in every():
        assert 1 <= each.series_max <= 20_000, each.name
        for label in each.labels.values():
            assert label.values or (label.of and label.most)
    assert len(error_codes()) < 80


def test_everything_defined_is_registered_and_nothing_else(watched: Watched) -> None:
    families = text_string_to_metric_families(watched.metrics.exposition().decode())
    shown = {family.name for family in families if family.name.startswith("chartwell_")}
    assert shown == {each.name.removesuffix("_total") for each in every()}


def test_two_registries_know_nothing_of_each_other() -> None:
    first, second = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    first.batch_stored()
    assert second.registry.get_sample_value("chartwell_ingestion_batches_total") == 0


def test_importing_registers_nothing_globally() -> None:
    code = (
        "import prometheus_client as p; before = set(p.REGISTRY._names_to_collectors)\n"
        "import pipeline.telemetry.metrics, pipeline.telemetry.counted_ports, pipeline.telemetry.textfile\n"
        "assert set(p.REGISTRY._names_to_collectors) == before"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_question_is_counted_once_with_every_stage(watched: Watched, index: Index) -> None:
    settings = index(NOTES)
    with ServingAnswering(settings, watched.telemetry) as answering:
        answer = answering.answer(Question(QUESTION))
        assert answering.answer(Question("Where do zebras graze in autumn?")).reason == "below_floor"
    assert watched.value("chartwell_questions_total", outcome="answered", reason="none") == 1
    assert watched.value("chartwell_questions_total", outcome="nothing_relevant", reason="below_floor") == 1
    assert watched.value("chartwell_questions_in_progress") == 0
    name = "chartwell_question_stage_duration_seconds"
    times = {"embed": 2, "search": 2, "rank": 0, "vision": 0}  # no ranker and no vision model are set
    for stage in STAGES:
        assert watched.value(f"{name}_count", stage=stage) == times.get(stage, 1), stage
    total = watched.value("chartwell_question_duration_seconds_sum", outcome="answered")
    assert total == pytest.approx(answer.seconds["total"])
    assert watched.value("chartwell_guard_verdicts_total", guard="citation", verdict="passed") == len(
        answer.statements
    )
    assert watched.value("chartwell_store_operations_total", operation="search_vector", outcome="ok") == 2
    assert watched.value("chartwell_generator_requests_total", outcome="ok") == 1
    assert watched.value("chartwell_question_cost_dollars_total") == 0


def test_who_leaves_the_stream_is_counted_as_gone(watched: Watched, index: Index) -> None:
    settings = index(NOTES)
    with ServingAnswering(settings, watched.telemetry) as answering, answering.answering() as parts:
        stream = parts.stream(Question(QUESTION))
        with closing(stream):  # type: ignore[type-var]
            next(stream)
    assert watched.value("chartwell_questions_total", outcome="abandoned", reason="none") == 1
    assert watched.value("chartwell_questions_total", outcome="answered", reason="none") == 0
    assert watched.value("chartwell_questions_in_progress") == 0


def test_who_stops_reading_after_the_answer_has_it(watched: Watched, index: Index) -> None:
    settings = index(NOTES)
    with ServingAnswering(settings, watched.telemetry) as answering:
        for event in answering.stream(Question(QUESTION)):
            if isinstance(event, Finished):
                break
    assert watched.value("chartwell_questions_total", outcome="answered", reason="none") == 1
    assert watched.value("chartwell_questions_total", outcome="abandoned", reason="none") == 0


def test_an_error_is_counted_by_its_code_and_never_by_its_words(watched: Watched) -> None:
    def events() -> Iterator[AnswerEvent]:
        raise RateLimited("Jane Roe has asked too often.", remedy="Wait.")
        yield

    with pytest.raises(RateLimited):
        list(metered_answer(events(), watched.metrics))
    assert watched.value("chartwell_questions_total", outcome="failed", reason="CW-PROVIDER-RATE") == 1
    assert b"Jane" not in watched.metrics.exposition()


def test_a_call_that_fails_is_counted_and_no_text_is(watched: Watched) -> None:
    class Broken:
        space = type("Space", (), {"provider": "nim", "model": "m"})()

        def embed(self, texts: object, kind: str) -> None:
            raise KeyError("unexpected")

    with pytest.raises(KeyError):
        MeteredEmbedder(Broken(), watched.metrics).embed(["a", "b"], "query")  # type: ignore[arg-type]
    assert watched.value("chartwell_embedder_requests_total", kind="query", outcome="unexpected") == 1
    assert watched.value("chartwell_embedder_texts_total", kind="query") == 0
    assert watched.value("chartwell_embedder_requests_in_flight") == 0


def test_an_unknown_guard_is_refused(watched: Watched) -> None:
    with pytest.raises(ValueError, match="guard"):
        watched.metrics.guard_judged("Jane Roe", passed=1, withheld=0)


def test_the_reference_names_every_metric() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    for each in every():
        assert f"| `{each.name}` |" in text
    assert all(f"## {title}" in text for title in GROUPS)
