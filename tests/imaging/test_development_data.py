"""The development images: what the page says of each file is what becomes of it."""

from __future__ import annotations

import pytest

from benchmarks.image_table import BEGIN, END, PAGE, rows, table
from tests.conftest import SHARED_DATA

IMAGES = SHARED_DATA / "images"


@pytest.mark.shared
@pytest.mark.skipif(not IMAGES.is_dir(), reason="needs the development data")
def test_the_table_of_the_page_is_what_happens() -> None:
    told = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert table(list(rows(IMAGES))) == told.strip()
