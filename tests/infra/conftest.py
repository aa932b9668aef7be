"""The AWS package warns about its own old classes when a module of it is first touched: done here, once."""

import warnings

import pulumi_aws

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for module in ("s3", "ec2", "ebs", "iam", "cloudwatch", "budgets", "scheduler", "sns", "ssm", "kms", "vpc"):
        dir(getattr(pulumi_aws, module))
        getattr(pulumi_aws, module).__name__  # noqa: B018 (modules are lazy: an attribute loads them)
    _ = (pulumi_aws.s3.Bucket, pulumi_aws.ec2.Instance, pulumi_aws.ec2transitgateway.InstanceState)
