"""Starts and removes the IRIS of the live suite: `python -m tests.live.iris_server up` and `... down`.

The password is made here and never leaves this machine: IRIS gets a salted hash in its merge file, the suite reads it
from a file of its own. Nothing of it stands on a command line or in a container's environment.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPOSE_FILE = HERE / "iris-compose.yaml"
STATE = Path(os.environ.get("IRIS_STATE", HERE.parents[1] / "build" / "live-iris")).resolve()
"""Password, merge file and report; outside of version control."""
MERGE_FOLDER = STATE / "merge"
PASSWORD_FILE = STATE / "password"
REPORT = STATE / "report.md"
PORT = int(os.environ.get("IRIS_PORT", "51972"))
CACHE_MB = 512
"""Database cache. IRIS would take a quarter of the host's memory, whatever the container may use."""
HASH_ROUNDS = 10_000
START_SECONDS_MAX = 900


def prepare() -> None:
    """Make the password, once, and the merge file that carries its hash."""
    MERGE_FOLDER.mkdir(parents=True, exist_ok=True)
    if not PASSWORD_FILE.exists():
        PASSWORD_FILE.touch(mode=0o600)
        PASSWORD_FILE.write_text(secrets.token_urlsafe(24), encoding="ascii")
    merge = (HERE / "iris-merge.cpf").read_text(encoding="ascii")
    hashed = password_hash(PASSWORD_FILE.read_text(encoding="ascii"), secrets.token_bytes(64))
    merge = merge.replace("@PASSWORD_HASH@", hashed).replace("@CACHE_MB@", str(CACHE_MB))
    (MERGE_FOLDER / "merge.cpf").write_text(merge, encoding="ascii")


def password_hash(password: str, salt: bytes) -> str:
    """`hash,salt,rounds,SHA512`, hexadecimal, as IRIS's `PasswordHash` wants it: PBKDF2-HMAC-SHA512."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS)
    return f"{digest.hex()},{salt.hex()},{HASH_ROUNDS},SHA512"


def compose(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run docker compose on our file; its output is captured."""
    environment = {**os.environ, "IRIS_STATE": str(MERGE_FOLDER), "IRIS_PORT": str(PORT)}
    command = ["docker", "compose", "-f", str(COMPOSE_FILE), *arguments]
    return subprocess.run(command, env=environment, check=check, capture_output=True, text=True)


def up() -> int:
    prepare()
    started = compose("up", "--detach", "--wait", "--wait-timeout", str(START_SECONDS_MAX), check=False)
    if started.returncode:
        sys.stderr.write(started.stderr[-2_000:])
        sys.stderr.write(compose("logs", "--tail", "30", check=False).stdout)
        sys.stderr.write(
            "IRIS did not start. 'Invalid Community Edition license' means: take a newer image.\n"
        )
    return started.returncode


def down() -> int:
    """Remove container, volume and password; the report stays."""
    removed = compose("down", "--volumes", "--timeout", "120", check=False)
    if removed.returncode:
        sys.stderr.write(removed.stderr[-2_000:])
        return removed.returncode
    PASSWORD_FILE.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit({"up": up, "down": down}[sys.argv[1]]())
