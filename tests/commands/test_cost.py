"""The command for the costs: figures with their source, and reasons where there are none."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import deployed_settings as stacks
from pipeline.config import load_settings
from pipeline.cost import app
from pipeline.monitoring.usage import PresentCosts
from pipeline.pricing import TITLES, Prices, UsageWindow, cost_report, gaps, lines

RUN = CliRunner()
PRICES = {
    "CHARTWELL_COST__RUNNING_USD_PER_HOUR": "1.2484",
    "CHARTWELL_COST__PAUSED_USD_PER_HOUR": "0.0236",
    "CHARTWELL_COST__PLAN": "g5.2xlarge/on-demand/us-east-1/pause-volume",
    "CHARTWELL_COST__PRICES_AS_OF": "2026-11",
}


def kept(folder: Path, hours: float = 2.0, *, until: datetime | None = None) -> Path:
    """A monitor's files: a sample a minute, notes in the first half hour, a GPU at 40 %."""
    (folder / "monitor").mkdir(parents=True)
    end = until or datetime.now(UTC)
    minutes = round(hours * 60)
    lines = []
    for minute in range(minutes + 1):
        sample = {
            "at": (end - timedelta(minutes=minutes - minute)).isoformat(timespec="seconds"),
            "boot": "b",
            "elapsed_seconds": 60.0 * minute,
            "interval_seconds": 60.0,
            "gpus": {"driver": "580", "cards": [{"index": 0, "name": "A10G", "utilisation": 0.4}]},
            "work": {"pending": 0, "processing": 0, "completed": 100 * min(minute, 30), "failed": 0},
        }
        lines.append(json.dumps(sample))
    (folder / "monitor" / "samples-000001.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CHARTWELL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "data"


def priced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRICES.items():
        monkeypatch.setenv(name, value)


def test_without_prices_and_samples_nothing_is_claimed() -> None:
    done = RUN.invoke(app, [])
    assert done.exit_code == 0
    assert "no price of this machine was given" in done.output
    assert "python -m pipeline.monitor keeps them" in done.output
    assert "$1" not in done.output


def test_a_host_that_was_watched(monkeypatch: pytest.MonkeyPatch, own_folder: Path) -> None:
    priced(monkeypatch)
    kept(own_folder)
    done = RUN.invoke(app, ["--json"])
    assert done.exit_code == 0
    figures = json.loads(done.output)["figures"]
    assert figures["observed_hours"]["value"] == pytest.approx(2.0, abs=0.05)
    assert figures["usd_per_thousand_notes"]["value"] == pytest.approx(0.5 * 1.2484 / 3, rel=0.05)
    assert figures["gpu_utilisation"]["value"] == pytest.approx(0.4)
    assert "2026-11" in figures["spent_usd"]["source"]
    assert figures["usd_per_question"]["value"] is None
    assert "CHARTWELL_MONITOR__SERVICE_URL" in figures["usd_per_question"]["unknown"]
    for figure in figures.values():
        assert ("source" in figure) != ("unknown" in figure)


def test_people_see_titles_reasons_once_and_sources(
    monkeypatch: pytest.MonkeyPatch, own_folder: Path
) -> None:
    priced(monkeypatch)
    kept(own_folder)
    done = RUN.invoke(app, [])
    for title in TITLES.values():
        assert title.strip() in done.output, title
    assert done.output.count("CHARTWELL_MONITOR__SERVICE_URL") == 1
    assert "from: AWS list prices of 2026-11, g5.2xlarge/on-demand/us-east-1/pause-volume" in done.output


def test_every_figure_has_a_title() -> None:
    assert set(TITLES) == {figure.name for figure in cost_report(Prices(), UsageWindow())}


def test_the_service_shows_the_same_figures_as_the_command(
    monkeypatch: pytest.MonkeyPatch, own_folder: Path
) -> None:
    priced(monkeypatch)
    kept(own_folder)
    costs = PresentCosts(load_settings(None), kept_seconds=3600)
    shown = json.loads(RUN.invoke(app, ["--json"]).output)["figures"]
    assert {figure.name: figure.value for figure in costs.report()} == {
        name: figure["value"] for name, figure in shown.items()
    }
    words, unknown = dict(lines(costs.report())), gaps(costs.report())
    assert words["an hour, running"] == "$1.2484"
    assert "cost per question, total" not in words
    assert sum("cost per question, total" in titles for titles in unknown.values()) == 1
    assert len(words) + sum(map(len, unknown.values())) == len(TITLES)
    (own_folder / "monitor" / "samples-000001.jsonl").unlink()
    assert costs.report()["notes"].value == 3000, "not read again immediately"


def test_since_cuts(monkeypatch: pytest.MonkeyPatch, own_folder: Path) -> None:
    kept(own_folder, hours=30)
    hours = {}
    for since in ("24h", "2d", "all", datetime.now(UTC).date().isoformat()):
        done = RUN.invoke(app, ["--json", "--since", since])
        hours[since] = json.loads(done.output)["figures"]["observed_hours"]["value"]
    assert hours["24h"] == pytest.approx(24, abs=0.1)
    assert hours["2d"] == hours["all"] == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("since", ["soon", "7", "-1d", "2026-13-01"])
def test_a_time_that_is_none(since: str) -> None:
    done = RUN.invoke(app, [f"--since={since}"])
    assert done.exit_code == 2
    assert "is no time" in done.output


def test_samples_from_elsewhere(tmp_path: Path, own_folder: Path) -> None:
    copy = kept(tmp_path / "copy")
    done = RUN.invoke(app, ["--json", "--samples", str(copy)])
    assert json.loads(done.output)["figures"]["notes"]["value"] == 3000
    missing = RUN.invoke(app, ["--samples", str(own_folder)])
    assert missing.exit_code == 2
    assert "CW-INPUT-MISSING" in missing.output


def test_a_stack_gives_its_prices_and_says_where_the_usage_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "_answer", lambda stack: json.dumps(PRICES))
    done = RUN.invoke(app, ["--json", "--stack", "dev"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.output)["figures"]
    assert figures["pause_saves_usd_per_hour"]["value"] == pytest.approx(1.2248)
    assert "on the host" in figures["spent_usd"]["unknown"]
