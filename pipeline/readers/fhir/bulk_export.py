"""The files that a bulk export writes about itself, alongside its notes: the manifest and the client's log.

Decides by content which records are of that kind. They hold no note, and that is no fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MANIFEST = frozenset({"transactionTime", "request", "output"})
"""Always in the answer that ends an export (FHIR Bulk Data Access, "Complete Status")."""

LOG = frozenset({"exportId", "eventId", "timestamp"})
"""In every line of a client's log (SMART's "Export Log File Format")."""


def is_about_the_export(columns: Mapping[str, Any]) -> bool:
    return (columns.keys() >= MANIFEST and isinstance(columns["output"], list)) or columns.keys() >= LOG
