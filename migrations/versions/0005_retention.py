"""Retention: what is blanked in time, and when things were last done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# As `smsgate.store.types` stood when this was written.
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

_ENDED = "state NOT IN ('scheduled', 'pending', 'forwarded-to-gateway')"
_INDEXES = {
    "ix_outbound_messages_legible": (
        "outbound_messages",
        ["changed_at"],
        f"recipient IS NOT NULL AND {_ENDED}",
    ),
    "ix_inbound_messages_raw": ("inbound_messages", ["received_at"], "raw IS NOT NULL"),
    "ix_quarantine_decided": (
        "quarantine",
        ["resolved_at"],
        "resolved_at IS NOT NULL AND length(raw) > 0",
    ),
    "ix_idempotency_keys_legible": ("idempotency_keys", ["created_at"], "NOT blanked"),
}


def upgrade() -> None:
    op.create_table(
        "milestones",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_milestones")),
    )
    op.add_column(
        "idempotency_keys",
        sa.Column("blanked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    for name, (table, columns, where) in _INDEXES.items():
        op.create_index(
            name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where)
        )


def downgrade() -> None:
    for name, (table, _, _) in _INDEXES.items():
        op.drop_index(name, table)
    op.drop_table("milestones")
    # Without a batch: copying the table would lose its partial indexes' conditions.
    op.drop_column("idempotency_keys", "blanked")
