"""The one command line of every peer, and how each is given its notes.

    python -m benchmarks.peers.with_langchain ingest NOTES FOLDER URL [--tuned]     exit code 0: all is in
    python -m benchmarks.peers.with_langchain entries FOLDER                        what the store holds
    python -m benchmarks.peers.with_langchain versions

`entries` prints one JSON list a line: note id and SHA-256 of the stored text, one line for each entry of the store.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL = "nvidia/nemotron-3-embed-1b"
DIMENSION = 2048
COLLECTION = "notes"
METADATA = ("resource_id", "patient_id", "document_type", "date")


@dataclass(frozen=True)
class Peer:
    """`ingest(notes, folder, url, tuned)` indexes; `entries(folder)` gives (note id, text) of all that is stored."""

    packages: tuple[str, ...]
    ingest: Callable[[list[dict[str, Any]], Path, str, bool], None]
    entries: Callable[[Path], Iterable[tuple[str, str]]]


def metadata(note: dict[str, Any]) -> dict[str, str]:
    return {name: str(note[name]) for name in METADATA if note.get(name)}


def groups(notes: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(notes), size):
        yield notes[start : start + size]


def chroma_entries(folder: Path) -> Iterator[tuple[str, str]]:
    """All entries of the collection, whichever framework wrote it."""
    import chromadb

    collection = chromadb.PersistentClient(str(folder / "chroma")).get_or_create_collection(COLLECTION)
    for start in range(0, collection.count(), 1000):
        page = collection.get(limit=1000, offset=start, include=["documents", "metadatas"])
        for text, found in zip(page["documents"], page["metadatas"], strict=True):
            yield found["resource_id"], text


def main(peer: Peer) -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    ingest = commands.add_parser("ingest")
    ingest.add_argument("notes", type=Path)
    ingest.add_argument("folder", type=Path)
    ingest.add_argument("url")
    ingest.add_argument("--tuned", action="store_true")
    entries = commands.add_parser("entries")
    entries.add_argument("folder", type=Path)
    commands.add_parser("versions")
    options = parser.parse_args()
    if options.command == "ingest":
        options.folder.mkdir(parents=True, exist_ok=True)
        found = [json.loads(line) for line in options.notes.read_text(encoding="utf-8").splitlines()]
        peer.ingest(found, options.folder, options.url, options.tuned)
    elif options.command == "entries":
        for note_id, text in peer.entries(options.folder):
            print(json.dumps([note_id, hashlib.sha256(text.encode()).hexdigest()]))
    else:
        print(json.dumps({name: importlib.metadata.version(name) for name in peer.packages}))
    sys.stdout.flush()
