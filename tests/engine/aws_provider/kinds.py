"""What every resource type of the provider says of itself, and the account that they share.

Decides how a type is described; the types themselves are in network.py, machines.py, storage.py and services.py. A type
refuses to know the engine's protocol: it gets plain properties and gives plain properties.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeVar

import boto3
import botocore.config
import botocore.exceptions

from tests.engine.aws_provider.values import Properties

PATIENCE: Final = "ENGINE_PATIENCE_SECONDS"
PATIENCE_SECONDS: Final = 8.0
"""Longest wait for a change of state. The real provider waits for minutes; a test that proves a refusal cannot."""
POLL_SECONDS: Final = 0.05

T = TypeVar("T")


class GaveUpError(Exception):
    """A wait has ended without what it waited for."""


@dataclass
class Account:
    """Clients of one region, made once each, and what the provider's configuration says."""

    region: str = "us-east-1"
    default_tags: Mapping[str, str] = field(default_factory=dict)
    retries: int = 25
    cancelled: threading.Event = field(default_factory=threading.Event)
    _clients: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service,
                    region_name=self.region,
                    config=botocore.config.Config(
                        retries={"total_max_attempts": self.retries + 1, "mode": "standard"},
                        read_timeout=600,
                        max_pool_connections=20,
                    ),
                )
            return self._clients[service]

    @property
    def account_id(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])

    def wait(self, what: str, ask: Callable[[], T | None], *, share: float = 1.0) -> T:
        """Ask until there is an answer. Raises GaveUpError. `share` of the patience; above 1 it is more than that."""
        patience = float(os.environ.get(PATIENCE, PATIENCE_SECONDS))
        ends = time.monotonic() + share * patience
        while True:
            found = ask()
            if found is not None:
                return found
            if time.monotonic() >= ends:
                raise GaveUpError(f"timeout while waiting for {what}")
            if self.cancelled.wait(POLL_SECONDS):
                raise GaveUpError(f"cancelled while waiting for {what}")

    def insist(self, what: str, act: Callable[[], Any], *codes: str, says: str = "") -> None:
        """Act again while AWS refuses with one of these codes, and says this. Raises its last refusal."""
        last: list[botocore.exceptions.ClientError] = []

        def once() -> bool | None:
            try:
                act()
            except botocore.exceptions.ClientError as error:
                if code_of(error) not in codes or says not in str(error):
                    raise
                last[:] = [error]
                return None
            return True

        try:
            self.wait(what, once)
        except GaveUpError:
            raise last[0] from None


def code_of(error: botocore.exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


class Kind:
    """One type. Subclasses say what AWS calls it. All dictionaries hold Pulumi's property names."""

    token: ClassVar[str]
    source: ClassVar[str] = ""
    """File of hashicorp/terraform-provider-aws, below internal/service, that says what is here."""
    replaces: ClassVar[tuple[str, ...]] = ()
    """Properties that replace the resource: `ForceNew` there, `RequiresReplace` of the newer framework. A dotted one is
    of a nested block."""
    read_only: ClassVar[tuple[str, ...]] = ()
    """Outputs that only AWS knows: unknown in a preview."""
    named: ClassVar[str] = ""
    """Property that gets a generated name where the program gives none."""
    tagged: ClassVar[bool] = False
    sensitive: ClassVar[tuple[str, ...]] = ()
    """`Sensitive` there: sealed in every answer."""
    changes: ClassVar[tuple[str, ...]] = ()
    """Properties that `update` changes in place, tags aside; any other change is refused, so that none is lost."""
    computed: ClassVar[tuple[str, ...]] = ()
    """Optional and computed: leaving one out again is no change."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def __getattr__(self, name: str) -> Any:
        """A client by the service's name: `self.ec2`, `self.s3`."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self.account.client(SERVICES.get(name, name))

    def create(self, given: Properties) -> str:
        """Make it. Returns its id."""
        raise NotImplementedError

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        """What AWS knows of it; None when it is gone. `known` is the state so far, empty at an import."""
        raise NotImplementedError

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        """Change it in place."""
        raise NotImplementedError

    def delete(self, resource_id: str, state: Properties) -> None:
        raise NotImplementedError

    def delete_within(self, resource_id: str, state: Properties, seconds: float) -> None:
        """As `delete`, for a type that needs to know the deletion's timeout."""
        self.delete(resource_id, state)

    def replacing(self, changed: set[str], old: Properties, new: Properties) -> set[str]:
        """Those of the changed properties that replace the resource."""
        found = changed & set(self.replaces)
        for each in self.replaces:
            block, _, name = each.partition(".")
            if name and block in changed and _of(old, block, name) != _of(new, block, name):
                found.add(block)
        return found


SERVICES: Final = {"tagging": "resourcegroupstaggingapi"}


def _of(properties: Properties, block: str, name: str) -> Any:
    nested = properties.get(block)
    return nested.get(name) if isinstance(nested, Mapping) else None


def pairs(tags: Mapping[str, Any] | None) -> list[dict[str, str]]:
    return [{"Key": str(key), "Value": str(value)} for key, value in (tags or {}).items()]


def from_pairs(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """Tags of an answer, without AWS's own."""
    return {each["Key"]: each["Value"] for each in tags or () if not each["Key"].startswith("aws:")}


def without_none(**values: Any) -> dict[str, Any]:
    return {key: each for key, each in values.items() if each is not None}
