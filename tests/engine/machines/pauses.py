"""Pause and resume with a host behind the cloud: what `HOST=nspawn` adds to the proof.

Decides what is asked of a host before and after a pause: the same answer, the same data in it, the same volume. Runs
the stack's steps through the engine and its command provider; knows no bad day.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine import cli, host
from tests.engine.host import Hosts, Outside, key_pair
from tests.engine.machines import notes, probe
from tests.engine.stage import Stage, well
from tests.infra.stacks import GOOD, NGC_KEY

QUESTION = "What is continued for gout?"
INDEX = "sudo systemctl start chartwell-vectorize"
INDEXED = "systemctl show -P ActiveState chartwell-vectorize"
SECONDS_MAX = 120.0
CUT_SECONDS = 60.0
"""Shorter than sshd's ClientAliveInterval times ClientAliveCountMax (cloud-init/user-data.yaml)."""


@dataclass(frozen=True)
class Seen:
    """What a host shows of its data."""

    volume_id: str
    answer: Mapping[str, Any]
    fingerprints: Mapping[str, str]


@dataclass
class HostStage:
    """A stage whose hosts are real machines."""

    stage: Stage
    hosts: Hosts
    private_key: str

    def connection(self) -> dict[str, Any]:
        """As the stack's outputs say."""
        outputs = self.stage.workspace.outputs()
        key = outputs["knownHosts"].partition(" ")[2]
        return {"host": outputs["address"], "user": "ubuntu", "privateKey": self.private_key, "hostKey": key}

    def index(self, *, number: int = notes.NUMBER) -> None:
        """Put notes into the bucket and index them by the stack's own command."""
        bucket = next(
            name for name in self.stage.workspace.outputs()["buckets"].values() if "documents" in name
        )
        s3 = self.stage.client("s3")
        s3.put_object(Bucket=bucket, Key="documents/visits.jsonl", Body=notes.written(number).encode())
        connection = self.connection()
        probe.run(connection, INDEX)
        until(lambda: probe.run(connection, INDEXED).strip() not in ("active", "activating"), "indexed")

    def seen(self) -> Seen:
        connection = self.connection()
        return Seen(
            self.stage.workspace.outputs()["volumeId"],
            probe.ask(connection, QUESTION),
            probe.fingerprints(connection),
        )

    def stopped_by_watch(self) -> None:
        """The watch inside the host powers it off, and the account shows it."""
        probe.let_idle(self.connection())
        until(lambda: [each["State"]["Name"] for each in self.stage.hosts()] == ["stopped"], "stopped")


def until(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not done():
        assert time.monotonic() < deadline, f"not {what} within {SECONDS_MAX:.0f} s"
        time.sleep(0.5)


@contextmanager
def opened(folder: Path, pulumi: Path, **config: str) -> Iterator[HostStage]:
    """A configured stack whose cloud sells machines, until the block ends."""
    with ExitStack() as ends:
        outside = Outside(folder / "outside", ngc_key=NGC_KEY)
        ends.callback(outside.close)
        names = {key: str(value).partition("@")[0] for key, value in GOOD.items() if key.endswith("Image")}
        outside.push(list(names.values()))
        private_key, public_key = key_pair(folder)
        hosts = Hosts(folder / "hosts", outside, public_key=public_key)
        ends.callback(hosts.close)
        images = {key: outside.images[name] for key, name in names.items()}
        keys = {"sshPublicKey": public_key, "sshPrivateKey": private_key}
        stage = Stage.opened(folder / "stage", pulumi, hypervisor=hosts, **{**images, **keys, **config})
        ends.callback(stage.cloud.stop)
        outside.aws_url = stage.cloud.endpoint
        yield HostStage(stage, hosts, private_key)


def cycles(folder: Path, pulumi: Path, mode: str, number: int = 1) -> dict[str, str]:
    """Up, index, ask; then pause, up, ask as often as wanted; at last the watch stops the host, and an up brings it
    back. Facts for the table. Raises AssertionError where anything is another."""
    with opened(folder, pulumi, pauseMode=mode) as live:
        live.stage.up()
        live.stage.check_running()
        live.index()
        before = live.seen()
        assert before.answer["outcome"] == "answered", before.answer
        for _ in range(number):
            live.stage.pause(mode)
            live.stage.check_paused(mode)
            live.stage.resume(mode)
            live.stage.check_running()
            check_same(before, live.seen(), same_volume=mode != "snapshot")
        unchanged = live.stage.up().changes
        assert unchanged == {}, f"an up without a change has changed {unchanged}"
        live.stopped_by_watch()
        live.stage.up("--refresh")
        live.stage.check_running()
        check_same(before, live.seen(), same_volume=mode != "snapshot")
        host_dies_and_network_is_cut(live, mode)
        check_same(before, live.seen(), same_volume=mode != "snapshot")
        return {
            "host": f"nspawn, {number} pauses, 1 stop by the watch, 1 power cut, 1 minute without network",
            "data": f"{len(before.fingerprints)} checksums and the answer the same",
        }


def host_dies_and_network_is_cut(live: HostStage, mode: str) -> None:
    """The host loses its power, the stack is paused; while it comes up again a step hears nothing for a minute."""
    outputs = live.stage.workspace.outputs()
    live.hosts.cut_power(outputs["instanceId"])
    live.stage.pause(mode)
    live.stage.check_paused(mode)
    live.stage.ran()
    if mode == "stop":
        live.stage.workspace.set("paused", "false")
    coming = live.stage.starting("up")
    began: list[str] = []
    until(lambda: bool(began.extend(live.stage.ran()) or "services-scripts" in began), "begun")
    (address,) = (each["PublicIp"] for each in live.stage.client("ec2").describe_addresses()["Addresses"])
    with live.hosts.network_cut(address):
        time.sleep(CUT_SECONDS)
    well(coming.wait())
    live.stage.check_running()


def check_same(before: Seen, after: Seen, *, same_volume: bool) -> None:
    assert after.answer == before.answer, (before.answer, after.answer)
    assert after.fingerprints == before.fingerprints, (before.fingerprints, after.fingerprints)
    assert not same_volume or after.volume_id == before.volume_id


def main() -> int:
    """One mode by hand: python -m tests.engine.machines.pauses [MODE [PAUSES]]."""
    mode, number = [*sys.argv[1:], *("volume", "1")[len(sys.argv) - 1 :]]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pulumi = cli.engine()
    if reason := host.why_not() or ("" if pulumi else "no pulumi: make engine"):
        sys.stdout.write(f"host: skipped: {reason}\n")
        return 0
    assert pulumi
    with tempfile.TemporaryDirectory(prefix="chartwell-cycle-") as folder:
        facts = cycles(Path(folder) / "proof", pulumi, mode, int(number))
    sys.stdout.write("".join(f"{name}: {fact}\n" for name, fact in facts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
