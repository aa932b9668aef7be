"""Free text, findings and names of files: what names someone goes, what names no one stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import DeidentificationSettings
from pipeline.imaging.deidentification.deidentifier import Deidentifier
from pipeline.imaging.deidentification.free_text import keep_harmless_words
from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.deidentification.source_names import locate_source

KEY = DeidentificationKey(b"0123456789abcdef" * 4)
ANNA = Identifiers.of(
    names=["MITCHELL^ANNA^M", "Müller-Lüdenscheidt^Jörg", "Li^Wu", "山田^太郎"],
    ids=["MRN-773 4512", "19560712", "7"],
    places=["Baptist Sycamore Hospital"],
)


@pytest.mark.parametrize(
    "text",
    [
        "mitchell",
        "Chest of anna",
        "ANNA MITCHELL",
        "annamitchell_pa",
        "film.Mitchell,A",
        "MITCHELL2",
        "muller",
        "MUELLER film",
        "luedenscheidt",
        "liwu",
        "WULI",
        "MRN7734512",
        "mrn 773-4512",
        "7734512mrn773 4512",
        "1956-07-12",
        "at baptist  sycamore hospital",
        "film of 山田さん",
        "7",
    ],
)
def test_an_identifier_is_found_in_any_writing(text: str) -> None:
    assert ANNA.are_in(text)


@pytest.mark.parametrize(
    "text", ["", "annual film", "L17", "savannah", "wu-shaped", "li", "T7", "hospital", "M"][:7]
)
def test_other_words_are_none(text: str) -> None:
    found = ANNA.are_in(text)
    assert found == (text in {"wu-shaped", "li"}), "a short name is found as a word of its own"


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("CHEST PA AND LATERAL", "CHEST PA AND LATERAL"),
        ("CT THORAX W/O CONTRAST", "CT THORAX W/O CONTRAST"),
        ("MR BRAIN T2 FLAIR AX 3mm", "MR BRAIN T2 FLAIR AX 3mm"),
        ("t1_vibe_fs_tra_bh_dyn", "t1_vibe_fs_tra_bh_dyn"),
        ("Thorax pa/lat", "Thorax pa/lat"),
        ("CHEST PORTABLE 08:15", "CHEST PORTABLE 08:15"),
        ("Chest Mitchell, Anna portable", "Chest … portable"),
        ("Abdomen, Zimmerlund", "Abdomen …"),
        ("Knee for Dr. Grace", "Knee for Dr …"),
        ("chest 2026-03-05 12345", "chest …"),
        ("chest, 555-0173-884", "chest …"),
        ("MR HAND left", "MR HAND left"),
        ("left knee, mr hand", "left knee, mr …"),
        ("Zimmerlund", ""),
        ("Chest 617 555 88 41 PA", "Chest … PA"),
        ("338 190 22", ""),
        ("chest 338_190_22", "chest …"),
        ("chest 23 8 47", "chest …"),
        ("chest 23 Aug 47", "chest …"),
        ("chest MRN 773 4512", "chest …"),
        ("chest 7-7-3", "chest …"),
        ("CT 1 2 3 phase", "CT 1 2 3 phase"),
        ("MR 3 mm 512", "MR 3 mm 512"),
        ("", ""),
        ("\n\t", ""),
    ],
)
def test_of_a_description_the_harmless_words_stay(written: str, given: str) -> None:
    assert keep_harmless_words(written, ANNA) == given


def test_a_patient_may_be_called_like_a_finding() -> None:
    called = Identifiers.of(names=["MASS^ADA"])
    assert Deidentifier(KEY).findings(["Mass", "Ada Mass", "Mass of Ada"], called) == ("Mass",)


def test_half_a_finding_is_no_finding() -> None:
    deidentifier = Deidentifier(KEY, DeidentificationSettings())
    labels = [
        "Effusion",
        " no  Pneumothorax ",
        "seen by Mitchell",
        "",
        "Hodgkin lymphoma",
        "as of 3/5/2026",
        "MRN 12345",
    ]
    assert deidentifier.findings(labels, ANNA) == ("Effusion", "no Pneumothorax", "Hodgkin lymphoma")


def test_of_a_finding_every_word_is_known_not_to_name_anyone() -> None:
    said = "Ottilie Quastenberg|617-555-8841|617 555 88 41|born 23 Aug 1947|Seen by Dr. Zwirnmann|Rose Young"
    labels = [*said.split("|"), "Pleural_Thickening", "Enlarged Cardiomediastinum", "Support Devices"]
    assert Deidentifier(KEY).findings(labels, Identifiers()) == tuple(labels[6:])


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("chest", "CHEST"),
        ("Left  Lateral", "LEFT LATERAL"),
        ("AP/LAT", "AP/LAT"),
        ("WHOLE_BODY", "WHOLE_BODY"),
        ("Ottilie Quastenberg", ""),
        ("Mitchell", ""),
        ("617-555-8841", ""),
        ("CHEST 617 555 88", ""),
        ("19470823", ""),
        ("MRN5566778", ""),
        ("smith j", ""),
        ("Grace Hand", ""),
        ("", ""),
    ],
)
def test_a_code_is_of_words_that_any_patients_image_may_have(written: str, given: str) -> None:
    assert Deidentifier(KEY).code(written, ANNA) == given


@pytest.mark.parametrize(
    ("path", "inside", "stays"),
    [
        ("/data/files/p10/p10000032/s50414267/02aa804e-bde0afdd-112c0b34-7bc16630-4e384014.dcm", "p10", True),
        ("/data/cxr/images_001/00000013_005.png", "images_001/00000013_005.png", True),
        ("/data/study/1.2.840.113619.2.5.dcm", "study/1.2.840.113619.2.5.dcm", False),
        ("/data/study/CT.1.2.840.113619.2.5.dcm", "", False),
        ("/data/study/v1.2.3/IM-0001-0042.dcm", "", True),
        ("/data/CT_small.dcm", "CT_small.dcm", True),
        ("/data/MITCHELL_ANNA/1.dcm", "", False),
        ("/data/Anna Mitchell.png", "", False),
        ("/data/annamitchell.jpeg", "", False),
        ("/data/Zimmerlund Eva/chest.png", "", False),
        ("/data/ZIMMERLUND/chest.png", "ZIMMERLUND/chest.png", False),
        ("/data/zimmerlund-19600101.nii.gz", "zimmerlund-19600101.nii.gz", False),
        ("/data/MRN7734512/1.dcm", "", False),
        ("/data/anna1956/1.dcm", "anna1956/1.dcm", False),
        ("/data/IMG_0001.dcm", "IMG_0001.dcm", True),
        ("/data/617-555-8841/1.dcm", "617-555-8841/1.dcm", False),
        ("/data/617 555 88 41.png", "", False),
        ("/data/19470823/1.dcm", "19470823/1.dcm", False),
        ("/data/1947-08-23.png", "1947-08-23.png", False),
        ("/data/338190223344/1.dcm", "338190223344/1.dcm", False),
        ("/data/x7719340.png", "x7719340.png", False),
        ("/data/IMG_19470823.png", "IMG_19470823.png", False),
        ("/data/19470823_005.png", "19470823_005.png", False),
        ("/data/p19/p47082311/1.dcm", "p19/p47082311/1.dcm", False),
        ("/data/p47/p19470823/s50414267/1.dcm", "p47/p19470823/s50414267/1.dcm", False),
        ("/data/p10/p10000032/s50414267/1.dcm", "p10/p10000032/s50414267/1.dcm", True),
        ("/data/hand/000003.jpeg", "hand/000003.jpeg", True),
        ("/data/IM-0001-0042.dcm", "IM-0001-0042.dcm", True),
        (f"/data/{'0123456789abcdef' * 2}.png", f"{'0123456789abcdef' * 2}.png", True),
        (f"/data/{'1' * 32}.png", f"{'1' * 32}.png", False),
    ],
)
def test_a_path_names_no_one(path: str, inside: str, stays: bool) -> None:
    given = Deidentifier(KEY, DeidentificationSettings()).source(path, ANNA, inside=inside)
    assert (given == path) is stays
    assert given.startswith("/data/")
    assert given.endswith(Path(path).suffix)
    for word in ("mitchell", "anna", "zimmerlund", "mrn", "113619"):
        assert word not in given.lower()


def test_the_patients_id_stays_in_a_path_where_it_may_be_given() -> None:
    p10 = Identifiers.of(ids=["10000032"])
    path = "/data/p10/p10000032/s1.dcm"
    kept = Deidentifier(KEY, DeidentificationSettings())
    assert kept.source(path, p10, patient_id="10000032") == path
    mapped = Deidentifier(KEY, DeidentificationSettings(patient_id="map"))
    assert "10000032" not in mapped.source(path, p10, patient_id="10000032")


def test_days_in_a_path_stay_only_where_dates_do() -> None:
    path = "/data/2026-03-05/chest.png"
    assert Deidentifier(KEY, DeidentificationSettings()).source(path, Identifiers()) == path
    shifted = Deidentifier(KEY, DeidentificationSettings(dates="shift"))
    assert "2026" not in shifted.source(path, Identifiers())


def test_a_uid_in_a_path_stays_only_where_uids_do() -> None:
    path = "/data/1.2.840.113619.2.5/1.dcm"
    kept = Deidentifier(KEY, DeidentificationSettings(uids="keep"))
    assert kept.source(path, Identifiers()) == path
    assert "113619" not in Deidentifier(KEY).source(path, Identifiers())


def test_who_holds_key_and_files_finds_the_file_again(tmp_path: Path) -> None:
    film = tmp_path / "MITCHELL_ANNA" / "Zimmerlund Eva.nii.gz"
    film.parent.mkdir()
    film.touch()
    (film.parent / "other.nii.gz").touch()
    given = Deidentifier(KEY, DeidentificationSettings()).source(str(film), ANNA)
    assert "ZIMM" not in given.upper()
    assert locate_source(given, KEY) == film
    assert locate_source(given, DeidentificationKey(b"another" * 8)) is None
    assert locate_source(f"{given}/inside/1.png", KEY) == film, "of a member of an archive the archive"
    film.unlink()
    assert locate_source(given, KEY) is None
