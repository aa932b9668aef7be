"""The provider that stands in for pulumi-aws: the whole program made, read back, paused and adopted, and what each
change does to a resource. Driven by a hand client, without the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import stack
from infra.plan import inventory
from infra.plan.config import StackConfig
from tests.engine import cloud
from tests.engine.client import Client, Resource
from tests.infra import stacks
from tests.infra.recording import Recorded, Registered, destroy_layers, record


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[cloud.Cloud]:
    endpoint, opened = cloud.start()
    for name, value in (("ENDPOINT_URL", endpoint), ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("ENGINE_PATIENCE_SECONDS", "0.3")
    yield opened
    opened.stop()


class Stack:
    """The program's resources through the provider: a very small engine."""

    def __init__(self, account: cloud.Cloud, wheel: Path, **changes: Any) -> None:
        self.account, self.wheel = account, wheel
        self.config: StackConfig = stacks.config(**changes)
        self.client = Client(dict(self.config.tags))
        self.known: dict[str, Resource] = {}
        self.updated: list[str] = []
        self.recorded = Recorded()

    def up(self) -> Recorded:
        found = inventory.discover(self.config, self.account.account())

        def program() -> dict[str, Any]:
            return stack.build(self.config, found, wheel=self.wheel, host_keys=lambda _: stacks.HOST_KEY)

        self.recorded = record(program, create=self._register)
        return self.recorded

    def _register(self, registered: Registered) -> tuple[str, dict[str, Any]]:
        props = dict(registered.props)
        if registered.type == "pulumi:providers:aws":
            self.client.configure(**props)
        if not registered.type.startswith("aws:"):
            return registered.name, {**props, "stdout": "", "stderr": ""}
        known = self._adopted(registered) or self.client.create(registered.type, registered.name, props)
        self.known[registered.urn] = known
        return known.id, {**known.outputs, "id": known.id}

    def _adopted(self, registered: Registered) -> Resource | None:
        if not registered.import_id:
            return None
        found = self.client.adopt(registered.type, registered.name, registered.import_id)
        assert found is not None, f"{registered.name} is to be imported and is not there"
        changed, replacing = self.client.diff(found, dict(registered.props), *registered.ignore_changes)
        assert not replacing, f"{registered.name}: an import that would replace is refused ({replacing})"
        if changed:
            self.updated.append(registered.name)
            return self.client.update(found, dict(registered.props))
        return found

    def drift(self) -> dict[str, set[str]]:
        """By name: inputs that a refresh finds otherwise than they were given."""
        found = {}
        for each in self.recorded.custom:
            if known := self.known.get(each.urn):
                seen = self.client.refresh(known)
                assert seen is not None, f"{each.name} is gone"
                changed, _ = self.client.diff(seen, dict(each.props), *each.ignore_changes)
                if changed:
                    found[each.name] = changed
        return found

    def destroy(self) -> None:
        for layer in destroy_layers(self.recorded):
            for each in layer:
                if each.urn in self.known and not each.retain_on_delete:
                    self.client.delete(self.known[each.urn])
        self.known.clear()


MODES: dict[str, dict[str, Any]] = {
    "volume": {},
    "snapshot": {"pauseMode": "snapshot"},
    "stopped": {"pauseMode": "stop", "paused": True},
    "spot with hours": {"spot": True, "offHoursStop": "19:00", "offHoursStart": "07:00"},
}


@pytest.mark.parametrize(
    "mode", [each if each == "volume" else pytest.param(each, marks=pytest.mark.long) for each in MODES]
)
def test_the_program_comes_up_reads_back_pauses_and_comes_back(
    account: cloud.Cloud, tmp_path: Path, mode: str
) -> None:
    wheel = tmp_path / "chartwell-0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    paused = Stack(account, wheel, **MODES[mode])
    paused.up()
    assert paused.drift() == {}
    volume = next(each.id for urn, each in paused.known.items() if "aws:ebs/volume:Volume" in urn)

    paused.destroy()

    kept = {each.kind for each in account.billable()}
    data = "ec2:snapshot" if mode == "snapshot" else "ec2:volume"
    assert kept == {data, "kms:key", "logs:log-group", "s3:bucket"}

    paused.up()
    assert paused.drift() == {}
    again = next(each for urn, each in paused.known.items() if "aws:ebs/volume:Volume" in urn)
    if mode == "snapshot":
        assert again.outputs["snapshotId"].startswith("snap-")
    else:
        assert again.id == volume


def test_a_decommissioned_stack_leaves_nothing_on_the_bill(account: cloud.Cloud, tmp_path: Path) -> None:
    wheel = tmp_path / "chartwell-0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    gone = Stack(account, wheel, dataRetention="destroy")
    gone.up()
    documents = next(each.id for urn, each in gone.known.items() if urn.endswith("dev-data-documents"))
    account.account().client("s3").put_object(Bucket=documents, Key="documents/note.txt", Body=b"text")

    gone.destroy()

    assert account.billable() == []
