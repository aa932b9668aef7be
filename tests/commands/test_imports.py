"""Each command starts with the demo's packages alone: what belongs to an extra is imported when it is chosen."""

from __future__ import annotations

import os
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
    "pydicom",
    "gdcm",
    "PIL",
    "nibabel",
    "dicomanonymizer",
)


@pytest.mark.parametrize(
    "command", ["ask", "vectorize", "evaluate", "validate", "monitor", "cost", "models", "demo.__main__"]
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


INTERRUPTED_WHILE_IMPORTING = """
import os, signal, sys

# A shell that runs the tests in the background has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
"""


@pytest.mark.parametrize(
    "command", ["-m pipeline.ask", "-m pipeline.vectorize", "-m pipeline.chartwell", "chartwell"]
)
def test_ctrl_c_while_a_command_is_imported_ends_it_quietly(tmp_path: Path, command: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED_WHILE_IMPORTING)
    (tmp_path / "chartwell").write_text("from pipeline.chartwell.command import app\napp()\n")
    words = command.split() if command.startswith("-m") else [str(tmp_path / command)]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_library_leaves_the_interpreters_own_words_alone() -> None:
    told = "import sys, pipeline.ask; assert sys.excepthook is sys.__excepthook__"
    subprocess.run([sys.executable, "-c", told], cwd=ROOT, check=True, timeout=60)
