"""A form with files, written to disk as it comes.

Decides how many files and bytes one form may bring, and that none of it is ever whole in memory: the files lie without
a name beside the originals, so that a crash leaves nothing behind. Knows no library.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import SpooledTemporaryFile

from fastapi import Request
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from pipeline.errors import BadRequest
from pipeline.service.errors import TooLarge
from pipeline.storage.sqlite import storage_errors

FILES_MAX = 20
"""Of one request; a page sends one each, so that it can show how far each is."""
FILE_BYTES_MAX = 100 * 2**20
FIELDS_MAX = 8


class FilesToDisk(MultiPartParser):
    """Reads the form of one request. Whoever gets it closes it."""

    def __init__(self, request: Request, folder: Path) -> None:
        super().__init__(request.headers, request.stream(), max_files=FILES_MAX, max_fields=FIELDS_MAX)
        self._folder = folder
        self._bytes = 0
        """Of the file that is coming."""

    async def read(self) -> FormData:
        """Raises TooLarge, BadRequest for what is no form, and StoreUnavailable where the disk is full."""
        try:
            with storage_errors(self._folder):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                return await self.parse()
        except MultiPartException as error:
            raise BadRequest(
                "The form cannot be read.",
                remedy=f"Send multipart/form-data with at most {FILES_MAX} files.",
            ) from error

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        self._bytes = 0
        file = self._current_part.file
        if file is not None:
            here = SpooledTemporaryFile[bytes](self.spool_max_size, dir=str(self._folder))
            self._files_to_close_on_error.append(here)
            file.file.close()
            file.file = here  # type: ignore[assignment]  # as Starlette does

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._bytes += end - start
        if self._bytes > FILE_BYTES_MAX:
            raise TooLarge(f"A document may have {FILE_BYTES_MAX:,} bytes.", remedy="Split it into parts.")
        super().on_part_data(data, start, end)
