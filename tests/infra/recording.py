"""What a program registers, seen as the engine sees it: inputs with their secrets marked, options,
dependencies.

Pulumi's mocks hide options. This monitor reads the registration requests themselves, so a test can ask
whether a volume is retained, what an instance depends on, and whether a secret stands anywhere in plain
text.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import resource as runtime_resource
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.proto import resource_pb2, source_pb2

from infra import policy
from infra.plan.state import READ_STATE

PROJECT = "chartwell"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands in a preview for a value that only the up will know."""
ACCOUNT = "123456789012"

ID_PREFIXES = {
    "aws:ec2/instance:Instance": "i",
    "aws:ebs/volume:Volume": "vol",
    "aws:ec2/vpc:Vpc": "vpc",
    "aws:ec2/subnet:Subnet": "subnet",
    "aws:ec2/securityGroup:SecurityGroup": "sg",
    "aws:ec2/eip:Eip": "eipalloc",
}


@dataclass(frozen=True)
class Registered:
    """One resource of a program as it was registered. `props` are plain; `secret_paths` names the wrapped
    ones."""

    urn: str
    type: str
    name: str
    custom: bool
    id: str
    props: Mapping[str, Any]
    secret_paths: frozenset[str]
    parent: str
    dependencies: frozenset[str]
    provider: str
    import_id: str
    retain_on_delete: bool
    protect: bool
    delete_before_replace: bool
    ignore_changes: tuple[str, ...]
    delete_timeout: str
    replace_on_changes: tuple[str, ...] = ()
    replacement_trigger: Any = None

    def as_policy(self) -> policy.Resource:
        props = dict(self.props)
        props.setdefault("id", self.id)
        options = policy.Options(self.retain_on_delete, self.delete_before_replace, self.protect)
        return policy.Resource(self.type, self.name, props, options)


@dataclass
class Recorded:
    """All registrations of one run, in order, and the stack's outputs."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def custom(self) -> list[Registered]:
        return [each for each in self.resources if each.custom]

    def of(self, resource_type: str) -> list[Registered]:
        return [each for each in self.resources if each.type == resource_type]

    def one(self, resource_type: str) -> Registered:
        (found,) = self.of(resource_type)
        return found

    def by_urn(self) -> dict[str, Registered]:
        return {each.urn: each for each in self.resources}

    def graph(self) -> list[policy.Resource]:
        return [each.as_policy() for each in self.custom]

    @property
    def property_count(self) -> int:
        return sum(1 for each in self.custom for _ in leaves(each.props))

    def reachable(self, urn: str) -> set[str]:
        """All that a resource depends on, through parents and components as the engine follows them."""
        known, seen, queue = self.by_urn(), set[str](), [urn]
        while queue:
            each = known.get(queue.pop())
            if each is None:
                continue
            provider = each.provider.rsplit("::", 1)[0]
            for other in {*each.dependencies, each.parent, provider} - {""}:
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
        return seen


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of every scalar in nested inputs."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from leaves(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from leaves(each, f"{path}[{number}]")
    else:
        yield path, value


def unwrap(value: Any, path: str, secrets: set[str]) -> Any:
    """Inputs without secret wrappers; the paths that were wrapped go into `secrets`."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET_SIGNATURE:
            secrets.add(path)
            return unwrap(value.get("value"), path, secrets)
        if value.get(SIGNATURE) == OUTPUT_SIGNATURE:
            if value.get("secret"):
                secrets.add(path)
            return unwrap(value.get("value", UNKNOWN), path, secrets)
        return {key: unwrap(each, f"{path}.{key}" if path else key, secrets) for key, each in value.items()}
    if isinstance(value, list):
        return [unwrap(each, f"{path}[{number}]", secrets) for number, each in enumerate(value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def made_id(resource_type: str, name: str) -> str:
    digest = hashlib.sha256(f"{resource_type}{name}".encode()).hexdigest()[:17]
    prefix = ID_PREFIXES.get(resource_type)
    return f"{prefix}-{digest}" if prefix else f"{name}-id"


def made_outputs(
    resource_type: str, name: str, resource_id: str, inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """What AWS would add to the inputs, for the outputs that the program reads."""
    kind = resource_type.rsplit(":", 1)[1]
    added: dict[str, Any] = {"arn": f"arn:aws:test:us-east-1:{ACCOUNT}:{kind.lower()}/{resource_id}"}
    if resource_type == "aws:s3/bucket:Bucket":
        added["arn"] = f"arn:aws:s3:::{inputs['bucket']}"
    elif resource_type == "aws:sns/topic:Topic":
        added["arn"] = f"arn:aws:sns:us-east-1:{ACCOUNT}:{inputs['name']}"
    elif resource_type == "aws:kms/key:Key":
        added["keyId"] = resource_id
    elif resource_type == "aws:ec2/eip:Eip":
        added |= {"publicIp": "198.51.100.7", "allocationId": resource_id}
    elif resource_type == "command:remote:Command":
        added |= {"stdout": "", "stderr": ""}
    elif resource_type == "aws:ssm/parameter:Parameter":
        added["value"] = inputs.get("value") or inputs.get("insecureValue")
    if "name" not in inputs:
        added["name"] = name
    if resource_type == "aws:ec2/keyPair:KeyPair":
        added["keyName"] = name
    return {**added, **inputs}


# Where in the source a resource is made interests the console only, and costs half of a run.
runtime_resource._get_stack_trace = source_pb2.StackTrace


class QuietMocks(Mocks):
    """The monitor answers by itself; the program makes no invoke but the one that reads its own stack's state, where a
    test gives one: outputs by URN."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._state = state

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        raise AssertionError(f"{args.name} reached the mocks")

    def call(self, args: MockCallArgs) -> dict[str, Any]:
        if args.token == READ_STATE and self._state is not None:
            return {"name": args.args["stackName"], "outputs": dict(self._state)}
        raise AssertionError(f"the program made an invoke: {args.token}")


class RecordingMonitor(MockMonitor):
    """Keeps every registration. `create` may stand in for the cloud: it returns id and outputs. In a `preview` nothing
    is made: resources have no id and no outputs but their inputs, and what reads others is unknown."""

    def __init__(
        self,
        create: Callable[[Registered], tuple[str, dict[str, Any]]] | None = None,
        *,
        preview: bool = False,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(QuietMocks(state))
        self.recorded = Recorded()
        self._create = create or (self._foresee if preview else self._invent)

    def RegisterResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        registered = self._read(request, urn)
        resource_id, outputs = (
            ("", dict(registered.props)) if not request.custom else self._create(registered)
        )
        object.__setattr__(registered, "id", resource_id)
        self.recorded.resources.append(registered)
        response = resource_pb2.RegisterResourceResponse(urn=urn, id=resource_id)
        response.object.update({key: each for key, each in outputs.items() if each is not None})
        return response

    def _read(self, request: Any, urn: str) -> Registered:
        secrets: set[str] = set()
        props = unwrap(json_format.MessageToDict(request.object), "", secrets)
        parent = "" if "pulumi:pulumi:Stack" in request.parent.rsplit("::", 2)[-2:-1] else request.parent
        return Registered(
            urn=urn,
            type=request.type,
            name=request.name,
            custom=request.custom,
            id="",
            props=props,
            secret_paths=frozenset(secrets),
            parent=parent,
            dependencies=frozenset(request.dependencies),
            provider=request.provider,
            import_id=request.importId,
            retain_on_delete=request.retainOnDelete,
            protect=request.protect,
            delete_before_replace=request.deleteBeforeReplace,
            ignore_changes=tuple(request.ignoreChanges),
            delete_timeout=request.customTimeouts.delete,
            replacement_trigger=json_format.MessageToDict(request.replacement_trigger),
        )

    @staticmethod
    def _foresee(registered: Registered) -> tuple[str, dict[str, Any]]:
        return registered.import_id, {k: each for k, each in registered.props.items() if each != UNKNOWN}

    @staticmethod
    def _invent(registered: Registered) -> tuple[str, dict[str, Any]]:
        resource_id = registered.import_id or made_id(registered.type, registered.name)
        return resource_id, made_outputs(registered.type, registered.name, resource_id, registered.props)


def record(
    program: Callable[[], Mapping[str, Any]],
    *,
    stack: str = "dev",
    create: Callable[[Registered], tuple[str, dict[str, Any]]] | None = None,
    preview: bool = False,
    state: Mapping[str, Any] | None = None,
) -> Recorded:
    """Run a program under the recording monitor. Exceptions of the program come through. `state`: what the engine
    answers of the stack's own state, outputs by URN."""
    monitor = RecordingMonitor(create, preview=preview, state=state)
    pulumi.runtime.set_mocks(QuietMocks(), project=PROJECT, stack=stack, preview=preview, monitor=monitor)

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        return pulumi.Output.all(**program()).apply(monitor.recorded.outputs.update)

    asyncio.get_event_loop().set_exception_handler(_not_again)
    run()
    return monitor.recorded


def _not_again(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A program's failure is raised by its run; every output that waited for it would print it once more."""
    if not (isinstance(context.get("future"), asyncio.Future) and "never retrieved" in context["message"]):
        loop.default_exception_handler(context)


def destroy_layers(recorded: Recorded) -> list[list[Registered]]:
    """Deletion order of a destroy: what nothing depends on first; one layer is deleted in parallel.

    Follows the engine's documented rule (reverse dependency graph cut into antichains), not its code.
    """
    remaining = {each.urn: each for each in recorded.resources}
    needs = {urn: recorded.reachable(urn) for urn in remaining}
    layers = []
    while remaining:
        layer = [
            each
            for urn, each in remaining.items()
            if not any(urn in needs[other] for other in remaining if other != urn)
        ]
        layers.append(layer)
        for each in layer:
            del remaining[each.urn]
    return layers
