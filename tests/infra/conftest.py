"""The AWS package warns about its own old classes when a module of it is first touched: done here, once."""

import warnings

import pulumi_aws

MODULES = ("budgets", "cloudwatch", "ebs", "ec2", "iam", "kms", "s3", "scheduler", "sns", "ssm", "vpc")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for module in MODULES:
        dir(getattr(pulumi_aws, module))
    # The modules are lazy: only a class of theirs loads them.
    _ = (pulumi_aws.s3.Bucket, pulumi_aws.ec2.Instance, pulumi_aws.ec2transitgateway.InstanceState)
