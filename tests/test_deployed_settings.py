"""`--stack`: settings from the outputs of a deployed stack, with a stand-in for the pulumi program."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import ask, vectorize
from pipeline.config import load_settings
from pipeline.errors import SettingsInvalid

PASSWORD = "Correct-Horse-7-Battery"
OUTPUT = {
    "CHARTWELL_STORE__KIND": "iris",
    "CHARTWELL_IRIS__HOST": "127.0.0.1",
    "CHARTWELL_IRIS__PORT": "1972",
    "CHARTWELL_IRIS__PASSWORD": PASSWORD,
    "CHARTWELL_GENERATOR__PROVIDER": "nim",
    "CHARTWELL_GENERATOR__URL": "http://127.0.0.1:8000/v1",
}

Program = Callable[..., Path]


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A `pulumi` that prints what it is told and notes how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.chdir(tmp_path)

    def make(printed: str, *, code: int = 0, said: str = "") -> Path:
        (tmp_path / "printed").write_text(printed)
        (tmp_path / "said").write_text(said)
        program = folder / "pulumi"
        program.write_text(
            f'#!/bin/sh\necho "$@" >{tmp_path}/called\ncat {tmp_path}/printed\ncat {tmp_path}/said >&2\nexit {code}\n'
        )
        program.chmod(0o755)
        return tmp_path / "called"

    return make


def test_the_settings_are_those_of_the_stack(pulumi: Program) -> None:
    called = pulumi(json.dumps(OUTPUT))
    settings = load_settings(None, stack="dev")
    assert settings.store.kind == "iris"
    assert settings.iris.port == 1972
    assert settings.iris.password.get_secret_value() == PASSWORD
    assert settings.generator.url == "http://127.0.0.1:8000/v1"
    assert called.read_text().split() == (
        "stack output settings --json --show-secrets --non-interactive --stack dev".split()
    )
    assert PASSWORD not in repr(settings)


def test_the_stack_wins_over_the_environment_and_an_option_over_both(
    pulumi: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi(json.dumps(OUTPUT))
    monkeypatch.setenv("CHARTWELL_IRIS__HOST", "another")
    monkeypatch.setenv("CHARTWELL_IRIS__TIMEOUT_SECONDS", "3")
    settings = load_settings(None, stack="dev", iris={"port": 51972}, indexing={"batch_size": 7})
    assert (settings.iris.host, settings.iris.port) == ("127.0.0.1", 51972)
    assert settings.iris.timeout_seconds == 3
    assert settings.indexing.batch_size == 7


@pytest.mark.parametrize(
    ("printed", "code", "said", "message"),
    [
        ("", 255, "error: no stack named 'dev' found", "no stack named 'dev' found"),
        ("", 255, "error: current stack does not have output property 'settings'", "output property"),
        ("", 1, "", "it gave no reason"),
        ("not json", 0, "", "not a list of settings"),
        ("{}", 0, "", "not a list of settings"),
        (json.dumps(["CHARTWELL_STORE__KIND"]), 0, "", "not a list of settings"),
        (json.dumps({"AWS_SECRET_ACCESS_KEY": "x"}), 0, "", "not a list of settings"),
        (json.dumps(OUTPUT | {"CHARTWELL_IRIS__FUTURE": "1"}), 0, "", "CHARTWELL_IRIS__FUTURE"),
        (json.dumps(OUTPUT | {"CHARTWELL_IRIS__PORT": "many"}), 0, "", "CHARTWELL_IRIS__PORT"),
    ],
)
def test_what_is_no_answer_is_an_error_that_holds_no_value(
    pulumi: Program, printed: str, code: int, said: str, message: str
) -> None:
    pulumi(printed, code=code, said=said)
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(None, stack="dev")
    assert message in str(caught.value)
    assert caught.value.remedy
    assert PASSWORD not in str(caught.value)


def test_without_the_program_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsInvalid, match="not installed"):
        load_settings(None, stack="dev")


@pytest.mark.parametrize(
    "words",
    [
        ["notes", "--stack", "dev", "x.json"],
        ["status", "--stack", "dev"],
        ["verify", "--stack", "dev"],
    ],
)
def test_every_subcommand_takes_a_stack(pulumi: Program, words: list[str]) -> None:
    called = pulumi("", code=255, said="error: no stack named 'dev' found")
    done = CliRunner().invoke(vectorize.app, words)
    assert done.exit_code == 2
    assert "no stack named 'dev' found" in done.output
    assert called.exists()


def test_a_question_takes_a_stack(pulumi: Program) -> None:
    pulumi("", code=255, said="error: no stack named 'dev' found")
    done = CliRunner().invoke(ask.app, ["--stack", "dev", "Who takes warfarin?"])
    assert done.exit_code == 2
    assert "pulumi stack ls" in done.output
