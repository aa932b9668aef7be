"""`python -m pipeline.vectorize` as it is, against the scripted IRIS, telling the outside what it is doing.

    python -m tests.worker notes notes.jsonl          # settings as ever, from CHARTWELL_ variables

Two files named by the environment outlive a SIGKILL of this process: WORKER_MARKS, a byte for each stage that is
running at this moment, and WORKER_JOURNAL, a line for each text whose vector has arrived. WORKER_HOST is what this
machine is called, so that a worker can seem to run on another one. Nothing else is changed.
"""

from __future__ import annotations

import functools
import hashlib
import mmap
import os
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from iris import dbapi

from pipeline.backends.iris.store import IrisStore
from pipeline.backends.nim import NimEmbedder
from pipeline.indexing import flow
from pipeline.indexing.flow import Indexing
from pipeline.indexing.ledger import SqliteLedger
from pipeline.indexing.vector_cache import SqliteVectorCache
from tests.servers.iris import connect

STAGES: dict[str, tuple[type, str]] = {
    "reading": (Indexing, "stage"),
    "staging": (SqliteLedger, "stage"),
    "claiming": (SqliteLedger, "claim"),
    "embedding": (NimEmbedder, "embed"),
    "spooling": (SqliteVectorCache, "keep"),
    "storing": (IrisStore, "upsert"),
    "ledger commit": (SqliteLedger, "complete"),
}
"""Each stage is the time inside one method."""
HASH_DIGITS = 16
"""As the simulator names texts."""


class Marks:
    """A byte a stage: how many threads are in it. Shared with every process that maps the same file."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), len(STAGES))
        self._lock = threading.Lock()

    @staticmethod
    def create(path: Path) -> None:
        path.write_bytes(bytes(len(STAGES)))

    def active(self) -> list[str]:
        return [name for at, name in enumerate(STAGES) if self._bytes[at]]

    def change(self, name: str, by: int) -> None:
        at = list(STAGES).index(name)
        with self._lock:
            self._bytes[at] += by

    def clear(self) -> None:
        self._bytes[:] = bytes(len(STAGES))


def text_name(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]


def _marked(marks: Marks, stage: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **options: Any) -> Any:
        marks.change(stage, +1)
        try:
            return method(*arguments, **options)
        finally:
            marks.change(stage, -1)

    return call


def _journalled(journal: int, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def embed(self: Any, texts: Sequence[str], kind: str) -> Any:
        vectors = method(self, texts, kind)
        os.write(journal, "".join(f"{text_name(text)}\n" for text in texts).encode())
        return vectors

    return embed


def _told(path: str) -> Callable[[Sequence[str]], None]:
    lines = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def listen(ids: Sequence[str]) -> None:
        os.write(lines, "".join(f"{key}\n" for key in ids).encode())

    return listen


def main() -> None:
    dbapi.connect = connect
    if name := os.environ.get("WORKER_HOST"):
        socket.gethostname = lambda: name
    if path := os.environ.get("WORKER_JOURNAL"):
        journal = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        NimEmbedder.embed = _journalled(journal, NimEmbedder.embed)  # type: ignore[method-assign]
    if path := os.environ.get("WORKER_MARKS"):
        marks = Marks(Path(path))
        for stage, (owner, name) in STAGES.items():
            setattr(owner, name, _marked(marks, stage, getattr(owner, name)))
    if path := os.environ.get("WORKER_TOLD"):
        flow.Indexing = functools.partial(Indexing, on_committed=_told(path))  # type: ignore[assignment,misc]
    from pipeline.vectorize import app  # noqa: PLC0415  after what it uses was prepared

    app()


if __name__ == "__main__":
    main()
