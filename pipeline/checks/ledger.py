"""The ledger against the store: does what is recorded as stored lie there, and is what lies there recorded?"""

from __future__ import annotations

from pipeline.checks.canary import is_canary
from pipeline.checks.context import CheckContext
from pipeline.checks.errors import LedgerDiffers
from pipeline.checks.result import Finding, failed, passed, skipped, warned
from pipeline.indexing.reconciliation import IdDifferences, compare_ids

EXAMPLES = 3


def ledger_check(context: CheckContext) -> Finding:
    """Numbers first; ids only where the numbers differ, because those are read one by one."""
    if context.vantage == "outside":
        return skipped("seen from outside: the ledger is on the host's data volume")
    if context.store.space() is None:
        return skipped("nothing has been indexed yet")
    context.ledger.prepare()
    states = context.ledger.counts()
    passages = sum(number for _, number in context.ledger.completed())
    counts = context.store.counts()
    measured: dict[str, str | int | float | bool | None] = {
        "notes_recorded": states["completed"],
        "notes_stored": counts.documents,
        "passages_recorded": passages,
        "passages_stored": counts.chunks,
        "notes_waiting": states["pending"] + states["processing"],
        "notes_failed": states["failed"],
    }
    if (states["completed"], passages) != (counts.documents, counts.chunks):
        found = _compared(context)
        if problem := _problem(found):
            return failed(
                problem,
                **measured,
                lost=len(found.lost),
                doubled=len(found.doubled),
                unrecorded=len(found.stale),
            )
    if states["failed"]:
        return warned(
            LedgerDiffers(
                f"{states['failed']:,} notes could not be indexed.",
                remedy="python -m pipeline.vectorize status says which and why; python -m pipeline.vectorize notes "
                "--retry-failed tries them again.",
            ),
            **measured,
        )
    waiting = states["pending"] + states["processing"]
    more = f", {waiting:,} more wait" if waiting else ""
    return passed(
        f"{states['completed']:,} notes and {passages:,} passages, the same in both{more}", **measured
    )


def _compared(context: CheckContext) -> IdDifferences:
    """Differences that are there twice in a row: a note that is being replaced meanwhile differs for a moment."""
    first, second = compare_ids(context.ledger, context.store), compare_ids(context.ledger, context.store)

    def lasting(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(key for key in set(before) & set(after) if not is_canary(key)))

    return IdDifferences(
        lasting(first.lost, second.lost),
        lasting(first.doubled, second.doubled),
        lasting(first.stale, second.stale),
    )


def _problem(found: IdDifferences) -> LedgerDiffers | None:
    if found.lost or found.doubled:
        keys = (*found.lost, *found.doubled)
        return LedgerDiffers(
            f"{len(keys):,} notes are recorded as stored and are not, or not as recorded, for example "
            f"{', '.join(keys[:EXAMPLES])}.",
            remedy="Repair them from the vectors that were kept: python -m pipeline.vectorize verify --repair",
        )
    if found.stale:
        return LedgerDiffers(
            f"The ledger is behind the store: {len(found.stale):,} notes are stored that it does not know, for example "
            f"{', '.join(found.stale[:EXAMPLES])}.",
            remedy="Index their source again: python -m pipeline.vectorize notes SOURCE (on a host: sudo "
            "systemctl start chartwell-vectorize); vectors are computed again. A note whose source is gone "
            "stays visible until then.",
        )
    return None
