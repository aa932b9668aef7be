"""Changing the embedding space: fill, compare, switch, go back, clean up, on two hashing spaces of different width."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from iris import dbapi
from typer.testing import CliRunner, Result

from pipeline.ask import open_answering, process_query
from pipeline.backends.local.hashing import HashingEmbedder
from pipeline.config import Settings, load_settings
from pipeline.embedding_spaces import POINTER_FILE, change_pointer, read_pointer, writing
from pipeline.errors import ConnectionBroken, RequestInvalid, SpaceMismatch
from pipeline.images import EVERY_IMAGE
from pipeline.indexing.flow import Indexing, SilentObserver
from pipeline.indexing.rejections import RejectionLog
from pipeline.logs import LOGGER
from pipeline.records import (
    EVERYTHING,
    NO_PATIENT,
    Answer,
    Document,
    Question,
    SourceRecord,
    TextKind,
    Vector,
    library_id,
)
from pipeline.reembedding import catch_up, live_answering, migration
from pipeline.storage.locks import exclusive_lock
from pipeline.vectorize import app
from pipeline.wiring import SPOOL_FILE, open_corpus, open_removal
from tests.backends.iris_driver import Server
from tests.backends.iris_first_release import STATEMENTS, add_image
from tests.indexing.images.films import Films, about, write_films, write_table
from tests.servers.nim import NimServer
from tests.servers.queueing import ServiceTime

ROOT = Path(__file__).resolve().parents[2]

OLD, NEW = 256, 512
NOTES = 60
DRUGS = ("lisinopril", "metformin", "warfarin", "amoxicillin", "ibuprofen", "atorvastatin")


@pytest.fixture(autouse=True)
def old_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__PROVIDER", "hashing")
    monkeypatch.setenv("CHARTWELL_EMBEDDER__DIMENSION", str(OLD))


def note(number: int, **changes: object) -> dict[str, object]:
    drug = DRUGS[number % len(DRUGS)]
    fields = {
        "resource_id": f"n{number:03}",
        "patient_id": f"p{number % 7}",
        "document_type": "note",
        "text_content": f"Visit {number}: the dose of {drug} was raised to {number + 10} mg daily.",
        "author": "Dr. Ash",
    }
    return fields | changes


def write(path: Path, *notes: object) -> Path:
    path.write_text("\n".join(json.dumps(entry) for entry in notes))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Sixty indexed notes; the file they came from."""
    path = write(tmp_path / "notes.jsonl", *(note(number) for number in range(NOTES)))
    assert vectorize("notes", str(path)).exit_code == 0
    return path


def vectorize(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def migrate(*arguments: str) -> Result:
    return vectorize("migrate", *arguments)


def to_new(*arguments: str) -> Result:
    return migrate("--to", "hashing", "--dimension", str(NEW), *arguments)


def ask(text: str = "What is the dose of warfarin?") -> Answer:
    return process_query(text)


def width(answer: Answer) -> int:
    return int(answer.space_id.split("/")[2])


def folder_of_new(settings: Settings) -> Path:
    (folder,) = (settings.data_dir / "spaces").iterdir()
    return folder


def stored(settings: Settings) -> dict[str, str]:
    """Text by id, of the space that serves."""
    with open_corpus(settings) as corpus:
        found = {}
        for resource_id in catch_up.note_ids(corpus.store):
            document = corpus.store.document(resource_id)
            assert document is not None
            found[resource_id] = document.text_content
        return found


class Embedded:
    """Every passage that is embedded for the new space; misbehaves where told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        self.down_after: int | None = None
        self.poison: str | None = None
        inner = HashingEmbedder.embed

        def embed(embedder: HashingEmbedder, texts: list[str], kind: TextKind) -> Vector:
            if kind == "passage" and embedder.space.dimension == NEW:
                if self.down_after is not None and len(self.texts) >= self.down_after:
                    raise ConnectionBroken("The embedder is away.", remedy="Start it.")
                if self.poison and any(self.poison in text for text in texts):
                    raise RequestInvalid("The embedder refused a text.", remedy="Look at it.")
                self.texts += texts
            return inner(embedder, texts, kind)

        monkeypatch.setattr(HashingEmbedder, "embed", embed)


@pytest.fixture
def embedded(source: Path, monkeypatch: pytest.MonkeyPatch) -> Embedded:
    return Embedded(monkeypatch)


# --- the way there and back


@pytest.mark.usefixtures("source")
def test_fill_switch_roll_back_and_drop() -> None:
    settings = load_settings()
    filled = to_new()
    assert filled.exit_code == 0, filled.output
    assert f"{NOTES} notes compared, {NOTES} embedded again" in filled.output
    assert "nothing has been switched" in filled.output
    assert width(ask()) == OLD

    switched = migrate("--switch")
    assert switched.exit_code == 0, switched.output
    assert f"/{NEW}/" in switched.output
    assert f"{NOTES} notes, {NOTES} passages" in switched.output
    answer = ask()
    assert width(answer) == NEW
    assert "warfarin" in answer.text
    status = migrate("--status").output
    assert status.index(f"/{NEW}/") < status.index(f"/{OLD}/")
    assert "before" in status

    back = migrate("--roll-back")
    assert back.exit_code == 0, back.output
    assert width(ask()) == OLD
    assert migrate("--switch").exit_code == 0
    assert width(ask()) == NEW

    dropped = migrate("--drop-old")
    assert dropped.exit_code == 0, dropped.output
    assert f"/{OLD}/" in dropped.output
    assert " MB" in dropped.output
    assert not (settings.data_dir / "chartwell.sqlite").exists()
    assert ask().outcome == "answered"
    assert migrate("--roll-back").exit_code == 2


def test_what_was_migrated_is_what_was_there_and_later_runs_go_on_in_the_new_space(
    source: Path, embedded: Embedded
) -> None:
    settings = load_settings()
    before = stored(settings)
    assert to_new("--switch").exit_code == 0
    assert stored(settings) == before
    assert len(embedded.texts) == NOTES

    again = vectorize("notes", str(source))
    assert f"{NOTES} unchanged" in again.output, "the new ledger knows the notes"
    assert len(embedded.texts) == NOTES
    write(source, *(note(number) for number in range(1, NOTES)))
    pruned = vectorize("notes", str(source), "--prune")
    assert "1 note that the inputs no longer hold was removed" in pruned.output, "and where they came from"
    assert vectorize("verify", "--all").exit_code == 0


def test_the_pointer_holds_no_key_and_is_its_owners_alone(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__API_KEY", "secret-key")
    assert to_new("--switch").exit_code == 0
    pointer = load_settings().data_dir / POINTER_FILE
    assert "secret-key" not in pointer.read_text()
    assert pointer.stat().st_mode & 0o077 == 0
    assert load_settings().embedder.api_key.get_secret_value() == "secret-key"


@pytest.mark.usefixtures("source")
def test_settings_that_name_the_new_embedder_already_find_the_old_one_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHARTWELL_EMBEDDER__DIMENSION", str(NEW))
    with pytest.raises(SpaceMismatch) as refusal:
        ask()
    assert "migrate --to hashing:words-v1" in refusal.value.remedy
    assert to_new("--switch").exit_code == 0
    assert width(ask()) == NEW
    assert migrate("--roll-back").exit_code == 0
    assert width(ask()) == OLD


# --- what may happen meanwhile


def test_notes_that_change_meanwhile_are_caught_up(source: Path, embedded: Embedded) -> None:
    settings = load_settings()
    assert to_new().exit_code == 0
    changed = note(5, text_content="Visit 5: warfarin was stopped after a bleed.")
    write(source, *(note(number) for number in range(1, NOTES) if number != 5), changed, note(NOTES))
    assert vectorize("notes", str(source), "--prune").exit_code == 0
    expected = stored(settings)
    embedded.texts.clear()
    switched = migrate("--switch")
    assert switched.exit_code == 0, switched.output
    assert f"{NOTES} notes compared, 2 embedded again (2 passages), 1 removed" in switched.output
    assert len(embedded.texts) == 2
    assert stored(settings) == expected
    assert "n000" not in expected
    assert f"n{NOTES:03}" in expected


def test_notes_that_change_while_the_shadow_is_filled_need_no_command_of_their_own(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    first = catch_up.one_pass

    def one_pass_and_a_change(*arguments: object) -> catch_up.CatchUpPass:
        done = first(*arguments)  # type: ignore[arg-type]
        if done.stored == NOTES:
            write(source, *(note(number) for number in range(NOTES + 3)))
            assert vectorize("notes", str(source)).exit_code == 0
        return done

    monkeypatch.setattr(catch_up, "one_pass", one_pass_and_a_change)
    filled = to_new()
    assert f"{NOTES + 3} notes compared, 3 embedded again" in filled.output
    assert f"{NOTES + 3} notes compared, nothing differs" in filled.output
    assert migrate("--switch").exit_code == 0
    assert len(stored(settings)) == NOTES + 3


def test_a_migration_that_is_cut_off_goes_on_and_embeds_nothing_twice(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARTWELL_INDEXING__BATCH_SIZE", "8")
    embedded.down_after = 32
    cut = to_new()
    assert cut.exit_code == 75
    assert "The embedder is away." in cut.output
    assert width(ask()) == OLD
    embedded.down_after = None
    assert to_new("--switch").exit_code == 0
    assert sorted(embedded.texts) == sorted(set(embedded.texts))
    assert len(embedded.texts) == NOTES
    assert len(stored(load_settings())) == NOTES


@pytest.mark.usefixtures("source")
def test_a_migration_that_is_killed_repeats_nothing_that_was_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (
        ("EMBEDDER__BATCH_SIZE", 4),
        ("INDEXING__BATCH_SIZE", 4),
        ("TRANSPORT__IN_FLIGHT_MAX", 2),
    ):
        monkeypatch.setenv(f"CHARTWELL_{name}", str(value))
    with NimServer(embedding=ServiceTime(seconds_per_request=0.1)) as server:
        command = [sys.executable, "-m", "pipeline.vectorize", "migrate", "--to", "nim", "--url", server.url]
        environment = os.environ | {"CHARTWELL_DATA_DIR": str(load_settings().data_dir.resolve())}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
            wait_for(lambda: len(server.embedded) > NOTES / 3)
            process.kill()
        kept = spooled(load_settings().data_dir)
        assert 0 < len(kept) < NOTES
        resumed = migrate("--to", "nim", "--url", server.url, "--switch")
        assert resumed.exit_code == 0, resumed.output
        server.embedded.pop(hashlib.sha256(b"ready").hexdigest()[:16], None)
        assert len(server.embedded) == NOTES
        assert not kept & server.repeated().keys()
        assert ask().space_id.startswith("nim/")


@pytest.mark.usefixtures("source")
def test_no_crash_around_the_switch_leaves_anything_but_one_of_the_two_spaces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed at any system call that writes the pointer: the old file or the new one is there, whole."""
    assert to_new().exit_code == 0
    for name in ("open", "fdopen", "fsync"):
        with monkeypatch.context() as patch:

            def killed(*_: object, name: str = name, **__: object) -> None:
                raise KeyboardInterrupt(name)

            patch.setattr(f"pipeline.embedding_spaces.os.{name}", killed)
            with pytest.raises(KeyboardInterrupt):
                change_pointer(load_settings().data_dir, migration._switched)
        assert width(ask()) == OLD
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.embedding_spaces._sync_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            change_pointer(load_settings().data_dir, migration._switched)
    assert width(ask()) == NEW


def test_a_shadow_that_lacks_a_note_is_not_switched_to_unless_forced(embedded: Embedded) -> None:
    embedded.poison = "Visit 7:"
    filled = to_new()
    assert "1 failed" in filled.output
    refused = migrate("--switch")
    assert refused.exit_code == 2
    assert "it holds 59 of 60 notes; 1 failed" in refused.output
    assert "CW-MIGRATION" in refused.output
    assert width(ask()) == OLD
    forced = migrate("--switch", "--force")
    assert forced.exit_code == 0
    assert "forced, although it holds 59 of 60 notes" in forced.output
    assert width(ask()) == NEW


@pytest.mark.usefixtures("source")
def test_a_shadow_whose_passages_are_gone_is_not_switched_to() -> None:
    """The ledger says that all is well; the store says otherwise."""
    settings = load_settings()
    assert to_new().exit_code == 0
    with sqlite3.connect(folder_of_new(settings) / "chartwell.sqlite") as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM ClinicalNoteVectors WHERE ResourceID = 'n003'")
    connection.close()
    refused = migrate("--switch")
    assert refused.exit_code == 2
    assert "1 lost, for example n003" in refused.output
    assert width(ask()) == OLD


@pytest.mark.usefixtures("source")
def test_whoever_writes_notes_keeps_the_switch_away_and_the_other_way_round() -> None:
    settings = load_settings()
    assert to_new().exit_code == 0
    with writing(settings.data_dir):
        refused = migrate("--switch")
    assert refused.exit_code == 2
    assert "An indexing run is writing notes" in refused.output
    assert width(ask()) == OLD

    order: list[str] = []
    with exclusive_lock(settings.data_dir / ".writing") as held:
        assert held

        def index() -> None:
            with writing(settings.data_dir):
                order.append("indexing")

        thread = threading.Thread(target=index)
        thread.start()
        thread.join(0.1)
        order.append("switched")
    thread.join()
    assert order == ["switched", "indexing"]


@pytest.mark.usefixtures("source")
def test_what_is_taken_out_of_the_store_that_serves_keeps_the_switch_away() -> None:
    assert to_new().exit_code == 0
    with open_removal(load_settings()) as remove:
        assert migrate("--switch").exit_code == 2
        assert remove(["n001"]) == 1
    assert migrate("--switch").exit_code == 0
    assert "n001" not in stored(load_settings())


# --- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Either nothing was asked for"),
        (["--switch", "--roll-back"], "exclude each other"),
        (["--to", "acme:x"], "'acme' is no provider"),
        (["--to", "hashing", "--dimension", str(OLD)], "serves already"),
        (["--to", "nim"], "no server is named"),
        (["--switch"], "No migration is in progress"),
        (["--abandon"], "No migration is in progress"),
        (["--roll-back"], "no earlier space"),
        (["--to", "hashing", "--evaluate", "nowhere"], "nowhere"),
    ],
)
@pytest.mark.usefixtures("source")
def test_what_cannot_be_done_says_why_and_changes_nothing(arguments: list[str], message: str) -> None:
    refused = migrate(*arguments)
    assert refused.exit_code == 2, refused.output
    assert message in refused.output
    assert "What to do:" in refused.output
    assert read_pointer(load_settings().data_dir) is None
    assert width(ask()) == OLD


def test_nothing_indexed_is_nothing_to_migrate() -> None:
    refused = to_new()
    assert refused.exit_code == 2
    assert "Nothing is indexed" in refused.output


@pytest.mark.usefixtures("source")
def test_one_migration_at_a_time_and_giving_one_up_removes_it() -> None:
    settings = load_settings()
    assert to_new().exit_code == 0
    other = migrate("--to", "hashing", "--dimension", "128")
    assert other.exit_code == 2
    assert "is in progress" in other.output
    given_up = migrate("--abandon")
    assert given_up.exit_code == 0, given_up.output
    assert not any((settings.data_dir / "spaces").iterdir())
    assert width(ask()) == OLD
    assert migrate("--to", "hashing", "--dimension", "128").exit_code == 0


@pytest.mark.usefixtures("source")
def test_a_pointer_that_is_not_ours_is_refused() -> None:
    pointer = load_settings().data_dir / POINTER_FILE
    assert to_new().exit_code == 0
    text = pointer.read_text()
    for broken in ("", text[:-20], text.replace('"folder": "spaces/', '"folder": "../')):
        pointer.write_text(broken)
        refused = migrate("--status")
        assert refused.exit_code == 2, broken
        assert "CW-STORE-DAMAGED" in refused.output


# --- side by side


@pytest.fixture
def evaluation_set(tmp_path: Path) -> Path:
    """Questions whose answers are the indexed notes themselves."""
    folder = tmp_path / "golden"
    folder.mkdir()
    numbers = range(0, NOTES, 3)
    write(
        folder / "corpus.jsonl", *({"_id": f"n{n:03}", "text": str(note(n)["text_content"])} for n in numbers)
    )
    write(
        folder / "queries.jsonl",
        *({"_id": f"q{n}", "text": f"Visit {n}, {DRUGS[n % len(DRUGS)]} {n + 10} mg?"} for n in numbers),
    )
    (folder / "qrels.tsv").write_text("".join(f"q{n}\tn{n:03}\t1\n" for n in numbers))
    return folder


def test_both_spaces_are_compared_on_the_notes_themselves(embedded: Embedded, evaluation_set: Path) -> None:
    result = to_new("--evaluate", str(evaluation_set))
    assert result.exit_code == 0, result.output
    assert "golden: 20 questions" in result.output
    for name in ("nDCG@10", "MRR@10", "recall@10", "difference"):
        assert name in result.output
    assert len(embedded.texts) == NOTES, "no passage was embedded for the comparison"


def test_a_set_of_other_documents_is_indexed_for_the_comparison_and_removed_again(
    embedded: Embedded, evaluation_set: Path
) -> None:
    settings = load_settings()
    for name in ("corpus.jsonl", "qrels.tsv"):
        path = evaluation_set / name
        path.write_text(path.read_text().replace("n0", "d0"))
    result = to_new("--evaluate", str(evaluation_set))
    assert result.exit_code == 0, result.output
    assert len(embedded.texts) == NOTES + 20
    assert not list(settings.data_dir.glob(".evaluate*"))
    assert not any(key.startswith("d") for key in stored(settings))


@pytest.mark.usefixtures("source")
def test_a_space_that_finds_less_is_not_switched_to_unless_forced(
    evaluation_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = HashingEmbedder.embed

    def embed(embedder: HashingEmbedder, texts: list[str], kind: TextKind) -> Vector:
        deaf = embedder.space.dimension == NEW and kind == "query"
        return inner(embedder, ["nothing"] * len(texts) if deaf else texts, kind)

    monkeypatch.setattr(HashingEmbedder, "embed", embed)
    monkeypatch.setenv("CHARTWELL_ANSWERING__WORD_WEIGHT", "0")
    worse = to_new("--evaluate", str(evaluation_set), "--switch")
    assert worse.exit_code == 2, worse.output
    assert "Retrieval would be worse" in worse.output
    assert width(ask()) == OLD
    assert migrate("--evaluate", str(evaluation_set), "--switch", "--force").exit_code == 0
    assert read_pointer(load_settings().data_dir).serving.dimension == NEW  # type: ignore[union-attr]


# --- while questions are asked


@contextmanager
def asking(answer: Callable[[Question], Answer], threads: int) -> Iterator[list[tuple[float, float, Answer]]]:
    """Threads that ask all the time: when each question began and ended, and its answer. A failure fails the test."""
    answers: list[tuple[float, float, Answer]] = []
    failures: list[BaseException] = []
    ended = threading.Event()

    def run(drug: str) -> None:
        while not ended.is_set():
            began = time.monotonic()
            try:
                found = answer(Question(f"What is the dose of {drug}?"))
            except Exception as error:  # noqa: BLE001  # every kind of failure is a failed question
                failures.append(error)
                return
            answers.append((began, time.monotonic(), found))

    workers = [threading.Thread(target=run, args=(DRUGS[n % len(DRUGS)],)) for n in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield answers
    finally:
        ended.set()
        for worker in workers:
            worker.join()
    assert not failures, failures


def spooled(data_dir: Path) -> set[str]:
    """Texts whose vectors any spool below the folder holds, by the first 16 hex digits of their SHA-256."""
    found = set()
    for path in data_dir.rglob(SPOOL_FILE):
        with closing(sqlite3.connect(path)) as spool:
            rows = spool.execute("SELECT hex(TextHash) FROM SpooledVectors")
            found |= {str(row[0]).lower()[:16] for row in rows}
    return found


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.usefixtures("source")
def test_no_question_fails_while_spaces_are_switched_and_each_answer_is_of_one_space() -> None:
    settings = load_settings()
    with open_answering(settings) as follower, asking(follower.answer, threads=4) as answers:
        wait_for(lambda: len(answers) > 20)
        assert to_new().exit_code == 0
        assert {width(answer) for _, _, answer in answers} == {OLD}
        moments = []
        for command, expected in (("--switch", NEW), ("--roll-back", OLD), ("--switch", NEW)):
            assert migrate(command).exit_code == 0
            wait_for(lambda expected=expected: width(answers[-1][2]) == expected)  # type: ignore[misc]
            moments.append(time.monotonic())
        asked = len(answers)
        wait_for(lambda: len(answers) > asked + 20)
        assert migrate("--drop-old").exit_code == 0
        asked = len(answers)
        wait_for(lambda: len(answers) > asked + 20)
    assert all(answer.outcome == "answered" for _, _, answer in answers)
    for drug, (_, _, answer) in ((found[2].question.split()[-1][:-1], found) for found in answers):
        assert drug in answer.text
    after = [width(answer) for began, _, answer in answers if began > moments[-1]]
    assert after
    assert set(after) == {NEW}


@pytest.mark.usefixtures("source")
def test_a_question_under_way_ends_where_it_began_and_keeps_its_space_from_being_dropped() -> None:
    settings = load_settings()
    assert to_new().exit_code == 0
    with open_answering(settings) as follower:
        events = follower.stream(Question("What is the dose of warfarin?"))
        next(events)
        assert migrate("--switch").exit_code == 0
        assert width(follower.answer(Question("What is the dose of warfarin?"))) == NEW
        refused = migrate("--drop-old")
        assert refused.exit_code == 2
        assert "A process still uses" in refused.output
        *_, finished = events
        assert width(finished.answer) == OLD  # type: ignore[union-attr]
        assert migrate("--drop-old").exit_code == 0


@pytest.mark.usefixtures("source")
def test_a_space_that_cannot_be_opened_leaves_the_old_one_serving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = load_settings()
    logged: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: logged.append(f"{record.msg} {record.code}"))
    assert to_new().exit_code == 0
    with open_answering(settings) as follower:
        folder = folder_of_new(settings)
        assert migrate("--switch").exit_code == 0
        monkeypatch.setattr(live_answering, "RETRY_SECONDS", 0.0)
        monkeypatch.setattr(LOGGER, "handlers", [handler])
        with monkeypatch.context() as patch:

            def refuse(_: HashingEmbedder) -> None:
                raise ConnectionBroken("The embedder is away.", remedy="Start it.")

            patch.setattr(HashingEmbedder, "check", refuse)
            assert width(follower.answer(Question("What is the dose of warfarin?"))) == OLD
        assert logged == [
            "the new space cannot be opened; the old one goes on serving CW-PROVIDER-CONNECTION"
        ]
        assert folder.is_dir()
        assert width(follower.answer(Question("What is the dose of warfarin?"))) == NEW


@pytest.mark.usefixtures("source")
def test_a_fault_while_a_space_is_opened_is_logged_without_its_words_and_not_met_by_every_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logged: list[logging.LogRecord] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", logged.append)
    assert to_new().exit_code == 0
    with open_answering(load_settings()) as follower:
        assert migrate("--switch").exit_code == 0
        monkeypatch.setattr(LOGGER, "handlers", [handler])

        def break_down(_: HashingEmbedder) -> None:
            raise ValueError("words of a note")

        monkeypatch.setattr(HashingEmbedder, "check", break_down)
        for _ in range(2):
            assert width(follower.answer(Question("What is the dose of warfarin?"))) == OLD
    (record,) = logged
    assert record.__dict__["error"] == "ValueError"
    assert record.__dict__["place"].startswith("test_reembed.py:")
    assert "words of a note" not in str(record.__dict__)


@pytest.mark.usefixtures("source")
def test_filling_a_shadow_does_not_open_anything_anew() -> None:
    with open_answering(load_settings()) as follower:
        with follower.answering() as before:
            assert to_new().exit_code == 0
        with follower.answering() as after:
            assert after is before


# --- InterSystems IRIS


@pytest.fixture
def iris(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    digest = HashingEmbedder(load_settings().embedder.model_copy(update={"dimension": NEW})).space.id[-12:]
    server = Server(schemas=("DEMO", f"DEMO_S{digest.upper()}"))
    monkeypatch.setattr(dbapi, "connect", server.connect)
    monkeypatch.setenv("CHARTWELL_STORE__KIND", "iris")
    monkeypatch.setenv("CHARTWELL_IRIS__PASSWORD", server.password)
    yield server
    server.close()


def test_iris_keeps_each_space_in_a_schema_of_its_own(iris: Server, source: Path) -> None:
    settings = load_settings()
    before = stored(settings)
    with open_answering(settings) as follower:
        assert width(follower.answer(Question("What is the dose of warfarin?"))) == OLD
        switched = to_new("--switch")
        assert switched.exit_code == 0, switched.output
        answer = follower.answer(Question("What is the dose of warfarin?"))
        assert width(answer) == NEW
        assert answer.outcome == "answered"
    assert stored(settings) == before
    assert "schema DEMO_S" in migrate("--status").output
    assert migrate("--roll-back").exit_code == 0
    assert width(ask()) == OLD
    assert migrate("--switch").exit_code == 0
    iris.foreign(STATEMENTS["create_medical_image_vectors"].replace("{image_dimension}", "1024"))
    add_image(iris, "i1", None)
    kept = migrate("--drop-old")
    assert kept.exit_code == 2
    assert "holds 1 images" in kept.output


# --- what is next to the notes


def test_documents_of_the_library_go_along(source: Path, embedded: Embedded) -> None:
    settings = load_settings(None)
    pages = "Ketamine relieves pain.\fWatch the breathing."
    said = {"title": "Ketamine in pain", "pages": "2"}
    document = Document(library_id("a" * 64), NO_PATIENT, "guideline", pages, domain="pain", metadata=said)
    with open_corpus(settings) as corpus:
        tally = Indexing(
            corpus.embedder,
            corpus.store,
            corpus.ledger,
            settings.indexing,
            RejectionLog(None),
            SilentObserver(),
            accept=catch_up.accept_stored,
        ).run([SourceRecord("library:", "a", document.fields())], sources=["library:"])
    assert tally.embedded == 1
    assert to_new("--switch").exit_code == 0
    with open_corpus(settings) as corpus:
        assert corpus.store.document(document.resource_id) == document
        chunks = [chunk for key, chunk in corpus.store.chunk_ids() if key == document.resource_id]
        hits = corpus.store.hits(chunks, np.ones(NEW, dtype=np.float32))
        assert {hit.text: hit.region and hit.region.page for hit in hits} == {  # type: ignore[union-attr]
            "Ketamine relieves pain.": 1,
            "Watch the breathing.": 2,
        }
        assert corpus.ledger.known([document.resource_id])[document.resource_id].source == "library:"
    assert vectorize("verify", "--all").exit_code == 0


# --- images


def test_images_go_along_and_cost_no_reading(source: Path, embedded: Embedded, tmp_path: Path) -> None:
    settings = load_settings(None)
    films = Films(settings.data_dir)
    folder = tmp_path / "films"
    table = write_table(tmp_path / "said.csv", about(write_films(folder, 3), patient="p1", report="n001"))
    films.run(folder, tables=[table])
    before = films.images.images(EVERY_IMAGE)
    vectors = films.images.vectors([each.image_id for each in before])
    assert len(before) == 3
    films.close()
    assert to_new("--switch").exit_code == 0
    there = Films(folder_of_new(settings))
    assert there.images.images(EVERY_IMAGE) == before
    for image_id, vector in there.images.vectors([each.image_id for each in before]).items():
        assert vector.tobytes() == vectors[image_id].tobytes()
        assert there.images.thumbnail(image_id, EVERYTHING) is not None
    again = there.run(folder, tables=[table])
    assert (again.unchanged, again.embedded, there.preparation.prepared) == (3, 0, 0)
    assert there.verify().sound
    there.images.delete([before[0].image_id])  # as if it had been indexed into the other space only
    there.close()
    refused = migrate("--drop-old")
    assert refused.exit_code == 2
    assert "1 images that the space that serves does not" in " ".join(refused.output.split())
    assert migrate("--roll-back").exit_code == 0
    assert to_new("--switch").exit_code == 0
    assert migrate("--drop-old").exit_code == 0
    there = Films(folder_of_new(settings))
    assert there.images.images(EVERY_IMAGE) == before
    there.close()
