"""Where a passage stands: kept as JSON and back, said in words, and refused where it cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StoreDamaged
from pipeline.locators import Characters, ImageRegion, PageBox, in_words, locator_record, region_from
from pipeline.records import Chunk, Citation
from pipeline.storage.region_column import region_of

BOX = PageBox(3, 0.1, 0.25, 0.9, 0.3)
REGION = ImageRegion("1.2.840.1", "1.2.840.1.7", 2, 10, 20, 50, 60)

shares = st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True).map(sorted)
pixels = st.lists(st.integers(0, 100_000), min_size=2, max_size=2, unique=True).map(sorted)


@given(st.integers(1, 10_000), shares, shares)
def test_a_page_box_comes_back_from_json(page: int, across: list[float], down: list[float]) -> None:
    box = PageBox(page, across[0], down[0], across[1], down[1])
    assert region_from(json.loads(json.dumps(locator_record(box)))) == box


@given(st.text(), st.text(min_size=1), st.integers(1, 500), pixels, pixels)
def test_a_region_comes_back_from_json(
    series: str, image: str, frame: int, across: list[int], down: list[int]
) -> None:
    region = ImageRegion(series, image, frame, across[0], down[0], across[1], down[1])
    assert region_from(json.loads(json.dumps(locator_record(region)))) == region


def test_each_kind_says_which_it_is() -> None:
    assert locator_record(Characters(3, 9)) == {"kind": "characters", "start": 3, "end": 9}
    assert locator_record(BOX)["kind"] == "page_box"
    assert locator_record(REGION)["kind"] == "image_region"
    assert [in_words(each) for each in (Characters(3, 9), BOX, REGION)] == [
        "characters 3-9",
        "page 3",
        "image 1.2.840.1.7, frame 2, pixels 10,20-50,60",
    ]
    assert in_words(Characters(3, 9), dash="–") == "characters 3–9"


PAGE: dict[str, Any] = {"kind": "page_box", "page": 1, "left": 0.1, "top": 0.1, "right": 0.5, "bottom": 0.5}
IMAGE: dict[str, Any] = {
    "kind": "image_region",
    "series": "s",
    "image": "i",
    "frame": 1,
    "left": 0,
    "top": 0,
    "right": 5,
    "bottom": 5,
}


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        "page_box",
        {},
        {"kind": "characters", "start": 1, "end": 2},
        {"kind": "sound", "from": 1},
        {"kind": ["page_box"]},
        *(
            PAGE | change
            for change in (
                {"page": 0},
                {"page": 1.5},
                {"page": True},
                {"page": None},
                {"left": 0.5},
                {"left": -0.1},
                {"right": 1.01},
                {"top": float("nan")},
                {"bottom": float("inf")},
                {"bottom": 10**400},
                {"page": 10**400},
                {"bottom": "0.5"},
                {"more": 1},
            )
        ),
        {name: value for name, value in PAGE.items() if name != "page"},
        *(
            IMAGE | change
            for change in (
                {"image": ""},
                {"image": 7},
                {"series": None},
                {"frame": 0},
                {"left": 0.5},
                {"right": 0},
                {"bottom": -1},
                {"top": True},
            )
        ),
    ],
)
def test_what_is_no_place_is_refused(record: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        region_from(record)


def test_an_id_moves_no_cursor_and_is_text() -> None:
    said = in_words(ImageRegion("", "1.2\x1b[2J\n\u202e3", 1, 0, 0, 5, 5))
    assert said == r"image 1.2\x1b[2J\n\u202e3, frame 1, pixels 0,0-5,5"
    with pytest.raises(ValueError, match="no text"):
        region_from(IMAGE | {"image": "\ud800"})


@pytest.mark.parametrize("column", ["[" * 100_000, 7, b"\xff", "1" * 5_000])
def test_a_stored_place_that_is_none_names_its_passage(column: Any) -> None:
    with pytest.raises(StoreDamaged, match="'n/0'"):
        region_of("n/0", column)


def test_what_has_no_region_stands_at_its_characters() -> None:
    assert region_from(PAGE) == PageBox(1, 0.1, 0.1, 0.5, 0.5)
    assert region_from(IMAGE) == ImageRegion("s", "i", 1, 0, 0, 5, 5)
    chunk = Chunk("c", "n", 0, "chest pain", 4, 14)
    assert chunk.locator == Characters(4, 14)
    cited = Citation(1, "n", "p", "note", None, 0.5, 4, 14, "chest pain", BOX)
    assert cited.locator == BOX
