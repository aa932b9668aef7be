"""Notes and films of three patients in one real store, with real pictures and the local image embedder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from pipeline.answering.flow import answer
from pipeline.backends.local.image_embedder import LocalImageEmbedder
from pipeline.config import ImageEmbedderSettings, Settings
from pipeline.images import EmbeddedImage
from pipeline.imaging.records import ImageDescription
from pipeline.ports import Embedder, Generator, ImageEmbedder, ImageStore, Store
from pipeline.records import AccessScope, Answer, AskedImage, Filters, Question
from pipeline.wiring import (
    compose_answerer,
    open_generator,
    open_image_store,
    open_space,
)
from tests.images import jpeg, rings
from tests.service.running import index, settings_in

ANNA, BEN, CARA, DORA = "P100", "P200", "P300", "P400"
_NAMES = {ANNA: "Anna Mitchell", BEN: "Ben Okafor", CARA: "Cara Lindqvist", DORA: "Dora Nyberg"}
_NOTES = (
    (
        "r1",
        ANNA,
        "Radiology report",
        "2019-03-04",
        "radiology",
        "CHEST X-RAY\n\nSmall left pleural effusion. No pneumothorax.",
    ),
    (
        "n1",
        ANNA,
        "Progress note",
        "2019-03-10",
        "medicine",
        "ASSESSMENT\n\nPleural effusion after pneumonia. Continue furosemide 20 mg daily.",
    ),
    (
        "r2",
        BEN,
        "Radiology report",
        "2020-06-01",
        "radiology",
        "CHEST X-RAY\n\nLarge right pleural effusion.",
    ),
    (
        "n2",
        BEN,
        "Progress note",
        "2020-06-02",
        "medicine",
        "ASSESSMENT\n\nAtrial fibrillation. Takes apixaban 5 mg twice daily.",
    ),
    (
        "n3",
        CARA,
        "Progress note",
        "2021-01-01",
        "medicine",
        "ASSESSMENT\n\nMigraine. Takes sumatriptan 50 mg as needed.",
    ),
    (
        "r4",
        DORA,
        "Radiology report",
        "2022-05-05",
        "radiology",
        "INDICATION: Effusion?\n\nFINDINGS: The heart is enlarged. No pneumothorax.\n\nIMPRESSION: Cardiomegaly.",
    ),
    (
        "n4",
        DORA,
        "Progress note",
        "2022-06-01",
        "medicine",
        "ASSESSMENT\n\nHer pleural effusion was drained in 2020.",
    ),
)
_CHEST = {"modality": "DX", "body_part": "CHEST", "view": "PA"}
FILMS = (
    (
        "f-new",
        ANNA,
        1,
        {**_CHEST, "date": "2019-03-04", "report_id": "r1", "findings": ("Effusion", "Infiltration")},
    ),
    ("f-old", ANNA, 1, {**_CHEST, "date": "2017-11-20", "findings": ("No Finding",)}),
    ("f-ct", ANNA, 2, {"modality": "CT", "body_part": "ABDOMEN", "date": "2018-05-05"}),
    ("f-odd", ANNA, 3, {"date": "2016-01-01"}),
    ("f-ben", BEN, 1, {**_CHEST, "date": "2020-06-01", "report_id": "r2", "findings": ("Effusion",)}),
    ("f-knee", BEN, 4, {"modality": "MR", "body_part": "KNEE", "laterality": "L", "date": "2021-02-03"}),
    ("f-hidden", ANNA, 1, {**_CHEST, "date": "2022-02-02", "domain": "psychiatry", "findings": ("Mass",)}),
)
"""Films of one seed look the same."""
NO_PSYCHIATRY = AccessScope(domains=frozenset(["radiology", "medicine"]))


def picture(seed: int) -> bytes:
    return jpeg(rings(96, 80, seed=seed), quality=95)


def asked_image(seed: int, **fields: str) -> AskedImage:
    """A picture that looks like the films of that seed and is none of them."""
    return replace(AskedImage(jpeg(rings(96, 80, seed=seed), quality=70)), **fields)


@dataclass(frozen=True)
class Ward:
    """The store, and what answers from it."""

    settings: Settings
    embedder: Embedder
    store: Store
    images: ImageStore
    image_embedder: ImageEmbedder

    def ask(
        self,
        text: str,
        image: AskedImage | None = None,
        *,
        scope: AccessScope = NO_PSYCHIATRY,
        patients: tuple[str, ...] = (),
        generator: Generator | None = None,
        carried: tuple[str, ...] = (),
        without: tuple[str, ...] = (),
        film_id: str = "",
    ) -> Answer:
        generator = generator or open_generator(self.settings, self.embedder)
        answerer = compose_answerer(
            self.embedder,
            self.store,
            generator,
            self.settings,
            images=self.images,
            image_embedder=self.image_embedder,
        )
        filters = Filters(patient_ids=patients, scope=scope)
        question = Question(text, filters, image=image, carried=carried, without=without, film_id=film_id)
        return answer(answerer, question)


def described(image_id: str, patient: str, fields: dict[str, object]) -> ImageDescription:
    made = ImageDescription(
        image_id,
        patient,
        f"{image_id}.dcm",
        "dicom",
        image_id.ljust(64, "0"),
        series_id="s1",
        rows=96,
        columns=80,
        domain="radiology",
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # fields of the description by name


def write_films(images: ImageStore, embedder: ImageEmbedder) -> None:
    images.prepare(embedder.space)
    vectors = embedder.embed_images([picture(seed) for _, _, seed, _ in FILMS])
    images.upsert(
        [
            EmbeddedImage(described(image_id, patient, fields), vector)
            for (image_id, patient, _, fields), vector in zip(FILMS, vectors, strict=True)
        ]
    )


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    folder = tmp_path_factory.mktemp("ward")
    settings = settings_in(folder)
    names = ("resource_id", "patient_id", "document_type", "date", "domain", "text_content")
    notes = [dict(zip(names, each, strict=True)) | {"patient_name": _NAMES[each[1]]} for each in _NOTES]
    (folder / "notes.jsonl").write_text("\n".join(map(json.dumps, notes)))
    index(settings, folder / "notes.jsonl")
    with open_space(settings) as corpus:
        images, embedder = open_image_store(corpus.store), LocalImageEmbedder(ImageEmbedderSettings())
        write_films(images, embedder)
        yield Ward(settings, corpus.embedder, corpus.store, images, embedder)
