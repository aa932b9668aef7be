"""The films that ship with the demonstration: each says what its note says, no more; and the demo with and without the
extra that reads them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.config import DeidentificationSettings
from pipeline.demo import __main__ as demo
from pipeline.imaging.deidentification.deidentifier import Deidentifier
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.files import ImageFile
from pipeline.imaging.libraries import load_libraries
from pipeline.imaging.reading import ReadingOptions
from pipeline.imaging.reading_pool import PoolOptions, PreparedImage, prepare_file
from pipeline.imaging.records import LEFT_OUT
from pipeline.indexing.images.tables import ImageTables
from tools.phantoms.__main__ import phantoms

load_libraries()

from pydicom import dcmread  # noqa: E402  after the libraries, as everywhere

BYTES_MAX = 8_000_000
SAID = {
    "unremarkable": "unremarkable",
    "residual arthritis": "residual arthritis",
    "effusion": "There is effusion present",
    "comminuted distal phalanx fracture": "comminuted distal phalanx fracture",
    "fracture": "right wrist Colles fracture",
    "dorsal angulation": "Dorsal angulation is severe",
    "ulnar styloid fracture": "An ulnar styloid fracture is present",
    "flattening of the diaphragm": "flattening of the diaphragm",
    "fluid of the lungs": "a mild amount of fluid in the lungs",
    "disc degeneration": "Significant disc degeneration at C5-6",
    "facet arthropathy": "lower facet arthropathy",
    "pituitary lesion": "The MRI reveals a pituitary lesion",
    "compression of the optic chiasm": "compression of the optic chiasm",
    "calculus of the proximal right ureter": "stone that is measuring 0.5 cm located in the proximal right ureter",
}
"""What a film shows, and the words of its note for it."""
PARTS = {
    "KNEE": "X-ray",
    "FINGER": "X-rays of the right middle finger",
    "WRIST": "X-rays of the right wrist",
    "CHEST": "X-ray of the chest",
    "CSPINE": "X-ray Cervical Spine",
    "BRAIN": "MRI brain",
    "ABDOMEN": "CT scan of the abdomen",
}
ROWS = list(csv.DictReader((demo.FILMS / "films.csv").read_text(encoding="utf-8").splitlines()))


def notes() -> dict[str, dict[str, str]]:
    lines = (demo.NOTES / "aci_bench.jsonl").read_text(encoding="utf-8").splitlines()
    return {note["resource_id"]: note for note in map(json.loads, lines)}


@pytest.mark.parametrize("row", ROWS, ids=[row["image"] for row in ROWS])
def test_a_film_says_what_its_note_says(row: dict[str, str]) -> None:
    note = notes()[row["report"]]
    text = note["text_content"]
    assert row["patient"] == note["patient_id"]
    assert PARTS[row["body_part"]] in text
    assert all(SAID[finding] in text for finding in filter(None, row["findings"].split("|")))
    assert "Synthetic phantom" in row["description"]
    if row["laterality"] == "R":
        assert "right" in text[text.index(PARTS[row["body_part"]]) :][:60] or "right knee" in text
    if row["date"]:
        day = date.fromisoformat(row["date"])
        # The wrist was hurt "yesterday morning, 05/12/2022".
        named = day - timedelta(days=1) if row["body_part"] == "WRIST" else day
        assert f"{named:%m/%d/%Y}" in text


def test_every_film_is_read_with_all_that_its_row_says() -> None:
    files = sorted(demo.FILMS.glob("*.dcm"))
    assert [path.name for path in files] == sorted(row["image"] for row in ROWS)
    assert sum(path.stat().st_size for path in demo.FILMS.iterdir()) < BYTES_MAX
    tables = ImageTables()
    tables.add(demo.FILMS / "films.csv")
    cleaning = Deidentifier(DeidentificationKey(b"k" * 40), DeidentificationSettings())
    for path in files:
        read = prepare_file(
            ImageFile(path, metadata=tables.about(str(path))), PoolOptions(ReadingOptions(cleaning))
        )
        assert isinstance(read, PreparedImage)
        assert LEFT_OUT not in read.description.metadata


def test_the_films_are_those_that_the_script_draws() -> None:
    for phantom in islice(phantoms(), 2):
        stored = dcmread(demo.FILMS / phantom.name)
        assert "phantom" in stored.ImageComments
        assert stored.PatientID == phantom.header.patient_id
        # Another processor's cosine may round to the next value.
        assert np.abs(stored.pixel_array.astype(int) - phantom.pixels).max() <= 1
        assert phantom.row in ROWS


def test_the_demo_indexes_its_films_where_the_extra_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_IMAGE_READING__PROCESSES", "1")
    films = tmp_path / "films"
    films.mkdir()
    (tmp_path / "notes.jsonl").write_text(json.dumps(notes()["aci-D2N006"]))
    for path in [*demo.FILMS.glob("knee-D2N006*"), demo.FILMS / "films.csv"]:
        shutil.copy(path, films)
    monkeypatch.setattr(demo, "FILMS", films)
    monkeypatch.setattr(demo, "NOTES", tmp_path / "notes.jsonl")
    monkeypatch.setattr(demo, "QUESTIONS", demo.QUESTIONS[:1])
    done = CliRunner().invoke(demo.app)
    assert done.exit_code == 0, done.output
    assert "2 films embedded, 0 unchanged, 0 rejected" in done.output
    asked = done.output[done.output.index(demo.FILM_QUESTION) :]
    assert "[1] aci-D2N006  patient D2N006  Visit note" in asked
    assert re.search(r"\[\d] 2\.25\.\d+  patient D2N006  Right knee X-ray, ", asked)
    assert "similarity 0.00" not in asked
    monkeypatch.setattr(demo, "missing_libraries", lambda: ["pydicom"])
    without = CliRunner().invoke(demo.app)
    assert without.exit_code == 0, without.output
    assert "films embedded" not in without.output
    assert demo.FILM_QUESTION not in without.output
    assert "the extra `images`" in " ".join(without.output.split())
