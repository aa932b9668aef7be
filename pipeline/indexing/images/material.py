"""Images on the indexing flow: read and prepared when they are claimed, embedded, and stored under the id they name.

Decides what an image's stored form depends on, what becomes of two files that are one image, and that an image without
a patient is not stored. Knows ports and the reading of images; no back-end and no folder.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pipeline.errors import StoreRejectedRow, UnreadableImage
from pipeline.images import EmbeddedImage, ImageFilters, Thumbnail
from pipeline.imaging.files import ImageFile, ImageMetadata
from pipeline.imaging.records import DATE_LEFT_OUT, IN_TABLE, ISSUER, LEFT_OUT, ImageDescription
from pipeline.indexing.images.tables import of_folders
from pipeline.indexing.material import Piece
from pipeline.ports import ImageEmbedder, ImageStore, Ledger
from pipeline.readers.sources import by_name
from pipeline.records import ImageReference, MaterialKind, StagedMaterial, Vector
from pipeline.text.terms.finding_labels import contradictions

if TYPE_CHECKING:
    from pipeline.imaging.reading_pool import PreparedImage

CLEANING_VERSION = 3
"""Part of every image's recipe: where another judgement decides what is left out, images are read again."""
IMAGE_VERSION = 1
"""Part of every image's recipe: a change of reading or preparation that moves vectors raises it."""


_ONLY_OF_TABLES = ("findings", "report_id", "encounter_id", "domain")
"""Fields that no header gives."""


ROW_GONE = "No table of this run has a row for the image, and an earlier one had."


class Preparation(Protocol):
    """Reads and prepares images alongside the run."""

    def submit(self, file: ImageFile) -> Future[PreparedImage | UnreadableImage]: ...


@dataclass(frozen=True, slots=True)
class PreparedPiece:
    """One image, ready for the embedder."""

    chunk_id: str
    embedding_text: str
    """Stands for the picture: the hash of the file's bytes and how it was prepared."""
    prepared: PreparedImage


@dataclass(frozen=True)
class ImageMaterial:
    """`material.Material` for images."""

    embedder: ImageEmbedder
    images: ImageStore
    ledger: Ledger
    preparation: Preparation
    prepared_as: str
    """What of the settings moves the pixels that a model is given."""
    cleaned_as: str = ""
    """What of the settings changes a description."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Values of tables that were left out, because they may name someone, by the hash of the image."""
    undated: dict[str, str] = field(default_factory=dict)
    """Images without a date although one is written, and why (`DATE_LEFT_OUT`), by the hash."""
    without_tables: bool = False
    """An image that no table speaks of is taken, also where an earlier run had something of it from one."""
    has_row: Callable[[str], bool] = lambda _: False
    """Whether a table of this run has a row for the file at a path."""
    _silenced: dict[str, UnreadableImage] = field(default_factory=dict)
    """Why images are not taken of which an earlier run had more, by the hash."""
    _of_this_run: set[str] = field(default_factory=set)
    """Patients whose id was seen to come from the issuer that is known."""
    _begun: dict[str, Future[PreparedImage | UnreadableImage]] = field(default_factory=dict)

    kind: ClassVar[MaterialKind] = "images"
    read_ahead = 2
    one_a_file = True

    @property
    def recipe(self) -> str:
        cleaned = f"cleaning {CLEANING_VERSION} {self.cleaned_as}"
        return f"image {IMAGE_VERSION}, {self.prepared_as}, {cleaned}, {self.embedder.space.id}"

    @property
    def target(self) -> ImageTarget:
        return ImageTarget(self.images, self.ledger)

    @property
    def pieces_at_once(self) -> int:
        return self.embedder.images_at_once

    @property
    def calls_at_once(self) -> int:
        return self.embedder.calls_at_once

    def prepare(self) -> None:
        self._of_this_run.clear()
        self._silenced.clear()
        self.images.prepare(self.embedder.space)

    def begin(self, staged: Sequence[StagedMaterial]) -> None:
        references = [each for each in staged if isinstance(each, ImageReference) and not each.refused]
        self._silenced.update(self._silent(references))
        for reference in references:
            if reference.content_hash in self._silenced:
                continue
            self._begun[reference.content_hash] = self.preparation.submit(image_file(reference))

    def split(self, staged: StagedMaterial) -> Sequence[Piece]:
        assert isinstance(staged, ImageReference)
        if (error := refusal(staged) or self._silenced.get(staged.content_hash)) is not None:
            raise error
        begun = self._begun.pop(staged.content_hash, None)
        outcome = (begun or self.preparation.submit(image_file(staged))).result()
        if isinstance(outcome, UnreadableImage):
            raise outcome
        _require_storable(staged, outcome)
        self._require_one_issuer(outcome.description)
        self._note_losses(staged.content_hash, outcome.description)
        return [PreparedPiece(staged.content_hash, self._text(staged), outcome)]

    def _silent(self, references: Sequence[ImageReference]) -> dict[str, UnreadableImage]:
        """Those that no table of this run speaks of, and of which what is stored has something that only a table says:
        what a person gave must not go because a run was told less."""
        rowless = [
            each.content_hash
            for each in references
            if (each.patient_id or each.source_format == "dicom")  # else no one says whose it is
            and not (self.has_row(each.path) or _has_values(each))
        ]
        if self.without_tables or not rowless:
            return {}
        stored = self.images.descriptions(self.images.images_of(rowless))
        given = {each.content_hash: each.given for each in references}
        return {
            each.content_hash: _no_row()
            for each in stored.values()
            if IN_TABLE in each.metadata or _says_more(each, given[each.content_hash])
        }

    def _require_one_issuer(self, description: ImageDescription) -> None:
        """Two hospitals give one number to two people. The first counts as long as an image of that patient is stored,
        or is being stored by this run."""
        patient, issuer = description.patient_id, description.metadata.get(ISSUER)
        if issuer is None:
            return
        known = self.ledger.authorities([patient]).get((patient, ISSUER))
        if known == issuer:
            self._of_this_run.add(patient)
            return
        if known is not None and (patient in self._of_this_run or self._has_images(patient)):
            raise UnreadableImage(
                "Another hospital or archive gave the same patient's id to images that are stored.",
                remedy="The header says who gave it (0010,0021), and two people may share the number. Name the patient "
                "of each in a table (--metadata FILE), with CHARTWELL_IMAGE_READING__PATIENT_FROM=table.",
                kind="another-issuer",
            )
        self.ledger.remember_authorities({(patient, ISSUER): issuer})
        self._of_this_run.add(patient)

    def _has_images(self, patient: str) -> bool:
        return bool(self.images.images(ImageFilters(patient_ids=(patient,)), limit=1))

    def _note_losses(self, content_hash: str, description: ImageDescription) -> None:
        if LEFT_OUT in description.metadata:  # of most images nothing is: memory does not grow with them
            self.left_out[content_hash] = int(description.metadata[LEFT_OUT])
        if DATE_LEFT_OUT in description.metadata:
            self.undated[content_hash] = description.metadata[DATE_LEFT_OUT]

    def embed(self, pieces: Sequence[Piece]) -> Vector:
        return self.embedder.embed_images([_prepared(piece).content for piece in pieces])

    def whole(
        self, staged: StagedMaterial, pieces: Sequence[Piece], vectors: Mapping[str, Vector]
    ) -> EmbeddedImage:
        (piece,) = pieces
        prepared = _prepared(piece)
        thumbnail = Thumbnail("image/jpeg", prepared.thumbnail)
        description = prepared.description
        assert isinstance(staged, ImageReference)
        if _has_values(staged):
            description = replace(description, metadata={**description.metadata, IN_TABLE: "yes"})
        return EmbeddedImage(description, vectors[piece.chunk_id], thumbnail)

    def check(self) -> None:
        self.embedder.check()

    def optimise(self) -> None:
        """Nothing: every vector of an image is compared."""

    def kept_as(self, content_hash: str) -> KeptPiece:
        """Where the vector of these bytes is kept."""
        return KeptPiece(content_hash, self._text_of(content_hash))

    def _text(self, reference: ImageReference) -> str:
        return self._text_of(reference.content_hash)

    def _text_of(self, content_hash: str) -> str:
        return f"image {IMAGE_VERSION} {content_hash} {self.prepared_as}"


@dataclass(frozen=True, slots=True)
class KeptPiece:
    """An image as the cache of vectors knows it."""

    chunk_id: str
    embedding_text: str


@dataclass(frozen=True, slots=True)
class ImageTarget:
    """The store of images as the flow writes it: the ledger's keys are hashes of bytes, the store's are ids."""

    images: ImageStore
    ledger: Ledger

    def transaction(self) -> AbstractContextManager[None]:
        return self.images.transaction()

    def upsert(self, embedded: Sequence[Any]) -> Mapping[str, StoreRejectedRow | None]:
        """As `MaterialStore.upsert`: not stored is what another patient's image has the id of, and what a later file of
        the same image stands for."""
        held = self.images.descriptions([each.description.image_id for each in embedded])
        counting: dict[str, EmbeddedImage] = {}
        unstored: dict[str, StoreRejectedRow | None] = {}
        for each in embedded:
            new = each.description
            earlier = counting.get(new.image_id)
            rival = earlier.description if earlier else held.get(new.image_id)
            verdict = "replaces" if rival is None else self._compare(new, rival)
            if verdict == "replaces":
                if earlier is not None:
                    unstored[earlier.description.content_hash] = None
                counting[new.image_id] = each
            else:
                unstored[new.content_hash] = (
                    None if verdict == "older" else self._another_patient(new.image_id, rival)
                )
        self.images.upsert(list(counting.values()))
        outdone = [
            held[key].content_hash
            for key, each in counting.items()
            if key in held and held[key].content_hash != each.description.content_hash
        ]
        if outdone:
            self.ledger.forget(outdone)  # a file that is still there is read again, and found to be older
        return unstored

    def _another_patient(self, image_id: str, rival: ImageDescription | None) -> StoreRejectedRow:
        key = "" if rival is None else rival.content_hash
        place = f"That one is {known.file}. " if (known := self.ledger.known([key]).get(key)) else ""
        return StoreRejectedRow(
            f"Another patient's image is stored with the id {image_id!r}.",
            remedy=f"{place}Two images need ids of their own; correct the one that is wrong, or take it out of the "
            "folder.",
        )

    def delete(self, keys: Sequence[str]) -> int:
        removed = self.images.delete(self.images.images_of(keys))
        if older := [key for key, parts in self.ledger.completed() if not parts]:
            self.ledger.forget(older)  # what stood for one of them may just have gone: the next run looks
        return removed

    def _compare(
        self, new: ImageDescription, rival: ImageDescription
    ) -> Literal["replaces", "older", "another patient"]:
        """Of two images with one id: of two files that are there the later by its name counts, and none before another
        patient's. One that was edited where it lies, or whose file has gone, makes way."""
        if new.content_hash == rival.content_hash:
            return "replaces"
        known = self.ledger.known([rival.content_hash, new.content_hash])
        files = [known[key].file if key in known else "" for key in (rival.content_hash, new.content_hash)]
        gone = bool(files[0]) and (files[0] == files[1] or not Path(files[0]).exists())
        if new.patient_id != rival.patient_id and not gone:
            return "another patient"
        return "older" if files[0] and not gone and by_name(files[0]) > by_name(files[1]) else "replaces"


def refusal(reference: ImageReference) -> UnreadableImage | None:
    """Why the image is not taken, where that is known before it is read."""
    if not reference.refused:
        return None
    kind, what, remedy = reference.refused
    return UnreadableImage(what, remedy=remedy, kind=kind)


def image_file(reference: ImageReference) -> ImageFile:
    """The image as the reading opens it."""
    given = dict(reference.given) | {"patient_id": reference.patient_id}
    if "findings" in given:
        given["findings"] = tuple(given["findings"])
    return ImageFile(Path(reference.path), inside=reference.inside, metadata=ImageMetadata(**given))


def settings_in_words(*settings: Any) -> str:
    """A short name of settings that a stored form depends on."""
    written = json.dumps([each.model_dump(mode="json") for each in settings], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def _has_values(reference: ImageReference) -> bool:
    """Whether more is said of the image than its folders say."""
    folders = of_folders(reference.path)
    said = {**reference.given, "patient_id": reference.patient_id}
    return any(value and getattr(folders, name, None) != value for name, value in said.items())


def _says_more(description: ImageDescription, given: Mapping[str, Any]) -> bool:
    """Of an image that a release stored which did not write `IN_TABLE`."""
    return any(getattr(description, name) and not given.get(name) for name in _ONLY_OF_TABLES)


def _no_row() -> UnreadableImage:
    return UnreadableImage(
        ROW_GONE,
        remedy="It stays stored, also with --prune, with what that row said. Give that table again (--metadata FILE), "
        "with a row for this file; to take the image without: --without-metadata.",
        kind="row-gone",
    )


def _prepared(piece: Piece) -> PreparedImage:
    assert isinstance(piece, PreparedPiece)
    return piece.prepared


def _require_storable(reference: ImageReference, prepared: PreparedImage) -> None:
    if prepared.description.content_hash != reference.content_hash:
        raise UnreadableImage(
            "The file changed while it waited.", remedy="Run the same command again.", kind="changed"
        )
    if not prepared.description.patient_id:
        raise no_patient()
    if next(contradictions(prepared.description.findings), None) is not None:
        raise UnreadableImage(
            "Its labels say of one finding both that it is there and that it is not.",
            remedy="Correct its rows in the table: one label for each finding.",
            kind="labels",
        )


def no_patient() -> UnreadableImage:
    return UnreadableImage(
        "Nothing says whose image it is.",
        remedy="Name the patient in a table: --metadata FILE with the columns image and patient.",
        kind="no-patient",
    )
