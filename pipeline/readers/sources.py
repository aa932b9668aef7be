"""Where notes come from: files, folders, standard input; opened as one stream of bytes.

Decides what a path means and in which order a folder is walked. In a folder only regular files are opened, and no link
that leads out of it: who may write there may not choose what else is read. Refuses to know any format of notes.
"""

from __future__ import annotations

import difflib
import os
import re
import select
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from pipeline.errors import InputMissing, InputUnusable
from pipeline.readers.reader import Opened, UnreadableSource
from pipeline.readers.streams import HEAD_BYTES, bare_name, beginning

STANDARD_INPUT = "-"

IGNORED_NAMES = frozenset({"Thumbs.db", "desktop.ini"})
"""Left by file managers. These and names that start with a dot are no notes and are not reported."""

WRITER_SECONDS = 10
"""A pipe that the user named is waited for so long."""

_NUMBER = re.compile(r"([0-9]+)")


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
        """The file's name in lower case without the suffix of a compression: what its format is guessed from."""
        return bare_name(self.path.name.lower()) if self.path else ""

    @property
    def label(self) -> str:
        """How messages call it."""
        if self.path is None:
            return "standard input"
        return self.given if self.inside is None else str(self.path)

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


def comes_by(folder: str, file: str) -> bool:
    """Whether a walk over a folder comes by a file of it, both by their `source_name`: not where a name on the way is
    one that is left out."""
    if not file.startswith(below := folder.rstrip("/") + "/"):
        return False
    return not any(_is_left_out(name) for name in file.removeprefix(below).split("/"))


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in IGNORED_NAMES


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
        if _is_left_out(entry.name):
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


def open_source(source: Source, standard_input: BinaryIO | None = None) -> Opened:
    """Open a source; what is compressed is unpacked.

    Raises InputMissing (cannot be opened), InputUnusable (a terminal), UnreadableSource (bad gzip).
    """
    raw = open_file(source) if source.path else _standard_input(standard_input)
    try:
        head, stream = beginning(raw)
    except UnreadableSource:
        raw.close()
        raise
    return Opened(
        stream,
        head,
        len(head) < HEAD_BYTES,
        source.label,
        source.inside or (source.path.name if source.path else ""),
        source.name,
        file=raw if source.path else None,
    )


def _standard_input(given: BinaryIO | None) -> BinaryIO:
    if given is None and sys.stdin is None:
        raise InputUnusable(
            "Standard input is closed.", remedy="Pipe notes into the command, or name a file."
        )
    stream = given or sys.stdin.buffer
    if stream.isatty():
        raise InputUnusable(
            "Standard input is a terminal, nothing is piped into it.",
            remedy="Pipe notes into the command, for example: zcat notes.jsonl.gz | ... -, or name a file.",
        )
    return stream


def open_file(source: Source) -> BinaryIO:
    """The bytes of a source that is a file, as they are. Raises InputMissing."""
    path = source.path or Path()
    status = _status(path, source.label)
    if status is None:
        raise InputMissing(
            f"{source.label} leads nowhere.", remedy="Repair or remove the link, or restore the file."
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
