"""Pause and resume on the real Pulumi engine: a new stack, cycles in each pause mode, and bad days.

`make test-engine`. Prints first what was real. Ends with 1 when anything did not hold, or when the table of
docs/pause-resume.md says otherwise than what was seen (`--write` writes it anew).
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.rollout.pipeline import build_wheel
from tests.engine import cli, host, table
from tests.engine.bad_days import DAYS, BadDay, stood
from tests.engine.machines import pauses
from tests.engine.machines.root_disk import STAND_INS
from tests.engine.runner import Result, Runner
from tests.engine.sabotage import SABOTAGES, Sabotage, run_test
from tests.engine.stage import WHEELS, Stage, well

MODES = ("volume", "snapshot", "stop")
CYCLES_A_HOST_PAUSE = 3  # a pause with a host takes two minutes


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    first = (__doc__ or "").split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="python -m tests.engine.proof", description=first)
    parser.add_argument("--cycles", type=int, default=3, help="pauses and resumes in each mode (3)")
    parser.add_argument("--only", default="", help="days and modes whose name fits this expression")
    parser.add_argument("--workers", type=int, default=3, help="how many stacks work at the same time (3)")
    parser.add_argument("--folder", type=Path, help="keep everything there; it must not exist")
    parser.add_argument(
        "--host", choices=("none", "nspawn"), default="none", help="nspawn: cycles on a real host"
    )
    parser.add_argument("--write", action="store_true", help="write the table of docs/pause-resume.md")
    parser.add_argument("--sabotage", choices=(*SABOTAGES, "all"), help="take a safety net away: must fail")
    return parser.parse_args(arguments)


class Proof:
    """One run: `cycles` pauses in each mode, `hosts` more with a real host; `sabotage` is done to each checkout."""

    def __init__(
        self,
        pulumi: Path,
        folder: Path,
        *,
        cycles: int = 1,
        hosts: int = 0,
        only: str = "",
        workers: int = 2,
        sabotage: Sabotage | None = None,
    ) -> None:
        self._pulumi, self._only, self._sabotage = pulumi, only, sabotage
        self._cycles, self._hosts = cycles, hosts
        self._runner = Runner(folder, workers)

    def run(self) -> list[Result]:
        for mode in MODES:
            if self._days(mode) or re.search(self._only, mode):
                self._runner.branch(mode, lambda folder, mode=mode: self._mode(folder, mode))
        self._runner.join()
        if self._hosts:
            self._with_hosts()
        return self._runner.results()

    def _with_hosts(self) -> None:
        """Pauses with a machine that boots, indexes and answers, one mode after the other."""
        for mode in MODES:
            if re.search(self._only, f"host-{mode}"):
                act = functools.partial(pauses.cycles, pulumi=self._pulumi, mode=mode, number=self._hosts)
                self._runner.branch(f"host-{mode}", act)
                self._runner.join()

    def _days(self, mode: str, moment: str = "") -> list[BadDay]:
        return [
            each
            for each in DAYS
            if each.mode == mode and moment in ("", each.moment) and re.search(self._only, each.name)
        ]

    def _begin(self, stage: Stage, mode: str, moment: str) -> None:
        for day in self._days(mode, moment):
            machine = stage.copied(self._runner.folder / day.name)
            self._runner.branch(
                day.name, lambda _, day=day, machine=machine: day.facts(stage.branch(machine))
            )

    def _mode(self, folder: Path, mode: str) -> Mapping[str, str]:
        """A new stack, its bad days, and as many cycles as asked for."""
        stage = Stage.opened(folder, self._pulumi, sabotage=self._sabotage, pauseMode=mode)
        self._begin(stage, mode, "new")
        steps = first_up(stage)
        self._begin(stage, mode, "running")
        before = stage.data()
        # AWS takes a minute to end a host: whatever may begin in the same moment then begins before.
        stage.plant({"operation": "TerminateInstances", "delay": 2, "times": 0})
        cycles = self._cycles if re.search(self._only, mode) else 1
        for number in range(cycles):
            stage.pause(mode)
            stage.check_paused(mode)
            if number == 0:
                self._begin(stage, mode, "paused")
                if not re.search(self._only, mode):
                    break
            stage.resume(mode)
            stage.check_running()
            assert set(stage.ran()) == steps
            stood(before, stage, changed_volume=mode == "snapshot")
            if number in (0, cycles - 1):
                unchanged(stage)
        return {"cycles": str(cycles)}


def first_up(stage: Stage) -> set[str]:
    """As a user of a new stack types it: look, then build, then look again. Returns the steps that ran."""
    well(stage.workspace.preview())
    done = well(stage.workspace.up())
    stage.check_running()
    assert done.changes.keys() == {"create"}, done.changes
    steps = set(stage.ran())
    unchanged(stage)
    stage.put_notes()
    return steps


def unchanged(stage: Stage) -> None:
    done = stage.up()
    changed = done.names("create", "update", "replace", "delete")
    assert done.changes == {}, f"an up without a change has changed {changed}"
    assert stage.ran() == []
    stage.check_running()


def parts(pulumi: Path, *, on_hosts: bool) -> str:
    """What is real in this run, and what stands in for what."""
    version = subprocess.run([pulumi, "version"], capture_output=True, text=True, check=True).stdout.strip()
    sdk, moto = importlib.metadata.version("pulumi"), importlib.metadata.version("moto")
    aws = importlib.metadata.version("pulumi-aws")
    lines = (
        ("engine and command line", f"real: pulumi {version} ({pulumi})"),
        ("program and SDK", f"real: this checkout, pulumi {sdk}, pulumi-aws {aws}"),
        ("language host", _plugin("pulumi-language-python", "ours (tests/engine/language_host.py)")),
        (
            "provider command",
            _plugin(
                "pulumi-resource-command", "a double of 1.2.1 over OpenSSH (tests/engine/command_provider.py)"
            ),
        ),
        ("provider aws", f"a double of {aws} (tests/engine/aws_provider)"),
        ("AWS", f"moto {moto} behind stricter rules (tests/engine/cloud/rules.py)"),
        ("host", f"stand-ins: {', '.join(STAND_INS)}" if on_hosts else "none: each step gets an answer"),
    )
    return "".join(f"{name:<24} {what}\n" for name, what in lines)


def _plugin(name: str, ours: str) -> str:
    found = shutil.which(name)
    return f"real: {found}" if found else ours


def judged(results: Sequence[Result], *, write: bool) -> int:
    """The exit code. The table is held against what was seen when every day was run."""
    failed = [each.name for each in results if each.failure]
    if not results:
        print("nothing fits that expression")
        return 1
    if failed:
        print(f"did not hold: {', '.join(failed)}")
        return 1
    seen = {each.name: each.facts for each in results}
    if not all(each.name in seen for each in DAYS):
        return 0
    page = table.page([seen[each.name] for each in DAYS])
    if write:
        table.PAGE.write_text(page, encoding="utf-8")
    elif table.PAGE.read_text(encoding="utf-8") != page:
        print(f"docs/{table.PAGE.name} says otherwise: read the difference that --write makes")
        return 1
    return 0


def sabotaged(names: Sequence[str], pulumi: Path) -> int:
    """0 when every one of these nets is missed."""
    missed = []
    for name in names:
        sabotage = SABOTAGES[name]
        print(f"without: {sabotage.net}")
        with tempfile.TemporaryDirectory(prefix="engine-") as folder:
            if sabotage.test:
                held = run_test(sabotage, Path(folder))
            else:
                proof = Proof(pulumi, Path(folder) / "proof", only=sabotage.only, sabotage=sabotage)
                held = not any(each.failure for each in proof.run())
        print(f"{name}: {'NOT MISSED' if held else 'missed, as it must be'}")
        missed += [name] if not held else []
    return 0 if len(missed) == len(names) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all held. 1: something did not. 3: there is no engine."""
    chosen = options(arguments)
    pulumi = cli.engine()
    if pulumi is None:
        print("skipped: no pulumi on PATH and none built (make engine)")
        return 3
    began = time.monotonic()
    on_hosts = chosen.host == "nspawn"
    if on_hosts and (reason := host.why_not()):
        print(f"skipped: {reason}")
        return 3
    print(parts(pulumi, on_hosts=on_hosts), flush=True)
    build_wheel(WHEELS)  # once for all machines: it takes as long as an up
    if chosen.sabotage:
        return sabotaged(list(SABOTAGES) if chosen.sabotage == "all" else [chosen.sabotage], pulumi)
    with tempfile.TemporaryDirectory(prefix="engine-") as temporary:
        proof = Proof(
            pulumi,
            chosen.folder or Path(temporary) / "proof",
            cycles=chosen.cycles,
            hosts=max(1, chosen.cycles // CYCLES_A_HOST_PAUSE) if on_hosts else 0,
            only=chosen.only,
            workers=chosen.workers,
        )
        results = proof.run()
    code = judged(results, write=chosen.write)
    days = sum(each.name in {day.name for day in DAYS} for each in results)
    failed = sum(bool(each.failure) for each in results)
    print(
        f"{len(results) - days} modes and {days} bad days, {chosen.cycles} cycles, {time.monotonic() - began:.0f} s"
    )
    print(f"{len(results) - failed} passed, {failed} failed")
    return code


if __name__ == "__main__":
    sys.exit(main())
