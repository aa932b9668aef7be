"""A host that the state does not know: seen, priced, refused by an up, ended by name only. On moto.

That the engine tells a program what its state holds, and that a launch which is cut off leaves such a host, was seen
with the real engine (docs/decisions/infra-surplus-host.md); here it is asked through the SDK, its answer is recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import moto
import pulumi
import pytest
from botocore.exceptions import EndpointConnectionError, WaiterError

from infra import orphans, preflight
from infra.plan import hosts, state
from infra.plan.hosts import HostNotEndedError, SurplusHostError
from infra.plan.state import StateError
from infra.preflight import Surroundings
from tests.infra import recording
from tests.infra.stacks import config
from tests.infra.test_orphans import DATA, TAGS, instance, tag_list, volume
from tests.infra.test_preflight import NOW

NONE = frozenset[str]()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with moto.mock_aws():
        yield boto3.Session(region_name="us-east-1")


def refuse(live: set[str], known: frozenset[str], session: Any) -> None:
    hosts.refuse_surplus(config(), frozenset(live), lambda: known, session)


def with_data(session: Any) -> tuple[str, str]:
    """A host with the data volume attached."""
    host, data = instance(session), volume(session, DATA)
    session.client("ec2").attach_volume(InstanceId=host, VolumeId=data, Device="/dev/sdf")
    return host, data


def state_of(session: Any, instance_id: str) -> str:
    (found,) = session.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
    return str(found["Instances"][0]["State"]["Name"])


def exported(folder: Path, *ids: str) -> list[str]:
    path = folder / "state.json"
    path.write_text(json.dumps({"deployment": {"resources": [{"id": each} for each in ids]}}))
    return ["--stack", "dev", "--region", "us-east-1", "--state", str(path)]


def test_an_up_beside_a_host_of_a_lost_launch_is_refused_with_its_price_and_its_end(session: Any) -> None:
    known, lost = instance(session), instance(session)
    with pytest.raises(SurplusHostError) as refusal:
        refuse({known, lost}, frozenset({known}), session)
    text = str(refusal.value)
    assert f"{lost}, g5.2xlarge, running: $1.21 an hour; holds no data volume" in text
    assert f"python -m infra.orphans --stack dev --region us-east-1 --end {lost}\n" in text
    assert "Nothing was created" in text
    assert known not in text


def test_the_first_up_of_a_stack_is_refused_as_well(session: Any) -> None:
    """The lost host is then the only one: not the one that the state knows, which knows none."""
    lost = instance(session)
    with pytest.raises(SurplusHostError, match=lost):
        refuse({lost}, NONE, session)


def test_a_host_is_known_by_its_id_or_its_arn(session: Any) -> None:
    host = instance(session)
    refuse({host}, frozenset({host, "i-0123456789abcdef0"}), session)
    refuse({host}, frozenset({f"arn:aws:ec2:us-east-1:123456789012:instance/{host}"}), session)


def test_without_a_host_the_state_is_not_asked(session: Any) -> None:
    hosts.refuse_surplus(config(), NONE, lambda: pytest.fail("the state was asked"), session)


def test_one_that_holds_the_data_is_named_with_it(session: Any) -> None:
    host, data = with_data(session)
    with pytest.raises(SurplusHostError, match=f"{host}, g5.2xlarge, running: .*; holds {data}\n"):
        refuse({host}, NONE, session)


def test_no_answer_about_a_surplus_host_lets_no_up_through() -> None:
    class Gone:
        def client(self, _: str) -> Any:
            raise EndpointConnectionError(endpoint_url="https://ec2.us-east-1.amazonaws.com")

    with pytest.raises(SurplusHostError, match=r"could not be asked about i-1.*Run up again"):
        refuse({"i-1"}, NONE, Gone())


@pytest.mark.parametrize(
    ("kind", "host_state", "region", "usd"),
    [
        ("g5.2xlarge", "running", "us-east-1", 1.212),
        ("g5.2xlarge", "pending", "eu-central-1", 1.515),
        ("g5.2xlarge", "stopped", "us-east-1", 0.0),
        ("m7i.large", "running", "us-east-1", None),
    ],
)
def test_what_a_host_costs_an_hour(kind: str, host_state: str, region: str, usd: float | None) -> None:
    assert hosts.usd_per_hour(kind, host_state, region) == (usd if usd is None else pytest.approx(usd))


def test_a_preflight_fails_and_names_the_host(session: Any) -> None:
    known, lost = instance(session), instance(session)
    around = Surroundings(session, lambda *_: pytest.fail("no registry is asked"), NOW)
    assert list(preflight.hosts(config(), around)) == [], "an up has compared already"
    told = Surroundings(session, around.registry, NOW, known=lambda: frozenset({known}))
    (found,) = preflight.hosts(config(), told)
    assert (found.status, found.check) == ("fail", "hosts")
    assert lost in found.message
    assert found.cure.endswith(f"--end {lost}")
    content = Surroundings(session, around.registry, NOW, known=lambda: frozenset({known, lost}))
    assert [each.status for each in preflight.hosts(config(), content)] == ["pass"]

    def unreadable() -> frozenset[str]:
        raise RuntimeError("pulumi stack export failed: no passphrase")

    (silent,) = preflight.hosts(config(), Surroundings(session, around.registry, NOW, known=unreadable))
    assert (silent.status, silent.message[:12]) == ("warn", "Not checked:")


def test_the_list_of_orphans_says_what_it_holds_and_how_it_is_ended(session: Any) -> None:
    host, data = with_data(session)
    (found,) = [
        each
        for each in orphans.report("dev", frozenset({"i-0123456789abcdef0"}), session).orphans
        if each.kind == "ec2:instance"
    ]
    assert found.note == f"g5.2xlarge, running, $1.21 an hour; holds {data}"
    assert found.removal.startswith(f"python -m infra.orphans --stack dev --region us-east-1 --end {host}  #")


def test_a_root_disk_belongs_to_its_host(session: Any) -> None:
    made = [
        session.client("ec2").run_instances(
            ImageId="ami-12c6146b",
            InstanceType="g5.2xlarge",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {"ResourceType": kind, "Tags": tag_list(TAGS | {"Role": role})}
                for kind, role in (("instance", "host"), ("volume", "root"))
            ],
        )["Instances"][0]["InstanceId"]
        for _ in range(2)
    ]
    found = orphans.report("dev", frozenset({made[0]}), session).orphans
    assert [each.kind for each in found] == ["ec2:instance", "ec2:volume"]
    assert found[1].removal == f"nothing to do: it ends with {made[1]}"


def test_a_surplus_host_is_ended_by_its_id(
    session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known, lost = instance(session), instance(session)
    words = exported(tmp_path, known)
    assert orphans.main([*words, "--end", lost]) == 0
    assert (state_of(session, lost), state_of(session, known)) == ("terminated", "running")
    assert f"{lost}: ended. Now: pulumi up" in capsys.readouterr().out
    assert orphans.main([*words, "--end", lost]) == 0
    assert "terminated already" in capsys.readouterr().out


def test_what_is_not_surplus_is_left(
    session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known, other = instance(session), instance(session, TAGS | {"Stack": "production"})
    words = exported(tmp_path, known)
    for named, why in (
        (known, "is the host that the state of dev knows"),
        (other, "does not carry the tags"),
        ("i-0123456789abcdef0", "does not exist"),
    ):
        assert orphans.main([*words, "--end", named]) == 1
        assert why in capsys.readouterr().err
    assert (state_of(session, known), state_of(session, other)) == ("running", "running")


def test_one_that_may_hold_the_data_is_ended_only_when_the_very_volume_is_named(
    session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host, data = with_data(session)
    words = [*exported(tmp_path), "--end", host]
    for said in ([], ["--holding", "vol-0123456789abcdef0"]):
        assert orphans.main([*words, *said]) == 1
        assert f"Add: --holding {data}" in capsys.readouterr().err
        assert state_of(session, host) == "running"
    assert orphans.main([*words, "--holding", data]) == 0
    assert state_of(session, host) == "terminated"
    (kept,) = session.client("ec2").describe_volumes(VolumeIds=[data])["Volumes"]
    assert kept["State"] == "available"
    assert f"Kept: {data}." in capsys.readouterr().out


class Calls:
    """An account's EC2 that keeps the order in which a host was taken down."""

    def __init__(self, session: Any, **more: str) -> None:
        self.real, self.more, self.order = session.client("ec2"), more, list[str]()

    def client(self, _: str) -> Any:
        return self

    def describe_instances(self, **wanted: Any) -> Any:
        answer = self.real.describe_instances(**wanted)
        answer["Reservations"][0]["Instances"][0].update(self.more)
        return answer

    def cancel_spot_instance_requests(self, **_: Any) -> None:
        self.order.append("cancel_spot_instance_requests")

    def get_waiter(self, name: str) -> Any:
        self.order.append(name)
        return self.real.get_waiter(name)

    def __getattr__(self, name: str) -> Any:
        self.order.append(name)
        return getattr(self.real, name)


def test_what_writes_to_the_data_is_stopped_before_its_volume_is_let_go(session: Any) -> None:
    """And a persistent spot request is given up before its host ends: it would launch the next one."""
    host, data = with_data(session)
    calls = Calls(session, SpotInstanceRequestId="sir-1")
    hosts.end(host, "dev", NONE, calls, holding=frozenset({data}), say=lambda _: None)
    assert calls.order == [
        "stop_instances",
        "instance_stopped",
        "detach_volume",
        "volume_available",
        "cancel_spot_instance_requests",
        "terminate_instances",
        "instance_terminated",
    ]


def test_a_command_that_waited_in_vain_can_be_run_again(session: Any) -> None:
    """The volume is let go by then, and the same words still end the host."""

    class Slow(Calls):
        def get_waiter(self, name: str) -> Any:
            if name == "instance_terminated":
                raise WaiterError("InstanceTerminated", "Max attempts exceeded", {})
            return super().get_waiter(name)

    host, data = with_data(session)
    with pytest.raises(HostNotEndedError, match=r"takes long: .*InstanceTerminated.*the same command again"):
        hosts.end(host, "dev", NONE, Slow(session), holding=frozenset({data}))
    ec2 = Calls(session)
    hosts.end(instance(session), "dev", NONE, ec2, holding=frozenset({data}))
    assert ec2.order == ["terminate_instances", "instance_terminated"]


def test_the_engine_tells_a_program_what_its_state_knows() -> None:
    found: list[frozenset[str]] = []
    resource = {"type": "aws:ec2/instance:Instance", "outputs": {"id": "i-1", "userData": "x"}}
    secret = {
        "type": "aws:ssm/parameter:Parameter",
        "outputs": {"id": "/p", "value": pulumi.Output.secret("s")},
    }
    recording.record(
        lambda: found.append(state.known_to_the_engine()) or {}, state={"u:1": resource, "u:2": secret}
    )
    assert found == [frozenset({"i-1", "/p"})]


def test_a_state_that_is_being_written_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "WAIT_S", 0)
    resource = {"type": "aws:ec2/instance:Instance", "outputs": {"id": "i-1"}}
    answers = iter([({}, [("stackName", "failed to load checkpoint: EOF")])] * 3)
    told = recording.QuietMocks.call
    monkeypatch.setattr(
        recording.QuietMocks, "call", lambda mocks, args: next(answers, None) or told(mocks, args)
    )
    found: list[frozenset[str]] = []
    recording.record(lambda: found.append(state.known_to_the_engine()) or {}, state={"u:1": resource})
    assert found == [frozenset({"i-1"})]


def test_a_silent_engine_lets_no_up_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "WAIT_S", 0)
    refusal = ({}, [("stackName", "no backend client is available")])
    monkeypatch.setattr(recording.QuietMocks, "call", lambda *_: refusal)
    with pytest.raises(StateError, match=r"of .*/chartwell/dev holds: .*no backend client is available"):
        recording.record(lambda: {"ids": list(state.known_to_the_engine())})
