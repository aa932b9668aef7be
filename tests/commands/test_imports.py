"""Each command starts with the demo's packages alone: what belongs to an extra is imported when it is chosen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = (
    "ir_measures",
    "requests",
    "boto3",
    "botocore",
    "iris",
    "xllamacpp",
    "pulumi",
    "yaml",
    "pytest",
    "psutil",
    "pynvml",
    "prometheus_client",
    "opentelemetry",
)


@pytest.mark.parametrize(
    "command", ["ask", "vectorize", "evaluate", "validate", "monitor", "cost", "demo.__main__"]
)
def test_a_command_needs_no_extra(command: str) -> None:
    blocked = f"import sys\nfor name in {EXTRAS}: sys.modules[name] = None\nimport pipeline.{command}\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_the_blocked_packages_are_those_that_the_demo_lacks() -> None:
    demo = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "demo.txt").read_text(), re.M))
    assert demo.isdisjoint({"ir-measures", "requests", "boto3", "intersystems-irispython", "xllamacpp"})
