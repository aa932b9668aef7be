"""The real service behind the nginx of a deployment: what people on the network get."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.infra.reverse_proxy_host import Host, listening, why_not
from tests.service.running import QUESTION, Running, copied, events_of, running, settings_in

NAME = "chartwell.example.org"


@pytest.fixture(scope="module")
def deployed(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Host]]:
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("deployed")
    settings = settings_in(copied(indexed, folder / "state"), service={"public_url": f"https://{NAME}"})
    (folder / "host").mkdir()
    with running(settings) as service:
        host = Host(folder / "host")
        host.service_port = int(service.url.rpartition(":")[2])
        with listening(host):
            yield service, host


def client(deployed: tuple[Running, Host], key: str | None = None) -> httpx2.Client:
    service, host = deployed
    made = httpx2.Client(
        base_url=f"https://localhost:{host.port}",
        verify=ssl.create_default_context(cafile=str(host.certificate)),
        headers={"Host": NAME} | ({"Authorization": f"Bearer {key}"} if key else {}),
        timeout=20,
    )
    service.clients.append(made)
    return made


def test_an_answer_streams_through_the_front(deployed: tuple[Running, Host]) -> None:
    asking = client(deployed, deployed[0].key())
    with asking.stream(
        "POST", "/v1/ask", json={"question": QUESTION}, headers={"Accept": "text/event-stream"}
    ) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        names = [name for name, _ in events_of(response)]
    assert names[0] == "accepted"
    assert len(names) >= 3


def test_what_the_service_says_of_itself_arrives(deployed: tuple[Running, Host]) -> None:
    asking = client(deployed)
    assert asking.get("/healthz").status_code == 200
    refused = asking.post("/v1/ask", json={"question": QUESTION})
    assert refused.status_code == 401
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert "max-age" in refused.headers["Strict-Transport-Security"]
    assert "nginx" not in refused.headers.get("Server", "") or "/" not in refused.headers["Server"]
    foreign = asking.get("/healthz", headers={"Host": "elsewhere.example.org"})
    assert foreign.status_code >= 400
    large = asking.post("/v1/ask", json={"question": "x" * 200_000})
    assert large.status_code == 413
    assert large.headers["Content-Type"] == "application/problem+json"
    assert asking.get("/metrics").status_code == 404


def test_an_image_goes_through_the_front_and_lies_nowhere(deployed: tuple[Running, Host]) -> None:
    """Far more than nginx keeps in memory. The service says what it is; nginx has written no file."""
    service, host = deployed
    image = {"content_base64": base64.b64encode(b"GIF89a" + bytes(6 * 2**20)).decode()}
    answer = client(deployed, service.key()).post("/v1/images/search", json={"image": image})
    assert (answer.status_code, answer.json()["kind"]) == (422, "other-format")
    assert client(deployed).post("/v1/images/search", json={"image": image}).status_code in (401, 413)
    assert client(deployed, service.key()).post("/v1/search", json={"image": image}).status_code == 413
    assert [path for path in host.root.rglob("*") if path.is_file() and path.stat().st_size > 2**20] == []
