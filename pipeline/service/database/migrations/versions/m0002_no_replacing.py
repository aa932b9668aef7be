"""SQLite refuses to replace a row of the audit log: REPLACE fires neither of the triggers of the first migration.

PostgreSQL has no REPLACE, and its ON CONFLICT DO UPDATE fires the trigger that is there.
"""

from __future__ import annotations

from alembic import op

from pipeline.service.database.migrations.versions.m0001_first import APPEND_ONLY

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit "
            "WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) "
            f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_no_replace")
