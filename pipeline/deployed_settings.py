"""The settings of a deployed stack: what its output `settings` says, through the `pulumi` program.

Decides what of a stack is asked for: this one output, nothing else. Refuses to know how a stack is built, what the
settings mean (`config`), and to keep or print a value: the password of the database is among them.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from pipeline.errors import SettingsInvalid

OUTPUT = "settings"
PROJECT_FILE = "Pulumi.yaml"
ANSWER_SECONDS_MAX = 120
PREFIX = "CHARTWELL_"


def stack_variables(stack: str) -> dict[str, str]:
    """The settings of `stack`, by variable. Values may be secret.

    Raises SettingsInvalid where the program, the stack or the output is missing, each with what to do.
    """
    return _variables(_answer(stack), stack)


def _answer(stack: str) -> str:
    """What `pulumi` prints. The secret among the values is in its standard output only, which is never shown."""
    words = [
        "pulumi",
        "stack",
        "output",
        OUTPUT,
        "--json",
        "--show-secrets",
        "--non-interactive",
        "--stack",
        stack,
    ]
    try:
        done = subprocess.run(
            words, cwd=_checkout(), capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS_MAX
        )
    except FileNotFoundError:
        raise SettingsInvalid(
            f"The settings of stack {stack} come from the pulumi program, which is not installed.",
            remedy="Install it, or set the variables of .env.example by hand.",
        ) from None
    except subprocess.TimeoutExpired:
        raise SettingsInvalid(
            f"pulumi did not answer within {ANSWER_SECONDS_MAX} s for stack {stack}.",
            remedy="See whether `pulumi stack` works: it may wait for a login or for its passphrase.",
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:]
        raise SettingsInvalid(
            f"pulumi cannot tell the settings of stack {stack}: {said or 'it gave no reason'}",
            remedy="`pulumi stack ls` lists the stacks; a stack that was never up, or is paused, has no outputs: "
            "pulumi up.",
        )
    return done.stdout


def _checkout() -> Path | None:
    """Where the stack's project is: next to this package when run from the checkout, else the current folder."""
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / PROJECT_FILE).is_file() else None


def _variables(text: str, stack: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    good = isinstance(found, dict) and all(
        name.startswith(PREFIX) and isinstance(value, str) for name, value in found.items()
    )
    if not good or not found:
        raise SettingsInvalid(
            f"The output {OUTPUT} of stack {stack} is not a list of settings.",
            remedy="The stack was made by another version: run pulumi up with this checkout.",
        )
    return dict(found)
