"""A ranker orders what was found, and decides nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline import wiring
from pipeline.answering.flow import Answering
from pipeline.answering.reranking import rerank
from pipeline.config import Settings, TransportSettings, load_settings
from pipeline.errors import ProviderError, ResponseInvalid
from pipeline.records import AccessScope, Filters, Question
from tests.servers.nim import NimServer

QUESTION = Question("What about asthma?")


class Longest:
    """Likes long passages, and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.asked = ""

    def rank(self, question: str, passages: Sequence[str]) -> list[float]:
        self.asked = question
        self.seen = list(passages)
        return [float(len(passage)) for passage in passages]

    def check(self) -> None:
        return None


class Scripted(Longest):
    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = scores

    def rank(self, question: str, passages: Sequence[str]) -> list[float]:
        return list(self.scores)


def test_its_scores_decide_and_equal_ones_keep_their_order(answering: Answering) -> None:
    hits = answering.search(QUESTION).passages
    assert len(hits) == 3
    one, two, three = hits
    assert rerank("q", hits, Scripted(0.1, 0.9, 0.5), top_k=10) == [two, three, one]
    assert rerank("q", hits, Scripted(1.0, 1.0, 1.0), top_k=2) == [one, two]
    assert rerank("q", (), Scripted(), top_k=2) == []


def test_a_ranker_that_gives_too_few_scores_is_not_believed(answering: Answering) -> None:
    hits = answering.search(QUESTION).passages
    with pytest.raises(ResponseInvalid, match="2 scores for 3 passages"):
        rerank("q", hits, Scripted(0.1, 0.9), top_k=10)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_gives_no_order(answering: Answering, score: float) -> None:
    with pytest.raises(ResponseInvalid, match="no number"):
        rerank("q", answering.search(QUESTION).passages, Scripted(0.1, score, 0.5), top_k=10)


def test_it_reads_more_than_are_kept_and_the_answer_is_made_from_its_best(answering: Answering) -> None:
    ranker = Longest()
    ranked = replace(answering, ranker=ranker)
    found = ranked.search(replace(QUESTION, top_k=1))
    assert len(ranker.seen) == 3
    assert ranker.asked == QUESTION.text
    assert [hit.text for hit in found.passages] == [max(ranker.seen, key=len)]
    assert ranked.answer(replace(QUESTION, top_k=1)).passages == found.passages


def test_ranking_is_a_stage_of_its_own(answering: Answering) -> None:
    seconds = replace(answering, ranker=Longest()).answer(QUESTION).seconds
    assert list(seconds)[:3] == ["embed", "search", "rank"]
    assert "rank" not in answering.answer(QUESTION).seconds


@pytest.mark.parametrize(
    ("filters", "admitted"),
    [
        (Filters(patient_ids=("p1",)), {"n1", "n2"}),
        (Filters(scope=AccessScope(patient_ids=frozenset({"p2"}))), {"n3"}),
        (Filters(since="2023"), {"n2", "n3"}),
    ],
)
def test_it_is_shown_nothing_that_is_not_admitted(
    answering: Answering, filters: Filters, admitted: set[str]
) -> None:
    ranker = Longest()
    asked = replace(QUESTION, filters=filters)
    plain = answering.search(asked)
    found = replace(answering, ranker=ranker).search(asked)
    assert len(ranker.seen) == len(admitted)
    assert {hit.resource_id for hit in found.passages} == admitted
    assert (found.notices, found.reason) == (plain.notices, plain.reason)


def test_where_nothing_is_found_it_is_not_asked(answering: Answering) -> None:
    ranker = Longest()
    found = replace(answering, ranker=ranker).search(Question("zzz qqq"))
    assert (found.passages, ranker.seen) == ((), [])
    assert found.reason == "below_floor"


def settings(url: str) -> Settings:
    return load_settings(
        None,
        ranker={"provider": "nim", "url": url},
        transport=TransportSettings(attempts_max=1, retry_seconds_max=0.0).model_dump(),
    )


def test_none_is_asked_unless_the_settings_say_so() -> None:
    assert wiring.open_ranker(load_settings(None)) is None


def test_a_reranking_nim_by_the_settings(answering: Answering) -> None:
    with NimServer() as nim:
        ranker = wiring.open_ranker(settings(nim.url))
        assert ranker is not None
        ranker.check()
        found = replace(answering, ranker=ranker).search(QUESTION)
        assert nim.calls == {"/v1/ranking 200": 2}
    assert len(found.passages) == 3


def test_one_that_does_not_answer_fails_the_question(answering: Answering) -> None:
    with NimServer() as nim:
        url = nim.url
    ranker = wiring.open_ranker(settings(url))
    assert ranker is not None
    with pytest.raises(ProviderError):
        ranker.check()
    with pytest.raises(ProviderError):
        replace(answering, ranker=ranker).search(QUESTION)
