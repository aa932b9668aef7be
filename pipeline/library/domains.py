"""Which domain the library may have: its name, its texts, how long it keeps documents.

Decides lengths, and that no text has characters that are not shown: a domain's topic is judged by and its prompt is
read by a model, and an administrator must see the whole of both. Knows no database.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import BadRequest
from pipeline.library.metadata import is_hidden
from pipeline.library.versions import LibraryDomain

NAME_CHARACTERS_MAX = 400
"""As a domain of notes."""
TEXT_CHARACTERS_MAX: Mapping[str, int] = {"description": 2000, "owner": 200, "topic": 1000, "prompt": 4000}
RETENTION_DAYS_MAX = 36_500


def require_domain(domain: LibraryDomain) -> None:
    """Raises BadRequest, naming the field, for what no domain has."""
    _require_name(domain.name)
    for field, most in TEXT_CHARACTERS_MAX.items():
        _require_text(field, getattr(domain, field), most)
    days = domain.retention_days
    if days is not None and not 1 <= days <= RETENTION_DAYS_MAX:
        raise BadRequest(
            f"A domain keeps its documents for 1 to {RETENTION_DAYS_MAX:,} days, or for ever.",
            remedy="Give whole days, or none.",
        )


def _require_name(name: str) -> None:
    if not name or name != name.strip() or len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
        raise BadRequest(
            f"A domain's name has 1 to {NAME_CHARACTERS_MAX} characters that are shown, and no blank at its ends.",
            remedy="Choose another name.",
        )


def _require_text(field: str, text: str, most: int) -> None:
    if len(text) > most:
        raise BadRequest(f"The {field} of a domain has at most {most:,} characters.", remedy="Shorten it.")
    if any(is_hidden(each) for each in text if each not in "\n\t"):
        raise BadRequest(
            f"The {field} of a domain has characters that are not shown.", remedy="Type it again."
        )
