"""Stored images that look like one that is asked with.

Decides whose the asked one is (the patient's whom its header names, else the patient's of whom the same bytes are
stored), what counts as alike (the floor of the image space), and that images of that patient stand first. Scope and
wishes go down to the store. Knows no question.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.errors import SpaceMismatch
from pipeline.images import ImageFilters, ImageHit, found_image
from pipeline.imaging.records import ImageDescription
from pipeline.ports import ImageEmbedder, ImageStore
from pipeline.records import AccessScope, AskedImage, FoundImage, Vector

SIMILAR_MAX = 12


def image_vector(image: AskedImage, embedder: ImageEmbedder, images: ImageStore) -> Vector:
    """Of an asked image, shape (dimension,). Raises SpaceMismatch where the stored images are of another space."""
    held = images.space()
    if held is not None and held.id != embedder.space.id:
        raise SpaceMismatch(
            f"The stored images are of {held.id}; the image embedder in use makes {embedder.space.id}.",
            remedy="Use the image embedder that made them, or embed all images again: python -m pipeline.vectorize "
            "images FOLDER --fresh.",
        )
    (vector,) = embedder.embed_images([image.content])
    return np.asarray(vector, dtype=np.float32)


def stored_twin(image: AskedImage, images: ImageStore, scope: AccessScope) -> ImageDescription | None:
    """The stored image that is made of the same bytes, where the asker may see it."""
    ids = images.images_of([image.content_hash]) if image.content_hash else []
    found = (images.image(each, scope) for each in ids)
    return next((each for each in found if each is not None), None)


def patient_of(image: AskedImage, twin: ImageDescription | None) -> str:
    """Whose an asked image is; "" where no one knows."""
    return image.patient_id or (twin.patient_id if twin else "")


def similar_images(
    vector: Vector,
    images: ImageStore,
    filters: ImageFilters,
    *,
    limit: int = SIMILAR_MAX,
    patient_id: str = "",
    without: str = "",
) -> tuple[FoundImage, ...]:
    """The images most alike, best first; none below the floor of their space. `patient_id`: whose come before all
    others. `without`: an image, by its id, that is left out."""
    return tuple(
        found_image(hit.description, "image", hit.similarity)
        for hit in similar_hits(vector, images, filters, limit=limit, patient_id=patient_id, without=without)
    )


def similar_hits(
    vector: Vector,
    images: ImageStore,
    filters: ImageFilters,
    *,
    limit: int = SIMILAR_MAX,
    patient_id: str = "",
    without: str = "",
) -> list[ImageHit]:
    """The same with their descriptions."""
    space = images.space()
    if space is None:
        return []
    own: list[ImageHit] = []
    if patient_id and (not filters.patient_ids or patient_id in filters.patient_ids):
        own = images.search(vector, limit + bool(without), replace(filters, patient_ids=(patient_id,)))
    first = {hit.description.image_id for hit in own}
    others = images.search(vector, limit + len(first) + bool(without), filters)
    return [
        hit
        for hit in (*own, *(each for each in others if each.description.image_id not in first))
        if hit.similarity >= space.similarity_floor and hit.description.image_id != without
    ][:limit]
