"""docs/images.md's table of the development images: each file read, or refused with its reason.

python -m benchmarks.image_table FOLDER            prints the table
python -m benchmarks.image_table FOLDER --write    puts it into docs/images.md
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline.errors import UnreadableImage
from pipeline.imaging.decoding import DecodingOptions, decode_image

PAGE = Path(__file__).resolve().parents[1] / "docs" / "images.md"
BEGIN, END = "<!-- table of the development images -->", "<!-- end of that table -->"


class Row(NamedTuple):
    """One file and what became of it."""

    folder: str
    name: str
    outcome: str


def rows(folder: Path) -> Iterator[Row]:
    """Every file below `folder` and every member of its archives, in the order of their names."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        inside = path.relative_to(folder)
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for member in sorted(archive.namelist()):
                    where = f"{inside}/{Path(member).parent}"
                    yield Row(where, Path(member).name, outcome(io.BytesIO(archive.read(member))))
            continue
        with path.open("rb") as stream:
            yield Row(str(inside.parent), path.name, outcome(stream))


def outcome(stream: BinaryIO) -> str:
    """In a few words: format, size, frame and window, or the refusal."""
    try:
        found = decode_image(stream, DecodingOptions())
    except UnreadableImage as error:
        return f"refused, {error.kind}: {error.what}"
    frame = found.frame
    colour = " colour" if frame.rendering.pixels.ndim == 3 else ""
    taken = f", frame {frame.number} of {frame.count}" if frame.count > 1 else ""
    plane = f" ({frame.remarks['plane']})" if "plane" in frame.remarks else ""
    window = (
        ""
        if frame.rendering.window is None
        else ", window {:.6g} ± {:.6g}".format(*_half(frame.rendering.window))
    )
    return f"read, {found.source_format}{colour}, {frame.rows} × {frame.columns}{taken}{plane}{window}"


def _half(window: tuple[float, float]) -> tuple[float, float]:
    return window[0], window[1] / 2


def table(found: list[Row]) -> str:
    """Markdown. Files of one folder with one outcome share a line, and so do more than five that are read alike."""
    lines = ["| folder | file | outcome |", "|---|---|---|"]
    for folder, inside in groupby(found, key=lambda row: row.folder):
        for told, alike in _alike(list(inside)):
            names = ", ".join(alike) if len(alike) <= 5 else f"{len(alike)} files"
            lines.append(f"| {folder} | {names} | {told} |")
    read = sum(row.outcome.startswith("read") for row in found)
    return "\n".join([*lines, "", f"{len(found)} files: {read} read, {len(found) - read} refused."])


def _alike(inside: list[Row]) -> Iterator[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for row in inside:
        grouped.setdefault(row.outcome, []).append(row.name)
    single = {told: names for told, names in grouped.items() if len(names) == 1 and told.startswith("read")}
    if len(single) > 12:
        grouped = {told: names for told, names in grouped.items() if told not in single}
        kinds = sorted({told.split(",")[1].strip() for told in single})
        grouped[f"read, {' and '.join(kinds)}, each with its own size, frame or window"] = [
            names[0] for names in single.values()
        ]
    yield from grouped.items()


def main() -> None:
    text = table(list(rows(Path(sys.argv[1]))))
    if "--write" not in sys.argv:
        sys.stdout.write(text + "\n")
        return
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
