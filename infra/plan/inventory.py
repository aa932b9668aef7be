"""What of a stack already exists in the account, found by tag and by fixed name before anything is built.

Decides nothing: `data` judges what is found. Refuses to read Pulumi's state, because after a pause, a crash
or a lost state the account is the only witness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

import boto3
import botocore.exceptions

from infra.plan.config import PROJECT, StackConfig
from infra.plan.faults import FAULTS, LOGIN_CURE, fault_line, of_login

DATA_ROLE_TAG: Final = "data"
VOLUME_RECORD: Final = "data-volume"
HOST_KEY_RECORD: Final = "host-key"
IRIS_PASSWORD: Final = "iris-password"  # noqa: S105 (a parameter's name)
SERVICE_SECRET: Final = "service-secret"  # noqa: S105
BUCKET_ROLES: Final = ("documents", "backups", "access-logs")
LOG_GROUPS: Final = ("host", "service", "flow")

HOST_STATES: Final = ("pending", "running", "stopping", "stopped")

T = TypeVar("T")


@dataclass(frozen=True)
class FoundVolume:
    """An EBS volume that carries this stack's tags. `state` as EC2 names it."""

    volume_id: str
    zone: str
    size_gb: int
    state: str
    encrypted: bool
    snapshot_id: str | None = None
    attached_to: str | None = None


@dataclass(frozen=True)
class FoundSnapshot:
    """A snapshot that carries this stack's tags: made by a pause, a backup plan, or by hand."""

    snapshot_id: str
    volume_id: str
    size_gb: int
    state: str
    started_at: datetime


@dataclass(frozen=True)
class Inventory:
    """What was found. Empty everywhere (but account and zones) before the first up."""

    account_id: str
    zones: tuple[str, ...]
    """Zones of the region that offer the instance type and may take the host; `capacity` leaves those with room."""
    offered_zones: tuple[str, ...] = ()
    """All that offer the type, with room now or not; the same at each up, so the network spans these."""
    volumes: tuple[FoundVolume, ...] = ()
    snapshots: tuple[FoundSnapshot, ...] = ()
    instance_ids: frozenset[str] = frozenset()
    """Hosts that live, whether the stack's state knows them or not: `hosts` tells."""
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Last part of the name -> value. Holds secrets: not shown."""
    buckets: frozenset[str] = frozenset()
    log_groups: frozenset[str] = frozenset()
    key_id: str | None = None
    key_state: str | None = None
    budget_exists: bool = False
    subscriptions: Mapping[str, str] | None = None
    """Mail address -> ARN of each confirmed subscription to the alarms; None where their topic does not exist."""

    @property
    def recorded_volume_id(self) -> str | None:
        """Id of the data volume that the last successful up used; None before the first."""
        return self.parameters.get(VOLUME_RECORD)


class InventoryError(Exception):
    """The account could not be asked. Nothing was created. Retry after curing what the message names."""


def bucket_name(config: StackConfig, account_id: str, role: str) -> str:
    """Fixed bucket name: a random suffix would mean a new, empty bucket after every pause."""
    return f"{config.name}-{account_id}-{role}"


def log_group_name(config: StackConfig, role: str) -> str:
    return f"{config.parameter_path}/{role}"


def budget_name(config: StackConfig) -> str:
    return f"{config.name}-monthly"


def topic_name(config: StackConfig) -> str:
    return f"{config.name}-alarms"


def topic_arn(config: StackConfig, account_id: str) -> str:
    return f"arn:aws:sns:{config.region}:{account_id}:{topic_name(config)}"


def key_alias(config: StackConfig) -> str:
    return f"alias/{config.name}-data"


def discover(config: StackConfig, session: Any = None) -> Inventory:
    """Ask the account. Raises InventoryError when credentials, permissions or the account are wrong.

    `session` is a boto3 session; by default one for the configured profile and region.
    """
    try:
        session = session or boto3.Session(profile_name=config.aws_profile, region_name=config.region)
        account_id = str(session.client("sts").get_caller_identity()["Account"])
        _check_account(config, account_id)
        ec2 = session.client("ec2")
        key_id, key_state = _key(session.client("kms"), key_alias(config))
        zones = _zones(ec2, config.instance_type)
        return Inventory(
            account_id=account_id,
            zones=zones,
            offered_zones=zones,
            volumes=_volumes(ec2, config),
            snapshots=_snapshots(ec2, config),
            instance_ids=live_hosts(ec2, config),
            parameters=_parameters(session.client("ssm"), config.parameter_path),
            buckets=_buckets(session.client("s3"), config, account_id),
            log_groups=_log_groups(session.client("logs"), config),
            key_id=key_id,
            key_state=key_state,
            budget_exists=_budget_exists(session.client("budgets"), account_id, budget_name(config)),
            subscriptions=_subscriptions(session.client("sns"), topic_arn(config, account_id)),
        )
    except botocore.exceptions.ClientError as error:
        cure = LOGIN_CURE if of_login(error) else "Give the deployer this permission"
        raise InventoryError(
            f"AWS refused {error.operation_name}: {fault_line(error)}. Without it no up may run, because existing "
            f"data could be overlooked. {cure} (docs/troubleshooting-aws.md#credentials)."
        ) from error
    except FAULTS as error:
        raise InventoryError(
            f"AWS could not be asked: {fault_line(error)}. Check credentials (aws sts get-caller-identity), profile "
            f"and region (docs/troubleshooting-aws.md#credentials)."
        ) from error


def _check_account(config: StackConfig, account_id: str) -> None:
    if config.aws_account_id and config.aws_account_id != account_id:
        raise InventoryError(
            f"The credentials belong to account {account_id}; awsAccountId allows only "
            f"{config.aws_account_id}. "
            f"Switch the profile (docs/troubleshooting-aws.md#credentials)."
        )


def _tag_filters(config: StackConfig, **more: str) -> list[dict[str, Any]]:
    tags = {"Project": PROJECT, "Stack": config.stack, **more}
    return [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]


def _pages(client: Any, operation: str, read: Callable[[Any], list[T]], **arguments: Any) -> list[T]:
    return [each for page in client.get_paginator(operation).paginate(**arguments) for each in read(page)]


def _zones(ec2: Any, instance_type: str) -> tuple[str, ...]:
    offered = _pages(
        ec2,
        "describe_instance_type_offerings",
        lambda page: [each["Location"] for each in page["InstanceTypeOfferings"]],
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [instance_type]}],
    )
    return tuple(sorted(offered))


def _volumes(ec2: Any, config: StackConfig) -> tuple[FoundVolume, ...]:
    found = _pages(
        ec2,
        "describe_volumes",
        lambda page: page["Volumes"],
        Filters=_tag_filters(config, Role=DATA_ROLE_TAG),
    )
    return tuple(
        FoundVolume(
            volume_id=each["VolumeId"],
            zone=each["AvailabilityZone"],
            size_gb=each["Size"],
            state=each["State"],
            encrypted=each.get("Encrypted", False),
            snapshot_id=each.get("SnapshotId") or None,
            attached_to=next((at["InstanceId"] for at in each.get("Attachments", [])), None),
        )
        for each in found
        if each["State"] not in {"deleting", "deleted"}
    )


def _snapshots(ec2: Any, config: StackConfig) -> tuple[FoundSnapshot, ...]:
    found = _pages(
        ec2,
        "describe_snapshots",
        lambda page: page["Snapshots"],
        OwnerIds=["self"],
        Filters=_tag_filters(config, Role=DATA_ROLE_TAG),
    )
    return tuple(
        FoundSnapshot(
            each["SnapshotId"], each["VolumeId"], each["VolumeSize"], each["State"], each["StartTime"]
        )
        for each in found
    )


def live_hosts(ec2: Any, config: StackConfig) -> frozenset[str]:
    """Ids of the machines that carry this stack's tags and are not ended. Raises botocore's errors."""
    return frozenset(
        _pages(
            ec2,
            "describe_instances",
            lambda page: [one["InstanceId"] for each in page["Reservations"] for one in each["Instances"]],
            # A terminated instance is listed for an hour more.
            Filters=[*_tag_filters(config), {"Name": "instance-state-name", "Values": list(HOST_STATES)}],
        )
    )


def _parameters(ssm: Any, path: str) -> dict[str, str]:
    found = _pages(
        ssm, "get_parameters_by_path", lambda page: page["Parameters"], Path=path, WithDecryption=True
    )
    # A value that was piped in ends with a line break, which no password has.
    return {each["Name"].rsplit("/", 1)[1]: each["Value"].rstrip("\r\n") for each in found}


def _buckets(s3: Any, config: StackConfig, account_id: str) -> frozenset[str]:
    owned = {each["Name"] for each in s3.list_buckets()["Buckets"]}
    found = frozenset(role for role in BUCKET_ROLES if bucket_name(config, account_id, role) in owned)
    if found:
        _check_region(config, s3, bucket_name(config, account_id, min(found)))
    return found


def _check_region(config: StackConfig, s3: Any, bucket: str) -> None:
    """Bucket names hold in every region, tags and parameters in one: from another, the volume would seem never to
    have been."""
    region = s3.head_bucket(Bucket=bucket).get("BucketRegion", config.region)
    if region != config.region:
        raise InventoryError(
            f"The data of stack {config.stack} lies in {region} (bucket {bucket}), and region is {config.region}. "
            f"Nothing was created. pulumi config set region {region}; data does not move, another region is another "
            "stack (docs/troubleshooting-aws.md#another-stack)."
        )


def _log_groups(logs: Any, config: StackConfig) -> frozenset[str]:
    names = set(
        _pages(
            logs,
            "describe_log_groups",
            lambda page: [each["logGroupName"] for each in page["logGroups"]],
            logGroupNamePrefix=f"{config.parameter_path}/",
        )
    )
    return frozenset(role for role in LOG_GROUPS if log_group_name(config, role) in names)


def _key(kms: Any, alias: str) -> tuple[str | None, str | None]:
    aliases = _pages(kms, "list_aliases", lambda page: page["Aliases"])
    key_id = next((each.get("TargetKeyId") for each in aliases if each["AliasName"] == alias), None)
    if key_id is None:
        return None, None
    return key_id, kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]


def _budget_exists(budgets: Any, account_id: str, name: str) -> bool:
    try:
        budgets.describe_budget(AccountId=account_id, BudgetName=name)
    except budgets.exceptions.NotFoundException:
        return False
    return True


def _subscriptions(sns: Any, topic: str) -> dict[str, str] | None:
    """One that waits for its confirmation has no ARN here; asked for again, it gets a new mail with the link."""
    try:
        found = _pages(sns, "list_subscriptions_by_topic", lambda page: page["Subscriptions"], TopicArn=topic)
    except sns.exceptions.NotFoundException:
        return None
    return {
        each["Endpoint"]: each["SubscriptionArn"]
        for each in found
        if each["Protocol"] == "email" and each["SubscriptionArn"].startswith("arn:")
    }
