"""Many image files read and prepared in processes of their own, so that a model waits for none of them.

Decides what a decoder that hangs, dies or eats memory costs: its image. Files are read ahead, a few a process, and come
out in the order in which they went in. Knows no model and no store. What crosses between the processes is cleaned: a
header, a key's digest or a path that was not cleaned stays where it was read.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType, TracebackType
from typing import Final, TypeAlias

from pipeline.errors import ChartwellError, UnreadableImage
from pipeline.imaging.files import ImageFile
from pipeline.imaging.limits import too_large
from pipeline.imaging.preparation import SIDE_MAX, PictureType, prepare_with_thumbnail, require_side
from pipeline.imaging.reading import ReadingOptions, image_fault, read_image
from pipeline.imaging.records import ImageDescription
from pipeline.imaging.viewing.frames import FramePicture, FrameView, view_frame
from pipeline.imaging.viewing.volumes import VolumeFile, VolumeView, view_volume

IMAGES_PER_PROCESS: Final = 2000
"""After so many a process is replaced: what a decoder leaks goes with it."""

AHEAD_PER_PROCESS: Final = 4
"""Images that are read while the model works on those before. Each waits as some ten kilobytes."""

_GRACE_SECONDS: Final = 5
"""A process whose parent was killed ends itself that much later than the parent would have ended it."""

_STOP_SECONDS: Final = 2.0
_STARTING = threading.Lock()


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
        self._size = options.processes or _cores()
        self._free: queue.LifoQueue[_Process] = queue.LifoQueue()
        self._all = [_Process(options) for _ in range(self._size)]
        for process in self._all:
            self._free.put(process)
        self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="image-reading")

    def __enter__(self) -> ReadingPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._all:
            process.stop()
        self._threads.shutdown(wait=True)
        for process in self._all:
            process.end()

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
        process = self._free.get()
        try:
            return process.answer(task)
        finally:
            self._free.put(process)


def _next(pending: deque[tuple[ImageFile, Future[Outcome]]]) -> tuple[ImageFile, Outcome]:
    file, future = pending.popleft()
    return file, future.result()


class _Process:
    """One process, started when it is first needed and again when it has ended."""

    def __init__(self, options: PoolOptions) -> None:
        self._options = options
        self._process: BaseProcess | None = None
        self._line: Connection | None = None
        self._read = 0
        self._stopped = False

    def answer(self, task: ReadingTask) -> object:
        """What the process makes of it; UnreadableImage where it refuses, hangs, or dies twice: what killed it once may
        have been after something else. Raises what concerns all tasks alike."""
        outcome = self._asked(task)
        died = isinstance(outcome, UnreadableImage) and outcome.kind == DIED
        return self._asked(task) if died and not self._stopped else outcome

    def _asked(self, task: ReadingTask) -> object:
        try:
            line = self._ready_line()
            line.send(task)
            if not line.poll(self._options.seconds_max):
                self.end()
                return _hung(self._options.seconds_max)
            outcome = line.recv()
        except (EOFError, OSError):
            self.end()
            return _died()
        self._read += 1
        if isinstance(outcome, ChartwellError) and not isinstance(outcome, UnreadableImage):
            raise outcome
        return outcome

    def _ready_line(self) -> Connection:
        if self._read >= self._options.images_per_process:
            self.end()
        if self._line is None or self._process is None or not self._process.is_alive():
            self.end()
            self._start()
        if self._line is None:
            raise RuntimeError("the pool has been closed")
        return self._line

    def _start(self) -> None:
        if self._stopped:
            return
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._options), daemon=True, name="image-reading"
        )
        with _without_main():
            self._process.start()
        theirs.close()
        self._line, self._read = ours, 0
        if not ours.poll(self._options.seconds_max + _GRACE_SECONDS) or ours.recv() != "ready":
            self.end()
            raise OSError("a process that reads images did not start")

    def stop(self) -> None:
        """From any thread: what it is doing is given up, and it is not started again."""
        self._stopped = True
        if self._process is not None and self._process.pid is not None:
            self._process.kill()

    def end(self) -> None:
        if self._process is not None and self._process.pid is not None:
            self._process.kill()
            self._process.join(_STOP_SECONDS)
        if self._line is not None:
            self._line.close()
        self._process = self._line = None
        self._read = 0


@contextmanager
def _without_main() -> Iterator[None]:
    """A new process imports what it needs, and not the command that started it first: of the service that is two
    seconds of a processor, for a module that is not asked for anything."""
    with _STARTING:
        command = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = command


def _no_answer(outcome: object) -> TypeError:
    return TypeError(f"a process that reads images answered with {type(outcome).__name__}")


def _hung(seconds: float) -> UnreadableImage:
    return UnreadableImage(
        f"The decoder was not done after {seconds:g} seconds, and was ended.",
        remedy="Open it in a viewer; where that shows it, export it again uncompressed. "
        "CHARTWELL_IMAGE_READING__SECONDS_MAX is the patience.",
        kind="hung",
    )


DIED: Final = "died"


def _died() -> UnreadableImage:
    return UnreadableImage(
        "The decoder's process died over the image.",
        remedy="Open it in a viewer; where that shows it, export it again uncompressed. If it happens to many images, "
        "look whether the machine runs out of memory.",
        kind=DIED,
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _serve(line: Connection, options: PoolOptions) -> None:
    """The process: one file after another, until no one asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption ends
    _limit_memory(options.memory_bytes_max)
    line.send("ready")
    while True:
        try:
            task = line.recv()
        except (EOFError, OSError):
            return
        signal.alarm(int(options.seconds_max) + _GRACE_SECONDS)
        answer = _answer(task, options)
        signal.alarm(0)
        line.send(answer)


def _answer(task: ReadingTask, options: PoolOptions) -> ReadingResult | ChartwellError:
    try:
        return _done(task, options)
    except ChartwellError as error:
        return error
    except MemoryError:
        return too_large("The image needs more memory than a reading process has.")
    except Exception as error:  # noqa: BLE001  a traceback would quote the image's header
        return image_fault(error)


def _done(task: ReadingTask, options: PoolOptions) -> ReadingResult:
    match task:
        case ImageFile():
            return prepare_file(task, options)
        case FrameView():
            return view_frame(task, options.reading)
        case VolumeView():
            return view_volume(task, options.reading)


def _limit_memory(bytes_max: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = bytes_max if hard == resource.RLIM_INFINITY else min(bytes_max, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
