"""Precision@k of image search by hand, on small sets of synthetic films, and on MedNIST where it is there."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.backends.local.image_embedder import LocalImageEmbedder
from pipeline.config import ImageEmbedderSettings
from pipeline.errors import InputMissing, InputUnusable
from pipeline.evaluate import app
from pipeline.evaluation.images import ImageSetResult, measure_images, plain_pixels
from pipeline.evaluation.labelled_images import read_labelled_set
from pipeline.imaging.records import Rendering
from pipeline.records import EmbeddingSpace
from tests.images import Film, png, rings

SHARED = Path(__file__).resolve().parents[3] / "shared/data/images"
EMBEDDER = LocalImageEmbedder(ImageEmbedderSettings())


def table(
    folder: Path, rows: Iterable[tuple[str, Film, str, str]], header: str = "file,label,patient"
) -> Path:
    """A set with labels.csv: name, film, label and patient of each image."""
    lines = [header]
    for name, film, label, patient in rows:
        (folder / name).write_bytes(png(film))
        lines.append(f"{name},{label},{patient}")
    (folder / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def noisy(film: Film, seed: int) -> Film:
    noise = np.random.default_rng(seed).normal(0, 6, film.shape)
    return np.clip(film + noise, 0, 255).astype(np.uint8)


def looks(seeds: Iterable[int]) -> list[Film]:
    return [rings(64, 64, seed) for seed in seeds]


def precision(result: ImageSetResult, model: str, depth: int) -> float:
    return next(row for row in result.rows if row.model.startswith(model)).precision[depth].mean


def test_a_class_of_like_films_is_found_and_chance_is_what_it_is(tmp_path: Path) -> None:
    for name, film in zip("abc", looks([1, 2, 3]), strict=True):
        (tmp_path / name).mkdir()
        for number in range(4):
            (tmp_path / name / f"{number}.png").write_bytes(png(noisy(film, number)))
    result = measure_images(read_labelled_set(tmp_path), EMBEDDER)
    assert (result.questions, result.images, result.classes, result.patients) == (12, 12, 3, 0)
    assert precision(result, "local/pixels-hog", 1) == 1
    assert precision(result, "local/pixels-hog", 5) == pytest.approx(3 / 5)
    assert precision(result, "chance", 10) == pytest.approx(3 / 11)
    for row in result.rows:
        for each in row.precision.values():
            assert each.low <= each.mean <= each.high


def test_the_same_patient_is_no_find(tmp_path: Path) -> None:
    """Two films of a patient are one; what is nearest of other patients is of the other class."""
    one, other = looks([1, 2])
    films = [
        ("1.png", one, "effusion", "p1"),
        ("2.png", one, "effusion", "p1"),
        ("3.png", noisy(one, 3), "none", "p2"),
        ("4.png", noisy(other, 4), "effusion", "p3"),
        ("5.png", noisy(other, 5), "none", "p4"),
    ]
    known = measure_images(read_labelled_set(table(tmp_path, films)), EMBEDDER)
    assert (known.patients, known.questions) == (4, 5)
    assert precision(known, "local/", 1) == 0
    unknown = measure_images(read_labelled_set(table(tmp_path, films, header="file,label,comment")), EMBEDDER)
    assert unknown.patients == 0
    assert precision(unknown, "local/", 1) == pytest.approx(2 / 5)


def test_films_with_a_finding_in_common_are_of_one_class(tmp_path: Path) -> None:
    films = looks(range(4))
    rows = list(
        zip(["1.png", "2.png", "3.png", "4.png"], films, ["A|B", "B|C", "C", "D"], "wxyz", strict=True)
    )
    result = measure_images(read_labelled_set(table(tmp_path, rows)), EMBEDDER)
    assert (result.questions, result.images, result.classes) == (3, 4, 4)
    assert precision(result, "chance", 1) == pytest.approx((1 + 2 + 1) / 3 / 3)


def test_the_table_of_chestxray14_is_read_as_it_is(tmp_path: Path) -> None:
    rows = [("1.png", rings(64, 64), "Mass|Edema", "7"), ("2.png", rings(64, 64, 1), "No Finding", "8")]
    found = read_labelled_set(table(tmp_path, rows, header="Image Index,Finding Labels,Patient ID"))
    assert found.name.endswith(" by Finding Labels")
    assert [(image.path.name, sorted(image.labels), image.patient) for image in found.images] == [
        ("1.png", ["Edema", "Mass"], "7"),
        ("2.png", ["No Finding"], "8"),
    ]


def test_what_cannot_be_read_is_counted_and_left_out(tmp_path: Path) -> None:
    rows = [
        (f"{number}.png", film, "ab"[number % 2], str(number)) for number, film in enumerate(looks(range(6)))
    ]
    folder = table(tmp_path, rows)
    (folder / "0.png").write_bytes((folder / "0.png").read_bytes()[:99])
    (folder / "1.png").write_text("no image", encoding="utf-8")
    with (folder / "labels.csv").open("a", encoding="utf-8") as labels:
        labels.write("\nnowhere.png,a,9\n2.png,,2\n")
    result = measure_images(read_labelled_set(folder), EMBEDDER)
    assert result.images == 4
    assert result.left_out == {"damaged": 1, "no-label": 1, "not-an-image": 1, "not-opened": 1}


class Elsewhere(LocalImageEmbedder):
    """The same vectors as if a server gave them."""

    @property
    def space(self) -> EmbeddingSpace:
        return replace(super().space, provider="nim")


def test_a_file_whose_header_may_name_a_patient_is_sent_to_no_server(tmp_path: Path) -> None:
    rows = [
        (f"{number}.png", film, "ab"[number % 2], str(number)) for number, film in enumerate(looks(range(5)))
    ]
    folder = table(tmp_path, rows)
    (folder / "0.png").write_bytes(bytes(128) + b"DICM" + bytes(900))
    here = measure_images(read_labelled_set(folder), EMBEDDER)
    assert "format-not-asked" not in here.left_out
    there = measure_images(read_labelled_set(folder), Elsewhere(ImageEmbedderSettings()))
    assert there.left_out == {"format-not-asked": 1}


def test_a_set_that_cannot_be_measured_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        read_labelled_set(tmp_path / "none")
    with pytest.raises(InputUnusable, match="0 classes"):
        read_labelled_set(tmp_path)
    folder = table(tmp_path, [("1.png", rings(64, 64), "a", "p"), ("2.png", rings(64, 64, 1), "b", "p")])
    with pytest.raises(InputUnusable, match="no column side") as refused:
        read_labelled_set(folder, "side")
    assert "file, label, patient" in str(refused.value)
    with pytest.raises(InputUnusable, match="of another patient"):
        measure_images(read_labelled_set(folder), EMBEDDER)


def test_plain_pixels_are_means_over_the_picture() -> None:
    film = rings(96, 64)
    expected = film.reshape(32, 3, 32, 2).mean(axis=(1, 3))
    expected -= expected.mean()
    np.testing.assert_allclose(
        plain_pixels(Rendering(film)), expected.ravel() / np.linalg.norm(expected), atol=1e-5
    )
    assert plain_pixels(Rendering(np.stack([film] * 3, axis=2))) == pytest.approx(
        plain_pixels(Rendering(film)), abs=1e-6
    )
    assert not plain_pixels(Rendering(np.full((5, 5), 9, dtype=np.uint8))).any()


def test_the_command_writes_its_tables_between_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        (f"{number}.png", film, "ab"[number % 2], str(number)) for number, film in enumerate(looks(range(6)))
    ]
    folder = tmp_path / "films"
    folder.mkdir()
    table(folder, rows)
    page = tmp_path / "evaluation.md"
    command = ["images", "--set", str(folder), "--label", "label", "--label", "patient", "--write", str(page)]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2  # no two images of one patient
    for _ in range(2):
        done = CliRunner().invoke(app, [*command[:5], "--json", *command[7:]])
        assert done.exit_code == 0, done.output
    (result,) = json.loads(done.stdout)
    assert (result["name"], result["images"]) == ("films by label", 6)
    written = page.read_text(encoding="utf-8")
    assert written.count("films by label: 6 of 6 images asked, 2 classes, 6 patients") == 1
    assert written.count("| chance | 0.400 (0.400 to 0.400) |") == 1
    monkeypatch.setenv("CHARTWELL_IMAGE_EMBEDDER__PROVIDER", "none")
    assert CliRunner().invoke(app, command[:3]).exit_code == 2


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the development data is not here")
def test_on_mednist_the_local_default_beats_plain_pixels_and_these_chance(tmp_path: Path) -> None:
    with zipfile.ZipFile(SHARED / "mednist.zip") as archive:
        archive.extractall(tmp_path)
    result = measure_images(read_labelled_set(tmp_path), EMBEDDER)
    by_model = {row.model: row.precision[5] for row in result.rows}
    assert by_model[f"local/{EMBEDDER.space.model}"].mean == pytest.approx(0.931, abs=0.01)
    assert by_model["more than plain pixels"].low > 0.08
    assert by_model["plain pixels"].low > 0.7
    assert by_model["chance"].mean == pytest.approx(49 / 299)
