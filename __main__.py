"""Chartwell in AWS: load the configuration, look at what exists, build, export."""

from pathlib import Path

import pulumi

from infra import config, inventory, jobs, program
from infra.cloud_init import UserDataError
from infra.config import ConfigurationError
from infra.data import DataStoreError
from infra.inventory import InventoryError
from infra.jobs import WheelError
from infra.sizing import PlanError

WHEELS = Path(__file__).resolve().parent / "build" / "wheels"


def main() -> None:
    """One up. A problem that the user can cure is printed as such, without a stack trace."""
    try:
        stack = config.load()
        found = inventory.discover(stack)
        wheel = None if stack.paused else jobs.build_wheel(WHEELS)
        program.export(program.build(stack, found, wheel=wheel))
    except (
        ConfigurationError,
        DataStoreError,
        InventoryError,
        PlanError,
        UserDataError,
        WheelError,
    ) as problem:
        raise pulumi.RunError(str(problem)) from None


main()
