"""A registry with TLS, and images that are pushed to it.

Decides how an image is written: layers, configuration, manifest, as Docker's registry takes them. Knows nothing of what
the images hold. The server is Debian's docker-registry.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

SERVER = ("docker-registry", "registry")
"""Debian's name of it, and others'."""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
START_SECONDS_MAX = 20


@dataclass(frozen=True)
class Layer:
    """A tar.gz. `content_digest` is of the tar inside, as an image's configuration names it."""

    path: Path
    digest: str
    content_digest: str


def program() -> str | None:
    return next((found for each in SERVER if (found := shutil.which(each))), None)


class Registry:
    """Serves until `close`. With an account, no one else may even look."""

    def __init__(self, folder: Path, certificate: Path, account: tuple[str, str] | None = None) -> None:
        """`certificate` holds key and certificate."""
        server = program()
        assert server, "no docker-registry"
        folder.mkdir(parents=True)
        settings: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
            "http": {
                "addr": "127.0.0.1:0",
                "tls": {"certificate": str(certificate), "key": str(certificate)},
            },
        }
        self.account = account
        if account:
            (folder / "accounts").write_text(f"{account[0]}:{bcrypt(account[1])}\n")
            settings["auth"] = {"htpasswd": {"realm": "registry", "path": str(folder / "accounts")}}
        self._log = folder / "log"
        self.port = _free_port()
        settings["http"]["addr"] = f"127.0.0.1:{self.port}"
        (folder / "config.yml").write_text(yaml.safe_dump(settings))
        with self._log.open("wb") as log:
            # It ends with its standard input: with `close`, or with this process, however it ends.
            self._process = subprocess.Popen(
                ["sh", "-c", '"$@" & read -r _; kill $!', "sh", server, "serve", str(folder / "config.yml")],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = account
        self._session.verify = str(certificate)
        try:
            self._await()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/v2/"

    def _await(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(requests.ConnectionError):
                if self._session.get(self.url, timeout=5).ok:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the registry does not start: {self._log.read_text()[-500:]}")

    def push(self, name: str, tag: str, layers: Sequence[Layer], config: Mapping[str, Any]) -> str:
        """Returns the digest that `name@…` pulls by."""
        image = {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [each.content_digest for each in layers]},
            "history": [{"created_by": "tests/engine"} for _ in layers],
        }
        written = json.dumps(image, sort_keys=True).encode()
        for layer in layers:
            self._blob(name, layer.path.read_bytes(), layer.digest)
        self._blob(name, written, digest(written))
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "size": len(written), "digest": digest(written)},
            "layers": [
                {"mediaType": LAYER, "size": each.path.stat().st_size, "digest": each.digest}
                for each in layers
            ],
        }
        body = json.dumps(manifest).encode()
        answer = self._session.put(
            f"{self.url}{name}/manifests/{tag}", data=body, headers={"Content-Type": MANIFEST}, timeout=30
        )
        answer.raise_for_status()
        return str(answer.headers["Docker-Content-Digest"])

    def _blob(self, name: str, content: bytes, digest: str) -> None:
        if self._session.head(f"{self.url}{name}/blobs/{digest}", timeout=30).ok:
            return
        begun = self._session.post(f"{self.url}{name}/blobs/uploads/", timeout=30)
        begun.raise_for_status()
        self._session.put(
            begun.headers["Location"], params={"digest": digest}, data=content, timeout=60
        ).raise_for_status()

    def close(self) -> None:
        self._session.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def bcrypt(password: str) -> str:
    """The only hash that the registry takes, by the C library that every Linux logs in with."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed = crypt(password.encode(), b"$2y$05$chartwellchartwellchare")
    assert (hashed or b"").startswith(b"$2y$"), "libcrypt knows no bcrypt"
    return str(hashed.decode())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
