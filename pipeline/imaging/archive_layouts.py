"""How published archives and exporters name their folders and files.

Decides by shape alone which part of a path is an archive's own id: that of a random hash, of a film of NIH's, of a
counter, and in MIMIC-CXR's folders (p10/p10000032/s50414267/ID.dcm) of a patient and a study. A number that stands in
no such layout may be anyone's. Refuses to know which of these ids may be given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_HASH = re.compile(
    r"(?=.*\d)(?=.*[a-f])(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
_DICOM_ID = re.compile(r"(?=.*[a-f])[0-9a-f]{8}(?:-[0-9a-f]{8}){4}")
_NIH_FILM = re.compile(r"000\d{5}_\d{3}")
_COUNTED_FILE = re.compile(r"IM-\d{4}-\d{4}(?:-\d{4})?")
"""As OsiriX and Horos write exports: series and image, counted."""
_GROUP = re.compile(r"p\d{2}")
_PATIENT = re.compile(r"p\d{8}")
_STUDY = re.compile(r"s\d{8}")


@dataclass(frozen=True, slots=True)
class MimicFolders:
    """What MIMIC-CXR's folders say of a file in them."""

    patient_id: str
    study_id: str
    at: int
    """The number of the first of the three parts, counted from 0."""


def mimic_folders(parts: Sequence[str]) -> MimicFolders | None:
    """The three folders above a file, from the parts of its path; None where these are others."""
    for at, (group, patient, study) in enumerate(zip(parts, parts[1:], parts[2:-1], strict=False)):
        if _GROUP.fullmatch(group) and _PATIENT.fullmatch(patient) and _STUDY.fullmatch(study):
            return MimicFolders(patient[1:], study[1:], at) if patient.startswith(group) else None
    return None


def is_dicom_id(name: str) -> bool:
    """Whether a file's name, without suffix, is of the shape of MIMIC-CXR's ids of images."""
    return _DICOM_ID.fullmatch(name) is not None


def is_archive_id(name: str) -> bool:
    """Whether a name, without suffix, is one that an archive or an exporter makes and that says nothing of a person."""
    return any(shape.fullmatch(name) for shape in (_HASH, _DICOM_ID, _NIH_FILM, _COUNTED_FILE))
