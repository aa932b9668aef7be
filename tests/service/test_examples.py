"""Published examples: each is what its schema says, and the service takes each one that is a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from tests.service.running import Running, running, settings_in


@pytest.fixture(scope="module")
def published(service: Running) -> dict[str, Any]:
    found: dict[str, Any] = service.client().get("/openapi.json").json()
    return found


def with_examples(published: dict[str, Any]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, example and schema of all that has one."""
    for name, schema in published["components"]["schemas"].items():
        for value in schema.get("examples", ()):
            yield name, value, {**schema, "components": published["components"]}
    for name, response in published["components"]["responses"].items():
        for content in response["content"].values():
            for example in content.get("examples", {}).values():
                yield name, example["value"], {**content["schema"], "components": published["components"]}


def test_every_example_is_what_its_schema_says(published: dict[str, Any]) -> None:
    examples = list(with_examples(published))
    assert len(examples) >= 40
    for name, value, schema in examples:
        errors = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]
        assert errors == [], name


def test_every_example_of_a_request_is_taken(
    published: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Sent as it stands: what it names may not be here, but nothing of it is wrong."""
    folder = tmp_path_factory.mktemp("examples")
    tried = 0
    with running(settings_in(folder / "data", service={"inbox": str(folder)})) as service:
        client = service.browser("administrator")
        for path, operations in published["paths"].items():
            for method, operation in operations.items():
                content = operation.get("requestBody", {}).get("content", {}).get("application/json")
                if content is None:
                    continue
                name = content["schema"]["$ref"].rpartition("/")[2]
                for value in published["components"]["schemas"][name]["examples"]:
                    address = path.replace("{", "").replace("}", "")
                    answer = client.request(method, address, json=value)
                    assert answer.status_code in {200, 201, 202, 204, 404, 409}, (path, name, answer.text)
                    tried += 1
    assert tried >= 10
