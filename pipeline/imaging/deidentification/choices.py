"""The options of PS3.15 that a deployment chooses, and how a data set says which were taken.

Decides which attributes an option brings back that the basic profile removes, and the codes and words of the method
(0012,0062), (0012,0063) and (0012,0064). Refuses to know how values are changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.imaging.deidentification.profile import EDITION

if TYPE_CHECKING:
    from pipeline.config import DeidentificationSettings

DATE_KEYWORDS = frozenset(
    """
    StudyDate StudyTime SeriesDate SeriesTime AcquisitionDate AcquisitionTime AcquisitionDateTime ContentDate
    ContentTime
    """.split()
)
"""Dates of care, which are kept or moved; every other date follows the basic profile or goes."""
DESCRIPTION_KEYWORDS = frozenset(
    "StudyDescription SeriesDescription ProtocolName RequestedProcedureDescription".split()
)

_METHODS: Mapping[str, str] = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113105": "Clean Descriptors Option",
    "113106": "Retain Longitudinal Temporal Information Full Dates Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113110": "Retain UIDs Option",
}
"""Codes of DCM, context group 7050, with their meanings."""


def method_codes(settings: DeidentificationSettings) -> Mapping[str, str]:
    """Code to meaning of what was done to a header, in the order of the codes. Pixels are not in it: whether they were
    cleaned is known of each image, after its header."""
    taken = {
        "113100": True,
        "113105": settings.descriptions == "clean",
        "113106": settings.dates == "keep",
        "113107": settings.dates == "shift",
        "113110": settings.uids == "keep",
    }
    return {code: _METHODS[code] for code, chosen in taken.items() if chosen}


def method_in_words(settings: DeidentificationSettings) -> str:
    """At most 64 characters, as (0012,0063) has them."""
    kept = ", patient id kept" if settings.patient_id == "keep" else ""
    return f"Chartwell, PS3.15 {EDITION} basic profile{kept}"


def identity_is_removed(settings: DeidentificationSettings) -> bool:
    """Whether a data set may say that its patient cannot be known from it."""
    return settings.patient_id == "map"
