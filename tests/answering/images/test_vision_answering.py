"""What a vision model says of a picture stands next to the answer, and changes nothing of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipeline.answering.flow import answer
from pipeline.answering.images.seen_in_words import NOT_CHECKED, seen_in_words
from pipeline.answering.images.vision_answering import VisionAnswering
from pipeline.answering.notices import sentence
from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.call_context.cancellation import Cancellation, Cancelled, cancellation_scope
from pipeline.commands.answer_printer import print_answer
from pipeline.config import Settings, load_settings
from pipeline.errors import Overloaded, RequestInvalid, UnreadableImage
from pipeline.imaging.plain_pictures import grey_png, red_png
from pipeline.locators import ImageRegion
from pipeline.ports import Answerer
from pipeline.records import (
    ASKED_IMAGE,
    EVERYTHING,
    AccessScope,
    Answer,
    AskedImage,
    Citation,
    Document,
    DraftPiece,
    Finished,
    GeneratorModel,
    Prompt,
    Question,
    SearchResult,
    Usage,
)
from pipeline.wiring import compose_answerer
from tests.answering.questions.stored_notes import EMBEDDER, stored
from tests.servers.vision import VisionServer

NOTES = [
    Document("n1", "P1", "note", "Anna Mitchell is a 44-year-old female. She has gout.", "2021-02-01"),
    Document("n2", "P2", "note", "Bruno Keller is a 60-year-old male. He has diabetes.", "2021-02-02"),
]
ASKED = Question(
    "Does Anna Mitchell have gout?", image=AskedImage(red_png(), patient_id="P1", content_hash="ab" * 32)
)
SAYS = "The lungs are clear. The name Jane Doe is in the corner."


class Quoting:
    """Quotes the first passage, and keeps what it was asked."""

    model = GeneratorModel("scripted", "m1", thinks="never")

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []

    def stream(self, prompt: Prompt) -> Iterator[DraftPiece]:
        self.prompts.append(prompt)
        yield DraftPiece('"She has gout." [1]')
        yield DraftPiece("", Usage(100, 10), "stop")

    def check(self) -> None:
        return None


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    with stored(tmp_path_factory.mktemp("notes"), NOTES) as opened:
        yield opened


@pytest.fixture(scope="module")
def running() -> Iterator[VisionServer]:
    pytest.importorskip("PIL")
    with VisionServer() as server:
        yield server


@pytest.fixture
def server(running: VisionServer) -> VisionServer:
    running.reset()
    return running


def settings(server: VisionServer | None, **given: Any) -> Settings:
    vision = {"provider": "openai", "url": server.url, "model": "some/vlm", **given} if server else {}
    return load_settings(None, vision=vision, transport={"attempts_max": 1})


def apart(found: Answer) -> Answer:
    """The answer without what the vision model adds to it, and without times."""
    return replace(found, seen=(), seconds={}, notices=())


def test_the_answer_is_the_same_and_what_the_model_sees_stands_beside_it(
    server: VisionServer, store: EmbeddedStore, capsys: pytest.CaptureFixture[str]
) -> None:
    generators = Quoting(), Quoting()
    without = answer(compose_answerer(EMBEDDER, store, generators[0], settings(None)), ASKED)
    server.habits.says = SAYS
    found = answer(compose_answerer(EMBEDDER, store, generators[1], settings(server)), ASKED)
    (seen,) = found.seen
    assert (seen.image_id, seen.text, seen.model, seen.withheld) == (
        ASKED_IMAGE,
        "The lungs are clear.",
        "openai/some/vlm",
        1,
    )
    assert apart(found) == apart(without)
    assert without.seen == ()
    assert generators[0].prompts == generators[1].prompts
    assert found.seconds["total"] >= found.seconds["vision"] > 0
    assert server.pictures == [red_png()]
    print_answer(found)
    printed = capsys.readouterr().out
    assert printed.index("She has gout") < printed.index(NOT_CHECKED) < printed.index("The lungs are clear")
    assert "Doe" not in printed


def test_the_model_is_not_told_whom_a_question_is_about(server: VisionServer, store: EmbeddedStore) -> None:
    answer(compose_answerer(EMBEDDER, store, Quoting(), settings(server)), ASKED)
    (text,) = server.texts
    assert "have gout?" in text
    assert not {"Anna", "Mitchell", "P1"} & set(text.replace("?", " ").split())


def test_without_a_picture_no_one_is_asked(server: VisionServer, store: EmbeddedStore) -> None:
    found = answer(
        compose_answerer(EMBEDDER, store, Quoting(), settings(server, films_max=10)),
        replace(ASKED, image=None),
    )
    assert found.seen == ()
    assert "vision" not in found.seconds
    assert server.texts == []


@pytest.mark.parametrize(
    ("habits", "code"),
    [
        ({"refuses": "no_pictures"}, "CW-PROVIDER-INVALID"),
        ({"refuses": "too_large"}, "CW-PROVIDER-INVALID"),
        ({"refuses": "filter"}, "CW-PROVIDER-INVALID"),
        ({"says": " "}, "CW-PROVIDER-RESPONSE"),
        ({"says": "<think>Hm", "finish_reason": "length"}, "CW-PROVIDER-THINKING"),
        ({"error_with_status_200": True}, "CW-PROVIDER-OVERLOADED"),
    ],
)
def test_its_failure_costs_the_answer_nothing(
    server: VisionServer, store: EmbeddedStore, habits: dict[str, Any], code: str
) -> None:
    without = answer(compose_answerer(EMBEDDER, store, Quoting(), settings(None)), ASKED)
    vars(server.habits).update(habits)
    found = answer(compose_answerer(EMBEDDER, store, Quoting(), settings(server)), ASKED)
    assert apart(found) == apart(without)
    assert found.seen == ()
    (notice,) = (each for each in found.notices if each not in without.notices)
    assert (notice.code, notice.value) == ("picture_not_described", code)
    assert sentence(notice).startswith(f"The vision model said nothing of the image asked with ({code})")


def test_a_server_that_is_not_there_costs_the_answer_nothing(store: EmbeddedStore) -> None:
    nowhere = load_settings(
        None,
        vision={"provider": "openai", "url": "http://127.0.0.1:9/v1", "model": "m"},
        transport={"attempts_max": 1},
    )
    found = answer(compose_answerer(EMBEDDER, store, Quoting(), nowhere), ASKED)
    assert found.outcome == "answered"
    assert found.notices[-1].value == "CW-PROVIDER-CONNECTION"


# --- cited images


class Citing:
    """Answers with citations of these images."""

    def __init__(self, plain: Answer, images: tuple[str, ...]) -> None:
        citations = tuple(
            Citation(
                number=number,
                resource_id=image_id,
                patient_id="P1",
                document_type="Image",
                date=None,
                start=0,
                end=4,
                quote="Film",
                similarity=0.5,
                region=ImageRegion("", image_id, 1, 0, 0, 8, 8),
            )
            for number, image_id in enumerate(images, start=2)
        )
        self.answer = replace(plain, citations=(*plain.citations, *citations))

    def search(self, question: Question) -> SearchResult:
        raise NotImplementedError

    def stream(self, question: Question) -> Iterator[Finished]:
        yield Finished(self.answer)


class Model:
    """Says what a test decides, or raises it."""

    model = GeneratorModel("test", "vlm")

    def __init__(self, *says: str | Exception) -> None:
        self.says = list(says)
        self.shown: list[bytes] = []

    def describe(self, image: bytes, question: str) -> str:
        self.shown.append(image)
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def check(self) -> None:
        return None


PICTURES = {"i1": red_png(), "i2": grey_png(), "i3": red_png(32)}


def picture_of(image_id: str, scope: AccessScope) -> bytes | None:
    if image_id == "damaged":
        raise UnreadableImage("It changed.", remedy="Index it again.", kind="damaged")
    return PICTURES.get(image_id) if scope.admits(None, "P1") else None


@pytest.fixture(scope="module")
def plain(store: EmbeddedStore) -> Answer:
    return answer(compose_answerer(EMBEDDER, store, Quoting(), settings(None)), replace(ASKED, image=None))


def asked_of(
    store: EmbeddedStore, inside: Answerer, model: Model, films_max: int = 2, question: Question = ASKED
) -> Answer:
    return answer(VisionAnswering(inside, model, store, films_max, picture_of), question)


def test_cited_images_follow_the_one_asked_with_up_to_the_limit(store: EmbeddedStore, plain: Answer) -> None:
    model = Model("One is clear.", "Two is clear.", "Three is clear.")
    found = asked_of(store, Citing(plain, ("i1", "i1", "i2", "i3")), model)
    assert [each.image_id for each in found.seen] == [ASKED_IMAGE, "i1", "i2"]
    assert model.shown == [red_png(), PICTURES["i1"], PICTURES["i2"]]


def test_an_image_out_of_reach_or_gone_is_shown_to_no_one(store: EmbeddedStore, plain: Answer) -> None:
    inside = Citing(plain, ("i1", "gone"))
    nothing = AccessScope(patient_ids=frozenset({"P9"}))
    limited = replace(ASKED, image=None, filters=replace(ASKED.filters, scope=nothing))
    assert limited.filters.scope != EVERYTHING
    model = Model()
    assert asked_of(store, inside, model, question=limited).seen == ()
    assert model.shown == []


def test_a_stored_image_that_is_not_taken_any_more_is_told_by_its_id(
    store: EmbeddedStore, plain: Answer
) -> None:
    found = asked_of(store, Citing(plain, ("damaged", "i2")), Model("One is clear.", "Two is clear."))
    assert [each.image_id for each in found.seen] == [ASKED_IMAGE, "i2"]
    (notice,) = (each for each in found.notices if each.code == "picture_not_described")
    assert "image damaged (CW-IMAGE)" in sentence(notice)


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (Overloaded("It is full.", remedy="Wait."), 1),
        (RequestInvalid("It is too large.", remedy="Scale it."), 3),
    ],
)
def test_a_server_that_fails_is_not_shown_the_next_picture(
    store: EmbeddedStore, plain: Answer, error: Exception, asked: int
) -> None:
    model = Model(error, "One is clear.", "Two is clear.")
    found = asked_of(store, Citing(plain, ("i1", "i2")), model)
    assert len(model.shown) == asked
    assert len(found.seen) == asked - 1


def test_a_slow_model_is_not_shown_all_of_them(store: EmbeddedStore, plain: Answer) -> None:
    class Slow(Model):
        def describe(self, image: bytes, question: str) -> str:
            time.sleep(0.06)
            return super().describe(image, question)

    model = Slow("One is clear.", "Two is clear.", "Three is clear.")
    inside = Citing(plain, ("i1", "i2"))
    found = answer(VisionAnswering(inside, model, store, 2, picture_of, seconds_max=0.05), ASKED)
    assert [each.image_id for each in found.seen] == [ASKED_IMAGE]


def test_while_it_is_asked_back_who_is_meant_nothing_is_described(
    store: EmbeddedStore, plain: Answer
) -> None:
    inside = Citing(replace(plain, reason="which_patient"), ())
    assert asked_of(store, inside, Model()).seen == ()


def test_a_text_of_which_nothing_may_be_shown_says_so(store: EmbeddedStore, plain: Answer) -> None:
    (seen,) = asked_of(store, Citing(plain, ()), Model("JANE DOE. MRN 00123456.")).seen
    assert seen_in_words(seen) == f"({seen.withheld} sentences are not shown: they may name someone.)"


def test_an_asker_who_leaves_ends_the_request_to_the_model(
    server: VisionServer, store: EmbeddedStore
) -> None:
    answerer = compose_answerer(EMBEDDER, store, Quoting(), settings(server))
    server.faults.slow_seconds = 30
    scope = Cancellation(cuts=True)
    timer = threading.Timer(0.3, scope.cancel)
    started = time.monotonic()
    timer.start()
    with cancellation_scope(scope), pytest.raises(Cancelled):
        answer(answerer, ASKED)
    assert time.monotonic() - started < 5
