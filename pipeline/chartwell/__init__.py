"""Chartwell from Python: what a program needs to ask, and no more.

This folder is the package `chartwell` of the wheel (docs/decisions/package-name.md). Its names are imported when they
are used: `chartwell --version` waits for no model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pipeline  # noqa: F401  first of all: from here on Ctrl-C ends `chartwell` quietly

if TYPE_CHECKING:
    from pipeline.ask import open_answering, process_query
    from pipeline.config import Settings, load_settings
    from pipeline.errors import ChartwellError
    from pipeline.records import Answer, Citation, Filters, Question

_HOME = {
    "process_query": "pipeline.ask",
    "open_answering": "pipeline.ask",
    "Settings": "pipeline.config",
    "load_settings": "pipeline.config",
    "ChartwellError": "pipeline.errors",
    "Answer": "pipeline.records",
    "Citation": "pipeline.records",
    "Filters": "pipeline.records",
    "Question": "pipeline.records",
}

__all__ = [
    "Answer",
    "ChartwellError",
    "Citation",
    "Filters",
    "Question",
    "Settings",
    "load_settings",
    "open_answering",
    "process_query",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
