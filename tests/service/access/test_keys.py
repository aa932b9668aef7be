"""API keys: shown once, kept as a hash, worth what their owner is worth."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import text, update

from pipeline.errors import BadRequest
from pipeline.service.access.factory import Access
from pipeline.service.access.policy import Action, Principal, allowed
from pipeline.service.access.visibility import Visibility
from pipeline.service.audit.chain import SELDOM_SECONDS
from pipeline.service.database.engine import State
from pipeline.service.database.tables import ApiKey, now
from pipeline.service.errors import Conflict, Forbidden, NotKnown, SignInFailed


def made(
    access: Access, administrator: Principal, *actions: str, role: str = "contributor"
) -> tuple[str, str, str]:
    """A person with one key: their id, the key's id and its text."""
    person, _ = access.people.create(
        administrator,
        "program",
        role=role,  # type: ignore[arg-type]
        sees=Visibility(frozenset({"radiology"}), None),
    )
    key, shown = access.keys.create(administrator, person.id, "nightly", actions or ["ask"])
    return person.id, key.id, shown


def test_a_key_stands_for_its_owner(access: Access, administrator: Principal) -> None:
    person_id, key_id, shown = made(access, administrator, "ask", "start-jobs")
    principal = access.keys.check(shown)
    assert (principal.id, principal.kind, principal.key_id) == (person_id, "key", key_id)
    assert principal.scope.domains == {"radiology"}
    assert principal.scope.patient_ids is None
    assert [action for action in Action if allowed(principal, action)] == [Action.ASK, Action.START_JOBS]


def test_a_demoted_owner_takes_the_right_from_the_key(access: Access, administrator: Principal) -> None:
    person_id, _, shown = made(access, administrator, "ask", "start-jobs")
    access.people.change(administrator, person_id, role="reader")
    assert not allowed(access.keys.check(shown), Action.START_JOBS)


def test_the_text_is_kept_nowhere(access: Access, administrator: Principal, state: State) -> None:
    _, _, shown = made(access, administrator)
    with state.reading() as session:
        rows = [str(row) for row in session.execute(text("SELECT * FROM api_keys"))]
        rows += [str(row) for row in session.execute(text("SELECT * FROM audit"))]
    assert shown[:13] in str(rows)
    assert shown[14:] not in str(rows)


@pytest.mark.parametrize("spoilt", ["", "cw_", "x" * 57, "another prefix", "another end"])
def test_what_is_no_key_is_refused(access: Access, administrator: Principal, spoilt: str) -> None:
    _, _, shown = made(access, administrator)
    tried = {"another prefix": "cw_" + "a" * 10 + shown[13:], "another end": shown[:-1] + "~"}.get(
        spoilt, spoilt
    )
    with pytest.raises(SignInFailed, match="not valid"):
        access.keys.check(tried)


def test_a_revoked_key_ends_at_once(access: Access, administrator: Principal) -> None:
    _, key_id, shown = made(access, administrator)
    access.keys.check(shown)
    access.keys.revoke(administrator, key_id)
    with pytest.raises(SignInFailed):
        access.keys.check(shown)
    with pytest.raises(Conflict):
        access.keys.revoke(administrator, key_id)
    with pytest.raises(NotKnown):
        access.keys.revoke(administrator, "0" * 32)
    assert [key.works for key in access.keys.all(administrator)] == [False]


def test_an_expired_key_ends(access: Access, administrator: Principal, state: State) -> None:
    _, key_id, shown = made(access, administrator)
    with state.session() as session:
        session.execute(
            update(ApiKey).where(ApiKey.id == key_id).values(expires_at=now() - dt.timedelta(seconds=1))
        )
    with pytest.raises(SignInFailed):
        access.keys.check(shown)


def test_the_log_tells_why_a_key_was_refused(access: Access, administrator: Principal, state: State) -> None:
    _, key_id, shown = made(access, administrator)
    at = 0.0
    access.audit.clock = lambda: at
    past = now() - dt.timedelta(seconds=1)
    for tried, change, why in (
        (shown[:-1] + "~", {"expires_at": now() + dt.timedelta(days=1)}, "wrong secret"),
        (shown, {"expires_at": past}, "expired"),
        (shown, {"revoked_at": past}, "revoked"),
    ):
        with state.session() as session:
            session.execute(update(ApiKey).where(ApiKey.id == key_id).values(change))
        for _ in range(3):
            with pytest.raises(SignInFailed):
                access.keys.check(tried)
        at += SELDOM_SECONDS
        row, before = access.audit.page(limit=2)
        assert (row.action, row.subject, row.outcome) == ("key-refused", f"key:{key_id}", "refused")
        assert row.details == f'{{"why":"{why}"}}'
        assert before.details != row.details, "three within a minute are one row"


def test_an_unknown_key_fills_no_log(access: Access, administrator: Principal) -> None:
    rows = access.audit.verify().rows
    with pytest.raises(SignInFailed):
        access.keys.check("cw_" + "a" * 10 + "_" + "b" * 43)
    assert access.audit.verify().rows == rows


def test_a_deactivated_persons_keys_end_and_stay_ended(access: Access, administrator: Principal) -> None:
    person_id, _, shown = made(access, administrator)
    access.people.deactivate(administrator, person_id)
    with pytest.raises(SignInFailed):
        access.keys.check(shown)
    access.people.activate(administrator, person_id)
    with pytest.raises(SignInFailed):
        access.keys.check(shown)


def test_last_use_is_shown(access: Access, administrator: Principal) -> None:
    _, _, shown = made(access, administrator)
    assert access.keys.all(administrator)[0].used_at is None
    access.keys.check(shown)
    assert access.keys.all(administrator)[0].used_at is not None


@pytest.mark.parametrize(
    ("actions", "days", "name"),
    [
        ([], 1, "n"),
        (["review"], 1, "n"),
        (["fly"], 1, "n"),
        (["ask"], 0, "n"),
        (["ask"], 366, "n"),
        (["ask"], 1, " "),
    ],
)
def test_a_key_that_cannot_be(
    access: Access, administrator: Principal, actions: list[str], days: int, name: str
) -> None:
    person, _ = access.people.create(administrator, "program", role="contributor")
    with pytest.raises(BadRequest):
        access.keys.create(administrator, person.id, name, actions, days=days)


def test_a_key_makes_no_keys(access: Access, administrator: Principal) -> None:
    _, shown = access.keys.create(administrator, administrator.id, "all", [action.value for action in Action])
    with pytest.raises(Forbidden):
        access.keys.create(access.keys.check(shown), administrator.id, "more", ["ask"])


def test_only_administrators_see_and_make_keys(access: Access, administrator: Principal) -> None:
    _, _, shown = made(access, administrator, role="reviewer")
    reviewer = access.keys.check(shown)
    for refused in (
        lambda: access.keys.all(reviewer),
        lambda: access.keys.revoke(reviewer, "x"),
        lambda: access.keys.create(reviewer, reviewer.id, "n", ["ask"]),
    ):
        with pytest.raises(Forbidden):
            refused()
