"""Types of the host: instance, key pair, address, data volume and its attachment."""

from __future__ import annotations

import base64
import contextlib
import zlib
from collections.abc import Mapping
from typing import Any, Final

from tests.engine.aws_provider.kinds import Kind, from_pairs, pairs, without_none
from tests.engine.aws_provider.network import Ec2Kind
from tests.engine.aws_provider.values import Properties

DELETE_SECONDS: Final = 600.0
"""Of a volume: `schema.DefaultTimeout(10 * time.Minute)`."""
ALIVE: Final = ("pending", "running", "stopping", "stopped")


class KeyPair(Ec2Kind):
    token, source, noun = "aws:ec2/keyPair:KeyPair", "ec2/ec2_key_pair.go", "key-pair"
    replaces, named, tagged = ("keyName", "publicKey"), "keyName", True
    read_only = ("arn", "fingerprint", "keyPairId")

    def create(self, given: Properties) -> str:
        self.ec2.import_key_pair(
            KeyName=given["keyName"],
            PublicKeyMaterial=given["publicKey"].encode(),
            TagSpecifications=self._specification(given),
        )
        return str(given["keyName"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        (found,) = self.ec2.describe_key_pairs(KeyNames=[resource_id])["KeyPairs"]
        return {
            "keyName": found["KeyName"],
            "keyPairId": found.get("KeyPairId"),
            "fingerprint": found.get("KeyFingerprint"),
            "tags": from_pairs(found.get("Tags")),
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        (found,) = self.ec2.describe_key_pairs(KeyNames=[resource_id])["KeyPairs"]
        self._retag(found["KeyPairId"], old, new)

    def delete(self, resource_id: str, state: Properties) -> None:
        self.ec2.delete_key_pair(KeyName=resource_id)


class MachineKind(Ec2Kind):
    """A type that looks at an instance."""

    def _instance(self, instance_id: str) -> dict[str, Any] | None:
        found = [
            each
            for reservation in self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
            for each in reservation["Instances"]
        ]
        return found[0] if found else None

    def _state(self, instance_id: str) -> str:
        found = self._instance(instance_id)
        return str(found["State"]["Name"]) if found else "terminated"

    def _reach(self, instance_id: str, *states: str) -> str:
        return self.account.wait(
            f"EC2 Instance ({instance_id}) to be {' or '.join(states)}",
            lambda: found if (found := self._state(instance_id)) in states else None,
        )

    def _stop(self, instance_id: str) -> None:
        self.ec2.stop_instances(InstanceIds=[instance_id])
        self._reach(instance_id, "stopped")

    def _start(self, instance_id: str) -> None:
        self.ec2.start_instances(InstanceIds=[instance_id])
        self._reach(instance_id, "running")


class Instance(MachineKind):
    """A terminated instance is gone: a refresh drops it."""

    changes = (
        "instanceType",
        "monitoring",
        "rootBlockDevice",
        "userDataReplaceOnChange",
        "vpcSecurityGroupIds",
    )
    token, source, noun = "aws:ec2/instance:Instance", "ec2/ec2_instance.go", "instance"
    replaces = (
        "ami",
        "associatePublicIpAddress",
        "availabilityZone",
        "ebsOptimized",
        "instanceMarketOptions",
        "keyName",
        "subnetId",
        "rootBlockDevice.encrypted",
        "rootBlockDevice.kmsKeyId",
    )
    computed = ("associatePublicIpAddress", "availabilityZone", "ebsOptimized", "instanceMarketOptions")
    read_only = ("arn", "instanceState", "primaryNetworkInterfaceId", "privateDns", "privateIp", "publicIp")
    tagged = True

    def replacing(self, changed: set[str], old: Properties, new: Properties) -> set[str]:
        """User data replaces where `userDataReplaceOnChange` says so (customizeDiff)."""
        found = super().replacing(changed, old, new)
        return found | ({"userData"} & changed if new.get("userDataReplaceOnChange") else set())

    def create(self, given: Properties) -> str:
        """Each call has a client token of its own (boto3 makes it, the real one as well: `id.UniqueId()`), so nothing
        joins a launch that was never answered."""
        made: list[str] = []
        self.account.insist(
            "EC2 Instance create",
            lambda: made.append(self._launch(given)),
            "InvalidParameterValue",
            says="Invalid IAM Instance Profile",
        )
        (instance_id,) = made
        if self._reach(instance_id, "running", "terminated") == "terminated":
            raise self.ec2.exceptions.ClientError(
                {
                    "Error": {
                        "Code": "Client.InternalError",
                        "Message": f"{instance_id} ended while it started",
                    }
                },
                "RunInstances",
            )
        # Only now, as the real one: a launch that was cut off leaves a root disk without tags.
        device = self._root_device(self._instance(instance_id) or {})
        if device and given["rootBlockDevice"].get("tags"):
            self.ec2.create_tags(Resources=[device["volumeId"]], Tags=pairs(given["rootBlockDevice"]["tags"]))
        return instance_id

    def _launch(self, given: Properties) -> str:
        made = self.ec2.run_instances(
            MinCount=1,
            MaxCount=1,
            ImageId=given["ami"],
            InstanceType=given["instanceType"],
            Placement={"AvailabilityZone": given["availabilityZone"]},
            SubnetId=given["subnetId"],
            SecurityGroupIds=given["vpcSecurityGroupIds"],
            IamInstanceProfile={"Name": given["iamInstanceProfile"]},
            KeyName=given["keyName"],
            EbsOptimized=bool(given.get("ebsOptimized")),
            Monitoring={"Enabled": bool(given.get("monitoring"))},
            InstanceInitiatedShutdownBehavior=given["instanceInitiatedShutdownBehavior"],
            MetadataOptions=_metadata(given["metadataOptions"]),
            BlockDeviceMappings=[_root(given["rootBlockDevice"])],
            UserData=given["userData"],
            TagSpecifications=self._specification(given),
            **_market(given.get("instanceMarketOptions")),
        )
        return str(made["Instances"][0]["InstanceId"])

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        found = self._instance(resource_id)
        if found is None or found["State"]["Name"] not in ALIVE:
            return None
        interfaces = found.get("NetworkInterfaces") or [{}]
        return {
            "ami": found["ImageId"],
            "instanceType": found["InstanceType"],
            "availabilityZone": found["Placement"]["AvailabilityZone"],
            "subnetId": found.get("SubnetId"),
            "vpcSecurityGroupIds": [each["GroupId"] for each in found.get("SecurityGroups", [])],
            "keyName": found.get("KeyName"),
            "monitoring": found["Monitoring"]["State"] in ("enabled", "pending"),
            # True as soon as any public address is on: hashicorp/terraform-provider-aws#37318.
            "associatePublicIpAddress": bool(found.get("PublicIpAddress")),
            "rootBlockDevice": self._root_device(found),
            "tags": from_pairs(found.get("Tags")),
            "arn": f"arn:aws:ec2:{self.account.region}:{self.account.account_id}:instance/{resource_id}",
            "instanceState": found["State"]["Name"],
            "privateIp": found.get("PrivateIpAddress"),
            "privateDns": found.get("PrivateDnsName"),
            "publicIp": found.get("PublicIpAddress"),
            "primaryNetworkInterfaceId": interfaces[0].get("NetworkInterfaceId"),
            **self._user_data(resource_id),
        }

    def _user_data(self, instance_id: str) -> Properties:
        answer = self.ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
        encoded = answer.get("UserData", {}).get("Value")
        return {"userData": base64.b64decode(encoded).decode()} if encoded else {}

    def _root_device(self, found: Mapping[str, Any]) -> Properties | None:
        name = found.get("RootDeviceName")
        for each in found.get("BlockDeviceMappings", ()):
            if each["DeviceName"] == name:
                (volume,) = self.ec2.describe_volumes(VolumeIds=[each["Ebs"]["VolumeId"]])["Volumes"]
                return {
                    "volumeId": volume["VolumeId"],
                    "volumeSize": volume["Size"],
                    "volumeType": volume["VolumeType"],
                    "encrypted": volume["Encrypted"],
                    "kmsKeyId": volume.get("KmsKeyId"),
                    "deleteOnTermination": each["Ebs"].get("DeleteOnTermination", True),
                }
        return None

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        """Another type: stopped, modified and started, also if it was off (`modifyInstanceAttributeWithStopStart`)."""
        if old.get("instanceType") != new["instanceType"]:
            self._stop(resource_id)
            self.ec2.modify_instance_attribute(
                InstanceId=resource_id, InstanceType={"Value": new["instanceType"]}
            )
            self._start(resource_id)
        if old.get("vpcSecurityGroupIds") != new["vpcSecurityGroupIds"]:
            self.ec2.modify_instance_attribute(InstanceId=resource_id, Groups=new["vpcSecurityGroupIds"])
        if old.get("monitoring") != new.get("monitoring"):
            switch = self.ec2.monitor_instances if new.get("monitoring") else self.ec2.unmonitor_instances
            switch(InstanceIds=[resource_id])
        self._update_root(resource_id, old, new)
        self._retag(resource_id, old, new)

    def _update_root(self, resource_id: str, old: Properties, new: Properties) -> None:
        before, after = old.get("rootBlockDevice") or {}, new["rootBlockDevice"]
        device = self._root_device(self._instance(resource_id) or {})
        if device and before.get("volumeSize") != after.get("volumeSize"):
            self.ec2.modify_volume(VolumeId=device["volumeId"], Size=after["volumeSize"])
        if device and before.get("tags") != after.get("tags"):
            self._retag(device["volumeId"], before, after)

    def delete(self, resource_id: str, state: Properties) -> None:
        """A spot request goes first, or EC2 would launch another (`resourceInstanceDelete`)."""
        found = self._instance(resource_id) or {}
        if request := found.get("SpotInstanceRequestId"):
            self.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request])
        self.ec2.terminate_instances(InstanceIds=[resource_id])
        self._reach(resource_id, "terminated")


def _metadata(options: Mapping[str, Any]) -> dict[str, Any]:
    return without_none(
        HttpEndpoint=options.get("httpEndpoint"),
        HttpTokens=options.get("httpTokens"),
        HttpPutResponseHopLimit=options.get("httpPutResponseHopLimit"),
        InstanceMetadataTags=options.get("instanceMetadataTags"),
    )


def _root(device: Mapping[str, Any]) -> dict[str, Any]:
    ebs = without_none(
        Encrypted=device.get("encrypted"),
        KmsKeyId=device.get("kmsKeyId"),
        VolumeType=device.get("volumeType"),
        VolumeSize=device.get("volumeSize"),
        DeleteOnTermination=device.get("deleteOnTermination", True),
    )
    return {"DeviceName": "/dev/sda1", "Ebs": ebs}


def _market(options: Mapping[str, Any] | None) -> dict[str, Any]:
    if not options:
        return {}
    spot = options.get("spotOptions") or {}
    return {
        "InstanceMarketOptions": {
            "MarketType": options["marketType"],
            "SpotOptions": without_none(
                SpotInstanceType=spot.get("spotInstanceType"),
                InstanceInterruptionBehavior=spot.get("instanceInterruptionBehavior"),
            ),
        }
    }


class InstanceState(MachineKind):
    """Running or stopped. Its delete changes nothing (`resourceInstanceStateDelete` only forgets)."""

    changes = ("state",)
    token, source = "aws:ec2transitgateway/instanceState:InstanceState", "ec2/ec2_instance_state.go"
    replaces = ("instanceId",)

    def create(self, given: Properties) -> str:
        self._set(given)
        return str(given["instanceId"])

    def _set(self, given: Properties) -> None:
        instance_id, wanted = given["instanceId"], given["state"]
        if self._reach(instance_id, "running", "stopped") != wanted:
            (self._stop if wanted == "stopped" else self._start)(instance_id)

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        state = self._state(resource_id)
        return {"instanceId": resource_id, "state": state} if state in ALIVE else None

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self._set(new)

    def delete(self, resource_id: str, state: Properties) -> None:
        pass


class Eip(Ec2Kind):
    token, source, noun = "aws:ec2/eip:Eip", "ec2/ec2_eip.go", "elastic-ip"
    replaces, tagged = ("domain",), True
    read_only = ("allocationId", "arn", "associationId", "publicDns", "publicIp")

    def create(self, given: Properties) -> str:
        made = self.ec2.allocate_address(
            Domain=given.get("domain", "vpc"), TagSpecifications=self._specification(given)
        )
        return str(made["AllocationId"])

    def read(self, resource_id: str, known: Properties) -> Properties:
        (found,) = self.ec2.describe_addresses(AllocationIds=[resource_id])["Addresses"]
        return {
            "domain": found["Domain"],
            "allocationId": resource_id,
            "publicIp": found["PublicIp"],
            "associationId": found.get("AssociationId"),
            "tags": from_pairs(found.get("Tags")),
            "arn": f"arn:aws:ec2:{self.account.region}:{self.account.account_id}:elastic-ip/{resource_id}",
        }

    def delete(self, resource_id: str, state: Properties) -> None:
        """Taken off whatever it is on (`resourceEIPDelete`), as the last refresh knew it."""
        if association := state.get("associationId"):
            with contextlib.suppress(self.ec2.exceptions.ClientError):  # gone with its association
                self.ec2.disassociate_address(AssociationId=association)
        self.ec2.release_address(AllocationId=resource_id)


class EipAssociation(Kind):
    token, source = "aws:ec2/eipAssociation:EipAssociation", "ec2/ec2_eip_association.go"
    replaces = (
        "allocationId",
        "allowReassociation",
        "instanceId",
        "networkInterfaceId",
        "privateIpAddress",
        "publicIp",
    )
    read_only = ("networkInterfaceId", "privateIpAddress", "publicIp")

    def create(self, given: Properties) -> str:
        made = self.ec2.associate_address(
            AllocationId=given["allocationId"], InstanceId=given["instanceId"], AllowReassociation=True
        )
        return str(made["AssociationId"])

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        filters = [{"Name": "association-id", "Values": [resource_id]}]
        found = self.ec2.describe_addresses(Filters=filters)["Addresses"]
        if not found:
            return None
        (address,) = found
        return {
            "allocationId": address["AllocationId"],
            "instanceId": address.get("InstanceId"),
            "networkInterfaceId": address.get("NetworkInterfaceId"),
            "privateIpAddress": address.get("PrivateIpAddress"),
            "publicIp": address["PublicIp"],
        }

    def delete(self, resource_id: str, state: Properties) -> None:
        self.ec2.disassociate_address(AssociationId=resource_id)


class Volume(Ec2Kind):
    changes = ("finalSnapshot", "size", "throughput", "type")
    token, source, noun = "aws:ebs/volume:Volume", "ec2/ebs_volume.go", "volume"
    replaces = ("availabilityZone", "encrypted", "kmsKeyId", "multiAttachEnabled", "outpostArn", "snapshotId")
    computed = ("encrypted", "iops", "kmsKeyId", "size", "snapshotId", "throughput", "type")
    read_only, tagged = ("arn", "createTime"), True

    def create(self, given: Properties) -> str:
        made = self.ec2.create_volume(
            AvailabilityZone=given["availabilityZone"],
            TagSpecifications=self._specification(given),
            **without_none(
                Size=given.get("size"),
                VolumeType=given.get("type"),
                Throughput=given.get("throughput"),
                Encrypted=given.get("encrypted"),
                KmsKeyId=given.get("kmsKeyId"),
                SnapshotId=given.get("snapshotId"),
            ),
        )
        volume_id = str(made["VolumeId"])
        self.account.wait(
            f"EBS Volume ({volume_id}) create",
            lambda: True if self._volume(volume_id)["State"] in ("available", "in-use") else None,
        )
        return volume_id

    def _volume(self, volume_id: str) -> dict[str, Any]:
        (found,) = self.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"]
        return dict(found)

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        found = self._volume(resource_id)
        if found["State"] in ("deleting", "deleted"):
            return None
        return {
            "availabilityZone": found["AvailabilityZone"],
            "size": found["Size"],
            "type": found["VolumeType"],
            "throughput": found.get("Throughput"),
            "encrypted": found["Encrypted"],
            "kmsKeyId": found.get("KmsKeyId"),
            "snapshotId": found.get("SnapshotId") or None,
            "tags": from_pairs(found.get("Tags")),
            "arn": f"arn:aws:ec2:{self.account.region}:{self.account.account_id}:volume/{resource_id}",
            "createTime": found["CreateTime"].isoformat(),
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        changed = {
            name: new[key]
            for name, key in (("Size", "size"), ("VolumeType", "type"), ("Throughput", "throughput"))
            if key in new and old.get(key) != new[key]
        }
        if changed:
            self.ec2.modify_volume(VolumeId=resource_id, **changed)
        self._retag(resource_id, old, new)

    def delete_within(self, resource_id: str, state: Properties, seconds: float) -> None:
        """The final snapshot has the volume's tags and is complete before the volume goes."""
        if state.get("finalSnapshot"):
            self._snapshot(resource_id, seconds or DELETE_SECONDS)
        self.account.insist(
            f"EBS Volume ({resource_id}) delete",
            lambda: self.ec2.delete_volume(VolumeId=resource_id),
            "VolumeInUse",
        )

    def _snapshot(self, volume_id: str, seconds: float) -> None:
        """Waited for as long as the deletion may take: of the patience, as much as of the usual 10 minutes."""
        tags = self._volume(volume_id).get("Tags") or []
        made = self.ec2.create_snapshot(
            VolumeId=volume_id, TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}] if tags else []
        )
        snapshot_id = made["SnapshotId"]
        state = self.account.wait(
            f"EBS Snapshot ({snapshot_id}) create",
            lambda: self._snapshot_state(snapshot_id),
            share=seconds / DELETE_SECONDS,
        )
        if state != "completed":
            raise self.ec2.exceptions.ClientError(
                {
                    "Error": {
                        "Code": "SnapshotError",
                        "Message": f"EBS Snapshot ({snapshot_id}) ended in state {state}",
                    }
                },
                "CreateSnapshot",
            )

    def _snapshot_state(self, snapshot_id: str) -> str | None:
        (found,) = self.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
        return None if found["State"] == "pending" else str(found["State"])


class VolumeAttachment(MachineKind):
    changes = ("forceDetach", "skipDestroy", "stopInstanceBeforeDetaching")
    token, source = "aws:ec2/volumeAttachment:VolumeAttachment", "ec2/ebs_volume_attachment.go"
    replaces = ("deviceName", "instanceId", "volumeId")

    def create(self, given: Properties) -> str:
        if not self._attachment(given):
            self._reach(given["instanceId"], "running", "stopped")
            self.ec2.attach_volume(
                Device=given["deviceName"], InstanceId=given["instanceId"], VolumeId=given["volumeId"]
            )
        self.account.wait(
            "EBS Volume attachment", lambda: True if self._attachment(given) == "attached" else None
        )
        named = "-".join((given["deviceName"], given["instanceId"], given["volumeId"]))
        return f"vai-{zlib.crc32(named.encode() + b'-')}"

    def _attachment(self, known: Properties) -> str | None:
        (volume,) = self.ec2.describe_volumes(VolumeIds=[known["volumeId"]])["Volumes"]
        for each in volume.get("Attachments", ()):
            if each["InstanceId"] == known["instanceId"] and each["Device"] == known["deviceName"]:
                return str(each["State"])
        return None

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        return dict(known) if self._attachment(known) else None

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        """Nothing of AWS: only how a later delete goes about it (`UpdateWithoutTimeout: schema.NoopContext`)."""

    def delete(self, resource_id: str, state: Properties) -> None:
        """Fails on a terminated instance, which cannot be stopped (`stopVolumeAttachmentInstance`)."""
        if state.get("skipDestroy"):
            return
        if state.get("stopInstanceBeforeDetaching"):
            self._stop(state["instanceId"])
        self.account.insist("EBS Volume detach", lambda: self._detach(state))
        self.account.wait("EBS Volume detach", lambda: True if self._attachment(state) is None else None)

    def _detach(self, state: Properties) -> None:
        if self._attachment(state) is None:
            return
        self.ec2.detach_volume(
            Device=state["deviceName"],
            InstanceId=state["instanceId"],
            VolumeId=state["volumeId"],
            Force=bool(state.get("forceDetach")),
        )


KINDS: Final[tuple[type[Kind], ...]] = (
    KeyPair,
    Instance,
    InstanceState,
    Eip,
    EipAssociation,
    Volume,
    VolumeAttachment,
)
