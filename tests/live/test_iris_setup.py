"""The live server's set-up, as far as it can be tested without one: what is published, kept, and kept secret."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from iris import dbapi
from pydantic import SecretStr

from pipeline.backends.iris.store import IrisStore
from pipeline.config import IrisSettings
from tests.backends.iris_driver import Server
from tests.contracts.store import SPACE, axis, found
from tests.live import iris_questions, iris_server
from tests.live.iris_questions import QUESTIONS, Live, answer, corpus

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def iris() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(iris_server.COMPOSE_FILE.read_text(encoding="utf-8"))[
        "services"
    ]
    return {**services["iris"], "folder": services["folder"]}


def test_it_is_published_on_this_machine_only(iris: dict[str, Any]) -> None:
    assert len(iris["ports"]) == 2
    assert all(port.startswith("127.0.0.1:") for port in iris["ports"])


def test_its_data_survives_and_belongs_to_it(iris: dict[str, Any]) -> None:
    mount = next(volume.split(":")[1] for volume in iris["volumes"] if volume.startswith("durable:"))
    data = iris["environment"]["ISC_DATA_DIRECTORY"]
    assert data.startswith(f"{mount}/")
    assert iris["folder"]["entrypoint"] == ["/bin/chown", "51773:51773", mount]
    assert iris["stop_grace_period"] == "2m"
    merge = (iris_server.HERE / "iris-merge.cpf").read_text(encoding="ascii")
    (directory,) = re.findall(r"CreateDatabase:.*Directory=([^,]+),", merge)
    assert directory.startswith(f"{data}/mgr/")


def test_the_password_leaves_only_as_a_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, iris: dict[str, Any]
) -> None:
    monkeypatch.setattr(iris_server, "MERGE_FOLDER", tmp_path / "merge")
    monkeypatch.setattr(iris_server, "PASSWORD_FILE", tmp_path / "password")
    iris_server.prepare()
    password = (tmp_path / "password").read_text(encoding="ascii")
    merge = (tmp_path / "merge" / "merge.cpf").read_text(encoding="ascii")
    assert (tmp_path / "password").stat().st_mode & 0o077 == 0
    assert password not in merge
    assert "@" not in merge
    assert "password" not in " ".join([*iris["command"], *iris["environment"].values()]).lower()
    hashed, salt, rounds, name = re.findall(r"PasswordHash=\"?([0-9a-f]+),([0-9a-f]+),(\d+),(\w+)", merge)[0]
    assert name == "SHA512"
    assert hashlib.pbkdf2_hmac("sha512", password.encode(), bytes.fromhex(salt), int(rounds)).hex() == hashed
    iris_server.prepare()
    assert (tmp_path / "password").read_text(encoding="ascii") == password


def test_the_account_has_no_more_than_it_needs() -> None:
    merge = (iris_server.HERE / "iris-merge.cpf").read_text(encoding="ascii")
    assert "%All" not in merge
    assert "%Admin" not in merge
    assert "Name=chartwell," in merge


def test_every_question_is_answered_even_if_iris_refuses_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    settings = IrisSettings(password=SecretStr(server.password))
    store = IrisStore(settings, server.connect)
    store.prepare(SPACE)
    store.upsert(list(corpus(100, SPACE.dimension)))
    assert found(store, axis(0), 1)
    live = Live(settings, store, SPACE, 100, load_seconds=1.0)

    class Refusing:
        autocommit = True

        def cursor(self) -> Any:
            raise dbapi.ProgrammingError("[SQLCODE: <-1>:<no>]")

        def rollback(self) -> None: ...
        def close(self) -> None: ...

    class Composed:
        returncode, stdout = 0, ""

    monkeypatch.setattr(dbapi, "connect", lambda **_: Refusing())
    monkeypatch.setattr(iris_questions, "compose", lambda *_, **__: Composed())
    monkeypatch.setattr(iris_questions, "corpus", lambda _, width, **more: corpus(20, width, **more))
    for question in QUESTIONS:
        assert answer(question, live), question.__name__
        assert question.__doc__
    store.close()
    server.close()


def test_a_question_that_the_driver_can_answer_is_answered_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that send our own statements run against the scripted driver."""
    server = Server(lock_seconds=0.05)
    settings = IrisSettings(password=SecretStr(server.password))
    store = IrisStore(settings, server.connect)
    store.prepare(SPACE)
    store.upsert(list(corpus(1_000, SPACE.dimension)))
    store.optimise()
    live = Live(settings, store, SPACE, 1_000, load_seconds=1.0)
    monkeypatch.setattr(dbapi, "connect", server.connect)
    assert "recall@10 1.000" in answer(iris_questions.c_our_searches, live)
    assert "SQLCODE: <-119>" in answer(iris_questions.d_batches, live)
    assert answer(iris_questions.f_fetched_types, live).startswith("vector str ")
    assert (
        answer(iris_questions.h_connections, live)
        == "7 opened, then OperationalError: <LICENSE LIMIT EXCEEDED>"
    )
    assert answer(iris_questions.m_isolation, live).startswith("read_uncommitted: 1 rows")
    assert answer(iris_questions.n_words, live).startswith("there; 10 matches")
    assert answer(iris_questions.o_rows_affected, live).endswith("[1, 0, 1, 0]")
    assert store.space() == SPACE
    store.close()
    server.close()
