"""What is not known of IRIS until a real one is asked: each question a function that answers in one or two lines.

They run on a live server only, on a corpus that they make themselves. An answer is a finding, not a failure: what IRIS
refuses is written down as the answer. Which code of ours an answer touches stands with the question.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from iris import dbapi

from pipeline.backends.iris.rows import vector_text
from pipeline.backends.iris.store import IrisStore, iris_statements
from pipeline.config import IrisSettings
from pipeline.errors import StoreError
from pipeline.records import (
    Chunk,
    Document,
    EmbeddedChunk,
    EmbeddedDocument,
    EmbeddingSpace,
    Filters,
    Vector,
    unit_length,
)
from tests.live.iris_server import compose

SQL = iris_statements()
FAILURES = (dbapi.Error, RuntimeError, StoreError)
PATIENTS = 100
"""Every hundredth chunk belongs to one patient: a selective filter."""


@dataclass
class Live:
    """A live IRIS with a corpus of `rows` chunks of width `dimension`, without a vector index at first."""

    settings: IrisSettings
    store: IrisStore
    space: EmbeddingSpace
    rows: int
    load_seconds: float = 0.0
    build_seconds: float = 0.0

    @contextmanager
    def connection(self, **changes: Any) -> Iterator[Any]:
        options = {
            "hostname": self.settings.host, "port": self.settings.port, "namespace": self.settings.namespace,
            "username": self.settings.username, "password": self.settings.password.get_secret_value(),
            "timeout": 10, "sharedmemory": False, "autoCommit": False,
        } | changes  # fmt: skip
        connection = dbapi.connect(**{name: value for name, value in options.items() if value is not None})
        try:
            yield connection
        finally:
            connection.close()

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection() as connection:
            cursor = connection.cursor()
            cursor.execute(sql, list(values))
            rows = [tuple(row) for row in cursor.fetchall()]
            cursor.close()
            return rows

    def attempt(self, *statements: str) -> str:
        """ "accepted", or what IRIS says to the first statement that it refuses."""
        with self.connection(autoCommit=True) as connection:
            for sql in statements:
                try:
                    cursor = connection.cursor()
                    cursor.execute(sql)
                    cursor.close()
                except FAILURES as error:
                    return f"refused: {_short(error)}"
        return "accepted"


def corpus(rows: int, dimension: int, first: int = 0, seed: int = 1) -> Iterator[EmbeddedDocument]:
    """Notes of ten chunks with random directions around 200 centres."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(200, dimension))
    for number in range(first, first + rows // 10):
        near = centres[random.integers(200, size=10)] + 0.7 * random.normal(size=(10, dimension))
        vectors = unit_length(near.astype(np.float32))
        text = f"note {number} speaks of finding{number % 50} and of nothing else"
        note = Document(
            f"live-{number:07}", f"p{number % PATIENTS}", "Progress Note", text, date="2024-05-06"
        )
        chunks = (
            Chunk(f"{note.resource_id}/{at}", note.resource_id, at, text, 0, len(text)) for at in range(10)
        )
        yield EmbeddedDocument(note, tuple(map(EmbeddedChunk, chunks, vectors)))


def questions_of(live: Live, number: int = 20) -> Vector:
    random = np.random.default_rng(2)
    return unit_length(random.normal(size=(number, live.space.dimension)).astype(np.float32))


# --- the questions, lettered as in the list of what was unknown


def a_float_columns(live: Live) -> str:
    """Does HNSW take FLOAT, half of DOUBLE's size? (store.sql: VECTOR(DOUBLE, n))"""
    return live.attempt(
        "CREATE TABLE DEMO.TryFloat (N BIGINT IDENTITY PRIMARY KEY, V VECTOR(FLOAT, 8) NOT NULL)",
        "CREATE INDEX TryFloatNearest ON DEMO.TryFloat (V) AS HNSW(Distance='Cosine')",
        "DROP TABLE DEMO.TryFloat",
    )


def b_plan(live: Live) -> str:
    """Does the plan of a bound vector with TOP name the index? (store.sql: search_vector)"""
    sql = "EXPLAIN " + SQL["search_vector"].format(k=64)
    plan = " ".join(str(row[0]) for row in live.ask(sql, vector_text(questions_of(live)[0])))
    return f"{'names' if 'EmbeddingNearest' in plan else 'DOES NOT name'} the index; it says: {plan[:300]}"


def c_filtered_searches(live: Live) -> str:
    """How many rows, and how good, does a WHERE leave of an index search? (iris/search.py: never done)"""
    naive = SQL["search_vector"].format(k=10).replace(" ORDER BY", " WHERE PatientID = ? ORDER BY")
    counts, recalls = [], []
    for question in questions_of(live):
        exact = _exact(live, question, "p7")
        found = [row[0] for row in live.ask(naive, vector_text(question), "p7")]
        counts.append(len(found))
        recalls.append(len(set(found) & set(exact[:10])) / 10)
    return f"rows {min(counts)} to {max(counts)} of 10, recall {np.mean(recalls):.3f}"


def c_our_searches(live: Live) -> str:
    """Recall and time of ours, with and without a filter, against an exact ranking."""
    answers = []
    for words, filters, patient in (("none", Filters(), None), ("1 %", Filters(patient_ids=("p7",)), "p7")):
        recalls, times = [], []
        for question in questions_of(live):
            started = time.perf_counter()
            found = [match.chunk_id for match in live.store.search_vector(question, 10, filters)]
            times.append(time.perf_counter() - started)
            recalls.append(len(set(found) & set(_exact(live, question, patient)[:10])) / 10)
        answers.append(f"filter {words}: recall@10 {np.mean(recalls):.3f}, {1000 * np.median(times):.1f} ms")
    return "; ".join(answers)


def c_thresholds(live: Live) -> str:
    """What a scan and the index cost by rows (iris/search.py: EXACT_ROWS_MAX, INDEX_ROWS_MIN, INDEX_ROWS_MAX)"""
    question, answers = vector_text(questions_of(live)[0]), []
    for patients in (1, 10, 50):
        ids = [f"p{number}" for number in range(patients)]
        condition = SQL["admit_patient_ids"].format(marks=", ".join("?" * patients))
        sql = SQL["scan_vectors"].format(admitted=condition)
        answers.append(
            f"scan of {live.rows * patients // PATIENTS}: {_timed(live, sql, question, *ids):.1f} ms"
        )
    indexed = {k: _timed(live, SQL["search_vector"].format(k=k), question) for k in (64, 1_000, 10_000)}
    return ", ".join(
        [*answers, *(f"index TOP {k}: {milliseconds:.1f} ms" for k, milliseconds in indexed.items())]
    )


def d_batches(live: Live) -> str:
    """executemany with TO_VECTOR: speed, and what a bad row looks like (iris/connections.py: _insert_together)"""
    row = ["live-0000000", "p0", "t", None, None, 0, None, 0, 1, None, "x", "x", None, "f", _zeros(live), "c"]
    with live.connection() as connection:
        cursor = connection.cursor()
        try:
            answers = cursor.executemany(
                SQL["insert_chunk"], [[*row, "probe-1"], [*row, "probe-1"], [*row, "probe-2"]]
            )
        except FAILURES as error:
            answers = f"raised {_short(error)}"
        rowcount = cursor.rowcount
        connection.rollback()
    speed = live.rows / live.load_seconds if live.load_seconds else math.nan
    return f"load {speed:.0f} chunks/s; duplicate in a batch: {str(answers)[:300]}, rowcount {rowcount}"


def d_insert_or_update(live: Live) -> str:
    """Would INSERT OR UPDATE do in one statement what replacing does in several? (iris/store.py: _replace)"""
    sql = "INSERT OR UPDATE INTO DEMO.SchemaVersion (Version, Component) VALUES (?, ?)"
    with live.connection() as connection:
        cursor = connection.cursor()
        try:
            answers = cursor.executemany(sql, [[1, "probe"], [2, "probe"]])
            cursor.execute("SELECT Version FROM DEMO.SchemaVersion WHERE Component = ?", ["probe"])
            return f"{answers!r}, then the row holds {[tuple(row) for row in cursor.fetchall()]}"
        except FAILURES as error:
            return f"refused: {_short(error)}"
        finally:
            connection.rollback()


def e_auto_commit(live: Live) -> str:
    """The default of autoCommit (iris/connections.py: always passed)"""
    with live.connection(autoCommit=None) as connection:
        return f"autocommit is {connection.autocommit!r}"


def e_exceptions(live: Live) -> str:
    """Which class, and which words, for a taken id, a missing table, a bad password (iris/errors.py)"""
    answers = []
    for words, sql, values in (
        ("taken id", SQL["insert_schema_version"], [1, "store"]),
        ("missing table", "SELECT X FROM DEMO.NoSuchTable", []),
        ("too long", SQL["insert_schema_version"], [1, "x" * 200]),
        ("wrong width", SQL["scan_all_vectors"], ["1,2"]),
        ("quoted type", "SELECT TO_VECTOR(?, 'DOUBLE')", ["1,2"]),
    ):
        with live.connection() as connection:
            try:
                connection.cursor().execute(sql, values)
                answers.append(f"{words}: accepted")
            except FAILURES as error:
                answers.append(f"{words}: {_short(error)}")
    try:
        with live.connection(password="not the password"):
            answers.append("bad password: accepted")
    except FAILURES as error:
        answers.append(f"bad password: {_short(error)}")
    return "; ".join(answers)


def f_fetched_types(live: Live) -> str:
    """What comes back for vectors and scores (iris/rows.py: parse_vector, score)"""
    vector = live.ask(SQL["vectors_of_chunks"].format(marks="?"), "live-0000000/0")[0][1]
    score = live.ask(SQL["search_vector"].format(k=1), vector_text(questions_of(live)[0]))[0][-1]
    return f"vector {type(vector).__name__} {str(vector)[:40]!r}; score {type(score).__name__}"


def f_texts(live: Live) -> str:
    """What comes back for characters beyond U+FFFF and for an empty text (iris/rows.py: text_of, split_text)"""
    echo = live.ask("SELECT CAST(? AS VARCHAR(100)), CAST(? AS VARCHAR(100)), LENGTH(?)", "a🫀b", "", "a🫀b")[
        0
    ]
    return f"'a🫀b' comes back as {echo[0]!r} and is {echo[2]} long; '' comes back as {echo[1]!r}"


def f_order_of_ids(live: Live) -> str:
    """Does %EXACT sort numbers first, and %SQLSTRING not? (store.sql: NoteDate)"""
    made = live.attempt(
        "CREATE TABLE DEMO.TryOrder (E VARCHAR(20) %EXACT, S VARCHAR(20) %SQLSTRING)",
        *(
            f"INSERT INTO DEMO.TryOrder (E, S) VALUES ('{value}', '{value}')"
            for value in ("2023", "2022-06-01", "9")
        ),
    )
    try:
        exact = [row[0] for row in live.ask("SELECT E FROM DEMO.TryOrder ORDER BY E")]
        text = [row[0] for row in live.ask("SELECT S FROM DEMO.TryOrder ORDER BY S")]
        later = [row[0] for row in live.ask("SELECT S FROM DEMO.TryOrder WHERE S >= ?", "2022-12-31")]
    finally:
        live.attempt("DROP TABLE DEMO.TryOrder")
    return f"{made}; %EXACT {exact}, %SQLSTRING {text}, from 2022-12-31 on {later}"


def g_index(live: Live) -> str:
    """Time to build the vector index, and what inserting costs with it present"""
    started = time.perf_counter()
    added = list(corpus(500, live.space.dimension, first=9_000_000, seed=3))
    live.store.upsert(added)
    seconds = time.perf_counter() - started
    live.store.delete([document.document.resource_id for document in added])
    return f"built over {live.rows} rows in {live.build_seconds:.1f} s; then {500 / seconds:.0f} chunks/s inserted"


def h_connections(live: Live) -> str:
    """How many connections open besides the suite's own, and what the next one is told"""
    opened: list[Any] = []
    try:
        for _ in range(30):
            context = live.connection()
            context.__enter__()
            opened.append(context)
    except FAILURES as error:
        return f"{len(opened)} opened, then {_short(error)}"
    finally:
        for context in opened:
            context.__exit__(None, None, None)
    return f"{len(opened)} opened without complaint"


def i_version(live: Live) -> str:
    """Version, image and licence"""
    version = live.ask("SELECT $ZVERSION")[0][0]
    image = compose("images", "--format", "json", check=False).stdout.strip()
    log = compose("logs", "iris", check=False).stdout
    licence = [line[-200:] for line in log.splitlines() if "icense" in line][-2:]
    return f"{version}; images {image[:300]}; {licence}"


def j_killed_while_loading(live: Live) -> str:
    """docker kill during a load, then a start: what was acknowledged must be there, whole (iris/store.py: upsert)"""
    stored: list[str] = []

    def load() -> None:
        for document in corpus(5_000, live.space.dimension, first=8_000_000, seed=4):
            live.store.upsert([document])
            stored.append(document.document.resource_id)

    failed: list[str] = []

    def guarded() -> None:
        try:
            load()
        except StoreError as error:
            failed.append(f"{type(error).__name__}: {error.what}")

    loader = threading.Thread(target=guarded)
    loader.start()
    while loader.is_alive() and len(stored) < 50:
        time.sleep(0.05)
    compose("kill", "iris")
    loader.join(60)
    started = time.perf_counter()
    compose("up", "--detach", "--wait")
    missing = [resource_id for resource_id in stored if live.store.document(resource_id) is None]
    problems = live.store.check()
    live.store.delete([f"live-{number:07}" for number in range(8_000_000, 8_000_500)])
    return (
        f"{len(stored)} acknowledged, {len(missing)} of them missing, problems {problems}; the writer saw {failed}; "
        f"back after {time.perf_counter() - started:.0f} s"
    )


def k_freeze(live: Live) -> str:
    """Freeze and thaw, for a snapshot: do writes wait, and does nothing break?"""
    frozen = compose("exec", "-T", "iris", "iris", "freeze", "IRIS", check=False)
    try:
        counts = live.store.counts()
    finally:
        thawed = compose("exec", "-T", "iris", "iris", "thaw", "IRIS", check=False)
    return f"freeze {frozen.returncode} {frozen.stdout[-100:]!r}, read {counts}, thaw {thawed.returncode}"


def l_cache(live: Live) -> str:
    """The cache that was asked for against the one that was allocated"""
    log = compose("logs", "iris", check=False).stdout
    return str(
        [line[-160:] for line in log.splitlines() if "global buffers" in line or "Allocated" in line][-3:]
    )


def m_isolation(live: Live) -> str:
    """What another connection sees of an open transaction (iris/store.py: hits and document read committed)"""
    answers = []
    with live.connection() as writer, live.connection() as reader:
        writer.cursor().execute(SQL["insert_schema_version"], [1, "uncommitted"])
        for level in ("read_uncommitted", "read_committed"):
            cursor = reader.cursor()
            started = time.perf_counter()
            try:
                cursor.execute(SQL[level])
                cursor.execute(SQL["schema_version"], ["uncommitted"])
                seen = f"{len(cursor.fetchall())} rows"
            except FAILURES as error:
                seen = _short(error)
            answers.append(f"{level}: {seen} after {time.perf_counter() - started:.1f} s")
        writer.rollback()
    return "; ".join(answers)


def n_words(live: Live) -> str:
    """Is the rank procedure there, under that name, and how long does it take? (iris/search.py: ranked_by_iris)"""
    started = time.perf_counter()
    matches = live.store.search_words("finding7 nothing", 10, Filters())
    seconds = time.perf_counter() - started
    missing = live.store._rank_missing  # the question
    return f"{'MISSING' if missing else 'there'}; {len(matches)} matches in {1000 * seconds:.1f} ms"


def o_rows_affected(live: Live) -> str:
    """rowcount of UPDATE and DELETE, which replacing and deleting rely on (iris/store.py: _write_notes, _remove)"""
    with live.connection() as connection:
        cursor = connection.cursor()
        counts = []
        for name, values in (
            ("update_space", ["{}", "text"]), ("update_space", ["{}", "nobody"]), ("delete_space", ["text"]),
            ("delete_space", ["nobody"]),
        ):  # fmt: skip
            cursor.execute(SQL[name], values)
            counts.append(cursor.rowcount)
        connection.rollback()
    return f"update 1, update 0, delete 1, delete 0 gave {json.dumps(counts)}"


QUESTIONS: tuple[Callable[[Live], str], ...] = (
    a_float_columns, b_plan, c_filtered_searches, c_our_searches, c_thresholds, d_batches, d_insert_or_update,
    e_auto_commit, e_exceptions, f_fetched_types, f_texts, f_order_of_ids, g_index, h_connections, i_version,
    m_isolation, n_words, o_rows_affected, k_freeze, l_cache, j_killed_while_loading,
)  # fmt: skip
"""In the order in which they are asked: the one that kills the server last."""


def answer(question: Callable[[Live], str], live: Live) -> str:
    """The answer, or what IRIS raised instead of one."""
    try:
        return question(live)
    except FAILURES as error:
        return f"NO ANSWER: {_short(error)}"


def _exact(live: Live, question: Vector, patient: str | None) -> list[str]:
    sql, values = SQL["scan_all_vectors"], [vector_text(question)]
    if patient is not None:
        sql, values = SQL["scan_vectors"].format(admitted="PatientID IN (?)"), [*values, patient]
    return [row[0] for row in sorted(live.ask(sql, *values), key=lambda row: (-float(row[1]), row[0]))]


def _timed(live: Live, sql: str, *values: Any) -> float:
    """Median milliseconds of five runs on one connection, rows fetched."""
    times = []
    with live.connection() as connection:
        for _ in range(6):
            started = time.perf_counter()
            cursor = connection.cursor()
            cursor.execute(sql, list(values))
            cursor.fetchall()
            cursor.close()
            times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times[1:]))


def _zeros(live: Live) -> str:
    return ",".join(["0.5"] * live.space.dimension)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
