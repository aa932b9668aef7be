"""Which reader a source is for: from its first bytes, its name, and what its sender says of it.

Decides by what the readers say. One whose magic stands there is asked before all readers of text; the surest gets it,
and of two as sure the one registered later. Refuses to know any format, and to read on: only the beginning is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from pipeline.readers.reader import Certainty, Opened, Reader


def named(readers: Sequence[Reader], opened: Opened) -> Reader | None:
    """The reader that the source's name or its sender means; None where neither says anything."""
    kind = opened.content_kind and opened.content_kind.partition(";")[0].strip().lower()
    for reader in reversed(readers):
        if opened.name.endswith(reader.suffixes) or kind in reader.content_kinds:
            return reader
    return None


def sniff(
    of_bytes: Iterable[Reader], of_text: Iterable[Reader], opened: Opened, meant: Reader | None
) -> Reader | None:
    """The surest reader, from those of magic and then those of text, the later registered first; None where none takes
    it. Raises UnreadableSource where it is empty, or no text."""
    fitting = (
        reader
        for reader in of_bytes
        if reader is meant or opened.head.startswith(reader.magic, reader.magic_at)
    )
    surest: Reader | None = None
    certainty = 0
    for reader in chain(fitting, of_text):
        said = reader.sniff(opened, meant)
        if said is not None and said > certainty:
            surest, certainty = reader, said
            if said == Certainty.CERTAIN:
                break
    return surest
