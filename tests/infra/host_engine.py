"""A host to deploy to, made of this machine: a Docker engine of its own and images that stand in for the
real ones.

The engine is the real `dockerd` with its own folders and socket, so it never meets containers of the
machine's own engine. The images carry the real ones' names, ports, health paths, users and bad habits (a
NIM exits when its cache is not writable or its key is missing and answers 503 while it loads; IRIS refuses
a foreign data folder and takes seconds to stop); what is inside them is a shell.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

LLM = "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.12"
EMBEDDING = "nvcr.io/nim/nvidia/nv-embedqa-e5-v5:1.10.1"
CLIP = "nvcr.io/nim/nvidia/nvclip:2.0.0"
IRIS = "containers.intersystems.com/intersystems/iris-community:2026.1"

NIM_START = """#!/bin/sh
[ -n "$NGC_API_KEY" ] || { echo "Authorization failed: NGC_API_KEY is not set"; exit 1; }
cache=/opt/nim/.cache
touch $cache/.probe 2>/dev/null || {
  echo "ManifestDownloadError: I/O error Permission denied (os error 13)"
  exit 1
}
[ -f $cache/weights ] || { echo "downloading the model"; echo weights >$cache/weights; }
echo start >>$cache/starts
( sleep 0.3; touch /tmp/loaded ) &
trap 'exit 0' TERM
busybox nc -ll -p 8000 -e /bin/answer &
wait
"""

NIM_ANSWER = """#!/bin/sh
read -r method path rest
while read -r line; do line=${line%?}; [ -n "$line" ] || break; done
say() { printf 'HTTP/1.0 %s\\r\\nContent-Length: %s\\r\\n\\r\\n%s' "$1" "${#2}" "$2"; }
case $path in
  /v1/health/live) say "200 OK" live ;;
  /v1/health/ready)
    if [ -f /tmp/loaded ]; then say "200 OK" ready; else say "503 Service Unavailable" loading; fi ;;
  /v1/metrics) say "200 OK" "$(printf 'num_requests_running 0.0\\nprompt_tokens_total 7.0\\n ')" ;;
  *) say "404 Not Found" none ;;
esac
"""

IRIS_START = """#!/bin/sh
[ "$(id -u)" = 51773 ] || { echo "must run as irisowner"; exit 1; }
[ -w /dur ] || { echo "[FATAL] /dur is not writeable"; exit 1; }
folder=$ISC_DATA_DIRECTORY
if [ -d "$folder" ] && [ ! -d "$folder/mgr" ] && [ -n "$(ls -A "$folder")" ]; then
  echo "[FATAL] $folder is not empty and holds no mgr"; exit 1
fi
[ ! -f /dur/expired ] || { echo "Invalid Community Edition license, may have exceeded core limit"; exit 1; }
grep -q '^PasswordHash=' "$ISC_CPF_MERGE_FILE" || { echo "[FATAL] no merge file"; exit 1; }
mkdir -p "$folder/mgr"
[ -f "$folder/mgr/IRIS.DAT" ] || echo database >"$folder/mgr/IRIS.DAT"
if [ -f "$folder/mgr/iris.lck" ]; then echo "recovering after an unclean stop"; fi
echo "start args: $*" >>"$folder/mgr/messages.log"
touch "$folder/mgr/iris.lck"
stop() { sleep 0.3; rm -f "$folder/mgr/iris.lck"; echo "clean stop" >>"$folder/mgr/messages.log"; exit 0; }
trap stop TERM INT
busybox nc -ll -p 1972 -e /bin/cat &
busybox nc -ll -p 52773 -e /bin/cat &
sleep 0.3
echo "Enabling logons"
touch /tmp/running
wait
"""

IRIS_TOOL = """#!/bin/sh
[ "$1" = qlist ] || exit 64
[ -f /tmp/running ] && echo "IRIS^/usr/irissys^2026.1^running, since today^iris.cpf^1972^52773"
"""


def why_not() -> str | None:
    """The reason why no engine can be started here, or None."""
    if os.geteuid() != 0:
        return "starting a Docker engine needs root"
    for program, package in (
        ("dockerd", "docker.io"),
        ("docker", "docker.io"),
        ("busybox", "busybox-static"),
    ):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian package {package})"
    linked = subprocess.run(
        ["ldd", shutil.which("busybox") or ""], capture_output=True, text=True, check=False
    )
    if "not a dynamic executable" not in linked.stdout + linked.stderr:
        return "busybox is not the static one (Debian package busybox-static)"
    return None


@dataclass
class Engine:
    """A running `dockerd` of our own. `docker(...)` runs the real command line against it."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DOCKER_HOST": f"unix://{self.folder}/docker.sock",
            "DOCKER_CONFIG": str(self.folder / "client"),
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LC_ALL": "C",
        }

    def docker(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"docker {arguments}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def inspect(self, name: str) -> dict[str, object]:
        return dict(json.loads(self.docker("inspect", name))[0])

    def remove_containers(self) -> None:
        if found := self.docker("ps", "-aq"):
            self.docker("rm", "-f", *found.split())

    def add_image(
        self, name: str, files: dict[str, str], user: str, entry: list[str], ports: list[int]
    ) -> None:
        layer = _layer(files)
        changes = [f"USER {user}", f"ENTRYPOINT {json.dumps(entry)}", *(f"EXPOSE {port}" for port in ports)]
        flags = [flag for change in changes for flag in ("-c", change)]
        subprocess.run(
            ["docker", "import", *flags, "-", name],
            input=layer,
            env=self.environment,
            check=True,
            capture_output=True,
        )

    def stop(self) -> None:
        self.remove_containers()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def _layer(files: dict[str, str]) -> bytes:
    busybox = Path(shutil.which("busybox") or "").read_bytes()
    tools = ("sh", "cat", "cp", "echo", "grep", "id", "ls", "mkdir", "printf", "rm", "sleep", "touch", "true")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder, mode in (
            ("bin", 0o755),
            ("tmp", 0o1777),
            ("opt", 0o755),
            ("opt/nim", 0o755),
            ("opt/nim/.cache", 0o755),
            ("dur", 0o755),
        ):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for name, content in [
            ("bin/busybox", busybox),
            *((path, text.encode()) for path, text in files.items()),
        ]:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
        for tool in tools:
            link = tarfile.TarInfo(f"bin/{tool}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return buffer.getvalue()


def start_engine(folder: Path) -> Engine:
    """Starts dockerd below `folder` and adds the stand-in images. Raises RuntimeError with the end of its
    log."""
    for name in ("bin", "client", "data", "exec"):
        (folder / name).mkdir(parents=True)
    # What the container toolkit installs; with it the engine accepts --gpus. Nothing is mounted into the
    # container.
    hook = folder / "bin" / "nvidia-container-runtime-hook"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    settings = {
        "data-root": str(folder / "data"),
        "exec-root": str(folder / "exec"),
        "pidfile": str(folder / "docker.pid"),
        "hosts": [f"unix://{folder}/docker.sock"],
        "storage-driver": "vfs",
        "iptables": False,
        "bip": "10.213.7.1/24",
        "shutdown-timeout": 5,
    }
    (folder / "daemon.json").write_text(json.dumps(settings))
    environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["dockerd", "--config-file", str(folder / "daemon.json")],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    engine = Engine(folder, process)
    deadline = time.monotonic() + 40
    while engine.docker("version", "--format", "{{.Server.Version}}", check=False) == "":
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError((folder / "log").read_text()[-2000:])
        time.sleep(0.2)
    nim = {"bin/start": NIM_START, "bin/answer": NIM_ANSWER}
    for image in (LLM, EMBEDDING, CLIP):
        engine.add_image(image, nim, "1000", ["/bin/start"], [8000])
    iris = {"iris-main": IRIS_START, "bin/iris": IRIS_TOOL}
    engine.add_image(IRIS, iris, "51773", ["/iris-main"], [1972, 52773])
    return engine


@dataclass
class Machine:
    """The host's own places, below one folder; commands of the steps are run here instead of over SSH."""

    root: Path
    environment: dict[str, str]

    @property
    def data(self) -> Path:
        return self.root / "data"

    def run(self, command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a step's command as the host's shell would, with the host's places moved below `root`."""
        words = command.replace("/opt/chartwell", str(self.root / "opt"))
        assert "sudo -n " in words
        moved = {
            "HOST_ETC": str(self.root / "etc"),
            "HOST_STATE": str(self.root / "state"),
            "HOST_RUN": str(self.root / "run"),
            "HOST_UNITS": str(self.root / "units"),
            "HOST_MOUNT_POINT": str(self.data),
            "HOST_DOCKER_FOLDERS": "",
            "HOST_POLL_SECONDS": "0.1",
        }
        return subprocess.run(
            ["sh", "-c", words.replace("sudo -n ", "")],
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
            timeout=100,
            env={**self.environment, **moved},
        )


def make_machine(root: Path, environment: dict[str, str]) -> Machine:
    """Folders, a mounted data folder with its mark, and a `systemctl` that notes what it is asked."""
    for name in ("data", "state", "bin"):
        (root / name).mkdir(parents=True)
    systemctl = root / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{shlex.quote(str(root))}/systemctl.log\n')
    systemctl.chmod(0o755)
    subprocess.run(["mount", "--bind", str(root / "data"), str(root / "data")], check=True)
    (root / "data" / ".chartwell-volume").write_text("stack=chartwell/test\nvolume=vol-0abc\n")
    (root / "state" / "boot.ready").write_text("now\n")
    return Machine(root, {**environment, "PATH": f"{root}/bin:{environment['PATH']}"})
