"""Names of files and folders without the names of people.

Decides which part of a path may name someone: one that repeats an identifier of the image, one that looks like a first
name and a surname, and below the folder that was named on the command line every one that no list knows and every long
number, a date too. What is recognised as an archive's layout stays readable (`archive_layouts`). A part
that may name someone is given as "~" and a code of the deployment's key, so that the same folder has the same code
everywhere and who holds the key and the files finds it again. Refuses to open files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from pipeline.imaging.archive_layouts import is_archive_id, mimic_folders
from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.deidentification.pseudonyms import token_for
from pipeline.imaging.deidentification.vocabulary import is_row_of_terms, says_nothing_of_a_person

MASK = "~"
_SUFFIX = re.compile(r"(?:\.[A-Za-z][A-Za-z0-9]{1,5}){1,2}$")
_SUFFIXES = frozenset(".dcm .dicom .ima .png .jpg .jpeg .nii .gz .zip .tar".split())
_PIECE = re.compile(r"[^\W\d_]+|\d+")
_ID = re.compile(r"[A-Za-z]{0,2}[-_]?\d[\d.\-_]*")
_GROUPED_DIGITS = re.compile(r"\d(?:[\W_]*\d)*")
_DIGITS_ONLY = re.compile(r"[\d\W_]+")
_DIGITS_MAX = 4
"""Of a counter, leading zeros not counted."""
_UID = re.compile(r"\d+(?:\.\d+){4,}")
_DATE = re.compile(r"(?<!\d)(?:19|20)\d{2}[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])(?!\d)")


def clean_source(
    path: str,
    *,
    key: DeidentificationKey,
    identifiers: Identifiers,
    inside: str = "",
    dates_stay: bool = True,
    uids_stay: bool = False,
) -> str:
    """A path as it may be given. `inside` is its end below the folder that was named; "" for a file named itself.

    An id that is not one of `identifiers` stays (who may give the patient's id takes it out of them first), and no UID.
    """
    parts = PurePath(path).parts
    strict_from = len(parts) - len(PurePath(inside).parts)
    forbidden = [form for form, stays in ((_DATE, dates_stay), (_UID, uids_stay)) if not stays]

    mimic = mimic_folders(parts)
    readable = range(0) if mimic is None else range(mimic.at, mimic.at + 2)
    study = None if mimic is None else mimic.at + 2

    def given(at: int, part: str) -> str:
        if part in {"/", ".", ".."} or at == study:  # a study is given with the image, as its report's name
            return part
        if at in readable:
            return _mask(part, key) if identifiers.are_in(part) else part
        strict = at >= strict_from
        long_number = (strict or at == len(parts) - 1) and _is_long_number(part, strict, uids_stay)
        if long_number or not _may_stay(part, identifiers, forbidden, strict=strict):
            return _mask(part, key)
        return part

    return str(PurePath(*(given(at, part) for at, part in enumerate(parts))))


def locate_source(cleaned: str, key: DeidentificationKey) -> Path | None:
    """The file that `clean_source` gave that path for, by looking into the folders; None where it is gone. Of a member
    of an archive the archive."""
    at = Path("/") if cleaned.startswith("/") else Path()
    return _descend(at, [part for part in PurePath(cleaned).parts if part != "/"], key)


def _descend(at: Path, parts: Sequence[str], key: DeidentificationKey) -> Path | None:
    for part in parts:
        if at.is_file():
            return at
        masked = part.startswith(MASK) and at.is_dir() and not (at / part).exists()
        found = _entry(at, part, key) if masked else at / part
        if found is None:
            return None
        at = found
    return at if at.exists() else None


def _entry(folder: Path, masked: str, key: DeidentificationKey) -> Path | None:
    return next((entry for entry in folder.iterdir() if _mask(entry.name, key) == masked), None)


def _mask(part: str, key: DeidentificationKey) -> str:
    return f"{MASK}{token_for(key, part)}{_known_suffix(part)}"


def _may_stay(
    part: str, identifiers: Identifiers, forbidden: Sequence[re.Pattern[str]], *, strict: bool
) -> bool:
    stem = part.removesuffix(_known_suffix(part))
    if identifiers.are_in(stem) or any(form.search(stem) for form in forbidden):
        return False
    if _ID.fullmatch(stem) or is_archive_id(stem):
        return True
    unknown = [word for word in _PIECE.findall(stem) if len(word) > 1 and not _is_known(word)]
    return not unknown if strict else len(unknown) < 2


def _is_long_number(part: str, strict: bool, uids_stay: bool) -> bool:
    """Whether a telephone number, an id or a date may stand in it; not judged strictly, whether it is nothing else."""
    stem = part.removesuffix(_known_suffix(part))
    if is_archive_id(stem) or (uids_stay and _UID.fullmatch(stem)):
        return False
    if not strict and not _DIGITS_ONLY.fullmatch(stem):
        return False
    return any(_significant(run) > _DIGITS_MAX for run in _GROUPED_DIGITS.findall(stem))


def _significant(digits: str) -> int:
    return len(re.sub(r"\D", "", digits).lstrip("0"))


def _is_known(word: str) -> bool:
    return word.isdigit() or says_nothing_of_a_person(word) or is_row_of_terms(word)


def _known_suffix(part: str) -> str:
    found = _SUFFIX.search(part)
    while found:
        if all(f".{each}" in _SUFFIXES for each in found.group().lower().split(".")[1:]):
            return found.group()
        found = _SUFFIX.search(part, found.start() + 1)
    return ""
