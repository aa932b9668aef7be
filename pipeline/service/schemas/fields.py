"""What every body that comes in or goes out is made of: texts, ids, days, and how an example is given.

Refuses to know any subject.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

TEXT_CHARACTERS_MAX = 20_000
"""Of a question, whatever the settings say: so it fits into a body with everything else in it."""
ID_CHARACTERS_MAX = 512
LIST_MAX = 100


def storable_text(text: str) -> str:
    """The same text. Raises ValueError where a database could not keep it."""
    if "\x00" in text:
        raise ValueError("may not contain the character NUL")  # PostgreSQL keeps none
    if not text.isprintable() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must be valid Unicode, without half of a surrogate pair")
    return text


Text = Annotated[str, AfterValidator(storable_text)]
Id = Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS_MAX), AfterValidator(storable_text)]
Ids = Annotated[list[Id], Field(max_length=LIST_MAX)]


def _written(value: object) -> object:
    """Numbers are moments to pydantic, counted from 1970. Here they are mistakes."""
    if not isinstance(value, str) or not re.match(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("must be written as in ISO 8601, YYYY-MM-DD first")
    return value


Day = Annotated[date, Field(strict=False), BeforeValidator(_written)]
Timestamp = Annotated[AwareDatetime, BeforeValidator(_written)]


class Body(BaseModel):
    """What a client sends: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


def example(value: dict[str, Any], *, body: bool = False) -> ConfigDict:
    """The configuration of a model with an example; `body`: as in Body, which it would replace."""
    config = ConfigDict(json_schema_extra={"examples": [value]})
    return ConfigDict(**config, extra="forbid", strict=True) if body else config
