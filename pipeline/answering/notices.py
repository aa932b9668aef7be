"""Says what filters did that the user may not expect, and which cited notes are not final.

Decides which filter named something that no note has, which other notes have nearly the same value, and how many notes
a period leaves out because they have no date. A filter that is silently wrong reads like a finding: "nothing was found"
of a patient whose id was mistyped. All of it is asked within the asker's scope: a value out of their sight is answered
exactly as one that no note has, and is never offered as a near one. Knows no note's text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from types import MappingProxyType

from pipeline.ports import Store
from pipeline.records import NOTICE_NOTES_MAX, Document, Filters, NearValue, NoteField, Notice
from pipeline.text.person_names.patient_names import names_in

VALUES_MAX = 20
"""Values of one filter that are looked at."""
LISTED_MAX = 1_000
"""Values of a field that are compared with one that no note has."""
NEAR_MAX = 3
ID_DIGITS_MAX = 12
"""How far an id of digits is filled up with zeros."""
CLOSE = 0.75
"""How alike two types or domains are, of 1 at most, that are offered for each other."""
NAMES: Mapping[str, str] = MappingProxyType(
    {"patient_id": "patient", "document_type": "type", "domain": "domain"}
)

NOT_FINAL = frozenset(
    {
        *(
            "registered",
            "partial",
            "preliminary",
            "superseded",
            "draft",
            "unsigned",
            "dictated",
            "incomplete",
        ),
        *("in progress", "in-progress", "some results", "no results yet", "not verified", "order received"),
    }
)
"""Statuses of sources under which a note may still change, or has been replaced."""

_PREFIX = re.compile(r"^(?:.*[/|]|(?:patient|pat|pt|mrn|id)[\s:#=.]+|#)\s*", re.IGNORECASE)
_NOT_WORD = re.compile(r"[\W_]+")


def notices_of(filters: Filters, store: Store, *, found: bool) -> tuple[Notice, ...]:
    """What these filters did; nothing where none are set. `found`: whether the search gave any passage, so that a
    single value given is known to be one of some note."""
    wished = _wished(filters)
    dated = filters.since is not None or filters.until is not None
    notices = [
        notice for field, values in wished for notice in _of_values(filters, store, field, values, found)
    ]
    if dated:
        notices += _of_period(filters, store, found=found)
    explained = any(notice.code != "value_written_otherwise" for notice in notices)
    if not (found or explained) and len(wished) + dated > 1 and not admits_any(filters, store):
        notices.append(Notice("none_by_all_filters"))
    return tuple(notices)


def admits_any(filters: Filters, store: Store) -> bool:
    """Whether any note at all passes the filters."""
    return filters.empty or store.count_notes(filters, most=1) > 0


def name_not_found(question: str) -> Notice:
    """That a question names a person whom no passage found names."""
    return Notice("name_not_found", "patient_id", names_in(question))


def not_final(documents: Iterable[Document]) -> tuple[Notice, ...]:
    """What those of the cited notes are that their source calls anything short of final."""
    found: dict[str, dict[str, None]] = {}
    for document in documents:
        said = (document.metadata.get(name, "").strip().lower() for name in ("doc_status", "status"))
        if status := next((each for each in said if each in NOT_FINAL), None):
            found.setdefault(status, {})[document.resource_id] = None
    return tuple(
        Notice("not_final", value=status, notes=len(ids), near=tuple(NearValue(each, 1) for each in ids))
        for status, ids in found.items()
    )


def sentence(notice: Notice, note: str = "note", by: str = "--patient-id") -> str:
    """A notice as a person reads it. `note`: what notes are called where not every user may see all of them, for
    example "note that you may see". `by`: how one chooses a patient there."""
    match notice.code:
        case "value_unknown":
            near = ", ".join(f"{each.value} has {_many(each.notes)}" for each in notice.near)
            return f"No {note} has {_named(notice)}{f' ({near})' if near else ''}."
        case "value_written_otherwise":
            near = ", ".join(f"{each.value} ({_many(each.notes)})" for each in notice.near)
            return (
                f"Only {_named(notice)} was looked at; other notes have {NAMES[notice.field or '']} {near}."
            )
        case "undated_left_out":
            left_out = "has no date and is" if notice.notes == 1 else "have no date and are"
            return (
                f"{_many(notice.notes)} of {_many(notice.of)} notes {left_out} left out by the dates given."
            )
        case "none_in_period":
            others = "is of another date" if notice.of == 1 else "are of other dates"
            return f"No {note} is of the dates given; {_many(notice.of)} {others}."
        case "name_not_found":
            name = f"the name {notice.value}" if notice.value else "that name"
            near = "; ".join(f"{each.value} ({each.told_apart})" for each in notice.near)
            if near:
                return f"No {note} has {name}. Nearly so are called: {near}."
            return f"No {note} among those found has {name}; {by} is surer."
        case "which_patient":
            who = "; ".join(f"{each.value} ({each.told_apart})" for each in notice.near)
            return f"Several patients are called {notice.value}: {who}. Choose one with {by}."
        case "none_by_all_filters":
            return f"Each filter admits notes, but no {note} passes all of them."
        case "not_final" | "picture_not_described":
            return _of_what_is_shown(notice)


def _of_what_is_shown(notice: Notice) -> str:
    """One that is of no filter: of cited notes, or of a picture."""
    near = ", ".join(each.value for each in notice.near)
    if notice.code == "picture_not_described":
        which = f"image {near}" if near else "the image asked with"
        return f"The vision model said nothing of {which} ({notice.value}); the answer does not rest on it."
    are = "note cited is" if notice.notes == 1 else "notes cited are"
    return f"{_many(notice.notes)} {are} not final ({notice.value}){f': {near}' if near else ''}."


def _named(notice: Notice) -> str:
    return f"{NAMES[notice.field or '']} {notice.value}"


def _many(notes: int) -> str:
    return f"{notes:,} or more" if notes >= NOTICE_NOTES_MAX else f"{notes:,}"


def _wished(filters: Filters) -> list[tuple[NoteField, tuple[str, ...]]]:
    wishes: tuple[tuple[NoteField, tuple[str, ...]], ...] = (
        ("patient_id", filters.patient_ids),
        ("document_type", filters.document_types),
        ("domain", filters.domains),
    )
    return [(field, values) for field, values in wishes if values]


def _of_values(
    filters: Filters, store: Store, field: NoteField, values: Sequence[str], found: bool
) -> Iterator[Notice]:
    for value in values[:VALUES_MAX]:
        known = (found and len(values) == 1) or _count(filters, store, field, (value,), most=1) > 0
        if not known:
            yield Notice("value_unknown", field, value, near=_near(filters, store, field, value))
        elif field != "patient_id":
            others = [other for other in _spellings(field, value) if other not in values]
            if near := _counted(filters, store, field, others):
                yield Notice("value_written_otherwise", field, value, near=near)


def _of_period(filters: Filters, store: Store, *, found: bool) -> Iterator[Notice]:
    at_any_time = replace(filters, since=None, until=None)
    undated = store.count_notes(at_any_time, undated=True, most=NOTICE_NOTES_MAX)
    if found and not undated:
        return
    notes = store.count_notes(at_any_time, most=NOTICE_NOTES_MAX)
    if undated:
        yield Notice("undated_left_out", "date", notes=undated, of=notes)
    if not found and notes > undated and not admits_any(filters, store):
        yield Notice("none_in_period", "date", of=notes - undated)


def _near(filters: Filters, store: Store, field: NoteField, value: str) -> tuple[NearValue, ...]:
    """Values of notes that may have been meant. Of patients only those that differ in case, blanks, marks or a prefix:
    an id that is merely alike is another person's."""
    if field == "patient_id":
        alike = {key for text in (value, _PREFIX.sub("", value)) if (key := _key(text))}
        listed = store.values(field, filters.scope, beginning=_PREFIX.sub("", value).strip())
        others = dict.fromkeys([*_spellings(field, value), *(each for each in listed if _key(each) in alike)])
        return _counted(filters, store, field, list(others))
    keys: dict[str, list[str]] = {}
    for each in store.values(field, filters.scope, limit=LISTED_MAX):
        keys.setdefault(_key(each), []).append(each)
    close = get_close_matches(_key(value), keys, n=NEAR_MAX, cutoff=CLOSE)
    return _counted(filters, store, field, [each for key in close for each in keys[key]])


def _counted(
    filters: Filters, store: Store, field: NoteField, values: Sequence[str]
) -> tuple[NearValue, ...]:
    """Those of the values that notes have, with how many."""
    if not values or not _count(filters, store, field, values, most=1):
        return ()
    counts = ((value, _count(filters, store, field, (value,), most=NOTICE_NOTES_MAX)) for value in values)
    return tuple(NearValue(value, notes) for value, notes in counts if notes)[:NEAR_MAX]


def _count(filters: Filters, store: Store, field: NoteField, values: Sequence[str], *, most: int) -> int:
    """Notes inside the scope that have one of these values, whatever else was asked for."""
    scope, given = filters.scope, tuple(values)
    match field:
        case "patient_id":
            asked = Filters(patient_ids=given, scope=scope)
        case "document_type":
            asked = Filters(document_types=given, scope=scope)
        case "domain":
            asked = Filters(domains=given, scope=scope)
    return store.count_notes(asked, most=most)


def _spellings(field: NoteField, value: str) -> list[str]:
    """Other ways to write a value, likely ones first: looking each up costs less than reading all values there are."""
    bare = " ".join(value.split())
    spaced = " ".join(re.sub(r"[-_]+", " ", bare).split())
    forms = [bare, spaced]
    if field == "patient_id":
        cut = _PREFIX.sub("", bare)
        forms += [cut, re.sub(r"[\s._-]", "", cut), cut.lstrip("0"), f"Patient/{bare}"]
        forms += [cut.zfill(width) for width in range(len(cut) + 1, ID_DIGITS_MAX + 1) if cut.isdecimal()]
    else:
        forms += [each + "s" for each in forms] + [each.removesuffix("s") for each in forms]
        forms += [each.replace(" ", mark) for each in forms for mark in "-_"]
    cased = [
        text for each in forms for text in (each, each.lower(), each.upper(), each.title(), each.capitalize())
    ]
    return [each for each in dict.fromkeys(cased) if each and each != value]


def _key(text: str) -> str:
    """The text without case, accents, blanks and marks."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return _NOT_WORD.sub("", "".join(each for each in plain if not unicodedata.combining(each)))
