"""Names of files and folders without the names of people.

Decides which part of a path may name someone: one that repeats an identifier of the image, one that looks like a first
name and a surname, and below the folder that was named on the command line every one that no list knows. Such a part is
given as "~" and a code of the deployment's key, so that the same folder has the same code everywhere and who holds the
key and the files finds it again. Refuses to open files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from pipeline.imaging.deidentification.identifiers import Identifiers
from pipeline.imaging.deidentification.key import DeidentificationKey
from pipeline.imaging.deidentification.pseudonyms import token_for
from pipeline.imaging.deidentification.vocabulary import is_row_of_terms, says_nothing_of_a_person

MASK = "~"
_SUFFIX = re.compile(r"(?:\.[A-Za-z][A-Za-z0-9]{1,5}){1,2}$")
_SUFFIXES = frozenset(".dcm .dicom .ima .png .jpg .jpeg .nii .gz .zip .tar".split())
_PIECE = re.compile(r"[^\W\d_]+|\d+")
_ID = re.compile(r"[A-Za-z]{0,4}[-_]?\d[\d.\-_]*|[0-9a-f]{8,}|(?=.*\d)[0-9a-f-]{32,64}")
_DATE = re.compile(r"(?<!\d)(?:19|20)\d{2}[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])(?!\d)")


def clean_source(
    path: str,
    *,
    key: DeidentificationKey,
    identifiers: Identifiers,
    inside: str = "",
    dates_stay: bool = True,
) -> str:
    """A path as it may be given. `inside` is its end below the folder that was named; "" for a file named itself.

    An id that is not one of `identifiers` stays: who may give the patient's id takes it out of them first.
    """
    parts = PurePath(path).parts
    strict_from = len(parts) - len(PurePath(inside).parts)
    return str(
        PurePath(
            *(
                part
                if part in {"/", ".", ".."}
                or _may_stay(part, identifiers, strict=at >= strict_from, dates=dates_stay)
                else _mask(part, key, last=at == len(parts) - 1)
                for at, part in enumerate(parts)
            )
        )
    )


def locate_source(cleaned: str, key: DeidentificationKey) -> Path | None:
    """The file that `clean_source` gave that path for, by looking into the folders; None where it is gone."""
    at = Path("/") if cleaned.startswith("/") else Path()
    return _descend(at, [part for part in PurePath(cleaned).parts if part != "/"], key)


def _descend(at: Path, parts: Sequence[str], key: DeidentificationKey) -> Path | None:
    for number, part in enumerate(parts):
        if part.startswith(MASK) and at.is_dir() and not (at / part).exists():
            last = number == len(parts) - 1
            found = next((each for each in at.iterdir() if _mask(each.name, key, last=last) == part), None)
            if found is None:
                return None
            at = found
        else:
            at /= part
    return at if at.exists() else None


def _mask(part: str, key: DeidentificationKey, *, last: bool) -> str:
    return f"{MASK}{token_for(key, part)}{_known_suffix(part) if last else ''}"


def _may_stay(part: str, identifiers: Identifiers, *, strict: bool, dates: bool) -> bool:
    stem = part.removesuffix(_known_suffix(part))
    if identifiers.are_in(stem) or (not dates and _DATE.search(stem)):
        return False
    if _ID.fullmatch(stem):
        return True
    unknown = [word for word in _PIECE.findall(stem) if len(word) > 1 and not _is_known(word)]
    letters = [word for word in unknown if not word.isdigit()]
    return not letters if strict else len(letters) < 2


def _is_known(word: str) -> bool:
    return word.isdigit() or says_nothing_of_a_person(word) or is_row_of_terms(word)


def _known_suffix(part: str) -> str:
    found = _SUFFIX.search(part)
    while found:
        if all(f".{each}" in _SUFFIXES for each in found.group().lower().split(".")[1:]):
            return found.group()
        found = _SUFFIX.search(part, found.start() + 1)
    return ""
