"""Lists the snapshots of a stack's data volume, and deletes old ones when told to: `python -m
infra.snapshots`.

Decides which snapshots are not needed for a resume. Keeps the newest `keep` complete ones, everything
unfinished, and always every snapshot of the volume that the last up used while that volume is gone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import boto3

from infra.plan import catalog, inventory
from infra.plan.config import ConfigurationError
from infra.plan.faults import FAULTS
from infra.plan.inventory import FoundSnapshot, Inventory, InventoryError
from infra.preflight import stack_config


def surplus(found: Inventory, keep: int) -> list[FoundSnapshot]:
    """Snapshots that a resume can do without, oldest first. `keep` is at least 1."""
    complete = sorted(
        (each for each in found.snapshots if each.state == "completed"), key=lambda each: each.started_at
    )
    needed = {each.snapshot_id for each in complete[-max(keep, 1) :]}
    if not found.volumes:  # paused: the data is nowhere else
        needed |= {each.snapshot_id for each in complete if each.volume_id == found.recorded_volume_id}
    return [each for each in complete if each.snapshot_id not in needed]


def report(found: Inventory, keep: int) -> list[str]:
    """One line a snapshot, with what it costs at most and whether it is surplus."""
    old = {each.snapshot_id for each in surplus(found, keep)}
    lines = []
    for each in sorted(found.snapshots, key=lambda one: one.started_at):
        usd = each.size_gb * catalog.SNAPSHOT_USD_PER_GB_MONTH
        verdict = "surplus" if each.snapshot_id in old else "kept"
        lines.append(
            f"{each.snapshot_id}  {each.started_at:%Y-%m-%d %H:%M}  {each.state:<9}  {each.size_gb:>5} GB  "
            f"at most ${usd:.2f}/month  {verdict}"
        )
    return lines or ["no snapshots carry this stack's tags"]


def main(arguments: Sequence[str] | None = None) -> int:
    """List, or with --delete remove what is surplus. Reads the stack's configuration through `pulumi`."""
    parser = argparse.ArgumentParser(prog="python -m infra.snapshots", description=__doc__.splitlines()[0])
    parser.add_argument("--stack", required=True, help="name of the stack, such as dev")
    parser.add_argument("--delete", action="store_true", help="delete those marked surplus")
    options = parser.parse_args(arguments)
    try:
        config = stack_config(options.stack)
        session = boto3.Session(profile_name=config.aws_profile, region_name=config.region)
        found = inventory.discover(config, session)
        print("\n".join(report(found, config.snapshots_kept)))  # noqa: T201
        if options.delete:
            for line in delete(session, surplus(found, config.snapshots_kept)):
                print(line)  # noqa: T201
    except (ConfigurationError, InventoryError, RuntimeError, *FAULTS) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def delete(session: Any, snapshots: Sequence[FoundSnapshot]) -> list[str]:
    """Delete these snapshots, one after the other. Raises what AWS refuses."""
    ec2 = session.client("ec2")
    done = []
    for each in snapshots:
        ec2.delete_snapshot(SnapshotId=each.snapshot_id)
        done.append(f"deleted {each.snapshot_id}")
    return done


if __name__ == "__main__":
    raise SystemExit(main())
