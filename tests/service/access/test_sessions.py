"""Ways in: what is worth something, what is not, and that neither words nor work tell them apart."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import text, update

from pipeline.config import ServiceSettings, Settings
from pipeline.errors import BadRequest
from pipeline.service.access import throttle
from pipeline.service.access.factory import Access, open_access
from pipeline.service.access.passwords import Passwords
from pipeline.service.access.policy import Principal, Role
from pipeline.service.access.sessions import SignedIn, SignIns
from pipeline.service.access.tokens import csrf_token, csrf_valid
from pipeline.service.access.visibility import NOTHING, Visibility
from pipeline.service.audit.chain import SELDOM_SECONDS
from pipeline.service.database.engine import State
from pipeline.service.database.tables import OneTimeLink, SignIn, now
from pipeline.service.errors import SignInDelayed, SignInFailed
from tests.service.conftest import PASSWORD

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.9"


def person(
    access: Access,
    administrator: Principal,
    name: str = "anna",
    role: Role = "reader",
    sees: Visibility = NOTHING,
) -> SignedIn:
    """A user who was invited and has chosen a password."""
    _, invitation = access.people.create(administrator, name, role=role, sees=sees)
    return access.sign_ins.with_link(invitation.token, PASSWORD, address=HERE)


def sign_in(access: Access, name: str = "anna", password: str = PASSWORD, **more: str) -> SignedIn:
    return access.sign_ins.with_password(name, password, **{"address": HERE, **more})  # type: ignore[arg-type]


def refused(access: Access, name: str, password: str, **more: str) -> str:
    with pytest.raises(SignInFailed) as failure:
        sign_in(access, name, password, **more)
    return str(failure.value)


# --- the first start


def test_the_first_administrator(access: Access) -> None:
    invitation = access.people.first_administrator()
    assert invitation is not None
    assert invitation.path == f"/welcome#{invitation.token}"
    found = access.sign_ins.link(invitation.token)
    assert found is not None
    assert (found.purpose, found.name) == ("first-administrator", None)
    signed_in = access.sign_ins.with_link(invitation.token, PASSWORD, address=HERE, name=" Ada@Example.org ")
    principal = signed_in.current.principal
    assert (principal.role, principal.scope.unrestricted, principal.name) == (
        "administrator",
        True,
        "Ada@Example.org",
    )
    assert access.people.first_administrator() is None
    assert sign_in(access, "ADA@example.org").current.principal.id == principal.id


def test_a_link_works_once(access: Access) -> None:
    invitation = access.people.first_administrator()
    assert invitation is not None
    access.sign_ins.with_link(invitation.token, PASSWORD, address=HERE, name="ada")
    assert access.sign_ins.link(invitation.token) is None
    with pytest.raises(SignInFailed):
        access.sign_ins.with_link(invitation.token, PASSWORD, address=HERE, name="eve")


def test_a_newer_link_replaces_the_older(access: Access) -> None:
    first, second = access.people.first_administrator(), access.people.first_administrator()
    assert first is not None
    assert second is not None
    assert access.sign_ins.link(first.token) is None
    assert access.sign_ins.link(second.token) is not None


def test_a_link_expires(access: Access, state: State) -> None:
    invitation = access.people.first_administrator()
    assert invitation is not None
    with state.session() as session:
        session.execute(update(OneTimeLink).values(expires_at=now() - dt.timedelta(seconds=1)))
    assert access.sign_ins.link(invitation.token) is None
    with pytest.raises(SignInFailed):
        access.sign_ins.with_link(invitation.token, PASSWORD, address=HERE, name="ada")


def test_a_refused_password_leaves_the_link(access: Access) -> None:
    invitation = access.people.first_administrator()
    assert invitation is not None
    for password, name in (
        ("short", "ada"),
        ("x" * 300, "ada"),
        ("aaaaaaaaaaaaaa", "ada"),
        (PASSWORD, "a b"),
        (PASSWORD, ""),
    ):
        with pytest.raises(BadRequest):
            access.sign_ins.with_link(invitation.token, password, address=HERE, name=name)
    with pytest.raises(BadRequest):
        access.sign_ins.with_link(invitation.token, "ada@example.org", address=HERE, name="Ada@Example.org")
    assert access.sign_ins.link(invitation.token) is not None


def test_an_invitation_ends_all_other_sign_ins(access: Access, administrator: Principal) -> None:
    before = person(access, administrator)
    again = access.people.invite(administrator, before.current.principal.id)
    assert access.sign_ins.current(before.token) is not None
    access.sign_ins.with_link(again.token, "another one of these", address=HERE)
    assert access.sign_ins.current(before.token) is None
    refused(access, "anna", PASSWORD)


# --- passwords


def test_signing_in_and_out(access: Access, administrator: Principal) -> None:
    person(access, administrator, sees=Visibility(frozenset({"radiology"}), None))
    signed_in = sign_in(access)
    current = access.sign_ins.require_current(signed_in.token)
    assert current.principal == signed_in.current.principal
    assert current.principal.scope.domains == {"radiology"}
    assert (current.principal.kind, current.principal.key_id) == ("user", None)
    access.sign_ins.sign_out(signed_in.token)
    access.sign_ins.sign_out(signed_in.token)
    assert access.sign_ins.current(signed_in.token) is None
    with pytest.raises(SignInFailed):
        access.sign_ins.require_current(signed_in.token)


def test_every_refusal_has_the_same_words(access: Access, administrator: Principal) -> None:
    person(access, administrator)
    gone = person(access, administrator, "gone")
    access.people.deactivate(administrator, gone.current.principal.id)
    access.people.create(administrator, "invited")
    words = {
        refused(access, "anna", "wrong password"),
        refused(access, "nobody", PASSWORD),
        refused(access, "gone", PASSWORD),
        refused(access, "invited", PASSWORD),
        refused(access, "invited", ""),
        refused(access, "", ""),
        refused(access, "x" * 10_000, "\ud800" * 10_000),
    }
    assert len(words) == 1
    why = [row.details for row in access.audit.page(action="sign-in", limit=7)]
    assert '"why":"deactivated"' in "".join(why)
    assert "x" * 100 not in "".join(why)


def test_an_unknown_name_costs_a_hash_as_well(
    access: Access, administrator: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted and not timed: the same number of hashes is computed whichever name is given."""
    person(access, administrator)
    computed: list[str] = []
    passwords = access.sign_ins._passwords
    verify = passwords._hasher.verify

    class Counting:
        def verify(self, kept: str, given: str) -> bool:
            computed.append(kept)
            return verify(kept, given)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    refused(access, "anna", "wrong password")
    refused(access, "nobody", "wrong password")
    assert len(computed) == 2
    assert len({tuple(kept.split("$")[:4]) for kept in computed}) == 1, "with the same parameters"


def test_what_is_kept_of_a_password_is_argon2id_with_rfc_9106_parameters() -> None:
    default = Passwords(ServiceSettings())
    kept = default.hash(PASSWORD, name="anna")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert default.verify(kept, PASSWORD)
    assert not default.verify(kept, PASSWORD + " ")
    assert not default.verify(None, "nobody has this password")
    assert not default.verify("no hash at all", PASSWORD)
    assert not default.outdated(kept)
    assert Passwords(ServiceSettings(password_passes=4)).outdated(kept)


def test_the_same_password_from_every_keyboard() -> None:
    passwords = Passwords(ServiceSettings(password_memory_mebibytes=1, password_passes=1, password_lanes=1))
    assert passwords.verify(passwords.hash("café au lait ﬁne", name="a"), "café au lait fine")


def test_a_hash_with_old_parameters_is_replaced_at_the_next_sign_in(
    access: Access, administrator: Principal, state: State, settings: Settings
) -> None:
    person(access, administrator)
    stronger = settings.model_copy(
        update={"service": settings.service.model_copy(update={"password_passes": 2})}
    )
    later = open_access(state, stronger)
    sign_in(later)
    with state.reading() as session:
        kept = session.scalar(text("SELECT password_hash FROM users WHERE name = 'anna'"))
    assert ",t=2," in kept
    sign_in(later)


def test_changing_ones_own_password(access: Access, administrator: Principal) -> None:
    signed_in = person(access, administrator)
    other = sign_in(access)
    me = signed_in.current.principal
    with pytest.raises(BadRequest):
        access.sign_ins.change_password(
            me, "not it", "a new pass phrase", address=HERE, token=signed_in.token
        )
    fresh = access.sign_ins.change_password(
        me, PASSWORD, "a new pass phrase", address=HERE, token=signed_in.token
    )
    assert access.sign_ins.current(fresh.token) is not None
    assert access.sign_ins.current(signed_in.token) is None
    assert access.sign_ins.current(other.token) is None
    refused(access, "anna", PASSWORD)
    sign_in(access, password="a new pass phrase")


# --- what a sign-in is worth


def test_only_hashes_are_kept(access: Access, administrator: Principal, state: State) -> None:
    signed_in = person(access, administrator)
    _, invitation = access.people.create(administrator, "bert")
    tables = ("sign_ins", "one_time_links", "known_devices", "users", "audit", "login_throttle")
    with state.reading() as session:
        everything = str([session.execute(text(f"SELECT * FROM {table}")).all() for table in tables])
    for secret in (signed_in.token, signed_in.device, invitation.token, PASSWORD, signed_in.current.csrf):
        assert secret not in everything


def test_a_sign_in_ends_when_it_is_not_used(access: Access, administrator: Principal, state: State) -> None:
    signed_in = person(access, administrator)
    age(state, seen=dt.timedelta(minutes=29))
    assert access.sign_ins.current(signed_in.token) is not None  # and is used by that
    age(state, seen=dt.timedelta(minutes=2))
    assert access.sign_ins.current(signed_in.token) is not None
    age(state, seen=dt.timedelta(minutes=31))
    assert access.sign_ins.current(signed_in.token) is None


def test_a_sign_in_ends_however_much_it_is_used(
    access: Access, administrator: Principal, state: State
) -> None:
    signed_in = person(access, administrator)
    with state.session() as session:
        session.execute(update(SignIn).values(expires_at=now() - dt.timedelta(seconds=1)))
    assert access.sign_ins.current(signed_in.token) is None


def age(state: State, *, seen: dt.timedelta) -> None:
    with state.session() as session:
        session.execute(update(SignIn).values(seen_at=now() - seen))


def test_use_is_written_seldom(access: Access, administrator: Principal, state: State) -> None:
    signed_in = person(access, administrator)

    def seen() -> object:
        with state.reading() as session:
            return session.scalar(
                text("SELECT seen_at FROM sign_ins WHERE user_id = :id"),
                {"id": signed_in.current.principal.id},
            )

    before = seen()
    for _ in range(5):
        access.sign_ins.current(signed_in.token)
    assert seen() == before
    age(state, seen=dt.timedelta(minutes=2))
    access.sign_ins.current(signed_in.token)
    assert str(seen()) > str(before)[:10]


@pytest.mark.parametrize("token", [None, "", "x", "é" * 50, "\ud800"])
def test_what_is_no_token_is_worth_nothing(access: Access, token: str | None) -> None:
    assert access.sign_ins.current(token) is None
    access.sign_ins.sign_out(token)


def test_signing_in_makes_a_new_token_and_ends_the_old(access: Access, administrator: Principal) -> None:
    first = person(access, administrator)
    second = sign_in(access, replaces=first.token)
    assert second.token != first.token
    assert access.sign_ins.current(first.token) is None
    assert access.sign_ins.current(second.token) is not None


def test_ending_all_sign_ins(access: Access, administrator: Principal) -> None:
    one, two = person(access, administrator), sign_in(access)
    other = person(access, administrator, "bert")
    anna = one.current.principal
    assert access.sign_ins.sign_out_everywhere(anna, anna.id) == 2
    assert access.sign_ins.current(one.token) is None
    assert access.sign_ins.current(two.token) is None
    assert access.sign_ins.current(other.token) is not None
    assert access.sign_ins.sign_out_everywhere(administrator, other.current.principal.id) == 1


def test_forms_are_bound_to_their_sign_in(access: Access, administrator: Principal) -> None:
    one, two = person(access, administrator), sign_in(access)
    current = access.sign_ins.require_current(one.token)
    assert csrf_valid(one.token, current.csrf)
    assert csrf_token(one.token) == current.csrf
    for token, given in (
        (two.token, current.csrf),
        (one.token, None),
        (one.token, ""),
        ("", csrf_token("")),
        (one.token, one.token),
    ):
        assert not csrf_valid(token, given)


# --- slowing down guessers: by a clock that stands still, for a busy machine takes a second for anything


@pytest.fixture
def clock(access: Access) -> Clock:
    access.sign_ins.clock = Clock()
    return access.sign_ins.clock


class Clock:
    def __init__(self) -> None:
        self.at = now()

    def __call__(self) -> dt.datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += dt.timedelta(seconds=seconds)


def guess(access: Access, times: int, name: str = "anna", **more: str) -> None:
    for _ in range(times):
        refused(access, name, "wrong password", **more)


def delayed(access: Access, name: str = "anna", **more: str) -> float:
    with pytest.raises(SignInDelayed) as delay:
        sign_in(access, name, **more)
    return delay.value.retry_after_seconds


def test_guessing_is_slowed_down_more_and_more(
    access: Access, administrator: Principal, clock: Clock
) -> None:
    person(access, administrator)
    guess(access, 6)
    waits = []
    for _ in range(4):
        waits.append(delayed(access))  # also with the right password: it is not looked at
        clock.forward(waits[-1])
        guess(access, 1)
    assert waits == [1, 2, 4, 8]


def test_the_delay_ends_and_success_wipes_it(access: Access, administrator: Principal, clock: Clock) -> None:
    person(access, administrator)
    guess(access, 6)
    clock.forward(delayed(access))
    sign_in(access)
    guess(access, 5)
    sign_in(access)


def test_no_delay_is_longer_than_its_limit(access: Access, administrator: Principal, clock: Clock) -> None:
    person(access, administrator)
    guess(access, 6)
    for _ in range(20):
        wait = delayed(access)
        clock.forward(wait)
        guess(access, 1)
    assert delayed(access) == throttle.LIMITS["account"].delay_seconds_max


def test_strangers_shut_nobody_out_at_their_own_computer(
    access: Access, administrator: Principal, clock: Clock
) -> None:
    """From another address, from the same address, and from a device of someone else."""
    anna, bert = person(access, administrator), person(access, administrator, "bert")
    guess(access, 6, address=ELSEWHERE)
    delayed(access, address=ELSEWHERE)
    delayed(access)
    delayed(access, device=bert.device)
    signed_in = sign_in(access, device=anna.device)
    assert signed_in.device == anna.device
    delayed(access, device="x" * 43)


def test_a_known_device_is_slowed_down_by_its_own_failures(
    access: Access, administrator: Principal, clock: Clock
) -> None:
    anna = person(access, administrator)
    guess(access, 6, device=anna.device)
    delayed(access, device=anna.device)
    sign_in(access)  # which is no business of other devices


def test_one_address_that_tries_every_name_is_slowed_down(
    access: Access, administrator: Principal, clock: Clock
) -> None:
    person(access, administrator)
    for number in range(throttle.LIMITS["address"].free + 1):
        refused(access, f"name{number}", "wrong password", address=ELSEWHERE)
    assert delayed(access, "yet-another", address=ELSEWHERE) > 0
    sign_in(access)


def test_success_does_not_wipe_an_address(access: Access, administrator: Principal, clock: Clock) -> None:
    """Otherwise the owner of one account could guess at all others for ever."""
    person(access, administrator)
    for number in range(throttle.LIMITS["address"].free + 2):
        try:
            refused(access, f"name{number}", "wrong password", address=ELSEWHERE)
            if number % 4 == 3:
                sign_in(access, address=ELSEWHERE)
        except SignInDelayed:
            return
    delayed(access, "one-more", address=ELSEWHERE)


def test_attempts_are_counted_before_the_password_is_looked_at(
    access: Access, administrator: Principal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred at the same time are a hundred: while one is being checked the next is already counted."""
    person(access, administrator)
    tried: list[str] = []

    def slow(kept: str | None, password: str) -> bool:
        tried.append(password)
        if len(tried) < 50:
            with pytest.raises((SignInFailed, SignInDelayed)):
                sign_in(access, password=f"guess {len(tried)}")
        return False

    monkeypatch.setattr(access.sign_ins._passwords, "verify", slow)
    refused(access, "anna", "guess 0")
    assert len(tried) == throttle.LIMITS["account"].free + 1


def test_failures_fade() -> None:
    limit = throttle.Limit(free=2, delay_seconds_max=60)
    assert [throttle.delay_seconds(limit, failures) for failures in (0, 2, 3, 4, 5, 100)] == [
        0,
        0,
        1,
        2,
        4,
        60,
    ]


def test_failures_fade_in_the_table(access: Access, administrator: Principal, clock: Clock) -> None:
    person(access, administrator)
    guess(access, 5)
    clock.forward(throttle.HALF_LIFE_SECONDS * 5)
    guess(access, 5)
    sign_in(access)


def test_an_administrator_sees_what_was_refused(access: Access, administrator: Principal) -> None:
    anna = person(access, administrator)
    refused(access, "anna", "wrong password", address=ELSEWHERE)
    refused(access, "my-password-typed-as-name", "x", address=ELSEWHERE)
    unknown, wrong = access.audit.page(action="sign-in", limit=2)
    assert (wrong.subject, wrong.outcome) == (f"person:{anna.current.principal.id}", "refused")
    assert ELSEWHERE in wrong.details
    assert unknown.subject == "person:unknown"
    assert "my-password" not in str([unknown, wrong])


def test_delayed_sign_ins_are_told_once_a_minute(
    access: Access, administrator: Principal, clock: Clock
) -> None:
    anna = person(access, administrator)
    person(access, administrator, "bert")
    at = 0.0
    access.audit.clock = lambda: at
    guess(access, 6)
    guess(access, 6, "bert")
    told = len(list(access.audit.rows()))
    for number in range(5):
        delayed(access, address=f"192.0.2.{number}")
    delayed(access, "bert")
    first, second = access.audit.page(limit=2)[::-1]
    assert len(list(access.audit.rows())) == told + 2
    assert (first.action, first.subject, first.outcome) == (
        "sign-in",
        f"person:{anna.current.principal.id}",
        "refused",
    )
    assert first.details == '{"address":"192.0.2.0","why":"delayed"}'
    assert second.subject != first.subject
    at += SELDOM_SECONDS
    delayed(access)
    assert len(list(access.audit.rows())) == told + 3


def test_an_address_that_is_delayed_is_told_once_whatever_names_it_tries(
    access: Access, administrator: Principal, clock: Clock
) -> None:
    for number in range(throttle.LIMITS["address"].free + 1):
        refused(access, f"name{number}", "wrong password", address=ELSEWHERE)
    told = len(list(access.audit.rows()))
    for number in range(5):
        delayed(access, f"another{number}", address=ELSEWHERE)
    assert len(list(access.audit.rows())) == told + 1


def test_guesses_at_ones_own_old_password_are_told(
    access: Access, administrator: Principal, clock: Clock
) -> None:
    anna = person(access, administrator)
    me = anna.current.principal
    for expected in [BadRequest] * 6 + [SignInDelayed] * 2:
        with pytest.raises(expected):
            access.sign_ins.change_password(me, "not it", "a new pass phrase", address=HERE, token=anna.token)
    rows = [row for row in access.audit.page(action="password-changed") if row.outcome == "refused"]
    assert [(row.actor, row.subject) for row in rows] == [(me.id, f"person:{me.id}")] * 7
    assert ["delayed" in row.details for row in rows] == [True] + [False] * 6


def test_parts_can_be_put_together_differently(state: State, settings: Settings, access: Access) -> None:
    alone = SignIns(state, access.audit, access.people, settings.service)
    assert alone.current("x") is None


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_addresses_that_one_customer_has_count_together(address: str, counts_as: str) -> None:
    assert throttle.network_of(address) == counts_as


def test_a_guesser_with_a_whole_network_is_one(access: Access) -> None:
    for number in range(throttle.LIMITS["address"].free + 1):
        refused(access, f"name{number}", "wrong password", address=f"2001:db8::{number:x}")
    with pytest.raises(SignInDelayed):
        sign_in(access, "another", "wrong password", address="2001:db8::ffff:1")
