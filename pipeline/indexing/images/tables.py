"""What tables beside images say of them: a CSV or JSON Lines file that the user names, NIH's table in the folder, and
the folders of MIMIC-CXR.

Decides which column feeds which field and which row is whose image. Cleans nothing: what is read here goes through
de-identification with the image.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from pipeline.errors import InputMissing, InputUnusable
from pipeline.imaging.archive_layouts import is_dicom_id, mimic_folders
from pipeline.imaging.files import ImageMetadata
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
    def unused(self) -> int:
        """Rows that no image asked for."""
        return len(self.rows.keys() - self.used)

    def about(self, path: str) -> ImageMetadata:
        """What is said of the image at `path`: by its path below the folder, its name, or its name without suffixes."""
        key = self.row(path)
        if key is None:
            return _of_folders(path)
        self.used.add(key)
        return _with_defaults(self.rows[key], _of_folders(path))

    def row(self, path: str) -> str | None:
        """What the row that fits the file best calls it; None where none does. It may fit other files as well."""
        if not self.rows:
            return None
        pure = PurePath(path)
        keys = ("/".join(pure.parts[-depth:]) for depth in range(len(pure.parts), 0, -1))
        return next(
            (key for key in (*keys, pure.name.partition(".")[0], pure.stem) if key in self.rows), None
        )

    def patient(self, path: str) -> str:
        """Whose image the file is by its row, else by its folders; "" where neither says."""
        key = self.row(path)
        return (self.rows[key].patient_id if key is not None else "") or _of_folders(path).patient_id

    def is_confirmed(self, key: str, path: str) -> bool:
        """Whether the file's folders name the patient of the row."""
        return bool(self.rows[key].patient_id) and self.rows[key].patient_id == _of_folders(path).patient_id

    def add(self, path: Path) -> None:
        """Read one table. Raises InputMissing, InputUnusable."""
        self.files.add(path.resolve())
        for place, row in _rows(path):
            key, row_said = _said(path, place, row)
            before = self.rows.get(key)
            if before is not None and before.patient_id != row_said.patient_id:
                raise InputUnusable(
                    f"{path} {place}: the image of this row has an earlier row, of another patient.",
                    remedy="Keep the right one of the two.",
                )
            self.rows[key] = row_said
            self.places[key] = f"{path.name} {place}"

    def add_found(self, folders: Sequence[str]) -> None:
        """NIH's table where it lies in one of these folders."""
        for folder in folders:
            for path in sorted(Path(folder).glob("*.csv")) if Path(folder).is_dir() else ():
                if path.resolve() not in self.files and _is_nih(path):
                    self.add(path)


def _is_nih(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return _NIH_KEY in {_plain(name) for name in next(csv.reader(file), [])}


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (
                _json_lines(path, file)
                if path.suffix.lower() in (".jsonl", ".ndjson", ".json")
                else ((f"line {reader.line_num}", row) for reader in [csv.DictReader(file)] for row in reader)
            )
    except OSError as error:
        raise InputMissing(
            f"The table {path} cannot be opened: {error.strerror}.", remedy="Check the path of --metadata."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputUnusable(
            f"The table {path} is not CSV in UTF-8.", remedy="Export it as CSV or JSON Lines in UTF-8."
        ) from error


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
    values = {_plain(str(name)): value for name, value in row.items() if name is not None}
    key = next((str(values[name]).strip() for name in _KEYS if values.get(name) not in (None, "")), "")
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


def _findings(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else re.split(r"[|;]", str(value))
    plain = (" ".join(str(part).split()) for part in parts)
    return tuple(part for part in plain if part.lower() not in _NO_FINDINGS)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _of_folders(path: str) -> ImageMetadata:
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
    missing = {name: value for name, value in asdict(defaults).items() if value and not getattr(said, name)}
    return replace(said, **missing)
