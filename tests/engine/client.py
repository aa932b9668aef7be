"""A hand client of the provider: the engine's calls on one resource, without the engine.

Follows the order of the engine's steps (check, diff, create or update, read) and nothing else of it; the graph, the
state and the plan are tested on the real one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

from pulumi.runtime.proto import provider_pb2 as proto

from tests.engine.aws_provider.provider import AwsProvider
from tests.engine.aws_provider.values import Properties, plain, struct

PREFIX = "urn:pulumi:dev::chartwell::"


class RefusedError(Exception):
    """What the provider told the engine."""


class _Context:
    def abort(self, code: Any, message: str) -> NoReturn:
        raise RefusedError(message)


CONTEXT = _Context()


@dataclass
class Resource:
    """One resource in the client's state. `inputs` are those that were checked last."""

    urn: str
    id: str
    inputs: Properties
    outputs: Properties


@dataclass
class Client:
    """One provider, configured for us-east-1 with the tags of the program."""

    tags: Properties = field(default_factory=dict)
    provider: AwsProvider = field(default_factory=AwsProvider)

    def configure(self, **settings: Any) -> None:
        wanted = {"region": "us-east-1", "defaultTags": {"tags": self.tags}, **settings}
        self.provider.Configure(proto.ConfigureRequest(args=struct(wanted)), CONTEXT)

    def check(self, urn: str, given: Properties, old: Properties | None = None) -> Properties:
        request = proto.CheckRequest(
            urn=urn, olds=struct(old or {}), news=struct(given), randomSeed=b"seeded"
        )
        return plain(self.provider.Check(request, CONTEXT).inputs)

    def create(self, token: str, name: str, given: Properties) -> Resource:
        urn = f"{PREFIX}{token}::{name}"
        inputs = self.check(urn, given)
        made = self.provider.Create(proto.CreateRequest(urn=urn, properties=struct(inputs)), CONTEXT)
        return Resource(urn, made.id, inputs, plain(made.properties))

    def foresee(self, token: str, given: Properties) -> Properties:
        """What a preview's plan knows of a resource that is not there yet."""
        urn = f"{PREFIX}{token}::foreseen"
        request = proto.CreateRequest(urn=urn, properties=struct(self.check(urn, given)), preview=True)
        return plain(self.provider.Create(request, CONTEXT).properties)

    def adopt(self, token: str, name: str, resource_id: str) -> Resource | None:
        """Import: known by its id alone."""
        return self.refresh(Resource(f"{PREFIX}{token}::{name}", resource_id, {}, {}))

    def refresh(self, known: Resource) -> Resource | None:
        """As AWS has it now; None when it is gone."""
        request = proto.ReadRequest(
            id=known.id, urn=known.urn, properties=struct(known.outputs), inputs=struct(known.inputs)
        )
        found = self.provider.Read(request, CONTEXT)
        return (
            Resource(known.urn, found.id, plain(found.inputs), plain(found.properties)) if found.id else None
        )

    def diff(self, known: Resource, given: Properties, *ignored: str) -> tuple[set[str], set[str]]:
        """(changed, replacing) properties."""
        request = proto.DiffRequest(
            id=known.id,
            urn=known.urn,
            olds=struct(known.outputs),
            old_inputs=struct(known.inputs),
            news=struct(self.check(known.urn, given, known.inputs)),
            ignoreChanges=ignored,
        )
        found = self.provider.Diff(request, CONTEXT)
        return set(found.diffs), set(found.replaces)

    def update(self, known: Resource, given: Properties) -> Resource:
        inputs = self.check(known.urn, given, known.inputs)
        request = proto.UpdateRequest(
            id=known.id,
            urn=known.urn,
            olds=struct(known.outputs),
            old_inputs=struct(known.inputs),
            news=struct(inputs),
        )
        done = self.provider.Update(request, CONTEXT)
        return Resource(known.urn, known.id, inputs, plain(done.properties))

    def delete(self, known: Resource, *, seconds: float = 0.0) -> None:
        """`seconds`: the deletion's custom timeout."""
        request = proto.DeleteRequest(
            id=known.id, urn=known.urn, properties=struct(known.outputs), timeout=seconds
        )
        self.provider.Delete(request, CONTEXT)
