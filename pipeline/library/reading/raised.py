"""Raised digits, so that a power or the number of a footnote is never read as part of a number: 10⁹ is not 109.

Decides which raised letters are told apart: digits and signs behind a digit. Those behind a word change no figure.
"""

from __future__ import annotations

import re

MARK = "\0"
"""Stands before raised letters until the text before them is known; no XML has it."""

_BEHIND_DIGIT = re.compile(rf"(?<=\d)(\s?)((?:{MARK}[\d+\-\u2212\u2013]+)+)")
_RAISED = str.maketrans("0123456789+-\u2212\u2013", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻")


def raised(text: str) -> str:
    """With digits and signs as raised ones."""
    return text.translate(_RAISED)


def is_raisable(text: str) -> bool:
    """Whether it is digits and signs alone."""
    return bool(re.fullmatch(r"[\d+\-\u2212\u2013]+", text))


def resolved(text: str) -> str:
    """With the marks taken out, and what is raised behind a digit written so."""
    return _BEHIND_DIGIT.sub(lambda found: found[1] + raised(found[2].replace(MARK, "")), text).replace(
        MARK, ""
    )
