"""`make bench`: every benchmark in turn, each figure next to its floor."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = (
    "indexing",
    "ingestion",
    "search",
    "answering",
    "who",
    "questions",
    "observing",
    "state",
    "service",
    "images",
    "image_indexing",
    "relevance",
)


def main() -> None:
    chosen = sys.argv[1:] or BENCHMARKS
    for name in chosen:
        sys.stdout.write(f"\n## {name}\n\n")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
