"""The extra `images`: what is said where it is missing."""

from __future__ import annotations

import sys

import pytest

from pipeline.errors import SettingsInvalid
from pipeline.imaging import libraries


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nibabel", "jpeg_ls"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(libraries, "_load", libraries._load.__wrapped__)  # whatever was loaded before
    with pytest.raises(SettingsInvalid, match=r"jpeg_ls, nibabel.*chartwell\[images\]"):
        libraries.load_libraries()
