"""The images of IRIS and of the NIMs that the hosts pull: the project's simulators with the real ones' manners.

Decides what is in an image and in the wheelhouse that the pipeline is installed from. Both come from the lock of the
host (requirements/host.txt), downloaded once with their hashes checked and kept beside the engine, outside the
repository.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.engine.machines.registry import Layer, Registry, digest

CHECKOUT = Path(__file__).resolve().parents[3]
LOCK = CHECKOUT / "requirements" / "host.txt"
PYTHON = Path("/usr/bin/python3")
"""The system's, as on the host: images and hosts are made of it."""
PACKAGES = (
    *("numpy", "pydantic", "pydantic_core", "pydantic_settings", "python_dotenv", "annotated_types"),
    *("typing_extensions", "typing_inspection", "intersystems_irispython"),
)
"""What the simulators import."""
SOURCES = ("pipeline", "tests/servers", "tests/engine/machines")
SINGLE = (
    "tests/__init__.py",
    "tests/backends/__init__.py",
    "tests/backends/iris_driver.py",
    "tests/engine/__init__.py",
)
LEFT_OUT = re.compile(
    r"/(test|tests|idlelib|ensurepip|tkinter|lib2to3|turtledemo|config-3[^/]*|dist-packages|__pycache__)(/|$)"
)
OF_WHEELS = ("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libstdc++.so.6", "libgcc_s.so.1")
"""Shared libraries that wheels take for granted."""
SHELL = "sh cat echo ls id mkdir rm sleep touch".split()
IRIS_TOOL = """#!/bin/sh
[ "$1" = qlist ] || exit 64
[ -f /tmp/running ] && echo "IRIS^/usr/irissys^2026.1^running, since today^iris.cpf^1972^52773"
"""
NVIDIA_SMI = """#!/bin/sh
echo "GPU 0: NVIDIA A10G (UUID: GPU-0b7c1a52-7d1f-4f60-9d3c-5d0a0b1c2d3e)"
"""
FOLDERS = (("tmp", 0o1777), ("opt/nim/.cache", 0o755), ("dur", 0o755))
NIM_PORT = 8000
IRIS_PORTS = (1972, 52773)


def cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "chartwell" / "engine"


def wheelhouse() -> Path:
    """A folder with the wheels of the lock for the system's Python. Raises RuntimeError if they cannot be fetched."""
    key = hashlib.sha256(LOCK.read_bytes() + _version().encode()).hexdigest()[:12]
    folder = cache() / f"wheels-{key}"
    if folder.exists():
        return folder
    draft = folder.with_suffix(f".{os.getpid()}")
    environment = draft / "environment"
    draft.mkdir(parents=True)
    try:
        _run(str(PYTHON), "-m", "venv", str(environment))
        words = [
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
            "-r",
            str(LOCK),
        ]
        _run(str(environment / "bin" / "pip"), *words, "--dest", str(draft / "wheels"))
        (draft / "wheels").rename(folder)
    finally:
        shutil.rmtree(draft)
    return folder


def _version() -> str:
    return _run(str(PYTHON), "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[:4])}…: {done.stderr[-500:]}")
    return done.stdout


def base_layer() -> Layer:
    """Python and the packages of the simulators; made once."""
    wheels = wheelhouse()
    parts = (wheels.name, PACKAGES, OF_WHEELS, SHELL, LEFT_OUT.pattern, FOLDERS)
    recipe = hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
    path = cache() / f"base-{recipe}.tar.gz"
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(_packed([*_python(), *_unpacked(wheels), *_shell()]))
        draft.rename(path)
    return _layer(path)


Entry = tuple[str, bytes, int]
"""Path without its first slash, content, mode."""


def _python() -> Iterator[Entry]:
    """The interpreter, its library, and the shared libraries that either needs."""
    binary = PYTHON.resolve()
    library = Path(f"/usr/lib/{binary.name}")
    needed = {binary}
    for path in sorted(library.rglob("*")):
        if path.is_file() and not LEFT_OUT.search(str(path)):
            yield str(path)[1:], path.read_bytes(), 0o644
            if path.suffix == ".so":
                needed.add(path)
    yield str(binary)[1:], binary.read_bytes(), 0o755
    yield "usr/bin/python3", binary.read_bytes(), 0o755
    words = ["ldd", *map(str, sorted(needed))]
    listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = set(re.findall(r"=> (/\S+) \(0x", listed)) | set(
        re.findall(r"^\s+(/\S+ld-linux\S+) ", listed, re.M)
    )
    folder = Path(next(each for each in sorted(found) if "libc.so" in each)).parent
    for each in sorted(found | {str(folder / name) for name in OF_WHEELS}):
        yield each[1:], Path(each).read_bytes(), 0o755


def _unpacked(wheels: Path) -> Iterator[Entry]:
    for name in PACKAGES:
        (wheel,) = wheels.glob(f"{name}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for each in archive.namelist():
                if not each.endswith("/") and not LEFT_OUT.search(f"/{each}"):
                    yield f"packages/{each}", archive.read(each), 0o755


def _shell() -> Iterator[Entry]:
    busybox = Path(shutil.which("busybox") or "").read_bytes()
    for name in SHELL:
        yield f"bin/{name}", busybox, 0o755


def _program(*, more: Iterable[Entry]) -> Iterator[Entry]:
    """The simulators as this checkout has them."""
    paths = [path for name in SOURCES for path in sorted((CHECKOUT / name).rglob("*"))]
    for path in [*paths, *(CHECKOUT / name for name in SINGLE)]:
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"app/{path.relative_to(CHECKOUT)}", path.read_bytes(), 0o644
    yield from more


def _packed(entries: Iterable[Entry]) -> bytes:
    """A tar.gz of the first of each name."""
    buffer = io.BytesIO()
    first = {name: (content, mode) for name, content, mode in reversed(list(entries))}
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        for folder, mode in FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for name, (content, mode) in first.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _layer(path: Path) -> Layer:
    content = path.read_bytes()
    return Layer(path, digest(content), digest(gzip.decompress(content)))


def push_images(registries: dict[str, Registry], wanted: Iterable[str], folder: Path) -> dict[str, str]:
    """Push an image under each reference in `wanted` (registry/name:tag). Returns references with their digests."""
    base = base_layer()
    top = folder / "simulators.tar.gz"
    more = [("usr/bin/iris", IRIS_TOOL.encode(), 0o755), ("usr/bin/nvidia-smi", NVIDIA_SMI.encode(), 0o755)]
    top.write_bytes(_packed(_program(more=more)))
    layers = [base, _layer(top)]
    found = {}
    for reference in wanted:
        host, _, rest = reference.partition("/")
        name, _, tag = rest.partition(":")
        found[reference] = f"{reference}@{registries[host].push(name, tag, layers, _config(reference))}"
    return found


def _config(reference: str) -> dict[str, object]:
    iris = "iris" in reference
    program = "iris_container" if iris else "nim_container"
    ports = IRIS_PORTS if iris else (NIM_PORT,)
    return {
        "User": "51773" if iris else "1000",
        "Entrypoint": ["/usr/bin/python3", "-m", f"tests.engine.machines.{program}"],
        "Env": ["PYTHONPATH=/app:/packages", "PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"],
        "WorkingDir": "/tmp",
        "ExposedPorts": {f"{port}/tcp": {} for port in ports},
    }


def unpack_simulators(folder: Path) -> None:
    """The same, for the hosts themselves: their driver of IRIS speaks the simulator's protocol."""
    for name, content, _ in _program(more=()):
        if name.startswith("app/tests/"):
            path = folder / name.removeprefix("app/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
