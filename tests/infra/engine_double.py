"""A small double of Pulumi's engine over moto's account, for rehearsing pause and resume.

Its rules are those of the real engine as documented: a destroy works on what the last up recorded; layers of
the reverse dependency graph one after the other; `retain_on_delete` only forgets; `import_` adopts on first
sight and is ignored afterwards; `final_snapshot` snapshots before the delete. Unlike moto it refuses a volume
that is attached twice or in another zone than the host. It does not update resources in place; where the
real engine would replace one, it says so and leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

from tests.infra.recording import Recorded, Registered, destroy_layers, made_id, made_outputs, record


class CachedSession:
    """A boto3 session that makes each client once: making one costs more than most tests."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service, region_name=self._region, aws_access_key_id="test", aws_secret_access_key="test"
            )
        return self._clients[service]


SESSION = CachedSession("us-east-1")


class EngineError(AssertionError):
    """What AWS or the engine would have refused."""


@dataclass
class Engine:
    """State of one stack, and the account behind it. `log` is what was done to the account, in order."""

    state: dict[str, Registered] = field(default_factory=dict)
    recorded: Recorded = field(default_factory=Recorded)
    log: list[tuple[str, str]] = field(default_factory=list)
    read_back: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id: what a refresh finds of inputs that replace their resource."""

    def up(self, program: Callable[[], Mapping[str, Any]], *, fail_at: str = "") -> Recorded:
        """Run the program against the account. `fail_at` breaks off when this resource would be created."""

        def create(registered: Registered) -> tuple[str, dict[str, Any]]:
            known = self.state.get(registered.urn)
            if registered.name == fail_at:
                raise EngineError(f"broke off at {fail_at}")
            if known is not None:
                resource_id = known.id
                self._note("replace" if self._replaces(registered, known.id) else "same", registered)
            elif registered.import_id:
                self._check_exists(registered)
                resource_id = registered.import_id
                self._note("import", registered)
            else:
                resource_id = self._create(registered)
                self._note("create", registered)
            object.__setattr__(registered, "id", resource_id)
            self._update(registered)
            self.state[registered.urn] = registered
            return resource_id, made_outputs(registered.type, registered.name, resource_id, registered.props)

        recorded = record(program, create=create)
        present = {each.urn for each in recorded.resources}
        self._delete([each for each in self.state.values() if each.urn not in present])
        self.recorded = recorded
        return recorded

    def destroy(self) -> None:
        """Delete what the last up recorded, layer by layer."""
        for layer in destroy_layers(self.recorded):
            self._delete([each for each in layer if each.urn in self.state])
        self.recorded = Recorded()

    def forget(self) -> None:
        """Lose the state, keep the account."""
        self.state.clear()

    def _delete(self, resources: list[Registered]) -> None:
        for each in resources:
            if each.protect:
                raise EngineError(f"{each.name} is protected")
            if each.retain_on_delete:
                self._note("retain", each)
            else:
                self._note("delete", each)
                self._delete_one(each)
            del self.state[each.urn]

    def _note(self, verb: str, each: Registered) -> None:
        self.log.append((verb, each.name))

    def done(self, verb: str) -> list[str]:
        return [name for said, name in self.log if said == verb]

    def _replaces(self, each: Registered, known_id: str) -> bool:
        """An input that is given, is not ignored, and differs from what the refresh before the up has read."""
        found = self.read_back.get(known_id, {})
        given = found.keys() & each.props.keys() - set(each.ignore_changes)
        return any(each.props[key] != found[key] for key in given)

    def _client(self, service: str) -> Any:
        return SESSION.client(service)

    def _check_exists(self, each: Registered) -> None:
        if each.type == "aws:ebs/volume:Volume":
            self._client("ec2").describe_volumes(VolumeIds=[each.import_id])
        elif each.type == "aws:s3/bucket:Bucket":
            self._client("s3").head_bucket(Bucket=each.import_id)
        elif each.type == "aws:ssm/parameter:Parameter":
            self._client("ssm").get_parameter(Name=each.import_id)
        elif each.type == "aws:sns/topicSubscription:TopicSubscription":
            self._client("sns").get_subscription_attributes(SubscriptionArn=each.import_id)
        elif each.type.startswith("aws:sns/"):
            self._client("sns").get_topic_attributes(TopicArn=each.import_id)

    def _create(self, each: Registered) -> str:
        maker = getattr(self, f"_create_{each.type.rsplit(':', 1)[1].lower()}", None)
        return maker(each) if maker else made_id(each.type, each.name)

    def _delete_one(self, each: Registered) -> None:
        deleter = getattr(self, f"_delete_{each.type.rsplit(':', 1)[1].lower()}", None)
        if deleter:
            deleter(each)

    def _update(self, each: Registered) -> None:
        """Of all updates in place only the record of the volume matters here."""
        if each.type == "aws:ssm/parameter:Parameter" and each.props.get("insecureValue"):
            value = each.props["insecureValue"]
            self._client("ssm").put_parameter(Name=each.id, Type="String", Value=value, Overwrite=True)

    @staticmethod
    def _tags(each: Registered, kind: str) -> list[dict[str, Any]]:
        tags = [{"Key": key, "Value": value} for key, value in (each.props.get("tags") or {}).items()]
        return [{"ResourceType": kind, "Tags": tags}]

    def _create_volume(self, each: Registered) -> str:
        arguments = {"SnapshotId": each.props["snapshotId"]} if each.props.get("snapshotId") else {}
        made = self._client("ec2").create_volume(
            AvailabilityZone=each.props["availabilityZone"],
            Size=each.props["size"],
            VolumeType="gp3",
            Encrypted=True,
            TagSpecifications=self._tags(each, "volume"),
            **arguments,
        )
        return str(made["VolumeId"])

    def _delete_volume(self, each: Registered) -> None:
        ec2 = self._client("ec2")
        (volume,) = ec2.describe_volumes(VolumeIds=[each.id])["Volumes"]
        if volume["State"] != "available":
            raise EngineError(f"{each.id} is {volume['State']}: its host must be gone before it is touched")
        if each.props.get("finalSnapshot"):
            ec2.create_snapshot(VolumeId=each.id, TagSpecifications=self._tags(each, "snapshot"))
        ec2.delete_volume(VolumeId=each.id)

    def _create_instance(self, each: Registered) -> str:
        made = self._client("ec2").run_instances(
            ImageId=each.props["ami"],
            InstanceType=each.props["instanceType"],
            MinCount=1,
            MaxCount=1,
            Placement={"AvailabilityZone": each.props["availabilityZone"]},
            TagSpecifications=self._tags(each, "instance"),
        )
        return str(made["Instances"][0]["InstanceId"])

    def _delete_instance(self, each: Registered) -> None:
        self._client("ec2").terminate_instances(InstanceIds=[each.id])

    def _create_eipassociation(self, each: Registered) -> str:
        # With a fixed address on, the provider reads: hashicorp/terraform-provider-aws#37318.
        self.read_back[each.props["instanceId"]] = {"associatePublicIpAddress": True}
        return made_id(each.type, each.name)

    def _create_volumeattachment(self, each: Registered) -> str:
        ec2 = self._client("ec2")
        (volume,) = ec2.describe_volumes(VolumeIds=[each.props["volumeId"]])["Volumes"]
        if volume["State"] != "available":
            raise EngineError("VolumeInUse")
        reservations = ec2.describe_instances(InstanceIds=[each.props["instanceId"]])["Reservations"]
        if reservations[0]["Instances"][0]["Placement"]["AvailabilityZone"] != volume["AvailabilityZone"]:
            raise EngineError("the volume and the host are in different zones")
        ec2.attach_volume(
            VolumeId=volume["VolumeId"], InstanceId=each.props["instanceId"], Device=each.props["deviceName"]
        )
        return f"vai-{volume['VolumeId']}"

    def _delete_volumeattachment(self, each: Registered) -> None:
        ec2 = self._client("ec2")
        if each.props.get("stopInstanceBeforeDetaching"):
            ec2.stop_instances(InstanceIds=[each.props["instanceId"]])
        ec2.detach_volume(VolumeId=each.props["volumeId"], InstanceId=each.props["instanceId"])

    def _create_bucket(self, each: Registered) -> str:
        s3 = self._client("s3")
        if each.props["bucket"] in {one["Name"] for one in s3.list_buckets()["Buckets"]}:
            raise EngineError("BucketAlreadyOwnedByYou")
        s3.create_bucket(Bucket=each.props["bucket"])
        return str(each.props["bucket"])

    def _delete_bucket(self, each: Registered) -> None:
        s3 = self._client("s3")
        if each.props.get("forceDestroy"):
            for found in s3.list_objects_v2(Bucket=each.id).get("Contents", []):
                s3.delete_object(Bucket=each.id, Key=found["Key"])
        s3.delete_bucket(Bucket=each.id)

    def _create_parameter(self, each: Registered) -> str:
        self._client("ssm").put_parameter(  # refuses an existing name, as AWS does
            Name=each.props["name"],
            Type=each.props["type"],
            Value=each.props.get("value") or each.props["insecureValue"],
        )
        return str(each.props["name"])

    def _delete_parameter(self, each: Registered) -> None:
        self._client("ssm").delete_parameter(Name=each.id)

    def _create_key(self, _: Registered) -> str:
        return str(self._client("kms").create_key()["KeyMetadata"]["KeyId"])

    def _delete_key(self, each: Registered) -> None:
        self._client("kms").schedule_key_deletion(KeyId=each.id, PendingWindowInDays=30)

    def _create_alias(self, each: Registered) -> str:
        self._client("kms").create_alias(AliasName=each.props["name"], TargetKeyId=each.props["targetKeyId"])
        return str(each.props["name"])

    def _delete_alias(self, each: Registered) -> None:
        self._client("kms").delete_alias(AliasName=each.id)

    def _create_loggroup(self, each: Registered) -> str:
        self._client("logs").create_log_group(logGroupName=each.props["name"])
        return str(each.props["name"])

    def _delete_loggroup(self, each: Registered) -> None:
        self._client("logs").delete_log_group(logGroupName=each.id)

    def _create_budget(self, each: Registered) -> str:
        account = self._client("sts").get_caller_identity()["Account"]
        limit = {"Amount": each.props["limitAmount"], "Unit": "USD"}
        budget = {
            "BudgetName": each.props["name"],
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": limit,
        }
        self._client("budgets").create_budget(AccountId=account, Budget=budget)
        return f"{account}:{each.props['name']}"

    def _delete_budget(self, each: Registered) -> None:
        account, name = each.id.split(":", 1)
        self._client("budgets").delete_budget(AccountId=account, BudgetName=name)

    def _create_topic(self, each: Registered) -> str:
        return str(self._client("sns").create_topic(Name=each.props["name"])["TopicArn"])

    def _delete_topic(self, each: Registered) -> None:
        self._client("sns").delete_topic(TopicArn=each.id)

    def _create_topicsubscription(self, each: Registered) -> str:
        """Confirmed immediately, as moto has it."""
        made = self._client("sns").subscribe(
            TopicArn=each.props["topic"],
            Protocol=each.props["protocol"],
            Endpoint=each.props["endpoint"],
            ReturnSubscriptionArn=True,
        )
        return str(made["SubscriptionArn"])

    def _delete_topicsubscription(self, each: Registered) -> None:
        self._client("sns").unsubscribe(SubscriptionArn=each.id)
