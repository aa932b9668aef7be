"""An image is sent: what looks like it, what is answered, what is refused, and that nothing of it stays."""

from __future__ import annotations

import base64
import io
from hashlib import sha256
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image

from pipeline.imaging.files import ImageFile
from pipeline.imaging.reading_pool import prepare_file
from pipeline.service.errors import Busy, TooMany
from pipeline.service.middleware import limits
from pipeline.service.middleware.limits import LARGE_EACH, LargeBodies
from tests.images import png, rings
from tests.imaging import samples
from tests.indexing.images.films import OPTIONS
from tests.leak import logs_kept
from tests.service.images.gallery import Gallery
from tests.service.running import events_of

STREAM = {"Accept": "text/event-stream"}


def encoded(content: bytes) -> dict[str, str]:
    return {"content_base64": base64.b64encode(content).decode()}


def film(shown: Gallery, name: str) -> dict[str, str]:
    return encoded((shown.folder / name).read_bytes())


def found(shown: Gallery, answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    by_id = {image_id: name for name, image_id in shown.ids.items()}
    return [by_id[each["image_id"]] for each in answer.json()["images"]]


def animated() -> bytes:
    frames = [Image.fromarray(rings(64, 64, seed=each)) for each in range(2)]
    written = io.BytesIO()
    frames[0].save(written, "PNG", save_all=True, append_images=frames[1:])
    return written.getvalue()


REPORT = samples.dicom(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")


def test_what_looks_like_an_image_that_is_sent(
    shown: Gallery, everyone: httpx2.Client, knees: httpx2.Client
) -> None:
    body = {"image": film(shown, "b0.png"), "limit": 2}
    first = everyone.post("/v1/images/search", json=body)
    assert found(shown, first) == ["b0.png", "b1.png"], "the same bytes are stored as pat-b's"
    assert (first.json()["images"][0]["similarity"], first.json()["images"][0]["found_by"]) == (1.0, "image")
    assert set(found(shown, knees.post("/v1/images/search", json=body | {"limit": 100}))) <= {
        "b0.png",
        "b1.png",
    }
    of_another = {"image": film(shown, "a1.png"), "limit": 3}
    assert {each[0] for each in found(shown, everyone.post("/v1/images/search", json=of_another))} == {"a"}
    of_a = everyone.post("/v1/images/search", json=body | {"filters": {"patient_ids": ["pat-a"]}})
    assert "b0.png" not in found(shown, of_a)


def test_what_looks_like_a_stored_image_the_own_patients_first(
    shown: Gallery, everyone: httpx2.Client, knees: httpx2.Client
) -> None:
    alike = found(shown, everyone.get(f"/v1/images/{shown.ids['b0.png']}/similar?limit=100"))
    assert alike[0] == "b1.png"
    assert "b0.png" not in alike
    assert found(shown, knees.get(f"/v1/images/{shown.ids['b0.png']}/similar?limit=100")) == ["b1.png"]
    assert knees.get(f"/v1/images/{shown.ids['a0.png']}/similar").status_code == 404


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (animated(), "animated"),
        (samples.png_header(20_000, 20_000), "too-large"),
        (REPORT, "structured-report"),
        (png(rings(64, 64))[:600], "damaged"),
        (b"GIF89a" + b"x" * 100, "other-format"),
        (b"Patient: Anna Mitchell", "not-an-image"),
    ],
    ids=["animated", "bomb", "report", "cut off", "gif", "text"],
)
def test_an_image_that_is_refused_says_why(everyone: httpx2.Client, content: bytes, kind: str) -> None:
    for path, body in (("/v1/images/search", {}), ("/v1/ask", {"question": "Is there an effusion?"})):
        answer = everyone.post(path, json=body | {"image": encoded(content)})
        said = answer.json()
        assert (answer.status_code, said["code"], said["kind"]) == (422, "CW-IMAGE-REFUSED", kind)
        assert "Mitchell" not in answer.text


def test_what_is_no_image_in_base64(everyone: httpx2.Client) -> None:
    for content in ("no base64!", "data:image/png;base64,AAAA"):
        answer = everyone.post("/v1/images/search", json={"image": {"content_base64": content}})
        assert (answer.status_code, answer.json()["code"]) == (422, "CW-REQUEST")
    assert everyone.post("/v1/ask", json={"question": " ", "image": None}).status_code == 422


def test_how_large_an_image_may_be(shown: Gallery, everyone: httpx2.Client) -> None:
    """The limit is told; a large body is one with an image, from someone who is known."""
    most = everyone.get("/v1/status").json()["limits"]["image_bytes_max"]
    assert most == 16 * 2**20
    large = encoded(b"\0" * (most + 1))
    assert everyone.post("/v1/images/search", json={"image": large}).status_code == 413
    assert everyone.post("/v1/ask", json={"question": "x" * 70_000}).status_code == 413
    assert everyone.post("/v1/search", json={"question": "x", "image": large}).status_code == 413
    stranger = shown.service.client()
    assert stranger.post("/v1/ask", json={"question": "x", "image": large}).status_code in (401, 413)


def test_no_one_holds_more_uploads_than_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGE_AT_ONCE", LARGE_EACH + 1)
    uploads = LargeBodies("are being sent")
    with uploads.hold("a"), uploads.hold("a"):
        with pytest.raises(TooMany), uploads.hold("a"):
            pass
        with uploads.hold("b"), pytest.raises(Busy), uploads.hold("c"):
            pass
    with uploads.hold("a"):
        pass


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_question_with_an_image(shown: Gallery, everyone: httpx2.Client, streamed: bool) -> None:
    body = {"question": "Show films like this one.", "image": film(shown, "b0.png")}
    if streamed:
        with everyone.stream("POST", "/v1/ask", json=body, headers=STREAM) as response:
            events = dict(events_of(response))
        answer = events["done"]
    else:
        answer = everyone.post("/v1/ask", json=body).json()
    assert answer["images"], answer
    assert answer["images"][0]["patient_id"] == "pat-b"
    receipt = everyone.get(f"/v1/receipts/{answer['receipt_id']}").json()
    assert len(receipt["record"]["image_sha256"]) == 64
    assert [each["image_id"] for each in receipt["record"]["images"]] == [
        each["image_id"] for each in answer["images"]
    ]
    assert everyone.post("/v1/audit/verification").json()["sound"]


def test_an_image_alone_is_a_question(shown: Gallery, everyone: httpx2.Client) -> None:
    answer = everyone.post("/v1/ask", json={"image": film(shown, "b0.png")})
    assert answer.status_code == 200, answer.text
    assert answer.json()["images"]
    kept = everyone.get(f"/v1/conversations/{answer.json()['conversation_id']}").json()
    assert kept["title"] == "Images like one of mine"


def test_films_of_a_kept_answer_are_shown_within_what_one_sees_now(shown: Gallery) -> None:
    """Asked by someone who sees both patients; then one of them is taken from them."""
    sees = shown.group("pat-a", "pat-b")
    (group,) = sees.group_ids or ()
    client = shown.service.client(shown.service.key(sees=sees))
    answer = client.post("/v1/ask", json={"image": film(shown, "b0.png")}).json()
    whose = {each["patient_id"] for each in answer["images"]}
    assert whose == {"pat-a", "pat-b"}
    path = f"/v1/conversations/{answer['conversation_id']}"

    def kept() -> set[str]:
        content = client.get(path).json()["entries"][-1]["content"]
        return {each["patient_id"] for each in (content or {}).get("images", [])}

    assert kept() == whose
    shown.leave_out(group, "pat-a")
    assert "pat-a" not in kept()
    assert "pat-a" not in client.get(f"{path}/export").text


def test_an_answer_that_cites_a_film_records_it_and_can_be_replayed(
    shown: Gallery, everyone: httpx2.Client
) -> None:
    asked = {"question": "Which chest films are there?", "filters": {"patient_ids": ["pat-a"]}}
    answer = everyone.post("/v1/ask", json=asked).json()
    cited = {each["resource_id"] for each in answer["citations"] if each.get("locator")}
    assert cited & set(shown.ids.values()), answer["text"]
    receipt = everyone.get(f"/v1/receipts/{answer['receipt_id']}").json()
    assert cited <= {each["resource_id"] for each in receipt["record"]["passages"]}
    again = shown.replay(answer["receipt_id"])
    assert again.identical, again.differences
    limited = shown.service.client(shown.service.key(sees=shown.group("pat-a")))
    mine = limited.post("/v1/ask", json=asked).json()
    entries = limited.get(f"/v1/conversations/{mine['conversation_id']}").json()["entries"]
    assert entries[-1]["withheld"] is False
    assert entries[-1]["content"]["images"]


def test_nothing_of_the_image_that_was_sent_stays(shown: Gallery, everyone: httpx2.Client) -> None:
    """Not in the databases, logs and temporary files, neither as it came nor as it was prepared."""
    values = np.random.default_rng(7).integers(0, 4096, (96, 96)).astype(np.uint16)
    sent = samples.dicom(values, PatientID="pat-a", PatientComments="ZQCOMMENT")
    pixels = values.tobytes()
    prepared = prepare_file(ImageFile(Path(), content=sent), OPTIONS).content
    marks = [pixels[1000:1024], b"ZQCOMMENT", base64.b64encode(sent)[900:940], prepared[1000:1024]]
    with logs_kept() as logs:
        answer = everyone.post("/v1/ask", json={"question": "Is this an effusion?", "image": encoded(sent)})
        receipt = everyone.get(f"/v1/receipts/{answer.json()['receipt_id']}").json()["record"]
        assert receipt["image_sha256"] == sha256(prepared).hexdigest()
        search = everyone.post("/v1/images/search", json={"image": encoded(sent)})
        assert search.status_code == 200
    written = "\n".join(logs.lines).encode()
    files = [path for path in shown.folder.parent.parent.rglob("*") if path.is_file()]
    assert any(path.name == "service.sqlite" for path in files)
    for content in (written, *(path.read_bytes() for path in files)):
        assert not [mark for mark in marks if mark in content]
    assert not list((shown.folder.parent.parent / "temporary").rglob("*"))


def test_this_film_is_the_one_that_is_named_or_was_shown_last(
    shown: Gallery, everyone: httpx2.Client, knees: httpx2.Client
) -> None:
    asked = {"question": "What did that film show?", "film_id": shown.ids["b0.png"]}
    assert found(shown, everyone.post("/v1/ask", json=asked)) == ["b0.png"]
    receipt = everyone.get(f"/v1/receipts/{everyone.post('/v1/ask', json=asked).json()['receipt_id']}").json()
    assert receipt["record"]["film_id"] == asked["film_id"]
    hidden = {**asked, "film_id": next(each for each in shown.ids.values() if each not in _seen(knees))}
    refused = knees.post("/v1/ask", json=hidden)
    assert refused.json()["code"] == "CW-REQUEST"
    assert "Which film is meant" in refused.text


def _seen(client: httpx2.Client) -> set[str]:
    return {each["image_id"] for each in client.get("/v1/images").json()["images"]}
