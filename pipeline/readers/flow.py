"""Records from files, folders and standard input, one at a time, whatever the format.

Decides the order of the sources and what becomes of one that cannot be used: an error before anything is read where
the user named it, a Rejection where it is one of many in a folder. Memory is bounded by one record, never by a file.
Refuses to judge a record's values; that is `validation.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from pipeline.config import IndexingSettings
from pipeline.errors import ChartwellError, InputMissing
from pipeline.readers.faults import fault
from pipeline.readers.field_mapping import FieldMapping
from pipeline.readers.format_choice import Registry
from pipeline.readers.patients import PatientAuthorities
from pipeline.readers.preflight import SAMPLE_RECORDS, is_by_product, look_at_inputs, problem_of, unusable
from pipeline.readers.raw_records import raw_records
from pipeline.readers.reader import (
    Opened,
    RawRecord,
    ReadItem,
    ReadOptions,
    UnreadableRecord,
    UnreadableSource,
)
from pipeline.readers.record_format import NoteRun, RecordFormat
from pipeline.readers.registry import FORMATS
from pipeline.readers.source_records import rejection, source_record
from pipeline.readers.sources import STANDARD_INPUT, Source, locate, open_source, source_name
from pipeline.records import Rejection, SourceRecord

__all__ = ["preflight", "read_sources", "source_name"]

Late = TypeVar("Late", ReadItem, tuple[Source, ReadItem])
"""A note that waited for the end of its source, or of the input."""


def preflight(
    inputs: Sequence[str], mapping: FieldMapping, settings: IndexingSettings, *, formats: Registry = FORMATS
) -> None:
    """Look at every input before anything is read. Pipes are not touched: what was looked at would be gone.

    Raises InputMissing (not there, not readable) or InputUnusable (empty, binary, wrong columns, a folder without
    notes), each naming the file, what was found, and the option or command to use next.
    """
    look_at_inputs(inputs, ReadOptions(mapping, settings), formats)


def read_sources(
    inputs: Sequence[str],
    mapping: FieldMapping,
    settings: IndexingSettings,
    *,
    standard_input: BinaryIO | None = None,
    formats: Registry = FORMATS,
) -> Iterator[SourceRecord | Rejection]:
    """Every record of every input in order, and a Rejection for each one that could not be read.

    Runs `preflight` immediately and raises what it raises; a pipe is judged by its beginning at the first `next()`.
    Later problems are Rejections: `whole_source` where an unknown number of records is affected.
    """
    preflight(inputs, mapping, settings, formats=formats)
    return _Reading(ReadOptions(mapping, settings), formats, standard_input).all(inputs)


class _Reading:
    """One run over the inputs, and what it must remember from one source to the next."""

    def __init__(self, options: ReadOptions, formats: Registry, standard_input: BinaryIO | None) -> None:
        self._options = options
        self._formats = formats
        self._standard_input = standard_input
        self._authorities = PatientAuthorities()
        self._runs: list[tuple[RecordFormat, NoteRun]] = [
            (one, one.start()) for one in formats.record_formats
        ]

    def all(self, inputs: Sequence[str]) -> Iterator[SourceRecord | Rejection]:
        for given in inputs:
            found = False
            for item in self._input(given):
                found = True
                yield item
            if not found:
                yield Rejection(
                    given,
                    "",
                    None,
                    None,
                    "No note was found in the whole input.",
                    f"It was read to its end: {self._formats.without_notes}",
                    whole_source=True,
                )

    def _input(self, given: str) -> Iterator[SourceRecord | Rejection]:
        name = source_name(given)
        for source in locate([given]):
            yield from self._source(source, name)
        whole = Source(given, None if given == STANDARD_INPUT else Path(given))
        for _, run in self._runs:
            for source, late in _guarded(run.end_of_input(), lambda lost: (whole, lost)):
                yield self._record(late, source, (name, source.file))

    def _source(self, source: Source, name: str) -> Iterator[SourceRecord | Rejection]:
        try:
            with open_source(source, self._standard_input) as opened:
                if source.inside is not None and not self._formats.names(source.name):
                    yield _whole(
                        source, "The file's name is of no format that is read.", self._formats.cure(opened)
                    )
                else:
                    yield from self._records(opened, source, (name, source.file))
        except InputMissing as error:
            if source.inside is None:
                raise
            yield _whole(source, "The file cannot be opened.", f"{error.what} {error.remedy}")
        except UnreadableSource as broken:  # gzip that is damaged at its very beginning
            yield _rejection_or_error(source, broken)
        except ChartwellError:
            raise
        except Exception as error:  # noqa: BLE001  logged by its class, and listed: one source must not cost the others
            yield rejection(source, fault("", error, whole=True))

    def _records(
        self, opened: Opened, source: Source, names: tuple[str, str]
    ) -> Iterator[SourceRecord | Rejection]:
        items = raw_records(opened, self._options, self._formats)
        sample = list(islice(items, SAMPLE_RECORDS))
        if is_by_product(sample, self._formats):
            return
        if problem := problem_of(sample, self._options.mapping, self._formats):
            yield _rejection_or_error(source, problem)
            return
        for item in self._notes(chain(sample, items), source):
            yield self._record(item, source, names)

    def _notes(self, items: Iterable[ReadItem], source: Source) -> Iterator[ReadItem]:
        """Records as they are, or the notes that the format makes of them whose they are."""
        for item in items:
            try:
                run = self._run_of(item) if isinstance(item, RawRecord) else None
                if run is None or isinstance(item, UnreadableRecord):
                    yield item
                else:
                    yield from run.notes(item, source)
            except Exception as error:  # noqa: BLE001  logged by its class, and listed: one record, not the others
                yield fault(item.position, error)
        for _, run in self._runs:
            yield from _guarded(run.end_of_source(), lambda lost: lost)

    def _run_of(self, item: RawRecord) -> NoteRun | None:
        for form, run in self._runs:
            if form.takes(item):
                return run
        return None

    def _record(self, item: ReadItem, source: Source, names: tuple[str, str]) -> SourceRecord | Rejection:
        return source_record(item, source, names, self._options.mapping, self._authorities)


def _guarded(waiting: Iterator[Late], lost: Callable[[UnreadableRecord], Late]) -> Iterator[Late]:
    """What waited for an end; where a fault stops it, the rest is lost, and no other source."""
    try:
        yield from waiting
    except Exception as error:  # noqa: BLE001  logged by its class, and listed
        yield lost(fault("", error, whole=True))


def _whole(source: Source, reason: str, remedy: str) -> Rejection:
    return rejection(source, UnreadableRecord("", reason, remedy, whole=True))


def _rejection_or_error(source: Source, problem: UnreadableSource) -> Rejection:
    """Raises InputUnusable where the user named this very source."""
    if source.inside is None:
        raise unusable(source, problem) from problem
    remedy = f"{problem.found} {problem.remedy}".strip()
    return _whole(source, problem.reason, remedy)
