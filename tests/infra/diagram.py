"""Draws docs/images/infrastructure.svg from the program itself: its components, what they register, what
they need.

`python -m tests.infra.diagram --write`. The program runs under the recording monitor; nothing here lists
resources.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from infra import stack
from infra.components import storage
from tests.infra import recording, stacks

TARGET = Path(__file__).resolve().parents[2] / "docs" / "images" / "infrastructure.svg"
WIDTH, LINE, HEAD, GAP, TOP = 296, 17, 30, 44, 76
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1c2733 }
.title { font-size: 17px; font-weight: 600 }
.name { font-weight: 600; fill: #fff }
.note { font-size: 11px; fill: #5a6775 }
.box { fill: #f6f8fa; stroke: #aab4bf }
.head { fill: #33566f }
.kept { fill: #1d6b46; font-weight: 600 }
.need { fill: none; stroke: #7b8896; stroke-width: 1.2; marker-end: url(#tip) }
"""


@dataclass(frozen=True)
class Box:
    """One component: its name, its lines with a mark for what a pause keeps, and the components it needs."""

    name: str
    lines: tuple[tuple[str, bool], ...]
    needs: frozenset[str]


def boxes() -> list[Box]:
    """Every component that registers something itself."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder) / "chartwell-0.1.0-py3-none-any.whl"
        wheel.write_bytes(b"a wheel")
        config = stacks.config(offHoursStop="19:30", imageModel="none")
        recorded = recording.record(
            lambda: stack.build(config, stacks.inventory(), wheel=wheel, host_keys=lambda _: stacks.HOST_KEY)
        )
    owner = {each.urn: each.parent for each in recorded.custom}
    kept = storage.survivors("volume")
    found = []
    for component in (each for each in recorded.resources if not each.custom):
        children = [each for each in recorded.custom if each.parent == component.urn]
        if not children:
            continue
        needed = {
            owner.get(urn, urn)
            for child in children
            for urn in child.dependencies
            if owner.get(urn) != component.urn
        }
        names = {each.urn: _short(each.type) for each in recorded.resources if not each.custom}
        found.append(
            Box(
                _short(component.type),
                tuple(_lines(children, kept)),
                frozenset(names[urn] for urn in needed if urn in names) - {_short(component.type)},
            )
        )
    return found


def _short(resource_type: str) -> str:
    return resource_type.rsplit(":", 1)[-1]


def _lines(children: list[recording.Registered], kept: frozenset[str]) -> list[tuple[str, bool]]:
    if all(each.type.startswith("command:") for each in children):
        names = [each.name.split("-services-")[-1].split("-job-")[-1] for each in children]
        return [(f"{number}. {name}", False) for number, name in enumerate(names, 1)]
    counted = Counter(each.type for each in children)
    return [
        (_short(kind) + (f" × {count}" if count > 1 else ""), kind in kept)
        for kind, count in sorted(counted.items())
    ]


def columns(found: list[Box]) -> list[list[Box]]:
    """A box stands right of all that it needs; a long column is cut."""
    depth: dict[str, int] = {}
    by_name = {box.name: box for box in found}

    def level_of(name: str) -> int:
        if name not in depth:
            depth[name] = max(
                (level_of(each) + 1 for each in by_name[name].needs if each in by_name), default=0
            )
        return depth[name]

    for name in by_name:
        level_of(name)
    ordered = sorted(found, key=lambda box: box.name)
    return [[box for box in ordered if depth[box.name] == level] for level in range(max(depth.values()) + 1)]


def direct(box: Box, by_name: dict[str, Box]) -> set[str]:
    """What a box needs and nothing else that it needs brings along: fewer arrows say the same."""

    def all_needs(name: str) -> set[str]:
        near = by_name[name].needs & by_name.keys()
        return set(near).union(*(all_needs(each) for each in near))

    near = box.needs & by_name.keys()
    return {each for each in near if not any(each in all_needs(other) for other in near - {each})}


def svg() -> str:
    """The drawing, the same text for the same program."""
    placed: dict[str, tuple[float, float, float]] = {}
    parts: list[str] = []
    bottom = 0.0
    found = boxes()
    by_name = {box.name: box for box in found}
    drawn = columns(found)
    for level, column in enumerate(drawn):
        y = float(TOP)
        for box in column:
            x, height = 24 + level * (WIDTH + GAP), HEAD + LINE * len(box.lines) + 12
            placed[box.name] = (x, y, height)
            parts.append(_box(box, x, y, height))
            y += height + 22
        bottom = max(bottom, y)
    needs = [
        _arrow(placed[need], placed[box.name])
        for column in drawn
        for box in column
        for need in sorted(direct(box, by_name))
        if need in placed and placed[need][0] < placed[box.name][0]
    ]
    width = 24 * 2 + len(drawn) * WIDTH + (len(drawn) - 1) * GAP
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom:.0f}" role="img"'
                ' aria-label="Components of a Chartwell stack and what they need">'
            ),
            f"<style>{STYLE}</style>",
            (
                '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7"'
                ' orient="auto"><path d="M0 0 8 4 0 8z" fill="#7b8896"/></marker></defs>'
            ),
            f'<rect width="{width}" height="{bottom:.0f}" fill="#fff"/>',
            '<text class="title" x="24" y="32">A Chartwell stack</text>',
            (
                '<text class="note" x="24" y="52">An arrow leads to what needs it. '
                '<tspan class="kept">● kept while paused</tspan></text>'
            ),
            *needs,
            *parts,
            "</svg>\n",
        ]
    )


def _box(box: Box, x: float, y: float, height: float) -> str:
    rows = [
        f'<text class="{"kept" if kept else "plain"}" x="{x + 12}" y="{y + HEAD + 17 + LINE * at}">'
        f"{'● ' if kept else ''}{escape(text)}</text>"
        for at, (text, kept) in enumerate(box.lines)
    ]
    return "\n".join(
        [
            f'<rect class="box" x="{x}" y="{y}" width="{WIDTH}" height="{height}" rx="6"/>',
            f'<rect class="head" x="{x}" y="{y}" width="{WIDTH}" height="{HEAD - 4}" rx="6"/>',
            f'<text class="name" x="{x + 12}" y="{y + 18}">{escape(box.name)}</text>',
            *rows,
        ]
    )


def _arrow(start: tuple[float, float, float], end: tuple[float, float, float]) -> str:
    x1, y1 = start[0] + WIDTH, start[1] + 13
    x2, y2 = end[0] - 2, end[1] + 13
    bend = (x2 - x1) / 2 if x2 - x1 < 2 * GAP else GAP / 2
    return f'<path class="need" d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'


if __name__ == "__main__":
    if "--write" in sys.argv:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(svg(), encoding="utf-8")
    else:
        sys.exit(
            0
            if TARGET.exists() and TARGET.read_text(encoding="utf-8") == svg()
            else f"{TARGET} is out of date"
        )
