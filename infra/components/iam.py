"""What the host may do in AWS: its own buckets, its own parameters, its own key, its own logs, and SSM
access.

Decides permissions and nothing else; every statement names its resources.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws


def host_policy(
    *,
    documents_arn: str,
    documents_prefix: str,
    backups_arn: str,
    parameter_arn: str,
    key_arn: str,
    log_group_arns: list[str],
    region: str,
) -> dict[str, Any]:
    """IAM document of the host. Reads documents below the prefix, writes backups, never deletes versions."""
    statements = [
        _allow("ListDocuments", ["s3:ListBucket"], [documents_arn], _prefix_condition(documents_prefix)),
        _allow(
            "ReadDocuments", ["s3:GetObject", "s3:GetObjectVersion"], [f"{documents_arn}/{documents_prefix}*"]
        ),
        _allow("ListBackups", ["s3:ListBucket"], [backups_arn]),
        _allow("WriteBackups", ["s3:GetObject", "s3:PutObject"], [f"{backups_arn}/*"]),
        _allow(
            "ReadParameters",
            ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
            [parameter_arn],
        ),
        # The managed policy for Session Manager may read every parameter of the account; this host may not.
        {
            "Sid": "NoOtherParameters",
            "Effect": "Deny",
            "Action": ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
            "NotResource": [parameter_arn],
        },
        _allow(
            "UseKey",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [key_arn],
            {
                "StringEquals": {
                    "kms:ViaService": [f"s3.{region}.amazonaws.com", f"ssm.{region}.amazonaws.com"]
                }
            },
        ),
        _allow(
            "WriteLogs",
            ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            [f"{arn}:*" for arn in log_group_arns],
        ),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(
    sid: str, actions: list[str], resources: list[str], condition: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": dict(condition)} if condition else statement


def _prefix_condition(prefix: str) -> dict[str, Any]:
    return {"StringLike": {"s3:prefix": [prefix, f"{prefix}*"]}}


class HostIdentity(pulumi.ComponentResource):
    """Role and instance profile of the host. Attribute `profile_name`."""

    def __init__(  # noqa: PLR0913 (one value each, keyword only)
        self,
        name: str,
        *,
        region: str,
        documents_arn: pulumi.Input[str],
        documents_prefix: str,
        backups_arn: pulumi.Input[str],
        parameter_arn: str,
        key_arn: pulumi.Input[str],
        log_group_arns: list[pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("chartwell:identity:HostIdentity", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            f"{name}-role",
            description="Chartwell host",
            # A policy whose creation was cut off is in no state, and IAM deletes no role that has one (DeleteConflict).
            force_detach_policies=True,
            assume_role_policy=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "ec2.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            ),
            opts=child,
        )
        policy = pulumi.Output.all(documents_arn, backups_arn, key_arn, *log_group_arns).apply(
            lambda arns: json.dumps(
                host_policy(
                    documents_arn=arns[0],
                    documents_prefix=documents_prefix,
                    backups_arn=arns[1],
                    parameter_arn=parameter_arn,
                    key_arn=arns[2],
                    log_group_arns=list(arns[3:]),
                    region=region,
                )
            )
        )
        aws.iam.RolePolicy(f"{name}-policy", role=role.id, policy=policy, opts=child)
        # Shell access when port 22 is not reachable; AWS's own document, kept current by AWS.
        aws.iam.RolePolicyAttachment(
            f"{name}-ssm",
            role=role.name,
            policy_arn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
            opts=child,
        )
        profile = aws.iam.InstanceProfile(f"{name}-profile", role=role.name, opts=child)
        self.profile_name = profile.name
        self.register_outputs({"profileName": self.profile_name})
