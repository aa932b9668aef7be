"""Each guard rail with one graph that breaks it and nothing else to say about it."""

from __future__ import annotations

import json

import pytest

from infra.policy import COMMAND, INSTANCE, UNKNOWN, VOLUME, Options, Resource, Rule, rules

HOST = {
    "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1},
    "rootBlockDevice": {"encrypted": True},
    "ebsOptimized": True,
    "monitoring": True,
    "userData": "#cloud-config",
    "iamInstanceProfile": "host",
    "instanceInitiatedShutdownBehavior": "stop",
}
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
BUCKET = Resource("aws:s3/bucket:Bucket", "documents", {"bucket": "b", "id": "b"})
BLOCKS = {"blockPublicAcls": True, "blockPublicPolicy": True, "ignorePublicAcls": True}
TIDY = {"status": "Enabled", "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7}}


def host(**changes: object) -> Resource:
    return Resource(INSTANCE, "host", HOST | changes)


def policy(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def companion(kind: str, **props: object) -> Resource:
    return Resource(f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}", f"b-{kind}", {"bucket": "b", **props})


ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b"}
ALLOW_EVERYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:Decrypt", "Resource": "*"}

# Rule -> the graph that breaks it, and the same graph made right.
EXAMPLES: dict[str, tuple[list[Resource], list[Resource]]] = {
    "imds-v2": ([host(metadataOptions={"httpTokens": "optional", "httpPutResponseHopLimit": 1})], [host()]),
    "root-encrypted": ([host(rootBlockDevice={"encrypted": False})], [host()]),
    "ebs-optimized": ([host(ebsOptimized=False)], [host()]),
    "detailed-monitoring": ([host(monitoring=False)], [host()]),
    "no-own-public-address": ([host(associatePublicIpAddress=True)], [host()]),
    "clean-user-data": ([host(userData="export NGC_API_KEY=nvapi-0123456789abc")], [host()]),
    "instance-profile": ([host(iamInstanceProfile=None)], [host()]),
    "stops-itself": ([host(instanceInitiatedShutdownBehavior="terminate")], [host()]),
    "volume-encrypted": (
        [Resource(VOLUME, "v", {"encrypted": True})],
        [Resource(VOLUME, "v", {"encrypted": True, "kmsKeyId": "arn"})],
    ),
    "no-world-ingress": (
        [Resource(INGRESS, "in", {"cidrIpv6": "::/0", "fromPort": 8000})],
        [Resource(INGRESS, "in", {"cidrIpv6": "2001:db8::/48", "fromPort": 8000})],
    ),
    "described-ingress": ([Resource(INGRESS, "in")], [Resource(INGRESS, "in", {"description": "SSH"})]),
    "described-egress": ([Resource(EGRESS, "out")], [Resource(EGRESS, "out", {"description": "Archives"})]),
    "bounded-egress": (
        [Resource(EGRESS, "out", {"ipProtocol": "-1"})],
        [Resource(EGRESS, "out", {"ipProtocol": "tcp"})],
    ),
    "default-group-empty": (
        [
            Resource(
                "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "d", {"ingress": [{"protocol": "-1"}]}
            )
        ],
        [Resource("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "d", {"ingress": []})],
    ),
    "default-group-managed": (
        [Resource("aws:ec2/vpc:Vpc", "vpc", {"id": "vpc-1"})],
        [
            Resource("aws:ec2/vpc:Vpc", "vpc", {"id": "vpc-1"}),
            Resource("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "d", {"vpcId": "vpc-1"}),
        ],
    ),
    "group-attached": (
        [Resource("aws:ec2/securityGroup:SecurityGroup", "g", {"id": "sg-1"}), host(vpcSecurityGroupIds=[])],
        [
            Resource("aws:ec2/securityGroup:SecurityGroup", "g", {"id": "sg-1"}),
            host(vpcSecurityGroupIds=["sg-1"]),
        ],
    ),
    "flow-logs": (
        [Resource("aws:ec2/vpc:Vpc", "vpc", {"id": "vpc-1"})],
        [
            Resource("aws:ec2/vpc:Vpc", "vpc", {"id": "vpc-1"}),
            Resource("aws:ec2/flowLog:FlowLog", "f", {"vpcId": "vpc-1"}),
        ],
    ),
    "s3-endpoint": (
        [Resource("aws:ec2/vpc:Vpc", "vpc", {"id": "vpc-1"})],
        [
            Resource("aws:ec2/vpc:Vpc", "vpc", {"id": "vpc-1"}),
            Resource(
                "aws:ec2/vpcEndpoint:VpcEndpoint", "e", {"vpcId": "vpc-1", "vpcEndpointType": "Gateway"}
            ),
        ],
    ),
    "no-auto-public": (
        [Resource("aws:ec2/subnet:Subnet", "s", {"mapPublicIpOnLaunch": True})],
        [Resource("aws:ec2/subnet:Subnet", "s", {"mapPublicIpOnLaunch": False})],
    ),
    "address-attached": (
        [Resource("aws:ec2/eip:Eip", "a", {"id": "eipalloc-1"})],
        [
            Resource("aws:ec2/eip:Eip", "a", {"id": "eipalloc-1"}),
            Resource("aws:ec2/eipAssociation:EipAssociation", "on", {"allocationId": "eipalloc-1"}),
        ],
    ),
    "bucket-private": (
        [BUCKET, companion("BucketPublicAccessBlock", **BLOCKS, restrictPublicBuckets=False)],
        [BUCKET, companion("BucketPublicAccessBlock", **BLOCKS, restrictPublicBuckets=True)],
    ),
    "bucket-encrypted": (
        [
            BUCKET,
            companion(
                "BucketServerSideEncryptionConfiguration",
                rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
            ),
        ],
        [
            BUCKET,
            companion(
                "BucketServerSideEncryptionConfiguration",
                rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}],
            ),
        ],
    ),
    "bucket-versioned": (
        [BUCKET],
        [BUCKET, companion("BucketVersioning", versioningConfiguration={"status": "Enabled"})],
    ),
    "bucket-owner": (
        [BUCKET, companion("BucketOwnershipControls", rule={"objectOwnership": "ObjectWriter"})],
        [BUCKET, companion("BucketOwnershipControls", rule={"objectOwnership": "BucketOwnerEnforced"})],
    ),
    "bucket-lifecycle": (
        [BUCKET, companion("BucketLifecycleConfiguration", rules=[{"status": "Enabled"}])],
        [BUCKET, companion("BucketLifecycleConfiguration", rules=[TIDY])],
    ),
    "bucket-logging": ([BUCKET], [BUCKET, companion("BucketLogging", targetBucket="logs")]),
    "bucket-tls": (
        [BUCKET, companion("BucketPolicy", policy=policy())],
        [
            BUCKET,
            companion(
                "BucketPolicy",
                policy=policy(
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ),
            ),
        ],
    ),
    "key-rotation": (
        [Resource("aws:kms/key:Key", "k")],
        [Resource("aws:kms/key:Key", "k", {"enableKeyRotation": True})],
    ),
    "no-public-principal": (
        [Resource("aws:kms/key:Key", "k", {"policy": policy(ALLOW_EVERYBODY)})],
        [
            Resource(
                "aws:kms/key:Key", "k", {"policy": policy(ALLOW_EVERYBODY | {"Principal": {"AWS": "arn"}})}
            )
        ],
    ),
    "least-privilege": (
        [Resource("aws:iam/rolePolicy:RolePolicy", "p", {"policy": policy(ALLOW_ALL)})],
        [
            Resource(
                "aws:iam/rolePolicy:RolePolicy",
                "p",
                {"policy": policy(ALLOW_ALL | {"Action": "s3:GetObject"})},
            )
        ],
    ),
    "no-admin-policy": (
        [
            Resource(
                "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
                "a",
                {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
            )
        ],
        [
            Resource(
                "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
                "a",
                {"policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
            )
        ],
    ),
    "log-groups": (
        [Resource("aws:cloudwatch/logGroup:LogGroup", "l", {"retentionInDays": 30, "kmsKeyId": "arn"})],
        [Resource("aws:cloudwatch/logGroup:LogGroup", "l", {"retentionInDays": 365, "kmsKeyId": "arn"})],
    ),
    "topic-encrypted": (
        [Resource("aws:sns/topic:Topic", "t")],
        [Resource("aws:sns/topic:Topic", "t", {"kmsMasterKeyId": "arn"})],
    ),
    "parameters": (
        [Resource("aws:ssm/parameter:Parameter", "p", {"type": "String", "value": "secret"})],
        [
            Resource(
                "aws:ssm/parameter:Parameter",
                "p",
                {"type": "SecureString", "value": "secret", "keyId": "arn"},
            )
        ],
    ),
    "data-retained": (
        [Resource(VOLUME, "v", {"finalSnapshot": False}, Options())],
        [Resource(VOLUME, "v", {"finalSnapshot": True}, Options())],
    ),
    "nothing-protected": (
        [Resource(VOLUME, "v", {}, Options(protect=True))],
        [Resource(VOLUME, "v", {}, Options(retain_on_delete=True))],
    ),
    "one-host": (
        [Resource(INSTANCE, "h", {}, Options())],
        [Resource(INSTANCE, "h", {}, Options(delete_before_replace=True))],
    ),
    "cost-tags": (
        [Resource("pulumi:providers:aws", "p", {"defaultTags": '{"tags": {"Project": "chartwell"}}'})],
        [
            Resource(
                "pulumi:providers:aws",
                "p",
                {
                    "defaultTags": {
                        "tags": dict.fromkeys(("Project", "Stack", "Environment", "CostCenter", "Owner"), "x")
                    }
                },
            )
        ],
    ),
    "no-idle-bills": (
        [Resource("aws:ec2/natGateway:NatGateway", "n")],
        [Resource("aws:ec2/vpcEndpoint:VpcEndpoint", "e", {"vpcEndpointType": "Gateway"})],
    ),
    "commands": (
        [Resource(COMMAND, "c", {"create": "true", "delete": "docker stop iris", "triggers": ["i-1"]})],
        [Resource(COMMAND, "c", {"create": "true", "triggers": ["i-1"]})],
    ),
}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_each_rail_stops_its_example_and_lets_the_cure_pass(rule: Rule) -> None:
    broken, cured = EXAMPLES[rule.name]
    assert [each.rule for each in rule.check(broken)] == [rule.name]
    assert rule.check(cured) == []


def test_every_rail_names_a_public_check_or_says_that_it_is_ours() -> None:
    assert set(EXAMPLES) == {rule.name for rule in rules()}
    for rule in rules():
        assert rule.public_ids
        assert all(
            each.startswith(("CKV_AWS_", "CKV2_AWS_", "EC2.", "S3.", "CHW_")) for each in rule.public_ids
        )


def test_inline_rules_and_interface_endpoints_do_not_slip_past() -> None:
    by_name = {rule.name: rule for rule in rules()}
    inline = Resource("aws:ec2/securityGroup:SecurityGroup", "g", {"ingress": [{"fromPort": 22}]})
    assert by_name["no-world-ingress"].check([inline])
    interface = Resource("aws:ec2/vpcEndpoint:VpcEndpoint", "e", {"vpcEndpointType": "Interface"})
    assert by_name["no-idle-bills"].check([interface])


def test_an_accepted_open_range_counts_for_ssh_only() -> None:
    by_name = {rule.name: rule for rule in rules(accepted_open=["0.0.0.0/0"])}
    ssh = Resource(INGRESS, "in", {"cidrIpv4": "0.0.0.0/0", "fromPort": 22})
    iris = Resource(INGRESS, "in", {"cidrIpv4": "0.0.0.0/0", "fromPort": 1972})
    assert by_name["no-world-ingress"].check([ssh]) == []
    assert len(by_name["no-world-ingress"].check([iris])) == 1


@pytest.mark.parametrize(
    "secret",
    [
        "nvapi-" + "a1B2" * 3,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ASIA" + "IOSFODNN7EXAMPLE",
        "IRIS_PASSWORD=longEnough1",
        "client_secret: longEnough1",
    ],
)
def test_each_kind_of_secret_is_seen_in_user_data_and_in_a_command(secret: str) -> None:
    by_name = {rule.name: rule for rule in rules()}
    assert by_name["clean-user-data"].check([host(userData=f"#cloud-config\nrun: x {secret} y")])
    assert by_name["commands"].check(
        [Resource(COMMAND, "c", {"create": f"run {secret} now", "triggers": ["i-1"]})]
    )


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_preview_that_knows_nothing_yet_is_no_violation(rule: Rule) -> None:
    unknown = [
        Resource(
            each.type, each.name, dict.fromkeys({*each.props, "policy", "create"}, UNKNOWN), each.options
        )
        for each in EXAMPLES[rule.name][1]
    ]
    assert rule.check(unknown) == []
