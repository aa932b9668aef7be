"""The whole program under the recording monitor: what is built, how it is protected, how it ends."""

from __future__ import annotations

import importlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from infra import policy
from infra import stack as program
from infra.components.storage import Credentials
from infra.plan.config import KEY_FILE
from infra.plan.inventory import FoundVolume, Inventory
from infra.plan.sizing import PlanError
from infra.rollout.cloud_init import USER_DATA_BYTES_MAX
from tests.infra.recording import Recorded, Registered, destroy_layers, leaves, record
from tests.infra.stacks import HOST_KEY, NGC_KEY, ZONES, config, inventory, private_key

GENERATED = Credentials(iris_password="iris-pass-9f3b61", service_secret="service-secret-77c0a2")
# A line of a private key, since its newlines are escaped in JSON.
VISION_KEY = "vision-key-41d0e7c2"
SECRETS = (
    NGC_KEY,
    VISION_KEY,
    private_key().splitlines()[1],
    GENERATED.iris_password,
    GENERATED.service_secret,
)
TOPIC = "arn:aws:sns:us-east-1:123456789012:chartwell-dev-alarms"
VOLUME = "aws:ebs/volume:Volume"
INSTANCE = "aws:ec2/instance:Instance"

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "snapshot": {"pauseMode": "snapshot"},
    "stop": {"pauseMode": "stop"},
    "spot": {"spot": True},
    "schedule": {"offHoursStop": "19:30", "offHoursStart": "07:00", "offHoursTimezone": "Europe/Berlin"},
    "clients": {
        "serviceCidrs": '["10.1.0.0/16"]',
        "irisCidrs": '["10.2.0.0/16", "192.0.2.0/28"]',
        "nimCidrs": '["10.3.0.0/16"]',
    },
    "all models": {
        "instanceType": "g6e.xlarge",
        "imageModel": "nvidia/nvclip",
        "clipImage": "nvcr.io/nim/nvidia/nvclip@sha256:" + "ab" * 32,
    },
    "vision": {
        "visionUrl": "https://vision.hospital.example/v1",
        "visionModel": "some/vlm",
        "visionApiKey": VISION_KEY,
    },
    "open ssh": {"operatorCidr": "0.0.0.0/0", "acceptOperatorCidr": "0.0.0.0/0"},
}


def run(found: Inventory | None = None, **changes: Any) -> Recorded:
    stack = config(**changes)
    return record(lambda: program.build(stack, found or inventory(), GENERATED, host_keys=lambda _: HOST_KEY))


def test_the_network_spans_the_same_zones_wherever_there_is_room_today() -> None:
    """The first up probes for room and knows one zone, the second finds a host and knows them all."""
    first = run(inventory(zones=("us-east-1c",), offered_zones=ZONES))
    second = run(inventory(offered_zones=ZONES))
    subnets = [sorted(each.name for each in found.of("aws:ec2/subnet:Subnet")) for found in (first, second)]
    assert subnets[0] == subnets[1]
    assert len(subnets[0]) == len(ZONES)


def test_a_bucket_logs_only_once_the_other_lets_it_write() -> None:
    """S3 refuses a target without the policy for its log service."""
    recorded = variant("default")
    (policy_of_logs,) = [
        each for each in recorded.of("aws:s3/bucketPolicy:BucketPolicy") if "access-logs" in each.name
    ]
    logging = recorded.of("aws:s3/bucketLogging:BucketLogging")
    assert len(logging) == 2
    assert all(policy_of_logs.urn in each.dependencies for each in logging)


@cache
def variant(name: str) -> Recorded:
    return run(**VARIANTS[name])


@pytest.fixture(scope="module")
def built() -> Recorded:
    return variant("default")


@pytest.mark.parametrize("name", VARIANTS)
def test_no_variant_breaks_a_guard_rail(name: str) -> None:
    accepted = {"0.0.0.0/0"} if name == "open ssh" else set()
    assert policy.check(variant(name).graph(), accepted_open=accepted) == []


def test_open_ssh_breaks_the_guard_rail_unless_accepted() -> None:
    assert {each.rule for each in policy.check(variant("open ssh").graph())} == {"no-world-ingress"}


@pytest.mark.parametrize("name", VARIANTS)
def test_no_secret_is_plain_in_any_input(name: str) -> None:
    for each in variant(name).resources:
        for path, value in leaves(each.props):
            if any(secret in str(value) for secret in SECRETS):
                wrapped = any(
                    path == found or path.startswith((f"{found}.", f"{found}["))
                    for found in each.secret_paths
                )
                assert wrapped, f"{each.name}.{path} holds a secret in plain text"


def test_secrets_do_reach_where_they_are_needed(built: Recorded) -> None:
    """The test before this one would pass on a program that lost its secrets."""
    values = {
        str(value) for each in built.of("aws:ssm/parameter:Parameter") for _, value in leaves(each.props)
    }
    assert {GENERATED.iris_password, GENERATED.service_secret} <= values


def test_user_data_is_small_names_the_volume_and_holds_no_secret(built: Recorded) -> None:
    user_data = built.one(INSTANCE).props["userData"]
    assert len(user_data.encode()) < USER_DATA_BYTES_MAX
    assert built.one(VOLUME).id in user_data
    assert not any(secret in user_data for secret in SECRETS)


def test_everything_has_the_one_provider_and_a_parent(built: Recorded) -> None:
    provider = built.one("pulumi:providers:aws")
    for each in built.custom:
        if each.type.startswith("aws:"):
            assert each.provider.startswith(provider.urn), each.name
            assert each.parent, f"{each.name} hangs directly under the stack"
    tags = json.loads(provider.props["defaultTags"])["tags"]
    assert set(policy.REQUIRED_TAGS) <= set(tags)
    assert json.loads(provider.props["allowedAccountIds"]) == ["123456789012"]


def test_the_host_depends_on_the_volume_and_goes_first(built: Recorded) -> None:
    layer_of = {each.name: number for number, layer in enumerate(destroy_layers(built)) for each in layer}
    attachment, instance = layer_of["chartwell-dev-host-volume-on"], layer_of["chartwell-dev-host-instance"]
    assert attachment < instance < layer_of["chartwell-dev-data-volume"]
    assert instance < layer_of["chartwell-dev-internet"] < layer_of["chartwell-dev-gateway"]
    assert layer_of["chartwell-dev-host-address-on"] < layer_of["chartwell-dev-gateway"]
    assert instance < layer_of["chartwell-dev-host-policy"], "the host must be able to act until it is gone"


def test_no_policy_that_the_state_does_not_know_keeps_a_role_from_being_removed() -> None:
    """One whose creation was cut off is made again under another name, and the pause failed at its role."""
    roles = run(offHoursStop="19:30").of("aws:iam/role:Role")
    assert len(roles) == 3
    for each in roles:
        assert each.props["forceDetachPolicies"] is True, each.name


def test_the_volume_is_stopped_cleanly_and_the_host_never_doubled(built: Recorded) -> None:
    attachment = built.one("aws:ec2/volumeAttachment:VolumeAttachment")
    assert attachment.props["stopInstanceBeforeDetaching"] is True
    assert built.one(INSTANCE).delete_before_replace
    assert built.one(INSTANCE).ignore_changes == ()


def test_the_data_volume_in_each_mode() -> None:
    kept, snapshotted = variant("default").one(VOLUME), variant("snapshot").one(VOLUME)
    assert (kept.retain_on_delete, kept.props["finalSnapshot"]) == (True, False)
    assert (snapshotted.retain_on_delete, snapshotted.props["finalSnapshot"]) == (False, True)
    assert snapshotted.delete_timeout == "2h"
    assert kept.ignore_changes == ("snapshotId",)


def test_retention_destroy_releases_everything_and_nothing_else_does() -> None:
    released = run(dataRetention="destroy")
    assert not any(each.retain_on_delete for each in released.custom)
    assert all(each.props["forceDestroy"] for each in released.of("aws:s3/bucket:Bucket"))
    for name in VARIANTS:
        for each in variant(name).of("aws:s3/bucket:Bucket"):
            assert each.retain_on_delete
            assert not each.props["forceDestroy"]


def test_nobody_but_the_operator_comes_in_by_default(built: Recorded) -> None:
    (rule,) = built.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert (rule.props["cidrIpv4"], rule.props["fromPort"], rule.props["toPort"]) == (
        "203.0.113.7/32",
        22,
        22,
    )


def test_named_clients_get_their_ports_and_no_others() -> None:
    rules = variant("clients").of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    found = {
        (
            each.props["cidrIpv4"],
            each.props["fromPort"],
            each.props["toPort"],
        )
        for each in rules
    }
    assert found == {
        ("203.0.113.7/32", 22, 22),
        ("10.1.0.0/16", 443, 443),
        ("10.2.0.0/16", 1972, 1972),
        ("10.2.0.0/16", 52773, 52773),
        ("192.0.2.0/28", 1972, 1972),
        ("192.0.2.0/28", 52773, 52773),
        ("10.3.0.0/16", 8000, 8002),
    }


def test_a_stopped_host_is_sent_no_commands() -> None:
    assert variant("stop").of("command:remote:Command")
    assert run(pauseMode="stop", paused=True).of("command:remote:Command") == []


def test_no_step_needs_a_living_host_to_be_destroyed(built: Recorded) -> None:
    commands = built.of("command:remote:Command")
    assert len(commands) >= 5
    assert not any("delete" in each.props for each in commands)


def test_spot_hosts_stop_instead_of_vanishing() -> None:
    options = variant("spot").one(INSTANCE).props["instanceMarketOptions"]["spotOptions"]
    assert options == {"instanceInterruptionBehavior": "stop", "spotInstanceType": "persistent"}
    assert "AWSServiceRoleForEC2Spot" in variant("spot").one("aws:kms/key:Key").props["policy"]
    assert "AWSServiceRoleForEC2Spot" not in variant("default").one("aws:kms/key:Key").props["policy"]


def test_the_schedule_stops_and_starts_only_this_host() -> None:
    built = variant("schedule")
    times = {each.props["scheduleExpression"] for each in built.of("aws:scheduler/schedule:Schedule")}
    assert times == {"cron(30 19 ? * MON-FRI *)", "cron(0 7 ? * MON-FRI *)"}
    (rights,) = [each for each in built.of("aws:iam/rolePolicy:RolePolicy") if "hours" in each.name]
    statement = json.loads(rights.props["policy"])["Statement"][0]
    assert statement["Action"] == ["ec2:StopInstances", "ec2:StartInstances"]
    assert statement["Resource"] == [f"arn:aws:ec2:us-east-1:123456789012:instance/{built.one(INSTANCE).id}"]
    assert variant("default").of("aws:scheduler/schedule:Schedule") == []


def test_the_schedule_may_open_the_encrypted_disks_of_the_host_that_it_starts() -> None:
    built = variant("schedule")
    (rights,) = [each for each in built.of("aws:iam/rolePolicy:RolePolicy") if "hours" in each.name]
    with_key = [
        each for each in json.loads(rights.props["policy"])["Statement"] if "kms:" in str(each["Action"])
    ]
    assert {action for each in with_key for action in each["Action"]} == {
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncrypt*",
    }
    disks_key = built.one(INSTANCE).props["rootBlockDevice"]["kmsKeyId"]
    assert disks_key == built.one(VOLUME).props["kmsKeyId"]
    for each in with_key:
        assert each["Resource"] == [disks_key]
        assert each["Condition"]["StringEquals"] == {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}
        lends = "kms:CreateGrant" in each["Action"]
        assert each["Condition"].get("Bool") == ({"kms:GrantIsForAWSResource": "true"} if lends else None)
    # What a role of the account is given counts: the key leaves the say to the account's own policies.
    first = json.loads(built.one("aws:kms/key:Key").props["policy"])["Statement"][0]
    assert first["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert (first["Action"], first.get("Condition")) == (["kms:*"], None)


def test_the_host_reads_documents_below_its_prefix_only(built: Recorded) -> None:
    (rights,) = [
        each for each in built.of("aws:iam/rolePolicy:RolePolicy") if each.name == "chartwell-dev-host-policy"
    ]
    statements = {each["Sid"]: each for each in json.loads(rights.props["policy"])["Statement"]}
    assert statements["ReadDocuments"]["Resource"] == [
        "arn:aws:s3:::chartwell-dev-123456789012-documents/documents/*"
    ]
    assert statements["NoOtherParameters"]["Effect"] == "Deny"
    assert statements["NoOtherParameters"]["NotResource"] == statements["ReadParameters"]["Resource"]
    actions = {action for each in statements.values() for action in each["Action"]}
    assert not {action for action in actions if "Delete" in action}


def test_the_budget_mails_four_times(built: Recorded) -> None:
    budget = built.one("aws:budgets/budget:Budget")
    assert [each["threshold"] for each in budget.props["notifications"]] == [50, 80, 100, 100]
    assert all(
        each["subscriberEmailAddresses"] == ["ops@example.org"] for each in budget.props["notifications"]
    )


def test_alarms_mail_and_do_nothing_else(built: Recorded) -> None:
    """EC2 does not recover a host with an instance store: an alarm that asks for it is refused."""
    alarms = built.of("aws:cloudwatch/metricAlarm:MetricAlarm")
    topic = built.one("aws:sns/topicPolicy:TopicPolicy").props["arn"]
    assert {each.name.rsplit("-", 1)[1] for each in alarms} == {"hardware", "system", "disk", "idle"}
    assert all(each.props["alarmActions"] == [topic] for each in alarms)


def test_an_account_that_holds_everything_is_adopted_whole(built: Recorded) -> None:
    """Nothing that survives is created a second time: each survivor is imported by its name or id."""
    volume = built.one(VOLUME)
    found = inventory(
        volumes=(FoundVolume(volume.id, "us-east-1b", 200, "available", True),),
        parameters={
            "data-volume": volume.id,
            "host-key": f"{built.one(INSTANCE).id} {HOST_KEY}",
            "iris-password": "kept-1",
            "service-secret": "kept-2",
        },
        buckets=frozenset({"documents", "backups", "access-logs"}),
        log_groups=frozenset({"host", "service", "flow"}),
        key_id="1234abcd",
        key_state="Enabled",
        budget_exists=True,
        subscriptions={"ops@example.org": f"{TOPIC}:1"},
    )
    adopted = record(
        lambda: program.build(config(), found, host_keys=lambda _: pytest.fail("it is recorded"))
    )
    companions = {each.type for each in adopted.custom if each.type.startswith("aws:s3/bucket")}
    settings_of_buckets = companions - {"aws:s3/bucket:Bucket"}
    for each in adopted.custom:
        if each.retain_on_delete and each.type not in settings_of_buckets:
            assert each.import_id, f"{each.name} would be created again"
    assert adopted.one(INSTANCE).props["availabilityZone"] == "us-east-1b"
    assert adopted.outputs["settings"]["CHARTWELL_IRIS__PASSWORD"] == "kept-1"


def test_a_subscription_that_nobody_confirmed_is_asked_for_again() -> None:
    adopted = run(inventory(subscriptions={}))
    assert adopted.one("aws:sns/topic:Topic").import_id == TOPIC
    assert adopted.one("aws:sns/topicSubscription:TopicSubscription").import_id == ""


def test_who_left_the_list_and_still_gets_alarms_is_named(caplog: pytest.LogCaptureFixture) -> None:
    run(inventory(subscriptions={"ops@example.org": f"{TOPIC}:1", "left@example.org": f"{TOPIC}:2"}))
    (said,) = [each for each in caplog.messages if "alarms" in each]
    assert said.endswith(f"aws sns unsubscribe --subscription-arn {TOPIC}:2")


NO_LANGUAGE_MODEL = {"llmModel": "none", "llmImage": None}
NO_MODEL = {**NO_LANGUAGE_MODEL, "embeddingModel": "none", "embeddingImage": None, "ngcApiKey": None}


@pytest.mark.parametrize(
    ("changes", "gpu"),
    [({}, "required"), ({**NO_LANGUAGE_MODEL, "embeddingDevice": "cpu"}, "none"), (NO_MODEL, "none")],
)
def test_the_checks_want_a_gpu_where_a_model_was_given_one(
    changes: dict[str, Any], gpu: str, tmp_path: Path
) -> None:
    wheel = tmp_path / "chartwell-1-py3-none-any.whl"
    wheel.write_bytes(b"")
    stack = config(**changes)
    found = record(
        lambda: program.build(stack, inventory(), GENERATED, host_keys=lambda _: HOST_KEY, wheel=wheel)
    )
    (settings,) = [each for each in found.resources if each.name.endswith("job-pipeline-settings")]
    assert any(f"CHARTWELL_CHECKS__GPU={gpu}\n" in str(value) for _, value in leaves(settings.props))


def test_nv_clip_is_one_step_and_one_port_more() -> None:
    """What a stack without it registers is the same on that host, name by name, and in the same security group."""
    with_it = {**VARIANTS["all models"], "nimCidrs": '["10.3.0.0/16"]'}
    without, found = run(instanceType=with_it["instanceType"], nimCidrs=with_it["nimCidrs"]), run(**with_it)
    names = [{each.name for each in recorded.resources} for recorded in (without, found)]
    assert [each.rpartition("services-")[2] for each in names[1] - names[0]] == ["nim-image"]
    assert names[0] <= names[1]
    rules = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    assert found.of(rules)
    assert [each.props for each in found.of(rules)] == [each.props for each in without.of(rules)]
    assert "-L 8002:127.0.0.1:8002" in found.outputs["tunnel"]
    assert "8002" not in without.outputs["tunnel"]
    assert found.outputs["urls"]["image"] == "http://127.0.0.1:8002"
    assert found.outputs["plan"]["models"]["image"] == "nvidia/nvclip on the gpu"


def test_a_vision_model_elsewhere_is_a_setting_of_the_pipeline_and_nothing_else(tmp_path: Path) -> None:
    wheel = tmp_path / "chartwell-1-py3-none-any.whl"
    wheel.write_bytes(b"")

    def deployed(name: str) -> Recorded:
        stack = config(**VARIANTS[name])
        return record(
            lambda: program.build(stack, inventory(), GENERATED, host_keys=lambda _: HOST_KEY, wheel=wheel)
        )

    without, found = deployed("default"), deployed("vision")
    assert {each.name for each in found.resources} == {each.name for each in without.resources}
    (before,), (settings,) = (
        [each for each in recorded.resources if each.name.endswith("job-pipeline-settings")]
        for recorded in (without, found)
    )
    ((path, text),) = [each for each in leaves(settings.props) if "VISION__URL" in str(each[1])]
    assert f"CHARTWELL_VISION__API_KEY={VISION_KEY}\n" in str(text)
    assert any(path == secret or path.startswith(secret) for secret in settings.secret_paths)
    assert not any("VISION" in str(value) for _, value in leaves(before.props))


def test_an_impossible_plan_registers_nothing() -> None:
    with pytest.raises(PlanError, match=r"set instanceType g6e\.xlarge"):
        run(imageModel="nvidia/nvclip", clipImage="nvcr.io/nim/nvidia/nvclip@sha256:" + "ab" * 32)


def test_outputs_answer_how_to_reach_pay_and_pause(built: Recorded) -> None:
    outputs = built.outputs
    login = f"-i {KEY_FILE} ubuntu@198.51.100.7"
    assert outputs["ssh"] == f"ssh {login}"
    assert login in outputs["tunnel"]
    assert login in outputs["firstAdministrator"]
    assert "-L 8000:127.0.0.1:8000" in outputs["tunnel"]
    assert "-L 8443:127.0.0.1:443" in outputs["tunnel"]
    assert outputs["serviceUrl"] == outputs["urls"]["service"] == "https://127.0.0.1:8443"
    assert outputs["firstAdministrator"].endswith("sudo bash /opt/chartwell/steps/first_administrator.sh")
    assert outputs["snapshotIds"] == []
    assert outputs["cost"]["runningUsdPerHour"] == pytest.approx(1.217)
    assert outputs["cost"]["pausedUsdPerMonth"] < 0.05 * outputs["cost"]["runningUsdPerMonth"]
    assert {"pause", "resume", "decommission", "vectorize", "ask", "validate"} <= set(outputs["commands"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            r"^pauses: the lines marked \[retain\] .* stay .* though counted as deleted\. Then not `pulumi stack rm`",
        ),
        ({"pauseMode": "snapshot"}, r"^pauses: .*\[retain\].*; the data volume becomes a snapshot first\."),
        ({"dataRetention": "destroy"}, "^deletes everything in the plan, data included"),
    ],
)
def test_the_plan_of_a_destroy_says_what_retain_means(changes: dict[str, str], words: str) -> None:
    assert re.search(words, program.destroy_effect(config(**changes)))


def test_every_infrastructure_command_of_the_outputs_exists_with_its_options(built: Recorded) -> None:
    named = re.findall(
        r"python -m (infra\.\w+)((?: --\w+ \S+)*)", " ; ".join(built.outputs["commands"].values())
    )
    assert len({module for module, _ in named}) == 3
    for module, options in named:
        source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
        assert all(f'"{option}"' in source for option in re.findall(r"--\w+", options))


def test_counts_of_what_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [variant(name) for name in VARIANTS]
    resources, properties = (
        sum(counts) for counts in zip(*((len(r.custom), r.property_count) for r in runs), strict=True)
    )
    with capsys.disabled():
        print(
            f"\n[infra] default stack: {len(runs[0].custom)} resources, {runs[0].property_count} properties; "
            f"{len(VARIANTS)} variants together: {resources} resources, {properties} properties, "
            f"{len(policy.rules())} policy rules"
        )
    assert len(runs[0].custom) >= 70


def choices(**given_lists: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {}, optional={key: st.sampled_from(each) for key, each in given_lists.items()}
    )


CONFIGURATIONS = choices(
    instanceType=["g5.2xlarge", "g5.4xlarge", "g5.12xlarge", "g6e.2xlarge"],
    spot=[True, False],
    pauseMode=["volume", "snapshot", "stop"],
    availabilityZones=['["us-east-1c"]', '["us-east-1f", "us-east-1a"]', "[]"],
    embeddingDevice=["cpu", "gpu"],
    volumeSizeGb=[160, 500, 16_384],
    operatorCidr=["198.51.100.0/24", "203.0.113.7/32"],
    serviceCidrs=['["10.9.0.0/16"]', "[]"],
    idleMinutes=[0, 10, 1440],
    llmContextTokens=[2048, 4096, 16_384],
    offHoursStop=["18:00"],
    environment=["prod", "test"],
)


def shape_of_data(recorded: Recorded) -> set[tuple[str, str]]:
    kept = (each for each in recorded.custom if each.retain_on_delete or each.type == VOLUME)
    return {(each.type, each.name) for each in kept}


@hypothesis_settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CONFIGURATIONS)
def test_whatever_is_configured_the_rails_hold_and_the_data_stays_the_same(changes: dict[str, Any]) -> None:
    built = run(**changes)
    assert policy.check(built.graph()) == []
    assert shape_of_data(built) == shape_of_data(variant("default"))
    assert len(built.one(INSTANCE).props["userData"].encode()) < USER_DATA_BYTES_MAX
    volume, host = built.one(VOLUME), built.one(INSTANCE)
    assert volume.props["availabilityZone"] == host.props["availabilityZone"] in ZONES
    assert volume.urn in built.reachable(host.urn)
    commands = built.of("command:remote:Command")
    assert all(host.urn in built.reachable(each.urn) for each in commands)


def test_registered_is_read_only() -> None:
    each = variant("default").one(VOLUME)
    assert isinstance(each, Registered)
    with pytest.raises(AttributeError):
        each.name = "x"  # type: ignore[misc]
