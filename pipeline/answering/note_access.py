"""Reads one note for someone who may not see all of them.

Decides that a note out of sight is a note that does not exist: a request for it gets what an unknown id gets, and
cannot tell the two apart. Knows no person and no role; it is handed their scope.
"""

from __future__ import annotations

from pipeline.ports import Store
from pipeline.records import AccessScope, Document


def visible_note(store: Store, resource_id: str, scope: AccessScope) -> Document | None:
    """The whole note, or None where there is none that the scope admits.

    Every note that is shown to a person comes through here: a caller handles None and has no second case.
    """
    document = store.document(resource_id)
    if document is None or not scope.admits(document.domain, document.patient_id):
        return None
    return document
