"""Pause and resume on the real Pulumi engine: cycles in each pause mode, then bad days, one after the other.

`make test-engine`. Prints first what was real. Ends with 1 when anything did not hold, or when the table of
docs/pause-resume.md says otherwise than what was seen (`--write` writes it anew).
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from infra.rollout.pipeline import build_wheel
from tests.engine import cli, host
from tests.engine.bad_days import DAYS, BadDay, stood
from tests.engine.machines import pauses
from tests.engine.machines.root_disk import STAND_INS
from tests.engine.runner import Runner
from tests.engine.stage import WHEELS, Stage, well

MODES = ("volume", "snapshot", "stop")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.engine.proof", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--cycles", type=int, default=3, help="pauses and resumes in each mode (3)")
    parser.add_argument("--only", default="", help="days and modes whose name fits this expression")
    parser.add_argument("--workers", type=int, default=2, help="how many stacks work at the same time (2)")
    parser.add_argument(
        "--host", default="", choices=("", "nspawn"), help="a real host behind a cycle of each mode"
    )
    parser.add_argument("--folder", type=Path, help="keep everything there")
    return parser.parse_args()


class Proof:
    def __init__(self, pulumi: Path, folder: Path, options: argparse.Namespace) -> None:
        self.pulumi, self.options = pulumi, options
        self.runner = Runner(folder, options.workers)

    def run(self) -> bool:
        for mode in MODES:
            if self.days(mode) or self.options.only in ("", mode):
                self.runner.branch(mode, lambda folder, mode=mode: self.mode(folder, mode))
        if self.options.host:
            self.with_hosts()
        self.runner.join()
        return not any(each.failure for each in self.runner.results())

    def with_hosts(self) -> None:
        """One pause in each mode with a machine that boots, indexes and answers."""
        if reason := host.why_not():
            print(f"no host: {reason}")
            return
        print("".join(f"host: not the real one: {each}\n" for each in STAND_INS), end="")
        for mode in MODES:
            if re.search(self.options.only, f"host-{mode}"):
                self.runner.branch(
                    f"host-{mode}", lambda folder, mode=mode: pauses.cycles(folder, self.pulumi, mode)
                )

    def days(self, mode: str, moment: str = "") -> list[BadDay]:
        return [
            each
            for each in DAYS
            if each.mode == mode and moment in ("", each.moment) and re.search(self.options.only, each.name)
        ]

    def begin(self, stage: Stage, mode: str, moment: str) -> None:
        for day in self.days(mode, moment):
            machine = stage.copied(self.runner.folder / day.name)
            self.runner.branch(day.name, lambda _, day=day, machine=machine: day.facts(stage.branch(machine)))

    def mode(self, folder: Path, mode: str) -> Mapping[str, str]:
        """A new stack, its bad days, and as many cycles as asked for."""
        stage = Stage.opened(folder, self.pulumi, pauseMode=mode)
        self.begin(stage, mode, "new")
        first_up(stage)
        self.begin(stage, mode, "running")
        before = stage.data()
        for number in range(self.options.cycles):
            stage.pause(mode)
            stage.check_paused(mode)
            if number == 0:
                self.begin(stage, mode, "paused")
            stage.resume(mode)
            stage.check_running()
            stood(before, stage, changed_volume=mode == "snapshot")
            if number in (0, self.options.cycles - 1):
                unchanged(stage)
        return {"cycles": str(self.options.cycles)}


def first_up(stage: Stage) -> None:
    """As a user of a new stack types it: look, then build, then look again."""
    well(stage.workspace.preview())
    done = well(stage.workspace.up())
    stage.check_running()
    assert done.changes.keys() == {"create"}, done.changes
    unchanged(stage)
    stage.put_notes()


def unchanged(stage: Stage) -> None:
    done = stage.up()
    assert done.changes == {}, (
        f"an up without a change has changed {done.names('create', 'update', 'replace', 'delete')}"
    )
    stage.check_running()


def main() -> int:
    chosen = options()
    pulumi = cli.engine()
    if pulumi is None:
        print("no pulumi on PATH and none built: make engine")
        return 3
    began = time.monotonic()
    build_wheel(WHEELS)  # once for all machines: it takes as long as an up
    with tempfile.TemporaryDirectory(prefix="engine-") as temporary:
        held = Proof(pulumi, chosen.folder or Path(temporary), chosen).run()
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
