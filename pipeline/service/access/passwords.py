"""Passwords: what is accepted, and argon2id hashes of them.

Parameters come from the settings; the defaults are the second recommended option of RFC 9106, section 4 (64 MiB,
3 passes, 4 lanes). A hash that was made with others still verifies and is replaced at the next sign-in. Length
counts and composition does not, as in NIST SP 800-63B, section 3.1.1.2. Knows no table.
"""

from __future__ import annotations

import threading
import unicodedata

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from pipeline.config import ServiceSettings
from pipeline.errors import BadRequest

PASSWORD_CHARACTERS_MAX = 256
"""Longer ones only cost time."""
HASHES_AT_ONCE = 4
"""Each takes its memory for some 50 ms: a flood of sign-ins waits here instead of filling the host."""


class Passwords:
    """Hashes and checks. Safe to share between threads."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.password_passes,
            memory_cost=settings.password_memory_mebibytes * 1024,
            parallelism=settings.password_lanes,
            type=Type.ID,
        )
        self._characters_min = settings.password_characters_min
        self._slots = threading.BoundedSemaphore(HASHES_AT_ONCE)
        self._dummy_hash = self._hash("nobody has this password")

    def hash(self, password: str, *, name: str) -> str:
        """The hash to keep. Raises BadRequest where the password is too short, too long or the name itself."""
        given = _normal(password)
        if not self._characters_min <= len(given) <= PASSWORD_CHARACTERS_MAX:
            raise BadRequest(
                f"A password has {self._characters_min} to {PASSWORD_CHARACTERS_MAX} characters.",
                remedy="A few words in a row are long and easy to remember.",
            )
        if given.casefold() == _normal(name).casefold() or len(set(given)) < 4:
            raise BadRequest(
                "This password would be guessed first.",
                remedy="Take another one, with more than three different characters and not the name itself.",
            )
        return self._hash(given)

    def verify(self, kept: str | None, password: str) -> bool:
        """Whether the password is the one of that hash. Takes as long where there is no such person."""
        given = _normal(password[: PASSWORD_CHARACTERS_MAX * 4])
        with self._slots:
            try:
                self._hasher.verify(kept or self._dummy_hash, given)
            except (VerificationError, InvalidHashError):
                return False
        return kept is not None

    def outdated(self, kept: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    def again(self, password: str) -> str:
        """A new hash of a password that was accepted before, whatever is asked of new ones today."""
        return self._hash(_normal(password))

    def _hash(self, password: str) -> str:
        with self._slots:
            return self._hasher.hash(password)


def _normal(password: str) -> str:
    """The same password from every keyboard (NIST SP 800-63B names NFKC)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()
