"""Chartwell in AWS: load the configuration, look at what exists, build, export."""

import sys

from infra import config, inventory, program
from infra.config import ConfigurationError
from infra.data import DataStoreError
from infra.inventory import InventoryError
from infra.sizing import PlanError


def main() -> None:
    """One up. A problem that the user can cure is printed as such, without a stack trace."""
    try:
        stack = config.load()
        program.export(program.build(stack, inventory.discover(stack)))
    except (ConfigurationError, DataStoreError, InventoryError, PlanError) as problem:
        sys.exit(str(problem))


main()
