"""How long a question may be: the command line, the interface and the page accept and refuse alike."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.answering.question_length import question_tokens_max, refuse_longer
from pipeline.ask import process_query
from pipeline.backends.local.onnx_embedder import LocalEmbedder
from pipeline.config import EmbedderSettings
from pipeline.errors import BadRequest
from tests.service.running import Running, index, running, settings_in

NOTE = "Anna Mitchell takes allopurinol 100 mg once daily for gout."
CHARACTERS_MAX = 3_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With the embedder that is the default, and the extractive generator."""
    folder = tmp_path_factory.mktemp("length")
    row = {"resource_id": "n1", "patient_id": "p1", "document_type": "note", "text_content": NOTE}
    (folder / "notes.json").write_text(json.dumps([row]))
    settings = settings_in(
        folder / "data",
        embedder={"provider": "local"},
        service={"question_characters_max": CHARACTERS_MAX},
    )
    index(settings, folder / "notes.json")
    with running(settings) as found:
        yield found


def question_of(tokens: int) -> str:
    text = "Which dose of allopurinol does she take for gout" + " pain" * tokens
    embedder = LocalEmbedder(EmbedderSettings())
    words = text.split()
    while embedder.count_tokens([" ".join(words)])[0] > tokens:
        words.pop()
    assert embedder.count_tokens([" ".join(words)]) == [tokens]
    return " ".join(words)


def statuses(service: Running, question: str) -> dict[str, bool]:
    """Whether each entry point takes the question; a refusal is one for its length."""
    browser = service.browser("administrator")
    found = {}
    for path in ("/v1/ask", "/v1/search"):
        response = browser.post(path, json={"question": question})
        found[path] = response.status_code == 200
        if not found[path]:
            assert (response.status_code, response.json()["code"]) == (422, "CW-REQUEST"), path
            assert "too long" in response.json()["detail"], path
    response = browser.post("/ask", data={"question": question}, follow_redirects=True)
    found["/ask"] = response.status_code == 200
    assert found["/ask"] or "too long" in response.text
    found["ask"] = taken_by_the_command_line(question, service)
    return found


def taken_by_the_command_line(question: str, service: Running) -> bool:
    try:
        process_query(question, settings=service.app.state.services.settings)
    except BadRequest as error:
        return "too long" not in error.what
    return True


@pytest.mark.parametrize(
    ("make", "taken"),
    [
        (lambda: question_of(245), True),
        (lambda: question_of(254), True),
        (lambda: question_of(255), False),
        (lambda: f"pain {'x' * 3_600}", False),  # two tokens: the model would read it
    ],
    ids=["245 tokens", "254 tokens", "255 tokens", "3,605 characters"],
)
def test_every_entry_point_takes_and_refuses_the_same(
    service: Running, make: Callable[[], str], taken: bool
) -> None:
    found = statuses(service, make())
    assert set(found.values()) == {taken}, found


def test_the_limits_that_are_told_are_those_that_hold(service: Running) -> None:
    status = service.browser("administrator").get("/v1/status").json()
    assert status["corpus"]["question_tokens_max"] == 254
    assert status["corpus"]["question_tokens_max"] == question_tokens_max(LocalEmbedder(EmbedderSettings()))
    assert status["limits"]["question_characters_max"] == CHARACTERS_MAX


def test_characters_are_counted_to_the_last() -> None:
    refuse_longer("x" * 10, 10)
    with pytest.raises(BadRequest, match="it has 1,001 characters, and 1,000 are allowed"):
        refuse_longer("x" * 1_001, 1_000)


def test_the_rule_stands_in_one_place() -> None:
    """Code that compares a question's length elsewhere has a rule of its own."""
    root = Path(__file__).resolve().parents[2] / "pipeline"
    own_rule = re.compile(r"[<>]=? *[\w.]*question_(?:characters|tokens)_max|text_tokens_max\([^)]*\"query\"")
    others = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if own_rule.search(path.read_text(encoding="utf-8"))
    ]
    assert others == ["answering/question_length.py"]
