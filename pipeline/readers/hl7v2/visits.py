"""Whose an HL7 v2 message is, and which stay it is about.

Decides which of a patient's numbers the note is kept by. Where nothing tells, the number is given in full, so that no
patient is taken for another.
Fields: HL7 v2.5.1 chapter 3 (PID, PV1); table 0203.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.patients import PersonName, SourcePatient
from pipeline.readers.hl7v2.fields import in_words
from pipeline.readers.hl7v2.messages import Hl7Message, Segment
from pipeline.readers.hl7v2.times import iso_of
from pipeline.readers.reader import Authority
from pipeline.text.patients.person_name import named
from pipeline.text.patients.record_fields import birth_date, sex_of

LAST_RESORT = 2
"""The rank of numbers that are taken only where there is no other."""

# Table 0203: numbers that are not a patient's, and those that no hospital keeps its notes by.
_OTHER_NUMBERS = frozenset("AN ANC AND ANT VN VS NPI EI EN LN SL SR BR TAX CC BC ACSN PLAC FILL FI U".split())
_PERSONAL_NUMBERS = frozenset("SS SSN DL PPN MC MA MCD MCR MI".split())
_RECORD_NUMBERS = frozenset(("MR", "MRN", "MRT"))


@dataclass(slots=True)
class Visit:
    """Whose message it is, and which stay it is about."""

    header: Segment
    person: Segment | None
    stay: Segment | None

    def patient(self) -> tuple[str | None, Authority | None]:
        """The medical record number of PID-3 (of PID-2 where that is empty), and who gave it.

        A number of type MR is taken before others of the patient, and never an account's or a visit's. One of social
        security or a licence is taken only where there is no other, and in full. Where two authorities gave one, that
        of the sending facility is taken; else the first, with its authority before it, because the bare number may be
        another patient's.
        """
        numbers = self._numbers(3) or self._numbers(2)
        if not numbers:
            return None, None
        if numbers[0].rank == LAST_RESORT:
            return numbers[0].full, None
        best = [one for one in numbers if one.rank == numbers[0].rank]
        named = [one for one in best if one.authority]
        if len({one.authority.name for one in named if one.authority}) < 2:
            return best[0].number, best[0].authority
        senders = {self.header.text(field, part) for field in (3, 4) for part in (1, 2)} - {""}
        own = [one for one in named if one.authority and one.authority.name in senders]
        if len({one.authority.name for one in own if one.authority}) == 1:
            return own[0].number, own[0].authority
        return named[0].authority.reference if named[0].authority else None, None

    def _numbers(self, place: int) -> list[_Number]:
        """Numbers of the patient, the best kind first."""
        person = self.person
        if person is None:
            return []
        message = person.message
        found = []
        for written in person.repetitions(place):
            number = message.component(written, 1)
            kind = message.component(written, 5).upper()
            if number and kind not in _OTHER_NUMBERS:
                rank = 0 if kind in _RECORD_NUMBERS else LAST_RESORT if kind in _PERSONAL_NUMBERS else 1
                found.append(_Number(number, kind, rank, _authority(message, written, number)))
        return sorted(found, key=lambda one: one.rank)

    def patient_said(self) -> SourcePatient | None:
        """What PID says of the patient: PID-5 to PID-8; None where that is nothing."""
        person = self.person
        if person is None:
            return None
        found = (_name(person.message, written) for written in person.repetitions(5))
        names = tuple(dict.fromkeys(name for name in found if name is not None))
        sex, born = sex_of(person.text(8)), birth_date(iso_of(person.text(7)) or "")
        return SourcePatient("hl7v2", names, sex, born) if names or sex or born else None

    def named(self) -> frozenset[str]:
        """Every number that the message gives the patient."""
        person = self.person
        given = (*person.repetitions(3), *person.repetitions(2)) if person else ()
        return frozenset(person.message.component(one, 1) for one in given) if person else frozenset()

    def number(self) -> str | None:
        """The visit: PV1-19, else the account of PID-18."""
        return (
            (self.stay.text(19) if self.stay else "") or (self.person.text(18) if self.person else "") or None
        )

    def service(self) -> str | None:
        return (in_words(self.stay, 10) or self.stay.text(10) or None) if self.stay else None


def _name(message: Hl7Message, written: str) -> PersonName | None:
    """XPN: surname, first names, others, "Jr."; a surname may have subcomponents, of which the first is all of it."""
    parts = [
        message.subcomponents(part)[0] if part else "" for part in written.split(message.marks.component)[:4]
    ]
    family, given, middle, suffix, *_ = [*parts, "", "", "", ""]
    return named(f"{given} {middle}", family, suffix)


@dataclass(frozen=True, slots=True)
class _Number:
    number: str
    kind: str
    rank: int
    authority: Authority | None

    @property
    def full(self) -> str:
        return self.authority.reference if self.authority else f"{self.kind}|{self.number}"


def _authority(message: Hl7Message, written: str, number: str) -> Authority | None:
    """Who gave a number: its assigning authority, else its assigning facility."""
    parts = written.split(message.marks.component)
    for place in (3, 5):
        names = message.subcomponents(parts[place]) if place < len(parts) else []
        name, universal, *_ = [*names, "", ""]
        if re.fullmatch(r"[0-2](?:\.\d+)+", universal):
            return Authority("oid", universal, f"urn:oid:{universal}|{number}", "oid")
        if name or universal:
            return Authority("name", name or universal, f"{name or universal}|{number}", "name")
    return None
