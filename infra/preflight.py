"""Looks before anything is built: will this up fail, half an hour from now, for a reason that can be known
today?

`python -m infra.preflight --stack dev` prints a table and ends with 1 when something will fail. A check
that may not ask (missing permission) or cannot (no network) is a warning that says what was not checked; it
never passes. Decides nothing about the configuration itself (`config`) and nothing about what fits
(`sizing`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import boto3
import botocore.exceptions

from infra.plan import catalog, inventory
from infra.plan.config import (
    KEYS_BY_NAME,
    PROJECT,
    ConfigurationError,
    StackConfig,
    parse,
)
from infra.plan.faults import FAULTS, LOGIN_CURE, fault_line
from infra.plan.hosts import end_command, surplus_hosts
from infra.plan.image_registry import REFERENCE, ImageRegistry, Login, RefusedError, UnreachableError
from infra.plan.state import exported_state, known_ids
from infra.rollout.steps import NGC_REGISTRY, NGC_USER

QUOTA_ON_DEMAND: Final = "L-DB2E81BA"  # Running On-Demand G and VT instances, in vCPUs
QUOTA_SPOT: Final = "L-3819A6DF"  # All G and VT Spot Instance Requests, in vCPUs
PRICE_REGION: Final = "us-east-1"  # the Price List API lives in a few regions only
PRICE_TOLERANCE: Final = 0.05
LICENCE_DAYS: Final = 365  # of IRIS Community, from the release; a later start of the container fails
LICENCE_WARNING_DAYS: Final = 90
IMAGE_DAYS_MAX: Final = 45  # Ubuntu publishes one every few weeks; driver packages move on about as fast
REFUSED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")

PreflightStatus = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class PreflightFinding:
    """What one check found, and what to do about it."""

    check: str
    status: PreflightStatus
    message: str
    cure: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What the checks may ask: an AWS session, registries by host and login, the time."""

    session: Any
    registry: Callable[[str, Login | None], ImageRegistry]
    now: datetime
    known: Callable[[], frozenset[str]] | None = None
    """Ids and ARNs in the stack's state; None where an up has compared them already."""


PreflightCheck = Callable[[StackConfig, Surroundings], Iterator[PreflightFinding]]


class PreflightError(Exception):
    """At least one check says that the up will fail. `findings` holds all of them. Nothing has been
    created."""

    def __init__(self, findings: Sequence[PreflightFinding]) -> None:
        self.findings = tuple(findings)
        lines = [f"  - {each.message} {each.cure}".rstrip() for each in findings if each.status == "fail"]
        super().__init__(
            "This up would fail (docs/troubleshooting-aws.md#preflight). Nothing was created:\n"
            + "\n".join(lines)
        )


def credentials(config: StackConfig, around: Surroundings) -> Iterator[PreflightFinding]:
    """Who am I, and is it the account that the stack may touch?"""
    account = str(around.session.client("sts").get_caller_identity()["Account"])
    if config.aws_account_id and account != config.aws_account_id:
        yield PreflightFinding(
            "credentials",
            "fail",
            f"These credentials are of account {account}; the stack may touch {config.aws_account_id} only.",
            "Choose another profile (chartwell:awsProfile).",
        )
    else:
        yield PreflightFinding("credentials", "pass", f"Account {account}.")


def hosts(config: StackConfig, around: Surroundings) -> Iterator[PreflightFinding]:
    """Does a host live that the state does not know? An up refuses to put a second one beside it."""
    if around.known is None:
        return
    live = inventory.live_hosts(around.session.client("ec2"), config)
    try:
        found = surplus_hosts(live, around.known(), around.session, config.region) if live else ()
    except RuntimeError as error:
        yield PreflightFinding("hosts", "warn", f"Not checked: {error}")
        return
    for each in found:
        cure = f"End it: {end_command(each.instance_id, config.stack, config.region)}"
        yield PreflightFinding("hosts", "fail", f"Not in the state: {each.line}.", cure)
    if not found:
        yield PreflightFinding("hosts", "pass", f"{len(live)} alive, none that the state does not know.")


def quota(config: StackConfig, around: Surroundings) -> Iterator[PreflightFinding]:
    """G and VT vCPUs: new accounts often have none, and the error comes only when the host is made."""
    code = QUOTA_SPOT if config.spot else QUOTA_ON_DEMAND
    answer = around.session.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=code)
    allowed = int(answer["Quota"]["Value"])
    used = _vcpus_in_use(config, around)
    wanted = catalog.INSTANCE_TYPES[config.instance_type].vcpus
    kind = "spot" if config.spot else "on-demand"
    numbers = f"{kind} G/VT vCPUs in {config.region}: {allowed} allowed, {used} in use, {wanted} wanted"
    if allowed - used >= wanted:
        yield PreflightFinding("quota", "pass", f"{numbers}.")
        return
    request = f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {code}"
    yield PreflightFinding(
        "quota",
        "fail",
        f"{numbers}.",
        f"Ask for more (hours to days): {request} --desired-value {used + wanted} --region {config.region}",
    )


def _vcpus_in_use(config: StackConfig, around: Surroundings) -> int:
    """Of other running G and VT instances of the same kind; this stack's own host is replaced, not
    doubled."""
    pages = around.session.client("ec2").get_paginator("describe_instances")
    filters = [
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    total = 0
    for page in pages.paginate(Filters=filters):
        for each in (one for reservation in page["Reservations"] for one in reservation["Instances"]):
            tags = {tag["Key"]: tag["Value"] for tag in each.get("Tags", ())}
            own = tags.get("Project") == PROJECT and tags.get("Stack") == config.stack
            counted = str(each["InstanceType"]).startswith(("g", "vt"))
            if counted and not own and (each.get("InstanceLifecycle") == "spot") == config.spot:
                total += _vcpus(each)
    return total


def _vcpus(instance: Mapping[str, Any]) -> int:
    known = catalog.INSTANCE_TYPES.get(str(instance["InstanceType"]))
    cpu = instance.get("CpuOptions", {})
    return known.vcpus if known else int(cpu.get("CoreCount", 0)) * int(cpu.get("ThreadsPerCore", 1))


def zones(config: StackConfig, around: Surroundings) -> Iterator[PreflightFinding]:
    """Does each named zone offer the instance type? Offered does not mean that one is free today."""
    pages = around.session.client("ec2").get_paginator("describe_instance_type_offerings")
    offered: set[str] = set()
    for page in pages.paginate(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [config.instance_type]}],
    ):
        offered |= {str(each["Location"]) for each in page["InstanceTypeOfferings"]}
    wrong = [zone for zone in config.availability_zones if zone not in offered]
    listed = ", ".join(sorted(offered)) or "none"
    if not offered or wrong:
        subject = ", ".join(wrong) or config.region
        cure = f"Zones that offer it: {listed}." if offered else "Choose another region or type."
        yield PreflightFinding(
            "zones", "fail", f"{subject}: {config.instance_type} is not offered there.", cure
        )
    else:
        yield PreflightFinding("zones", "pass", f"{config.instance_type} is offered in {listed}.")


def spot_role(config: StackConfig, around: Surroundings) -> Iterator[PreflightFinding]:
    """The key's policy names EC2's role for spot, and KMS refuses a policy that names a role which does not exist."""
    if not config.spot:
        return
    try:
        around.session.client("iam").get_role(RoleName=catalog.SPOT_ROLE)
    except botocore.exceptions.ClientError as error:
        if _code(error) != "NoSuchEntity":
            raise
        yield PreflightFinding(
            "spot role",
            "fail",
            f"The account has no role {catalog.SPOT_ROLE}: spot was never used in it.",
            "Once an account: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
        )
        return
    yield PreflightFinding("spot role", "pass", f"{catalog.SPOT_ROLE} exists.")


def machine_image(config: StackConfig, around: Surroundings) -> Iterator[PreflightFinding]:
    """Is the pinned image still there, for this processor, and does it fit on the root disk?"""
    try:
        found = around.session.client("ec2").describe_images(ImageIds=[config.ami_id])["Images"]
    except botocore.exceptions.ClientError as error:
        if not _code(error).startswith("InvalidAMIID"):
            raise
        found = []
    cure = "Look up a current one: python -m infra.ami --set"
    if not found or found[0].get("State", "available") != "available":
        yield PreflightFinding(
            "machine image", "fail", f"{config.ami_id} does not exist in {config.region}.", cure
        )
        return
    image = found[0]
    if image.get("Architecture") != "x86_64":
        yield PreflightFinding(
            "machine image", "fail", f"{config.ami_id} is for {image.get('Architecture')}, not x86_64.", cure
        )
        return
    devices = image.get("BlockDeviceMappings", ())
    needed_gb = max((int(each.get("Ebs", {}).get("VolumeSize", 0)) for each in devices), default=0)
    if needed_gb > config.root_volume_size_gb:
        yield PreflightFinding(
            "machine image",
            "fail",
            f"{config.ami_id} needs a root disk of {needed_gb} GB; it has {config.root_volume_size_gb}.",
            f"pulumi config set rootVolumeSizeGb {needed_gb}",
        )
        return
    ends = image.get("DeprecationTime")
    if ends and _instant(str(ends)) < around.now:
        yield PreflightFinding(
            "machine image", "warn", f"{config.ami_id} has been out of support since {ends[:10]}.", cure
        )
        return
    days = (around.now - _instant(str(image.get("CreationDate") or around.now.isoformat()))).days
    if days > IMAGE_DAYS_MAX:
        yield PreflightFinding(
            "machine image",
            "warn",
            f"{config.ami_id} is {days} days old: it lacks the kernel fixes since, and the driver is newer.",
            cure,
        )
    else:
        yield PreflightFinding(
            "machine image", "pass", f"{config.ami_id} {image.get('Name', '')}".rstrip() + "."
        )


def images(config: StackConfig, around: Surroundings) -> Iterator[PreflightFinding]:
    """Does the key open each image, and is the digest there? Then also: how old is the database's licence?"""
    references = [config.images.iris, *(each for each in _model_images(config) if each)]
    for reference in references:
        match = REFERENCE.fullmatch(reference)
        if match is None:
            continue  # config has refused it already
        host, repository = match["host"], match["repository"]
        login = Login(NGC_USER, config.ngc_api_key.reveal()) if host == NGC_REGISTRY else None
        registry = around.registry(host, login)
        yield _image(registry, repository, match["digest"] or match["tag"] or "latest", login is not None)
    yield from _licence(config, around)


def _model_images(config: StackConfig) -> tuple[str | None, ...]:
    return (config.images.llm, config.images.embedding, config.images.image)


def _image(registry: ImageRegistry, repository: str, reference: str, with_key: bool) -> PreflightFinding:
    try:
        registry.manifest(repository, reference)
    except RefusedError as refusal:
        if refusal.status in {401, 402, 403} and with_key:
            cure = "Make a personal key with the NGC Catalog scope: pulumi config set --secret ngcApiKey"
            return PreflightFinding(
                "images", "fail", f"The NGC key does not open {repository} ({refusal.status}).", cure
            )
        return PreflightFinding(
            "images",
            "fail",
            f"{refusal}.",
            "Pin the digest of an image that exists (docs/deployment-guide.md).",
        )
    except UnreachableError as silence:
        return PreflightFinding("images", "warn", f"Not checked: {repository}: {silence}.")
    return PreflightFinding("images", "pass", f"{repository}@{reference[:19]} can be pulled.")


def _licence(config: StackConfig, around: Surroundings) -> Iterator[PreflightFinding]:
    match = REFERENCE.fullmatch(config.images.iris)
    if match is None or "community" not in match["repository"]:
        return
    registry = around.registry(match["host"], None)
    try:
        made = registry.created(match["repository"], match["digest"] or match["tag"] or "latest")
    except (RefusedError, UnreachableError) as error:
        yield PreflightFinding("IRIS licence", "warn", f"Not checked: {error}.")
        return
    if made is None:
        yield PreflightFinding(
            "IRIS licence", "warn", "Not checked: the image does not say when it was made."
        )
        return
    left_days = (made + timedelta(days=LICENCE_DAYS) - around.now).days
    text = f"The image was made on {made:%Y-%m-%d}; its licence ends a year after its release"
    cure = "Pin a newer IRIS image; data is upgraded at its start (docs/runbook.md#upgrade-iris)."
    if left_days < 0:
        yield PreflightFinding("IRIS licence", "fail", f"{text}, so IRIS would not start.", cure)
    elif left_days < LICENCE_WARNING_DAYS:
        yield PreflightFinding("IRIS licence", "warn", f"{text}, about {left_days} days from now.", cure)
    else:
        yield PreflightFinding("IRIS licence", "pass", f"{text}: about {left_days} days left.")


def prices(config: StackConfig, around: Surroundings) -> Iterator[PreflightFinding]:
    """Is the price that the budget was planned with still the price?"""
    client = around.session.client("pricing", region_name=PRICE_REGION)
    wanted = {
        "instanceType": config.instance_type,
        "regionCode": config.region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in wanted.items()]
    answer = client.get_products(ServiceCode="AmazonEC2", Filters=filters)
    today = _usd_per_hour(answer["PriceList"])
    known = catalog.INSTANCE_TYPES[config.instance_type].usd_per_hour * catalog.REGIONS[config.region]
    if today is None:
        yield PreflightFinding(
            "prices", "warn", f"Not checked: the price list has no {config.instance_type}."
        )
    elif abs(today - known) / known > PRICE_TOLERANCE:
        yield PreflightFinding(
            "prices",
            "warn",
            f"{config.instance_type} costs ${today:.3f}/h today; planned with ${known:.3f}.",
            "Judge chartwell:monthlyBudgetUsd again.",
        )
    else:
        yield PreflightFinding("prices", "pass", f"{config.instance_type}: ${today:.3f}/h on demand.")


def _usd_per_hour(products: Sequence[str]) -> float | None:
    for product in products:
        for term in json.loads(product).get("terms", {}).get("OnDemand", {}).values():
            for dimension in term["priceDimensions"].values():
                usd = float(dimension["pricePerUnit"].get("USD", 0))
                if usd > 0:
                    return usd
    return None


CHECKS: Final[tuple[tuple[str, str, PreflightCheck], ...]] = (
    ("credentials", "sts:GetCallerIdentity", credentials),
    ("hosts", "ec2:DescribeInstances", hosts),
    ("quota", "servicequotas:GetServiceQuota, ec2:DescribeInstances", quota),
    ("zones", "ec2:DescribeInstanceTypeOfferings", zones),
    ("spot role", "iam:GetRole", spot_role),
    ("machine image", "ec2:DescribeImages", machine_image),
    ("images", "none", images),
    ("prices", "pricing:GetProducts", prices),
)


def run(
    config: StackConfig,
    around: Surroundings,
    checks: Sequence[tuple[str, str, PreflightCheck]] = CHECKS,
) -> list[PreflightFinding]:
    """All findings. A check that is not allowed to ask, or gets no answer, becomes a warning that says so."""
    found: list[PreflightFinding] = []
    for name, permission, check in checks:
        try:
            found += check(config, around)
        except botocore.exceptions.ClientError as error:
            if _code(error) in REFUSED:
                found.append(
                    PreflightFinding(
                        name,
                        "warn",
                        f"Not checked: permission {permission} is missing.",
                        "Grant it, or go on.",
                    )
                )
            elif name == "credentials":
                found.append(
                    PreflightFinding(
                        name, "fail", f"AWS refuses these credentials: {_code(error)}.", f"{LOGIN_CURE}."
                    )
                )
            else:
                found.append(PreflightFinding(name, "warn", f"Not checked: AWS answers {_code(error)}."))
        except FAULTS as error:
            status: PreflightStatus = "fail" if name == "credentials" else "warn"
            found.append(
                PreflightFinding(
                    name,
                    status,
                    f"Not checked: {fault_line(error)}.",
                    "Check the credentials and the network.",
                )
            )
    return found


def require(config: StackConfig, around: Surroundings | None = None) -> list[PreflightFinding]:
    """For the start of an up: the warnings. Raises PreflightError when a check says that the up will
    fail."""
    found = run(config, around or surroundings(config))
    if any(each.status == "fail" for each in found):
        raise PreflightError(found)
    return [each for each in found if each.status == "warn"]


def surroundings(config: StackConfig) -> Surroundings:
    """The real ones: the configured profile and region, registries over TLS, the clock."""
    session = boto3.Session(profile_name=config.aws_profile, region_name=config.region)
    return Surroundings(session, ImageRegistry, datetime.now(UTC))


def _code(error: botocore.exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "an error"))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def stack_config(stack: str, read: Callable[[Sequence[str]], str] | None = None) -> StackConfig:
    """The stack's configuration as the `pulumi` command tells it, secrets included; they are not printed.

    Raises ConfigurationError, and RuntimeError when `pulumi` cannot be asked.
    """
    read = read or _pulumi
    answer = json.loads(read(["config", "--json", "--show-secrets", "--stack", stack]))
    short = {
        name.removeprefix(f"{PROJECT}:"): each for name, each in answer.items() if name.startswith(PROJECT)
    }
    values = {name: each.get("objectValue", each.get("value")) for name, each in short.items()}
    declared = {name for name, key in KEYS_BY_NAME.items() if key.secret}
    secret = {name for name, each in short.items() if each.get("secret")}
    return parse(values, secret_keys=secret & (declared | secret), stack=stack.rsplit("/", 1)[-1])


def _pulumi(arguments: Sequence[str]) -> str:
    try:
        done = subprocess.run(["pulumi", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RuntimeError("The pulumi command is not installed (docs/deployment-guide.md).") from None
    if done.returncode:
        raise RuntimeError(f"pulumi {arguments[0]} failed: {done.stderr.strip()[-400:]}")
    return done.stdout


def table(findings: Sequence[PreflightFinding]) -> str:
    """One line a finding, its cure below."""
    lines = []
    for each in findings:
        lines.append(f"{each.status:<5} {each.check:<14} {each.message}")
        if each.cure and each.status != "pass":
            lines.append(f"{'':<20} → {each.cure}")
    return "\n".join(lines)


def warnings(findings: Sequence[PreflightFinding], stack: str, *, named_only: bool) -> list[str]:
    """For an up: one line a finding that is no pass; with `named_only` a single one that names the checks.

    An up runs the program twice: its preview tells the whole, the update does not tell it again.
    """
    bad = [each for each in findings if each.status != "pass"]
    if named_only and bad:
        names = ", ".join(dict.fromkeys(each.check for each in bad))
        return [f"The preflight warns of: {names} (python -m infra.preflight --stack {stack})."]
    return [f"{each.check}: {each.message} {each.cure}".rstrip() for each in bad]


def main(arguments: Sequence[str] | None = None) -> int:
    """0: the up may start; 1: a check says that it will fail; 2: the configuration cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.preflight", description="Check before `pulumi up`."
    )
    parser.add_argument("--stack", required=True, help="name of the stack, such as dev")
    options = parser.parse_args(arguments)
    try:
        config = stack_config(options.stack)
    except (ConfigurationError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    around = replace(surroundings(config), known=lambda: known_ids(exported_state(options.stack)))
    found = run(config, around)
    sys.stdout.write(table(found) + "\n")
    return int(any(each.status == "fail" for each in found))


if __name__ == "__main__":
    sys.exit(main())
