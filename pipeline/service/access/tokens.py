"""Random tokens and what is kept of them: a hash.

A token has 256 random bits, so one SHA-256 is enough: there is nothing to guess slowly. Passwords are another matter
(`passwords.py`). Knows no table.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

TOKEN_BYTES = 32


def new_token() -> str:
    """43 characters that are safe in URLs and cookies."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """What is kept and looked up: 64 hex digits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def csrf_token(token: str) -> str:
    """What a form must carry that was made for the browser with this cookie. Nothing is stored for it.

    The cookie cannot be computed from it. A form before signing in uses a random cookie of its own the same way.
    """
    return hmac.new(token.encode("utf-8", "replace"), b"chartwell csrf", hashlib.sha256).hexdigest()


def csrf_valid(token: str, given: str | None) -> bool:
    """Whether `given` came from a form that was made for this cookie."""
    return bool(token) and bool(given) and same(csrf_token(token), given or "")
