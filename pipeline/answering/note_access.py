"""Reads one note for someone who may not see all of them.

Decides that a note out of sight is a note that does not exist: a request for it gets what an unknown id gets, and
cannot tell the two apart. Knows no person and no role; it is handed their scope.
"""

from __future__ import annotations

from pipeline.images import image_as_note, is_image
from pipeline.ports import ImageStore, Store
from pipeline.records import AccessScope, Document, Hit


def visible_note(store: Store, resource_id: str, scope: AccessScope) -> Document | None:
    """The whole note, or None where there is none that the scope admits.

    Every note that is shown to a person comes through here: a caller handles None and has no second case.
    """
    document = store.document(resource_id)
    if document is None or not scope.admits(document.domain, document.patient_id):
        return None
    return document


def note_as_told(
    store: Store, told: Hit, scope: AccessScope, images: ImageStore | None = None
) -> Document | None:
    """The note of a passage, where it still is of the patient, type and date that were told with it. Answers take a
    while, and what a passage says of one patient must not be cited from a note that has become another's. The text is
    not looked at: verification holds it against the passage. `images`: where the passage of an image is read."""
    if is_image(told):
        image = None if images is None else images.image(told.resource_id, scope)
        note = None if image is None else image_as_note(image)
    else:
        note = visible_note(store, told.resource_id, scope)
    if note is None or (note.patient_id, note.document_type, note.date) != (
        told.patient_id,
        told.document_type,
        told.date,
    ):
        return None
    return note
