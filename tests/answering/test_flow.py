"""The answering flow on a real store: filters, floor, refusal without a model call, and withheld statements."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from pipeline.answering.flow import NO_ANSWER, Answering
from pipeline.answering.prompts import build_prompt
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import EmbedderSettings
from pipeline.errors import BadRequest, RequestInvalid
from pipeline.records import (
    Filters,
    Finished,
    Prompt,
    Question,
    Retrieved,
    TextKind,
    Usage,
    Vector,
    Verified,
)
from tests.answering.conftest import NOTES, ScriptedGenerator


def cited(prompt: Prompt, resource_id: str) -> int:
    return next(n for n, hit in enumerate(prompt.passages, start=1) if hit.resource_id == resource_id)


def test_an_answer_cites_the_note_to_the_character(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    generator.draft = '"Start fluticasone 110 mcg twice daily." [1]'
    answer = answering.answer(Question("asthma fluticasone dose"))
    assert answer.outcome == "answered"
    (citation,) = answer.citations
    text = NOTES["n2"][2]
    assert (citation.resource_id, citation.patient_id, citation.date) == ("n2", "p1", "2023-05-05")
    assert text[citation.start : citation.end] == citation.quote == "Start fluticasone 110 mcg twice daily."
    assert answer.usage == Usage(11, 7)
    assert set(answer.seconds) >= {"embed", "search", "prompt", "generate", "verify", "total"}


def test_what_does_not_check_out_is_withheld_and_counted(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    generator.draft = (
        '"Start fluticasone 110 mcg twice daily." [1]\n"Start fluticasone 999 mcg." [1]\nTrust me.\n'
    )
    answer = answering.answer(Question("asthma fluticasone dose"))
    assert len(answer.statements) == 1
    assert answer.withheld == 2
    assert "999" not in answer.text


def test_citations_are_numbered_by_first_mention(answering: Answering, generator: ScriptedGenerator) -> None:
    # field case F7: the first number is 1, and one place of one note has one number
    answering.answer(Question("asthma fluticasone dose"))
    old, new = (cited(generator.prompts[0], resource_id) for resource_id in ("n1", "n2"))
    generator.draft = (
        f'"Continue albuterol 999 mcg as needed." [{new}]\nAsthma is well controlled [{old}].\n'
        f'"Start fluticasone 110 mcg twice daily." [{new}]\nAsthma worsened [{new}], and was well controlled [{old}].\n'
    )
    answer = answering.answer(Question("asthma fluticasone dose"))
    assert [statement.text for statement in answer.statements] == [
        "Asthma is well controlled [1].",
        '"Start fluticasone 110 mcg twice daily." [2]',
        "Asthma worsened [3], and was well controlled [1].",
    ]
    assert [citation.number for citation in answer.citations] == [1, 2, 3]
    assert answer.withheld == 1


def test_nothing_verified_is_no_answer(answering: Answering, generator: ScriptedGenerator) -> None:
    generator.draft = "He takes aspirin [9]."
    answer = answering.answer(Question("asthma"))
    assert (answer.outcome, answer.reason, answer.withheld) == ("no_answer", "nothing_verified", 1)
    assert (answer.ending, answer.text) == ("complete", NO_ANSWER)
    assert answer.citations == ()


@pytest.mark.parametrize(
    "draft",
    ["NOT STATED", "Not stated.", '"NOT STATED"', "**NOT STATED.**", "- NOT STATED", "Answer: NOT STATED"],
)
def test_a_generator_may_abstain(answering: Answering, generator: ScriptedGenerator, draft: str) -> None:
    generator.draft = draft
    answer = answering.answer(Question("asthma"))
    assert (answer.outcome, answer.reason, answer.withheld) == ("nothing_relevant", "generator_abstained", 0)
    assert answer.ending == "abstained"


def test_who_says_more_than_that_it_is_not_stated_has_not_abstained(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    generator.draft = "Not stated in the first note, but the second says that she takes morphine [1]."
    answer = answering.answer(Question("asthma"))
    assert (answer.outcome, answer.reason, answer.withheld) == ("no_answer", "nothing_verified", 1)


def test_below_the_floor_no_model_is_called(answering: Answering, generator: ScriptedGenerator) -> None:
    answer = answering.answer(Question("zebra xylophone quantum"))
    assert (answer.outcome, answer.reason) == ("nothing_relevant", "below_floor")
    assert answer.text == "No relevant information found."
    assert generator.prompts == []


def test_a_question_that_is_too_long_is_to_be_shortened(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    tokens_max = answering.embedder.space.tokens_max
    with pytest.raises(BadRequest) as refused:
        answering.answer(Question("zanzibar " * 2 * tokens_max))
    assert f"it has {2 * tokens_max:,} tokens, and the embedding model reads" in refused.value.what
    assert refused.value.remedy.startswith("Shorten it")
    assert "zanzibar" not in str(refused.value)
    assert "CHUNK_TOKENS_MAX" not in str(refused.value)
    assert generator.prompts == []


def test_another_refusal_of_the_embedder_stays_what_it_is(answering: Answering) -> None:
    class Refusing(HashingEmbedder):
        def embed(self, texts: Sequence[str], kind: TextKind) -> Vector:
            raise RequestInvalid("No such option.", remedy="Leave it out.")

    refusing = dataclasses.replace(answering, embedder=Refusing(EmbedderSettings()))
    with pytest.raises(RequestInvalid, match="No such option"):
        refusing.answer(Question("Any asthma?"))


def test_filters_reach_both_legs(answering: Answering, generator: ScriptedGenerator) -> None:
    for filters, expected in [
        (Filters(patient_ids=("p2",)), {"n3"}),
        (Filters(since="2023-01-01"), {"n2", "n3"}),
        (Filters(until="2022-12-31"), {"n1"}),
        (Filters(patient_ids=("p1",), since="2021-01-01"), {"n2"}),
        (Filters(document_types=("letter",)), set()),
    ]:
        generator.prompts.clear()
        answer = answering.answer(Question("asthma medication", filters))
        found = {hit.resource_id for prompt in generator.prompts for hit in prompt.passages}
        assert found == expected, filters
        assert {hit.resource_id for hit in answer.passages} == expected


def test_events_come_in_order_and_closing_cancels_the_model(
    answering: Answering, generator: ScriptedGenerator
) -> None:
    generator.draft = '"Start fluticasone 110 mcg twice daily." [1]\n' * 3
    kinds = [type(event) for event in answering.stream(Question("asthma fluticasone dose"))]
    assert kinds == [Retrieved, Verified, Verified, Verified, Finished]
    generator.closed = False
    events = answering.stream(Question("asthma fluticasone dose"))
    next(events)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert generator.closed


def test_the_prompt_numbers_its_passages_within_a_budget(answering: Answering) -> None:
    vector = answering.embedder.embed(["asthma"], "query")[0]
    matches = answering.store.search_vector(vector, 3, Filters())
    hits = answering.store.hits([match.chunk_id for match in matches], vector)
    whole = build_prompt("Q $x?", hits, tokens_max=10_000, count_tokens=answering.embedder.count_tokens)
    assert [hit.chunk_id for hit in whole.passages] == [hit.chunk_id for hit in hits]
    assert "[1] (note " in whole.user
    assert "Q $x?" in whole.user
    assert whole.version.startswith("answer-v1@")
    small = build_prompt("Q", hits, tokens_max=1, count_tokens=answering.embedder.count_tokens)
    assert len(small.passages) == 1
