"""What the commands share: consoles, errors as one clear paragraph, and exit codes."""

from __future__ import annotations

import codecs
import dataclasses
import errno
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, TypeGuard

import typer
from rich.console import Console

from pipeline.commands.naming import as_typed
from pipeline.errors import ChartwellError
from pipeline.locators import record_fields

EXIT_OK = 0
EXIT_SOME_REJECTED = 1
EXIT_COULD_NOT_RUN = 2
EXIT_NOTHING_RELEVANT = 3
EXIT_NO_ANSWER = 4
"""Passages were found, and no answer can be shown. Not the same as: the notes say nothing of it."""
EXIT_INCOMPLETE = 5
"""Something is shown, and the answer was cut off, filtered or refused after it."""
EXIT_FAULT = 70
"""As EX_SOFTWARE of sysexits.h: a fault in this program. Python's own code for an uncaught exception is 1, which here
means that something was found wanting."""
EXIT_TRY_AGAIN = 75
"""As EX_TEMPFAIL of sysexits.h: a server or the store was away, and the same command may work later. A service manager
may restart on it, and not on 2."""
EXIT_INTERRUPTED = 130


def print_given_up(number: int, thing: str) -> None:
    """That some failed too often in earlier runs, where some did: they are not in, and no run tries them by itself."""
    if number:
        out.print(
            f"{counted(number, thing)} failed too often and {'was' if number == 1 else 'were'} not tried again: "
            "`status` says why, --retry-failed tries",
            markup=False,
        )


StackOption = Annotated[
    str | None,
    typer.Option("--stack", metavar="NAME", help="take the settings from this deployed stack's outputs"),
]
"""The option of every command that can work with a stack; its value goes to `load_settings(stack=...)`."""


def _output_goes_nowhere() -> None:
    """What could not be written is not tried again when Python ends: that would be another exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would end with 1, which here means that something was found wanting."""
        self.quiet = True
        _output_goes_nowhere()
        raise BrokenPipeError


def console(**options: Any) -> Console:
    """A console that prints what it is given: in rich's own "1:100:2" is an emoji and "[1]" may be a style."""
    return _Console(highlight=False, markup=False, emoji=False, **options)


out = console(soft_wrap=True)
err = console(stderr=True, soft_wrap=True)


def command_line(help_text: str) -> typer.Typer:
    """A command line whose usage errors exit with 2 and whose tracebacks are plain."""
    return typer.Typer(
        help=help_text,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


@contextmanager
def errors_as_exit_codes() -> Iterator[None]:
    """Our errors become a message on standard error and exit code 2, or 75 where the same command may work later.
    Anything else keeps its traceback, without what it says: that may quote a note. Its exit code is 70."""
    _write_every_character()
    try:
        yield
    except ChartwellError as error:
        failed, cure = ("", "") if error.asks_back else ("Could not run: ", "What to do: ")
        err.print(f"{failed}{as_typed(error.what)}", markup=False)
        err.print(f"{cure}{as_typed(error.remedy)}", markup=False)
        err.print(f"More: {error.section} ({error.code})", markup=False)
        raise typer.Exit(EXIT_TRY_AGAIN if error.transient else EXIT_COULD_NOT_RUN) from None
    except BrokenPipeError:
        # The reader of our output has gone (`... | head`). There is no one left to tell.
        sys.stderr.close()
        raise typer.Exit(EXIT_OK) from None
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:  # noqa: BLE001  the last one who can choose an exit code
        if _is_of_output(error):
            _output_goes_nowhere()
            err.print(f"Could not run: the output cannot be written ({os.strerror(error.errno or 0)}).")
            err.print("What to do: free some space where it goes, and run the same command again.")
            raise typer.Exit(EXIT_COULD_NOT_RUN) from None
        for line in traceback.format_tb(error.__traceback__):
            err.print(line, end="", markup=False)
        err.print(f"A fault in this program: {type(error).__name__}. What was stored is kept.", markup=False)
        err.print(
            "What to do: run the same command again; if it ends here again, report these lines.", markup=False
        )
        raise typer.Exit(EXIT_FAULT) from None


def _write_every_character() -> None:
    """Where a terminal or a pipe has no sign for a character, its code is written: "\\u2265 5", never "? 5"."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_of_output(error: Exception) -> TypeGuard[OSError]:
    """Whether what standard output goes to takes no more. Whoever opens files of their own says which file it was."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


@contextmanager
def stop_requests(
    said: str = "stopping after this batch; once more to stop immediately",
) -> Iterator[Callable[[], bool]]:
    """A function that tells whether Ctrl-C or SIGTERM asked for an end. A second one ends the process immediately."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        if said:
            err.print(said)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def as_json(record: Any) -> str:
    """A record of ours as JSON text, field names as they are; a place on a page or in an image is `locator`."""
    fields = dataclasses.asdict(record, dict_factory=record_fields)
    return json.dumps(fields, ensure_ascii=not _writes_unicode(), indent=2, default=str)


def _writes_unicode() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return codecs.lookup(encoding).name.startswith("utf")


def counted(number: int, one: str, many: str = "") -> str:
    """A number and what it counts: "1 image", "1,200 images"; `many` where an s at the end of `one` is not enough."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Seconds for people: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
