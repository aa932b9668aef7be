"""A process that writes notes to an embedded store, in batches, and says so after each commit.

    python embedded_writer.py FILE PREFIX BATCHES [--delete]

Writes BATCHES batches of NOTES notes named PREFIX-<batch>-<number>, going on behind those that are there. With
--delete each batch also removes the one before, in the same transaction.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.backends.embedded.store import EmbeddedStore
from pipeline.config import StoreSettings
from pipeline.storage.sqlite import Database
from tests.contracts.store import SPACE, axis, note

NOTES = 5


def batch_ids(prefix: str, batch: int) -> list[str]:
    return [f"{prefix}-{batch:04}-{number}" for number in range(NOTES)]


def main() -> None:
    path, prefix, batches, *options = sys.argv[1:]
    store = EmbeddedStore(Database(Path(path)), StoreSettings())
    store.prepare(SPACE)
    done = sum(resource_id.startswith(prefix) for resource_id, _ in store.chunk_ids()) // (2 * NOTES)
    for batch in range(done, int(batches)):
        with store.transaction():
            store.upsert(
                [
                    note(resource_id, (f"word{batch} of {prefix}", axis(0)), ("second passage", axis(1)))
                    for resource_id in batch_ids(prefix, batch)
                ]
            )
            if "--delete" in options and batch:
                store.delete(batch_ids(prefix, batch - 1))
        print(batch, flush=True)
    store.close()


if __name__ == "__main__":
    main()
