"""Forty and more identifiers, planted wherever files and tables have room: none in anything that is kept, sent, logged,
answered or shown.

What may have them is said in docs/images.md: the ledger of the data folder, and in the list of rejected files the path.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from fastapi.routing import iter_route_contexts
from PIL import Image
from typer.testing import CliRunner

from pipeline import ask
from pipeline.config import load_settings
from pipeline.imaging.deidentification.text_recognition import installed_reader
from pipeline.logs import LOGGER
from pipeline.service.database.engine import State
from pipeline.vectorize import app
from pipeline.wiring import open_image_store, open_space
from tests.imaging.planted import ELSEWHERE, PATIENT_ID, PLANTED, found_in, planted_files, planted_film
from tests.indexing.images.films import write_table
from tests.servers.vision import VisionServer
from tests.servers.wire import Request
from tests.service.running import Running, running

LEDGER = ("ImageVectorizationState", "StagedImages")
PIXELS = planted_film()


class ListeningServer(VisionServer):
    """Plays NV-CLIP and a vision model, and keeps every request as it came."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    async def _api(self, request: Request, writer: Any) -> None:
        self.bodies.append(f"{request.path} {request.headers}".encode() + request.body)
        await super()._api(request, writer)

    def sent_pictures(self) -> list[bytes]:
        pictures = list(self.pictures)
        for body in self.bodies:
            asked = json.loads(body[body.index(b"}{") + 1 :])
            inputs = asked.get("input", [])
            pictures += [
                base64.b64decode(each.partition(",")[2]) for each in inputs if each.startswith("data:")
            ]
        return pictures


@dataclass
class Places:
    """What was found in each place that was looked at."""

    texts: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)

    def found(self) -> dict[str, list[str]]:
        return {
            place: found for place, text in self.texts.items() if (found := found_in(text) + _patient(text))
        }

    def read(self) -> dict[str, list[str]]:
        """The same of what is drawn, as a reader sees it."""
        return {place: found for place, each in self.pictures.items() if (found := found_in(_read(each)))}


def _patient(text: str) -> list[str]:
    return ["patient's id"] if PATIENT_ID in text else []


def _read(picture: bytes) -> str:
    with Image.open(io.BytesIO(picture)) as opened:
        grey = opened.convert("L")
        large = grey.resize((grey.width * 2, grey.height * 2)) if grey.width < 300 else grey
    reader = installed_reader()
    assert reader is not None
    return " ".join(each.text for each in reader.read(np.asarray(large)))


@pytest.fixture
def server() -> Iterator[ListeningServer]:
    with ListeningServer() as server:
        yield server


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch, server: ListeningServer, tmp_path: Path) -> Path:
    """The data folder, with every setting that hides the most."""
    for name, value in {
        "DATA_DIR": str(tmp_path / "data"),
        "EMBEDDER__PROVIDER": "hashing",
        "IMAGE_EMBEDDER__PROVIDER": "nim",
        "IMAGE_EMBEDDER__URL": server.url,
        "VISION__PROVIDER": "nim",
        "VISION__MODEL": "any",
        "VISION__URL": server.url,
        "IMAGE_READING__PROCESSES": "1",
        "DEIDENTIFICATION__PIXEL_TEXT": "mask",
        "DEIDENTIFICATION__PIXEL_TEXT_SAMPLE": "1",
        "DEIDENTIFICATION__PATIENT_ID": "map",
        "DEIDENTIFICATION__DATES": "shift",
        "TRACING__EXPORTER": "file",
        "LOG_LEVEL": "debug",
        "SERVICE__PORT": "0",
        "SERVICE__PASSWORD_MEMORY_MEBIBYTES": "1",
        "SERVICE__PASSWORD_PASSES": "1",
        "SERVICE__PASSWORD_LANES": "1",
    }.items():
        monkeypatch.setenv(f"CHARTWELL_{name}", value)
    return tmp_path / "data"


def plant(folder: Path) -> tuple[Path, Path]:
    """Four formats in a folder that is called like the patient, two of them cut off as well, and their table."""
    paths = planted_files(folder, PIXELS)
    (place,) = {path.parent for path in paths.values()}
    for kind in ("dicom", "png"):
        (place / f"half {paths[kind].name}").write_bytes(
            paths[kind].read_bytes()[: paths[kind].stat().st_size // 2]
        )
    rows = [
        {
            "image": path.name,
            "patient": PATIENT_ID,
            "date": "2026-03-05",
            "view": f"PA {ELSEWHERE['table view']}",
            "description": f"film of {ELSEWHERE['table description']}",
            "findings": f"Effusion|{ELSEWHERE['table finding']} sign",
            "study": ELSEWHERE["table study"],
            "series": ELSEWHERE["table series"],
        }
        for path in sorted(place.iterdir())
    ]
    return place, write_table(folder / "said.csv", rows)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(installed_reader() is None, reason="needs the extra `ocr`")
def test_nothing_that_is_planted_is_kept_sent_logged_answered_or_shown(
    settled: Path,
    server: ListeningServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(PLANTED) + len(ELSEWHERE) >= 40
    place, table = plant(tmp_path)
    assert found_in(_read(_png(PIXELS))), "the reader sees what is drawn"
    everything = b"".join(path.read_bytes() for path in place.iterdir())
    assert "overlay comment" in found_in(everything.decode("latin-1")), "what is planted is found"
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    places = Places()
    _index(places, place, table)
    _look_at_data(places, settled)
    for kind in ("dcm", "png"):
        asked = CliRunner().invoke(
            ask.app, ["--image", str(place / f"KOWALSKI 1.{kind}"), "What does this film show?"]
        )
        assert asked.exit_code in (0, 3), asked.output
        places.texts[f"ask with a {kind}"] = f"{asked.output} {asked.stderr}"
    monkeypatch.setattr(LOGGER, "handlers", [caplog.handler])  # the command's own one ended with it
    with running(load_settings(None)) as service:
        _walk(places, service, (place / "KOWALSKI 1.png").read_bytes())
        _look_at_state(places, service.state)
    places.texts["log"] = caplog.text
    places.texts["traces"] = (settled / "traces.jsonl").read_text()
    assert server.bodies, "NV-CLIP was asked"
    places.texts["requests to models"] = " ".join(body.decode("latin-1") for body in server.bodies)
    places.pictures |= {f"sent {at}": each for at, each in enumerate(server.sent_pictures())}
    assert len(server.sent_pictures()) >= 5
    assert server.texts, "the vision model was asked"
    assert places.found() == {}
    assert places.read() == {}


def _index(places: Places, folder: Path, table: Path) -> None:
    """Indexed, told and verified as by hand."""
    options = ("images", str(folder), "--metadata", str(table))
    for name, arguments in {
        "dry run": (*options, "--dry-run"),
        "run": (*options, "--test-search", "first"),
        "run again, as JSON": (*options, "--json", "--prune"),
        "status": ("status",),
        "status as JSON": ("status", "--json"),
        "verify": ("verify",),
    }.items():
        done = CliRunner().invoke(app, arguments)
        data = str(load_settings(None).data_dir)
        output = f"{done.output} {done.stderr}".replace(data, "")
        places.texts[f"{name}: output"] = _without_names_of_files(output, folder)
        if name == "run":
            assert "4 stored" in done.output, done.output
    listed = (load_settings(None).data_dir / "rejected-images.jsonl").read_text()
    assert listed
    kept = [json.loads(line) for line in listed.splitlines()]
    places.texts["rejected, without paths"] = json.dumps(
        [{name: value for name, value in each.items() if name not in ("file", "source")} for each in kept]
    )


def _without_names_of_files(output: str, folder: Path) -> str:
    """Whoever runs the command is told which file is meant, as the list of rejected files is; a line may end in it."""
    for path in (folder, *folder.iterdir()):
        output = re.sub(r"\s*".join(map(re.escape, path.name)), "", output)
    return output


def _look_at_data(places: Places, data: Path) -> None:
    for path in sorted(each for each in data.rglob("*") if each.is_file()):
        if ".sqlite" not in path.name and path.name != "rejected-images.jsonl":
            places.texts[path.name] = path.read_text("latin-1")
    for path in sorted(data.glob("*.sqlite")):
        for table, rows in _tables(path):
            if table not in LEDGER:
                places.texts[f"{path.name} {table}"] = rows
    with open_space(load_settings(None)) as corpus:
        images = open_image_store(corpus.store)
        ids = list(images.image_ids())
        assert len(ids) == 4
        for image_id, described in images.descriptions(ids).items():
            places.texts[f"description {image_id}"] = repr(described)


def _tables(path: Path) -> Iterator[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            yield name, repr(database.execute(f'SELECT * FROM "{name}"').fetchall())


def _walk(places: Places, service: Running, upload: bytes) -> None:
    """Every way of the service and its page that is about images, for every image, and what is asked with one."""
    client = service.client(service.key("administrator"))
    listed = client.get("/v1/images").json()["images"]
    assert len(listed) == 4
    by_page = service.browser("administrator")
    ways = [
        route.path
        for route in iter_route_contexts(service.app.routes)
        if "GET" in (route.methods or ()) and route.path is not None and re.search("images|film", route.path)
    ]
    assert {"/films", "/films/{image_id:path}", "/v1/images/{image_id:image}/volume"} <= set(ways), ways
    for way in ways:
        for image in listed:
            path = re.sub("{.*}", image["image_id"], way)
            asker = client if path.startswith("/v1/") else by_page
            asked = {"image_id": image["image_id"]} if way == "/similar-films" else {}
            answer = asker.get(path, params=asked, follow_redirects=True)
            refused = path.endswith("/volume") and "text-in-pixels" in answer.text  # a volume is not masked
            assert answer.is_success or refused, (path, answer.text)
            _keep(places, f"GET {path} {asked}", answer)
    content = {"content_base64": base64.b64encode(upload).decode()}
    patient = listed[0]["patient_id"]
    for name, body in {
        "about films": {"question": f"Show the films of patient {patient}."},
        "with a film": {"question": "What does this film show?", "image": content},
    }.items():
        _keep(places, f"ask {name}", client.post("/v1/ask", json=body))
        assert places.texts[f"ask {name}"].count("image_id"), "films are shown"
    _keep(places, "search", client.post("/v1/images/search", json={"image": content}))
    form = {"image": base64.urlsafe_b64encode(upload).decode().rstrip("=")}
    _keep(places, "search on the page", by_page.post("/films/search", data=form))
    assert all(places.texts[name].count(listed[0]["image_id"]) for name in ("search", "search on the page"))


def _keep(places: Places, name: str, answer: Any) -> None:
    kind = answer.headers.get("content-type", "")
    places.texts[name] = f"{dict(answer.headers)} {answer.content.decode('latin-1')}"
    if answer.is_success and kind.startswith("image/"):
        places.pictures[name] = answer.content
    elif answer.is_success and kind == "application/octet-stream":
        values = np.asarray(nibabel.Nifti1Image.from_bytes(answer.content).dataobj, dtype=float)
        plane = values[..., values.shape[2] // 2].squeeze()
        if plane.ndim == 2:
            spread = np.ptp(plane) or 1
            places.pictures[name] = _png(((plane - plane.min()) / spread * 255).astype(np.uint8).T)


def _look_at_state(places: Places, state: State) -> None:
    with state.engine.connect() as connection:
        names = (
            connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
        )
        for name in names:
            rows = connection.exec_driver_sql(f'SELECT * FROM "{name}"').fetchall()
            places.texts[f"service's {name}"] = repr(rows)


def _png(pixels: Any) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def test_every_place_of_the_list_is_planted(tmp_path: Path) -> None:
    """So that the walk cannot pass because nothing was there."""
    place, table = plant(tmp_path)
    raw: Mapping[str, bytes] = {
        path.suffix: path.read_bytes() for path in place.iterdir() if path.name[0] == "K"
    }
    text = " ".join(content.decode("latin-1") for content in raw.values())
    text += " ".join(content.decode("utf-16le", "ignore") for content in raw.values())
    text += " ".join(content[1:].decode("utf-16le", "ignore") for content in raw.values())
    with Image.open(io.BytesIO(raw[".png"])) as opened:
        text += repr(opened.text)  # type: ignore[attr-defined]  # a PNG has it
    found = set(found_in(text + table.read_text()))
    assert set(PLANTED) - {"ideographic name"} | set(ELSEWHERE) <= found
