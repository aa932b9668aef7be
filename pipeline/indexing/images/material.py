"""Images on the indexing flow: read and prepared when they are claimed, embedded, and stored under the id they name.

Decides what an image's stored form depends on, what becomes of two files that are one image, and that an image without
a patient is not stored. Knows ports and the reading of images; no back-end and no folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.errors import StoreRejectedRow, UnreadableImage
from pipeline.images import EmbeddedImage, Thumbnail
from pipeline.imaging.files import ImageFile, ImageMetadata
from pipeline.indexing.material import Piece
from pipeline.ports import ImageEmbedder, ImageStore, Ledger
from pipeline.readers.sources import by_name
from pipeline.records import ImageReference, StagedMaterial, Vector

if TYPE_CHECKING:
    from pipeline.imaging.reading_pool import PreparedImage

IMAGE_VERSION = 1
"""Part of every image's recipe: a change of reading or preparation that moves vectors raises it."""


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
    _begun: dict[str, Future[PreparedImage | UnreadableImage]] = field(default_factory=dict)

    read_ahead = 2

    @property
    def recipe(self) -> str:
        return f"image {IMAGE_VERSION}, {self.prepared_as}, {self.cleaned_as}, {self.embedder.space.id}"

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
        self.images.prepare(self.embedder.space)

    def begin(self, staged: Sequence[StagedMaterial]) -> None:
        for reference in staged:
            assert isinstance(reference, ImageReference)
            self._begun[reference.content_hash] = self.preparation.submit(image_file(reference))

    def split(self, staged: StagedMaterial) -> Sequence[Piece]:
        assert isinstance(staged, ImageReference)
        begun = self._begun.pop(staged.content_hash, None)
        outcome = (begun or self.preparation.submit(image_file(staged))).result()
        if isinstance(outcome, UnreadableImage):
            raise outcome
        _require_storable(staged, outcome)
        return [PreparedPiece(staged.content_hash, self._text(staged), outcome)]

    def embed(self, pieces: Sequence[Piece]) -> Vector:
        return self.embedder.embed_images([_prepared(piece).content for piece in pieces])

    def whole(
        self, staged: StagedMaterial, pieces: Sequence[Piece], vectors: Mapping[str, Vector]
    ) -> EmbeddedImage:
        (piece,) = pieces
        prepared = _prepared(piece)
        thumbnail = Thumbnail("image/jpeg", prepared.thumbnail)
        return EmbeddedImage(prepared.description, vectors[piece.chunk_id], thumbnail)

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

    def upsert(self, embedded: Sequence[Any]) -> None:
        """Raises StoreRejectedRow where another image has the id: another patient's, or a later file's."""
        held = self.images.descriptions([each.description.image_id for each in embedded])
        replaced = [
            held[new.image_id].content_hash
            for each in embedded
            if (new := each.description).image_id in held
            and held[new.image_id].content_hash != new.content_hash
        ]
        if replaced:
            self._require_later(embedded, held)
        self._require_one_each(embedded)
        self.images.upsert(embedded)
        if replaced:
            self.ledger.forget(replaced)

    def delete(self, keys: Sequence[str]) -> int:
        return self.images.delete(self.images.images_of(keys))

    def _require_later(self, embedded: Sequence[EmbeddedImage], held: Mapping[str, Any]) -> None:
        for each in embedded:
            new, old = each.description, held.get(each.description.image_id)
            if old is None or old.content_hash == new.content_hash:
                continue
            if old.patient_id != new.patient_id:
                raise _another_patient(new.image_id)
            known = self.ledger.known([old.content_hash, new.content_hash])
            files = [known[key].file if key in known else "" for key in (old.content_hash, new.content_hash)]
            if files[0] and files[0] != files[1] and Path(files[0]).exists() and _is_later(*files):
                raise StoreRejectedRow(
                    f"Image {new.image_id!r} lies in two files, and the later one by its name is stored.",
                    remedy="Take the other one out of the folder.",
                )

    @staticmethod
    def _require_one_each(embedded: Sequence[EmbeddedImage]) -> None:
        """Two of one batch are told apart one after the other."""
        ids = {each.description.image_id for each in embedded}
        if len(ids) < len(embedded):
            raise StoreRejectedRow(
                "Two files of one batch are the same image.", remedy="Take one of them out of the folder."
            )


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


def _prepared(piece: Piece) -> PreparedImage:
    assert isinstance(piece, PreparedPiece)
    return piece.prepared


def _require_storable(reference: ImageReference, prepared: PreparedImage) -> None:
    if prepared.description.content_hash != reference.content_hash:
        raise UnreadableImage(
            "The file changed while it waited.", remedy="Run the same command again.", kind="changed"
        )
    if not prepared.description.patient_id:
        raise UnreadableImage(
            "Nothing says whose image it is.",
            remedy="Name the patient in a table: --metadata FILE with the columns image and patient.",
            kind="no-patient",
        )


def _is_later(one: str, other: str) -> bool:
    return by_name(one) > by_name(other)


def _another_patient(image_id: str) -> StoreRejectedRow:
    return StoreRejectedRow(
        f"Another patient's image is stored with the id {image_id!r}.",
        remedy="Two images need ids of their own; correct the one that is wrong, or take it out of the folder.",
    )
