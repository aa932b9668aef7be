"""Pictures of pages that were drawn lately: a reviewer turns back and forth.

Decides how many bytes are kept. Refuses to know who may see a picture: whoever asks here has asked that before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TypeAlias

BYTES_MAX = 32 * 2**20

WhichImage: TypeAlias = tuple[str, int, int]
"""Hash of the original, number of the page, width in pixels."""


class PageImages:
    """Those that were asked for last, up to `bytes_max`. Safe to share between threads."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[WhichImage, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, which: WhichImage) -> bytes | None:
        """A PNG; None where it has to be drawn."""
        with self._lock:
            if which in self._kept:
                self._kept.move_to_end(which)
            return self._kept.get(which)

    def put(self, which: WhichImage, image: bytes) -> None:
        with self._lock:
            self._bytes += len(image) - len(self._kept.pop(which, b""))
            self._kept[which] = image
            while self._bytes > self._bytes_max:
                _, left = self._kept.popitem(last=False)
                self._bytes -= len(left)
