"""A host of systemd-nspawn: the roll-out on it, its stop by the watch, its start, another host on its volume."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine import host
from tests.engine.machines import probe
from tests.engine.machines.demonstration import Demonstration, demonstration
from tests.engine.machines.rollout import run_steps

QUESTION = "What is continued for gout?"
STOP_SECONDS_MAX = 90


pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws.*")]


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Demonstration]:
    if reason := host.why_not():
        pytest.skip(reason)
    with demonstration(tmp_path) as shown:
        yield shown


def rolled_out(shown: Demonstration) -> dict[str, str]:
    """What each step printed. Fails with the words of the one that failed."""
    found = {}
    for step in shown.steps():
        assert step.exit == 0, f"{step.name}: {step.output}"
        found[step.name.removeprefix("chartwell-dev-")] = step.output
    return found


@pytest.mark.timeout(600)
def test_a_host_lives_stops_and_is_made_again_on_the_same_volume(shown: Demonstration) -> None:
    shown.boot()
    first = rolled_out(shown)
    assert '"state":"finished"' in first["job-ingestion"]
    assert '"failed":[]' in first["job-validation"]
    assert "warning" not in first["job-pipeline"]
    connection = shown.connection()
    answer, data = probe.ask(connection, QUESTION), probe.fingerprints(connection)
    assert answer["outcome"] == "answered"
    assert len(data) > 3

    assert not any(look["busy"] for look in probe.let_idle(connection)[1:])
    await_stopped(shown)
    shown.hosts.start(shown.instance_id)
    settled(shown)
    assert probe.fingerprints(shown.connection()) == data
    assert probe.ask(shown.connection(), QUESTION) == answer

    probe.heed_spot(shown.connection())
    shown.hosts.spot_notice(shown.instance_id)
    await_stopped(shown)
    shown.hosts.detach(shown.volume_id, shown.instance_id)
    shown.hosts.terminate(shown.instance_id)
    shown.boot()
    second = rolled_out(shown)
    assert "mounted with its data" in shown.hosts.console(shown.instance_id)
    assert "pipeline: unchanged" in second["job-pipeline"]
    assert probe.fingerprints(shown.connection()) == data
    assert probe.ask(shown.connection(), QUESTION) == answer


def await_stopped(shown: Demonstration) -> None:
    """A host that powers itself off is seen as stopped."""
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while shown.hosts.state(shown.instance_id) != "stopped":
        assert time.monotonic() < deadline, "the host has not stopped itself"
        time.sleep(0.2)


@pytest.mark.timeout(200)
def test_a_volume_of_another_stack_is_left_as_it_is(shown: Demonstration, tmp_path: Path) -> None:
    """The wait for the boot ends with the reason, and not a byte of the volume is another."""
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / ".chartwell-volume").write_text("stack=chartwell/production\n")
    volume = shown.hosts.image(shown.volume_id)
    subprocess.run(["mkfs.ext4", "-q", "-d", str(strange), str(volume), "256M"], check=True)
    before = beginning(volume)
    shown.boot()
    *_, last = shown.steps()
    assert (last.name, last.exit) == ("chartwell-dev-services-boot", 1)
    assert "belongs to stack chartwell/production, not to dev. Left untouched." in last.output
    shown.hosts.stop(shown.instance_id)
    assert beginning(volume) == before


def beginning(volume: Path) -> str:
    """Hash of the part that holds anything; what follows is 100 GB of nothing."""
    with volume.open("rb") as file:
        return hashlib.sha256(file.read(300 << 20)).hexdigest()


def settled(shown: Demonstration) -> None:
    """The boot is done and the containers are back, as the program's own next up would wait for them."""
    for step in run_steps(shown.recorded, shown.connection()):
        assert step.exit == 0, f"{step.name}: {step.output}"
