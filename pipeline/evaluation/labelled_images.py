"""Folders of images whose classes are known: one folder a class, or a table beside them.

Decides what counts as a class and as a patient, and that an image that cannot be read is left out and counted. Knows no
model.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputMissing, InputUnusable, UnreadableImage
from pipeline.imaging.decoding import DecodingOptions, decode_image
from pipeline.imaging.records import ImageFormat, Rendering

TABLE = "labels.csv"
FILE_COLUMNS = ("file", "image index", "image", "path")
LABEL_COLUMNS = ("label", "class", "finding labels", "finding_labels")
PATIENT_COLUMNS = ("patient", "patient id", "patient_id", "subject_id")
SEPARATOR = "|"
"""Between the findings of one film, as NIH ChestX-ray14 writes them."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    path: Path
    labels: frozenset[str]
    """Two images are of one class where they share a label."""
    patient: str = ""
    """Empty where it is not known."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    name: str
    images: tuple[LabelledImage, ...]


def read_labelled_set(folder: Path, column: str = "") -> LabelledSet:
    """The images of `folder`: those of its `labels.csv`, by `column` or the first that is usual, or those of its
    sub-folders, each a class. Raises InputMissing, and InputUnusable for fewer than two classes."""
    if not folder.is_dir():
        raise InputMissing(f"{folder} is no folder.", remedy="Name a folder of labelled images.")
    table = folder / TABLE
    if table.is_file():
        images, used = _of_table(table, column)
        found = LabelledSet(f"{folder.name} by {used}", images)
    else:
        found = LabelledSet(folder.name, tuple(_of_folders(folder)))
    classes = frozenset[str]().union(*(image.labels for image in found.images))
    if len(classes) < 2:
        raise InputUnusable(
            f"{folder} has {len(classes)} classes of images; two are the least that can be told apart.",
            remedy=f"Make one sub-folder a class, or a {TABLE} with the columns file, label and patient.",
        )
    return found


def _of_folders(folder: Path) -> Iterator[LabelledImage]:
    for each in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in sorted(each.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield LabelledImage(path, frozenset({each.name}))


def _of_table(table: Path, column: str) -> tuple[tuple[LabelledImage, ...], str]:
    """The images that it lists, and the column of classes that was used."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputUnusable(
            f"{table} cannot be read ({type(error).__name__}).", remedy="Save it as CSV in UTF-8."
        ) from None
    names = {name.strip().lower(): name for name in (rows[0] if rows else {}) if name}
    file = _column(table, names, FILE_COLUMNS)
    label = _column(table, names, (column.lower(),) if column else LABEL_COLUMNS)
    patient = next((names[each] for each in PATIENT_COLUMNS if each in names), "")
    return tuple(
        LabelledImage(
            table.parent / row[file],
            frozenset(filter(None, (part.strip() for part in (row[label] or "").split(SEPARATOR)))),
            (row[patient] or "").strip() if patient else "",
        )
        for row in rows
        if row[file]
    ), label


def _column(table: Path, names: Mapping[str, str], wanted: tuple[str, ...]) -> str:
    for each in wanted:
        if each in names:
            return names[each]
    raise InputUnusable(
        f"{table} has no column {' or '.join(wanted)}.",
        remedy=f"Its columns are {', '.join(names) or 'none'}; name that of the classes with --label.",
    )


def read_renderings(
    labelled: LabelledSet, formats: frozenset[ImageFormat], left_out: Counter[str]
) -> Iterator[tuple[LabelledImage, Rendering]]:
    """Each image as it is shown. What has no label or is not read is counted in `left_out` by its reason."""
    options = DecodingOptions(formats=formats)
    for image in labelled.images:
        if not image.labels:
            left_out["no-label"] += 1
            continue
        try:
            with image.path.open("rb") as stream:
                rendering = decode_image(stream, options).frame.rendering
        except UnreadableImage as error:
            left_out[error.kind] += 1
        except OSError:
            left_out["not-opened"] += 1
        else:
            yield image, rendering
