"""A small deployment of real processes: the service, indexing runs, a monitor, and a real Prometheus.

Model servers are simulated NIMs, the GPU is a stand-in for NVIDIA's library where there is a C compiler, else none.

Notes are indexed and ten questions asked while Prometheus scrapes with the configuration and the rules that we ship;
only addresses, the key's file and the intervals differ.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from pipeline.config import Settings, as_environment, load_settings
from pipeline.service.database.engine import open_state
from tests.servers import hardware
from tests.servers.nim import NimServer
from tests.servers.queueing import ServiceTime
from tests.service.running import ROOT, settings_in

MONITORING = ROOT / "docs" / "monitoring"
PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
SCRAPE_SECONDS = 1
SECONDS_MAX = 60.0
COSTS = {"running_usd_per_hour": 1.21, "paused_usd_per_hour": 0.11, "gpus": 1}


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
            found = json.load(answer)
        assert found["status"] == "success", found
        return found["data"]

    def query(self, expr: str) -> list[Any]:
        found: list[Any] = self.get("query", query=expr)["result"]
        return found

    def query_range(self, expr: str, *, seconds: float, step: float) -> list[Any]:
        now = time.time()
        found: list[Any] = self.get(
            "query_range", query=expr, start=str(now - seconds), end=str(now), step=str(step)
        )["result"]
        return found

    def metric_names(self) -> set[str]:
        return set(self.get("label/__name__/values"))


@dataclass(frozen=True)
class Deployment:
    prometheus: Prometheus
    client: httpx2.Client
    nim: NimServer
    settings: Settings
    folder: Path

    @property
    def data(self) -> Path:
        return self.settings.data_dir

    def ask(self, question: str, **more: Any) -> httpx2.Response:
        return self.client.post("/v1/ask", json={"question": question, **more})


@contextmanager
def deployed(folder: Path, *, name: str = "watcher", log_level: str = "info") -> Iterator[Deployment]:
    """Everything, running; its output is in `folder`/*.log. `name`: of the person who asks."""
    with ExitStack() as stack:
        nim = stack.enter_context(
            NimServer(
                embedding=ServiceTime(seconds_per_request=0.01, concurrency=4),
                chat=ServiceTime(seconds_per_request=0.05, concurrency=4),
            )
        )
        served = {"provider": "nim", "url": nim.url}
        ports = {part: free_port() for part in ("monitor", "prometheus")}
        settings = settings_in(
            folder / "data",
            embedder=served,
            generator=served,
            cost=COSTS,
            log_level=log_level,
            tracing={"exporter": "file", "file": folder / "traces.jsonl"},
            metrics={"textfile_seconds": SCRAPE_SECONDS},
        )
        person_key, metrics_key = _keys(settings, name)
        url = _service(stack, settings, folder / "serve.log")
        _monitor(stack, settings, folder, url, metrics_key, ports["monitor"])
        prometheus = _prometheus(stack, folder, url, ports, metrics_key)
        client = stack.enter_context(
            httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {person_key}"}, timeout=30)
        )
        until(lambda: httpx2.get(f"{url}/readyz", timeout=10).status_code == 200)
        yield Deployment(prometheus, client, nim, settings, folder)


def vectorize(deployment: Deployment, notes: Path) -> None:
    """An indexing run in a process of its own, as the command runs it."""
    environment = {**os.environ, **as_environment(deployment.settings)}
    with (deployment.folder / "vectorize.log").open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.vectorize", "notes", str(notes)],
            cwd=ROOT, env=environment, stdout=log, stderr=log, check=False, timeout=SECONDS_MAX,
        )  # fmt: skip
    assert done.returncode in (0, 1), (deployment.folder / "vectorize.log").read_text()[-3000:]


def until(condition: Callable[[], Any], seconds: float = SECONDS_MAX) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _keys(settings: Settings, name: str) -> tuple[str, str]:
    """Keys of a person who asks and of a scraper."""
    from pipeline.service.access.factory import open_access  # noqa: PLC0415
    from pipeline.service.access.policy import DEMO  # noqa: PLC0415
    from pipeline.service.access.visibility import ALL_NOTES  # noqa: PLC0415

    with open_state(settings) as state:
        state.migrate()
        access = open_access(state, settings)
        keys = []
        for who, role, actions in (
            (name, "reader", ["ask", "read-note"]),
            ("scraper", "administrator", ["read-metrics"]),
        ):
            person, _ = access.people.create(DEMO, who, role=role, sees=ALL_NOTES)  # type: ignore[arg-type]
            keys.append(access.keys.create(DEMO, person.id, "test", actions)[1])
    return keys[0], keys[1]


def _service(stack: ExitStack, settings: Settings, log: Path) -> str:
    """The service as its command runs it; gives its URL."""
    output = stack.enter_context(log.open("wb"))
    child = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", "pipeline.serve", "--port", "0"],
            cwd=ROOT,
            env={**os.environ, **as_environment(settings)},
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    )
    stack.callback(_ended, child)
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line, log.read_text()[-3000:]
    return line.split()[0]


OFTEN = "import pipeline.monitoring.sampler as l, pipeline.monitor as m; l.SELDOM_SECONDS = 1.0; m.app()"
"""The monitor as its command runs it, but for asking each second what it asks each minute."""


def _monitor(stack: ExitStack, settings: Settings, folder: Path, url: str, key: str, port: int) -> None:
    pages = stack.enter_context(hardware.serving())
    pages.pages["/metrics"] = (200, hardware.exporter_page((0.612, 0.034), (0.001, 0.0)))
    given = {
        "interval_seconds": 1.0,
        "metrics_port": port,
        "service_url": url,
        "service_key": key,
        "dcgm_url": f"{pages.url}/metrics",
    }
    watched = load_settings(None, **(settings.model_dump() | {"monitor": given}))
    library = hardware.nvml(folder / "nvml")
    output = stack.enter_context((folder / "monitor.log").open("wb"))
    child = subprocess.Popen(
        [sys.executable, "-c", OFTEN],
        cwd=ROOT,
        env={
            **os.environ,
            **as_environment(watched),
            **({"LD_LIBRARY_PATH": str(library)} if library else {}),
        },
        stdout=output,
        stderr=output,
    )
    stack.callback(_ended, child)


def _prometheus(stack: ExitStack, folder: Path, url: str, ports: Mapping[str, int], key: str) -> Prometheus:
    """Prometheus with the files we ship, on the addresses of this deployment."""
    assert PROMETHEUS is not None
    home = folder / "prometheus"
    shutil.copytree(MONITORING / "rules", home / "rules")
    (home / "key").write_text(key)
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"}
    targets = {
        "chartwell": [url.removeprefix("http://")],
        "chartwell-monitor": [f"127.0.0.1:{ports['monitor']}"],
    }
    jobs = [job for job in config["scrape_configs"] if job["job_name"] in targets]
    assert len(jobs) == len(targets)
    for job in jobs:
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(home / "key")
    config["scrape_configs"] = jobs
    (home / "prometheus.yml").write_text(yaml.safe_dump(config))
    for rules in (home / "rules").glob("*.yml"):
        rules.write_text(rules.read_text().replace("interval: 1m", f"interval: {SCRAPE_SECONDS}s"))
    output = stack.enter_context((folder / "prometheus.log").open("wb"))
    child = subprocess.Popen(
        [
            PROMETHEUS,
            f"--config.file={home / 'prometheus.yml'}",
            f"--storage.tsdb.path={home / 'data'}",
            f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
        ],
        stdout=output,
        stderr=output,
    )
    stack.callback(_ended, child)
    prometheus = Prometheus(f"http://127.0.0.1:{ports['prometheus']}")

    def ready() -> bool:
        assert child.poll() is None, (folder / "prometheus.log").read_text()[-3000:]
        try:
            with urllib.request.urlopen(f"{prometheus.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    until(ready)
    return prometheus


def _ended(child: subprocess.Popen[Any]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(15)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
