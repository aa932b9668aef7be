"""The deployment's key: what ids and days are derived from, so that they are the same in every run and no one else's.

Decides where the key lies, that it is made once, for its owner's eyes, and that a key which is not sound is refused
rather than replaced: with another key every image would come back under another id. It is never logged or printed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import DeidentificationUnavailable
from pipeline.storage.locks import exclusive_lock
from pipeline.storage.sqlite import storage_errors

KEY_FILE = "deidentification.key"
MAKING_LOCK = "deidentification.key.lock"
KEY_BYTES = 32
KEY_CHARACTERS_MIN = 32
KEY_CHARACTERS_MAX = 1024
_READ_BY_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class DeidentificationKey:
    """A secret of a deployment. What is derived for one purpose says nothing about another's."""

    secret: bytes = field(repr=False)

    def digest(self, purpose: str, value: str) -> bytes:
        """32 bytes that only this key gives for that purpose and value."""
        message = purpose.encode() + b"\0" + value.encode("utf-8", "surrogatepass")
        return hmac.new(self.secret, message, hashlib.sha256).digest()

    @property
    def fingerprint(self) -> str:
        """16 hex digits by which two keys are told apart; the key cannot be computed from them."""
        return self.digest("fingerprint", "").hex()[:16]


def open_key(data_dir: Path, key_file: Path | None = None) -> DeidentificationKey:
    """The key in `key_file`; where none is named, the one of the data folder, which is made the first time.

    Raises DeidentificationUnavailable where a named file is not there, cannot be read, is open to other accounts or
    holds no key, and StoreUnavailable where the data folder cannot be written.
    """
    if key_file is not None:
        return read_key(key_file)
    path = data_dir / KEY_FILE
    with exclusive_lock(data_dir / MAKING_LOCK, wait=True):
        if not path.exists():
            _make(path)
    return read_key(path)


def read_key(path: Path) -> DeidentificationKey:
    """The key in that file, without the blanks around it. Raises DeidentificationUnavailable."""
    try:
        mode = path.stat().st_mode
        written = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(
            f"The key of de-identification cannot be read from {path} ({type(error).__name__})."
        ) from None
    if mode & _READ_BY_OTHERS:
        raise _invalid(
            f"{path} holds the key of de-identification and is open to other accounts of this host."
        )
    if not KEY_CHARACTERS_MIN <= len(written) <= KEY_CHARACTERS_MAX or not written.isalnum():
        raise _invalid(
            f"{path} holds no key of de-identification: a key has {KEY_CHARACTERS_MIN} or more letters and digits."
        )
    return DeidentificationKey(written.encode("ascii"))


def _make(path: Path) -> None:
    """On disk, whole, before it has its name: a crash leaves no half key that would count as one."""
    fresh = path.with_name(f"{path.name}.new")
    with storage_errors(path):
        with suppress(FileNotFoundError):
            fresh.unlink()
        descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _invalid(what: str) -> DeidentificationUnavailable:
    return DeidentificationUnavailable(
        what,
        remedy="Bring back the file from a snapshot with mode 0600, or name the right one in "
        "CHARTWELL_DEIDENTIFICATION__KEY_FILE. Another key gives every image another id.",
    )
