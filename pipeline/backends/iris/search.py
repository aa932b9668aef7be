"""Searching in IRIS: which shape a search takes, so that it never returns fewer or worse rows than there are.

What the HNSW index does with a WHERE clause is undocumented, and an index that filters after it has searched returns
fewer rows than there are. So the index is only ever asked without a condition: a selective filter is answered by an
exact scan of the rows it admits, any other by asking the index for more rows than wanted, dropping those not admitted,
and asking for more until there are enough. Knows columns; opens no connection.

What a person may not see (`Filters.scope`) is a condition like any other: in SQL wherever rows are counted, scanned or
found by words, and, where the index is asked, by the same test on the ids it gives, before anything leaves this file.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from pipeline.backends.iris.connections import PARAMETERS_MAX, Session, SqlRow, SqlValue, lists_of, marks_of
from pipeline.backends.iris.rows import WORDS_MAX, bm25, score, text_of
from pipeline.ports import SearchPlan
from pipeline.records import NO_PATIENT, AccessScope, Filters, Match, NoteField
from pipeline.text.periods import Period

# What these trade is time and how much of the index's recall is used, never the number of rows. Their values follow
# timings of others (docs/iris.md): measure them on a live server with `make test-live-iris`.
EXACT_ROWS_MAX = 10_000
"""A filter that admits at most this many rows is answered by an exact scan (about 1 ms a thousand at width 1024)."""
INDEX_ROWS_MIN = 64
"""Rows asked of the index at least: its recall grows with the number asked, and it has no other knob in SQL."""
INDEX_ROWS_MAX = 10_000
"""Rows asked of the index at most before an exact scan takes over."""
FALLBACK_ROWS_MAX = 5_000
"""Rows ranked here at most where the build lacks SQL Search's rank procedure."""


def nearest(session: Session, question: str, k: int, filters: Filters) -> list[SqlRow]:
    """Rows (chunk id first, cosine last) that hold the k nearest admitted ones, and perhaps others, in any order.

    `question` is a vector as text. A cosine may be None, where one of the two vectors has no direction.
    """
    admitted = count_chunks(session, filters)
    if admitted == 0:
        return []
    if k >= admitted or (not filters.empty and admitted <= EXACT_ROWS_MAX):
        return _scan(session, question, filters)
    stored = admitted if filters.empty else session.count("count_chunks")
    return _from_index(session, question, k, filters, stored / admitted) or _scan(session, question, filters)


def _from_index(session: Session, question: str, k: int, filters: Filters, rarity: float) -> list[SqlRow]:
    """Rows of the index that the filters admit, at least k of them, or none where it does not give that many."""
    passes = admission(filters)
    wanted = max(INDEX_ROWS_MIN, math.ceil(k * rarity * 1.5))
    while wanted <= max(INDEX_ROWS_MAX, k):
        rows = session.rows("search_vector", (question,), k=str(int(wanted)))
        admitted = list(filter(passes, rows))
        if len(admitted) >= k and not _tied_at_the_end(rows, admitted, k, wanted):
            return admitted
        if len(rows) < wanted:
            return []  # the index has no more to give, whatever the table holds
        wanted *= 4
    return []


def _scan(session: Session, question: str, filters: Filters) -> list[SqlRow]:
    if filters.empty:
        return session.rows("scan_all_vectors", (question,))
    found: list[SqlRow] = []
    for conditions, values in admissions(session, filters):
        found += session.rows("scan_vectors", (question, *values), admitted=conditions)
    return found


_MAP_READ = re.compile(r"Read (?:index|extent|master) map [\w.%]+")
_VECTOR_INDEX = "EmbeddingNearest"


def search_plan(texts: Iterable[str]) -> SearchPlan:
    """What IRIS's EXPLAIN says, reduced to the maps that it reads: a plan may quote values. The vector index is in use
    where one of them is it (seen on 2025.3: "Read index map ... looping on the 'VECTOR_COSINE' expression")."""
    steps = tuple(dict.fromkeys(_MAP_READ.findall(" ".join(" ".join(texts).split()))))
    if not steps:
        return SearchPlan(None, ())
    return SearchPlan(any(_VECTOR_INDEX.lower() in step.lower() for step in steps), steps)


def ranked_by_iris(session: Session, words: Sequence[str], k: int, filters: Filters) -> list[Match]:
    """The k best by SQL Search's own rank, perhaps with others, in any order. `words` are plain: see `rows`."""
    search = " OR ".join(words)
    found: list[Match] = []
    for conditions, values in admissions(session, filters, words=search):
        rows = session.rows("search_words", (search, *values), k=str(int(k)), admitted=conditions)
        found += [Match(str(row[0]), score(row[1])) for row in rows]
    return found


def ranked_here(session: Session, words: Sequence[str], k: int, filters: Filters) -> list[Match]:
    """BM25 (k1 0.9, b 0.4) over the newest matches of the rarest words: some builds lack the rank procedure."""
    # Within the scope: how often a word occurs in notes out of sight must not tell on the order of the others.
    seen = Filters(scope=filters.scope)
    stored = count_chunks(session, seen)
    frequency = {word: count_chunks(session, seen, words=word) for word in words}
    kept: list[str] = []
    rows_expected = 0
    for word in sorted((word for word in words if frequency[word]), key=lambda word: frequency[word]):
        rows_expected += frequency[word]
        if kept and rows_expected > FALLBACK_ROWS_MAX:
            break
        kept.append(word)
    if not kept:
        return []
    rows: list[SqlRow] = []
    for conditions, values in admissions(session, filters, words=" OR ".join(kept)):
        rows += session.rows("scan_words", values, k=str(FALLBACK_ROWS_MAX), admitted=conditions)
    return bm25({str(row[0]): text_of(row[1]).split() for row in rows}, frequency, stored)


def with_all(session: Session, terms: Sequence[Sequence[str]], limit: int, filters: Filters) -> list[SqlRow]:
    """(chunk id, patient id, date) of the chunks that have a word of each term, of several words the longest one: SQL
    Search's phrases are not asked. A term of too many words is left out, unless there is no other."""
    searches = [" OR ".join(words) for words in terms if len(words) <= WORDS_MAX]
    searches = searches or [" OR ".join(words[:WORDS_MAX]) for words in terms[:1]]
    found: list[SqlRow] = []
    for conditions, values in admissions(session, filters):
        every = [session.statements["admit_words"]] * len(searches) + ([conditions] if conditions else [])
        found += session.rows(
            "chunks_with", (*searches, *values), k=str(int(limit)), admitted=" AND ".join(every)
        )
    return found


def admissions(
    session: Session, filters: Filters, words: str | None = None
) -> Iterator[tuple[str, list[SqlValue]]]:
    """(conditions, values) of statements that together admit what the filters do, no row twice.

    Several where a list of ids is longer than a statement may bind; none where a list is empty, which admits nothing.
    """
    lists = {
        "patient_ids": filters.admitted_patients,
        "document_types": filters.document_types or None,
        "domains": filters.admitted_domains,
    }
    bounds = [(f"admit_{name}", bound) for name, bound in bounds_of(Period.of(filters.since, filters.until))]
    first = [] if words is None else [("admit_words", [words])]
    yield from conditions_of(session, lists, bounds, first)


def conditions_of(
    session: Session,
    lists: Mapping[str, Collection[str] | None],
    bounds: Sequence[tuple[str, list[str]]] = (),
    first: Sequence[tuple[str, list[str]]] = (),
) -> Iterator[tuple[str, list[SqlValue]]]:
    """As `admissions`: every combination of parts of the lists (`admit_<name>`; None restricts nothing), with the
    conditions `first` before and `bounds` behind them, by the names of their statements."""
    given = {name: ids for name, ids in lists.items() if ids is not None}
    size = PARAMETERS_MAX // max(1, len(given))
    asked = {name: list(lists_of(dict.fromkeys(ids), size)) for name, ids in given.items()}
    for combination in itertools.product(*asked.values()):
        conditions, values = [], list[SqlValue]()
        for name, bound in first:
            conditions.append(session.statements[name])
            values += bound
        for name, ids in zip(asked, combination, strict=True):
            conditions.append(session.statements[f"admit_{name}"].format(marks=marks_of(ids)))
            values += ids
        for name, bound in bounds:
            conditions.append(session.statements[name].format(marks=marks_of(bound[1:])))
            values += bound
        yield " AND ".join(conditions), values


def count_chunks(session: Session, filters: Filters, words: str | None = None) -> int:
    """How many chunks the filters admit, and where words are given, how many of those hold any of them."""
    if filters.empty and words is None:
        return session.count("count_chunks")
    return _counted(session, "count_chunks_admitted", admissions(session, filters, words))


def count_notes(session: Session, filters: Filters, *, undated: bool = False) -> int:
    """How many notes the filters admit, or how many of those have no date."""
    if filters.empty and not undated:
        return session.count("count_notes")
    if not undated:
        return _counted(session, "count_notes_admitted", admissions(session, filters))
    condition = session.statements["admit_undated"]
    undated_only = [
        (f"{conditions} AND {condition}" if conditions else condition, values)
        for conditions, values in admissions(session, filters)
    ]
    return _counted(session, "count_notes_admitted", undated_only)


def note_values(
    session: Session, field: NoteField, scope: AccessScope, beginning: str, limit: int
) -> list[str]:
    """What stands in a field of the notes that a scope admits, in the order of code points, blanks left out."""
    wanted = [session.statements[f"admit_any_{field}"]]
    if beginning:
        wanted.append(session.statements[f"admit_beginning_{field}"].format(k=len(beginning)))
    found: set[str] = set()
    for conditions, values in admissions(session, Filters(scope=scope)):
        admitted = " AND ".join([*([conditions] if conditions else []), *wanted])
        bound = [*values, beginning] if beginning else values
        # Two more, for the blank and for what is of no patient, which are left out.
        rows = session.rows(f"values_{field}", bound, k=str(int(limit) + 2), admitted=admitted)
        found |= {text_of(row[0]) for row in rows}
    left_out = {"", NO_PATIENT} if field == "patient_id" else {""}
    return sorted(found - left_out)[:limit]


def _counted(session: Session, name: str, admissions: Iterable[tuple[str, list[SqlValue]]]) -> int:
    return sum(
        int(session.rows(name, values, admitted=conditions)[0][0]) for conditions, values in admissions
    )


def _tied_at_the_end(rows: Sequence[SqlRow], admitted: Sequence[SqlRow], k: int, wanted: int) -> bool:
    """Whether rows that were not fetched may score the same as the k-th: then their order would be chance."""
    return len(rows) == wanted and score(admitted[k - 1][-1]) <= score(rows[-1][-1])


def admission(filters: Filters) -> Callable[[SqlRow], bool]:
    """Whether a row of search_vector (id, patient, type, domain, date, ...) passes: the same as the SQL conditions."""
    lists = (filters.admitted_patients, filters.document_types or None, filters.admitted_domains)
    admitted = [None if ids is None else frozenset(ids) for ids in lists]
    period = Period.of(filters.since, filters.until)

    def passes(row: SqlRow) -> bool:
        _, *fields, date, _ = row
        return all(
            ids is None or (value is not None and text_of(value) in ids)
            for ids, value in zip(admitted, fields, strict=True)
        ) and period.admits(None if date is None else str(date))

    return passes


def bounds_of(period: Period) -> Iterator[tuple[str, list[str]]]:
    """The bounds of a period, by name, with the values that each binds. "~" sorts behind all that a date holds."""
    if period.since is not None:
        around = period.containing
        yield ("since_or_around" if around else "since"), [period.since, *around]
    if (last := period.last("~")) is not None:
        yield "until", [last]
