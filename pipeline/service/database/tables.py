"""The tables of the service, once, for SQLite and PostgreSQL.

Secrets are not in here: of passwords, tokens, keys and links there are only hashes. Text of questions, answers and
notes is in `messages`, `receipts` and `feedback` and nowhere else. `audit` holds hashes of it. A change of this file
needs a migration; a test compares the two.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

ID_CHARACTERS = 32
HASH_CHARACTERS = 64


def new_id() -> str:
    """A random id: 32 hex digits that tell nothing and cannot be guessed."""
    return uuid.uuid4().hex


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Moment(TypeDecorator[dt.datetime]):
    """A moment in UTC. SQLite forgets time zones, so it is handed UTC and what comes back is UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        moment: dt.datetime = value
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


_Id = String(ID_CHARACTERS)
_Hash = String(HASH_CHARACTERS)
_Number = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def table_of(model: type[Base]) -> Table:
    """The table itself, for statements that are made once and run often."""
    return cast(Table, model.__table__)


# --- people and what they may see


class User(Base):
    """A person. Never deleted, only deactivated: the audit log names them for ever."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("oidc_issuer", "oidc_subject"),)

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    """What they type to sign in; lower case."""
    display_name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str | None] = mapped_column(String(300))
    oidc_issuer: Mapped[str | None] = mapped_column(String(300))
    oidc_subject: Mapped[str | None] = mapped_column(String(300))
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    all_domains: Mapped[bool] = mapped_column(Boolean, default=False)
    """True: not restricted by domain. False: the domains in `user_scopes`, none of them meaning no note at all."""
    all_patients: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    signed_in_at: Mapped[dt.datetime | None] = mapped_column(Moment)


class PatientGroup(Base):
    """Patients that people may be allowed to see together: a ward, a study, a clinic."""

    __tablename__ = "patient_groups"

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    revision: Mapped[int] = mapped_column(Integer, default=0)
    """Counts every change of its members, so that a cached copy knows when it is old."""
    salt: Mapped[str | None] = mapped_column(String(32), default=new_id)
    """For the fingerprint of its patients in the audit log; None in a group from before there was one, until it is
    changed."""
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)


class PatientGroupMember(Base):
    __tablename__ = "patient_group_members"

    group_id: Mapped[str] = mapped_column(
        _Id, ForeignKey("patient_groups.id", ondelete="CASCADE"), primary_key=True
    )
    patient_id: Mapped[str] = mapped_column(String(400), primary_key=True)


class UserScope(Base):
    """One domain or one patient group that a restricted person may see."""

    __tablename__ = "user_scopes"
    __table_args__ = (
        CheckConstraint("(domain IS NULL) <> (group_id IS NULL)", name="one_kind"),
        UniqueConstraint("user_id", "domain"),
        UniqueConstraint("user_id", "group_id"),
    )

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(_Id, ForeignKey("users.id", ondelete="CASCADE"))
    domain: Mapped[str | None] = mapped_column(String(400))
    group_id: Mapped[str | None] = mapped_column(_Id, ForeignKey("patient_groups.id", ondelete="CASCADE"))


# --- ways in


class SignIn(Base):
    """A browser that is signed in. The token itself is only in its cookie."""

    __tablename__ = "sign_ins"

    token_hash: Mapped[str] = mapped_column(_Hash, primary_key=True)
    user_id: Mapped[str] = mapped_column(_Id, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    method: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    seen_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    expires_at: Mapped[dt.datetime] = mapped_column(Moment, index=True)


class KnownDevice(Base):
    """A browser that has signed in to an account before: strangers' failures do not delay it."""

    __tablename__ = "known_devices"

    user_id: Mapped[str] = mapped_column(_Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    device_hash: Mapped[str] = mapped_column(_Hash, primary_key=True)
    seen_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)


class OneTimeLink(Base):
    """A link that works once: the first administrator's, an invitation, a new password."""

    __tablename__ = "one_time_links"

    token_hash: Mapped[str] = mapped_column(_Hash, primary_key=True)
    purpose: Mapped[str] = mapped_column(String(30))
    user_id: Mapped[str | None] = mapped_column(_Id, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    expires_at: Mapped[dt.datetime] = mapped_column(Moment)
    used_at: Mapped[dt.datetime | None] = mapped_column(Moment)


class OidcRequest(Base):
    """A sign-in in progress at the identity provider."""

    __tablename__ = "oidc_requests"

    state_hash: Mapped[str] = mapped_column(_Hash, primary_key=True)
    browser_hash: Mapped[str] = mapped_column(_Hash)
    nonce: Mapped[str] = mapped_column(String(100))
    code_verifier: Mapped[str] = mapped_column(String(200))
    return_to: Mapped[str] = mapped_column(String(500))
    expires_at: Mapped[dt.datetime] = mapped_column(Moment, index=True)


class ApiKey(Base):
    """A key for a program. Only its hash is kept; the prefix finds the row and is shown in lists."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(_Id, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(20), unique=True)
    key_hash: Mapped[str] = mapped_column(_Hash)
    actions: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    expires_at: Mapped[dt.datetime] = mapped_column(Moment)
    revoked_at: Mapped[dt.datetime | None] = mapped_column(Moment)
    used_at: Mapped[dt.datetime | None] = mapped_column(Moment)


class LoginThrottle(Base):
    """Failed sign-ins of one account, one address or one known device; they fade with time."""

    __tablename__ = "login_throttle"

    subject_hash: Mapped[str] = mapped_column(_Hash, primary_key=True)
    failures: Mapped[float] = mapped_column(Float)
    """As of `failed_at`; halves with every half-life that passes since."""
    failed_at: Mapped[dt.datetime] = mapped_column(Moment, index=True)
    blocked_until: Mapped[dt.datetime | None] = mapped_column(Moment)


# --- what people do


class Conversation(Base):
    """Questions and answers that belong together, seen by their owner alone."""

    __tablename__ = "conversations"
    __table_args__ = (Index("ix_conversations_user_id_updated_at", "user_id", "updated_at"),)

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(_Id)
    title: Mapped[str] = mapped_column(String(300))
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)
    updated_at: Mapped[dt.datetime] = mapped_column(Moment, default=now, index=True)
    messages_count: Mapped[int] = mapped_column(Integer, default=0)


class Message(Base):
    """A question or an answer. The answer's `content` is what the page needs to show it again."""

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("conversation_id", "number"),)

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(_Id, ForeignKey("conversations.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    author: Mapped[str] = mapped_column(String(10))
    """"person" or "chartwell"."""
    text: Mapped[str] = mapped_column(Text)
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    receipt_id: Mapped[str | None] = mapped_column(_Id, index=True)
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now)


class Job(Base):
    """An indexing run that a user started. The process that runs it keeps `heartbeat_at` fresh."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(_Id)
    kind: Mapped[str] = mapped_column(String(30))
    state: Mapped[str] = mapped_column(String(20), index=True)
    """"queued", "running", "done", "failed", "cancelled" or "lost"."""
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    progress: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    error: Mapped[str | None] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(String(40))
    cancel_asked_at: Mapped[dt.datetime | None] = mapped_column(Moment)
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now, index=True)
    started_at: Mapped[dt.datetime | None] = mapped_column(Moment)
    heartbeat_at: Mapped[dt.datetime | None] = mapped_column(Moment)
    ended_at: Mapped[dt.datetime | None] = mapped_column(Moment)


class Feedback(Base):
    """What a user thinks of an answer."""

    __tablename__ = "feedback"
    __table_args__ = (UniqueConstraint("receipt_id", "user_id"),)

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    receipt_id: Mapped[str] = mapped_column(_Id)
    user_id: Mapped[str] = mapped_column(_Id)
    verdict: Mapped[str] = mapped_column(String(10))
    reasons: Mapped[list[str]] = mapped_column(JSON, default=list)
    comment: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now, index=True)


# --- what can be proven


class Audit(Base):
    """One row of the chain; `pipeline/service/audit/chain.py` says how it hangs together. Never updated or deleted."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_actor_number", "actor", "number"),
        Index("ix_audit_subject_number", "subject", "number"),
        Index("ix_audit_action_number", "action", "number"),
    )

    number: Mapped[int] = mapped_column(_Number, primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(100))
    actor_kind: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(500))
    outcome: Mapped[str] = mapped_column(String(20))
    details: Mapped[str] = mapped_column(Text)
    """Canonical JSON, kept as text so that no database formats it again."""
    previous: Mapped[str] = mapped_column(_Hash)
    hash: Mapped[str] = mapped_column(_Hash)


class AuditHead(Base):
    """The last row of the chain: a writer holds this row, so appends queue, and a cut-off end shows."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(_Number)
    hash: Mapped[str] = mapped_column(_Hash)


class ScopeRecord(Base):
    """An access scope as it was when a question was answered; many receipts share one."""

    __tablename__ = "scopes"

    sha256: Mapped[str] = mapped_column(_Hash, primary_key=True)
    scope: Mapped[str] = mapped_column(Text)


class Receipt(Base):
    """What an answer was made from. `record` is hashed and holds no text; question and answer can be erased."""

    __tablename__ = "receipts"

    id: Mapped[str] = mapped_column(_Id, primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(_Id, index=True)
    conversation_id: Mapped[str | None] = mapped_column(_Id, index=True)
    question: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str | None] = mapped_column(Text)
    """Canonical JSON of the statements with their quotations."""
    record: Mapped[str] = mapped_column(Text)
    """Canonical JSON."""
    sha256: Mapped[str] = mapped_column(_Hash)
    """Of `record`, which holds the hashes of question and answer."""
    created_at: Mapped[dt.datetime] = mapped_column(Moment, default=now, index=True)
    erased_at: Mapped[dt.datetime | None] = mapped_column(Moment)
