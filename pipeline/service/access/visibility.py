"""From what is kept about a person to the notes that exist for them.

A person is restricted by domain, by patient group, by both, or not at all. Not restricted must be said; a person about
whom nothing was set sees nothing. A change of a group counts from the next request on, in every process: the cached
members carry the group's revision and are used only while that is still the current one. Knows no request.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from pipeline.errors import BadRequest
from pipeline.records import EVERYTHING, AccessScope
from pipeline.service.database.tables import PatientGroup, PatientGroupMember, User, UserScope
from pipeline.service.errors import NotKnown

GROUPS_CACHED = 256


_SEEN = (  # made once: every request of a restricted person runs it
    select(UserScope.domain, UserScope.group_id, PatientGroup.revision)
    .outerjoin(PatientGroup, PatientGroup.id == UserScope.group_id)
    .where(UserScope.user_id == bindparam("user_id"))
)


@dataclass(frozen=True, slots=True)
class Visibility:
    """Which notes a user may see. None: no restriction of that kind. Empty: none at all. Both must hold."""

    domains: frozenset[str] | None = frozenset()
    group_ids: frozenset[str] | None = frozenset()


NOTHING = Visibility()
ALL_NOTES = Visibility(domains=None, group_ids=None)


class Scopes:
    """Access scopes of people, with the members of groups cached. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: OrderedDict[str, tuple[int, frozenset[str]]] = OrderedDict()

    def of(self, session: Session, user: User) -> AccessScope:
        """The notes that exist for this person now."""
        if user.all_domains and user.all_patients:
            return EVERYTHING
        rows = session.connection().execute(_SEEN, {"user_id": user.id}).all()
        domains = frozenset(domain for domain, _, _ in rows if domain is not None)
        groups = [(group, revision) for _, group, revision in rows if group is not None]
        patients = frozenset().union(*(self._group(session, group, revision) for group, revision in groups))
        return AccessScope(
            domains=None if user.all_domains else domains, patient_ids=None if user.all_patients else patients
        )

    def _group(self, session: Session, group_id: str, revision: int) -> frozenset[str]:
        with self._lock:
            known = self._members.get(group_id)
            if known is not None and known[0] == revision:
                self._members.move_to_end(group_id)
                return known[1]
        members = frozenset(group_members(session, group_id))
        with self._lock:
            self._members[group_id] = (revision, members)
            while len(self._members) > GROUPS_CACHED:
                self._members.popitem(last=False)
        return members


def visibility_of(session: Session, user: User) -> Visibility:
    """What is kept about this person."""
    rows = []
    if not (user.all_domains and user.all_patients):
        rows = list(
            session.execute(select(UserScope.domain, UserScope.group_id).where(UserScope.user_id == user.id))
        )
    domains = frozenset(domain for domain, _ in rows if domain is not None)
    groups = frozenset(group for _, group in rows if group is not None)
    return Visibility(None if user.all_domains else domains, None if user.all_patients else groups)


def set_visibility(session: Session, user: User, wanted: Visibility) -> None:
    """Replace what this person may see. Raises BadRequest for an empty domain, NotKnown for a group that is not."""
    if any(not domain or len(domain) > 400 for domain in wanted.domains or ()):
        raise BadRequest("A domain has 1 to 400 characters.", remedy="Name it as the notes do.")
    for group_id in wanted.group_ids or ():
        if session.get(PatientGroup, group_id) is None:
            raise NotKnown("There is no such patient group.", remedy="Choose one from the list of groups.")
    user.all_domains = wanted.domains is None
    user.all_patients = wanted.group_ids is None
    session.execute(delete(UserScope).where(UserScope.user_id == user.id))
    session.add_all(UserScope(user_id=user.id, domain=domain) for domain in sorted(wanted.domains or ()))
    session.add_all(UserScope(user_id=user.id, group_id=group) for group in sorted(wanted.group_ids or ()))
    session.flush()


def group_members(session: Session, group_id: str) -> list[str]:
    """The patients of a group, in order."""
    return list(
        session.scalars(
            select(PatientGroupMember.patient_id)
            .where(PatientGroupMember.group_id == group_id)
            .order_by(PatientGroupMember.patient_id)
        )
    )
