"""Types that hold data and what opens it: key, buckets, parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.engine.aws_provider.kinds import Kind, from_pairs, pairs, without_none
from tests.engine.aws_provider.values import Properties


class Key(Kind):
    changes = ("deletionWindowInDays", "description", "enableKeyRotation", "policy")
    token, source = "aws:kms/key:Key", "kms/key.go"
    replaces, tagged = ("customerMasterKeySpec", "keyUsage", "multiRegion"), True
    read_only = ("arn", "keyId")

    def create(self, given: Properties) -> str:
        made = self.kms.create_key(
            Description=given.get("description", ""),
            Policy=given["policy"],
            Tags=[{"TagKey": each["Key"], "TagValue": each["Value"]} for each in pairs(given.get("tags"))],
        )
        key_id = str(made["KeyMetadata"]["KeyId"])
        if given.get("enableKeyRotation"):
            self.kms.enable_key_rotation(KeyId=key_id)
        return key_id

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        found = self.kms.describe_key(KeyId=resource_id)["KeyMetadata"]
        if found["KeyState"] == "PendingDeletion":
            return None
        tags = self.kms.list_resource_tags(KeyId=resource_id).get("Tags", [])
        return {
            "description": found["Description"],
            "policy": self.kms.get_key_policy(KeyId=resource_id, PolicyName="default")["Policy"],
            "enableKeyRotation": self.kms.get_key_rotation_status(KeyId=resource_id)["KeyRotationEnabled"],
            "tags": {each["TagKey"]: each["TagValue"] for each in tags},
            "arn": found["Arn"],
            "keyId": found["KeyId"],
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        if old.get("policy") != new["policy"]:
            self.kms.put_key_policy(KeyId=resource_id, PolicyName="default", Policy=new["policy"])
        if old.get("description") != new.get("description"):
            self.kms.update_key_description(KeyId=resource_id, Description=new.get("description", ""))
        if new.get("enableKeyRotation") and not old.get("enableKeyRotation"):
            self.kms.enable_key_rotation(KeyId=resource_id)
        if gone := list((old.get("tags") or {}).keys() - (new.get("tags") or {}).keys()):
            self.kms.untag_resource(KeyId=resource_id, TagKeys=gone)
        if tags := [{"TagKey": each["Key"], "TagValue": each["Value"]} for each in pairs(new.get("tags"))]:
            self.kms.tag_resource(KeyId=resource_id, Tags=tags)

    def delete(self, resource_id: str, state: Properties) -> None:
        days = int(state.get("deletionWindowInDays") or 30)
        self.kms.schedule_key_deletion(KeyId=resource_id, PendingWindowInDays=days)


class Alias(Kind):
    changes = ("targetKeyId",)
    token, source, replaces = "aws:kms/alias:Alias", "kms/alias.go", ("name",)
    read_only = ("arn", "targetKeyArn")

    def create(self, given: Properties) -> str:
        self.kms.create_alias(AliasName=given["name"], TargetKeyId=given["targetKeyId"])
        return str(given["name"])

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        for page in self.kms.get_paginator("list_aliases").paginate():
            for each in page["Aliases"]:
                if each["AliasName"] == resource_id:
                    return {
                        "name": resource_id,
                        "targetKeyId": each.get("TargetKeyId"),
                        "arn": each["AliasArn"],
                    }
        return None

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self.kms.update_alias(AliasName=resource_id, TargetKeyId=new["targetKeyId"])

    def delete(self, resource_id: str, state: Properties) -> None:
        self.kms.delete_alias(AliasName=resource_id)


class Bucket(Kind):
    changes = ("forceDestroy",)
    token, source, replaces, tagged = "aws:s3/bucket:Bucket", "s3/bucket.go", ("bucket",), True
    named, read_only = "bucket", ("arn", "bucketDomainName", "hostedZoneId")

    def create(self, given: Properties) -> str:
        name = given["bucket"]
        place = (
            {}
            if self.account.region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": self.account.region}}
        )
        self.s3.create_bucket(Bucket=name, **place)
        self._tag(name, given)
        return str(name)

    def _tag(self, name: str, given: Properties) -> None:
        if given.get("tags"):
            self.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs(given["tags"])})

    def read(self, resource_id: str, known: Properties) -> Properties:
        self.s3.head_bucket(Bucket=resource_id)
        try:
            tags = from_pairs(self.s3.get_bucket_tagging(Bucket=resource_id)["TagSet"])
        except self.s3.exceptions.ClientError:  # a bucket without tags is refused
            tags = {}
        return {
            "bucket": resource_id,
            "tags": tags,
            "arn": f"arn:aws:s3:::{resource_id}",
            "bucketDomainName": f"{resource_id}.s3.amazonaws.com",
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self._tag(resource_id, new)

    def delete(self, resource_id: str, state: Properties) -> None:
        """Emptied, every version, only with `forceDestroy`."""
        if state.get("forceDestroy"):
            for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=resource_id):
                for each in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                    self.s3.delete_object(Bucket=resource_id, Key=each["Key"], VersionId=each["VersionId"])
        self.s3.delete_bucket(Bucket=resource_id)


class BucketPart(Kind):
    """A setting of a bucket that is put and put again; its id is the bucket's name."""

    changes = ("*",)
    replaces = ("bucket",)

    def put(self, given: Properties) -> None:
        raise NotImplementedError

    def create(self, given: Properties) -> str:
        self.put(given)
        return str(given["bucket"])

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        self.put(new)


class BucketPublicAccessBlock(BucketPart):
    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    source = "s3/bucket_public_access_block.go"
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")

    def put(self, given: Properties) -> None:
        wanted = {_capital(each): bool(given.get(each)) for each in self.switches}
        self.s3.put_public_access_block(Bucket=given["bucket"], PublicAccessBlockConfiguration=wanted)

    def read(self, resource_id: str, known: Properties) -> Properties:
        found = self.s3.get_public_access_block(Bucket=resource_id)["PublicAccessBlockConfiguration"]
        return {"bucket": resource_id, **{each: found[_capital(each)] for each in self.switches}}

    def delete(self, resource_id: str, state: Properties) -> None:
        self.s3.delete_public_access_block(Bucket=resource_id)


class BucketOwnershipControls(BucketPart):
    token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    source = "s3/bucket_ownership_controls.go"

    def put(self, given: Properties) -> None:
        rules = [{"ObjectOwnership": given["rule"]["objectOwnership"]}]
        self.s3.put_bucket_ownership_controls(Bucket=given["bucket"], OwnershipControls={"Rules": rules})

    def read(self, resource_id: str, known: Properties) -> Properties:
        found = self.s3.get_bucket_ownership_controls(Bucket=resource_id)["OwnershipControls"]["Rules"][0]
        return {"bucket": resource_id, "rule": {"objectOwnership": found["ObjectOwnership"]}}

    def delete(self, resource_id: str, state: Properties) -> None:
        self.s3.delete_bucket_ownership_controls(Bucket=resource_id)


class BucketVersioning(BucketPart):
    token, source = "aws:s3/bucketVersioning:BucketVersioning", "s3/bucket_versioning.go"

    def put(self, given: Properties) -> None:
        wanted = {"Status": given["versioningConfiguration"]["status"]}
        self.s3.put_bucket_versioning(Bucket=given["bucket"], VersioningConfiguration=wanted)

    def read(self, resource_id: str, known: Properties) -> Properties:
        found = self.s3.get_bucket_versioning(Bucket=resource_id)
        return {"bucket": resource_id, "versioningConfiguration": {"status": found.get("Status", "Disabled")}}

    def delete(self, resource_id: str, state: Properties) -> None:
        self.s3.put_bucket_versioning(Bucket=resource_id, VersioningConfiguration={"Status": "Suspended"})


class BucketEncryption(BucketPart):
    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    source = "s3/bucket_server_side_encryption_configuration.go"

    def put(self, given: Properties) -> None:
        rules = []
        for each in given["rules"]:
            default = each["applyServerSideEncryptionByDefault"]
            rule = without_none(
                SSEAlgorithm=default["sseAlgorithm"], KMSMasterKeyID=default.get("kmsMasterKeyId")
            )
            rules.append(
                {
                    "ApplyServerSideEncryptionByDefault": rule,
                    "BucketKeyEnabled": bool(each.get("bucketKeyEnabled")),
                }
            )
        self.s3.put_bucket_encryption(
            Bucket=given["bucket"], ServerSideEncryptionConfiguration={"Rules": rules}
        )

    def read(self, resource_id: str, known: Properties) -> Properties:
        """Compared by its key and algorithm: S3 adds fields of its own to each rule."""
        answer = self.s3.get_bucket_encryption(Bucket=resource_id)["ServerSideEncryptionConfiguration"]
        rules = []
        for number, each in enumerate(answer["Rules"]):
            default = each["ApplyServerSideEncryptionByDefault"]
            found: Properties = {
                "applyServerSideEncryptionByDefault": without_none(
                    sseAlgorithm=default["SSEAlgorithm"], kmsMasterKeyId=default.get("KMSMasterKeyID")
                )
            }
            given = (known.get("rules") or [{}] * (number + 1))[number]
            if "bucketKeyEnabled" in given:
                found["bucketKeyEnabled"] = bool(each.get("BucketKeyEnabled"))
            rules.append(found)
        return {"bucket": resource_id, "rules": rules}

    def delete(self, resource_id: str, state: Properties) -> None:
        self.s3.delete_bucket_encryption(Bucket=resource_id)


class BucketLifecycle(BucketPart):
    """Not compared with what S3 holds, only that it holds one."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    source = "s3/bucket_lifecycle_configuration.go"

    def put(self, given: Properties) -> None:
        rules = [_rule(each) for each in given["rules"]]
        self.s3.put_bucket_lifecycle_configuration(
            Bucket=given["bucket"], LifecycleConfiguration={"Rules": rules}
        )

    def read(self, resource_id: str, known: Properties) -> Properties:
        self.s3.get_bucket_lifecycle_configuration(Bucket=resource_id)
        return {"bucket": resource_id}

    def delete(self, resource_id: str, state: Properties) -> None:
        self.s3.delete_bucket_lifecycle(Bucket=resource_id)


def _rule(given: Mapping[str, Any]) -> dict[str, Any]:
    aborted = given.get("abortIncompleteMultipartUpload")
    noncurrent = given.get("noncurrentVersionExpiration")
    expiration = given.get("expiration")
    return without_none(
        ID=given["id"],
        Status=given["status"],
        Filter={"Prefix": given["filter"].get("prefix", "")},
        AbortIncompleteMultipartUpload={"DaysAfterInitiation": int(aborted["daysAfterInitiation"])}
        if aborted
        else None,
        NoncurrentVersionExpiration={"NoncurrentDays": int(noncurrent["noncurrentDays"])}
        if noncurrent
        else None,
        Expiration={"Days": int(expiration["days"])} if expiration else None,
        Transitions=[
            {"Days": int(each["days"]), "StorageClass": each["storageClass"]}
            for each in given.get("transitions") or ()
        ]
        or None,
    )


class BucketPolicy(BucketPart):
    token, source = "aws:s3/bucketPolicy:BucketPolicy", "s3/bucket_policy.go"

    def put(self, given: Properties) -> None:
        self.s3.put_bucket_policy(Bucket=given["bucket"], Policy=_text(given["policy"]))

    def read(self, resource_id: str, known: Properties) -> Properties:
        return {"bucket": resource_id, "policy": self.s3.get_bucket_policy(Bucket=resource_id)["Policy"]}

    def delete(self, resource_id: str, state: Properties) -> None:
        self.s3.delete_bucket_policy(Bucket=resource_id)


class BucketLogging(BucketPart):
    token, source = "aws:s3/bucketLogging:BucketLogging", "s3/bucket_logging.go"

    def put(self, given: Properties) -> None:
        wanted = {"TargetBucket": given["targetBucket"], "TargetPrefix": given["targetPrefix"]}
        self.s3.put_bucket_logging(Bucket=given["bucket"], BucketLoggingStatus={"LoggingEnabled": wanted})

    def read(self, resource_id: str, known: Properties) -> Properties | None:
        found = self.s3.get_bucket_logging(Bucket=resource_id).get("LoggingEnabled")
        if found is None:
            return None
        return {
            "bucket": resource_id,
            "targetBucket": found["TargetBucket"],
            "targetPrefix": found.get("TargetPrefix", ""),
        }

    def delete(self, resource_id: str, state: Properties) -> None:
        self.s3.put_bucket_logging(Bucket=resource_id, BucketLoggingStatus={})


class Parameter(Kind):
    changes = ("insecureValue", "keyId", "type", "value")
    computed, sensitive = ("insecureValue", "keyId", "value"), ("value",)
    token, source, replaces, tagged = "aws:ssm/parameter:Parameter", "ssm/parameter.go", ("name",), True
    read_only = ("arn", "version")

    def create(self, given: Properties) -> str:
        self.ssm.put_parameter(
            **self._wanted(given), Tags=pairs(given.get("tags")), Overwrite=bool(given.get("overwrite"))
        )
        return str(given["name"])

    @staticmethod
    def _wanted(given: Properties) -> dict[str, Any]:
        value = given["value"] if "value" in given else given["insecureValue"]
        return without_none(Name=given["name"], Type=given["type"], Value=value, KeyId=given.get("keyId"))

    def read(self, resource_id: str, known: Properties) -> Properties:
        """Under `value`, unless it was given as `insecureValue`: an import never was (`resourceParameterRead`)."""
        found = self.ssm.get_parameter(Name=resource_id, WithDecryption=True)["Parameter"]
        tags = self.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=resource_id).get(
            "TagList"
        )
        described = self.ssm.describe_parameters(
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [resource_id]}]
        )["Parameters"]
        secret = found["Type"] == "SecureString"
        key = "insecureValue" if "insecureValue" in known and not secret else "value"
        return {
            "name": resource_id,
            "type": found["Type"],
            key: found["Value"],
            "keyId": described[0].get("KeyId") if secret and described else None,
            "tags": from_pairs(tags),
            "arn": found["ARN"],
            "version": found["Version"],
        }

    def update(self, resource_id: str, old: Properties, new: Properties) -> None:
        before, after = self._wanted(old) if _has_value(old) else {}, self._wanted(new)
        if before != after:
            self.ssm.put_parameter(**after, Overwrite=True)
        if new.get("tags") and old.get("tags") != new["tags"]:
            self.ssm.add_tags_to_resource(
                ResourceType="Parameter", ResourceId=resource_id, Tags=pairs(new["tags"])
            )

    def delete(self, resource_id: str, state: Properties) -> None:
        self.ssm.delete_parameter(Name=resource_id)


def _has_value(properties: Properties) -> bool:
    return "name" in properties and ("value" in properties or "insecureValue" in properties)


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)


KINDS: Final[tuple[type[Kind], ...]] = (
    Key,
    Alias,
    Bucket,
    BucketPublicAccessBlock,
    BucketOwnershipControls,
    BucketVersioning,
    BucketEncryption,
    BucketLifecycle,
    BucketPolicy,
    BucketLogging,
    Parameter,
)
