"""People and their keys over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from pipeline.config import Role
from pipeline.service.access.keys import Key
from pipeline.service.access.policy import Action
from pipeline.service.access.users import Person
from pipeline.service.access.visibility import Visibility
from pipeline.service.schemas.fields import Body, Id, Ids, example, storable_text


class SeesFields(Body):
    """Which notes a user may see. null: no restriction of that kind; an empty list: none at all. Both must hold."""

    domains: Ids | None = Field(description="domains of notes")
    group_ids: Ids | None = Field(description="patient groups")

    def sees(self) -> Visibility:
        return Visibility(
            None if self.domains is None else frozenset(self.domains),
            None if self.group_ids is None else frozenset(self.group_ids),
        )

    @classmethod
    def of(cls, seen: Visibility) -> SeesFields:
        return cls(
            domains=None if seen.domains is None else sorted(seen.domains),
            group_ids=None if seen.group_ids is None else sorted(seen.group_ids),
        )


class PersonRequest(Body):
    """Invite someone. They see nothing unless you say what."""

    model_config = example(
        {
            "name": "a.mitchell",
            "display_name": "Dr A. Mitchell",
            "role": "reader",
            "sees": {"domains": ["outpatient"], "group_ids": None},
        },
        body=True,
    )

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(storable_text)] = Field(
        description="what they type to sign in"
    )
    display_name: Annotated[str, Field(max_length=200), AfterValidator(storable_text)] = ""
    role: Role = "reader"
    sees: SeesFields = SeesFields(domains=[], group_ids=[])


class PersonChange(Body):
    """What is not given stays as it is."""

    model_config = example({"role": "contributor"}, body=True)

    display_name: (
        Annotated[str, Field(min_length=1, max_length=200), AfterValidator(storable_text)] | None
    ) = None
    role: Role | None = None
    active: bool | None = Field(None, description="false ends their sign-ins and keys immediately")
    sees: SeesFields | None = None


_PERSON = {
    "id": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
    "name": "a.mitchell",
    "display_name": "Dr A. Mitchell",
    "role": "reader",
    "active": True,
    "sees": {"domains": ["outpatient"], "group_ids": None},
    "has_password": False,
    "from_provider": False,
    "created_at": "2026-01-31T12:00:00Z",
    "signed_in_at": None,
}


class PersonOut(BaseModel):
    """A user who is let in, or was."""

    model_config = example(_PERSON)

    id: str
    name: str
    display_name: str
    role: Role
    active: bool
    sees: SeesFields
    has_password: bool
    from_provider: bool = Field(description="signs in with the identity provider")
    created_at: datetime
    signed_in_at: datetime | None

    @classmethod
    def of(cls, person: Person) -> PersonOut:
        fields = {name: getattr(person, name) for name in cls.model_fields if name != "sees"}
        return cls(**fields, sees=SeesFields.of(person.sees))


class PeopleOut(BaseModel):
    people: list[PersonOut]


class InvitationOut(BaseModel):
    """A one-time link with which a user chooses a password. It is shown once."""

    model_config = example(
        {
            "person": _PERSON,
            "url": "https://notes.example.org/welcome#AbC",
            "expires_at": "2026-02-01T12:00:00Z",
        }
    )

    person: PersonOut
    url: str
    expires_at: datetime


class KeyRequest(Body):
    """A key for a program. It does what its person's role allows and it was made for, and sees what they see."""

    model_config = example(
        {
            "user_id": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
            "name": "ward dashboard",
            "actions": ["ask", "read-note"],
            "days": 90,
        },
        body=True,
    )

    user_id: Id
    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(storable_text)]
    actions: Annotated[list[Annotated[Action, Field(strict=False)]], Field(min_length=1, max_length=50)]
    days: int = Field(90, ge=1, le=3650)


_KEY = {
    "id": "4a0c9f6f7c0b4b54b0a7c2c3c7f7a888",
    "user_id": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
    "owner": "Dr A. Mitchell",
    "name": "ward dashboard",
    "prefix": "cw_abcdefghjk",
    "actions": ["ask", "read-note"],
    "created_at": "2026-01-31T12:00:00Z",
    "expires_at": "2026-05-01T12:00:00Z",
    "revoked_at": None,
    "used_at": None,
    "works": True,
}


class KeyOut(BaseModel):
    model_config = example(_KEY)

    id: str
    user_id: str
    owner: str
    name: str
    prefix: str = Field(description="how the key begins")
    actions: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None
    works: bool

    @classmethod
    def of(cls, key: Key) -> KeyOut:
        return cls(**{name: getattr(key, name) for name in cls.model_fields})


class KeysOut(BaseModel):
    keys: list[KeyOut]


class NewKeyOut(BaseModel):
    """A new key. Its text is shown now and never again."""

    model_config = example({"key": _KEY, "text": "cw_abcdefghjk_..."})

    key: KeyOut
    text: str


class MeOut(BaseModel):
    """Who you are to the service."""

    model_config = example(
        {
            "id": "2c0c9f6f7c0b4b54b0a7c2c3c7f7a777",
            "name": "Dr A. Mitchell",
            "role": "reader",
            "kind": "key",
            "actions": ["ask", "read-note"],
        }
    )

    id: str
    name: str
    role: Role
    kind: Literal["user", "key", "demo"]
    actions: list[str] = Field(description="what you may do")
