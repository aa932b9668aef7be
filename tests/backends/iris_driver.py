"""An InterSystems IRIS that lives in this process: the DB-API side of it, with its bad manners.

It takes exactly the statements of store.sql: any other text is a failed test. Each one is parsed by the rules that IRIS
was found to have (types unquoted, TOP and no LIMIT, no trailing semicolon, every value bound), translated to SQLite
and executed there, so that a wrong column or a missing condition is found by what comes back. What IRIS is known or
feared to do differently is done here: an empty text is NULL, lengths are UTF-16 units, ids sort as numbers where they
look like numbers, rows die with their cursor, scores come as text, executemany tells its errors in its answer, other
connections see what is not committed, and the vector index filters after it has searched.

It knows nothing of the store that is under test.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from iris import dbapi

from pipeline.backends.iris.store import iris_statements

LINK = "<COMMUNICATION LINK ERROR> Failed to receive message; Details: Error code: 104 Error message: "
REFUSED = "<COMMUNICATION LINK ERROR> Failed to connect to server; Details: Error code: -1 Error message: "
CONNECT_OPTIONS = frozenset(
    {
        "hostname",
        "port",
        "namespace",
        "username",
        "password",
        "timeout",
        "sharedmemory",
        "autoCommit",
        "sslconfig",
    }
)
INDEX_BEAM = 8
"""Rows that the pretended HNSW index looks at beyond those asked for; small, so that small tests meet its limits."""

Result: TypeAlias = tuple[list[str], list[tuple[Any, ...]], int]
"""Column names, rows, rows affected."""
SPECIAL_INDEX = re.compile(
    r"CREATE INDEX (\w+) ON \w+[.]\w+ \((\w+)\) AS (HNSW|%iFind[.]Index[.]Basic)\((.*)\)"
)
SCHEMA = re.compile(r"\b(DEMO\w*)(?=[.])|(?<=TABLE_SCHEMA = ')(\w+)")


class Refusal(Exception):
    """A SQLCODE on its way to becoming a driver's exception, or an executemany row."""

    def __init__(self, code: int, words: str, detail: str = "") -> None:
        message = f"[SQLCODE: <{code}>:<{words}>]\r\n[Location: <ServerLoop>]"
        super().__init__(f"{message}\r\n[%msg: <{detail}>]" if detail else message)


@dataclass
class Fault:
    """What goes wrong the next time `statement` (a name of store.sql, "commit" or "connect") is used."""

    statement: str
    message: str = LINK
    after: bool = False
    """True: IRIS does the work and only the answer is lost."""
    times: int = 1


@dataclass
class Server:
    """One IRIS instance; `connect` is its `iris.dbapi.connect`."""

    username: str = "chartwell"
    password: str = "correct horse"
    namespace: str = "DEMO"
    licence_connections: int = 8
    lock_seconds: float = 0.3
    running: bool = True
    password_expired: bool = False
    rank_class: bool = True
    explains: bool = True
    """False: this build does not explain a statement that binds a vector."""
    planner_uses_index: bool = True
    """False: the planner compares every vector, index or not, as it does while it does not know the number of rows."""
    batches_take_expressions: bool = True
    error_class: type[Exception] = dbapi.DatabaseError
    index_rows_max: int = 1_000_000
    extra_statements: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ("DEMO",)
    faults: list[Fault] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    """Names of all statements executed, in order."""
    connections_made: int = 0

    def __post_init__(self) -> None:
        self.open: list[Connection] = []
        self.indexes: dict[str, str] = {}
        self.guard = threading.RLock()
        self.freed = threading.Condition(self.guard)
        self.owner: Connection | None = None
        self.raised: Refusal | None = None
        self._turn = itertools.count()
        self._known = known_statements(self.extra_statements, self.schemas)
        self.dirty = self._database()
        self.before_writing = b""

    # --- what a test does to it

    def restart(self) -> None:
        """Every connection breaks; what was not committed is undone."""
        with self.guard:
            for connection in list(self.open):
                connection.die()

    def close(self) -> None:
        with self.guard:
            self.restart()
            self.dirty.close()

    def count(self, statement: str) -> int:
        return self.statements.count(statement)

    # --- connecting

    def connect(self, **options: Any) -> Connection:
        assert set(options) <= CONNECT_OPTIONS, f"unknown options {set(options) - CONNECT_OPTIONS}"
        assert options["autoCommit"] is False, "the driver's default is not known: say autoCommit"
        assert options["sharedmemory"] is False
        if type(options["timeout"]) is not int:
            raise TypeError("invalid arguments: connectionstr or hostname, port and namespace are required.")
        if options.get("sslconfig") == "":
            raise dbapi.ProgrammingError("<ARGUMENT ERROR> Empty argument given")
        with self.guard:
            self.fault("connect")
            self.connections_made += 1
            if not self.running:
                raise dbapi.OperationalError(REFUSED)
            if len(self.open) >= self.licence_connections:
                raise dbapi.OperationalError("<LICENSE LIMIT EXCEEDED>")
            given = (options["username"], options["password"], options["namespace"])
            if given != (self.username, self.password, self.namespace):
                raise dbapi.OperationalError(
                    "<COMMUNICATION ERROR> Failed to connect; Details: Access Denied"
                )
            if self.password_expired:
                raise dbapi.OperationalError("Password change required")
            connection = Connection(self)
            self.open.append(connection)
            return connection

    def fault(self, statement: str) -> Callable[[], None]:
        """Raise what is planned for this statement; the answer raises what is planned for after it."""
        for fault in self.faults:
            if fault.statement == statement and fault.times > 0:
                fault.times -= 1
                if not fault.after:
                    raise self.error_for(fault.message)
                return lambda: self._raise(fault.message)
        return lambda: None

    def _raise(self, message: str) -> None:
        raise self.error_for(message)

    def error_for(self, message: str) -> Exception:
        if "LINK ERROR" in message:
            self.restart()
            return dbapi.OperationalError(message)
        return self.error_class(message)

    # --- executing

    def run(self, connection: Connection, text: str, values: Sequence[Any]) -> Result:
        """One statement, with what is planned to go wrong."""
        name = self.recognise(text)
        self.statements.append(name)
        afterwards = self.fault(name)
        check_values(text, values)
        bound = [None if value == "" else value for value in values]
        if text.startswith("SET TRANSACTION ISOLATION LEVEL "):
            connection.committed_only = text.endswith("READ COMMITTED")
            result: Result = ([], [], -1)
        elif text.startswith("SELECT"):
            result = self._query(connection, text, bound)
        elif text.startswith("EXPLAIN "):
            result = self._explained(text)
        else:
            self._own(connection)
            result = self._change(text, bound)
        afterwards()
        return result

    def foreign(self, text: str, values: Sequence[Any] = ()) -> None:
        """A statement of another program than the one under test, committed."""
        with self.guard:
            self._change(text, [None if value == "" else value for value in values])

    def recognise(self, text: str) -> str:
        refuse_bad_manners(text)
        for name, pattern in self._known.items():
            if pattern.fullmatch(text):
                return name
        raise AssertionError(f"a statement that is not in store.sql was sent: {text}")

    def _query(self, connection: Connection, text: str, values: Sequence[Any]) -> Result:
        if "INFORMATION_SCHEMA.TABLES" in text:
            return ["TABLE_NAME"], tables_of(self.dirty, schema_of(text)), -1
        if "INFORMATION_SCHEMA.COLUMNS" in text:
            table = re.search(r"TABLE_NAME = '(\w+)'", text)
            assert table
            return ["COLUMN_NAME"], columns_of(self.dirty, f"{schema_of(text)}_{table.group(1)}"), -1
        if not connection.committed_only or self.owner in (None, connection):
            return self._select(self.dirty, text, values)
        deadline = time.monotonic() + self.lock_seconds
        while True:  # a committed reader waits for rows that are being written
            result = self._select(self.dirty, text, values)
            if self.owner is None:
                return result
            with contextlib.closing(self.committed()) as committed:
                if result[1] == self._select(committed, text, values)[1]:
                    return result
            if not self.freed.wait(deadline - time.monotonic()):
                raise Refusal(-114, "One or more matching rows is locked by another user")

    def _explained(self, text: str) -> Result:
        """The plan as rows of XML, in the words of IRIS 2025.3."""
        if not self.explains:
            raise Refusal(-1, "Invalid SQL statement")
        schema = schema_of(text)
        if self.planner_uses_index and index_key(schema, "EmbeddingNearest") in self.indexes:
            read = (
                f"Read index map {schema}.ClinicalNoteVectors.EmbeddingNearest, "
                "looping on the 'VECTOR_COSINE' expression"
            )
        else:
            read = f"Read master map {schema}.ClinicalNoteVectors.IDKEY, looping on VectorNumber"
        sql = text.removeprefix("EXPLAIN ").replace("\n", " ")
        xml = f'<plans>\n <plan>\n  <sql>{sql}</sql>\n  <cost value="1204"/>\n{read}.\n </plan>\n</plans>'
        return ["Plan"], [(part,) for part in xml.splitlines()], -1

    def _select(self, database: sqlite3.Connection, text: str, values: Sequence[Any]) -> Result:
        cursor = self._sqlite(database, *self._translated(database, text, list(values)))
        columns = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
        return columns, [tuple(map(self._outgoing, columns, row)) for row in rows], -1

    def _outgoing(self, column: str, value: Any) -> Any:
        """As drivers hand values over: halves of characters beyond U+FFFF, and scores of any type."""
        if column in ("Similarity", "WordRank") and isinstance(value, float):
            return (value, str(value), Decimal(repr(value)))[next(self._turn) % 3]
        if isinstance(value, str) and not value.isascii():
            units = value.encode("utf-16-le")
            return "".join(
                chr(int.from_bytes(units[at : at + 2], "little")) for at in range(0, len(units), 2)
            )
        return value

    def _change(self, text: str, values: Sequence[Any]) -> Result:
        if text.startswith("TUNE TABLE"):
            return [], [], -1
        if special := SPECIAL_INDEX.fullmatch(text):
            index, column, kind, options = special.groups()
            index = index_key(schema_of(text), index)
            if index in self.indexes:
                raise Refusal(-324, f"Index with this name already defined: {index}")
            if kind == "HNSW" and "Distance='Cosine'" not in options:
                raise Refusal(-400, "Fatal error occurred", "Distance is required")
            self.indexes[index] = column
            return [], [], -1
        if dropped := re.fullmatch(r"DROP INDEX (\w+) ON \w+[.](\w+)", text):
            if self.indexes.pop(index_key(schema_of(text), dropped.group(1)), None) is None:
                raise Refusal(-333, "No such index defined")
            return [], [], -1
        if dropped := re.fullmatch(r"ALTER TABLE (\w+)[.](\w+) DROP CONSTRAINT (\w+)", text):
            self._without_constraint(f"{dropped.group(1)}_{dropped.group(2)}", dropped.group(3))
            return [], [], -1
        if text.startswith("DROP TABLE") and text.endswith(".ClinicalNoteVectors"):
            for index in ("EmbeddingNearest", "SearchTextFind"):
                self.indexes.pop(index_key(schema_of(text), index), None)
        cursor = self._sqlite(self.dirty, *self._translated(self.dirty, text, list(values)))
        return [], [], cursor.rowcount

    def _without_constraint(self, table: str, constraint: str) -> None:
        """SQLite cannot take a constraint back: the table is made again without it."""
        found = self.dirty.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        if found is None:
            raise Refusal(-30, "Table or view not found")
        kept = re.sub(rf",\s*CONSTRAINT {constraint} [^\n]*", "", found[0])
        if kept == found[0]:
            raise Refusal(-315, "Constraint or Key not found")
        self.dirty.execute(f"ALTER TABLE {table} RENAME TO Before_{table}")
        self.dirty.execute(kept)
        self.dirty.execute(f"INSERT INTO {table} SELECT * FROM Before_{table}")
        self.dirty.execute(f"DROP TABLE Before_{table}")

    def _translated(
        self, database: sqlite3.Connection, text: str, values: list[Any]
    ) -> tuple[str, list[Any]]:
        sql = " ".join(text.split())
        if sql.startswith("CREATE TABLE"):
            return create_table(text), values
        sql = re.sub(r"^(ALTER TABLE .* ADD COLUMN \w+) VARCHAR\(\d+\) %EXACT$", r"\1 TEXT", sql)
        sql = sql.replace("CREATE BITMAP INDEX", "CREATE INDEX")
        schema = schema_of(sql)
        if schema != "DEMO":  # an index's name is its table's in IRIS, and the whole database's in SQLite
            sql = re.sub(r"^CREATE INDEX (\w+)", rf"CREATE INDEX {schema}_\1", sql)
        sql = re.sub(r"^SELECT DISTINCT TOP (\d+) (.*)$", r"SELECT DISTINCT \2 LIMIT \1", sql)
        top = re.match(r"SELECT TOP (\d+) ", sql)
        if top:
            nearest = re.search(
                r"VECTOR_COSINE\(Embedding, TO_VECTOR\(\?, DOUBLE\)\) AS Similarity FROM", sql
            )
            if (
                nearest
                and index_key(schema, "EmbeddingNearest") in self.indexes
                and sql.endswith("ORDER BY Similarity DESC")
            ):
                sql = self._by_index(database, sql, int(top.group(1)), values)
            if numbered := re.search(r"(ClinicalNote|MedicalImage)Vectors", sql):
                number = "VectorNumber" if numbered.group(1) == "ClinicalNote" else "ImageNumber"
                # Equal scores come in another order every time.
                sql = f"{sql}, ({number} * 7919 + {next(self._turn)}) % 97"
            sql = f"{sql} LIMIT {top.group(1)}"
            sql = sql.replace(top.group(0), "SELECT ", 1)
        for index in re.findall(r"search_index\((\w+), \?\)", sql):
            key = index_key(schema, index)
            if key not in self.indexes:
                raise Refusal(-149, "SQL Function encountered an error", f"index {index} is not defined")
            sql = sql.replace(f"%ID %FIND search_index({index}, ?)", f"iris_find({self.indexes[key]}, ?)")
        for rank in re.findall(r"ClinicalNoteVectors_(\w+)Rank\(%ID, \?\)", sql):
            key = index_key(schema, rank)
            if not self.rank_class or key not in self.indexes:
                raise Refusal(-359, "User defined SQL function does not exist", f"{rank}Rank")
            sql = sql.replace(
                f"{schema}.ClinicalNoteVectors_{rank}Rank(%ID, ?)", f"iris_rank({self.indexes[key]}, ?)"
            )
        sql = re.sub(r"VECTOR_COSINE\((\w+), TO_VECTOR\(\?, DOUBLE\)\)", r"iris_cosine(\1, ?)", sql)
        sql = sql.replace("TO_VECTOR(?, DOUBLE)", "iris_vector(?)")
        return re.sub(r"\b(DEMO\w*)[.](\w+)", r"\1_\2", sql), values

    def _by_index(self, database: sqlite3.Connection, sql: str, top: int, values: list[Any]) -> str:
        """The index looks at a few of the nearest rows, and the condition is applied to those."""
        question = values[0]
        if not any(numbers(question)):
            rows = []
        else:
            rows = database.execute(
                f"SELECT VectorNumber FROM {schema_of(sql)}_ClinicalNoteVectors "
                "WHERE iris_cosine(Embedding, ?) IS NOT NULL ORDER BY iris_cosine(Embedding, ?) DESC LIMIT ?",
                (question, question, min(top + INDEX_BEAM, self.index_rows_max)),
            ).fetchall()
        seen = "VectorNumber IN ({})".format(", ".join(str(row[0]) for row in rows) or "NULL")
        if " WHERE " in sql:
            return sql.replace(" WHERE ", f" WHERE {seen} AND ", 1)
        return sql.replace(" ORDER BY ", f" WHERE {seen} ORDER BY ", 1)

    def _sqlite(self, database: sqlite3.Connection, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        self.raised = None
        try:
            return database.execute(sql, values)
        except sqlite3.Error as error:
            raise self.raised or refusal_of(error, sql, values) from None

    # --- transactions

    def _own(self, connection: Connection) -> None:
        """One writer at a time: a stand-in for row locks, with IRIS's error when the wait is too long."""
        deadline = time.monotonic() + self.lock_seconds
        while self.owner not in (None, connection):
            if not self.freed.wait(deadline - time.monotonic()):
                raise Refusal(-110, "Locking conflict in filing")
        if self.owner is None:
            self.owner = connection
            self.keep_committed()
            self.dirty.execute("BEGIN")

    def keep_committed(self) -> None:
        """Before a transaction begins: what others shall go on to see."""
        self.before_writing = self.dirty.serialize()

    def committed(self) -> sqlite3.Connection:
        """The database as it was before the transaction that is open."""
        database = self._database()
        database.deserialize(self.before_writing)
        return database

    def end(self, connection: Connection, how: str) -> None:
        if self.owner is connection:
            self.dirty.execute(how)
            self.owner = None
            self.freed.notify_all()

    def _database(self) -> sqlite3.Connection:
        database = self.connect_sqlite()
        database.execute("PRAGMA foreign_keys = ON")
        database.create_collation("EXACT", exact_order)
        for name, arguments, function in (
            ("iris_units", 1, utf16_units),
            ("iris_width", 1, lambda text: None if text is None else len(numbers(text))),
            ("iris_vector", 1, self._kept(canonical_vector)),
            ("iris_cosine", 2, self._kept(cosine)),
            ("iris_find", 2, self._kept(lambda text, query: rank(text, query) > 0)),
            ("iris_rank", 2, self._kept(rank)),
        ):
            database.create_function(name, arguments, function)
        return database

    def connect_sqlite(self) -> sqlite3.Connection:
        database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        database.execute("CREATE TABLE Booted (At TEXT)")  # an empty database cannot be serialised
        return database

    def _kept(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """SQLite hides what a function raises; keep it for `_sqlite`."""

        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except Refusal as refusal:
                self.raised = refusal
                raise

        return call


class Connection:
    """A DB-API connection. One cursor at a time is all that the store needs, and all that is offered."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.dead = False
        self.committed_only = False
        self.thread: int | None = None

    def cursor(self) -> Cursor:
        self.alive()
        return Cursor(self)

    def commit(self) -> None:
        with self.server.guard:
            self.alive()
            afterwards = self.server.fault("commit")
            self.server.end(self, "COMMIT")
            afterwards()

    def rollback(self) -> None:
        with self.server.guard:
            self.alive()
            self.server.fault("rollback")()
            self.server.end(self, "ROLLBACK")

    def close(self) -> None:
        with self.server.guard:
            if self.dead:
                raise dbapi.ProgrammingError("Connection is closed")
            self.die()

    def alive(self) -> None:
        if self.dead:
            raise dbapi.OperationalError(LINK)

    def die(self) -> None:
        self.dead = True
        self.server.open.remove(self)
        self.server.end(self, "ROLLBACK")


class Cursor:
    """A DB-API cursor; `executemany` answers a 1 or an error text for each row."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.server = connection.server
        self.closed = False
        self.rowcount = -1
        self._rows: list[tuple[Any, ...]] = []

    def execute(self, text: str, values: Sequence[Any] = ()) -> int:
        with self.server.guard:
            self.connection.alive()
            try:
                _, self._rows, self.rowcount = self.server.run(self.connection, text, values)
            except Refusal as refusal:
                raise self.server.error_class(str(refusal)) from None
            return self.rowcount

    def executemany(self, text: str, rows: Sequence[Sequence[Any]]) -> tuple[int | str, ...]:
        assert 0 < len(rows) <= 1000, f"{len(rows)} rows in one executemany"
        with self.server.guard:
            self.connection.alive()
            if "(?, DOUBLE)" in text and not self.server.batches_take_expressions:
                raise self.server.error_class(str(Refusal(-12, "A term expected")))
            answers: list[int | str] = []
            for values in rows:
                try:
                    self.server.run(self.connection, text, values)
                except Refusal as refusal:
                    answers.append(str(refusal))
                else:
                    answers.append(1)
            self.rowcount = answers.count(1)
            return tuple(answers)

    def fetchall(self) -> tuple[Row, ...]:
        assert not self.closed
        return tuple(Row(self, values) for values in self._rows)

    def close(self) -> None:
        self.closed = True


class Row:
    """A row that cannot be read once its cursor is closed."""

    def __init__(self, cursor: Cursor, values: tuple[Any, ...]) -> None:
        self._cursor, self._values = cursor, values

    def __getitem__(self, key: int) -> Any:
        return self._readable()[key]

    def __len__(self) -> int:
        return len(self._readable())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._readable())

    def _readable(self) -> tuple[Any, ...]:
        if self._cursor.closed:
            raise dbapi.InterfaceError("the row's cursor is closed")
        return self._values


# --- the dialect


def schema_of(text: str) -> str:
    """The schema that a statement speaks of."""
    found = SCHEMA.search(text)
    return (found.group(1) or found.group(2)) if found else "DEMO"


def index_key(schema: str, index: str) -> str:
    return index if schema == "DEMO" else f"{schema}.{index}"


def tables_of(database: sqlite3.Connection, schema: str) -> list[tuple[str]]:
    names = (str(row[0]) for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
    return [(name.rpartition("_")[2],) for name in names if name.rpartition("_")[0] == schema]


def columns_of(database: sqlite3.Connection, table: str) -> list[tuple[str]]:
    return database.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()


def known_statements(
    extra: Sequence[str] = (), schemas: Sequence[str] = ("DEMO",)
) -> Mapping[str, re.Pattern[str]]:
    """A pattern for every statement of store.sql, its braces filled with nothing but what belongs there. The name of a
    statement for another schema than DEMO carries the schema."""
    patterns: dict[str, re.Pattern[str]] = {}
    for schema in schemas:
        prefix = "" if schema == "DEMO" else f"{schema}."
        patterns |= {prefix + name: pattern for name, pattern in statements_of(schema).items()}
    return {**patterns, **{text: re.compile(re.escape(text)) for text in extra}}


def statements_of(schema: str) -> Mapping[str, re.Pattern[str]]:
    statements = iris_statements(schema)
    blanks = {
        "marks": r"\?(?:, \?)*",
        "k": r"[1-9]\d*",
        "dimension": r"[1-9]\d*",
    }
    conditions = [_pattern(body, blanks) for name, body in statements.items() if name.startswith("admit_")]
    condition = f"(?:{'|'.join(conditions)})"
    blanks["admitted"] = f"{condition}(?: AND {condition})*"
    return {
        name: re.compile(_pattern(body, blanks))
        for name, body in statements.items()
        if not name.startswith("admit_")
    }


def _pattern(body: str, blanks: Mapping[str, str]) -> str:
    pattern = re.escape(body)
    for name, blank in blanks.items():
        pattern = pattern.replace(re.escape(f"{{{name}}}"), blank)
    return pattern


def refuse_bad_manners(text: str) -> None:
    """What IRIS's parser, or a driver's, was found to choke on."""
    if re.search(r"TO_VECTOR\([^)]*'", text):
        raise Refusal(-1, ") expected, '%qpar' found: a quoted type in TO_VECTOR")
    if text.rstrip().endswith(";"):
        raise Refusal(-25, "Input (;) encountered after end of query")
    if re.search(r"\bFETCH\s+FIRST\b|\bLIMIT\s+\d", text, re.IGNORECASE):
        raise AssertionError("FETCH FIRST and LIMIT have crashed drivers")
    if re.search(r"TO_VECTOR\(\?\)", text):
        raise Refusal(-259, "Cannot perform vector operation on vectors of different datatypes")


def check_values(text: str, values: Sequence[Any]) -> None:
    if len(values) != text.count("?"):
        raise Refusal(-400, "Fatal error occurred", "Incorrect number of parameters")
    if len(values) > 1000:
        raise Refusal(-1, "Invalid SQL statement", "too many parameters")
    for value in values:
        assert type(value) in (str, int, float, type(None)), f"a {type(value).__name__} was bound"
        assert not (isinstance(value, float) and not math.isfinite(value)), (
            "a float that is not finite was bound"
        )


def create_table(text: str) -> str:
    """IRIS's CREATE TABLE as SQLite's, with its lengths and widths as constraints."""
    table = re.search(r"CREATE TABLE \w+[.](\w+)", text)
    assert table
    lines = []
    for line in text.splitlines():
        if column := re.match(r"  (\w+) VARCHAR\((\d+)\)( %EXACT| %SQLSTRING)?(.*?)(,?)$", line):
            name, length, collation, rest, comma = column.groups()
            order = {" %EXACT": "EXACT", " %SQLSTRING": "BINARY", None: "NOCASE"}[collation]
            limit = f'CONSTRAINT "DEMO.{table.group(1)}.{name}" CHECK (iris_units({name}) <= {length})'
            lines.append(f"  {name} TEXT COLLATE {order}{rest} {limit}{comma}")
        elif column := re.match(r"  (\w+) VECTOR\(DOUBLE, (\d+)\)(.*?)(,?)$", line):
            name, width, rest, comma = column.groups()
            limit = f'CONSTRAINT "DEMO.{table.group(1)}.{name}" CHECK (iris_width({name}) = {width})'
            lines.append(f"  {name} TEXT{rest} {limit}{comma}")
        else:
            lines.append(line.replace("BIGINT IDENTITY PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT"))
    return re.sub(r"\b(DEMO\w*)[.](\w+)(?= ?\()", r"\1_\2", "\n".join(lines))


def refusal_of(error: sqlite3.Error, sql: str, values: Sequence[Any]) -> Refusal:
    """SQLite's complaint as IRIS would make it: the row's values quoted, as IRIS quotes them."""
    message = str(error)
    quoted = ", ".join(repr(value) for value in values)
    for words, code, text in (
        (
            "UNIQUE constraint failed",
            -119,
            "UNIQUE or PRIMARY KEY constraint failed uniqueness check on INSERT",
        ),
        ("NOT NULL constraint failed", -108, "Required field missing; INSERT or UPDATE not allowed"),
        ("CHECK constraint failed", -104, "Field validation failed in INSERT"),
        ("no such table", -30, "Table or view not found"),
        ("duplicate column name", -306, "Column with this name already exists"),
        ("no such column", -29, "Field not found in the applicable tables"),
    ):
        if words in message:
            where = message.rsplit(": ", 1)[-1].replace("DEMO_", "DEMO.")
            return Refusal(code, text, f"Field '{where}' (value {quoted})")
    if "FOREIGN KEY" in message:
        return Refusal(-124 if sql.startswith("DELETE") else -121, "Foreign key constraint failed", quoted)
    if "already exists" in message:
        return Refusal(-324 if sql.startswith("CREATE INDEX") else -201, "already defined", message)
    raise AssertionError(f"the translation is wrong: {message}\n{sql}")


def exact_order(one: str, other: str) -> int:
    """%EXACT: canonical numbers first and by value, then text."""
    first, second = _exact_key(one), _exact_key(other)
    return (first > second) - (first < second)


def _exact_key(text: str) -> tuple[int, float, bytes]:
    number = re.fullmatch(r"-?(0|[1-9]\d{0,14})([.]\d{0,12}[1-9])?", text)
    return (0, float(text), b"") if number and text != "-0" else (1, 0.0, text.encode("utf-16-be"))


def utf16_units(text: str | None) -> int | None:
    return None if text is None else len(text.encode("utf-16-le")) // 2


def numbers(text: str) -> list[float]:
    return [float(number) for number in text.strip("[]").split(",")]


def canonical_vector(text: str | None) -> str | None:
    """A vector as IRIS shows it: commas, and no zero before a point."""
    if text is None:
        return None
    try:
        values = numbers(text)
    except ValueError:
        raise Refusal(-104, "Field validation failed in INSERT", f"value {text[:30]}") from None
    assert all(map(math.isfinite, values)), "a vector that is not finite was bound"
    return ",".join(re.sub(r"^(-?)0[.]", r"\1.", repr(value)) for value in values)


def cosine(stored: str, question: str) -> float | None:
    one, other = numbers(stored), numbers(question)
    if len(one) != len(other):
        raise Refusal(-257, "Cannot perform vector operation on vectors of different lengths")
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / lengths if lengths else None


def rank(text: str | None, query: str | None) -> float:
    """SQL Search with words joined by OR: words are what stands between spaces, longer matches rank higher."""
    if not query:
        raise Refusal(-400, "Fatal error occurred", "empty search string")
    words = query.split(" OR ")
    for word in words:
        assert re.fullmatch(r"[^\W_]+", word), f"{word!r} is not a plain word"
        assert word.lower() not in ("and", "or", "not")
    assert len(words) <= 32
    present = (text or "").lower().split(" ")
    assert all(len(word) <= 64 for word in present), "an index entry longer than a subscript may be"
    return float(sum(math.log1p(present.count(word.lower())) for word in set(words)))
