"""What survives a pause: the data volume, the buckets, the key they are encrypted with, generated
credentials.

Decides whether a volume is created, adopted or restored, and refuses whenever that would be a guess: a blank
disk in place of a full one is the one mistake that cannot be undone. Knows nothing of hosts.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import pulumi
import pulumi_aws as aws

from infra.plan import catalog
from infra.plan import inventory as found
from infra.plan.config import PauseMode, StackConfig
from infra.plan.inventory import FoundSnapshot, FoundVolume, Inventory

VolumeAction = Literal["create", "adopt", "restore"]
SECRET_LENGTH: Final = 32
KEY_DELETION_DAYS: Final = 30
SNAPSHOT_TIMEOUT: Final = "2h"  # a first snapshot of 200 GB outlasts the provider's 10 minutes
COLD_AFTER_DAYS: Final = 90
OLD_VERSION_DAYS: Final = 365


class DataStoreError(Exception):
    """What exists in the account does not say clearly which data volume is meant. Nothing was created.

    Do not retry; the message names the ids and the command that settles it.
    """


@dataclass(frozen=True)
class VolumeDecision:
    """What happens to the data volume at this up, and in which zone the host must therefore run."""

    action: VolumeAction
    zone: str
    size_gb: int
    import_id: str | None = None
    snapshot_id: str | None = None


def decide_volume(config: StackConfig, inventory: Inventory) -> VolumeDecision:
    """Create, adopt or restore the data volume. Raises DataStoreError whenever it is not clear which."""
    volumes = inventory.volumes
    if len(volumes) > 1:
        ids = ", ".join(
            f"{each.volume_id} ({each.zone}, {each.size_gb} GB, {each.state})" for each in volumes
        )
        raise DataStoreError(
            f"{len(volumes)} data volumes carry the tags of stack {config.stack}: {ids}. Decide which one "
            "holds the "
            f"data and take the tag off the other: aws ec2 delete-tags --resources vol-… --tags Key=Role "
            f"(docs/troubleshooting-aws.md#two-volumes)."
        )
    if volumes:
        return _adopt(config, inventory, volumes[0])
    if config.restore_snapshot_id:
        return _restore(config, inventory, _named_snapshot(config, inventory))
    return _without_volume(config, inventory)


def _adopt(config: StackConfig, inventory: Inventory, volume: FoundVolume) -> VolumeDecision:
    named = f"Data volume {volume.volume_id}"
    if volume.state not in {"available", "in-use"}:
        raise DataStoreError(
            f"{named} is {volume.state}: half-made or broken. Wait a minute and run up again; if it stays "
            "so, "
            f"see docs/troubleshooting-aws.md#half-made-volume."
        )
    if not volume.encrypted:
        raise DataStoreError(
            f"{named} is not encrypted, so this stack did not make it. Copy it: snapshot, encrypted copy, "
            f"pulumi config set restoreSnapshotId snap-… (docs/troubleshooting-aws.md#foreign-volume)."
        )
    if volume.attached_to and volume.attached_to not in inventory.instance_ids:
        raise DataStoreError(
            f"{named} is attached to {volume.attached_to}, which is not this stack's host. Detach it there "
            "first "
            f"(docs/troubleshooting-aws.md#foreign-volume)."
        )
    _check_record(config, inventory, volume)
    if config.restore_snapshot_id and volume.snapshot_id != config.restore_snapshot_id:
        raise DataStoreError(
            f"restoreSnapshotId is {config.restore_snapshot_id}, but {named} exists and would be replaced. "
            "Set it "
            f"aside first: pulumi destroy, then aws ec2 delete-tags --resources {volume.volume_id} --tags "
            "Key=Role "
            f"(docs/runbook.md#restore-a-snapshot)."
        )
    if volume.size_gb > config.volume_size_gb:
        raise DataStoreError(
            f"{named} has {volume.size_gb} GB and volumeSizeGb is {config.volume_size_gb}: a volume cannot "
            "shrink. "
            f"pulumi config set volumeSizeGb {volume.size_gb}."
        )
    _check_zone(config, inventory, volume)
    return VolumeDecision("adopt", volume.zone, config.volume_size_gb, import_id=volume.volume_id)


def _check_record(config: StackConfig, inventory: Inventory, volume: FoundVolume) -> None:
    """The volume must be the recorded one, or have been restored from it by an up that broke off."""
    record = inventory.recorded_volume_id
    if record in {None, volume.volume_id, config.accept_lost_volume}:
        return
    source = next((each for each in inventory.snapshots if each.snapshot_id == volume.snapshot_id), None)
    if source and source.volume_id == record:
        return
    if volume.snapshot_id and volume.snapshot_id == config.restore_snapshot_id:
        return
    raise DataStoreError(
        f"The last up used data volume {record}, but {volume.volume_id} is what carries the tags. If "
        f"{record} is "
        f"given up for it: pulumi config set acceptLostVolume {record} "
        "(docs/troubleshooting-aws.md#lost-volume)."
    )


def _check_zone(config: StackConfig, inventory: Inventory, volume: FoundVolume) -> None:
    wanted = config.availability_zones or inventory.zones
    if volume.zone in inventory.zones and volume.zone in wanted:
        return
    reason = (
        f"which is not in availabilityZones ({', '.join(wanted)})"
        if volume.zone in inventory.zones
        else f"where AWS does not offer {config.instance_type}"
    )
    raise DataStoreError(
        f"Data volume {volume.volume_id} lies in {volume.zone}, {reason}. A volume cannot move: add the "
        "zone, or "
        f"move by snapshot (docs/runbook.md#change-zone)."
    )


def _without_volume(config: StackConfig, inventory: Inventory) -> VolumeDecision:
    record = inventory.recorded_volume_id
    own = sorted(inventory.snapshots, key=lambda each: each.started_at)
    pending = [each.snapshot_id for each in own if each.state == "pending"]
    complete = [each for each in own if each.state == "completed"]
    if record is not None and record == config.accept_lost_volume:
        return VolumeDecision("create", _first_zone(config, inventory), config.volume_size_gb)
    if pending:
        raise DataStoreError(
            f"Snapshot {', '.join(pending)} of the data volume is still being made. Wait: aws ec2 wait "
            f"snapshot-completed --snapshot-ids {pending[-1]}, then run up again."
        )
    if record is None:
        if complete:
            raise DataStoreError(
                f"No data volume and no record of one, but {len(complete)} snapshot(s) carry this stack's "
                "tags; the "
                f"newest is {complete[-1].snapshot_id}. Restore it: pulumi config set restoreSnapshotId "
                f"{complete[-1].snapshot_id}, or take the tags off (docs/troubleshooting-aws.md#lost-volume)."
            )
        return VolumeDecision("create", _first_zone(config, inventory), config.volume_size_gb)
    if complete and complete[-1].volume_id != record:
        raise DataStoreError(
            f"The data volume {record} of the last up is gone, and the newest snapshot "
            f"{complete[-1].snapshot_id} is of another one, {complete[-1].volume_id}. Say which to restore: "
            f"pulumi config set restoreSnapshotId … (docs/troubleshooting-aws.md#lost-volume)."
        )
    if complete and config.pause_mode == "snapshot":
        return _restore(config, inventory, complete[-1])
    cure = (
        f"its newest snapshot is {complete[-1].snapshot_id}: pulumi config set restoreSnapshotId "
        f"{complete[-1].snapshot_id}"
        if complete
        else "no snapshot of it exists. To start with a blank one: pulumi config set acceptLostVolume "
        f"{record}"
    )
    raise DataStoreError(
        f"The data volume {record} of the last up is gone, and {cure} "
        "(docs/troubleshooting-aws.md#lost-volume)."
    )


def _named_snapshot(config: StackConfig, inventory: Inventory) -> FoundSnapshot:
    wanted = config.restore_snapshot_id
    snapshot = next((each for each in inventory.snapshots if each.snapshot_id == wanted), None)
    if snapshot is None:
        raise DataStoreError(
            f"Snapshot {wanted} does not exist here with the tags Project, Stack {config.stack} and Role "
            "data. Tag it "
            f"if it is the right one (docs/runbook.md#restore-a-snapshot)."
        )
    _check_newest(inventory, snapshot)
    return snapshot


def _check_newest(inventory: Inventory, named: FoundSnapshot) -> None:
    """A key that was left set after a restore would take back, at the next resume, what was written since."""
    newer = [
        each
        for each in inventory.snapshots
        if each.state == "completed"
        and each.volume_id == inventory.recorded_volume_id
        and each.started_at > named.started_at
    ]
    if newer:
        ids = " ".join(each.snapshot_id for each in newer)
        raise DataStoreError(
            f"restoreSnapshotId is {named.snapshot_id} of {named.started_at:%Y-%m-%d %H:%M}, but the last pause "
            f"left a newer one: {ids}. Was the key left over from a restore: pulumi config rm restoreSnapshotId. To "
            f"go back all the same, set it aside: aws ec2 delete-tags --resources {ids} --tags Key=Role "
            "(docs/runbook.md#restore-a-snapshot)."
        )


def _restore(config: StackConfig, inventory: Inventory, snapshot: FoundSnapshot) -> VolumeDecision:
    if snapshot.state != "completed":
        raise DataStoreError(
            f"Snapshot {snapshot.snapshot_id} is {snapshot.state}. aws ec2 wait snapshot-completed "
            "--snapshot-ids "
            f"{snapshot.snapshot_id}, then run up again."
        )
    if snapshot.size_gb > config.volume_size_gb:
        raise DataStoreError(
            f"Snapshot {snapshot.snapshot_id} needs {snapshot.size_gb} GB and volumeSizeGb is "
            f"{config.volume_size_gb}. pulumi config set volumeSizeGb {snapshot.size_gb}."
        )
    zone = _first_zone(config, inventory)
    return VolumeDecision("restore", zone, config.volume_size_gb, snapshot_id=snapshot.snapshot_id)


def _first_zone(config: StackConfig, inventory: Inventory) -> str:
    wanted = config.availability_zones or inventory.zones
    for zone in wanted:
        if zone in inventory.zones:
            return zone
    offering = ", ".join(inventory.zones) or "none"
    raise DataStoreError(
        f"No zone in availabilityZones ({', '.join(wanted) or 'empty'}) offers {config.instance_type}; in "
        f"{config.region} these do: {offering}. pulumi config set --path 'availabilityZones[0]' …"
    )


@dataclass(frozen=True)
class Credentials:
    """Secrets that the data was made with, so they live as long as it does."""

    iris_password: str
    service_secret: str

    def __repr__(self) -> str:
        return "Credentials(****)"


def credentials(inventory: Inventory) -> Credentials:
    """Those of the account where they exist, freshly drawn ones otherwise. A second up finds the first's."""
    return Credentials(
        iris_password=inventory.parameters.get(found.IRIS_PASSWORD) or secrets.token_urlsafe(SECRET_LENGTH),
        service_secret=inventory.parameters.get(found.SERVICE_SECRET) or secrets.token_urlsafe(SECRET_LENGTH),
    )


def check_key(config: StackConfig, inventory: Inventory) -> None:
    """Raises DataStoreError when the key of the data is not usable: adopting the data would fail later."""
    if inventory.key_state in {None, "Enabled"}:
        return
    cancel = f"aws kms cancel-key-deletion --key-id {inventory.key_id}, then "
    raise DataStoreError(
        f"The key {inventory.key_id} that encrypts the data of {config.stack} is {inventory.key_state}. "
        f"{cancel if inventory.key_state == 'PendingDeletion' else ''}"
        f"aws kms enable-key --key-id {inventory.key_id} (docs/troubleshooting-aws.md#encryption-key)."
    )


class DataStore(pulumi.ComponentResource):
    """The resources that outlive a pause. Each is retained on delete unless `dataRetention` is destroy.

    Attributes:
        volume_id, volume_arn: of the data volume.
        bucket_names, bucket_arns: by role (documents, backups, access-logs).
        key_arn: of the key behind volume, buckets, parameters and logs.
        iris_password, service_secret: secret outputs.
        parameter_arn: prefix of the stack's parameters, ends with /*.
    """

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        inventory: Inventory,
        decision: VolumeDecision,
        generated: Credentials,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("chartwell:data:DataStore", name, None, opts)
        self._name = name
        self._config = config
        self._inventory = inventory
        self._keep = config.data_retention == "keep"
        self.key = self._make_key()
        self.key_arn = self.key.arn
        self.volume = self._make_volume(decision)
        self.volume_id = self.volume.id
        self.volume_arn = self.volume.arn
        self.bucket_names: dict[str, pulumi.Output[str]] = {}
        self.bucket_arns: dict[str, pulumi.Output[str]] = {}
        for role in reversed(found.BUCKET_ROLES):  # the log bucket first: the others write to it
            self._make_bucket(role)
        self.iris_password = self._make_secret(found.IRIS_PASSWORD, generated.iris_password)
        self.service_secret = self._make_secret(found.SERVICE_SECRET, generated.service_secret)
        self._make_record()
        self.parameter_arn = (
            f"arn:aws:ssm:{config.region}:{inventory.account_id}:parameter{config.parameter_path}/*"
        )
        self.register_outputs(
            {"volumeId": self.volume_id, "keyArn": self.key_arn, "documents": self.bucket_names["documents"]}
        )

    def _options(self, import_id: str | None = None, **more: Any) -> pulumi.ResourceOptions:
        """Said on every child, although the engine would inherit it: a reader of one line sees it."""
        return pulumi.ResourceOptions(parent=self, retain_on_delete=self._keep, import_=import_id, **more)

    def _make_key(self) -> aws.kms.Key:
        key = aws.kms.Key(
            f"{self._name}-key",
            description=f"Chartwell {self._config.stack}: volume, buckets, parameters, logs",
            enable_key_rotation=True,
            deletion_window_in_days=KEY_DELETION_DAYS,
            policy=json.dumps(key_policy(self._config, self._inventory.account_id)),
            tags={"Name": f"{self._name}-key"},
            opts=self._options(self._inventory.key_id),
        )
        alias = found.key_alias(self._config)
        aws.kms.Alias(
            f"{self._name}-key-alias",
            name=alias,
            target_key_id=key.key_id,
            opts=self._options(alias if self._inventory.key_id else None),
        )
        return key

    def _make_volume(self, decision: VolumeDecision) -> aws.ebs.Volume:
        snapshot_mode = self._config.pause_mode == "snapshot" and self._keep
        options = pulumi.ResourceOptions(
            parent=self,
            retain_on_delete=self._keep and not snapshot_mode,
            import_=decision.import_id,
            # Which snapshot a volume came from is history: another answer must not replace it.
            ignore_changes=["snapshotId"],
            custom_timeouts=pulumi.CustomTimeouts(create="30m", delete=SNAPSHOT_TIMEOUT),
        )
        return aws.ebs.Volume(
            f"{self._name}-volume",
            availability_zone=decision.zone,
            size=decision.size_gb,
            type="gp3",
            throughput=self._config.volume_throughput_mbps,
            encrypted=True,
            kms_key_id=self.key.arn,
            snapshot_id=decision.snapshot_id,
            final_snapshot=snapshot_mode,
            tags={**self._config.tags, "Name": f"{self._name}-volume", "Role": found.DATA_ROLE_TAG},
            opts=options,
        )

    def _make_bucket(self, role: str) -> None:
        bucket_name = found.bucket_name(self._config, self._inventory.account_id, role)
        bucket = aws.s3.Bucket(
            f"{self._name}-{role}",
            bucket=bucket_name,
            force_destroy=not self._keep,
            tags={"Name": bucket_name, "Role": role},
            opts=self._options(bucket_name if role in self._inventory.buckets else None),
        )
        self.bucket_names[role] = bucket.bucket
        self.bucket_arns[role] = bucket.arn
        self._protect_bucket(role, bucket)

    def _protect_bucket(self, role: str, bucket: aws.s3.Bucket) -> None:
        """Private, versioned, encrypted, TLS only.

        PUT-like settings: setting them again after a pause is safe.
        """
        label = f"{self._name}-{role}"
        blocked = aws.s3.BucketPublicAccessBlock(
            f"{label}-private",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._options(),
        )
        aws.s3.BucketOwnershipControls(
            f"{label}-owner",
            bucket=bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self._options(),
        )
        aws.s3.BucketVersioning(
            f"{label}-versions",
            bucket=bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=self._options(),
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{label}-encryption", bucket=bucket.bucket, rules=[self._encryption(role)], opts=self._options()
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{label}-lifecycle", bucket=bucket.bucket, rules=_lifecycle(role), opts=self._options()
        )
        policy = aws.s3.BucketPolicy(
            f"{label}-policy",
            bucket=bucket.bucket,
            policy=bucket.arn.apply(lambda arn: json.dumps(self._bucket_policy(role, arn))),
            opts=self._options(depends_on=[blocked]),
        )
        if role == "access-logs":
            self._log_policy = policy
        else:
            aws.s3.BucketLogging(
                f"{label}-logging",
                bucket=bucket.bucket,
                target_bucket=self.bucket_names["access-logs"],
                target_prefix=f"{role}/",
                # S3 refuses a target that does not let it write yet.
                opts=self._options(depends_on=[self._log_policy]),
            )

    def _encryption(self, role: str) -> Any:
        if role == "access-logs":  # S3 cannot write access logs under a customer key
            return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
        return {
            "apply_server_side_encryption_by_default": {
                "sse_algorithm": "aws:kms",
                "kms_master_key_id": self.key.arn,
            },
            "bucket_key_enabled": True,
        }

    def _bucket_policy(self, role: str, arn: str) -> dict[str, Any]:
        statements: list[dict[str, Any]] = [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
        if role == "access-logs":
            statements.append(
                {
                    "Sid": "AccessLogDelivery",
                    "Effect": "Allow",
                    "Principal": {"Service": "logging.s3.amazonaws.com"},
                    "Action": "s3:PutObject",
                    "Resource": f"{arn}/*",
                    "Condition": {"StringEquals": {"aws:SourceAccount": self._inventory.account_id}},
                }
            )
        return {"Version": "2012-10-17", "Statement": statements}

    def _make_secret(self, role: str, value: str) -> pulumi.Output[str]:
        parameter_name = f"{self._config.parameter_path}/{role}"
        parameter = aws.ssm.Parameter(
            f"{self._name}-{role}",
            name=parameter_name,
            type="SecureString",
            key_id=self.key.arn,
            value=pulumi.Output.secret(value),
            opts=self._options(
                parameter_name if role in self._inventory.parameters else None,
                additional_secret_outputs=["value"],
            ),
        )
        return pulumi.Output.secret(parameter.value)

    def _make_record(self) -> None:
        """Names the volume in use.

        The next up compares: a missing volume is then an error, not a blank disk.
        """
        parameter_name = f"{self._config.parameter_path}/{found.VOLUME_RECORD}"
        aws.ssm.Parameter(
            f"{self._name}-{found.VOLUME_RECORD}",
            name=parameter_name,
            type="String",
            insecure_value=self.volume.id,
            opts=self._options(parameter_name if self._inventory.recorded_volume_id else None),
        )


def _lifecycle(role: str) -> list[Any]:
    common = {
        "id": "tidy",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
        "noncurrent_version_expiration": {"noncurrent_days": OLD_VERSION_DAYS},
    }
    if role == "access-logs":
        return [{**common, "expiration": {"days": OLD_VERSION_DAYS}}]
    # Instant retrieval: an evaluation over old documents must not wait for hours.
    return [{**common, "transitions": [{"days": COLD_AFTER_DAYS, "storage_class": "GLACIER_IR"}]}]


def key_policy(config: StackConfig, account_id: str) -> dict[str, Any]:
    """Account administration by IAM; logs, alarms and budgets may use it for this account."""
    root = f"arn:aws:iam::{account_id}:root"
    use = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    statements: list[dict[str, Any]] = [
        _statement("Administration", {"AWS": root}, ["kms:*"]),
        _statement(
            "Logs",
            {"Service": f"logs.{config.region}.amazonaws.com"},
            use,
            {
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": (
                        f"arn:aws:logs:{config.region}:{account_id}:log-group:{config.parameter_path}/*"
                    )
                }
            },
        ),
        _statement(
            "Notifications",
            {"Service": ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]},
            ["kms:Decrypt", "kms:GenerateDataKey*"],
            {"StringEquals": {"aws:SourceAccount": account_id}},
        ),
    ]
    if config.spot:  # the service that restarts spot hosts must open their encrypted disks
        spot = f"arn:aws:iam::{account_id}:role/aws-service-role/spot.amazonaws.com/{catalog.SPOT_ROLE}"
        statements.append(_statement("SpotHosts", {"AWS": spot}, [*use, "kms:CreateGrant"]))
    return {"Version": "2012-10-17", "Statement": statements}


def _statement(
    sid: str, principal: Mapping[str, Any], actions: list[str], condition: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": dict(principal),
        "Action": actions,
        "Resource": "*",
    }
    return {**statement, "Condition": dict(condition)} if condition else statement


def survivors(mode: PauseMode) -> frozenset[str]:
    """Types that a destroy leaves in the account when data is kept.

    In snapshot mode a snapshot replaces the volume.
    """
    kept = {
        "aws:kms/key:Key",
        "aws:kms/alias:Alias",
        "aws:s3/bucket:Bucket",
        "aws:ssm/parameter:Parameter",
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:budgets/budget:Budget",
        "aws:sns/topic:Topic",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
    }
    return frozenset(kept if mode == "snapshot" else kept | {"aws:ebs/volume:Volume"})
