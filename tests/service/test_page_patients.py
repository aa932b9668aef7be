"""Patients on the page in a real Chromium: who is meant, what was understood, what may be asked; ten turns in a row.

Two patients have one name, and every fact here is one patient's alone: an answer of the wrong one is seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make test installs it")

from playwright.sync_api import Locator, Page, expect  # noqa: E402

from pipeline.records import EVERYTHING, AccessScope  # noqa: E402
from pipeline.service.access.visibility import Visibility  # noqa: E402
from pipeline.service.pages.register import names_of  # noqa: E402
from tests.service.browser import CHROMIUM, MISSING, PHONE  # noqa: E402
from tests.service.running import Running, index, running, settings_in  # noqa: E402
from tests.service.visitors import AXE, Visitor, faults  # noqa: E402

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)

LETTER = "Patient: {name}\nDOB: {born}\nSex: {sex}\n\n{sections}"
OKAFOR = {"name": "Tom Okafor", "born": "1958-02-14", "sex": "M"}
MITCHELL = {"name": "Anna Mitchell", "born": "1970-03-01", "sex": "F"}
YOUNGER = {"name": "Anna Mitchell", "born": "1985-11-20", "sex": "F"}
BRANDT = {"name": "Lena Brandt", "born": "1949-07-30", "sex": "F"}
LETTERS: tuple[tuple[str, str, str, dict[str, str], dict[str, str]], ...] = (
    (
        "okafor-1",
        "P-100",
        "2023-04-11",
        OKAFOR,
        {"MEDICATIONS": "- Warfarin 5 mg once daily", "VITAL SIGNS": "Blood pressure 148/92."},
    ),
    (
        "okafor-2",
        "P-100",
        "2024-03-02",
        OKAFOR,
        {
            "MEDICATIONS": "- Apixaban 5 mg twice daily\n- Metoprolol 50 mg twice daily",
            "ALLERGIES": "- Penicillin (rash)",
            "PROBLEMS": "- Atrial fibrillation\n- Hypertension",
            "HISTORY": "He denies diabetes.",
        },
    ),
    (
        "mitchell-1",
        "P-201",
        "2023-06-05",
        MITCHELL,
        {"MEDICATIONS": "- Metformin 500 mg twice daily", "VITAL SIGNS": "Blood pressure 152/95."},
    ),
    (
        "mitchell-2",
        "P-201",
        "2024-05-06",
        MITCHELL,
        {
            "MEDICATIONS": "- Metformin 1000 mg twice daily\n- Lisinopril 10 mg once daily",
            "ALLERGIES": "- Codeine (nausea)",
            "PROBLEMS": "- Diabetes mellitus",
            "VITAL SIGNS": "Blood pressure 128/76.",
        },
    ),
    (
        "mitchell-3",
        "P-202",
        "2024-01-10",
        YOUNGER,
        {"MEDICATIONS": "- Sertraline 50 mg once daily", "ALLERGIES": "- Latex"},
    ),
    (
        "brandt-1",
        "P-300",
        "2024-02-20",
        BRANDT,
        {
            "MEDICATIONS": "- Insulin glargine 18 units at night",
            "PROBLEMS": "- Diabetes mellitus\n- Atrial fibrillation",
        },
    ),
)
OTHERS = {
    "P-100": ("Metformin", "Lisinopril", "Sertraline", "Insulin", "Codeine", "Latex"),
    "P-201": ("Apixaban", "Warfarin", "Metoprolol", "Sertraline", "Insulin", "Penicillin", "Latex"),
}
"""What only the notes of others say."""


def letter(name: str, patient: str, date: str, person: dict[str, str], parts: dict[str, str]) -> str:
    sections = "\n\n".join(f"{title}\n\n{text}" for title, text in parts.items())
    fields = {"resource_id": name, "patient_id": patient, "date": date, "document_type": "Clinic letter"}
    domain = "ward" if patient != "P-300" else "clinic"
    return json.dumps(
        {**fields, "domain": domain, "text_content": LETTER.format(**person, sections=sections)}
    )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("page-patients")
    notes = folder / "notes.jsonl"
    notes.write_text("".join(letter(*each) + "\n" for each in LETTERS))
    settings = settings_in(folder / "data")
    index(settings, notes)
    with running(settings) as found:
        yield found


def parts_of(turn: Locator) -> list[str]:
    return [" ".join(text.split()) for text in turn.locator(".part").all_inner_texts()]


def says(turn: Locator, *words: str, patient: str) -> None:
    """The answer has these words, and none of what only others' notes say."""
    for word in words:
        expect(turn.locator(".statements")).to_contain_text(word)
    text = turn.locator(".statements").inner_text()
    assert [word for word in OTHERS[patient] if word in text] == []


def bar_says(page: Page, *words: str) -> None:
    for word in words:
        expect(page.locator("#patient-bar")).to_contain_text(word)


@pytest.mark.long
def test_a_conversation_of_ten_turns_keeps_to_whom_it_means(visit: Any) -> None:
    visitor: Visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    bar_says(page, "Every patient")

    first = visitor.ask_and_wait("What medications is Tom Okafor taking?")
    says(first, "Apixaban", "Metoprolol", patient="P-100")
    assert parts_of(first) == ["Tom Okafor", "medications", "list"]
    bar_says(page, "Tom Okafor", "male", "born 14 Feb 1958", "2 notes", "P-100")

    second = visitor.ask_and_wait("What is he allergic to?")
    says(second, "Penicillin", patient="P-100")
    assert parts_of(second)[0] == "Tom Okafor as before"
    expect(second.locator(".part-carried")).to_have_count(1)

    third = visitor.ask_and_wait("Does he have diabetes?")
    says(third, "denies diabetes", patient="P-100")

    fourth = visitor.ask_and_wait("Which patients have diabetes?")
    assert fourth.locator(".whose strong").all_inner_texts() == [
        "Anna Mitchell",
        "Lena Brandt",
        "Tom Okafor",
    ]
    expect(fourth.locator(".line-lead").last).to_contain_text("denied")
    bar_says(page, "Every patient")

    fifth = visitor.ask_and_wait("What medications is Anna Mitchell taking?")
    expect(fifth.locator(".notice h3")).to_have_text("Several patients have that name")
    expect(fifth.locator(".statements")).to_be_empty()
    choices = fifth.locator(".again .button")
    expect(choices).to_have_count(2)
    expect(choices.first).to_contain_text("born 1970-03-01")
    expect(choices.last).to_contain_text("born 1985-11-20")

    choices.first.click()
    sixth = visitor.wait_for_turn(5)
    says(sixth, "Metformin 1000 mg", "Lisinopril", patient="P-201")
    bar_says(page, "Anna Mitchell", "born 1 Mar 1970", "2 notes")

    seventh = visitor.ask_and_wait("What is she allergic to?")
    says(seventh, "Codeine", patient="P-201")
    assert parts_of(seventh)[0] == "Anna Mitchell as before"

    eighth = visitor.ask_and_wait("What was her blood pressure in 2023?")
    says(eighth, "152/95", patient="P-201")
    assert "2023" in parts_of(eighth)

    eighth.locator(".part", has_text="2023").click()
    ninth = visitor.wait_for_turn(8)
    says(ninth, "128/76", patient="P-201")
    assert "2023" not in parts_of(ninth)
    expect(ninth.locator(".turn-question")).to_contain_text("without 2023")

    page.click("[data-leave-patient]")
    bar_says(page, "Every patient")
    tenth = visitor.ask_and_wait("Which patients have atrial fibrillation?")
    assert set(tenth.locator(".whose strong").all_inner_texts()) == {"Tom Okafor", "Lena Brandt"}

    page.reload()
    expect(page.locator(".turn")).to_have_count(10)
    kept = page.locator(".turn").nth(1)
    says(kept, "Penicillin", patient="P-100")
    expect(kept.locator(".part-carried")).to_have_text(re.compile("Tom Okafor"))
    assert page.locator(".turn").nth(3).locator(".whose strong").all_inner_texts()[1] == "Lena Brandt"

    page.evaluate(AXE.read_text("utf-8"))
    assert faults(page) == []
    page.emulate_media(color_scheme="dark")
    assert faults(page, "color-contrast") == []
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_patient_is_chosen_by_name_with_the_keyboard_and_left_again(visit: Any) -> None:
    visitor: Visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    page.locator("main").focus()
    page.keyboard.press("p")
    expect(page.locator("#patient-query")).to_be_focused()
    page.keyboard.type("mitch")
    found = page.locator("[data-patient-link]")
    expect(found).to_have_count(2)
    expect(found.first).to_contain_text("born 1 Mar 1970")
    expect(found.last).to_contain_text("born 20 Nov 1985")
    found.last.focus()
    page.keyboard.press("Enter")
    bar_says(page, "Anna Mitchell", "born 20 Nov 1985", "P-202")
    expect(page.locator("#question")).to_be_focused()
    assert page.input_value("#patient") == "P-202"
    turn = visitor.ask_and_wait("What medications is she taking?")
    expect(turn.locator(".statements")).to_contain_text("Sertraline")
    bar_says(page, "P-202")
    expect(page.locator("#going-on")).to_be_hidden()  # what was chosen holds
    page.click("[data-leave-patient]")
    bar_says(page, "Every patient")
    assert page.input_value("#patient") == ""


def test_the_notes_of_a_patient_are_listed_and_read_beside_the_conversation(visit: Any) -> None:
    visitor: Visitor = visit("reader")
    page = visitor.page
    page.goto("/?patient=P-100")
    page.click(".timeline summary")
    notes = page.locator("#timeline-notes li")
    expect(notes).to_have_count(2)
    expect(notes.first).to_contain_text("2 Mar 2024")
    notes.first.locator("a").click()
    expect(page.locator("#beside .note-text")).to_contain_text("Apixaban")
    page.keyboard.press("Escape")
    page.click("text=All notes of this patient")
    expect(page.locator("h1")).to_have_text("Tom Okafor")
    expect(page.locator(".note-heads li")).to_have_count(2)
    page.click("text=Ask about this patient")
    bar_says(page, "Tom Okafor")


def test_suggested_questions_are_asked_with_one_click(visit: Any) -> None:
    visitor: Visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    first = page.locator("#suggested button").first
    question = first.inner_text()
    first.click()
    turn = visitor.wait_for_turn(0)
    expect(turn.locator("h2")).to_have_text(question)
    expect(turn.locator(".statement").first).to_be_visible()
    further = page.locator("#suggested button")
    expect(further.first).to_be_visible()
    assert question not in further.all_inner_texts()
    asked = further.first.inner_text()
    further.first.click()
    expect(visitor.wait_for_turn(1).locator("h2")).to_have_text(asked)


def test_statements_are_ordered_under_the_line_that_says_how_they_are_meant(visit: Any) -> None:
    visitor: Visitor = visit("reader")
    page = visitor.page
    page.goto("/")
    turn = visitor.ask_and_wait("Which patients have diabetes?")

    def lines() -> list[str]:
        return turn.locator(".statements > li").all_inner_texts()

    as_answered = lines()
    turn.locator("[data-order=date]").click()
    expect(turn.locator("[data-order=date]")).to_have_attribute("aria-pressed", "true")
    newest = turn.locator(".statements > li:not(.line-lead)").evaluate_all(
        "all => all.map(each => each.dataset.date)"
    )
    assert newest == ["2024-05-06", "2024-02-20", "2024-03-02"]  # the last one stands under "denied"
    turn.locator("[data-order=answer]").click()
    assert lines() == as_answered


@pytest.mark.long
def test_without_javascript_a_patient_is_found_chosen_and_taken_away(visit: Any) -> None:
    visitor: Visitor = visit("reader", java_script_enabled=False)
    page = visitor.page
    page.goto("/")
    page.click("text=Choose a patient")
    page.fill("#patient-query", "okafor")
    page.press("#patient-query", "Enter")
    page.click("text=Tom Okafor")
    bar_says(page, "Tom Okafor")
    page.fill("#question", "What medications is he taking?")
    page.click("button:has-text('Ask')")
    expect(page.locator(".turn").last).to_contain_text("Apixaban")
    page.locator(".part", has_text="medications").click()
    expect(page.locator(".turn")).to_have_count(2)
    page.goto("/")
    page.fill("#question", "What is Anna Mitchell allergic to?")
    page.click("button:has-text('Ask')")
    page.click(".again .button:has-text('1985')")
    expect(page.locator(".turn").last.locator(".statements")).to_contain_text("Latex")


def test_no_patient_out_of_sight_is_offered(visit: Any) -> None:
    page = visit("reader", sees=Visibility(frozenset({"clinic"}), None)).page
    page.goto("/patients")
    assert page.locator("[data-patient-link] strong").all_inner_texts() == ["Lena Brandt"]
    page.goto("/patients?query=mitchell")
    expect(page.locator("main")).to_contain_text("No patient whose notes you can see")
    page.goto("/?patient=P-100")
    bar_says(page, "patient P-100", "0 notes")
    page.goto("/")
    expect(page.locator("#suggested button").first).to_be_visible()
    assert all("Brandt" in text for text in page.locator("#suggested button").all_inner_texts())


def test_who_wrote_an_answer_is_said_plainly(visit: Any) -> None:
    turn = visit("reader").page
    turn.goto("/")
    turn.fill("#question", "What medications is Tom Okafor taking?")
    turn.press("#question", "Enter")
    expect(turn.locator(".answerer")).to_have_text("Quotations from the notes, no language model")


@pytest.mark.long
def test_the_pages_of_patients_are_accessible_and_fit_a_phone(visit: Any) -> None:
    page = visit("reader").page
    for address in ("/", "/?patient=P-100", "/patients", "/patients?query=mit", "/patients/P-100"):
        page.set_viewport_size({"width": 1280, "height": 860})
        page.emulate_media(color_scheme="light")
        page.goto(address)
        if address == "/":
            page.click("text=Choose a patient")
            expect(page.locator("[data-patient-link]").first).to_be_visible()
            expect(page.locator("#suggested button").first).to_be_visible()
        page.evaluate(AXE.read_text("utf-8"))
        assert faults(page) == [], address
        page.emulate_media(color_scheme="dark")
        assert faults(page, "color-contrast") == [], address
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address


def test_a_patient_who_is_taken_away_is_no_filter_any_more(service: Running) -> None:
    browser = service.browser("reader")
    asked = {"question": "What medications is she taking?", "patient_id": "P-201"}
    part = {"Accept": "text/event-stream", "HX-Request": "true"}
    assert "Metformin" in browser.post("/ask", data=asked, headers=part).text
    without = browser.post("/ask", data={**asked, "without": "patient:P-201"}, headers=part).text
    assert "Metformin" not in without
    assert "nothing tells which patient that is" in without


def test_two_of_one_name_are_told_apart_by_their_ids(service: Running) -> None:
    services = service.app.state.services
    assert names_of(services, EVERYTHING, {"P-201", "P-202", "P-300", "nobody"}) == {
        "P-201": "Anna Mitchell, patient P-201",
        "P-202": "Anna Mitchell, patient P-202",
        "P-300": "Lena Brandt",
        "nobody": "patient nobody",
    }
    clinic = AccessScope(domains=frozenset({"clinic"}))
    assert names_of(services, clinic, {"P-201"}) == {"P-201": "patient P-201"}


def test_a_choice_is_offered_again_when_the_conversation_is_opened(service: Running) -> None:
    browser = service.browser("reader")
    page = {"Accept": "text/html"}
    asked = {"question": "What is Anna Mitchell allergic to?"}
    address = browser.post("/ask", data=asked, headers=page).headers["location"]
    opened = browser.get(address, headers=page).text
    assert "born 1970-03-01" in opened
    assert "born 1985-11-20" in opened
    assert "called None" not in opened


def test_what_comes_near_is_not_shown_as_an_answer(visit: Any) -> None:
    visitor: Visitor = visit("reader")
    visitor.page.goto("/")
    turn = visitor.ask_and_wait("Has Tom Okafor had ventricular fibrillation?")
    expect(turn.locator(".line-lead")).to_contain_text("Not stated")
    expect(turn.locator(".statements")).to_contain_text("Atrial fibrillation")
    expect(turn.locator(".near-words")).to_contain_text("comes near, and is no answer")
    expect(turn.locator(".answerer")).to_have_count(0)


def test_a_surname_that_several_have_is_that_of_the_one_who_was_clicked(visit: Any) -> None:
    visitor: Visitor = visit("reader")
    visitor.page.goto("/")
    turn = visitor.ask_and_wait("What is Mitchell allergic to?")
    turn.locator(".again .button", has_text="1970").click()
    says(visitor.wait_for_turn(1), "Codeine", patient="P-201")
