"""Every role and every action: what is granted is written here a second time, by hand."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from pipeline.records import AccessScope
from pipeline.service.access.policy import (
    DEMO,
    ROLES,
    Action,
    Principal,
    Role,
    actions_of,
    allowed,
    require,
)
from pipeline.service.errors import Forbidden

TABLE = """
action                  reader  contributor  reviewer  administrator
ask                     yes     yes          yes       yes
search                  yes     yes          yes       yes
read-note               yes     yes          yes       yes
read-own-conversations  yes     yes          yes       yes
give-feedback           yes     yes          yes       yes
read-status             yes     yes          yes       yes
upload-documents        -       yes          -         yes
start-jobs              -       yes          -         yes
read-jobs               -       yes          -         yes
cancel-jobs             -       yes          -         yes
review                  -       -            yes       yes
read-audit              -       -            yes       yes
manage-domains          -       -            -         yes
manage-people           -       -            -         yes
manage-keys             -       -            -         yes
read-metrics            -       -            -         yes
"""
_LINES = [line.split() for line in TABLE.strip().splitlines()]
EXPECTED = {
    (role, line[0]): word == "yes"
    for line in _LINES[1:]
    for role, word in zip(_LINES[0][1:], line[1:], strict=True)
}


def principal(role: Role, actions: frozenset[Action] | None = None) -> Principal:
    return Principal("p1", "P", role, "user", AccessScope(), actions_of(role) if actions is None else actions)


@pytest.mark.parametrize(("role", "action"), list(itertools.product(ROLES, Action)))
def test_a_role_may_what_the_table_says(role: Role, action: Action) -> None:
    user = principal(role)
    assert allowed(user, action) is EXPECTED[role, action.value]
    if EXPECTED[role, action.value]:
        require(user, action)
    else:
        with pytest.raises(Forbidden, match=action.value) as refused:
            require(user, action)
        assert refused.value.action == action.value


def test_the_table_is_whole() -> None:
    assert set(EXPECTED) == set(itertools.product(ROLES, [action.value for action in Action]))


@pytest.mark.parametrize("action", Action)
def test_nobody_may_nothing(action: Action) -> None:
    assert not allowed(None, action)
    with pytest.raises(Forbidden):
        require(None, action)


@pytest.mark.parametrize("action", Action)
def test_an_unknown_role_may_nothing(action: Action) -> None:
    stranger = dataclasses.replace(principal("administrator"), role="owner")  # type: ignore[arg-type]
    assert not allowed(stranger, action)


@pytest.mark.parametrize(("role", "action"), list(itertools.product(ROLES, Action)))
def test_a_key_may_what_its_owner_may_and_it_was_made_for(role: Role, action: Action) -> None:
    only_this = principal(role, actions_of(role, [action.value, "no-such-right"]))
    for other in Action:
        assert allowed(only_this, other) is (other is action and EXPECTED[role, action.value])


def test_actions_that_the_role_does_not_grant_are_worth_nothing() -> None:
    assert not allowed(principal("reader", frozenset(Action)), Action.MANAGE_PEOPLE)


def test_in_demo_mode_everything_is_allowed_and_visible() -> None:
    assert all(allowed(DEMO, action) for action in Action)
    assert DEMO.scope.unrestricted
