"""Facts about hosts, models, ports and prices, each with its source.

Decides nothing. `sizing` does the arithmetic and `config` checks names against these tables; a figure that is
not in a vendor's document says so in its `source`, so that a reader knows which ones to measure first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

ModelRole = Literal["llm", "embedding", "image"]
Device = Literal["gpu", "cpu"]

NIM_CONTAINER_PORT: Final = 8000  # every NIM listens on 8000 inside its container (docs.nvidia.com/nim)
IRIS_SUPERSERVER_PORT: Final = 1972
IRIS_WEB_PORT: Final = 52773  # community images still serve the portal here (Deploy and Explore IRIS CE)
SERVICE_PORT: Final = 443  # TLS; what people reach
SERVICE_PROCESS_PORT: Final = 8010  # loopback only; the pipeline's own default
SERVICE_TUNNEL_PORT: Final = 8443  # near end of the tunnel: 443 would need root there
SSH_PORT: Final = 22
SSH_USER: Final = "ubuntu"  # Canonical's and the Ubuntu deep-learning images both log in as this user
NIM_PORTS: Final[dict[ModelRole, int]] = {"llm": 8000, "embedding": 8001, "image": 8002}

# What the boot installs on plain Ubuntu 24.04. NIM 2.x wants driver >= 580; Docker 29.5+ is reported to fail
# some NGC pulls, and 29.4.3 is the version NVIDIA's RAG blueprint names.
NVIDIA_DRIVER: Final = "580-server"
DOCKER_VERSION: Final = "29.4.3"
CONTAINER_TOOLKIT_VERSION: Final = "1.18.1-1"
AMI_PARAMETER: Final = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"

DATA_MOUNT: Final = "/data"
DATA_DEVICE_NAME: Final = "/dev/sdf"  # the name the API wants; on Nitro the disk is found by its volume id


@dataclass(frozen=True)
class InstanceType:
    """One EC2 type. GPU memory is per card, as `ec2:DescribeInstanceTypes` reports it."""

    name: str
    vcpus: int
    memory_gib: float
    gpu: str
    gpu_count: int
    gpu_memory_mib: int
    usd_per_hour: float
    """On demand, Linux, us-east-1."""

    @property
    def gpu_memory_gib(self) -> float:
        return self.gpu_memory_mib / 1024

    @property
    def family(self) -> str:
        return self.name.split(".", maxsplit=1)[0]


INSTANCE_SOURCE: Final = (
    "vCPU, memory, GPU: ec2:DescribeInstanceTypes as recorded in moto 5.2.5; price: us-east-1 on demand, "
    "skypilot-catalog catalogs/v8/aws/vms.csv @e385a0d (g5) and AWS price list figures quoted in public code "
    "(g6e); `python -m infra.preflight` asks the Price List API for today's"
)


def _g5(size: str, vcpus: int, memory_gib: float, gpus: int, usd: float) -> InstanceType:
    return InstanceType(f"g5.{size}", vcpus, memory_gib, "A10G", gpus, 22888, usd)


def _g6e(size: str, vcpus: int, memory_gib: float, gpus: int, usd: float) -> InstanceType:
    return InstanceType(f"g6e.{size}", vcpus, memory_gib, "L40S", gpus, 45776, usd)


INSTANCE_TYPES: Final[dict[str, InstanceType]] = {
    each.name: each
    for each in (
        _g5("xlarge", 4, 16, 1, 1.006),
        _g5("2xlarge", 8, 32, 1, 1.212),
        _g5("4xlarge", 16, 64, 1, 1.624),
        _g5("8xlarge", 32, 128, 1, 2.448),
        _g5("12xlarge", 48, 192, 4, 5.672),
        _g5("16xlarge", 64, 256, 1, 4.096),
        _g5("24xlarge", 96, 384, 4, 8.144),
        _g5("48xlarge", 192, 768, 8, 16.288),
        _g6e("xlarge", 4, 32, 1, 1.861),
        _g6e("2xlarge", 8, 64, 1, 2.242),
        _g6e("4xlarge", 16, 128, 1, 3.004),
        _g6e("8xlarge", 32, 256, 1, 4.529),
        _g6e("12xlarge", 48, 384, 4, 10.493),
        _g6e("16xlarge", 64, 512, 1, 7.577),
    )
}
DEFAULT_INSTANCE_TYPE: Final = "g5.2xlarge"


@dataclass(frozen=True)
class ModelFacts:
    """What one model needs. GPU and host figures in GiB, disk in GiB for image and weights together."""

    name: str
    role: ModelRole
    image_repository: str
    weights_gib: float
    overhead_gib: float
    """Activations, CUDA context and graphs besides the weights and the KV cache."""
    kv_kib_per_token: int
    host_memory_gib: float
    disk_gib: float
    container_uid: int | None
    """User that must own the model cache; None = leave the image's own user alone and open the directory."""
    source: str
    max_context_tokens: int = 0
    dimensions: int = 0
    cpu_host_memory_gib: float | None = None
    """Host memory when it runs on the CPU; None = no CPU profile exists."""
    measured: bool = True
    """False: the GPU figure is inferred, so a plan that rests on it says so."""
    shm_gib: int = 1


MODELS: Final[dict[str, ModelFacts]] = {
    each.name: each
    for each in (
        ModelFacts(
            name="meta/llama-3.1-8b-instruct",
            role="llm",
            image_repository="nvcr.io/nim/meta/llama-3.1-8b-instruct",
            weights_gib=14.96,
            overhead_gib=2.4,
            kv_kib_per_token=128,
            host_memory_gib=15,
            disk_gib=50,
            container_uid=1000,
            max_context_tokens=131_072,
            shm_gib=2,
            source=(
                "weights 16,060,522,496 B in bf16; overhead is the upper end of 1.2-2.45 GiB scaled from a "
                "published vLLM run; KV = 32 layers x 8 heads x 128 x 2 (K,V) x 2 B; host 2 GB per 10^9 "
                "parameters (nim/large-language-models/1.3.0/support-matrix); image size is not published: "
                "30 GiB assumed"
            ),
        ),
        ModelFacts(
            name="nvidia/nv-embedqa-e5-v5",
            role="embedding",
            image_repository="nvcr.io/nim/nvidia/nv-embedqa-e5-v5",
            weights_gib=0.7,
            overhead_gib=1.3,
            kv_kib_per_token=0,
            host_memory_gib=3,
            disk_gib=20,
            container_uid=1000,
            dimensions=1024,
            max_context_tokens=512,
            cpu_host_memory_gib=4,
            source=(
                "335 M parameters in FP16 (embedding 2.0 matrix); overhead as in the documented 3.6 GB of "
                "the 1.24 B sibling; CPU by NIM_CPU_ONLY (text-embedding 1.5.1 notes); disk as the sibling"
            ),
        ),
        ModelFacts(
            name="nvidia/llama-nemotron-embed-1b-v2",
            role="embedding",
            image_repository="nvcr.io/nim/nvidia/llama-nemotron-embed-1b-v2",
            weights_gib=2.3,
            overhead_gib=1.3,
            kv_kib_per_token=0,
            host_memory_gib=4,
            disk_gib=21,
            container_uid=1000,
            dimensions=2048,
            max_context_tokens=8192,
            source="3.6 GB GPU, 20.2 GB disk (text-embedding 1.3.1 support matrix, under its earlier name)",
        ),
        ModelFacts(
            name="nvidia/nvclip",
            role="image",
            image_repository="nvcr.io/nim/nvidia/nvclip",
            weights_gib=1.9,
            overhead_gib=1.6,
            kv_kib_per_token=0,
            host_memory_gib=3,
            disk_gib=20,
            container_uid=None,
            dimensions=1024,
            measured=False,
            source=(
                "ViT-H/14, 986 M parameters in FP16; GPU need beyond the weights is not documented: 1.6 GiB "
                "assumed; disk 19.3 GB (nvclip/latest/support-matrix); `docker run -u` is a known limit "
                "(release notes 2.0.0)"
            ),
        ),
    )
}

DEFAULT_MODELS: Final[dict[ModelRole, str]] = {
    "llm": "meta/llama-3.1-8b-instruct",
    "embedding": "nvidia/nv-embedqa-e5-v5",
    "image": "none",
}
NO_MODEL: Final = "none"

# Host memory besides the models, GiB.
OS_MEMORY_GIB: Final = 5.0  # NIM docs: 5-10 GB for the system
IRIS_MEMORY_GIB: Final = (
    3.5  # 2 GiB of global buffers for 100 K x 1024 vectors and graph, routines and processes
)
IRIS_GLOBAL_BUFFERS_MB: Final = 2048
SERVICE_MEMORY_GIB: Final = 2.0  # the Chartwell service and one ingestion run
# Disk besides the models, GiB.
IRIS_DISK_GIB: Final = 15.0  # image 3, Community Edition's 10 GB data limit, journals
SERVICE_DISK_GIB: Final = 13.0  # wheel and environment, logs, working copies of documents
UPGRADE_DISK_GIB: Final = 30.0  # the largest image twice while a version is exchanged
# A card's first process costs a CUDA context and the driver keeps some: what no container may claim.
GPU_RESERVE_GIB: Final = 0.4
LLM_FRACTION_MAX: Final = 0.90  # vLLM's own default is 0.92 alone on a card; one step of 0.02 kept for safety
TIGHT_GPU_GIB: Final = 0.5
TIGHT_HOST_GIB: Final = 1.0
VCPUS_RECOMMENDED: Final = 8  # NIM support matrices ask for 8 cores

HOURS_PER_MONTH: Final = 730
GP3_USD_PER_GB_MONTH: Final = 0.08
GP3_USD_PER_MBPS_MONTH: Final = 0.04  # above 125 MB/s
GP3_BASE_THROUGHPUT_MBPS: Final = 125
SNAPSHOT_USD_PER_GB_MONTH: Final = 0.05  # of blocks in use
PUBLIC_IPV4_USD_PER_HOUR: Final = 0.005
KMS_KEY_USD_PER_MONTH: Final = 1.0
S3_USD_PER_GB_MONTH: Final = 0.023
ALARM_USD_PER_MONTH: Final = 0.10
ALARM_COUNT: Final = 4
DETAILED_MONITORING_USD_PER_MONTH: Final = 2.10  # 7 metrics at $0.30
LOGS_USD_PER_GB: Final = 0.50
SPOT_ROLE: Final = "AWSServiceRoleForEC2Spot"  # AWS makes it at an account's first use of spot
SPOT_SHARE_OF_ON_DEMAND: Final = 0.45  # g5.2xlarge in us-east-1: 0.37-0.51 by zone, same catalogue
PRICES_AS_OF: Final = "2026-11"
PRICE_SOURCE: Final = (
    f"us-east-1 list prices as of {PRICES_AS_OF}; storage prices do not follow the region factor"
)

# Price of g5 relative to us-east-1; g6e follows the same factors within 0.1 % where both were compared.
REGIONS: Final[dict[str, float]] = {
    "us-east-1": 1.0,
    "us-east-2": 1.0,
    "us-west-2": 1.0,
    "ca-central-1": 1.110,
    "eu-central-1": 1.250,
    "eu-north-1": 1.061,
    "eu-west-1": 1.116,
    "eu-west-2": 1.269,
    "me-central-1": 1.227,
    "ap-south-1": 1.201,
    "ap-southeast-2": 1.300,
    "ap-southeast-3": 1.400,
    "ap-northeast-1": 1.450,
    "ap-northeast-2": 1.230,
}
