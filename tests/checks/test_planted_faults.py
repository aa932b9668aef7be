"""The healthy simulated host, and each planted fault on it: found, named, cured, and alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import validate as command
from pipeline.checks import report as reports
from pipeline.checks.registry import CHECKS
from tests.planted_faults import FAULTS, PlantedFault, run
from tests.servers.iris import PASSWORD
from tests.servers.nim_models import CHAT
from tests.simulated_host import SimulatedHost, simulated_host

NOT_OF_THIS_HOST = {"store_check", "generator_check", "vision_language_check", "image_search_check"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedHost]:
    with simulated_host(tmp_path_factory.mktemp("host").resolve()) as made:
        yield made


def test_a_healthy_host_passes_every_check_that_it_has_something_for(host: SimulatedHost) -> None:
    report = host.validate()
    assert [result.message for result in report.results if result.status in ("warn", "fail")] == []
    assert {result.name for result in report.of("skip")} == NOT_OF_THIS_HOST
    assert report.vantage == "host"
    assert report.result("embedding_check").measured["width"] == 1024
    assert report.result("vision_check").measured["width"] == 1024
    assert report.result("iris_search_check").measured["index_used"] is True
    assert report.result("end_to_end_check").measured["citations"] == 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_named_and_alone(fault: PlantedFault, host: SimulatedHost) -> None:
    outcome = run(fault, host)
    assert outcome.problems() == []
    assert outcome.report.verdict == "fail"
    assert [result.name for result in outcome.report.of("fail")] == [fault.found_by]


def test_fifteen_faults_are_planted() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) == 15
    assert {fault.found_by for fault in FAULTS} <= {check.name for check in CHECKS}


def test_no_report_holds_a_secret(host: SimulatedHost) -> None:
    host.changes |= {
        "CHARTWELL_GENERATOR__API_KEY": "nvapi-very-secret-key",
        "CHARTWELL_IRIS__PASSWORD": "another-secret-word",
    }
    told = [reports.json_of(host.validate())]
    host.changes["CHARTWELL_GENERATOR__URL"] = "http://nvapi-in-url:pw-in-url@127.0.0.1:9/v1"
    told.append(reports.json_of(host.validate()))
    host.heal()
    told.append(reports.junit_of(host.validate()))
    for text in told:
        for secret in ("nvapi-", "secret-word", "pw-in-url", PASSWORD):
            assert secret not in text


def test_what_happens_on_the_way_leaves_no_canary_behind(host: SimulatedHost) -> None:
    host.llm.control("faults", {"gone": {CHAT: "2026-08-25"}})
    try:
        host.validate(only=["end_to_end_check"])
    finally:
        host.llm.control("faults", {"gone": {}})
    assert host.validate(only=["left_overs_check"]).result("left_overs_check").status == "pass"


def test_from_outside_what_only_the_host_can_tell_is_skipped_and_the_rest_is_asked_through_the_tunnel(
    host: SimulatedHost,
) -> None:
    report = host.validate(outside=True)
    skipped = {result.name: result.reason for result in report.of("skip")}
    assert set(skipped) == NOT_OF_THIS_HOST | {
        "gpu_check",
        "docker_gpu_check",
        "disk_check",
        "volume_check",
        "ledger_check",
    }
    assert "on the host" in skipped["gpu_check"]
    assert report.verdict == "pass"
    # Through the tunnel the simulators' clock is another machine's.
    assert "Date header" in str(report.result("clock_check").measured["witness"])


def test_a_server_whose_clock_differs_is_noticed_through_the_tunnel(host: SimulatedHost) -> None:
    host.embedding.control("faults", {"clock_seconds": -3600.0})
    try:
        found = host.validate(outside=True, only=["clock_check"]).result("clock_check")
    finally:
        host.embedding.control("faults", {"clock_seconds": 0.0})
    assert found.status == "fail"
    assert 3595 < float(str(found.measured["offset_seconds"])) < 3605
    assert found.measured["sure"] == "medium"


def test_the_door_prints_a_table_and_the_verdict(host: SimulatedHost, tmp_path: Path) -> None:
    """As on the host, by the command line: the machine is this one, so its own checks are left out."""
    machine = ["gpu_check", "docker_gpu_check", "disk_check", "volume_check", "clock_check"]
    skip = [word for name in machine for word in ("--skip", name)]
    files = ["--junit", str(tmp_path / "r.xml"), "--keep", str(tmp_path / "kept"), "--verdict"]
    done = CliRunner().invoke(command.app, [*skip, *files], env=host.environment())
    assert done.exit_code == 0, done.output
    assert "iris_search_check" in done.output
    assert "This deployment works: 12 passed, 4 skipped" in done.output
    assert json.loads(done.output.splitlines()[-1])["verdict"] == "pass"
    assert (tmp_path / "r.xml").exists()
    assert (tmp_path / "kept" / "latest.json").exists()
