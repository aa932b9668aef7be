"""cloud-init/boot/disk.sh on real loop devices: what it formats, what it mounts, and what it leaves alone."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "cloud-init" / "boot" / "disk.sh"
SIZE_BYTES = 64 << 20
VOLUME = "vol-0123456789abcdef0"
STACK = "chartwell/test"
TOOLS = ("losetup", "mkfs.ext4", "blkid", "wipefs", "findmnt", "lsblk", "resize2fs", "flock", "mount")


def why_not() -> str | None:
    if os.geteuid() != 0:
        return "loop devices need root"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"not installed: {', '.join(missing)}"
    if subprocess.run(["losetup", "-f"], capture_output=True, check=False).returncode:
        return "no free loop device"
    return None


@dataclass
class Bench:
    """Loop devices under the names that EC2 gives to volumes, and one folder for all the script writes."""

    root: Path
    loops: list[str] = field(default_factory=list)

    @property
    def images(self) -> Path:
        """In memory: the machine's own disk, and what else it has to do, plays no part here."""
        return self.root / "images"

    @property
    def mount_point(self) -> Path:
        return self.root / "data"

    def disk(self, volume: str | None = VOLUME, size_bytes: int = SIZE_BYTES) -> str:
        """A blank disk; with a volume id it also appears under that name."""
        image = self.images / f"disk{len(self.loops)}.img"
        with image.open("wb") as file:
            file.truncate(size_bytes)
        done = subprocess.run(
            ["losetup", "-f", "--show", str(image)], check=True, capture_output=True, text=True
        )
        device = done.stdout.strip()
        self.loops.append(device)
        if volume:
            self.appear(device, volume)
        return device

    def appear(self, device: str, volume: str = VOLUME) -> None:
        link = self.root / "by-id" / f"nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
        link.unlink(missing_ok=True)
        link.symlink_to(device)

    def run(self, *, wait_seconds: int = 1, **more: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "HOST_VOLUME_ID": VOLUME,
            "HOST_STACK": STACK,
            "HOST_MOUNT_POINT": str(self.mount_point),
            "HOST_DISK_WAIT_SECONDS": str(wait_seconds),
            "HOST_BY_ID": str(self.root / "by-id"),
            "HOST_FSTAB": str(self.root / "fstab"),
            "HOST_STATE": str(self.root / "state"),
            "HOST_CONSOLE": "/dev/null",
            "HOST_POLL_SECONDS": "0.1",
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
        }
        return subprocess.run(
            ["bash", str(SCRIPT)],
            env={**settings, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.mount_point)], check=True)
        for device in self.loops:
            released(device)

    def mounted(self) -> str:
        done = subprocess.run(
            ["findmnt", "-rno", "SOURCE", "--mountpoint", str(self.mount_point)],
            check=False,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()


def tool(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def released(device: str, seconds: float = 20) -> None:
    """Waits until no process has its file system mounted: a container that was made meanwhile has a copy of our mounts,
    and the last who leaves writes."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def content(device: str) -> str:
    """Hash of every byte of the device."""
    with Path(device).open("rb") as file:
        os.fsync(file.fileno())  # this device only: the machine's other disks may have much to write
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_at(device: str, offset: int, data: bytes) -> None:
    with Path(device).open("r+b") as file:
        file.seek(offset)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    if reason := why_not():
        pytest.skip(reason)
    bench = Bench(tmp_path)
    (tmp_path / "by-id").mkdir()
    bench.images.mkdir()
    tool("mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", str(bench.images))
    yield bench
    subprocess.run(["umount", "-R", str(bench.mount_point)], check=False, capture_output=True)
    for device in bench.loops:
        subprocess.run(["umount", "-A", device], check=False, capture_output=True)
        subprocess.run(["losetup", "-d", device], check=True)
    tool("umount", "-l", str(bench.images))


def with_data(bench: Bench) -> str:
    """A volume of this stack with a note on it, unmounted."""
    device = bench.disk()
    assert bench.run().returncode == 0
    (bench.mount_point / "note.txt").write_text("do not lose me")
    bench.unmount()
    return device


# Each prepares a disk that holds something; whatever the script does, that must stay.
def foreign_ext4(bench: Bench) -> str:
    device = bench.disk()
    tool("mkfs.ext4", "-q", device)
    peek = bench.root / "peek"
    peek.mkdir()
    tool("mount", device, str(peek))
    (peek / "payroll.csv").write_text("someone's")
    tool("umount", str(peek))
    released(device)
    return device


def other_stack(bench: Bench) -> str:
    device = bench.disk()
    assert bench.run(HOST_STACK="chartwell/production").returncode == 0
    (bench.mount_point / "note.txt").write_text("production")
    bench.unmount()
    return device


def swap(bench: Bench) -> str:
    device = bench.disk()
    tool("mkswap", device)
    return device


def partitioned(bench: Bench) -> str:
    device = bench.disk()
    write_at(device, 446, bytes([0x80, 1, 1, 0, 0x83, 15, 63, 4, 0, 8, 0, 0, 0, 0, 2, 0]))
    write_at(device, 510, b"\x55\xaa")
    return device


def damaged_superblock(bench: Bench) -> str:
    device = with_data(bench)
    write_at(device, 0, bytes(16384))
    return device


def bytes_in_the_middle(bench: Bench) -> str:
    device = bench.disk()
    write_at(device, SIZE_BYTES // 2, b"PHI " * 1024)
    return device


def encrypted(bench: Bench) -> str:
    device = bench.disk()
    write_at(device, 0, b"LUKS\xba\xbe\x00\x02" + bytes(8) + b"\x40")
    return device


def half_formatted(bench: Bench) -> str:
    """Killed between the first and the last write of mkfs: blocks are there, the superblock is not."""
    device = with_data(bench)
    write_at(device, 1024, bytes(1024))
    return device


def mounted_elsewhere(bench: Bench) -> str:
    device = with_data(bench)
    peek = bench.root / "peek"
    peek.mkdir()
    tool("mount", "-o", "ro", device, str(peek))
    return device


def root_folder_in_use(bench: Bench) -> str:
    device = with_data(bench)
    (bench.mount_point / "docker").mkdir()
    return device


REFUSED = {
    foreign_ext4: "holds files that no Chartwell stack wrote",
    other_stack: "belongs to stack chartwell/production",
    swap: "holds swap, not ext4",
    partitioned: "Left untouched",
    damaged_superblock: "no file system but is not empty",
    bytes_in_the_middle: "no file system but is not empty",
    encrypted: "Left untouched",
    half_formatted: "no file system but is not empty",
    mounted_elsewhere: "is mounted at",
    root_folder_in_use: "is not empty",
}


@pytest.mark.parametrize("prepare", REFUSED, ids=lambda prepare: prepare.__name__)
def test_a_volume_that_holds_anything_else_is_left_as_it_is(
    bench: Bench, prepare: Callable[[Bench], str]
) -> None:
    device = prepare(bench)
    before = content(device)
    done = bench.run()
    assert done.returncode == 1
    assert REFUSED[prepare] in done.stderr
    assert "(docs/troubleshooting-aws.md#data-volume)" in done.stderr
    assert content(device) == before
    assert bench.mounted() == ""
    words = prepare.__name__.replace("_", " ")
    print(f"CASE {words}: refused, every byte as before: {done.stderr.splitlines()[-1][9:]}")


def test_a_blank_volume_is_formatted_and_a_second_run_changes_nothing(bench: Bench) -> None:
    device = bench.disk()
    first = bench.run()
    assert "formatted, it was blank" in first.stderr
    assert bench.mounted() == device
    fstab = (bench.root / "fstab").read_text()
    assert fstab.count("UUID=") == 1
    (bench.mount_point / "note.txt").write_text("kept")
    second = bench.run()
    assert second.returncode == 0
    assert "already mounted" in second.stderr
    assert (bench.root / "fstab").read_text() == fstab
    assert (bench.mount_point / "note.txt").read_text() == "kept"
    print(
        "CASE blank: formatted once, mounted by UUID; second run: already mounted, file and fstab as before"
    )


def test_a_volume_with_data_is_mounted_and_never_formatted(bench: Bench) -> None:
    with_data(bench)
    for _ in range(2):
        done = bench.run()
        assert "mounted with its data" in done.stderr
        assert (bench.mount_point / "note.txt").read_text() == "do not lose me"
        bench.unmount()
    print("CASE formatted, with data: mounted with its data, each time")


def test_a_volume_killed_with_a_dirty_journal_keeps_its_data(bench: Bench) -> None:
    device = with_data(bench)
    assert bench.run().returncode == 0
    (bench.mount_point / "late.txt").write_text("written just before the crash")
    tool("sync", "--file-system", str(bench.mount_point))
    image = bench.images / "disk0.img"
    crashed = bench.images / "disk1.img"
    shutil.copyfile(image, crashed)  # the disk as it is at this moment: mounted, journal not closed
    bench.unmount()
    tool("losetup", "-d", device)
    bench.loops.remove(device)
    done = subprocess.run(
        ["losetup", "-f", "--show", str(crashed)], check=True, capture_output=True, text=True
    )
    bench.loops.append(done.stdout.strip())
    bench.appear(bench.loops[-1])
    assert "mounted with its data" in bench.run().stderr
    assert (bench.mount_point / "late.txt").read_text() == "written just before the crash"
    print("CASE dirty journal: mounted with its data, journal replayed")


def test_another_disk_is_never_touched_while_the_right_one_is_absent(bench: Bench) -> None:
    other = bench.disk(volume="vol-0fffffffffffffff0")
    unnamed = bench.disk(volume=None)
    before = content(other), content(unnamed)
    done = bench.run()
    assert done.returncode == 1
    assert f"Volume {VOLUME} did not appear in 1 s" in done.stderr
    assert (content(other), content(unnamed)) == before
    assert (bench.root / "state" / "reason").read_text().startswith(f"Volume {VOLUME} did not appear")
    print("CASE absent, two blank disks of other ids present: refused, both untouched")


def test_a_volume_that_comes_late_is_waited_for(bench: Bench) -> None:
    device = bench.disk(volume=None)
    timer = threading.Thread(target=lambda: (time.sleep(0.5), bench.appear(device)))
    timer.start()
    done = bench.run(wait_seconds=20)
    timer.join()
    assert done.returncode == 0, done.stderr
    assert "waiting for" in done.stderr
    assert bench.mounted() == device
    print("CASE absent, then present: waited for, then formatted and mounted")


def test_another_disk_at_the_mount_point_is_an_error(bench: Bench) -> None:
    with_data(bench)
    other = bench.disk(volume=None)
    tool("mkfs.ext4", "-q", other)
    tool("mount", other, str(bench.mount_point))
    done = bench.run()
    assert done.returncode == 1
    assert "is another disk" in done.stderr
    assert bench.mounted() == other
    print("CASE another disk mounted there: refused, left mounted")


def test_a_copy_with_the_same_uuid_is_not_mistaken_for_the_volume(bench: Bench) -> None:
    with_data(bench)
    copy = bench.images / "disk1.img"
    shutil.copyfile(bench.images / "disk0.img", copy)
    done = subprocess.run(["losetup", "-f", "--show", str(copy)], check=True, capture_output=True, text=True)
    bench.loops.append(done.stdout.strip())
    bench.appear(bench.loops[1])
    before = content(bench.loops[0])
    result = bench.run()
    # Which of two equal UUIDs `mount` takes is its own choice; the other one must be noticed.
    if result.returncode == 0:
        assert bench.mounted() == bench.loops[1]
        bench.unmount()
    else:
        assert "Another disk with the UUID" in result.stderr
        assert bench.mounted() == ""
    assert content(bench.loops[0]) == before or result.returncode
    outcome = "the right one mounted" if result.returncode == 0 else "noticed, unmounted"
    print(f"CASE copy with the same UUID: {outcome}")


def test_a_grown_volume_gets_a_grown_file_system(bench: Bench) -> None:
    device = with_data(bench)
    with (bench.images / "disk0.img").open("r+b") as file:
        file.truncate(2 * SIZE_BYTES)
    tool("losetup", "-c", device)
    assert bench.run().returncode == 0
    assert shutil.disk_usage(bench.mount_point).total > 1.5 * SIZE_BYTES
    assert (bench.mount_point / "note.txt").read_text() == "do not lose me"
    print("CASE grown volume: file system grown, data kept")


def test_a_volume_of_many_gigabytes_is_mounted(bench: Bench) -> None:
    """mawk of 2020 (Ubuntu 22.04) writes a product above 2 GiB as 1.07374e+11, which the shell takes for no number."""
    bench.disk(size_bytes=5 << 30)
    done = bench.run()
    assert (done.returncode, "invalid" in done.stderr) == (0, False), done.stderr
    assert bench.mounted() == bench.loops[0]


def test_the_mark_is_never_written_on_the_root_disk(bench: Bench, tmp_path: Path) -> None:
    """A number that is none ends the command that bash is in, and not the script."""
    bench.disk()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dumpe2fs").write_text("#!/bin/sh\nprintf 'Block count: 1.5e+10\\nBlock size: 4096\\n'\n")
    (programs / "dumpe2fs").chmod(0o755)
    done = bench.run(PATH=f"{programs}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "is not mounted at" in done.stderr
    assert list(bench.mount_point.iterdir()) == []


def test_two_runs_at_once_format_once(bench: Bench) -> None:
    bench.disk()
    results: list[subprocess.CompletedProcess[str]] = []
    threads = [threading.Thread(target=lambda: results.append(bench.run())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes = sorted(done.stderr.splitlines()[-1].split(f"{VOLUME} ")[1] for done in results)
    assert outcomes == ["already mounted", "formatted, it was blank"]
    print("CASE two runs at the same time: formatted once")


def test_other_lines_of_fstab_stay(bench: Bench) -> None:
    (bench.root / "fstab").write_text(
        "LABEL=root / ext4 defaults 0 1\nUUID=old " + str(bench.mount_point) + " xfs x 0 0\n"
    )
    bench.disk()
    assert bench.run().returncode == 0
    lines = (bench.root / "fstab").read_text().splitlines()
    assert lines[0] == "LABEL=root / ext4 defaults 0 1"
    assert len(lines) == 2
    assert "nofail" in lines[1]
