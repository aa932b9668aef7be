"""The tables: medians over rounds, and the ratio to the best peer."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
OURS = "Chartwell"
TUNED = ", tuned"
COMPARISONS = (
    (OURS, "with default settings", False),
    (OURS, "tuned", True),
    (OURS + TUNED, "tuned", True),
)
CRASHES = {
    "crash": "when half of the texts are embedded",
    "late_crash": "once all is embedded, while storing",
}


def tables(rows: Sequence[Row]) -> str:
    """One block a server (slots), in the order of measurement; several servers side by side at the end."""
    by_server: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        by_server[row["slots"], row["notes"]].append(row)
    blocks = [_block(slots, notes, found) for (slots, notes), found in by_server.items()]
    return "\n".join(blocks) + (f"\n{_servers(rows)}" if len(by_server) > 1 else "")


def _servers(rows: Sequence[Row]) -> str:
    """Notes a second by the number of requests that the server works on at the same time."""
    slots = sorted({row["slots"] for row in rows})
    lines = [f"| requests at once | {' | '.join(map(str, slots))} |", f"|---|{'---|' * len(slots)}"]
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for title in dict.fromkeys(row["title"] for row in rows):
        for number in slots:
            chosen = [row for row in rows if row["title"] == title and row["slots"] == number]
            if chosen:
                found[title][number] = rate(chosen)
        cells = (format(found[title][number], ".1f") if number in found[title] else "" for number in slots)
        lines.append(f"| {title} | {' | '.join(cells)} |")
    for ours, what, tuned in COMPARISONS:
        cells = []
        for number in slots:
            rates = {title: by[number] for title, by in found.items() if number in by}
            peers = _peers(rates, tuned=tuned)
            cells.append(format(rates[ours] / max(peers.values()), ".2f") if peers and ours in rates else "")
        lines.append(f"| **{ours} over the best peer {what}** | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _block(slots: int, notes: int, rows: Sequence[Row]) -> str:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["title"]].append(row)
    rounds = len(groups[OURS])
    text = f"Server with {slots} requests at once, {notes:,} notes, medians of {rounds} rounds.\n\n" + _speed(
        groups
    )
    for name, moment in CRASHES.items():
        killed = {title: [row for row in found if name in row] for title, found in groups.items()}
        if all(killed.values()):
            text += f"\nOne kill -9 {moment}, then the same command again:\n\n{_crashes(killed, name)}"
    return text + "\n" + "\n".join(ratios({title: rate(found) for title, found in groups.items()})) + "\n"


def _speed(groups: dict[str, list[Row]]) -> str:
    lines = [
        "| ingestion | notes a second | share of the ceiling | peak memory, MiB | texts embedded | tokens sent "
        "| requests | load before |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_speed_line(title, rows) for title, rows in groups.items()]
    return "\n".join(lines) + "\n"


def _speed_line(title: str, rows: Sequence[Row]) -> str:
    loads = ", ".join(format(row["load"], ".1f") for row in rows)
    return (
        f"| {title} | {rate(rows):.1f} | {_median(rows, 'full', 'share'):.2f} "
        f"| {_median(rows, 'full', 'peak_bytes') / 2**20:,.0f} | {_median(rows, 'full', 'texts'):,.0f} "
        f"| {_median(rows, 'full', 'tokens'):,.0f} | {_median(rows, 'full', 'requests'):,.0f} | {loads} |"
    )


def _crashes(groups: dict[str, list[Row]], name: str) -> str:
    lines = [
        "| ingestion | notes lost | entries doubled | texts embedded again | share of the corpus | killed after, s "
        "| second run, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, rows in groups.items():
        again = _median(rows, name, "again")
        code = max(row[name]["rerun_exit_code"] for row in rows)
        lines.append(
            f"| {title} | {_median(rows, name, 'notes_lost'):,.0f} | {_median(rows, name, 'entries_doubled'):,.0f} "
            f"| {again:,.0f} | {again / _median(rows, 'full', 'texts'):.1%} "
            f"| {_median(rows, name, 'killed_after_seconds'):.1f} "
            f"| {_median(rows, name, 'rerun_seconds'):.1f}{f', failed with exit code {code}' if code else ''} |"
        )
    return "\n".join(lines) + "\n"


def ratios(rates: dict[str, float]) -> list[str]:
    """Ours over the best peer: default settings against default, default against tuned, tuned against tuned."""
    lines = []
    for ours, what, tuned in COMPARISONS:
        peers = _peers(rates, tuned=tuned)
        if ours in rates and peers:
            best = max(peers, key=peers.__getitem__)
            lines.append(
                f"{ours} over the best peer {what} ({best.removesuffix(TUNED)}): {rates[ours] / peers[best]:.2f}"
            )
    return lines


def _peers(rates: dict[str, float], *, tuned: bool) -> dict[str, float]:
    return {
        title: found
        for title, found in rates.items()
        if not title.startswith(OURS) and title.endswith(TUNED) == tuned
    }


def rate(rows: Sequence[Row]) -> float:
    """Notes a second of the whole command, its start included."""
    return statistics.median(row["notes"] / row["full"]["seconds"] for row in rows)


def line(row: Row) -> str:
    """One measurement, as it is made."""
    full = row["full"]
    text = (
        f"{row['slots']} at once  {row['title']:<18} {row['notes'] / full['seconds']:6.1f} notes/s  "
        f"{full['share']:.2f} of the ceiling  {full['peak_bytes'] / 2**20:5.0f} MiB  {full['texts']:6} texts  "
        f"simulator {full['server_cpu']:.0%} of a core, load {row['load']:.1f}"
    )
    for name in CRASHES:
        if name in row:
            crash = row[name]
            text += (
                f"\n    killed {CRASHES[name]}: {crash['notes_lost']} notes lost, {crash['entries_doubled']} entries "
                f"doubled, {crash['again']} texts again, second run {crash['rerun_seconds']:.1f} s, exit code "
                f"{crash['rerun_exit_code']}"
            )
    return text


def _median(rows: Sequence[Row], part: str, name: str) -> float:
    return statistics.median(row[part][name] for row in rows)
