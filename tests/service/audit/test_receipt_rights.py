"""Who may read whose receipt."""

from __future__ import annotations

from pathlib import Path

from pipeline.service.access.visibility import Visibility
from tests.service.running import QUESTION, copied, running, settings_in


def test_a_reviewer_reads_receipts_of_those_who_see_no_more_than_they_do(
    indexed: Path, tmp_path: Path
) -> None:
    with running(settings_in(copied(indexed, tmp_path / "data"))) as service:
        everything, one = Visibility(None, None), Visibility(frozenset({"cardiology"}), None)
        receipts = {}
        for name, sees in (("all", everything), ("one", one)):
            said = service.client(service.key(sees=sees)).post("/v1/ask", json={"question": QUESTION}).json()
            receipts[name] = said["receipt_id"]
        officer = service.client(service.key("reviewer", sees=everything))
        restricted = service.client(service.key("reviewer", sees=one))
        for name in receipts:
            assert officer.get(f"/v1/receipts/{receipts[name]}").json()["question"] == QUESTION
        assert restricted.get(f"/v1/receipts/{receipts['one']}").json()["question"] == QUESTION
        refused = restricted.get(f"/v1/receipts/{receipts['all']}")
        unknown = restricted.get(f"/v1/receipts/{'0' * 32}")
        assert refused.status_code == unknown.status_code == 404
        assert refused.json()["detail"] == unknown.json()["detail"]
        rows = officer.get("/v1/audit?action=receipt-read").json()["rows"]
        assert [row["outcome"] for row in rows].count("refused") == 1
