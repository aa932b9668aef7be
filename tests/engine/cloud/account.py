"""An AWS account that lives in this process: moto's, behind a door that is stricter than moto where AWS is.

Decides how a request is recognised, which fault meets it and what is remembered of it; what AWS would refuse is said in
rules.py, which faults there are in faults.py. One account, state kept while the server lives. Machines are
a hypervisor's business (hypervisor.py). Served on loopback over HTTP, for every client that honours AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import re
import sys
import threading
import time
import traceback
import unittest.mock
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

import boto3
import botocore.session
import moto.ec2.models.amis
from botocore.awsrequest import AWSPreparedRequest
from moto.backends import get_backend
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.exceptions import ServiceException
from moto.core.resource_tagging import TaggedResource
from moto.ec2.models import EC2Backend
from moto.iam.access_control import PermissionResult
from moto.iam.models import AWSManagedPolicy
from moto.moto_api._internal import moto_api_backend
from moto.s3.models import FakeBucket

from tests.engine.cloud.faults import NONE, Fault, Faults
from tests.engine.cloud.hypervisor import Hypervisor, NoMachines
from tests.engine.cloud.rules import Answered, AwsError, Billed, Rules

REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"
IMAGES: Final = ("ami-12c6146b", "ami-0b3a9c5d1e7f20468")
"""Machine images of the region, older first; the newer is what Canonical's public parameter names."""

HOSTS: Final = {
    "iam": "iam.amazonaws.com",
    "budgets": "budgets.amazonaws.com",
    "pricing": "api.pricing.us-east-1.amazonaws.com",
}
"""Where a service's name does not follow from how its requests are signed."""
MANAGED_POLICIES: Final = ("AmazonSSMManagedInstanceCore",)
COPIES: Final = ("CopyObject", "UploadPartCopy")
"""Told from their namesakes by a header only: counted as those."""
REST: Final = ("s3", "scheduler")
SIGNED: Final = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True)
class Call:
    """One request as a client meant it. `parameters` are flat for EC2 and the like, nested for JSON services."""

    service: str
    region: str
    operation: str
    parameters: Mapping[str, Any]
    text: str
    at: float = field(default_factory=time.monotonic)

    def listed(self, prefix: str) -> list[str]:
        """Values of Prefix.1, Prefix.2 … of a flat request."""
        pattern = re.compile(rf"{prefix}\.\d+")
        return [str(each) for name, each in self.parameters.items() if pattern.fullmatch(name)]


class Cloud:
    """The account and its door.

    `calls` is every request so far, in order of arrival; `performed` are those that the account has answered well, also
    where the answer never left.
    """

    def __init__(self, hypervisor: Hypervisor, faults: Path | None) -> None:
        self.calls: list[Call] = []
        self.performed: list[Call] = []
        self.rules = Rules(hypervisor)
        self.faults = Faults(faults)
        self.endpoint = ""
        self._changed = threading.Condition()
        self._moto = threading.Lock()
        self._server: _Server | None = None
        self._open = contextlib.ExitStack()

    def account(self, region: str = REGION) -> Any:
        """A boto3 session of the account; its clients speak to this door."""
        session = botocore.session.get_session()
        session.set_config_variable("region", region)
        session.set_credentials("test", "test")
        bound = boto3.Session(botocore_session=session)
        bound.client = functools.partial(bound.client, endpoint_url=self.endpoint)
        return bound

    def billable(self) -> list[Billed]:
        """What AWS would put on the bill of this hour, whoever made it."""
        with self._moto:
            return self.rules.billable()

    def count(self, operation: str, *, performed: bool = False) -> int:
        return sum(each.operation == operation for each in (self.performed if performed else self.calls))

    def wait_for(
        self, operation: str, times: int = 1, *, performed: bool = False, seconds: float = 60.0
    ) -> None:
        """Returns when the operation has been asked for, or performed, so often. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: self.count(operation, performed=performed) >= times, timeout=seconds
            ):
                raise TimeoutError(
                    f"{operation}: {self.count(operation, performed=performed)} times, not {times}"
                )

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._open.close()

    def empty(self) -> None:
        """The account as a new customer finds it, until `stop`."""
        self._open.enter_context(_account_of_ours())

    def serve(self, port: int) -> str:
        """Listen on loopback, in a thread that ends with the process. Returns the address.

        A forked process has the account and no threads: it opens a door of its own by this.
        """
        self._moto, self._changed = threading.Lock(), threading.Condition()
        self._server = _Server(("127.0.0.1", port), functools.partial(_Handler, self))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="cloud").start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        return self.endpoint

    def answer(self, request: Received) -> Answered | None:
        """What goes back; None cuts the line."""
        try:
            call = understood(request)
        except AwsError as error:
            return _refused("query", error)
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        return self._answer(call, request)

    def _answer(self, call: Call, request: Received) -> Answered | None:
        fault = NONE
        try:
            fault = self.faults.meets(call.service, call.operation, call.text)
            time.sleep(fault.delay)
            if fault.drop:
                return None
            if fault.error and not fault.after:
                raise _planted(fault)
            response = self._perform(call, request)
            if response.status < 300:
                with self._changed:
                    self.performed.append(call)
                    self._changed.notify_all()
            if fault.outcome or fault.seconds:
                self.rules.delay_snapshots(fault.outcome, fault.seconds)
            if fault.error:
                raise _planted(fault)
        except AwsError as error:
            response = _refused(protocol(call.service), error)
        except ValueError as error:  # the file of faults
            response = _refused(protocol(call.service), AwsError("InternalError", str(error)))
        time.sleep(fault.hang)
        return response

    def _perform(self, call: Call, request: Received) -> Answered:
        """Ours, or moto's between the rules. What the machines do is not held up by other requests."""
        try:
            with self._moto:
                answer = self.rules.answer(call)
                if answer is not None:
                    return answer
                self.rules.check(call)
            self.rules.lead(call)
            with self._moto:
                answer = _moto(call, request)
            if answer.status < 300:
                self.rules.follow(call, answer.text)
        except ServiceException as refusal:  # of moto's objects, asked by a rule
            raise AwsError(refusal.code, refusal.message) from refusal
        except AwsError:
            raise
        except Exception as fault:  # ours, moto's or the machines': told to the client and to whoever watches
            traceback.print_exc()
            raise AwsError("InternalError", f"{call.operation}: {fault!r}") from fault
        return answer


def _planted(fault: Fault) -> AwsError:
    return AwsError(fault.error, fault.message or f"{fault.error} (planted)", fault.status)


@dataclass(frozen=True)
class Received:
    """A request as it came over the line."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed in the middle is what some tests are about."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # boto3 keeps its connections
    disable_nagle_algorithm = True

    def __init__(self, cloud: Cloud, *arguments: Any) -> None:
        self._cloud = cloud
        super().__init__(*arguments)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self._cloud.answer(Received(self.command, self.path, dict(self.headers.items()), body))
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name in answer.headers):
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815 (the library's names)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (the library's name)
        pass


def understood(request: Received) -> Call:
    """Which service, region and operation a signed request is for. Raises AwsError when it is not signed."""
    match = SIGNED.search(request.headers.get("Authorization", ""))
    if match is None:
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    service, region = match["service"], match["region"]
    text = request.body.decode("utf-8", "replace")
    if target := request.headers.get("X-Amz-Target"):
        return Call(service, region, target.rsplit(".", 1)[1], json.loads(text or "{}"), text)
    if service in REST:
        operation, parameters = _rest(service, request)
        return Call(service, region, operation, parameters, f"{request.target} {text}")
    form = dict(parse_qsl(text, keep_blank_values=True))
    return Call(service, region, form.get("Action", "?"), form, text)


def protocol(service: str) -> str:
    return {"ec2": "ec2", "s3": "s3", "iam": "query", "sts": "query", "sns": "query"}.get(service, "json")


def _rest(service: str, request: Received) -> tuple[str, dict[str, str]]:
    """The operation whose method, path and fixed query fit best."""
    query = request.query
    for needed, method, path, operation in _routes(service):
        found = path.fullmatch(request.path) if method == request.method else None
        if found and all(name in query and value in ("", query[name]) for name, value in needed):
            return operation, {name.strip("_"): value for name, value in found.groupdict().items()}
    return "?", {}


@functools.cache
def _routes(service: str) -> list[tuple[list[tuple[str, str]], str, re.Pattern[str], str]]:
    model = botocore.session.get_session().get_service_model(service)
    routes = []
    for operation in model.operation_names:
        if operation in COPIES:
            continue
        http = model.operation_model(operation).http
        parts = urlsplit(http["requestUri"])
        pattern = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", parts.path)
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        needed = parse_qsl(parts.query, keep_blank_values=True)
        routes.append((needed, http["method"], re.compile(pattern + "/?"), operation))
    return sorted(routes, key=lambda each: -len(each[0]))


def _moto(call: Call, request: Received) -> Answered:
    """What moto answers to the same request at AWS's own address."""
    host = HOSTS.get(call.service, f"{call.service}.{call.region}.amazonaws.com")
    headers = {**request.headers, "Host": host}
    prepared = AWSPreparedRequest(
        request.method, f"https://{host}{request.target}", headers, request.body, stream_output=False
    )
    answer = BotocoreStubber().process_request(prepared)
    if answer is None or answer[2] == "Not yet implemented":
        raise AwsError("NotImplemented", f"moto has no {call.service} {call.operation}", 501)
    status, answered, content = answer
    kept = {name: str(each) for name, each in answered.items() if name.lower() not in HOP}
    return Answered(content if isinstance(content, bytes) else content.encode(), status, kept)


HOP: Final = frozenset({"connection", "transfer-encoding", "server", "date", "status"})


def _refused(kind: str, error: AwsError) -> Answered:
    """An error as each protocol says it."""
    code, message = escape(error.code), escape(error.message)
    inner = f"<Code>{code}</Code><Message>{message}</Message>"
    bodies = {
        "ec2": f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>own</RequestID></Response>",
        "query": f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error></ErrorResponse>",
        "s3": f"<Error>{inner}</Error>",
    }
    if kind in bodies:
        return Answered(bodies[kind].encode(), error.status, {"Content-Type": "text/xml"})
    body = json.dumps({"__type": error.code, "message": error.message})
    headers = {"x-amzn-ErrorType": error.code, "Content-Type": "application/x-amz-json-1.1"}
    return Answered(body.encode(), error.status, headers)


def start(
    *, hypervisor: Hypervisor | None = None, faults: Path | None = None, port: int = 0
) -> tuple[str, Cloud]:
    """Open an empty account. Returns the endpoint's URL and the handle.

    `faults` is a file of planted faults (faults.py); it need not exist yet, and is read again when it changes.
    """
    cloud = Cloud(hypervisor or NoMachines(), faults)
    cloud.empty()
    return cloud.serve(port), cloud


@contextlib.contextmanager
def _account_of_ours() -> Iterator[None]:
    """moto's account emptied, with our images and AWS's policies; afterwards as it was."""
    images = [_image(each) for each in IMAGES]
    with (
        unittest.mock.patch.dict(os.environ, {"MOTO_AMIS_PATH": "the images of this account"}),
        unittest.mock.patch.object(moto.ec2.models.amis, "AMIS", images),
        # AWS does not look at the target's policy (localstack/localstack#8654), and moto trips over `Principal: "*"`.
        unittest.mock.patch.object(FakeBucket, "_log_permissions_enabled_policy", return_value=True),
        # moto applies a policy's denial without its condition, so `TlsOnly` would deny everything.
        unittest.mock.patch.object(FakeBucket, "get_permission", return_value=PermissionResult.NEUTRAL),
        unittest.mock.patch.object(EC2Backend, "iter_tagged_resources", _tagged),
    ):
        moto_api_backend.reset()
        _add_managed_policies()
        yield
    moto_api_backend.reset()


_TAGGED: Final = EC2Backend.iter_tagged_resources


def _tagged(backend: EC2Backend) -> Iterator[TaggedResource]:
    """moto's list, and what the tagging API tells of besides and moto leaves out."""
    yield from _TAGGED(backend)
    more = {
        "elastic-ip": [each.allocation_id for each in backend.addresses],
        "vpc-endpoint": [each.id for each in backend.vpc_end_points.values() if each.state != "deleted"],
    }
    for kind, ids in more.items():
        for resource_id in ids:
            arn = f"arn:aws:ec2:{backend.region_name}:{backend.account_id}:{kind}/{resource_id}"
            yield TaggedResource(arn, dict(backend.tags.get(resource_id, {})), f"ec2:{kind}")


def _add_managed_policies() -> None:
    """Those that the program attaches: moto's thousand take a second to load."""
    iam = get_backend("iam")[ACCOUNT]["aws"]
    for name in MANAGED_POLICIES:
        policy = AWSManagedPolicy(name, account_id=ACCOUNT, region="aws", path="/", document="{}")
        iam.managed_policies[policy.arn] = policy


def _image(image_id: str) -> dict[str, Any]:
    return {
        "ami_id": image_id,
        "name": f"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-{IMAGES.index(image_id)}",
        "owner_id": "099720109477",
        "public": True,
        "virtualization_type": "hvm",
        "architecture": "x86_64",
        "state": "available",
        "image_type": "machine",
        "hypervisor": "xen",
        "root_device_name": "/dev/sda1",
        "root_device_type": "ebs",
        "sriov": "simple",
        "creation_date": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
    }


def main() -> None:
    """Serve until the end of the input, for a try by hand."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.engine.cloud.account", description="An AWS account to try."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", type=Path)
    options = parser.parse_args()
    endpoint, _ = start(faults=options.faults, port=options.port)
    print(f"export AWS_ENDPOINT_URL={endpoint} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test")
    threading.Event().wait()


if __name__ == "__main__":
    main()
