"""A look at every input before anything is read, so that a mistake is told within a second and not at the end.

Decides what the first records of a source, or the first files of a folder, say against reading it. Pipes are not
touched: what was looked at would be gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.errors import ChartwellError, InputError, InputMissing, InputUnusable
from pipeline.readers.faults import fault
from pipeline.readers.field_mapping import ALIASES, FieldMapping, shown_names
from pipeline.readers.format_choice import Registry
from pipeline.readers.raw_records import raw_records
from pipeline.readers.reader import RawRecord, ReadItem, ReadOptions, UnreadableRecord, UnreadableSource
from pipeline.readers.sources import STANDARD_INPUT, Source, is_folder, locate, open_source
from pipeline.readers.streams import COMPRESSED

SAMPLE_RECORDS = 8
"""Records looked at before a source is read, to see that their columns fit."""

SAMPLE_FILES = 8
"""Files of a folder looked at for the same reason."""


def look_at_inputs(inputs: Sequence[str], options: ReadOptions, formats: Registry) -> None:
    """Raises InputMissing (not there, not readable) or InputUnusable (empty, binary, wrong columns, a folder without
    notes), each naming the file, what was found, and the option or command to use next."""
    if not inputs:
        raise InputUnusable("There is no input.", remedy="Name a file or a folder, or - for standard input.")
    if list(inputs).count(STANDARD_INPUT) > 1:
        raise InputUnusable("Standard input is named twice.", remedy="Name - once.")
    for given in inputs:
        sources = locate([given])
        if given == STANDARD_INPUT or not is_folder(given):
            for source in sources:
                if source.twice_readable and (problem := _look_at(source, options, formats)):
                    raise unusable(source, problem)
        else:
            _look_into(given, sources, options, formats)


def _look_at(source: Source, options: ReadOptions, formats: Registry) -> UnreadableSource | None:
    """What the first records of a source say against reading it. Raises InputMissing."""
    try:
        with open_source(source) as opened:
            sample = list(islice(raw_records(opened, options, formats), SAMPLE_RECORDS))
            return None if is_by_product(sample, formats) else problem_of(sample, options.mapping, formats)
    except UnreadableSource as broken:
        return broken
    except ChartwellError:
        raise
    except Exception as error:  # noqa: BLE001  logged by its class, and told: one file must not cost the others
        lost = fault("", error, whole=True)
        return UnreadableSource(lost.reason, lost.remedy)


def _look_into(given: str, sources: Iterable[Source], options: ReadOptions, formats: Registry) -> None:
    """A folder is unusable where no file has a format that is read, or none of the first few can be used."""
    suffixes: Counter[str] = Counter()
    problems: list[InputError] = []
    for source in sources:
        suffixes["folder not entered" if source.folder else Path(source.name).suffix or "no suffix"] += 1
        if not formats.names(source.name):
            continue
        try:
            problem = _look_at(source, options, formats)
        except InputMissing as error:
            problems.append(error)
        else:
            if problem is None:
                return
            problems.append(unusable(source, problem))
        if len(problems) >= SAMPLE_FILES:
            break
    if problems:
        raise InputUnusable(
            f"None of the {len(problems)} files first looked at in {given} can be read. {problems[0].what}",
            remedy=problems[0].remedy,
        )
    found = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(8)) or "nothing"
    raise InputUnusable(
        f"The folder {given} holds no notes: found {found}.",
        remedy=f"Files with these suffixes are read: {', '.join(formats.suffixes)}, each also with {COMPRESSED}. "
        "Name another folder.",
    )


def problem_of(
    sample: Sequence[ReadItem], mapping: FieldMapping, formats: Registry
) -> UnreadableSource | None:
    """Why no record can come of a source that begins like this; None where some may."""
    if sample and isinstance(sample[0], UnreadableRecord) and sample[0].whole:
        return UnreadableSource(sample[0].reason, sample[0].remedy)
    found = [item for item in sample if isinstance(item, RawRecord)]
    if not found or any(formats.takes(item) for item in found):
        return None
    columns = list(dict.fromkeys(column for item in found for column in (*item.columns, *item.offered)))
    if _is_columnar(found[0].columns) and not mapping.reaches_inside:
        return UnreadableSource(
            "The JSON is one object of columns, not of notes.",
            "Write one record a note. In pandas: to_json(FILE, orient='records', lines=True).",
        )
    missing = mapping.missing(columns, own=found[0].note)
    if not missing:
        return None
    shown = shown_names(columns)
    return UnreadableSource(
        f"No column for {', '.join(_looked_for(name, mapping) for name in missing)}.",
        f"{_how_to_map(missing)}{_list_inside(found[0])}",
        found=f" Columns found: {shown}." if shown else "",
    )


def is_by_product(sample: Sequence[ReadItem], formats: Registry) -> bool:
    """Whether a source that begins like this is about the export that brought it, and holds no note."""
    return bool(sample) and all(
        isinstance(item, RawRecord) and formats.is_by_product(item.columns) for item in sample
    )


def unusable(source: Source, problem: UnreadableSource) -> InputUnusable:
    """The error for a source that the user named itself."""
    return InputUnusable(f"{source.label}: {problem.reason}{problem.found}", remedy=problem.remedy)


def _looked_for(name: str, mapping: FieldMapping) -> str:
    """The field; with the columns that the user named for it, none of which is there."""
    given = mapping.columns[name]
    return name if given == ALIASES[name] else f"{name} (not found: {', '.join(given)})"


def _how_to_map(missing: Sequence[str]) -> str:
    options = [f"--map {name}=COLUMN" for name in missing]
    fixed = [f"--default {name}=VALUE" for name in missing if name not in {"resource_id", "text_content"}]
    or_fixed = f"; or give all notes the same: {' '.join(fixed)}" if fixed else ""
    return f"Say which column it is: {' '.join(options)}{or_fixed}."


def _list_inside(found: RawRecord) -> str:
    """A record that is in fact a wrapper around a list of records."""
    for name, value in found.columns.items():
        if isinstance(value, list) and len(value) > 1 and all(isinstance(element, dict) for element in value):
            return f" If the notes are the list under {name}: jq -c '.{name}[]' FILE > notes.jsonl, and read that."
    return ""


def _is_columnar(record: Mapping[str, Any]) -> bool:
    """Whether every member of an object is a column of a table: as many values, under the same keys. Data frames are
    written so."""
    columns = list(record.values())
    if set(record) == {"columns", "index", "data"} and all(isinstance(column, list) for column in columns):
        return True
    if len(columns) < 2:
        return False
    if all(isinstance(column, Mapping) for column in columns):
        keys = columns[0].keys()
        alike = all(column.keys() == keys for column in columns) and (len(keys) > 1 or "0" in keys)
        return alike and not any(isinstance(cell, (Mapping, list)) for cell in columns[0].values())
    return all(
        isinstance(column, list) and len(column) == len(columns[0]) > 0 for column in columns
    ) and not any(isinstance(cell, (Mapping, list)) for cell in columns[0])
