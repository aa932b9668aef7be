"""People, what they may see, and keys for programs. A secret is shown in one answer and never again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse

from pipeline.errors import BadRequest, ChartwellError
from pipeline.service.access.groups import Group
from pipeline.service.access.policy import ROLES, Action, Principal, Role, actions_of
from pipeline.service.access.users import Invitation
from pipeline.service.access.visibility import NOTHING, Visibility
from pipeline.service.dependencies import PrincipalHere, Services, ServicesDep, requires
from pipeline.service.pages.dependencies import Line, Lines, RendererHere, ThingId, see_other
from pipeline.service.pages.rendering import Renderer
from pipeline.service.schemas.fields import Text

router = APIRouter(include_in_schema=False)

PEOPLE = [requires(Action.MANAGE_PEOPLE)]
KEYS = [requires(Action.MANAGE_KEYS)]
DOMAINS_MAX = 200
Area = Annotated[Text, Form(max_length=65_536)]


@router.get("/people", dependencies=PEOPLE)
def people(
    request: Request, services: ServicesDep, principal: PrincipalHere, renderer: RendererHere
) -> HTMLResponse:
    """All users."""
    return _people(request, services, principal, renderer)


def _people(
    request: Request, services: Services, principal: Principal, renderer: Renderer, **more: Any
) -> HTMLResponse:
    return renderer.page(
        request,
        "people.html",
        here="people",
        people=services.people.everybody(principal),
        groups=_groups(services, principal),
        domains=_domains(services, principal),
        sees_nothing=NOTHING,
        **{"invitation": None, "invited": "", "invitation_until": "", **more},
    )


@router.post("/people", dependencies=PEOPLE)
def create(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    name: Line = "",
    display_name: Line = "",
    role: Line = "reader",
    domains_kind: Line = "some",
    domains: Lines = [],  # noqa: B006  FastAPI's way to say that it may be absent
    domains_more: Line = "",
    groups_kind: Line = "some",
    group_ids: Lines = [],  # noqa: B006
) -> HTMLResponse:
    """Invite someone, and show their link."""
    wanted = _sees(domains_kind, domains, domains_more, groups_kind, group_ids)
    person, invitation = services.people.create(
        principal, name, role=_role(role), display_name=display_name, sees=wanted
    )
    shown = _shown(services, invitation)
    return _people(request, services, principal, renderer, invited=person.display_name, **shown)


@router.get("/people/{user_id}", dependencies=PEOPLE)
def person(
    user_id: ThingId,
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
) -> HTMLResponse:
    """One person."""
    return _person(user_id, request, services, principal, renderer)


def _person(
    user_id: str,
    request: Request,
    services: Services,
    principal: Principal,
    renderer: Renderer,
    **more: Any,
) -> HTMLResponse:
    return renderer.page(
        request,
        "person.html",
        here="people",
        person=services.people.person(principal, user_id),
        groups=_groups(services, principal),
        domains=_domains(services, principal),
        **{"invitation": None, "invitation_until": "", **more},
    )


@router.post("/people/{user_id}", dependencies=PEOPLE)
def change(
    user_id: ThingId,
    services: ServicesDep,
    principal: PrincipalHere,
    display_name: Line = "",
    role: Line = "",
    domains_kind: Line = "some",
    domains: Lines = [],  # noqa: B006
    domains_more: Line = "",
    groups_kind: Line = "some",
    group_ids: Lines = [],  # noqa: B006
) -> RedirectResponse:
    """Name, role and what they may see, each only where it differs: every change is told to the audit log."""
    before = services.people.person(principal, user_id)
    wanted = _sees(domains_kind, domains, domains_more, groups_kind, group_ids)
    services.people.change(
        principal,
        user_id,
        display_name=display_name if display_name.strip() not in {"", before.display_name} else None,
        role=_role(role) if role != before.role else None,
        sees=wanted if wanted != before.sees else None,
    )
    return see_other(f"/people/{user_id}", "saved")


@router.post("/people/{user_id}/link", dependencies=PEOPLE)
def link(
    user_id: ThingId,
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
) -> HTMLResponse:
    """A new one-time link, shown once."""
    shown = _shown(services, services.people.invite(principal, user_id))
    return _person(user_id, request, services, principal, renderer, **shown)


@router.post("/people/{user_id}/sign-out", dependencies=PEOPLE)
def sign_out(user_id: ThingId, services: ServicesDep, principal: PrincipalHere) -> RedirectResponse:
    """End every sign-in of this person."""
    services.people.person(principal, user_id)
    services.sign_ins.sign_out_everywhere(principal, user_id)
    return see_other(f"/people/{user_id}", "signed-out")


@router.post("/people/{user_id}/active", dependencies=PEOPLE)
def set_active(
    user_id: ThingId, services: ServicesDep, principal: PrincipalHere, active: Line = ""
) -> RedirectResponse:
    """Deactivate, or let in again."""
    change_ = services.people.activate if active == "yes" else services.people.deactivate
    change_(principal, user_id)
    return see_other(f"/people/{user_id}", "saved")


@router.get("/groups", dependencies=PEOPLE)
def groups(
    request: Request, services: ServicesDep, principal: PrincipalHere, renderer: RendererHere
) -> HTMLResponse:
    """Every group, with numbers of patients: who is in one is looked at one group at a time."""
    return renderer.page(request, "groups.html", here="people", groups=_groups(services, principal))


@router.post("/groups", dependencies=PEOPLE)
def create_group(
    services: ServicesDep, principal: PrincipalHere, name: Line = "", patient_ids: Area = ""
) -> RedirectResponse:
    """A new group with these patients. It is shown immediately, with the patients of whom there are no notes."""
    made = services.groups.create(principal, name, _lines(patient_ids))
    return see_other(f"/groups/{made.id}", "saved")


@router.get("/groups/{group_id}", dependencies=PEOPLE)
def group(
    group_id: ThingId,
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
) -> HTMLResponse:
    """One group with its patients. The look is in the audit log."""
    members = services.groups.members(principal, group_id)
    found = next(each for each in _groups(services, principal) if each.id == group_id)
    unknown = services.corpus.without_notes(members, principal.scope)
    return renderer.page(
        request, "group.html", here="people", group=found, members=members, without_notes=unknown
    )


@router.post("/groups/{group_id}", dependencies=PEOPLE)
def change_group(
    group_id: ThingId,
    services: ServicesDep,
    principal: PrincipalHere,
    name: Line = "",
    patient_ids: Area = "",
) -> RedirectResponse:
    """Its name, and exactly these patients, from the next request on."""
    before = next((each for each in _groups(services, principal) if each.id == group_id), None)
    new_name = name if before is None or name != before.name else None
    services.groups.change(principal, group_id, name=new_name, members=_lines(patient_ids))
    return see_other(f"/groups/{group_id}", "saved")


@router.post("/groups/{group_id}/delete", dependencies=PEOPLE)
def delete_group(group_id: ThingId, services: ServicesDep, principal: PrincipalHere) -> RedirectResponse:
    """Remove it. Users who saw patients only through it no longer see them."""
    services.groups.delete(principal, group_id)
    return see_other("/groups", "deleted")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


@router.get("/keys", dependencies=KEYS)
def keys(
    request: Request, services: ServicesDep, principal: PrincipalHere, renderer: RendererHere
) -> HTMLResponse:
    """Every key."""
    return _keys(request, services, principal, renderer)


def _keys(
    request: Request, services: Services, principal: Principal, renderer: Renderer, **more: Any
) -> HTMLResponse:
    return renderer.page(
        request,
        "keys.html",
        here="people",
        keys=services.keys.all(principal),
        people=[each for each in services.people.everybody(principal) if each.active],
        actions=sorted(action.value for action in actions_of("administrator")),
        key_days_max=services.settings.service.key_days_max,
        **{"secret": None, "secret_name": "", **more},
    )


@router.post("/keys", dependencies=KEYS)
def create_key(
    request: Request,
    services: ServicesDep,
    principal: PrincipalHere,
    renderer: RendererHere,
    user_id: Line = "",
    name: Line = "",
    actions: Lines = [],  # noqa: B006
    days: Line = "",
) -> HTMLResponse:
    """A key, and its text, which is nowhere kept."""
    if not days.isdecimal():
        raise BadRequest("The days that a key works are a number.", remedy="Write one, for example 90.")
    key, text = services.keys.create(principal, user_id, name, actions, days=int(days))
    return _keys(request, services, principal, renderer, secret=text, secret_name=key.name)


@router.post("/keys/{key_id}/revoke", dependencies=KEYS)
def revoke(key_id: ThingId, services: ServicesDep, principal: PrincipalHere) -> RedirectResponse:
    """End a key now."""
    services.keys.revoke(principal, key_id)
    return see_other("/keys", "revoked")


def _shown(services: Services, invitation: Invitation) -> dict[str, Any]:
    return {
        "invitation": services.url + invitation.path,
        "invitation_until": invitation.expires_at.strftime("%Y-%m-%d %H:%M UTC"),
    }


def _role(given: str) -> Role:
    for role in ROLES:
        if role == given:
            return role
    raise BadRequest("There is no such role.", remedy=f"Choose one of {', '.join(ROLES)}.")


def _sees(
    domains_kind: str, domains: list[str], domains_more: str, groups_kind: str, group_ids: list[str]
) -> Visibility:
    """What the form says. Whatever it does not say restricts."""
    more = [word.strip() for word in domains_more.split(",") if word.strip()]
    return Visibility(
        domains=None if domains_kind == "all" else frozenset([*domains, *more]),
        group_ids=None if groups_kind == "all" else frozenset(group_ids),
    )


def _groups(services: Services, principal: Principal) -> list[Group]:
    return services.groups.all(principal)


def _domains(services: Services, principal: Principal) -> list[str]:
    """Domains that occur in notes which the administrator may see, and those that were given to a user before."""
    given = {name for each in services.people.everybody(principal) for name in each.sees.domains or ()}
    try:
        with services.corpus.answering() as answering:
            given |= set(answering.store.values("domain", principal.scope, limit=DOMAINS_MAX))
    except ChartwellError:
        pass  # the notes cannot be opened right now; domains can still be typed
    return sorted(given)
