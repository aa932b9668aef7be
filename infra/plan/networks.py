"""Parts of the stack's network that its state does not know: seen, named, and removed only when told to.

Such a part comes from a creation whose answer was lost (power cut, kill -9). It costs nothing, but AWS refuses a second
one of most kinds, so that every next up fails (InvalidSubnet.Conflict, FlowLogAlreadyExists, …), and none of them lets
its VPC be deleted. Decides what is surplus, and that nothing in use is removed. Looks only into a VPC that the state
knows, and there only at what carries the stack's tags: another network is not in the way.
Why a refusal and not an adoption: docs/decisions/infra-surplus-host.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import botocore.exceptions
import tenacity

from infra.plan.config import PROJECT, StackConfig
from infra.plan.faults import FAULTS, fault_line

HELP: Final = "docs/troubleshooting-aws.md#surplus-network"
EVERYWHERE: Final = "0.0.0.0/0"
GONE_TRIES: Final = 60
GONE_WAIT_S: Final = 2.0

Found = Mapping[str, Any]
"""A thing as EC2 describes it."""


class SurplusNetworkError(Exception):
    """The stack's network holds parts that its state does not know. Nothing was created. The message names them and
    the command that removes them."""


class NetworkNotClearedError(Exception):
    """Something was left as it is; the message says what, and why."""


@dataclass(frozen=True)
class SurplusPart:
    """One such part. `holder` is what it belongs to: VPC, route table or security group."""

    kind: str
    part_id: str
    holder: str

    @property
    def line(self) -> str:
        return f"{self.kind} {self.part_id} of {self.holder}"


# Kind -> operation, its list, the id in it, the filter by VPC. In the order in which they can be removed.
KINDS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "flow log": ("describe_flow_logs", "FlowLogs", "FlowLogId", "resource-id"),
    "endpoint": ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", "vpc-id"),
    "subnet": ("describe_subnets", "Subnets", "SubnetId", "vpc-id"),
    "route table": ("describe_route_tables", "RouteTables", "RouteTableId", "vpc-id"),
    "security group": ("describe_security_groups", "SecurityGroups", "GroupId", "vpc-id"),
    "internet gateway": (
        "describe_internet_gateways",
        "InternetGateways",
        "InternetGatewayId",
        "attachment.vpc-id",
    ),
}


def clear_command(stack: str, region: str) -> str:
    return f"python -m infra.orphans --stack {stack} --region {region} --clear-network"


def surplus_parts(stack: str, known: frozenset[str], session: Any) -> tuple[SurplusPart, ...]:
    """What carries the tags of `stack` in its VPC and is not among `known` (ids and ARNs of the state), in the order
    in which it can be removed. Raises botocore's errors."""
    ec2 = session.client("ec2")
    # An ARN serves as well, should a provider leave the id out of its outputs.
    ids = known | {each.rsplit("/", 1)[1] for each in known if each.startswith("arn:") and "/" in each}
    vpcs = sorted({each["VpcId"] for each in _ours(stack, _pages(ec2, "describe_vpcs", "Vpcs"))} & ids)
    return tuple(part for vpc in vpcs for part in _surplus_in(vpc, stack, ids, ec2))


def _surplus_in(vpc: str, stack: str, ids: frozenset[str], ec2: Any) -> Iterator[SurplusPart]:
    found = {kind: list(_ours(stack, _of_vpc(ec2, vpc, kind))) for kind in KINDS}
    known_groups = [each["GroupId"] for each in found["security group"] if each["GroupId"] in ids]
    yield from _rules(known_groups, stack, ids, ec2)
    for table in found["route table"]:
        if table["RouteTableId"] in ids:
            yield from _within(table, ids)
    for kind, (_, _, name, _) in KINDS.items():
        for each in found[kind]:
            if each[name] not in ids and not _stays(each):
                yield SurplusPart(kind, str(each[name]), vpc)


def _stays(part: Found) -> bool:
    """A VPC's own default group, which is adopted, and what is on its way out."""
    return part.get("GroupName") == "default" or str(part.get("State", "")).lower() in {"deleting", "deleted"}


def _rules(groups: list[str], stack: str, ids: frozenset[str], ec2: Any) -> Iterator[SurplusPart]:
    if not groups:
        return
    filters = [{"Name": "group-id", "Values": groups}]
    rules = _pages(ec2, "describe_security_group_rules", "SecurityGroupRules", Filters=filters)
    for each in _ours(stack, rules):
        if each["SecurityGroupRuleId"] not in ids:
            way = "egress rule" if each["IsEgress"] else "ingress rule"
            yield SurplusPart(way, str(each["SecurityGroupRuleId"]), str(each["GroupId"]))


def _within(table: Found, ids: frozenset[str]) -> Iterator[SurplusPart]:
    """Route and associations of a table that the state knows: they carry no tags."""
    table_id = str(table["RouteTableId"])
    for each in table.get("Associations", ()):
        association = str(each["RouteTableAssociationId"])
        if each.get("SubnetId") in ids and association not in ids:
            yield SurplusPart("association", association, table_id)
    # The provider calls a route "r-", its table and a checksum; the program makes one a table.
    known = any(each.startswith(f"r-{table_id}") for each in ids)
    if not known and any(each.get("DestinationCidrBlock") == EVERYWHERE for each in table["Routes"]):
        yield SurplusPart("route", EVERYWHERE, table_id)


def _of_vpc(ec2: Any, vpc: str, kind: str) -> Iterator[Found]:
    operation, key, _, name = KINDS[kind]
    argument = "Filter" if kind == "flow log" else "Filters"  # EC2's own spelling
    return _pages(ec2, operation, key, **{argument: [{"Name": name, "Values": [vpc]}]})


def _pages(ec2: Any, operation: str, key: str, **arguments: Any) -> Iterator[Found]:
    for page in ec2.get_paginator(operation).paginate(**arguments):
        yield from page[key]


def _ours(stack: str, found: Iterator[Found]) -> Iterator[Found]:
    for each in found:
        tags = {tag["Key"]: tag["Value"] for tag in each.get("Tags", ())}
        if (tags.get("Project"), tags.get("Stack")) == (PROJECT, stack):
            yield each


def refuse_surplus(config: StackConfig, known: frozenset[str], session: Any) -> None:
    """Before anything is made. Raises SurplusNetworkError."""
    try:
        found = surplus_parts(config.stack, known, session)
    except FAULTS as error:
        raise SurplusNetworkError(
            f"AWS could not be asked about the network of {config.stack}: {fault_line(error)}. Nothing was created. "
            f"Run up again ({HELP})."
        ) from error
    if not found:
        return
    lines = [
        f"The state of {config.stack} does not know parts of its own network ({HELP}). Nothing was created:",
        *(f"  - {each.line}" for each in found),
        f"    remove them: {clear_command(config.stack, config.region)}",
        "Their creation was cut off before the state learned of them; AWS would refuse to make them again.",
    ]
    raise SurplusNetworkError("\n".join(lines))


def clear(stack: str, known: frozenset[str], session: Any, *, say: Callable[[str], None] = print) -> None:
    """Remove what is surplus; may run again. Nothing is removed while an interface lies in a subnet or uses a group of
    it: a host or someone else's work may be behind it.

    Raises NetworkNotClearedError, and botocore's errors.
    """
    ec2 = session.client("ec2")
    parts = surplus_parts(stack, known, session)
    if not parts:
        say(f"Nothing in the network of {stack} that its state does not know.")
        return
    _check_unused(parts, ec2)
    for each in parts:
        try:
            _remove(each, ec2)
        except botocore.exceptions.ClientError as error:
            raise NetworkNotClearedError(
                f"{each.line} stays: {fault_line(error)}. Run the same command again ({HELP})."
            ) from error
        say(f"{each.line}: removed")
    say("Now: pulumi up")


def _check_unused(parts: tuple[SurplusPart, ...], ec2: Any) -> None:
    surplus = {each.part_id for each in parts}
    vpcs = sorted({each.holder for each in parts if each.kind in KINDS})
    if not vpcs:
        return
    filters = [{"Name": "vpc-id", "Values": vpcs}]
    for each in _pages(ec2, "describe_network_interfaces", "NetworkInterfaces", Filters=filters):
        users = {each["SubnetId"], *(group["GroupId"] for group in each.get("Groups", ()))} & surplus
        if users:
            host = each.get("Attachment", {}).get("InstanceId", "no host")
            raise NetworkNotClearedError(
                f"{', '.join(sorted(users))} is in use by {each['NetworkInterfaceId']} ({host}). Nothing was removed: "
                f"see what it is first ({HELP})."
            )


def _remove(part: SurplusPart, ec2: Any) -> None:
    one, holder = part.part_id, part.holder
    steps: Mapping[str, Callable[[], Any]] = {
        "ingress rule": lambda: ec2.revoke_security_group_ingress(GroupId=holder, SecurityGroupRuleIds=[one]),
        "egress rule": lambda: ec2.revoke_security_group_egress(GroupId=holder, SecurityGroupRuleIds=[one]),
        "association": lambda: ec2.disassociate_route_table(AssociationId=one),
        "route": lambda: ec2.delete_route(RouteTableId=holder, DestinationCidrBlock=one),
        "flow log": lambda: ec2.delete_flow_logs(FlowLogIds=[one]),
        "endpoint": lambda: _remove_endpoint(one, holder, ec2),
        "subnet": lambda: ec2.delete_subnet(SubnetId=one),
        "route table": lambda: ec2.delete_route_table(RouteTableId=one),
        "security group": lambda: ec2.delete_security_group(GroupId=one),
        "internet gateway": lambda: _remove_gateway(one, holder, ec2),
    }
    steps[part.kind]()


def _remove_endpoint(endpoint: str, vpc: str, ec2: Any) -> None:
    """Waits until it is gone: its route would refuse the next one as long."""
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])

    def left() -> bool:
        found = [each for each in _of_vpc(ec2, vpc, "endpoint") if each["VpcEndpointId"] == endpoint]
        return any(each["State"].lower() != "deleted" for each in found)

    try:
        tenacity.Retrying(
            stop=tenacity.stop_after_attempt(GONE_TRIES),
            wait=tenacity.wait_fixed(GONE_WAIT_S),
            retry=tenacity.retry_if_result(bool),
        )(left)
    except tenacity.RetryError as error:
        raise NetworkNotClearedError(
            f"endpoint {endpoint} is still being deleted. Run the same command again ({HELP})."
        ) from error


def _remove_gateway(gateway: str, vpc: str, ec2: Any) -> None:
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
