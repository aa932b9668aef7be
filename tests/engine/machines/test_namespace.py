"""What holds a machine: nothing of it outlives us, sockets alone reach its network, its disks keep their content."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.engine import host
from tests.engine.machines.machine import Disk
from tests.engine.machines.namespace import Forwarder, Namespace, bound, connected

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import subprocess, sys
from tests.engine.machines.namespace import Namespace
inside = Namespace("holder")
sleeper = subprocess.Popen(inside.in_cgroup("machine", inside.entering("sleep", "1000")))
print(inside.pid, sleeper.pid, inside.cgroup, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _possible() -> None:
    if reason := host.why_no_namespace():
        pytest.skip(reason)


@pytest.fixture
def inside() -> Iterator[Namespace]:
    found = Namespace("test")
    try:
        yield found
    finally:
        found.close()


def test_nothing_is_left_after_close() -> None:
    inside = Namespace("closed")
    sleeper = subprocess.Popen(inside.in_cgroup("machine", inside.entering("sleep", "1000")))
    inside.close()
    assert sleeper.wait(10) != 0
    assert not inside.cgroup.exists()


def test_nothing_outlives_a_process_that_is_killed() -> None:
    words = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        first, sleeper, group = holder.stdout.readline().split()
        holder.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(_alive(int(pid)) for pid in (first, sleeper)):
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.05)
    Namespace("next").close()
    assert not Path(group).exists(), "the next one removes the empty groups"


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_its_network_is_its_own_and_reached_by_a_forwarder(inside: Namespace) -> None:
    listener = bound(inside.socket(), "127.0.0.1", 7000)
    listener.listen()
    with pytest.raises(OSError, match="refused"):
        connected(socket.socket(), "127.0.0.1", 7000)
    outside = bound(socket.socket(), "127.0.0.1", 0)
    port = outside.getsockname()[1]
    door = Forwarder(outside, lambda: connected(inside.socket(), "127.0.0.1", 7000))
    with connected(socket.socket(), "127.0.0.1", port) as client:
        door.flows.clear()
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        listener.settimeout(5)
        server, _ = listener.accept()
        with server:
            server.settimeout(0.2)
            with pytest.raises(TimeoutError):
                server.recv(100)
            door.flows.set()
            server.settimeout(5)
            assert server.recv(100) == b"question"
            assert server.recv(100) == b""
            server.sendall(b"answer")
        assert client.recv(100) == b"answer"
    door.close()
    listener.close()
    assert inside.run("ls /sys/class/net; ip -br link").split().count("lo") == 2


def test_a_disk_keeps_its_content_over_plugs_sizes_and_copies(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "volume", size_gb=1)
    with Path(disk.plug()).open("r+b") as device:
        device.write(b"do not lose me")
    disk.resize(2)
    assert subprocess.check_output(["blockdev", "--getsize64", disk.device], text=True) == f"{2 << 30}\n"
    disk.unplug()
    disk.copy(tmp_path / "snapshot")
    copy = Disk(tmp_path / "copy", size_gb=3, copy_of=tmp_path / "snapshot")
    assert copy.path.stat().st_size == 3 << 30
    with copy.path.open("rb") as file:
        assert file.read(14) == b"do not lose me"
    assert disk.path.stat().st_blocks * 512 < 1 << 20
