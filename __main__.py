"""Chartwell in AWS: load the configuration, look at what exists, build, export."""

from pathlib import Path

import boto3
import pulumi

from infra import preflight
from infra import stack as program
from infra.components import host_key
from infra.components.storage import DataStoreError
from infra.plan import capacity, config, hosts, inventory, networks, origin, state
from infra.plan.capacity import CapacityError
from infra.plan.config import ConfigurationError, StackConfig
from infra.plan.hosts import SurplusHostError
from infra.plan.inventory import Inventory, InventoryError
from infra.plan.networks import SurplusNetworkError
from infra.plan.origin import OtherStackError
from infra.plan.sizing import PlanError
from infra.plan.state import StateError
from infra.preflight import PreflightError
from infra.rollout import pipeline
from infra.rollout.cloud_init import UserDataError
from infra.rollout.pipeline import WheelError

WHEELS = Path(__file__).resolve().parent / "build" / "wheels"
CURABLE = (
    CapacityError,
    ConfigurationError,
    DataStoreError,
    InventoryError,
    OtherStackError,
    PlanError,
    PreflightError,
    StateError,
    SurplusHostError,
    SurplusNetworkError,
    UserDataError,
    WheelError,
)


def main() -> None:
    """One up. A problem that the user can cure is printed as such, without a stack trace."""
    try:
        stack = config.load()
        found = looked_at(stack)
        wheel = None if stack.paused else pipeline.build_wheel(WHEELS)
        keys = host_key.reader(session(stack))
        program.export(program.build(stack, found, wheel=wheel, host_keys=keys))
    except CURABLE as problem:
        raise pulumi.RunError(str(problem)) from None


def session(stack: StackConfig) -> boto3.Session:
    return boto3.Session(profile_name=stack.aws_profile, region_name=stack.region)


def looked_at(stack: StackConfig) -> Inventory:
    """What exists, after the checks that may end this up before it begins. A preview reserves nothing."""
    account = session(stack)
    found = inventory.discover(stack, account)
    known = state.known_to_the_engine()
    origin.refuse_other(stack, found.account_id, known)
    # What follows takes each host that lives for the one that this up changes.
    hosts.refuse_surplus(stack, found.instance_ids, state.known_to_the_engine, account)
    networks.refuse_surplus(stack, known, account)
    checked(stack, has_host=bool(found.instance_ids))
    if pulumi.runtime.is_dry_run():
        return found
    found, warnings = capacity.with_room(stack, found, account)
    for warning in warnings:
        pulumi.log.warn(warning)
    return found


def checked(stack: StackConfig, *, has_host: bool) -> None:
    """Run the preflight. A stack that already has its host is only warned: it may be changing a tag."""
    findings = preflight.run(stack, preflight.surroundings(stack))
    for warning in preflight.warnings(findings, stack.stack, named_only=not pulumi.runtime.is_dry_run()):
        pulumi.log.warn(warning)
    if not has_host and any(each.status == "fail" for each in findings):
        raise PreflightError(findings)


main()
