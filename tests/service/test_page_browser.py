"""The page in a real Chromium: signing in, asking, following a citation, history, jobs, refusals.

And what it is to a user with a keyboard, a screen reader, a phone or no JavaScript. No complaint of the browser is
let pass, and nothing is asked of any other server.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make test installs it")

from playwright.sync_api import Browser, expect  # noqa: E402

from pipeline.service.access.policy import DEMO  # noqa: E402
from pipeline.service.access.visibility import Visibility  # noqa: E402
from pipeline.service.middleware import cookies  # noqa: E402
from tests.servers.faults import Faults  # noqa: E402
from tests.servers.nim import NimServer  # noqa: E402
from tests.servers.oidc import CLIENT_ID, CLIENT_SECRET, OidcProvider  # noqa: E402
from tests.servers.queueing import ServiceTime  # noqa: E402
from tests.service.browser import CHROMIUM, MISSING, PHONE  # noqa: E402
from tests.service.running import (  # noqa: E402
    DEMO_NOTES,
    PASSWORD,
    QUESTION,
    Running,
    copied,
    index,
    running,
    settings_in,
    until,
)
from tests.service.visitors import AXE, faults  # noqa: E402

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

MARKUP = "<img src=x onerror=document.title='broken'>"
STRANGE = {
    "resource_id": f"strange/{MARKUP}",
    "patient_id": f'"{MARKUP}',
    "document_type": f"Letter {MARKUP}",
    "domain": "strange",
    "text_content": f"The xylophonist was given zolpidem 5 mg for insomnia.\nScanned as {MARKUP} (see there).\nEnd.",
}
PAGES = (
    "/",
    "/conversations",
    "/jobs",
    "/people",
    "/groups",
    "/keys",
    "/status",
    "/account",
    "/notes/aci-D2N006?span=2801-2859",
    "/nothing-here",
)


@pytest.fixture(scope="module")
def service(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("page")
    settings = settings_in(copied(indexed, folder / "data"), service={"inbox": str(DEMO_NOTES)})
    strange = folder / "strange.jsonl"
    strange.write_text(json.dumps(STRANGE))
    index(settings, strange)
    with running(settings) as found:
        yield found


# --- signing in


@pytest.mark.long
def test_the_first_administrator_comes_in_by_link_and_again_by_password(
    browser: Browser, visit: Any, tmp_path: Path
) -> None:
    with running(settings_in(tmp_path / "empty")) as empty:
        invitation = empty.access.people.first_administrator()
        assert invitation is not None
        visitor = visit(None, at=empty, expected="401|422")
        page = visitor.page
        page.goto(invitation.path)
        expect(page.locator("#name")).to_be_editable()
        assert invitation.token not in page.url  # it is in the form by now, and in no history
        page.fill("#name", "ada")
        page.fill("#password", "short")
        page.click("text=Set password and continue")
        assert page.evaluate("document.querySelector('#password').validity.tooShort")
        page.fill("#password", PASSWORD)
        page.click("text=Set password and continue")
        expect(page.locator(".welcome")).to_contain_text("There are no notes that you can see yet")
        page.goto("/account")
        page.click("text=Sign out >> nth=0")
        expect(page).to_have_url(re.compile("/sign-in$"))
        page.fill("#name", "ada")
        page.fill("#password", "not the password")
        page.press("#password", "Enter")
        expect(page.get_by_role("alert")).to_contain_text("Name or password is not right")
        assert page.input_value("#name") == "ada"
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")
        expect(page.locator("#question")).to_be_focused()
        page.goto(invitation.path)  # used up
        expect(page.locator("#whom")).to_contain_text("no longer works")
        page.fill("#password", PASSWORD)
        page.click("text=Set password and continue")
        expect(page.get_by_role("alert").first).to_contain_text("does not work any more")
        page.goto("/")
        visitor.asks(QUESTION)
        expect(page.locator(".turn")).to_contain_text("There are no notes yet")


@pytest.mark.long
def test_the_hospitals_account_lets_in_too(indexed: Path, tmp_path: Path, visit: Any) -> None:
    with OidcProvider() as provider:
        oidc = {
            "issuer": provider.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "roles": {"readers": "reader"},
            "new_people_see": "everything",
        }
        with running(settings_in(copied(indexed, tmp_path / "data"), oidc=oidc)) as joined:
            page = visit(None, at=joined, expected="401").page
            page.goto("/status")
            page.click("text=Sign in with your hospital account")
            expect(page.locator("h1")).to_have_text("Status")
            expect(page.locator(".who-name")).to_have_text("Anna A.")
            provider.person["groups"] = ["nobody"]
            page.goto("/account")
            page.click("text=Sign out >> nth=0")
            page.click("text=Sign in with your hospital account")
            expect(page.get_by_role("alert")).to_contain_text("CW-SIGN-IN")


@pytest.mark.long
def test_a_sign_in_that_has_ended_leads_back_to_where_one_was(service: Running, visit: Any) -> None:
    visitor = visit("reader")
    page = visitor.page
    page.goto("/conversations")
    page.goto("/")
    token = next(each["value"] for each in visitor.context.cookies() if each["name"] == cookies.SIGN_IN)
    name = service.access.sign_ins.current(token).principal.name
    service.access.sign_ins.sign_out(token)
    page.fill("#question", QUESTION)
    page.press("#question", "Enter")
    expect(page.locator("main")).to_contain_text("You were signed out")
    page.goto("/status")
    assert "to=%2Fstatus" in page.url
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    expect(page).to_have_url(re.compile("/status$"))


# --- asking


def test_an_answer_streams_in_and_its_citation_opens_the_note_at_the_words(visit: Any) -> None:
    visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    visitor.asks(QUESTION)
    assert "/conversations/" in page.url
    statement = page.locator(".statement").first
    quote = (statement.text_content() or "").strip().partition('" ')[0].strip('“”"').rstrip("0123456789 ")
    expect(page.locator(".sources q")).to_have_count(
        0
    )  # what the statement says letter by letter is said once
    statement.locator("[data-cite]").first.click()
    mark = page.locator("#beside mark")
    expect(mark).to_be_focused()
    assert " ".join(mark.inner_text().split()) == " ".join(quote.strip('“”"').split())
    expect(mark).to_be_in_viewport()
    assert "note=" in page.url
    page.reload()  # the address holds all of it
    expect(page.locator("#beside mark")).to_have_text(re.compile(re.escape(quote[:20])))
    expect(page.locator(".statement").first).to_contain_text(re.compile(r"\w"))
    page.keyboard.press("Escape")
    expect(page.locator("#beside")).to_be_empty()
    assert "note=" not in page.url


@pytest.mark.long
def test_everything_is_reached_by_keyboard(visit: Any) -> None:
    visitor = visit("reader")
    page = visitor.page
    page.goto("/status")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator(".answer-foot")).to_be_visible()
    page.locator("main").focus()
    page.keyboard.press("]")
    expect(page.locator("#beside mark")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".statements [data-cite]").first).to_be_focused()
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.click("[data-show-keys]")
    page.uncheck("#single-keys")
    page.keyboard.press("Escape")
    page.locator("main").focus()
    page.keyboard.press("n")
    assert "/conversations/" in page.url  # switched off


@pytest.mark.long
def test_filters_offer_what_one_may_see_and_hold(service: Running, visit: Any) -> None:
    visitor = visit("reader", sees=Visibility(frozenset({"outpatient"}), None))
    page = visitor.page
    page.goto("/")
    page.click(".filters summary")
    assert page.locator("#domain option").all_inner_texts() == ["any", "outpatient"]
    page.locator("#patient").press_sequentially("d2n00")
    expect(page.locator("#patients option").first).to_be_attached()
    expect(page.locator("#patients option:not([value^='D2N00'])")).to_have_count(0)
    page.fill("#patient", "D2N006")
    visitor.asks(QUESTION)
    expect(page.locator(".turn-question .chip")).to_have_text("patient D2N006")
    assert set(page.locator(".sources strong + :text('patient')").all_inner_texts()) <= {"patient D2N006"}
    expect(page.locator("#since")).to_be_hidden()  # the filters give way to the answer
    page.click(".filters summary")
    page.fill("#since", "2999-01-01")
    visitor.asks(QUESTION)
    expect(page.locator(".turn").last).to_contain_text("No note matches these filters")


def test_markup_in_notes_and_ids_is_text(visit: Any) -> None:
    visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    visitor.asks(f"What was the xylophonist given for insomnia? {MARKUP}")
    expect(page.locator(".turn-question h2")).to_contain_text(MARKUP)
    expect(page.locator(".sources")).to_contain_text(STRANGE["document_type"])
    page.locator("[data-cite]").first.click()
    expect(page.locator("#beside mark")).to_be_visible()
    expect(page.locator(".note-text")).to_have_text(STRANGE["text_content"])
    assert page.locator("img").count() == page.locator(".note-text *:not(mark)").count() == 0
    page.goto("/conversations")
    assert page.title() != "broken"


@pytest.fixture(scope="module")
def written(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NimServer, Running]]:
    """A service whose answers come from a model server that takes a minute for each."""
    folder = copied(indexed, tmp_path_factory.mktemp("written") / "data")
    with NimServer(chat=ServiceTime(seconds_per_request=60)) as nim:
        writer = {"generator": {"provider": "nim", "url": nim.url}}
        with running(settings_in(folder, service={"drain_seconds_max": 0}, **writer)) as found:
            yield nim, found


@pytest.mark.long
def test_who_waits_is_told_for_what_and_can_stop(written: tuple[NimServer, Running], visit: Any) -> None:
    nim, service = written
    page = visit("reader", at=service).page
    page.goto("/")
    page.fill("#question", QUESTION)
    page.click("button:has-text('Ask')")
    expect(page.locator(".working")).to_contain_text("is being written")
    expect(page.locator(".working")).to_contain_text("s so far", timeout=15_000)
    until(lambda: nim.chat.running == 1)
    page.click("[data-stop]")
    expect(page.locator(".turn")).to_contain_text("Stopped")
    until(lambda: service.app.state.services.queue.running == 0)
    expect(page.locator("button:has-text('Ask')")).to_be_visible()


def test_a_model_server_that_fails_is_named_by_its_code(
    written: tuple[NimServer, Running], visit: Any
) -> None:
    nim, service = written
    page = visit("reader", at=service).page
    page.goto("/")
    nim.faults.status = 401
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("CW-PROVIDER-AUTH")
    nim.faults.status = Faults().status
    page.click("text=Ask this question again")
    assert page.input_value("#question") == QUESTION


def test_an_answer_that_the_service_cuts_off_says_so(written: tuple[NimServer, Running], visit: Any) -> None:
    """Ends the service that the two before use."""
    _, service = written
    page = visit("reader", at=service, expected="Failed to load|Failed to fetch|network").page
    page.goto("/")
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator(".working")).to_contain_text("is being written")
    service.server.handle_exit(signal.SIGTERM, None)
    expect(page.get_by_role("alert")).to_contain_text(re.compile("cut off|broke before"))


def test_a_service_that_is_away_costs_no_question(visit: Any) -> None:
    page = visit("reader", expected="Failed to load|Failed to fetch").page
    page.goto("/")
    page.context.set_offline(True)
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator(".turn").last).to_contain_text("The service cannot be reached")
    assert page.input_value("#question") == QUESTION
    page.context.set_offline(False)
    page.press("#question", "Enter")
    expect(page.locator(".turn").last.locator(".answer-foot")).to_be_visible()


def test_what_was_refused_is_gone_once_it_is_put_right(visit: Any) -> None:
    visitor = visit("reader", expected="422")
    page = visitor.page
    page.goto("/")
    page.fill("#question", "Does she smoke?")
    page.keyboard.press("Enter")
    expect(page.locator("#thread > [role=alert]")).to_contain_text("which patient")
    visitor.asks(QUESTION)
    expect(page.locator("#thread > [role=alert]")).to_have_count(0)


def test_feedback_is_kept(service: Running, visit: Any) -> None:
    visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    visitor.asks(QUESTION)
    page.click("text=Not helpful")
    page.check("text=A citation does not support its statement")
    page.fill(".feedback textarea", "The dose was changed later.")
    page.click("text=Send")
    expect(page.locator(".feedback")).to_contain_text("Thank you")


def test_a_service_that_is_away_is_seen_to_be_away(visit: Any) -> None:
    """Below a long conversation the composer lies over the end of the page."""
    visitor = visit("reader", expected="Failed to load|Failed to fetch")
    page = visitor.page
    page.goto("/")
    visitor.asks_again(3)
    page.context.set_offline(True)
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    said = page.locator("[data-unreachable]")
    expect(said).to_contain_text("The service cannot be reached")
    box, composer = said.bounding_box(), page.locator(".composer").bounding_box()
    assert box is not None
    assert composer is not None
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= composer["y"]
    page.context.set_offline(False)
    page.press("#question", "Enter")
    expect(page.locator(".turn").last.locator(".answer-foot")).to_be_visible()
    expect(said).to_have_count(0)


@pytest.mark.long
def test_a_conversation_opens_at_its_newest_answer(visit: Any) -> None:
    visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    visitor.asks_again(4)
    page.goto("/conversations")
    page.click("tbody th a")
    expect(page.locator(".turn").last.locator("h2")).to_be_in_viewport()
    expect(page.locator(".turn").first.locator("h2")).not_to_be_in_viewport()


def test_the_way_back_closes_the_note_and_stays_in_the_conversation(visit: Any) -> None:
    visitor = visit("reader", phone=True)
    page = visitor.page
    page.goto("/")
    visitor.asks(QUESTION)
    conversation = page.url
    page.locator(".statements [data-cite]").first.click()
    expect(page.locator("#beside mark")).to_be_visible()
    page.go_back()
    expect(page.locator("#beside")).to_be_empty()
    assert page.url == conversation
    expect(page.locator(".statement").first).to_be_visible()
    page.go_forward()
    expect(page.locator("#beside mark")).to_be_visible()
    page.locator("[data-close-note]").click()
    expect(page.locator("#beside")).to_be_empty()
    assert page.url == conversation


def test_only_the_answer_that_was_asked_for_goes_to_paper(visit: Any) -> None:
    visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    visitor.asks_again(2)
    page.evaluate("window.print = () => dispatchEvent(new Event('beforeprint'))")
    page.locator("[data-print]").last.click()
    page.emulate_media(media="print")
    expect(page.locator(".turn").last).to_be_visible()
    expect(page.locator(".turn").first).to_be_hidden()
    year = page.evaluate("String(new Date().getFullYear())")
    assert year in page.locator(".print-head").inner_text()
    shown = "getComputedStyle(document.querySelector('.turn:last-of-type time'), '::after').content"
    assert year in page.evaluate(shown)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator(".turn").first).to_be_visible()


@pytest.mark.long
def test_an_answer_is_copied_with_its_sources(visit: Any) -> None:
    visitor = visit("reader", permissions=["clipboard-read", "clipboard-write"])
    page = visitor.page
    page.goto("/")
    visitor.asks(QUESTION)
    page.click("[data-copy-answer]")
    expect(page.locator("[data-copy-answer]")).to_have_text("Copied")
    copied_text = page.evaluate("navigator.clipboard.readText()")
    assert copied_text.startswith(QUESTION)
    assert re.search(r"\[\d+\].*\n\[\d+\] .* patient ", copied_text, re.DOTALL)
    expect(page.locator("[data-copy-answer]")).to_have_text("Copy", timeout=5000)


def test_without_javascript_the_answer_and_its_notes_are_there(visit: Any) -> None:
    page = visit("reader", java_script_enabled=False).page
    page.goto("/")
    page.fill("#question", QUESTION)
    page.click("button:has-text('Ask')")
    assert "/conversations/" in page.url
    page.locator(".statements [data-cite]").first.click()
    assert page.locator("#beside mark").inner_text()


# --- history


@pytest.mark.long
def test_history_is_listed_renamed_exported_and_deleted(visit: Any) -> None:
    visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    visitor.asks(QUESTION)
    visitor.asks("Who won the football match on Saturday?")
    page.goto("/conversations")
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(QUESTION)
    row.locator("text=Manage").click()
    page.fill("#title", "Gout, allopurinol")
    page.click("button:has-text('Rename')")
    expect(page.locator("h1")).to_have_text("Gout, allopurinol")
    with page.expect_download() as download:
        page.click("text=Markdown")
    markdown = Path(download.value.path()).read_text("utf-8")
    assert markdown.startswith("# `Gout, allopurinol`")
    assert "Sources:" in markdown
    with page.expect_download() as download:
        page.click("text=JSON")
    exported = json.loads(Path(download.value.path()).read_text("utf-8"))
    assert [each["author"] for each in exported["messages"]] == ["person", "chartwell"] * 2
    page.click("main >> text=Open >> nth=0")
    expect(page.locator(".turn")).to_have_count(2)
    page.goto("/conversations")
    page.click("text=Manage")
    page.click("text=Delete this conversation")
    page.click("text=Delete for good")
    expect(page.locator("main")).to_contain_text("No conversations yet")


def test_anothers_conversation_and_note_are_not_there(visit: Any) -> None:
    owner = visit("reader")
    owner.page.goto("/")
    owner.asks(QUESTION)
    owner.page.locator("[data-cite]").first.click()
    expect(owner.page.locator("#beside mark")).to_be_visible()
    conversation = owner.page.url
    note = owner.page.locator("text=Open in full").get_attribute("href")
    other = visit("reader", sees=Visibility(), expected="404")
    for address in (conversation, note):
        other.page.goto(address)
        expect(other.page.locator("h1")).to_have_text("Page not found")
        expect(other.page.locator("main")).to_contain_text("CW-NOT-FOUND")


# --- jobs and administration


@pytest.mark.long
def test_a_job_shows_its_progress_until_it_ends(visit: Any) -> None:
    page = visit("contributor").page
    page.goto("/jobs")
    page.click("text=Start indexing")
    expect(page.locator("#job")).to_contain_text("running")
    expect(page.locator("#job progress")).to_be_visible()
    expect(page.locator("#job")).to_contain_text("done", timeout=60_000)
    page.click("text=All jobs")
    expect(page.locator("tbody tr").first).to_contain_text("done")


def test_who_lacks_a_right_is_told_so_and_not_led_there(visit: Any) -> None:
    page = visit("reader", expected="403").page
    page.goto("/")
    assert page.locator(".nav a").all_inner_texts() == ["Ask", "History", "Status"]
    for address in ("/people", "/keys", "/jobs", "/groups"):
        page.goto(address)
        expect(page.locator("h1")).to_have_text("You do not have access to this")
        expect(page.locator("main")).to_contain_text("CW-FORBIDDEN")


@pytest.mark.long
def test_an_administrator_lets_somebody_in_who_sees_a_group_alone(service: Running, visit: Any) -> None:
    page = visit("administrator").page
    page.goto("/groups")
    page.fill("#new-name", "Ward 7")
    page.fill("#new-patients", "D2N006\nD2N043\nNOSUCH\n")
    page.click("text=Create group")
    expect(page.locator("main")).to_contain_text("1 of 3 patients has no note")
    expect(page.locator("main .notice .mono")).to_have_text("NOSUCH")
    page.goto("/people")
    page.fill("#name", "r.osei")
    page.check("text=all domains")
    page.check("text=Ward 7")
    page.click("text=Invite and create the link")
    link = page.locator(".secret code").inner_text()
    expect(page.locator("tbody tr", has_text="r.osei")).to_contain_text("Ward 7")
    guest = visit(None).page
    guest.goto(link)
    expect(guest.locator("#name")).to_have_value("r.osei")
    expect(guest.locator("#name")).not_to_be_editable()
    guest.fill("#password", PASSWORD)
    guest.click("text=Show password")
    expect(guest.locator("#password")).to_have_attribute("type", "text")
    guest.click("text=Set password and continue")
    expect(guest.locator(".welcome")).to_contain_text(re.compile(r"quote the \d notes? that you can see"))
    page.goto("/keys")
    page.fill("#key-name", "ward dashboard")
    page.click("text=Create key")
    text = page.locator(".secret code").inner_text()
    assert service.client(text).get("/v1/me").status_code == 200
    page.goto("/keys")
    assert text not in page.content()
    page.click("text=Revoke >> nth=0")
    page.click("text=Revoke it")
    expect(page.locator("tbody")).to_contain_text("revoked")
    assert service.client(text).get("/v1/me").status_code == 401


# --- how it looks, to people and to programs


@pytest.mark.long
def test_no_page_has_serious_faults_of_accessibility_or_is_wider_than_a_phone(
    service: Running, visit: Any
) -> None:
    people, groups = service.access.people, service.access.groups
    ward = groups.create(DEMO, "Ward 9")
    person, _ = people.create(
        DEMO, "of-ward-9", role="reader", sees=Visibility(frozenset({"strange"}), frozenset({ward.id}))
    )
    visitor = visit("administrator", expected="404")
    page = visitor.page
    page.goto("/")
    visitor.asks(QUESTION)
    page.locator("[data-cite]").first.click()
    expect(page.locator("#beside mark")).to_be_visible()
    conversation = page.url
    source = AXE.read_text("utf-8")
    settings = f"{conversation.partition('?')[0]}/settings"
    for address in (conversation, settings, f"/people/{person.id}", f"/groups/{ward.id}", *PAGES):
        page.set_viewport_size({"width": 1280, "height": 860})
        page.emulate_media(color_scheme="light")
        found = page.goto(address)
        assert found is not None
        assert found.ok or address == "/nothing-here", f"{address} answers {found.status}"
        page.evaluate(source)
        assert faults(page) == [], address
        page.emulate_media(color_scheme="dark")
        assert faults(page, "color-contrast") == [], f"{address}, dark"
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{address} is {wide} px wider than a phone"


def test_signing_in_is_accessible_too(visit: Any) -> None:
    page = visit(None).page
    for address in ("/sign-in", "/welcome#token"):
        page.goto(address)
        page.evaluate(AXE.read_text("utf-8"))
        assert faults(page) == [], address


def test_the_first_paint_needs_less_than_100_kb(visit: Any) -> None:
    page = visit("reader").page
    page.goto("/", wait_until="networkidle")
    sizes = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map(each => [each.name, each.transferSize])"
    )
    assert len(sizes) >= 5
    assert sum(size for _, size in sizes) < 100_000, sizes


def test_paper_gets_the_answer_and_its_sources_alone(visit: Any) -> None:
    visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    visitor.asks(QUESTION)
    page.emulate_media(media="print")
    for shown in (".statement >> nth=0", ".sources li >> nth=0", ".print-head", ".print-foot"):
        expect(page.locator(shown)).to_be_visible()
    head, statement = (page.locator(each).first.bounding_box() for each in (".print-head", ".statement"))
    assert head is not None
    assert statement is not None
    assert head["y"] + head["height"] <= statement["y"], "the head stands above"
    expect(page.locator(".print-foot")).to_contain_text("is not a medical device")
    for hidden in (".composer", ".bar", ".feedback"):
        expect(page.locator(hidden)).to_be_hidden()
