"""Images in folders, by reference: where each lies, the hash of its bytes, its format, and what tables say of it.

Decides what of a folder is taken for an image. Decodes nothing and reads no header: that is the worker's affair, in
processes of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config import IndexingSettings
from pipeline.errors import InputMissing, UnreadableImage
from pipeline.imaging.records import ImageFormat
from pipeline.imaging.sniffing import HEAD_BYTES, image_format
from pipeline.indexing.field_values import FieldRefused, written_day
from pipeline.indexing.identity import Prefixes
from pipeline.indexing.images.disputes import AMBIGUOUS_ROW, Disputes, Earlier, disputes
from pipeline.indexing.images.hashing import sha256
from pipeline.indexing.images.tables import ImageTables, is_image_table
from pipeline.indexing.validation import ValidNote
from pipeline.readers.sources import Source, locate, open_file, source_name
from pipeline.records import ImageReference, KnownNote, Rejection, SourceRecord
from pipeline.text.dates import DateOrder


@dataclass
class ImageSources:
    """The images of one run, read once."""

    inputs: Sequence[str]
    tables: ImageTables
    formats: Collection[ImageFormat]
    seen: Counter[str] = field(default_factory=Counter)
    """Formats that were met so far."""
    date_order: DateOrder | None = None
    """As `IndexingSettings.date_order`."""
    earlier: Earlier = lambda _: {}
    _disputes: Disputes = field(default_factory=lambda: Disputes({}))
    _refused: set[str] = field(default_factory=set)
    """Hashes of what was refused so far."""

    def __iter__(self) -> Iterator[SourceRecord | Rejection]:
        found = self._disputes = disputes(self.inputs, self.tables, self.earlier)
        self._refused.clear()
        for key, (known, error) in found.earlier.items():
            yield _doubted(key, known, error)
        for source in locate(self.inputs):
            if source.path is None or source.path.resolve() in self.tables.files:
                continue
            yield from self._record(source)

    def _record(self, source: Source) -> Iterator[SourceRecord | Rejection]:
        try:
            with open_file(source) as stream:
                head = stream.read(HEAD_BYTES)
                digest = sha256(head, stream)
        except (InputMissing, OSError) as error:
            yield _unopened(source, error)
            return
        try:
            found = image_format(head)
        except UnreadableImage as error:
            unnamed = source.path is not None and is_image_table(source.path)
            yield _refused(source, digest, _unnamed_table(source) if unnamed else error)
            return
        self.seen[found] += 1
        if found in self.formats:
            yield self._reference(source, digest, found)

    def _reference(self, source: Source, digest: str, found: ImageFormat) -> SourceRecord | Rejection:
        """A later file of refused bytes is told by itself: the flow knows the first one."""
        inside = source.inside or ""
        path = str((source.path or Path()).absolute())
        said = self.tables.about(path).said()
        if (error := self._disputed(path, digest) or self._undated(path, said)) is not None:
            if digest in self._refused:
                return _refused(source, digest, error)
            self._refused.add(digest)
            kept = {"patient_id": said.get("patient_id", "")} if error.kind == AMBIGUOUS_ROW else {}
            said = {
                "refused": [error.kind, error.what, error.remedy],
                **kept,
            }  # by which the next run finds it
        reference = ImageReference(path, digest, found, inside, said.pop("patient_id", ""), said)
        return SourceRecord(
            source_name(source.given), source.position(""), {"reference": reference}, source.file
        )

    def _disputed(self, path: str, digest: str) -> UnreadableImage | None:
        return self._disputes.here.get(path) or self._disputes.contents.get(digest)

    def _undated(self, path: str, said: dict[str, Any]) -> UnreadableImage | None:
        """Writes the table's date as ISO 8601. Why the image is not taken, where it is no date."""
        try:
            said["date"] = written_day(said.pop("date", None), self.date_order) or ""
        except FieldRefused as refused:
            row = self.tables.places.get(self.tables.row(path) or "", "")
            return UnreadableImage(
                refused.reason,
                remedy=f"It stands in the table, {row}: write it as YYYY-MM-DD, or leave it empty. Where all are "
                "written in one order: --date-order day or --date-order month.",
                kind="date",
            )
        return None


def accept_image(record: SourceRecord, settings: IndexingSettings, prefixes: Prefixes) -> ValidNote:
    """As `validation.accept`. What is wrong with an image is seen when it is read."""
    del settings, prefixes
    reference = record.fields["reference"]
    assert isinstance(reference, ImageReference)
    return ValidNote(reference, record.source, record.position, reference.fingerprint(), record.file)


def may_be_taken(record: SourceRecord) -> bool:
    """By what is known before it is read: nothing refuses it, and someone may say whose it is. Of these formats a DICOM
    header alone names its patient."""
    reference = record.fields["reference"]
    assert isinstance(reference, ImageReference)
    return not reference.refused and bool(reference.patient_id or reference.source_format == "dicom")


def _unnamed_table(source: Source) -> UnreadableImage:
    return UnreadableImage(
        "The file is a table of images that was not named.",
        remedy=f"Name it: --metadata {source.file}. If it is about other images, leave it out of the folder.",
        kind="table",
    )


def _doubted(content_hash: str, known: KnownNote, error: UnreadableImage) -> SourceRecord:
    """An image that an earlier run took and that is refused now, where it lies."""
    refused = {"refused": [error.kind, error.what, error.remedy]}
    reference = ImageReference(known.file, content_hash, "", "", known.patient_id or "", refused)
    return SourceRecord(known.source, f"file {known.file}", {"reference": reference}, known.file)


def _refused(source: Source, digest: str, error: UnreadableImage) -> Rejection:
    place = (source_name(source.given), source.position(""))
    return Rejection(*place, digest, error.kind, error.what, error.remedy, file=source.file)


def _unopened(source: Source, error: InputMissing | OSError) -> Rejection:
    """It may be any image that is stored."""
    remedy = error.remedy if isinstance(error, InputMissing) else "Look whether this user may read it."
    what = "The file cannot be opened or read."
    place = (source_name(source.given), source.position(""))
    return Rejection(*place, None, "unopened", what, remedy, whole_source=True, file=source.file)
