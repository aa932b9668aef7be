"""Parts of the network that the state does not know: seen, refused by an up, removed where no one uses them. On moto.

What AWS refuses (InvalidSubnet.Conflict and the like) and the cut that leaves such parts are a bad day of the real
engine (tests/engine/bad_days.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
from botocore.exceptions import EndpointConnectionError

from infra import orphans
from infra.plan import networks
from infra.plan.networks import NetworkNotClearedError, SurplusNetworkError
from tests.infra.stacks import config
from tests.infra.test_orphans import TAGS, tag_list

ZONE = "us-east-1a"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with moto.mock_aws():
        yield boto3.Session(region_name="us-east-1")


class Network:
    """A whole network of the stack, as the program makes it. `ids`: kind -> id as a state knows it."""

    def __init__(self, session: Any, tags: dict[str, str] = TAGS) -> None:
        self.ec2, self._tags = session.client("ec2"), tags
        self.vpc = self.ec2.create_vpc(CidrBlock="10.20.0.0/16", **self._tagged("vpc"))["Vpc"]["VpcId"]
        self.ids: dict[str, str] = {}
        self._make_routes()
        self._make_group()
        self._make_flow_log(session)

    def _tagged(self, kind: str) -> dict[str, Any]:
        return {"TagSpecifications": [{"ResourceType": kind, "Tags": tag_list(self._tags)}]}

    def _make_routes(self) -> None:
        made = self.ec2.create_internet_gateway(**self._tagged("internet-gateway"))["InternetGateway"]
        gateway = self.ids["internet gateway"] = made["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        made = self.ec2.create_route_table(VpcId=self.vpc, **self._tagged("route-table"))["RouteTable"]
        table = self.ids["route table"] = made["RouteTableId"]
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        self.ids["route"] = f"r-{table}1080289494"  # as the provider calls it
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.vpc,
            ServiceName="com.amazonaws.us-east-1.s3",
            VpcEndpointType="Gateway",
            RouteTableIds=[table],
            **self._tagged("vpc-endpoint"),
        )
        self.ids["endpoint"] = made["VpcEndpoint"]["VpcEndpointId"]
        made = self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock="10.20.0.0/24", AvailabilityZone=ZONE, **self._tagged("subnet")
        )["Subnet"]
        subnet = self.ids["subnet"] = made["SubnetId"]
        made = self.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        self.ids["association"] = made["AssociationId"]

    def _make_group(self) -> None:
        group = self.ids["security group"] = self.ec2.create_security_group(
            GroupName="host", Description="of a host", VpcId=self.vpc, **self._tagged("security-group")
        )["GroupId"]
        for kind, authorize in (
            ("ingress rule", self.ec2.authorize_security_group_ingress),
            ("egress rule", self.ec2.authorize_security_group_egress),
        ):
            permission = {
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
            }
            made = authorize(
                GroupId=group, IpPermissions=[permission], **self._tagged("security-group-rule")
            )["SecurityGroupRules"]
            self.ids[kind] = made[0]["SecurityGroupRuleId"]

    def _make_flow_log(self, session: Any) -> None:
        iam = session.client("iam")
        name = f"flow-{self.vpc}"
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        session.client("logs").create_log_group(logGroupName=name)
        made = self.ec2.create_flow_logs(
            ResourceIds=[self.vpc],
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=name,
            DeliverLogsPermissionArn=role,
            **self._tagged("vpc-flow-log"),
        )
        self.ids["flow log"] = made["FlowLogIds"][0]

    def known(self, *without: str) -> frozenset[str]:
        """What a state knows of it, `without` some kinds."""
        return frozenset({self.vpc, *(one for kind, one in self.ids.items() if kind not in without)})

    def interface(self) -> str:
        made = self.ec2.create_network_interface(
            SubnetId=self.ids["subnet"], Groups=[self.ids["security group"]]
        )
        return str(made["NetworkInterface"]["NetworkInterfaceId"])


@pytest.fixture
def network(session: Any) -> Network:
    return Network(session)


ALONE = (
    "flow log",
    "endpoint",
    "internet gateway",
    "route",
    "association",
    "ingress rule",
    "egress rule",
)
"""Kinds of which one can be lost while the state knows all others."""


def kinds(known: frozenset[str], session: Any) -> list[str]:
    return [each.kind for each in networks.surplus_parts("dev", known, session)]


def words(network: Network, folder: Path, *without: str) -> list[str]:
    """Of the command, with that state."""
    path = folder / "state.json"
    resources = [{"id": each} for each in network.known(*without)]
    path.write_text(json.dumps({"deployment": {"resources": resources}}))
    return ["--stack", "dev", "--region", "us-east-1", "--state", str(path), "--clear-network"]


def test_a_network_that_the_state_knows_is_left_alone(session: Any, network: Network) -> None:
    networks.refuse_surplus(config(), network.known(), session)


def test_a_part_is_known_by_its_arn_as_well(session: Any, network: Network) -> None:
    arn = f"arn:aws:ec2:us-east-1:123456789012:subnet/{network.ids['subnet']}"
    assert kinds(network.known("subnet") | {arn}, session) == []


@pytest.mark.parametrize("kind", [*ALONE, "subnet", "route table", "security group"])
def test_an_up_is_refused_by_each_kind_of_part_that_the_state_does_not_know(
    kind: str, session: Any, network: Network
) -> None:
    with pytest.raises(SurplusNetworkError) as refusal:
        networks.refuse_surplus(config(), network.known(kind), session)
    text = str(refusal.value)
    assert f"  - {kind} " in text
    assert text.count("  - ") == 1
    assert "Nothing was created" in text
    assert "python -m infra.orphans --stack dev --region us-east-1 --clear-network\n" in text


@pytest.mark.parametrize("kind", ALONE)
def test_a_single_part_is_removed_and_nothing_else(
    kind: str, session: Any, network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert orphans.main(words(network, tmp_path, kind)) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.rpartition(": ")[2] for line in printed] == ["removed", "pulumi up"]
    assert kinds(network.known(kind), session) == []
    others = set(network.ids) - {kind}
    # Nothing known: of what is left, all that is not within something else is seen.
    left = {*kinds(frozenset({network.vpc}), session)}
    assert left == others - {"association", "route", "ingress rule", "egress rule"}


def test_all_of_it_goes_in_an_order_that_aws_allows(
    session: Any, network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # AWS lets it go together with its subnet, moto does not.
    network.ec2.disassociate_route_table(AssociationId=network.ids["association"])
    assert orphans.main(words(network, tmp_path, *network.ids)) == 0
    assert kinds(frozenset({network.vpc}), session) == []
    network.ec2.delete_vpc(VpcId=network.vpc)
    capsys.readouterr()
    assert orphans.main(words(network, tmp_path)) == 0
    assert capsys.readouterr().out == "Nothing in the network of dev that its state does not know.\n"


@pytest.mark.parametrize("kind", ["subnet", "security group"])
def test_what_an_interface_uses_is_not_removed(
    kind: str, session: Any, network: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interface = network.interface()
    lost = (kind, "flow log")
    assert orphans.main(words(network, tmp_path, *lost)) == 1
    said = capsys.readouterr().err
    assert f"{network.ids[kind]} is in use by {interface} (no host). Nothing was removed" in said
    assert set(kinds(network.known(*lost), session)) == set(lost)


def test_what_the_state_knows_may_be_in_use(session: Any, network: Network) -> None:
    """A rule that was cut off goes while the host runs."""
    network.interface()
    networks.clear("dev", network.known("ingress rule", "flow log"), session, say=lambda _: None)
    assert kinds(network.known(), session) == []


def test_another_stack_and_what_carries_no_tags_is_no_part(session: Any, network: Network) -> None:
    other = Network(session, TAGS | {"Stack": "production"})
    network.ec2.create_subnet(VpcId=network.vpc, CidrBlock="10.20.9.0/24", AvailabilityZone=ZONE)
    assert kinds(network.known() | {other.vpc}, session) == []


def test_a_network_that_no_state_knows_is_not_in_the_way(session: Any, network: Network) -> None:
    """Of a state that is lost, or of a creation of the VPC that was cut off: another VPC is made beside it."""
    assert kinds(network.known() - {network.vpc} - {network.ids["subnet"]}, session) == []


def test_a_refusal_of_aws_is_told_with_the_part(session: Any, network: Network) -> None:
    network.ec2.associate_route_table(
        RouteTableId=network.ids["route table"],
        SubnetId=network.ec2.create_subnet(
            VpcId=network.vpc, CidrBlock="10.20.9.0/24", AvailabilityZone=ZONE
        )["Subnet"]["SubnetId"],
    )
    with pytest.raises(NetworkNotClearedError, match=r"route table rtb-\w+ of vpc-\w+ stays: DependencyViol"):
        networks.clear("dev", network.known("route table"), session, say=lambda _: None)


def test_no_answer_about_the_network_lets_no_up_through() -> None:
    class Gone:
        def client(self, _: str) -> Any:
            raise EndpointConnectionError(endpoint_url="https://ec2.us-east-1.amazonaws.com")

    with pytest.raises(SurplusNetworkError, match=r"could not be asked about the network.*Run up again"):
        networks.refuse_surplus(config(), frozenset(), Gone())
