"""The configuration: what is refused, that all problems come together, and that no secret is shown."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from infra.plan import config as configuration
from infra.plan.config import KEYS, ConfigurationError, SecretText, parse
from tests.infra.bad_configurations import BAD
from tests.infra.stacks import GOOD, NGC_KEY, SECRET_KEYS, config


@pytest.mark.parametrize(
    ("key", "changes"), BAD, ids=[f"{number}-{key}" for number, (key, _) in enumerate(BAD)]
)
def test_each_mistake_is_named_with_value_and_cure(key: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config(**changes)
    (problem,) = [each for each in caught.value.problems if each.key == key]
    assert problem.wrong
    assert len(problem.cure) > 10
    text = str(caught.value)
    assert f"chartwell:{key}" in text
    assert "docs/troubleshooting-aws.md#configuration" in text


def test_there_are_at_least_25_different_mistakes() -> None:
    messages = set()
    for _, changes in BAD:
        with pytest.raises(ConfigurationError) as caught:
            config(**changes)
        messages |= {(each.key, each.wrong) for each in caught.value.problems}
    assert len(messages) >= 60


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        config(region="moon", operatorCidr="0.0.0.0/0", amiId=None, idleMinutes=3, pauseMode="x", owner=None)
    named = {each.key for each in caught.value.problems}
    assert {"region", "operatorCidr", "amiId", "idleMinutes", "pauseMode", "owner"} <= named


def test_one_mistake_is_one_problem() -> None:
    with pytest.raises(ConfigurationError) as caught:
        config(volumeSizeGb="lots")
    assert len(caught.value.problems) == 1


def test_open_ssh_needs_the_range_spelt_out_a_second_time() -> None:
    accepted = config(operatorCidr="0.0.0.0/0", acceptOperatorCidr="0.0.0.0/0")
    assert accepted.access.operator_cidr == "0.0.0.0/0"
    with pytest.raises(ConfigurationError):
        config(operatorCidr="0.0.0.0/0", acceptOperatorCidr="10.0.0.0/8")


def test_a_secret_in_plain_text_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(GOOD, secret_keys={"sshPrivateKey"}, stack="dev")
    assert [each.key for each in caught.value.problems] == ["ngcApiKey"]
    assert NGC_KEY not in str(caught.value)
    assert "Revoke" in str(caught.value)


def test_no_secret_is_in_the_text_of_the_configuration() -> None:
    text = repr(config())
    assert NGC_KEY not in text
    assert "PRIVATE KEY" not in text
    assert repr(SecretText("")) == "SecretText(empty)"


def test_a_model_that_does_not_run_needs_neither_image_nor_key() -> None:
    small = config(llmModel="none", embeddingModel="none", llmImage=None, embeddingImage=None, ngcApiKey=None)
    assert small.models.models == {}
    assert small.images.llm is None
    with pytest.raises(KeyError):
        small.images.for_role("llm")


def test_lists_come_as_json_text_or_as_lists() -> None:
    assert config(serviceCidrs=["10.1.0.0/16"]).access.service_cidrs == ("10.1.0.0/16",)
    assert config(serviceCidrs='["10.1.0.0/16"]').access.service_cidrs == ("10.1.0.0/16",)


def test_a_bad_stack_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="stack name"):
        config(stack="Dev_1")


def test_the_default_plan_is_the_documented_one() -> None:
    default = config()
    assert default.instance_type == "g5.2xlarge"
    assert default.pause_mode == "volume"
    assert default.data_retention == "keep"
    assert default.tags["Project"] == "chartwell"


def test_load_reads_pulumi_configuration_and_finds_misspelt_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {f"chartwell:{key}": str(value) for key, value in GOOD.items()} | {"aws:region": "us-east-1"}
    monkeypatch.delenv("PULUMI_CONFIG", raising=False)
    pulumi.runtime.set_all_config(values, [f"chartwell:{key}" for key in SECRET_KEYS])
    try:
        assert configuration.load("dev") == config()
        pulumi.runtime.set_all_config(values | {"chartwell:pausemode": "stop"}, None)
        with pytest.raises(ConfigurationError, match="pauseMode"):
            configuration.load("dev")
    finally:
        pulumi.runtime.set_all_config({}, [])


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.sampled_from([key.name for key in KEYS]), st.text(max_size=40), max_size=8))
def test_no_value_gets_past_as_anything_but_a_configuration_or_a_named_problem(
    changes: dict[str, str],
) -> None:
    problems: tuple[configuration.ConfigProblem, ...] = ()
    try:
        accepted = config(**changes)
    except ConfigurationError as error:
        problems = error.problems
    else:
        assert accepted.region in configuration.REGIONS
        assert accepted.access.operator_cidr
    assert all(each.key and each.wrong and each.cure for each in problems)
