"""The library in a real Chromium: forty files dropped, ten reviewed by keys, a citation opened at its words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make test installs it")

from playwright.sync_api import Browser, Page, expect  # noqa: E402

from pipeline.library.versions import LibraryQuery  # noqa: E402
from pipeline.service.access.visibility import Visibility  # noqa: E402
from tests.library.papers import Set, column, pdf  # noqa: E402
from tests.service.browser import CHROMIUM, MISSING  # noqa: E402
from tests.service.running import Running, index, running, settings_in, until  # noqa: E402
from tests.service.visitors import AXE, faults, visiting  # noqa: E402

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason=MISSING), pytest.mark.long]

DRUGS = (
    "zolmitriptan",
    "naratriptan",
    "frovatriptan",
    "almotriptan",
    "eletriptan",
    "rizatriptan",
    "sumatriptan",
    "lasmiditan",
    "rimegepant",
    "ubrogepant",
)
FILES = 40


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    settings = settings_in(tmp_path_factory.mktemp("library"))
    index(settings)
    with running(settings) as started:
        client = started.client(started.key("administrator"))
        client.put("/v1/domains/pain", json={"description": "Pain"}).raise_for_status()
        yield started


@pytest.fixture
def visit(browser: Browser, service: Running) -> Iterator[Any]:
    with visiting(browser, service) as make:
        yield make


def papers(folder: Path) -> list[Path]:
    made = []
    for number in range(FILES):
        drug = DRUGS[number % len(DRUGS)]
        lines = [
            Set(f"Leaflet {number} of {drug}", y=760, size=20),
            Set(f"Patients with migraine take {drug} when the headache begins."),
            Set(f"The dose of {drug} is {number + 1} mg, swallowed with water.", y=686),
        ]
        made.append(folder / f"leaflet {number}.pdf")
        made[-1].write_bytes(pdf(lines, column("Keep it away from children.", y=700)))
    return made


def checked(page: Page, name: str) -> None:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert faults(page) == [], name
    if folder := os.environ.get("PICTURES_TO"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_forty_files_ten_reviews_and_a_citation(service: Running, visit: Any, tmp_path: Path) -> None:
    page = visit(role="administrator").page
    page.goto("/library")
    page.set_input_files("#upload-files", [str(path) for path in papers(tmp_path)])
    expect(page.locator("[data-uploads] li", has_text="uploaded")).to_have_count(FILES, timeout=60_000)
    catalogue = service.app.state.services.library.library.catalogue
    until(lambda: catalogue.counts().get("waiting", 0) == FILES, 120)
    page.goto("/library")
    checked(page, "library")
    page.get_by_role("link", name="Review the first").click()
    drawn = page.locator(".paper-page img")
    until(lambda: drawn.evaluate("each => each.complete && each.naturalWidth") == 900)
    checked(page, "review")
    for number in range(10):
        title = page.locator("h1").inner_text()
        page.keyboard.press("x" if number == 9 else "a")
        expect(page.locator("h1")).not_to_have_text(title)
    counts = catalogue.counts()
    assert (counts["approved"], counts["rejected"], counts["waiting"]) == (9, 1, FILES - 10)
    approved = list(catalogue.approved())
    number = int(re.findall(r"\d+", approved[0].file_name)[0])
    drug = DRUGS[number % len(DRUGS)]
    client = service.client(service.key("administrator"))
    question = {"question": f"What is the dose of {drug}?"}
    until(lambda: f"{number + 1} mg" in client.post("/v1/ask", json=question).text, 60)
    page.goto("/")
    page.get_by_role("textbox", name=re.compile("question", re.I)).first.fill(question["question"])
    page.keyboard.press("Enter")
    page.locator(".turn a[href*='library']").first.click(timeout=20_000)
    expect(page.locator(".paper-marks rect").first).to_be_attached(timeout=20_000)
    assert "patient library" not in page.locator("main").inner_text()
    expect(page.locator(".paper mark").first).to_contain_text(f"{number + 1} mg")
    picture = page.locator(".paper-page img").first
    until(lambda: picture.evaluate("each => each.complete && each.naturalWidth") == 900)
    checked(page, "citation")
    newer = tmp_path / "newer.pdf"
    newer.write_bytes(
        pdf([Set(f"The dose of {drug} is 777 mg, swallowed with water.")], title=f"{drug}, newer")
    )
    page.get_by_role("link", name="The whole document").click()
    page.set_input_files("#newer-file", str(newer))
    expect(page.locator("[data-uploads] li", has_text="uploaded")).to_have_count(1, timeout=20_000)
    until(lambda: any(each.number == 2 for each in catalogue.every(LibraryQuery(states=("waiting",)))), 60)
    (second,) = (each for each in catalogue.every(LibraryQuery(states=("waiting",))) if each.number == 2)
    page.goto(f"/library/{second.version_id}")
    page.keyboard.press("a")
    until(lambda: catalogue.version(approved[0].version_id).state == "superseded")
    until(lambda: "777 mg" in client.post("/v1/ask", json=question).text, 60)
    assert f"is {number + 1} mg" not in client.post("/v1/ask", json=question).text


def test_a_reader_sees_approved_ones_alone_and_no_buttons(service: Running, visit: Any) -> None:
    page = visit(role="reader", sees=Visibility(domains=frozenset({"pain"}), group_ids=None), phone=True).page
    page.goto("/library")
    expect(page.get_by_text("Upload", exact=True)).to_have_count(0)
    assert "waiting" not in page.locator("main").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    checked(page, "reader-phone")
    if page.locator("tbody a").count():
        page.locator("tbody a").first.click()
        expect(page.get_by_role("button", name=re.compile("Approve|Withdraw"))).to_have_count(0)


def test_dark(service: Running, visit: Any) -> None:
    page = visit(role="administrator", dark=True).page
    page.goto("/library")
    checked(page, "library-dark")
