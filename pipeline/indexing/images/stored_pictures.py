"""The prepared picture of a stored image, read and cleaned again from its original, for a model that looks at it.

Decides that an image out of sight has none, as one that is not there, and that a file which moved or changed is refused
as it would be when indexing. A thumbnail never stands in for it: it is too small to see a finding in. Processes start
with the first picture. Knows no model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

from pipeline.call_context import cancellation
from pipeline.errors import UnreadableImage
from pipeline.indexing.images.originals import Originals
from pipeline.ports import ImageStore
from pipeline.records import AccessScope

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pipeline.imaging.reading_pool import Outcome, ReadingPool

LOOK_SECONDS = 0.2


class StoredPictures:
    """Of one store. Safe to share between threads; close it afterwards."""

    def __init__(
        self,
        images: ImageStore,
        originals: Originals,
        open_pool: Callable[[], AbstractContextManager[ReadingPool]],
    ) -> None:
        self._images = images
        self._originals = originals
        self._open_pool = open_pool
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._pool: ReadingPool | None = None

    def picture(self, image_id: str, scope: AccessScope) -> bytes | None:
        """PNG or JPEG, as an image embedder is given it; None where `scope` admits no such image. Raises
        UnreadableImage where its original is gone, has changed or is not taken, and SettingsInvalid without the extra
        `images`."""
        description = self._images.image(image_id, scope)
        if description is None:
            return None
        (file,) = self._originals.of([description])
        if file is None:
            raise UnreadableImage(
                "The original of the image is not where the index found it any more.",
                remedy="Put the file back, or have its folder indexed where it lies now.",
                kind="unopened",
            )
        outcome = _when_read(self._reading().submit(file))
        if isinstance(outcome, UnreadableImage):
            raise outcome
        if outcome.description.content_hash != description.content_hash:
            raise UnreadableImage(
                "The original of the image has changed since it was indexed.",
                remedy="Have its folder indexed again.",
                kind="changed",
            )
        return outcome.content

    def close(self) -> None:
        """Ends the processes."""
        with self._lock:
            self._pool = None
            self._stack.close()

    def _reading(self) -> ReadingPool:
        with self._lock:
            if self._pool is None:
                self._pool = self._stack.enter_context(self._open_pool())
            return self._pool


def _when_read(reading: Future[Outcome]) -> Outcome:
    """Raises Cancelled where no one waits for it any more; what is being read ends by itself."""
    while True:
        cancellation.check()
        try:
            return reading.result(timeout=LOOK_SECONDS)
        except TimeoutError:
            continue
