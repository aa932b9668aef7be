"""Preflight: AWS through moto and recorded answers, registries through a real server on this machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import moto
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from infra import preflight
from infra.plan.image_registry import ImageRegistry, Login, RefusedError, UnreachableError
from infra.preflight import PreflightFinding, Surroundings
from tests.infra import stacks

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class RegistrySimulator:
    """A registry with the token dance, an index per repository, and an image made at a given time."""

    def __init__(self) -> None:
        self.made = NOW - timedelta(days=30)
        self.password = stacks.NGC_KEY
        self.missing: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.split("?")[0]
                if path == "/token":
                    return outer._token(self)
                if not self.headers.get("Authorization", "").startswith("Bearer good"):
                    realm = f'Bearer realm="{outer.url}/token",service="test",scope="pull"'
                    return outer._answer(self, 401, {}, {"WWW-Authenticate": realm})
                return outer._content(self, path)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def _token(self, handler: BaseHTTPRequestHandler) -> None:
        header = handler.headers.get("Authorization", "")
        login = base64.b64decode(header.removeprefix("Basic ")).decode() if header else ""
        good = not login or login == f"$oauthtoken:{self.password}"
        self._answer(handler, 200 if good else 401, {"token": "good"} if good else {})

    def _content(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        if any(name in path for name in self.missing):
            return self._answer(handler, 404, {})
        if path.endswith("/blobs/sha256:c0"):
            return self._answer(
                handler, 200, {"created": self.made.isoformat().replace("+00:00", ".123456789Z")}
            )
        if path.endswith("/manifests/sha256:a0"):
            return self._answer(handler, 200, {"config": {"digest": "sha256:c0"}})
        platforms = [("sha256:b0", "arm64"), ("sha256:a0", "amd64")]
        index = [{"digest": digest, "platform": {"architecture": each}} for digest, each in platforms]
        return self._answer(handler, 200, {"manifests": index})

    @staticmethod
    def _answer(
        handler: BaseHTTPRequestHandler,
        status: int,
        body: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> None:
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(json.dumps(body).encode())

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Session:
    """A boto3 session on moto, with answers for what moto lacks and refusals where a test wants them."""

    def __init__(self) -> None:
        self.real = boto3.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        )
        self.quota = 8.0
        self.usd = 1.212
        self.refused: dict[str, Exception] = {}

    def client(self, service: str, **more: Any) -> Any:
        if service in self.refused:
            raise self.refused[service]
        if service in {"service-quotas", "pricing"}:
            return self
        return self.real.client(service, **more)

    def get_service_quota(self, **_: str) -> dict[str, Any]:
        return {"Quota": {"Value": self.quota}}

    def get_products(self, **_: Any) -> dict[str, Any]:
        price = {"priceDimensions": {"x": {"pricePerUnit": {"USD": str(self.usd)}}}}
        return {"PriceList": [json.dumps({"terms": {"OnDemand": {"y": price}}})]}


@pytest.fixture
def simulator() -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator()
    yield simulator
    simulator.close()


@pytest.fixture
def session() -> Iterator[Session]:
    with moto.mock_aws():
        yield Session()


def look(session: Session, simulator: RegistrySimulator, **changes: Any) -> dict[str, list[PreflightFinding]]:
    around = Surroundings(session, lambda _, login: ImageRegistry(simulator.host, login, scheme="http"), NOW)
    found: dict[str, list[PreflightFinding]] = {}
    for each in preflight.run(stacks.config(**{"rootVolumeSizeGb": "80", **changes}), around):
        found.setdefault(each.check, []).append(each)
    return found


def worst(findings: list[PreflightFinding]) -> str:
    return max((each.status for each in findings), key=["pass", "warn", "fail"].index)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


def test_a_fit_account_passes_everything(session: Session, simulator: RegistrySimulator) -> None:
    found = look(session, simulator)
    assert {name: worst(each) for name, each in found.items()} == dict.fromkeys(
        ["credentials", "quota", "zones", "machine image", "images", "IRIS licence", "prices"], "pass"
    )
    assert len(found["images"]) == 3
    text = preflight.table([each for group in found.values() for each in group])
    assert stacks.NGC_KEY not in text


def test_a_missing_quota_fails_with_the_command_that_asks_for_it(
    session: Session, simulator: RegistrySimulator
) -> None:
    session.quota = 4.0
    (found,) = look(session, simulator)["quota"]
    assert found.status == "fail"
    assert "4 allowed, 0 in use, 8 wanted" in found.message
    assert "--quota-code L-DB2E81BA --desired-value 8" in found.cure


def test_vcpus_of_other_hosts_count_and_those_of_this_stack_do_not(
    session: Session, simulator: RegistrySimulator
) -> None:
    ec2 = session.real.client("ec2")
    for tags in ({"Project": "chartwell", "Stack": "dev"}, {"Project": "other"}):
        ec2.run_instances(
            ImageId="ami-12c6146b",
            InstanceType="g5.xlarge",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
            ],
        )
    (found,) = look(session, simulator)["quota"]
    assert "8 allowed, 4 in use, 8 wanted" in found.message
    assert found.status == "fail"


@pytest.mark.parametrize(
    ("service", "check", "error"),
    [
        ("service-quotas", "quota", refusal("AccessDeniedException")),
        ("pricing", "prices", refusal("AccessDeniedException")),
        ("ec2", "machine image", refusal("UnauthorizedOperation")),
        ("iam", "spot role", refusal("AccessDenied")),
        ("pricing", "prices", refusal("ThrottlingException")),
    ],
)
def test_what_may_not_be_asked_is_a_warning_that_says_so(
    session: Session, simulator: RegistrySimulator, service: str, check: str, error: Exception
) -> None:
    session.refused[service] = error
    (found,) = look(session, simulator, spot=True)[check]
    assert found.status == "warn"
    assert found.message.startswith("Not checked:")


def test_wrong_or_missing_credentials_fail(session: Session, simulator: RegistrySimulator) -> None:
    assert worst(look(session, simulator, awsAccountId="999999999999")["credentials"]) == "fail"
    session.refused["sts"] = NoCredentialsError()
    assert worst(look(session, simulator)["credentials"]) == "fail"


def test_a_zone_without_the_type_fails(session: Session, simulator: RegistrySimulator) -> None:
    found = look(session, simulator, availabilityZones='["us-east-1e"]')["zones"]
    assert worst(found) == "fail"
    assert "us-east-1a" in found[0].cure


def test_spot_needs_its_role_in_an_account_that_never_used_it(
    session: Session, simulator: RegistrySimulator
) -> None:
    (found,) = look(session, simulator, spot=True)["spot role"]
    assert found.status == "fail"
    assert "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com" in found.cure
    session.real.client("iam").create_role(RoleName="AWSServiceRoleForEC2Spot", AssumeRolePolicyDocument="{}")
    (found,) = look(session, simulator, spot=True)["spot role"]
    assert found.status == "pass"
    assert "spot role" not in look(session, simulator)


def test_an_image_that_is_gone_or_needs_a_larger_disk_fails(
    session: Session, simulator: RegistrySimulator
) -> None:
    (found,) = look(session, simulator, amiId="ami-0123456789abcdef0")["machine image"]
    assert found.status == "fail"
    assert "python -m infra.ami --set" in found.cure


@pytest.mark.parametrize(("days", "status"), [(0, "pass"), (45, "pass"), (46, "warn"), (700, "warn")])
def test_an_image_of_long_ago_is_told(
    session: Session, simulator: RegistrySimulator, days: int, status: str
) -> None:
    config = stacks.config(rootVolumeSizeGb="80")
    (image,) = session.real.client("ec2").describe_images(ImageIds=[config.ami_id])["Images"]
    now = datetime.fromisoformat(image["CreationDate"].replace("Z", "+00:00")) + timedelta(days=days)
    around = Surroundings(session, lambda _, login: ImageRegistry(simulator.host, login, scheme="http"), now)
    (found,) = preflight.machine_image(config, around)
    assert found.status == status, found.message
    assert (f"is {days} days old" in found.message) == (status == "warn")


def test_a_key_that_does_not_open_the_models_fails_and_is_not_shown(
    session: Session, simulator: RegistrySimulator
) -> None:
    simulator.password = "another"
    failed = [each for each in look(session, simulator)["images"] if each.status == "fail"]
    # In this simulator every image is behind one host; the database is asked for without a login.
    assert len(failed) == 2
    assert all("NGC Catalog scope" in each.cure for each in failed)
    assert stacks.NGC_KEY not in str(failed)


def test_a_digest_that_is_not_there_fails(session: Session, simulator: RegistrySimulator) -> None:
    simulator.missing = {"llama-3.1-8b-instruct"}
    failed = [each for each in look(session, simulator)["images"] if each.status == "fail"]
    assert len(failed) == 1
    assert "404" in failed[0].message


@pytest.mark.parametrize(("days", "status"), [(30, "pass"), (300, "warn"), (400, "fail")])
def test_the_age_of_the_database_image_is_the_age_of_its_licence(
    session: Session, simulator: RegistrySimulator, days: int, status: str
) -> None:
    simulator.made = NOW - timedelta(days=days)
    (found,) = look(session, simulator)["IRIS licence"]
    assert found.status == status


def test_no_network_is_a_warning(session: Session, simulator: RegistrySimulator) -> None:
    simulator.close()
    found = look(session, simulator)
    assert worst(found["images"]) == "warn"
    assert worst(found["IRIS licence"]) == "warn"


def test_another_price_than_planned_is_a_warning(session: Session, simulator: RegistrySimulator) -> None:
    session.usd = 1.5
    (found,) = look(session, simulator)["prices"]
    assert found.status == "warn"
    assert "$1.500/h today" in found.message


def test_an_up_is_stopped_by_a_failure_and_told_the_warnings(
    session: Session, simulator: RegistrySimulator
) -> None:
    around = Surroundings(session, lambda _, login: ImageRegistry(simulator.host, login, scheme="http"), NOW)
    session.usd = 1.5
    assert [each.check for each in preflight.require(stacks.config(), around)] == ["prices"]
    session.quota = 0
    with pytest.raises(preflight.PreflightError, match="0 allowed"):
        preflight.require(stacks.config(), around)


def test_the_configuration_is_read_as_pulumi_prints_it() -> None:
    answer = {
        f"chartwell:{key}": {"value": value, "secret": key in stacks.SECRET_KEYS}
        for key, value in stacks.GOOD.items()
    }
    config = preflight.stack_config("me/chartwell/dev", lambda _: json.dumps(answer))
    assert config.stack == "dev"
    assert config == stacks.config()


def test_the_registry_client_tells_refused_from_silent(simulator: RegistrySimulator) -> None:
    registry = ImageRegistry(simulator.host, Login("$oauthtoken", stacks.NGC_KEY), scheme="http")
    assert registry.created("nim/x", "sha256:1") == simulator.made.replace(microsecond=0)
    simulator.missing = {"nim/y"}
    with pytest.raises(RefusedError):
        registry.manifest("nim/y", "latest")
    assert stacks.NGC_KEY not in repr(Login("u", stacks.NGC_KEY))
    simulator.close()
    with pytest.raises(UnreachableError) as silence:
        ImageRegistry(simulator.host, scheme="http").manifest("nim/x", "latest")
    assert "token" not in str(silence.value)
