"""A DICOM header without what tells of a person or a place.

Decides the order of rules for each element, at any depth: groups that never leave, the profile's action, the options a
deployment chose, and for what the profile does not name its kind of value: free text, bytes, names and addresses go,
codes, numbers and short texts stay unless they repeat an identifier. Refuses to know pixels and files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.imaging.deidentification.choices import (
    DATE_KEYWORDS,
    DESCRIPTION_KEYWORDS,
    identity_is_removed,
    method_codes,
    method_in_words,
)
from pipeline.imaging.deidentification.dates import PatientDates, time_of_day
from pipeline.imaging.deidentification.elements import add_element, readable_elements, texts_of
from pipeline.imaging.deidentification.free_text import keep_harmless_words
from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.profile import Action, action_for, may_be_given
from pipeline.imaging.deidentification.vocabulary import says_nothing_of_a_person

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

    from pipeline.config import DeidentificationSettings

PLACEHOLDER = "REMOVED"
_SEARCHED = frozenset({"CS", "DS", "IS", "LO", "SH"})
_NUMBERS = frozenset({"FL", "FD", "SL", "SS", "UL", "US", "SV", "UV", "AT"})


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """How one patient's headers are cleaned."""

    settings: DeidentificationSettings
    identifiers: Identifiers
    dates: PatientDates
    patient_id: str
    """As it may be given."""
    map_uid: Callable[[str], str]

    def clean(self, dataset: Dataset) -> Dataset:
        """A new data set of what may be given, with the flags of the method. Never pixels, bytes or a file's meta."""
        cleaned = self._clean_items(dataset)
        cleaned.PatientID = self.patient_id
        self._flag(cleaned)
        return cleaned

    def _clean_items(self, dataset: Dataset) -> Dataset:
        from pydicom.dataset import Dataset

        cleaned = Dataset()
        for element in readable_elements(dataset, groups=may_be_given):
            named = element.keyword and element.tag.element != 0
            value = self._value(element) if named else None
            if value is not None:
                add_element(cleaned, element, value)
        return cleaned

    def _value(self, element: DataElement) -> Any:
        """None where the element goes altogether, an empty value where the profile empties it."""
        if element.keyword in DATE_KEYWORDS:
            return self._date(element)
        if element.keyword in DESCRIPTION_KEYWORDS:
            return self._description(element)
        action = action_for(int(element.tag))
        return self._kept(element) if action is None else self._acted_on(element, action)

    def _acted_on(self, element: DataElement, action: Action) -> Any:
        match action:
            case "remove":
                return None
            case "map":
                return self._uid(element) if element.VR == "UI" else None
            case "empty":
                return [] if element.VR == "SQ" else ""
            case "replace":
                return PLACEHOLDER if element.VR in {"LO", "SH"} else None

    def _kept(self, element: DataElement) -> Any:
        """What the profile does not name."""
        if element.VR == "SQ":
            return [self._clean_items(item) for item in element.value]
        if element.VR == "UI":
            return self._uid(element)
        if element.VR in _NUMBERS:
            return element.value
        if element.VR not in _SEARCHED:
            return None
        texts = texts_of(element)
        return None if any(self._repeats(text, element.VR) for text in texts) else element.value

    def _repeats(self, text: str, vr: str) -> bool:
        """Whether it repeats an identifier: not where a code is a term that any patient's image may have ("HAND")."""
        if vr == "CS" and all(says_nothing_of_a_person(word) for word in text.replace("_", " ").split()):
            return False
        return self.identifiers.are_in(text)

    def _date(self, element: DataElement) -> str | None:
        if self.dates.policy == "remove":
            return None
        text = next(iter(texts_of(element)), "")
        return time_of_day(text) if element.VR == "TM" else self.dates.value(text)

    def _description(self, element: DataElement) -> str | None:
        if self.settings.descriptions == "remove":
            return None
        return keep_harmless_words(" ".join(texts_of(element)), self.identifiers)

    def _uid(self, element: DataElement) -> list[str]:
        return [self.map_uid(uid) for uid in texts_of(element)]

    def _flag(self, cleaned: Dataset) -> None:
        from pydicom.dataset import Dataset

        cleaned.PatientIdentityRemoved = "YES" if identity_is_removed(self.settings) else "NO"
        cleaned.DeidentificationMethod = method_in_words(self.settings)
        codes = []
        for code, meaning in method_codes(self.settings).items():
            item = Dataset()
            item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", meaning
            codes.append(item)
        cleaned.DeidentificationMethodCodeSequence = codes
