"""The client of vision-language models, against a server with the habits of the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline import errors
from pipeline.answering.model_output import whole_answer
from pipeline.backends import nim, openai_compatible
from pipeline.backends.http.vision_chat import ChatVisionModel, within
from pipeline.config import TransportSettings, VisionSettings
from pipeline.imaging.plain_pictures import grey_png, red_png
from tests.servers.vision import VisionServer

QUICK = TransportSettings(attempts_max=1)
KEY = "a-key-of-this-test"


@pytest.fixture(scope="module")
def running() -> Iterator[VisionServer]:
    pytest.importorskip("PIL")
    with VisionServer() as server:
        yield server


@pytest.fixture
def server(running: VisionServer) -> VisionServer:
    running.reset()
    return running


def model_of(server: VisionServer, **given: Any) -> ChatVisionModel:
    settings = VisionSettings(**{"provider": "nim", "url": server.url, **given})
    return nim.vision_model(settings, QUICK, whole_answer)


def test_it_says_what_it_sees_of_the_picture_and_question_that_it_was_sent(server: VisionServer) -> None:
    model = model_of(server)
    assert model.describe(red_png(), "Which colour is it?") == "The picture is red."
    assert model.describe(grey_png(), "") == "The picture is grey."
    assert server.pictures == [red_png(), grey_png()]
    assert server.texts[0].endswith("Question: Which colour is it?")
    assert server.texts[1].endswith("Question: What does this picture show?")
    assert (model.model.provider, model.model.model) == ("nim", "meta/llama-3.2-11b-vision-instruct")


def test_any_compatible_server_will_do(server: VisionServer) -> None:
    settings = VisionSettings(provider="openai", url=server.url, model="some/vlm", api_key=KEY)
    server.faults.api_key = KEY
    model = openai_compatible.vision_model(settings, QUICK, whole_answer)
    assert model.describe(red_png(), "Colour?") == "The picture is red."
    model.check()


@pytest.mark.parametrize(
    ("provider", "missing"), [("nim", "VISION__URL"), ("openai", "VISION__URL and CHARTWELL_VISION__MODEL")]
)
def test_pictures_go_nowhere_by_default(provider: Any, missing: str) -> None:
    make = nim.vision_model if provider == "nim" else openai_compatible.vision_model
    with pytest.raises(errors.SettingsInvalid) as caught:
        make(VisionSettings(provider=provider), QUICK, whole_answer)
    assert missing in str(caught.value)


CUT = "The heart is enlarged. The left costophrenic angle is"


@pytest.mark.parametrize(
    ("habits", "shown"),
    [
        ({"says": "<think>A name: Jane Doe.</think>The lungs are clear."}, "The lungs are clear."),
        ({"says": "So, a chest.</think>The lungs are clear."}, "The lungs are clear."),
        ({"says": "The lungs are clear.", "reasons": "Jane Doe"}, "The lungs are clear."),
        ({"says": CUT, "finish_reason": "length"}, "The heart is enlarged. …"),
        ({"says": CUT, "finish_reason": None}, "The heart is enlarged. …"),
        ({"says": "The lungs are clear.<|eot_id|>"}, "The lungs are clear."),
    ],
)
def test_what_is_no_answer_is_left_out(server: VisionServer, habits: dict[str, Any], shown: str) -> None:
    vars(server.habits).update(habits)
    assert model_of(server).describe(red_png(), "Is there an effusion?") == shown


def test_a_model_known_not_to_think_may_do_so(server: VisionServer) -> None:
    server.habits.says = "A chest.<think>Or not.</think>The lungs are clear."
    assert model_of(server, thinking="never").describe(red_png(), "?") == "The lungs are clear."


@pytest.mark.parametrize(
    ("habits", "error", "says"),
    [
        ({"refuses": "no_projector"}, errors.RequestInvalid, "reads pictures"),
        ({"refuses": "no_pictures"}, errors.RequestInvalid, r"At most 0 image\(s\).* reads pictures"),
        ({"refuses": "text_only_schema"}, errors.RequestInvalid, "reads pictures"),
        ({"refuses": "too_large"}, errors.RequestInvalid, "IMAGE_READING__SIDE"),
        ({"bytes_max": 100}, errors.RequestInvalid, "413"),
        ({"refuses": "filter"}, errors.RequestInvalid, "content filter"),
        ({"says": "The", "finish_reason": "content_filter"}, errors.RequestInvalid, "content filter"),
        ({"says": " ", "message": {"refusal": "No."}}, errors.RequestInvalid, "refused"),
        ({"says": " ", "message": {"tool_calls": [{}]}}, errors.ResponseInvalid, "said nothing"),
        ({"says": " "}, errors.ResponseInvalid, "said nothing"),
        ({"says": "The heart", "finish_reason": "length"}, errors.ResponseInvalid, "VISION__TOKENS_MAX"),
        ({"says": "<think>Hm", "finish_reason": "length"}, errors.ThoughtUnfinished, "VISION__TOKENS_MAX"),
        ({"error_with_status_200": True}, errors.Overloaded, "Worker died"),
    ],
)
def test_each_way_to_end_without_a_description_is_told(
    server: VisionServer, habits: dict[str, Any], error: type[errors.ProviderError], says: str
) -> None:
    vars(server.habits).update(habits)
    with pytest.raises(error, match=says) as caught:
        model_of(server).describe(red_png(), "Is there an effusion?")
    assert "effusion" not in str(caught.value)
    assert "GENERATOR" not in str(caught.value)


def test_a_server_that_reads_no_pictures_is_not_asked_twice(server: VisionServer) -> None:
    """llama.cpp says so with 500, which is otherwise worth another attempt."""
    server.habits.refuses = "no_projector"
    with pytest.raises(errors.RequestInvalid):
        nim.vision_model(
            VisionSettings(provider="nim", url=server.url), TransportSettings(), whole_answer
        ).describe(red_png(), "?")
    assert len(server.pictures) == 1


def test_an_option_that_it_does_not_take_is_left_out_from_then_on(server: VisionServer) -> None:
    server.faults.unsupported = ("max_tokens", "temperature")
    model = model_of(server)
    for _ in range(2):
        assert model.describe(red_png(), "Colour?") == "The picture is red."
    assert server.calls["/v1/chat/completions 400"] == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 401}, errors.AuthenticationFailed),
        ({"status": 503}, errors.Overloaded),
        ({"gone": {"meta/llama-3.2-11b-vision-instruct": "2026-08-25"}}, errors.ModelGone),
        ({"not_json": True}, errors.ResponseInvalid),
        ({"slow_seconds": 0.5}, errors.ProviderTimeout),
    ],
)
def test_what_its_server_meets_is_told_as_of_every_server(
    server: VisionServer, fault: dict[str, Any], error: type[errors.ProviderError]
) -> None:
    server.faults.change(fault)
    with pytest.raises(error, match=r"vision model|VISION__URL"):
        model_of(server, seconds_max=0.2).describe(red_png(), "Colour?")


def test_a_picture_that_is_none_is_not_sent(server: VisionServer) -> None:
    with pytest.raises(errors.RequestInvalid, match="neither PNG nor JPEG"):
        model_of(server).describe(b"GIF89a", "?")
    assert server.pictures == []


@pytest.mark.parametrize(
    ("whole", "characters_max", "kept"),
    [
        (True, 100, "The heart is large. The lungs are clear."),
        (True, 30, "The heart is large. …"),
        (True, 10, ""),
        (False, 100, "The heart is large. …"),
    ],
)
def test_a_text_is_cut_between_sentences(whole: bool, characters_max: int, kept: str) -> None:
    assert within("The heart is large. The lungs are clear.", characters_max, whole=whole) == kept
