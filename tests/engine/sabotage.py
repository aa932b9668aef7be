"""The safety nets, taken away one at a time: with any of them gone the proof must fail.

Each is an edit of the checkout that the user of the proof works in, and the part of the proof that must then turn red.
An edit that no longer finds its text is an error, so that none rots into doing nothing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.engine.cli import CHECKOUT


@dataclass(frozen=True)
class Sabotage:
    """`only` names the days and modes to run; `test` a test of the suite instead, where the engine is not needed."""

    net: str
    edits: tuple[tuple[str, str, str], ...]
    """(file, text, what stands there instead)."""
    only: str = ""
    test: str = ""

    def apply(self, checkout: Path) -> None:
        for name, text, instead in self.edits:
            path = checkout / name
            content = path.read_text(encoding="utf-8")
            if content.count(text) != 1:
                raise ValueError(f"{name} does not hold once: {text}")
            path.write_text(content.replace(text, instead), encoding="utf-8")


SABOTAGES: Final = {
    "retention": Sabotage(
        "a destroy forgets the volume instead of deleting it",
        (
            (
                "infra/components/storage.py",
                "retain_on_delete=self._keep and not snapshot_mode",
                "retain_on_delete=False",
            ),
        ),
        only="^volume$",
    ),
    "import": Sabotage(
        "an up adopts the volume that it finds",
        (("infra/components/storage.py", "import_=decision.import_id,", ""),),
        only="^volume$",
    ),
    "edge": Sabotage(
        "the host depends on the volume: it has ended before the volume's snapshot begins",
        (
            (
                "infra/stack.py",
                "depends_on=[store.volume, network, identity],",
                "depends_on=[network, identity],",
            ),
            (
                "infra/stack.py",
                "user_data=store.volume_id.apply(lambda volume_id: user_data(config, plan, volume_id)),",
                "user_data=user_data(config, plan, 'vol-0123456789abcdef0'),",
            ),
        ),
        only="^snapshot$",
    ),
    "surplus-host": Sabotage(
        "an up puts no second host beside one whose launch was cut off (no client token can be given)",
        (
            (
                "__main__.py",
                "    hosts.refuse_surplus(stack, found.instance_ids, state.known_to_the_engine, account)\n",
                "",
            ),
        ),
        only="^up-cut-runinstances$",
    ),
    "surplus-network": Sabotage(
        "an up does not run into parts of its network whose creation was cut off",
        (("__main__.py", "    networks.refuse_surplus(stack, known, account)\n", ""),),
        only="^up-cut-network$",
    ),
    "format-guard": Sabotage(
        "only a blank disk is formatted",
        (
            (
                "cloud-init/boot/disk.sh",
                'all_zero "$1" || die "Volume $volume has no file system but is not empty. Left untouched." "$help"',
                ":",
            ),
        ),
        test="tests/infra/test_disk_script.py",
    ),
}


def run_test(sabotage: Sabotage, folder: Path) -> bool:
    """Whether the suite's own test passes in a checkout without the net. Raises AssertionError if it cannot tell."""
    for name in ("tests", "infra", "cloud-init", "pipeline", "pyproject.toml"):
        source = CHECKOUT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    sabotage.apply(folder)
    words = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=line", sabotage.test]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    last = done.stdout.strip().rpartition("\n")[2]
    sys.stdout.write(f"{last}\n")
    if " failed" not in last and " passed" not in last:
        raise AssertionError(f"{sabotage.test} ran no test here:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return " failed" not in last
