"""Alive, ready, and how the service is, over HTTP. Times are seconds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from pipeline.service.schemas.ask import ModelOut
from pipeline.service.schemas.fields import example


class Alive(BaseModel):
    """The process runs and answers."""

    model_config = example({"status": "alive"})

    status: Literal["alive"] = "alive"


class DependencyOut(BaseModel):
    """Something that answers depend on, as it was when it was last really called."""

    name: str
    ready: bool
    code: str | None = Field(
        description="of the error, where it is not ready; explained in the troubleshooting"
    )
    seconds: float = Field(description="how long the call took")
    age_seconds: float = Field(description="how long ago that was")


class ReadyOut(BaseModel):
    """Whether questions can be answered."""

    model_config = example(
        {
            "status": "ready",
            "dependencies": [
                {"name": "store", "ready": True, "code": None, "seconds": 0.001, "age_seconds": 3.2}
            ],
        }
    )

    status: Literal["ready", "not ready", "stopping"]
    dependencies: list[DependencyOut]


class CorpusOut(BaseModel):
    """The notes that you may see."""

    notes: int
    passages: int
    images: int = Field(description="that you may see")
    space_id: str
    dimension: int
    question_tokens_max: int


class LimitsOut(BaseModel):
    """What one may send."""

    question_characters_max: int
    body_bytes_max: int
    image_bytes_max: int = Field(description="of an image to ask with, before it is base64")
    requests_per_minute: int
    answers_each_max: int


class StatusOut(BaseModel):
    """How the service is."""

    model_config = example(
        {
            "status": "ready",
            "version": "0.1.0",
            "uptime_seconds": 3600.0,
            "dependencies": [],
            "corpus": {
                "notes": 137,
                "passages": 656,
                "images": 12,
                "space_id": "local/all-MiniLM-L6-v2/384/0123456789ab",
                "dimension": 384,
                "question_tokens_max": 254,
            },
            "model": {"provider": "extractive", "model": "sentence-selection", "label": None},
            "answers_running": 1,
            "answers_waiting": 0,
            "jobs_possible": True,
            "demo": False,
            "limits": {
                "question_characters_max": 2000,
                "body_bytes_max": 65536,
                "image_bytes_max": 16777216,
                "requests_per_minute": 240,
                "answers_each_max": 8,
            },
        }
    )

    status: Literal["ready", "not ready", "stopping"]
    version: str
    uptime_seconds: float
    dependencies: list[DependencyOut]
    corpus: CorpusOut | None = Field(description="null while the notes cannot be opened")
    model: ModelOut | None
    answers_running: int
    answers_waiting: int
    jobs_possible: bool = Field(description="whether the service has an inbox to index")
    demo: bool
    limits: LimitsOut
