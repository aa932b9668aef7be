"""The wheel as its user has it: built once, installed into an environment of its own, run from a folder that is no
checkout. Its dependencies are those of the tests' environment; nothing is fetched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.chartwell.command import COMMANDS

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]
NOTES = ROOT / "tests/data/notes/12-names.jsonl"
INGREDIENTS = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools writes into the folder that it builds, and ships what an earlier build left."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "pipeline", source / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in INGREDIENTS:
        shutil.copy(ROOT / name, source / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    return next(folder.glob("chartwell-*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel and, by a path file, what it depends on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip("--python", str(python), "install", "--no-deps", "--no-index", "--no-compile", str(wheel))
    return folder / "bin"


def pip(*words: str) -> None:
    quiet = ("--quiet", "--disable-pip-version-check")
    done = subprocess.run(
        [sys.executable, "-m", "pip", *quiet, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An empty folder, far from the checkout."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def variables(environment: Path, folder: Path, **more: str) -> Mapping[str, str]:
    return {
        "PATH": f"{environment}{os.pathsep}{os.defpath}",
        "HOME": str(folder),
        "CHARTWELL_EMBEDDER__PROVIDER": "hashing",
        **more,
    }


def run(environment: Path, folder: Path, *words: str, code: int = 0, **more: str) -> str:
    """Standard output and error of a program of the environment, run in `folder`."""
    done = subprocess.run(
        words,
        cwd=folder,
        env=variables(environment, folder, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_wheel_holds_the_pipeline_once_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"chartwell", "pipeline"}
    assert "chartwell/command.py" in names
    assert "chartwell/py.typed" in names
    assert not [name for name in names if name.startswith("pipeline/chartwell")]
    shipped = {name for name in names if name.startswith("pipeline/")}
    wanted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "pipeline").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "chartwell" not in path.parts
    }
    assert wanted - shipped == set()


def test_version_and_help(environment: Path, elsewhere: Path) -> None:
    assert run(environment, elsewhere, "chartwell", "--version").startswith("chartwell 0.")
    told = run(environment, elsewhere, "chartwell", "-h")
    assert all(f"  {each.name}" in told for each in COMMANDS)
    assert "python -m" not in run(environment, elsewhere, "chartwell", "audit", "verify", "-h")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion(environment: Path, elsewhere: Path, shell: str) -> None:
    script = run(environment, elsewhere, "chartwell", _CHARTWELL_COMPLETE=f"source_{shell}")
    assert f"_CHARTWELL_COMPLETE=complete_{shell}" in script
    told = run(
        environment,
        elsewhere,
        "chartwell",
        _CHARTWELL_COMPLETE=f"complete_{shell}",
        COMP_WORDS="chartwell va",
        COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS="chartwell va",
    )
    assert "validate" in told
    assert "serve" not in told


def test_notes_are_indexed_asked_and_verified_from_another_folder(environment: Path, elsewhere: Path) -> None:
    told = run(environment, elsewhere, "chartwell", "ask", "Who takes warfarin?", code=2)
    assert "chartwell index FILE" in told
    assert "python -m" not in told
    assert "3 notes accepted" in run(environment, elsewhere, "chartwell", "index", str(NOTES))
    assert (elsewhere / "chartwell-data").is_dir()
    run(environment, elsewhere, "chartwell", "ask", "What is the potassium of Linh Nguyen?", "--json")
    run(environment, elsewhere, "chartwell", "status")
    assert "0 lost" in run(environment, elsewhere, "chartwell", "verify", "--all")
    assert "chartwell monitor keeps them" in run(environment, elsewhere, "chartwell", "cost")


def test_the_modules_run_as_they_do_in_a_checkout(environment: Path, elsewhere: Path) -> None:
    told = run(environment, elsewhere, "python", "-m", "pipeline.ask", "Who takes warfarin?", code=2)
    assert "python -m pipeline.vectorize notes FILE" in told
    run(environment, elsewhere, "python", "-m", "pipeline.vectorize", "notes", str(NOTES))
    assert "chartwell index" in run(environment, elsewhere, "python", "-m", "chartwell", "-h")


def test_from_python(environment: Path, elsewhere: Path) -> None:
    run(environment, elsewhere, "chartwell", "index", str(NOTES))
    program = (
        "import chartwell, pipeline\n"
        f"assert not chartwell.__file__.startswith({str(ROOT)!r}), chartwell.__file__\n"
        f"assert not pipeline.__file__.startswith({str(ROOT)!r}), pipeline.__file__\n"
        "answer = chartwell.process_query('Which patients take warfarin?', top_k=10)\n"
        "assert isinstance(answer, chartwell.Answer)\n"
    )
    run(environment, elsewhere, "python", "-c", program)


def test_the_demo(environment: Path, elsewhere: Path) -> None:
    pytest.importorskip("onnxruntime")
    told = run(environment, elsewhere, "chartwell", "demo", CHARTWELL_EMBEDDER__PROVIDER="local")
    assert '"Medical Treatment: Continue allopurinol 100 mg once daily." [1]' in told
    assert "chartwell serve --demo" in told
    assert "python -m" not in told


def test_the_service_answers_and_stops(environment: Path, elsewhere: Path) -> None:
    serving = subprocess.Popen(
        ["chartwell", "serve", "--demo", "--port", "0"],
        cwd=elsewhere,
        env=variables(environment, elsewhere),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    with serving:
        try:
            url = serving.stdout.readline().split()[0]
            with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
                assert answer.status == 200
        finally:
            serving.send_signal(signal.SIGTERM)
    assert serving.returncode == 0
