"""Orphans: what the account holds and a state does not know, on moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest

from infra import orphans
from infra.orphans import Orphan

TAGS = {"Project": "chartwell", "Stack": "dev"}
DATA = TAGS | {"Role": "data"}


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with moto.mock_aws():
        yield boto3.Session(region_name="us-east-1")


def volume(session: Any, tags: dict[str, str] = TAGS) -> str:
    made = session.client("ec2").create_volume(
        Size=200,
        AvailabilityZone="us-east-1a",
        VolumeType="gp3",
        TagSpecifications=[{"ResourceType": "volume", "Tags": tag_list(tags)}],
    )
    return str(made["VolumeId"])


def instance(session: Any, tags: dict[str, str] = TAGS) -> str:
    made = session.client("ec2").run_instances(
        ImageId="ami-12c6146b",
        InstanceType="g5.2xlarge",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tag_list(tags)}],
    )
    return str(made["Instances"][0]["InstanceId"])


def snapshot(session: Any, volume_id: str, tags: dict[str, str]) -> str:
    made = session.client("ec2").create_snapshot(
        VolumeId=volume_id, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tag_list(tags)}]
    )
    return str(made["SnapshotId"])


def recorded(session: Any, volume_id: str) -> None:
    session.client("ssm").put_parameter(Name="/chartwell/dev/data-volume", Type="String", Value=volume_id)


def state(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(resources)}}


def test_what_the_state_does_not_know_is_listed_dearest_first_with_its_remedy(session: Any) -> None:
    mine, forgotten, running = volume(session), volume(session), instance(session)
    known = orphans.known_ids(state({"id": mine}, {"id": "i-0123456789abcdef0"}))
    found = orphans.report("dev", known, session)
    assert [each.resource_id for each in found.orphans] == [running, forgotten]
    assert found.orphans[0].usd_per_month == pytest.approx(1.212 * 730)
    assert found.orphans[1].usd_per_month == pytest.approx(16.0)
    text = orphans.text(found, "dev")
    assert f"aws ec2 delete-volume --volume-id {forgotten}" in text
    assert mine not in text
    # Nothing was removed.
    assert len(session.client("ec2").describe_volumes()["Volumes"]) >= 2


def test_the_data_of_a_paused_stack_is_kept_not_forgotten(session: Any) -> None:
    data, running = volume(session, DATA), instance(session)
    recorded(session, data)
    found = orphans.report("dev", frozenset(), session)
    assert [each.resource_id for each in found.kept] == [data]
    assert [each.resource_id for each in found.orphans] == [running]
    text = orphans.text(found, "dev")
    assert "the next `pulumi up` adopts it" in text
    assert f"deletes kept data: aws ec2 delete-volume --volume-id {data}" in text


def test_a_pause_keeps_the_topic_of_the_alarms(session: Any) -> None:
    topic = session.client("sns").create_topic(Name="chartwell-dev-alarms", Tags=tag_list(TAGS))["TopicArn"]
    recorded(session, "vol-0123456789abcdef0")
    (found,) = orphans.report("dev", frozenset(), session).kept
    assert (found.arn, found.usd_per_month) == (topic, 0.0)


def test_what_was_set_aside_is_not_kept(session: Any) -> None:
    aside = volume(session)
    recorded(session, volume(session, DATA))
    (found,) = orphans.report("dev", frozenset(), session).orphans
    assert found.resource_id == aside


def test_snapshots_left_after_decommissioning_are_listed_with_their_removal(
    session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = snapshot(session, volume(session, {"Project": "something-else"}), DATA)
    path = tmp_path / "state.json"
    path.write_text(json.dumps(state()))
    assert orphans.main(["--stack", "dev", "--region", "us-east-1", "--state", str(path)]) == 1
    text = capsys.readouterr().out
    assert f"remove: aws ec2 delete-snapshot --snapshot-id {left}" in text
    assert "adopts it" not in text


def test_a_key_that_waits_for_its_deletion_is_removed_already(session: Any) -> None:
    kms = session.client("kms")
    tags = [{"TagKey": key, "TagValue": value} for key, value in TAGS.items()]
    key_id = kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"]
    (found,) = orphans.report("dev", frozenset(), session).orphans
    assert (found.resource_id, found.usd_per_month) == (key_id, 1.0)
    kms.schedule_key_deletion(KeyId=key_id)
    assert orphans.report("dev", frozenset(), session).orphans == ()


def test_a_key_that_kept_data_needs_and_aws_deletes_soon_is_said_last(
    session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kms = session.client("kms")
    tags = [{"TagKey": key, "TagValue": value} for key, value in TAGS.items()]
    key_id = kms.create_key(Tags=tags)["KeyMetadata"]["KeyId"]
    recorded(session, volume(session, DATA))
    day = kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)["DeletionDate"]
    path = tmp_path / "state.json"
    path.write_text(json.dumps(state()))
    assert orphans.main(["--stack", "dev", "--region", "us-east-1", "--state", str(path)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"AWS deletes the key {key_id} on {day:%Y-%m-%d}")
    assert f"aws kms cancel-key-deletion --key-id {key_id}" in last


def test_other_stacks_are_counted_and_other_projects_are_not(session: Any) -> None:
    volume(session, TAGS | {"Stack": "production"})
    volume(session, {"Project": "something-else", "Stack": "dev"})
    found = orphans.report("dev", frozenset(), session)
    assert (found.orphans, found.kept, found.other_stacks) == ((), (), {"production": 1})


def test_what_is_gone_already_is_not_listed(session: Any) -> None:
    running = instance(session)
    session.client("ec2").terminate_instances(InstanceIds=[running])
    assert orphans.report("dev", frozenset(), session).orphans == ()
    gone = Orphan("arn:aws:ec2:us-east-1:1:volume/vol-0f", "ec2:volume", "vol-0123456789abcdef0", "dev")
    assert orphans.priced(gone, session) is None


def test_snapshots_buckets_and_logs_have_their_prices(session: Any) -> None:
    source = volume(session, {"Project": "something-else"})
    snapshot(session, source, TAGS)
    session.client("s3").create_bucket(Bucket="chartwell-dev-documents")
    session.client("s3").put_bucket_tagging(
        Bucket="chartwell-dev-documents", Tagging={"TagSet": tag_list(TAGS)}
    )
    session.client("logs").create_log_group(logGroupName="/chartwell/dev/host", tags=TAGS)
    found = orphans.report("dev", frozenset({"i-0123456789abcdef0"}), session)
    prices = {each.kind: each.usd_per_month for each in found.orphans}
    assert prices == {"ec2:snapshot": pytest.approx(10.0), "s3:bucket": None, "logs:log-group": 0.0}
    assert "by content" in orphans.text(found, "dev")


@pytest.mark.parametrize(
    ("arn", "kind", "resource_id"),
    [
        ("arn:aws:ec2:us-east-1:1:elastic-ip/eipalloc-0a", "ec2:elastic-ip", "eipalloc-0a"),
        ("arn:aws:s3:::chartwell-dev-documents", "s3:bucket", "chartwell-dev-documents"),
        ("arn:aws:ssm:us-east-1:1:parameter/chartwell/dev/iris", "ssm:parameter", "/chartwell/dev/iris"),
        ("arn:aws:logs:us-east-1:1:log-group:/chartwell/dev/host", "logs:log-group", "/chartwell/dev/host"),
        ("arn:aws:sns:us-east-1:1:chartwell-dev", "sns:topic", "chartwell-dev"),
        ("arn:aws:kms:us-east-1:1:key/abc", "kms:key", "abc"),
        ("arn:aws:cloudwatch:us-east-1:1:alarm:dev-idle", "cloudwatch:alarm", "dev-idle"),
        ("arn:aws:iam::1:role/chartwell-dev", "iam:role", "chartwell-dev"),
    ],
)
def test_kind_and_id_come_out_of_the_arn(arn: str, kind: str, resource_id: str) -> None:
    found = orphans.named(arn, "dev")
    assert (found.kind, found.resource_id) == (kind, resource_id)
    assert "console" not in found.removal


def test_a_state_knows_a_resource_by_any_of_its_names() -> None:
    known = orphans.known_ids(
        state(
            {"id": "eipassoc", "outputs": {"allocationId": "eipalloc-0a"}},
            {"id": "i-0a1b2c3d4e", "outputs": {"rootBlockDevice": {"volumeId": "vol-root"}, "arn": "arn:i"}},
            {"urn": "component"},
        )
    )
    assert {"eipassoc", "eipalloc-0a", "vol-root", "arn:i"} <= known
    assert not orphans.is_paused(known)
    assert orphans.known_ids({}) == frozenset()


def test_the_command_ends_with_one_when_something_was_forgotten(
    session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(state()))
    words = ["--stack", "dev", "--region", "us-east-1", "--state", str(path)]
    assert orphans.main(words) == 0
    instance(session)
    assert orphans.main(words) == 1
    assert "terminate-instances" in capsys.readouterr().out
    assert orphans.main([*words[:-1], str(tmp_path / "none.json")]) == 2
