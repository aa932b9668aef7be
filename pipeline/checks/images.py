"""Images: one of ours is embedded, stored, found by itself and removed; and a model that reads pixels says what is on
one.

Decides that the test image is a canary as the note of `canary` is: of the same patient, written past the ledger, there
for as long as one search takes, and removed by the next run where this one was killed. No image of a patient is sent.
"""

from __future__ import annotations

import hashlib
import time

from pipeline.call_context import cancellation
from pipeline.call_context.cancellation import Cancellation, cancellation_scope
from pipeline.checks.canary import BUSY, PATIENT, make_canary_id, only_one
from pipeline.checks.context import CheckContext
from pipeline.checks.errors import AnswerWrong
from pipeline.checks.models import image_libraries_missing
from pipeline.checks.result import Finding, failed, passed, skipped, warned
from pipeline.embedding_spaces import serving_settings, writing
from pipeline.images import EmbeddedImage, ImageFilters
from pipeline.imaging.plain_pictures import grey_png, red_png
from pipeline.imaging.records import ImageDescription
from pipeline.ports import ImageEmbedder, ImageStore

SIMILARITY_MIN = 0.99
COLOUR_QUESTION = "Which colour is this picture?"
COLOUR = "red"


def image_search_check(context: CheckContext) -> Finding:
    """Stores a picture of ours as indexing would, expects that its own vector finds it, and removes it."""
    embedder = context.image_embedder
    if embedder is None:
        return skipped("no image model is configured (CHARTWELL_IMAGE_EMBEDDER__PROVIDER)")
    if image_libraries_missing(context):
        return skipped("images are not read here: the extra `images` is not installed")
    if context.images.space() is None:
        return skipped("no images are indexed")
    with only_one(context) as mine, writing(context.base_settings.data_dir):
        if not mine:
            return skipped(BUSY)
        if serving_settings(context.base_settings).data_dir != context.settings.data_dir:
            return skipped("the embedding space was switched while this ran: run it again")
        return _found_again(context, embedder, context.images)


def _found_again(context: CheckContext, embedder: ImageEmbedder, images: ImageStore) -> Finding:
    images.prepare(embedder.space)  # raises where the stored images are of another model
    started = time.perf_counter()
    vector = embedder.embed_images([grey_png()])[0]
    image_id = make_canary_id(time.time())
    try:
        cancellation.check()  # else it would be written after everything was cleared
        context.written_images.add(image_id)
        images.upsert([EmbeddedImage(_description(image_id), vector)])
        hits = images.search(vector, 1, ImageFilters(patient_ids=(PATIENT,)))
    finally:
        # Also where this check is cut off: then its own scope would cut the removal as well.
        with cancellation_scope(Cancellation()):
            images.delete([image_id])
        context.written_images.discard(image_id)
    similarity = hits[0].similarity if hits else None
    measured = {"similarity": similarity, "seconds": round(time.perf_counter() - started, 3)}
    if not hits or hits[0].description.image_id != image_id or hits[0].similarity < SIMILARITY_MIN:
        return failed(
            AnswerWrong(
                "A stored image is not found by its own vector.",
                remedy="Its index is not whole: python -m pipeline.vectorize verify says what is missing, and "
                "vectorize optimise makes indexes again.",
            ),
            **measured,
        )
    return passed("a picture of ours is found again, and removed", **measured)


def _description(image_id: str) -> ImageDescription:
    return ImageDescription(
        image_id=image_id,
        patient_id=PATIENT,
        source="",
        source_format="png",
        content_hash=hashlib.sha256(image_id.encode()).hexdigest(),
        rows=1,
        columns=1,
    )


def clear_image_canary(context: CheckContext) -> None:
    """As `canary.clear_canary`, of images."""
    if not context.written_images:
        return
    with CheckContext(context.settings, context.base_settings, context.vantage, context.machine) as own:
        own.images.delete(sorted(context.written_images))


def vision_language_check(context: CheckContext) -> Finding:
    """A red picture: some servers take one and do not look at it."""
    model = context.vision_model
    if model is None:
        return skipped("no model reads pixels (CHARTWELL_VISION__PROVIDER)")
    started = time.perf_counter()
    said = model.describe(red_png(), COLOUR_QUESTION)
    seconds = round(time.perf_counter() - started, 3)
    name = model.model.model
    if COLOUR not in said.lower():
        return warned(
            AnswerWrong(
                f"The vision model {name} did not say that a {COLOUR} picture is {COLOUR}.",
                remedy="Its server may drop pictures: see that it runs a vision-language model, with its image "
                "projector where it wants one.",
            ),
            seconds=seconds,
        )
    return passed(f"{name}: says what is on a picture, in {seconds:.1f} s", seconds=seconds)
