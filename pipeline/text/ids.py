"""What stands for no id of a patient or a note, whoever wrote it: one judgement for notes and for images.

Decides by the words alone: taken for ids they would make one patient of many. Refuses to know which column or header
field they stand in.
"""

from __future__ import annotations

import re
from typing import Final

EMPTY_WORDS: Final = frozenset(("", "null", "none", "nan", "nat", "n/a", "<na>", "\\n"))
"""What exports write where there is nothing. As a patient's id, "nan" would make one patient of many."""

_NO_IDS: Final = EMPTY_WORDS | {
    *(
        "unknown",
        "unk",
        "undefined",
        "(null)",
        "[null]",
        "-",
        "--",
        "?",
        "n.a.",
        "not available",
        "not known",
    ),
    *("unbekannt", "nicht bekannt", "inconnu", "desconocido", "desconhecido", "sconosciuto", "onbekend"),
    *("#n/a", "#ref!", "#value!", "#name?", "#num!", "#null!", "#div/0!", "#calc!", "#spill!"),
}
"""What people and programs write where they have no id: it would make one patient of many."""

_NO_IMAGE_IDS: Final = frozenset(
    (
        *("anonymous", "anonymized", "anonymised", "anonym", "anon", "anonymous patient", "deidentified"),
        *("de-identified", "removed", "redacted", "patient", "test", "xxx", "xxxx", "xxxxx"),
    )
)
"""What programs that clean images write into the header in the place of the id."""

ID_CHARACTERS_MAX: Final = 200
"""Longer ones are text in the wrong column. The stores' columns are no wider either."""

_NOUGHTS: Final = re.compile(r"[0 .-]+")
_ROUNDED: Final = re.compile(r"[+-]?\d(?:[.,]\d+)?[Ee]\+\d{1,3}|#{3,}")
"""A long number as spreadsheets save it, 1.23457E+12: its last digits are gone, and with them who it was."""


def is_no_id(written: str) -> bool:
    return written.strip().casefold() in _NO_IDS


def is_no_image_id(written: str) -> bool:
    """Of a table beside images: whether it says no more than that there is some patient."""
    return is_no_id(written) or written.strip().casefold() in _NO_IMAGE_IDS


def is_no_header_id(written: str) -> bool:
    """The same of an image's header, in which nothing but noughts is no number either: a table may begin at 0."""
    plain = written.strip("\0 ")
    return is_no_image_id(plain) or _NOUGHTS.fullmatch(plain) is not None


def is_rounded(written: str) -> bool:
    """Whether a spreadsheet has saved it as a number: several ids have become one."""
    return _ROUNDED.fullmatch(written.strip()) is not None
