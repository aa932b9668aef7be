"""Sizing: the arithmetic against published figures, and that what it offers instead really fits."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from infra.plan import catalog, sizing
from infra.plan.catalog import INSTANCE_TYPES, MODELS
from infra.plan.config import ModelChoice
from infra.plan.sizing import MODEL_SETS, PlanError, plan_models
from tests.infra.stacks import config

DEFAULT = MODEL_SETS["LLM + embedding"]
FULL = MODEL_SETS["LLM + CLIP + embedding"]
G5 = INSTANCE_TYPES["g5.2xlarge"]


def test_kv_cache_of_one_context_is_the_published_gibibyte() -> None:
    llm = MODELS["meta/llama-3.1-8b-instruct"]
    assert llm.kv_kib_per_token == 32 * 8 * 128 * 2 * 2 / 1024  # layers, KV heads, head size, K and V, bytes
    assert llm.kv_kib_per_token * 8192 / 1024**2 == 1.0
    assert llm.weights_gib == pytest.approx(16_060_522_496 / 1024**3, abs=0.01)


def test_the_default_fits_with_room() -> None:
    made = plan_models(DEFAULT, G5, 200)
    assert made.verdict == "fits"
    assert made.warnings == ()
    assert [each.role for each in made.placements] == ["embedding", "llm"]


def test_the_shared_card_gets_the_fraction_that_the_field_reports() -> None:
    """NV-CLIP next to the language model: 0.80-0.84 was worked out for one A10G, context 4096-8192."""
    made = plan_models(MODEL_SETS["LLM + CLIP + embedding (CPU)"], INSTANCE_TYPES["g5.4xlarge"], 200)
    llm = made.placement("llm")
    assert llm is not None
    assert 0.80 <= (llm.gpu_memory_fraction or 0) <= 0.84
    assert made.verdict == "tight"
    assert any("nvclip" in each for each in made.warnings)
    assert [each.role for each in made.placements] == ["image", "embedding", "llm"]


def test_a_neighbour_of_unknown_size_may_take_twice_as_much_where_there_is_room() -> None:
    """vLLM refuses to start when less than its fraction is free, and what NV-CLIP needs is not documented."""
    roomy = INSTANCE_TYPES["g6e.2xlarge"]
    made = plan_models(FULL, roomy, 200)
    claimed = {each.role: each.gpu_memory_gib for each in made.placements}
    assert 2 * claimed["image"] + claimed["embedding"] + claimed["llm"] <= roomy.gpu_memory_gib
    without = plan_models(DEFAULT, roomy, 200).placement("llm")
    assert without is not None
    assert without.gpu_memory_fraction == pytest.approx(0.9)


def test_smaller_and_bigger_ways_out_are_offered_in_that_order() -> None:
    with pytest.raises(PlanError) as caught:
        plan_models(FULL, INSTANCE_TYPES["g5.4xlarge"], 200)
    changes = [each.change for each in caught.value.alternatives]
    assert changes[:2] == ["set embeddingDevice cpu", "set imageModel none"]
    assert "set instanceType g6e.xlarge" in changes


def test_a_small_disk_names_the_size_that_is_enough() -> None:
    with pytest.raises(PlanError, match=r"disk: needs 128.0 GiB, has 100.0(.|\n)*set volumeSizeGb 128"):
        plan_models(DEFAULT, G5, 100)


def test_g5_xlarge_is_too_small_and_the_next_size_is_named() -> None:
    with pytest.raises(PlanError, match=r"set instanceType g5\.2xlarge"):
        plan_models(DEFAULT, INSTANCE_TYPES["g5.xlarge"], 200)


SETS = st.builds(
    ModelChoice,
    models=st.sets(st.sampled_from(["llm", "embedding", "image"])).map(
        lambda roles: {
            role: {
                "llm": catalog.DEFAULT_MODELS["llm"],
                "embedding": catalog.DEFAULT_MODELS["embedding"],
            }.get(role, "nvidia/nvclip")
            for role in roles
        }
    ),
    embedding_device=st.sampled_from(["gpu", "cpu"]),
    llm_context_tokens=st.sampled_from([2048, 4096, 8192, 16_384, 32_768, 131_072]),
    llm_concurrent_sequences=st.just(16),
)


def apply(change: str, choice: ModelChoice, instance: str, volume: int) -> tuple[ModelChoice, str, int]:
    """What the words of an alternative say, done to the question."""
    for part in change.removesuffix(" (another provider answers)").removeprefix("set ").split(" and "):
        key, value = part.split()
        if key == "instanceType":
            instance = value
        elif key == "volumeSizeGb":
            volume = int(value)
        elif key == "embeddingDevice":
            choice = replace(choice, embedding_device=value)  # type: ignore[arg-type]
        elif key == "llmContextTokens":
            choice = replace(choice, llm_context_tokens=int(value))
        else:
            role = {"imageModel": "image", "llmModel": "llm"}[key]
            choice = replace(choice, models={one: name for one, name in choice.models.items() if one != role})
    return choice, instance, volume


@hypothesis_settings(max_examples=300, deadline=None)
@given(SETS, st.sampled_from(sorted(INSTANCE_TYPES)), st.sampled_from([50, 120, 200, 1000]))
def test_a_plan_keeps_every_limit_and_every_alternative_fits(
    choice: ModelChoice, name: str, volume: int
) -> None:
    instance = INSTANCE_TYPES[name]
    try:
        made = plan_models(choice, instance, volume)
    except PlanError as error:
        for each in error.alternatives:
            other, bigger, disk = apply(each.change, choice, name, volume)
            plan_models(other, INSTANCE_TYPES[bigger], disk)
        return
    assert made.disk_needed_gb <= volume
    assert sum(each.host_memory_gib for each in made.placements) < instance.memory_gib
    for card in range(instance.gpu_count):
        claimed = sum(each.gpu_memory_gib for each in made.placements if each.gpu_index == card)
        assert (
            claimed <= instance.gpu_memory_gib - catalog.GPU_RESERVE_GIB + 0.02
        )  # claims are rounded to 0.01
    llm = made.placement("llm")
    if llm is not None:
        assert llm == made.placements[-1]  # it takes what the others leave
        assert (llm.kv_cache_tokens or 0) >= (llm.context_tokens or 0)


def test_prices_of_the_default_stack() -> None:
    bill = sizing.costs(config())
    assert bill.running_usd_per_hour == pytest.approx(1.212 + 0.005)
    assert bill.paused_usd_per_month == pytest.approx(200 * 0.08 + 1.0 + 5 * 0.023 + 0.125)
    by_mode = {
        mode: sizing.costs(config(pauseMode=mode)).paused_usd_per_month
        for mode in ("volume", "snapshot", "stop")
    }
    assert by_mode["snapshot"] < by_mode["volume"] < by_mode["stop"]
    assert sizing.costs(config(spot=True)).running_usd_per_hour < bill.running_usd_per_hour / 2 + 0.01
    assert sizing.costs(config(region="eu-central-1")).running_usd_per_hour == pytest.approx(1.52, abs=0.01)


def test_the_command_prints_every_pair() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.sizing"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(sizing.__file__).parents[2],
    )
    rows = [line for line in done.stdout.splitlines() if line.startswith(("| g5.", "| g6e."))]
    assert len(rows) == len(INSTANCE_TYPES) * len(MODEL_SETS)
