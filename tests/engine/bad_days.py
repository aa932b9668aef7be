"""What goes wrong, one day each, from a moment of a stack that was well: what the engine did, what the user saw,
that the data stood, what it cost.

Each day plants its fault, does what a user or AWS would do, and then what docs/runbook.md says. What it returns is the
row of docs/pause-resume.md: a sentence that the day's own checks have just held, and a line that was printed, without
what differs from run to run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal

from infra.plan.catalog import SPOT_ROLE
from infra.preflight import QUOTA_ON_DEMAND
from tests.engine.cli import Ended
from tests.engine.cloud.account import IMAGES
from tests.engine.stage import STACK, Data, Stage, well

Moment = Literal["new", "running", "paused"]
NOTHING: Final = "nothing"


@dataclass(frozen=True)
class Told:
    """The row of a bad day."""

    engine: str
    user: str
    data: str = "stood"
    cost: str = NOTHING


@dataclass(frozen=True)
class BadDay:
    """`act` gets a stage of its own in that moment of a stack with that pause mode."""

    name: str
    title: str
    mode: str
    moment: Moment
    act: Callable[[Stage], Told]

    def facts(self, stage: Stage) -> Mapping[str, str]:
        return {"title": self.title, **asdict(self.act(stage))}


DAYS: Final[list[BadDay]] = []

Act = Callable[[Stage], Told]


def day(title: str, moment: Moment, *, mode: str = "volume", name: str = "") -> Callable[[Act], Act]:
    def keep(act: Act) -> Act:
        DAYS.append(BadDay(name or act.__name__.replace("_", "-"), title, mode, moment, act))
        return act

    return keep


# What is done and looked at on most days.

CHANGING: Final = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\b(vol|snap|i|eipalloc|eni|subnet|vpc|igw|ami|sg|rtb)-[0-9a-f]{8,17}\b"), r"\1-…"),
    (re.compile(r"\bvai-\d+\b"), "vai-…"),
    (re.compile(r"us-east-1[a-f]"), "ZONE"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "DAY"),
    (re.compile(r"\(\d+(\.\d+)?s\)"), ""),
    (re.compile(r" +"), " "),
)


def excerpt(done: Ended, text: str) -> str:
    """The first printed line with this text, without what differs from run to run. The user must have seen it."""
    line = next((each for each in done.printed.splitlines() if text in each), None)
    assert line is not None, f"no line says {text!r}:\n{done.printed[-5000:]}"
    line = line[line.index("error: ") + 7 :] if "error: " in line else line
    for pattern, instead in CHANGING:
        line = pattern.sub(instead, line)
    return line.strip().removeprefix("- ")


def failed(done: Ended) -> Ended:
    assert done.code != 0, f"pulumi {done.words[0]} ended well:\n{done.printed[-4000:]}"
    return done


def refused(stage: Stage, text: str, *, mode: str = "volume") -> str:
    """An up that must not begin: what it says, once it is clear that nothing was made and nothing lost."""
    before = stage.data()
    done = failed(stage.workspace.up("--skip-preview"))
    stage.check_paused(mode)
    stood(before, stage)
    return excerpt(done, text)


def again(stage: Stage, *, changed_volume: bool = False) -> None:
    """An up brings all of it back."""
    before = stage.data()
    stage.up()
    stage.check_running()
    stood(before, stage, changed_volume=changed_volume)


def stood(before: Data, stage: Stage, *, changed_volume: bool = False) -> None:
    """The same notes, the same passwords, the same volume (restored from a snapshot: another one)."""
    now = stage.data()
    assert now.objects == before.objects
    assert now.secrets == before.secrets
    assert re.fullmatch("vol-[0-9a-f]+", now.volume_id), now.volume_id
    assert changed_volume or now.volume_id == before.volume_id


# The power goes, in the middle of every kind of step.


def cut(stage: Stage, command: str, operation: str) -> list[str]:
    """The power goes when AWS has done `operation` and not answered yet. Returns the types that are pending then."""
    return cut_at(stage, command, {operation: 1})


def cut_at(stage: Stage, command: str, operations: Mapping[str, int], *more: str) -> list[str]:
    """The same when AWS has done each of `operations` so often, and answered none of them yet."""
    before = {each: stage.cloud.count(each, performed=True) for each in operations}
    stage.plant(*({"operation": each, "hang": 120, "times": times} for each, times in operations.items()))
    running = stage.starting(command, *more)
    try:
        for each, times in operations.items():
            stage.cloud.wait_for(each, before[each] + times, performed=True)
    except TimeoutError as error:
        running.cut_power()
        raise AssertionError(f"{error}:\n{running.printed()[-3000:]}") from None
    running.cut_power()
    stage.plant()
    stage.mend_torn_state()
    return [each["resource"]["type"] for each in stage.workspace.pending()]


def unlock(stage: Stage, command: str, *, clear: bool = True) -> str:
    """As docs/runbook.md says for what broke off, up to the list of what the state does not know; without `clear`, as
    one does who leaves its third line out."""
    again = failed(stage.workspace.run(command, "--yes", "--skip-preview"))
    well(stage.workspace.cancel())
    well(stage.workspace.refresh("--skip-preview", "--clear-pending-creates"))
    if clear:
        well(stage.orphans("--clear-network"))
    return excerpt(again, "pulumi cancel")


def tidied(stage: Stage, kind: str) -> str:
    """Cost of what the state does not know, as `infra.orphans` lists it; then its own commands remove all of that."""
    listed = stage.orphans().printed
    lines = [line for line in listed.splitlines() if f" {kind} " in line] if kind else []
    assert bool(lines) == bool(kind), listed
    for command in re.findall(r"remove: (aws .*)", listed):
        stage.typed(command)
    left = stage.orphans().printed
    assert left.startswith("Nothing that the state of dev does not know."), left
    stage.check_running()
    price = lines[0].split()[0] if lines else ""
    return (
        f"{price} a month ({kind}), until `infra.orphans` names it and the command that removes it"
        if lines
        else NOTHING
    )


def _cut_up(operation: str, made: str, kind: str, title: str, moment: Moment) -> None:
    @day(f"Power cut in an up, while {title}", moment, name=f"up-cut-{operation.lower()}")
    def act(stage: Stage) -> Told:
        before = stage.data()
        assert made in cut(stage, "up", operation)
        locked = unlock(stage, "up")
        stage.up()
        stage.check_running()
        if moment != "new":
            stood(before, stage)
        return Told("cancel, refresh, up: made the rest", locked, cost=tidied(stage, kind))


for _operation, _made, _kind, _title, _moment in (
    ("CreateKey", "aws:kms/key:Key", "kms:key", "the data's key is made", "new"),
    ("CreateVolume", "aws:ebs/volume:Volume", "", "the data volume is made: adopted", "new"),
    ("CreateBucket", "aws:s3/bucket:Bucket", "", "a bucket is made: adopted", "new"),
    ("CreateVpc", "aws:ec2/vpc:Vpc", "ec2:vpc", "the network is made", "paused"),
    ("AllocateAddress", "aws:ec2/eip:Eip", "ec2:elastic-ip", "the address is allocated", "paused"),
    ("AttachVolume", "aws:ec2/volumeAttachment:VolumeAttachment", "", "the volume is attached", "paused"),
):
    _cut_up(_operation, _made, _kind, _title, _moment)  # type: ignore[arg-type]


@day("Power cut in an up, while subnets, gateway, routes, group and flow log are made", "paused")
def up_cut_network(stage: Stage) -> Told:
    before = stage.data()
    zones = len(stage.zones())
    late = {"CreateRouteTable": 1, "AttachInternetGateway": 1, "CreateSecurityGroup": 1, "CreateFlowLogs": 1}
    # Made twice without an error, and in the way of the pause: IAM deletes no role that has a policy.
    late["PutRolePolicy"] = 1
    # All of them wait at once, which are more than the engine does at a time where there are few processors.
    pending = cut_at(stage, "up", {"CreateSubnet": zones, **late}, "--parallel", "32")
    assert pending.count("aws:ec2/subnet:Subnet") == zones, pending
    unlock(stage, "up", clear=False)
    made = len(stage.cloud.performed)
    done = failed(stage.workspace.up("--skip-preview"))
    created = [each.operation for each in stage.cloud.performed[made:] if each.operation.startswith("Create")]
    assert created == [], created
    assert done.printed.count("  - subnet subnet-") >= zones
    well(stage.orphans("--clear-network"))
    stage.up()
    stage.check_running()
    stood(before, stage)
    tidied(stage, "")
    stage.pause()
    stage.check_paused("volume")
    return Told(
        "the up refuses to run into AWS's `InvalidSubnet.Conflict`; `infra.orphans --clear-network`, up",
        excerpt(done, "does not know parts of its own network"),
    )


@day("Power cut in an up, while the host is launched", "paused")
def up_cut_runinstances(stage: Stage) -> Told:
    before = stage.data()
    assert "aws:ec2/instance:Instance" in cut(stage, "up", "RunInstances")
    unlock(stage, "up")
    done = failed(stage.workspace.up("--skip-preview"))
    (surplus,) = stage.hosts()
    well(stage.orphans("--end", surplus["InstanceId"]))
    stage.up()
    stage.check_running()
    stood(before, stage)
    line = excerpt(done, "holds no data volume")
    return Told(
        "the up refuses to put a second host beside the first; `infra.orphans --end`, up",
        line,
        cost=re.findall(r"\$[\d.]+ an hour", line)[0] + ", until it is ended",
    )


@day("Power cut in an up, while a model starts on the host", "paused")
def up_cut_step(stage: Stage) -> Told:
    before = stage.data()
    stage.ran()
    stage.script({"step": "-nim-llm", "seconds": 120})
    running = stage.starting("up")
    running.kill_when(lambda: "nim-embedding created" in running.printed())
    stage.mend_torn_state()
    stage.script()
    first = stage.ran()
    locked = unlock(stage, "up")
    stage.up()
    stage.check_running()
    stood(before, stage)
    second = stage.ran()
    last, cut_off = "services-nim-embedding", "services-nim-llm"
    assert first[-1] == last
    # The engine prints that a step is done, and then writes it down: cut in between, that step runs once more.
    second = second[1:] if second[0] == last else second
    assert second[0] == cut_off, second
    assert not set(first) & set(second), second
    return Told(
        "cancel, refresh, up: goes on with the step that was cut off, or with the one before it if that was not yet "
        "written down; a step may run twice",
        locked,
    )


def _cut_destroy(operation: str, pending: str, title: str) -> None:
    @day(f"Power cut in a destroy, while {title}", "running", name=f"destroy-cut-{operation.lower()}")
    def act(stage: Stage) -> Told:
        before = stage.data()
        assert pending in cut(stage, "destroy", operation)
        locked = unlock(stage, "destroy")
        stage.pause()
        stage.check_paused("volume")
        stood(before, stage)
        return Told("cancel, refresh, destroy: removed the rest", locked)


for _operation, _pending, _title in (
    ("StopInstances", "aws:ec2/volumeAttachment:VolumeAttachment", "the host shuts down"),
    ("DetachVolume", "aws:ec2/volumeAttachment:VolumeAttachment", "the volume is detached"),
    ("TerminateInstances", "aws:ec2/instance:Instance", "the host is ended"),
    ("ReleaseAddress", "aws:ec2/eip:Eip", "the address is released"),
    ("DeleteVpc", "aws:ec2/vpc:Vpc", "the network is removed"),
):
    _cut_destroy(_operation, _pending, _title)


def _cut_snapshot(operation: str, title: str, cost: str, snapshots: int) -> None:
    @day(
        f"Power cut in a destroy, while {title}",
        "running",
        mode="snapshot",
        name=f"destroy-cut-{operation.lower()}",
    )
    def act(stage: Stage) -> Told:
        before = stage.data()
        assert "aws:ebs/volume:Volume" in cut(stage, "destroy", operation)
        locked = unlock(stage, "destroy")
        stage.pause()
        stage.check_paused("snapshot")
        assert len(stage.snapshots()) == snapshots
        stage.up()
        stage.check_running()
        stood(before, stage, changed_volume=True)
        return Told("cancel, refresh, destroy: removed the rest; the next up restored", locked, cost=cost)


_cut_snapshot(
    "CreateSnapshot", "the snapshot is taken", "one snapshot more, which `infra.snapshots` lists", 2
)
_cut_snapshot("DeleteVolume", "the volume is deleted after its snapshot", NOTHING, 1)


@day("The power went while the state was written (a backend of files)", "paused")
def state_torn(stage: Stage) -> Told:
    before = stage.data()
    stage.tear_state()
    done = failed(stage.workspace.up("--skip-preview"))
    stage.mend_torn_state()
    again(stage)
    stood(before, stage)
    return Told("nothing begun; one empty file removed, up", excerpt(done, "failed to load"))


# AWS has no room, or answers no more.

NO_ROOM: Final = "InsufficientInstanceCapacity"
NO_ROOM_TEXT: Final = (
    "We currently do not have sufficient g5.2xlarge capacity in the Availability Zone you requested."
)


@day("No capacity in the volume's zone at the resume", "paused")
def no_capacity(stage: Stage) -> Told:
    stage.plant(
        {"operation": "CreateCapacityReservation", "error": NO_ROOM, "message": NO_ROOM_TEXT, "times": 0}
    )
    return Told("nothing created", refused(stage, "AWS has no"))


@day("No capacity when a stopped host is to start", "paused", mode="stop")
def no_capacity_start(stage: Stage) -> Told:
    before = stage.data()
    stage.plant({"operation": "StartInstances", "error": NO_ROOM, "message": NO_ROOM_TEXT, "times": 0})
    stage.workspace.set("paused", "false")
    done = failed(stage.workspace.up("--skip-preview"))
    assert [each["State"]["Name"] for each in stage.hosts()] == ["stopped"]
    stage.plant()
    again(stage)
    stood(before, stage)
    return Told(
        "the host stays stopped; up once there is room", excerpt(done, "InsufficientInstanceCapacity")
    )


@day("Capacity is gone between the probe and the launch", "paused")
def capacity_gone(stage: Stage) -> Told:
    before = stage.data()
    stage.plant({"operation": "RunInstances", "error": NO_ROOM, "message": NO_ROOM_TEXT, "times": 0})
    done = failed(stage.workspace.up("--skip-preview"))
    assert stage.hosts() == []
    assert "ec2:elastic-ip" in {each.kind for each in stage.cloud.billable()}
    stage.plant()
    again(stage)
    stood(before, stage)
    return Told(
        "network and address made, no host; up once there is room, or destroy",
        excerpt(done, "    error: creating"),
        cost="the address, $0.005 an hour, until then",
    )


@day("The type was changed while paused, and the quota is too small for it", "paused")
def type_changed(stage: Stage) -> Told:
    stage.workspace.set("instanceType", "g5.4xlarge")
    told = refused(stage, "vCPUs")
    stage.cloud.rules.vcpu_quota[QUOTA_ON_DEMAND] = 16
    again(stage)
    (host,) = stage.hosts()
    assert host["InstanceType"] == "g5.4xlarge"
    return Told("nothing created; with the quota, the new type on the same volume", told)


@day("The type was changed while the host was stopped", "paused", mode="stop")
def type_changed_while_stopped(stage: Stage) -> Told:
    stage.cloud.rules.vcpu_quota[QUOTA_ON_DEMAND] = 16
    stage.workspace.set("instanceType", "g5.4xlarge")
    done = stage.up()
    stage.check_paused("stop")
    (host,) = stage.hosts()
    assert host["InstanceType"] == "g5.4xlarge"
    assert done.names("create-replacement") == ["chartwell-dev-host-power"]
    return Told("the provider starts a host whose type it changes; the same up stops it again", "no error")


LINE_CUT: Final = "Connection was closed before we received a valid response"


@day("The network is cut in the middle of an up, until it gives up", "paused")
def network_cut_up(stage: Stage) -> Told:
    before = stage.data()
    running = stage.starting("up")
    stage.cloud.wait_for("AllocateAddress", stage.cloud.count("AllocateAddress") + 1)
    stage.plant({"operation": "*", "drop": True, "times": 0})
    done = failed(running.wait())
    assert LINE_CUT in done.printed
    stage.plant()
    again(stage)
    stood(before, stage)
    return Told("stops, frees the lock; the next up makes the rest", f"{LINE_CUT} from …")


@day("The network is cut in the middle of a destroy, until it gives up", "running")
def network_cut_destroy(stage: Stage) -> Told:
    before = stage.data()
    running = stage.starting("destroy")
    stage.cloud.wait_for("StopInstances", stage.cloud.count("StopInstances") + 1)
    stage.plant({"operation": "*", "drop": True, "times": 0})
    done = failed(running.wait())
    assert LINE_CUT in done.printed
    stage.plant()
    stage.pause()
    stage.check_paused("volume")
    stood(before, stage)
    return Told("stops, frees the lock; the next destroy removes the rest", f"{LINE_CUT} from …")


@day("A subnet cannot be deleted yet", "running")
def delete_fails_once(stage: Stage) -> Told:
    before = stage.data()
    stage.plant({"operation": "DeleteSubnet", "error": "DependencyViolation", "times": 2})
    stage.pause()
    stage.check_paused("volume")
    stood(before, stage)
    return Told("the provider asks again until it can", NOTHING)


IN_USE: Final = "The vpc has dependencies and cannot be deleted."


@day("The network cannot be deleted: something that is not ours is in it", "running")
def delete_fails(stage: Stage) -> Told:
    before = stage.data()
    stage.plant({"operation": "DeleteVpc", "error": "DependencyViolation", "message": IN_USE, "times": 0})
    done = failed(stage.workspace.destroy("--skip-preview"))
    stage.plant()
    stage.pause()
    stage.check_paused("volume")
    stood(before, stage)
    return Told(
        "all but the network is gone; destroy again once that is removed",
        excerpt(done, "DependencyViolation"),
    )


# The host.


@day("The host is gone before the destroy: ended by hand, or by AWS", "running")
def host_gone(stage: Stage) -> Told:
    before = stage.data()
    (host,) = stage.hosts()
    stage.client("ec2").terminate_instances(InstanceIds=[host["InstanceId"]])
    stage.pause()
    stage.check_paused("volume")
    stood(before, stage)
    return Told("the refresh drops the host; the rest is removed", NOTHING)


@day("The host dies during the destroy, after the refresh", "running")
def host_dies(stage: Stage) -> Told:
    before = stage.data()
    (host,) = stage.hosts()
    before_it = stage.cloud.count("StopInstances", performed=True)
    stage.plant({"operation": "StopInstances", "hang": 3})
    running = stage.starting("destroy")
    stage.cloud.wait_for("StopInstances", before_it + 1, performed=True)
    stage.client("ec2").terminate_instances(InstanceIds=[host["InstanceId"]])
    done = failed(running.wait())
    stage.plant()
    stage.pause()
    stage.check_paused("volume")
    stood(before, stage)
    return Told(
        "the detachment waits for it in vain and fails; destroy again", excerpt(done, "error: deleting")
    )


@day("The idle watch has stopped the host", "running")
def idle_stop(stage: Stage) -> Told:
    before = stage.data()
    (host,) = stage.hosts()
    stage.client("ec2").stop_instances(InstanceIds=[host["InstanceId"]])
    done = well(stage.workspace.up("--skip-preview", "--refresh"))
    stage.check_running()
    stood(before, stage)
    assert stage.hosts()[0]["InstanceId"] == host["InstanceId"]
    assert done.changes == {"update": 1}
    return Told(
        "`pulumi up --refresh` starts the same host, and changes nothing else", excerpt(done, "1 updated")
    )


@day("Spot: AWS ends the host for good", "paused")
def spot_gone(stage: Stage) -> Told:
    stage.workspace.set("spot", "true")
    told = refused(stage, "spot was never used")
    path = "/aws-service-role/spot.amazonaws.com/"
    stage.client("iam").create_role(RoleName=SPOT_ROLE, Path=path, AssumeRolePolicyDocument="{}")
    again(stage)
    (host,) = stage.hosts()
    assert host["InstanceLifecycle"] == "spot"
    stage.client("ec2").terminate_instances(InstanceIds=[host["InstanceId"]])
    again(stage)
    return Told("the next up launches another host on the same volume", told)


@day("A new machine image while the host runs", "running")
def image_bumped(stage: Stage) -> Told:
    before = stage.data()
    stage.workspace.set("amiId", IMAGES[1])
    stage.ran()
    done = stage.up()
    stage.check_running()
    stood(before, stage)
    (host,) = stage.hosts()
    assert host["ImageId"] == IMAGES[1]
    assert "services-data-volume" in stage.ran()
    return Told(
        "ends the old host first, then launches, attaches, runs every step again", excerpt(done, "replaced")
    )


FAILED_LINE: Final = "FAILED nim-llm: CUDA out of memory (docs/troubleshooting-aws.md#model-memory)"


@day("A step fails on the host", "paused")
def step_fails(stage: Stage) -> Told:
    before = stage.data()
    stage.ran()
    lines = f"loading\n{FAILED_LINE}"
    stage.script({"step": "-nim-llm", "exit": 1, "stderr": lines, "times": 1})
    done = failed(stage.workspace.up("--skip-preview"))
    assert stage.ran()[-1] == "services-nim-llm"
    again(stage)
    assert stage.ran()[0] == "services-nim-llm"
    stood(before, stage)
    assert FAILED_LINE in done.printed
    assert "Traceback" not in done.printed
    return Told("stops there; the next up goes on with that step", FAILED_LINE)


# The data.


@day("The snapshot of the pause fails", "running", mode="snapshot")
def snapshot_fails(stage: Stage) -> Told:
    before = stage.data()
    stage.plant({"operation": "CreateSnapshot", "outcome": "error", "seconds": 1})
    done = failed(stage.workspace.destroy("--skip-preview"))
    stood(before, stage)
    stage.plant()
    stage.pause()
    stage.check_paused("snapshot")
    again_from_snapshot(stage, before)
    return Told("the volume is kept; destroy again takes another snapshot", excerpt(done, "error: deleting"))


def again_from_snapshot(stage: Stage, before: Data) -> None:
    stage.up()
    stage.check_running()
    stood(before, stage, changed_volume=True)


@day("Two volumes carry the stack's tags", "paused")
def two_volumes(stage: Stage) -> Told:
    ec2 = stage.client("ec2")
    (volume,) = stage.volumes()
    tags = [{"ResourceType": "volume", "Tags": volume["Tags"]}]
    zone = volume["AvailabilityZone"]
    made = ec2.create_volume(AvailabilityZone=zone, Size=200, Encrypted=True, TagSpecifications=tags)[
        "VolumeId"
    ]
    done = failed(stage.workspace.up("--skip-preview"))
    stage.check_paused("volume")
    assert {each["VolumeId"] for each in stage.volumes()} == {volume["VolumeId"], made}
    return Told("nothing created", excerpt(done, "2 data volumes"))


@day("The volume lies in a zone that the configuration rules out", "paused")
def volume_elsewhere(stage: Stage) -> Told:
    (volume,) = stage.volumes()
    other = "us-east-1b" if volume["AvailabilityZone"] != "us-east-1b" else "us-east-1c"
    stage.workspace.must("config", "set", "--path", "availabilityZones[0]", other)
    return Told("nothing created", refused(stage, "lies in"))


@day("The region was changed while paused", "paused")
def region_changed(stage: Stage) -> Told:
    stage.workspace.set("region", "us-west-2")
    return Told("nothing created, in neither region", refused(stage, "lies in"))


@day("The stack was renamed while the host runs, and the quota has room for a second", "running")
def stack_renamed(stage: Stage) -> Told:
    before = stage.data()
    stage.cloud.rules.vcpu_quota[QUOTA_ON_DEMAND] = 16
    stage.workspace.must("stack", "rename", "prod")
    done = failed(stage.workspace.up("--skip-preview"))
    assert len(stage.volumes()) == len(stage.hosts("pending", "running", "stopped")) == 1
    stage.workspace.must("stack", "rename", STACK)
    stage.check_running()
    stood(before, stage)
    return Told(
        "nothing created, nothing let go; renamed back, it is as it was", excerpt(done, "holds the data of")
    )


@day("Someone has deleted the volume", "paused")
def volume_gone(stage: Stage) -> Told:
    (volume,) = stage.volumes()
    stage.client("ec2").delete_volume(VolumeId=volume["VolumeId"])
    done = failed(stage.workspace.up("--skip-preview"))
    assert stage.volumes() == []
    stage.check_paused("volume")
    return Told("nothing created: no blank disk in its place", excerpt(done, "is gone"), data="gone before")


@day("The state is lost while paused", "paused")
def state_lost_paused(stage: Stage) -> Told:
    stage.workspace.lose_state()
    again(stage)
    return Told("the next up adopts all that holds data", NOTHING)


@day("The state is lost while the host runs", "running")
def state_lost_running(stage: Stage) -> Told:
    before = stage.data()
    (host,), (volume,) = stage.hosts(), stage.volumes()
    stage.workspace.lose_state()
    done = failed(stage.workspace.up("--skip-preview"))
    end = ("--end", host["InstanceId"])
    assert stage.orphans(*end).code != 0  # holds the data
    well(stage.orphans(*end, "--holding", volume["VolumeId"]))
    stood(before, stage)
    line = excerpt(done, "holds vol-")
    return Told("nothing created; `infra.orphans --end … --holding …` stops the host, then ends it", line)


@day("restoreSnapshotId names an older snapshot than the pause has made", "running", mode="snapshot")
def restore_older(stage: Stage) -> Told:
    """As a key does that was left set after a restore."""
    (volume,) = stage.volumes()
    made = stage.client("ec2").create_snapshot(
        VolumeId=volume["VolumeId"],
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": volume["Tags"]}],
    )
    stage.workspace.set("restoreSnapshotId", made["SnapshotId"])
    stage.pause("snapshot")
    done = failed(stage.workspace.up("--skip-preview"))
    stage.check_paused("snapshot")
    stage.workspace.unset("restoreSnapshotId")
    stage.up()
    stage.check_running()
    (restored,) = stage.volumes()
    assert restored["SnapshotId"] == stage.snapshots()[-1]["SnapshotId"] != made["SnapshotId"]
    return Told(
        "nothing created: no step back in silence; the key removed, restored from the newer",
        excerpt(done, "restoreSnapshotId is"),
    )


@day("pauseMode is changed, and the pause follows without an up", "running")
def mode_changed(stage: Stage) -> Told:
    before = stage.data()
    stage.workspace.set("pauseMode", "snapshot")
    stage.pause()
    stage.check_paused("volume")
    stood(before, stage)
    return Told("destroy does what the last up recorded: the volume stays", NOTHING)


@day("pauseMode is changed back while only a snapshot is left", "paused", mode="snapshot")
def mode_changed_back(stage: Stage) -> Told:
    stage.workspace.set("pauseMode", "volume")
    done = failed(stage.workspace.up("--skip-preview"))
    stage.check_paused("snapshot")
    (snapshot,) = stage.snapshots()
    stage.workspace.set("restoreSnapshotId", snapshot["SnapshotId"])
    stage.up()
    stage.check_running()
    return Told("nothing created; restored once the snapshot is named", excerpt(done, "is gone"))
