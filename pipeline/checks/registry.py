"""Which checks there are, what each needs, and how long each may take."""

from __future__ import annotations

from pipeline.checks.canary import clear_canary, end_to_end_check, left_overs_check
from pipeline.checks.clock import clock_check
from pipeline.checks.disks import disk_check, volume_check
from pipeline.checks.endpoints import certificate_check, service_health_check
from pipeline.checks.gpu import docker_gpu_check, gpu_check
from pipeline.checks.images import clear_image_canary, image_search_check, vision_language_check
from pipeline.checks.ledger import ledger_check
from pipeline.checks.models import (
    embedding_check,
    generator_check,
    nim_llm_health_check,
    nim_llm_inference_test,
    vision_check,
)
from pipeline.checks.runner import Check
from pipeline.checks.stores import iris_connection_check, iris_search_check, iris_tables_check, store_check

_STORE = ("store_check", "iris_connection_check", "iris_tables_check")
_CERTIFICATE = ("certificate_check",)

CHECKS: tuple[Check, ...] = (
    Check("gpu_check", gpu_check, 25, purpose="driver, card, memory, temperature"),
    Check(
        "docker_gpu_check",
        docker_gpu_check,
        40,
        needs=("gpu_check",),
        purpose="containers are up, and see the GPU they were given",
    ),
    Check("disk_check", disk_check, 10, purpose="free space and inodes"),
    Check(
        "volume_check",
        volume_check,
        10,
        purpose="the stack's own encrypted volume, mounted where it should be",
    ),
    Check("clock_check", clock_check, 25, purpose="this machine's clock"),
    Check(
        "certificate_check", certificate_check, 25, purpose="dates, host name and chain of https addresses"
    ),
    Check("store_check", store_check, 30, purpose="embedded store: space, counts, a search"),
    Check("iris_connection_check", iris_connection_check, 20, purpose="IRIS: address, user, password"),
    Check(
        "iris_tables_check",
        iris_tables_check,
        20,
        needs=("iris_connection_check",),
        purpose="IRIS: tables, width, space",
    ),
    Check(
        "iris_search_check",
        iris_search_check,
        30,
        needs=("iris_tables_check",),
        purpose="IRIS: searches find, and use the vector index",
    ),
    Check("embedding_check", embedding_check, 40, needs=_CERTIFICATE, purpose="a real embedding, its width"),
    Check("vision_check", vision_check, 40, needs=_CERTIFICATE, purpose="a real image embedding, its width"),
    Check(
        "vision_language_check",
        vision_language_check,
        60,
        needs=_CERTIFICATE,
        purpose="vision-language model: says what a picture of ours shows",
    ),
    Check(
        "nim_llm_health_check",
        nim_llm_health_check,
        15,
        needs=_CERTIFICATE,
        purpose="language model NIM: ready, serves the model",
    ),
    Check(
        "nim_llm_inference_test",
        nim_llm_inference_test,
        60,
        needs=("nim_llm_health_check",),
        purpose="language model NIM: a real answer, its speed",
    ),
    Check(
        "generator_check",
        generator_check,
        60,
        needs=_CERTIFICATE,
        purpose="any other generator: a real answer, its speed",
    ),
    Check(
        "ledger_check", ledger_check, 60, needs=_STORE, purpose="what is recorded as stored lies in the store"
    ),
    Check(
        "left_overs_check",
        left_overs_check,
        15,
        needs=_STORE,
        purpose="canary notes of killed runs are removed",
    ),
    Check(
        "service_health_check", service_health_check, 15, needs=_CERTIFICATE, purpose="/readyz of the service"
    ),
    Check(
        "end_to_end_check",
        end_to_end_check,
        60,
        needs=(*_STORE, *_CERTIFICATE, "embedding_check", "nim_llm_inference_test", "generator_check"),
        after=("ledger_check", "left_overs_check", "iris_search_check"),
        purpose="a question with a known answer, its citation",
        clear=clear_canary,
    ),
    Check(
        "image_search_check",
        image_search_check,
        15,
        needs=(*_STORE, "vision_check"),
        after=("ledger_check", "left_overs_check", "end_to_end_check"),
        purpose="a picture of ours is stored and found again",
        clear=clear_image_canary,
    ),
)
"""In the order in which people read them. The longest chain of deadlines is under three minutes: a test adds it up."""
