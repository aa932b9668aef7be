"""Namespaces that hold one machine: its mounts, its network, its processes, its control group.

Decides how a machine is kept apart and that nothing of it outlives us. Its network has no interface but the loopback:
what goes in and out is carried by sockets that were opened inside and are served from here, so this machine's own
network is not touched. Refuses to know what runs inside.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

PREFIX = "chartwell-"
CLONE_NEWNET = 0x40000000
COPY_BYTES = 1 << 20
_LIBC = ctypes.CDLL(None, use_errno=True)


def cgroup2() -> Path | None:
    """Where the second version of control groups is mounted, alone or beside the first; None where it is not."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


class Namespace:
    """Held by a process that ends when its standard input does: with `close`, or with this process, however it ends.

    As the first process of the process namespace it takes all others with it, and their mounts go with them.
    """

    def __init__(self, name: str) -> None:
        root = cgroup2()
        assert root is not None, "no control groups of version 2"
        _sweep(root)
        self.cgroup = root / f"{PREFIX}{os.getpid()}-{name}"
        self.cgroup.mkdir()
        words = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        self._outer = subprocess.Popen(
            self.in_cgroup("keeper", [*words, "--propagation=private", "cat"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid = self._keeper()
        self.run("umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; ip link set lo up")

    def _keeper(self) -> int:
        """The process `cat`, once it is that: before, the namespaces are not all there."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for each in psutil.Process(self._outer.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if each.name() == "cat":
                        return each.pid
            time.sleep(0.01)
        raise RuntimeError("no namespaces can be made here")

    def in_cgroup(self, part: str, words: Sequence[str]) -> list[str]:
        """`words`, run in a group of its own below the machine's."""
        group = self.cgroup / part
        group.mkdir(exist_ok=True)
        return ["sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', str(group), *words]

    def entering(self, *words: str) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--", *words]

    def run(self, script: str) -> str:
        """Run a shell script inside. Raises RuntimeError with what it said."""
        done = subprocess.run(
            self.in_cgroup("keeper", self.entering("sh", "-ec", script)),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{script}: {done.stderr.strip()}")
        return done.stdout

    def seen(self, path: Path) -> Path:
        """A path of the inside as it is reached from here."""
        return Path(f"/proc/{self.pid}/root") / path.relative_to("/")

    def socket(self) -> socket.socket:
        """A TCP socket of the machine's network."""
        with _network(self.pid):
            return socket.socket()

    def close(self) -> None:
        """End everything inside, and wait until it is gone."""
        assert self._outer.stdin is not None
        self._outer.stdin.close()
        try:
            self._outer.wait(2)
        except subprocess.TimeoutExpired:  # a process that was forked from this one has the pipe open too
            os.kill(self.pid, signal.SIGKILL)
            self._outer.wait(60)
        _remove(self.cgroup)


def _sweep(root: Path) -> None:
    """Remove the empty groups of processes like this one that were killed."""
    for group in root.glob(f"{PREFIX}*"):
        if not psutil.pid_exists(int(group.name.split("-")[1])):
            _remove(group)


def _remove(group: Path) -> None:
    for folder in reversed([folder for folder, _, _ in os.walk(group)]):
        _patiently(Path(folder).rmdir)


def _patiently(remove: Callable[[], None]) -> None:
    """A group can be removed a moment after its last process has ended."""
    for _ in range(100):
        try:
            return remove()
        except OSError:
            time.sleep(0.02)
    return remove()


@contextmanager
def _network(pid: int) -> Iterator[None]:
    """This thread, in the network of `pid`."""
    with Path("/proc/thread-self/ns/net").open() as home, Path(f"/proc/{pid}/ns/net").open() as there:
        _enter(there)
        try:
            yield
        finally:
            _enter(home)


def _enter(network: IO[str]) -> None:
    if _LIBC.setns(network.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Forwarder:
    """Carries each connection to `listener` over to a socket that `reach` has connected, until `close`.

    While `flows` is not set nothing is carried, and no one is told: as where a network is cut.
    """

    def __init__(self, listener: socket.socket, reach: Callable[[], socket.socket]) -> None:
        self._listener, self._reach = listener, reach
        self.flows = threading.Event()
        self.flows.set()
        listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), self._reach() as far:
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            self._pump(near, far)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Until the source ends or either breaks; the sink is then told that no more comes."""
        with contextlib.suppress(OSError):
            while data := source.recv(COPY_BYTES):
                self.flows.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            self.flows.wait()
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.flows.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def bound(fresh: socket.socket, address: str, port: int) -> socket.socket:
    """The socket, at an address. Raises OSError, and the socket is closed, where it is taken."""
    try:
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        fresh.bind((address, port))
    except OSError:
        fresh.close()
        raise
    return fresh


def connected(fresh: socket.socket, address: str, port: int) -> socket.socket:
    """The socket, connected. Raises OSError, and the socket is closed, where nothing answers."""
    try:
        fresh.settimeout(20)
        fresh.connect((address, port))
        fresh.settimeout(None)
    except OSError:
        fresh.close()
        raise
    return fresh
