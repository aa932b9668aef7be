"""Patient groups: sets of patients that people may be allowed to see together. Administrators make and fill them.

Who is in a group is itself sensitive, so the audit log has numbers of members and a salted fingerprint of them, and no
patient. A group that is removed takes its patients away from every user who saw them through it, and gives no one more.
Knows no page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from pipeline.errors import BadRequest
from pipeline.service.access.policy import Action, Principal, require
from pipeline.service.access.visibility import group_members
from pipeline.service.audit.chain import AuditLog
from pipeline.service.audit.rights import members_print
from pipeline.service.database.engine import State, StateSession
from pipeline.service.database.tables import PatientGroup, PatientGroupMember, new_id
from pipeline.service.errors import Conflict, NotKnown

MEMBERS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Group:
    id: str
    name: str
    members: int
    created_at: dt.datetime


class Groups:
    """The patient groups of one state. Everything needs MANAGE_PEOPLE."""

    def __init__(self, state: State, audit: AuditLog) -> None:
        self._state = state
        self._audit = audit

    def all(self, actor: Principal) -> list[Group]:
        """Every group by name, with the number of its members."""
        require(actor, Action.MANAGE_PEOPLE)
        counted = (
            select(PatientGroup, func.count(PatientGroupMember.patient_id))
            .outerjoin(PatientGroupMember, PatientGroupMember.group_id == PatientGroup.id)
            .group_by(PatientGroup.id)
            .order_by(PatientGroup.name)
        )
        with self._state.reading() as session:
            return [_group(row, number) for row, number in session.execute(counted)]

    def members(self, actor: Principal, group_id: str) -> list[str]:
        """The patients of a group, in order. The look is in the audit log."""
        require(actor, Action.MANAGE_PEOPLE)
        with self._state.reading() as session:
            _row(session, group_id)
            found = group_members(session, group_id)
        self._audit.record(actor, "group-read", f"group:{group_id}")
        return found

    def create(self, actor: Principal, name: str, patient_ids: Iterable[str] = ()) -> Group:
        """A new group with these patients. Raises Conflict where the name is taken."""
        require(actor, Action.MANAGE_PEOPLE)
        wanted = _patients(patient_ids)
        with self._state.session() as session:
            row = PatientGroup(name=_free_name(session, name), revision=0)
            session.add(row)
            session.flush()
            self._audit.append(session, actor, "group-created", f"group:{row.id}", details={"name": row.name})
            if wanted:
                self._fill(session, actor, row, set(), wanted)
            return _group(row, len(wanted))

    def change(
        self,
        actor: Principal,
        group_id: str,
        *,
        name: str | None = None,
        members: Iterable[str] | None = None,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
    ) -> Group:
        """What is given: all of it, or nothing where a part is refused. Counts from the next request on.

        `members`: exactly these patients; None: those who are in it. `remove` passes over who is not in it. Raises
        Conflict where the name is taken.
        """
        require(actor, Action.MANAGE_PEOPLE)
        exactly = None if members is None else _patients(members)
        fresh, gone = _patients(add), _patients(remove)
        with self._state.session() as session:
            row = _row(session, group_id, lock=True)
            if name is not None:
                row.name = _free_name(session, name, but=group_id)
                details = {"name": row.name}
                self._audit.append(session, actor, "group-renamed", f"group:{row.id}", details=details)
            before = set(group_members(session, group_id))
            after = ((before if exactly is None else exactly) | fresh) - gone
            if exactly is not None or fresh or gone:
                self._fill(session, actor, row, before, after)
            return _group(row, len(after))

    def delete(self, actor: Principal, group_id: str) -> None:
        """Remove a group. Users who saw patients only through it no longer see them."""
        require(actor, Action.MANAGE_PEOPLE)
        with self._state.session() as session:
            session.delete(_row(session, group_id))
            self._audit.append(session, actor, "group-deleted", f"group:{group_id}")

    def _fill(
        self, session: StateSession, actor: Principal, row: PatientGroup, before: set[str], after: set[str]
    ) -> None:
        _remove(session, row.id, sorted(before - after))
        if fresh := [{"group_id": row.id, "patient_id": patient} for patient in sorted(after - before)]:
            session.execute(insert(PatientGroupMember), fresh)
        row.revision += 1
        row.salt = row.salt or new_id()
        details = {
            "added": len(after - before),
            "removed": len(before - after),
            "members": len(after),
            "members_sha256": members_print(row, list(after)),
        }
        self._audit.append(session, actor, "group-changed", f"group:{row.id}", details=details)


def _remove(session: Session, group_id: str, patient_ids: list[str]) -> None:
    for start in range(0, len(patient_ids), MEMBERS_AT_ONCE):
        some = patient_ids[start : start + MEMBERS_AT_ONCE]
        session.execute(
            delete(PatientGroupMember).where(
                PatientGroupMember.group_id == group_id, PatientGroupMember.patient_id.in_(some)
            )
        )


def _patients(patient_ids: Iterable[str]) -> set[str]:
    found = set(patient_ids)
    if any(not patient.strip() or len(patient) > 400 or "\x00" in patient for patient in found):
        raise BadRequest("A patient id has 1 to 400 characters.", remedy="Write it as the notes do.")
    return found


def _row(session: Session, group_id: str, *, lock: bool = False) -> PatientGroup:
    row = session.get(PatientGroup, group_id, with_for_update=True if lock else None)
    if row is None:
        raise NotKnown("There is no such patient group.", remedy="Choose one from the list of groups.")
    return row


def _free_name(session: Session, name: str, *, but: str | None = None) -> str:
    wanted = " ".join(name.split())
    if not 1 <= len(wanted) <= 200 or not wanted.isprintable():
        raise BadRequest("A group's name has 1 to 200 characters.", remedy="Name the ward or the study.")
    taken = session.scalar(select(PatientGroup.id).where(PatientGroup.name == wanted))
    if taken is not None and taken != but:
        raise Conflict("A group has that name already.", remedy="Choose another name.")
    return wanted


def _group(row: PatientGroup, members: int) -> Group:
    return Group(row.id, row.name, members, row.created_at)
