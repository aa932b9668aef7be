"""`vectorize images` as it is typed: reports, exit codes, what status and verify say of both kinds, and refusals."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.commands.progress import Pace
from pipeline.config import load_settings
from pipeline.imaging.deidentification.key import KEY_BYTES
from pipeline.indexing.images.sources import ImageSources
from pipeline.indexing.images.tables import ImageTables
from pipeline.indexing.run_counts import RunCounts
from pipeline.records import Rejection
from pipeline.vectorize import app
from pipeline.wiring import STORE_FILE
from tests.imaging.samples import dicom, grey
from tests.indexing.images.films import about, write_films, write_table


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory, kept_reading_pools: None) -> Path:
    """One key for all, with which the same processes read the films of every test."""
    key_file = tmp_path_factory.mktemp("key") / "key"
    key_file.touch(mode=0o600)
    key_file.write_text("5e" * KEY_BYTES)
    return key_file


@pytest.fixture(autouse=True)
def small_models(monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    monkeypatch.setenv("CHARTWELL_DEIDENTIFICATION__KEY_FILE", str(key_file))
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_IMAGE_READING__PROCESSES", "1")
    monkeypatch.setenv("CHARTWELL_DEIDENTIFICATION__PIXEL_TEXT", "keep")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_images_beside_notes_from_the_first_run_to_verify(tmp_path: Path) -> None:
    note = {"resource_id": "r1", "patient_id": "p0", "document_type": "Report", "text_content": "Effusion."}
    (tmp_path / "notes.jsonl").write_text(json.dumps(note))
    assert run("notes", str(tmp_path / "notes.jsonl")).exit_code == 0
    assert json.loads(run("status", "--json").output)["notes"]["completed"] == 1
    assert "images" not in run("status").output
    folder = tmp_path / "films"
    table = write_table(tmp_path / "said.csv", about(write_films(folder, 3), report="r1"))
    (folder / "readme.txt").write_text("no image")
    first = run("images", str(folder), "--metadata", str(table), "--json", "--test-search", "first")
    assert first.exit_code == 1, first.output
    report = json.loads(first.output)
    assert (report["accepted"], report["embedded"], report["rejected"]) == (3, 3, 1)
    assert report["formats"] == {"png": 3}
    assert len(report["foreign_reports"]) == 2
    assert [hit["report_id"] for hit in report["test_search"] if hit["patient_id"] == "p0"] == ["r1"]
    assert report["test_search"][0]["similarity"] == pytest.approx(1.0, abs=1e-3)
    (listed,) = map(json.loads, Path(report["rejections_file"]).read_text().splitlines())
    assert listed["source"] == str(folder)
    assert listed["remedy"]
    (folder / "readme.txt").unlink()
    second = run("images", str(folder), "--metadata", str(table), "--prune")
    assert second.exit_code == 0, second.output
    assert "3 images accepted of 3 files: 0 stored" in second.output
    assert "3 unchanged" in second.output
    assert "images name a report of another patient" in second.output
    assert json.loads(run("status", "--json").output)["images"]["images"]["completed"] == 3
    checked = run("verify")
    assert checked.exit_code == 0, checked.output
    assert "1 note done" in checked.output
    assert "3 images done, 3 of them stored" in checked.output


def test_another_image_embedder_is_refused_and_fresh_begins_again_where_there_is_an_image(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "films"
    table = write_table(tmp_path / "said.csv", about(write_films(folder, 2)))
    assert run("images", str(folder), "--metadata", str(table)).exit_code == 0
    store = load_settings(None).data_dir / STORE_FILE
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE ImageSpace SET Model = 'of another time'")
        connection.commit()
    refused = run("images", str(folder), "--metadata", str(table))
    assert refused.exit_code == 2
    assert "of another time" in refused.stderr
    (tmp_path / "empty").mkdir()
    nothing = run("images", str(tmp_path / "empty"), "--fresh")
    assert nothing.exit_code == 2
    assert "nothing was removed" in " ".join(nothing.stderr.split())
    without_table = run("images", str(folder), "--fresh")
    assert "whose it is, so nothing was removed" in " ".join(without_table.stderr.split())
    with closing(sqlite3.connect(store)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM MedicalImageVectors").fetchone() == (2,)
    fresh = run("images", str(folder), "--metadata", str(table), "--fresh")
    assert fresh.exit_code == 0, fresh.output
    assert "2 stored (2 embedded" in fresh.output


def test_a_stored_image_that_is_refused_now_or_changes_its_patient_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    paths = write_films(folder, 2)
    table = write_table(tmp_path / "said.csv", about(paths))
    assert run("images", str(folder), "--metadata", str(table)).exit_code == 0
    refused = run("images", str(folder))
    assert refused.exit_code == 1, refused.output
    assert "2 stored images are now refused and still shown; give --metadata or --prune" in refused.output
    assert "patient changed" not in refused.output
    checked = run("verify")
    assert checked.exit_code == 1, checked.output
    assert "2 refused by the last run and still shown" in checked.output
    write_table(table, [row | {"patient": "other"} for row in about(paths)[:1]] + about(paths)[1:])
    mended = run("images", str(folder), "--metadata", str(table))
    assert mended.exit_code == 0, mended.output
    assert run("verify").exit_code == 0
    corrected = run("images", str(folder), "--metadata", str(write_table(table, about(paths))))
    assert "patient changed: 1 stored image" in corrected.output
    pruned = run("images", str(folder), "--prune")
    assert pruned.exit_code == 1
    assert "2 stored images that are now refused were removed" in pruned.output
    assert "still shown" not in pruned.output
    assert run("verify").exit_code == 0


def test_what_is_said_of_images_has_the_words_of_images(tmp_path: Path) -> None:
    """Reports, progress, the list of rejected files, status and verify, where all goes wrong that can."""
    folder = tmp_path / "films"
    paths = write_films(folder, 8)
    rows = [row | {"date": "soon" if at == 1 else "2019-01-01"} for at, row in enumerate(about(paths))]
    table = write_table(tmp_path / "said.csv", [*rows[:6], {"image": "x/twin.png", "patient": "other"}])
    options = (str(folder), "--metadata", str(table))
    said = [run("images", *options, "--batch-size", "2")]
    paths[2].write_bytes(b"\x89PNG\r\n\x1a\n" + b"damaged" * 20)
    paths[3].write_text("no image")
    paths[4].write_bytes(b"")
    paths[5].unlink()
    (folder / "x").mkdir()
    (folder / "x" / "twin.png").write_bytes(paths[0].read_bytes())
    (folder / "loop").symlink_to(folder)
    said += [run("images", *options), run("images", *options, "--prune", "--dry-run")]
    said += [run("images", *options, "--prune"), run("images", *options, "--prune", "--json")]
    listed = (load_settings(None).data_dir / "rejected-images.jsonl").read_text()
    assert {json.loads(line)["kind"] for line in listed.splitlines()} >= {
        *("damaged", "date", "empty", "no-patient", "not-an-image", "two-patients", "unopened")
    }
    with closing(sqlite3.connect(load_settings(None).data_dir / STORE_FILE)) as connection:
        connection.execute("DELETE FROM MedicalImageVectors WHERE PatientID = 'p0'")
        connection.commit()
    told = [each.output + each.stderr for each in said] + [listed]
    told += [run("status").output.partition("images")[2]]
    told += [json.dumps(json.loads(run("status", "--json").output)["images"])]
    told += [run("verify").output.partition("passages stored")[2], run("verify", "--repair").stderr]
    for each in told:
        assert not re.search(r"resource_id|\bnotes?\b|id.prefix|\brecords?\b|passages?|--map\b", each), each


def test_dates_that_are_none_are_told_and_an_order_reads_them(tmp_path: Path) -> None:
    paths = write_films(tmp_path / "films", 2)
    dates = ("03/04/2019", "9999-12-31")
    rows = [row | {"date": date} for row, date in zip(about(paths), dates, strict=True)]
    options = ("images", str(tmp_path / "films"), "--metadata", str(write_table(tmp_path / "said.csv", rows)))
    dry = run(*options, "--dry-run")
    assert "1  The date can be read in two ways." in dry.output
    done = run(*options, "--date-order", "day", "--test-search", "first")
    assert done.exit_code == 0, done.output
    assert "1 image has a date that stands for none" in done.output
    assert "2019-04-03" in done.output
    assert json.loads(run(*options, "--date-order", "day", "--fresh", "--json").output)["dates_left_out"] == {
        "placeholder": 1
    }


def test_a_file_that_was_refused_and_has_gone_is_not_missing(tmp_path: Path) -> None:
    paths = write_films(tmp_path / "films", 2)
    table = write_table(tmp_path / "said.csv", about(paths))
    paths[1].write_bytes(b"\x89PNG\r\n\x1a\n" + b"damaged" * 20)
    options = ("images", str(tmp_path / "films"), "--metadata", str(table))
    assert run(*options).exit_code == 1
    paths[1].unlink()
    assert "about no image" not in run(*options, "--format", "dicom").output
    done = run(*options)
    assert "1 row of the tables is about no image here" in done.output
    assert done.exit_code == 0, done.output
    assert "no longer hold" not in done.output
    paths[0].unlink()
    assert "1 image is stored that these folders no longer hold" in run(*options).output


def test_a_dry_run_stores_nothing(tmp_path: Path) -> None:
    table = write_table(tmp_path / "said.csv", about(write_films(tmp_path / "films", 2)))
    done = run("images", str(tmp_path / "films"), "--metadata", str(table), "--dry-run")
    assert done.exit_code == 0, done.output
    assert "2 images would be indexed; 0 rejected" in done.output
    assert run("status").exit_code == 2


def test_a_dry_run_with_prune_says_what_would_go(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    paths = write_films(folder / "sub", 3) + write_films(folder, 1, first=9)
    table = write_table(tmp_path / "said.csv", about(paths))
    options = ("--metadata", str(table), "--prune", "--dry-run")
    assert json.loads(run("images", str(folder), *options, "--json").output)["missing"] is None
    assert run("images", str(folder), "--metadata", str(table)).exit_code == 0
    assert "--prune would remove nothing" in run("images", str(folder), *options).output
    paths[0].unlink()
    paths[1].write_bytes(b"\x89PNG\r\n\x1a\n" + b"damaged" * 20)
    write_table(table, about(paths)[:2] + about(paths)[3:])
    told = run("images", str(folder / "sub"), *options)
    assert told.exit_code == 1
    assert "3 images are stored that these folders no longer hold, or that are refused now" in told.output
    assert "a run with --prune removes them" in told.output
    report = json.loads(run("images", str(folder / "sub"), *options, "--json").output)
    assert (len(report["missing"]), report["unread"], report["formats"]) == (3, 0, {"png": 2})
    done = run("images", str(folder / "sub"), "--metadata", str(table), "--prune", "--json")
    report = json.loads(done.output)
    assert report["pruned"] + report["refused_and_removed"] == 3
    assert run("status", "--json").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "No folder was named"),
        (["-"], "not read from standard input"),
        (["missing"], "missing does not exist"),
        (["films", "--format", "gif"], "'gif' is not a format of images"),
        (["films", "--prune", "--limit", "2"], "--prune cannot be combined"),
        (["films", "--prune", "--format", "png"], "--prune cannot be combined"),
        (["films", "--metadata", "films/none.csv"], "cannot be opened"),
        (["films", "--metadata", "keyless.csv"], "line 2 does not say which image"),
        (["films", "--metadata", "two.csv"], "of another patient"),
        (["films", "--metadata", "broken.jsonl"], "line 1 is not a JSON object"),
        (["films", "--errors", "films/rejected.jsonl"], "lies inside the input"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_run_says_why_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_films(Path("films"), 1)
    Path("keyless.csv").write_text("patient\np1\n")
    Path("two.csv").write_text("image,patient\na.png,p1\na.png,p2\n")
    Path("broken.jsonl").write_text("[1]\n")
    done = run("images", *arguments)
    assert done.exit_code == 2, done.output
    assert words in " ".join(done.stderr.split())


def test_every_file_that_failed_is_named_by_the_list_and_by_status(tmp_path: Path) -> None:
    """One id of two patients, one film of two patients and of no row: also after a run over another folder."""
    folder, other = tmp_path / "films", tmp_path / "other"
    folder.mkdir()
    for number, patient in enumerate(("P1", "P2")):
        content = dicom(grey() + number, PatientID=patient, SOPInstanceUID="1.2.3.4")
        (folder / f"{number}.dcm").write_bytes(content)
    for name in ("A", "B", "C"):
        (folder / name).mkdir()
        (folder / name / "same.dcm").write_bytes(dicom(grey() + 7, PatientID="P300"))
    rows = [{"image": f"{name}/same.dcm", "patient": f"P30{at}"} for at, name in enumerate("AB")]
    table = write_table(tmp_path / "said.csv", rows)
    done = run("images", str(folder), "--metadata", str(table), "--json")
    assert done.exit_code == 1, done.output
    report = json.loads(done.output)
    counts = [report[name] for name in ("accepted", "embedded", "duplicates", "rejected", "failed")]
    assert counts == [2, 1, 0, 3, 1], done.output
    listed = [json.loads(line) for line in Path(report["rejections_file"]).read_text().splitlines()]
    names = sorted((each["kind"], str(Path(each["file"]).relative_to(folder))) for each in listed)
    of_two = [("two-patients", f"{name}/same.dcm") for name in ("A", "B", "C")]
    assert names == [("id-taken", "1.dcm"), *of_two]
    assert str(folder / "0.dcm") in next(each["remedy"] for each in listed if each["kind"] == "id-taken")
    write_films(other, 1)
    again = write_table(tmp_path / "again.csv", about([other / "film000.png"]))
    assert run("images", str(other), "--metadata", str(again)).exit_code == 0
    told = run("status").output.partition("images")[2]
    assert told.count("Another patient's image is stored with the id") == 1
    assert told.count("said to be of two patients") == 1
    assert f"         {folder / '1.dcm'}\n" in told
    failures = json.loads(run("status", "--json").output)["images"]["failures"]
    assert {each["file"] for each in failures} == {str(folder / "1.dcm"), str(folder / "A/same.dcm")}


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ([], {"findings": "effusion"}),
        (["--metadata", "rest.csv"], {"findings": "effusion"}),
        ([], {"laterality": "L"}),
    ],
    ids=["no table", "no row", "a side"],
)
def test_what_a_table_said_does_not_go_because_a_run_was_told_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: list[str], said: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "films"
    folder.mkdir()
    for number in (0, 1):
        content = dicom(grey() + number, PatientID=f"P{number}", SOPInstanceUID=f"1.2.3.{number}")
        (folder / f"{number}.dcm").write_bytes(content)
    rows = [{"image": "0.dcm", **said}, {"image": "1.dcm", **dict.fromkeys(said, "")}]
    write_table(tmp_path / "said.csv", rows)
    write_table(tmp_path / "rest.csv", rows[1:])
    assert run("images", "films", "--metadata", "said.csv").exit_code == 0

    def findings() -> list[str]:
        with closing(sqlite3.connect(load_settings(None).data_dir / STORE_FILE)) as connection:
            query = "SELECT Findings, Laterality FROM MedicalImageVectors WHERE PatientID = 'P0'"
            ((labels, side),) = connection.execute(query)
            return [*json.loads(labels), *filter(None, [side])]

    told = json.loads(run("images", "films", *lacking, "--prune", "--json").output)
    counts = [told[name] for name in ("rejected", "refused_and_shown", "refused_and_removed", "pruned")]
    assert counts == [1, 1, 0, 0]
    assert "row-gone" in Path(told["rejections_file"]).read_text()
    assert findings() == [*said.values()]
    assert run("images", "films", *lacking, "--without-metadata").exit_code == 0
    assert findings() == []
    assert run("images", "films", "--metadata", "said.csv").exit_code == 0
    assert findings() == [*said.values()]
    write_table(tmp_path / "said.csv", [row | dict.fromkeys(said, "") for row in rows])
    assert run("images", "films", "--metadata", "said.csv").exit_code == 0
    assert findings() == [], "a row that says less is a correction"


def test_what_is_left_out_of_tables_is_told_by_row_and_file(tmp_path: Path) -> None:
    note = {"resource_id": "r1", "patient_id": "p0", "document_type": "Report", "text_content": "Effusion."}
    (tmp_path / "notes.jsonl").write_text(json.dumps(note))
    assert run("notes", str(tmp_path / "notes.jsonl")).exit_code == 0
    paths = write_films(tmp_path / "films", 2)
    rows = [*about(paths, report="r1"), {"image": "gone.dcm", "patient": "p9"}]
    rows[0]["findings"] = "effusion|Zbigniew"
    table = write_table(tmp_path / "said.csv", rows)
    done = run("images", str(tmp_path / "films"), "--metadata", str(table))
    assert done.exit_code == 0, done.output
    assert "said.csv line 4: It names 'gone.dcm'" in done.output
    assert f"{paths[0]}: 1 of them, in said.csv line 2" in done.output
    assert f"{paths[1]}: It is the report 'r1', in said.csv line 3" in done.output
    listed = load_settings(None).data_dir / "rejected-images-notices.jsonl"
    found = [json.loads(line) for line in listed.read_text().splitlines()]
    kinds = ["row-of-no-image", "values-left-out", "report-of-another"]
    assert [each["kind"] for each in found] == kinds
    assert str(listed) in done.output
    other = write_films(tmp_path / "other", 1, first=7)
    again = write_table(tmp_path / "again.csv", about(other))
    elsewhere = run("images", str(tmp_path / "other"), "--metadata", str(again))
    assert "report of another patient" not in elsewhere.output
    assert not listed.exists()


def test_a_dry_run_counts_as_gone_what_a_run_does(tmp_path: Path) -> None:
    """The same bytes, as another patient's, from another place: that does not show that the stored one is there."""
    (first,) = write_films(tmp_path / "films" / "a", 1)
    before = write_table(tmp_path / "before.csv", [{"image": first.name, "patient": "p1"}])
    assert run("images", str(tmp_path / "films"), "--metadata", str(before)).exit_code == 0
    (tmp_path / "more").mkdir()
    first.rename(tmp_path / "more" / "b.png")
    now = write_table(tmp_path / "now.csv", [{"image": "b.png", "patient": "p2"}])
    options = ("images", str(tmp_path / "films"), str(tmp_path / "more"), "--metadata", str(now))
    missing = json.loads(run(*options, "--json").output)["missing"]
    dry = json.loads(run(*options, "--prune", "--dry-run", "--json").output)["missing"]
    assert dry == missing
    assert len(missing) == 1


def test_the_time_left_is_that_of_batches_and_not_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace(10, "images")
    pace.all_read()
    lines = []
    for seconds, done in ((60.0, 10), (61.0, 20)):
        now[0] = seconds
        pace.batch += 1
        lines.append(pace.line(RunCounts(waiting=100, embedded=done)))
    assert "unknown time left" in lines[0]
    assert lines[1].startswith("batch 2, 20 of 100 images")
    assert "8.0 s left" in lines[1]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("labels.csv", "image,patient\na.png,p1\n", "table"),
        ("Data_Entry_2017.csv", "Image Index,Finding Labels,Patient ID\na.png,Mass,1\n", "table"),
        ("said.jsonl", '{"image": "a.png", "findings": ["Mass"]}\n', "table"),
        ("stock.csv", "article,price\nx,1\n", "not-an-image"),
        ("broken.jsonl", "[1]\n", "not-an-image"),
        ("readme.txt", "image,patient\n", "not-an-image"),
    ],
)
def test_a_table_that_was_not_named_is_told_as_one(
    tmp_path: Path, name: str, content: str, kind: str
) -> None:
    (tmp_path / "films" / "sub").mkdir(parents=True)
    path = tmp_path / "films" / "sub" / name
    path.write_text(content)
    (told,) = ImageSources([str(tmp_path / "films")], ImageTables(), ("png",))
    assert isinstance(told, Rejection)
    assert told.field == kind
    assert (f"--metadata {path}" in told.remedy) == (kind == "table")


def test_what_failed_too_often_is_told_and_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two patients' images of one id: the second is never in, however often the command is run."""
    monkeypatch.setenv("CHARTWELL_INDEXING__ATTEMPTS_MAX", "1")
    folder = tmp_path / "films"
    folder.mkdir()
    for number, name in enumerate(("a", "b")):
        content = dicom(grey() + number, PatientID=name, SOPInstanceUID="1.2.3.4")
        (folder / f"{name}.dcm").write_bytes(content)
    first = run("images", str(folder), "--json")
    assert (first.exit_code, json.loads(first.stdout)["failed"]) == (1, 1)
    again = run("images", str(folder), "--json")
    assert (again.exit_code, json.loads(again.stdout)["given_up"]) == (1, 1)
    assert "1 image failed too often and was not tried again" in run("images", str(folder)).output
