"""Who waits for a reading, what leaving early buys, and what is said where the extra is missing."""

from __future__ import annotations

import asyncio
import functools
import threading
from contextlib import nullcontext
from typing import Any, cast

import httpx2
import pytest
from starlette.requests import Request

from pipeline.imaging.reading_pool import ReadingPool
from pipeline.service.errors import Busy, NotReady, TooMany
from pipeline.service.images import reader
from pipeline.service.images.reader import EACH_MAX, ImageReader
from pipeline.service.questions.streaming import ClientGone
from pipeline.wiring import open_image_viewing
from tests.service.images.gallery import Gallery


def request_of(left: asyncio.Event | None = None) -> Request:
    """Of a client that leaves when `left` is set."""

    async def receive() -> dict[str, Any]:
        await (left or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, cast(Any, receive))


def no_pool() -> Any:
    return nullcontext(cast(ReadingPool, object()))


def test_a_reading_that_was_begun_holds_its_turn_although_the_client_has_left() -> None:
    async def scene() -> list[str]:
        read, go_on, order = ImageReader(no_pool, 4), threading.Event(), []
        left, loop = asyncio.Event(), asyncio.get_running_loop()

        def slow(_: ReadingPool) -> None:
            loop.call_soon_threadsafe(left.set)
            go_on.wait(10)
            order.append("first")

        with pytest.raises(ClientGone):
            await read.read(request_of(left), "greedy", slow)
        await asyncio.sleep(0.05)
        second = asyncio.ensure_future(read.read(request_of(), "greedy", lambda _: order.append("second")))
        await read.read(request_of(), "another", lambda _: order.append("another"))
        await asyncio.sleep(0.05)
        assert order == ["another"]
        go_on.set()
        await second
        return order

    assert asyncio.run(scene()) == ["another", "first", "second"]


def test_nothing_is_begun_for_a_client_that_left_before_its_turn() -> None:
    async def scene() -> list[str]:
        read, go_on, order = ImageReader(no_pool, 4), threading.Event(), []
        left = asyncio.Event()
        first = asyncio.ensure_future(read.read(request_of(), "one", lambda _: go_on.wait(10)))
        second = asyncio.ensure_future(read.read(request_of(left), "one", lambda _: order.append("second")))
        await asyncio.sleep(0.05)
        left.set()
        with pytest.raises(ClientGone):
            await second
        go_on.set()
        await first
        assert await read.read(request_of(), "one", lambda _: "third") == "third"
        return order

    assert asyncio.run(scene()) == []


def test_no_one_waits_with_more_than_their_share_and_all_with_no_more_than_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "WAITING_MAX", EACH_MAX + 1)

    async def scene() -> None:
        read, go_on = ImageReader(no_pool, 1), threading.Event()
        wait = functools.partial(go_on.wait, 10)
        asked = [
            asyncio.ensure_future(read.read(request_of(), who, lambda _: wait()))
            for who in ["greedy"] * EACH_MAX + ["another"]
        ]
        await asyncio.sleep(0)
        with pytest.raises(TooMany):
            await read.read(request_of(), "greedy", lambda _: None)
        with pytest.raises(Busy):
            await read.read(request_of(), "third", lambda _: None)
        go_on.set()
        await asyncio.gather(*asked)
        assert await read.read(request_of(), "greedy", lambda _: "again") == "again"

    asyncio.run(scene())


def test_a_service_that_stops_reads_no_more() -> None:
    async def scene() -> None:
        read = ImageReader(no_pool, 1)
        read.close()
        with pytest.raises(NotReady):
            await read.read(request_of(), "anyone", lambda _: None)

    asyncio.run(scene())


def test_without_the_extra_originals_are_not_shown_and_everything_else_is(
    shown: Gallery, everyone: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = shown.service.app.state.services
    monkeypatch.setattr("pipeline.imaging.libraries.missing_libraries", lambda: ["pydicom"])
    opening = functools.partial(open_image_viewing, shown.service.settings, 1)
    monkeypatch.setattr(services, "image_reader", ImageReader(opening, 1))
    image_id = shown.ids["a0.png"]
    for view in ("/rendering", "/volume"):
        answer = everyone.get(f"/v1/images/{image_id}{view}")
        assert (answer.status_code, answer.json()["code"]) == (501, "CW-NOT-INSTALLED")
        assert "chartwell[images]" in answer.json()["remedy"]
    for view in ("", "/thumbnail", "/similar"):
        assert everyone.get(f"/v1/images/{image_id}{view}").status_code == 200
    sent = {"image": {"content_base64": "AAAA"}}
    assert everyone.post("/v1/images/search", json=sent).status_code == 501
    assert everyone.get("/v1/images").status_code == 200
