"""A vision-language model server: chat completions that take a picture, with the bad habits of the real ones.

It sees one thing, the colour of a picture, and says it; what else it says a test decides. It keeps the pictures and
texts that it was sent, so that a test can look for what must not be among them.

    with VisionServer() as server:
        server.habits.says = "A frontal chest film."
        server.habits.refuses = "no_pictures"        # or another of REFUSALS
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.servers.nim import NimServer
from tests.servers.nim_models import count_tokens
from tests.servers.wire import Refusal, until

REFUSALS: Mapping[str, Refusal] = {
    # llama.cpp without a projector.
    "no_projector": Refusal(
        500,
        {
            "error": {
                "code": 500,
                "message": "image input is not supported - hint: if this is unexpected, you may need to provide the "
                "mmproj",
                "type": "server_error",
            }
        },
    ),
    # vLLM with a model that reads text alone.
    "no_pictures": Refusal(
        400,
        {"object": "error", "message": "At most 0 image(s) may be provided in one request.", "code": 400},
    ),
    # Servers whose messages are text by their schema.
    "text_only_schema": Refusal(
        422,
        {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string"}]},
    ),
    "too_large": Refusal(413, "Request Entity Too Large"),
    "filter": Refusal(
        400, {"error": {"message": "The response was filtered.", "code": "content_filter", "status": 400}}
    ),
}
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "grey": (1, 1, 1)}


@dataclass
class Habits:
    """What the server does instead of describing what it sees."""

    says: str = ""
    """Instead of the colour, reasoning in tags included."""
    reasons: str = ""
    """What comes as `reasoning_content` beside the answer."""
    finish_reason: str | None = "stop"
    refuses: str = ""
    """One of REFUSALS; empty: nothing."""
    message: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the message: a refusal, calls of tools."""
    ignores_pictures: bool = False
    """It answers as if none had been sent."""
    error_with_status_200: bool = False
    bytes_max: int = 0
    """Of a picture; 0: no limit."""


class VisionServer(NimServer):
    """As NimServer, whose faults it has too; any model id is served."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.habits = Habits()
        self.pictures: list[bytes] = []
        self.texts: list[str] = []

    def reset(self) -> None:
        super().reset()
        self.habits = Habits()
        self.pictures.clear()
        self.texts.clear()

    def _refuse_model(self, model: object) -> None:
        if model in self.faults.gone:
            super()._refuse_model(model)

    async def _chat(self, asked: Mapping[str, Any]) -> Any:
        habits = self.habits
        text, picture = _parts(asked)
        self.texts.append(text)
        self.pictures.append(picture)
        if habits.refuses:
            raise REFUSALS[habits.refuses]
        if 0 < habits.bytes_max < len(picture):
            raise REFUSALS["too_large"]
        if habits.error_with_status_200:
            return {"error": {"message": "Worker died", "code": 503}}
        said = habits.says or ("I see no picture." if habits.ignores_pictures else _colour(picture))
        async with self.chat.slot(count_tokens(said)) as (_, end):
            await until(end)
        message: dict[str, Any] = {"role": "assistant", "content": said, **habits.message}
        if habits.reasons:
            message["reasoning_content"] = habits.reasons
        return {
            "id": "chat-1",
            "object": "chat.completion",
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": habits.finish_reason}],
            "usage": {"prompt_tokens": 1200 + count_tokens(text), "completion_tokens": count_tokens(said)},
        }


def _parts(asked: Mapping[str, Any]) -> tuple[str, bytes]:
    """Text and picture of the only message. Raises Refusal where it has not the documented form."""
    (message,) = asked["messages"]
    text, image = message["content"]
    head, _, encoded = image["image_url"]["url"].partition(",")
    if message["role"] != "user" or text["type"] != "text" or image["type"] != "image_url":
        raise Refusal(422, {"detail": [{"loc": ["body", "messages"], "msg": "Input should be a picture"}]})
    picture = base64.b64decode(encoded, validate=True)
    if not picture.startswith(
        {"data:image/png;base64": b"\x89PNG", "data:image/jpeg;base64": b"\xff\xd8"}[head]
    ):
        raise Refusal(400, {"error": "image format does not match its content"})
    return text["text"], picture


def _colour(picture: bytes) -> str:
    from PIL import Image  # noqa: PLC0415  as in nim_models

    with Image.open(io.BytesIO(picture)) as opened:
        mean = opened.convert("RGB").resize((1, 1)).getpixel((0, 0))
    assert isinstance(mean, tuple)
    bright = tuple(int(value > max(mean) / 2) for value in mean)
    name = next((each for each, shape in COLOURS.items() if shape == bright), "mixed")
    return f"The picture is {name}."
