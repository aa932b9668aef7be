"""The provider that stands in for pulumi-aws: the whole program made, read back, paused and adopted, and what each
change does to a resource. Driven by a hand client, without the engine.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi_aws
import pytest
from google.protobuf import json_format
from pulumi.runtime.proto import provider_pb2 as proto

from infra import stack
from infra.plan import inventory
from infra.plan.config import StackConfig
from tests.engine.aws_provider.provider import KINDS, UnknownTypeError
from tests.engine.aws_provider.values import SECRET, SIGNATURE, UNKNOWN
from tests.engine.client import Client, RefusedError, Resource
from tests.engine.cloud import account as cloud
from tests.infra import stacks
from tests.infra.recording import Recorded, Registered, destroy_layers, record


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[cloud.Cloud]:
    endpoint, opened = cloud.start()
    enter(monkeypatch, endpoint)
    yield opened
    opened.stop()


class Stack:
    """The program's resources through the provider: a very small engine."""

    def __init__(self, account: cloud.Cloud, wheel: Path, **changes: Any) -> None:
        self.account, self.wheel = account, wheel
        self.config: StackConfig = stacks.config(**changes)
        self.client = Client(dict(self.config.tags))
        self.known: dict[str, Resource] = {}
        self.updated: list[str] = []
        self.recorded = Recorded()

    def up(self) -> Recorded:
        found = inventory.discover(self.config, self.account.account())

        def program() -> dict[str, Any]:
            return stack.build(self.config, found, wheel=self.wheel, host_keys=lambda _: stacks.HOST_KEY)

        self.recorded = record(program, create=self._register)
        return self.recorded

    def _register(self, registered: Registered) -> tuple[str, dict[str, Any]]:
        props = dict(registered.props)
        if registered.type == "pulumi:providers:aws":
            self.client.configure(**props)
        if not registered.type.startswith("aws:"):
            return registered.name, {**props, "stdout": "", "stderr": ""}
        known = self._adopted(registered) or self.client.create(registered.type, registered.name, props)
        self.known[registered.urn] = known
        return known.id, {**known.outputs, "id": known.id}

    def _adopted(self, registered: Registered) -> Resource | None:
        if not registered.import_id:
            return None
        found = self.client.adopt(registered.type, registered.name, registered.import_id)
        assert found is not None, f"{registered.name} is to be imported and is not there"
        changed, replacing = self.client.diff(found, dict(registered.props), *registered.ignore_changes)
        assert not replacing, f"{registered.name}: an import that would replace is refused ({replacing})"
        if changed:
            self.updated.append(registered.name)
            return self.client.update(found, dict(registered.props))
        return found

    def drift(self) -> dict[str, set[str]]:
        """By name: inputs that a refresh finds otherwise than they were given."""
        found = {}
        for each in self.recorded.custom:
            if known := self.known.get(each.urn):
                seen = self.client.refresh(known)
                assert seen is not None, f"{each.name} is gone"
                changed, _ = self.client.diff(seen, dict(each.props), *each.ignore_changes)
                if changed:
                    found[each.name] = changed
        return found

    def destroy(self) -> None:
        for layer in destroy_layers(self.recorded):
            for each in layer:
                if each.urn in self.known and not each.retain_on_delete:
                    self.client.delete(self.known[each.urn])
        self.known.clear()


MODES: dict[str, dict[str, Any]] = {
    "volume": {},
    "snapshot": {"pauseMode": "snapshot"},
    "stopped": {"pauseMode": "stop", "paused": True},
    "spot with hours": {"spot": True, "offHoursStop": "19:00", "offHoursStart": "07:00"},
}


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_the_program_comes_up_reads_back_pauses_and_comes_back(
    account: cloud.Cloud, tmp_path: Path, mode: str
) -> None:
    wheel = tmp_path / "chartwell-0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    paused = Stack(account, wheel, **MODES[mode])
    paused.up()
    assert paused.drift() == {}
    volume = next(each.id for urn, each in paused.known.items() if "aws:ebs/volume:Volume" in urn)

    paused.destroy()

    kept = {each.kind for each in account.billable()}
    data = "ec2:snapshot" if mode == "snapshot" else "ec2:volume"
    assert kept == {data, "kms:key", "logs:log-group", "s3:bucket"}

    paused.up()
    assert paused.drift() == {}
    again = next(each for urn, each in paused.known.items() if "aws:ebs/volume:Volume" in urn)
    if mode == "snapshot":
        assert again.outputs["snapshotId"].startswith("snap-")
    else:
        assert again.id == volume


def test_a_decommissioned_stack_leaves_nothing_on_the_bill(account: cloud.Cloud, tmp_path: Path) -> None:
    wheel = tmp_path / "chartwell-0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    gone = Stack(account, wheel, dataRetention="destroy")
    gone.up()
    documents = next(each.id for urn, each in gone.known.items() if urn.endswith("dev-data-documents"))
    account.account().client("s3").put_object(Bucket=documents, Key="documents/note.txt", Body=b"text")

    gone.destroy()

    assert account.billable() == []


def test_every_property_that_replaces_is_one_of_the_package() -> None:
    """A misspelt rule would never be met. Source of each: `Kind.source` in hashicorp/terraform-provider-aws."""
    for kind in KINDS.values():
        package, name = re.fullmatch(r"aws:(\w+)/\w+:(\w+)", kind.token).groups()
        inputs = set(inspect.signature(getattr(getattr(pulumi_aws, package), name)._internal_init).parameters)
        named = {each.split(".")[0] for each in (*kind.replaces, *kind.changes, *kind.computed)} - {"*"}
        assert {_snake(each) for each in named} <= inputs, kind.token
        assert kind.source.endswith(".go"), kind.token
        assert not set(kind.replaces) & set(kind.changes), kind.token


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: f"_{match[0].lower()}", name)


def enter(patch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name, value in (("ENDPOINT_URL", endpoint), ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        patch.setenv(f"AWS_{name}", value)
    patch.setenv("ENGINE_PATIENCE_SECONDS", "0.3")


@pytest.fixture(scope="module")
def made_host() -> Iterator[Host]:
    endpoint, opened = cloud.start()
    with pytest.MonkeyPatch.context() as patch:
        enter(patch, endpoint)
        made = Host(opened)
    yield made
    opened.stop()


@pytest.fixture
def host(made_host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The same host for all tests; each leaves it as it was."""
    enter(monkeypatch, made_host.account.endpoint)
    return made_host


class Host:
    """An instance with an address and a volume, through the provider."""

    def __init__(self, opened: cloud.Cloud) -> None:
        self.account = opened
        self.client = client = Client({"Stack": "dev"})
        client.configure(maxRetries="0")
        self.ec2 = opened.account().client("ec2")
        vpc = client.create("aws:ec2/vpc:Vpc", "vpc", {"cidrBlock": "10.20.0.0/16"})
        subnet = client.create(
            "aws:ec2/subnet:Subnet",
            "subnet",
            {"vpcId": vpc.id, "cidrBlock": "10.20.0.0/24", "availabilityZone": "us-east-1a"},
        )
        group = client.create(
            "aws:ec2/securityGroup:SecurityGroup", "group", {"vpcId": vpc.id, "description": "d"}
        )
        role = client.create("aws:iam/role:Role", "role", {"assumeRolePolicy": '{"Statement": []}'})
        profile = client.create("aws:iam/instanceProfile:InstanceProfile", "profile", {"role": role.id})
        pair = client.create("aws:ec2/keyPair:KeyPair", "pair", {"publicKey": stacks.PUBLIC_KEY})
        self.given = {
            "ami": cloud.IMAGES[0],
            "instanceType": "g5.2xlarge",
            "availabilityZone": "us-east-1a",
            "subnetId": subnet.id,
            "vpcSecurityGroupIds": [group.id],
            "iamInstanceProfile": profile.id,
            "keyName": pair.id,
            "ebsOptimized": True,
            "monitoring": True,
            "instanceInitiatedShutdownBehavior": "stop",
            "metadataOptions": {"httpTokens": "required"},
            "rootBlockDevice": {"encrypted": True, "volumeSize": 40, "tags": {"Role": "root"}},
            "userData": "#cloud-config\n",
            "userDataReplaceOnChange": True,
        }
        self.instance = client.create("aws:ec2/instance:Instance", "host", self.given)

    def changed(self, **changes: Any) -> tuple[set[str], set[str]]:
        return self.client.diff(self.instance, {**self.given, **changes})

    def state(self) -> str:
        found = self.ec2.describe_instances(InstanceIds=[self.instance.id])["Reservations"][0]["Instances"][0]
        return str(found["State"]["Name"])


@pytest.mark.parametrize(
    ("changes", "replacing"),
    [
        ({"ami": cloud.IMAGES[1]}, {"ami"}),
        ({"subnetId": "subnet-0"}, {"subnetId"}),
        ({"subnetId": UNKNOWN}, {"subnetId"}),
        ({"instanceType": "g5.4xlarge"}, set()),
        ({"userData": "#cloud-config\n# other\n"}, {"userData"}),
        ({"userData": UNKNOWN}, {"userData"}),
        ({"userData": "other", "userDataReplaceOnChange": False}, set()),
        ({"rootBlockDevice": {"encrypted": True, "volumeSize": 80, "tags": {"Role": "root"}}}, set()),
        ({"rootBlockDevice": {"encrypted": False, "volumeSize": 40}}, {"rootBlockDevice"}),
        ({"tags": {"Name": "other"}}, set()),
        ({"associatePublicIpAddress": False}, {"associatePublicIpAddress"}),
    ],
)
def test_what_replaces_a_host(host: Host, changes: dict[str, Any], replacing: set[str]) -> None:
    changed, found = host.changed(**changes)
    assert changes.keys() <= changed
    assert found == replacing


def test_the_same_properties_are_no_change(host: Host) -> None:
    assert host.changed() == (set(), set())
    seen = host.client.refresh(host.instance)
    assert seen is not None
    assert seen.inputs == host.instance.inputs
    assert seen.inputs["tags"] == {"Stack": "dev"}


def test_a_public_address_reads_as_one_of_the_launch(host: Host) -> None:
    """hashicorp/terraform-provider-aws#37318: who sets it to false replaces the host at the next up."""
    address = host.client.create("aws:ec2/eip:Eip", "address", {"domain": "vpc"})
    given = {"allocationId": address.id, "instanceId": host.instance.id}
    association = host.client.create("aws:ec2/eipAssociation:EipAssociation", "on", given)
    seen = host.client.refresh(host.instance)
    assert seen is not None
    assert host.client.diff(seen, host.given) == (set(), set())
    set_to_false = Resource(
        seen.urn, seen.id, {**seen.inputs, "associatePublicIpAddress": False}, seen.outputs
    )
    seen = host.client.refresh(set_to_false)
    assert seen is not None
    _, replacing = host.client.diff(seen, {**host.given, "associatePublicIpAddress": False})
    assert replacing == {"associatePublicIpAddress"}
    host.client.delete(association)
    host.client.delete(address)


def test_another_type_starts_a_host_that_was_stopped(host: Host) -> None:
    """`modifyInstanceAttributeWithStopStart` of internal/service/ec2/ec2_instance.go starts it in any case."""
    host.ec2.stop_instances(InstanceIds=[host.instance.id])
    host.client.update(host.instance, {**host.given, "instanceType": "g5.xlarge"})
    assert host.state() == "running"
    host.client.update(
        Resource(host.instance.urn, host.instance.id, {**host.given, "instanceType": "g5.xlarge"}, {}),
        host.given,
    )


def test_a_spot_host_takes_its_request_with_it(host: Host) -> None:
    spot = {"marketType": "spot", "spotOptions": {"spotInstanceType": "persistent"}}
    bidden = host.client.create(
        "aws:ec2/instance:Instance", "spot", {**host.given, "instanceMarketOptions": spot}
    )
    host.client.delete(bidden)
    assert "ec2:spot-instances-request" not in {each.kind for each in host.account.billable()}
    assert host.client.refresh(bidden) is None


def test_a_change_that_cannot_be_made_is_refused(host: Host) -> None:
    with pytest.raises(RefusedError, match="cannot change metadataOptions"):
        host.client.update(host.instance, {**host.given, "metadataOptions": {"httpTokens": "optional"}})


def test_a_preview_knows_the_inputs_and_nothing_else(host: Host) -> None:
    foreseen = host.client.foresee("aws:ec2/eip:Eip", {"domain": "vpc"})
    assert foreseen["publicIp"] == foreseen["allocationId"] == UNKNOWN
    assert foreseen["domain"] == "vpc"
    assert host.account.count("AllocateAddress") <= 1


def volume_of(host: Host, **changes: Any) -> Resource:
    given = {"availabilityZone": "us-east-1a", "size": 200, "type": "gp3", "encrypted": True, **changes}
    return host.client.create("aws:ebs/volume:Volume", "disk", given)


def test_a_volume_is_replaced_by_what_cannot_change(host: Host) -> None:
    disk = volume_of(host)
    for changes, replacing in (
        ({"size": 300}, set()),
        ({"finalSnapshot": True}, set()),
        ({"availabilityZone": "us-east-1b"}, {"availabilityZone"}),
        ({"kmsKeyId": "arn:other"}, {"kmsKeyId"}),
        ({"snapshotId": "snap-0"}, {"snapshotId"}),
    ):
        assert host.client.diff(disk, {**disk.inputs, **changes}) == (set(changes), replacing)
    assert host.client.diff(disk, {**disk.inputs, "snapshotId": "snap-0"}, "snapshotId") == (set(), set())
    grown = host.client.update(disk, {**disk.inputs, "size": 300})
    assert grown.outputs["size"] == 300
    host.client.delete(grown)
    assert host.client.refresh(grown) is None
    host.client.delete(grown)  # gone already: no error


def test_a_final_snapshot_is_waited_for_as_long_as_the_deletion_may_take(host: Host) -> None:
    rules = host.account.rules
    disk = volume_of(host, finalSnapshot=True, tags={"Role": "data"})
    rules.snapshot_seconds = 0.9  # of a patience of 0.3 s
    with pytest.raises(RefusedError, match="timeout while waiting for EBS Snapshot"):
        host.client.delete(disk)
    assert host.client.refresh(disk) is not None
    host.client.delete(disk, seconds=7200)
    rules.snapshot_seconds = 0.0
    assert host.client.refresh(disk) is None
    made = host.ec2.describe_snapshots(Filters=[{"Name": "tag:Role", "Values": ["data"]}])["Snapshots"]
    tags = [{each["Key"]: each["Value"] for each in one.get("Tags", ())} for one in made]
    assert tags == [{"Role": "data", "Stack": "dev"}] * 2
    for each in made:
        host.ec2.delete_snapshot(SnapshotId=each["SnapshotId"])


def test_an_attached_volume_goes_after_a_clean_stop(host: Host) -> None:
    disk = volume_of(host)
    given = {
        "deviceName": "/dev/sdf",
        "instanceId": host.instance.id,
        "volumeId": disk.id,
        "stopInstanceBeforeDetaching": True,
    }
    attached = host.client.create("aws:ec2/volumeAttachment:VolumeAttachment", "on", given)
    with pytest.raises(RefusedError, match="VolumeInUse"):
        host.client.delete(disk)
    host.client.delete(attached)
    assert host.state() == "stopped"
    assert host.client.refresh(attached) is None
    host.client.delete(disk)
    host.ec2.start_instances(InstanceIds=[host.instance.id])


def test_the_state_of_a_host_is_set_and_a_deletion_leaves_it(host: Host) -> None:
    token = "aws:ec2transitgateway/instanceState:InstanceState"
    power = host.client.create(token, "power", {"instanceId": host.instance.id, "state": "stopped"})
    assert host.state() == "stopped"
    host.ec2.start_instances(InstanceIds=[host.instance.id])
    seen = host.client.refresh(power)
    assert seen is not None
    assert host.client.diff(seen, power.inputs) == ({"state"}, set())
    power = host.client.update(seen, power.inputs)
    assert host.state() == "stopped"
    host.client.delete(power)
    assert host.state() == "stopped"
    host.ec2.start_instances(InstanceIds=[host.instance.id])


def test_a_parameter_is_sealed_and_comes_back_as_a_value(host: Host) -> None:
    token = "aws:ssm/parameter:Parameter"
    given = {"name": "/chartwell/dev/password", "type": "SecureString", "value": "s3cret"}
    made = host.client.create(token, "password", given)
    request = proto.ReadRequest(id=made.id, urn=made.urn)
    answer = host.client.provider.Read(request, None)
    for each in (answer.inputs, answer.properties):
        assert json_format.MessageToDict(each)["value"] == {SIGNATURE: SECRET, "value": "s3cret"}
    record = {"name": "/chartwell/dev/record", "type": "String", "insecureValue": "vol-1"}
    host.client.create(token, "record", record)
    adopted = host.client.adopt(token, "record", "/chartwell/dev/record")
    assert adopted is not None
    assert adopted.inputs["value"] == "vol-1"
    assert host.client.diff(adopted, record) == ({"insecureValue"}, set())
    again = host.client.update(adopted, record)
    assert host.client.diff(again, record) == (set(), set())


def test_a_foreign_account_is_refused(host: Host) -> None:
    with pytest.raises(RefusedError, match="not allowed"):
        Client().configure(allowedAccountIds=["210987654321"])


def test_a_type_that_is_not_known_is_an_error(host: Host) -> None:
    with pytest.raises(UnknownTypeError, match="aws:rds"):
        host.client.create("aws:rds/instance:Instance", "database", {})
