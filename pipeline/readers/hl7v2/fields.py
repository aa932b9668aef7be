"""Fields of HL7 v2 segments in our words: ids, versions, people, coded elements.

Decides how an id of one sender is kept apart from another's, and which of a field's components is said.
Tables: HL7 v2.5.1 chapter 2 (CE, XCN, EI).
"""

from __future__ import annotations

from pipeline.readers.hl7v2.messages import Hl7Message, Raw, Segment
from pipeline.readers.hl7v2.times import instant_of
from pipeline.records import NoteVersion


def entity_id(segment: Segment, number: int, header: Segment, code: str = "") -> str | None:
    """An id that no other sender has: the number as it stands, and the namespace that it names or else the sender's
    application and facility."""
    value = segment.text(number)
    if not value:
        return None
    named = segment.text(number, 2) or segment.text(number, 3)
    sender = "&".join(filter(None, (header.text(3), header.text(4))))
    return "^".join(filter(None, (f"{value}:{code}" if code else value, named or sender)))


def version_sent(header: Segment, raw: Raw) -> NoteVersion | None:
    """Newer is what was sent later; in one file, within one second, what stands further down."""
    sent = instant_of(header.text(7))
    return NoteVersion(sent, raw.number) if sent else None


def in_words(segment: Segment | None, number: int) -> str:
    """A coded element in words."""
    return (segment.text(number, 2) or segment.text(number, 5)) if segment else ""


def people(segment: Segment, number: int) -> str | None:
    """All people that a field names (XCN, or the older CN and NDL), each once."""
    message = segment.message
    names = [_person(message, written) for written in segment.repetitions(number)]
    return "; ".join(dict.fromkeys(filter(None, names))) or None


def _person(message: Hl7Message, written: str) -> str:
    parts = written.split(message.marks.component)
    if message.marks.subcomponent in parts[0]:  # NDL: the whole person is its first component
        parts = parts[0].split(message.marks.subcomponent)
    identity, family, given, middle, suffix, prefix, degree, *_ = [
        *(message.unescaped(part.split(message.marks.subcomponent)[0].strip()) for part in parts),
        *([""] * 7),
    ]
    name = " ".join(filter(None, (prefix, given, middle, family, suffix)))
    if not family and not given:
        return identity
    return ", ".join(filter(None, (name, degree)))


def first_segment(message: Hl7Message, name: str) -> Segment | None:
    return next((segment for segment in message.segments if segment.name == name), None)


def is_cancelled(common: Segment | None) -> bool:
    return common is not None and (common.text(1) in {"CA", "OC"} or common.text(5) == "CA")
