"""Ids that stand for others: the same each time, by the deployment's key alone.

Decides how a DICOM UID, a patient's id and any other text are mapped. UIDs that the standard registers (kinds of
objects, transfer syntaxes) say nothing of anyone and stay. Refuses to know which ids are mapped.
"""

from __future__ import annotations

import re
import uuid

from pipeline.imaging.deidentification.key import DeidentificationKey

_PATIENT_DIGITS = 20
_TOKEN_DIGITS = 12
_MAPPED = re.compile(rf"P[0-9a-f]{{{_PATIENT_DIGITS}}}")


def map_uid(key: DeidentificationKey, uid: str) -> str:
    """A valid UID below 2.25 (a UUID as a number) for one that may tell of a place or a day; "" for "".

    Two UIDs that differ only in what DICOM pads with are one.
    """
    plain = uid.strip("\0 ")
    if not plain or is_registered(plain):
        return plain
    return f"2.25.{uuid.UUID(bytes=key.digest('uid', plain)[:16], version=5).int}"


def is_registered(uid: str) -> bool:
    """Whether the standard itself gives this UID a meaning."""
    from pydicom.uid import UID

    return UID(uid).name != uid


def map_patient_id(key: DeidentificationKey, patient_id: str) -> str:
    """ "P" and 20 hex digits for a patient's id; "" for ""."""
    plain = patient_id.strip()
    return f"P{key.digest('patient', plain).hex()[:_PATIENT_DIGITS]}" if plain else ""


def is_mapped_patient_id(patient_id: str) -> bool:
    """Whether it has the shape of what `map_patient_id` gives."""
    return _MAPPED.fullmatch(patient_id) is not None


def token_for(key: DeidentificationKey, text: str) -> str:
    """12 hex digits that stand for any other text."""
    return key.digest("token", text).hex()[:_TOKEN_DIGITS]
