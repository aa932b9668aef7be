"""Rights that were changed in the database behind the service's back, and those that it gave itself."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from pipeline.config import Settings
from pipeline.service.access.factory import Access, open_access
from pipeline.service.access.passwords import Passwords
from pipeline.service.access.policy import Principal
from pipeline.service.access.visibility import Visibility
from pipeline.service.audit.chain import AuditLog, ChainFault, canonical
from pipeline.service.audit.receipts import Receipts
from pipeline.service.audit.rights import unproven_rights
from pipeline.service.conversations.factory import History
from pipeline.service.database.engine import State
from tests.service.answers import given
from tests.service.conftest import PASSWORD

HERE = "192.0.2.1"

CHANGES = [
    ("UPDATE users SET role = 'administrator' WHERE id = :anna", "role"),
    ("UPDATE users SET all_domains = :yes WHERE id = :anna", "choice of domains"),
    ("UPDATE users SET all_patients = :yes WHERE id = :anna", "choice of patient groups"),
    ("UPDATE users SET active = :yes WHERE id = :bert", "being let in"),
    ("UPDATE users SET password_hash = 'x' WHERE id = :anna", "password"),
    ("UPDATE users SET password_hash = 'x' WHERE id = :bert", "password"),
    ("UPDATE users SET oidc_issuer = 'i', oidc_subject = 's' WHERE id = :anna", "identity"),
    ("UPDATE users SET name = 'eve' WHERE id = :anna", "name"),
    ("UPDATE users SET name = 'eve' WHERE id = :bert", "name"),
    ("UPDATE user_scopes SET domain = 'psychiatry' WHERE domain = 'cardiology'", "choice of domains"),
    ("DELETE FROM user_scopes WHERE group_id = :group", "choice of patient groups"),
    (
        "INSERT INTO user_scopes (id, user_id, domain) VALUES ('x', :anna, 'psychiatry')",
        "choice of domains",
    ),
    ("UPDATE patient_group_members SET patient_id = 'p9' WHERE patient_id = 'p3'", "patients"),
    ("DELETE FROM patient_group_members WHERE patient_id = 'p3'", "patients"),
    ("INSERT INTO patient_group_members (group_id, patient_id) VALUES (:group, 'p9')", "patients"),
    ("DELETE FROM patient_groups WHERE id = :group", "gone"),
    (
        "INSERT INTO patient_groups (id, name, revision, created_at) VALUES ('x', 'x', 0, '2026-01-01 00:00:00')",
        "does not know",
    ),
    ("""UPDATE api_keys SET actions = '["ask","manage-people"]' WHERE id = :key""", "rights"),
    ("UPDATE api_keys SET key_hash = 'x' WHERE id = :key", "secret"),
    ("UPDATE api_keys SET user_id = :bert WHERE id = :key", "owner"),
    ("UPDATE api_keys SET expires_at = '2999-01-01 00:00:00' WHERE id = :key", "last day"),
    ("UPDATE api_keys SET revoked_at = NULL WHERE id = :spent", "revocation"),
    ("UPDATE api_keys SET revoked_at = NULL WHERE user_id = :bert", "revocation"),
    ("DELETE FROM api_keys WHERE id = :key", "gone"),
]


def found(state: State) -> list[ChainFault]:
    with state.reading() as session:
        return list(unproven_rights(session))


@pytest.fixture
def busy(access: Access, administrator: Principal, settings: Settings, state: State) -> dict[str, str]:
    """Everything that gives rights, made and changed in every way that the service knows."""
    group = access.groups.create(administrator, "Ward 7", ["p1", "p2"])
    access.groups.change(administrator, group.id, add=["p3"], remove=["p1"])
    other = access.groups.create(administrator, "Ward 8")
    sees = Visibility(domains=frozenset({"cardiology"}), group_ids=frozenset({group.id, other.id}))
    anna, invitation = access.people.create(administrator, "anna", role="reader", sees=sees)
    anna_in = access.sign_ins.with_link(invitation.token, PASSWORD, address=HERE)
    access.sign_ins.change_password(
        anna_in.current.principal, PASSWORD, "four other words now", address=HERE, token=anna_in.token
    )
    access.groups.delete(administrator, other.id)
    access.people.change(administrator, anna.id, role="contributor", display_name="Anna")
    bert, _ = access.people.create(administrator, "bert", role="reviewer")
    key, _ = access.keys.create(administrator, anna.id, "app", ["ask", "search"], days=3)
    spent, _ = access.keys.create(administrator, anna.id, "old", ["ask"], days=3)
    access.keys.revoke(administrator, spent.id)
    of_bert, _ = access.keys.create(administrator, bert.id, "reports", ["read-audit"])
    access.people.deactivate(administrator, bert.id)
    stronger = settings.service.model_copy(update={"password_passes": 2})
    changed = open_access(state, settings.model_copy(update={"service": stronger}))
    changed.sign_ins.with_password("anna", "four other words now", address=HERE)  # its hash is replaced
    return {
        "anna": anna.id,
        "bert": bert.id,
        "group": group.id,
        "key": key.id,
        "spent": spent.id,
        "bert's": of_bert.id,
    }


def test_what_the_service_does_itself_is_sound(busy: dict[str, str], state: State) -> None:
    assert found(state) == []


def test_what_was_changed_behind_its_back_is_found(busy: dict[str, str], state: State) -> None:
    ids = {**{name: known for name, known in busy.items() if name.isalpha()}, "yes": True}
    for statement, what in CHANGES:
        with Session(state.engine) as session:
            session.execute(text(statement), ids)
            problems = list(unproven_rights(session))
            session.rollback()
        assert any(what in problem.what for problem in problems), (statement, problems)
    assert found(state) == []


def test_somebody_who_was_slipped_in_is_found(busy: dict[str, str], state: State, settings: Settings) -> None:
    stranger = Passwords(settings.service).hash(PASSWORD, name="eve")
    with state.session() as session:
        session.execute(
            text(
                "INSERT INTO users (id, name, display_name, role, password_hash, active, all_domains, all_patients, "
                "created_at) VALUES ('eve', 'eve', 'Eve', 'administrator', :hash, :yes, :yes, :yes, "
                "'2026-01-01 00:00:00')"
            ),
            {"hash": stranger, "yes": True},
        )
    (problem,) = found(state)
    assert problem.what == "person eve: the log does not know them"


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE feedback SET verdict = 'good'", "not what was given"),
        ("UPDATE feedback SET comment = 'It was fine.'", "not what was given"),
        ("UPDATE feedback SET comment = NULL", "not what was given"),
        ("DELETE FROM feedback", "gone"),
    ],
)
def test_feedback_is_what_was_given(
    history: History, administrator: Principal, state: State, statement: str, what: str
) -> None:
    whole = given()
    begun = history.conversations.begin(administrator, whole.question, whole.question_id)
    receipt = history.conversations.end(administrator, begun.conversation_id, whole).receipt_id
    history.feedback.give(administrator, receipt, "bad", reasons=["old"], comment="A later note differs.")
    assert found(state) == []
    with state.session() as session:
        session.execute(text(statement))
    (problem,) = found(state)
    assert what in problem.what


def test_rows_from_before_fingerprints_are_no_findings(
    busy: dict[str, str], state: State, access: Access
) -> None:
    """As 461b9f0 wrote them: the same rows, without what was added since. The chain is not asked here."""
    with state.session() as session:
        for trigger in ("audit_no_update",) if state.sqlite else ():
            session.execute(text(f"DROP TRIGGER {trigger}"))
        if not state.sqlite:
            session.execute(text("DROP TRIGGER audit_append_only ON audit"))
        for name in ("password", "key", "members", "comment"):
            old = session.execute(text("SELECT number, details FROM audit")).all()
            for number, details in old:
                kept = {key: value for key, value in json.loads(details).items() if key != f"{name}_sha256"}
                session.execute(
                    text("UPDATE audit SET details = :details WHERE number = :number"),
                    {"details": canonical(kept), "number": number},
                )
        session.execute(text("UPDATE patient_groups SET salt = NULL"))
    assert found(state) == []


def test_the_command_holds_them_against_the_log(busy: dict[str, str], state: State, access: Access) -> None:
    receipts = Receipts(state, AuditLog(state))
    assert receipts.verify() == []
    with state.session() as session:
        session.execute(text("UPDATE users SET role = 'administrator' WHERE name = 'anna'"))
    assert [problem.what for problem in receipts.verify()] == [
        f"person {busy['anna']}: their role is not what the log says"
    ]
