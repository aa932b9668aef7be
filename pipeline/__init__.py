"""Clinical notes and images in, cited answers out."""

import sys
from pathlib import Path
from types import TracebackType


def version() -> str:
    """Of the installed package; "checkout" for one that is run as it lies there."""
    from importlib import metadata  # noqa: PLC0415  every command waits for what is imported here

    try:
        return metadata.version("chartwell")
    except metadata.PackageNotFoundError:
        return "checkout"


def _runs_as_command() -> bool:
    """Whether this process is `python -m pipeline.…`, which is "-m" while its module is looked for, or `chartwell`."""
    program = sys.argv[0] if sys.argv else ""
    return program == "-m" or Path(program).stem == "chartwell"


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ctrl-C while modules are imported ends as it does later: without a word, with the code of an interruption."""
    if issubclass(kind, KeyboardInterrupt):
        raise SystemExit(130)
    sys.__excepthook__(kind, error, trace)


if _runs_as_command():
    sys.excepthook = _tell
