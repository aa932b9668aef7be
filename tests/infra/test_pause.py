"""Pause and resume, rehearsed: up, destroy, up again, in every mode, and after every half-done step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import moto
import pytest
from botocore.stub import Stubber

from infra import stack as program
from infra.components.storage import Credentials, DataStoreError, survivors
from infra.plan.inventory import _subscriptions, discover, topic_arn
from tests.infra.engine_double import SESSION, Engine, EngineError
from tests.infra.stacks import HOST_KEY, config

VOLUME = "chartwell-dev-data-volume"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # What runs on the host plays no part in a pause: no step has a delete (tests/infra/test_stack.py).
    monkeypatch.setattr(program, "deploy", lambda *_: {})
    with moto.mock_aws():
        yield


class Operator:
    """The engineer: up and destroy with a configuration, as `__main__.py` does it."""

    def __init__(self, **settings: Any) -> None:
        self.settings = {"availabilityZones": '["us-east-1a"]'} | settings  # fewer subnets, less to wait for
        self.engine = Engine()

    def up(self, *, fail_at: str = "", **changes: Any) -> Any:
        self.settings |= changes
        stack = config(**self.settings)
        found = discover(stack, SESSION)
        return self.engine.up(
            lambda: program.build(stack, found, host_keys=lambda _: HOST_KEY), fail_at=fail_at
        ).outputs

    def destroy(self) -> None:
        self.engine.destroy()

    @property
    def ec2(self) -> Any:
        return SESSION.client("ec2")

    def volumes(self) -> dict[str, Any]:
        return {each["VolumeId"]: each for each in self.ec2.describe_volumes()["Volumes"]}

    def data_volumes(self) -> list[str]:
        role = [{"Name": "tag:Role", "Values": ["data"]}]
        return [each["VolumeId"] for each in self.ec2.describe_volumes(Filters=role)["Volumes"]]

    def running(self) -> list[str]:
        states = [{"Name": "instance-state-name", "Values": ["running", "stopped"]}]
        found = self.ec2.describe_instances(Filters=states)["Reservations"]
        return [one["InstanceId"] for each in found for one in each["Instances"]]


@pytest.mark.usefixtures("account")
class TestVolumeMode:
    def test_destroy_keeps_the_data_and_up_finds_it(self) -> None:
        one = Operator()
        first = one.up()
        one.destroy()
        assert one.data_volumes() == [first["volumeId"]]
        assert one.running() == []
        assert discover(config(), SESSION).instance_ids == frozenset()
        second = one.up()
        assert second["volumeId"] == first["volumeId"]
        assert second["instanceId"] != first["instanceId"]
        assert VOLUME in one.engine.done("import")

    def test_secrets_made_with_the_data_stay_the_same(self) -> None:
        one = Operator()
        first = one.up()["settings"]["CHARTWELL_IRIS__PASSWORD"]
        one.destroy()
        assert one.up()["settings"]["CHARTWELL_IRIS__PASSWORD"] == first

    def test_a_password_that_was_piped_in_has_no_line_break(self) -> None:
        """`... | aws ssm put-parameter --value file:///dev/stdin`, as the runbook rotates it, keeps what was piped."""
        one = Operator()
        one.up()
        SESSION.client("ssm").put_parameter(
            Name="/chartwell/dev/iris-password",
            Type="SecureString",
            Value="Correct-Horse-7\n",
            Overwrite=True,
        )
        assert one.up()["settings"]["CHARTWELL_IRIS__PASSWORD"] == "Correct-Horse-7"

    def test_people_go_on_getting_alarms_without_confirming_again(self) -> None:
        one = Operator(alertEmails='["ops@example.org", "radiology@example.org"]')
        one.up()
        one.destroy()
        confirmed = discover(config(), SESSION).subscriptions
        assert set(confirmed or ()) == {"ops@example.org", "radiology@example.org"}
        one.engine.log.clear()
        one.up()
        assert [name for name in one.engine.done("create") if "-mail-" in name or "-alarms" in name] == []
        assert discover(config(), SESSION).subscriptions == confirmed

    def test_a_second_up_changes_nothing(self) -> None:
        one = Operator()
        one.up()
        one.engine.log.clear()
        one.up()
        assert {verb for verb, _ in one.engine.log} == {"same"}

    def test_the_zone_of_the_volume_decides_where_the_host_goes(self) -> None:
        one = Operator(availabilityZones='["us-east-1b"]')
        one.up()
        one.destroy()
        one.up(availabilityZones='["us-east-1c", "us-east-1b"]')
        (volume,) = (
            one.volumes().values() if len(one.volumes()) == 1 else [one.volumes()[one.data_volumes()[0]]]
        )
        assert volume["AvailabilityZone"] == "us-east-1b"

    def test_a_volume_outside_the_listed_zones_is_an_error(self) -> None:
        one = Operator(availabilityZones='["us-east-1b"]')
        one.up()
        one.destroy()
        with pytest.raises(DataStoreError, match=r"lies in us-east-1b.*change-zone"):
            one.up(availabilityZones='["us-east-1c"]')

    def test_lost_state_is_healed_by_adoption(self) -> None:
        one = Operator()
        first = one.up()
        one.destroy()
        one.engine.forget()
        assert one.up()["volumeId"] == first["volumeId"]

    def test_a_volume_that_vanished_is_never_replaced_by_a_blank_one(self) -> None:
        one = Operator()
        first = one.up()
        one.destroy()
        one.ec2.delete_volume(VolumeId=first["volumeId"])
        with pytest.raises(DataStoreError, match=f"{first['volumeId']} of the last up is gone"):
            one.up()
        assert one.data_volumes() == []
        blank = one.up(acceptLostVolume=first["volumeId"])
        assert blank["volumeId"] != first["volumeId"]

    def test_two_candidates_are_an_error_that_names_both(self) -> None:
        one = Operator()
        first = one.up()
        one.destroy()
        tags = one.volumes()[first["volumeId"]]["Tags"]
        other = one.ec2.create_volume(
            AvailabilityZone="us-east-1a",
            Size=200,
            Encrypted=True,
            TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
        )["VolumeId"]
        with pytest.raises(DataStoreError) as caught:
            one.up()
        assert first["volumeId"] in str(caught.value)
        assert other in str(caught.value)

    @pytest.mark.parametrize("step", ["chartwell-dev-data-volume", "chartwell-dev-host-instance"])
    def test_an_up_that_broke_off_goes_on_the_next_time(self, step: str) -> None:
        one = Operator()
        with pytest.raises(Exception, match="broke off"):
            one.up(fail_at=step)
        again = one.up()
        assert one.data_volumes() == [again["volumeId"]]


def test_only_a_confirmed_subscription_by_mail_can_be_adopted() -> None:
    """moto confirms immediately; AWS lists what waits without an ARN."""
    sns = boto3.client("sns", "us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
    topic = topic_arn(config(), "123456789012")
    listed = [
        {"Protocol": "email", "Endpoint": "waits@example.org", "SubscriptionArn": "PendingConfirmation"},
        {"Protocol": "email", "Endpoint": "left@example.org", "SubscriptionArn": "Deleted"},
        {"Protocol": "email", "Endpoint": "ops@example.org", "SubscriptionArn": f"{topic}:1"},
        {"Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:1:queue", "SubscriptionArn": f"{topic}:2"},
    ]
    with Stubber(sns) as answers:
        answers.add_response("list_subscriptions_by_topic", {"Subscriptions": listed}, {"TopicArn": topic})
        assert _subscriptions(sns, topic) == {"ops@example.org": f"{topic}:1"}


@pytest.mark.usefixtures("account")
class TestSnapshotMode:
    def test_the_volume_becomes_a_snapshot_and_comes_back_in_another_zone(self) -> None:
        one = Operator(pauseMode="snapshot", availabilityZones='["us-east-1a"]')
        first = one.up()
        one.destroy()
        assert one.data_volumes() == []
        second = one.up(availabilityZones='["us-east-1b"]')
        volume = one.volumes()[second["volumeId"]]
        assert second["volumeId"] != first["volumeId"]
        assert volume["AvailabilityZone"] == "us-east-1b"
        assert volume["SnapshotId"]

    def test_each_pause_restores_the_newest_of_the_recorded_volume(self) -> None:
        one = Operator(pauseMode="snapshot")
        for _ in range(2):
            one.up()
            one.destroy()
        third = one.up()
        snapshot = one.volumes()[third["volumeId"]]["SnapshotId"]
        (found,) = one.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
        snapshots = one.ec2.describe_snapshots(Filters=[{"Name": "tag:Role", "Values": ["data"]}])[
            "Snapshots"
        ]
        assert len(snapshots) == 2
        assert found["StartTime"] == max(each["StartTime"] for each in snapshots)

    def test_without_its_snapshot_up_refuses(self) -> None:
        one = Operator(pauseMode="snapshot")
        one.up()
        one.destroy()
        for each in one.ec2.describe_snapshots(Filters=[{"Name": "tag:Role", "Values": ["data"]}])[
            "Snapshots"
        ]:
            one.ec2.delete_snapshot(SnapshotId=each["SnapshotId"])
        with pytest.raises(DataStoreError, match="no snapshot of it exists"):
            one.up()

    def test_a_running_stack_is_not_replaced_by_its_older_snapshot(self) -> None:
        one = Operator(pauseMode="snapshot")
        one.up()
        one.destroy()
        second = one.up()
        assert one.up()["volumeId"] == second["volumeId"]

    def test_switching_to_volume_mode_while_paused_asks_which_snapshot(self) -> None:
        one = Operator(pauseMode="snapshot")
        one.up()
        one.destroy()
        with pytest.raises(DataStoreError, match="restoreSnapshotId snap-") as caught:
            one.up(pauseMode="volume")
        snapshot = str(caught.value).split("restoreSnapshotId ")[1].split()[0]
        restored = one.up(restoreSnapshotId=snapshot)
        one.destroy()
        assert one.up()["volumeId"] == restored["volumeId"]


@pytest.mark.usefixtures("account")
class TestStopMode:
    def test_paused_asks_for_a_stopped_host(self) -> None:
        one = Operator(pauseMode="stop")
        one.up()
        one.up(paused=True)
        power = one.engine.recorded.one("aws:ec2transitgateway/instanceState:InstanceState")
        assert power.props["state"] == "stopped"
        assert len(one.running()) == 1

    def test_another_type_stops_a_paused_host_again(self) -> None:
        """terraform-provider-aws, modifyInstanceAttributeWithStopStart: a host whose type is changed is started."""
        one = Operator(pauseMode="stop")
        one.up(paused=True)
        before = one.engine.recorded.one("aws:ec2transitgateway/instanceState:InstanceState")
        one.up(paused=True, instanceType="g5.4xlarge")
        after = one.engine.recorded.one("aws:ec2transitgateway/instanceState:InstanceState")
        assert before.replacement_trigger != after.replacement_trigger

    def test_another_type_of_a_running_host_replaces_no_step_in_the_plan(self) -> None:
        one = Operator(pauseMode="stop")
        one.up(instanceType="g5.4xlarge")
        power = one.engine.recorded.one("aws:ec2transitgateway/instanceState:InstanceState")
        assert power.replacement_trigger is None

    def test_a_destroy_in_stop_mode_still_keeps_the_data(self) -> None:
        one = Operator(pauseMode="stop")
        first = one.up()
        one.destroy()
        assert one.data_volumes() == [first["volumeId"]]


@pytest.mark.usefixtures("account")
class TestDecommission:
    def test_only_an_up_with_retention_destroy_lets_a_destroy_delete_data(self) -> None:
        one = Operator()
        one.up()
        one.up(dataRetention="destroy")
        one.destroy()
        assert one.data_volumes() == []
        assert SESSION.client("s3").list_buckets()["Buckets"] == []
        assert SESSION.client("sns").list_topics()["Topics"] == []
        assert SESSION.client("ssm").describe_parameters()["Parameters"] == []

    def test_the_key_must_be_rescued_before_its_data_is_adopted(self) -> None:
        one = Operator()
        one.up()
        one.destroy()
        kms = SESSION.client("kms")
        alias = next(
            each for each in kms.list_aliases()["Aliases"] if each["AliasName"].startswith("alias/chartwell")
        )
        kms.schedule_key_deletion(KeyId=alias["TargetKeyId"], PendingWindowInDays=30)
        with pytest.raises(DataStoreError, match="cancel-key-deletion"):
            one.up()


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("mode", ["volume", "snapshot", "stop"])
def test_only_what_may_bill_survives_a_pause(mode: str) -> None:
    """Types that stay in the account after a destroy, against the list that the costs page prices."""
    one = Operator(pauseMode=mode)
    recorded = one.up()
    assert recorded
    kept = {each.type for each in one.engine.recorded.custom if each.retain_on_delete}
    free = {each for each in kept if each.startswith("aws:s3/bucket") and each != "aws:s3/bucket:Bucket"}
    assert kept - free == survivors(mode)  # type: ignore[arg-type]


@pytest.mark.usefixtures("account")
def test_the_double_itself_refuses_what_aws_refuses() -> None:
    one = Operator()
    one.up()
    volume = next(each for each in one.engine.state.values() if each.name == VOLUME)
    with pytest.raises(EngineError, match="its host must be gone"):
        one.engine._delete_volume(volume)


def test_credentials_do_not_show_themselves() -> None:
    assert "hunter2" not in repr(Credentials("hunter2", "hunter2"))
