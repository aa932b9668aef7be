"""Notes of no patient, for what is indexed on a host."""

from __future__ import annotations

import itertools
import json

NUMBER = 12


def written(number: int = NUMBER) -> str:
    """One note a line."""
    findings = itertools.cycle(
        (
            "Blood pressure was 128 over 76 and the pulse was regular.",
            "Allopurinol 100 mg once daily is continued for gout.",
            "The chest film shows no infiltrate and no effusion.",
        )
    )
    rows = (
        {
            "resource_id": f"note-{at:03}",
            "patient_id": f"patient-{at % 4}",
            "document_type": "Visit note",
            "date": f"2026-03-{at + 1:02}",
            "text_content": f"Visit {at}. {next(findings)} Next visit in {at % 9 + 2} weeks.",
        }
        for at in range(number)
    )
    return "".join(json.dumps(row) + "\n" for row in rows)
