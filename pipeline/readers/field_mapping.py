"""Which column of a source feeds which field of ours, and what becomes of the columns that feed none.

Decides by name only: built-in aliases, the user's `--map` and `--default`. Refuses to judge values; that is
`validation.py`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from pipeline.errors import SettingsInvalid
from pipeline.text.ids import EMPTY_WORDS

REQUIRED_FIELDS = ("resource_id", "patient_id", "document_type", "text_content")
FIELDS = (*REQUIRED_FIELDS, "date", "domain", "author", "encounter_id")

METADATA_VALUE_CHARACTERS_MAX = 500
"""A longer value is text of its own (a dialogue, a second note): it is left out, and its column is named under
`left_out`."""

METADATA_COLUMNS_MAX = 64
"""Columns kept beyond our own fields; those after are named under `left_out` (at most as much as one value)."""

LEFT_OUT = "left_out"

NAME_CHARACTERS_MAX = 40
COLUMNS_SHOWN_MAX = 40
_SENTENCE = re.compile(r"[.!?;:][\"']?(?:\s|$)")

# Names under which well-known exports keep a field, best first. Compared without case, blanks, "_", "-" and ".", so
# that resource_id stands for ResourceID too. MIMIC: row_id, subject_id, hadm_id; MTSamples: transcription.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "resource_id": (
        *(
            "resource_id",
            "id",
            "_id",
            "note_id",
            "document_id",
            "doc_id",
            "report_id",
            "text_id",
            "record_id",
        ),
        *("row_id", "identifier"),
    ),
    "patient_id": (
        *("patient_id", "patient", "subject_id", "subject", "person_id", "pat_id", "mrn"),
        "medical_record_number",
    ),
    "document_type": (
        *("document_type", "doc_type", "note_type", "type", "category", "report_type"),
        "note_category",
    ),
    "text_content": (
        *(
            "text_content",
            "text",
            "note",
            "note_text",
            "content",
            "body",
            "full_text",
            "report_text",
            "report",
        ),
        *("document", "transcription"),
    ),
    "date": (
        *("date", "note_date", "document_date", "chart_time", "chart_date", "effective_date", "service_date"),
        *("encounter_date", "visit_date", "datetime", "timestamp", "created"),
    ),
    "domain": ("domain", "specialty", "medical_specialty", "specialties", "department", "service"),
    "author": ("author", "author_name", "provider", "physician", "clinician", "signed_by"),
    "encounter_id": ("encounter_id", "encounter", "visit_id", "hadm_id", "csn"),
}

EMPTY: tuple[Any, ...] = ("", [], {})
"""As good as no value: the next column is asked, or the default."""

NOTHING: Mapping[str, Any] = {}

PLANS_MAX = 1000
"""Records of one source mostly have the same columns; more kinds than this and the memory of them starts over."""

ColumnPath: TypeAlias = tuple[str, tuple[str, ...]]
"""A column that is there, and the path inside its value (empty for the value itself)."""

Plans: TypeAlias = dict[tuple[bool, tuple[str, ...]], Mapping[str, list[ColumnPath]]]
"""Which columns feed which field, for each kind of record."""


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """For each field the columns that may feed it, best first, and the value of records that have none of them."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: ALIASES)
    defaults: Mapping[str, str] = field(default_factory=dict)
    _plans: Plans = field(default_factory=dict, init=False, repr=False, compare=False)
    """Of the records whose fields were taken."""
    _asked: Plans = field(default_factory=dict, init=False, repr=False, compare=False)
    """Of columns that were only asked about."""
    _fed: dict[str, dict[str, None]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By field, the columns of all records that feed it, also of kinds of records that are forgotten again."""
    _offered: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    @classmethod
    def parse(cls, maps: Sequence[str] = (), defaults: Sequence[str] = ()) -> FieldMapping:
        """From the options `--map field=column[|column2...]` and `--default field=value`.

        Columns given for a field replace its built-in names; the first one that a record has and that is not empty
        is taken. One column may feed several fields. A dot reaches into nested records: `subject.reference`, and a
        number into lists: `authors.0.name`. The same field twice adds columns. Raises SettingsInvalid.
        """
        columns: dict[str, tuple[str, ...]] = {}
        for option in maps:
            name, value = _split("--map", option)
            given = tuple(column.strip() for column in value.split("|"))
            if not all(given):
                raise SettingsInvalid(
                    f"--map {option} names an empty column.",
                    remedy="Write --map field=column or field=column|column2.",
                )
            columns[name] = (*columns.get(name, ()), *given)
        return cls({**ALIASES, **columns}, dict(_split("--default", option) for option in defaults))

    @property
    def reaches_inside(self) -> bool:
        """Whether the user named a value inside a column: `subject.reference`."""
        return any("." in column for columns in self.columns.values() for column in columns)

    def missing(self, columns: Iterable[str], *, own: bool = False) -> list[str]:
        """Required fields that none of these columns feeds and no default fills. `own` as for `apply`."""
        plan = self._plan(self._asked, tuple(columns), own=own)
        return [name for name in REQUIRED_FIELDS if name not in self.defaults and not plan[name]]

    def feeding(self, columns: Sequence[str], *, own: bool = False) -> dict[str, tuple[str, ...]]:
        """For each field the columns among these that feed it, best first: the next one where a record has nothing in
        the one before. Fields that none feeds are absent. `own` as for `apply`."""
        plan = self._plan(self._asked, tuple(columns), own=own)
        return {
            name: tuple(dict.fromkeys(key for key, _ in places)) for name, places in plan.items() if places
        }

    def apply(
        self, record: Mapping[str, Any], *, own: bool = False, offered: Mapping[str, Any] = NOTHING
    ) -> dict[str, Any]:
        """Our fields with their raw values (absent where the record has none), the rest as text in "metadata".

        `own`: the reader named its columns as our fields (FHIR, text files); they hold where the user's do not.
        `offered`: columns that `--map` may name and that are no metadata otherwise.

        There, scalars become text as JSON writes them, lists and objects compact JSON, and an object called
        "metadata" is taken apart. Empty values are skipped. Values longer than METADATA_VALUE_CHARACTERS_MAX are left
        out and their columns named under `left_out`: nothing disappears without a trace, and no dialogue of 20,000
        characters hides in a note's metadata.
        """
        fields: dict[str, Any] = {}
        used: set[str] = set()
        rest = record
        if offered:
            self._offered.update(offered)
            record = {**record, **offered}
        for name, places in self._plan(self._plans, tuple(record), own=own).items():
            for key, path in places:
                value = record[key]
                for part in path:
                    value = _inside(value, part)
                if value is None or value in EMPTY:
                    continue
                # Where another column or a default waits for its turn, a word for nothing gives way to it.
                if (len(places) == 1 and name not in self.defaults) or not _is_word_for_nothing(name, value):
                    fields[name] = value
                    used.add(key)
                    break
            else:
                if name in self.defaults:
                    fields[name] = self.defaults[name]
        fields["metadata"] = _metadata(rest, used)
        return fields

    def used(self) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        """Of all records so far: for each field the columns that feed it, best first, and the columns that feed none
        and are kept as metadata. A field that a default fills has --default last."""
        rest: dict[str, None] = {}
        for (_, columns), plan in self._plans.items():
            fed = {key for places in plan.values() for key, _ in places} | self._offered
            rest |= dict.fromkeys(column for column in columns if column not in fed)
        feeding = {
            name: (*self._fed.get(name, ()), *(("--default",) if name in self.defaults else ()))
            for name in FIELDS
        }
        return {name: keys for name, keys in feeding.items() if keys}, tuple(rest)

    def unfed(self) -> list[str]:
        """The options `--map` of the user that no record so far had a column for: a name is misspelt."""
        if not self._plans:
            return []
        return [
            f"--map {name}={'|'.join(columns)}"
            for name, columns in self.columns.items()
            if columns != ALIASES[name] and columns != ("none",) and not self._fed.get(name)
        ]

    def _plan(self, plans: Plans, columns: tuple[str, ...], *, own: bool) -> Mapping[str, list[ColumnPath]]:
        plan = plans.get((own, columns))
        if plan is None:
            if len(plans) >= PLANS_MAX:
                plans.clear()
            known = set(columns)
            plain = {_plain(column): column for column in reversed(columns)}
            plan = {}
            for name in FIELDS:
                wanted = (*self.columns[name], *((name,) if own else ()))
                plan[name] = [place for column in wanted if (place := _place(column, known, plain))]
            plans[own, columns] = plan
            if plans is self._plans:
                for name, places in plan.items():
                    self._fed.setdefault(name, {}).update((key, None) for key, _ in places)
        return plan


def shown_names(names: Iterable[str]) -> str:
    """Names of columns for a message. What is too long for a name, or a sentence, is not shown: a first row that names
    nothing holds a note."""
    shown = [
        f"({len(name):,} characters, no name)"
        if len(name) > NAME_CHARACTERS_MAX or _SENTENCE.search(name)
        else name
        for name in islice(names, COLUMNS_SHOWN_MAX + 1)
    ]
    return ", ".join([*shown[:COLUMNS_SHOWN_MAX], *(["..."] if len(shown) > COLUMNS_SHOWN_MAX else [])])


def _is_word_for_nothing(name: str, value: Any) -> bool:
    return name != "text_content" and isinstance(value, str) and value.strip().casefold() in EMPTY_WORDS


def _place(column: str, known: set[str], plain: Mapping[str, str]) -> ColumnPath | None:
    if column in known:
        return column, ()
    if _plain(column) in plain:
        return plain[_plain(column)], ()
    first, *path = column.split(".")
    return (first, tuple(path)) if path and first in known else None


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).casefold()


def _inside(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    return None


def _metadata(record: Mapping[str, Any], used: set[str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    left_out: list[str] = []
    for name, value in _rest(record, used):
        text = (
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        )
        if len(text) > METADATA_VALUE_CHARACTERS_MAX or len(kept) >= METADATA_COLUMNS_MAX:
            left_out.append(name)
        else:
            kept[name] = text
    if left_out:
        kept[LEFT_OUT] = ", ".join(left_out)[:METADATA_VALUE_CHARACTERS_MAX]
    return kept


def _rest(record: Mapping[str, Any], used: set[str]) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if name in used:
            continue
        if name == "metadata" and isinstance(value, Mapping):
            yield from _rest(value, set())
        elif value is not None and value not in EMPTY:
            yield str(name), value


def _split(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value.strip():
        raise SettingsInvalid(
            f"{option} {text} is not of the form field=value.", remedy=f"Write {option} {EXAMPLES[option]}."
        )
    plain = _plain(name)
    for known in FIELDS:
        if _plain(known) == plain:
            return known, value.strip()
    near = difflib.get_close_matches(name.strip(), FIELDS, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise SettingsInvalid(
        f"{option} {text}: there is no field {name.strip()!r}.",
        remedy=f"{hint}The fields are {', '.join(FIELDS)}.",
    )


EXAMPLES = {"--map": "text_content=note", "--default": "document_type='progress note'"}
