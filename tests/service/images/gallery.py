"""A service next to a folder of films of several patients: read, stored and served for real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from pipeline.records import AccessScope
from pipeline.service.access.policy import DEMO
from pipeline.service.access.visibility import Visibility
from pipeline.service.audit.replay import Replay, question_of, replay
from pipeline.wiring import open_image_store, open_space
from tests.images import png, rings
from tests.imaging import samples
from tests.indexing.images.films import Films, write_table
from tests.service.running import Running, index, running, settings_in

NOTES = (
    {"resource_id": "report-a", "patient_id": "pat-a", "document_type": "Radiology report", "domain": "chest",
     "date": "2021-03-04", "text_content": "Chest film of 4 March 2021. A small pleural effusion on the left."},
    {"resource_id": "report-b", "patient_id": "pat-b", "document_type": "Radiology report", "domain": "bones",
     "date": "2021-05-06", "text_content": "Knee film of 6 May 2021. No fracture is seen."},
)  # fmt: skip


def slice_of(position: float, number: int, **more: object) -> bytes:
    """One of a CT whose planes are 2 mm apart."""
    values = (samples.slope().astype(np.int16) - 1000) + number
    given = {
        "Modality": "CT",
        "SOPClassUID": samples.CT,
        "SOPInstanceUID": f"1.2.3.4.5.{number}",
        "PatientName": "MITCHELL^ANNA",
        "InstitutionName": "Zqhospital",
        "StudyDate": "20210304",
        "BodyPartExamined": "CHEST",
        "PatientID": "pat-a",
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [0, 0, position],
        "PixelSpacing": [0.5, 0.5],
        "SliceThickness": 2,
        "InstanceNumber": number,
    }
    return samples.dicom(values, **{**given, **more})


@dataclass
class Gallery:
    """What is served, by names of the tests' own."""

    service: Running
    folder: Path
    ids: dict[str, str] = field(default_factory=dict)
    """Image id by the file's name."""
    groups: list[str] = field(default_factory=list)

    def group(self, *patients: str) -> Visibility:
        """What a person sees who sees these patients, of every domain."""
        made = self.service.access.groups.create(DEMO, f"group {len(self.groups)}", patients)
        self.groups.append(made.id)
        return Visibility(domains=None, group_ids=frozenset([made.id]))

    def leave_out(self, group_id: str, patient_id: str) -> None:
        """Take a patient out of a group, as an administrator does."""
        self.service.access.groups.change(DEMO, group_id, remove=[patient_id])

    def replay(self, receipt_id: str) -> Replay:
        """The answer of a receipt, made again by what answers now."""
        services = self.service.app.state.services
        kept = services.receipts.get(receipt_id)
        question = question_of(kept, services.receipts.scope_of(kept))
        with services.corpus.answering() as space:
            return replay(kept, question, space)


@contextmanager
def gallery(base: Path, **settings: object) -> Iterator[Gallery]:
    """Films of pat-a (three of chest, a CT of four slices) and pat-b (two of knee)."""
    base.mkdir(exist_ok=True)
    folder = base / "films"
    folder.mkdir()
    notes = base / "notes.jsonl"
    notes.write_text("".join(json.dumps(each) + "\n" for each in NOTES))
    rows = []
    for number, name in enumerate(("a0.png", "a1.png", "a2.png", "b0.png", "b1.png")):
        (folder / name).write_bytes(png(rings(96, 80, seed=number)))
        patient, part, domain = ("pat-a", "CHEST", "chest") if name[0] == "a" else ("pat-b", "KNEE", "bones")
        rows.append({"image": name, "patient": patient, "modality": "DX", "body part": part, "domain": domain,
                     "date": f"2021-0{number + 1}-02", "findings": "effusion" if number == 0 else "",
                     "report": f"report-{name[0]}"})  # fmt: skip
    for number, position in enumerate((6, 0, 2, 4), start=1):
        (folder / f"ct{number}.dcm").write_bytes(slice_of(position, number))
        rows.append({"image": f"ct{number}.dcm", "domain": "chest"})
    chosen = settings_in(base / "data", deidentification={"pixel_text": "keep"}, **settings)
    index(chosen, notes)
    with closing(Films(base / "data")) as films:
        films.run(folder, tables=[write_table(base / "table.csv", rows)])
        assert not films.rejections.written
    with running(chosen) as service:
        made = Gallery(service, folder)
        with open_space(chosen) as corpus:
            images = open_image_store(corpus.store)
            for path in folder.iterdir():
                (found,) = images.images_of([_hash(path)])
                made.ids[path.name] = found
                assert images.image(found, AccessScope(None, None)) is not None
        yield made


def _hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
