"""What the command line says, and ends with, where a language model says something else than an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipeline import ask, vectorize
from tests.servers.raw import HEAD, STREAM, RawServer, frame, said

NOTES = {
    "n1": ("p1", "Anna Mitchell takes allopurinol 100 mg once daily for gout."),
    "n2": ("p2", "Bert Miller takes colchicine 0.5 mg twice daily for gout."),
}
ANNA, BERT = (f'"{text}"' for _, text in NOTES.values())
QUESTION = "Who takes which dose for gout?"


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    raw = RawServer()
    yield raw
    raw.close()


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: RawServer) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_GENERATOR__PROVIDER", "openai")
    monkeypatch.setenv("CHARTWELL_GENERATOR__URL", server.url)
    monkeypatch.setenv("CHARTWELL_GENERATOR__MODEL", "some-model")
    monkeypatch.setenv("CHARTWELL_TRANSPORT__ATTEMPTS_MAX", "1")
    rows = [
        {"resource_id": key, "patient_id": patient, "document_type": "note", "text_content": text}
        for key, (patient, text) in NOTES.items()
    ]
    source = tmp_path / "notes.json"
    source.write_text(json.dumps(rows))
    assert CliRunner().invoke(vectorize.app, ["notes", str(source)]).exit_code == 0


def asked(server: RawServer, *frames: str, options: tuple[str, ...] = ()) -> Result:
    server.answer = HEAD % STREAM + "".join(frames).encode()
    return CliRunner().invoke(ask.app, [QUESTION, *options])


def ended(reason: str, **usage: int) -> str:
    return frame({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage or None})


def delta(**fields: Any) -> str:
    return frame({"choices": [{"index": 0, "delta": fields}]})


def cite(quotation: str, server: RawServer) -> str:
    """The quotation with the number of its passage, which one question to the server tells."""
    asked(server, said("NOT STATED"), ended("stop"))
    prompt = server.requests[-1]["messages"][-1]["content"]
    number = next(n for n in (1, 2) if quotation.strip('"') in prompt.split(f"[{n}] ")[1].split("\n\n")[0])
    return f"{quotation} [{number}]\n"


@pytest.mark.parametrize("opening", ["<think>", ""])
def test_a_thought_is_no_answer(server: RawServer, opening: str) -> None:
    """field case F1"""
    answer = cite(ANNA, server)
    thought = f"Hmm, maybe allopurinol 300 mg [1]?\nLet me check passage [2].\n{cite(BERT, server)}"
    draft = f"{opening}{thought}</think>{answer}"
    found = asked(server, *(said(draft[at : at + 5]) for at in range(0, len(draft), 5)), ended("stop"))
    assert found.exit_code == 0, found.output
    assert "allopurinol 100 mg" in found.output
    for words in ("300 mg", "Let me check", "colchicine"):
        assert words not in found.output


@pytest.mark.parametrize(
    "frames",
    [[said("<think>Maybe 300 mg [1]. "), said("Or [2].")], [delta(reasoning_content="300 mg")]],
)
def test_a_thought_that_never_ends_is_an_error_with_its_cure(server: RawServer, frames: list[str]) -> None:
    found = asked(server, *frames, ended("length", prompt_tokens=90, completion_tokens=512))
    assert found.exit_code == 2
    assert "spent its 512 tokens thinking" in found.output
    assert "CHARTWELL_GENERATOR__TOKENS_MAX" in found.output
    assert "300 mg" not in found.output


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([ended("length")], "cut off"),
        ([said("Anna Mitchell takes"), ended("length")], "cut off"),
        ([ended("content_filter")], "content filter"),
        ([ended("guardrail_intervened")], "content filter"),
        ([delta(refusal="I cannot help."), ended("stop")], "refused"),
        ([delta(tool_calls=[{"function": {"name": "f"}}]), ended("tool_calls")], "call a tool"),
        ([delta(reasoning="Hmm."), ended("stop")], "gave no answer"),
        ([ended("stop")], "empty"),
        ([said("He takes aspirin [9]."), ended("stop")], "No answer could be checked"),
        ([said("NOT STATED"), ended("length")], "cut off"),
    ],
)
def test_what_is_no_answer_is_never_nothing_relevant(
    server: RawServer, frames: list[str], words: str
) -> None:
    """field case F2 (a)"""
    found = asked(server, *frames)
    assert found.exit_code == 4, found.output
    assert words in found.output
    assert "No relevant information" not in found.output
    assert "Whether the notes answer the question is not known" in found.output
    answer = json.loads(asked(server, *frames, options=("--json",)).stdout)
    assert answer["outcome"] == "no_answer"


def test_a_model_that_says_so_abstains(server: RawServer) -> None:
    found = asked(server, said("NOT STATED"), ended("stop"))
    assert found.exit_code == 3
    assert "No relevant information found." in found.output


@pytest.mark.parametrize("options", [(), ("--stream",)])
def test_a_list_that_was_cut_off_says_so_and_its_unfinished_end_is_withheld(
    server: RawServer, options: tuple[str, ...]
) -> None:
    """field case F2 (b)"""
    frames = [said(cite(ANNA, server)), said(cite(BERT, server)[:-9]), ended("length", completion_tokens=512)]
    found = asked(server, *frames, options=options)
    assert found.exit_code == 5
    assert "allopurinol 100 mg" in found.output
    assert "colchicine" not in found.output
    assert "cut off after 512 tokens: it is incomplete" in found.output.replace("\n", " ")
    answer = json.loads(asked(server, *frames, options=("--json",)).stdout)
    assert (answer["outcome"], answer["ending"]) == ("answered", "cut_off")


def test_a_prompt_that_was_cut_in_silence_is_no_answer(server: RawServer, tmp_path: Path) -> None:
    """field case F17"""
    long = [
        {
            "resource_id": f"l{n}",
            "patient_id": "p",
            "document_type": "note",
            "text_content": f"Gout dose {n}. " * 60,
        }
        for n in range(9)
    ]
    source = tmp_path / "long.json"
    source.write_text(json.dumps(long))
    assert CliRunner().invoke(vectorize.app, ["notes", str(source)]).exit_code == 0
    found = asked(server, said(f"{ANNA} [1]"), ended("stop", prompt_tokens=200, completion_tokens=9))
    assert found.exit_code == 2, found.output
    assert "cut the rest off without a word" in found.output
