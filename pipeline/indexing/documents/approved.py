"""What the library has approved, as records of the indexing flow: the store of notes has these, and no other of it.

Decides nothing about approval. Knows no back-end: what is to be stored and what is to be taken out is for the flow,
which compares with what the source `LIBRARY_SOURCE` held before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pipeline.config import IndexingSettings
from pipeline.errors import ChartwellError
from pipeline.indexing.documents.intake import Intake
from pipeline.indexing.identity import Prefixes
from pipeline.indexing.validation import NO_PREFIXES, ValidNote
from pipeline.library.catalogue import Domains, LibraryCatalogue
from pipeline.library.library import Library
from pipeline.library.pages import stored_document
from pipeline.library.states import Decision
from pipeline.library.versions import Decided
from pipeline.records import LIBRARY_PREFIX, Rejection, SourceRecord, library_id

LIBRARY_SOURCE = LIBRARY_PREFIX
"""What the ledger calls the library."""

_DOCUMENT = "document"


def approved_records(intake: Intake) -> Iterator[SourceRecord | Rejection]:
    """One record a version that is approved now, with what was read of it."""
    for version in intake.library.catalogue.approved():
        try:
            document = stored_document(version, intake.document(version))
        except ChartwellError as error:
            yield Rejection(
                LIBRARY_SOURCE,
                version.version_id,
                library_id(version.version_id),
                None,
                error.what,
                error.remedy,
            )
            continue
        yield SourceRecord(LIBRARY_SOURCE, version.version_id, {_DOCUMENT: document})


def accept_approved(
    record: SourceRecord, settings: IndexingSettings, prefixes: Prefixes = NO_PREFIXES
) -> ValidNote | Rejection:
    """As `validation.accept`: what is approved was judged before."""
    document = record.fields[_DOCUMENT]
    return ValidNote(document, record.source, record.position, document.fingerprint())


def tidy(library: Library, remove: Callable[[Sequence[str]], object], now: float) -> None:
    """Take out what domains keep no longer, from the store of notes first, and originals that no document has. `remove`
    is given ids of the store; `now`: seconds since 1970."""
    library.retire(lambda version_ids: remove(list(map(library_id, version_ids))))
    library.collect(now)


def decide(
    catalogue: LibraryCatalogue,
    remove: Callable[[Sequence[str]], object],
    version_ids: Sequence[str],
    decision: Decision,
    by: str,
    why: str,
    domains: Domains = None,
) -> Decided:
    """Take what leaves out of the store of notes, then record the decision: what no one answers for any more is found
    by no one, also where this is cut off in between. `remove` is given ids of the store.

    Raises as LibraryCatalogue.decide.
    """
    leaving = catalogue.to_remove_first(version_ids, decision, domains)
    if leaving:
        remove([library_id(version_id) for version_id in leaving])
    return catalogue.decide(version_ids, decision, by, why, domains)
