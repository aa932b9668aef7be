"""The account that is stricter than moto: each rule that it adds, faults from a file, and what machines hear."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from infra.plan import catalog
from infra.preflight import QUOTA_ON_DEMAND
from tests.engine.cloud import account as cloud
from tests.engine.cloud.hypervisor import HOST_KEY, NoMachines


class Machines(NoMachines):
    """Writes down what it hears, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, ...]] = []

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name in {"heard", "state", "console", "power_off"} or not callable(found):
            return found

        def told(*arguments: str, **more: Any) -> Any:
            self.heard.append((name, *arguments))
            return found(*arguments, **more)

        return told

    def power_off(self, instance_id: str) -> None:
        self._states[instance_id] = "stopped"


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def opened(machines: Machines, tmp_path: Path) -> Iterator[cloud.Cloud]:
    _, account = cloud.start(hypervisor=machines, faults=tmp_path / "faults")
    yield account
    account.stop()


@pytest.fixture
def ec2(opened: cloud.Cloud) -> Any:
    return opened.account().client("ec2", config=botocore.config.Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def plant(tmp_path: Path) -> Callable[..., None]:
    def write(*faults: dict[str, Any]) -> None:
        (tmp_path / "faults").write_text("".join(json.dumps(each) + "\n" for each in faults))

    return write


class Network:
    """A VPC with a subnet in us-east-1a."""

    def __init__(self, ec2: Any) -> None:
        self.vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        made = ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.20.1.0/24", AvailabilityZone="us-east-1a")
        self.subnet = made["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="host", Description="of a host", VpcId=self.vpc)
        self.group = group["GroupId"]


@pytest.fixture
def network(ec2: Any) -> Network:
    return Network(ec2)


def launch(ec2: Any, network: Network, **changes: Any) -> str:
    wanted = {
        "ImageId": cloud.IMAGES[0],
        "InstanceType": "g5.2xlarge",
        "SubnetId": network.subnet,
        "SecurityGroupIds": [network.group],
        "UserData": "#cloud-config\n",
    }
    made = ec2.run_instances(MinCount=1, MaxCount=1, **{**wanted, **changes})
    return str(made["Instances"][0]["InstanceId"])


def volume(ec2: Any, zone: str = "us-east-1a") -> str:
    return str(ec2.create_volume(AvailabilityZone=zone, Size=200)["VolumeId"])


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_a_volume_is_attached_once_and_in_its_own_zone(ec2: Any, network: Network) -> None:
    host, near, far = launch(ec2, network), volume(ec2), volume(ec2, "us-east-1b")
    arguments = {"InstanceId": host, "Device": "/dev/sdf"}
    assert refusal(ec2.attach_volume, VolumeId=far, **arguments) == "InvalidVolume.ZoneMismatch"
    ec2.attach_volume(VolumeId=near, **arguments)
    assert refusal(ec2.attach_volume, VolumeId=near, **arguments) == "VolumeInUse"
    assert refusal(ec2.delete_volume, VolumeId=near) == "VolumeInUse"
    ec2.detach_volume(VolumeId=near, InstanceId=host)
    assert refusal(ec2.detach_volume, VolumeId=near, InstanceId=host) == "IncorrectState"


def test_the_same_token_starts_one_host(opened: cloud.Cloud, ec2: Any, network: Network) -> None:
    opened.rules.vcpu_quota[QUOTA_ON_DEMAND] = 80
    first = launch(ec2, network, ClientToken="once")
    assert launch(ec2, network, ClientToken="once") == first
    assert launch(ec2, network, ClientToken="twice") != first
    changed = {"ClientToken": "once", "InstanceType": "g5.4xlarge"}
    assert refusal(lambda: launch(ec2, network, **changed)) == "IdempotentParameterMismatch"
    ec2.terminate_instances(InstanceIds=[first])
    assert refusal(lambda: launch(ec2, network, ClientToken="once")) == "IdempotentInstanceTerminated"


def test_what_a_launch_names_must_exist(ec2: Any, network: Network) -> None:
    for changes, code in (
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"KeyName": "none"}, "InvalidKeyPair.NotFound"),
        ({"IamInstanceProfile": {"Name": "none"}}, "InvalidParameterValue"),
        ({"Placement": {"AvailabilityZone": "us-east-1b"}}, "InvalidParameterValue"),
        ({"UserData": "#" * 16_385}, "InvalidParameterValue"),
    ):
        assert refusal(lambda changes=changes: launch(ec2, network, **changes)) == code


def test_the_quota_counts_what_runs(opened: cloud.Cloud, ec2: Any, network: Network) -> None:
    quotas = opened.account().client("service-quotas")
    found = quotas.get_service_quota(ServiceCode="ec2", QuotaCode=QUOTA_ON_DEMAND)
    assert found["Quota"]["Value"] == 8
    first = launch(ec2, network)
    assert refusal(lambda: launch(ec2, network)) == "VcpuLimitExceeded"
    ec2.stop_instances(InstanceIds=[first])
    launch(ec2, network)
    assert refusal(ec2.start_instances, InstanceIds=[first]) == "VcpuLimitExceeded"


def test_a_network_in_use_stays(ec2: Any, network: Network) -> None:
    host = launch(ec2, network)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=network.vpc)
    address = ec2.allocate_address(Domain="vpc")
    association = ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=host)
    detach = {"InternetGatewayId": gateway, "VpcId": network.vpc}
    assert refusal(ec2.delete_subnet, SubnetId=network.subnet) == "DependencyViolation"
    assert refusal(ec2.delete_security_group, GroupId=network.group) == "DependencyViolation"
    assert refusal(ec2.detach_internet_gateway, **detach) == "DependencyViolation"
    assert refusal(ec2.release_address, AllocationId=address["AllocationId"]) == "InvalidIPAddress.InUse"
    ec2.terminate_instances(InstanceIds=[host])
    ec2.delete_subnet(SubnetId=network.subnet)
    assert refusal(ec2.delete_vpc, VpcId=network.vpc) == "DependencyViolation"
    ec2.delete_security_group(GroupId=network.group)
    ec2.disassociate_address(AssociationId=association["AssociationId"])
    ec2.detach_internet_gateway(**detach)
    ec2.delete_vpc(VpcId=network.vpc)


def test_a_terminated_host_cannot_be_stopped(ec2: Any, network: Network) -> None:
    host = launch(ec2, network)
    ec2.terminate_instances(InstanceIds=[host])
    assert refusal(ec2.stop_instances, InstanceIds=[host]) == "IncorrectInstanceState"


def test_snapshots_take_their_time_and_may_fail(opened: cloud.Cloud, ec2: Any, plant: Any) -> None:
    opened.rules.snapshot_seconds = 0.3
    slow = ec2.create_snapshot(VolumeId=volume(ec2))["SnapshotId"]
    restore = {"AvailabilityZone": "us-east-1a", "SnapshotId": slow}
    assert refusal(ec2.create_volume, **restore) == "IncorrectState"
    time.sleep(0.35)
    assert ec2.create_volume(**restore)["SnapshotId"] == slow
    plant({"operation": "CreateSnapshot", "outcome": "error"})
    failed = ec2.create_snapshot(VolumeId=volume(ec2))["SnapshotId"]
    assert ec2.describe_snapshots(SnapshotIds=[failed])["Snapshots"][0]["State"] == "error"


def test_a_volume_does_not_shrink(ec2: Any) -> None:
    made = volume(ec2)
    assert refusal(ec2.modify_volume, VolumeId=made, Size=100) == "InvalidParameterValue"
    ec2.modify_volume(VolumeId=made, Size=300)


def test_room_is_asked_for_by_a_reservation(opened: cloud.Cloud, ec2: Any, plant: Any) -> None:
    wanted = {"InstanceType": "g5.2xlarge", "InstancePlatform": "Linux/UNIX", "InstanceCount": 1}
    plant(
        {
            "operation": "CreateCapacityReservation",
            "match": "us-east-1a",
            "error": "InsufficientInstanceCapacity",
            "times": 0,
        }
    )
    reserve = ec2.create_capacity_reservation
    assert refusal(reserve, AvailabilityZone="us-east-1a", **wanted) == "InsufficientInstanceCapacity"
    made = reserve(AvailabilityZone="us-east-1b", **wanted)["CapacityReservation"]["CapacityReservationId"]
    assert {each.kind for each in opened.billable()} == {"ec2:capacity-reservation"}
    ec2.cancel_capacity_reservation(CapacityReservationId=made)
    assert opened.billable() == []


def test_the_newest_image_and_the_console(opened: cloud.Cloud, ec2: Any, network: Network) -> None:
    found = opened.account().client("ssm").get_parameter(Name=catalog.AMI_PARAMETER)["Parameter"]["Value"]
    assert found == cloud.IMAGES[-1]
    assert HOST_KEY in ec2.get_console_output(InstanceId=launch(ec2, network))["Output"]


def test_machines_hear_what_happens_in_order(ec2: Any, network: Network, machines: Machines) -> None:
    host, disk = launch(ec2, network), volume(ec2)
    address = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=host)
    ec2.attach_volume(VolumeId=disk, InstanceId=host, Device="/dev/sdf")
    ec2.stop_instances(InstanceIds=[host])
    ec2.detach_volume(VolumeId=disk, InstanceId=host)
    snapshot = ec2.create_snapshot(VolumeId=disk)["SnapshotId"]
    ec2.terminate_instances(InstanceIds=[host])
    ec2.delete_volume(VolumeId=disk)
    assert machines.heard == [
        ("run", host),
        ("create_volume", disk),
        ("allocate",),
        ("associate", host, address["PublicIp"]),
        ("attach", disk, host, "/dev/sdf"),
        ("stop", host),
        ("detach", disk, host),
        ("snapshot", snapshot, disk),
        ("terminate", host),
        ("delete_volume", disk),
    ]


def test_a_host_that_powers_itself_off_is_seen_stopped(
    ec2: Any, network: Network, machines: Machines
) -> None:
    host = launch(ec2, network)
    machines.power_off(host)
    (found,) = ec2.describe_instances(InstanceIds=[host])["Reservations"][0]["Instances"]
    assert found["State"]["Name"] == "stopped"


def test_a_persistent_spot_request_outlives_its_host(opened: cloud.Cloud, ec2: Any, network: Network) -> None:
    spot = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "persistent"}}
    host = launch(ec2, network, InstanceMarketOptions=spot)
    (found,) = ec2.describe_instances(InstanceIds=[host])["Reservations"][0]["Instances"]
    assert found["InstanceLifecycle"] == "spot"
    ec2.terminate_instances(InstanceIds=[host])
    assert {each.kind for each in opened.billable()} == {"ec2:spot-instances-request"}
    ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[found["SpotInstanceRequestId"]])
    assert opened.billable() == []


def test_faults_meet_the_request_they_name(opened: cloud.Cloud, ec2: Any, plant: Any) -> None:
    plant(
        {"operation": "CreateVpc", "nth": 2, "error": "VpcLimitExceeded"},
        {"operation": "CreateVolume", "error": "InternalError", "after": True},
        {"service": "ssm", "error": "ThrottlingException"},
    )
    ec2.create_vpc(CidrBlock="10.1.0.0/16")
    assert refusal(ec2.create_vpc, CidrBlock="10.2.0.0/16") == "VpcLimitExceeded"
    ec2.create_vpc(CidrBlock="10.2.0.0/16")
    assert refusal(ec2.create_volume, AvailabilityZone="us-east-1a", Size=1) == "InternalError"
    assert len(ec2.describe_volumes()["Volumes"]) == 1
    ssm = opened.account().client("ssm", config=botocore.config.Config(retries={"total_max_attempts": 1}))
    assert refusal(ssm.get_parameter, Name="/any") == "ThrottlingException"
    plant({"operation": "*", "drop": True, "times": 0})
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        ec2.describe_vpcs()
    plant({"operation": "DescribeVpcs", "misspelt": 1})
    assert refusal(ec2.describe_vpcs) == "InternalError"


def test_an_answer_that_hangs_is_performed_before(opened: cloud.Cloud, ec2: Any, plant: Any) -> None:
    plant({"operation": "CreateVolume", "hang": 0.5})
    asking = threading.Thread(target=volume, args=(ec2,))
    asking.start()
    opened.wait_for("CreateVolume", performed=True)
    assert asking.is_alive()
    assert len(opened.account().client("ec2").describe_volumes()["Volumes"]) == 1
    asking.join()
