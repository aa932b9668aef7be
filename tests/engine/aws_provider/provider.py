"""The engine's side of the provider: Check, Diff, Create, Read, Update, Delete over gRPC.

Decides what a change is, what an import is told and how AWS's refusals reach the user; each type's own ways are in its
kind. Follows pulumi/runtime/proto/provider.proto and, where that is silent, the bridge (pulumi-terraform-bridge,
pkg/tfbridge/provider.go): an unknown value of a replacing property replaces in the plan; a refresh reports inputs in
the shape in which they were given; deleting what is gone is no error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import botocore.exceptions
import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.engine.aws_provider import machines, network, services, storage
from tests.engine.aws_provider.kinds import Account, GaveUpError, Kind, code_of
from tests.engine.aws_provider.values import (
    UNKNOWN,
    Properties,
    has_unknown,
    plain,
    same,
    seen_through,
    struct,
)

VERSION: Final = "7.51.1"
KINDS: Final[dict[str, type[Kind]]] = {
    each.token: each for module in (network, machines, storage, services) for each in module.KINDS
}
GONE: Final = (
    "NotFound",  # as a suffix: InvalidInstanceID.NotFound
    "NoSuch",
    "ResourceNotFoundException",
    "NotFoundException",
    "ParameterNotFound",
    "404",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
    "InvalidAllocationID",
    "InvalidAssociationID",
)


def is_gone(error: botocore.exceptions.ClientError) -> bool:
    code = code_of(error)
    return code in GONE or code.startswith("NoSuch") or code.endswith(".NotFound")


class AwsProvider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider process. Configured once for a region; serves requests in parallel."""

    def __init__(self) -> None:
        self._account = Account()
        self._kinds: dict[str, Kind] = {}

    def _kind(self, urn: str) -> Kind:
        token = urn.rsplit("::", 2)[1].rsplit("$", 1)[-1]
        if token not in KINDS:
            raise UnknownTypeError(f"tests/engine/aws_provider does not know {token}")
        if token not in self._kinds:
            self._kinds[token] = KINDS[token](self._account)
        return self._kinds[token]

    # The plugin itself.

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": VERSION}))

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        self._account.cancelled.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """Another region means other resources (the bridge: region is ForceNew of the provider)."""
        old, new = plain(request.old_inputs or request.olds), plain(request.news)
        changed = [key for key in old.keys() | new.keys() if not same(old.get(key), new.get(key))]
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=kind, diffs=changed, replaces=[each for each in changed if each == "region"]
        )

    def Configure(self, request: Any, context: Any) -> Any:
        settings = plain(request.args) or {
            key.removeprefix("aws:config:"): value for key, value in request.variables.items()
        }
        tags = _nested(settings.get("defaultTags")) or {}
        self._account = Account(
            region=str(settings.get("region") or "us-east-1"),
            default_tags=dict(tags.get("tags") or {}),
            retries=int(settings.get("maxRetries") or 25),
        )
        self._kinds = {}
        allowed = _nested(settings.get("allowedAccountIds"))
        if allowed and not has_unknown(allowed) and self._account.account_id not in allowed:
            _fail(context, f"AWS account ID not allowed: {self._account.account_id}")
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    # Inputs.

    def Check(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        old, new = plain(request.olds), plain(request.news)
        if kind.named and kind.named not in new:
            name = request.urn.rsplit("::", 1)[1]
            new[kind.named] = old.get(kind.named) or f"{name}-{request.randomSeed.hex()[:7]}"
        if kind.tagged and not has_unknown(self._account.default_tags):
            new["tags"] = {**self._account.default_tags, **(new.get("tags") or {})}
        return provider_pb2.CheckResponse(inputs=struct(new))

    def Diff(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        old, new = plain(request.old_inputs), plain(request.news)
        ignored = {each.split(".")[0].split("[")[0] for each in request.ignoreChanges}
        left_out = set(kind.computed) - new.keys()
        changed = {
            key
            for key in old.keys() | new.keys()
            if key not in ignored | left_out and not same(old.get(key), new.get(key))
        }
        replacing = kind.replacing(changed, old, new)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted(changed),
            replaces=sorted(replacing),
            hasDetailedDiff=True,
            detailedDiff={key: _difference(key, old, new, key in replacing) for key in sorted(changed)},
        )

    # Deeds.

    def Create(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        given = plain(request.properties)
        if request.preview:
            foreseen = {**dict.fromkeys(kind.read_only, UNKNOWN), **given}
            return provider_pb2.CreateResponse(properties=struct(foreseen, kind.sensitive))
        with _told(context, f"creating {kind.token}"):
            made = kind.create(given)
            found = kind.read(made, given)
            known = {**(found or {}), **given, "id": made}
            return provider_pb2.CreateResponse(id=made, properties=struct(known, kind.sensitive))

    def Read(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        state, given = plain(request.properties), plain(request.inputs)
        with _told(context, f"reading {kind.token} ({request.id})"):
            try:
                found = kind.read(request.id, state)
            except botocore.exceptions.ClientError as error:
                if not is_gone(error):
                    raise
                found = None
            if found is None:
                return provider_pb2.ReadResponse(id="")
            inputs = {key: seen_through(each, found.get(key, each)) for key, each in given.items()}
            if not given:  # an import: whatever could have been given
                inputs = {key: each for key, each in found.items() if key not in kind.read_only}
            known = {**state, **found, **inputs, "id": request.id}
            return provider_pb2.ReadResponse(
                id=request.id, inputs=struct(inputs, kind.sensitive), properties=struct(known, kind.sensitive)
            )

    def Update(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        state, new = plain(request.olds), plain(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=struct({**state, **new}, kind.sensitive))
        with _told(context, f"updating {kind.token} ({request.id})"):
            old = plain(request.old_inputs) or state
            _check_changes(kind, old, new)
            kind.update(request.id, old, new)
            found = kind.read(request.id, {**state, **new}) or {}
            kept = {key: each for key, each in state.items() if key in kind.read_only}
            known = {**kept, **found, **new, "id": request.id}
            return provider_pb2.UpdateResponse(properties=struct(known, kind.sensitive))

    def Delete(self, request: Any, context: Any) -> Any:
        kind = self._kind(request.urn)
        with _told(context, f"deleting {kind.token} ({request.id})"):
            try:
                kind.delete_within(request.id, plain(request.properties), request.timeout)
            except botocore.exceptions.ClientError as error:
                if not is_gone(error):
                    raise
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        _fail(context, f"tests/engine/aws_provider does not know the function {request.tok}")


class UnknownTypeError(Exception):
    """The program uses a type that this provider does not know: add it to tests/engine/aws_provider."""


def _check_changes(kind: Kind, old: Properties, new: Properties) -> None:
    """A change that this provider does not know how to make must not pass for made."""
    changed = {key for key in old.keys() | new.keys() if not same(old.get(key), new.get(key))}
    unknown = changed - {*kind.changes, "tags"} if "*" not in kind.changes else set()
    if unknown:
        raise UnknownTypeError(
            f"tests/engine/aws_provider cannot change {', '.join(unknown)} of {kind.token}"
        )


class _told:  # noqa: N801 (reads as what it does)
    """Turns what AWS refuses into the engine's error, with AWS's words."""

    def __init__(self, context: Any, what: str) -> None:
        self._context, self._what = context, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, TOLD):
            _fail(self._context, f"{self._what}: {error}")


TOLD: Final = (
    botocore.exceptions.ClientError,
    botocore.exceptions.BotoCoreError,
    GaveUpError,
    UnknownTypeError,
)


def _fail(context: Any, message: str) -> None:
    context.abort(grpc.StatusCode.UNKNOWN, message)


def _nested(value: Any) -> Any:
    """A provider's settings arrive as text where they are not scalars."""
    return json.loads(value) if isinstance(value, str) and value[:1] in ("[", "{") else value


def _difference(key: str, old: Mapping[str, Any], new: Mapping[str, Any], replaces: bool) -> Any:
    of = provider_pb2.PropertyDiff
    if key not in old:
        kind = of.ADD_REPLACE if replaces else of.ADD
    elif key not in new:
        kind = of.DELETE_REPLACE if replaces else of.DELETE
    else:
        kind = of.UPDATE_REPLACE if replaces else of.UPDATE
    return of(kind=kind, inputDiff=True)
