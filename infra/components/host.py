"""The GPU host: instance, fixed address, attachment of the data volume, running or stopped.

Decides how the machine is protected and in which order it is taken down. Refuses to know what runs on it: the
user data comes rendered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.plan.catalog import DATA_DEVICE_NAME

# EC2 answers InsufficientInstanceCapacity immediately; a provider that retries for an hour only hides it.
CREATE_TIMEOUT: Final = "10m"
PROVIDER_RETRIES: Final = 5


@dataclass(frozen=True)
class HostShape:
    """Plain facts about the machine. Sizes in GB."""

    instance_type: str
    ami_id: str
    zone: str
    spot: bool
    stopped: bool
    root_volume_size_gb: int
    ssh_public_key: str


class Host(pulumi.ComponentResource):
    """One instance with the data volume attached.

    The instance depends on the volume (its user data names it), so a destroy detaches and terminates before
    the volume is touched.

    Attributes:
        instance_id, address (fixed public IPv4), attachment_id (once the host runs with its volume).
    """

    def __init__(  # noqa: PLR0913 (one value each, keyword only)
        self,
        name: str,
        *,
        shape: HostShape,
        user_data: pulumi.Input[str],
        volume_id: pulumi.Input[str],
        subnet_id: pulumi.Input[str],
        security_group_id: pulumi.Input[str],
        profile_name: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        tags: Mapping[str, str],
        depends_on: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("chartwell:host:Host", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        key_pair = aws.ec2.KeyPair(f"{name}-key", public_key=shape.ssh_public_key, opts=child)
        self.instance = aws.ec2.Instance(
            f"{name}-instance",
            ami=shape.ami_id,
            instance_type=shape.instance_type,
            availability_zone=shape.zone,
            subnet_id=subnet_id,
            vpc_security_group_ids=[security_group_id],
            iam_instance_profile=profile_name,
            key_name=key_pair.key_name,
            # associate_public_ip_address stays unset (the subnets give out none): with the fixed address on, a refresh
            # reads true, and each up would replace the host (hashicorp/terraform-provider-aws#37318). Ignoring the
            # change instead would launch the next host with the true that was read.
            ebs_optimized=True,
            monitoring=True,
            instance_initiated_shutdown_behavior="stop",  # the idle guard shuts down: the disks must stay
            instance_market_options=_spot_options() if shape.spot else None,
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
                "instance_metadata_tags": "enabled",
            },
            root_block_device={
                "encrypted": True,
                "kms_key_id": key_arn,
                "volume_type": "gp3",
                "volume_size": shape.root_volume_size_gb,
                "delete_on_termination": True,
                "tags": {**tags, "Name": f"{name}-root", "Role": "root"},
            },
            user_data=user_data,
            user_data_replace_on_change=True,  # cloud-init would not run again on the same instance
            tags={**tags, "Name": name, "Role": "host"},
            opts=pulumi.ResourceOptions.merge(
                child,
                pulumi.ResourceOptions(
                    depends_on=list(depends_on),
                    # Two hosts at the same time would fight for the volume and break the vCPU quota.
                    delete_before_replace=True,
                    custom_timeouts=pulumi.CustomTimeouts(create=CREATE_TIMEOUT, delete="20m"),
                ),
            ),
        )
        self.instance_id = self.instance.id
        address = aws.ec2.Eip(f"{name}-address", domain="vpc", tags={"Name": name}, opts=child)
        self.address = address.public_ip
        association = aws.ec2.EipAssociation(
            f"{name}-address-on",
            instance_id=self.instance.id,
            allocation_id=address.allocation_id,
            opts=child,
        )
        # The boot waits for the disk; with the address in place first, it then finds the network as well.
        attachment = aws.ec2.VolumeAttachment(
            f"{name}-volume-on",
            instance_id=self.instance.id,
            volume_id=volume_id,
            device_name=DATA_DEVICE_NAME,
            stop_instance_before_detaching=True,  # a clean shutdown flushes the database; a detach would not
            opts=pulumi.ResourceOptions.merge(
                child,
                pulumi.ResourceOptions(
                    depends_on=[association],
                    delete_before_replace=True,
                    custom_timeouts=pulumi.CustomTimeouts(create="10m", delete="15m"),
                ),
            ),
        )
        power = aws.ec2transitgateway.InstanceState(
            f"{name}-power",
            instance_id=self.instance.id,
            state="stopped" if shape.stopped else "running",
            opts=pulumi.ResourceOptions.merge(
                child,
                pulumi.ResourceOptions(
                    depends_on=[attachment],
                    # The provider starts a host whose type it has changed, also a paused one: it is then stopped again.
                    replacement_trigger=shape.instance_type if shape.stopped else None,
                ),
            ),
        )
        # Known only when the host runs with its volume attached: a reader of it waits for both.
        self.attachment_id: pulumi.Output[str] = pulumi.Output.all(attachment.id, power.id).apply(
            lambda ids: str(ids[0])
        )
        self.register_outputs({"instanceId": self.instance_id, "address": self.address})


def _spot_options() -> Any:
    """Persistent and stopping: a one-time request terminates, and takes the root disk with it."""
    return {
        "market_type": "spot",
        "spot_options": {"instance_interruption_behavior": "stop", "spot_instance_type": "persistent"},
    }
