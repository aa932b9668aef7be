"""Every operation of the OpenAPI against the running service: `python -m tests.service.fuzz [--examples 200]`.

Schemathesis makes requests that fit the interface, requests that nearly fit it, and sequences of them; it holds each
answer against the OpenAPI. What it must never find: a 5xx, a status, type or field that is not documented, data taken
that the interface forbids. Twice: with the key of an administrator, and with that of a reader, who may not do much.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Role
from pipeline.library.versions import LibraryDomain
from pipeline.wiring import open_library
from tests.service.running import DEMO_NOTES, index, running, settings_in

ROLES: tuple[Role, ...] = ("administrator", "reader")
PHASES = "examples,coverage,fuzzing,stateful"
NOT_CHECKED = ("positive_data_acceptance", "object_level_authorization")
"""The first expects that what fits the types is accepted; here it may still be too long for the model, or name what is
not there. The second needs two people; `test_app.py` has them."""

SETTINGS = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "429"]
"""
"""Data that the interface forbids may also be too much of it: 413, which every operation with a body documents."""


@dataclass(frozen=True)
class Fuzzed:
    """What came of one run. `cases`: requests that were made and judged."""

    cases: int
    passed: bool
    output: str


def fuzz(folder: Path, *, examples: int, role: Role, seed: int = 1, phases: str = PHASES) -> Fuzzed:
    """Fuzz a service over a few notes in `folder`."""
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    for note in sorted(DEMO_NOTES.glob("*"))[:1]:
        (inbox / note.name).write_bytes(note.read_bytes())
    service = {"inbox": inbox, "answers_each_max": 1000, "checks_kept_seconds": 3600}
    # Reading text in pixels would take longer than an answer is waited for, the first time.
    settings = settings_in(folder / "data", service=service, deidentification={"pixel_text": "keep"})
    index(settings, inbox)
    with open_library(settings) as library:
        library.catalogue.put_domain(LibraryDomain("pain"))  # that of the examples
    with running(settings) as found:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{found.url}/openapi.json"),
            *("--checks", "all", "--exclude-checks", ",".join(NOT_CHECKED), "--phases", phases),
            *("--max-examples", str(examples), "--seed", str(seed), "--no-color", "--workers", "1"),
            *("--header", f"Authorization: Bearer {found.key(role)}", "--request-timeout", "30"),
            *("--suppress-health-check", "all", "--continue-on-failure", "--generation-database", "none"),
        ]
        (folder / "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CHARTWELL_")}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    return Fuzzed(_cases(done.stdout), done.returncode == 0, done.stdout + done.stderr)


def _cases(output: str) -> int:
    found = re.search(r"(\d[\d,]*) generated", output)
    return int(found.group(1).replace(",", "")) if found else 0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.service.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--examples", type=int, default=100, help="of each operation and phase")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    passed = True
    for role in ROLES:
        with tempfile.TemporaryDirectory() as name:
            found = fuzz(Path(name), examples=options.examples, role=role, seed=options.seed)
        if not found.passed:
            print(found.output)
        print(json.dumps({"role": role, "cases": found.cases, "passed": found.passed}))
        passed = passed and found.passed
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
