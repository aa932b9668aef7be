"""A host with nginx before the service, made of a folder of this machine: the real script, the real nginx and openssl,
and a stand-in for systemd."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
HOST_FILES = CHECKOUT / "cloud-init"
UNIT = "chartwell-front.service"
SYSTEMCTL = """#!/bin/bash
echo "$@" >>{root}/asked
case "$1 $2" in
  "-q is-active") [ -e {root}/active ] && [ ! -e {root}/failed ] ;;
  "-q is-failed") [ -e {root}/failed ] ;;
  "restart "*) touch {root}/active ;;
esac
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Host:
    """Folders of a host in `root`, and its scripts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port, self.service_port = free_port(), free_port()
        (root / "bin").mkdir()
        self.program("systemctl", SYSTEMCTL.format(root=root))
        self.program("journalctl", "#!/bin/bash\necho 'settings: CHARTWELL_IRIS__HOST is not set'\n")

    def program(self, name: str, text: str) -> None:
        (self.root / "bin" / name).write_text(text)
        (self.root / "bin" / name).chmod(0o755)

    def run(self, script: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(HOST_FILES / "steps" / script), *arguments],
            input=stdin,
            env={
                "PATH": f"{self.root}/bin:{os.environ['PATH']}:/usr/sbin",
                "HOST_ETC": str(self.root / "etc"),
                "HOST_STATE": str(self.root / "state"),
                "HOST_UNITS": str(self.root / "units"),
                "HOST_RUN": str(self.root / "run"),
                "HOST_MOUNT_POINT": str(self.root / "data"),
                "HOST_POLL_SECONDS": "0.05",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def front(self, *names: str, kind: str = "self-signed") -> subprocess.CompletedProcess[str]:
        return self.run("front.sh", "127.0.0.1", str(self.port), str(self.service_port), kind, *names)

    @property
    def certificate(self) -> Path:
        return self.root / "etc" / "front" / "tls.pem"

    @property
    def asked(self) -> str:
        return (self.root / "asked").read_text()


def why_not() -> str:
    """Why there can be no such host here; empty where there can."""
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        return "nginx is not installed (Debian's and Ubuntu's package nginx-core)"
    return ""


@contextmanager
def listening(host: Host) -> Iterator[Host]:
    """nginx as the unit runs it, but for systemd's folders."""
    assert host.front("chartwell.example.org").returncode == 0
    run = host.root / "nginx"
    run.mkdir()
    text = (host.root / "etc" / "front" / "nginx.conf").read_text()
    text = text.replace(f"/run/credentials/{UNIT}", str(host.certificate.parent))
    (run / "nginx.conf").write_text(text.replace("/run/chartwell-front", str(run)))
    (start,) = re.findall(r"^ExecStart=(.*)$", (HOST_FILES / "units" / UNIT).read_text(), re.MULTILINE)
    with (run / "said").open("w") as said:
        process = subprocess.Popen(
            [
                *start.split(" -c ")[0].split(),
                *(
                    "-c",
                    str(run / "nginx.conf"),
                    "-g",
                    "daemon off;" + (" user root;" if os.geteuid() == 0 else ""),
                ),
            ],
            stderr=said,
            env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"},
        )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", host.port)) == 0:
                    break
            time.sleep(0.02)
        yield host
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(10)
    assert (run / "said").read_text() == ""
