"""How the user who runs this program calls its commands.

Messages name commands by their modules, `python -m pipeline.vectorize notes`, which run wherever the code lies. Where
the program was started as `chartwell`, as an installed wheel is, they are told by the name that was typed. Decides
that by the name of the running program alone. Refuses to know which commands exist.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

COMMAND = "chartwell"
INDEX = "index"
"""`chartwell index` is `python -m pipeline.vectorize notes`; the other commands of `vectorize` keep their names."""

_MODULE = re.compile(r"(?:\.venv/bin/)?python -m pipeline\.(?P<module>\w+)(?P<index> notes\b)?")
_INDEXING = re.compile(r"(?<=python -m pipeline\.)vectorize (?=(?:status|verify|optimise|migrate)\b)")


def started_as_chartwell() -> bool:
    """Whether this process was started as `chartwell` or `python -m chartwell`."""
    program = Path(sys.argv[0])
    return program.stem == COMMAND or (program.stem == "__main__" and program.parent.name == COMMAND)


def as_typed(text: str) -> str:
    """`text` with the commands in it as the user of this process types them."""
    return as_chartwell(text) if started_as_chartwell() else text


def as_chartwell(text: str) -> str:
    """`text` with `python -m pipeline.ask` and its like as `chartwell ask`."""
    return _MODULE.sub(_command, _INDEXING.sub("", text))


def _command(found: re.Match[str]) -> str:
    if found["module"] == "vectorize":
        return f"{COMMAND} {INDEX}"
    return f"{COMMAND} {found['module']}{found['index'] or ''}"
