"""Space, inodes and the data volume, read from files laid out like /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.checks.disks import disk_check, volume_check
from pipeline.checks.machine import VOLUME_MARK, vantage_of
from pipeline.checks.result import Finding
from pipeline.config import load_settings
from tests.checks.contexts import bench
from tests.simulated_host import space

ID = "vol-0a1b2c3d4e5f67890"


@pytest.mark.parametrize(
    ("free", "inodes", "status"),
    [(0.5, 0.9, "pass"), (0.09, 0.9, "warn"), (0.02, 0.9, "fail"), (0.5, 0.1, "warn"), (0.5, 0.01, "fail")],
)
def test_space_and_inodes(tmp_path: Path, free: float, inodes: float, status: str) -> None:
    found = disk_check(
        bench(tmp_path, vantage="local", machine={"statvfs": space(free, free_inode_share=inodes)})
    )
    assert found.status == status
    assert ("of its inodes" in found.reason) is (inodes < free)
    assert found.measured["used_percent"] == pytest.approx(100 * (1 - free), abs=0.1)


def test_a_file_system_that_counts_no_inodes_is_not_full(tmp_path: Path) -> None:
    def without_inodes(_: Path) -> object:
        found = space(0.5)(tmp_path)
        found.f_files = found.f_favail = 0  # type: ignore[misc]
        return found

    assert disk_check(bench(tmp_path, vantage="local", machine={"statvfs": without_inodes})).status == "pass"


def test_what_root_keeps_for_itself_is_no_space(tmp_path: Path) -> None:
    """As df has it, and as the monitor shows it: 70 of 95 GiB, not 75 of 100."""

    def reserving(_: Path) -> object:
        found = space(0.30)(tmp_path)
        found.f_bavail = int(found.f_blocks * 0.25)  # type: ignore[misc]
        return found

    found = disk_check(bench(tmp_path, vantage="local", machine={"statvfs": reserving}))
    assert found.measured["used_percent"] == 73.7
    assert found.measured["free_gibibytes"] == 25.0


def test_this_machines_disk_is_measured_for_real(tmp_path: Path) -> None:
    found = disk_check(bench(tmp_path / "not" / "made" / "yet", vantage="local"))
    assert found.measured["folder"] == str(tmp_path)
    assert 0 <= float(str(found.measured["used_percent"])) <= 100


class Volume:
    """A volume at a folder, on a device whose serial number and mapper are told."""

    def __init__(self, folder: Path, *, serial: str = "", crypt: str = "", mounted: bool = True) -> None:
        self.folder = folder
        self.path = folder / "vol"
        (self.path / "app").mkdir(parents=True)
        (self.path / VOLUME_MARK).write_text(f"volume={ID}\n")
        proc = folder / "root" / "proc" / "self"
        proc.mkdir(parents=True)
        lines = ["22 1 259:1 / / rw shared:1 - ext4 /dev/root rw"]
        if mounted:
            lines.append(f"61 22 259:4 / {self.path} rw,noatime shared:33 - ext4 /dev/nvme1n1 rw")
        (proc / "mountinfo").write_text("\n".join(lines) + "\n")
        block = folder / "root" / "sys" / "dev" / "block" / "259:4"
        for place, text in (("device/serial", serial), ("dm/uuid", crypt)):
            if text:
                (block / place).parent.mkdir(parents=True)
                (block / place).write_text(text + "\n")

    def check(self, **checks: str) -> Finding:
        given = {"volume": self.path, **checks}
        return volume_check(bench(self.folder, data_dir=self.path / "app", checks=given))


def test_the_stacks_own_volume(tmp_path: Path) -> None:
    found = Volume(tmp_path, serial="vol0a1b2c3d4e5f67890").check(volume_id=ID)
    assert found.status == "pass"
    assert "known from the stack" in str(found.measured["encryption"])


def test_another_volume_in_its_place(tmp_path: Path) -> None:
    found = Volume(tmp_path, serial="vol0fffffffffffffff0").check(volume_id=ID)
    assert found.status == "fail"
    assert "vol-0fffffffffffffff0" in found.reason


def test_a_volume_on_dm_crypt_is_seen_to_be_encrypted(tmp_path: Path) -> None:
    found = Volume(tmp_path, crypt="CRYPT-LUKS2-1f0e-chartwell").check()
    assert found.status == "pass"
    assert found.measured["encryption"] == "dm-crypt, seen on this machine"


def test_a_volume_of_which_nobody_knows_is_a_warning(tmp_path: Path) -> None:
    assert Volume(tmp_path, serial="vol0a1b2c3d4e5f67890").check().status == "warn"


def test_a_folder_that_is_no_mount(tmp_path: Path) -> None:
    found = Volume(tmp_path, mounted=False).check(volume_id=ID)
    assert found.status == "fail"
    assert "Nothing is mounted" in found.reason


def test_a_mount_without_the_mark(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    (volume.path / VOLUME_MARK).unlink()
    assert "no mark" in volume.check().reason


def test_data_beside_the_volume(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    found = volume_check(bench(tmp_path, data_dir=tmp_path / "elsewhere", checks={"volume": volume.path}))
    assert found.status == "fail"
    assert "not on the volume" in found.reason


def test_from_where_a_deployment_is_seen(tmp_path: Path) -> None:
    here = load_settings(None)
    volume = tmp_path / "data"
    there = load_settings(None, checks={"volume": volume})
    assert vantage_of(here, None) == "local"
    assert vantage_of(here, "dev") == "outside"
    assert vantage_of(there, "dev") == "outside"
    assert vantage_of(there, None) == "host"  # its volume is missing, which is what must be found
    volume.mkdir()
    (volume / VOLUME_MARK).write_text("stack=dev\n")
    assert vantage_of(there, "dev") == "host"
    assert vantage_of(there, "dev", outside=True) == "outside"
