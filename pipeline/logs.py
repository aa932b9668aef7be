"""JSON log lines on standard error. They carry ids, counts and times, never note or question text."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from pipeline.call_context.trace_context import trace_id

LOGGER = logging.getLogger("chartwell")

_RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, event, its trace where there is one, the fields given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if trace := trace_id():
            line["trace_id"] = trace
        line |= {name: value for name, value in record.__dict__.items() if name not in _RESERVED}
        if record.exc_info and record.exc_info[0] is not None:
            # The class alone: a message may quote what it was given.
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False, default=str)


def place_of(error: BaseException) -> str:
    """Where in this program it was raised, for example "field_values.py:123". An error's own words may quote a note."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def fault_fields(error: BaseException) -> dict[str, str]:
    """What the log may hold of a fault of this program, as `extra`: its class and its place, never its words."""
    return {"error": type(error).__name__, "place": place_of(error)}


def configure(level: str) -> None:
    """Send the log to standard error at `level` ("debug" to "error"). Replaces an earlier configuration."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    LOGGER.handlers = [handler]
    LOGGER.setLevel(level.upper())
    LOGGER.propagate = False
