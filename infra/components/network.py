"""The network of one host: a VPC with a subnet in each zone, and who may come in.

Decides which ports are open to which ranges; by default SSH to the operator and nothing else. Knows nothing
of hosts or data.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from typing import Final

import pulumi
import pulumi_aws as aws

from infra.plan import catalog
from infra.plan.config import NetworkAccess

VPC_CIDR: Final = "10.20.0.0/16"
SUBNET_BITS: Final = 24


def ingress_rules(access: NetworkAccess) -> list[tuple[str, str, int, int]]:
    """(description, CIDR, first port, last port) of everything that may come in."""
    rules = [("SSH from the operator", access.operator_cidr, catalog.SSH_PORT, catalog.SSH_PORT)]
    nim_ports = sorted(catalog.NIM_PORTS.values())
    for what, cidrs, first, last in (
        ("Chartwell service", access.service_cidrs, catalog.SERVICE_PORT, catalog.SERVICE_PORT),
        ("IRIS SQL", access.iris_cidrs, catalog.IRIS_SUPERSERVER_PORT, catalog.IRIS_SUPERSERVER_PORT),
        ("IRIS portal", access.iris_cidrs, catalog.IRIS_WEB_PORT, catalog.IRIS_WEB_PORT),
        ("NIM", access.nim_cidrs, nim_ports[0], nim_ports[-1]),
    ):
        rules += [(f"{what} from a named range", cidr, first, last) for cidr in cidrs]
    return rules


class Network(pulumi.ComponentResource):
    """VPC, one public subnet per zone, S3 gateway endpoint, security group, flow logs.

    Attributes:
        subnet_ids: by zone.
        security_group_id: of the host.
    """

    def __init__(
        self,
        name: str,
        *,
        region: str,
        zones: Iterable[str],
        access: NetworkAccess,
        account_id: str,
        flow_log_group_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("chartwell:network:Network", name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        self.vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=VPC_CIDR,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": f"{name}-vpc"},
            opts=self._child,
        )
        self.vpc_id = self.vpc.id
        # The default group of a new VPC lets its members talk to each other: emptied (CKV2_AWS_12).
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default", vpc_id=self.vpc.id, ingress=[], egress=[], opts=self._child
        )
        route_table = self._make_routes(region)
        self.subnet_ids = self._make_subnets(sorted(zones), route_table)
        self.security_group_id = self._make_security_group(access)
        self._make_flow_log(flow_log_group_arn, account_id)
        self.register_outputs({"vpcId": self.vpc_id, "securityGroupId": self.security_group_id})

    def _make_routes(self, region: str) -> aws.ec2.RouteTable:
        gateway = aws.ec2.InternetGateway(
            f"{self._name}-gateway",
            vpc_id=self.vpc.id,
            tags={"Name": f"{self._name}-gateway"},
            opts=self._child,
        )
        table = aws.ec2.RouteTable(
            f"{self._name}-routes",
            vpc_id=self.vpc.id,
            tags={"Name": f"{self._name}-routes"},
            opts=self._child,
        )
        aws.ec2.Route(
            f"{self._name}-internet",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=self._child,
        )
        # Gateway endpoints are free; documents then never cross the internet gateway.
        aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self.vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id],
            tags={"Name": f"{self._name}-s3"},
            opts=self._child,
        )
        return table

    def _make_subnets(
        self, zones: list[str], route_table: aws.ec2.RouteTable
    ) -> dict[str, pulumi.Output[str]]:
        blocks = ipaddress.ip_network(VPC_CIDR).subnets(new_prefix=SUBNET_BITS)
        by_letter = dict(
            zip("abcdef", blocks, strict=False)
        )  # a zone keeps its block when others come and go
        subnets = {}
        for zone in zones:
            subnet = aws.ec2.Subnet(
                f"{self._name}-{zone}",
                vpc_id=self.vpc.id,
                availability_zone=zone,
                cidr_block=str(by_letter[zone[-1]]),
                map_public_ip_on_launch=False,
                tags={"Name": f"{self._name}-{zone}"},
                opts=self._child,
            )
            aws.ec2.RouteTableAssociation(
                f"{self._name}-{zone}-routes",
                subnet_id=subnet.id,
                route_table_id=route_table.id,
                opts=self._child,
            )
            subnets[zone] = subnet.id
        return subnets

    def _make_security_group(self, access: NetworkAccess) -> pulumi.Output[str]:
        group = aws.ec2.SecurityGroup(
            f"{self._name}-host",
            vpc_id=self.vpc.id,
            description="Chartwell host: what may come in and go out",
            tags={"Name": f"{self._name}-host"},
            opts=self._child,
        )
        for description, cidr, first, last in ingress_rules(access):
            label = f"{first}-{cidr.replace('/', '-')}"
            aws.vpc.SecurityGroupIngressRule(
                f"{self._name}-in-{label}",
                security_group_id=group.id,
                description=description,
                ip_protocol="tcp",
                from_port=first,
                to_port=last,
                cidr_ipv4=cidr,
                opts=self._child,
            )
        for port, description in ((443, "Registries and AWS interfaces"), (80, "Ubuntu package archives")):
            aws.vpc.SecurityGroupEgressRule(
                f"{self._name}-out-{port}",
                security_group_id=group.id,
                description=description,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                cidr_ipv4="0.0.0.0/0",
                opts=self._child,
            )
        return group.id

    def _make_flow_log(self, log_group_arn: pulumi.Input[str], account_id: str) -> None:
        role = aws.iam.Role(
            f"{self._name}-flow-role",
            force_detach_policies=True,  # why: infra/components/iam.py
            assume_role_policy=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                            "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
                        }
                    ],
                }
            ),
            opts=self._child,
        )
        aws.iam.RolePolicy(
            f"{self._name}-flow-policy",
            role=role.id,
            policy=pulumi.Output.from_input(log_group_arn).apply(
                lambda arn: json.dumps(
                    {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": [
                                    "logs:CreateLogStream",
                                    "logs:PutLogEvents",
                                    "logs:DescribeLogStreams",
                                ],
                                "Resource": [arn, f"{arn}:*"],
                            }
                        ],
                    }
                )
            ),
            opts=self._child,
        )
        aws.ec2.FlowLog(
            f"{self._name}-flow",
            vpc_id=self.vpc.id,
            traffic_type="ALL",
            log_destination=log_group_arn,
            log_destination_type="cloud-watch-logs",
            iam_role_arn=role.arn,
            tags={"Name": f"{self._name}-flow"},
            opts=self._child,
        )
