"""Chartwell in AWS: load the configuration, look at what exists, build, export."""

from pathlib import Path

import boto3
import pulumi

from infra import capacity, config, inventory, jobs, preflight, program
from infra.capacity import CapacityError
from infra.cloud_init import UserDataError
from infra.config import ConfigurationError, StackConfig
from infra.data import DataStoreError
from infra.inventory import Inventory, InventoryError
from infra.jobs import WheelError
from infra.sizing import PlanError

WHEELS = Path(__file__).resolve().parent / "build" / "wheels"
CURABLE = (
    CapacityError,
    ConfigurationError,
    DataStoreError,
    InventoryError,
    PlanError,
    UserDataError,
    WheelError,
)


def main() -> None:
    """One up. A problem that the user can cure is printed as such, without a stack trace."""
    try:
        stack = config.load()
        found = looked_at(stack)
        wheel = None if stack.paused else jobs.build_wheel(WHEELS)
        program.export(program.build(stack, found, wheel=wheel))
    except CURABLE as problem:
        raise pulumi.RunError(str(problem)) from None


def looked_at(stack: StackConfig) -> Inventory:
    """What exists, after the checks that may end this up before it begins. A preview reserves nothing."""
    session = boto3.Session(profile_name=stack.aws_profile, region_name=stack.region)
    found = inventory.discover(stack, session)
    checked(stack, has_host=bool(found.instance_ids))
    if pulumi.runtime.is_dry_run():
        return found
    found, warnings = capacity.with_room(stack, found, session)
    for warning in warnings:
        pulumi.log.warn(warning)
    return found


def checked(stack: StackConfig, *, has_host: bool) -> None:
    """Run the preflight. A stack that already has its host is only warned: it may be changing a tag."""
    findings = preflight.run(stack, preflight.surroundings(stack))
    bad = [each for each in findings if each.status != "pass"]
    if bad:
        pulumi.log.warn(preflight.table(bad))
    if not has_host and any(each.status == "fail" for each in bad):
        raise pulumi.RunError("The preflight found what will fail; see above. Nothing was created.")


main()
