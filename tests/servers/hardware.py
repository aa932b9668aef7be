"""Stand-ins for what a GPU host has: NVIDIA's library, `dcgmi`, `docker`, and pages of metrics, each with its faults.

They print what the real ones print. dcgmi's refusals and dcgm-exporter's page are as published by people who met them
(DCGM 3 and 4); Docker's words are those of its client 20 to 29.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NVML_SOURCE = Path(__file__).with_name("nvml.c")

DMON_FINE = """#Entity   TENSO          DRAMA
ID
GPU 0     0.000          0.000
GPU 1     N/A            N/A
GPU 0     0.034          0.612
GPU 1     0.000          0.001
"""
DMON_REFUSALS = {
    "not root": "Error setting watches. Result: -29: Unable to watch one or more of the requested fields because "
    "doing so requires the host engine to be running as root.\n",
    "no module": "Error setting watches. Result: -33: This request is serviced by a module of DCGM that is not "
    "currently loaded\n",
    "no engine": "Error: unable to establish a connection to the specified host: localhost\n"
    "Error: Unable to connect to host engine. Host engine connection invalid/disconnected.\n",
    "no counters": "Error setting watches. Result: -6: Feature not supported\n",
}

_LABELS = (
    'gpu="{gpu}",UUID="GPU-6d5c0ac5-74d7-3130-46f1-e93ed57f469{gpu}",pci_bus_id="00000000:1E:00.0",device="nvidia{gpu}",'
    'modelName="NVIDIA A10G",Hostname="ip-10-0-3-7",DCGM_FI_DRIVER_VERSION="580.95.05"'
)


def exporter_page(*cards: tuple[float, float], profiling: bool = True) -> str:
    """What dcgm-exporter shows of these cards: (DRAM, tensor) ratios."""
    lines = ["# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).", "# TYPE DCGM_FI_DEV_GPU_UTIL gauge"]
    lines += [f"DCGM_FI_DEV_GPU_UTIL{{{_LABELS.format(gpu=gpu)}}} 92" for gpu in range(len(cards))]
    names = ("DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE") if profiling else ()
    for place, name in enumerate(names):
        lines.append(f"# TYPE {name} gauge")
        lines += [f"{name}{{{_LABELS.format(gpu=gpu)}}} {card[place]:f}" for gpu, card in enumerate(cards)]
    return "\n".join(lines) + "\n"


NIM_2_METRICS = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="meta/llama-3.1-8b-instruct"} 3.0
vllm:num_requests_waiting{engine="0",model_name="meta/llama-3.1-8b-instruct"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="meta/llama-3.1-8b-instruct"} 0.42
vllm:prompt_tokens_total{engine="0",model_name="meta/llama-3.1-8b-instruct"} 812044.0
vllm:generation_tokens_total{engine="0",model_name="meta/llama-3.1-8b-instruct"} 90211.0
"""
NIM_1_METRICS = """num_requests_running{model_name="meta/llama-3.1-8b-instruct"} 0.0
num_requests_waiting{model_name="meta/llama-3.1-8b-instruct"} 0.0
gpu_cache_usage_perc{model_name="meta/llama-3.1-8b-instruct"} NaN
prompt_tokens_total{model_name="meta/llama-3.1-8b-instruct"} 7.0
"""


def program(folder: Path, name: str, body: str) -> Path:
    """A program of this name that runs `body` in sh; put the folder in front of PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def printing(folder: Path, name: str, text: str, *, status: int = 0, stream: int = 1) -> Path:
    """A program that prints `text` and ends."""
    said = folder / f"{name}.txt"
    folder.mkdir(parents=True, exist_ok=True)
    said.write_text(text, encoding="utf-8")
    return program(folder, name, f"cat {said} >&{stream}; exit {status}")


def nvml(folder: Path) -> Path | None:
    """The stand-in for libnvidia-ml.so.1 in `folder`, None where there is no C compiler. For LD_LIBRARY_PATH."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "libnvidia-ml.so.1"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wl,-soname,libnvidia-ml.so.1", "-o", target, NVML_SOURCE],
        check=True,
    )
    return folder


class Pages:
    """A server of fixed pages: path to (status, text). `slow` seconds pass before each answer."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, str]] = {}
        self.slow = threading.Event()
        self.asked: list[str] = []
        self.url = ""


@contextmanager
def serving() -> Iterator[Pages]:
    """`Pages` on a free port of the loopback."""
    pages = Pages()
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages.asked.append(self.path)
            if pages.slow.is_set():
                done.wait(20)
            status, text = pages.pages.get(self.path, (404, "404 page not found"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(OSError):  # the client gave up
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    pages.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield pages
    finally:
        done.set()
        server.shutdown()
        server.server_close()
        thread.join()


def path_with(*folders: Path) -> str:
    return os.pathsep.join([*map(str, folders), os.environ["PATH"]])
