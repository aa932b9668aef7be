"""Which files are given no patient: a row of a table fits several, of one run or of two, or their bytes are two
patients'.

Decides before the first image is staged, so that none is stored and taken back. Reads the bytes only of files that may
be meant; refuses to guess which of them is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

from pipeline.errors import InputMissing, UnreadableImage
from pipeline.imaging.sniffing import HEAD_BYTES, image_format
from pipeline.indexing.identity import is_of_sources
from pipeline.indexing.images.hashing import sha256
from pipeline.indexing.images.tables import ImageTables
from pipeline.readers.sources import Source, locate, open_file, source_name
from pipeline.records import KnownNote

AMBIGUOUS_ROW = "ambiguous-row"

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A file for which tables or folders have something to say."""

    source: Source
    row: str | None
    patient: str


@dataclass(frozen=True, slots=True)
class Disputes:
    """What is given no patient, each with its reason."""

    here: Mapping[str, UnreadableImage]
    """Files of this run, by their full path."""
    earlier: Mapping[str, tuple[KnownNote, UnreadableImage]] = field(default_factory=dict)
    """Files that lie elsewhere and were taken by earlier runs, by the hash of their bytes."""
    contents: Mapping[str, UnreadableImage] = field(default_factory=dict)
    """Bytes that are two patients', by their hash: of every file that has them, also of one that no table speaks of."""


Earlier: TypeAlias = Callable[[Iterable[str]], Mapping[str, KnownNote]]
"""What earlier runs have taken for some patients, by the hash of the bytes."""


def disputes(inputs: Sequence[str], tables: ImageTables, earlier: Earlier) -> Disputes:
    claims = list(_claims(inputs, tables))
    elsewhere = _of_runs(claims, [source_name(each) for each in inputs], tables, earlier)
    here = {**_disputed(claims, tables), **elsewhere.here}
    return Disputes(here, elsewhere.earlier, dict(_of_bytes(claims)))


def _of_runs(
    claims: Iterable[_Claim], inputs: Sequence[str], tables: ImageTables, earlier: Earlier
) -> Disputes:
    """Files that a row fits, where it fits another file as well that lies elsewhere and that an
    earlier run took for the row's patient: both of them."""
    by_name = _grouped((each for each in claims if _fits_by_name(each, tables)), lambda each: each.row or "")
    known = earlier({tables.rows[row].patient_id for row in by_name}) if by_name else {}
    here: dict[str, UnreadableImage] = {}
    doubted: dict[str, tuple[KnownNote, UnreadableImage]] = {}
    for key, each in known.items():
        row = tables.row(each.file) if each.file else None
        rivals = by_name.get(row or "", ())
        if is_of_sources(each.source, each.file, inputs) or not rivals or not Path(each.file).is_file():
            continue
        others = {
            claim: content for claim in rivals if (content := _content(claim.source)) not in (None, key)
        }
        if others:
            files = (*(claim.source.inside or claim.source.label for claim in others), each.file)
            error = _ambiguous(row or "", files, tables)
            here |= {_path(claim): error for claim in others}
            doubted[key] = (each, error)
    return Disputes(here, doubted)


def _fits_by_name(claim: _Claim, tables: ImageTables) -> bool:
    """Without those whose folders say the same patient."""
    row = claim.row
    if row is None or not tables.rows[row].patient_id:
        return False
    return not tables.is_confirmed(row, _path(claim))


def _disputed(claims: Sequence[_Claim], tables: ImageTables) -> dict[str, UnreadableImage]:
    rows = _grouped((each for each in claims if each.row is not None), lambda each: each.row)
    refused: dict[str, UnreadableImage] = {}
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
    error = _ambiguous(key, (each.source.inside or each.source.label for each in contents), tables)
    return {_path(each): error for each in contents if not tables.is_confirmed(key, _path(each))}


def _ambiguous(key: str, files: Iterable[str], tables: ImageTables) -> UnreadableImage:
    return UnreadableImage(
        "A row of the table fits several files by its name alone.",
        remedy=f"The row {key!r} ({tables.places[key]}) fits {_named(files)}: write in it the path below the folder, "
        "and give every file a row of its own.",
        kind=AMBIGUOUS_ROW,
    )


def _of_bytes(claims: Iterable[_Claim]) -> Iterator[tuple[str, UnreadableImage]]:
    """The hash of bytes of which tables or folders name two patients."""
    named = (each for each in claims if each.patient)
    for sized in _of_two_patients(named, lambda each: _size(each.source)):
        for headed in _of_two_patients(sized, lambda each: _head(each.source)):
            for content, same in _by_content(headed):
                places = _named(each.source.inside or each.source.label for each in same)
                error = UnreadableImage(
                    "Files with the same bytes are said to be of two patients.",
                    remedy=f"They are {places}: correct the table, or take the wrong one out of the folder.",
                    kind="two-patients",
                )
                yield content, error


def _by_content(claims: Iterable[_Claim]) -> Iterator[tuple[str, list[_Claim]]]:
    for content, same in _grouped(claims, lambda each: _content(each.source)).items():
        if content is not None and len({each.patient for each in same}) > 1:
            yield content, same


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


def _named(files: Iterable[str]) -> str:
    """The first two, and how many more."""
    paths = sorted(set(files))
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
