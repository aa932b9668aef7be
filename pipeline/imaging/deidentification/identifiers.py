"""The identifiers that a data set itself gives: names of persons, ids, addresses; and whether a text repeats one.

Decides which attributes name a person or a case wherever they stand, nested and private ones too, and that a text
repeats them in any case and order, without accents, with or without blanks. Refuses to know what then becomes of the
text, and identifiers that the data set does not give elsewhere: `vocabulary` is for those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.imaging.deidentification.elements import readable_elements, texts_of
from pipeline.text.person_names.names import GENERATIONS, PARTICLES, SUFFIXES, TITLES, keys

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

ID_CHARACTERS_MIN = 4
"""A shorter id ("1", "OB") stands in any text; it is found only where it is the whole text."""
NAME_INSIDE_MIN = 5
"""A shorter name stands inside other words ("Ann" in "annual"); it is found as a word of its own, or with another."""

ID_KEYWORDS = frozenset(
    """
    PatientID OtherPatientIDs IssuerOfPatientID AccessionNumber AdmissionID ServiceEpisodeID StudyID
    PatientBirthDate PatientBirthTime PatientTelephoneNumbers PersonTelephoneNumbers MedicalRecordLocator
    InsurancePlanIdentification DeviceSerialNumber StationName RequestedProcedureID ScheduledProcedureStepID
    PerformedProcedureStepID PlacerOrderNumberImagingServiceRequest FillerOrderNumberImagingServiceRequest
    PatientBirthDateInAlternativeCalendar DeviceUID DetectorID ResponsibleOrganization
    """.split()
)
PLACE_KEYWORDS = frozenset(
    """
    PatientAddress PersonAddress InstitutionName InstitutionAddress InstitutionalDepartmentName RegionOfResidence
    CountryOfResidence CurrentPatientLocation PatientInstitutionResidence RequestingService Occupation
    """.split()
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_NO_NAMES = GENERATIONS | PARTICLES | SUFFIXES | frozenset(TITLES)


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What must stand in no other text of the same image; every word folded as `keys` does."""

    names: frozenset[str] = frozenset()
    joined_names: frozenset[str] = frozenset()
    """Two words of one name without a blank: "liwu"."""
    ids: frozenset[str] = frozenset()
    """Letters and digits alone."""
    places: frozenset[str] = frozenset()
    """Words with one blank between them."""

    @classmethod
    def of(
        cls, *, names: Iterable[str] = (), ids: Iterable[str] = (), places: Iterable[str] = ()
    ) -> Identifiers:
        """From names, ids and places as they are written."""
        named = [_name_words(name) for name in names]
        return cls(
            frozenset(word for words in named for word in words),
            frozenset(
                first + other for words in named for first in words for other in words if first != other
            ),
            frozenset(filter(None, (_squeezed(each) for each in ids))),
            frozenset(filter(None, (" ".join(_words(place)) for place in places))),
        )

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> Identifiers:
        """All that a DICOM data set gives, at any depth."""
        names, ids, places = _collect(dataset)
        return cls.of(names=names, ids=ids, places=places)

    def and_also(self, other: Identifiers) -> Identifiers:
        return Identifiers(
            self.names | other.names,
            self.joined_names | other.joined_names,
            self.ids | other.ids,
            self.places | other.places,
        )

    def without_id(self, kept: str) -> Identifiers:
        """The same without an id that may be given."""
        return Identifiers(self.names, self.joined_names, self.ids - {_squeezed(kept)}, self.places)

    def are_in(self, text: str) -> bool:
        """Whether a text repeats one of them."""
        words = list(_words(text))
        return self._names_in(words) or self._ids_in("".join(words)) or self._places_in(words)

    def have(self, word: str) -> bool:
        """Whether one word of a text is one of them, or a part of one."""
        return self.are_in(word) or any(
            f" {form} " in f" {place} " for form in keys(word) for place in self.places if len(form) > 2
        )

    def have_id(self, text: str) -> bool:
        """Whether a text repeats one of the ids, with or without blanks and signs."""
        return self._ids_in("".join(_words(text)))

    def _names_in(self, words: list[str]) -> bool:
        if not self.names:
            return False
        together = "".join(words)
        return (
            not self.names.isdisjoint(words)
            or any(
                name in together for name in self.names if len(name) >= NAME_INSIDE_MIN or not name.isascii()
            )
            or any(pair in together for pair in self.joined_names)
        )

    def _ids_in(self, together: str) -> bool:
        return any(
            each in together if len(each) >= ID_CHARACTERS_MIN else each == together for each in self.ids
        )

    def _places_in(self, words: list[str]) -> bool:
        text = f" {' '.join(words)} "
        return any(f" {place} " in text for place in self.places)


def _collect(dataset: Dataset) -> tuple[list[str], list[str], list[str]]:
    names: list[str] = []
    ids: list[str] = []
    places: list[str] = []
    for element in readable_elements(dataset):
        if element.VR == "SQ":
            for item in element.value:
                for mine, theirs in zip((names, ids, places), _collect(item), strict=True):
                    mine.extend(theirs)
        elif element.VR == "PN":
            names.extend(texts_of(element))
        elif element.keyword in ID_KEYWORDS:
            ids.extend(texts_of(element))
        elif element.keyword in PLACE_KEYWORDS:
            places.extend(texts_of(element))
    return names, ids, places


def _name_words(name: str) -> tuple[str, ...]:
    """Words of a name that are no initial, title or particle: "Yamada^Tarou=山田^太郎" has four."""
    words = _words(name.replace("^", " ").replace("=", " "))
    return tuple(dict.fromkeys(word for word in words if len(word) > 1 and word not in _NO_NAMES))


def _words(text: str) -> Iterator[str]:
    """Every word in each of its folded forms."""
    for word in _WORD.findall(text):
        yield from sorted(keys(word))


def _squeezed(text: str) -> str:
    return "".join(_words(text))
