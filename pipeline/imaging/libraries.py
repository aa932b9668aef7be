"""The extra `images`: whether it is there, and how its libraries are imported without surprises.

Decides in which order they are loaded, that nothing of a file's header reaches a log through one of them, and that a
folder of the working directory is never taken for a library. Knows no image.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

from pipeline.errors import SettingsInvalid

_PACKAGES = ("pydicom", "gdcm", "openjpeg", "jpeg_ls", "PIL", "nibabel")


_LOADING = threading.Lock()


def load_libraries() -> None:
    """Import what decodes, once, before anything else does. Raises SettingsInvalid where the extra is missing."""
    with _LOADING:  # a cache alone lets two threads in
        _load()


def missing_libraries() -> list[str]:
    """The packages of the extra that are not installed; none is imported for it."""
    return [name for name in _PACKAGES if importlib.util.find_spec(name) is None]


def require_libraries() -> None:
    """Raises SettingsInvalid where the extra is missing. Imports nothing: for whoever has others decode."""
    if missing := missing_libraries():
        raise SettingsInvalid(
            f"Images are read by libraries that are not installed: {', '.join(missing)}.",
            remedy="Install them: `make demo` in a checkout, `pip install 'chartwell[images]'` elsewhere.",
        )


@cache
def _load() -> None:
    require_libraries()
    _import_gdcm()
    from pydicom import config  # sets the level of its own messages when it is imported

    for name in ("pydicom", "PIL", "nibabel", "nibabel.global"):
        logging.getLogger(name).setLevel(
            logging.CRITICAL + 1
        )  # they quote values of the header, Pillow those of EXIF
    config.settings.reading_validation_mode = config.IGNORE


@contextmanager
def without_warnings() -> Iterator[None]:
    """Around calls that see a file's values: warnings quote them ("Invalid value for VR PN: 'MITCHELL^ANNA'").

    The filter of warnings belongs to the whole process: images are read in processes of their own, or one at a time.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _import_gdcm() -> None:
    """gdcm asks for a module `dl` of Python 2, and takes a folder of that name in the working directory for it.

    It also brings a zlib of its own. Where the system's libz is loaded for gdcm's sake, it finds that one before
    itself, and half of each compresses Pillow's next PNG ("double free or corruption"): Pillow must come first.
    """
    if "gdcm" in sys.modules:
        return
    importlib.import_module("PIL._imaging")
    found: dict[str, ModuleType | None] = dict(sys.modules)
    sys.modules["dl"] = None  # type: ignore[assignment]  # Python's own word for "cannot be imported"
    try:
        import gdcm
    finally:
        if found.get("dl") is None:
            del sys.modules["dl"]
        else:
            sys.modules["dl"] = found["dl"]  # type: ignore[assignment]
    gdcm.Trace.SetDebug(False)
    gdcm.Trace.SetWarning(False)
    gdcm.Trace.SetError(False)
