"""A short run of the fuzzer; the long one is `python -m tests.service.fuzz`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.fuzz import fuzz


@pytest.mark.long
def test_nothing_undocumented_and_no_fault(tmp_path: Path) -> None:
    found = fuzz(tmp_path, examples=2, role="administrator", phases="fuzzing")
    print(f"{found.cases} cases")
    assert found.passed, found.output[-6000:]
    assert found.cases >= 60
