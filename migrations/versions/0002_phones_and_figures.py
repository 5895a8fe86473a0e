"""Phones as they were last heard of, the full text of what was cut, and indexes to count by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# As `smsgate.store.types.UtcTime` stood when this was written.
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

_SETTLED = "state NOT IN ('scheduled', 'pending', 'forwarded-to-gateway')"
_PINNED = "state = 'pending' AND gateway IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "gateways",
        sa.Column("account", sa.String(length=256), nullable=False),
        sa.Column("last_poll_at", Time, nullable=False),
        sa.Column("app_version", sa.String(length=64), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("address_changes", sa.Text(), server_default=sa.text("'[]'"), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_gateways")),
    )
    # Added without a batch: copying the table would also lose its partial indexes' conditions.
    op.add_column("outbound_messages", sa.Column("original_text", sa.Text(), nullable=True))
    op.create_index(
        "ix_outbound_messages_settled",
        "outbound_messages",
        ["state", "changed_at", "due_at"],
        postgresql_where=sa.text(_SETTLED),
        sqlite_where=sa.text(_SETTLED),
    )
    op.create_index(
        "ix_outbound_messages_pinned",
        "outbound_messages",
        ["gateway", "due_at"],
        postgresql_where=sa.text(_PINNED),
        sqlite_where=sa.text(_PINNED),
    )
    op.create_index(
        "ix_inbound_messages_conflicts",
        "inbound_messages",
        ["received_at"],
        postgresql_where=sa.text("id_conflict"),
        sqlite_where=sa.text("id_conflict"),
    )


def downgrade() -> None:
    op.drop_index("ix_inbound_messages_conflicts", table_name="inbound_messages")
    op.drop_index("ix_outbound_messages_pinned", table_name="outbound_messages")
    op.drop_index("ix_outbound_messages_settled", table_name="outbound_messages")
    op.drop_column("outbound_messages", "original_text")
    op.drop_table("gateways")
