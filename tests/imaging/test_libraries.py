"""The extra `images`: what is said where it is missing."""

from __future__ import annotations

import sys

import pytest

from pipeline.errors import SettingsInvalid
from pipeline.imaging.libraries import load_libraries


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nibabel", "jpeg_ls"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SettingsInvalid, match=r"jpeg_ls, nibabel.*chartwell\[images\]"):
        load_libraries.__wrapped__()
