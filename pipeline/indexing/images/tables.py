"""What tables beside images say of them: a CSV or JSON Lines file that the user names, NIH's table in the folder, and
the folders of MIMIC-CXR.

Decides which column feeds which field and which row is whose image. Cleans nothing: what is read here goes through
de-identification with the image.
"""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from pipeline.errors import InputMissing, InputUnusable
from pipeline.imaging.archive_layouts import is_dicom_id, mimic_folders
from pipeline.imaging.files import ImageMetadata
from pipeline.readers.plain_text.utf8 import utf8
from pipeline.readers.reader import ReadItem, UnreadableRecord, UnreadableSource
from pipeline.readers.sources import Source, open_source
from pipeline.readers.tables.header import read_header
from pipeline.readers.tables.records import read_table
from pipeline.text.ids import is_no_image_id

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "patient_id": ("patientid", "patient", "subjectid", "subject"),
    "study_id": ("studyid", "study", "studyinstanceuid"),
    "series_id": ("seriesid", "series", "seriesinstanceuid"),
    "date": ("date", "studydate", "imagedate", "acquisitiondate"),
    "modality": ("modality",),
    "body_part": ("bodypart", "bodypartexamined"),
    "view": ("view", "viewposition"),
    "laterality": ("laterality",),
    "description": ("description", "studydescription"),
    "findings": ("findings", "findinglabels", "labels", "label"),
    "report_id": ("reportid", "report"),
    "encounter_id": ("encounterid", "encounter"),
    "domain": ("domain",),
}
_KEYS = ("imageid", "image", "imageindex", "dicomid", "sopinstanceuid", "filename", "file", "path")
"""Columns that say which image a row is about; the first that is there."""
_NIH_KEY = "imageindex"
_SUFFIX = re.compile(r"(?:\.nii)?\.[a-z][a-z0-9]{0,5}\Z", re.IGNORECASE)
"""Not the last number of a UID: 1.2.840.7 is no other name of 1.2.840."""
_LINES = re.compile(r"lines? \d+(?: to \d+)?")
_TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson"})
_LOOKED_INTO_BYTES_MAX = 64 * 2**20
"""A larger file that no one named is not looked into: its first line may be all of it."""
ROW_CHARACTERS_MAX = 1_000_000
_NO_FINDINGS = frozenset({"", "no finding", "no findings", "none"})


@dataclass
class ImageTables:
    """Rows by the image that they are about."""

    rows: dict[str, ImageMetadata] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    """The tables themselves, which are no images."""
    used: set[str] = field(default_factory=set)
    places: dict[str, str] = field(default_factory=dict)
    """Table and line of each row."""

    @property
    def unused_rows(self) -> list[str]:
        """What rows that no image asked for call theirs, in their order."""
        return [key for key in self.rows if key not in self.used]

    def about(self, path: str) -> ImageMetadata:
        """What is said of the image at `path`: by its path below the folder, its name, or its name without suffixes."""
        key = self.row(path)
        if key is None:
            return of_folders(path)
        self.used.add(key)
        return _with_defaults(self.rows[key], of_folders(path))

    def row(self, path: str) -> str | None:
        """What the row that fits the file best calls it; None where none does. It may fit other files as well."""
        if not self.rows:
            return None
        pure = PurePath(unicodedata.normalize("NFC", path))
        keys = ("/".join(pure.parts[-depth:]) for depth in range(len(pure.parts), 0, -1))
        return next((key for key in (*keys, _SUFFIX.sub("", pure.name)) if key in self.rows), None)

    def patient(self, path: str) -> str:
        """Whose image the file is by its row, else by its folders; "" where neither says."""
        key = self.row(path)
        return (self.rows[key].patient_id if key is not None else "") or of_folders(path).patient_id

    def is_confirmed(self, key: str, path: str) -> bool:
        """Whether the file's folders name the patient of the row."""
        return bool(self.rows[key].patient_id) and self.rows[key].patient_id == of_folders(path).patient_id

    def add(self, path: Path) -> None:
        """Read one table. Raises InputMissing, InputUnusable."""
        self.files.add(path.resolve())
        for place, row in _rows(path):
            key, row_said = _said(path, place, row)
            before = self.rows.get(key)
            self.rows[key] = (
                row_said
                if before is None
                else _together(before, row_said, f"{path} {place}", self.places.get(key, ""))
            )
            self.places.setdefault(key, f"{path.name} {place}")

    def add_found(self, folders: Sequence[str]) -> None:
        """NIH's table where it lies in one of these folders."""
        for folder in folders:
            for path in sorted(Path(folder).glob("*.csv")) if Path(folder).is_dir() else ():
                if path.resolve() not in self.files and _is_nih(path):
                    self.add(path)


def _together(before: ImageMetadata, row: ImageMetadata, place: str, earlier: str) -> ImageMetadata:
    """What two rows say of one image: of another table, or one for each finding. Raises InputUnusable where they say
    two things."""
    one, other = asdict(before), asdict(row)
    for name in one:
        if name == "findings" or not one[name] or not other[name] or one[name] == other[name]:
            continue
        what = "of another patient" if name == "patient_id" else f"with another {name.replace('_', ' ')}"
        raise InputUnusable(
            f"{place}: the image of this row has an earlier row, {what}: {earlier}.",
            remedy="Keep the right one of the two.",
        )
    findings = tuple(dict.fromkeys((*before.findings, *row.findings)))
    return ImageMetadata(**{name: one[name] or other[name] for name in one} | {"findings": findings})


def is_image_table(path: Path) -> bool:
    """Whether a file that is no image looks like a table of images that someone forgot to name: by its first row."""
    if path.suffix.lower() not in _TABLE_SUFFIXES:
        return False
    try:
        if path.stat().st_size > _LOOKED_INTO_BYTES_MAX:
            return False
        _, row = next(_rows(path), ("", {}))
    except (InputMissing, InputUnusable, OSError):
        return False
    names = {_plain(str(name)) for name in row}
    return bool(names & set(_KEYS)) and any(names & set(columns) for columns in _COLUMNS.values())


def _is_nih(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return _NIH_KEY in {_plain(name) for name in read_header(file).columns}


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Read as a table of notes is: its encoding, what stands between its cells, and rows of another width."""
    try:
        with open_source(Source(str(path), path)) as opened:
            stream = utf8(opened).stream
            if path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
                yield from _json_lines(path, io.TextIOWrapper(stream, encoding="utf-8"))
            else:
                yield from _table_rows(path, read_table(stream, str(path), ROW_CHARACTERS_MAX))
    except (InputMissing, OSError) as error:
        why = error.what if isinstance(error, InputMissing) else str(error.strerror)
        raise InputMissing(
            f"The table {path} cannot be opened: {why}", remedy="Check the path of --metadata."
        ) from error
    except UnreadableSource as error:
        raise InputUnusable(
            " ".join(filter(None, (f"The table {path} cannot be read:", error.reason, error.found))),
            remedy=error.remedy or "Export it again.",
        ) from error
    except UnicodeDecodeError as error:
        raise InputUnusable(
            f"The table {path} is not JSON Lines in UTF-8.", remedy="Export it as CSV or JSON Lines in UTF-8."
        ) from error


def _table_rows(path: Path, items: Iterable[ReadItem]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in items:
        found = _LINES.search(item.position)
        place = found[0] if found else item.position
        if isinstance(item, UnreadableRecord):
            raise InputUnusable(f"{path} {place}: {item.reason}", remedy=item.remedy)
        yield place, item.columns


def _json_lines(path: Path, lines: Iterable[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InputUnusable(
                f"{path} line {number} is not a JSON object.",
                remedy="Each line of --metadata is one, or use CSV.",
            )
        yield f"line {number}", row


def _said(path: Path, place: str, row: Mapping[Any, Any]) -> tuple[str, ImageMetadata]:
    values = _by_plain_name(path, place, row)
    key = _relative(next((str(values[name]) for name in _KEYS if values.get(name) not in (None, "")), ""))
    if not key:
        raise InputUnusable(
            f"{path} {place} does not say which image it is about.",
            remedy="Give it a column image: the file's name, its path below the folder, or its name without suffix.",
        )
    given: dict[str, Any] = {}
    for name, columns in _COLUMNS.items():
        value = next((values[column] for column in columns if values.get(column) not in (None, "")), None)
        if value is not None and not (name == "patient_id" and is_no_image_id(str(value))):
            given[name] = _findings(value) if name == "findings" else str(value).strip()
    return key, ImageMetadata(**given)


def _relative(written: str) -> str:
    """A path as files are asked for: as Windows writes it, from the root or from here, in any form of Unicode."""
    plain = unicodedata.normalize("NFC", written.strip()).replace("\\", "/")
    while plain.startswith("./"):
        plain = plain[2:]
    return plain.lstrip("/")


def _by_plain_name(path: Path, place: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    """Raises InputUnusable where two columns name two patients: which of them is meant is not guessed."""
    values: dict[str, Any] = {}
    for name, value in row.items():
        if value not in (None, ""):
            values.setdefault(_plain(str(name)), value)
    of_patient = {
        str(value).strip() for name, value in row.items() if _plain(str(name)) in _COLUMNS["patient_id"]
    }
    if len({each for each in of_patient if not is_no_image_id(each)}) > 1:
        raise InputUnusable(
            f"{path} {place}: two columns of this row name two patients.",
            remedy="Keep the one with the patient's id, or give the other one another name.",
        )
    return values


def _findings(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else re.split(r"[|;]", str(value))
    plain = (" ".join(str(part).split()) for part in parts)
    return tuple(part for part in plain if part.lower() not in _NO_FINDINGS)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def of_folders(path: str) -> ImageMetadata:
    """What MIMIC-CXR's folders say; nothing where these are others. A file's name that is not of its ids' shape may be
    a person's, and is no id."""
    pure = PurePath(path)
    found = mimic_folders(pure.parts)
    if found is None:
        return ImageMetadata()
    return ImageMetadata(
        image_id=pure.stem if is_dicom_id(pure.stem) else "",
        patient_id=found.patient_id,
        study_id=found.study_id,
        report_id=f"s{found.study_id}",
    )


def _with_defaults(said: ImageMetadata, defaults: ImageMetadata) -> ImageMetadata:
    missing = {name: value for name, value in defaults.said().items() if not getattr(said, name)}
    return replace(said, **missing) if missing else said
