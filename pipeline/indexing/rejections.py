"""The errors file: one JSON line for each record that was not taken.

Decides how rejections are kept and counted. Ids of notes are in it, so only its owner may read it; note text never is.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.errors import InputUnusable
from pipeline.records import ImageReference, Rejection, RunKind

OWNER_ONLY = 0o600

NOT_LISTED = frozenset({"patient_id", "file", "version", "authority"})
"""What a withdrawal says of the note that it takes back, for the flow alone."""


class RejectionLog:
    """Writes and counts rejections. Begins empty at each run: the run before is no part of this one. Runs at the same
    time share the file.

    Each line is on its way to the disk when `write` returns, so a killed run leaves whole lines.
    """

    def __init__(self, path: Path | None, kind: RunKind = "notes") -> None:
        """`path` None counts only; of images the lines have the words of images. Raises InputUnusable where the file
        cannot be written."""
        self.path = path
        self._shown = _as_note if kind == "notes" else _as_image
        self.counts: Counter[str] = Counter()
        self._descriptor = None if path is None else _open(path)

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def reasons(self) -> Mapping[str, int]:
        """Rejections by reason, the most frequent first."""
        return dict(self.counts.most_common())

    def write(self, rejection: Rejection) -> None:
        self.counts[rejection.reason] += 1
        if self._descriptor is None:
            return
        line = json.dumps(self._shown(rejection), ensure_ascii=False) + "\n"
        waiting = memoryview(line.encode("utf-8", "backslashreplace"))
        try:
            while waiting:
                waiting = waiting[os.write(self._descriptor, waiting) :]
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> RejectionLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def image_rejection(reference: ImageReference, kind: str, reason: str, remedy: str) -> Rejection:
    """Of an image that was read, or not stored, at work."""
    path = reference.path
    return Rejection(path, "", reference.resource_id, kind, reason, remedy, file=path)


def _as_note(rejection: Rejection) -> dict[str, Any]:
    return {name: value for name, value in asdict(rejection).items() if name not in NOT_LISTED}


def _as_image(rejection: Rejection) -> dict[str, Any]:
    """A file has no position and no fields: what is wrong has a kind, and bytes have a hash."""
    return {
        "source": rejection.source,
        "file": rejection.file or rejection.source,
        "content_hash": rejection.resource_id,
        "kind": rejection.field,
        "reason": rejection.reason,
        "remedy": rejection.remedy,
        "whole_source": rejection.whole_source,
    }


def _open(path: Path) -> int:
    """Created for the owner alone; an older file is emptied, unless another run writes to it, and closed to others. A
    link is not followed: a user who can place one in a shared folder could choose which file is emptied."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, OWNER_ONLY)
        os.fchmod(descriptor, OWNER_ONLY)
        _begin(descriptor)
    except OSError as error:
        raise _unwritable(path, error) from error
    return descriptor


def _begin(descriptor: int) -> None:
    """Every run shares a lock on the file until it ends; only one that is alone may empty it."""
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_size:
            os.ftruncate(descriptor, 0)
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def _unwritable(path: Path | None, error: OSError) -> InputUnusable:
    return InputUnusable(
        f"The errors file {path} cannot be written: {error.strerror}.",
        remedy="Name another one: --errors FILE, on a disk with room, in a folder that this user may write to.",
    )
