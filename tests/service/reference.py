"""docs/api-reference.md, written from the service's own OpenAPI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import Settings
from pipeline.service.app import create_app
from pipeline.service.database.engine import State

METHODS = ("get", "post", "patch", "delete")


def specification() -> dict[str, Any]:
    """The OpenAPI of a service that is never started."""
    state = State(f"sqlite:///{Path('unused.sqlite')}")
    found: dict[str, Any] = create_app(Settings(_env_file=None), state).openapi()  # type: ignore[call-arg]
    return found


def api_reference() -> str:
    """The whole page."""
    spec = specification()
    return "\n".join([*_head(spec), *_operations(spec), *_schemas(spec)]) + "\n"


def _head(spec: Mapping[str, Any]) -> Iterator[str]:
    yield "# HTTP interface"
    yield ""
    yield (
        "Generated from the OpenAPI of the service by `make docs`; a running service has it at `/openapi.json`. "
        "The service is started by `python -m pipeline.serve` or, as a demo on this machine, `make serve`."
    )
    yield ""
    yield spec["info"]["description"].strip()
    yield ""
    yield "A program sends `Authorization: Bearer KEY`. A browser that is signed in sends its cookie, and with every"
    yield "method but GET the header `X-CSRF-Token`. Bodies are `application/json`."
    yield ""
    yield "An administrator makes a KEY on the page, under People, API keys, or by `POST /v1/keys`, for a person and"
    yield "for some rights; it is shown once. The demo knows no keys: there, leave the header out."
    yield ""
    yield "```sh"
    yield 'curl -N http://127.0.0.1:8010/v1/ask -H "Authorization: Bearer $KEY" -H "Accept: text/event-stream" \\'
    yield '  -H "Content-Type: application/json" -d \'{"question": "Which patients take warfarin?"}\''
    yield "```"
    yield ""
    yield "Every address can answer with these problems; an operation names those it adds."
    yield ""
    yield "| status | codes | `Retry-After` |"
    yield "|---|---|---|"
    for name, response in sorted(spec["components"]["responses"].items()):
        examples = response["content"]["application/problem+json"].get("examples", {})
        codes = ", ".join(f"[{code}](troubleshooting.md#{code.lower()})" for code in examples)
        retry = "yes" if "headers" in response else ""
        yield f"| {name.removeprefix('Problem')} {response['description']} | {codes} | {retry} |"


def _operations(spec: Mapping[str, Any]) -> Iterator[str]:
    for tag in spec["tags"]:
        yield from ("", f"## {tag['name'].capitalize()}", "", tag["description"])
        for path, operations in spec["paths"].items():
            for method in METHODS:
                operation = operations.get(method)
                if operation is not None and operation["tags"] == [tag["name"]]:
                    yield from _operation(method, path, operation, spec)


def _operation(
    method: str, path: str, operation: Mapping[str, Any], spec: Mapping[str, Any]
) -> Iterator[str]:
    yield from ("", f"### {method.upper()} {path}", "")
    yield f"{operation.get('description', operation.get('summary', ''))} {_right(operation)}".strip()
    rows = [_parameter(each) for each in operation.get("parameters", ()) if each["in"] != "header"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        rows += list(_fields(_named(body, spec), spec))
    if rows:
        yield from ("", "| field | type | meaning |", "|---|---|---|", *rows)
    yield ""
    yield f"Answers: {_answers(operation)}"
    example = _example(body, spec)
    if example is not None:
        yield from ("", "```json", json.dumps(example, indent=2, ensure_ascii=False), "```")


def _right(operation: Mapping[str, Any]) -> str:
    rights = {scope for each in operation.get("security", ()) for scopes in each.values() for scope in scopes}
    return f"Right: `{rights.pop()}`." if rights else "Public."


def _parameter(parameter: Mapping[str, Any]) -> str:
    needed = "" if parameter.get("required") else ", optional"
    meaning = parameter.get("description", "")
    return f"| `{parameter['name']}` | {_type(parameter['schema'])}, in the {parameter['in']}{needed} | {meaning} |"


def _fields(schema: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        needed = "" if name in required else ", optional"
        yield f"| `{name}` | {_type(field)}{needed} | {field.get('description', '')} |"


def _answers(operation: Mapping[str, Any]) -> str:
    answers = []
    for status, response in operation["responses"].items():
        if "$ref" not in response:
            kinds = [_content(kind, content) for kind, content in response.get("content", {}).items()]
            answers.append(f"{status} {' or '.join(kinds)}".strip())
    return "; ".join(answers) + "."


def _content(kind: str, content: Mapping[str, Any]) -> str:
    schema = content.get("schema", {})
    if kind == "text/event-stream":
        names = schema["properties"]["event"]["enum"]
        return f"`{kind}` with the events {', '.join(f'`{name}`' for name in names)}"
    return _type(schema) if "$ref" in schema else f"`{kind}`"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if found := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type(each) for each in found)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return f"{kind} {_limits(schema)}".strip()


def _limits(schema: Mapping[str, Any]) -> str:
    found = [
        f"{word} {schema[name]:g}"
        for name, word in (("minimum", "from"), ("maximum", "to"), ("minLength", "from"), ("maxLength", "to"))
        if name in schema
    ]
    if "maxLength" in schema:
        found.append("characters")
    return " ".join([*([f"({schema['format']})"] if "format" in schema else []), *found])


def _named(schema: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema["$ref"].rpartition("/")[2]
    found: Mapping[str, Any] = spec["components"]["schemas"][name]
    return found


def _example(body: Mapping[str, Any] | None, spec: Mapping[str, Any]) -> Any:
    examples: Sequence[Any] = _named(body, spec).get("examples", ()) if body else ()
    return examples[0] if examples else None


def _schemas(spec: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Records")
    for name, schema in sorted(spec["components"]["schemas"].items()):
        if "enum" in schema:
            yield from ("", f"### {name}", "", f"{schema.get('description', '')} {_type(schema)}.".strip())
        else:
            yield from ("", f"### {name}", "", schema.get("description", "").strip(), "")
            yield from ("| field | type | meaning |", "|---|---|---|", *_fields(schema, spec))
