"""One account and one user's machine at a moment, and what must hold there.

Decides what a running and a paused stack are: which host, which volume, what is billed, what data says of itself. A
branch goes on from here in a process of its own, with the account and the machine as they are now; so each bad day
begins from the same moment without a new stack.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from moto.backends import get_backend

from infra.rollout.pipeline import build_wheel
from tests.engine.cli import CHECKOUT, Ended, Running, Workspace
from tests.engine.cloud.account import ACCOUNT, IMAGES, REGION, Cloud, start
from tests.engine.cloud.faults import Faults
from tests.engine.cloud.hypervisor import Hypervisor
from tests.engine.sabotage import Sabotage
from tests.infra import stacks

STACK: Final = "dev"
WHEELS: Final = CHECKOUT / "build" / "wheels"
SECRETS: Final = frozenset({"ngcApiKey", "sshPrivateKey"})
KEPT: Final = frozenset(
    {"kms:key", "s3:bucket", "ssm:parameter", "logs:log-group", "budgets:budget", "sns:topic"}
)
"""Kinds that may be billed in every pause: docs/costs.md."""
ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "volume": KEPT | {"ec2:volume data"},
    "snapshot": KEPT | {"ec2:snapshot data"},
    "stop": KEPT | {"ec2:volume data", "ec2:volume root", "ec2:elastic-ip", "cloudwatch:alarm"},
}
SAFE_ORDER: Final = ("StopInstances", "DetachVolume", "TerminateInstances", "CreateSnapshot", "DeleteVolume")
SAID: Final[tuple[Mapping[str, Any], ...]] = (
    {"step": "-front", "stdout": '{"certificate": "self-signed", "sha256": "ab", "expires": "2036-01-01"}'},
    {"step": "-service", "stdout": '{"state": "ready"}'},
    {"step": "-ingestion", "stdout": '{"state": "finished", "exit": 0}'},
    {"step": "-validation", "stdout": '{"verdict": "pass", "failed": 0}'},
)
"""What the steps print that an output is read of, where there is no host."""


@dataclass(frozen=True)
class Data:
    """What must be the same after a pause. `volume_id` changes in snapshot mode only."""

    volume_id: str
    objects: Mapping[str, str]
    """SHA-256 of each object by bucket and key."""
    secrets: Mapping[str, str]
    """SHA-256 of each secret parameter by name."""
    disk: str = ""
    """Digest over the files of the data volume, where there is a host."""


@dataclass
class Stage:
    """`spare` are paths of this stage: faults, script, journal; all inside `workspace.folder`."""

    cloud: Cloud
    workspace: Workspace
    hypervisor: Hypervisor | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def opened(
        cls,
        folder: Path,
        pulumi: Path,
        *,
        hypervisor: Hypervisor | None = None,
        sabotage: Sabotage | None = None,
        **config: str,
    ) -> Stage:
        """An empty account and a configured stack, as docs/deployment-guide.md sets it up."""
        folder.mkdir(parents=True)
        endpoint, cloud = start(hypervisor=hypervisor, faults=folder / "faults")
        workspace = Workspace.made(folder / "user", pulumi, endpoint, stack=STACK)
        if sabotage:
            sabotage.apply(workspace.checkout)
        build_wheel(WHEELS)  # found again by every machine's up, which would take twice as long
        (workspace.checkout / "build").mkdir()
        (workspace.checkout / "build" / "wheels").symlink_to(WHEELS)
        made = cls(cloud, workspace, hypervisor)._with_files()
        values = {**stacks.GOOD, "amiId": IMAGES[0], "offHoursStop": "19:30", **config}
        values.pop("alertEmails")
        made.workspace.init(values, secrets=SECRETS)
        made.workspace.must("config", "set", "--path", "alertEmails[0]", "ops@example.org")
        return made

    def _with_files(self) -> Stage:
        """Faults, script and journal lie beside the user's machine."""
        environment = {"ENGINE_JOURNAL": str(self.folder / "journal")}
        if self.hypervisor is None:
            environment["ENGINE_SCRIPT"] = str(self.folder / "script")
            self.script()
        self.workspace = replace(self.workspace, more_environment=environment, endpoint=self.cloud.endpoint)
        return self

    def copied(self, folder: Path) -> Path:
        """The user's machine as it is now, for a branch."""
        return Path(shutil.copytree(self.folder, folder, symlinks=True))

    def branch(self, folder: Path) -> Stage:
        """This moment again, in a process that was forked from this one: another door, another machine (`copied`)."""
        self.cloud.faults = Faults(folder / "faults")
        self.cloud.serve(0)
        self.workspace = replace(self.workspace, folder=folder / "user")
        branched = self._with_files()
        branched.workspace.must("stack", "select", STACK)  # is remembered by the checkout's path
        return branched

    @property
    def folder(self) -> Path:
        return self.workspace.folder.parent

    def script(self, *lines: Mapping[str, Any]) -> None:
        """What steps answer from now on, before the usual."""
        text = "".join(json.dumps(each) + "\n" for each in (*lines, *SAID))
        (self.folder / "script").write_text(text, encoding="utf-8")

    def plant(self, *faults: Mapping[str, Any]) -> None:
        """What the cloud does wrong from now on; nothing more without arguments."""
        text = "".join(json.dumps(each) + "\n" for each in faults)
        (self.folder / "faults").write_text(text, encoding="utf-8")

    def ran(self) -> list[str]:
        """Steps that ran on the host since the last look, by the last word of their name."""
        journal = self.folder / "journal"
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        journal.unlink(missing_ok=True)
        return [json.loads(line)["step"].split("-", 2)[-1] for line in lines]

    def up(self, *more: str) -> Ended:
        return well(self.workspace.up("--skip-preview", *more))

    def pause(self, mode: str = "volume") -> Ended:
        """As docs/runbook.md says for each mode. What AWS did for it was in an order in which nothing is lost."""
        if mode == "stop":
            self.workspace.set("paused", "true")
            return self.up()
        begin = len(self.cloud.performed)
        done = well(self.workspace.destroy("--skip-preview"))
        did = [each.operation for each in self.cloud.performed[begin:]]
        order = [did.index(each) for each in SAFE_ORDER if each in did]
        assert order == sorted(order), f"not in a safe order: {[each for each in did if each in SAFE_ORDER]}"
        return done

    def resume(self, mode: str = "volume") -> Ended:
        if mode == "stop":
            self.workspace.set("paused", "false")
        return self.up()

    def starting(self, command: str, *more: str) -> Running:
        """An `up` or `destroy` on its way."""
        return self.workspace.start(command, "--yes", "--skip-preview", *more)

    def orphans(self, *more: str) -> Ended:
        """`python -m infra.orphans` as docs/runbook.md has it."""
        return self.workspace.python("-m", "infra.orphans", "--stack", STACK, "--region", REGION, *more)

    def typed(self, command: str) -> None:
        """Do what `aws SERVICE OPERATION --option value` would, without the aws command line."""
        _, service, operation, *words = shlex.split(command, comments=True)
        client = self.client(service)
        shape = client.meta.service_model.operation_model(_pascal(operation)).input_shape
        arguments = {}
        for option, value in zip(words[::2], words[1::2], strict=True):
            name = _pascal(option)
            arguments[name] = [value] if shape.members[name].type_name == "list" else value
        getattr(client, operation.replace("-", "_"))(**arguments)

    def tear_state(self) -> None:
        """What a power cut in the middle of a write leaves, as seen: the state whole, the file beside it empty."""
        (attributes,) = self.workspace.folder.glob(f"state/.pulumi/stacks/*/{STACK}.json.attrs")
        attributes.write_bytes(b"")

    def mend_torn_state(self) -> None:
        """As docs/runbook.md says: the empty file goes, the state is replaced in one move and therefore whole."""
        for each in self.workspace.folder.glob(f"state/.pulumi/stacks/*/{STACK}.json.attrs"):
            if each.stat().st_size == 0:
                each.unlink()

    # What the account holds.

    def client(self, service: str) -> Any:
        return self.cloud.account().client(service)

    def hosts(self, *states: str) -> list[dict[str, Any]]:
        """Instances with the stack's tags that live, or are in one of `states`."""
        wanted = list(states or ("pending", "running", "stopping", "stopped"))
        filters = [
            {"Name": "tag:Stack", "Values": [STACK]},
            {"Name": "instance-state-name", "Values": wanted},
        ]
        found = self.client("ec2").describe_instances(Filters=filters)["Reservations"]
        return [one for each in found for one in each["Instances"]]

    def volumes(self) -> list[dict[str, Any]]:
        """Data volumes of the stack."""
        filters = [{"Name": "tag:Stack", "Values": [STACK]}, {"Name": "tag:Role", "Values": ["data"]}]
        return list(self.client("ec2").describe_volumes(Filters=filters)["Volumes"])

    def zones(self) -> list[str]:
        """Those that offer the stack's type: a subnet is made in each."""
        wanted = [{"Name": "instance-type", "Values": [stacks.config().instance_type]}]
        found = self.client("ec2").describe_instance_type_offerings(
            LocationType="availability-zone", Filters=wanted
        )
        return [each["Location"] for each in found["InstanceTypeOfferings"]]

    def snapshots(self) -> list[dict[str, Any]]:
        filters = [{"Name": "tag:Stack", "Values": [STACK]}, {"Name": "tag:Role", "Values": ["data"]}]
        found = self.client("ec2").describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]
        return sorted(found, key=lambda each: each["StartTime"])

    @property
    def _s3(self) -> Any:
        """moto's own objects: asked over HTTP it refuses, since it takes a policy's TLS condition for met."""
        return get_backend("s3")[ACCOUNT]["aws"]

    def put_notes(self) -> None:
        """Some notes in the documents bucket."""
        bucket = f"chartwell-{STACK}-{ACCOUNT}-documents"
        for number in range(3):
            body = f"Note {number}: synthetic, of no one.\n".encode()
            self._s3.put_object(bucket, f"documents/{number}.txt", body)

    def data(self) -> Data:
        """What the account holds of the data now."""
        objects = {
            f"{name}/{key}": hashlib.sha256(each.value).hexdigest()
            for name, bucket in self._s3.buckets.items()
            if not name.endswith("-access-logs")  # grows with each request
            for key, each in bucket.keys.items()
        }
        ssm = self.client("ssm")
        found = ssm.get_parameters_by_path(Path=f"/chartwell/{STACK}", WithDecryption=True)["Parameters"]
        secrets = {
            each["Name"]: hashlib.sha256(each["Value"].encode()).hexdigest()
            for each in found
            if each["Type"] == "SecureString"
        }
        volumes = self.volumes()
        return Data(
            volumes[0]["VolumeId"] if len(volumes) == 1 else f"{len(volumes)} volumes", objects, secrets
        )

    # What must hold.

    def check_running(self) -> None:
        """One host that runs with the one data volume; nothing is pending in the state, where the one needs the other.

        That edge is looked at itself: as long as other edges happen to keep the order, a pause would not show it gone.
        """
        (host,) = self.hosts()
        (volume,) = self.volumes()
        assert host["State"]["Name"] == "running", host["State"]
        assert [each["InstanceId"] for each in volume["Attachments"]] == [host["InstanceId"]], volume
        state = self.workspace.state()
        assert state.get("pending_operations", []) == []
        known = {(each["type"], each.get("id")): each for each in state["resources"]}
        needed = known["aws:ec2/instance:Instance", host["InstanceId"]]["dependencies"]
        urn = known["aws:ebs/volume:Volume", volume["VolumeId"]]["urn"]
        assert urn in needed, "the host does not depend on the volume"
        outputs = self.workspace.outputs()
        assert (outputs["instanceId"], outputs["volumeId"]) == (host["InstanceId"], volume["VolumeId"])

    def check_paused(self, mode: str) -> None:
        """Nothing runs, nothing is billed but what the mode keeps, and the state is empty (of `stop`: it stays)."""
        billed = {f"{each.kind} {each.role}" if each.role else each.kind for each in self.cloud.billable()}
        plain = {each if each in ALLOWED[mode] else each.split()[0] for each in billed}
        assert plain <= ALLOWED[mode], f"billed while paused: {sorted(plain - ALLOWED[mode])}"
        assert self.hosts("pending", "running") == []
        if mode != "stop":
            owned = [
                each["urn"] for each in self.workspace.resources() if not each["type"].startswith("pulumi:")
            ]
            assert owned == []


def _pascal(words: str) -> str:
    """`--allocation-id` as the API names it."""
    return "".join(each.capitalize() for each in words.strip("-").split("-"))


def well(done: Ended) -> Ended:
    """The command, which must have ended with 0."""
    assert done.code == 0, f"pulumi {done.words[0]} ended with {done.code}:\n{done.printed[-20_000:]}"
    return done
