"""A sample for people: one screen, in two columns where it is wide enough, in one at 80.

Decides how numbers look. Colours only underline words: every state is also written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pipeline.commands.console import duration
from pipeline.commands.naming import as_typed
from pipeline.monitoring.alerts import Alert
from pipeline.monitoring.samples import (
    Containers,
    ContainerSample,
    Gpu,
    Gpus,
    HostSample,
    Missing,
    Sample,
    Service,
    StoreSample,
    Work,
)
from pipeline.monitoring.thresholds import Level, disk_level, memory_level
from pipeline.pricing import CostFigure, CostReport

WIDE = 140
GIB = 1024**3
BAR = 10
FULL, EMPTY = "█", "░"
COLOURS = {
    "ok": "green",
    "running": "green",
    "loading": "yellow",
    "slow": "yellow",
    "restarting": "red",
    "failing": "red",
    "down": "red",
    "exited": "red",
    "dead": "red",
    "fail": "red",
    "warn": "yellow",
}


def screen(
    sample: Sample,
    alerts: Sequence[Alert],
    costs: CostReport | None,
    *,
    width: int,
    recording: str = "",
) -> RenderableType:
    """The whole screen for a console of `width` columns. `recording` says where samples go, or why nowhere."""
    parts: dict[str, RenderableType] = {
        "alerts": _attention(alerts),
        "gpu": _panel("GPU", _gpus(sample.gpus)),
        "services": _panel("Services", _services(sample.services)),
        "containers": _panel("Containers", _containers(sample.containers)),
        "store": _panel("Store and notes", _store(sample)),
        "host": _panel("Host", _host(sample.host)),
        "cost": _panel("Cost", _costs(costs)),
    }
    if width < WIDE:
        return Group(_head(sample, recording), *parts.values())
    columns = Table.grid(expand=True, padding=0)
    columns.add_column(ratio=11)
    columns.add_column(ratio=9)
    columns.add_row(
        Group(parts["gpu"], parts["services"], parts["cost"]),
        Group(parts["containers"], parts["host"], parts["store"]),
    )
    return Group(_head(sample, recording), parts["alerts"], columns)


def _panel(title: str, inside: RenderableType) -> Panel:
    return Panel(inside, title=title, title_align="left", border_style="dim", padding=(0, 1))


def _head(sample: Sample, recording: str) -> Text:
    at = datetime.fromisoformat(sample.at).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    name = f" {sample.host.name}" if isinstance(sample.host, HostSample) else ""
    took = f"took {sample.took_seconds:.1f} s, every {sample.interval_seconds:g} s"
    said = f" · {recording}" if recording else ""
    return Text.assemble(("Chartwell", "bold"), f"{name} · {at} · {took}{said}")


def _attention(found: Sequence[Alert]) -> Panel:
    if not found:
        return Panel(Text("nothing needs you", "green"), border_style="green", padding=(0, 1))
    grid = Table.grid(padding=(0, 1))
    grid.add_column()
    grid.add_column(ratio=3)
    grid.add_column(ratio=2, style="dim")
    for each in found:
        grid.add_row(Text(each.level, f"bold {COLOURS[each.level]}"), each.what, as_typed(each.do))
    colour = COLOURS[found[0].level]
    return Panel(grid, title="Needs you", title_align="left", border_style=colour, padding=(0, 1))


def _missing(found: Missing | None) -> Text:
    return Text(found.missing if found is not None else "not asked yet", "dim italic")


def bar(ratio: float | None, width: int = BAR, *, level: Level | None = None) -> Text:
    """A bar and its percentage; a dash where there is no number. `level`: how bad it is that it is so long."""
    if ratio is None:
        return Text("-", "dim")
    share = min(1.0, max(0.0, ratio))
    filled = round(share * width)
    style = COLOURS[level] if level else "cyan"
    return Text.assemble((FULL * filled, style), (EMPTY * (width - filled), "dim"), f" {share:4.0%}")


def _table(*heads: str, numbers: Iterable[str] = ()) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim", expand=False)
    for head in heads:
        table.add_column(head, justify="right" if head in set(numbers) else "left", no_wrap=head != "")
    return table


def _gpus(found: Gpus | Missing | None) -> RenderableType:
    if not isinstance(found, Gpus):
        return _missing(found)
    if not found.cards:
        return Text(f"driver {found.driver}, no card", "dim italic")
    table = _table("card", "busy", "DRAM", "tensor", "memory", "power", "")
    well = [card for card in found.cards if not card.fault]
    for card in well:
        table.add_row(*_gpu(card))
    lines: list[RenderableType] = [table] if well else []
    # Not in the table, whose columns the words would squeeze.
    lines += [Text(f"{card.index} {card.fault}", "red") for card in found.cards if card.fault]
    if found.activity:
        lines.append(Text(f"DRAM, tensor: {found.activity}", "dim italic"))
    return Group(*lines)


def _gpu(card: Gpu) -> list[RenderableType]:
    name = f"{card.index} {card.name.removeprefix('NVIDIA ')}"
    memory = (
        f"{card.memory_used_bytes / GIB:.1f}/{card.memory_total_bytes / GIB:.1f} GiB"
        if card.memory_used_bytes is not None and card.memory_total_bytes is not None
        else "-"
    )
    power = f"{card.power_watts:.0f} W" if card.power_watts is not None else "-"
    heat = f"{card.temperature_celsius} °C" if card.temperature_celsius is not None else ""
    return [
        name,
        bar(card.utilisation, 6),
        bar(card.dram_active, 6),
        bar(card.tensor_active, 6),
        memory,
        power,
        heat,
    ]


def _services(found: Sequence[Service]) -> RenderableType:
    if not found:
        return Text("these settings name no server: everything runs in the process", "dim italic")
    table = _table("name", "state", "answered in", "requests", "cache", "", numbers=("answered in",))
    for each in found:
        took = f"{each.seconds * 1000:.0f} ms" if each.seconds is not None else "-"
        load = (
            f"{each.running:.0f} at work, {each.waiting or 0:.0f} wait" if each.running is not None else "-"
        )
        cache = f"{each.cache_used:.0%}" if each.cache_used is not None else "-"
        table.add_row(each.name, _word(each.state), took, load, cache, Text(each.detail, "dim"))
    return table


def _word(state: str) -> Text:
    return Text(state, COLOURS.get(state, ""))


def _containers(found: Containers | Missing | None) -> RenderableType:
    if not isinstance(found, Containers):
        return _missing(found)
    if not found.found:
        return Text("none", "dim italic")
    table = _table("name", "status", "restarts", "since", "", numbers=("restarts",))
    for each in found.found:
        table.add_row(each.name, _word(each.status), str(each.restarts), since(each.started_at), _end(each))
    return table


def _end(container: ContainerSample) -> Text:
    said = [
        *([container.health] if container.health not in {None, "healthy"} else []),
        *(["out of memory"] if container.killed_for_memory else []),
        *([f"exit {container.exit_code}"] if container.status != "running" else []),
    ]
    return Text(", ".join(map(str, said)), "dim")


def since(moment: str) -> str:
    """Docker's time of a start, to the minute; "-" for a container that never started (year 1)."""
    return "-" if moment.startswith("0001") or len(moment) < 16 else moment[:16].replace("T", " ")


def _store(sample: Sample) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    if isinstance(store := sample.store, StoreSample):
        size = f"{store.files_bytes / GIB:.2f} GiB in files"
        if store.database_bytes is not None:
            size += f", {store.database_bytes / GIB:.2f} GiB in IRIS"
        grid.add_row(store.kind, f"{store.notes:,} notes, {store.chunks:,} passages, {size}")
    else:
        grid.add_row("store", _missing(store))
    if isinstance(work := sample.work, Work):
        states = f"{work.completed:,} done, {work.pending:,} wait, {work.processing:,} at work"
        failed = Text(f", {work.failed:,} failed", "yellow" if work.failed else "")
        grid.add_row("ledger", Text.assemble(states, failed))
    else:
        grid.add_row("ledger", _missing(work))
    return grid


def _host(found: HostSample | Missing | None) -> RenderableType:
    if not isinstance(found, HostSample):
        return _missing(found)
    grid = Table.grid(padding=(0, 2))
    grid.add_row("cpu", bar(found.cpu), f"{found.cores} cores, load {found.load_1_minute:.1f}")
    memory = found.memory_used_bytes / max(1, found.memory_total_bytes)
    grid.add_row(
        "memory",
        bar(memory, level=memory_level(memory)),
        f"{found.memory_used_bytes / GIB:.1f} of {found.memory_total_bytes / GIB:.1f} GiB, "
        f"swap {found.swap_used_bytes / GIB:.1f}",
    )
    for disk in found.disks:
        grid.add_row(
            disk.path if len(disk.path) <= 24 else f"…{disk.path[-23:]}",
            bar(disk.used, level=disk_level(disk.used)),
            f"{disk.used_bytes / GIB:.1f} of {disk.total_bytes / GIB:.1f} GiB",
        )
    grid.add_row("up", duration(found.uptime_seconds), "")
    return grid


SHOWN = (
    ("an hour", "running_usd_per_hour"),
    ("a question", "usd_per_question"),
    ("its GPU work", "gpu_work_usd_per_question"),
    ("1,000 notes", "usd_per_thousand_notes"),
    ("spent", "spent_usd"),
    ("a pause would have saved", "pause_would_have_saved_usd"),
)


def _costs(costs: CostReport | None) -> RenderableType:
    if costs is None:
        return Text("not asked yet", "dim italic")
    grid = Table.grid(padding=(0, 2))
    known = [(label, costs[name]) for label, name in SHOWN if costs[name].value is not None]
    for label, figure in known:
        grid.add_row(label, money(figure))
    if costs.since and known:
        grid.add_row("since", Text(costs.since[:16].replace("T", " "), "dim"))
    lines: list[RenderableType] = [grid] if known else []
    reasons: dict[str, list[str]] = {}
    for label, name in SHOWN:
        if costs[name].value is None:
            reasons.setdefault(costs[name].unknown, []).append(label)
    for reason, labels in reasons.items():
        lines.append(Text.assemble((f"{', '.join(labels)}: ", ""), (f"not known: {reason}", "dim italic")))
    return Group(*lines)


def money(figure: CostFigure) -> Text:
    """An amount with as many digits as it needs."""
    if figure.value is None:
        return Text("not known", "dim italic")
    digits = 2 if figure.value >= 1 or figure.value == 0 else 4
    return Text(f"${figure.value:,.{digits}f}")


def line(found: Sequence[Alert]) -> str:
    """The same for a log: what needs attention, in one line."""
    return "; ".join(f"{each.level}: {each.what}" for each in found) or "nothing needs you"
