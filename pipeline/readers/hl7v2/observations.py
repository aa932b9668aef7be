"""The text of HL7 v2 observations (OBX) and of the comments under them (NTE).

Decides what of them is narrative under a heading and what a value behind its name, in which order they stand, and what
cannot be read; where it is uncertain where a text ends, none of it is taken.
Fields: HL7 v2.5.1 chapter 7 (OBX).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.patients import SourcePatient
from pipeline.readers.cda.documents import is_cda
from pipeline.readers.cda.notes import inner_text
from pipeline.readers.hl7v2.fields import in_words
from pipeline.readers.hl7v2.messages import Segment
from pipeline.readers.hl7v2.times import iso_of
from pipeline.readers.plain_text.charsets import decode
from pipeline.readers.plain_text.content_kind import NotText, as_plain_text, binary_kind
from pipeline.readers.plain_text.html import heading
from pipeline.readers.reader import Authority, RawRecord, ReadItem, UnreadableRecord
from pipeline.records import NoteVersion

INSIDE_BYTES = 64 * 1024
"""Of a document inside a message, looked at for what it is."""

VALUE_CHARACTERS_MAX = 60

_SUFFIXES = {  # of an observation's identifier, as in 71020&IMP
    "IMP": "Impression",
    "GDT": "Description",
    "MDT": "Microscopic description",
    "REC": "Recommendation",
    "ADT": "Addendum",
    "TCM": "Technician's comment",
}

_LINES = frozenset(("TX", "FT", ""))
_NARRATIVE = _LINES | {"ED", "RP"}
_WORDS = frozenset(("ST", "CE", "CWE", "CNE", "CF", "IS", "ID", "ED", "RP"))
_SAYING = _LINES | _WORDS
_UNIT = re.compile(r"(?:\S{0,20}(?:\^[^|]*)?)?")
_TILDE = re.compile(r"(?<! )~|~(?!\d)")
"""A repetition in a text. " ~5 cm" is none: a sender that left it unescaped means "about"."""


@dataclass(frozen=True, slots=True)
class UnreadableObservation:
    reason: str
    remedy: str
    whole: bool = False
    """True where what was lost cannot be told, so that the whole note is refused."""


@dataclass(slots=True)
class MessageText:
    """What the observations of a document say."""

    content: str = ""
    names: list[str] = field(default_factory=list)
    """What the observations are called, each name once."""
    observations: int = 0
    deleted: int = 0
    """Observations that the source deleted or posted as wrong."""
    worded: bool = False
    """False where there are only figures."""
    unread: list[UnreadableObservation] = field(default_factory=list)
    first: Segment | None = None

    @property
    def left_out(self) -> str | None:
        parts = [f"lines deleted or posted as wrong: {self.deleted}"] if self.deleted else []
        return "; ".join([*parts, *(unread.reason for unread in self.unread)]) or None

    @classmethod
    def of(cls, lines: list[Segment], numbers: frozenset[str]) -> MessageText:
        """Observations and the comments under them, in the order of their set ids. `numbers` are the patient's: a
        document inside an observation must have one of them."""
        text = cls()
        lines = _in_order(lines)
        values = {id(line): _value(line, numbers) for line in lines if line.name == "OBX" and _stands(line)}
        said = [line for line in lines if _is_said(values.get(id(line)))]
        text.observations = sum(line.name == "OBX" for line in lines)
        text.deleted = text.observations - len(values)
        text.unread = [value for value in values.values() if isinstance(value, UnreadableObservation)]
        text.first = said[0] if said else None
        called = {line.raw(3): _name(line) for line in said}
        text.names = list(dict.fromkeys(filter(None, called.values())))
        text.worded = any(line.text(2).upper() in _SAYING for line in said)
        text._write(lines, values, said, called)
        return text

    def _write(
        self,
        lines: list[Segment],
        values: Mapping[int, str | UnreadableObservation],
        said: list[Segment],
        called: Mapping[str, str],
    ) -> None:
        identifiers = Counter(line.raw(3) for line in said)
        headed = len(set(called.values())) > 1
        pieces: list[str] = []
        above = ""
        stands = True
        for line in lines:
            if line.name == "NTE":
                comment = "\n".join(_lines(line, 3)).strip() if stands else ""
                pieces += [comment] if comment else []
                self.worded = self.worded or bool(comment)
                continue
            value = values.get(id(line))
            stands = value is not None
            if not isinstance(value, str):
                continue
            name = called.get(line.raw(3)) or ""
            if not _is_narrative(line, value, repeated=identifiers[line.raw(3)] > 1):
                pieces += [_labelled(line, name, value)] if value else []
                continue
            if headed and name and name != above and value.strip():
                pieces += ["", heading(name)]
                above = name
            pieces.append(value)
        self.content = "\n".join(pieces).strip("\n")


def note_of(
    position: str,
    columns: dict[str, Any],
    text: MessageText,
    version: NoteVersion | None,
    authority: Authority | None,
    patient: SourcePatient | None,
) -> ReadItem:
    uncertain = [unread for unread in text.unread if unread.whole]
    if uncertain or (not text.content and text.unread):
        unread = (uncertain or text.unread)[0]
        return UnreadableRecord(position, unread.reason, unread.remedy, resource_id=columns["resource_id"])
    if not text.content:
        return UnreadableRecord(
            position,
            "The message has no text.",
            "Its observations (OBX-5) are empty. Have the interface send the text with the message.",
            resource_id=columns["resource_id"],
        )
    return RawRecord(position, columns, note=True, version=version, authority=authority, patient=patient)


def _stands(line: Segment) -> bool:
    """False for an observation that was deleted (D) or posted as wrong (W)."""
    return line.text(11).upper() not in {"D", "W"}


def _is_said(value: str | UnreadableObservation | None) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_narrative(line: Segment, value: str, *, repeated: bool) -> bool:
    """Text under a heading; otherwise a value behind its name. A text with a unit is a value that was sent as text, and
    a long string is a text that was sent as a value."""
    kind = line.text(2).upper()
    if kind in _LINES:
        return not line.text(6)
    return kind in _NARRATIVE or (kind == "ST" and (repeated or len(value) > VALUE_CHARACTERS_MAX))


def _in_order(lines: list[Segment]) -> list[Segment]:
    """Lines by their set ids where each observation has one of its own and they got out of order; a comment stays
    with its observation."""
    ids = [line.raw(1).strip() for line in lines if line.name == "OBX"]
    if not all(one.isdecimal() and one.isascii() and len(one) < 10 for one in ids):
        return lines
    numbers = [int(one) for one in ids]
    if numbers == sorted(numbers) or len(set(numbers)) < len(numbers):
        return lines
    order: list[tuple[int, Segment]] = []
    number = -1
    for line in lines:
        number = int(line.raw(1)) if line.name == "OBX" else number
        order.append((number, line))
    return [line for _, line in sorted(order, key=lambda one: one[0])]


def _name(line: Segment) -> str:
    """What an observation is called: the suffix of its identifier in words, else its text."""
    identifier = line.message.subcomponents(line.raw(3).split(line.message.marks.component)[0])
    suffix = _SUFFIXES.get(identifier[1].upper(), "") if len(identifier) > 1 else ""
    return suffix or " ".join(in_words(line, 3).split())


def _labelled(line: Segment, name: str, value: str) -> str:
    """ "Haemoglobin: 9.1 g/dL (13.0-17.0) L" """
    units, limits, flag = line.text(6), line.text(7), line.text(8)
    said = " ".join(
        filter(None, (value, units, f"({limits})" if limits else "", "" if flag == "N" else flag))
    )
    return f"{name}: {said}" if name else said


def _value(line: Segment, numbers: frozenset[str]) -> str | UnreadableObservation:
    """The value of an observation in words."""
    kind = line.text(2).upper()
    message = line.message
    if kind in _LINES and not _UNIT.fullmatch(line.raw(6)):
        return UnreadableObservation(
            "The text holds a delimiter that is not escaped.",
            "The field behind it (OBX-6) is no unit but more of the text, so where it ends is not certain. Correct the "
            "sender: in a text | is written \\F\\.",
            whole=True,
        )
    if kind in _LINES or kind == "ST":
        return "\n".join(_lines(line, 5))
    if kind == "ED":
        text = _encapsulated(line, numbers)
        plain = as_plain_text(text) if isinstance(text, str) else text
        return UnreadableObservation(plain.reason, plain.remedy) if isinstance(plain, NotText) else plain
    if kind == "RP":
        return UnreadableObservation(
            "The document is a link.",
            "Its observation (OBX-2 RP) points to a file. Have the interface send the text itself (TX, FT or ED).",
        )
    values = line.repetitions(5)
    if kind in {"CE", "CWE", "CNE", "CF"}:
        words = [
            next(filter(None, (message.component(one, place) for place in (2, 9, 5, 1))), "")
            for one in values
        ]
    elif kind == "SN":
        words = [
            " ".join(filter(None, (message.component(one, place) for place in range(1, 5)))) for one in values
        ]
    elif kind in {"DT", "TS", "DTM"}:
        words = [iso_of(message.component(one, 1)) or "" for one in values]
    else:
        words = [
            " ".join(filter(None, map(message.unescaped, one.split(message.marks.component))))
            for one in values
        ]
    return "; ".join(filter(None, words))


def _lines(line: Segment, number: int) -> list[str]:
    """A text field: its repetitions are lines; delimiters of smaller parts are characters of the text."""
    written = line.raw(number)
    mark = line.message.marks.repetition
    parts = _TILDE.split(written) if mark == "~" else written.split(mark)
    return [line.message.unescaped(part).rstrip() for part in parts]


def _encapsulated(line: Segment, numbers: frozenset[str]) -> str | UnreadableObservation:
    """ED: source, type, subtype, encoding, data."""
    message = line.message
    written = line.raw(5)
    kind = f"{message.component(written, 2)}/{message.component(written, 3)}".lower()
    encoding = message.component(written, 4).lower()
    data = message.component(written, 5)
    if encoding not in {"base64", "hex"}:
        return data
    try:
        packed = "".join(data.split())
        raw = base64.b64decode(packed, validate=True) if encoding == "base64" else bytes.fromhex(packed)
    except (binascii.Error, ValueError):
        return UnreadableObservation("The document's data is not valid base64.", "Send the message again.")
    if is_cda(raw[:INSIDE_BYTES]):
        inside = inner_text(raw, numbers)
        return (
            UnreadableObservation(inside.reason, inside.remedy, whole=True)
            if isinstance(inside, UnreadableRecord)
            else inside
        )
    if binary_kind(raw) or b"\0" in raw:
        return UnreadableObservation(
            "The document is not text.",
            f"It is {kind[:80].strip('/') or 'binary'}. Have the interface send text, or convert it to text first.",
        )
    try:
        return decode(raw, message.codec)
    except UnicodeDecodeError:
        return UnreadableObservation(
            "The message's bytes are not in the character set it names.",
            f"The data of its observation does not fit {message.codec}. Name the right character set in MSH-18.",
        )
