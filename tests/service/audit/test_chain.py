"""The audit log: appended with the change it tells of, and whatever is done to it afterwards is found."""

from __future__ import annotations

import dataclasses
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from sqlalchemy import text

from pipeline.service.audit.chain import (
    GENESIS,
    SELDOM_SECONDS,
    SYSTEM,
    Anchor,
    AuditLog,
    AuditRow,
    SystemActor,
    as_line,
    read_anchors,
    read_export,
    verify_rows,
)
from pipeline.service.database.engine import State, StateSession
from pipeline.service.database.tables import User
from pipeline.service.errors import AuditBroken, Conflict, StateError

ANNA = SystemActor("anna", "user")
COLUMNS = [field.name for field in dataclasses.fields(AuditRow)]


@pytest.fixture
def log(state: State) -> AuditLog:
    return AuditLog(state)


def fill(log: AuditLog, rows: int = 5) -> list[AuditRow]:
    for number in range(rows):
        log.record(ANNA, "note-read", f"note:n-{number}", details={"number": number})
    return list(log.rows())


def behind_its_back(state: State, *statements: str) -> None:
    """What the owner of the database does: switch the triggers off, and write."""
    with state.engine.begin() as connection:
        if state.sqlite:
            for change in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS audit_no_{change}"))
        else:
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_append_only"))
        for statement in statements:
            connection.execute(text(statement))


def test_a_row_continues_the_one_before(log: AuditLog) -> None:
    rows = fill(log)
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert [row.previous for row in rows] == [GENESIS, *(row.hash for row in rows[:-1])]
    assert all(row.hash == row.computed() for row in rows)
    found = log.verify()
    assert (found.sound, found.rows, found.head.hash) == (True, 5, rows[-1].hash)


def test_an_empty_log_verifies(log: AuditLog) -> None:
    assert log.verify().sound
    assert log.verify().rows == 0


def test_a_change_and_its_row_come_together_or_not_at_all(log: AuditLog, state: State) -> None:
    person = {"display_name": "A", "role": "reader"}
    with state.session() as session:
        session.add(User(name="anna", **person))
        log.append(session, SYSTEM, "person-created", "person:anna")
    with pytest.raises(Conflict):
        _append_and(log, state, lambda session: session.add(User(name="anna", **person)))
    with pytest.raises(ZeroDivisionError):
        _append_and(log, state, lambda session: 1 // 0)
    assert [row.subject for row in log.rows()] == ["person:anna"]
    assert log.verify().sound


def _append_and(log: AuditLog, state: State, then: Callable[[StateSession], object]) -> None:
    with state.session() as session:
        log.append(session, SYSTEM, "person-created", "person:bert")
        then(session)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET actor = 'bert' WHERE number = 2", "DELETE FROM audit WHERE number = 2"]
)
def test_the_database_itself_refuses_changes(log: AuditLog, state: State, statement: str) -> None:
    rows = fill(log)
    with pytest.raises((StateError, Conflict)), state.session() as session:
        session.execute(text(statement))
    assert list(log.rows()) == rows


COPY_OF_ROW_2 = (
    "INTO audit SELECT number, at, 'FORGED', actor_kind, action, subject, outcome, details, previous, hash FROM audit "
    "WHERE number = 2"
)


@pytest.mark.parametrize(
    ("database", "statement"),
    [
        ("sqlite", f"REPLACE {COPY_OF_ROW_2}"),
        ("sqlite", f"INSERT OR REPLACE {COPY_OF_ROW_2}"),
        ("sqlite", "UPDATE OR REPLACE audit SET number = 2 WHERE number = 3"),
        ("both", f"INSERT {COPY_OF_ROW_2} ON CONFLICT (number) DO UPDATE SET actor = 'FORGED'"),
    ],
)
def test_the_database_itself_refuses_a_row_in_the_place_of_another(
    log: AuditLog, state: State, database: str, statement: str
) -> None:
    if database == "sqlite" and not state.sqlite:
        pytest.skip("PostgreSQL does not know the statement")
    rows = fill(log)
    with pytest.raises((StateError, Conflict)), state.session() as session:
        session.execute(text(statement))
    assert list(log.rows()) == rows


def test_postgresql_refuses_to_empty_it(log: AuditLog, state: State) -> None:
    if state.sqlite:
        pytest.skip("SQLite has no TRUNCATE; its DELETE is refused above")
    rows = fill(log)
    with pytest.raises(StateError), state.session() as session:
        session.execute(text("TRUNCATE audit"))
    assert list(log.rows()) == rows


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("number", [1, 5])
def test_one_changed_character_is_found(log: AuditLog, state: State, column: str, number: int) -> None:
    fill(log)
    change = (
        f"UPDATE audit SET number = number + 100 WHERE number = {number}"
        if column == "number"
        else f"UPDATE audit SET {column} = substr({column}, 1, length({column}) - 1) || '~' WHERE number = {number}"
    )
    behind_its_back(state, change)
    assert not log.verify().sound


@pytest.mark.parametrize(
    ("what", "statements"),
    [
        ("the first row", ["DELETE FROM audit WHERE number = 1"]),
        ("a row in the middle", ["DELETE FROM audit WHERE number = 3"]),
        ("the last row", ["DELETE FROM audit WHERE number = 5"]),
        ("all rows", ["DELETE FROM audit"]),
        (
            "a row, with the later ones moved up",
            [
                "DELETE FROM audit WHERE number = 3",
                "UPDATE audit SET number = 3 WHERE number = 4",
                "UPDATE audit SET number = 4 WHERE number = 5",
            ],
        ),
        (
            "a row added at the end",
            ["INSERT INTO audit VALUES (6, '', '', '', '', '', '', '', (SELECT hash FROM audit_head), 'x')"],
        ),
        (
            "two rows swapped",
            [
                "UPDATE audit SET number = 9 WHERE number = 2",
                "UPDATE audit SET number = 2 WHERE number = 3",
                "UPDATE audit SET number = 3 WHERE number = 9",
            ],
        ),
        ("the head set back alone", ["UPDATE audit_head SET number = 4"]),
    ],
)
def test_what_is_removed_added_or_moved_is_found(
    log: AuditLog, state: State, what: str, statements: list[str]
) -> None:
    fill(log)
    behind_its_back(state, *statements)
    assert not log.verify().sound, what


def test_a_head_that_is_gone_is_said(log: AuditLog, state: State) -> None:
    fill(log)
    behind_its_back(state, "DELETE FROM audit_head")
    with pytest.raises(AuditBroken):
        log.verify()


def forge_end(state: State, rows: list[AuditRow]) -> None:
    """Cut the last row off and set the head back: a chain that is sound in itself."""
    last = rows[-2]
    behind_its_back(
        state,
        f"DELETE FROM audit WHERE number = {rows[-1].number}",
        f"UPDATE audit_head SET number = {last.number}, hash = '{last.hash}'",
    )


def test_an_end_cut_off_with_its_head_is_found_by_an_anchor_alone(log: AuditLog, state: State) -> None:
    rows = fill(log)
    anchor = log.anchor()
    forge_end(state, rows)
    assert log.verify().sound  # the database alone cannot tell: docs/security.md says so
    found = log.verify([anchor])
    assert not found.sound
    assert found.problems[0].number == 5


def test_a_chain_computed_anew_is_found_by_an_anchor_alone(log: AuditLog, state: State) -> None:
    rows = fill(log)
    anchor = log.anchor()
    forged, previous = [], rows[1].hash
    for row in rows[2:]:
        changed = dataclasses.replace(row, actor="bert", previous=previous)
        changed = dataclasses.replace(changed, hash=changed.computed())
        previous = changed.hash
        forged.append(changed)
    behind_its_back(
        state,
        *(
            f"UPDATE audit SET actor = 'bert', previous = '{row.previous}', hash = '{row.hash}' "
            f"WHERE number = {row.number}"
            for row in forged
        ),
        f"UPDATE audit_head SET hash = '{previous}'",
    )
    assert log.verify().sound
    assert not log.verify([anchor]).sound


def test_a_forged_end_is_found_beside_an_anchor_that_fits_it(log: AuditLog, state: State) -> None:
    """One line added to the file of anchors does not take the true one's place."""
    rows = fill(log)
    anchor = log.anchor()
    forged = dataclasses.replace(rows[-1], actor="bert")
    forged = dataclasses.replace(forged, hash=forged.computed())
    behind_its_back(
        state,
        f"UPDATE audit SET actor = 'bert', hash = '{forged.hash}' WHERE number = 5",
        f"UPDATE audit_head SET hash = '{forged.hash}'",
    )
    fitting = Anchor(5, forged.hash, "later")
    assert log.verify([fitting]).sound
    for anchors in ([anchor, fitting], [fitting, anchor]):
        said = [problem.what for problem in log.verify(anchors).problems]
        assert len(said) == 2
        assert "anchors that differ" in said[0]
        assert said[1] == f"is not the row that was anchored at {anchor.at}"


def test_two_anchors_of_one_row_that_differ_are_a_problem_by_themselves(log: AuditLog) -> None:
    fill(log)
    anchor = log.anchor()
    assert log.verify([anchor, Anchor(5, anchor.hash, "later")]).sound
    found = verify_rows([], head=None, anchors=[Anchor(0, GENESIS, "then"), Anchor(0, "f" * 64, "then")])
    assert [problem.number for problem in found.problems] == [0]


def test_anchors_are_lines(log: AuditLog) -> None:
    fill(log)
    anchor = log.anchor()
    assert read_anchors([as_line(anchor), "", as_line(anchor)]) == [anchor, anchor]
    assert log.verify([anchor, Anchor(0, GENESIS, "then")]).sound
    for line in ("{", "[]", '{"number": 1}'):
        with pytest.raises(AuditBroken, match="Line 1"):
            read_anchors([line])


def test_an_export_verifies_by_itself(log: AuditLog) -> None:
    fill(log)
    lines = [as_line(row) for row in log.rows()]
    assert verify_rows(read_export(lines), head=None).sound
    assert not verify_rows(read_export([*lines[:2], *lines[3:]]), head=None).sound
    assert not verify_rows(read_export(lines[:-1]), head=None, anchors=[log.anchor()]).sound
    with pytest.raises(AuditBroken, match="Line 2"):
        list(read_export([lines[0], '{"number": 2}']))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=strategies.data())
def test_any_one_byte_of_an_export_is_found(data: strategies.DataObject) -> None:
    lines, previous = [], GENESIS
    for number in (1, 2, 3):
        row = AuditRow(number, "2026-01-01", "a", "user", "ask", "s", "done", '{"n":1}', previous, "")
        row = dataclasses.replace(row, hash=row.computed())
        previous = row.hash
        lines.append(as_line(row))
    anchor = Anchor(3, previous, "then")
    whole = "\n".join(lines).encode()
    at = data.draw(strategies.integers(0, len(whole) - 1))
    byte = data.draw(strategies.integers(0, 255).filter(lambda value: value != whole[at]))
    spoilt = (whole[:at] + bytes([byte]) + whole[at + 1 :]).decode("utf-8", "replace")
    try:
        found = verify_rows(read_export(spoilt.split("\n")), head=None, anchors=[anchor])
    except AuditBroken:
        return
    rows = list(read_export(spoilt.split("\n")))
    assert not found.sound or rows == list(read_export(lines)), "white space between fields changes nothing"


def test_any_byte_of_the_file_in_a_row_is_found(tmp_path: Path) -> None:
    """On the disk, not by SQL: every byte of the row's own content."""
    path = tmp_path / "service.sqlite"
    with State(f"sqlite:///{path}") as state:
        state.migrate()
        log = AuditLog(state)
        fill(log, 3)
        row = list(log.rows())[1]
        state.scrub()
    content = "".join(str(getattr(row, name)) for name in COLUMNS[1:]).encode()
    whole = path.read_bytes()
    begin = whole.index(content)
    assert whole.count(content) == 1
    for at in range(begin, begin + len(content), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with State(f"sqlite:///{path}") as state:
            assert not AuditLog(state).verify().sound, at - begin


def test_details_take_ids_and_no_texts(log: AuditLog) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        log.record(ANNA, "ask", details={"question": "x" * 501})
    with pytest.raises(ValueError, match="a word"):
        log.record(ANNA, "Asked a question")
    assert log.verify().rows == 0


def test_what_is_recorded_seldom_waits_a_minute_for_its_next_row(log: AuditLog) -> None:
    at = 0.0
    log.clock = lambda: at
    for about in ("anna", "anna", "bert"):
        log.record_seldom(about, ANNA, "ask", f"person:{about}")
    log.record_seldom("anna", ANNA, "sign-in")
    at += SELDOM_SECONDS
    log.record_seldom("anna", ANNA, "ask", "person:again")
    assert [row.subject for row in log.rows()] == ["person:anna", "person:bert", "", "person:again"]


def test_looking_backwards(log: AuditLog) -> None:
    fill(log, 5)
    log.record(SystemActor("bert", "user"), "sign-in", outcome="refused")
    assert [row.number for row in log.page(limit=2)] == [6, 5]
    assert [row.number for row in log.page(limit=2, before=5)] == [4, 3]
    assert [row.number for row in log.page(actor="bert")] == [6]
    assert [row.number for row in log.page(action="note-read", subject="note:n-2")] == [3]
    assert [row.number for row in log.rows(after=4)] == [5, 6]
    assert list(log.rows(until="2020-01-01")) == []
    assert len(list(log.rows(since="2020-01-01"))) == 6


def _together(*work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_hundred_at_once_make_one_chain(log: AuditLog) -> None:
    _together(*(lambda who=n: log.record(SystemActor(f"p{who}", "user"), "ask") for n in range(100)))
    found = log.verify()
    assert (found.sound, found.rows) == (True, 100)
    assert len({row.actor for row in log.rows()}) == 100


def test_a_log_that_grows_while_it_is_verified_is_sound(log: AuditLog) -> None:
    writer = threading.Thread(target=lambda: fill(log, 200))
    writer.start()
    try:
        while writer.is_alive():
            assert log.verify().problems == ()
    finally:
        writer.join()
    assert log.verify().rows == 200


def append_some(url: str, name: str, rows: int) -> None:
    with State(url) as state:
        log = AuditLog(state)
        for _ in range(rows):
            log.record(SystemActor(name, "user"), "ask")


def test_several_processes_make_one_chain(state: State, state_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=append_some, args=(state_url, f"p{n}", 20)) for n in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    found = AuditLog(state).verify()
    assert (found.sound, found.rows) == (True, 40)
