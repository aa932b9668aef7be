"""Looks up the newest machine image and pins it: `python -m infra.ami`, with `--set` also in the stack.

Decides nothing at up time: an up uses the pinned id only, so that a host is replaced when an operator says so
and not because Canonical published an image.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import boto3

from infra.plan.catalog import AMI_PARAMETER
from infra.plan.config import PROJECT
from infra.plan.faults import FAULTS


class ImageLookupError(Exception):
    """The newest image could not be found. The message says why; retry after curing it."""


def newest(session: Any, parameter: str = AMI_PARAMETER) -> str:
    """Id of the newest Ubuntu 24.04 image in the session's region, as Canonical publishes it.

    Raises ImageLookupError when AWS refuses or the parameter does not exist in the region.
    """
    try:
        found = session.client("ssm").get_parameter(Name=parameter)
    except FAULTS as error:
        raise ImageLookupError(
            f"{parameter} could not be read in {session.region_name}: {error} "
            f"(docs/troubleshooting-aws.md#credentials)"
        ) from error
    return str(found["Parameter"]["Value"])


def main(
    arguments: Sequence[str] | None = None,
    *,
    session: Any = None,
    run: Callable[..., Any] = subprocess.run,
) -> int:
    """Print the newest image; with --set pin it in the selected stack."""
    parser = argparse.ArgumentParser(prog="python -m infra.ami", description="The newest machine image.")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--profile", default=None, help="named AWS profile")
    parser.add_argument("--set", action="store_true", help="pin it: pulumi config set amiId …")
    options = parser.parse_args(arguments)
    try:
        session = session or boto3.Session(profile_name=options.profile, region_name=options.region)
        image = newest(session)
    except (ImageLookupError, *FAULTS) as error:
        print(error)  # noqa: T201
        return 1
    print(image)  # noqa: T201
    if options.set:
        run(["pulumi", "config", "set", f"{PROJECT}:amiId", image], check=True)
        print("Pinned. The next up replaces the host; the data volume stays.")  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
