"""The hash of a file's bytes, which is read in blocks. Knows no format."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

_BLOCK_BYTES = 2**20


def sha256(head: bytes, rest: BinaryIO) -> str:
    """In hexadecimal digits, of a file of which `head` was read already."""
    digest = hashlib.sha256(head)
    while block := rest.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()
