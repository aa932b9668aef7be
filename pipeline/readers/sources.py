"""Where notes come from: files, folders, standard input; opened as one stream of UTF-8 bytes.

Decides what a path means, in which order a folder is walked, and takes off gzip and byte order marks. In a folder only
regular files are opened, and no link that leads out of it: who may write there may not choose what else is read.
Refuses to know any format of notes.
"""

from __future__ import annotations

import codecs
import difflib
import gzip
import io
import os
import re
import select
import stat
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from pipeline.errors import InputMissing, InputUnusable
from pipeline.readers.reader import UnreadableSource

STANDARD_INPUT = "-"
HEAD_BYTES = 64 * 1024
"""Read ahead to recognise the format."""
PIECE_BYTES = 256 * 1024

SUFFIXES = (
    *(".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".text", ".md", ".html", ".htm"),
    *(".xml", ".cda", ".ccda", ".hl7", ".hl7v2", ".er7", ".dat"),
)
"""Read when found in a folder, each also with .gz. A file named by the user is read whatever its name."""

IGNORED_NAMES = frozenset({"Thumbs.db", "desktop.ini"})
"""Left by file managers. These and names that start with a dot are no notes and are not reported."""

WRITER_SECONDS = 10
"""A pipe that the user named is waited for so long."""

_NUMBER = re.compile(r"([0-9]+)")

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Source:
    """One file or stream that is read from beginning to end."""

    given: str
    """The input as the user named it."""
    path: Path | None
    """None for standard input."""
    inside: str | None = None
    """Path below the folder that the user named, with /; None for a file named itself."""

    @property
    def name(self) -> str:
        """The file's name without .gz, in lower case: what its format is guessed from."""
        return (self.path.name if self.path else "").lower().removesuffix(".gz")

    @property
    def label(self) -> str:
        """How messages call it."""
        if self.path is None:
            return "standard input"
        return self.given if self.inside is None else str(Path(self.given) / self.inside)

    @property
    def file(self) -> str:
        """The very file by its full path, "" for standard input."""
        return source_name(str(self.path)) if self.path else ""

    @property
    def twice_readable(self) -> bool:
        """False for pipes: what was read to look at it is gone."""
        return self.path is not None and stat.S_ISREG(_mode(self.path))

    @property
    def folder(self) -> bool:
        """True for a folder that is not entered: it cannot be listed, or a link leads to it."""
        return self.path is not None and stat.S_ISDIR(_mode(self.path))

    @property
    def recognised(self) -> bool:
        return self.name.endswith(SUFFIXES)

    def position(self, within: str) -> str:
        """Place of a record: "line 12", or "file a.jsonl, line 12" where the input is a folder."""
        parts = [] if self.inside is None else [f"file {self.inside}"]
        return ", ".join([*parts, *([within] if within else [])]) or f"file {self.label}"


def locate(inputs: Sequence[str]) -> Iterator[Source]:
    """Every source under the inputs, folders walked in sorted order, hidden files left out.

    Raises InputMissing where a named path is not there or cannot be entered.
    """
    for given in inputs:
        if given == STANDARD_INPUT:
            yield Source(given, None)
            continue
        path = Path(given)
        if not _status(path, given):
            raise InputMissing(f"{given} does not exist.", remedy=_did_you_mean(path))
        if not is_folder(given):
            yield Source(given, path)
            continue
        if not _listable(path):
            raise _cannot_be_listed(given)
        for inside in _walk(path, ""):
            yield Source(given, path / inside, inside)


def source_name(given: str) -> str:
    """One name for an input however the user wrote it: what the ledger knows it by. Bytes that are no UTF-8 become
    escapes, because a database takes none."""
    if given == STANDARD_INPUT:
        return given
    return os.fsencode(os.path.realpath(given)).decode("utf-8", "backslashreplace")


def is_folder(given: str) -> bool:
    """Whether the user named a folder. Raises InputMissing where the system does not let us look."""
    status = _status(Path(given), given)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _mode(path: Path) -> int:
    """0 where nothing is there, or the system does not let us look: opening it says which."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def _listable(folder: Path) -> bool:
    try:
        os.scandir(folder).close()
    except OSError:
        return False
    return True


def _cannot_be_listed(label: str) -> InputMissing:
    return InputMissing(
        f"The folder {label} cannot be listed.", remedy="Give this user permission to read and enter it."
    )


def _status(path: Path, label: str) -> os.stat_result | None:
    """None where nothing is there. Raises InputMissing where the system does not let us look."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise InputMissing(
            f"{label} cannot be opened: {error.strerror}.", remedy="Give this user permission to read it."
        ) from error


def by_name(path: str) -> tuple[tuple[tuple[str | int, ...], str], ...]:
    """The key by which files are read in order: folder by folder, numbers as numbers, so that day 10 follows day 9."""
    return tuple((tuple(_parts_of(part)), part) for part in PurePath(path).parts)


def _parts_of(name: str) -> Iterator[str | int]:
    """Text and numbers in turn, text first."""
    return (int(part) if number % 2 else part for number, part in enumerate(_NUMBER.split(name)))


def _walk(folder: Path, below: str) -> Iterator[str]:
    """Paths below the folder. What cannot be entered or is no file is yielded too: opening it says why."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: by_name(entry.name))
    except OSError:
        yield below or "."
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in IGNORED_NAMES:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name, f"{below}{entry.name}/")
        else:
            yield below + entry.name


def _did_you_mean(path: Path) -> str:
    if path.is_symlink():
        return "It is a link that leads nowhere. Repair it, or name the file itself."
    parent = path.parent
    if not stat.S_ISDIR(_mode(parent)):
        return f"There is no folder {parent} either; the current folder is {Path.cwd()}."
    if not _listable(parent):
        return f"Check the path; the current folder is {Path.cwd()}."
    near = difflib.get_close_matches(path.name, sorted(entry.name for entry in parent.iterdir()), n=1)
    return (
        f"Did you mean {parent / near[0]}?"
        if near
        else f"Check the path; the current folder is {Path.cwd()}."
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """A source, open: the stream from its first byte, and a look at that beginning."""

    stream: io.BufferedReader[Any]
    head: bytes
    whole: bool
    """True where `head` is all there is."""
    file: BinaryIO | None
    """What is closed at the end; None for standard input, which is not ours."""

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()


def open_source(source: Source, standard_input: BinaryIO | None = None) -> Opened:
    """Open a source; gzip is recognised by its first bytes, a byte order mark is taken off, UTF-16 and UTF-32 with
    such a mark become UTF-8.

    Raises InputMissing (cannot be opened), InputUnusable (a terminal), SourceBroken (bad gzip).
    """
    raw = file = _open_file(source) if source.path else _standard_input(standard_input)
    try:
        head = _read_ahead(raw, HEAD_BYTES)
        if head.startswith(GZIP_MAGIC):
            raw = gzip.GzipFile(fileobj=io.BufferedReader(_Resumed(head, raw), PIECE_BYTES))  # type: ignore[assignment]
            head = _read_ahead(raw, HEAD_BYTES)
        if wide := _wide_encoding(head):
            raw = io.BufferedReader(_FromWide(_Resumed(head, raw), wide), PIECE_BYTES)
            head = _read_ahead(raw, HEAD_BYTES)
    except UnreadableSource:
        file.close()
        raise
    whole = len(head) < HEAD_BYTES
    head = head.removeprefix(codecs.BOM_UTF8)
    stream = io.BufferedReader(_Resumed(head, raw), PIECE_BYTES)
    return Opened(stream, head, whole, file if source.path else None)


def _wide_encoding(head: bytes) -> str | None:
    """Told by the byte order mark; that of UTF-32 begins with that of UTF-16."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


def _standard_input(given: BinaryIO | None) -> BinaryIO:
    stream = given or sys.stdin.buffer
    if stream.isatty():
        raise InputUnusable(
            "Standard input is a terminal, nothing is piped into it.",
            remedy="Pipe notes into the command, for example: zcat notes.jsonl.gz | ... -, or name a file.",
        )
    return stream


def _open_file(source: Source) -> BinaryIO:
    path = source.path or Path()
    status = _status(path, source.label)
    if status is None:
        raise InputMissing(
            f"{source.label} leads nowhere.", remedy="Mend or remove the link, or restore the file."
        )
    if stat.S_ISDIR(status.st_mode):
        if path.is_symlink():
            raise InputMissing(
                f"{source.label} is a link to a folder; such links are not followed, they could lead in circles.",
                remedy="Name the folder itself as an input.",
            )
        raise _cannot_be_listed(source.label)
    if source.inside is not None and path.is_symlink():
        path = _within(source, path)
    try:
        return _open_regular(source, path, status.st_mode)
    except OSError as error:
        raise InputMissing(
            f"{source.label} cannot be opened: {error.strerror}.",
            remedy="Give this user permission to read it.",
        ) from error


def _within(source: Source, link: Path) -> Path:
    """Where a link of a folder leads. Raises InputMissing where that is outside."""
    target = Path(os.path.realpath(link))
    if target.is_relative_to(Path(source.given).resolve()):
        return target
    raise InputMissing(
        f"{source.label} is a link to a file outside the folder; such links are not followed.",
        remedy="Put the file itself into the folder, or name it as an input.",
    )


def _open_regular(source: Source, path: Path, mode: int) -> BinaryIO:
    """A regular file, or a pipe that the user named. Nothing else is opened, not even to look at it: that can hang, and
    a device may do something."""
    if not stat.S_ISREG(mode) and not (stat.S_ISFIFO(mode) and source.inside is None):
        raise _no_file(source, mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    opened = os.fstat(descriptor).st_mode
    if stat.S_IFMT(opened) != stat.S_IFMT(mode):  # another one took its place meanwhile
        os.close(descriptor)
        raise _no_file(source, opened)
    if stat.S_ISFIFO(opened):
        _await_writer(source, descriptor)
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb")


def _no_file(source: Source, mode: int) -> InputMissing:
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
    return InputMissing(
        f"{source.label} is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file; it is not opened.",
        remedy="Take it out of the folder."
        if source.inside is not None
        else "Name a file or a folder, or pipe into -.",
    )


def _await_writer(source: Source, descriptor: int) -> None:
    """Raises InputMissing where no one opens the other end of a pipe; one who has opened it may take his time."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    if waiting.poll(WRITER_SECONDS * 1000):
        return
    try:
        os.read(descriptor, 1)
    except BlockingIOError:
        return
    os.close(descriptor)
    raise InputMissing(
        f"{source.label} is a pipe that nothing is written into.",
        remedy="Start what writes into it first, or pipe into the command itself and name - as the input.",
    )


def _read_ahead(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes, fewer only at the end: one read of a pipe gives whatever is there."""
    pieces = bytearray()
    while len(pieces) < size and (piece := _read(stream, size - len(pieces))):
        pieces += piece
    return bytes(pieces)


def _read(stream: BinaryIO, size: int) -> bytes:
    try:
        return stream.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableSource(
            "The compressed data is damaged or ends early.",
            "What came before was read. Check the file with `gzip -t` and fetch or compress it again.",
        ) from error
    except OSError as error:
        raise UnreadableSource(
            "The file cannot be read further.",
            f"The system says: {error.strerror}. Check the disk or the mount.",
        ) from error


class _Resumed(io.RawIOBase):
    """A stream whose beginning was already read, from its beginning again."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what io.RawIOBase is called with
        piece = self._head[: len(buffer)] if self._head else _read(self._rest, len(buffer))
        self._head = self._head[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


class _FromWide(io.RawIOBase):
    """UTF-16 or UTF-32 with a byte order mark as UTF-8. Spreadsheets save "Unicode text" so."""

    def __init__(self, source: _Resumed, encoding: str) -> None:
        super().__init__()
        self._source = io.BufferedReader(source, PIECE_BYTES)
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what io.RawIOBase is called with
        while not self._ready:
            piece = self._source.read(PIECE_BYTES)
            self._ready = self._decoder.decode(piece, final=not piece).encode("utf-8", "replace")
            if not piece:
                break
        piece, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)
