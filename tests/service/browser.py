"""A real Chromium for tests of the page: started once, one context for each test, and every complaint kept.

The browser comes from the system (Debian: chromium), never from a download. It may reach loopback only.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = "needs Chromium: apt-get install chromium fonts-dejavu-core"
OPTIONS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
MILLISECONDS_MAX = 10_000


def launched(playwright: Playwright) -> Browser:
    assert CHROMIUM, MISSING
    return playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(OPTIONS))


@dataclass
class Watch:
    """What a browser complained about, and which addresses it asked for."""

    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def on(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)


@contextmanager
def context(
    browser: Browser,
    url: str,
    *,
    cookies: dict[str, str] | None = None,
    phone: bool = False,
    dark: bool = False,
    **options: Any,
) -> Iterator[BrowserContext]:
    """A browser of its own, as far as cookies and storage go."""
    opened = browser.new_context(
        base_url=url,
        viewport=PHONE if phone else DESKTOP,
        device_scale_factor=2 if phone else 1,
        is_mobile=phone,
        has_touch=phone,
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
        **options,
    )
    opened.set_default_timeout(MILLISECONDS_MAX)
    if cookies:
        opened.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
    try:
        yield opened
    finally:
        opened.close()
