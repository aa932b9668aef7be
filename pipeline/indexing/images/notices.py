"""What a run leaves out of tables, and of which row and file: rows about no image, values, reports of another patient.

Decides which of it a run over some folders speaks of. Prints nothing; the words are those of a list of rejected files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.imaging.records import ImageDescription
from pipeline.indexing.identity import is_of_sources
from pipeline.indexing.images.material import ImageMaterial
from pipeline.indexing.images.tables import ImageTables
from pipeline.records import Rejection

ROW = "row-of-no-image"
VALUES = "values-left-out"
REPORT = "report-of-another"


def row_notices(tables: ImageTables) -> Iterator[Rejection]:
    """Of rows that no image of a run over all its folders asked for, in their order."""
    for key in tables.unused_rows:
        remedy = f"It names {key!r}: look whether that file is there, and is called so, capitals too."
        yield _notice(tables.places[key], ROW, "The row is about no image here.", remedy)


def image_notices(
    material: ImageMaterial, tables: ImageTables, sources: Sequence[str]
) -> Iterator[Rejection]:
    """Of images of these sources, as the ledger writes them."""
    known = material.ledger.known(material.left_out)
    for key, number in material.left_out.items():
        file = known[key].file if key in known else key
        remedy = f"{number} of them, {_place(tables, file)}: a word or a number in each may name someone."
        yield _notice(file, VALUES, "Values of the table were left out.", remedy, key)
    for each, file in foreign_reports(material, sources):
        remedy = f"It is the report {each.report_id!r}, {_place(tables, file)}. It is not shown: correct the source."
        yield _notice(file, REPORT, "The image names a report of another patient.", remedy, each.content_hash)


def foreign_reports(
    material: ImageMaterial, sources: Sequence[str]
) -> Iterator[tuple[ImageDescription, str]]:
    """Stored images of these sources that name a report of another patient, each with its file."""
    foreign = material.images.descriptions(material.images.foreign_reports())
    known = material.ledger.known(each.content_hash for each in foreign.values())
    for each in foreign.values():
        found = known.get(each.content_hash)
        if found is not None and is_of_sources(found.source, found.file, sources):
            yield each, found.file


def _place(tables: ImageTables, file: str) -> str:
    row = tables.row(file)
    return f"in {tables.places[row]}" if row is not None else "in its folders or the table of an earlier run"


def _notice(file: str, kind: str, reason: str, remedy: str, key: str | None = None) -> Rejection:
    return Rejection(file, "", key, kind, reason, remedy, file=file)
