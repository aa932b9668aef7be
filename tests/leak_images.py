"""Images of the corpus of `tests.leak`, and people who look for those that they may not see.

Each planted image is of the patient, domain and report of one note, so that it may be seen where that note may be; its
id stands nowhere else. Every address that gives something of images is asked for: one, its pictures, lists by any
filter, images like it, answers with and about images.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import httpx2

from pipeline.backends.embedded.images import EmbeddedImages
from pipeline.images import ImageFilters, ImageHit
from pipeline.wiring import open_image_store
from tests.images import png, rings
from tests.indexing.images.films import Films, write_table

if TYPE_CHECKING:
    from tests.leak import Asker, Corpus, Findings, Planted, Stage

IMAGES = 40
PARTS = ("CHEST", "KNEE", "HAND")
NO_IMAGE = "0" * 32
VIEWS = ("", "/thumbnail", "/similar", "/rendering", "/volume", "/volume?of=series")


@dataclass(frozen=True)
class PlantedImages:
    """The images by id, each with the note that it goes with, and the bytes of its file."""

    notes: Mapping[str, Planted] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    def any(self, dice: random.Random) -> str:
        return dice.choice(sorted(self.notes))

    def seen(self, corpus: Corpus, who: Asker) -> set[str]:
        notes = {note.resource_id for note in corpus.seen(who.scope)}
        return {image_id for image_id, note in self.notes.items() if note.resource_id in notes}


def plant(corpus: Corpus, data_dir: Path, folder: Path) -> PlantedImages:
    """Write the files, index them, and let their ids be words of their notes."""
    folder.mkdir()
    files, rows, notes = {}, [], {}
    for number, note in enumerate(corpus.notes[:IMAGES]):
        content = png(rings(40, 36, seed=number))
        path = folder / f"film{number:03}.png"
        path.write_bytes(content)
        image_id = sha256(content).hexdigest()[:32]
        files[image_id], notes[image_id] = content, note
        corpus.owners[image_id.encode()] = [note]
        rows.append(
            {
                "image": path.name,
                "patient": note.patient_id,
                "domain": note.domain or "",
                "report": note.resource_id,
                "modality": "DX",
                "body part": PARTS[number % len(PARTS)],
                "date": str(note.fields["date"]),
                "findings": "effusion" if number % 2 else "",
            }
        )
    with closing(Films(data_dir)) as films:
        films.run(folder, tables=[write_table(folder.parent / "films.csv", rows)])
        assert set(open_image_store(films.notes).image_ids()) == set(notes)
    return PlantedImages(notes, files)


@contextmanager
def image_searches_watched(images: PlantedImages, corpus: Corpus, findings: Findings) -> Iterator[None]:
    """Every match of images against the scope that was given."""
    search: Callable[..., list[ImageHit]] = EmbeddedImages.search

    def call(store: EmbeddedImages, vector: Any, k: int, filters: ImageFilters) -> list[ImageHit]:
        hits = search(store, vector, k, filters)
        seen = {note.resource_id for note in corpus.seen(filters.scope)}
        wrong = sum(images.notes[hit.description.image_id].resource_id not in seen for hit in hits)
        with findings.lock:
            findings.looked_at["matches by image"] += len(hits)
            if wrong:
                findings.leaked("retriever by image", f"{wrong} matches outside the scope", wrong)
        return hits

    with mock.patch.object(EmbeddedImages, "search", call):
        yield


Checked = Callable[..., httpx2.Response]


@dataclass(frozen=True)
class ImageVisits:
    """What people do. `checked`, `told` and `remember` are those of `tests.leak`."""

    checked: Checked
    told: Callable[[httpx2.Response], tuple[Any, ...]]
    remember: Callable[[Asker, Mapping[str, Any]], None]

    def one(self, stage: Stage, who: Asker, dice: random.Random) -> None:
        """One image and everything that is shown of it: out of sight is not there."""
        image_id = stage.images.any(dice)
        view = dice.choice(VIEWS)
        shown = self.checked(stage, who, "images", who.client.get(f"/v1/images/{image_id}{view}"))
        if image_id in stage.images.seen(stage.corpus, who):
            if shown.status_code != 200:
                stage.findings.failed("images", f"{shown.status_code} for one in sight")
            return
        other = self.checked(stage, who, "images", who.client.get(f"/v1/images/{NO_IMAGE}{view}"))
        if shown.status_code != 404 or self.told(shown) != self.told(other):
            stage.findings.failed("images", "one out of sight is not answered as one that is not there")

    def listed(self, stage: Stage, who: Asker, dice: random.Random) -> None:
        """A list by any filter has those that fit and are in sight, and no more."""
        note = stage.images.notes[stage.images.any(dice)]
        query, fits = dice.choice(self._lists(note))
        page = self.checked(
            stage, who, "lists of images", who.client.get("/v1/images", params={"limit": "200", **query})
        )
        expected = {
            image_id
            for image_id in stage.images.seen(stage.corpus, who)
            if fits(stage.images.notes[image_id])
        }
        if page.status_code == 200 and {each["image_id"] for each in page.json()["images"]} != expected:
            stage.findings.failed("lists of images", "others are listed than fit and are in sight")

    @staticmethod
    def _lists(note: Planted) -> Sequence[tuple[dict[str, str], Callable[[Planted], bool]]]:
        return (
            ({}, lambda each: True),
            ({"patient_id": note.patient_id}, lambda each: each.patient_id == note.patient_id),
            ({"report_id": note.resource_id}, lambda each: each.resource_id == note.resource_id),
            (
                {"domain": note.domain or "none"},
                lambda each: bool(note.domain) and each.domain == note.domain,
            ),
        )

    def searched(self, stage: Stage, who: Asker, dice: random.Random) -> None:
        """With the very file of an image, also of one out of sight."""
        body: dict[str, Any] = {"image": self._image(stage, dice), "limit": 100}
        if dice.random() < 0.3:
            body["filters"] = {"patient_ids": [dice.choice(stage.corpus.notes).patient_id]}
        self.checked(stage, who, "searches by image", who.client.post("/v1/images/search", json=body))

    def asked(self, stage: Stage, who: Asker, dice: random.Random) -> None:
        """With an image and about images, of anyone."""
        note = stage.images.notes[stage.images.any(dice)]
        body: dict[str, Any] = {
            "question": dice.choice(
                [
                    "Show films like this one.",
                    f"Which films of patient {note.patient_id} are there?",
                    f"What do the films and the notes of {note.name} say about the effusion?",
                    f"How many chest films does {note.patient_id} have?",
                ]
            )
        }
        if dice.random() < 0.6 or body["question"].endswith("this one."):
            body["image"] = self._image(stage, dice)
        self.remember(who, {"question": body["question"]})
        response = self.checked(stage, who, "answers with images", who.client.post("/v1/ask", json=body))
        if response.status_code != 200:
            return
        said = response.json()
        with stage.findings.lock:
            stage.findings.looked_at["films told"] += len(said["images"])
            stage.conversations.append((who.name, said["conversation_id"], said["receipt_id"]))
        seen = {each.resource_id for each in stage.corpus.seen(who.scope)}
        if {each["report_id"] for each in said["images"]} - {None} - seen:
            stage.findings.failed("answers with images", "a report out of sight is named")

    @staticmethod
    def _image(stage: Stage, dice: random.Random) -> dict[str, str]:
        content = stage.images.files[stage.images.any(dice)]
        return {"content_base64": base64.b64encode(content).decode()}
