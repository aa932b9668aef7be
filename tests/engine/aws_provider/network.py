"""Types of the network: what may be reached, and from where."""

from __future__ import annotations

from typing import Any, Final

from tests.engine.aws_provider.kinds import Kind, from_pairs, pairs, without_none
from tests.engine.aws_provider.values import Properties

RESERVED: Final = ("DependencyViolation",)


class Ec2Kind(Kind):
    """A thing of EC2 with tags: how they are given, read and changed."""

    noun = ""

    def _specification(self, given: Properties) -> list[dict[str, Any]]:
        return [{"ResourceType": self.noun, "Tags": pairs(given["tags"])}] if given.get("tags") else []

    def _retag(self, resource_id: str, old: Properties, new: Properties) -> None:
        before, after = old.get("tags") or {}, new.get("tags") or {}
        if gone := [{"Key": key} for key in before.keys() - after.keys()]:
            self.ec2.delete_tags(Resources=[resource_id], Tags=gone)
        if after and before != after:
            self.ec2.create_tags(Resources=[resource_id], Tags=pairs(after))

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self._retag(resource_id, old, new)


class Vpc(Ec2Kind):
    changes = ("enableDnsHostnames", "enableDnsSupport")
    token, source, noun = "aws:ec2/vpc:Vpc", "ec2/vpc_.go", "vpc"
    replaces, read_only, tagged = ("cidrBlock",), ("arn", "defaultSecurityGroupId"), True

    def create(self, given: Properties) -> str:
        made = self.ec2.create_vpc(CidrBlock=given["cidrBlock"], TagSpecifications=self._specification(given))
        vpc_id = str(made["Vpc"]["VpcId"])
        self._set(vpc_id, given)
        return vpc_id

    def _set(self, vpc_id: str, given: Properties) -> None:
        for name, key in (
            ("EnableDnsSupport", "enableDnsSupport"),
            ("EnableDnsHostnames", "enableDnsHostnames"),
        ):
            if key in given:
                self.ec2.modify_vpc_attribute(VpcId=vpc_id, **{name: {"Value": given[key]}})

    def read(self, resource_id: str, known: Properties) -> Properties:
        (found,) = self.ec2.describe_vpcs(VpcIds=[resource_id])["Vpcs"]
        groups = self.ec2.describe_security_groups(
            Filters=[
                {"Name": "vpc-id", "Values": [resource_id]},
                {"Name": "group-name", "Values": ["default"]},
            ]
        )["SecurityGroups"]
        attributes = {
            key: self.ec2.describe_vpc_attribute(VpcId=resource_id, Attribute=key)[name]["Value"]
            for name, key in (
                ("EnableDnsSupport", "enableDnsSupport"),
                ("EnableDnsHostnames", "enableDnsHostnames"),
            )
        }
        return {
            "cidrBlock": found["CidrBlock"],
            "tags": from_pairs(found.get("Tags")),
            "arn": f"arn:aws:ec2:{self.account.region}:{found['OwnerId']}:vpc/{resource_id}",
            "defaultSecurityGroupId": groups[0]["GroupId"] if groups else None,
            **attributes,
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self._set(resource_id, new)
        self._retag(resource_id, old, new)

    def delete(self, resource_id: str, state: Properties) -> None:
        self.account.insist("VPC delete", lambda: self.ec2.delete_vpc(VpcId=resource_id), *RESERVED)


class DefaultSecurityGroup(Ec2Kind):
    """Adopted, emptied, and left as it is at a delete."""

    token, source = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "ec2/vpc_default_security_group.go"
    replaces, read_only, tagged = ("vpcId",), ("arn",), True

    def create(self, given: Properties) -> str:
        (found,) = self.ec2.describe_security_groups(
            Filters=[
                {"Name": "vpc-id", "Values": [given["vpcId"]]},
                {"Name": "group-name", "Values": ["default"]},
            ]
        )["SecurityGroups"]
        for permissions, revoke in (
            (found["IpPermissions"], self.ec2.revoke_security_group_ingress),
            (found["IpPermissionsEgress"], self.ec2.revoke_security_group_egress),
        ):
            if permissions:
                revoke(GroupId=found["GroupId"], IpPermissions=permissions)
        self._retag(found["GroupId"], {}, given)
        return str(found["GroupId"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        (found,) = self.ec2.describe_security_groups(GroupIds=[resource_id])["SecurityGroups"]
        return {"vpcId": found["VpcId"], "tags": from_pairs(found.get("Tags"))}

    def delete(self, resource_id: str, state: Properties) -> None:
        pass


class InternetGateway(Ec2Kind):
    token, source = "aws:ec2/internetGateway:InternetGateway", "ec2/vpc_internet_gateway.go"
    noun, read_only, tagged = "internet-gateway", ("arn",), True

    def create(self, given: Properties) -> str:
        made = self.ec2.create_internet_gateway(TagSpecifications=self._specification(given))[
            "InternetGateway"
        ]
        gateway_id = str(made["InternetGatewayId"])
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=given["vpcId"])
        return gateway_id

    def read(self, resource_id: str, known: Properties) -> Properties:
        (found,) = self.ec2.describe_internet_gateways(InternetGatewayIds=[resource_id])["InternetGateways"]
        attached = found.get("Attachments") or [{}]
        return {"vpcId": attached[0].get("VpcId"), "tags": from_pairs(found.get("Tags"))}

    def delete(self, resource_id: str, state: Properties) -> None:
        """Detached first, again and again while addresses are mapped."""
        found = self.read(resource_id, state)
        if found["vpcId"]:
            self.account.insist(
                "Internet Gateway detach",
                lambda: self.ec2.detach_internet_gateway(InternetGatewayId=resource_id, VpcId=found["vpcId"]),
                *RESERVED,
            )
        self.account.insist(
            "Internet Gateway delete",
            lambda: self.ec2.delete_internet_gateway(InternetGatewayId=resource_id),
            *RESERVED,
        )


class RouteTable(Ec2Kind):
    token, source = "aws:ec2/routeTable:RouteTable", "ec2/vpc_route_table.go"
    noun, replaces, read_only, tagged = "route-table", ("vpcId",), ("arn",), True

    def create(self, given: Properties) -> str:
        made = self.ec2.create_route_table(VpcId=given["vpcId"], TagSpecifications=self._specification(given))
        return str(made["RouteTable"]["RouteTableId"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        (found,) = self.ec2.describe_route_tables(RouteTableIds=[resource_id])["RouteTables"]
        return {"vpcId": found["VpcId"], "tags": from_pairs(found.get("Tags"))}

    def delete(self, resource_id: str, state: Properties) -> None:
        self.account.insist(
            "Route Table delete", lambda: self.ec2.delete_route_table(RouteTableId=resource_id), *RESERVED
        )


class Route(Kind):
    changes = ("gatewayId",)
    token, source = "aws:ec2/route:Route", "ec2/vpc_route.go"
    replaces = ("routeTableId", "destinationCidrBlock")

    def create(self, given: Properties) -> str:
        self.ec2.create_route(
            RouteTableId=given["routeTableId"],
            DestinationCidrBlock=given["destinationCidrBlock"],
            GatewayId=given["gatewayId"],
        )
        return f"r-{given['routeTableId']}-{given['destinationCidrBlock']}"

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        (table,) = self.ec2.describe_route_tables(RouteTableIds=[known["routeTableId"]])["RouteTables"]
        for each in table["Routes"]:
            if each.get("DestinationCidrBlock") == known["destinationCidrBlock"]:
                return {"gatewayId": each.get("GatewayId")}
        return None

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self.ec2.replace_route(
            RouteTableId=new["routeTableId"],
            DestinationCidrBlock=new["destinationCidrBlock"],
            GatewayId=new["gatewayId"],
        )

    def delete(self, resource_id: str, state: Properties) -> None:
        self.ec2.delete_route(
            RouteTableId=state["routeTableId"], DestinationCidrBlock=state["destinationCidrBlock"]
        )


class RouteTableAssociation(Kind):
    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    source, replaces = "ec2/vpc_route_table_association.go", ("subnetId", "gatewayId")

    def create(self, given: Properties) -> str:
        made = self.ec2.associate_route_table(RouteTableId=given["routeTableId"], SubnetId=given["subnetId"])
        return str(made["AssociationId"])

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        filters = [{"Name": "association.route-table-association-id", "Values": [resource_id]}]
        for table in self.ec2.describe_route_tables(Filters=filters)["RouteTables"]:
            for each in table["Associations"]:
                if each.get("RouteTableAssociationId") == resource_id:
                    return {"subnetId": each.get("SubnetId"), "routeTableId": table["RouteTableId"]}
        return None

    def delete(self, resource_id: str, state: Properties) -> None:
        self.ec2.disassociate_route_table(AssociationId=resource_id)


class Subnet(Ec2Kind):
    changes = ("mapPublicIpOnLaunch",)
    token, source, noun = "aws:ec2/subnet:Subnet", "ec2/vpc_subnet.go", "subnet"
    replaces, read_only, tagged = ("availabilityZone", "cidrBlock", "vpcId"), ("arn",), True

    def create(self, given: Properties) -> str:
        made = self.ec2.create_subnet(
            VpcId=given["vpcId"],
            CidrBlock=given["cidrBlock"],
            AvailabilityZone=given["availabilityZone"],
            TagSpecifications=self._specification(given),
        )["Subnet"]
        self._set(made["SubnetId"], given)
        return str(made["SubnetId"])

    def _set(self, subnet_id: str, given: Properties) -> None:
        self.ec2.modify_subnet_attribute(
            SubnetId=subnet_id, MapPublicIpOnLaunch={"Value": bool(given.get("mapPublicIpOnLaunch"))}
        )

    def read(self, resource_id: str, known: Properties) -> Properties:
        (found,) = self.ec2.describe_subnets(SubnetIds=[resource_id])["Subnets"]
        return {
            "vpcId": found["VpcId"],
            "cidrBlock": found["CidrBlock"],
            "availabilityZone": found["AvailabilityZone"],
            "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
            "tags": from_pairs(found.get("Tags")),
            "arn": found.get("SubnetArn"),
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self._set(resource_id, new)
        self._retag(resource_id, old, new)

    def delete(self, resource_id: str, state: Properties) -> None:
        self.account.insist("subnet delete", lambda: self.ec2.delete_subnet(SubnetId=resource_id), *RESERVED)


class VpcEndpoint(Ec2Kind):
    changes = ("routeTableIds",)
    token, source, noun = "aws:ec2/vpcEndpoint:VpcEndpoint", "ec2/vpc_endpoint.go", "vpc-endpoint"
    replaces, read_only, tagged = ("serviceName", "vpcEndpointType", "vpcId"), ("arn",), True

    def create(self, given: Properties) -> str:
        made = self.ec2.create_vpc_endpoint(
            VpcId=given["vpcId"],
            ServiceName=given["serviceName"],
            VpcEndpointType=given["vpcEndpointType"],
            RouteTableIds=given.get("routeTableIds", []),
            TagSpecifications=self._specification(given),
        )
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        (found,) = self.ec2.describe_vpc_endpoints(VpcEndpointIds=[resource_id])["VpcEndpoints"]
        if found["State"].lower() in ("deleting", "deleted"):
            return None
        return {
            "vpcId": found["VpcId"],
            "serviceName": found["ServiceName"],
            "vpcEndpointType": found["VpcEndpointType"],
            "routeTableIds": found.get("RouteTableIds", []),
            "tags": from_pairs(found.get("Tags")),
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        before, after = set(old["routeTableIds"]), set(new["routeTableIds"])
        if before != after:
            self.ec2.modify_vpc_endpoint(
                VpcEndpointId=resource_id,
                AddRouteTableIds=sorted(after - before),
                RemoveRouteTableIds=sorted(before - after),
            )
        self._retag(resource_id, old, new)

    def delete(self, resource_id: str, state: Properties) -> None:
        self.ec2.delete_vpc_endpoints(VpcEndpointIds=[resource_id])
        self.account.wait(
            "VPC Endpoint delete", lambda: True if self.read(resource_id, state) is None else None
        )


class SecurityGroup(Ec2Kind):
    token, source, noun = "aws:ec2/securityGroup:SecurityGroup", "ec2/vpc_security_group.go", "security-group"
    replaces, read_only, named, tagged = ("description", "name", "vpcId"), ("arn",), "name", True

    def create(self, given: Properties) -> str:
        """With no rule at all: the provider takes AWS's egress rule away."""
        made = self.ec2.create_security_group(
            GroupName=given["name"],
            Description=given["description"],
            VpcId=given["vpcId"],
            TagSpecifications=self._specification(given),
        )
        found = self.ec2.describe_security_groups(GroupIds=[made["GroupId"]])["SecurityGroups"][0]
        if found["IpPermissionsEgress"]:
            self.ec2.revoke_security_group_egress(
                GroupId=made["GroupId"], IpPermissions=found["IpPermissionsEgress"]
            )
        return str(made["GroupId"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        (found,) = self.ec2.describe_security_groups(GroupIds=[resource_id])["SecurityGroups"]
        return {
            "name": found["GroupName"],
            "description": found["Description"],
            "vpcId": found["VpcId"],
            "tags": from_pairs(found.get("Tags")),
            "arn": found.get("SecurityGroupArn"),
        }

    def delete(self, resource_id: str, state: Properties) -> None:
        self.account.insist(
            "Security Group delete", lambda: self.ec2.delete_security_group(GroupId=resource_id), *RESERVED
        )


class SecurityGroupRule(Ec2Kind):
    """One rule of a group; the group itself cannot change."""

    changes = ("cidrIpv4", "description", "fromPort", "ipProtocol", "toPort")
    source, replaces, noun, tagged = (
        "ec2/vpc_security_group_ingress_rule.go",
        ("securityGroupId",),
        "security-group-rule",
        True,
    )
    read_only = ("arn", "securityGroupRuleId")
    egress = False

    def _permission(self, given: Properties) -> dict[str, Any]:
        cidr = without_none(CidrIp=given["cidrIpv4"], Description=given.get("description"))
        return without_none(
            IpProtocol=given["ipProtocol"],
            FromPort=given.get("fromPort"),
            ToPort=given.get("toPort"),
            IpRanges=[cidr],
        )

    def create(self, given: Properties) -> str:
        authorize = (
            self.ec2.authorize_security_group_egress
            if self.egress
            else self.ec2.authorize_security_group_ingress
        )
        made = authorize(
            GroupId=given["securityGroupId"],
            IpPermissions=[self._permission(given)],
            TagSpecifications=self._specification(given),
        )
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        found = self.ec2.describe_security_group_rules(SecurityGroupRuleIds=[resource_id])[
            "SecurityGroupRules"
        ]
        if not found:
            return None
        (rule,) = found
        return {
            "securityGroupId": rule["GroupId"],
            "description": rule.get("Description"),
            "ipProtocol": rule["IpProtocol"],
            "fromPort": rule.get("FromPort"),
            "toPort": rule.get("ToPort"),
            "cidrIpv4": rule.get("CidrIpv4"),
            "securityGroupRuleId": resource_id,
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        rule = without_none(
            IpProtocol=new["ipProtocol"],
            FromPort=new.get("fromPort"),
            ToPort=new.get("toPort"),
            CidrIpv4=new["cidrIpv4"],
            Description=new.get("description"),
        )
        changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        if changed - {"tags"}:
            self.ec2.modify_security_group_rules(
                GroupId=new["securityGroupId"],
                SecurityGroupRules=[{"SecurityGroupRuleId": resource_id, "SecurityGroupRule": rule}],
            )
        self._retag(resource_id, old, new)

    def delete(self, resource_id: str, state: Properties) -> None:
        revoke = (
            self.ec2.revoke_security_group_egress if self.egress else self.ec2.revoke_security_group_ingress
        )
        revoke(GroupId=state["securityGroupId"], SecurityGroupRuleIds=[resource_id])


class IngressRule(SecurityGroupRule):
    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


class EgressRule(SecurityGroupRule):
    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    egress = True


class FlowLog(Ec2Kind):
    token, source, noun = "aws:ec2/flowLog:FlowLog", "ec2/vpc_flow_log.go", "vpc-flow-log"
    replaces = ("vpcId", "trafficType", "logDestination", "logDestinationType", "iamRoleArn")
    read_only, tagged = ("arn",), True

    def create(self, given: Properties) -> str:
        """Again while the role is not known everywhere yet, as the real one does."""
        made: list[str] = []

        def once() -> None:
            answer = self.ec2.create_flow_logs(
                ResourceIds=[given["vpcId"]],
                ResourceType="VPC",
                TrafficType=given["trafficType"],
                LogDestination=given["logDestination"],
                LogDestinationType=given["logDestinationType"],
                DeliverLogsPermissionArn=given["iamRoleArn"],
                TagSpecifications=self._specification(given),
            )
            made.extend(answer["FlowLogIds"])

        self.account.insist("Flow Log create", once, "InvalidParameter")
        return made[0]

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        found = self.ec2.describe_flow_logs(FlowLogIds=[resource_id])["FlowLogs"]
        if not found:
            return None
        (log,) = found
        return {
            "vpcId": log["ResourceId"],
            "trafficType": log["TrafficType"],
            "tags": from_pairs(log.get("Tags")),
        }

    def delete(self, resource_id: str, state: Properties) -> None:
        self.ec2.delete_flow_logs(FlowLogIds=[resource_id])


KINDS: Final[tuple[type[Kind], ...]] = (
    Vpc,
    DefaultSecurityGroup,
    InternetGateway,
    RouteTable,
    Route,
    RouteTableAssociation,
    Subnet,
    VpcEndpoint,
    SecurityGroup,
    IngressRule,
    EgressRule,
    FlowLog,
)
