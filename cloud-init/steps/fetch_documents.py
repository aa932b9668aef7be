"""Brings a prefix of a bucket to a folder, only what changed: fetch_documents.py s3://BUCKET/PREFIX FOLDER.

The pipeline reads files, so the bucket is copied to the encrypted data volume first. What the bucket no longer holds
is removed here; the stored notes stay until the indexing is run with --prune. Prints numbers, never a key:
names of objects may name patients. Ends with 0, with 3 where the prefix holds no documents, with 1 where AWS or the
disk refused. Runs in the pipeline's environment, as the user chartwell, with the host's role.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import boto3
import botocore.exceptions

EMPTY = 3
DOWNLOADS_AT_ONCE = 8
SPARE_BYTES = 2 << 30
MANIFEST = "documents.json"
HELP = "(docs/troubleshooting-aws.md#job)"


def listed(client: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str, int]]:
    """(key, version of the content, bytes) of every object that is not a mere folder mark."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Contents", ()):
            if not each["Key"].endswith("/"):
                yield each["Key"], each["ETag"], each["Size"]


def place_of(key: str, prefix: str) -> str | None:
    """The path below the folder; None where a key would leave it."""
    parts = PurePosixPath(key.removeprefix(prefix).lstrip("/")).parts
    return None if not parts or {"..", "."} & set(parts) or "\0" in key else "/".join(parts)


def fetch(client: Any, bucket: str, prefix: str, folder: Path) -> int:
    """Makes `folder` hold what the prefix holds. Returns the exit code."""
    manifest = folder.with_name(MANIFEST)
    had: dict[str, str] = json.loads(manifest.read_text()) if manifest.exists() else {}
    wanted, refused = {}, 0
    for key, etag, size in listed(client, bucket, prefix):
        place = place_of(key, prefix)
        if place is None:
            refused += 1
        else:
            wanted[place] = (key, etag, size)
    changed = [
        place
        for place, (_, etag, _) in wanted.items()
        if had.get(place) != etag or not (folder / place).exists()
    ]
    gone = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and _name(path, folder) not in wanted
    ]
    for path in gone:
        path.unlink()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    needed = sum(wanted[place][2] for place in changed)
    free = shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        say(
            f"FAILED: {needed >> 20} MiB to fetch and {free >> 20} MiB free. Raise chartwell:volumeSizeGb. {HELP}"
        )
        return 1
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        list(pool.map(lambda place: _download(client, bucket, wanted[place][0], folder / place), changed))
    _write(manifest, {place: etag for place, (_, etag, _) in wanted.items()})
    say(
        f"documents: {len(wanted)} in the bucket, {len(changed)} fetched, {len(gone)} removed here"
        + (f", {refused} left out: their names lead out of the folder" if refused else "")
    )
    return 0 if wanted else EMPTY


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _download(client: Any, bucket: str, key: str, path: Path) -> None:
    """Written to a temporary file and renamed: a run that is killed leaves no half document."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name[:200]}.part")
    client.download_file(bucket, key, str(draft))
    draft.replace(path)


def _write(path: Path, value: dict[str, str]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(value))
    draft.replace(path)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    bucket, _, prefix = sys.argv[1].removeprefix("s3://").partition("/")
    try:
        return fetch(boto3.client("s3"), bucket, prefix, Path(sys.argv[2]))
    except botocore.exceptions.ClientError as error:
        answer = error.response.get("Error", {})
        say(f"FAILED: AWS refused {error.operation_name} on {bucket}: {answer.get('Code')} {HELP}")
    except (botocore.exceptions.BotoCoreError, OSError) as error:
        say(f"FAILED: {type(error).__name__} while fetching from {bucket} {HELP}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
