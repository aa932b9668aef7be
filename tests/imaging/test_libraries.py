"""The extra `images`: what is said where it is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import SettingsInvalid
from pipeline.imaging import libraries

ROOT = Path(__file__).resolve().parents[2]


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nibabel", "jpeg_ls"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(libraries, "_load", libraries._load.__wrapped__)  # whatever was loaded before
    with pytest.raises(SettingsInvalid, match=r"jpeg_ls, nibabel.*chartwell\[images\]"):
        libraries.load_libraries()


def test_no_library_writes_into_the_log_in_a_process_that_reads() -> None:
    """In a process of its own: whoever imported pydicom earlier would hide that its import sets the level again."""
    looked = (
        "import logging\nfrom pipeline.imaging.libraries import load_libraries\nload_libraries()\n"
        + "\n".join(
            f"assert not logging.getLogger({name!r}).isEnabledFor(logging.CRITICAL)"
            for name in ("pydicom", "PIL", "nibabel")
        )
    )
    done = subprocess.run(
        [sys.executable, "-c", looked], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
