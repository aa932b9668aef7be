"""Room for the host: the first zone with some, the volume's only, and no guess about what AWS refused."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from botocore.stub import ANY, Stubber

from infra.components.storage import decide_volume
from infra.plan import capacity
from infra.plan.capacity import CapacityError
from infra.plan.inventory import FoundVolume
from tests.infra.stacks import config, inventory
from tests.infra.test_preflight import refusal


class Ec2:
    """A session whose EC2 answers as told, in order; it complains about any other call."""

    def __init__(self) -> None:
        self._ec2 = boto3.client("ec2", "us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
        self.stub = Stubber(self._ec2)
        self.stub.activate()

    def client(self, _: str) -> Any:
        return self._ec2

    def refuses(self, zone: str, code: str) -> Ec2:
        self.stub.add_client_error("create_capacity_reservation", code, expected_params=self._asked(zone))
        return self

    def has_room(self, zone: str) -> Ec2:
        made = {"CapacityReservation": {"CapacityReservationId": "cr-1"}}
        self.stub.add_response("create_capacity_reservation", made, self._asked(zone))
        self.stub.add_response(
            "cancel_capacity_reservation", {"Return": True}, {"CapacityReservationId": "cr-1"}
        )
        return self

    @staticmethod
    def _asked(zone: str) -> dict[str, Any]:
        return {
            "InstanceType": "g5.2xlarge",
            "InstancePlatform": "Linux/UNIX",
            "AvailabilityZone": zone,
            "InstanceCount": 1,
            "EndDateType": "limited",
            "EndDate": ANY,
        }


FULL = "InsufficientInstanceCapacity"
VOLUME = FoundVolume("vol-0123456789abcdef0", "us-east-1b", 200, "available", True)


def test_the_next_zone_is_taken_when_the_first_is_full_and_the_reservation_is_released() -> None:
    ec2 = Ec2().refuses("us-east-1c", FULL).has_room("us-east-1a")
    stack = config(availabilityZones='["us-east-1c", "us-east-1a", "us-east-1b"]')
    found, warnings = capacity.with_room(stack, inventory(), ec2)
    ec2.stub.assert_no_pending_responses()
    assert decide_volume(stack, found).zone == "us-east-1a"
    assert warnings == ()


def test_a_volume_leaves_no_choice_of_zone_and_the_error_names_the_ways_out() -> None:
    ec2 = Ec2().refuses("us-east-1b", FULL)
    with pytest.raises(CapacityError, match=r"in us-east-1b right now.*us-east-1a, us-east-1c.*change-zone"):
        capacity.with_room(config(), inventory(volumes=(VOLUME,)), ec2)


def test_room_beside_the_volume_keeps_the_adoption() -> None:
    found, _ = capacity.with_room(config(), inventory(volumes=(VOLUME,)), Ec2().has_room("us-east-1b"))
    assert decide_volume(config(), found).import_id == VOLUME.volume_id
    assert found.zones == inventory().zones


def test_a_missing_permission_is_a_warning_and_changes_nothing() -> None:
    ec2 = Ec2().refuses("us-east-1a", "UnauthorizedOperation")
    found, (warning,) = capacity.with_room(config(), inventory(), ec2)
    assert found == inventory()
    assert "not checked: UnauthorizedOperation" in warning


def test_a_small_quota_is_not_mistaken_for_a_full_zone() -> None:
    with pytest.raises(CapacityError, match="quota"):
        capacity.with_room(config(), inventory(), Ec2().refuses("us-east-1a", "VcpuLimitExceeded"))


NO_ANSWERS = [
    EndpointConnectionError(endpoint_url="https://ec2.us-east-1.amazonaws.com"),
    ReadTimeoutError(endpoint_url="https://ec2.us-east-1.amazonaws.com"),
    NoCredentialsError(),
    ResponseParserError("Unable to parse response\n<html>a proxy's page</html>"),
]


class Mute:
    """A session in which one operation of EC2 ends with a fault, and the others answer."""

    def __init__(self, operation: str, fault: Exception) -> None:
        self.operation, self.fault = operation, fault

    def client(self, _: str) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> Any:
            if name == self.operation:
                raise self.fault
            return {"CapacityReservation": {"CapacityReservationId": "cr-1"}}

        return call


@pytest.mark.parametrize("fault", NO_ANSWERS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    ("operation", "spot"), [("create_capacity_reservation", False), ("describe_availability_zones", True)]
)
def test_no_answer_ends_the_up_with_what_to_do(operation: str, spot: bool, fault: Exception) -> None:
    with pytest.raises(CapacityError, match=r"gave no answer.*probeCapacity false.*no-capacity") as caught:
        capacity.with_room(config(spot=spot), inventory(), Mute(operation, fault))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", [*NO_ANSWERS, refusal("UnauthorizedOperation")])
def test_a_reservation_that_stays_is_named_with_its_cost_and_ends_no_up(fault: Exception) -> None:
    found, (warning,) = capacity.with_room(config(), inventory(), Mute("cancel_capacity_reservation", fault))
    assert decide_volume(config(), found).zone == "us-east-1a"
    assert "cancel-capacity-reservation --capacity-reservation-id cr-1 --region us-east-1" in warning
    assert "bills like a host for 1 h at most" in warning


def test_all_zones_full() -> None:
    ec2 = Ec2()
    for zone in inventory().zones:
        ec2.refuses(zone, FULL)
    with pytest.raises(CapacityError, match="widen availabilityZones"):
        capacity.with_room(config(), inventory(), ec2)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"probeCapacity": False}, {}),
        ({"pauseMode": "stop", "paused": True}, {}),
        ({}, {"instance_ids": frozenset({"i-1"})}),
    ],
)
def test_nobody_asks_when_nothing_is_to_be_placed(changes: dict[str, Any], found: dict[str, Any]) -> None:
    same = inventory(**found)
    assert capacity.with_room(config(**changes), same, Ec2()) == (same, ())


def scored(scores: list[int]) -> Ec2:
    ec2 = Ec2()
    zones = [{"ZoneId": f"use1-az{n}", "ZoneName": f"us-east-1{letter}"} for n, letter in enumerate("abcdf")]
    ec2.stub.add_response("describe_availability_zones", {"AvailabilityZones": zones})
    answer = [
        {"Region": "us-east-1", "AvailabilityZoneId": f"use1-az{n}", "Score": score}
        for n, score in enumerate(scores)
    ]
    ec2.stub.add_response("get_spot_placement_scores", {"SpotPlacementScores": answer})
    return ec2


def test_spot_takes_the_zone_with_the_best_score_and_rules_out_none() -> None:
    stack = config(spot=True)
    found, warnings = capacity.with_room(stack, inventory(), scored([1, 2, 9, 3, 3]))
    assert decide_volume(stack, found).zone == "us-east-1c"
    assert sorted(found.zones) == list(inventory().zones)
    assert warnings == ()


def test_low_scores_for_spot_are_a_warning() -> None:
    """EC2 scores a single instance type low wherever it is asked."""
    found, (warning,) = capacity.with_room(config(spot=True), inventory(), scored([1, 1, 2]))
    assert found.zones == tuple(f"us-east-1{letter}" for letter in "cabdf")
    assert "us-east-1c 2, us-east-1a 1" in warning


def test_the_order_of_the_configuration_counts_more_than_scores() -> None:
    stack = config(spot=True, availabilityZones='["us-east-1b", "us-east-1c"]')
    found, _ = capacity.with_room(stack, inventory(), scored([1, 2, 9]))
    assert decide_volume(stack, found).zone == "us-east-1b"


def test_spot_with_a_low_score_beside_the_volume_is_tried() -> None:
    found, (warning,) = capacity.with_room(config(spot=True), inventory(volumes=(VOLUME,)), scored([9, 1]))
    assert decide_volume(config(spot=True), found).import_id == VOLUME.volume_id
    assert "us-east-1b 1" in warning
