"""What all tests of the infrastructure share: warnings of the AWS package taken once, large files read once."""

import functools
import gc
import warnings
from collections.abc import Iterator

import botocore.session
import moto.ec2.models.amis
import pulumi_aws
import pytest

MODULES = ("budgets", "cloudwatch", "ebs", "ec2", "iam", "kms", "s3", "scheduler", "sns", "ssm", "vpc")
IMAGE = "ami-12c6146b"

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for module in MODULES:
        dir(getattr(pulumi_aws, module))
    # The modules are lazy: only a class of theirs loads them.
    _ = (pulumi_aws.s3.Bucket, pulumi_aws.ec2.Instance, pulumi_aws.ec2transitgateway.InstanceState)


@pytest.fixture(scope="session", autouse=True)
def _light_account() -> Iterator[None]:
    """An account that moto fills in no time: one machine image instead of thousands, service models parsed once."""
    images = [each for each in moto.ec2.models.amis.AMIS if each["ami_id"] == IMAGE]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moto.ec2.models.amis, "AMIS", images)
        patch.setenv("MOTO_AMIS_PATH", "only the image above")
        # Its own cache lives as long as one session of boto3, and tests make many.
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        # The AWS package is hundreds of thousands of objects that are never freed: not looked through again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 20)
        yield
