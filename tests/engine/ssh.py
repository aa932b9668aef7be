"""One connection over the OpenSSH client: dialled again until a limit, its host key pinned, one command or one copy.

Decides how a dial, a dropped connection and a command's exit differ, since the client ends with 255 for all of them.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

DIAL_TRIES_DEFAULT: Final = 10
FIRST_PAUSE_SECONDS: Final = 0.1
PAUSE_GROWTH: Final = 1.5
PAUSE_SECONDS_MAX: Final = 5.0
LINE_BYTES_MAX: Final = 64 * 1024  # of Go's bufio.Scanner


class SshError(Exception):
    """The host was not reached, or the connection broke. Carries the client's last words."""


class Session:
    """Runs commands over a connection that stands."""

    def __init__(self, words: list[str], target: str) -> None:
        self._words, self._target = words, target

    def run(self, command: str, stdin: str, say: Callable[[str], None]) -> tuple[int, str, str]:
        """Exit code, standard output and error without their last line break; `say` hears each line as it comes.

        A line of 64 KiB and more ends the reading, as in the real provider: the pipe fills and the command hangs.
        """
        process = subprocess.Popen(
            ["ssh", *self._words, self._target, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        assert process.stdout
        assert process.stderr
        kept: tuple[list[bytes], list[bytes]] = ([], [])
        readers = [
            threading.Thread(target=_read, args=(stream, into, say), daemon=True)
            for stream, into in zip((process.stdout, process.stderr), kept, strict=True)
        ]
        for reader in readers:
            reader.start()
        _feed(process.stdin, stdin.encode())
        code = process.wait()
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()
        out, error = (b"".join(each).decode(errors="replace") for each in kept)
        return code, out.removesuffix("\n"), error.removesuffix("\n")

    def copy(self, source: Path, target: str) -> None:
        """One file by SFTP; its folder is made, its mode is not kept. Raises SshError."""
        lines = [f'-mkdir "{Path(target).parent}"', f'put "{source}" "{target}"']
        done = subprocess.run(
            ["sftp", *self._words, "-b", "-", self._target],
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SshError(f"failed to copy file {source} to remote path {target}: {done.stderr.strip()}")


def _read(stream: IO[bytes], kept: list[bytes], say: Callable[[str], None]) -> None:
    while line := stream.readline(LINE_BYTES_MAX):
        kept.append(line)
        if len(line) >= LINE_BYTES_MAX:
            threading.Event().wait()  # no one reads on: the writer blocks for ever
        say(line.decode(errors="replace").rstrip("\n"))


def _feed(stream: IO[bytes], content: bytes) -> None:
    try:
        stream.write(content)
        stream.close()
    except BrokenPipeError:
        pass  # the command did not read to the end


@contextmanager
def dialled(connection: Mapping[str, Any], sleep: Callable[[float], None] = time.sleep) -> Iterator[Session]:
    """A connection with the inputs of `command:remote`. Raises SshError when the limit of dials is reached."""
    with tempfile.TemporaryDirectory(prefix="ssh-") as name:
        folder = Path(name)
        words = _options(connection, folder)
        target = f"{connection.get('user') or 'root'}@{connection['host']}"
        limit = int(connection.get("dialErrorLimit") or DIAL_TRIES_DEFAULT)
        seconds = int(connection.get("perDialTimeout") or 15)
        pause, dials = FIRST_PAUSE_SECONDS, 1
        while isinstance(master := _dial(words, target, seconds, folder), str):
            if -1 < limit < dials:
                raise SshError(f"after {dials} failed attempts: {master}")
            dials += 1
            sleep(pause)
            pause = min(pause * PAUSE_GROWTH, PAUSE_SECONDS_MAX)
        try:
            yield Session(words, target)
        finally:
            master.kill()  # SIGTERM between two looks at its signals would leave the client waiting for ever
            master.wait()


def _options(connection: Mapping[str, Any], folder: Path) -> list[str]:
    key = folder / "key"
    key.touch(mode=0o600)
    # The client wants a line break at its end; Go's reader, and so the real provider, does not.
    key.write_text((connection.get("privateKey") or "").rstrip("\n") + "\n", encoding="utf-8")
    settings = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "ControlPath": f"{folder}/s",
        "LogLevel": "ERROR",
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "no",
    }
    port = int(connection.get("port") or 22)
    if pinned := connection.get("hostKey"):
        known = folder / "known_hosts"
        host = connection["host"] if port == 22 else f"[{connection['host']}]:{port}"
        known.write_text(f"{host} {pinned}\n", encoding="utf-8")
        settings |= {
            "UserKnownHostsFile": str(known),
            "StrictHostKeyChecking": "yes",
            "HostKeyAlgorithms": str(pinned).split()[0],
        }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    return ["-F", "none", "-i", str(key), "-o", f"Port={port}", *options]


def _dial(words: list[str], target: str, seconds: int, folder: Path) -> subprocess.Popen[bytes] | str:
    """The process that holds the connection, which goes when this one does; or why there is none."""
    said = folder / "said"
    with said.open("wb") as error:
        master = subprocess.Popen(
            [
                "setpriv",
                "--pdeathsig",
                "KILL",
                "ssh",
                *words,
                "-o",
                f"ConnectTimeout={seconds}",
                "-M",
                "-N",
                target,
            ],
            stdin=subprocess.DEVNULL,
            stdout=error,
            stderr=error,
        )
    while master.poll() is None:
        if (folder / "s").exists():
            return master
        time.sleep(0.01)
    return said.read_text(errors="replace").strip() or f"ssh ended with {master.returncode}"
