"""A passage that was read on a page, as a reader of documents will store it: hand-made boxes, shown in every
interface."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.locators import PageBox, locator_record
from tests.service.running import QUESTION, Running, copied, running, settings_in

PAGE = {"Accept": "text/html"}
BOX = locator_record(PageBox(3, 0.1, 0.25, 0.9, 0.3))


def give_every_passage(place: dict[str, object], folder: Path) -> None:
    with closing(sqlite3.connect(folder / "chartwell.sqlite")) as store:
        store.execute("UPDATE ClinicalNoteVectors SET Locator = ?", (json.dumps(place),))
        store.commit()


@pytest.fixture(scope="module")
def scanned(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = copied(indexed, tmp_path_factory.mktemp("scanned") / "data")
    give_every_passage(BOX, folder)
    with running(settings_in(folder)) as found:
        yield found


def test_the_interface_gives_the_box_beside_the_characters(scanned: Running) -> None:
    with scanned.client(scanned.key()) as client:
        answer = client.post("/v1/ask", json={"question": QUESTION}).json()
        assert answer["citations"]
        for cited in (*answer["citations"], *answer["statements"][0]["citations"], *answer["passages"]):
            assert cited["locator"] == BOX
            assert cited["end"] > cited["start"]
        found = client.post("/v1/search", json={"question": QUESTION}).json()
        assert found["passages"][0]["locator"] == BOX


def test_text_has_no_box_and_its_answers_are_what_they_were(service: Running) -> None:
    with service.client(service.key()) as client:
        assert "locator" not in client.post("/v1/ask", json={"question": QUESTION}).text


def test_the_page_and_its_export_name_the_page(scanned: Running, service: Running) -> None:
    for each, expected in ((scanned, r"page 3"), (service, r"characters \d+[-–]\d+")):
        browser = each.browser("reader")
        address = browser.post("/ask", data={"question": QUESTION}, headers=PAGE).headers["location"]
        for path, ends in ((address, "</span>"), (f"{address}/export.md", "`?:")):
            text = browser.get(path, headers=PAGE).text
            named = re.findall(rf", `?(page \d+|characters \d+[-–]\d+){ends}", text)
            assert named
            assert all(re.fullmatch(expected, place) for place in named)


def test_the_receipt_has_the_box_and_a_version_that_says_so(scanned: Running, service: Running) -> None:
    for each, version in ((scanned, 3), (service, 2)):
        with each.client(each.key("reviewer")) as client:
            receipt = client.post("/v1/ask", json={"question": QUESTION}).json()["receipt_id"]
            record = client.get(f"/v1/receipts/{receipt}").json()["record"]
            assert record["version"] == version
            places = [*record["passages"], *record["statements"][0]["citations"]]
            assert [place.get("locator") for place in places] == [BOX if version == 3 else None] * len(places)
            assert client.post("/v1/audit/verification").json()["problems"] == []
