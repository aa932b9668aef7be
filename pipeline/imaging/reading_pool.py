"""Many image files read and prepared in processes of their own, so that a model waits for none of them.

Decides what a decoder that hangs, dies or eats memory costs: its image. Files are read ahead, a few a process, and come
out in the order in which they went in. Knows no model and no store. What crosses between the processes is cleaned: a
header, a key's digest or a path that was not cleaned stays where it was read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, TypeAlias

from pipeline.errors import ChartwellError, UnreadableImage
from pipeline.imaging.files import ImageFile
from pipeline.imaging.limits import too_large
from pipeline.imaging.preparation import SIDE_MAX, PictureType, prepare_with_thumbnail, require_side
from pipeline.imaging.reading import ReadingOptions, image_fault, read_image
from pipeline.imaging.records import ImageDescription
from pipeline.imaging.viewing.frames import FramePicture, FrameView, view_frame
from pipeline.imaging.viewing.volumes import VolumeFile, VolumeView, view_volume
from pipeline.processes import ProcessEnd, ProcessLimits, TaskProcesses, usable_cores

IMAGES_PER_PROCESS: Final = 2000
"""After so many a process is replaced: what a decoder leaks goes with it."""

AHEAD_PER_PROCESS: Final = 4
"""Images that are read while the model works on those before. Each waits as some ten kilobytes."""


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """What embedding and storing need of one image. The picture is encoded once, here."""

    description: ImageDescription
    content: bytes
    """For the model: longest side as the options say."""
    media_type: PictureType
    thumbnail: bytes
    """For people: a JPEG, longest side 256 pixels."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How files are read and prepared, and what one may cost."""

    reading: ReadingOptions
    side: int = SIDE_MAX
    encoding: PictureType = "image/jpeg"
    processes: int = 0
    """0: one a core."""
    seconds_max: float = 60.0
    memory_bytes_max: int = 4 * 1024**3
    images_per_process: int = IMAGES_PER_PROCESS

    def __post_init__(self) -> None:
        require_side(self.side)


Outcome: TypeAlias = PreparedImage | UnreadableImage
ReadingTask: TypeAlias = ImageFile | FrameView | VolumeView
ReadingResult: TypeAlias = PreparedImage | FramePicture | VolumeFile


def prepare_file(file: ImageFile, options: PoolOptions) -> PreparedImage:
    """In this process. Raises what `read_image` raises."""
    image = read_image(file, options.reading)
    content, small = prepare_with_thumbnail(image.rendering, options.side, options.encoding)
    return PreparedImage(image.description, content, options.encoding, small)


class ReadingPool:
    """Processes that read. Use as a context; what is under way when it ends is given up."""

    def __init__(self, options: PoolOptions) -> None:
        self._options = options
        self._size = options.processes or usable_cores()
        limits = ProcessLimits(options.seconds_max, options.memory_bytes_max, options.images_per_process)
        self._processes = TaskProcesses(partial(_work, options), limits, self._size, "image-reading")
        self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="image-reading")

    def __enter__(self) -> ReadingPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._processes.stop()
        self._threads.shutdown(wait=True)
        self._processes.end()

    def prepare(self, files: Iterable[ImageFile]) -> Iterator[tuple[ImageFile, Outcome]]:
        """Each file with what became of it, in order; `files` is asked for no more than are read ahead.

        Raises what concerns all of them alike: SettingsInvalid, DeidentificationUnavailable.
        """
        ahead = self._size * AHEAD_PER_PROCESS
        pending: deque[tuple[ImageFile, Future[Outcome]]] = deque()
        for file in files:
            pending.append((file, self._threads.submit(self._prepare_one, file)))
            if len(pending) >= ahead:
                yield _next(pending)
        while pending:
            yield _next(pending)

    def submit(self, file: ImageFile) -> Future[Outcome]:
        """The same of one file, for whoever decides the order and how many are ahead."""
        return self._threads.submit(self._prepare_one, file)

    def view(self, wanted: FrameView | VolumeView) -> Future[FramePicture | VolumeFile | UnreadableImage]:
        """An image that is indexed, read again for a person: `FramePicture` of a frame, `VolumeFile` of a volume."""
        return self._threads.submit(self._view_one, wanted)

    def _prepare_one(self, file: ImageFile) -> Outcome:
        outcome = self._answer(file)
        if isinstance(outcome, PreparedImage | UnreadableImage):
            return outcome
        raise _no_answer(outcome)

    def _view_one(self, wanted: FrameView | VolumeView) -> FramePicture | VolumeFile | UnreadableImage:
        outcome = self._answer(wanted)
        if isinstance(outcome, FramePicture | VolumeFile | UnreadableImage):
            return outcome
        raise _no_answer(outcome)

    def _answer(self, task: ReadingTask) -> object:
        """Raises what concerns all tasks alike."""
        outcome = self._processes.answer(task)
        if isinstance(outcome, ProcessEnd):
            return _died() if outcome.kind == "died" else _hung(self._options.seconds_max)
        if isinstance(outcome, ChartwellError) and not isinstance(outcome, UnreadableImage):
            raise outcome
        return outcome


def _next(pending: deque[tuple[ImageFile, Future[Outcome]]]) -> tuple[ImageFile, Outcome]:
    file, future = pending.popleft()
    return file, future.result()


def _no_answer(outcome: object) -> TypeError:
    return TypeError(f"a process that reads images answered with {type(outcome).__name__}")


def _hung(seconds: float) -> UnreadableImage:
    return UnreadableImage(
        f"The decoder was not done after {seconds:g} seconds, and was ended.",
        remedy="Open it in a viewer; where that shows it, export it again uncompressed. "
        "CHARTWELL_IMAGE_READING__SECONDS_MAX is the patience.",
        kind="hung",
    )


def _died() -> UnreadableImage:
    return UnreadableImage(
        "The decoder's process died over the image.",
        remedy="Open it in a viewer; where that shows it, export it again uncompressed. If it happens to many images, "
        "look whether the machine runs out of memory.",
        kind="died",
    )


def _work(options: PoolOptions, task: ReadingTask) -> ReadingResult:
    """In the process. Raises ChartwellError alone."""
    try:
        return _done(task, options)
    except ChartwellError:
        raise
    except MemoryError:
        raise too_large("The image needs more memory than a reading process has.") from None
    except Exception as error:  # noqa: BLE001  a traceback would quote the image's header
        raise image_fault(error) from None


def _done(task: ReadingTask, options: PoolOptions) -> ReadingResult:
    match task:
        case ImageFile():
            return prepare_file(task, options)
        case FrameView():
            return view_frame(task, options.reading)
        case VolumeView():
            return view_volume(task, options.reading)
