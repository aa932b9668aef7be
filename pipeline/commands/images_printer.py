"""What a run over images says: its report, line by line or as JSON, and what a dry run found.

Decides wording and which lines there are. Counts nothing itself, and decides no exit code.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.commands.console import counted, duration, out, print_given_up
from pipeline.images import ImageHit
from pipeline.indexing.images.dry_run import ImageSurvey
from pipeline.indexing.images.notices import REPORT, ROW, VALUES
from pipeline.records import IndexReport, Rejection

NOTICES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class RefusedImages:
    """Stored images whose files are refused now."""

    shown: int
    """Still stored."""
    removed: int


@dataclass(frozen=True, slots=True)
class TableLosses:
    """What tables and headers say of images that is not shown."""

    values: int
    """That may name someone."""
    foreign_reports: Sequence[str]
    """Images whose report is another patient's."""
    dates: Counter[str]
    """Of images without one, by why (`DATE_LEFT_OUT`)."""
    notices: Sequence[Rejection] = ()
    """Of rows about no image of a run that looked at all, of values, of reports of another patient (`notices.py`)."""
    notices_file: str | None = None
    """Where all of these are listed."""

    def of(self, kind: str) -> list[Rejection]:
        return [each for each in self.notices if each.field == kind]


@dataclass(frozen=True, slots=True)
class ImageRun:
    """A run over images, for who reads of it."""

    report: IndexReport
    formats: Counter[str]
    refused: RefusedImages
    losses: TableLosses
    replaced: int
    """Images whose files hold other ones now."""
    hits: Sequence[ImageHit] | None
    """What was found by an image once all was stored; None where nothing was searched for."""


def print_json(run: ImageRun) -> None:
    shown = _as_record(run.report) | {
        "formats": dict(run.formats),
        "foreign_reports": list(run.losses.foreign_reports),
        "notices": len(run.losses.notices),
        "notices_file": run.losses.notices_file,
        "refused_and_shown": run.refused.shown,
        "refused_and_removed": run.refused.removed,
        "values_left_out": run.losses.values,
        "dates_left_out": dict(run.losses.dates),
        "replaced": run.replaced,
    }
    if run.hits is not None:
        shown["test_search"] = [_shown(hit) for hit in run.hits]
    out.print(json.dumps(shown, ensure_ascii=False, indent=2), markup=False)


def print_run(run: ImageRun) -> None:
    report = run.report
    _print_counts(report, run.formats)
    _print_rejected(report.reasons, report.unread_files, report.rejections_file)
    _print_losses(run.losses)
    _print_refused(report, run.refused)
    if run.replaced:
        gone = counted(
            run.replaced,
            "image whose file holds another one now was",
            "images whose files hold other ones now were",
        )
        out.print(f"{gone} removed", markup=False)
    if report.pruned:
        gone = counted(
            report.pruned,
            "image that the folders no longer hold was",
            "images that the folders no longer hold were",
        )
        out.print(f"{gone} removed", markup=False)
    if report.missing:
        _print_missing(len(report.missing), report.unread, "--prune removes them")
    if report.interrupted:
        out.print("interrupted; run the same command again to go on", markup=False)
    if run.hits is not None:
        _print_hits(run.hits)


def _print_counts(report: IndexReport, formats: Counter[str]) -> None:
    rate = report.embedded / report.seconds if report.seconds else 0.0
    out.print(
        f"{counted(report.accepted, 'image')} accepted of {counted(report.read, 'file')}: {report.embedded:,} stored "
        f"({report.chunks_embedded:,} embedded, {counted(report.chunks_reused, 'vector')} kept), {report.unchanged:,} "
        f"unchanged, {counted(report.duplicates + report.older, 'duplicate')}, {report.rejected:,} rejected, "
        f"{report.failed:,} failed",
        markup=False,
    )
    print_given_up(report.given_up, "image")
    out.print(f"formats: {formats_in_words(formats) or 'none'}", markup=False)
    out.print(f"{duration(report.seconds)}, {rate:,.1f} images a second", markup=False)


def _print_hits(hits: Sequence[ImageHit]) -> None:
    out.print("nearest:" if hits else "nothing is stored that is near", markup=False)
    for hit in hits:
        each = hit.description
        out.print(
            f"  {hit.similarity:.2f}  {each.image_id}  {each.modality} {each.date or 'no date'}",
            markup=False,
        )


def _print_losses(losses: TableLosses) -> None:
    if rows := losses.of(ROW):
        told = counted(len(rows), "row of the tables is", "rows of the tables are")
        out.print(f"{told} about no image here", markup=False)
        _print_first(rows)
    if losses.values:
        out.print(
            f"{counted(losses.values, 'value of the tables was', 'values of the tables were')} "
            "left out, for a word or a "
            "number that may name someone "
            "(docs/images.md)",
            markup=False,
        )
        _print_first(losses.of(VALUES))
    if placeholders := losses.dates["placeholder"]:
        out.print(
            f"{counted(placeholders, 'image has', 'images have')} "
            "a date that stands for none (such as 0001-01-01, 1900-01-01 or 9999-12-31): "
            "taken without a date",
            markup=False,
        )
    if unreadable := losses.dates["unreadable"]:
        out.print(
            f"{counted(unreadable, 'image has', 'images have')} "
            "a date that is no day: taken without a date; a table can name it "
            "(docs/images.md)",
            markup=False,
        )
    if foreign := losses.of(REPORT):
        out.print(
            f"{counted(len(foreign), 'image names', 'images name')} a report of another patient: it is not shown; "
            "correct the source",
            markup=False,
        )
        _print_first(foreign)
    if losses.notices_file:
        out.print(f"all of these, with row and file: {losses.notices_file}", markup=False)


def _print_first(notices: Sequence[Rejection]) -> None:
    for each in notices[:NOTICES_SHOWN]:
        out.print(f"         {each.file}: {each.remedy}", markup=False)


def _print_refused(report: IndexReport, refused: RefusedImages) -> None:
    if report.patient_changed:
        out.print(
            f"patient changed: {counted(report.patient_changed, 'stored image is', 'stored images are')} said to be "
            "another patient's now",
            markup=False,
        )
    if refused.shown:
        out.print(
            f"{counted(refused.shown, 'stored image is', 'stored images are')} "
            "now refused and still shown; give --metadata or --prune",
            markup=False,
        )
    if refused.removed:
        gone = counted(
            refused.removed, "stored image that is now refused was", "stored images that are now refused were"
        )
        out.print(f"{gone} removed", markup=False)


def _print_missing(number: int, unread: int, removal: str, *, refused: bool = False) -> None:
    kept = "not pruned: some files could not be read" if unread else removal
    whose = (", or that is refused now" if number == 1 else ", or that are refused now") if refused else ""
    out.print(
        f"{counted(number, 'image is', 'images are')} stored that these folders no longer hold{whose}; {kept}",
        markup=False,
    )


def _print_rejected(reasons: Mapping[str, int], unread_files: int, rejections_file: str | None) -> None:
    for reason, number in sorted(reasons.items(), key=lambda entry: -entry[1]):
        out.print(f"  {number:>7,}  {reason}", markup=False)
    if unread_files:
        out.print(f"{counted(unread_files, 'file')} could not be opened", markup=False)
    if rejections_file:
        out.print(f"rejected files, and what to do about each: {rejections_file}", markup=False)


def print_survey(found: ImageSurvey, formats: Counter[str], json_output: bool, rejections_file: Path) -> None:
    if json_output:
        shown = asdict(found) | {"formats": dict(formats)}
        out.print(json.dumps(shown, ensure_ascii=False, indent=2), markup=False)
    else:
        out.print(
            f"dry run: {counted(found.accepted, 'image')} would be indexed; {found.rejected:,} rejected, "
            f"{counted(found.duplicates, 'duplicate')}; nothing stored",
            markup=False,
        )
        out.print(f"formats: {formats_in_words(formats) or 'none'}", markup=False)
        _print_rejected(found.reasons, 0, str(rejections_file) if found.rejected else None)
        if found.missing:
            _print_missing(len(found.missing), found.unread, "a run with --prune removes them", refused=True)
        elif found.missing is not None:
            out.print("--prune would remove nothing", markup=False)


def formats_in_words(formats: Counter[str]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in formats.most_common())


_OF_NOTES = frozenset(
    {"withdrawals", "withdrawn", "placeholder_dates", "decimal_ids", "chunks_embedded", "chunks_reused"}
)


def _as_record(report: IndexReport) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(report).items() if name not in _OF_NOTES}
    return fields | {"vectors_embedded": report.chunks_embedded, "vectors_kept": report.chunks_reused}


def _shown(hit: ImageHit) -> dict[str, Any]:
    each = hit.description
    return {
        "similarity": round(hit.similarity, 4),
        "image_id": each.image_id,
        "patient_id": each.patient_id,
        "modality": each.modality,
        "date": each.date,
        "report_id": each.report_id,
    }
