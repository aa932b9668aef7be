"""The deployment's key: what ids and days are derived from, so that they are the same in every run and no one else's.

Decides where the key lies, that it is made once, for its owner's eyes, and that one which is gone, not sound or another
than before is refused, never replaced: every image would come back under another id. It is never logged or printed.
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
FINGERPRINT_FILE = "deidentification.fingerprint"
"""By which a later run knows that it has the same key."""
OPENING_LOCK = "deidentification.lock"
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

    Raises DeidentificationUnavailable where the file is not there, cannot be read, is open to other accounts, holds no
    key or another one than the data folder was used with, and StoreUnavailable where that cannot be written.
    """
    path = key_file or data_dir / KEY_FILE
    seen = data_dir / FINGERPRINT_FILE
    with exclusive_lock(data_dir / OPENING_LOCK, wait=True):
        if key_file is None and not path.exists() and not seen.exists():
            _write(path, secrets.token_hex(KEY_BYTES))
        key = read_key(path)
        if not seen.exists():
            _write(seen, key.fingerprint)
    if seen.read_text(encoding="ascii", errors="replace").strip() != key.fingerprint:
        raise _invalid(
            f"{path} holds another key of de-identification than the one that {data_dir} was used with."
        )
    return key


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


def _write(path: Path, text: str) -> None:
    """On disk, whole, before it has its name: a crash leaves no half key that would count as one."""
    fresh = path.with_name(f"{path.name}.new")
    with storage_errors(path):
        with suppress(FileNotFoundError):
            fresh.unlink()
        descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text + "\n")
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
        "CHARTWELL_DEIDENTIFICATION__KEY_FILE. Another key gives every image another id: only where no image is "
        f"stored, remove {FINGERPRINT_FILE} from the data folder and begin with it.",
    )
