"""A text file is one note; its path says whose and of which type.

`<folder>/<patient_id>/<document_type>/<name>.txt` gives all three; `<folder>/<patient_id>/<name>.txt` needs
`--default document_type=...`; a flat folder or a single file needs `--default patient_id=...` too. The id is the path
below the folder without its suffix. Folders in another order are named by `--map`, which may use the columns `name`,
`folder1`, `folder2`, ...: for `<folder>/2021/<patient>/a.txt` say `--map patient_id=folder2`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePosixPath

from pipeline.readers.field_mapping import REQUIRED_FIELDS
from pipeline.readers.json.stream import convert, too_long
from pipeline.readers.plain_text.utf8 import utf8
from pipeline.readers.reader import (
    Certainty,
    Opened,
    RawRecord,
    Reader,
    ReadItem,
    ReadOptions,
    UnreadableRecord,
)
from pipeline.readers.streams import bare_name


def read_text(
    stream: io.BufferedReader, inside: str, label: str, bytes_max: int, *, named: bool = True
) -> Iterator[ReadItem]:
    """The one note of a file. `inside` is its path below the folder, or its name; `named` is False for a stream
    without a name, whose id must come from `--default resource_id=...`."""
    raw = stream.read(bytes_max + 1)
    if len(raw) > bytes_max:
        size = len(raw)
        while piece := stream.read(io.DEFAULT_BUFFER_SIZE):
            size += len(piece)
        yield too_long("", bytes_max, size)
        return
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        yield UnreadableRecord(
            "",
            "The record is not valid UTF-8.",
            f"Line {raw.count(10, 0, error.start) + 1}, byte {error.start + 1:,} of the file is "
            f"0x{raw[error.start]:02X}. {convert(label, raw)}",
        )
        return
    columns, offered = path_columns(inside) if named else ({}, {})
    yield RawRecord("", {**columns, "text_content": text}, note=True, offered=offered)


def path_columns(inside: str) -> tuple[dict[str, str], dict[str, str]]:
    """Our fields as a path gives them, and its parts by name."""
    path = PurePosixPath(bare_name(inside))
    folders = path.parts[:-1]
    fields = {"resource_id": str(path.with_suffix(""))}
    fields |= zip(("patient_id", "document_type"), folders, strict=False)
    parts = {"name": path.stem} | {f"folder{number}": folder for number, folder in enumerate(folders, 1)}
    return fields, parts


class PlainTextReader(Reader):
    """A file by name; standard input where all that a name would have said is given."""

    title = "plain text (.txt, .md)"
    suffixes = (".txt", ".text", ".md")
    content_kinds = ("text/plain", "text/markdown")

    def sniff(self, opened: Opened, named: Reader | None) -> Certainty | None:
        return Certainty.POSSIBLE if named is self else None

    def guess(self, opened: Opened, options: ReadOptions) -> bool:
        return not opened.inside and all(
            name in options.mapping.defaults for name in REQUIRED_FIELDS if name != "text_content"
        )

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[ReadItem]:
        inside = opened.inside
        return read_text(utf8(opened).stream, inside, opened.label, options.bytes_max, named=bool(inside))


class HtmlReader(Reader):
    """A file by name; what a reader of the page sees, `content_kind.py` says of every note's text."""

    title = "HTML (.html)"
    suffixes = (".html", ".htm")
    content_kinds = ("text/html", "application/xhtml+xml")

    def sniff(self, opened: Opened, named: Reader | None) -> Certainty | None:
        return Certainty.POSSIBLE if named is self else None

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[ReadItem]:
        inside = opened.inside
        return read_text(utf8(opened).stream, inside, opened.label, options.bytes_max, named=bool(inside))
