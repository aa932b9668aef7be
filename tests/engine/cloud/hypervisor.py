"""What the cloud tells the machines that it sells, and what it asks them.

The cloud (tests/engine/cloud/account.py) keeps the account and knows no machines; a hypervisor makes them and knows no
account. Every call comes from a request's thread, in the order in which AWS would act, and returns when the thing is
done; what raises becomes `InternalError` of the operation. The default makes nothing: a stack comes up and goes down
without a host behind it.
"""

from __future__ import annotations

import itertools
from typing import Literal, Protocol

MachineState = Literal["running", "stopped", "terminated"]

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "Zm9v" * 12
"""What the console of a machine that does not exist prints: right in form, opens nothing."""


class Hypervisor(Protocol):
    """Machines, disks and addresses by the ids that AWS gave them. All strings are AWS's; sizes in GiB."""

    def allocate(self) -> str:
        """A fixed IPv4 address that can be reached from here; it is of no machine until `associate`."""
        ...

    def release(self, address: str) -> None: ...

    def run(self, instance_id: str, *, user_data: str, instance_type: str, zone: str) -> str:
        """Make and boot a machine with an empty root disk. Returns its private address without waiting for the boot.

        `user_data` is text, as the program wrote it.
        """
        ...

    def start(self, instance_id: str) -> None:
        """Boot the same root disk again."""
        ...

    def stop(self, instance_id: str) -> None:
        """Shut the system down cleanly; returns when it is off. A machine that is off already is no fault."""
        ...

    def terminate(self, instance_id: str) -> None:
        """Shut down, drop the root disk, free the volumes. A machine that is gone already is no fault."""
        ...

    def associate(self, instance_id: str, address: str) -> None: ...

    def disassociate(self, instance_id: str, address: str) -> None: ...

    def create_volume(self, volume_id: str, *, size_gb: int, snapshot_id: str | None) -> None: ...

    def resize_volume(self, volume_id: str, *, size_gb: int) -> None: ...

    def attach(self, volume_id: str, instance_id: str, device: str) -> None: ...

    def detach(self, volume_id: str, instance_id: str) -> None: ...

    def delete_volume(self, volume_id: str) -> None: ...

    def snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Copy the disk as it is now."""
        ...

    def delete_snapshot(self, snapshot_id: str) -> None: ...

    def state(self, instance_id: str) -> MachineState:
        """Asked at each description: a machine may have powered itself off."""
        ...

    def console(self, instance_id: str) -> str:
        """What the machine printed so far; the host's key among it once it has booted."""
        ...


class NoMachines:
    """Remembers what state each machine would be in, and does nothing else."""

    def __init__(self) -> None:
        self._states: dict[str, MachineState] = {}
        self._numbers = itertools.count(1)

    def allocate(self) -> str:
        return f"127.20.0.{next(self._numbers) % 250 + 1}"

    def release(self, address: str) -> None:
        pass

    def run(self, instance_id: str, *, user_data: str, instance_type: str, zone: str) -> str:
        self._states[instance_id] = "running"
        return f"127.10.0.{len(self._states) % 250 + 1}"

    def start(self, instance_id: str) -> None:
        self._states[instance_id] = "running"

    def stop(self, instance_id: str) -> None:
        self._states[instance_id] = "stopped"

    def terminate(self, instance_id: str) -> None:
        self._states[instance_id] = "terminated"

    def associate(self, instance_id: str, address: str) -> None:
        pass

    def disassociate(self, instance_id: str, address: str) -> None:
        pass

    def create_volume(self, volume_id: str, *, size_gb: int, snapshot_id: str | None) -> None:
        pass

    def resize_volume(self, volume_id: str, *, size_gb: int) -> None:
        pass

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        pass

    def detach(self, volume_id: str, instance_id: str) -> None:
        pass

    def delete_volume(self, volume_id: str) -> None:
        pass

    def snapshot(self, snapshot_id: str, volume_id: str) -> None:
        pass

    def delete_snapshot(self, snapshot_id: str) -> None:
        pass

    def state(self, instance_id: str) -> MachineState:
        return self._states.get(instance_id, "terminated")

    def console(self, instance_id: str) -> str:
        return f"[   4.2] chartwell: host key {HOST_KEY}\r\n"
