"""Each dependency on its own: a slow one blocks no one, a finding is believed for a while."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.call_context import cancellation
from pipeline.call_context.cancellation import Cancelled
from pipeline.errors import ChartwellError, ModelFileError, StoreUnavailable
from pipeline.reembedding.live_answering import ServingAnswering
from pipeline.service.questions.corpus import LiveCorpus
from pipeline.service.readiness import Readiness
from tests.servers.nim import NimServer
from tests.service.questions.test_queue import settings_with
from tests.service.running import Running, copied, running, settings_in, until


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
    readiness.mark_ready("store", "unheard-of")
    assert asyncio.run(readiness.look())[0].ready
    assert calls == []
    readiness.close()


def test_an_error_of_another_kind_is_a_finding_too() -> None:
    def breaks() -> None:
        raise ZeroDivisionError

    assert looked({"store": breaks}) == {"store": "CW-INTERNAL"}


# --- no one asks


def watched(
    monkeypatch: pytest.MonkeyPatch,
    checks: Mapping[str, Callable[[], None]],
    end: Callable[[Readiness], bool],
) -> dict[str, bool]:
    """What is known in the end of a service whose readiness no one asked for."""
    monkeypatch.setattr("pipeline.service.readiness.AGAIN_SECONDS", 0.01)
    readiness = Readiness(checks, seconds_max=0.05, kept_seconds=60.0, costly=("generator",))

    async def life() -> dict[str, bool]:
        readiness.start()
        try:
            deadline = time.monotonic() + 20
            while not end(readiness):
                assert time.monotonic() < deadline, "it did not happen in time"
                await asyncio.sleep(0.01)
            return {finding.name: finding.ready for finding in readiness.known()}
        finally:
            readiness.close()

    return asyncio.run(life())


def test_what_did_not_work_is_looked_at_again_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def third_time() -> None:
        calls.append("generator")
        if len(calls) < 3:
            away()

    found = watched(
        monkeypatch,
        {"generator": third_time},
        lambda readiness: any(finding.ready for finding in readiness.known()),
    )
    assert found == {"generator": True}


def test_what_costs_nothing_is_looked_at_always_and_a_model_no_more_once_it_worked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    checks = {"generator": lambda: calls.append("generator"), "store": lambda: calls.append("store")}
    watched(monkeypatch, checks, lambda _: calls.count("store") > 5)
    assert calls.count("generator") == 1


def test_a_model_that_failed_somebody_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def once() -> None:
        calls.append("generator")
        if len(calls) > 1:
            away()

    def failed_somebody(readiness: Readiness) -> bool:
        if len(calls) == 1 and readiness.known():
            readiness.mark_suspect("generator", "unheard-of")
        return any(not finding.ready for finding in readiness.known())

    assert watched(monkeypatch, {"generator": once}, failed_somebody) == {"generator": False}


def test_one_that_hangs_is_known_not_to_be_ready_and_is_cut_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut = threading.Event()

    def hangs() -> None:
        scope = cancellation.current()
        assert scope is not None
        try:
            scope.wait(30)
        except Cancelled:
            cut.set()
            raise

    found = watched(monkeypatch, {"generator": hangs, "store": works}, lambda found: len(found.known()) == 2)
    assert found == {"generator": False, "store": True}
    assert cut.wait(5)


def test_an_old_finding_is_not_known_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    readiness = Readiness({"generator": works}, seconds_max=1.0, kept_seconds=60.0)
    readiness.mark_ready("generator")
    assert [finding.ready for finding in readiness.known()] == [True]
    monkeypatch.setattr("pipeline.service.readiness.KNOWN_SECONDS", 0.0)
    assert readiness.known() == []
    readiness.close()


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
    monkeypatch.setattr("pipeline.service.questions.corpus.RETRY_SECONDS", 0.01)
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


def gauge(service: Running) -> dict[str, float]:
    """`chartwell_ready` by dependency, as a scrape has it."""
    page = service.client(service.key("administrator")).get("/metrics").text
    return {
        sample.labels["dependency"]: sample.value
        for family in text_string_to_metric_families(page)
        if family.name == "chartwell_ready"
        for sample in family.samples
    }


def test_the_gauge_follows_a_model_server_though_nobody_asks_for_readiness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.service.readiness.AGAIN_SECONDS", 0.1)
    with NimServer() as nim, running(settings_with(nim, tmp_path, check_seconds_max=5)) as service:
        everything = dict.fromkeys(("models", "embedder", "generator", "store", "state"), 1.0)
        until(lambda: gauge(service) == everything)
        nim.faults.status = 503
        service.client(service.key()).post("/v1/ask", json={"question": "gout?"})
        until(lambda: gauge(service) == everything | {"embedder": 0.0, "generator": 0.0})
        nim.reset()
        until(lambda: gauge(service) == everything)
