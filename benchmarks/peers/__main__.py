"""`make bench-peers`: every ingestion undisturbed, every one killed once, side by side.

    python -m benchmarks.peers                              1,000 notes, 3 rounds: half an hour
    python -m benchmarks.peers --notes 300 --rounds 1       a look, some minutes
    python -m benchmarks.peers --slots 1,2,8 --rounds 1 --crash-rounds 0   other servers

Rounds take turns, so that a change in the machine's speed meets all; figures are medians. Every finished measurement
is appended to the results file, and `--report` prints its tables without measuring.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.peers import corpus, report
from benchmarks.peers.measure import (
    CONTENDERS,
    PEERS_PYTHON,
    SLOTS,
    Contender,
    Moment,
    Server,
    crash_run,
    full_run,
)


def main() -> None:
    options = _options()
    if not options.report:
        if not PEERS_PYTHON.exists():
            sys.exit("The peers' environment is missing: make bench-peers installs it.")
        measure(options)
    rows = [json.loads(line) for line in options.results.read_text().splitlines()]
    print("\n" + report.tables(rows))


def measure(options: argparse.Namespace) -> None:
    chosen = [one for one in CONTENDERS if not options.only or one.slug in options.only]
    with tempfile.TemporaryDirectory(prefix="peers-") as folder, options.results.open("a") as results:
        notes = Path(folder) / "notes.jsonl"
        corpus.write(notes, options.notes)
        for round_number in range(options.rounds):
            for slots in options.slots:
                for contender in chosen:
                    place = Path(folder) / f"{round_number}-{slots}-{contender.module}-{contender.tuned}"
                    row = _measured(
                        contender, notes, place, Server(slots), crash=round_number < options.crash_rounds
                    )
                    row |= {"notes": options.notes, "slots": slots}
                    results.write(json.dumps(row) + "\n")
                    results.flush()
                    print(report.line(row), flush=True)


def _measured(contender: Contender, notes: Path, place: Path, server: Server, *, crash: bool) -> dict:
    load = os.getloadavg()[0]
    full = full_run(contender, notes, place, server)
    row = {
        "title": contender.title,
        "load": load,
        "versions": contender.versions(),
        "full": asdict(full.run)
        | asdict(full.served)
        | {"share": full.share, "server_cpu": full.server_cpu, "tail": full.tail_seconds},
        "entries": full.entries.total(),
    }
    for name, late in (("crash", False), ("late_crash", True)) if crash else ():
        killed = place.with_name(f"{place.name}-{name}")
        found = crash_run(contender, notes, killed, server, Moment(full, late=late))
        row[name] = {
            **asdict(found.damage),
            "killed_after_seconds": found.killed_after_seconds,
            "again": found.again,
            "rerun_seconds": found.rerun.seconds,
            "rerun_exit_code": found.rerun.exit_code,
        }
    return row


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--notes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=lambda text: [int(part) for part in text.split(",")], default=[SLOTS])
    parser.add_argument("--only", nargs="+", choices=[one.slug for one in CONTENDERS], default=[])
    parser.add_argument("--crash-rounds", type=int, default=1, help="of the rounds, how many also kill")
    parser.add_argument("--results", type=Path, default=Path("peers-results.jsonl"))
    parser.add_argument(
        "--report", action="store_true", help="print the tables of the results file; measure nothing"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
