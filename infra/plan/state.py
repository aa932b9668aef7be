"""What the stack's state knows: asked of the engine inside an up, of the `pulumi` command by everything else.

Reads ids and ARNs, never values. Decides nothing, and refuses to change a state.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any, Final

import pulumi
import tenacity

# A function of the engine itself, of no plugin: pulumi/pulumi, pkg/resource/deploy/builtins.go.
READ_STATE: Final = "pulumi:pulumi:readStackResourceOutputs"
TRIES: Final = 8
"""The engine writes a state of files in place while a program runs: read in that moment, it is empty or cut off
(seen: "failed to load checkpoint: EOF")."""
WAIT_S: Final = 0.25


class StateError(Exception):
    """The stack's state could not be asked what it knows. Nothing was created. Retry."""


def known_ids(state: Mapping[str, Any]) -> frozenset[str]:
    """Ids and ARNs of every resource in an exported state (`pulumi stack export`)."""
    deployment = state.get("deployment") or {}
    found: set[str] = set()
    for resource in deployment.get("resources") or ():
        outputs = resource.get("outputs") or {}
        # An address is known by its allocation, a key by key id, a bucket by its name.
        texts = (
            resource.get("id"),
            *(
                outputs.get(key)
                for key in ("arn", "id", "allocationId", "keyId", "bucket", "securityGroupRuleId")
            ),
        )
        found |= {each for each in texts if isinstance(each, str) and each}
        device = outputs.get("rootBlockDevice")
        if isinstance(device, dict) and isinstance(device.get("volumeId"), str):
            found.add(device["volumeId"])
    return frozenset(found)


def exported_state(stack: str) -> dict[str, Any]:
    """The state as the `pulumi` command exports it. Raises RuntimeError when it cannot be asked."""
    try:
        done = subprocess.run(
            ["pulumi", "stack", "export", "--stack", stack], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise RuntimeError("The pulumi command is not installed; give the state: --state FILE") from None
    if done.returncode:
        said = done.stderr.strip()[-400:]
        cure = (
            f". If its state is lost: pulumi stack init {stack}, then again"
            if "no stack named" in said
            else ""
        )
        raise RuntimeError(f"pulumi stack export failed: {said}{cure}")
    return dict(json.loads(done.stdout))


def known_to_the_engine() -> frozenset[str]:
    """Ids and ARNs in the state of the stack whose program this is, as the up or preview found it.

    Asks again for about two seconds; then raises StateError.
    """
    organization = pulumi.get_organization() or "organization"
    name = f"{organization}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        answer = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(TRIES), wait=tenacity.wait_fixed(WAIT_S), reraise=True
        )(lambda: pulumi.runtime.invoke(READ_STATE, {"stackName": name}).value)
    except Exception as error:  # the SDK raises no narrower one
        raise StateError(
            f"The engine does not tell what the state of {name} holds: {error} "
            "(docs/troubleshooting-aws.md#surplus-host)."
        ) from error
    return known_ids({"deployment": {"resources": list(answer["outputs"].values())}})
