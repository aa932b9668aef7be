"""Pictures of the dashboards: each panel of the files, drawn from what a real Prometheus answers to its queries.

    python -m tests.telemetry.render FOLDER [--seconds 120]

This is no Grafana: it lays out the panels where the file says and draws lines and numbers as plain SVG, so that
a person can look at what the queries give. The deployment is that of the tests; model servers and GPU are simulated.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import json
import math
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import sync_playwright

from tests.service.browser import launched
from tests.telemetry.conftest import TEN_QUESTIONS
from tests.telemetry.dashboards import DASHBOARDS, as_json
from tests.telemetry.deployment import Deployment, Prometheus, deployed, until, vectorize

COLUMN, ROW = 58, 30
MARGIN = 54
HEAD = """<!doctype html><meta charset=utf-8><style>
body {{ margin: 0; background: #111217; color: #ccccdc; font: 12px sans-serif }}
.p {{ position: absolute; background: #181b1f; border: 1px solid #2a2d33; border-radius: 2px; box-sizing: border-box;
  padding: 6px 8px; overflow: hidden }}
.t {{ font-weight: 600; white-space: nowrap }}
.l {{ white-space: nowrap; overflow: hidden; text-overflow: ellipsis; margin-right: 10px }}
.g {{ display: flex; flex-wrap: wrap; font-size: 10px }}
h1 {{ font-size: 16px; margin: 10px 12px 0 }}
small {{ margin: 0 12px; color: #8e8e8e }}
#b {{ position: relative; width: {width}px; height: {height}px; margin: 6px }}
</style><h1>{title}</h1><small>{about} <b>Rendered from the dashboard file and a real Prometheus; not Grafana.
Simulated model servers and GPU.</b></small><div id=b>"""
COLOURS = (
    "#73bf69",
    "#f2cc0c",
    "#5794f2",
    "#ff780a",
    "#f2495c",
    "#b877d9",
    "#37872d",
    "#8ab8ff",
    "#c4162a",
    "#96d98d",
)
NAMED = {"green": "#73bf69", "orange": "#ff780a", "red": "#f2495c"}
NOTES = Path(__file__).resolve().parents[2] / "pipeline" / "demo" / "notes" / "aci_bench.jsonl"


def work(found: Deployment, seconds: float) -> None:
    """Questions from three people, two runs of indexing, and some trouble."""
    until(lambda: found.prometheus.query('up{job="chartwell"} == 1'))
    ends = time.monotonic() + seconds
    lines = NOTES.read_text(encoding="utf-8").splitlines()
    source = found.folder / "notes.jsonl"
    source.write_text("\n".join([*lines[:40], "{}"]), encoding="utf-8")
    vectorize(found, source)

    def ask(pause: float, first: int) -> None:
        at = first
        while time.monotonic() < ends:
            at += 1
            with contextlib.suppress(httpx2.HTTPError):
                found.ask(f"{TEN_QUESTIONS[at % len(TEN_QUESTIONS)]} {at}")
            time.sleep(pause)

    people = [threading.Thread(target=ask, args=(0.2 + 0.3 * number, 3 * number)) for number in range(3)]
    for person in people:
        person.start()
    time.sleep(seconds / 4)
    source.write_text("\n".join([*lines[:70], "{}"]), encoding="utf-8")
    vectorize(found, source)
    found.nim.faults.failure_share = 0.2
    time.sleep(seconds / 6)
    found.nim.faults.failure_share = 0.0
    for person in people:
        person.join()


def draw(prometheus: Prometheus, dashboard: Mapping[str, Any], seconds: float) -> str:
    """The dashboard as a page of its own."""
    panels = dashboard["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    parts = [HEAD.format(title=html.escape(dashboard["title"]), about=html.escape(dashboard["description"]),
                         width=24 * COLUMN, height=height * ROW)]  # fmt: skip
    for panel in panels:
        at = panel["gridPos"]
        x, y, w, h = at["x"] * COLUMN, at["y"] * ROW, at["w"] * COLUMN - 6, at["h"] * ROW - 6
        box = f"left:{x}px;top:{y}px;width:{w}px;height:{h}px"
        parts.append(f"<div class=p style='{box}'><div class=t>{html.escape(panel['title'])}</div>")
        series = list(_series(prometheus, panel, seconds))
        size = (at["w"] * COLUMN - 24, at["h"] * ROW - 62)
        parts.append(
            _stat(panel, series) if panel["type"] == "stat" else _lines(panel, series, size, seconds)
        )
        parts.append("</div>")
    return "".join([*parts, "</div>"])


def _series(
    prometheus: Prometheus, panel: Mapping[str, Any], seconds: float
) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    for target in panel["targets"]:
        expr = target["expr"].replace("$__rate_interval", "15s").replace("[5m]", "[1m]")
        for found in prometheus.query_range(expr, seconds=seconds, step=2):
            name = target["legendFormat"]
            for label, value in found["metric"].items():
                name = name.replace("{{" + label + "}}", "/data" if label == "path" else value)
            points = [(float(at), float(value)) for at, value in found["values"]]
            yield name, [(at, value) for at, value in points if math.isfinite(value)]


def _stat(panel: Mapping[str, Any], series: Sequence[tuple[str, list[tuple[float, float]]]]) -> str:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    shown = []
    for name, points in series:
        if not points:
            continue
        value = points[-1][1]
        reached = (each for each in reversed(steps) if each["value"] is None or value >= each["value"])
        colour = NAMED[next(reached, {"color": "green"})["color"]]
        size = 30 if len(series) == 1 and not name else 14
        shown.append(
            f"<div style='margin-top:6px;color:{colour};font-size:{size}px'>"
            f"{html.escape(name)} {_told(value, unit)}</div>"
        )
    return "".join(shown) or "<div style='margin-top:14px;color:#8e8e8e'>No data</div>"


def _lines(
    panel: Mapping[str, Any],
    series: Sequence[tuple[str, list[tuple[float, float]]]],
    size: tuple[int, int],
    seconds: float,
) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    if not any(points for _, points in series):
        return "<div style='margin-top:14px;color:#8e8e8e'>No data</div>"
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    shown = _stacked(series) if stacked else [(name, points, None) for name, points in series]
    highest = max(value for _, points, _ in shown for _, value in points)
    top = defaults.get("max") or 1.1 * highest or 1.0
    width, height = size
    start = max(points[-1][0] for _, points, _ in shown if points) - seconds

    def place(at: float, value: float) -> str:
        across, up = (at - start) / seconds * (width - MARGIN - 4), min(value, top) / top * (height - 12)
        return f"{MARGIN + across:.1f},{height - 4 - up:.1f}"

    drawn = []
    for share in (0.0, 0.5, 1.0):
        y = height - 4 - share * (height - 12)
        label = _told(share * top, defaults["unit"])
        drawn.append(
            f"<line x1={MARGIN} x2={width} y1={y} y2={y} stroke=#2a2d33 />"
            f"<text x={MARGIN - 4} y={y + 3} fill=#8e8e8e font-size=9 text-anchor=end>{label}</text>"
        )
    for number, (_, points, below) in enumerate(shown):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(place(at, value) for at, value in points)
        if below is not None:
            back = " ".join(place(at, value) for at, value in reversed(below))
            drawn.append(f"<polygon points='{path} {back}' fill='{colour}' fill-opacity=.25 />")
        drawn.append(f"<polyline points='{path}' fill=none stroke='{colour}' stroke-width=1.2 />")
    legend = "".join(
        f"<span class=l style='color:{COLOURS[number % len(COLOURS)]}'>{html.escape(name)}</span>"
        for number, (name, _, _) in enumerate(shown)
    )
    return f"<svg width={width} height={height}>{''.join(drawn)}</svg><div class=g>{legend}</div>"


Points = list[tuple[float, float]]


def _stacked(series: Sequence[tuple[str, Points]]) -> list[tuple[str, Points, Points]]:
    """Each on top of those before it, and what lies below."""
    below: dict[float, float] = {}
    shown = []
    for name, points in series:
        floor = [(at, below.get(at, 0.0)) for at, _ in points]
        raised = [(at, value + below.get(at, 0.0)) for at, value in points]
        below.update(raised)
        shown.append((name, raised, floor))
    return shown


def _told(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "s":
        return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"
    if unit == "currencyUSD":
        return f"${value:.4g}"
    if unit == "bytes":
        power = min(4, int(math.log(value, 1024))) if value >= 1 else 0
        return f"{value / 1024**power:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
    return f"{value:.3g}{ {'watt': ' W', 'celsius': ' °C', 'h': ' h', 'cpm': '/min', 'reqps': '/s'}.get(unit, '') }"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long people ask")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as temporary,
        deployed(Path(temporary)) as found,
        sync_playwright() as browsers,
    ):
        work(found, options.seconds)
        browser = launched(browsers)
        for dashboard in DASHBOARDS:
            page = browser.new_page(viewport={"width": 24 * COLUMN + 12, "height": 600})
            page.set_content(draw(found.prometheus, json.loads(as_json(dashboard)), options.seconds))
            target = options.folder / f"dashboard-{dashboard.uid.removeprefix('chartwell-')}.jpg"
            page.screenshot(path=target, full_page=True, type="jpeg", quality=55)
        browser.close()


if __name__ == "__main__":
    main()
