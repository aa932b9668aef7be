"""The limit of a measured value that patients are asked for by: "A1c above 8", "BP over 140/90", "hemoglobin of 8.2".

Decides what stands for above and below, and that "of" and nothing mean that very value. Refuses to know measures and
how notes write values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

_LIMIT = re.compile(
    r"^(?:an?\s+|the\s+)?(?P<measure>[^\d,;<>≥≤]*[a-z][\w%-]*(?:\s+[\w-]+)*?)\s*(?:\s(?:is|was|of|at)\s+)?"
    r"(?:(?P<least>>=|≥|at least|(?:greater|higher|more) than or equal to)"
    r"|(?P<most><=|≤|at most|(?:lower|less) than or equal to)"
    r"|(?P<over>>|\b(?:above|over|exceeding|(?:greater|higher|more) than))"
    r"|(?P<under><|\b(?:below|under|(?:lower|less|fewer) than))"
    r"|(?P<just>\b(?:exactly|of)))\s*"
    r"(?P<number>\d+(?:\.\d+)?)(?:\s*/\s*(?P<lower>\d{2,3}))?\s*(?P<unit>%|[a-zµ°][a-zµ/0-9]*)?"
    r"(?:\s+(?P<which>systolic|diastolic))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class AskedLimit:
    """Which values are asked for."""

    measure: str
    how: Literal["above", "below", "exactly"]
    value: Decimal
    equal: bool = False
    """Whether the limit itself counts."""
    lower: Decimal | None = None
    """Of a blood pressure the second limit: one of both is enough."""
    unit: str = ""

    def admits(self, value: Decimal, lower: Decimal | None = None) -> bool:
        """`lower`: the diastolic pressure of a value of two."""
        if self.lower is not None and lower is not None and self._is_beyond(lower, self.lower):
            return True
        return self._is_beyond(value, self.value)

    def _is_beyond(self, value: Decimal, limit: Decimal) -> bool:
        if self.how == "exactly" or (self.equal and value == limit):
            return value == limit
        return value > limit if self.how == "above" else value < limit


def asked_limit(finding: str) -> AskedLimit | None:
    """`finding`: as `QuestionPlan.finding` has it; None where it has no limit."""
    found = _LIMIT.match(finding.strip())
    if found is None:
        return None
    measure = f"{found['which']} {found['measure']}" if found["which"] else found["measure"]
    return AskedLimit(
        measure.strip(),
        "exactly" if found["just"] else "above" if found["over"] or found["least"] else "below",
        Decimal(found["number"]),
        bool(found["least"] or found["most"]),
        Decimal(found["lower"]) if found["lower"] else None,
        (found["unit"] or "").lower(),
    )
