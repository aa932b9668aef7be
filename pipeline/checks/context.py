"""What the checks of one run share: settings, machine, and each part of the pipeline opened once, when first needed.

Patience is cut down to one attempt: a check tells how things are, it does not wait for them to become better.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TypeVar, cast
from urllib.parse import urlsplit

from pipeline.checks.machine import Machine, Vantage
from pipeline.config import Settings
from pipeline.ports import Embedder, Generator, ImageEmbedder, ImageStore, Ledger, Store, VisionModel
from pipeline.storage.sqlite import Database
from pipeline.wiring import (
    ledger_database,
    open_embedder,
    open_generator,
    open_image_embedder,
    open_image_store,
    open_ledger,
    open_store,
    open_vision_model,
)

Part = TypeVar("Part")

READ_SECONDS_MAX = 45.0
CONNECT_SECONDS_MAX = 5.0
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass
class CheckContext:
    """Safe to share between the threads of a run. Close it afterwards."""

    settings: Settings
    """Those of the space that serves."""
    base_settings: Settings
    """Those that name the data folder of all spaces."""
    vantage: Vantage
    machine: Machine = field(default_factory=Machine)
    written: set[str] = field(default_factory=set)
    """Ids of notes that a check has written and not removed yet."""
    written_images: set[str] = field(default_factory=set)
    """The same of images."""
    _parts: dict[str, object] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        transport = self.settings.transport
        hasty = transport.model_copy(
            update={
                "attempts_max": 1,
                "retry_seconds_max": 0.0,
                "connect_seconds": min(transport.connect_seconds, CONNECT_SECONDS_MAX),
                "read_seconds": min(transport.read_seconds, READ_SECONDS_MAX),
            }
        )
        iris = self.settings.iris
        quick = iris.model_copy(update={"timeout_seconds": min(iris.timeout_seconds, 10.0)})
        vision = self.settings.vision
        brief = vision.model_copy(update={"seconds_max": min(vision.seconds_max, READ_SECONDS_MAX)})
        self.settings = self.settings.model_copy(update={"transport": hasty, "iris": quick, "vision": brief})

    @property
    def embedder(self) -> Embedder:
        """Raises SettingsInvalid or ModelFileError where it cannot be opened."""
        return self._part("embedder", lambda: open_embedder(self.settings))

    @property
    def generator(self) -> Generator:
        return self._part("generator", lambda: open_generator(self.settings, self.embedder))

    @property
    def image_embedder(self) -> ImageEmbedder | None:
        return self._part("image embedder", lambda: open_image_embedder(self.settings))

    @property
    def vision_model(self) -> VisionModel | None:
        return self._part("vision model", lambda: open_vision_model(self.settings))

    @property
    def images(self) -> ImageStore:
        """The images next to the notes."""
        return self._part("images", lambda: open_image_store(self.store))

    @property
    def database(self) -> Database:
        """The ledger's database, which an embedded store shares."""
        return self._part("database", lambda: self._closed_later(ledger_database(self.settings)))

    @property
    def store(self) -> Store:
        return self._part("store", lambda: self._closed_later(open_store(self.settings, self.database)))

    @property
    def ledger(self) -> Ledger:
        return self._part("ledger", lambda: open_ledger(self.settings, self.database))

    def short_generator(self, tokens_max: int) -> Generator:
        """A generator of its own that writes so many tokens at most."""
        short = self.settings.generator.model_copy(update={"tokens_max": tokens_max})
        return open_generator(self.settings.model_copy(update={"generator": short}), self.embedder)

    @property
    def iris(self) -> bool:
        return self.settings.store.kind == "iris"

    def here(self, url: str) -> bool:
        """Whether a server at `url` runs on this machine: a loopback address is the tunnel where we are outside."""
        return self.vantage != "outside" and urlsplit(url).hostname in LOOPBACK_HOSTS

    @property
    def service_url(self) -> str:
        return self.settings.checks.service_url or self.settings.service.public_url

    def urls(self) -> dict[str, str]:
        """Every address over HTTP that the settings name, by who is there."""
        found = {
            name: getattr(self.settings, name).url
            for name in ("embedder", "generator", "ranker", "image_embedder", "vision")
            if getattr(self.settings, name).provider in ("nim", "openai")
        }
        found["service"] = self.service_url
        return {name: url for name, url in found.items() if url}

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> CheckContext:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _part(self, name: str, make: Callable[[], Part]) -> Part:
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._parts:
                self._parts[name] = make()
            return cast("Part", self._parts[name])

    def _closed_later(self, part: _Closable) -> _Closable:
        with self._lock:
            self._stack.enter_context(closing(part))
        return part


_Closable = TypeVar("_Closable", Store, Database)
