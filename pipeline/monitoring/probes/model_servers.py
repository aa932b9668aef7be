"""The servers that Chartwell needs, each asked with one short call that is no work.

Decides what is asked. A NIM's readiness and metrics pages do not move the counters by which the host's idle watch
tells whether a model answered, so watching keeps no host awake; real inference is what `pipeline.validate` does. A
hosted model is not asked at all: only a paid call would tell, and its membership in a list of models proves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.config import Settings
from pipeline.errors import ChartwellError, StoreAccessDenied
from pipeline.monitoring.probes.http_get import Unreachable, address, get
from pipeline.monitoring.probes.prometheus_text import samples_of, total
from pipeline.monitoring.samples import Service, ServiceState, reason
from pipeline.wiring import open_store

SECONDS_MAX = 3.0
SLOW_SECONDS = 1.0
"""A readiness page that takes longer belongs to a server in trouble."""
REFUSED_SECONDS = 900.0
PRIVATE = ("127.", "10.", "192.168.", "localhost", "[::1]")

RUNNING = ("vllm:num_requests_running", "num_requests_running")
WAITING = ("vllm:num_requests_waiting", "num_requests_waiting")
CACHE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "gpu_cache_usage_perc")
PROMPT = ("vllm:prompt_tokens_total", "prompt_tokens_total")
COMPLETION = ("vllm:generation_tokens_total", "generation_tokens_total")
"""Names of a language model NIM's metrics: 2.x passes vLLM's on, 1.x has its own."""


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A model server on HTTP, by its base URL (…/v1)."""

    name: str
    url: str
    nim: bool

    def __call__(self) -> Service:
        started = time.monotonic()
        where = address(self.url)
        try:
            answer = get(f"{self.url}{'/health/ready' if self.nim else '/models'}", SECONDS_MAX)
        except Unreachable as error:
            return Service(self.name, where, "slow" if error.slow else "down", reason(str(error)))
        seconds = time.monotonic() - started
        if answer.status in {401, 403} and not self.nim:
            return Service(self.name, where, "ok", "answers; wants a key", seconds)
        if answer.status == 503:
            return Service(self.name, where, "loading", "loads its model", seconds)
        if answer.status != 200:
            return Service(self.name, where, "failing", f"HTTP {answer.status}", seconds)
        state: ServiceState = "slow" if seconds > SLOW_SECONDS else "ok"
        return self._with_load(Service(self.name, where, state, seconds=seconds))

    def _with_load(self, service: Service) -> Service:
        """Its own counters, where it has a page of them."""
        try:
            page = get(f"{self.url}/metrics", SECONDS_MAX)
        except Unreachable:
            return service
        if page.status != 200:
            return service
        found = samples_of(page.text)
        return Service(
            service.name,
            service.address,
            service.state,
            service.detail,
            service.seconds,
            running=total(found, *RUNNING),
            waiting=total(found, *WAITING),
            cache_used=total(found, *CACHE),
            prompt_tokens=total(found, *PROMPT),
            completion_tokens=total(found, *COMPLETION),
        )


@dataclass(frozen=True, slots=True)
class Hosted:
    """A model that another operator runs."""

    name: str
    address: str

    def __call__(self) -> Service:
        return Service(
            self.name, self.address, "not asked", "hosted: only a paid call would tell, see pipeline.validate"
        )


class IrisProbe:
    """The database, by a real connection and a query of one row, closed again: a Community licence has eight.

    A refused password is not tried again for a quarter of an hour: IRIS locks an account after some failed logins.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        iris = settings.iris.model_copy(update={"connections_max": 1, "timeout_seconds": SECONDS_MAX})
        self._settings = settings.model_copy(update={"iris": iris})
        self._where = f"{iris.host}:{iris.port}"
        self._clock = clock
        self._refused: tuple[float, Service] | None = None

    def __call__(self) -> Service:
        if self._refused and self._clock() - self._refused[0] < REFUSED_SECONDS:
            return self._refused[1]
        started = time.monotonic()
        try:
            with closing(open_store(self._settings)) as store:
                store.space()
        except ChartwellError as error:
            state: ServiceState = "down" if error.transient else "failing"
            found = Service("iris", self._where, state, reason(f"{error.what} [{error.code}]"))
            self._refused = (self._clock(), found) if isinstance(error, StoreAccessDenied) else None
            return found
        seconds = time.monotonic() - started
        return Service("iris", self._where, "slow" if seconds > SLOW_SECONDS else "ok", seconds=seconds)


@dataclass(frozen=True, slots=True)
class OwnService:
    """Chartwell's own service: whether its process answers, and with an API key also what it last found of its needs.

    Its readiness page is not asked: that makes the service call its models, and a host would never be idle.
    """

    url: str
    key: str = ""

    def __call__(self) -> Service:
        where = address(self.url)
        started = time.monotonic()
        try:
            answer = get(f"{self.url}/healthz", SECONDS_MAX)
        except Unreachable as error:
            return Service("service", where, "slow" if error.slow else "down", reason(str(error)))
        seconds = time.monotonic() - started
        if answer.status != 200:
            return Service("service", where, "failing", f"HTTP {answer.status}", seconds)
        if broken := self._broken():
            return Service("service", where, "failing", f"not ready: {', '.join(broken)}", seconds)
        return Service("service", where, "slow" if seconds > SLOW_SECONDS else "ok", seconds=seconds)

    def _broken(self) -> list[str]:
        """Dependencies that did not work when the service last looked."""
        if not self.key:
            return []
        try:
            page = get(f"{self.url}/metrics", SECONDS_MAX, token=self.key)
        except Unreachable:
            return []
        ready = samples_of(page.text).get("chartwell_ready", ()) if page.status == 200 else ()
        return sorted(labels.get("dependency", "?") for labels, value in ready if value == 0)


Asker: TypeAlias = ModelServer | Hosted | IrisProbe | OwnService


def services_of(settings: Settings) -> Iterator[tuple[str, Asker]]:
    """Every server that these settings name, with who asks it."""
    if settings.store.kind == "iris":
        yield "iris", IrisProbe(settings)
    groups = (("embedder", settings.embedder), ("generator", settings.generator), ("ranker", settings.ranker))
    for name, group in groups:
        if group.provider == "bedrock":
            yield name, Hosted(name, f"bedrock {settings.bedrock.region}")
        elif group.provider in {"nim", "openai"} and group.url:
            where = address(group.url)
            near = where.startswith(PRIVATE) or group.url.startswith("http://")
            yield (
                name,
                ModelServer(name, group.url, group.provider == "nim") if near else Hosted(name, where),
            )
    if settings.monitor.service_url:
        key = settings.monitor.service_key.get_secret_value()
        yield "service", OwnService(settings.monitor.service_url, key)
