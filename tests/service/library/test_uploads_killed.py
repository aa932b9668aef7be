"""The service is killed while files come in: what it said is safe is there once, read, and in the audit log once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from pipeline.library.versions import LibraryDomain
from pipeline.service.access.factory import open_access
from pipeline.service.access.policy import DEMO
from pipeline.service.access.visibility import ALL_NOTES
from pipeline.service.database.engine import open_state
from pipeline.wiring import open_library
from tests.service.running import index, process, settings_in, until

FILES = 100
KILLED_AFTER = (20, 50, 80)
"""Files that were acknowledged when it is killed."""


def uploaded(client: httpx2.Client, number: int) -> str:
    response = client.post(
        "/v1/documents",
        data={"domain": "pain"},
        files={"file": (f"{number}.txt", f"Give {number} mg of the medicine number {number}.".encode())},
    )
    response.raise_for_status()
    return str(response.json()["documents"][0]["document"]["version_id"])


@pytest.mark.long
def test_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    index(settings)
    with open_state(settings) as state:
        state.migrate()
        access = open_access(state, settings)
        person, _ = access.people.create(DEMO, "librarian", role="administrator", sees=ALL_NOTES)
        granted = ["upload-documents", "read-note", "read-audit"]
        key = access.keys.create(DEMO, person.id, "test", granted)[1]
    with open_library(settings) as library:
        library.catalogue.put_domain(LibraryDomain("pain"))
    safe: dict[int, str] = {}
    for stop in (*KILLED_AFTER, FILES):
        with (
            process(settings) as (child, url),
            httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=20) as client,
        ):
            until(lambda client=client: client.get("/healthz").status_code == 200, 30)  # type: ignore[misc]
            killer = threading.Timer(0.0, child.kill)
            for number in [each for each in range(FILES) if each not in safe]:
                if stop < FILES and len(safe) == stop:
                    killer.start()  # while the next ones are on their way
                try:
                    safe[number] = uploaded(client, number)
                except httpx2.TransportError:
                    break
            if stop == FILES:
                until(lambda client=client: _all_waiting(client), 120)  # type: ignore[misc]
                until(lambda client=client: _audit(client).total() >= 2 * FILES, 30)  # type: ignore[misc]
                rows = _audit(client)
    with open_library(settings) as library:
        held = [each.version_id for each in library.catalogue.every()]
        originals = list(library.originals.hashes())
        arriving = list(Path(settings.data_dir).rglob(".arriving-*"))
    assert sorted(held) == sorted(safe.values())
    assert len(held) == len(originals) == FILES
    assert len(arriving) <= len(KILLED_AFTER)
    assert Counter(rows[each, "document-uploaded"] for each in held) == {1: FILES}
    assert Counter(rows[each, "document-waiting"] for each in held) == {1: FILES}


def _all_waiting(client: httpx2.Client) -> bool:
    time.sleep(0.5)
    return bool(client.get("/v1/documents?limit=1").json()["counts"] == {"waiting": FILES})


def _audit(client: httpx2.Client) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for line in client.get("/v1/audit/export").text.splitlines():
        for action in ("document-uploaded", "document-waiting"):
            if f'"{action}"' in line and "library:" in line:
                found[line.split("library:")[1][:64], action] += 1
    return found
