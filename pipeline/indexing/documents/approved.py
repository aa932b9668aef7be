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
from pipeline.indexing.staging import StillHeld
from pipeline.indexing.validation import NO_PREFIXES, ValidNote
from pipeline.library.catalogue import Domains, LibraryCatalogue
from pipeline.library.library import Library
from pipeline.library.pages import stored_document
from pipeline.library.states import Decision
from pipeline.library.versions import Decided
from pipeline.records import LIBRARY_PREFIX, Rejection, SourceRecord, library_id

LIBRARY_SOURCE = LIBRARY_PREFIX
"""What the ledger calls the library."""

OUT_OF_USE = ("withdrawn", "superseded")
"""States of what was approved before."""

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


def still_approved(catalogue: LibraryCatalogue) -> StillHeld:
    """For `Indexing.still_held`: what is decided while a run reads the library holds for that run."""

    def held(resource_ids: Sequence[str]) -> frozenset[str]:
        versions = [resource_id.removeprefix(LIBRARY_PREFIX) for resource_id in resource_ids]
        return frozenset(map(library_id, catalogue.approved_now(versions)))

    return held


def tidy(library: Library, remove: Callable[[Sequence[str]], object], now: float) -> None:
    """Take out what domains keep no longer, from the store of notes first and, as in `decide`, last; and originals that
    no document has. `remove` is given ids of the store; `now`: seconds since 1970."""
    taken: list[str] = []

    def take_out(version_ids: Sequence[str]) -> None:
        remove(list(map(library_id, version_ids)))
        taken.extend(map(library_id, version_ids))

    library.retire(take_out)
    if taken:
        remove(taken)
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
    by no one, also where this is cut off in between. And take it out again: a run that read the library before the
    decision may have brought it back. `remove` is given ids of the store.

    Raises as LibraryCatalogue.decide.
    """
    leaving = [library_id(each) for each in catalogue.to_remove_first(version_ids, decision, domains)]
    if leaving:
        remove(leaving)
    decided = catalogue.decide(version_ids, decision, by, why, domains)
    left = [each for each in (*decided.versions, *decided.superseded) if each.state in OUT_OF_USE]
    if again := list(dict.fromkeys([*leaving, *(library_id(each.version_id) for each in left)])):
        remove(again)
    return decided
