"""`__main__.py` as an up runs it: configuration, preflight, account, capacity, program, outputs."""

from __future__ import annotations

import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import moto
import pulumi
import pytest

from infra import preflight
from infra.components import host_key
from infra.plan import capacity
from infra.preflight import PreflightFinding
from infra.rollout import pipeline
from tests.infra.recording import PROJECT, Recorded, record
from tests.infra.stacks import GOOD, HOST_KEY, SECRET_KEYS
from tests.infra.test_networks import Network
from tests.infra.test_orphans import instance

MAIN = Path(__file__).resolve().parents[2] / "__main__.py"
PASSED = PreflightFinding("quota", "pass", "fine")
FAILED = PreflightFinding("quota", "fail", "0 of 8 vCPUs", "Ask for more.")
SILENT = PreflightFinding("images", "warn", "Not checked: nvcr.io cannot be reached.")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty account, a wheel that is there, a preflight that is content, room in every zone."""
    wheel = tmp_path / "chartwell-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    monkeypatch.setattr(pipeline, "build_wheel", lambda *_: wheel)
    monkeypatch.setattr(preflight, "run", lambda *_: [PASSED])
    monkeypatch.setattr(host_key, "reader", lambda _: lambda _: HOST_KEY)
    monkeypatch.setattr(capacity, "with_room", lambda _, found, __: (found, ()))
    with moto.mock_aws():
        yield tmp_path
    pulumi.runtime.set_all_config({}, [])


def up(*, preview: bool = False, state: Mapping[str, Any] | None = None, **changes: Any) -> Recorded:
    values = {f"{PROJECT}:{key}": str(value) for key, value in (GOOD | changes).items()}
    pulumi.runtime.set_all_config(values, [f"{PROJECT}:{key}" for key in SECRET_KEYS])
    return record(lambda: runpy.run_path(str(MAIN)) and {}, preview=preview, state=state or {})


@pytest.mark.usefixtures("account")
def test_an_up_builds_the_stack_and_ships_the_wheel() -> None:
    recorded = up()
    assert len(recorded.of("aws:ec2/instance:Instance")) == 1
    assert recorded.of("command:remote:CopyToRemote")
    volume = recorded.one("aws:ebs/volume:Volume")
    host = recorded.one("aws:ec2/instance:Instance")
    for each in [*recorded.of("command:remote:Command"), *recorded.of("command:remote:CopyToRemote")]:
        assert each.props["connection"]["hostKey"] == HOST_KEY
        assert each.props["triggers"], f"{each.name} would not run on a new host"
        assert {volume.urn, host.urn} <= recorded.reachable(each.urn)


@pytest.mark.usefixtures("account")
def test_a_configuration_problem_ends_the_up_without_a_trace_and_without_resources() -> None:
    with pytest.raises(pulumi.RunError, match="2 configuration problems"):
        up(region="moon", idleMinutes=3)


@pytest.mark.usefixtures("account")
def test_a_failing_preflight_ends_a_first_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "run", lambda *_: [FAILED])
    with pytest.raises(pulumi.RunError, match=r"Nothing was created:\n  - 0 of 8 vCPUs Ask for more\."):
        up()


@pytest.mark.usefixtures("account")
def test_the_preview_tells_what_the_preflight_found_and_the_update_only_of_what(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An up runs the program twice, and the engine puts "warning: " before each."""
    told: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", told.append)
    monkeypatch.setattr(preflight, "run", lambda *_: [PASSED, SILENT, SILENT])
    up(preview=True)
    assert told == ["images: Not checked: nvcr.io cannot be reached."] * 2
    told.clear()
    up()
    assert told == ["The preflight warns of: images (python -m infra.preflight --stack dev)."]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("preview", [True, False])
def test_no_second_host_is_put_beside_one_that_the_state_does_not_know(preview: bool) -> None:
    """A launch whose answer was lost: the engine forgets it, and would make the host again."""
    lost = instance(boto3.Session("t", "t", region_name="us-east-1"))
    with pytest.raises(pulumi.RunError, match=f"{lost}.*\\n.*infra.orphans --stack dev .*--end {lost}"):
        up(preview=preview, state={})


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("preview", [True, False])
def test_a_network_with_parts_that_the_state_does_not_know_is_not_built_on(preview: bool) -> None:
    """Subnets whose creation was cut off: AWS would answer InvalidSubnet.Conflict, without a cure."""
    network = Network(boto3.Session("t", "t", region_name="us-east-1"))

    def known(*without: str) -> dict[str, Any]:
        return {each: {"type": "aws", "outputs": {"id": each}} for each in network.known(*without)}

    with pytest.raises(
        pulumi.RunError, match=f"{network.ids['subnet']} .*\\n.*infra.orphans .*--clear-network"
    ):
        up(preview=preview, state=known("subnet"))
    assert up(preview=preview, state=known()).of("aws:ec2/subnet:Subnet")


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize(
    ("bucket", "cure"),
    [
        ("chartwell-old-123456789012-documents", "pulumi stack rename old"),
        ("chartwell-dev-999999999999-documents", "Credentials of account 999999999999"),
    ],
)
def test_a_state_that_another_stack_made_is_not_gone_on_with(bucket: str, cure: str, preview: bool) -> None:
    known = {"urn:bucket": {"type": "aws:s3/bucket:Bucket", "outputs": {"id": bucket, "bucket": bucket}}}
    with pytest.raises(pulumi.RunError, match=f"Nothing was created.*{cure}"):
        up(preview=preview, state=known)


@pytest.mark.usefixtures("account")
def test_a_stack_with_its_host_is_only_warned_and_a_lost_host_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preflight, "run", lambda *_: [FAILED])
    own = instance(boto3.Session("t", "t", region_name="us-east-1"))
    known = {"urn:host": {"type": "aws:ec2/instance:Instance", "outputs": {"id": own}}}
    assert up(state=known).of("aws:ec2/instance:Instance")
    with pytest.raises(pulumi.RunError, match="does not know a host"):
        up(
            state={
                "urn:host": {"type": "aws:ec2/instance:Instance", "outputs": {"id": "i-0123456789abcdef0"}}
            }
        )
