"""The elements and data types of CDA: where one stands below another, and what it says in words.

Decides how ids, coded elements, names and periods are written for us. Refuses to know what they are of.
Data types: HL7 V3 data types R1 (II, CD, PN, IVL_TS).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipeline.readers.cda.narrative import Element
from pipeline.readers.hl7v2.times import iso_of

V3 = "urn:hl7-org:v3"

SDTC = "urn:hl7-org:sdtc"
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True, slots=True)
class CdaId:
    """CDA's II: a root, and mostly a number under it."""

    root: str
    extension: str
    authority: str = field(default="", compare=False)
    """What the source calls who gave it; for people, and not always there."""

    @classmethod
    def of(cls, element: Element | None) -> CdaId | None:
        if element is None or element.get("nullFlavor"):
            return None
        root, extension = (element.get("root") or "").strip(), (element.get("extension") or "").strip()
        if not root and not extension:
            return None
        authority = element.get("assigningAuthorityName") or ""
        return cls(root.lower() if _UUID.fullmatch(root) else root, extension, authority)

    @property
    def reference(self) -> str:
        """In full, as FHIR writes identifiers: "urn:oid:1.2.3|7"."""
        return (
            f"urn:oid:{self.root}|{self.extension}"
            if self.root and self.extension
            else self.root or self.extension
        )

    @property
    def unique(self) -> bool:
        """Whether it names one thing. A document may be named by a root alone, as Epic does; for a set or a patient it
        is the name of a whole numbering, whose number is missing."""
        return bool(self.extension) or _UUID.fullmatch(self.root) is not None

    def typed(self, code: str | None) -> str:
        """As a string, with a document's type: "number:34133-9^root"."""
        return "^".join(
            filter(None, (f"{self.extension or self.root}:{code or ''}", self.extension and self.root))
        )

    def __str__(self) -> str:
        return "^".join(filter(None, (self.extension, self.root)))


def child(element: Element | None, name: str, namespace: str = V3) -> Element | None:
    return None if element is None else element.find(f"{{{namespace}}}{name}")


def children(element: Element | None, name: str) -> list[Element]:
    return [] if element is None else element.findall(f"{{{V3}}}{name}")


def descendant(element: Element | None, path: str) -> Element | None:
    return None if element is None else element.find("/".join(f"{{{V3}}}{name}" for name in path.split("/")))


def words_of(element: Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def value_of(element: Element | None) -> str | None:
    return None if element is None else element.get("value")


def code_of(element: Element | None) -> str | None:
    return None if element is None else element.get("code")


def coded_words(code: Element | None) -> str:
    """A coded element in words: its own, else its original text, else a translation's."""
    if code is None:
        return ""
    own = (code.get("displayName") or "").strip() or words_of(child(code, "originalText"))
    translated = ((one.get("displayName") or "").strip() for one in children(code, "translation"))
    return own or next(filter(None, translated), "")


def time_of(element: Element | None) -> str | None:
    """When: the moment, or where a period is given its beginning."""
    start, end = period_of(element)
    return start or end


def period_of(element: Element | None) -> tuple[str | None, str | None]:
    time = child(element, "effectiveTime")
    if time is None:
        return None, None
    one = iso_of(time.get("value") or "")
    start, end = (iso_of(value_of(child(time, name)) or "") for name in ("low", "high"))
    return one or start, end


def person_name(name: Element | None) -> str:
    """A name as it is spoken: "Dr. Jane Q. Smith, MD"."""
    if name is None:
        return ""
    parts = [(part.tag.rpartition("}")[2], part) for part in name if isinstance(part.tag, str)]
    if not any(kind in {"given", "family"} for kind, _ in parts):
        return words_of(name)
    order = {"prefix": 0, "given": 1, "family": 2}
    spoken = sorted((one for one in parts if one[0] in order), key=lambda one: order[one[0]])
    whole = " ".join(filter(None, (words_of(part) for _, part in spoken)))
    return ", ".join([whole, *filter(None, (words_of(part) for kind, part in parts if kind == "suffix"))])
