"""Lists what this project made in the account and the stack's state does not know, with price and remedy.

`python -m infra.orphans --stack dev` asks the tagging API for everything with the stack's tags and compares
it with the state. It removes nothing: it prints the command that would; only what a creation that was cut off left is
removed here, a host by its id (`--end`, infra/plan/hosts.py), parts of the network that are in the way of the next up
all together (`--clear-network`, infra/plan/networks.py). After a pause the data is not in
the state by design; that is told apart from what was forgotten, by the record that the next up goes by. Once
the record is gone (decommissioned), nothing is kept.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.exceptions

from infra.plan import catalog, hosts, networks
from infra.plan.config import PROJECT
from infra.plan.faults import FAULTS
from infra.plan.inventory import DATA_ROLE_TAG, VOLUME_RECORD
from infra.plan.state import exported_state, known_ids

HOURS: Final = catalog.HOURS_PER_MONTH
# Kinds that a pause keeps (infra/components/storage.py), as the tagging API names them; subscriptions go with
# their topic.
KEPT_BY_A_PAUSE: Final = frozenset(
    {
        "ec2:volume",
        "ec2:snapshot",
        "s3:bucket",
        "kms:key",
        "ssm:parameter",
        "logs:log-group",
        "budgets:budget",
        "sns:topic",
    }
)
REMOVALS: Final[Mapping[str, str]] = {
    # A bare terminate gives what writes to an attached volume no time, and a persistent spot request the next host.
    "ec2:instance": "python -m infra.orphans --stack {stack} --region {region} --end {id}"
    "  # aws ec2 terminate-instances would not stop it first",
    "ec2:volume": "aws ec2 delete-volume --volume-id {id}",
    "ec2:snapshot": "aws ec2 delete-snapshot --snapshot-id {id}",
    "ec2:elastic-ip": "aws ec2 release-address --allocation-id {id}",
    "ec2:natgateway": "aws ec2 delete-nat-gateway --nat-gateway-id {id}",
    "ec2:vpc": "aws ec2 delete-vpc --vpc-id {id}",
    "ec2:subnet": "aws ec2 delete-subnet --subnet-id {id}",
    "ec2:security-group": "aws ec2 delete-security-group --group-id {id}",
    "ec2:security-group-rule": "python -m infra.orphans --stack {stack} --region {region} --clear-network",
    "ec2:internet-gateway": "aws ec2 delete-internet-gateway --internet-gateway-id {id}",
    "ec2:route-table": "aws ec2 delete-route-table --route-table-id {id}",
    "ec2:vpc-endpoint": "aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {id}",
    "ec2:vpc-flow-log": "aws ec2 delete-flow-logs --flow-log-ids {id}",
    "ec2:key-pair": "aws ec2 delete-key-pair --key-pair-id {id}",
    "s3:bucket": "aws s3 rb s3://{id}  # empty it first, all versions",
    "kms:key": "aws kms schedule-key-deletion --key-id {id}  # loses everything encrypted with it",
    "ssm:parameter": "aws ssm delete-parameter --name {id}",
    "logs:log-group": "aws logs delete-log-group --log-group-name {id}",
    "sns:topic": "aws sns delete-topic --topic-arn {arn}",
    "cloudwatch:alarm": "aws cloudwatch delete-alarms --alarm-names {id}",
    "iam:role": "aws iam delete-role --role-name {id}",
    "scheduler:schedule": "aws scheduler delete-schedule --name {id}",
}


@dataclass(frozen=True)
class Orphan:
    """One resource in the account. `usd_per_month` None: depends on its content, see `note`."""

    arn: str
    kind: str
    """service:type, such as ec2:volume."""
    resource_id: str
    stack: str
    role: str = ""
    """The tag Role; of volumes and snapshots, only `data` is adopted."""
    usd_per_month: float | None = 0.0
    note: str = ""
    ends_with: str = ""
    """Of a disk that is deleted together with its host: the host's id."""
    gone_on: str = ""
    """Of a key that waits for its deletion: the day on which it, and what it encrypts, is lost."""

    @property
    def adoptable(self) -> bool:
        of_data = self.role == DATA_ROLE_TAG or self.kind not in {"ec2:volume", "ec2:snapshot"}
        return of_data and self.kind in KEPT_BY_A_PAUSE

    @property
    def removal(self) -> str:
        if self.ends_with:
            return f"nothing to do: it ends with {self.ends_with}"
        template = REMOVALS.get(self.kind, "see the console: {arn}")
        region = self.arn.split(":")[3]
        return template.format(id=self.resource_id, arn=self.arn, stack=self.stack, region=region)


@dataclass(frozen=True)
class OrphanReport:
    """`orphans` no state knows; `kept` are the data of a paused stack, which the next up adopts."""

    orphans: tuple[Orphan, ...]
    kept: tuple[Orphan, ...]
    other_stacks: Mapping[str, int]

    @property
    def dying(self) -> tuple[Orphan, ...]:
        """Keys of the kept data that AWS is about to delete."""
        return tuple(each for each in self.kept if each.gone_on)


def report(stack: str, known: frozenset[str], session: Any) -> OrphanReport:
    """Compare the account with `known` (ids and ARNs of the state). Raises botocore's errors."""
    everything = list(tagged(session))
    others: dict[str, int] = {}
    for each in everything:
        if each.stack != stack:
            others[each.stack] = others.get(each.stack, 0) + 1
    unknown = [
        each
        for each in everything
        if each.stack == stack and each.arn not in known and each.resource_id not in known
    ]
    alive = [priced(each, session) for each in unknown]
    present = [each for each in alive if each is not None and each.ends_with not in known]
    paused = is_paused(known) and has_record(stack, session)
    kept = [each for each in present if paused and each.adoptable]
    # A key that waits for its deletion is removed already, unless it is what the kept data needs.
    orphans = [each for each in present if each not in kept and not each.gone_on]
    return OrphanReport(_by_price(orphans), _by_price(kept), others)


def _by_price(found: Iterable[Orphan]) -> tuple[Orphan, ...]:
    return tuple(sorted(found, key=lambda each: (-(each.usd_per_month or 0.0), each.arn)))


def is_paused(known: frozenset[str]) -> bool:
    """A state without an instance: destroyed, or never up. Then the data is kept on purpose."""
    return not any(re.fullmatch(r"i-[0-9a-f]{8,17}", each) for each in known)


def has_record(stack: str, session: Any) -> bool:
    """Does the account remember the stack's data volume? A pause keeps that parameter, decommissioning deletes it."""
    ssm = session.client("ssm")
    try:
        ssm.get_parameter(Name=f"/{PROJECT}/{stack}/{VOLUME_RECORD}")
    except ssm.exceptions.ParameterNotFound:
        return False
    return True


def tagged(session: Any) -> Iterable[Orphan]:
    """Everything in the region that carries the project's tag, whatever its type."""
    client = session.client("resourcegroupstaggingapi")
    filters = [{"Key": "Project", "Values": [PROJECT]}]
    for page in client.get_paginator("get_resources").paginate(TagFilters=filters):
        for each in page["ResourceTagMappingList"]:
            tags = {tag["Key"]: tag["Value"] for tag in each.get("Tags", ())}
            stack, role = tags.get("Stack", "(no Stack tag)"), tags.get("Role", "")
            yield replace(named(str(each["ResourceARN"]), stack), role=role)


def named(arn: str, stack: str) -> Orphan:
    """Kind and id out of an ARN: the part after the account is type/id, type:id, or an id alone."""
    _, _, service, _, _, rest = arn.split(":", 5)
    if service in {"s3", "sns"}:
        return Orphan(arn, f"{service}:{'bucket' if service == 's3' else 'topic'}", rest, stack)
    kind, separator, resource_id = rest.partition(":" if service in {"logs", "cloudwatch"} else "/")
    if service == "ssm":  # parameter/a/b is named /a/b
        resource_id = f"/{resource_id}" if "/" in resource_id else resource_id
    if service == "logs":
        resource_id = resource_id.removesuffix(":*")
    return Orphan(arn, f"{service}:{kind}", resource_id if separator else rest, stack)


def priced(found: Orphan, session: Any) -> Orphan | None:
    """With its monthly price; None when it is gone already: the tagging API remembers for hours."""
    pricing: dict[str, Callable[[Orphan, Any], Orphan | None]] = {
        "ec2:volume": _volume,
        "ec2:snapshot": _snapshot,
        "ec2:instance": _instance,
        "logs:log-group": _log_group,
        "kms:key": _key,
    }
    fixed = {
        "ec2:elastic-ip": catalog.PUBLIC_IPV4_USD_PER_HOUR * HOURS,
        "cloudwatch:alarm": catalog.ALARM_USD_PER_MONTH,
    }
    if found.kind in pricing:
        return pricing[found.kind](found, session)
    if found.kind == "s3:bucket":
        return _with(found, None, f"${catalog.S3_USD_PER_GB_MONTH}/GB of content, every version counts")
    return _with(found, fixed.get(found.kind, 0.0))


def _with(found: Orphan, usd: float | None, note: str = "") -> Orphan:
    return replace(found, usd_per_month=usd, note=note)


def _volume(found: Orphan, session: Any) -> Orphan | None:
    each = _described(session, "describe_volumes", "Volumes", VolumeIds=[found.resource_id])
    if each is None:
        return None
    extra_mbps = max(0, int(each.get("Throughput", 0)) - catalog.GP3_BASE_THROUGHPUT_MBPS)
    usd = each["Size"] * catalog.GP3_USD_PER_GB_MONTH + extra_mbps * catalog.GP3_USD_PER_MBPS_MONTH
    # infra/components/host.py tags root disks so, and has them deleted with their host.
    attached = [at["InstanceId"] for at in each.get("Attachments", ()) if found.role == "root"]
    priced = _with(found, usd, f"{each['Size']} GB, {each['State']}")
    return replace(priced, ends_with="".join(attached[:1]))


def _snapshot(found: Orphan, session: Any) -> Orphan | None:
    each = _described(session, "describe_snapshots", "Snapshots", SnapshotIds=[found.resource_id])
    if each is None:
        return None
    usd = each["VolumeSize"] * catalog.SNAPSHOT_USD_PER_GB_MONTH
    return _with(found, usd, f"at most: of a {each['VolumeSize']} GB volume, blocks in use only")


def _instance(found: Orphan, session: Any) -> Orphan | None:
    answer = _described(session, "describe_instances", "Reservations", InstanceIds=[found.resource_id])
    if answer is None:
        return None
    each = answer["Instances"][0]
    state = each["State"]["Name"]
    if state in hosts.ENDED:
        return None
    usd = hosts.usd_per_hour(each["InstanceType"], state, found.arn.split(":")[3])
    held = hosts.held_volumes(each)
    note = f"{each['InstanceType']}, {state}"
    note += f", ${usd:.2f} an hour" if usd else "; its disks bill on" if usd == 0 else ""
    note += f"; holds {', '.join(held)}" if held else ""
    return _with(found, None if usd is None else usd * HOURS, note)


def _log_group(found: Orphan, session: Any) -> Orphan | None:
    groups = session.client("logs").describe_log_groups(logGroupNamePrefix=found.resource_id)["logGroups"]
    each = next((group for group in groups if group["logGroupName"] == found.resource_id), None)
    if each is None:
        return None
    gigabytes = each.get("storedBytes", 0) / 1e9
    return _with(found, gigabytes * 0.03, f"{gigabytes:.2f} GB stored")


def _key(found: Orphan, session: Any) -> Orphan:
    """One that waits for its deletion does not bill."""
    each = session.client("kms").describe_key(KeyId=found.resource_id)["KeyMetadata"]
    if each["KeyState"] != "PendingDeletion":
        return _with(found, catalog.KMS_KEY_USD_PER_MONTH)
    return replace(_with(found, 0.0), gone_on=f"{each['DeletionDate']:%Y-%m-%d}")


def _described(session: Any, operation: str, key: str, **wanted: Any) -> dict[str, Any] | None:
    try:
        found = getattr(session.client("ec2"), operation)(**wanted)[key]
    except botocore.exceptions.ClientError as error:
        if ".NotFound" in str(error.response["Error"].get("Code")):
            return None
        raise
    return dict(found[0]) if found else None


def text(found: OrphanReport, stack: str) -> str:
    """The report for people."""
    lines = []
    if found.orphans:
        total = sum(each.usd_per_month or 0.0 for each in found.orphans)
        lines.append(f"{len(found.orphans)} unknown to the state of {stack}, ${total:.2f} a month or more:")
        lines += [line for each in found.orphans for line in _lines(each, "remove")]
    else:
        lines.append(f"Nothing that the state of {stack} does not know.")
    if found.kept:
        total = sum(each.usd_per_month or 0.0 for each in found.kept)
        lines.append(f"Kept while paused, ${total:.2f} a month; the next `pulumi up` adopts it:")
        lines += [line for each in found.kept for line in _lines(each, "deletes kept data")]
    lines += [_loss(each) for each in found.dying]
    for other, count in sorted(found.other_stacks.items()):
        lines.append(f"{count} of stack {other}: not compared; run with --stack {other}")
    return "\n".join(lines)


def _loss(key: Orphan) -> str:
    return (
        f"AWS deletes the key {key.resource_id} on {key.gone_on}, and all that is kept is lost with it. To keep it: "
        f"aws kms cancel-key-deletion --key-id {key.resource_id}, then aws kms enable-key --key-id "
        f"{key.resource_id} (docs/troubleshooting-aws.md#encryption-key)"
    )


def _price(found: Orphan) -> str:
    return "by content" if found.usd_per_month is None else f"${found.usd_per_month:.2f}"


def _lines(found: Orphan, what: str) -> list[str]:
    return [
        f"  {_price(found):>12}  {found.kind:<20} {found.resource_id}  {found.note}".rstrip(),
        f"  {'':>12}  {what}: {found.removal}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing unknown, or what was named is removed; 1: orphans, a key that is about to be deleted, or something was
    left; 2: state or account cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m infra.orphans", description="What was left behind.")
    parser.add_argument("--stack", required=True, help="name of the stack, such as dev")
    parser.add_argument("--region", required=True, help="region of the stack")
    parser.add_argument("--profile", help="AWS profile")
    parser.add_argument("--state", type=Path, help="exported state; default: pulumi stack export")
    parser.add_argument("--end", metavar="ID", help="end this host, which the state does not know")
    parser.add_argument(
        "--holding",
        metavar="VOLUME",
        action="append",
        default=[],
        help="with --end: a volume that the host holds; it is kept (once for each)",
    )
    parser.add_argument(
        "--clear-network",
        action="store_true",
        help="remove the parts of the stack's network that the state does not know and no one uses",
    )
    options = parser.parse_args(arguments)
    name = options.stack.rsplit("/", 1)[-1]
    try:
        state = json.loads(options.state.read_text()) if options.state else exported_state(options.stack)
        session = boto3.Session(profile_name=options.profile, region_name=options.region)
        if options.end:
            hosts.end(options.end, name, known_ids(state), session, holding=frozenset(options.holding))
            return 0
        if options.clear_network:
            networks.clear(name, known_ids(state), session)
            return 0
        found = report(name, known_ids(state), session)
    except (hosts.HostNotEndedError, networks.NetworkNotClearedError) as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    except (RuntimeError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except FAULTS as error:
        sys.stderr.write(f"AWS could not be asked: {error} (docs/troubleshooting-aws.md#credentials)\n")
        return 2
    sys.stdout.write(text(found, options.stack) + "\n")
    return int(bool(found.orphans or found.dying))


if __name__ == "__main__":
    sys.exit(main())
