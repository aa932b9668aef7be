"""Each dependency on its own: a slow one blocks nobody, a finding is believed for a while."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import ChartwellError, ModelFileError, StoreUnavailable
from pipeline.service.corpus import LiveCorpus
from pipeline.service.readiness import Readiness
from pipeline.serving import ServingAnswering
from tests.servers.nim import NimServer
from tests.service.running import Running, copied, running, settings_in, until
from tests.service.test_asking import settings_with


def works() -> None: ...


def away() -> None:
    raise StoreUnavailable("iris.example:1972 does not answer.", remedy="Wait.")


def looked(
    checks: dict[str, Callable[[], None]], *, kept: float = 60.0, seconds_max: float = 0.2
) -> dict[str, str | None]:
    readiness = Readiness(checks, seconds_max=seconds_max, kept_seconds=kept)
    try:
        return {finding.name: finding.code for finding in asyncio.run(readiness.look())}
    finally:
        readiness.close()


def test_each_is_found_on_its_own() -> None:
    assert looked({"store": away, "state": works}) == {"store": "CW-STORE-UNAVAILABLE", "state": None}


def test_one_that_hangs_is_not_ready_and_keeps_nobody_waiting() -> None:
    end = threading.Event()
    try:
        found = looked({"generator": lambda: bool(end.wait(30)) and None, "store": works})
        assert found == {"generator": "CW-PROVIDER-TIMEOUT", "store": None}
    finally:
        end.set()


def test_one_that_hangs_is_asked_once() -> None:
    end, calls = threading.Event(), []

    def hangs() -> None:
        calls.append(1)
        end.wait(30)

    readiness = Readiness({"generator": hangs}, seconds_max=0.05, kept_seconds=0.0)

    async def several() -> None:
        for _ in range(3):
            await readiness.look()

    asyncio.run(several())
    assert len(calls) == 1
    end.set()
    readiness.close()


def test_a_good_finding_is_believed_and_an_answer_counts_as_one() -> None:
    calls = []
    readiness = Readiness({"store": lambda: calls.append(1)}, seconds_max=1.0, kept_seconds=60.0)
    readiness.proved("store", "unheard-of")
    assert asyncio.run(readiness.look())[0].ready
    assert calls == []
    readiness.close()


def test_an_error_of_another_kind_is_a_finding_too() -> None:
    def breaks() -> None:
        raise ZeroDivisionError

    assert looked({"store": breaks}) == {"store": "CW-INTERNAL"}


# --- in the service


def test_ready_says_each_dependency(service: Running) -> None:
    answer = service.client().get("/readyz")
    assert answer.status_code == 200
    assert {each["name"]: each["ready"] for each in answer.json()["dependencies"]} == dict.fromkeys(
        ("models", "embedder", "generator", "store", "state"), True
    )


def test_alive_and_not_ready_while_models_load(
    indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as models are being opened the service answers, and says what it waits for."""
    opening, end = threading.Event(), threading.Event()

    class Slow(ServingAnswering):
        def __init__(self, *arguments: object) -> None:
            opening.set()
            end.wait(30)
            super().__init__(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("tests.service.running.create_app", _with(Slow))
    with running(settings_in(copied(indexed, tmp_path / "data")), ready=False) as service:
        client = service.client(service.key())
        try:
            assert opening.wait(10)
            assert client.get("/healthz").status_code == 200
            answer = client.get("/readyz")
            assert (answer.status_code, answer.json()["status"]) == (503, "not ready")
            codes = {each["name"]: each["code"] for each in answer.json()["dependencies"]}
            assert codes == {
                **dict.fromkeys(("models", "embedder", "generator", "store"), "CW-NOT-READY"),
                "state": None,
            }
            asked = client.post("/v1/ask", json={"question": "gout?"})
            assert (asked.status_code, asked.json()["code"]) == (503, "CW-NOT-READY")
            assert client.get("/v1/status").json()["corpus"] is None
        finally:
            end.set()
        until(lambda: client.get("/readyz").status_code == 200)


def _with(opened: type[ServingAnswering]) -> Callable[..., object]:
    from pipeline.service.app import create_app  # noqa: PLC0415

    return lambda *arguments, **more: create_app(*arguments, **more, open_answering=opened)


def test_what_cannot_be_opened_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.service.corpus.RETRY_SECONDS", 0.01)
    tries: list[ChartwellError] = []

    def third_time(_: object) -> ServingAnswering:
        if len(tries) < 2:
            tries.append(ModelFileError("The weights are not those we know.", remedy="Install them again."))
            raise tries[-1]
        return ServingAnswering(settings)

    settings = settings_in(tmp_path / "data")
    corpus = LiveCorpus(settings, third_time)
    corpus.start()
    until(lambda: corpus.ready)
    assert len(tries) == 2
    assert corpus.failure is None
    corpus.close()


def test_a_model_server_that_goes_away_is_found(tmp_path: Path) -> None:
    with NimServer() as nim:
        settings = settings_with(nim, tmp_path, checks_kept_seconds=0.0, check_seconds_max=5)
        with running(settings) as service:
            client = service.client()
            assert client.get("/readyz").status_code == 200
            nim.faults.status = 503
            answer = client.get("/readyz")
            assert answer.status_code == 503
            codes = {
                each["name"]: each["code"] for each in answer.json()["dependencies"] if not each["ready"]
            }
            assert set(codes) == {"embedder", "generator"}
            nim.reset()
            until(lambda: client.get("/readyz").status_code == 200)
