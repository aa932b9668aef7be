"""What AWS refuses and moto does not, what it answers and moto cannot, and what machines hear of it.

Each rule names its page or code of the EC2 API reference (docs.aws.amazon.com/AWSEC2/latest/APIReference); where a
message is quoted, it is AWS's. Decides nothing about requests' form (account.py). A rule looks at moto's own objects,
so it holds for whatever client made them.
"""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moto.backends import get_backend

from infra.plan import catalog
from infra.preflight import QUOTA_ON_DEMAND, QUOTA_SPOT
from tests.engine.cloud.hypervisor import Hypervisor

if TYPE_CHECKING:
    from tests.engine.cloud.account import Call

ACCOUNT: Final = "123456789012"
DASHBOARDS_FREE: Final = 3  # aws.amazon.com/cloudwatch/pricing
USER_DATA_BYTES_MAX: Final = 16_384
NEWEST_IMAGE: Final = "ami-0b3a9c5d1e7f20468"
SERVER_FAULTS: Final = {
    "InsufficientInstanceCapacity": 500,
    "InternalError": 500,
    "Unavailable": 503,
    "RequestLimitExceeded": 503,
}
STOPPED: Final = (80, "stopped")
STOPPING: Final = (64, "stopping")
ALIVE: Final = ("pending", "running", "stopping", "stopped")


class AwsError(Exception):
    """What AWS would refuse, in its words. `status` 0: the one that AWS sends with this code."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message
        self.status = status or SERVER_FAULTS.get(code, 400)


@dataclass(frozen=True)
class Answered:
    """What goes back over the line."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True)
class Billed:
    """One thing on the bill. `kind` as the tagging API names it, such as ec2:volume."""

    kind: str
    resource_id: str
    note: str = ""
    role: str = ""
    """The tag Role, where there is one."""


@dataclass
class Rules:
    """The account's strict side. Sizes in GiB, times in seconds."""

    hypervisor: Hypervisor
    vcpu_quota: dict[str, int] = field(default_factory=lambda: {QUOTA_ON_DEMAND: 8, QUOTA_SPOT: 8})
    snapshot_seconds: float = 0.0
    """How long a snapshot stays pending."""
    _launched: dict[str, tuple[str, Answered]] = field(default_factory=dict)
    _reservations: dict[str, str] = field(default_factory=dict)
    _spot: dict[str, str] = field(default_factory=dict)
    _pending: dict[str, tuple[float, str]] = field(default_factory=dict)
    _region: str = "us-east-1"

    # What the door calls, in this order.

    def answer(self, call: Call) -> Answered | None:
        """An answer of our own, for what moto lacks. None: moto answers."""
        if call.service == "ec2":
            self._region = call.region
            self._refresh()
        own = getattr(self, f"_answer_{call.operation}", None)
        return own(call) if own else None

    def check(self, call: Call) -> None:
        """Raises AwsError when AWS would refuse."""
        self._each("check", call)

    def lead(self, call: Call) -> None:
        """What the machines hear before the account changes."""
        self._each("lead", call)

    def follow(self, call: Call, answer: str) -> None:
        """What the machines hear, and what is remembered, once the account has changed."""
        follower = getattr(self, f"_follow_{call.operation}", None)
        if follower:
            follower(call, answer)

    def _each(self, when: str, call: Call) -> None:
        rule = getattr(self, f"_{when}_{call.operation}", None)
        if rule:
            rule(call)

    # The account's own objects.

    @property
    def ec2(self) -> Any:
        return get_backend("ec2")[ACCOUNT][self._region]

    def _instances(self) -> list[Any]:
        return list(self.ec2.all_instances())

    def _alive(self) -> list[Any]:
        return [each for each in self._instances() if each.state in ALIVE]

    def _refresh(self) -> None:
        """Time has passed: machines may have powered off, snapshots may be done."""
        for each in self._instances():
            if each.state == "running" and self.hypervisor.state(each.id) != "running":
                _set_state(each, STOPPED)
        for snapshot_id, (done_at, state) in list(self._pending.items()):
            if time.monotonic() >= done_at and snapshot_id in self.ec2.snapshots:
                self.ec2.snapshots[snapshot_id].status = state
                del self._pending[snapshot_id]

    # Instances.

    def _answer_RunInstances(self, call: Call) -> Answered | None:
        """The same token starts nothing again (…/devguide/ec2-api-idempotency.html)."""
        token = str(call.parameters.get("ClientToken", ""))
        if token not in self._launched:
            return None
        text, first = self._launched[token]
        if text != call.text:
            raise AwsError(
                "IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent"
            )
        (instance_id,) = _ids(first.text, "instanceId")[:1]
        if self.ec2.get_instance(instance_id).state not in ALIVE:
            raise AwsError(
                "IdempotentInstanceTerminated", "The instance of this client token has been terminated"
            )
        return first

    def _check_RunInstances(self, call: Call) -> None:
        parameters = call.parameters
        if parameters["ImageId"] not in self.ec2.amis:
            message = f"The image id '[{parameters['ImageId']}]' does not exist"
            raise AwsError("InvalidAMIID.NotFound", message)
        key = parameters.get("KeyName")
        if key and key not in self.ec2.key_pairs:
            raise AwsError("InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")
        subnet = self.ec2.get_subnet(parameters["SubnetId"]) if "SubnetId" in parameters else None
        zone = parameters.get("Placement.AvailabilityZone")
        if subnet and zone and subnet.availability_zone != zone:
            message = f"The specified subnet is in {subnet.availability_zone}, not in {zone}"
            raise AwsError("InvalidParameterValue", message)
        profile = parameters.get("IamInstanceProfile.Name")
        if profile and profile not in get_backend("iam")[ACCOUNT]["aws"].instance_profiles:
            message = f"Value ({profile}) is invalid. Invalid IAM Instance Profile name"
            raise AwsError("InvalidParameterValue", message)
        if len(base64.b64decode(parameters.get("UserData", ""))) > USER_DATA_BYTES_MAX:
            raise AwsError("InvalidParameterValue", "User data is limited to 16384 bytes")
        self._check_quota(parameters["InstanceType"], spot="InstanceMarketOptions.MarketType" in parameters)

    def _check_quota(self, instance_type: str, *, spot: bool) -> None:
        used = sum(
            _vcpus(each.instance_type)
            for each in self._instances()
            if each.state in ("pending", "running") and (each.lifecycle == "spot") == spot
        )
        allowed = self.vcpu_quota[QUOTA_SPOT if spot else QUOTA_ON_DEMAND]
        if used + _vcpus(instance_type) > allowed:
            code = "MaxSpotInstanceCountExceeded" if spot else "VcpuLimitExceeded"
            raise AwsError(
                code,
                f"You have requested more vCPU capacity than your current vCPU limit of {allowed} allows for the "
                "instance bucket that the specified instance type belongs to.",
            )

    def _follow_RunInstances(self, call: Call, answer: str) -> None:
        if token := call.parameters.get("ClientToken"):
            self._launched[str(token)] = (call.text, _of_xml(answer))
        data = base64.b64decode(call.parameters.get("UserData", "")).decode("utf-8", "replace")
        for instance_id in dict.fromkeys(_ids(answer, "instanceId")):
            instance = self.ec2.get_instance(instance_id)
            if "InstanceMarketOptions.MarketType" in call.parameters:
                instance.lifecycle = "spot"
                instance.spot_instance_request_id = f"sir-{uuid.uuid4().hex[:8]}"
                self._spot[instance.spot_instance_request_id] = instance_id
            instance.ebs_optimized = call.parameters.get("EbsOptimized") == "true"
            if call.parameters.get("Monitoring.Enabled") == "true":
                instance.monitoring_state = "enabled"
            self.hypervisor.run(
                instance_id,
                user_data=data,
                instance_type=instance.instance_type,
                zone=instance.availability_zone,
            )

    def _check_StartInstances(self, call: Call) -> None:
        for each in self._named(call, "started"):
            if each.state == "stopped":
                self._check_quota(each.instance_type, spot=each.lifecycle == "spot")

    def _follow_StartInstances(self, call: Call, _: str) -> None:
        for instance_id in call.listed("InstanceId"):
            self.hypervisor.start(instance_id)

    def _lead_StopInstances(self, call: Call) -> None:
        for each in self._named(call, "stopped"):
            if each.state == "running":
                _set_state(each, STOPPING)
                self.hypervisor.stop(each.id)

    def _named(self, call: Call, verb: str) -> list[Any]:
        found = [self.ec2.get_instance(each) for each in call.listed("InstanceId")]
        for each in found:
            if each.state not in ALIVE:
                message = f"This instance '{each.id}' is not in a state from which it can be {verb}."
                raise AwsError("IncorrectInstanceState", message)
        return found

    def _lead_TerminateInstances(self, call: Call) -> None:
        for instance_id in call.listed("InstanceId"):
            self.hypervisor.terminate(instance_id)

    def _answer_GetConsoleOutput(self, call: Call) -> Answered:
        instance_id = str(call.parameters["InstanceId"])
        self.ec2.get_instance(instance_id)
        text = base64.b64encode(self.hypervisor.console(instance_id).encode()).decode()
        return _xml(call, f"<instanceId>{instance_id}</instanceId><output>{text}</output>")

    # Room.

    def _answer_CreateCapacityReservation(self, call: Call) -> Answered:
        self._check_quota(str(call.parameters["InstanceType"]), spot=False)
        made = f"cr-{uuid.uuid4().hex[:17]}"
        self._reservations[made] = str(call.parameters["InstanceType"])
        inner = f"<capacityReservationId>{made}</capacityReservationId><state>active</state>"
        return _xml(call, f"<capacityReservation>{inner}</capacityReservation>")

    def _answer_CancelCapacityReservation(self, call: Call) -> Answered:
        self._reservations.pop(str(call.parameters["CapacityReservationId"]), None)
        return _xml(call, "<return>true</return>")

    def _answer_GetSpotPlacementScores(self, call: Call) -> Answered:
        zones = self.ec2.describe_availability_zones()
        scores = "".join(
            f"<item><availabilityZoneId>{each.zone_id}</availabilityZoneId><score>7</score></item>"
            for each in zones
        )
        return _xml(call, f"<spotPlacementScoreSet>{scores}</spotPlacementScoreSet>")

    def _answer_CancelSpotInstanceRequests(self, call: Call) -> Answered:
        for request_id in call.listed("SpotInstanceRequestId"):
            self._spot.pop(request_id, None)
        return _xml(call, "<spotInstanceRequestSet/>")

    def _answer_GetProducts(self, call: Call) -> Answered:
        """The price that the plan was made with."""
        filters = {each["Field"]: each["Value"] for each in call.parameters.get("Filters", ())}
        known = catalog.INSTANCE_TYPES.get(filters.get("instanceType", ""))
        if known is None:
            return _json({"PriceList": []})
        usd = known.usd_per_hour * catalog.REGIONS[filters["regionCode"]]
        product = {
            "terms": {"OnDemand": {"t": {"priceDimensions": {"d": {"pricePerUnit": {"USD": str(usd)}}}}}}
        }
        return _json({"PriceList": [json.dumps(product)]})

    def _answer_GetServiceQuota(self, call: Call) -> Answered | None:
        code = call.parameters.get("QuotaCode")
        if code not in self.vcpu_quota:
            return None
        return _json({"Quota": {"QuotaCode": code, "Value": float(self.vcpu_quota[code])}})

    # Volumes and snapshots.

    def _check_AttachVolume(self, call: Call) -> None:
        volume = self.ec2.get_volume(call.parameters["VolumeId"])
        instance = self.ec2.get_instance(call.parameters["InstanceId"])
        if volume.attachment is not None:
            holder = volume.attachment.instance.id
            raise AwsError("VolumeInUse", f"{volume.id} is already attached to an instance ({holder})")
        if volume.zone.name != instance.availability_zone:
            message = (
                f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'"
            )
            raise AwsError("InvalidVolume.ZoneMismatch", message)
        if instance.state not in ("running", "stopped"):
            message = f"Instance '{instance.id}' is not 'running' or 'stopped', but '{instance.state}'"
            raise AwsError("IncorrectState", message)

    def _follow_AttachVolume(self, call: Call, _: str) -> None:
        volume_id, instance_id = str(call.parameters["VolumeId"]), str(call.parameters["InstanceId"])
        self.hypervisor.attach(volume_id, instance_id, str(call.parameters["Device"]))

    def _lead_DetachVolume(self, call: Call) -> None:
        volume = self.ec2.get_volume(call.parameters["VolumeId"])
        if volume.attachment is None:
            raise AwsError("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")
        self.hypervisor.detach(volume.id, volume.attachment.instance.id)

    def _follow_CreateVolume(self, call: Call, answer: str) -> None:
        (volume_id,) = _ids(answer, "volumeId")
        volume = self.ec2.get_volume(volume_id)
        self.hypervisor.create_volume(volume_id, size_gb=int(volume.size), snapshot_id=volume.snapshot_id)

    def _check_CreateVolume(self, call: Call) -> None:
        snapshot_id = call.parameters.get("SnapshotId")
        snapshot = self.ec2.snapshots.get(snapshot_id) if snapshot_id else None
        if snapshot is not None and snapshot.status != "completed":
            raise AwsError("IncorrectState", f"Snapshot '{snapshot_id}' is in the '{snapshot.status}' state.")

    def _check_ModifyVolume(self, call: Call) -> None:
        volume = self.ec2.get_volume(call.parameters["VolumeId"])
        if int(call.parameters.get("Size", volume.size)) < int(volume.size):
            message = f"New size cannot be smaller than existing size {volume.size}"
            raise AwsError("InvalidParameterValue", message)

    def _follow_ModifyVolume(self, call: Call, _: str) -> None:
        volume = self.ec2.get_volume(call.parameters["VolumeId"])
        self.hypervisor.resize_volume(volume.id, size_gb=int(volume.size))

    def _check_DeleteVolume(self, call: Call) -> None:
        volume = self.ec2.get_volume(call.parameters["VolumeId"])
        if volume.attachment is not None:
            holder = volume.attachment.instance.id
            raise AwsError("VolumeInUse", f"Volume {volume.id} is currently attached to {holder}")

    def _follow_DeleteVolume(self, call: Call, _: str) -> None:
        self.hypervisor.delete_volume(str(call.parameters["VolumeId"]))

    def _follow_CreateSnapshot(self, call: Call, answer: str) -> None:
        (snapshot_id,) = _ids(answer, "snapshotId")
        self.hypervisor.snapshot(snapshot_id, str(call.parameters["VolumeId"]))
        self._delay(snapshot_id, self.snapshot_seconds, "completed")

    def delay_snapshots(self, outcome: str, seconds: float) -> None:
        """The snapshot that was just made ends in that state, and after so long."""
        newest = list(self.ec2.snapshots)[-1]
        self._delay(newest, seconds, outcome or "completed")

    def _delay(self, snapshot_id: str, seconds: float, outcome: str) -> None:
        if seconds or outcome != "completed":
            self.ec2.snapshots[snapshot_id].status = "pending"
            self._pending[snapshot_id] = (time.monotonic() + seconds, outcome)

    def _follow_DeleteSnapshot(self, call: Call, _: str) -> None:
        self.hypervisor.delete_snapshot(str(call.parameters["SnapshotId"]))

    # Addresses.

    def _answer_AllocateAddress(self, call: Call) -> Answered:
        """An address that the machine can have: moto draws any."""
        made = self.ec2.allocate_address("vpc", address=self.hypervisor.allocate(), tags=_tags(call))
        inner = f"<publicIp>{made.public_ip}</publicIp><domain>vpc</domain>"
        return _xml(call, f"{inner}<allocationId>{made.allocation_id}</allocationId>")

    def _follow_AssociateAddress(self, call: Call, _: str) -> None:
        (address,) = self.ec2.address_by_allocation([call.parameters["AllocationId"]])
        self.hypervisor.associate(address.instance.id, address.public_ip)

    def _lead_DisassociateAddress(self, call: Call) -> None:
        (address,) = self.ec2.address_by_association([call.parameters["AssociationId"]])
        if address.instance is not None:
            self.hypervisor.disassociate(address.instance.id, address.public_ip)

    # The network.

    def _check_DeleteSubnet(self, call: Call) -> None:
        subnet_id = call.parameters["SubnetId"]
        self._refuse(
            any(each.subnet_id == subnet_id for each in self._alive()),
            f"The subnet '{subnet_id}' has dependencies and cannot be deleted.",
        )

    def _check_DeleteSecurityGroup(self, call: Call) -> None:
        group_id = call.parameters["GroupId"]
        self._refuse(
            any(group_id in (one.id for one in each.security_groups) for each in self._alive()),
            f"resource {group_id} has a dependent object",
        )

    def _check_DetachInternetGateway(self, call: Call) -> None:
        vpc_id = call.parameters["VpcId"]
        holders = {each.id for each in self._alive() if each.vpc_id == vpc_id}
        mapped = any(each.instance and each.instance.id in holders for each in self.ec2.addresses)
        self._refuse(
            mapped,
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before "
            "detaching the gateway.",
        )

    def _check_DeleteVpc(self, call: Call) -> None:
        vpc_id = call.parameters["VpcId"]
        gateways = any(
            each.vpc is not None and each.vpc.id == vpc_id for each in self.ec2.internet_gateways.values()
        )
        groups = [each for each in self.ec2.groups.get(vpc_id, {}).values() if each.name != "default"]
        endpoints = [each for each in self.ec2.vpc_end_points.values() if each.vpc_id == vpc_id]
        self._refuse(
            gateways or bool(groups) or any(each.state != "deleted" for each in endpoints),
            f"The vpc '{vpc_id}' has dependencies and cannot be deleted.",
        )

    def _check_ReleaseAddress(self, call: Call) -> None:
        for each in self.ec2.addresses:
            if each.allocation_id == call.parameters.get("AllocationId") and each.instance is not None:
                message = f"Address {each.public_ip} is in use."
                raise AwsError("InvalidIPAddress.InUse", message)

    def _lead_ReleaseAddress(self, call: Call) -> None:
        for each in self.ec2.address_by_allocation([call.parameters["AllocationId"]]):
            self.hypervisor.release(each.public_ip)

    @staticmethod
    def _refuse(refused: bool, message: str) -> None:
        if refused:
            raise AwsError("DependencyViolation", message)

    # What Canonical publishes.

    def _answer_GetParameter(self, call: Call) -> Answered | None:
        if call.parameters.get("Name") != catalog.AMI_PARAMETER:
            return None
        return _json({"Parameter": {"Name": catalog.AMI_PARAMETER, "Type": "String", "Value": NEWEST_IMAGE}})

    # The bill.

    def billable(self) -> list[Billed]:
        """Everything that costs money for existing, in every state that does."""
        self._refresh()
        return sorted(self._billed(), key=lambda each: (each.kind, each.resource_id))

    def _billed(self) -> Iterator[Billed]:
        yield from self._billed_machines()
        yield from self._billed_network()
        yield from self._billed_elsewhere()

    def _billed_machines(self) -> Iterator[Billed]:
        for each in self._instances():
            if each.state in ("pending", "running", "stopping"):
                yield _billed("ec2:instance", each, f"{each.instance_type}, {each.state}")
        for each in self.ec2.volumes.values():
            yield _billed("ec2:volume", each, f"{each.size} GB, {each.status}")
        for each in self.ec2.snapshots.values():
            if each.owner_id == ACCOUNT and not each.from_ami:
                yield _billed("ec2:snapshot", each, each.status)
        for reservation_id, instance_type in self._reservations.items():
            yield Billed("ec2:capacity-reservation", reservation_id, instance_type)
        gone = {each.id for each in self._instances()} - {each.id for each in self._alive()}
        for request_id, instance_id in self._spot.items():
            if instance_id in gone:
                yield Billed("ec2:spot-instances-request", request_id, f"launches another for {instance_id}")

    def _billed_network(self) -> Iterator[Billed]:
        for each in self.ec2.addresses:
            yield Billed("ec2:elastic-ip", str(each.allocation_id), each.public_ip)
        for each in self.ec2.nat_gateways.values():
            yield Billed("ec2:natgateway", each.id)
        for each in self.ec2.vpc_end_points.values():
            if each.vpc_endpoint_type != "Gateway" and each.state != "deleted":
                yield Billed("ec2:vpc-endpoint", each.id)

    def _billed_elsewhere(self) -> Iterator[Billed]:
        for each in get_backend("kms")[ACCOUNT][self._region].keys.values():
            if each.key_state != "PendingDeletion" and each.key_manager == "CUSTOMER":
                yield Billed("kms:key", each.id)
        for name in get_backend("s3")[ACCOUNT]["aws"].buckets:
            yield Billed("s3:bucket", name)
        cloudwatch = get_backend("cloudwatch")[ACCOUNT][self._region]
        for name in cloudwatch.alarms:
            yield Billed("cloudwatch:alarm", name)
        for name in list(cloudwatch.dashboards)[DASHBOARDS_FREE:]:
            yield Billed("cloudwatch:dashboard", name)
        for name in get_backend("logs")[ACCOUNT][self._region].groups:
            yield Billed("logs:log-group", name)


def _billed(kind: str, resource: Any, note: str) -> Billed:
    tags = {each["key"]: each["value"] for each in resource.get_tags()}
    return Billed(kind, resource.id, note, tags.get("Role", ""))


def _tags(call: Call) -> dict[str, str]:
    """Tags that a flat request gives what it makes."""
    pattern = re.compile(r"TagSpecification\.\d+\.Tag\.\d+\.Key")
    return {
        str(value): str(call.parameters.get(name.removesuffix("Key") + "Value", ""))
        for name, value in call.parameters.items()
        if pattern.fullmatch(name)
    }


def _set_state(instance: Any, state: tuple[int, str]) -> None:
    instance._state.code, instance._state.name = state


def _vcpus(instance_type: str) -> int:
    known = catalog.INSTANCE_TYPES.get(instance_type)
    return known.vcpus if known else 0


def _ids(answer: str, tag: str) -> list[str]:
    return re.findall(rf"<{tag}>([^<]+)</{tag}>", answer)


def _xml(call: Call, inner: str) -> Answered:
    name = f"{call.operation}Answered"
    return _of_xml(f"<{name}><requestId>own</requestId>{inner}</{name}>")


def _of_xml(text: str) -> Answered:
    return Answered(text.encode(), headers={"Content-Type": "text/xml"})


def _json(body: Any) -> Answered:
    return Answered(json.dumps(body).encode(), headers={"Content-Type": "application/x-amz-json-1.1"})
