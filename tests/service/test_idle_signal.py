"""What an idle host is paused by: a file that is touched while the service is used, and by nothing else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.service import idle_signal
from pipeline.service.idle_signal import IdleSignal
from tests.service.running import DEMO_NOTES, Running, copied, running, settings_in, until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leases" / "service"


@pytest.fixture
def service(indexed: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(idle_signal, "EVERY_SECONDS", 0.0)
    file.parent.mkdir()
    own = {"inbox": str(DEMO_NOTES), "activity_file": str(file)}
    with running(settings_in(copied(indexed, tmp_path / "data"), service=own)) as found:
        yield found


def touched(file: Path) -> bool:
    """Whether it was since the last look."""
    if not file.exists():
        return False
    file.unlink()
    return True


def test_who_asks_is_noted_and_who_watches_is_not(service: Running, file: Path) -> None:
    reader = service.client(service.key("administrator"))
    assert reader.get("/v1/people").status_code == 200
    assert stat.S_IMODE(file.stat().st_mode) & stat.S_IRWXO == 0
    assert touched(file)
    assert reader.get("/metrics").status_code in {200, 404}
    stranger = service.client()
    for path in ("/healthz", "/readyz", "/sign-in", "/v1/people"):
        stranger.get(path)
    assert not touched(file)


def test_a_job_that_goes_on_is_work(service: Running, file: Path) -> None:
    contributor = service.client(service.key("administrator"))
    job = contributor.post("/v1/jobs", json={}).json()["id"]
    touched(file)
    until(lambda: touched(file))  # no one asks meanwhile
    until(lambda: contributor.get(f"/v1/jobs/{job}").json()["state"] not in {"queued", "running"})


def test_a_folder_that_is_gone_is_told_once_and_refuses_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle_signal, "EVERY_SECONDS", 0.0)
    file = tmp_path / "gone" / "service"
    noted = IdleSignal(file)
    for _ in range(3):
        noted.note()
    assert [record.message for record in caplog.records] == [
        "activity cannot be noted: an idle host may be paused under its people"
    ]
    file.parent.mkdir()
    noted.note()
    assert file.exists()
    IdleSignal(None).note()


def test_it_is_touched_seldom(file: Path) -> None:
    file.parent.mkdir()
    noted = IdleSignal(file)
    noted.note()
    os.utime(file, (0, 0))
    noted.note()
    assert file.stat().st_mtime == 0
