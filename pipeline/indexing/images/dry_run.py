"""The dry run over images: what a run would take, refuse and, where that is asked, remove; nothing is stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pipeline.errors import UnreadableImage
from pipeline.imaging.files import ImageFile
from pipeline.indexing.identity import compare_with_stored
from pipeline.indexing.images.material import image_file, no_patient, refusal
from pipeline.indexing.run_counts import RejectionSink, RunCounts
from pipeline.ports import ImageStore, Ledger
from pipeline.records import ImageReference, Rejection, Sighting, SourceRecord

if TYPE_CHECKING:
    from pipeline.imaging.reading_pool import PreparedImage

Prepare: TypeAlias = Callable[
    [Iterable[ImageFile]], "Iterator[tuple[ImageFile, PreparedImage | UnreadableImage]]"
]
"""As `ReadingPool.prepare`."""


@dataclass(frozen=True, slots=True)
class ImageSurvey:
    """What a run would take."""

    accepted: int
    rejected: int
    duplicates: int
    reasons: Mapping[str, int]
    missing: tuple[str, ...] | None
    """Stored images, by the hash of their bytes, that these folders no longer hold or that are refused now; None where
    that was not asked, or nothing is stored."""
    unread: int
    """As in `IndexReport`."""


@dataclass
class ImageInventory:
    """What is stored, against the files of a dry run."""

    ledger: Ledger
    images: ImageStore
    sources: Sequence[str]
    """As the ledger writes them."""
    _refused: set[str] = field(default_factory=set)

    def begin(self) -> None:
        self.ledger.begin_sighting()

    def saw(self, content_hash: str) -> None:
        self.ledger.saw([content_hash])

    def is_anothers(self, record: SourceRecord, reference: ImageReference) -> bool:
        """Whether a run would refuse it because what is stored of its bytes is another patient's, from another place:
        then that one was not seen."""
        known = self.ledger.known([reference.content_hash]).get(reference.content_hash)
        if known is None or reference.refused:
            return False
        seen = Sighting(reference.patient_id, record.source, record.file)
        return compare_with_stored(seen, known.sighting(reference.patient_id)) == "another patient"

    def refuses(self, content_hash: str) -> None:
        self._refused.add(content_hash)

    def missing(self) -> tuple[str, ...]:
        """What a run would remove."""
        return tuple(stored_of(self.images, {*self._refused, *self.ledger.missing(self.sources)}))


def stored_of(images: ImageStore, content_hashes: Iterable[str]) -> list[str]:
    """Those of which an image is stored. Of others, which were refused while they were there, nothing is missing."""
    found = images.descriptions(images.images_of(sorted(content_hashes)))
    return sorted({each.content_hash for each in found.values()})


def survey_images(
    records: Iterable[SourceRecord | Rejection],
    prepare: Prepare,
    rejections: RejectionSink,
    stored: ImageInventory | None = None,
) -> ImageSurvey:
    """Read and prepare every image, a few ahead, and keep none. `stored`: say also which stored images would go."""
    run = _Survey(rejections, stored)
    if stored is not None:
        stored.begin()
    for file, outcome in prepare(run.files(records)):
        run.judge(file, outcome)
    tally = run.tally
    return ImageSurvey(
        tally.accepted,
        tally.rejected + tally.unread_files,
        tally.duplicates,
        dict(tally.reasons),
        None if stored is None else stored.missing(),
        tally.unread,
    )


@dataclass
class _Survey:
    rejections: RejectionSink
    stored: ImageInventory | None
    tally: RunCounts = field(default_factory=RunCounts)
    _seen: set[str] = field(default_factory=set)
    _ahead: deque[str] = field(default_factory=deque)
    """Hashes of the files that are being read, in their order."""

    def files(self, records: Iterable[SourceRecord | Rejection]) -> Iterator[ImageFile]:
        for record in records:
            if isinstance(record, Rejection):
                self._saw(record.resource_id)
                self._reject(record, record.resource_id)
            elif (reference := self._taken(record)) is not None:
                self._ahead.append(reference.content_hash)
                yield image_file(reference)

    def _taken(self, record: SourceRecord) -> ImageReference | None:
        reference = record.fields["reference"]
        assert isinstance(reference, ImageReference)
        if self.stored is None or not self.stored.is_anothers(record, reference):
            self._saw(reference.content_hash)
        if (error := refusal(reference)) is not None:
            self._reject(_rejection(reference.path, error, reference.content_hash), reference.content_hash)
            return None
        if reference.content_hash in self._seen:
            self.tally.duplicates += 1
            return None
        self._seen.add(reference.content_hash)
        return reference

    def judge(self, file: ImageFile, outcome: PreparedImage | UnreadableImage) -> None:
        content_hash = self._ahead.popleft()
        if isinstance(outcome, UnreadableImage):
            self._reject(_rejection(str(file.path), outcome, content_hash), content_hash)
        elif not outcome.description.patient_id:
            self._reject(_rejection(str(file.path), no_patient(), content_hash), content_hash)
        else:
            self.tally.accepted += 1

    def _saw(self, content_hash: str | None) -> None:
        if self.stored is not None and content_hash is not None:
            self.stored.saw(content_hash)

    def _reject(self, rejection: Rejection, content_hash: str | None) -> None:
        self.rejections.write(rejection)
        self.tally.count_rejection(rejection)
        if self.stored is not None and content_hash is not None:
            self.stored.refuses(content_hash)


def _rejection(path: str, error: UnreadableImage, content_hash: str) -> Rejection:
    return Rejection(path, "", content_hash, error.kind, error.what, error.remedy, file=path)
