"""The dashboard files: Grafana's own models read and write them without a loss, and nothing overlaps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.telemetry.dashboards import DASHBOARDS, WIDTH

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "monitoring" / "grafana"
FILES = sorted((FOLDER / "dashboards").glob("*.json"))


def model(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def differences(before: Any, after: Any, where: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            each
            for name, value in before.items()
            for each in (
                differences(value, after[name], f"{where}/{name}")
                if name in after
                else [f"{where}/{name} is unknown"]
            )
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [each for at, (old, new) in pairs for each in differences(old, new, f"{where}[{at}]")]
    return [] if before == after else [f"{where}: {before!r} became {after!r}"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_grafanas_own_models_know_every_field(path: Path) -> None:
    models = pytest.importorskip(
        "grafana_foundation_sdk.models.dashboard", reason="needs grafana-foundation-sdk (the extra `dev`)"
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: PLC0415
    from grafana_foundation_sdk.cog.plugins import register_default_plugins  # noqa: PLC0415

    register_default_plugins()
    found = model(path)
    back = json.loads(json.dumps(models.Dashboard.from_json(found), cls=JSONEncoder))
    assert differences(found, back) == []
    broken = model(path)
    broken["panels"][0]["options"]["noSuchOption"] = 1
    back = json.loads(json.dumps(models.Dashboard.from_json(broken), cls=JSONEncoder))
    assert differences(broken, back) == ["/panels[0]/options/noSuchOption is unknown"]


def test_there_are_operations_quality_cost_and_gpu() -> None:
    assert [path.stem for path in FILES] == sorted(each.uid for each in DASHBOARDS)
    assert {path.stem.removeprefix("chartwell-") for path in FILES} == {
        "operations",
        "quality",
        "cost",
        "gpu",
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_lie_beside_each_other(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    panels = model(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= WIDTH
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_panel_asks_the_data_source_that_the_reader_chose(path: Path) -> None:
    found = model(path)
    assert [each["type"] for each in found["templating"]["list"]] == ["datasource"]
    for panel in found["panels"]:
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert not re.search(r"\brate\([^)]*\[\d+s\]", target["expr"]), (
                "a fixed window is shorter than a scrape"
            )


def test_provisioning_points_at_what_is_there() -> None:
    boards = yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "chartwell.yml").read_text())
    sources = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "chartwell.yml").read_text())
    assert boards["apiVersion"] == sources["apiVersion"] == 1
    assert boards["providers"][0]["options"]["path"].endswith("dashboards")
    assert sources["datasources"][0]["type"] == "prometheus"
    assert sources["datasources"][0]["url"].startswith("http://127.0.0.1:")
