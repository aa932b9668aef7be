"""DICOM PS3.15's basic application level confidentiality profile (table E.1-1 of edition 2026c), as a table.

Decides what becomes of each attribute, from the table that the package dicom-anonymizer carries. It is read as data and
only where its SHA-256 is the one that was checked; nothing of the package runs. Refuses to know the options.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

from pipeline.errors import DeidentificationUnavailable

EDITION = "2026c"
TABLE_FILE = f"dicom_anonymization_databases/dicomfields_{EDITION}.py"
TABLE_SHA256 = "a6b68dc888ab4b1ebfc9979796df194d9f1d836bc88ece7793dee93b1c98e1c2"
ATTRIBUTES = 652
"""Besides three ranges of repeating groups: curves, overlays and their comments, which `may_be_given` covers."""

Action: TypeAlias = Literal["remove", "empty", "replace", "map"]
"""X, Z, D and U of the standard."""

_ACTIONS: Mapping[str, Action] = {
    "X_TAGS": "remove",
    "X_Z_TAGS": "remove",
    "X_D_TAGS": "remove",
    "X_Z_D_TAGS": "remove",
    "X_Z_U_STAR_TAGS": "remove",
    "Z_TAGS": "empty",
    "Z_D_TAGS": "empty",
    "D_TAGS": "replace",
    "U_TAGS": "map",
}
"""Where the standard leaves a choice that a file's validity decides, the stricter one: no file is written here."""


def action_for(tag: int) -> Action | None:
    """What the profile does with the attribute; None where it says nothing.

    Raises DeidentificationUnavailable where the table is not installed or is another one.
    """
    return _table().get(tag)


def may_be_given(group: int) -> bool:
    """Whether an attribute of that group may be given on: not of private groups, curves (50xx), overlays (60xx)."""
    return group % 2 == 0 and (group & 0xFF00) not in {0x5000, 0x6000}


@lru_cache(maxsize=1)
def _table() -> Mapping[int, Action]:
    source = _table_source()
    found: dict[int, Action] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            action = _ACTIONS.get(node.targets[0].id)
            if action is not None:
                tags = (tag for tag in ast.literal_eval(node.value) if len(tag) == 2)
                found.update(((group << 16) | element, action) for group, element in tags)
    return found


def _table_source() -> bytes:
    spec = find_spec("dicomanonymizer")
    if spec is None or not spec.submodule_search_locations:
        raise DeidentificationUnavailable(
            "The table of DICOM's confidentiality profile is not installed, so no image is read.",
            remedy="Install the extra: pip install 'chartwell[images]'.",
        )
    path = Path(spec.submodule_search_locations[0]) / TABLE_FILE
    source = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(source).hexdigest() != TABLE_SHA256:
        raise DeidentificationUnavailable(
            f"{path} is not the table of PS3.15 {EDITION} that was checked, so no image is read.",
            remedy="Install dicom-anonymizer 2.1.0 again: pip install --force-reinstall dicom-anonymizer==2.1.0.",
        )
    return source
