"""The stack's configuration: one frozen object, read once, with every problem reported together.

Decides what a stack may be asked for. Refuses to know how anything is built, and whether the models fit the
host (`sizing`). `load` is the only reader of `pulumi.Config`; `parse` is the same without Pulumi.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import ipaddress
import json
import re
import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Final, Literal, TypeVar

import pulumi

from infra.plan.catalog import (
    DEFAULT_INSTANCE_TYPE,
    DEFAULT_MODELS,
    INSTANCE_TYPES,
    MODELS,
    NO_MODEL,
    REGIONS,
    Device,
    ModelRole,
)

PROJECT: Final = "chartwell"
PauseMode = Literal["volume", "snapshot", "stop"]
DataRetention = Literal["keep", "destroy"]
KeyType = Literal["string", "boolean", "integer", "array"]

OPEN_PREFIX: Final = 24  # a wider operator range than this is more than one site
GP3_SIZE_MAX_GB: Final = 16_384
GP3_THROUGHPUT_MAX_MBPS: Final = 750  # a quarter of the 3000 IOPS that come with the price
LOG_RETENTION_DAYS: Final = (
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)  # >= 1 year: CKV_AWS_338
LLM_CONTEXT_MIN_TOKENS: Final = 2048
IDLE_MIN_MINUTES: Final = 10
KEY_FILE: Final = "~/.ssh/chartwell-key"  # as docs/deployment-guide.md makes it; ssh itself knows what ~ is
TAG_VALUE: Final = re.compile(r"[\w .:/=+\-@]{1,256}")
IMAGE_REF: Final = re.compile(
    r"(?P<repository>[a-z0-9.\-]+(?::\d+)?/[a-z0-9._/\-]+)(?::[\w.\-]+)?@sha256:[0-9a-f]{64}"
)
DAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")

T = TypeVar("T")


class SecretText:
    """A secret that stays out of `repr`, logs and error text. `reveal()` where it is handed over."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretText) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "SecretText(****)" if self._text else "SecretText(empty)"


@dataclass(frozen=True)
class ConfigKey:
    """One configuration key, as `Pulumi.yaml` declares it."""

    name: str
    type: KeyType
    description: str
    default: object = None
    secret: bool = False
    required: bool = False


KEYS: Final[tuple[ConfigKey, ...]] = (
    ConfigKey("region", "string", "AWS region of everything in the stack.", required=True),
    ConfigKey("awsProfile", "string", "Named AWS profile; empty = the usual credential chain.", ""),
    ConfigKey("awsAccountId", "string", "The only account this stack may touch; empty = any.", ""),
    ConfigKey(
        "operatorCidr", "string", "Where SSH may come from, for example 203.0.113.7/32.", required=True
    ),
    ConfigKey(
        "acceptOperatorCidr",
        "string",
        f"Repeat operatorCidr here to accept a range wider than /{OPEN_PREFIX}.",
        "",
    ),
    ConfigKey(
        "serviceCidrs",
        "array",
        "Ranges that may call the Chartwell service (443, TLS) directly; empty = tunnel only.",
        (),
    ),
    ConfigKey(
        "serviceDomain",
        "string",
        "Name that leads to the service, such as chartwell.hospital.example; empty = its address.",
        "",
    ),
    ConfigKey(
        "serviceCertificate",
        "string",
        "PEM certificate for serviceDomain with its chain; empty = a self-signed one.",
        "",
    ),
    ConfigKey(
        "serviceCertificateKey",
        "string",
        "Its private key (PEM), without passphrase; set with --secret.",
        secret=True,
    ),
    ConfigKey("irisCidrs", "array", "Ranges that may reach IRIS (1972, 52773); empty = tunnel only.", ()),
    ConfigKey(
        "nimCidrs", "array", "Ranges that may reach the NIM containers (8000-8002); empty = tunnel only.", ()
    ),
    ConfigKey(
        "ngcApiKey", "string", "NGC personal key with the NGC Catalog scope; set with --secret.", secret=True
    ),
    ConfigKey("sshPublicKey", "string", "OpenSSH public key for the host.", required=True),
    ConfigKey(
        "sshPrivateKey",
        "string",
        "Its private key, without passphrase; set with --secret.",
        secret=True,
        required=True,
    ),
    ConfigKey(
        "instanceType",
        "string",
        "EC2 type: g5 or g6e family (docs/costs.md has the table).",
        DEFAULT_INSTANCE_TYPE,
    ),
    ConfigKey(
        "spot",
        "boolean",
        "Spot instead of on-demand: cheaper, may be stopped with two minutes' notice.",
        False,
    ),
    ConfigKey(
        "availabilityZones",
        "array",
        "Zones in order of preference; empty = all of the region that offer the type.",
        (),
    ),
    ConfigKey(
        "probeCapacity",
        "boolean",
        "Before a host is made, reserve one for a second to find a zone that has room (cents).",
        True,
    ),
    ConfigKey(
        "checkHostKey",
        "boolean",
        "Send nothing to a host whose SSH key is not the one that its console shows.",
        True,
    ),
    ConfigKey(
        "amiId",
        "string",
        "Machine image, pinned. `python -m infra.ami --set` looks up the newest.",
        required=True,
    ),
    ConfigKey("llmModel", "string", "Language model, or none.", DEFAULT_MODELS["llm"]),
    ConfigKey("embeddingModel", "string", "Text embedding model, or none.", DEFAULT_MODELS["embedding"]),
    ConfigKey(
        "imageModel", "string", "Image embedding model (nvidia/nvclip), or none.", DEFAULT_MODELS["image"]
    ),
    ConfigKey("embeddingDevice", "string", "gpu or cpu: where the text embedding model runs.", "gpu"),
    ConfigKey(
        "llmContextTokens", "integer", "Longest prompt plus answer of the language model, tokens.", 8192
    ),
    ConfigKey(
        "llmConcurrentSequences", "integer", "Requests the language model works on at the same time.", 16
    ),
    ConfigKey("irisImage", "string", "IRIS image by digest.", required=True),
    ConfigKey("llmImage", "string", "Language model NIM by digest; required unless llmModel is none.", ""),
    ConfigKey(
        "embeddingImage", "string", "Embedding NIM by digest; required unless embeddingModel is none.", ""
    ),
    ConfigKey("clipImage", "string", "NV-CLIP NIM by digest; required unless imageModel is none.", ""),
    ConfigKey(
        "visionUrl",
        "string",
        "Base URL of a vision-language model that says what pictures show (https); empty = none. They leave the stack.",
        "",
    ),
    ConfigKey("visionModel", "string", "Its model id; required with visionUrl.", ""),
    ConfigKey("visionApiKey", "string", "Its key, where it wants one; set with --secret.", secret=True),
    ConfigKey(
        "volumeSizeGb",
        "integer",
        "Data volume: database, documents' working copies, images, model caches.",
        200,
    ),
    ConfigKey(
        "volumeThroughputMbps", "integer", "Data volume throughput, MB/s (125 is free, 750 at most).", 125
    ),
    ConfigKey("rootVolumeSizeGb", "integer", "Root disk, GB; images and caches lie on the data volume.", 40),
    ConfigKey(
        "pauseMode", "string", "volume, snapshot or stop: what `pulumi destroy` (or paused) leaves.", "volume"
    ),
    ConfigKey("paused", "boolean", "With pauseMode stop: true stops the host at the next up.", False),
    ConfigKey(
        "dataRetention", "string", "keep, or destroy: the next destroy removes the data as well.", "keep"
    ),
    ConfigKey("snapshotsKept", "integer", "Final snapshots kept by pauseMode snapshot.", 3),
    ConfigKey(
        "restoreSnapshotId", "string", "Restore the data volume from this snapshot instead of the newest.", ""
    ),
    ConfigKey(
        "acceptLostVolume", "string", "Id of a recorded data volume whose loss is accepted: start blank.", ""
    ),
    ConfigKey("idleMinutes", "integer", "Minutes without work before the host stops itself; 0 = never.", 30),
    ConfigKey(
        "monthlyBudgetUsd",
        "integer",
        "Budget for this stack's tags; mails at 50, 80 and 100 % and at forecast.",
        300,
    ),
    ConfigKey("alertEmails", "array", "Addresses for budget and alarm mails.", ()),
    ConfigKey("offHoursStop", "string", "Time of day the host stops, HH:MM; empty = no schedule.", ""),
    ConfigKey(
        "offHoursStart", "string", "Time of day the host starts, HH:MM; empty = stays stopped until up.", ""
    ),
    ConfigKey("offHoursDays", "string", "Days of the schedule, as in MON-FRI or MON,WED,FRI.", "MON-FRI"),
    ConfigKey("offHoursTimezone", "string", "IANA time zone of the schedule.", "UTC"),
    ConfigKey("logRetentionDays", "integer", "Days CloudWatch keeps logs; at least a year.", 365),
    ConfigKey(
        "documentsPrefix", "string", "Prefix in the documents bucket that ingestion reads.", "documents/"
    ),
    ConfigKey("environment", "string", "Tag Environment; empty = the stack's name.", ""),
    ConfigKey("costCenter", "string", "Tag CostCenter.", required=True),
    ConfigKey("owner", "string", "Tag Owner.", required=True),
)
KEYS_BY_NAME: Final[dict[str, ConfigKey]] = {key.name: key for key in KEYS}


@dataclass(frozen=True)
class ConfigProblem:
    """One thing wrong with the configuration: the key, what was found, why it cannot be, and the cure."""

    key: str
    found: str
    wrong: str
    cure: str

    def __str__(self) -> str:
        return f"{PROJECT}:{self.key} = {self.found}: {self.wrong}. {self.cure}"


class ConfigurationError(Exception):
    """The configuration cannot be used; nothing has been created. `problems` holds all of them.

    Do not retry.
    """

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = [
            f"{count} configuration problem{'s'[: count != 1]} (docs/troubleshooting-aws.md#configuration):"
        ]
        lines += [f"  - {problem}" for problem in self.problems]
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class NetworkAccess:
    """Who may reach what. Empty tuples mean no one but through an SSH tunnel."""

    operator_cidr: str
    service_cidrs: tuple[str, ...]
    iris_cidrs: tuple[str, ...]
    nim_cidrs: tuple[str, ...]


@dataclass(frozen=True)
class ServiceTls:
    """Under which name the service is reached, and what proves it. Without a certificate the host makes its own."""

    domain: str | None
    certificate: str | None
    """PEM: the certificate of `domain`, then its chain."""
    key: SecretText


@dataclass(frozen=True)
class ModelChoice:
    """Which models run, and how. A role that is absent from `models` does not run."""

    models: Mapping[ModelRole, str]
    embedding_device: Device
    llm_context_tokens: int
    llm_concurrent_sequences: int


@dataclass(frozen=True)
class ImageRefs:
    """Container images by digest; None where the model does not run."""

    iris: str
    llm: str | None
    embedding: str | None
    image: str | None

    def for_role(self, role: ModelRole) -> str:
        """The reference for a model role. Raises KeyError when that role has none."""
        found = {"llm": self.llm, "embedding": self.embedding, "image": self.image}[role]
        if found is None:
            raise KeyError(role)
        return found


@dataclass(frozen=True)
class HostedVision:
    """A vision-language model elsewhere, which the pipeline may show pictures to."""

    url: str
    model: str
    key: SecretText


@dataclass(frozen=True)
class OffHours:
    """Daily stop (and start) of the host, in `timezone`, on `days` as EventBridge Scheduler writes them."""

    stop: time
    start: time | None
    days: str
    timezone: str


@dataclass(frozen=True)
class StackConfig:
    """Everything one stack is built from. Units are in the names; sizes in GB as EBS counts them."""

    stack: str
    region: str
    aws_profile: str | None
    aws_account_id: str | None
    access: NetworkAccess
    service_tls: ServiceTls
    ngc_api_key: SecretText
    ssh_public_key: str
    ssh_private_key: SecretText
    instance_type: str
    spot: bool
    availability_zones: tuple[str, ...]
    probe_capacity: bool
    check_host_key: bool
    ami_id: str
    models: ModelChoice
    images: ImageRefs
    vision: HostedVision | None
    volume_size_gb: int
    volume_throughput_mbps: int
    root_volume_size_gb: int
    pause_mode: PauseMode
    paused: bool
    data_retention: DataRetention
    snapshots_kept: int
    restore_snapshot_id: str | None
    accept_lost_volume: str | None
    idle_minutes: int
    monthly_budget_usd: int
    alert_emails: tuple[str, ...]
    off_hours: OffHours | None
    log_retention_days: int
    documents_prefix: str
    environment: str
    cost_center: str
    owner: str

    @property
    def name(self) -> str:
        """Prefix of every resource name: `chartwell-<stack>`."""
        return f"{PROJECT}-{self.stack}"

    @property
    def parameter_path(self) -> str:
        """SSM path that holds this stack's secrets and records."""
        return f"/{PROJECT}/{self.stack}"

    @property
    def tags(self) -> dict[str, str]:
        """Cost-allocation tags of every resource; `Stack` also tells two stacks of one account apart."""
        return {
            "Project": PROJECT,
            "Stack": self.stack,
            "Environment": self.environment,
            "CostCenter": self.cost_center,
            "Owner": self.owner,
        }


def load(stack: str | None = None) -> StackConfig:
    """Read this project's configuration from Pulumi. Raises ConfigurationError with every problem."""
    values, secret_keys = _pulumi_values()
    return parse(values, secret_keys=secret_keys, stack=stack or pulumi.get_stack())


def _pulumi_values() -> tuple[dict[str, object], set[str]]:
    """All keys of the project, also the undeclared ones: a misspelt key must not fall back to a default."""
    prefix = f"{PROJECT}:"
    raw: dict[str, object] = dict(pulumi.runtime.config.get_config_env())
    raw.update(pulumi.runtime.config.CONFIG.get())
    secret = set(pulumi.runtime.config.get_config_secret_keys_env())
    secret |= {key for key in raw if pulumi.runtime.is_config_secret(key)}
    values = {key.removeprefix(prefix): value for key, value in raw.items() if key.startswith(prefix)}
    return values, {key.removeprefix(prefix) for key in secret}


def parse(values: Mapping[str, object], *, secret_keys: Collection[str], stack: str) -> StackConfig:
    """Validate raw values (strings or JSON values, keys without the project prefix).

    Raises ConfigurationError that holds every problem found, not only the first.
    """
    reader = _Reader(values, secret_keys)
    config = _assemble(reader, stack)
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return config


class _Reader:
    """Reads keys one by one, remembers what was wrong, and goes on with a stand-in value."""

    def __init__(self, values: Mapping[str, object], secret_keys: Collection[str]) -> None:
        self._values = values
        self._secret_keys = secret_keys
        self.problems: list[ConfigProblem] = []
        self._bad: set[str] = set()
        for name in sorted(set(values) - set(KEYS_BY_NAME)):
            self.report(name, "there is no such key", f"Remove it, or correct it to {_nearest(name)}")

    def report(self, name: str, wrong: str, cure: str) -> None:
        self._bad.add(name)
        key = KEYS_BY_NAME.get(name)
        found = "****" if key and key.secret and self._values.get(name) else _shown(self._values.get(name))
        self.problems.append(ConfigProblem(name, found, wrong, cure))

    def is_good(self, *names: str) -> bool:
        """True when none of these keys has a problem so far: a rule over several keys asks this first."""
        return not self._bad.intersection(names)

    def text(self, name: str) -> str:
        value = self._present(name)
        return "" if value is None else str(value).strip()

    def secret(self, name: str) -> SecretText:
        text = self.text(name)
        if text and name not in self._secret_keys:
            self.report(
                name,
                "a secret stands in the stack file in plain text",
                f"Revoke it, then: pulumi config set --secret {name}",
            )
        return SecretText(text)

    def flag(self, name: str) -> bool:
        value = self._present(name)
        if isinstance(value, bool):
            return value
        if str(value).lower() in {"true", "false"}:
            return str(value).lower() == "true"
        self.report(name, "not true or false", f"pulumi config set {name} true, or false")
        return False

    def integer(self, name: str, low: int, high: int, why: str) -> int:
        value = self._present(name)
        try:
            number = int(str(value))
        except ValueError:
            self.report(name, "not a whole number", f"Give a number from {low} to {high}")
            return low
        if not low <= number <= high:
            self.report(name, f"outside {low} to {high}", why)
        return number

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        value = self.text(name)
        if value not in allowed and self.is_good(name):
            self.report(name, "not one of the known values", f"Use one of: {', '.join(allowed)}")
        return value if value in allowed else allowed[0]

    def listed(self, name: str) -> tuple[str, ...]:
        value = self._present(name)
        if isinstance(value, str):
            try:
                value = json.loads(value) if value.strip().startswith("[") else value
            except json.JSONDecodeError:
                self.report(name, "not a list", f"pulumi config set --path '{name}[0]' VALUE")
                return ()
        if isinstance(value, str) or not isinstance(value, Iterable):
            self.report(name, "not a list", f"pulumi config set --path '{name}[0]' VALUE")
            return ()
        return tuple(str(each).strip() for each in value)

    def _present(self, name: str) -> object:
        key = KEYS_BY_NAME[name]
        value = self._values.get(name)
        if value is None or value == "":
            if key.required:
                secret = " --secret" if key.secret else ""
                self.report(
                    name, "required and not set", f"{key.description} pulumi config set{secret} {name} …"
                )
            return key.default
        return value


def _assemble(read: _Reader, stack: str) -> StackConfig:
    region = _region(read)
    models = _models(read)
    pause_mode = read.choice("pauseMode", ("volume", "snapshot", "stop"))
    config = StackConfig(
        stack=_stack_name(read, stack),
        region=region,
        aws_profile=read.text("awsProfile") or None,
        aws_account_id=_matching(
            read, "awsAccountId", r"\d{12}", "an account id has 12 digits", "aws sts get-caller-identity"
        ),
        access=_access(read),
        service_tls=_service_tls(read),
        ngc_api_key=_ngc_key(read, models),
        ssh_public_key=_public_key(read),
        ssh_private_key=_private_key(read),
        instance_type=read.choice("instanceType", (DEFAULT_INSTANCE_TYPE, *INSTANCE_TYPES)),
        spot=read.flag("spot"),
        availability_zones=_zones(read, region),
        probe_capacity=read.flag("probeCapacity"),
        check_host_key=read.flag("checkHostKey"),
        ami_id=_matching(
            read,
            "amiId",
            r"ami-[0-9a-f]{8,17}",
            "not an image id",
            "python -m infra.ami shows the newest one",
        )
        or "",
        models=models,
        images=_images(read, models),
        vision=_vision(read),
        volume_size_gb=read.integer(
            "volumeSizeGb", 50, GP3_SIZE_MAX_GB, "Model images alone need 50 GB; gp3 ends at 16,384 GB"
        ),
        volume_throughput_mbps=read.integer(
            "volumeThroughputMbps",
            125,
            GP3_THROUGHPUT_MAX_MBPS,
            "gp3 gives 0.25 MB/s for each of its 3000 IOPS; g5.2xlarge uses at most about 437",
        ),
        root_volume_size_gb=read.integer(
            "rootVolumeSizeGb", 30, 500, "Driver and system need 30 GB at least"
        ),
        pause_mode=_literal(pause_mode, {"volume": "volume", "snapshot": "snapshot", "stop": "stop"}),
        paused=_paused(read, pause_mode),
        data_retention=_literal(
            read.choice("dataRetention", ("keep", "destroy")), {"keep": "keep", "destroy": "destroy"}
        ),
        snapshots_kept=read.integer("snapshotsKept", 1, 30, "Keep at least the one the next up restores"),
        restore_snapshot_id=_matching(
            read,
            "restoreSnapshotId",
            r"snap-[0-9a-f]{8,17}",
            "not a snapshot id",
            "python -m infra.snapshots --stack STACK lists them",
        ),
        accept_lost_volume=_matching(
            read,
            "acceptLostVolume",
            r"vol-[0-9a-f]{8,17}",
            "not a volume id",
            "Use the id that the error named",
        ),
        idle_minutes=_idle_minutes(read),
        monthly_budget_usd=read.integer(
            "monthlyBudgetUsd", 1, 1_000_000, "Give the limit in whole US dollars"
        ),
        alert_emails=_emails(read),
        off_hours=_off_hours(read),
        log_retention_days=_log_retention(read),
        documents_prefix=_prefix(read),
        environment=_tag(read, "environment") or stack,
        cost_center=_tag(read, "costCenter"),
        owner=_tag(read, "owner"),
    )
    _check_together(read, config)
    return config


def _region(read: _Reader) -> str:
    region = read.text("region")
    if region and region not in REGIONS:
        read.report("region", "no prices and zones are known for it", f"Use one of: {', '.join(REGIONS)}")
    return region


def _stack_name(read: _Reader, stack: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9\-]{0,23}", stack):
        read.problems.append(
            ConfigProblem(
                "(stack name)",
                stack,
                "names are made from it: 1-24 of a-z, 0-9 and -, starting with a letter",
                "pulumi stack init with another name",
            )
        )
    return stack


def _matching(read: _Reader, name: str, pattern: str, wrong: str, cure: str) -> str | None:
    text = read.text(name)
    if text and not re.fullmatch(pattern, text):
        read.report(name, wrong, cure)
    return text or None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=True)
    except ValueError:
        return None


def _reaches_host(
    read: _Reader, name: str, text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    """The host has an IPv4 address only: a rule for IPv6 would let no one in."""
    if network.version == 4:
        return True
    read.report(
        name,
        f"{text} is an IPv6 range, and the host is reached over IPv4 only",
        "Give the IPv4 range; curl -4 https://checkip.amazonaws.com shows your own address",
    )
    return False


def _access(read: _Reader) -> NetworkAccess:
    operator = read.text("operatorCidr")
    network = _network(operator) if operator else None
    if operator and network is None:
        read.report(
            "operatorCidr",
            "not a network range",
            "Write address/prefix with host bits zero, e.g. 203.0.113.7/32",
        )
    accepted = read.text("acceptOperatorCidr")
    if (
        network is not None
        and _reaches_host(read, "operatorCidr", operator, network)
        and network.prefixlen < OPEN_PREFIX
        and accepted != operator
    ):
        what = (
            "SSH would be open to the whole internet"
            if network.prefixlen == 0
            else "SSH would be open to a wide range"
        )
        read.report(
            "operatorCidr", what, f"Narrow it, or accept it: pulumi config set acceptOperatorCidr {operator}"
        )
    if accepted and accepted != operator:
        read.report(
            "acceptOperatorCidr",
            "does not repeat operatorCidr",
            "Repeat the range exactly, or remove this key",
        )
    return NetworkAccess(
        operator_cidr=operator,
        service_cidrs=_client_cidrs(read, "serviceCidrs"),
        iris_cidrs=_client_cidrs(read, "irisCidrs"),
        nim_cidrs=_client_cidrs(read, "nimCidrs"),
    )


def _service_tls(read: _Reader) -> ServiceTls:
    domain = read.text("serviceDomain").lower()
    certificate, key = read.text("serviceCertificate"), read.secret("serviceCertificateKey")
    if domain and not (len(domain) <= 253 and re.fullmatch(_DOMAIN, domain)):
        read.report("serviceDomain", "not a host name", "Write a name such as chartwell.hospital.example")
    if certificate and not re.fullmatch(_pem("CERTIFICATE") + "+", certificate.strip(), re.DOTALL):
        read.report(
            "serviceCertificate",
            "not PEM certificates alone",
            "pulumi config set serviceCertificate < chain.pem",
        )
    if certificate and not domain:
        read.report("serviceCertificate", "proves no name", "Set serviceDomain to the name it is for")
    if certificate and not key:
        read.report(
            "serviceCertificateKey",
            "required with serviceCertificate",
            "pulumi config set --secret serviceCertificateKey < key.pem",
        )
    elif key and not certificate:
        read.report(
            "serviceCertificateKey", "a key without its certificate", "Set serviceCertificate as well"
        )
    elif key and not re.fullmatch(_pem("(?:EC |RSA )?PRIVATE KEY"), key.reveal().strip(), re.DOTALL):
        read.report(
            "serviceCertificateKey",
            "not one PEM private key without passphrase",
            "openssl pkey -in key.pem -out open-key.pem",
        )
    return ServiceTls(domain or None, certificate or None, key)


_DOMAIN: Final = (
    r"(?!\d+(?:\.\d+){3}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


def _pem(label: str) -> str:
    return rf"(?:-----BEGIN {label}-----\s[A-Za-z0-9+/=\s]+-----END {label}-----\s*)"


def _client_cidrs(read: _Reader, name: str) -> tuple[str, ...]:
    found = read.listed(name)
    for each in found:
        network = _network(each)
        if network is None:
            read.report(name, f"{each!r} is not a network range", "Write address/prefix, e.g. 10.20.0.0/16")
        elif _reaches_host(read, name, each, network) and network.prefixlen == 0:
            read.report(
                name,
                f"{each} opens patient data to the whole internet",
                "Name the ranges; there is no override",
            )
    if len(set(found)) != len(found):
        read.report(name, "a range is listed twice", "List each range once")
    return found


def _models(read: _Reader) -> ModelChoice:
    names: dict[ModelRole, str] = {
        "llm": read.choice("llmModel", _model_names("llm")),
        "embedding": read.choice("embeddingModel", _model_names("embedding")),
        "image": read.choice("imageModel", _model_names("image")),
    }
    device: Device = "cpu" if read.choice("embeddingDevice", ("gpu", "cpu")) == "cpu" else "gpu"
    embedding = MODELS.get(names["embedding"])
    if device == "cpu" and embedding and embedding.cpu_host_memory_gib is None:
        read.report(
            "embeddingDevice", f"{embedding.name} has no CPU profile", "Use gpu, or nvidia/nv-embedqa-e5-v5"
        )
    llm = MODELS.get(names["llm"])
    high = llm.max_context_tokens if llm else 131_072
    return ModelChoice(
        models={role: name for role, name in names.items() if name != NO_MODEL},
        embedding_device=device,
        llm_context_tokens=read.integer(
            "llmContextTokens",
            LLM_CONTEXT_MIN_TOKENS,
            high,
            "Passages and answer need 2048; the model ends at 131,072",
        ),
        llm_concurrent_sequences=read.integer("llmConcurrentSequences", 1, 256, "8 to 16 keep an A10G busy"),
    )


def _model_names(role: ModelRole) -> tuple[str, ...]:
    return (*[each.name for each in MODELS.values() if each.role == role], NO_MODEL)


def _images(read: _Reader, models: ModelChoice) -> ImageRefs:
    return ImageRefs(
        iris=_image(read, "irisImage", None) or "",
        llm=_model_image(read, "llmImage", models.models.get("llm")),
        embedding=_model_image(read, "embeddingImage", models.models.get("embedding")),
        image=_model_image(read, "clipImage", models.models.get("image")),
    )


def _model_image(read: _Reader, name: str, model: str | None) -> str | None:
    if model is None:
        return None
    if not read.text(name):
        read.report(
            name,
            f"required while {model} runs",
            "docker buildx imagetools inspect REPOSITORY:TAG shows the digest",
        )
        return None
    return _image(read, name, MODELS[model].image_repository)


def _image(read: _Reader, name: str, repository: str | None) -> str | None:
    text = read.text(name)
    if not text:
        return None
    match = IMAGE_REF.fullmatch(text)
    if match is None:
        read.report(name, "not pinned by digest", "Write repository@sha256:<64 hex digits>: tags move")
    elif repository and match["repository"].split("/", 1)[1] != repository.split("/", 1)[1]:
        read.report(name, f"is not the image of {repository}", "A mirror may change the host, not the path")
    return text


def _vision(read: _Reader) -> HostedVision | None:
    url, model, key = read.text("visionUrl"), read.text("visionModel"), read.secret("visionApiKey")
    if not url:
        for name in ("visionModel", "visionApiKey"):
            if read.text(name):
                read.report(name, "there is no visionUrl", "Set visionUrl as well, or remove this key")
        return None
    address = re.fullmatch(r"https://([\w.-]+)(?::443)?(?:/[\w.@+=-]+)*", url)
    if address is None or not re.fullmatch(_DOMAIN, address[1]):
        read.report(
            "visionUrl",
            "not an https address of a named host",
            "Write it as https://vision.hospital.example/v1; the host reaches others on port 443 alone",
        )
    if not re.fullmatch(r"[\w.:/@+-]{1,200}", model):
        read.report("visionModel", "no model id", "Write the id that its /v1/models lists")
    if key and not re.fullmatch(r"[\w.:/@,+=-]{8,}", key.reveal()):
        read.report("visionApiKey", "does not look like a key", "Letters, digits and . _ : / @ , + = - alone")
    return HostedVision(url, model, key)


def _ngc_key(read: _Reader, models: ModelChoice) -> SecretText:
    key = read.secret("ngcApiKey")
    if models.models and not key:
        read.report(
            "ngcApiKey",
            "required while any NIM runs",
            "pulumi config set --secret ngcApiKey (org.ngc.nvidia.com)",
        )
    elif key and not re.fullmatch(r"nvapi-[\w\-]{20,}|[A-Za-z0-9=]{84}", key.reveal()):
        read.report(
            "ngcApiKey",
            "does not look like an NGC key",
            "It starts with nvapi- (or has 84 characters if old)",
        )
    return key


def _key_blob(public_key: str) -> bytes | None:
    parts = public_key.split()
    if len(parts) < 2 or parts[0] not in {"ssh-ed25519", "ssh-rsa"}:
        return None
    try:
        return base64.b64decode(parts[1], validate=True)
    except binascii.Error:
        return None


def _public_key(read: _Reader) -> str:
    text = read.text("sshPublicKey")
    if text.startswith("ecdsa-"):
        read.report(
            "sshPublicKey",
            "an ECDSA key, and EC2 takes RSA and ED25519 only",
            f"ssh-keygen -t ed25519 -N '' -f {KEY_FILE}, then set both halves",
        )
    elif text and _key_blob(text) is None:
        read.report(
            "sshPublicKey", "not an OpenSSH public key", "Use the content of the .pub file: ssh-ed25519 AAAA…"
        )
    return text


def _private_key(read: _Reader) -> SecretText:
    key = read.secret("sshPrivateKey")
    if not key:
        return key
    match = re.fullmatch(
        r"-----BEGIN OPENSSH PRIVATE KEY-----\s+(.*?)\s*-----END OPENSSH PRIVATE KEY-----",
        key.reveal(),
        re.DOTALL,
    )
    try:
        body = base64.b64decode("".join(match[1].split()), validate=True) if match else b""
    except binascii.Error:
        body = b""
    if not body.startswith(b"openssh-key-v1\x00"):
        read.report(
            "sshPrivateKey", "not an OpenSSH private key", f"ssh-keygen -t ed25519 -N '' -f {KEY_FILE}"
        )
    elif b"bcrypt" in body[:64]:
        read.report("sshPrivateKey", "protected by a passphrase", "Make a key for this stack without one")
    else:
        blob = _key_blob(read.text("sshPublicKey"))
        if blob is not None and blob not in body:
            read.report("sshPrivateKey", "does not belong to sshPublicKey", "Set both from the same key pair")
    return key


def _zones(read: _Reader, region: str) -> tuple[str, ...]:
    zones = read.listed("availabilityZones")
    for zone in zones:
        if region in REGIONS and not re.fullmatch(re.escape(region) + "[a-f]", zone):
            read.report(
                "availabilityZones", f"{zone!r} is not a zone of {region}", f"Write {region}a, {region}b, …"
            )
    if len(set(zones)) != len(zones):
        read.report(
            "availabilityZones", "a zone is listed twice", "List each zone once, in order of preference"
        )
    return zones


def _paused(read: _Reader, pause_mode: str) -> bool:
    paused = read.flag("paused")
    if paused and pause_mode != "stop":
        read.report(
            "paused",
            f"has no meaning with pauseMode {pause_mode}",
            "Run pulumi destroy to pause, or set pauseMode stop",
        )
    return paused


def _idle_minutes(read: _Reader) -> int:
    minutes = read.integer("idleMinutes", 0, 1440, "0 switches it off; a day is the longest")
    if 0 < minutes < IDLE_MIN_MINUTES:
        read.report("idleMinutes", "shorter than a cold start", f"Use 0, or at least {IDLE_MIN_MINUTES}")
    return minutes


def _emails(read: _Reader) -> tuple[str, ...]:
    emails = read.listed("alertEmails")
    for each in emails:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", each):
            read.report("alertEmails", f"{each!r} is not a mail address", "Write name@example.org")
    return emails


def _off_hours(read: _Reader) -> OffHours | None:
    stop, start = _time_of_day(read, "offHoursStop"), _time_of_day(read, "offHoursStart")
    days = read.text("offHoursDays").upper()
    if not re.fullmatch(r"[A-Z]{3}([-,][A-Z]{3})*", days) or set(re.findall("[A-Z]{3}", days)) - set(DAYS):
        read.report("offHoursDays", "not a list of days", "Write MON-FRI or MON,WED,FRI")
    timezone = read.text("offHoursTimezone")
    if not _is_timezone(timezone):
        read.report("offHoursTimezone", "no such time zone", "Use an IANA name such as Europe/Berlin")
    if stop is None:
        if start is not None:
            read.report(
                "offHoursStart", "nothing stops the host that this would start", "Set offHoursStop as well"
            )
        return None
    if stop == start:
        read.report("offHoursStart", "the same as offHoursStop", "Set two different times")
    return OffHours(stop, start, days, timezone)


def _is_timezone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # the last: a folder such as Europe
        return False
    return True


def _time_of_day(read: _Reader, name: str) -> time | None:
    text = read.text(name)
    if not text:
        return None
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text)
    if match is None:
        read.report(name, "not a time of day", "Write HH:MM, for example 19:30")
        return None
    return time(int(match[1]), int(match[2]))


def _log_retention(read: _Reader) -> int:
    days = read.integer(
        "logRetentionDays", LOG_RETENTION_DAYS[0], LOG_RETENTION_DAYS[-1], "Logs are kept for a year at least"
    )
    if days not in LOG_RETENTION_DAYS and read.is_good("logRetentionDays"):
        allowed = ", ".join(map(str, LOG_RETENTION_DAYS))
        read.report("logRetentionDays", "CloudWatch does not offer it", f"Use one of: {allowed}")
    return days


def _prefix(read: _Reader) -> str:
    prefix = read.text("documentsPrefix")
    if not re.fullmatch(r"([A-Za-z0-9_.\-]+/)+", prefix) or ".." in prefix:
        read.report(
            "documentsPrefix",
            "not a plain prefix",
            "Write letters, digits, - and _ with a / at the end: documents/",
        )
    return prefix


def _tag(read: _Reader, name: str) -> str:
    value = read.text(name)
    if value and not TAG_VALUE.fullmatch(value):
        read.report(
            name,
            "AWS does not take it as a tag",
            "Use letters, digits, spaces and . : / = + - @, at most 256",
        )
    return value


def _check_together(read: _Reader, config: StackConfig) -> None:
    """Rules over several keys, asked only where each key alone was good."""
    destroying = config.data_retention == "destroy"
    if config.accept_lost_volume and config.restore_snapshot_id:
        read.report(
            "acceptLostVolume",
            "contradicts restoreSnapshotId",
            "Start blank, or restore: keep one of the two",
        )
    if destroying and config.restore_snapshot_id:
        read.report(
            "restoreSnapshotId", "dataRetention destroy removes what it restores", "Remove one of the two"
        )
    if (
        config.monthly_budget_usd
        and not config.alert_emails
        and read.is_good("alertEmails", "monthlyBudgetUsd")
    ):
        read.report(
            "alertEmails",
            "no one would hear of the budget",
            "pulumi config set --path 'alertEmails[0]' you@example.org",
        )


def _literal(value: str, table: Mapping[str, T]) -> T:
    return table[value]


def _shown(value: object) -> str:
    return "(not set)" if value is None or value == "" else str(value)


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, KEYS_BY_NAME, n=1, cutoff=0.0)
    return close[0]
