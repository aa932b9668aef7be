"""Which files of one run are given no patient: a row of a table fits several, or their bytes are two patients'.

Decides before the first image is staged, so that none is stored and taken back. Reads the bytes only of files that may
be meant; refuses to guess which of them is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline.errors import InputMissing, UnreadableImage
from pipeline.imaging.sniffing import HEAD_BYTES, image_format
from pipeline.indexing.images.hashing import sha256
from pipeline.indexing.images.tables import ImageTables
from pipeline.readers.sources import Source, locate, open_file

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A file for which tables or folders have something to say."""

    source: Source
    row: str | None
    patient: str


def disputed(inputs: Sequence[str], tables: ImageTables) -> Mapping[str, UnreadableImage]:
    """The refused files by their full path, each with its reason."""
    claims = list(_claims(inputs, tables))
    rows = _grouped((each for each in claims if each.row is not None), lambda each: each.row)
    refused = dict(_of_bytes(claims))
    for key, several in rows.items():
        refused |= _of_row(key or "", several, tables) if len(several) > 1 else {}
    return refused


def _claims(inputs: Sequence[str], tables: ImageTables) -> Iterator[_Claim]:
    for source in locate(inputs):
        path = "" if source.path is None else str(source.path.absolute())
        row, patient = tables.row(path), tables.patient(path)
        if path and (row is not None or patient):
            yield _Claim(source, row, patient)


def _of_row(key: str, several: Sequence[_Claim], tables: ImageTables) -> dict[str, UnreadableImage]:
    """Files that one row fits, without those whose folders say the same patient. Copies of one image are one."""
    contents = {each: content for each in several if (content := _content(each.source)) is not None}
    if len(set(contents.values())) < 2:
        return {}
    row = f"{key!r} ({tables.places[key]})"
    error = UnreadableImage(
        "A row of the table fits several files by its name alone.",
        remedy=f"The row {row} fits {_named(contents)}: write in it the path below the folder, "
        "and give every file a row of its own.",
        kind="ambiguous-row",
    )
    return {_path(each): error for each in contents if not tables.is_confirmed(key, _path(each))}


def _of_bytes(claims: Iterable[_Claim]) -> Iterator[tuple[str, UnreadableImage]]:
    """Files of the same bytes of which tables or folders name two patients."""
    named = (each for each in claims if each.patient)
    for sized in _of_two_patients(named, lambda each: _size(each.source)):
        for headed in _of_two_patients(sized, lambda each: _head(each.source)):
            for same in _of_two_patients(headed, lambda each: _content(each.source)):
                error = UnreadableImage(
                    "Files with the same bytes are said to be of two patients.",
                    remedy=f"They are {_named(same)}: correct the table, or take the wrong one out of the folder.",
                    kind="two-patients",
                )
                yield from ((_path(each), error) for each in same)


def _of_two_patients(
    claims: Iterable[_Claim], key: Callable[[_Claim], Hashable | None]
) -> Iterator[list[_Claim]]:
    for found, several in _grouped(claims, key).items():
        if found is not None and len({each.patient for each in several}) > 1:
            yield several


def _grouped(claims: Iterable[_Claim], key: Callable[[_Claim], Key]) -> Mapping[Key, list[_Claim]]:
    groups: dict[Key, list[_Claim]] = defaultdict(list)
    for each in claims:
        groups[key(each)].append(each)
    return groups


def _named(claims: Iterable[_Claim]) -> str:
    """The first two, and how many more."""
    paths = sorted({each.source.inside or each.source.label for each in claims})
    more = f" and {len(paths) - 2} more" if len(paths) > 2 else ""
    return " and ".join(paths[:2]) + more


def _path(claim: _Claim) -> str:
    assert claim.source.path is not None
    return str(claim.source.path.absolute())


def _size(source: Source) -> int | None:
    try:
        return source.path.stat().st_size if source.path else None
    except OSError:
        return None  # the reading says why


def _head(source: Source) -> bytes | None:
    try:
        with open_file(source) as stream:
            return stream.read(HEAD_BYTES)
    except (InputMissing, OSError):
        return None


def _content(source: Source) -> str | None:
    """SHA-256 of an image's bytes; None where it is no image."""
    try:
        with open_file(source) as stream:
            head = stream.read(HEAD_BYTES)
            image_format(head)
            return sha256(head, stream)
    except (InputMissing, OSError, UnreadableImage):
        return None
