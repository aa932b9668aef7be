"""Whether one patient's number comes from two authorities in one run.

Two hospitals give the same number to two people. A source that names who gave a number is believed; a second
authority for the same bare number is a clash, which the reader refuses, because the notes of two people would become
one patient's. Authorities are compared only within one way of naming them (an OID, a name, a server's address): how
a hospital is called in one format says nothing of its name in another. Refuses to know formats.
"""

from __future__ import annotations

from collections import OrderedDict

NUMBERS_MAX = 200_000
"""Numbers remembered, those last seen; about 60 MB at most."""


class PatientAuthorities:
    """What this run has seen: for each bare number and way of naming, who gave it."""

    def __init__(self, numbers_max: int = NUMBERS_MAX) -> None:
        self._seen: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._numbers_max = numbers_max

    def clash(self, patient_id: str, naming: str, authority: str) -> str | None:
        """The other authority that gave this number earlier in the run; None where this one did, or none."""
        key = (naming, patient_id)
        first = self._seen.setdefault(key, authority)
        self._seen.move_to_end(key)
        if len(self._seen) > self._numbers_max:
            self._seen.popitem(last=False)
        return None if first == authority else first
