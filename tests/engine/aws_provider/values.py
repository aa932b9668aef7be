"""Property values between Python and the engine's wire form, and when two of them mean the same.

Decides what is unknown, secret or equal; knows no resource. The wire form is google.protobuf.Struct with Pulumi's
markers (pulumi/runtime/rpc.py).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from google.protobuf import json_format, struct_pb2

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

Properties = dict[str, Any]


def plain(struct: struct_pb2.Struct) -> Properties:
    """Plain Python of a message: secrets opened, whole numbers as int, unknowns as UNKNOWN, nulls left out."""
    return {key: each for key, each in _plain(json_format.MessageToDict(struct)).items() if each is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(SIGNATURE) in (SECRET, OUTPUT):
            return _plain(value.get("value", UNKNOWN))
        return {
            key: _plain(each) for key, each in value.items() if each is not None and not key.startswith("__")
        }
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def struct(values: Mapping[str, Any], sensitive: Collection[str] = ()) -> struct_pb2.Struct:
    """A message without nulls; what is sensitive is sealed, as the bridge does (pkg/tfbridge/schema.go, MakeSecret)."""
    made = struct_pb2.Struct()
    for key, each in values.items():
        if each is not None:
            made[key] = {SIGNATURE: SECRET, "value": each} if key in sensitive and each != UNKNOWN else each
    return made


def has_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(has_unknown(each) for each in value.values())
    if isinstance(value, list):
        return any(has_unknown(each) for each in value)
    return bool(value == UNKNOWN)


def same(one: Any, other: Any) -> bool:
    """Equal in meaning: order of a list, spaces of a JSON document and "7" for 7 do not count."""
    return _canonical(one) == _canonical(other)


def _canonical(value: Any) -> str:
    return json.dumps(_reduced(value), sort_keys=True)


def _reduced(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _reduced(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return sorted((_reduced(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    if isinstance(value, str) and value[:1] in "{[" and value:
        try:
            return _reduced(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return str(value)


def seen_through(given: Any, found: Any) -> Any:
    """What was found, in the shape that was given: `given` itself where both mean the same."""
    if isinstance(given, Mapping) and isinstance(found, Mapping):
        return {key: seen_through(each, found.get(key, each)) for key, each in given.items()}
    return given if same(given, found) else found
