"""Where output goes and input comes from may be anything: a full disk, a closed pipe, another alphabet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands.console import counted

ROOT = Path(__file__).resolve().parents[2]
NOTE = {
    "resource_id": "n1",
    "patient_id": "p1",
    "document_type": "note",
    "text_content": "Troponin was \u2265 5 ng/l, \u00c4rztin informed.",
}
CHARTWELL = f"{sys.executable} -m pipeline.chartwell"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One note, indexed."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "notes.json").write_text(json.dumps([NOTE]))
    assert run(f"{CHARTWELL} index notes.json", folder).returncode == 0
    return folder


def run(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, in a folder."""
    own = {
        "PYTHONUNBUFFERED": "",
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "CHARTWELL_DATA_DIR": "data",
        "CHARTWELL_EMBEDDER__PROVIDER": "hashing",
    }
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=own | environment, capture_output=True, text=True, check=False
    )


ASK = f"{CHARTWELL} ask 'What was the troponin?' --show-context"


def test_a_sign_that_the_terminal_has_not_is_written_as_its_code(folder: Path) -> None:
    """A question mark in its place would be another fact."""
    told = run(ASK, folder, PYTHONIOENCODING="ascii")
    assert told.returncode in (0, 3), told.stderr
    assert "Troponin was \\u2265 5 ng/l, \\xc4rztin informed." in told.stdout


def test_json_stays_json_in_any_alphabet(folder: Path) -> None:
    told = run(ASK + " --json", folder, PYTHONIOENCODING="latin-1")
    assert json.loads(told.stdout)["passages"][0]["text"] == NOTE["text_content"]


@pytest.mark.parametrize("command", [ASK, f"{CHARTWELL} --version", f"{CHARTWELL} --help"])
def test_a_full_disk_behind_the_output_is_told(folder: Path, command: str) -> None:
    told = run(f"{command} > /dev/full", folder)
    assert told.returncode == 2
    assert told.stderr.startswith("Could not run: the output cannot be written (No space left on device)")
    assert "Traceback" not in told.stderr


def test_whoever_stops_reading_has_found_nothing_wanting(folder: Path) -> None:
    told = run(f"{ASK} | true; exit ${{PIPESTATUS[0]}}", folder)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ask <&-", "No question was asked"),
        ("index - <&-", "Standard input is closed"),
        ("ask $'warfarin \\xff'", "The question holds bytes that are no text"),
    ],
)
def test_input_that_is_none_is_told(folder: Path, line: str, said: str) -> None:
    told = run(f"{CHARTWELL} {line}", folder)
    assert told.returncode == 2
    assert said in told.stderr


def test_settings_that_cannot_be_read_are_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"CHARTWELL_LOG_LEVEL=\xff\n")
    told = run(ASK, tmp_path, CHARTWELL_DATA_DIR=str(folder / "data"))
    assert told.returncode == 2
    assert ".env cannot be read (it is not UTF-8)" in told.stderr


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 images are"), (1, "1 image is"), (1200, "1,200 images are")], ids=str
)
def test_a_number_agrees_with_what_it_counts(number: int, words: str) -> None:
    assert counted(number, "image is", "images are") == words
    assert counted(number, "image") == words.rpartition(" ")[0]
