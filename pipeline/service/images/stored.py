"""Stored images for one person: what is known of them, their thumbnails, and where their originals lie.

Decides that an image out of sight is answered exactly as one that is not there, and that a series is the images of one
patient. Refuses to know what an HTTP status is, and reads no original.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

from pipeline.answering.images.deferred_embedder import require_image_embedder
from pipeline.answering.images.similar_images import image_vector, patient_of, similar_images, stored_twin
from pipeline.errors import BadRequest, ChartwellError, SettingsInvalid
from pipeline.images import ImageFilters, Thumbnail
from pipeline.imaging.files import ImageFile
from pipeline.imaging.records import ImageDescription
from pipeline.logs import LOGGER
from pipeline.ports import ImageEmbedder, ImageStore
from pipeline.records import AccessScope, AskedImage, FoundImage
from pipeline.service.errors import NotInstalled, NotKnown, OriginalGone
from pipeline.service.questions.corpus import LiveCorpus
from pipeline.wiring import AnsweringSpace

NO_IMAGE = "Check its id. It may have been removed, or lie outside what you can see."
"""The same words for an image out of sight and for one that never was."""
SERIES_MAX = 2_048
"""Images of a study that are looked through for those of a series."""


class StoredImages:
    """The images next to the notes that are served. Every method raises NotReady before they are open."""

    def __init__(self, corpus: LiveCorpus) -> None:
        self._corpus = corpus
        self._found_any = False

    def any(self) -> bool:
        """Whether there ever were images; False as well while that cannot be told. Asks the store until there are."""
        if not self._found_any:
            try:
                with self._images() as images:
                    self._found_any = images.space() is not None
            except ChartwellError as error:
                LOGGER.debug("whether there are images is not known", extra={"code": error.code})
        return self._found_any

    def any_within(self, scope: AccessScope) -> bool:
        """Whether there are images that `scope` admits; False as well while that cannot be told."""
        if scope.unrestricted or not self.any():
            return self.any()
        try:
            return bool(self.page(ImageFilters(scope=scope), skip=0, limit=1))
        except ChartwellError as error:
            LOGGER.debug("whether there are images in sight is not known", extra={"code": error.code})
            return False

    def one(self, image_id: str, scope: AccessScope) -> ImageDescription:
        """Raises NotKnown where there is none that `scope` admits."""
        with self._images() as images:
            found = images.image(image_id, scope)
        if found is None:
            raise unknown()
        return found

    def seen(self, image_ids: AbstractSet[str], scope: AccessScope) -> dict[str, ImageDescription]:
        """Of these images those that are there and that `scope` admits."""
        with self._space() as space:
            images = space.images
            found = [images.image(each, scope) for each in sorted(image_ids)] if images is not None else []
        return {each.image_id: each for each in found if each is not None}

    def page(self, filters: ImageFilters, *, skip: int, limit: int) -> list[ImageDescription]:
        """The newest first, those without a date last."""
        with self._images() as images:
            return images.images(filters, skip=skip, limit=limit)

    def thumbnail(self, image_id: str, scope: AccessScope) -> Thumbnail:
        """Raises NotKnown where there is no such image, or it has none."""
        with self._images() as images:
            found = images.thumbnail(image_id, scope)
        if found is None:
            raise unknown()
        return found

    def series(self, chosen: ImageDescription, scope: AccessScope) -> list[ImageDescription]:
        """The images of the chosen one's series that `scope` admits, all of its patient, the chosen one first. Raises
        BadRequest where there are too many to look through."""
        if not chosen.series_id:
            return [chosen]
        studies = (chosen.study_id,) if chosen.study_id else ()
        filters = ImageFilters(patient_ids=(chosen.patient_id,), study_ids=studies, scope=scope)
        with self._images() as images:
            found = images.images(filters, limit=SERIES_MAX + 1)
        if (
            len(found) > SERIES_MAX
        ):  # a series of which some images are not among these would be shown as a whole one
            raise BadRequest(
                f"The study has more than {SERIES_MAX:,} images: its series are not put together.",
                remedy="Look at its images one after another.",
            )
        others = (each for each in found if each.series_id == chosen.series_id)
        return [chosen, *(each for each in others if each.image_id != chosen.image_id)]

    def similar(self, image: ImageDescription, scope: AccessScope, *, limit: int) -> tuple[FoundImage, ...]:
        """Those that look like a stored image, without itself, its patient's first."""
        with self._images() as images:
            vector = images.vectors([image.image_id]).get(image.image_id)
            if vector is None:
                raise unknown()
            return similar_images(
                vector,
                images,
                ImageFilters(scope=scope),
                limit=limit,
                patient_id=image.patient_id,
                without=image.image_id,
            )

    def search(
        self, asked: AskedImage, filters: ImageFilters, *, limit: int
    ) -> tuple[str, tuple[FoundImage, ...]]:
        """Whose an image is that was sent, "" where no one knows, and those that look like it, that patient's first.
        Raises NotInstalled where no image embedder is set."""
        embedder = self.require_embedder()
        with self._images() as images:
            if images.space() is None:
                return asked.patient_id, ()
            whose = patient_of(asked, stored_twin(asked, images, filters.scope))
            vector = image_vector(asked, embedder, images)
            return whose, similar_images(vector, images, filters, limit=limit, patient_id=whose)

    def require_embedder(self) -> ImageEmbedder:
        """What compares images. Raises NotInstalled where none is set."""
        with self._space() as space:
            embedder = space.image_embedder
        try:
            return require_image_embedder(embedder)
        except SettingsInvalid as error:
            raise NotInstalled(error.what, remedy=error.remedy) from None

    def originals(self, descriptions: Sequence[ImageDescription]) -> list[ImageFile]:
        """The files of these images, in order. Raises OriginalGone where one is not where it was indexed."""
        with self._space() as space:
            files = space.originals.of(descriptions) if space.originals else [None] * len(descriptions)
        there = [file for file in files if file is not None]
        if len(there) < len(descriptions):
            raise gone(len(descriptions) - len(there), len(descriptions))
        return there

    @contextmanager
    def _space(self) -> Iterator[AnsweringSpace]:
        with self._corpus.answering() as space:
            yield space

    @contextmanager
    def _images(self) -> Iterator[ImageStore]:
        with self._space() as space:
            if space.images is None:
                raise unknown()
            yield space.images


def unknown() -> NotKnown:
    return NotKnown("There is no such image.", remedy=NO_IMAGE)


def gone(missing: int = 1, of: int = 1) -> OriginalGone:
    """Says how many, and no path."""
    which = (
        "The original of the image is" if of == 1 else f"{missing} of the {of} originals of the series are"
    )
    return OriginalGone(
        f"{which} not where the index found it any more."
        if of == 1
        else f"{which} not where they were indexed.",
        remedy="The thumbnail is kept. Put the file back, or have its folder indexed where it lies now.",
    )
