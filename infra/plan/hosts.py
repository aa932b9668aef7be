"""Hosts that carry the stack's tags and are not in its state: seen, priced, and ended only when told to by name.

Such a machine comes from a launch whose answer was lost (power cut, kill -9 between RunInstances and its answer), or
belongs to a state that is lost. It runs and bills, and the next up would put a second one beside it. Decides which
hosts are surplus, and what one that may hold the data must hear before it is ended. Refuses to decide that by itself.
Why a refusal and not a client token or an adoption: docs/decisions/infra-surplus-host.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import botocore.exceptions

from infra.plan import catalog
from infra.plan.config import PROJECT, StackConfig
from infra.plan.faults import FAULTS, fault_line

HELP: Final = "docs/troubleshooting-aws.md#surplus-host"
ENDED: Final = frozenset({"shutting-down", "terminated"})


class SurplusHostError(Exception):
    """A host with the stack's tags is not in its state. Nothing was created. The message names it, its price and the
    command that ends it."""


class HostNotEndedError(Exception):
    """The host was left as it is; the message says why, and what would be needed."""


@dataclass(frozen=True)
class SurplusHost:
    """One such machine. `usd_per_hour` of the machine alone, at most; None for a type without a known price."""

    instance_id: str
    instance_type: str
    state: str
    usd_per_hour: float | None
    volume_ids: tuple[str, ...]
    """Volumes besides its root disk: one of them may be the data."""

    @property
    def line(self) -> str:
        held = f"holds {', '.join(self.volume_ids)}" if self.volume_ids else "holds no data volume"
        return f"{self.instance_id}, {self.instance_type}, {self.state}: {self._price}; {held}"

    @property
    def _price(self) -> str:
        if self.usd_per_hour is None:
            return "price unknown"
        if self.usd_per_hour == 0:
            return "its disks bill on"
        return f"${self.usd_per_hour:.2f} an hour"


def end_command(instance_id: str, stack: str, region: str) -> str:
    return f"python -m infra.orphans --stack {stack} --region {region} --end {instance_id}"


def usd_per_hour(instance_type: str, state: str, region: str) -> float | None:
    """On-demand list price while it runs, 0 while it does not; None for a type that the catalogue does not have."""
    if state not in {"pending", "running"}:
        return 0.0
    known = catalog.INSTANCE_TYPES.get(instance_type)
    return known.usd_per_hour * catalog.REGIONS.get(region, 1.0) if known else None


def surplus_hosts(
    live: Iterable[str], known: frozenset[str], session: Any, region: str
) -> tuple[SurplusHost, ...]:
    """Those of `live` (ids of hosts with the stack's tags) that are not among `known` (ids and ARNs of the state)."""
    # An ARN serves as well, should a provider one day leave the id out of its outputs.
    by_arn = {each.rsplit("/", 1)[1] for each in known if ":instance/" in each}
    unknown = sorted(set(live) - known - by_arn)
    if not unknown:
        return ()
    pages = session.client("ec2").get_paginator("describe_instances").paginate(InstanceIds=unknown)
    machines = [one for page in pages for each in page["Reservations"] for one in each["Instances"]]
    return tuple(_described(each, region) for each in machines if each["State"]["Name"] not in ENDED)


def refuse_surplus(
    config: StackConfig, live: frozenset[str], known: Callable[[], frozenset[str]], session: Any
) -> None:
    """Before anything is made. Raises SurplusHostError. Where no host lives, the state is not asked."""
    if not live:
        return
    try:
        found = surplus_hosts(live, known(), session, config.region)
    except FAULTS as error:
        raise SurplusHostError(
            f"AWS could not be asked about {', '.join(sorted(live))}: {fault_line(error)}. Nothing was created. "
            f"Run up again ({HELP})."
        ) from error
    if found:
        raise SurplusHostError(explanation(found, config.stack, config.region))


def explanation(found: Sequence[SurplusHost], stack: str, region: str) -> str:
    lines = [
        f"The state of {stack} does not know a host that carries its tags ({HELP}). Nothing was created:"
    ]
    for each in found:
        lines += [f"  - {each.line}", f"    end it: {end_command(each.instance_id, stack, region)}"]
    lines.append(
        "Its launch was cut off before the state learned of it, or it belongs to a state that is lost."
    )
    return "\n".join(lines)


def _described(machine: dict[str, Any], region: str) -> SurplusHost:
    state = machine["State"]["Name"]
    return SurplusHost(
        instance_id=machine["InstanceId"],
        instance_type=machine["InstanceType"],
        state=state,
        usd_per_hour=usd_per_hour(machine["InstanceType"], state, region),
        volume_ids=held_volumes(machine),
    )


def held_volumes(machine: dict[str, Any]) -> tuple[str, ...]:
    """Ids of the volumes attached to a machine (as EC2 describes it), without its root disk."""
    return tuple(
        sorted(
            each["Ebs"]["VolumeId"]
            for each in machine.get("BlockDeviceMappings", ())
            if "Ebs" in each and each["DeviceName"] != machine.get("RootDeviceName")
        )
    )


def end(
    instance_id: str,
    stack: str,
    known: frozenset[str],
    session: Any,
    *,
    holding: frozenset[str] = frozenset(),
    say: Callable[[str], None] = print,
) -> None:
    """End a surplus host for good; may run again. One that holds volumes is stopped first, so that what runs on it can
    write, and ended only when `holding` names each of them; they stay.

    Raises HostNotEndedError, and botocore's errors.
    """
    ec2 = session.client("ec2")
    machine = _machine(ec2, instance_id)
    state = machine["State"]["Name"]
    if state in ENDED:
        say(f"{instance_id} is {state} already.")
        return
    _check_ours(machine, stack, known)
    volumes = held_volumes(machine)
    if not holding.issuperset(volumes):
        raise HostNotEndedError(_what_it_holds(instance_id, volumes))
    if volumes:
        say(f"{instance_id}: stopping, so that {', '.join(volumes)} is written and let go …")
        ec2.stop_instances(InstanceIds=[instance_id])
        _wait(ec2, "instance_stopped", InstanceIds=[instance_id])
        for volume_id in volumes:
            ec2.detach_volume(VolumeId=volume_id, InstanceId=instance_id)
        _wait(ec2, "volume_available", VolumeIds=list(volumes))
    if request := machine.get("SpotInstanceRequestId"):
        # A persistent request would launch the next one as soon as this one ends.
        ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request])
    say(f"{instance_id}: ending …")
    ec2.terminate_instances(InstanceIds=[instance_id])
    _wait(ec2, "instance_terminated", InstanceIds=[instance_id])
    kept = f" Kept: {', '.join(volumes)}." if volumes else ""
    say(f"{instance_id}: ended.{kept} Now: pulumi up")


def _wait(ec2: Any, until: str, **ids: Any) -> None:
    """Ten minutes at most: botocore asks 40 times, every 15 s."""
    try:
        ec2.get_waiter(until).wait(**ids)
    except botocore.exceptions.WaiterError as error:
        raise HostNotEndedError(
            f"AWS takes long: {fault_line(error)}. Nothing is lost; run the same command again."
        ) from error


def _machine(ec2: Any, instance_id: str) -> dict[str, Any]:
    filters = [{"Name": "instance-id", "Values": [instance_id]}]  # by filter, an unknown id is no error
    found = [
        each for one in ec2.describe_instances(Filters=filters)["Reservations"] for each in one["Instances"]
    ]
    if not found:
        raise HostNotEndedError(f"{instance_id} does not exist in this region and account.")
    return dict(found[0])


def _check_ours(machine: dict[str, Any], stack: str, known: frozenset[str]) -> None:
    instance_id = machine["InstanceId"]
    tags = {each["Key"]: each["Value"] for each in machine.get("Tags", ())}
    if (tags.get("Project"), tags.get("Stack")) != (PROJECT, stack):
        raise HostNotEndedError(
            f"{instance_id} does not carry the tags Project={PROJECT} and Stack={stack}: not of this stack."
        )
    if instance_id in known:
        raise HostNotEndedError(
            f"{instance_id} is the host that the state of {stack} knows. To pause: pulumi destroy."
        )


def _what_it_holds(instance_id: str, volumes: tuple[str, ...]) -> str:
    words = " ".join(f"--holding {each}" for each in volumes)
    return (
        f"{instance_id} holds {', '.join(volumes)}, which may be the data, and may be at work. Look first "
        f"({HELP}). If no one needs the machine, say what it holds: it is stopped, the volume is let go and kept, then "
        f"the machine is ended. Add: {words}"
    )
