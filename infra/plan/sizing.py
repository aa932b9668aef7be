"""Does this set of models fit this host, in which order do they start, and what does it cost.

Pure arithmetic over `catalog`: no clock, no network, no Pulumi resource. Refuses to know how a container is
started. `python -m infra.sizing` prints the table that docs/costs.md holds.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from infra.plan import catalog
from infra.plan.catalog import (
    INSTANCE_TYPES,
    MODELS,
    Device,
    InstanceType,
    ModelFacts,
    ModelRole,
)
from infra.plan.config import ModelChoice, PauseMode, StackConfig

Fit = Literal["fits", "tight"]
# Small models claim their memory first: vLLM refuses to start when less than its fraction is free, and takes
# what is left otherwise.
START_ORDER: Final[tuple[ModelRole, ...]] = ("image", "embedding", "llm")


@dataclass(frozen=True)
class ModelPlacement:
    """One NIM container on the host. Memory in GiB; `gpu_memory_fraction` is of its whole card."""

    role: ModelRole
    model: str
    device: Device
    gpu_index: int | None
    gpu_memory_gib: float
    gpu_memory_fraction: float | None
    """For the language model's own limit (vLLM's gpu-memory-utilization); None for the others."""
    host_memory_gib: float
    disk_gib: float
    context_tokens: int | None
    concurrent_sequences: int | None
    kv_cache_tokens: int | None
    host_port: int
    container_uid: int | None
    shm_gib: int


@dataclass(frozen=True)
class CostLine:
    """One line of a bill, US dollars a month."""

    name: str
    usd_per_month: float


@dataclass(frozen=True)
class Costs:
    """Price of a plan. `paused` is what still bills after `pulumi destroy` (or stop) in the chosen mode."""

    running_usd_per_hour: float
    running: tuple[CostLine, ...]
    paused: tuple[CostLine, ...]

    @property
    def running_usd_per_month(self) -> float:
        return sum(line.usd_per_month for line in self.running)

    @property
    def paused_usd_per_month(self) -> float:
        return sum(line.usd_per_month for line in self.paused)


@dataclass(frozen=True)
class Plan:
    """What runs where on one host. `placements` are in start order."""

    instance: InstanceType
    placements: tuple[ModelPlacement, ...]
    verdict: Fit
    disk_needed_gb: int
    iris_memory_gib: float
    iris_global_buffers_mb: int
    warnings: tuple[str, ...]

    def placement(self, role: ModelRole) -> ModelPlacement | None:
        return next((each for each in self.placements if each.role == role), None)


@dataclass(frozen=True)
class Shortfall:
    """What is missing, in the unit of its resource."""

    resource: Literal["gpu memory", "host memory", "disk"]
    needed_gib: float
    available_gib: float

    def __str__(self) -> str:
        return f"{self.resource}: needs {self.needed_gib:.1f} GiB, has {self.available_gib:.1f}"


@dataclass(frozen=True)
class Alternative:
    """A change of configuration that fits, and its price."""

    change: str
    usd_per_hour: float


class PlanError(Exception):
    """The models do not fit. Carries what is missing and the nearest plans that fit. Nothing was created."""

    def __init__(
        self, instance: str, shortfalls: Sequence[Shortfall], alternatives: Sequence[Alternative]
    ) -> None:
        self.instance = instance
        self.shortfalls = tuple(shortfalls)
        self.alternatives = tuple(alternatives)
        missing = "; ".join(map(str, self.shortfalls))
        nearest = "\n".join(f"  - {each.change} (${each.usd_per_hour:.2f}/h)" for each in self.alternatives)
        super().__init__(
            f"These models do not fit {instance}: {missing}. Nearest plans that fit:\n"
            f"{nearest or '  (none in the known types)'}\n(docs/troubleshooting-aws.md#plan-does-not-fit)"
        )


def plan(config: StackConfig) -> Plan:
    """The plan for a stack. Raises PlanError with the nearest plans that fit."""
    return plan_models(config.models, INSTANCE_TYPES[config.instance_type], config.volume_size_gb)


def plan_models(choice: ModelChoice, instance: InstanceType, volume_size_gb: int) -> Plan:
    """The plan for a set of models on one instance type. Raises PlanError."""
    made, shortfalls = _try(choice, instance, volume_size_gb)
    if made is None:
        raise PlanError(instance.name, shortfalls, nearest_plans(choice, instance, volume_size_gb))
    return made


def disk_needed_gb(choice: ModelChoice) -> int:
    """Data volume for images, caches, database, documents and one upgrade, in whole GB."""
    models = sum(MODELS[name].disk_gib for name in choice.models.values())
    return math.ceil(models + catalog.IRIS_DISK_GIB + catalog.SERVICE_DISK_GIB + catalog.UPGRADE_DISK_GIB)


def nearest_plans(choice: ModelChoice, instance: InstanceType, volume_size_gb: int) -> list[Alternative]:
    """Changes that make it fit, cheapest and smallest change first; at most four."""
    found: list[tuple[int, float, str]] = []
    disk = max(volume_size_gb, disk_needed_gb(choice))
    if disk > volume_size_gb and _try(choice, instance, disk)[0]:
        found.append((0, instance.usd_per_hour, f"set volumeSizeGb {disk}"))
    for change, smaller in _smaller_choices(choice):
        if _try(smaller, instance, volume_size_gb)[0]:
            found.append((3 if "llmModel none" in change else 1, instance.usd_per_hour, change))
    bigger = [each for each in INSTANCE_TYPES.values() if _try(choice, each, disk)[0]]
    for each in sorted(bigger, key=lambda candidate: candidate.usd_per_hour)[:2]:
        if each.name == instance.name:
            continue
        grow = f" and volumeSizeGb {disk}" if disk > volume_size_gb else ""
        found.append((2, each.usd_per_hour, f"set instanceType {each.name}{grow}"))
    return [Alternative(change, usd) for _, usd, change in sorted(found)[:4]]


def _smaller_choices(choice: ModelChoice) -> Iterable[tuple[str, ModelChoice]]:
    """The same question with one or two things less, each with the commands' wording."""
    embedding = choice.models.get("embedding")
    on_cpu = replace(choice, embedding_device="cpu")
    can_cpu = (
        embedding is not None
        and choice.embedding_device == "gpu"
        and MODELS[embedding].cpu_host_memory_gib is not None
    )
    if can_cpu:
        yield "set embeddingDevice cpu", on_cpu
    elif embedding is not None and choice.embedding_device == "cpu":
        yield "set embeddingDevice gpu", replace(choice, embedding_device="gpu")
    if "image" in choice.models:
        without_image: dict[ModelRole, str] = {
            role: name for role, name in choice.models.items() if role != "image"
        }
        yield "set imageModel none", replace(choice, models=without_image)
        if can_cpu:
            yield "set imageModel none and embeddingDevice cpu", replace(on_cpu, models=without_image)
    if "llm" in choice.models:
        for tokens in (8192, 4096):
            if tokens < choice.llm_context_tokens:
                yield f"set llmContextTokens {tokens}", replace(choice, llm_context_tokens=tokens)
                break
        rest: dict[ModelRole, str] = {role: name for role, name in choice.models.items() if role != "llm"}
        yield "set llmModel none (another provider answers)", replace(choice, models=rest)


def _try(
    choice: ModelChoice, instance: InstanceType, volume_size_gb: int
) -> tuple[Plan | None, list[Shortfall]]:
    facts = {role: MODELS[name] for role, name in choice.models.items()}
    cards = _assign_cards(choice, facts, instance)
    host_needed = _host_memory_gib(choice, facts)
    disk = disk_needed_gb(choice)
    shortfalls = []
    gpu_free = math.inf
    for card in sorted(set(cards.values())):
        needed = catalog.GPU_RESERVE_GIB + sum(
            _gpu_minimum_gib(facts[role], choice) for role, on in cards.items() if on == card
        )
        ceiling = instance.gpu_memory_gib
        if cards.get("llm") == card:  # the fraction's cap, too, must leave room for one full context
            ceiling = min(
                ceiling, needed - _gpu_minimum_gib(facts["llm"], choice) + _llm_ceiling_gib(instance)
            )
        gpu_free = min(gpu_free, ceiling - needed)
        if needed > ceiling:
            shortfalls.append(Shortfall("gpu memory", needed, ceiling))
    if host_needed > instance.memory_gib:
        shortfalls.append(Shortfall("host memory", host_needed, instance.memory_gib))
    if disk > volume_size_gb:
        shortfalls.append(Shortfall("disk", disk, volume_size_gb))
    if shortfalls:
        return None, shortfalls
    gpu_free = instance.gpu_memory_gib if math.isinf(gpu_free) else gpu_free
    host_free = instance.memory_gib - host_needed
    warnings = _warnings(facts, cards, instance, gpu_free, host_free)
    tight = gpu_free < catalog.TIGHT_GPU_GIB or host_free < catalog.TIGHT_HOST_GIB
    made = Plan(
        instance=instance,
        placements=_placements(choice, facts, cards, instance),
        verdict="tight" if tight else "fits",
        disk_needed_gb=disk,
        iris_memory_gib=catalog.IRIS_MEMORY_GIB,
        iris_global_buffers_mb=catalog.IRIS_GLOBAL_BUFFERS_MB,
        warnings=warnings,
    )
    return made, []


def _on_gpu(role: ModelRole, choice: ModelChoice) -> bool:
    return not (role == "embedding" and choice.embedding_device == "cpu")


def _assign_cards(
    choice: ModelChoice, facts: dict[ModelRole, ModelFacts], instance: InstanceType
) -> dict[ModelRole, int]:
    """The language model gets card 0 to itself when there is a second one."""
    second = 1 if instance.gpu_count > 1 else 0
    return {
        role: 0 if role == "llm" else second
        for role in START_ORDER
        if role in facts and _on_gpu(role, choice)
    }


def _gpu_minimum_gib(facts: ModelFacts, choice: ModelChoice) -> float:
    """Weights, overhead and, for the language model, the KV cache of one full context."""
    kv = facts.kv_kib_per_token * choice.llm_context_tokens / 1024**2 if facts.role == "llm" else 0.0
    return facts.weights_gib + facts.overhead_gib + kv


def _host_memory_gib(choice: ModelChoice, facts: dict[ModelRole, ModelFacts]) -> float:
    models = sum(_model_host_gib(each, choice) for each in facts.values())
    return catalog.OS_MEMORY_GIB + catalog.IRIS_MEMORY_GIB + catalog.SERVICE_MEMORY_GIB + models


def _model_host_gib(facts: ModelFacts, choice: ModelChoice) -> float:
    if not _on_gpu(facts.role, choice) and facts.cpu_host_memory_gib is not None:
        return facts.cpu_host_memory_gib
    return facts.host_memory_gib


def _placements(
    choice: ModelChoice,
    facts: dict[ModelRole, ModelFacts],
    cards: dict[ModelRole, int],
    instance: InstanceType,
) -> tuple[ModelPlacement, ...]:
    placed = []
    for role in (role for role in START_ORDER if role in facts):
        each = facts[role]
        fraction = _llm_fraction(choice, facts, cards, instance) if role == "llm" else None
        claimed = instance.gpu_memory_gib * fraction if fraction else _gpu_minimum_gib(each, choice)
        kv_gib = claimed - each.weights_gib - each.overhead_gib
        placed.append(
            ModelPlacement(
                role=role,
                model=each.name,
                device="gpu" if role in cards else "cpu",
                gpu_index=cards.get(role),
                gpu_memory_gib=round(claimed, 2) if role in cards else 0.0,
                gpu_memory_fraction=fraction,
                host_memory_gib=_model_host_gib(each, choice),
                disk_gib=each.disk_gib,
                context_tokens=choice.llm_context_tokens if role == "llm" else None,
                concurrent_sequences=choice.llm_concurrent_sequences if role == "llm" else None,
                kv_cache_tokens=int(kv_gib * 1024**2 / each.kv_kib_per_token) if role == "llm" else None,
                host_port=catalog.NIM_PORTS[role],
                container_uid=each.container_uid,
                shm_gib=each.shm_gib,
            )
        )
    return tuple(placed)


def _llm_ceiling_gib(instance: InstanceType) -> float:
    return catalog.LLM_FRACTION_MAX * instance.gpu_memory_gib


def _llm_fraction(
    choice: ModelChoice,
    facts: dict[ModelRole, ModelFacts],
    cards: dict[ModelRole, int],
    instance: InstanceType,
) -> float:
    """All that the neighbours on its card leave, cut to three decimals, at most LLM_FRACTION_MAX.

    A neighbour whose need is inferred may take twice as much where the card has room for that: vLLM refuses to start
    when less than its fraction is free.
    """
    neighbours = [facts[role] for role, card in cards.items() if role != "llm" and card == cards["llm"]]
    inferred = sum(_gpu_minimum_gib(each, choice) for each in neighbours if not each.measured)
    left = instance.gpu_memory_gib - catalog.GPU_RESERVE_GIB
    left -= sum(_gpu_minimum_gib(each, choice) for each in neighbours)
    if left - inferred > _gpu_minimum_gib(facts["llm"], choice) + catalog.TIGHT_GPU_GIB:
        left -= inferred
    return min(catalog.LLM_FRACTION_MAX, math.floor(1000 * left / instance.gpu_memory_gib) / 1000)


def _warnings(
    facts: dict[ModelRole, ModelFacts],
    cards: dict[ModelRole, int],
    instance: InstanceType,
    gpu_free: float,
    host_free: float,
) -> tuple[str, ...]:
    said = []
    if instance.vcpus < catalog.VCPUS_RECOMMENDED:
        said.append(f"{instance.name} has {instance.vcpus} vCPUs; the NIM support matrices ask for 8")
    shared = len(cards) > 1 and instance.gpu_count == 1
    said.extend(
        f"GPU need of {facts[role].name} is inferred, not documented: watch its first start"
        for role in cards
        if shared and not facts[role].measured
    )
    if gpu_free < catalog.TIGHT_GPU_GIB:
        said.append(f"only {gpu_free:.2f} GiB of GPU memory to spare")
    if host_free < catalog.TIGHT_HOST_GIB:
        said.append(f"only {host_free:.1f} GiB of host memory to spare")
    return tuple(said)


def costs(config: StackConfig, instance: InstanceType | None = None, *, documents_gb: float = 5.0) -> Costs:
    """Monthly bill of a stack, running around the clock and paused in its mode: estimates from `catalog`.

    `documents_gb` is what lies in the buckets. Data transfer and requests are left out.
    """
    host = instance or INSTANCE_TYPES[config.instance_type]
    factor = catalog.REGIONS[config.region]
    share = catalog.SPOT_SHARE_OF_ON_DEMAND if config.spot else 1.0
    hour = host.usd_per_hour * factor * share + catalog.PUBLIC_IPV4_USD_PER_HOUR
    kept = _kept_lines(documents_gb)
    volume = _volume_line(config.volume_size_gb, config.volume_throughput_mbps)
    root = CostLine("root volume", config.root_volume_size_gb * catalog.GP3_USD_PER_GB_MONTH)
    market = "spot, estimated" if config.spot else "on demand"
    running = (
        CostLine(
            f"{host.name} ({market})", (hour - catalog.PUBLIC_IPV4_USD_PER_HOUR) * catalog.HOURS_PER_MONTH
        ),
        CostLine("public IPv4 address", catalog.PUBLIC_IPV4_USD_PER_HOUR * catalog.HOURS_PER_MONTH),
        volume,
        root,
        CostLine("detailed monitoring", catalog.DETAILED_MONITORING_USD_PER_MONTH),
        CostLine("alarms", catalog.ALARM_COUNT * catalog.ALARM_USD_PER_MONTH),
        *kept,
    )
    return Costs(hour, running, (*paused_lines(config, config.pause_mode), *kept))


def paused_lines(config: StackConfig, mode: PauseMode) -> tuple[CostLine, ...]:
    """Lines that only this pause mode leaves on the bill."""
    volume = _volume_line(config.volume_size_gb, config.volume_throughput_mbps)
    if mode == "volume":
        return (volume,)
    if mode == "stop":
        root = CostLine("root volume", config.root_volume_size_gb * catalog.GP3_USD_PER_GB_MONTH)
        address = CostLine("public IPv4 address", catalog.PUBLIC_IPV4_USD_PER_HOUR * catalog.HOURS_PER_MONTH)
        return (volume, root, address, CostLine("alarms", catalog.ALARM_COUNT * catalog.ALARM_USD_PER_MONTH))
    used = min(config.volume_size_gb, disk_needed_gb(config.models))
    return (CostLine("snapshot, blocks in use", used * catalog.SNAPSHOT_USD_PER_GB_MONTH),)


def _volume_line(size_gb: int, throughput_mbps: int) -> CostLine:
    extra = max(0, throughput_mbps - catalog.GP3_BASE_THROUGHPUT_MBPS) * catalog.GP3_USD_PER_MBPS_MONTH
    return CostLine("data volume gp3", size_gb * catalog.GP3_USD_PER_GB_MONTH + extra)


def _kept_lines(documents_gb: float) -> tuple[CostLine, ...]:
    return (
        CostLine("encryption key", catalog.KMS_KEY_USD_PER_MONTH),
        CostLine("buckets", documents_gb * catalog.S3_USD_PER_GB_MONTH),
        CostLine("logs", 0.25 * catalog.LOGS_USD_PER_GB),
    )


MODEL_SETS: Final[dict[str, ModelChoice]] = {
    "LLM + embedding": ModelChoice(
        {"llm": catalog.DEFAULT_MODELS["llm"], "embedding": catalog.DEFAULT_MODELS["embedding"]},
        "gpu",
        8192,
        16,
    ),
    "LLM + embedding (CPU)": ModelChoice(
        {"llm": catalog.DEFAULT_MODELS["llm"], "embedding": catalog.DEFAULT_MODELS["embedding"]},
        "cpu",
        8192,
        16,
    ),
    "LLM + CLIP + embedding (CPU)": ModelChoice(
        {
            "llm": catalog.DEFAULT_MODELS["llm"],
            "embedding": catalog.DEFAULT_MODELS["embedding"],
            "image": "nvidia/nvclip",
        },
        "cpu",
        8192,
        16,
    ),
    "LLM + CLIP + embedding": ModelChoice(
        {
            "llm": catalog.DEFAULT_MODELS["llm"],
            "embedding": catalog.DEFAULT_MODELS["embedding"],
            "image": "nvidia/nvclip",
        },
        "gpu",
        8192,
        16,
    ),
    "embedding + CLIP": ModelChoice(
        {"embedding": catalog.DEFAULT_MODELS["embedding"], "image": "nvidia/nvclip"}, "gpu", 8192, 16
    ),
    "LLM 32k + embedding": ModelChoice(
        {"llm": catalog.DEFAULT_MODELS["llm"], "embedding": catalog.DEFAULT_MODELS["embedding"]},
        "gpu",
        32_768,
        16,
    ),
}


def table_rows(volume_size_gb: int = 200) -> list[tuple[str, str, str, str]]:
    """(instance type, model set, fit or nearest fit, price) for every pair."""
    rows = []
    for instance in INSTANCE_TYPES.values():
        for name, choice in MODEL_SETS.items():
            made, shortfalls = _try(choice, instance, volume_size_gb)
            if made is None:
                nearest = nearest_plans(choice, instance, volume_size_gb)
                first = nearest[0].change if nearest else "nothing known fits"
                short = shortfalls[0]
                lack = f"{short.resource} {short.needed_gib:.1f} > {short.available_gib:.1f} GiB"
                outcome = f"no: {lack}; {first}"
            else:
                llm = made.placement("llm")
                share = (
                    f", LLM fraction {llm.gpu_memory_fraction:.3f}, KV {llm.kv_cache_tokens:,} tokens"
                    if llm
                    else ""
                )
                outcome = f"{made.verdict}{share}"
            rows.append((instance.name, name, outcome, f"${instance.usd_per_hour:.3f}/h"))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of instance types and model sets."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.sizing", description="Which models fit which host."
    )
    parser.add_argument("--volume-gb", type=int, default=200, help="data volume to check against")
    options = parser.parse_args(arguments)
    print("| instance | models | fit, or nearest plan that fits | on demand |")  # noqa: T201
    print("|---|---|---|---|")  # noqa: T201
    for row in table_rows(options.volume_gb):
        print(f"| {' | '.join(row)} |")  # noqa: T201
    print(f"\nPrices: {catalog.PRICE_SOURCE}. Hosts: {catalog.INSTANCE_SOURCE}.")  # noqa: T201
    return 0
