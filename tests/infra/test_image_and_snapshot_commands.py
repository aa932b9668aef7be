"""The commands besides an up: pin the newest image, list and prune snapshots, read the account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
from botocore.stub import Stubber

from infra import ami, snapshots
from infra.plan.inventory import FoundSnapshot, FoundVolume, InventoryError, discover
from tests.infra.stacks import config, inventory

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        yield


class Ssm:
    """A session with one parameter; /aws/ names cannot be put into moto."""

    region_name = "us-east-1"

    def __init__(self) -> None:
        self._ssm = boto3.client("ssm", "us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
        self.stub = Stubber(self._ssm)
        self.stub.activate()

    def client(self, _: str) -> Any:
        return self._ssm


def test_the_newest_image_is_printed_and_pinned(capsys: pytest.CaptureFixture[str]) -> None:
    session, ran = Ssm(), []
    session.stub.add_response(
        "get_parameter", {"Parameter": {"Value": "ami-0abc"}}, {"Name": ami.AMI_PARAMETER}
    )
    assert ami.main(["--set"], session=session, run=lambda words, **_: ran.append(words)) == 0
    assert ran == [["pulumi", "config", "set", "chartwell:amiId", "ami-0abc"]]
    assert "ami-0abc" in capsys.readouterr().out


def test_a_refused_lookup_pins_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    session = Ssm()
    session.stub.add_client_error("get_parameter", "AccessDeniedException")
    assert ami.main(["--set"], session=session, run=lambda *_, **__: pytest.fail("pinned")) == 1
    assert "troubleshooting-aws.md#credentials" in capsys.readouterr().out


def some_snapshots(count: int, of: str = "vol-1") -> tuple[FoundSnapshot, ...]:
    return tuple(
        FoundSnapshot(f"snap-{number}", of, 200, "completed", START + timedelta(days=number))
        for number in range(count)
    )


def test_the_newest_are_kept_and_the_rest_is_surplus() -> None:
    running = inventory(
        snapshots=some_snapshots(5), volumes=(FoundVolume("vol-2", "us-east-1a", 200, "in-use", True),)
    )
    assert [each.snapshot_id for each in snapshots.surplus(running, 3)] == ["snap-0", "snap-1"]
    assert snapshots.surplus(running, 0) == list(some_snapshots(4))


def test_a_paused_stack_keeps_every_snapshot_of_its_volume() -> None:
    paused = inventory(snapshots=some_snapshots(5), parameters={"data-volume": "vol-1"})
    assert snapshots.surplus(paused, 1) == []
    assert all("kept" in line for line in snapshots.report(paused, 1))


@pytest.mark.usefixtures("account")
def test_surplus_is_deleted_and_nothing_else() -> None:
    ec2 = boto3.client("ec2")
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=10)["VolumeId"]
    made = [ec2.create_snapshot(VolumeId=volume)["SnapshotId"] for _ in range(2)]
    old = FoundSnapshot(made[0], volume, 10, "completed", START)
    assert snapshots.delete(boto3.Session(), [old]) == [f"deleted {made[0]}"]
    left = {each["SnapshotId"] for each in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert made[1] in left
    assert made[0] not in left


@pytest.mark.usefixtures("account")
def test_an_empty_account_is_seen_as_empty() -> None:
    found = discover(config())
    assert (found.volumes, found.snapshots, found.buckets, found.key_id) == ((), (), frozenset(), None)
    assert found.recorded_volume_id is None
    assert set(found.zones) >= {"us-east-1a", "us-east-1b"}


@pytest.mark.usefixtures("account")
def test_another_stack_s_volume_is_not_ours() -> None:
    tags = [
        {"Key": "Project", "Value": "chartwell"},
        {"Key": "Stack", "Value": "prod"},
        {"Key": "Role", "Value": "data"},
    ]
    boto3.client("ec2").create_volume(
        AvailabilityZone="us-east-1a", Size=10, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
    )
    assert discover(config()).volumes == ()
    assert len(discover(config(stack="prod")).volumes) == 1


@pytest.mark.usefixtures("account")
def test_the_wrong_account_is_refused() -> None:
    with pytest.raises(InventoryError, match="allows only 999999999999"):
        discover(config(awsAccountId="999999999999"))


@pytest.mark.usefixtures("account")
def test_a_region_without_the_data_is_refused_with_the_one_that_has_it() -> None:
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="chartwell-dev-123456789012-documents")
    assert discover(config()).buckets == {"documents"}
    with pytest.raises(InventoryError, match=r"lies in us-east-1 .*pulumi config set region us-east-1"):
        discover(config(region="us-west-2"), boto3.Session(region_name="us-west-2"))


@pytest.mark.parametrize(
    ("code", "cure"), [("ExpiredToken", "Sign in again"), ("UnauthorizedOperation", "Give the deployer")]
)
def test_a_login_that_has_ended_is_no_missing_permission(code: str, cure: str) -> None:
    session = Ssm()
    session._ssm = boto3.client("sts", "us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
    stub = Stubber(session._ssm)
    stub.add_client_error("get_caller_identity", code, "It has expired.")
    stub.activate()
    with pytest.raises(InventoryError, match=rf"GetCallerIdentity: {code}: It has expired\. .* {cure}"):
        discover(config(), session)


def test_a_missing_permission_stops_the_up_and_is_named() -> None:
    session = Ssm()
    session._ssm = boto3.client("sts", "us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
    stub = Stubber(session._ssm)
    stub.add_client_error("get_caller_identity", "AccessDenied", "no")
    stub.activate()
    with pytest.raises(InventoryError, match="AWS refused GetCallerIdentity: AccessDenied"):
        discover(config(), session)


def test_without_the_pulumi_command_the_snapshots_cannot_be_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert snapshots.main(["--stack", "dev"]) == 1
    assert "The pulumi command is not installed" in capsys.readouterr().err
