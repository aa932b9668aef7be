"""Patient groups over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from pipeline.service.access.groups import Group
from pipeline.service.schemas.fields import Body, Id, example, storable_text

_GROUP = {
    "id": "8f0c9f6f7c0b4b54b0a7c2c3c7f7a999",
    "name": "Ward 7",
    "members": 1,
    "created_at": "2026-01-31T12:00:00Z",
}
GROUP_PATIENTS_MAX = 2000
"""In one request; larger groups are filled by several."""


class GroupRequest(Body):
    """A patient group: a ward, a study, a clinic."""

    model_config = example({"name": "Ward 7", "patient_ids": ["D2N006"]}, body=True)

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(storable_text)]
    patient_ids: Annotated[list[Id], Field(max_length=GROUP_PATIENTS_MAX)] = Field(default=[])


class GroupChange(Body):
    """What is not given stays as it is."""

    model_config = example({"add": ["D2N007"], "remove": ["D2N006"]}, body=True)

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(storable_text)] | None = None
    add: Annotated[list[Id], Field(max_length=GROUP_PATIENTS_MAX)] = Field(
        default=[], description="patients to take in"
    )
    remove: Annotated[list[Id], Field(max_length=GROUP_PATIENTS_MAX)] = Field(
        default=[], description="patients to take out; those that are not in it are passed over"
    )


class GroupOut(BaseModel):
    """A patient group without its patients."""

    model_config = example(_GROUP)

    id: str
    name: str
    members: int
    created_at: datetime

    @classmethod
    def of(cls, group: Group) -> GroupOut:
        return cls(**asdict(group))


class GroupsOut(BaseModel):
    """Patient groups by name."""

    groups: list[GroupOut]


class MembersOut(BaseModel):
    """The patients of a group, in order."""

    model_config = example({"patient_ids": ["D2N006", "D2N0O6"], "without_notes": ["D2N0O6"]})

    patient_ids: list[str]
    without_notes: list[str] | None = Field(
        description="of these, the patients for whom there is no note that you may see: not indexed yet, or misspelt; "
        "null where notes cannot be looked at now"
    )
