"""People: only administrators change them, every change is told, and someone is always left who can."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable

import pytest

from pipeline.config import Settings
from pipeline.errors import BadRequest
from pipeline.service.access.factory import Access, open_access
from pipeline.service.access.policy import ROLES, Principal, Role
from pipeline.service.access.visibility import ALL_NOTES, NOTHING, Visibility
from pipeline.service.database.engine import State
from pipeline.service.errors import Conflict, Forbidden, NotKnown
from tests.service.access.test_sessions import person


def counts_told(access: Access) -> dict[str, object]:
    """Of the last change of a group: numbers, and of its patients nothing but a fingerprint."""
    found = told(access, "group-changed")
    assert re.fullmatch(r"[0-9a-f]{64}", str(found.pop("members_sha256")))
    return found


def told(access: Access, action: str) -> dict[str, object]:
    """What the audit log has of the last such action."""
    details: dict[str, object] = json.loads(access.audit.page(action=action, limit=1)[0].details)
    return details


def test_a_new_person_sees_nothing(access: Access, administrator: Principal) -> None:
    created, _ = access.people.create(administrator, "Anna", display_name="Anna  A.")
    assert (created.name, created.display_name, created.role, created.sees) == (
        "anna",
        "Anna A.",
        "reader",
        NOTHING,
    )
    assert not created.has_password
    assert access.people.person(administrator, created.id) == created
    assert [each.name for each in access.people.everybody(administrator)] == ["ada", "anna"]
    assert told(access, "person-created") == {"name": "anna", "role": "reader", "domains": [], "groups": []}


def test_a_name_is_taken_whatever_its_case(access: Access, administrator: Principal) -> None:
    access.people.create(administrator, "anna")
    with pytest.raises(Conflict):
        access.people.create(administrator, "ANNA")


@pytest.mark.parametrize("name", ["", " ", "a b", "a\x00b", "x" * 201])
def test_what_is_no_name(access: Access, administrator: Principal, name: str) -> None:
    with pytest.raises(BadRequest):
        access.people.create(administrator, name)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "administrator"])
def test_nobody_else_changes_people(access: Access, administrator: Principal, role: Role) -> None:
    """Not others, and above all not themselves."""
    me = person(access, administrator, role=role).current.principal
    before = access.people.everybody(administrator)
    calls: list[Callable[[], object]] = [
        lambda: access.people.create(me, "eve", role="administrator", sees=ALL_NOTES),
        lambda: access.people.change(me, me.id, role="administrator"),
        lambda: access.people.change(me, me.id, sees=ALL_NOTES),
        lambda: access.people.deactivate(me, administrator.id),
        lambda: access.people.activate(me, me.id),
        lambda: access.people.change(me, me.id, display_name="M"),
        lambda: access.people.invite(me, administrator.id),
        lambda: access.people.everybody(me),
        lambda: access.people.person(me, administrator.id),
        lambda: access.sign_ins.sign_out_everywhere(me, administrator.id),
        lambda: access.groups.create(me, "ward"),
        lambda: access.groups.all(me),
    ]
    for call in calls:
        with pytest.raises(Forbidden):
            call()
    assert access.people.everybody(administrator) == before


def test_a_role_changes_at_once(access: Access, administrator: Principal) -> None:
    anna = person(access, administrator)
    access.people.change(administrator, anna.current.principal.id, role="reviewer")
    assert access.sign_ins.require_current(anna.token).principal.role == "reviewer"
    assert told(access, "role-changed") == {"before": "reader", "after": "reviewer"}
    with pytest.raises(BadRequest):
        access.people.change(administrator, anna.current.principal.id, role="owner")  # type: ignore[arg-type]


def test_whoever_is_deactivated_is_out_at_once(access: Access, administrator: Principal) -> None:
    anna = person(access, administrator)
    again = access.people.invite(administrator, anna.current.principal.id)
    access.people.deactivate(administrator, anna.current.principal.id)
    assert access.sign_ins.current(anna.token) is None
    assert access.sign_ins.link(again.token) is None
    with pytest.raises(Conflict):
        access.people.invite(administrator, anna.current.principal.id)
    assert access.people.activate(administrator, anna.current.principal.id).active
    assert access.sign_ins.current(anna.token) is None


def test_the_last_administrator_stays(access: Access, administrator: Principal) -> None:
    for leave in (
        lambda: access.people.deactivate(administrator, administrator.id),
        lambda: access.people.change(administrator, administrator.id, role="reader"),
    ):
        with pytest.raises(Conflict, match="only active administrator"):
            leave()
    second = person(access, administrator, "bert", role="administrator").current.principal
    access.people.deactivate(administrator, second.id)
    with pytest.raises(Conflict):
        access.people.deactivate(administrator, administrator.id)
    access.people.activate(administrator, second.id)
    access.people.change(second, administrator.id, role="reader")


def test_two_administrators_cannot_both_leave_at_the_same_moment(
    access: Access, administrator: Principal
) -> None:
    second = person(access, administrator, "bert", role="administrator").current.principal
    results: list[str] = []
    barrier = threading.Barrier(2)

    def leave(who: Principal) -> None:
        barrier.wait()
        try:
            access.people.deactivate(who, who.id)
            results.append("left")
        except Conflict:
            results.append("stayed")

    threads = [threading.Thread(target=leave, args=(who,)) for who in (administrator, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["left", "stayed"]


def test_somebody_who_is_not_is_not_known(access: Access, administrator: Principal) -> None:
    for call in (
        lambda: access.people.person(administrator, "x"),
        lambda: access.people.change(administrator, "x", role="reader"),
        lambda: access.people.invite(administrator, "x"),
        lambda: access.people.change(
            administrator, administrator.id, sees=Visibility(None, frozenset({"no-group"}))
        ),
    ):
        with pytest.raises(NotKnown):
            call()


def test_domains_and_groups_both_hold(access: Access, administrator: Principal) -> None:
    ward = access.groups.create(administrator, "ward 3")
    study = access.groups.create(administrator, "study")
    access.groups.change(administrator, ward.id, members=["p1", "p2"])
    access.groups.change(administrator, study.id, members=["p2", "p3"])
    anna = person(
        access, administrator, sees=Visibility(frozenset({"radiology"}), frozenset({ward.id, study.id}))
    )
    scope = access.sign_ins.require_current(anna.token).principal.scope
    assert scope.domains == {"radiology"}
    assert scope.patient_ids == {"p1", "p2", "p3"}
    assert told(access, "person-created")["groups"] == sorted([ward.id, study.id])


def test_somebody_about_whom_nothing_was_said_sees_nothing(access: Access, administrator: Principal) -> None:
    scope = person(access, administrator).current.principal.scope
    assert (scope.domains, scope.patient_ids) == (frozenset(), frozenset())
    assert not scope.admits("radiology", "p1")


def test_a_change_of_a_group_counts_from_the_next_request(
    access: Access, administrator: Principal, state: State, settings: Settings
) -> None:
    ward = access.groups.create(administrator, "ward 3")
    access.groups.change(administrator, ward.id, members=["p1"])
    anna = person(access, administrator, sees=Visibility(None, frozenset({ward.id})))

    def seen(through: Access) -> frozenset[str] | None:
        return through.sign_ins.require_current(anna.token).principal.scope.patient_ids

    other_process = open_access(state, settings)
    assert seen(access) == seen(other_process) == {"p1"}
    access.groups.change(administrator, ward.id, members=["p2", "p3", "p2"])
    assert seen(access) == seen(other_process) == {"p2", "p3"}
    access.groups.change(administrator, ward.id, add=["p4"])
    assert seen(access) == seen(other_process) == {"p2", "p3", "p4"}
    access.groups.change(administrator, ward.id, remove=["p2", "p9"])
    assert seen(access) == seen(other_process) == {"p3", "p4"}
    access.groups.delete(administrator, ward.id)
    assert seen(access) == seen(other_process) == frozenset(), "a group that is gone widens nothing"


def test_groups(access: Access, administrator: Principal) -> None:
    ward = access.groups.create(administrator, " ward   3 ")
    assert ward.name == "ward 3"
    with pytest.raises(Conflict):
        access.groups.create(administrator, "ward 3")
    access.groups.change(administrator, ward.id, members=["p2", "p1"])
    (listed,) = access.groups.all(administrator)
    assert (listed.name, listed.members) == ("ward 3", 2)
    assert access.groups.members(administrator, ward.id) == ["p1", "p2"]
    assert counts_told(access) == {"added": 2, "removed": 0, "members": 2}
    assert access.groups.change(administrator, ward.id, name="ward 4").name == "ward 4"
    for bad in ([""], ["x" * 401], [" "]):
        with pytest.raises(BadRequest):
            access.groups.change(administrator, ward.id, members=bad)
    for call in (
        lambda: access.groups.change(administrator, "x", members=["p"]),
        lambda: access.groups.members(administrator, "x"),
        lambda: access.groups.delete(administrator, "x"),
        lambda: access.groups.change(administrator, "x", name="y"),
    ):
        with pytest.raises(NotKnown):
            call()


def test_the_last_change_of_scope_is_told_with_what_was_before(
    access: Access, administrator: Principal
) -> None:
    anna = person(access, administrator).current.principal
    access.people.change(administrator, anna.id, sees=Visibility(None, frozenset()))
    assert told(access, "scope-changed") == {
        "before": {"domains": [], "groups": []},
        "after": {"domains": None, "groups": []},
    }


def test_a_change_of_a_person_that_is_refused_changes_nothing(
    access: Access, administrator: Principal
) -> None:
    anna = person(access, administrator).current.principal
    before, rows = access.people.person(administrator, anna.id), list(access.audit.rows())
    nowhere = Visibility(None, frozenset({"no-group"}))
    refused: list[tuple[Callable[[], object], type[Exception]]] = [
        (lambda: access.people.change(administrator, anna.id, role="administrator", sees=nowhere), NotKnown),
        (
            lambda: access.people.change(administrator, anna.id, display_name="x" * 201, active=False),
            BadRequest,
        ),
        (lambda: access.people.change(administrator, anna.id, display_name="Anna", sees=nowhere), NotKnown),
        (lambda: access.people.change(anna, anna.id, role="administrator"), Forbidden),
        (lambda: access.people.change(administrator, administrator.id, sees=NOTHING, active=False), Conflict),
        (
            lambda: access.people.change(administrator, administrator.id, sees=NOTHING, role="reader"),
            Conflict,
        ),
    ]
    for call, error in refused:
        with pytest.raises(error):
            call()
    assert access.people.person(administrator, anna.id) == before
    assert list(access.audit.rows()) == rows


def test_each_part_of_a_change_of_a_person_is_told(access: Access, administrator: Principal) -> None:
    anna = person(access, administrator).current
    changed = access.people.change(
        administrator, anna.principal.id, display_name="A.", role="reviewer", sees=ALL_NOTES, active=False
    )
    assert (changed.display_name, changed.role, changed.sees, changed.active) == (
        "A.",
        "reviewer",
        ALL_NOTES,
        False,
    )
    assert [row.action for row in access.audit.page(subject=f"person:{anna.principal.id}", limit=4)] == [
        "person-deactivated",
        "scope-changed",
        "role-changed",
        "person-renamed",
    ]
    rows = len(list(access.audit.rows()))
    access.people.change(administrator, anna.principal.id, active=False)
    assert len(list(access.audit.rows())) == rows, "nothing was changed"


def test_a_change_of_a_group_that_is_refused_changes_nothing(
    access: Access, administrator: Principal
) -> None:
    ward = access.groups.create(administrator, "ward 3", ["p1", "p2"])
    assert counts_told(access) == {"added": 2, "removed": 0, "members": 2}
    access.groups.create(administrator, "study")
    before, rows = access.groups.all(administrator), list(access.audit.rows())
    refused: list[tuple[Callable[[], object], type[Exception]]] = [
        (lambda: access.groups.create(administrator, "ward 4", [" "]), BadRequest),
        (lambda: access.groups.create(administrator, "study", ["p1"]), Conflict),
        (lambda: access.groups.change(administrator, ward.id, name="study", add=["p3"]), Conflict),
        (lambda: access.groups.change(administrator, ward.id, name="ward 4", members=[" "]), BadRequest),
        (lambda: access.groups.change(administrator, ward.id, add=["p3"], remove=["x" * 401]), BadRequest),
        (lambda: access.groups.change(administrator, "x", add=["p3"]), NotKnown),
    ]
    for call, error in refused:
        with pytest.raises(error):
            call()
    assert access.groups.all(administrator) == before
    assert list(access.audit.rows()) == rows
    changed = access.groups.change(administrator, ward.id, name="ward 4", add=["p3", "p2"], remove=["p1"])
    assert (changed.name, access.groups.members(administrator, ward.id)) == ("ward 4", ["p2", "p3"])
    assert told(access, "group-renamed") == {"name": "ward 4"}
    assert counts_told(access) == {"added": 1, "removed": 1, "members": 2}
