"""The page without a browser: its files, what it escapes, where it leads, and how it says that something failed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import httpx2
import pytest
from markdown_it import MarkdownIt

from pipeline.service.access.policy import DEMO
from pipeline.service.errors import PageFileChanged
from pipeline.service.pages.assets import Assets
from pipeline.service.pages.errors import own_path
from pipeline.service.pages.rendering import Renderer
from pipeline.service.pages.view_models import TextSpan, goes_without_saying, statement_view, text_spans
from pipeline.service.pages.wording import verbatim
from pipeline.service.schemas.ask import CitationOut, UnderstoodPartOut
from tests.service.running import PASSWORD, QUESTION, ROOT, Running, copied, running, settings_in

PAGES = ROOT / "pipeline" / "service" / "pages"
PAGE = {"Accept": "text/html"}
PART = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}


def cited(number: int, start: int = 0) -> CitationOut:
    return CitationOut(
        number=number,
        resource_id="n",
        patient_id="p",
        document_type="t",
        date=None,
        similarity=0.5,
        start=start,
        end=start + 1,
        quote="q",
    )


# --- files


@pytest.mark.parametrize("folder", [PAGES / "static", Path(__file__).parent / "vendor"], ids=str)
def test_vendored_files_are_those_that_were_looked_at(folder: Path) -> None:
    entries = json.loads((folder / "vendored.json").read_text("utf-8"))["files"]
    for entry in entries:
        content = (folder / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["file"]
        assert (folder / entry["licence_file"]).read_text("utf-8").strip()
    recorded = {(folder / entry["file"]).name for entry in entries}
    assert recorded == {path.name for path in folder.rglob("*.min.js")}


def test_a_vendored_file_that_was_changed_stops_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    shutil.copytree(PAGES / "static", folder)
    Assets(folder)
    with (folder / "vendor" / "htmx.min.js").open("a") as file:
        file.write(" ")
    with pytest.raises(PageFileChanged, match=r"vendor/htmx\.min\.js"):
        Assets(folder)


def test_files_are_kept_for_ever_under_addresses_of_their_content(service: Running) -> None:
    client = service.client()
    page = client.get("/sign-in").text
    addresses = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    assert len(addresses) == 5
    for address in addresses:
        found = client.get(address)
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]
        assert hashlib.sha256(found.content).hexdigest().startswith(address.split("/")[2])
    assert client.get("/sign-in/provider", headers=PAGE).status_code == 404  # none is set up
    for wrong in (
        "/static/vendored.json",
        "/static/../routes.py",
        "/static/%2e%2e/routes.py",
        "/static/x/app.js",
    ):
        assert client.get(wrong).status_code in (401, 404)


def test_templates_hold_nothing_that_the_content_policy_would_have_to_allow() -> None:
    for path in (PAGES / "templates").glob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"\son\w+=|\sstyle=|<style|hx-on|javascript:|\|\s*safe|autoescape", text), (
            path.name
        )
        assert re.findall(r"<script(?![^>]*\ssrc=)", text) == [], path.name
    for path in (PAGES / "static").glob("*.js"):
        script = path.read_text("utf-8")
        assert not re.search(r"innerHTML|insertAdjacentHTML|eval\(|new Function|https?://", script), path.name
    assert "http" not in (PAGES / "static" / "app.css").read_text("utf-8")


def test_every_template_is_read_without_a_fault() -> None:
    renderer = Renderer()
    for path in (PAGES / "templates").iterdir():
        renderer._environment.get_template(path.name)


# --- statements and notes


@pytest.mark.parametrize(
    ("text", "citations", "expected"),
    [
        ("It is so. [2]", [cited(2)], ["It is so.", 2]),
        ("It [2] is [1] so.", [cited(1), cited(2)], ["It", 2, " is", 1, " so."]),
        ("It is so.", [cited(3)], ["It is so.", 3]),
        ("It is [9] so. [2]", [cited(2)], ["It is [9] so.", 2]),
        ("It is so. [2]", [cited(2), cited(2, 5)], ["It is so.", 2, 2]),
        ("[2]", [cited(2)], [2]),
        ("It is [1] and was [1].", [cited(1)], ["It is", 1, " and was", 1, "."]),
    ],
)
def test_markers_become_citations(text: str, citations: list[CitationOut], expected: list[str | int]) -> None:
    pieces = statement_view(1, text, citations).pieces
    assert [piece.citation.number if piece.citation else piece.text for piece in pieces] == expected


def test_a_statement_under_its_patients_name_does_not_name_the_id_again() -> None:
    of_p = statement_view(1, 'Patient p, undated, PROBLEMS: "Gout" [1]', [cited(1)])
    assert of_p.patient_id == "p"
    assert of_p.without_owner[0].text == 'PROBLEMS: "Gout"'
    assert (
        statement_view(1, 'Patient q, undated: "Gout" [1]', [cited(1)])
        .without_owner[0]
        .text.startswith("Patient q")
    )
    assert not statement_view(1, "3 patients with gout:", []).cites


@pytest.mark.parametrize(
    ("patients", "meant", "expected"),
    [
        (["p"], ["p"], True),
        (["p"], [], False),
        (["p"], ["q"], False),
        (["p", "q"], ["p", "q"], False),
        (["p", "q"], ["p"], False),
        ([], [], True),
    ],
)
def test_whose_it_is_goes_without_saying_where_that_one_patient_is_meant(
    patients: list[str], meant: list[str], expected: bool
) -> None:
    understood = [
        UnderstoodPartOut(id=f"patient:{each}", part="patient", text="x", carried=False) for each in meant
    ]
    assert goes_without_saying(patients, understood) is expected


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], [("abcdef", False)]),
        ([(1, 3)], [("a", False), ("bc", True), ("def", False)]),
        ([(0, 6)], [("abcdef", True)]),
        ([(3, 5), (1, 4)], [("a", False), ("bcde", True), ("f", False)]),
        ([(1, 2), (2, 3)], [("a", False), ("bc", True), ("def", False)]),
        ([(1, 5), (2, 3)], [("a", False), ("bcde", True), ("f", False)]),
    ],
)
def test_a_note_is_cut_at_its_ranges_and_loses_nothing(
    spans: list[tuple[int, int]], expected: list[tuple[str, bool]]
) -> None:
    assert text_spans("abcdef", spans) == [TextSpan(*each) for each in expected]


HOSTILE = (
    "![allopurinol](https://evil.example/p.png?q=allopurinol100mg)",
    "[Anna Mitchell](javascript:alert(1))",
    "[1]: https://evil.example",
    "<script>alert(1)</script> <img src=x onerror=alert(1)>",
    "<https://evil.example> https://evil.example www.evil.example a@evil.example",
    "a\n# b\n\n| a | b |\n|---|---|\n> quoted\n- item\n1. item\n***\n```js\ncode\n```\n    indented",
    "`![x](https://evil.example)` ``[y](https://evil.example)`` ` ``",
    "\\`[z](https://evil.example)\\`",
    "`" * 70 + "[x](https://evil.example)",
    " ".join("`" * length for length in range(1, 90)) + " ![x](https://evil.example) <b>",
    "&lt;b&gt; &#91;x&#93;(y) ~~gone~~ *bold* _it_ $x$ ^1 :smile: {.class} \u202egnp.exe",
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("line", ["# {}", "## {}", "- {} [1]", "- [1] {}, patient {}, 2024-01-01: {}", "{}"])
def test_whatever_somebody_wrote_is_only_text_in_an_exported_file(text: str, line: str) -> None:
    quoted = verbatim(text)
    parser = MarkdownIt("gfm-like", {"linkify": False}).enable(["table", "strikethrough"])
    tokens = parser.parse(line.format(*[quoted] * 3))
    leaves = [leaf for token in tokens for leaf in (token.children or [token])]
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in [*tokens, *leaves]}
    assert kinds <= {
        *("inline", "heading", "paragraph", "bullet_list", "list_item", "text", "text_special", "code_inline")
    }
    shown = "".join(leaf.content for leaf in leaves if leaf.type in ("code_inline", "text", "text_special"))
    assert " ".join(text.split()) in shown


def test_ordinary_words_stay_as_they_are() -> None:
    assert verbatim("Continue allopurinol\n100 mg.") == "`Continue allopurinol 100 mg.`"
    assert verbatim("") == ""


# --- where it leads


@pytest.mark.parametrize(
    ("given", "led"),
    [
        ("/jobs", "/jobs"),
        ("/conversations/1?note=2&span=3-4", "/conversations/1?note=2&span=3-4"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("https://elsewhere.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/elsewhere.example", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_led_elsewhere_after_signing_in(service: Running, given: str, led: str) -> None:
    assert own_path(given) == led
    name = f"led{len(service.access.people.everybody(DEMO))}"
    _, invitation = service.access.people.create(DEMO, name)
    service.access.sign_ins.with_link(invitation.token, PASSWORD, address="127.0.0.1")
    form = {"name": name, "password": PASSWORD, "to": given}
    answer = service.client().post("/sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, led)


def test_who_is_not_signed_in_is_sent_there_and_a_part_sends_the_whole_page(service: Running) -> None:
    client = service.client()
    whole = client.get("/jobs", headers=PAGE)
    assert (whole.status_code, whole.headers["location"]) == (303, "/sign-in?to=%2Fjobs")
    part = client.post(
        "/ask",
        data={"question": QUESTION},
        headers={**PART, "HX-Current-URL": f"{service.url}/conversations/1"},
        follow_redirects=True,
    )
    assert part.headers["hx-redirect"] == "/sign-in?to=%2Fconversations%2F1&ended=1"


# --- how it says that something failed


def test_a_failure_is_a_page_a_part_or_a_problem_as_was_asked(service: Running) -> None:
    browser = service.browser("reader")
    page = browser.get("/people", headers=PAGE)
    part = browser.get("/people", headers=PART)
    problem = browser.get("/people")
    assert [each.status_code for each in (page, part, problem)] == [403, 403, 403]
    assert "<!doctype html>" in page.text
    assert part.text.lstrip().startswith('<div class="notice')
    assert problem.json()["code"] == "CW-FORBIDDEN"
    for each in (page, part):
        assert "CW-FORBIDDEN" in each.text
        assert each.headers["content-security-policy"] == problem.headers["content-security-policy"]
    missing = browser.get("/v1/notes/none", headers=PAGE)
    assert (
        missing.headers["content-type"] == "application/problem+json"
    )  # programs may say that they take HTML


def test_too_many_requests_say_when_to_come_back(indexed: Path, tmp_path: Path) -> None:
    settings = settings_in(copied(indexed, tmp_path / "data"), service={"requests_per_minute": 10})
    with running(settings) as limited:
        browser = limited.browser("reader")
        answers = [browser.get("/status", headers=PART) for _ in range(7)]
        last = answers[-1]
        assert last.status_code == 429
        assert f"again in {last.headers['retry-after']} s" in last.text
        assert "One moment" in last.text


def test_a_form_that_is_not_filled_in_rightly_says_which_field(service: Running) -> None:
    browser = service.browser("reader")
    answer = browser.post("/ask", data={"question": QUESTION, "since": "yesterday"}, headers=PART)
    assert answer.status_code == 422
    assert "since" in answer.text
    assert "yesterday" not in answer.text


def test_filters_that_match_nothing_are_explained(service: Running) -> None:
    browser = service.browser("reader")
    wrong = browser.post(
        "/ask", data={"question": QUESTION, "since": "2024-02-01", "until": "2024-01-01"}, headers=PART
    )
    assert "ends before it begins" in wrong.text
    mistyped = {"question": QUESTION, "patient_id": "NOBODY-7"}
    told = browser.post("/ask", data=mistyped, headers=PART)
    assert "No note matches these filters" in told.text
    assert "No note that you may see has patient NOBODY-7." in told.text
    kept = browser.get(browser.post("/ask", data=mistyped, headers=PAGE).headers["location"], headers=PAGE)
    assert "No note that you may see has patient NOBODY-7." in kept.text


def test_a_page_is_only_its_owners(service: Running) -> None:
    owner, other = service.browser("reader"), service.browser("reader")
    asked = owner.post("/ask", data={"question": QUESTION}, headers=PAGE)
    address = asked.headers["location"]
    assert owner.get(address, headers=PAGE).status_code == 200
    for path in (address, f"{address}/settings", f"{address}/export.md", f"{address}/export.json"):
        assert other.get(path, headers=PAGE).status_code == 404
    for path in (f"{address}/rename", f"{address}/delete"):
        assert other.post(path, data={"title": "mine"}, headers=PAGE).status_code == 404


def test_a_range_that_the_note_does_not_have_is_said_beside_the_conversation(service: Running) -> None:
    browser = service.browser("reader")
    address = browser.post("/ask", data={"question": QUESTION}, headers=PAGE).headers["location"]
    cited = browser.get(f"/v1{address}").json()["entries"][1]["content"]["statements"][0]["citations"][0]

    def beside(span: str) -> str:
        page = browser.get(address, params={"note": cited["resource_id"], "span": span}, headers=PAGE)
        assert page.status_code == 200
        return page.text

    right = beside(f"{cited['start']}-{cited['end']}")
    assert "<mark" in right
    assert "CW-REQUEST" not in right
    for wrong in ("3000-5", "5-5", "0-99999999"):
        page = beside(wrong)
        assert "CW-REQUEST" in page
        assert "<mark" not in page


def test_forms_need_the_token_of_their_page(service: Running) -> None:
    browser = service.browser("administrator", csrf=False)
    for path in ("/ask", "/jobs", "/people", "/keys", "/groups", "/account/sign-out", "/feedback"):
        assert browser.post(path, data={"question": QUESTION}, headers=PAGE).status_code == 403


def test_every_form_carries_it(service: Running) -> None:
    browser: httpx2.Client = service.browser("administrator")
    for path in ("/", "/people", "/groups", "/keys", "/account"):
        page = browser.get(path, headers=PAGE).text
        forms = re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL)
        assert forms, path
        assert all('name="csrf_token"' in form for form in forms), path


def test_an_exported_file_holds_no_link_no_picture_and_no_markup(service: Running) -> None:
    owner = service.browser("reader")
    question = f"{QUESTION} {' '.join(HOSTILE[:5])} `x` # y"
    asked = owner.post("/ask", data={"question": question}, headers=PAGE)
    conversation = asked.headers["location"]
    more = {"question": QUESTION, "conversation_id": conversation.rpartition("/")[2]}
    assert owner.post("/ask", data=more, headers=PAGE).headers["location"] == conversation
    exported = owner.get(f"{conversation}/export.md").text
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(exported)
    leaves = [leaf for token in tokens for leaf in (token.children or ())]
    kinds = {token.type for token in [*tokens, *leaves]}
    assert not {
        kind for kind in kinds if kind.startswith(("link", "image", "html", "table", "fence", "code_block"))
    }
    headings = [tokens[at + 1] for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert [[leaf.type for leaf in heading.children or ()] for heading in headings] == [["code_inline"]] * 3
    shown = "".join(leaf.content for leaf in leaves)
    assert "Patient reports taking allopurinol." in shown
    assert "javascript:alert(1)" in shown
