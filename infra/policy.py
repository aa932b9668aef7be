"""Policy rules over a resource graph, as plain functions: the unit tests and the policy pack run the same
ones.

Decides what no configuration of this project may ever build. Each rule names the public check it answers;
rules that start with CHW answer none and are this project's own. Knows resources only as type, name and
properties.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

WORLD: Final = frozenset({"0.0.0.0/0", "::/0"})
REQUIRED_TAGS: Final = ("Project", "Stack", "Environment", "CostCenter", "Owner")
# One pattern for everything that the world, or an account that may describe a resource, can read: user data, command
# texts.
SECRET_TEXT: Final = re.compile(
    r"nvapi-\w"
    r"|PRIVATE KEY"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|(?i:password|secret)\s*[=:]\s*\S{8,}"
)
# Types that bill while they exist and that no one asked this project for.
UNWANTED_TYPES: Final = frozenset(
    {"aws:ec2/natGateway:NatGateway", "aws:lb/loadBalancer:LoadBalancer", "aws:rds/instance:Instance"}
)

INSTANCE: Final = "aws:ec2/instance:Instance"
VOLUME: Final = "aws:ebs/volume:Volume"
BUCKET: Final = "aws:s3/bucket:Bucket"
COMMAND: Final = "command:remote:Command"


UNKNOWN: Final = "(known after up)"
"""Stands in a preview's graph for an input that depends on something not made yet."""


class NotKnownYetError(Exception):
    """A rail asked for an input that only the up itself will know.

    Previews let it pass; the up checks again.
    """


@dataclass(frozen=True)
class Options:
    """Resource options that a graph recorded; the policy pack cannot see all of them."""

    retain_on_delete: bool = False
    delete_before_replace: bool = False
    protect: bool = False


@dataclass(frozen=True)
class Resource:
    """One resource of a graph: type token, logical name, inputs in camelCase."""

    type: str
    name: str
    props: Mapping[str, Any] = field(default_factory=dict)
    options: Options | None = None

    def get(self, *path: str | int) -> Any:
        """A nested input, None where any part of the path is missing. Raises NotKnownYetError."""
        found: Any = self.props
        for part in path:
            try:
                found = found[part]
            except (KeyError, IndexError, TypeError):
                return None
            if found == UNKNOWN:
                raise NotKnownYetError(f"{self.name}: {path}")
        return found

    def known(self, *path: str | int, otherwise: Any = None) -> Any:
        """As `get`, but `otherwise` where the input is not known yet."""
        try:
            return self.get(*path)
        except NotKnownYetError:
            return otherwise


@dataclass(frozen=True)
class Violation:
    """A resource that breaks a rule, and how."""

    rule: str
    resource: str
    message: str


Graph = Sequence[Resource]
Breach = tuple[Resource, str]


@dataclass(frozen=True)
class Rule:
    """A guard rail: our name, the public ids it answers, and the check over a whole graph."""

    name: str
    public_ids: tuple[str, ...]
    title: str
    find: Callable[[Graph], Iterable[Breach]]

    def check(self, graph: Graph) -> list[Violation]:
        return [Violation(self.name, found.name, message) for found, message in self.find(graph)]


@dataclass(frozen=True)
class Waiver:
    """A public check that this project does not meet, and why that is right here."""

    public_id: str
    where: str
    reason: str


WAIVERS: Final = (
    Waiver("CKV_AWS_145", "access-logs bucket", "S3 cannot deliver access logs under a customer key"),
    Waiver("CKV_AWS_144", "all buckets", "no replication to another region: one host, versioned, documented"),
    Waiver("CKV_AWS_18", "access-logs bucket", "it is where the logs go"),
    Waiver("CKV2_AWS_62", "all buckets", "nothing listens to bucket events"),
    Waiver("CKV_AWS_290", "host role", "log streams below the stack's own groups end in :*"),
)


def _of(graph: Graph, *types: str) -> Iterator[Resource]:
    return (each for each in graph if each.type in types)


def _where(
    resource_type: str, *conditions: tuple[Callable[[Resource], bool], str]
) -> Callable[[Graph], list[Breach]]:
    """A check of single resources: every condition must hold."""

    def find(graph: Graph) -> list[Breach]:
        return [
            (each, message)
            for each in _of(graph, resource_type)
            for holds, message in conditions
            if not _holds(holds, each)
        ]

    return find


def _holds(condition: Callable[[Resource], bool], each: Resource) -> bool:
    try:
        return condition(each)
    except NotKnownYetError:
        return True


def _is(expected: object, *path: str | int) -> Callable[[Resource], bool]:
    return lambda each: bool(each.get(*path) == expected)


def _set(*path: str | int) -> Callable[[Resource], bool]:
    return lambda each: each.get(*path) not in {None, ""}


def _user_data_is_clean(each: Resource) -> bool:
    return not SECRET_TEXT.search(str(each.get("userData") or ""))


def _world_ingress(accepted: frozenset[str]) -> Callable[[Graph], list[Breach]]:
    def find(graph: Graph) -> list[Breach]:
        findings = []
        for each in _of(graph, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"):
            ranges = {each.known("cidrIpv4"), each.known("cidrIpv6")} & WORLD
            if ranges - (accepted if each.known("fromPort") == 22 else frozenset()):
                findings.append((each, f"port {each.known('fromPort')} is open to the world"))
        inline = _of(graph, "aws:ec2/securityGroup:SecurityGroup")
        findings += [
            (each, "rules inside the group escape these checks") for each in inline if each.known("ingress")
        ]
        return findings

    return find


def _statements(each: Resource, key: str) -> list[dict[str, Any]]:
    text = each.get(key)
    if not isinstance(text, str):
        return []
    found = json.loads(text).get("Statement", [])
    return found if isinstance(found, list) else [found]


def _known_statements(each: Resource, key: str) -> list[dict[str, Any]]:
    try:
        return _statements(each, key)
    except NotKnownYetError:
        return []


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _wildcards(graph: Graph) -> Iterator[Breach]:
    for each in _of(graph, "aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"):
        for statement in _known_statements(each, "policy"):
            if statement.get("Effect") != "Allow":
                continue
            if any(action == "*" or action.endswith(":*") for action in _as_list(statement["Action"])):
                yield each, f"statement {statement.get('Sid', '?')} allows every action"
            if "*" in _as_list(statement["Resource"]):
                yield each, f"statement {statement.get('Sid', '?')} names no resource"


def _public_principals(graph: Graph) -> Iterator[Breach]:
    for each in _of(
        graph, "aws:kms/key:Key", "aws:sns/topicPolicy:TopicPolicy", "aws:s3/bucketPolicy:BucketPolicy"
    ):
        for statement in _known_statements(each, "policy"):
            principal = statement.get("Principal")
            is_public = principal == "*" or (
                isinstance(principal, dict) and "*" in _as_list(principal.get("AWS"))
            )
            if statement.get("Effect") == "Allow" and is_public:
                yield each, f"statement {statement.get('Sid', '?')} lets everyone in"


def _admin_attachments(graph: Graph) -> Iterator[Breach]:
    for each in _of(graph, "aws:iam/rolePolicyAttachment:RolePolicyAttachment"):
        if re.search(
            r"/(AdministratorAccess|PowerUserAccess|IAMFullAccess|AmazonS3FullAccess)$",
            str(each.known("policyArn")),
        ):
            yield each, f"{each.known('policyArn')} is far more than a host needs"


def _bucket_companion(
    companion: str, *conditions: tuple[Callable[[Resource], bool], str], skip: str = ""
) -> Callable[[Graph], list[Breach]]:
    """Every bucket has a companion resource that names it and meets the conditions."""

    def find(graph: Graph) -> list[Breach]:
        companions = {each.known("bucket", otherwise=UNKNOWN): each for each in _of(graph, companion)}
        findings = []
        for bucket in _of(graph, BUCKET):
            if skip and bucket.name.endswith(skip):
                continue
            other = companions.get(bucket.known("bucket", otherwise=UNKNOWN))
            if other is None and UNKNOWN not in companions:
                findings.append((bucket, f"has no {companion.rsplit(':', 1)[1]}"))
            if other is None:
                continue
            findings += [(bucket, message) for holds, message in conditions if not _holds(holds, other)]
        return findings

    return find


def _denies_plain_http(each: Resource) -> bool:
    return any(
        statement.get("Effect") == "Deny"
        and statement.get("Principal") == "*"
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in _statements(each, "policy")
    )


def _aborts_uploads(each: Resource) -> bool:
    rules = each.get("rules") or []
    return any(rule.get("abortIncompleteMultipartUpload") for rule in rules) and all(
        rule.get("status") == "Enabled" for rule in rules
    )


def _referenced(holder: str, path: str, target: str, message: str) -> Callable[[Graph], list[Breach]]:
    """Every `target` whose id is known is named by some `holder` under `path` (a value or a list)."""

    def find(graph: Graph) -> list[Breach]:
        values = [each.known(path, otherwise=UNKNOWN) for each in _of(graph, holder)]
        used = {value for each in values for value in _as_list(each)}
        if UNKNOWN in used:
            return []
        return [(each, message) for each in _of(graph, target) if each.known("id") not in {None, *used}]

    return find


def _parameters(graph: Graph) -> Iterator[Breach]:
    for each in _of(graph, "aws:ssm/parameter:Parameter"):
        if each.known("type") == "SecureString" and not each.known("keyId", otherwise=UNKNOWN):
            yield each, "encrypted with the account's default key"
        if each.known("type", otherwise="SecureString") != "SecureString" and each.known("value") is not None:
            yield each, "a value outside a SecureString; public facts belong in insecureValue"


def _tags(graph: Graph) -> Iterator[Breach]:
    for each in graph:
        if each.type == "pulumi:providers:aws":
            defaults = each.known("defaultTags", otherwise={"tags": dict.fromkeys(REQUIRED_TAGS, UNKNOWN)})
            tags = (json.loads(defaults) if isinstance(defaults, str) else defaults or {}).get("tags", {})
            missing = [tag for tag in REQUIRED_TAGS if not tags.get(tag)]
            if missing:
                yield each, f"default tags lack {', '.join(missing)}"


def _unwanted(graph: Graph) -> Iterator[Breach]:
    for each in graph:
        if each.type in UNWANTED_TYPES:
            yield each, "bills around the clock"
        if (
            each.type == "aws:ec2/vpcEndpoint:VpcEndpoint"
            and each.known("vpcEndpointType", otherwise="Gateway") != "Gateway"
        ):
            yield each, "an interface endpoint bills around the clock; a gateway endpoint is free"


def _commands(graph: Graph) -> Iterator[Breach]:
    for each in _of(graph, COMMAND):
        if each.known("delete"):
            yield each, "a delete script needs a living host: it would block a pause"
        if not each.known("triggers", otherwise=UNKNOWN):
            yield each, "without triggers it never runs on a new host"
        connection = each.known("connection", otherwise=UNKNOWN)
        if isinstance(connection, dict) and not connection.get("hostKey"):
            yield each, "accepts any machine that answers at the host's address"
        if SECRET_TEXT.search(str(each.known("create") or "")):
            yield each, "the command's text is printed when it fails: secrets go by stdin"


DATA_TYPES: Final = frozenset({VOLUME, BUCKET, "aws:kms/key:Key", "aws:ssm/parameter:Parameter"})


def _retained(graph: Graph) -> Iterator[Breach]:
    for each in graph:
        if each.type in DATA_TYPES and each.options is not None:
            snapshot = each.type == VOLUME and each.known("finalSnapshot", otherwise=True) is True
            if not each.options.retain_on_delete and not snapshot:
                yield each, "a destroy would delete data"
        if each.type == BUCKET and each.known("forceDestroy"):
            yield each, "a destroy would empty the bucket"


def _protected(graph: Graph) -> Iterator[Breach]:
    for each in graph:
        if each.options is not None and each.options.protect:
            yield each, "a protected resource makes a plain pulumi destroy fail"


def _one_host_at_a_time(graph: Graph) -> Iterator[Breach]:
    for each in _of(graph, INSTANCE):
        if each.options is not None and not each.options.delete_before_replace:
            yield each, "two hosts would fight for the volume and the vCPU quota"


def rules(*, accepted_open: Iterable[str] = ()) -> tuple[Rule, ...]:
    """All policy rules.

    `accepted_open` are operator ranges the stack's configuration accepted in so many words.
    """
    return (
        *_host_rules(),
        *_network_rules(frozenset(accepted_open)),
        *_bucket_rules(),
        *_other_rules(),
        *_own_rules(),
    )


def _host_rules() -> tuple[Rule, ...]:
    options = ("metadataOptions",)
    imds = _where(
        INSTANCE,
        (_is("required", *options, "httpTokens"), "IMDSv1 is reachable"),
        (_is(1, *options, "httpPutResponseHopLimit"), "containers can reach instance metadata"),
    )
    root = _where(INSTANCE, (_is(True, "rootBlockDevice", "encrypted"), "root disk not encrypted"))
    optimized = _where(INSTANCE, (_is(True, "ebsOptimized"), "not EBS optimised"))
    monitored = _where(INSTANCE, (_is(True, "monitoring"), "no detailed monitoring"))
    private = _where(
        INSTANCE,
        (lambda each: each.get("associatePublicIpAddress") is not True, "takes a public address by itself"),
    )
    clean = _where(INSTANCE, (_user_data_is_clean, "user data holds what looks like a secret"))
    profile = _where(INSTANCE, (_set("iamInstanceProfile"), "no instance profile"))
    stop = _where(
        INSTANCE, (_is("stop", "instanceInitiatedShutdownBehavior"), "the idle guard would terminate it")
    )
    volume = _where(
        VOLUME, (_is(True, "encrypted"), "not encrypted"), (_set("kmsKeyId"), "not under a customer key")
    )
    return (
        Rule("imds-v2", ("CKV_AWS_79", "EC2.8"), "Instance metadata only with a token, one hop", imds),
        Rule("root-encrypted", ("CKV_AWS_8",), "Root disk encrypted", root),
        Rule("ebs-optimized", ("CKV_AWS_135",), "EBS optimised", optimized),
        Rule("detailed-monitoring", ("CKV_AWS_126",), "Detailed monitoring", monitored),
        Rule("no-own-public-address", ("CKV_AWS_88", "EC2.9"), "Only the fixed address is public", private),
        Rule("clean-user-data", ("CKV_AWS_46",), "No secret in user data", clean),
        Rule("instance-profile", ("CKV2_AWS_41",), "Credentials come from a role", profile),
        Rule("stops-itself", ("CHW_STOP",), "A shutdown from inside stops, never terminates", stop),
        Rule(
            "volume-encrypted",
            ("CKV_AWS_3", "CKV_AWS_189", "EC2.7"),
            "Data volume under a customer key",
            volume,
        ),
    )


def _network_rules(accepted: frozenset[str]) -> tuple[Rule, ...]:
    ingress = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    egress = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    ids = ("CKV_AWS_24", "CKV_AWS_25", "CKV_AWS_260", "CKV_AWS_277")
    described_in, described_out = (
        _where(each, (_set("description"), "no description")) for each in (ingress, egress)
    )
    all_out = _where(
        egress, (lambda each: each.get("ipProtocol") not in {"-1", "all"}, "every protocol may leave")
    )
    default_group = _where(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        (lambda each: not each.get("ingress") and not each.get("egress"), "the default group has rules"),
    )
    subnets = _where(
        "aws:ec2/subnet:Subnet", (_is(False, "mapPublicIpOnLaunch"), "gives out public addresses")
    )
    vpc = "aws:ec2/vpc:Vpc"
    return (
        Rule("no-world-ingress", ids, "Nothing is open to the world", _world_ingress(accepted)),
        Rule("described-ingress", ("CKV_AWS_23",), "Every way in says why", described_in),
        Rule("described-egress", ("CKV_AWS_23",), "Every way out says why", described_out),
        Rule("bounded-egress", ("CKV_AWS_382",), "Only named ports leave", all_out),
        Rule(
            "default-group-empty", ("CKV2_AWS_12", "EC2.2"), "The VPC's default group is empty", default_group
        ),
        Rule(
            "default-group-managed",
            ("CKV2_AWS_12",),
            "Each VPC's default group is taken over",
            _referenced(
                "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
                "vpcId",
                vpc,
                "default group left as it is",
            ),
        ),
        Rule(
            "group-attached",
            ("CKV2_AWS_5",),
            "No security group without a host",
            _referenced(
                INSTANCE, "vpcSecurityGroupIds", "aws:ec2/securityGroup:SecurityGroup", "attached to nothing"
            ),
        ),
        Rule(
            "flow-logs",
            ("CKV2_AWS_11", "EC2.6"),
            "Each VPC has flow logs",
            _referenced("aws:ec2/flowLog:FlowLog", "vpcId", vpc, "no flow log"),
        ),
        Rule(
            "s3-endpoint",
            ("EC2.10",),
            "S3 is reached inside AWS",
            _referenced("aws:ec2/vpcEndpoint:VpcEndpoint", "vpcId", vpc, "no S3 gateway endpoint"),
        ),
        Rule("no-auto-public", ("CKV_AWS_130", "EC2.15"), "Subnets give out no public addresses", subnets),
        Rule(
            "address-attached",
            ("CKV2_AWS_19",),
            "No address without a host",
            _referenced(
                "aws:ec2/eipAssociation:EipAssociation",
                "allocationId",
                "aws:ec2/eip:Eip",
                "bills for nothing",
            ),
        ),
    )


def _bucket_rules() -> tuple[Rule, ...]:
    def companion(
        name: str, *conditions: tuple[Callable[[Resource], bool], str], skip: str = ""
    ) -> Callable[[Graph], list[Breach]]:
        return _bucket_companion(f"aws:s3/{name[0].lower()}{name[1:]}:{name}", *conditions, skip=skip)

    blocks = [
        (_is(True, each), f"{each} is off")
        for each in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    ]
    algorithm = ("rules", 0, "applyServerSideEncryptionByDefault", "sseAlgorithm")
    encryption = companion(
        "BucketServerSideEncryptionConfiguration",
        (_is("aws:kms", *algorithm), "not under the customer key"),
        skip="access-logs",
    )
    versioned = companion(
        "BucketVersioning", (_is("Enabled", "versioningConfiguration", "status"), "not versioned")
    )
    owner = companion(
        "BucketOwnershipControls",
        (_is("BucketOwnerEnforced", "rule", "objectOwnership"), "access lists still count"),
    )
    ids = ("CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56", "CKV2_AWS_6")
    lifecycle = companion("BucketLifecycleConfiguration", (_aborts_uploads, "half uploads stay for ever"))
    return (
        Rule(
            "bucket-private",
            ids,
            "All four public-access blocks",
            companion("BucketPublicAccessBlock", *blocks),
        ),
        Rule("bucket-encrypted", ("CKV_AWS_145",), "Buckets under the customer key", encryption),
        Rule("bucket-versioned", ("CKV_AWS_21",), "Buckets are versioned", versioned),
        Rule("bucket-owner", ("CKV2_AWS_65",), "Access lists are off", owner),
        Rule(
            "bucket-lifecycle", ("CKV2_AWS_61", "CKV_AWS_300"), "Old versions and half uploads end", lifecycle
        ),
        Rule(
            "bucket-logging",
            ("CKV_AWS_18",),
            "Access is logged",
            companion("BucketLogging", skip="access-logs"),
        ),
        Rule(
            "bucket-tls",
            ("S3.5",),
            "Only over TLS",
            companion("BucketPolicy", (_denies_plain_http, "plain HTTP allowed")),
        ),
    )


def _other_rules() -> tuple[Rule, ...]:
    groups = _where(
        "aws:cloudwatch/logGroup:LogGroup",
        (lambda each: int(each.get("retentionInDays") or 0) >= 365, "kept for less than a year, or for ever"),
        (_set("kmsKeyId"), "not encrypted with the customer key"),
    )
    rotation = _where("aws:kms/key:Key", (_is(True, "enableKeyRotation"), "the key does not rotate"))
    topic = _where("aws:sns/topic:Topic", (_set("kmsMasterKeyId"), "not encrypted"))
    return (
        Rule("key-rotation", ("CKV_AWS_7",), "The key rotates", rotation),
        Rule(
            "no-public-principal",
            ("CKV_AWS_33", "CKV_AWS_70", "CKV_AWS_169"),
            "No one unnamed is let in",
            _public_principals,
        ),
        Rule(
            "least-privilege",
            ("CKV_AWS_355", "CKV_AWS_288", "CKV_AWS_289", "CKV_AWS_290"),
            "Roles name actions and resources",
            _wildcards,
        ),
        Rule("no-admin-policy", ("CKV_AWS_274",), "No broad managed policy on a role", _admin_attachments),
        Rule("log-groups", ("CKV_AWS_338", "CKV_AWS_158"), "Logs kept for a year, encrypted", groups),
        Rule("topic-encrypted", ("CKV_AWS_26",), "Alarms are encrypted", topic),
        Rule("parameters", ("CKV_AWS_337",), "Secrets in parameters under the customer key", _parameters),
    )


def _own_rules() -> tuple[Rule, ...]:
    return (
        Rule("data-retained", ("CHW_RETAIN",), "A destroy never deletes data", _retained),
        Rule("nothing-protected", ("CHW_BARE_DESTROY",), "A bare destroy pauses the stack", _protected),
        Rule("one-host", ("CHW_ONE_HOST",), "A host is deleted before it is replaced", _one_host_at_a_time),
        Rule("cost-tags", ("CHW_TAGS",), "Everything carries the cost-allocation tags", _tags),
        Rule("no-idle-bills", ("CHW_IDLE",), "Nothing that bills for existing", _unwanted),
        Rule(
            "commands",
            ("CHW_COMMANDS",),
            "Remote commands: no delete, triggers, no secrets, the host's own key",
            _commands,
        ),
    )


def check(graph: Graph, *, accepted_open: Iterable[str] = ()) -> list[Violation]:
    """All violations of all rules in a graph."""
    return [found for rule in rules(accepted_open=accepted_open) for found in rule.check(graph)]
