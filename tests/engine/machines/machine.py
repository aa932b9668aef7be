"""One machine: systemd-nspawn on an overlay of this machine's `/`, with a real systemd, sshd, Docker and cloud-init.

Decides how it is booted, shut down and given disks. What stands in for an EC2 host's image is in root_disk.py; who asks
for machines is host.py. Like a host of EC2 it can be stopped and started on the same root disk, has a console, gets its
disks while it runs, and may power itself off.

Unlike one: the kernel is this machine's; `/sys` is read-only and there is no udev, so the attach makes the names that
udev would; memory, processors and disks of containers are not limited where the controllers are not there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import psutil

from tests.engine.machines.namespace import Namespace

ROOT_DISK_GB = 6
"""At most, in memory: an overlay's upper folder may not lie in its lower one, which is `/`."""
POWEROFF = signal.SIGRTMIN + 4
"""What systemd, as the first process, takes for `systemctl poweroff`."""
REBOOTED = 133
BOOT_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 240.0
HIDDEN = ("/tmp", "/work", "/root", "/mnt")
"""What of this machine the host need not see; its /home is a folder of its own root disk."""
EBS_LINK = "nvme-Amazon_Elastic_Block_Store_{}"


class Disk:
    """A volume: a sparse file, seen as a block device while it is attached."""

    def __init__(self, path: Path, *, size_gb: int, copy_of: Path | None = None) -> None:
        self.path = path
        if copy_of:
            _copy(copy_of, path)
        else:
            path.touch()
        self.resize(size_gb)
        self.device = ""
        self._open = -1

    def resize(self, size_gb: int) -> None:
        """Volumes only grow, and a device that is there with them."""
        os.truncate(self.path, max(size_gb << 30, self.path.stat().st_size))
        if getattr(self, "device", ""):
            _run("losetup", "--set-capacity", self.device)

    def plug(self) -> str:
        """The device, such as /dev/loop5. It goes with the last process that has it open, were that ours."""
        if not self.device:
            self.device = _run("losetup", "--find", "--show", str(self.path))
            self._open = os.open(self.device, os.O_RDONLY)
            _run("losetup", "--detach", self.device)
        return self.device

    def unplug(self) -> None:
        if self.device:
            os.close(self._open)
            self.device = ""

    def copy(self, path: Path) -> None:
        """As the disk is now: what a running machine has not written out yet is not in it."""
        _copy(self.path, path)


def _copy(source: Path, target: Path) -> None:
    _run("cp", "--sparse=always", "--reflink=auto", str(source), str(target))


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


class Machine:
    """A machine below `folder`, off until `boot`. `root` is its root disk, as reached from here."""

    def __init__(self, name: str, folder: Path, binds: dict[Path, str]) -> None:
        self.name, self.folder = name, folder
        self.console_file = folder / "console"
        self.disks: dict[str, Disk] = {}
        self._binds = [f"--bind-ro={near}:{far}" for near, far in binds.items()]
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        self.namespace = Namespace(name)
        self.namespace.run(
            f"cd {folder} && mkdir disk root && mount -t tmpfs -o size={ROOT_DISK_GB}g tmpfs disk"
            " && mkdir disk/upper disk/work disk/home"
            f" && mount -t overlay -o lowerdir=/,upperdir={folder}/disk/upper,workdir={folder}/disk/work overlay root"
        )
        self.root = self.namespace.seen(folder / "root")

    @property
    def running(self) -> bool:
        """Restarts the machine where it has asked for a reboot."""
        if self._process is None:
            return False
        code = self._process.poll()
        if code == REBOOTED:
            self._process = None
            self.boot()
            return True
        return code is None

    def boot(self) -> None:
        """Returns once the first process is there and has its disks; the boot goes on."""
        if self.running:
            return
        words = [
            *("systemd-nspawn", "--keep-unit", "--register=no", "--boot", "--capability=all"),
            "--system-call-filter=@keyring bpf",  # Docker makes a key ring for each container
            *("--console=read-only", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            *(f"--machine={self.name}", f"--directory={self.folder}/root"),
            *(f"--tmpfs={each}" for each in HIDDEN),
            f"--bind={self.folder}/disk/home:/home",
            *self._binds,
        ]
        with self.console_file.open("ab") as console:
            self._process = subprocess.Popen(
                self.namespace.in_cgroup("machine", self.namespace.entering(*words)),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._leader = self._await_leader()
        for volume_id in self.disks:
            self._show(volume_id)

    def _await_leader(self) -> int:
        """The machine's first process, as systemd, seen from here."""
        assert self._process is not None
        deadline = time.monotonic() + BOOT_SECONDS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for each in psutil.Process(self._process.pid).children(recursive=True):
                    if each.name() == "systemd" and _is_first(each.pid):
                        return each.pid
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not boot: {self.console()[-500:]}")

    def console(self) -> str:
        return self.console_file.read_text(errors="replace") if self.console_file.exists() else ""

    def plug(self, volume_id: str, disk: Disk) -> None:
        """Attach a disk; it appears in the machine where it runs, else at its next boot."""
        self.disks[volume_id] = disk
        disk.plug()
        if self.running:
            self._show(volume_id)

    def unplug(self, volume_id: str) -> None:
        disk = self.disks.pop(volume_id)
        if self.running:
            for each in self._names(volume_id, disk.device):
                each.unlink(missing_ok=True)
        disk.unplug()

    def _names(self, volume_id: str, device: str) -> tuple[Path, Path]:
        dev = Path(f"/proc/{self._leader}/root/dev")
        link = dev / "disk" / "by-id" / EBS_LINK.format(volume_id.replace("-", ""))
        return dev / Path(device).name, link

    def _show(self, volume_id: str) -> None:
        """What udev does on EC2: the device, and its name by the volume's id."""
        device = self.disks[volume_id].device
        node, link = self._names(volume_id, device)
        if not node.exists():
            os.mknod(node, 0o660 | stat.S_IFBLK, Path(device).stat().st_rdev)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(f"../../{node.name}")

    def power_off(self, seconds_max: float = STOP_SECONDS_MAX) -> None:
        """As the power button: systemd ends its units and unmounts; after `seconds_max` the plug is pulled."""
        if not self.running:
            return
        assert self._process is not None
        os.kill(self._leader, POWEROFF)
        try:
            self._process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            self.cut_power()

    def cut_power(self) -> None:
        """Every process at once. What the kernel had not written yet it still writes: it is this machine's kernel."""
        if self.running:
            assert self._process is not None
            os.kill(self._leader, signal.SIGKILL)
            self._process.wait(30)

    def remove(self) -> None:
        """The root disk goes; disks that were attached stay where they are."""
        for volume_id in list(self.disks):
            self.disks.pop(volume_id).unplug()
        self.namespace.close()
        if self._process:
            self._process.wait(30)
        shutil.rmtree(self.folder)


def _is_first(pid: int) -> bool:
    """Is it process 1 of its namespace?"""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith("NSpid:"))
    return line.split()[-1] == "1"
