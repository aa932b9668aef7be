"""The page's files: read once, known by their hash, served from memory.

Decides that a vendored file is served only while it is the one whose SHA-256 `static/vendored.json` records, and that
a file's address names its content, so that browsers may keep it for ever and never show an old one. Only what lies in
the package is served: a request names a key of a table, never a path. Knows no page.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from pipeline.service.errors import NotKnown, PageFileChanged

PREFIX = "/static/"
KEPT = "public, max-age=31536000, immutable"
DIGITS = 12
"""Of a hash, in an address."""
KINDS = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".txt": "text/plain; charset=utf-8",
    }
)
MANIFEST = "vendored.json"


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    name: str
    content: bytes
    kind: str
    sha256: str

    @cached_property
    def packed(self) -> bytes:
        """The content as gzip has it: all browsers take it, and on a slow line it is here in a third of the time. Made
        when it is first asked for: the viewer of films is large, and many a service shows none."""
        return gzip.compress(self.content, mtime=0)

    @property
    def address(self) -> str:
        return f"{PREFIX}{self.sha256[:DIGITS]}/{self.name}"


class Assets:
    """All files of the page."""

    def __init__(self, folder: Traversable | None = None) -> None:
        """Reads and checks them. Raises PageFileChanged for a vendored file that is missing or another one."""
        folder = folder or files("pipeline.service.pages") / "static"
        self._by_name = {asset.name: asset for asset in _read(folder, "")}
        self._by_address = {asset.address: asset for asset in self._by_name.values()}
        _check_vendored(folder, self._by_name)

    def address(self, name: str) -> str:
        """Where a browser finds a file; a name that is not there is a fault of a template, hence KeyError."""
        return self._by_name[name].address

    def at(self, address: str) -> Asset:
        """Raises NotKnown where nothing has this address."""
        try:
            return self._by_address[address]
        except KeyError:
            raise NotKnown("There is no such file of the page.", remedy="Load the page again.") from None


def _read(folder: Traversable, prefix: str) -> list[Asset]:
    found: list[Asset] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
            continue
        kind = KINDS.get(entry.name[entry.name.rfind(".") :])
        if kind is not None:
            content = entry.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            found.append(Asset(f"{prefix}{entry.name}", content, kind, digest))
    return found


def _check_vendored(folder: Traversable, assets: Mapping[str, Asset]) -> None:
    for entry in json.loads((folder / MANIFEST).read_text("utf-8"))["files"]:
        name, expected = entry["file"], entry["sha256"]
        asset = assets.get(name)
        if asset is None or asset.sha256 != expected:
            raise PageFileChanged(
                f"The page's file {name} is not {entry['package']} {entry['version']} as it was vendored.",
                remedy="Install Chartwell again; after an intended update, record the new hash in vendored.json.",
            )
