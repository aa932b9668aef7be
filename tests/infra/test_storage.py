"""Create, adopt, restore or refuse: the decision about the data volume, case by case and as a property."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from infra.components.storage import DataStoreError, check_key, decide_volume
from infra.plan.inventory import FoundSnapshot, FoundVolume, Inventory
from tests.infra.stacks import ZONES, config, inventory

V1, V2 = "vol-0000000000000001", "vol-0000000000000002"
S1, S2 = "snap-0000000000000001", "snap-0000000000000002"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def volume(volume_id: str = V1, **changes: Any) -> FoundVolume:
    given_values = {"zone": "us-east-1b", "size_gb": 200, "state": "available", "encrypted": True} | changes
    return FoundVolume(volume_id, **given_values)


def snapshot(
    snapshot_id: str = S1, of: str = V1, *, state: str = "completed", hours: int = 0, size: int = 200
) -> FoundSnapshot:
    return FoundSnapshot(snapshot_id, of, size, state, NOON + timedelta(hours=hours))


def record(volume_id: str = V1) -> dict[str, str]:
    return {"data-volume": volume_id}


REFUSALS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("2 data volumes", {}, {"volumes": (volume(), volume(V2))}),
    ("creating: half-made", {}, {"volumes": (volume(state="creating"),)}),
    ("error: half-made", {}, {"volumes": (volume(state="error"),)}),
    ("not encrypted", {}, {"volumes": (volume(encrypted=False),)}),
    ("which is not this stack's host", {}, {"volumes": (volume(state="in-use", attached_to="i-9"),)}),
    ("cannot shrink", {"volumeSizeGb": 150}, {"volumes": (volume(),)}),
    ("not in availabilityZones", {"availabilityZones": '["us-east-1a"]'}, {"volumes": (volume(),)}),
    ("does not offer g5.2xlarge", {}, {"volumes": (volume(zone="us-east-1e"),)}),
    (f"last up used data volume {V2}", {}, {"volumes": (volume(),), "parameters": record(V2)}),
    ("would be replaced", {"restoreSnapshotId": S1}, {"volumes": (volume(),)}),
    ("is gone, and no snapshot of it exists", {}, {"parameters": record()}),
    (f"restoreSnapshotId {S1}", {}, {"parameters": record(), "snapshots": (snapshot(),)}),
    (
        f"is of another one, {V2}",
        {"pauseMode": "snapshot"},
        {"parameters": record(), "snapshots": (snapshot(), snapshot(S2, V2, hours=1))},
    ),
    (
        "still being made",
        {"pauseMode": "snapshot"},
        {"parameters": record(), "snapshots": (snapshot(state="pending"),)},
    ),
    ("no record of one", {}, {"snapshots": (snapshot(),)}),
    (
        f"left a newer one: {S2}",
        {"pauseMode": "snapshot", "restoreSnapshotId": S1},
        {"parameters": record(V2), "snapshots": (snapshot(), snapshot(S2, V2, hours=1))},
    ),
    ("does not exist here", {"restoreSnapshotId": S2}, {"snapshots": (snapshot(),)}),
    ("is error", {"restoreSnapshotId": S1}, {"snapshots": (snapshot(state="error"),)}),
    ("needs 500 GB", {"restoreSnapshotId": S1}, {"snapshots": (snapshot(size=500),)}),
    ("No zone in availabilityZones", {"availabilityZones": '["us-east-1e"]'}, {}),
)


@pytest.mark.parametrize(("says", "changes", "found"), REFUSALS, ids=[each[0] for each in REFUSALS])
def test_what_is_not_clear_is_refused_with_the_way_out(
    says: str, changes: dict[str, Any], found: dict[str, Any]
) -> None:
    with pytest.raises(DataStoreError) as caught:
        decide_volume(config(**changes), inventory(**found))
    text = str(caught.value)
    assert says in text
    assert (
        "docs/runbook.md#" in text
        or "troubleshooting-aws.md#" in text
        or "aws ec2 wait" in text
        or "pulumi config set" in text
    )


def test_the_first_up_creates_in_the_preferred_zone_that_offers_the_type() -> None:
    decision = decide_volume(config(availabilityZones='["us-east-1e", "us-east-1d"]'), inventory())
    assert (decision.action, decision.zone, decision.import_id) == ("create", "us-east-1d", None)


def test_a_smaller_volume_is_adopted_and_grows() -> None:
    decision = decide_volume(config(volumeSizeGb=500), inventory(volumes=(volume(),), parameters=record()))
    assert (decision.action, decision.import_id, decision.size_gb) == ("adopt", V1, 500)


def test_an_up_that_broke_off_after_a_restore_is_taken_up_again() -> None:
    found = inventory(
        volumes=(volume(V2, snapshot_id=S1),), parameters=record(V1), snapshots=(snapshot(S1, V1),)
    )
    assert decide_volume(config(pauseMode="snapshot"), found).import_id == V2


def test_a_named_snapshot_that_was_restored_stays_named_without_harm() -> None:
    found = inventory(volumes=(volume(V2, snapshot_id=S1),), parameters=record(V2), snapshots=(snapshot(),))
    assert decide_volume(config(restoreSnapshotId=S1), found).action == "adopt"


def test_an_older_snapshot_is_restored_once_the_newer_is_set_aside_or_is_no_pause_s() -> None:
    """A newer one that failed, or that someone made of another volume, takes nothing back."""
    wanted = config(pauseMode="snapshot", restoreSnapshotId=S1)
    for others in ((), (snapshot(S2, V2, hours=1, state="error"),), (snapshot(S2, V1, hours=1),)):
        found = inventory(parameters=record(V2), snapshots=(snapshot(), *others))
        assert decide_volume(wanted, found).snapshot_id == S1


@pytest.mark.parametrize(("state", "cancels"), [("PendingDeletion", True), ("Disabled", False)])
def test_a_key_that_is_not_usable_is_refused_with_what_its_state_needs(state: str, cancels: bool) -> None:
    with pytest.raises(DataStoreError, match="aws kms enable-key --key-id k-1") as caught:
        check_key(config(), inventory(key_id="k-1", key_state=state))
    assert ("cancel-key-deletion" in str(caught.value)) is cancels


VOLUMES = st.lists(
    st.builds(
        FoundVolume,
        volume_id=st.sampled_from([V1, V2]),
        zone=st.sampled_from([*ZONES, "us-east-1e"]),
        size_gb=st.sampled_from([100, 200, 300]),
        state=st.sampled_from(["available", "in-use", "creating", "error"]),
        encrypted=st.booleans(),
        snapshot_id=st.sampled_from([None, S1, S2]),
        attached_to=st.sampled_from([None, "i-1", "i-9"]),
    ),
    max_size=2,
    unique_by=lambda each: each.volume_id,
)
SNAPSHOTS = st.lists(
    st.builds(
        FoundSnapshot,
        snapshot_id=st.sampled_from([S1, S2]),
        volume_id=st.sampled_from([V1, V2]),
        size_gb=st.sampled_from([100, 200, 300]),
        state=st.sampled_from(["completed", "pending", "error"]),
        started_at=st.integers(0, 9).map(lambda hours: NOON + timedelta(hours=hours)),
    ),
    max_size=2,
    unique_by=lambda each: each.snapshot_id,
)
INVENTORIES = st.builds(
    Inventory,
    account_id=st.just("123456789012"),
    zones=st.just(ZONES),
    volumes=VOLUMES.map(tuple),
    snapshots=SNAPSHOTS.map(tuple),
    instance_ids=st.sampled_from([frozenset(), frozenset({"i-1"})]),
    parameters=st.sampled_from([{}, record(V1), record(V2)]),
)
SETTINGS = st.fixed_dictionaries(
    {"pauseMode": st.sampled_from(["volume", "snapshot", "stop"])},
    optional={"restoreSnapshotId": st.sampled_from([S1, S2])},
)


@hypothesis_settings(deadline=None)
@given(INVENTORIES, SETTINGS)
def test_a_blank_volume_is_made_only_where_there_never_was_one(
    found: Inventory, changes: dict[str, Any]
) -> None:
    try:
        decision = decide_volume(config(**changes), found)
    except DataStoreError as refusal:
        assert len(str(refusal)) > 80  # noqa: PT017
        return
    if decision.action == "create":
        assert not found.volumes
        assert found.recorded_volume_id is None
        assert not any(each.state == "completed" for each in found.snapshots)
    if decision.action == "adopt":
        (only,) = found.volumes
        assert (only.volume_id, only.zone, only.encrypted) == (decision.import_id, decision.zone, True)
        assert decision.size_gb >= only.size_gb
    if decision.action == "restore":
        (source,) = [each for each in found.snapshots if each.snapshot_id == decision.snapshot_id]
        assert source.state == "completed"
        assert (
            changes.get("restoreSnapshotId") == source.snapshot_id
            or source.volume_id == found.recorded_volume_id
        )
