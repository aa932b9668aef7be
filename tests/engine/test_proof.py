"""What of the proof can be held without an engine: its page has every day, and every net can be taken away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engine import bad_days, table
from tests.engine.cli import CHECKOUT
from tests.engine.sabotage import SABOTAGES


def test_the_page_has_every_bad_day_in_order() -> None:
    """`python -m tests.engine.proof --write` writes the table; a day without a row was never run."""
    assert table.titles() == [each.title for each in bad_days.DAYS]


def test_no_two_days_share_a_name() -> None:
    names = [each.name for each in bad_days.DAYS]
    assert len(set(names)) == len(names)


def test_a_row_keeps_what_was_printed_and_stays_one_row() -> None:
    row = {"title": "t", "engine": "e", "user": "a | b *c* <d>", "data": "stood", "cost": "nothing"}
    last = table.table([row]).strip().splitlines()[-1]
    assert last == r"| t | e | *a \| b \*c\* &lt;d>* | stood | nothing |"


@pytest.mark.parametrize("name", SABOTAGES)
def test_every_net_is_where_the_sabotage_looks_for_it(name: str, tmp_path: Path) -> None:
    sabotage = SABOTAGES[name]
    for file, _, _ in sabotage.edits:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / file, tmp_path / file)
    sabotage.apply(tmp_path)
    for file, text, _ in sabotage.edits:
        assert text not in (tmp_path / file).read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="does not hold once"):
        sabotage.apply(tmp_path)
    fits = [each.name for each in bad_days.DAYS if each.name == sabotage.only.strip("^$")]
    assert sabotage.test or fits or sabotage.only.strip("^$") in ("volume", "snapshot", "stop")
