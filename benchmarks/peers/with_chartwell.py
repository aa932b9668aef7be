"""Chartwell as a user runs it: `python -m pipeline.vectorize notes`, the embedded store, every default.

Tuned: requests of 128 texts, for a server that has its work with each request; its passages are about a fifth as long
as its peers'. What is stored is read from the store's file with plain SQL, not with Chartwell's own code.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.peer import MODEL, Peer, main
from pipeline.wiring import STORE_FILE


def command(notes: Path) -> list[str]:
    return [sys.executable, "-m", "pipeline.vectorize", "notes", str(notes)]


def environment(folder: Path, url: str, tuned: bool) -> dict[str, str]:
    larger = {"CHARTWELL_EMBEDDER__BATCH_SIZE": "128", "CHARTWELL_INDEXING__BATCH_SIZE": "64"}
    return {
        "CHARTWELL_DATA_DIR": str(folder),
        "CHARTWELL_EMBEDDER__PROVIDER": "nim",
        "CHARTWELL_EMBEDDER__URL": url,
        "CHARTWELL_EMBEDDER__MODEL": MODEL,
    } | (larger if tuned else {})


def _not_here(_notes: list[dict[str, Any]], _folder: Path, _url: str, _tuned: bool) -> None:
    raise SystemExit("the harness runs Chartwell by its own command line")


def entries(folder: Path) -> Iterator[tuple[str, str]]:
    with sqlite3.connect(folder / STORE_FILE) as connection:
        yield from connection.execute(
            "SELECT passage.ResourceID, passage.ChunkText FROM ClinicalNoteVectors AS passage "
            "JOIN ClinicalNoteEmbeddings USING (RowID)"
        )


if __name__ == "__main__":
    main(Peer((), _not_here, entries))
