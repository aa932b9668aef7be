"""Words of a document that may tell who somebody is, so that a reviewer looks at them before it is cited.

Decides few and sure signs: a title with a name, a date of birth, a number of a patient. No de-identification: names
of authors and of illnesses are everywhere in guidelines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.library.records import DocumentFinding, LibraryDocument

_IDENTIFIER = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Mx)\.?\s+[A-ZÀ-Þ][\w’'-]+"
    r"|\b(?i:date of birth|d\.?o\.?b\.?|born(?: on)?)[\s:]+\d{1,4}[-./ ]\w{1,9}[-./ ]\d{1,4}"
    r"|\b(?i:mrn|nhs (?:no|number)|hospital (?:no|number)|patient id)\b[\s.:#]*\w*\d{3,}"
)


def identifier_findings(document: LibraryDocument) -> Iterator[DocumentFinding]:
    """One finding a page, at the first place. It says how many there are and none of them."""
    for page in document.pages:
        found = list(_IDENTIFIER.finditer(page.text))
        if found:
            many = f"{len(found)} places that may name" if len(found) > 1 else "a place that may name"
            yield DocumentFinding(
                "identifiers",
                f"Page {page.number} has {many} somebody.",
                page.number,
                found[0].start(),
                found[0].end(),
            )
