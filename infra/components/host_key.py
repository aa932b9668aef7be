"""The host's SSH key, known before anything is sent to the host.

A deployment sends passwords over SSH; a key accepted blindly would hand them to any machine that answers at the
address. The host prints its key to the console at every boot (cloud-init/boot/bootstrap.sh), and AWS hands the console
out to those who may ask for it: a way that no one between here and the host can touch. Once read, the key is recorded
next to the stack's other facts, because a console keeps only its last 64 KB. Decides nothing about connections.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.plan.config import StackConfig
from infra.plan.faults import FAULTS, fault_line
from infra.plan.inventory import HOST_KEY_RECORD

WAIT_SECONDS_MAX: Final = 600.0
POLL_SECONDS: Final = 10.0
# Our own line, or cloud-init's, which it prints at the first boot only.
PRINTED: Final = re.compile(r"(?:host key |^)(ssh-ed25519 AAAA[A-Za-z0-9+/]{60,}={0,2})", re.MULTILINE)
HELP: Final = "(docs/troubleshooting-aws.md#host-key)"

ConsoleReader = Callable[[str], str]
"""From an instance id to its public key. Blocks until the host has printed it. Raises pulumi.RunError."""


def printed_key(console: str) -> str | None:
    """The last host key in a console's text: an image made of another host may show that one's first."""
    found = PRINTED.findall(console.replace("\r", ""))
    return str(found[-1]) if found else None


def reader(
    session: Any, *, wait_seconds: float = WAIT_SECONDS_MAX, sleep: Callable[[float], None] = time.sleep
) -> ConsoleReader:
    """Reads from the consoles of `session`'s account. A host that was just made needs a minute or two."""

    def read(instance_id: str) -> str:
        ec2 = session.client("ec2")
        waited = 0.0
        while True:
            try:
                answer = ec2.get_console_output(InstanceId=instance_id, Latest=True)
            except FAULTS as error:
                raise pulumi.RunError(
                    f"The SSH key of {instance_id} cannot be read: {fault_line(error)}. Give the deployer "
                    f"ec2:GetConsoleOutput. Nothing was sent to the host {HELP}."
                ) from error
            if key := printed_key(answer.get("Output") or ""):
                return key
            if waited >= wait_seconds:
                raise pulumi.RunError(
                    f"{instance_id} has not printed its SSH key within {wait_seconds:.0f} s. Nothing was sent to "
                    f"the host {HELP}."
                )
            sleep(POLL_SECONDS)
            waited += POLL_SECONDS

    return read


class HostKey(pulumi.ComponentResource):
    """The key of one host, read once and recorded as a parameter of the stack. Attribute `key`.

    The record names the instance it is of, so that another host is never taken for it.
    """

    key: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        config: StackConfig,
        recorded: str | None,
        instance_id: pulumi.Output[str],
        read: ConsoleReader,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("chartwell:host_key:HostKey", name, None, opts)

        async def find(instance: str) -> str:
            holder, _, key = (recorded or "").partition(" ")
            return key if holder == instance and key else await asyncio.to_thread(read, instance)

        self.key = instance_id.apply(find)
        parameter_name = f"{config.parameter_path}/{HOST_KEY_RECORD}"
        aws.ssm.Parameter(
            f"{name}-record",
            name=parameter_name,
            type="String",
            insecure_value=pulumi.Output.concat(instance_id, " ", self.key),
            opts=pulumi.ResourceOptions(
                parent=self,
                retain_on_delete=config.data_retention == "keep",
                import_=parameter_name if recorded else None,
            ),
        )
        self.register_outputs({"key": self.key})
