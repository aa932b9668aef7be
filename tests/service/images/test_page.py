"""Films on the page without a browser: who sees which, whose each is, and where a citation of one leads."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from pipeline.images import found_image
from pipeline.imaging.records import ImageDescription
from pipeline.patients import PersonName, RegisteredFact, RegisteredPatient
from pipeline.records import EVERYTHING, FoundBy
from pipeline.service.api.patients import FoundPatients
from pipeline.service.pages import films, register
from pipeline.service.pages.film_views import OpenFilmView, film_groups, is_slice, slices_in
from pipeline.service.pages.view_models import beside_address, cited_address, is_film
from pipeline.service.pages.wording import similarity_words
from pipeline.service.schemas.ask import CitationOut
from tests.service.images.gallery import Gallery

TEMPLATES = Path(films.__file__).parent / "templates"
PAGE = {"Accept": "text/html"}
PART = {"Accept": "text/html", "HX-Request": "true"}


@pytest.fixture(scope="module")
def everyone(shown: Gallery) -> httpx2.Client:
    return shown.service.browser()


@pytest.fixture(scope="module")
def knees(shown: Gallery) -> httpx2.Client:
    """Sees pat-b alone."""
    return shown.service.browser(sees=shown.group("pat-b"))


def address(shown: Gallery, name: str) -> str:
    return f"/films/{quote(shown.ids[name], safe='')}"


def listed(shown: Gallery, page: httpx2.Response) -> list[str]:
    return listed_in(shown, page.text)


def listed_in(shown: Gallery, text: str) -> list[str]:
    names = {f"/films/{quote(image_id, safe='')}": name for name, image_id in shown.ids.items()}
    return [names[each] for each in re.findall(r'class="film-open" href="([^"]+)"', text)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("modality=X-ray&body_part=knee", ["b1.png", "b0.png"]),
        ("modality=CT", ["ct1.dcm", "ct2.dcm", "ct3.dcm", "ct4.dcm"]),
        ("patient_id=pat-a&modality=X-ray&until=2021-02-02", ["a1.png", "a0.png"]),
        ("modality=MRI", []),
    ],
)
def test_films_are_asked_for_in_words(
    shown: Gallery, everyone: httpx2.Client, query: str, expected: list[str]
) -> None:
    page = everyone.get(f"/films?{query}", headers=PAGE)
    assert sorted(listed(shown, page)) == sorted(expected)
    assert ("No film has all of this" in page.text) == (not expected)


def test_films_out_of_sight_are_nowhere(shown: Gallery, knees: httpx2.Client) -> None:
    assert listed(shown, knees.get("/films", headers=PAGE)) == ["b1.png", "b0.png"]
    assert "pat-a" not in knees.get("/films", headers=PAGE).text
    hidden = knees.get(address(shown, "a0.png"), headers=PART)
    never = knees.get("/films/nothing", headers=PART)
    assert hidden.status_code == never.status_code == 404
    words = [re.sub(r"<code class=.break.>[^<]+", "", each.text) for each in (hidden, never)]
    assert words[0] == words[1]
    assert knees.get("/patients/pat-a", headers=PAGE).status_code == 404
    assert listed(shown, knees.get("/patients/pat-b", headers=PAGE)) == ["b1.png", "b0.png"]


def test_a_film_says_whose_it_is_and_leads_to_its_report(shown: Gallery, everyone: httpx2.Client) -> None:
    for headers in (PAGE, PART):
        film = everyone.get(address(shown, "a0.png"), headers=headers).text
        assert ("<html" in film) == (headers is PAGE)
        assert 'film-whose">patient pat-a<' in film
        assert 'href="/notes/report-a"' in film
        assert ">effusion<" in film
        assert "Not for diagnosis" in film
        assert 'alt="Chest X-ray, 2 Jan 2021, patient pat-a"' in film
    assert "none that you can see" in everyone.get(address(shown, "ct1.dcm"), headers=PART).text


def test_a_slice_of_a_study_too_large_for_series_is_shown_by_itself(
    shown: Gallery, everyone: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.service.images.stored.SERIES_MAX", 3)
    opened = everyone.get(address(shown, "ct1.dcm"), headers=PART)
    assert opened.status_code == 200, opened.text
    assert 'data-series="1"' in opened.text


@pytest.mark.parametrize(("name", "slices"), [("ct1.dcm", 4), ("a0.png", 1)])
def test_slices_are_those_of_a_series(
    shown: Gallery, everyone: httpx2.Client, name: str, slices: int
) -> None:
    assert f'data-series="{slices}"' in everyone.get(address(shown, name), headers=PART).text


def test_both_views_of_a_knee_are_no_slices() -> None:
    assert [is_slice(described(modality=each)) for each in ("DX", "CT")] == [False, True]
    assert not is_slice(described(modality="CT", frames=9))
    assert slices_in([described(modality="CT", view=view) for view in ("", "")]) == 2
    assert slices_in([described(modality="CT", view=view) for view in ("AP", "LL")]) == 1


def sent(shown: Gallery, name: str) -> str:
    """A file as the page's script sends it."""
    written = base64.urlsafe_b64encode((shown.folder / name).read_bytes()).decode()
    return written.rstrip("=")


def test_films_are_searched_by_one_that_is_sent(
    shown: Gallery, everyone: httpx2.Client, knees: httpx2.Client
) -> None:
    form = {"image": sent(shown, "a1.png")}
    found = everyone.post("/films/search", data=form, headers=PART)
    assert listed(shown, found)[0] == "a1.png"
    assert "very alike, 1.00" in found.text
    assert "found by how it looks" in found.text
    assert listed(shown, everyone.post("/films/search", data=form | {"modality": "CT"}, headers=PART))[
        :1
    ] != ["a1.png"]
    assert set(listed(shown, knees.post("/films/search", data=form, headers=PART))) <= {"b0.png", "b1.png"}
    refused = everyone.post(
        "/films/search", data={"image": base64.urlsafe_b64encode(b"text").decode()}, headers=PART
    )
    assert refused.status_code == 422
    assert "This film was not taken" in refused.text
    assert "Choose an X-ray" in refused.text


def test_similar_films_stand_under_their_patients(shown: Gallery, everyone: httpx2.Client) -> None:
    query = {"image_id": shown.ids["a0.png"]}
    part = everyone.get("/similar-films", params=query | {"beside": "yes"}, headers=PART).text
    own, _, others = part.partition("films-others")
    assert "Films of patient pat-a" in own
    assert "pat-b" not in own
    assert "pat-a" not in others
    assert 'hx-target="#beside"' in own
    (foreign, *_) = re.findall(r'hx-get="(/films/[^"]+other=yes)"', others)
    assert "other=yes" not in own
    opened = everyone.get(foreign, headers=PART).text
    assert "This film is of another patient, <strong>patient pat-b</strong>" in opened
    assert "another patient" not in everyone.get(foreign.partition("?")[0], headers=PART).text
    page = everyone.get("/similar-films", params=query, headers=PAGE).text
    assert "<h1>Similar films</h1>" in page
    assert "Not for diagnosis" in page


def test_an_answer_shows_films_and_is_shown_again_with_them(
    shown: Gallery, everyone: httpx2.Client, knees: httpx2.Client
) -> None:
    form = {"image": sent(shown, "a1.png"), "question": ""}
    stream = everyone.post("/ask", data=form, headers=PART).text
    assert "Asked with this film, as it was cleaned." in stream
    assert "a1.png" in listed_in(shown, stream)
    address = re.findall(r"data: (/conversations/\w+)", stream)[0]
    kept = everyone.get(address, headers=PAGE).text
    assert "a1.png" in listed_in(shown, kept)
    assert "Films that look like this one" in kept
    exported = everyone.get(f"{address}/export.md").text
    assert "## `Films that look like this one`" in exported
    assert "- `Chest X-ray`, `2021-02-02`, patient `pat-a`, " in exported
    assert "data:image" not in kept  # it is kept nowhere
    assert 'name="again"' not in kept  # so the same cannot be asked again
    assert not {"a0.png", "a1.png", "a2.png"} & set(
        listed_in(shown, knees.post("/ask", data=form, headers=PART).text)
    )


# --- views


def described(patient_id: str = "p", **more: object) -> ImageDescription:
    given = {"source": "/x", "source_format": "dicom", "content_hash": "c", "modality": "DX", **more}
    return ImageDescription(f"film-{patient_id}", patient_id, **given)  # type: ignore[arg-type]


def test_films_of_other_patients_stand_apart() -> None:
    images = [found_image(described(patient), "image", 0.9) for patient in ("other", "p", "third")]
    own, others = film_groups(images, {"p": "Anna Mitchell"}, "p")
    assert (own.heading, [film.whose for film in own.films]) == ("Films of Anna Mitchell", ["Anna Mitchell"])
    assert others.others
    assert [film.whose for film in others.films] == ["patient other", "patient third"]
    (together,) = film_groups(images, {})
    assert [film.image.patient_id for film in together.films] == ["other", "p", "third"]


@pytest.mark.parametrize(
    ("similarity", "found_by", "words"),
    [
        (None, "metadata", ""),
        (0.9999, "image", "very alike, 0.99"),
        (1.0, "image", "very alike, 1.00"),
        (0.8, "image", "alike, 0.80"),
        (0.3, "image", "hardly alike, 0.30"),
        (0.3, "text", "similarity 0.30"),
    ],
)
def test_similarity_is_said_in_words_and_as_a_number(
    similarity: float | None, found_by: FoundBy, words: str
) -> None:
    assert similarity_words(similarity, found_by) == words


@pytest.mark.parametrize(
    ("source_format", "plane", "expected"),
    [("nifti", "coronal", "coronal"), ("nifti", "", ""), ("dicom", "coronal", "")],
)
def test_only_a_volume_is_cut_along_the_body(source_format: str, plane: str, expected: str) -> None:
    film = OpenFilmView(described(source_format=source_format, metadata={"plane": plane}), "p", 1)
    assert film.plane == expected


def test_a_citation_of_a_film_leads_to_the_film() -> None:
    region = {"kind": "image_region", "series": "s", "image": "a/b", "frame": 3}
    edges = {"left": 0, "top": 0, "right": 9, "bottom": 9}
    cited = CitationOut.model_validate(
        {"number": 1, "resource_id": "a/b", "patient_id": "p", "document_type": "Image", "date": None,
         "similarity": 0.5, "start": 0, "end": 4, "quote": "Film", "locator": region | edges}
    )  # fmt: skip
    assert is_film(cited)
    assert cited_address(cited) == "/films/a%2Fb?frame=3"
    assert beside_address("c", cited) == "/conversations/c?film=a%2Fb&frame=3"
    note = cited.model_copy(update={"locator": None})
    assert not is_film(note)
    assert cited_address(note) == "/notes/a%2Fb?span=0-4"


def test_what_a_form_sends_in_an_address_has_no_token() -> None:
    forms = [
        form
        for template in TEMPLATES.glob("*.html")
        for form in re.findall(r"<form.*?</form>", template.read_text(), re.DOTALL)
    ]
    asked = [form for form in forms if 'method="get"' in form.partition(">")[0]]
    assert len(asked) == 4
    assert not [form for form in asked if "csrf(" in form]
    assert not [
        form for form in forms if "method=" not in form.partition(">")[0] and "again_form" not in form
    ]


def called_maria(patient_id: str) -> RegisteredPatient:
    name = PersonName(("Maria",), ("Gomez",))
    fact = RegisteredFact("name", name.text, "text", 1, None, "note", None, None, name)
    return RegisteredPatient(patient_id, 1, None, None, (fact,))


def test_a_film_has_the_id_of_its_patient_next_to_the_name(
    shown: Gallery, everyone: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    maria = called_maria("pat-a")
    monkeypatch.setattr(register, "_known", lambda services, scope, ids: [maria])
    named = "Maria Gomez, patient pat-a"
    for headers in (PAGE, PART):
        film = everyone.get(address(shown, "a0.png"), headers=headers).text
        assert f'film-whose">{named}<' in film
        assert f"<dt>Patient</dt><dd>{named}</dd>" in film
    cards = everyone.get("/films?patient_id=pat-a", headers=PAGE).text
    assert f'<strong class="break">{named}</strong>' in cards
    assert '<strong class="break">Maria Gomez</strong>' not in cards


@pytest.mark.parametrize(
    ("typed", "sought", "chosen", "offered"),
    [
        ("pat-b", [], "pat-b", []),
        ("PAT-B", ["pat-b", "pat-bb"], "pat-b", []),
        ("Maria Gomez", ["pat-b"], "pat-b", []),
        ("Maria Gomez", ["pat-b", "pat-a"], "", ["pat-b", "pat-a"]),
        ("Gomez", ["pat-b"], "", ["pat-b"]),
        ("Nobody", [], "", []),
    ],
)
def test_films_are_asked_for_by_the_names_of_patients(
    shown: Gallery,
    everyone: httpx2.Client,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    sought: list[str],
    chosen: str,
    offered: list[str],
) -> None:
    called = [called_maria(each) for each in sought]
    monkeypatch.setattr(films, "find_patients", lambda *_, **__: FoundPatients(called, (), None, True))
    page = everyone.get("/films", params={"patient_id": typed, "modality": "X-ray"}, headers=PAGE)
    assert listed(shown, page) == (["b1.png", "b0.png"] if chosen else [])
    assert [f"patient_id={each}" for each in offered] == re.findall(
        r'class="found-patient" href="/films\?(patient_id=[^&]+)&amp;modality=X-ray"', page.text
    )
    assert ("Which patient is meant?" in page.text) == bool(offered)


def test_only_who_may_see_a_film_is_led_to_films(shown: Gallery, everyone: httpx2.Client) -> None:
    none = shown.service.browser(sees=shown.group("pat-z"))
    entry = '<a href="/films"'
    assert entry in everyone.get("/account", headers=PAGE).text
    assert entry not in none.get("/account", headers=PAGE).text


@pytest.mark.parametrize(("cited_of", "status"), [("pat-a", 200), ("pat-b", 404), ("", 200)])
def test_what_is_another_patients_now_is_not_opened_as_evidence(
    shown: Gallery, everyone: httpx2.Client, cited_of: str, status: int
) -> None:
    for at in (address(shown, "a0.png"), "/notes/report-a"):
        opened = everyone.get(at, params={"cited_of": cited_of}, headers=PART)
        assert opened.status_code == status
        assert ("another patient" in opened.text) == (status == 404)
        assert ("pat-a" in opened.text) == (status == 200)


def test_a_film_that_changed_hands_is_in_no_kept_answer_and_not_opened_next_to_one(
    shown: Gallery, everyone: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = shown.ids["a0.png"]
    form = {"question": "Which films does pat-a have?", "patient_id": "pat-a"}
    stream = everyone.post("/ask", data=form, headers=PART).text
    assert "&amp;cited_of=pat-a" in stream
    kept = re.findall(r"data: (/conversations/\w+)", stream)[0]
    assert 'class="film-picture"' in everyone.get(kept, params={"film": film}, headers=PAGE).text

    images = shown.service.app.state.services.images
    moved = replace(images.one(film, EVERYTHING), patient_id="pat-b")
    history = shown.service.app.state.services.conversations
    monkeypatch.setattr(history, "_image_sight", lambda ids, scope: {film: moved})
    page = everyone.get(kept, params={"film": film}, headers=PAGE).text
    assert "This answer is no longer shown" in page
    assert "effusion" not in page
    assert "no longer shown. Ask the question again." in page
    assert 'class="film-picture"' not in page
