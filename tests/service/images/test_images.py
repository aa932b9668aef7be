"""Looking at images: who sees which, what goes out, and what becomes of an original that is not there as it was."""

from __future__ import annotations

import io
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import httpx2
import nibabel
import numpy as np
import pytest
from PIL import Image

from pipeline.service.images.reader import EACH_MAX
from tests.images import png, rings
from tests.service.images.gallery import Gallery
from tests.service.running import until

VIEWS = ("", "/thumbnail", "/rendering", "/volume", "/volume?of=series")


def names(shown: Gallery, page: httpx2.Response) -> list[str]:
    by_id = {image_id: name for name, image_id in shown.ids.items()}
    return [by_id[each["image_id"]] for each in page.json()["images"]]


def told(answer: httpx2.Response) -> dict[str, object]:
    return {name: value for name, value in answer.json().items() if name != "id"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("patient_id=pat-b", ["b1.png", "b0.png"]),
        ("modality=DX&body_part=CHEST", ["a2.png", "a1.png", "a0.png"]),
        ("report_id=report-a&until=2021-02-02", ["a1.png", "a0.png"]),
        ("domain=bones&since=2021-05-01", ["b1.png"]),
        ("skip=3&limit=1&modality=DX", ["a1.png"]),
        ("patient_id=nobody", []),
    ],
)
def test_a_list_by_what_is_asked(
    shown: Gallery, everyone: httpx2.Client, query: str, expected: list[str]
) -> None:
    assert names(shown, everyone.get(f"/v1/images?{query}")) == expected


def test_a_list_is_paged(everyone: httpx2.Client) -> None:
    first = everyone.get("/v1/images?limit=6").json()
    last = everyone.get(f"/v1/images?limit=6&skip={first['next_skip']}").json()
    assert (len(first["images"]), len(last["images"]), last["next_skip"]) == (6, 3, None)


@pytest.mark.parametrize(
    "query", ["path=/etc/passwd", "since=2021", "limit=0", "since=2022-01-01&until=2021-01-01"]
)
def test_a_list_takes_no_other_parameters(everyone: httpx2.Client, query: str) -> None:
    assert everyone.get(f"/v1/images?{query}").status_code == 422


def test_what_is_known_of_an_image_has_no_place_of_its_file(shown: Gallery, everyone: httpx2.Client) -> None:
    for name, image_id in shown.ids.items():
        found = everyone.get(f"/v1/images/{image_id}")
        assert found.status_code == 200
        assert name not in found.text
        assert str(shown.folder) not in found.text
        assert "MITCHELL" not in found.text
    film = everyone.get(f"/v1/images/{shown.ids['a0.png']}").json()
    assert (film["patient_id"], film["findings"], film["report_id"]) == ("pat-a", ["effusion"], "report-a")


@pytest.mark.parametrize("view", VIEWS)
def test_an_image_out_of_sight_is_like_one_that_is_not_there(
    shown: Gallery, knees: httpx2.Client, view: str
) -> None:
    hidden = knees.get(f"/v1/images/{shown.ids['a0.png']}{view}")
    unknown = knees.get(f"/v1/images/{'0' * 32}{view}")
    assert hidden.status_code == unknown.status_code == 404
    assert told(hidden) == told(unknown)
    assert knees.get(f"/v1/images/{shown.ids['b0.png']}{view}").status_code == 200


def test_a_restricted_person_lists_what_they_see(shown: Gallery, knees: httpx2.Client) -> None:
    assert names(shown, knees.get("/v1/images")) == ["b1.png", "b0.png"]
    assert names(shown, knees.get("/v1/images?patient_id=pat-a")) == []


def test_a_key_without_the_right_sees_none(shown: Gallery) -> None:
    client = shown.service.client(shown.service.key(actions=["ask"]))
    assert client.get("/v1/images").status_code == 403
    assert client.get(f"/v1/images/{shown.ids['a0.png']}/rendering").status_code == 403


def test_a_rendering_shows_every_pixel_through_the_window(shown: Gallery, everyone: httpx2.Client) -> None:
    original = rings(96, 80, seed=0)
    plain = everyone.get(f"/v1/images/{shown.ids['a0.png']}/rendering")
    assert (np.asarray(Image.open(io.BytesIO(plain.content))) == original).all()
    window = everyone.get(f"/v1/images/{shown.ids['a0.png']}/rendering?centre=100&width=50")
    assert window.headers["X-Chartwell-Window"] == "100 50"
    seen = np.asarray(Image.open(io.BytesIO(window.content)))
    assert (seen[original <= 75] == 0).all()
    assert (seen[original >= 125] == 255).all()


def test_nothing_that_is_shown_may_be_kept_or_is_named(shown: Gallery, everyone: httpx2.Client) -> None:
    for view in VIEWS:
        headers = everyone.get(f"/v1/images/{shown.ids['ct1.dcm']}{view}").headers
        assert "no-store" in headers["Cache-Control"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Content-Disposition" not in headers


def test_a_series_lies_in_order_and_says_nothing_else(shown: Gallery, everyone: httpx2.Client) -> None:
    made = everyone.get(f"/v1/images/{shown.ids['ct1.dcm']}/volume?of=series")
    assert (made.headers["X-Chartwell-Planes"], made.headers["X-Chartwell-Left-Out"]) == ("4", "0")
    volume = nibabel.Nifti1Image.from_bytes(made.content)
    assert volume.header.get_zooms() == (0.5, 0.5, 2)
    assert np.asarray(volume.dataobj)[0, 0].tolist() == [-998, -997, -996, -999]  # by position: 0, 2, 4, 6
    assert b"MITCHELL" not in made.content
    assert b"Zqhospital" not in made.content
    assert b"2021" not in made.content
    header = volume.header
    assert [bytes(header[name]).strip(b"\0") for name in ("descrip", "aux_file", "intent_name")] == [b""] * 3
    assert len(header.extensions) == 0


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("frame=2", 422),
        ("frame=0", 422),
        ("centre=3", 422),
        ("centre=1&width=0", 422),
        ("centre=nan&width=1", 422),
    ],
)
def test_a_frame_or_window_that_cannot_be(
    shown: Gallery, everyone: httpx2.Client, query: str, status: int
) -> None:
    assert everyone.get(f"/v1/images/{shown.ids['a0.png']}/rendering?{query}").status_code == status


def test_who_looked_stands_in_the_audit_log(shown: Gallery) -> None:
    """A row a minute for the same, so that a slider does not fill it."""
    client, image_id = shown.service.client(shown.service.key()), shown.ids["ct4.dcm"]
    before = sum(1 for _ in shown.service.access.audit.rows())
    for view in ("", "/thumbnail", "/rendering", "/rendering?centre=9&width=9"):
        assert client.get(f"/v1/images/{image_id}{view}").status_code == 200
    assert client.get("/v1/images/none/rendering").status_code == 404
    rows = [row for row in shown.service.access.audit.rows(after=before) if row.action == "image-read"]
    assert [(row.subject, json.loads(row.details)["what"], row.outcome) for row in rows] == [
        (f"image:{image_id}", "image", "done"),
        (f"image:{image_id}", "thumbnail", "done"),
        (f"image:{image_id}", "rendering", "done"),
        ("image:none", "rendering", "refused"),
    ]


# --- originals that are not as they were


def test_an_original_that_has_moved_is_gone_and_its_thumbnail_is_not(
    shown: Gallery, everyone: httpx2.Client
) -> None:
    path, image_id = shown.folder / "a1.png", shown.ids["a1.png"]
    moved = path.rename(shown.folder / "elsewhere.png")
    try:
        for view in ("/rendering", "/volume"):
            answer = everyone.get(f"/v1/images/{image_id}{view}")
            assert (answer.status_code, answer.json()["code"]) == (410, "CW-ORIGINAL-GONE")
            assert "a1.png" not in answer.text
        assert everyone.get(f"/v1/images/{image_id}/thumbnail").status_code == 200
    finally:
        moved.rename(path)
    assert everyone.get(f"/v1/images/{image_id}/rendering").status_code == 200


def test_another_file_in_its_place_is_not_shown(shown: Gallery, everyone: httpx2.Client) -> None:
    """Not even another patient's film that is indexed too, nor one that was edited where it lies."""
    path = shown.folder / "a1.png"
    kept = path.read_bytes()
    try:
        for content in ((shown.folder / "b0.png").read_bytes(), png(rings(96, 80, seed=77)), b"no image"):
            path.write_bytes(content)
            for view in ("/rendering", "/volume"):
                answer = everyone.get(f"/v1/images/{shown.ids['a1.png']}{view}")
                assert (answer.status_code, answer.json()["code"]) == (409, "CW-ORIGINAL-CHANGED")
    finally:
        path.write_bytes(kept)


def test_a_link_in_its_place_is_not_followed(shown: Gallery, everyone: httpx2.Client) -> None:
    """Not even to the same bytes: a path of the ledger has no link in it."""
    path = shown.folder / "a1.png"
    aside = shutil.copy(path, shown.folder.parent / "aside.png")
    kept = path.rename(shown.folder.parent / "kept.png")
    try:
        path.symlink_to(aside)
        assert everyone.get(f"/v1/images/{shown.ids['a1.png']}/rendering").status_code == 410
        path.unlink()
        os.mkfifo(path)
        assert everyone.get(f"/v1/images/{shown.ids['a1.png']}/rendering").status_code == 410
    finally:
        path.unlink()
        kept.rename(path)


@pytest.mark.parametrize(
    "image_id", ["../../etc/passwd", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a0.png"]
)
def test_an_id_is_no_path(everyone: httpx2.Client, image_id: str) -> None:
    for view in VIEWS:
        assert everyone.get(f"/v1/images/{image_id}{view}").status_code == 404


def test_the_address_that_searches_is_no_image(everyone: httpx2.Client) -> None:
    answer = everyone.get("/v1/images/search")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_a_person_has_no_more_than_their_share(shown: Gallery) -> None:
    """Many at the same time from one: some are told to wait; another person is served meanwhile."""
    greedy, other = (shown.service.client(shown.service.key()) for _ in range(2))
    path = f"/v1/images/{shown.ids['ct1.dcm']}/rendering"
    with ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(greedy.get, path) for _ in range(24)]
        assert other.get(path).status_code == 200
        statuses = [answer.result().status_code for answer in asked]
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= EACH_MAX
    assert greedy.get(path).status_code == 200


def test_a_volume_counts_until_its_last_byte_has_gone(shown: Gallery) -> None:
    """It is megabytes: who takes it slowly gets no third one."""
    services = shown.service.app.state.services
    client = shown.service.client(shown.service.key())
    path = f"/v1/images/{shown.ids['ct1.dcm']}/volume"
    with services.volumes.hold(person_of(shown, client)), services.volumes.hold(person_of(shown, client)):
        assert client.get(path).status_code == 429
    assert client.get(path).status_code == 200
    until(lambda: not services.volumes._each)


def person_of(shown: Gallery, client: httpx2.Client) -> str:
    return str(client.get("/v1/me").json()["id"])
