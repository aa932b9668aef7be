"""The dry run: what an indexing run would take, reject and embed, without storing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.config import IndexingSettings
from pipeline.indexing.chunking import chunk_document, passage_tokens_max
from pipeline.indexing.identity import Prefixes
from pipeline.indexing.run_counts import RejectionSink, RunCounts
from pipeline.indexing.staging import Stored
from pipeline.indexing.validation import NO_PREFIXES, Duplicate, Older, ValidNote, accept_all
from pipeline.ports import Embedder
from pipeline.readers.field_mapping import FieldMapping
from pipeline.records import Document, Rejection, SourceRecord
from pipeline.text.dates import NotOneDay, iso_date

NOTES_SAMPLED = 200
DATE_CHARACTERS = range(6, 41)
"""A year alone is no note's date, and a longer value is text."""

MOSTLY = 0.9


@dataclass(frozen=True, slots=True)
class Survey:
    accepted: int
    rejected: int
    """Records that hold a note and would not be taken."""
    duplicates: int
    chunks: int
    tokens: int
    reasons: Mapping[str, int]
    older: int = 0
    unread_files: int = 0
    withdrawals: int = 0
    """As in `IndexReport`."""
    missing: tuple[str, ...] | None = None
    """Stored notes that these inputs no longer hold; None where that was not asked."""
    unread: int = 0
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each field the columns that feed it, best first, --default last; fields that none feeds are absent."""
    metadata_columns: tuple[str, ...] = ()
    """Columns that feed no field."""
    undated: int = 0
    """Notes without a date: they are outside every range of days."""
    placeholder_dates: int = 0
    decimal_ids: tuple[str, ...] = ()
    """As in `IndexReport`."""
    likely_dates: tuple[str, ...] = ()
    """Those of the metadata columns whose values are dates."""


def survey(
    records: Iterable[SourceRecord | Rejection],
    *,
    embedder: Embedder,
    settings: IndexingSettings,
    rejections: RejectionSink,
    prefixes: Prefixes = NO_PREFIXES,
    stored: Stored | None = None,
    mapping: FieldMapping | None = None,
) -> Survey:
    """Read, validate and chunk everything; list rejections; embed and store nothing. `stored`: say also which of the
    stored notes these inputs no longer hold. `mapping`: the one of the records, to say which columns it took."""
    dates = DateColumns()
    tally = RunCounts()
    chunks = tokens = 0
    limit = passage_tokens_max(embedder, settings)
    if stored is not None:
        stored.begin()
    for judged in accept_all(records, settings, prefixes):
        outcome = judged.dispute or judged if isinstance(judged, ValidNote) else judged
        if stored is not None:
            stored.saw(outcome)
        if isinstance(outcome, Rejection):
            rejections.write(outcome)
            tally.count_rejection(outcome)
        elif isinstance(outcome, Duplicate):
            tally.duplicates += 1
        elif isinstance(outcome, Older):
            tally.older += 1
        else:
            document = outcome.document
            assert isinstance(document, Document)
            if not outcome.again:
                tally.count_accepted(
                    document.resource_id, document.patient_id, placeholder_date=outcome.placeholder_date
                )
            tally.older += outcome.again
            dates.add(document)
            passages = chunk_document(document, count_tokens=embedder.count_tokens, tokens_max=limit)
            chunks += len(passages)
            tokens += sum(embedder.count_tokens([passage.embedding_text for passage in passages]))
    columns, rest = mapping.used() if mapping else ({}, ())
    return Survey(
        tally.accepted,
        tally.rejected,
        tally.duplicates,
        chunks,
        tokens,
        dict(tally.reasons),
        older=tally.older,
        unread_files=tally.unread_files,
        withdrawals=tally.withdrawals,
        missing=None if stored is None else tuple(stored.missing()),
        unread=tally.unread,
        columns=columns,
        metadata_columns=rest,
        undated=dates.undated,
        placeholder_dates=tally.placeholder_dates,
        decimal_ids=tally.decimal_ids,
        likely_dates=() if "date" in columns else dates.likely(),
    )


class DateColumns:
    """Whether a column that feeds no field looks like the notes' date: without one they are outside every range of
    days. Counts notes without a date, and samples the columns of the first. None is used: the user maps it."""

    def __init__(self) -> None:
        self.undated = 0
        self._filled: Counter[str] = Counter()
        self._dates: Counter[str] = Counter()

    def add(self, document: Document) -> None:
        if document.date is not None:
            return
        self.undated += 1
        if self.undated > NOTES_SAMPLED:
            return
        for name, value in document.metadata.items():
            self._filled[name] += 1
            self._dates[name] += _is_date(value)

    def likely(self) -> tuple[str, ...]:
        """Columns nearly all of whose values are dates, those with most values first."""
        return tuple(
            name
            for name, count in self._dates.most_common()
            if count and count >= MOSTLY * self._filled[name]
        )


def _is_date(value: str) -> bool:
    value = value.strip()
    if len(value) not in DATE_CHARACTERS or (value.isdecimal() and len(value) != 8):
        return False
    return isinstance(iso_date(value), (str, NotOneDay))
