"""Tables beside images: encodings, rows that shift, rows of one image, names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputUnusable
from pipeline.imaging.files import ImageMetadata
from pipeline.indexing.images.tables import ImageTables


def table(tmp_path: Path, content: str | bytes, name: str = "said.csv") -> ImageTables:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    tables = ImageTables()
    tables.add(path)
    return tables


@pytest.mark.parametrize(
    "content",
    [
        "image,patient,findings\r\na.png,p1,Mass|Effusion\r\n",
        "\ufeffimage,patient,findings\na.png,p1,Mass|Effusion\n",
        "image;patient;findings\na.png;p1;Mass|Effusion\n",
        "sep=;\nimage;patient;findings\na.png;p1;Mass|Effusion\n",
        "image\tpatient\tfindings\na.png\tp1\tMass|Effusion",
        'image,patient,findings\n"a.png","p1","Mass|\nEffusion"\n',
        "image,patient,findings\na.png,p1,Mass|Effusion\n".encode("utf-16"),
        'image,findings,patient\n"a.png",Mass,p1\na.png,Effusion,\n',
        "patient,Image Index,Finding Labels\np1,.\\a.png,Mass|Effusion\n",
    ],
    ids=["crlf", "bom", "semicolon", "sep", "tab", "lines in a cell", "utf-16", "a row a finding", "windows"],
)
def test_a_table_is_read_however_it_was_exported(tmp_path: Path, content: str | bytes) -> None:
    found = table(tmp_path, content)
    assert found.about("/films/a.png") == ImageMetadata(patient_id="p1", findings=("Mass", "Effusion"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("image,description,patient\na.png,Chest, PA,p1\n", "line 2: The row has another number of cells"),
        (
            "image,patient\na.png,p1\na.png,p2\n",
            "line 3: the image of this row has an earlier row, of another patient: said.csv line 2",
        ),
        ("image,patient,date\na.png,p1,2019-01-01\na.png,p1,2020-01-01\n", "with another date"),
        ("image,patient,subject_id\na.png,p1,p2\n", "line 2: two columns of this row name two patients"),
        ("image,patient,patient\na.png,p1,p2\n", "Two columns have the same name"),
        ("image,patient\n\xe4.png,p1\n".encode("latin-1"), "line 2: The record is not valid UTF-8"),
        ('image,patient\na.png,"p1\nb.png,p2\n', "quotation marks"),
        (b"image,patient\na.png,p\x001\n" * 30, "cannot be read"),
    ],
    ids=["shifted", "patients", "dates", "two columns", "same name", "latin-1", "open quotation", "binary"],
)
def test_a_table_in_which_a_row_may_be_anothers_is_refused(
    tmp_path: Path, content: str | bytes, words: str
) -> None:
    with pytest.raises(InputUnusable) as caught:
        table(tmp_path, content)
    assert words in caught.value.what
    assert caught.value.remedy


def test_two_tables_together_say_what_is_known(tmp_path: Path) -> None:
    tables = table(tmp_path, "image,patient,date\na.png,p1,2019-01-01\n")
    (tmp_path / "labels.csv").write_text("image,findings\na.png,Mass\n")
    tables.add(tmp_path / "labels.csv")
    assert tables.about("a.png") == ImageMetadata(patient_id="p1", date="2019-01-01", findings=("Mass",))


@pytest.mark.parametrize(
    ("row", "file", "fits"),
    [
        ("scan", "/x/scan.nii.gz", True),
        ("scan", "/x/scan.dcm", True),
        ("x/scan.png", "/y/x/scan.png", True),
        ("/y/x/scan.png", "/y/x/scan.png", True),
        ("./x/scan.png", "/y/x/scan.png", True),
        ("Mu\u0308ller", "/x/M\u00fcller.png", True),
        ("1", "/x/1.2.840.113619.7", False),
        ("1", "/x/1.2.840.113619.7.dcm", False),
        ("1.2.840", "/x/1.2.840.7", False),
        ("1.2.840.7", "/x/1.2.840.7.dcm", True),
        ("Scan", "/x/scan.png", False),
        ("x/scan.png", "/y/ax/scan.png", False),
    ],
)
def test_a_row_fits_a_name_and_not_its_beginning(tmp_path: Path, row: str, file: str, fits: bool) -> None:
    found = table(tmp_path, f"image,patient\n{row},p1\n")
    assert bool(found.patient(file)) is fits
