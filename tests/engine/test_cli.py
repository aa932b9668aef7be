"""A program on the real engine, through our language host. Skipped where there is no engine (make engine)."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from tests.engine import cli

PULUMI = cli.engine()
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(PULUMI is None, reason="no pulumi on PATH, none built: make engine"),
]

PROGRAM = """
import os, time, pulumi
print("hello from", os.getcwd())
mood = pulumi.Config().get("mood")
if mood == "cured":
    raise pulumi.RunError("set it right")
if mood == "broken":
    1 / 0
if mood == "slow":
    time.sleep(60)
pulumi.export("password", pulumi.Output.secret("s3cret"))
"""


@pytest.fixture
def workspace(tmp_path: Path) -> cli.Workspace:
    assert PULUMI is not None
    made = cli.Workspace.made(tmp_path / "user", PULUMI, cli.NOWHERE)
    (made.checkout / "__main__.py").write_text(PROGRAM, encoding="utf-8")
    made.init({"region": "us-east-1"})
    return made


def test_a_program_runs_and_its_secrets_stay_sealed(workspace: cli.Workspace) -> None:
    done = workspace.up("--skip-preview")
    assert done.code == 0, done.printed
    assert f"hello from {workspace.checkout}" in done.printed
    assert done.names("create") == ["chartwell-dev"]
    assert workspace.outputs() == {"password": "s3cret"}
    assert not any("s3cret" in path.read_text() for path in workspace.folder.glob("state/**/*.json"))


@pytest.mark.parametrize(
    ("mood", "said", "unsaid"),
    [("cured", "error: set it right", "Traceback"), ("broken", "ZeroDivisionError", "language_host")],
)
def test_an_error_is_told_as_the_real_host_tells_it(
    workspace: cli.Workspace, mood: str, said: str, unsaid: str
) -> None:
    done = workspace.preview("-c", f"mood={mood}")
    assert done.code != 0
    assert said in done.printed
    assert unsaid not in done.printed


def test_a_power_cut_ends_every_process_and_leaves_the_lock(workspace: cli.Workspace) -> None:
    running = workspace.start("up", "--yes", "--skip-preview", "-c", "mood=slow")
    done = running.kill_when(lambda: "hello from" in running.printed())
    assert done.code == -9
    assert done.seconds < 50
    until = time.monotonic() + 10  # what is killed takes a moment to be gone
    while cli.members(running.session) and time.monotonic() < until:
        time.sleep(0.1)
    assert cli.members(running.session) == []
    again = workspace.up("--skip-preview", "-c", "mood=fine")
    assert again.code != 0
    assert "pulumi cancel" in again.printed
    assert workspace.cancel().code == 0
    assert workspace.up("--skip-preview", "-c", "mood=fine").code == 0


def test_nothing_leads_out(workspace: cli.Workspace) -> None:
    began = time.monotonic()
    (workspace.checkout / "__main__.py").write_text(
        "import urllib.request, pulumi\n"
        "try:\n    urllib.request.urlopen('https://example.org')\n"
        "except OSError as error:\n    pulumi.export('why', str(error))\n",
        encoding="utf-8",
    )
    assert workspace.up("--skip-preview").code == 0
    assert "refused" in workspace.outputs()["why"]
    assert time.monotonic() - began < 30


TWO_COMMANDS = """
import pulumi
from pulumi_command import remote
def command(name, **more):
    return remote.Command(name, connection=remote.ConnectionArgs(host="nowhere"), create="true",
                          add_previous_output_in_env=False, **more)
first = command("first")
command("second", triggers=[{trigger}])
"""


@pytest.mark.parametrize("sealed", [True, False])
def test_a_list_with_a_secret_that_is_not_known_ends_the_first_preview(
    workspace: cli.Workspace, tmp_path: Path, sealed: bool
) -> None:
    """The fault that every new stack began with: engine, language host and the provider's double together show it."""
    trigger = "pulumi.Output.secret(first.stdout)" if sealed else "first.stdout"
    program = TWO_COMMANDS.replace("{trigger}", trigger)
    (workspace.checkout / "__main__.py").write_text(program, encoding="utf-8")
    script = tmp_path / "script"
    script.write_text('{"step": "first", "stdout": "known now"}\n', encoding="utf-8")
    hostless = dataclasses.replace(workspace, more_environment={"ENGINE_SCRIPT": str(script)})
    done = hostless.preview()
    assert ("triggers[0]: malformed secret: missing value" in done.printed) is sealed
    assert (done.code != 0) is sealed
