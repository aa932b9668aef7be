"""Users of the page in a real Chromium, whose browsers' complaints fail the test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from pipeline.service.access.policy import DEMO, Role
from pipeline.service.access.visibility import ALL_NOTES, Visibility
from pipeline.service.middleware import cookies
from tests.service.browser import Watch, context, launched
from tests.service.running import PASSWORD, QUESTION, Running

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SERIOUS = ("serious", "critical")


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = launched(playwright)
        yield opened
        opened.close()


def cookie_of(
    service: Running, role: Role = "reader", *, sees: Visibility = ALL_NOTES, name: str = ""
) -> dict[str, str]:
    """The cookie of a new person who has just signed in."""
    name = name or f"{role}{len(service.access.people.everybody(DEMO))}"
    _, invitation = service.access.people.create(DEMO, name, role=role, sees=sees)
    signed_in = service.access.sign_ins.with_link(invitation.token, PASSWORD, address="127.0.0.1")
    return {cookies.SIGN_IN: signed_in.token}


class Visitor:
    """A user with a browser of their own, whose complaints fail the test at its end."""

    def __init__(self, opened: BrowserContext, watch: Watch) -> None:
        self.context = opened
        self.watch = watch
        self.page = opened.new_page()
        watch.on(self.page)

    def _sends(self, question: str) -> None:
        """Once the answer before has ended: until then Enter does nothing."""
        expect(self.page.locator(".composer-box.busy")).to_have_count(0)
        self.page.fill("#question", question)
        self.page.press("#question", "Enter")

    def asks(self, question: str) -> Page:
        self._sends(question)
        expect(self.page.locator(".turn").last.locator(".answer-foot")).to_be_visible()
        return self.page

    def ask_and_wait(self, question: str) -> Locator:
        """The new turn, once its answer has ended, whatever it is."""
        turns = self.page.locator(".turn")
        before = turns.count()
        self._sends(question)
        return self.wait_for_turn(before)

    def wait_for_turn(self, before: int) -> Locator:
        turns = self.page.locator(".turn")
        expect(turns).to_have_count(before + 1)
        expect(turns.last.locator(".answer-foot")).to_be_visible()
        return turns.last

    def asks_again(self, times: int) -> None:
        for number in range(1, times + 1):
            self.asks(QUESTION)
            expect(self.page.locator(".answer-foot")).to_have_count(number)


@contextmanager
def visiting(browser: Browser, service: Running) -> Iterator[Any]:
    """Makes visitors. `expected`: complaints that belong to what is tried."""
    watches: list[tuple[Watch, str]] = []
    closing: list[Any] = []

    def make(
        role: Role | None = "reader",
        *,
        at: Running | None = None,
        expected: str = r"^$",
        sees: Visibility = ALL_NOTES,
        **options: Any,
    ) -> Visitor:
        place = at or service
        who = cookie_of(place, role, sees=sees) if role else None
        opening = context(browser, place.url, cookies=who, **options)
        closing.append(opening)
        watch = Watch()
        watches.append((watch, expected))
        return Visitor(opening.__enter__(), watch)

    yield make
    for opening in closing:
        opening.__exit__(None, None, None)
    for watch, expected in watches:
        assert [said for said in watch.complaints if not re.search(expected, said)] == []
        assert {urlsplit(asked).hostname for asked in watch.requests} <= {"127.0.0.1"}


def faults(page: Page, *rules: str) -> list[str]:
    """What axe-core finds serious."""
    options = {"runOnly": list(rules)} if rules else {}
    found = page.evaluate("options => axe.run(document, {...options, resultTypes: ['violations']})", options)
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:120]}"
        for each in found["violations"]
        if each["impact"] in SERIOUS
    ]
