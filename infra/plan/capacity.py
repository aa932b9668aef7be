"""Is there room for the host, and in which zone, before anything is torn down or built.

Asks by reserving one host on demand and releasing it immediately, which is the only question EC2 answers
truthfully; for spot it reads the placement scores, which order the zones and rule out none. Decides which zones
remain to choose from. Refuses to guess: where it may not ask, every zone stays a candidate and a warning says so;
where AWS gives no answer, the up ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import botocore.exceptions

from infra.plan.config import StackConfig
from infra.plan.faults import FAULTS, fault_line
from infra.plan.inventory import Inventory

# Codes that mean "not here, not now"; others mean "may not ask".
NO_ROOM: Final = frozenset({"InsufficientInstanceCapacity", "Unsupported", "InsufficientCapacity"})
QUOTA: Final = frozenset({"VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded"})
RESERVATION_HOURS: Final = 1  # ends by itself should the release fail
SPOT_SCORE_LOW: Final = 3  # of 10; with fewer than three types EC2 scores low whatever there is


class CapacityError(Exception):
    """No zone that may be used has room, the quota is too small, or AWS gave no answer. Nothing was created. Retry
    later."""


@dataclass(frozen=True)
class Capacity:
    """What was found out. `warnings` say what could not be asked."""

    zones: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def with_room(config: StackConfig, inventory: Inventory, session: Any) -> tuple[Inventory, tuple[str, ...]]:
    """The inventory with the zones that have room, and warnings.

    Not asked while a host exists (it holds its capacity), or when the stack is paused or does not want it.
    Raises CapacityError with what to do when the host cannot be placed where the data allows.
    """
    if inventory.instance_ids or config.paused or not config.probe_capacity:
        return inventory, ()
    candidates = _candidates(config, inventory)
    room = (
        _spot_room(config, candidates, session)
        if config.spot
        else _reserved_room(config, candidates, session)
    )
    if not room.zones:
        raise CapacityError(_explanation(config, inventory, candidates))
    rest = tuple(zone for zone in inventory.zones if zone not in candidates)
    kept = room.zones if not inventory.volumes else tuple(sorted((*room.zones, *rest)))
    return replace(inventory, zones=kept), room.warnings


def _candidates(config: StackConfig, inventory: Inventory) -> tuple[str, ...]:
    """Zones in order of preference; the volume's only, where there is one."""
    if inventory.volumes:
        return tuple(sorted({each.zone for each in inventory.volumes}))
    wanted = config.availability_zones or inventory.zones
    return tuple(zone for zone in wanted if zone in inventory.zones)


def _reserved_room(config: StackConfig, zones: Sequence[str], session: Any) -> Capacity:
    """The first zone where a host could be reserved: later ones are not asked, since asking costs."""
    ec2 = session.client("ec2")
    for zone in zones:
        try:
            made = ec2.create_capacity_reservation(
                InstanceType=config.instance_type,
                InstancePlatform="Linux/UNIX",
                AvailabilityZone=zone,
                InstanceCount=1,
                EndDateType="limited",
                EndDate=datetime.now(UTC) + timedelta(hours=RESERVATION_HOURS),
            )
        except botocore.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code in NO_ROOM:
                continue
            if code in QUOTA:
                raise CapacityError(
                    f"{code}: the account's quota for G and VT instances is too small for "
                    f"{config.instance_type} (docs/troubleshooting-aws.md#no-capacity)."
                ) from error
            return Capacity(
                tuple(zones), (f"Capacity was not checked: {code} on CreateCapacityReservation.",)
            )
        except FAULTS as error:
            raise _no_answer(config, zone, error) from error
        return Capacity((zone,), _released(ec2, config, zone, made["CapacityReservation"]))
    return Capacity(())


def _released(ec2: Any, config: StackConfig, zone: str, made: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the reservation back. One that stays does not end the up: the host may use it, and it ends by itself."""
    reservation_id = made["CapacityReservationId"]
    try:
        ec2.cancel_capacity_reservation(CapacityReservationId=reservation_id)
    except FAULTS as error:
        cure = f"--capacity-reservation-id {reservation_id} --region {config.region}"
        warning = (
            f"The reservation {reservation_id} in {zone} was not released ({fault_line(error)}): it bills like a host "
            f"for {RESERVATION_HOURS} h at most. aws ec2 cancel-capacity-reservation {cure}"
        )
        return (warning,)
    return ()


def _no_answer(config: StackConfig, where: str, error: Exception) -> CapacityError:
    return CapacityError(
        f"AWS gave no answer whether there is room for {config.instance_type} in {where}: {fault_line(error)}. "
        f"Nothing was created but perhaps a reservation, which ends by itself within {RESERVATION_HOURS} h. Run up "
        "again; to go on without asking: pulumi config set probeCapacity false "
        "(docs/troubleshooting-aws.md#no-capacity)."
    )


def _spot_room(config: StackConfig, zones: Sequence[str], session: Any) -> Capacity:
    """All zones, best score first, and a warning where every score is low.

    No zone is left out: a score for one type says little
    (docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-placement-score.html).
    """
    ec2 = session.client("ec2")
    try:
        names = {
            each["ZoneId"]: each["ZoneName"]
            for each in ec2.describe_availability_zones()["AvailabilityZones"]
        }
        answer = ec2.get_spot_placement_scores(
            InstanceTypes=[config.instance_type],
            TargetCapacity=1,
            SingleAvailabilityZone=True,
            RegionNames=[config.region],
        )
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        return Capacity(tuple(zones), (f"Spot capacity was not checked: {code}.",))
    except FAULTS as error:
        raise _no_answer(config, config.region, error) from error
    scores = {names.get(each["AvailabilityZoneId"]): each["Score"] for each in answer["SpotPlacementScores"]}
    best_first = tuple(sorted(zones, key=lambda zone: -scores.get(zone, 0)))
    if not best_first or scores.get(best_first[0], 0) >= SPOT_SCORE_LOW:
        return Capacity(best_first)
    listed = ", ".join(f"{zone} {scores.get(zone, 0)}" for zone in best_first)
    return Capacity(
        best_first,
        (
            f"EC2 scores spot {config.instance_type} low (of 10: {listed}): it may be refused, or stopped soon.",
        ),
    )


def _explanation(config: StackConfig, inventory: Inventory, zones: Sequence[str]) -> str:
    market = "spot" if config.spot else "on-demand"
    where = ", ".join(zones) or "any zone that availabilityZones allows"
    if inventory.volumes:
        others = ", ".join(zone for zone in inventory.zones if zone not in zones)
        cure = (
            "The data volume lies there. Wait and run up again, or move the data by snapshot to one of "
            f"{others} "
            f"(docs/runbook.md#change-zone)."
        )
    else:
        cure = "Wait and run up again, or widen availabilityZones (docs/troubleshooting-aws.md#no-capacity)."
    return f"AWS has no {market} {config.instance_type} left in {where} right now. {cure}"
