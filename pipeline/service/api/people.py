"""People, patient groups and keys: who is let in and what they may see. For administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from pipeline.service.access.policy import Action
from pipeline.service.access.users import Invitation, Person
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, known, requires
from pipeline.service.problems import documented
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX
from pipeline.service.schemas.people import (
    InvitationOut,
    KeyOut,
    KeyRequest,
    KeysOut,
    MeOut,
    NewKeyOut,
    PeopleOut,
    PersonChange,
    PersonOut,
    PersonRequest,
)

router = APIRouter(prefix="/v1")

ThingId = Annotated[str, Path(min_length=1, max_length=ID_CHARACTERS_MAX)]


@router.get("/me", tags=["people"], dependencies=[known()])
def me(principal: PrincipalHere) -> MeOut:
    """Who you are to the service, and what you may do."""
    return MeOut(
        id=principal.id,
        name=principal.name,
        role=principal.role,
        kind=principal.kind,
        actions=sorted(action.value for action in principal.actions),
    )


@router.get("/people", tags=["people"], dependencies=[requires(Action.MANAGE_PEOPLE)])
def list_people(services: ServicesDep, principal: PrincipalHere) -> PeopleOut:
    """All users, deactivated ones included."""
    return PeopleOut(people=[PersonOut.of(person) for person in services.people.everybody(principal)])


@router.post(
    "/people",
    status_code=201,
    tags=["people"],
    dependencies=[requires(Action.MANAGE_PEOPLE)],
    responses=documented(404, 409),
)
def create_person(body: PersonRequest, services: ServicesDep, principal: PrincipalHere) -> InvitationOut:
    """Invite someone, and get the one-time link with which they choose their password."""
    person, invitation = services.people.create(
        principal,
        body.name,
        role=body.role,
        display_name=body.display_name,
        sees=body.sees.sees(),
    )
    return _invitation(services, person, invitation)


@router.get(
    "/people/{user_id}",
    tags=["people"],
    dependencies=[requires(Action.MANAGE_PEOPLE)],
    responses=documented(404),
)
def get_person(user_id: ThingId, services: ServicesDep, principal: PrincipalHere) -> PersonOut:
    """One person."""
    return PersonOut.of(services.people.person(principal, user_id))


@router.patch(
    "/people/{user_id}",
    tags=["people"],
    dependencies=[requires(Action.MANAGE_PEOPLE)],
    responses=documented(404, 409),
)
def change_person(
    user_id: ThingId, body: PersonChange, services: ServicesDep, principal: PrincipalHere
) -> PersonOut:
    """Name, role, what they may see, and whether they are let in: all that is given, or nothing where a part is
    refused. The last administrator cannot be taken away."""
    person = services.people.change(
        principal,
        user_id,
        display_name=body.display_name,
        role=body.role,
        sees=body.sees.sees() if body.sees is not None else None,
        active=body.active,
    )
    return PersonOut.of(person)


@router.post(
    "/people/{user_id}/invitation",
    status_code=201,
    tags=["people"],
    dependencies=[requires(Action.MANAGE_PEOPLE)],
    responses=documented(404, 409),
)
def invite_person(user_id: ThingId, services: ServicesDep, principal: PrincipalHere) -> InvitationOut:
    """A new one-time link, also for a user who has forgotten their password. Earlier links stop working."""
    invitation = services.people.invite(principal, user_id)
    return _invitation(services, services.people.person(principal, user_id), invitation)


@router.delete(
    "/people/{user_id}/sign-ins",
    status_code=204,
    tags=["people"],
    dependencies=[requires(Action.MANAGE_PEOPLE)],
    responses=documented(404),
)
def end_sign_ins(user_id: ThingId, services: ServicesDep, principal: PrincipalHere) -> Response:
    """End every sign-in of a person now."""
    services.people.person(principal, user_id)
    services.sign_ins.sign_out_everywhere(principal, user_id)
    return Response(status_code=204)


def _invitation(services: Services, person: Person, invitation: Invitation) -> InvitationOut:
    return InvitationOut(
        person=PersonOut.of(person), url=services.url + invitation.path, expires_at=invitation.expires_at
    )


@router.get("/keys", tags=["keys"], dependencies=[requires(Action.MANAGE_KEYS)])
def list_keys(
    services: ServicesDep,
    principal: PrincipalHere,
    user_id: Annotated[str | None, Query(max_length=ID_CHARACTERS_MAX)] = None,
) -> KeysOut:
    """Every key, or one person's; expired and revoked ones included."""
    return KeysOut(keys=[KeyOut.of(key) for key in services.keys.all(principal, user_id)])


@router.post(
    "/keys",
    status_code=201,
    tags=["keys"],
    dependencies=[requires(Action.MANAGE_KEYS)],
    responses=documented(404, 409),
)
def create_key(body: KeyRequest, services: ServicesDep, principal: PrincipalHere) -> NewKeyOut:
    """A key for a program. Its text is in the answer and nowhere else."""
    key, text = services.keys.create(
        principal, body.user_id, body.name, [action.value for action in body.actions], days=body.days
    )
    return NewKeyOut(key=KeyOut.of(key), text=text)


@router.delete(
    "/keys/{key_id}",
    status_code=204,
    tags=["keys"],
    dependencies=[requires(Action.MANAGE_KEYS)],
    responses=documented(404, 409),
)
def revoke_key(key_id: ThingId, services: ServicesDep, principal: PrincipalHere) -> Response:
    """End a key now."""
    services.keys.revoke(principal, key_id)
    return Response(status_code=204)
