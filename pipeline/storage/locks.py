"""Locks between processes of one machine, each an empty file that the kernel forgets with its holder.

Decides nothing about what they protect. `flock` (not fcntl records): it belongs to the open file, so two parts of one
process exclude each other as two processes do, and a process that dies holds nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.storage.sqlite import storage_errors


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Hold `path` together with others; waits while another process holds it alone."""
    with _opened(path) as descriptor:
        with storage_errors(path):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def exclusive_lock(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold `path` alone. Gives False, immediately and holding nothing, where others hold it, unless told to wait."""
    with _opened(path) as descriptor:
        yield _alone(path, descriptor, wait=wait)


def _alone(path: Path, descriptor: int, *, wait: bool) -> bool:
    with storage_errors(path):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    with storage_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
