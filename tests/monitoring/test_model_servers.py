"""Servers as the monitor asks them: states, load, and that asking is no work."""

from __future__ import annotations

import pytest

from pipeline.config import Settings, load_settings
from pipeline.errors import StoreAccessDenied
from pipeline.monitoring.probes import model_servers
from pipeline.monitoring.probes.http_get import address
from pipeline.monitoring.probes.model_servers import Hosted, IrisProbe, ModelServer, OwnService, services_of
from pipeline.monitoring.probes.questions import ServiceCounters
from pipeline.monitoring.samples import Missing, QuestionCounts
from tests.servers import hardware
from tests.servers.nim import NimServer


def model(url: str, *, nim: bool = True) -> ModelServer:
    return ModelServer("generator", f"{url}/v1", nim)


def test_a_nim_that_answers_shows_its_load() -> None:
    with hardware.serving() as pages:
        pages.pages |= {"/v1/health/ready": (200, "{}"), "/v1/metrics": (200, hardware.NIM_2_METRICS)}
        found = model(pages.url)()
    assert (found.state, found.running, found.waiting, found.cache_used) == ("ok", 3.0, 1.0, 0.42)
    assert (found.prompt_tokens, found.completion_tokens) == (812044.0, 90211.0)
    assert found.seconds is not None


def test_the_first_generations_metrics_are_read_and_no_number_is_none() -> None:
    with hardware.serving() as pages:
        pages.pages |= {"/v1/health/ready": (200, "{}"), "/v1/metrics": (200, hardware.NIM_1_METRICS)}
        found = model(pages.url)()
    assert (found.running, found.cache_used, found.prompt_tokens) == (0.0, None, 7.0)


@pytest.mark.parametrize(
    ("status", "state"), [(503, "loading"), (500, "failing"), (404, "failing"), (200, "ok"), (401, "failing")]
)
def test_the_state_of_a_nim(status: int, state: str) -> None:
    with hardware.serving() as pages:
        pages.pages["/v1/health/ready"] = (status, "")
        assert model(pages.url)().state == state


def test_a_compatible_server_may_want_a_key_and_still_answers() -> None:
    with hardware.serving() as pages:
        pages.pages["/v1/models"] = (401, "")
        assert model(pages.url, nim=False)().state == "ok"


def test_a_server_that_is_away_or_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_servers, "SECONDS_MAX", 0.2)
    assert model("http://127.0.0.1:9")().state == "down"
    with hardware.serving() as pages:
        pages.slow.set()
        assert model(pages.url)().state == "slow"


def test_watching_a_nim_is_no_work() -> None:
    """The counters by which the idle watch tells that a model answered stay where they were."""
    with NimServer() as server:
        before = server.counts()
        found = ModelServer("embedder", server.url, True)()
        assert found.state == "ok"
        assert {**server.counts(), "connections": 0} == {**before, "connections": 0}


READY = 'chartwell_ready{dependency="store"} 1.0\nchartwell_ready{dependency="generator"} 0.0\n'


def test_our_own_service_is_alive_and_its_models_are_left_alone() -> None:
    with hardware.serving() as pages:
        assert OwnService(pages.url)().detail == "HTTP 404"
        pages.pages |= {"/healthz": (200, "{}"), "/metrics": (200, READY)}
        assert OwnService(pages.url)().state == "ok"
        found = OwnService(pages.url, "cw_key")()
        assert (found.state, found.detail) == ("failing", "not ready: generator")
        pages.pages["/metrics"] = (401, "")
        assert OwnService(pages.url, "cw_key")().state == "ok"
    assert "/readyz" not in pages.asked, "it would make the service call its models"


COUNTERS = """chartwell_questions_total{outcome="answered",reason="none"} 40.0
chartwell_questions_total{outcome="nothing_relevant",reason="below_floor"} 2.0
chartwell_generator_tokens_total{type="input"} 81000.0
chartwell_generator_tokens_total{type="output"} 900.0
"""


@pytest.mark.parametrize(
    ("status", "page", "found"),
    [
        (200, COUNTERS, QuestionCounts(42, 81_000, 900)),
        (200, 'chartwell_answers_total{ending="answered"} 7.0\n', QuestionCounts(7)),
        (200, "", QuestionCounts(0)),
        (403, "", Missing("the service's metrics: the key lacks the scope read-metrics, or has ended")),
        (500, "", Missing("the service's metrics: HTTP 500")),
    ],
)
def test_questions_out_of_the_services_counters(status: int, page: str, found: object) -> None:
    with hardware.serving() as pages:
        pages.pages["/metrics"] = (status, page)
        assert ServiceCounters(pages.url, "cw_key")() == found


def settings(**given: object) -> Settings:
    return load_settings(None, **given)


def test_who_is_asked_follows_from_the_settings() -> None:
    assert dict(services_of(settings())) == {}
    found = dict(
        services_of(
            settings(
                store={"kind": "iris"},
                embedder={"provider": "nim", "url": "http://127.0.0.1:8001/v1"},
                generator={"provider": "nim", "url": "https://integrate.api.nvidia.com/v1"},
                monitor={"service_url": "http://127.0.0.1:8080"},
            )
        )
    )
    assert [type(each) for each in found.values()] == [IrisProbe, ModelServer, Hosted, OwnService]
    assert found["generator"]().state == "not asked"
    bedrock = dict(services_of(settings(generator={"provider": "bedrock"})))
    assert bedrock["generator"]().address == "bedrock us-east-1"


def test_an_address_never_shows_who_logs_in() -> None:
    assert address("https://reader:secret@models.example.org:8443/v1?key=1") == "models.example.org:8443"


def test_a_database_that_is_away_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("iris")
    monkeypatch.setattr(model_servers, "SECONDS_MAX", 0.3)
    found = IrisProbe(settings(store={"kind": "iris"}, iris={"port": 9}))()
    assert found.state == "down"
    assert "CW-STORE-UNAVAILABLE" in found.detail


def test_a_refused_password_is_not_tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """IRIS locks an account after some failed logins."""
    tries = []

    def refuse(_: Settings) -> None:
        tries.append(1)
        raise StoreAccessDenied("IRIS refused the login.", remedy="Correct the password.")

    now = [0.0]
    monkeypatch.setattr(model_servers, "open_store", refuse)
    ask = IrisProbe(settings(store={"kind": "iris"}), clock=lambda: now[0])
    for seconds in (0.0, 60.0, 600.0):
        now[0] = seconds
        assert ask().state == "failing"
    assert len(tries) == 1
    now[0] = model_servers.REFUSED_SECONDS + 1
    ask()
    assert len(tries) == 2
