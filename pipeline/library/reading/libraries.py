"""The extra `documents`: whether it is there. Imports nothing."""

from __future__ import annotations

import importlib.util

from pipeline.errors import SettingsInvalid

_PACKAGES = ("pypdfium2", "pypdf", "striprtf", "PIL")


def missing_libraries() -> list[str]:
    """The packages of the extra that are not installed; none is imported for it."""
    return [name for name in _PACKAGES if importlib.util.find_spec(name) is None]


def require_libraries() -> None:
    """Raises SettingsInvalid where the extra is missing."""
    if missing := missing_libraries():
        raise SettingsInvalid(
            f"Documents are read by libraries that are not installed: {', '.join(missing)}.",
            remedy="Install them: `make demo` in a checkout, `pip install 'chartwell[documents]'` elsewhere.",
        )
