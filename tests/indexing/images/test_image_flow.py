"""Images on the flow that notes take: what is staged, stored, embedded again, rejected, pruned, repaired."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.errors import UnreadableImage
from pipeline.images import EVERY_IMAGE, EmbeddedImage, ImageCounts, ImageFilters
from pipeline.imaging.files import ImageFile
from pipeline.imaging.reading_pool import PreparedImage
from pipeline.indexing.ledger import SqliteLedger
from pipeline.records import (
    EVERYTHING,
    Document,
    EmbeddedDocument,
    ImageReference,
    StagedNote,
    StoreCounts,
    Vector,
)
from pipeline.storage.sqlite import Database
from pipeline.wiring import STORE_FILE
from tests.imaging.samples import dicom, grey
from tests.indexing.images.films import NOTE_SPACE, Films, about, write_films, write_table


@pytest.fixture
def films(tmp_path: Path) -> Iterator[Films]:
    films = Films(tmp_path / "data")
    yield films
    films.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "films"


@pytest.fixture
def table(tmp_path: Path, folder: Path) -> Path:
    return write_table(
        tmp_path / "said.csv", about(write_films(folder, 6), findings="Effusion|Mass", report="r1")
    )


def test_a_folder_is_stored_with_what_its_table_says(films: Films, folder: Path, table: Path) -> None:
    films.notes.upsert([EmbeddedDocument(Document("r1", "p0", "Report", "effusion"), ())])
    tally = films.run(folder, tables=[table])
    assert (tally.read, tally.accepted, tally.embedded, tally.rejected, tally.failed) == (6, 6, 6, 0, 0)
    assert films.images.counts() == ImageCounts(6, 6, 0)
    (first,) = films.images.images(ImageFilters(patient_ids=("p0",)))
    assert (first.findings, first.report_id, first.source_format) == (("Effusion", "Mass"), "r1", "png")
    (other,) = films.images.images(ImageFilters(patient_ids=("p1",)))
    assert other.report_id is None  # the note is not this patient's
    for image_id in films.images.image_ids():
        picture = films.images.thumbnail(image_id, EVERYTHING)
        assert picture is not None
        assert picture.content.startswith(b"\xff\xd8")
        (vector,) = films.images.vectors([image_id]).values()
        assert films.images.search(vector, 1, EVERY_IMAGE)[0].description.image_id == image_id
    assert films.verify().sound


def test_the_first_films_are_staged_before_the_rest_is_looked_at(
    films: Films, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged: list[int] = []
    stage = films.ledger.stage

    def noted(notes: Sequence[StagedNote]) -> None:
        staged.append(len(notes))
        stage(notes)

    monkeypatch.setattr(films.ledger, "stage", noted)
    paths = write_films(folder, 40)
    films.run(folder, tables=[write_table(folder.with_suffix(".csv"), about(paths))], batch_size=20)
    assert staged == [32, 8]


def test_the_embedder_has_work_while_a_batch_is_stored(
    films: Films, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed, upsert, more = films.embedder.embed_images, films.images.upsert, threading.Event()
    waited: list[bool] = []

    def noted(images: Sequence[bytes]) -> Vector:
        if films.embedder.embedded >= 4:  # the first batch
            more.set()
        return embed(images)

    def slow(images: Sequence[EmbeddedImage]) -> None:
        waited.append(more.wait(5))
        upsert(images)

    monkeypatch.setattr(films.embedder, "embed_images", noted)
    monkeypatch.setattr(films.images, "upsert", slow)
    paths = write_films(folder, 12)
    films.run(folder, tables=[write_table(folder.with_suffix(".csv"), about(paths))])
    assert waited == [True, True, True]


def test_a_second_run_reads_no_image_and_embeds_none(films: Films, folder: Path, table: Path) -> None:
    films.run(folder, tables=[table])
    tally = films.run(folder, tables=[table])
    assert (tally.unchanged, tally.embedded, films.preparation.prepared, films.embedder.embedded) == (
        6,
        0,
        0,
        0,
    )


def test_what_a_table_corrects_is_read_again_and_not_embedded(
    films: Films, folder: Path, table: Path
) -> None:
    films.run(folder, tables=[table])
    rows = about(sorted(folder.iterdir()), findings="Nodule")
    tally = films.run(folder, tables=[write_table(table, rows)])
    assert (tally.changed, tally.chunks_reused, films.embedder.embedded) == (6, 6, 0)
    assert {each.findings for each in films.images.images(EVERY_IMAGE)} == {("Nodule",)}
    assert films.verify().sound


def test_a_renamed_file_is_the_same_image_at_another_place(films: Films, folder: Path, table: Path) -> None:
    films.run(folder, tables=[table])
    (folder / "film000.png").rename(folder / "other.png")
    rows = [*about(sorted(folder.glob("film*"))), {"image": "other.png", "patient": "p0"}]
    films.run(folder, tables=[write_table(table, rows)], prune=True)
    assert films.embedder.embedded == 0
    assert films.images.counts().images == 6
    assert any(each.source.endswith("other.png") for each in films.images.images(EVERY_IMAGE))
    assert films.verify().sound


def test_what_is_not_read_is_told_with_its_reason_and_the_rest_is_stored(
    films: Films, folder: Path, table: Path
) -> None:
    (folder / "film001.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"damaged" * 20)
    (folder / "readme.txt").write_text("no image")
    write_films(folder, 1, first=50)  # no row names its patient
    tally = films.run(folder, tables=[table])
    assert (tally.embedded, tally.rejected, tally.failed) == (5, 3, 0)
    kinds = {rejection.field for rejection in films.rejections.written}
    assert "no-patient" in kinds
    assert len(kinds) == 3
    assert films.ledger.counts() == {"pending": 0, "processing": 0, "completed": 5, "failed": 2}
    assert films.verify().sound
    again = films.run(folder, tables=[table])
    assert (again.unchanged, again.embedded, again.rejected) == (5, 0, 3)


def test_a_file_that_changes_while_it_waits_is_put_aside_until_the_next_run(
    films: Films, folder: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (other,) = write_films(tmp_path / "other", 1, first=70)
    prepare = films.preparation._prepare

    def changed(file: ImageFile) -> PreparedImage | UnreadableImage:
        if file.path.name == "film000.png":
            file.path.write_bytes(other.read_bytes())
        return prepare(file)

    with monkeypatch.context() as patch:
        patch.setattr(films.preparation, "_prepare", changed)
        tally = films.run(folder, tables=[table])
    assert (tally.embedded, tally.rejected) == (5, 1)
    assert [rejection.field for rejection in films.rejections.written] == ["changed"]
    assert films.images.images(ImageFilters(patient_ids=("p0",))) == []
    assert films.run(folder, tables=[table]).embedded == 1
    assert films.images.counts().images == 6
    assert films.verify().sound


def test_prune_removes_what_the_folder_no_longer_holds(films: Films, folder: Path, table: Path) -> None:
    films.run(folder, tables=[table])
    gone = folder / "film002.png"
    gone.unlink()
    assert len(films.run(folder, tables=[table]).missing) == 1
    assert films.images.counts().images == 6
    assert films.run(folder, tables=[table], prune=True).pruned == 1
    assert films.images.images(ImageFilters(patient_ids=("p2",))) == []
    assert films.images.counts().images == 5
    assert films.verify().sound


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize(
    ("first", "then", "gone"),
    [
        ("whole", "sub", ["p0"]),
        ("sub", "whole", ["p0"]),
        ("sub other", "whole", ["p0"]),
        ("whole", "sub other", ["p0"]),
        ("whole sub", "whole", ["p0"]),
        ("whole", "other", []),
        ("hidden", "whole", []),
    ],
)
def test_a_run_speaks_for_all_that_lies_below_its_folders_whichever_run_indexed_it(
    films: Films, folder: Path, tmp_path: Path, first: str, then: str, gone: list[str], prune: bool
) -> None:
    places = {
        "whole": folder,
        "sub": folder / "sub",
        "other": folder / "other",
        "hidden": folder / ".hidden",
    }
    place = ".hidden" if first == "hidden" else "sub"
    paths = write_films(folder / place, 2) + write_films(folder / "other", 1, first=5)
    table = write_table(tmp_path / "said.csv", about(paths))
    for each in first.split():
        films.run(places[each], tables=[table])
    before = films.images.counts().images
    paths[0].unlink()
    for each in then.split()[:-1]:
        films.run(places[each], tables=[table])
    tally = films.run(places[then.rsplit(maxsplit=1)[-1]], tables=[table], prune=prune)
    if then == "sub other":  # the last run speaks for the other folder alone
        assert (tally.missing, tally.pruned) == ((), 0)
    elif prune:
        assert tally.pruned == len(gone)
        held = {each.patient_id for each in films.images.images(EVERY_IMAGE)}
        assert not held & set(gone)
        assert films.images.counts().images >= before - len(gone)
    else:
        assert len(tally.missing) == len(gone)
        assert films.images.counts().images >= before
    assert films.verify().sound


@pytest.mark.parametrize("limited", [False, True], ids=["whole", "limited"])
def test_what_a_file_held_before_goes_when_it_holds_another_film(
    films: Films, folder: Path, tmp_path: Path, limited: bool
) -> None:
    paths = write_films(folder, 3)
    table = write_table(tmp_path / "said.csv", about(paths))
    films.run(folder, tables=[table])
    new = write_films(tmp_path / "new", 1, first=90)[0].read_bytes()
    paths[1].rename(folder / "later.png")  # an old film that moved is none that went
    paths[1].write_bytes(paths[0].read_bytes())
    paths[0].write_bytes(new)
    rows = [*about(paths), {"image": "later.png", "patient": "p1"}]
    rows[1]["patient"] = "p0"
    tally = films.run(folder, tables=[write_table(table, rows)])
    assert (tally.replaced, tally.missing, films.images.counts().images) == (0, (), 4)
    paths[2].write_bytes(write_films(tmp_path / "newer", 1, first=91)[0].read_bytes())
    tally = films.run(paths[2] if limited else folder, tables=[table])
    assert (tally.replaced, tally.missing, tally.embedded) == (1, (), 1)
    (stored,) = films.images.images(ImageFilters(patient_ids=("p2",)))
    assert stored.source.endswith("film002.png")
    assert films.images.counts().images == 4
    assert films.verify().sound


def test_what_a_file_held_before_stays_and_is_told_where_it_holds_nothing_that_is_read(
    films: Films, folder: Path, tmp_path: Path
) -> None:
    paths = write_films(folder, 2)
    table = write_table(tmp_path / "said.csv", about(paths))
    films.run(folder, tables=[table])
    paths[0].write_bytes(b"\x89PNG\r\n\x1a\n" + b"damaged" * 20)
    for _ in range(2):
        tally = films.run(folder, tables=[table])
        assert (tally.replaced, len(tally.missing), tally.rejected) == (0, 1, 1)
        assert films.images.counts().images == 2


def test_a_file_that_is_edited_replaces_its_image(films: Films, folder: Path, tmp_path: Path) -> None:
    paths = write_films(folder, 2)
    rows = [row | {"dicom_id": row["image"]} for row in about(paths)]
    rows = [{"image": row["image"], "patient": row["patient"]} for row in rows]
    table = write_table(tmp_path / "said.csv", rows)
    films.run(folder, tables=[table])
    paths[0].write_bytes(write_films(tmp_path / "new", 1, first=90)[0].read_bytes())
    tally = films.run(folder, tables=[table], prune=True)
    assert (tally.embedded, tally.pruned) == (1, 1)
    assert films.images.counts().images == 2
    assert films.verify().sound


SAME_ID = "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014"
MIMIC = f"files/p10/p{{patient}}/s50414267/{SAME_ID}.png"


def test_another_patients_image_with_the_same_id_never_overwrites(films: Films, folder: Path) -> None:
    for number, patient in enumerate(("10000032", "10000048")):
        path = folder / MIMIC.format(patient=patient)
        write_films(path.parent, 1, first=number)[0].rename(path)
    tally = films.run(folder)
    assert (tally.embedded, tally.failed) == (1, 1)
    assert "Another patient's image" in next(iter(tally.reasons))
    assert films.images.counts() == ImageCounts(1, 1, 1)
    assert films.verify().sound


def test_of_two_files_of_one_image_the_later_by_name_counts(films: Films, folder: Path) -> None:
    place = folder / "a" / MIMIC.format(patient="10000032")
    write_films(place.parent, 1)[0].rename(place)
    assert films.run(folder).embedded == 1
    later = folder / "b" / MIMIC.format(patient="10000032")
    write_films(later.parent, 1, first=1)[0].rename(later)
    for run in range(4):
        tally = films.run(folder)
        assert (tally.failed, tally.rejected) == (0, 0)
        assert tally.unchanged == (1, 1, 2, 2)[run]
        (stored,) = films.images.images(EVERY_IMAGE)
        assert "/b/" in stored.source
        assert films.verify().sound
    later.unlink()
    assert films.run(folder, prune=True).pruned == 1
    assert films.run(folder).embedded == 1  # what it stood for is there again
    (stored,) = films.images.images(EVERY_IMAGE)
    assert "/a/" in stored.source
    assert films.verify().sound


def test_many_files_of_the_same_images_end_no_run(films: Films, folder: Path) -> None:
    """Of two patients in one folder, then in a second one under their ids as well."""
    for number in range(20):
        place = folder / "one" / MIMIC.replace("02aa804e", f"02aa80{number:02}").format(patient="10000032")
        write_films(place.parent, 1, first=number)[0].rename(place)
    assert films.run(folder, batch_size=10).embedded == 20
    for number in range(20):
        other = folder / "two" / MIMIC.replace("02aa804e", f"02aa80{number:02}").format(patient="10000048")
        write_films(other.parent, 1, first=40 + number)[0].rename(other)
        early = folder / "early" / MIMIC.replace("02aa804e", f"02aa80{number:02}").format(patient="10000032")
        write_films(early.parent, 1, first=80 + number)[0].rename(early)
    tally = films.run(folder, batch_size=10)
    assert (tally.embedded, tally.older, tally.failed, tally.unchanged) == (0, 20, 20, 20)
    assert films.images.counts() == ImageCounts(20, 1, 1)
    assert films.verify().sound


def test_a_patient_that_is_corrected_where_the_file_lies_is_no_other_patients_image(
    films: Films, folder: Path, tmp_path: Path
) -> None:
    (path,) = write_films(folder, 1)
    table = tmp_path / "said.csv"
    films.run(folder, tables=[write_table(table, [{"image": path.name, "patient": "p1"}])])
    films.run(folder, tables=[write_table(table, [{"image": path.name, "patient": "p2"}])])
    assert [each.patient_id for each in films.images.images(EVERY_IMAGE)] == ["p2"]
    place = folder / MIMIC.format(patient="10000032")
    write_films(place.parent, 1, first=3)[0].rename(place)
    films.run(folder, tables=[table])
    moved = folder / MIMIC.format(patient="10000048")
    moved.parent.mkdir(parents=True)
    moved.write_bytes(write_films(tmp_path / "new", 1, first=4)[0].read_bytes())
    place.unlink()
    films.run(folder, tables=[table], prune=True)
    assert {each.patient_id for each in films.images.images(EVERY_IMAGE)} == {"p2", "10000048"}
    assert films.verify().sound


def test_the_folders_of_mimic_and_the_table_of_nih_are_recognised(films: Films, folder: Path) -> None:
    place = folder / MIMIC.format(patient="10000032")
    write_films(place.parent, 1)[0].rename(place)
    nih = folder / "nih"
    write_films(nih, 2, first=7)
    write_table(
        nih / "Data_Entry_2017.csv",
        [
            {
                "Image Index": "film007.png",
                "Finding Labels": "No Finding",
                "Patient ID": "1",
                "View Position": "PA",
            },
            {
                "Image Index": "film008.png",
                "Finding Labels": "Mass|Nodule",
                "Patient ID": "2",
                "View Position": "AP",
            },
        ],
    )
    tally = films.run(folder, nih)
    assert (tally.embedded, tally.rejected) == (3, 0)
    found = {each.patient_id: each for each in films.images.images(EVERY_IMAGE)}
    assert set(found) == {"10000032", "1", "2"}
    assert (found["1"].findings, found["1"].view) == ((), "PA")
    assert found["2"].findings == ("Mass", "Nodule")
    assert found["10000032"].image_id == SAME_ID
    assert found["10000032"].source.endswith(MIMIC.format(patient="10000032")), "the layout stays readable"


def test_a_name_in_the_folders_of_mimic_is_no_id(films: Films, folder: Path) -> None:
    place = (folder / MIMIC.format(patient="10000032")).with_name("SZYMBORSKOVA_OTTILIE.png")
    write_films(place.parent, 1)[0].rename(place)
    films.run(folder)
    (found,) = films.images.images(EVERY_IMAGE)
    assert (found.patient_id, found.report_id) == ("10000032", None), "the note is not stored"
    assert found.image_id == found.content_hash[:32]
    assert "SZYM" not in repr(found).upper()


def test_formats_that_are_not_asked_for_are_passed_over(films: Films, folder: Path, table: Path) -> None:
    tally = films.run(folder, tables=[table], formats=["dicom"])
    assert (tally.read, tally.embedded, tally.rejected) == (0, 0, 0)


def test_lost_and_different_images_are_found_and_repaired(films: Films, folder: Path, table: Path) -> None:
    films.run(folder, tables=[table])
    lost, wrong, *_ = films.images.image_ids()
    with closing(sqlite3.connect(films._data / STORE_FILE)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM MedicalImageVectors WHERE ImageID = ?", [lost])
        connection.execute(
            "UPDATE MedicalImageVectors SET Embedding = (SELECT Embedding FROM MedicalImageVectors "
            "WHERE ImageID <> ?) WHERE ImageID = ?",
            [wrong, wrong],
        )
        connection.commit()
    found = films.verify()
    assert (len(found.lost), len(found.different), found.sound) == (1, 1, False)
    assert len(films.repair()) == 2  # this store keeps no reference of what is done
    films.embedder.embedded = 0
    tally = films.run(folder, tables=[table])
    assert (tally.embedded, films.embedder.embedded) == (2, 0)
    assert films.verify().sound


def test_a_lost_thumbnail_is_found_and_made_again(films: Films, folder: Path, table: Path) -> None:
    films.run(folder, tables=[table])
    with closing(sqlite3.connect(films._data / STORE_FILE)) as connection:
        connection.execute(
            "DELETE FROM MedicalImageThumbnails WHERE ImageID = ?", [*films.images.image_ids()][:1]
        )
        connection.commit()
    assert (len(films.verify().lost), len(films.repair())) == (1, 1)
    assert films.run(folder, tables=[table]).chunks_reused == 1
    assert films.images.without_thumbnail() == []
    assert films.verify().sound


def test_an_image_under_another_patient_than_its_table_says_is_found_and_repaired(
    films: Films, folder: Path, table: Path
) -> None:
    films.run(folder, tables=[table])
    with closing(sqlite3.connect(films._data / STORE_FILE)) as connection:
        connection.execute("UPDATE MedicalImageVectors SET PatientID = 'p2' WHERE PatientID = 'p1'")
        connection.execute(
            "UPDATE MedicalImageVectors SET PatientID = 'P0123456789abcdef0123' WHERE PatientID = 'p3'"
        )
        connection.commit()
    assert (len(films.verify().different), len(films.repair())) == (1, 1), "a mapped id is not compared"
    films.run(folder, tables=[table])
    assert len(films.images.images(ImageFilters(patient_ids=("p1",)))) == 1
    assert films.verify().sound


def test_notes_and_images_have_ledgers_of_their_own(
    tmp_path: Path, films: Films, folder: Path, table: Path
) -> None:
    films.run(folder, tables=[table])
    database = Database(films._data / STORE_FILE)
    notes = SqliteLedger(database, lease_seconds=60)
    notes.prepare()
    assert notes.counts()["completed"] == 0
    (content, *_) = (key for key, _ in films.ledger.completed())
    films.ledger.stage([StagedNote(ImageReference("/x.png", content, "png"), "s", "f")])
    notes.stage([StagedNote(Document(content, "p", "Note", "text"), "s", "f")])
    ((of_note,), (of_image,)) = (notes.claim(10), films.ledger.claim(10))
    assert (type(of_note.document), type(of_image.document)) == (Document, ImageReference)
    films.ledger.forget([content])
    notes.forget_all()
    films.notes.clear()
    films.notes.prepare(NOTE_SPACE)
    assert films.run(folder, tables=[table]).unchanged == 5
    films.ledger.forget_all()
    films.images.clear()
    assert films.notes.counts() == StoreCounts(0, 0)
    database.close()


def test_a_row_that_fits_two_files_by_its_name_gives_neither_its_patient(
    films: Films, folder: Path, tmp_path: Path
) -> None:
    for number, place in enumerate(("x", "y")):
        write_films(folder / place, 1, first=number)[0].rename(folder / place / "film.png")
    (folder / "film.txt").write_text("a note beside the films, and no image")
    table = write_table(tmp_path / "said.csv", [{"image": "film.png", "patient": "0001"}])
    for _ in range(5):
        tally = films.run(folder, tables=[table])
        assert (tally.embedded, tally.duplicates) == (0, 0)
        told = [each for each in films.rejections.written if each.field == "ambiguous-row"]
        assert len(told) == 2
        assert all(
            "said.csv line 2" in each.remedy and "path below the folder" in each.remedy for each in told
        )
    rows = [{"image": f"{place}/film.png", "patient": place} for place in ("x", "y")]
    films.run(folder, tables=[write_table(table, rows)])
    assert sorted(each.patient_id for each in films.images.images(EVERY_IMAGE)) == ["x", "y"]


def test_two_copies_of_one_film_share_a_row(films: Films, folder: Path, tmp_path: Path) -> None:
    for place in ("x", "y"):
        write_films(folder / place, 1)
    table = write_table(tmp_path / "said.csv", [{"image": "film000", "patient": "0001"}])
    tally = films.run(folder, tables=[table])
    assert (tally.embedded, tally.rejected) == (1, 0)


@pytest.mark.parametrize("first", [("0001", "0001"), ("0002", "0002"), ("0002",), None])
def test_the_same_bytes_of_two_patients_are_refused_in_every_run(
    films: Films, folder: Path, tmp_path: Path, first: tuple[str, ...] | None
) -> None:
    (one,) = write_films(folder, 1)
    (folder / "x").mkdir()
    table = tmp_path / "said.csv"
    if first is None or len(first) > 1:
        (folder / "x" / "b.png").write_bytes(one.read_bytes())

    def say(*patients: str) -> Path:
        return write_table(
            table,
            [
                {"image": name, "patient": patient}
                for name, patient in zip((one.name, "x/b.png"), patients, strict=False)
            ],
        )

    before = []
    if first is not None:
        films.run(folder, tables=[say(*first)])
        before = [each.patient_id for each in films.images.images(EVERY_IMAGE)]
        assert len(before) == 1
    (folder / "x" / "b.png").write_bytes(one.read_bytes())
    for patients in (("0001", "0002"), ("0001", "0002"), ("0002", "0001")) * 2:
        tally = films.run(folder, tables=[say(*patients)])
        assert (tally.embedded, tally.rejected, tally.patient_changed) == (0, 2, 0)
        assert (tally.report().accepted, tally.duplicates, tally.older) == (0, 0, 0)
        assert [each.field for each in films.rejections.written] == ["two-patients"] * 2
        assert {each.file for each in films.rejections.written} == {str(one), str(folder / "x" / "b.png")}
        assert [each.patient_id for each in films.images.images(EVERY_IMAGE)] == before
    films.run(folder, tables=[say("0003", "0003")])
    assert [each.patient_id for each in films.images.images(EVERY_IMAGE)] == ["0003"]


def test_what_is_said_of_the_same_bytes_is_about_images(films: Films, tmp_path: Path) -> None:
    """Of another patient's in a run of its own, and of one file by two paths: no prefix of ids helps there."""
    one, two = write_films(tmp_path / "one", 1)[0], tmp_path / "two" / "b.png"
    two.parent.mkdir()
    two.write_bytes(one.read_bytes())
    (tmp_path / "link").symlink_to(one.parent)
    tables = [
        write_table(tmp_path / f"{path.stem}.csv", [{"image": path.name, "patient": patient}])
        for path, patient in ((one, "P-first"), (two, "P-second"))
    ]
    assert films.run(one.parent, tables=tables[:1]).embedded == 1
    told = []
    for folders, table in (([two.parent], tables[1]), ([one.parent, tmp_path / "link"], tables[0])):
        assert films.run(*folders, tables=[table]).rejected == 1
        told += films.rejections.written
    assert [each.field for each in told] == ["two-patients", "same-file"]
    assert str(one) in told[0].remedy
    assert "--prune" in told[0].remedy
    for each in told:
        said = f"{each.reason} {each.remedy}"
        assert not any(word in said for word in ("resource_id", "--id-prefix", "note", "P-first", "P-second"))


def test_a_tables_date_is_judged_as_that_of_a_note(films: Films, folder: Path, tmp_path: Path) -> None:
    paths = write_films(folder, 6)
    dates = ["03/04/2019", "soon", "2019-W12", "9999-12-31", "4 March 2019", ""]
    rows = [row | {"date": date} for row, date in zip(about(paths), dates, strict=True)]
    table = write_table(tmp_path / "said.csv", rows)
    tally = films.run(folder, tables=[table])
    assert (tally.rejected, tally.embedded) == (3, 3)
    told = {each.file.rpartition("/")[2]: each for each in films.rejections.written}
    assert [told[path.name].reason for path in paths[:3]] == [
        "The date can be read in two ways.",
        "The date cannot be read.",
        "The date is a week.",
    ]
    assert all(each.field == "date" for each in told.values())
    assert "said.csv line 2" in told[paths[0].name].remedy
    assert "03/04" not in repr(told)
    found = {each.patient_id: each.date for each in films.images.images(EVERY_IMAGE)}
    assert found == {"p3": None, "p4": "2019-03-04", "p5": None}
    assert list(films.material.undated.values()) == ["placeholder"]


@pytest.mark.parametrize("written", ["nan", "unknown", "n/a", "-", "anonymous"])
def test_a_word_for_no_patient_makes_no_patient_of_many(
    films: Films, folder: Path, tmp_path: Path, written: str
) -> None:
    rows = [{"image": path.name, "patient": written} for path in write_films(folder, 2)]
    tally = films.run(folder, tables=[write_table(tmp_path / "said.csv", rows)])
    assert (tally.embedded, {each.field for each in films.rejections.written}) == (0, {"no-patient"})


def test_a_row_that_fits_files_of_two_runs_by_its_name_gives_neither_its_patient(
    films: Films, folder: Path, tmp_path: Path
) -> None:
    for number, place in enumerate(("x", "y")):
        write_films(folder / place, 1, first=number)[0].rename(folder / place / "film.png")
    table = write_table(tmp_path / "said.csv", [{"image": "film.png", "patient": "0001"}])
    assert films.run(folder / "x", tables=[table]).embedded == 1
    for place in ("y", "x", "y"):
        tally = films.run(folder / place, tables=[table])
        assert (tally.embedded, tally.rejected) == (0, 2)
        assert {each.field for each in films.rejections.written} == {"ambiguous-row"}
        assert all(str(folder / "xy"[place == "x"]) in each.remedy for each in films.rejections.written)
        assert len(films.verify().refused) == 1, "shown as it was, and told"
    rows = [{"image": f"{place}/film.png", "patient": place} for place in ("x", "y")]
    for place in ("x", "y"):
        assert films.run(folder / place, tables=[write_table(table, rows)]).rejected == 0
    assert sorted(each.patient_id for each in films.images.images(EVERY_IMAGE)) == ["x", "y"]
    assert films.verify().sound


def test_a_row_fits_the_copy_and_the_heir_of_a_film_that_an_earlier_run_took(
    films: Films, folder: Path, tmp_path: Path
) -> None:
    for place in ("x", "y"):
        write_films(folder / place, 1)
    table = write_table(tmp_path / "said.csv", [{"image": "film000.png", "patient": "0001"}])
    for place in ("x", "y"):
        assert films.run(folder / place, tables=[table]).rejected == 0
    (folder / "y" / "film000.png").unlink()
    write_films(folder / "z", 1, first=7)[0].rename(folder / "z" / "film000.png")
    assert films.run(folder / "z", tables=[table]).rejected == 0, "the file of the earlier run has gone"


def test_one_number_of_two_hospitals_is_not_one_patient(films: Films, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    for number, issuer in enumerate(("City", " CITY ", "County", "")):
        given = {"SOPInstanceUID": f"1.2.3.4.{number}", "IssuerOfPatientID": issuer}
        content = dicom(grey() + number, PatientID="1001", **given)
        (folder / f"{number}.dcm").write_bytes(content)
    for _ in range(2):
        tally = films.run(folder)
        assert (tally.failed, tally.rejected, films.images.counts().images) == (0, 1, 3)
        assert [each.field for each in films.rejections.written] == ["another-issuer"]
        assert "County" not in repr(films.images.images(EVERY_IMAGE)) + repr(films.rejections.written)
    table = write_table(tmp_path / "said.csv", [{"image": "2.dcm", "patient": "1001-County"}])
    tally = films.run(folder, tables=[table])
    assert [each.field for each in films.rejections.written] == ["two-patients"], "the header has its own id"
    for number in (0, 1, 3):
        (folder / f"{number}.dcm").unlink()
    films.run(folder, prune=True)
    assert (films.run(folder).rejected, films.images.counts().images) == (0, 1), "no one else's is stored"
