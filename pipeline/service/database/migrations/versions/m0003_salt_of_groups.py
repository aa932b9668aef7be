"""A salt for each patient group: the audit log holds a fingerprint of its patients that no one can guess back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("patient_groups", sa.Column("salt", sa.String(length=32), nullable=True))


def downgrade() -> None:
    op.drop_column("patient_groups", "salt")
