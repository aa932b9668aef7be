"""Films in a real Chromium: searched by a file, opened from a citation, windowed, with keys alone, on a phone."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make test installs it")

from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, Page, expect  # noqa: E402

from tests.service.browser import CHROMIUM, MISSING, PHONE  # noqa: E402
from tests.service.images.gallery import Gallery  # noqa: E402
from tests.service.visitors import AXE, faults, visiting  # noqa: E402

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason=MISSING), pytest.mark.long]

DRAWN_WITHOUT_A_CARD = "GPU stall due to ReadPixels"
"""What Chromium says of WebGL where there is no graphics card."""


@pytest.fixture
def visit(browser: Browser, shown: Gallery) -> Iterator[Any]:
    with visiting(browser, shown.service) as make:
        yield lambda **options: make(**{"expected": DRAWN_WITHOUT_A_CARD, **options})


def film(page: Page, shown: Gallery, name: str) -> None:
    page.goto(f"/films/{quote(shown.ids[name], safe='')}")
    settled(page)


def settled(page: Page, by: str = "viewer") -> None:
    expect(page.locator("[data-film]")).to_have_attribute("data-shown-by", by)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def picture(page: Page) -> NDArray[np.float64]:
    """What is seen of the film as it lies in its frame, as shares of white, 24 × 24."""
    seen = _grey(page.locator(".film-picture").screenshot())
    columns, rows = page.eval_on_selector(".film-still", "each => [each.naturalWidth, each.naturalHeight]")
    scale = min(seen.width / columns, seen.height / rows)
    across, down = (seen.width - columns * scale) / 2, (seen.height - rows * scale) / 2
    return _small(
        seen.crop((round(across), round(down), round(seen.width - across), round(seen.height - down)))
    )


def served(page: Page) -> NDArray[np.float64]:
    """The film as the server draws it with the same window."""
    source = page.get_attribute(".film-still", "src")
    assert source is not None
    return _small(_grey(page.context.request.get(source).body()))


def _grey(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("L")


def _small(seen: Image.Image) -> NDArray[np.float64]:
    return np.asarray(seen.resize((24, 24), Image.Resampling.BOX)) / 255


def values(page: Page) -> dict[str, float]:
    names = page.eval_on_selector_all(
        "[data-film-field]", "all => all.map(each => [each.dataset.filmField, Number(each.value)])"
    )
    return dict(names)


@pytest.mark.parametrize("name", ["a0.png", "ct1.dcm"])
def test_the_viewer_shows_what_the_server_draws(shown: Gallery, visit: Any, name: str) -> None:
    page = visit().page
    film(page, shown, name)
    drawn, expected = picture(page), served(page)
    apart = np.abs(drawn - expected).mean()
    assert apart < 0.03
    for turned in (expected[::-1], expected[:, ::-1], expected[::-1, ::-1]):
        assert np.abs(drawn - turned).mean() > 2 * apart, "the film can be told from its mirror image"


def test_a_film_is_windowed_and_zoomed_with_keys_alone(shown: Gallery, visit: Any) -> None:
    page = visit().page
    film(page, shown, "a0.png")
    whole, start = picture(page), values(page)
    page.keyboard.press("Tab")  # from the start of the page
    for _ in range(40):
        if page.evaluate("document.activeElement.classList.contains('film-picture')"):
            break
        page.keyboard.press("Tab")
    expect(page.locator(".film-picture")).to_be_focused()
    for _ in range(20):
        page.keyboard.press("ArrowDown")
    assert values(page)["centre"] < start["centre"]
    assert picture(page).mean() > whole.mean(), "a lower centre is a brighter film"
    expect(page.locator("#said")).to_contain_text(re.compile(r"Centre \d+(\.\d+)?, width \d+"))
    page.keyboard.press("ArrowLeft")
    assert values(page)["width"] < start["width"]
    page.keyboard.press("0")
    assert values(page) == start
    page.keyboard.press("+")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#said")).to_contain_text("Zoom 1.3")
    assert np.abs(picture(page) - whole).mean() > 0.02
    page.locator("#film-width").focus()
    page.keyboard.press("Home")
    assert values(page)["width"] < 5


def test_a_film_is_windowed_by_hand_and_slices_are_those_of_its_series(shown: Gallery, visit: Any) -> None:
    page = visit().page
    film(page, shown, "ct1.dcm")
    assert values(page)["slice"] == 4, "the first file is the uppermost slice"
    start = values(page)
    box = page.locator(".film-picture").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 160, steps=4)
    page.mouse.up()
    moved = values(page)
    assert moved["width"] < start["width"]
    assert moved["centre"] > start["centre"]
    page.click("text=Reset")
    assert values(page) == start
    before = picture(page)
    page.locator(".film-picture").focus()
    expect(page.locator("[data-film-beside]")).to_be_hidden()
    page.keyboard.press("PageUp")
    assert values(page)["slice"] == 3
    expect(page.locator("[data-film-beside]")).to_have_text("What is written about the film is of slice 4.")
    words_of_a_slice = (".film-facts", ".film-similar", "[data-copy]")
    page.evaluate(
        "htmx.ajax('GET', '/patient-bar', '#said')"
    )  # after which the page shows what needs its script
    expect(page.locator("#said > *").first).to_be_attached()
    for each in words_of_a_slice:
        expect(page.locator(each)).to_be_hidden()
    page.click("text=Show slice 4")
    assert values(page)["slice"] == 4
    for each in words_of_a_slice:
        expect(page.locator(each)).to_be_visible()
    expect(page.locator("[data-film-do=told]")).to_be_hidden()
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    assert values(page)["slice"] == 1
    assert before.shape == picture(page).shape


def test_without_webgl_the_server_draws_each_change(shown: Gallery, visit: Any) -> None:
    page = visit().page
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(f"/films/{quote(shown.ids['ct1.dcm'], safe='')}")
    settled(page, "pictures")
    expect(page.locator(".film-note")).to_contain_text("drawn by the server")
    expect(page.locator("#film-slice")).to_be_hidden()
    page.locator(".film-picture").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".film-still")).to_have_attribute("src", re.compile(r"centre=-?\d"))
    page.keyboard.press("0")
    expect(page.locator(".film-still")).to_have_attribute("src", re.compile(r"frame=1$"))


def test_films_are_searched_by_a_file_that_is_chosen_or_dropped(shown: Gallery, visit: Any) -> None:
    page = visit(expected=f"{DRAWN_WITHOUT_A_CARD}|422").page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/films")
    page.focus("#patient")
    expect(page.locator("#patients option").first).to_be_attached()
    page.click("#film-search button[type=submit]")
    page.wait_for_url("**/films?*")
    page.set_input_files("#film-file", shown.folder / "a1.png")
    expect(page.locator("[data-film-name]")).to_have_text("a1.png")
    page.click("#film-search button[type=submit]")
    expect(page.locator("#films-found h2").first).to_have_text("Films that look like yours")
    expect(page.locator("#films-found")).to_be_focused()
    expect(page.locator(".film-card").first).to_contain_text("very alike, 1.00")
    page.click(".film-open >> nth=0")
    settled(page)
    expect(page.locator(".film-whose")).to_have_text("patient pat-a")
    page.goto("/films")
    page.evaluate(
        "() => { const files = new DataTransfer(); files.items.add(new File(['a letter'], 'letter.txt'));"
        "document.querySelector('#film-search').dispatchEvent("
        "new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true })); }"
    )
    expect(page.locator("[data-film-name]")).to_have_text("letter.txt")
    page.click("#film-search button[type=submit]")
    expect(page.get_by_role("alert")).to_contain_text("This film was not taken")
    page.click("[data-film-remove]")
    expect(page.locator("[data-film-attached]")).to_be_hidden()
    expect(page.locator("#film-file")).to_be_focused()
    page.goto("/")
    page.click("summary:has-text('Filters')")
    page.focus("#patient")
    expect(page.locator("#patients option").first).to_be_attached()
    assert [each for each in asked if "/suggest/patients" in each]
    assert not [each for each in asked if "csrf_token" in each]


def test_a_question_with_a_film_shows_films_and_a_citation_opens_one_beside(
    shown: Gallery, visit: Any
) -> None:
    page = visit().page
    page.goto("/")
    page.set_input_files("#film-file", shown.folder / "ct1.dcm")
    page.click(".composer .button-main.when-idle")
    expect(page.locator(".answer-foot")).to_be_visible()
    expect(page.locator(".asked-film img")).to_be_visible()
    expect(page.locator(".films").first).to_have_attribute("aria-label", "Films of patient pat-a")
    expect(page.locator("[data-film-attached]")).to_be_hidden()
    cite = page.locator(".statements [data-cite]").first
    cite.press("Enter")
    settled(page)
    expect(page.locator("#beside .film-picture")).to_be_focused()
    expect(page.locator("#beside .film-whose")).to_have_text("patient pat-a")
    assert "film=" in page.url
    page.reload()
    settled(page)
    expect(page.locator("[data-film-meant]")).to_contain_text("patient pat-a")
    with page.expect_request("**/ask") as asking:
        page.fill("#question", "Show me earlier films like this one")
        page.click(".composer .button-main.when-idle")
    assert f"film_id={quote(shown.ids['ct1.dcm'], safe='')}" in (asking.value.post_data or "")
    expect(page.locator(".answer-foot")).to_have_count(2)
    page.click("[data-film-unmeant]")
    expect(page.locator("[data-film-meant]")).to_be_hidden()
    assert page.eval_on_selector("[name=film_id]", "each => each.disabled")
    page.locator("#beside .film-picture").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#beside section")).to_have_count(0)
    expect(page.locator(".cite").first).to_be_focused()
    assert "film=" not in page.url


def test_films_are_accessible_in_both_themes_and_on_a_phone(shown: Gallery, visit: Any) -> None:
    page = visit().page
    first = quote(shown.ids["a0.png"], safe="")
    addresses = ("/films", f"/films/{first}", f"/similar-films?image_id={first}", "/patients/pat-a", "/")
    for address in addresses:
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 860})
        page.goto(address)
        if page.locator("[data-film]").count():
            settled(page)
            expect(page.locator(".film-similar .film-card").first).to_be_visible()
        page.evaluate(AXE.read_text("utf-8"))
        assert faults(page) == [], address
        page.emulate_media(color_scheme="dark")
        assert faults(page, "color-contrast") == [], f"{address}, dark"
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("with_webgl", [False, True])
@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is not where the index found it any more"), (b"another", "is another file now")],
)
def test_a_film_whose_original_is_gone_or_changed_says_so_and_shows_its_thumbnail(
    shown: Gallery, visit: Any, content: bytes | None, said: str, with_webgl: bool, beside: bool
) -> None:
    page = visit(expected=f"{DRAWN_WITHOUT_A_CARD}|410|409").page
    if not with_webgl:
        page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    original = shown.folder / "b0.png"
    moved = original.rename(shown.folder.parent / "b0.png")
    address = f"/films/{quote(shown.ids['b0.png'], safe='')}"
    try:
        if content is not None:
            original.write_bytes(content)
        page.goto("/" if beside else address)
        if beside:
            page.evaluate("at => htmx.ajax('GET', at, '#beside')", address)
        settled(page, "thumbnail")
    finally:
        moved.rename(original)
    expect(page.locator(".film-note")).to_contain_text(said)
    expect(page.locator(".film-note")).to_contain_text("What is shown is the thumbnail of the index.")
    expect(page.locator(".film-card").first).to_be_visible()  # films like it have come
    expect(page.locator(".film-controls")).to_be_hidden()
    page.locator(".film-still").evaluate("each => each.decode()")  # fails where it is no picture


def test_a_film_that_goes_while_the_server_draws_it_says_so(shown: Gallery, visit: Any) -> None:
    page = visit(expected=f"{DRAWN_WITHOUT_A_CARD}|410").page
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(f"/films/{quote(shown.ids['b1.png'], safe='')}")
    settled(page, "pictures")
    original = shown.folder / "b1.png"
    moved = original.rename(shown.folder.parent / "b1.png")
    try:
        page.locator(".film-picture").focus()
        page.keyboard.press("ArrowDown")
        settled(page, "thumbnail")
    finally:
        moved.rename(original)
    expect(page.locator(".film-note")).to_contain_text("is not where the index found it any more")


def test_paper_gets_the_film_as_it_is_windowed(shown: Gallery, visit: Any) -> None:
    page = visit().page
    film(page, shown, "a0.png")
    page.locator("#film-centre").focus()
    page.keyboard.press("ArrowUp")
    bright = page.evaluate(
        "() => { dispatchEvent(new Event('beforeprint')); const paper = document.querySelector('.film-paper');"
        "const { data } = paper.getContext('2d').getImageData(0, 0, paper.width, paper.height);"
        "return data.filter((value, at) => at % 4 === 0).reduce((sum, value) => sum + value, 0); }"
    )
    assert bright > 0
    page.emulate_media(media="print")
    expect(page.locator(".film-paper")).to_be_visible()
    expect(page.locator("[data-film-words]")).to_have_text(re.compile(r"^Window: centre 129, width 255\.$"))
    for hidden in (".film-controls", ".film-similar", ".bar"):
        expect(page.locator(hidden)).to_be_hidden()
    expect(page.locator(".film-warning")).to_be_visible()
