"""The dry run: what an indexing run would take, reject and embed, without storing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.config import IndexingSettings
from pipeline.indexing.accept import Duplicate, accept_all
from pipeline.indexing.chunk import chunk_document
from pipeline.indexing.flow import RejectionSink, passage_tokens_max
from pipeline.ports import Embedder
from pipeline.records import Rejection, SourceRecord


@dataclass(frozen=True, slots=True)
class Survey:
    accepted: int
    rejected: int
    duplicates: int
    chunks: int
    tokens: int
    reasons: Mapping[str, int]


def survey(
    records: Iterable[SourceRecord | Rejection],
    *,
    embedder: Embedder,
    settings: IndexingSettings,
    rejections: RejectionSink,
) -> Survey:
    """Read, validate and chunk everything; list rejections; embed and store nothing."""
    accepted = duplicates = chunks = tokens = 0
    reasons: Counter[str] = Counter()
    limit = passage_tokens_max(embedder, settings)
    for outcome in accept_all(records, settings):
        if isinstance(outcome, Rejection):
            reasons[outcome.reason] += 1
            rejections.write(outcome)
        elif isinstance(outcome, Duplicate):
            duplicates += 1
        else:
            accepted += 1
            passages = chunk_document(outcome.document, count_tokens=embedder.count_tokens, tokens_max=limit)
            chunks += len(passages)
            tokens += sum(embedder.count_tokens([passage.embedding_text for passage in passages]))
    return Survey(accepted, reasons.total(), duplicates, chunks, tokens, dict(reasons))
