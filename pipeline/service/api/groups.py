"""Patient groups: which patients people may be allowed to see together. For administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from pipeline.service.access.policy import Action
from pipeline.service.dependencies import PrincipalHere, ServicesDep, requires
from pipeline.service.problems import documented
from pipeline.service.schemas.fields import ID_CHARACTERS_MAX
from pipeline.service.schemas.groups import GroupChange, GroupOut, GroupRequest, GroupsOut, MembersOut

router = APIRouter(prefix="/v1/groups", tags=["people"], dependencies=[requires(Action.MANAGE_PEOPLE)])

GroupId = Annotated[str, Path(min_length=1, max_length=ID_CHARACTERS_MAX)]


@router.get("")
def list_groups(services: ServicesDep, principal: PrincipalHere) -> GroupsOut:
    """Every patient group, with the number of its patients."""
    return GroupsOut(groups=[GroupOut.of(group) for group in services.groups.all(principal)])


@router.post("", status_code=201, responses=documented(409))
def create_group(body: GroupRequest, services: ServicesDep, principal: PrincipalHere) -> GroupOut:
    """A new group, with its first patients."""
    return GroupOut.of(services.groups.create(principal, body.name, body.patient_ids))


@router.get("/{group_id}/members", responses=documented(404))
def list_members(group_id: GroupId, services: ServicesDep, principal: PrincipalHere) -> MembersOut:
    """The patients of a group. That you looked is in the audit log."""
    members = services.groups.members(principal, group_id)
    return MembersOut(
        patient_ids=members, without_notes=services.corpus.without_notes(members, principal.scope)
    )


@router.patch("/{group_id}", responses=documented(404, 409))
def change_group(
    group_id: GroupId, body: GroupChange, services: ServicesDep, principal: PrincipalHere
) -> GroupOut:
    """Its name and its patients, from the next request on: all that is given, or nothing where a part is refused."""
    group = services.groups.change(principal, group_id, name=body.name, add=body.add, remove=body.remove)
    return GroupOut.of(group)


@router.delete("/{group_id}", status_code=204, responses=documented(404))
def delete_group(group_id: GroupId, services: ServicesDep, principal: PrincipalHere) -> Response:
    """Remove it. Users who saw patients only through it no longer see them."""
    services.groups.delete(principal, group_id)
    return Response(status_code=204)
