"""Pictures of every page, in both themes, at desktop and phone width: `python -m tests.service.screenshots FOLDER`.

They are to be looked at. `--docs` writes what the documentation shows, as WebP, into docs/images: a few whole, and a
sheet of four for every page. The service is a real one over the notes that ship with the project; people, groups and
keys are made for the occasion.
"""

from __future__ import annotations

import argparse
import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from pipeline.config import Settings
from pipeline.service.access.policy import DEMO, Role
from pipeline.service.access.visibility import ALL_NOTES, Visibility
from pipeline.service.middleware import cookies
from tests.servers.nim import NimServer
from tests.servers.queueing import ServiceTime
from tests.service.browser import context, launched
from tests.service.running import DEMO_NOTES, PASSWORD, ROOT, Running, index, running, settings_in

QUESTION = "What dose of allopurinol is Anna Mitchell taking for gout?"
SECOND = "Which patients had a kidney transplant, and how is the transplanted kidney doing?"
MANY_NOTES = "0724714f-947b-6cab-ee85-b0de7a9ad3f7"
"""A patient of the demo's notes with a visit a year."""
FILMS_QUESTION = "What do the films of Anna Mitchell's knee show?"
UNKNOWN = "Who won the football match on Saturday?"
DOCS = ROOT / "docs" / "images"
SHEETS = DOCS / "pages"
NOT_IN_DOCS = frozenset({"films"})
DOCS_QUALITY = 82
SHEET_QUALITY = 70
SHEET = {"width": 850, "height": 866}
"""Four pictures of 430 pixels' height: a screen of 1280 by 860 and a phone of 390 by 844, each light and dark."""


@dataclass
class Stage:
    """A service with people in it, and browsers for it."""

    service: Running
    slow: Running
    administrator: dict[str, str]
    reader: dict[str, str]
    slow_reader: dict[str, str]
    user_id: str
    group_id: str


Play = Callable[[Page, Stage], None]


def asked(page: Page, question: str, *, ended: bool = True) -> None:
    page.fill("#question", question)
    page.press("#question", "Enter")
    if ended:
        expect(page.locator(".turn").last.locator(".answer-foot")).to_be_visible()


def answer(page: Page, stage: Stage) -> None:
    page.goto("/")
    asked(page, QUESTION)


def cited(page: Page, stage: Stage) -> None:
    answer(page, stage)
    page.locator(".statements [data-cite]").first.click()
    expect(page.locator("#beside mark")).to_be_visible()


def followed(page: Page, stage: Stage) -> None:
    page.goto("/")
    asked(page, "What medications is Anna Mitchell taking?")
    asked(page, "What problems does she have?")
    expect(page.locator("#suggested button").first).to_be_visible()


def asked_back(page: Page, stage: Stage) -> None:
    page.goto("/")
    asked(page, "What is Mitchell allergic to?")


def choosing(page: Page, stage: Stage) -> None:
    page.goto("/")
    page.click("text=Choose a patient")
    page.locator("#patient-query").press_sequentially("mit")
    expect(page.locator("[data-patient-link]").first).to_be_visible()


def timeline(page: Page, stage: Stage) -> None:
    page.goto(f"/?patient={MANY_NOTES}")
    page.click(".timeline summary")
    expect(page.locator("#timeline-notes li").first).to_be_visible()


def who(page: Page, stage: Stage) -> None:
    page.goto("/")
    asked(page, "Which patients have diabetes?")


def nothing(page: Page, stage: Stage) -> None:
    page.goto("/")
    asked(page, UNKNOWN)


def filters(page: Page, stage: Stage) -> None:
    page.goto("/")
    page.click(".filters summary")
    page.fill("#patient", "D2N006")
    page.fill("#since", "2020-01-01")
    page.locator("#since").dispatch_event("change")


def waiting(page: Page, stage: Stage) -> None:
    page.goto(stage.slow.url)
    asked(page, QUESTION, ended=False)
    expect(page.locator(".working")).to_contain_text("so far", timeout=15_000)


def films(page: Page, stage: Stage) -> None:
    page.goto("/films")


def film(page: Page, stage: Stage) -> None:
    page.goto("/")
    asked(page, FILMS_QUESTION)
    page.locator(".statements [aria-label*='Open the film']").first.click()
    expect(page.locator("#beside [data-film]")).to_have_attribute("data-shown-by", "viewer", timeout=20_000)


def keys_help(page: Page, stage: Stage) -> None:
    page.goto("/status")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()


def job(page: Page, stage: Stage) -> None:
    page.goto("/jobs")
    if page.locator("text=Start indexing").count():
        page.click("text=Start indexing")
    expect(page.locator("#job")).to_be_visible()


def jobs_done(page: Page, stage: Stage) -> None:
    job(page, stage)
    expect(page.locator("#job")).not_to_contain_text("running", timeout=120_000)
    page.goto("/jobs")


def key_made(page: Page, stage: Stage) -> None:
    page.goto("/keys")
    page.fill("#key-name", "ward dashboard")
    page.click("text=Create key")
    expect(page.locator(".secret")).to_be_visible()


def at(address: str) -> Play:
    def go(page: Page, stage: Stage) -> None:
        page.goto(address.format(user=stage.user_id, group=stage.group_id))

    return go


def managed(page: Page, stage: Stage) -> None:
    page.goto("/conversations")
    page.locator("td.actions a").first.click()


ADMINISTRATOR: dict[str, Play] = {
    "ask": at("/"),
    "answer": answer,
    "citation": cited,
    "follow-up": followed,
    "which-patient": asked_back,
    "who": who,
    "choose-patient": choosing,
    "timeline": timeline,
    "patient": at(f"/patients/{MANY_NOTES}"),
    "nothing": nothing,
    "filters": filters,
    "history": at("/conversations"),
    "conversation": managed,
    "job": job,
    "jobs": jobs_done,
    "people": at("/people"),
    "person": at("/people/{user}"),
    "groups": at("/groups"),
    "group": at("/groups/{group}"),
    "keys": key_made,
    "status": at("/status"),
    "account": at("/account"),
    "films": films,
    "film": film,
    "note": at("/notes/aci-D2N006?span=2801-2859"),
    "shortcuts": keys_help,
    "not-found": at("/nothing-here"),
}
OTHERS: dict[str, Play] = {"waiting": waiting}


def invited(page: Page, stage: Stage) -> None:
    invitation = stage.service.access.people.invite(DEMO, stage.user_id)
    page.goto(invitation.path)
    expect(page.locator("#name")).to_be_visible()


STRANGER: dict[str, Play] = {"sign-in": at("/sign-in"), "welcome": invited}
READER: dict[str, Play] = {"forbidden": at("/people")}
KEPT = (
    ("citation", False, False),
    ("citation", True, False),
    ("answer", False, True),
    ("status", True, False),
)
"""For the documentation: name, dark, phone."""


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        local = {"embedder": {"provider": "local"}}
        settings = settings_in(folder / "a", service={"inbox": str(DEMO_NOTES)}, **local)
        index(settings)
        index_films(settings)
        service = stack.enter_context(running(settings))
        nim = stack.enter_context(NimServer(chat=ServiceTime(seconds_per_request=60)))
        writes = {"generator": {"provider": "nim", "url": nim.url}}
        slow_settings = settings_in(folder / "b", **writes)
        index(slow_settings)
        slow = stack.enter_context(running(slow_settings))
        people = service.access.people
        person, _ = people.create(
            DEMO, "r.osei", display_name="Dr R. Osei", role="reader", sees=Visibility(None, frozenset())
        )
        people.create(DEMO, "m.lind", display_name="M. Lind", role="contributor", sees=ALL_NOTES)
        people.create(
            DEMO,
            "audit",
            display_name="Records office",
            role="reviewer",
            sees=Visibility(frozenset({"oncology"}), None),
        )
        groups = service.access.groups
        ward = groups.create(DEMO, "Ward 7")
        groups.change(DEMO, ward.id, members=["D2N006", "D2N043", "D2N077"])
        people.change(DEMO, person.id, sees=Visibility(None, frozenset({ward.id})))
        yield Stage(
            service,
            slow,
            signed_in(service, "a.ward", "Dr A. Ward", "administrator"),
            signed_in(service, "k.byrne", "K. Byrne", "reader"),
            signed_in(slow, "k.byrne", "K. Byrne", "reader"),
            person.id,
            ward.id,
        )


def index_films(settings: Settings) -> None:
    """The demo's films, as its user indexes them."""
    films = DEMO_NOTES.parent / "films"
    given_table = ["--metadata", str(films / "films.csv"), "--format", "dicom"]
    command = [sys.executable, "-m", "pipeline.vectorize", "images", str(films), *given_table]
    given = {"CHARTWELL_DATA_DIR": str(settings.data_dir), "CHARTWELL_EMBEDDER__PROVIDER": "local"}
    subprocess.run(command, env={**os.environ, **given}, cwd=ROOT, check=True, capture_output=True)


def signed_in(service: Running, name: str, display_name: str, role: Role) -> dict[str, str]:
    """The cookies of a new person who has just signed in."""
    _, invitation = service.access.people.create(
        DEMO,
        name,
        display_name=display_name,
        role=role,
        sees=ALL_NOTES,
    )
    found = service.access.sign_ins.with_link(invitation.token, PASSWORD, address="127.0.0.1")
    return {cookies.SIGN_IN: found.token}


def photograph(
    opened: BrowserContext, plays: dict[str, Play], found: Stage, save: Callable[[Page, str], None]
) -> None:
    for name, play in plays.items():
        page = opened.new_page()
        play(page, found)
        save(page, name)
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=None)
    parser.add_argument("--docs", action="store_true", help="write the documentation's pictures")
    parser.add_argument("--only", default="", help="names, separated by commas")
    given = parser.parse_args()
    wanted = set(given.only.split(",")) if given.only else None
    pictures: dict[str, list[bytes]] = {}
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        browser = launched(playwright)
        with stage(Path(data)) as found:
            for dark in (False, True):
                for phone in (False, True):
                    suffix = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"

                    def save(
                        page: Page, name: str, *, suffix: str = suffix, dark: bool = dark, phone: bool = phone
                    ) -> None:
                        if given.folder:
                            given.folder.mkdir(parents=True, exist_ok=True)
                            page.screenshot(path=given.folder / f"{name}-{suffix}.png", full_page=not phone)
                        if given.docs and name not in NOT_IN_DOCS:
                            pictures.setdefault(name, []).append(page.screenshot())
                            if (name, dark, phone) in KEPT:
                                keep(page, DOCS / f"page-{name}-{suffix}.webp", DOCS_QUALITY)

                    url = found.service.url
                    groups = (
                        (url, found.administrator, ADMINISTRATOR),
                        (url, found.reader, READER),
                        (url, None, STRANGER),
                        (found.slow.url, found.slow_reader, OTHERS),
                    )
                    for address, who, plays in groups:
                        chosen = {n: p for n, p in plays.items() if wanted is None or n in wanted}
                        with context(browser, address, cookies=who, phone=phone, dark=dark) as opened:
                            photograph(opened, chosen, found, save)
        if pictures:
            lay_out(browser, pictures)
        browser.close()


def keep(page: Page, path: Path, quality: int) -> None:
    """As WebP, which Chromium itself writes: a third of the size of a PNG."""
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
    path.write_bytes(base64.b64decode(shot["data"]))


def lay_out(browser: Browser, pictures: dict[str, list[bytes]]) -> None:
    """A sheet a page: screen and phone in light, then in dark."""
    SHEETS.mkdir(exist_ok=True)
    page = browser.new_page(viewport=SHEET, device_scale_factor=1.5)
    for name, four in pictures.items():
        images = [f"data:image/png;base64,{base64.b64encode(each).decode()}" for each in four]
        halves = (images[:2], images[2:])
        page.set_content(
            "<style>body{margin:0;display:grid;gap:6px;background:#888}"
            "div{display:flex;gap:6px;justify-content:center}img{height:430px}</style>"
            + "".join(f"<div>{''.join(f'<img src={image}>' for image in half)}</div>" for half in halves)
        )
        keep(page, SHEETS / f"{name}.webp", SHEET_QUALITY)
    page.close()


if __name__ == "__main__":
    main()
