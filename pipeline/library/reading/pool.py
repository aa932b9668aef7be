"""Files of the library read, and pages drawn, in processes of their own.

Decides what a file costs that hangs, kills its reader or eats memory: itself. What crosses between the processes is
what was read, never an exception that quotes the file.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

from pipeline.errors import ChartwellError, UnreadableDocument
from pipeline.library.reading.libraries import require_libraries
from pipeline.library.reading.options import DocumentReadingOptions, too_large
from pipeline.library.records import LibraryDocument
from pipeline.processes import ProcessEnd, ProcessLimits, TaskProcesses, usable_cores

SECONDS_MAX = 120.0
"""For one file; each page that is recognised may take `ocr_seconds_max` of it."""
MEMORY_BYTES_MAX = 2 * 1024**3
FILES_PER_PROCESS = 200
WIDTH_MAX = 2400
"""Pixels of a page as an image."""


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """A file to be read."""

    path: Path
    suffix: str
    """As it was called when it was handed in: decides between formats that are all text."""


@dataclass(frozen=True, slots=True)
class PageView:
    """A page that a person wants to see."""

    path: Path
    number: int
    """Counted from 1."""
    width: int
    """Pixels, at most `WIDTH_MAX`."""


class DocumentReaders:
    """Processes that read. Use as a context; safe to share between threads. None is started before it is needed."""

    def __init__(
        self,
        options: DocumentReadingOptions,
        *,
        processes: int = 0,
        limits: ProcessLimits = ProcessLimits(SECONDS_MAX, MEMORY_BYTES_MAX, FILES_PER_PROCESS),  # noqa: B008  frozen
    ) -> None:
        """`processes`: 0 is one a core. Raises SettingsInvalid where the extra is missing."""
        require_libraries()
        self._limits = limits
        self._processes = TaskProcesses(
            partial(read_or_draw, options), limits, processes or usable_cores(), "document-reading"
        )

    def __enter__(self) -> DocumentReaders:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.stop()
        self._processes.end()

    def read(self, path: Path, file_name: str = "") -> LibraryDocument:
        """`file_name`: as it was called when it was handed in, where that is not the name at `path`.

        Raises UnreadableDocument for what is refused, hangs, or kills its reader twice.
        """
        answer = self._answered(DocumentFile(path, Path(file_name or path.name).suffix))
        if not isinstance(answer, LibraryDocument):
            raise TypeError(f"a process that reads documents answered with {type(answer).__name__}")
        return answer

    def page_image(self, view: PageView) -> bytes:
        """A PNG of one page of a PDF. Raises UnreadableDocument, also for a page that is not there."""
        answer = self._answered(view)
        if not isinstance(answer, bytes):
            raise TypeError(f"a process that reads documents answered with {type(answer).__name__}")
        return answer

    def _answered(self, task: DocumentFile | PageView) -> object:
        answer = self._processes.answer(task)
        if isinstance(answer, ProcessEnd):
            raise _hung(self._limits.seconds_max) if answer.kind == "hung" else _died()
        if isinstance(answer, ChartwellError):
            raise answer
        return answer


def _hung(seconds: float) -> UnreadableDocument:
    return UnreadableDocument(
        f"Reading was not done after {seconds:g} seconds, and was ended.",
        remedy="Split the document, or print it to a new PDF.",
        kind="hung",
    )


def _died() -> UnreadableDocument:
    return UnreadableDocument(
        "The process that read the file died over it.",
        remedy="Print it to a new PDF. If it happens to many files, look whether the machine runs out of memory.",
        kind="died",
    )


def read_or_draw(options: DocumentReadingOptions, task: DocumentFile | PageView) -> LibraryDocument | bytes:
    """In the process. Raises ChartwellError alone."""
    from pipeline.library.reading.reader import read_document

    try:
        if isinstance(task, PageView):
            return _drawn(task, options)
        return read_document(task.path, options, suffix=task.suffix)
    except ChartwellError:
        raise
    except MemoryError:
        raise too_large("The document needs more memory than a reading process has.") from None
    except FileNotFoundError:
        raise UnreadableDocument(
            "The file is not there any more.", remedy="Upload it again.", kind="gone"
        ) from None
    except Exception as error:  # noqa: BLE001  a traceback would quote the document
        raise UnreadableDocument(
            f"The document is damaged in a way that its reader does not know ({type(error).__name__}).",
            remedy="Print it to a new PDF, and upload that.",
            kind="damaged",
        ) from None


def _drawn(view: PageView, options: DocumentReadingOptions) -> bytes:
    from PIL import Image

    from pipeline.library.reading import pdf

    content = view.path.read_bytes()
    with pdf.opened(content) as document:
        if not 1 <= view.number <= len(document):
            raise UnreadableDocument(
                f"The document has no page {view.number}.", remedy="Name a page that it has.", kind="no-page"
            )
        page = document[view.number - 1]
        try:
            pixels = pdf.page_pixels(page, min(view.width, WIDTH_MAX), options.limits, grey=False)
        finally:
            page.close()
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG", compress_level=3)
    return written.getvalue()
