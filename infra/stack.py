"""The whole stack in order: plan, data, logs, network, identity, host, services, watch; and what it tells the
user.

Decides the order and hands each component plain values. Nothing is created before configuration, plan and the
state of the data have been judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.components import host_key
from infra.components.alarms import Logs, Watch
from infra.components.host import PROVIDER_RETRIES, Host, HostShape
from infra.components.iam import HostIdentity
from infra.components.network import Network
from infra.components.storage import (
    Credentials,
    DataStore,
    VolumeDecision,
    check_key,
    credentials,
    decide_volume,
)
from infra.plan import catalog, sizing
from infra.plan.config import KEY_FILE, StackConfig
from infra.plan.inventory import HOST_KEY_RECORD, FoundSnapshot, Inventory, log_group_name
from infra.plan.sizing import Costs, ModelPlacement, Plan
from infra.rollout import cloud_init, pipeline, reverse_proxy, steps

USER_DATA: Final = Path(__file__).resolve().parent.parent / "cloud-init" / "user-data.yaml"

Outputs = dict[str, Any]


def build(
    config: StackConfig,
    inventory: Inventory,
    generated: Credentials | None = None,
    *,
    wheel: Path | None = None,
    host_keys: host_key.ConsoleReader | None = None,
) -> Outputs:
    """Register every resource of the stack and return its outputs.

    `inventory` is what the account already holds; `generated` are credentials to use where it holds none;
    `wheel` is the pipeline to ship (`jobs.build_wheel`); `host_keys` tells a host's SSH key, and is needed
    unless the configuration says not to check it.
    Raises PlanError or DataStoreError before the first resource is registered.
    """
    plan = sizing.plan(config)
    check_key(config, inventory)
    decision = decide_volume(config, inventory)
    bill = sizing.costs(config)
    for warning in plan.warnings:
        pulumi.log.warn(warning)

    provider = _provider(config, inventory)
    inside = pulumi.ResourceOptions(providers=[provider])
    store = DataStore(
        f"{config.name}-data",
        config=config,
        inventory=inventory,
        decision=decision,
        generated=generated or credentials(inventory),
        opts=inside,
    )
    logs = Logs(f"{config.name}-logs", config=config, inventory=inventory, key_arn=store.key_arn, opts=inside)
    network = Network(
        config.name,
        region=config.region,
        zones=network_zones(config, inventory, decision),
        access=config.access,
        account_id=inventory.account_id,
        flow_log_group_arn=logs.arns["flow"],
        opts=inside,
    )
    identity = HostIdentity(
        f"{config.name}-host",
        region=config.region,
        documents_arn=store.bucket_arns["documents"],
        documents_prefix=config.documents_prefix,
        backups_arn=store.bucket_arns["backups"],
        parameter_arn=store.parameter_arn,
        key_arn=store.key_arn,
        log_group_arns=[logs.arns["host"], logs.arns["service"]],
        opts=inside,
    )
    host = Host(
        f"{config.name}-host",
        shape=_shape(config, decision),
        user_data=store.volume_id.apply(lambda volume_id: user_data(config, plan, volume_id)),
        volume_id=store.volume_id,
        subnet_id=network.subnet_ids[decision.zone],
        security_group_id=network.security_group_id,
        profile_name=identity.profile_name,
        key_arn=store.key_arn,
        tags=config.tags,
        # All of the network and the role: taken down layer by layer, the gateway would otherwise wait for an
        # address that is released only after it.
        depends_on=[store.volume, network, identity],
        opts=inside,
    )
    deployed: Outputs = {}
    if not config.paused:
        key = host_key_of(config, inventory, host, host_keys, inside)
        deployed = deploy(config, plan, store, host, key, wheel)
    Watch(
        f"{config.name}-watch",
        config=config,
        inventory=inventory,
        instance_id=host.instance_id,
        volume_id=store.volume_id,
        key_arn=store.key_arn,
        opts=inside,
    )
    newest_first = sorted(inventory.snapshots, key=lambda each: each.started_at, reverse=True)
    return {**outputs(config, plan, bill, store, host, newest_first), **deployed}


def network_zones(config: StackConfig, inventory: Inventory, decision: VolumeDecision) -> set[str]:
    """Where subnets are made: the same at each up, wherever there is room for the host today."""
    offered = inventory.offered_zones or inventory.zones
    return {decision.zone, *(config.availability_zones or offered)} & {decision.zone, *offered}


def _provider(config: StackConfig, inventory: Inventory) -> aws.Provider:
    """One explicit provider: the region, the only account it may touch, and the cost-allocation tags."""
    return aws.Provider(
        config.name,
        region=config.region,
        profile=config.aws_profile,
        allowed_account_ids=[inventory.account_id],
        default_tags={"tags": config.tags},
        max_retries=PROVIDER_RETRIES,
    )


def _shape(config: StackConfig, decision: VolumeDecision) -> HostShape:
    return HostShape(
        instance_type=config.instance_type,
        ami_id=config.ami_id,
        zone=decision.zone,
        spot=config.spot,
        stopped=config.paused,
        root_volume_size_gb=config.root_volume_size_gb,
        ssh_public_key=config.ssh_public_key,
    )


def user_data(config: StackConfig, plan: Plan, volume_id: str) -> str:
    """What the host boots with: which disk is the data, which driver and Docker. No secret, under 16 KB."""
    return cloud_init.render(
        USER_DATA,
        {
            "volume_id": volume_id,
            "stack": config.stack,
            "mount_point": catalog.DATA_MOUNT,
            "gpu": "yes" if plan.instance.gpu_count else "no",
            "driver": catalog.NVIDIA_DRIVER,
            "docker": catalog.DOCKER_VERSION,
            "toolkit": catalog.CONTAINER_TOOLKIT_VERSION,
        },
    )


def host_key_of(
    config: StackConfig,
    inventory: Inventory,
    host: Host,
    read: host_key.ConsoleReader | None,
    inside: pulumi.ResourceOptions,
) -> pulumi.Output[str] | None:
    """The SSH key that the host must have, recorded; None where the configuration accepts any."""
    if not config.check_host_key:
        pulumi.log.warn(
            "checkHostKey is false: passwords go to any machine that answers at the host's address."
        )
        return None
    if read is None:
        raise ValueError("build() needs host_keys while checkHostKey is true.")
    found = host_key.HostKey(
        f"{config.name}-host-key",
        config=config,
        recorded=inventory.parameters.get(HOST_KEY_RECORD),
        instance_id=host.instance_id,
        read=read,
        opts=inside,
    )
    return found.key


def deploy(
    config: StackConfig,
    plan: Plan,
    store: DataStore,
    host: Host,
    key: pulumi.Output[str] | None,
    wheel: Path | None,
) -> Outputs:
    """What runs on the host, over SSH: services, then the job that indexes the documents bucket.

    Without a wheel nothing is indexed: the job is what ships the pipeline.
    """
    connection = steps.SshConnection(
        address=host.address,
        private_key=pulumi.Output.secret(config.ssh_private_key.reveal()),
        instance_id=host.instance_id,
        attachment_id=host.attachment_id,
        host_key=key,
    )
    models = tuple(_nim(config, each) for each in plan.placements)
    running = steps.HostSteps(
        f"{config.name}-services",
        connection=connection,
        steps=steps.steps(host_services(config, plan, store, models)),
    )
    known_hosts = {"knownHosts": pulumi.Output.concat(host.address, " ", key)} if key else {}
    if wheel is None:
        return known_hosts
    before = reverse_proxy.front(config.access, config.service_tls, host.address)
    environment = pipeline.pipeline_environment(
        models,
        {each.role: each.model for each in plan.placements},
        store.iris_password,
        gpu=any(each.gpu_index is not None for each in plan.placements),
        volume_id=store.volume_id,
        public_url=before.url,
    )
    environment |= pipeline.vision_environment(config.vision) | cost_settings(config, plan)
    source = pulumi.Output.concat("s3://", store.bucket_names["documents"], "/", config.documents_prefix)
    job = pipeline.PipelineRollout(
        f"{config.name}-job",
        connection=connection,
        settings=pipeline.JobSettings(
            source=source,
            region=config.region,
            environment=environment,
            wheel=wheel,
            log_groups={role: log_group_name(config, role) for role in ("host", "service")},
            front=before,
        ),
        after=running.done,
    )
    return {
        **known_hosts,
        "ingestion": job.status,
        "service": job.service,
        "validation": job.validation,
    }


def host_services(
    config: StackConfig, plan: Plan, store: DataStore, models: tuple[steps.Nim, ...]
) -> steps.HostServices:
    """The database, the models of the plan in their start order, and the watch inside the host."""
    return steps.HostServices(
        volume_id=store.volume_id,
        ngc_api_key=config.ngc_api_key.reveal(),
        iris=steps.IrisService(
            image=config.images.iris,
            password=store.iris_password,
            global_buffers_mb=plan.iris_global_buffers_mb,
            memory_gib=plan.iris_memory_gib,
            vcpus=plan.instance.vcpus,
            bind_address=_bind_address(config.access.iris_cidrs),
        ),
        models=models,
        watch=steps.HostWatch(
            idle_minutes=config.idle_minutes, spot=config.spot, gpu=plan.instance.gpu_count > 0
        ),
    )


def _nim(config: StackConfig, placement: ModelPlacement) -> steps.Nim:
    return steps.Nim(
        role=placement.role,
        image=config.images.for_role(placement.role),
        host_port=placement.host_port,
        gpu_index=placement.gpu_index,
        container_uid=placement.container_uid,
        shm_gib=placement.shm_gib,
        context_tokens=placement.context_tokens,
        concurrent_sequences=placement.concurrent_sequences,
        gpu_memory_fraction=placement.gpu_memory_fraction,
        bind_address=_bind_address(config.access.nim_cidrs),
    )


def _bind_address(cidrs: tuple[str, ...]) -> str:
    """Loopback unless an address was named: a rule added by hand to the security group then opens nothing."""
    return "0.0.0.0" if cidrs else "127.0.0.1"


def outputs(
    config: StackConfig,
    plan: Plan,
    bill: Costs,
    store: DataStore,
    host: Host,
    snapshots: Sequence[FoundSnapshot],
) -> Outputs:
    """Everything a user or another program needs of the stack, secrets marked."""
    address = host.address
    ports = [catalog.IRIS_SUPERSERVER_PORT, catalog.IRIS_WEB_PORT]
    ports += [each.host_port for each in plan.placements]
    pairs = [(catalog.SERVICE_TUNNEL_PORT, catalog.SERVICE_PORT), *((port, port) for port in ports)]
    forwards = " ".join(f"-L {near}:127.0.0.1:{far}" for near, far in pairs)
    login = f"-i {KEY_FILE} {catalog.SSH_USER}@"
    stack = config.stack
    return {
        "address": address,
        "instanceId": host.instance_id,
        "volumeId": store.volume_id,
        "snapshotIds": [each.snapshot_id for each in snapshots],
        "buckets": store.bucket_names,
        "ssh": pulumi.Output.concat("ssh ", login, address),
        "tunnel": pulumi.Output.concat("ssh -N ", forwards, " ", login, address),
        "serviceUrl": reverse_proxy.front(config.access, config.service_tls, address).url,
        "firstAdministrator": pulumi.Output.concat(
            "ssh ", login, address, " ", reverse_proxy.FIRST_ADMINISTRATOR
        ),
        "urls": {"service": reverse_proxy.tunnel_url()}
        | {name: f"http://127.0.0.1:{port}" for name, port in _services(plan).items()},
        "plan": {
            "instance": plan.instance.name,
            "verdict": plan.verdict,
            "models": {each.role: f"{each.model} on the {each.device}" for each in plan.placements},
            "warnings": list(plan.warnings),
        },
        "cost": {
            "runningUsdPerHour": round(bill.running_usd_per_hour, 3),
            "runningUsdPerMonth": round(bill.running_usd_per_month, 2),
            "pausedUsdPerMonth": round(bill.paused_usd_per_month, 2),
            "source": catalog.PRICE_SOURCE,
        },
        "commands": commands(config, stack),
        "destroy": destroy_effect(config),
        "settings": settings(config, plan, store.iris_password),
    }


def _services(plan: Plan) -> dict[str, int]:
    """Port by name, of what else the tunnel makes reachable on this machine."""
    ports = {"irisPortal": catalog.IRIS_WEB_PORT}
    return ports | {each.role: each.host_port for each in plan.placements}


def commands(config: StackConfig, stack: str) -> dict[str, str]:
    """Commands for this stack, by what they do."""
    pause = {
        "volume": "pulumi destroy",
        "snapshot": "pulumi destroy",
        "stop": "pulumi config set paused true && pulumi up",
    }
    resume = {
        "volume": "pulumi up",
        "snapshot": "pulumi up",
        "stop": "pulumi config set paused false && pulumi up --refresh",
    }
    orphans = f"python -m infra.orphans --stack {stack} --region {config.region}"
    return {
        "vectorize": f"python -m pipeline.vectorize notes --stack {stack} FILE-OR-FOLDER",
        "vectorizeBucket": "sudo systemctl start chartwell-vectorize  # on the host; every boot does it too",
        "ask": f"python -m pipeline.ask --stack {stack} 'QUESTION'",
        "validate": f"python -m pipeline.validate --stack {stack}",
        "validateOnHost": f"sudo bash {steps.HOME}/steps/validate.sh  # sees GPU, disks and ledger as well",
        "pause": pause[config.pause_mode],
        "resume": resume[config.pause_mode],
        "resumeAfterIdleStop": "pulumi up --refresh",
        # Snapshots of earlier pauses are in no state: the last command lists what is left.
        "decommission": " && ".join(
            ("pulumi config set dataRetention destroy", "pulumi up", "pulumi destroy", orphans)
        ),
        "preflight": f"python -m infra.preflight --stack {stack}",
        "orphans": orphans,
        "snapshots": f"python -m infra.snapshots --stack {stack}",
    }


def destroy_effect(config: StackConfig) -> str:
    """What a destroy does, in a sentence. An output, because the plan of a destroy prints those above its count, and
    counts what is retained among what it deletes."""
    if config.data_retention == "destroy":
        return "deletes everything in the plan, data included: nothing is marked [retain]"
    kept = "the lines marked [retain] (data, key, passwords, logs) stay in your account, though counted as deleted"
    volume = "; the data volume becomes a snapshot first" if config.pause_mode == "snapshot" else ""
    return f"pauses: {kept}{volume}. Then not `pulumi stack rm`, which Pulumi offers: it deletes this configuration"


def settings(
    config: StackConfig, plan: Plan, iris_password: pulumi.Input[str]
) -> dict[str, pulumi.Input[str]]:
    """The pipeline's settings for this stack through the tunnel, as environment variables.

    What another provider answers (llmModel none) is left to the reader's own environment.
    """
    found_settings: dict[str, pulumi.Input[str]] = {
        "CHARTWELL_STORE__KIND": "iris",
        "CHARTWELL_IRIS__HOST": "127.0.0.1",
        "CHARTWELL_IRIS__PORT": str(catalog.IRIS_SUPERSERVER_PORT),
        "CHARTWELL_IRIS__NAMESPACE": pipeline.IRIS_NAMESPACE,
        "CHARTWELL_IRIS__USERNAME": pipeline.IRIS_USER,
        "CHARTWELL_IRIS__PASSWORD": pulumi.Output.secret(iris_password),
    }
    for role, group in pipeline.SETTINGS_GROUPS.items():
        placed = next((each for each in plan.placements if each.role == role), None)
        if placed is None:
            continue
        url = f"http://127.0.0.1:{placed.host_port}/v1"
        found_settings |= {
            f"CHARTWELL_{group}__PROVIDER": "nim",
            f"CHARTWELL_{group}__MODEL": placed.model,
            f"CHARTWELL_{group}__URL": url,
        }
    return found_settings | pipeline.vision_environment(config.vision) | cost_settings(config, plan)


def cost_settings(config: StackConfig, plan: Plan) -> dict[str, str]:
    """What the pipeline is told of prices, with what they are of and from when.

    The hour carries its share of what bills by the month (disks, key, alarms), so that hours can be added up. No
    value may need quotes: the host's settings file allows none.
    """
    bill = sizing.costs(config)
    market = "spot-estimated" if config.spot else "on-demand"
    return {
        "CHARTWELL_COST__RUNNING_USD_PER_HOUR": f"{bill.running_usd_per_month / catalog.HOURS_PER_MONTH:.4f}",
        "CHARTWELL_COST__PAUSED_USD_PER_HOUR": f"{bill.paused_usd_per_month / catalog.HOURS_PER_MONTH:.4f}",
        "CHARTWELL_COST__GPUS": str(plan.instance.gpu_count),
        "CHARTWELL_COST__PLAN": f"{plan.instance.name}/{market}/{config.region}/pause-{config.pause_mode}",
        "CHARTWELL_COST__PRICES_AS_OF": catalog.PRICES_AS_OF,
    }


def export(values: Mapping[str, Any]) -> None:
    """Hand the outputs to Pulumi."""
    for name, value in values.items():
        pulumi.export(name, value)
