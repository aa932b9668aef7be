"""Words of a document that may tell who somebody is, or that speak to a language model: a reviewer looks at them before
it is cited.

Decides few and sure signs: a title with a name, a date of birth, a number of a patient; orders to forget orders, and
the marks of chat templates. No de-identification, and no defence by itself: names of authors and of illnesses are
everywhere in guidelines, and an order can be worded in any way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.library.records import DocumentFinding, LibraryDocument

_IDENTIFIER = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Mx)\.?\s+[A-ZÀ-Þ][\w’'-]+"
    r"|\b(?i:date of birth|d\.?o\.?b\.?|born(?: on)?)[\s:]+\d{1,4}[-./ ]\w{1,9}[-./ ]\d{1,4}"
    r"|\b(?i:patient|patient name|name)\s*:\s*[A-ZÀ-Þ][\w’'-]+\s+[A-ZÀ-Þ][\w’'-]+"
    r"|\b(?i:mrn|nhs (?:no|number)|hospital (?:no|number)|patient id)\b[\s.:#]*\w*\d{3,}"
)


_INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all|any|your)\b[^.\n]{0,30}"
    r"\b(?:instructions?|prompts?|rules?|orders?|guidelines? given)\b"
    r"|<\|[a-z_]{2,30}\|>|\[/?INST\]|<<SYS>>|\bsystem prompt\b"
    r"|\byou are (?:now )?(?:an? )?(?:AI|chatbot|language model)\b"
    r"|\bas an AI\b",
    re.IGNORECASE,
)


def instruction_findings(document: LibraryDocument) -> Iterator[DocumentFinding]:
    """One finding a page that seems to speak to a model, at the first place."""
    for page in document.pages:
        found = _INSTRUCTION.search(page.text)
        if found is not None:
            what = f"Page {page.number} seems to speak to a language model."
            yield DocumentFinding("instructions", what, page.number, found.start(), found.end())


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
