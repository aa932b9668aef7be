"""What runs in the container that stands for IRIS: the scripted server on a file of the durable folder.

It has IRIS's manners: it refuses another user, a folder that is not writable or not its own, and a missing merge file;
the password is the one whose hash the merge file holds; a stop in order leaves no lock behind.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from tests.backends.iris_driver import Connection
from tests.servers.iris import LOCK_SECONDS, FileServer, serve

OWNER = 51773
SUPERSERVER_PORT, WEB_PORT = 1972, 52773
RUNNING = Path("/tmp/running")


class MergedServer(FileServer):
    """Takes the password of the merge file."""

    def __init__(self, path: Path, hashed: tuple[str, str, str], **options: Any) -> None:
        self._hashed = hashed
        super().__init__(path, **options)

    def connect(self, **options: Any) -> Connection:
        digest, salt, rounds = self._hashed
        given = hashlib.pbkdf2_hmac("sha512", options["password"].encode(), bytes.fromhex(salt), int(rounds))
        right = hmac.compare_digest(given.hex(), digest)
        return super().connect(**options | {"password": self.password if right else ""})


def main() -> None:
    if os.getuid() != OWNER:
        sys.exit("must run as irisowner")
    data = Path(os.environ["ISC_DATA_DIRECTORY"])
    if not os.access(data.parent, os.W_OK):
        sys.exit(f"[FATAL] {data.parent} is not writeable")
    if data.is_dir() and not (data / "mgr").is_dir() and any(data.iterdir()):
        sys.exit(f"[FATAL] {data} is not empty and holds no mgr")
    merge = Path(os.environ["ISC_CPF_MERGE_FILE"]).read_text()
    hashed = re.search(r"^PasswordHash=([0-9a-f]+),([0-9a-f]+),(\d+),SHA512", merge, re.MULTILINE)
    if hashed is None:
        sys.exit("[FATAL] the merge file holds no hash of a password")
    database, lock = data / "mgr" / "demo", data / "mgr" / "iris.lck"
    database.mkdir(parents=True, exist_ok=True)
    if lock.exists():
        say("recovering after an unclean stop")
    lock.touch()
    server = MergedServer(database / "IRIS.DAT", (hashed[1], hashed[2], hashed[3]), lock_seconds=LOCK_SECONDS)

    def stop(*_: object) -> None:
        with server.guard:
            server.close()
            lock.unlink()
            say("clean stop")
            os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    portal = socket.create_server(("0.0.0.0", WEB_PORT))
    threading.Thread(target=serve, args=(server, SUPERSERVER_PORT, "0.0.0.0"), daemon=True).start()
    say("Enabling logons")
    RUNNING.touch()
    while True:
        portal.accept()[0].close()


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
